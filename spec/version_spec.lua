--- Servers of other versions: who they say they are, what they are too old for, what is said when they don't
--- understand.

local codex = require "codex"
local kit = require "spec.support.kit"
local raised = require "spec.support.raised"
local versions = require "codex.version"

local function has(text, part) assert.is_truthy(text:find(part, 1, true), text) end

local function hasnt(text, part) assert.is_nil(text:find(part, 1, true), text) end

-- A client of a fake server of that version, which then does what body says.
local function fake(version, body, extra)
  local options, received = kit.fake(("server:handshake(%q) %s"):format(version, body or ""), extra)
  options.request_timeout = options.request_timeout or 10
  return codex.new(options), received
end

local function count(received, part)
  local n = 0
  for _, line in ipairs(received()) do
    if line:find(part, 1, true) then n = n + 1 end
  end
  return n
end

after_each(kit.cleanup)

describe("versions", function()
  local ORDER = {
    "0.0.1", "0.9.0", "0.137.0a4", "0.137.0", "0.150.9", "0.151.0-alpha", "0.151.0-alpha.1", "0.151.0-alpha.1.2",
    "0.151.0-alpha.2", "0.151.0-alpha.10", "0.151.0-beta", "0.151.0-rc.1", "0.151.0", "0.151.1", "0.154.0-alpha.1.2",
    "0.154.0", "0.169.0", "1.0.0-alpha", "1.0.0", "10.0.0",
  }

  it("are ordered, pre-releases before their release", function()
    for i, a in ipairs(ORDER) do
      for j, b in ipairs(ORDER) do
        local order = versions.compare(a, b)
        assert.equal(i < j, order < 0, a .. " and " .. b)
        assert.equal(i == j, order == 0, a .. " and " .. b)
      end
    end
  end)

  it("are equal with what was built or posted after", function()
    for _, same in ipairs { "0.151.0.post1", "0.151.0-post1", "0.151.0+build.7", "0.151.0.1" } do
      assert.equal(0, versions.compare(same, "0.151.0"), same)
    end
    assert.equal(0, versions.compare("0.151.0-alpha.1+x", "0.151.0-alpha.1"))
    for _, before in ipairs { "0.151.0a1", "0.151.0rc1", "0.151.0.dev3", "0.151.0-1" } do
      assert.equal(-1, versions.compare(before, "0.151.0"), before)
    end
  end)

  it("are unknown where a build doesn't tell, and then nothing is", function()
    for _, unknown in ipairs { "0.0.0", "0.0.0-dev", "", "dev", "x0.151.0", "151", "1.2", false, 7, {} } do
      assert.is_nil(versions.parse(unknown), tostring(unknown))
      assert.is_nil(versions.compare(unknown, "0.151.0"))
      assert.is_true(versions.has_field(unknown, "turn/start", "turn_trigger"))
    end
    assert.is_nil(versions.parse(nil))
  end)

  it("tell whether a field is known", function()
    assert.is_false(versions.has_field("0.150.0", "thread/resume", "exclude_turns"))
    assert.is_true(versions.has_field("0.151.0", "thread/resume", "exclude_turns"))
    assert.is_true(versions.has_field("0.150.0", "thread/resume", "model"))
    assert.is_true(versions.has_field("0.150.0", "no/such", "model"))
  end)
end)

describe("metadata.server_info", function()
  local tail = " (Debian 12.0.0; x86_64) iTerm.app/3.5.1 (vscode/1.80; 9.9/8)"

  it("is read from the user agent, without the tail", function()
    for _, case in ipairs {
      -- user agent, the client's name, name, version
      { "mine/0.169.0" .. tail, "mine", "mine", "0.169.0" },
      { "mine/0.154.0-alpha.1.2" .. tail, "mine", "mine", "0.154.0-alpha.1.2" },
      { "my tool/2.0 (x)/0.169.0" .. tail, "my tool/2.0 (x)", "my tool/2.0 (x)", "0.169.0" },
      { "a/1.2.3/0.169.0" .. tail, "a/1.2.3", "a/1.2.3", "0.169.0" },
      { "/0.169.0" .. tail, "", "", "0.169.0" },
      { "//0.169.0" .. tail, "/", "/", "0.169.0" },
      { "mine/dev" .. tail, "mine", "mine", "dev" },
      { "mine/" .. tail, "mine", "mine", nil },
      -- another name stands there than the client's
      { "codex_vscode/0.169.0" .. tail, "mine", "codex_vscode", "0.169.0" },
      { "a/1.2.3/0.169.0" .. tail, "mine", "a/1.2.3", "0.169.0" },
      { "codex_vscode/dev" .. tail, "mine", "codex_vscode", "dev" },
      -- other forms
      { "codex/0.169.0", "mine", "codex", "0.169.0" },
      { "codex/0.169.0 and more", "mine", "codex", "0.169.0" },
      { "codex 0.169.0" .. tail, "mine", "codex", "0.169.0" },
      { "the codex 0.169.0", "mine", "the codex", "0.169.0" },
      { "codex", "mine", "codex", nil },
      { "codex" .. tail, "mine", "codex", nil },
      { "", "mine", nil, nil },
      { "(x)", "mine", nil, nil },
      { 7, "mine", nil, nil },
      { nil, "mine", nil, nil },
    } do
      local info = versions.server_info({ user_agent = case[1] }, case[2])
      assert.same({ name = case[3], version = case[4] }, info, tostring(case[1]))
    end
  end)

  it("is what the server says of itself, where it does", function()
    local function info(told) return versions.server_info({ user_agent = "a/1.0.0", serverInfo = told }, "a") end
    assert.same({ name = "codex", version = "2.0.0" }, info { name = "codex", version = "2.0.0" })
    assert.same({ name = "a", version = "2.0.0" }, info { version = "2.0.0", name = codex.null })
    assert.same({ name = "a", version = "1.0.0" }, info "codex")
  end)

  it("stands whatever the client is called", function()
    local version
    for _, name in ipairs { "mine", "my tool/2.0 (x)", "a/1.2.3", "", " lead and trail ", "é/日本" } do
      local client = kit.client { client_name = name, client_version = "9.9/8 (z)" }
      local info = client.metadata.server_info
      version = version or info.version
      assert.is_table(versions.parse(version), version)
      assert.same({ name = name, version = version }, info)
      client:close()
    end
    local client = kit.client { env = { CODEX_INTERNAL_ORIGINATOR_OVERRIDE = "someone_else" } }
    assert.equal(version, client.metadata.server_info.version)
    client:close()
  end)

  it("may be missing, and everything works", function()
    local client = codex.new((kit.fake [[
      server:reply(server:expect("initialize"), {})
      server:thread("th")
      server:turn("t1")
      server:turn_completed("th", "t1")]]))
    assert.same({}, client.metadata.server_info)
    assert.equal("completed", client:thread_start():run("x", { turn_trigger = "t" }).status)
    client:close()
  end)
end)

describe("a field that needs a newer server", function()
  local THREAD = [[
    server:thread("th")
    while true do
      local message = server:read()
      if not message then return end
      if message.method == "turn/start" then
        server:turn("t1", message)
        server:turn_completed("th", "t1")
      elseif message.method == "spec/end" then
        server:reply(message, {})
      else
        server:thread("th", message)
      end
    end]]

  local tool_output = { name = "n", output = "o" }

  it("is refused at once, and nothing is sent", function()
    for _, version in ipairs { "0.150.0", "0.151.0-alpha.3", "0.151.0a1" } do
      local client, received = fake(version, THREAD)
      local thread = client:thread_start()
      for label, call in pairs {
        ["turn_start.tool_output"] = function() thread:run("x", { tool_output = tool_output }) end,
        ["turn_start.turn_trigger"] = function() thread:turn("x", { turn_trigger = "t" }) end,
        ["turn_start.service_tier_for_turn"] = function() thread:run("x", { serviceTierForTurn = "flex" }) end,
        ["thread_resume.exclude_turns"] = function() client:thread_resume("th", { exclude_turns = true }) end,
        ["thread/fork.exclude_turns"] = function()
          client:request("thread/fork", { threadId = "th", excludeTurns = false })
        end,
        ["thread.fork.exclude_turns"] = function()
          client.api.thread.fork { thread_id = "th", exclude_turns = true }
        end,
        ["turn/start.tool_output"] = function()
          client:request("turn/start", { threadId = "th", input = {}, turnTrigger = "t", toolOutput = tool_output })
        end,
      } do
        local err = raised("invalid_argument", call)
        assert.equal("needs_newer_server", err.reason, label)
        assert.is_truthy(err.method:find("^%a+/%a+$"))
        has(err.message, label .. ": needs a server of version 0.151.0 or newer, and this one is " .. version .. ": ")
        has(err.message, "npm install -g @openai/codex")
        has(err.message, "codex_bin")
        assert.is_truthy(err.message:find "^%S*version_spec%.lua:%d+: ", err.message)
      end
      client:request("spec/end", {})
      assert.equal(1, count(received, '"thread/'))
      assert.equal(0, count(received, '"turn/'))
      client:close()
    end
  end)

  it("is sent to those that know it, and to those that nothing is known of", function()
    for _, version in ipairs { "0.151.0", "0.151.0.post1", "0.154.0-alpha.1.2", "0.169.0", "1.0.0", "0.0.0", "dev" } do
      local client, received = fake(version, THREAD)
      local thread = client:thread_start()
      thread:run("x", { turn_trigger = "t", service_tier_for_turn = "flex" })
      client:thread_resume("th", { exclude_turns = true })
      assert.equal(1, count(received, '"turnTrigger":"t"'))
      assert.equal(1, count(received, '"excludeTurns":true'))
      client:close()
    end
  end)

  it("isn't missed by those who don't use it", function()
    local client, received = fake("0.100.0", THREAD)
    local thread = client:thread_start()
    assert.equal("completed", thread:run("x", { turn_trigger = codex.null }).status)
    client:thread_resume("th", { model = "m" })
    assert.equal(1, count(received, '"turn/start"'))
    client:close()
  end)

  it("is refused before the turn lines up behind another", function()
    local client = fake("0.150.0", [[
      server:thread("th")
      server:turn("t1")
      server:turn_started("th", "t1")]])
    local thread = client:thread_start()
    thread:turn "x"
    local err = raised("invalid_argument", thread.run, thread, "y", { turn_trigger = "t", timeout = 10 })
    assert.equal("needs_newer_server", err.reason)
    client:close()
  end)
end)

describe("an answer that shows a difference of versions", function()
  local UNKNOWN_METHOD = "Invalid request: unknown variant `%s`, expected one of `initialize`, `thread/list`"

  -- What is made of the server's answer to thread/turns/list, or another method.
  local function answer(version, code, message, method)
    local client = fake(version, ("server:error(server:read(), %d, %q)"):format(code, message))
    local err = raised(nil, client.request, client, method or "thread/turns/list",
      not method and { thread_id = "x" } or {})
    client:close()
    return err
  end

  local OLDER = "(the server is 0.150.0, this module speaks " .. codex.schema_version .. ": update it with"
  local NEWER = "(the server is 99.0.0, this module speaks " .. codex.schema_version .. ": they may differ here)"

  it("says so", function()
    for _, message in ipairs {
      UNKNOWN_METHOD:format "thread/turns/list", "Invalid request: unknown variant `x`, expected `a` or `b`",
      "Invalid request: missing field `y`", "Invalid request: unknown field `y`, expected `a` or `b`",
      "Invalid request: invalid type: null, expected a string",
    } do
      local err = answer("0.150.0", -32600, message)
      assert.equal("invalid_request", err.kind)
      has(err.message, OLDER)
      has(err.message, message:match "^.-`" or message)
      has(tostring(err), "thread/turns/list: ")
      err = answer("99.0.0", -32600, message)
      has(err.message, NEWER)
      hasnt(answer(codex.schema_version, -32600, message).message, "the server is")
      hasnt(answer("0.0.0", -32600, message).message, "the server is")
    end
    has(answer("0.150.0", -32601, "thread/turns/list is not supported yet").message, OLDER)
  end)

  it("says which method is unknown, and has no hint for one that isn't a slip", function()
    local err = answer("0.150.0", -32600, UNKNOWN_METHOD:format "thread/turns/list")
    assert.equal("unknown_method", err.reason)
    assert.equal(1, err.message:find("Invalid request: unknown variant `thread/turns/list` " .. OLDER, 1, true))
  end)

  it("is the server's own where versions have nothing to do with it", function()
    for _, message in ipairs {
      "no active turn to steer", "thread not found: x", "thread/turns/list requires experimentalApi capability",
    } do
      assert.equal(message, answer("0.150.0", -32600, message).message)
    end
    hasnt(answer("0.150.0", -32603, "Invalid request").message, "the server is")
    local err = answer("0.150.0", -32600, UNKNOWN_METHOD:format "thread/lists", "thread/lists")
    assert.equal("Invalid request: unknown variant `thread/lists` (did you mean 'thread/list'?)", err.message)
  end)

  it("says so of a turn that can't be started, too", function()
    local client = fake("0.150.0", [[
      server:thread("th")
      server:error(server:expect("turn/start"), -32600, "Invalid request: missing field `cwd`")]])
    local thread = client:thread_start()
    has(raised("invalid_request", thread.run, thread, "x").message, OLDER)
    client:close()
  end)
end)
