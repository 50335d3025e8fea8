--- Options as users write them, checked, and turned into the protocol's parameters.

local core = require "codex.core"
local errors = require "codex.error"
local hint = require "codex.hint"
local lazy = require "codex.lazy"

local json_schema = lazy "codex.json_schema"

require "codex.interpreted"()

local M = {}

--- A new table with the members of all; of two under one name the later one's.
---@param ... table
---@return table
function M.merged(...)
  local all = {}
  for _, source in ipairs { ... } do
    for name, value in pairs(source) do
      all[name] = value
    end
  end
  return all
end

local function sorted_keys(set)
  local list = {}
  for name in pairs(set) do
    list[#list + 1] = name
  end
  table.sort(list)
  return list
end

--- Raises for a name that isn't in any of the sets.
---@param label string
---@param options table
---@param ... table sets of known names
function M.check_names(label, options, ...)
  if type(options) ~= "table" then
    errors.argument(("%s: expected a table of options, got %s"):format(label, type(options)))
  end
  local known = {}
  for _, set in ipairs { ... } do
    for name in pairs(set) do
      known[name] = true
    end
  end
  for name in pairs(options) do
    if not known[name] then
      local shown = tostring(name)
      errors.argument(("%s: unknown option '%s'%s"):format(label, shown, hint(shown, sorted_keys(known))))
    end
  end
end

--- Whether a table holds nothing but a list's so many entries.
---@param list table
---@param length integer
---@return boolean
function M.is_list(list, length)
  local count = 0
  for _ in pairs(list) do
    count = count + 1
  end
  return count == length
end

--- Raises unless options are a table, or not there.
---@param label string
---@param options any
function M.check_table(label, options)
  if options ~= nil and type(options) ~= "table" then
    errors.argument(("%s: expected a table of options, got %s"):format(label, type(options)))
  end
end

--- Raises when an option is there and of another Lua type.
---@param label string
---@param options table
---@param name string
---@param expected "string"|"number"|"boolean"|"table"
function M.check_type(label, options, name, expected)
  local value = options[name]
  if value ~= nil and type(value) ~= expected then
    errors.argument(("%s.%s: expected a %s, got %s"):format(label, name, expected, type(value)))
  end
end

--- Raises unless an option that is there is a number of seconds, or another number from 0 on.
---@param label string
---@param options table
---@param name string
function M.check_seconds(label, options, name)
  M.check_type(label, options, name, "number")
  local value = options[name]
  if value and (value < 0 or value ~= value) then
    errors.argument(("%s.%s: must not be negative"):format(label, name))
  end
end

local function choose(label, name, value, choices)
  local chosen = type(value) == "string" and choices[value] or nil
  if chosen ~= nil then return chosen end
  local got = type(value) == "string" and "'" .. value .. "'" or "a " .. type(value)
  local message = "%s.%s: got %s, expected one of %s%s"
  errors.argument(message:format(label, name, got, table.concat(choices, ", "), hint(value, choices)))
end

local sandbox_modes = {
  "read_only",
  "workspace_write",
  "full_access",
  read_only = "read-only",
  workspace_write = "workspace-write",
  full_access = "danger-full-access",
  ["read-only"] = "read-only",
  ["workspace-write"] = "workspace-write",
  ["full-access"] = "danger-full-access",
  ["danger-full-access"] = "danger-full-access",
}

local sandbox_policies = {
  ["read-only"] = function()
    return { type = "readOnly", network_access = false }
  end,
  ["workspace-write"] = function()
    return {
      type = "workspaceWrite",
      writable_roots = {},
      network_access = false,
      exclude_slash_tmp = false,
      exclude_tmpdir_env_var = false,
    }
  end,
  ["danger-full-access"] = function()
    return { type = "dangerFullAccess" }
  end,
}

local approval_modes = {
  "auto_review",
  "ask",
  "deny_all",
  "dangerously_bypass_approvals_and_sandbox",
  auto_review = { policy = "on-request", reviewer = "auto_review" },
  ask = { policy = "on-request", reviewer = "user" },
  deny_all = { policy = "never" },
  dangerously_bypass_approvals_and_sandbox = { policy = "never", sandbox = "full_access" },
}

local function refuse_both(label, options, one, other)
  if options[one] ~= nil and options[other] ~= nil then
    errors.argument(("%s: '%s' and '%s' can't be given together"):format(label, one, other))
  end
end

local function apply_approval_mode(label, options, params)
  local name = options.approval_mode
  if name == nil then return end
  refuse_both(label, options, "approval_mode", "approval_policy")
  refuse_both(label, options, "approval_mode", "approvals_reviewer")
  local mode = choose(label, "approval_mode", name, approval_modes)
  params.approval_policy, params.approvals_reviewer = mode.policy, mode.reviewer
  params.approval_mode = nil
  if mode.sandbox then
    if options.sandbox ~= nil or options.sandbox_policy ~= nil then
      errors.argument(("%s: approval_mode '%s' can't be given together with a sandbox"):format(label, name))
    end
    params.sandbox = mode.sandbox
  end
end

-- A copy with every name as it is in Lua, whichever of the two the user wrote.
local function with_lua_names(label, options, fields)
  local renamed = {}
  for name, value in pairs(options) do
    local lua_name = fields[name] or name
    if lua_name ~= name then refuse_both(label, options, lua_name, name) end
    renamed[lua_name] = value
  end
  return renamed
end

local function copy(options, except)
  local params = {}
  for name, value in pairs(options) do
    if not except[name] then params[name] = value end
  end
  return params
end

-- The fields of a request that acts on a thread, which names the thread itself.
local function fields_of(method, ...)
  local fields = core.fields(method)
  for _, name in ipairs { "thread_id", "threadId", ... } do
    fields[name] = nil
  end
  return fields
end

--- What answers the server, of a thread and of a turn.
M.thread_handlers = {
  approval_handler = true,
  elicitation_handler = true,
  request_handler = true,
  tools = true,
  user_input_handler = true,
}
M.turn_handlers = {
  approval_handler = true,
  elicitation_handler = true,
  request_handler = true,
  user_input_handler = true,
}

-- Whoever gives a handler for approvals wants to be asked.
local function apply_asks(options, params, asks)
  local said = options.approval_mode or options.approval_policy or options.approvals_reviewer
  if asks and said == nil then
    local mode = approval_modes.ask
    params.approval_policy, params.approvals_reviewer = mode.policy, mode.reviewer
  end
end

local thread_names = { approval_mode = true, sandbox = true }

-- A thread that comes with all of its turns may be very large, and the server calls that outdated.
local function apply_include_turns(label, options, params)
  refuse_both(label, options, "include_turns", "exclude_turns")
  M.check_type(label, options, "include_turns", "boolean")
  if params.exclude_turns == nil then params.exclude_turns = not options.include_turns end
  params.include_turns = nil
end

--- The parameters of thread/start, thread/resume and thread/fork.
---@param label string
---@param method string
---@param options table
---@param asks? boolean whether there is a handler that approvals would go to
---@return table
function M.thread(label, method, options, asks)
  local fields = fields_of(method)
  local includes = { include_turns = fields.exclude_turns }
  M.check_names(label, options, thread_names, M.thread_handlers, includes, fields)
  options = with_lua_names(label, options, fields)
  local params = copy(options, M.thread_handlers)
  if fields.exclude_turns then apply_include_turns(label, options, params) end
  apply_approval_mode(label, options, params)
  apply_asks(options, params, asks)
  if params.sandbox ~= nil then params.sandbox = choose(label, "sandbox", params.sandbox, sandbox_modes) end
  return params
end

--- Options of a turn that are ours rather than the protocol's.
local own_of_any = { when_busy = true, timeout = true, idle_timeout = true, on_cancel = true }
local turn_own = M.merged(own_of_any, { raise = true, strict = true })
for name in pairs(M.turn_handlers) do
  turn_own[name] = true
end
local turn_names = M.merged({ approval_mode = true, sandbox = true }, turn_own)
local busy_choices = { "queue", "steer", "error", queue = "queue", steer = "steer", error = "error" }
local cancel_choices = { "interrupt", "detach", interrupt = "interrupt", detach = "detach" }
local unsteered_choices = { "queue", "error", queue = "queue", error = "error" }

local function check_waiting(label, options, choices)
  M.check_seconds(label, options, "timeout")
  M.check_seconds(label, options, "idle_timeout")
  if options.when_busy ~= nil then choose(label, "when_busy", options.when_busy, choices) end
  if options.on_cancel ~= nil then choose(label, "on_cancel", options.on_cancel, cancel_choices) end
end

-- A turn that is joined has its handlers already, or whoever began it wants none.
local function refuse_handlers_of_guest(label, options)
  if options.when_busy ~= "steer" then return end
  for _, name in ipairs(sorted_keys(M.turn_handlers)) do
    if options[name] ~= nil then
      local message = "%s: '%s' can't be given with when_busy = 'steer', as a turn that is joined keeps its own: "
        .. "give it to the thread"
      errors.argument(message:format(label, name))
    end
  end
end

-- What is sent, and checked against later, is a copy: the user may go on with his table.
local function apply_output_schema(label, options, params)
  M.check_type(label, options, "strict", "boolean")
  local given = options.output_schema
  if given == nil or given == core.null then
    if options.strict then errors.argument(label .. ".strict: there is no output_schema to make strict") end
    return
  end
  M.check_type(label, options, "output_schema", "table")
  local schema = json_schema.copy(given)
  if not schema then return end -- not JSON; the check of all parameters tells where
  local path = label .. ".output_schema"
  local problem = json_schema.problems(schema, path)
  if not problem and options.strict then
    schema, problem = json_schema.strict(schema, path)
  end
  if problem then errors.argument(problem) end
  params.output_schema = schema
end

--- The parameters of turn/start.
---@param label string
---@param options table
---@param asks? boolean whether they hold a handler that approvals would go to
---@return table params
function M.turn(label, options, asks)
  local fields = fields_of("turn/start", "input")
  M.check_names(label, options, turn_names, fields)
  options = with_lua_names(label, options, fields)
  check_waiting(label, options, busy_choices)
  refuse_handlers_of_guest(label, options)
  M.check_type(label, options, "raise", "boolean")
  refuse_both(label, options, "sandbox", "sandbox_policy")
  local params = copy(options, turn_own)
  apply_approval_mode(label, options, params)
  apply_asks(options, params, asks)
  apply_output_schema(label, options, params)
  if params.sandbox ~= nil then
    params.sandbox_policy = sandbox_policies[choose(label, "sandbox", params.sandbox, sandbox_modes)]()
    params.sandbox = nil
  end
  return params
end

--- The parameters of another request that starts a turn, which can't steer one that runs.
---@param label string
---@param method string
---@param options table
---@return table params
function M.other_turn(label, method, options)
  local fields = fields_of(method)
  M.check_names(label, options, own_of_any, fields)
  options = with_lua_names(label, options, fields)
  check_waiting(label, options, unsteered_choices)
  return copy(options, turn_own)
end

--- The parameters of a request that lists something, or that lists it of a thread.
---@param label string
---@param method string
---@param options? table
---@return table
function M.list(label, method, options)
  M.check_table(label, options)
  local fields = fields_of(method)
  M.check_names(label, options or {}, fields)
  return with_lua_names(label, options or {}, fields)
end

return M
