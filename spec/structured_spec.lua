-- Tasks that belong together, and how they talk to each other.

local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local yields = require "codex.yields"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local forever = require("spec.support.waiting").forever

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "it should have raised")
  return err
end

local function kind_of(fn, ...)
  local err = failure(fn, ...)
  return codex.is_error(err) and err.kind or err
end

-- A function that closes over a log, and notes how it ends.
local function notes_end(log, name, cleanup)
  return function()
    local _, err = pcall(forever)
    if cleanup then cleanup() end
    log[#log + 1] = name
    error(err, 0)
  end
end

describe("a task that ends", function()
  it("takes with it what it started, and is over when that is", function()
    local log, child = {}, nil
    codex.run(function()
      local parent = codex.spawn(function()
        child = codex.spawn(notes_end(log, "child", function() codex.sleep(0.01) end))
        codex.sleep(0)
        return "result"
      end)
      assert.equal("result", parent:join())
      log[#log + 1] = "joined"
    end)
    assert.same({ "child", "joined" }, log)
    assert.equal("cancelled", child.status)
  end)

  it("does so when it fails, and when it is cancelled, down to grandchildren, in the order of their start", function()
    for _, how in ipairs { "fails", "cancelled" } do
      local log = {}
      local err = failure(codex.run, function()
        local parent = codex.spawn(function()
          codex.spawn(notes_end(log, "one"))
          codex.spawn(function()
            codex.spawn(notes_end(log, "grandchild"))
            notes_end(log, "two")()
          end)
          codex.sleep(0)
          if how == "fails" then error("boom", 0) end
          forever()
        end)
        codex.sleep(0.01)
        if how == "cancelled" then parent:cancel() end
        parent:join()
      end)
      assert.same({ "one", "two", "grandchild" }, log)
      if how == "fails" then assert.equal("boom", err) else assert.equal("cancelled", err.kind) end
    end
  end)

  it("leaves alone what the main chunk or a handler has started", function()
    local child
    codex.spawn(function() child = codex.spawn(forever) end):join()
    assert.equal("cancelled", child.status)
    local free = codex.spawn(function()
      codex.sleep(0.01)
      return "free"
    end)
    assert.equal("free", free:join())
  end)

  it("keeps where a failure was raised, however many have joined it", function()
    local function deep() error "from the deep" end
    local outer = codex.spawn(function()
      local inner = codex.spawn(function()
        codex.sleep(0)
        deep()
      end)
      inner:join()
    end)
    assert.truthy(tostring(failure(outer.join, outer)):find "from the deep")
    local where, joined = outer:traceback():find("in .*'deep'"), outer:traceback():find("joined at:", 1, true)
    assert.truthy(where and joined and where < joined, outer:traceback())
  end)
end)

describe("a chain of tasks that join each other", function()
  local function chain(length, fails)
    if length > 0 then return codex.spawn(chain, length - 1, fails):join() end
    codex.sleep(0)
    if fails then error("at its end", 0) end
    return "end"
  end

  it("may be long, and so may one in which each ends with the one before", function()
    assert.equal("end", codex.spawn(chain, 4000):join())
    local function start(length)
      if length > 0 then codex.spawn(start, length - 1) end
      codex.sleep(length == 4000 and 0.01 or 1e6)
    end
    codex.run(function() codex.spawn(start, 4000):join() end)
  end)

  it("tells of the first 20 joins where it fails", function()
    for joins, told in pairs { [19] = 19, [20] = 20, [21] = 20, [1000] = 20 } do
      local one = codex.spawn(chain, joins, true)
      assert.equal("at its end", failure(one.join, one))
      local trace, count = one:traceback():gsub("joined at:", "")
      assert.equal(told, count)
      assert.truthy(trace:find "structured_spec")
    end
  end)
end)

describe("pcall in a task that is cancelled", function()
  it("tells what its function does then", function()
    for how, expected in pairs { returns = "result", raises = "other" } do
      local told
      local one = codex.spawn(function()
        told = { pcall(function()
          pcall(forever)
          if how == "raises" then error("other", 0) end
          return "result"
        end) }
      end)
      codex.sleep(0.01)
      one:cancel()
      one:join()
      assert.same({ how == "returns", expected }, told)
    end
  end)

  it("keeps the traceback of what it passes on", function()
    local function fails() error "in the depth" end
    local line = debug.getinfo(fails, "S").linedefined
    local one = codex.spawn(function()
      local _, err = pcall(function() codex.spawn(fails):join() end)
      error(err, 0)
    end)
    failure(one.join, one)
    assert.truthy(one:traceback():find("structured_spec.lua:" .. line .. ":", 1, true), one:traceback())
  end)
end)

describe("a failure that leaves the others waiting for ever", function()
  it("is raised, rather than their deadlock", function()
    for _, start in ipairs { codex.run, codex.scope } do
      assert.equal("the cause", failure(start, function()
        local channel = codex.channel()
        codex.spawn(function() error("the cause", 0) end)
        channel:receive()
      end))
    end
  end)
end)

describe("codex.scope", function()
  it("returns what its function returns once all of its tasks are done", function()
    local log = {}
    local a, b = codex.scope(function(scope, x)
      scope:spawn(function(y)
        codex.sleep(0.01)
        log[#log + 1] = y
      end, "spawned")
      codex.spawn(function()
        codex.sleep(0.005)
        log[#log + 1] = "by codex.spawn"
      end)
      log[#log + 1] = "main"
      return x, nil
    end, "x")
    assert.same({ "x" }, { a, b })
    assert.same({ "main", "by codex.spawn", "spawned" }, log)
  end)

  it("cancels the rest at the first failure, its function included, and raises it", function()
    local log = {}
    local err = failure(codex.scope, function(scope)
      scope:spawn(notes_end(log, "other"))
      scope:spawn(function()
        codex.sleep(0)
        error("first", 0)
      end)
      notes_end(log, "main")()
    end)
    assert.equal("first", err)
    table.sort(log)
    assert.same({ "main", "other" }, log)
  end)

  it("raises what its function raises, and leaves a failure to whoever joined it", function()
    assert.equal("mine", failure(codex.scope, function(scope)
      scope:spawn(forever)
      error("mine", 0)
    end))
    assert.equal("survived", codex.scope(function(scope)
      local one = scope:spawn(function() error("caught", 0) end)
      assert.equal("caught", failure(one.join, one))
      return "survived"
    end))
  end)

  it("takes tasks from anywhere while it lasts, and none afterwards", function()
    local held, ran
    codex.run(function()
      local outer = codex.spawn(function()
        codex.scope(function(scope)
          held = scope
          codex.sleep(0.02)
        end)
      end)
      codex.sleep(0.005)
      held:spawn(function()
        codex.sleep(0.03)
        ran = true
      end)
      outer:join()
    end)
    assert.is_true(ran)
    assert.equal("invalid_argument", kind_of(held.spawn, held, forever))
    local err = failure(held.spawn, forever)
    assert.truthy(tostring(err):find("spawn: call it with a colon, as scope:spawn(…)", 1, true), tostring(err))
  end)

  it("leaves nothing running that its function starts while it is being cancelled", function()
    for _, start in ipairs { codex.scope, codex.run } do
      local child
      local one = codex.spawn(function()
        start(function()
          pcall(forever)
          child = codex.spawn(forever)
        end)
      end)
      codex.sleep(0.01)
      one:cancel()
      assert.equal("cancelled", kind_of(one.join, one))
      assert.equal("cancelled", child.status)
    end
  end)

  it("ends when its task is cancelled", function()
    local log = {}
    local one = codex.spawn(function()
      codex.scope(function(scope)
        scope:spawn(notes_end(log, "in it"))
        forever()
      end)
    end)
    codex.sleep(0.01)
    one:cancel()
    assert.equal("cancelled", kind_of(one.join, one))
    assert.same({ "in it" }, log)
  end)
end)

describe("ten times as many tasks", function()
  local create, jit = coroutine.create, rawget(_G, "jit")
  local steps

  local function counted(thread)
    debug.sethook(thread, function() steps = steps + 1 end, "", 100)
    return thread
  end

  setup(function()
    if jit then jit.off() end -- hooks see nothing of what is compiled
    rawset(coroutine, "create", function(fn) return counted(create(fn)) end)
  end)

  teardown(function()
    rawset(coroutine, "create", create)
    if jit then jit.on() end
  end)

  -- In hundreds of the virtual machine's steps.
  local function cost(fn, count)
    steps = 0
    codex.spawn(fn, count):join()
    return steps
  end

  local function assert_linear(fn)
    local few, many = cost(fn, 100), cost(fn, 1000)
    assert.is_true(many < 15 * few, ("%d for 100, %d for 1000"):format(few, many))
  end

  it("that end one after the other take about ten times as long, in gather and in a scope", function()
    local function each_after_the_one_before(count)
      local functions, events = {}, {}
      for index = 1, count do
        events[index] = codex.event()
        functions[index] = function()
          events[index]:wait()
          codex.sleep(0)
          if index < count then events[index + 1]:set() end
        end
      end
      events[1]:set()
      return functions
    end
    assert_linear(function(count) codex.gather(each_after_the_one_before(count)) end)
    assert_linear(function(count)
      codex.scope(function(scope)
        for _, fn in ipairs(each_after_the_one_before(count)) do scope:spawn(fn) end
      end)
    end)
  end)

  it("that wait for the same, and give up in any order, do too", function()
    assert_linear(function(count)
      local event, waiting = codex.event(), {}
      for index = 1, count do waiting[index] = codex.spawn(event.wait, event) end
      codex.sleep(0)
      for index = 1, count, 2 do waiting[index]:cancel() end
      for index = count, 2, -2 do waiting[index]:cancel() end
      for _, one in ipairs(waiting) do pcall(one.join, one) end
    end)
  end)

  it("that send to one channel do too", function()
    assert_linear(function(count)
      local channel = codex.channel()
      for value = 1, count do codex.spawn(channel.send, channel, value) end
      codex.sleep(0)
      for value = 1, count do assert(channel:receive() == value) end
    end)
  end)
end)

describe("a channel", function()
  it("hands values over in order, each to one receiver, and ends a for loop when it is closed", function()
    for _, capacity in ipairs { 0, 1, 3, 100 } do
      local channel, got = codex.channel(capacity), {}
      codex.run(function()
        for name = 1, 3 do
          codex.spawn(function()
            luas.each(channel, function(value) got[#got + 1] = { name, value } end)
          end)
        end
        for value = 1, 20 do channel:send(value) end
        channel:close()
      end)
      assert.equal(20, #got)
      for index, pair in ipairs(got) do assert.equal(index, pair[2]) end
    end
  end)

  it("without room makes each sender wait for its receiver; with room, until it is full", function()
    for _, capacity in ipairs { 0, 1, 2, 3 } do
      local channel, sent = codex.channel(capacity), 0
      local sender = codex.spawn(function()
        for value = 1, 5 do
          channel:send(value)
          sent = value
        end
      end)
      codex.sleep(0)
      assert.equal(capacity, sent)
      for value = 1, 5 do
        assert.equal(value, channel:receive())
        codex.sleep(0)
        assert.equal(math.min(5, capacity + value), sent)
      end
      sender:join()
    end
  end)

  it("closed gives what it holds, then nil; who sends gets an error, also while waiting", function()
    local channel = codex.channel(2)
    channel:send "a"
    channel:send "b"
    local waiting = codex.spawn(channel.send, channel, "c")
    codex.sleep(0)
    channel:close()
    channel:close()
    assert.is_true(channel.closed)
    assert.equal("closed", kind_of(waiting.join, waiting))
    assert.equal("closed", kind_of(channel.send, channel, "d"))
    assert.equal("a", channel:receive())
    assert.equal("b", channel:receive())
    assert.is_nil(channel:receive())
    assert.is_nil(channel:receive())
    local late = codex.channel()
    local receiver = codex.spawn(late.receive, late)
    codex.sleep(0)
    late:close()
    assert.is_nil(receiver:join())
  end)

  it("loses no value to a receiver, and keeps none of a sender, that is cancelled", function()
    local channel = codex.channel()
    local gone, left = codex.spawn(channel.receive, channel), codex.spawn(channel.receive, channel)
    codex.sleep(0)
    local sender = codex.spawn(channel.send, channel, "value")
    gone:cancel()
    assert.equal("value", left:join())
    sender:join()
    gone = codex.spawn(channel.send, channel, "never")
    codex.sleep(0)
    gone:cancel()
    assert.equal("cancelled", kind_of(gone.join, gone))
    codex.spawn(channel.send, channel, "next")
    assert.equal("next", channel:receive())
  end)

  it("gives a value to the one it has woken, cancelled in the same moment or not", function()
    local channel = codex.channel(1)
    local first, second = codex.spawn(channel.receive, channel), codex.spawn(channel.receive, channel)
    codex.sleep(0)
    channel:send "value"
    first:cancel()
    assert.equal("value", first:join())
    channel:close()
    assert.is_nil(second:join())
  end)

  it("delivers nothing of a sender that was cancelled first, and spends no value on a receiver that was", function()
    local channel = codex.channel()
    local gone = codex.spawn(channel.send, channel, "withdrawn")
    local sender = codex.spawn(channel.send, channel, "value")
    codex.sleep(0)
    gone:cancel()
    assert.equal("value", channel:receive())
    assert.equal("cancelled", kind_of(gone.join, gone))
    sender:join()
  end)

  it("keeps nobody whose wait has ended in a deadlock", function()
    local channel = codex.channel()
    assert.equal("deadlock", kind_of(channel.receive, channel))
    local receiver = codex.spawn(channel.receive, channel)
    codex.sleep(0)
    channel:send "value"
    assert.equal("value", receiver:join())
    assert.equal("deadlock", kind_of(channel.send, channel, "never sent"))
    codex.spawn(channel.send, channel, "next")
    assert.equal("next", channel:receive())
  end)

  it("keeps nobody who can't wait where he is", function()
    local channel, possible, plain_pcall = codex.channel(), yields.possible, _G.pcall
    local received, sent
    codex.spawn(function()
      yields.possible = function() error("not here", 0) end -- as inside pcall in PUC Lua 5.1
      received = select(2, plain_pcall(channel.receive, channel))
      sent = select(2, plain_pcall(channel.send, channel, "never sent"))
      yields.possible = possible
    end):join()
    assert.same({ "not here", "not here" }, { received, sent })
    local receiver = codex.spawn(channel.receive, channel)
    codex.sleep(0)
    channel:send "value"
    assert.equal("value", receiver:join())
  end)

  it("lets a sender go on that has found room, though it is closed in the same moment", function()
    local channel = codex.channel(1)
    channel:send "one"
    local sender = codex.spawn(channel.send, channel, "two")
    codex.sleep(0)
    assert.equal("one", channel:receive())
    channel:close()
    sender:join()
    assert.equal("two", channel:receive())
    assert.is_nil(channel:receive())
  end)

  it("gives it to whoever comes first, and wakes the others again for the next", function()
    local channel = codex.channel(1)
    local woken = codex.spawn(channel.receive, channel)
    codex.sleep(0)
    channel:send "one"
    assert.equal("one", channel:receive())
    channel:send "two"
    assert.equal("two", woken:join())
  end)

  it("takes anything but nil, and only sensible capacities", function()
    local channel = codex.channel(1)
    channel:send(false)
    assert.is_false(channel:receive())
    assert.equal("invalid_argument", kind_of(channel.send, channel, nil))
    for _, capacity in ipairs { -1, 0.5, "x", 0 / 0 } do
      assert.equal("invalid_argument", kind_of(codex.channel, capacity))
    end
    assert.equal("deadlock", kind_of(channel.receive, channel))
  end)
end)

describe("an event", function()
  it("wakes all who wait, and nobody waits for what has happened", function()
    local event, woken = codex.event(), 0
    codex.run(function()
      for _ = 1, 3 do
        codex.spawn(function()
          assert.is_true(event:wait())
          woken = woken + 1
        end)
      end
      codex.sleep(0)
      assert.equal(0, woken)
      event:set()
      event:set()
    end)
    assert.equal(3, woken)
    assert.is_true(event:wait(0))
    event:clear()
    assert.is_false(event:wait(0.001))
    assert.is_false(event.is_set)
  end)

  it("lets all go on that wait, though it is cleared at once", function()
    local event = codex.event()
    local one = codex.spawn(event.wait, event)
    codex.sleep(0)
    event:set()
    event:clear()
    assert.is_true(one:join())
  end)

  it("gives way to cancellation, and refuses what isn't a time", function()
    local event = codex.event()
    local one = codex.spawn(event.wait, event)
    codex.sleep(0)
    one:cancel()
    assert.equal("cancelled", kind_of(one.join, one))
    assert.equal("invalid_argument", kind_of(event.wait, event, "x"))
    assert.equal("invalid_argument", kind_of(event.wait))
    assert.equal("deadlock", kind_of(event.wait, event))
  end)
end)

teardown(kit.cleanup)
