--- What a call raises.
---
---     local err = raised("busy", thread.run, thread, "x")
---
--- Where a message tells the caller's line, that is of this file: give it a function of your own to call there.

local assert = require "luassert"
local codex = require "codex"

--- The error object of that kind which `fn(...)` raises; fails when it raises nothing, or something else.
---@param kind? string nil: of any
---@param fn function
---@param ... any
---@return codex.Error
return function(kind, fn, ...)
  local ok, err = codex.pcall(fn, ...) -- tasks of PUC Lua 5.1 can't wait inside its own
  assert.is_false(ok, "nothing was raised")
  assert.is_true(codex.is_error(err, kind), tostring(err))
  return err
end
