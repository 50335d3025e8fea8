--- libuv, through `vim.uv` or `vim.loop` in Neovim and luv elsewhere. Open clients keep `uv.run` from returning.
---
--- Neovim calls what is due at the loop wherever the editor happens to be, where its functions must not be called; so
--- what may come to code of the user's is scheduled there.

local errors = require "codex.error"

require "codex.interpreted"()

-- A timer that is due later than this is started anew then.
local MOST_SECONDS = 1e6

-- In Lua 5.1 and LuaJIT, luv calls back in the coroutine that has loaded it, which it doesn't hold. It has to outlive
-- this module, of which there may be copies.
local function keep(loader)
  local registry = debug.getregistry()
  local loaders = registry["codex.luv_loaders"] or {}
  registry["codex.luv_loaders"], loaders[loader] = loaders, true
end

-- Nor may it be one that waits meanwhile, such as a task's.
local function load_luv()
  local loader = coroutine.create(function()
    return pcall(require, "luv")
  end)
  if not package.loaded.luv then keep(loader) end
  local _, ok, luv = coroutine.resume(loader)
  if not ok then errors.argument("use_loop: 'uv' needs the module luv: " .. tostring(luv)) end
  return luv
end

-- How Neovim's main loop differs: it can't be driven, only waited for.
local function for_neovim(loop, vim)
  loop.wake = vim.schedule
  loop.run, loop.is_running = nil, nil

  function loop.block(seconds, is_over)
    if vim.in_fast_event() then
      errors.argument "wait: not here, in a fast event of Neovim's: use vim.schedule, or codex.spawn"
    end
    local most = 2 ^ 31 - 1
    vim.wait(math.min(math.ceil((seconds or MOST_SECONDS) * 1000), most), is_over)
  end
end

---@param uv? table the module; default Neovim's own, else luv
---@return codex.Loop
---@return table uv
return function(uv)
  local vim = rawget(_G, "vim")
  local neovims = type(vim) == "table" and (vim.uv or vim.loop)
  if uv ~= nil and not (type(uv) == "table" and uv.new_poll) then
    errors.argument("use_loop: expected luv's module, got " .. type(uv))
  end
  local caller = coroutine.running()
  if caller then keep(caller) end -- he may just have loaded it
  uv = uv or neovims or load_luv()
  local handles = {} -- those that are active, as keys
  local idle_timers, idle_polls = {}, {} -- to be used again; the latter by descriptor
  local woken, waking = {}, assert(uv.new_idle())
  local driven = false -- whether the loop runs for us
  local loop = {}

  -- Handles are never closed: a program that ends before the loop comes round again crashes in luv if one of them was.
  -- Nor are they left to the collector: luv holds those that were started once, and closing one for a descriptor that
  -- is another's by now would end that one's watch.
  local function stop(handle)
    handles[handle] = nil
    handle:stop()
  end

  -- What is called before the loop waits doesn't keep it from that.
  local function called()
    if driven then uv.stop() end
  end

  function loop.watch(fd, fn)
    local handle = idle_polls[fd] or assert(uv.new_poll(fd))
    idle_polls[fd], handles[handle] = nil, fd
    local function on_ready(err)
      fn()
      -- an error has stopped it
      if err and handles[handle] then handle:start("r", on_ready) end
    end
    handle:start("r", on_ready)
    return handle
  end

  function loop.unwatch(handle)
    idle_polls[handles[handle]] = handle
    stop(handle)
  end

  function loop.cancel(timer)
    stop(timer)
    idle_timers[#idle_timers + 1] = timer
  end

  function loop.timer(seconds, fn)
    local timer = table.remove(idle_timers) or assert(uv.new_timer())
    handles[timer] = true
    uv.update_time()
    timer:start(math.ceil(math.min(seconds, MOST_SECONDS) * 1000), 0, function()
      called()
      loop.cancel(timer)
      fn()
    end)
    return timer
  end

  -- Not by a timer of no time: those that set each other would keep the loop from ever going on.
  function loop.wake(fn)
    woken[#woken + 1] = fn
    if woken[2] then return end
    handles[waking] = true
    waking:start(function()
      called()
      stop(waking)
      local next_ones = {} -- made first, as this may have a finalizer run the loop
      local now = woken
      woken = next_ones
      for _, one in ipairs(now) do
        one()
      end
    end)
  end

  function loop.run(seconds)
    if seconds == 0 then return uv.run "nowait" end
    local over = seconds == nil
    local limit = seconds and loop.timer(seconds, function()
      over = true
    end)
    driven = true
    uv.run "once"
    driven = false
    if not over then loop.cancel(limit) end
  end

  function loop.is_running()
    return uv.loop_mode() ~= nil
  end

  function loop.is_alive()
    for handle in pairs(handles) do
      handle:unref()
    end
    local alive = uv.loop_alive()
    for handle in pairs(handles) do
      handle:ref()
    end
    return alive
  end

  if uv == neovims then for_neovim(loop, vim) end
  return loop, uv
end
