-- How things of the protocol are called in Lua.

local report = require "generate.report"

local fail = report.fail

local M = {}

-- The Lua name of a wire name. Names in snake_case, or with a leading underscore, come out as they went in.
function M.snake(wire)
  if not wire:find("^[%a_][%w_-]*$") then fail("no rule makes a Lua name of '%s'", wire) end
  local name = wire:gsub("OAuth", "Oauth")      -- one word, not O and Auth
  name = name:gsub("(%l)(%u)", "%1_%2")         -- authUrl
  name = name:gsub("(%d)(%u)", "%1_%2")         -- sha256Hex
  name = name:gsub("(%u)(%u%l)", "%1_%2")       -- HTTPStatus
  return (name:gsub("-", "_"):lower())
end

-- The name of a class for something called so, in whatever case. Marks between words become underscores.
function M.pascal(name)
  local chunks = {}
  for chunk in name:gmatch "[%w_-]+" do
    chunks[#chunks + 1] = chunk:gsub("^_*(%l)", string.upper):gsub("[_-]+(%w)", string.upper)
  end
  return table.concat(chunks, "_")
end

-- The name of a class for a method: turn/completed, TurnCompleted.
function M.method_class(wire)
  return (M.pascal(wire):gsub("_", ""))
end

-- What a request is called in Lua: its first part is the group, the others together are the method.
function M.method(wire)
  local parts = {}
  for part in wire:gmatch "[^/]+" do parts[#parts + 1] = M.snake(part) end
  local group = table.remove(parts, 1)
  return #parts == 0 and group or group .. "." .. table.concat(parts, "_")
end

return M
