-- What every loop has to offer: the same examples for all of them, without clients and tasks.
local core = require "codex.core"
local loops = require "spec.support.loops"

-- Lets a loop go round until a condition holds.
local function spin(loop, condition)
  local deadline = core.now() + 20
  while not condition() do
    assert(core.now() < deadline, "it never came")
    loop.run(0.05)
  end
end

-- Often enough for whatever is due.
local function settle(loop)
  for _ = 1, 10 do
    loop.run(0)
  end
end

-- A function that counts its calls.
local function counter()
  local counts = { calls = 0 }
  function counts.fn()
    counts.calls = counts.calls + 1
  end
  function counts.called()
    return counts.calls > 0
  end
  return counts
end

for _, name in ipairs(loops.names) do
  describe("the loop " .. name, function()
    local loop

    setup(function()
      loop = loops.make(name)
    end)

    describe("has timers that", function()
      it("come once, not within the call that sets them, and not before their time", function()
        local counts, began, at = counter(), core.now(), nil
        loop.timer(0.01, function()
          counts.fn()
          at = core.now()
        end)
        assert.equal(0, counts.calls)
        spin(loop, counts.called)
        assert.is_true(at - began > 0.008, at - began) -- some count in milliseconds
        settle(loop)
        assert.equal(1, counts.calls)
      end)

      it("come each at its own time, whatever the order of setting them", function()
        local count, began, early = 0, core.now(), nil
        for _, moment in ipairs { 3, 1, 2 } do
          loop.timer(moment * 0.01, function()
            count = count + 1
            if core.now() - began < moment * 0.01 - 0.002 then early = moment end
          end)
        end
        spin(loop, function()
          return count == 3
        end)
        assert.is_nil(early)
      end)

      it("come soon when there is no time to wait", function()
        local counts = counter()
        loop.timer(0, counts.fn)
        assert.equal(0, counts.calls)
        spin(loop, counts.called)
      end)

      it("don't come when they were cancelled, at once or later", function()
        local never, late = counter(), counter()
        loop.cancel(loop.timer(0, never.fn))
        local slow = counter()
        local timer = loop.timer(0.01, slow.fn)
        loop.run(0)
        local came = slow.calls -- it may have been a long round
        if came == 0 then loop.cancel(timer) end
        loop.timer(0.02, late.fn)
        spin(loop, late.called)
        assert.equal(0, never.calls)
        assert.equal(came, slow.calls)
      end)

      it("can be set and cancelled by others that come", function()
        local slow, last, came = counter(), counter(), nil
        local later = loop.timer(0.01, slow.fn)
        loop.timer(0, function()
          came = slow.calls
          if came == 0 then loop.cancel(later) end
          loop.timer(0.02, last.fn)
        end)
        spin(loop, last.called)
        assert.equal(came, slow.calls)
      end)
    end)

    describe("wakes, which", function()
      it("calls once, and not within the call", function()
        local counts = counter()
        loop.wake(counts.fn)
        assert.equal(0, counts.calls)
        spin(loop, counts.called)
        settle(loop)
        assert.equal(1, counts.calls)
      end)

      it("calls all that were asked for", function()
        local log = {}
        for i = 1, 3 do
          loop.wake(function()
            log[#log + 1] = i
          end)
        end
        spin(loop, function()
          return #log == 3
        end)
        settle(loop)
        table.sort(log)
        assert.same({ 1, 2, 3 }, log)
      end)

      it("keeps what waits from waiting", function()
        local counts = counter()
        loop.timer(0, function()
          loop.wake(counts.fn)
        end)
        while counts.calls == 0 do
          loop.run(3600)
        end
      end)

      it("may wake again, and lets timers come meanwhile", function()
        local timer, calls = counter(), 0
        loop.timer(0.002, timer.fn)
        local function again()
          calls = calls + 1
          if timer.calls == 0 then loop.wake(again) end
        end
        loop.wake(again)
        spin(loop, timer.called)
        assert.is_true(calls >= 1)
        settle(loop)
      end)
    end)

    describe("watches descriptors, and", function()
      local reader, writer

      before_each(function()
        reader, writer = loops.pair()
      end)

      after_each(function()
        reader:close()
        writer:close()
      end)

      it("calls as long as there is something to read, and no longer", function()
        local counts, read = counter(), false
        local watch = loop.watch(reader:getfd(), function()
          counts.fn()
          if counts.calls == 3 then
            reader:receive(1)
            read = true
          end
        end)
        settle(loop)
        assert.equal(0, counts.calls)
        writer:send "x"
        spin(loop, function()
          return read
        end)
        settle(loop)
        assert.equal(3, counts.calls)
        loop.unwatch(watch)
      end)

      it("calls when the other end has gone", function()
        local counts = counter()
        local watch = loop.watch(reader:getfd(), counts.fn)
        settle(loop)
        writer:close()
        spin(loop, counts.called)
        loop.unwatch(watch)
      end)

      it("lets timers come while a descriptor stays readable", function()
        local timer, reads = counter(), counter()
        writer:send "x"
        local watch = loop.watch(reader:getfd(), reads.fn)
        loop.timer(0.005, timer.fn)
        spin(loop, timer.called)
        assert.is_true(reads.calls > 0)
        loop.unwatch(watch)
      end)

      it("stops at once: it may be closed, and its number be another's", function()
        local old, new = counter(), counter()
        local number = reader:getfd()
        local watch = loop.watch(number, old.fn)
        settle(loop)
        writer:send "x"
        loop.unwatch(watch)
        reader:close()
        local second = {}
        repeat -- until one has the number
          local one, other = loops.pair()
          second[#second + 1] = { one, other }
        until one:getfd() == number or other:getfd() == number or #second == 20
        local one, other = second[#second][1], second[#second][2]
        if other:getfd() == number then
          one, other = other, one
        end
        assert.equal(number, one:getfd())
        watch = loop.watch(number, new.fn)
        settle(loop)
        assert.equal(0, new.calls)
        other:send "x"
        spin(loop, new.called)
        assert.equal(0, old.calls)
        loop.unwatch(watch)
        for _, pair in ipairs(second) do
          pair[1]:close()
          pair[2]:close()
        end
      end)

      it("stops within what it calls", function()
        local counts, watch = counter(), nil
        watch = loop.watch(reader:getfd(), function()
          counts.fn()
          loop.unwatch(watch)
          reader:close()
        end)
        writer:send "x"
        spin(loop, counts.called)
        settle(loop)
        assert.equal(1, counts.calls)
      end)

      it("stops within what it calls for another that is ready at the same time", function()
        local second_reader, second_writer = loops.pair()
        local counts, watches = counter(), {}
        local function first_come(own, other)
          return function()
            counts.fn()
            loop.unwatch(watches[own])
            if counts.calls == 1 then loop.unwatch(watches[other]) end
          end
        end
        watches[1] = loop.watch(reader:getfd(), first_come(1, 2))
        watches[2] = loop.watch(second_reader:getfd(), first_come(2, 1))
        settle(loop)
        writer:send "x"
        second_writer:send "x"
        spin(loop, counts.called)
        settle(loop)
        assert.equal(1, counts.calls)
        second_reader:close()
        second_writer:close()
      end)

      it("watches a poller of the core's, which is one itself", function()
        local alarm, counts = core.alarm(), counter()
        local watch = loop.watch(alarm:fd(), function()
          counts.fn()
          alarm:set(nil)
        end)
        settle(loop)
        alarm:set(0.002)
        spin(loop, counts.called)
        settle(loop)
        assert.equal(1, counts.calls)
        alarm:set(0)
        spin(loop, function()
          return counts.calls == 2
        end)
        loop.unwatch(watch)
        alarm:close()
      end)
    end)

    describe("goes round, and", function()
      it("waits no longer than it may", function()
        local reader, writer = loops.pair()
        local watch = loop.watch(reader:getfd(), function() end)
        settle(loop)
        local began = core.now()
        for _ = 1, 10 do
          loop.run(0)
        end
        loop.run(0.01)
        assert.is_true(core.now() - began < 5)
        loop.unwatch(watch)
        reader:close()
        writer:close()
      end)

      it("knows where it can't", function()
        if not loop.is_running then return end -- codex.use_loop adds it
        local inside = {}
        assert.is_false(loop.is_running())
        loop.timer(0, function()
          inside[#inside + 1] = loop.is_running()
        end)
        loop.wake(function()
          inside[#inside + 1] = loop.is_running()
        end)
        spin(loop, function()
          return #inside == 2
        end)
        assert.same(name == "poll" and { false, false } or { true, true }, inside)
        assert.is_false(loop.is_running())
      end)

      it("tells what is its own from what others have in it", function()
        if not loop.is_alive then return end
        local timer = loop.timer(3600, function() end)
        settle(loop)
        assert.is_false(loop.is_alive())
        loop.cancel(timer)
        settle(loop)
        assert.is_false(loop.is_alive())
      end)
    end)
  end)
end

describe("the loop uv", function()
  it("makes no more handles than are active at once, as luv keeps those that were", function()
    local uv = require "luv"
    local loop = loops.make "uv"
    local function handles()
      local count = 0
      uv.walk(function()
        count = count + 1
      end)
      return count
    end
    local reader, writer = loops.pair()
    writer:send "x"
    local function use()
      local counts = counter()
      local watch, timer = loop.watch(reader:getfd(), counts.fn), loop.timer(3600, counts.fn)
      spin(loop, counts.called)
      loop.unwatch(watch)
      loop.cancel(timer)
    end
    use()
    local before = handles()
    for _ = 1, 5 do
      use()
    end
    assert.equal(before, handles())
    reader:close()
    writer:close()
  end)
end)

describe("the loop copas", function()
  it("refuses descriptors that select can't take", function()
    local loop = loops.make "copas"
    loop.unwatch(loop.watch(1023, function() end))
    for _, fd in ipairs { 1024, 1025 } do
      local ok, err = pcall(loop.watch, fd, function() end)
      assert.is_false(ok)
      assert.equal("overflow", err.kind)
      assert.truthy(err.message:find(("descriptor %d: they have to be below 1024"):format(fd), 1, true))
    end
    settle(loop)
  end)
end)

describe("the alarm", function()
  it("is a descriptor that is readable from a moment on, until it is set anew", function()
    local alarm = core.alarm()
    local function readable(seconds)
      return core.poll({ alarm:fd() }, seconds, { false }) == 1
    end
    assert.is_false(readable(0))
    for _, seconds in ipairs { 0, 1e-12, 0.001 } do
      alarm:set(seconds)
      assert.is_true(readable(10))
      assert.is_true(readable(0))
      alarm:set(nil)
      assert.is_false(readable(0))
    end
    for _, seconds in ipairs { 3600, 1e300, math.huge } do
      alarm:set(seconds)
      assert.is_false(readable(0))
    end
    alarm:close()
    assert.equal(-1, alarm:fd())
    alarm:close()
    assert.is_false(pcall(alarm.set, alarm, 1))
  end)
end)
