--- Error objects: what everything in this module raises.

local core = require "codex.core"
local hint = require "codex.hint"
local reasons = require "codex.reason"
local versions = require "codex.version"

require "codex.interpreted"()

local M = {}

---@class codex.Error
---@field kind string one of the kinds of the README's table; `invalid_argument`, `transport_closed`, `turn_failed`, …
---@field message string a sentence
---@field code? integer the JSON-RPC code, or an errno for `spawn_failed`
---@field data? any what the server attached to a JSON-RPC error
---@field method? string the protocol method that failed
---@field reason? string what the server says only in words, such as `no_active_turn`
---@field http_status? integer of a failed turn, where there is one
---@field result? codex.TurnResult what a run had collected when it ended in this error
---@field schema_problems? string[] of a failed turn whose output schema may be why: what strict mode refuses in it
---@field stderr_tail? string the end of what a server that died wrote to stderr
---@field exit_status? integer how it ended, if it ended by itself
---@field exit_signal? integer the signal that ended it
---@field traceback? string where it was raised
local Error = {}
Error.__index = Error
Error.__name = "codex.Error"

function Error:__tostring()
  return self.code and self.method and self.method .. ": " .. self.message or self.message
end

-- Frames of these files are the module's own: positions in messages name the user's line instead. In a bundle files go
-- by other names, or by none.
local own_folder = debug.getinfo(1, "S").source:match "^(.*)error%.lua$"

local function callers_position()
  for level = 2, 100 do
    local info = debug.getinfo(level, "Sl")
    if not info then return "" end
    local own = own_folder and info.source:sub(1, #own_folder) == own_folder
    if not own and info.currentline > 0 then return info.short_src .. ":" .. info.currentline .. ": " end
  end
  return ""
end

--- Makes an error object. `fields` are copied into it.
---@param kind string
---@param message string
---@param fields? table
---@return codex.Error
function M.new(kind, message, fields)
  local err = setmetatable({}, Error)
  for name, value in pairs(fields or {}) do
    err[name] = value
  end
  err.kind, err.message = kind, message
  err.traceback = debug.traceback(message, 2)
  return err
end

--- Raises an error object.
---@param kind string
---@param message string
---@param fields? table
function M.raise(kind, message, fields)
  error(M.new(kind, message, fields), 0)
end

--- Raises an `invalid_argument` error that names the line of the user's call.
---@param message string
---@param fields? table
function M.argument(message, fields)
  error(M.new("invalid_argument", callers_position() .. message, fields), 0)
end

--- What was raised, in words: that may be anything.
---@param err any
---@return string
function M.in_words(err)
  if err == nil then return "it raised nil" end
  local _, text = pcall(tostring, err)
  if type(text) ~= "string" then return "it doesn't say why" end
  if type(err) ~= "table" or not text:find "^table: " then return text end
  local message = rawget(err, "message")
  return type(message) == "string" and message or "it raised a table"
end

--- Whether a value is an error object of this module (and of that kind).
---@param value any
---@param kind? string
---@return boolean
function M.is_error(value, kind)
  return getmetatable(value) == Error and (kind == nil or value.kind == kind)
end

local rpc_kinds = {
  [-32700] = "parse_error",
  [-32600] = "invalid_request",
  [-32601] = "method_not_found",
  [-32602] = "invalid_params",
  [-32603] = "internal_error",
}

local function rpc_kind(code, message, data)
  if rpc_kinds[code] then return rpc_kinds[code] end
  if code < -32099 or code > -32000 then return "rpc" end
  local words = message:lower()
  if words:find("retry limit", 1, true) or words:find("too many failed attempts", 1, true) then
    return "retry_limit_exceeded"
  end
  return (code == -32001 or reasons.says_overloaded(data)) and "server_busy" or "rpc"
end

-- The server lists all of its methods, which helps nobody who made a slip in one: the nearest does.
local function shortened(method, message)
  local methods = reasons.known_methods(method, message)
  if not methods then return message end
  return ("Invalid request: unknown variant `%s`%s"):format(method, core.fields(method) and "" or hint(method, methods))
end

--- The error object for a failed request, from what the core says of it.
---@param method string
---@param kind string
---@param code integer
---@param message string
---@param data any
---@param server_version? string
---@return codex.Error
function M.from_request(method, kind, code, message, data, server_version)
  if kind ~= "rpc" then return M.new(kind, message, { method = method }) end
  local skew = versions.skew(server_version, method, code, message)
  local text = shortened(method, message)
  return M.new(rpc_kind(code, message, data), skew and ("%s (%s)"):format(text, skew) or text, {
    code = code,
    data = data ~= core.null and data or nil,
    method = method,
    reason = reasons.of_request(method, message, data),
  })
end

--- Whether the same request may be sent again, later: the server was too busy, and did nothing. Not so when it gave up
--- by itself (`retry_limit_exceeded`), nor when a turn had been started.
---@param err any
---@return boolean
function M.is_retryable_error(err)
  if not M.is_error(err) or err.result ~= nil then return false end
  if err.kind == "server_busy" then return true end
  return err.code ~= nil and err.kind ~= "retry_limit_exceeded" and reasons.says_overloaded(err.data)
end

return M
