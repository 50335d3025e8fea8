--- `vim.ui` in tasks: whoever asks waits for the answer, and the editor doesn't. There is one question at a time, and
--- none while somebody types, who would answer it by accident.

local codex = require "codex_nvim.module"

local M = {}

local TYPING_SECONDS = 0.2
local MOST_PREVIEW_LINES = 15

local turn = codex.channel(1) -- holds something while nobody asks
turn:send(true)

local function is_typing()
  local mode = vim.api.nvim_get_mode().mode
  return mode ~= "n" and mode ~= "nt" or vim.fn.getcmdwintype() ~= ""
end

local function wait_for_quiet(answered)
  if is_typing() then vim.notify "Codex has a question, for when you are back in normal mode" end
  while is_typing() and not answered.is_set do
    codex.sleep(TYPING_SECONDS)
  end
end

---@class codex_nvim.Preview
---@field lines string[]
---@field syntax string

-- Shows lines in a split at the top, as questions may stand at the bottom, without going there. Returns what closes it.
local function open_preview(preview)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, preview.lines)
  vim.api.nvim_buf_set_name(buffer, "codex://question")
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].syntax = preview.syntax
  local current = vim.api.nvim_get_current_win()
  vim.cmd(("topleft %dsplit"):format(math.min(#preview.lines, MOST_PREVIEW_LINES)))
  vim.api.nvim_win_set_buf(0, buffer)
  vim.cmd "setlocal nonumber norelativenumber signcolumn=no nofoldenable winfixheight"
  vim.api.nvim_set_current_win(current)
  vim.cmd "redraw"
  return function()
    if vim.api.nvim_buf_is_valid(buffer) then vim.api.nvim_buf_delete(buffer, { force = true }) end
  end
end

-- Has the question put to the user by `show(answer)`, which calls `answer(value)`, maybe later.
local function ask(request, preview, show)
  local answered, value, failure, close_preview = codex.event(), nil, nil, nil
  local function answer(given)
    value = given
    answered:set()
  end
  local function begin()
    close_preview = preview and open_preview(preview)
    show(answer)
  end
  request:when_cancelled(function()
    answered:set()
  end)
  turn:receive()
  wait_for_quiet(answered)
  -- scheduled, since it may return only when there is an answer
  vim.schedule(function()
    if answered.is_set then return end
    local shown, err = pcall(begin)
    if shown then return end
    failure = err
    answered:set()
  end)
  answered:wait()
  if close_preview then close_preview() end
  turn:send(true)
  if failure then error(failure, 0) end
  if not request.cancelled then return value end
end

--- As `vim.ui.select`, and returns the choice: nil for none, and when nobody wants it any more.
---@param request codex.ServerRequest
---@param items any[]
---@param options { prompt: string, format_item?: fun(item: any): string }
---@param preview? codex_nvim.Preview what it is about, in a split
---@return any
function M.select(request, items, options, preview)
  return ask(request, preview, function(answer)
    vim.ui.select(items, options, answer)
  end)
end

--- As `vim.ui.input`, in the same way. A secret isn't shown while it is typed.
---@param request codex.ServerRequest
---@param prompt string
---@param secret? boolean
---@return string?
function M.input(request, prompt, secret)
  return ask(request, nil, function(answer)
    if secret then return answer(vim.fn.inputsecret(prompt)) end
    vim.ui.input({ prompt = prompt }, answer)
  end)
end

return M
