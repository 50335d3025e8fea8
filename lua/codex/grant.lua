--- Whether permissions that are granted are those that were asked for, or less.

local core = require "codex.core"

require "codex.interpreted"()

local M = {}

local is_within

-- Whether an absolute path is the other one, or in the folder that it names.
local function is_inside(path, folder)
  if path == folder then return true end
  if type(path) ~= "string" or type(folder) ~= "string" or folder:sub(1, 1) ~= "/" then return false end
  local base = folder:gsub("/+$", "") .. "/"
  return path:sub(1, #base) == base and not (path .. "/"):find "/%.%.?/"
end

local function is_same(one, other)
  if type(one) ~= "table" or type(other) ~= "table" then return one == other end
  for key, value in pairs(one) do
    if not is_same(value, other[key]) then return false end
  end
  for key in pairs(other) do
    if one[key] == nil then return false end
  end
  return true
end

-- Of the ways to name files, only plain paths can be compared.
local function is_place_within(granted, asked)
  if type(granted) ~= "table" or type(asked) ~= "table" then return false end
  if granted.type == "path" and asked.type == "path" then return is_inside(granted.path, asked.path) end
  return is_same(granted, asked)
end

local lesser = { read = { write = true }, deny = { read = true, write = true } }

-- Of the entries that cover a place the narrowest holds.
local function narrowest(place, entries)
  local found
  for _, entry in ipairs(entries) do
    if type(entry) == "table" and is_place_within(place, entry.path) then
      if not found or is_place_within(entry.path, found.path) then found = entry end
    end
  end
  return found
end

local function is_lesser(access, other)
  return lesser[access] ~= nil and lesser[access][other] == true
end

local function are_entries_within(granted, asked)
  if type(granted) ~= "table" or type(asked) ~= "table" then return false end
  for _, entry in ipairs(granted) do
    local over = type(entry) == "table" and narrowest(entry.path, asked)
    if not over or entry.access ~= over.access and not is_lesser(entry.access, over.access) then return false end
  end
  return true
end

-- Whether each of a list is within one of another.
local function all_within(granted, asked, is_one_within)
  if type(granted) ~= "table" or type(asked) ~= "table" then return false end
  for _, one in ipairs(granted) do
    local found = false
    for _, other in ipairs(asked) do
      found = found or is_one_within(one, other)
    end
    if not found then return false end
  end
  return true
end

-- Whether an entry that was asked for takes something back of what another one grants.
local function restricts(entry, grant)
  if not is_lesser(entry.access, grant.access) then return false end
  local comparable = entry.path.type == "path" and type(grant.path) == "table" and grant.path.type == "path"
  if not comparable then return entry.access == "deny" end
  return is_inside(entry.path.path, grant.path.path)
end

-- What was taken back has to be taken back again.
local function keeps_restrictions(granted, asked)
  local kept = {}
  for _, entry in ipairs(asked) do
    for _, grant in ipairs(granted) do
      if type(entry.path) == "table" and restricts(entry, grant) then kept[entry] = true end
    end
  end
  local list = {}
  for entry in pairs(kept) do
    list[#list + 1] = entry
  end
  return all_within(list, granted, is_same)
end

local lists = {
  entries = function(granted, asked)
    return are_entries_within(granted, asked) and keeps_restrictions(granted, asked)
  end,
  read = function(granted, asked)
    return all_within(granted, asked, is_inside)
  end,
}
lists.write = lists.read

is_within = function(granted, asked, name)
  if granted == asked or granted == nil or granted == false or granted == core.null then return true end
  if type(granted) ~= "table" then return false end
  if next(granted) == nil then return true end
  if lists[name] then return lists[name](granted, asked) end
  for key, value in pairs(granted) do
    if not is_within(value, type(asked) == "table" and asked[key] or nil, key) then return false end
  end
  return true
end

--- Whether one set of permissions, in the protocol's shape by its names in Lua, is within another.
---@param granted any
---@param asked any
---@return boolean
function M.is_within(granted, asked)
  return is_within(granted, asked)
end

return M
