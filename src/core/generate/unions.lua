-- The one type for values of several types.

local lists = require "generate.lists"
local node = require "generate.nodes"
local report = require "generate.report"

local add_once, contains, sorted_keys = lists.add_once, lists.contains, lists.sorted_keys
local fail, within = report.fail, report.within
local ANY, NULL, FREE = node.ANY, node.NULL, node.FREE

local M = {}

local union

-- The one value that a struct's field can have, if the field must be there.
local function tag_value(n, wire)
  local field = n.fields[wire]
  if field and field.required and field.type.kind == "ENUM" and #field.type.values == 1 then
    return field.type.values[1]
  end
end

-- The variants that a wire name tells apart, or nil.
local function variants_by(structs, wire)
  local variants, seen = {}, {}
  for i, n in ipairs(structs) do
    local value = tag_value(n, wire)
    if not value or seen[value] then return nil end
    seen[value] = true
    variants[i] = { value = value, type = n }
  end
  return variants
end

local function find_tag(structs)
  local tag, variants
  for _, wire in ipairs(sorted_keys(structs[1].fields)) do
    local found = variants_by(structs, wire)
    if found and tag then fail("a union with two tags, '%s' and '%s'", tag, wire) end
    if found then tag, variants = wire, found end
  end
  return tag, variants
end

local function merge_field(a, b)
  if not a or not b then
    local field = a or b
    return { type = field.type, required = false, nullable = field.nullable, default = field.default }
  end
  local merged, nullable = union { a.type, b.type }
  nullable = nullable or a.nullable or b.nullable
  local default = a.default == b.default and a.default or nil
  return { type = merged, required = a.required and b.required, nullable = nullable, default = default }
end

-- One struct for values of either; a field that both have holds either's values.
local function merge_structs(a, b)
  local fields = {}
  for wire in pairs(a.fields) do fields[wire] = true end
  for wire in pairs(b.fields) do fields[wire] = true end
  for _, wire in ipairs(sorted_keys(fields)) do
    fields[wire] = within(wire, merge_field, a.fields[wire], b.fields[wire])
  end
  return node.struct(fields, a.open or b.open)
end

-- Whether the one member of a struct tells which of a union's variants it is: { readOnly = { … } }.
local function is_single(n)
  local name, field = next(n.fields)
  return n.single or name ~= nil and next(n.fields, name) == nil and field.required and not n.open
end

local function union_structs(structs)
  if #structs == 1 then return structs[1] end
  local tag, variants = find_tag(structs)
  if tag then return node.tagged(tag, variants) end
  local merged, single = structs[1], is_single(structs[1])
  for i = 2, #structs do
    merged = merge_structs(merged, structs[i])
    single = single and is_single(structs[i])
  end
  return single and node.struct(merged.fields, false, true) or merged
end

local UNION = {} -- by JSON kind: the one type for values of several

function UNION.boolean() return node.BOOLEAN end

function UNION.number(nodes) return #nodes == 1 and nodes[1] or node.NUMBER end

function UNION.string(nodes)
  local values = {}
  for _, n in ipairs(nodes) do
    if n == node.STRING then return node.STRING end
    for _, value in ipairs(n.values) do add_once(values, value) end
  end
  return node.enum(values)
end

-- Null in elements can't be said with a flag as it is with fields.
function M.element_of(n, nullable)
  if nullable and n ~= ANY and n ~= NULL then return node.choice { n, NULL } end
  return n
end

local function union_elements(nodes)
  local elements = {}
  for i, n in ipairs(nodes) do elements[i] = n.element end
  return M.element_of(union(elements))
end

function UNION.array(nodes) return node.array(union_elements(nodes)) end

function UNION.object(nodes)
  local structs, maps, free = {}, {}, false
  for _, n in ipairs(nodes) do
    if n == FREE then free = true
    elseif n.kind == "MAP" then maps[#maps + 1] = n
    elseif n.kind == "STRUCT" then add_once(structs, n)
    else
      for _, variant in ipairs(n.variants) do add_once(structs, variant.type) end
    end
  end
  if #maps > 0 and (#structs > 0 or free) then fail("a union of a map and other objects") end
  if #maps > 0 then return node.map(union_elements(maps)) end
  if #structs == 0 then return FREE end
  if free then structs[#structs + 1] = node.struct({}, true) end
  return union_structs(structs)
end

local JSON_KIND = {
  BOOLEAN = "boolean", INTEGER = "number", NUMBER = "number", STRING = "string", ENUM = "string", ARRAY = "array",
  MAP = "object", STRUCT = "object", TAGGED = "object", FREE = "object",
}
local JSON_KINDS = { "boolean", "number", "string", "array", "object" }

-- Sorts nodes by what JSON kind their values are. Answers the groups, and whether null is among them.
local function group(nodes, groups)
  local nullable = false
  for _, n in ipairs(nodes) do
    if n == NULL then nullable = true
    elseif n.kind == "CHOICE" then nullable = group(n.alternatives, groups) or nullable
    else
      local kind = JSON_KIND[n.kind]
      groups[kind] = groups[kind] or {}
      add_once(groups[kind], n)
    end
  end
  return nullable
end

-- The type of values that are of any of the types: node, whether null is one.
function union(nodes)
  if contains(nodes, ANY) then
    if node.has_names { alternatives = nodes } then fail("a union of free-form JSON and a type with names") end
    return ANY, true
  end
  local groups = {}
  local nullable = group(nodes, groups)
  local alternatives = {}
  for _, kind in ipairs(JSON_KINDS) do
    if groups[kind] then alternatives[#alternatives + 1] = UNION[kind](groups[kind]) end
  end
  if #alternatives == 0 then return NULL, true end
  if #alternatives == 1 then return alternatives[1], nullable end
  return node.choice(alternatives), nullable
end

M.union = union

return M
