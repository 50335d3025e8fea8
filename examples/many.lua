-- Several threads at once over one connection; the answers come in the order of the questions.
--
--     codex-lua --offline examples/many.lua
local codex = require "codex"

local questions = {
  "Name a prime number.",
  "Name a river in Asia.",
  "Name a colour of the rainbow.",
}

codex.run(function()
  local client <close> = codex.new()

  -- Threads are conversations, and each runs one turn at a time; so everything that goes on at once has its own.
  local asking = {}
  for index, question in ipairs(questions) do
    asking[index] = function()
      local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
      return thread:run(question).final_response
    end
  end

  for index, answer in ipairs(codex.gather(asking)) do
    print(("%d. %s\n   %s"):format(index, questions[index], answer))
  end
end)
