-- Schemas to nodes, the types of the tables to be.

local cjson = require "cjson"
local forms = require "generate.forms"
local lists = require "generate.lists"
local node = require "generate.nodes"
local report = require "generate.report"
local unions = require "generate.unions"

local allows_all, is_object, only = forms.allows_all, forms.is_object, forms.only
local fail, within = report.fail, report.within
local element_of, union = unions.element_of, unions.union

local M = {}

local Compiler = {}
Compiler.__index = Compiler

--- A compiler for what a bundle defines.
function M.new(bundle)
  return setmetatable({ bundle = bundle, compiled = {}, in_progress = {}, free_form_seen = {} }, Compiler)
end

function Compiler:reference(ref)
  local schema, name = self.bundle:resolve(ref)
  if forms.FREE_FORM[name] then
    self.free_form_seen[name] = true
    return node.ANY, false
  end
  if self.in_progress[ref] then fail("'%s' contains itself: tables for that are not made yet", ref) end
  local compiled = self.compiled
  if not compiled[ref] then
    self.in_progress[ref] = true
    local n, nullable = within(name, self.schema, self, schema)
    self.in_progress[ref] = nil
    node.label(n, name)
    compiled[ref] = { n, nullable }
  end
  return compiled[ref][1], compiled[ref][2]
end

function Compiler:struct(schema)
  local fields = {}
  for _, wire in ipairs(lists.sorted_keys(schema.properties or {})) do
    local n, nullable = within(wire, self.schema, self, schema.properties[wire])
    fields[wire] = {
      type = n, required = false, nullable = nullable, default = forms.default(schema.properties[wire]),
    }
  end
  for _, wire in ipairs(schema.required or {}) do
    if not fields[wire] then fail("'%s' is required, but not described", wire) end
    fields[wire].required = true
  end
  local additional = schema.additionalProperties
  if is_object(additional) then fail("described members, and a type for others") end
  return node.struct(fields, additional == true)
end

function Compiler:object(schema)
  only(schema, "type", "properties", "required", "additionalProperties")
  local additional = schema.additionalProperties
  if next(schema.properties or {}) ~= nil or additional == false then return self:struct(schema) end
  if is_object(additional) then return node.map(element_of(within("*", self.schema, self, additional))) end
  return node.FREE
end

function Compiler:array(schema)
  only(schema, "type", "items")
  local items = schema.items
  if items == nil then return node.array(node.ANY) end
  if is_object(items) and items[1] then fail("an array with a type for each place") end
  return node.array(element_of(within("[]", self.schema, self, items)))
end

function Compiler:type(schema, type_name)
  if type_name == "object" then return self:object(schema), false end
  if type_name == "array" then return self:array(schema), false end
  if not node.SIMPLE[type_name] then fail("unknown type '%s'", tostring(type_name)) end
  if schema.type == type_name then only(schema, "type") end
  return node.SIMPLE[type_name], type_name == "null"
end

-- ["string", "null"]
function Compiler:types(schema)
  local nodes = {}
  only(schema, "type", "items", "properties", "required", "additionalProperties")
  for i, type_name in ipairs(schema.type) do nodes[i] = self:type(schema, type_name) end
  return union(nodes)
end

local function compile_enum(schema)
  only(schema, "type", "enum", "const")
  if schema.type and schema.type ~= "string" then fail("an enumeration of type %s", cjson.encode(schema.type)) end
  return node.enum(schema.enum or { schema.const }), false
end

-- Fields that stand next to a union are every alternative's.
local function with_base(base, n)
  if n.kind == "STRUCT" then
    local fields = {}
    for wire, field in pairs(base.fields) do fields[wire] = field end
    for wire, field in pairs(n.fields) do
      if fields[wire] and fields[wire].type ~= field.type then fail("'%s' is described twice", wire) end
      fields[wire] = field
    end
    return node.struct(fields, base.open or n.open)
  end
  if n.kind ~= "TAGGED" then fail("fields next to a union of something else than objects") end
  local variants = {}
  for i, variant in ipairs(n.variants) do
    variants[i] = { value = variant.value, type = with_base(base, variant.type) }
  end
  return node.tagged(n.tag, variants)
end

function Compiler:union(schema)
  local list = schema.oneOf or schema.anyOf
  only(schema, schema.oneOf and "oneOf" or "anyOf", "type", "properties", "required", "additionalProperties")
  if schema.type and schema.type ~= "object" then fail("a union with a type of its own") end
  local nodes = {}
  for i, alternative in ipairs(list) do
    local n, nullable = within("|" .. i, self.schema, self, alternative)
    nodes[#nodes + 1] = n
    if nullable and n ~= node.ANY then nodes[#nodes + 1] = node.NULL end
  end
  local n, nullable = union(nodes)
  if schema.properties or schema.type then n = with_base(self:struct(schema), n) end
  return n, nullable
end

--- The node for a schema, and whether null is allowed.
function Compiler:schema(schema)
  if allows_all(schema) then return node.ANY, true end
  if schema["$ref"] then
    only(schema, "$ref")
    return self:reference(schema["$ref"])
  end
  if schema.allOf then
    only(schema, "allOf")
    if #schema.allOf ~= 1 then fail("allOf of %d schemas", #schema.allOf) end
    return self:schema(schema.allOf[1])
  end
  if schema.enum or schema.const then return compile_enum(schema) end
  if schema.oneOf or schema.anyOf then return self:union(schema) end
  if is_object(schema.type) then return self:types(schema) end
  return self:type(schema, schema.type)
end

local EMPTY = node.struct({}, false)
EMPTY.label = "no members"

--- What a method sends or gets. A bare object is a struct which has no members yet, not free-form JSON.
---@param ref string
function Compiler:message(ref)
  if forms.is_bare(self.bundle:resolve(ref)) then return EMPTY end
  return (self:reference(ref))
end

--- Fails if what we say of free-form definitions isn't true any more.
function Compiler:check_free_form()
  for _, name in ipairs(lists.sorted_keys(forms.FREE_FORM)) do
    if not self.free_form_seen[name] then fail("FREE_FORM has '%s', the schema has not", name) end
  end
end

return M
