--- Requests for approval as the server makes them, for handlers that are called without one; and rules.

local assert = require "luassert"
local codex = require "codex"
local merged = require("codex.options").merged
local raised = require "spec.support.raised"

local approvals = {}

--- Where their threads work.
approvals.FOLDER = "/srv/project"

-- A script as the server quotes it in the shell's line.
local function quoted(script)
  if script:find "^[%w+./:@_%]-]+$" then return script end
  if not script:find "'" then return "'" .. script .. "'" end
  return '"' .. script:gsub('[$`"\\]', "\\%0") .. '"'
end

local ids = { thread_id = "t", turn_id = "u", item_id = "i" }
approvals.ids = ids

--- May a script be run.
function approvals.command(script, params, fields)
  local all = merged(ids, {
    kind = "command",
    environment_id = "local",
    reason = "because",
    command = "/bin/bash -c " .. quoted(script),
    command_actions = { { type = "unknown", command = script } },
    cwd = approvals.FOLDER,
    started_at_ms = 1,
    proposed_execpolicy_amendment = { "x" },
    available_decisions = { "accept", "cancel" },
  }, params or {})
  return merged(ids, {
    kind = "command",
    method = "item/commandExecution/requestApproval",
    params = all,
    command = script,
    thread_cwd = approvals.FOLDER,
  }, fields or {})
end

--- May files be changed: tables of the protocol, or paths.
function approvals.file_change(changes, params, fields)
  for index, change in ipairs(changes) do
    if type(change) == "string" then changes[index] = { path = change, kind = { type = "update" }, diff = "" } end
  end
  return merged(ids, {
    kind = "file_change",
    method = "item/fileChange/requestApproval",
    params = merged(ids, { started_at_ms = 1 }, params or {}),
    item = { type = "fileChange", id = "i", changes = changes },
    thread_cwd = approvals.FOLDER,
  }, fields or {})
end

--- May a tool of an MCP server run.
function approvals.mcp_tool(server, tool, fields)
  return merged(ids, {
    kind = "mcp_tool",
    method = "mcpServer/elicitation/request",
    params = {},
    server_name = server,
    tool_name = tool,
  }, fields or {})
end

local function left_to_others()
  return "otherwise"
end

--- A handler by rules, which answers "accept", "decline", or "otherwise".
function approvals.rules(options)
  return codex.approve.rules(merged({ otherwise = left_to_others }, options))
end

--- Checks that fn refuses its arguments, in a message with those words.
---@param fn fun()
---@param message string
function approvals.refused(fn, message)
  local text = tostring(raised("invalid_argument", fn))
  assert.truthy(text:find(message, 1, true), text)
end

return approvals
