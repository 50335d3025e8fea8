--- What the call of a tool may answer besides text: pieces of content, such as images.

local errors = require "codex.error"

local M = {}

--- The most that an image or a sound may take as a `data:` URL, and all those of one answer together: bytes.
M.MAX_URL_BYTES = 8 * 1024 * 1024

--- A piece of what a tool answers.
---@class codex.ContentItem
---@field type "inputText"|"inputImage"|"inputAudio"
---@field text? string
---@field image_url? string a `data:` URL
---@field audio_url? string a `data:` URL
local ContentItem = {}
ContentItem.__name = "codex.ContentItem"

local function item(fields)
  return setmetatable(fields, ContentItem)
end

--- Whether a value was made by one of the functions below.
---@param value any
---@return boolean
function M.is_item(value)
  return type(value) == "table" and getmetatable(value) == ContentItem
end

-- ---- base 64 ----

local CHUNK = 3 * 8192 -- bytes whose digits are put together at a time
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local digits_of -- two digits for each number of twelve bits

local function make_digits()
  digits_of = {}
  for number = 0, 4095 do
    local high = math.floor(number / 64)
    local low = number - high * 64
    digits_of[number] = alphabet:sub(high + 1, high + 1) .. alphabet:sub(low + 1, low + 1)
  end
end

local function encode_chunk(bytes, first, last)
  local parts, count = {}, 0
  for position = first, last, 3 do
    local a, b, c = bytes:byte(position, position + 2)
    b, c = b or 0, c or 0
    local low = b % 16
    parts[count + 1], parts[count + 2] = digits_of[a * 16 + (b - low) / 16], digits_of[low * 256 + c]
    count = count + 2
  end
  return table.concat(parts)
end

local function base64(bytes)
  if not digits_of then make_digits() end
  local chunks = {}
  for first = 1, #bytes, CHUNK do
    chunks[#chunks + 1] = encode_chunk(bytes, first, math.min(first + CHUNK - 1, #bytes))
  end
  local missing = (3 - #bytes % 3) % 3
  local digits = table.concat(chunks)
  return digits:sub(1, #digits - missing) .. ("="):rep(missing)
end

-- ---- files and bytes ----

-- What a file begins with, by kind. The server makes nothing of others.
local image_types = {
  { "^\137PNG\r\n\26\n", "image/png" },
  { "^\255\216\255", "image/jpeg" },
  { "^GIF8[79]a", "image/gif" },
  { "^RIFF....WEBP", "image/webp" },
}
local audio_types = {
  { "^RIFF....WAVE", "audio/wav" },
  { "^ID3", "audio/mpeg" },
  { "^\255[\243\250\251]", "audio/mpeg" },
  { "^OggS", "audio/ogg" },
  { "^\26\69\223\163", "audio/webm" },
  { "^....ftyp", "audio/mp4" },
}

-- All of them have control characters near their start, which tells them from a path such as "ID3 tags.mp3".
local function type_of(bytes, types)
  local start = bytes:sub(1, 16)
  if not start:find "[%z%c]" then return nil end
  for _, known in ipairs(types) do
    if start:find(known[1]) then return known[2] end
  end
end

local function refuse(label, message, ...)
  errors.argument(("content.%s: %s"):format(label, message:format(...)))
end

local function check_length(label, length)
  if length > M.MAX_URL_BYTES then
    refuse(label, "too large: it would take more than the %d bytes that a data: URL may have", M.MAX_URL_BYTES)
  end
end

local function to_url(label, bytes, mime_type)
  local start = "data:" .. mime_type .. ";base64,"
  check_length(label, #start + 4 * math.ceil(#bytes / 3))
  return start .. base64(bytes)
end

-- The bytes of a file, or one more than can be sent of one that is larger.
local function read_file(label, path)
  if path:find "%z" then refuse(label, "can't read '%s': the path holds a zero byte", path:gsub("%z.*", "")) end
  local file, problem = io.open(path, "rb")
  if not file then refuse(label, "can't read %s", problem) end
  local bytes, failure = file:read(M.MAX_URL_BYTES / 4 * 3 + 1)
  file:close()
  if failure then refuse(label, "can't read '%s': %s", path, failure) end
  return bytes or ""
end

-- The URL for a path, for bytes, or for the URL itself.
local function url_of(label, source, types, kinds)
  if type(source) ~= "string" then refuse(label, "expected a path, bytes or a data: URL, got %s", type(source)) end
  local mime_type = type_of(source, types)
  if mime_type then return to_url(label, source, mime_type) end
  if source:find "^data:" then
    check_length(label, #source)
    if not source:find "^data:[%w/.+-]*;base64,[%w+/]+=?=?$" then
      refuse(label, "a data: URL must look like 'data:%s/…;base64,…'", label)
    end
    return source
  end
  if source:find "^%a[%w+.-]*://" then
    local place = source:match "^%a[%w+.-]*://[^/?#]*"
    refuse(label, "the server fetches nothing (%s): give a path, the bytes or a data: URL", place)
  end
  local bytes = read_file(label, source)
  mime_type = type_of(bytes, types)
  if not mime_type then refuse(label, "'%s' is none of %s", source, kinds) end
  return to_url(label, bytes, mime_type)
end

-- ---- pieces ----

--- A piece of text.
---@param text string
---@return codex.ContentItem
function M.text(text)
  if type(text) ~= "string" then refuse("text", "expected a string, got %s", type(text)) end
  return item { type = "inputText", text = text }
end

--- An image: PNG, JPEG, GIF or WebP. The file is read at once, by this process: a relative path is taken from its
--- folder. The model gets it made smaller where it is large for it.
---@param source string a path, the bytes of such a file, or a `data:` URL in base 64; 6 MiB of file at most
---@return codex.ContentItem
function M.image(source)
  return item { type = "inputImage", image_url = url_of("image", source, image_types, "PNG, JPEG, GIF and WebP") }
end

--- A sound, for models that can hear: WAV, MP3, Ogg, WebM or MP4. The file is read at once, by this process.
---@param source string a path, the bytes of such a file, or a `data:` URL in base 64; 6 MiB of file at most
---@return codex.ContentItem
function M.audio(source)
  return item { type = "inputAudio", audio_url = url_of("audio", source, audio_types, "WAV, MP3, Ogg, WebM and MP4") }
end

return M
