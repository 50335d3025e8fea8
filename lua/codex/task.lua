--- Tasks: coroutines that wait without blocking each other.
---
--- Everything that waits parks on a source, a list of waiters. A waiter whose coroutine is a task's own yields;
--- any other caller (the main chunk, a coroutine that the user wrapped) drives the loop until it is woken, and other
--- tasks go on meanwhile. Parking reports how it ended instead of raising, so that callers can clean up without a
--- pcall, which PUC Lua 5.1 couldn't yield across.

local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local lists = require "codex.list"
local loop = require "codex.loop"
local yields = require "codex.yields"

require "codex.interpreted"()

local M = {}

---@class codex.Task
---@field status "ready"|"running"|"waiting"|"done"|"failed"|"cancelled"
---@field package _group? codex.TaskGroup that it belongs to, with what it starts
---@field package _joined? boolean somebody waits for it or has, and so hears of its failure
---@field package _waits_for_children? boolean they may go on until they end by themselves
---@field package _awaited_by? codex.Task the one that is told of its end by `when_over`
---@field package _ended_as? integer its place among those that have ended
local Task = {}
Task.__name = "codex.Task"

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")
local now = core.now

local function pack(...)
  return { n = select("#", ...), ... }
end

local PARKED = {} -- what a task's own yield passes, to be told from a yield of the user's

local by_coroutine = setmetatable({}, { __mode = "k" })
local unfinished = {} -- keeps tasks alive that nobody else holds
local ready = { first = 1, last = 0 } -- tasks to resume, in order
local outside_waits = 0 -- waiters that only a server can wake
local current -- the task being resumed; nil in the main chunk
local slice_began = 0 -- when the code that is running began, or last waited

local function push_ready(task)
  ready[ready.last + 1] = task -- which may fail for want of memory
  ready.last = ready.last + 1
  loop.wake()
end

local function pop_ready()
  local task = ready[ready.first]
  ready[ready.first] = nil
  ready.first = ready.first + 1
  return task
end

--- The task whose own coroutine is running, or nil.
---@return codex.Task?
function M.running()
  local coroutine_running = coroutine.running()
  return coroutine_running and by_coroutine[coroutine_running]
end

-- ---- waiting ----

---@class codex.Waiter: codex.ListMember
---@field reason string? set once, when it is woken

local function wake_waiter(waiter, reason)
  if waiter.reason then return end
  waiter.reason = reason
  if waiter.task then
    if waiter.task._waiter ~= waiter then return end -- it is only about to wait, and a finalizer has run the loop
    waiter.task._status = "ready"
    push_ready(waiter.task)
  elseif waiter.resume then
    waiter.resume()
  else
    loop.wake() -- so that whoever drives the loop looks at it
  end
end

--- Wakes all who wait on a source, in the order they came.
---@param source codex.List
function M.wake(source)
  local waiter, last = source.first, source.last
  while waiter do
    lists.remove(waiter)
    wake_waiter(waiter, "woken")
    waiter = waiter ~= last and source.first or nil -- those that came meanwhile wait for the next time
  end
end

--- Whether the one who waits on a source has been woken by something else, and is about to leave.
---@param source codex.List
---@return boolean
function M.is_leaving(source)
  return source.first ~= nil and source.first.reason ~= nil
end

local function take_cancellation(task)
  if not task or not task._cancelling or task._cancel_delivered then return false end
  task._cancel_delivered = true
  return true
end

local function wait_in_task(task, waiter)
  if waiter.reason then return end
  task._waiter, task._status = waiter, "waiting"
  coroutine.yield(PARKED)
  task._waiter, task._status = nil, "running"
end

local drive -- below: it runs tasks

local function begin_wait(task, source, deadline, outside)
  local waiter = { task = task, outside = outside and 1 or 0 }
  lists.append(source, waiter)
  outside_waits = outside_waits + waiter.outside
  waiter.timer = deadline and loop.timers:add(deadline, function()
    wake_waiter(waiter, "timeout")
  end)
  return waiter
end

local function end_wait(waiter)
  outside_waits = outside_waits - waiter.outside
  if waiter.timer then loop.timers:remove(waiter.timer) end
  lists.remove(waiter)
end

-- The task whose own coroutine is running, if that can yield now.
local function yielding_task()
  local task = M.running()
  return task and yields.possible() and task or nil
end

-- As loop.suspend, where the coroutine can yield.
local function suspension()
  local wait, resume = loop.suspend()
  if wait and yields.possible_in_loop() then return wait, resume end
end

local function refusal()
  local _, err = pcall(
    errors.argument,
    "nobody can wait here, inside of the loop that is running: do it in a task (codex.spawn), or block the loop with "
      .. "codex.wait(task, seconds)"
  )
  return err
end

--- Whether the caller can wait where he is: in a task, in a coroutine of the loop's own, or by driving the loop.
---@return boolean
function M.can_wait()
  return loop.can_run() or yielding_task() ~= nil or suspension() ~= nil
end

--- Raises if he can't: before anything is begun that would be waited for.
---@param later? boolean it isn't within this call that he would, so what is on the stack doesn't matter
function M.check_can_wait(later)
  if not later and yielding_task() then return end
  if not M.can_wait() then error(refusal(), 0) end
end

--- As park, but what ends the wait otherwise is answered: "deadlock" or "failed", and the error.
---@param source codex.List
---@param deadline? number
---@param outside? boolean
---@param seen? integer
---@return string reason
---@return codex.Error? failure
function M.try_park(source, deadline, outside, seen)
  local own = yielding_task()
  local owner = M.running() or current
  if take_cancellation(owner) then return "cancelled" end
  local wait, resume
  if not own then
    wait, resume = suspension()
    if not wait and not loop.can_run() then return "failed", refusal() end
  end
  local waiter = begin_wait(own, source, deadline, outside)
  waiter.resume = resume
  if seen and seen ~= loop.rounds() then waiter.reason = waiter.reason or "woken" end
  local failure
  if own then
    wait_in_task(own, waiter)
  elseif wait and not waiter.reason then
    wait()
  else
    failure = drive(waiter, owner)
  end
  slice_began = now()
  end_wait(waiter)
  if waiter.reason == "cancelled" then take_cancellation(owner) end
  return waiter.reason, failure
end

--- Waits until the source is woken or the moment `deadline` has come.
---@param source codex.List
---@param deadline? number on the core's clock
---@param outside? boolean a server will wake it, so that waiting is no deadlock
---@param seen? integer `loop.rounds()`, from before it was found that there is something to wait for: a finalizer that
--- has run the loop since then may have done it, and then this is "woken" at once
---@return "woken"|"timeout"|"cancelled"
function M.park(source, deadline, outside, seen)
  local reason, failure = M.try_park(source, deadline, outside, seen)
  if failure then error(failure, 0) end
  return reason
end

--- The error that a cancelled task gets.
---@param fields? table
---@return codex.Error
function M.cancellation(fields)
  return errors.new("cancelled", "the task was cancelled", fields)
end

--- Raises it.
---@param fields? table
function M.raise_cancelled(fields)
  error(M.cancellation(fields), 0)
end

-- ---- running ----

local finished = 0 -- how many tasks have ended, to know their order

local function end_alone(task, status)
  finished = finished + 1
  task._status, task._ended_as = status, finished
  unfinished[task] = nil
  by_coroutine[task._coroutine] = nil
  local group = task._group
  if group then
    group.open = group.open - 1
    if status == "failed" and not task._joined then group.failed[task] = true end
    M.wake(group)
  end
  M.wake(task._done)
  if task._when_over then task._when_over(task) end
end

-- Ends a task, and those that only waited for it to end with them. Not recursive, as they may be many.
local function finish(task, status)
  while status do
    end_alone(task, status)
    local parent = task._parent
    if not parent then return end
    parent._children[task] = nil
    task, status = parent, not next(parent._children) and parent._final_status
  end
end

--- The tasks of a set, in the order of their start.
---@param set table<codex.Task, true>
---@return codex.Task[]
function M.in_order(set)
  local list = {}
  for task in pairs(set) do
    list[#list + 1] = task
  end
  table.sort(list, function(a, b)
    return a._number < b._number
  end)
  return list
end

-- Ends a task once those are over that it has started, which end with it.
local function finish_with_children(task, status)
  if task._waits_for_children or not next(task._children) then return finish(task, status) end
  task._status, task._final_status = "waiting", status
  for _, child in ipairs(M.in_order(task._children)) do
    child:cancel()
  end
end

-- Ends a task with what its function returned or raised: whether it returned, and the values.
local function conclude(task, returned, ...)
  task._concluded = true
  if returned then
    task._results = pack(...)
    finish_with_children(task, "done")
  else
    task._error = ...
    local cancelled = errors.is_error(task._error, "cancelled") and task._cancelling
    finish_with_children(task, cancelled and "cancelled" or "failed")
  end
end

-- How many joins a traceback tells of, the first ones: each task of a long chain keeps one.
local MOST_TRACE_JOINS = 20

-- Stands for a task where none runs. Weak, as it must keep none.
local outside = setmetatable({}, { __mode = "v" })

-- The traceback of an error that isn't an object: if it comes from the task that this one has joined, with that one's.
-- Answers also how many joins it tells of.
local function joined_trace(task, err, trace)
  local raised = task._raised
  task._raised = nil
  if not (raised and rawequal(raised._error, err) and raised._traceback) then return trace, 0 end
  if raised._trace_joins == MOST_TRACE_JOINS then return raised._traceback, MOST_TRACE_JOINS end
  return raised._traceback .. "\njoined at:" .. trace:gsub("^[^\n]*", ""), raised._trace_joins + 1
end

local function keep_trace(task, err, trace)
  if not errors.is_error(err) then task._traceback, task._trace_joins = joined_trace(task, err, trace) end
end

--- For a message handler: the traceback of an error that isn't an object, from where it was raised if that was in
--- another task.
---@param err any
---@param trace string of here
---@return string
function M.traceback(err, trace)
  return (joined_trace(current or outside, err, trace))
end

-- The body of a task's coroutine. An error has to end the function here, inside the coroutine: only so are its
-- `<close>` variables closed, which may wait.
local function body(task, fn)
  if not yields.across_pcall then
    return function(...)
      return fn(...)
    end
  end
  local function keep_traceback(err)
    keep_trace(task, err, debug.traceback("", 2):sub(2)) -- of nil LuaJIT makes no traceback
    return err
  end
  return function(...)
    conclude(task, xpcall(fn, keep_traceback, ...))
  end
end

-- What becomes of a task whose coroutine has yielded or ended: whether it was without an error, and the values.
local function resumed(task, outer, ok, ...)
  local value = ...
  if value == yields.PROBE then return resumed(task, outer, coroutine.resume(task._coroutine)) end
  current = outer
  if coroutine.status(task._coroutine) ~= "dead" then
    -- a yield that isn't ours, from the task's own body, lets the others have a turn
    if value ~= PARKED then
      task._status = "ready"
      push_ready(task)
    end
  elseif not task._concluded then
    if ok then return conclude(task, true, ...) end
    value = yields.explained(value, task._coroutine)
    keep_trace(task, value, debug.traceback(task._coroutine))
    conclude(task, false, value)
  end
end

local function resume(task, ...)
  local outer = current
  current, slice_began = task, now()
  task._status = "running"
  resumed(task, outer, coroutine.resume(task._coroutine, ...))
end

local function start_or_resume(task)
  if task._arguments then
    local arguments = task._arguments
    task._arguments = nil
    return resume(task, unpack(arguments, 1, arguments.n))
  end
  resume(task)
end

-- Only those that are ready now: tasks that keep each other ready must not keep the loop from its turn.
local function run_ready()
  local last = ready.last
  while ready.first <= last do
    local task = pop_ready()
    if task._status == "ready" then start_or_resume(task) end
  end
end

local function any_ready()
  return ready.first <= ready.last
end

loop.serve(run_ready, any_ready)

local function anything_left()
  return any_ready() or outside_waits > 0 or loop.timers:next() ~= nil or loop.has_listeners()
end

local function describe_waiting()
  local lines = {}
  for task in pairs(unfinished) do
    lines[#lines + 1] = "  " .. tostring(task) .. " waits" .. debug.traceback(task._coroutine):gsub("^[^\n]*", "")
  end
  table.sort(lines)
  return lines[1] and ":\n" .. table.concat(lines, "\n") or ""
end

-- Calls what has the loop go round: what that calls is not the doing of the task that is running.
local function outside_of_tasks(fn, ...)
  local outer = current
  current = nil
  local ok, failure = pcall(fn, ...)
  current = outer
  return ok, failure
end

local function deadlock()
  return errors.new("deadlock", "nothing is left that could end this wait" .. describe_waiting())
end

drive = function(waiter, owner)
  while true do
    local seen = loop.rounds()
    run_ready()
    if waiter.reason then break end
    if owner and owner._cancelling and not owner._cancel_delivered then
      waiter.reason = "cancelled"
    elseif not anything_left() and not loop.is_alive() then
      waiter.reason = "deadlock"
      return deadlock()
    else
      local ok, failure = outside_of_tasks(loop.turn, any_ready() and 0 or nil, seen)
      if not ok then
        waiter.reason = "failed"
        return failure
      end
    end
  end
end

--- Raises unless `seconds` is a number of them.
---@param name string of the function that takes it, for the message
---@param seconds any
function M.check_seconds(name, seconds)
  if type(seconds) == "number" and seconds == seconds then return end
  errors.argument(("%s: expected seconds, got %s"):format(name, type(seconds) == "number" and "nan" or type(seconds)))
end

local check_seconds = M.check_seconds

--- Runs what is ready in all tasks, timers and clients, waiting at most so many seconds for something to do.
---@param seconds? number default 0
---@return boolean more whether anything is left to wait for
function M.step(seconds)
  check_seconds("step", seconds or 0)
  run_ready()
  local ok, failure = outside_of_tasks(loop.step, any_ready() and 0 or math.max(0, seconds or 0))
  if not ok then error(failure, 0) end
  run_ready()
  return anything_left()
end

-- ---- what users call ----

local spawned = 0 -- how many tasks there have been, to know their order

--- A new task that runs `fn(...)` when the loop is next driven.
---@param group codex.TaskGroup? that it belongs to, with all it starts
---@param parent codex.Task? with which it ends
---@param fn function
---@param ... any
---@return codex.Task
function M.new(group, parent, fn, ...)
  spawned = spawned + 1
  local task = setmetatable({
    _arguments = pack(...),
    _children = {},
    _done = {},
    _group = group,
    _number = spawned,
    _parent = parent,
    _status = "ready",
  }, Task)
  if parent then parent._children[task] = true end
  task._coroutine = coroutine.create(body(task, fn))
  by_coroutine[task._coroutine] = task
  unfinished[task] = true
  if group then group.open = group.open + 1 end
  push_ready(task)
  return task
end

--- Raises unless `fn` can be called.
---@param name string of the function that takes it, for the message
---@param fn any
function M.check_function(name, fn)
  if type(fn) == "function" then return end
  local meta = getmetatable(fn)
  if not (type(meta) == "table" and meta.__call) then
    errors.argument(name .. ": expected a function, got " .. type(fn))
  end
end

local check_function = M.check_function

--- Starts a task that runs `fn(...)`. It runs when the caller next waits, or the loop is driven. Started by a task, it
--- ends with that one: if it still runs by then, it is cancelled, and that one is over when it is.
---@param fn function
---@param ... any
---@return codex.Task
function M.spawn(fn, ...)
  check_function("spawn", fn)
  local parent = current
  while parent and parent._inside do
    parent = parent._inside
  end
  if parent and parent._is_background then parent = nil end
  return M.new(current and current._group, parent, fn, ...)
end

--- What a task has started ends with another one instead.
---@param task codex.Task
---@param heir codex.Task
function M.hand_over(task, heir)
  for child in pairs(task._children) do
    child._parent, heir._children[child] = heir, true
  end
  task._children = {}
end

--- Starts a task of the module's own, which no `codex.run` waits for. What it starts goes on after it: it may be a
--- handler of the user's that is called again and again.
---@param fn function
---@param ... any
---@return codex.Task
function M.background(fn, ...)
  local task = M.new(nil, nil, fn, ...)
  task._is_background = true
  return task
end

function Task:__index(name)
  if name == "status" then return rawget(self, "_status") end
  return Task[name]
end

function Task:__tostring()
  return "codex task (" .. self._status .. ")"
end

--- Whether a task has ended, and all that end with it.
---@param task codex.Task
---@return boolean
function M.is_over(task)
  return task._status == "done" or task._status == "failed" or task._status == "cancelled"
end

-- Waits for the end, whatever it is: "woken", or how the waiting itself ended, and the error of a deadlock.
local function try_await(task, deadline)
  while true do
    local seen = loop.rounds()
    if M.is_over(task) then return "woken" end
    local reason, failure = M.try_park(task._done, deadline, false, seen)
    if reason ~= "woken" then return reason, failure end
  end
end

--- Waits until a task has ended or the moment `deadline` has come; raises when nothing could end the wait.
---@param task codex.Task
---@param deadline? number on the core's clock
---@return "woken"|"timeout"|"cancelled"
function M.await(task, deadline)
  local reason, failure = try_await(task, deadline)
  if failure then error(failure, 0) end
  return reason
end

--- Looks among a task and those that wait for its end, be it through others: what `fn(task)` answers for the first of
--- which it isn't nil.
---@param task codex.Task
---@param fn fun(task: codex.Task): any
---@return any
function M.find_awaiting(task, fn)
  local seen = {}
  local function visit(one)
    if not one or seen[one] then return nil end
    seen[one] = true
    local found = fn(one)
    if found == nil then found = visit(one._awaited_by) end
    if found == nil and one._group then found = visit(one._group.awaited_by) end
    local waiter = one._done.first
    while waiter and found == nil do
      found, waiter = visit(waiter.task), waiter.after
    end
    return found
  end
  return visit(task)
end

--- What a task returned, if it has ended well; its failure is nobody's concern.
---@param task codex.Task
---@return any ...
function M.result_of(task)
  if task._status == "done" then return unpack(task._results, 1, task._results.n) end
end

--- Returns what a task that has ended returned, or raises what it raised, which thereby is somebody's concern.
---@param task codex.Task
---@return any ...
function M.outcome(task)
  task._joined = true
  if task._group then task._group.failed[task] = nil end
  if task._status == "done" then return unpack(task._results, 1, task._results.n) end
  (current or outside)._raised = task
  error(task._error, 0)
end

--- Waits for the task to end. Returns what its function returned, or raises what it raised.
---@return any ...
function Task:join()
  if M.running() == self then errors.argument "join: a task can't wait for itself" end
  self._joined = true
  if M.await(self) == "cancelled" then M.raise_cancelled() end
  return M.outcome(self)
end

--- Waits for a task to end, at most so many seconds, also where nobody can wait because the loop is running already:
--- there it blocks the loop, and only tasks and clients go on. In Neovim it is `vim.wait` then, and an error in a fast
--- event. Returns what the task's function returned, or raises what it raised; an error of kind `timeout` when it
--- hasn't ended by then.
---@param task codex.Task
---@param seconds? number
---@return any ...
function M.wait(task, seconds)
  if getmetatable(task) ~= Task then errors.argument("wait: expected a task, got " .. type(task)) end
  if seconds ~= nil then check_seconds("wait", seconds) end
  if M.running() == task then errors.argument "wait: a task can't wait for itself" end
  task._joined = true
  local deadline = seconds and now() + seconds
  if M.can_wait() then
    if M.await(task, deadline) == "cancelled" then M.raise_cancelled() end
  elseif loop.block(function()
    return M.is_over(task)
  end, deadline, anything_left) then
    error(deadlock(), 0)
  end
  if M.is_over(task) then return M.outcome(task) end
  if not deadline or now() < deadline then errors.raise("cancelled", "the wait was interrupted") end
  errors.raise("timeout", ("the task has not ended after %g seconds"):format(seconds))
end

--- Asks the task to end: where it waits, or waits next, it gets an error of kind `cancelled`, once. A task that
--- hasn't begun never does. Returns at once; nothing happens if it has ended.
function Task:cancel()
  if M.is_over(self) or self._cancelling then return end
  self._cancelling = true
  if self._arguments then
    self._error = M.cancellation()
    self._arguments = nil
    finish(self, "cancelled")
  elseif self._waiter then
    wake_waiter(self._waiter, "cancelled")
  end
end

--- Cancels tasks and waits until they have ended, even if the caller is cancelled meanwhile, which it answers. One
--- that went on to wait for what can't come is left alone.
---@param tasks codex.Task[]
---@return boolean cancelled
function M.cancel_all(tasks)
  local cancelled = false
  for _, task in ipairs(tasks) do
    task._joined = true
    task:cancel()
  end
  for _, task in ipairs(tasks) do
    local reason = try_await(task)
    while reason == "cancelled" do
      cancelled = true
      reason = try_await(task)
    end
    if reason == "deadlock" then unfinished[task] = nil end
  end
  return cancelled
end

--- The tasks of a group that haven't ended, in the order of their start.
---@param group codex.TaskGroup
---@return codex.Task[]
function M.of_group(group)
  local set = {}
  for task in pairs(unfinished) do
    if task._group == group then set[task] = true end
  end
  return M.in_order(set)
end

--- Waits so many seconds.
---@param seconds number
function M.sleep(seconds)
  check_seconds("sleep", seconds)
  if M.park({}, now() + math.max(0, seconds)) == "cancelled" then M.raise_cancelled() end
end

-- Seconds that a task may go on without waiting before it lets others have their turn.
local SLICE_SECONDS = 0.001

--- Lets timers, clients and other tasks go on if the caller has run for long without waiting: for iterators, which may
--- have much to give at once. In PUC Lua 5.1 only a task can that has called one itself, outside of a for loop.
---@return "cancelled"? reason
function M.give_way()
  if now() - slice_began < SLICE_SECONDS then return end
  if not yields.across_pcall and coroutine.running() and not (M.running() and yields.is_possible()) then return end
  slice_began = now() -- also where nobody can wait
  if M.try_park({}, slice_began) == "cancelled" then return "cancelled" end
end

--- As pcall, for a function that may wait: across a pcall, a coroutine of PUC Lua 5.1 can't, so there the function runs
--- in a task of its own, which is cancelled with the caller.
---@param fn function
---@param ... any
---@return boolean returned
---@return any ... what it returned, or what it raised
function M.attempt(fn, ...)
  check_function("pcall", fn)
  local caller = M.running()
  if yields.across_pcall or not (caller or loop.suspend()) then return pcall(fn, ...) end
  local task = M.spawn(fn, ...)
  task._joined, task._inside = true, caller
  local reason, failure = try_await(task)
  if reason == "cancelled" then M.cancel_all { task } end
  if failure then return false, failure end
  if task._status == "done" then return true, unpack(task._results, 1, task._results.n) end
  if not M.is_over(task) then return false, M.cancellation() end
  if caller then caller._raised = task end
  return false, task._error
end

--- Calls `fn(task)` once the task has ended; it must not wait.
---@param fn fun(task: codex.Task)
function Task:when_over(fn)
  self._when_over = fn
end

--- What the task's function raised, or nil.
---@return any
function Task:failure()
  return self._error
end

--- Where the task's function failed, or nil: for an error that isn't an object, the first 20 joins included that it has
--- come through.
---@return string?
function Task:traceback()
  return errors.is_error(self._error) and self._error.traceback or self._traceback
end

classes.guard(Task, "task")

return M
