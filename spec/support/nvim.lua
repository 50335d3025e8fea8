--- Neovim without a screen and without the user's configuration, but with the plugin of examples/nvim.
---
---     local report = nvim.run(home, [[
---       local t = ...
---       vim.cmd "Codex Hello"
---       t.shows "Hello!"
---       return { text = t.text() }
---     ]])

local cjson = require "cjson"
local kit = require "spec.support.kit"

local nvim = {}

local PLUGIN = kit.root .. "/examples/nvim"

local built

-- Neovim takes the module for LuaJIT, whatever Lua the specs run on.
local function build()
  if built then return end
  local make = "cd %s && mkdir -p build && env -u MAKEFLAGS -u MFLAGS -u SANITIZE -u LD_PRELOAD "
    .. "flock build/luajit.lock make --silent LUA=luajit build/luajit/codex/core.so 2>&1 && echo built"
  local pipe = io.popen(make:format(kit.quoted(kit.root)))
  local output = pipe:read "*a"
  pipe:close()
  assert(output:find "built\n$", output)
  built = true
end

local function environment(home)
  local unset, set = { "-u LD_PRELOAD", "-u LUA_PATH", "-u LUA_CPATH" }, {}
  for name, value in pairs(home and home.env or {}) do
    if value then
      set[#set + 1] = name .. "=" .. kit.quoted(value)
    else
      unset[#unset + 1] = "-u " .. name
    end
  end
  return table.concat(unset, " ") .. " " .. table.concat(set, " ")
end

--- The command line that runs a scenario, and the file that its report is written to. more: further arguments of
--- Neovim's, as in a shell.
---@param home? spec.Home
---@param scenario string Lua source, called with the functions of in_nvim.lua
---@param more? string
---@return string command
---@return string report
function nvim.command(home, scenario, more)
  build()
  local folder = kit.folder()
  kit.write_file(folder .. "/scenario.lua", scenario)
  return ("cd %s && env %s CODEX_BIN=%s SPEC_SCENARIO=%s SPEC_REPORT=%s XDG_DATA_HOME=%s "
    .. "nvim --headless --clean --cmd %s -c %s %s"):format(
    kit.quoted(folder), environment(home), kit.quoted(kit.codex_bin), kit.quoted(folder .. "/scenario.lua"),
    kit.quoted(folder .. "/report"), kit.quoted(folder), kit.quoted("set rtp+=" .. PLUGIN),
    kit.quoted("luafile " .. kit.root .. "/spec/support/in_nvim.lua"), more or ""), folder .. "/report"
end

--- Decodes a report; raises what went wrong in Neovim.
---@param path string
---@return table
function nvim.read(path)
  local report = cjson.decode((assert(kit.read_file(path), "Neovim has reported nothing")))
  if report.failure then error("in Neovim: " .. report.failure, 0) end
  return report
end

--- Runs a scenario, and returns what it returned. Raises if there was an error anywhere, callbacks included.
---@param home? spec.Home
---@param scenario string
---@param more? string
---@return table report
---@return string output what Neovim printed
function nvim.run(home, scenario, more)
  local command, report = nvim.command(home, scenario, more)
  local pipe = io.popen(command .. " 2>&1 </dev/null")
  local output = pipe:read "*a"
  pipe:close()
  local read, result = pcall(nvim.read, report)
  if not read or output:find "Error executing" or output:find "Error detected" then
    error((read and "" or result .. "\n") .. output, 0)
  end
  return result, output
end

return nvim
