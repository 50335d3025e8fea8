--- What others wrote, for places with room for one line.

local M = {}

--- The first line of a text, at most so many characters of it.
---@param text any
---@param characters integer
---@return string
function M.line(text, characters)
  local first, rest = tostring(text):match "^%s*([^\n]*)(.*)$"
  local short = vim.fn.strcharpart(first, 0, characters)
  return (short ~= first or rest:find "%S") and short .. " …" or short
end

return M
