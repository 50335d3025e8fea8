--- Calls of tools: from the server's request to the answer it gets.

local classes = require "codex.class"
local core = require "codex.core"
local definitions = require "codex.tool.definition"
local errors = require "codex.error"
local json_schema = require "codex.json_schema"
local outputs = require "codex.tool.output"
local task = require "codex.task"

local M = {}

-- ---- what run gets ----

--- One call of a tool. `turn` and `thread` are nil where the client knows none of that id.
---@class codex.ToolCall
---@field id string
---@field tool string its name
---@field namespace? string
---@field turn? codex.Turn that it is made in
---@field thread? codex.Thread
---@field request codex.ServerRequest
local ToolCall = {}
ToolCall.__name = "codex.ToolCall"

-- A turn may become known while the call runs.
local of_request = { turn = true, thread = true }

function ToolCall:__index(name)
  if of_request[name] then return self.request[name] end
  return ToolCall[name]
end

--- Whether nobody waits for the answer any more: the turn was interrupted or has ended, the time for it is over, or the
--- client was closed. The function isn't stopped by that, and what it returns is dropped; one that takes long may look
--- now and then.
---@return boolean
function ToolCall:cancelled()
  return self.request.cancelled == true
end

--- Calls `fn()` once, in a task of its own, when nobody waits for the answer any more; at once if so already.
---@param fn fun()
function ToolCall:when_cancelled(fn)
  task.check_function("when_cancelled", fn)
  self.request:when_cancelled(fn)
end

classes.guard(ToolCall, "call")

local function new_call(request)
  local params = request.params
  return setmetatable(
    { id = params.call_id, tool = params.tool, namespace = params.namespace, request = request },
    ToolCall
  )
end

-- ---- failures, for the model ----

-- It sees nothing of `success`: that the call failed has to be said in words.
local function failed(text)
  return { content_items = outputs.of_text(text), success = false }
end

-- How Lua begins a message with where it was raised.
local positions = { "^[^\n:]*%.lua:%d+: ", '^%[string ".-"%]:%d+: ', "^%(command line%):%d+: " }

-- An error's message, without where in the script it was raised: that tells the model nothing.
local function message_of(err)
  local text = errors.in_words(err)
  for _, position in ipairs(positions) do
    text = text:gsub(position, "")
  end
  return (text:gsub("\nstack traceback:.*$", ""))
end

local MAX_NAMES = 50

local function known_tools(registry)
  local names = registry and registry.names or {}
  if #names == 0 then return "no tools can be called here" end
  local more = #names > MAX_NAMES and (" and %d more"):format(#names - MAX_NAMES) or ""
  return "the tools are " .. table.concat(names, ", ", 1, math.min(#names, MAX_NAMES)) .. more
end

local function unknown_tool(registry, params, report)
  local name = params.namespace and params.namespace .. "." .. params.tool or params.tool
  local message = "the model calls the tool '%s', which the thread was given no function for here (a thread that was "
    .. "started with tools keeps them, so they have to be given again when it is resumed or forked)"
  report(errors.new("protocol", message:format(name)))
  return failed(("There is no tool '%s': %s."):format(name, known_tools(registry)))
end

-- ---- the call ----

-- Whether it was left undone for a reason, in the manner of Lua's own functions: nil, and what to tell.
local function outcome(value, reason)
  if value == nil and reason ~= nil then return failed("The tool failed: " .. message_of(reason)) end
  return { content_items = outputs.of(value), success = true }
end

local function run(entry, arguments, call)
  return outcome(entry.run(arguments, call))
end

--- Runs the tool that a request of kind `"tool"` names, and answers what the server gets. Never raises for what the
--- tool does: the model is told, and so is `report`. Arguments that don't fit the tool's parameters are only told to
--- the model. Waits as long as the tool's function does; what it returns when nobody waits for it any more is dropped.
---@param registry? codex.ToolRegistry nil: there are no tools
---@param request codex.ServerRequest
---@param report fun(err: any) gets what the tool's function raised
---@return { content_items: table[], success: boolean }? answer to `item/tool/call`, by its names in Lua; nil: too late
function M.call(registry, request, report)
  local params = request.params
  local entry = registry and definitions.find(registry, params.tool, params.namespace)
  if not entry then return unknown_tool(registry, params, report) end
  local arguments = params.arguments
  if arguments == nil then arguments = core.null end
  local fits, problem = json_schema.check(entry.parameters, arguments)
  if not fits then
    return failed(("Nothing was done, since the arguments don't fit the tool's parameters: %s"):format(problem))
  end
  local returned, answer = task.attempt(run, entry, arguments, new_call(request))
  if not returned then
    report(answer)
    answer = failed("The tool failed: " .. message_of(answer))
  end
  return not request.cancelled and answer or nil
end

return M
