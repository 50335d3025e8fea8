--- What an error says that can be acted upon: reasons, kinds of failed turns, retries in the stream; and what
--- codex.new refuses to be without.

local cjson = require "cjson"
local codex = require "codex"
local core = require "codex.core"
local errors = require "codex.error"
local kit = require "spec.support.kit"
local raised = require "spec.support.raised"
local task = require "codex.task"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local NOWHERE = "00000000-0000-7000-8000-000000000000"

local function reason_of(kind, fn, ...)
  local err = raised(kind, fn, ...)
  return err.reason, err
end

-- Waits for a notification that comes after this function was called; call what it returns.
local function expect(client, method)
  local source, event = {}, nil
  local stop = client:on(method, function(it)
    event = it
    task.wake(source)
  end)
  return function()
    while not event do task.park(source, core.now() + 30, true) end
    stop()
    return event
  end
end

after_each(kit.cleanup)

describe("opt_out_notifications", function()
  -- Would be `spawn_failed` if a server were started.
  local function refusal(list)
    local options = { codex_bin = "/nowhere/codex", opt_out_notifications = list }
    local err = raised("invalid_argument", function()
      codex.new(options)
    end)
    assert.is_truthy(err.message:find("errors_spec.lua:%d+: codex.new.opt_out_notifications"), err.message)
    return err.message
  end

  it("refuses what the module needs, with the reason, before a server is started", function()
    local known = {}
    for _, method in ipairs(core.notifications()) do known[method] = true end
    for method, why in pairs {
      ["turn/completed"] = "by it a turn is known to be over",
      ["turn/started"] = "a turn can be interrupted and steered from it on",
      ["item/completed"] = "the items of a result come with it",
      ["thread/tokenUsage/updated"] = "the usage of a result comes with it",
      ["error"] = "it tells that the server is trying again",
      ["account/login/completed"] = "by it a login is known to be over",
      ["thread/goal/updated"] = "by it a goal is known to be over",
      ["thread/goal/cleared"] = "by it a goal is known to be over",
    } do
      assert.is_true(known[method], method)
      local message = refusal { "item/started", method }
      local said = ("notifications[2]: '%s' can't be left out: %s"):format(method, why)
      assert.is_truthy(message:find(said, 1, true), message)
    end
  end)

  it("refuses what looks like a slip, which the server would pass over in silence", function()
    local message = refusal { "turn/complete" }
    local said = "[1]: unknown notification 'turn/complete' (did you mean 'turn/completed'?)"
    assert.is_truthy(message:find(said, 1, true), message)
    assert.is_truthy(refusal { "item/agentMesage/delta" }:find("did you mean 'item/agentMessage/delta'", 1, true))
  end)

  it("takes everything else, also what only another server knows", function()
    local client = kit.client {
      script = { { text = "fine" } },
      opt_out_notifications = { "item/agentMessage/delta", "item/started", "thread/status/changed", "no/such/thing" },
    }
    local turn = client:thread_start():turn "x"
    local seen = {}
    for event in turn:stream() do seen[event.method] = true end
    assert.is_nil(seen["item/agentMessage/delta"])
    assert.is_true(seen["item/completed"])
    assert.equal("fine", turn:run().final_response)
    client:close()
  end)
end)

describe("a wrong argument", function()
  it("is told of as such by a module that was bundled under another name", function()
    local text = kit.read_file(kit.root .. "/lua/codex/error.lua")
    local bundled = (rawget(_G, "loadstring") or load)(text, "=bundle")()
    local ok, err = pcall(bundled.argument, "expected something else")
    assert.is_false(ok)
    assert.is_true(bundled.is_error(err, "invalid_argument"), tostring(err))
    assert.truthy(err.message:find("expected something else", 1, true), err.message)
  end)
end)

describe("a client's name", function()
  it("that the server would refuse is refused before it is started", function()
    for _, name in ipairs { "a\nb", "a\0b", "a\127b", "\27[1m" } do
      local err = raised("invalid_argument", codex.new, { codex_bin = "/nowhere/codex", client_name = name })
      assert.is_truthy(err.message:find("codex.new.client_name: must not hold control characters", 1, true))
    end
  end)
end)

describe("the reason of a refusal", function()
  local client, home

  before_each(function() client, home = kit.client { script = { hold = true } } end)
  after_each(function() client:close() end)

  local function request(method, params)
    return reason_of("invalid_request", client.request, client, method, params)
  end

  local function running_turn(thread)
    local turn = thread:turn "x"
    for event in turn:stream() do
      if event.method == "turn/started" then break end
    end
    return turn
  end

  local function steering(thread, expected)
    return { thread_id = thread.id, expected_turn_id = expected, input = { { type = "text", text = "x" } } }
  end

  it("is no_active_turn where no turn runs", function()
    local id = client:thread_start().id
    assert.equal("no_active_turn", (request("turn/interrupt", { thread_id = id, turn_id = NOWHERE })))
    assert.equal("no_active_turn", (request("turn/steer", steering({ id = id }, NOWHERE))))
  end)

  it("is turn_mismatch where another turn runs, whatever the id that was given", function()
    local thread = client:thread_start()
    local turn = running_turn(thread)
    for _, expected in ipairs { NOWHERE, "no active turn to steer", "a\nb", "thread not found: x", "`" } do
      local reason, err = request("turn/steer", steering(thread, expected))
      assert.equal("turn_mismatch", reason, expected)
      assert.is_truthy(err.message:find(turn.id, 1, true))
    end
    assert.equal("turn_mismatch", (request("turn/interrupt", { thread_id = thread.id, turn_id = NOWHERE })))
  end)

  it("is no_rollout for a thread that isn't on disk", function()
    for _, id in ipairs { NOWHERE, client:thread_start({ ephemeral = true }).id } do
      assert.equal("no_rollout", (request("thread/resume", { thread_id = id })))
    end
    assert.equal("no_rollout", (request("thread/fork", { thread_id = NOWHERE })))
    assert.equal("no_rollout", (request("thread/archive", { thread_id = NOWHERE })))
    assert.equal("no_rollout", (request("thread/unarchive", { thread_id = NOWHERE })))
  end)

  it("is thread_not_found for one that isn't loaded", function()
    assert.equal("thread_not_found", (request("turn/start", { thread_id = NOWHERE, input = {} })))
    assert.equal("thread_not_found", (request("thread/read", { thread_id = NOWHERE })))
    assert.equal("thread_not_found", (request("thread/compact/start", { thread_id = NOWHERE })))
    assert.is_nil((request("thread/read", { thread_id = "no id" })))
  end)

  it("is active_writer while another server has the thread", function()
    local thread = client:thread_start()
    running_turn(thread)
    local other = kit.client { home = home }
    local reason, err = reason_of("invalid_request", other.thread_resume, other, thread.id)
    assert.same({ "active_writer", "thread/resume" }, { reason, err.method })
    other:close()
  end)

  it("is input_too_large, with the numbers, for a start and for steering", function()
    local thread = client:thread_start()
    local long = ("x"):rep(1048577)
    for _, turn in ipairs { false, running_turn(thread) } do
      local reason, err
      if turn then
        reason, err = reason_of("invalid_params", turn.steer, turn, long)
      else
        local fresh = client:thread_start()
        reason, err = reason_of("invalid_params", fresh.run, fresh, long)
      end
      assert.equal("input_too_large", reason)
      assert.same({ 1048576, 1048577 }, { err.data.max_chars, err.data.actual_chars })
    end
  end)

  it("is unknown_method, with the nearest of those that the server has", function()
    local reason, err = request("thread/lst", {})
    assert.equal("unknown_method", reason)
    assert.equal("Invalid request: unknown variant `thread/lst` (did you mean 'thread/list'?)", err.message)
    reason, err = request("no/such/method/at/all", {})
    assert.equal("unknown_method", reason)
    assert.equal("Invalid request: unknown variant `no/such/method/at/all`", err.message)
    for _, method in ipairs { "no active turn to steer", "a`, expected one of `initialize`", "thread not found: x" } do
      assert.equal("unknown_method", (request(method, {})), method)
    end
  end)

  it("is what the data say where they hold an error's kind", function()
    local started = expect(client, "turn/started")
    local thread = client:thread_start()
    local target = { type = "custom", instructions = "look" }
    local review = client:request("review/start", { thread_id = thread.id, target = target, delivery = "inline" })
    started()
    local reason, err = request("turn/steer", steering(thread, review.turn.id))
    assert.equal("active_turn_not_steerable", reason)
    assert.equal("review", err.data.codexErrorInfo.activeTurnNotSteerable.turnKind)
  end)
end)

describe("the reason of a refusal", function()
  it("is needs_experimental for methods, fields and values", function()
    local client = kit.client { experimental_api = false }
    local function reason(method, params)
      return (reason_of("invalid_request", client.request, client, method, params))
    end
    assert.equal("needs_experimental", reason("thread/search", { search_term = "x" }))
    assert.equal("needs_experimental", reason("thread/start", { dynamic_tools = {} }))
    local granular = {}
    for name in ("sandbox_approval rules skill_approval mcp_elicitations request_permissions"):gmatch "%S+" do
      granular[name] = true
    end
    assert.equal("needs_experimental", reason("thread/start", { approval_policy = { granular = granular } }))
    client:close()
  end)

  -- A value that the server doesn't take is quoted in its answer; so may be anything else that the user wrote.
  it("is never taken from what the user wrote", function()
    local function reason(message, data)
      return errors.from_request("turn/start", "rpc", -32600, message, data).reason
    end
    local methods = "expected one of `initialize`, `turn/start`"
    for _, quoted in ipairs {
      "no active turn to steer", "no active turn to interrupt", "expected active turn id `a` but found `b`",
      "no rollout found for thread id x", "thread not found: x", "thread not loaded: x",
      "thread x already has an active writer", "thread/start.x requires experimentalApi capability",
      "Invalid request: unknown variant `turn/start`, " .. methods,
      "turn/start`, " .. methods, "turn/start`, expected one of `initialize`, `", "turn/start", "input_too_large",
    } do
      for _, frame in ipairs {
        "Invalid request: unknown variant `%s`, expected one of `text`, `image`",
        "Invalid request: unknown variant `%s`, expected `text` or `image`",
        'Invalid request: invalid type: string "%s", expected a map',
        "failed to load configuration: %s", "%s: no such file", "thread %s is odd", "failed\n%s\n",
      } do
        local message = frame:gsub("%%s", function() return quoted end)
        assert.is_nil(reason(message), message)
        assert.is_nil(reason("no", { message = message }))
      end
    end
    assert.is_nil(reason("thread section not found: x"))
    assert.is_nil(reason("thread not found: "))
    assert.is_nil(reason("Invalid request: unknown variant `turn/start`, expected one of `a`, `b`"))
    assert.equal("unknown_method", reason("Invalid request: unknown variant `turn/start`, " .. methods))
  end)
end)

describe("a failed turn", function()
  -- What the model did, and what the server makes of it.
  local cases = {
    { { error = { code = "context_length_exceeded", message = "m" } }, "context_window_exceeded" },
    { { status = 400, body = '{"error":{"code":"context_length_exceeded"}}' }, "context_window_exceeded" },
    { { error = { code = "insufficient_quota", message = "m" } }, "usage_limit_exceeded" },
    { { status = 429, body = '{"error":{"type":"usage_not_included"}}' }, "usage_limit_exceeded" },
    { { error = { code = "rate_limit_exceeded", message = "m" } }, "rate_limit_exceeded" },
    { { error = { code = "slow_down", message = "m" } }, "rate_limit_exceeded" },
    { { error = { code = "server_is_overloaded", message = "m" } }, "server_overloaded" },
    { { status = 503, body = '{"error":{"code":"server_is_overloaded"}}' }, "server_overloaded" },
    { { error = { code = "flex_unavailable", message = "m" } }, "flex_unavailable" },
    { { error = { code = "model_not_found", message = "m" } }, "model_not_found" },
    { { error = { code = "policy_capacity_unavailable", message = "m" } }, "policy_capacity_unavailable" },
    { { error = { code = "cyber_policy", message = "m" } }, "cyber_policy" },
    { { error = { code = "misalignment_policy_violation", message = "m" } }, "misalignment_policy_violation" },
    { { error = { code = "inference_hook_denied", message = "m" } }, "inference_hook_denied" },
    { { error = { code = "invalid_prompt", message = "m" } }, "other" },
    { { text = "begun", drop = true }, "other" },
    { { status = 500, body = "x" }, "internal_server_error" },
    { { status = 401, body = "x" }, "http_connection_failed", 401 },
    { { status = 404, body = "x" }, "http_connection_failed", 404 },
    { { status = 503, body = "x" }, "http_connection_failed", 503 },
    { { status = 429, body = "x" }, "response_too_many_failed_attempts", 429 },
  }

  it("of the real server tells its kind, and the HTTP status where there is one", function()
    local answers = {}
    for i, case in ipairs(cases) do answers[i] = case[1] end
    local client = kit.client { script = answers }
    for i, case in ipairs(cases) do
      local thread = client:thread_start { ephemeral = true }
      local err = raised("turn_failed", thread.run, thread, "x")
      assert.same({ case[2], case[3] }, { err.reason, err.http_status }, "case " .. i)
      assert.equal("failed", err.result.status)
      assert.equal(err.message, err.result.error.message)
      assert.is_false(codex.is_retryable_error(err))
    end
    client:close()
  end)

  local KINDS = {
    contextWindowExceeded = "context_window_exceeded", sessionBudgetExceeded = "session_budget_exceeded",
    usageLimitExceeded = "usage_limit_exceeded", rateLimitExceeded = "rate_limit_exceeded",
    flexUnavailable = "flex_unavailable", serverOverloaded = "server_overloaded", modelNotFound = "model_not_found",
    policyCapacityUnavailable = "policy_capacity_unavailable", cyberPolicy = "cyber_policy",
    misalignmentPolicyViolation = "misalignment_policy_violation", tooManyDenials = "too_many_denials",
    internalServerError = "internal_server_error", unauthorized = "unauthorized", badRequest = "bad_request",
    threadRollbackFailed = "thread_rollback_failed", sandboxError = "sandbox_error", other = "other",
    inferenceHookDenied = "inference_hook_denied", httpConnectionFailed = "http_connection_failed",
    responseStreamConnectionFailed = "response_stream_connection_failed",
    responseStreamDisconnected = "response_stream_disconnected",
    responseTooManyFailedAttempts = "response_too_many_failed_attempts",
    activeTurnNotSteerable = "active_turn_not_steerable",
  }

  -- The kinds of the server's own schema: name → the names of its details, or false for a plain string.
  local function kinds_of_schema()
    local dir = kit.folder()
    local command = ("%s app-server generate-json-schema --experimental --out %s"):format(
      kit.quoted(kit.codex_bin), kit.quoted(dir .. "/schema"))
    os.execute("env -u LD_PRELOAD CODEX_HOME=" .. kit.quoted(dir) .. " " .. command)
    local bundle = cjson.decode(kit.read_file(dir .. "/schema/codex_app_server_protocol.schemas.json"))
    local kinds = {}
    for _, form in ipairs(bundle.definitions.v2.CodexErrorInfo.anyOf) do
      for _, name in ipairs(form.enum or {}) do kinds[name] = false end
      for name, details in pairs(form.properties or {}) do kinds[name] = details.properties end
    end
    return kinds
  end

  it("has a word of ours for every kind of the schema", function()
    local failures, expected = {}, {}
    for name, details in pairs(kinds_of_schema()) do
      assert.is_string(KINDS[name], "new in the schema: " .. name)
      local info, status = name, nil
      if details then
        status = details.httpStatusCode and 503
        info = { [name] = { httpStatusCode = status, turnKind = details.turnKind and "review" } }
      end
      failures[#failures + 1] = { message = name, codexErrorInfo = info }
      expected[name] = { KINDS[name], status }
    end
    for name in pairs(KINDS) do assert.is_table(expected[name], "gone from the schema: " .. name) end
    local client = codex.new((kit.fake(([[
      server:handshake()
      server:thread("th")
      for i, failure in ipairs(require("cjson").decode(%q)) do
        server:turn("t" .. i)
        server:turn_completed("th", "t" .. i, "failed", failure)
      end]]):format(cjson.encode(failures)))))
    local thread = client:thread_start()
    for _ = 1, #failures do
      local err = raised("turn_failed", thread.run, thread, "x")
      assert.same(expected[err.message], { err.reason, err.http_status }, err.message)
    end
    client:close()
  end)

  it("takes kinds that it has never heard of, and none", function()
    local infos = {
      { '"brandNewThing"', "brand_new_thing" },
      { '{"newFailure":{"httpStatusCode":418}}', "new_failure", 418 },
      { '{"newFailure":{"httpStatusCode":null}}', "new_failure" },
      { '{"newFailure":{"httpStatusCode":"no"}}', "new_failure" },
      { '{"newFailure":null}', "new_failure" },
      { '{"bThing":{},"aThing":{"httpStatusCode":500}}', "a_thing", 500 },
      { '{"HTTP2Error":{}}', "http2_error" },
      { '"anHTTPProblem"', "an_http_problem" },
      { '{"httpConnectionFailed":{}}', "http_connection_failed" },
      { '{"httpConnectionFailed":{"httpStatusCode":null}}', "http_connection_failed" },
      { "null" }, { "{}" },
    }
    local texts = {}
    for i, info in ipairs(infos) do texts[i] = info[1] end
    local client = codex.new((kit.fake(([[
      server:handshake()
      server:thread("th")
      for i, info in ipairs(require("cjson").decode(%q)) do
        server:turn("t" .. i)
        server:notify("turn/completed", ('{"threadId":"th","turn":{"id":"t%%d","status":"failed","items":[],'
          .. '"error":{"message":"m","codexErrorInfo":%%s}}}'):format(i, info))
      end]]):format(cjson.encode(texts)))))
    local thread = client:thread_start()
    for _, info in ipairs(infos) do
      local err = raised("turn_failed", thread.run, thread, "x")
      assert.same({ info[2], info[3] }, { err.reason, err.http_status }, info[1])
    end
    client:close()
  end)
end)

describe("an error that the server means to get over", function()
  -- Two model calls a turn, of which the first breaks off.
  local function client_that_retries(script)
    return kit.client { script = script, config_overrides = { ["model_providers.mock.stream_max_retries"] = 1 } }
  end

  local function errors_of(turn)
    local found = {}
    for event in turn:stream { "error" } do
      if event.method == "error" then found[#found + 1] = event.params end
    end
    return found
  end

  it("is an event of the stream, and the turn goes on", function()
    local client = client_that_retries { { text = "a b", drop = true }, "whole" }
    local turn = client:thread_start():turn "x"
    local found = errors_of(turn)
    assert.equal(1, #found)
    assert.is_true(found[1].will_retry)
    assert.same({ turn.id, turn.thread_id }, { found[1].turn_id, found[1].thread_id })
    assert.equal("Reconnecting... 1/1", found[1].error.message)
    assert.same({ response_stream_disconnected = {} }, found[1].error.codex_error_info)
    local result = turn:run()
    assert.same({ "completed", "whole" }, { result.status, result.final_response })
    assert.is_nil(result.error)
    client:close()
  end)

  it("comes before the one that it doesn't get over", function()
    local client = client_that_retries { text = "a b", drop = true }
    local turn = client:thread_start():turn "x"
    local found = errors_of(turn)
    assert.same({ true, false }, { found[1].will_retry, found[2].will_retry })
    local err = raised("turn_failed", turn.run, turn)
    assert.same(found[2].error, err.result.error)
    assert.equal("other", err.reason)
    client:close()
  end)
end)
