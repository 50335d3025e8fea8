--- Moments to come, soonest first: a binary heap.

local M = {}

---@class codex.Timer
---@field at number the moment, on the core's clock
---@field fire function called once the moment has come
---@field index integer? its place in the heap; nil once fired or removed

---@class codex.Timers
local Timers = {}
Timers.__index = Timers

--- No moments yet.
---@return codex.Timers
function M.new()
  return setmetatable({}, Timers)
end

local function place(heap, index, timer)
  heap[index] = timer
  timer.index = index
end

local function sift_up(heap, index, timer)
  while index > 1 do
    local parent = math.floor(index / 2)
    if heap[parent].at <= timer.at then break end
    place(heap, index, heap[parent])
    index = parent
  end
  place(heap, index, timer)
end

local function sift_down(heap, index, timer)
  local count = #heap
  while 2 * index <= count do
    local child = 2 * index
    if child < count and heap[child + 1].at < heap[child].at then child = child + 1 end
    if timer.at <= heap[child].at then break end
    place(heap, index, heap[child])
    index = child
  end
  place(heap, index, timer)
end

--- Adds a moment.
---@param at number on the core's clock
---@param fire fun()
---@return codex.Timer
function Timers:add(at, fire)
  local timer = { at = at, fire = fire }
  sift_up(self, #self + 1, timer)
  return timer
end

--- Takes a timer out; nothing happens if it has fired.
---@param timer codex.Timer
function Timers:remove(timer)
  local index = timer.index
  if not index then return end
  timer.index = nil
  local last = table.remove(self)
  if last == timer then return end
  if index > 1 and last.at < self[math.floor(index / 2)].at then
    sift_up(self, index, last)
  else
    sift_down(self, index, last)
  end
end

--- Fires what is due.
---@param now number on the core's clock
function Timers:run(now)
  while self[1] and self[1].at <= now do
    local timer = self[1]
    self:remove(timer)
    timer.fire()
  end
end

--- When the next one is due, on the core's clock, or nil.
---@return number?
function Timers:next()
  return self[1] and self[1].at
end

return M
