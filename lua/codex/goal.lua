--- Goals: an objective that the server pursues over as many turns as it takes, as one turn.

local chains = require "codex.chain"
local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local inputs = require "codex.input"
local lanes = require "codex.lane"
local options_of = require "codex.options"
local starts = require "codex.start"
local task = require "codex.task"
local turns = require "codex.turn"

local M = {}

---@class codex.ThreadGoal
---@field objective string
---@field status "active"|"paused"|"blocked"|"usageLimited"|"budgetLimited"|"complete"
---@field token_budget? integer
---@field tokens_used integer
---@field time_used_seconds integer
---@field thread_id string
---@field created_at integer unix seconds
---@field updated_at integer unix seconds

---@class codex.GoalOptions
---@field token_budget? integer how many tokens it may use; then its status is `budgetLimited`
---@field when_busy? "queue"|"error" what to do when the thread runs a turn already; default "queue"
---@field timeout? number seconds for it all, waiting in the queue included

--- The run of a goal: a turn like any other, made of all the turns that the server runs for it. `id` is that of the
--- first of them, and all events bear it (but for `raw`, the line as it came). What changes the goal is an event too:
--- `thread/goal/updated`, `thread/goal/cleared`. The run is over when the goal is complete, blocked, limited or
--- cleared, when a turn of it was interrupted, or when the server leaves the thread at rest; `result.goal` says which.
--- It has the status of the last turn.
---@class codex.Goal: codex.Turn
---@field goal? codex.ThreadGoal as last seen; nil once it was cleared
local Goal = { __base = turns.Turn }

local Turn = turns.Turn

function Goal:__index(name)
  if name == "goal" then return self._core.goal end
  local own = Goal[name]
  if own ~= nil then return own end
  return Turn.__index(self, name)
end

function Goal:__tostring()
  return "codex goal " .. tostring(self.id)
end

-- ---- as a turn ----

function Goal:_ended()
  return self._core.over ~= nil
end

-- A suspended goal waits for one of us, so waiting for it may be a deadlock.
function Goal:_try_wait(what, deadline, seen)
  self._core:watch(what)
  return task.try_park(self._source, deadline, not self._core.suspended, seen)
end

function Goal:_result()
  if self._collected then return self._collected end
  local result = self._core:result()
  if self:_ended() then self._collected = result end
  return result
end

function Goal:_ids()
  return self._core:ids()
end

function Goal:children()
  local next_child, _, _, feed = Turn.children(self)
  self._core:attach(feed)
  return next_child, nil, nil, feed
end

-- ---- control ----

local function not_running(what)
  local message = ("no active turn to %s: the goal's run is over"):format(what)
  return errors.new("invalid_request", message, { reason = "no_active_turn" })
end

--- Stops the server from going on with the goal after the turn that runs, until `resume`. The run isn't over then:
--- other turns of the thread may run meanwhile. Nothing happens if it is over. Protocol: `thread/goal/set`.
function Goal:pause()
  local chain = self._core
  if chain.over or chain.goal and chain.goal.status ~= "active" then return end
  chain.held = true
  local err = chain:set "paused"
  if not err then return chain:rest() end
  chain.held = false
  error(err, 0)
end

-- A suspended goal has left the thread to others.
function Goal:_return_to_lane()
  local lane, place = lanes.of(self._client, self.thread_id), {}
  local reason = lanes.line_up(lane, place, self._deadline)
  if reason then lanes.raise(reason) end
  if not self:_ended() then lane.turn = self end
  lanes.leave(lane, place)
end

--- Goes on with a goal that was paused. Waits until no other turn of the thread runs. Protocol: `thread/goal/set`.
function Goal:resume()
  local chain = self._core
  if chain.suspended then self:_return_to_lane() end
  if chain.over then error(not_running "resume", 0) end
  local was_suspended = chain.suspended
  chain.held, chain.suspended = false, false
  local err = chain:set "active"
  if not err then return chain:resume() end
  chain.held = was_suspended
  if was_suspended then chain:suspend() end
  error(err, 0)
end

--- Stops the goal: it is paused, and the turn that runs is interrupted. No error on one that is over. `thread:goal()`
--- goes on with it later. Protocol: `thread/goal/set`, `turn/interrupt`.
function Goal:interrupt()
  local chain = self._core
  if chain.over then return end
  chain.stopping = true
  if not chain.goal or chain.goal.status == "active" then chain:set "paused" end
  local err = chain:interrupt()
  if err then error(err, 0) end
  if not chain.over then chain:stop() end
end

--- The goal as the server has it, or nil. Protocol: `thread/goal/get`.
---@return codex.ThreadGoal?
function Goal:get()
  return self._client:_call("thread/goal/get", { thread_id = self.thread_id }, { label = "goal_get" }).goal
end

--- Drops the goal: the run ends with the turn that runs. Protocol: `thread/goal/clear`.
---@return boolean cleared whether there was one
function Goal:clear()
  local params = { thread_id = self.thread_id }
  local answer = self._client:_call("thread/goal/clear", params, { label = "goal_clear" })
  self._core:cleared()
  return answer.cleared
end

-- Waits until a turn runs other than the one with that id. Answers its id, or nil when none will.
function Goal:_next_turn_id(before)
  local chain = self._core
  while not chain.over and not chain.suspended do
    if chain.current and chain.current.id ~= before then return chain.current.id end
    if self:_wait "started" == "cancelled" then task.raise_cancelled() end
  end
end

-- Steers, and answers the result, or nil and an error. A turn may end and the next one begin meanwhile.
function Goal:_steer(given, deadline)
  local id = self:_next_turn_id()
  while id do
    local params = { thread_id = self.thread_id, expected_turn_id = id, input = given.input }
    local request = self._client:_send("turn/steer", params, { label = "turn_steer" })
    local err = self._client:_wait_for(request, deadline)
    if not err then return { turn_id = self.id } end
    if err.reason ~= "no_active_turn" and err.reason ~= "turn_mismatch" then return nil, err end
    id = self:_next_turn_id(id)
  end
  return nil, not_running "steer"
end

--- Adds to what the running turn was asked. Between two turns it waits for the next one.
---@param input codex.Input
---@return { turn_id: string }
function Goal:steer(input)
  local result, err = self:_steer { input = inputs.to_list("turn_steer", input, self._client) }
  if err then error(err, 0) end
  return result
end

-- ---- starting ----

local option_names = { token_budget = true, when_busy = true, timeout = true }

local function check(objective, options)
  if objective ~= nil and type(objective) ~= "string" then
    errors.argument("goal: expected the objective as a string, got " .. type(objective))
  end
  options_of.check_names("goal", options, option_names)
  options_of.check_seconds("goal", options, "timeout")
  options_of.check_type("goal", options, "token_budget", "number")
  local choice = options.when_busy
  if choice ~= nil and choice ~= "queue" and choice ~= "error" then
    errors.argument(("goal.when_busy: got '%s', expected one of queue, error"):format(tostring(choice)))
  end
end

local function explain(err)
  if err.reason == "goals_disabled" then
    err.message = err.message .. '; codex.new { config_overrides = { ["features.goals"] = true } } enables it'
  end
  return err
end

-- The result of a request; or nil, an error, and how the waiting ended if not by the answer.
local function ask(thread, method, params, deadline)
  params.thread_id = thread.id
  local request = thread._client:_send(method, params, { label = "goal" })
  local err, reason = thread._client:_wait_for(request, deadline)
  if err then return nil, explain(err), reason end
  local answer = request:result()
  return type(answer) == "table" and answer or {}
end

-- A turn that runs is none of ours. The server would take the goal all the same, and pursue it after that turn.
local function refuse_active(thread, deadline)
  local answer, err, reason = ask(thread, "thread/read", {}, deadline)
  if reason then return err end
  if chains.is_active(answer) then
    return errors.new("busy", "the thread is busy with a turn that was not started here")
  end
end

-- What the server takes at most.
local MAX_CHARACTERS = 4000

-- What the server is going to refuse shall not cost the thread the goal that it has.
local function may_be_refused(objective)
  local characters = select(2, objective:gsub("[^\128-\191]", ""))
  return not objective:find "%S" or characters > MAX_CHARACTERS
end

-- Makes room for a new goal; or sees to it that there is one to go on with.
local function prepare(thread, objective, deadline)
  local answer, err = ask(thread, "thread/goal/get", {}, deadline)
  if err then return err end
  if objective == nil then
    if answer.goal then return end
    return errors.new("invalid_request", "goal: the thread has no goal to go on with", { reason = "no_goal" })
  end
  err = refuse_active(thread, deadline)
  if err or not answer.goal or may_be_refused(objective) then return err end
  -- a goal that is set over another takes over what that one has used
  return select(2, ask(thread, "thread/goal/clear", {}, deadline))
end

-- The turn of an active goal that runs already, as on a thread that was just resumed, is the first of ours. An error
-- when the wait for the answer was given up.
local function adopt_running(thread, chain, deadline)
  local answer, err, reason = ask(thread, "thread/turns/list", { limit = 1 }, deadline)
  if reason then return err end
  local turn = answer and type(answer.data) == "table" and answer.data[1]
  if turn and turn.status == "inProgress" then chain:adopt(turn.id) end
end

local function not_started(status)
  local message = "the server starts no turn for the goal: the thread may be in plan mode, which pursues none"
  if status == "budgetLimited" then
    message = "the goal has used up its tokens: a larger token_budget lets it go on"
  elseif status ~= "active" then
    message = ("the server starts no turn for the goal, which is %s"):format(status or "gone")
  end
  return errors.new("invalid_request", message, { reason = "goal_not_started" })
end

-- Sets the goal and waits for its first turn: nil, or an error, and how the waiting ended if not by itself.
local function set_off(thread, goal, params, deadline)
  local chain = goal._core
  local answer, err, reason = ask(thread, "thread/goal/set", params, deadline)
  if err then return err, reason end
  chain:learn(answer.goal)
  if answer.goal and answer.goal.status ~= "active" then return not_started(answer.goal.status) end
  if not chain:id() then chain:resume() end
  while not chain:id() and not chain.over do
    reason = goal:_wait("started", deadline)
    if reason == "cancelled" then return task.cancellation(), reason end
    if reason == "timeout" then return errors.new("timeout", "the goal's first turn took too long"), reason end
  end
  if chain:id() then return nil end
  if chain.over == "broken" then
    local kind, _, message = chain:error()
    return goal._client:_error(kind, message)
  end
  return not_started(chain.left_active and "active" or chain.goal and chain.goal.status)
end

local function new(thread, deadline)
  local client = thread._client
  local goal = setmetatable({
    thread_id = thread.id,
    _client = client,
    _deadline = deadline,
    _kind = "turn",
    _source = {},
  }, Goal)
  goal._core = chains.new(client, thread.id, goal._source, function()
    lanes.turn_ended(client, goal)
  end)
  client._goals[goal] = true
  return goal
end

-- Answers the goal, or an error, or both when the wait was given up and the goal may still run.
local function launch(thread, objective, options, deadline)
  local lane = lanes.of(thread._client, thread.id)
  local err = lane.unloaded and starts.load(thread, lane, deadline) or prepare(thread, objective, deadline)
  if err then return nil, err end
  local goal = new(thread, deadline)
  local params = { objective = objective, status = "active", token_budget = options.token_budget }
  local reason
  err = objective == nil and adopt_running(thread, goal._core, deadline) or nil
  if not err then
    err, reason = set_off(thread, goal, params, deadline)
  end
  goal.id = goal._core:id()
  if not err then return goal end
  if reason then return goal, goal:_abandon() and task.cancellation() or err end
  goal._core:discard()
  return nil, err
end

--- What `thread:goal` does.
---@param thread codex.Thread
---@param objective? string
---@param options? codex.GoalOptions
---@return codex.Goal
function M.start(thread, objective, options)
  options = options or {}
  check(objective, options)
  local client, lane, place = thread._client, lanes.of(thread._client, thread.id), {}
  local params = { thread_id = thread.id, objective = objective, token_budget = options.token_budget }
  client:_check("thread/goal/set", params, "goal")
  if options.when_busy == "error" and lanes.is_busy(lane) then
    errors.raise("busy", "the thread is busy with another turn")
  end
  local deadline = options.timeout and core.now() + options.timeout
  local reason = lanes.line_up(lane, place, deadline)
  if reason then lanes.raise(reason) end
  local goal, err = starts.attempt(launch, thread, objective, options, deadline)
  lane.turn = goal and not goal:_ended() and goal or nil
  lanes.leave(lane, place)
  if not err then return goal end
  if goal then err.result = goal:_result() end
  error(err, 0)
end

classes.guard(Goal, "goal")

return M
