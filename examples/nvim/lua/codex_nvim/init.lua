--- What the commands do. All of it returns at once; what waits runs in tasks.

local M = {}

---@class codex_nvim.Options
---@field client? codex.ClientOptions for `codex.new`: `codex_bin`, `config_overrides`, …
---@field thread? codex.ThreadOptions for `client:thread_start`: `sandbox`, `model`, `approval_mode`, …

---@type codex_nvim.Options
M.options = {}

local session ---@type codex_nvim.Session?
local tried ---@type { [1]: boolean, [2]: table|string }?

--- Sets options, for conversations from now on. Needn't be called.
---@param given? codex_nvim.Options
function M.setup(given)
  M.options = given or {}
end

local function complain(text)
  vim.notify("Codex: " .. text, vim.log.levels.WARN)
end

--- Loads the module `codex`, if it can be. Tried once: LuaJIT doesn't say again why a module didn't load.
---@return boolean loaded
---@return table|string codex why not, if it isn't
function M.load()
  tried = tried or { pcall(require, "codex_nvim.module") }
  return tried[1], tried[2]
end

--- Asks, in the conversation that goes on or in a new one, and shows it. Questions are answered in turn.
---@param prompt string may be empty: then the conversation is only shown
---@param how? { new?: boolean, shown?: string } `shown`: what stands for the prompt in the conversation
function M.ask(prompt, how)
  how = how or {}
  if not M.load() then return complain "the Lua module doesn't load; `:checkhealth codex` says why" end
  if session and (how.new or session.over) then
    session:close()
    session = nil
  end
  session = session or require("codex_nvim.session").new(M.options)
  session.view:open()
  if prompt ~= "" then session:ask(prompt, how.shown or prompt) end
end

-- A fence that the code doesn't hold itself.
local function fenced(code, language)
  local fence = "```"
  while code:find(fence, 1, true) do
    fence = fence .. "`"
  end
  return ("%s%s\n%s\n%s"):format(fence, language, code, fence)
end

--- Sends lines of the current buffer.
---@param first integer
---@param last integer
---@param question? string
function M.send(first, last, question)
  local code = table.concat(vim.api.nvim_buf_get_lines(0, first - 1, last, false), "\n")
  local name = vim.fn.expand "%:~:."
  local place = ("%s:%d-%d"):format(name == "" and "[No Name]" or name, first, last)
  question = question and question ~= "" and question .. "\n\n" or ""
  M.ask(("%s%s\n%s"):format(question, place, fenced(code, vim.bo.filetype)), { shown = question .. place })
end

--- Adds to what Codex was asked, while it works.
---@param text string
function M.steer(text)
  if not (session and session.turn) then return complain "there is nothing to steer" end
  session:steer(text)
end

--- Stops the turn that runs, and forgets what was asked besides.
function M.stop()
  if not (session and next(session.asking)) then return complain "there is nothing to stop" end
  session:stop()
end

return M
