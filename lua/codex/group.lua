--- Tasks that belong together: what runs them waits for all, and ends what is left of them when it goes.

local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local loop = require "codex.loop"
local options_of = require "codex.options"
local tasks = require "codex.task"

require "codex.interpreted"()

local M = {}

---@class codex.TaskGroup
---@field open integer how many of its tasks haven't ended
---@field failed table<codex.Task, true> those that failed, and that nobody has joined
---@field awaited_by codex.Task? the task that waits for it, also while that one is about to look again
---@field over boolean? nobody waits for it any more

-- The one of a set that ended first, or nil.
local function first_ended(set)
  local first
  for task in pairs(set) do
    if not first or task._ended_as < first._ended_as then first = task end
  end
  return first
end

-- Waits until a task is over and all that belong to its group, and cancels those that are left when it fails; when
-- `at_once` is set, also when one of the others does that nobody joined.
local function await_group(group, task, at_once)
  local reason, failure = "woken", nil
  while group.open > 0 and reason == "woken" do
    local seen = loop.rounds()
    local ended_badly = tasks.is_over(task) and task.status ~= "done"
    if ended_badly or at_once and next(group.failed) then break end
    reason, failure = tasks.try_park(group, nil, false, seen)
  end
  group.over, task._waits_for_children = true, nil -- what it starts while it is being cancelled ends with it
  local cancelled = reason == "cancelled"
  local failed = first_ended(group.failed)
  if group.open > 0 then cancelled = tasks.cancel_all(tasks.of_group(group)) or cancelled end
  if failure and failed then tasks.outcome(failed) end -- a task that has failed may be what the others wait for
  if failure then error(failure, 0) end
  if cancelled then tasks.raise_cancelled() end
end

local function start_group(fn, ...)
  tasks.check_can_wait()
  local group = { open = 0, failed = {}, awaited_by = tasks.running() }
  local task = tasks.new(group, nil, fn, ...)
  task._joined, task._waits_for_children = true, true
  return group, task
end

--- Runs `main(...)` as a task and returns its results once it and what it spawned are done. An error of main cancels
--- what it spawned, and is raised; so is that of a spawned task which nobody joined.
---@param main function
---@param ... any
---@return any ...
function M.run(main, ...)
  tasks.check_function("run", main)
  local group, task = start_group(main, ...)
  await_group(group, task, false)
  if task.status ~= "done" then return tasks.outcome(task) end
  return tasks.outcome(first_ended(group.failed) or task)
end

--- Tasks that belong together.
---@class codex.Scope
local Scope = {}
Scope.__index = Scope

--- Starts a task that belongs to the scope, wherever it is started from.
---@param fn function
---@param ... any
---@return codex.Task
function Scope:spawn(fn, ...)
  tasks.check_function("scope:spawn", fn)
  if self._group.over then errors.argument "scope:spawn: the scope is over" end
  return tasks.new(self._group, nil, fn, ...)
end

classes.guard(Scope, "scope")

--- Runs `fn(scope, ...)` and returns its results once all tasks of the scope are done: those started with
--- `scope:spawn`, and with `codex.spawn` by `fn` itself. The first failure, of `fn` or of a task that nobody joined,
--- cancels the rest, and is raised when they have ended.
---@param fn function
---@param ... any
---@return any ...
function M.scope(fn, ...)
  tasks.check_function("scope", fn)
  local scope = setmetatable({}, Scope)
  local group, task = start_group(fn, scope, ...)
  scope._group = group
  await_group(group, task, true)
  if task.status == "failed" then group.failed[task] = true end
  return tasks.outcome(first_ended(group.failed) or task)
end

--- Runs `fn(...)` and returns its results; if it takes longer than so many seconds, it is cancelled, and an error of
--- kind `timeout` is raised once it has ended.
---@param seconds number
---@param fn function
---@param ... any
---@return any ...
function M.timeout(seconds, fn, ...)
  tasks.check_seconds("timeout", seconds)
  tasks.check_function("timeout", fn)
  tasks.check_can_wait()
  local task = tasks.spawn(fn, ...)
  task._joined = true
  local reason = tasks.await(task, core.now() + seconds)
  if reason == "woken" then return tasks.outcome(task) end
  local cancelled = tasks.cancel_all { task } or reason == "cancelled"
  local result = errors.is_error(task:failure()) and task:failure().result or nil
  if cancelled then tasks.raise_cancelled { result = result } end
  if task.status == "done" then return tasks.outcome(task) end
  errors.raise("timeout", ("not done after %g seconds"):format(seconds), { result = result })
end

local function check_gather(functions, options)
  if type(functions) ~= "table" then
    errors.argument("gather: expected a list of functions, got " .. type(functions))
  end
  for index = 1, #functions do
    tasks.check_function("gather", functions[index])
  end
  options_of.check_names("gather", options, { limit = true })
  local limit = options.limit
  if limit == nil then return end
  if type(limit) ~= "number" or limit < 1 or limit ~= math.floor(limit) then
    errors.argument "gather: limit must be a whole number from 1 on"
  end
end

--- Runs the functions at once (at most `limit` of them) and returns a list of their first results, in order. The first
--- failure cancels the rest and is raised.
---@param functions function[]
---@param options? { limit?: integer }
---@return any[]
function M.gather(functions, options)
  check_gather(functions, options or {})
  tasks.check_can_wait()
  local limit = options and options.limit or math.huge
  local me, running, ended, results = tasks.running(), {}, {}, {}
  local started, over, failed = 0, 0, nil
  local reason, failure = "woken", nil
  local function one(index)
    results[index] = functions[index]()
  end
  local function note_end(task)
    running[task], over = nil, over + 1
    if task.status ~= "done" then failed = failed or task end
    tasks.wake(ended)
  end
  while over < #functions and not failed and reason == "woken" do
    local seen = loop.rounds()
    while started < #functions and started - over < limit do
      started = started + 1
      local task = tasks.spawn(one, started)
      task._joined, task._awaited_by, running[task] = true, me, true
      task:when_over(note_end)
    end
    reason, failure = tasks.try_park(ended, nil, false, seen)
  end
  local cancelled = tasks.cancel_all(tasks.in_order(running)) or reason == "cancelled"
  if failure then error(failure, 0) end
  if cancelled then tasks.raise_cancelled() end
  if failed then tasks.outcome(failed) end
  return results
end

return M
