--- cqueues: coroutines of a controller. Open clients keep its `loop` from returning.

local core = require "codex.core"
local errors = require "codex.error"

local function load_cqueues()
  local ok, cqueues = pcall(require, "cqueues")
  if not ok then errors.argument("use_loop: 'cqueues' needs the module cqueues: " .. tostring(cqueues)) end
  return cqueues, require "cqueues.condition"
end

---@param controller? userdata default a new one
---@return codex.Loop
---@return userdata controller
return function(controller)
  local cqueues, conditions = load_cqueues()
  controller = controller or cqueues.new()
  if cqueues.type(controller) ~= "controller" then
    errors.argument("use_loop: expected a controller of cqueues, got " .. type(controller))
  end
  local coroutines = 0 -- how many of the controller's are ours
  local loop = {}

  local function start(fn)
    coroutines = coroutines + 1
    controller:wrap(function()
      fn()
      coroutines = coroutines - 1
    end)
  end

  function loop.watch(fd, fn)
    local watch = { pollfd = fd, events = "r" }
    start(function()
      while not watch.over do
        cqueues.poll(watch)
        if not watch.over then fn() end
      end
    end)
    return watch
  end

  function loop.unwatch(watch)
    watch.over = true
    controller:cancel(watch.pollfd)
  end

  function loop.timer(seconds, fn)
    local timer = { cancelled = conditions.new() }
    local at = core.now() + seconds
    start(function()
      if not timer.over then cqueues.poll(timer.cancelled, math.max(0, at - core.now())) end
      if not timer.over then fn() end
    end)
    return timer
  end

  function loop.cancel(timer)
    timer.over = true
    timer.cancelled:signal()
  end

  loop.wake = start

  function loop.run(seconds)
    local ok, err = controller:step(seconds)
    if not ok then error(err, 0) end
  end

  function loop.is_running()
    return cqueues.running() ~= nil
  end

  function loop.is_alive()
    return controller:count() > coroutines
  end

  function loop.suspend()
    local _, is_its_own = cqueues.running()
    if not is_its_own then return nil end
    local resumed, condition = false, conditions.new()
    return function()
      while not resumed do
        condition:wait()
      end
    end, function()
      resumed = true
      condition:signal()
    end
  end

  return loop, controller
end
