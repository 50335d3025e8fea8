--- Tools in Lua: functions that the model may call.
---
---     local weather = codex.tool{
---       name = "weather",
---       description = "The weather of a city, as it is now.",
---       parameters = { type = "object", properties = { city = { type = "string" } }, required = { "city" } },
---       run = function(arguments) return look_up(arguments.city) end,
---     }
---     local thread = client:thread_start{ tools = { weather } }
---
--- A call's arguments are checked against `parameters` first: those that don't fit never reach `run`, and the model is
--- told what is wrong with them. (The server itself tells the model types, descriptions, enumerations, properties and
--- alternatives, and of a large schema not even descriptions; not limits such as `minimum`, which are checked all the
--- same: say in the description what the model should know.) Every call runs in a task of its own, so `run` may wait,
--- and several calls go on at once.
---
--- What `run` returns is what the model gets:
---
---   nothing                   an empty text
---   a string                  the text (UTF-8; whatever isn't is replaced)
---   a number, boolean, table  its JSON, as `codex.json.encode` writes it
---   codex.content.…           a piece of content, or a list of pieces and strings
---   nil, message              the call has failed; the model is told why
---
--- What `run` raises fails the call as well, and is reported besides (`client:on("handler_error")`); so does what can't
--- be sent. The model is told the message without its position.
---
--- Limits of one answer: 256 KiB of text, the rest is cut off and the model told so (the server shows the model less,
--- 12 or 48 KB of it depending on the model, and leaves out the middle); 8 MiB of images and sounds as `data:` URLs,
--- beyond which the call fails. Names: letters, digits, `_` and `-`; 128 of them for a tool, 64 for a namespace.
---
--- The server keeps a thread's tools with the thread, and offers them whenever it is resumed or forked, in another
--- process too; their functions have to be given again for that. It takes no others then: tools that the thread wasn't
--- started with are never called.

local calls = require "codex.tool.call"
local definitions = require "codex.tool.definition"

require "codex.interpreted"()

local M = {}

--- A function that the model may call.
---@class codex.Tool
---@field name string
---@field description string what it does, and when to use it: all that the model knows
---@field parameters? table a JSON Schema of type "object"; default: no parameters
---@field run fun(arguments: table, call: codex.ToolCall): any ... arguments as `codex.json.decode` makes them
---@field defer_loading? boolean in a namespace: the model is told of it only when it searches for tools, if it can
local Tool = { __name = "codex.Tool" }

--- Tools that belong together: the model sees them under one name and description.
---@class codex.ToolNamespace
---@field name string
---@field description string 1,024 characters at most
---@field tools codex.Tool[]
local ToolNamespace = { __name = "codex.ToolNamespace" }

local function copy(definition, class)
  local made = {}
  for name, value in pairs(definition) do
    made[name] = value
  end
  return setmetatable(made, class)
end

--- Makes a tool, for the option `tools` of `thread_start`, `thread_resume` and `thread_fork`.
---@param definition codex.Tool
---@return codex.Tool
function M.tool(definition)
  definitions.check_tool("tool", definition)
  return copy(definition, Tool)
end

--- Makes a namespace of tools, which stands in the option `tools` as a tool does. Tools in different namespaces may go
--- by the same name.
---@param definition codex.ToolNamespace
---@return codex.ToolNamespace
function M.namespace(definition)
  definitions.check_namespace("tool_namespace", definition)
  return copy(definition, ToolNamespace)
end

M.find = definitions.find
M.prepare = definitions.prepare
M.call = calls.call

return M
