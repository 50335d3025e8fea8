--- Goals among other turns of their thread, under servers that die, and what only a fake server does.
local chains = require "codex.chain"
local codex = require "codex"
local kit = require "spec.support.kit"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

-- A model that answers with the body of a function; `reach(status)` calls the tool that ends a goal.
local function script(body)
  return ([[
    local function reach(status)
      return { calls = { { name = "update_goal", arguments = { status = status or "complete" } } } }
    end
    return function(request, context)
      if #context.outputs > 0 then return "done" end
      %s
    end
  ]]):format(body)
end

-- The goal's first turn waits until it is steered, the next one reaches the goal; what else is asked is said back.
local HELD = script [[
  if context.goal_turns == 0 then return context.input_text end
  if context.goal_turns == 1 then return { text = "thinking", hold = true } end
  return reach()
]]

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

local idle, settle = chains.IDLE_SECONDS, chains.SETTLE_SECONDS

local function clean_up()
  chains.IDLE_SECONDS, chains.SETTLE_SECONDS = idle, settle
  kit.cleanup()
end

describe("a goal among other turns", function()
  after_each(clean_up)

  it("keeps its place until it is over", function()
    local client = new_client(HELD)
    codex.run(function()
      local thread = client:thread_start()
      local goal = thread:goal "make tea"
      local order = {}
      local asking = codex.spawn(function()
        local result = thread:run "what's new?"
        order[#order + 1] = result.final_response
      end)
      assert.equal("busy", failure_of(thread.run, thread, "x", { when_busy = "error" }).kind)
      assert.equal("busy", failure_of(thread.goal, thread, "x", { when_busy = "error" }).kind)
      assert.equal("timeout", failure_of(thread.goal, thread, "x", { timeout = 0.01 }).kind)
      goal:steer "go on"
      order[#order + 1] = goal:run().final_response
      asking:join()
      assert.equal("done, what's new?", table.concat(order, ", "))
    end)
    client:close()
  end)

  it("knows the sub-agents of all its turns", function()
    local client = new_client [[
      local n = 0
      return function(request, context)
        if context.input_text:find "^word" then return "a child's " .. context.input_text end
        n = n + 1
        if n == 2 then return "a start" end
        if n > 4 then return "done" end
        return { calls = { n == 4 and { name = "update_goal", arguments = { status = "complete" } }
          or { name = "spawn_agent", namespace = "multi_agent_v1", arguments = { message = "word " .. n } } } }
      end
    ]]
    local goal = client:thread_start():goal "make tea"
    local said = {}
    for child in goal:children() do
      said[#said + 1] = child:run().final_response
    end
    table.sort(said)
    assert.same({ "a child's word 1", "a child's word 3" }, said)
    local result = goal:run()
    assert.equal("done", result.final_response)
    assert.is_nil(texts_of(result.items):find("a child's", 1, true))
    client:close()
  end)

  it("waits for a turn that runs", function()
    local client = new_client(script [[
      if context.input_text == "hi" then return { text = "thinking", hold = true } end
      return context.goal_turns > 0 and reach() or "hello"
    ]])
    codex.run(function()
      local thread = client:thread_start()
      local turn = thread:turn "hi"
      local starting = codex.spawn(thread.goal, thread, "make tea")
      turn:steer "go on"
      assert.equal("hello", turn:run().final_response)
      local goal = starting:join()
      assert.not_equal(turn.id, goal.id)
      assert.equal("done", goal:run().final_response)
      assert.equal(1, #goal:run().items)
    end)
    client:close()
  end)

  it("is joined by a turn that may steer", function()
    local client = new_client(HELD)
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    assert.equal(goal, thread:turn("go on", { when_busy = "steer" }))
    assert.equal("complete", goal:run().goal.status)
    client:close()
  end)

  it("isn't started over a turn that was not started here", function()
    local client = new_client(script [[ return { text = "thinking", hold = true } ]])
    local thread = client:thread_start()
    local turn = client:request("turn/start", { thread_id = thread.id, input = { codex.text "hi" } }).turn
    await(function()
      -- there is a moment in which the server can't read what it has just begun to write
      local ok, answer = pcall(client.request, client, "thread/read", { thread_id = thread.id })
      return ok and answer.thread.status.type == "active"
    end)
    assert.equal("busy", failure_of(thread.goal, thread, "make tea").kind)
    assert.is_nil(client:request("thread/goal/get", { thread_id = thread.id }).goal)
    client:request("turn/interrupt", { thread_id = thread.id, turn_id = turn.id })
    client:close()
  end)

  it("isn't pursued in plan mode, which is said", function()
    chains.IDLE_SECONDS = 0.1
    local client = new_client()
    local thread = client:thread_start()
    thread:run("hi", { collaboration_mode = { mode = "plan", settings = { model = "mock-model" } } })
    local err = failure_of(thread.goal, thread, "make tea")
    assert.equal("goal_not_started", err.reason)
    assert.truthy(err.message:find "plan mode")
    assert.equal("paused", client:request("thread/goal/get", { thread_id = thread.id }).goal.status)
    assert.truthy(thread:run("hello").final_response)
    client:close()
  end)

  it("goes on under another server, which begins by itself", function()
    local model = script [[
      if context.goal_turns == 1 then return "a start" end
      if context.input_text == "go on" then return reach() end
      return { text = "thinking", hold = true }
    ]]
    local client, home = new_client(model)
    local thread = client:thread_start()
    local goal = thread:goal "make tea"
    await(function()
      return #home:log() == 2
    end)
    client:close()
    assert.equal("closed", failure_of(goal.run, goal).kind)
    client = kit.client { home = home }
    thread = client:thread_resume(thread.id)
    await(function()
      return #home:log() == 3
    end)
    goal = thread:goal()
    goal:steer "go on"
    local result = goal:run()
    assert.equal("complete", result.goal.status)
    assert.equal("done", result.final_response)
    client:close()
  end)
end)

describe("a goal under a server that dies", function()
  after_each(clean_up)

  it("raises that, with what there was", function()
    local client, home = new_client(script [[
      if context.goal_turns == 1 then return "a start" end
      return { text = "thinking", hold = true }
    ]])
    local goal = client:thread_start():goal "make tea"
    local events = goal:stream()
    await(function()
      return #home:log() == 2
    end)
    os.execute("kill -KILL " .. client._core:pid())
    local err = failure_of(goal.run, goal)
    assert.equal("transport_closed", err.kind)
    assert.equal("a start", texts_of(err.result.items))
    assert.equal("inProgress", err.result.status)
    local last
    err = failure_of(function()
      for event in events do
        last = event
      end
    end)
    assert.equal("transport_closed", err.kind)
    assert.not_equal("turn/completed", last.method)
    assert.equal("inProgress", goal.status)
    goal:interrupt()
    client:close()
  end)

  it("ends while it is paused", function()
    local client = new_client(HELD)
    local goal = client:thread_start():goal "make tea"
    goal:pause()
    goal:steer "go on"
    assert.equal("deadlock", failure_of(goal.run, goal).kind)
    os.execute("kill -KILL " .. client._core:pid())
    await(function()
      return goal:_ended()
    end)
    assert.equal("transport_closed", failure_of(goal.run, goal).kind)
    client:close()
  end)

  it("is closed with its client", function()
    local client = new_client(HELD)
    local goal = client:thread_start():goal "make tea"
    client:close()
    local err = failure_of(goal.run, goal)
    assert.equal("closed", err.kind)
    assert.equal("inProgress", err.result.status)
  end)
end)

-- A server that has a thread with the id "th", answers what is asked before a goal is set, and then does what body
-- says, with `set` being the request that sets it.
local PRELUDE = [[
  server:handshake()
  server:thread "th"
  local set = server:expect "thread/goal/set"
  local function goal(status, turn)
    return ('{"threadId":"th","objective":"x","status":"%s","tokensUsed":1,"timeUsedSeconds":1,"createdAt":1,'
      .. '"updatedAt":1}'):format(status)
  end
  local function tell(status, turn)
    server:notify("thread/goal/updated", ('{"threadId":"th","turnId":%s,"goal":%s}'):format(
      turn and '"' .. turn .. '"' or "null", goal(status)))
  end
  local function answer(message, status) server:reply(message, '{"goal":' .. goal(status or "active") .. "}") end
  local function usage(turn, total)
    local one = '{"totalTokens":%d,"inputTokens":0,"cachedInputTokens":0,"outputTokens":0,"reasoningOutputTokens":0}'
    server:notify("thread/tokenUsage/updated", ('{"threadId":"th","turnId":"%s","tokenUsage":{"total":%s,"last":%s}}')
      :format(turn, one:format(total), one:format(10)))
  end
  local function turn(id, text, status, failure)
    server:turn_started("th", id)
    server:message("th", id, "m" .. id, text)
    server:turn_completed("th", id, status, failure)
  end
]]

local function fake(body)
  local options, received = kit.fake(PRELUDE .. body)
  local client = codex.new(options)
  return client, client:thread_start(), received
end

local function sent(received, method)
  local count = 0
  for _, line in ipairs(received()) do
    if line:find('"method":"' .. method .. '"', 1, true) then count = count + 1 end
  end
  return count
end

describe("a goal under a fake server", function()
  after_each(clean_up)

  it("isn't set when its task is cancelled before that", function()
    local options, received = kit.fake [[
      server:handshake()
      server:thread "th"
      server:reply(server:expect "thread/goal/get", '{"goal":{"threadId":"th","objective":"x","status":"paused",'
        .. '"tokensUsed":1,"timeUsedSeconds":1,"createdAt":1,"updatedAt":1}}')
      server:expect "thread/turns/list"
      server:reply(server:expect "spec/go on", "{}")
    ]]
    local client = codex.new(options)
    local thread = client:thread_start()
    local going_on = codex.spawn(thread.goal, thread)
    await(function()
      return sent(received, "thread/turns/list") == 1
    end)
    going_on:cancel()
    assert.equal("cancelled", failure_of(going_on.join, going_on).kind)
    client:request "spec/go on"
    assert.equal(0, sent(received, "thread/goal/set"))
    client:close()
  end)

  it("misses nothing that comes before the answer to its start", function()
    local client, thread = fake [[
      tell "active"
      turn("t1", "one")
      server:turn_started("th", "t2")
      usage("t2", 20)
      tell("complete", "t2")
      server:message("th", "t2", "m2", "two")
      server:turn_completed("th", "t2")
      answer(set)
    ]]
    local goal = thread:goal "x"
    local methods = {}
    for event in goal:stream() do
      methods[#methods + 1] = event.method
    end
    assert.equal("turn/started item/completed thread/tokenUsage/updated thread/goal/updated item/completed "
      .. "turn/completed", table.concat(methods, " "))
    local result = goal:run()
    assert.equal("t1", goal.id)
    assert.equal("one, two", texts_of(result.items))
    assert.equal("complete", result.goal.status)
    assert.equal(10, result.turn_usage.total_tokens)
    assert.equal(2000, result.duration_ms)
    client:close()
  end)

  it("takes in many turns at once", function()
    local client, thread = fake [[
      for i = 1, 60 do turn("t" .. i, "said") end
      answer(set)
      tell "complete"
      turn("t61", "said last")
    ]]
    local goal = thread:goal "x"
    local pieces = 0
    for _ in goal:text() do
      pieces = pieces + 1
    end
    assert.equal(61, pieces)
    assert.equal(61, #goal:run().items)
    assert.equal("said last", goal:run().final_response)
    client:close()
  end)

  it("ends when the server leaves the thread at rest after a failure", function()
    chains.IDLE_SECONDS = 0.05
    local client, thread, received = fake [[
      tell "active"
      turn("t1", "one", "failed", { message = "boom" })
      answer(set)
      local pause = server:expect "thread/goal/set"
      assert(pause.params.status == "paused")
      answer(pause, "paused")
    ]]
    local goal = thread:goal "x"
    local err = failure_of(goal.run, goal)
    assert.equal("turn_failed", err.kind)
    assert.equal("boom", err.message)
    assert.equal("paused", err.result.goal.status)
    assert.equal(2, sent(received, "thread/read"))
    client:close()
  end)

  it("goes on as long as the server says that the thread is active", function()
    chains.IDLE_SECONDS = 0.02
    local client, thread, received = fake [[
      tell "active"
      turn("t1", "one", "failed", { message = "boom" })
      answer(set)
      for _ = 1, 3 do
        server:reply(server:expect "thread/read", '{"thread":{"id":"th","status":{"type":"active","activeFlags":[]}}}')
      end
      tell "complete"
      turn("t2", "two")
    ]]
    local result = thread:goal("x"):run()
    assert.equal("completed", result.status)
    assert.equal("one, two", texts_of(result.items))
    assert.truthy(sent(received, "thread/read") >= 4)
    client:close()
  end)

  it("stops a turn that starts after it was interrupted between two turns", function()
    local go = kit.folder() .. "/go"
    local client, thread, received = fake(([[
      answer(set)
      turn("t1", "one")
      local pause = server:expect "thread/goal/set"
      answer(pause, "paused")
      tell "paused"
      server:await_file %q
      server:turn_started("th", "t2")
      server:reply(server:expect "turn/interrupt", "{}")
      server:turn_completed("th", "t2", "interrupted")
    ]]):format(go))
    local goal = thread:goal "x"
    assert.equal("active", goal.goal.status)
    await(function()
      return not goal._core:started()
    end)
    goal:interrupt()
    kit.write_file(go, "")
    local result = goal:run()
    assert.equal("interrupted", result.status)
    assert.equal("paused", result.goal.status)
    assert.equal("one", texts_of(result.items))
    assert.equal(1, sent(received, "turn/interrupt"))
    client:close()
  end)

  it("steers the next turn where one ends meanwhile", function()
    local client, thread = fake [[
      tell "active"
      server:turn_started("th", "t1")
      answer(set)
      local steer = server:expect "turn/steer"
      server:turn_completed("th", "t1")
      server:error(steer, -32600, "no active turn to steer")
      server:turn_started("th", "t2")
      steer = server:expect "turn/steer"
      tell "complete"
      server:reply(steer, { turnId = steer.params.expectedTurnId })
      server:turn_completed("th", steer.params.expectedTurnId)
    ]]
    local goal = thread:goal "x"
    assert.same({ turn_id = "t1" }, goal:steer "more")
    assert.equal("complete", goal:run().goal.status)
    client:close()
  end)

  it("ends with a turn that was interrupted, without asking", function()
    chains.IDLE_SECONDS = 0
    local client, thread, received = fake [[
      tell "active"
      server:turn_started("th", "t1")
      server:turn_completed("th", "t1", "interrupted")
      answer(set)
      answer(server:expect "thread/goal/set", "paused")
    ]]
    assert.equal("interrupted", thread:goal("x"):run().status)
    assert.equal(1, sent(received, "thread/read"))
    client:close()
  end)

  it("waits a little for a turn that may be about to start", function()
    chains.SETTLE_SECONDS = 0.05
    local client, thread = fake [[
      answer(set)
      tell "active"
      turn("t1", "one")
      server:reply(server:expect "thread/goal/clear", '{"cleared":true}')
      server:notify("thread/goal/cleared", { threadId = "th" })
      turn("t2", "two")
    ]]
    local goal = thread:goal "x"
    await(function()
      return not goal._core:started()
    end)
    goal:clear()
    local result = goal:run()
    assert.equal("one, two", texts_of(result.items))
    assert.is_nil(result.goal)
    client:close()
  end)

  it("has nothing to do with other threads, and turns of others", function()
    local client, thread = fake [[
      server:turn_completed("th", "t0")
      tell "active"
      answer(set)
      server:turn_started("th", "t1")
      server:turn_started("child", "c1")
      server:message("child", "c1", "cm", "a child's")
      server:turn_completed("child", "c1")
      server:notify("thread/goal/updated", '{"threadId":"child","turnId":null,"goal":' .. goal "complete" .. "}")
      usage("t0", 5)
      server:message("th", "t0", "m0", "an old one's")
      server:message("th", "t1", "m1", "mine")
      tell "complete"
      server:turn_completed("th", "t0")
      server:turn_completed("th", "t1")
      turn("t2", "the next one's")
    ]]
    local goal = thread:goal "x"
    local texts = {}
    for event in goal:stream { "item/completed" } do
      texts[#texts + 1] = event.params.item.text
    end
    assert.same({ "mine" }, texts)
    assert.equal("mine", texts_of(goal:run().items))
    client:close()
  end)

  it("limits the events that nobody reads, and is right all the same", function()
    local client, thread = fake [[
      answer(set)
      tell "active"
      local text = ("x"):rep(1000000)
      for i = 1, 9 do
        local id = "t" .. i
        server:turn_started("th", id)
        server:delta("th", id, "m" .. i, text)
        server:delta("th", id, "m" .. i, text)
        server:message("th", id, "m" .. i, "short")
        if i == 9 then tell "complete" end
        server:turn_completed("th", id)
      end
    ]]
    local goal = thread:goal "x"
    await(function()
      return goal:_ended()
    end)
    local err = failure_of(function()
      for _ in goal:stream() do -- luacheck: ignore 542
      end
    end)
    assert.equal("overflow", err.kind)
    assert.equal(9, #goal:run().items)
    client:close()
  end)

  it("is refused by a server that dies before its first turn", function()
    local client, thread = fake [[
      answer(set)
      server:exit(3)
    ]]
    local err = failure_of(thread.goal, thread, "x")
    assert.equal("transport_closed", err.kind)
    assert.equal(3, err.exit_status)
    client:close()
  end)

  it("is given up when its first turn takes too long", function()
    chains.SETTLE_SECONDS = 0.05
    local client, thread, received = fake [[ answer(set) ]]
    local err = failure_of(thread.goal, thread, "x", { timeout = 1 })
    assert.equal("timeout", err.kind)
    assert.equal(2, sent(received, "thread/goal/set"))
    client:close()
  end)
end)
