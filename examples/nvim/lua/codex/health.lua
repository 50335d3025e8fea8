--- `:checkhealth codex`

local M = {}

-- Neovim 0.10 has named them anew.
local health = vim.health or require "health"
local start = health.start or health.report_start
local ok = health.ok or health.report_ok
local warn = health.warn or health.report_warn
local fail = health.error or health.report_error

local function check_editor()
  start "Neovim"
  local version = vim.version()
  local number = ("%d.%d.%d"):format(version.major, version.minor, version.patch)
  if vim.fn.has "nvim-0.7" == 0 then return fail(number .. " is too old: 0.7 is the first that will do") end
  if not jit then return fail(number .. " was built without LuaJIT, which this plugin needs") end
  ok(("%s, %s"):format(number, jit.version))
end

local function check_module()
  start "The module codex"
  local loaded, codex = require("codex_nvim").load()
  if not loaded then
    return fail("it isn't found, or doesn't load: " .. tostring(codex), {
      "in a checkout of codex-lua: make LUA=luajit",
      "or: luarocks --lua-version=5.1 make rockspec/codex-scm-1.rockspec, with LuaJIT's headers",
      "then start Neovim again",
    })
  end
  ok(("%s, for codex %s"):format(codex.version, codex.schema_version))
  return codex
end

local function program()
  local options = require("codex_nvim").options.client or {}
  return options.codex_bin or vim.env.CODEX_BIN or "codex"
end

local function check_program(codex)
  start "The program codex"
  local path = vim.fn.exepath(program())
  if path == "" then
    return fail(program() .. " isn't found", { "npm install -g @openai/codex", "or set $CODEX_BIN" })
  end
  local said = vim.trim(vim.fn.system { path, "--version" })
  local version = said:match "%d+%.%d+%.%d+%S*"
  if vim.v.shell_error ~= 0 or not version then return fail(path .. " doesn't run: " .. said) end
  ok(("%s, %s"):format(version, path))
  if codex and version ~= codex.schema_version then
    warn("the module was made for " .. codex.schema_version .. ": what is new since isn't checked, nor named")
  end
end

function M.check()
  check_editor()
  check_program(check_module())
end

return M
