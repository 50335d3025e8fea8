--- Who answers the server: handlers, each in a task of its own, found where they are nearest.

local answers = require "codex.answer"
local core = require "codex.core"
local errors = require "codex.error"
local failures = require "codex.handler_error"
local lazy = require "codex.lazy"
local loop = require "codex.loop"
local requests = require "codex.server_request"
local task = require "codex.task"

local tools = lazy "codex.tool"

require "codex.interpreted"()

local M = {}

--- Handlers of a turn, a thread or a client.
---@class codex.Handlers
---@field approval_handler? fun(request: codex.ServerRequest): any
---@field user_input_handler? fun(request: codex.ServerRequest): any
---@field elicitation_handler? fun(request: codex.ServerRequest): any
---@field request_handler? fun(request: codex.ServerRequest): any
---@field token_handler? fun(request: codex.ServerRequest): any of a client only
---@field tools? codex.ToolRegistry of a thread only

-- Which of them answers what. `request_handler` answers whatever has none at the same place.
local by_kind = {
  command = "approval_handler",
  file_change = "approval_handler",
  permissions = "approval_handler",
  mcp_tool = "approval_handler",
  user_input = "user_input_handler",
  elicitation = "elicitation_handler",
  token_refresh = "token_handler",
}

-- ---- options ----

--- The handlers among options: nil when there are none. Raises for what can't be called.
---@param label string
---@param options table
---@param names table<string, boolean>
---@return codex.Handlers?
function M.of(label, options, names)
  local handlers
  for name in pairs(names) do
    local handler = options[name]
    if handler ~= nil and name ~= "tools" then
      task.check_function(label .. "." .. name, handler)
      handlers = handlers or {}
      handlers[name] = handler
    end
  end
  return handlers
end

--- Whether some of them decide about approvals.
---@param handlers? codex.Handlers
---@return boolean
function M.asks(handlers)
  return handlers ~= nil and (handlers.approval_handler or handlers.request_handler) ~= nil
end

local function any_given(client)
  if client._handlers then return true end
  for _, lane in pairs(client._lanes) do
    if lane.turn_handlers or lane.thread_handlers then return true end
  end
  return false
end

--- Whether the server may yet ask what a handler answers: while a turn runs.
---@param client codex.Client
---@return boolean
function M.may_be_asked(client)
  if next(client._turns) then return any_given(client) end
  for goal in pairs(client._goals) do
    if not goal:_ended() then return any_given(client) end
  end
  return false
end

-- ---- finding ----

-- owner: whose failure it is, a handler or an entry of a list of tools.
local function report(client, request, owner, err)
  local source = client._handler_sources[owner]
  if not source then
    local is_entry = request.kind == "tool" and type(owner) == "table"
    source = { method = request.method, tool = is_entry and rawget(owner, "display") or nil }
    client._handler_sources[owner] = source
  end
  failures.report(client, source, err, request)
end

-- What answers, and whose failures those of it are.
local function in_reach(handlers, request)
  local registry = handlers.tools
  if request.kind == "tool" and registry then
    local owner = tools.find(registry, request.params.tool, request.params.namespace) or registry
    return function(asked)
      return tools.call(registry, asked, function(err)
        report(request._client, request, owner, err)
      end)
    end, owner
  end
  local handler = handlers[by_kind[request.kind]] or handlers.request_handler
  return handler, handler
end

local function find(client, request)
  local lane = request:_lane() or {}
  local of_turn = not request._outlives_turn and lane.turn_handlers or {}
  for _, handlers in ipairs { of_turn, lane.thread_handlers or {}, client._handlers or {} } do
    local handler, owner = in_reach(handlers, request)
    if handler then return handler, owner end
  end
end

-- Generations of agents that are looked up.
local MOST_GENERATIONS = 16

-- The lane of the nearest thread of the user's above a sub-agent's, of whose turn nothing is known here: it goes on
-- when the turn that started it has ended, or works towards a goal.
local function lane_above(client, id)
  for _ = 1, MOST_GENERATIONS do
    local asked = client:_send("thread/read", { thread_id = id }, { label = "thread_read" })
    if client:_wait_for(asked) then return nil end
    local answer = asked:result()
    local thread = type(answer) == "table" and answer.thread
    id = type(thread) == "table" and thread.parent_thread_id
    if type(id) ~= "string" then return nil end
    if client._lanes[id] then return client._lanes[id] end
  end
end

-- ---- handlers ----

-- The protocol's answer for what a handler returned; or nil, and what is wrong with it. A table may raise when it is
-- looked into.
local function converted(request, answer)
  local readable, result, message = pcall(answers.result, request, answer)
  if readable then return result, message end
  return nil, ("%s: the handler's answer can't be read: %s"):format(request.method, tostring(result))
end

-- Sends what a handler returned, or the safe answer; answers why it couldn't be sent.
local function send(request, answer)
  local result, message = converted(request, answer)
  local sent, why
  if result ~= nil then
    sent, why = request:_send(result, answer)
  end
  if sent then return end
  request:_answer_safely()
  if message or sent == nil and why then return errors.new("invalid_argument", message or why) end
  if why == "overflow" then return errors.new("overflow", request.method .. ": the answer is too large to be sent") end
end

local function too_late(request)
  return errors.new("cancelled", request.method .. ": the answer came when nobody wanted it any more")
end

-- Calls a handler, while its thread knows whom its turn waits for.
local function ask(request, handler)
  local lane, me = request._client._lanes[request.thread_id or ""], nil
  local returned, answer = task.attempt(function()
    me = task.running() -- in PUC Lua 5.1 one of its own
    if lane then lane.asking[me] = request end
    return handler(request)
  end)
  if lane and me then lane.asking[me] = nil end
  return returned, answer
end

-- The whole of a handler's task. What nobody wants an answer to is left to the core, which answers when it is let go
-- unless the server has called it off by then.
local function run(request, handler, tell)
  local returned, answer = ask(request, handler)
  local failure
  if not returned then
    failure = answer == nil and request.method .. ": the handler raised nil" or answer
    if request:_is_open() then request:_answer_safely() end
  elseif request:_is_open() then
    failure = send(request, answer)
  elseif answer ~= nil and request.cancelled and not request._timed_out then
    failure = too_late(request)
  end
  request:_release()
  if failure ~= nil then tell(failure) end
end

-- Seconds until it is looked whether anybody has a request yet that no handler answers; twice as many the next time.
local FIRST_LOOK = 1

-- Sees to it that a request which a program has let go is collected, and answered by that: one that only waits makes no
-- garbage, and before Lua 5.4 nothing else tells that a loop was left.
local function look_for_owner(request, seconds)
  local held = setmetatable({ request = request }, { __mode = "v" })
  local timer = loop.timers:add(core.now() + seconds, function()
    collectgarbage()
    if held.request and held.request:_is_open() then look_for_owner(held.request, 2 * seconds) end
  end)
  request._on_over = function()
    loop.timers:remove(timer)
  end
end

-- Ends the wait for an answer that takes too long.
local function limit(request, seconds, tell)
  local timer = loop.timers:add(core.now() + seconds, function()
    if not request:_is_open() then return end
    request:_answer_safely()
    request._timed_out = true
    request:_cancel()
    tell(errors.new("timeout", ("%s: no answer after %g seconds"):format(request.method, seconds)))
  end)
  request._on_over = function()
    loop.timers:remove(timer)
  end
end

-- ---- programs that ask for requests ----

--- Requests that nobody has a handler for, and the loops that take them. The client doesn't keep it alive, so that
--- those are answered safely that no loop will come for.
---@class codex.Inbox
---@field queue codex.ServerRequest[]
---@field loops table<codex.RequestLoop, boolean>
---@field source table who waits for more

---@return codex.Inbox
local function inbox_of(client)
  local inbox = client._inbox[1]
  if not inbox then
    inbox = { queue = {}, loops = setmetatable({}, { __mode = "k" }), source = {} }
    client._inbox[1] = inbox
  end
  return inbox
end

--- What iterates over them for one `for` loop.
---@class codex.RequestLoop
---@field closed boolean
local RequestLoop = {}
RequestLoop.__index = RequestLoop

--- Ends the loop. What no other loop will take is answered safely. May be called again.
function RequestLoop:close()
  if self.closed then return end
  local inbox = self._inbox
  self.closed = true
  inbox.loops[self] = nil
  task.wake(inbox.source)
  if next(inbox.loops) then return end
  self._client._inbox[1] = nil
  for _, request in ipairs(inbox.queue) do
    request:_answer_safely()
  end
  inbox.queue = {}
end

RequestLoop.__close = RequestLoop.close

function RequestLoop:_take()
  local client, inbox = self._client, self._inbox
  while not self.closed do
    local request = table.remove(inbox.queue, 1)
    if request and request:_is_open() then return request end
    if not request then
      local kind, _, message = client._core:error()
      if kind then self:close() end
      if kind and kind ~= "closed" then client:_raise(kind, message) end
      if not kind and task.park(inbox.source, nil, true) == "cancelled" then task.raise_cancelled() end
    end
  end
end

-- ---- what the client tells ----

-- Goes on with a request in a task of its own. One that breaks down, without memory say, leaves no question open.
local function go_on(request, tell, fn, ...)
  local one = task.background(fn, ...)
  one:when_over(function()
    local failure = one:failure()
    if failure == nil then return end
    request:_release()
    tell(failure)
  end)
  return one
end

-- Puts a request to whoever answers it.
local function hand_over(client, request)
  local handler, owner = find(client, request)
  local inbox = client._inbox[1]
  if not handler and not inbox then return request:_release() end
  local function tell(err)
    report(client, request, owner or inbox, err)
  end
  if client._handler_timeout then limit(request, client._handler_timeout, tell) end
  if handler then return go_on(request, tell, run, request, handler, tell) end
  if not client._handler_timeout then look_for_owner(request, FIRST_LOOK) end
  table.insert(inbox.queue, request)
  task.wake(inbox.source)
end

local function hand_over_stranger(client, request)
  local lane = lane_above(client, request.thread_id)
  request._of_lane, request._outlives_turn, request.thread_cwd = lane, true, lane and lane.cwd
  if request:_is_open() then return hand_over(client, request) end
  request:_release()
end

-- Has a request that has just come answered.
local function begin(client, handle)
  local made, request = pcall(requests.new, client, handle)
  if not made then -- it is nothing that this version could put to anybody
    failures.report(client, { method = handle:method() }, request)
    return handle:release()
  end
  client._asked[handle:serial()] = request
  if handle:cancelled() then request:_cancel() end -- while it was made, a finalizer may have run the loop
  local stranger = request.thread_id and not request:_lane() and next(client._lanes) ~= nil
  if stranger then return task.background(hand_over_stranger, client, request) end
  hand_over(client, request)
end

--- What the client calls for each request of the server that has come, or was called off after it was taken.
---@param client codex.Client
---@param serial integer
function M.ready(client, serial)
  local known = client._asked[serial]
  if known then return known:_cancel() end
  local handle = client._core:next_server_request()
  if handle then begin(client, handle) end
end

--- What the client calls when the connection has ended.
---@param client codex.Client
function M.closed(client)
  local inbox = client._inbox[1]
  if inbox then task.wake(inbox.source) end
end

--- Adds the methods to the class of clients.
---@param Client codex.Client
function M.install(Client)
  --- Iterates over the server's requests that have no handler in reach, for programs that prefer a loop: answer each
  --- with `request:answer(…)`, then or later. One that is let go gets the safe answer, if not at once; a `for` loop
  --- itself holds on to the last one that it was given, whose turn waits as long (or until `handler_timeout`). Several
  --- loops share the requests. A loop is no handler: threads are told to ask by `approval_mode = "ask"`. Ends when the
  --- client is closed; raises `transport_closed` when the server went.
  ---@return fun(): codex.ServerRequest?
  function Client:requests()
    local inbox = inbox_of(self)
    local requests_loop = setmetatable({ closed = false, _client = self, _inbox = inbox }, RequestLoop)
    inbox.loops[requests_loop] = true
    return function()
      return requests_loop:_take()
    end, nil, nil, requests_loop
  end
end

return M
