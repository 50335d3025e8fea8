--- `-c key=value` overrides out of Lua tables. Values are TOML.

local core = require "codex.core"
local errors = require "codex.error"

require "codex.interpreted"()

local M = {}

local to_toml

local function is_bare(key)
  return key:match "^[%w_-]+$" ~= nil
end

-- JSON's escapes are TOML's, but for the delete character, which TOML wants escaped.
local function quote(text)
  local json, message = core.json_encode(text)
  if not json then errors.argument("codex.new.config_overrides: " .. message) end
  return (json:gsub("\127", "\\u007F"))
end

-- The largest index: what follows a gap counts too, which the length operator leaves to chance.
local function length_of(list)
  local length = 0
  for key in pairs(list) do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then
      errors.argument(("codex.new.config_overrides: '%s' can't stand in a list"):format(tostring(key)))
    end
    length = math.max(length, key)
  end
  return length
end

local function list_to_toml(list)
  local parts = {}
  for index = 1, length_of(list) do
    parts[index] = to_toml(list[index])
  end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function sorted_pairs(map)
  local keys = {}
  for key in pairs(map) do
    if type(key) ~= "string" then
      errors.argument "codex.new.config_overrides: a table is either a list or has only strings as keys"
    end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  local index = 0
  return function()
    index = index + 1
    return keys[index], map[keys[index]]
  end
end

local function table_to_toml(map)
  local parts = {}
  for key, value in sorted_pairs(map) do
    parts[#parts + 1] = (is_bare(key) and key or quote(key)) .. " = " .. to_toml(value)
  end
  return "{" .. table.concat(parts, ", ") .. "}"
end

to_toml = function(value)
  local kind = type(value)
  if kind == "string" then return quote(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "number" then
    return core.json_encode(value) or errors.argument "codex.new.config_overrides: a number must be finite"
  end
  if kind ~= "table" then errors.argument("codex.new.config_overrides: a " .. kind .. " can't be written") end
  if #value > 0 or getmetatable(value) == core.array_mark then return list_to_toml(value) end
  return table_to_toml(value)
end

-- A table under a key becomes one override for each member, so that it adds to the user's own configuration; it is
-- written as a whole only where a key inside can't be part of a dotted path.
local function add(overrides, path, value)
  local flat = type(value) == "table" and #value == 0 and next(value) ~= nil
  for key in pairs(flat and value or {}) do
    flat = flat and type(key) == "string" and is_bare(key)
  end
  if not flat then
    overrides[#overrides + 1] = path .. "=" .. to_toml(value)
    return
  end
  for key, member in sorted_pairs(value) do
    add(overrides, path .. "." .. key, member)
  end
end

--- The list of `key=value` strings.
---@param overrides table<string, any>|string[]|nil
---@return string[]?
function M.overrides(overrides)
  if overrides == nil then return nil end
  if type(overrides) ~= "table" then
    errors.argument("codex.new.config_overrides: expected a table, got " .. type(overrides))
  end
  local list = {}
  if #overrides > 0 then
    for index = 1, length_of(overrides) do
      local override = overrides[index]
      if type(override) ~= "string" or not override:find("=", 2, true) then
        errors.argument(('codex.new.config_overrides[%d]: expected "key=value"'):format(index))
      end
      list[index] = override
    end
    return list
  end
  for key, value in sorted_pairs(overrides) do
    add(list, key, value)
  end
  return list
end

return M
