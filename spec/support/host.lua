--- The host, codex-lua, for specs: command lines that run it in an environment of its own, what it leaves behind, and
--- the host under a terminal.

local assert = require "luassert"
local kit = require "spec.support.kit"
local terminals = require "spec.support.terminal"

local host = {}

local quoted = kit.quoted

--- Where the program is.
host.program = os.getenv "CODEX_LUA" or kit.root .. "/build/codex-lua"

---@class spec.HostOptions the arguments, as a list, and:
---@field cwd? string the folder it starts in, else that of the test
---@field env? table<string, string|false> variables beside those it always has; false takes one of these away
---@field program? string what is run in its place

local dir -- of this test; all that it starts has it in its environment

--- Begins a test: makes its folder, which is HOME of all that it runs.
---@return string path
function host.begin()
  dir = kit.folder()
  return dir
end

local function environment(more)
  local env = {
    CODEX_BIN = kit.codex_bin,
    CODEX_SPEC_MARK = dir,
    HOME = dir,
    PATH = os.getenv "PATH",
    XDG_CACHE_HOME = dir .. "/cache",
  }
  for name, value in pairs(more or {}) do
    env[name] = value
  end
  return env
end

--- The shell's words for running the host, in an environment of our own.
---@param options spec.HostOptions
---@return string
function host.command_line(options)
  local words = { "env", "-i" }
  for name, value in pairs(environment(options.env)) do
    if value then words[#words + 1] = quoted(name .. "=" .. value) end
  end
  words[#words + 1] = quoted(options.program or host.program)
  for _, argument in ipairs(options) do
    words[#words + 1] = quoted(argument)
  end
  return table.concat(words, " ")
end

--- Writes a file into the test's folder.
---@param text string
---@param name? string default "script.lua"
---@return string path
function host.script(text, name)
  return kit.write_file(dir .. "/" .. (name or "script.lua"), text)
end

-- A turn with the word "hold" says "part" and never ends.
local HOLDING = [[
return { match = { { pattern = "hold", answer = { text = "part", hold = true } } } }
]]

--- The arguments that run a script with a model whose turn, asked with the word "hold", says "part" and never ends.
---@param text string
---@return string option
---@return string path
function host.offline(text)
  return "--offline=" .. host.script(HOLDING, "model.lua"), host.script(text)
end

--- A script for `offline` whose turn is held: it prints "got part", and the turn's status once that has ended.
host.held_turn = [[
local codex = require "codex"
local client <close> = codex.new()
local thread = client:thread_start()
local turn = thread:turn "hold on"
for text in turn:text() do print("got " .. text) io.stdout:flush() end
print("the turn is " .. turn:run().status)
io.stdout:flush()
]]

-- ---- what it leaves behind ----

--- The processes that this test's hosts are or have started, by a pattern of their command lines.
---@param pattern? string
---@return string[] pids
function host.processes(pattern)
  local pipe = io.popen("grep -lsaF CODEX_SPEC_MARK=" .. quoted(dir) .. " /proc/[0-9]*/environ")
  local found = {}
  for pid in pipe:read("*a"):gmatch "/proc/(%d+)/" do
    local line = (kit.read_file("/proc/" .. pid .. "/cmdline") or ""):gsub("%z", " ")
    if kit.process_alive(pid) and not line:find("^grep ") and line:find(pattern or "") then
      found[#found + 1] = pid
    end
  end
  pipe:close()
  return found
end

--- What is in the folder where `--offline` keeps its homes, a line for each.
---@return string
function host.homes()
  local pipe = io.popen("ls -A " .. quoted(dir .. "/cache/codex-lua") .. " 2>/dev/null")
  local text = pipe:read "*a"
  pipe:close()
  return text
end

--- Checks that no process and no home is left.
function host.nothing_is_left()
  assert.same({}, host.processes())
  assert.equal("", host.homes())
end

local function kill_all()
  for _, pid in ipairs(host.processes()) do
    os.execute("kill -9 " .. pid .. " 2>/dev/null")
  end
end

--- Ends a test: kills what it has started and removes its folders.
function host.finish()
  kill_all()
  kit.cleanup()
end

-- ---- under a terminal ----

--- What a user types for Ctrl-C.
host.CTRL_C = "\3"

---@class spec.HostTerminal
---@field type fun(text: string) types
---@field output fun(): string everything shown until now
---@field shows fun(text: string) waits until a text has been shown, before or from now on
---@field ends_with fun(status: integer) waits for the end and checks the exit status

--- Starts the host under a pseudo-terminal: what is written to it is typed there.
---@param options spec.HostOptions
---@return spec.HostTerminal
function host.terminal(options)
  local tty = terminals.start("exec " .. host.command_line(options), options.cwd or dir)
  local self = {}
  function self.type(text)
    tty:type(text)
  end
  function self.output()
    return tty:output()
  end
  function self.shows(text)
    local seen = kit.eventually(function()
      return tty:output():find(text, 1, true)
    end, 20)
    assert.truthy(seen, "did not show '" .. text .. "' but:\n" .. tty:output())
  end
  function self.ends_with(status)
    local got = tty:status()
    if not got then
      kill_all()
      tty:close()
    end
    assert.equal(status, got, tty:output())
  end
  return self
end

return host
