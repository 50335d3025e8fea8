-- The whole module, section by section, as a script to read and to run:
--
--     codex-lua --offline examples/walkthrough.lua             all sections
--     codex-lua --offline examples/walkthrough.lua goals api   some of them
local codex = require "codex"

local sections, order = {}, {}

local function section(name, fn)
  sections[name], order[#order + 1] = fn, name
end

-- One client is one `codex app-server`. `<close>` ends it with the block; your config.toml counts, with what is said
-- here over it.
local client <close> = codex.new { config_overrides = { ["features.goals"] = true } }

section("client", function()
  local info = client.metadata.server_info
  print(("server %s on %s; this module's tables: %s"):format(info.version, client.metadata.platform_os,
    codex.schema_version))
  local models = client:models().data
  print(#models .. " models on offer" .. (models[1] and ", such as " .. models[1].id or ""))
end)

-- A thread is one conversation, and `run` is one turn of it: it waits, and returns what the turn came to.
section("run", function()
  local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
  local result = thread:run "Say hello."
  print(result.final_response)
  print(("%s after %d ms, %d items, %d tokens"):format(result.status, result.duration_ms, #result.items,
    result.turn_usage.total_tokens))
end)

-- `turn` returns when the turn has started. Its events are kept for a first stream, so nothing is missed; `run` gives
-- the result besides, as often as you like.
section("stream", function()
  local turn = client:thread_start():turn "Say hello, word by word."
  local count = {}
  for event in turn:stream() do
    count[event.method] = (count[event.method] or 0) + 1
  end
  print(("%d deltas, %d completed items, then: %s"):format(count["item/agentMessage/delta"] or 0,
    count["item/completed"] or 0, turn:run().status))
end)

-- Only the agent's words.
section("text", function()
  for delta in client:thread_start():turn("Say hello."):text() do
    io.write(delta)
  end
  print()
end)

-- Images, audio, skills and mentions go beside text.
section("input", function()
  local picture = os.tmpname()
  local thread = client:thread_start()
  local ok, err = pcall(thread.run, thread, { "What is this?", codex.local_image(picture .. ".png") })
  print(ok, err.kind) -- a file that isn't there is noticed before anything is sent
  os.remove(picture)
  print(thread:run({ codex.text "Look at", codex.mention("README", "README.md") }).status)
end)

-- A JSON Schema says what the answer must look like; `parsed` is the answer as a table, and `parse_error` says where
-- the model didn't keep to it (a scripted one doesn't).
section("structured", function()
  local schema = { type = "object", properties = { answer = { type = "integer" } }, required = { "answer" } }
  local result = client:thread_start():run("What is 6 times 7?", { output_schema = schema, strict = true })
  print(result.parsed and result.parsed.answer or result.parse_error)
end)

-- Tasks are coroutines: what waits in one lets the others go on. Turns of different threads run at once.
section("tasks", function()
  local function ask(question)
    return function()
      return client:thread_start():run(question).final_response
    end
  end
  local answers = codex.gather({ ask "one?", ask "two?", ask "three?" }, { limit = 2 })
  print(#answers .. " answers, in the order of the questions")

  local background = codex.spawn(function()
    codex.sleep(0.01)
    return "done meanwhile"
  end)
  print(background:join())
end)

-- A running turn can be added to, and stopped; a thread that is busy lets the next turn wait, or says so.
section("control", function()
  local thread = client:thread_start()
  local turn = thread:turn "Count to a million."
  local ok, err = pcall(thread.run, thread, "And now?", { when_busy = "error" })
  print(ok and "it was quick" or err.kind)
  ok, err = pcall(turn.steer, turn, "To ten will do.")
  print(ok and "steered" or err.reason)
  turn:interrupt() -- no error either if it is over by now
  print("it ended " .. turn:run().status)
end)

-- A limit for a turn stops it on the server; what there was by then is in the error.
section("limits", function()
  local thread = client:thread_start()
  local ok, err = pcall(thread.run, thread, "Take your time.", { timeout = 0 })
  print(ok, err.kind)
  ok, err = pcall(codex.timeout, 0.001, codex.sleep, 60)
  print(ok, err.kind)
end)

-- Every failure is an error object with a kind, and a reason where the kind isn't enough. See errors.lua.
section("errors", function()
  local ok, err = pcall(client.thread_start, client, { sandbx = "read_only" })
  print(ok, err.kind, err.message:match "unknown option.*")
  ok, err = pcall(client.thread_resume, client, "01234567-89ab-7def-8123-456789abcdef")
  print(ok, err.kind, err.reason)
  print(#codex.retry_on_overload(function()
    return client:models().data
  end) .. " models, had the server been busy at first")
end)

-- Threads are kept on disk once they have run a turn: list them, read them, go on with them, copy them.
section("threads", function()
  local thread = client:thread_start()
  thread:run "Remember this."
  thread:set_name "A walk"
  print("stored in " .. (thread.path and "a file" or "nothing"))
  local next_thread = client:threads { limit = 1 }
  local latest = next_thread()
  print("the latest: " .. (latest.name or latest.preview))
  for turn in thread:turns() do
    print("turn " .. turn.status)
  end
  local fork = thread:fork()
  print("a fork of it: " .. tostring(fork.forked_from_id == thread.id))
  thread:compact():run()
  print "compacted"
  thread:archive()
  print(client:thread_unarchive(thread.id):run("Still there?").status)
end)

-- A review is a turn as well; its final response is the report.
section("review", function()
  local review = client:thread_start():review { target = { type = "custom", instructions = "Look at the README." } }
  print("review " .. review:run().status)
end)

-- A goal is a turn over all the turns that the server runs for it. See goal.lua.
section("goals", function()
  local goal = client:thread_start():goal("Walk to the end.", { token_budget = 100000 })
  print("goal " .. goal:run().goal.status)
end)

-- Notifications, whichever turn they belong to, go to handlers; each has a task of its own and may wait.
section("notifications", function()
  local ended = 0
  local unsubscribe = client:on("turn/completed", function()
    ended = ended + 1
  end)
  client:thread_start():run "Tell me when you are done."
  codex.sleep(0)
  unsubscribe()
  print(ended .. " turn ended")
  local next_notification = client:notifications()
  print("outside of turns: " .. next_notification().method)
end)

-- Every method of the protocol, checked by the server's own schema.
section("api", function()
  print("the model configured: " .. tostring(client.api.config.read({}).config.model))
  local features = 0
  for _ in client.api.experimental_feature.list.items() do
    features = features + 1
  end
  print("features, over all pages: " .. (features > 0 and "some" or "none"))
  print(pcall(function()
    return client.api.tread
  end))
end)

-- Who is logged in. See login.lua for how to change it.
section("account", function()
  local account = client:account().account
  print(account and account.type or "nobody is logged in")
end)

local wanted = #arg > 0 and { table.unpack(arg) } or order
for _, name in ipairs(wanted) do
  if not sections[name] then error("no section '" .. name .. "': there are " .. table.concat(order, ", "), 0) end
end
for _, name in ipairs(wanted) do
  print("-- " .. name)
  sections[name]()
end
