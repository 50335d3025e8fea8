-- Questions of the model to the user, and what answers them.
local codex = require "codex"
local core = require "codex.core"
local user_input = require "codex.user_input"
local kit = require "spec.support.kit"

local function question(id, more)
  local made = { id = id, header = id, question = id .. "?", is_other = false, is_secret = false }
  for name, value in pairs(more or {}) do
    made[name] = value
  end
  return made
end

local choices = { options = { { label = "Lua", description = "small" }, { label = "C", description = "old" } } }

local function asking(...)
  return { kind = "user_input", questions = { ... } }
end

-- The answer as the wire has it, which the schema has passed.
local function on_the_wire(request, returned)
  local answer, message = user_input.to_answer(request, returned)
  assert(answer, message)
  return assert(core.encode("server_request", "item/tool/requestUserInput", "result", answer, "answer"))
end

local function refused(request, returned)
  local answer, message = user_input.to_answer(request, returned)
  assert.is_nil(answer)
  return message
end

describe("answers to questions", function()
  local lang, name = question("lang", choices), question "name"

  it("are given by the questions' ids, as a text or a list", function()
    assert.equal('{"answers":{"lang":{"answers":["Lua"]}}}', on_the_wire(asking(lang), { lang = "Lua" }))
    assert.equal('{"answers":{"lang":{"answers":["Lua","C"]}}}', on_the_wire(asking(lang), { lang = { "Lua", "C" } }))
    assert.equal('{"answers":{"lang":{"answers":[]}}}', on_the_wire(asking(lang), { lang = {} }))
  end)

  it("may be missing, one or all", function()
    assert.equal('{"answers":{"name":{"answers":["x"]}}}', on_the_wire(asking(lang, name), { name = "x" }))
    for _, returned in ipairs { false, {}, { answers = {} } } do
      assert.equal('{"answers":{}}', on_the_wire(asking(lang, name), returned))
    end
    assert.equal('{"answers":{}}', on_the_wire(asking(lang), nil))
  end)

  it("may be in the protocol's shape", function()
    local wire = '{"answers":{"lang":{"answers":["C"]}}}'
    assert.equal(wire, on_the_wire(asking(lang), { answers = { lang = { answers = { "C" } } } }))
    assert.equal(wire, on_the_wire(asking(lang), { answers = { lang = "C" } }))
    assert.equal(wire, on_the_wire(asking(lang), { lang = { answers = { "C" } } }))
  end)

  it("may be to a question whose id is 'answers'", function()
    local request, wire = asking(question "answers"), '{"answers":{"answers":{"answers":["x"]}}}'
    assert.equal(wire, on_the_wire(request, { answers = "x" }))
    assert.equal(wire, on_the_wire(request, { answers = { "x" } }))
    assert.equal(wire, on_the_wire(request, { answers = { answers = { "x" } } }))
    assert.equal(wire, on_the_wire(request, { answers = { answers = { answers = { "x" } } } }))
    local both = asking(question "answers", name)
    assert.equal('{"answers":{"name":{"answers":["y"]}}}', on_the_wire(both, { answers = { name = "y" } }))
    assert.same({ answers = { answers = { answers = { "x" } }, name = { answers = { "y" } } } },
      user_input.to_answer(both, { answers = "x", name = "y" }))
  end)

  it("are free where there are no options, or others will do", function()
    local free = question("lang", { options = choices.options, is_other = true })
    assert.equal('{"answers":{"lang":{"answers":["Pascal"]}}}', on_the_wire(asking(free), { lang = "Pascal" }))
    assert.equal('{"answers":{"name":{"answers":["anyone"]}}}', on_the_wire(asking(name), { name = "anyone" }))
    assert.is_true(user_input.takes_text(free))
    assert.is_true(user_input.takes_text(question("x", { options = {} })))
    assert.is_false(user_input.takes_text(lang))
  end)

  it("are refused when they are to no question, or no option's label", function()
    assert.equal("no question has the id 'lnag' (did you mean 'lang'?)", refused(asking(lang), { lnag = "Lua" }))
    assert.equal("no question has the id '1'", refused(asking(lang), { "Lua" }))
    assert.equal("lang: expected one of 'Lua', 'C', got 'lua' (did you mean 'Lua'?)",
      refused(asking(lang), { lang = "lua" }))
    assert.equal("lang: expected one of 'Lua', 'C', got 'Pascal'", refused(asking(lang), { lang = { "C", "Pascal" } }))
    assert.equal("no question has the id 'answers'", refused(asking(lang), { answers = { "C" } }))
  end)

  it("are refused when they are no texts", function()
    for given, got in pairs { [true] = "boolean", [5] = "number", [{ x = "y" }] = "another table",
      [{ nil, "y" }] = "another table" } do
      assert.equal("name: expected a string or a list of strings, got " .. got, refused(asking(name), { name = given }))
    end
    assert.equal("name: expected a string, got number", refused(asking(name), { name = { "a", 5 } }))
    assert.equal("expected a table of answers by the questions' ids, got string", refused(asking(name), "x"))
    assert.equal("expected a table of answers by the questions' ids, got boolean", refused(asking(name), true))
  end)

  it("never show in messages when they are secret", function()
    local secret = question("token", { options = choices.options, is_secret = true })
    for _, returned in ipairs { { token = "hunter2" }, { token = { "Lua", "hunter2" } }, { hunter2 = "token" },
      { token = "Lua", hunter2 = "x" }, { token = { hunter2 = "hunter2" } }, { token = { "Lua", { "hunter2" } } },
      "hunter2", { answers = { hunter2 = "x" } } } do
      assert.is_nil(refused(asking(secret, name), returned):find "hunter2")
    end
    local got = refused(asking(secret), { token = "hunter2" })
    assert.equal("token: expected one of 'Lua', 'C', got something else", got)
    assert.equal("expected answers to 'token', got another id", refused(asking(secret), { tokn = "Lua" }))
  end)

  it("leave what the handler has returned as it was", function()
    local returned = { lang = { "Lua" }, name = "x" }
    assert(user_input.to_answer(asking(lang, name), returned))
    assert.same({ lang = { "Lua" }, name = "x" }, returned)
  end)
end)

-- ---- through the real server ----

local function ask(...)
  return { name = "request_user_input", arguments = { questions = { ... } } }
end

local ANSWERED = "item/tool/requestUserInput: the handler's answer can't be sent: "
local lang = { id = "lang", header = "Language", question = "In which language?", options = choices.options }

-- What the model was told by its tools since the user last spoke.
local function told(home)
  local requests, outputs = home:log(), {}
  for _, item in ipairs(requests[#requests].body.input) do
    if item.role == "user" then outputs = {} end
    if item.type == "function_call_output" then outputs[#outputs + 1] = item.output end
  end
  return table.concat(outputs, "\n")
end

describe("a question of the model", function()
  local plan = { mode = "plan", settings = { model = "mock-model" } }
  local client, home, thread, failures, asked

  setup(function()
    client, home = kit.client { script = { match = {
      { pattern = "secret", answers = { { calls = { ask { id = "token", header = "Token", question = "Which token?",
        options = choices.options, isSecret = true } } }, "Planned." } },
      { pattern = "plan", answers = { { calls = { ask(lang) } }, "Planned." } },
    } } }
    thread = client:thread_start()
    client:on("handler_error", function(err, request)
      failures[#failures + 1] = { err = err, request = request }
    end)
  end)

  before_each(function()
    failures, asked = {}, {}
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  -- Runs a turn whose questions get what `answer` is, or returns.
  local function run(input, answer, more)
    local options = { collaboration_mode = plan, user_input_handler = function(request)
      asked[#asked + 1] = request
      if type(answer) == "function" then return answer(request) end
      return answer
    end }
    for name, value in pairs(more or {}) do
      options[name] = value
    end
    return thread:run(input, options)
  end

  it("is answered by its id", function()
    local result = run("plan", { lang = "Lua" })
    assert.equal("Planned.", result.final_response)
    assert.equal('{"answers":{"lang":{"answers":["Lua"]}}}', told(home))
    local request = asked[1]
    assert.same({ "user_input", thread.id, result.id }, { request.kind, request.thread_id, request.turn_id })
    assert.equal("answer: In which language?", request.summary)
    assert.same({ { id = "lang", header = "Language", question = "In which language?", is_other = true,
      is_secret = false, options = choices.options } }, request.questions)
    assert.is_true(request.params.is_blocking)
    assert.is_nil(request.item)
    assert.same({}, failures)
  end)

  it("may be answered in other words, or not at all", function()
    run("plan", { lang = { "C", "or Pascal" } })
    assert.equal('{"answers":{"lang":{"answers":["C","or Pascal"]}}}', told(home))
    for _, nothing in ipairs { false, {} } do
      run("plan", nothing)
      assert.equal('{"answers":{}}', told(home))
    end
    assert.same({}, failures)
  end)

  it("waits for its handler, while others are answered", function()
    local inner
    run("plan", function()
      local other = client:thread_start()
      inner = other:run("plan", { collaboration_mode = plan, user_input_handler = function()
        return { lang = "Lua" }
      end })
      assert.equal('{"answers":{"lang":{"answers":["Lua"]}}}', told(home))
      return { lang = "C" }
    end)
    assert.equal("Planned.", inner.final_response)
    assert.equal('{"answers":{"lang":{"answers":["C"]}}}', told(home))
    assert.same({}, failures)
  end)

  it("has no answers when nobody takes questions, or the handler fails", function()
    assert.equal("Planned.", thread:run("plan", { collaboration_mode = plan }).final_response)
    assert.equal('{"answers":{}}', told(home))
    run("plan", { lnag = "Lua" })
    assert.equal('{"answers":{}}', told(home))
    run("plan", error)
    assert.equal('{"answers":{}}', told(home))
    assert.equal(ANSWERED .. "no question has the id 'lnag' (did you mean 'lang'?)",
      tostring(failures[1].err))
    assert.equal(asked[1], failures[1].request)
    assert.equal(asked[2], failures[2].err) -- what `error` was called with
  end)

  it("shows no secret answer when that is wrong", function()
    run("secret", { token = { "hunter2", {} } })
    assert.is_true(asked[1].questions[1].is_secret)
    assert.equal('{"answers":{}}', told(home))
    assert.equal(ANSWERED .. "token: expected a string, got table", tostring(failures[1].err))
    assert.is_nil(failures[1].err.traceback:find "hunter2")
  end)

  it("is asked outside of plan mode where a feature says so", function()
    local other, its_home = kit.client { script = { { calls = { ask(lang) } }, "Done." },
      features = { default_mode_request_user_input = true },
      user_input_handler = function(request)
        asked[1] = request
        return { lang = "Lua" }
      end }
    other:thread_start():run "go"
    assert.equal('{"answers":{"lang":{"answers":["Lua"]}}}', told(its_home))
    assert.is_false(asked[1].params.is_blocking)
    other:close()
  end)

  it("is called off with its turn", function()
    local called_off = 0
    local result = run("plan", function(request)
      request:when_cancelled(function()
        called_off = called_off + 1
      end)
      local turn = request.turn
      turn:interrupt()
      turn:run()
      return { lang = "Lua" }
    end)
    assert.equal("interrupted", result.status)
    run("plan", { lang = "C" })
    assert.is_true(asked[1].cancelled)
    assert.equal(1, called_off)
    assert.equal('{"answers":{"lang":{"answers":["C"]}}}', told(home))
    assert.is_true(codex.is_error(failures[1].err, "cancelled"))
  end)
end)
