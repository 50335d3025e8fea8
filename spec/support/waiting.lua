--- What tasks wait for in specs.

local codex = require "codex"
local task = require "codex.task"

local waiting = {}

--- Waits for what can't come: a deadlock, unless the task is cancelled.
function waiting.never()
  task.park({}, nil, false)
  task.raise_cancelled()
end

--- Waits for longer than any spec takes.
function waiting.forever()
  codex.sleep(3600)
end

--- A place to wait at until it is opened.
---@return { wait: fun(), open: fun() }
function waiting.gate()
  local source, open = {}, false
  return {
    wait = function()
      while not open do
        if task.park(source) == "cancelled" then task.raise_cancelled() end
      end
    end,
    open = function()
      open = true
      task.wake(source)
    end,
  }
end

return waiting
