-- Every kind of failure, how it looks, and what to do about it.
--
--     codex-lua --offline examples/errors.lua
--
-- The scripted model of --offline fails when it is told to ("Fail with …"); a real one would only talk about it.
local codex = require "codex"

-- Failures are raised as tables. `kind` says what happened, `reason` more closely where the server says more, and
-- tostring(err) is a sentence for people. What isn't such a table is a mistake in the script: that is passed on.
local function caught(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then return nil end
  if not codex.is_error(err) then error(err, 0) end
  return err
end

local function show(title, err)
  print(title)
  print("  kind    " .. err.kind)
  if err.reason then print("  reason  " .. err.reason) end
  print("  says    " .. tostring(err))
end

local client <close> = codex.new()

-- ---- before anything is sent ----

-- A wrong name, type or value. Nothing has happened yet: mend the line that the message names.
show("a slip", caught(function()
  client:thread_start { sandbx = "read_only" }
end))

-- ---- the server ----

-- There is no such program: `npm install -g @openai/codex`, or say where it is with codex_bin.
show("no server", caught(codex.new, { codex_bin = "/nowhere/codex" }))

-- The server went, here right at its start. Its last words are in stderr_tail. From then on every call fails so, and a
-- new client is the way on: threads are on disk, where thread_resume finds them.
local err = caught(codex.new, { launch_args_override = { "sh", "-c", "echo 'out of paper' >&2; exit 3" } })
show("a server that dies", err)
print("  status  " .. err.exit_status .. ", its last words: " .. err.stderr_tail:gsub("%s+$", ""))

-- The server says no. Go by the reason, where there is one: words change.
local unknown = "00000000-0000-7000-8000-000000000000"
local thread
err = caught(function()
  thread = client:thread_resume(unknown)
end)
show("a thread that isn't there", err)
if err.reason == "no_rollout" then thread = client:thread_start { sandbox = "read_only" } end

-- Too busy to even look at the request (kind server_busy). retry_on_overload waits and tries again, in so many attempts
-- at most, and raises everything else at once. Only requests belong in there: a turn that has begun is never run again.
local models = codex.retry_on_overload(function()
  return client:models()
end, { max_attempts = 5 })
print("not too busy to list its models: " .. type(models.data))

-- ---- turns ----

-- A turn that failed. What it had done until then is in err.result.
local advice = {
  context_window_exceeded = "thread:compact(), or start another thread",
  usage_limit_exceeded = "wait, or buy more",
  server_overloaded = "another model, or later",
  response_too_many_failed_attempts = "later",
}
for _, told in ipairs { "Fail with context_length_exceeded.", "Fail with status 429." } do
  err = caught(thread.run, thread, told)
  show("a turn that fails", err)
  if err.http_status then print("  status  " .. err.http_status) end
  print("  so      " .. (advice[err.reason] or "look at err.result.error"))
  print("  result  " .. err.result.status .. ", items: " .. #err.result.items)
end

-- Who would rather look at the result than catch an error:
local result = thread:run("Fail with cyber_policy.", { raise = false })
print("a turn that fails, as a result: " .. result.status .. ", " .. result.error.codex_error_info)

-- A turn that takes too long is stopped, on the server too.
err = caught(thread.run, thread, "Begin and wait.", { timeout = 1 })
show("a turn without an end", err)
print("  result  " .. err.result.status .. ", items: " .. #err.result.items)

-- A thread runs one turn at a time. The next one waits for its end, unless told otherwise.
local turn = thread:turn "Begin and wait."
show("a second turn", caught(thread.run, thread, "And now?", { when_busy = "error" }))

-- Stopping a turn is no failure: it has a result like any other.
turn:interrupt()
print("a turn that was stopped: " .. turn:run().status)

-- ---- tasks ----

-- A task that is cancelled gets an error where it waits, and may clean up. Its turn is stopped. Who joins it gets that
-- error as well.
local task = codex.spawn(function()
  return thread:run "Begin and wait."
end)
codex.sleep(0.1)
task:cancel()
show("a task that was cancelled", caught(task.join, task))

-- ---- afterwards ----

client:close()
show("a client that was closed", caught(thread.run, thread, "Are you there?"))

-- Three kinds are left, which mean that something is wrong for good: `protocol` (the server sent what it may not),
-- `overflow` (a limit of the README was passed), `deadlock` (nothing is left that could wake who waits).
