--- Which names the server takes for tools, and which it keeps for itself: those that it refuses, and those that it
--- drops without a word, so that the model never sees the tool.

local errors = require "codex.error"

local M = {}

--- Characters that a tool's name may have, and a namespace's.
M.MAX_LENGTH, M.MAX_NAMESPACE_LENGTH = 128, 64

local function set(names)
  local members = {}
  for name in names:gmatch "%S+" do
    members[name] = true
  end
  return members
end

-- Some of them only with some models, features or MCP servers: a thread may change its model, and a script its user.
local own_tools = set [[
  apply_patch create_goal exec exec_command get_context_remaining get_goal list_mcp_resource_templates
  list_mcp_resources multi_env_copy_file new_context read_mcp_resource request_permissions request_plugin_install
  request_user_input request_user_input_async send_message_to_user_async shell_command tool_search update_goal
  update_plan view_image wait wait_for_environment write_stdin
]]

-- The server refuses the first ones, as the model API's; the last ones it has itself, and mixes up with others' tools.
local own_namespaces = set [[
  api_tool browser computer container file_search functions image_gen multi_tool_use python python_user_visible
  submodel_delegator terminal tool_search web
  clock codex_apps collaboration multi_agent_v1 skills
]]

--- A name as models know it that call tools from JavaScript, which most do. Of two that are the same there, the server
--- drops one.
---@param name string
---@param namespace? string
---@return string
function M.in_scripts(name, namespace)
  if namespace then name = namespace .. (namespace:find "_$" and "" or "__") .. name end
  return (name:gsub("[^%w_]", "_"):gsub("^%d", "_"))
end

local function check_form(label, name, max_length)
  if type(name) ~= "string" then errors.argument(("%s: expected a string, got %s"):format(label, type(name))) end
  if name == "" then errors.argument(label .. ": must not be empty") end
  if name:find "[^%w_-]" then
    errors.argument(("%s: '%s' has other characters than letters, digits, '_' and '-'"):format(label, name))
  end
  if #name > max_length then
    errors.argument(("%s: at most %d characters are allowed, got %d"):format(label, max_length, #name))
  end
  if name == "mcp" or name:find "^mcp__" then
    errors.argument(("%s: '%s' is kept for tools of MCP servers"):format(label, name))
  end
end

--- Raises for a name that no tool may have.
---@param label string
---@param name any
function M.check_tool(label, name)
  check_form(label, name, M.MAX_LENGTH)
end

--- Raises for a name that no namespace may have.
---@param label string
---@param name any
function M.check_namespace(label, name)
  check_form(label, name, M.MAX_NAMESPACE_LENGTH)
  if own_namespaces[name] then
    errors.argument(("%s: '%s' is a namespace of the server's own"):format(label, name))
  end
end

--- Raises for a name that a tool outside of any namespace may not have.
---@param label string
---@param name string
function M.check_outside(label, name)
  if not own_tools[M.in_scripts(name)] then return end
  local message = "%s: '%s' is a tool of the server's own, which would drop this one; in a namespace it can stay"
  errors.argument(message:format(label, name))
end

return M
