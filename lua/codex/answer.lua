--- What handlers return, as the protocol's answers.

local lazy = require "codex.lazy"
local options_of = require "codex.options"

local elicitations = lazy "codex.elicitation"
local grants = lazy "codex.grant"
local tokens = lazy "codex.token"
local user_inputs = lazy "codex.user_input"

local M = {}

-- What a decision is called here → on the wire.
local words = {
  accept = "accept",
  accept_for_session = "acceptForSession",
  acceptForSession = "acceptForSession",
  decline = "decline",
  cancel = "cancel",
}
local our_words = { acceptForSession = "accept_for_session" }
local usual = { "accept", "accept_for_session", "decline", "cancel" }
local once = { "accept", "decline", "cancel" }

-- The two old methods decide in other words.
local old_words = {
  accept = "approved",
  acceptForSession = "approved_for_session",
  decline = { denied = { rejection = "the user declined" } },
  cancel = "abort",
}

-- ---- decisions ----

-- What the server says it takes, and what it takes as well where it doesn't say so.
local function offered(list, unsaid)
  local decisions, said = {}, {}
  for index, decision in ipairs(list) do
    decisions[index] = our_words[decision] or decision
    said[decisions[index]] = true
  end
  for _, decision in ipairs(unsaid) do
    if not said[decision] then decisions[#decisions + 1] = decision end
  end
  return decisions
end

-- A command to run holds for the session if told so; what is typed into one is asked about each time all the same.
local function command_decisions(params)
  local holds = params.kind == nil or params.kind == "command"
  local list = params.available_decisions
  if type(list) ~= "table" or #list == 0 then list = holds and usual or once end
  return offered(list, holds and { "accept_for_session", "decline" } or { "decline" })
end

--- What an approval may be answered with; nil for what isn't one.
---@param request codex.ServerRequest
---@return (string|table)[]?
function M.decisions(request)
  local kind = request.kind
  if kind == "command" then return command_decisions(request.params) end
  if kind == "file_change" or kind == "permissions" then return offered(usual, {}) end
  if kind == "mcp_tool" then return elicitations.approval_decisions(request) end
  if kind == "elicitation" then return offered(once, {}) end
  return nil
end

local function expected(request)
  local names, named = {}, {}
  for _, decision in ipairs(request.decisions) do
    local member = type(decision) == "table" and tostring((next(decision)))
    local name = member and ("{ %s = ... }"):format(member) or ("'%s'"):format(decision)
    if not named[name] then names[#names + 1] = name end
    named[name] = true
  end
  return table.concat(names, ", ") .. ", a boolean or a table of the protocol's answer"
end

local function is_empty(value)
  return type(value) == "table" and next(value) == nil
end

local function shown(value)
  if is_empty(value) then return "an empty table" end
  if type(value) == "table" and value.decision ~= nil then
    return is_empty(value.decision) and "{ decision = {} }" or "{ decision = ... }"
  end
  if type(value) ~= "string" then return type(value) end
  return #value > 40 and "a string" or "'" .. value .. "'"
end

local function refuse(request, value)
  return nil, ("expected %s, got %s"):format(expected(request), shown(value))
end

-- The decision as a word of the wire, if it is one.
local function word_of(value)
  if value == true then return "accept" end
  if value == false then return "decline" end
  return type(value) == "string" and words[value] or nil
end

-- ---- permissions ----

local function permissions_result(request, value)
  local word = word_of(value)
  if word == "accept" then return { permissions = request.params.permissions, scope = "turn" } end
  if word == "acceptForSession" then return { permissions = request.params.permissions, scope = "session" } end
  if word then return { permissions = {}, scope = "turn" } end
  if type(value) ~= "table" or value.decision ~= nil then return refuse(request, value) end
  if not grants.is_within(value.permissions, request.params.permissions) then
    return nil, "it grants more than was asked for"
  end
  return value
end

-- ---- by kind ----

-- Of kinds that are answered in the protocol's shape only; nothing stands for the safe answer.
local function free_result(value)
  if value == nil or value == false or type(value) == "table" then return value or nil end
  return nil, "expected a table, got " .. shown(value)
end

-- Whether a handler has returned a table in which a decision could be.
local function may_decide(value)
  return type(value) == "table" and not is_empty(value) and not is_empty(value.decision)
end

local function old_result(request, value)
  local word = word_of(value)
  if word then return { decision = old_words[word] } end
  if not may_decide(value) then return refuse(request, value) end
  return value
end

-- A table is the protocol's answer, or one of its decisions.
local function decision_result(request, value)
  if not request.method:find "/" then return old_result(request, value) end
  local word = word_of(value)
  if word then return { decision = word } end
  if not may_decide(value) then return refuse(request, value) end
  if value.decision == nil then return { decision = value } end
  word = words[value.decision]
  return word and options_of.merged(value, { decision = word }) or value
end

local by_kind = {
  command = decision_result,
  file_change = decision_result,
  permissions = permissions_result,
  mcp_tool = function(request, value)
    return elicitations.approval_to_answer(request, value)
  end,
  elicitation = function(request, value)
    return elicitations.to_answer(request, value)
  end,
  user_input = function(request, value)
    return user_inputs.to_answer(request, value)
  end,
  token_refresh = function(_, value)
    if value then return tokens.to_answer(value) end
  end,
  attestation = function(_, value)
    if type(value) == "string" then return { token = value } end
    return free_result(value)
  end,
}

--- The protocol's answer for what a handler returned. Nil for none, which gets the safe answer; then with a message if
--- that is a mistake.
---@param request codex.ServerRequest
---@param value any
---@return table? result
---@return string? message
function M.result(request, value)
  local convert = by_kind[request.kind]
  local result, message
  if convert then
    result, message = convert(request, value)
  else
    result, message = free_result(value)
  end
  return result, message and ("%s: the handler's answer can't be sent: %s"):format(request.method, message)
end

return M
