-- Turns, through the real app-server wherever it can be made to do it.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local turns = require "spec.support.turns"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local drain, methods_of, text_of, types_of = turns.drain, turns.methods_of, turns.text_of, turns.types_of

local function only(list, type)
  local found = {}
  for _, item in ipairs(list) do
    if item.type == type then found[#found + 1] = item end
  end
  return found
end

-- What the model was told by the user in its request number n.
local function said(home, n)
  local texts = {}
  for _, item in ipairs(home:log()[n].body.input) do
    for _, part in ipairs(item.role == "user" and item.content or {}) do
      texts[#texts + 1] = part.text
    end
  end
  return table.concat(texts, "\n")
end

-- Waits until the model has been asked so many times.
local function asked(home, count)
  assert.is_true(kit.eventually(function()
    codex.step(0)
    return #home:log() >= count
  end))
end

-- Answers every question with what was asked.
local echo = [[return function(_, context)
  return { text = "answer to " .. context.input_text, delta_delay = context.input_text:find("slow") and 0.01 or nil }
end]]

describe("a turn", function()
  local client, home, thread

  setup(function()
    client, home = kit.client { script = turns.answers }
  end)

  before_each(function()
    thread = client:thread_start { sandbox = "full_access" } -- there may be no sandbox where specs run
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  it("gives the same result however it is run, streamed and read, in any order and often", function()
    local function run(turn)
      return turn:run()
    end
    local function stream(turn)
      drain(turn:stream())
    end
    for _, order in ipairs {
      { run },
      { run, run, run },
      { stream, run },
      { run, stream },
      { text_of, run },
      { run, text_of, run },
      { stream, text_of, stream, run },
      { text_of, stream, run, text_of },
    } do
      local turn = thread:turn "say it"
      local results = {}
      for _, action in ipairs(order) do
        local result = action(turn)
        if type(result) == "table" then results[#results + 1] = result end
      end
      for _, result in ipairs(results) do
        assert.equal(results[1], result)
      end
      local result = turn:run()
      assert.equal(turn.id, result.id)
      assert.equal("completed", result.status)
      assert.equal("completed", turn.status)
      assert.equal("Hello there, you", result.final_response)
      assert.same({ "userMessage", "agentMessage" }, types_of(result.items))
      assert.equal("say it", result.items[1].content[1].text)
      assert.equal("Hello there, you", result.items[2].text)
      assert.is_nil(result.error)
      assert.is_true(luas.is_integer(result.started_at))
      assert.is_true(luas.is_integer(result.completed_at))
      assert.is_true(luas.is_integer(result.duration_ms))
      assert.equal(15, result.turn_usage.total_tokens)
      assert.is_nil(result.parsed)
      assert.is_nil(result.parse_error)
    end
  end)

  it("streams all events from its start, its completion last", function()
    local turn = thread:turn "say it"
    assert.equal("inProgress", turn.status)
    assert.equal(thread.id, turn.thread_id)
    local events = drain(turn:stream())
    local methods, position = methods_of(events), {}
    for i, method in ipairs(methods) do
      position[method] = position[method] or i
      local params = events[i].params
      assert.equal(turn.id, params.turn_id or params.turn and params.turn.id, method)
      local raw = cjson.decode(events[i].raw)
      assert.equal(method, raw.method)
      assert.equal(turn.id, raw.params.turnId or raw.params.turn.id)
    end
    assert.equal("turn/completed", methods[#methods])
    assert.equal(#methods, position["turn/completed"])
    assert.equal(1, position["turn/started"])
    assert.is_true(position["item/started"] < position["item/completed"])
    assert.is_true(position["item/completed"] < position["item/agentMessage/delta"])
    assert.truthy(position["thread/tokenUsage/updated"])
    local deltas = {}
    for _, event in ipairs(events) do
      if event.method == "item/agentMessage/delta" then deltas[#deltas + 1] = event.params.delta end
    end
    assert.same({ "Hello", " there,", " you" }, deltas)
    assert.equal("completed", events[#events].params.turn.status)
  end)

  it("streams only the methods that were asked for", function()
    local wanted = { "item/agentMessage/delta", "item/completed" }
    local events = drain(thread:turn("say it"):stream(wanted))
    assert.same({
      "item/completed",
      "item/agentMessage/delta",
      "item/agentMessage/delta",
      "item/agentMessage/delta",
      "item/completed",
    }, methods_of(events))
    assert.same({ "turn/completed" }, methods_of(drain(thread:turn("say it"):stream { "turn/completed" })))
    assert.same({}, drain(thread:turn("say it"):stream { "no/such/method" }))
    local everything = drain(thread:turn("say it"):stream {})
    assert.same({}, everything)
    local err = raised("invalid_argument", function()
      thread:turn("say it"):stream { 5 }
    end)
    assert.truthy(err.message:find "turn_spec.lua:%d+: turn:stream%[1%]: expected a method name, got number")
  end)

  it("goes on when its stream is left early, and its result is whole", function()
    local turn = thread:turn "slowly"
    for event in turn:stream() do
      if event.method == "item/agentMessage/delta" then break end
    end
    assert.equal("inProgress", turn.status)
    assert.equal("a b c d e", turn:run().final_response)
    turn = thread:turn "slowly"
    assert.is_false(pcall(function()
      for _ in turn:stream() do
        error "the user's own"
      end
    end))
    assert.equal("a b c d e", turn:run().final_response)
    turn = thread:turn "slowly"
    local early = turn:text()
    assert.equal("a", early())
    assert.equal("a b c d e", turn:run().final_response)
  end)

  it("gives a further stream what comes after that was made", function()
    local turn = thread:turn "slowly"
    local first, before = turn:stream(), {}
    for event in first do
      before[#before + 1] = event.raw
      if event.method == "item/agentMessage/delta" then break end
    end
    local second = turn:stream()
    local rest, after = drain(first), drain(second)
    assert.is_true(#rest > 3)
    assert.is_true(#after >= 1 and #after <= #rest)
    for i = 1, #after - 1 do
      assert.equal(rest[#rest - #after + i].raw, after[i].raw)
    end
    assert.equal("turn/completed", after[#after].method) -- not the very line where the turn had ended by then
    assert.is_true(#before > 0)
  end)

  it("streams its completion only when it was run before", function()
    local turn = thread:turn "say it"
    turn:run()
    for _ = 1, 2 do
      local events = drain(turn:stream())
      assert.same({ "turn/completed" }, methods_of(events))
      assert.equal(turn.id, events[1].params.turn.id)
      assert.equal("turn/completed", cjson.decode(events[1].raw).method)
    end
    assert.equal("", text_of(turn))
  end)

  it("keeps its events for a first stream, however late that comes", function()
    local turn = thread:turn "say it"
    assert.is_true(kit.eventually(function()
      codex.step(0)
      return turn.status == "completed"
    end))
    local methods = methods_of(drain(turn:stream()))
    assert.equal("turn/started", methods[1])
    assert.is_true(#methods > 5)
    assert.same({ "turn/completed" }, methods_of(drain(turn:stream())))
  end)

  it("may be streamed, read and run by several tasks at once", function()
    local turn = thread:turn "slowly"
    local results = codex.gather {
      function()
        return drain(turn:stream())
      end,
      function()
        return turn:run()
      end,
      function()
        return drain(turn:stream())
      end,
      function()
        return text_of(turn)
      end,
      function()
        return turn:run()
      end,
    }
    assert.equal("turn/started", results[1][1].method)
    assert.equal("turn/completed", results[1][#results[1]].method)
    assert.equal(results[2], results[5])
    assert.equal("turn/completed", results[3][#results[3]].method)
    assert.equal(turn.id, results[2].id)
    assert.equal("a b c d e", results[2].final_response)
    assert.equal(("a b c d e"):sub(-#results[4]), results[4])
  end)

  it("has iterators that stay at their end once they were closed", function()
    for _, name in ipairs { "stream", "text" } do
      local turn = thread:turn "say it"
      local next_one, _, _, stream = turn[name](turn)
      assert.truthy(next_one())
      getmetatable(stream).__close(stream)
      assert.is_nil(next_one())
      assert.is_nil(next_one())
      assert.equal("Hello there, you", turn:run().final_response)
    end
  end)

  it("collects items in the order of their completion, and usage over its model calls", function()
    local result = thread:run "use the tool"
    assert.same({ "userMessage", "agentMessage", "commandExecution", "agentMessage" }, types_of(result.items))
    local command = result.items[3]
    assert.equal("completed", command.status)
    assert.equal(0, command.exit_code)
    assert.equal("found\n", command.aggregated_output)
    assert.equal("it is found", result.final_response)
    assert.equal(427, result.usage.total.total_tokens)
    assert.equal(307, result.usage.last.total_tokens)
    assert.equal(427, result.turn_usage.total_tokens)
    assert.equal(400, result.turn_usage.input_tokens)
    assert.equal(27, result.turn_usage.output_tokens)
    assert.is_true(luas.is_integer(result.turn_usage.total_tokens))
    -- a second turn counts for itself, and the thread's total goes on
    result = thread:run "say it"
    assert.equal(442, result.usage.total.total_tokens)
    assert.equal(15, result.turn_usage.total_tokens)
  end)

  it("that failed raises turn_failed with its result and the reason", function()
    local err = raised("turn_failed", thread.run, thread, "fail")
    assert.equal("context_window_exceeded", err.reason)
    assert.is_nil(err.http_status)
    assert.equal("failed", err.result.status)
    assert.same({ "userMessage" }, types_of(err.result.items))
    assert.equal(err.result.error.message, err.message)
    assert.equal(err.message, tostring(err))
    assert.truthy(err.traceback)
    local turn = thread:turn "fail"
    raised("turn_failed", text_of, turn)
    assert.equal("turn/completed", drain(turn:stream())[1].method)
    err = raised("turn_failed", turn.run, turn)
    assert.equal(err.result, turn:run { raise = false })
    assert.equal("failed", turn.status)
    assert.equal("failed", thread:run("fail", { raise = false }).status)
    assert.is_false(codex.is_retryable_error(err))
    assert.equal("Hello there, you", thread:run("say it").final_response)
  end)

  it("that is interrupted is a result", function()
    local before = #home:log()
    local turn = thread:turn "hold"
    asked(home, before + 1)
    turn:interrupt()
    local result = turn:run()
    assert.equal("interrupted", result.status)
    assert.equal("interrupted", turn.status)
    assert.same({ "userMessage" }, types_of(result.items))
    assert.is_nil(result.final_response)
    turn:interrupt()
    turn:interrupt()
    assert.equal("Hello there, you", thread:run("say it").final_response)
  end)

  it("can be interrupted right after its start, twice at once, and after its end", function()
    for _ = 1, 10 do
      local turn = thread:turn "hold"
      turn:interrupt()
      assert.equal("interrupted", turn:run().status)
    end
    local turn = thread:turn "hold"
    local function interrupt()
      turn:interrupt()
    end
    codex.gather { interrupt, interrupt, interrupt }
    assert.equal("interrupted", turn:run().status)
    turn = thread:turn "say it"
    assert.equal("completed", turn:run().status)
    turn:interrupt()
    assert.equal("completed", turn:run().status)
  end)

  it("can be interrupted from another task while it is streamed", function()
    local turn = thread:turn "hold"
    codex.run(function()
      luas.each(turn:stream(), function(event)
        if event.method == "item/agentMessage/delta" then codex.spawn(turn.interrupt, turn) end
      end)
    end)
    assert.equal("interrupted", turn.status)
    turn = thread:turn "hold"
    local text = ""
    for delta in turn:text() do
      text = text .. delta
      turn:interrupt()
    end
    assert.equal("begun", text)
  end)

  it("can be steered", function()
    local before = #home:log()
    local turn = thread:turn "hold"
    asked(home, before + 1)
    assert.same({ turn_id = turn.id }, turn:steer "rather say it")
    local result = turn:run()
    assert.equal("completed", result.status)
    local messages = only(result.items, "userMessage")
    assert.equal(2, #messages)
    assert.equal("rather say it", messages[2].content[1].text)
    assert.equal("Hello there, you", result.final_response)
    local err = raised("invalid_request", turn.steer, turn, "too late")
    assert.equal("no_active_turn", err.reason)
    assert.equal("turn/steer", err.method)
    raised("invalid_argument", turn.steer, turn, {})
  end)

  it("can be steered right after its start", function()
    local turn = thread:turn "slowly"
    turn:steer { codex.text "say it", "and that" }
    assert.equal("completed", turn:run().status)
  end)

  it("that takes longer than its timeout is interrupted on the server", function()
    local err = raised("timeout", thread.run, thread, "hold", { timeout = 1 })
    assert.equal("interrupted", err.result.status)
    assert.same({ "userMessage" }, types_of(err.result.items))
    -- at once: the thread isn't busy
    assert.equal("Hello there, you", thread:run("say it", { when_busy = "error" }).final_response)
  end)

  it("times out while it is streamed and read, too", function()
    for _, read in ipairs {
      function(turn)
        drain(turn:stream())
      end,
      text_of,
      function(turn)
        turn:run()
      end,
    } do
      local turn = thread:turn("hold", { timeout = 0.5 })
      local err = raised("timeout", read, turn)
      assert.equal("interrupted", err.result.status)
      assert.equal("interrupted", turn.status)
      assert.equal("interrupted", turn:run().status)
    end
    assert.equal("completed", thread:run("say it", { when_busy = "error" }).status)
  end)

  it("is interrupted by codex.timeout around it", function()
    local err = raised("timeout", codex.timeout, 1, function()
      return thread:run "hold"
    end)
    assert.equal("interrupted", err.result.status)
    assert.equal("completed", thread:run("say it", { when_busy = "error" }).status)
    assert.equal("completed", thread:run("say it", { timeout = 60 }).status)
  end)

  it("is interrupted when its task is cancelled, wherever that is", function()
    for _, read in ipairs {
      function()
        thread:run "hold"
      end,
      function()
        drain(thread:turn("hold"):stream())
      end,
      function()
        text_of(thread:turn "hold")
      end,
    } do
      local before = #home:log()
      local one = codex.spawn(read)
      asked(home, before + 1)
      one:cancel()
      local err = raised("cancelled", one.join, one)
      assert.equal("interrupted", err.result.status)
      assert.equal("completed", thread:run("say it", { when_busy = "error" }).status)
    end
  end)

  it("is interrupted when its task is cancelled before the server has answered", function()
    for _ = 1, 5 do
      local one = codex.spawn(function()
        thread:run "hold"
      end)
      codex.step(0) -- sends the request
      one:cancel()
      raised("cancelled", one.join, one)
      assert.equal("completed", thread:run("say it", { timeout = 20 }).status)
    end
  end)

  it("reads its output as JSON where a schema was given", function()
    local function parsed(text, options)
      local other = kit.client { script = { text } }
      local result = other:thread_start():run("x", options)
      other:close()
      return result
    end
    local schema = { type = "object", properties = {} }
    local result = parsed('{"camelCase":[],"n":15,"f":1.0,"nothing":null}', { output_schema = schema })
    assert.equal(15, result.parsed.n)
    assert.is_true(luas.is_integer(result.parsed.n))
    assert.is_true(luas.is_float(result.parsed.f))
    assert.equal(codex.null, result.parsed.nothing)
    assert.equal("[]", codex.json.encode(result.parsed.camelCase))
    assert.is_nil(result.parse_error)
    result = parsed("not JSON", { output_schema = schema })
    assert.equal("completed", result.status)
    assert.is_nil(result.parsed)
    assert.is_true(codex.is_error(result.parse_error))
    assert.truthy(result.parse_error.message:find("not JSON", 1, true))
    assert.is_nil(parsed('{"a":1}').parsed)
  end)

  describe("on a busy thread", function()
    it("waits for those before it, in order", function()
      local order, functions = {}, {}
      for i = 1, 5 do
        functions[i] = function()
          local turn = thread:turn("slowly " .. i)
          luas.each(turn:stream { "turn/started", "turn/completed" }, function(event)
            order[#order + 1] = event.method:sub(6) .. i
          end)
          return turn.id
        end
      end
      local ids = codex.gather(functions)
      local expected, seen = {}, {}
      for i = 1, 5 do
        expected[#expected + 1] = "started" .. i
        expected[#expected + 1] = "completed" .. i
        assert.is_nil(seen[ids[i]])
        seen[ids[i]] = true
      end
      assert.same(expected, order)
    end)

    it("returns from thread:turn once it has started itself", function()
      local first = thread:turn "slowly"
      local second = thread:turn "slowly"
      assert.equal("completed", first.status)
      assert.equal("inProgress", second.status)
      assert.equal("completed", second:run().status)
    end)

    it("raises busy if it may not wait", function()
      local first = thread:turn "hold"
      local err = raised("busy", thread.run, thread, "x", { when_busy = "error" })
      assert.truthy(err.message:find "busy")
      first:interrupt()
      first:run()
      assert.equal("completed", thread:run("say it", { when_busy = "error" }).status)
    end)

    it("steers the running one if told so", function()
      local before = #home:log()
      local first = thread:turn "hold"
      asked(home, before + 1)
      local second = thread:turn("say it", { when_busy = "steer" })
      assert.equal(first, second)
      local result = second:run()
      assert.equal(2, #only(result.items, "userMessage"))
      assert.equal("completed", result.status)
      -- with none running it is a turn of its own
      assert.are_not.equal(first.id, thread:run("say it", { when_busy = "steer" }).id)
    end)

    it("can be cancelled while it waits, and the others keep their places", function()
      local first = thread:turn "hold"
      local order = {}
      local function queued(name)
        return codex.spawn(function()
          thread:run("say it " .. name)
          order[#order + 1] = name
        end)
      end
      local a, b, c = queued "a", queued "b", queued "c"
      codex.step(0)
      b:cancel()
      local err = raised("cancelled", b.join, b)
      assert.is_nil(err.result)
      first:interrupt()
      a:join()
      c:join()
      assert.same({ "a", "c" }, order)
      assert.equal("interrupted", first.status)
    end)

    it("counts the time in the queue", function()
      local first = thread:turn "hold"
      raised("timeout", thread.run, thread, "say it", { timeout = 0.1 })
      assert.equal("inProgress", first.status)
      first:interrupt()
      assert.equal("completed", thread:run("say it", { timeout = 60 }).status)
    end)

    it("waits for a turn that somebody else's Thread object started", function()
      local again = client:thread_resume((function()
        thread:run "say it"
        return thread.id
      end)())
      local first = thread:turn "slowly"
      local second = again:run "say it"
      assert.equal("completed", first.status)
      assert.are_not.equal(first.id, second.id)
    end)
  end)

  it("has the presets and modes of its options sent to the model's server", function()
    thread = client:thread_start { sandbox = "workspace_write", approval_mode = "auto_review" }
    assert.equal("workspaceWrite", thread.sandbox.type)
    assert.equal("on-request", thread.approval_policy)
    assert.equal("auto_review", thread.approvals_reviewer)
    thread = client:thread_start { sandbox = "read-only", approval_mode = "ask" }
    assert.equal("readOnly", thread.sandbox.type)
    assert.equal("on-request", thread.approval_policy)
    assert.equal("user", thread.approvals_reviewer)
    thread = client:thread_start { sandbox = "full_access", approval_mode = "deny_all" }
    assert.equal("dangerFullAccess", thread.sandbox.type)
    assert.equal("never", thread.approval_policy)
    thread = client:thread_start { approval_mode = "dangerously_bypass_approvals_and_sandbox" }
    assert.equal("dangerFullAccess", thread.sandbox.type)
    assert.equal("never", thread.approval_policy)
    thread = client:thread_start {}
    assert.equal("readOnly", thread.sandbox.type) -- the user's own configuration
    assert.equal("never", thread.approval_policy)
    assert.equal("mock-model", thread.model)
    assert.equal("mock", thread.model_provider)
    thread:run("say it", { sandbox = "workspace_write", approval_mode = "ask", model = "other-model", effort = "high" })
    local log = home:log()
    assert.equal("other-model", log[#log].body.model)
    assert.equal("high", log[#log].body.reasoning.effort)
  end)

  it("sends its inputs to the model", function()
    local before = #home:log()
    local pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    thread:run { "first", codex.text "second é", codex.image("data:image/png;base64," .. pixel), "last" }
    assert.truthy(said(home, before + 1):find("first\nsecond é\n", 1, true))
    local images = 0
    for _, item in ipairs(home:log()[before + 1].body.input) do
      for _, part in ipairs(item.role == "user" and item.content or {}) do
        if part.type == "input_image" then images = images + 1 end
      end
    end
    assert.equal(1, images)
  end)
end)

describe("the final response", function()
  after_each(kit.cleanup)

  -- the model's answer, the final response, and the text as it comes
  for name, case in pairs {
    ["is the last unphased message"] = {
      { messages = { { text = "one" }, { text = "two" } } },
      "two",
      "onetwo",
    },
    ["is the one of phase final_answer, wherever it stands"] = {
      { messages = { { text = "the answer", phase = "final_answer" }, { text = "afterthought" } } },
      "the answer",
      "the answerafterthought",
    },
    ["is the last one of phase final_answer"] = {
      { messages = { { text = "a", phase = "final_answer" }, { text = "b", phase = "final_answer" } } },
      "b",
      "ab",
    },
    ["is never commentary"] = {
      { messages = { { text = "the answer" }, { text = "by the way", phase = "commentary" } } },
      "the answer",
      "the answerby the way",
    },
    ["is nothing where all is commentary"] = {
      { messages = { { text = "hm", phase = "commentary" } } },
      nil,
      "hm",
    },
    ["is the completed text where no deltas came"] = {
      { text = "all at once", no_deltas = true },
      "all at once",
      "all at once",
    },
    ["is the completed text where fewer deltas came, and text() brings the rest"] = {
      { deltas = { "one", " two" }, text = "one two three" },
      "one two three",
      "one two three",
    },
    ["is the deltas where the completed text is empty"] = {
      { deltas = { "on", "ly \\ \"é\"", " 😀" }, empty_completed = true },
      "only \\ \"é\" 😀",
      "only \\ \"é\" 😀",
    },
    ["is the completed text, whatever the deltas were"] = {
      { deltas = { "draft" }, text = "the real one" },
      "the real one",
      "draft",
    },
  } do
    it(name, function()
      local client = kit.client { script = { case[1], case[1] } }
      local thread = client:thread_start()
      assert.equal(case[2], thread:run("x").final_response)
      local turn = thread:turn "x"
      assert.equal(case[3], text_of(turn))
      assert.equal(case[2], turn:run().final_response)
    end)
  end

  it("tells which message each piece of text belongs to", function()
    local answer = { messages = { { text = "a b" }, { text = "c", no_deltas = true } } }
    local client = kit.client { script = { answer } }
    local turn, ids = client:thread_start():turn "x", {}
    for delta, id in turn:text() do
      ids[delta] = id
    end
    local messages = only(turn:run().items, "agentMessage")
    assert.same({ a = messages[1].id, [" b"] = messages[1].id, c = messages[2].id }, ids)
  end)
end)

describe("failures of the model", function()
  after_each(kit.cleanup)

  it("carry reason and http_status", function()
    local client = kit.client {
      script = {
        { status = 500 },
        { error = { code = "insufficient_quota", message = "no more" } },
        { drop = true, text = "begun" },
        { status = 429 },
      },
    }
    local thread = client:thread_start()
    local err = raised("turn_failed", thread.run, thread, "x")
    assert.equal("string", type(err.reason))
    assert.equal("failed", err.result.status)
    err = raised("turn_failed", thread.run, thread, "x")
    assert.equal("usage_limit_exceeded", err.reason)
    err = raised("turn_failed", thread.run, thread, "x")
    assert.equal("other", err.reason) -- the server's word for a stream that was cut
    assert.same({ "userMessage" }, types_of(err.result.items))
    err = raised("turn_failed", thread.run, thread, "x")
    assert.equal("string", type(err.reason))
    assert.equal(429, err.http_status)
    assert.equal("completed", thread:run("x").status)
  end)
end)

describe("a stream that nobody reads", function()
  after_each(kit.cleanup)

  -- 9 messages of 1 MB, each as a delta and once more as a whole: 18 MB of events
  local piece = ("x"):rep(1000000)
  local flood = { messages = {} }
  for i = 1, 9 do
    flood.messages[i] = { text = i .. piece }
  end

  local function check(result)
    assert.equal("completed", result.status)
    assert.equal(10, #result.items)
    for i = 1, 9 do
      assert.is_true(result.items[i + 1].text == i .. piece)
    end
    assert.is_true(result.final_response == 9 .. piece)
  end

  it("overflows, and the result is right all the same", function()
    local client = kit.client { script = { flood, "short" } }
    local thread = client:thread_start()
    local turn = thread:turn "flood"
    local stream = turn:stream()
    assert.equal("turn/started", stream().method)
    check(turn:run())
    check(raised("overflow", drain, stream).result)
    assert.same({ "turn/completed" }, methods_of(drain(turn:stream())))
    assert.equal("short", thread:run("x").final_response)
  end)

  -- What the real one sends for a flood, which costs that one seconds.
  local FLOODS = [[
    server:handshake() server:thread "th"
    local piece = ("x"):rep(1000000)
    for _, id in ipairs { "t1", "t2" } do
      server:turn(id) server:turn_started("th", id)
      server:notify("item/completed", { threadId = "th", turnId = id, completedAtMs = 1,
        item = { type = "userMessage", id = "u", content = { { type = "text", text = "flood" } } } })
      for i = 1, 9 do
        server:delta("th", id, "m" .. i, i .. piece)
        server:message("th", id, "m" .. i, i .. piece)
      end
      server:turn_completed("th", id)
    end
  ]]

  it("overflows when it is kept for the first one to ask, too", function()
    local thread = kit.open((kit.fake(FLOODS))):thread_start()
    local turn = thread:turn "flood"
    assert.is_true(kit.eventually(function()
      codex.step(0.01)
      return turn.status == "completed"
    end, 60))
    raised("overflow", drain, turn:stream())
    check(turn:run())
  end)

  it("doesn't overflow while it is read, nor when it keeps little", function()
    local thread = kit.open((kit.fake(FLOODS))):thread_start()
    local turn, size = thread:turn "flood", 0
    local few = turn:stream { "turn/completed" }
    for delta in turn:text() do
      size = size + #delta
    end
    assert.equal(9 * 1000001, size)
    assert.equal(1, #drain(few))
    check(thread:run "flood")
  end)
end)

describe("many turns at once", function()
  after_each(kit.cleanup)

  it("see only what is theirs: 60 over 20 threads", function()
    local client = kit.client { script = echo }
    local functions, threads = {}, {}
    for i = 1, 20 do
      threads[i] = client:thread_start()
    end
    for i = 1, 60 do
      functions[i] = function()
        local thread = threads[i % 20 + 1]
        local turn = thread:turn("question " .. i .. " slow")
        local text, others = {}, 0
        luas.each(turn:stream(), function(event)
          local params = event.params
          if params.thread_id ~= thread.id then others = others + 1 end
          if (params.turn_id or params.turn.id) ~= turn.id then others = others + 1 end
          if event.method == "item/agentMessage/delta" then text[#text + 1] = params.delta end
        end)
        assert.equal(0, others)
        local result = turn:run()
        assert.equal("question " .. i .. " slow", result.items[1].content[1].text)
        assert.equal(2, #result.items)
        return { table.concat(text), result.final_response }
      end
    end
    for i, pair in ipairs(codex.gather(functions)) do
      local expected = "answer to question " .. i .. " slow"
      assert.same({ expected, expected }, pair)
    end
  end)
end)
