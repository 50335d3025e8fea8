--- Leaves everything open that can be: a turn that is streamed and waited for in tasks, another that waits in the
--- queue, a question, a timer, a subscription, and a request that is never answered.

local _, codex_bin, home = ...

local codex = require "codex"

local asked = false
local client = codex.new {
  codex_bin = codex_bin,
  env = { CODEX_HOME = home },
  approval_handler = function(request)
    request:when_cancelled(print)
    asked = true
    codex.event():wait()
  end,
}
client:on("*", function() end)
local thread = client:thread_start()
local turn = thread:turn "ask, and wait"

codex.spawn(turn.run, turn)
codex.spawn(thread.run, thread, "later")
codex.spawn(codex.sleep, 3600)
codex.spawn(client.request, client, "command/exec", { command = { "sleep", "3600" } })
codex.spawn(function()
  local next_event = turn:stream()
  while next_event() do end
end)

_G.kept = { client, turn, turn:text() } -- until the state is closed

return function()
  codex.step(0.01)
  return asked
end
