--- The lives of handlers: which one is asked, that they may wait, and what becomes of a question that is withdrawn.

local asking = require "spec.support.asking"
local codex = require "codex"
local kit = require "spec.support.kit"

local touch, exists = asking.touch, asking.exists

local function accept()
  return "accept"
end

local function raised(fn, ...)
  local returned, err = pcall(fn, ...)
  assert.is_false(returned)
  return err
end

-- The texts of what handlers did wrong, as they come.
local function failures_of(client)
  local failures = codex.channel(100)
  client:on("handler_error", function(err, request)
    failures:send { kind = codex.is_error(err) and err.kind, text = tostring(err), request = request }
  end)
  return failures
end

describe("a handler", function()
  local client, folder, home, failures

  setup(function()
    client, folder, home = asking.open {
      script = asking.script {
        ["one."] = { touch "one" },
        ["other."] = { touch "other" },
        ["three."] = { touch "first", touch "second", touch "third" },
      },
    }
    failures = failures_of(client)
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  local function start(options)
    options.cwd = folder
    return client:thread_start(options)
  end

  local function there(name)
    return exists(folder .. "/" .. name)
  end

  after_each(function()
    for _, name in ipairs { "one", "other", "first", "second", "third" } do
      os.remove(folder .. "/" .. name)
    end
  end)

  it("that isn't given leaves the user's configuration as it is", function()
    local thread = start {}
    assert.same({ "never", "user" }, { thread.approval_policy, thread.approvals_reviewer })
    assert.equal("completed", thread:run("one.").status)
    assert.is_false(there "one")
    assert.truthy(asking.told(home).call_1_1:find("approval policy is Never", 1, true))
  end)

  it("that isn't given means no, where the server asks all the same", function()
    local before = client:statistics().answers
    local thread = start { approval_mode = "ask" }
    local result = thread:run "one."
    assert.same({ "completed", "declined" }, { result.status, result.items[2].status })
    assert.is_false(there "one")
    assert.equal(before + 1, client:statistics().answers)
  end)

  it("whose task breaks down, as without memory, means no", function()
    local tasks = require "codex.task"
    local attempt = tasks.attempt
    local thread = start { approval_handler = accept }
    tasks.attempt = function(...) -- luacheck: ignore
      if not debug.getinfo(2, "S").source:find "handlers%.lua$" then return attempt(...) end
      tasks.attempt = attempt -- luacheck: ignore
      error("not enough memory", 0)
    end
    assert.equal("declined", thread:run("one.", { timeout = 20 }).items[2].status)
    assert.is_false(there "one")
    assert.equal("not enough memory", failures:receive().text)
  end)

  it("may be for one turn", function()
    local thread, asked = start {}, nil
    thread:run("one.", {
      approval_handler = function(request)
        asked = request
        return true
      end,
    })
    assert.is_true(there "one")
    assert.equal(thread.id, asked.thread_id)
    os.remove(folder .. "/one")
    assert.equal("declined", thread:run("one.").items[2].status)
    assert.is_false(there "one")
  end)

  it("comes along when its thread is forked, and is asked for the fork", function()
    local asked = {}
    local thread = start {
      approval_handler = function(request)
        asked[#asked + 1] = request.thread_id
        return "decline"
      end,
    }
    thread:run "one."
    local fork = thread:fork()
    assert.same({ "on-request", "user" }, { fork.approval_policy, fork.approvals_reviewer })
    fork:run "one."
    assert.same({ thread.id, fork.id }, asked)
  end)

  it("doesn't overrule what its thread was told, however often that is loaded", function()
    local thread = start { approval_handler = accept, approval_mode = "deny_all" }
    thread:run "one."
    thread:unsubscribe()
    thread:run "one."
    thread:archive()
    thread:unarchive()
    thread:run "one."
    assert.equal("never", thread.approval_policy)
    assert.is_false(there "one")
  end)

  it("given for a thread that is loaded is asked once a turn says so", function()
    local thread = start {}
    thread:run "one."
    thread = client:thread_resume(thread.id, { approval_handler = accept })
    assert.equal("never", thread.approval_policy)
    thread:run "one."
    assert.is_false(there "one")
    thread:run("one.", { approval_mode = "ask" })
    assert.is_true(there "one")
  end)

  it("may run another turn of the same client", function()
    local other = start { approval_handler = accept }
    local thread = start {
      approval_handler = function(request)
        local result = other:run("other.")
        return result.final_response == "Done." and request.turn.status == "inProgress"
      end,
    }
    thread:run "one."
    assert.is_true(there "one" and there "other")
  end)

  it("is one of many, for threads at once, which are answered in any order", function()
    local flags, both, second_over = {}, codex.event(), codex.event()
    local stop = client:on("thread/status/changed", function(event)
      local status, id = event.params.status, event.params.thread_id
      flags[id] = (flags[id] or "") .. status.type .. "(" .. table.concat(status.active_flags or {}, ",") .. ") "
    end)
    local waiting = 0
    local function handler(answer)
      return function(request)
        waiting = waiting + 1
        if waiting == 2 then both:set() end
        both:wait()
        assert.same({ "waitingOnApproval" }, request.thread:read().thread.status.active_flags)
        if request.command == "touch one" then second_over:wait() end
        return answer
      end
    end
    local one, other = start { approval_handler = handler "accept" }, start { approval_handler = handler "decline" }
    codex.gather {
      function()
        return one:run "one."
      end,
      function()
        assert.equal("declined", other:run("other.").items[2].status)
        assert.is_false(there "one")
        second_over:set()
      end,
    }
    stop()
    assert.is_true(there "one")
    assert.is_false(there "other")
    for _, thread in ipairs { one, other } do
      assert.equal("active() active(waitingOnApproval) active() idle() ", flags[thread.id])
    end
  end)

  it("is one of many, for calls of one answer at once, which are answered in reverse order", function()
    local open, answered, all = {}, {}, codex.event()
    local thread = start {
      approval_handler = function(request)
        local place = #open + 1
        open[place] = codex.event()
        if place == 3 then all:set() end
        all:wait()
        if place < 3 then open[place + 1]:wait() end
        answered[#answered + 1] = place
        open[place]:set()
        return request.command ~= "touch second"
      end,
    }
    local result = thread:run "three."
    assert.same({ 3, 2, 1 }, answered)
    assert.is_true(there "first" and not there "second" and there "third")
    local statuses = {}
    for _, item in ipairs(result.items) do
      if item.type == "commandExecution" then statuses[item.command:match "touch (%w+)"] = item.status end
    end
    assert.same({ first = "completed", second = "declined", third = "completed" }, statuses)
  end)

  it("is told when its turn is interrupted, and its late answer is without effect", function()
    local calls, asked, over = 0, codex.event(), codex.event()
    local request
    local thread = start {
      approval_handler = function(given)
        request = given
        request:when_cancelled(function()
          calls = calls + 1
          over:set()
        end)
        asked:set()
        over:wait()
        return "accept"
      end,
    }
    local turn = thread:turn "one."
    asked:wait()
    assert.is_false(request.cancelled)
    assert.equal(turn, request.turn)
    turn:interrupt()
    assert.equal("interrupted", turn:run().status)
    local failure = failures:receive()
    assert.equal("cancelled", failure.kind)
    assert.truthy(failure.text:find("the answer came when nobody wanted it any more", 1, true), failure.text)
    assert.equal(request, failure.request)
    assert.is_true(request.cancelled)
    local again = codex.event()
    request:when_cancelled(function()
      again:set()
    end)
    assert.is_true(again:wait(5))
    assert.equal(1, calls)
    assert.is_false(there "one")
    assert.equal("Done.", thread:run("one.").final_response)
  end)

  it("that fails in when_cancelled is reported", function()
    local asked, over = codex.event(), codex.event()
    local thread = start {
      approval_handler = function(request)
        request:when_cancelled(function()
          error "out of order"
        end)
        asked:set()
        over:wait()
      end,
    }
    local turn = thread:turn "one."
    asked:wait()
    turn:interrupt()
    assert.truthy(failures:receive().text:find("out of order", 1, true))
    over:set()
    turn:run()
  end)

  local function declined_as_deadlock(handler)
    local thread = start { approval_handler = handler }
    local result = codex.timeout(10, thread.run, thread, "one.")
    assert.equal("declined", result.items[2].status)
    local failure = failures:receive()
    assert.equal("deadlock", failure.kind)
    assert.truthy(failure.text:find("take a thread of its own", 1, true), failure.text)
  end

  it("can't wait for a turn that waits for the one that it is asked in", function()
    for name, input in pairs { run = "x", compact = false } do
      declined_as_deadlock(function(request)
        request.thread[name](request.thread, input or nil)
      end)
    end
  end)

  it("can't wait for one in a task that it waits for either", function()
    for _, wait in ipairs {
      function(fn)
        codex.spawn(fn):join()
      end,
      function(fn)
        codex.spawn(codex.timeout, 10, fn):join()
      end,
      function(fn)
        codex.gather { fn }
      end,
      function(fn)
        codex.scope(function(scope)
          scope:spawn(fn)
        end)
      end,
      function(fn)
        codex.run(codex.spawn, fn)
      end,
    } do
      declined_as_deadlock(function(request)
        wait(function()
          request.thread:run "x"
        end)
      end)
    end
  end)

  it("may start a task that waits for another turn", function()
    local others, waiting = codex.channel(1), codex.event()
    local thread = start {
      approval_handler = function(request)
        codex.spawn(function()
          waiting:set()
          others:send(request.thread:run "Something else.")
        end)
        waiting:wait()
        return "accept"
      end,
    }
    assert.equal("completed", thread:run("one.").items[2].status)
    assert.equal("completed", others:receive().status)
  end)

  it("may wait for another turn when it has interrupted its own", function()
    local others = codex.channel(1)
    local thread = start {
      approval_handler = function(request)
        request.turn:interrupt()
        others:send(request.thread:run "Something else.")
      end,
    }
    assert.equal("interrupted", thread:run("one.").status)
    assert.equal("completed", others:receive().status)
  end)
end)

describe("a question", function()
  after_each(kit.cleanup)

  local script = asking.script { ["one."] = { touch "one" } }

  -- A client, a turn that runs, and the request that its handler has got. What the handler returns then is what
  -- `release` is given.
  local function open(options)
    options.script = script
    local asked, released = codex.channel(1), codex.channel(1)
    options.approval_handler = function(request)
      asked:send(request)
      return released:receive()
    end
    local client, folder, home = asking.open(options)
    local turn = client:thread_start({ cwd = folder }):turn "one."
    local function release(answer)
      released:send(answer)
    end
    return {
      client = client,
      failures = failures_of(client),
      home = home,
      release = release,
      request = asked:receive(),
      turn = turn,
      there = function()
        return exists(folder .. "/one")
      end,
    }
  end

  it("is answered safely when the handler takes too long", function()
    local opened = open { handler_timeout = 0.2 }
    local request = opened.request
    local over = codex.event()
    request:when_cancelled(function()
      over:set()
    end)
    assert.is_false(request.cancelled)
    assert.equal("declined", opened.turn:run().items[2].status)
    assert.is_true(over.is_set and request.cancelled)
    local failure = opened.failures:receive()
    assert.same({ "timeout", request }, { failure.kind, failure.request })
    assert.truthy(failure.text:find("item/commandExecution/requestApproval: no answer after 0.2 seconds", 1, true))
    opened.release "accept" -- is neither sent nor reported: that it was too slow has been said
    opened.client:on("handler_error", error)
    opened.client:models()
    assert.is_false(opened.there())
    assert.equal(1, opened.client:statistics().answers)
    opened.client:close()
  end)

  it("is answered safely when the client is closed, at once", function()
    local opened = open {}
    local over = codex.event()
    opened.request:when_cancelled(function()
      over:set()
    end)
    opened.client:on("handler_error", error)
    codex.timeout(20, opened.client.close, opened.client) -- the handler still waits, for longer than that
    assert.is_true(over:wait(5) and opened.request.cancelled)
    opened.release "accept"
    codex.step()
    assert.equal("closed", raised(opened.turn.run, opened.turn).kind)
    assert.is_false(opened.there())
    assert.equal(1, opened.client:statistics().answers)
  end)

  it("is off when the server dies, and the handler's answer with it", function()
    local opened = open {}
    local over = codex.event()
    opened.request:when_cancelled(function()
      over:set()
    end)
    for _, pid in ipairs(kit.processes_in(opened.home)) do
      os.execute("kill -KILL " .. pid)
    end
    assert.equal("transport_closed", raised(opened.turn.run, opened.turn).kind)
    assert.is_true(over:wait(5) and opened.request.cancelled)
    opened.release "accept"
    assert.equal("cancelled", opened.failures:receive().kind)
    assert.is_false(opened.there())
    opened.client:close()
  end)
end)

describe("a loop over the server's requests", function()
  local client, folder

  setup(function()
    client, folder = asking.open { script = asking.script { ["one."] = { touch "one" }, ["two."] = { touch "two" } } }
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  local function run(text)
    return client:thread_start({ cwd = folder, approval_mode = "ask" }):turn(text)
  end

  it("answers, now or later", function()
    local next_request, _, _, closing = client:requests() -- before anything can be asked
    local one, two, kept = run "one.", run "two.", {}
    for request in next_request, nil, nil, closing do
      kept[request.command] = request
      if kept["touch one"] and kept["touch two"] then break end
    end
    local request = kept["touch two"]
    local err = raised(request.answer, request, "yes")
    assert.equal("invalid_argument", err.kind)
    assert.truthy(err.message:find("expected 'accept', .*, got 'yes'"), err.message)
    assert.truthy(raised(request.answer, request, { decision = 5 }).message:find "got number")
    assert.is_true(request:answer "accept")
    assert.is_false(request:answer "accept")
    assert.is_true(kept["touch one"]:answer(false))
    assert.equal("declined", one:run().items[2].status)
    assert.equal("completed", two:run().items[2].status)
    assert.is_false(exists(folder .. "/one"))
    assert.is_true(exists(folder .. "/two"))
  end)

  it("leaves those alone that have a handler", function()
    local next_request = client:requests()
    local own = client:thread_start({ cwd = folder, approval_handler = accept }):turn "one."
    assert.equal("completed", own:run().items[2].status)
    local turn = run "two."
    assert.equal("touch two", next_request().command)
    turn:interrupt()
    assert.equal("interrupted", turn:run().status)
  end)

  it("that is left answers safely what it has taken and not answered", function()
    local next_request, _, _, closing = client:requests()
    local one, two = run "one.", run "one."
    local taken, left = one, two
    if next_request().thread_id == two.thread_id then
      taken, left = two, one
    end
    collectgarbage()
    collectgarbage()
    assert.equal("declined", taken:run().items[2].status) -- nobody holds it any more
    closing:close()
    assert.equal("declined", left:run().items[2].status)
    assert.is_nil(next_request())
    assert.equal("declined", run("one."):run().items[2].status)
  end)

  it("that nobody holds any more takes nothing", function()
    local function forget()
      client:requests()
    end
    forget()
    collectgarbage()
    collectgarbage()
    assert.equal("declined", run("one."):run().items[2].status)
  end)

  it("that was left without a word takes nothing for long, while the program only waits", function()
    local function leave()
      local next_request = client:requests()
      local turn = run "one."
      next_request()
      return turn
    end
    local one, two = leave(), run "two."
    assert.equal("declined", codex.timeout(10, one.run, one).items[2].status)
    assert.equal("declined", codex.timeout(10, two.run, two).items[2].status)
  end)

  it("counts as slow when nobody takes the request, or answers it", function()
    local options = kit.fake [[
      server:handshake()
      local go = server:expect "spec/go"
      server:request(1, "item/fileChange/requestApproval",
        { threadId = "t", turnId = "a", itemId = "i", startedAtMs = 1 })
      server:reply(go, server:expect_answer(1).result)]]
    options.handler_timeout = 0.05
    local hurried = codex.new(options)
    local slow = failures_of(hurried)
    local next_request = hurried:requests()
    assert.equal("decline", hurried:request("spec/go", {}).decision)
    assert.equal("timeout", slow:receive().kind)
    hurried:close()
    assert.is_nil(next_request())
  end)

  it("ends with its client, and raises when the server goes", function()
    local one = codex.new((kit.fake "server:handshake()"))
    local next_request = one:requests()
    one:close()
    assert.is_nil(next_request())
    assert.is_nil(next_request())
    local other = codex.new((kit.fake [[ server:handshake() server:expect "spec/go" server:exit(3) ]]))
    next_request = other:requests()
    other:notify "spec/go"
    assert.equal("transport_closed", raised(next_request).kind)
    other:close()
  end)
end)
