-- The module in each of the loops that it can wait in. A loop is for a Lua state; here it is for a copy of the module.
local core = require "codex.core"
local kit = require "spec.support.kit"
local loops = require "spec.support.loops"
local luas = require "spec.support.luas"

local fresh = loops.fresh
local restore

setup(function()
  restore = loops.keep_module()
end)

teardown(function()
  restore()
end)

local alarm -- of libuv, which would wait for ever for what doesn't come

-- How the owner of a loop has it go round, for a second at most, has something called in it that can't wait there, and
-- starts a coroutine of the loop's own.
local owners = {
  poll = {
    go_round = function(loop)
      loop.run(1)
    end,
  },
  plain = {
    go_round = function(loop)
      loop.run(1)
    end,
  },
  uv = {
    go_round = function(_, uv)
      alarm = alarm or uv.new_timer()
      alarm:start(1000, 0, function() end)
      uv.run "once"
      alarm:stop()
    end,
    call = function(_, uv, fn)
      local timer = uv.new_timer()
      timer:start(0, 0, function()
        timer:stop()
        fn()
      end)
    end,
  },
  cqueues = {
    go_round = function(_, controller)
      assert(controller:step(1))
    end,
    call = function(_, controller, fn)
      controller:wrap(function()
        coroutine.wrap(fn)()
      end)
    end,
    start = function(_, controller, fn)
      controller:wrap(fn)
    end,
  },
  copas = {
    go_round = function(_, copas)
      copas.step(1)
    end,
    call = function(_, copas, fn)
      copas.addthread(function()
        loops.pause_in_copas(copas)
        coroutine.wrap(fn)()
      end)
    end,
    start = function(_, copas, fn)
      copas.addthread(fn)
    end,
  },
}

-- The functions of a loop, which note what they are asked for and what they call.
local function observed(loop)
  local seen = { calls = 0, watches = 0, open_at_unwatch = true }
  local function counted(fn)
    return function()
      seen.calls = seen.calls + 1
      return fn()
    end
  end
  local all = {}
  for name, fn in pairs(loop) do
    all[name] = fn
  end
  function all.watch(fd, fn)
    seen.watches = seen.watches + 1
    return { loop.watch(fd, counted(fn)), fd }
  end
  function all.unwatch(watch)
    seen.watches = seen.watches - 1
    local open = io.open("/proc/self/fdinfo/" .. watch[2])
    if open then
      open:close()
    else
      seen.open_at_unwatch = false
    end
    loop.unwatch(watch[1])
  end
  function all.timer(seconds, fn)
    return loop.timer(seconds, counted(fn))
  end
  function all.wake(fn)
    loop.wake(counted(fn))
  end
  return all, seen
end

for _, name in ipairs(loops.names) do
  describe("in the loop " .. name, function()
    local codex, loop, own, seen
    local owner = owners[name]

    before_each(function()
      codex = fresh()
      loop, own = loops.make(name)
      local all
      all, seen = observed(loop)
      codex.use_loop(all)
    end)

    after_each(kit.cleanup)

    -- Has the loop go round, as its owner does, until a condition holds.
    local function go_on(condition)
      local deadline = core.now() + 20
      while not condition() do
        assert(core.now() < deadline, "it never came")
        owner.go_round(loop, own)
      end
    end

    -- Lets it run for a while, and answers how often it had to call anything.
    local function calls_while_idle(client)
      local over = false
      repeat -- until what is left over from before is through
        codex.step(0.001)
      until not client:deadline()
      for _ = 1, 3 do -- and what that has asked for
        codex.step(0)
      end
      seen.calls = 0
      loop.timer(0.05, function()
        over = true
      end)
      go_on(function()
        return over
      end)
      return seen.calls
    end

    local function echo_client(extra)
      local options, received = kit.fake(loops.ECHO, extra)
      return codex.new(options), received
    end

    it("calls from the main chunk drive it, and others go on meanwhile", function()
      local client, called = echo_client(), false
      loop.timer(0.002, function()
        called = true
      end)
      local ticks = 0
      local ticker = codex.spawn(function()
        while ticks < 5 do
          codex.sleep(0.001)
          ticks = ticks + 1
        end
        return "ticked"
      end)
      assert.equal(1, client:request("echo", { n = 1 }).n)
      assert.equal("ticked", ticker:join())
      while not called do
        codex.sleep(0.001)
      end
      client:close()
      assert.equal(0, seen.watches)
    end)

    it("tasks go on while its owner runs it", function()
      local client, sums, ended = echo_client(), {}, 0
      for i = 1, 5 do
        codex.spawn(function()
          for j = 1, 3 do
            sums[i] = (sums[i] or 0) + client:request("echo", { n = j }).n
            codex.sleep(0.001)
          end
          ended = ended + 1
        end)
      end
      go_on(function()
        return ended == 5
      end)
      assert.same({ 6, 6, 6, 6, 6 }, sums)
      client:close()
    end)

    it("a client may be opened, used and closed in a task", function()
      local done
      codex.spawn(function()
        local client = echo_client()
        local answer = client:request("echo", { n = 2 })
        client:close()
        done = answer.n
      end)
      go_on(function()
        return done
      end)
      assert.equal(2, done)
      assert.equal(0, seen.watches)
    end)

    it("tasks of one who drives it may have it go round themselves", function()
      local client, answers = echo_client(), {}
      codex.run(function()
        for n = 1, 2 do
          answers[n] = client:request("echo", { n = n }).n
          local other = codex.spawn(function()
            codex.sleep(0.001)
            return client:request("echo", { n = -n }).n
          end)
          go_on(function()
            return other.status == "done"
          end)
          answers[-n] = other:join()
        end
      end)
      assert.same({ 1, 2, [-1] = -1, [-2] = -2 }, answers)
      client:close()
    end)

    it("failures and timeouts reach those who wait", function()
      local client = echo_client()
      local ok, err = pcall(codex.gather, {
        function()
          client:request "leave"
        end,
        function()
          codex.sleep(3600)
        end,
      })
      assert.is_false(ok)
      assert.equal("transport_closed", err.kind)
      ok, err = pcall(codex.timeout, 0.001, codex.sleep, 3600)
      assert.is_false(ok)
      assert.equal("timeout", err.kind)
      client:close()
    end)

    it("an answer that came in time counts, however late the loop looks at it", function()
      local client = echo_client()
      local asking = codex.spawn(codex.timeout, 0.02, client.request, client, "echo", { n = 1 })
      codex.step(0)
      if next(client._requests) then core.poll({ client:fd() }, 20, { false }) end
      local computing_until = core.now() + 0.05
      repeat
      until core.now() > computing_until
      go_on(function()
        return asking.status ~= "ready" and asking.status ~= "waiting"
      end)
      assert.equal(1, asking:join().n)
      client:close()
    end)

    it("nothing is called while there is nothing to do: not once", function()
      local client = echo_client()
      client:request("echo", {})
      assert.equal(0, calls_while_idle(client))
      client:close()
    end)

    it("nothing is called for a server that has gone, before and after it is closed", function()
      for _, way in ipairs { "server:exit(0)", "server:kill()", "server:close_stdout() server:close_stdin()" } do
        local client = codex.new(kit.fake(("server:handshake() server:expect 'leave' %s"):format(way)))
        local ok, err = pcall(client.request, client, "leave")
        assert.is_false(ok)
        assert.equal("transport_closed", err.kind)
        while not client._core:gone() do
          codex.step(1)
        end
        assert.equal(0, calls_while_idle(client), way)
        client:close()
        assert.equal(0, calls_while_idle(client), way)
      end
    end)

    it("nothing is closed while it is watched", function()
      local client = echo_client()
      client:close()
      local second = echo_client()
      pcall(second.request, second, "leave")
      second:close()
      assert.equal(0, seen.watches)
      assert.is_true(seen.open_at_unwatch)
    end)

    it("a client that nobody holds any more ends with its server, and is watched no more", function()
      local weak = setmetatable({}, { __mode = "k" })
      do
        local client = echo_client()
        client:request("echo", {})
        weak[client] = true
        assert.equal(1, #kit.children "fake_server")
      end
      for _ = 1, 5 do
        collectgarbage()
      end
      assert.is_nil(next(weak))
      assert.same({}, kit.children "fake_server")
      codex.sleep(0)
      assert.equal(0, seen.watches)
      assert.is_true(seen.open_at_unwatch)
    end)

    it("a slow reader of a flood lets others have their turn, wherever it reads", function()
      local function check(read)
        local client = codex.new(kit.fake(loops.FLOOD:format(30)))
        local turn = client:thread_start():turn "flood"
        local between, most, count, ended = 0, 0, 0, false
        local ticker = codex.spawn(function()
          while not ended do
            codex.sleep(0)
            most, between = math.max(most, between), 0
          end
        end)
        codex.step(0)
        read(turn, function()
          count, between = count + 1, between + 1
          local busy_until = core.now() + 0.0015
          repeat
          until core.now() > busy_until
        end)
        ended = true
        ticker:join()
        assert.equal(30, count)
        assert.is_true(most <= 2, most)
        client:close()
      end
      local function read(turn, handle)
        local next_event = turn:stream { "item/agentMessage/delta" }
        while next_event() do
          handle()
        end
      end
      check(read) -- in the main chunk
      if not luas.yield_anywhere then return end
      check(function(turn, handle)
        codex.spawn(read, turn, handle):join()
      end)
      if not owner.start then return end
      check(function(turn, handle)
        local done
        owner.start(loop, own, function()
          read(turn, handle)
          done = true
        end)
        go_on(function()
          return done
        end)
      end)
    end)

    it("that nothing is left which could end a wait is an error, if it can tell", function()
      if not loop.is_alive then return end
      local client = echo_client()
      local ok, err = pcall(codex.run, function()
        codex.event():wait()
      end)
      assert.is_false(ok)
      assert.equal("deadlock", err.kind)
      client:close()
    end)

    if owner.call then
      it("who can't wait where he is hears of codex.spawn, and nothing has been done", function()
        local client, received = echo_client()
        client:request("echo", {}) -- so that all that came before has been received
        local begun, results, lines = false, {}, #received()
        local waits = {
          new = codex.new,
          request = function()
            client:request "echo"
          end,
          run = function()
            codex.run(function()
              begun = true
            end)
          end,
          gather = function()
            codex.gather {
              function()
                begun = true
              end,
            }
          end,
          timeout = function()
            codex.timeout(1, function()
              begun = true
            end)
          end,
          sleep = function()
            codex.sleep(0)
          end,
          thread_start = function()
            client:thread_start()
          end,
        }
        local left = 0
        for what, wait in pairs(waits) do
          left = left + 1
          owner.call(loop, own, function()
            local ok, err = pcall(wait)
            results[what], left = not ok and err, left - 1
          end)
        end
        go_on(function()
          return left == 0
        end)
        for what in pairs(waits) do
          local err = results[what]
          assert.is_true(codex.is_error(err, "invalid_argument"), what .. ": " .. tostring(err))
          assert.truthy(err.message:find("codex.spawn", 1, true), err.message)
          assert.truthy(err.message:find "^%S*loop_spec.lua:%d+: ", err.message)
        end
        codex.step(0)
        assert.is_false(begun)
        assert.equal(lines, #received())
        assert.equal(0, #kit.children() - 1, "a server was started")
        client:close()
      end)

      it("what it starts while a task has it go round is no part of that task", function()
        local started = {}
        local function drive_with(fn)
          owner.call(loop, own, function()
            started[#started + 1] = codex.spawn(codex.sleep, 3600)
          end)
          local before_it = #started
          local driver = codex.spawn(function()
            while #started == before_it do
              fn()
            end
          end)
          driver:join()
          local task = started[#started]
          assert.equal("waiting", task.status)
          task:cancel()
        end
        drive_with(coroutine.wrap(function()
          while true do
            codex.sleep(0.001)
            coroutine.yield()
          end
        end))
        drive_with(function()
          codex.step(1)
        end)
      end)

      it("a question of the server's can be answered where nobody can wait, and its turn stopped", function()
        local options, received = kit.fake [[
          server:handshake()
          server:reply(server:expect "spec/ask", "{}")
          server:request(1, "item/permissions/requestApproval",
            '{"threadId":"t","turnId":"u","itemId":"i","cwd":"/","startedAtMs":1,"permissions":{}}')
          server:expect_answer(1)
          server:notify("spec/over", "{}")
        ]]
        local client, over, outcome = codex.new(options), false, nil
        client:on("spec/over", function()
          over = true
        end)
        codex.spawn(function()
          local each = client:requests()
          client:request "spec/ask"
          local request = each()
          owner.call(loop, own, function()
            outcome = { pcall(request.answer, request, "cancel") }
          end)
        end)
        go_on(function()
          return outcome and (over or not outcome[1])
        end)
        assert.same({ true, true }, outcome)
        local lines = received()
        assert.truthy(lines[#lines - 1]:find('"turn/interrupt"', 1, true), lines[#lines - 1])
        assert.truthy(lines[#lines]:find('"permissions":{}', 1, true), lines[#lines])
        client:close()
      end)

      it("who insists on waiting blocks it with codex.wait, and tasks go on", function()
        local client, checked = echo_client(), false
        owner.call(loop, own, function()
          assert.equal(
            3,
            codex.wait(codex.spawn(function()
              codex.sleep(0.001)
              return client:request("echo", { n = 3 }).n
            end))
          )
          local ok, err = pcall(codex.wait, codex.spawn(error, "failed", 0), 10)
          assert.is_false(ok)
          assert.equal("failed", err)
          local long = codex.spawn(codex.sleep, 3600)
          ok, err = pcall(codex.wait, long, 0.002)
          assert.is_false(ok)
          assert.equal("timeout", err.kind)
          assert.equal("waiting", long.status)
          long:cancel()
          ok, err = pcall(codex.wait, codex.spawn(function()
            codex.event():wait()
          end))
          assert.is_false(ok)
          assert.equal("deadlock", err.kind)
          codex.spawn(function()
            checked = "by a step"
          end)
          codex.step(0.001)
        end)
        go_on(function()
          return checked
        end)
        client:close()
      end)

      it("a client can be closed where nobody can wait, and ends by itself", function()
        local client, closed = echo_client(), false
        owner.call(loop, own, function()
          client:close()
          closed = true
        end)
        go_on(function()
          return closed and seen.watches == 0
        end)
        assert.same({}, kit.children "fake_server")
        client:close()
        local ok, err = pcall(client.request, client, "echo")
        assert.is_false(ok)
        assert.equal("closed", err.kind)
      end)
    end

    if owner.start then
      it("its own coroutines wait as it waits", function()
        local client, ended, log = echo_client(), 0, {}
        for i = 1, 3 do
          owner.start(loop, own, function()
            codex.sleep(0.001 * i)
            local answer = client:request("echo", { n = i })
            log[#log + 1], ended = answer.n, ended + 1
          end)
        end
        owner.start(loop, own, function()
          local results = codex.gather {
            function()
              return client:request("echo", { n = 4 }).n
            end,
            function()
              codex.sleep(0.001)
              return 5
            end,
          }
          log.last = { results[1], results[2] }
          if luas.yield_anywhere then
            local ok, err = pcall(codex.run, codex.timeout, 0.001, codex.sleep, 3600)
            assert.is_true(not ok and codex.is_error(err, "timeout"))
          end
          ended = ended + 1
        end)
        go_on(function()
          return ended == 4
        end)
        table.sort(log)
        assert.same({ 1, 2, 3, last = { 4, 5 } }, log)
        client:close()
      end)

      it("they may wait in codex.pcall and codex.with, and hear of that where they can't in pcall", function()
        local results, left, client = {}, 0, echo_client()
        local in_coroutines = {
          returns = function()
            return codex.pcall(client.request, client, "echo", { n = 1 })
          end,
          fails = function()
            return codex.pcall(function()
              codex.sleep(0)
              error("failed", 0)
            end)
          end,
          with = function()
            return codex.with(echo_client(), function(own_client)
              return own_client:request("echo", { n = 2 })
            end).n
          end,
          plain = function()
            return pcall(codex.sleep, 0)
          end,
        }
        for what, fn in pairs(in_coroutines) do
          left = left + 1
          owner.start(loop, own, function()
            results[what] = { fn() }
            left = left - 1
          end)
        end
        go_on(function()
          return left == 0
        end)
        assert.same({ true, { n = 1 } }, results.returns)
        assert.same({ false, "failed" }, results.fails)
        assert.same({ 2 }, results.with)
        assert.equal(luas.yield_anywhere, results.plain[1])
        if not luas.yield_anywhere then
          assert.truthy(tostring(results.plain[2]):find("use codex.pcall instead", 1, true))
        end
        client:close()
        assert.equal(0, seen.watches)
      end)

      it("one of its own coroutines may do all of it", function()
        local answer
        owner.start(loop, own, function()
          local client = echo_client()
          local task = codex.spawn(function()
            return client:request("echo", { n = 7 }).n
          end)
          local sum = task:join() + codex.wait(task, 10)
          client:close()
          answer = sum
        end)
        go_on(function()
          return answer
        end)
        assert.equal(14, answer)
        assert.equal(0, seen.watches)
      end)
    end
  end)
end
