-- What the schema refuses is refused at once: the message names the place, what is wrong there and what would be right,
-- and nothing has been sent.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local values = require "spec.support.values"

local null = codex.null

-- The message for params of a request that the schema refuses.
local function refusal(method, params, label)
  local text, message = core.encode("request", method, "params", params, label)
  assert.is_nil(text, "was accepted")
  return message
end

local function accepted(method, params)
  return (assert(core.encode("request", method, "params", params)))
end

-- Cases are { params, message }, by method.
local function check(method, label, cases)
  for _, case in ipairs(cases) do
    assert.equal(label .. case[2], refusal(method, case[1], label:match "^[^.]+"))
  end
end

-- Params of turn/start with one thing in them.
local function turn(name, value)
  return { thread_id = "t", input = {}, [name] = value }
end

local function input(...)
  return turn("input", { ... })
end

describe("what must be there and isn't", function()
  it("is named, with what it should be", function()
    check("thread/read", "thread/read", {
      { {}, ".thread_id: missing, expected a string" },
      { nil, ".thread_id: missing, expected a string" },
      { { include_turns = true }, ".thread_id: missing, expected a string" },
    })
    check("config/value/write", "x", {
      { { key_path = "k", value = 1 }, ".merge_strategy: missing, expected one of replace, upsert" },
    })
    check("account/login/start", "login", {
      { {}, ".type: missing, expected one of apiKey, chatgpt, chatgptDeviceCode, chatgptAuthTokens, "
        .. "amazonBedrock, amazonBedrockAccessKeys" },
      { nil, ".type: missing, expected one of apiKey, chatgpt, chatgptDeviceCode, chatgptAuthTokens, "
        .. "amazonBedrock, amazonBedrockAccessKeys" },
      { { type = "apiKey" }, ".api_key: missing, expected a string" },
    })
  end)

  it("is found in variants, lists, maps and choices, at any depth", function()
    check("turn/start", "turn_start", {
      { input({ type = "text" }), ".input[1].text: missing, expected a string" },
      { input({ type = "text", text = "" }, { text = "x" }), ".input[2].type: missing, expected one of text, image, "
        .. "localImage, audio, localAudio, skill, mention" },
      { input({ type = "text", text = "", text_elements = { {} } }),
        ".input[1].text_elements[1].byte_range: missing, expected a table" },
      { input({ type = "text", text = "", text_elements = { { byte_range = { start = 1 } } } }),
        ".input[1].text_elements[1].byte_range.end: missing, expected a whole number" },
      { turn("collaboration_mode", { mode = "plan", settings = {} }),
        ".collaboration_mode.settings.model: missing, expected a string" },
      { turn("approval_policy", {}), ".approval_policy.granular: missing, expected a table" },
      { turn("approval_policy", { granular = { rules = true, sandbox_approval = true } }),
        ".approval_policy.granular.mcp_elicitations: missing, expected a boolean" },
      { turn("additional_context", { ["a b"] = { kind = "untrusted" } }),
        ".additional_context.a b.value: missing, expected a string" },
      { turn("tool_output", { name = "n" }), ".tool_output.output: missing, expected a string or a list" },
    })
  end)

  it("may be any one of several", function()
    local function decided(decision)
      return core.encode("server_request", "execCommandApproval", "result", { decision = decision }, "x")
    end
    local names = "exactly one of approved_execpolicy_amendment, denied, network_policy_amendment"
    assert.equal("x.decision: got 0 members, expected " .. names, select(2, decided {}))
    local denied, approved = { rejection = "no" }, { proposed_execpolicy_amendment = {} }
    local both = { denied = denied, approved_execpolicy_amendment = approved }
    assert.equal("x.decision: got 2 members, expected " .. names, select(2, decided(both)))
    assert.equal('{"decision":{"denied":{"rejection":"no"}}}', (decided { denied = denied }))
    assert.equal('{"decision":"abort"}', (decided "abort"))
  end)

  it("may be null where the schema says so, as the server wants it", function()
    check("thread/section/move", "m", {
      { { thread_id = "t" }, ".section_id: missing, expected a string, codex.null for null" },
    })
    check("config/value/write", "w", {
      { { key_path = "k", merge_strategy = "upsert" }, ".value: missing, expected any value, codex.null for null" },
    })
    local text = accepted("thread/section/move", { thread_id = "t", section_id = null })
    assert.truthy(text:find('"sectionId":null', 1, true))
    assert.truthy(accepted("config/value/write", { key_path = "k", merge_strategy = "upsert", value = null }))
  end)

  it("may be called as on the wire", function()
    assert.equal('{"threadId":"t"}', accepted("thread/read", { threadId = "t" }))
    local element = { byteRange = { start = 0, ["end"] = 1 } }
    accepted("turn/start", input { type = "text", text = "", text_elements = { element } })
  end)

  it("isn't asked of methods that need nothing", function()
    assert.equal("{}", accepted("thread/loaded/list"))
    assert.equal("{}", accepted("thread/loaded/list", {}))
    assert.equal("{}", accepted("brand/new/method"))
    assert.is_nil((core.encode("request", "account/logout", "params", nil)))
    assert.is_nil((core.encode("request", "account/logout", "params", {})))
    assert.is_nil((core.encode("notify", "initialized", "params", nil)))
  end)
end)

describe("a value of the wrong type", function()
  it("is told what would be right", function()
    check("turn/start", "turn_start", {
      { input(5), ".input[1]: expected a table, got number" },
      { turn("input", "hi"), ".input: expected a list, got string" },
      { turn("input", { a = 1 }), ".input: expected a list, got a table with named members" },
      { turn("model", {}), ".model: expected a string, got table" },
      { turn("personality", 1), ".personality: expected one of none, friendly, pragmatic, got number" },
      { turn("output_schema", print), ".output_schema: a function can't be sent" },
      { turn("additional_context", { 5 }), ".additional_context: expected names as keys, got a number" },
      { turn("collaboration_mode", true), ".collaboration_mode: expected a table, got boolean" },
      { turn("collaboration_mode", { mode = null, settings = { model = "m" } }),
        ".collaboration_mode.mode: null is not allowed here" },
      { turn("sandbox_policy", { type = "readOnly", network_access = "yes" }),
        ".sandbox_policy.network_access: expected a boolean, got string" },
    })
    check("thread/list", "thread_list", {
      { { limit = 1.5 }, ".limit: expected a whole number, got 1.5" },
      { { limit = "5" }, ".limit: expected a whole number, got string" },
      { { limit = 0 / 0 }, ".limit: expected a whole number, got nan" },
      { { source_kinds = { "cli", 5 } }, ".source_kinds[2]: expected one of cli, vscode, exec, appServer, subAgent, "
        .. "subAgentReview, subAgentCompact, subAgentThreadSpawn, subAgentOther, unknown, got number" },
    })
    check("thread/start", "thread_start", {
      { { config = "model=x" }, ".config: expected a table, got string" },
      { { config = { "model=x" } }, ".config: expected names as keys, got a number" },
    })
    check("command/exec", "exec", {
      { { command = { "x" }, env = { A = 5 } }, ".env.A: expected a string or null, got number" },
      { { command = { "x" }, env = { [1] = "x" } }, ".env: expected names as keys, got a number" },
    })
  end)

  it("is told all that would do where several types would", function()
    local policy = ".approval_policy: expected one of untrusted, on-request, never, or a table, got "
    check("turn/start", "turn_start", {
      { turn("approval_policy", 5), policy .. "number" },
      { turn("approval_policy", true), policy .. "boolean" },
      { turn("tool_output", { name = "n", output = 5 }),
        ".tool_output.output: expected a string or a list, got number" },
      { turn("tool_output", { name = "n", output = { a = 1 } }),
        ".tool_output.output: expected a string or a list, got table" },
    })
    check("thread/list", "list", { { { cwd = 5 }, ".cwd: expected a string or a list, got number" } })
    assert.equal('{"cwd":["/a"]}', accepted("thread/list", { cwd = { "/a" } }))
    assert.equal('{"cwd":[]}', accepted("thread/list", { cwd = {} }))
    assert.equal('{"cwd":[]}', accepted("thread/list", { cwd = codex.array {} }))
  end)
end)

describe("a word that isn't in the list", function()
  it("is shown with the list, and the word that was meant", function()
    check("turn/start", "turn_start", {
      { turn("personality", "friendl"),
        ".personality: got 'friendl', expected one of none, friendly, pragmatic (did you mean 'friendly'?)" },
      { turn("personality", "?"), ".personality: got '?', expected one of none, friendly, pragmatic" },
      { turn("approval_policy", "onrequest"),
        ".approval_policy: got 'onrequest', expected one of untrusted, on-request, never, or a table "
          .. "(did you mean 'on-request'?)" },
    })
  end)

  it("and likewise a tag", function()
    local tags = "dangerFullAccess, readOnly, externalSandbox, workspaceWrite"
    local function policy(tag)
      return turn("sandbox_policy", { type = tag })
    end
    check("turn/start", "turn_start.sandbox_policy.type: ", {
      { policy "readonly", "got 'readonly', expected one of " .. tags .. " (did you mean 'readOnly'?)" },
      { policy "workspace-write",
        "got 'workspace-write', expected one of " .. tags .. " (did you mean 'workspaceWrite'?)" },
      { policy(5), "got number, expected one of " .. tags },
      { policy(null), "got null, expected one of " .. tags },
      { policy(nil), "missing, expected one of " .. tags },
    })
  end)

  it("is cut between characters when it is long, and so is the list, but never the hint", function()
    local message = refusal("turn/start", turn("personality", ("é"):rep(200)), "turn_start")
    assert.equal(".personality: got '" .. ("é"):rep(40) .. "…', expected one of none, friendly, pragmatic",
      (message:gsub("^turn_start", "")))
    message = refusal("turn/start", turn(("ключ"):rep(50), 1), "turn_start")
    assert.equal("turn_start: unknown option '" .. ("ключ"):rep(10) .. "…'", message)
    local deep = { ["ключ"] = print }
    for _ = 1, 60 do
      deep = { ["ключ"] = deep }
    end
    message = refusal("thread/start", { config = deep }, "thread_start")
    assert.is_true(luas.is_utf8(message))
    local path = ".config" .. (".ключ"):rep(25) .. ".клю…"
    assert.equal("thread_start" .. path .. ": a function can't be sent", message)
  end)
end)

describe("a name that nobody knows", function()
  it("is shown with the one that was meant", function()
    check("turn/start", "turn_start", {
      { turn("modle", "m"), ": unknown option 'modle' (did you mean 'model'?)" },
      { turn("sandboxPolcy", {}), ": unknown option 'sandboxPolcy' (did you mean 'sandbox_policy'?)" },
      { input({ type = "text", text = "x", txt_elements = {} }),
        ".input[1]: unknown option 'txt_elements' (did you mean 'text_elements'?)" },
      { input({ type = "text", text = "x", url = "x" }), ".input[1]: unknown option 'url'" },
      { turn("approval_policy", { granular = { ruels = true } }),
        ".approval_policy.granular: unknown option 'ruels' (did you mean 'rules'?)" },
    })
  end)

  it("is any name where there are none to know", function()
    check("account/logout", "account/logout", {
      { { now = true }, ": unknown option 'now' (it takes none)" },
      { { 5 }, ": unknown option '1' (it takes none)" },
      { "now", ": expected a table, got string" },
    })
    check("collaborationMode/list", "list", { { { now = true }, ": unknown option 'now' (it takes none)" } })
  end)
end)

-- Every value that the schema allows, spoiled at every place.
describe("anywhere in the schema,", function()
  local source

  setup(function()
    source = values.open(kit.schema() .. "/codex_app_server_protocol.schemas.json", 4711)
    source.keep_places = true
  end)

  teardown(function()
    source = nil
    kit.cleanup()
  end)

  -- What a client sends: params, and answers to the server.
  local function is_sent(message)
    if message.kind == "server_request" then return message.part == "result" end
    return message.kind == "request" and message.part == "params"
  end

  -- Encodes a value with something else in one place, and answers the message if it is refused as it should be.
  local function refused(message, value, place, spoil)
    local wrong, problem, path, key = spoil(place)
    if not problem then return nil end
    key, path = key or place.key, path or place.path
    local right = place.table[key]
    place.table[key] = wrong
    local text, said = core.encode(message.kind, message.method, message.part, value.sent, "x")
    place.table[key] = right
    local expected = "x" .. path .. problem
    if text or said:sub(1, #expected) ~= expected or not luas.is_utf8(said) then
      error(("%s %s\nexpected: %s\ngot: %s"):format(message.method, message.part, expected, said or text))
    end
    return said
  end

  -- Does that for every place of many values. spoil(place) answers what to put there and how the message goes on behind
  -- the place's path, and that path and the key if they are others; nothing to leave the place alone.
  local function spoil_all(rounds, spoil)
    local messages = {}
    for _ = 1, rounds do
      source:missing()
      for _, message in ipairs(source.messages) do
        local value = is_sent(message) and source:value(message) or { places = {} }
        for _, place in ipairs(value.places) do
          messages[#messages + 1] = refused(message, value, place, spoil)
        end
      end
    end
    assert.is_true(#messages > 200, "too few: " .. #messages)
    return messages
  end

  local function is_tag(place)
    return place.required and place.node.words and #place.node.words == 1
  end

  it("what must be there is missed", function()
    spoil_all(12, function(place)
      if place.required then return nil, ": missing, expected " end
    end)
  end)

  it("null is only taken where the schema says so", function()
    spoil_all(6, function(place)
      if place.node.any or place.node.kinds.null or place.container.loose then return end
      local named = place.container.kind == "struct" and not is_tag(place)
      return null, named and ": null is not allowed here" or is_tag(place) and ": " or ": expected "
    end)
  end)

  it("other types are refused", function()
    local samples = { { "boolean", true }, { "string", "?" }, { "number", 1.5 }, { "object", {} } }
    local turn_of = 0
    spoil_all(12, function(place)
      if place.node.any or place.container.loose then return end
      turn_of = turn_of + 1
      local kind, wrong = luas.unpack(samples[turn_of % #samples + 1])
      if place.node.kinds[kind] or kind == "object" and place.node.kinds.array then return end
      return wrong, is_tag(place) and ": " or ": expected "
    end)
  end)

  it("other words are refused, with a hint", function()
    local messages = spoil_all(12, function(place)
      local words = place.node.words
      if not words or place.container.loose then return end
      local wrong = words[#words] .. "~"
      return wrong, (": got '%s', expected "):format(wrong)
    end)
    for _, message in ipairs(messages) do
      assert.truthy(message:find("(did you mean '", 1, true), message)
    end
  end)

  it("unknown names are refused", function()
    spoil_all(4, function(place)
      local container = place.container
      if container.kind ~= "struct" or container.open then return end
      return place.table[place.key], ": unknown option 'no_such_name'", container.path, "no_such_name"
    end)
  end)
end)

describe("a client", function()
  after_each(kit.cleanup)

  it("refuses before anything is sent, and names the caller's line", function()
    local options, received = kit.fake [[
      server:handshake()
      server:thread("th")
      while true do server:reply(server:expect("model/list"), '{"data":[]}') end
    ]]
    local client = kit.open(options)
    local thread = client:thread_start()
    local before = #received()
    for message, fn in pairs {
      ["thread/read.thread_id: missing, expected a string"] = function()
        client:request "thread/read"
      end,
      ["turn_start.input[1].text: missing, expected a string"] = function()
        thread:run { { type = "text" } }
      end,
      ["turn_start.sandbox_policy.type: missing, expected one of dangerFullAccess,"] = function()
        thread:turn("x", { sandbox_policy = {} })
      end,
      ["thread_start.dynamic_tools[1].input_schema: missing, expected any value"] = function()
        client:thread_start { dynamic_tools = { { type = "function", name = "f", description = "d" } } }
      end,
      ["account/logout: unknown option 'now' (it takes none)"] = function()
        client:request("account/logout", { now = true })
      end,
      ["initialized: unknown option 'now' (it takes none)"] = function()
        client:notify("initialized", { now = true })
      end,
    } do
      local ok, err = pcall(fn)
      assert.is_false(ok)
      assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
      assert.truthy(err.message:find("strict_spec.lua:%d+: " .. message:gsub("%p", "%%%0")), err.message)
    end
    client:models()
    assert.equal(before + 1, #received())
  end)
end)
