-- The schema's descriptions as comments of a Lua file.

local cjson = require "cjson"
local report = require "generate.report"

local fail = report.fail

local M = {}

local COLUMNS = 120
local LONGEST = 400 -- characters of a description

-- The first paragraph on one line.
local function first_paragraph(text)
  local paragraph = text:gsub("\r", ""):gsub("^%s+", ""):match "^(.-)\n%s*\n" or text
  return (paragraph:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", ""))
end

-- Cut behind a sentence, if one ends in time, else behind a word.
local function shortened(text, longest)
  if #text <= longest then return text end
  local head = text:sub(1, longest)
  return head:match "^(.*[.!?]) " or head:match "^(.*[^%s,;:(])%s" .. " …"
end

-- Names of members as users know them, but in paths of files and methods.
local function translated(text, lua_names)
  return (text:gsub("[%w_./-]+", function(word)
    if word:find "[/-]" then return nil end
    return (word:gsub("[%w_]+", lua_names))
  end))
end

--- What the schema says of something, shortened, with the names that users know: nil if it says nothing.
---@param description? string
---@param lua_names table<string, string> by wire name
---@param longest? integer characters
function M.prose(description, lua_names, longest)
  local text = shortened(first_paragraph(description or ""), longest or LONGEST)
  -- after a field's type these would be read as an annotation, and as more of the type
  text = text:gsub("^@deprecated:?", "Deprecated:"):gsub("^%[(%a+)%]", "%1:")
  return text ~= "" and translated(text, lua_names) or nil
end

local function literal(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return tostring(value)
end

--- A default in words; nil where it says no more than that the field may be absent.
---@param text? string JSON
function M.default(text)
  if not text or text == "null" then return nil end
  local value = cjson.decode(text)
  if type(value) ~= "table" then
    local number = math.tointeger(value)
    return ("Default: `%s`."):format(literal(number or value))
  end
  if next(value) == nil then return "Default: empty." end
  local words = {}
  for i, element in ipairs(value) do words[i] = "`" .. literal(element) .. "`" end
  return "Default: " .. table.concat(words, ", ") .. "."
end

--- Comment lines that hold a text. No line begins with what would be an annotation.
---@param text string
---@return string[]
function M.comment(text)
  local lines, line = {}, "---"
  if not text:find "^[%w`\"(]" then fail("a description that may be read as an annotation: %s", text) end
  for word in text:gmatch "%S+" do
    if #line + 1 + #word > COLUMNS and not word:find "^[@|]" then
      lines[#lines + 1] = line
      line = "---"
    end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
  return lines
end

return M
