-- Turns of which nothing comes any more, and turns that outlive who waited for them.

local codex = require "codex"
local kit = require "spec.support.kit"
local loop = require "codex.loop"
local turns = require "codex.turn"
local watchdogs = require "codex.watchdog"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "it should have raised")
  assert.is_true(codex.is_error(err), tostring(err))
  return err
end

-- A client of the fake server that has started the turn U of the thread T, and goes on with the scenario.
local function fake(scenario)
  local options, received = kit.fake([[
    local function turn(status, items)
      return ('{"id":"U","status":"%s","items":%s,"error":null}'):format(status, items or "[]")
    end
    local MESSAGE = '{"type":"agentMessage","id":"m","text":"All done.","phase":"final_answer"}'
    local LOST = '{"data":[' .. turn("completed", "[" .. MESSAGE .. "]") .. "]}"
    local function command(method, status)
      server:notify(method, '{"threadId":"T","turnId":"U","item":{"type":"commandExecution","id":"c","command":"make",'
        .. '"commandActions":[],"cwd":"/","status":"' .. status .. '"}}')
    end
    server:handshake()
    server:thread("T")
    server:turn("U")
    server:turn_started("T", "U") ]] .. scenario)
  local client = codex.new(options)
  return client, client:thread_start(), function(method)
    local count = 0
    for _, line in ipairs(received()) do
      if line:find('"' .. method .. '"', 1, true) then count = count + 1 end
    end
    return count
  end
end

local END = [[
    server:notify("turn/completed", '{"threadId":"T","turn":' .. turn("completed") .. "}") ]]
local STOP = [[
    server:reply(server:expect("turn/interrupt"), "{}")
    server:notify("turn/completed", '{"threadId":"T","turn":' .. turn("interrupted") .. "}") ]]

describe("idle_timeout", function()
  teardown(kit.cleanup)

  it("has the server asked, then the turn interrupted, and raises with what there is", function()
    local client, thread, count = fake([[
      server:notify("item/completed", '{"threadId":"T","turnId":"U","item":' .. MESSAGE .. "}")
      server:reply(server:expect("thread/turns/list"), '{"data":[' .. turn("inProgress") .. ']}')]] .. STOP)
    local err = failure(thread.run, thread, "go", { idle_timeout = 0.05 })
    assert.equal("timeout", err.kind)
    assert.equal("nothing came of the turn for too long", err.message)
    assert.same({ "interrupted", "All done." }, { err.result.status, err.result.final_response })
    assert.equal(1, count "thread/turns/list")
    client:close()
  end)

  it("takes the result from the server when the turn's end got lost, and ends its streams", function()
    local client, thread, count = fake [[
      server:reply(server:expect "thread/turns/list", LOST)]]
    local turn = thread:turn("go", { idle_timeout = 0.05 })
    local methods = {}
    for event in turn:stream() do methods[#methods + 1] = event.method end
    assert.same({ "turn/started", "item/completed", "turn/completed" }, methods)
    local result = turn:run()
    assert.same({ "completed", "All done.", 1 }, { result.status, result.final_response, #result.items })
    assert.equal(0, count "turn/interrupt")
    client:close()
  end)

  it("adds no item twice", function()
    local client, thread = fake [[
      server:notify("item/completed", '{"threadId":"T","turnId":"U","item":' .. MESSAGE .. "}")
      server:reply(server:expect "thread/turns/list", LOST)]]
    assert.equal(1, #thread:run("go", { idle_timeout = 0.05 }).items)
    client:close()
  end)

  it("doesn't count while a command runs, but from its end on", function()
    local client, thread, count = fake([[
      command("item/started", "inProgress")
      server:sleep(0.3)
      command("item/completed", "completed")]] .. END)
    assert.equal("completed", thread:run("go", { idle_timeout = 0.1 }).status)
    assert.equal(0, count "thread/turns/list")
    client:close()
    client, thread = fake([[
      command("item/started", "inProgress")
      command("item/completed", "completed")]] .. STOP)
    assert.equal("timeout", failure(thread.run, thread, "go", { idle_timeout = 0.05 }).kind)
    client:close()
  end)

  it("doesn't count while a question waits for its answer", function()
    local client, thread, count = fake([[
      server:request(1, "item/fileChange/requestApproval", '{"threadId":"T","turnId":"U","itemId":"f"}')
      server:expect_answer(1)]] .. END)
    local result = thread:run("go", {
      idle_timeout = 0.1,
      approval_handler = function()
        codex.sleep(0.3)
        return "decline"
      end,
    })
    assert.equal("completed", result.status)
    assert.equal(0, count "thread/turns/list")
    client:close()
  end)

  it("ends with a server that says nothing at all any more", function()
    local answer, abandon = watchdogs.ANSWER_SECONDS, turns.ABANDON_SECONDS
    watchdogs.ANSWER_SECONDS, turns.ABANDON_SECONDS = 0.05, 0.05
    local client, thread = fake ""
    local err = failure(thread.run, thread, "go", { idle_timeout = 0.05 })
    watchdogs.ANSWER_SECONDS, turns.ABANDON_SECONDS = answer, abandon
    assert.same({ "timeout", "inProgress" }, { err.kind, err.result.status })
    client:close()
  end)

  it("goes by what comes while the server is asked", function()
    for _, news in ipairs {
      [[server:notify("item/agentMessage/delta", '{"threadId":"T","turnId":"U","itemId":"m","delta":"x"}')]],
      [[command("item/started", "inProgress")]],
    } do
      local client, thread = fake([[
        local asked = server:expect "thread/turns/list" ]] .. news .. [[
        server:reply(asked, '{"data":[' .. turn("inProgress") .. ']}')
        server:sleep(0.05)
        command("item/completed", "completed")]] .. END)
      assert.equal("completed", thread:run("go", { idle_timeout = 0.2 }).status)
      client:close()
    end
  end)

  it("waits for the server's word no longer than the turn may take", function()
    local client, thread = fake([[
      server:expect "thread/turns/list"]] .. STOP)
    local err = failure(thread.run, thread, "go", { idle_timeout = 0.05, timeout = 0.1 })
    assert.same({ "timeout", "the turn took too long" }, { err.kind, err.message })
    client:close()
  end)

  it("of no time at all doesn't keep the program busy while something runs", function()
    local client, thread = fake([[
      command("item/started", "inProgress")
      server:expect "spec/go on"
      server:sleep(0.3)
      command("item/completed", "completed")]] .. END)
    local turn = thread:turn "go"
    turn:stream { "item/started" }()
    turn._idle_timeout = 0 -- not before the command runs
    client:notify("spec/go on", {})
    local before = loop.rounds()
    pcall(turn.run, turn) -- which ends by itself, or a moment before that
    assert.is_true(loop.rounds() - before < 30)
    client:close()
  end)

  it("gives way to a cancellation while the server is asked about a turn that ends just then", function()
    local client, thread, count = fake([[
      server:expect "thread/turns/list"
      local go_on = server:expect "spec/go on"]] .. END .. [[
      server:reply(go_on, "{}")]])
    local running = codex.spawn(thread.run, thread, "go", { idle_timeout = 0.02 })
    assert.is_true(kit.eventually(function()
      codex.step(0.01)
      return count "thread/turns/list" == 1
    end))
    client:request "spec/go on"
    running:cancel()
    local err = failure(running.join, running)
    assert.same({ "cancelled", "completed" }, { err.kind, err.result.status })
    client:close()
  end)

  it("gives way to a cancellation while the server is asked", function()
    local client, thread, count = fake([[
      server:expect("thread/turns/list")]] .. STOP)
    local running = codex.spawn(thread.run, thread, "go", { idle_timeout = 0.05 })
    assert.is_true(kit.eventually(function()
      codex.step(0.01)
      return count "thread/turns/list" == 1
    end))
    running:cancel()
    assert.equal("cancelled", failure(running.join, running).kind)
    assert.equal(1, count "turn/interrupt")
    client:close()
  end)

  it("ends a real turn whose server tries for ever to reach its model", function()
    local client, home = kit.client()
    local thread = client:thread_start()
    home:stop() -- nobody listens there any more
    local turn = thread:turn("go", { idle_timeout = 0.5 }) -- which counts while somebody waits for the turn
    assert.is_true(kit.eventually(function()
      codex.step(0.01)
      return turn.retrying ~= nil
    end))
    assert.is_true(turn:stream { "error" }().params.will_retry)
    local err = failure(turn.run, turn)
    assert.same({ "timeout", "interrupted" }, { err.kind, err.result.status })
    assert.truthy(err.message:find("trying again", 1, true), err.message)
    client:close()
  end)

  it("is refused where it isn't a time", function()
    local client, thread = fake ""
    for _, seconds in ipairs { -1, 0 / 0, "x" } do
      assert.equal("invalid_argument", failure(thread.run, thread, "go", { idle_timeout = seconds }).kind)
    end
    assert.equal("invalid_argument", failure(thread.run, thread, "go", { on_cancel = "stop" }).kind)
    client:close()
  end)
end)

describe("on_cancel", function()
  teardown(kit.cleanup)

  it("leaves the turn running where it says detach, and interrupts it otherwise", function()
    for _, on_cancel in ipairs { "detach", "interrupt" } do
      local client, thread, count = fake(on_cancel == "interrupt" and STOP or [[
        server:reply(server:expect("spec/go on"), "{}")]] .. END)
      local running = codex.spawn(thread.run, thread, "go", { on_cancel = on_cancel })
      assert.is_true(kit.eventually(function()
        codex.step(0.01)
        return next(client._turns) ~= nil
      end))
      local turn = client._turns[next(client._turns)]
      running:cancel()
      assert.equal("cancelled", failure(running.join, running).kind)
      if on_cancel == "detach" then
        client:request("spec/go on", {})
        assert.equal("completed", turn:run().status)
      end
      assert.equal(on_cancel == "detach" and 0 or 1, count "turn/interrupt")
      client:close()
    end
  end)
end)

describe("a turn that is given up", function()
  local abandon = turns.ABANDON_SECONDS
  before_each(function() turns.ABANDON_SECONDS = 0.05 end)
  after_each(function() turns.ABANDON_SECONDS = abandon end)
  teardown(kit.cleanup)

  it("is interrupted as soon as it starts, however late that is", function()
    local options, received = kit.fake [[
      server:handshake()
      server:thread "T"
      server:turn "U"
      server:expect "spec/go on"
      server:turn_started("T", "U")
      server:reply(server:expect "turn/interrupt", "{}")]]
    local client = codex.new(options)
    local thread = client:thread_start()
    assert.equal("timeout", failure(thread.run, thread, "go", { timeout = 0.1 }).kind)
    client:notify("spec/go on", {})
    assert.is_true(kit.eventually(function()
      codex.step(0.01)
      return table.concat(received()):find("turn/interrupt", 1, true) ~= nil
    end))
    client:close()
  end)

  it("doesn't keep its thread when its end gets lost", function()
    local client, thread = fake [[
      server:reply(server:expect "turn/interrupt", "{}")
      server:reply(server:expect "thread/turns/list", '{"data":[' .. turn("interrupted") .. "]}")
      server:turn "V"
      server:turn_completed("T", "V")]]
    assert.equal("timeout", failure(thread.run, thread, "go", { timeout = 0.05 }).kind)
    assert.equal("completed", thread:run("again", { timeout = 10 }).status)
    client:close()
  end)

  it("gives way to a cancellation meanwhile, whether it has started or not", function()
    turns.ABANDON_SECONDS = 5
    for _, awaited in ipairs { "turn/start", "turn/interrupt" } do
      local options, received = kit.fake([[
        server:handshake()
        server:thread "T"
        if "]] .. awaited .. [[" == "turn/interrupt" then
          server:turn "U"
          server:turn_started("T", "U")
        end
        server:expect "]] .. awaited .. [["
        server:expect "spec/go on"
        server:exit()]])
      local client = codex.new(options)
      local thread = client:thread_start()
      local running = codex.spawn(thread.run, thread, "go", { timeout = 0.05 })
      assert.is_true(kit.eventually(function()
        codex.step(0.01)
        return table.concat(received()):find(awaited, 1, true) ~= nil
      end))
      codex.sleep(0.1)
      running:cancel()
      client:notify("spec/go on", {})
      assert.equal("cancelled", failure(running.join, running).kind)
      assert.equal("cancelled", running.status)
      client:close()
    end
  end)
end)
