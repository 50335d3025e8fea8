--- Accounts: keys, logins by browser and by code, and how they end.
local codex = require "codex"
local kit = require "spec.support.kit"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local function auth_client(options)
  options = options or {}
  options.extra_toml = "requires_openai_auth = true"
  return kit.client(options)
end

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

-- A server that has logins: `login(id)` answers a request for one, `over(id, success, why)` ends one.
local LOGINS = [[
  server:handshake()
  local function login(id)
    local start = server:expect "account/login/start"
    if start.params.type == "chatgpt" then
      server:reply(start, { type = "chatgpt", loginId = id, authUrl = "https://login/" .. id })
    else
      local code = { verificationUrl = "https://code", userCode = "A-" .. id, loginId = id }
      code.type = start.params.type
      server:reply(start, code)
    end
  end
  local function over(id, success, why)
    server:notify("account/login/completed", { loginId = id, success = success, error = why })
  end
]]

local function fake(body)
  return codex.new((kit.fake(LOGINS .. body)))
end

describe("an account", function()
  after_each(kit.cleanup)

  it("is logged in with a key, and out", function()
    local client = auth_client()
    local before = client:account()
    assert.is_nil(before.account)
    assert.is_true(before.requires_openai_auth)
    assert.is_nil(client:login_api_key "sk-test")
    assert.equal("apiKey", client:account({ refresh_token = false }).account.type)
    client:logout()
    assert.is_nil(client:account().account)
    client:close()
  end)

  it("runs turns with the key", function()
    local client = auth_client { script = { "in" } }
    client:login_api_key "sk-test"
    assert.equal("in", client:thread_start():run("x").final_response)
    client:close()
  end)

  it("refuses an empty key, and names that aren't there", function()
    local client = auth_client()
    local err = raised(client.login_api_key, client, " ")
    assert.equal("invalid_argument", err.kind)
    assert.truthy(tostring(err):find("login_api_key: the key must not be empty", 1, true))
    assert.equal("invalid_argument", raised(client.login_api_key, client).kind)
    err = raised(client.account, client, { refresh_tokn = true })
    assert.truthy(tostring(err):find("account: unknown option 'refresh_tokn' (did you mean 'refresh_token'?)", 1, true))
    client:close()
  end)
end)

describe("a login with tokens", function()
  after_each(kit.cleanup)

  local tokens = { access_token = "a.b.c", chatgpt_account_id = "acc", chatgpt_plan_type = "pro" }

  it("gives them to the server", function()
    local options, received = kit.fake [[
      server:handshake()
      for _ = 1, 2 do server:reply(server:expect "account/login/start", { type = "chatgptAuthTokens" }) end
      server:error(server:expect "account/login/start", -32603, "failed to set external auth: invalid ID token format")
    ]]
    local client = codex.new(options)
    assert.is_nil(client:login_chatgpt_tokens(tokens))
    client:login_chatgpt_tokens { access_token = "a.b.c", chatgpt_account_id = "acc", chatgpt_plan_type = codex.null }
    local err = raised(client.login_chatgpt_tokens, client, tokens)
    assert.equal("internal_error", err.kind)
    client:close()
    local sent = {}
    for _, line in ipairs(received()) do
      local message = codex.json.decode(line)
      if message.method == "account/login/start" then sent[#sent + 1] = message.params end
    end
    assert.same({ type = "chatgptAuthTokens", accessToken = "a.b.c", chatgptAccountId = "acc",
      chatgptPlanType = "pro" }, sent[1])
    assert.same({ type = "chatgptAuthTokens", accessToken = "a.b.c", chatgptAccountId = "acc" }, sent[2])
  end)

  it("refuses what can be none, and shows no token", function()
    local client = codex.new((kit.fake "server:handshake()"))
    for expected, given in pairs {
      ["access_token: missing, expected a string"] = { chatgpt_account_id = "acc" },
      ["access_token: must not be blank"] = { access_token = " ", chatgpt_account_id = "acc" },
      ["access_token: expected a string, got table"] = { access_token = { "hunter2" }, chatgpt_account_id = "acc" },
      ["chatgpt_account_id: missing, expected a string"] = { access_token = "hunter2" },
      ["chatgpt_plan_type: expected a string, got number"] = { access_token = "hunter2", chatgpt_account_id = "acc",
        chatgpt_plan_type = 5 },
      ["unknown name 'acces_token' (did you mean 'access_token'?)"] = { acces_token = "hunter2" },
      ["unknown name"] = { "hunter2" },
      ["expected a table of tokens, got string"] = "hunter2",
      ["expected a table of tokens, got nil"] = false,
    } do
      local err = raised(client.login_chatgpt_tokens, client, given or nil)
      assert.equal("invalid_argument", err.kind)
      assert.truthy(tostring(err):find("login_chatgpt_tokens: " .. expected, 1, true), tostring(err))
      assert.is_nil((tostring(err) .. err.traceback):find "hunter2")
    end
    client:close()
  end)
end)

describe("a login by browser", function()
  after_each(kit.cleanup)

  it("has an address, and ends without success when it is given up", function()
    kit.alone_with_logins()
    local client = auth_client()
    local login = client:login_chatgpt()
    assert.truthy(login.auth_url:find "^https://")
    assert.truthy(#login.login_id > 0)
    assert.equal("canceled", login:cancel().status)
    local completed = login:wait { timeout = 10 }
    assert.is_false(completed.success)
    assert.equal(login.login_id, completed.login_id)
    assert.equal("string", type(completed.error))
    assert.equal("notFound", login:cancel().status)
    client:close()
  end)

  it("is ended by a newer one", function()
    kit.alone_with_logins()
    local client = auth_client()
    local older = client:login_chatgpt()
    local newer = client:login_chatgpt()
    assert.not_equal(older.login_id, newer.login_id)
    assert.is_false(older:wait({ timeout = 10 }).success)
    assert.equal("timeout", raised(newer.wait, newer, { timeout = 0 }).kind)
    newer:cancel()
    assert.is_false(newer:wait({ timeout = 10 }).success)
    client:close()
  end)

  it("may be over before the server has answered", function()
    local client = fake [[
      over("one", true)
      login "one"
    ]]
    local login = client:login_chatgpt()
    assert.same({ login_id = "one", success = true }, login:wait())
    assert.same({ login_id = "one", success = true }, login:wait { timeout = 0 })
    client:close()
  end)

  it("is told from others, whatever the order of their ends", function()
    local client = fake [[
      login "one" login "two"
      over("none", false, "nobody's") over(nil, true) over("two", false, "refused") over("one", true)
    ]]
    local one, two = client:login_chatgpt(), client:login_chatgpt_device_code()
    assert.equal("https://login/one", one.auth_url)
    assert.equal("https://code", two.verification_url)
    assert.equal("A-two", two.user_code)
    local function wait()
      return one:wait()
    end
    local ends = codex.gather { wait, wait }
    assert.is_true(ends[1].success)
    assert.equal(ends[1], ends[2])
    assert.same({ login_id = "two", success = false, error = "refused" }, two:wait())
    client:close()
  end)

  it("raises when it can't be known any more", function()
    local client = fake [[ login "one" server:expect "go" server:exit(3) ]]
    local login = client:login_chatgpt()
    client:notify "go"
    assert.equal("transport_closed", raised(login.wait, login).kind)
    assert.equal("transport_closed", raised(login.wait, login).kind)
    client:close()

    client = fake [[ login "one" ]]
    login = client:login_chatgpt()
    local waiting = codex.spawn(login.wait, login)
    client:close()
    assert.equal("closed", raised(waiting.join, waiting).kind)
  end)

  it("can be cancelled where it is waited for", function()
    local client = fake [[ login "one" ]]
    local login = client:login_chatgpt()
    local waiting = codex.spawn(login.wait, login)
    codex.sleep(0)
    waiting:cancel()
    assert.equal("cancelled", raised(waiting.join, waiting).kind)
    client:close()
  end)

  it("refuses an answer that names no login, and wrong options", function()
    local client = fake [[ server:reply(server:expect "account/login/start", '{"type":"apiKey"}') login "one" ]]
    assert.equal("protocol", raised(client.login_chatgpt, client).kind)
    local login = client:login_chatgpt()
    assert.truthy(tostring(raised(login.wait, login, { timout = 1 })):find("did you mean 'timeout'?", 1, true))
    client:close()
  end)
end)

describe("fresh tokens", function()
  after_each(kit.cleanup)

  local REFRESH = "account/chatgptAuthTokens/refresh"
  local fresh = { access_token = "hunter2", chatgpt_account_id = "acc" }

  -- What the server is answered when it asks for tokens so often, and what was reported.
  local function refresh(times, handler)
    local options, received = kit.fake(([[
      server:handshake()
      local go = server:expect "go"
      for id = 1, %d do
        server:request(id, "%s", { reason = "unauthorized", previousAccountId = "acc" })
        server:expect_answer(id)
      end
      server:reply(go)
    ]]):format(times, REFRESH), { token_handler = handler })
    local client, reported = codex.new(options), {}
    client:on("handler_error", function(err)
      reported[#reported + 1] = tostring(err)
    end)
    client:request "go"
    client:close()
    local answers = {}
    for _, line in ipairs(received()) do
      local message = codex.json.decode(line)
      if not message.method then answers[message.id] = message.result or message.error end
    end
    return answers, reported
  end

  it("are given when the server asks for them", function()
    local asked
    local answers, reported = refresh(1, function(request)
      asked = request
      return fresh
    end)
    assert.same({ { accessToken = "hunter2", chatgptAccountId = "acc" } }, answers)
    assert.same({ "token_refresh", "give fresh ChatGPT tokens: unauthorized" }, { asked.kind, asked.summary })
    assert.same({ reason = "unauthorized", previous_account_id = "acc" }, asked.params)
    assert.is_nil(asked.thread_id)
    assert.same({}, reported)
  end)

  it("are refused when there are none, or none that can be, which nothing shows", function()
    local returned, count = { false, "hunter2", { access_token = "hunter2" }, {} }, 0
    local answers, reported = refresh(6, function()
      count = count + 1
      if count == 5 then error("no tokens today", 0) end
      return returned[count]
    end)
    for id = 1, 6 do
      assert.equal("number", type(answers[id].code))
    end
    local label = REFRESH .. ": the handler's answer can't be sent: "
    assert.same({ label .. "expected a table of tokens, got string",
      label .. "chatgpt_account_id: missing, expected a string", label .. "access_token: missing, expected a string",
      "no tokens today" }, reported)
    assert.equal("number", type(refresh(1)[1].code)) -- no handler
  end)

  it("let a turn of the real server go on", function()
    local function encoded(text)
      local pipe = io.popen(("printf %%s '%s' | base64 -w0 | tr '+/' '-_' | tr -d ="):format(text))
      local line = pipe:read "*a"
      pipe:close()
      return line
    end
    local claims = '{"email":"a@b.c","exp":4102444800,"https://api.openai.com/auth":{"chatgpt_account_id":"acc"}}'
    local token = encoded '{"alg":"none"}' .. "." .. encoded(claims) .. ".c2ln"
    local tokens, asked = { access_token = token, chatgpt_account_id = "acc" }, 0
    local client = kit.client {
      -- nothing of this may leave the machine
      top_toml = 'chatgpt_base_url = "http://127.0.0.1:9/backend-api/"',
      extra_toml = "requires_openai_auth = true\n[analytics]\nenabled = false",
      script = { { status = 401 }, "in", { status = 401 } },
      token_handler = function()
        asked = asked + 1
        return asked == 1 and tokens
      end,
    }
    client:login_chatgpt_tokens(tokens)
    local thread = client:thread_start()
    assert.equal("in", thread:run("x").final_response)
    assert.equal("failed", thread:run("x", { raise = false }).status)
    assert.equal(2, asked)
    client:close()
  end)
end)
