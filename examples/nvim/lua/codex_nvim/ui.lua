--- `vim.ui` in tasks: whoever asks waits for the answer, and the editor doesn't. There is one question at a time, and
--- none while somebody types, who would answer it by accident.

local codex = require "codex_nvim.module"

local M = {}

local TYPING_SECONDS = 0.2
local MOST_PREVIEW_LINES = 15

local AGAIN = {} -- an answer that is none yet

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

-- Shows lines in a split at the top, as questions may stand at the bottom, without going there.
local function open_preview(preview)
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, preview.lines)
  vim.api.nvim_buf_set_name(buffer, "codex://question")
  vim.bo[buffer].bufhidden = "wipe"
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].syntax = preview.syntax
  local current = vim.api.nvim_get_current_win()
  vim.cmd(("topleft %dsplit"):format(math.min(#preview.lines, MOST_PREVIEW_LINES)))
  local window = vim.api.nvim_get_current_win()
  vim.api.nvim_win_set_buf(window, buffer)
  vim.cmd "setlocal nonumber norelativenumber signcolumn=no nofoldenable winfixheight"
  vim.api.nvim_set_current_win(current)
  return window, buffer
end

local function close_preview(buffer)
  if buffer and vim.api.nvim_buf_is_valid(buffer) then vim.api.nvim_buf_delete(buffer, { force = true }) end
end

-- Has the question put to the user by `show(answer, window)`, which calls `answer(value)`, maybe later, or
-- `answer(AGAIN)` for the question to be put once more. `window` is that of the preview.
local function ask(request, preview, show)
  local answered = codex.event()
  local value, failure, buffer, put
  local function answer(given)
    if given == AGAIN then return vim.schedule(put) end
    value = given
    answered:set()
  end
  local function begin()
    local window
    if preview then
      window, buffer = open_preview(preview)
    end
    vim.cmd "redraw"
    show(answer, window)
  end
  function put()
    if answered.is_set then return end
    local shown, err = pcall(begin)
    if shown then return end
    failure = err
    answered:set()
  end
  request:when_cancelled(function()
    answered:set()
  end)
  turn:receive()
  wait_for_quiet(answered)
  -- scheduled, since it may return only when there is an answer
  vim.schedule(put)
  answered:wait()
  close_preview(buffer)
  turn:send(true)
  if failure then error(failure, 0) end
  if not request.cancelled then return value end
end

local function shows_all(window)
  return vim.fn.line("w$", window) == vim.api.nvim_buf_line_count(vim.api.nvim_win_get_buf(window))
end

-- Goes to the preview, and asks again when the user has closed it.
local function let_read(window, answer)
  if not vim.api.nvim_win_is_valid(window) then return answer(AGAIN) end
  vim.api.nvim_set_current_win(window)
  vim.api.nvim_create_autocmd("BufWipeout", {
    buffer = vim.api.nvim_win_get_buf(window),
    once = true,
    callback = function()
      answer(AGAIN)
    end,
  })
end

--- As `vim.ui.select`, and returns the choice: nil for none, and when nobody wants it any more. If the preview doesn't
--- fit into its window, there is one choice more: to read it.
---@param request codex.ServerRequest
---@param items any[]
---@param options { prompt: string, format_item?: fun(item: any): string }
---@param preview? codex_nvim.Preview what it is about, in a split
---@return any
function M.select(request, items, options, preview)
  local format = options.format_item or tostring
  options = vim.tbl_extend("force", options, {
    format_item = function(item)
      return item == AGAIN and "Let me read it all: ask again when I close it" or format(item)
    end,
  })
  return ask(request, preview, function(answer, window)
    local fits = not window or shows_all(window)
    local choices = fits and items or vim.list_extend(vim.list_slice(items), { AGAIN })
    vim.ui.select(choices, options, function(choice)
      if choice ~= AGAIN then return answer(choice) end
      let_read(window, answer)
    end)
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
