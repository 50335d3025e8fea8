--- The module `codex`: that of the checkout that this plugin lies in, if it was built there, else as it is installed.

local uv = vim.uv or vim.loop

-- <checkout>/examples/nvim/lua/codex_nvim/module.lua, to which a package folder may hold a link
local source = uv.fs_realpath(debug.getinfo(1, "S").source:sub(2))
local checkout = vim.fn.fnamemodify(source, ":h:h:h:h:h")
local built = checkout .. "/build/luajit"

if uv.fs_stat(built .. "/codex/core.so") then
  package.path = ("%s/lua/?.lua;%s/lua/?/init.lua;%s"):format(checkout, checkout, package.path)
  package.cpath = ("%s/?.so;%s"):format(built, package.cpath)
end

return require "codex"
