--- Modules that most programs never use are loaded when something of theirs is asked for.

require "codex.interpreted"()

--- Stands for a module until then.
---@param name string
---@return table
return function(name)
  return setmetatable({}, {
    __index = function(stand_in, key)
      for member, value in pairs(require(name)) do
        rawset(stand_in, member, value)
      end
      return rawget(stand_in, key)
    end,
  })
end
