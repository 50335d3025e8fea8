--- Ready-made answers to the questions that the agent has for its user: handlers for `user_input_handler`.

local options_of = require "codex.options"
local show = require "codex.show"
local terminals = require "codex.terminal"
local user_inputs = require "codex.user_input"

local M = {}

---@alias codex.UserInputHandler fun(request: codex.ServerRequest): table<string, string|string[]>?

---@class codex.ask.PromptOptions
---@field input? string the terminal to ask at, as a path; default the one that the program was started at
---@field output? { write: fun(self: any, text: string) } where the questions are shown; default that terminal

-- ---- one question ----

local function tell(session, indent, text)
  for _, row in ipairs(show.rows(show.line(text), session.columns - #indent)) do
    session:write(indent .. row .. "\n")
    indent = indent:gsub(".", " ")
  end
end

local function show_question(session, question, place)
  session:write("\nThe agent asks" .. place .. ":\n")
  if question.header and question.header ~= "" then tell(session, "  ", question.header) end
  tell(session, "  ", question.question)
  for index, option in ipairs(question.options or {}) do
    local description = option.description and option.description ~= "" and ": " .. option.description or ""
    tell(session, ("  %3d. "):format(index), option.label .. description)
  end
end

local function has_options(question)
  return question.options ~= nil and question.options[1] ~= nil
end

-- The answer that a line stands for, or nil.
local function answer_of(question, line)
  local trimmed = line:match "^%s*(.-)%s*$"
  for index, option in ipairs(question.options or {}) do
    local label = option.label
    if trimmed == tostring(index) or trimmed:lower() == label:lower() then return label end
  end
  if has_options(question) and trimmed:find "^%d+$" then return nil end -- one of the options was meant
  if user_inputs.takes_text(question) and trimmed ~= "" then return question.is_secret and line or trimmed end
end

local function invitation(question)
  local what = "A number, or Enter for no answer: "
  if not has_options(question) then
    what = "Your answer, or Enter for none: "
  elseif question.is_other then
    what = "A number, an answer of your own, or Enter for none: "
  end
  return question.is_secret and "(what you type isn't shown) " .. what or what
end

-- A line; what is typed for a secret isn't shown. Nil and a reason; "visible" when it would be shown.
local function read_line(session, question)
  if not question.is_secret then return session:read_line() end
  if not session:hide() then return nil, "visible" end
  session:forget()
  session:write(invitation(question))
  local line, reason = session:read_line()
  session:reveal()
  session:write "\n"
  return line, reason
end

-- The answer, false for none, or nil and why nobody answers any more.
local function ask_one(session, question, place)
  show_question(session, question, place)
  session:forget()
  while true do
    if not question.is_secret then session:write(invitation(question)) end
    local line, reason = read_line(session, question)
    if reason == "visible" then
      session:write "This is a secret, and the terminal can't hide it: no answer.\n"
      return false
    end
    if not line then return nil, reason end
    if line:find "^%s*$" then return false end
    local answer = answer_of(question, line)
    if answer then return answer end
  end
end

-- ---- all of a request ----

local function ask_all(session, request)
  local answers, questions = {}, request.questions or {}
  for index, question in ipairs(questions) do
    local place = #questions > 1 and (" (%d of %d)"):format(index, #questions) or ""
    local answer, reason = ask_one(session, question, place)
    if reason == "withdrawn" then
      session:write "\n(withdrawn: it doesn't matter any more)\n"
      return nil, reason
    elseif answer == nil then
      session:write "\n"
      return answers, reason
    end
    if answer then answers[question.id] = answer end
  end
  return answers
end

--- Asks at the terminal, as `codex.approve.prompt` does, and in turn with it: options by their number or label, free
--- text where the question takes it, Enter for no answer. What is typed for a secret isn't shown.
---
--- Without a terminal, in the background of one, and after Ctrl-D there are no answers, and that is said once on
--- stderr.
---@param options? codex.ask.PromptOptions
---@return codex.UserInputHandler
function M.prompt(options)
  options = options or {}
  options_of.check_names("ask.prompt", options, { input = true, output = true })
  terminals.check("ask.prompt", options)
  local terminal = terminals.at(options.input)
  return function(request)
    local answers, reason = terminals.ask(terminal, request, options.output, function(session)
      return ask_all(session, request)
    end)
    terminals.explain(terminal, reason, "the agent's questions get no answers")
    if reason == "withdrawn" then return nil end
    return answers or {}
  end
end

return M
