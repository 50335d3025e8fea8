--- A client: one `codex app-server` process and what is said with it.

local accounts = require "codex.account"
local api = require "codex.api"
local classes = require "codex.class"
local client_threads = require "codex.client_threads"
local config = require "codex.config"
local core = require "codex.core"
local errors = require "codex.error"
local handlers = require "codex.handlers"
local lanes = require "codex.lane"
local loop = require "codex.loop"
local options_of = require "codex.options"
local subscriptions = require "codex.subscription"
local task = require "codex.task"
local versions = require "codex.version"

require "codex.interpreted"()

local M = {}

M.version = "0.1.0"

-- Seconds that each step of ending a server may take: leaving by itself, after SIGTERM, after SIGKILL.
local CLOSE_SECONDS = 2

-- What the core's counter holds.
local MOST_IN_FLIGHT = 2 ^ 31 - 1

--- Defaults that a host program lays under the options of every `codex.new` (`client`) and `thread_start` (`thread`).
M.defaults = {}

-- Weak, so that a forgotten client is collected.
local open = setmetatable({}, { __mode = "k" })

--- The clients whose servers may still run: for a host program, which leaves none behind.
---@return codex.Client[]
function M.open_clients()
  local list = {}
  for client in pairs(open) do
    list[#list + 1] = client
  end
  return list
end

---@class codex.ClientOptions
---@field codex_bin? string path or name of the codex program; default `$CODEX_BIN`, else `codex` on PATH
---@field launch_args_override? string[] the whole command line instead, for example over ssh
---@field config_overrides? table<string, any>|string[] settings over the user's config.toml
---@field cwd? string the server's directory
---@field env? table<string, string|false> added to the environment; false removes
---@field client_name? string
---@field client_title? string
---@field client_version? string
---@field experimental_api? boolean default true
---@field opt_out_notifications? string[] methods that the server shall not send; those that a turn's result needs are
--- refused. Without `item/agentMessage/delta`, `turn:text()` yields each message when it is complete
---@field startup_timeout? number seconds, default 30
---@field request_timeout? number seconds for a request, default 120; those that take long by nature have none
---@field process_group? boolean default true: the server has a process group of its own, out of Ctrl-C's reach
---@field max_in_flight? integer requests unanswered on the wire, default 64; the rest wait in order
---@field approval_handler? fun(request: codex.ServerRequest): any decides about commands, file changes, permissions and
--- tools of MCP servers: `"accept"`, `"accept_for_session"`, `"decline"`, `"cancel"` (the turn), a boolean, or a table
--- in the shape of the protocol's answer. Each handler runs in a task of its own, so it may wait. Without one, with one
--- that fails or returns something else, the answer is no
---@field user_input_handler? fun(request: codex.ServerRequest): any answers questions: `{ [id] = "answer" }`, or lists
---@field elicitation_handler? fun(request: codex.ServerRequest): any answers MCP servers: the content as a table, or
--- false. Under the approval policy "never" the server declines by itself and asks nobody: it is asked with
--- `approval_mode = "ask"`, which is the default only where there is a handler for approvals
---@field token_handler? fun(request: codex.ServerRequest): any gives fresh ChatGPT tokens: `{ access_token =,
--- chatgpt_account_id = }`
---@field request_handler? fun(request: codex.ServerRequest): any answers whatever has no handler of its own
---@field handler_timeout? number seconds that a handler may take; then the answer is no. Default: as long as it likes

local option_types = {
  codex_bin = "string",
  launch_args_override = "table",
  config_overrides = "table",
  cwd = "string",
  env = "table",
  client_name = "string",
  client_title = "string",
  client_version = "string",
  experimental_api = "boolean",
  opt_out_notifications = "table",
  startup_timeout = "number",
  request_timeout = "number",
  process_group = "boolean",
  max_in_flight = "number",
  handler_timeout = "number",
}

local handler_names = {
  approval_handler = true,
  elicitation_handler = true,
  request_handler = true,
  token_handler = true,
  user_input_handler = true,
}

---@class codex.Metadata
---@field user_agent string
---@field codex_home string
---@field platform_family string
---@field platform_os string
---@field server_info { name?: string, version?: string }

---@class codex.Client
---@field metadata codex.Metadata
---@field closed boolean
---@field api codex.Api every method of the protocol as a function
local Client = {}
Client.__index = Client
accounts.install(Client)
client_threads.install(Client)
handlers.install(Client)
subscriptions.install(Client)

function Client:__tostring()
  return "codex client" .. (self.closed and " (closed)" or "")
end

-- ---- starting ----

-- What becomes an argument or a variable of a process ends at a zero byte.
local function check_no_zero(name, text)
  if text and text:find "%z" then errors.argument(("codex.new.%s: must not hold a zero byte"):format(name)) end
end

-- What becomes JSON is checked before a server is started for it.
local function check_utf8(name, text)
  if text and not core.json_encode(text) then errors.argument(("codex.new.%s: not valid UTF-8"):format(name)) end
end

local function check_list(name, list, check)
  local count = 0
  for key in pairs(list or {}) do
    if type(key) ~= "number" then
      errors.argument(("codex.new.%s: expected a list, got a table with '%s'"):format(name, tostring(key)))
    end
    count = count + 1
  end
  for index = 1, count do
    local value = list[index]
    if type(value) ~= "string" then
      errors.argument(("codex.new.%s[%d]: expected a string, got %s"):format(name, index, type(value)))
    end
    check(("%s[%d]"):format(name, index), value)
  end
end

local function check_options(options)
  options_of.check_names("codex.new", options, option_types, handler_names)
  for name, expected in pairs(option_types) do
    options_of.check_type("codex.new", options, name, expected)
  end
  options_of.check_seconds("codex.new", options, "startup_timeout")
  options_of.check_seconds("codex.new", options, "request_timeout")
  options_of.check_seconds("codex.new", options, "handler_timeout")
  check_list("launch_args_override", options.launch_args_override, check_no_zero)
  check_list("opt_out_notifications", options.opt_out_notifications, check_utf8)
  subscriptions.check_opt_out("codex.new.opt_out_notifications", options.opt_out_notifications)
  for _, name in ipairs { "codex_bin", "cwd" } do
    check_no_zero(name, options[name])
  end
  for _, name in ipairs { "client_name", "client_title", "client_version" } do
    check_utf8(name, options[name])
  end
  -- the server puts it into a header of HTTP
  if options.client_name and options.client_name:gsub("\t", ""):find "%c" then
    errors.argument "codex.new.client_name: must not hold control characters"
  end
  local most = options.max_in_flight
  if most and not (most >= 1 and most <= MOST_IN_FLIGHT and most == math.floor(most)) then
    errors.argument(("codex.new.max_in_flight: must be a whole number from 1 to %d"):format(MOST_IN_FLIGHT))
  end
end

-- The core's list: NAME=VALUE adds, NAME removes.
local function environment(env)
  if not env then return nil end
  local list = {}
  for name, value in pairs(env) do
    if type(name) ~= "string" or name == "" or name:find "[=%z]" then
      errors.argument("codex.new.env: '" .. tostring(name) .. "' can't be the name of a variable")
    end
    if value == false then
      list[#list + 1] = name
    elseif type(value) == "string" then
      check_no_zero("env." .. name, value)
      list[#list + 1] = name .. "=" .. value
    else
      errors.argument(("codex.new.env.%s: expected a string or false, got %s"):format(name, type(value)))
    end
  end
  return list
end

-- Where the server looks for files by relative paths; nil when it may be on another machine.
local function folder_of(options)
  if options.launch_args_override then return nil end
  local cwd = options.cwd
  if cwd and cwd:sub(1, 1) == "/" then return cwd end
  local ours = core.cwd()
  return ours and cwd and ours .. "/" .. cwd or ours
end

local function start_core(options)
  local arguments = options.launch_args_override
  if arguments and #arguments == 0 then errors.argument "codex.new.launch_args_override: must not be empty" end
  local overrides = config.overrides(options.config_overrides)
  check_list("config_overrides", overrides, check_no_zero)
  local handle, kind, code, message = core.start {
    codex_bin = options.codex_bin,
    arguments = arguments,
    config = overrides,
    cwd = options.cwd,
    env = environment(options.env),
    shared_group = options.process_group == false,
    max_in_flight = options.max_in_flight,
  }
  if not handle then errors.raise(kind, message, { code = code }) end
  return handle
end

-- What the caller says wins; settings and variables are added to the host's rather than put in their place.
local function with_defaults(options)
  local defaults = M.defaults.client
  if type(options) ~= "table" or not defaults then return options end
  local all = options_of.merged(defaults, options)
  if defaults.config_overrides and options.config_overrides ~= nil then
    all.config_overrides = config.overrides(defaults.config_overrides)
    for _, override in ipairs(config.overrides(options.config_overrides)) do
      table.insert(all.config_overrides, override) -- of two for one key the server takes the last
    end
  end
  -- one for everything is one for approvals too
  if options.request_handler ~= nil and options.approval_handler == nil then all.approval_handler = nil end
  if defaults.env and type(options.env) == "table" then all.env = options_of.merged(defaults.env, options.env) end
  return all
end

-- Says hello: what the server says of itself, or nil and an error.
local function initialize(client, options)
  local opt_out, name = options.opt_out_notifications, options.client_name or "codex_lua"
  local request = client:_send("initialize", {
    client_info = {
      name = name,
      title = options.client_title or "codex-lua",
      version = options.client_version or M.version,
    },
    capabilities = {
      experimental_api = options.experimental_api ~= false,
      opt_out_notification_methods = opt_out and #opt_out > 0 and opt_out or nil,
    },
  }, { label = "codex.new", timeout = options.startup_timeout or 30 })
  local err = client:_wait_for(request)
  if err then return nil, err end
  local metadata = request:result()
  if type(metadata) ~= "table" then
    return nil, errors.new("protocol", "initialize: the server's answer is not an object")
  end
  metadata.server_info = versions.server_info(metadata, name)
  return metadata
end

-- Has the loop watch a client; where that can't be, the server ends again.
local function watch(client)
  local watched, problem = pcall(loop.add, client)
  if watched then return end
  open[client] = nil
  client._core:release()
  error(errors.is_error(problem) and problem or errors.new("spawn_failed", tostring(problem)), 0)
end

--- Starts a server and says hello. Returns once it has answered. Raises `spawn_failed` when it can't be started,
--- `transport_closed` when it ends at once (with its own words), `timeout` when it stays silent.
--- Protocol: `initialize`, `initialized`.
---@param options? codex.ClientOptions
---@return codex.Client
function M.new(options)
  options = with_defaults(options == nil and {} or options)
  check_options(options)
  task.check_can_wait()
  local client = setmetatable({
    closed = false,
    _asked = setmetatable({}, { __mode = "v" }),
    _error_handlers = {},
    _feeds = setmetatable({}, { __mode = "v" }),
    _goals = setmetatable({}, { __mode = "k" }), -- those that may still run
    _gone = {},
    _handler_sources = setmetatable({}, { __mode = "k" }),
    _handler_timeout = options.handler_timeout,
    _handlers = handlers.of("codex.new", options, handler_names),
    _inbox = setmetatable({}, { __mode = "v" }),
    _lanes = setmetatable({}, { __mode = "v" }),
    _request_timeout = options.request_timeout or 120,
    _requests = {},
    _subscriptions = {},
    _thread_defaults = M.defaults.thread or {},
    _turns = {},
  }, Client)
  client._core = start_core(options)
  client.api = api.new(client)
  client._folder = folder_of(options)
  open[client] = true
  watch(client)
  local metadata, err = initialize(client, options)
  if err then
    client:close()
    error(err, 0)
  end
  client.metadata = metadata
  return client
end

-- ---- the loop's side ----

--- The one descriptor to watch in a loop of your own: readable when `dispatch` has something to do.
---@return integer
function Client:fd()
  return self._core:fd()
end

--- Seconds until `dispatch` wants to be called even if the descriptor stays silent, for timers and tasks too; nil:
--- never.
---@return number?
function Client:deadline()
  return loop.deadline(self)
end

-- Lets a turn go that has ended, and wakes who waits for it.
function Client:_turn_over(turn)
  self._turns[turn._core:serial()] = nil
  lanes.turn_ended(self, turn)
  task.wake(turn._source)
end

local function deliver_turn(client, serial)
  local turn = client._turns[serial]
  if not turn then return end
  if turn._core:overtaken() then turn:_doubt() end
  if turn:_ended() then return client:_turn_over(turn) end
  task.wake(turn._source)
  turn._core:watch "end" -- a watch is for one time, and this one must not be lost
end

-- Wakes who waited for what has become ready.
local function deliver(client)
  local handle = client._core
  local kind, serial = handle:next_ready()
  while kind do
    if kind == "request" and client._requests[serial] then
      task.wake(client._requests[serial])
    elseif kind == "turn" then
      deliver_turn(client, serial)
    elseif kind == "stream" and client._feeds[serial] then
      client._feeds[serial]:_ready()
    elseif kind == "server_request" then
      handlers.ready(client, serial)
    elseif kind == "closed" then
      handlers.closed(client)
    end
    kind, serial = handle:next_ready()
  end
end

-- Hands out what the core has read.
function Client:_deliver()
  deliver(self)
  if self._core:gone() then
    loop.remove(self)
    open[self] = nil
    task.wake(self._gone)
  end
end

--- Reads, writes, and resumes the tasks that became ready. Never blocks.
function Client:dispatch()
  loop.dispatch(self)
end

--- Whether there are handlers that what comes next may call.
---@return boolean
function Client:has_listeners()
  return not self.closed and (next(self._subscriptions) ~= nil or handlers.may_be_asked(self))
end

--- Counters since the start: `lines`, `blank_lines`, `invalid_lines` (skipped: not JSON, or not a message),
--- `unknown_ids` (answers nobody waited for any more), `notifications`, `dropped_turns`, `server_requests`,
--- `refused_requests` (of those: too many were open), `answers`, `wakeups`.
---@return table<string, integer>
function Client:statistics()
  return self._core:statistics()
end

-- Keeps a running turn, and hears of its end.
function Client:_follow(turn)
  self._turns[turn._core:serial()] = turn
  turn._core:watch "end"
end

-- ---- requests ----

-- Raises what the core says of a request or a turn, with what is known of a server that died.
function Client:_error(kind, message, fields)
  fields = fields or {}
  if kind == "transport_closed" then
    fields.stderr_tail = self._core:stderr()
    fields.exit_status, fields.exit_signal = self._core:exit_status()
  end
  return errors.new(kind, message, fields)
end

function Client:_raise(kind, message, fields)
  error(self:_error(kind, message, fields), 0)
end

function Client:_server_version()
  return self.metadata and self.metadata.server_info.version
end

-- Raises for parameters that this server is too old for.
local function check_version(client, method, params, label)
  local message = versions.refusal(client:_server_version(), method, params, label or method)
  if message then errors.argument(message, { method = method, reason = "needs_newer_server" }) end
end

-- Raises for parameters that the schema refuses, or that this server is too old for.
function Client:_check(method, params, label)
  local message = self._core:check(method, params, label)
  if message then errors.argument(message) end
  check_version(self, method, params, label)
end

---@class codex.SendSettings
---@field label? string what stands before the message of an error
---@field timeout? number seconds; default the client's
---@field starts_turn? boolean
---@field keep_events? boolean of the turn, for its first stream
---@field unawaited? boolean nobody is going to wait for the answer

---@param settings codex.SendSettings
function Client:_send(method, params, settings)
  if not settings.unawaited then task.check_can_wait(true) end
  check_version(self, method, params, settings.label)
  local timeout = settings.timeout
  if timeout == nil and not core.takes_long(method) then timeout = self._request_timeout end
  local handle = self._core
  local request, message
  if settings.starts_turn then
    request, message = handle:start_turn(method, params, timeout, settings.label, settings.keep_events)
  elseif method == "initialize" then
    request, message = handle:initialize(method, params, timeout, settings.label)
  else
    request, message = handle:request(method, params, timeout, settings.label)
  end
  if not request then errors.argument(message) end
  return request
end

-- Waits for the answer. Returns nothing when it is a result; else an error, and how the waiting ended if not by it.
function Client:_wait_for(request, deadline)
  local serial, source = request:serial(), {}
  self._requests[serial] = source
  local reason = "woken"
  while reason == "woken" do
    local seen = loop.rounds()
    if request:done() then break end
    reason = task.park(source, deadline, true, seen)
  end
  self._requests[serial] = nil
  if reason == "cancelled" then return task.cancellation(), reason end
  if not request:done() then return errors.new("timeout", "the server did not answer in time"), reason end
  return self:_request_error(request)
end

-- Why a request that is done has failed, or nothing.
function Client:_request_error(request)
  local kind, code, message, data = request:error()
  if kind == "transport_closed" then return self:_error(kind, message) end
  if kind then return errors.from_request(request:method(), kind, code, message, data, self:_server_version()) end
end

-- Sends, waits, and returns the result or raises.
function Client:_call(method, params, settings)
  local request = self:_send(method, params, settings)
  local err = self:_wait_for(request)
  if err then error(err, 0) end
  return request:result()
end

--- Sends any request and returns its result. For a method the schema knows, params are checked and named by it; for
--- others they are free-form.
---@param method string
---@param params? table
---@param options? { timeout?: number } seconds
---@return any
function Client:request(method, params, options)
  if type(method) ~= "string" then errors.argument("request: expected a method name, got " .. type(method)) end
  if params ~= nil and type(params) ~= "table" then
    errors.argument(("request: expected a table of params for %s, got %s"):format(method, type(params)))
  end
  options = options or {}
  options_of.check_names("request", options, { timeout = true })
  options_of.check_seconds("request", options, "timeout")
  return self:_call(method, params, { timeout = options.timeout })
end

--- Sends any notification.
---@param method string
---@param params? table
function Client:notify(method, params)
  if type(method) ~= "string" then errors.argument("notify: expected a method name, got " .. type(method)) end
  local sent, message = self._core:notify(method, params)
  if sent then return end
  if message then errors.argument(message) end
  local kind, _, text = self._core:error()
  self:_raise(kind or "overflow", text or "too much is waiting to be sent")
end

-- ---- closing ----

--- Ends the server and returns when its process is gone, or at once where nobody can wait because the loop is running;
--- open turns and requests end with an error of kind `closed`. May be called again.
function Client:close()
  self.closed = true
  local handle = self._core
  handle:shutdown(CLOSE_SECONDS)
  local cancelled
  while not handle:gone() do
    if not task.can_wait() then return loop.wake() end
    cancelled = task.park(self._gone, nil, true) == "cancelled" or cancelled
  end
  deliver(self) -- a server that had gone by itself leaves nothing to dispatch
  loop.remove(self)
  open[self] = nil
  if cancelled then task.raise_cancelled() end
end

local function close_after(client, returned, ...)
  local closed, err = task.attempt(client.close, client)
  if not returned then error((...), 0) end
  if not closed then error(err, 0) end
  return ...
end

--- Calls `fn(client)`, closes the client however that ends, and returns what it returned or raises what it raised: as
--- `local client <close> = …`, which only Lua 5.4 has.
---@param client codex.Client
---@param fn fun(client: codex.Client): any ...
---@return any ...
function M.with(client, fn)
  if getmetatable(client) ~= Client then errors.argument("with: expected a client, got " .. type(client)) end
  task.check_function("with", fn)
  return close_after(client, task.attempt(fn, client))
end

Client.__close = Client.close
classes.guard(Client, "client")

return M
