--- Options as users write them, checked, and turned into the protocol's parameters.

local core = require "codex.core"
local errors = require "codex.error"

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
      local nearest = core.nearest(tostring(name), sorted_keys(known))
      local hint = nearest and (" (did you mean '%s'?)"):format(nearest) or ""
      errors.argument(("%s: unknown option '%s'%s"):format(label, tostring(name), hint))
    end
  end
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
  if chosen == nil then
    errors.argument(
      ("%s.%s: got '%s', expected one of %s"):format(label, name, tostring(value), table.concat(choices, ", "))
    )
  end
  return chosen
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

local thread_names = { approval_mode = true, sandbox = true }

--- The parameters of thread/start and thread/resume.
---@param label string
---@param method string
---@param options table
---@return table
function M.thread(label, method, options)
  local fields = core.fields(method)
  M.check_names(label, options, thread_names, fields)
  options = with_lua_names(label, options, fields)
  local params = copy(options, {})
  apply_approval_mode(label, options, params)
  if params.sandbox ~= nil then params.sandbox = choose(label, "sandbox", params.sandbox, sandbox_modes) end
  return params
end

--- Options of a turn that are ours rather than the protocol's.
local turn_names = { approval_mode = true, sandbox = true, when_busy = true, timeout = true, raise = true }
local turn_own = { when_busy = true, timeout = true, raise = true }
local busy_choices = { "queue", "steer", "error", queue = "queue", steer = "steer", error = "error" }

--- The parameters of turn/start.
---@param label string
---@param options table
---@return table params
function M.turn(label, options)
  local fields = core.fields "turn/start"
  fields.input, fields.thread_id, fields.threadId = nil, nil, nil
  M.check_names(label, options, turn_names, fields)
  options = with_lua_names(label, options, fields)
  M.check_seconds(label, options, "timeout")
  M.check_type(label, options, "raise", "boolean")
  if options.when_busy ~= nil then choose(label, "when_busy", options.when_busy, busy_choices) end
  refuse_both(label, options, "sandbox", "sandbox_policy")
  local params = copy(options, turn_own)
  apply_approval_mode(label, options, params)
  if params.sandbox ~= nil then
    params.sandbox_policy = sandbox_policies[choose(label, "sandbox", params.sandbox, sandbox_modes)]()
    params.sandbox = nil
  end
  return params
end

return M
