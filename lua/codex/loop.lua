--- The event loop: one a Lua state. It waits for all clients, timers and watched descriptors at once, and has ready
--- tasks run. Nothing here knows of coroutines; tasks are built on top (see task.lua).
---
--- The waiting is done by an adapter: the module's own loop, or the one that the program runs anyway. What an adapter
--- calls for a descriptor or a timer only reads bytes and takes notes; all that may come to code of the user's is put
--- off to the function that was given to `wake`, so that it runs where it may, and once for all that came together.

local core = require "codex.core"
local errors = require "codex.error"
local options_of = require "codex.options"
local poll = require "codex.loop.poll"
local timers = require "codex.timers"

require "codex.interpreted"()

local M = {}

--- What a loop has to offer. The functions take no self. Those that they are given take no arguments, never raise, and
--- are called from the loop, never from within the call that they were given to.
---@class codex.Loop
---@field watch fun(fd: integer, fn: fun()): any calls fn whenever the descriptor is readable, for as long as it is;
--- hangups and errors count. No descriptor is watched twice at a time. Returns what `unwatch` takes
---@field unwatch fun(watch: any) ends that at once: fn isn't called any more, and the descriptor may be closed as soon
--- as this has returned. Called once for each watch, also from its fn
---@field timer fun(seconds: number, fn: fun()): any calls fn once after so many seconds, 0 or more. Returns
--- what `cancel` takes
---@field cancel fun(timer: any) has fn not be called; never for a timer that has called it
---@field wake fun(fn: fun()) calls fn once, as soon as the loop comes round, where code of the user's may run
---@field run? fun(seconds?: number) lets the loop go round once: waits until there is something to call, at most so
--- many seconds (nil: as long as it takes), and calls it. Without it nobody outside of tasks can wait
---@field is_running? fun(): boolean whether the loop is running already, so that `run` must not be called here.
--- Default: within what it calls for us
---@field is_alive? fun(): boolean whether anything is left in the loop that isn't ours, and so might end a wait.
--- Default: true
---@field suspend? fun(): (fun()?, fun()?) for loops with coroutines of their own: called in one of them, two functions
--- `wait` and `resume`, of which the first returns, having yielded to the loop, once the second has been called; called
--- elsewhere, nothing
---@field block? fun(seconds: number?, is_over: fun(): boolean) how to wait where `run` must not be called: until
--- `is_over()`, at most so many seconds. Default: the loop stands still, and our descriptors are polled

---@type codex.Timers
M.timers = timers.new()

local adapter ---@type codex.Loop

--- What is known of a client while its descriptor is watched. It is held weakly, so that a forgotten one is collected.
---@class codex.Connection
---@field weak { client: codex.Client?, core: userdata? }
---@field descriptor userdata what is watched: a copy of the client's, for nothing may be closed while it is watched
---@field watch any the adapter's

local connections = {} -- as keys
local has_begun = false -- whether there ever was one
local of_client = setmetatable({}, { __mode = "k" })
local watched = {} -- other descriptors → { fn =, watch =, background = }

local noted, noted_count = {}, 0 -- connections that may have something to tell
local armed, armed_at -- the adapter's timer, and the moment that it is for
local woken = false -- whether the adapter is going to call on_wake
local collecting = false -- whether tasks are going to be run, so that none that becomes ready needs a wake
local driving = false -- whether the loop goes round for us
local due = false -- whether it then came to on_wake
local pumps = 0

local run_tasks, tasks_are_ready

--- Says what runs the tasks that are ready, and what tells whether there are any.
---@param run fun()
---@param are_ready fun(): boolean
function M.serve(run, are_ready)
  run_tasks, tasks_are_ready = run, are_ready
end

-- ---- what the adapter calls ----

local on_wake

--- Has the tasks that are ready run soon.
function M.wake()
  if woken or collecting then return end
  adapter.wake(on_wake)
  woken = true
end

local function note(connection)
  noted[noted_count + 1] = connection -- which may fail for want of memory
  noted_count = noted_count + 1
end

local function dispatch(connection)
  local handle = connection.weak.core
  if not handle then return end
  handle:dispatch()
  note(connection)
end

local function on_timer()
  armed = nil
  M.wake()
end

-- ---- moving along ----

-- Where a moment has passed by so many seconds, the loop has stood still, and may call for timers before descriptors.
local LATE_SECONDS = 0.01

-- Reads where the time for it has come without a byte having arrived, and everywhere before timers that come late: what
-- they limit may have been in time.
local function dispatch_overdue()
  local at = M.timers:next()
  local is_late = at and at + LATE_SECONDS < core.now()
  for connection in pairs(connections) do
    local handle = connection.weak.core
    if handle and (is_late or handle:deadline() == 0) then dispatch(connection) end
  end
end

local function deliver_noted()
  while noted_count > 0 do
    local connection = noted[noted_count]
    noted[noted_count] = nil
    noted_count = noted_count - 1
    local client = connection.weak.client
    if client then client:_deliver() end
  end
end

-- What is to be done after it may be anything.
local function watch_other(fd, fn)
  return adapter.watch(fd, function()
    fn()
    M.wake()
  end)
end

-- What is no reason to keep a loop running is watched while there is another.
local function watch_background()
  local wanted = driving or next(connections) ~= nil
  for fd, other in pairs(watched) do
    if other.background and wanted ~= (other.watch ~= nil) then
      if wanted then
        other.watch = watch_other(fd, other.fn)
      else
        adapter.unwatch(other.watch)
        other.watch = nil
      end
    end
  end
end

local function unwatch(connection)
  connections[connection] = nil
  adapter.unwatch(connection.watch)
  connection.descriptor:close()
  watch_background()
end

local function sooner(a, b)
  return a and b and math.min(a, b) or a or b
end

-- Seconds until something is to be done, as far as is known now; nil: never.
local function waiting_time(now)
  local at = M.timers:next()
  local wait = at and math.max(0, at - now)
  for connection in pairs(connections) do
    local handle = connection.weak.core
    if handle then
      wait = sooner(wait, handle:deadline())
    else
      unwatch(connection)
    end
  end
  return wait
end

-- Moments that are no further apart than this are one: it is less than most loops' timers can tell.
local SAME_SECONDS = 0.0005

-- Has the adapter call when the next thing is to be done by the clock.
local function set_timer()
  local now = core.now()
  local wait = waiting_time(now)
  local same = armed and wait and math.abs(now + wait - armed_at) < SAME_SECONDS
  if armed and not same then
    adapter.cancel(armed)
    armed = nil
  end
  if wait and not armed then
    armed, armed_at = adapter.timer(wait, on_timer), now + wait
  end
end

-- Says so within the call that is protected: one that fails before it begins, for want of memory, changes nothing.
local function collect()
  collecting = true
  dispatch_overdue()
  deliver_noted()
  M.timers:run(core.now())
end

-- Does everything that can be done now.
local function pump()
  pumps = pumps + 1
  local ok, err = pcall(collect)
  collecting = false
  if not ok then error(err, 0) end
  run_tasks()
  set_timer()
end

-- Where we drive the loop, tasks run once it has gone round: they may want it to go round themselves.
function on_wake()
  woken = false
  if driving then
    due = true
  else
    pump()
  end
end

-- ---- waiting ----

--- Whether the caller may have the loop go round, wherever he is.
---@return boolean
function M.can_run()
  return adapter.run ~= nil and not adapter.is_running()
end

-- A finalizer may do all this at any moment, also when a round of the loop is about to wait: what that would wait for
-- may have come by then, so it mustn't.
local function look_again()
  if driving then M.wake() end
end

--- How often everything was handled that could be.
---@return integer
function M.rounds()
  return pumps
end

local function run_adapter(limit, seen)
  driving = true
  if seen and seen ~= pumps then limit = 0 end
  watch_background()
  set_timer()
  adapter.run(limit)
end

local function go_round(limit, seen)
  local outer = driving
  local ok, err = pcall(run_adapter, limit, seen)
  driving = outer
  watch_background()
  return ok, err
end

--- Waits for something to happen, at most so many seconds (nil: until then), and handles it. Only if `can_run`.
---@param limit number?
---@param seen? integer how many rounds the caller knows of: if there were more, nothing is waited for
function M.turn(limit, seen)
  local outer = collecting
  collecting = false -- a finalizer that runs the loop in the midst of it is told of what becomes ready
  local ok, err = go_round(limit, seen)
  if due then
    due = false
    pump()
  end
  collecting = outer
  look_again()
  if not ok then error(err, 0) end
end

--- Whether what isn't ours may end a wait yet.
---@return boolean
function M.is_alive()
  return adapter.is_alive()
end

--- Where the caller is a coroutine of the loop's own: how it waits, and how that is ended (see `codex.Loop`).
---@return fun()? wait
---@return fun()? resume
function M.suspend()
  if not adapter.suspend then return nil end
  local wait, resume = adapter.suspend()
  return wait and function()
    set_timer()
    wait()
  end, resume
end

-- Goes round once while the loop stands still.
local function go_round_without(limit)
  local own = poll()
  for connection in pairs(connections) do
    own.watch(connection.descriptor:fd(), function()
      dispatch(connection)
    end)
  end
  for fd, other in pairs(watched) do
    own.watch(fd, other.fn)
  end
  local wait = sooner(limit, waiting_time(core.now()))
  own.run(tasks_are_ready() and 0 or wait)
  pump()
  look_again()
end

--- Waits where the loop can't be driven, without letting it go on if it has no way to.
---@param is_over fun(): boolean
---@param deadline? number on the core's clock
---@param anything_left? fun(): boolean asked where the loop stands still: whether anything could end the wait then
---@return "deadlock"? reason if nothing could
function M.block(is_over, deadline, anything_left)
  local function left()
    return deadline and math.max(0, deadline - core.now())
  end
  if adapter.block then
    set_timer()
    adapter.block(left(), is_over)
    return nil
  end
  while not is_over() and left() ~= 0 do
    if anything_left and not deadline and not anything_left() then return "deadlock" end
    go_round_without(left())
  end
end

--- Goes round once, waiting at most so many seconds, wherever the caller is.
---@param limit number
function M.step(limit)
  if M.can_run() then return M.turn(limit) end
  if limit == 0 or not adapter.block then return go_round_without(limit) end
  local pumped = pumps
  M.block(function()
    return pumps > pumped
  end, core.now() + limit)
end

-- ---- connections and descriptors ----

--- Watches a client until `remove`, or until it is collected: the loop doesn't hold it. Raises what the adapter raises.
---@param client codex.Client
function M.add(client)
  local connection = {
    weak = setmetatable({ client = client, core = client._core }, { __mode = "v" }),
    descriptor = client._core:descriptor(),
  }
  connection.watch = adapter.watch(connection.descriptor:fd(), function()
    dispatch(connection)
    M.wake()
  end)
  has_begun, connections[connection], of_client[client] = true, true, connection
  watch_background()
end

--- Stops watching a client, at once.
---@param client codex.Client
function M.remove(client)
  local connection = of_client[client]
  if connection and connections[connection] then unwatch(connection) end
end

--- Handles what there is to do for a client whose descriptor somebody else watches, and runs the tasks that this makes
--- ready. Never waits.
---@param client codex.Client
function M.dispatch(client)
  local connection = of_client[client]
  if connection then dispatch(connection) end
  pump()
  look_again()
end

--- Seconds until a client wants to be dispatched anyway, for itself or for timers and tasks; nil: never.
---@param client codex.Client
---@return number?
function M.deadline(client)
  if tasks_are_ready() then return 0 end
  local at = M.timers:next()
  return sooner(at and math.max(0, at - core.now()), client._core:deadline())
end

--- Has a function called whenever a descriptor is readable, in place of the one before.
---@param fd integer
---@param fn fun()? nil stops watching
---@param background? boolean it must not keep the program running
function M.watch(fd, fn, background)
  local before = watched[fd]
  if before and before.watch then adapter.unwatch(before.watch) end
  watched[fd] = fn and { fn = fn, background = background, watch = not background and watch_other(fd, fn) or nil }
  watch_background()
end

--- What is called when a descriptor is readable, or nil.
---@param fd integer
---@return function?
function M.watcher(fd)
  return watched[fd] and watched[fd].fn
end

--- Whether a client has handlers that what comes next may call.
---@return boolean
function M.has_listeners()
  for connection in pairs(connections) do
    local client = connection.weak.client
    if client and client:has_listeners() then return true end
  end
  return false
end

-- ---- which loop ----

local MODULES = { poll = poll, uv = "codex.loop.uv", cqueues = "codex.loop.cqueues", copas = "codex.loop.copas" }

local REQUIRED = { "watch", "unwatch", "timer", "cancel", "wake" }
local OPTIONAL = { "run", "is_running", "is_alive", "suspend", "block" }

-- A copy of a loop, all of whose functions are there and its own.
local function checked(loop)
  local known, members = {}, {}
  for _, name in ipairs(REQUIRED) do
    known[name] = "function"
  end
  for _, name in ipairs(OPTIONAL) do
    known[name] = loop[name] ~= nil and "function" or "nil"
  end
  options_of.check_names("use_loop", loop, known)
  for name, expected in pairs(known) do
    members[name] = loop[name]
    if type(members[name]) ~= expected then
      errors.argument(("use_loop.%s: expected a %s, got %s"):format(name, expected, type(members[name])))
    end
  end
  return members
end

-- A loop that can't tell whether it is running: it is within its own run and what it calls for us.
local function observed(given)
  local depth = 0
  local function inside(fn)
    return function(...)
      depth = depth + 1
      local ok, err = pcall(fn, ...)
      depth = depth - 1
      if not ok then error(err, 0) end
    end
  end
  return options_of.merged(given, {
    watch = function(fd, fn)
      return given.watch(fd, inside(fn))
    end,
    timer = function(seconds, fn)
      return given.timer(seconds, inside(fn))
    end,
    wake = function(fn)
      return given.wake(inside(fn))
    end,
    run = given.run and inside(given.run),
    is_running = function()
      return depth > 0
    end,
  })
end

local function yes()
  return true
end

-- Puts a loop into the place of the one before.
local function adopt(loop)
  if armed then adapter.cancel(armed) end
  for _, other in pairs(watched) do
    if other.watch then adapter.unwatch(other.watch) end
  end
  adapter, armed = loop, nil
  adapter.is_alive = adapter.is_alive or yes
  for fd, other in pairs(watched) do
    other.watch = other.watch and watch_other(fd, other.fn)
  end
  if woken then adapter.wake(on_wake) end
end

local function load_module(name)
  local module = MODULES[name]
  if not module then
    local expected = "'poll', 'uv', 'cqueues', 'copas' or a table"
    errors.argument(("use_loop: got '%s', expected %s"):format(tostring(name), expected))
  end
  return type(module) == "string" and require(module) or module
end

local chosen, object -- what was asked for, and what came of it

--- Says which loop to wait in: the module's own (`"poll"`, the default), libuv (`"uv"`: Neovim's, where it is the
--- default, or luv), `"cqueues"`, `"copas"`, or any other, as a table of functions. One a Lua state, and before the
--- first client.
---@param loop "poll"|"uv"|"cqueues"|"copas"|codex.Loop
---@param own? any the loop's own object: luv's module, a controller of cqueues; default the usual one, or a new one
---@return any own the module of luv or copas, or the controller
function M.use(loop, own)
  if loop == chosen and (own == nil or own == object) then return object end
  if has_begun then errors.argument "use_loop: there has been a client already: choose before the first one" end
  local new, new_object
  if type(loop) == "table" then
    local members = checked(loop)
    new = members.is_running and members or observed(members)
  else
    new, new_object = load_module(loop)(own)
  end
  adopt(new)
  chosen, object = loop, new_object
  return object
end

local function is_neovim()
  local vim = rawget(_G, "vim")
  return type(vim) == "table" and (vim.uv or vim.loop) ~= nil and vim.schedule ~= nil
end

chosen = is_neovim() and "uv" or "poll"
adapter, object = load_module(chosen)()
adapter.is_alive = adapter.is_alive or yes

return M
