--- The buffer that shows a conversation: what was said as text, and, below it, what goes on just now as virtual lines.
---
--- Text comes in many small pieces. They are gathered and written a few times a second, however many there are.

local texts = require "codex_nvim.text"

local M = {}

local FLUSH_MS = 40

local namespace = vim.api.nvim_create_namespace "codex_nvim"

---@class codex_nvim.View
---@field buffer integer
local View = {}
View.__index = View

local conversations = 0

-- They are the buffer's in that window: another buffer there has those of the user's.
local function set_window_options()
  vim.cmd "setlocal wrap linebreak nonumber norelativenumber nolist nospell signcolumn=no foldcolumn=0"
  if vim.fn.exists "+smoothscroll" == 1 then vim.cmd "setlocal smoothscroll" end
end

---@return codex_nvim.View
function M.new()
  conversations = conversations + 1
  local buffer = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buffer, "codex://" .. conversations)
  -- the last line stays empty: virtual lines stand above it, as those below the last line aren't always in sight
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, { "", "" })
  vim.bo[buffer].undolevels = -1
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].filetype = "codex"
  vim.api.nvim_create_autocmd("BufWinEnter", { buffer = buffer, callback = set_window_options })
  return setmetatable({
    buffer = buffer,
    _pending = {}, -- text to be written
    _tail = "", -- the last two characters, written or pending
    _said = {}, -- item id → how many bytes of it came
    _running = {}, -- items that run, in order: { id =, label = }
    _waiting = {}, -- what the user has asked besides, in order: { key =, label = }
  }, View)
end

-- ---- windows ----

-- A window of this tab page that shows some conversation.
local function conversation_window()
  for _, window in ipairs(vim.api.nvim_tabpage_list_wins(0)) do
    if vim.bo[vim.api.nvim_win_get_buf(window)].filetype == "codex" then return window end
  end
end

-- The last line; but one above it that is higher than the window is out of sight altogether, unless the cursor is on
-- it or the window scrolls smoothly.
local function end_of(window)
  local buffer = vim.api.nvim_win_get_buf(window)
  local last = vim.api.nvim_buf_line_count(buffer)
  local text = vim.api.nvim_buf_get_lines(buffer, last - 2, last - 1, true)[1]
  local cells = vim.api.nvim_win_get_width(window) * vim.api.nvim_win_get_height(window)
  local is_higher = vim.fn.exists "+smoothscroll" == 0 and #text > cells and vim.fn.strdisplaywidth(text) > cells
  return is_higher and { last - 1, #text } or { last, 0 }
end

local function go_to_end(window)
  vim.api.nvim_win_set_cursor(window, end_of(window))
end

--- Shows the buffer in a window, without going there.
function View:open()
  local window = conversation_window()
  if not window then
    local current = vim.api.nvim_get_current_win()
    vim.cmd "botright vsplit"
    window = vim.api.nvim_get_current_win()
    vim.api.nvim_set_current_win(current)
  end
  vim.api.nvim_win_set_buf(window, self.buffer)
  go_to_end(window)
end

--- Calls `fn` when the buffer is deleted, wiped out or edited anew. Nothing is shown from then on.
---@param fn fun()
function View:when_unloaded(fn)
  vim.api.nvim_create_autocmd("BufUnload", {
    buffer = self.buffer,
    once = true,
    callback = function()
      self._gone = true
      fn()
    end,
  })
end

-- Those whose cursor is at the end follow the text.
local function following(buffer)
  return vim.tbl_filter(function(window)
    return vim.api.nvim_win_get_cursor(window)[1] >= end_of(window)[1]
  end, vim.fn.win_findbuf(buffer))
end

-- ---- writing ----

local function insert(buffer, text)
  local last = vim.api.nvim_buf_line_count(buffer) - 2
  local column = #vim.api.nvim_buf_get_lines(buffer, last, last + 1, true)[1]
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_text(buffer, last, column, last, column, vim.split(text, "\n", { plain = true }))
  vim.bo[buffer].modifiable = false
end

--- Writes what is pending.
function View:flush()
  if self._gone then return end
  local windows = following(self.buffer)
  local text = table.concat(self._pending)
  self._pending = {}
  if text ~= "" then insert(self.buffer, text) end
  self:_write_status()
  for _, window in ipairs(windows) do
    go_to_end(window)
  end
end

function View:_flush_soon()
  if self._flushing then return end
  self._flushing = true
  vim.defer_fn(function()
    self._flushing = false
    self:flush()
  end, FLUSH_MS)
end

function View:_append(text)
  if text == "" then return end
  self._pending[#self._pending + 1] = text
  self._tail = (self._tail .. text):sub(-2)
  self:_flush_soon()
end

-- An empty line between what is there and what comes; none between items.
function View:_begin_block(is_item)
  local newlines = is_item and self._after_item and 1 or 2
  if self._tail ~= "" then self:_append(("\n"):rep(newlines - #self._tail:match "\n*$")) end
  self._after_item = is_item
end

-- Adds text that ends a line, and stands out.
function View:_add_marked(text, highlight)
  self:_append(text)
  self:flush()
  if self._gone then return end
  local row = vim.api.nvim_buf_line_count(self.buffer) - 2
  local column = #vim.api.nvim_buf_get_lines(self.buffer, row, row + 1, true)[1]
  vim.api.nvim_buf_set_extmark(self.buffer, namespace, row, column - #text, { end_col = column, hl_group = highlight })
end

--- Adds what the user said.
---@param text string
function View:quote(text)
  self:_begin_block()
  self:_append("> " .. text:gsub("\n", "\n> "))
end

--- Adds a piece of what the agent says.
---@param id string of the message
---@param text string
function View:say(id, text)
  if not self._said[id] then self:_begin_block() end
  self._said[id] = (self._said[id] or 0) + #text
  self:_append(text)
end

--- Adds what didn't come in pieces.
---@param id string
---@param text string all of the message
function View:finish_saying(id, text)
  self:say(id, text:sub((self._said[id] or 0) + 1))
end

--- Says that something went wrong.
---@param text string
function View:complain(text)
  text = text:gsub("\n", " ")
  self:_begin_block()
  self:_add_marked(text, "CodexFailed")
end

-- ---- what goes on ----

local boxes = { completed = "[x] ", inProgress = "[-] ", pending = "[ ] " }

function View:_status_lines()
  local lines = {}
  for _, step in ipairs(self._plan or {}) do
    local highlight = step.status == "inProgress" and "CodexPlanActive" or "CodexPlan"
    lines[#lines + 1] = { { (boxes[step.status] or "[ ] ") .. step.step, highlight } }
  end
  for _, item in ipairs(self._running) do
    lines[#lines + 1] = { { "▸ " .. item.label, "CodexRunning" } }
  end
  local note = self._note or self._works and not self._running[1] and "working"
  if note then lines[#lines + 1] = { { "▸ " .. note, "CodexNote" } } end
  for _, prompt in ipairs(self._waiting) do
    lines[#lines + 1] = { { "> " .. prompt.label, "CodexNote" } }
  end
  return lines
end

function View:_write_status()
  local lines = self:_status_lines()
  if not lines[1] then
    if self._status then vim.api.nvim_buf_del_extmark(self.buffer, namespace, self._status) end
    self._status = nil
    return
  end
  local last = vim.api.nvim_buf_line_count(self.buffer) - 1
  table.insert(lines, 1, { { "" } })
  self._status = vim.api.nvim_buf_set_extmark(self.buffer, namespace, last, 0, {
    id = self._status,
    virt_lines = lines,
    virt_lines_above = true,
  })
end

--- The user has asked something that has to wait.
---@param key any
---@param text string
function View:await(key, text)
  table.insert(self._waiting, { key = key, label = texts.line(text, 100) })
  self:flush()
end

--- It waits no longer.
---@param key any
function View:stop_awaiting(key)
  self._waiting = vim.tbl_filter(function(prompt)
    return prompt.key ~= key
  end, self._waiting)
  self:_flush_soon()
end

--- Something has begun that takes its time.
---@param id string
---@param label? string nil: it isn't shown
function View:begin(id, label)
  if not label then return end
  table.insert(self._running, { id = id, label = label })
  self:_flush_soon()
end

--- It has ended, and is put down.
---@param id string
---@param label string
---@param words string how it ended
---@param well boolean
function View:finish(id, label, words, well)
  self._running = vim.tbl_filter(function(item)
    return item.id ~= id
  end, self._running)
  self:_begin_block(true)
  self:_append("    " .. label .. " ")
  self:_add_marked("(" .. words .. ")", well and "CodexDone" or "CodexFailed")
end

---@param plan codex.protocol.TurnPlanStep[]
function View:set_plan(plan)
  self._plan = plan
  self:_flush_soon()
end

--- What there is to say besides, if anything.
---@param text? string
function View:set_note(text)
  self._note = text
  self:_flush_soon()
end

--- A turn goes on from now on.
function View:set_working()
  self._works = true
  self:_flush_soon()
end

--- Nothing goes on any more.
function View:set_idle()
  self._works, self._running, self._plan, self._note = false, {}, nil, nil
  self:flush()
end

return M
