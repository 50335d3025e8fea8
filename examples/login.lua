-- Who is logged in, and how to change that.
--
--     codex-lua examples/login.lua                      says who is
--     codex-lua examples/login.lua browser [SECONDS]    logs in with ChatGPT, in a browser on this machine
--     codex-lua examples/login.lua device [SECONDS]     the same with a code, in a browser anywhere
--     codex-lua examples/login.lua key                  logs in with an API key, read from standard input
--     codex-lua examples/login.lua logout
local codex = require "codex"

local client <close> = codex.new()
local command, seconds = arg[1], tonumber(arg[2]) or 600

local function show_account()
  local answer = client:account()
  local account = answer.account
  if account then
    print("logged in: " .. account.type .. (account.email and ", " .. account.email or ""))
  else
    local asked = answer.requires_openai_auth
    print("nobody is logged in" .. (asked and "" or ", and this model provider doesn't ask for it"))
  end
end

-- The server tells how a login ended even if that happens before anybody waits for it.
local function finish(login)
  local ok, completed = pcall(login.wait, login, { timeout = seconds })
  if not ok then
    login:cancel()
    print("given up: " .. tostring(completed))
  elseif not completed.success then
    print("refused: " .. tostring(completed.error))
  end
end

local commands = {
  browser = function()
    local login = client:login_chatgpt()
    print("open this address:\n" .. login.auth_url)
    finish(login)
  end,
  device = function()
    local login = client:login_chatgpt_device_code()
    print(("open %s and enter %s"):format(login.verification_url, login.user_code))
    finish(login)
  end,
  key = function()
    client:login_api_key(io.read "l" or "")
  end,
  logout = function()
    client:logout()
  end,
}

if command then
  local run = commands[command]
  if not run then error("unknown command '" .. command .. "': see the top of this file", 0) end
  run()
end
show_account()
