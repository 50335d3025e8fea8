--- References inside a schema: JSON pointers from its root.

local M = {}

local function unescape(token)
  return (token:gsub("~1", "/"):gsub("~0", "~"))
end

local function child(place, key)
  if type(place) ~= "table" then return nil end
  local found = place[key]
  if found == nil and key:find "^%d+$" then return place[tonumber(key) + 1] end
  return found
end

--- What a `$ref` names.
---@param root table
---@param ref string
---@return table|boolean? schema
function M.resolve(root, ref)
  local pointer = ref:match "^#(.*)$"
  if not pointer then return nil end
  pointer = pointer:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  if pointer ~= "" and pointer:sub(1, 1) ~= "/" then return nil end
  local place = root
  for token in pointer:gmatch "/([^/]*)" do
    place = child(place, unescape(token))
  end
  if type(place) == "table" or type(place) == "boolean" then return place end
end

return M
