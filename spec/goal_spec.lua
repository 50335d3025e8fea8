--- Goals, through the real server: one turn over all that it runs for an objective.
local chains = require "codex.chain"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

-- A model that answers with the body of a function; `reach(status)` calls the tool that ends a goal.
local function script(body)
  return ([[
    local function reach(status)
      return { calls = { { name = "update_goal", arguments = { status = status or "complete" } } } }
    end
    return function(request, context) %s end
  ]]):format(body)
end

local TWO_TURNS = script [[
  if context.goal_turns == 0 then return "hello" end
  if context.n == 1 then return "a start" end
  if #context.outputs > 0 then return { text = "all done", phase = "final_answer" } end
  return reach()
]]

-- The first turn waits until it is steered; what comes then is said by the body.
local function held(body)
  return script('if context.goal_turns == 1 then return { text = "thinking", hold = true } end ' .. (body or [[
    if context.input_text == "hi" then return "hello" end
    if context.input_text == "go on" then return "going on" end
    if #context.outputs > 0 then return "done" end
    return reach()
  ]]))
end

local function new_client(model, extra)
  local options = { script = model, features = { goals = true } }
  for name, value in pairs(extra or {}) do
    options[name] = value
  end
  return kit.client(options)
end

local function failure_of(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

local function texts_of(items)
  local list = {}
  for index, item in ipairs(items) do
    list[index] = item.text or item.type
  end
  return table.concat(list, ", ")
end

local function await(condition)
  while not condition() do
    codex.sleep(0.005)
  end
end

describe("a goal", function()
  local idle, settle = chains.IDLE_SECONDS, chains.SETTLE_SECONDS
  after_each(function()
    chains.IDLE_SECONDS, chains.SETTLE_SECONDS = idle, settle
    kit.cleanup()
  end)

  it("is one turn: one id, all items, what all of it used", function()
    local client = new_client(TWO_TURNS)
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    assert.equal("inProgress", goal.status)
    assert.equal("make tea", goal.goal.objective)
    assert.equal(thread.id, goal.thread_id)
    local result = goal:run()
    assert.equal(goal.id, result.id)
    assert.equal("completed", result.status)
    assert.equal("completed", goal.status)
    assert.equal("complete", result.goal.status)
    assert.equal("a start, all done", texts_of(result.items))
    assert.equal("all done", result.final_response)
    assert.equal(360, result.turn_usage.total_tokens)
    assert.equal(360, result.usage.total.total_tokens)
    assert.equal(120, result.usage.last.total_tokens)
    assert.equal("number", type(result.duration_ms))
    assert.truthy(result.completed_at >= result.started_at)
    assert.equal(result, goal:run())
    assert.equal("hello", thread:run("hi").final_response)
    client:close()
  end)

  it("is streamed without the seams", function()
    local client = new_client(TWO_TURNS)
    local goal = client:thread_start():goal "make tea"
    local counts, seen, statuses = {}, {}, {}
    for event in goal:stream() do
      local id = event.params.turn_id or event.params.turn and event.params.turn.id
      assert.equal(goal.id, id or goal.id)
      counts[event.method] = (counts[event.method] or 0) + 1
      seen[#seen + 1] = event
      if event.method == "thread/goal/updated" then statuses[#statuses + 1] = event.params.goal.status end
    end
    assert.equal("turn/started", seen[1].method)
    assert.equal("turn/completed", seen[#seen].method)
    assert.equal("completed", seen[#seen].params.turn.status)
    assert.equal(1, counts["turn/started"])
    assert.equal(1, counts["turn/completed"])
    assert.equal(2, counts["item/completed"])
    assert.equal("complete", statuses[#statuses])
    assert.equal("active", statuses[1])
    assert.equal("all done", goal:run().final_response)
    client:close()
  end)

  it("is streamed by method, and as text", function()
    local client = new_client(script [[
      if context.n == 1 then return { text = "one ", no_deltas = true } end
      if #context.outputs > 0 then return { deltas = { "thr", "ee" } , text = "three!" } end
      if context.n == 2 then return "two " end
      return reach()
    ]])
    local goal = client:thread_start():goal "count"
    local methods = {}
    local events = goal:stream { "item/completed", "turn/completed" }
    local text = {}
    for piece, item_id in goal:text() do
      assert.equal("string", type(item_id))
      text[#text + 1] = piece
    end
    for event in events do
      methods[#methods + 1] = event.method
    end
    assert.equal("item/completed item/completed item/completed turn/completed", table.concat(methods, " "))
    assert.equal("three!", goal:run().final_response)
    -- that stream was the second, and may have come late for the beginning
    assert.truthy(("one two three!"):find(table.concat(text), 1, true))
    assert.truthy(table.concat(text):find "three!$")
    client:close()
  end)

  it("streams its text from the start", function()
    local client = new_client(TWO_TURNS)
    local text = {}
    for piece in client:thread_start():goal("make tea"):text() do
      text[#text + 1] = piece
    end
    assert.equal("a startall done", table.concat(text))
    client:close()
  end)

  it("streams its completion only once it was run", function()
    local client = new_client(TWO_TURNS)
    local goal = client:thread_start():goal "make tea"
    goal:run()
    local methods = {}
    for event in goal:stream() do
      methods[#methods + 1] = event.method
      assert.equal(goal.id, event.params.turn.id)
    end
    assert.same({ "turn/completed" }, methods)
    assert.is_nil(goal:stream { "item/completed" }())
    client:close()
  end)

  it("isn't stopped by a stream that is left early", function()
    local client = new_client(TWO_TURNS)
    local goal = client:thread_start():goal "make tea"
    local next_event, _, _, stream = goal:stream()
    assert.equal("turn/started", next_event().method)
    stream:__close()
    assert.equal("all done", goal:run().final_response)
    client:close()
  end)

  it("streams what comes, as it comes", function()
    local client = new_client(held())
    local goal = client:thread_start():goal("make tea", { timeout = 30 })
    local first, second = goal:text(), goal:text()
    assert.equal("thinking", first())
    goal:interrupt()
    assert.is_nil(first())
    while second() do -- luacheck: ignore 542
    end
    client:close()
  end)

  it("streams nothing of what comes after it", function()
    local client = new_client(TWO_TURNS)
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    local late = goal:stream()
    await(function()
      return goal.status == "completed"
    end)
    local unread = thread:goal "make coffee"
    unread:interrupt()
    thread:goal("make cocoa"):run()
    for _, stream in ipairs { late, (unread:stream()) } do
      for event in stream do
        local now = event.params.goal
        assert.not_equal("make cocoa", now and now.objective)
        assert.truthy(stream ~= late or not now or now.objective == "make tea")
      end
    end
    client:close()
  end)

  it("stays complete when it is paused or interrupted in its last turn", function()
    local client = new_client(script [[
      return #context.outputs > 0 and { text = "done", hold = true } or reach()
    ]])
    local goal = client:thread_start():goal "make tea"
    await(function()
      return goal.goal.status == "complete"
    end)
    goal:pause()
    assert.equal("complete", goal:get().status)
    goal:interrupt()
    local result = goal:run()
    assert.equal("complete", result.goal.status)
    assert.equal("interrupted", result.status)
    assert.equal("complete", goal:get().status)
    client:close()
  end)

  it("ends blocked, and goes on when told to", function()
    local client = new_client(script [[
      if #context.outputs > 0 then return "that's it" end
      return reach(context.n == 1 and "blocked" or "complete")
    ]])
    local thread = client:thread_start()
    local goal = thread:goal "fly"
    local result = goal:run()
    assert.equal("blocked", result.goal.status)
    assert.equal("completed", result.status)
    assert.equal("no_active_turn", failure_of(goal.resume, goal).reason)
    assert.equal("no_active_turn", failure_of(goal.steer, goal, "x").reason)
    goal:pause()
    assert.equal("blocked", goal:get().status)
    local more = thread:goal()
    assert.not_equal(goal.id, more.id)
    assert.equal("fly", more.goal.objective)
    assert.equal("complete", more:run().goal.status)
    client:close()
  end)

  it("ends with its token budget, and goes on with a larger one", function()
    local client = new_client(script [[ return "more" ]])
    local thread = client:thread_start()
    local result = thread:goal("count", { token_budget = 200 }):run()
    assert.equal("budgetLimited", result.goal.status)
    assert.equal("more, more", texts_of(result.items))
    local err = failure_of(thread.goal, thread)
    assert.equal("goal_not_started", err.reason)
    assert.truthy(err.message:find("token_budget", 1, true))
    result = thread:goal(nil, { token_budget = 300 }):run()
    assert.equal("more", texts_of(result.items))
    assert.equal(360, result.goal.tokens_used)
    assert.equal(120, result.turn_usage.total_tokens)
    -- a new one starts afresh
    assert.equal(120, thread:goal("again", { token_budget = 100 }):run().goal.tokens_used)
    client:close()
  end)

  it("raises what made its last turn fail, and keeps what there was", function()
    local client = new_client(script [[
      if context.n == 1 then return "a start" end
      return { error = { code = context.n == 2 and "server_error" or "insufficient_quota", message = "boom" } }
    ]])
    local thread = client:thread_start()
    local goal = thread:goal "try"
    local err = failure_of(goal.run, goal)
    assert.equal("turn_failed", err.kind)
    assert.truthy(err.message:find "boom")
    assert.equal("a start", texts_of(err.result.items))
    assert.equal("a start", err.result.final_response)
    assert.equal("failed", err.result.status)
    assert.equal("blocked", err.result.goal.status)
    local limited = thread:goal()
    local last
    for event in limited:stream() do
      last = event
    end
    assert.equal("failed", last.params.turn.status)
    local result = limited:run { raise = false }
    assert.equal("usageLimited", result.goal.status)
    assert.equal("usageLimitExceeded", result.error.codex_error_info)
    client:close()
  end)

  it("is refused with the server's reason, and the thread stays usable", function()
    local client = new_client "return { default = 'hello' }"
    local ephemeral, thread = client:thread_start { ephemeral = true }, client:thread_start()
    local refused = {
      { ephemeral, "x", "ephemeral_thread", "ephemeral" },
      { thread, "  ", "goal_empty", "must not be empty" },
      { thread, ("é"):rep(4001), "goal_too_long", "4000 characters" },
    }
    for _, case in ipairs(refused) do
      local err = failure_of(case[1].goal, case[1], case[2])
      assert.equal("invalid_request", err.kind)
      assert.equal(case[3], err.reason)
      assert.truthy(tostring(err):find(case[4], 1, true))
      assert.equal("thread/goal", err.method:sub(1, 11))
      assert.equal("hello", case[1]:run("hi").final_response)
    end
    assert.equal("no_goal", failure_of(thread.goal, thread).reason)
    assert.equal("invalid_request", failure_of(thread.goal, thread, "x", { token_budget = 0 }).kind)
    assert.equal("hello", thread:run("hi").final_response)
    client:close()
  end)

  it("says how to enable goals where they aren't", function()
    local client = kit.client { script = "return { default = 'hello' }", features = { goals = false } }
    local thread = client:thread_start()
    local err = failure_of(thread.goal, thread, "x")
    assert.equal("goals_disabled", err.reason)
    assert.truthy(tostring(err):find("features.goals", 1, true))
    assert.equal("hello", thread:run("hi").final_response)
    client:close()
  end)

  it("isn't lost to one that is refused", function()
    local client = new_client(script [[ return context.step == 1 and reach "blocked" or "stuck" ]])
    local thread = client:thread_start()
    local goal = thread:goal "fly"
    goal:run()
    failure_of(thread.goal, thread, " ")
    failure_of(thread.goal, thread, ("x"):rep(4001))
    assert.equal("fly", goal:get().objective)
    assert.is_true(goal:clear())
    assert.is_nil(goal:get())
    assert.is_false(goal:clear())
    client:close()
  end)

  it("takes no wrong arguments", function()
    local client = new_client()
    local thread = client:thread_start()
    local cases = {
      { { 1 }, nil, "expected the objective as a string, got table" },
      { "x", { budget = 1 }, "goal: unknown option 'budget'" },
      { "x", { token_budget = "1" }, "goal.token_budget: expected a number" },
      { "x", { token_budget = 1.5 }, "goal.token_budget" },
      { "x", { when_busy = "steer" }, "goal.when_busy: got 'steer', expected one of queue, error" },
      { "x", { timeout = -1 }, "goal.timeout: must not be negative" },
      { "\255", nil, "goal.objective" },
    }
    for _, case in ipairs(cases) do
      local err = failure_of(thread.goal, thread, case[1], case[2])
      assert.equal("invalid_argument", err.kind)
      assert.truthy(err.message:find(case[3], 1, true), err.message)
      assert.truthy(err.message:find("goal_spec.lua", 1, true))
    end
    client:close()
  end)

  it("is paused after the turn that runs, and goes on when resumed", function()
    local client = new_client(held())
    codex.run(function()
      local thread = client:thread_start()
      local goal = thread:goal "make tea"
      local methods = {}
      local streaming = codex.spawn(function()
        luas.each(goal:stream { "turn/started", "turn/completed", "item/completed" }, function(event)
          methods[#methods + 1] = event.method
        end)
      end)
      local running = codex.spawn(goal.run, goal)
      goal:pause()
      assert.same({ turn_id = goal.id }, goal:steer "go on")
      -- only now that it is paused and at rest does another turn get its place
      local between = thread:run "hi"
      assert.equal("hello", between.final_response)
      assert.equal("inProgress", goal.status)
      assert.equal("paused", goal:get().status)
      assert.equal("no_active_turn", failure_of(goal.steer, goal, "x").reason)
      goal:resume()
      local result = running:join()
      streaming:join()
      assert.equal("complete", result.goal.status)
      assert.equal("going on, done", texts_of({ result.items[2], result.items[3] }))
      assert.equal(3, #result.items)
      assert.equal("turn/started item/completed item/completed item/completed turn/completed",
        table.concat(methods, " "))
      assert.not_equal(goal.id, between.id)
    end)
    client:close()
  end)

  it("goes on as if nothing had been when it is resumed in the same turn", function()
    local client = new_client(held())
    local goal = client:thread_start():goal "make tea"
    goal:pause()
    goal:resume()
    goal:steer "go on"
    assert.equal("complete", goal:run().goal.status)
    client:close()
  end)

  it("waits for a pause to end, which nobody may be left to do", function()
    local client = new_client(held())
    local goal = client:thread_start():goal "make tea"
    goal:pause()
    goal:steer "go on"
    assert.equal("deadlock", failure_of(goal.run, goal).kind)
    goal:interrupt()
    local result = goal:run()
    assert.equal("completed", result.status)
    assert.equal("paused", result.goal.status)
    client:close()
  end)

  it("ends when it is cleared", function()
    local client = new_client(held())
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    assert.is_true(goal:clear())
    goal:steer "go on"
    local result = goal:run()
    assert.equal("completed", result.status)
    assert.is_nil(result.goal)
    assert.is_nil(goal.goal)
    assert.equal("going on", result.final_response)
    client:close()
  end)

  it("ends when it is cleared while it is paused", function()
    local client = new_client(held())
    local goal = client:thread_start():goal "make tea"
    goal:pause()
    goal:steer "go on"
    failure_of(goal.run, goal)
    goal:clear()
    assert.equal("completed", goal:run().status)
    client:close()
  end)

  it("is paused by an interrupt, from its first moment on", function()
    local client = new_client(held())
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    goal:interrupt()
    local result = goal:run()
    assert.equal("interrupted", result.status)
    assert.equal("paused", result.goal.status)
    goal:interrupt()
    assert.equal("paused", goal:get().status)
    assert.equal("hello", thread:run("hi").final_response)
    client:close()
  end)

  it("is paused when a turn of it is interrupted by someone else", function()
    local client, home = new_client(held())
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    await(function()
      return #home:log() > 0
    end)
    client:request("turn/interrupt", { thread_id = thread.id, turn_id = goal.id })
    local result = goal:run()
    assert.equal("interrupted", result.status)
    assert.equal("paused", result.goal.status)
    -- or the server would go on with it after this
    assert.equal("hello", thread:run("hi").final_response)
    assert.equal("paused", goal:get().status)
    assert.equal("done", thread:goal():run().final_response)
    client:close()
  end)

  it("is steered in whichever turn runs", function()
    local client, home = new_client(script [[
      if #context.outputs > 0 then return "done" end
      if context.input_text == "enough" then return reach() end
      if context.n == 2 then return { text = "thinking", hold = true } end
      return "turn " .. context.n
    ]])
    local goal = client:thread_start():goal "make tea"
    await(function()
      return #home:log() == 2
    end)
    assert.same({ turn_id = goal.id }, goal:steer "enough")
    local result = goal:run()
    assert.equal("turn 1, userMessage, done", texts_of(result.items))
    client:close()
  end)

  it("is given up after its time, and paused", function()
    local client = new_client(held())
    local thread = client:thread_start()
    local err = failure_of(function()
      thread:goal("make tea", { timeout = 2 }):run()
    end)
    assert.equal("timeout", err.kind)
    assert.equal("interrupted", err.result.status)
    assert.equal("paused", err.result.goal.status)
    assert.equal("hello", thread:run("hi").final_response)
    assert.equal("paused", client:request("thread/goal/get", { thread_id = thread.id }).goal.status)
    client:close()
  end)

  it("is paused when the task that runs it is cancelled", function()
    local client = new_client(held())
    codex.run(function()
      local thread = client:thread_start()
      local goal
      local running = codex.spawn(function()
        goal = thread:goal "make tea"
        goal:run()
      end)
      await(function() return goal end)
      running:cancel()
      local err = failure_of(running.join, running)
      assert.equal("cancelled", err.kind)
      assert.equal("interrupted", err.result.status)
      assert.equal("paused", goal:get().status)
      assert.equal("hello", thread:run("hi").final_response)
    end)
    client:close()
  end)

  it("isn't pursued when the task that starts it is cancelled", function()
    local client = new_client(held())
    codex.run(function()
      local thread = client:thread_start()
      local asked = 0
      client:on("thread/goal/updated", function() asked = asked + 1 end)
      local starting = codex.spawn(thread.goal, thread, "make tea")
      await(function() return asked > 0 end)
      starting:cancel()
      assert.equal("cancelled", failure_of(starting.join, starting).kind)
      local now = client:request("thread/goal/get", { thread_id = thread.id })
      assert.equal("paused", now.goal.status)
      thread:run "hi"
    end)
    client:close()
  end)
end)
