--- `codex.approve.rules`: decides by rules.

local commands = require "codex.approve.commands"
local errors = require "codex.error"
local glob = require "codex.approve.glob"
local options_of = require "codex.options"
local paths = require "codex.approve.paths"
local task = require "codex.task"

require "codex.interpreted"()

local M = {}

local function mcp_tool_rule(where, rule)
  local server, tool
  if type(rule) == "string" then
    server, tool = rule:match "^([^/]+)/(.+)$"
  end
  if not server then errors.argument(where .. ": expected 'SERVER/TOOL', in which '*' stands for any characters") end
  return { server = server, tool = tool }
end

local compilers = {
  allow = { commands = commands.allowing, paths = paths.allowing, mcp_tools = mcp_tool_rule },
  deny = { commands = commands.refusing, paths = paths.rule, mcp_tools = mcp_tool_rule },
}

local function compile_list(where, list, compile)
  if type(list) ~= "table" or not options_of.is_list(list, #list) then
    errors.argument(("%s: expected a list of rules, got %s"):format(where, type(list)))
  end
  local compiled = {}
  for index, rule in ipairs(list) do
    compiled[index] = compile(("%s[%d]"):format(where, index), rule)
  end
  return compiled
end

local function compile_side(side, rules)
  local where = "approve.rules." .. side
  options_of.check_names(where, rules, compilers[side])
  local compiled = {}
  for name, compile in pairs(compilers[side]) do
    compiled[name] = compile_list(where .. "." .. name, rules[name] == nil and {} or rules[name], compile)
  end
  return compiled
end

local function any(rules, matches, ...)
  for _, rule in ipairs(rules) do
    if matches(rule, ...) then return true end
  end
  return false
end

-- ---- by kind: "allow", "deny", or nil for what is left to others ----

local verdicts = {}

function verdicts.command(rules, request)
  for _, words in ipairs(commands.all_words(request)) do
    if any(rules.deny.commands, commands.is_refused_by, words) then return "deny" end
  end
  local words = commands.plain_words(request)
  if not words or request.params.cwd == nil or request.params.cwd ~= rules.folder(request) then return nil end
  if rules.deny.commands[1] and commands.may_hide(words) then return nil end
  return any(rules.allow.commands, commands.is_allowed_by, words) and "allow" or nil
end

function verdicts.file_change(rules, request)
  for _, path in ipairs(paths.all_of(request)) do
    if any(rules.deny.paths, paths.is_refused_by, path, request.thread_cwd) then return "deny" end
  end
  local changed = paths.of(request)
  if not changed then return nil end
  local folder = rules.folder(request)
  for _, path in ipairs(changed) do
    if not any(rules.allow.paths, paths.is_allowed_by, path, folder, request.thread_cwd) then return nil end
  end
  return "allow"
end

local function is_tool(rule, server, tool)
  return glob.matches(rule.server, server) and glob.matches(rule.tool, tool)
end

local function is_tool_in_any_case(rule, server, tool)
  return glob.matches(rule.server:lower(), server:lower()) and glob.matches(rule.tool:lower(), tool:lower())
end

-- Whether accepting means no more than that the tool may run: nothing is to be filled in.
local function asks_for_nothing_else(request)
  local schema = request.requested_schema
  return schema == nil or type(schema) == "table" and next(schema.properties or {}) == nil
end

function verdicts.mcp_tool(rules, request)
  local server, tool = request.server_name, request.tool_name
  if type(server) ~= "string" or type(tool) ~= "string" then return nil end
  if any(rules.deny.mcp_tools, is_tool_in_any_case, server, tool) then return "deny" end
  if not asks_for_nothing_else(request) then return nil end
  return any(rules.allow.mcp_tools, is_tool, server, tool) and "allow" or nil
end

-- ---- the handler ----

local function check_otherwise(otherwise)
  if otherwise == nil or otherwise == "deny" then return end
  if type(otherwise) == "string" then
    errors.argument(("approve.rules.otherwise: got '%s', expected 'deny' or a handler"):format(otherwise))
  end
  task.check_function("approve.rules.otherwise", otherwise)
end

local function check_folder(cwd)
  options_of.check_type("approve.rules", { cwd = cwd }, "cwd", "string")
  if cwd and cwd:sub(1, 1) ~= "/" then errors.argument "approve.rules.cwd: expected an absolute path" end
end

local function trimmed(folder)
  return folder and #folder > 1 and folder:gsub("/+$", "") or folder
end

--- What `codex.approve.rules` does.
---@param options codex.approve.Rules
---@return codex.ApprovalHandler
function M.new(options)
  options_of.check_names("approve.rules", options, { allow = true, deny = true, otherwise = true, cwd = true })
  check_otherwise(options.otherwise)
  check_folder(options.cwd)
  local otherwise = options.otherwise ~= "deny" and options.otherwise or nil
  local rules = {
    allow = compile_side("allow", options.allow == nil and {} or options.allow),
    deny = compile_side("deny", options.deny == nil and {} or options.deny),
    folder = function(request)
      return trimmed(options.cwd or request.thread_cwd)
    end,
  }
  return function(request)
    local verdict = verdicts[request.kind] and verdicts[request.kind](rules, request)
    if verdict == "allow" then return "accept" end
    if verdict == "deny" or not otherwise then return "decline" end
    return otherwise(request)
  end
end

return M
