--- codex.retry_on_overload and codex.is_retryable_error. Runs on every Lua.

local codex = require "codex"
local errors = require "codex.error"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local task = require "codex.task"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local function busy()
  errors.raise("server_busy", "Server overloaded; retry later.", { code = -32001, method = "a/b" })
end

-- A function that is refused so many times, and counts.
local function refused(times, then_what)
  local calls = { n = 0 }
  return function()
    calls.n = calls.n + 1
    if calls.n <= times then busy() end
    if then_what then return then_what() end
    return "done", nil, calls.n, nil
  end, calls
end

-- Runs with the sleeps noted down in place of slept.
local function without_sleeping(fn)
  local sleep, delays = task.sleep, {}
  task.sleep = function(seconds) delays[#delays + 1] = seconds end
  local ok, err = pcall(fn)
  task.sleep = sleep
  assert.is_true(ok, err)
  return delays
end

local function delays_of(attempts, options)
  options.max_attempts = attempts
  return without_sleeping(function()
    raised("server_busy", codex.retry_on_overload, (refused(math.huge)), options)
  end)
end

after_each(kit.cleanup)

describe("retry_on_overload", function()
  it("returns what the function returns: nils and many values too", function()
    local fn, calls = refused(0)
    assert.same({ n = 4, "done", nil, 1, nil }, luas.pack(codex.retry_on_overload(fn)))
    assert.equal(1, calls.n)
    assert.same({ n = 0 }, luas.pack(codex.retry_on_overload(function() end)))
    assert.same({ n = 0 }, luas.pack(codex.retry_on_overload(function() end, { max_attempts = 1 })))
  end)

  it("calls again while the server is busy, three times by default, and raises the last refusal", function()
    without_sleeping(function()
      local fn, calls = refused(2)
      assert.same({ n = 4, "done", nil, 3, nil }, luas.pack(codex.retry_on_overload(fn)))
      assert.equal(3, calls.n)
      fn, calls = refused(3)
      local err = raised("server_busy", codex.retry_on_overload, fn)
      assert.same({ 3, -32001, "a/b" }, { calls.n, err.code, err.method })
      fn, calls = refused(1)
      raised("server_busy", codex.retry_on_overload, fn, { max_attempts = 1 })
      assert.equal(1, calls.n)
      fn, calls = refused(1000)
      assert.equal(1001, select(3, codex.retry_on_overload(fn, { max_attempts = math.huge })))
      assert.equal(1001, calls.n)
    end)
  end)

  it("waits longer each time, up to the most", function()
    assert.same({ 0.25, 0.5, 1, 2, 2, 2 }, delays_of(7, { jitter = 0 }))
    assert.same({ 1, 2, 3, 3 }, delays_of(5, { jitter = 0, initial_delay = 1, max_delay = 3 }))
    assert.same({ 0.5, 0.5 }, delays_of(3, { jitter = 0, max_delay = 0.5, initial_delay = 9 }))
    assert.same({ 0, 0 }, delays_of(3, { initial_delay = 0 }))
    assert.same({}, delays_of(1, {}))
  end)

  it("varies its waits by the jitter, to both sides", function()
    local delays = delays_of(400, { initial_delay = 1, max_delay = 1, jitter = 0.5 })
    local shorter, longer = 0, 0
    for _, delay in ipairs(delays) do
      assert.is_true(delay >= 0.5 and delay <= 1.5, tostring(delay))
      if delay < 1 then shorter = shorter + 1 elseif delay > 1 then longer = longer + 1 end
    end
    assert.is_true(shorter > 0 and longer > 0, shorter .. " shorter, " .. longer .. " longer")
    for _, delay in ipairs(delays_of(4, {})) do assert.is_true(delay >= 0.2 and delay <= 2.4, tostring(delay)) end
  end)

  it("leaves the script's own random numbers alone", function()
    math.randomseed(7)
    local expected = { math.random(1000), math.random(1000) }
    math.randomseed(7)
    local first = math.random(1000)
    delays_of(5, {})
    assert.same(expected, { first, math.random(1000) })
  end)

  it("raises anything else at once, whatever it is", function()
    local object = {}
    for _, problem in ipairs {
      "a text", object, 7, errors.new("invalid_argument", "m"), errors.new("timeout", "m"),
      errors.new("transport_closed", "m"), errors.new("retry_limit_exceeded", "m", { code = -32001 }),
      errors.new("rpc", "m", { code = -32000 }), errors.new("invalid_request", "overloaded", { code = -32600 }),
    } do
      local calls = 0
      local ok, err = pcall(codex.retry_on_overload, function()
        calls = calls + 1
        error(problem, 0)
      end)
      assert.is_false(ok)
      assert.equal(problem, err)
      assert.equal(1, calls)
    end
  end)

  it("never runs a turn twice", function()
    for _, err in ipairs {
      errors.new("turn_failed", "m", { reason = "server_overloaded", result = { status = "failed" } }),
      errors.new("server_busy", "m", { code = -32001, result = { status = "inProgress" } }),
    } do
      local calls = 0
      local ok, same = pcall(codex.retry_on_overload, function()
        calls = calls + 1
        error(err, 0)
      end)
      assert.same({ false, 1 }, { ok, calls })
      assert.equal(err, same)
    end
  end)

  it("refuses what it can't use, before the first call", function()
    local function check(message, fn, options)
      local err = raised("invalid_argument", codex.retry_on_overload, fn, options)
      assert.is_truthy(err.message:find(message, 1, true), err.message)
    end
    local function never() error "was called" end
    check("retry_on_overload: expected a function, got nil", nil)
    check("retry_on_overload: expected a table of options, got number", never, 3)
    check("unknown option 'max_atempts' (did you mean 'max_attempts'?)", never, { max_atempts = 3 })
    check("unknown option 'inital_delay' (did you mean 'initial_delay'?)", never, { inital_delay = 3 })
    check("retry_on_overload.max_attempts: must be a whole number from 1 on", never, { max_attempts = 0 })
    check("retry_on_overload.max_attempts: must be a whole number from 1 on", never, { max_attempts = 1.5 })
    check("retry_on_overload.max_attempts: must not be negative", never, { max_attempts = -1 })
    check("retry_on_overload.max_attempts: must not be negative", never, { max_attempts = 0 / 0 })
    check("retry_on_overload.max_attempts: expected a number, got string", never, { max_attempts = "3" })
    for _, name in ipairs { "initial_delay", "max_delay", "jitter" } do
      check("retry_on_overload." .. name .. ": must not be negative", never, { [name] = -0.1 })
      check("retry_on_overload." .. name .. ": expected a number, got boolean", never, { [name] = true })
    end
  end)

  it("lets other tasks go on while it waits", function()
    local log = {}
    codex.run(function()
      local retrying = codex.spawn(function()
        codex.retry_on_overload((refused(1, function() log[#log + 1] = "again" end)), { initial_delay = 0.05 })
      end)
      codex.spawn(function() log[#log + 1] = "other" end)
      retrying:join()
    end)
    assert.same({ "other", "again" }, log)
  end)

  it("may wait inside of the function, in a task and outside of one", function()
    local function attempt()
      codex.sleep(0)
      return "waited"
    end
    assert.equal("waited", codex.retry_on_overload((refused(1, attempt)), { initial_delay = 0 }))
    assert.equal("waited", codex.run(codex.retry_on_overload, (refused(1, attempt)), { initial_delay = 0 }))
    local err = raised("timeout", codex.run, codex.retry_on_overload, function()
      codex.sleep(0)
      errors.raise("timeout", "late", { result = { status = "inProgress" } })
    end)
    assert.equal("inProgress", err.result.status)
  end)

  it("ends at once when its task is cancelled, between attempts and in one", function()
    for _, where in ipairs { "between", "inside" } do
      local calls, begun = 0, {}
      local function fn()
        calls = calls + 1
        task.wake(begun)
        if where == "between" then busy() end
        codex.sleep(60)
      end
      local retrying = codex.spawn(codex.retry_on_overload, fn, { initial_delay = 60, max_delay = 60 })
      task.park(begun)
      codex.sleep(0)
      retrying:cancel()
      raised("cancelled", retrying.join, retrying)
      assert.equal("cancelled", retrying.status)
      assert.equal(1, calls)
    end
  end)

  it("is not begun by a task that was cancelled before", function()
    local calls = 0
    local retrying = codex.spawn(codex.retry_on_overload, function() calls = calls + 1 end)
    retrying:cancel()
    raised("cancelled", retrying.join, retrying)
    assert.equal(0, calls)
  end)

  it("leaves nobody's failure behind", function()
    assert.equal("fine", codex.run(function()
      local ok, err = task.attempt(codex.retry_on_overload, function() error("broken", 0) end)
      assert.same({ false, "broken" }, { ok, err })
      return "fine"
    end))
  end)

  it("helps with a server that is too busy for a while", function()
    local options, received = kit.fake [[
      server:handshake()
      for _ = 1, 2 do server:error(server:expect("model/list"), -32001, "Server overloaded; retry later.") end
      server:reply(server:expect("model/list"), '{"data":[],"nextCursor":"c"}')
      server:error(server:expect("thread/start"), -32603, "no", { codexErrorInfo = "serverOverloaded" })
      server:thread("th")
      server:error(server:expect("turn/start"), -32001, "come back later")
      server:turn("t1")
      server:turn_completed("th", "t1", "failed", { message = "at capacity", codexErrorInfo = "serverOverloaded" })]]
    local client = codex.new(options)
    local again = { initial_delay = 0.01 }
    assert.equal("c", codex.retry_on_overload(function() return client:models() end, again).next_cursor)
    local thread = codex.retry_on_overload(function() return client:thread_start() end, again)
    -- the second start is taken, and its turn fails: that isn't tried again
    local err = raised("turn_failed", codex.retry_on_overload, function() return thread:run "x" end, again)
    assert.same({ "server_overloaded", "failed" }, { err.reason, err.result.status })
    client:close()
    local starts = 0
    for _, line in ipairs(received()) do
      if line:find('"turn/start"', 1, true) then starts = starts + 1 end
    end
    assert.equal(2, starts)
  end)
end)

describe("is_retryable_error", function()
  local function answer(code, message, data) return errors.from_request("a/b", "rpc", code, message, data) end

  it("knows the server's own refusal by its code, whatever the words", function()
    for _, message in ipairs { "Server overloaded; retry later.", "later", "" } do
      local err = answer(-32001, message)
      assert.equal("server_busy", err.kind)
      assert.is_true(codex.is_retryable_error(err))
    end
  end)

  for what, data in pairs {
    ["a text"] = "server_overloaded",
    ["another spelling"] = "ServerOverloaded",
    ["codexErrorInfo"] = { codexErrorInfo = "serverOverloaded" },
    ["codex_error_info"] = { codex_error_info = "server_overloaded" },
    ["errorInfo"] = { errorInfo = "SERVER_OVERLOADED" },
    ["a table under it"] = { codexErrorInfo = { kind = "serverOverloaded" } },
    ["a variant with details"] = { codexErrorInfo = { serverOverloaded = { httpStatusCode = 503 } } },
    ["a nested error"] = { error = { { message = "m", codexErrorInfo = "server_overloaded" } } },
  } do
    it("finds overload in the data: " .. what, function()
      for _, code in ipairs { -32000, -32050, -32600, -32603, 7 } do
        assert.is_true(codex.is_retryable_error(answer(code, "no", data)), tostring(code))
      end
      local gave_up = answer(-32000, "exceeded retry limit, last status: 503", data)
      assert.equal("retry_limit_exceeded", gave_up.kind)
      assert.is_false(codex.is_retryable_error(gave_up))
    end)
  end

  it("says no to everything else", function()
    for _, value in ipairs {
      false, "server_overloaded", 7, {}, { kind = "server_busy" },
      answer(-32000, "server_overloaded"), answer(-32603, "oops", { message = "the server_overloaded error" }),
      answer(-32603, "oops", codex.null), answer(-32600, "no active turn to steer"),
      errors.new("timeout", "m"), errors.new("transport_closed", "m"), errors.new("busy", "m"),
      errors.new("turn_failed", "m", { reason = "server_overloaded", result = {} }),
    } do
      assert.is_false(codex.is_retryable_error(value))
    end
    assert.is_false(codex.is_retryable_error(nil))
  end)
end)
