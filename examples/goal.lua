-- A goal: the agent works towards an objective over as many turns as it takes, and all of them are one turn here.
--
--     codex-lua --offline examples/goal.lua
--     codex-lua examples/goal.lua "Make the tests of this folder pass."
local codex = require "codex"

local objective = #arg > 0 and table.concat(arg, " ") or "Write down in NOTES.md what the files of this folder are for."

-- Goals are a feature of the server that a configuration may have switched off.
local client <close> = codex.new { config_overrides = { ["features.goals"] = true } }
local thread = client:thread_start { sandbox = "workspace_write" }

-- An agent that never gets there would go on for ever: so there is an end to the tokens and to the time.
local goal = thread:goal(objective, { token_budget = 200000, timeout = 3600 })
print("goal: " .. goal.goal.objective)

local used = 0
for event in goal:stream { "item/completed", "thread/goal/updated" } do
  local item, now = event.params.item, event.params.goal
  if item and item.type == "agentMessage" then
    print(item.text)
  elseif now and now.tokens_used > used then
    used = now.tokens_used
    print(("[%s, %d tokens]"):format(now.status, used))
  end
end

-- Complete, or blocked, or out of tokens: the goal says. `thread:goal()` would go on with one that isn't complete.
local result = goal:run { raise = false }
local messages = 0
for _, item in ipairs(result.items) do
  if item.type == "agentMessage" then messages = messages + 1 end
end
print(("%s: %d messages, %d tokens, %.1f s"):format(
  result.goal.status,
  messages,
  result.turn_usage and result.turn_usage.total_tokens or 0,
  (result.duration_ms or 0) / 1000
))
