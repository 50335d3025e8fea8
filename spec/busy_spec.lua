-- Turns on a thread that runs one already: joining it, and what is left of starts that were given up.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local loop = require "codex.loop"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local task = require "codex.task"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

-- The messages of a method that the fake server got.
local function got(received, method)
  local list = {}
  for _, line in ipairs(received()) do
    local message = cjson.decode(line)
    if message.method == method then list[#list + 1] = message.params end
  end
  return list
end

-- Whatever waits is answered never; everything else at once.
local script = [[return function(request, context)
  if context.input_text:find "wait" then return { deltas = { "a" }, hold = true } end
  return "answer to " .. context.input_text
end]]

-- A turn that waits for its model.
local function waiting_turn(thread, options)
  local turn = thread:turn("wait", options)
  local next_delta = turn:text()
  next_delta()
  return turn
end

describe("turns that line up on a thread", function()
  after_each(kit.cleanup)

  it("aren't woken before it is their turn, however many there are", function()
    local client = codex.new(kit.fake [[
      server:handshake()
      server:thread "th"
      for number = 1, 200 do
        server:turn("t" .. number)
        server:turn_completed("th", "t" .. number)
      end
      server:read()
    ]])
    local thread = client:thread_start()
    local parks, try_park, runs = 0, task.try_park, {}
    finally(function()
      task.try_park = try_park
    end)
    task.try_park = function(...)
      parks = parks + 1
      return try_park(...)
    end
    for number = 1, 200 do
      runs[number] = function()
        return thread:run("go").id
      end
    end
    local ids = codex.gather(runs)
    for number = 1, 200 do
      assert.equal("t" .. number, ids[number])
    end
    assert.is_true(parks < 2000, parks .. " waits")
    client:close()
  end)

  -- A client, and four turns of a thread: one that runs, one that was cancelled in line, one that gave up there, and
  -- the last.
  local function line(server)
    local client = codex.new(kit.fake([[
      server:handshake()
      server:thread "th"
      server:turn "t1"
      local message = server:expect "spec/go"
    ]] .. server))
    local thread, runs = client:thread_start(), {}
    for number = 1, 4 do
      runs[number] = codex.spawn(function()
        return thread:run("go", { timeout = number == 3 and 0.01 or nil }).id
      end)
    end
    raised("timeout", runs[3].join, runs[3])
    runs[2]:cancel()
    raised("cancelled", runs[2].join, runs[2])
    return client, runs
  end

  it("may leave the line in its middle", function()
    local client, runs = line [[
      server:reply(message)
      server:turn_completed("th", "t1")
      server:turn "t2"
      server:turn_completed("th", "t2")
      server:read()
    ]]
    client:request "spec/go"
    assert.same({ "t1", "t2" }, { runs[1]:join(), runs[4]:join() })
    client:close()
  end)

  it("end with their server, also in line", function()
    local client, runs = line "server:exit(3)"
    raised("transport_closed", client.request, client, "spec/go")
    raised("transport_closed", runs[1].join, runs[1])
    raised("transport_closed", runs[4].join, runs[4])
    client:close()
  end)
end)

describe("who joins a running turn", function()
  after_each(kit.cleanup)

  it("gets its result, and leaves its owner the events", function()
    local client = kit.client { script = script }
    local thread = client:thread_start()
    local turn = thread:turn "wait"
    local result = thread:run("go on", { when_busy = "steer" })
    assert.equal(turn.id, result.id)
    assert.equal("answer to go on", result.final_response)
    local methods = {}
    for event in turn:stream() do
      methods[#methods + 1] = event.method
    end
    assert.equal("turn/started", methods[1])
    assert.equal("turn/completed", methods[#methods])
    assert.equal(result, turn:run())
    client:close()
  end)

  it("waits until the one before him has started it", function()
    local client = kit.client { script = script }
    local thread = client:thread_start()
    local results = codex.gather {
      function()
        return thread:run "wait"
      end,
      function()
        return thread:run("go on", { when_busy = "steer" })
      end,
    }
    assert.equal(results[1].id, results[2].id)
    assert.equal("answer to go on", results[1].final_response)
    client:close()
  end)

  it("waits no longer than he said, and the turn goes on", function()
    local client = kit.client { script = script }
    local thread = client:thread_start()
    local turn = waiting_turn(thread)
    raised("timeout", thread.run, thread, "wait on", { when_busy = "steer", timeout = 0.5 })
    assert.equal("inProgress", turn.status)
    assert.equal(turn, thread:turn("go on", { when_busy = "steer", timeout = 60 }))
    assert.equal("answer to go on", turn:run().final_response)
    client:close()
  end)

  it("may be cancelled, and the turn goes on", function()
    local client = kit.client { script = script }
    local thread = client:thread_start()
    local turn = waiting_turn(thread)
    codex.run(function()
      local guest = codex.spawn(function()
        return thread:run("wait on", { when_busy = "steer" })
      end)
      codex.spawn(function()
        luas.each(turn:stream { "item/completed" }, function(event)
          return event.params.item.type == "userMessage"
        end)
        guest:cancel()
      end)
      raised("cancelled", guest.join, guest)
    end)
    assert.equal("inProgress", turn.status)
    thread:run("go on", { when_busy = "steer" })
    assert.equal("completed", turn.status)
    client:close()
  end)

  it("leaves no place behind where nobody can wait", function()
    local client = kit.client { script = script }
    local thread = client:thread_start()
    local turn, can_run = waiting_turn(thread), loop.can_run
    loop.can_run = function() return false end
    local kinds = {}
    for index, when_busy in ipairs { "queue", "steer" } do
      kinds[index] = select(2, pcall(thread.run, thread, "refused", { when_busy = when_busy })).kind
    end
    loop.can_run = can_run
    assert.same({ "invalid_argument", "invalid_argument" }, kinds)
    turn:interrupt()
    assert.equal("answer to next", thread:run("next", { timeout = 10 }).final_response)
    client:close()
  end)

  it("waits no longer than he said for a turn that doesn't start", function()
    local client = codex.new((kit.fake [[server:handshake() server:thread "t" server:turn "a"]]))
    local thread = client:thread_start()
    thread:turn "one"
    raised("timeout", thread.turn, thread, "two", { when_busy = "steer", timeout = 0.1 })
    raised("timeout", thread.turn, thread, "two", { timeout = 0.1 })
    client:close()
  end)

  it("brings no handlers, whether a turn runs or not", function()
    local client = codex.new((kit.fake [[server:handshake() server:thread "t" server:turn "a"]]))
    local thread = client:thread_start()
    local names = { "approval_handler", "elicitation_handler", "request_handler", "user_input_handler" }
    local function refuses()
      for _, name in ipairs(names) do
        local err = raised("invalid_argument", thread.turn, thread, "one", { when_busy = "steer", [name] = print })
        local message = ("turn_start: '%s' can't be given with when_busy = 'steer'"):format(name)
        assert.truthy(err.message:find(message, 1, true), err.message)
      end
    end
    refuses()
    thread:turn("one", { when_busy = "queue", approval_handler = print })
    refuses()
    client:close()
  end)

  it("says all that can be said to a running turn", function()
    local options, received = kit.fake [[
      server:handshake() server:thread "t"
      server:turn "a" server:turn_started("t", "a")
      local message = server:expect "turn/steer"
      server:reply(message, { turnId = "a" })
      server:turn_completed("t", "a")
    ]]
    local client = codex.new(options)
    local thread = client:thread_start()
    thread:turn "one"
    thread:run("two", {
      when_busy = "steer",
      client_user_message_id = "m1",
      additional_context = { editor = { kind = "untrusted", value = "x.lua" } },
      model = "another",
    })
    assert.same({
      {
        threadId = "t",
        expectedTurnId = "a",
        input = { { type = "text", text = "two" } },
        clientUserMessageId = "m1",
        additionalContext = { editor = { kind = "untrusted", value = "x.lua" } },
      },
    }, got(received, "turn/steer"))
    client:close()
  end)

  it("starts a turn if the other has just ended", function()
    local options, received = kit.fake [[
      server:handshake() server:thread "t"
      server:turn "a" server:turn_started("t", "a")
      local message = server:expect "turn/steer"
      server:turn_completed("t", "a")
      server:error(message, -32600, "no active turn to steer")
      server:turn "b" server:turn_started("t", "b") server:turn_completed("t", "b")
    ]]
    local client = codex.new(options)
    local thread = client:thread_start()
    thread:turn "one"
    assert.equal("b", thread:run("two", { when_busy = "steer" }).id)
    assert.equal(2, #got(received, "turn/start"))
    client:close()
  end)
end)

describe("a start that is answered too late", function()
  after_each(kit.cleanup)

  it("has its turn interrupted, and the next one waits for its end", function()
    local folder = kit.folder()
    local options, received = kit.fake(([[
      server:handshake() server:thread "t"
      local late = server:expect "turn/start"
      server:await_file "%s/go"
      server:turn("a", late) server:turn_started("t", "a")
      server:reply(server:expect "turn/interrupt", "{}")
      server:await_file "%s/end"
      server:turn_completed("t", "a", "interrupted")
      server:turn "b" server:turn_started("t", "b") server:turn_completed("t", "b")
    ]]):format(folder, folder), { request_timeout = 0.2 })
    local client = codex.new(options)
    local thread = client:thread_start()
    local err = raised("timeout", thread.run, thread, "one")
    assert.equal("turn/start: the server did not answer in time", err.message)
    local started = false
    client:on("turn/started", function()
      started = true
    end)
    kit.write_file(folder .. "/go", "")
    while not started do
      codex.step(1)
    end
    raised("busy", thread.run, thread, "two", { when_busy = "error" })
    kit.write_file(folder .. "/end", "")
    assert.equal("b", thread:run("two").id)
    assert.same({ { threadId = "t", turnId = "a" } }, got(received, "turn/interrupt"))
    client:close()
  end)

  it("is let be if it has failed", function()
    local folder = kit.folder()
    local options = kit.fake(([[
      server:handshake() server:thread "t"
      local late = server:expect "turn/start"
      server:await_file "%s/go"
      server:error(late, -32600, "no")
      server:turn "b" server:turn_started("t", "b") server:turn_completed("t", "b")
    ]]):format(folder), { request_timeout = 0.2 })
    local client = codex.new(options)
    local thread = client:thread_start()
    raised("timeout", thread.run, thread, "one")
    kit.write_file(folder .. "/go", "")
    assert.equal("b", thread:run("two").id)
    client:close()
  end)

  it("isn't sent if its options were spoiled while it waited, and the thread is free", function()
    local client = kit.client { script = script }
    local thread = client:thread_start()
    local turn = waiting_turn(thread)
    local policy = { type = "dangerFullAccess" }
    local results = codex.gather {
      function()
        return raised("invalid_argument", thread.run, thread, "two", { sandbox_policy = policy })
      end,
      function()
        return thread:run "three"
      end,
      function()
        policy.type = "spoiled"
        turn:interrupt()
      end,
    }
    assert.truthy(results[1].message:find("turn_start.sandbox_policy.type: got 'spoiled'", 1, true), results[1].message)
    assert.equal("answer to three", results[2].final_response)
    client:close()
  end)

  it("doesn't keep a client from closing", function()
    local client = codex.new((kit.fake([[server:handshake() server:thread "t"]], { request_timeout = 0.1 })))
    local thread = client:thread_start()
    raised("timeout", thread.run, thread, "one")
    client:close()
    raised("closed", thread.run, thread, "two")
  end)
end)
