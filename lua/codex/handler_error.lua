--- What handlers raise reaches those who asked for it with `client:on("handler_error")`; else it is said, once a
--- handler.

local errors = require "codex.error"
local notices = require "codex.notice"
local task = require "codex.task"

local M = {}

--- Whose handler it is, and whether it was said.
---@class codex.HandlerSource
---@field method string
---@field tool? string
---@field told? boolean

local function say(source, err)
  local who = source.tool and ("the tool '%s'"):format(source.tool) or ("a handler of '%s'"):format(source.method)
  notices.give(("%s failed: %s"):format(who, errors.in_words(err)))
end

--- Tells what a handler raised. That its client is closed is left unsaid.
---@param client codex.Client
---@param source codex.HandlerSource
---@param err any
---@param about? codex.Event|codex.ServerRequest what it was called with
function M.report(client, source, err, about)
  if client.closed and (errors.is_error(err, "closed") or errors.is_error(err, "cancelled")) then return end
  local reported = false
  for _, handler in ipairs(client._error_handlers) do
    reported = true
    local handling = task.background(handler, err, about)
    handling:when_over(function()
      if handling.status == "failed" then say({ method = "handler_error" }, handling:failure()) end
    end)
  end
  if reported or source.told then return end
  source.told = true
  say(source, err)
end

return M
