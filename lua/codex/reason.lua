--- One word for what went wrong, out of what the server says in a sentence, or in a shape of its own.

require "codex.interpreted"()

local M = {}

-- Whole messages in the server's own spelling: a text of the user's that is quoted inside one gives no reason.
local sentences = {
  { "^no active turn to interrupt$", "no_active_turn" },
  { "^no active turn to steer$", "no_active_turn" },
  -- turn/steer puts the ids, of which the first is the user's, in backticks; turn/interrupt doesn't
  { "^expected active turn id .* but found %S+$", "turn_mismatch" },
  { "^no rollout found for thread id %S+$", "no_rollout" },
  { "^no archived rollout found for thread id %S+$", "no_rollout" },
  { "^thread not found: %S+$", "thread_not_found" },
  { "^thread not loaded: %S+$", "thread_not_found" },
  { "^thread %S+ already has an active writer$", "active_writer" },
  { "^%S+ requires experimentalApi capability$", "needs_experimental" },
  { "^goals feature is disabled$", "goals_disabled" },
  { "^ephemeral thread does not support goals: %S+$", "ephemeral_thread" },
  { "^goal objective must not be empty$", "goal_empty" },
  { "^goal objective must be at most %d+ characters$", "goal_too_long" },
  { "^cannot update goal for thread %S+: no goal exists$", "no_goal" },
}

--- What the server answers to a method it doesn't know: the methods that it does. Nil for any other message; a value
--- that is none of an enumeration's is refused in the same words, but with other names after them.
---@param method string
---@param message string
---@return string[]?
function M.known_methods(method, message)
  local refusal = "Invalid request: unknown variant `" .. method .. "`, expected one of "
  if message:sub(1, #refusal) ~= refusal then return nil end
  local list, names = message:sub(#refusal + 1), {}
  -- nothing but names, so that it can't be a value of the user's that says the same
  local rest = list:gsub("`([%w/_]+)`", function(name)
    names[#names + 1] = name
    return ""
  end)
  if names[1] ~= "initialize" or rest ~= (", "):rep(#names - 1) then return nil end
  return names
end

-- contextWindowExceeded → context_window_exceeded: a word of ours for a value that is the wire's.
local function to_snake(name)
  return (name:gsub("(%l)(%u)", "%1_%2"):gsub("(%d)(%u)", "%1_%2"):gsub("(%u)(%u%l)", "%1_%2"):lower())
end

local function first_name(members)
  local first
  for name in pairs(members) do
    if type(name) == "string" and (not first or name < first) then first = name end
  end
  return first
end

--- The kind of a `codex_error_info`, which is a string, or a table whose one member has that name; and the HTTP status
--- in it, where there is one.
---@param info any
---@return string? reason
---@return integer? http_status
function M.of_info(info)
  if type(info) == "string" then return to_snake(info) end
  local name = type(info) == "table" and first_name(info)
  if not name then return nil end
  local details = info[name]
  local status = type(details) == "table" and (details.http_status_code or details.httpStatusCode)
  return to_snake(name), type(status) == "number" and status or nil
end

--- The reason for a failed request, where there is one.
---@param method string
---@param message string
---@param data any
---@return string?
function M.of_request(method, message, data)
  if type(data) == "table" then
    if data.input_error_code == "input_too_large" then return "input_too_large" end
    local reason = M.of_info(data.codexErrorInfo)
    if reason then return reason end
  end
  for _, sentence in ipairs(sentences) do
    if message:find(sentence[1]) then return sentence[2] end
  end
  return M.known_methods(method, message) and "unknown_method" or nil
end

local function is_overloaded_word(value)
  return type(value) == "string" and value:gsub("[_-]", ""):lower() == "serveroverloaded"
end

--- Whether the data of an error say that the server is overloaded: in any spelling, at any depth.
---@param data any
---@return boolean
function M.says_overloaded(data)
  if type(data) ~= "table" then return is_overloaded_word(data) end
  for name, value in pairs(data) do
    if is_overloaded_word(name) or M.says_overloaded(value) then return true end
  end
  return false
end

return M
