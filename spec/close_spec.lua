-- What has no place in a file that every Lua reads.
local luas = require "spec.support.luas"

if luas.close then
  assert(loadfile("spec/lua54/close.lua", "t", _ENV))() -- luacheck: globals _ENV
else
  pending "variables that are closed need Lua 5.4"
end
