--- Starts turns, by whatever request of the protocol, each when its thread is free.

local core = require "codex.core"
local errors = require "codex.error"
local lanes = require "codex.lane"
local task = require "codex.task"
local turns = require "codex.turn"

local M = {}

---@class codex.Start
---@field method string the request
---@field label string for messages
---@field params table
---@field kind? codex.TurnKind default "turn"
---@field when_busy? "queue"|"steer"|"error"
---@field deadline? number on the core's clock: for the whole turn
---@field keep_events? boolean
---@field idle_timeout? number seconds
---@field on_cancel? "interrupt"|"detach"
---@field handlers? codex.Handlers those that it has beside the thread's
---@field output_schema? table as it is sent

---@class codex.PendingStart
---@field request userdata
---@field expected? codex.Expectation of a request whose answer names no turn

-- Whoever waits for the answer decides for how long: what comes of a start must be known even if it comes late.
local NO_TIMEOUT = -1

---@return codex.PendingStart
local function send(thread, start)
  local client = thread._client
  local expected = start.kind == "compaction" and turns.expect_turn(client, thread.id) or nil
  local request = client:_send(start.method, start.params, {
    label = start.label,
    timeout = NO_TIMEOUT,
    starts_turn = not expected,
    keep_events = start.keep_events,
  })
  return { request = request, expected = expected }
end

-- The core's handle of the turn that a request was answered with; or an error.
local function answered_turn(request)
  local handle, joined = request:turn()
  if handle then return handle end
  if joined then
    local message = "the thread is busy with a turn that was not started here"
    return nil, errors.new("busy", message, { turn_id = request:result().turn.id })
  end
  return nil, errors.new("protocol", request:method() .. ": the server's answer names no turn")
end

-- The same for a turn that the server starts by itself.
local function expected_turn(client, expected, deadline)
  local handle, reason = expected:next(deadline)
  if handle then return handle end
  if reason == "cancelled" then return nil, task.cancellation(), reason end
  if reason == "timeout" then return nil, errors.new("timeout", "the server did not start the turn in time"), reason end
  local kind, _, message = client._core:error()
  return nil, client:_error(kind or "closed", message or "the client was closed")
end

-- Waits for a turn to start: its handle; or an error, and how the waiting ended if it was given up.
local function await_turn(client, pending, deadline)
  local err, reason = client:_wait_for(pending.request, deadline)
  if err then return nil, err, reason end
  if pending.expected then return expected_turn(client, pending.expected, deadline) end
  return answered_turn(pending.request)
end

local function unanswered(method)
  return errors.new("timeout", method .. ": the server did not answer in time", { method = method })
end

local function new_turn(thread, start, handle, request)
  local answer = request:result()
  return turns.new(thread._client, handle, {
    -- older servers run a review on a thread of its own if told so
    thread_id = type(answer) == "table" and answer.review_thread_id or thread.id,
    deadline = start.deadline,
    idle_timeout = start.idle_timeout,
    on_cancel = start.on_cancel,
    kind = start.kind,
    output_schema = start.output_schema,
  })
end

-- A start that nobody waits for any more: its turn, if there comes one, is stopped, and the thread is busy until it has
-- ended. Others wait for it as long as the server may take to answer. Only an answer is known to be ours however late
-- it comes.
local function abandon(thread, start, pending, limit, cancelled)
  local client, lane = thread._client, lanes.of(thread._client, thread.id)
  local function await(deadline)
    local handle, _, reason = await_turn(client, pending, deadline)
    local turn = handle and new_turn(thread, start, handle, pending.request)
    if turn and not lanes.running(lane) then lanes.hold(lane, turn) end
    return turn, reason
  end
  lanes.block(lane)
  return task.background(function()
    local turn, reason = await(limit)
    lanes.release(lane)
    if pending.expected then
      pending.expected:close()
    elseif reason then
      turn = await()
    end
    if turn and not (cancelled and start.on_cancel == "detach") then turn:_abandon() end
    return turn
  end)
end

-- Sends the request and waits for its turn; or answers an error, and with it the turn if it is known, when the wait was
-- given up.
local function start_now(thread, start)
  local client, pending = thread._client, send(thread, start)
  -- a turn's folder is that of the turns after it as well
  if type(start.params.cwd) == "string" then lanes.of(client, thread.id).cwd = start.params.cwd end
  local limit = core.now() + client._request_timeout
  local overdue = start.deadline == nil or limit < start.deadline
  local handle, err, reason = await_turn(client, pending, overdue and limit or start.deadline)
  if reason then
    local stopping = abandon(thread, start, pending, limit, reason == "cancelled")
    if overdue and reason == "timeout" then return nil, unanswered(start.method) end
    local waited = task.await(stopping, core.now() + turns.ABANDON_SECONDS)
    if waited == "cancelled" then err = task.cancellation() end
    return task.result_of(stopping), err
  end
  if pending.expected then pending.expected:close() end
  if err then return nil, err end
  return new_turn(thread, start, handle, pending.request)
end

--- Has the server load a thread again that it has let go.
---@param thread codex.Thread
---@param lane codex.Lane in which it is the caller's turn
---@param deadline? number on the core's clock
---@return codex.Error? err why it couldn't be loaded
function M.load(thread, lane, deadline)
  local client = thread._client
  local request = client:_send("thread/resume", client:_resume_params(thread.id), { label = "thread_resume" })
  local err = client:_wait_for(request, deadline)
  if err then return err end
  lane.unloaded, lane.settled = nil, true
  thread:_take(request:result())
end

-- Starts the turn on a thread that the server may have let go.
local function start_loaded(thread, lane, start)
  local err = lane.unloaded and M.load(thread, lane, start.deadline)
  if err then return nil, err end
  local turn
  turn, err = start_now(thread, start)
  if not err or err.reason ~= "thread_not_found" then return turn, err end
  local why_not = M.load(thread, lane, start.deadline)
  if not why_not then return start_now(thread, start) end
  -- an archived one says so; of one that was deleted there is nothing more to tell
  return nil, why_not.reason ~= "no_rollout" and why_not or err
end

--- Calls `fn(...)`, which answers a turn, or an error besides or instead. What it raises is such an error, too: whoever
--- is next in line must not be kept waiting by it.
---@param fn fun(...): codex.Turn?, any
---@param ... any
---@return codex.Turn? turn
---@return any err
function M.attempt(fn, ...)
  local returned, turn, err = task.attempt(fn, ...)
  if returned then return turn, err end
  return nil, turn
end

-- Lines up, and starts the turn when it is its time.
local function start_in_lane(thread, lane, start)
  local place = {}
  local reason = lanes.line_up(lane, place, start.deadline)
  if reason then lanes.raise(reason) end
  lane.turn_handlers = start.handlers -- before its start is answered the server may ask
  local turn, err = M.attempt(start_loaded, thread, lane, start)
  if turn then
    lanes.hold(lane, turn)
  else
    lane.turn_handlers = nil
  end
  lanes.leave(lane, place)
  if not err then return turn end
  if turn then err.result = turn:_result() end
  error(err, 0)
end

-- ---- joining a turn that runs ----

-- Gives a message of a tool to the running turn, which the server does with whatever comes for a busy thread. Should
-- that turn have ended by then, the message has made one of its own.
local function join_with_message(thread, lane, running, start)
  lanes.block(lane)
  local turn, err = M.attempt(start_now, thread, start)
  if turn then lanes.hold(lane, turn) end
  lanes.release(lane)
  if err and err.turn_id == running.id then return running, true end
  if err then error(err, 0) end
  return turn, false
end

-- Adds to the turn that runs. Answers it and true; nothing, if there is none any more.
local function join(thread, lane, start)
  local running, reason = lanes.wait_for_start(lane, start.deadline)
  if reason then lanes.raise(reason) end
  if not running then return end
  running:_check_steerable()
  if start.params.tool_output then return join_with_message(thread, lane, running, start) end
  local steered, err = running:_steer(start.params, start.deadline)
  if steered then return running, true end
  -- it ended just now: then this is a turn like any other
  if err.reason ~= "no_active_turn" then error(err, 0) end
end

--- Starts a turn, or joins the one that runs if told so.
---@param thread codex.Thread
---@param start codex.Start
---@return codex.Turn turn
---@return boolean joined whether it is one that ran already
function M.turn(thread, start)
  local client, lane = thread._client, lanes.of(thread._client, thread.id)
  client:_check(start.method, start.params, start.label)
  if lanes.is_busy(lane) then
    if start.when_busy == "error" then errors.raise("busy", "the thread is busy with another turn") end
    if start.when_busy == "steer" then
      local turn, joined = join(thread, lane, start)
      if turn then return turn, joined end
    end
  end
  return start_in_lane(thread, lane, start), false
end

return M
