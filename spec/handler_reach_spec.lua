--- Which handler is asked, and what the server is told for it to ask.

local asking = require "spec.support.asking"
local codex = require "codex"
local kit = require "spec.support.kit"

local exists = asking.exists

-- Answers "spec/ask" with what the client answers to a request of ours. A turn whose input is "end" ends at once, one
-- whose input is "fail" isn't started.
local SERVER = [[
  server:handshake()
  local threads, turns = 0, 0
  while true do
    local message = server:read()
    if not message then return end
    local method, params = message.method or "", message.params
    if method:find "^thread/[srf]" then
      threads = threads + 1
      server:thread(params.threadId or "t" .. threads, message)
    elseif method == "turn/start" then
      local input = params.input[1].text
      turns = turns + 1
      local id = "u" .. turns
      if input == "fail" then
        server:error(message, -32600, "no")
      else
        server:turn(id, message)
        server:turn_started(params.threadId, id)
        if input == "end" then server:turn_completed(params.threadId, id) end
      end
    elseif method == "spec/end" then
      server:turn_completed(params.threadId, params.turnId)
      server:reply(message, "{}")
    elseif method == "spec/ask" then
      server:request("q", params.method, params.params)
      server:reply(message, server:expect_answer "q")
    elseif message.id then
      server:reply(message, "{}")
    end
  end
]]

local function fake(extra)
  local options, received = kit.fake(SERVER, extra)
  return codex.new(options), function(method)
    local found = {}
    for _, line in ipairs(received()) do
      local message = codex.json.decode(line)
      if message.method == method then found[#found + 1] = message.params end
    end
    return found
  end
end

local function answering(...)
  local answer = ...
  return function()
    return answer
  end
end

-- What the client answers when it is asked for a file change.
local function ask(client, thread_id, turn_id)
  return client:request("spec/ask", {
    method = "item/fileChange/requestApproval",
    params = { threadId = thread_id, turnId = turn_id, itemId = "i", startedAtMs = 1 },
  }).result.decision
end

describe("the nearest handler is asked:", function()
  after_each(kit.cleanup)

  it("the turn's, then the thread's, then the client's", function()
    local client = fake { approval_handler = answering "accept" }
    local thread = client:thread_start { approval_handler = answering "decline" }
    local bare = client:thread_start()
    assert.same({ "t1", "t2" }, { thread.id, bare.id })
    assert.equal("accept", ask(client, "elsewhere", "u0"))
    assert.equal("accept", ask(client, "t2", "u0"))
    assert.equal("decline", ask(client, "t1", "u0"))
    thread:turn("1", { approval_handler = answering "cancel" })
    bare:turn("1", { approval_handler = answering "acceptForSession" })
    assert.equal("cancel", ask(client, "t1", "u1"))
    assert.equal("acceptForSession", ask(client, "t2", "u2"))
    client:request("spec/end", { threadId = "t1", turnId = "u1" })
    client:request("spec/end", { threadId = "t2", turnId = "u2" })
    assert.equal("decline", ask(client, "t1", "u1"))
    assert.equal("accept", ask(client, "t2", "u2"))
    thread:turn "2"
    assert.equal("decline", ask(client, "t1", "u3"))
    client:close()
  end)

  it("not that of a turn that has ended, however soon, or wasn't started", function()
    local client = fake {}
    local thread = client:thread_start { approval_handler = answering "accept" }
    thread:turn("end", { approval_handler = answering "cancel" }):run()
    assert.equal("accept", ask(client, "t1", "u1"))
    assert.is_false(pcall(thread.turn, thread, "fail", { approval_handler = answering "cancel" }))
    assert.equal("accept", ask(client, "t1", "u2"))
    client:close()
  end)

  it("of those that answer its kind", function()
    local client = fake { approval_handler = answering "accept" }
    local thread = client:thread_start { user_input_handler = error }
    thread:turn("1", { elicitation_handler = error })
    assert.equal("accept", ask(client, "t1", "u1"))
    client:close()
  end)

  it("one for all kinds counts where the kind has none of its own", function()
    local client = fake { approval_handler = answering "accept", request_handler = answering "decline" }
    local thread = client:thread_start { request_handler = answering "cancel" }
    local elsewhere = client:thread_start()
    assert.equal("accept", ask(client, elsewhere.id, "u0"))
    assert.equal("cancel", ask(client, thread.id, "u0"))
    client:close()
  end)

  it("one for all kinds is asked everything", function()
    local kinds, values = {}, {}
    local client = fake {
      request_handler = function(request)
        kinds[#kinds + 1] = request.kind
        return values[request.kind]
      end,
    }
    values = {
      attestation = "proof",
      elicitation = { name = "x" },
      file_change = "accept",
      permissions = false,
      tool = { content_items = {}, success = true },
      unknown = { camelCase = { 1 } },
      user_input = { q = "yes" },
    }
    local function answer(method, params)
      params.threadId, params.turnId, params.itemId, params.startedAtMs = "t", "u", "i", 1
      return client:request("spec/ask", { method = method, params = params })
    end
    assert.same({ decision = "accept" }, answer("item/fileChange/requestApproval", {}).result)
    assert.same({ permissions = {}, scope = "turn" },
      answer("item/permissions/requestApproval", { cwd = "/", permissions = { network = { enabled = true } } }).result)
    assert.same({ contentItems = {}, success = true },
      answer("item/tool/call", { tool = "x", callId = "c", arguments = {} }).result)
    assert.same({ answers = { q = { answers = { "yes" } } } },
      answer("item/tool/requestUserInput", { questions = { { id = "q", header = "Q", question = "?" } } }).result)
    assert.same({ token = "proof" }, answer("attestation/generate", {}).result)
    assert.same({ camelCase = { 1 } }, answer("spec/new", {}).result)
    values.unknown = nil
    assert.equal(-32601, answer("spec/new", {}).error.code)
    assert.same({ "file_change", "permissions", "tool", "user_input", "attestation", "unknown", "unknown" }, kinds)
    client:close()
  end)
end)

describe("what is said about approvals", function()
  after_each(kit.cleanup)

  local handler = answering "decline"

  -- Calls, with the params that the server gets: the policy and its reviewer.
  local function said(client_options, call)
    local client, received = fake(client_options)
    call(client)
    local params
    for _, method in ipairs { "thread/start", "thread/resume", "thread/fork", "turn/start" } do
      local all = received(method)
      params = all[#all] or params
    end
    client:close()
    return { params.approvalPolicy or "-", params.approvalsReviewer or "-" }
  end

  local ask_us, nothing = { "on-request", "user" }, { "-", "-" }

  local function start(options)
    return function(client)
      client:thread_start(options)
    end
  end

  it("is nothing without a handler", function()
    assert.same(nothing, said({}, start()))
    assert.same(nothing, said({ user_input_handler = handler, elicitation_handler = handler }, start()))
    assert.same(nothing, said({}, start { user_input_handler = handler }))
  end)

  it("is that the server shall ask, where a handler is in reach", function()
    assert.same(ask_us, said({ approval_handler = handler }, start()))
    assert.same(ask_us, said({ request_handler = handler }, start()))
    assert.same(ask_us, said({}, start { approval_handler = handler }))
    assert.same(ask_us, said({}, start { request_handler = handler }))
    for _, name in ipairs { "thread_resume", "thread_fork" } do
      local function open(options)
        return function(client)
          client[name](client, "t1", options)
        end
      end
      assert.same(nothing, said({}, open()))
      assert.same(ask_us, said({ approval_handler = handler }, open()))
      assert.same(ask_us, said({}, open { approval_handler = handler }))
    end
  end)

  it("is that the server shall ask, for a thread that has a handler already", function()
    assert.same(ask_us, said({}, function(client)
      client:thread_start({ approval_handler = handler }):fork()
    end))
    assert.same(ask_us, said({}, function(client)
      local thread = client:thread_start { approval_handler = handler }
      client:thread_resume(thread.id)
    end))
  end)

  it("is that the server shall ask, for a turn with a handler of its own", function()
    local function turn(options)
      return function(client)
        client:thread_start():turn("end", options):run()
      end
    end
    assert.same(nothing, said({}, turn()))
    assert.same(ask_us, said({}, turn { approval_handler = handler }))
    assert.same({ "never", "-" }, said({}, turn { approval_handler = handler, approval_mode = "deny_all" }))
  end)

  it("is what the options say, whatever handlers there are", function()
    local function with(options)
      return said({ approval_handler = handler }, start(options))
    end
    assert.same({ "never", "-" }, with { approval_mode = "deny_all" })
    assert.same({ "on-request", "auto_review" }, with { approval_mode = "auto_review" })
    assert.same({ "never", "-" }, with { approval_mode = "dangerously_bypass_approvals_and_sandbox" })
    assert.same({ "never", "-" }, with { approval_policy = "never" })
    assert.same({ "never", "-" }, with { approvalPolicy = "never" })
    assert.same({ "-", "auto_review" }, with { approvals_reviewer = "auto_review" })
    assert.same({ "on-request", "user" }, said({}, start { approval_mode = "ask" }))
  end)

  it("is checked", function()
    local client, received = fake {}
    local thread = client:thread_start()
    local function refused(message, fn, ...)
      local returned, err = pcall(fn, ...)
      assert.is_false(returned)
      assert.equal("invalid_argument", err.kind)
      assert.truthy(err.message:find(message, 1, true), err.message)
    end
    refused("codex.new.approval_handler: expected a function, got string", codex.new, { approval_handler = "yes" })
    refused("codex.new.token_handler: expected a function, got boolean", codex.new, { token_handler = true })
    refused("codex.new.handler_timeout: must not be negative", codex.new, { handler_timeout = -1 })
    refused("codex.new: unknown option 'aproval_handler' (did you mean 'approval_handler'?)", codex.new,
      { aproval_handler = handler })
    refused("thread_start.request_handler: expected a function, got number", client.thread_start, client,
      { request_handler = 5 })
    refused("thread_start: unknown option 'token_handler'", client.thread_start, client, { token_handler = handler })
    refused("turn_start.user_input_handler: expected a function, got table", thread.turn, thread, "x",
      { user_input_handler = {} })
    refused("turn_start: unknown option 'tools'", thread.turn, thread, "x", { tools = {} })
    local callable = setmetatable({}, { __call = handler })
    client:thread_start { approval_handler = callable }
    assert.equal(2, #received "thread/start")
    assert.equal(0, #received "turn/start")
    client:close()
  end)
end)

describe("a handler's error", function()
  after_each(kit.cleanup)

  -- What a script prints in which %s stands for the words that start a server.
  local function printed_by(script)
    local words = {}
    for index, word in ipairs(kit.fake(SERVER).launch_args_override) do
      words[index] = ("%q"):format(word)
    end
    local path = kit.write_file(kit.folder() .. "/script.lua", script:format(table.concat(words, ", ")))
    local pipe = io.popen(("%s %s 2>&1"):format(kit.quoted(kit.lua), kit.quoted(path)))
    local text = pipe:read "*a"
    pipe:close()
    return text
  end

  it("is said on stderr once a handler, unless somebody asked to hear of it", function()
    local text = printed_by [[
      local codex = require "codex"
      local client = codex.new { launch_args_override = { %s },
        approval_handler = function() error "from the client" end }
      local threads = { client:thread_start { approval_handler = function() return "nonsense" end } }
      local function ask(thread_id)
        client:request("spec/ask", { method = "item/fileChange/requestApproval",
          params = { threadId = thread_id, turnId = "u", itemId = "i", startedAtMs = 1 } })
      end
      ask "t" ask "t" ask(threads[1].id) ask(threads[1].id)
      local heard = codex.event()
      local stop = client:on("handler_error", function() heard:set() end)
      threads[2] = client:thread_start { approval_handler = function() error "heard" end }
      ask(threads[2].id)
      heard:wait(5)
      client:close()
    ]]
    assert.equal(2, select(2, text:gsub("codex: a handler of 'item/fileChange/requestApproval' failed: ", "")), text)
    assert.truthy(text:find "script.lua:3: from the client\n", text)
    assert.truthy(text:find("expected 'accept', 'accept_for_session', 'decline', 'cancel', a boolean", 1, true), text)
    assert.is_nil(text:find("heard", 1, true))
  end)

  it("is said in words, and of each tool by its name", function()
    local text = printed_by [[
      local codex = require "codex"
      local client = codex.new { launch_args_override = { %s }, approval_handler = function() error {} end }
      local function tool(name, run) return codex.tool { name = name, description = "", run = run } end
      local thread = client:thread_start { tools = {
        tool("one", function() error { message = "no paper" } end),
        codex.tool_namespace { name = "desk", description = "", tools = {
          tool("two", function() return print end), tool("three", function() error() end) } },
      } }
      local function call(tool, namespace)
        client:request("spec/ask", { method = "item/tool/call", params = { threadId = thread.id, turnId = "u",
          callId = "c", tool = tool, namespace = namespace, arguments = codex.json.decode "{}" } })
      end
      call "one" call "one" call("two", "desk") call("three", "desk")
      client:request("spec/ask", { method = "item/fileChange/requestApproval",
        params = { threadId = "t", turnId = "u", itemId = "i", startedAtMs = 1 } })
      client:close()
    ]]
    assert.equal([[
codex: the tool 'one' failed: no paper
codex: the tool 'desk.two' failed: it returned a function, not a string, a table or content
codex: the tool 'desk.three' failed: it raised nil
codex: a handler of 'item/fileChange/requestApproval' failed: it raised a table
]], text)
  end)
end)

-- The user's thread has an agent do something, and waits for it or doesn't; or pursues a goal, or is reviewed. The
-- server's own reviewer is asked for what it decides.
local AGENTS = [=[
local function run(command)
  return { calls = { { name = "exec_command", arguments = { cmd = command, login = false,
    sandbox_permissions = "require_escalated", justification = "may I?" } } } }
end
local function call(name, arguments)
  return { calls = { { name = name, namespace = "multi_agent_v1", arguments = arguments } } }
end
local function spawn(message)
  return call("spawn_agent", { message = message })
end
local function wait(outputs)
  local agent = outputs[#outputs]:match '"agent_id":"([^"]+)"'
  return call("wait_agent", '{"targets":["' .. agent .. '"],"timeout_ms":20000}')
end
-- All that was said in the thread, and what its tools have answered: the server tells of agents in the user's place,
-- and of goals by an answer without a call.
local function history(request)
  local said, outputs = {}, {}
  for _, item in ipairs(request.input) do
    for _, part in ipairs(item.role == "user" and item.content or {}) do
      said[#said + 1] = part.text
    end
    if item.output and item.call_id then outputs[#outputs + 1] = item.output end
  end
  return table.concat(said, "\n"), outputs
end
return function(request)
  local said, outputs = history(request)
  local step = #outputs + 1
  if said:find("Planned action JSON", 1, true) then
    local outcome = said:find('.*touch (%a+)') and said:match('.*touch (%a+)') == "good" and "allow" or "deny"
    return ('{"outcome":"%s","risk_level":"low","user_authorization":"high","rationale":"as told"}'):format(outcome)
  elseif said:find "judge touch" then
    local asked = select(2, said:gsub("judge touch", ""))
    return step == asked and run(said:match ".*judge (touch %a+)") or "judged"
  elseif said:find "look at" then
    return step == 1 and run "touch by-review" or "reviewed"
  elseif said:find('source="goal"', 1, true) then
    if step == 1 then return run "touch by-goal" end
    if step == 2 then return spawn "AGENT do it" end
    if step == 3 then return wait(outputs) end
    return step == 4 and { calls = { { name = "update_goal", arguments = { status = "complete" } } } } or "reached"
  elseif said:find "have it done" then
    return step == 1 and spawn "AGENT do it" or step == 2 and wait(outputs) or "all done"
  elseif said:find "begin it" then
    return step == 1 and spawn "AGENT do it later" or "it is begun"
  elseif said:find "AGENT do it later" then
    return step == 1 and run "until [ -e go-on ]; do sleep 0.01; done" or step == 2 and run "touch by-agent" or "done"
  elseif said:find "AGENT" then
    return step == 1 and run "touch by-agent" or "done"
  end
end
]=]

describe("a thread's handler", function()
  local client, folder, asked, failure

  setup(function()
    client, folder = asking.open {
      script = AGENTS,
      approval_handler = function()
        error "there is a nearer one"
      end,
    }
    client:on("handler_error", function(err)
      failure = err
    end)
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  before_each(function()
    asked, failure = {}, nil
  end)

  after_each(function()
    assert.is_nil(failure)
    for _, name in ipairs { "by-agent", "by-goal", "by-review", "good", "bad" } do
      os.remove(folder .. "/" .. name)
    end
  end)

  local function start(options)
    options = options or {}
    options.cwd = folder
    options.approval_handler = function(request)
      asked[#asked + 1] = request
      request.was_asked_in = request.turn
      return "accept"
    end
    return client:thread_start(options)
  end

  local function there(name)
    return exists(folder .. "/" .. name)
  end

  it("is asked what a sub-agent asks", function()
    local thread = start()
    local turn = thread:turn "have it done"
    assert.equal("all done", turn:run().final_response)
    assert.equal(1, #asked)
    local request = asked[1]
    assert.not_equal(thread.id, request.thread_id)
    assert.equal(thread, request.thread)
    assert.equal(turn, request.was_asked_in)
    assert.is_true(there "by-agent")
  end)

  it("is asked what a sub-agent asks when the user's turn is over, unlike that turn's own", function()
    local thread = start()
    local over = codex.event()
    local stop = client:on("turn/completed", function(event)
      if event.params.thread_id ~= thread.id then over:set() end
    end)
    thread:run("begin it", {
      approval_handler = function(request)
        assert(request.command ~= "touch by-agent", "that turn is over")
        return "accept"
      end,
    })
    kit.write_file(folder .. "/go-on", "")
    over:wait()
    stop()
    local request = asked[#asked]
    assert.same({ "touch by-agent", thread }, { request.command, request.thread })
    assert.is_nil(request.turn)
    assert.is_true(there "by-agent")
  end)

  it("is asked while a goal is pursued, by its agents too", function()
    local thread = start()
    local goal = thread:goal "make it so"
    assert.equal("reached", goal:run().final_response)
    assert.equal(2, #asked)
    assert.equal(goal, asked[1].was_asked_in)
    assert.same({ "touch by-goal", "touch by-agent" }, { asked[1].command, asked[2].command })
    assert.same({ thread, thread }, { asked[1].thread, asked[2].thread })
    assert.is_true(there "by-goal" and there "by-agent")
  end)

  it("isn't asked for reviews, which may not do what would have to be asked for, nor for compactions", function()
    local thread = start()
    local review = thread:review { target = { type = "custom", instructions = "look at it" } }
    assert.equal("reviewed", review:run().final_response)
    assert.equal("completed", thread:compact():run().status)
    assert.same({}, asked)
    assert.is_false(there "by-review")
  end)

  it("isn't asked when the server's own reviewer decides, whose decisions are events of the turn", function()
    local thread = start { approval_mode = "auto_review" }
    assert.same({ "on-request", "auto_review" }, { thread.approval_policy, thread.approvals_reviewer })
    local decisions = {}
    for _, name in ipairs { "good", "bad" } do
      local turn, begun = thread:turn("judge touch " .. name), nil
      for event in turn:stream { "item/autoApprovalReview/started", "item/autoApprovalReview/completed" } do
        local params = event.params
        if event.method == "item/autoApprovalReview/started" then
          begun = params.review_id
          assert.same({ "inProgress", turn.id }, { params.review.status, params.turn_id })
          assert.truthy(params.action.command:find("touch " .. name, 1, true))
        else
          assert.equal(begun, params.review_id)
          decisions[#decisions + 1] = { params.review.status, params.review.rationale }
        end
      end
      assert.equal("judged", turn:run().final_response)
    end
    assert.same({ { "approved", "as told" }, { "denied", "as told" } }, decisions)
    assert.same({}, asked)
    assert.is_true(there "good")
    assert.is_false(there "bad")
  end)
end)
