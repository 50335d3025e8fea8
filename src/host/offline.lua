--- `--offline`: a scripted model in place of a real one.
---
--- The model is a process of its own, this program once more, so that it answers while the script computes. Its input
--- is a pipe of ours: when that ends, however this process ended, it removes the private CODEX_HOME and leaves.

local home = require "codex.testing.home"
local signals = require "codex.host.signals"
local system = require "codex.host.system"

local M = {}

local MISSING = "--offline needs luasocket and lua-cjson for Lua 5.4: "
  .. "`apt-get install lua-socket lua-cjson`, or `luarocks install luasocket lua-cjson`"

-- Seconds that a model may take to leave, and a server whose script was killed to write its last files.
local LEAVE_SECONDS = 2
local LAST_WORDS_SECONDS = 0.5

-- Seconds that a model may take to begin, its script included.
local START_SECONDS = 10

local model -- pid and input of the process, folder

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- ---- folders ----

-- Makes a new folder under $1. Those of sessions that died with their model long ago go.
local make_folder = [[
umask 077
mkdir -p -- "$1" 2>/dev/null || exit 1
find "$1" -mindepth 1 -maxdepth 1 -name 'offline-*' -mtime +0 -exec sh -c '
  for folder; do
    pid=${folder##*/offline-}
    kill -0 "${pid%%-*}" 2>/dev/null || rm -rf -- "$folder"
  done' sh {} + 2>/dev/null
mktemp -d -- "$1/offline-$PPID-XXXXXX" 2>/dev/null
]]

local function new_folder(base)
  local pipe = io.popen("exec sh -c " .. quote(make_folder) .. " sh " .. quote(base), "r")
  local path = pipe:read "l"
  pipe:close()
  return path
end

-- The server refuses to make its helper programs in folders for temporary files.
local function is_temporary(path)
  local temporary = os.getenv "TMPDIR" or "/tmp"
  return path:sub(1, 5) == "/tmp/" or path:sub(1, #temporary + 1) == temporary .. "/"
end

local function folder_bases()
  local bases = {}
  local cache, user = os.getenv "XDG_CACHE_HOME", os.getenv "HOME"
  if cache and cache:sub(1, 1) == "/" then bases[1] = cache .. "/codex-lua" end
  if user and user:sub(1, 1) == "/" then bases[#bases + 1] = user .. "/.cache/codex-lua" end
  local here = system.folder "."
  if here then bases[#bases + 1] = here .. "/.codex-lua" end
  return bases
end

local function make_home_folder()
  local bases = folder_bases()
  for _, allowed in ipairs { false, true } do
    for _, base in ipairs(bases) do
      local path = is_temporary(base) == allowed and new_folder(base)
      if path then return path end
    end
  end
end

local function remove(folder)
  os.execute("rm -rf -- " .. quote(folder))
end

-- ---- the model's side ----

local function exists(path)
  return system.folder(path) ~= nil
end

-- Until no process has the folder as its CODEX_HOME, $1, or 10 seconds have passed. Where there is no /proc: at once.
local wait_for_servers = [[
n=0
while [ $n -lt 100 ] && grep -qsaF "CODEX_HOME=$1" /proc/[0-9]*/environ; do
  n=$((n + 1))
  sleep 0.1
done
]]

-- Whoever made the folder has gone. If it didn't remove it, a server may still be writing there.
local function remove_for_good(folder)
  if not exists(folder) then return end
  os.execute("exec sh -c " .. quote(wait_for_servers) .. " sh " .. quote(folder))
  for _ = 1, 4 do
    remove(folder)
    os.execute("sleep " .. LAST_WORDS_SECONDS)
    if not exists(folder) then return end
  end
end

-- Our standard output is for whoever started us. What the model's script prints goes to stderr.
local function take_output()
  local output = io.stdout
  io.stdout = io.stderr -- luacheck: ignore 122
  io.output(io.stderr)
  function print(...) -- luacheck: ignore 121
    local words = table.pack(...)
    for index = 1, words.n do
      words[index] = tostring(words[index])
    end
    io.stderr:write(table.concat(words, "\t"), "\n")
  end
  return output
end

--- What the process of the model does. Says `ready PORT`, or what is missing.
---@param folder string to remove at the end
---@param script string?
---@return integer status
function M.be_model(folder, script)
  signals.ignore_interrupts()
  if not (pcall(require, "socket") and pcall(require, "cjson")) then
    print(MISSING)
    return 1
  end
  local output = take_output()
  local ok, message = pcall(require("codex.testing.model").serve, {
    script = script,
    on_ready = function(port)
      output:write("ready ", port, "\n")
      output:flush()
    end,
  })
  if not ok then
    output:write("--offline: ", tostring(message), "\n")
    return 1
  end
  remove_for_good(folder)
  return 0
end

-- ---- the script's side ----

--- Starts a model and makes a home that sends the server there.
---@param options { program: string, script: string?, ignore_environment: boolean? }
---@return table<string, string|false>? env for codex.new
---@return string? problem
function M.start(options)
  local folder = make_home_folder()
  if not folder then return nil, "--offline: there is no place to make a folder, neither in $HOME nor here" end
  local argv = { options.program }
  if options.ignore_environment then argv[2] = "-E" end
  argv[#argv + 1] = "--scripted-model=" .. folder
  argv[#argv + 1] = "--"
  argv[#argv + 1] = options.script
  local pid, input, output = system.start(argv)
  if not pid then
    remove(folder)
    return nil, "--offline: the scripted model can't be started: " .. input
  end
  model = { pid = pid, input = input, folder = folder }
  local line, why = system.read_line(output, START_SECONDS)
  system.close(output)
  local port = line and line:match "^ready (%d+)$"
  if not port then
    M.stop()
    if why == "late" then
      line = ("--offline: the model's script did not return within %d seconds"):format(START_SECONDS)
    end
    return nil, line or "--offline: the scripted model ended at once"
  end
  home.create(folder, { port = tonumber(port) })
  return home.environment(folder)
end

--- Ends the model and removes the folder. The servers must have gone.
function M.stop()
  if not model then return end
  remove(model.folder)
  system.close(model.input)
  system.wait(model.pid, LEAVE_SECONDS)
  model = nil
end

return M
