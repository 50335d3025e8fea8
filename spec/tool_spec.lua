-- Tools in Lua, without a server: what is refused, what the server is told, and what becomes of a call. Runs on every
-- Lua.
local codex = require "codex"
local contents = require "codex.content"
local kit = require "spec.support.kit"
local names = require "codex.tool.names"
local outputs = require "codex.tool.output"
local tools = require "codex.tool"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local null = codex.null

local function refused(expected, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, expected)
  assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
  assert.truthy(err.message:find(expected, 1, true), err.message)
  assert.truthy(err.message:find("tool_spec.lua:", 1, true), err.message)
end

-- Of long texts, what is wrong is told in few words.
local function same_text(expected, text)
  if expected == text then return end
  assert.same({ #expected, expected:sub(-80) }, { #text, text:sub(-80) })
  assert.is_true(expected == text, "the ends are the same")
end

local function nothing() end

-- A definition that is all right, but for what is given.
local function definition(changes)
  local all = { name = "a", description = "d", run = nothing }
  for name, value in pairs(changes or {}) do
    all[name] = value ~= null and value or nil
  end
  return all
end

local function named(name)
  return definition { name = name }
end

local function space(name, list, description)
  return { name = name, description = description or "d", tools = list or { definition() } }
end

-- What the server is told of tools, and what calls are looked up in.
local function prepare(...)
  local registry, specs = tools.prepare("thread_start", { ... })
  return specs, registry
end

describe("The definition of a tool", function()
  it("is told to the server in the protocol's shape", function()
    local schema = { type = "object", properties = { camelCase = { type = "string" }, snake_case = {} }, required = {} }
    local specs = prepare(
      codex.tool { name = "one", description = "first", run = nothing },
      definition { name = "two", description = "second", parameters = schema },
      codex.tool_namespace {
        name = "more",
        description = "further ones",
        tools = { codex.tool { name = "one", description = "third", run = nothing, defer_loading = true } },
      }
    )
    local none = { type = "object", properties = {} }
    assert.same({
      { type = "function", name = "one", description = "first", input_schema = none },
      { type = "function", name = "two", description = "second", input_schema = schema },
      {
        type = "namespace",
        name = "more",
        description = "further ones",
        tools = {
          { type = "function", name = "one", description = "third", input_schema = none, defer_loading = true },
        },
      },
    }, specs)
    assert.truthy(codex.json.encode(specs[2].input_schema):find('"required":[]', 1, true))
    local empty, registry = prepare()
    assert.is_nil(empty)
    assert.same({}, registry.names)
  end)

  it("needs all of its parts, and has no others", function()
    refused("tool: expected a table, got nil", codex.tool)
    refused("tool.name: expected a string, got nil", codex.tool, definition { name = null })
    refused("tool.description: is missing", codex.tool, definition { description = null })
    refused("tool.description: expected a string, got number", codex.tool, definition { description = 5 })
    refused("tool.run: expected a function, got nil", codex.tool, definition { run = null })
    refused("tool.run: expected a function, got string", codex.tool, definition { run = "x" })
    refused("tool.defer_loading: expected a boolean", codex.tool, definition { defer_loading = 1 })
    refused("unknown option 'descripton' (did you mean 'description'?)", codex.tool, definition { descripton = "x" })
    refused("unknown option 'input_schema' (did you mean 'parameters'?)", codex.tool, definition { input_schema = {} })
    refused("unknown option 'inputSchema' (did you mean 'parameters'?)", codex.tool, definition { inputSchema = {} })
    refused("unknown option 'handler' (did you mean 'run'?)", codex.tool, definition { handler = nothing })
    refused("tool_namespace.description: is missing", codex.tool_namespace, { name = "n", tools = { definition() } })
    refused("tool_namespace.tools: expected a list, got nil", codex.tool_namespace, { name = "n", description = "d" })
    refused("tool_namespace.tools: must not be empty", codex.tool_namespace, space("n", {}))
    refused("tool_namespace.tools[1]: unknown option 'tools'", codex.tool_namespace, space("n", { space "m" }))
    local callable = setmetatable({}, { __call = nothing })
    assert.equal(callable, codex.tool(definition { run = callable }).run)
  end)

  it("is a copy", function()
    local own = definition { parameters = { properties = { a = { type = "string" } } } }
    local tool = codex.tool(own)
    own.name = "other"
    assert.equal("a", tool.name)
    local specs, registry = prepare(tool)
    own.parameters.properties.a.type = "integer"
    assert.equal("string", specs[1].input_schema.properties.a.type)
    assert.same({ "a" }, registry.names)
  end)

  it("is found in the list that is wrong", function()
    refused("thread_start.tools: expected a list, got function", tools.prepare, "thread_start", nothing)
    refused("thread_start.tools: expected a list of tools", tools.prepare, "thread_start", definition())
    for _, wrong in ipairs { "x", 1, true, print } do
      refused("thread_start.tools[2]: expected a table, got " .. type(wrong), prepare, definition(), wrong)
    end
    refused("tools[2].tools[1]: expected a table, got number", prepare, definition(), space("n", { 1 }))
    refused("thread_start.tools[2].run: expected a function", prepare, named "b", definition { run = null })
    refused("thread_start.tools[2].tools[1].name: ", prepare, named "b", space("n", { named "x y" }))
    for length = 1, 5 do
      local backwards = {}
      for index = length, 1, -1 do
        backwards[index] = named("t" .. index)
      end
      assert.equal(length, #tools.prepare("thread_start", backwards).names)
    end
  end)
end)

describe("The name of a tool", function()
  it("is what the model API takes", function()
    for _, name in ipairs { "a", "A-b_9", "1", "-", "_", "web_search", "mcp_x", ("x"):rep(127), ("x"):rep(128) } do
      assert.equal(name, prepare(named(name))[1].name)
    end
    refused("name: must not be empty", prepare, named "")
    refused("name: at most 128 characters are allowed, got 129", prepare, named(("x"):rep(129)))
    for _, name in ipairs { "a b", "a.b", "ä", " a", "a\n", "a\0" } do
      refused("has other characters than letters, digits, '_' and '-'", prepare, named(name))
      refused("has other characters than letters, digits, '_' and '-'", prepare, space(name))
    end
    refused("name: expected a string, got number", prepare, named(5))
  end)

  it("is at most 64 characters long for a namespace, and its description 1,024", function()
    for _, length in ipairs { 63, 64 } do
      assert.equal(length, #prepare(space(("n"):rep(length)))[1].name)
    end
    refused("name: at most 64 characters are allowed, got 65", prepare, space(("n"):rep(65)))
    for _, length in ipairs { 0, 1023, 1024 } do
      assert.truthy(prepare(space("n", nil, ("ä"):rep(length))))
    end
    refused("description: at most 1024 characters are allowed, got 1025", prepare, space("n", nil, ("ä"):rep(1025)))
  end)

  it("isn't one that the server refuses", function()
    for _, name in ipairs { "mcp", "mcp__x" } do
      refused("is kept for tools of MCP servers", prepare, named(name))
      refused("is kept for tools of MCP servers", prepare, space(name))
      refused("is kept for tools of MCP servers", prepare, space("n", { named(name) }))
    end
    for _, name in ipairs { "functions", "python", "web", "multi_agent_v1", "clock" } do
      refused("is a namespace of the server's own", prepare, space(name))
      assert.truthy(prepare(named(name)))
    end
  end)

  it("isn't one that the server drops without a word", function()
    for _, name in ipairs { "exec_command", "exec-command", "apply_patch", "update_plan", "view_image", "wait" } do
      refused(("tools[1].name: '%s' is a tool of the server's own"):format(name), prepare, named(name))
      assert.truthy(prepare(space("n", { named(name) })))
      assert.equal(name, codex.tool(named(name)).name) -- it might go into a namespace
    end
    refused("only a tool in a namespace can be loaded later", prepare, definition { defer_loading = true })
  end)

  it("is the only one of its kind", function()
    refused("tools[2].name: there is another tool 'a'", prepare, named "a", named "a")
    refused("tools[2].name: there is another namespace 'n'", prepare, space "n", space "n")
    refused("tools[1].tools[2].name: there is another tool 'n.a'", prepare, space("n", { named "a", named "a" }))
    assert.truthy(prepare(named "a", named "A", space("n", { named "a" }), space("m", { named "a" }), named "n"))
  end)

  it("is the only one for a model that calls tools from JavaScript", function()
    assert.equal("a_b", names.in_scripts "a-b")
    assert.equal("_x", names.in_scripts "1x")
    assert.equal("my__a_b", names.in_scripts("a-b", "my"))
    assert.equal("my_a", names.in_scripts("a", "my_"))
    refused("'a_b' and 'a-b' are the same to models that call tools from scripts (a_b)", prepare, named "a-b",
      named "a_b")
    refused("'n__a' and 'n.a' are the same", prepare, space("n", { named "a" }), named "n__a")
    refused("'a_b.x' and 'a-b.x' are the same", prepare, space("a-b", { named "x" }), space("a_b", { named "x" }))
  end)
end)

describe("The parameters of a tool", function()
  local function with(parameters)
    return definition { parameters = parameters }
  end

  it("are a JSON Schema of an object", function()
    refused("tool.parameters: expected a table, got string", codex.tool, with "object")
    refused("tool.parameters: expected a table, got boolean", codex.tool, with(true))
    refused("tool.parameters.type: must be 'object'", codex.tool, with { type = "string" })
    refused("tool.parameters.type: must be 'object'", codex.tool, with { type = { "object", "null" } })
    refused("tool.parameters: expected a schema, got an empty array", codex.tool, with(codex.array {}))
    assert.same({ type = "object" }, prepare(with {})[1].input_schema)
    assert.same({ type = "object", required = { "a" } }, prepare(with { required = { "a" } })[1].input_schema)
  end)

  it("are a schema without mistakes", function()
    for expected, schema in pairs {
      ["tool.parameters.properties.id.type: got 'int'"] = { properties = { id = { type = "int" } } },
      ["tool.parameters.properties.id.enum: expected a list"] = { properties = { id = { enum = 5 } } },
      ["tool.parameters.required: expected a list of names"] = { required = "id" },
      ["tool.parameters: unknown keyword 'additional_properties'"] = { additional_properties = false },
      ["tool.parameters.properties.a.$ref: '#/$defs/x' leads nowhere"] = {
        properties = { a = { ["$ref"] = "#/$defs/x" } },
      },
      ["tool.parameters: .default: a function can't be sent"] = { default = nothing },
    } do
      refused(expected, codex.tool, with(schema))
    end
    refused("tools[1].parameters.required: expected a list of names", prepare, with { required = "id" })
  end)
end)

describe("A call of a tool", function()
  -- Calls a tool: the answer, what was reported, and what the function got.
  local function call(run, params, request, more)
    local list = more or {}
    list[#list + 1] = { name = "tool", description = "d", parameters = params and params.parameters, run = run }
    local registry = tools.prepare("thread_start", list)
    request = request or {}
    request.params = {
      call_id = "call_1",
      tool = params and params.tool or "tool",
      namespace = params and params.namespace,
      arguments = params and params.arguments or {},
    }
    local reports = {}
    local answer = tools.call(registry, request, function(...)
      reports[#reports + 1] = { n = select("#", ...), ... }
    end)
    return answer, reports
  end

  local function returning(...)
    local values, n = { ... }, select("#", ...)
    return function()
      return (unpack or table.unpack)(values, 1, n) -- luacheck: ignore 113 143
    end
  end

  local function text_of(answer)
    assert.equal(1, #answer.content_items)
    assert.equal("inputText", answer.content_items[1].type)
    return answer.content_items[1].text
  end

  local function failure(expected, ...)
    local answer, reports = call(...)
    assert.is_false(answer.success)
    assert.equal(expected, text_of(answer))
    return reports
  end

  it("is answered with what the function returns", function()
    for expected, value in pairs {
      ["some text"] = "some text",
      [""] = "",
      ["15"] = 15,
      ["2.5"] = 2.5,
      ["true"] = true,
      ["false"] = false,
      ["null"] = null,
      ["{}"] = {},
      ["[]"] = codex.array {},
      ['["a",1]'] = { "a", 1 },
      ['{"camelCase":{"snake_case":null}}'] = { camelCase = { snake_case = null } },
      ['{"type":"inputText"}'] = { type = "inputText" }, -- data that only looks like content
    } do
      local answer, reports = call(returning(value))
      assert.is_true(answer.success)
      assert.equal(expected, text_of(answer))
      assert.same({}, reports)
    end
    for _, run in ipairs { nothing, returning(nil), returning(nil, nil) } do
      assert.same({ content_items = { { type = "inputText", text = "" } }, success = true }, (call(run)))
    end
  end)

  it("is answered with content", function()
    local content = codex.content
    local url = "data:image/png;base64,AAAA"
    assert.same({ { type = "inputText", text = "x" } }, call(returning(content.text "x")).content_items)
    assert.same({ { type = "inputImage", image_url = url } }, call(returning(content.image(url))).content_items)
    local answer = call(returning { "see", content.image(url), content.text "?", content.audio "data:;base64,AA==" })
    assert.same({
      { type = "inputText", text = "see" },
      { type = "inputImage", image_url = url },
      { type = "inputText", text = "?" },
      { type = "inputAudio", audio_url = "data:;base64,AA==" },
    }, answer.content_items)
    assert.is_nil(getmetatable(answer.content_items[1]))
    local reports = failure(
      "The tool failed: entry 2 of the list that it returned is a number, not content such as codex.content.text(…)",
      returning { content.text "x", 5 }
    )
    assert.equal("invalid_argument", reports[1][1].kind)
    failure("The tool failed: it returned a table with content, but not as a list",
      returning { content.text "x", a = "b" })
  end)

  it("fails with what the function raises, which is reported", function()
    local reports = failure("The tool failed: no paper", function()
      error "no paper"
    end)
    assert.equal(1, #reports)
    assert.truthy(reports[1][1]:find "tool_spec%.lua:%d+: no paper$")
    failure("The tool failed: localhost:80: refused", function()
      error("localhost:80: refused", 0)
    end)
    local err = setmetatable({}, { __tostring = returning "an object" })
    reports = failure("The tool failed: an object", function()
      error(err)
    end)
    assert.equal(err, reports[1][1])
    failure("The tool failed: expected a string", function()
      error(setmetatable({}, { __tostring = function() error("expected a string", 0) end }))
    end)
    failure("The tool failed: it raised nil", function()
      error()
    end)
    failure("The tool failed: it raised a table", function()
      error { code = 1 }
    end)
    failure("The tool failed: no ink", function()
      error { message = "no ink" }
    end)
    failure("The tool failed: outer", function()
      error(debug.traceback("outer"), 0)
    end)
    reports = failure("The tool failed: json.encode: a function can't be sent", function()
      codex.json.encode(print)
    end)
    assert.is_true(codex.is_error(reports[1][1], "invalid_argument"))
  end)

  it("fails with the message that comes after nil, which is no error of the function's", function()
    assert.same({}, failure("The tool failed: no ticket 7", returning(nil, "no ticket 7")))
    assert.same({}, failure("The tool failed: 5", returning(nil, 5)))
    assert.equal("1", text_of((call(returning(1, "ignored")))))
  end)

  it("fails when what the function returned can't be sent", function()
    failure("The tool failed: it returned a function, not a string, a table or content", returning(print))
    failure("The tool failed: what it returned can't be sent as JSON: .a: a function can't be sent",
      returning { a = print })
    failure("The tool failed: what it returned can't be sent as JSON: JSON has no number for nan", returning(0 / 0))
    local reports = failure("The tool failed: what it returned can't be sent as JSON: .a: not valid UTF-8",
      returning { a = "\255" })
    assert.is_true(codex.is_error(reports[1][1], "invalid_argument"))
  end)

  it("never reaches the function with arguments that don't fit", function()
    local calls = 0
    local function count()
      calls = calls + 1
    end
    local parameters = {
      properties = { id = { type = "integer", minimum = 1 } },
      required = { "id" },
      additionalProperties = false,
    }
    for expected, arguments in pairs {
      ['id: expected an integer, got "x"'] = { id = "x" },
      ["missing property 'id'"] = {},
      ["id: expected at least 1, got 0"] = { id = 0 },
      ["unexpected property 'a'"] = { id = 1, a = 2 },
      ["expected an object, got null"] = null,
      ["expected an object, got an array"] = { 1 },
      ["expected an object, got 5"] = 5,
    } do
      local reports = failure(
        "Nothing was done, since the arguments don't fit the tool's parameters: " .. expected,
        count,
        { parameters = parameters, arguments = arguments }
      )
      assert.same({}, reports)
    end
    assert.equal(0, calls)
    call(count, { parameters = parameters, arguments = { id = 1 } })
    assert.equal(1, calls)
  end)

  it("of an unknown tool fails with the names of those there are", function()
    local more = { named "other", space("n", { named "x" }) }
    local reports = failure("There is no tool 'nope': the tools are other, n.x, tool.", nothing, { tool = "nope" }, nil,
      more)
    assert.truthy(tostring(reports[1][1]):find("'nope'", 1, true))
    assert.equal("protocol", reports[1][1].kind)
    failure("There is no tool 'n.tool': the tools are n.x, tool.", nothing, { namespace = "n", tool = "tool" }, nil,
      { space("n", { named "x" }) })
    local answer = tools.call(nil, { params = { tool = "a", call_id = "1", arguments = {} } }, nothing)
    assert.same({
      content_items = { { type = "inputText", text = "There is no tool 'a': no tools can be called here." } },
      success = false,
    }, answer)
    local many = {}
    for index = 1, 60 do
      many[index] = named("t" .. index)
    end
    answer = call(nothing, { tool = "nope" }, nil, many)
    assert.truthy(text_of(answer):find(", t50 and 11 more.", 1, true))
  end)

  it("tells the function of itself", function()
    local thread, turn, given, seen = {}, {}, nil, nil
    local request = { thread = thread, cancelled = false }
    function request:when_cancelled(fn)
      given = { self, fn }
    end
    local function run(arguments, made)
      seen = made
      assert.same({ a = { null } }, arguments)
      assert.is_false(made:cancelled())
      assert.is_nil(made.turn)
      request.turn, request.cancelled = turn, true
      assert.equal(turn, made.turn)
      assert.is_true(made:cancelled())
      made:when_cancelled(nothing)
      assert.is_nil(made.anything)
      request.cancelled = false
      return "seen"
    end
    local more = { space("n", { definition { name = "tool", run = run } }) }
    local answer = call(nothing, { namespace = "n", arguments = { a = { null } } }, request, more)
    assert.is_true(answer.success, answer.content_items[1].text)
    assert.same({ "call_1", "tool", "n" }, { seen.id, seen.tool, seen.namespace })
    assert.equal(thread, seen.thread)
    assert.equal(request, seen.request)
    assert.same({ request, nothing }, given)
    refused("cancelled: call it with a colon, as call:cancelled(…)", seen.cancelled)
    refused("when_cancelled: expected a function, got nil", seen.when_cancelled, seen)
  end)

  it("has no answer when nobody waits for it any more, but its errors are reported", function()
    local request = {}
    local answer, reports = call(function()
      request.cancelled = true
      return "too late"
    end, nil, request)
    assert.is_nil(answer)
    assert.same({}, reports)
    reports = select(2, call(function()
      error("broken", 0)
    end, nil, request))
    assert.equal("broken", reports[1][1])
  end)

  it("may wait, and others go on meanwhile", function()
    local order = {}
    local function runner(name, seconds)
      return function()
        order[#order + 1] = name .. " begins"
        codex.sleep(seconds)
        order[#order + 1] = name .. " ends"
        if seconds == 0.01 then error("no more", 0) end
        return name
      end
    end
    local answers = codex.gather {
      function()
        return (call(runner("a", 0.02)))
      end,
      function()
        return (call(runner("b", 0.01)))
      end,
    }
    assert.same({ "a begins", "b begins", "b ends", "a ends" }, order)
    assert.same({ "a", "The tool failed: no more" }, { text_of(answers[1]), text_of(answers[2]) })
  end)

  it("cuts text off where there is too much of it", function()
    local limit = outputs.MAX_TEXT_BYTES
    assert.equal(256 * 1024, limit)
    local function note(bytes)
      return ("\n[cut off here: the result has %d bytes of text]"):format(bytes)
    end
    for _, length in ipairs { limit - 1, limit } do
      local text = ("x"):rep(length)
      same_text(text, text_of((call(returning(text)))))
    end
    same_text(("x"):rep(limit) .. note(limit + 1), text_of((call(returning(("x"):rep(limit + 1))))))
    -- never within a character
    same_text(("x"):rep(limit - 1) .. note(limit + 1), text_of((call(returning(("x"):rep(limit - 1) .. "ä")))))
    same_text(("x"):rep(limit - 2) .. "ä", text_of((call(returning(("x"):rep(limit - 2) .. "ä")))))
    -- JSON and errors as well
    assert.equal(limit + #note(limit + 2), #text_of((call(returning { ("x"):rep(limit - 2) }))))
    local answer = call(function()
      error(("x"):rep(limit), 0)
    end)
    assert.truthy(text_of(answer):find(note(limit + #"The tool failed: "), 1, true))
  end)

  it("cuts off the text of all pieces together, and keeps the images", function()
    local limit, text = outputs.MAX_TEXT_BYTES, codex.content.text
    local image = codex.content.image "data:;base64,AAAA"
    local half = ("x"):rep(limit / 2)
    local items = call(returning { text(half), text(half) }).content_items
    same_text(half .. "|" .. half, items[1].text .. "|" .. items[2].text)
    items = call(returning { half, text(half .. "yz"), "more", image, "" }).content_items
    same_text(half .. ("\n[cut off here: the result has %d bytes of text]"):format(limit + 6), items[2].text)
    assert.same({ "inputText", "inputText", "inputImage", "inputText" },
      { items[1].type, items[2].type, items[3].type, items[4].type })
    assert.equal(4, #items)
  end)

  it("replaces what isn't UTF-8", function()
    local mark = "\239\191\189"
    for expected, text in pairs {
      ["ä€😀"] = "ä€😀",
      ["a" .. mark .. "b"] = "a\255b",
      [mark] = "\195",
      [mark .. "x"] = "\195x",
      [mark .. mark] = "\192\128", -- overlong
      [mark .. mark .. mark] = "\237\160\128", -- a surrogate
      [mark .. "ä"] = "\240\159\152ä",
      [mark .. mark .. "é"] = "\245\128é",
      ["\240\144\128\128\244\143\191\191"] = "\240\144\128\128\244\143\191\191",
      [mark .. mark .. mark .. mark] = "\244\144\128\128",
    } do
      assert.equal(expected, text_of((call(returning(text)))))
    end
    -- which may take more room than there is
    local answer = text_of((call(returning(("\255"):rep(outputs.MAX_TEXT_BYTES)))))
    same_text(mark:rep(math.floor(outputs.MAX_TEXT_BYTES / 3)), answer:match "^[\128-\255]+")
    assert.truthy(answer:find "\n%[cut off here: the result has 262144 bytes of text%]$")
  end)

  it("fails when its images are too large together", function()
    local limit = contents.MAX_URL_BYTES
    assert.equal(8 * 1024 * 1024, limit)
    local start = "data:image/png;base64,"
    local large = codex.content.image(start .. ("A"):rep(limit - 100))
    local function other(length)
      return codex.content.image(start .. ("A"):rep(length - #start))
    end
    local room = limit - #large.image_url
    for _, length in ipairs { room - 1, room } do
      assert.is_true(call(returning { large, other(length) }).success)
    end
    local reports = failure(
      ("The tool failed: its images and sounds take %d bytes as data: URLs, at most %d are allowed"):format(limit + 1,
        limit),
      returning { large, other(room + 1) }
    )
    assert.equal("invalid_argument", reports[1][1].kind)
  end)
end)

describe("Content", function()
  teardown(kit.cleanup)

  local png = "\137PNG\r\n\26\n\0\0\0\rIHDR"
  local png_url = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg=="

  it("is text, an image or a sound", function()
    local content = codex.content
    assert.equal("x", content.text("x").text)
    assert.equal(png_url, content.image(png).image_url)
    assert.equal(png_url, content.image(png_url).image_url)
    local path = kit.write_file(kit.folder() .. "/GIF89a.png", png)
    assert.equal(png_url, content.image(path).image_url)
    refused("content.text: expected a string, got number", content.text, 5)
    refused("content.image: expected a path, bytes or a data: URL, got table", content.image, {})
    for bytes, kind in pairs {
      ["\255\216\255\224\0\16JFIF"] = "image/jpeg",
      ["GIF89a\1\0\1\0"] = "image/gif",
      ["RIFF\1\0\0\0WEBPVP8 "] = "image/webp",
    } do
      assert.equal(kind, content.image(bytes).image_url:match "^data:(.-);base64,")
    end
    for bytes, kind in pairs {
      ["RIFF\1\0\0\0WAVEfmt "] = "audio/wav",
      ["ID3\4\0\0"] = "audio/mpeg",
      ["\255\251\144\0"] = "audio/mpeg",
      ["OggS\0\2"] = "audio/ogg",
      ["\0\0\0\24ftypM4A "] = "audio/mp4",
      ["\26\69\223\163\1\0"] = "audio/webm",
    } do
      assert.equal(kind, content.audio(bytes).audio_url:match "^data:(.-);base64,")
    end
  end)

  it("is what the server can do something with", function()
    local image, folder = codex.content.image, kit.folder()
    refused("the server fetches nothing (https://example.com): give a path", image, "https://example.com/a.png?key=x")
    refused("can't read " .. folder .. "/nope.png: No such file", image, folder .. "/nope.png")
    refused("can't read '" .. folder .. "': Is a directory", image, folder)
    refused("can't read 'a': the path holds a zero byte", image, "a\0b")
    local path = kit.write_file(folder .. "/a.svg", "<svg/>")
    refused("a.svg' is none of PNG, JPEG, GIF and WebP", image, path)
    refused("a.png' is none of PNG", image, kit.write_file(folder .. "/a.png", ""))
    refused("is none of WAV, MP3", codex.content.audio, kit.write_file(folder .. "/b.png", png))
    for _, url in ipairs { "data:", "data:image/png,zz", "data:image/png;base64,", "data:image/png;base64,a b" } do
      refused("a data: URL must look like 'data:image/…;base64,…'", image, url)
    end
  end)

  it("is in base 64", function()
    local function encoded(tail)
      return codex.content.image(png .. tail).image_url:match ",(.*)$"
    end
    assert.equal("iVBORw0KGgoAAAANSUhEUgA=", encoded "\0")
    assert.equal("iVBORw0KGgoAAAANSUhEUvv/", encoded "\251\255")
    assert.equal("iVBORw0KGgoAAAANSUhEUj7/gA==", encoded "\62\255\128")
    local long = encoded(("abc"):rep(20000) .. "d") -- over the pieces in which it is made
    assert.equal("iVBORw0KGgoAAAANSUhEUm" .. ("FiY2"):rep(19999), long:sub(1, 22 + 4 * 19999))
    assert.equal("FiY2Q=", long:sub(-6))
  end)

  it("has a limit", function()
    local limit, start = contents.MAX_URL_BYTES, "data:image/png;base64,"
    local image = codex.content.image
    for _, length in ipairs { limit - 1, limit } do
      assert.truthy(image(start .. ("A"):rep(length - #start)))
    end
    local message = "too large: it would take more than the 8388608 bytes that a data: URL may have"
    refused(message, image, start .. ("A"):rep(limit + 1 - #start))
    refused(message, image, png .. ("\0"):rep(limit / 4 * 3 - #png))
    refused(message, image, kit.write_file(kit.folder() .. "/large.png", png .. ("\0"):rep(limit / 4 * 3)))
  end)
end)
