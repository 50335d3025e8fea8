-- What a schema may look like, for all who read one.

local cjson = require "cjson"
local lists = require "generate.lists"
local report = require "generate.report"

local fail = report.fail

local M = {}

-- Definitions which the schema describes, but which are free-form JSON to us: a JSON Schema's own words must not be
-- renamed.
M.FREE_FORM = { McpElicitationSchema = true }

local ANNOTATIONS = {
  ["$schema"] = true, title = true, description = true, default = true, examples = true, format = true,
  minimum = true, maximum = true, minLength = true, maxLength = true, minItems = true, maxItems = true,
  pattern = true, writeOnly = true, readOnly = true, deprecated = true,
}

local KEYWORDS = {
  type = true, properties = true, required = true, additionalProperties = true, items = true, enum = true, const = true,
  oneOf = true, anyOf = true, allOf = true, ["$ref"] = true,
}

function M.is_object(value) return type(value) == "table" end

--- Fails if the schema says more than what the caller looks at.
function M.only(schema, ...)
  for _, keyword in ipairs(lists.sorted_keys(schema)) do
    if not ANNOTATIONS[keyword] and not lists.contains({ ... }, keyword) then
      fail("unknown form of schema: '%s' together with '%s'", keyword, table.concat({ ... }, "', '"))
    end
  end
end

--- Whether a schema says nothing but what somebody here looks at.
function M.is_known(schema)
  for keyword in pairs(schema) do
    if not ANNOTATIONS[keyword] and not KEYWORDS[keyword] then return false end
  end
  return not schema.allOf or #schema.allOf == 1
end

--- `true`, or nothing but annotations.
function M.allows_all(schema)
  if schema == true then return true end
  if not M.is_object(schema) then fail("a schema that is %s", tostring(schema)) end
  for keyword in pairs(schema) do
    if not ANNOTATIONS[keyword] then return false end
  end
  return true
end

-- lua-cjson doesn't tell an empty array from an empty object.
local function empty_default(schema)
  local types = M.is_object(schema.type) and schema.type or { schema.type }
  if lists.contains(types, "array") then return "[]" end
  if lists.contains(types, "object") then return "{}" end
  fail("an empty default, of an array or of an object")
end

--- The default that a schema gives, as JSON text; nil if it gives none.
function M.default(schema)
  if not M.is_object(schema) or schema.default == nil then return nil end
  local default = schema.default
  if M.is_object(default) and next(default) == nil then return empty_default(schema) end
  return cjson.encode(default)
end

--- An object type that says nothing of its members, not even that there may be any.
function M.is_bare(schema)
  return schema.type == "object" and schema.additionalProperties == nil and next(schema.properties or {}) == nil
    and not schema.oneOf and not schema.anyOf
end

return M
