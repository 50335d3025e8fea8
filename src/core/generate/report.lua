-- Where in the schema the generator is, and how it stops.

local M = {}

local path = {}

local Failure = {}

function Failure:__tostring()
  return self.message .. (self.path ~= "" and "\n  at " .. self.path or "")
end

--- Raises what is wrong, with the place in the schema.
---@param format string
function M.fail(format, ...)
  error(setmetatable({ message = string.format(format, ...), path = table.concat(path, " > ") }, Failure), 0)
end

--- Calls fn(...) with a name on the path; returns its first two results.
---@param name string
---@param fn function
function M.within(name, fn, ...)
  path[#path + 1] = name
  local a, b = fn(...)
  path[#path] = nil
  return a, b
end

--- Calls fn(...), which may fail: true and its result, or false and the failure.
---@param fn function
---@return boolean ok
---@return any
function M.attempt(fn, ...)
  local depth = #path
  local ok, result = pcall(fn, ...)
  for i = #path, depth + 1, -1 do path[i] = nil end
  if not ok and getmetatable(result) ~= Failure then error(result, 0) end
  return ok, result
end

return M
