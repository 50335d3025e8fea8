-- Strict mode: what becomes of schemas, what can't be made strict, and as a property of random schemas that a strict
-- one takes the same values, with null for what is absent. Runs on every Lua.
local codex = require "codex"
local json_schema = require "codex.json_schema"

local decode, array, null = codex.json.decode, codex.array, codex.null

-- Members of objects in the order of their names, so that texts can be compared.
local function text_of(value)
  if type(value) ~= "table" then return codex.json.encode(value) end
  local parts = {}
  if value[1] ~= nil or codex.json.encode(value) == "[]" then
    for index, item in ipairs(value) do
      parts[index] = text_of(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names)
  for index, name in ipairs(names) do
    parts[index] = codex.json.encode(name) .. ":" .. text_of(value[name])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function strict(text)
  local schema = decode(text)
  local copy, problem = json_schema.strict(schema)
  assert.equal(text_of(decode(text)), text_of(schema))
  return copy, problem
end

local function object(properties, required)
  return ('{"type":"object","properties":%s%s}'):format(properties, required and ',"required":' .. required or "")
end

local function closed(properties, required)
  return ('{"type":"object","additionalProperties":false,"properties":%s,"required":%s}'):format(properties, required)
end

describe("A strict schema", function()
  local rewritten = {
    ["closes objects and requires all"] = {
      object('{"b":{"type":"string"},"a":{"type":"null"}}', '["b"]'),
      closed('{"b":{"type":"string"},"a":{"type":"null"}}', '["a","b"]'),
    },
    ["has no properties where there are none"] = { object "{}", closed("{}", "[]") },
    ["closes what was closed"] = { '{"type":"object","additionalProperties":false}', closed("{}", "[]") },
    ["takes null for what was optional"] = {
      object '{"a":{"type":"string"},"b":{"type":["string","integer"]},"c":{"type":["string","null"]}}',
      closed(
        '{"a":{"type":["string","null"]},"b":{"type":["string","integer","null"]},"c":{"type":["string","null"]}}',
        '["a","b","c"]'
      ),
    },
    ["adds null to an enum"] = {
      object '{"a":{"type":"string","enum":["x","y"]},"b":{"enum":["x",1]},"c":{"enum":["x",null]}}',
      closed(
        '{"a":{"type":["string","null"],"enum":["x","y",null]},"b":{"type":["number","string","null"],'
          .. '"enum":["x",1,null]},"c":{"type":["null","string"],"enum":["x",null]}}',
        '["a","b","c"]'
      ),
    },
    ["adds no null twice"] = {
      object '{"a":{"type":"string","enum":["x",null]},"b":{"type":["string","null"],"enum":["x"]}}',
      closed(
        '{"a":{"type":["string","null"],"enum":["x",null]},"b":{"type":["string","null"],"enum":["x",null]}}',
        '["a","b"]'
      ),
    },
    ["leaves a type with alternatives as it is"] = {
      object '{"a":{"type":"string","anyOf":[{"type":"string"}]}}',
      closed('{"a":{"anyOf":[{"type":"string","anyOf":[{"type":"string"}]},{"type":"null"}]}}', '["a"]'),
    },
    ["adds null as an alternative elsewhere"] = {
      object '{"a":{"const":"x"},"b":{"anyOf":[{"type":"string"}]},"c":{"$ref":"#"}}',
      closed(
        '{"a":{"anyOf":[{"type":"string","const":"x"},{"type":"null"}]},'
          .. '"b":{"anyOf":[{"type":"string"},{"type":"null"}]},"c":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}',
        '["a","b","c"]'
      ),
    },
    ["goes into arrays, alternatives and definitions"] = {
      object(
        '{"a":{"type":"array","items":' .. object '{"x":{"type":"null"}}' .. '},"b":{"anyOf":[' .. object "{}"
          .. ',{"type":"null"}]}}',
        '["a","b"],"$defs":{"d":' .. object '{"y":{"type":"null"}}' .. "}"
      ),
      closed(
        '{"a":{"type":"array","items":' .. closed('{"x":{"type":"null"}}', '["x"]') .. '},"b":{"anyOf":['
          .. closed("{}", "[]") .. ',{"type":"null"}]}}',
        '["a","b"],"$defs":{"d":' .. closed('{"y":{"type":"null"}}', '["y"]') .. "}"
      ),
    },
    ["says the type where other keywords do"] = {
      '{"properties":{"a":{"items":{"const":1}}},"required":["a"]}',
      closed('{"a":{"type":"array","items":{"type":"number","const":1}}}', '["a"]'),
    },
    ["has what the root refers to as its root"] = {
      '{"$schema":"s","$ref":"#/$defs/n","$defs":{"n":' .. object '{"next":{"$ref":"#/$defs/n"}}' .. "}}",
      '{"$schema":"s","$defs":{"n":' .. closed('{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}}', '["next"]')
        .. '},"type":"object","additionalProperties":false,"required":["next"],'
        .. '"properties":{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}}}',
    },
    ["has what that refers to in turn as its root"] = {
      '{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":' .. object "{}" .. "}}",
      '{"$defs":{"a":{"$ref":"#/$defs/b"},"b":' .. closed("{}", "[]") .. "}," .. closed("{}", "[]"):sub(2),
    },
    ["puts a description around a reference"] = {
      object('{"a":{"$ref":"#","description":"d"},"b":{"allOf":[{"$ref":"#"}],"title":"t"}}', '["a","b"]'),
      closed('{"a":{"anyOf":[{"$ref":"#"}],"description":"d"},"b":{"anyOf":[{"$ref":"#"}],"title":"t"}}', '["a","b"]'),
    },
    ["has anyOf for oneOf"] = {
      object('{"a":{"oneOf":[{"type":"string"},{"type":"null"}]}}', '["a"]'),
      closed('{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}', '["a"]'),
    },
    ["keeps everything else"] = {
      object('{"a":{"type":"integer","minimum":1,"default":5,"x":{"type":"object","properties":{"y":{}}}}}', '["a"]'),
      closed('{"a":{"type":"integer","minimum":1,"default":5,"x":{"type":"object","properties":{"y":{}}}}}', '["a"]'),
    },
  }

  for what, pair in pairs(rewritten) do
    it(what, function()
      local schema, problem = strict(pair[1])
      assert.is_nil(problem)
      assert.equal(text_of(decode(pair[2])), text_of(schema))
      assert.is_nil(json_schema.strict_problems(schema))
      assert.equal(text_of(schema), text_of((json_schema.strict(schema))))
    end)
  end

  local free = "an object that names no `properties` takes any, which can't be strict"
  local impossible = {
    ["the root must be of type 'object', without anyOf"] = '{"type":"string"}',
    [free] = '{"type":"object"}',
    ["properties.a: " .. free] = object '{"a":{"type":"object","additionalProperties":{"type":"string"}}}',
    ["properties.a.additionalProperties: must be false"] = object(
      '{"a":{"type":"object","properties":{},"additionalProperties":true}}'
    ),
    ["properties.a.anyOf[1].items: " .. free] = object(
      '{"a":{"anyOf":[{"type":"array","items":{"type":"object"}}]}}'
    ),
    ["properties.a: a schema without a `type` takes anything, which can't be strict"] = object '{"a":{}}',
    ["properties.a: true and false are no schemas of strict mode"] = object '{"a":true}',
    ["properties.a: an array needs `items`"] = object '{"a":{"type":"array"}}',
    ["properties.a.allOf: isn't part of strict mode"] = object '{"a":{"type":"integer","allOf":[{"minimum":1}]}}',
    ["properties.a.uniqueItems: isn't part of strict mode"] = object(
      '{"a":{"type":"array","items":{"type":"null"},"uniqueItems":true}}'
    ),
    ["properties.a.$ref: nothing else may stand beside it"] = object '{"a":{"$ref":"#","minimum":1}}',
    ["required: 'b' isn't among the properties"] = object("{}", '["b"]'),
    ["properties.a.$ref: '#/properties/b/allOf/0' leads nowhere"] = object(
      '{"a":{"$ref":"#/properties/b/allOf/0"},"b":{"allOf":[{"type":"string"}]}}',
      '["a","b"]'
    ),
  }

  it("isn't made where strict mode has no words for it", function()
    for expected, text in pairs(impossible) do
      local schema, problem = strict(text)
      assert.is_nil(schema, text)
      assert.equal(expected, problem)
    end
    local root = "the root must be of type 'object', without anyOf"
    assert.equal(root, (select(2, strict '{"anyOf":[{"type":"object","properties":{}}]}')))
    assert.equal("o: " .. free, (select(2, json_schema.strict({ type = "object" }, "o"))))
  end)

  it("is told from others, with all that is wrong", function()
    assert.is_nil(json_schema.strict_problems(decode(closed('{"a":{"type":"string"}}', '["a"]'))))
    assert.same(
      {
        "o.additionalProperties: must be false",
        "o.properties.a.required: must name every property; 'x' isn't there",
        "o.properties.b.oneOf: isn't part of strict mode",
        "o.properties.b: a schema without a `type` takes anything, which can't be strict",
      },
      json_schema.strict_problems(
        decode(
          object(
            '{"a":{"type":"object","additionalProperties":false,"properties":{"x":{"type":"null"}}},'
              .. '"b":{"oneOf":[{"type":"null"}]}}',
            '["a","b"]'
          )
        ),
        "o"
      )
    )
  end)
end)

-- ---- random schemas ----

local random = math.random

local function pick(list)
  return list[random(#list)]
end

local make_schema

local function object_schema(depth)
  local properties, required = {}, {}
  for _, name in ipairs { "a", "b", "type", "required" } do
    if random(2) == 1 then
      properties[name] = make_schema(depth - 1)
      if random(2) == 1 then required[#required + 1] = name end
    end
  end
  local schema = { type = random(4) > 1 and "object" or nil, properties = properties }
  if random(2) == 1 then schema.additionalProperties = false end
  if required[1] or random(2) == 1 then schema.required = array(required) end
  return schema
end

local leaves = {
  function() return { type = pick { "string", "integer", "number", "boolean" } } end,
  function() return { type = { "string", "null" } } end,
  function() return { type = "integer", minimum = 0, maximum = 9 } end,
  function() return { enum = { "x", "y", 1 } } end,
  function() return { enum = { "x", null } } end,
  function() return { const = pick { "x", 7, false } } end,
  function() return { ["$ref"] = "#/$defs/" .. pick { "leaf", "tree" }, description = pick { "d", nil } } end,
}

function make_schema(depth)
  if depth <= 0 or random(3) == 1 then return pick(leaves)() end
  local choice = random(4)
  if choice == 1 then return { type = "array", items = make_schema(depth - 1), maxItems = 2 } end
  if choice == 2 then
    local object_part = object_schema(depth - 1)
    object_part.type = "object"
    return { [pick { "anyOf", "oneOf" }] = { object_part, { type = "string" } }, title = pick { "t", nil } }
  end
  return object_schema(depth)
end

local function root_schema()
  local schema = object_schema(3)
  schema["$defs"] = {
    leaf = pick(leaves)(),
    tree = { type = "object", properties = { sub = { ["$ref"] = "#/$defs/tree" }, leaf = make_schema(1) } },
  }
  if schema["$defs"].leaf["$ref"] then schema["$defs"].leaf = { type = "string" } end
  schema.type = "object"
  return schema
end

-- A value that fits, by the schema's own words; or nearly, when `slips` is true.
local function make_value(schema, root, depth, slips)
  if slips and random(40) == 1 then return pick { null, "x", 3, true, array {}, {} } end
  if schema["$ref"] then
    return make_value(root["$defs"][schema["$ref"]:match "[^/]+$"], root, depth - 1, slips)
  end
  if schema.const ~= nil then return schema.const end
  if schema.enum then return pick(schema.enum) end
  local alternatives = schema.anyOf or schema.oneOf
  if alternatives then
    return make_value(depth < 0 and alternatives[#alternatives] or pick(alternatives), root, depth, slips)
  end
  if depth < 0 and type(schema.type) == "table" and schema.type[#schema.type] == "null" then return null end
  if schema.properties then
    local required, value = {}, {}
    for _, name in ipairs(schema.required or {}) do
      required[name] = true
    end
    for name, property in pairs(schema.properties) do
      local there = required[name] or (depth > 0 and random(3) > 1)
      if there then value[name] = make_value(property, root, depth - 1, slips) end
    end
    if slips and random(30) == 1 then value[pick { "a", "b", "zz" }] = pick { null, 3 } end
    return value
  end
  if schema.type == "array" then
    local list = array {}
    for index = 1, depth > 0 and random(0, 2) or 0 do
      list[index] = make_value(schema.items, root, depth - 1, slips)
    end
    return list
  end
  local by_type = { string = "s", integer = 4, number = 1.5, boolean = true, null = null }
  return by_type[type(schema.type) == "table" and pick(schema.type) or schema.type]
end

-- Applies fn to every object of a value and the schema that it is for.
local function each_object(schema, root, value, fn)
  if type(value) ~= "table" then return end
  if schema["$ref"] then return each_object(root["$defs"][schema["$ref"]:match "[^/]+$"], root, value, fn) end
  local alternatives = schema.anyOf or schema.oneOf
  if alternatives then return each_object(alternatives[1], root, value, fn) end
  for _, item in ipairs(schema.items and value or {}) do
    each_object(schema.items, root, item, fn)
  end
  if not schema.properties or value[1] ~= nil then return end
  for name, property in pairs(schema.properties) do
    if value[name] ~= nil then each_object(property, root, value[name], fn) end
  end
  fn(schema, value)
end

-- What was absent is null, and what the schema doesn't name is not there.
local function filled(schema, value)
  value = decode(codex.json.encode(value))
  each_object(schema, schema, value, function(part, members)
    for name in pairs(part.properties) do
      if members[name] == nil then members[name] = null end
    end
  end)
  return value
end

-- What is null and was optional is absent.
local function emptied(schema, value)
  value = decode(codex.json.encode(value))
  each_object(schema, schema, value, function(part, members)
    local required = {}
    for _, name in ipairs(part.required or {}) do
      required[name] = true
    end
    for name in pairs(part.properties) do
      if members[name] == null and not required[name] then members[name] = nil end
    end
  end)
  return value
end

describe("A random schema made strict", function()
  local seed = tonumber(os.getenv "CODEX_SPEC_SEED") or 20240817
  local ROUNDS = 500

  it("is strict, stays so, and leaves the first one alone", function()
    math.randomseed(seed)
    for round = 1, ROUNDS do
      local schema = root_schema()
      local before = text_of(schema)
      local context = ("round %d of seed %d: %s"):format(round, seed, before)
      assert.is_nil(json_schema.problems(schema), context)
      local copy, problem = json_schema.strict(schema)
      assert.is_nil(problem, context)
      assert.equal(before, text_of(schema))
      assert.is_nil(json_schema.strict_problems(copy), context)
      assert.is_nil(json_schema.problems(copy), context)
      assert.equal(text_of(copy), text_of((json_schema.strict(copy))), context)
    end
  end)

  it("takes what the first one takes, with null for what is absent", function()
    math.randomseed(seed)
    local taken = 0
    for round = 1, ROUNDS do
      local schema = root_schema()
      local copy = json_schema.strict(schema)
      local value = make_value(schema, schema, 4)
      if json_schema.check(schema, value) then
        taken = taken + 1
        local fits, message = json_schema.check(copy, filled(schema, value))
        assert.is_true(fits, ("round %d of seed %d: %s\n%s\n%s"):format(round, seed, text_of(schema), text_of(value),
          tostring(message)))
      end
    end
    assert.equal(ROUNDS, taken)
  end)

  it("takes nothing that the first one doesn't, but for null where something may be absent", function()
    math.randomseed(seed)
    local taken, refused = 0, 0
    for round = 1, ROUNDS do
      local schema = root_schema()
      local copy = json_schema.strict(schema)
      local value = make_value(copy, copy, 4, true)
      if json_schema.check(copy, value) then
        taken = taken + 1
        local fits, message = json_schema.check(schema, emptied(schema, value))
        assert.is_true(fits, ("round %d of seed %d: %s\n%s\n%s"):format(round, seed, text_of(schema), text_of(value),
          tostring(message)))
      else
        refused = refused + 1
      end
    end
    assert.is_true(taken > ROUNDS / 3 and refused > ROUNDS / 20, taken .. " taken, " .. refused .. " refused")
  end)
end)
