--- The calls of the official Python SDK with every argument they take, beside ours. The arguments of the table in the
--- README are made from these, and arguments_spec.lua calls each of them and looks at what the server was sent.

---@class spec.parity.Argument
---@field [1] string its name there
---@field [2] any a value for it
---@field sent table what the request has for it, in the wire's names
---@field ours? string its name here, where that is another one
---@field positional? string how it is given here, where it isn't among the options
---@field only_sent? boolean the real server would refuse the value, or refuses it beside the others
---@field differs? string

---@class spec.parity.Call
---@field theirs string
---@field ours string[] what it is here; %s stands for an argument's name
---@field method string of the protocol
---@field call fun(client: table, thread: table, options: table)
---@field always? table what the request has without any argument
---@field arguments spec.parity.Argument[]

local function copy(argument)
  local copied = {}
  for name, value in pairs(argument) do
    copied[name] = value
  end
  return copied
end

-- Makes a list of arguments by their names, out of those that calls have in common.
local function among(common)
  return function(names)
    local list = {}
    for index, name in ipairs(names) do
      local argument = copy(common[name])
      argument[1] = name
      list[index] = argument
    end
    return list
  end
end

local approval_mode = { nil, "deny_all", sent = { approvalPolicy = "never" } }
local cwd = { nil, "/", sent = { cwd = "/" } }
local model = { nil, "mock-model", sent = { model = "mock-model" } }
local personality = { nil, "friendly", sent = { personality = "friendly" } }
local service_tier = { nil, "fast", sent = { serviceTier = "fast" } }

local thread_arguments = among {
  approval_mode = approval_mode,
  base_instructions = { nil, "Be brief.", sent = { baseInstructions = "Be brief." } },
  config = {
    nil,
    { model_verbosity = "low", ["tools.webSearch"] = false },
    sent = { config = { model_verbosity = "low", ["tools.webSearch"] = false } },
  },
  cwd = cwd,
  developer_instructions = { nil, "In English.", sent = { developerInstructions = "In English." } },
  ephemeral = { nil, true, sent = { ephemeral = true } },
  include_turns = { nil, true, sent = { excludeTurns = false } },
  model = model,
  model_provider = { nil, "mock", sent = { modelProvider = "mock" } },
  personality = personality,
  sandbox = { nil, "workspace_write", sent = { sandbox = "workspace-write" } },
  service_name = { nil, "a service", sent = { serviceName = "a service" } },
  service_tier = service_tier,
  session_start_source = { nil, "clear", sent = { sessionStartSource = "clear" } },
  thread_source = { nil, "user", sent = { threadSource = "user" } },
}

local turn_arguments = among {
  approval_mode = approval_mode,
  cwd = cwd,
  effort = { nil, "high", sent = { effort = "high" } },
  model = model,
  output_schema = {
    nil,
    { type = "object", additionalProperties = false },
    sent = { outputSchema = { type = "object", additionalProperties = false } },
  },
  personality = personality,
  sandbox = { nil, "full_access", sent = { sandboxPolicy = { type = "dangerFullAccess" } } },
  service_tier = service_tier,
  source = {
    nil,
    "a timer",
    ours = "turn_trigger",
    sent = { turnTrigger = "a timer" },
    differs = "called as in the protocol",
  },
  summary = { nil, "concise", sent = { summary = "concise" } },
  turn_service_tier = {
    nil,
    "flex",
    ours = "service_tier_for_turn",
    sent = { serviceTierForTurn = "flex" },
    differs = "called as in the protocol",
  },
}

-- A thread's id goes first, in front of the options.
local function with_id(list)
  table.insert(list, 1, { "thread_id", nil, positional = "id", sent = {} })
  return list
end

local approvals_default = "theirs defaults to auto_review, over the user's own configuration; here nothing is sent"
local turns_default = "left to the server by theirs, which then sends all turns and calls that deprecated; false here"

-- Says more of one of the arguments.
local function with(list, name, fields)
  for _, argument in ipairs(list) do
    for field, value in pairs(argument[1] == name and fields or {}) do
      argument[field] = value
    end
  end
  return list
end

---@type spec.parity.Call[]
return {
  {
    theirs = "Codex.thread_start",
    ours = { "client:thread_start { %s = }" },
    method = "thread/start",
    call = function(client, _, options)
      client:thread_start(options)
    end,
    arguments = with(
      thread_arguments {
        "approval_mode", "base_instructions", "config", "cwd", "developer_instructions", "ephemeral", "model",
        "model_provider", "personality", "sandbox", "service_name", "service_tier", "session_start_source",
        "thread_source",
      },
      "approval_mode",
      { differs = approvals_default }
    ),
  },
  {
    theirs = "Codex.thread_resume",
    ours = { "client:thread_resume(id, { %s = })" },
    method = "thread/resume",
    call = function(client, thread, options)
      client:thread_resume(thread.id, options)
    end,
    always = { excludeTurns = true },
    arguments = with_id(with(
      thread_arguments {
        "approval_mode", "base_instructions", "config", "cwd", "developer_instructions", "include_turns", "model",
        "model_provider", "personality", "sandbox", "service_tier",
      },
      "include_turns",
      { differs = turns_default }
    )),
  },
  {
    theirs = "Codex.thread_fork",
    ours = { "client:thread_fork(id, { %s = })" },
    method = "thread/fork",
    call = function(client, thread, options)
      client:thread_fork(thread.id, options)
    end,
    always = { excludeTurns = true },
    arguments = with_id(with(
      thread_arguments {
        "approval_mode", "base_instructions", "config", "cwd", "developer_instructions", "ephemeral",
        "include_turns", "model", "model_provider", "sandbox", "service_tier", "thread_source",
      },
      "include_turns",
      { differs = turns_default, only_sent = true } -- not for an ephemeral one
    )),
  },
  {
    theirs = "Codex.thread_list",
    ours = { "client:thread_list { %s = }" },
    method = "thread/list",
    call = function(client, _, options)
      client:thread_list(options)
    end,
    arguments = {
      { "archived", false, sent = { archived = false } },
      { "cursor", "a cursor", sent = { cursor = "a cursor" }, only_sent = true },
      { "cwd", { "/", "/tmp" }, sent = { cwd = { "/", "/tmp" } } },
      { "limit", 5, sent = { limit = 5 } },
      { "model_providers", { "mock" }, sent = { modelProviders = { "mock" } } },
      { "search_term", "words", sent = { searchTerm = "words" } },
      { "section_id", "a section", sent = { sectionId = "a section" }, only_sent = true },
      { "sort_direction", "asc", sent = { sortDirection = "asc" } },
      { "sort_key", "updated_at", sent = { sortKey = "updated_at" } },
      { "source_kinds", { "appServer", "cli" }, sent = { sourceKinds = { "appServer", "cli" } } },
      { "use_state_db_only", true, sent = { useStateDbOnly = true } },
    },
  },
  {
    theirs = "Codex.thread_archive",
    ours = { "client:thread_archive(id)" },
    method = "thread/archive",
    call = function(client, thread)
      client:thread_archive(thread.id)
    end,
    arguments = with_id {},
  },
  {
    theirs = "Codex.thread_unarchive",
    ours = { "client:thread_unarchive(id)" },
    method = "thread/unarchive",
    call = function(client, thread)
      client:thread_unarchive(thread.id)
    end,
    arguments = with_id {},
  },
  {
    theirs = "Codex.models",
    ours = { "client:models { %s = }" },
    method = "model/list",
    call = function(client, _, options)
      client:models(options)
    end,
    arguments = { { "include_hidden", true, sent = { includeHidden = true } } },
  },
  {
    theirs = "Codex.account",
    ours = { "client:account { %s = }" },
    method = "account/read",
    call = function(client, _, options)
      client:account(options)
    end,
    arguments = { { "refresh_token", true, sent = { refreshToken = true } } },
  },
  {
    theirs = "Codex.login_api_key",
    ours = { "client:login_api_key(key)" },
    method = "account/login/start",
    call = function(client, _, options)
      client:login_api_key(options.api_key or "sk-1")
    end,
    always = { type = "apiKey", apiKey = "sk-1" },
    arguments = { { "api_key", "sk-2", positional = "key", sent = { apiKey = "sk-2" } } },
  },
  {
    theirs = "Thread.run, Thread.turn",
    ours = { "thread:run(input, { %s = })", "thread:turn(input, { %s = })" },
    method = "turn/start",
    call = function(_, thread, options)
      thread:run("x", options)
      thread:turn("x", options):run()
    end,
    always = { input = { { type = "text", text = "x" } } },
    arguments = turn_arguments {
      "approval_mode", "cwd", "effort", "model", "output_schema", "personality", "sandbox", "service_tier", "source",
      "summary", "turn_service_tier",
    },
  },
  {
    theirs = "Thread.read",
    ours = { "thread:read { %s = }" },
    method = "thread/read",
    call = function(_, thread, options)
      thread:read(options)
    end,
    arguments = { { "include_turns", true, sent = { includeTurns = true } } },
  },
  {
    theirs = "Thread.set_name",
    ours = { "thread:set_name(name)" },
    method = "thread/name/set",
    call = function(_, thread, options)
      thread:set_name(options.name or "first")
    end,
    always = { name = "first" },
    arguments = { { "name", "second", positional = "name", sent = { name = "second" } } },
  },
}
