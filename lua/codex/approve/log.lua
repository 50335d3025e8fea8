--- `codex.approve.log`: writes down what a handler decides.

local core = require "codex.core"
local errors = require "codex.error"
local task = require "codex.task"

require "codex.interpreted"()

local M = {}

-- Each line is written to a file of its own opening, so that one which is moved away is begun anew.
local function append(path, line)
  local file, message = io.open(path, "a")
  if not file then return nil, message end
  local ok
  ok, message = file:write(line)
  local closed, close_message = file:close()
  return ok and closed, message or close_message
end

local function write(file, line)
  local ok, message
  if type(file) == "string" then
    ok, message = append(file, line)
  else
    ok, message = file:write(line)
    if ok and file.flush then ok, message = file:flush() end
  end
  if not ok then error("approve.log: " .. tostring(message), 0) end
end

local function encoded(value)
  if value == nil then return nil end
  return core.json_encode(value) or core.json_encode(tostring(value))
end

-- Without the diffs. The old method has its changes by path.
local function changes_of(request, params)
  if request.kind ~= "file_change" then return nil end
  local item, changes = request.item, {}
  for _, change in ipairs(type(item) == "table" and item.changes or {}) do
    changes[#changes + 1] = { path = change.path, kind = change.kind }
  end
  for path, change in pairs(params.file_changes or {}) do
    changes[#changes + 1] = { path = path, kind = { type = change.type, move_path = change.move_path } }
  end
  return changes[1] and core.array(changes)
end

local function questions_of(request)
  if request.kind ~= "user_input" then return nil end
  local ids = {}
  for index, question in ipairs(request.questions or {}) do
    ids[index] = question.id
  end
  return core.array(ids)
end

local approvals = { command = true, file_change = true, permissions = true, mcp_tool = true }

-- What another kind is answered may be a secret.
local function shown_answer(request, answer)
  if not approvals[request.kind] then return nil end
  if answer == nil then return "nil" end
  return answer
end

local function shown_failure(request, failure)
  if failure == nil then return nil end
  return approvals[request.kind] and tostring(failure) or "the handler raised"
end

local function line_of(request, answer, failure)
  local params = request.params or {}
  local shown
  if failure == nil then shown = shown_answer(request, answer) end
  local fields = {
    { "time", os.date "!%Y-%m-%dT%H:%M:%SZ" },
    { "kind", request.kind },
    { "thread_id", request.thread_id },
    { "turn_id", request.turn_id },
    { "item_id", request.item_id },
    { "command", request.kind == "command" and params.command or nil },
    { "command_kind", request.kind == "command" and params.kind ~= "command" and params.kind or nil },
    { "network", params.network_approval_context },
    { "additional_permissions", params.additional_permissions },
    { "cwd", params.cwd },
    { "changes", changes_of(request, params) },
    { "grant_root", params.grant_root },
    { "permissions", params.permissions },
    { "server", request.server_name },
    { "tool", request.tool_name },
    { "tool_params", request.tool_params },
    { "questions", questions_of(request) },
    { "reason", params.reason },
    { "answer", shown },
    { "error", shown_failure(request, failure) },
    { "withdrawn", request.cancelled or nil },
  }
  local texts = {}
  for _, field in ipairs(fields) do
    local text = encoded(field[2])
    if text then texts[#texts + 1] = ('"%s":%s'):format(field[1], text) end
  end
  return "{" .. table.concat(texts, ",") .. "}\n"
end

local function check(handler, file)
  task.check_function("approve.log", handler)
  if type(file) == "string" then
    local opened, message = io.open(file, "a")
    if not opened then errors.argument("approve.log: " .. message) end
    return opened:close()
  end
  local ok, write_function = pcall(function()
    return file.write
  end)
  if not ok or type(write_function) ~= "function" then
    errors.argument("approve.log: expected a path or an open file, got " .. type(file))
  end
end

--- What `codex.approve.log` does.
---@param handler codex.ApprovalHandler
---@param file string|{ write: function }
---@return codex.ApprovalHandler
function M.new(handler, file)
  check(handler, file)
  return function(request)
    local ok, answer = task.attempt(handler, request)
    if ok then
      write(file, line_of(request, answer))
      return answer
    end
    write(file, line_of(request, nil, answer))
    error(answer, 0)
  end
end

return M
