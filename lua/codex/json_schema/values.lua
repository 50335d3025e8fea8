--- JSON values, as `codex.json.decode` makes them: their types, when they are equal, and how messages show them.

local core = require "codex.core"

require "codex.interpreted"()

local M = {}

local null, array_mark = core.null, core.array_mark

--- The JSON type of a value; the Lua type of what isn't JSON.
---@param value any
---@return string
function M.kind_of(value)
  local kind = type(value)
  if kind == "table" then
    return (value[1] ~= nil or getmetatable(value) == array_mark) and "array" or "object"
  end
  return value == null and "null" or kind
end

--- The start of a text that is too long for a message, without half a character at its end.
---@param text string
---@param limit integer bytes
---@return string
function M.shortened(text, limit)
  if #text <= limit then return text end
  while limit > 0 and text:byte(limit + 1) >= 0x80 and text:byte(limit + 1) < 0xC0 do
    limit = limit - 1
  end
  return text:sub(1, limit) .. "…"
end

--- The types of JSON Schema, with their articles.
M.types = {
  array = "an array",
  boolean = "a boolean",
  integer = "an integer",
  null = "null",
  number = "a number",
  object = "an object",
  string = "a string",
}

--- A value as messages show it.
---@param value any
---@return string
function M.shown(value)
  local kind = M.kind_of(value)
  if kind == "string" then return '"' .. M.shortened(value, 60):gsub("%c", " ") .. '"' end
  if kind == "number" or kind == "boolean" then return tostring(value) end
  if type(value) == "table" and next(value) == nil then return "an empty " .. kind end
  return M.types[kind] or "a " .. kind
end

--- `expected an integer, got "x"`
---@param what string
---@param value any
---@return string
function M.expected(what, value)
  return ("expected %s, got %s"):format(what, M.shown(value))
end

--- A name as messages show it.
---@param name string
---@return string
function M.quoted(name)
  return "'" .. M.shortened(name, 60):gsub("%c", " ") .. "'"
end

--- A step of a path, as Lua would write it.
---@param key string|integer
---@return string
function M.step(key)
  if type(key) == "number" then return ("[%d]"):format(key) end
  if key:find "^[%a_$][%w_]*$" and #key <= 60 then return "." .. key end
  return "[" .. M.shown(key) .. "]"
end

--- A message and where it belongs: `people[2].age: …`
---@param path string
---@param reason string
---@return string
function M.located(path, reason)
  path = path:gsub("^%.", "")
  return path == "" and reason or path .. ": " .. reason
end

--- The names in a table, in order: a table has none, and what is told of one should.
---@param map table
---@return string[]
function M.sorted_keys(map)
  local keys = {}
  for key in next, map do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

--- Whether two values are the same JSON, at any depth: 1 is 1.0, and an empty array is no empty object.
---@param a any
---@param b any
---@return boolean
function M.equal(a, b)
  if a == b then return true end
  if type(a) ~= "table" or type(b) ~= "table" or M.kind_of(a) ~= M.kind_of(b) then return false end
  for key, value in next, a do
    if b[key] == nil or not M.equal(value, b[key]) then return false end
  end
  for key in next, b do
    if a[key] == nil then return false end
  end
  return true
end

local function number_text(number)
  if number % 1 == 0 and number >= -2 ^ 63 and number < 2 ^ 63 then return ("%d"):format(number) end
  return ("%.17g"):format(number)
end

--- A text that equal values share and no others, so that many can be compared in one go.
---@param value any
---@return string
function M.canonical(value)
  local kind = M.kind_of(value)
  if kind == "number" then return number_text(value) end
  if kind == "string" then return #value .. '"' .. value end
  local parts = {}
  if kind == "array" then
    for index, item in ipairs(value) do
      parts[index] = M.canonical(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  elseif kind == "object" then
    for index, key in ipairs(M.sorted_keys(value)) do
      parts[index] = M.canonical(key) .. ":" .. M.canonical(value[key])
    end
    return "{" .. table.concat(parts, ",") .. "}"
  end
  return tostring(value)
end

return M
