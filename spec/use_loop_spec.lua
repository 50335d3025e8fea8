-- The choice of a loop: what codex.use_loop takes and refuses, and loops that do without it. A loop is for a Lua state;
-- here it is for a copy of the module.
local kit = require "spec.support.kit"
local loops = require "spec.support.loops"

local fresh = loops.fresh
local restore

setup(function()
  restore = loops.keep_module()
end)

teardown(function()
  restore()
end)

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
    local client = codex.new(kit.fake(loops.ECHO))
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
    local client = codex.new(kit.fake(loops.ECHO))
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
    local ok, err = pcall(codex.new, kit.fake(loops.ECHO))
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
      local client = codex.new(kit.fake(loops.ECHO))
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
    local client, done = codex.new(kit.fake(loops.ECHO)), 0
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
    local client, ended, dispatches, most = codex.new(kit.fake(loops.FLOOD:format(20000))), false, 0, 0
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
    local client, done = codex.new(kit.fake(loops.ECHO)), nil
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
