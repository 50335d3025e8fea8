--- Approvals through the real server: what handlers are told, and what their answers do on disk.

local answer_rules = require "codex.answer"
local asking = require "spec.support.asking"
local codex = require "codex"
local kit = require "spec.support.kit"

local touch, patch, permissions = asking.touch, asking.patch, asking.permissions

local amendment = { accept_with_execpolicy_amendment = { execpolicy_amendment = { "touch", "amended-by-hand" } } }

-- Each row has the model ask for something.
local rows = {}

local function row(words, calls, answer, expected)
  local one = { words = words, calls = calls, answer = answer, expected = expected }
  rows[#rows + 1] = one
  return one
end

-- What becomes of a row: `there`, whether the file is; `item`, the status of the item; `status`, of the turn; `asked`,
-- how often, in two turns when `twice`; `wrong`, what the handler's error says; `told`, what the model hears.
local done = { there = true, item = "completed", status = "completed", asked = 1 }
local declined = { there = false, item = "declined", status = "completed", asked = 1, told = "rejected by user" }
local ended = { there = false, status = "interrupted", asked = 1 }

local function but(expected, changes)
  local changed = {}
  for _, source in ipairs { expected, changes } do
    for name, value in pairs(source) do
      changed[name] = value
    end
  end
  return changed
end

-- ---- commands ----

local command = row("a command runs: 'accept'", touch, "accept", done)
row("a command runs: true", touch, true, done)
row("a command runs: the protocol's answer", touch, { decision = "accept" }, done)
row("a command is asked about again after 'accept'", touch, "accept", but(done, { twice = true, asked = 2 }))
row("a command runs, and isn't asked about again: 'accept_for_session'", touch, "accept_for_session",
  but(done, { twice = true }))
row("a command runs, and isn't asked about again: the wire's 'acceptForSession'", touch, "acceptForSession",
  but(done, { twice = true }))
row("a command runs, and isn't asked about again: as part of an answer", touch, { decision = "accept_for_session" },
  but(done, { twice = true }))
row("a command runs, and isn't asked about again: an amendment out of request.decisions", touch, function(request)
  return request.decisions[2]
end, but(done, { twice = true }))
row("a command runs, and isn't asked about again: an amendment in the protocol's answer", touch, function(request)
  return { decision = request.decisions[2] }
end, but(done, { twice = true }))
row("a command runs: an amendment made by hand, which is for another command", touch, amendment,
  but(done, { twice = true, asked = 2 }))
row("a command runs: an amendment in the wire's names", touch, function(request)
  local words = request.params.proposed_execpolicy_amendment
  return { decision = { acceptWithExecpolicyAmendment = { execpolicy_amendment = words } } }
end, but(done, { twice = true }))
row("a command is declined: 'decline'", touch, "decline", declined)
row("a command is declined: false", touch, false, declined)
row("a command is declined: the protocol's answer", touch, { decision = "decline" }, declined)
row("a command is declined, and the turn ended: 'cancel'", touch, "cancel", but(ended, { item = "declined" }))
row("a command is declined, and the turn ended: the protocol's answer", touch, { decision = "cancel" },
  but(ended, { item = "declined" }))

-- ---- file changes ----

local change = row("a file is changed: 'accept'", patch, "accept", done)
row("a file is changed: true", patch, true, done)
row("a file is changed: the protocol's answer", patch, { decision = "accept" }, done)
row("a file is changed, and may be again: 'accept_for_session'", patch, "accept_for_session",
  but(done, { twice = true }))
row("a file isn't changed: 'decline'", patch, "decline", declined)
row("a file isn't changed: false", patch, false, declined)
row("a file isn't changed, and the turn ended: 'cancel'", patch, "cancel", ended)
row("a file isn't changed: a decision about commands", patch, amendment,
  but(declined, { wrong = "fileChange/requestApproval%.decision: expected one of accept, .*, got" }))

-- ---- mistakes ----

local expects = "expected 'accept', .*, a boolean or a table of the protocol's answer, got "

row("a command is declined: a word that isn't one", touch, "yes", but(declined, { wrong = expects .. "'yes'$" }))
row("a command is declined: a long text", touch, ("yes "):rep(20), but(declined, { wrong = expects .. "a string$" }))
row("a command is declined: a number", touch, 1, but(declined, { wrong = expects .. "number$" }))
row("a command is declined: nothing", touch, nil, but(declined, { wrong = expects .. "nil$" }))
row("a command is declined: a function", touch, function()
  return print
end, but(declined, { wrong = expects .. "function$" }))
row("a command is declined: an empty table", touch, {}, but(declined, { wrong = expects .. "an empty table$" }))
row("a command is declined: an empty decision", touch, { decision = {} },
  but(declined, { wrong = expects .. "{ decision = {} }$" }))
row("a command is declined: a table with a slip", touch, { desicion = "accept" },
  but(declined, { wrong = "unknown option 'desicion'" }))
row("a command is declined: a decision that isn't one", touch, { decision = "yes" },
  but(declined, { wrong = "%.decision: got 'yes', expected one of accept, " }))
row("a command is declined: a decision of the wrong type", touch, { decision = 1 },
  but(declined, { wrong = "%.decision: expected one of accept, .*, got number" }))
row("a command is declined: an amendment with a slip", touch, {
  accept_with_execpolicy_amendment = { execpolicy_amendment = "touch" },
}, but(declined, { wrong = "execpolicy_amendment: expected a list, got string" }))
row("a command is declined: more than an answer", touch, { decision = "accept", sudo = true },
  but(declined, { wrong = "unknown option 'sudo'" }))
row("a command is declined: an error", touch, function()
  error "out of order"
end, but(declined, { wrong = "approval_spec%.lua:%d+: out of order$" }))
row("a command is declined: an error without a word", touch, function()
  error()
end, but(declined, { wrong = "the handler raised nil" }))
row("a command is declined: an error of the module's", touch, function(request)
  request:when_cancelled(5)
end, but(declined, { wrong = "when_cancelled: expected a function, got number" }))
row("a file isn't changed: an error", patch, function()
  error "out of order"
end, but(declined, { wrong = "out of order" }))

-- ---- permissions ----

local network = { network = { enabled = true } }
local function folders(...)
  return { file_system = { write = { ... } } }
end
local both = { network = { enabled = true }, file_system = { write = { "/srv/a", "/srv/b" } } }

-- What the model is told that it was granted.
local function granted(network_json, files_json, scope)
  local plain = ('{"permissions":{"network":%s,"file_system":%s},"scope":"%s"}'):format(
    network_json, files_json, scope or "turn")
  return { status = "completed", asked = 1, grants = plain }
end
local nothing = granted("null", "null")
local on = '{"enabled":true}'

local function asks(what)
  return function()
    return permissions(what)
  end
end

local grant = row("permissions are granted for this turn: true", asks(both), true,
  granted(on, '{"write":["/srv/a","/srv/b"]}'))
row("permissions are granted for this turn: 'accept'", asks(network), "accept", granted(on, "null"))
row("permissions are granted for the session: 'accept_for_session'", asks(network), "accept_for_session",
  granted(on, "null", "session"))
row("permissions are granted for the session: the protocol's answer", asks(network),
  { permissions = network, scope = "session" }, granted(on, "null", "session"))
row("permissions are granted in part: one of two", asks(both), { permissions = network }, granted(on, "null"))
row("permissions are granted in part: one folder of two", asks(both), { permissions = folders "/srv/b" },
  granted("null", '{"write":["/srv/b"]}'))
row("permissions are granted in part: a folder within", asks(both), { permissions = folders "/srv/a/b" },
  granted("null", '{"write":["/srv/a/b"]}'))
row("no permission is granted: false", asks(both), false, nothing)
row("no permission is granted: 'decline'", asks(both), "decline", nothing)
row("no permission is granted: an empty answer", asks(both), { permissions = {} }, nothing)
row("no permission is granted, and the turn ended: 'cancel'", asks(both), "cancel", ended)
row("no permission is granted: more folders than asked for", asks(folders "/srv/a"),
  { permissions = folders("/srv/a", "/srv/b") }, but(nothing, { wrong = "it grants more than was asked for" }))
row("no permission is granted: a folder around the one asked for", asks(folders "/srv/a"),
  { permissions = folders "/srv" }, but(nothing, { wrong = "it grants more than was asked for" }))
row("no permission is granted: a folder that leads elsewhere", asks(folders "/srv/a"),
  { permissions = folders "/srv/a/../b" }, but(nothing, { wrong = "it grants more than was asked for" }))
row("no permission is granted: a folder of a similar name", asks(folders "/srv/a"),
  { permissions = folders "/srv/ab" }, but(nothing, { wrong = "it grants more than was asked for" }))
row("no permission is granted: the network, when files were asked for", asks(folders "/srv/a"),
  { permissions = network }, but(nothing, { wrong = "it grants more than was asked for" }))
row("no permission is granted: writing, when reading was asked for", asks { file_system = { read = { "/srv/a" } } },
  { permissions = folders "/srv/a" }, but(nothing, { wrong = "it grants more than was asked for" }))
row("no permission is granted: a word that isn't one", asks(network), "yes", but(nothing, { wrong = expects }))
row("no permission is granted: an empty decision", asks(network), { decision = {} },
  but(nothing, { wrong = expects .. "{ decision = {} }$" }))
row("no permission is granted: a decision in a table", asks(network), { decision = "accept" },
  but(nothing, { wrong = expects .. "{ decision = %.%.%. }$" }))
row("no permission is granted: a table with a slip", asks(network), { permisions = network },
  but(nothing, { wrong = "unknown option 'permisions'" }))
row("no permission is granted: a scope that isn't one", asks(network), { permissions = network, scope = "ever" },
  but(nothing, { wrong = "scope: got 'ever', expected one of turn, session" }))
row("no permission is granted: an error", asks(network), function()
  error "out of order"
end, but(nothing, { wrong = "out of order" }))

-- ---- running them ----

-- Rows that share a turn: all of their calls are made at once. One that ends its turn has it for itself.
local function grouped()
  local groups, shared = {}, {}
  for _, one in ipairs(rows) do
    local expected = one.expected
    local kind = expected.status ~= "interrupted" and (expected.twice and "twice" or "once") or nil
    local group = shared[kind or {}]
    if not group then
      group = { key = ("group %d."):format(#groups + 1), twice = expected.twice }
      groups[#groups + 1] = group
      if kind then shared[kind] = group end
    end
    table.insert(group, one)
  end
  return groups
end

local function script_of(groups)
  local by_key = {}
  for _, group in ipairs(groups) do
    local calls = {}
    for index, one in ipairs(group) do
      calls[index] = one.calls(one.file)
      calls[index].call_id = one.id
    end
    by_key[group.key] = calls
  end
  return asking.script(by_key)
end

local function run(client, folder, group)
  local by_id = {}
  for _, one in ipairs(group) do
    by_id[one.id] = one
  end
  local thread = client:thread_start {
    cwd = folder,
    sandbox = "read_only",
    approval_handler = function(request)
      local one = by_id[request.item_id]
      one.asked, one.request = one.asked + 1, request
      if type(one.answer) == "function" then return one.answer(request) end
      return one.answer
    end,
  }
  group.result = thread:run(group.key)
  if not group.twice then return end
  for _, one in ipairs(group) do
    os.remove(folder .. "/" .. one.file)
  end
  group.result = thread:run(group.key)
end

local function check(one, folder)
  local expected = one.expected
  assert.equal(expected.wrong ~= nil, one.failure ~= nil, tostring(one.failure))
  if expected.wrong then assert.truthy(one.failure:find(expected.wrong), one.failure) end
  assert.same({ expected.status, expected.asked }, { one.result.status, one.asked })
  local item = asking.item(one.result, one.id)
  assert.equal(expected.item, item and item.status)
  assert.equal(expected.there or false, asking.exists(folder .. "/" .. one.file))
  if expected.told then assert.truthy(one.told:find(expected.told, 1, true), one.told) end
  if expected.grants then assert.equal(expected.grants, one.told) end
end

describe("by what the handler returns,", function()
  local client, folder, home

  setup(function()
    for number, one in ipairs(rows) do
      one.id, one.file, one.asked = ("call_0_%d"):format(number), ("file-%d"):format(number), 0
    end
    local groups = grouped()
    client, folder, home = asking.open {
      script = script_of(groups),
      features = { request_permissions_tool = true },
    }
    local failures, functions = {}, {}
    client:on("handler_error", function(err, request)
      failures[request.item_id] = tostring(err)
    end)
    for index, group in ipairs(groups) do
      functions[index] = function()
        run(client, folder, group)
      end
    end
    codex.gather(functions)
    local told = asking.told(home)
    for _, group in ipairs(groups) do
      for _, one in ipairs(group) do
        one.result, one.failure, one.told = group.result, failures[one.id], told[one.id]
      end
    end
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  for _, one in ipairs(rows) do
    it(one.words, function()
      check(one, folder)
    end)
  end

  it("of a command the handler has been told what there is to know", function()
    local request = command.request
    assert.equal("command", request.kind)
    assert.equal("touch " .. command.file, request.command)
    assert.truthy(request.params.command:find("touch " .. command.file, 1, true))
    assert.same({ folder, "may I?" }, { request.cwd, request.reason })
    assert.same({ command.result.id, command.id }, { request.turn_id, request.item_id })
    assert.same({ "commandExecution", command.id }, { request.item.type, request.item.id })
    assert.equal(("run: touch %s (in %s): may I?"):format(command.file, folder), request.summary)
    assert.same({
      "accept",
      { accept_with_execpolicy_amendment = { execpolicy_amendment = { "touch", command.file } } },
      "cancel",
      "accept_for_session",
      "decline",
    }, request.decisions)
    assert.equal("codex request " .. request.id .. " (item/commandExecution/requestApproval)", tostring(request))
  end)

  it("of a file change the handler has been told the diff", function()
    local request = change.request
    assert.equal("file_change", request.kind)
    assert.same({ change.result.id, change.id }, { request.turn_id, request.item_id })
    local path = folder .. "/" .. change.file
    assert.same({ { path = path, kind = { type = "add" }, diff = "new\n" } }, request.item.changes)
    assert.equal("change " .. path .. " (add)", request.summary)
    assert.same({ "accept", "accept_for_session", "decline", "cancel" }, request.decisions)
  end)

  it("of permissions the handler has been told which", function()
    local request = grant.request
    assert.equal("permissions", request.kind)
    assert.same(both.network, request.params.permissions.network)
    assert.equal("grant network access, write /srv/a, write /srv/b: to go on", request.summary)
    assert.same({ "accept", "accept_for_session", "decline", "cancel" }, request.decisions)
  end)

  it("amendments are rules of the server's from then on", function()
    local rules = kit.read_file(home.dir .. "/rules/default.rules")
    assert.truthy(rules:find('pattern=["touch", "amended-by-hand"], decision="allow"', 1, true), rules)
  end)

  it("each question has had one answer", function()
    local asked = 0
    for _, one in ipairs(rows) do
      asked = asked + one.asked
    end
    local statistics = client:statistics()
    assert.same({ asked, asked }, { statistics.server_requests, statistics.answers })
  end)
end)

describe("a wrong answer", function()
  local amended = { accept_with_execpolicy_amendment = { execpolicy_amendment = { "ls" } } }

  -- What it is said to be answered with.
  local function expected(kind, params)
    local request = { kind = kind, method = "item/x/requestApproval", params = params }
    request.decisions = answer_rules.decisions(request)
    local _, message = answer_rules.result(request, "yes")
    return message:match "expected (.*), a boolean or a table of the protocol's answer, got 'yes'$"
  end

  it("is told what its request takes", function()
    local all = "'accept', 'accept_for_session', 'decline', 'cancel'"
    for _, kind in ipairs { "command", "file_change", "permissions" } do
      assert.equal(all, expected(kind, {}))
    end
    for _, value in ipairs { {}, { decision = {} } } do
      local request = { kind = "command", method = "execCommandApproval", params = {}, decisions = { "accept" } }
      local _, message = answer_rules.result(request, value)
      assert.truthy(message:find("expected 'accept', a boolean or a table of the protocol's answer, got ", 1, true))
    end
    local offered = { "accept", amended, amended, "cancel" }
    assert.equal("'accept', { accept_with_execpolicy_amendment = ... }, 'cancel', 'accept_for_session', 'decline'",
      expected("command", { available_decisions = offered }))
    assert.equal("'accept', 'accept_for_session', 'cancel', 'decline'",
      expected("command", { available_decisions = { "accept", "acceptForSession", "cancel" } }))
    for _, kind in ipairs { "writeStdin", "humanCommand" } do
      assert.equal("'accept', 'decline', 'cancel'", expected("command", { kind = kind }))
      assert.equal("'accept', 'cancel', 'decline'",
        expected("command", { kind = kind, available_decisions = { "accept", "cancel" } }))
    end
  end)
end)

-- A model that asks for a command of the server's sandbox with more rights, for one that reads what is typed, and
-- types.
local TERMINAL = [=[return function(_, context)
  local function call(name, arguments)
    return { calls = { { name = name, arguments = arguments } } }
  end
  local name = context.input_text
  if name == "more" then
    return context.step == 1 and call("exec_command", { cmd = "true", login = false, justification = "may I?",
      sandbox_permissions = "with_additional_permissions",
      additional_permissions = { file_system = { write = { "/srv/a" } } } }) or "Done."
  elseif name == "move" then
    return context.step == 1 and call("exec_command", { login = false, cmd = "apply_patch <<'EOF'\n*** Begin Patch\n"
      .. "*** Update File: old.txt\n*** Move to: new.txt\n@@\n-old\n+new\n*** End Patch\nEOF\n" }) or "Done."
  elseif context.step == 1 then
    return call("exec_command", { cmd = "read line; echo $line >" .. name, tty = true, login = false,
      yield_time_ms = 250, sandbox_permissions = "require_escalated", justification = "may I?" })
  elseif context.step == 2 then
    local id = tonumber(context.outputs[1].output:match "session ID (%d+)")
    return call("write_stdin", { session_id = id, chars = "hello\n", yield_time_ms = 250 })
  end
  return "Done."
end]=]

describe("a request", function()
  local client, folder

  setup(function()
    client, folder = asking.open { script = TERMINAL, features = { exec_permission_approvals = true } }
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  local function run_with(input, ...)
    local answers, asked = { ... }, {}
    local result = client:thread_start({
      cwd = folder,
      approval_handler = function(request)
        asked[#asked + 1] = request
        return answers[#asked]
      end,
    }):run(input)
    assert.equal(#answers, #asked)
    return asked, result
  end

  it("to type something says what, and nothing is typed unless it may", function()
    codex.gather {
      function()
        local asked = run_with("typed", "accept", "accept")
        assert.same({ "command", "writeStdin" }, { asked[2].kind, asked[2].params.kind })
        assert.equal(asked[1].item_id, asked[2].item_id)
        assert.truthy(asked[2].summary:find "^write to the command: write_stdin %-%-session%-id %d+ 'hello")
        assert.same({ "accept", "cancel", "decline" }, asked[2].decisions)
      end,
      function()
        local _, result = run_with("untyped", "accept", "decline")
        assert.equal("Done.", result.final_response)
      end,
    }
    assert.equal("hello\n", kit.read_file(folder .. "/typed"))
    assert.is_false(asking.exists(folder .. "/untyped"))
  end)

  it("to run a command with more rights says with which", function()
    local asked = run_with("more", "decline")
    assert.equal(("run: true, with write /srv/a (in %s): may I?"):format(folder), asked[1].summary)
  end)

  it("to move a file says where to", function()
    kit.write_file(folder .. "/old.txt", "old\n")
    local asked = run_with("move", "accept")
    assert.equal(("change %s/old.txt to %s/new.txt (update)"):format(folder, folder), asked[1].summary)
    assert.equal("new\n", kit.read_file(folder .. "/new.txt"))
  end)
end)

describe("old servers' questions", function()
  after_each(kit.cleanup)

  local EXEC = [[{"conversationId":"T","callId":"c","approvalId":null,"command":["git","commit","-m","it's"],]]
    .. [["cwd":"/srv","parsedCmd":[],"reason":"to save"}]]
  local PATCH = [[{"conversationId":"T","callId":"c","grantRoot":null,"reason":null,"fileChanges":]]
    .. [[{"/srv/b":{"type":"delete","content":""},"/srv/a":{"type":"update","unified_diff":"","move_path":"/srv/c"}}}]]

  -- What the server gets for each value that the handler returns, the first request, and what is wrong with a value.
  local function ask(method, params, values)
    local options, received = kit.fake([[
      server:handshake()
      local done = server:expect "spec/done"
      for id = 1, ]] .. values.n .. [[ do
        server:request(id, "]] .. method .. [[", ']] .. params:gsub("'", "\\'") .. [[')
        server:expect_answer(id)
      end
      server:reply(done, "{}")]])
    local first, count, failures = nil, 0, codex.channel(values.n)
    options.approval_handler = function(request)
      first, count = first or request, count + 1
      return values[count]
    end
    local client = codex.new(options)
    client:on("handler_error", function(err)
      failures:send(err.message)
    end)
    client:request("spec/done", {})
    local failure = failures:receive()
    client:close()
    local answers = {}
    for _, line in ipairs(received()) do
      local message = codex.json.decode(line)
      if message.id and not message.method then answers[message.id] = message.result.decision end
    end
    return answers, first, failure
  end

  local values = {
    n = 8, true, "accept", "accept_for_session", false, "decline", "cancel", { decision = "approved" },
    { decision = "accept" },
  }

  local function check_answers(answers, failure, method)
    assert.same({ "approved", "approved", "approved_for_session" }, { answers[1], answers[2], answers[3] })
    assert.truthy(answers[4].denied.rejection)
    assert.truthy(answers[5].denied.rejection)
    assert.same({ "abort", "approved" }, { answers[6], answers[7] })
    assert.truthy(answers[8].denied.rejection)
    assert.truthy(failure:find(method .. ".decision: got 'accept', expected one of approved", 1, true), failure)
  end

  it("about commands are answered in their words", function()
    local answers, request, failure = ask("execCommandApproval", EXEC, values)
    check_answers(answers, failure, "execCommandApproval")
    assert.same({ "command", "T", "c" }, { request.kind, request.thread_id, request.item_id })
    assert.equal([[git commit -m 'it'\''s']], request.command)
    assert.equal([[run: git commit -m 'it'\''s' (in /srv): to save]], request.summary)
    assert.same({ "accept", "accept_for_session", "decline", "cancel" }, request.decisions)
  end)

  it("about file changes are answered in their words", function()
    local answers, request, failure = ask("applyPatchApproval", PATCH, values)
    check_answers(answers, failure, "applyPatchApproval")
    assert.same({ "file_change", "T", "c" }, { request.kind, request.thread_id, request.item_id })
    assert.equal("change /srv/a to /srv/c (update), /srv/b (delete)", request.summary)
  end)
end)
