-- Asks you, at the terminal, before anything leaves the sandbox: each command as the shell would get it, each change as
-- a diff. What you decided is in approvals.log afterwards.
--
--     codex-lua examples/approve.lua "Make a file that says hello in my home folder."
local codex = require "codex"

local request = #arg > 0 and table.concat(arg, " ") or "Write down in NOTES.md what the files of this folder are for."

local client <close> = codex.new {
  approval_handler = codex.approve.log(codex.approve.prompt(), "approvals.log"),
  user_input_handler = codex.ask.prompt(), -- the agent may have questions besides
}

-- Whoever has a handler for approvals is asked. In this sandbox that means about every change.
local turn = client:thread_start({ sandbox = "read_only" }):turn(request)

for event in turn:stream { "item/completed" } do
  local item = event.params.item
  if item.type == "commandExecution" then
    print(("%s: %s"):format(item.status, item.command))
  elseif item.type == "fileChange" then
    for _, change in ipairs(item.changes) do
      print(("%s: %s %s"):format(item.status, change.kind.type, change.path))
    end
  elseif item.type == "agentMessage" then
    print(item.text)
  end
end
print("the turn is " .. turn:run().status)
