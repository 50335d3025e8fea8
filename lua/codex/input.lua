--- What a turn is asked: text, images, sound, skills, mentions, or a message of a tool.

local core = require "codex.core"
local errors = require "codex.error"
local options_of = require "codex.options"

local M = {}

---@class codex.InputItem
---@field type "text"|"image"|"localImage"|"audio"|"localAudio"|"skill"|"mention"

--- Stands alone: it can't be part of a list.
---@class codex.ExternalMessage
---@field type "external_message"
---@field tool_output { name: string, namespace?: string, output: string|table[] }

---@alias codex.Input string|codex.InputItem|(string|codex.InputItem)[]|codex.ExternalMessage

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

--- An image by URL. The server takes `data:` URLs only.
---@param url string
---@return codex.InputItem
function M.image(url)
  return { type = "image", url = check("image", "a URL", url) }
end

--- An image file, which the server reads. A relative path is taken from the client's `cwd`.
---@param path string
---@return codex.InputItem
function M.local_image(path)
  return { type = "localImage", path = check("local_image", "a path", path) }
end

--- A piece of sound by URL, for models that can hear. The server takes `data:` URLs only.
---@param url string
---@return codex.InputItem
function M.audio(url)
  return { type = "audio", url = check("audio", "a URL", url) }
end

--- A sound file (wav, mp3, m4a, webm, ogg), which the server reads. A relative path is taken from the client's `cwd`.
---@param path string
---@return codex.InputItem
function M.local_audio(path)
  return { type = "localAudio", path = check("local_audio", "a path", path) }
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

-- ---- messages of tools ----

-- The kinds of input that a tool's output may hold, in the words of the model's interface.
local output_parts = {
  text = function(item)
    return { type = "input_text", text = item.text }
  end,
  image = function(item)
    return { type = "input_image", image_url = item.url }
  end,
  audio = function(item)
    return { type = "input_audio", audio_url = item.url }
  end,
}

local function to_part(part, index)
  if type(part) == "string" then return output_parts.text { text = part } end
  if type(part) == "table" and type(part.type) == "string" then
    local convert = output_parts[part.type]
    return convert and convert(part) or part
  end
  errors.argument(
    ("external_message.content[%d]: expected a string or an item such as codex.text(…), got %s"):format(
      index,
      type(part)
    )
  )
end

local function to_output(content)
  if type(content) == "string" then return content end
  if type(content) ~= "table" then
    errors.argument("external_message.content: expected a string or a list, got " .. type(content))
  end
  local output = {}
  for index, part in ipairs(content) do
    output[index] = to_part(part, index)
  end
  if not options_of.is_list(content, #output) or #output == 0 then
    errors.argument "external_message.content: must be a string, or a list that isn't empty"
  end
  return output
end

local function check_word(options, name)
  options_of.check_type("external_message", options, name, "string")
  if options[name] and not options[name]:find "%S" then
    errors.argument(("external_message.%s: must not be blank"):format(name))
  end
end

--- A message from outside, such as a chat or a build, that the agent shall see as what a tool has put out. It is the
--- whole input of a turn. It can't steer one; but a turn that it is given to on a busy thread, with `when_busy =
--- "steer"`, is the one that runs. It becomes an item of type `functionCallOutput`.
---@param options { tool_name: string, content: string|(string|table)[], namespace?: string } content: text, or a list
--- of strings, `codex.text`, `codex.image` and `codex.audio`, or parts in the protocol's shape
---@return codex.ExternalMessage
function M.external_message(options)
  options_of.check_names("external_message", options, { tool_name = true, content = true, namespace = true })
  if options.tool_name == nil then errors.argument "external_message.tool_name: is missing" end
  check_word(options, "tool_name")
  check_word(options, "namespace")
  local output = to_output(options.content)
  return {
    type = "external_message",
    tool_output = { name = options.tool_name, namespace = options.namespace, output = output },
  }
end

-- ---- files ----

local file_types = { localImage = true, localAudio = true }

-- An item with a file that the server will find and can read. It would tell the model, not us, about one that it can't.
local function with_file(label, item, index, client)
  local path, folder = item.path, client._folder
  if not file_types[item.type] or type(path) ~= "string" or not folder then return item end
  if path:sub(1, 1) ~= "/" then path = folder .. "/" .. path end
  local problem = path:find "%z" and "the path holds a zero byte" or core.unreadable(path)
  if problem then
    errors.argument(("%s.input[%d].path: can't read '%s': %s"):format(label, index, path:gsub("%z.*", ""), problem))
  end
  return options_of.merged(item, { path = path })
end

-- ---- whole inputs ----

local function to_item(label, item, index, where, client)
  if type(item) == "string" then return M.text(item) end
  if type(item) ~= "table" or type(item.type) ~= "string" then
    local message = "%s: %s must be a string or an item such as codex.text(…), got %s"
    errors.argument(message:format(label, where, type(item)))
  end
  if item.type == "external_message" then
    errors.argument(("%s: %s: an external message must be the whole input of a turn"):format(label, where))
  end
  return with_file(label, item, index, client)
end

--- The protocol's list of items for an input that isn't an external message.
---@param label string for messages
---@param input codex.Input
---@param client codex.Client
---@return codex.InputItem[]
function M.to_list(label, input, client)
  if type(input) ~= "table" or input.type ~= nil then return { to_item(label, input, 1, "the input", client) } end
  local list = {}
  for index, item in ipairs(input) do
    list[index] = to_item(label, item, index, ("input[%d]"):format(index), client)
  end
  if not options_of.is_list(input, #list) or #list == 0 then
    errors.argument(label .. ": the input must be a string, an item, or a list of these that isn't empty")
  end
  return list
end

--- The parameters of `turn/start` for any form of input.
---@param label string for messages
---@param input codex.Input
---@param client codex.Client
---@return codex.InputItem[] input
---@return table? tool_output
function M.to_params(label, input, client)
  if type(input) == "table" and input.type == "external_message" and type(input.tool_output) == "table" then
    return {}, input.tool_output
  end
  return M.to_list(label, input, client)
end

return M
