-- Small things that Lua's tables lack.

local M = {}

function M.sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

function M.contains(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

function M.add_once(list, value)
  if not M.contains(list, value) then list[#list + 1] = value end
end

return M
