-- What runs tasks together: codex.run, codex.gather and codex.timeout. codex.scope is in structured_spec.lua.
local codex = require "codex"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local waiting = require "spec.support.waiting"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local forever, gate, pack = waiting.forever, waiting.gate, luas.pack

describe("codex.run", function()
  it("returns what main returns: nils and many values too", function()
    assert.same(
      { n = 4, nil, 2, nil, nil },
      pack(codex.run(function(...)
        return ...
      end, nil, 2, nil, nil))
    )
    assert.same({ n = 0 }, pack(codex.run(function() end)))
    local many = pack(codex.run(function()
      return luas.unpack({}, 1, 200)
    end))
    assert.equal(200, many.n)
  end)

  it("waits for what main spawned, and what that spawned and waits for", function()
    local log = {}
    codex.run(function()
      codex.spawn(function()
        codex.sleep(0.01)
        local inner = codex.spawn(function()
          codex.sleep(0.01)
          log[#log + 1] = "inner"
        end)
        log[#log + 1] = "outer"
        inner:join()
      end)
      log[#log + 1] = "main"
    end)
    assert.same({ "main", "outer", "inner" }, log)
  end)

  it("may be called within a task, and waits for its own only", function()
    local log = {}
    codex.run(function()
      local other = codex.spawn(forever)
      local a, b = codex.run(function()
        codex.spawn(function()
          codex.sleep(0.01)
          log[#log + 1] = "inner"
        end)
        return 1, nil
      end)
      assert.same({ "inner" }, log)
      assert.equal(1, a)
      assert.is_nil(b)
      assert.equal("waiting", other.status)
      other:cancel()
    end)
  end)

  it("takes anything that can be called", function()
    local callable = setmetatable({}, {
      __call = function(_, a)
        return a + 1
      end,
    })
    assert.equal(2, codex.run(callable, 1))
    assert.equal(3, codex.spawn(callable, 2):join())
  end)

  it("raises what main raised, itself, with its traceback, and cancels what it spawned", function()
    local thrown, spawned = {}, nil
    local function fails()
      error(thrown)
    end
    local ok, err = pcall(codex.run, function()
      spawned = codex.spawn(forever)
      codex.sleep(0)
      fails()
    end)
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.equal("cancelled", spawned.status)
    ok, err = pcall(codex.run, function()
      error "with a position"
    end)
    assert.is_false(ok)
    assert.truthy(err:match "^%S*group_spec%.lua:%d+: with a position$")
    ok, err = pcall(codex.run, function()
      error(nil)
    end)
    assert.is_false(ok)
    assert.is_nil(err)
  end)

  it("raises the failure of a spawned task that nobody joined", function()
    local ok, err = pcall(codex.run, function()
      codex.spawn(error, "lost", 0)
      codex.sleep(0.01)
    end)
    assert.is_false(ok)
    assert.equal("lost", err)
  end)

  it("doesn't raise one that was joined, before or after it failed", function()
    assert.equal(
      "well",
      codex.run(function()
        local early = codex.spawn(function()
          codex.sleep(0.01)
          error "early"
        end)
        local late = codex.spawn(error, "late")
        assert.is_false(pcall(early.join, early))
        assert.equal("failed", late.status)
        assert.is_false(pcall(late.join, late))
        return "well"
      end)
    )
  end)

  it("raises the second failure when only the first was joined", function()
    local ok, err = pcall(codex.run, function()
      local first = codex.spawn(error, "first", 0)
      codex.spawn(error, "second", 0)
      codex.sleep(0)
      pcall(first.join, first)
    end)
    assert.is_false(ok)
    assert.equal("second", err)
  end)

  it("doesn't mind a task that was cancelled", function()
    assert.equal(
      1,
      codex.run(function()
        codex.spawn(forever):cancel()
        local begun = codex.spawn(forever)
        codex.sleep(0)
        begun:cancel()
        return 1
      end)
    )
  end)
end)

describe("codex.gather", function()
  it("returns the first results in order, whatever the order of the ends", function()
    local results = codex.run(function()
      return codex.gather {
        function()
          codex.sleep(0.02)
          return "slow", "not this"
        end,
        function()
          return nil
        end,
        function()
          codex.sleep(0.01)
          return "quick"
        end,
      }
    end)
    assert.equal("slow", results[1])
    assert.is_nil(results[2])
    assert.equal("quick", results[3])
    assert.same({}, codex.gather {})
    assert.same({ 1 }, codex.gather({
      function()
        return 1
      end,
    }, { limit = 5 }))
  end)

  it("runs no more than the limit at once, and all of them in the end", function()
    local now, most, functions = 0, 0, {}
    for i = 1, 20 do
      functions[i] = function()
        now = now + 1
        most = math.max(most, now)
        codex.sleep(0.001)
        now = now - 1
        return i
      end
    end
    local results = codex.gather(functions, { limit = 3 })
    assert.equal(3, most)
    for i = 1, 20 do
      assert.equal(i, results[i])
    end
  end)

  it("raises the first failure once the rest is cancelled", function()
    local log, begun = {}, 0
    local function waits()
      begun = begun + 1
      local ok, err = pcall(forever)
      log[#log + 1] = not ok and err.kind
      codex.sleep(0.001)
      log[#log + 1] = "cleaned"
      error(err, 0)
    end
    local thrown = {}
    local ok, err = pcall(codex.gather, {
      waits,
      function()
        codex.sleep(0.005)
        error(thrown)
      end,
      waits,
      waits, -- beyond the limit: never begins
    }, { limit = 3 })
    assert.is_false(ok)
    assert.equal(thrown, err)
    assert.equal(2, begun)
    assert.same({ "cancelled", "cancelled", "cleaned", "cleaned" }, log)
  end)

  it("raises the first of failures that come together", function()
    for _ = 1, 20 do
      local functions = {}
      for i = 1, 8 do
        functions[i] = function()
          error(i, 0)
        end
      end
      local ok, err = pcall(codex.gather, functions)
      assert.is_false(ok)
      assert.equal(1, err)
    end
  end)

  it("refuses what is no list of functions and no number of them", function()
    for _, functions in ipairs { "x", { "x" }, { forever, false, forever } } do
      raised("invalid_argument", codex.gather, functions)
    end
    for _, limit in ipairs { 0, -1, 1.5, 0 / 0, "x" } do
      raised("invalid_argument", codex.gather, { forever }, { limit = limit })
    end
    assert.same({ 1 }, codex.gather({ function() return 1 end }, { limit = math.huge }))
  end)

  it("cancels all when its task is cancelled", function()
    local ended = 0
    local one = codex.spawn(codex.gather, {
      function()
        pcall(forever)
        ended = ended + 1
      end,
      function()
        pcall(forever)
        ended = ended + 1
      end,
    })
    codex.run(function()
      codex.sleep(0)
      codex.sleep(0)
      one:cancel()
      raised("cancelled", one.join, one)
    end)
    assert.equal(2, ended)
  end)
end)

describe("codex.timeout", function()
  it("returns what the function returns in time", function()
    assert.same(
      { n = 3, 1, nil, nil },
      pack(codex.timeout(10, function(...)
        codex.sleep(0)
        return ...
      end, 1, nil, nil))
    )
  end)

  it("raises what the function raises in time", function()
    local ok, err = pcall(codex.timeout, 10, error, "x", 0)
    assert.is_false(ok)
    assert.equal("x", err)
  end)

  it("cancels the function and raises when it has ended", function()
    local log = {}
    local err = raised("timeout", codex.timeout, 0.01, function()
      local ok, err = pcall(forever)
      codex.sleep(0.001)
      log[#log + 1] = not ok and err.kind
      error(err, 0)
    end)
    assert.same({ "cancelled" }, log)
    assert.truthy(err.message:find("0.01", 1, true))
  end)

  it("lets a function end that is through with its work when the time comes", function()
    assert.equal(
      "result",
      codex.timeout(0.01, function()
        pcall(forever)
        return "result"
      end)
    )
  end)

  it("nests: the inner one is the inner caller's", function()
    local inner
    local err = raised("timeout", codex.timeout, 0.5, function()
      inner = raised("timeout", codex.timeout, 0.005, forever)
      forever()
    end)
    assert.truthy(inner.message:find("0.005", 1, true))
    assert.truthy(err.message:find("0.5", 1, true))
  end)

  it("gives way to a cancellation, also while it cleans up", function()
    local wait = gate()
    local one = codex.spawn(codex.timeout, 0.001, function()
      pcall(forever)
      wait.open()
      codex.sleep(0.01)
      error "in cleaning up"
    end)
    codex.run(function()
      wait.wait()
      one:cancel()
      raised("cancelled", one.join, one)
    end)
    assert.equal("cancelled", one.status)
  end)
end)
