--- codex-lua, from where the command line has been checked (see arguments.c) to the exit status.

local clients = require "codex.client"
local core = require "codex.core"
local group = require "codex.group"
local offline = require "codex.host.offline"
local options_of = require "codex.options"
local report = require "codex.host.report"
local stop = require "codex.host.stop"
local system = require "codex.host.system"
local task = require "codex.task"

local M = {}

local USAGE_ERROR = 2

-- ---- options ----

-- By name; those that may be given several times are lists, and those that lua runs in order are one.
local function gather(given)
  local options = { config = {}, steps = {} }
  for _, option in ipairs(given) do
    local name = option.name:gsub("^%-+", "")
    if name == "c" then
      table.insert(options.config, option.value)
    elseif name == "e" or name == "l" or name == "W" then
      table.insert(options.steps, { name, option.value })
    else
      options[name] = option.value or true
    end
  end
  return options
end

local function check_thread_defaults(defaults)
  local ok, err = pcall(options_of.thread, "thread_start", "thread/start", defaults)
  if ok then return end
  local names = { sandbox = "--sandbox", approval_mode = "--approval" }
  local message = err.message:gsub("^.-thread_start[.:] ?", ""):gsub("^[%w_]+", names)
  return message
end

-- Lays the flags under the options that scripts give. Returns what is wrong with them.
local function set_defaults(options)
  local cwd, problem
  if options.cwd then
    cwd, problem = system.folder(options.cwd)
    if not cwd then return ("--cwd: %s: %s"):format(options.cwd, problem) end
  end
  local thread = { model = options.model, sandbox = options.sandbox, approval_mode = options.approval }
  clients.defaults = {
    client = {
      codex_bin = options.codex,
      config_overrides = options.config[1] and options.config or nil,
      cwd = cwd,
      approval_handler = options.approval == "ask" and require("codex.approve").prompt() or nil,
    },
    thread = thread,
  }
  return check_thread_defaults(thread)
end

-- ---- what lua does ----

local function show_version()
  print(("codex-lua %s (%s, codex app-server %s)"):format(clients.version, _VERSION, core.schema_version))
end

local function must_load(chunk, message)
  return chunk or report.refuse(message)
end

local steps = {}

function steps.e(text)
  must_load(load(text, "=(command line)"))()
end

function steps.l(text)
  local global, name = text:match "^([^=]*)=(.*)$"
  _G[global or text] = require(name or text)
end

function steps.W()
  warn "@on"
end

local function run_init_variable()
  local name = "LUA_INIT_5_4"
  local text = os.getenv(name)
  if not text then
    name = "LUA_INIT"
    text = os.getenv(name)
  end
  if not text then return end
  local file = text:match "^@(.*)"
  must_load(file and must_load(loadfile(file)) or load(text, "=" .. name))()
end

local function run_file(path)
  must_load(loadfile(path))(table.unpack(arg))
end

-- Everything that the user wants run, in lua's order.
local function run_all(given, options)
  if options.v or options.i then show_version() end
  if not options.E then run_init_variable() end
  local asked = options.v
  for _, step in ipairs(options.steps) do
    steps[step[1]](step[2])
    asked = asked or step[1] == "e"
  end
  if given.script then run_file(not given.from_stdin and given.script or nil) end
  if options.i then
    require("codex.host.repl").run()
  elseif given.script or asked then
    return
  elseif system.is_terminal() then
    show_version()
    require("codex.host.repl").run()
  else
    run_file(nil)
  end
end

-- ---- running ----

local function run_as_task(given, options)
  local ok, failure = xpcall(group.run, report.handler, function()
    stop.aim_at(task.running())
    local ok, failure = xpcall(run_all, report.handler, given, options)
    if not ok then error(failure, 0) end
  end)
  stop.note_late_signals()
  if ok then return stop.status or 0 end
  return report.failure(failure)
end

-- As in lua, but what the state holds is always ended properly, its servers above all.
local function replace_exit()
  os.exit = function(status) -- luacheck: ignore 122
    if status == nil or status == true then status = 0 end
    if status == false then status = 1 end
    if math.type(status) ~= "integer" then
      error("bad argument #1 to 'exit' (an integer or a boolean expected)", 2)
    end
    stop.exit(status)
  end
end

local function start_offline(given, options)
  local env, problem = offline.start {
    program = given.program,
    script = options.offline ~= true and options.offline or nil,
    ignore_environment = options.E,
  }
  if env then
    clients.defaults.client.env = env
    stop.at_end(offline.stop)
  end
  return problem
end

local function complain(message, status)
  io.stderr:write("codex-lua: ", message, "\n")
  return status
end

--- Does what the command line says and returns the exit status.
---@param given { options: table[], script: string?, from_stdin: boolean, program: string }
---@return integer
function M.main(given)
  local options = gather(given.options)
  if options["scripted-model"] then return offline.be_model(options["scripted-model"], given.script) end
  if options.version then
    show_version()
    return 0
  end
  local problem = set_defaults(options)
  if problem then return complain(problem, USAGE_ERROR) end
  stop.listen()
  replace_exit()
  if options.timeout then stop.after(tonumber(options.timeout)) end
  problem = options.offline and start_offline(given, options)
  if problem then
    stop.note_late_signals()
    stop.end_everything()
    return stop.status or complain(problem, 1)
  end
  local status = run_as_task(given, options)
  stop.end_everything()
  return status
end

return M
