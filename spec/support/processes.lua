--- Processes and what they leave behind, for specs: fake servers, shell commands, Lua programs, descriptors.

local assert = require "luassert"
local codex = require "codex"
local kit = require "spec.support.kit"
local socket = require "socket"

local processes = {}

local quoted = kit.quoted

--- Runs a shell command; fails when that does.
---@param command string
function processes.run(command)
  local ok = os.execute(command)
  assert(ok == true or ok == 0, command)
end

--- What a shell command prints, without the end of its last line.
---@param command string
---@return string
function processes.output_of(command)
  local pipe = io.popen(command, "r")
  local text = pipe:read "*a"
  pipe:close()
  return (text:gsub("\n$", ""))
end

--- A client of a fake server, as kit.fake makes them, that waits 10 seconds for answers unless told otherwise.
---@param scenario string
---@param extra? table
---@return codex.Client
---@return fun(): string[] received
---@return table options of codex.new
function processes.fake(scenario, extra)
  local options, received = kit.fake(scenario, extra)
  options.request_timeout = options.request_timeout or 10
  return codex.new(options), received, options
end

--- Runs Lua code, which may use codex, in a Lua of its own with this one's paths.
---@param code string
---@param environment? string what stands before the command
---@return string printed
---@return string status the shell's word for how it ended
function processes.subprocess(code, environment)
  local path = kit.write_file(kit.folder() .. "/script.lua", 'local codex = require "codex"\n' .. code)
  local text = processes.output_of(
    ("%s %s %s 2>&1; echo status=$?"):format(environment or "", quoted(kit.lua), quoted(path)))
  return text:match "^(.-)\n?status=(%d+)$"
end

--- How many descriptors are open, and which.
---@return integer
---@return string listed
function processes.open_fds()
  collectgarbage()
  collectgarbage()
  local path = kit.folder() .. "/fds" -- a pipe to read from would be among them
  processes.run(("ls -l /proc/%d/fd >%s"):format(kit.pid(), quoted(path)))
  local listed = kit.read_file(path)
  local count = 0
  for _ in listed:gmatch "%->" do count = count + 1 end
  return count, listed
end

--- Checks that nothing done since `before` were open has left one behind.
---@param before integer
function processes.check_fds(before)
  local now, listed = processes.open_fds()
  assert.is_true(now <= before, listed)
end

--- The seconds that a call takes.
---@param fn function
---@param ... any
---@return number
function processes.timed(fn, ...)
  local start = socket.gettime()
  fn(...)
  return socket.gettime() - start
end

return processes
