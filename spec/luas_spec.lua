-- What Luas differ in: where a task can wait, and what there is in place of what a Lua lacks.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local waiting = require "spec.support.waiting"

local where_tasks_wait_anywhere = luas.yield_anywhere and it or pending
local where_they_dont = luas.yield_anywhere and pending or it
local forever, pack = waiting.forever, luas.pack

local function same(...)
  return ...
end

-- An iterator that waits before each of its values.
local function slowly(...)
  local values, index = { ... }, 0
  return function()
    codex.sleep(0)
    index = index + 1
    return values[index]
  end
end

local slow_table = setmetatable({}, {
  __index = function(_, key)
    codex.sleep(0)
    return key .. " was slow"
  end,
})

-- Runs fn in a task while another one goes on, and answers as pcall does, once nothing is left of it.
local function run(fn)
  local other = codex.spawn(codex.sleep, 0.001)
  local results = pack(pcall(codex.run, fn))
  other:join()
  assert.is_false(codex.step(0))
  return luas.unpack(results, 1, results.n)
end

describe("a task", function()
  where_tasks_wait_anywhere("waits inside pcall, iterators and metamethods", function()
    local found = select(2, assert(run(function()
      local list = { select(2, pcall(slowly(1))), select(3, xpcall(slowly(2), print)) }
      for value in slowly("a", "b") do
        list[#list + 1] = value
      end
      list[#list + 1] = slow_table.key
      return list
    end)))
    assert.same({ 1, "a", "b", "key was slow" }, found)
  end)

  where_they_dont("that waits inside pcall is told of codex.pcall, where it did so", function()
    for name, call in pairs { pcall = pcall, xpcall = xpcall } do
      local ok, line, raised, err = run(function()
        local function waits()
          codex.sleep(0.001)
        end
        return debug.getinfo(waits, "S").linedefined + 1, call(waits, same)
      end)
      assert.is_true(ok, tostring(line))
      assert.is_false(raised)
      assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
      local message = ("luas_spec.lua:%d: a task can't wait inside %s in Lua 5.1: use codex.pcall instead"):format(
        line, name)
      assert.truthy(err.message:find(message, 1, true), err.message)
    end
  end)

  where_they_dont("that waits in an iterator is told to call it itself", function()
    local ok, err = run(function()
      for _ in slowly(1) do error "not reached" end
    end)
    assert.is_false(ok)
    assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
    local message = "luas_spec.lua:%d+: a task can't wait inside the iterator of a for loop in Lua 5.1: call the "
      .. "iterator yourself, as in `local next = turn:stream%(%)`"
    assert.truthy(err.message:find(message), err.message)
  end)

  where_they_dont("that waits where nothing tells beforehand fails, and nothing is left of it", function()
    local iterator = slowly(1)
    for _, fn in ipairs {
      function() return slow_table.key .. "" end,
      function() for _ in function() return iterator() end do error "not reached" end end,
    } do
      local ok, err = run(fn)
      assert.is_false(ok)
      assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
      assert.truthy(err.message:find("a task can't wait inside a metamethod in Lua 5.1", 1, true), err.message)
      assert.truthy(err.message:find("local next = turn:stream()", 1, true), err.message)
      assert.truthy(err.traceback:find("luas_spec.lua:%d+: in "), err.traceback)
    end
  end)

  where_they_dont("that fails so has begun nothing", function()
    local channel, client = codex.channel(), codex.new(kit.fake [[
      server:handshake()
      server:thread "T"
      server:turn "U"
      server:turn_started("T", "U")
      server:turn_completed("T", "U")]])
    local thread = client:thread_start()
    local waits = setmetatable({}, { __index = function(_, input) return thread:run(input).status end })
    for _, fn in ipairs {
      function() for _ in channel do error "not reached" end end,
      function() return waits.nothing .. "" end,
    } do
      local one = codex.spawn(fn)
      assert.is_false(pcall(one.join, one))
      assert.truthy(one:failure().message:find("a task can't wait inside a metamethod in Lua 5.1", 1, true))
    end
    local receiver = codex.spawn(channel.receive, channel)
    codex.sleep(0)
    codex.spawn(channel.send, channel, "value")
    assert.equal("value", codex.wait(receiver, 10))
    assert.equal("completed", thread:run("go", { timeout = 10 }).status)
    client:close()
    kit.cleanup()
  end)

  it("waits inside other functions of C, and others go on meanwhile", function()
    local log = {}
    assert(run(function()
      codex.spawn(function()
        log[#log + 1] = "other"
      end)
      table.sort({ 2, 1 }, function(a, b)
        codex.sleep(0.001)
        return a < b
      end)
      log[#log + 1] = "sorted"
    end))
    assert.same({ "other", "sorted" }, log)
  end)

  it("waits inside a coroutine of its own, in pcall and iterators too", function()
    local found = select(2, assert(run(function()
      local generate = coroutine.wrap(function()
        for value in slowly("a", "b") do
          coroutine.yield(value)
        end
        local _, value = pcall(slowly "c")
        coroutine.yield(value)
      end)
      return { generate(), generate(), generate() }
    end)))
    assert.same({ "a", "b", "c" }, found)
  end)
end)

describe("codex.pcall", function()
  it("answers as pcall does, in a task and elsewhere", function()
    local thrown = {}
    local function check()
      assert.same({ n = 4, true, 1, nil, nil }, pack(codex.pcall(function(...)
        codex.sleep(0)
        return ...
      end, 1, nil, nil)))
      assert.same({ n = 1, true }, pack(codex.pcall(function() end)))
      local ok, err = codex.pcall(function()
        codex.sleep(0)
        error(thrown)
      end)
      assert.is_false(ok)
      assert.equal(thrown, err)
      assert.same({ n = 2, false, nil }, pack(codex.pcall(error)))
    end
    check()
    assert(run(check))
  end)

  it("hands a cancellation on, once what it calls has ended", function()
    local log = {}
    local one = codex.spawn(function()
      local ok, err = codex.pcall(function()
        local inner = select(2, codex.pcall(forever))
        log[#log + 1] = inner.kind
        codex.sleep(0.001)
        error(inner, 0)
      end)
      log[#log + 1] = tostring(ok)
      error(err, 0)
    end)
    codex.step(0)
    codex.step(0)
    one:cancel()
    local ok, err = pcall(one.join, one)
    assert.is_false(ok)
    assert.is_true(codex.is_error(err, "cancelled"), tostring(err))
    assert.same({ "cancelled", "false" }, log)
    assert.equal("cancelled", one.status)
  end)

  it("ends no tasks that were started in it", function()
    local log = {}
    assert(run(function()
      codex.pcall(function()
        codex.pcall(codex.spawn, function()
          codex.sleep(0.001)
          log[#log + 1] = "child"
        end)
      end)
      codex.sleep(0.005)
      log[#log + 1] = "task"
    end))
    assert.same({ "child", "task" }, log)
  end)

  it("wants a function", function()
    local ok, err = pcall(codex.pcall, 5)
    assert.is_false(ok)
    assert.truthy(err.message:find("pcall: expected a function, got number", 1, true), err.message)
  end)
end)

describe("codex.with", function()
  after_each(kit.cleanup)

  local function open()
    return codex.new((kit.fake "server:handshake()"))
  end

  local function gone(client)
    return client.closed and kit.children "fake_server"[1] == nil
  end

  it("closes the client and returns what the function returns", function()
    local function check()
      local client = open()
      local results = pack(codex.with(client, function(given)
        assert.equal(client, given)
        assert.is_false(client.closed)
        codex.sleep(0)
        return 1, nil, nil
      end))
      assert.same({ n = 3, 1, nil, nil }, results)
      assert.is_true(gone(client))
    end
    check()
    assert(run(check))
  end)

  it("closes the client and raises what the function raises", function()
    local thrown = {}
    local function check()
      local client = open()
      local ok, err = codex.pcall(codex.with, client, function()
        codex.sleep(0)
        error(thrown)
      end)
      assert.is_false(ok)
      assert.equal(thrown, err)
      assert.is_true(gone(client))
    end
    check()
    assert(run(check))
  end)

  it("closes the client of a task that is cancelled", function()
    local client = open()
    local one = codex.spawn(codex.with, client, forever)
    codex.step(0)
    codex.step(0)
    one:cancel()
    local ok, err = pcall(one.join, one)
    assert.is_false(ok)
    assert.is_true(codex.is_error(err, "cancelled"), tostring(err))
    assert.is_true(gone(client))
  end)

  it("may be given one that the function has closed", function()
    local client = open()
    assert.equal("x", codex.with(client, function()
      client:close()
      return "x"
    end))
  end)

  it("wants a client and a function", function()
    for message, arguments in pairs {
      ["with: expected a client, got nil"] = {},
      ["with: expected a client, got table"] = { {}, forever },
    } do
      local ok, err = pcall(function()
        codex.with(luas.unpack(arguments))
      end)
      assert.is_false(ok)
      assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
      assert.truthy(err.message:find("luas_spec.lua:%d+: " .. message), err.message)
    end
    local client = kit.open((kit.fake "server:handshake()"))
    local ok, err = pcall(codex.with, client)
    assert.is_false(ok)
    assert.truthy(err.message:find("with: expected a function, got nil", 1, true), err.message)
    assert.is_false(client.closed)
  end)
end)

describe("whole numbers", function()
  it("are written as integers, however large, where Lua has only floats", function()
    local written = codex.json.encode { 5 * 3, 10 ^ 15, 2 ^ 53, -2 ^ 53 }
    if luas.integers then
      assert.equal("[15,1000000000000000.0,9007199254740992.0,-9007199254740992.0]", written)
    else
      assert.equal("[15,1000000000000000,9007199254740992,-9007199254740992]", written)
    end
  end)

  it("are written as integers where the protocol has integers", function()
    for number, text in pairs { [15.0] = "15", [2 ^ 31] = "2147483648" } do
      assert.equal('{"limit":' .. text .. "}", core.encode("request", "thread/list", "params", { limit = number }))
    end
  end)
end)

describe("the files of the module and of its specs", function()
  it("are in the syntax of Lua 5.1, but for those that say otherwise", function()
    local check = [[for path in io.lines() do assert(loadfile(path)) end]]
    local command = "find lua spec -name '*.lua' ! -path 'spec/lua54/*' ! -path 'spec/bench/*' | lua5.1 -e %s 2>&1"
    local pipe = assert(io.popen(command:format(kit.quoted(check))))
    local output = pipe:read "*a"
    pipe:close()
    assert.equal("", output)
  end)
end)
