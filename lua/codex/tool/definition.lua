--- Definitions of tools: checked, and made into what the server is told and what its calls are looked up in.

local core = require "codex.core"
local errors = require "codex.error"
local json_schema = require "codex.json_schema"
local names = require "codex.tool.names"
local options_of = require "codex.options"
local task = require "codex.task"

require "codex.interpreted"()

local M = {}

--- Characters that the description of a namespace may have.
M.MAX_NAMESPACE_DESCRIPTION = 1024

local tool_fields = { name = true, description = true, parameters = true, run = true, defer_loading = true }
local namespace_fields = { name = true, description = true, tools = true }

-- How the protocol, or another library, calls what is meant.
local other_words = {
  callback = "run",
  execute = "run",
  fn = "run",
  handler = "run",
  inputSchema = "parameters",
  input_schema = "parameters",
  schema = "parameters",
}

-- ---- one definition ----

local function check_fields(label, definition, fields)
  if type(definition) ~= "table" then
    errors.argument(("%s: expected a table, got %s"):format(label, type(definition)))
  end
  for name in pairs(definition) do
    local meant = other_words[name]
    if meant and fields[meant] then
      errors.argument(("%s: unknown option '%s' (did you mean '%s'?)"):format(label, name, meant))
    end
  end
  options_of.check_names(label, definition, fields)
end

local function check_description(label, definition)
  options_of.check_type(label, definition, "description", "string")
  if definition.description == nil then errors.argument(label .. ".description: is missing") end
end

-- What goes wrong in encoding would be told without the name of the tool.
local function copy_schema(label, schema)
  local copy = json_schema.copy(schema)
  if copy then return copy end
  local _, problem = core.json_encode(schema)
  errors.argument(("%s: %s"):format(label, problem))
end

-- The schema as it is sent, and checked against later: a copy, since the user may go on with his table.
local function parameters_of(label, definition)
  label = label .. ".parameters"
  if definition.parameters == nil then return { type = "object", properties = {} } end
  local schema = copy_schema(label, definition.parameters)
  local problem = json_schema.problems(schema, label)
  if problem then errors.argument(problem) end
  if schema.type == nil then schema.type = "object" end
  if schema.type ~= "object" then
    errors.argument(label .. ".type: must be 'object', since the arguments of a call are an object")
  end
  return schema
end

--- Raises for a tool that no list may hold, and answers the schema of its arguments.
---@param label string
---@param definition any
---@return table parameters
function M.check_tool(label, definition)
  check_fields(label, definition, tool_fields)
  names.check_tool(label .. ".name", definition.name)
  check_description(label, definition)
  options_of.check_type(label, definition, "parameters", "table")
  options_of.check_type(label, definition, "defer_loading", "boolean")
  task.check_function(label .. ".run", definition.run)
  return parameters_of(label, definition)
end

local function count_characters(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

local function check_namespace(label, definition)
  check_fields(label, definition, namespace_fields)
  names.check_namespace(label .. ".name", definition.name)
  check_description(label, definition)
  local length = count_characters(definition.description)
  if length > M.MAX_NAMESPACE_DESCRIPTION then
    local message = "%s.description: at most %d characters are allowed, got %d"
    errors.argument(message:format(label, M.MAX_NAMESPACE_DESCRIPTION, length))
  end
end

-- ---- lists ----

---@class codex.ToolEntry
---@field name string
---@field display string with its namespace, for messages
---@field parameters table
---@field run fun(arguments: table, call: codex.ToolCall): any

--- What calls are looked up in.
---@class codex.ToolRegistry
---@field names string[] of all tools, with their namespaces
---@field _spaces table<string, table<string, codex.ToolEntry>> by namespace ("" for none) and name

local function check_list(label, list)
  if type(list) ~= "table" then errors.argument(("%s: expected a list, got %s"):format(label, type(list))) end
  if not options_of.is_list(list, #list) then errors.argument(label .. ": expected a list of tools") end
end

-- Raises for a name that another tool of the list has, to one kind of model or to all.
local function check_unique(label, entry, namespace, registry)
  local script_name = names.in_scripts(entry.name, namespace)
  local other = registry._script_names[script_name]
  registry._script_names[script_name] = entry.display
  if other == entry.display then
    errors.argument(("%s.name: there is another tool '%s'"):format(label, entry.display))
  elseif other then
    local message = "%s.name: '%s' and '%s' are the same to models that call tools from scripts (%s)"
    errors.argument(message:format(label, entry.display, other, script_name))
  end
end

-- Adds a tool to the registry and answers what the server is told of it.
local function add_tool(label, definition, namespace, registry)
  local parameters = M.check_tool(label, definition)
  local entry = { name = definition.name, run = definition.run, parameters = parameters }
  entry.display = namespace and namespace .. "." .. entry.name or entry.name
  if not namespace then
    names.check_outside(label .. ".name", entry.name)
    if definition.defer_loading then
      errors.argument(label .. ".defer_loading: only a tool in a namespace can be loaded later")
    end
  end
  check_unique(label, entry, namespace, registry)
  local space = registry._spaces[namespace or ""]
  space[entry.name] = entry
  registry.names[#registry.names + 1] = entry.display
  return {
    type = "function",
    name = entry.name,
    description = definition.description,
    input_schema = entry.parameters,
    defer_loading = definition.defer_loading,
  }
end

local function add_namespace(label, definition, registry)
  check_namespace(label, definition)
  local name, list = definition.name, definition.tools
  check_list(label .. ".tools", list)
  if #list == 0 then errors.argument(label .. ".tools: must not be empty") end
  if registry._spaces[name] then errors.argument(("%s.name: there is another namespace '%s'"):format(label, name)) end
  registry._spaces[name] = {}
  local tools = {}
  for index, tool in ipairs(list) do
    tools[index] = add_tool(("%s.tools[%d]"):format(label, index), tool, name, registry)
  end
  return { type = "namespace", name = name, description = definition.description, tools = tools }
end

local function new_registry()
  return { names = {}, _spaces = { [""] = {} }, _script_names = {} }
end

--- Raises for a namespace that no list may hold.
---@param label string
---@param definition any
function M.check_namespace(label, definition)
  add_namespace(label, definition, new_registry())
end

--- Checks the option `tools` of a thread. Raises for what the server would refuse, and for what it would drop without a
--- word.
---@param label string of the function that has the option
---@param list (codex.Tool|codex.ToolNamespace)[]
---@return codex.ToolRegistry registry
---@return table[]? dynamic_tools for `thread/start`, by their names in Lua; nil for an empty list
function M.prepare(label, list)
  label = label .. ".tools"
  check_list(label, list)
  local registry, specs = new_registry(), {}
  for index, definition in ipairs(list) do
    local where = ("%s[%d]"):format(label, index)
    local is_namespace = type(definition) == "table" and definition.tools ~= nil
    specs[index] = is_namespace and add_namespace(where, definition, registry)
      or add_tool(where, definition, nil, registry)
  end
  registry._script_names = nil
  return registry, specs[1] and specs or nil
end

--- The tool of a list that a call names.
---@param registry codex.ToolRegistry
---@param name string
---@param namespace? string
---@return codex.ToolEntry?
function M.find(registry, name, namespace)
  local space = registry._spaces[namespace or ""]
  return space and space[name]
end

return M
