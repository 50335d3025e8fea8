--- What specs stand on: private homes with a scripted model, clients in them, fake servers, and a look at processes.
---
---     local kit = require "spec.support.kit"
---     after_each(kit.cleanup)
---     local client, home = kit.client{ script = { "first answer", "second answer" } }
---
--- Everything is private to the caller, so any number of spec runs may go on at once. Nothing outlives the spec
--- process: a model ends when its standard input does.

local cjson = require "cjson"
local home = require "codex.testing.home"
local socket = require "socket"

local kit = {}

local function shell_quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- The first line that a shell command prints.
local function line_of(command)
  local pipe = assert(io.popen("unset LD_PRELOAD\n" .. command, "r"))
  local line = pipe:read("*l")
  pipe:close()
  return line
end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("*a")
  file:close()
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

local function merged(...)
  local all = {}
  for i = 1, select("#", ...) do
    for key, value in pairs((select(i, ...)) or {}) do all[key] = value end
  end
  return all
end

--- The project's folder, the Lua that runs the specs, the one of fake servers, whose scenarios are in its syntax, and
--- the native codex program, as absolute paths.
---@type string
kit.root = line_of("pwd -P")
---@type string
kit.lua = os.getenv("CODEX_SPEC_LUA") or line_of("readlink -f /proc/$PPID/exe")
---@type string
kit.server_lua = line_of("command -v lua5.4") or kit.lua
---@type string
kit.codex_bin = os.getenv("CODEX_BIN")
  or line_of("ls -d " .. shell_quote(kit.root) .. "/build/server/*/node_modules/@openai/codex-*/vendor/*/bin/codex"
    .. " 2>/dev/null")

kit.quoted, kit.read_file, kit.write_file = shell_quote, read_file, write_file

local open_homes, folders = {}, {}
local clients = setmetatable({}, { __mode = "k" }) -- weak: a forgotten one is to be collected

--- Makes an empty folder of our own, which cleanup removes: in another one, or else where a CODEX_HOME can be, which is
--- not under /tmp.
---@param base? string
---@return string path
function kit.folder(base)
  base = base or kit.root .. "/build/spec-homes"
  local quoted = shell_quote(base)
  local path = assert(line_of("mkdir -p " .. quoted .. " && mktemp -d " .. quoted .. "/XXXXXXXX"))
  folders[#folders + 1] = path
  return path
end

--- The JSON schema that the pinned server writes about itself: the folder it is in.
---@return string path
function kit.schema()
  local path = kit.folder()
  local write = "env -u LD_PRELOAD CODEX_HOME=%s %s app-server generate-json-schema --experimental --out %s && echo ok"
  local quoted = shell_quote(path)
  local ok = line_of(write:format(quoted, shell_quote(kit.codex_bin), shell_quote(path .. "/schema")))
  assert(ok == "ok", "the server wrote no schema")
  return path .. "/schema"
end

local function script_argument(script, dir)
  if script == nil then return nil end
  if type(script) == "table" then return write_file(dir .. "/model.json", cjson.encode(script)) end
  if not script:find("\n") and (script:find("%.lua$") or script:find("%.json$")) then return script end
  return write_file(dir .. "/model.lua", script)
end

-- The model's input is our pipe, so it ends with us; its output is a fifo, whose opening waits until it is there.
local function start_model(dir, script)
  local code = string.format("package.path = %q require('codex.testing.model').main{ '--log', %q, %s }",
    kit.root .. "/lua/?.lua;" .. package.path, dir .. "/requests", script and string.format("%q", script) or "nil")
  local fifo = shell_quote(dir .. "/ready")
  local command = { "unset LD_PRELOAD; exec", shell_quote(kit.lua), "-e", shell_quote(code), ">" .. fifo }
  assert(line_of("mkfifo " .. fifo .. " && echo ok") == "ok")
  local process = assert(io.popen(table.concat(command, " "), "w"))
  local ready = assert(io.open(dir .. "/ready", "r"))
  local line = ready:read("*l")
  ready:close()
  local port = line and line:match("^ready (%d+)$")
  if not port then
    process:close()
    error("the scripted model did not start", 3)
  end
  return process, math.floor(tonumber(port))
end

---@class spec.Home
---@field dir string    the CODEX_HOME
---@field port integer  of its model
---@field env table     the `env` of codex.new
local Home = {}
Home.__index = Home

--- The requests that the model got so far: a list of { path =, body = }.
function Home:log()
  local requests = {}
  local whole = (read_file(self.dir .. "/requests") or ""):match("^(.*)\n") or "" -- the last one may be half written
  for line in whole:gmatch("[^\n]+") do requests[#requests + 1] = cjson.decode(line) end
  return requests
end

--- Ends the model. May be called again.
function Home:stop()
  if self.process then self.process:close() end
  self.process = nil
end

---@class spec.HomeOptions: codex.testing.HomeOptions
---@field script? table|string  the model's script: a table (without functions), Lua source, or a path

--- A private CODEX_HOME with a model of its own.
---@param options? spec.HomeOptions
---@return spec.Home
function kit.home(options)
  options = options or {}
  local dir = kit.folder()
  local process, port = start_model(dir, script_argument(options.script, dir))
  home.create(dir, merged(options, { port = port }))
  -- A sanitizer that is preloaded into Lua has no business in the server and the commands it runs.
  local env = merged(home.environment(dir), { LD_PRELOAD = false })
  local made = setmetatable({ dir = dir, port = port, env = env, process = process }, Home)
  open_homes[#open_homes + 1] = made
  return made
end

--- A client with those options of codex.new, which cleanup closes: only Lua 5.4 has variables that do.
---@param options? table
---@return table client
function kit.open(options)
  local client = require("codex").new(options)
  clients[client] = true
  return client
end

local HOME_OPTIONS = { script = true, model = true, features = true, extra_toml = true, top_toml = true,
  approval_policy = true, sandbox_mode = true }

-- In a repository the server runs git a dozen times for each thread. On a busy machine a program that is just being
-- started holds what the server has open for a while, the lock of a thread too, which then can't be archived.
local OUTSIDE_REPOSITORIES = os.getenv "TMPDIR" or "/tmp"

--- A client of the real server in a private home. Options are those of codex.new and of kit.home together; `home` is
--- one that is there already; `cwd` is an empty folder unless it is given. Returns the client and its home.
---@param options? table
---@return table client
---@return spec.Home home
function kit.client(options)
  local for_home, for_client = {}, {}
  for name, value in pairs(options or {}) do (HOME_OPTIONS[name] and for_home or for_client)[name] = value end
  local where = for_client.home or kit.home(for_home)
  for_client.home = nil
  for_client.codex_bin = for_client.codex_bin or kit.codex_bin
  for_client.cwd = for_client.cwd or kit.folder(OUTSIDE_REPOSITORIES)
  for_client.env = merged(where.env, for_client.env)
  return kit.open(for_client), where
end

--- Options of codex.new for the fake server. The scenario is Lua source: a file returning function(server), or just the
--- body of that function. extra holds further options of codex.new, and `ignore_term = true` for a server that SIGTERM
--- doesn't end. The second result is a function that returns the lines received so far.
---@param scenario string
---@param extra? table
---@return table options
---@return fun(): string[] received
function kit.fake(scenario, extra)
  local path = kit.folder() .. "/scenario.lua"
  if not scenario:find("^%s*return%s+function") then scenario = "return function(server) " .. scenario .. "\nend" end
  write_file(path, scenario)
  local argv = { kit.server_lua, kit.root .. "/spec/support/fake_server.lua", path }
  local options = merged({ env = { LD_PRELOAD = false } }, extra)
  if options.ignore_term then
    options.ignore_term = nil
    argv = { "/bin/sh", "-c", "trap '' TERM; exec \"$@\"", "sh", argv[1], argv[2], argv[3] }
  end
  options.launch_args_override = argv
  return options, function()
    local lines = {}
    for line in (read_file(path .. ".received") or ""):gmatch("[^\n]+") do lines[#lines + 1] = line end
    return lines
  end
end

--- The small MCP server of spec/support/mcp_server.lua, as a part of config.toml that names it "spec". more: further
--- lines for it. The second result is the file of what it has been sent, a message a line.
---@param more? string
---@return string extra_toml
---@return string log
function kit.mcp_server(more)
  local log = kit.folder() .. "/mcp.log"
  local toml = ("[mcp_servers.spec]\ncommand = %q\nargs = [%q, %q]\n%s\n"):format(kit.server_lua,
    kit.root .. "/spec/support/mcp_server.lua", log, more or "")
  return toml, log
end

local login_lock

--- For logins by browser: the server listens on a port that is the same for all, and a second one ends the login of the
--- first. So this waits until no other spec process has logins, and holds them off until cleanup.
function kit.alone_with_logins()
  login_lock = login_lock or kit.eventually(function() return (socket.bind("127.0.0.1", 14550)) end, 60)
  assert(login_lock, "port 14550 stays taken")
end

--- Closes every client, ends every model and removes every folder that kit made (CODEX_SPEC_KEEP=1 keeps the folders).
function kit.cleanup()
  for client in pairs(clients) do client:close() end
  clients = setmetatable({}, { __mode = "k" })
  -- A spec that failed may have left a client; its server holds a copy of our end of the model's input.
  collectgarbage()
  collectgarbage()
  for _, made in ipairs(open_homes) do made:stop() end
  open_homes = {}
  if login_lock then login_lock:close() end
  login_lock = nil
  if #folders == 0 or os.getenv("CODEX_SPEC_KEEP") then return end
  local quoted = {}
  for i, path in ipairs(folders) do quoted[i] = shell_quote(path) end
  folders = {}
  os.execute("rm -rf -- " .. table.concat(quoted, " "))
end

-- ## Processes

--- State and parent of a process, nil when there is none.
local function stat(pid)
  local text = read_file("/proc/" .. pid .. "/stat")
  if not text or text == "" then return nil end
  local state, parent = text:match(".*%) (%S) (%d+)")
  return state, tonumber(parent)
end

--- Answers whether a process runs; a zombie doesn't.
---@param pid integer
---@return boolean
function kit.process_alive(pid)
  local state = stat(pid)
  return state ~= nil and state ~= "Z" and state ~= "X"
end

--- The process id of this Lua.
---@return integer
function kit.pid() return math.floor(tonumber(read_file("/proc/self/stat"):match("^%d+"))) end

local function all_pids()
  local pids = {}
  for pid in line_of("echo /proc/[0-9]*"):gmatch("/proc/(%d+)") do pids[#pids + 1] = math.floor(tonumber(pid)) end
  return pids
end

local function command_of(pid) return ((read_file("/proc/" .. pid .. "/cmdline") or ""):gsub("%z", " ")) end

--- The children of this process whose command line holds a Lua pattern (default: all); zombies, which have no command
--- line any more, always.
---@param pattern? string
---@return integer[]
function kit.children(pattern)
  local own, found = kit.pid(), {}
  for _, pid in ipairs(all_pids()) do
    local state, parent = stat(pid)
    if parent == own and (state == "Z" or command_of(pid):find(pattern or "")) then found[#found + 1] = pid end
  end
  return found
end

--- The processes, whoever their parent is, that have this home's folder as CODEX_HOME: the server and what it started.
---@param where spec.Home
---@return integer[]
function kit.processes_in(where)
  local found = {}
  for _, pid in ipairs(all_pids()) do
    local environment = "\0" .. (read_file("/proc/" .. pid .. "/environ") or "")
    if environment:find("\0CODEX_HOME=" .. where.dir .. "\0", 1, true) and kit.process_alive(pid) then
      found[#found + 1] = pid
    end
  end
  return found
end

--- Waits until a function answers something true, and returns that; what it answered last when the time is over.
---@param condition fun(): any
---@param seconds? number default 20, for machines that do much else
function kit.eventually(condition, seconds)
  local deadline = socket.gettime() + (seconds or 20)
  while true do
    local value = condition()
    if value or socket.gettime() > deadline then return value end
    socket.sleep(0.01)
  end
end

return kit
