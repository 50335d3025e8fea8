-- The first script: one thread, one turn.
--
--     codex-lua examples/hello.lua              with your codex account
--     codex-lua --offline examples/hello.lua    with a scripted model: no account, no network
local codex = require "codex"

local client <close> = codex.new()
local thread = client:thread_start { sandbox = "read_only" }
local result = thread:run "Say hello in one sentence."

print(result.final_response)
print(("%d items, %d tokens"):format(#result.items, result.usage.total.total_tokens))
