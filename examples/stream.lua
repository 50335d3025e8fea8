-- Text as it comes, and then what the turn came to. The question may be given as arguments.
--
--     codex-lua --offline examples/stream.lua
--     codex-lua examples/stream.lua "Why is the sky blue?"
local codex = require "codex"

local question = #arg > 0 and table.concat(arg, " ") or "Say hello, and tell in two sentences what you can do."

local client <close> = codex.new()
local thread = client:thread_start { sandbox = "read_only" }
local turn = thread:turn(question)

for text in turn:text() do
  io.write(text)
  io.flush()
end

local result = turn:run()
print(("\n[%s, %d tokens]"):format(result.status, result.usage.total.total_tokens))
