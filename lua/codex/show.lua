--- What others wrote, made fit to be shown at a terminal: it can neither move the cursor, nor change the direction of
--- the text, nor hide in it, nor look like something that the program itself says.

local M = {}

-- Blanks in a row that are shown as they are.
local MOST_BLANKS = 40

-- Code points that show nothing, or not what they are: controls, odd blanks, what joins and what separates, what
-- changes directions, fillers, variants, tags.
local hidden = {
  { 0x80, 0xA0 },
  { 0xAD, 0xAD },
  { 0x34F, 0x34F },
  { 0x61C, 0x61C },
  { 0x115F, 0x1160 },
  { 0x1680, 0x1680 },
  { 0x17B4, 0x17B5 },
  { 0x180B, 0x180F },
  { 0x2000, 0x200F },
  { 0x2028, 0x202F },
  { 0x205F, 0x206F },
  { 0x2800, 0x2800 },
  { 0x3000, 0x3000 },
  { 0x3164, 0x3164 },
  { 0xFE00, 0xFE0F },
  { 0xFEFF, 0xFEFF },
  { 0xFFA0, 0xFFA0 },
  { 0xFFF0, 0xFFFB },
  { 0x13430, 0x1345F },
  { 0x1BCA0, 0x1BCA3 },
  { 0x1D173, 0x1D17A },
  { 0xE0000, 0xE0FFF },
}

local function is_hidden(code)
  for _, range in ipairs(hidden) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local leads = { { 0xC2, 0xDF, 0xC0, 1, 0x80 }, { 0xE0, 0xEF, 0xE0, 2, 0x800 }, { 0xF0, 0xF4, 0xF0, 3, 0x10000 } }

-- The code point at a position and how many bytes it takes; nil where there is none.
local function decode(text, at)
  local first = text:byte(at)
  for _, lead in ipairs(leads) do
    if first >= lead[1] and first <= lead[2] then
      local code = first - lead[3]
      local rest = text:match("^[\128-\191]+", at + 1) or ""
      if #rest < lead[4] then return nil end
      for index = 1, lead[4] do
        code = code * 64 + rest:byte(index) - 128
      end
      local wrong = code < lead[5] or code > 0x10FFFF or code >= 0xD800 and code <= 0xDFFF
      if wrong then return nil end
      return code, lead[4] + 1
    end
  end
end

local function plain_ascii(byte)
  if byte == 9 then return "\\t" end
  if byte == 10 then return "\\n" end
  if byte == 13 then return "\\r" end
  return ("\\x%02x"):format(byte)
end

-- What is shown for the character at a position, how many bytes it is, and how many columns it may take.
local function character(text, at)
  local byte = text:byte(at)
  if byte >= 32 and byte < 127 then return text:sub(at, at), 1, 1 end
  if byte < 128 then return plain_ascii(byte), 1, 4 end
  local code, length = decode(text, at)
  if not code then return ("\\x%02x"):format(byte), 1, 4 end
  if not is_hidden(code) then return text:sub(at, at + length - 1), length, 2 end
  local shown = ("\\u{%x}"):format(code)
  return shown, length, #shown
end

local function with_blanks_counted(text)
  return (text:gsub((" "):rep(MOST_BLANKS) .. " +", function(blanks)
    return ("[%d blanks]"):format(#blanks)
  end))
end

--- A text as one line: everything unusual in it is escaped, as are line ends.
---@param text any
---@return string
function M.line(text)
  local parts, at = {}, 1
  text = with_blanks_counted(tostring(text))
  while at <= #text do
    local plain = text:match("^[ -~]+", at)
    local shown, length = plain, plain and #plain
    if not plain then
      shown, length = character(text, at)
    end
    parts[#parts + 1] = shown
    at = at + length
  end
  return table.concat(parts)
end

-- The rows that one line takes.
local function add_rows(rows, continued, line, columns)
  local parts, used, at = {}, 0, 1
  while at <= #line do
    local shown, length, width = character(line, at)
    if used + width > columns and used > 0 then
      rows[#rows + 1] = table.concat(parts)
      continued[#rows + 1] = true
      parts, used = {}, 0
    end
    parts[#parts + 1] = shown
    used, at = used + width, at + length
  end
  rows[#rows + 1] = table.concat(parts)
end

-- Lines without anything in them, of which there may be thousands before the one that counts.
local MOST_EMPTY = 3

--- A text as rows of so many columns at most. No row begins anywhere but where the caller puts it, so that none can be
--- taken for something else.
---@param text string
---@param columns integer
---@return string[] rows
---@return table<integer, true> continued which of them go on with the line of the row before
function M.rows(text, columns)
  local rows, continued, empty = {}, {}, 0
  local function end_empty()
    if empty > MOST_EMPTY then
      rows[#rows + 1] = ("[%d empty lines]"):format(empty)
    else
      for _ = 1, empty do
        rows[#rows + 1] = ""
      end
    end
    empty = 0
  end
  for line in (text:gsub("\n$", "") .. "\n"):gmatch "([^\n]*)\n" do
    if line:find "[^ \t]" then
      end_empty()
      add_rows(rows, continued, with_blanks_counted((line:gsub("\t", "    "))), math.max(columns, 8))
    else
      empty = empty + 1
    end
  end
  end_empty()
  return rows, continued
end

--- Whether a text has letters that may only look like those of a command.
---@param text string
---@return boolean
function M.is_foreign(text)
  return text:find "[\128-\255]" ~= nil
end

return M
