-- codex.json: every ground rule by itself, and lua-cjson as the second opinion.
local cjson = require "cjson"
local codex = require "codex"
local luas = require "spec.support.luas"

local json, null = codex.json, codex.null

local function refused(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(codex.is_error(err), tostring(err))
  return err
end

-- Whether two values are the same: types of numbers, nulls and the kind of empty tables included.
local function same(a, b, loose)
  if type(a) ~= type(b) then return false end
  if type(a) == "number" then
    if loose then return a == b or math.abs(a - b) <= 1e-13 * math.abs(a) end
    return luas.is_integer(a) == luas.is_integer(b) and a == b
  end
  if type(a) ~= "table" then return a == b end
  if not loose and next(a) == nil and getmetatable(a) ~= getmetatable(b) then return false end
  for key, value in pairs(a) do
    if not same(value, b[key], loose) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

local where_there_are_integers = luas.integers and it or pending

local function nested(depth, open, close)
  return open:rep(depth) .. close:rep(depth)
end

describe("codex.json.decode", function()
  local function check_integers(numbers)
    for text, value in pairs(numbers) do
      local decoded = json.decode(text)
      assert.is_true(luas.is_integer(decoded))
      assert.equal(value, decoded)
      assert.equal(text, json.encode(decoded))
    end
  end

  it("keeps integers to 2^53", function()
    check_integers {
      ["0"] = 0,
      ["15"] = 15,
      ["-1"] = -1,
      ["1000000000000000"] = 1000000000000000,
      ["9007199254740992"] = 9007199254740992,
      ["-9007199254740992"] = -9007199254740992,
    }
  end)

  where_there_are_integers("keeps integers over the whole 64-bit range", function()
    check_integers {
      ["9007199254740993"] = 9007199254740993,
      ["9223372036854775807"] = luas.max_integer,
      ["-9223372036854775808"] = luas.min_integer,
    }
  end)

  it("makes a float of an integer that doesn't fit, and of what has a fraction or an exponent", function()
    for text, value in pairs {
      ["9223372036854775808"] = 2.0 ^ 63,
      ["-9223372036854775809"] = -2.0 ^ 63,
      ["123456789012345678901234567890"] = 123456789012345678901234567890,
      ["1.0"] = 1.0,
      ["1e2"] = 100.0,
      ["-0.5E-3"] = -0.0005,
      ["0.1"] = 0.1,
      ["2.2250738585072011e-308"] = 2.2250738585072011e-308,
      ["1.7976931348623157e308"] = 1.7976931348623157e308,
      ["5e-324"] = 5e-324,
      ["1e-400"] = 0.0,
    } do
      local decoded = json.decode(text)
      assert.is_true(luas.is_float(decoded), text)
      assert.equal(value, decoded, text)
    end
  end)

  it("keeps the sign of a zero", function()
    assert.equal(-math.huge, 1 / json.decode "-0")
    assert.equal(-math.huge, 1 / json.decode "-0.0")
    assert.equal(luas.integers and "-0.0" or "0", json.encode(-0.0))
  end)

  it("reads null as codex.null, which is cjson.null, wherever it stands", function()
    assert.equal(cjson.null, null)
    assert.equal(null, json.decode " null ")
    local value = json.decode '{"a":null,"b":[null,1,null]}'
    assert.equal(null, value.a)
    assert.equal(3, #value.b)
    assert.equal(null, value.b[3])
    assert.equal('[null,{"a":null}]', json.encode { cjson.null, { a = codex.null } })
  end)

  it("keeps arrays and objects apart, empty ones too", function()
    for _, text in ipairs { "[]", "{}", "[[]]", "[{}]", '{"a":[]}', '{"a":{}}', "[[],{},[[]]]" } do
      assert.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("leaves keys as they are, at any depth", function()
    local text = [==[
      {"camelCase":{"snake_case":{"kebab-case":{"1":{"":{"ключ":{"a.b":{"\u0000":{"threadId":"\ud83d\ude00"}}}}}}}}}]==]
    local value = json.decode(text)
    assert.equal("😀", value.camelCase.snake_case["kebab-case"]["1"][""]["ключ"]["a.b"]["\0"].threadId)
    assert.is_true(same(cjson.decode(text), value, true))
    assert.is_true(same(value, json.decode(json.encode(value))))
  end)

  it("takes the last of duplicate keys", function()
    assert.same({ a = 3, b = 1 }, json.decode '{"a":1,"b":1,"a":2,"a":3}')
    assert.same({ a = null }, json.decode '{"a":1,"a":null}')
  end)

  it("reads every escape, and pairs of surrogates", function()
    assert.equal('"\\/\b\f\n\r\tA\0é€😀', json.decode [["\"\\\/\b\f\n\r\t\u0041\u0000\u00E9\u20aC\ud83d\uDE00"]])
    local text = "\244\143\191\191\240\144\128\128\239\191\191\223\191\224\160\128\127"
    assert.equal(text, json.decode '"\\uDBFF\\uDFFF\\ud800\\udc00\\uffff\223\191\224\160\128\127"')
  end)

  it("takes white space where the RFC has it", function()
    assert.same({ a = { 1, 2 } }, json.decode ' \t\r\n{ "a" \n:\t[ 1\r,\n2 ] } \n')
    for _, space in ipairs { "\v", "\f", "\194\160", "\0", "\239\187\191" } do
      assert.equal("parse_error", refused(json.decode, space .. "1").kind)
      assert.equal("parse_error", refused(json.decode, "1" .. space).kind)
    end
  end)

  it("nests 512 deep and no deeper", function()
    for _, pair in ipairs { { "[", "]" }, { '{"a":', "}" } } do
      local inner = pair[1] == "[" and "" or "1"
      for _, depth in ipairs { 511, 512 } do
        local text = pair[1]:rep(depth) .. inner .. pair[2]:rep(depth)
        assert.equal(text, json.encode(json.decode(text)))
      end
      local err = refused(json.decode, pair[1]:rep(513) .. inner .. pair[2]:rep(513))
      assert.equal("parse_error", err.kind)
      assert.equal(512 * #pair[1] + 1, err.position)
    end
    assert.equal("parse_error", refused(json.decode, ("["):rep(1000000)).kind)
    assert.equal("parse_error", refused(json.decode, nested(100000, '{"a":[', "]}")).kind)
  end)

  -- text, and the byte where it stops being JSON
  local wrong = {
    { "", 1 },
    { "   ", 4 },
    { "nul", 4 },
    { "nulL", 1 },
    { "True", 1 },
    { "NaN", 1 },
    { "Infinity", 1 },
    { "-Infinity", 2 },
    { "undefined", 1 },
    { "'a'", 1 },
    { "1 2", 3 },
    { "{}x", 3 },
    { "[1,]", 4 },
    { "[,1]", 2 },
    { "[1 2]", 4 },
    { "[1", 3 },
    { "[1}", 3 },
    { "]", 1 },
    { "{", 2 },
    { "{,}", 2 },
    { '{"a"}', 5 },
    { '{"a":}', 6 },
    { '{"a":1,}', 8 },
    { '{"a" 1}', 6 },
    { '{"a":1 "b":2}', 8 },
    { "{a:1}", 2 },
    { "{1:1}", 2 },
    { '{"a":1]', 7 },
    { "01", 2 },
    { "-01", 3 },
    { "+1", 1 },
    { ".5", 1 },
    { "1.", 3 },
    { "1.e1", 3 },
    { "1e", 3 },
    { "1e+", 4 },
    { "-", 2 },
    { "- 1", 2 },
    { "0x10", 2 },
    { "1_000", 2 },
    { "1e400", 1 },
    { '["a\nb"]', 4 },
    { '"\0"', 2 },
    { '"\31"', 2 },
    { '"', 2 },
    { '"abc', 5 },
    { [["\x41"]], 2 },
    { [["\u12g4"]], 6 },
    { [["\u12]], 6 },
    { [["\]], 3 },
    { "// a\n1", 1 },
    { "1 /* a */", 3 },
    { [==[["a\ud800b"]]==], 4 },
    { [==[["\udc00"]]==], 3 },
    { [==["\ud83d\u0041"]==], 2 },
    { [==["\ud83d\ud83d\ude00"]==], 2 },
    { [==[{"\udfff":1}]==], 3 },
    { '"a\128"', 3 },
    { '"\192\175"', 2 },
    { '"\237\160\128"', 2 },
    { '"\244\144\128\128"', 2 },
    { '["ok","\226\130"]', 8 },
    { '{"\255":1}', 3 },
    { "\239\187\1911", 1 },
  }
  for _, case in ipairs(wrong) do
    it(("refuses %q at byte %d"):format((case[1]:gsub("%c", "?")), case[2]), function()
      local err = refused(json.decode, case[1])
      assert.equal("parse_error", err.kind)
      assert.equal(case[2], err.position, err.message)
      assert.truthy(err.message:find("at byte " .. case[2], 1, true), err.message)
      assert.is_nil(err.code)
    end)
  end

  it("refuses every proper prefix of a text", function()
    local text = [==[{"a":[1.5e3,-2,true,false,null,"x\u00e9\n",{}],"b":{"c":""}}]==]
    for length = 0, #text - 1 do
      local err = refused(json.decode, text:sub(1, length))
      assert.equal("parse_error", err.kind)
      assert.equal(length + 1, err.position, text:sub(1, length))
    end
    assert.is_table(json.decode(text))
  end)

  it("wants a string", function()
    for _, value in ipairs { 1, {}, true } do
      local err = refused(json.decode, value)
      assert.equal("invalid_argument", err.kind)
      assert.truthy(err.message:find("json_spec.lua:%d+: json.decode: expected a string"))
    end
    assert.equal("invalid_argument", refused(json.decode).kind)
  end)
end)

describe("codex.json.encode", function()
  it("writes what it was given, in the shortest way", function()
    for _, case in ipairs {
      { true, "true" },
      { false, "false" },
      { null, "null" },
      { "", '""' },
      { 'a"\\/\b\f\n\r\t\1\127é😀', [["a\"\\/\b\f\n\r\t\u0001]] .. '\127é😀"' },
      { 15, "15" },
      { 15.0, luas.integers and "15.0" or "15" },
      { 0.1, "0.1" },
      { 1e100, "1e100" },
      { 1 / 3, "0.3333333333333333" },
      { luas.min_integer, luas.integers and "-9223372036854775808" or "-9007199254740992" },
      { {}, "{}" },
      { codex.array {}, "[]" },
      { codex.array { 1, 2 }, "[1,2]" },
      { { 1, { 2 }, {} }, "[1,[2],{}]" },
      { { a = codex.array {} }, '{"a":[]}' },
      { { ["1"] = 1 }, '{"1":1}' },
      { { [""] = "" }, '{"":""}' },
    } do
      local text = json.encode(case[1])
      if case[2]:find "e" and type(case[1]) == "number" then
        assert.equal(case[1], tonumber(text))
      else
        assert.equal(case[2], text)
      end
    end
  end)

  it("returns from codex.array the table it was given", function()
    local list = {}
    assert.equal(list, codex.array(list))
    list[1] = "a"
    assert.equal('["a"]', json.encode(list))
  end)

  local loop = { inner = { list = {} } }
  loop.inner.list[1] = loop
  for _, case in ipairs {
    { "a function", { a = { 1, print } }, ".a[2]: a function can't be sent" },
    { "a coroutine", { coroutine.create(function() end) }, "[1]: a thread can't be sent" },
    { "a userdata", { a = io.stdout }, ".a: a userdata can't be sent" },
    { "not a number", { a = { b = 0 / 0 } }, ".a.b: JSON has no number for nan" },
    { "infinity", { 1, 1 / 0 }, "[2]: JSON has no number for infinity" },
    { "minus infinity", { 1, -1 / 0 }, "[2]: JSON has no number for" },
    { "mixed keys", { a = { 1, b = 2 } }, ".a: a table is either a list" },
    { "a hole", { a = { 1, nil, 3 } }, ".a: a table is either a list" },
    { "a list that begins at 0", { a = { [0] = 1 } }, ".a: a table is either a list" },
    { "a key that is a boolean", { [true] = 1 }, "a table is either a list" },
    { "a key that is a fraction", { a = { [1.5] = 1 } }, ".a: a table is either a list" },
    { "names in an array", { a = codex.array { b = 1 } }, ".a: expected a list" },
    { "a circle", loop, "in a circle" },
    { "bad UTF-8", { a = { "\255" } }, ".a[1]: not valid UTF-8" },
    { "bad UTF-8 in a key", { a = { ["\255"] = 1 } }, ": not valid UTF-8" },
    { "half a character", { "é" .. ("é"):sub(1, 1) }, "[1]: not valid UTF-8" },
    { "a surrogate", { "\237\160\128" }, "[1]: not valid UTF-8" },
  } do
    it("refuses " .. case[1], function()
      local err = refused(json.encode, case[2])
      assert.equal("invalid_argument", err.kind)
      assert.truthy(err.message:find("json_spec.lua:%d+: json.encode: "), err.message)
      assert.truthy(err.message:find(case[3], 1, true), err.message)
      assert.is_true(#err.message < 500, "the message is " .. #err.message .. " bytes long")
    end)
  end

  it("refuses nothing at all", function()
    assert.equal("invalid_argument", refused(json.encode).kind)
    assert.equal("invalid_argument", refused(json.encode, nil).kind)
  end)

  it("nests 512 deep and no deeper", function()
    local value, objects = 1, 1
    for _ = 1, 512 do
      value, objects = { value }, { a = objects }
    end
    assert.equal(("["):rep(512) .. "1" .. ("]"):rep(512), json.encode(value))
    assert.equal(value, value)
    assert.truthy(refused(json.encode, { value }).message:find "nested more than 512 deep")
    assert.truthy(refused(json.encode, { a = objects }).message:find "nested more than 512 deep")
  end)

  it("is as good after an error as before", function()
    for _ = 1, 100 do
      refused(json.encode, loop)
      refused(json.decode, '{"a":["\\ud800"]}')
    end
    assert.equal('{"a":[1]}', json.encode { a = { 1 } })
  end)
end)

describe("codex.json and lua-cjson", function()
  -- A generator of values that both can write: cjson has no empty arrays and writes 14 digits.
  local function generator(seed)
    math.randomseed(seed)
    local count = 0
    local characters =
      { "a", "Z", "0", " ", '"', "\\", "/", "\n", "\t", "\0", "\31", "\127", "é", "€", "😀", "\239\191\191" }
    local function text()
      local parts = {}
      for i = 1, math.random(0, 12) do
        parts[i] = characters[math.random(#characters)]
      end
      return table.concat(parts)
    end
    local scalars = {
      text,
      text,
      function()
        return math.random(-1000, 1000)
      end,
      luas.random_integer,
      function()
        return (math.random() - 0.5) * 10.0 ^ math.random(-300, 300)
      end,
      function()
        return (math.random() + math.random() / 2 ^ 30) * 2.0 ^ math.random(-1070, 1020)
      end,
      function()
        return math.random(2) == 1
      end,
      function()
        return null
      end,
    }
    local value
    local function list(depth)
      local made = {}
      for i = 1, math.random(0, 6) do
        made[i] = value(depth + 1)
      end
      return #made == 0 and codex.array(made) or made
    end
    local function object(depth)
      local made = {}
      for _ = 1, math.random(0, 6) do
        made[text()] = value(depth + 1)
      end
      return made
    end
    value = function(depth)
      count = count + 1
      local kind = math.random(depth < 6 and 12 or 8)
      if kind <= 8 then return scalars[kind]() end
      return (kind <= 10 and list or object)(depth)
    end
    return value, function()
      return count
    end
  end

  it("agree about 30,000 random values, and each comes back as it was", function()
    local value, count = generator(20260101)
    while count() < 30000 do
      local made = { value(0) }
      local text = json.encode(made)
      assert.is_true(same(made, json.decode(text)), text)
      assert.is_true(same(made, cjson.decode(text), true), text)
      assert.is_true(same(made, json.decode(json.encode(json.decode(text)))), text)
      assert.is_true(same(made, json.decode(cjson.encode(made)), true), text)
    end
  end)

  it("both refuse, or read alike, 5,000 random mutations of a text", function()
    math.randomseed(7)
    local text = [==[{"a":[1.5e3,-2,true,false,null,"x\u00e9\n",{}],"b":{"c":"","d":[[]]},"e":0}]==]
    local pieces = { '"', "{", "}", "[", "]", ",", ":", "0", "1", "-", ".", "e", "\\", "u", "t", " ", "n", "\n", "a" }
    local agreed = 0
    for _ = 1, 5000 do
      local at = math.random(#text)
      local mutated = text:sub(1, at - math.random(0, 1)) .. pieces[math.random(#pieces)] .. text:sub(at + 1)
      local ok, value = pcall(json.decode, mutated)
      if ok then
        agreed = agreed + 1
        assert.is_true(same(value, cjson.decode(mutated), true), mutated)
      else
        assert.equal("parse_error", value.kind)
        assert.is_true(value.position >= 1 and value.position <= #mutated + 1)
      end
    end
    assert.is_true(agreed > 250)
  end)

  it("agree about strings of 5 MB", function()
    for _, piece in ipairs { "x", "é", "\n\"", "😀\\", "\0" } do
      local text = piece:rep(math.floor(5000000 / #piece))
      local encoded = json.encode(text)
      assert.is_true(cjson.decode(encoded) == text)
      assert.is_true(json.decode(encoded) == text)
      assert.is_true(json.decode(cjson.encode(text)) == text)
    end
    assert.equal(5000001, refused(json.decode, '"' .. ("x"):rep(4999999) .. "\255" .. '"').position)
  end)

  it("agree about long lists and wide objects", function()
    local list, object = {}, {}
    for i = 1, 200000 do
      list[i] = i
      object["k" .. i] = i
    end
    assert.is_true(same(list, cjson.decode(json.encode(list)), true))
    assert.is_true(same(object, cjson.decode(json.encode(object)), true))
    assert.is_true(same(list, json.decode(json.encode(list))))
  end)
end)
