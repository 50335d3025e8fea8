--- Where a coroutine can yield. Across a C function none can, but for pcall and such from Lua 5.2 on; in PUC
--- Lua 5.1 neither across metamethods and the iterators of for loops. The loop can be driven there instead, as from the
--- main chunk; not so across pcall and iterators, in which whole tasks may spend their lives: each would keep those
--- from going on that drive it.

local errors = require "codex.error"

local M = {}

--- Whether it can across pcall, metamethods and iterators.
M.across_pcall = _VERSION ~= "Lua 5.1" or rawget(_G, "jit") ~= nil

--- What a yield passes that only finds out whether it can be done; whoever gets it goes on at once.
M.PROBE = {}

local pcall, xpcall = pcall, xpcall -- as they are found on the stack, whatever becomes of the globals

local ITERATOR = "a task can't wait inside the iterator of a for loop in Lua 5.1: "
  .. "call the iterator yourself, as in `local next = turn:stream()`"

-- In PUC Lua 5.1 only the functions on the stack tell. They don't tell of metamethods. Answers also what to call
-- instead.
local function look_at_stack()
  for level = 2, math.huge do
    local info = debug.getinfo(level, "Snf")
    if not info then return true end
    if info.name == "(for generator)" then return false, ITERATOR end
    if info.func == pcall or info.func == xpcall then
      local name = info.func == pcall and "pcall" or "xpcall"
      return false, ("a task can't wait inside %s in Lua 5.1: use codex.pcall instead"):format(name)
    end
    if info.what == "C" then return false end
  end
end

local function ask_stack()
  local possible, instead = look_at_stack()
  if instead then errors.argument(instead) end
  return possible
end

local function probe()
  return (pcall(coroutine.yield, M.PROBE))
end

-- Where the stack doesn't tell, the yield ends the coroutine: so it is tried out while nothing has been begun.
local function ask_stack_and_probe()
  local possible = ask_stack()
  if possible then coroutine.yield(M.PROBE) end
  return possible
end

--- Whether the running coroutine, a task's own, can yield here. Raises `invalid_argument` where it can't and there is
--- something else to call.
---@return boolean
M.possible = rawget(coroutine, "isyieldable") or M.across_pcall and probe or ask_stack_and_probe

--- The same, raising nothing.
---@return boolean
function M.is_possible()
  if M.across_pcall then return M.possible() end
  return (look_at_stack())
end

--- The same for a coroutine of a loop's, which nothing may be yielded to for trial: true where only that would tell.
---@return boolean
M.possible_in_loop = rawget(coroutine, "isyieldable") or not M.across_pcall and ask_stack or function()
  return true
end

--- The error of a yield that wasn't possible after all, in words that help.
---@param message any what coroutine.resume answered
---@param thread thread
---@return any
function M.explained(message, thread)
  if message ~= "attempt to yield across metamethod/C-call boundary" then return message end
  local err = errors.new("invalid_argument", "a task can't wait inside a metamethod in Lua 5.1. Likewise, "
    .. ITERATOR)
  err.traceback = debug.traceback(thread, err.message)
  return err
end

return M
