-- Reviews and compactions: turns that aren't asked for with an input.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local turns = require "spec.support.turns"

local function methods_of(turn)
  local list = {}
  for event in turn:stream() do
    list[#list + 1] = event.method
  end
  return list
end

local function got(received, method)
  local list = {}
  for _, line in ipairs(received()) do
    local message = cjson.decode(line)
    if message.method == method then list[#list + 1] = message.params end
  end
  return list
end

-- "wait" is answered never, whatever else with the number of the request.
local script = [[return function(request, context)
  if context.input_text:find "wait" then return { deltas = { "a" }, hold = true } end
  local n = context.n
  return { text = "answer " .. n, usage = { input_tokens = 100 * n, output_tokens = n, total_tokens = 101 * n } }
end]]

local function open()
  local client, home = kit.client { script = script }
  return client, client:thread_start(), home
end

local function about(instructions)
  return { target = { type = "custom", instructions = instructions } }
end

-- Waits until the reviewer's model is at work.
local function wait_for_model(turn)
  luas.each(turn:stream { "item/started" }, function(event)
    return event.params.item.type == "agentMessage"
  end)
end

describe("a review", function()
  after_each(kit.cleanup)

  it("is a turn like any other, whose final response is the report", function()
    local client, thread = open()
    local turn = thread:review(about "look hard")
    assert.equal(thread.id, turn.thread_id)
    local text = {}
    for delta in turn:text() do
      text[#text + 1] = delta
    end
    assert.equal("answer 1", table.concat(text))
    local result = turn:run()
    assert.equal(turn.id, result.id)
    assert.equal("completed", result.status)
    assert.equal("answer 1", result.final_response)
    assert.same(
      { "enteredReviewMode", "userMessage", "exitedReviewMode", "agentMessage" },
      turns.types_of(result.items)
    )
    assert.equal("answer 1", result.items[3].review)
    assert.equal("answer 2", thread:run("go on").final_response)
    client:close()
  end)

  it("streams what belongs to it, under either id", function()
    local client, thread = open()
    local turn = thread:review(about "look hard")
    local methods, ids = {}, {}
    for event in turn:stream() do
      methods[#methods + 1] = event.method
      ids[event.params.turn_id or event.params.turn.id] = event.method
    end
    assert.equal("item/started", methods[1])
    assert.equal("turn/completed", methods[#methods])
    assert.equal("turn/completed", ids[turn.id])
    ids[turn.id] = nil
    local other = next(ids)
    assert.equal("turn/started", ids[other])
    assert.is_nil(next(ids, other))
    assert.is_nil(turn:children()()) -- the other one isn't a turn for itself
    client:close()
  end)

  it("looks at what isn't committed unless told otherwise", function()
    local options, received = kit.fake [[
      server:handshake() server:thread "t"
      for _, id in ipairs { "a", "b" } do
        server:turn(id, server:expect "review/start")
        server:turn_completed("t", id)
      end
    ]]
    local client = codex.new(options)
    local thread = client:thread_start()
    thread:review():run()
    thread:review({ target = { type = "commit", sha = "abc", title = "x" }, timeout = 60 }):run()
    assert.same({
      { threadId = "t", target = { type = "uncommittedChanges" } },
      { threadId = "t", target = { type = "commit", sha = "abc", title = "x" } },
    }, got(received, "review/start"))
    client:close()
  end)

  it("takes its turn", function()
    local client, thread = open()
    local first = thread:turn "wait"
    raised("busy", thread.review, thread, { when_busy = "error" })
    raised("timeout", thread.review, thread, { timeout = 0.05 })
    local results = codex.gather {
      function()
        return thread:review(about "look hard"):run()
      end,
      function()
        return thread:run "go on"
      end,
      function()
        first:interrupt()
        return first:run()
      end,
    }
    assert.equal("enteredReviewMode", results[1].items[1].type)
    assert.truthy(results[1].final_response:find "^answer ")
    assert.truthy(results[2].final_response:find "^answer ")
    assert.not_equal(results[1].final_response, results[2].final_response)
    assert.equal("interrupted", results[3].status)
    client:close()
  end)

  it("can be interrupted from the first moment on, once and again", function()
    local client, thread = open()
    for round = 1, 3 do
      local turn = thread:review(about "wait")
      if round == 2 then wait_for_model(turn) end
      codex.gather {
        function()
          turn:interrupt()
        end,
        function()
          turn:interrupt()
        end,
      }
      assert.equal("interrupted", turn:run().status)
      turn:interrupt()
    end
    assert.truthy(thread:run("go on").final_response:find "^answer ")
    client:close()
  end)

  it("that takes too long, or whose task is cancelled, is interrupted", function()
    local client, thread = open()
    local turn = thread:review { target = { type = "custom", instructions = "wait" }, timeout = 0.3 }
    raised("timeout", turn.run, turn)
    assert.equal("interrupted", turn.status)
    codex.run(function()
      local task = codex.spawn(function()
        turn = thread:review(about "wait")
        turn:run()
      end)
      codex.spawn(function()
        while not turn or turn.status ~= "inProgress" do
          codex.sleep(0.01)
        end
        wait_for_model(turn)
        task:cancel()
      end)
      raised("cancelled", task.join, task)
    end)
    assert.equal("interrupted", turn.status)
    client:close()
  end)

  it("takes no input", function()
    local client, thread = open()
    local turn = thread:review(about "wait")
    for _, call in ipairs {
      function()
        turn:steer "more"
      end,
      function()
        thread:run("more", { when_busy = "steer" })
      end,
      function()
        thread:run(codex.external_message { tool_name = "ci", content = "red" }, { when_busy = "steer" })
      end,
    } do
      local err = raised("busy", call)
      assert.equal("a review can't be steered", err.message)
      assert.equal("active_turn_not_steerable", err.reason)
    end
    turn:interrupt()
    turn:run()
    client:close()
  end)

  it("that the server refuses leaves the thread free", function()
    local client, thread = open()
    local err = raised("invalid_request", thread.review, thread, about " ")
    assert.equal("instructions must not be empty", err.message)
    assert.truthy(thread:run("go on").final_response)
    client:close()
  end)

  it("checks what it is given", function()
    local client = codex.new((kit.fake [[server:handshake() server:thread "t"]]))
    local thread = client:thread_start()
    for expected, options in pairs {
      ["review_start: unknown option 'targt' (did you mean 'target'?)"] = { targt = {} },
      ["review_start: unknown option 'thread_id'"] = { thread_id = "x" },
      ["review_start: unknown option 'model'"] = { model = "x" },
      ["review_start.when_busy: got 'steer', expected one of queue, error"] = { when_busy = "steer" },
      ["review_start.timeout: must not be negative"] = { timeout = -1 },
      ["review_start.target.type: got 'branch', expected one of "] = { target = { type = "branch" } },
      ["review_start.target.branch: missing"] = { target = { type = "baseBranch" } },
      ["review_start.delivery: got 'detached', expected "] = { delivery = "detached" },
      ["review_start: expected a table of options, got string"] = "uncommitted",
      ["thread_compact.when_busy: got 'steer'"] = false,
    } do
      local err = options and raised("invalid_argument", thread.review, thread, options)
        or raised("invalid_argument", thread.compact, thread, { when_busy = "steer" })
      assert.truthy(err.message:find(expected, 1, true), err.message)
    end
    client:close()
  end)

  it("runs on the thread that the server names", function()
    local client = codex.new((kit.fake [[
      server:handshake() server:thread "t"
      server:reply(server:expect "review/start", { reviewThreadId = "other", turn = { id = "r", items = {} } })
      server:turn_completed("other", "r")
    ]]))
    local turn = client:thread_start():review()
    assert.equal("other", turn.thread_id)
    turn:run()
    client:close()
  end)

  it("is interrupted under the id it goes by at that moment", function()
    local options, received = kit.fake [[
      server:handshake() server:thread "t"
      server:turn("r", server:expect "review/start")
      server:notify("item/started", { threadId = "t", turnId = "r", item = { type = "enteredReviewMode", id = "i" } })
      local message = server:expect "turn/interrupt"
      server:error(message, -32600, "expected active turn id `r` but found `inner`")
      server:notify("turn/started", { threadId = "t", turn = { id = "inner", rootTurnId = "r", items = {} } })
      server:reply(server:expect "turn/interrupt", "{}")
      server:turn_completed("t", "r", "interrupted")
    ]]
    local client = codex.new(options)
    local turn = client:thread_start():review()
    turn:interrupt()
    assert.equal("interrupted", turn:run().status)
    local ids = {}
    for index, params in ipairs(got(received, "turn/interrupt")) do
      ids[index] = params.turnId
    end
    assert.same({ "r", "inner" }, ids)
    client:close()
  end)

  it("may end while it is being interrupted, and that question stay open", function()
    local client = codex.new((kit.fake [[
      server:handshake() server:thread "t"
      server:turn("r", server:expect "review/start")
      server:notify("item/started", { threadId = "t", turnId = "r", item = { type = "enteredReviewMode", id = "i" } })
      server:notify("turn/started", { threadId = "t", turn = { id = "inner", rootTurnId = "r", items = {} } })
      local message = server:expect "turn/interrupt"
      assert(message.params.turnId == "inner")
      server:turn_completed("t", "r")
    ]]))
    local turn = client:thread_start():review()
    local next_event = turn:stream { "turn/started" }
    next_event()
    turn:interrupt()
    assert.equal("completed", turn:run().status)
    client:close()
  end)
end)

describe("a compaction", function()
  after_each(kit.cleanup)

  it("is a turn like any other, with one item", function()
    local client, thread, home = open()
    thread:run "one"
    local turn = thread:compact()
    assert.truthy(turn.id)
    assert.equal(thread.id, turn.thread_id)
    assert.same({
      "turn/started",
      "item/started",
      "thread/tokenUsage/updated",
      "thread/tokenUsage/updated",
      "thread/tokenUsage/updated",
      "item/completed",
      "turn/completed",
    }, methods_of(turn))
    local result = turn:run()
    assert.equal(turn.id, result.id)
    assert.equal("completed", result.status)
    assert.same({ "contextCompaction" }, turns.types_of(result.items))
    assert.equal(303, result.usage.total.total_tokens)
    assert.equal(202, result.turn_usage.total_tokens)
    thread:run "two"
    local log = home:log()
    assert.truthy(cjson.encode(log[#log].body.input):find("answer 2", 1, true))
    client:close()
  end)

  it("takes its turn", function()
    local client, thread = open()
    local first = thread:turn "wait"
    raised("busy", thread.compact, thread, { when_busy = "error" })
    raised("timeout", thread.compact, thread, { timeout = 0.05 })
    local results = codex.gather {
      function()
        return thread:compact():run()
      end,
      function()
        return thread:run "go on"
      end,
      function()
        first:interrupt()
        return first:run()
      end,
    }
    assert.same({ "contextCompaction" }, turns.types_of(results[1].items))
    assert.truthy(results[2].final_response:find "^answer ")
    assert.equal("interrupted", results[3].status)
    client:close()
  end)

  it("can be interrupted, but takes no input", function()
    local client = kit.client { script = { { deltas = { "a" }, hold = true } } }
    local turn = client:thread_start():compact()
    local err = raised("busy", turn.steer, turn, "more")
    assert.equal("a compaction can't be steered", err.message)
    turn:interrupt()
    assert.equal("interrupted", turn:run().status)
    client:close()
  end)

  it("that the server refuses leaves the thread free", function()
    local client = codex.new((kit.fake [[
      server:handshake() server:thread "t"
      server:error(server:expect "thread/compact/start", -32600, "not now")
      server:turn "a" server:turn_started("t", "a") server:turn_completed("t", "a")
    ]]))
    local thread = client:thread_start()
    assert.equal("not now", raised("invalid_request", thread.compact, thread).message)
    assert.equal("a", thread:run("go on").id)
    client:close()
  end)

  it("that begins too late is interrupted, and the next turn waits for its end", function()
    local folder = kit.folder()
    local options, received = kit.fake(
      ([[
      server:handshake() server:thread "t"
      server:reply(server:expect "thread/compact/start", "{}")
      server:await_file "%s/go"
      server:turn_started("t", "c")
      server:reply(server:expect "turn/interrupt", "{}")
      server:turn_completed("t", "c", "interrupted")
      server:turn "a" server:turn_started("t", "a") server:turn_completed("t", "a")
    ]]):format(folder)
    )
    local client = codex.new(options)
    local thread = client:thread_start()
    local results = codex.gather {
      function()
        return raised("timeout", thread.compact, thread, { timeout = 0.1 })
      end,
      function()
        codex.sleep(0.2) -- after that timeout
        codex.spawn(function()
          kit.write_file(folder .. "/go", "")
        end)
        return thread:run "go on"
      end,
    }
    assert.equal("c", results[1].result.id)
    assert.equal("a", results[2].id)
    assert.same({ { threadId = "t", turnId = "c" } }, got(received, "turn/interrupt"))
    client:close()
  end)

  it("that never begins is given up", function()
    local client = codex.new((kit.fake(
      [[
      server:handshake() server:thread "t"
      server:reply(server:expect "thread/compact/start", "{}")
      server:turn "a" server:turn_started("t", "a") server:turn_completed("t", "a")
    ]],
      { request_timeout = 0.2 }
    )))
    local thread = client:thread_start()
    local err = raised("timeout", thread.compact, thread)
    assert.equal("thread/compact/start: the server did not answer in time", err.message)
    assert.equal("a", thread:run("go on").id)
    client:close()
  end)

  it("ends with the server", function()
    local client = codex.new((kit.fake [[
      server:handshake() server:thread "t"
      server:reply(server:expect "thread/compact/start", "{}")
      server:stderr "that was it"
      server:exit(3)
    ]]))
    local thread = client:thread_start()
    local err = raised("transport_closed", thread.compact, thread)
    assert.equal("that was it", err.stderr_tail)
    client:close()
  end)
end)
