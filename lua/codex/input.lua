--- What a turn is asked: text, images, skills, mentions.

local errors = require "codex.error"

local M = {}

---@class codex.InputItem
---@field type "text"|"image"|"localImage"|"skill"|"mention"

---@alias codex.Input string|codex.InputItem|(string|codex.InputItem)[]

local function check(name, argument, value)
  if type(value) == "string" then return value end
  errors.argument(("%s: expected %s as a string, got %s"):format(name, argument, type(value)))
end

--- A piece of text.
---@param text string UTF-8
---@return codex.InputItem
function M.text(text)
  return { type = "text", text = check("text", "the text", text) }
end

--- An image by URL, a `data:` URL included.
---@param url string
---@return codex.InputItem
function M.image(url)
  return { type = "image", url = check("image", "a URL", url) }
end

--- An image file, which the server reads.
---@param path string
---@return codex.InputItem
function M.local_image(path)
  return { type = "localImage", path = check("local_image", "a path", path) }
end

--- A skill to use.
---@param name string
---@param path string of its SKILL.md
---@return codex.InputItem
function M.skill(name, path)
  return { type = "skill", name = check("skill", "a name", name), path = check("skill", "a path", path) }
end

--- A mention of an app, a plugin or a file.
---@param name string
---@param path string
---@return codex.InputItem
function M.mention(name, path)
  return { type = "mention", name = check("mention", "a name", name), path = check("mention", "a path", path) }
end

local function to_item(label, item, where)
  if type(item) == "string" then return M.text(item) end
  if type(item) == "table" and type(item.type) == "string" then return item end
  errors.argument(("%s: %s must be a string or an item such as codex.text(…), got %s"):format(label, where, type(item)))
end

--- The protocol's list of items for any form of input.
---@param label string for messages
---@param input codex.Input
---@return codex.InputItem[]
function M.to_list(label, input)
  if type(input) ~= "table" or input.type ~= nil then return { to_item(label, input, "the input") } end
  local list = {}
  for index, item in ipairs(input) do
    list[index] = to_item(label, item, ("input[%d]"):format(index))
  end
  local count = 0
  for _ in pairs(input) do
    count = count + 1
  end
  if #list == 0 or count ~= #list then
    errors.argument(label .. ": the input must be a string, an item, or a list of these that isn't empty")
  end
  return list
end

return M
