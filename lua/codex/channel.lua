--- How tasks talk to each other: channels, which hand over values, and events, which happen once.

local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local lists = require "codex.list"
local task = require "codex.task"

local M = {}

-- ---- channels ----

--- Hands values over from tasks that send to tasks that receive, in order, each to one of them. `for value in channel
--- do` receives until it is closed and empty.
---@class codex.Channel
---@field closed boolean
local Channel = {}
Channel.__index = Channel

-- The one who has waited longest, of those who still wait.
local function first_of(waiting)
  while waiting.first and task.is_leaving(waiting.first) do
    lists.remove(waiting.first)
  end
  return waiting.first
end

local function wake_first(waiting)
  local first = first_of(waiting)
  if not first then return false end
  lists.remove(first)
  task.wake(first)
  return true
end

-- Waits until somebody takes an entry out of the list that it is in.
local function await(entry)
  local reason, failure = task.try_park(entry)
  if reason ~= "woken" then lists.remove(entry) end
  if failure then error(failure, 0) end
  if reason == "cancelled" then task.raise_cancelled() end
end

--- Makes a channel.
---@param capacity? integer how many values it holds before senders wait; default 0: each waits for its receiver
---@return codex.Channel
function M.channel(capacity)
  capacity = capacity or 0
  if type(capacity) ~= "number" or capacity < 0 or capacity ~= math.floor(capacity) then
    errors.argument "channel: the capacity must be a whole number from 0 on"
  end
  return setmetatable({
    closed = false,
    _capacity = capacity,
    _held = {}, -- values that have found room
    _held_count = 0,
    _senders = {}, -- who waits for room, or for a receiver
    _receivers = {}, -- who waits for a value
  }, Channel)
end

function Channel:__tostring()
  return "codex channel" .. (self.closed and " (closed)" or "")
end

local function raise_closed(name)
  errors.raise("closed", "channel:" .. name .. ": the channel is closed")
end

local function hold(channel, sent)
  lists.append(channel._held, sent)
  channel._held_count = channel._held_count + 1
end

--- Hands a value over; waits while the channel is full. Raises `closed` when it is closed, or is before the value has
--- found room.
---@param value any but nil
function Channel:send(value)
  if value == nil then errors.argument "channel:send: nil can't be sent, as it says that a channel is over" end
  if self.closed then raise_closed "send" end
  local sent = { value = value, accepted = self._held_count < self._capacity }
  if sent.accepted then
    hold(self, sent)
  else
    task.check_can_wait()
    lists.append(self._senders, sent)
  end
  wake_first(self._receivers)
  if sent.accepted then return end
  await(sent)
  if not sent.accepted then raise_closed "send" end
end

-- Lets the sender go on who has waited longest: the entry of the value, or nil.
local function accept(channel)
  local sent = first_of(channel._senders)
  if not sent then return nil end
  sent.accepted = true
  wake_first(channel._senders)
  return sent
end

-- Takes the first value, which makes room for another: its entry, or nil.
local function take(channel)
  local sent = channel._held.first
  if not sent then return accept(channel) end
  lists.remove(sent)
  channel._held_count = channel._held_count - 1
  local accepted = accept(channel)
  if accepted then hold(channel, accepted) end
  return sent
end

--- Takes the next value; waits for one.
---@return any value nil once the channel is closed and empty
function Channel:receive()
  while true do
    local sent = take(self)
    if sent then return sent.value end
    if self.closed then return nil end
    task.check_can_wait()
    local waiting = {}
    lists.append(self._receivers, waiting)
    await(waiting)
  end
end

Channel.__call = function(self)
  return self:receive()
end

--- Closes the channel: what it holds can still be received, senders who wait for room get an error. May be called
--- again.
function Channel:close()
  self.closed = true
  for _, waiting in ipairs { self._receivers, self._senders } do
    while wake_first(waiting) do end
  end
end

Channel.__close = Channel.close
classes.guard(Channel, "channel")

-- ---- events ----

--- Something that happens, for whoever waits for it.
---@class codex.TaskEvent
---@field is_set boolean
local Event = {}
Event.__index = Event

--- Makes an event that hasn't happened yet.
---@return codex.TaskEvent
function M.event()
  return setmetatable({ is_set = false, _source = {} }, Event)
end

--- It has happened: wakes all who wait. May be called again.
function Event:set()
  self.is_set = true
  task.wake(self._source)
end

--- It hasn't happened, from now on; who was woken by then goes on all the same.
function Event:clear()
  self.is_set = false
end

--- Waits until it has happened, at most so many seconds.
---@param seconds? number
---@return boolean is_set false: the time was up before
function Event:wait(seconds)
  if seconds ~= nil then task.check_seconds("event:wait", seconds) end
  local deadline = seconds and core.now() + math.max(0, seconds)
  if self.is_set then return true end
  local reason = task.park(self._source, deadline)
  if reason == "cancelled" then task.raise_cancelled() end
  return reason == "woken" or self.is_set
end

classes.guard(Event, "event")

return M
