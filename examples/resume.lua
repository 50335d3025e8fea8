-- A conversation that outlives its client: remember the thread's id, and go on with it later, in another program too.
--
--     codex-lua --offline examples/resume.lua
--     codex-lua examples/resume.lua THREAD_ID     goes on with a thread of yours
local codex = require "codex"

local id = arg[1]

if not id then
  local client <close> = codex.new()
  local thread = client:thread_start { sandbox = "read_only" }
  thread:run "My favourite number is 27. Just say that you have noted it."
  thread:set_name "Favourite numbers"
  id = thread.id -- all that there is to remember; a thread is on disk once it has run a turn
end

-- A thread belongs to one server at a time. The one above has gone with its client.
local client <close> = codex.new()

print "Recent threads:"
local shown = 0
for thread in client:threads { sort_key = "updated_at" } do
  print(("  %s  %s"):format(thread.id, thread.name or thread.preview))
  shown = shown + 1
  if shown == 5 then break end -- further pages are only asked for when they are needed
end

-- The server keeps the model and what was said; a sandbox is better said again.
local thread = client:thread_resume(id, { sandbox = "read_only" })
print("\n" .. thread:run("What is my favourite number?").final_response)

print "\nSo far:"
for turn in thread:turns { items_view = "full", sort_direction = "asc" } do
  for _, item in ipairs(turn.items) do
    if item.type == "userMessage" then
      print("  > " .. (item.content[1].text or item.content[1].type))
    elseif item.type == "agentMessage" then
      print("  " .. item.text)
    end
  end
end

-- A fork goes on from here on its own, and leaves the thread as it is.
local fork = thread:fork { sandbox = "read_only" }
fork:run "Call it 28 from now on."
print(("\n%s was forked from %s"):format(fork.id, fork.forked_from_id))
