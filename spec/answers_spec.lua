--- Exactly one answer goes back for each request of the server's, whatever handlers, turns, clients and servers do
--- meanwhile: sequences at random, against a fake server that keeps a journal. CODEX_SPEC_SEED=n begins with another
--- seed, CODEX_SPEC_CASES=n tries so many.

local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local task = require "codex.task"

local SEED = tonumber(os.getenv "CODEX_SPEC_SEED") or 1
local CASES = tonumber(os.getenv "CODEX_SPEC_CASES") or 100

-- The same on every Lua.
local function generator(seed)
  local state = seed * 7919 % 2147483646 + 1
  return function(count)
    state = state * 16807 % 2147483647
    return math.floor(state / 2147483647 * count) + 1
  end
end

-- What the server asks: the method, its params beside the ids of thread, turn and item; what a handler returns to
-- grant it, and what then is in the answer (which is in no other).
local GRANTS = "expect this"
local kinds = {
  command = { "item/commandExecution/requestApproval", { command = "ls", startedAtMs = 1 }, "accept", '"accept"' },
  file_change = { "item/fileChange/requestApproval", { startedAtMs = 1 }, true, '"accept"' },
  permissions = {
    "item/permissions/requestApproval",
    { cwd = "/", startedAtMs = 1, permissions = { network = { enabled = true } } },
    "accept_for_session",
    '"enabled":true',
  },
  tool = {
    "item/tool/call",
    { tool = "t", callId = "i", arguments = {} },
    { content_items = { { type = "inputText", text = GRANTS } }, success = true },
    GRANTS,
    silent = true,
  },
  user_input = {
    "item/tool/requestUserInput",
    { isBlocking = true, questions = { { id = "q", header = "h", question = "?" } } },
    { q = GRANTS },
    GRANTS,
  },
  elicitation = {
    "mcpServer/elicitation/request",
    { serverName = "s", mode = "url", message = "m", url = "u", elicitationId = "e" },
    true,
    '"accept"',
  },
  mcp_tool = {
    "mcpServer/elicitation/request",
    {
      serverName = "s",
      mode = "form",
      message = "m",
      requestedSchema = { type = "object", properties = {} },
      _meta = { codex_approval_kind = "mcp_tool_call", tool_name = "t" },
    },
    true,
    '"accept"',
  },
  token_refresh = {
    "account/chatgptAuthTokens/refresh",
    { reason = "unauthorized" },
    { access_token = GRANTS, chatgpt_account_id = "a" },
    GRANTS,
    silent = true,
  },
  attestation = { "attestation/generate", {}, GRANTS, GRANTS, silent = true },
  unknown = { "spec/unheard/of", { camelCase = 1 }, { it = GRANTS }, GRANTS },
  old_command = { "execCommandApproval", { command = { "ls" }, cwd = "/", parsedCmd = {} }, true, '"approved"' },
  old_patch = { "applyPatchApproval", { fileChanges = { a = { type = "add", content = "" } } }, true, '"approved"' },
}
for _, name in ipairs { "command", "file_change", "mcp_tool", "old_command", "old_patch", "permissions" } do
  kinds[name].decides = true -- nothing is no decision
end
kinds.attestation.takes_any, kinds.unknown.takes_any = "string", "table"
local kind_names = {}
for name in pairs(kinds) do
  kind_names[#kind_names + 1] = name
end
table.sort(kind_names)

-- ---- one sequence ----

local Case = {}
Case.__index = Case

function Case:pick(list)
  return list[self.random(#list)]
end

function Case:chance(one_in)
  return self.random(one_in) == 1
end

-- Has the server do something, as far as there is one to be told.
function Case:order(actions)
  if self.client.closed then return end
  pcall(self.client.notify, self.client, "spec/do", { actions = codex.array(actions) })
end

-- ---- handlers ----

function Case:wait_for_a_wake()
  local gate = codex.event()
  table.insert(self.gates, gate)
  if not self.ending then gate:wait() end
end

function Case:wake_one()
  local gate = table.remove(self.gates, self.gates[1] and self.random(#self.gates))
  if gate then gate:set() end
end

local unreadable = setmetatable({ zz = 1 }, {
  __index = function()
    error "can't be read"
  end,
})
local nonsense = { 7, "no such word", unreadable, { "x", "y" }, print, { decision = { acept = true } } }

-- What a handler does, at random, and what has to come of that.
local ways = {
  grant = function(_, call)
    call.grants = true
    return kinds[call.kind][3]
  end,
  refuse = function()
    return false
  end,
  nothing = function(_, call)
    call.wrong = kinds[call.kind].decides and not call.cancelled
  end,
  nonsense = function(case, call)
    local answer = case:pick(nonsense)
    call.wrong = type(answer) ~= kinds[call.kind].takes_any
    return answer
  end,
  raise = function(_, call)
    call.raised = call
    error(call, 0)
  end,
  raise_nil = function(_, call)
    call.raised_nil = true
    error(nil)
  end,
}

function Case:answer(call)
  if self:chance(2) then self:wait_for_a_wake() end
  if self:chance(6) then self.client:request("spec/echo", {}) end
  if self:chance(8) then
    self.count = self.count + 1
    self.nested:run("A" .. self.count)
  end
  if self:chance(60) then self.client:close() end
  local way = self:pick(call.is_tool and { "grant", "raise" }
    or { "grant", "grant", "refuse", "nothing", "nonsense", "raise", "raise_nil" })
  call.way = way
  call.cancelled = call.request.cancelled
  return ways[way](self, call)
end

-- A handler; kind is said by the params.
function Case:handler()
  return function(request)
    local call = { kind = self.asked[request.id].kind, request = request }
    table.insert(self.calls, call)
    local returned, answer = task.attempt(self.answer, self, call)
    call.over = true
    if not returned then error(answer, 0) end
    return answer
  end
end

-- A tool of Lua's, whose function is a handler, too.
function Case:tool()
  return codex.tool {
    name = "t",
    description = "for specs",
    run = function(_, tool_call)
      local call = { kind = "tool", is_tool = true, request = tool_call.request }
      table.insert(self.calls, call)
      local returned, answer = task.attempt(self.answer, self, call)
      call.over = true
      if not returned then error(answer, 0) end
      return answer and GRANTS
    end,
  }
end

-- Reads what has no handler in a loop: answers, keeps for later, or forgets.
function Case:read_requests()
  local next_request = self.client:requests()
  local function read()
    if self:chance(20) then return end -- as one who breaks out of a loop, which closes it in Lua 5.4 only
    local request = next_request()
    if not request then return end
    local kind = self.asked[request.id].kind
    local way = self:pick { "grant", "wrong", "later", "drop", "safe" }
    if way == "wrong" then
      local returned, err = pcall(request.answer, request, 7)
      assert(returned and err == false or not returned and codex.is_error(err, "invalid_argument"), err)
    elseif way == "later" then
      table.insert(self.later, { request = request, kind = kind })
    elseif way == "grant" or way == "safe" then
      self:answer_in_loop(request, kind, way == "grant")
    end
    return true
  end
  while read() do end
end

function Case:answer_in_loop(request, kind, grants)
  local call = { kind = kind, id = request.id, grants = grants or nil, in_loop = true }
  table.insert(self.calls, call)
  call.sent = request:answer(grants and kinds[kind][3])
end

function Case:answer_later()
  local kept = table.remove(self.later, self.later[1] and self.random(#self.later))
  if kept then self:answer_in_loop(kept.request, kept.kind, self:chance(2)) end
end

-- ---- what goes on ----

function Case:start_turn()
  local thread = self:pick(self.threads)
  if self.running[thread] then return end
  self.count = self.count + 1
  local turn = { id = "T" .. self.count, thread = thread }
  self.running[thread] = turn
  table.insert(self.turns, turn)
  local options = { raise = false }
  if self:chance(4) then options.request_handler = self:handler() end
  turn.task = task.background(function()
    turn.returned, turn.result = task.attempt(thread.run, thread, turn.id, options)
  end)
  turn.options = options
end

function Case:some_running()
  local list = {}
  for _, turn in ipairs(self.turns) do
    if self.running[turn.thread] == turn then list[#list + 1] = turn end
  end
  return list[1] and self:pick(list)
end

function Case:ask_action()
  local turn = self:some_running()
  if not turn then return end
  local name = self:pick(kind_names)
  local kind = kinds[name]
  self.count = self.count + 1
  local id = self:chance(3) and "id " .. self.count or self.count
  local params = { threadId = turn.thread.id, turnId = turn.id, itemId = "i" }
  if name:find "^old" then params = { conversationId = turn.thread.id, callId = "i" } end
  for member, value in pairs(kind[2]) do
    params[member] = value
  end
  self.asked[id] = { kind = name }
  table.insert(self.ids, id)
  local text = cjson.encode(params):gsub('"parsedCmd":{}', '"parsedCmd":[]')
  return {
    ["do"] = "ask",
    id = id,
    method = kind[1],
    params = text,
    turn = turn.id,
    thread = turn.thread.id,
    silent = kind.silent,
  }
end

function Case:resolve_action()
  local id = self.ids[1] and self.ids[math.max(1, #self.ids + 1 - self.random(4))]
  return id and { ["do"] = "resolve", id = id }
end

function Case:complete_action()
  local turn = self:some_running()
  if not turn then return end
  self.running[turn.thread] = nil
  turn.status = self:pick { "completed", "completed", "interrupted", "failed" }
  turn.text = "text of " .. turn.id
  local failure = turn.status == "failed" and { message = "failed " .. turn.id } or nil
  local action = { ["do"] = "complete", thread = turn.thread.id, turn = turn.id, text = turn.text }
  action.status, action.failure = turn.status, failure
  return action
end

local often = { "ask_action", "ask_action", "ask_action", "ask_action", "resolve_action", "complete_action" }

-- Several of the server's lines at once.
function Case:burst()
  local actions = {}
  for _ = 1, self.random(5) do
    local what = self:pick(often)
    actions[#actions + 1] = self[what](self)
  end
  if actions[1] then self:order(actions) end
end

function Case:interrupt()
  local turn = self:some_running()
  if not turn then return end
  self.running[turn.thread], turn.interrupted = nil, true
  turn.interrupting = task.background(task.attempt, function()
    for handle in pairs(self.client._turns) do
      local running = self.client._turns[handle]
      if running.id == turn.id then running:interrupt() end
    end
  end)
  -- one that hasn't been answered yet isn't known
  turn.interrupting:when_over(function()
    self:order { { ["do"] = "complete", thread = turn.thread.id, turn = turn.id, status = "interrupted" } }
  end)
end

local steps = {
  start_turn = Case.start_turn,
  burst = Case.burst,
  interrupt = Case.interrupt,
  wake = Case.wake_one,
  later = Case.answer_later,
  sync = function(case)
    case.client:request("spec/echo", {})
  end,
  breathe = function()
    codex.sleep(0)
  end,
  collect = function(case)
    if case.reading then collectgarbage() end
  end,
}
local usual = { "start_turn", "start_turn", "burst", "burst", "burst", "wake", "wake", "later", "sync", "breathe",
  "interrupt", "collect" }

function Case:step()
  steps[self:pick(usual)](self)
end

-- ---- the end ----

-- What the server's journal says of each request: in which order it was asked, resolved and answered.
local function journal_of(case)
  local asked = {}
  for _, line in ipairs(case.received()) do
    local message = cjson.decode(line)
    local known = message.id ~= nil and asked[message.id]
    if message.journal == "asked" then
      asked[message.id] = { answers = {}, resolved = false }
    elseif message.journal == "resolved" then
      known.resolved = known.resolved or #known.answers == 0
    elseif message.id ~= nil and not message.method then
      assert(known, "an answer to what was never asked: " .. line)
      assert((message.result ~= nil) ~= (message.error ~= nil), line)
      table.insert(known.answers, line)
    end
  end
  return asked
end

-- What still waits for its answer, by the journal, and how much was asked.
local function unanswered(case)
  local list, count = {}, 0
  for id, asked in pairs(journal_of(case)) do
    count = count + 1
    if not asked.resolved and #asked.answers == 0 then
      list[#list + 1] = ("%s (%s)"):format(tostring(id), case.asked[id].kind)
    end
  end
  return list, count
end

local function all(list, is_so)
  for _, entry in ipairs(list) do
    if not is_so(entry) then return false end
  end
  return true
end

function Case:end_handlers()
  self.ending = true
  while self.gates[1] do
    self:wake_one()
  end
end

function Case:end_turns()
  for _, turn in ipairs(self.turns) do
    if self.running[turn.thread] == turn then
      self.running[turn.thread] = nil
      turn.status, turn.text = "completed", "text of " .. turn.id
      self:order { { ["do"] = "complete", thread = turn.thread.id, turn = turn.id, text = turn.text } }
    end
  end
end

-- Whether nobody has anything to say any more.
function Case:is_quiet()
  for _, request in pairs(self.client._asked) do
    if not request._released and request._handle:open() then return false end
  end
  return all(self.calls, function(call)
    return call.over or call.in_loop
  end)
end

-- Whatever is under way comes to its end; the server has then read all that it was told.
function Case:finish()
  self:end_handlers()
  self:end_turns()
  while not all(self.turns, function(turn)
    return turn.returned ~= nil
  end) do
    codex.sleep(0.001)
  end
  while not self:is_quiet() do
    if self.reading then collectgarbage() end -- which else nothing may depend on
    self:end_handlers()
    while self.later[1] do
      self:answer_later()
    end
    codex.sleep(0.001)
  end
  if self.client.closed or not task.attempt(self.client.request, self.client, "spec/echo", {}) then return end
  local waiting = unanswered(self) -- before closing the client answers them
  assert(not waiting[1], "no answer to " .. table.concat(waiting, ", "))
end

local endings = {
  function() end,
  function(case)
    case.was_closed = true
    case.client:close()
  end,
  function(case)
    case.died = true
    case:order { case:ask_action() or nil, { ["do"] = "die" } }
  end,
}

function Case:play()
  for _ = 1, 2 do
    local options = {}
    if self:chance(2) then options.request_handler = self:handler() end
    if self:chance(3) then options.approval_handler = self:handler() end
    if self:chance(2) then options.tools = { self:tool() } end
    table.insert(self.threads, self.client:thread_start(options))
  end
  self.nested = self.client:thread_start { cwd = "/" }
  if self:chance(2) then self.reading = task.background(task.attempt, self.read_requests, self) end
  for _ = 1, 2 do
    self:start_turn()
  end
  for _ = 1, 10 + self.random(50) do
    local stepped = task.attempt(self.step, self)
    if not stepped and (self.client.closed or self.client._core:error()) then break end
  end
  endings[math.max(1, self.random(5) - 2)](self)
  self:finish()
end

local function new_case(seed)
  local random = generator(seed)
  random(2)
  local case = setmetatable({
    asked = {},
    calls = {},
    count = 0,
    errors = {},
    gates = {},
    ids = {},
    later = {},
    random = random,
    running = {},
    threads = {},
    turns = {},
  }, Case)
  local extra = { request_timeout = 10 }
  if case:chance(4) then extra.handler_timeout = 0.002 end
  if case:chance(2) then extra.request_handler = case:handler() end
  local options, received = kit.fake("require 'spec.support.questioner' (server)", extra)
  case.client, case.received, case.options = codex.new(options), received, options
  case.client:on("handler_error", function(err, request)
    table.insert(case.errors, { err = err, request = request })
  end)
  return case
end

-- ---- what has to hold ----

local function calls_by_id(case)
  local by_id = {}
  for _, call in ipairs(case.calls) do
    local id = call.id or call.request.id
    assert(not by_id[id] or call.in_loop, "two handlers were asked for " .. tostring(id))
    by_id[id] = by_id[id] and by_id[id].grants and by_id[id] or call
  end
  return by_id
end

-- PUC Lua 5.1 runs handlers in tasks within tasks: between the two the server may call the question off.
local has_gap = not luas.yield_anywhere

local function is_between(call)
  return has_gap and call.request and call.request.cancelled and not call.cancelled
end

local function check_answers(case)
  local calls = calls_by_id(case)
  for id, asked in pairs(journal_of(case)) do
    local call, what = calls[id], ("%s (%s)"):format(tostring(id), case.asked[id].kind)
    assert(#asked.answers <= 1, what .. " has two answers: " .. table.concat(asked.answers, " "))
    local granted = asked.answers[1] and asked.answers[1]:find(kinds[case.asked[id].kind][4], 1, true)
    if granted then assert(call and call.grants, what .. " was granted by nobody: " .. asked.answers[1]) end
    local owed = call and call.grants and (call.in_loop and call.sent or not call.in_loop and not call.cancelled)
    if owed and asked.answers[1] and not case.client.closed_early and not is_between(call) then
      assert(granted, what .. " was granted by its handler, and refused: " .. asked.answers[1])
    end
  end
  local waiting, count = unanswered(case)
  local unread = count - case.client:statistics().server_requests -- that the client never came to read
  assert(case.died or #waiting <= unread, "no answer to " .. table.concat(waiting, ", "))
end

local function check_turns(case)
  for _, turn in ipairs(case.turns) do
    local result, name = turn.result, turn.id
    if turn.returned then
      assert(result.id == turn.id, name)
      assert(turn.interrupted and result.status == "interrupted" or result.status == turn.status, name)
      if turn.status == "completed" then assert(result.final_response == turn.text, name) end
    else
      local kind = codex.is_error(result) and result.kind
      assert(kind == "closed" and case.client.closed_early or kind == "transport_closed" and case.died,
        ("%s: %s"):format(name, tostring(result)))
    end
  end
end

-- What was told of a call, and how often that it took too long.
local function errors_of(case, call)
  local list, timeouts = {}, 0
  for _, told in ipairs(case.errors) do
    if told.request == call.request and codex.is_error(told.err, "timeout") then
      timeouts = timeouts + 1
    elseif told.request == call.request then
      list[#list + 1] = told.err
    end
  end
  return list, timeouts
end

local function expected_errors(call, timeouts)
  if call.raised or call.raised_nil then return 1 end
  if timeouts > 0 then return 0 end
  if call.wrong then return 1 end
  return call.cancelled and not call.is_tool and call.way ~= "nothing" and 1 or 0
end

local function check_call(case, call)
  local told, timeouts = errors_of(case, call)
  local expected = expected_errors(call, timeouts)
  assert(timeouts <= 1, "told twice that it took too long")
  local message = ("%s: %d errors instead of %d: %s"):format(call.way, #told, expected, tostring(told[1]))
  if is_between(call) then return assert(#told <= 2, message) end
  -- of a client that was closed nobody is told that it was
  local quiet = case.client.closed_early and not call.raised and not call.raised_nil
  assert(#told == expected or quiet and #told < expected, message)
  assert(not call.raised or told[1] == call.raised, tostring(told[1]))
end

local function check_errors(case)
  for _, call in ipairs(case.calls) do
    if not call.in_loop and call.way then check_call(case, call) end
  end
end

local function check(case)
  check_answers(case)
  check_turns(case)
  check_errors(case)
end

local function run_case(seed)
  local case = new_case(seed)
  local close = case.client.close
  function case.client.close(client)
    client.closed_early = client.closed_early or not client.finished
    return close(client)
  end
  codex.run(function()
    codex.timeout(30, case.play, case)
  end)
  case.client.finished = true
  case.client:close()
  -- those that were asked at the very end may have gone on
  for _ = 1, 3 do
    codex.step(0)
  end
  check(case)
  return case
end

describe("each request of the server's", function()
  teardown(kit.cleanup)

  it("gets exactly one answer, whatever happens", function()
    local requests, turns = 0, 0
    for seed = SEED, SEED + CASES - 1 do
      local passed, result = xpcall(function()
        return run_case(seed)
      end, debug.traceback)
      if not passed then error(("CODEX_SPEC_SEED=%d: %s"):format(seed, tostring(result)), 0) end
      requests, turns = requests + #result.ids, turns + #result.turns
    end
    if os.getenv "CODEX_SPEC_VERBOSE" then print(requests .. " requests, " .. turns .. " turns") end
  end)
end)

-- A server that asks once in a turn, and tells with its end how it was answered.
local ASKS_ONCE = [[
  server:handshake()
  server:thread "thread-1"
  while true do
    server:turn("T1")
    server:request(7, "item/fileChange/requestApproval",
      { threadId = "thread-1", turnId = "T1", itemId = "i", startedAtMs = 1 })
    local answer = server:expect_answer(7)
    server:message("thread-1", "T1", "m", require("cjson").encode(answer.result))
    server:turn_completed("thread-1", "T1")
  end]]

local DECLINED = '{"decision":"decline"}'

local function asks_once(options)
  local client, failures = kit.open((kit.fake(ASKS_ONCE, options))), {}
  client:on("handler_error", function(err)
    failures[#failures + 1] = err
  end)
  return client:thread_start(), client, failures
end

describe("what a handler returns", function()
  after_each(kit.cleanup)

  it("may raise when it is looked into: that is reported, and the answer is no", function()
    local thread, _, failures = asks_once {
      approval_handler = function()
        return unreadable
      end,
    }
    assert.equal(DECLINED, thread:run("go", { timeout = 10 }).final_response)
    assert.equal(1, #failures)
    assert.is_true(codex.is_error(failures[1], "invalid_argument"))
    local problem = "item/fileChange/requestApproval: the handler's answer can't be read: "
    assert.truthy(failures[1].message:find(problem, 1, true), failures[1].message)
    assert.truthy(failures[1].message:find "can't be read$", failures[1].message)
  end)
end)

describe("a handler", function()
  after_each(kit.cleanup)

  it("gets the request, and nothing else", function()
    local count
    local thread = asks_once {
      approval_handler = function(...)
        count = select("#", ...)
        return true
      end,
    }
    thread:run("go", { timeout = 10 })
    assert.equal(1, count)
  end)

  it("may start tasks that go on after it", function()
    local went_on = codex.event()
    local thread = asks_once {
      approval_handler = function()
        codex.spawn(function()
          codex.sleep(0.001)
          went_on:set()
        end)
        return true
      end,
    }
    thread:run("go", { timeout = 10 })
    assert.is_true(went_on:wait(10))
  end)

  -- as finalizers may bring about that run the loop
  it("learns that it was called off while it was being put together", function()
    local requests, begun = require "codex.server_request", codex.event()
    local original, client = requests.new, nil
    finally(function()
      requests.new = original
    end)
    function requests.new(...)
      local request = original(...)
      client:request("spec/go on", {})
      return request
    end
    local cancelled
    client = kit.open((kit.fake([[
      server:handshake()
      server:expect "spec/go on"
      server:request(7, "item/fileChange/requestApproval",
        { threadId = "t", turnId = "T", itemId = "i", startedAtMs = 1 })
      local message = server:expect "spec/go on"
      server:notify("serverRequest/resolved", { threadId = "t", requestId = 7 })
      server:reply(message, {})]], {
      request_timeout = 5,
      approval_handler = function(request)
        request:when_cancelled(function()
          cancelled = true
          begun:set()
        end)
      end,
    })))
    client:notify("spec/go on", {})
    begun:wait(10)
    assert.is_true(cancelled)
  end)

  it("that ends with its client leaves no timer behind", function()
    local gate, begun = codex.event(), codex.event()
    local thread, client = asks_once {
      handler_timeout = 3600,
      approval_handler = function()
        begun:set()
        gate:wait()
        return true
      end,
    }
    local turn = thread:turn "go"
    begun:wait(10)
    gate:set()
    client:close()
    assert.is_true(codex.is_error(select(2, pcall(turn.run, turn)), "closed"))
    codex.step(0)
    for _, timer in ipairs(require("codex.loop").timers) do
      assert.is_true(timer.at < require("codex.core").now() + 1000) -- others may have left some
    end
  end)
end)
