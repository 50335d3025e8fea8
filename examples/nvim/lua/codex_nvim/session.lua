--- One conversation: a server, a thread, a buffer that shows it, and a task for each question.

local codex = require "codex_nvim.module"
local approve = require "codex_nvim.approve"
local questions = require "codex_nvim.questions"
local tools = require "codex_nvim.tools"
local turns = require "codex_nvim.turns"
local views = require "codex_nvim.view"

local M = {}

-- Seconds that the editor's end may take for the server's.
local LEAVE_SECONDS = 3

---@class codex_nvim.Session
---@field view codex_nvim.View
---@field asking table<table, true> questions that aren't answered yet, each with a task of its own
---@field turn? codex.Turn the one that runs
---@field cwd string the folder that it is about
---@field client? codex.Client once it has started
---@field connecting codex.Task which returns the thread
---@field leaving? integer what ends the server with the editor
---@field questions integer of the agent's, that wait for the user
---@field over boolean nothing can be asked any more
local Session = {}
Session.__index = Session

local function notify_error(err, about)
  local what = about and about.method and about.method .. ": " or ""
  vim.notify("Codex: " .. what .. tostring(err), vim.log.levels.ERROR)
end

-- A handler that the conversation tells of while it waits for the user.
local function announced(session, handler)
  return function(request)
    session.questions = session.questions + 1
    session.view:set_note "waiting for your answer"
    session.view:flush()
    local returned, answer = pcall(handler, request)
    session.questions = session.questions - 1
    if session.questions == 0 then session.view:set_note() end
    if not returned then error(answer, 0) end
    return answer
  end
end

-- Starts the server and the thread; runs in a task of its own, since many may wait for it.
local function connect(session, options)
  session.client = codex.new(vim.tbl_extend("keep", options.client or {}, {
    approval_handler = announced(session, approve.handler),
    user_input_handler = announced(session, questions.handler),
    client_name = "codex_nvim",
    client_title = "Codex in Neovim",
  }))
  session.client:on("handler_error", notify_error)
  return session.client:thread_start(vim.tbl_extend("keep", options.thread or {}, {
    cwd = session.cwd,
    tools = { tools.namespace },
  }))
end

--- Begins a conversation. The server starts meanwhile.
---@param options codex_nvim.Options
---@return codex_nvim.Session
function M.new(options)
  local session = setmetatable({
    asking = {},
    cwd = vim.fn.getcwd(),
    over = false,
    questions = 0,
    view = views.new(),
  }, Session)
  session.connecting = codex.spawn(connect, session, options)
  session.view:when_unloaded(function()
    session:close()
  end)
  session.leaving = vim.api.nvim_create_autocmd("VimLeavePre", {
    callback = function()
      pcall(codex.wait, session:close(), LEAVE_SECONDS)
    end,
  })
  return session
end

-- Runs in a task: waits until it is this question's turn, and shows what comes of it.
local function answer(session, question)
  local thread = session.connecting:join()
  question.turn = thread:turn(question.prompt)
  session.turn = question.turn
  session.view:stop_awaiting(question)
  session.view:quote(question.shown)
  turns.show(question.turn, session.view)
end

local final = { closed = true, protocol = true, transport_closed = true }

-- Whether nothing can be asked any more after an error.
local function is_final(session, err)
  return session.connecting.status == "failed" or codex.is_error(err) and final[err.kind]
end

-- A question is over, well or not.
local function conclude(session, question, err)
  session.asking[question] = nil
  session.view:stop_awaiting(question)
  if session.turn == question.turn then
    session.turn = nil
    session.view:set_idle()
  end
  if not err then return end
  session.over = session.over or is_final(session, err)
  local stopped = codex.is_error(err, "cancelled")
  if not question.turn and not stopped then session.view:quote(question.shown) end
  if question.turn or not stopped then session.view:complain(stopped and "stopped" or tostring(err)) end
end

---@param prompt string
---@param shown string what stands for it in the conversation
function Session:ask(prompt, shown)
  local question = { prompt = prompt, shown = shown }
  question.task = codex.spawn(function()
    local answered, err = pcall(answer, self, question)
    conclude(self, question, not answered and err or nil)
  end)
  self.asking[question] = true
  self.view:await(question, shown)
end

---@param text string
function Session:steer(text)
  local turn = self.turn
  codex.spawn(function()
    local steered, err = pcall(turn.steer, turn, text)
    if not steered then return notify_error(err) end
    self.view:quote(text)
  end)
end

--- A task that is cancelled interrupts the turn that it waits for.
function Session:stop()
  for question in pairs(self.asking) do
    question.task:cancel()
    self.view:stop_awaiting(question) -- a task that hasn't begun never does
  end
  self.asking = {}
end

--- Ends the server. May be called again.
---@return codex.Task task over when it has gone
function Session:close()
  self.over = true
  self:stop()
  self.connecting:cancel()
  return codex.spawn(function()
    pcall(self.connecting.join, self.connecting)
    if self.client then self.client:close() end
    if self.leaving then vim.api.nvim_del_autocmd(self.leaving) end
    self.leaving = nil
  end)
end

return M
