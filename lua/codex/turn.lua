--- A turn: one run of the agent.

local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local inputs = require "codex.input"
local lazy = require "codex.lazy"
local loop = require "codex.loop"
local options_of = require "codex.options"
local results = require "codex.result"
local subscriptions = require "codex.subscription"
local task = require "codex.task"

local watchdogs = lazy "codex.watchdog"

require "codex.interpreted"()

local M = {}

-- How long a run that is given up waits for the server to end the turn.
M.ABANDON_SECONDS = 2

---@class codex.Event
---@field method string
---@field params table
---@field raw string the line as it came

---@alias codex.TurnKind "turn"|"review"|"compaction"

---@class codex.Turn
---@field id string
---@field thread_id string
---@field status "inProgress"|"completed"|"interrupted"|"failed"
---@field retrying? { message: string, codex_error_info?: any, additional_details?: string } set while the server tries
--- again, because it can't reach the model for example: why
local Turn = {}
M.Turn = Turn

function Turn:__index(name)
  if name == "status" then
    return self._core:state() == "completed" and self:_result().status or "inProgress"
  end
  if name == "retrying" then return not self:_ended() and self._core:retrying() or nil end
  return Turn[name]
end

function Turn:__tostring()
  return "codex turn " .. self.id
end

--- Wraps the core's handle of a turn that `client` has started.
---@param client codex.Client
---@param handle userdata
---@param options { thread_id: string, deadline?: number, idle_timeout?: number, on_cancel?: string,
--- output_schema?: table, kind?: codex.TurnKind }
---@return codex.Turn
function M.new(client, handle, options)
  local turn = setmetatable({
    id = handle:id(),
    thread_id = options.thread_id,
    _client = client,
    _core = handle,
    _deadline = options.deadline,
    _idle_timeout = options.idle_timeout,
    _on_cancel = options.on_cancel,
    _kind = options.kind or "turn",
    _lane = client._lanes[options.thread_id], -- which lives as long as one of its turns runs
    _output_schema = options.output_schema,
    _source = {},
  }, Turn)
  client:_follow(turn)
  return turn
end

--- Listens for turns that the server starts by itself on a thread, such as a compaction. Make it before asking for one.
---@class codex.Expectation
local Expectation = {}
Expectation.__index = Expectation

--- Begins to listen.
---@param client codex.Client
---@param thread_id string
---@return codex.Expectation
function M.expect_turn(client, thread_id)
  local feed = subscriptions.open(client, { methods = { "turn/started" }, thread_id = thread_id })
  return setmetatable({ _client = client, _feed = feed }, Expectation)
end

--- Waits for the next turn to start. Its events are kept, from its first one on.
---@param deadline? number on the core's clock
---@return userdata? handle the core's
---@return string? reason why there is none, as of a feed
function Expectation:next(deadline)
  while true do
    local event, reason = self._feed:next(deadline)
    if not event then return nil, reason end
    local turn = event.params.turn -- it named the thread, so there are params
    if type(turn) == "table" and type(turn.id) == "string" then return self._client._core:turn(turn.id, true) end
  end
end

--- Stops listening.
function Expectation:close()
  self._feed:close()
end

function Turn:_ended()
  return self._failure ~= nil or self._core:state() ~= "running"
end

-- Waits for "events", "started" or "end". seen and the answers are those of task.try_park.
function Turn:_try_wait(what, deadline, seen)
  self._core:watch(what)
  return task.try_park(self._source, deadline, true, seen)
end

function Turn:_wait(what, deadline, seen)
  local reason, failure = self:_try_wait(what, deadline, seen)
  if failure then error(failure, 0) end
  return reason
end

-- The result; the same table each time once the turn has ended.
function Turn:_result()
  if self._collected then return self._collected end
  local result = results.collect(self._core, self._output_schema)
  if self:_ended() then self._collected = result end
  return result
end

-- Raises why the turn, or its collection, broke.
function Turn:_raise_broken()
  if self._failure then error(self._failure, 0) end
  local kind, _, message = self._core:error()
  self._client:_raise(kind, message, { result = self:_result() })
end

function Turn:_raise_failed(result)
  error(results.failure(result, self._output_schema), 0)
end

-- Waits a little for the end of a turn that is being stopped. Answers whether the task was cancelled meanwhile.
function Turn:_await_stop()
  local deadline, cancelled = core.now() + M.ABANDON_SECONDS, false
  while not self:_ended() and core.now() < deadline do
    cancelled = self:_wait("end", deadline) == "cancelled" or cancelled
  end
  return cancelled
end

-- Stops a turn for good: its end may get lost, and the thread would stay busy.
local function stop(turn)
  turn:interrupt()
  turn:_await_stop()
  if not turn:_ended() then watchdogs.look_into(turn) end
end

-- Tells the server to stop a turn that nobody waits for any more, as soon as it can be told, and waits a little for its
-- end. Answers whether the task was cancelled meanwhile.
function Turn:_abandon()
  task.background(stop, self)
  return self:_await_stop()
end

local too_long = {
  timeout = "the turn took too long",
  idle = "nothing came of the turn for too long",
}

-- Ends a wait that didn't end by itself.
function Turn:_give_up(reason)
  local retrying = self.retrying
  local why = type(retrying) == "table" and retrying.message
  local said = type(why) == "string" and (": the server was trying again (%s)"):format(why) or ""
  local cancelled = reason == "cancelled"
  if not cancelled or self._on_cancel ~= "detach" then cancelled = self:_abandon() or cancelled end
  local fields = { result = self:_result() }
  if cancelled then task.raise_cancelled(fields) end
  errors.raise("timeout", too_long[reason] .. said, fields)
end

-- How often it is looked whether what keeps a turn from being idle is over, for limits that are shorter.
local LOOK_SECONDS = 0.1

-- Seconds until a turn may have been idle for too long; 0: it has.
function Turn:_idle_left()
  local limit, idle = self._idle_timeout, self._client._core:idle(self._core)
  return idle and math.max(0, limit - idle) or math.max(limit, LOOK_SECONDS)
end

-- Waits as `_wait`, and also ends with "idle": nothing has come of the turn for too long, and the server has nothing
-- else to tell of it.
function Turn:_wait_watched(what, deadline, seen)
  if not self._idle_timeout then return self:_wait(what, deadline, seen) end
  local look_at = core.now() + self:_idle_left()
  local reason = self:_wait(what, deadline and math.min(deadline, look_at) or look_at, seen)
  if reason ~= "timeout" or deadline and core.now() >= deadline then return reason end
  if self:_idle_left() > 0 then return "woken" end
  reason = watchdogs.look_into(self, deadline)
  if reason ~= "idle" then return reason end
  if deadline and core.now() >= deadline then return "timeout" end
  return self:_idle_left() > 0 and "woken" or "idle" -- something may have come while the server was asked
end

-- ---- turns that never start ----
-- Servers from 0.142 to 0.147 answer turn/start on a busy thread with the id of a turn that will never be, and give the
-- input to the running one.

-- How long a turn that was announced may be out of sight before it counts as never started.
local UNSEEN_SECONDS = 1

-- Whether the server says that the thread is at work.
local function is_active(client, thread_id)
  local request = client:_send("thread/read", { thread_id = thread_id }, { label = "thread_read" })
  if client:_wait_for(request) then return false end
  local result = request:result()
  local thread = type(result) == "table" and result.thread
  return type(thread) == "table" and type(thread.status) == "table" and thread.status.type == "active"
end

-- Asks the server about a turn that another turn of its thread has overtaken. A turn that is just about to start isn't
-- seen yet either, so it is asked twice.
local function investigate(turn)
  for _ = 1, 2 do
    if is_active(turn._client, turn.thread_id) then return end
    task.sleep(UNSEEN_SECONDS)
    if turn._core:started() or turn:_ended() then return end
  end
  turn._failure = errors.new(
    "busy",
    "the server gave the input to a turn that was running, and the one it named never starts",
    { reason = "never_started", result = turn:_result() }
  )
  turn._client:_turn_over(turn)
end

function Turn:_doubt()
  if self._doubted or self._core:started() then return end
  self._doubted = true
  task.background(investigate, self):when_over(function()
    self._doubted = false
  end)
end

-- ---- waiting ----

-- Ends the wait of one who joined the turn: it goes on.
function Turn:_leave(reason)
  local fields = { result = self:_result() }
  if reason == "cancelled" then task.raise_cancelled(fields) end
  errors.raise("timeout", "the turn that was joined took too long", fields)
end

function Turn:_await_end(deadline, give_up)
  while true do
    local seen = loop.rounds()
    if self:_ended() then return end
    local reason = self:_wait_watched("end", deadline, seen)
    if reason ~= "woken" and not self:_ended() then give_up(self, reason) end
    if reason == "cancelled" then task.raise_cancelled { result = self:_result() } end
  end
end

-- The result of a turn that has ended, or what it raises.
function Turn:_outcome(options)
  if self._failure or self._core:error() then self:_raise_broken() end
  local result = self:_result()
  if result.status == "failed" and not (options and options.raise == false) then self:_raise_failed(result) end
  return result
end

local function check_run(options)
  options_of.check_names("turn:run", options, { raise = true })
  options_of.check_type("turn:run", options, "raise", "boolean")
end

--- Waits for the turn to end and returns its result. May be called during or after streaming, and often; called
--- before any stream was opened, it lets go of the events that were kept for a first one.
--- Raises `turn_failed` for a turn that ended so, unless `raise` is false; `transport_closed` when the server went.
---@param options? { raise?: boolean }
---@return codex.TurnResult
function Turn:run(options)
  check_run(options or {})
  if not self._streamed then self._core:forget_events() end
  self:_await_end(self._deadline, self._give_up)
  return self:_outcome(options)
end

-- The result for one who joined a turn that ran already: it isn't his to end.
function Turn:_run_as_guest(options, deadline)
  self:_await_end(deadline, self._leave)
  return self:_outcome(options)
end

local Stream = {}
Stream.__index = Stream

function Stream:__close()
  self.closed = true
  self._handle:close()
end

function Turn:_open_stream(methods, text)
  self._streamed = true
  local handle = self._core:stream(methods, text)
  return setmetatable({ closed = false, _handle = handle }, Stream), handle
end

-- Waits for more events; or raises, or answers true at the end of the stream.
function Turn:_wait_for_events(nothing, seen)
  if nothing == "end" then return true end
  if nothing == "broken" or self._failure then self:_raise_broken() end
  if nothing == "overflow" then
    local message = "the stream fell too far behind: its unread events passed the limit"
    errors.raise("overflow", message, { result = self:_result() })
  end
  local reason = self:_wait_watched("events", self._deadline, seen)
  if reason ~= "woken" then self:_give_up(reason) end
  return false
end

local function raise_if_failed(turn)
  local result = turn:_result()
  if result.status == "failed" then turn:_raise_failed(result) end
end

-- An iterator over what `read(handle)` answers: two values, or nil and why when there is nothing. Between two events
-- the others have their turn, if a reader that always finds one has had his for long.
local function make_iterator(turn, stream, read, at_end)
  local handle = stream._handle
  return function()
    if task.give_way() == "cancelled" then turn:_give_up "cancelled" end
    while not stream.closed do
      local first, second = read(handle)
      if first then return first, second end
      local seen = loop.rounds()
      first, second = read(handle) -- again: before `seen`, a finalizer may have run the loop
      if first then return first, second end
      if turn:_wait_for_events(second, seen) then stream:__close() end
    end
    if at_end then at_end(turn) end
  end
end

--- Iterates over the turn's events until its `turn/completed`, which comes last. The first stream of a turn sees all
--- events from its start, a further one those that come after it was made.
---@param methods? string[] the only ones to deliver
---@return fun(): codex.Event?
function Turn:stream(methods)
  subscriptions.check_methods("turn:stream", methods)
  local stream, handle = self:_open_stream(methods, false)
  return make_iterator(self, stream, handle.next), nil, nil, stream
end

--- Iterates over the agent's text as it comes: `for delta, item_id in turn:text() do`. What a message holds beyond its
--- deltas comes when it completes. Raises `turn_failed` at the end of a turn that failed.
---@return fun(): string?, string?
function Turn:text()
  local stream, handle = self:_open_stream(nil, true)
  return make_iterator(self, stream, handle.next_text, raise_if_failed), nil, nil, stream
end

-- The ids that it has on the wire.
function Turn:_ids()
  return { self.id }
end

-- The next turn of a sub-agent's that nobody has yet.
local function next_child(turn)
  for _, id in ipairs(turn:_ids()) do
    local handle = turn._client._core:child_turn(id)
    if handle then return M.new(turn._client, handle, { thread_id = handle:thread_id() }) end
  end
end

--- Iterates over the turns that sub-agents run on behalf of this one, theirs included, as they start; each is a turn
--- like any other, with threads and ids of its own. The turn's own events, items and usage have nothing of theirs but
--- the `collabAgentToolCall` items. Ends when this turn has ended; raises `transport_closed` when the server went.
---@return fun(): codex.Turn?
function Turn:children()
  local feed = subscriptions.open(self._client, { methods = { "turn/started", "turn/completed" } })
  return function()
    while not feed.closed do
      local child = next_child(self)
      if child then return child end
      if self:_ended() then
        feed:close()
        if self._failure or self._core:error() then self:_raise_broken() end
        return nil
      end
      local event, reason = feed:next()
      if not event then
        feed:close()
        feed:raise(reason)
      end
    end
  end, nil, nil, feed
end

-- ---- control ----

-- The server refuses to touch a turn that it hasn't announced yet. Answers how the waiting ended if it took too long.
function Turn:_wait_until_started(deadline)
  while not self._core:started() and not self:_ended() do
    local reason = self:_wait("started", deadline)
    if reason == "cancelled" then task.raise_cancelled() end
    if reason == "timeout" then return reason end
  end
end

-- Raises for what the server lets nobody add to.
function Turn:_check_steerable()
  if self._kind == "turn" then return end
  errors.raise("busy", ("a %s can't be steered"):format(self._kind), { reason = "active_turn_not_steerable" })
end

-- What a turn's parameters can say of a turn that runs.
local function steering(turn, params)
  local fields, steered = core.fields "turn/steer", {}
  for name, value in pairs(params) do
    if fields[name] then steered[name] = value end
  end
  steered.thread_id, steered.expected_turn_id = turn.thread_id, turn.id
  return steered
end

-- Steers with the parameters of a turn, and answers the result, or nil and an error.
function Turn:_steer(params, deadline)
  if self:_wait_until_started(deadline) then
    return nil, errors.new("timeout", "the turn to be steered did not start in time")
  end
  local request = self._client:_send("turn/steer", steering(self, params), { label = "turn_steer" })
  local err = self._client:_wait_for(request, deadline)
  if err then return nil, err end
  return request:result()
end

--- Adds to what the running turn was asked. Raises `invalid_request` with the reason `no_active_turn` when it has
--- ended, `busy` for a review or a compaction, which take no input. Protocol: `turn/steer`.
---@param input codex.Input
---@return { turn_id: string }
function Turn:steer(input)
  local items = inputs.to_list("turn_steer", input, self._client)
  self:_check_steerable()
  local result, err = self:_steer { input = items }
  if err then error(err, 0) end
  return result
end

-- Sends and waits: an error, or nothing. The turn's end is an answer, too: asked too late, the server leaves the
-- question open after a review.
function Turn:_send_interrupt(id)
  local client = self._client
  local request = client:_send("turn/interrupt", { thread_id = self.thread_id, turn_id = id }, {
    label = "turn_interrupt",
  })
  client._requests[request:serial()] = self._source
  local reason
  while not request:done() and not self:_ended() and reason ~= "cancelled" do
    reason = self:_wait "end"
  end
  client._requests[request:serial()] = nil
  if reason == "cancelled" then task.raise_cancelled() end
  return request:done() and client:_request_error(request) or nil
end

-- The id that a review goes by from its turn/started on, which that brings.
function Turn:_other_id(id)
  while self._core:active_id() == id and not self:_ended() do
    if self:_wait "started" == "cancelled" then task.raise_cancelled() end
  end
  return self._core:active_id()
end

--- Stops the turn. Works from the first moment on, and is no error on a turn that has ended.
--- Protocol: `turn/interrupt`.
function Turn:interrupt()
  self:_wait_until_started()
  if self:_ended() then return end
  local id = self._core:active_id()
  local err = self:_send_interrupt(id)
  if err and err.reason == "turn_mismatch" and self._kind == "review" then
    id = self:_other_id(id)
    err = not self:_ended() and self:_send_interrupt(id) or nil
  end
  self._interrupted = not err
  -- it ended while the request was under way
  if err and err.reason ~= "no_active_turn" then error(err, 0) end
end

classes.guard(Turn, "turn")

return M
