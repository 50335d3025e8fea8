--- copas, and with it luasocket: every version, of which the first had neither timers nor a way to tell its threads.
--- Descriptors from 1024 on can't be watched, as they are no business of `select`.
---
--- Copas knows sockets only, so what it is to wait for are objects that look like one to `socket.select`, and whose
--- descriptor changes: none while there is nothing to wait for, one that always is readable to be called at once.

local core = require "codex.core"
local errors = require "codex.error"
local timers = require "codex.timers"

require "codex.interpreted"()

local NONE = -1 -- a descriptor that select leaves out
local MOST_DESCRIPTORS = 1024 -- what select takes

local Socket = {}
Socket.__index = Socket

function Socket:getfd()
  return self.fd
end

function Socket.dirty()
  return false
end

-- What copas.receive calls until there is something: it waits once, for the descriptor.
function Socket:receive()
  self.has_waited = not self.has_waited
  if self.has_waited then return nil, "timeout", "" end
  return ""
end

-- Copas closes what a thread has read from last when that ends.
function Socket.close() end

local function load_copas()
  local ok, copas = pcall(require, "copas")
  if not ok then errors.argument("use_loop: 'copas' needs the module copas: " .. tostring(copas)) end
  return copas
end

-- Has copas tell the threads of its users from other coroutines, whether it is at work, and whether it has any left.
local function observe(copas)
  local threads, depth, has_servers = setmetatable({}, { __mode = "k" }), 0, false

  local function known(fn)
    if type(fn) == "thread" then threads[fn] = true end
    if type(fn) ~= "function" then return fn end
    return function(...)
      threads[coroutine.running()] = true
      return fn(...)
    end
  end

  for _, name in ipairs { "addthread", "addnamedthread", "addserver" } do
    local original = copas[name]
    copas[name] = original and function(first, second, ...)
      has_servers = has_servers or name == "addserver"
      return original(known(first), known(second), ...)
    end
  end

  local step = copas.step
  copas.step = function(timeout)
    depth = depth + 1
    local ok, result, message = pcall(step, timeout)
    depth = depth - 1
    if not ok then error(result, 0) end
    return result, message
  end

  local function is_running()
    return depth > 0
  end

  local function is_alive()
    for thread in pairs(threads) do
      if coroutine.status(thread) ~= "dead" then return true end
    end
    return has_servers
  end

  return threads, is_running, is_alive
end

---@return codex.Loop
---@return table copas
return function()
  local copas = load_copas()
  local add_named = copas.addnamedthread
  local add_thread = add_named and function(fn)
    return add_named("codex", fn)
  end or copas.addthread
  local threads, is_running, is_alive = observe(copas)
  local alarm, always = core.alarm(), core.alarm()
  always:set(0)

  local clock, woken = timers.new(), {}
  local clock_socket -- what the thread waits for that calls timers and woken functions; nil when there is none
  local loop = { is_running = is_running, is_alive = is_alive }

  local function new_socket(fd)
    return setmetatable({ fd = fd }, Socket)
  end

  function loop.watch(fd, fn)
    if fd >= MOST_DESCRIPTORS then
      local message = "copas can't watch descriptor %d: they have to be below %d"
      errors.raise("overflow", message:format(fd, MOST_DESCRIPTORS))
    end
    local socket = new_socket(fd)
    add_thread(function()
      while not socket.over do
        copas.receive(socket)
        if not socket.over then fn() end
      end
    end)
    return socket
  end

  function loop.unwatch(socket)
    socket.over, socket.fd = true, always:fd()
  end

  local function set_clock(socket)
    local at = clock:next()
    if at then alarm:set(math.max(0, at - core.now())) end
    socket.fd = woken[1] and always:fd() or at and alarm:fd() or always:fd()
  end

  local function call_due()
    clock:run(core.now())
    local next_ones = {} -- made first, as this may have a finalizer run the loop
    local now = woken
    woken = next_ones
    for _, fn in ipairs(now) do
      fn()
    end
  end

  -- A thread waits once: what it calls may have copas go round itself, and copas runs as long as there are threads.
  local function keep_time()
    if clock_socket then return set_clock(clock_socket) end
    if not clock:next() and not woken[1] then return end
    local socket = new_socket(NONE)
    clock_socket = socket
    set_clock(socket)
    add_thread(function()
      copas.receive(socket)
      clock_socket = nil
      call_due()
      keep_time()
    end)
  end

  function loop.timer(seconds, fn)
    local timer = clock:add(core.now() + seconds, fn)
    keep_time()
    return timer
  end

  function loop.cancel(timer)
    clock:remove(timer)
    keep_time()
  end

  function loop.wake(fn)
    woken[#woken + 1] = fn
    keep_time()
  end

  function loop.run(seconds)
    copas.step(seconds)
  end

  function loop.suspend()
    local thread = coroutine.running()
    if not thread or not threads[thread] then return nil end
    local socket = new_socket(NONE)
    return function()
      while socket.fd == NONE do
        copas.receive(socket)
      end
    end, function()
      socket.fd = always:fd()
    end
  end

  return loop, copas
end
