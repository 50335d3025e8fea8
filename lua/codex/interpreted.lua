--- Has LuaJIT not compile the module that calls this while it is loaded: each that loops over a table by `pairs` or
--- `next`. As compiled by LuaJIT of 2022, which Debian 12 has, such a loop may never end inside of a finalizer, where
--- leaving compiled code leads back to its entry; and as a finalizer may have the loop go round, it may come to all of
--- them. Nothing is lost by it: what takes time here is in C, which can't be compiled anyway.

local jit = rawget(_G, "jit")

return function()
  if jit then jit.off(debug.getinfo(2, "f").func, true) end
end
