-- Structured output through the real server: what the model is asked for, and what becomes of its answer.
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local null = codex.null

local person = {
  type = "object",
  properties = { name = { type = "string" }, age = { type = "integer" } },
  required = { "name" },
}

local function invalid_schema(code, message)
  return {
    status = 400,
    body = { error = { message = message, type = "invalid_request_error", param = "text.format.schema", code = code } },
  }
end

local script = {
  match = {
    { pattern = "fits", answer = '{"name":"Ada","age":36.0,"camelCase":[],"nothing":null}' },
    { pattern = "wrong type", answer = '{"name":"Ada","age":"x"}' },
    { pattern = "no age", answer = '{"name":"Ada","age":null}' },
    { pattern = "fenced", answer = '```json\n{"name":"Ada"}\n```' },
    { pattern = "cut off", answer = '{"name":"Ada"' },
    { pattern = "empty", answer = "{}" },
    { pattern = "silent", answer = { reasoning = "hm" } },
    { pattern = "hold", answer = { deltas = { '{"name":"Ada"}' }, hold = true } },
    {
      pattern = "refuse",
      answer = invalid_schema(
        "invalid_json_schema",
        "Invalid schema for response_format 'codex_output_schema': 'additionalProperties' is required"
      ),
    },
    { pattern = "unreadable", answer = { status = 422, body = "unprocessable" } },
    { pattern = "too long", answer = { error = { code = "context_length_exceeded", message = "too long" } } },
  },
}

describe("Structured output", function()
  local client, home, thread

  setup(function()
    client, home = kit.client { script = script }
    thread = client:thread_start()
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  local function last_format()
    local log = home:log()
    return log[#log].body.text.format
  end

  -- The last request to the model as it came, in which an empty array is none of cjson's objects.
  local function last_request_text()
    local last
    for line in io.lines(home.dir .. "/requests") do
      last = line
    end
    return last
  end

  local function refused(options)
    local before = #home:log()
    local ok, err = pcall(thread.run, thread, "fits", options)
    assert.is_false(ok)
    assert.is_true(codex.is_error(err, "invalid_argument"), tostring(err))
    assert.truthy(err.message:find("structured_output_spec.lua:", 1, true), err.message)
    assert.equal(before, #home:log())
    return err.message
  end

  local function failed(input, options)
    local ok, err = pcall(thread.run, thread, input, options)
    assert.is_false(ok)
    assert.is_true(codex.is_error(err, "turn_failed"), tostring(err))
    return err
  end

  it("sends the schema as it was written, and reads what fits it", function()
    local result = thread:run("fits", { output_schema = person })
    assert.same({ type = "json_schema", name = "codex_output_schema", strict = true, schema = person }, last_format())
    assert.is_nil(result.parse_error)
    assert.equal("Ada", result.parsed.name)
    assert.is_true(luas.is_float(result.parsed.age))
    assert.equal("[]", codex.json.encode(result.parsed.camelCase))
    assert.equal(null, result.parsed.nothing)
  end)

  it("sends lists as lists, empty or not", function()
    thread:run("empty", { output_schema = { type = "object", properties = {}, required = {} } })
    local text = last_request_text()
    assert.truthy(text:find('"required":[]', 1, true), text)
    assert.truthy(text:find('"properties":{}', 1, true), text)
  end)

  it("says what is wrong with an answer that doesn't fit, and gives it all the same", function()
    local result = thread:run("wrong type", { output_schema = person })
    assert.equal("completed", result.status)
    assert.same({ name = "Ada", age = "x" }, result.parsed)
    local err = result.parse_error
    assert.is_true(codex.is_error(err, "protocol"))
    assert.equal("schema_mismatch", err.reason)
    assert.equal('the final response doesn\'t fit the output schema: age: expected an integer, got "x"', err.message)
  end)

  it("reads nothing but JSON", function()
    local result = thread:run("cut off", { output_schema = person })
    assert.is_nil(result.parsed)
    assert.equal("not_json", result.parse_error.reason)
    assert.truthy(result.parse_error.message:find("^the final response is not JSON: .* at byte 14$"))
    result = thread:run("fenced", { output_schema = person })
    assert.is_nil(result.parsed)
    assert.truthy(result.parse_error.message:find("it stands in a Markdown code fence", 1, true))
  end)

  it("notices that there is no answer", function()
    local result = thread:run("silent", { output_schema = person })
    assert.equal("completed", result.status)
    assert.is_nil(result.final_response)
    assert.is_nil(result.parsed)
    assert.equal("no_final_response", result.parse_error.reason)
  end)

  it("is for the turn that asked for it, streamed or not", function()
    local turn = thread:turn("wrong type", { output_schema = person })
    for _ in turn:stream() do end
    assert.equal("schema_mismatch", turn:run().parse_error.reason)
    assert.equal(turn:run(), turn:run())
    turn = thread:turn("wrong type", { output_schema = { type = "object" } })
    assert.equal("x", turn:run().parsed.age)
    for _, options in ipairs { {}, { strict = false }, { output_schema = null } } do
      local result = thread:run("wrong type", options)
      assert.is_nil(result.parsed)
      assert.is_nil(result.parse_error)
      assert.is_nil(home:log()[#home:log()].body.text)
    end
  end)

  it("isn't read from a turn that was interrupted", function()
    local turn = client:thread_start():turn("hold", { output_schema = person })
    for _ in turn:text() do
      turn:interrupt()
    end
    local result = turn:run()
    assert.equal("interrupted", result.status)
    assert.is_nil(result.parsed)
    assert.is_nil(result.parse_error)
  end)

  it("goes by the schema as it was when the turn started", function()
    local schema = codex.json.decode(codex.json.encode(person))
    local turn = thread:turn("wrong type", { output_schema = schema })
    schema.properties.age.type = "string"
    assert.equal("schema_mismatch", turn:run().parse_error.reason)
  end)

  describe("made strict", function()
    it("asks for every property, where null stands for what may be absent", function()
      local before = codex.json.encode(person)
      local result = thread:run("no age", { output_schema = person, strict = true })
      assert.same({
        type = "object",
        properties = { name = { type = "string" }, age = { type = { "integer", "null" } } },
        required = { "age", "name" },
        additionalProperties = false,
      }, last_format().schema)
      assert.is_nil(result.parse_error)
      assert.same({ name = "Ada", age = null }, result.parsed)
      assert.equal(before, codex.json.encode(person))
      assert.equal("schema_mismatch", thread:run("no age", { output_schema = person }).parse_error.reason)
    end)

    it("takes no other properties", function()
      local result = thread:run("fits", { output_schema = person, strict = true })
      assert.truthy(result.parse_error.message:find("unexpected property 'camelCase'", 1, true))
    end)

    it("is refused where strict mode has no words for the schema", function()
      local message = refused {
        output_schema = { type = "object", properties = { map = { type = "object" } } },
        strict = true,
      }
      assert.truthy(message:find("turn_start.output_schema.properties.map: an object that names no", 1, true), message)
      message = refused { output_schema = { type = "array", items = { type = "string" } }, strict = true }
      assert.truthy(message:find("turn_start.output_schema: the root must be of type 'object'", 1, true), message)
    end)
  end)

  it("is refused at once where the schema is broken", function()
    for expected, options in pairs {
      ["turn_start.output_schema: expected a table, got string"] = { output_schema = "object" },
      ["turn_start.output_schema: expected a schema, got an array"] = { output_schema = { person } },
      ["turn_start.output_schema.properties.age.type: got 'int'"] = {
        output_schema = { properties = { age = { type = "int" } } },
      },
      ["turn_start.output_schema: unknown keyword 'additional_properties' (did you mean 'additionalProperties'?"] = {
        output_schema = { type = "object", additional_properties = false },
      },
      ["turn_start.output_schema.items.$ref: '#/$defs/x' leads nowhere"] = {
        output_schema = { items = { ["$ref"] = "#/$defs/x" } },
      },
      ["turn_start.output_schema.default: a function can't be sent"] = { output_schema = { default = print } },
      ["turn_start.strict: expected a boolean, got string"] = { output_schema = person, strict = "yes" },
      ["turn_start.strict: there is no output_schema to make strict"] = { strict = true },
    } do
      local message = refused(options)
      assert.truthy(message:find(expected, 1, true), message)
    end
    local circle = {}
    circle.properties = { circle = circle }
    assert.truthy(refused({ output_schema = circle }):find("nested more than", 1, true))
  end)

  describe("that the model API may not take", function()
    it("is blamed on what strict mode refuses in the schema", function()
      local err = failed("refuse", { output_schema = person })
      assert.truthy(err.message:find("codex_output_schema", 1, true), err.message)
      local hint = " (the output_schema isn't strict, as this model API may demand: "
        .. "output_schema.additionalProperties: must be false; `strict = true` makes it so)"
      assert.equal(hint, err.message:sub(-#hint))
      assert.same({ "output_schema.additionalProperties: must be false" }, err.schema_problems)
      assert.is_nil(err.result.error.message:find("strict = true", 1, true))
      assert.is_nil(err.result.parse_error)
      assert.is_nil(thread:run("refuse", { output_schema = person, raise = false }).parsed)
    end)

    it("is blamed when its answer is read as text too, and where only the status says so", function()
      local ok, err = pcall(function()
        for _ in thread:turn("refuse", { output_schema = person }):text() do end
      end)
      assert.is_false(ok)
      assert.is_table(err.schema_problems)
      err = failed("unreadable", { output_schema = { type = "string", uniqueItems = true } })
      assert.equal(422, err.http_status)
      assert.truthy(err.message:find("without anyOf and 1 more)", 1, true), err.message)
    end)

    it("isn't blamed where it is strict, isn't there, or another reason is given", function()
      for _, case in ipairs {
        { "refuse", { output_schema = person, strict = true } },
        { "refuse" },
        { "too long", { output_schema = person } },
      } do
        local err = failed(case[1], case[2])
        assert.is_nil(err.message:find("strict = true", 1, true), err.message)
        assert.is_nil(err.schema_problems)
      end
    end)
  end)
end)
