--- Decides what the agent may do: asks, with the command or the diff in a split.

local texts = require "codex_nvim.text"
local ui = require "codex_nvim.ui"

local M = {}

local order = { "accept", "accept_for_session", "decline", "cancel" }

local labels = {
  accept = "Yes",
  accept_for_session = "Yes, and don't ask again for the like in this conversation",
  decline = "No, go on without it",
  cancel = "No, and stop",
}

local titles = {
  command = "Codex wants to run this command",
  file_change = "Codex wants to change these files",
  permissions = "Codex asks for these permissions",
  mcp_tool = "Codex wants to use this tool",
}

local function add(lines, text)
  vim.list_extend(lines, vim.split(text, "\n", { plain = true }))
end

local prefixes = { add = "+", delete = "-", update = "" }

-- A new file's diff is its text.
local function add_diff(lines, change)
  add(lines, ("--- %s (%s)"):format(change.path, change.kind.type))
  if change.kind.move_path then add(lines, "+++ " .. change.kind.move_path) end
  for _, line in ipairs(vim.split((change.diff:gsub("\n$", "")), "\n", { plain = true })) do
    lines[#lines + 1] = (prefixes[change.kind.type] or "") .. line
  end
end

local previews = {
  command = function(request)
    local lines = {}
    add(lines, request.command or request.summary)
    return { lines = lines, syntax = "sh" }
  end,
  file_change = function(request)
    local lines = {}
    for _, change in ipairs(request.item and request.item.changes or {}) do
      add_diff(lines, change)
    end
    if not lines[1] then add(lines, request.summary) end
    return { lines = lines, syntax = "diff" }
  end,
  permissions = function(request)
    local lines = {}
    add(lines, vim.inspect(request.params.permissions))
    return { lines = lines, syntax = "lua" }
  end,
  mcp_tool = function(request)
    local lines = {}
    add(lines, request.summary)
    add(lines, vim.inspect(request.tool_params))
    return { lines = lines, syntax = "lua" }
  end,
}

local function prompt_for(request)
  local place = request.cwd and " in " .. vim.fn.fnamemodify(request.cwd, ":~") or ""
  local reason = request.reason and (" (%s)"):format(texts.line(request.reason, 200)) or ""
  return titles[request.kind] .. place .. reason .. ":"
end

--- An approval handler.
---@param request codex.ServerRequest
---@return string?
function M.handler(request)
  local choices = vim.tbl_filter(function(decision)
    return vim.tbl_contains(request.decisions, decision)
  end, order)
  local decision = ui.select(request, choices, {
    prompt = prompt_for(request),
    format_item = function(choice)
      return labels[choice]
    end,
  }, previews[request.kind](request))
  -- dismissed is declined; withdrawn needs no answer
  return not request.cancelled and (decision or "decline") or nil
end

return M
