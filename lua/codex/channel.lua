--- How tasks talk to each other: channels, which hand over values, and events, which happen once.

local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local task = require "codex.task"

local M = {}

-- ---- channels ----

--- Hands values over from tasks that send to tasks that receive, in order, each to one of them. `for value in channel
--- do` receives until it is closed and empty.
---@class codex.Channel
---@field closed boolean
local Channel = {}
Channel.__index = Channel

-- Wakes the one who has waited longest, of those who still wait.
local function wake_first(waiting)
  local first = table.remove(waiting, 1)
  if first then task.wake(first) end
  return first
end

local function remove(list, entry)
  for index, other in ipairs(list) do
    if other == entry then return table.remove(list, index) end
  end
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
    _values = {}, -- those that are held, and those of senders who wait
    _receivers = {}, -- who waits for a value
  }, Channel)
end

function Channel:__tostring()
  return "codex channel" .. (self.closed and " (closed)" or "")
end

local function raise_closed(name)
  errors.raise("closed", "channel:" .. name .. ": the channel is closed")
end

-- Waits until the value has been taken, or there is room for it among those that are held.
local function await_room(channel, sent)
  while not sent.taken and not channel.closed do
    local place = 0
    for index, other in ipairs(channel._values) do
      if other == sent then place = index end
    end
    if place <= channel._capacity then return end
    if task.park(sent) == "cancelled" then
      remove(channel._values, sent)
      task.raise_cancelled()
    end
  end
  if sent.taken then return end
  remove(channel._values, sent)
  raise_closed "send"
end

--- Hands a value over; waits while the channel is full. Raises `closed` when it is closed, or is before the value has
--- found room.
---@param value any but nil
function Channel:send(value)
  if value == nil then errors.argument "channel:send: nil can't be sent, as it says that a channel is over" end
  if self.closed then raise_closed "send" end
  local sent = { value = value }
  table.insert(self._values, sent)
  wake_first(self._receivers)
  await_room(self, sent)
end

-- Takes the first value, and lets the sender know who may go on by that.
local function take(channel)
  local sent = table.remove(channel._values, 1)
  sent.taken = true
  task.wake(sent)
  local next_held = channel._values[channel._capacity]
  if next_held then task.wake(next_held) end
  return sent.value
end

--- Takes the next value; waits for one.
---@return any value nil once the channel is closed and empty
function Channel:receive()
  while not self._values[1] do
    if self.closed then return nil end
    local waiting = {}
    table.insert(self._receivers, waiting)
    if task.park(waiting) == "cancelled" then
      -- a sender may have chosen this one when it was cancelled already: then it is another's turn
      if not remove(self._receivers, waiting) and self._values[1] then wake_first(self._receivers) end
      task.raise_cancelled()
    end
  end
  return take(self)
end

Channel.__call = function(self)
  return self:receive()
end

--- Closes the channel: what it holds can still be received, senders who wait for room get an error. May be called
--- again.
function Channel:close()
  self.closed = true
  while wake_first(self._receivers) do end
  for index = #self._values, 1, -1 do
    task.wake(self._values[index])
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

--- It hasn't happened, from now on.
function Event:clear()
  self.is_set = false
end

--- Waits until it has happened, at most so many seconds.
---@param seconds? number
---@return boolean is_set false: the time was up before
function Event:wait(seconds)
  if seconds ~= nil then task.check_seconds("event:wait", seconds) end
  local deadline = seconds and core.now() + math.max(0, seconds)
  while not self.is_set do
    local reason = task.park(self._source, deadline)
    if reason == "cancelled" then task.raise_cancelled() end
    if reason == "timeout" then return self.is_set end
  end
  return true
end

classes.guard(Event, "event")

return M
