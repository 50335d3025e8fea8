--- Lanes: one turn at a time on each thread.
---
--- The server would take a second turn on a busy thread as steering of the first. So turns of one thread line up here,
--- whichever Thread object they were started with. A client holds its lanes weakly: a lane lives as long as somebody
--- holds the thread, waits in it, or has a turn that runs.

local errors = require "codex.error"
local lists = require "codex.list"
local task = require "codex.task"

local M = {}

---@class codex.Lane
---@field turn? codex.Turn the one that runs
---@field queue codex.List the places of those who wait; the first may start once no turn runs
---@field pending integer how many starts outside of the queue may still come to a turn
---@field asking table<codex.Task, codex.ServerRequest> handlers that the turn that runs waits for
---@field thread? codex.Thread as it was last started, resumed or forked here
---@field thread_handlers? codex.Handlers
---@field turn_handlers? codex.Handlers of the turn that runs or is being started
---@field cwd? string the thread's folder, as last heard of
---@field settled? boolean the server has had the thread on its connection to us, with settings that it keeps
---@field unloaded? boolean the server doesn't have the thread, or tells nothing of it: a turn has it loaded first

--- The lane of a thread, made if need be.
---@param client codex.Client
---@param thread_id string
---@return codex.Lane
function M.of(client, thread_id)
  local lane = client._lanes[thread_id]
  if not lane then
    lane = { queue = {}, pending = 0, asking = {} }
    client._lanes[thread_id] = lane
  end
  return lane
end

--- The turn that runs, or nil.
---@param lane codex.Lane
---@return codex.Turn?
function M.running(lane)
  return lane.turn and not lane.turn:_ended() and lane.turn or nil
end

--- Whether a new turn would have to wait.
---@param lane codex.Lane
---@return boolean
function M.is_busy(lane)
  return lane.queue.first ~= nil or lane.pending > 0 or M.running(lane) ~= nil
end

--- Makes a turn the one that runs, unless it has ended already.
---@param lane codex.Lane
---@param turn codex.Turn
function M.hold(lane, turn)
  if turn:_ended() then
    lane.turn_handlers = nil
  else
    lane.turn = turn
  end
end

--- Lets a turn that has ended go: a thread that is done with would keep its last one otherwise.
---@param client codex.Client
---@param turn codex.Turn
function M.turn_ended(client, turn)
  local lane = client._lanes[turn.thread_id]
  if lane and lane.turn == turn then
    lane.turn, lane.turn_handlers = nil, nil
  end
end

-- Of those in line only the first can go on. Who wants to join a turn waits beside it.
local function wake(lane)
  if lane.queue.first then task.wake(lane.queue.first) end
  task.wake(lane)
end

--- Gives up a place in the queue; the next in it may go.
---@param lane codex.Lane
---@param place table
function M.leave(lane, place)
  lists.remove(place)
  wake(lane)
end

-- Waits for something to change that keeps this place from its turn.
local function wait_in_line(lane, place, deadline)
  local running = M.running(lane)
  if lane.queue.first == place and running then return running:_try_wait("end", deadline) end
  return task.try_park(place, deadline, true)
end

-- Raises for a handler that would wait for the end of the turn which waits for its answer, itself or for a task that
-- does.
local function check_handler(lane)
  local me = task.running()
  if not me or not next(lane.asking) or lane.turn and lane.turn._interrupted then return end
  local request = task.find_awaiting(me, function(one)
    local asked = lane.asking[one]
    return asked and asked:_is_open() and asked or nil
  end)
  if not request then return end
  local message = "%s: the thread's turn waits for the handler's answer, and the handler for another turn on the "
    .. "thread: take a thread of its own for that"
  errors.raise("deadlock", message:format(request.method))
end

--- Waits until it is this place's turn. Whoever gets there leaves when its turn has started, or doesn't. Raises
--- `deadlock` for a handler of the turn that runs, and for a task that such a handler waits for; and where nobody can
--- wait, even if there is nothing to wait for yet, as the start of a turn has to.
---@param lane codex.Lane
---@param place table a new one
---@param deadline? number on the core's clock
---@return "timeout"|"cancelled"|nil reason why the waiting ended otherwise; then the place is given up
function M.line_up(lane, place, deadline)
  task.check_can_wait()
  check_handler(lane)
  lists.append(lane.queue, place)
  while lane.queue.first ~= place or lane.pending > 0 or M.running(lane) do
    local reason, failure = wait_in_line(lane, place, deadline)
    if reason ~= "woken" then
      M.leave(lane, place)
      if failure then error(failure, 0) end
      return reason
    end
  end
end

--- Keeps everybody waiting until `release`.
---@param lane codex.Lane
function M.block(lane)
  lane.pending = lane.pending + 1
end

--- Ends what `block` began.
---@param lane codex.Lane
function M.release(lane)
  lane.pending = lane.pending - 1
  wake(lane)
end

--- Waits until the one whose turn it is has started it.
---@param lane codex.Lane
---@param deadline? number on the core's clock
---@return codex.Turn? turn the one that runs; nil when none does
---@return "timeout"|"cancelled"|nil reason why the waiting ended otherwise
function M.wait_for_start(lane, deadline)
  while not M.running(lane) and (lane.queue.first or lane.pending > 0) do
    local reason = task.park(lane, deadline, true)
    if reason ~= "woken" then return nil, reason end
  end
  return M.running(lane)
end

--- Raises how the waiting in a queue ended.
---@param reason "timeout"|"cancelled"
function M.raise(reason)
  if reason == "cancelled" then task.raise_cancelled() end
  errors.raise("timeout", "the thread stayed busy for too long")
end

return M
