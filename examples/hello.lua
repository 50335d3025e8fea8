-- The first script: one thread, one turn.
local codex = require "codex"

local client <close> = codex.new()
local thread = client:thread_start { sandbox = "read_only" }
local result = thread:run "Say hello in one sentence."

print(result.final_response)
print(("%d items, %d tokens"):format(#result.items, result.usage.total.total_tokens))
