--- Lanes: one turn at a time on each thread.
---
--- The server would take a second turn on a busy thread as steering of the first. So turns of one thread line up here.

local task = require "codex.task"

local M = {}

---@class codex.Lane
---@field turn? codex.Turn the one that runs
---@field queue table[] who waits, in order; the first may start once no turn runs

--- The lane of a thread, made if need be.
---@param client codex.Client
---@param thread_id string
---@return codex.Lane
function M.of(client, thread_id)
  local lane = client._lanes[thread_id]
  if not lane then
    lane = { queue = {} }
    client._lanes[thread_id] = lane
  end
  return lane
end

--- Whether a new turn would have to wait.
---@param lane codex.Lane
---@return boolean
function M.is_busy(lane)
  return lane.queue[1] ~= nil or (lane.turn ~= nil and not lane.turn:_ended())
end

--- Lets a turn that has ended go: a thread that is done with would keep its last one otherwise.
---@param client codex.Client
---@param turn codex.Turn
function M.turn_ended(client, turn)
  local lane = client._lanes[turn.thread_id]
  if lane and lane.turn == turn then lane.turn = nil end
end

--- Gives up a place in the queue; the next in it may go.
---@param lane codex.Lane
---@param place table
function M.leave(lane, place)
  for index, waiting in ipairs(lane.queue) do
    if waiting == place then table.remove(lane.queue, index) end
  end
  task.wake(lane)
end

--- Waits until it is this place's turn. Whoever gets there leaves when its turn has started, or doesn't.
---@param lane codex.Lane
---@param place table a new one
---@param deadline? number on the core's clock
---@return "timeout"|"cancelled"|nil reason why the waiting ended otherwise; then the place is given up
function M.line_up(lane, place, deadline)
  lane.queue[#lane.queue + 1] = place
  while lane.queue[1] ~= place or (lane.turn and not lane.turn:_ended()) do
    local reason
    if lane.queue[1] == place then
      reason = lane.turn:_wait("end", deadline)
    else
      reason = task.park(lane, deadline, true)
    end
    if reason ~= "woken" then
      M.leave(lane, place)
      return reason
    end
  end
end

return M
