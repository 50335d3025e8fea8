-- schema_tables.c: the protocol's names and types as read-only C tables.

local lists = require "generate.lists"
local method_lists = require("generate.methods").LISTS
local node = require "generate.nodes"
local report = require "generate.report"

local fail, sorted_keys = report.fail, lists.sorted_keys

local FREE_MAP = node.map(node.ANY) -- what a free-form object is

local M = {}

-- Shared with schema_tables.h, where the same numbers stand.
local SLOTS = 1024
local CHUNK = 4096

-- Numbers what the methods reach, in the order in which they reach it. The simple types come first, as in the enum.
local function number_types(methods)
  local types, numbers = {}, {}
  local function visit(n)
    if numbers[n] then return end
    if n == node.FREE then
      visit(FREE_MAP)
      numbers[n] = numbers[FREE_MAP]
      return
    end
    numbers[n] = #types
    types[#types + 1] = n
    if n.element then visit(n.element) end
    for _, part in ipairs(n.list or n.variants or {}) do visit(part.type) end
    for _, alternative in ipairs(n.alternatives or {}) do visit(alternative) end
  end
  for _, n in ipairs { node.ANY, node.NULL, node.BOOLEAN, node.INTEGER, node.NUMBER, node.STRING } do visit(n) end
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
    for _, field in ipairs(n.list or {}) do
      set[field.wire], set[field.name] = true, true
      if field.default then set[field.default] = true end
    end
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
    if #s > 255 or s:find("[^%g ]") or s:find("[\\?]") then fail("a string that is too long or too strange: %s", s) end
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
  for i, list in ipairs(method_lists) do kinds[list[2]] = i - 1 end
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
  local rows = { types = {}, fields = {}, defaults = {}, lists = {} }
  local function put(list, format, ...) list[#list + 1] = string.format(format, ...) end

  local function put_fields(n)
    for _, field in ipairs(n.list) do
      put(rows.fields, "{%d, %d, %d, %s, %s}, /* %s */", string_numbers[field.wire], string_numbers[field.name],
        type_numbers[field.type], field.required, field.nullable, field.wire)
      if field.default then
        put(rows.defaults, "{%d, %d}, /* %s */", #rows.fields - 1, string_numbers[field.default], field.wire)
      end
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
      lines[#lines + 1] = '"' .. s:gsub('"', '\\"') .. '\\0"' .. (i == #chunk and "," or "")
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

--- Writes the file; methods have nodes as `params` and `result`. Answers how many types and strings there are.
function M.write(out, version, methods)
  local types, type_numbers = number_types(methods)
  local strings, string_numbers = collect_strings(types, methods)
  local chunks, offsets, lengths = lay_out(strings)
  local rows = make_rows(types, type_numbers, string_numbers)

  out:write("/* Generated by `make generate` from codex app-server ", version, ". Do not edit. */\n",
    "/* clang-format off */\n#include \"schema_tables.h\"\n\n",
    "const char cx_schema_version[] = \"", version, "\";\n",
    "const uint16_t cx_schema_strings_total = ", #strings, ";\n",
    "const uint16_t cx_schema_types_total = ", #types, ";\n",
    "const uint16_t cx_schema_methods_total = ", #methods, ";\n",
    "const uint16_t cx_schema_defaults_total = ", #rows.defaults, ";\n")
  write_table(out, "char cx_schema_text[][CX_SCHEMA_CHUNK]", text_lines(chunks))
  write_table(out, "uint16_t cx_schema_offsets[]", wrapped(offsets))
  write_table(out, "uint8_t cx_schema_lengths[]", wrapped(lengths))
  write_table(out, "cx_type cx_schema_types[]", rows.types)
  write_table(out, "cx_field cx_schema_fields[]", rows.fields)
  write_table(out, "cx_default cx_schema_defaults[]", rows.defaults)
  write_table(out, "uint16_t cx_schema_lists[]", wrapped(rows.lists))
  write_table(out, "cx_method cx_schema_methods[]", method_lines(methods, type_numbers, string_numbers))
  write_table(out, "uint16_t cx_schema_slots[CX_SCHEMA_SLOTS]", wrapped(fill_slots(methods)))
  return #types, #strings
end

return M
