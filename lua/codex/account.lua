--- Logging in and out.

local core = require "codex.core"
local errors = require "codex.error"
local lazy = require "codex.lazy"
local options_of = require "codex.options"
local subscriptions = require "codex.subscription"
local task = require "codex.task"

local token = lazy "codex.token"

local M = {}

---@class codex.LoginCompleted
---@field success boolean
---@field login_id? string
---@field error? string why it failed

--- A login that a person has to go through, in a browser.
---@class codex.Login
---@field login_id string
---@field auth_url? string of `login_chatgpt`: what to open
---@field verification_url? string of `login_chatgpt_device_code`: where to enter the code
---@field user_code? string of `login_chatgpt_device_code`
local Login = {}
Login.__index = Login

function Login:__tostring()
  return "codex login " .. self.login_id
end

-- Looks through the completions that have come: other logins have theirs as well.
function Login:_read()
  while not self._completed and not self._over do
    local event, nothing = self._feed._handle:next()
    if event then
      local told = event.params
      if type(told) == "table" and told.login_id == self.login_id then self._completed = told end
    elseif nothing == "empty" then
      return self._feed._handle:watch()
    else
      self._over = nothing
    end
  end
  self._feed:close()
  task.wake(self._waiting)
end

-- Sends the request and makes the handle. What comes before the answer counts: the login may be over by then.
local function start(client, label, params)
  local feed = subscriptions.open(client, { methods = { "account/login/completed" } })
  local answer = client:_call("account/login/start", params, { label = label })
  if type(answer) ~= "table" or type(answer.login_id) ~= "string" then
    errors.raise("protocol", label .. ": the server's answer names no login", { method = "account/login/start" })
  end
  answer.type = nil
  answer._client, answer._feed, answer._waiting = client, feed, {}
  local login = setmetatable(answer, Login)
  feed._ready = function()
    login:_read()
  end
  feed._handle:watch()
  return login
end

--- Waits until the login is over, whether it succeeded or not; a newer login ends an older one, without success. May be
--- called again, and from several tasks. Raises `timeout` when that takes longer than so many seconds, `closed` or
--- `transport_closed` when it can't be known any more. Protocol: `account/login/completed`.
---@param options? { timeout?: number }
---@return codex.LoginCompleted
function Login:wait(options)
  options = options or {}
  options_of.check_names("login:wait", options, { timeout = true })
  options_of.check_seconds("login:wait", options, "timeout")
  local deadline = options.timeout and core.now() + options.timeout
  while not self._completed and not self._over do
    local reason = task.park(self._waiting, deadline, true)
    if reason == "cancelled" then task.raise_cancelled() end
    if reason == "timeout" then errors.raise("timeout", "nobody has logged in by now") end
  end
  if self._completed then return self._completed end
  local kind, _, message = self._client._core:error()
  self._client:_raise(kind or "overflow", message or "too many other logins were completed")
end

--- Gives the login up. Protocol: `account/login/cancel`.
---@return { status: "canceled"|"notFound" }
function Login:cancel()
  return self._client:_call("account/login/cancel", { login_id = self.login_id }, { label = "login:cancel" })
end

--- Adds the methods to the class of clients.
---@param Client codex.Client
function M.install(Client)
  --- Logs in with an API key, which the server keeps. Returns once it has taken it; whether it is any good shows at the
  --- first turn. Protocol: `account/login/start`.
  ---@param key string
  function Client:login_api_key(key)
    if type(key) ~= "string" then errors.argument("login_api_key: expected a key, got " .. type(key)) end
    if not key:find "%S" then errors.argument "login_api_key: the key must not be empty" end
    self:_call("account/login/start", { type = "apiKey", api_key = key }, { label = "login_api_key" })
  end

  --- Begins a login by browser: open `auth_url` there, then `wait`. Protocol: `account/login/start`.
  ---@return codex.Login
  function Client:login_chatgpt()
    return start(self, "login_chatgpt", { type = "chatgpt" })
  end

  --- Begins a login for machines without a browser: show `user_code` and `verification_url` to the person, then `wait`.
  --- Protocol: `account/login/start`.
  ---@return codex.Login
  function Client:login_chatgpt_device_code()
    return start(self, "login_chatgpt_device_code", { type = "chatgptDeviceCode" })
  end

  --- Logs in with tokens of a ChatGPT account that the program gets and renews by itself; the server keeps them in
  --- memory. Returns once it has taken them. When one has expired, it asks the `token_handler` for new ones. Protocol:
  --- `account/login/start`.
  ---@param tokens codex.ChatgptTokens
  function Client:login_chatgpt_tokens(tokens)
    local params, message = token.to_answer(tokens)
    if not params then errors.argument("login_chatgpt_tokens: " .. message) end
    params.type = "chatgptAuthTokens"
    self:_call("account/login/start", params, { label = "login_chatgpt_tokens" })
  end

  --- Who is logged in: `account` is absent when nobody is. `refresh_token` asks for a new token first. Protocol:
  --- `account/read`.
  ---@param options? { refresh_token?: boolean }
  ---@return { account?: table, requires_openai_auth: boolean }
  function Client:account(options)
    options_of.check_table("account", options)
    return self:_call("account/read", options or {}, { label = "account" })
  end

  --- Forgets the login. Protocol: `account/logout`.
  function Client:logout()
    self:_call("account/logout", nil, { label = "logout" })
  end
end

return M
