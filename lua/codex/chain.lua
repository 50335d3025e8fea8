--- The turns that the server runs for a goal, as if they were one: has what the core's handle of a turn has.
---
--- A goal's turns start by themselves, one after the other, for as long as the goal is active. So what comes next is
--- decided when a turn ends, by the goal's status: the server tells of a change before the end of the turn that made
--- it.

local core = require "codex.core"
local loop = require "codex.loop"
local results = require "codex.result"
local subscriptions = require "codex.subscription"
local task = require "codex.task"

require "codex.interpreted"()

local M = {}

-- The server starts the next turn of an active goal within some 25 ms. When none has come for so long, it is asked.
M.IDLE_SECONDS = 10

-- How long a turn may be under way to us that was started just before its goal was paused or cleared.
M.SETTLE_SECONDS = 1

-- How long a goal that has come to rest while active may take to be paused.
local PAUSE_SECONDS = 2

---@class codex.Chain
---@field goal? codex.ThreadGoal as last seen
---@field current? { id: string, handle: userdata, interrupting?: boolean } the turn that runs
---@field over? "completed"|"broken"
---@field held? boolean paused in order to go on
---@field suspended? boolean held, and at rest
---@field left_active? boolean the server left the thread at rest although the goal was active; it was paused then
---@field stopping? boolean to be interrupted, now or when a turn starts
local Chain = {}
Chain.__index = Chain

local DECISIVE = { "turn/started", "turn/completed", "thread/goal/updated", "thread/goal/cleared" }

--- Listens for the turns of a thread from now on.
---@param client codex.Client
---@param thread_id string
---@param source codex.List woken whenever something has happened
---@param on_rest fun() called when no turn will come any more, or none before `resume`
---@return codex.Chain
function M.new(client, thread_id, source, on_rest)
  local chain = setmetatable({
    _client = client,
    _feeds = setmetatable({}, { __mode = "k" }),
    _ids = {},
    _on_rest = on_rest,
    _source = source,
    _thread_id = thread_id,
    _turns = {},
  }, Chain)
  chain._kept = subscriptions.open(client, { thread_id = thread_id })
  chain._feed = subscriptions.open(client, { methods = DECISIVE, thread_id = thread_id })
  chain._feed._ready = function()
    chain:_take_in()
  end
  chain._feed._handle:watch()
  return chain
end

-- ---- what the server says ----

function Chain:_take_in()
  while not self.over do
    local event, nothing = self._feed._handle:next()
    if event then
      self:_happened(event.method, event.params)
    elseif nothing == "empty" then
      self._feed._handle:watch()
      break
    else
      self:_finish "broken"
    end
  end
  task.wake(self._source)
end

function Chain:_happened(method, params)
  if method == "thread/goal/updated" then
    if type(params.goal) ~= "table" then return end
    self.goal, self._known = params.goal, true
    self:_goal_changed()
  elseif method == "thread/goal/cleared" then
    self:cleared()
  elseif type(params.turn) == "table" and type(params.turn.id) == "string" then
    if method == "turn/completed" then return self:_turn_ended(params.turn) end
    if not self.suspended then self:_begin(self._client._core:turn(params.turn.id, false)) end
  end
end

--- Takes note that there is no goal any more.
function Chain:cleared()
  if self.over or not self.goal then return end -- or it is an earlier one
  self.goal = nil
  self:_goal_changed()
end

function Chain:_begin(handle)
  local id = handle:id()
  if self._ids[id] then return end
  self:_stop_timer()
  self._began = self._began or core.now()
  self._ids[id] = true
  self._turns[#self._turns + 1] = handle
  self.current = { id = id, handle = handle }
  if self.stopping then task.background(self.interrupt, self) end
end

--- Takes a turn that was running before as the goal's.
---@param id string
function Chain:adopt(id)
  local handle = self._client._core:turn(id, false)
  if handle:state() == "running" and not self.current then self:_begin(handle) end
end

function Chain:_turn_ended(turn)
  if not self.current or self.current.id ~= turn.id then return end
  self.current, self._ended = nil, core.now()
  -- the server leaves the goal of an interrupted turn active, and starts no other
  if turn.status == "interrupted" then return self:_conclude() end
  self:_decide()
end

function Chain:_goal_changed()
  if self.current or not self._turns[1] then return end
  if self.suspended then return self:_decide() end
  self:_expect(self:_is_active() and M.IDLE_SECONDS or M.SETTLE_SECONDS)
end

-- As it was set to be, until something else is heard.
function Chain:_is_active()
  if not self.goal then return not self._known end
  return self.goal.status == "active"
end

--- Takes note of the goal as an answer tells it; what was heard already is newer.
---@param goal? codex.ThreadGoal
function Chain:learn(goal)
  if not self._known and goal then
    self.goal, self._known = goal, true
  end
end

-- ---- what comes next ----

-- No turn runs: whether one will.
function Chain:_decide()
  if self:_is_active() then
    self:_expect(M.IDLE_SECONDS)
  elseif self.held and self.goal and self.goal.status == "paused" then
    self:suspend()
  else
    self:_conclude()
  end
end

function Chain:_stop_timer()
  if self._timer then loop.timers:remove(self._timer) end
  self._timer = nil
end

function Chain:_expect(seconds)
  self:_stop_timer()
  self._timer = loop.timers:add(core.now() + seconds, function()
    self._timer = nil
    if self.over or self.current then return end
    if not self.stopping and self:_is_active() then
      task.background(self._ask, self)
    elseif self.stopping then
      self:_conclude()
    else
      self:_decide()
    end
  end)
end

--- Whether a thread runs a turn, from the answer to `thread/read`.
---@param answer any
---@return boolean
function M.is_active(answer)
  local thread = type(answer) == "table" and answer.thread
  local status = type(thread) == "table" and thread.status
  return type(status) == "table" and status.type == "active"
end

-- Asks the server whether the thread is at rest although its goal is active; that is then for good.
function Chain:_ask()
  local request = self._client:_send("thread/read", { thread_id = self._thread_id }, { label = "thread_read" })
  local err = self._client:_wait_for(request)
  if self.over or self.current then return end
  if not err and M.is_active(request:result()) then return self:_expect(M.IDLE_SECONDS) end
  self:_conclude()
end

--- Leaves the thread to others until `resume`.
function Chain:suspend()
  if self.suspended then return end
  self:_stop_timer()
  self.suspended = true
  self._on_rest()
  task.wake(self._source)
end

--- Ends a suspension: turns that start are the goal's again.
function Chain:resume()
  self.suspended = false
  if not self.current then self:_expect(M.IDLE_SECONDS) end
  task.wake(self._source)
end

-- A goal that stayed active would go on by itself after any other turn of the thread.
function Chain:_conclude()
  self:_stop_timer()
  if not self:_is_active() then return self:_finish "completed" end
  self.stopping, self.left_active = true, true
  task.background(function()
    local _, goal = self:set("paused", core.now() + PAUSE_SECONDS)
    if self.over or self.current then return end
    self.goal = goal or self.goal
    self:_finish "completed"
  end)
end

function Chain:_finish(how)
  self:_stop_timer()
  self.over, self.suspended = how, nil
  self._feed:close()
  if self._kept then self._kept._handle:stop() end
  for feed in pairs(self._feeds) do
    if not feed.closed then feed._handle:stop() end
  end
  self._on_rest()
  task.wake(self._source)
end

--- Ends a feed with the last turn.
---@param feed codex.Feed
function Chain:attach(feed)
  self._feeds[feed] = true
  if self.over then feed._handle:stop() end
end

--- Forgets it all, since there is no goal.
function Chain:discard()
  self:forget_events()
  self:_finish "completed"
end

-- ---- what is asked of the server ----

--- Sets the goal's status. Protocol: `thread/goal/set`.
---@param status "active"|"paused"
---@param deadline? number
---@return codex.Error? err
---@return codex.ThreadGoal? goal
function Chain:set(status, deadline)
  local params = { thread_id = self._thread_id, status = status }
  local request = self._client:_send("thread/goal/set", params, { label = "goal" })
  local err = self._client:_wait_for(request, deadline)
  local answer = not err and request:result()
  return err, type(answer) == "table" and answer.goal or nil
end

--- Interrupts the turn that runs, if one does. Protocol: `turn/interrupt`.
---@return codex.Error? err
function Chain:interrupt()
  local current = self.current
  if not current or current.interrupting then return end
  current.interrupting = true
  local params = { thread_id = self._thread_id, turn_id = current.id }
  local request = self._client:_send("turn/interrupt", params, { label = "turn_interrupt" })
  local err = self._client:_wait_for(request)
  -- it ended while the request was under way
  if err and err.reason ~= "no_active_turn" and err.reason ~= "turn_mismatch" then return err end
end

--- Sees to it that no turn runs nor starts: waits for one that may be about to.
function Chain:stop()
  self.stopping = true
  if self.suspended then return self:_conclude() end
  if not self.current then self:_expect(M.SETTLE_SECONDS) end
end

--- Waits a little for a turn that was started before the goal was paused.
function Chain:rest()
  if not self.current and not self.suspended then self:_expect(M.SETTLE_SECONDS) end
end

-- ---- as the core's handle ----

--- The id of the first turn; nil before.
---@return string?
function Chain:id()
  return self._turns[1] and self._turns[1]:id()
end

--- The ids of all turns so far.
---@return string[]
function Chain:ids()
  local ids = {}
  for index, handle in ipairs(self._turns) do
    ids[index] = handle:id()
  end
  return ids
end

function Chain:state()
  return self.over or "running"
end

function Chain:started()
  return self.current ~= nil
end

function Chain:retrying()
  return self.current and self.current.handle:retrying()
end

function Chain:error()
  if self.over == "broken" then return self._client._core:error() end
  for _, handle in ipairs(self._turns) do
    local kind, code, message = handle:error()
    if kind then return kind, code, message end
  end
end

function Chain:watch(what)
  if what ~= "events" then return end
  for feed in pairs(self._feeds) do
    if not feed.closed then feed._handle:watch() end
  end
end

function Chain:forget_events()
  if self._kept then self._kept:close() end
  self._kept = nil
end

--- What the turns came to so far.
---@return codex.TurnResult
function Chain:result()
  local parts = {}
  for index, handle in ipairs(self._turns) do
    parts[index] = results.collect(handle, false)
  end
  local result = results.join(parts)
  if self.over ~= "completed" then result.status = "inProgress" end
  if parts[2] and self._ended then
    -- the server tells moments in whole seconds, and durations of single turns only
    local seen = math.floor((self._ended - self._began) * 1000)
    result.duration_ms = math.max(result.duration_ms or 0, seen)
  end
  result.goal = self.goal
  return result
end

-- ---- streams ----

---@class codex.ChainStream
local Stream = {}
Stream.__index = Stream

-- Those of no turn that are delivered all the same, for they tell of the progress.
local GOAL_EVENTS = { ["thread/goal/updated"] = true, ["thread/goal/cleared"] = true }

local function set_of(list)
  if not list then return nil end
  local set = {}
  for _, name in ipairs(list) do
    set[name] = true
  end
  return set
end

--- Opens a stream of the events of all turns. The first one sees all from the start, unless they were forgotten.
---@param methods? string[]
---@param text boolean
---@return codex.ChainStream
function Chain:stream(methods, text)
  if text then methods = { "item/agentMessage/delta", "item/completed" } end
  local feed, kept = self._kept, self._kept ~= nil
  self._kept = nil
  if not kept then
    feed = subscriptions.open(self._client, { methods = methods, thread_id = self._thread_id })
  end
  self:attach(feed)
  local stream = setmetatable({
    _begun = not kept,
    _chain = self,
    _feed = feed,
    _told = {},
    _wanted = set_of(methods),
  }, Stream)
  local source = self._source
  feed._ready = function()
    task.wake(source)
  end
  return stream
end

-- Whether an event is the goal's to deliver, which then bears the id of the whole.
function Stream:_accept(event)
  local chain, method, params = self._chain, event.method, event.params
  local turn = type(params.turn) == "table" and params.turn or nil
  local id, whole = params.turn_id or turn and turn.id, chain:id()
  self._begun = self._begun or id == whole
  if self._wanted and not self._wanted[method] then return false end
  if id == nil then return self._begun and GOAL_EVENTS[method] or false end
  if not chain._ids[id] or method == "turn/completed" then return false end
  if method == "turn/started" and id ~= whole then return false end
  if params.turn_id then params.turn_id = whole end
  return true
end

-- The end of the last turn, as that of the whole.
function Stream:_completion()
  local turns = self._chain._turns
  if self._ended or not turns[1] or self._wanted and not self._wanted["turn/completed"] then return nil end
  self._ended = true
  local event = turns[#turns]:stream({ "turn/completed" }, false):next()
  local turn, whole = event.params.turn, self._chain:id()
  if turn.root_turn_id == turn.id then turn.root_turn_id = whole end
  turn.id = whole
  return event
end

function Stream:next()
  local event, nothing = self._feed._handle:next()
  while event and not self:_accept(event) do
    event, nothing = self._feed._handle:next()
  end
  if event then return event end
  if nothing == "overflow" then return nil, nothing end
  if self._chain.over == "broken" then return nil, "broken" end
  if not self._chain.over then return nil, "empty" end
  event = self:_completion()
  if event then return event end
  return nil, "end"
end

-- The text that an event adds: all of a delta, of a completed message what its deltas lacked.
function Stream:_text_of(event)
  local params, told = event.params, self._told
  if event.method == "item/agentMessage/delta" then
    told[params.item_id] = (told[params.item_id] or 0) + #params.delta
    return params.delta, params.item_id
  end
  local item = params.item
  if type(item) ~= "table" or item.type ~= "agentMessage" then return nil end
  local length = told[item.id] or 0
  told[item.id] = nil
  if type(item.text) == "string" and #item.text > length then return item.text:sub(length + 1), item.id end
end

function Stream:next_text()
  while true do
    local event, nothing = self:next()
    if not event then return nil, nothing end
    local text, item_id = self:_text_of(event)
    if text then return text, item_id end
  end
end

function Stream:close()
  self._feed:close()
end

return M
