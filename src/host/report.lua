--- Errors that nobody caught: what is printed, and the exit status.

local errors = require "codex.error"
local stop = require "codex.host.stop"
local tasks = require "codex.task"

local M = {}

local CONNECTION_FAILED = 3

-- An error on its way out, with where it was raised; tells it from values that scripts raise.
local Failure = {}

-- The frames below the script are the host's own; lua shows its own as one line.
local function without_own_frames(traceback)
  return (traceback:gsub("\n\tsrc/host/%w+%.lua:.*", "\n\t[C]: in ?"))
end

--- Raises what is wrong before anything of the script's runs: there is no place to show.
---@param message string
function M.refuse(message)
  error(setmetatable({ value = message }, Failure), 0)
end

--- Message handler: keeps the value, and the place.
function M.handler(value)
  if getmetatable(value) == Failure then return value end
  return setmetatable({ value = value, traceback = tasks.traceback(value, debug.traceback(nil, 2)) }, Failure)
end

-- The message, and whether a traceback is to follow, by the rules of lua's own.
local function message_of(value)
  if type(value) == "string" or type(value) == "number" then return tostring(value), true end
  local meta = getmetatable(value)
  if type(meta) == "table" and meta.__tostring then
    local ok, text = pcall(tostring, value)
    if ok then return text, false end
  end
  return ("(error object is a %s value)"):format(type(value)), true
end

-- Where an error object says it was raised; nothing for a program that isn't there, which is no script's fault.
local function traceback_of(err)
  if err.kind == "spawn_failed" or type(err.traceback) ~= "string" then return nil end
  local start = err.traceback:find("\nstack traceback:", 1, true)
  return start and err.traceback:sub(start + 1)
end

local function show(value, traceback)
  local message, wanted = message_of(value)
  if not wanted then traceback = nil end
  if errors.is_error(value) then traceback = traceback_of(value) end
  io.stdout:flush()
  io.stderr:write("codex-lua: ", message, "\n")
  if traceback then io.stderr:write(without_own_frames(traceback), "\n") end
end

--- Prints an error and carries on.
function M.show(failure)
  if getmetatable(failure) == Failure then
    show(failure.value, failure.traceback)
  else
    show(failure)
  end
end

local function is_connection_failure(value)
  if errors.is_error(value, "timeout") then return value.method == "initialize" end
  return errors.is_error(value, "spawn_failed") or errors.is_error(value, "transport_closed")
end

--- Prints what ended the script and returns the exit status.
---@param failure any
---@return integer
function M.failure(failure)
  local value = failure
  if getmetatable(failure) == Failure then value = failure.value end
  if stop.status then
    if not errors.is_error(value, "cancelled") then M.show(failure) end
    return stop.status
  end
  M.show(failure)
  return is_connection_failure(value) and CONNECTION_FAILED or 1
end

return M
