--- What was meant by a name that isn't there.

local core = require "codex.core"

--- The words for the end of a sentence that refuses it: " (did you mean 'sandbox'?)", or "" where nothing is near.
---@param name any
---@param known string[]
---@return string
return function(name, known)
  local nearest = type(name) == "string" and core.nearest(name, known)
  return nearest and (" (did you mean '%s'?)"):format(nearest) or ""
end
