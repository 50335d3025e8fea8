-- Makes schema_tables.c, the protocol's names and types as read-only C tables, from the JSON schema that the pinned
-- server writes about itself:
--
--     codex app-server generate-json-schema --experimental --out SCHEMA_DIR
--     lua5.4 src/core/generate.lua SCHEMA_DIR VERSION OUTPUT.c
--
-- The same schema gives the same bytes. Whatever it doesn't understand stops it: a form of schema that is new in the
-- next server version has to be looked at by a person, not guessed at.

local cjson = require "cjson"

local BUNDLE = "codex_app_server_protocol.schemas.json"

-- Requests whose result type is named neither like their params type nor like the method.
local RESULT_EXCEPTIONS = {
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

-- Responses that answer no method: the envelope.
local NO_RESULT = { JSONRPCResponse = true }

-- Definitions which the schema describes, but which are free-form JSON to us: a JSON Schema's own words must not be
-- renamed.
local FREE_FORM = { McpElicitationSchema = true }

-- The lists of methods: definition, kind, whether there is an answer.
local METHOD_LISTS = {
  { "ClientRequest", "CX_METHOD_REQUEST", true },
  { "ClientNotification", "CX_METHOD_NOTIFY", false },
  { "ServerNotification", "CX_METHOD_NOTIFICATION", false },
  { "ServerRequest", "CX_METHOD_SERVER_REQUEST", true },
}

-- Shared with schema_tables.h, where the same numbers stand.
local SLOTS = 1024
local CHUNK = 4096

local definitions -- of the bundle; those of protocol version 2 are under `v2`

-- Errors ------------------------------------------------------------------------------------------------------------

local path = {} -- where in the schema we are, for messages

local function fail(format, ...)
  local message = string.format(format, ...)
  io.stderr:write("generate.lua: ", message, "\n  at ", table.concat(path, " > "), "\n")
  os.exit(1)
end

-- Calls fn(...) with a name on the path.
local function within(name, fn, ...)
  path[#path + 1] = name
  local a, b = fn(...)
  path[#path] = nil
  return a, b
end

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function contains(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function add_once(list, value)
  if not contains(list, value) then list[#list + 1] = value end
end

local function is_object(value) return type(value) == "table" end

-- Names -------------------------------------------------------------------------------------------------------------

-- The Lua name of a wire name. Names in snake_case, or with a leading underscore, come out as they went in.
local function snake(wire)
  if not wire:find("^[%a_][%w_-]*$") then fail("no rule makes a Lua name of '%s'", wire) end
  local name = wire:gsub("OAuth", "Oauth")      -- one word, not O and Auth
  name = name:gsub("(%l)(%u)", "%1_%2")         -- authUrl
  name = name:gsub("(%d)(%u)", "%1_%2")         -- sha256Hex
  name = name:gsub("(%u)(%u%l)", "%1_%2")       -- HTTPStatus
  return (name:gsub("-", "_"):lower())
end

-- What a request is called in Lua: its first part is the group, the others together are the method.
local function method_name(wire)
  local parts = {}
  for part in wire:gmatch "[^/]+" do parts[#parts + 1] = snake(part) end
  local group = table.remove(parts, 1)
  return #parts == 0 and group or group .. "." .. table.concat(parts, "_")
end

-- Nodes -------------------------------------------------------------------------------------------------------------

-- A node is a type of the tables to be. Equal types are one node: nodes are interned by a key made of their parts.
-- node.id is for keys only; numbers in the output are given later, to what methods reach.

local interned, node_count = {}, 0

local function node(kind, parts, fields)
  local key = kind .. "(" .. table.concat(parts, ",") .. ")"
  if not interned[key] then
    fields.kind = kind
    node_count = node_count + 1
    fields.id = node_count
    interned[key] = fields
  end
  return interned[key]
end

local ANY, NULL, BOOLEAN = node("ANY", {}, {}), node("NULL", {}, {}), node("BOOLEAN", {}, {})
local INTEGER, NUMBER, STRING = node("INTEGER", {}, {}), node("NUMBER", {}, {}), node("STRING", {}, {})
-- A free-form object. It ends up as a map of ANY, but in a union with structs it makes the struct open.
local FREE = node("FREE", {}, {})

local SIMPLE = { null = NULL, boolean = BOOLEAN, integer = INTEGER, number = NUMBER, string = STRING }

local function enum(values)
  local parts = {}
  for i, value in ipairs(values) do
    if type(value) ~= "string" then fail("an enumeration value that is no string: %s", tostring(value)) end
    parts[i] = #value .. ":" .. value
  end
  return node("ENUM", parts, { values = values })
end

local function array(element) return node("ARRAY", { element.id }, { element = element }) end

local function map(element) return node("MAP", { element.id }, { element = element }) end

-- fields: wire name -> { type =, required =, nullable = }. single: exactly one of them must be there.
local function struct(fields, open, single)
  local parts, list, by_name = { tostring(open), single and "single" or "" }, {}, {}
  for i, wire in ipairs(sorted_keys(fields)) do
    local field, name = fields[wire], snake(wire)
    if by_name[name] then fail("'%s' and '%s' are both called '%s'", by_name[name], wire, name) end
    by_name[name] = wire
    list[i] = { wire = wire, name = name, type = field.type, required = field.required, nullable = field.nullable }
    parts[#parts + 1] = table.concat({ wire, field.type.id, tostring(field.required), tostring(field.nullable) }, " ")
  end
  return node("STRUCT", parts, { fields = fields, list = list, open = open, single = single })
end

-- variants: a list of { value =, type = a struct }
local function tagged(tag, variants)
  local parts = { tag }
  for i, variant in ipairs(variants) do parts[i + 1] = variant.value .. " " .. variant.type.id end
  return node("TAGGED", parts, { tag = tag, variants = variants })
end

local function choice(alternatives)
  local parts = {}
  for i, alternative in ipairs(alternatives) do parts[i] = alternative.id end
  return node("CHOICE", parts, { alternatives = alternatives })
end

-- Whether names are translated anywhere in values of this type.
local function has_names(n)
  if n.kind == "STRUCT" or n.kind == "TAGGED" then return true end
  if n.element then return has_names(n.element) end
  for _, alternative in ipairs(n.alternatives or {}) do
    if has_names(alternative) then return true end
  end
  return false
end

-- Unions ------------------------------------------------------------------------------------------------------------

local union

-- The one value that a struct's field can have, if the field must be there.
local function tag_value(n, wire)
  local field = n.fields[wire]
  if field and field.required and field.type.kind == "ENUM" and #field.type.values == 1 then
    return field.type.values[1]
  end
end

-- The variants that a wire name tells apart, or nil.
local function variants_by(structs, wire)
  local variants, seen = {}, {}
  for i, n in ipairs(structs) do
    local value = tag_value(n, wire)
    if not value or seen[value] then return nil end
    seen[value] = true
    variants[i] = { value = value, type = n }
  end
  return variants
end

local function find_tag(structs)
  local tag, variants
  for _, wire in ipairs(sorted_keys(structs[1].fields)) do
    local found = variants_by(structs, wire)
    if found and tag then fail("a union with two tags, '%s' and '%s'", tag, wire) end
    if found then tag, variants = wire, found end
  end
  return tag, variants
end

local function merge_field(a, b)
  if not a or not b then
    local field = a or b
    return { type = field.type, required = false, nullable = field.nullable }
  end
  local merged, nullable = union { a.type, b.type }
  nullable = nullable or a.nullable or b.nullable
  return { type = merged, required = a.required and b.required, nullable = nullable }
end

-- One struct for values of either; a field that both have holds either's values.
local function merge_structs(a, b)
  local fields = {}
  for wire in pairs(a.fields) do fields[wire] = true end
  for wire in pairs(b.fields) do fields[wire] = true end
  for _, wire in ipairs(sorted_keys(fields)) do
    fields[wire] = within(wire, merge_field, a.fields[wire], b.fields[wire])
  end
  return struct(fields, a.open or b.open)
end

-- Whether the one member of a struct tells which of a union's variants it is: { readOnly = { … } }.
local function is_single(n)
  local name, field = next(n.fields)
  return n.single or name ~= nil and next(n.fields, name) == nil and field.required and not n.open
end

local function union_structs(structs)
  if #structs == 1 then return structs[1] end
  local tag, variants = find_tag(structs)
  if tag then return tagged(tag, variants) end
  local merged, single = structs[1], is_single(structs[1])
  for i = 2, #structs do
    merged = merge_structs(merged, structs[i])
    single = single and is_single(structs[i])
  end
  return single and struct(merged.fields, false, true) or merged
end

local UNION = {} -- by JSON kind: the one type for values of several

function UNION.boolean() return BOOLEAN end

function UNION.number(nodes) return #nodes == 1 and nodes[1] or NUMBER end

function UNION.string(nodes)
  local values = {}
  for _, n in ipairs(nodes) do
    if n == STRING then return STRING end
    for _, value in ipairs(n.values) do add_once(values, value) end
  end
  return enum(values)
end

-- Null in elements can't be said with a flag as it is with fields.
local function element_of(n, nullable)
  if nullable and n ~= ANY and n ~= NULL then return choice { n, NULL } end
  return n
end

local function union_elements(nodes)
  local elements = {}
  for i, n in ipairs(nodes) do elements[i] = n.element end
  return element_of(union(elements))
end

function UNION.array(nodes) return array(union_elements(nodes)) end

function UNION.object(nodes)
  local structs, maps, free = {}, {}, false
  for _, n in ipairs(nodes) do
    if n == FREE then free = true
    elseif n.kind == "MAP" then maps[#maps + 1] = n
    elseif n.kind == "STRUCT" then add_once(structs, n)
    else
      for _, variant in ipairs(n.variants) do add_once(structs, variant.type) end
    end
  end
  if #maps > 0 and (#structs > 0 or free) then fail("a union of a map and other objects") end
  if #maps > 0 then return map(union_elements(maps)) end
  if #structs == 0 then return FREE end
  if free then structs[#structs + 1] = struct({}, true) end
  return union_structs(structs)
end

local JSON_KIND = {
  BOOLEAN = "boolean", INTEGER = "number", NUMBER = "number", STRING = "string", ENUM = "string", ARRAY = "array",
  MAP = "object", STRUCT = "object", TAGGED = "object", FREE = "object",
}
local JSON_KINDS = { "boolean", "number", "string", "array", "object" }

-- Sorts nodes by what JSON kind their values are. Answers the groups, and whether null is among them.
local function group(nodes, groups)
  local nullable = false
  for _, n in ipairs(nodes) do
    if n == NULL then nullable = true
    elseif n.kind == "CHOICE" then nullable = group(n.alternatives, groups) or nullable
    else
      local kind = JSON_KIND[n.kind]
      groups[kind] = groups[kind] or {}
      add_once(groups[kind], n)
    end
  end
  return nullable
end

-- The type of values that are of any of the types: node, whether null is one.
function union(nodes)
  if contains(nodes, ANY) then
    if has_names { alternatives = nodes } then fail("a union of free-form JSON and a type with names") end
    return ANY, true
  end
  local groups = {}
  local nullable = group(nodes, groups)
  local alternatives = {}
  for _, kind in ipairs(JSON_KINDS) do
    if groups[kind] then alternatives[#alternatives + 1] = UNION[kind](groups[kind]) end
  end
  if #alternatives == 0 then return NULL, true end
  if #alternatives == 1 then return alternatives[1], nullable end
  return choice(alternatives), nullable
end

-- Schemas to nodes --------------------------------------------------------------------------------------------------

local compile

local ANNOTATIONS = {
  ["$schema"] = true, title = true, description = true, default = true, examples = true, format = true,
  minimum = true, maximum = true, minLength = true, maxLength = true, minItems = true, maxItems = true,
  pattern = true, writeOnly = true, readOnly = true, deprecated = true,
}

-- Fails if the schema says more than what the caller looks at.
local function only(schema, ...)
  for _, keyword in ipairs(sorted_keys(schema)) do
    if not ANNOTATIONS[keyword] and not contains({ ... }, keyword) then
      fail("unknown form of schema: '%s' together with '%s'", keyword, table.concat({ ... }, "', '"))
    end
  end
end

-- `true`, or nothing but annotations.
local function allows_all(schema)
  if schema == true then return true end
  if not is_object(schema) then fail("a schema that is %s", tostring(schema)) end
  for keyword in pairs(schema) do
    if not ANNOTATIONS[keyword] then return false end
  end
  return true
end

-- The definition behind a reference: schema, its name, its namespace ("v2" or "").
local function resolve(ref)
  local name = ref:match("^#/definitions/([^/]+)$")
  if name then return definitions[name] or fail("no definition '%s'", ref), name, "" end
  name = ref:match("^#/definitions/v2/([^/]+)$")
  if not name then fail("a reference to elsewhere: '%s'", ref) end
  return definitions.v2[name] or fail("no definition '%s'", ref), name, "v2"
end

local compiled, in_progress, free_form_seen = {}, {}, {}

local function compile_reference(ref)
  local schema, name = resolve(ref)
  if FREE_FORM[name] then
    free_form_seen[name] = true
    return ANY, false
  end
  if in_progress[ref] then fail("'%s' contains itself: tables for that are not made yet", ref) end
  if not compiled[ref] then
    in_progress[ref] = true
    local n, nullable = within(name, compile, schema)
    in_progress[ref] = nil
    if n.id > FREE.id then n.label = n.label or name end -- of simple types, names say nothing
    compiled[ref] = { n, nullable }
  end
  return compiled[ref][1], compiled[ref][2]
end

local function compile_struct(schema)
  local fields = {}
  for _, wire in ipairs(sorted_keys(schema.properties or {})) do
    local n, nullable = within(wire, compile, schema.properties[wire])
    fields[wire] = { type = n, required = false, nullable = nullable }
  end
  for _, wire in ipairs(schema.required or {}) do
    if not fields[wire] then fail("'%s' is required, but not described", wire) end
    fields[wire].required = true
  end
  local additional = schema.additionalProperties
  if is_object(additional) then fail("described members, and a type for others") end
  return struct(fields, additional == true)
end

-- An object type that says nothing of its members, not even that there may be any.
local function is_bare(schema)
  return schema.type == "object" and schema.additionalProperties == nil and next(schema.properties or {}) == nil
    and not schema.oneOf and not schema.anyOf
end

local function compile_object(schema)
  only(schema, "type", "properties", "required", "additionalProperties")
  local additional = schema.additionalProperties
  if next(schema.properties or {}) ~= nil or additional == false then return compile_struct(schema) end
  if is_object(additional) then return map(element_of(within("*", compile, additional))) end
  return FREE
end

local function compile_array(schema)
  only(schema, "type", "items")
  local items = schema.items
  if items == nil then return array(ANY) end
  if is_object(items) and items[1] then fail("an array with a type for each place") end
  return array(element_of(within("[]", compile, items)))
end

local function compile_type(schema, type_name)
  if type_name == "object" then return compile_object(schema), false end
  if type_name == "array" then return compile_array(schema), false end
  if not SIMPLE[type_name] then fail("unknown type '%s'", tostring(type_name)) end
  if schema.type == type_name then only(schema, "type") end
  return SIMPLE[type_name], type_name == "null"
end

-- ["string", "null"]
local function compile_types(schema)
  local nodes = {}
  only(schema, "type", "items", "properties", "required", "additionalProperties")
  for i, type_name in ipairs(schema.type) do nodes[i] = compile_type(schema, type_name) end
  return union(nodes)
end

local function compile_enum(schema)
  only(schema, "type", "enum", "const")
  if schema.type and schema.type ~= "string" then fail("an enumeration of type %s", cjson.encode(schema.type)) end
  return enum(schema.enum or { schema.const }), false
end

-- Fields that stand next to a union are every alternative's.
local function with_base(base, n)
  if n.kind == "STRUCT" then
    local fields = {}
    for wire, field in pairs(base.fields) do fields[wire] = field end
    for wire, field in pairs(n.fields) do
      if fields[wire] and fields[wire].type ~= field.type then fail("'%s' is described twice", wire) end
      fields[wire] = field
    end
    return struct(fields, base.open or n.open)
  end
  if n.kind ~= "TAGGED" then fail("fields next to a union of something else than objects") end
  local variants = {}
  for i, variant in ipairs(n.variants) do
    variants[i] = { value = variant.value, type = with_base(base, variant.type) }
  end
  return tagged(n.tag, variants)
end

local function compile_union(schema)
  local list = schema.oneOf or schema.anyOf
  only(schema, schema.oneOf and "oneOf" or "anyOf", "type", "properties", "required", "additionalProperties")
  if schema.type and schema.type ~= "object" then fail("a union with a type of its own") end
  local nodes = {}
  for i, alternative in ipairs(list) do
    local n, nullable = within("|" .. i, compile, alternative)
    nodes[#nodes + 1] = n
    if nullable and n ~= ANY then nodes[#nodes + 1] = NULL end
  end
  local n, nullable = union(nodes)
  if schema.properties or schema.type then n = with_base(compile_struct(schema), n) end
  return n, nullable
end

-- The node for a schema, and whether null is allowed.
function compile(schema)
  if allows_all(schema) then return ANY, true end
  if schema["$ref"] then
    only(schema, "$ref")
    return compile_reference(schema["$ref"])
  end
  if schema.allOf then
    only(schema, "allOf")
    if #schema.allOf ~= 1 then fail("allOf of %d schemas", #schema.allOf) end
    return compile(schema.allOf[1])
  end
  if schema.enum or schema.const then return compile_enum(schema) end
  if schema.oneOf or schema.anyOf then return compile_union(schema) end
  if is_object(schema.type) then return compile_types(schema) end
  return compile_type(schema, schema.type)
end

-- Methods -----------------------------------------------------------------------------------------------------------

local EMPTY = struct({}, false)
EMPTY.label = "no members"

-- What a method sends or gets. A bare object is a struct which has no members yet, not free-form JSON.
local function compile_message(ref)
  if is_bare(resolve(ref)) then return EMPTY end
  return (compile_reference(ref))
end

-- The reference in a params member: plain, or allowed to be null. nil where there is nothing to send.
local function params_reference(schema)
  if schema == nil or schema.type == "null" then return nil end
  if schema["$ref"] then return schema["$ref"] end
  local list = schema.anyOf
  if list and #list == 2 and list[1]["$ref"] and list[2].type == "null" then return list[1]["$ref"] end
  fail("unknown form of params: %s", cjson.encode(schema))
end

local function response_reference(name)
  local old, new = definitions[name], definitions.v2[name]
  if old and new then fail("two definitions of '%s'", name) end
  return old and "#/definitions/" .. name or new and "#/definitions/v2/" .. name
end

local result_used = {} -- by name of the response, the method that has it

-- A response is named like the params (FooParams, FooResponse), or else like the method (foo/bar, FooBarResponse).
local function result_name(method, params)
  local exception = RESULT_EXCEPTIONS[method]
  if exception then return exception end
  if params then
    local _, name = resolve(params)
    local by_params = name:gsub("Params$", "") .. "Response"
    if response_reference(by_params) then return by_params end
  end
  local by_method = method:gsub("%f[%a]%l", string.upper):gsub("[/_]", "")
  return by_method .. "Response"
end

local function result_node(method, params)
  local name = result_name(method, params)
  local reference = response_reference(name)
  if not reference then fail("no result type for '%s' (not even '%s'): see RESULT_EXCEPTIONS", method, name) end
  local other = result_used[name]
  if other and not (RESULT_EXCEPTIONS[method] and RESULT_EXCEPTIONS[other]) then
    fail("'%s' is the result of '%s' and '%s'", name, other, method)
  end
  result_used[name] = method
  return compile_message(reference)
end

local function compile_method(entry, kind, answered)
  local properties = entry.properties
  for _, member in ipairs(sorted_keys(properties)) do
    if not contains({ "id", "method", "params" }, member) then fail("unknown member '%s' of a method", member) end
  end
  local method = properties.method.enum[1]
  local params = within(method, params_reference, properties.params)
  return {
    name = method, lua_name = kind == "CX_METHOD_REQUEST" and method_name(method) or method, kind = kind,
    has_params = params ~= nil,
    params = params and within(method, compile_message, params) or ANY,
    result = answered and within(method, result_node, method, params) or ANY,
  }
end

-- All methods, by kind and name.
local function compile_methods()
  local methods, known = {}, {}
  for _, list in ipairs(METHOD_LISTS) do
    local of_kind = {}
    for i, entry in ipairs(definitions[list[1]].oneOf) do
      of_kind[i] = within(list[1], compile_method, entry, list[2], list[3])
    end
    table.sort(of_kind, function(a, b) return a.name < b.name end)
    for _, method in ipairs(of_kind) do
      methods[#methods + 1] = method
      known[method.name] = true
    end
  end
  return methods, known
end

-- No two methods may be called the same in Lua.
local function check_method_names(methods)
  local by_name = {}
  for _, method in ipairs(methods) do
    if method.kind == "CX_METHOD_REQUEST" then
      local other = by_name[method.lua_name]
      if other then fail("'%s' and '%s' are both called '%s'", other, method.name, method.lua_name) end
      by_name[method.lua_name] = method.name
    end
  end
end

-- What we say about the schema by hand must still be true.
local function check_exceptions(known)
  for _, method in ipairs(sorted_keys(RESULT_EXCEPTIONS)) do
    if not known[method] then fail("RESULT_EXCEPTIONS has '%s', the schema has not", method) end
  end
  for _, name in ipairs(sorted_keys(FREE_FORM)) do
    if not free_form_seen[name] then fail("FREE_FORM has '%s', the schema has not", name) end
  end
  for _, list in ipairs { definitions, definitions.v2 } do
    for _, name in ipairs(sorted_keys(list)) do
      if name:find("Response$") and not result_used[name] and not NO_RESULT[name] then
        fail("'%s' is the result of no method", name)
      end
    end
  end
end

-- Numbers -----------------------------------------------------------------------------------------------------------

-- Numbers what the methods reach, in the order in which they reach it. The simple types come first, as in the enum.
local function number_types(methods)
  local types, numbers = {}, {}
  local function visit(n)
    if numbers[n] then return end
    if n == FREE then
      visit(map(ANY))
      numbers[n] = numbers[map(ANY)]
      return
    end
    numbers[n] = #types
    types[#types + 1] = n
    if n.element then visit(n.element) end
    for _, part in ipairs(n.list or n.variants or {}) do visit(part.type) end
    for _, alternative in ipairs(n.alternatives or {}) do visit(alternative) end
  end
  for _, n in ipairs { ANY, NULL, BOOLEAN, INTEGER, NUMBER, STRING } do visit(n) end
  for _, method in ipairs(methods) do
    visit(method.params)
    visit(method.result)
  end
  return types, numbers
end

local function collect_strings(types, methods)
  local set = {}
  for _, method in ipairs(methods) do set[method.name], set[method.lua_name] = true, true end
  for _, n in ipairs(types) do
    for _, field in ipairs(n.list or {}) do set[field.wire], set[field.name] = true, true end
    for _, value in ipairs(n.values or {}) do set[value] = true end -- tags' values are fields' values, too
  end
  local strings, numbers = sorted_keys(set), {}
  for i, s in ipairs(strings) do numbers[s] = i - 1 end
  return strings, numbers
end

-- Where each string lies. String literals of more than 4095 characters aren't portable C, so there are several
-- chunks, and no string crosses into the next.
local function lay_out(strings)
  local chunks, offsets, lengths, used = { {} }, {}, {}, 0
  for i, s in ipairs(strings) do
    if #s > 255 or s:find("[^%g ]") or s:find('["\\?]') then fail("a string that is too long or too strange: %s", s) end
    if used + #s + 1 > CHUNK - 1 then chunks[#chunks + 1], used = {}, 0 end
    if #chunks * CHUNK > 0x10000 then fail("too many strings for 16-bit offsets") end
    offsets[i], lengths[i] = (#chunks - 1) * CHUNK + used, #s
    used = used + #s + 1
    local chunk = chunks[#chunks]
    chunk[#chunk + 1] = s
  end
  return chunks, offsets, lengths
end

-- The same as in schema.c.
local function slot_of(kind, name)
  local length = #name
  local function byte(n) return name:byte(n + 1) end
  local hash = kind + length * 7 + byte(length - 1) * 31 + byte(length // 2) * 131 + byte(length * 3 // 4) * 521
  return hash % SLOTS
end

-- A hash table with open addressing: method number + 1, or 0.
local function fill_slots(methods)
  local slots, kinds = {}, {}
  for i = 1, SLOTS do slots[i] = 0 end
  for i, list in ipairs(METHOD_LISTS) do kinds[list[2]] = i - 1 end
  for i, method in ipairs(methods) do
    local slot = slot_of(kinds[method.kind], method.name)
    while slots[slot + 1] ~= 0 do slot = (slot + 1) % SLOTS end
    slots[slot + 1] = i
  end
  return slots
end

-- Output ------------------------------------------------------------------------------------------------------------

-- The tables' rows, as C text; a type's row says where its fields or values are.
local function make_rows(types, type_numbers, string_numbers)
  local rows = { types = {}, fields = {}, lists = {} }
  local function put(list, format, ...) list[#list + 1] = string.format(format, ...) end

  local function put_fields(n)
    for _, field in ipairs(n.list) do
      put(rows.fields, "{%d, %d, %d, %s, %s}, /* %s */", string_numbers[field.wire], string_numbers[field.name],
        type_numbers[field.type], field.required, field.nullable, field.wire)
    end
    return #n.list
  end

  local function put_list(n)
    for _, value in ipairs(n.values or {}) do put(rows.lists, "%d", string_numbers[value]) end
    for _, variant in ipairs(n.variants or {}) do
      put(rows.lists, "%d", string_numbers[variant.value])
      put(rows.lists, "%d", type_numbers[variant.type])
    end
    for _, alternative in ipairs(n.alternatives or {}) do put(rows.lists, "%d", type_numbers[alternative]) end
    return #(n.values or n.variants or n.alternatives or {})
  end

  for i, n in ipairs(types) do
    local first = n.list and #rows.fields or #rows.lists
    local count = n.list and put_fields(n) or put_list(n)
    put(rows.types, "{CX_TYPE_%s, %s, %s, %d, %d, %d, %d}, /* %d%s */", n.kind, n.open or false, n.single or false,
      count > 0 and first or 0, count, n.element and type_numbers[n.element] or 0, n.tag and string_numbers[n.tag] or 0,
      i - 1, n.label and " " .. n.label or "")
  end
  for _, what in ipairs { "types", "fields", "lists" } do
    if #rows[what] > 0xFFFF then fail("%d %s: too many for 16 bits", #rows[what], what) end
  end
  return rows
end

-- Numbers on lines of sensible length.
local function wrapped(numbers)
  local lines = {}
  for i = 1, #numbers, 16 do
    lines[#lines + 1] = table.concat(numbers, ", ", i, math.min(i + 15, #numbers)) .. ","
  end
  return lines
end

local function write_table(out, declaration, lines)
  out:write("\nconst ", declaration, " = {\n")
  for _, line in ipairs(lines) do out:write("    ", line, "\n") end
  out:write("};\n")
end

local function text_lines(chunks)
  local lines = {}
  for _, chunk in ipairs(chunks) do
    for i, s in ipairs(chunk) do
      lines[#lines + 1] = '"' .. s .. '\\0"' .. (i == #chunk and "," or "")
    end
  end
  return lines
end

local function method_lines(methods, type_numbers, string_numbers)
  local lines = {}
  for i, method in ipairs(methods) do
    lines[i] = string.format("{%d, %d, %s, %s, %d, %d}, /* %s */", string_numbers[method.name],
      string_numbers[method.lua_name], method.kind, method.has_params, type_numbers[method.params],
      type_numbers[method.result], method.name)
  end
  return lines
end

local function write_tables(out, version, methods)
  local types, type_numbers = number_types(methods)
  local strings, string_numbers = collect_strings(types, methods)
  local chunks, offsets, lengths = lay_out(strings)
  local rows = make_rows(types, type_numbers, string_numbers)

  out:write("/* Generated by `make generate` from codex app-server ", version, ". Do not edit. */\n",
    "/* clang-format off */\n#include \"schema_tables.h\"\n\n",
    "const char cx_schema_version[] = \"", version, "\";\n",
    "const uint16_t cx_schema_strings_total = ", #strings, ";\n",
    "const uint16_t cx_schema_types_total = ", #types, ";\n",
    "const uint16_t cx_schema_methods_total = ", #methods, ";\n")
  write_table(out, "char cx_schema_text[][CX_SCHEMA_CHUNK]", text_lines(chunks))
  write_table(out, "uint16_t cx_schema_offsets[]", wrapped(offsets))
  write_table(out, "uint8_t cx_schema_lengths[]", wrapped(lengths))
  write_table(out, "cx_type cx_schema_types[]", rows.types)
  write_table(out, "cx_field cx_schema_fields[]", rows.fields)
  write_table(out, "uint16_t cx_schema_lists[]", wrapped(rows.lists))
  write_table(out, "cx_method cx_schema_methods[]", method_lines(methods, type_numbers, string_numbers))
  write_table(out, "uint16_t cx_schema_slots[CX_SCHEMA_SLOTS]", wrapped(fill_slots(methods)))
  return types, strings
end

local function read_bundle(directory)
  local file, message = io.open(directory .. "/" .. BUNDLE, "rb")
  if not file then fail("%s", message) end
  local text = file:read("a")
  file:close()
  return cjson.decode(text).definitions
end

local function main(directory, version, output)
  if not output then
    io.stderr:write("usage: generate.lua SCHEMA_DIR VERSION OUTPUT.c\n")
    os.exit(2)
  end
  if not version:find("^[%w.+-]+$") then fail("a strange version: %s", version) end
  definitions = read_bundle(directory)
  local methods, known = compile_methods()
  check_method_names(methods)
  check_exceptions(known)
  -- binary: the same bytes everywhere
  local out = assert(io.open(output, "wb"))
  local types, strings = write_tables(out, version, methods)
  assert(out:close())
  print(string.format("%s: %d methods, %d types, %d strings", version, #methods, #types, #strings))
end

main(...)
