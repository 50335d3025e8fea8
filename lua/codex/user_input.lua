--- Questions of the model to the user: what a handler returns, checked and turned into the protocol's answer. Protocol:
--- `item/tool/requestUserInput`.
---
--- No message holds an answer to a secret question.

local hint = require "codex.hint"
local options_of = require "codex.options"

require "codex.interpreted"()

local M = {}

---@class codex.Question
---@field id string the key of its answer
---@field header string a short label
---@field question string a sentence
---@field options? { label: string, description: string }[] what to choose from, by label
---@field is_other? boolean other texts than the labels will do as well; so it is for all that 0.169 servers ask
---@field is_secret? boolean the answer must not be shown

---@alias codex.Answers table<string, string|string[]> by the questions' ids; those left out stay unanswered

--- Whether any text answers a question.
---@param question codex.Question
---@return boolean
function M.takes_text(question)
  return question.is_other == true or #(question.options or {}) == 0
end

-- What is wrong with an answer as a choice, nil if nothing is.
local function wrong_choice(question, answer)
  if M.takes_text(question) then return nil end
  local labels = {}
  for index, option in ipairs(question.options) do
    if option.label == answer then return nil end
    labels[index] = option.label
  end
  local got = question.is_secret and "something else" or ("'%s'%s"):format(answer, hint(answer, labels))
  return ("expected one of '%s', got %s"):format(table.concat(labels, "', '"), got)
end

-- One answer, a list of them, or the protocol's `{ answers = { … } }`, as that; else nil and what is wrong.
local function answers_to(question, given)
  if type(given) == "string" then given = { given } end
  if type(given) == "table" and type(given.answers) == "table" then given = given.answers end
  if type(given) ~= "table" or not options_of.is_list(given, #given) then
    local got = type(given) == "table" and "another table" or type(given)
    return nil, ("%s: expected a string or a list of strings, got %s"):format(question.id, got)
  end
  local answers = {}
  for index, answer in ipairs(given) do
    local problem = type(answer) == "string" and wrong_choice(question, answer)
    if type(answer) ~= "string" then problem = "expected a string, got " .. type(answer) end
    if problem then return nil, ("%s: %s"):format(question.id, problem) end
    answers[index] = answer
  end
  return { answers = answers }
end

-- The members of `{ answers = { … } }`, the protocol's shape. A question may have the id "answers": then that is its
-- answer in the protocol's shape, and comes to the same.
local function by_id(returned)
  local inner = rawget(returned, "answers")
  local alone = inner ~= nil and next(returned, next(returned)) == nil
  return alone and type(inner) == "table" and inner[1] == nil and inner or returned
end

-- Who mistook the answers for the ids has a secret there.
local function unknown_id(id, ids, has_secret)
  if has_secret then return ("expected answers to '%s', got another id"):format(table.concat(ids, "', '")) end
  return ("no question has the id '%s'%s"):format(tostring(id), hint(tostring(id), ids))
end

--- The protocol's answer for what a handler has returned: answers by question id, the protocol's shape, or false or
--- nothing for no answers. An option is chosen by its exact label; other texts pass where the question takes them.
---@param request { questions: codex.Question[] }
---@param returned codex.Answers|codex.protocol.ToolRequestUserInputResponse|false|nil
---@return codex.protocol.ToolRequestUserInputResponse?
---@return string? message what is wrong with it
function M.to_answer(request, returned)
  if returned == nil or returned == false then return { answers = {} } end
  if type(returned) ~= "table" then
    return nil, "expected a table of answers by the questions' ids, got " .. type(returned)
  end
  local questions, ids, answers, has_secret = {}, {}, {}, false
  for index, question in ipairs(request.questions or {}) do
    questions[question.id], ids[index] = question, question.id
    has_secret = has_secret or question.is_secret == true
  end
  for id, given in pairs(by_id(returned)) do
    if not questions[id] then return nil, unknown_id(id, ids, has_secret) end
    local message
    answers[id], message = answers_to(questions[id], given)
    if message then return nil, message end
  end
  return { answers = answers }
end

return M
