--- libuv, through `vim.uv` or `vim.loop` in Neovim and luv elsewhere. Open clients keep `uv.run` from returning.
---
--- Neovim calls what is due at the loop wherever the editor happens to be, where its functions must not be called; so
--- what may come to code of the user's is scheduled there.

local errors = require "codex.error"

-- A timer that is due later than this is started anew then.
local MOST_SECONDS = 1e6

local function load_luv()
  local ok, luv = pcall(require, "luv")
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
  uv = uv or neovims or load_luv()
  local handles = {} -- ours, as keys
  local loop = {}

  -- luv calls back in the coroutine that has loaded it, and doesn't hold it.
  loop._loaded_in = coroutine.running()

  local function close(handle)
    handles[handle] = nil
    handle:close()
  end

  function loop.watch(fd, fn)
    local handle = assert(uv.new_poll(fd))
    handles[handle] = true
    local function on_ready(err)
      fn()
      -- an error has stopped it
      if err and handles[handle] then handle:start("r", on_ready) end
    end
    handle:start("r", on_ready)
    return handle
  end

  loop.unwatch = close

  function loop.timer(seconds, fn)
    local handle = assert(uv.new_timer())
    handles[handle] = true
    uv.update_time()
    handle:start(math.ceil(math.min(seconds, MOST_SECONDS) * 1000), 0, function()
      close(handle)
      fn()
    end)
    return handle
  end

  loop.cancel = close

  function loop.wake(fn)
    loop.timer(0, fn)
  end

  function loop.run(seconds)
    if seconds == 0 then return uv.run "nowait" end
    -- one that fires before the wait must keep it from beginning
    local limit = seconds and loop.timer(seconds, uv.stop)
    uv.run "once"
    if limit and handles[limit] then close(limit) end
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
