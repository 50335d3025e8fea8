--- Three turns in a client of the state's own, which the model answers with what it was asked.

local number, mode, codex_bin, home = ...

local codex = require "codex"

local function main()
  local client = codex.new { codex_bin = codex_bin, env = { CODEX_HOME = home } }
  local thread = client:thread_start()
  for turn = 1, 3 do
    local words = ("turn %d of state %d"):format(turn, number)
    assert(thread:run(words).final_response == "answer to " .. words)
  end
  client:close()
end

if mode == "threads" then return main() end

local task = codex.spawn(main)

return function()
  codex.step(0.01)
  if task.status ~= "done" and task.status ~= "failed" then return false end
  task:join()
  return true
end
