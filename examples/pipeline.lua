-- A planner hands out jobs, workers do them at the same time, and a writer puts the results together.
--
--     codex-lua --offline examples/pipeline.lua
--     codex-lua examples/pipeline.lua README.md LICENSE
local codex = require "codex"

local WORKERS = 2
local files = #arg > 0 and arg or { "a.lua", "b.lua", "c.lua", "d.lua" }

-- When a task of a scope fails, the others are cancelled, and the error is raised.
codex.scope(function(scope)
  local client <close> = codex.new()
  local jobs, results = codex.channel(), codex.channel()

  -- The planner waits until a worker is free, since the channel has no room of its own.
  scope:spawn(function()
    for number, file in ipairs(files) do
      jobs:send { number = number, prompt = ("Say in one sentence what %s is for."):format(file) }
    end
    jobs:close()
  end)

  -- Each worker has a thread of its own. They share the jobs; when all are done, there are no more results.
  scope:spawn(function()
    codex.scope(function(workers)
      for _ = 1, WORKERS do
        workers:spawn(function()
          local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
          for job in jobs do
            results:send { number = job.number, text = thread:run(job.prompt).final_response }
          end
        end)
      end
    end)
    results:close()
  end)

  local texts = {}
  for result in results do
    texts[result.number] = result.text
  end
  for number, file in ipairs(files) do
    print(file .. ": " .. texts[number])
  end
end)
