--- Tools with which the agent sees the editor: what isn't on disk yet, and what the user looks at.

local codex = require "codex_nvim.module"

local M = {}

local MOST_LINES = 2000

local function name_of(buffer)
  return vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":~:.")
end

local function is_listed(buffer)
  return vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buflisted
end

-- Where the user works: the window that he is in, or comes from if that shows no file.
local function users_window()
  if is_listed(vim.api.nvim_get_current_buf()) then return vim.api.nvim_get_current_win() end
  local previous = vim.fn.win_getid(vim.fn.winnr "#")
  return previous ~= 0 and previous or vim.api.nvim_get_current_win()
end

-- The buffer that a call names; nil and why not.
local function find(buffer)
  buffer = buffer or vim.api.nvim_win_get_buf(users_window())
  if vim.api.nvim_buf_is_valid(buffer) and is_listed(buffer) then return buffer end
  return nil, "there is no buffer " .. buffer
end

local buffers = codex.tool {
  name = "buffers",
  description = "Lists the files that are open in the user's editor, and where the cursor is.",
  run = function()
    local list, window = codex.array {}, users_window()
    for _, buffer in ipairs(vim.tbl_filter(is_listed, vim.api.nvim_list_bufs())) do
      local is_current = buffer == vim.api.nvim_win_get_buf(window)
      table.insert(list, {
        buffer = buffer,
        name = name_of(buffer),
        filetype = vim.bo[buffer].filetype,
        lines = vim.api.nvim_buf_line_count(buffer),
        modified = vim.bo[buffer].modified,
        cursor_line = is_current and vim.api.nvim_win_get_cursor(window)[1] or nil,
      })
    end
    return list
  end,
}

local read_buffer = codex.tool {
  name = "read_buffer",
  description = ("Lines of an open file as they are in the editor, unsaved changes included; at most %d."):format(
    MOST_LINES),
  parameters = {
    type = "object",
    properties = {
      buffer = { type = "integer", description = "its number; default: the one that the user is in" },
      first = { type = "integer", minimum = 1, description = "default: the first line" },
      last = { type = "integer", minimum = 1, description = "default: the last line" },
    },
  },
  run = function(arguments)
    local buffer, problem = find(arguments.buffer)
    if not buffer then return nil, problem end
    local first = arguments.first or 1
    local last = math.min(arguments.last or math.huge, first + MOST_LINES - 1)
    return table.concat(vim.api.nvim_buf_get_lines(buffer, first - 1, last, false), "\n")
  end,
}

local severities = { "error", "warning", "information", "hint" }

local diagnostics = codex.tool {
  name = "diagnostics",
  description = "What language servers and linters say of the files that are open in the editor.",
  parameters = {
    type = "object",
    properties = { buffer = { type = "integer", description = "only of this one; default: of all" } },
  },
  run = function(arguments)
    local list = codex.array {}
    for _, found in ipairs(vim.diagnostic.get(arguments.buffer)) do
      table.insert(list, {
        file = name_of(found.bufnr),
        line = found.lnum + 1,
        column = found.col + 1,
        severity = severities[found.severity],
        message = found.message,
        source = found.source,
      })
    end
    return list
  end,
}

local quickfix = codex.tool {
  name = "quickfix",
  description = "The editor's quickfix list: places that the user's last build or search has found.",
  run = function()
    local list = codex.array {}
    for _, entry in ipairs(vim.fn.getqflist()) do
      local file = entry.bufnr > 0 and name_of(entry.bufnr) or nil
      table.insert(list, { file = file, line = entry.lnum, column = entry.col, text = entry.text })
    end
    return list
  end,
}

local set_quickfix = codex.tool {
  name = "set_quickfix",
  description = "Puts places in files into the editor's quickfix list, for the user to go through, and opens it.",
  parameters = {
    type = "object",
    properties = {
      title = { type = "string" },
      places = {
        type = "array",
        items = {
          type = "object",
          properties = {
            file = { type = "string" },
            line = { type = "integer", minimum = 1 },
            text = { type = "string", description = "what is to be said of it" },
          },
          required = { "file", "line", "text" },
        },
      },
    },
    required = { "title", "places" },
  },
  run = function(arguments)
    local items = vim.tbl_map(function(place)
      return { filename = place.file, lnum = place.line, text = place.text }
    end, arguments.places)
    vim.fn.setqflist({}, " ", { title = arguments.title, items = items })
    local current = vim.api.nvim_get_current_win()
    vim.cmd "botright copen"
    vim.api.nvim_set_current_win(current)
  end,
}

M.namespace = codex.tool_namespace {
  name = "editor",
  description = "The editor that the user works in.",
  tools = { buffers, read_buffer, diagnostics, quickfix, set_quickfix },
}

return M
