--- Requests, answers, notifications, and what the server asks.

local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local function failure(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(codex.is_error(err), tostring(err))
  return err
end

local function fake(scenario, extra)
  local options, received = kit.fake(scenario, extra)
  options.request_timeout = options.request_timeout or 10
  return codex.new(options), received, options
end

-- What the server was sent, decoded, that the pattern is found in.
local function messages(received, pattern)
  local found = {}
  for _, line in ipairs(received()) do
    if line:find(pattern) then found[#found + 1] = cjson.decode(line) end
  end
  return found
end

local function requests(client, count, method)
  local functions = {}
  for i = 1, count do
    functions[i] = function() return client:request(method or "spec/x", { n = i }) end
  end
  return functions
end

after_each(kit.cleanup)

describe("answers", function()
  it("find their requests in any order", function()
    local client = fake [[
      server:handshake()
      local held = {}
      for i = 1, 40 do held[i] = server:read() end
      for i = 1, 40 do
        local message = held[i * 7 % 41]
        server:reply(message, { n = message.params.n })
      end]]
    for i, result in ipairs(codex.gather(requests(client, 40))) do assert.equal(i, result.n) end
    client:close()
  end)

  it("with ids nobody knows, or knows no more, are counted and else ignored", function()
    local client = fake [[
      server:handshake()
      local first, second = server:read(), server:read()
      local function answer(id, result) server:raw(('{"id":%s,"result":%s}\n'):format(id, result or '"wrong"')) end
      for _, id in ipairs{ "0", "-1", "99", "2.5", "18446744073709551617", "1e1", '""', '"x"' } do answer(id) end
      answer(('"%d"'):format(first.id)) -- a string is not the number
      answer("1") -- initialize, once more
      server:raw('{"error":{"code":-32700,"message":"what?"},"id":null}\n')
      server:reply(second, { n = 2 })
      server:reply(second, { n = "again" })
      server:error(second, -32603, "and again")
      server:reply(first, { n = 1 })
      server:reply(server:read(), { n = 3 })]]
    local results = codex.gather(requests(client, 2))
    assert.same({ { n = 1 }, { n = 2 } }, results)
    assert.equal(3, client:request("spec/x", {}).n)
    local statistics = client._core:statistics()
    assert.equal(13, statistics.unknown_ids + statistics.invalid_lines)
    assert.equal(0, statistics.answers)
    client:close()
  end)

  it("may be anything", function()
    local client = fake [[
      server:handshake()
      for _, result in ipairs{ "null", "7", "[]", '"text"', "false", "{}", '[null,{"a":null}]' } do
        server:reply(server:read(), result)
      end]]
    local function ask() return client:request("spec/x", {}) end
    assert.equal(codex.null, ask())
    assert.equal(7, ask())
    local list = ask()
    assert.equal("[]", codex.json.encode(list))
    assert.equal("text", ask())
    assert.equal(false, ask())
    assert.same({}, ask())
    assert.equal('[null,{"a":null}]', codex.json.encode(ask()))
    client:close()
  end)

  it("of methods nobody knows are free-form, and so are their params", function()
    local client, received = fake [[
      server:handshake()
      while true do
        local line = server:read_line()
        if not line then break end
        local id = line:match('"id":(%d+)')
        server:raw(('{"id":%s,"result":%s}\n'):format(id, line:match('"params":(.*)}$') or '"none"'))
      end]]
    local params = {
      camelCase = { snake_case = 1, ["with space"] = 2, [""] = 3 },
      list = codex.array {},
      empty = {},
      null = codex.null,
      big = luas.max_integer,
      float = 1.5,
      mixed = { 1, codex.null, "x" },
      text = "\195\164 \226\130\172 \240\159\152\128 \0 \127 \"\\/",
    }
    local result = client:request("spec/anything", params)
    assert.same(params, result)
    assert.equal(codex.null, result.null)
    assert.equal(params.big, result.big)
    assert.equal(tostring(params.big), tostring(result.big))
    local line = table.concat(received(), "\n")
    assert.is_truthy(line:find('"list":[]', 1, true))
    assert.is_truthy(line:find('"empty":{}', 1, true))
    assert.same({}, client:request "spec/without params")
    client:close()
  end)

  it("come to many waiters, each its own", function()
    local client = kit.client()
    local ids, functions = {}, {}
    for i = 1, 3000 do
      ids[i] = ("%08x-0000-7000-8000-%012x"):format(i, i)
      functions[i] = function() return failure(client.request, client, "thread/read", { thread_id = ids[i] }) end
    end
    local results = codex.gather(functions)
    assert.equal(3000, #results)
    for i = 1, 3000 do
      assert.equal("thread_not_found", results[i].reason)
      assert.is_truthy(results[i].message:find(ids[i], 1, true), results[i].message)
    end
    assert.equal(0, client._core:statistics().unknown_ids)
    client:close()
  end)

  it("come to 3,000 lists at once", function()
    local client = kit.client()
    local functions = {}
    for i = 1, 3000 do
      functions[i] = function() return client:request("thread/loaded/list", {}) end
    end
    local results = codex.gather(functions)
    for i = 1, 3000 do assert.same({}, results[i].data) end
    client:close()
  end)
end)

describe("an error answer", function()
  for _, case in ipairs {
    { -32700, "what?", "parse_error" },
    { -32600, "no good", "invalid_request" },
    { -32600, "Invalid request: unknown variant `spec/x`, expected one of `initialize`, `d`", "invalid_request",
      "unknown_method" },
    { -32600, "Invalid request: unknown variant `a`, expected `c` or `d`", "invalid_request" },
    { -32600, "thread/start.x requires experimentalApi capability", "invalid_request", "needs_experimental" },
    { -32600, "no active turn to interrupt", "invalid_request", "no_active_turn" },
    { -32600, "no active turn to steer", "invalid_request", "no_active_turn" },
    { -32600, "expected active turn id `A` but found `B`", "invalid_request", "turn_mismatch" },
    { -32600, "expected active turn id A but found B", "invalid_request", "turn_mismatch" },
    { -32600, "no rollout found for thread id x", "invalid_request", "no_rollout" },
    { -32600, "thread not found: x", "invalid_request", "thread_not_found" },
    { -32600, "thread not loaded: x", "invalid_request", "thread_not_found" },
    { -32600, "thread x already has an active writer", "invalid_request", "active_writer" },
    { -32601, "list_turns is not supported yet", "method_not_found" },
    { -32602, "too long", "invalid_params", "input_too_large", { input_error_code = "input_too_large" } },
    { -32602, "bad", "invalid_params" },
    { -32603, "oops", "internal_error" },
    { -32001, "Server overloaded; retry later.", "server_busy" },
    { -32050, "later", "server_busy", "server_overloaded", { codexErrorInfo = "serverOverloaded" } },
    { -32001, "exceeded retry limit, last status: 429", "retry_limit_exceeded" },
    { -32000, "too many failed attempts", "retry_limit_exceeded" },
    { -32000, "other", "rpc" },
    { -31999, "retry limit", "rpc" },
    { 7, "mine", "rpc", nil, { a = { 1, 2 } } },
    { 0, "", "rpc" },
  } do
    local code, message, kind, reason, data = case[1], case[2], case[3], case[4], case[5]
    local sent = data and ("%q"):format(cjson.encode(data)) or "nil"
    it(("%d %q is %s"):format(code, message, reason or kind), function()
      local client = fake(([[
        server:handshake()
        server:error(server:read(), %d, %q, %s)]]):format(code, message, sent))
      local err = failure(client.request, client, "spec/x", {})
      assert.same({ kind, code, reason, "spec/x" }, { err.kind, err.code, err.reason, err.method })
      assert.same(data, err.data)
      if message == "" then
        assert.is_true(#err.message > 0)
      else
        assert.equal((message:gsub(", expected one of.*", "")), err.message)
      end
      assert.is_truthy(tostring(err):find("spec/x: ", 1, true))
      assert.equal(kind == "server_busy", codex.is_retryable_error(err))
      assert.is_truthy(err.traceback:find("rpc_spec.lua", 1, true))
      client:close()
    end)
  end

  it("in the real server's words has its reason", function()
    local client = kit.client()
    local id = "00000000-0000-7000-8000-000000000000"
    local function reason(...) return failure(client.request, client, ...).reason end
    assert.equal("unknown_method", reason("no/such/method", {}))
    assert.equal("no_rollout", reason("thread/resume", { thread_id = id }))
    assert.equal("thread_not_found", reason("turn/start", { thread_id = id, input = {} }))
    local thread = client:thread_start()
    assert.equal("no_active_turn", reason("turn/interrupt", { thread_id = thread.id, turn_id = id }))
    local err = failure(thread.run, thread, ("x"):rep(1048577))
    assert.same({ "invalid_params", "input_too_large", 1048577 }, { err.kind, err.reason, err.data.actual_chars })
    assert.equal("turn/start", err.method)
    local unknown = failure(client.request, client, "no/such/method", {})
    assert.is_true(#unknown.message < 200, unknown.message)
    client:close()
  end)

  it("may be malformed, and is an error all the same", function()
    local samples = {
      "{}", '"boom"', "5", "true", "false", "[]", '[{"code":1}]', '{"code":"x","message":"m"}', '{"code":null}',
      '{"message":"m"}', '{"message":null,"code":1}', '{"message":7,"code":1}', '{"message":{"a":1},"code":1}',
      '{"code":1.5,"message":"m"}', '{"code":99999999999999999999,"message":"m"}', '{"code":[],"data":null}',
      '{"code":-32600,"message":"\\ud800"}', '{"code":-32600,"message":"' .. ("y"):rep(5000) .. '"}',
    }
    local client = fake(([[
      server:handshake()
      for _, sample in ipairs(require("cjson").decode(%q)) do
        server:raw(('{"error":%%s,"id":%%d}\n'):format(sample, server:read().id))
      end
      server:reply(server:read(), {})]]):format(cjson.encode(samples)))
    local lengths = {}
    for i, sample in ipairs(samples) do
      local err = failure(client.request, client, "spec/x", {})
      assert.equal("string", type(err.message), sample)
      assert.is_true(#err.message > 0, sample)
      assert.is_true(err.kind == "rpc" or err.kind == "invalid_request", sample)
      assert.equal("number", type(err.code), sample)
      assert.equal("string", type(tostring(err)))
      lengths[i] = #err.message
    end
    assert.equal(5000, lengths[#samples])
    assert.same({}, client:request("spec/x", {}))
    client:close()
  end)
end)

describe("a request", function()
  it("has the client's timeout, or one of its own", function()
    local client = fake([[
      server:handshake()
      while true do
        local message = server:read()
        if not message then break end
        if message.method == "spec/slow" then
          server:sleep(0.3)
          server:reply(message, {})
        end
      end]], { request_timeout = 0.1 })
    local err = failure(client.request, client, "spec/silent", {})
    assert.same({ "timeout", "spec/silent" }, { err.kind, err.method })
    assert.equal("timeout", failure(client.request, client, "spec/silent", {}, { timeout = 0.01 }).kind)
    assert.equal("timeout", failure(client.request, client, "spec/silent", {}, { timeout = 0 }).kind)
    assert.same({}, client:request("spec/slow", {}, { timeout = 10 }))
    client:close()
  end)

  it("that timed out is forgotten: its answer is ignored, its place is free", function()
    local client = fake([[
      server:handshake()
      local late = server:read()
      local message = server:read()
      server:reply(late, { n = "late" })
      server:reply(message, { n = message.params.n })
      server:reply(server:read(), { n = 3 })]], { max_in_flight = 1 })
    assert.equal("timeout", failure(client.request, client, "spec/x", {}, { timeout = 0.05 }).kind)
    assert.equal(2, client:request("spec/x", { n = 2 }).n)
    assert.equal(3, client:request("spec/x", {}).n)
    assert.equal(1, client._core:statistics().unknown_ids)
    client:close()
  end)

  it("may time out in the queue, and is never sent then", function()
    local client, received = fake([[
      server:handshake()
      local first = server:read()
      server:expect("spec/go")
      server:reply(first, {})
      while true do server:reply(server:expect("spec/c"), {}) end]], { max_in_flight = 1 })
    codex.gather {
      function() client:request("spec/a", {}) end,
      function()
        assert.equal("timeout", failure(client.request, client, "spec/b", {}, { timeout = 0.05 }).kind)
        client:notify("spec/go", {})
      end,
    }
    client:request("spec/c", {})
    assert.equal(0, #messages(received, "spec/b"))
    client:close()
  end)

  it("given up by a cancelled task is answered to nobody", function()
    local client = fake [[
      server:handshake()
      local first = server:read()
      server:expect("spec/now")
      server:reply(first, {})
      server:reply(server:read(), { n = 2 })]]
    assert.equal("timeout", failure(codex.timeout, 0.05, client.request, client, "spec/x", {}).kind)
    client:notify("spec/now", {})
    collectgarbage()
    assert.equal(2, client:request("spec/x", {}).n)
    client:close()
  end)

  for what, arguments in pairs {
    ["a method that is no string"] = { 7 },
    ["params that are no table"] = { "spec/x", "text" },
    ["params with a function"] = { "spec/x", { f = print } },
    ["params with a wrong type"] = { "thread/read", { thread_id = 7 } },
    ["params with an unknown name"] = { "thread/read", { thread_id = "x", thread = 1 } },
    ["an unknown option"] = { "spec/x", {}, { timeot = 1 } },
    ["a negative timeout"] = { "spec/x", {}, { timeout = -1 } },
  } do
    it("is refused with " .. what .. ", and nothing is sent", function()
      local client, received = fake [[ server:handshake() server:reply(server:read(), {}) ]]
      local err = failure(client.request, client, arguments[1], arguments[2], arguments[3])
      assert.equal("invalid_argument", err.kind)
      client:request("spec/after", {})
      assert.equal(3, #received())
      client:close()
    end)
  end
end)

describe("whoever waits when a client is closed whose server has gone by itself", function()
  -- Nothing is dispatched between the server's death, which nobody has noticed yet, and the end of close.
  local function closed_after_death(wait)
    local client = fake [[
      server:handshake() server:thread "t" server:turn "u"
      repeat local message = server:read() until message.method == "go"
      server:exit(0)
    ]]
    local thread = client:thread_start()
    local turn = thread:turn "x"
    local waiting = codex.spawn(wait, client, turn)
    codex.step(0)
    client:notify "go"
    local pid = client._core:pid()
    assert.truthy(kit.eventually(function() return not kit.process_alive(pid) end))
    client:close()
    return waiting
  end

  it("for an answer is told", function()
    local waiting = closed_after_death(function(client) client:request "spec/x" end)
    assert.equal("closed", failure(waiting.join, waiting).kind)
  end)

  it("for a turn is told", function()
    local waiting = closed_after_death(function(_, turn) turn:run() end)
    assert.equal("closed", failure(waiting.join, waiting).kind)
  end)

  it("for a notification is told", function()
    local waiting = closed_after_death(function(client)
      local next_event = client:notifications()
      return next_event() == nil and "over"
    end)
    assert.equal("over", waiting:join())
  end)
end)

describe("what is sent", function()
  -- The server says nothing to what is deeper, and the request would end with its timeout.
  it("may be as deep as the real server reads it, and no deeper", function()
    local client = kit.client()
    local function nested(depth)
      local value = {}
      for _ = 2, depth do value = { a = value } end
      return value
    end
    assert.is_truthy(client:request("thread/start", { config = nested(125) }, { timeout = 10 }).thread)
    local err = failure(client.request, client, "thread/start", { config = nested(126) })
    assert.equal("invalid_argument", err.kind)
    assert.is_truthy(err.message:find("nested more than 126 deep, or in a circle", 1, true), err.message)
    client:close()
  end)
end)

describe("max_in_flight", function()
  -- Notifications don't wait in the queue, so what comes before one was on the wire at once.
  local COUNT = [[
    server:handshake()
    local held, before = {}, 0
    while true do
      local message = server:read()
      if message.method == "spec/mark" then break end
      held[#held + 1] = message
    end
    before = #held
    for i = 1, TOTAL do
      held[i] = held[i] or server:read()
      server:reply(held[i], { before = before, n = held[i].params.n, place = i })
    end]]

  local function on_wire(total, most)
    local client = fake(COUNT:gsub("TOTAL", total), { max_in_flight = most })
    local functions = requests(client, total)
    functions[total + 1] = function() client:notify("spec/mark", {}) end
    local results = codex.gather(functions)
    for i = 1, total do assert.same({ i, i }, { results[i].n, results[i].place }) end
    client:close()
    return results[1].before
  end

  it("lets no more onto the wire, and keeps the order", function()
    assert.equal(4, on_wire(4, 5))
    assert.equal(5, on_wire(5, 5))
    assert.equal(5, on_wire(6, 5))
    assert.equal(1, on_wire(20, 1))
  end)

  it("is 64 unless told otherwise", function()
    assert.equal(63, on_wire(63))
    assert.equal(64, on_wire(64))
    assert.equal(64, on_wire(65))
    assert.equal(64, on_wire(300))
  end)

  -- without the sandbox, which can't be had everywhere that specs run (a chroot, say)
  local function execute(client, command)
    local params = { command = command, sandbox_policy = { type = "dangerFullAccess" } }
    return client:request("command/exec", params, { timeout = 30 })
  end

  it("doesn't keep short requests waiting for long ones", function()
    local client = kit.client()
    local order, functions = {}, {}
    for i = 1, 100 do
      functions[i] = function()
        local result = execute(client, { "/bin/sh", "-c", "sleep 1; echo " .. i })
        order[#order + 1] = "long"
        return result.stdout
      end
    end
    functions[101] = function()
      client:thread_list()
      order[#order + 1] = "short"
      return "listed"
    end
    local results = codex.gather(functions)
    for i = 1, 100 do assert.equal(i .. "\n", results[i]) end
    local place
    for i, what in ipairs(order) do place = what == "short" and i or place end
    assert.is_true(place < 50, "only " .. place .. ". of 101")
    client:close()
  end)

  it("loses nothing of a burst of long ones", function()
    local client = kit.client()
    local functions = {}
    for i = 1, 300 do
      functions[i] = function()
        return execute(client, { "/bin/echo", tostring(i) }).stdout
      end
    end
    for i, text in ipairs(codex.gather(functions)) do assert.equal(i .. "\n", text) end
    client:close()
  end)
end)

describe("notify", function()
  it("sends what it is given, at once and without an id", function()
    local client, received = fake [[
      server:handshake()
      local message = server:expect("spec/hello")
      server:reply(server:expect("spec/x"), { had = message.params, no_id = message.id == nil })]]
    client:notify("spec/hello", { camelCase = { 1, 2 } })
    client:notify "spec/bare"
    assert.same({ had = { camelCase = { 1, 2 } }, no_id = true }, client:request("spec/x", {}))
    assert.equal(1, #messages(received, "spec/hello"))
    assert.equal("invalid_argument", failure(client.notify, client, nil).kind)
    assert.equal("invalid_argument", failure(client.notify, client, "spec/x", { f = print }).kind)
    client:close()
  end)
end)

describe("what the server asks", function()
  local KINDS = {
    "item/commandExecution/requestApproval", "item/fileChange/requestApproval", "item/permissions/requestApproval",
    "item/tool/call", "item/tool/requestUserInput", "mcpServer/elicitation/request", "applyPatchApproval",
    "execCommandApproval", "account/chatgptAuthTokens/refresh", "attestation/generate", "currentTime/read",
    "something/unknown",
  }

  local SAFE = {
    ["item/commandExecution/requestApproval"] = function(r) return r.decision == "decline" end,
    ["item/fileChange/requestApproval"] = function(r) return r.decision == "decline" end,
    ["item/permissions/requestApproval"] = function(r) return not next(r.permissions) end,
    ["item/tool/call"] = function(r)
      return r.success == false and r.contentItems[1].type == "inputText" and #r.contentItems[1].text > 0
    end,
    ["item/tool/requestUserInput"] = function(r) return not next(r.answers) end,
    ["mcpServer/elicitation/request"] = function(r) return r.action == "decline" end,
    ["applyPatchApproval"] = function(r) return r.decision == "denied" or r.decision.denied end,
    ["execCommandApproval"] = function(r) return r.decision == "denied" or r.decision.denied end,
    ["currentTime/read"] = function(r) return math.abs(r.currentTimeAt - os.time()) < 600 end,
  }

  local function check(answers, kinds, ids)
    assert.equal(#kinds, #answers)
    local by_id = {}
    for _, answer in ipairs(answers) do
      assert.is_nil(by_id[answer.id])
      by_id[answer.id] = answer
    end
    for i, id in ipairs(ids) do
      local answer = by_id[id]
      local is_safe = SAFE[kinds[i]]
      if is_safe then
        assert.is_nil(answer.error)
        assert.is_truthy(is_safe(answer.result), kinds[i])
      else
        assert.is_nil(answer.result)
        assert.equal("number", type(answer.error.code))
        assert.is_true(#answer.error.message > 0)
        if kinds[i] == "something/unknown" then assert.equal(-32601, answer.error.code) end
      end
    end
  end

  local ASK = [[
    server:handshake()
    local kinds, lines = { KINDS }, {}
    for i, kind in ipairs(kinds) do
      lines[#lines + 1] = ('{"id":%d,"method":"%s","params":{"threadId":"T","turnId":"U"}}\n'):format(i - 1, kind)
      lines[#lines + 1] = ('{"method":"%s","params":{"turnId":null},"id":"s-%d"}\n'):format(kind, i)
    end
    server:raw(table.concat(lines)) -- in one piece
    io.open(arg[1] .. ".asked", "w"):close() ]]

  local quoted_kinds = {}
  for i, kind in ipairs(KINDS) do quoted_kinds[i] = ("%q"):format(kind) end
  local kinds, ids = {}, {}
  for i, kind in ipairs(KINDS) do
    kinds[2 * i - 1], kinds[2 * i] = kind, kind
    ids[2 * i - 1], ids[2 * i] = i - 1, "s-" .. i
  end
  ASK = ASK:gsub("KINDS", table.concat(quoted_kinds, ", "))

  local function answers_in(received)
    local answers = {}
    for _, message in ipairs(messages(received, '"id":')) do
      if not message.method then answers[#answers + 1] = message end
    end
    return answers
  end

  it("gets one safe answer each, whatever the id", function()
    local client, received = fake(ASK .. [[ server:reply(server:expect("spec/x"), {}) ]])
    client:request("spec/x", {})
    local statistics = client._core:statistics()
    assert.same({ #kinds, #kinds }, { statistics.server_requests, statistics.answers })
    client:close()
    check(answers_in(received), kinds, ids)
  end)

  it("gets it also when the client closes right then", function()
    local client, received, options = fake(ASK)
    local asked = options.launch_args_override[3] .. ".asked"
    assert.is_true(kit.eventually(function()
      local file = io.open(asked)
      return file and file:close()
    end))
    client:close()
    check(answers_in(received), kinds, ids)
  end)

  it("gets it also when the client may send nothing else", function()
    local client, received = fake([[
      server:handshake()
      local first = server:read()
      for i = 1, 50 do server:request(i, "item/tool/call", { threadId = "T", turnId = "U", callId = "c" .. i }) end
      for i = 1, 50 do server:read() end
      server:reply(server:expect("spec/y"), {})]], { max_in_flight = 1 })
    local unanswered = codex.spawn(client.request, client, "spec/x", {}, { timeout = 0.1 })
    local answered = codex.spawn(client.request, client, "spec/y", {})
    assert.equal("timeout", failure(unanswered.join, unanswered).kind)
    answered:join()
    client:close()
    assert.equal(50, #answers_in(received))
  end)

  local function call(name, arguments) return { calls = { { name = name, arguments = arguments } } } end

  it("for a command is declined, and the real turn goes on", function()
    local client, home = kit.client {
      approval_policy = "on-request",
      script = {
        call("exec_command", {
          cmd = "touch SHOULD_NOT_BE_THERE",
          login = false,
          sandbox_permissions = "require_escalated",
          justification = "a spec",
        }),
        "So be it.",
      },
    }
    local folder = kit.folder()
    local result = client:thread_start({ cwd = folder }):run "go"
    assert.equal("completed", result.status)
    assert.equal("So be it.", result.final_response)
    local declined
    for _, item in ipairs(result.items) do
      if item.type == "commandExecution" then declined = item.status end
    end
    assert.equal("declined", declined)
    assert.is_nil(io.open(folder .. "/SHOULD_NOT_BE_THERE"))
    assert.equal(2, #home:log())
    assert.equal(1, client._core:statistics().answers)
    client:close()
  end)

  it("for a tool is a failed call, which the model hears of", function()
    local client, home = kit.client { script = { call("lookup", { id = "A" }), "It failed." } }
    local thread = client:thread_start {
      dynamic_tools = {
        { type = "function", name = "lookup", description = "Looks up", input_schema = { type = "object" } },
      },
    }
    local result = thread:run "go"
    assert.equal("It failed.", result.final_response)
    assert.same({ 1, 1 }, { client._core:statistics().server_requests, client._core:statistics().answers })
    local second = cjson.encode(home:log()[2].body.input)
    assert.is_truthy(second:find("This tool call failed: ", 1, true), second)
    client:close()
  end)

  it("as a question has no answers, and the real turn goes on", function()
    local client = kit.client {
      features = { default_mode_request_user_input = true },
      script = {
        call("request_user_input", {
          questions = {
            {
              id = "q",
              header = "Q",
              question = "Which?",
              options = { { label = "a", description = "A" }, { label = "b", description = "B" } },
            },
          },
        }),
        "Nobody said.",
      },
    }
    local result = client:thread_start():run "go"
    assert.equal("Nobody said.", result.final_response)
    assert.equal(1, client._core:statistics().answers)
    client:close()
  end)
end)

describe("the client's capabilities", function()
  it("leave experimental things out when told so", function()
    local client = kit.client { experimental_api = false }
    local err = failure(client.thread_start, client, {
      dynamic_tools = { { type = "function", name = "t", description = "d", input_schema = { type = "object" } } },
    })
    assert.same({ "invalid_request", "needs_experimental" }, { err.kind, err.reason })
    assert.equal("thread/start", err.method)
    client:thread_start()
    client:close()
  end)

  it("name the client", function()
    local client, received = fake([[ server:handshake() ]], {
      client_name = "mine", client_title = "My own", client_version = "7.8", opt_out_notifications = { "a/b", "c/d" },
    })
    local params = messages(received, '"initialize"')[1].params
    assert.same({ name = "mine", title = "My own", version = "7.8" }, params.clientInfo)
    assert.same({ experimentalApi = true, optOutNotificationMethods = { "a/b", "c/d" } }, params.capabilities)
    assert.same({ name = "mine", version = "0.169.0" }, client.metadata.server_info)
    assert.same({ "/nowhere", "unix", "linux" }, {
      client.metadata.codex_home, client.metadata.platform_family, client.metadata.platform_os,
    })
    client:close()
  end)

  it("silence the notifications that aren't wanted", function()
    local client, home = kit.client {
      script = { "a few words to say" },
      opt_out_notifications = { "item/agentMessage/delta", "item/started" },
    }
    assert.equal(home.dir, client.metadata.codex_home)
    local turn = client:thread_start():turn "go"
    local seen = {}
    for event in turn:stream() do seen[event.method] = true end
    assert.is_nil(seen["item/agentMessage/delta"])
    assert.is_nil(seen["item/started"])
    assert.is_true(seen["item/completed"])
    assert.equal("a few words to say", turn:run().final_response)
    client:close()
  end)
end)
