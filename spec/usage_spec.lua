-- What a turn used, and what its thread had used before.
local codex = require "codex"
local kit = require "spec.support.kit"

-- Every model call costs something else: the n-th one n hundred tokens in, n of them cached, and so on.
local script = [[
  local function usage(n)
    return { input_tokens = 100 * n, cached_tokens = n, output_tokens = 10 * n, reasoning_tokens = 2 * n,
      total_tokens = 110 * n }
  end
  return function(request, context)
    if context.input_text:find "wait" then return { deltas = { "a" }, hold = true } end
    if context.input_text:find "three calls" and context.step < 3 then
      return { calls = { { name = "exec_command", arguments = { cmd = "true", login = false } } },
        usage = usage(context.n) }
    end
    return { text = "done", usage = usage(context.n) }
  end]]

-- The usage of several model calls, by their numbers.
local function calls(...)
  local sum = 0
  for _, n in ipairs { ... } do
    sum = sum + n
  end
  return {
    input_tokens = 100 * sum,
    cached_input_tokens = sum,
    cache_write_input_tokens = 0,
    output_tokens = 10 * sum,
    reasoning_output_tokens = 2 * sum,
    total_tokens = 110 * sum,
  }
end

local function start(client)
  return client:thread_start { sandbox = "full_access", approval_policy = "never" }
end

-- Runs a turn whose model call is cut off.
local function interrupted(thread)
  local turn = thread:turn "wait"
  for _ in turn:text() do
    turn:interrupt()
  end
  return turn:run()
end

describe("usage", function()
  after_each(kit.cleanup)

  it("is the thread's, the last call's and the turn's own, over several model calls", function()
    local client = kit.client { script = script }
    local thread = start(client)
    local first = thread:run "one"
    assert.same(calls(1), first.usage.total)
    assert.same(calls(1), first.usage.last)
    assert.same(calls(1), first.turn_usage)
    local second = thread:run "three calls"
    assert.same(calls(1, 2, 3, 4), second.usage.total)
    assert.same(calls(4), second.usage.last)
    assert.same(calls(2, 3, 4), second.turn_usage)
    assert.is_number(second.usage.model_context_window)
    client:close()
  end)

  it("of a turn that was interrupted before its model had answered is nothing", function()
    local client = kit.client { script = script }
    local thread = start(client)
    assert.is_nil(interrupted(thread).turn_usage)
    thread:run "one"
    local result = interrupted(thread)
    assert.equal("interrupted", result.status)
    assert.same(calls(2), result.usage.total)
    assert.same(calls(), result.turn_usage)
    assert.same(calls(4), thread:run("two").turn_usage)
    client:close()
  end)

  it("goes on where the thread stood when it is resumed, however its first turn ends", function()
    local client, home = kit.client { script = script }
    local ids = {}
    for index = 1, 2 do
      local thread = start(client)
      thread:run "one"
      ids[index] = thread.id
    end
    client:close()
    client = kit.client { home = home }
    local result = client:thread_resume(ids[1]):run "three calls"
    assert.same(calls(1, 3, 4, 5), result.usage.total)
    assert.same(calls(3, 4, 5), result.turn_usage)
    result = interrupted(client:thread_resume(ids[2]))
    assert.same(calls(2), result.usage.total)
    assert.same(calls(), result.turn_usage)
    client:close()
  end)

  it("of two threads at once is told apart", function()
    local client = kit.client { script = script }
    local one, other = start(client), start(client)
    one:run "one"
    local results = codex.gather {
      function()
        return one:run "three calls"
      end,
      function()
        return other:run "three calls"
      end,
    }
    for _, result in ipairs(results) do
      local n = 0
      for _, name in ipairs { "cached_input_tokens", "reasoning_output_tokens" } do
        n = n + result.turn_usage[name]
      end
      assert.equal(result.turn_usage.total_tokens / 110 * 3, n)
    end
    local total = results[1].turn_usage.total_tokens + results[2].turn_usage.total_tokens
    assert.equal(calls(2, 3, 4, 5, 6, 7).total_tokens, total)
    assert.same(results[2].usage.total, results[2].turn_usage)
    client:close()
  end)

  it("is what the server says where that is all there is to go by", function()
    local client = codex.new((kit.fake [[
      server:handshake()
      server:thread "t"
      server:turn "a"
      server:notify("thread/tokenUsage/updated", { threadId = "t", turnId = "a", tokenUsage = {
        total = { totalTokens = 100, newKind = "seven" }, last = { totalTokens = 30 } } })
      server:turn_completed("t", "a")
    ]]))
    local result = client:thread_start():run "x"
    assert.equal(100, result.usage.total.total_tokens)
    assert.same({ total_tokens = 30 }, result.turn_usage)
    client:close()
  end)
end)
