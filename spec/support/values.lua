--- Random values of every message in the protocol, made from the JSON schema that the server writes about itself. What
--- our own tables say is never asked, so that values show whether the tables are right.
---
---     local source = require("spec.support.values").open(path_of_the_bundle, seed)
---     for _, message in ipairs(source.messages) do local value = source:value(message) end
---
--- The same seed makes the same values. What was never made before is made first (members, alternatives, words of
--- enumerations), so a few hundred values of each message hold everything that there is: `source:missing()` tells.
---
--- Settings of a source: `budget`, the size of values; `future`, whether to make what only another version of the
--- server sends; `fixed`, the strings in members of these names on the wire; `keep_places`.

local cjson = require "cjson"
local core = require "codex.core"
local luas = require "spec.support.luas"

local null, random = core.null, math.random

local M = {}

---@class spec.Value
---@field text string  JSON, as the server might write it
---@field wire table   the same as free-form JSON in Lua: names of the wire, null as codex.null
---@field read table   what decoding must make of it: our names, and no members that are null in a typed place
---@field sent table   what must encode to it: our names, null as codex.null
---@field drops? boolean  whether there was a null that `read` lacks
---@field drops_required? boolean  and one where the schema says that something must be, if only null
---@field places spec.Place[]  with source.keep_places: where `sent` can be spoiled

---@class spec.Place
---@field table table   in `sent`
---@field key any       of the member or element in it
---@field path string   as in messages, from the top: `.input[1].text`
---@field node table    its type
---@field required boolean  whether it must be there
---@field container { kind: "struct"|"list"|"map", path: string, open?: boolean, loose?: boolean }

-- ## What is random

-- JSON texts of strings, and the strings. Written by hand: nothing of ours makes either.
local STRINGS = {
  { '""', "" },
  { '"x"', "x" },
  { '"019a8c2e-7b1f-7d60"', "019a8c2e-7b1f-7d60" },
  { '"camelCase snake_case"', "camelCase snake_case" },
  { '"null"', "null" },
  { '"12"', "12" },
  { '"café ключ 😀"', "café ключ 😀" },
  { [["\u043a\u043B\ud83d\ude00 \u0000 \u007f"]], "кл😀 \0 \127" },
  { [["q\"b\\s\/\b\f\n\r\t"]], "q\"b\\s/\b\f\n\r\t" },
  { '"' .. ("long "):rep(60) .. '"', ("long "):rep(60) },
}

-- Names of members in free-form places. Any renaming, and any mistaking of objects for lists, shows in one of them.
local NAMES = {
  { '"camelCase"', "camelCase" },
  { '"snake_case"', "snake_case" },
  { '"1"', "1" },
  { '""', "" },
  { '"threadId"', "threadId" },
  { '"thread_id"', "thread_id" },
  { '"_leading"', "_leading" },
  { [["\u043a\u043bюч"]], "ключ" },
  { [["a.b c\"d\\e"]], "a.b c\"d\\e" },
  { '"-7.5"', "-7.5" },
  { '"type"', "type" },
  { '"2"', "2" },
}

-- Names that no struct of the schema has, for members of servers to come.
local NEW_NAMES = { { '"futureField"', "futureField" }, { '"future_field"', "future_field" }, { '"1st"', "1st" } }

local INTEGERS = {
  int8 = { -128, 127 },
  uint8 = { 0, 255 },
  int16 = { -32768, 32767 },
  uint16 = { 0, 65535 },
  int32 = { -2147483648, 2147483647 },
  uint32 = { 0, 4294967295 },
  int64 = { luas.min_integer, luas.max_integer },
  uint64 = { 0, luas.max_integer }, -- what is beyond fits no Lua integer
  uint = { 0, luas.max_integer },
  int = { luas.min_integer, luas.max_integer },
}

local FREE_INTEGERS = { 0, -1, 1, 255, 9007199254740992, -9007199254740992, luas.max_integer, luas.min_integer,
  luas.integers and 9007199254740993 or 9007199254740991 }
local FLOATS = { { "0.5", 0.5 }, { "1.0", 1.0 }, { "-2.5e-3", -0.0025 }, { "1e3", 1000.0 }, { "0.1", 0.1 },
  { "1.7976931348623157e308", 1.7976931348623157e308 }, { "5e-324", 5e-324 }, { "3E+2", 300.0 }, { "-0.0", -0.0 } }

local function one_of(list) return list[random(#list)] end

local function put(s, text)
  local n = s.length + 1
  s.length = n
  s.out[n] = text
end

local function put_pair(s, pair)
  put(s, pair[1])
  return pair[2]
end

local function put_number(s, list)
  local number = one_of(list)
  put(s, ("%d"):format(number))
  return number
end

-- The JSON text of a word that needs no escapes.
local function quoted(word)
  assert(word:find "^[%w%p ]*$" and not word:find '["\\]', word)
  return '"' .. word .. '"'
end

-- ### Free-form JSON

local free

local function free_object(s, depth)
  local object, first = {}, random(#NAMES)
  put(s, "{")
  for i = 1, depth > 0 and random(0, 3) or 0 do
    if i > 1 then put(s, ",") end
    local name = put_pair(s, NAMES[(first + i) % #NAMES + 1])
    put(s, ":")
    object[name] = free(s, depth - 1)
  end
  put(s, "}")
  return object
end

local function free_list(s, depth)
  local list = {}
  put(s, "[")
  for i = 1, depth > 0 and random(0, 3) or 0 do
    if i > 1 then put(s, ",") end
    list[i] = free(s, depth - 1)
  end
  put(s, "]")
  return list[1] == nil and core.array(list) or list
end

local function put_null(s)
  put(s, "null")
  return null
end

local function put_boolean(s)
  local value = random(2) == 1
  put(s, value and "true" or "false")
  return value
end

local FREE = {
  null = put_null,
  boolean = put_boolean,
  integer = function(s) return put_number(s, FREE_INTEGERS) end,
  number = function(s) return put_pair(s, one_of(FLOATS)) end,
  string = function(s) return put_pair(s, one_of(STRINGS)) end,
  array = free_list,
  object = free_object,
}
local FREE_KINDS = { "null", "boolean", "integer", "number", "string", "array", "object", "array", "object" }

function free(s, depth)
  s.budget = s.budget - 1
  return FREE[one_of(FREE_KINDS)](s, depth)
end

-- One of everything that a careless reader or writer would change.
local AWKWARD = [==[{"camelCase":{"snake_case":{"threadId":1,"thread_id":2}},"1":"one","":[],"_meta":{},
  "\u043a\u043b\u044e\u0447":[null,true,[[]],{},{"approvalPolicy":null}],"type":"text","big":9007199254740993,
  "least":-9223372036854775808,"float":1.0,"tenth":1e-1,"nothing":null,"no":false,"network_access":{"2":2}}]==]
AWKWARD = AWKWARD:gsub("\n *", "")

local function awkward(s)
  put(s, AWKWARD)
  local array = core.array
  return {
    camelCase = { snake_case = { threadId = 1, thread_id = 2 } },
    ["1"] = "one",
    [""] = array {},
    _meta = {},
    ["ключ"] = { null, true, { array {} }, {}, { approvalPolicy = null } },
    type = "text",
    big = 9007199254740993,
    least = luas.integers and luas.min_integer or -2 ^ 63,
    float = 1.0,
    tenth = 0.1,
    nothing = null,
    no = false,
    network_access = { ["2"] = 2 },
  }
end

-- ## Types
-- A node makes values of one schema. `put(s)` writes the text of one and answers it three times: as on the wire, as
-- read, as sent. `kinds` are the JSON kinds that its values can be.

local ANY_KINDS = { null = true, boolean = true, integer = true, number = true, string = true, array = true,
  object = true }

local function any_node()
  return {
    kinds = ANY_KINDS,
    any = true,
    put = function(s, node)
      local value
      if not s.source.made[node] then
        value = awkward(s)
        s.source.made[node] = true
      else
        value = free(s, 3)
      end
      return value, value, value
    end,
  }
end

local function put_scalar(s, node)
  local value = node.scalar(s)
  s.source.made[node] = true
  return value, value, value
end

local SCALARS = {
  null = put_null,
  boolean = put_boolean,
  string = FREE.string,
  number = function(s) return random(2) == 1 and put_number(s, { 0, 7, -3 }) or FREE.number(s) end,
}

local function integer_scalar(schema)
  local range = schema.format and assert(INTEGERS[schema.format], schema.format) or INTEGERS.int64
  local least, most = range[1], range[2]
  if schema.minimum and schema.minimum > least then least = math.floor(schema.minimum) end
  local list = { least, most, math.min(1, most), math.max(least, 0), math.min(9007199254740992, most) }
  return function(s) return put_number(s, list) end
end

local function scalar_node(kind, schema)
  local scalar = kind == "integer" and integer_scalar(schema) or assert(SCALARS[kind], kind)
  return { kinds = { [kind] = true }, scalar = scalar, put = put_scalar }
end

-- The words of an enumeration in order, then any of them.
local function next_word(s, node)
  local made = s.source.made[node] or 0
  if made >= #node.words then return one_of(node.words) end
  s.source.made[node] = made + 1
  return node.words[made + 1]
end

-- The alternative that there is most left to make of, or any.
local function next_alternative(node)
  local alternatives = node.alternatives
  local first = random(#alternatives)
  for i = 1, node.done and 0 or #alternatives do
    local alternative = alternatives[(first + i) % #alternatives + 1]
    if not alternative.done then return alternative end
  end
  return alternatives[first]
end

local function enum_node(words)
  return {
    kinds = { string = true },
    words = words,
    put = function(s, node)
      local word = next_word(s, node)
      if s.future and #words > 1 and random(30) == 1 then word = "brandNew" end
      put(s, quoted(word))
      return word, word, word
    end,
  }
end

-- A value of a kind that the type doesn't have, as a server of another version may send it.
local function wrong_kind(s, node)
  local kinds = {}
  for _, kind in ipairs(FREE_KINDS) do
    local fits = node.kinds[kind] or kind == "integer" and node.kinds.number or kind == "number" and node.kinds.integer
    if not fits then kinds[#kinds + 1] = kind end
  end
  if #kinds == 0 then return nil end
  return FREE[one_of(kinds)](s, 2)
end

local function put_node(s, node)
  s.budget = s.budget - 1
  if s.future and not (node.words and #node.words == 1) and random(40) == 1 then
    local value = wrong_kind(s, node)
    if value ~= nil then return value, value, value end
  end
  return node.put(s, node)
end

-- Puts what is in an object or a list, and notes the place.
local function put_inner(s, node, container, key, required, step)
  local path = s.path
  if s.places then
    container.path = path
    s.path = path .. step
    table.insert(s.places, { container = container, table = container.sent, key = key, path = s.path, node = node,
      required = required })
  end
  local wire, read, sent = put_node(s, node)
  s.path = path
  return wire, read, sent
end

local function how_many(s, element)
  if not element.done then return random(2) end
  return s.budget > 0 and random(0, 2) or 0
end

local function list_node(element)
  return {
    kinds = { array = true },
    element = element,
    put = function(s)
      local wire, read, sent = {}, {}, {}
      local container = { kind = "list", sent = sent }
      put(s, "[")
      for i = 1, how_many(s, element) do
        if i > 1 then put(s, ",") end
        wire[i], read[i], sent[i] = put_inner(s, element, container, i, false, s.places and "[" .. i .. "]")
      end
      put(s, "]")
      if wire[1] == nil then core.array(wire) end
      if read[1] == nil then core.array(read) end
      return wire, read, sent
    end,
  }
end

local function map_node(element)
  return {
    kinds = { object = true },
    element = element,
    put = function(s)
      local wire, read, sent, first = {}, {}, {}, random(#NAMES)
      local container = { kind = "map", sent = sent }
      put(s, "{")
      for i = 1, how_many(s, element) do
        if i > 1 then put(s, ",") end
        local name = put_pair(s, NAMES[(first + i) % #NAMES + 1])
        put(s, ":")
        wire[name], read[name], sent[name] = put_inner(s, element, container, name, false, "." .. name)
      end
      put(s, "}")
      return wire, read, sent
    end,
  }
end

-- ### Structs

-- The name in Lua: words of the wire's name, joined with underscores.
local function lua_name(wire)
  local name = wire:gsub("OAuth", "Oauth"):gsub("-", "_")
  return (name:gsub("([%l%d])(%u)", "%1_%2"):lower())
end

-- Whether a member shall be there: always what was never made, and less and less as the value grows.
local function wants(s, member)
  if member.required or not s.source.made[member] or not member.node.done then return true end
  return s.budget > 0 and random(3) == 1
end

local function put_comma(s)
  if s.out[s.length] ~= "{" then put(s, ",") end
end

local function put_member(s, container, member, required)
  put_comma(s)
  put(s, member.text)
  s.source.made[member] = true
  if member.wire == container.tag then container.tag_at = s.length + 1 end
  local fixed = s.source.fixed[member.wire]
  local wire, read, sent
  if fixed and member.node.kinds.string and not member.node.words then
    put(s, quoted(fixed))
    wire, read, sent = fixed, fixed, fixed
  else
    local step = s.places and "." .. member.name
    wire, read, sent = put_inner(s, member.node, container, member.name, required, step)
  end
  container.wire[member.wire], container.sent[member.name] = wire, sent
  if read ~= null then
    container.read[member.name] = read
  else
    s.drops = true
    s.drops_required = s.drops_required or member.required
  end
end

-- A member that the schema doesn't have. Where the schema allows such members, its null stays.
local function put_new_member(s, container, open)
  local pair = one_of(NEW_NAMES)
  if container.wire[pair[2]] ~= nil then return end
  put_comma(s)
  local name = put_pair(s, pair)
  put(s, ":")
  local value = free(s, 2)
  container.wire[name], container.sent[name] = value, value
  if value ~= null or open then container.read[name] = value end
end

-- Puts the members of a struct in the schema's order or another one.
local function put_members(s, struct, container)
  local members = struct.members
  local count, first = #members, s.source.made[struct] and random(#members + 1) or 1
  s.source.made[struct] = true
  for i = 1, count do
    local member = members[(first + i - 2) % count + 1]
    if wants(s, member) then put_member(s, container, member, member.required and not container.loose) end
  end
  local open = struct.open or container.open
  if struct.open and random(3) == 1 or s.future and random(8) == 1 then put_new_member(s, container, open) end
end

-- An object that is all of these structs at once. union: what they are in, if they are.
local function put_object(s, structs, union)
  local container = { kind = "struct", wire = {}, read = {}, sent = {}, tag = union.tag, loose = union.loose,
    open = union.open }
  put(s, "{")
  for _, struct in ipairs(structs) do put_members(s, struct, container) end
  put(s, "}")
  return container
end

local function struct_node(source, schema)
  local node = { kinds = { object = true }, members = {}, open = schema.additionalProperties == true }
  local required = {}
  for _, wire in ipairs(schema.required or {}) do required[wire] = true end
  for wire, property in pairs(schema.properties or {}) do
    local member = { wire = wire, name = lua_name(wire), text = quoted(wire) .. ":", required = required[wire],
      node = source:node(property) }
    table.insert(node.members, member)
  end
  table.sort(node.members, function(a, b) return a.wire < b.wire end)
  function node.put(s)
    local container = put_object(s, { node }, node)
    return container.wire, container.read, container.sent
  end
  return node
end

-- ### Unions

local function collect_structs(node, structs)
  if node.members then structs[#structs + 1] = node end
  for _, alternative in ipairs(node.alternatives or {}) do collect_structs(alternative, structs) end
  return structs
end

local function tag_word(struct, wire)
  for _, member in ipairs(struct.members) do
    if member.wire == wire then return member.required and member.node.words and #member.node.words == 1 end
  end
end

-- The member that tells the structs of a union apart, or nil.
local function find_tag(structs)
  if #structs < 2 then return nil end
  for _, member in ipairs(structs[1].members) do
    local all = true
    for _, struct in ipairs(structs) do all = all and tag_word(struct, member.wire) end
    if all then return member.wire end
  end
end

-- The tag gets a word that isn't known: then nothing of the object is, and all of it is free-form.
local function put_unknown_variant(s, container, tag)
  s.out[container.tag_at] = '"brandNew"'
  container.wire[tag] = "brandNew"
  return container.wire, container.wire, container.wire
end

local function put_alternative(s, node)
  local alternative = next_alternative(node)
  if not alternative.members then return alternative.put(s, alternative) end
  local structs = { alternative }
  if node.base then table.insert(structs, random(2), node.base) end
  local spoil = s.future and node.tag and random(20) == 1
  if spoil then s.future = false end -- what is read is the wire, so nothing else may differ between them
  local container = put_object(s, structs, node)
  if spoil then
    s.future = true
    return put_unknown_variant(s, container, node.tag)
  end
  return container.wire, container.read, container.sent
end

local function union_node(source, schemas, base)
  local node = { kinds = {}, alternatives = {}, put = put_alternative, base = base }
  for i, schema in ipairs(schemas) do
    local alternative = source:node(schema)
    node.alternatives[i] = alternative
    node.any = node.any or alternative.any
    node.open = node.open or alternative.open or alternative.free_object
    for kind in pairs(alternative.kinds) do node.kinds[kind] = true end
  end
  local structs = collect_structs(node, {})
  node.tag = find_tag(structs)
  node.loose = #structs > 1 and not node.tag
  return node
end

-- Schemas whose values are free-form to us, though the schema describes them.
local RAW = { McpElicitationSchema = true }

local function raw_node(node)
  return {
    kinds = node.kinds,
    alternatives = { node }, -- for whoever walks through all nodes
    any = true,
    put = function(s)
      local places, future = s.places, s.future
      s.places, s.future = nil, nil
      local wire = node.put(s, node)
      s.places, s.future = places, future
      return wire, wire, wire
    end,
  }
end

-- ## Schemas to nodes

local Source = {}
Source.__index = Source

local TYPE_WORDS = { "type", "properties", "required", "additionalProperties", "items", "enum", "const", "oneOf",
  "anyOf", "allOf", "$ref" }

local function says_nothing(schema)
  if schema == true then return true end
  for _, word in ipairs(TYPE_WORDS) do
    if schema[word] ~= nil then return false end
  end
  return true
end

function Source:resolve(ref)
  local name = ref:match "^#/definitions/v2/(.*)$"
  if name then return assert(self.definitions.v2[name], ref), name end
  name = assert(ref:match "^#/definitions/(.*)$", ref)
  return assert(self.definitions[name], ref), name
end

function Source:reference(ref)
  local schema, name = self:resolve(ref)
  self.used[name] = true
  local node = self:node(schema)
  return RAW[name] and raw_node(node) or node
end

local function is_bare(schema)
  return schema.type == "object" and schema.additionalProperties == nil and next(schema.properties or {}) == nil
end

local function object_node(source, schema)
  local additional = schema.additionalProperties
  if type(additional) == "table" and not schema.properties then return map_node(source:node(additional)) end
  if is_bare(schema) or additional == true and next(schema.properties or {}) == nil then
    return { kinds = { object = true }, free_object = true, put = put_scalar,
      scalar = function(s) return free_object(s, 3) end }
  end
  return struct_node(source, schema)
end

local function typed_node(source, kind, schema)
  if kind == "object" then return object_node(source, schema) end
  if kind == "array" then return list_node(source:node(schema.items == nil and true or schema.items)) end
  return scalar_node(kind, schema)
end

local function types_node(source, schema)
  local schemas = {}
  for i, kind in ipairs(schema.type) do
    schemas[i] = setmetatable({ type = kind }, { __index = schema })
  end
  return union_node(source, schemas)
end

local function make_node(source, schema)
  if says_nothing(schema) then return any_node() end
  if schema["$ref"] then return source:reference(schema["$ref"]) end
  if schema.allOf then
    assert(#schema.allOf == 1)
    return source:node(schema.allOf[1])
  end
  if schema.enum then return enum_node(schema.enum) end
  local alternatives = schema.oneOf or schema.anyOf
  if alternatives then
    return union_node(source, alternatives, schema.properties and struct_node(source, schema) or nil)
  end
  if type(schema.type) == "table" then return types_node(source, schema) end
  return typed_node(source, schema.type, schema)
end

function Source:node(schema)
  if schema == true then return any_node() end
  local node = self.nodes[schema]
  if not node then
    node = make_node(self, schema)
    self.nodes[schema] = node
  end
  return node
end

-- ## Messages

-- Results are named like the params (FooParams, FooResponse), or like the method (foo/bar: FooBarResponse), or:
local RESULTS = {
  ["account/gatewayOAuth/cancel"] = "GatewayOAuthCancelResponse",
  ["account/logout"] = "LogoutAccountResponse",
  ["account/securitySetup/read"] = "GetAccountSecuritySetupResponse",
  ["account/workspaceMessages/read"] = "GetWorkspaceMessagesResponse",
  ["accountSession/list"] = "AccountSessionsResponse",
  ["config/batchWrite"] = "ConfigWriteResponse",
  ["config/mcpServer/reload"] = "McpServerRefreshResponse",
  ["config/value/write"] = "ConfigWriteResponse",
  ["externalAgentConfig/import/readHistories"] = "ExternalAgentConfigImportHistoriesReadResponse",
}

local LISTS = { { "ClientRequest", "request", true }, { "ServerNotification", "notification" },
  { "ServerRequest", "server_request", true } }

function Source:response_of(method, params_name)
  local by_method = method:gsub("^%l", string.upper):gsub("[/_](%w)", string.upper) .. "Response"
  for _, name in ipairs { RESULTS[method] or "", (params_name or ""):gsub("Params$", "") .. "Response", by_method } do
    if self.definitions[name] then return "#/definitions/" .. name end
    if self.definitions.v2[name] then return "#/definitions/v2/" .. name end
  end
  error("no response of " .. method)
end

-- The reference in a params member, which may be allowed to be null.
local function params_reference(schema)
  local first = schema and (schema.anyOf or { schema })[1]
  return first and first["$ref"]
end

local NOTHING = { type = "object", properties = {}, additionalProperties = false }

function Source:add(kind, method, part, ref)
  local schema, name = self:resolve(ref)
  self.used[name] = true
  local node = self:node(is_bare(schema) and not schema.oneOf and not schema.anyOf and NOTHING or schema)
  table.insert(self.messages, { kind = kind, method = method, part = part, name = name, node = node })
end

function Source:add_methods(list, kind, answered)
  for _, entry in ipairs(self.definitions[list].oneOf) do
    local method = entry.properties.method.enum[1]
    local params = params_reference(entry.properties.params)
    if params then self:add(kind, method, "params", params) end
    local name = params and select(2, self:resolve(params))
    if answered then self:add(kind, method, "result", self:response_of(method, name)) end
  end
end

-- ## Using it

-- A random value of a message's params or result.
---@return spec.Value
function Source:value(message)
  local s = { source = self, out = {}, length = 0, budget = self.budget, future = self.future, path = "",
    places = self.keep_places and {} or nil }
  local wire, read, sent = message.node.put(s, message.node)
  return { text = table.concat(s.out), wire = wire, read = read, sent = sent, drops = s.drops,
    drops_required = s.drops_required, places = s.places }
end

local function inner_nodes(node)
  local list = {}
  list[#list + 1] = node.element
  list[#list + 1] = node.base
  for _, alternative in ipairs(node.alternatives or {}) do list[#list + 1] = alternative end
  for _, member in ipairs(node.members or {}) do list[#list + 1] = member.node end
  return list
end

-- What of a node itself was never made: a text, or nil.
function Source:lack_of(node)
  if node.words and (self.made[node] or 0) < #node.words then return "some words" end
  if (node.any and not node.alternatives or node.scalar) and not self.made[node] then return "a value" end
  for _, member in ipairs(node.members or {}) do
    if not self.made[member] then return "a member " .. member.wire end
  end
end

function Source:look_through(node, seen, list)
  if node.done or seen[node] ~= nil then return seen[node] ~= false end
  seen[node] = true
  local lack = self:lack_of(node)
  if lack then list[#list + 1] = lack end
  local done = not lack
  for _, inner in ipairs(inner_nodes(node)) do done = self:look_through(inner, seen, list) and done end
  node.done, seen[node] = done, done
  return done
end

--- What was never made yet: a list of texts, empty when there were values of everything. Also turns `value` to what is
--- missing, so it is called now and then.
---@return string[]
function Source:missing()
  local list, seen = {}, {}
  for _, message in ipairs(self.messages) do
    local count = #list
    self:look_through(message.node, seen, list)
    for i = count + 1, #list do list[i] = message.method .. " " .. message.part .. ": " .. list[i] end
  end
  return list
end

---@param path string  of codex_app_server_protocol.schemas.json
---@param seed integer
function M.open(path, seed)
  local file = assert(io.open(path, "rb"))
  local bundle = cjson.decode(file:read "*a")
  file:close()
  math.randomseed(seed)
  local source = setmetatable({ definitions = bundle.definitions, nodes = {}, used = {}, made = {}, messages = {},
    budget = 20, fixed = {} }, Source)
  for _, list in ipairs(LISTS) do source:add_methods(luas.unpack(list)) end
  return source
end

-- Whether two values of free-form JSON are the same, kinds of numbers and of empty tables included: nothing, or where
-- they differ.
function M.difference(a, b, path)
  path = path or "top"
  if type(a) ~= "table" or type(b) ~= "table" then
    if a == b and luas.is_integer(a) == luas.is_integer(b) then return nil end
    return ("%s: %s (%s) and %s (%s)"):format(path, tostring(a), type(a), tostring(b), type(b))
  end
  if next(a) == nil and next(b) == nil then
    return getmetatable(a) ~= getmetatable(b) and path .. ": an empty list and an empty object" or nil
  end
  for key, value in pairs(a) do
    if value ~= b[key] or type(value) == "number" then
      local found = M.difference(value, b[key], path .. "." .. tostring(key))
      if found then return found end
    end
  end
  for key in pairs(b) do
    if a[key] == nil then return path .. "." .. tostring(key) .. ": only in the second" end
  end
end

return M
