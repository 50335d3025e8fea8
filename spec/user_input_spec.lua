-- Questions of the model to the user, and what answers them.
local core = require "codex.core"
local user_input = require "codex.user_input"

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
