--- What a tool's function returned, as the protocol's content items.

local contents = require "codex.content"
local core = require "codex.core"
local errors = require "codex.error"
local options_of = require "codex.options"
local utf8 = require "codex.utf8"

local M = {}

--- The most text of one answer: bytes. (What the server shows the model of it depends on the model: a tenth or so.)
M.MAX_TEXT_BYTES = 256 * 1024

local function refuse(message, ...)
  errors.raise("invalid_argument", message:format(...))
end

local function to_json(value)
  local text, problem = core.json_encode(value)
  if not text then refuse("what it returned can't be sent as JSON: %s", problem) end
  return text
end

local function to_text(value)
  local kind = type(value)
  if kind == "string" then return value end
  if kind == "nil" then return "" end
  if kind == "table" or kind == "number" or kind == "boolean" or value == core.null then return to_json(value) end
  refuse("it returned a %s, not a string, a table or content", kind)
end

-- Whether a list holds content: what else is in it is then a mistake, rather than a part of a JSON array.
local function holds_content(list)
  for _, part in ipairs(list) do
    if contents.is_item(part) then return true end
  end
  return false
end

local function to_item(part, index)
  if contents.is_item(part) then return part end
  if type(part) == "string" then return contents.text(part) end
  refuse("entry %d of the list that it returned is a %s, not content such as codex.content.text(…)", index, type(part))
end

local function to_items(value)
  if contents.is_item(value) then return { value } end
  if type(value) ~= "table" or not holds_content(value) then return { contents.text(to_text(value)) } end
  local items = {}
  for index, part in ipairs(value) do
    items[index] = to_item(part, index)
  end
  if not options_of.is_list(value, #items) then refuse "it returned a table with content, but not as a list" end
  return items
end

-- ---- limits ----

local function check_media(items)
  local bytes = 0
  for _, item in ipairs(items) do
    bytes = bytes + #(item.image_url or item.audio_url or "")
  end
  if bytes > contents.MAX_URL_BYTES then
    refuse("its images and sounds take %d bytes as data: URLs, at most %d are allowed", bytes, contents.MAX_URL_BYTES)
  end
end

-- As much of a text as there is room for, as UTF-8 (which takes more room than what isn't), and whether that is all.
local function fitted(text, room)
  local clean = utf8.clean(utf8.head(text, room))
  return utf8.head(clean, room), #text <= room and #clean <= room
end

-- The items in the protocol's shape, with a note where text was cut; images that come later are kept.
local function within_limits(items)
  check_media(items)
  local shaped, room, bytes, last, cut = {}, M.MAX_TEXT_BYTES, 0, nil, nil
  for _, item in ipairs(items) do
    local text, whole = item.text, true
    if text then
      bytes = bytes + #text
      text, whole = fitted(text, room)
      room = room - #text
    end
    if whole or text ~= "" then
      shaped[#shaped + 1] = { type = item.type, text = text, image_url = item.image_url, audio_url = item.audio_url }
      last = text and shaped[#shaped] or last
    end
    cut = cut or not whole and last
  end
  if cut then cut.text = ("%s\n[cut off here: the result has %d bytes of text]"):format(cut.text, bytes) end
  return shaped
end

--- The content items for what a function returned: nothing, text, a number, a boolean, a table (as JSON, unless it
--- holds content) or content. Raises for what can't be sent, and for images that are too large.
---@param value any
---@return table[] items in the protocol's shape
function M.of(value)
  return within_limits(to_items(value))
end

--- The content items for a text.
---@param text string
---@return table[] items in the protocol's shape
function M.of_text(text)
  return within_limits { contents.text(text) }
end

return M
