-- Turns of servers that do what the real one doesn't, or can't be made to do.
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local turns = require "spec.support.turns"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local drain, methods_of, text_of, types_of = turns.drain, turns.methods_of, turns.text_of, turns.types_of
local fake = turns.fake

describe("a turn of an odd server", function()
  after_each(kit.cleanup)

  it("may be through before its start is answered", function()
    local client, thread = fake [[
      local start = server:expect("turn/start")
      server:turn_started("th", "t1")
      server:delta("th", "t1", "m1", "ear")
      server:delta("th", "t1", "m1", "ly")
      server:message("th", "t1", "m1", "early")
      server:turn_completed("th", "t1")
      server:turn("t1", start)
      start = server:expect("turn/start")
      server:message("th", "t2", "m2", "early again")
      server:turn_completed("th", "t2")
      server:turn("t2", start)
    ]]
    local turn = thread:turn "x"
    assert.same({
      "turn/started",
      "item/agentMessage/delta",
      "item/agentMessage/delta",
      "item/completed",
      "turn/completed",
    }, methods_of(drain(turn:stream())))
    assert.equal("early", turn:run().final_response)
    assert.equal("early again", thread:run("x").final_response)
    client:close()
  end)

  it("is read whole while finalizers run the loop", function()
    local client, thread = fake [[
      server:turn "t1"
      for i = 1, 1500 do
        server:notify("item/agentMessage/delta", ('{"threadId":"th","turnId":"t1","itemId":"m","delta":"%s",'
          .. '"x":[{},{},{},{},{},{},{},{},{"k%d":%d}]}'):format(("y"):rep(200), i, i))
      end
      server:turn_completed("th", "t1")
    ]]
    local seen, runs = 0, 0
    local function finalizer()
      codex.step(0.002)
      runs = runs + 1
    end
    local undo = luas.collect_often()
    for event in thread:turn("x"):stream() do
      if event.params.delta then
        seen = seen + 1
        if #event.params.delta ~= 200 or event.params.x[9]["k" .. seen] ~= seen then error(event.raw) end
      end
      if seen % 10 == 0 then luas.finalized(finalizer) end
    end
    undo()
    assert.equal(1500, seen)
    assert.is_true(runs > 0)
    client:close()
  end)

  it("may be mixed with another's, and with rubbish", function()
    local client, thread = fake [[
      local other = server:thread("th2")
      server:turn("t1")
      server:turn("t2")
      server:raw("\n\r\n   \nnot JSON\n[1,2]\n{\"a\":1}\n\255\254\n5\n\"x\"\nnull\n")
      server:raw('{"method":"turn/started","params":{"threadId":"th","turn":')
      server:raw('{"id":"t1","items":[],"status":"inProgress"}}}\r\n')
      for i = 1, 3 do
        server:delta("th", "t1", "m", "a" .. i)
        server:raw("garbage\n")
        server:delta("th2", "t2", "m", "b" .. i)
        server:raw('{"id":12345,"result":{}}\n{"id":"x","result":{}}\n')
        server:notify("item/agentMessage/delta", '{"threadId":"th","turnId":"nobody","itemId":"m","delta":"c"}')
      end
      server:message("th2", "t2", "m", "b1b2b3")
      server:message("th", "t1", "m", "a1a2a3")
      server:turn_completed("th2", "t2")
      server:turn_completed("th", "t1")
    ]]
    local second = client:thread_start()
    local results = codex.gather {
      function()
        local turn = thread:turn "x"
        return { text_of(turn), turn:run() }
      end,
      function()
        local turn = second:turn "x"
        return { text_of(turn), turn:run() }
      end,
    }
    assert.equal("a1a2a3", results[1][1])
    assert.equal("b1b2b3", results[2][1])
    assert.equal("a1a2a3", results[1][2].final_response)
    assert.equal("b1b2b3", results[2][2].final_response)
    assert.equal(1, #results[1][2].items)
    local statistics = client:statistics()
    assert.is_true(statistics.invalid_lines >= 10, statistics.invalid_lines)
    assert.equal(6, statistics.unknown_ids)
    client:close()
  end)

  it("may be completed twice, and go on after its end", function()
    local client, thread = fake [[
      server:turn("t1")
      server:message("th", "t1", "m", "right")
      server:turn_completed("th", "t1")
      server:turn_completed("th", "t1", "failed")
      server:message("th", "t1", "m2", "wrong")
      server:delta("th", "t1", "m3", "wrong")
      server:turn("t2")
      server:message("th", "t2", "m", "second")
      server:turn_completed("th", "t2")
      server:turn_completed("th", "t1")
    ]]
    local turn = thread:turn "x"
    local stream = turn:stream()
    assert.equal("right", turn:run().final_response)
    assert.equal("second", thread:run("x").final_response)
    assert.same({ "item/completed", "turn/completed" }, methods_of(drain(stream)))
    local result = turn:run()
    assert.equal("completed", result.status)
    assert.equal(1, #result.items)
    client:close()
  end)

  it("may have events, items and values that nobody knows yet", function()
    local client, thread = fake [==[
      server:turn("t1")
      server:notify("turn/somethingNew", '{"threadId":"th","turnId":"t1","newField":{"someThing":[],"nothing":null}}')
      server:notify("item/completed", '{"threadId":"th","turnId":"t1","completedAtMs":1,"item":{"type":"newItem",'
        .. '"id":"i","camelCase":[1,{}],"nothing":null}}')
      server:notify("item/completed", '{"threadId":"th","turnId":"t1","completedAtMs":1,"extraField":5,"item":'
        .. '{"type":"commandExecution","id":"c","command":"x","cwd":"/","status":"newStatus","commandActions":'
        .. '[{"type":"newAction","someThing":1}],"aggregatedOutput":null,"brandNew":{"innerName":null}}}')
      server:turn_completed("th", "t1", "somehowEnded")
    ]==]
    local turn = thread:turn "x"
    local events = drain(turn:stream())
    assert.equal("turn/somethingNew", events[1].method)
    assert.equal(codex.null, events[1].params.newField.nothing)
    assert.equal("[]", codex.json.encode(events[1].params.newField.someThing))
    assert.equal("th", events[1].params.threadId)
    local result = turn:run()
    assert.equal("somehowEnded", result.status)
    assert.equal("somehowEnded", turn.status)
    assert.equal("newItem", result.items[1].type)
    assert.equal("[1,{}]", codex.json.encode(result.items[1].camelCase))
    local command = result.items[2]
    assert.equal("newStatus", command.status)
    assert.is_nil(command.aggregated_output)
    assert.equal("newAction", command.command_actions[1].type)
    assert.equal(1, command.command_actions[1].someThing)
    assert.equal("table", type(command.brandNew))
    assert.equal(5, events[3].params.extraField)
    client:close()
  end)

  it("may be one that nobody claimed: it harms nobody, within a limit", function()
    local client, thread = fake [[
      local function ghosts(count)
        for i = 1, count do
          local id = "ghost" .. i
          server:turn_started("th", id)
          server:delta("th", id, "m", ("x"):rep(1000))
          server:message("th", id, "m", "boo")
          if i % 2 == 0 then server:turn_completed("th", id) end
        end
      end
      local go = server:expect("go/on")
      ghosts(2000)
      server:reply(go)
      -- and some more between the beginning of a turn and the answer to its start
      local start = server:expect("turn/start")
      server:message("th", "t1", "m", "fine")
      ghosts(200)
      server:turn_completed("th", "t1")
      server:turn("t1", start)
    ]]
    client:request "go/on"
    assert.is_true(client:statistics().dropped_turns > 0)
    local result = thread:run "x"
    assert.equal("fine", result.final_response)
    assert.equal(1, #result.items)
    client:close()
  end)

  it("may answer with the id of a turn that runs: that is an error, and no turn is lost", function()
    local client, thread = fake [[
      local other = server:thread("th", server:expect("thread/resume"))
      server:turn("t1")
      server:turn_started("th", "t1")
      server:turn("t1")
      server:message("th", "t1", "m", "the first")
      server:turn_completed("th", "t1")
    ]]
    local other = client:thread_resume "th"
    -- another lane, as if somebody else had started the first
    client._lanes.th2, other.id = nil, "th2"
    local first = thread:turn "x"
    local err = raised("busy", other.run, other, "y")
    assert.truthy(err.message:find "busy")
    assert.equal("the first", first:run().final_response)
    client:close()
  end)

  it("may refuse to start it: the error is the server's own, and the thread is free", function()
    local client, thread = fake [[
      server:error(server:expect("turn/start"), -32602, "too much", { input_error_code = "input_too_large",
        max_chars = 5, actual_chars = 6 })
      server:error(server:expect("turn/start"), -32001, "Server overloaded; retry later.")
      server:turn("t1")
      server:turn_completed("th", "t1")
    ]]
    local err = raised("invalid_params", thread.run, thread, "x")
    assert.equal("input_too_large", err.reason)
    assert.same({ input_error_code = "input_too_large", max_chars = 5, actual_chars = 6 }, err.data)
    assert.equal(-32602, err.code)
    assert.equal("turn/start", err.method)
    assert.equal("turn/start: too much", tostring(err))
    err = raised("server_busy", thread.run, thread, "x")
    assert.is_true(codex.is_retryable_error(err))
    assert.equal("completed", thread:run("x").status)
    client:close()
  end)

  it("may never be heard of again when the server dies: every waiter and later call learns of it", function()
    local client, thread = fake [[
      server:turn("t1")
      server:turn_started("th", "t1")
      server:delta("th", "t1", "m", "begun")
      server:message("th", "t1", "m0", "an item")
      server:expect("go/on")
      server:stderr("the last words\n")
      server:exit(3)
    ]]
    local turn = thread:turn "x"
    local function catch(fn, ...)
      local ok, err = pcall(fn, ...)
      assert.is_false(ok)
      return err
    end
    local errs = codex.gather {
      function()
        return catch(turn.run, turn)
      end,
      function()
        return catch(drain, turn:stream())
      end,
      function()
        return catch(text_of, turn)
      end,
      function()
        return catch(thread.run, thread, "queued")
      end,
      function()
        return catch(client.request, client, "go/on")
      end,
    }
    errs[#errs + 1] = catch(turn.run, turn)
    errs[#errs + 1] = catch(drain, turn:stream())
    errs[#errs + 1] = catch(thread.run, thread, "x")
    errs[#errs + 1] = catch(client.models, client)
    for i, err in ipairs(errs) do
      assert.is_true(codex.is_error(err, "transport_closed"), i .. ": " .. tostring(err))
      assert.truthy(err.stderr_tail:find("the last words", 1, true))
      assert.equal(3, err.exit_status)
    end
    assert.equal("inProgress", errs[1].result.status)
    assert.same({ "agentMessage" }, types_of(errs[1].result.items))
    assert.equal("inProgress", turn.status)
    client:close()
  end)
end)
