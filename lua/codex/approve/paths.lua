--- Rules for changes of files: which paths they touch, and which rules match these.

local errors = require "codex.error"
local glob = require "codex.approve.glob"

require "codex.interpreted"()

local M = {}

-- What other programs read as more than a name, and would never match here: in a rule that refuses nobody would notice.
local function check_characters(where, pattern)
  local folder = pattern:match "^~[^/]*" or pattern:match "^%$[%u{][^/]*"
  if folder then
    errors.argument(("%s: '%s' isn't replaced by a folder: name the folder"):format(where, folder:match "^~" or folder))
  end
  local odd = pattern:match "[?\\]" or pattern:match "{[^/]*,[^/]*}"
  if odd then
    local message = "%s: '%s' is no part of a rule, in which only '*' stands for other characters"
    errors.argument(message:format(where, odd))
  end
end

--- Compiles a rule. Raises for what isn't one.
---@param where string for messages
---@param pattern string
---@return { absolute: boolean, parts: string[], text: string }
function M.rule(where, pattern)
  if type(pattern) ~= "string" then
    errors.argument(("%s: expected a path as a string, got %s"):format(where, type(pattern)))
  end
  check_characters(where, pattern)
  local rule = { absolute = pattern:sub(1, 1) == "/", parts = glob.parts(pattern) }
  if not rule.parts[1] then errors.argument(where .. ": there is no name in it") end
  for _, part in ipairs(rule.parts) do
    if part == ".." then errors.argument(where .. ": '..' is no part of a rule") end
    if part:find("**", 1, true) and part ~= "**" then
      errors.argument(where .. ": '**' stands alone between slashes")
    end
  end
  if pattern:sub(-1) == "/" then rule.parts[#rule.parts + 1] = "**" end
  -- what lies below a folder isn't the folder
  if rule.parts[#rule.parts] == "**" then rule.parts[#rule.parts + 1] = "*" end
  return rule
end

-- What a path that is allowed has none of.
local CONTROL = "[%z\1-\31\127]"

--- Compiles a rule that allows. Raises for what isn't one, or could never match.
---@param where string for messages
---@param pattern string
---@return { absolute: boolean, parts: string[], text: string }
function M.allowing(where, pattern)
  local rule = M.rule(where, pattern)
  if pattern:find(CONTROL) then
    errors.argument(where .. ": nothing can match it: a path with control characters is none to allow")
  end
  return rule
end

local function has_upward_part(parts)
  for _, part in ipairs(parts) do
    if part == ".." then return true end
  end
  return false
end

-- The parts of a path from the folder on; nil for one that leads out of it, or could.
local function parts_below(folder, parts)
  for index, part in ipairs(folder) do
    if parts[index] ~= part then return nil end
  end
  local below = {}
  for index = #folder + 1, #parts do
    below[#below + 1] = parts[index]
  end
  return below
end

-- The parts of an absolute path; of another one, as if it began at `base`. Nil where it can't be known where it leads.
local function absolute_parts(path, base)
  if type(path) ~= "string" or path == "" or path:sub(-1) == "/" then return nil end
  if path:find(CONTROL) or path:find("\\", 1, true) then return nil end
  local parts = glob.parts(path)
  if has_upward_part(parts) then return nil end
  if path:sub(1, 1) == "/" then return parts end
  if not base or base:sub(1, 1) ~= "/" or has_upward_part(glob.parts(base)) or path:sub(1, 1) == "~" then return nil end
  local all = glob.parts(base)
  for _, part in ipairs(parts) do
    all[#all + 1] = part
  end
  return all
end

--- Whether a path is one of those that a rule allows.
---@param rule table
---@param path string
---@param folder? string absolute: what the rule is relative to
---@param base? string absolute: what the path is relative to
---@return boolean
function M.is_allowed_by(rule, path, folder, base)
  if not folder or folder:sub(1, 1) ~= "/" or has_upward_part(glob.parts(folder)) then return false end
  local parts = absolute_parts(path, base)
  if parts and not rule.absolute then parts = parts_below(glob.parts(folder), parts) end
  return parts ~= nil and parts[1] ~= nil and glob.matches_parts(rule.parts, parts)
end

-- A path as it would be without its `..`, where nothing on it is a link.
local function flattened(path)
  local parts = {}
  for _, part in ipairs(glob.parts(path)) do
    if part == ".." then
      parts[#parts] = nil
    else
      parts[#parts + 1] = part:lower()
    end
  end
  return parts
end

local function is_end_of(rule, parts)
  local pattern = { "**" }
  for index, part in ipairs(rule.parts) do
    pattern[index + 1] = part:lower()
  end
  if rule.absolute then table.remove(pattern, 1) end
  if pattern[#pattern] ~= "**" then pattern[#pattern + 1] = "**" end
  return glob.matches_parts(pattern, parts)
end

--- Whether a path is one of those that a rule refuses: it may lie in any folder, or below what the rule names, and
--- small and capital letters are the same.
---@param rule table
---@param path string
---@param base? string what the path is relative to
---@return boolean
function M.is_refused_by(rule, path, base)
  if type(path) ~= "string" then return false end
  if path:sub(1, 1) ~= "/" and base then path = base .. "/" .. path end
  return (is_end_of(rule, flattened(path)))
end

-- What the parameters of a plain change hold; see the same for commands.
local plain_params = { item_id = true, reason = true, started_at_ms = true, thread_id = true, turn_id = true }

local function is_plain(request)
  if request.method ~= "item/fileChange/requestApproval" then return false end
  for name in pairs(request.params) do
    if not plain_params[name] then return false end
  end
  return true
end

--- The paths that a request would change, those to which files are renamed included; nil where they aren't known, or
--- more is asked for than that.
---@param request codex.ServerRequest
---@return string[]?
function M.of(request)
  local item = request.item
  if not is_plain(request) then return nil end
  if type(item) ~= "table" or item.type ~= "fileChange" or type(item.changes) ~= "table" then return nil end
  local paths = {}
  for _, change in ipairs(item.changes) do
    local kind = type(change.kind) == "table" and change.kind or {}
    if kind.type ~= "add" and kind.type ~= "delete" and kind.type ~= "update" then return nil end
    paths[#paths + 1] = change.path or ""
    paths[#paths + 1] = kind.move_path
  end
  return paths[1] and paths or nil
end

--- All paths that a request names, whatever is known of it besides.
---@param request codex.ServerRequest
---@return string[]
function M.all_of(request)
  local paths = { request.params.grant_root }
  for _, change in ipairs(request.item and request.item.changes or {}) do
    paths[#paths + 1] = change.path
    paths[#paths + 1] = type(change.kind) == "table" and change.kind.move_path or nil
  end
  for path in pairs(type(request.params.file_changes) == "table" and request.params.file_changes or {}) do
    paths[#paths + 1] = path
  end
  return paths
end

return M
