-- Writes LuaCATS declarations of an outline's types.

local docs = require "generate.docs"
local names = require "generate.names"
local report = require "generate.report"

local fail, within = report.fail, report.within

local M = {}

-- The protocol's types, apart from those of the module itself (codex.Thread, codex.Turn, …).
local PREFIX = "codex.protocol."

-- Names that a field can only have in brackets: Lua's reserved words, and those for who may see a field.
local RESERVED = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then true
  until while package private protected public]]):gmatch "%a+" do
  RESERVED[word] = true
end

local LONGEST_ASIDE = 160 -- characters of a description that has to be on the line of what it describes

local Writer = {}
Writer.__index = Writer

local function add_field_names(shape, into)
  for _, field in ipairs(shape.fields or {}) do
    into[field.wire] = names.snake(field.wire)
    add_field_names(field.shape, into)
  end
  for _, part in ipairs(shape.list or { shape.element }) do add_field_names(part, into) end
end

local function remove_values(shape, from)
  for _, value in ipairs(shape.values or {}) do from[value.value] = nil end
  for _, field in ipairs(shape.fields or {}) do remove_values(field.shape, from) end
  for _, part in ipairs(shape.list or { shape.element }) do remove_values(part, from) end
end

-- What is called differently in Lua, by wire name; what is a value as well is left out, since values stay as they are.
local function lua_names(outline)
  local known = {}
  for _, definition in pairs(outline.types) do add_field_names(definition.shape, known) end
  for _, definition in pairs(outline.types) do remove_values(definition.shape, known) end
  return known
end

--- A writer for declarations of an outline.
function M.new(outline)
  return setmetatable({ outline = outline, lua_names = lua_names(outline), lines = {}, declared = {} }, Writer)
end

-- ---- text ----

--- Adds a line: a format, if there is anything to fill in.
function Writer:line(format, ...)
  self.lines[#self.lines + 1] = select("#", ...) > 0 and format:format(...) or format
end

--- Adds what the schema says of something, as a comment.
---@param about { description?: string, default?: string, deprecated?: boolean, lead?: string }
function Writer:comment(about)
  local words = {}
  words[#words + 1] = about.deprecated and "Deprecated." or nil
  words[#words + 1] = docs.prose(about.description, self.lua_names)
  words[#words + 1] = docs.default(about.default)
  if about.lead then table.insert(words, 1, about.lead .. (#words > 0 and ":" or "")) end
  if #words == 0 then return end
  for _, line in ipairs(docs.comment(table.concat(words, " "))) do self:line(line) end
end

--- Begins the declaration of a name.
function Writer:open(name, about)
  if self.declared[name] then fail("two types called '%s'", name) end
  self.declared[name] = true
  self:line ""
  self:comment(about)
end

-- ---- how a type is written ----

local EXPRESSION = {} -- by kind of shape

for _, kind in ipairs { "any", "boolean", "integer", "number", "string" } do
  EXPRESSION[kind] = function() return kind end
end

EXPRESSION["null"] = function() return "nil" end

function EXPRESSION.object() return "table<string, any>" end

function EXPRESSION.ref(_, shape) return PREFIX .. shape.name end

function EXPRESSION.enum(_, shape)
  local values = {}
  for i, value in ipairs(shape.values) do values[i] = ("%q"):format(value.value) end
  return table.concat(values, "|")
end

-- No table holds nil: null among elements is codex.null.
local function element_of(writer, shape, name)
  return writer:expression(shape.element, name) .. (shape.nullable and "|lightuserdata" or "")
end

function EXPRESSION.array(writer, shape, name)
  local element = element_of(writer, shape, name)
  return element:find("|", 1, true) and "(" .. element .. ")[]" or element .. "[]"
end

function EXPRESSION.map(writer, shape, name)
  return ("table<string, %s>"):format(element_of(writer, shape, name))
end

-- A struct inside of something is a class that is written after it.
function EXPRESSION.struct(writer, shape, name)
  writer.pending[#writer.pending + 1] = { name = name, shape = shape }
  return name
end

local function name_within(name, shape)
  return shape.key and name .. "." .. names.pascal(shape.key) or name
end

function EXPRESSION.union(writer, shape, name)
  local alternatives = {}
  for i, alternative in ipairs(shape.list) do
    alternatives[i] = writer:expression(alternative, name_within(name, alternative))
  end
  return table.concat(alternatives, "|")
end

--- How a type is written. A struct in it is called `name`, or `name.Variant`.
function Writer:expression(shape, name)
  local expression = EXPRESSION[shape.kind] or fail("unknown form of schema: %s", shape.text)
  return expression(self, shape, name)
end

--- How a type of the protocol is called; without a name, it is free-form.
function M.type_name(name) return name and PREFIX .. name or "table<string, any>" end

-- ---- declarations ----

function Writer:field(field, owner)
  local name = names.snake(field.wire)
  local optional = (not field.required or field.nullable) and "?" or ""
  local expression = self:expression(field.shape, owner .. "." .. names.pascal(name))
  self:comment(field)
  self:line("---@field %s%s %s", RESERVED[name] and ('["%s"]'):format(name) or name, optional, expression)
end

function Writer:class(name, shape, about)
  self:open(name, about)
  self:line("---@class %s", name)
  for _, field in ipairs(shape.fields) do within(field.wire, self.field, self, field, name) end
  if shape.open then self:line "---@field [string] any" end
end

--- One line of an alias: a type or value, and what it means.
function Writer:alternative(expression, description)
  local prose = docs.prose(description, self.lua_names, LONGEST_ASIDE)
  self:line("---| %s%s", expression, prose and " # " .. prose or "")
end

function Writer:alias(name, shape, about)
  self:open(name, about)
  if shape.kind ~= "enum" and shape.kind ~= "union" then
    self:line("---@alias %s %s", name, self:expression(shape, name))
    return
  end
  self:line("---@alias %s", name)
  for _, part in ipairs(shape.list or { shape }) do
    for _, value in ipairs(part.values or {}) do
      self:alternative(("%q"):format(value.value), value.description)
    end
    if not part.values then self:alternative(self:expression(part, name_within(name, part))) end
  end
end

-- The classes that what was written last has inside.
function Writer:write_pending()
  while #self.pending > 0 do
    local inner = table.remove(self.pending, 1)
    within(inner.name, self.class, self, inner.name, inner.shape, { description = inner.shape.description })
  end
end

--- Declares a named type of the protocol, with what is inside.
function Writer:definition(definition)
  local name, shape = PREFIX .. definition.name, definition.shape
  local about = { description = definition.description or shape.description, deprecated = definition.deprecated }
  self.pending = {}
  if shape.kind == "struct" then self:class(name, shape, about) else self:alias(name, shape, about) end
  self:write_pending()
end

return M
