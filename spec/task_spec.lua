-- Tasks, by themselves and with turns of the real server in them. What runs several together is in group_spec.lua.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local waiting = require "spec.support.waiting"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local forever, gate, never = waiting.forever, waiting.gate, waiting.never

describe("a task", function()
  it("hands over its results however often it is joined", function()
    local one = codex.spawn(function(...)
      return ..., nil
    end, "a", nil)
    for _ = 1, 3 do
      assert.same({ n = 2, "a", nil }, luas.pack(one:join()))
    end
    assert.equal("done", one.status)
  end)

  it("raises the very error each time, and tells where it was", function()
    local thrown = setmetatable({}, {
      __tostring = function()
        return "mine"
      end,
    })
    local function deep()
      error(thrown)
    end
    local one = codex.spawn(function()
      codex.sleep(0)
      deep()
    end)
    for _ = 1, 2 do
      local ok, err = pcall(one.join, one)
      assert.is_false(ok)
      assert.is_true(rawequal(thrown, err))
    end
    assert.equal("failed", one.status)
    assert.truthy(one:traceback():find("task_spec.lua:%d+: in .*deep"), one:traceback())
  end)

  it("keeps the traceback of an error object where it was raised", function()
    local function deep()
      codex.sleep "x"
    end
    local line = debug.getinfo(deep, "S").linedefined + 1
    local one = codex.spawn(deep)
    local err = raised("invalid_argument", one.join, one)
    assert.truthy(err.traceback:find("task_spec.lua:" .. line .. ": in ", 1, true), err.traceback)
    assert.equal(err.traceback, one:traceback())
  end)

  it("shows its status", function()
    local wait = gate()
    local one
    one = codex.spawn(function()
      assert.equal("running", one.status)
      wait.wait()
    end)
    assert.equal("ready", one.status)
    codex.step(0)
    assert.equal("waiting", one.status)
    wait.open()
    assert.equal("ready", one.status)
    one:join()
    assert.equal("done", one.status)
    assert.equal("codex task (done)", tostring(one))
  end)

  it("can't join itself", function()
    local one
    one = codex.spawn(function()
      one:join()
    end)
    local err = raised("invalid_argument", one.join, one)
    assert.truthy(err.message:find "task_spec.lua:%d+: join: a task can't wait for itself")
  end)

  it("has methods that say that they need a colon", function()
    local one = codex.spawn(function() end)
    for _, name in ipairs { "join", "cancel" } do
      local err = raised("invalid_argument", function()
        one[name]()
      end)
      local expected = ("task_spec.lua:%%d+: %s: call it with a colon, as task:%s%%("):format(name, name)
      assert.truthy(err.message:find(expected), err.message)
    end
    one:join()
  end)

  it("runs in the order of spawning, and wakes in the order of waiting", function()
    local log, wait = {}, gate()
    codex.run(function()
      for i = 1, 5 do
        codex.spawn(function()
          log[#log + 1] = i
          wait.wait()
          log[#log + 1] = -i
        end)
      end
      codex.sleep(0)
      wait.open()
    end)
    assert.same({ 1, 2, 3, 4, 5, -1, -2, -3, -4, -5 }, log)
  end)

  it("lets the others have a turn when it yields by itself", function()
    local log = {}
    codex.run(function()
      for i = 1, 2 do
        codex.spawn(function()
          for _ = 1, 3 do
            log[#log + 1] = i
            coroutine.yield "something of the user's"
          end
        end)
      end
    end)
    assert.same({ 1, 2, 1, 2, 1, 2 }, log)
  end)
end)

describe("cancelling a task", function()
  it("before it began means that it never does", function()
    local begun = false
    local one = codex.spawn(function()
      begun = true
    end)
    one:cancel()
    assert.equal("cancelled", one.status)
    raised("cancelled", one.join, one)
    codex.run(function() end)
    assert.is_false(begun)
  end)

  it("raises where it waits, once, and joining it raises that error", function()
    local seen = {}
    local one = codex.spawn(function()
      local ok, err = pcall(forever)
      seen[1] = err
      assert.is_false(ok)
      codex.sleep(0.001) -- cleaning up may wait
      seen[2] = "cleaned"
      error(err, 0)
    end)
    codex.run(function()
      codex.sleep(0)
      one:cancel()
      one:cancel()
      local err = raised("cancelled", one.join, one)
      assert.equal(seen[1], err)
    end)
    assert.equal("cancelled", one.status)
    assert.equal("cleaned", seen[2])
    one:cancel()
    assert.equal("cancelled", one.status)
    assert.equal(seen[1], raised("cancelled", one.join, one))
  end)

  it("by itself raises where it waits next", function()
    local one, after
    one = codex.spawn(function()
      one:cancel()
      after = "went on"
      codex.sleep(0)
      after = "too far"
    end)
    raised("cancelled", one.join, one)
    assert.equal("went on", after)
    assert.equal("cancelled", one.status)
  end)

  it("is for the task to survive if it likes", function()
    local one = codex.spawn(function()
      pcall(forever)
      codex.sleep(0)
      return "still here"
    end)
    codex.run(function()
      codex.sleep(0)
      one:cancel()
    end)
    assert.equal("still here", one:join())
    assert.equal("done", one.status)
  end)

  it("reaches one that waits in a coroutine of its own", function()
    local inner
    local one = codex.spawn(function()
      local step = coroutine.wrap(function()
        local ok, err = pcall(forever)
        inner = codex.is_error(err, "cancelled") and not ok
        error(err, 0)
      end)
      step()
    end)
    codex.run(function()
      codex.spawn(function()
        one:cancel()
      end)
      raised("cancelled", one.join, one)
    end)
    assert.is_true(inner)
    assert.equal("cancelled", one.status)
  end)

  it("goes on to what it waits for", function()
    local inner
    local outer = codex.spawn(function()
      codex.run(function()
        inner = codex.spawn(forever)
        inner:join()
      end)
    end)
    codex.run(function()
      codex.sleep(0)
      outer:cancel()
      raised("cancelled", outer.join, outer)
    end)
    assert.equal("cancelled", inner.status)
  end)
end)

describe("a deadlock", function()
  it("is an error that lists who waits, not a hang", function()
    local function waits_for_nothing()
      never()
    end
    local err = raised("deadlock", codex.run, function()
      codex.spawn(waits_for_nothing)
      codex.spawn(waits_for_nothing):join()
    end)
    local _, count = err.message:gsub("codex task %(waiting%) waits", "")
    assert.equal(3, count, err.message)
    local line = debug.getinfo(waits_for_nothing, "S").linedefined + 1
    assert.truthy(err.message:find("task_spec.lua:" .. line .. ": in ", 1, true), err.message)
  end)

  it("of two tasks that join each other", function()
    raised("deadlock", codex.run, function()
      local a, b
      a = codex.spawn(function()
        b:join()
      end)
      b = codex.spawn(function()
        a:join()
      end)
    end)
  end)

  it("in a task's own coroutine, in gather, and in the main chunk", function()
    raised("deadlock", codex.run, function()
      coroutine.wrap(never)()
    end)
    raised("deadlock", codex.gather, { never, never })
    raised("deadlock", never)
  end)

  it("leaves nothing behind of the run that it ends", function()
    local cleaned = 0
    local err = raised("deadlock", codex.run, function()
      codex.spawn(function()
        pcall(never)
        cleaned = cleaned + 1
        never() -- not even one that goes on waiting
      end)
      never()
    end)
    assert.truthy(err.message:find "codex task")
    assert.equal(1, cleaned)
    err = raised("deadlock", never)
    assert.is_nil(err.message:find "codex task", err.message)
  end)

  it("is none while a timer is left", function()
    local wait = gate()
    codex.run(function()
      codex.spawn(function()
        codex.sleep(0.02)
        wait.open()
      end)
      wait.wait()
    end)
  end)
end)

describe("codex.step", function()
  it("runs what is ready and says whether anything is left", function()
    local log = {}
    codex.spawn(function()
      log[#log + 1] = "began"
      codex.sleep(0.01)
      log[#log + 1] = "ended"
    end)
    assert.is_true(codex.step(0))
    assert.same({ "began" }, log)
    local more = true
    while more do
      more = codex.step(1)
    end
    assert.same({ "began", "ended" }, log)
    assert.is_false(codex.step(0))
    assert.is_false(codex.step())
  end)

  it("refuses what isn't a time", function()
    for _, seconds in ipairs { "x", 0 / 0 } do
      assert.equal("invalid_argument", select(2, pcall(codex.step, seconds)).kind)
      assert.equal("invalid_argument", select(2, pcall(codex.sleep, seconds)).kind)
      assert.equal("invalid_argument", select(2, pcall(codex.timeout, seconds, forever)).kind)
    end
  end)

  it("waits no longer than it may", function()
    local before = core.now()
    local one = codex.spawn(forever)
    assert.is_true(codex.step(0.01))
    assert.is_true(codex.step(-1))
    one:cancel()
    codex.step()
    assert.is_true(core.now() - before < 10)
  end)
end)

describe("a wait", function()
  it("in the main chunk drives the loop, and tasks go on", function()
    local count, wait = 0, gate()
    local ticker = codex.spawn(function()
      while true do
        codex.sleep(0.001)
        count = count + 1
        if count == 5 then wait.open() end
      end
    end)
    wait.wait()
    assert.equal(5, count)
    ticker:cancel()
    raised("cancelled", ticker.join, ticker)
  end)

  it("where nothing can yield drives the loop as well", function()
    local log = {}
    codex.run(function()
      codex.spawn(function()
        log[#log + 1] = "other"
      end)
      local list = { 3, 1, 2 }
      table.sort(list, function(a, b)
        codex.sleep(0)
        return a < b
      end)
      assert.same({ 1, 2, 3 }, list)
      assert.same({ "other" }, log)
      assert.equal(
        "<x>",
        (("x"):gsub("x", function(x)
          codex.sleep(0)
          return "<" .. x .. ">"
        end))
      )
    end)
  end)

  it("of no time at all, or less, is over soon", function()
    codex.sleep(0)
    codex.sleep(-5)
  end)
end)

describe("with the real server", function()
  after_each(kit.cleanup)

  local script = { match = { { pattern = "slowly", answer = { text = "a b c d", delta_delay = 0.02 } } } }

  it("a generator of the user's that calls thread:run drives the loop while other tasks go on", function()
    local client = kit.client { script = script }
    local log = {}
    codex.run(function()
      local ticker = codex.spawn(function()
        while true do
          codex.sleep(0.005)
          log[#log + 1] = "tick"
        end
      end)
      local other = codex.spawn(function()
        return client:thread_start():run("beside it").final_response
      end)
      local generator = coroutine.wrap(function()
        local thread = client:thread_start()
        for i = 1, 3 do
          coroutine.yield(thread:run("slowly " .. i).final_response)
        end
        return "end"
      end)
      for _ = 1, 3 do
        local before = #log
        assert.equal("a b c d", generator())
        assert.is_true(#log > before)
      end
      assert.equal("end", generator())
      assert.truthy(other:join():find "beside it")
      ticker:cancel()
    end)
  end)

  it("the same generator from the main chunk, a task going on beside it", function()
    local client = kit.client { script = script }
    local other = codex.spawn(function()
      return client:thread_start():run("beside it").final_response
    end)
    local generator = coroutine.wrap(function()
      local thread = client:thread_start()
      while true do
        coroutine.yield(thread:run("slowly").final_response)
      end
    end)
    assert.equal("a b c d", generator())
    assert.equal("a b c d", generator())
    assert.truthy(other:join():find "beside it")
  end)

  it("a stream read in a generator of the user's, in a task", function()
    local client = kit.client { script = { "one two three" } }
    local pieces = codex.run(function()
      local words = coroutine.wrap(function()
        for delta in client:thread_start():turn("go"):text() do
          coroutine.yield(delta)
        end
      end)
      local list = {}
      for word in words do
        list[#list + 1] = word
      end
      return list
    end)
    assert.same({ "one", " two", " three" }, pieces)
  end)

  it("a cancelled close still waits until the server is gone", function()
    local home = kit.home()
    local client = codex.new { codex_bin = kit.codex_bin, env = home.env }
    local one = codex.spawn(function()
      client:close()
    end)
    codex.run(function()
      codex.sleep(0)
      one:cancel()
      raised("cancelled", one.join, one)
    end)
    assert.same({}, kit.processes_in(home))
    client:close()
  end)

  it("a flooding turn doesn't starve timers and other tasks", function()
    local client = kit.client {
      script = {
        match = { { pattern = "flood", answer = { repeat_deltas = { count = 20000, text = "xxxxxxxxxx" } } } },
        default = "short",
      },
    }
    codex.run(function()
      local reading, count, seen_between = true, 0, {}
      local ticks = 0
      codex.spawn(function()
        while reading do
          codex.sleep(0.001)
          if count > 0 and reading and seen_between[#seen_between] ~= count then
            seen_between[#seen_between + 1] = count
          end
          ticks = ticks + 1
        end
      end)
      local turn = client:thread_start():turn "flood"
      local next_delta = turn:stream { "item/agentMessage/delta" }
      while next_delta() do
        count = count + 1
      end
      reading = false
      assert.equal(20000, count)
      -- the timer saw many states of the stream, not just its beginning and its end
      assert.is_true(#seen_between >= 3, #seen_between .. " states in " .. ticks .. " ticks")
    end)
  end)

  it("an unread flood doesn't keep a task from its turn", function()
    local client = kit.client {
      script = {
        match = { { pattern = "flood", answer = { repeat_deltas = { count = 20000, text = "xxxxxxxxxx" } } } },
        default = "short",
      },
    }
    codex.run(function()
      local order = {}
      codex.spawn(function()
        client:thread_start():run "flood"
        order[#order + 1] = "flood"
      end)
      codex.spawn(function()
        client:thread_start():run "short one"
        order[#order + 1] = "short"
      end):join()
      assert.same({ "short" }, order)
    end)
  end)
end)

describe("what is over", function()
  after_each(kit.cleanup)

  local function collected(weak)
    for _ = 1, 5 do
      collectgarbage()
    end
    return next(weak) == nil, (function()
      local left = {}
      for _, name in pairs(weak) do
        left[#left + 1] = name
      end
      return table.concat(left, ", ")
    end)()
  end

  it("is collected: tasks, however they ended", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local ok = pcall(codex.run, function()
        weak[codex.spawn(function() end)] = "done"
        weak[codex.spawn(forever)] = "cancelled by run"
        local cancelled = codex.spawn(forever)
        weak[cancelled] = "cancelled"
        codex.sleep(0)
        cancelled:cancel()
        weak[codex.spawn(error)] = "failed"
        weak[codex.spawn(function()
          pcall(codex.timeout, 0.001, forever)
        end)] = "timeout"
        codex.sleep(0.01)
        error "end"
      end)
      assert.is_false(ok)
      pcall(codex.run, function()
        weak[codex.spawn(never)] = "deadlock"
        never()
      end)
    end
    local all, left = collected(weak)
    assert.is_true(all, left)
  end)

  it("is collected: turns, streams, threads and clients", function()
    local weak = setmetatable({}, { __mode = "k" })
    local home = kit.home()
    do
      local client = codex.new { codex_bin = kit.codex_bin, env = home.env }
      local thread = client:thread_start()
      local turn = thread:turn "one"
      local stream = turn:stream()
      weak[client], weak[thread], weak[turn], weak[stream] = "client", "thread", "turn", "stream"
      stream()
      weak[turn:run()] = "result"
      local unread = thread:turn "two"
      weak[unread], weak[unread:stream()] = "unread turn", "unread stream"
      unread:run()
      local left_running = thread:turn "three"
      weak[left_running] = "running turn"
      client:close()
    end
    local all, left = collected(weak)
    assert.is_true(all, left)
    assert.same({}, kit.processes_in(home))
  end)

  it("is collected: a turn that has ended, while its client lives on", function()
    local weak = setmetatable({}, { __mode = "k" })
    local client = kit.client()
    do
      local thread = client:thread_start()
      for i = 1, 3 do
        local turn = thread:turn("number " .. i)
        weak[turn] = "turn " .. i
        turn:run()
      end
    end
    local all, left = collected(weak)
    assert.is_true(all, left)
  end)

  it("ends a client that nobody holds any more, and its server", function()
    local home = kit.home()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local client = codex.new { codex_bin = kit.codex_bin, env = home.env }
      client:thread_start():run "x"
      weak[client] = "client"
      assert.is_true(#kit.processes_in(home) > 0)
    end
    local all, left = collected(weak)
    assert.is_true(all, left)
    assert.same({}, kit.processes_in(home))
  end)
end)
