-- Names and values that are refused: at once, with a hint, the user's own line, and nothing sent to the server.
local codex = require "codex"
local kit = require "spec.support.kit"

local scenario = [[
  server:handshake()
  server:thread("th")
  while true do
    local message = server:read()
    if not message then return end
    if message.id then server:reply(message, "{}") end
  end
]]

local function refused(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, "was accepted")
  assert.is_true(codex.is_error(err), tostring(err))
  return err
end

local bypass = "dangerously_bypass_approvals_and_sandbox"

-- What is called (with a client and a thread of it), and what the message says after the user's position. A message
-- that goes on ends in an ellipsis here.
local cases = {}

local function case(name, message, fn)
  cases[#cases + 1] = { name = name, message = message, fn = fn }
end

case("an unknown thread option", "thread_start: unknown option 'sandbx' (did you mean 'sandbox'?)", function(client)
  client:thread_start { sandbx = "read_only" }
end)
case("an option like no other", "thread_start: unknown option 'quite_something_else'", function(client)
  client:thread_start { quite_something_else = 1 }
end)
case("an option that isn't a name", "thread_start: unknown option '1'", function(client)
  client:thread_start { "read_only" }
end)
case("options that aren't a table", "thread_start: expected a table of options, got string", function(client)
  client:thread_start "read_only"
end)
case(
  "a sandbox that isn't one",
  "thread_start.sandbox: got 'readonly', expected one of read_only, workspace_write, full_access "
    .. "(did you mean 'read_only'?)",
  function(client)
    client:thread_start { sandbox = "readonly" }
  end
)
case(
  "a sandbox of another type",
  "thread_start.sandbox: got a boolean, expected one of read_only, workspace_write, full_access",
  function(client)
    client:thread_start { sandbox = true }
  end
)
case(
  "a sandbox by its number",
  "thread_start.sandbox: got a number, expected one of read_only, workspace_write, full_access",
  function(client)
    client:thread_start { sandbox = 1 }
  end
)
case(
  "an approval mode that isn't one",
  "thread_start.approval_mode: got 'never', expected one of auto_review, ask, deny_all, " .. bypass,
  function(client)
    client:thread_start { approval_mode = "never" }
  end
)
case(
  "an approval mode beside a policy",
  "thread_start: 'approval_mode' and 'approval_policy' can't be given together",
  function(client)
    client:thread_start { approval_mode = "ask", approval_policy = "never" }
  end
)
case(
  "an approval mode beside a reviewer",
  "thread_start: 'approval_mode' and 'approvals_reviewer' can't be given together",
  function(client)
    client:thread_start { approval_mode = "ask", approvals_reviewer = "user" }
  end
)
case(
  "an approval mode beside a policy under its wire's name",
  "thread_start: 'approval_mode' and 'approval_policy' can't be given together",
  function(client)
    client:thread_start { approval_mode = "ask", approvalPolicy = "never" }
  end
)
case(
  "one option under both names",
  "thread_start: 'model_provider' and 'modelProvider' can't be given together",
  function(client)
    client:thread_start { model_provider = "mock", modelProvider = "other" }
  end
)
case(
  "the bypass beside a sandbox",
  "thread_start: approval_mode '" .. bypass .. "' can't be given together with a sandbox",
  function(client)
    client:thread_start { approval_mode = bypass, sandbox = "read_only" }
  end
)
case(
  "the bypass beside a turn's sandbox policy",
  "turn_start: approval_mode '" .. bypass .. "' can't be given together with a sandbox",
  function(_, thread)
    thread:run("x", { approval_mode = bypass, sandbox_policy = { type = "readOnly" } })
  end
)
case(
  "a sandbox beside a sandbox policy",
  "turn_start: 'sandbox' and 'sandbox_policy' can't be given together",
  function(_, thread)
    thread:run("x", { sandbox = "read_only", sandbox_policy = { type = "readOnly" } })
  end
)
case(
  "a sandbox beside a sandbox policy under its wire's name",
  "turn_start: 'sandbox' and 'sandbox_policy' can't be given together",
  function(_, thread)
    thread:run("x", { sandbox = "read_only", sandboxPolicy = { type = "readOnly" } })
  end
)
case("a wrong type", "thread_start.model: expected a string, got number", function(client)
  client:thread_start { model = 5 }
end)
case("another wrong type", "thread_start.ephemeral: expected a boolean, got string", function(client)
  client:thread_start { ephemeral = "yes" }
end)
case(
  "a value outside its enumeration",
  "thread_start.personality: got 'friendl', expected one of none, friendly, pragmatic (did you mean 'friendly'?)",
  function(client)
    client:thread_start { personality = "friendl" }
  end
)
case("an unknown policy", "thread_start.approval_policy: got 'sometimes', expected one of …", function(client)
  client:thread_start { approval_policy = "sometimes" }
end)
case(
  "an unknown name deep inside",
  "thread_start.approval_policy.granular: unknown option 'sandbox_aproval' (did you mean 'sandbox_approval'?)",
  function(client)
    client:thread_start { approval_policy = { granular = { sandbox_aproval = true } } }
  end
)
case("null where none may be", "model/list.limit…", function(client)
  client:request("model/list", { limit = "many" })
end)
case(
  "bad UTF-8 in an option",
  "thread_start.developer_instructions: not valid UTF-8",
  function(client)
    client:thread_start { developer_instructions = "caf\233" }
  end
)
case("bad UTF-8 deep in free-form JSON", "thread_start.config.a[2].b: not valid UTF-8", function(client)
  client:thread_start { config = { a = { "ok", { b = "caf\233" } } } }
end)
case(
  "what JSON can't hold",
  "turn_start.output_schema.default: a function can't be sent",
  function(_, thread)
    thread:run("x", { output_schema = { default = print } })
  end
)
case("an unknown turn option", "turn_start: unknown option 'sandbxo' (did you mean 'sandbox'?)", function(_, thread)
  thread:run("x", { sandbxo = "read_only" })
end)
case("the input as an option", "turn_start: unknown option 'input'", function(_, thread)
  thread:run("x", { input = codex.null })
end)
case("turn options that aren't a table", "turn_start: expected a table of options, got string", function(_, thread)
  thread:turn("x", "read_only")
end)
case(
  "what busy may not mean",
  "turn_start.when_busy: got 'wait', expected one of queue, steer, error",
  function(_, thread)
    thread:turn("x", { when_busy = "wait" })
  end
)
case("a timeout that isn't a number", "turn_start.timeout: expected a number, got string", function(_, thread)
  thread:run("x", { timeout = "5" })
end)
case("a timeout below zero", "turn_start.timeout: must not be negative", function(_, thread)
  thread:run("x", { timeout = -1 })
end)
case("a raise that isn't a boolean", "turn_start.raise: expected a boolean, got number", function(_, thread)
  thread:run("x", { raise = 0 })
end)
case("an effort of another type", "turn_start.effort: expected a string, got number", function(_, thread)
  thread:run("x", { effort = 3 })
end)
case("an unknown summary", "turn_start.summary: got 'short', expected one of …", function(_, thread)
  thread:run("x", { summary = "short" })
end)
case(
  "an unknown kind of sandbox policy",
  "turn_start.sandbox_policy.type: got 'read_only', expected one of …",
  function(_, thread)
    thread:run("x", { sandbox_policy = { type = "read_only" } })
  end
)
local what_input_is = "the input must be a string, an item, or a list of these that isn't empty"
case(
  "no input",
  "turn_start: the input must be a string or an item such as codex.text(…), got nil",
  function(_, thread)
    thread:run()
  end
)
case("an empty list of inputs", "turn_start: " .. what_input_is, function(_, thread)
  thread:run {}
end)
case("a list of inputs with a hole", "turn_start: " .. what_input_is, function(_, thread)
  thread:run { "a", nil, "c" }
end)
case(
  "an input of another type",
  "turn_start: the input must be a string or an item such as codex.text(…), got number",
  function(_, thread)
    thread:run(5)
  end
)
case(
  "an input of another type within a list",
  "turn_start: input[2] must be a string or an item such as codex.text(…), got number",
  function(_, thread)
    thread:run { "a", 5 }
  end
)
case(
  "an item without a type",
  "turn_start: input[1] must be a string or an item such as codex.text(…), got table",
  function(_, thread)
    thread:run { { text = "x" } }
  end
)
case(
  "an item of an unknown type",
  "turn_start.input[1].type: got 'texd', expected one of …",
  function(_, thread)
    thread:run { type = "texd", text = "x" }
  end
)
case(
  "an item with an unknown member",
  "turn_start.input[1]: unknown option 'txt' (did you mean 'text'?)",
  function(_, thread)
    thread:run { { type = "text", txt = "x" } }
  end
)
case("bad UTF-8 in an input", "turn_start.input[2].text: not valid UTF-8", function(_, thread)
  thread:run { "ok", "caf\233" }
end)
case("a request without a name", "request: expected a method name, got nil", function(client)
  client:request(nil, {})
end)
case(
  "params that aren't a table",
  "request: expected a table of params for model/list, got string",
  function(client)
    client:request("model/list", "x")
  end
)
case(
  "an unknown param",
  "thread/read: unknown option 'include_turn' (did you mean 'include_turns'?)",
  function(client)
    client:request("thread/read", { thread_id = "x", include_turn = true })
  end
)
case("a param of the wrong type", "thread/read.thread_id: expected a string, got number", function(client)
  client:request("thread/read", { thread_id = 1 })
end)
case("a fraction where a whole number belongs", "models.limit: expected a whole number, got 1.5", function(client)
  client:models { limit = 1.5 }
end)
case(
  "an unknown option of a request",
  "request: unknown option 'timout' (did you mean 'timeout'?)",
  function(client)
    client:request("model/list", {}, { timout = 1 })
  end
)
case("options of a request that aren't any", "request: expected a table of options, got number", function(client)
  client:request("model/list", {}, 5)
end)
case(
  "an unknown filter of thread_list",
  "thread_list: unknown option 'limitt' (did you mean 'limit'?)",
  function(client)
    client:thread_list { limitt = 1 }
  end
)
case("a thread's id that isn't a string", "thread_resume: expected a thread's id, got number", function(client)
  client:thread_resume(5)
end)
case(
  "an unknown option of thread_resume",
  "thread_resume: unknown option 'modle' (did you mean 'model'?)",
  function(client)
    client:thread_resume("th", { modle = "x" })
  end
)
case("a notification without a name", "notify: expected a method name, got number", function(client)
  client:notify(5)
end)
case("functions to gather that are none", "gather: expected a list of functions, got number", function()
  codex.gather(5)
end)
case("one of them that isn't a function", "gather: expected a function, got number", function()
  codex.gather { print, 5 }
end)
case("an unknown option of gather", "gather: unknown option 'limt' (did you mean 'limit'?)", function()
  codex.gather({}, { limt = 1 })
end)
case("a limit of nothing", "gather: limit must be a whole number from 1 on", function()
  codex.gather({}, { limit = 0 })
end)
case("something to spawn that isn't a function", "spawn: expected a function, got string", function()
  codex.spawn "x"
end)
case("something to run that isn't a function", "run: expected a function, got nil", function()
  codex.run(nil)
end)
case("a sleep that isn't a number", "sleep: expected seconds, got string", function()
  codex.sleep "1"
end)
case("a timeout that isn't seconds", "timeout: expected seconds, got string", function()
  codex.timeout("1", print)
end)
case("a timeout of nothing", "timeout: expected a function, got nil", function()
  codex.timeout(1)
end)
case("a text that isn't a string", "text: expected the text as a string, got number", function()
  codex.text(5)
end)
case("a skill without a path", "skill: expected a path as a string, got nil", function()
  codex.skill "x"
end)
case("an array of nothing", "array: expected a table, got number", function()
  codex.array(5)
end)

describe("options", function()
  local client, thread, received

  setup(function()
    local options
    options, received = kit.fake(scenario)
    client = codex.new(options)
    thread = client:thread_start()
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  -- How many lines the server has got: all that were sent before, since it has answered the last one.
  local function count()
    client:request "spec/sync"
    return #received()
  end

  for _, one in ipairs(cases) do
    it("refuse " .. one.name, function()
      local before = count()
      local err = refused(one.fn, client, thread)
      assert.equal("invalid_argument", err.kind, tostring(err))
      local line, message = err.message:match "^%S*options_spec%.lua:(%d+): (.*)$"
      assert.truthy(line, err.message)
      local info = debug.getinfo(one.fn, "S")
      assert.is_true(tonumber(line) > info.linedefined and tonumber(line) < info.lastlinedefined, err.message)
      local start = one.message:match "^(.*)…$"
      assert.equal(start or one.message, start and message:sub(1, #start) or message)
      assert.equal(err.message, tostring(err))
      assert.equal(before + 1, count())
    end)
  end

  it("leave the thread free when they were refused", function()
    refused(thread.turn, thread, "x", { modle = "y" })
    refused(thread.turn, thread, { "\255" })
    local before = count()
    -- the fake's answer names no turn: what matters is that the request went out
    assert.equal("protocol", refused(thread.turn, thread, "x").kind)
    assert.equal(before + 2, count())
  end)

  it("name the user's line in a task, and in a coroutine of his own", function()
    local function helper()
      client:thread_start { modle = "x" }
    end
    local line = debug.getinfo(helper, "S").linedefined + 1
    for _, err in ipairs {
      refused(codex.run, helper),
      refused(coroutine.wrap(helper)),
      refused(codex.timeout, 10, helper),
    } do
      assert.truthy(err.message:find("options_spec.lua:" .. line .. ": ", 1, true), err.message)
    end
  end)
end)

describe("codex.new", function()
  local new_cases = {
    { { codexbin = "x" }, "codex.new: unknown option 'codexbin' (did you mean 'codex_bin'?)" },
    { { codex_bin = 5 }, "codex.new.codex_bin: expected a string, got number" },
    { { env = "x" }, "codex.new.env: expected a table, got string" },
    { { env = { A = 5 } }, "codex.new.env.A: expected a string or false, got number" },
    { { env = { A = true } }, "codex.new.env.A: expected a string or false, got boolean" },
    { { env = { A = "x\0y" } }, "codex.new.env.A: must not hold a zero byte" },
    { { env = { ["A=B"] = "x" } }, "codex.new.env: 'A=B' can't be the name of a variable" },
    { { env = { "x" } }, "codex.new.env: '1' can't be the name of a variable" },
    { { launch_args_override = {} }, "codex.new.launch_args_override: must not be empty" },
    { { launch_args_override = { "a", 5 } }, "codex.new.launch_args_override[2]: expected a string, got number" },
    { { launch_args_override = { "a", nil, "b" } }, "codex.new.launch_args_override[2]: expected a string, got nil" },
    { { launch_args_override = { "a\0b" } }, "codex.new.launch_args_override[1]: must not hold a zero byte" },
    { { cwd = "a\0b" }, "codex.new.cwd: must not hold a zero byte" },
    { { codex_bin = "a\0b" }, "codex.new.codex_bin: must not hold a zero byte" },
    { { opt_out_notifications = { "a\255" } }, "codex.new.opt_out_notifications[1]: not valid UTF-8" },
    { { opt_out_notifications = { true } }, "codex.new.opt_out_notifications[1]: expected a string, got boolean" },
    { { config_overrides = "a=b" }, "codex.new.config_overrides: expected a table, got string" },
    { { config_overrides = { "model" } }, 'codex.new.config_overrides[1]: expected "key=value"' },
    { { config_overrides = { "a=b", nil, "c=d" } }, 'codex.new.config_overrides[2]: expected "key=value"' },
    { { config_overrides = { "a=b\0c" } }, "codex.new.config_overrides[1]: must not hold a zero byte" },
    { { config_overrides = { "=x" } }, 'codex.new.config_overrides[1]: expected "key=value"' },
    { { config_overrides = { model = print } }, "codex.new.config_overrides: a function can't be written" },
    { { config_overrides = { model = 0 / 0 } }, "codex.new.config_overrides: a number must be finite" },
    { { config_overrides = { list = { 1, nil, 3 } } }, "codex.new.config_overrides: a nil can't be written" },
    { { config_overrides = { list = { 1, x = 2 } } }, "codex.new.config_overrides: 'x' can't stand in a list" },
    { { config_overrides = { model = "\255" } }, "codex.new.config_overrides: not valid UTF-8" },
    { { startup_timeout = -1 }, "codex.new.startup_timeout: must not be negative" },
    { { startup_timeout = 0 / 0 }, "codex.new.startup_timeout: must not be negative" },
    { { request_timeout = "1" }, "codex.new.request_timeout: expected a number, got string" },
    { { max_in_flight = 0 }, "codex.new.max_in_flight: must be a whole number from 1 to 2147483647" },
    { { max_in_flight = 1.5 }, "codex.new.max_in_flight: must be a whole number from 1 to 2147483647" },
    { { max_in_flight = 2 ^ 32 }, "codex.new.max_in_flight: must be a whole number from 1 to 2147483647" },
    { { max_in_flight = math.huge }, "codex.new.max_in_flight: must be a whole number from 1 to 2147483647" },
    { { experimental_api = 1 }, "codex.new.experimental_api: expected a boolean, got number" },
    { { process_group = "no" }, "codex.new.process_group: expected a boolean, got string" },
    { { client_name = "caf\233" }, "codex.new.client_name: not valid UTF-8" },
    { { client_title = "caf\233" }, "codex.new.client_title: not valid UTF-8" },
    { "x", "codex.new: expected a table of options, got string" },
  }
  for _, one in ipairs(new_cases) do
    it("refuses: " .. one[2], function()
      local ok, err = pcall(function()
        codex.new(one[1])
      end)
      assert.is_false(ok)
      assert.equal("invalid_argument", err.kind, tostring(err))
      assert.equal(one[2], err.message:match "^%S*options_spec%.lua:%d+: (.*)$" or err.message)
      assert.same({}, kit.children "app%-server")
    end)
  end
end)
