--- What a turn came to.

local core = require "codex.core"
local errors = require "codex.error"
local reasons = require "codex.reason"

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
---@field parsed? any with `output_schema`: the final response as JSON
---@field parse_error? codex.Error with `output_schema`: why it isn't JSON

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

local function parse(result)
  if not result.final_response then
    result.parse_error = errors.new("protocol", "there is no final response to parse")
    return
  end
  local ok, value, position = core.json_decode(result.final_response)
  if ok then
    result.parsed = value
  else
    result.parse_error =
      errors.new("protocol", ("the final response is not JSON: %s at byte %d"):format(value, position))
  end
end

--- The result of a turn as far as it has come.
---@param turn userdata the core's handle
---@param wants_json boolean whether an output schema was given
---@return codex.TurnResult
function M.collect(turn, wants_json)
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
  if wants_json and result.status == "completed" then parse(result) end
  return result
end

--- The error object for a turn that ended `failed`.
---@param result codex.TurnResult
---@return codex.Error
function M.failure(result)
  local failure = as_table(result.error)
  local reason, http_status = reasons.of_info(failure.codex_error_info)
  local message = type(failure.message) == "string" and failure.message
  return errors.new("turn_failed", message or "the turn failed, and the server gave no reason", {
    result = result,
    reason = reason,
    http_status = http_status,
  })
end

return M
