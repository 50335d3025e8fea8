-- Codex among the coroutines of cqueues: they call it like anything else, and wait as that loop waits.
--
--     codex-lua --offline examples/cqueues.lua
--     lua5.4 examples/cqueues.lua
local cqueues = require "cqueues"
local codex = require "codex"

local controller = cqueues.new()
codex.use_loop("cqueues", controller)

local questions = { "Name a prime number.", "Name a river in Asia." }
local client <close> = codex.new()
local left, ticks = #questions, 0

for _, question in ipairs(questions) do
  controller:wrap(function()
    local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
    print(thread:run(question).final_response)
    left = left - 1
    if left == 0 then client:close() end -- an open client keeps the controller running
  end)
end

controller:wrap(function()
  while left > 0 do
    cqueues.sleep(0.005)
    ticks = ticks + 1
  end
end)

assert(controller:loop())
print("others went on meanwhile:", ticks > 1)
