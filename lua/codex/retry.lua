--- Trying again what the server was too busy for.

local core = require "codex.core"
local errors = require "codex.error"
local options_of = require "codex.options"
local task = require "codex.task"

require "codex.interpreted"()

local M = {}

local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local function pack(...)
  return { n = select("#", ...), ... }
end

---@class codex.RetryOptions
---@field max_attempts? integer how often `fn` is called at most; default 3
---@field initial_delay? number seconds before the second attempt, doubled before each further one; default 0.25
---@field max_delay? number the most of that; default 2
---@field jitter? number by what part of a delay it may be longer or shorter, so that many don't come back at once;
--- default 0.2
local defaults = { max_attempts = 3, initial_delay = 0.25, max_delay = 2.0, jitter = 0.2 }

local function with_defaults(options)
  local all = {}
  options_of.check_names("retry_on_overload", options, defaults)
  for name, default in pairs(defaults) do
    options_of.check_seconds("retry_on_overload", options, name)
    all[name] = options[name] == nil and default or options[name]
  end
  if all.max_attempts < 1 or all.max_attempts ~= math.floor(all.max_attempts) then
    errors.argument "retry_on_overload.max_attempts: must be a whole number from 1 on"
  end
  return all
end

-- From -1 to 1. The clock's microseconds are random enough here, and leave the user's own sequence alone.
local function chance()
  return core.now() * 1e6 % 1000 / 500 - 1
end

--- Calls `fn()` and returns what it returns. When the server was too busy to do anything (`codex.is_retryable_error`),
--- waits a little and calls it again; whatever else it raises, or raises at the last attempt, is raised. A turn that
--- was started isn't run again, whatever became of it: put the request into `fn`, not what waits for its turn.
---@param fn fun(): any ...
---@param options? codex.RetryOptions
---@return any ...
function M.on_overload(fn, options)
  task.check_function("retry_on_overload", fn)
  local settings = with_defaults(options == nil and {} or options)
  local delay = math.min(settings.initial_delay, settings.max_delay)
  for _ = 2, settings.max_attempts do
    local results = pack(task.attempt(fn))
    if results[1] then return unpack(results, 2, results.n) end
    if not errors.is_retryable_error(results[2]) then error(results[2], 0) end
    task.sleep(delay * (1 + settings.jitter * chance()))
    delay = math.min(delay * 2, settings.max_delay)
  end
  return fn()
end

return M
