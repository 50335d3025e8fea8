-- Tools in Lua through the real server: what the model is offered, what it sees of a call, and when functions run.

local codex = require "codex"
local kit = require "spec.support.kit"
local outputs = require "codex.tool.output"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

-- The model makes the calls that the user writes down as JSON, all at once, and is content with what comes.
local script = [==[
local cjson = require "cjson"
return function(request, context)
  if #context.outputs > 0 then return "done" end
  if context.input_text:find "^%[" then return { calls = cjson.decode(context.input_text) } end
  if context.input_text:find "^//" then return { custom_calls = { { name = "exec", input = context.input_text } } } end
end
]==]

-- The input that makes the model call a tool, or several.
local function call(name, arguments, namespace)
  return { name = name, namespace = namespace, arguments = codex.json.encode(arguments or {}) }
end

local function calls(...)
  return codex.json.encode { ... }
end

local function tool(name, run, parameters)
  return codex.tool { name = name, description = "does " .. name, parameters = parameters, run = run }
end

-- What the tools answered since the user's last words, as the model saw it.
local function seen(home)
  local log = home:log()
  local list = {}
  for _, item in ipairs(log[#log].body.input) do
    if item.role == "user" then
      list = {}
    elseif item.type == "function_call_output" or item.type == "custom_tool_call_output" then
      list[#list + 1] = item.output
    end
  end
  return list
end

-- The tools that the model was offered last, by name: their descriptions, or those in a namespace.
local function offered(home)
  local log = home:log()
  local tools = {}
  for _, spec in ipairs(log[#log].body.tools) do
    local inner = {}
    for index, one in ipairs(spec.tools or {}) do
      inner[index] = one.name
    end
    if spec.name then tools[spec.name] = spec.tools and table.concat(inner, " ") or spec.description end
  end
  return tools
end

-- The items of the calls of a turn, each under its tool's name too.
local function items_of(result)
  local items = {}
  for _, item in ipairs(result.items) do
    if item.type == "dynamicToolCall" then
      items[#items + 1] = item
      items[(item.namespace and item.namespace .. "." or "") .. item.tool] = item
    end
  end
  return items
end

local function refused(expected, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok, expected)
  assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
  assert.truthy(err.message:find(expected, 1, true), err.message)
end

describe("Tools", function()
  local client, home, failures

  setup(function()
    client, home = kit.client { script = script }
    client:on("handler_error", function(err, request)
      failures[#failures + 1] = { err = err, request = request }
    end)
  end)

  before_each(function()
    failures = {}
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  it("are offered to the model, and tell it what they return", function()
    local png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
      .. "awAAAABJRU5ErkJggg=="
    local asked
    local schema = { type = "object", properties = { city = { type = "string" } }, required = { "city" } }
    local thread = client:thread_start {
      tools = {
        tool("weather", function(arguments, made)
          asked = made
          return "rain in " .. arguments.city
        end, schema),
        tool("table", function()
          return { degreesCelsius = 15, tags = codex.array {} }
        end),
        tool("nothing", function() end),
        tool("picture", function()
          return { "see:", codex.content.image(png) }
        end),
        tool("huge", function(arguments)
          return arguments.n == math.huge
        end),
        codex.tool_namespace {
          name = "stock",
          description = "the stock",
          tools = {
            tool("weather", function(arguments)
              return arguments.n + 1
            end),
            codex.tool { name = "later", description = "for a search", run = error, defer_loading = true },
          },
        },
      },
    }
    local result = thread:run(calls(call("weather", { city = "Oslo" }), call "table", call "nothing", call "picture",
      call("weather", { n = 41 }, "stock"), { name = "huge", arguments = '{"n":1e400}' }))
    assert.equal("done", result.final_response)
    local tools = offered(home)
    assert.equal("does weather", tools.weather)
    assert.equal("weather", tools.stock)
    local outcome = seen(home)
    assert.equal("rain in Oslo", outcome[1])
    assert.same({ degreesCelsius = 15, tags = codex.array {} }, codex.json.decode(outcome[2]))
    assert.equal("", outcome[3])
    assert.same({ "input_text", "see:", "input_image", png },
      { outcome[4][1].type, outcome[4][1].text, outcome[4][2].type, outcome[4][2].image_url })
    assert.equal("42", outcome[5])
    assert.equal("true", outcome[6])
    local items = items_of(result)
    assert.same({ { city = "Oslo" }, true }, { items.weather.arguments, items.weather.success })
    assert.is_true(items["stock.weather"].success)
    assert.same({ result.id, thread, items.weather.id, "weather" },
      { asked.turn.id, asked.thread, asked.id, asked.tool })
    assert.same({}, failures)
  end)

  it("tell the model what went wrong", function()
    local thread = client:thread_start {
      tools = {
        tool("raises", function()
          error "no paper"
        end),
        tool("fails", function()
          return nil, "no ticket 7"
        end),
        tool("checked", function()
          error "never reached"
        end, { properties = { id = { type = "integer", minimum = 1 } }, required = { "id" } }),
      },
    }
    local result = thread:run(calls(call "raises", call "fails", call("checked", { id = 0 }), call "checked"))
    assert.equal("completed", result.status)
    local prefix = "Nothing was done, since the arguments don't fit the tool's parameters: "
    assert.same({
      "The tool failed: no paper",
      "The tool failed: no ticket 7",
      prefix .. "id: expected at least 1, got 0",
      prefix .. "missing property 'id'",
    }, seen(home))
    for _, item in ipairs(items_of(result)) do
      assert.same({ "failed", false }, { item.status, item.success })
    end
    assert.equal(1, #failures)
    assert.truthy(tostring(failures[1].err):find "tool_call_spec%.lua:%d+: no paper$")
    assert.equal("raises", failures[1].request.params.tool)
  end)

  it("run at the same time when they are called together", function()
    local open, most = 0, 0
    local function meet(arguments)
      open = open + 1
      most = math.max(most, open)
      while most < 3 do
        codex.sleep(0.005)
      end
      open = open - 1
      return arguments.name
    end
    local thread = client:thread_start { tools = { tool("meet", meet) } }
    thread:run(calls(call("meet", { name = "a" }), call("meet", { name = "b" }), call("meet", { name = "c" })),
      { timeout = 20 })
    assert.same({ "a", "b", "c" }, seen(home))
  end)

  it("may run turns of other threads", function()
    local inner = client:thread_start()
    local thread = client:thread_start {
      tools = { tool("ask", function(arguments)
        return inner:run(arguments.what).final_response
      end) },
    }
    thread:run(calls(call("ask", { what = "hello" }), call("ask", { what = "hello again" })), { timeout = 20 })
    local answers = seen(home)
    assert.truthy(answers[1]:find "^Hello!", answers[1])
    assert.equal(2, #answers)
  end)

  it("learn when nobody waits for them any more", function()
    local told, ended = 0, false
    local thread = client:thread_start {
      tools = {
        tool("linger", function(_, made)
          made:when_cancelled(function()
            told = told + 1
          end)
          while not made:cancelled() do
            codex.sleep(0.005)
          end
          ended = true
          return "too late, which is no mistake"
        end),
        tool("quick", function()
          return "quick"
        end),
      },
    }
    local turn = thread:turn(calls(call "linger"))
    for event in turn:stream { "item/started" } do
      if event.params.item.type == "dynamicToolCall" then turn:interrupt() end
    end
    assert.equal("interrupted", turn:run().status)
    codex.timeout(10, function()
      while not (ended and told == 1) do
        codex.sleep(0.005)
      end
    end)
    thread:run(calls(call "quick"))
    assert.same({ "quick" }, seen(home))
    assert.same({}, failures)
  end)

  it("belong to their thread", function()
    local function named(answer)
      return tool("name", function()
        return answer
      end)
    end
    local one = client:thread_start { tools = { named "one" } }
    local other = client:thread_start { tools = { named "other" } }
    local results = codex.gather {
      function()
        return one:run(calls(call "name"))
      end,
      function()
        return other:run(calls(call "name"))
      end,
    }
    assert.equal("one", items_of(results[1])[1].content_items[1].text)
    assert.equal("other", items_of(results[2])[1].content_items[1].text)
  end)

  it("answer as much as there is room for", function()
    local thread = client:thread_start {
      tools = { tool("long", function()
        return ("x"):rep(outputs.MAX_TEXT_BYTES + 1)
      end) },
    }
    local text = items_of(thread:run(calls(call "long"))).long.content_items[1].text
    local note = "x\n[cut off here: the result has 262145 bytes of text]"
    assert.equal(outputs.MAX_TEXT_BYTES, text:find(note, 1, true))
    local output = seen(home)[1]
    assert.truthy(output:find(note, 1, true)) -- the server leaves out the middle
    assert.is_true(#output < 20000)
  end)

  it("are refused before anything is sent", function()
    local function start(...)
      return client:thread_start { tools = { ... } }
    end
    local none = function() end
    local before = client:statistics().lines
    refused("thread_start.tools[1].name: 'wait' is a tool of the server's own", start, tool("wait", none))
    refused("thread_start.tools[2].name: there is another tool 'a'", start, tool("a", none), tool("a", none))
    refused("thread_start.tools[1].run: expected a function, got nil", start, { name = "a", description = "d" })
    refused("thread_start.tools: expected a list, got string", client.thread_start, client, { tools = "a" })
    refused("thread_resume.tools[1].name: ", client.thread_resume, client, "x", { tools = { tool("wait", none) } })
    refused("thread_fork.tools[1].name: ", client.thread_fork, client, "x", { tools = { tool("wait", none) } })
    refused("thread_start: 'tools' and 'dynamic_tools' can't be given together", client.thread_start, client,
      { tools = {}, dynamic_tools = {} })
    assert.equal(before, client:statistics().lines)
  end)

  it("are kept by the server, and get their functions again with resume and fork", function()
    local where = {}
    local function named(place)
      return tool("name", function(_, made)
        where[#where + 1] = place
        return made.thread.id
      end)
    end
    local thread = client:thread_start { tools = { named "first" } }
    thread:run(calls(call "name"))
    local forked = thread:fork() -- with what its origin has here
    forked:run(calls(call "name"))
    assert.equal(forked.id, seen(home)[1])
    thread:fork({ tools = { named "fork" } }):run(calls(call "name"))
    thread:run(calls(call "name"))
    assert.same({ "first", "first", "fork", "first" }, where)

    local later = kit.client { home = home }
    local reported
    later:on("handler_error", function(err)
      reported = err
    end)
    thread:archive() -- lets go of it
    later:thread_unarchive(thread.id)
    local resumed = later:thread_resume(thread.id, { tools = { tool("more", function() end) } })
    resumed:run(calls(call "name"))
    assert.equal("There is no tool 'name': the tools are more.", seen(home)[1])
    assert.truthy(tostring(reported):find("calls the tool 'name'", 1, true))
    local tools = offered(home)
    assert.equal("does name", tools.name)
    assert.is_nil(tools.more) -- the server takes no others
    later:thread_resume(thread.id, { tools = { named "later" } }):run(calls(call "name"))
    assert.equal("later", where[5])
    later:close()
  end)
end)

describe("What the server makes of names", function()
  local client, home

  setup(function()
    client, home = kit.client { script = script }
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  -- Asks the server itself, past our checks.
  local function start(model, ...)
    local specs = {}
    for index, name in ipairs { ... } do
      specs[index] = { type = "function", name = name, description = "mine", input_schema = { type = "object" } }
    end
    return client:thread_start { model = model, dynamic_tools = specs }
  end

  it("is no more than what is refused here", function()
    start(nil, "exec_command", "shell_command", "write_stdin", "view_image", "get_goal", "web_search"):run "hello"
    local tools = offered(home)
    assert.equal("mine", tools.web_search)
    for _, name in ipairs { "exec_command", "shell_command", "write_stdin", "view_image", "get_goal" } do
      assert.is_true(tools[name] ~= "mine", name)
    end
    assert.is_false((pcall(start, nil, "mcp__x")))
    assert.is_false((pcall(start, nil, "a.b")))
    assert.is_false((pcall(start, nil, ("x"):rep(129))))
  end)

  it("goes by names in JavaScript where the model calls tools from that", function()
    start("gpt-6.1-sol", "wait", "exec", "a-b", "a_b", "mine"):run "hello"
    local log = home:log()
    local description
    for _, item in ipairs(log[#log].body.input) do
      if item.type == "additional_tools" then description = item.tools[1].tools[1].description end
    end
    assert.truthy(description:find("### `a_b` (`a-b`)\nmine", 1, true))
    assert.is_nil(description:find("### `a_b`\n", 1, true))
    assert.truthy(description:find("### `mine`\nmine", 1, true))
    assert.is_nil(description:find("### `wait`", 1, true))
    assert.is_nil(description:find("### `exec`", 1, true))
  end)

  it("reaches the function from a script as well", function()
    local thread = client:thread_start {
      model = "gpt-6.1-sol",
      tools = {
        tool("double", function(arguments) return arguments.n * 2 end, { properties = { n = { type = "integer" } } }),
      },
    }
    thread:run [[// @exec: {}
      text(await Promise.all([tools.double({ n: 21 }), tools.double({ n: "x" })]))]]
    local parts = seen(home)[1]
    assert.equal('["42","Nothing was done, since the arguments don\'t fit the tool\'s parameters: n: expected an '
      .. 'integer, got \\"x\\""]', parts[#parts].text)
  end)
end)
