--- Versions of the server: which one this is, what an older one can't do, and what to say of one that doesn't
--- understand us.

local core = require "codex.core"

require "codex.interpreted"()

local M = {}

local UPDATE = "update it with `npm install -g @openai/codex`, or name a newer program with codex_bin"

-- ---- versions ----

---@class codex.Version
---@field numbers integer[] major, minor, patch
---@field pre? string "alpha.1.2" of a pre-release

-- What follows the numbers: a hyphen and words, or words at once ("0.137.0a4", ".dev1"), make a pre-release; ".post1"
-- and what follows a plus sign don't.
local function pre_release(tail)
  tail = tail:gsub("%+.*$", "")
  local pre = tail:match "^%-([%w.-]+)$" or tail:match "^%.?(%a[%w.-]*)$"
  if pre and not pre:find "^post" then return pre end
end

--- Takes a version apart. Nil for what is none, and for 0.0.0, which builds from a checkout say: nothing is known then.
---@param text any
---@return codex.Version?
function M.parse(text)
  if type(text) ~= "string" then return nil end
  local major, minor, patch, tail = text:match "^(%d+)%.(%d+)%.(%d+)(.*)$"
  if not major then return nil end
  local numbers = { tonumber(major), tonumber(minor), tonumber(patch) }
  if numbers[1] == 0 and numbers[2] == 0 and numbers[3] == 0 then return nil end
  return { numbers = numbers, pre = pre_release(tail) }
end

local function compare_values(a, b)
  if a == b then return 0 end
  return a < b and -1 or 1
end

-- Parts of a pre-release: numbers come before words, and nothing before anything.
local function compare_parts(a, b)
  if a == nil or b == nil then return compare_values(a and 1 or 0, b and 1 or 0) end
  local number_a, number_b = tonumber(a), tonumber(b)
  if number_a and number_b then return compare_values(number_a, number_b) end
  if number_a or number_b then return number_a and -1 or 1 end
  return compare_values(a, b)
end

local function compare_pre(a, b)
  if a == b then return 0 end
  if not a or not b then return a and -1 or 1 end
  local next_a, next_b = a:gmatch "[^.]+", b:gmatch "[^.]+"
  while true do
    local part_a, part_b = next_a(), next_b()
    local order = compare_parts(part_a, part_b)
    if order ~= 0 or part_a == nil then return order end
  end
end

--- Orders two versions: below 0 when `a` is older, 0 when they are equal, above 0 when it is newer; nil when one of
--- them is unknown. A pre-release is older than its release.
---@param a any
---@param b any
---@return integer?
function M.compare(a, b)
  a, b = M.parse(a), M.parse(b)
  if not a or not b then return nil end
  for index = 1, 3 do
    local order = compare_values(a.numbers[index], b.numbers[index])
    if order ~= 0 then return order end
  end
  return compare_pre(a.pre, b.pre)
end

local function is_older(version, needed)
  local order = M.compare(version, needed)
  return order ~= nil and order < 0
end

-- ---- who the server is ----

-- "NAME/0.169.0 (Debian …) terminal (NAME; CLIENT VERSION)". NAME is the client's own, which may hold anything, or what
-- the environment puts in its place.
local function parse_user_agent(user_agent, client_name)
  local prefix = client_name .. "/"
  if user_agent:sub(1, #prefix) == prefix then return client_name, user_agent:match("^%S+", #prefix + 1) end
  local head = user_agent:match "^[^(]*":gsub("%s+$", "")
  for _, pattern in ipairs { "^(.*)/(%S+)$", "^(.-)/(%S+)", "^(.-)%s+(%d%S*)" } do
    local name, version = head:match(pattern)
    if name then return name, version end
  end
  return head ~= "" and head or nil
end

--- Name and version of the server, as far as it says them.
---@param metadata table the answer to `initialize`
---@param client_name string what the client called itself, with which the server's user agent begins
---@return { name?: string, version?: string }
function M.server_info(metadata, client_name)
  local told = type(metadata.serverInfo) == "table" and metadata.serverInfo or {}
  local info = {}
  if type(metadata.user_agent) == "string" then
    info.name, info.version = parse_user_agent(metadata.user_agent, client_name)
  end
  if type(told.name) == "string" then info.name = told.name end
  if type(told.version) == "string" then info.version = told.version end
  return info
end

-- ---- what needs a newer one ----

-- The first version with a field. An older one ignores what it doesn't know, and nobody would notice.
local since = {
  ["turn/start"] = { tool_output = "0.151.0", turn_trigger = "0.151.0", service_tier_for_turn = "0.151.0" },
  ["thread/resume"] = { exclude_turns = "0.151.0" },
  ["thread/fork"] = { exclude_turns = "0.151.0" },
}

--- Whether a server of that version knows a field of a method's params, as far as that is known.
---@param version any
---@param method string
---@param field string its Lua name
---@return boolean
function M.has_field(version, method, field)
  local needed = since[method] and since[method][field]
  return not (needed and is_older(version, needed))
end

--- Why params can't be sent to a server of that version: nil where nothing is known against it.
---@param version any
---@param method string
---@param params any by the names of Lua or of the wire
---@param label string
---@return string?
function M.refusal(version, method, params, label)
  if not since[method] or type(params) ~= "table" or not M.parse(version) then return nil end
  local names, lacking = core.fields(method), nil
  for name, value in pairs(params) do
    local field = names[name] or name
    if value ~= core.null and not M.has_field(version, method, field) and (not lacking or field < lacking) then
      lacking = field
    end
  end
  if not lacking then return nil end
  return ("%s.%s: needs a server of version %s or newer, and this one is %s: %s"):format(
    label,
    lacking,
    since[method][lacking],
    version,
    UPDATE
  )
end

-- The server understood the line, but not what was in it.
local function is_misunderstanding(code, message)
  return code == -32601 or message:find("^Invalid request: ") ~= nil
end

--- What to add to an error of the server's that another version may be the cause of: nil where it can't be.
---@param version any the server's
---@param method string
---@param code integer
---@param message string
---@return string?
function M.skew(version, method, code, message)
  local order = M.compare(version, core.schema_version)
  if not order or order == 0 then return nil end
  if not is_misunderstanding(code, message) or not core.fields(method) then return nil end
  local advice = order < 0 and UPDATE or "they may differ here"
  return ("the server is %s, this module speaks %s: %s"):format(version, core.schema_version, advice)
end

return M
