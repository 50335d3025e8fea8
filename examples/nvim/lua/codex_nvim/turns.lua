--- Shows a turn in a view, event by event.

local codex = require "codex_nvim.module"
local texts = require "codex_nvim.text"

local M = {}

local function line(text)
  return texts.line(text, 100)
end

-- What the model wrote, of the shell's whole line: /bin/bash -lc '…', or "…" where it holds quotes itself.
local function script(command)
  local quote, quoted = command:match "^%S*sh %-l?c (['\"])(.*)%1$"
  if quote == "'" then return (quoted:gsub("'\\''", "'")) end
  return quote and quoted:gsub('\\([\\"$`])', "%1") or command
end

-- What an item that takes its time is called; those that aren't here aren't shown.
local labels = {
  commandExecution = function(item)
    return "$ " .. line(script(item.command))
  end,
  fileChange = function(item)
    local paths = vim.tbl_map(function(change)
      return vim.fn.fnamemodify(change.path, ":~:.")
    end, item.changes)
    return "edit " .. line(table.concat(paths, ", "))
  end,
  dynamicToolCall = function(item)
    return ("tool %s %s"):format(item.tool, line(codex.json.encode(item.arguments)))
  end,
  mcpToolCall = function(item)
    return ("tool %s.%s"):format(item.server, item.tool)
  end,
  webSearch = function(item)
    return "search " .. line(item.query)
  end,
}

local function label_of(item)
  return labels[item.type] and labels[item.type](item)
end

-- How it has ended, in a few words, and whether well.
local function outcome_of(item)
  local seconds = (item.duration_ms or 0) / 1000
  local word = item.exit_code and "exit " .. item.exit_code or item.status or "done"
  local well = item.status == nil or item.status == "completed"
  return seconds < 0.1 and word or ("%s, %.1f s"):format(word, seconds), well
end

-- Reads again what the agent has written, where Neovim does that without asking, which would hit whoever is typing.
local function reread_files()
  if not vim.o.autoread then return end
  for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buffer) and not vim.bo[buffer].modified then
      vim.cmd("silent! checktime " .. buffer)
    end
  end
end

local show = {}

show["item/started"] = function(view, params)
  if params.item.type == "agentMessage" then view:set_note() end
  view:begin(params.item.id, label_of(params.item))
end

show["item/agentMessage/delta"] = function(view, params)
  view:say(params.item_id, params.delta)
end

show["item/completed"] = function(view, params)
  local item = params.item
  if item.type == "agentMessage" then return view:finish_saying(item.id, item.text) end
  local label = label_of(item)
  if label then view:finish(item.id, label, outcome_of(item)) end
  if item.type == "fileChange" or item.type == "commandExecution" then reread_files() end
end

show["turn/plan/updated"] = function(view, params)
  view:set_plan(params.plan)
end

show["error"] = function(view, params)
  if params.will_retry then view:set_note(line(params.error.message)) end
end

local methods = vim.tbl_keys(show)

--- Shows all of a turn, until it has ended. Runs in a task.
---@param turn codex.Turn
---@param view codex_nvim.View
function M.show(turn, view)
  view:set_working()
  for event in turn:stream(methods) do
    show[event.method](view, event.params)
  end
  local result = turn:run { raise = false }
  if result.status == "failed" then view:complain(result.error.message) end
  if result.status == "interrupted" then view:complain "stopped" end
end

return M
