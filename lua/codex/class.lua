--- What the classes of this module have in common.

local errors = require "codex.error"

require "codex.interpreted"()

local M = {}

-- Whether a value is an object of the class, or of one that is based on it.
local function is_a(value, class)
  local meta = getmetatable(value)
  while type(meta) == "table" and meta ~= class do
    meta = rawget(meta, "__base")
  end
  return meta == class
end

local function guarded(class, variable, name, method)
  return function(self, ...)
    if not is_a(self, class) then
      errors.argument(("%s: call it with a colon, as %s:%s(…)"):format(name, variable, name))
    end
    return method(self, ...)
  end
end

--- Makes the methods of a class raise `invalid_argument` when they are called with a dot. Those whose names begin with
--- an underscore are left alone.
---@param class table the metatable of its objects; `__base` is the class that it adds to, if any
---@param variable string how an object is called in messages
function M.guard(class, variable)
  for name, method in pairs(class) do
    local public = type(method) == "function" and name:sub(1, 1) ~= "_"
    if public then class[name] = guarded(class, variable, name, method) end
  end
end

return M
