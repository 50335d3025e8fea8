--- Tokens of a ChatGPT account that the program looks after itself. No message holds one.

local core = require "codex.core"
local hint = require "codex.hint"

require "codex.interpreted"()

local M = {}

---@class codex.ChatgptTokens
---@field access_token string a JSON Web Token
---@field chatgpt_account_id string the workspace
---@field chatgpt_plan_type? string else what the token itself says of it

local names = { "access_token", "chatgpt_account_id", "chatgpt_plan_type" }
local known = { access_token = true, chatgpt_account_id = true, chatgpt_plan_type = true }

-- The server refuses an empty token, at the first request that needs it.
local function wrong_value(name, value)
  if value == nil and name == "chatgpt_plan_type" then return nil end
  if value == nil then return name .. ": missing, expected a string" end
  if type(value) ~= "string" then return ("%s: expected a string, got %s"):format(name, type(value)) end
  if not value:find "%S" then return name .. ": must not be blank" end
end

--- The tokens that somebody gave, as they are sent. Protocol: the result of `account/chatgptAuthTokens/refresh`.
---@param given codex.ChatgptTokens
---@return codex.protocol.ChatgptAuthTokensRefreshResponse?
---@return string? message what is wrong with them
function M.to_answer(given)
  if type(given) ~= "table" then return nil, "expected a table of tokens, got " .. type(given) end
  local tokens = {}
  for name, value in pairs(given) do
    if not known[name] then
      local meant = hint(name, names) -- any other name may be a token in the wrong place
      return nil, meant ~= "" and ("unknown name '%s'%s"):format(name, meant) or "unknown name"
    end
    if value ~= core.null then tokens[name] = value end
  end
  for _, name in ipairs(names) do
    local message = wrong_value(name, tokens[name])
    if message then return nil, message end
  end
  return tokens
end

return M
