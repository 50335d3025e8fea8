--- What reaches those who subscribe: client:on, client:notifications; what a turn tells of the server's retries.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local task = require "codex.task"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local function methods_of(events)
  local list = {}
  for index, event in ipairs(events) do
    list[index] = event.method
  end
  return table.concat(list, " ")
end

-- A client of a fake server that says hello, reads one `go` and does what body says, and ends with `done`.
local GO = [[
  server:handshake()
  local go = server:expect "go"
  local function notify(method, params) server:notify(method, params or {}) end
]]

local function fake(body, extra)
  return codex.new((kit.fake(GO .. body .. ' server:reply(go, "{}")', extra)))
end

describe("client:on", function()
  after_each(kit.cleanup)

  it("calls for every notification of its method, of whichever turn", function()
    local client = kit.client { script = { "one", "two" } }
    local events = {}
    client:on("turn/completed", function(event)
      events[#events + 1] = event
    end)
    local thread = client:thread_start()
    local first, second = thread:run "a", thread:run "b"
    codex.sleep(0)
    client:close()
    assert.equal("turn/completed turn/completed", methods_of(events))
    assert.equal(first.id, events[1].params.turn.id)
    assert.equal(second.id, events[2].params.turn.id)
    assert.equal(thread.id, events[2].params.thread_id)
    assert.truthy(events[1].raw:find '"method":"turn/completed"')
  end)

  it("calls in order, one at a time, though the handler waits", function()
    local client = fake [[ for i = 1, 20 do notify("warning", { message = tostring(i) }) end ]]
    local order, running = {}, 0
    local all = {}
    client:on("warning", function(event)
      running = running + 1
      assert(running == 1)
      codex.sleep(0)
      order[#order + 1] = tonumber(event.params.message)
      running = running - 1
      if #order == 20 then codex.spawn(function() all.done = true end) end
    end)
    client:request "go"
    while not all.done do
      codex.step(1)
    end
    for i = 1, 20 do
      assert.equal(i, order[i])
    end
    client:close()
  end)

  it("takes '*' for all, unknown ones too", function()
    local client = fake [[ notify("configWarning") notify("brand/new", { some_thing = 1, otherThing = 2 }) ]]
    local events = {}
    client:on("*", function(event)
      events[#events + 1] = event
    end)
    client:request "go"
    while #events < 2 do
      codex.step(1)
    end
    assert.equal("configWarning brand/new", methods_of(events))
    assert.same({ some_thing = 1, otherThing = 2 }, events[2].params)
    client:close()
  end)

  it("may call the server, and run turns", function()
    local client = kit.client { script = { "one", "two" } }
    local answer
    local off
    off = client:on("turn/completed", function()
      off()
      answer = client:thread_start():run("again").final_response
    end)
    client:thread_start():run "a"
    while not answer do
      codex.step(1)
    end
    client:close()
    assert.equal("two", answer)
  end)

  it("stops once unsubscribed, from inside too", function()
    local client = fake [[ for _ = 1, 5 do notify "warning" end notify "configWarning" ]]
    local count, over = 0, false
    local off
    off = client:on("warning", function()
      count = count + 1
      if count == 2 then off() end
    end)
    client:on("configWarning", function()
      over = true
    end)
    client:request "go"
    while not over do
      codex.step(1)
    end
    off()
    assert.equal(2, count)
    client:close()
  end)

  it("stops where it lets others go on, if they say so meanwhile; iterators do too", function()
    local client = fake [[ for _ = 1, 3 do notify("warning") end ]]
    local calls, failures, stop = 0, 0, nil
    local function take_long()
      local from = core.now()
      repeat until core.now() - from > 0.005
      codex.spawn(stop)
    end
    client:on("handler_error", function() failures = failures + 1 end)
    stop = client:on("warning", function()
      calls = calls + 1
      take_long()
    end)
    client:request "go"
    local next_warning, _, _, feed = client:notifications()
    codex.spawn(function()
      stop = function() feed:close() end
      assert(next_warning())
      take_long()
      assert.is_nil(next_warning())
    end):join()
    client:close()
    assert.same({ 1, 0 }, { calls, failures })
  end)

  it("gives what a handler raises to handler_error, with the event, and goes on", function()
    local client = fake [[ notify("warning", { message = "a" }) notify("warning", { message = "b" }) ]]
    local errors = {}
    client:on("warning", function(event)
      codex.sleep(0)
      error("bad " .. event.params.message)
    end)
    client:on("handler_error", function(err, event)
      errors[#errors + 1] = { err, event.params.message }
    end)
    client:request "go"
    while #errors < 2 do
      codex.step(1)
    end
    assert.truthy(errors[1][1]:find "bad a$")
    assert.truthy(errors[2][1]:find "bad b$")
    assert.same({ "a", "b" }, { errors[1][2], errors[2][2] })
    client:close()
  end)

  it("says on stderr once what nobody asked to hear", function()
    local path = kit.folder() .. "/script.lua"
    local options = kit.fake(GO .. [[ notify "warning" notify "warning" notify "configWarning"
      server:reply(go, "{}")]])
    local argv = {}
    for index, word in ipairs(options.launch_args_override) do
      argv[index] = ("%q"):format(word)
    end
    kit.write_file(path, ([[
      local codex = require "codex"
      local client = codex.new { launch_args_override = { %s } }
      client:on("warning", function() error { } end)
      client:on("warning", function() error "twice" end)
      local over
      client:on("configWarning", function() over = true end)
      client:request "go"
      while not over do codex.step(1) end
      client:close()
    ]]):format(table.concat(argv, ", ")))
    local pipe = io.popen(("%s %s 2>&1"):format(kit.quoted(kit.lua), kit.quoted(path)))
    local text = pipe:read "*a"
    pipe:close()
    assert.equal(2, select(2, text:gsub("codex: a handler of 'warning' failed", "")), text)
    assert.equal(1, select(2, text:gsub("twice", "")), text)
  end)

  it("refuses what looks like a slip, and what can't be called", function()
    local client = fake ""
    local _, err = pcall(client.on, client, "turn/complete", print)
    assert.truthy(codex.is_error(err, "invalid_argument"))
    assert.truthy(tostring(err):find("unknown notification 'turn/complete' (did you mean 'turn/completed'?)", 1, true))
    _, err = pcall(client.on, client, "warning", 7)
    assert.truthy(tostring(err):find("on: expected a function, got number", 1, true))
    _, err = pcall(client.on, client, nil, print)
    assert.truthy(tostring(err):find("on: expected a method name, got nil", 1, true))
    assert.is_function(client:on("quite/something else", print))
    client:request "go"
    client:close()
  end)

  it("is no deadlock to wait for", function()
    local client = fake [[ notify "warning" ]]
    local source = {}
    client:on("warning", function()
      task.wake(source)
    end)
    client:notify "go"
    assert.equal("woken", task.park(source))
    client:close()
    assert.is_false(codex.step(0))
  end)

  it("doesn't keep a forgotten client", function()
    local client = fake ""
    client:on("warning", print)
    local weak = setmetatable({ client }, { __mode = "v" })
    client = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end)
end)

describe("client:notifications", function()
  after_each(kit.cleanup)

  it("iterates over what belongs to no turn, from the client's start", function()
    local client = fake [[
      notify "configWarning"
      notify("turn/diff/updated", { threadId = "t", turnId = "u", diff = "" })
      notify("warning", { message = "w" })
    ]]
    client:request "go"
    local seen = {}
    for event in client:notifications() do
      seen[#seen + 1] = event
      if #seen == 2 then break end
    end
    assert.equal("configWarning warning", methods_of(seen))
    client:close()
  end)

  it("delivers the methods that are asked for, and ends with the client", function()
    local client = fake [[ notify "configWarning" notify("warning", { message = "w" }) ]]
    local seen = {}
    local reader = codex.spawn(function()
      luas.each(client:notifications { "warning" }, function(event)
        seen[#seen + 1] = event
      end)
    end)
    client:request "go"
    client:close()
    reader:join()
    assert.equal("warning", methods_of(seen))
  end)

  it("raises when the server goes", function()
    local client = fake [[ notify "warning" server:exit(7) ]]
    client:notify "go"
    local ok, err = pcall(function()
      for _ in client:notifications() do -- luacheck: ignore
      end
    end)
    assert.is_false(ok)
    client:close()
    assert.truthy(codex.is_error(err, "transport_closed"), tostring(err))
  end)

  it("refuses a list with a slip in it", function()
    local client = fake ""
    local _, err = pcall(client.notifications, client, { "warning", "confgWarning" })
    assert.truthy(tostring(err):find("notifications[2]: unknown notification 'confgWarning' (did you mean", 1, true))
    client:request "go"
    client:close()
  end)
end)

describe("a turn's retrying", function()
  after_each(kit.cleanup)

  local RETRY = [[
    server:handshake()
    server:thread "t"
    server:turn "u" server:turn_started("t", "u")
    server:notify("error", { threadId = "t", turnId = "u", willRetry = true,
      error = { message = "Reconnecting... 1/5", codexErrorInfo = "other" } })
  ]]

  it("says why, until the server goes on", function()
    local client = codex.new((kit.fake(RETRY .. [[
      server:expect "go"
      server:notify("item/started", { threadId = "t", turnId = "u", item = { type = "agentMessage", id = "m" } })
      server:turn_completed("t", "u")
    ]])))
    local turn = client:thread_start():turn "x"
    local methods = {}
    for event in turn:stream() do
      methods[#methods + 1] = event.method
      if event.method == "error" then
        assert.is_true(event.params.will_retry)
        assert.equal("Reconnecting... 1/5", turn.retrying.message)
        assert.equal("other", turn.retrying.codex_error_info)
        client:notify "go"
      elseif event.method == "item/started" then
        assert.is_nil(turn.retrying)
      end
    end
    assert.equal("turn/started error item/started turn/completed", table.concat(methods, " "))
    assert.is_nil(turn.retrying)
    assert.equal("completed", turn:run().status)
    client:close()
  end)

  it("is in the message when the turn runs out of time", function()
    local client = codex.new((kit.fake(RETRY)))
    local _, err = pcall(function()
      client:thread_start():run("x", { timeout = 0.2 })
    end)
    client:close()
    assert.truthy(codex.is_error(err, "timeout"))
    assert.truthy(tostring(err):find("the server was trying again (Reconnecting... 1/5)", 1, true), tostring(err))
    assert.equal("inProgress", err.result.status)
  end)
end)

describe("a turn that the server names but never starts", function()
  after_each(kit.cleanup)

  -- As servers 0.142 to 0.147 do on a busy thread: the running turn R gets the input.
  local PHANTOM = [[
    server:handshake()
    server:thread "t"
    local start = server:expect "turn/start"
    server:notify("turn/started", { threadId = "t", turn = { id = "R", status = "inProgress", items = {} } })
    server:reply(start, '{"turn":{"id":"X","status":"inProgress","items":[]}}')
    server:turn_completed("t", "R")
    local function status(name)
      local read = server:expect "thread/read"
      server:reply(read, '{"thread":{"id":"t","status":{"type":"' .. name .. '"}}}')
    end
  ]]

  it("is reported, and leaves the thread usable", function()
    local client = codex.new((kit.fake(PHANTOM .. [[
      status "idle" status "idle"
      server:turn "Y" server:turn_started("t", "Y")
      server:turn_completed("t", "Y")
    ]])))
    local thread = client:thread_start()
    local _, err = pcall(thread.run, thread, "x")
    assert.truthy(codex.is_error(err, "busy"), tostring(err))
    assert.equal("never_started", err.reason)
    assert.equal("inProgress", err.result.status)
    assert.equal("completed", thread:run("y").status)
    client:close()
  end)

  it("is reported to who streams it", function()
    local client = codex.new((kit.fake(PHANTOM .. [[ status "idle" status "idle" ]])))
    local turn = client:thread_start():turn "x"
    local _, err = pcall(function()
      for _ in turn:stream() do -- luacheck: ignore
      end
    end)
    assert.equal("never_started", err.reason)
    client:close()
  end)

  it("isn't taken for one while it may still start", function()
    local client = codex.new((kit.fake(PHANTOM .. [[
      status "active"
      server:notify("turn/started", { threadId = "t", turn = { id = "X", status = "inProgress", items = {} } })
      server:turn_completed("t", "X")
    ]])))
    assert.equal("completed", client:thread_start():run("x").status)
    client:close()
  end)
end)
