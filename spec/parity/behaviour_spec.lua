--- What the official SDK's documentation says of its behaviour, as far as no other spec shows that it is so here.
local cjson = require "cjson"
local codex = require "codex"
local core = require "codex.core"
local errors = require "codex.error"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local task = require "codex.task"
local turns = require "spec.support.turns"

local function only(items, kind)
  for _, item in ipairs(items) do
    if item.type == kind then return item end
  end
end

local function command(text)
  return { calls = { { name = "exec_command", arguments = { cmd = text, login = false } } } }
end

describe("a client", function()
  after_each(kit.cleanup)

  it("says who it is, and asks for experimental methods, unless told otherwise", function()
    local options, received = kit.fake "server:handshake()"
    local client = kit.open(options)
    local params = cjson.decode(received()[1]).params
    assert.same({ name = "codex_lua", title = "codex-lua", version = codex.version }, params.clientInfo)
    assert.same({ experimentalApi = true }, params.capabilities)
    assert.equal("0.169.0", client.metadata.server_info.version)
  end)

  it("needs no options, no server at hand and no second step to be ready", function()
    local client = kit.client()
    assert.is_false(client.closed)
    for _, name in ipairs { "user_agent", "codex_home", "platform_family", "platform_os" } do
      assert.is_string(client.metadata[name], name)
    end
  end)

  it("brings the tools that come with the program", function()
    local client = kit.client { script = { command "command -v rg", "done" } }
    local result = client:thread_start({ sandbox = "full_access" }):run "x"
    local found = only(result.items, "commandExecution").aggregated_output
    local pipe = assert(io.popen("readlink -f " .. kit.quoted(kit.codex_bin)))
    local package = pipe:read("*l"):match "^(.*)/bin/codex$"
    pipe:close()
    assert.equal(package .. "/codex-path/rg\n", found)
  end)

  it("is of no use once it is closed", function()
    local client = kit.client()
    local thread = client:thread_start()
    client:close()
    client:close()
    assert.is_true(client.closed)
    raised("closed", client.thread_list, client)
    raised("closed", thread.run, thread, "x")
  end)
end)

describe("a thread", function()
  after_each(kit.cleanup)

  it("that is started without a mode has the user's own policy, sandbox and model", function()
    local client = kit.client { approval_policy = "on-request", sandbox_mode = "workspace-write" }
    local thread = client:thread_start()
    assert.equal("on-request", thread.approval_policy)
    assert.equal("user", thread.approvals_reviewer)
    assert.equal("workspaceWrite", thread.sandbox.type)
    assert.equal("mock-model", thread.model)
  end)

  it("that is resumed keeps what it was started with", function()
    local client, home = kit.client { script = { "one", "two" } }
    local thread = client:thread_start { approval_mode = "ask", model = "another-model", cwd = kit.root }
    thread:run "x"
    client:close()
    client = kit.client { home = home }
    local resumed = client:thread_resume(thread.id)
    assert.same(
      { thread.id, "on-request", "another-model", kit.root },
      { resumed.id, resumed.approval_policy, resumed.model, resumed.cwd }
    )
    assert.equal("two", resumed:run("y").final_response)
    client:close()
  end)

  it("goes on with what a turn was given", function()
    local client, home = kit.client { script = { "one", "two", "three" } }
    local thread = client:thread_start()
    thread:run "x"
    thread:run("x", { model = "another-model", effort = "high" })
    thread:run "x"
    local log, models = home:log(), {}
    for _, request in ipairs(log) do
      if request.path:find "responses" then models[#models + 1] = request.body.model end
    end
    assert.same({ "mock-model", "another-model", "another-model" }, models)
    client:close()
  end)

  it("is listed and read in the server's shapes", function()
    local client = kit.client { script = { "answer" } }
    local thread = client:thread_start()
    thread:run "question"
    thread:set_name "a name"
    local page = client:thread_list()
    assert.equal(1, #page.data)
    assert.is_nil(page.next_cursor)
    assert.same({ thread.id, "a name", "question" }, { page.data[1].id, page.data[1].name, page.data[1].preview })
    local read = thread:read()
    assert.same({ thread.id, {} }, { read.thread.id, read.thread.turns })
    read = thread:read { include_turns = true }
    assert.same({ "userMessage", "agentMessage" }, turns.types_of(read.thread.turns[1].items))
    assert.same(
      { { type = "text", text = "question", text_elements = {} } },
      read.thread.turns[1].items[1].content
    )
  end)
end)

describe("a result", function()
  after_each(kit.cleanup)

  it("has what theirs has", function()
    local client = kit.client { script = { "answer" } }
    local turn = client:thread_start():turn "question"
    local result = turn:run()
    assert.same({ turn.id, "completed", "answer" }, { result.id, result.status, result.final_response })
    assert.is_nil(result.error)
    assert.same({ "userMessage", "agentMessage" }, turns.types_of(result.items))
    assert.equal("question", result.items[1].content[1].text)
    for _, name in ipairs { "started_at", "completed_at", "duration_ms" } do
      assert.is_true(luas.is_integer(result[name]), name)
    end
    assert.is_true(math.abs(result.started_at - os.time()) < 600)
    assert.is_true(luas.is_integer(result.usage.model_context_window))
    for _, part in ipairs { "total", "last" } do
      for _, name in ipairs {
        "total_tokens", "input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens",
        "reasoning_output_tokens",
      } do
        assert.is_true(luas.is_integer(result.usage[part][name]), name)
      end
    end
  end)

  it("keeps an answer that is empty", function()
    local client = kit.client {
      script = { { text = "" }, { messages = { { text = "", phase = "final_answer" }, { text = "beside it" } } } },
    }
    local thread = client:thread_start()
    assert.equal("", thread:run("x").final_response)
    assert.equal("", thread:run("x").final_response)
  end)

  it("has the final answer of an earlier model call, too", function()
    local first = command "true"
    first.text, first.phase = "the answer", "final_answer"
    local client = kit.client {
      script = { first, { messages = { { text = "beside it" }, { text = "by the way", phase = "commentary" } } } },
    }
    local result = client:thread_start({ sandbox = "full_access" }):run "x"
    assert.equal("the answer", result.final_response)
    assert.same(
      { "userMessage", "agentMessage", "commandExecution", "agentMessage", "agentMessage" },
      turns.types_of(result.items)
    )
  end)

  it("has no usage, and no response, where the server tells of none", function()
    local client = kit.open((kit.fake [[
      server:handshake() server:thread "th"
      server:turn "t" server:turn_completed("th", "t")
    ]]))
    local result = client:thread_start():run "x"
    assert.same({}, result.items)
    assert.is_nil(result.final_response)
    assert.is_nil(result.usage)
    assert.is_nil(result.turn_usage)
  end)

  it("of a turn that failed without a word is an error with words all the same", function()
    local client = kit.open((kit.fake [[
      server:handshake() server:thread "th"
      server:turn "t" server:turn_completed("th", "t", "failed")
    ]]))
    local thread = client:thread_start()
    local err = raised("turn_failed", thread.run, thread, "x")
    assert.equal("the turn failed, and the server gave no reason", tostring(err))
    assert.equal("failed", err.result.status)
  end)
end)

describe("a turn", function()
  after_each(kit.cleanup)

  it("that failed is a stream like any other, and a text that raises", function()
    local client = kit.client {
      script = { default = { error = { code = "context_length_exceeded", message = "too long" } } },
    }
    local thread = client:thread_start()
    local last
    for event in thread:turn("x"):stream() do
      last = event
    end
    assert.equal("turn/completed", last.method)
    assert.equal("failed", last.params.turn.status)
    local err = raised("turn_failed", function()
      for _ in thread:turn("x"):text() do end
    end)
    assert.equal("context_window_exceeded", err.reason)
  end)

  it("whose server goes before its end raises that, with what there was", function()
    local client = kit.open((kit.fake [[
      server:handshake() server:thread "th"
      server:turn "t"
      server:message("th", "t", "m", "so far")
      server:stderr "the last words\n"
      server:exit(7)
    ]]))
    local turn = client:thread_start():turn "x"
    local err = raised("transport_closed", function()
      for _ in turn:stream() do end
    end)
    assert.equal(7, err.exit_status)
    assert.equal("the last words\n", err.stderr_tail)
    assert.equal("so far", err.result.final_response)
  end)

  it("has ids, and its interruption is answered at once", function()
    local client = kit.client { script = { { deltas = { "a" }, hold = true } } }
    local thread = client:thread_start()
    local turn = thread:turn "x"
    assert.equal(thread.id, turn.thread_id)
    assert.equal("inProgress", turn.status)
    assert.is_nil(turn:interrupt())
    local result = turn:run()
    assert.same({ turn.id, "interrupted" }, { result.id, result.status })
    assert.equal("interrupted", turn.status)
    assert.is_nil(result.error)
  end)

  it("sends its output schema, and parses the answer", function()
    local client, home = kit.client { script = { '{"name":"x","n":1}' } }
    local schema = {
      type = "object",
      properties = { name = { type = "string" }, n = { type = "integer" } },
      required = { "name", "n" },
      additionalProperties = false,
    }
    local result = client:thread_start():run("x", { output_schema = schema })
    assert.same({ name = "x", n = 1 }, result.parsed)
    local log = home:log()
    assert.same(schema, log[#log].body.text.format.schema)
    client:close()
  end)
end)

describe("a goal", function()
  after_each(kit.cleanup)

  local REACHED = { calls = { { name = "update_goal", arguments = { status = "complete" } } } }

  local function open()
    return kit.client { script = { REACHED, "done" }, features = { goals = true } }
  end

  it("that is over takes no input, and is interrupted without an error", function()
    local client = open()
    local goal = client:thread_start():goal "make tea"
    assert.equal("complete", goal:run().goal.status)
    local err = raised("invalid_request", goal.steer, goal, "more")
    assert.equal("no_active_turn", err.reason)
    assert.truthy(err.message:find("no active turn to steer", 1, true))
    assert.is_nil(goal:interrupt())
  end)

  it("has white space cut off from its objective", function()
    local client = open()
    local goal = client:thread_start():goal " \n make tea \t"
    assert.equal("make tea", goal.goal.objective)
    assert.equal("make tea", goal:run().goal.objective)
  end)
end)

describe("errors", function()
  after_each(kit.cleanup)

  it("of the server's have code, message and data, and say which method it was", function()
    local client = kit.open((kit.fake [[
      server:handshake()
      server:error(server:read(), -32602, "bad params", { field = "x" })
    ]]))
    local err = raised("invalid_params", client.request, client, "spec/x", {})
    assert.same({ -32602, "bad params", "spec/x", { field = "x" } }, { err.code, err.message, err.method, err.data })
    assert.equal("spec/x: bad params", tostring(err))
    assert.is_true(codex.is_error(err))
    assert.is_false(codex.is_error(err, "server_busy"))
  end)
end)

describe("retry_on_overload", function()
  -- The delays that it sleeps, at a time of the clock that decides upon the jitter.
  local function delays_at(time, options)
    local now, sleep, delays = core.now, task.sleep, {}
    core.now = function() return time end
    task.sleep = function(seconds) delays[#delays + 1] = seconds end
    local ok, err = pcall(codex.retry_on_overload, function()
      errors.raise("server_busy", "busy", { code = -32001 })
    end, options)
    core.now, task.sleep = now, sleep
    assert.is_false(ok)
    assert.equal("server_busy", err.kind)
    return delays
  end

  it("has the defaults of theirs", function()
    assert.same({ 0.25, 0.5 }, delays_at(0.0005))
    assert.same({ 0.2, 0.4 }, delays_at(0)) -- a fifth less, which is the most
    assert.same({ 0.25, 0.5, 1, 2, 2 }, delays_at(0.0005, { max_attempts = 6 }))
  end)
end)

describe("types", function()
  it("of theirs are all here, for editors", function()
    local text = kit.read_file(kit.root .. "/lua/codex/types.lua")
    local missing = {}
    for _, name in ipairs {
      "Account", "AccountLoginCompletedNotification", "ApprovalsReviewer", "AskForApproval",
      "CancelLoginAccountResponse", "CancelLoginAccountStatus", "GetAccountResponse", "InitializeResponse",
      "ModelListResponse", "Personality", "PlanType", "ReasoningEffort", "ReasoningSummary", "SandboxMode",
      "SandboxPolicy", "SortDirection", "ThreadArchiveResponse", "ThreadCompactStartResponse", "ThreadItem",
      "ThreadListCwdFilter", "ThreadListResponse", "ThreadReadResponse", "ThreadSetNameResponse", "ThreadSortKey",
      "ThreadSource", "ThreadSourceKind", "ThreadStartSource", "ThreadTokenUsage",
      "ThreadTokenUsageUpdatedNotification", "Turn", "TurnCompletedNotification", "TurnError",
      "TurnInterruptResponse", "TurnStatus", "TurnSteerResponse",
    } do
      local declared = text:find("\n---@class codex.protocol." .. name .. "\n", 1, true)
        or text:find("\n%-%-%-@alias codex%.protocol%." .. name .. "%f[%W]")
      if not declared then missing[#missing + 1] = name end
    end
    assert.same({}, missing)
  end)
end)

describe("enumerations", function()
  after_each(kit.cleanup)

  local function start_with(name, words)
    return { words = words, call = function(client, word) client:thread_start { [name] = word } end }
  end

  local function list_with(name, words)
    return { words = words, call = function(client, word) client:thread_list { [name] = word } end }
  end

  local function run_with(name, words)
    return { words = words, call = function(_, word, thread) thread:run("x", { [name] = word }) end }
  end

  local enumerations = {
    Sandbox = start_with("sandbox", { "read_only", "workspace_write", "full_access" }),
    SandboxMode = start_with("sandbox", { "read-only", "workspace-write", "danger-full-access" }),
    ApprovalMode = start_with("approval_mode", { "deny_all", "auto_review" }),
    AskForApproval = start_with("approval_policy", { "untrusted", "on-request", "never" }),
    ApprovalsReviewer = start_with("approvals_reviewer", { "user", "auto_review" }),
    Personality = start_with("personality", { "none", "friendly", "pragmatic" }),
    ThreadStartSource = start_with("session_start_source", { "startup", "clear" }),
    SortDirection = list_with("sort_direction", { "asc", "desc" }),
    ThreadSortKey = list_with("sort_key", { "created_at", "updated_at", "recency_at" }),
    ReasoningSummary = run_with("summary", { "auto", "concise", "detailed", "none" }),
    ThreadSourceKind = {
      words = {
        "cli", "vscode", "exec", "appServer", "subAgent", "subAgentReview", "subAgentCompact", "subAgentThreadSpawn",
        "subAgentOther", "unknown",
      },
      call = function(client, word) client:thread_list { source_kinds = { word } } end,
    },
  }

  it("have every word of theirs, and no other", function()
    local client = kit.client()
    local thread = client:thread_start()
    for _, enumeration in pairs(enumerations) do
      for _, word in ipairs(enumeration.words) do
        enumeration.call(client, word, thread)
      end
      raised("invalid_argument", enumeration.call, client, "another word", thread)
    end
    -- the server takes it within a section only
    local err = raised("invalid_request", client.thread_list, client, { sort_key = "section_position" })
    assert.truthy(err.message:find("requires a section filter", 1, true))
    -- what others make up may be any word
    for _, effort in ipairs { "none", "minimal", "low", "medium", "high", "xhigh", "an effort of its own" } do
      assert.equal("completed", thread:run("x", { effort = effort }).status)
    end
    assert.equal("mine", client:thread_start({ thread_source = "mine" }).thread_source)
    for _, cwd in ipairs { "/", { "/", "/tmp" } } do
      assert.same({}, client:thread_list({ cwd = cwd }).data)
    end
  end)
end)
