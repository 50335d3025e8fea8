--- The form of schemas: what each keyword takes, the schemas inside a schema, and what may be wrong with one.

local core = require "codex.core"
local hint = require "codex.hint"
local check = require "codex.json_schema.check"
local reference = require "codex.json_schema.reference"
local values = require "codex.json_schema.values"

require "codex.interpreted"()

local M = {}

local expected, kind_of, quoted, sorted_keys = values.expected, values.kind_of, values.quoted, values.sorted_keys
local located, step = values.located, values.step

local nothing = {}

-- What each keyword takes. Those whose form ends in "schema", "schemas" or "named schemas" hold further schemas.
local forms = {
  ["$defs"] = "named schemas",
  ["$id"] = "string",
  ["$ref"] = "string",
  ["else"] = "schema",
  ["if"] = "schema",
  ["not"] = "schema",
  ["then"] = "schema",
  additionalProperties = "schema",
  allOf = "schemas",
  anyOf = "schemas",
  contains = "schema",
  definitions = "named schemas",
  dependentRequired = "named lists",
  dependentSchemas = "named schemas",
  description = "string",
  enum = "values",
  exclusiveMaximum = "number",
  exclusiveMinimum = "number",
  format = "string",
  items = "schema",
  maxContains = "count",
  maxItems = "count",
  maxLength = "count",
  maxProperties = "count",
  maximum = "number",
  minContains = "count",
  minItems = "count",
  minLength = "count",
  minProperties = "count",
  minimum = "number",
  multipleOf = "divisor",
  oneOf = "schemas",
  pattern = "string",
  patternProperties = "named schemas",
  prefixItems = "schemas",
  properties = "named schemas",
  propertyNames = "schema",
  required = "names",
  title = "string",
  type = "types",
  uniqueItems = "boolean",
}

local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for key in next, value do
    if type(key) ~= "number" then return false end
    count = count + 1
  end
  return count == #value
end

local function is_map(value)
  if type(value) ~= "table" or kind_of(value) == "array" then return false end
  for key in next, value do
    if type(key) ~= "string" then return false end
  end
  return true
end

local function plain(kind)
  return function(value)
    if type(value) ~= kind then return expected(values.types[kind], value) end
  end
end

local function names(value)
  if not is_list(value) then return expected("a list of names", value) end
  for _, name in ipairs(value) do
    if type(name) ~= "string" then return expected("a list of names", name) end
  end
end

local function types_of(value)
  local list = type(value) == "string" and { value } or value
  if not is_list(list) or #list == 0 then return expected("the name of a type, or a list of them", value) end
  for _, name in ipairs(list) do
    if type(name) ~= "string" then return expected("the name of a type", name) end
    if not values.types[name] then
      local known = sorted_keys(values.types)
      return ("got %s, expected one of %s%s"):format(quoted(name), table.concat(known, ", "), hint(name, known))
    end
  end
end

-- What is wrong with a keyword's argument, nil if nothing is. The schemas in it are looked at by themselves.
local complaints = {
  string = plain "string",
  number = plain "number",
  boolean = plain "boolean",
  names = names,
  types = types_of,
  count = function(value)
    if type(value) ~= "number" or value % 1 ~= 0 or value < 0 then
      return expected("a whole number that isn't negative", value)
    end
  end,
  divisor = function(value)
    if type(value) ~= "number" or value ~= value or value <= 0 then return expected("a number above 0", value) end
  end,
  values = function(value)
    if not is_list(value) or #value == 0 then return expected("a list of values, at least one", value) end
  end,
  schemas = function(value)
    if not is_list(value) or #value == 0 then return expected("a list of schemas, at least one", value) end
  end,
  ["named schemas"] = function(value)
    if not is_map(value) then return expected("a table of schemas by name", value) end
  end,
  ["named lists"] = function(value)
    if not is_map(value) then return expected("a table of lists by name", value) end
    for _, name in ipairs(sorted_keys(value)) do
      local complaint = names(value[name])
      if complaint then return complaint end
    end
  end,
  schema = function() end,
}

---@class codex.json_schema.Part
---@field schema table|boolean
---@field keyword string under which it stands
---@field path string from the schema that holds it

--- The schemas right inside a schema, in a steady order. What has a wrong form isn't among them.
---@param schema table|boolean
---@return codex.json_schema.Part[]
function M.parts(schema)
  local parts = {}
  local function add(keyword, path, part)
    parts[#parts + 1] = { schema = part, keyword = keyword, path = path }
  end
  for _, keyword in ipairs(type(schema) == "table" and sorted_keys(schema) or nothing) do
    local form, argument = forms[keyword], schema[keyword]
    if form == "schema" and argument ~= nil then
      add(keyword, step(keyword), argument)
    elseif form == "schemas" and is_list(argument) then
      for index, part in ipairs(argument) do
        add(keyword, step(keyword) .. step(index), part)
      end
    elseif form == "named schemas" and is_map(argument) then
      for _, name in ipairs(sorted_keys(argument)) do
        add(keyword, step(keyword) .. step(name), argument[name])
      end
    end
  end
  return parts
end

local applied_in_place = { ["not"] = true, ["if"] = true, ["then"] = true, ["else"] = true }
for _, keyword in ipairs { "allOf", "anyOf", "oneOf", "dependentSchemas" } do
  applied_in_place[keyword] = true
end

-- Whether a schema applies to the very value that it is applied to already, so that checking would never end.
local function goes_in_circle(schema, root, visited, depth)
  if type(schema) ~= "table" or visited[schema] == "done" then return false end
  if visited[schema] == "open" or depth > check.MAX_DEPTH then return true end
  visited[schema] = "open"
  local ref = schema["$ref"]
  local target = type(ref) == "string" and reference.resolve(root, ref)
  if goes_in_circle(target, root, visited, depth + 1) then return true end
  for _, part in ipairs(M.parts(schema)) do
    if applied_in_place[part.keyword] and goes_in_circle(part.schema, root, visited, depth + 1) then return true end
  end
  visited[schema] = "done"
  return false
end

local function camel_case(name)
  return (name:gsub("_(%l)", string.upper))
end

-- Names of Lua's kind would be taken for annotation, and check nothing.
local function misnamed(schema)
  for _, name in ipairs(sorted_keys(schema)) do
    local wire_name = camel_case(name)
    if wire_name ~= name and forms[wire_name] then
      local message = "unknown keyword '%s' (did you mean '%s'? Names in a schema are JSON Schema's own)"
      return message:format(name, wire_name)
    end
  end
end

local function reference_problem(ref, walk)
  if not ref:find "^#" then
    return ("%s is outside of this schema: only references such as '#/$defs/name' can be followed"):format(quoted(ref))
  end
  local target = reference.resolve(walk.root, ref)
  if target == nil then return ("%s leads nowhere"):format(quoted(ref)) end
  walk.pending[#walk.pending + 1] = { schema = target, path = ("%s[%s]"):format(walk.label, quoted(ref)) }
end

-- The problem of one keyword: where below the schema, and what.
local function keyword_problem(keyword, argument, schema, walk)
  local form = forms[keyword]
  local complaint = form and complaints[form](argument)
  if complaint then return step(keyword), complaint end
  if keyword == "items" and kind_of(argument) == "array" then
    return ".items", "expected a schema, got a list of them (did you mean 'prefixItems'?)"
  elseif keyword == "$id" and schema ~= walk.root then
    return step(keyword), "only the root of a schema can have one"
  elseif keyword == "$ref" then
    complaint = reference_problem(argument, walk)
    if complaint then return step(keyword), complaint end
  end
end

local function own_problem(schema, walk)
  if not is_map(schema) then return "", expected("a schema", schema) end
  local complaint = misnamed(schema)
  if complaint then return "", complaint end
  for _, keyword in ipairs(sorted_keys(schema)) do
    local path
    path, complaint = keyword_problem(keyword, schema[keyword], schema, walk)
    if path then return path, complaint end
  end
end

local function find_problem(schema, path, walk)
  if type(schema) == "boolean" or walk.seen[schema] then return end
  local below, complaint = own_problem(schema, walk)
  if below then return path .. below, complaint end
  walk.seen[schema] = true
  for _, part in ipairs(M.parts(schema)) do
    local where, what = find_problem(part.schema, path .. part.path, walk)
    if where then return where, what end
  end
end

--- What is wrong with a schema itself, if anything.
---@param schema any
---@param label? string how messages call it
---@return string? problem with the path inside the schema: `properties.age.type: expected …`
function M.problems(schema, label)
  label = label or ""
  local walk = { root = schema, label = label, seen = {}, pending = { { schema = schema, path = label } } }
  for _, place in ipairs(walk.pending) do -- which grows as references are met
    local path, complaint = find_problem(place.schema, place.path, walk)
    if path then return located(path, complaint) end
  end
  local visited = {}
  for place in next, walk.seen do
    if goes_in_circle(place, schema, visited, 0) then
      return located(label, "a $ref leads back to itself without going into the value")
    end
  end
end

local function mark_list(list)
  if type(list) == "table" and next(list) == nil then core.array(list) end
end

-- The lists that may be empty.
local function mark_lists(schema)
  if type(schema) ~= "table" then return end
  mark_list(schema.required)
  for _, list in next, is_map(schema.dependentRequired) and schema.dependentRequired or nothing do
    mark_list(list)
  end
  for _, part in ipairs(M.parts(schema)) do
    mark_lists(part.schema)
  end
end

--- A copy of a schema as it goes on the wire: an empty table where a list belongs is a list.
---@param schema table|boolean
---@return table|boolean|nil copy nil for what isn't JSON
function M.copy(schema)
  local text = core.json_encode(schema)
  if not text then return nil end
  local _, copy = core.json_decode(text)
  mark_lists(copy)
  return copy
end

return M
