--- The event loop: one a Lua state. It waits for all clients, timers and watched descriptors at once, and wakes who
--- waits. Nothing here knows of coroutines; tasks are built on top (see task.lua).

local core = require "codex.core"
local timers = require "codex.timers"

local M = {}

M.timers = timers.new()

--- Open connections: `connection:fd()`, `:deadline()`, `:dispatch()`, `:has_listeners()`. Weak, so that a forgotten
--- client is collected.
local connections = setmetatable({}, { __mode = "k" })

--- Other descriptors: descriptor → function to call when it is readable.
local watched = {}

---@param connection table
function M.add(connection)
  connections[connection] = true
end

---@param connection table
function M.remove(connection)
  connections[connection] = nil
end

---@param fd integer
---@param fn function? nil stops watching
function M.watch(fd, fn)
  watched[fd] = fn
end

--- What is called when a descriptor is readable, or nil.
---@param fd integer
---@return function?
function M.watcher(fd)
  return watched[fd]
end

--- Whether a connection has handlers that what comes next may call.
---@return boolean
function M.has_listeners()
  for connection in pairs(connections) do
    if connection:has_listeners() then return true end
  end
  return false
end

local function sooner(a, b)
  if a and b then return math.min(a, b) end
  return a or b
end

-- How long poll may wait: until a timer or a connection wants to be called, at most `limit`.
local function waiting_time(now, limit)
  local at = M.timers:next()
  local wait = sooner(limit, at and math.max(0, at - now))
  for connection in pairs(connections) do
    wait = sooner(wait, connection:deadline())
  end
  return wait
end

local function list_descriptors()
  local fds, owners = {}, {}
  for connection in pairs(connections) do
    fds[#fds + 1] = connection:fd()
    owners[#fds] = connection
  end
  for fd, fn in pairs(watched) do
    fds[#fds + 1] = fd
    owners[#fds] = fn
  end
  return fds, owners
end

local function dispatch_ready(owners, ready)
  for index, owner in pairs(owners) do
    if type(owner) == "function" then
      if ready[index] then owner() end
    elseif ready[index] or owner:deadline() == 0 then
      owner:dispatch()
    end
  end
end

--- Waits for something to happen, at most so many seconds (nil: until then), and handles it.
---@param limit number?
function M.turn(limit)
  local fds, owners = list_descriptors()
  local ready = {}
  if not core.poll(fds, waiting_time(core.now(), limit), ready) then return end -- a signal came
  dispatch_ready(owners, ready)
  M.timers:run(core.now())
end

return M
