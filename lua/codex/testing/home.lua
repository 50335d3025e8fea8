--- A private CODEX_HOME whose configuration sends the server's model calls to the scripted model: with it, nothing of
--- the user's own settings, accounts and history is seen or touched.
---
--- The folder must not lie under /tmp: the server refuses to make its helper programs there.

local home = {}

local function shell_quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- os.execute answers a status number in Lua 5.1, and true or nil from 5.2 on.
local function run(command)
  local status = os.execute(command)
  return status == true or status == 0
end

local function toml_string(text)
  return '"' .. text:gsub('[%c"\\\127]', function(c) return string.format("\\u%04X", c:byte()) end) .. '"'
end

local function toml_value(value)
  if type(value) == "string" then return toml_string(value) end
  return tostring(value)
end

local FEATURES = {
  plugins = false, -- or the server tries to reach the internet when it starts
  apps = false,
  shell_snapshot = false, -- or every thread runs a login shell first
}

local function features_toml(features)
  local merged, names, lines = {}, {}, {}
  for name, value in pairs(FEATURES) do merged[name] = value end
  for name, value in pairs(features or {}) do merged[name] = value end
  for name in pairs(merged) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do lines[i] = name .. " = " .. toml_value(merged[name]) end
  return table.concat(lines, "\n")
end

---@class codex.testing.HomeOptions
---@field port integer            where the scripted model listens
---@field model? string           default "mock-model"
---@field approval_policy? string default "never"
---@field sandbox_mode? string    default "read-only"
---@field features? table<string, boolean>  feature flags to set besides, or in place of, the usual ones
---@field extra_toml? string      further text of config.toml: tables such as `[mcp_servers.x]`
---@field top_toml? string        further text at its top: `key = value` lines

--- The text of config.toml.
---@param options codex.testing.HomeOptions
---@return string
function home.config(options)
  return table.concat({
    "model = " .. toml_string(options.model or "mock-model"),
    'model_provider = "mock"',
    "approval_policy = " .. toml_string(options.approval_policy or "never"),
    "sandbox_mode = " .. toml_string(options.sandbox_mode or "read-only"),
    options.top_toml or "",
    "[features]",
    features_toml(options.features),
    "[model_providers.mock]",
    'name = "Mock"',
    string.format('base_url = "http://127.0.0.1:%d/v1"', options.port),
    'wire_api = "responses"',
    "request_max_retries = 0",
    "stream_max_retries = 0",
    options.extra_toml or "",
    "",
  }, "\n")
end

--- Makes the folder and what is above it, if need be, and writes its config.toml (again, if it is there).
---@param dir string
---@param options codex.testing.HomeOptions
---@return string dir
function home.create(dir, options)
  if not run("mkdir -p -m 700 -- " .. shell_quote(dir)) then error("cannot make the folder " .. dir, 2) end
  local file = assert(io.open(dir .. "/config.toml", "wb"))
  assert(file:write(home.config(options)))
  assert(file:close())
  return dir
end

--- What the server's environment must hold to use it; false removes a variable (the `env` of codex.new).
---@param dir string an absolute path
---@return table<string, string|false>
function home.environment(dir)
  return {
    CODEX_HOME = dir,
    CODEX_APP_SERVER_DISABLE_MANAGED_CONFIG = "1",
    RUST_LOG = "warn",
    OPENAI_API_KEY = false,
    CODEX_API_KEY = false,
  }
end

return home
