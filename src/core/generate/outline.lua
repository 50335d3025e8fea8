-- The protocol as people read it: methods and named types with their descriptions. nodes.lua has what machines need of
-- the same schema, where equal types are one and alternatives are merged; here each keeps its name.
--
-- A shape is one of
--   { kind = "any" }, { kind = "object" } (free-form), "null", "boolean", "integer", "number", "string"
--   { kind = "ref", name = a type's name }
--   { kind = "enum", values = { { value =, description = }, … } }
--   { kind = "array" or "map", element = shape, nullable = whether an element may be null }
--   { kind = "struct", fields = { field, … } by wire name, open = whether others are allowed, key = what tells it from
--     the other alternatives of a union }
--   { kind = "union", list = shapes }: structs that have a key, one enum at most, and others
--   { kind = "unknown", text = JSON }: a form of schema that nothing here knows
-- with `description` where the schema has one. A field: { wire =, shape =, required =, nullable =, default = JSON text,
-- description =, deprecated = }.

local forms = require "generate.forms"
local json = require "generate.json"
local report = require "generate.report"

local fail = report.fail

local M = {}

local Reader = {}
Reader.__index = Reader

local SIMPLE = { null = true, boolean = true, integer = true, number = true, string = true }

-- ---- structs ----

local function sorted_by_wire(fields)
  table.sort(fields, function(a, b) return a.wire < b.wire end)
  return fields
end

local function field_of(struct, wire)
  for _, field in ipairs(struct.fields) do
    if field.wire == wire then return field end
  end
end

function Reader:field(wire, schema, required)
  local shape, nullable = self:shape(schema)
  local is_object = forms.is_object(schema)
  return {
    wire = wire, shape = shape, required = required, nullable = nullable,
    default = forms.default(schema), description = is_object and schema.description or nil,
    deprecated = is_object and schema.deprecated or nil,
  }
end

function Reader:struct(schema)
  local required, fields = {}, {}
  for _, wire in ipairs(schema.required or {}) do required[wire] = true end
  for wire, member in pairs(schema.properties or {}) do
    fields[#fields + 1] = self:field(wire, member, required[wire] or false)
  end
  local open = schema.additionalProperties == true
  return { kind = "struct", fields = sorted_by_wire(fields), open = open, description = schema.description }
end

function Reader:object(schema)
  local additional = schema.additionalProperties
  if next(schema.properties or {}) ~= nil or additional == false then return self:struct(schema) end
  if not forms.is_object(additional) then return { kind = "object" } end
  local element, nullable = self:shape(additional)
  return { kind = "map", element = element, nullable = nullable }
end

function Reader:array(schema)
  local element, nullable = { kind = "any" }, false
  if schema.items ~= nil then element, nullable = self:shape(schema.items) end
  return { kind = "array", element = element, nullable = nullable }
end

function Reader:type(schema, type_name)
  if type_name == "object" then return self:object(schema) end
  if type_name == "array" then return self:array(schema) end
  if SIMPLE[type_name] then return { kind = type_name } end
  return { kind = "unknown", text = json.canonical(schema) }
end

-- ---- unions ----

-- The wire name of the member that tells all structs apart by its one value, or nil.
local function find_tag(structs)
  for _, field in ipairs(structs[1].fields) do
    local seen, count = {}, 0
    for _, struct in ipairs(structs) do
      local other = field_of(struct, field.wire)
      local values = other and other.required and other.shape.kind == "enum" and other.shape.values or {}
      if #values == 1 and not seen[values[1].value] then
        seen[values[1].value], count = true, count + 1
      end
    end
    if count == #structs then return field.wire end
  end
end

-- The first member, by name, that none of the other structs has.
local function own_member(struct, structs)
  for _, field in ipairs(struct.fields) do
    local holders = 0
    for _, other in ipairs(structs) do
      if field_of(other, field.wire) then holders = holders + 1 end
    end
    if holders == 1 then return field.wire end
  end
end

local function set_keys(structs)
  local tag = #structs > 0 and find_tag(structs)
  for i, struct in ipairs(structs) do
    struct.key = tag and field_of(struct, tag).shape.values[1].value or own_member(struct, structs) or tostring(i)
  end
end

-- One struct with the members of all; only what all require is required.
local function merged(structs)
  local fields, by_wire = {}, {}
  for _, struct in ipairs(structs) do
    for _, field in ipairs(struct.fields) do
      if not by_wire[field.wire] then
        local copy = {}
        for key, value in pairs(field) do copy[key] = value end
        by_wire[field.wire] = copy
        fields[#fields + 1] = copy
      end
    end
  end
  for _, field in ipairs(fields) do
    for _, struct in ipairs(structs) do
      local own = field_of(struct, field.wire)
      field.required = field.required and own ~= nil and own.required
    end
  end
  return { kind = "struct", fields = sorted_by_wire(fields), open = false }
end

-- Members that stand next to a union belong to every alternative. Where no tag tells those apart, one struct says it
-- more simply.
local function with_base(base, structs)
  for _, struct in ipairs(structs) do
    for _, field in ipairs(base.fields) do
      if not field_of(struct, field.wire) then struct.fields[#struct.fields + 1] = field end
    end
    sorted_by_wire(struct.fields)
  end
  if find_tag(structs) then return structs end
  return { merged(structs) }
end

-- What a union is made of, by kind: structs, one enumeration for all the values, the others; whether null is in it.
function Reader:parts(alternatives)
  local parts = { structs = {}, others = {}, nullable = false }
  local function add(shape)
    if shape.kind == "null" then parts.nullable = true
    elseif shape.kind == "union" then for _, part in ipairs(shape.list) do add(part) end
    elseif shape.kind == "struct" then parts.structs[#parts.structs + 1] = shape
    elseif shape.kind == "enum" then
      parts.enum = parts.enum or { kind = "enum", values = {} }
      table.move(shape.values, 1, #shape.values, #parts.enum.values + 1, parts.enum.values)
    else parts.others[#parts.others + 1] = shape end
  end
  for _, alternative in ipairs(alternatives) do
    local shape, nullable = self:shape(alternative)
    add(shape)
    parts.nullable = parts.nullable or nullable
  end
  return parts
end

function Reader:union(schema)
  local parts = self:parts(schema.oneOf or schema.anyOf)
  local structs = parts.structs
  if schema.properties and #structs > 0 then structs = with_base(self:struct(schema), structs) end
  set_keys(structs)
  local list = parts.enum and { parts.enum } or {}
  table.move(structs, 1, #structs, #list + 1, list)
  table.move(parts.others, 1, #parts.others, #list + 1, list)
  if #list == 0 then return { kind = "null" }, true end
  if #list == 1 then
    list[1].description = schema.description or list[1].description
    return list[1], parts.nullable
  end
  return { kind = "union", list = list, description = schema.description }, parts.nullable
end

-- ---- any schema ----

local function enum(schema)
  local values = {}
  for i, value in ipairs(schema.enum or { schema.const }) do values[i] = { value = value } end
  if #values == 1 then values[1].description = schema.description end
  return { kind = "enum", values = values, description = schema.description }
end

function Reader:type_list(schema)
  local alternatives = {}
  for i, type_name in ipairs(schema.type) do
    local alternative = {}
    for key, value in pairs(schema) do alternative[key] = value end
    alternative.type, alternative.description = type_name, nil
    alternatives[i] = alternative
  end
  return self:union { anyOf = alternatives, description = schema.description }
end

-- What a definition says; a few are in the schema twice, once with a title.
local function text_of(schema)
  local copy = {}
  for keyword, value in pairs(schema) do copy[keyword] = value end
  copy.title, copy["$schema"] = nil, nil
  return json.canonical(copy)
end

function Reader:reference(ref)
  local schema, name = self.bundle:resolve(ref)
  if forms.FREE_FORM[name] then return { kind = "object" }, false end
  local definition = self.types[name]
  if not definition then
    definition = { name = name, text = text_of(schema) }
    self.types[name] = definition
    self:define(definition, schema)
  elseif definition.text ~= text_of(schema) then
    fail("two different definitions of '%s'", name)
  end
  return { kind = "ref", name = name }, definition.nullable or false
end

function Reader:define(definition, schema)
  definition.deprecated = schema.deprecated
  definition.description = schema.description
  if forms.is_bare(schema) then
    definition.shape = { kind = "struct", fields = {}, open = false }
  else
    definition.shape, definition.nullable = self:shape(schema)
  end
end

--- The shape that a schema describes, and whether null is allowed besides.
function Reader:shape(schema)
  if forms.allows_all(schema) then return { kind = "any" }, false end
  if not forms.is_known(schema) then return { kind = "unknown", text = json.canonical(schema) }, false end
  if schema["$ref"] then return self:reference(schema["$ref"]) end
  if schema.allOf then return self:shape(schema.allOf[1]) end
  if schema.enum or schema.const then return enum(schema), false end
  if schema.oneOf or schema.anyOf then return self:union(schema) end
  if forms.is_object(schema.type) then return self:type_list(schema) end
  return self:type(schema, schema.type), schema.type == "null"
end

-- ---- the whole ----

--- The outline of what methods send and get:
---   methods  list of { name =, lua_name =, kind =, params =, result =, description = }; params and result are names of
---            types, or nil
---   types    by name { name =, shape =, nullable =, description =, deprecated = }
---@param bundle table
---@param methods table[] as generate.methods reads them
function M.read(bundle, methods)
  local reader = setmetatable({ bundle = bundle, types = {} }, Reader)
  local outline = { methods = {}, types = reader.types }
  for i, method in ipairs(methods) do
    outline.methods[i] = {
      name = method.name, lua_name = method.lua_name, kind = method.kind, description = method.description,
      params = method.params and reader:reference(method.params).name,
      result = method.result and reader:reference(method.result).name,
    }
  end
  return outline
end

return M
