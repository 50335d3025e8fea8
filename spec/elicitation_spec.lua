-- What MCP servers ask, approvals of their tools among it, and what answers them.
local codex = require "codex"
local core = require "codex.core"
local elicitation = require "codex.elicitation"
local kit = require "spec.support.kit"

local METHOD = "mcpServer/elicitation/request"

-- The params of a request as they come, from what is special about it.
local function params_of(members)
  local all = { threadId = "t", serverName = "s", mode = "form" }
  for name, value in pairs(members) do
    all[name] = value
  end
  if not all.title then all.message = "Well?" end
  local _, params = assert(core.decode("server_request", METHOD, "params", core.json_encode(all)))
  return params
end

local function asking(members)
  return elicitation.fields(params_of(members))
end

local function form(properties, ...)
  return asking { requestedSchema = { type = "object", properties = properties, required = { ... } } }
end

local function tool_call(meta)
  local all = { codex_approval_kind = "mcp_tool_call", tool_name = "wipe" }
  for name, value in pairs(meta or {}) do
    all[name] = value
  end
  return { _meta = all, requestedSchema = { type = "object", properties = {} } }
end

-- The answer, which the schema passes, and which leaves what was returned as it was.
local function converted(convert, request, returned)
  local before = core.json_encode(returned)
  local made, message = convert(request, returned)
  assert(made, message)
  assert(core.encode("server_request", METHOD, "result", made, "answer"))
  assert.equal(before, core.json_encode(returned))
  return made
end

local function to_answer(...)
  return converted(elicitation.to_answer, ...)
end

local function decide(...)
  return converted(elicitation.approval_to_answer, ...)
end

local function refused(convert, request, returned)
  local made, message = convert(request, returned)
  assert.is_nil(made)
  return message
end

-- The content as the wire has it.
local function on_the_wire(request, returned)
  local text = core.encode("server_request", METHOD, "result", elicitation.to_answer(request, returned), "answer")
  return text:match '"content":(%b{})'
end

describe("an elicitation", function()
  it("shows what it asks for", function()
    local schema = { type = "object", properties = { maxLength = { type = "string", maxLength = 3 } } }
    assert.same({ message = "Well?", mode = "form", server_name = "s", requested_schema = schema },
      asking { requestedSchema = schema })
    assert.same({ message = "Well?", mode = "url", server_name = "s", url = "https://x" },
      asking { mode = "url", url = "https://x", elicitationId = "e" })
    assert.equal("Pay: 5 pounds", asking({ mode = "openai/userVerification", title = "Pay", description = "5 pounds",
      challenge = "c" }).message)
  end)

  it("is a tool's approval when it is marked so, and has nothing to fill in", function()
    local given = tool_call { tool_params = { someName = 1 }, tool_annotations = { readOnlyHint = true },
      tool_description = "Wipes.", persist = { "session", "always" } }
    assert.is_true(elicitation.is_tool_approval(params_of(given)))
    assert.same({ message = "Well?", mode = "form", server_name = "s", tool_name = "wipe",
      requested_schema = { type = "object", properties = {} }, tool_params = { someName = 1 },
      tool_annotations = { readOnlyHint = true }, tool_description = "Wipes.", persist = { "session", "always" } },
      asking(given))
    assert.same({ "session" }, asking(tool_call { persist = "session" }).persist)
    for _, meta in ipairs { {}, { persist = codex.null, tool_params = codex.null, tool_annotations = codex.null } } do
      local bare = asking(tool_call(meta))
      assert.same({}, bare.persist)
      assert.same({}, bare.tool_params)
      assert.is_nil(bare.tool_annotations)
    end
  end)

  it("is a form when a server only pretends", function()
    local given = tool_call()
    given.requestedSchema.properties = { password = { type = "string" } }
    assert.is_false(elicitation.is_tool_approval(params_of(given)))
    assert.is_nil(asking(given).tool_name)
    for _, meta in ipairs { codex.null, {}, codex.array { "mcp_tool_call" }, "mcp_tool_call",
      { codex_approval_kind = "other" } } do
      given = { _meta = meta, requestedSchema = { type = "object", properties = {} } }
      assert.is_false(elicitation.is_tool_approval(params_of(given)))
    end
  end)
end)

describe("the answer to a form", function()
  local name = { type = "string", minLength = 2 }
  local size = { type = "integer", default = 3 }
  local colour = { type = "string", enum = { "red", "green" } }

  it("is its content, by the fields' names", function()
    assert.same({ action = "accept", content = { name = "Bo" } }, to_answer(form({ name = name }, "name"),
      { name = "Bo" }))
    assert.same({ action = "accept", content = { name = "Bo", size = 5, colour = "red" } },
      to_answer(form { name = name, size = size, colour = colour }, { name = "Bo", size = 5, colour = "red" }))
  end)

  it("has the defaults of what was left out", function()
    local request = form({ name = name, size = size }, "name")
    assert.same({ name = "Bo", size = 3 }, to_answer(request, { name = "Bo" }).content)
    assert.same({ name = "Bo" }, to_answer(request, { name = "Bo", size = codex.null }).content)
    assert.same({ size = 3 }, to_answer(form({ size = size }, "size"), true).content)
    assert.same({ size = 3 }, to_answer(form({ size = size }, "size"), "accept").content)
    assert.same({ ok = false }, to_answer(form { ok = { type = "boolean", default = false } }, {}).content)
    assert.same({}, to_answer(form { ok = { type = "boolean", default = codex.null } }, {}).content)
  end)

  it("keeps objects and lists apart where they are empty", function()
    assert.equal('{}', on_the_wire(form(nil), true))
    assert.equal('{}', on_the_wire(form {}, {}))
    local several = { type = "array", items = { type = "string", enum = { "x", "y" } } }
    assert.equal('{"several":[]}', on_the_wire(form { several = several }, { several = {} }))
    assert.equal('{"several":["x"]}', on_the_wire(form { several = several }, { several = { "x" } }))
  end)

  it("is checked", function()
    local request = form({ name = name, size = size, colour = colour }, "name")
    for message, content in pairs {
      ["missing property 'name'"] = {},
      ["name: expected at least 2 characters, got 1"] = { name = "B" },
      ["size: expected an integer, got \"5\""] = { name = "Bo", size = "5" },
      ["colour: expected one of \"red\", \"green\", got \"blue\""] = { name = "Bo", colour = "blue" },
      ["the form has no field 'nam' (did you mean 'name'?)"] = { nam = "Bo" },
      ["the form has no field 'zzz'"] = { name = "Bo", zzz = 1 },
      ["the form has no field 'decision' (did you mean 'action'?)"] = { decision = "accept" },
      ["expected the form's fields by name, got a list"] = { "Bo" },
    } do
      assert.equal(message, refused(elicitation.to_answer, request, content))
      assert.equal(message, refused(elicitation.to_answer, request, { action = "accept", content = content }))
    end
    assert.equal("missing property 'name'", refused(elicitation.to_answer, request, true))
    assert.equal("missing property 'name'", refused(elicitation.to_answer, request, { action = "accept" }))
    assert.equal("expected the form's fields by name, got a list",
      refused(elicitation.to_answer, request, codex.array {}))
    assert.equal("expected a table of the form's fields, got number", refused(elicitation.to_answer, request, 5))
  end)

  it("declines or cancels in a word", function()
    local request = form({ name = name }, "name")
    assert.same({ action = "decline" }, elicitation.to_answer(request, nil))
    assert.same({ action = "decline" }, to_answer(request, false))
    for _, action in ipairs { "decline", "cancel" } do
      assert.same({ action = action }, to_answer(request, action))
      assert.same({ action = action }, to_answer(request, { action = action, content = { name = "Bo" } }))
    end
    assert.equal("expected one of accept, decline, cancel, got 'acept' (did you mean 'accept'?)",
      refused(elicitation.to_answer, request, "acept"))
    assert.equal("expected one of accept, decline, cancel, got 'yes'",
      refused(elicitation.to_answer, request, { action = "yes" }))
  end)

  it("may be in the protocol's shape", function()
    local request = form({ name = name, size = size }, "name")
    assert.same({ action = "accept", content = { name = "Bo", size = 3 }, _meta = { someName = 1 } },
      to_answer(request, { action = "accept", content = { name = "Bo" }, _meta = { someName = 1 } }))
    assert.equal("unknown member 'contents' of an answer (did you mean 'content'?)",
      refused(elicitation.to_answer, request, { action = "accept", contents = {} }))
    assert.equal("content: expected a table, got string",
      refused(elicitation.to_answer, request, { action = "accept", content = "Bo" }))
    assert.same({ action = "accept", content = {} }, to_answer(form {}, { action = "accept", content = codex.null }))
  end)

  it("may have a field 'action'", function()
    local action = { type = "string", enum = { "accept", "merge" } }
    local request = form({ action = action }, "action")
    assert.same({ action = "accept", content = { action = "merge" } }, to_answer(request, { action = "merge" }))
    assert.same({ action = "accept", content = { action = "accept" } }, to_answer(request, { action = "accept" }))
    assert.same({ action = "accept", content = { action = "merge" } },
      to_answer(request, { action = "accept", content = { action = "merge" } }))
    request = form { action = action, content = { type = "string" } }
    assert.same({ action = "accept", content = { action = "merge", content = "x" } },
      to_answer(request, { action = "merge", content = "x" }))
  end)

  it("is free where the schema is OpenAI's own, but for what the schema says", function()
    local schema = { type = "object", properties = { deep = { type = "object", required = { "x" } } } }
    for _, mode in ipairs { "openai/form", "openaiForm" } do
      local request = asking { mode = mode, requestedSchema = schema }
      assert.same({ other = 1, deep = { x = 1 } }, to_answer(request, { other = 1, deep = { x = 1 } }).content)
      assert.equal("deep: missing property 'x'", refused(elicitation.to_answer, request, { deep = {} }))
    end
    assert.same({ x = 1 }, to_answer(asking { mode = "openai/form", requestedSchema = true }, { x = 1 }).content)
  end)

  it("is not checked by a schema that can't be followed", function()
    local request = asking { mode = "openai/form", requestedSchema = { minProperties = "x" } }
    assert.same({ action = "accept", content = { x = 1 } }, to_answer(request, { x = 1 }))
  end)
end)

describe("the answer to a URL", function()
  local request = asking { mode = "url", url = "https://x", elicitationId = "e" }

  it("is yes or no", function()
    for _, returned in ipairs { true, "accept", { action = "accept" } } do
      assert.same({ action = "accept" }, to_answer(request, returned))
    end
    assert.same({ action = "decline" }, to_answer(request, false))
    assert.same({ action = "cancel" }, to_answer(request, "cancel"))
  end)

  it("takes no content", function()
    for _, returned in ipairs { {}, { x = 1 }, { action = "accept", content = { x = 1 } } } do
      assert.equal("a URL takes no content: expected true, false, or an action",
        refused(elicitation.to_answer, request, returned))
    end
    assert.equal("unknown member 'decision' of an answer (did you mean 'action'?)",
      refused(elicitation.to_answer, request, { decision = "accept" }))
  end)
end)

describe("the answer to a verification", function()
  local request = asking { mode = "openai/userVerification", title = "t", description = "d", challenge = "c" }

  it("is the proof, or no", function()
    assert.same({ action = "accept", content = { proof = "p" } }, to_answer(request, { proof = "p" }))
    assert.same({ action = "decline" }, to_answer(request, false))
    assert.equal("mode 'openai/userVerification' can't be accepted without content",
      refused(elicitation.to_answer, request, true))
  end)
end)

describe("a decision about a tool", function()
  local request = asking(tool_call { persist = { "session", "always" } })
  local once = asking(tool_call())

  it("is accept, decline or cancel", function()
    for returned, action in pairs { [true] = "accept", accept = "accept", [false] = "decline", decline = "decline",
      cancel = "cancel" } do
      assert.same({ action = action }, decide(request, returned))
    end
  end)

  it("holds for the session where that is offered, else once", function()
    assert.same({ action = "accept", _meta = { persist = "session" } }, decide(request, "accept_for_session"))
    assert.same({ action = "accept" }, decide(once, "accept_for_session"))
    assert.same({ action = "accept" }, decide(asking(tool_call { persist = "always" }), "accept_for_session"))
  end)

  it("may be in the protocol's shape", function()
    for _, returned in ipairs { { action = "cancel" }, { action = "accept", content = {}, _meta = { x = 1 } } } do
      assert.same(returned, decide(request, returned))
    end
    assert.same({ action = "accept", _meta = { persist = "always" } },
      decide(request, { action = "accept", persist = "always" }))
  end)

  it("is refused when it is none of these", function()
    local always = '{ action = "accept", persist = "always" }'
    local offered = "expected one of accept, accept_for_session, " .. always .. ", decline, cancel"
    for message, returned in pairs {
      [offered .. ", got 'acept' (did you mean 'accept'?)"] = "acept",
      [offered .. ", got number"] = 5,
      ["unknown member 'decision' of an answer (did you mean 'action'?)"] = { decision = "accept" },
      ["action: missing, expected one of accept, decline, cancel"] = {},
      ["persist: expected one of what is offered (session, always), got 'forever'"] = { action = "accept",
        persist = "forever" },
      ["persist: only what is accepted can be kept"] = { action = "decline", persist = "always" },
    } do
      assert.equal(message, refused(elicitation.approval_to_answer, request, returned))
    end
    assert.equal("persist: expected one of what is offered (), got 'session'",
      refused(elicitation.approval_to_answer, once, { action = "accept", persist = "session" }))
    assert.equal("expected one of accept, decline, cancel, got 'yes'",
      refused(elicitation.approval_to_answer, once, "yes"))
    assert.equal("expected one of accept, decline, cancel, got nil",
      refused(elicitation.approval_to_answer, once, nil))
  end)

  it("is offered as far as the server takes it", function()
    local choices = elicitation.approval_decisions(request)
    assert.same({ "accept", "accept_for_session", { action = "accept", _meta = { persist = "always" } }, "decline",
      "cancel" }, choices)
    assert.same({ "accept", "decline", "cancel" }, elicitation.approval_decisions(once))
    for _, decision in ipairs(choices) do
      decide(request, decision)
    end
  end)
end)

-- ---- through the real server ----

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

local function call(tool, arguments)
  return { name = tool, namespace = "mcp__spec", arguments = arguments }
end

-- What the model was told by its tools since the user last spoke.
local function told(home)
  local requests, outputs = home:log(), {}
  for _, item in ipairs(requests[#requests].body.input) do
    if item.role == "user" then outputs = {} end
    if item.type == "function_call_output" then
      outputs[#outputs + 1] = type(item.output) == "table" and item.output[2].text or item.output
    end
  end
  return table.concat(outputs, "\n")
end

describe("an MCP server's", function()
  local fields = { name = { type = "string", minLength = 2 }, size = { type = "integer", default = 3 } }
  local ask_name = { message = "Who?", requestedSchema = { type = "object", properties = fields,
    required = { "name" } } }
  local pretended = { message = "Allow it?", requestedSchema = ask_name.requestedSchema,
    _meta = { codex_approval_kind = "mcp_tool_call", tool_name = "look" } }
  local ask_url = { mode = "url", message = "Log in there.", url = "https://example.org/x", elicitationId = "e" }
  local client, home, folder, thread, failures, asked

  setup(function()
    folder = kit.folder()
    local note, more = call("note", { file = folder .. "/a", text = "one" }),
      call("note", { file = folder .. "/b", text = "two" })
    client, home = kit.client {
      approval_policy = "on-request",
      extra_toml = kit.mcp_server "supports_parallel_tool_calls = true",
      script = { match = {
        { pattern = "look", answers = { { calls = { call("look", { text = "it" }) } }, "Done." } },
        { pattern = "both", answers = { { calls = { note, more } }, "Done." } },
        { pattern = "note", answers = { { calls = { note } }, "Done." } },
        { pattern = "wipe", answers = { { calls = { call("wipe", { file = folder .. "/a" }) } }, "Done." } },
        { pattern = "name", answers = { { calls = { call("ask", { params = ask_name }) } }, "Done." } },
        { pattern = "pretend", answers = { { calls = { call("ask", { params = pretended }) } }, "Done." } },
        { pattern = "url", answers = { { calls = { call("ask", { params = ask_url }) } }, "Done." } },
      } },
      elicitation_handler = function(request)
        asked[#asked + 1] = request
        return { name = "whoever" }
      end,
    }
    client:on("handler_error", function(err)
      failures[#failures + 1] = tostring(err)
    end)
  end)

  before_each(function()
    failures, asked = {}, {}
    os.remove(folder .. "/a")
    os.remove(folder .. "/b")
    thread = client:thread_start()
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  -- Runs a turn whose questions get what `answer` is, or returns; answers what the model was told.
  local function run(input, answer)
    local function handler(request)
      asked[#asked + 1] = request
      if type(answer) == "function" then return answer(request) end
      return answer
    end
    thread:run(input, { approval_handler = handler, elicitation_handler = handler })
    return told(home)
  end

  describe("tool", function()
    it("is decided about by those who decide about commands, and runs", function()
      assert.equal("noted one", run("note", "accept"))
      assert.equal("one", kit.read_file(folder .. "/a"))
      local request = asked[1]
      assert.same({ "mcp_tool", thread.id, "spec", "note" },
        { request.kind, request.thread_id, request.server_name, request.tool_name })
      assert.same({ file = folder .. "/a", text = "one" }, request.tool_params)
      assert.equal("Writes a file.", request.tool_description)
      assert.same({ "session", "always" }, request.persist)
      assert.same({ "accept", "accept_for_session", { action = "accept", _meta = { persist = "always" } }, "decline",
        "cancel" }, request.decisions)
      assert.equal("call the tool note of the MCP server spec", request.summary)
      assert.same({}, failures)
    end)

    it("is not asked about where it only reads", function()
      assert.equal("looked at it", run("look", "decline"))
      assert.same({}, asked)
    end)

    it("doesn't run when the answer is no, or none", function()
      for _, answer in ipairs { "decline", false } do
        assert.equal("user rejected MCP tool call", run("note", answer))
      end
      assert.same({}, failures)
      assert.equal("user rejected MCP tool call", run("note", "acept"))
      assert.equal("user rejected MCP tool call", run("note", error))
      assert.equal("user rejected MCP tool call", run "note")
      assert.equal(5, #asked)
      thread:run "note" -- the client has no handler for approvals
      assert.equal("user rejected MCP tool call", told(home))
      assert.is_false(exists(folder .. "/a"))
      assert.equal(3, #failures)
      assert.truthy(failures[1]:find("got 'acept' (did you mean 'accept'?)", 1, true), failures[1])
      assert.truthy(failures[3]:find("got nil", 1, true), failures[3])
    end)

    it("doesn't run, and the turn ends, when the answer is cancel", function()
      local result = thread:run("note", { approval_handler = function() return "cancel" end })
      assert.equal("interrupted", result.status)
      assert.is_false(exists(folder .. "/a"))
      assert.same({}, failures)
    end)

    it("may run for the rest of the session, in this thread", function()
      assert.equal("noted one", run("note", "accept_for_session"))
      assert.equal("noted one\nnoted two", run("both", "decline"))
      assert.equal(1, #asked)
      thread = client:thread_start()
      assert.equal("user rejected MCP tool call", run("note", "decline"))
    end)

    it("is asked about with others at once, which are decided in any order", function()
      local second, order = codex.event(), {}
      assert.equal("user rejected MCP tool call\nnoted two", run("both", function(request)
        if request.tool_params.text == "one" then second:wait() end
        table.insert(order, request.tool_params.text)
        second:set()
        return request.tool_params.text == "two"
      end))
      assert.same({ "two", "one" }, order)
      assert.is_false(exists(folder .. "/a"))
      assert.is_true(exists(folder .. "/b"))
    end)

    it("doesn't run when its turn was interrupted meanwhile", function()
      run("note", function(request)
        local turn = request.turn
        turn:interrupt()
        assert.equal("interrupted", turn:run().status)
        return "accept"
      end)
      assert.equal("looked at it", run "look")
      assert.is_true(asked[1].cancelled)
      assert.is_false(exists(folder .. "/a"))
      assert.same({ METHOD .. ": the answer came when nobody wanted it any more" }, failures)
    end)

    it("may run always, which the user's configuration keeps", function()
      kit.write_file(folder .. "/a", "")
      assert.equal("wiped", run("wipe", { action = "accept", persist = "always" }))
      assert.is_false(exists(folder .. "/a"))
      assert.same({ destructiveHint = true }, asked[1].tool_annotations)
      local config = kit.read_file(home.dir .. "/config.toml")
      assert.truthy(config:find('[mcp_servers.spec.tools.wipe]\napproval_mode = "approve"', 1, true), config)
    end)
  end)

  describe("form", function()
    -- What the MCP server got.
    local function got(input, answer)
      return codex.json.decode(run(input, answer))
    end

    it("is filled in", function()
      assert.same({ action = "accept", content = { name = "Bo", size = 3 } }, got("name", { name = "Bo" }))
      local request = asked[1]
      assert.same({ "elicitation", thread.id, "spec", "Who?", "form" },
        { request.kind, request.thread_id, request.server_name, request.message, request.mode })
      assert.same(ask_name.requestedSchema, request.requested_schema)
      assert.equal("answer the MCP server spec: Who?", request.summary)
      assert.same({}, failures)
    end)

    it("is declined or cancelled", function()
      assert.same({ action = "decline" }, got("name", false))
      assert.same({ action = "cancel" }, got("name", "cancel"))
      assert.same({}, failures)
    end)

    it("is declined when what the handler returns doesn't fit", function()
      assert.same({ action = "decline" }, got("name", { name = "B" }))
      assert.same({ action = "decline" }, got("name", error))
      assert.equal(METHOD .. ": the handler's answer can't be sent: name: expected at least 2 characters, got 1",
        failures[1])
      assert.equal(2, #failures)
    end)

    it("is no tool's approval, whatever it pretends", function()
      assert.same({ action = "decline" }, got("pretend", function(request)
        assert.equal("elicitation", request.kind)
        return "decline"
      end))
      assert.same({}, failures)
    end)

    it("is declined by the server itself where nobody is to be asked", function()
      thread = client:thread_start { approval_mode = "deny_all" }
      thread:run "name" -- the client has a handler for elicitations
      assert.same({ action = "decline" }, codex.json.decode(told(home)))
      assert.same({}, asked)
    end)

    it("may come outside of any turn", function()
      local answer = client:request("mcpServer/tool/call", { thread_id = thread.id, server = "spec", tool = "ask",
        arguments = { params = ask_name } })
      assert.same({ action = "accept", content = { name = "whoever", size = 3 } },
        codex.json.decode(answer.content[1].text))
      assert.same({ "elicitation", thread.id }, { asked[1].kind, asked[1].thread_id })
      assert.is_nil(asked[1].turn_id)
    end)

    it("may be a URL instead", function()
      assert.same({ action = "accept", content = {} }, got("url", true))
      assert.same({ "url", "https://example.org/x" }, { asked[1].mode, asked[1].url })
      assert.same({ action = "decline" }, got("url", false))
    end)
  end)
end)
