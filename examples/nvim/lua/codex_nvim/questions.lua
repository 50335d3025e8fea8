--- Puts the agent's questions to the user.

local texts = require "codex_nvim.text"
local ui = require "codex_nvim.ui"

local M = {}

local OTHER = { label = "Something else…" }

local function format(option)
  local described = option.description and option.description ~= ""
  return texts.line(described and option.label .. ": " .. option.description or option.label, 200)
end

local function ask(request, question)
  local prompt = texts.line(question.question, 400)
  local options = vim.list_extend({}, question.options or {})
  if options[1] then
    if question.is_other then table.insert(options, OTHER) end
    local choice = ui.select(request, options, { prompt = prompt, format_item = format })
    if choice ~= OTHER then return choice and choice.label end
  end
  return ui.input(request, prompt .. " ", question.is_secret)
end

--- A handler of questions. One that is dismissed gets no answer.
---@param request codex.ServerRequest
---@return table<string, string>?
function M.handler(request)
  local answers = {}
  for _, question in ipairs(request.questions) do
    answers[question.id] = ask(request, question)
    if request.cancelled then return nil end
  end
  return answers
end

return M
