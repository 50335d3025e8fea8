--- What is done about a turn of which nothing comes any more: the server is asked whether it is over, as its end may
--- have got lost on the way.

local core = require "codex.core"

local M = {}

-- How long the server may take to tell. One that has stopped altogether never will.
M.ANSWER_SECONDS = 5

-- The server's account of a turn, with its items; or nil, and how the waiting for it ended if it was given up.
local function recorded(turn, deadline)
  local client = turn._client
  local params = { thread_id = turn.thread_id, items_view = "full", sort_direction = "desc", limit = 10 }
  local request = client:_send("thread/turns/list", params, { label = "thread_turns_list" })
  local limit = core.now() + M.ANSWER_SECONDS
  local err, reason = client:_wait_for(request, deadline and math.min(deadline, limit) or limit)
  if err then return nil, reason end
  local result = request:result()
  for _, candidate in ipairs(type(result) == "table" and type(result.data) == "table" and result.data or {}) do
    if candidate.id == turn.id then return candidate end
  end
end

local function tell(turn, method, params)
  params.thread_id = turn.thread_id
  local text = core.encode("notification", method, "params", params)
  if text then turn._client._core:tell(('{"method":"%s","params":%s}'):format(method, text)) end
end

--- Looks into a turn that has fallen silent: whether it is over after all. Then it has got its end, and what was
--- missing of its items, as if they had come by themselves.
---@param turn codex.Turn
---@param deadline? number on the core's clock: for the turn
---@return "woken"|"idle"|"cancelled" reason what the wait for the turn ends with: it is over, it isn't, or the task is
--- cancelled
function M.look_into(turn, deadline)
  local account, reason = recorded(turn, deadline)
  if reason == "cancelled" then return reason end
  if turn:_ended() then return "woken" end
  if not account or account.status == "inProgress" then return "idle" end
  local have = {}
  for _, item in ipairs(turn._core:collected().items) do
    have[item.id] = true
  end
  for _, item in ipairs(type(account.items) == "table" and account.items or {}) do
    if not have[item.id] then
      tell(turn, "item/completed", { turn_id = turn.id, item = item, completed_at_ms = 0 })
    end
  end
  tell(turn, "turn/completed", { turn = account })
  return turn:_ended() and "woken" or "idle"
end

return M
