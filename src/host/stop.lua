--- Ends what has to end: on Ctrl-C, SIGTERM and timeout, and at the end itself.

local clients = require "codex.client"
local core = require "codex.core"
local errors = require "codex.error"
local loop = require "codex.loop"
local signals = require "codex.host.signals"
local system = require "codex.host.system"
local task = require "codex.task"

local M = {}

-- Seconds that a script may take to clean up once it has been told twice, or won't be told again.
local CLEANUP_SECONDS = 3

-- Seconds that each step of ending a server may take.
local CLOSE_SECONDS = 1

local INTERRUPTED, TERMINATED, TIMED_OUT = 130, 143, 124

--- The exit status, once the script has been told to stop.
---@type integer?
M.status = nil

local target -- the task that is cancelled
local exit_timer -- ends a script that takes too long to clean up
local interrupts = 0 -- Ctrl-C so far
local last_seen = {} -- when each signal came last
local at_end = {}

--- Says which task is stopped from now on. A Ctrl-C that came before is forgotten; what else came is meant for this
--- one too.
---@param new_target codex.Task
function M.aim_at(new_target)
  target, interrupts = new_target, 0
  if M.status == INTERRUPTED then
    M.status = nil
    if exit_timer then loop.timers:remove(exit_timer) end
  elseif M.status then
    target:cancel()
  end
end

-- ---- the end ----

--- Has a function called when everything ends, after the servers have gone.
---@param fn function
function M.at_end(fn)
  at_end[#at_end + 1] = fn
end

-- No task runs any more: this may be called in the midst of one.
local function close_clients()
  local open = clients.open_clients()
  for _, client in ipairs(open) do
    client.closed = true
    client._core:shutdown(CLOSE_SECONDS)
  end
  for _, client in ipairs(open) do
    while not client._core:gone() do
      core.poll({ client._core:fd() }, client._core:deadline() or CLOSE_SECONDS, { false })
      client._core:dispatch()
    end
    loop.remove(client)
  end
end

--- Ends all servers and whatever else there is to end.
function M.end_everything()
  signals.begin_end()
  close_clients()
  while at_end[1] do
    table.remove(at_end)()
  end
end

--- Ends the process; nothing is left behind. Never returns.
---@param status integer
function M.exit(status)
  M.end_everything()
  system.exit(status)
end

-- ---- stopping ----

local words = {
  [INTERRUPTED] = "interrupted",
  [TERMINATED] = "terminated",
  [TIMED_OUT] = "timed out",
}

local function set_status(status)
  if M.status then return end
  M.status = status
  io.stderr:write("codex-lua: ", words[status], "\n")
end

local function exit_soon()
  exit_timer = loop.timers:add(core.now() + CLEANUP_SECONDS, function()
    M.exit(M.status)
  end)
end

local function cancel(status)
  set_status(status)
  if target then target:cancel() end
end

-- Whoever waits for the turn hears of what goes wrong.
local function interrupt(turn)
  if turn:_ended() then return false end
  task.background(function()
    pcall(turn.interrupt, turn)
  end)
  return true
end

-- Stops all running turns, those over several included; false if there are none.
local function interrupt_turns()
  local any = false
  for _, client in ipairs(clients.open_clients()) do
    for _, turn in pairs(client._turns) do
      any = interrupt(turn) or any
    end
    for goal in pairs(client._goals) do
      any = interrupt(goal) or any
    end
  end
  return any
end

local handlers = {}

function handlers.interrupt()
  interrupts = interrupts + 1
  if interrupts == 1 then
    if not interrupt_turns() then cancel(INTERRUPTED) end
  elseif interrupts == 2 then
    cancel(INTERRUPTED)
    exit_soon()
  else
    M.exit(M.status)
  end
end

function handlers.terminate()
  if M.status == TERMINATED then M.exit(TERMINATED) end
  cancel(TERMINATED)
end

-- The alarm comes again when the time for cleaning up is over; after SIGTERM it does, too.
function handlers.timeout()
  if M.status then M.exit(M.status) end
  cancel(TIMED_OUT)
end

-- The next signal, leaving out one that came twice at once.
local function take()
  local name = signals.take()
  if not name then return nil end
  local now = core.now()
  local again = last_seen[name] and now - last_seen[name] < signals.same_seconds
  last_seen[name] = now
  -- no timer of the loop's: who computes, or closes the state, doesn't come by there
  if name == "terminate" then signals.alarm(CLEANUP_SECONDS, CLEANUP_SECONDS) end
  return again and take() or name
end

local function on_signals()
  for name in take do
    handlers[name]()
  end
end

local statuses = { interrupt = INTERRUPTED, terminate = TERMINATED, timeout = TIMED_OUT }

-- For a script that computes and doesn't wait: the error that it gets. One that goes on all the same ends here.
local function on_stuck()
  local told_before = M.status
  for name in take do
    set_status(statuses[name])
    interrupts = interrupts + 1
  end
  if told_before then M.exit(M.status) end
  if target and task.running() ~= target then target:cancel() end
  return errors.new("cancelled", "the script was stopped")
end

--- Looks for a signal that came when the script didn't wait any more.
function M.note_late_signals()
  for name in take do
    set_status(statuses[name])
  end
end

--- Begins to handle signals.
function M.listen()
  loop.watch(signals.start(on_stuck), on_signals, true)
end

--- Stops the script after so many seconds.
---@param seconds number
function M.after(seconds)
  signals.alarm(seconds, CLEANUP_SECONDS)
end

return M
