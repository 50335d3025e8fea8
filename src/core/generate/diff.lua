-- What differs between two outlines of the protocol, as a list to read. All names are those on the wire; descriptions
-- don't count.

local lists = require "generate.lists"

local M = {}

local KIND = {
  CX_METHOD_REQUEST = "request", CX_METHOD_NOTIFY = "client notification", CX_METHOD_NOTIFICATION = "notification",
  CX_METHOD_SERVER_REQUEST = "server request",
}

-- ---- how things are written ----

local write

local WRITE = {} -- by kind of shape

function WRITE.ref(shape) return shape.name end

function WRITE.enum(shape)
  local values = {}
  for i, value in ipairs(shape.values) do values[i] = ("%q"):format(value.value) end
  return table.concat(values, " | ")
end

local function write_element(shape)
  local element = write(shape.element, shape.nullable)
  return element:find("|", 1, true) and "(" .. element .. ")" or element
end

function WRITE.array(shape) return write_element(shape) .. "[]" end

function WRITE.map(shape) return "map of " .. write_element(shape) end

function WRITE.struct(shape)
  local members = {}
  for i, field in ipairs(shape.fields) do members[i] = field.wire .. (field.required and "" or "?") end
  return #members == 0 and "{}" or "{ " .. table.concat(members, ", ") .. " }"
end

function WRITE.union(shape)
  local alternatives = {}
  for i, alternative in ipairs(shape.list) do
    alternatives[i] = (alternative.key and alternative.key .. " " or "") .. write(alternative)
  end
  return table.concat(alternatives, " | ")
end

function WRITE.unknown(shape) return shape.text end

function write(shape, nullable)
  local writer = WRITE[shape.kind]
  return (writer and writer(shape) or shape.kind) .. (nullable and " | null" or "")
end

local function write_field(field)
  local required = field.required and "required" or "optional"
  return ("%s: %s, %s"):format(field.wire, write(field.shape, field.nullable), required)
end

-- ---- sets of things with a name ----

local function by(list, key)
  local map = {}
  for _, element in ipairs(list or {}) do map[element[key]] = element end
  return map
end

-- Calls fn(name, old or nil, new or nil) for every name in either map, in order.
local function each_name(old, new, fn)
  local names = {}
  for name in pairs(old) do names[name] = true end
  for name in pairs(new) do names[name] = true end
  for _, name in ipairs(lists.sorted_keys(names)) do fn(name, old[name], new[name]) end
end

-- ---- shapes ----

local compare

local function at(path, text) return path == "" and text or path .. ": " .. text end

local COMPARE = {} -- by kind of shape, where both are of that kind; the others are compared as they are written

local function compare_fields(say, prefix, old, new)
  if old.required ~= new.required then
    say("~", prefix .. old.wire .. ": now " .. (new.required and "required" or "optional"))
  end
  if old.default ~= new.default then
    say("~", ("%s%s: default %s, was %s"):format(prefix, old.wire, new.default or "none", old.default or "none"))
  end
  compare(say, prefix .. old.wire, old, new)
end

function COMPARE.struct(say, path, old, new)
  local prefix = path == "" and "" or path .. "."
  if old.open ~= new.open then say("~", at(path, new.open and "now open for others" or "now closed for others")) end
  each_name(by(old.fields, "wire"), by(new.fields, "wire"), function(_, a, b)
    if not a then say("+", prefix .. write_field(b))
    elseif not b then say("-", prefix .. write_field(a))
    else compare_fields(say, prefix, a, b) end
  end)
end

function COMPARE.enum(say, path, old, new)
  each_name(by(old.values, "value"), by(new.values, "value"), function(value, a, b)
    if not a then say("+", at(path, ("value %q"):format(value))) end
    if not b then say("-", at(path, ("value %q"):format(value))) end
  end)
end

function COMPARE.array(say, path, old, new)
  compare(say, path .. "[]", { shape = old.element, nullable = old.nullable },
    { shape = new.element, nullable = new.nullable })
end

COMPARE.map = COMPARE.array

-- An alternative's name: what tells a struct from the others, else how it is written.
local function alternatives_of(union)
  local map = {}
  for _, shape in ipairs(union.list) do
    map[shape.key or shape.kind == "enum" and "" or write(shape)] = shape
  end
  return map
end

function COMPARE.union(say, path, old, new)
  each_name(alternatives_of(old), alternatives_of(new), function(name, a, b)
    local whole = name == "" and write(a or b) or name
    if not a then say("+", at(path, "variant " .. whole))
    elseif not b then say("-", at(path, "variant " .. whole))
    else compare(say, name == "" and path or path .. "<" .. name .. ">", { shape = a }, { shape = b }) end
  end)
end

-- What differs between two types: { shape =, nullable = }.
function compare(say, path, old, new)
  local nullable = (old.nullable or false) ~= (new.nullable or false)
  if old.shape.kind == new.shape.kind and COMPARE[old.shape.kind] then
    if nullable then say("~", at(path, new.nullable and "now may be null" or "now is never null")) end
    COMPARE[old.shape.kind](say, path, old.shape, new.shape)
    return
  end
  local before, after = write(old.shape, old.nullable), write(new.shape, new.nullable)
  if before ~= after then say("~", at(path, ("%s, was %s"):format(after, before))) end
end

-- ---- methods and types ----

local function write_signature(method)
  return (method.params or "no params") .. (method.result and " -> " .. method.result or "")
end

local function write_method(method)
  return ("%s (%s): %s"):format(method.name, KIND[method.kind], write_signature(method))
end

local function compare_methods(say, old, new)
  each_name(old, new, function(_, a, b)
    if not a then say("+", write_method(b))
    elseif not b then say("-", write_method(a))
    elseif write_signature(a) ~= write_signature(b) then
      say("~", ("%s, was %s"):format(write_method(b), write_signature(a)))
    end
  end)
end

-- A method's name is unique among those of its kind.
local function methods_of(outline)
  local map = {}
  for _, method in ipairs(outline.methods) do map[method.name .. " " .. method.kind] = method end
  return map
end

local function compare_types(say, old, new, lines)
  each_name(old, new, function(name, a, b)
    if not a then say("+", name .. ": " .. write(b.shape, b.nullable)) end
    if not b then say("-", name) end
    if not a or not b then return end
    local header = #lines + 1
    compare(function(mark, text)
      lines[header] = "  " .. name
      lines[#lines + 1] = ("    %s %s"):format(mark, text)
    end, "", a, b)
  end)
end

-- What compare_all says, under a title.
local function section(lines, title, compare_all, old, new)
  local own = {}
  compare_all(function(mark, text) own[#own + 1] = ("  %s %s"):format(mark, text) end, old, new, own)
  if #own > 0 then lines[#lines + 1] = (#lines > 0 and "\n" or "") .. title end
  table.move(own, 1, #own, #lines + 1, lines)
end

--- What differs between two outlines, as lines; none if nothing does.
---@return string[]
function M.lines(old, new)
  local lines = {}
  section(lines, "Methods", compare_methods, methods_of(old), methods_of(new))
  section(lines, "Types", compare_types, old.types, new.types)
  return lines
end

return M
