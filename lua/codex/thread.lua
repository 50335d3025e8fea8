--- A thread: one conversation.

local core = require "codex.core"
local errors = require "codex.error"
local inputs = require "codex.input"
local lanes = require "codex.lane"
local options_of = require "codex.options"
local task = require "codex.task"
local turns = require "codex.turn"

local M = {}

---@class codex.TurnOptions
---@field approval_mode? "auto_review"|"ask"|"deny_all"|"dangerously_bypass_approvals_and_sandbox"
---@field sandbox? "read_only"|"workspace_write"|"full_access"
---@field cwd? string
---@field effort? string
---@field model? string
---@field output_schema? table a JSON Schema, free-form
---@field personality? string
---@field service_tier? string
---@field summary? string
---@field when_busy? "queue"|"steer"|"error" what to do when the thread runs a turn already; default "queue"
---@field timeout? number seconds for the whole turn, waiting in the queue included
---@field raise? boolean false: `run` returns the result of a failed turn instead of raising

---@class codex.Thread
---@field id string
---@field model string
---@field cwd string
---@field path? string of its rollout file
local Thread = {}
Thread.__index = Thread

function Thread:__tostring()
  return "codex thread " .. self.id
end

--- Makes the object for an answer that holds a thread; it keeps what the server said beside it.
---@param client codex.Client
---@param answer table
---@return codex.Thread
function M.new(client, answer)
  local thread = { _client = client }
  local told = type(answer) == "table" and answer.thread
  if type(told) ~= "table" or type(told.id) ~= "string" then
    errors.raise("protocol", "the server's answer names no thread")
  end
  for _, source in ipairs { told, answer } do
    for name, value in pairs(source) do
      if name ~= "thread" and Thread[name] == nil then thread[name] = value end
    end
  end
  return setmetatable(thread, Thread)
end

-- ---- starting ----

-- A start that nobody waits for any more: its turn, if there comes one, is stopped. Answers that turn if it is known
-- soon, so that the thread counts as busy until it has ended.
local function abandon_start(thread, request)
  local client = thread._client
  local stopping = task.background(function()
    if client:_wait_for(request) then return end
    local handle = request:turn()
    if not handle then return end
    local turn = turns.new(client, handle, { thread_id = thread.id })
    turn:_abandon()
    return turn
  end)
  return task.result_until(stopping, core.now() + turns.ABANDON_SECONDS)
end

-- Sends the request and waits for its answer: the turn, or an error, or both when the wait was given up.
local function send_start(thread, params, settings)
  local client = thread._client
  local request = client:_send("turn/start", params, settings)
  local err, reason = client:_wait_for(request, settings.deadline)
  if reason then return abandon_start(thread, request), err end
  if err then return nil, err end
  local handle, joined = request:turn()
  if joined then
    return nil, errors.new("busy", "the thread is busy with a turn that was not started here")
  end
  if not handle then return nil, errors.new("protocol", "turn/start: the server's answer names no turn") end
  return turns.new(client, handle, {
    thread_id = thread.id,
    deadline = settings.deadline,
    wants_json = settings.wants_json,
  })
end

local function raise_queue(reason)
  if reason == "cancelled" then task.raise_cancelled() end
  errors.raise("timeout", "the thread stayed busy for too long")
end

-- Lines up, and starts the turn when it is its time.
local function start_in_lane(thread, lane, params, settings)
  local place = {}
  local reason = lanes.line_up(lane, place, settings.deadline)
  if reason then raise_queue(reason) end
  local turn, err = send_start(thread, params, settings)
  lane.turn = turn and not turn:_ended() and turn or nil
  lanes.leave(lane, place)
  if not err then return turn end
  if turn then err.result = turn:_result() end
  error(err, 0)
end

local function start(thread, input, options, keep_events)
  options = options or {}
  local params = options_of.turn("turn_start", options)
  params.thread_id = thread.id
  params.input = inputs.to_list("turn_start", input)
  local client, lane = thread._client, lanes.of(thread._client, thread.id)
  client:_check("turn/start", params, "turn_start")
  if lanes.is_busy(lane) then
    if options.when_busy == "error" then errors.raise("busy", "the thread is busy with another turn") end
    local running = lane.turn
    if options.when_busy == "steer" and running and not running:_ended() then
      local steered, err = running:_steer(params.input)
      if steered then return running end
      -- it ended just now: then this is a turn like any other
      if err.reason ~= "no_active_turn" then error(err, 0) end
    end
  end
  return start_in_lane(thread, lane, params, {
    label = "turn_start",
    starts_turn = true,
    keep_events = keep_events,
    deadline = options.timeout and core.now() + options.timeout,
    wants_json = options.output_schema ~= nil,
  })
end

--- Starts a turn and returns it once the server has taken it. Its events are kept for a first `turn:stream()`.
--- Protocol: `turn/start`.
---@param input codex.Input
---@param options? codex.TurnOptions
---@return codex.Turn
function Thread:turn(input, options)
  return start(self, input, options, true)
end

--- Runs a turn to its end and returns what it came to. Keeps no events. Raises `turn_failed` for a turn that ended so,
--- unless `raise` is false. Protocol: `turn/start`, and the turn's events.
---@param input codex.Input
---@param options? codex.TurnOptions
---@return codex.TurnResult
function Thread:run(input, options)
  local turn = start(self, input, options, false)
  return turn:run { raise = not options or options.raise ~= false }
end

return M
