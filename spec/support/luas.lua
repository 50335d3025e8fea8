--- What the Lua that runs the specs has. What one can't have is left out by asking this table, and shown as pending:
---
---     local where_it_yields = luas.yield_anywhere and it or pending
---
--- Specs in a syntax of newer Luas are in spec/lua54 and loaded by a spec file that asks first.

local luas = {}

--- The program that runs this Lua: "lua5.4", "luajit".
luas.program = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match "[%d.]+$"

--- As the folder of its modules under build/ is called.
luas.version = luas.program:gsub("^lua(%d)", "%1")

--- Where LuaRocks puts what it installs for this Lua, and what `--lua-version` takes.
luas.rocks_version = _VERSION:match "[%d.]+$"

--- `local x <close> = …`, from Lua 5.4 on.
luas.close = (rawget(_G, "loadstring") or load)("local x <close> = nil") ~= nil

--- Integers beside floats, over 64 bits, from Lua 5.3 on.
luas.integers = rawget(math, "type") ~= nil

--- A task may wait inside pcall, metamethods and the iterators of a for loop: anywhere but in PUC Lua 5.1.
luas.yield_anywhere = coroutine.wrap(function()
  return pcall(coroutine.yield, true)
end)()

--- The greatest and the least number that JSON's integers are sure to be kept of: 64 bits, or what a float holds.
luas.max_integer = rawget(math, "maxinteger") or 2 ^ 53
luas.min_integer = rawget(math, "mininteger") or -2 ^ 53

luas.unpack = rawget(table, "unpack") or rawget(_G, "unpack")

--- As table.pack, which Lua 5.1 lacks.
---@param ... any
---@return { n: integer, [integer]: any }
function luas.pack(...)
  return { n = select("#", ...), ... }
end

--- As `for a, b in iterator do if fn(a, b) then break end end`, in which tasks of PUC Lua 5.1 can't wait.
---@param iterator fun(): any ...
---@param fn fun(...: any): boolean?
function luas.each(iterator, fn)
  local function call(...)
    if (...) == nil or fn(...) then return end
    return call(iterator())
  end
  return call(iterator())
end

local type_of_number = rawget(math, "type")

--- Whether a number is an integer; where Lua has none, whether it is whole.
---@param value any
---@return boolean
function luas.is_integer(value)
  if type_of_number then return type_of_number(value) == "integer" end
  return type(value) == "number" and value == math.floor(value)
end

--- Whether a number is a float, as all are where Lua has no integers.
---@param value any
---@return boolean
function luas.is_float(value)
  if type_of_number then return type_of_number(value) == "float" end
  return type(value) == "number"
end

--- A random whole number of that range.
---@return integer
function luas.random_integer()
  local low, high = math.random(0, 65535) * 65536 + math.random(0, 65535), math.random(0, 65535)
  if not luas.integers then return (high * 32 * 2 ^ 32 + low) * (math.random(2) == 1 and 1 or -1) end
  return (math.random(0, 65535) * 65536 + high) * 4294967296 + low
end

local utf8 = rawget(_G, "utf8")

--- Whether a text is valid UTF-8; where Lua can't tell, whether it consists of what looks like characters.
---@param text string
---@return boolean
function luas.is_utf8(text)
  if utf8 then return utf8.len(text) ~= nil end
  local rest = text:gsub("[\240-\244][\128-\191][\128-\191][\128-\191]", "")
    :gsub("[\224-\239][\128-\191][\128-\191]", ""):gsub("[\194-\223][\128-\191]", "")
  return not rest:find "[\128-\255]"
end

--- Makes something that calls fn when it is collected: before Lua 5.2 tables have no finalizers, userdata have.
---@param fn fun()
function luas.finalized(fn)
  local newproxy = rawget(_G, "newproxy")
  if not newproxy then return setmetatable({}, { __gc = fn }) end
  local proxy = newproxy(true)
  getmetatable(proxy).__gc = fn
end

--- Has the collector come round often, however much is in memory. Returns a function that undoes it.
---@return fun() undo
function luas.collect_often()
  local pause, multiplier = collectgarbage("setpause", 10), collectgarbage("setstepmul", 1000)
  local has_modes, mode = pcall(collectgarbage, "incremental", 10, 1000, 4) -- from Lua 5.4 on
  collectgarbage()
  return function()
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", multiplier)
    if has_modes then collectgarbage("incremental", pause, multiplier, 13) end
    if mode == "generational" then collectgarbage(mode) end
  end
end

return luas
