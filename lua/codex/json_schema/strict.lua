--- Strict mode: the part of JSON Schema that the model API takes for structured output. Every object names all of its
--- properties, requires them, and takes no others; what may be absent is null instead.

local check = require "codex.json_schema.check"
local core = require "codex.core"
local form = require "codex.json_schema.form"
local reference = require "codex.json_schema.reference"
local values = require "codex.json_schema.values"

require "codex.interpreted"()

local M = {}

local sorted_keys, quoted = values.sorted_keys, values.quoted

local function set(names)
  local members = {}
  for _, name in ipairs(names) do
    members[name] = true
  end
  return members
end

local function allows_type(schema, name)
  local types = schema.type
  if type(types) ~= "table" then return types == name end
  return set(types)[name] == true
end

-- Whether nothing but the names is in a table.
local function holds_only(map, names)
  for key in next, map do
    if not names[key] then return false end
  end
  return true
end

-- ---- making strict ----

local annotations = set { "title", "description", "default", "examples", "deprecated", "$comment" }
local beside_root = set { "title", "description", "examples", "$comment", "$defs", "definitions", "$schema", "$id" }

-- Takes over the members of `other` that the schema doesn't have itself.
local function merge(schema, other)
  for key, value in next, other do
    if schema[key] == nil then schema[key] = value end
  end
end

-- allOf of one is how some generators put a description beside a reference.
local function lift_single_all_of(schema)
  local all = schema.allOf
  if not all or #all ~= 1 or type(all[1]) ~= "table" then return end
  schema.allOf = nil
  if holds_only(schema, annotations) then merge(schema, all[1]) else schema.allOf = all end
end

local function rename_one_of(schema)
  if schema.oneOf and not schema.anyOf then
    schema.anyOf, schema.oneOf = schema.oneOf, nil
  end
end

local function types_of(choices)
  local found = {}
  for _, choice in ipairs(choices) do
    found[values.kind_of(choice)] = true
  end
  local types = sorted_keys(found)
  return #types == 1 and types[1] or types
end

-- Strict mode wants to be told the type where other keywords show what is meant.
local function add_type(schema)
  if schema.type ~= nil or schema["$ref"] or schema.anyOf then return end
  if schema.enum then
    schema.type = types_of(schema.enum)
  elseif schema.const ~= nil then
    schema.type = types_of { schema.const }
  elseif schema.properties then
    schema.type = "object"
  elseif schema.items ~= nil then
    schema.type = "array"
  end
end

-- Nothing may stand beside a $ref: a description goes around it.
local function wrap_reference(schema)
  local ref = schema["$ref"]
  if not ref or next(schema, next(schema)) == nil then return end
  schema["$ref"] = nil
  if holds_only(schema, annotations) then
    schema.anyOf = { { ["$ref"] = ref } }
  else
    schema["$ref"] = ref
  end
end

local function with_null(types)
  local all = type(types) == "table" and types or { types }
  all[#all + 1] = "null"
  return all
end

local narrowing = set { "const", "$ref", "anyOf", "allOf", "oneOf", "not", "if" }

local function is_narrowed(schema)
  for name in next, narrowing do
    if schema[name] ~= nil then return true end
  end
  return false
end

-- A schema that takes null besides what it takes. Changes the schema where it can.
local function nullable(schema, root)
  if type(schema) == "boolean" or check.check(schema, core.null, root) then return schema end
  if schema.type ~= nil and not is_narrowed(schema) then
    if not allows_type(schema, "null") then schema.type = with_null(schema.type) end
    if schema.enum and not set(schema.enum)[core.null] then schema.enum[#schema.enum + 1] = core.null end
    return schema
  end
  if schema.anyOf and schema.type == nil then
    schema.anyOf[#schema.anyOf + 1] = { type = "null" }
    return schema
  end
  return { anyOf = { schema, { type = "null" } } }
end

-- Adds what may be null from now on to `optional`.
local function close_object(schema, optional)
  if not allows_type(schema, "object") then return end
  if schema.additionalProperties == false then schema.properties = schema.properties or {} end
  if not schema.properties then return end -- it takes any properties
  if schema.additionalProperties == nil then schema.additionalProperties = false end
  local required = set(schema.required or {})
  for name in next, schema.properties do
    if not required[name] then optional[#optional + 1] = { properties = schema.properties, name = name } end
    required[name] = true
  end
  schema.required = core.array(sorted_keys(required))
end

local function rewrite(schema, optional)
  if type(schema) ~= "table" then return end
  lift_single_all_of(schema)
  rename_one_of(schema)
  add_type(schema)
  close_object(schema, optional)
  wrap_reference(schema)
  for _, part in ipairs(form.parts(schema)) do
    rewrite(part.schema, optional)
  end
end

-- The root must be an object itself: what it refers to takes its place, and stays where it was for other references.
local function inline_root(root)
  local ref = root["$ref"]
  local target = ref and reference.resolve(root, ref)
  if type(target) ~= "table" then return end
  root["$ref"] = nil
  if not holds_only(root, beside_root) then
    root["$ref"] = ref
    return
  end
  merge(root, form.copy(target))
  return inline_root(root)
end

-- ---- what is not strict ----

-- What strict mode doesn't have of the keywords that say something.
local refused = set {
  "allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
  "patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedProperties",
  "prefixItems", "uniqueItems", "contains", "minContains", "maxContains", "unevaluatedItems",
  "$dynamicRef", "$recursiveRef",
}

local function object_problem(schema)
  local properties, names = schema.properties, schema.required or {}
  if not properties then return "", "an object that names no `properties` takes any, which can't be strict" end
  if schema.additionalProperties ~= false then return ".additionalProperties", "must be false" end
  local required = set(names)
  for _, name in ipairs(sorted_keys(properties)) do
    if not required[name] then return ".required", ("must name every property; %s isn't there"):format(quoted(name)) end
  end
  for _, name in ipairs(names) do
    if properties[name] == nil then return ".required", ("%s isn't among the properties"):format(quoted(name)) end
  end
end

local function shape_problem(schema)
  if schema["$ref"] and next(schema, next(schema)) ~= nil then return ".$ref", "nothing else may stand beside it" end
  local says_what = schema.type or schema["$ref"] or schema.anyOf or schema.enum or schema.const ~= nil
  if not says_what then return "", "a schema without a `type` takes anything, which can't be strict" end
  if allows_type(schema, "array") and schema.items == nil then return "", "an array needs `items`" end
  if allows_type(schema, "object") then return object_problem(schema) end
end

local function collect(schema, path, problems)
  local function add(below, reason)
    problems[#problems + 1] = values.located(path .. below, reason)
  end
  if type(schema) == "boolean" then return add("", "true and false are no schemas of strict mode") end
  for _, keyword in ipairs(sorted_keys(schema)) do
    if refused[keyword] then add(values.step(keyword), "isn't part of strict mode") end
  end
  local below, reason = shape_problem(schema)
  if below then add(below, reason) end
  for _, part in ipairs(form.parts(schema)) do
    local judged = refused[part.keyword] or part.keyword == "additionalProperties"
    if not judged then collect(part.schema, path .. part.path, problems) end
  end
end

--- What the model API would refuse in strict mode.
---@param schema table one without problems
---@param label? string how messages call it
---@return string[]? problems each with its path
function M.problems(schema, label)
  local problems = {}
  label = label or ""
  if schema.type ~= "object" or schema.anyOf then
    problems[1] = values.located(label, "the root must be of type 'object', without anyOf")
  end
  collect(schema, label, problems)
  if problems[1] then return problems end
end

--- A strict copy of a schema. Every object takes its own properties only, and requires them all: those that were
--- optional may be null instead. What only strict mode spells differently is rewritten (oneOf becomes anyOf, a $ref at
--- the root becomes what it names); the rest of what strict mode doesn't have can't be made strict.
---@param schema table one without problems
---@param label? string how messages call it
---@return table? strict
---@return string? problem the first thing that can't be made strict
function M.make(schema, label)
  local root, optional = form.copy(schema), {}
  inline_root(root)
  rewrite(root, optional)
  -- before nulls are added, so that paths are those of the schema as it was written
  local problems = M.problems(root, label)
  if problems then return nil, problems[1] end
  for _, place in ipairs(optional) do
    place.properties[place.name] = nullable(place.properties[place.name], root)
  end
  -- a reference may have led into a part that was rewritten
  local problem = form.problems(root, label)
  if problem then return nil, problem end
  return root
end

return M
