--- What a turn came to.

local core = require "codex.core"
local errors = require "codex.error"
local lazy = require "codex.lazy"
local reasons = require "codex.reason"

local json_schema = lazy "codex.json_schema"

require "codex.interpreted"()

local M = {}

---@class codex.TurnResult
---@field id string
---@field status "completed"|"interrupted"|"failed"|"inProgress"
---@field error? { message: string, codex_error_info?: any, additional_details?: string }
---@field started_at? integer unix seconds
---@field completed_at? integer unix seconds
---@field duration_ms? integer
---@field final_response? string
---@field items table[] every item of the turn that completed, in order
---@field usage? table `total` (the whole thread's), `last`, `model_context_window`: as the server says
---@field turn_usage? table this turn alone: the members of `total`; nil when the server told of no usage
---@field goal? codex.ThreadGoal of a goal's run: how it stands
---@field parsed? any of a completed turn with `output_schema`: the final response as JSON, free-form. Whether it fits
--- the schema, `parse_error` says: look there first
---@field parse_error? codex.Error of a completed turn with `output_schema`: how the model didn't keep to it. Its
--- `reason` is `no_final_response` or `not_json` (`parsed` is nil then), or `schema_mismatch`

local function as_table(value)
  return type(value) == "table" and value or {}
end

local function amount(breakdown, name)
  local value = as_table(breakdown)[name]
  return type(value) == "number" and value or 0
end

-- What the thread had used when the turn began. Where that wasn't told, the first update came after one model call.
local function usage_before(collected, name)
  local prior, first = collected.prior_usage, as_table(collected.first_usage)
  if type(prior) == "table" then return amount(prior.total, name) end
  return amount(first.total, name) - amount(first.last, name)
end

-- The server tells of the whole thread's usage; the turn's is what it has grown by.
local function turn_usage(collected)
  local last = as_table(collected.last_usage)
  if type(last.total) ~= "table" then return nil end
  local usage = {}
  for name, total in pairs(last.total) do
    if type(total) == "number" then usage[name] = total - usage_before(collected, name) end
  end
  return usage
end

local function parse_error(reason, message)
  return errors.new("protocol", message, { reason = reason })
end

local function not_json(text, message, position)
  local fenced = text:find "^%s*```" and "; it stands in a Markdown code fence (```), which is no part of JSON" or ""
  return parse_error("not_json", ("the final response is not JSON: %s at byte %d%s"):format(message, position, fenced))
end

-- The answer as JSON, and what is wrong with it. JSON that doesn't fit is both: it may be of use all the same.
local function parse(text, schema)
  if not text then return nil, parse_error("no_final_response", "there is no final response to parse") end
  local ok, value, position = core.json_decode(text)
  if not ok then return nil, not_json(text, value, position) end
  local fits, message = json_schema.check(schema, value)
  if fits then return value end
  return value, parse_error("schema_mismatch", "the final response doesn't fit the output schema: " .. message)
end

--- The result of a turn as far as it has come.
---@param turn userdata the core's handle
---@param output_schema? table as it was sent
---@return codex.TurnResult
function M.collect(turn, output_schema)
  local collected = turn:collected()
  local completion = collected.completion or {}
  local result = {
    id = turn:id(),
    status = completion.status or "inProgress",
    error = completion.error,
    started_at = completion.started_at,
    completed_at = completion.completed_at,
    duration_ms = completion.duration_ms,
    final_response = collected.final_response,
    items = collected.items,
    usage = collected.last_usage,
    turn_usage = turn_usage(collected),
  }
  if type(output_schema) == "table" and result.status == "completed" then
    result.parsed, result.parse_error = parse(result.final_response, output_schema)
  end
  return result
end

local function add_up(sum, usage)
  if not usage then return sum end
  sum = sum or {}
  for name, count in pairs(usage) do
    sum[name] = (sum[name] or 0) + count
  end
  return sum
end

--- What several turns came to as one: all their items and the sum of what they used; the last one's status and error,
--- and the final response of the last one that has any.
---@param parts codex.TurnResult[] in order
---@return codex.TurnResult
function M.join(parts)
  local first, last = parts[1], parts[#parts]
  if not first then return { status = "inProgress", items = {} } end
  local whole = {
    id = first.id,
    status = last.status,
    error = last.error,
    started_at = first.started_at,
    completed_at = last.completed_at,
    items = {},
  }
  for _, part in ipairs(parts) do
    for _, item in ipairs(part.items) do
      whole.items[#whole.items + 1] = item
    end
    whole.final_response = part.final_response or whole.final_response
    whole.usage = part.usage or whole.usage
    whole.turn_usage = add_up(whole.turn_usage, part.turn_usage)
    whole.duration_ms = part.duration_ms and (whole.duration_ms or 0) + part.duration_ms or whole.duration_ms
  end
  return whole
end

-- Whether a turn may have failed because of its schema: what the model API said comes through in words only.
local function may_blame_schema(message, http_status)
  return http_status == 400 or http_status == 422 or message:lower():find("schema", 1, true) ~= nil
end

-- What strict mode refuses in a schema, in words and as a list. It comes after the failure only, since other model APIs
-- take what that of OpenAI refuses.
local function schema_hint(schema)
  local problems = json_schema.strict_problems(schema, "output_schema")
  if not problems then return "" end
  local more = #problems > 1 and (" and %d more"):format(#problems - 1) or ""
  local remedy = json_schema.strict(schema) and "; `strict = true` makes it so" or ""
  local hint = " (the output_schema isn't strict, as this model API may demand: %s%s%s)"
  return hint:format(problems[1], more, remedy), problems
end

--- The error object for a turn that ended `failed`.
---@param result codex.TurnResult
---@param output_schema? table as it was sent
---@return codex.Error
function M.failure(result, output_schema)
  local failure = as_table(result.error)
  local reason, http_status = reasons.of_info(failure.codex_error_info)
  local message = type(failure.message) == "string" and failure.message
  local hint, problems = "", nil
  if message and type(output_schema) == "table" and may_blame_schema(message, http_status) then
    hint, problems = schema_hint(output_schema)
  end
  return errors.new("turn_failed", (message or "the turn failed, and the server gave no reason") .. hint, {
    result = result,
    reason = reason,
    http_status = http_status,
    schema_problems = problems,
  })
end

return M
