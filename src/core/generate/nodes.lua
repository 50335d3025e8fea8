-- Types of the tables to be. Equal types are one node: nodes are interned by a key made of their parts.
-- node.id is for keys only; numbers in the output are given later, to what methods reach.

local lists = require "generate.lists"
local names = require "generate.names"
local report = require "generate.report"

local fail, sorted_keys = report.fail, lists.sorted_keys

local M = {}

local interned, node_count = {}, 0

local function node(kind, parts, fields)
  local key = kind .. "(" .. table.concat(parts, ",") .. ")"
  if not interned[key] then
    fields.kind = kind
    node_count = node_count + 1
    fields.id = node_count
    interned[key] = fields
  end
  return interned[key]
end

for _, kind in ipairs { "ANY", "NULL", "BOOLEAN", "INTEGER", "NUMBER", "STRING" } do M[kind] = node(kind, {}, {}) end
-- A free-form object. It ends up as a map of ANY, but in a union with structs it makes the struct open.
M.FREE = node("FREE", {}, {})

-- By the schema's word.
M.SIMPLE = { null = M.NULL, boolean = M.BOOLEAN, integer = M.INTEGER, number = M.NUMBER, string = M.STRING }

-- Names of simple types say nothing.
function M.label(n, name)
  if n.id > M.FREE.id then n.label = n.label or name end
end

function M.enum(values)
  local parts = {}
  for i, value in ipairs(values) do
    if type(value) ~= "string" then fail("an enumeration value that is no string: %s", tostring(value)) end
    parts[i] = #value .. ":" .. value
  end
  return node("ENUM", parts, { values = values })
end

function M.array(element) return node("ARRAY", { element.id }, { element = element }) end

function M.map(element) return node("MAP", { element.id }, { element = element }) end

-- fields: wire name -> { type =, required =, nullable =, default = JSON text or nil }. single: exactly one of them must
-- be there.
function M.struct(fields, open, single)
  local parts, list, by_name = { tostring(open), single and "single" or "" }, {}, {}
  for i, wire in ipairs(sorted_keys(fields)) do
    local field, name = fields[wire], names.snake(wire)
    if by_name[name] then fail("'%s' and '%s' are both called '%s'", by_name[name], wire, name) end
    by_name[name] = wire
    list[i] = {
      wire = wire, name = name, type = field.type, required = field.required, nullable = field.nullable,
      default = field.default,
    }
    parts[#parts + 1] = table.concat({
      wire, field.type.id, tostring(field.required), tostring(field.nullable), field.default or "",
    }, " ")
  end
  return node("STRUCT", parts, { fields = fields, list = list, open = open, single = single })
end

-- variants: a list of { value =, type = a struct }
function M.tagged(tag, variants)
  local parts = { tag }
  for i, variant in ipairs(variants) do parts[i + 1] = variant.value .. " " .. variant.type.id end
  return node("TAGGED", parts, { tag = tag, variants = variants })
end

function M.choice(alternatives)
  local parts = {}
  for i, alternative in ipairs(alternatives) do parts[i] = alternative.id end
  return node("CHOICE", parts, { alternatives = alternatives })
end

-- Whether names are translated anywhere in values of this type.
function M.has_names(n)
  if n.kind == "STRUCT" or n.kind == "TAGGED" then return true end
  if n.element then return M.has_names(n.element) end
  for _, alternative in ipairs(n.alternatives or {}) do
    if M.has_names(alternative) then return true end
  end
  return false
end

return M
