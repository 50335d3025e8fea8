-- Names: snake_case in Lua, the wire's on the wire, by the schema; free-form JSON untouched in both directions.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local turns = require "spec.support.turns"

local array, null = codex.array, codex.null

-- Free-form JSON that any renaming, dropping or rounding would change.
local function awkward()
  return {
    camelCase = { snake_case = { threadId = 1, thread_id = 2 } },
    snake_case = { camelCase = array {}, nested = { { approvalPolicy = null }, {}, array { array {} } } },
    ["1"] = "numeric",
    ["-7.5"] = "more of it",
    [""] = "empty",
    ["ключ"] = "значение 😀",
    ["a.b c\"d\\e"] = { null, 1, "x", false, array { null } },
    type = "text",
    text_elements = { byte_range = 1, byteRange = 2 },
    sandbox_policy = { sandboxPolicy = {} },
    integer = 9007199254740993,
    small = luas.integers and luas.min_integer or -2 ^ 63,
    float = 1.0,
    fraction = 0.1,
    nothing = null,
    no = false,
  }
end

-- The text of awkward() as a foreign hand would write it.
local awkward_text = [==[{"camelCase":{"snake_case":{"threadId":1,"thread_id":2}},
  "snake_case":{"camelCase":[],"nested":[{"approvalPolicy":null},{},[[]]]},
  "1":"numeric","-7.5":"more of it","":"empty",
  "\u043a\u043b\u044e\u0447":"\u0437\u043d\u0430\u0447\u0435\u043d\u0438\u0435 \ud83d\ude00",
  "a.b c\"d\\e":[null,1,"x",false,[null]],"type":"text","text_elements":{"byte_range":1,"byteRange":2},
  "sandbox_policy":{"sandboxPolicy":{}},"integer":9007199254740993,"small":-9223372036854775808,"float":1.0,
  "fraction":0.1,"nothing":null,"no":false}]==]
awkward_text = awkward_text:gsub("\n%s*", "")

-- Whether two values are the same, as codex.json reads them: kinds of numbers and of empty tables included.
local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return luas.is_integer(a) == luas.is_integer(b) and a == b end
  if next(a) == nil and getmetatable(a) ~= getmetatable(b) then return false end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local function assert_awkward(value)
  assert.is_true(same(awkward(), value), codex.json.encode(value))
end

it("the awkward value is what its text says, to lua-cjson too", function()
  assert_awkward(codex.json.decode(awkward_text))
  local ours, theirs = cjson.decode(codex.json.encode(awkward())), cjson.decode(awkward_text)
  assert.same(theirs, ours)
end)

describe("names on the way out", function()
  local client, thread, received

  setup(function()
    client, thread, received = turns.fake(turns.AT_ONCE)
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  -- The params of the last line that was sent, as cjson and as our own reader see them, and the line.
  local function sent()
    local lines = received()
    local line = lines[#lines]
    return cjson.decode(line).params, codex.json.decode(line).params, line
  end

  it("are the wire's, at every depth", function()
    client:thread_start {
      approval_policy = { granular = { mcp_elicitations = true, rules = false, sandbox_approval = true } },
      model_provider = "p",
      base_instructions = "b",
      developer_instructions = "d",
      service_name = "s",
    }
    assert.same({
      approvalPolicy = { granular = { mcp_elicitations = true, rules = false, sandbox_approval = true } },
      modelProvider = "p",
      baseInstructions = "b",
      developerInstructions = "d",
      serviceName = "s",
    }, (sent()))
    thread:run({
      {
        type = "text",
        text = "@x",
        text_elements = { { byte_range = { start = 0, ["end"] = 2 }, placeholder = "p" } },
      },
    }, {
      collaboration_mode = {
        mode = "plan",
        settings = { model = "m", reasoning_effort = "high", developer_instructions = "d" },
      },
      sandbox_policy = { type = "workspaceWrite", writable_roots = {}, exclude_slash_tmp = true },
    })
    local params, _, line = sent()
    assert.same({
      threadId = thread.id,
      input = {
        {
          type = "text",
          text = "@x",
          text_elements = { { byteRange = { start = 0, ["end"] = 2 }, placeholder = "p" } },
        },
      },
      collaborationMode = {
        mode = "plan",
        settings = { model = "m", reasoning_effort = "high", developer_instructions = "d" },
      },
      sandboxPolicy = { type = "workspaceWrite", writableRoots = {}, excludeSlashTmp = true },
    }, params)
    assert.truthy(line:find('"writableRoots":[]', 1, true))
  end)

  it("may be given as the wire's, at every depth", function()
    thread:run({ type = "text", text = "x", text_elements = { { byteRange = { start = 0, ["end"] = 1 } } } }, {
      collaborationMode = { mode = "plan", settings = { model = "m", reasoning_effort = "low" } },
      sandboxPolicy = { type = "workspaceWrite", writableRoots = { "/a" }, excludeSlashTmp = true },
      serviceTier = "fast",
      outputSchema = { type = "object" },
    })
    local params = sent()
    assert.same({ { byteRange = { start = 0, ["end"] = 1 } } }, params.input[1].text_elements)
    assert.same({ mode = "plan", settings = { model = "m", reasoning_effort = "low" } }, params.collaborationMode)
    assert.same({ type = "workspaceWrite", writableRoots = { "/a" }, excludeSlashTmp = true }, params.sandboxPolicy)
    assert.equal("fast", params.serviceTier)
    assert.same({ type = "object" }, params.outputSchema)
  end)

  it("may not be given both ways at once", function()
    for path, options in pairs {
      ["turn_start: 'sandbox_policy' and 'sandboxPolicy' can't be given together"] = {
        sandbox_policy = { type = "readOnly" },
        sandboxPolicy = { type = "readOnly" },
      },
      ["turn_start.sandbox_policy: 'network_access' and 'networkAccess' can't be given together"] = {
        sandbox_policy = { type = "readOnly", network_access = true, networkAccess = false },
      },
    } do
      local err = raised("invalid_argument", thread.run, thread, "x", options)
      assert.truthy(err.message:find(path, 1, true), err.message)
    end
  end)

  it("leave free-form JSON alone", function()
    client:thread_start { config = awkward() }
    local by_cjson, ours = sent()
    assert.same({ config = cjson.decode(awkward_text) }, by_cjson)
    assert_awkward(ours.config)
    thread:run("x", { output_schema = { default = awkward(), const = awkward(), ["x-ours"] = awkward() } })
    for _, value in pairs(select(2, sent()).outputSchema) do
      assert_awkward(value)
    end
    client:thread_start {
      dynamic_tools = {
        { type = "function", name = "f", description = "d", input_schema = awkward(), defer_loading = true },
        {
          type = "namespace",
          name = "n",
          description = "d",
          tools = { { type = "function", name = "g", description = "d", input_schema = awkward() } },
        },
      },
    }
    by_cjson, ours = sent()
    assert_awkward(ours.dynamicTools[1].inputSchema)
    assert_awkward(ours.dynamicTools[2].tools[1].inputSchema)
    assert.is_true(by_cjson.dynamicTools[1].deferLoading)
    local call = { thread_id = "th", server = "s", tool = "t", arguments = awkward(), _meta = awkward() }
    client:request("mcpServer/tool/call", call)
    by_cjson, ours = sent()
    assert.equal("th", by_cjson.threadId)
    assert_awkward(ours.arguments)
    assert_awkward(ours._meta)
    client:request("no/such/method", awkward())
    assert_awkward(select(2, sent()))
    -- what was decoded goes out as it came in
    client:request("no/such/method", codex.json.decode(awkward_text))
    assert_awkward(select(2, sent()))
    client:request("no/such/method", cjson.decode '{"a":null,"b":{"c":[null]}}')
    assert.same({ a = cjson.null, b = { c = { cjson.null } } }, (sent()))
  end)

  it("say null where it is asked for, and where it may be", function()
    thread:run("x", { service_tier = null, model = cjson.null, output_schema = null, collaboration_mode = null })
    local params, _, line = sent()
    assert.equal(cjson.null, params.serviceTier)
    assert.equal(cjson.null, params.model)
    assert.equal(cjson.null, params.outputSchema)
    assert.equal(cjson.null, params.collaborationMode)
    assert.truthy(line:find('"serviceTier":null', 1, true))
    local before = #received()
    local err = raised("invalid_argument", client.request, client, "thread/read", { thread_id = null })
    assert.truthy(err.message:find("thread/read.thread_id: null is not allowed here", 1, true), err.message)
    assert.equal(before, #received())
  end)

  it("make a list of an empty table where the schema has a list, and an object elsewhere", function()
    client:thread_start { dynamic_tools = {}, config = {} }
    local _, _, line = sent()
    assert.truthy(line:find('"dynamicTools":[]', 1, true), line)
    assert.truthy(line:find('"config":{}', 1, true), line)
  end)

  it("go with whole numbers as whole numbers", function()
    client:thread_list { limit = 5.0 }
    local _, ours, line = sent()
    assert.is_true(luas.is_integer(ours.limit))
    assert.truthy(line:find('"limit":5}', 1, true), line)
  end)
end)

describe("a finalizer", function()
  after_each(kit.cleanup)

  it("that encodes doesn't disturb what is being sent", function()
    local client = turns.fake(turns.AT_ONCE)
    local thread = client:thread_start()
    local runs = 0
    local function finalizer()
      codex.json.encode { "the finalizer's" }
      runs = runs + 1
    end
    local undo = luas.collect_often()
    -- as long as it takes the collector to come round often, which depends on all else that is in memory
    repeat
      for _ = 1, 5 do
        luas.finalized(finalizer)
      end
      local params, item = { thread_id = thread.id, input = {} }, { type = "text", text = "some text" }
      for i = 1, 1100 do
        params.input[i] = item -- growing leaves work for the collector, which the next string begins
      end
      local request = client._core:request("turn/start", params) -- not within the assertion, which makes tables
      assert.is_false(request:done()) -- what isn't JSON is refused at once
    until runs >= 50
    undo()
    client:close()
  end)
end)

describe("names on the way in", function()
  local client, thread

  local items = {
    '{"type":"mcpToolCall","id":"i1","server":"s","tool":"t","status":"completed","durationMs":5,"pluginId":null,'
      .. '"arguments":@,"appContext":null,"result":{"content":[@,{"type":"text","textValue":1}],'
      .. '"structuredContent":@,"_meta":@},"error":null}',
    '{"type":"dynamicToolCall","id":"i2","tool":"t","namespace":null,"status":"failed","success":false,'
      .. '"durationMs":7,"arguments":@,"contentItems":[{"type":"inputImage","imageUrl":"u"},'
      .. '{"type":"newKind","someField":{"inNer":null}}]}',
    '{"type":"commandExecution","id":"i3","command":"x","cwd":"/","processId":null,"status":"completed",'
      .. '"commandActions":[],"aggregatedOutput":"o","exitCode":0,"durationMs":9223372036854775807}',
    '{"durationMs":1,"command":"late tag","cwd":"/","id":"i4","status":"completed","commandActions":[],'
      .. '"exitCode":1,"type":"commandExecution"}',
    '{"type":"brandNew","id":"i5","camelCase":{"snake_case":null},"list":[]}',
    '{"id":"i6","noTag":true}',
  }

  setup(function()
    local lines = {}
    for i, item in ipairs(items) do
      local text = item:gsub("@", function()
        return awkward_text
      end)
      local params = ('{"threadId":"th","turnId":"t1","completedAtMs":1,"item":%s}'):format(text)
      lines[i] = ('server:notify("item/completed", [==[%s]==])'):format(params)
    end
    client = codex.new((kit.fake([[
      server:handshake()
      server:thread("th")
      server:turn("t1")
      server:notify("thread/tokenUsage/updated", '{"threadId":"th","turnId":"t1","tokenUsage":{"total":'
        .. '{"totalTokens":3,"inputTokens":1,"cachedInputTokens":0,"outputTokens":2,"reasoningOutputTokens":0},'
        .. '"last":{"totalTokens":3,"inputTokens":1,"cachedInputTokens":0,"outputTokens":2,'
        .. '"reasoningOutputTokens":0},"modelContextWindow":null}}')
      server:notify("error", '{"threadId":"th","turnId":"t1","willRetry":true,"error":{"message":"m",'
        .. '"codexErrorInfo":{"responseStreamDisconnected":{"httpStatusCode":502}},"additionalDetails":null}}')
    ]] .. table.concat(lines, "\n") .. [[
      server:turn_completed("th", "t1", "failed", { message = "it broke", codexErrorInfo = {
        httpConnectionFailed = { httpStatusCode = 503 } }, additionalDetails = "more" })
      server:reply(server:expect("thread/read"), '{"thread":{"id":"th","modelProvider":"p","createdAt":1,'
        .. '"unknownField":{"innerName":[]},"cwd":null,"turns":[{"id":"t","items":[{"type":"userMessage","id":"u",'
        .. '"content":[{"type":"text","text":"x","text_elements":[{"byteRange":{"start":0,"end":1},'
        .. '"placeholder":null}]}]}],"status":"completed","durationMs":1}]},"extraResult":{"someThing":null}}')
      server:reply(server:expect("new/method"), ']]
      .. (awkward_text:gsub("\\", "\\\\"))
      .. [[')
      server:reply(server:expect("config/read"), '{"config":{"model":"m","model_provider":"p","approval_policy":null,'
        .. '"sandbox_workspace_write":{"writable_roots":[],"network_access":true},'
        .. '"desktop":{"someKey":1,"other_key":null},'
        .. '"unknownKey":{"a_b":1}},"origins":{"sandbox_mode":{"name":{"type":"user","file":"/x"},"version":"1"}},'
        .. '"layers":null}')
    ]])))
    thread = client:thread_start()
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  it("are snake_case in items, usage, errors and events, and free-form JSON is left alone", function()
    local turn = thread:turn "x"
    local events = {}
    for event in turn:stream() do
      events[#events + 1] = event
    end
    local result = turn:run { raise = false }

    local mcp = result.items[1]
    assert.equal(5, mcp.duration_ms)
    assert.is_nil(mcp.plugin_id)
    assert.is_nil(mcp.error)
    assert_awkward(mcp.arguments)
    assert_awkward(mcp.result.content[1])
    assert.same({ type = "text", textValue = 1 }, mcp.result.content[2])
    assert_awkward(mcp.result.structured_content)
    assert_awkward(mcp.result._meta)
    assert_awkward(events[3].params.item.arguments)

    local dynamic = result.items[2]
    assert_awkward(dynamic.arguments)
    assert.is_nil(dynamic.namespace)
    assert.equal("u", dynamic.content_items[1].image_url)
    assert.equal("newKind", dynamic.content_items[2].type)
    assert.is_table(dynamic.content_items[2].someField)

    local command = result.items[3]
    assert.equal("o", command.aggregated_output)
    assert.equal(0, command.exit_code)
    assert.equal(9223372036854775807, command.duration_ms)
    assert.equal("[]", codex.json.encode(command.command_actions))
    assert.is_nil(command.processId)
    assert.equal(1, result.items[4].exit_code)
    assert.equal("late tag", result.items[4].command)

    assert.same({ snake_case = null }, result.items[5].camelCase)
    assert.equal("[]", codex.json.encode(result.items[5].list))
    assert.is_true(result.items[6].noTag)

    assert.same({
      total_tokens = 3,
      input_tokens = 1,
      cached_input_tokens = 0,
      output_tokens = 2,
      reasoning_output_tokens = 0,
    }, result.usage.total)
    assert.is_nil(result.usage.model_context_window)
    assert.equal("thread/tokenUsage/updated", events[1].method)
    assert.equal(3, events[1].params.token_usage.last.total_tokens)
    assert.equal("th", events[1].params.thread_id)

    assert.is_true(events[2].params.will_retry)
    assert.equal("m", events[2].params.error.message)
    assert.equal("more", result.error.additional_details)
    local err = raised("turn_failed", turn.run, turn)
    assert.equal("http_connection_failed", err.reason)
    assert.equal(503, err.http_status)
    assert.equal("it broke", err.message)
  end)

  it("are snake_case in results, and what nobody knows comes as it is", function()
    local read = client:request("thread/read", { thread_id = "th" })
    assert.equal("p", read.thread.model_provider)
    assert.equal(1, read.thread.created_at)
    assert.is_nil(read.thread.cwd)
    assert.equal("[]", codex.json.encode(read.thread.unknownField.innerName))
    assert.is_table(read.extraResult)
    local turn = read.thread.turns[1]
    assert.equal(1, turn.duration_ms)
    assert.same({ { byte_range = { start = 0, ["end"] = 1 } } }, turn.items[1].content[1].text_elements)

    assert_awkward(client:request("new/method", {}))

    local config = client:request("config/read", {}).config
    assert.equal("p", config.model_provider)
    assert.is_true(config.sandbox_workspace_write.network_access)
    assert.is_nil(config.approval_policy)
    assert.same({ a_b = 1 }, config.unknownKey)
    assert.equal(1, config.desktop.someKey)
  end)
end)

describe("text that isn't UTF-8", function()
  after_each(kit.cleanup)

  it("from the server is replaced", function()
    local client = kit.open((kit.fake [==[
      server:handshake()
      server:thread("th")
      server:turn("t1")
      local function raw(text) server:raw('{"method":' .. text .. "}\n") end
      raw('"item/agentMessage/delta","params":{"threadId":"th","turnId":"t1","itemId":"m","delta":"a\xFFb"}')
      raw('"item/agentMessage/delta","params":{"threadId":"th","turnId":"t1","itemId":"m","delta":"\\ud800c"}')
      raw('"item/completed","params":{"threadId":"th","turnId":"t1","completedAtMs":1,"item":{"type":"agentMessage",'
        .. '"id":"m","text":"caf\xC3\xA9 \xC3 \\udc00 \xED\xA0\x80"}}')
      raw('"item/completed","params":{"threadId":"th","turnId":"t1","completedAtMs":1,"item":{"type":"new",'
        .. '"\xFEkey":1}}')
      server:turn_completed("th", "t1")
    ]==]))
    local turn = client:thread_start():turn "x"
    local deltas = {}
    for event in turn:stream { "item/agentMessage/delta" } do
      deltas[#deltas + 1] = event.params.delta
    end
    local replaced = "\239\191\189" -- U+FFFD
    assert.same({ "a" .. replaced .. "b", replaced .. "c" }, deltas)
    local result = turn:run()
    assert.equal(2, #result.items)
    assert.is_true(luas.is_utf8(result.items[1].text))
    assert.equal(1, (result.items[1].text:find(("café @ @ @"):gsub("@", replaced), 1, true)))
    assert.equal(result.items[1].text, result.final_response)
    assert.equal(1, result.items[2][replaced .. "key"])
  end)

  it("never reaches the real server, which would leave", function()
    local client = kit.client()
    local thread = client:thread_start()
    local err = raised("invalid_argument", thread.run, thread, "caf\233")
    assert.truthy(err.message:find("turn_start.input[1].text: not valid UTF-8", 1, true), err.message)
    assert.equal("completed", thread:run("café").status)
  end)
end)

describe("the real server", function()
  after_each(kit.cleanup)

  local function schema()
    return {
      type = "object",
      properties = { camelCase = { type = "string" }, snake_case = { type = "array", items = { type = "number" } } },
      required = array {},
      additionalProperties = false,
    }
  end

  it("hands schemas to the model and arguments back as they were written", function()
    local arguments = '{"camelCase":{"snake_case":[],"n":null},"1":9007199254740993,"":2,"ключ":1.5,"empty":{}}'
    local client, home = kit.client {
      script = {
        { calls = { { name = "look_up", arguments = arguments } } },
        '{"camelCase":null,"snake_case":[],"n":1}',
      },
    }
    local thread = client:thread_start {
      dynamic_tools = { { type = "function", name = "look_up", description = "looks up", input_schema = schema() } },
    }
    local result = thread:run("use it", { output_schema = schema() })
    local call
    for _, item in ipairs(result.items) do
      if item.type == "dynamicToolCall" then call = item end
    end
    assert.is_true(same(codex.json.decode(arguments), call.arguments), codex.json.encode(call.arguments))
    assert.equal("look_up", call.tool)
    assert.is_false(call.success) -- nobody answers it yet
    assert.is_true(same({ camelCase = null, snake_case = array {}, n = 1 }, result.parsed))

    local body = home:log()[1].body
    assert.same(cjson.decode(codex.json.encode(schema())), body.text.format.schema)
    local tool
    for _, offered in ipairs(body.tools) do
      if offered.name == "look_up" then tool = offered end
    end
    assert.same(cjson.decode(codex.json.encode(schema().properties)), tool.parameters.properties)
  end)

  it("takes every name we send it, and the exceptions", function()
    local client, home = kit.client()
    local thread = client:thread_start {
      approval_policy = {
        granular = { mcp_elicitations = true, rules = true, sandbox_approval = true, request_permissions = false },
      },
      developer_instructions = "the developer's word",
      config = { model_reasoning_effort = "high", ["features.goals"] = false },
      ephemeral = true,
      sandbox = "read_only",
    }
    assert.is_true(thread.approval_policy.granular.sandbox_approval)
    assert.is_false(thread.approval_policy.granular.request_permissions)
    thread:run("x", {
      collaboration_mode = {
        mode = "default",
        settings = { model = "mode-model", reasoning_effort = "low", developer_instructions = null },
      },
    })
    local body = home:log()[1].body
    assert.equal("mode-model", body.model)
    assert.equal("low", body.reasoning.effort)
    assert.truthy(cjson.encode(body.input):find("the developer's word", 1, true))
    local config = client:request("config/read", { include_layers = false }).config
    assert.equal("mock", config.model_provider)
    assert.equal("read-only", config.sandbox_mode)
  end)

  it("gets config overrides at its start, whatever is in them", function()
    local client = kit.client {
      config_overrides = {
        model = 'quo"ted \\ é\127\n\t😀',
        ["features.goals"] = false,
        model_providers = {
          ["with space"] = { name = "N", base_url = "http://x", query_params = { camelCase = "1" } },
        },
        sandbox_workspace_write = { writable_roots = { "/a b", "/c\"d" }, network_access = true },
      },
    }
    local config = client:request("config/read", {}).config
    assert.equal('quo"ted \\ é\127\n\t😀', config.model)
    assert.same({ "/a b", "/c\"d" }, config.sandbox_workspace_write.writable_roots)
    assert.is_true(config.sandbox_workspace_write.network_access)
    local listed = kit.client { config_overrides = { 'model="a=b"', "features.goals=false" } }
    assert.equal("a=b", listed:request("config/read", {}).config.model)
  end)
end)
