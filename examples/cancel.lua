-- Several turns race for one answer; the first one wins, and the others are stopped.
--
--     codex-lua --offline examples/cancel.lua
local codex = require "codex"

local prompts = { "Begin and wait.", "Say hello.", "Begin and wait." }

codex.run(function()
  local client <close> = codex.new()
  local answers, racing = codex.channel(), {}

  for index, prompt in ipairs(prompts) do
    racing[index] = codex.spawn(function()
      local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
      answers:send { index = index, text = thread:run(prompt).final_response }
    end)
  end

  local first = answers:receive()
  print(("number %d was first: %s"):format(first.index, first.text))

  -- A cancelled task gets an error where it waits; the turn it waited for is interrupted on the server.
  for index, task in ipairs(racing) do
    task:cancel()
    local ok, err = pcall(task.join, task)
    print(("number %d: %s"):format(index, ok and "done" or err.kind))
  end
end)
