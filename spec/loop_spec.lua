-- The module in each of the loops that it can wait in. A loop is for a Lua state; here it is for a copy of the module.
local core = require "codex.core"
local kit = require "spec.support.kit"
local loops = require "spec.support.loops"
local luas = require "spec.support.luas"

local before = {}

local function ours()
  local names = {}
  for name in pairs(package.loaded) do
    if name == "codex" or name:find "^codex%." and name ~= "codex.core" then names[#names + 1] = name end
  end
  return names
end

-- A copy of the module that has chosen no loop yet.
local function fresh()
  for _, name in ipairs(ours()) do
    package.loaded[name] = nil
  end
  return require "codex"
end

setup(function()
  for _, name in ipairs(ours()) do
    before[name] = package.loaded[name]
  end
end)

teardown(function()
  fresh()
  for name, module in pairs(before) do
    package.loaded[name] = module
  end
end)

-- A server that answers whatever it is asked with what it was given; `leave` makes it go.
local ECHO = [[
  server:handshake()
  while true do
    local message = server:read()
    if not message or message.method == "leave" then server:exit(0) end
    if message.id then server:reply(message, message.params or "{}") end
  end
]]

-- A server of one turn, with so many deltas at once.
local FLOOD = [[
  server:handshake()
  server:thread "t"
  server:turn "u"
  server:turn_started("t", "u")
  local delta = '{"method":"item/agentMessage/delta","params":{"threadId":"t","turnId":"u","itemId":"i","delta":"x"}}'
  server:raw((delta .. "\n"):rep(%d))
  server:turn_completed("t", "u")
]]

-- A server of two turns, of which the first goes on until it is told to end.
local TWO_TURNS = [[
  server:handshake()
  server:thread "t"
  server:turn "u"
  server:turn_started("t", "u")
  server:reply(server:expect "spec/end")
  server:turn_completed("t", "u")
  server:turn "v"
  server:turn_started("t", "v")
  server:turn_completed("t", "v")
]]

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
      local options, received = kit.fake(ECHO, extra)
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
        local client = codex.new(kit.fake(FLOOD:format(30)))
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

describe("codex.use_loop", function()
  after_each(kit.cleanup)

  local function refused(words, ...)
    local ok, err = pcall(...)
    assert.is_false(ok, "nothing was raised")
    assert.equal("invalid_argument", err.kind, tostring(err))
    assert.truthy(err.message:find(words, 1, true), err.message)
  end

  it("takes the names of loops, and answers their objects", function()
    assert.is_nil(fresh().use_loop "poll")
    assert.equal(require "luv", fresh().use_loop "uv")
    local cqueues = require "cqueues"
    local codex = fresh()
    local controller = codex.use_loop "cqueues"
    assert.equal("controller", cqueues.type(controller))
    assert.equal(controller, codex.use_loop "cqueues")
    local mine = cqueues.new()
    assert.equal(mine, codex.use_loop("cqueues", mine))
    assert.equal(require "copas", fresh().use_loop "copas")
  end)

  it("refuses what is no loop", function()
    local codex = fresh()
    refused("got 'epoll', expected 'poll', 'uv', 'cqueues', 'copas' or a table", codex.use_loop, "epoll")
    refused("got 'nil', expected 'poll'", codex.use_loop)
    refused("expected a controller of cqueues, got table", codex.use_loop, "cqueues", {})
    for _, wrong in ipairs { 5, {}, true } do
      refused("use_loop: expected luv's module, got " .. type(wrong), codex.use_loop, "uv", wrong)
    end
    local loop = loops.plain()
    loop.wake = nil
    refused("use_loop.wake: expected a function, got nil", codex.use_loop, loop)
    loop = loops.plain()
    loop.suspend = "x"
    refused("use_loop.suspend: expected a function, got string", codex.use_loop, loop)
    loop = loops.plain()
    loop.is_runing = function() end
    refused("unknown option 'is_runing' (did you mean 'is_running'?)", codex.use_loop, loop)
  end)

  it("finds the functions of a loop wherever the table has them", function()
    local codex, calls = fresh(), {}
    local loop = loops.plain()
    codex.use_loop(setmetatable({}, {
      __index = function(_, name)
        calls[name] = true
        return loop[name]
      end,
    }))
    local client = codex.new(kit.fake(ECHO))
    assert.equal(1, client:request("echo", { n = 1 }).n)
    client:close()
    assert.is_true(calls.unwatch and calls.cancel)
  end)

  it("says which module a loop needs", function()
    local codex, path, cpath = fresh(), package.path, package.cpath
    local removed = {}
    for _, name in ipairs { "luv", "cqueues", "copas" } do
      removed[name] = package.loaded[name]
      package.loaded[name] = nil
    end
    package.cpath, package.path = "", kit.root .. "/lua/?.lua"
    local ok, err = pcall(function()
      refused("'uv' needs the module luv: module 'luv' not found", codex.use_loop, "uv")
      refused("'cqueues' needs the module cqueues", codex.use_loop, "cqueues")
      refused("'copas' needs the module copas", codex.use_loop, "copas")
    end)
    package.path, package.cpath = path, cpath
    for name, module in pairs(removed) do
      package.loaded[name] = module
    end
    assert.is_true(ok, tostring(err))
  end)

  it("is for before the first client, and may be said again after", function()
    local codex = fresh()
    local loop = loops.plain()
    codex.use_loop(loop)
    local client = codex.new(kit.fake(ECHO))
    refused("there has been a client already", codex.use_loop, "poll")
    codex.use_loop(loop)
    client:close()
    refused("there has been a client already", codex.use_loop, "poll")
  end)

  it("ends the server again that it can't watch", function()
    local codex = fresh()
    local loop = loops.plain()
    function loop.watch()
      error("no room", 0)
    end
    codex.use_loop(loop)
    local ok, err = pcall(codex.new, kit.fake(ECHO))
    assert.is_false(ok)
    assert.equal("spawn_failed", err.kind)
    assert.equal("no room", err.message)
    assert.same({}, kit.children "fake_server")
  end)

  it("takes what a loop raises as the failure of the call that waited, and of no other", function()
    local codex = fresh()
    local loop, failure = loops.plain(), nil
    local run = loop.run
    function loop.run(seconds)
      local message = failure
      failure = nil
      if message then error(message, 0) end
      run(seconds)
    end
    codex.use_loop(loop)
    local client = codex.new((kit.fake(TWO_TURNS)))
    local thread = client:thread_start()
    local turn = thread:turn "one"
    failure = "while it waits in line"
    assert.same({ false, failure }, { pcall(thread.run, thread, "two") })
    client:request "spec/end"
    turn:run()
    failure = "while it starts"
    assert.same({ false, failure }, { pcall(thread.run, thread, "two") })
    local ok, err = pcall(thread.run, thread, "three", { timeout = 0.05 }) -- the server has no third turn
    assert.is_false(ok)
    assert.equal("the server did not answer in time", err.message)
    client:close()
  end)

  it("takes over what goes on already", function()
    local codex, log = fresh(), {}
    codex.spawn(function()
      codex.sleep(0.02)
      log[#log + 1] = "slept"
    end)
    codex.step(0)
    codex.spawn(function()
      log[#log + 1] = "began"
    end)
    local loop = loops.plain()
    codex.use_loop(loop)
    while #log < 2 do
      loop.run(1)
    end
    table.sort(log)
    assert.same({ "began", "slept" }, log)
  end)

  it("leaves a loop that only its owner can run to him", function()
    local codex = fresh()
    local loop = loops.plain()
    local run = loop.run
    loop.run = nil
    codex.use_loop(loop)
    refused("codex.spawn", codex.sleep, 0)
    local done
    codex.spawn(function()
      local client = codex.new(kit.fake(ECHO))
      done = client:request("echo", { n = 1 }).n
      client:close()
    end)
    while not done do
      run(1)
    end
    assert.equal(1, done)
    assert.equal("in time", codex.wait(codex.spawn(function()
      codex.sleep(0.001)
      return "in time"
    end), 10))
  end)
end)

describe("a loop that knows a client's descriptor only", function()
  local socket = require "socket"

  after_each(kit.cleanup)

  -- fd, deadline and dispatch: nothing else is called.
  local function drive(client, condition)
    local watched = {
      getfd = function()
        return client:fd()
      end,
    }
    while not condition() do
      socket.select({ watched }, {}, client:deadline())
      client:dispatch()
    end
  end

  it("drives its requests, tasks and timers", function()
    local codex = fresh()
    local client, done = codex.new(kit.fake(ECHO)), 0
    for i = 1, 3 do
      codex.spawn(function()
        codex.sleep(0.001 * i)
        local answer = client:request("echo", { n = i })
        done = done + answer.n
      end)
    end
    drive(client, function()
      return done == 6
    end)
    local closing = codex.spawn(client.close, client)
    drive(client, function()
      return closing.status == "done"
    end)
    assert.is_nil(client:deadline())
  end)

  it("is never kept by dispatch for long: a flood comes in portions", function()
    local codex = fresh()
    local client, ended, dispatches, most = codex.new(kit.fake(FLOOD:format(20000))), false, 0, 0
    codex.spawn(function()
      client:thread_start():run "flood"
      ended = true
    end)
    local before_it = client:statistics().lines
    drive(client, function()
      local lines = client:statistics().lines
      dispatches, most, before_it = dispatches + 1, math.max(most, lines - before_it), lines
      return ended
    end)
    local bytes_a_line = 103
    assert.is_true(most <= 2 * 256 * 1024 / bytes_a_line, most)
    assert.is_true(dispatches > 5)
    client:close()
  end)

  it("may leave all to codex.step", function()
    local codex = fresh()
    local client, done = codex.new(kit.fake(ECHO)), nil
    codex.spawn(function()
      codex.sleep(0.001)
      done = client:request("echo", { n = 1 }).n
      client:close()
    end)
    local watched = {
      getfd = function()
        return client:fd()
      end,
    }
    while codex.step(0) do
      socket.select({ watched }, {}, client:deadline())
    end
    assert.equal(1, done)
  end)
end)
