--- The wire's own JSON for users: strict RFC 8259, integers kept, `null` as `codex.null`, empty arrays kept.

local core = require "codex.core"
local errors = require "codex.error"

local M = {}

--- Decodes a JSON text. Raises an error of kind `parse_error` with the byte `position` for what isn't JSON.
---@param text string
---@return any
function M.decode(text)
  if type(text) ~= "string" then errors.argument("json.decode: expected a string, got " .. type(text)) end
  local ok, value, position = core.json_decode(text)
  if ok then return value end
  errors.raise("parse_error", ("not JSON: %s at byte %d"):format(value, position), { position = position })
end

--- Encodes a value as a JSON text. A table is an array when it is a list or marked by `codex.array`, else an object.
--- Raises `invalid_argument` for what JSON can't hold.
---@param value any
---@return string
function M.encode(value)
  local text, message = core.json_encode(value)
  if text then return text end
  errors.argument("json.encode: " .. message)
end

--- Marks a table as a JSON array, and returns it: `codex.array{}` is `[]` in free-form JSON.
---@generic T: table
---@param list T
---@return T
function M.array(list)
  if type(list) ~= "table" then errors.argument("array: expected a table, got " .. type(list)) end
  return core.array(list)
end

return M
