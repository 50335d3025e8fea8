--- The module's own loop: `poll` on all descriptors at once. It runs only while somebody waits, and may be run again
--- from what it calls.

local core = require "codex.core"
local timers = require "codex.timers"

require "codex.interpreted"()

---@return codex.Loop
return function()
  local watches = {} -- as keys
  local clock = timers.new()
  local woken = {} -- functions to call before the next wait
  local loop = {}

  function loop.watch(fd, fn)
    local watch = { fd = fd, fn = fn }
    watches[watch] = true
    return watch
  end

  function loop.unwatch(watch)
    watches[watch] = nil
  end

  function loop.timer(seconds, fn)
    return clock:add(core.now() + seconds, fn)
  end

  function loop.cancel(timer)
    clock:remove(timer)
  end

  function loop.wake(fn)
    woken[#woken + 1] = fn
  end

  local function waiting_time(limit)
    if woken[1] then return 0 end
    local at = clock:next()
    local wait = at and math.max(0, at - core.now())
    return limit and wait and math.min(limit, wait) or limit or wait
  end

  -- Waits, and calls those whose descriptors are ready; false when a signal came instead.
  local function poll(limit)
    local fds, waiting, ready = {}, {}, {}
    for watch in pairs(watches) do
      waiting[#waiting + 1] = watch
      fds[#waiting], ready[#waiting] = watch.fd, false
    end
    if not core.poll(fds, waiting_time(limit), ready) then return false end
    for index, watch in ipairs(waiting) do
      if ready[index] and watches[watch] then watch.fn() end
    end
    return true
  end

  function loop.run(limit)
    if not poll(limit) then return end
    clock:run(core.now())
    local next_ones = {} -- made first, as this may have a finalizer run the loop
    local now = woken
    woken = next_ones
    for _, fn in ipairs(now) do
      fn()
    end
  end

  function loop.is_running()
    return false
  end

  function loop.is_alive()
    return false
  end

  return loop
end
