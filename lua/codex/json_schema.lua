--- JSON Schema: whether a JSON value fits a schema, and a schema strict mode. This documented subset of draft 2020-12
--- is checked, the same on every Lua:
---
---   any value   type (one or a list; 1.0 is an integer), enum, const
---   numbers     minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf
---   strings     minLength, maxLength (in code points)
---   arrays      items, prefixItems, minItems, maxItems, uniqueItems, contains, minContains, maxContains
---   objects     properties, required, additionalProperties, propertyNames, minProperties, maxProperties,
---               dependentRequired, dependentSchemas
---   schemas     anyOf, oneOf, allOf, not, if, then, else; true and false; $defs, definitions; $ref to a place in the
---               same schema (`#`, `#/$defs/x`: a JSON pointer from the root), with whatever stands beside it
---
--- Not checked: pattern and patternProperties (ECMA's regular expressions), format, dependencies, unevaluatedItems,
--- unevaluatedProperties, $dynamicRef, $recursiveRef. No value fails because of them, not even through `not` or
--- `oneOf`: where the answer hangs on one of them, the value passes.
---
--- Problems of the schema: an argument of a wrong type, a $ref that leads elsewhere or nowhere or in a circle, an $id
--- below the root, a list of schemas in `items` (prefixItems in this draft), a keyword in snake_case. Whatever else a
--- schema holds is annotation.
---
--- Values and schemas are as `codex.json.decode` makes them: null is `codex.null`, an empty array is marked. An empty
--- table without the mark is an object, but in a schema an empty list where only a list can be.

local check = require "codex.json_schema.check"
local form = require "codex.json_schema.form"
local strict = require "codex.json_schema.strict"

return {
  check = check.check,
  problems = form.problems,
  copy = form.copy,
  strict = strict.make,
  strict_problems = strict.problems,
}
