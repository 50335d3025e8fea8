--- A whole turn with a fake server, with a question in it.

local _, lua, fake_server, scenario = ...

local codex = require "codex"

local function go()
  local client = codex.new {
    launch_args_override = { lua, fake_server, scenario },
    approval_handler = function()
      codex.sleep(0)
      return "accept"
    end,
  }
  local thread = client:thread_start()
  local turn = thread:turn "go"
  local events, next_event = 0, turn:stream()
  while next_event() do
    events = events + 1
  end
  assert(turn:run().final_response == "accept" and events == 4)
  client:close()
end

return go
