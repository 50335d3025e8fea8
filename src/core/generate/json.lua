-- JSON text with the members of objects in order, so that equal values are equal texts.

local cjson = require "cjson"
local lists = require "generate.lists"

local M = {}

--- The one text for a value that lua-cjson has read. An empty array and an empty object look the same.
---@return string
function M.canonical(value)
  if type(value) ~= "table" then return cjson.encode(value) end
  local parts = {}
  for i, element in ipairs(value) do parts[i] = M.canonical(element) end
  if #parts > 0 then return "[" .. table.concat(parts, ",") .. "]" end
  for i, key in ipairs(lists.sorted_keys(value)) do
    parts[i] = cjson.encode(key) .. ":" .. M.canonical(value[key])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

return M
