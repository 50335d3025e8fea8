-- Three ways to put an end to waiting, and what is there by then.
--
--     codex-lua --offline examples/timeout.lua
--
-- The scripted model of --offline begins and never ends when it is told to ("Begin and wait.").
local codex = require "codex"

local client <close> = codex.new()
local thread = client:thread_start { sandbox = "read_only" }

local function report(title, ok, err)
  if ok then return print(title .. ": it came to an end by itself") end
  if not codex.is_error(err, "timeout") then error(err, 0) end
  -- the turn was interrupted on the server; what it had done by then is in the error
  print(("%s: %s; the turn was %s"):format(title, err.message, err.result and err.result.status or "not begun"))
end

-- The whole turn may take so long, waiting for its thread included.
report("timeout", pcall(thread.run, thread, "Begin and wait.", { timeout = 0.5 }))

-- Silence may last so long. A command that runs, or a question to you, is no silence; a model that can't be reached is.
report("idle_timeout", pcall(thread.run, thread, "Begin and wait.", { idle_timeout = 0.5 }))

-- Anything else may take so long: several turns, or a whole program.
report("codex.timeout", pcall(codex.timeout, 0.5, function()
  thread:run "Say hello."
  thread:run "Begin and wait."
end))

-- The thread is ready for its next turn.
print(thread:run("Say hello.").status)
