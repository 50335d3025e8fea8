--- UTF-8: where characters end, and text without what isn't any.

local core = require "codex.core"

local M = {}

local REPLACEMENT = "\239\191\189" -- U+FFFD

-- Between what the second byte of a character lies, where it isn't any continuation: no overlong forms, surrogates, or
-- code points above 10FFFF.
local second_bytes = {
  [0xE0] = { 0xA0, 0xBF },
  [0xED] = { 0x80, 0x9F },
  [0xF0] = { 0x90, 0xBF },
  [0xF4] = { 0x80, 0x8F },
}
local any_continuation = { 0x80, 0xBF }

local function length_by_first(byte)
  if byte < 0x80 then return 1 end
  if byte < 0xC2 or byte > 0xF4 then return nil end
  return byte < 0xE0 and 2 or byte < 0xF0 and 3 or 4
end

-- The bytes of the character at a position; or nil, and how many of them begin one that isn't finished.
local function character_at(text, position)
  local first = text:byte(position)
  local length = length_by_first(first)
  if not length then return nil, 1 end
  local range = second_bytes[first] or any_continuation
  for index = 1, length - 1 do
    local byte = text:byte(position + index)
    if not byte or byte < range[1] or byte > range[2] then return nil, index end
    range = any_continuation
  end
  return length
end

--- The text, with U+FFFD for whatever isn't UTF-8.
---@param text string
---@return string
function M.clean(text)
  if core.json_encode(text) then return text end
  local parts, position = {}, 1
  while position <= #text do
    local start = text:find("[\128-\255]", position) or #text + 1
    parts[#parts + 1] = text:sub(position, start - 1)
    if start > #text then break end
    local length, bad = character_at(text, start)
    parts[#parts + 1] = length and text:sub(start, start + length - 1) or REPLACEMENT
    position = start + (length or bad)
  end
  return table.concat(parts)
end

--- The beginning of a text, without half a character at its end.
---@param text string
---@param limit integer bytes
---@return string
function M.head(text, limit)
  if #text <= limit then return text end
  local stop = limit
  while stop > 0 and stop > limit - 4 do
    local byte = text:byte(stop + 1)
    if byte < 0x80 or byte >= 0xC0 then return text:sub(1, stop) end
    stop = stop - 1
  end
  return text:sub(1, limit)
end

return M
