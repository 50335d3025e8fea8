-- Whatever the schema allows goes through Lua and back unchanged, and whatever a newer server may send comes through.
-- Values are random, but the same ones each time; CODEX_SPEC_SEED makes others.
local cjson = require "cjson"
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local values = require "spec.support.values"

local SEED = tonumber(os.getenv "CODEX_SPEC_SEED") or 20250
local VALUES = 100000
local FUTURE_VALUES = 40000

local difference = values.difference

local bundle

setup(function()
  bundle = kit.schema() .. "/codex_app_server_protocol.schemas.json"
end)

teardown(kit.cleanup)

-- Fails with all that is needed to see what went wrong: what was done, where, with which value.
local function expect(good, what, message, value, problem)
  if good then return end
  error(("%s of %s %s (%s), seed %d\n%s\n%s"):format(what, message.method, message.part, message.name, SEED,
    tostring(problem), value.text), 0)
end

local function decoded(message, value, text)
  local ok, got, position = core.decode(message.kind, message.method, message.part, text)
  expect(ok, "reading", message, value, tostring(got) .. " at byte " .. tostring(position))
  return got
end

local function encoded(message, value, from)
  local text, problem = core.encode(message.kind, message.method, message.part, from)
  expect(text, "writing", message, value, problem)
  return text
end

local function expect_same(what, message, value, expected, got)
  local problem = difference(expected, got)
  expect(not problem, what, message, value, problem)
end

-- The wire's JSON once more, by our free-form reader.
local function free(text)
  local ok, got = core.json_decode(text)
  assert(ok, got)
  return got
end

local function check_round_trip(message, value)
  local read = decoded(message, value, value.text)
  expect_same("what is read", message, value, value.read, read)
  local sent = encoded(message, value, value.sent)
  expect_same("what is sent", message, value, value.wire, free(sent))
  -- Lua to wire to Lua; a null that must be sent is only sent when it is asked for
  if value.drops_required then return end
  local again = encoded(message, value, read)
  expect_same("what is read and sent and read", message, value, value.read, decoded(message, value, again))
  if not value.drops then expect_same("what is read and sent", message, value, value.wire, free(again)) end
end

-- Makes values of each message in turn until there are as many as asked for and of everything.
local function each_value(source, count, check)
  local made, missing = 0, source:missing()
  while made < count or #missing > 0 do
    for _, message in ipairs(source.messages) do
      check(message, source:value(message))
    end
    made = made + #source.messages
    if #missing > 0 then missing = source:missing() end
    assert(made < 2 * count, "never made: " .. table.concat(missing, ", ", 1, math.min(#missing, 20)))
  end
  return made
end

describe("every type of the schema", function()
  it("goes through Lua and back unchanged, a hundred thousand times", function()
    local made = each_value(values.open(bundle, SEED), VALUES, check_round_trip)
    assert.is_true(made >= VALUES)
  end)

  it("is written as lua-cjson reads it", function()
    local source = values.open(bundle, SEED + 1)
    for _, message in ipairs(source.messages) do
      for _ = 1, 5 do
        local value = source:value(message)
        local theirs, ours = cjson.decode(value.text), cjson.decode(encoded(message, value, value.sent))
        expect_same("what cjson reads", message, value, theirs, ours)
      end
    end
  end)

  it("comes through from a server that says more, other and less than the schema", function()
    local source = values.open(bundle, SEED + 2)
    source.future = true
    each_value(source, FUTURE_VALUES, function(message, value)
      expect_same("what is read", message, value, value.read, decoded(message, value, value.text))
    end)
  end)
end)

describe("what the schema doesn't know", function()
  it("comes as it is: whole methods, members, and words", function()
    local text = '{"threadId":"t","camelCase":{"snake_case":null},"list":[],"nothing":null}'
    local ok, got = core.decode("notification", "brand/new", "params", text)
    assert.is_true(ok)
    assert.is_nil(difference(codex.json.decode(text), got))
    for _, kind in ipairs { "request", "server_request" } do
      assert.is_nil(difference(got, select(2, core.decode(kind, "brand/new", "result", text))))
    end
    assert.is_nil(difference(codex.json.decode(text), codex.json.decode(core.encode("request", "new", "params", got))))
  end)

  it("gives way to a member that is called the same in Lua, wherever that comes", function()
    for _, text in ipairs {
      '{"threadId":"right","thread_id":5,"turn":{}}',
      '{"thread_id":{"a":[1]},"turn":{},"threadId":"right"}',
    } do
      local _, got = core.decode("notification", "turn/started", "params", text)
      assert.same({ thread_id = "right", turn = {} }, got)
    end
    local _, got = core.decode("notification", "turn/started", "params", '{"thread_id":5,"threadId":null}')
    assert.same({ thread_id = 5 }, got)
  end)
end)

describe("free-form JSON", function()
  local function config(value)
    return core.encode("request", "thread/start", "params", { config = value }, "thread_start")
  end

  it("may be as deep as the server reads it, and no deeper", function()
    local function nested(depth)
      local value = { null = codex.null }
      for i = 1, depth do
        value = i % 2 == 0 and { camelCase = value } or { value }
      end
      return { value = value }
    end
    local deep = nested(123) -- and the params, what holds it, and the innermost
    local _, got = core.decode("request", "thread/start", "params", (assert(config(deep))))
    assert.is_nil(difference(deep, got.config))
    local text, problem = config(nested(124))
    assert.is_nil(text)
    assert.truthy(problem:find("nested more than 126 deep, or in a circle", 1, true), problem)
    local circle = {}
    circle.circle = circle
    assert.is_nil((config(circle)))
  end)

  it("keeps whole numbers whole over 64 bits, and what is beyond as floats", function()
    local text = '{"a":[9223372036854775807,-9223372036854775808,9007199254740993,0,1.0,1e0,18446744073709551615]}'
    local _, got = core.decode("request", "thread/start", "params", '{"config":' .. text .. "}")
    local list = got.config.a
    local most, least = 9223372036854775807, luas.integers and luas.min_integer or -2 ^ 63
    assert.same({ most, least, 9007199254740993, 0, 1.0, 1.0, 1.8446744073709552e19 }, list)
    for index, value in ipairs(list) do
      assert.is_true((index <= 4 and luas.is_integer or luas.is_float)(value), index)
    end
    assert.is_nil(difference(got.config, codex.json.decode(config(got.config)).config))
  end)
end)
