--- Applies a schema to a value.

local reference = require "codex.json_schema.reference"
local values = require "codex.json_schema.values"

require "codex.interpreted"()

local M = {}

local equal, expected, kind_of, located = values.equal, values.expected, values.kind_of, values.located
local quoted, shortened, shown, sorted_keys = values.quoted, values.shortened, values.shown, values.sorted_keys

-- How deep schemas may apply inside each other: JSON nests 512 deep, with a $ref or an alternative here and there.
M.MAX_DEPTH = 1024

local nothing = {}

-- "1 item", "2 items"
local function counted(n, thing)
  return ("%d %s%s"):format(n, thing, n == 1 and "" or "s")
end

local function count_characters(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

local function count_members(object)
  local count = 0
  for _ in next, object do
    count = count + 1
  end
  return count
end

-- A check answers nil, or a failure: what is wrong, and where from the value that it was given.

local apply

---@class codex.json_schema.Failure
---@field path string
---@field reason string
---@field mismatch? boolean the value's type is wrong, so that the schema can't be the one that was meant

local function fail(reason, ...)
  return { path = "", reason = select("#", ...) > 0 and reason:format(...) or reason }
end

local function inside(key, failure)
  return { path = values.step(key) .. failure.path, reason = failure.reason }
end

local function message_of(failure)
  return located(failure.path, failure.reason)
end

-- What is wrong with a schema that was not known to be right, or with a value far too deep: no failure, since the
-- opposite of a failure would be a success.
local function give_up(message)
  error({ gave_up = message }, 0)
end

-- Applies a schema on trial: the failure, if any, and whether a success hangs on what isn't checked.
local function try(schema, value, state)
  local before = state.unsure
  state.unsure = false
  local failure = apply(schema, value, state)
  local unsure = state.unsure
  state.unsure = before
  return failure, unsure
end

local function leave_open(_, _, state)
  state.unsure = true
end

local general, of_kind, of_schemas = {}, { number = {}, string = {}, array = {}, object = {} }, {}

local function define(list, name, check)
  list[#list + 1] = { name = name, check = check }
end

local function has_type(name, kind, value)
  return name == kind or (name == "integer" and kind == "number" and value % 1 == 0)
end

local function types_text(types)
  local words = {}
  for index, name in ipairs(types) do
    words[index] = values.types[name] or name
  end
  return table.concat(words, " or ")
end

define(general, "type", function(types, value, _, _, kind)
  if type(types) == "string" then
    if has_type(types, kind, value) then return end
    types = { types }
  end
  for _, name in ipairs(types) do
    if has_type(name, kind, value) then return end
  end
  local failure = fail(expected(types_text(types), value))
  failure.mismatch = true
  return failure
end)

define(general, "const", function(constant, value)
  if not equal(constant, value) then return fail(expected(shown(constant), value)) end
end)

define(general, "enum", function(choices, value)
  local words = {}
  for index, choice in ipairs(choices) do
    if equal(choice, value) then return end
    if index <= 10 then words[index] = shown(choice) end
  end
  if #choices > 10 then words[11] = "…" end
  return fail(expected("one of " .. table.concat(words, ", "), value))
end)

define(of_kind.number, "minimum", function(limit, value)
  if value < limit then return fail("expected at least %s, got %s", tostring(limit), tostring(value)) end
end)

define(of_kind.number, "maximum", function(limit, value)
  if value > limit then return fail("expected at most %s, got %s", tostring(limit), tostring(value)) end
end)

define(of_kind.number, "exclusiveMinimum", function(limit, value)
  if value <= limit then return fail("expected more than %s, got %s", tostring(limit), tostring(value)) end
end)

define(of_kind.number, "exclusiveMaximum", function(limit, value)
  if value >= limit then return fail("expected less than %s, got %s", tostring(limit), tostring(value)) end
end)

-- Whole numbers exactly; of others, 0.3 is a multiple of 0.1 as everyone sees it.
local function is_multiple(value, divisor)
  if value % 1 == 0 and divisor % 1 == 0 then return math.fmod(value, divisor) == 0 end
  local quotient = value / divisor
  if quotient == math.huge or quotient == -math.huge then return math.fmod(value, divisor) == 0 end
  local nearest = math.floor(quotient + 0.5)
  return math.abs(quotient - nearest) <= 1e-12 * math.max(1, math.abs(quotient))
end

define(of_kind.number, "multipleOf", function(divisor, value)
  if not is_multiple(value, divisor) then
    return fail("expected a multiple of %s, got %s", tostring(divisor), tostring(value))
  end
end)

define(of_kind.string, "minLength", function(limit, value)
  local count = count_characters(value)
  if count < limit then return fail("expected at least %s, got %d", counted(limit, "character"), count) end
end)

define(of_kind.string, "maxLength", function(limit, value)
  local count = #value <= limit and 0 or count_characters(value)
  if count > limit then return fail("expected at most %s, got %d", counted(limit, "character"), count) end
end)

define(of_kind.string, "pattern", leave_open)
define(of_kind.string, "format", leave_open)

define(of_kind.array, "minItems", function(limit, value)
  if #value < limit then return fail("expected at least %s, got %d", counted(limit, "item"), #value) end
end)

define(of_kind.array, "maxItems", function(limit, value)
  if #value > limit then return fail("expected at most %s, got %d", counted(limit, "item"), #value) end
end)

define(of_kind.array, "prefixItems", function(schemas, value, state)
  for index, schema in ipairs(schemas) do
    if value[index] == nil then return end
    local failure = apply(schema, value[index], state)
    if failure then return inside(index, failure) end
  end
end)

define(of_kind.array, "items", function(schema, value, state, whole)
  for index = #(whole.prefixItems or {}) + 1, #value do
    local failure = apply(schema, value[index], state)
    if failure then return inside(index, failure) end
  end
end)

define(of_kind.array, "uniqueItems", function(unique, value)
  if not unique then return end
  local places = {}
  for index, item in ipairs(value) do
    local text = values.canonical(item)
    if places[text] then return fail("items %d and %d are the same", places[text], index) end
    places[text] = index
  end
end)

define(of_kind.array, "contains", function(schema, value, state, whole)
  local least, most, sure, open = whole.minContains or 1, whole.maxContains, 0, 0
  for _, item in ipairs(value) do
    local failure, unsure = try(schema, item, state)
    if not failure then
      if unsure then open = open + 1 else sure = sure + 1 end
    end
  end
  if sure + open < least then
    return fail("expected at least %s that fit `contains`, got %d", counted(least, "item"), sure + open)
  end
  if most and sure > most then
    return fail("expected at most %s that fit `contains`, got %d", counted(most, "item"), sure)
  end
  if open > 0 then state.unsure = true end
end)

define(of_kind.array, "unevaluatedItems", leave_open)

define(of_kind.object, "required", function(names, value)
  for _, name in ipairs(names) do
    if value[name] == nil then return fail("missing property %s", quoted(name)) end
  end
end)

define(of_kind.object, "minProperties", function(limit, value)
  local count = count_members(value)
  if count < limit then return fail("expected at least %s, got %d", counted(limit, "member"), count) end
end)

define(of_kind.object, "maxProperties", function(limit, value)
  local count = count_members(value)
  if count > limit then return fail("expected at most %s, got %d", counted(limit, "member"), count) end
end)

-- Applies what `schema_of` names to each member. A table has no order: of several failures the one whose name sorts
-- first is told.
local function each_member(value, state, schema_of)
  local first, first_failure
  for name, member in next, value do
    local schema = schema_of(name)
    local failure = schema ~= nil and apply(schema, member, state)
    if failure and (not first or tostring(name) < first) then
      first, first_failure = tostring(name), failure
    end
  end
  return first, first_failure
end

define(of_kind.object, "properties", function(properties, value, state)
  local name, failure = each_member(value, state, function(name)
    return properties[name]
  end)
  return failure and inside(name, failure)
end)

define(of_kind.object, "additionalProperties", function(schema, value, state, whole)
  -- which names are additional, only the patterns could say
  if whole.patternProperties then return leave_open(nil, nil, state) end
  local properties = whole.properties or nothing
  local name, failure = each_member(value, state, function(name)
    if properties[name] == nil then return schema end
  end)
  if not failure then return end
  if schema == false then return fail("unexpected property %s", quoted(name)) end
  return inside(name, failure)
end)

define(of_kind.object, "patternProperties", leave_open)
define(of_kind.object, "unevaluatedProperties", leave_open)
define(of_kind.object, "dependencies", leave_open)

define(of_kind.object, "propertyNames", function(schema, value, state)
  for _, name in ipairs(sorted_keys(value)) do
    local failure = apply(schema, name, state)
    if failure then return fail("property name %s: %s", quoted(name), failure.reason) end
  end
end)

define(of_kind.object, "dependentRequired", function(dependents, value)
  for _, name in ipairs(sorted_keys(dependents)) do
    for _, needed in ipairs(value[name] ~= nil and dependents[name] or nothing) do
      if value[needed] == nil then
        return fail("missing property %s, which %s needs", quoted(needed), quoted(name))
      end
    end
  end
end)

define(of_kind.object, "dependentSchemas", function(dependents, value, state)
  for _, name in ipairs(sorted_keys(dependents)) do
    local failure = value[name] ~= nil and apply(dependents[name], value, state)
    if failure then return failure end
  end
end)

local function target_of(ref, state)
  local target = state.targets[ref]
  if target == nil then
    target = reference.resolve(state.root, ref)
    if target == nil then give_up(("the schema's $ref %s leads nowhere"):format(quoted(ref))) end
    state.targets[ref] = target
  end
  return target
end

-- Alternatives that refer to each other would have the same part of a value checked again and again, twice as often
-- on each level; so what became of a table is kept.
define(of_schemas, "$ref", function(ref, value, state)
  local target = target_of(ref, state)
  if type(value) ~= "table" then return apply(target, value, state) end
  local known = state.known[ref]
  if not known then
    known = {}
    state.known[ref] = known
  end
  local outcome = known[value]
  if not outcome then
    local failure, unsure = try(target, value, state)
    outcome = { failure = failure, unsure = unsure }
    known[value] = outcome
  end
  if outcome.unsure then state.unsure = true end
  return outcome.failure
end)

define(of_schemas, "$dynamicRef", leave_open)
define(of_schemas, "$recursiveRef", leave_open)

define(of_schemas, "allOf", function(schemas, value, state)
  for _, schema in ipairs(schemas) do
    local failure = apply(schema, value, state)
    if failure then return failure end
  end
end)

-- Those of another type were hardly meant; if that leaves one, its failure tells the most.
local function none_fits(keyword, failures)
  local meant = {}
  for _, failure in ipairs(failures) do
    if not failure.mismatch then meant[#meant + 1] = failure end
  end
  if #meant == 1 then return meant[1] end
  if #meant == 0 then meant = failures end
  local reasons = {}
  for index = 1, math.min(#meant, 3) do
    reasons[index] = shortened(message_of(meant[index]), 120)
  end
  if #meant > 3 then reasons[4] = "…" end
  local failure = fail("fits no alternative of %s (%s)", keyword, table.concat(reasons, "; "))
  failure.mismatch = meant == failures
  return failure
end

-- How many alternatives fit surely, how many perhaps, and why the others don't. Ends early after `enough` sure ones.
local function count_fits(schemas, value, state, enough)
  local sure, open, failures = 0, 0, {}
  for _, schema in ipairs(schemas) do
    local failure, unsure = try(schema, value, state)
    if failure then
      failures[#failures + 1] = failure
    elseif unsure then
      open = open + 1
    else
      sure = sure + 1
      if sure == enough then break end
    end
  end
  return sure, open, failures
end

define(of_schemas, "anyOf", function(schemas, value, state)
  local sure, open, failures = count_fits(schemas, value, state, 1)
  if sure > 0 then return end
  if open == 0 then return none_fits("anyOf", failures) end
  state.unsure = true
end)

define(of_schemas, "oneOf", function(schemas, value, state)
  local sure, open, failures = count_fits(schemas, value, state, 2)
  if sure > 1 then return fail "fits more than one alternative of oneOf" end
  if sure + open == 0 then return none_fits("oneOf", failures) end
  if open > 0 then state.unsure = true end
end)

define(of_schemas, "not", function(schema, value, state)
  local failure, unsure = try(schema, value, state)
  if failure then return end
  if not unsure then return fail "fits what `not` rules out" end
  state.unsure = true
end)

define(of_schemas, "if", function(condition, value, state, whole)
  local failure, unsure = try(condition, value, state)
  if not failure and unsure then return leave_open(nil, nil, state) end
  local schema
  if failure then schema = whole["else"] else schema = whole["then"] end
  if schema ~= nil then return apply(schema, value, state) end
end)

local function apply_all(list, schema, value, state, kind)
  for index = 1, #list do
    local keyword = list[index]
    local argument = schema[keyword.name]
    if argument ~= nil then
      local failure = keyword.check(argument, value, state, schema, kind)
      if failure then return failure end
    end
  end
end

function apply(schema, value, state)
  if schema == true then return nil end
  if schema == false then return fail "no value is allowed here" end
  local depth = state.depth + 1
  if depth > M.MAX_DEPTH then give_up "the schema goes too deep for this value, or round in a circle" end
  state.depth = depth
  local kind = kind_of(value)
  local failure = apply_all(general, schema, value, state, kind)
    or (of_kind[kind] and apply_all(of_kind[kind], schema, value, state, kind))
    or apply_all(of_schemas, schema, value, state, kind)
  state.depth = depth - 1
  return failure
end

--- Whether a value fits a schema that has no problems.
---@param schema table|boolean
---@param value any
---@param root? table where the schema's $refs start, if it is a part of another one
---@return true? fits
---@return string? message what is wrong, with the path inside the value: `people[2].age: expected an integer, got "x"`
function M.check(schema, value, root)
  local state = { root = root or schema, depth = 0, unsure = false, targets = {}, known = {} }
  local ok, failure = pcall(apply, schema, value, state)
  if ok then
    if failure then return nil, message_of(failure) end
    return true
  end
  if type(failure) ~= "table" or not failure.gave_up then error(failure, 0) end
  return nil, failure.gave_up
end

return M
