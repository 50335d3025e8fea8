-- Threads: what a client does with them, and what they keep and do themselves.
local cjson = require "cjson"
local clients = require "codex.client"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local raised = require "spec.support.raised"
local turns = require "spec.support.turns"

local function all(iterator)
  local list = {}
  for value in iterator do
    list[#list + 1] = value
  end
  return list
end

local function ids_of(list)
  local ids = {}
  for index, value in ipairs(list) do
    ids[index] = value.id
  end
  return ids
end

-- What the model was told by the user in its last request, the server's own words left out.
local function last_said(home)
  local texts, log = {}, home:log()
  for _, item in ipairs(log[#log].body.input) do
    for _, part in ipairs(item.role == "user" and item.content or {}) do
      if part.text and not part.text:find "^<" then texts[#texts + 1] = part.text end
    end
  end
  return texts
end

-- A client whose answers are "answer 1", "answer 2", … but for "wait", which is answered never.
local script = [[return function(request, context)
  if context.input_text == "wait" then return { deltas = { "a" }, hold = true } end
  return "answer " .. context.n
end]]

local function open()
  return kit.client { script = script }
end

describe("a thread that is forked", function()
  after_each(kit.cleanup)

  it("goes on from where the other stood, and leaves that alone", function()
    local client, home = open()
    local thread = client:thread_start { sandbox = "full_access" }
    thread:run "one"
    local fork = thread:fork()
    assert.not_equal(thread.id, fork.id)
    assert.equal(thread.id, fork.forked_from_id)
    assert.equal("dangerFullAccess", fork.sandbox.type)
    assert.equal("answer 2", fork:run("two").final_response)
    assert.same({ "one", "two" }, last_said(home))
    thread:run "three"
    assert.same({ "one", "three" }, last_said(home))
    client:close()
  end)

  it("may leave turns out, and take other settings", function()
    local client, home = open()
    local thread = client:thread_start()
    local first = thread:run "one"
    local second = thread:run "two"
    client:thread_fork(thread.id, { last_turn_id = first.id }):run "three"
    assert.same({ "one", "three" }, last_said(home))
    local fork = client:thread_fork(thread.id, {
      before_turn_id = second.id,
      sandbox = "full_access",
      approval_mode = "ask",
      model = "other-model",
      cwd = home.dir,
      ephemeral = true,
    })
    assert.equal("dangerFullAccess", fork.sandbox.type)
    assert.equal("on-request", fork.approval_policy)
    assert.equal("other-model", fork.model)
    assert.equal(home.dir, fork.cwd)
    assert.is_true(fork.ephemeral)
    assert.is_nil(fork.path)
    fork:run "four"
    assert.same({ "one", "four" }, last_said(home))
    client:close()
  end)
end)

describe("a thread's turns", function()
  after_each(kit.cleanup)

  it("come with it only if asked for", function()
    local client, home = open()
    local thread = client:thread_start()
    assert.same({}, thread.initial_turns)
    thread:run "one"
    thread:run "two"
    client:close()
    client = kit.client { home = home }
    local notices = {}
    client:on("deprecationNotice", function(event)
      notices[#notices + 1] = event.params.summary
    end)
    assert.same({}, client:thread_resume(thread.id).initial_turns)
    assert.same({}, client:thread_resume(thread.id, { include_turns = false }).initial_turns)
    assert.same({}, client:thread_fork(thread.id).initial_turns)
    assert.same({}, notices)
    local resumed = client:thread_resume(thread.id, { include_turns = true })
    assert.equal(2, #resumed.initial_turns)
    assert.equal("answer 1", resumed.initial_turns[1].items[2].text)
    assert.equal(2, #client:thread_fork(thread.id, { include_turns = true }).initial_turns)
    assert.equal(2, #client:thread_fork(thread.id, { exclude_turns = false }).initial_turns)
    local page = client:thread_resume(thread.id, { initial_turns_page = { limit = 1 } }).initial_turns_page
    assert.equal(1, #page.data)
    client:close()
  end)

  it("are listed over all pages, the newest first", function()
    local client = open()
    local thread, ids = client:thread_start(), {}
    for index = 1, 5 do
      ids[index] = thread:run("turn " .. index).id
    end
    local backwards = {}
    for index = 1, 5 do
      backwards[index] = ids[6 - index]
    end
    assert.same(backwards, ids_of(all(thread:turns())))
    assert.same(backwards, ids_of(all(thread:turns { limit = 2 })))
    assert.same(ids, ids_of(all(thread:turns { limit = 2, sort_direction = "asc" })))
    local full = all(thread:turns { items_view = "full", sortDirection = "asc" })
    assert.equal("answer 5", full[5].items[2].text)
    local page = client:request("thread/turns/list", { thread_id = thread.id, limit = 3 })
    assert.same({ ids[2], ids[1] }, ids_of(all(thread:turns { cursor = page.next_cursor })))
    client:close()
  end)

  it("have items, listed over all pages", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "one"
    local second = thread:run "two"
    local types, turn_ids = {}, {}
    for entry in thread:items { limit = 1 } do
      types[#types + 1] = entry.item.type
      turn_ids[entry.turn_id] = true
    end
    assert.same({ "userMessage", "agentMessage", "userMessage", "agentMessage" }, types)
    assert.is_true(turn_ids[second.id])
    local last = all(thread:items { turn_id = second.id, sort_direction = "desc" })
    assert.same({ "answer 2", "two" }, { last[1].item.text, last[2].item.content[1].text })
    client:close()
  end)

  it("are read with the thread", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "one"
    assert.same({}, thread:read().thread.turns)
    local answer = thread:read { include_turns = true }
    assert.equal(thread.id, answer.thread.id)
    assert.equal("answer 1", answer.thread.turns[1].items[2].text)
    client:close()
  end)
end)

describe("a thread that was put away", function()
  after_each(kit.cleanup)

  it("isn't listed, says why it runs nothing, and goes on once it is back", function()
    local client, home = open()
    local thread = client:thread_start()
    thread:run "one"
    thread:archive()
    assert.same({}, client:thread_list().data)
    assert.same({ thread.id }, ids_of(client:thread_list({ archived = true }).data))
    local err = raised("invalid_request", thread.run, thread, "two")
    assert.truthy(err.message:find("is archived", 1, true), err.message)
    thread:unarchive()
    assert.equal("answer 2", thread:run("three").final_response)
    assert.same({ "one", "three" }, last_said(home))
    client:thread_archive(thread.id)
    assert.equal("answer 3", client:thread_unarchive(thread.id):run("four").final_response)
    client:close()
  end)

  it("is loaded by its first turn, which tells its settings", function()
    local client = open()
    local thread = client:thread_start { sandbox = "full_access", model = "other-model" }
    thread:run "one"
    thread:archive()
    local back = client:thread_unarchive(thread.id)
    assert.equal(thread.id, back.id)
    assert.equal("notLoaded", back.status.type)
    assert.is_nil(back.sandbox)
    assert.equal("answer 2", back:run("two").final_response)
    assert.equal("dangerFullAccess", back.sandbox.type)
    assert.equal("other-model", back.model)
    assert.equal("idle", back.status.type)
    client:close()
  end)

  it("has its running turn interrupted", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "one"
    local turn = thread:turn "wait"
    for _ in turn:text() do
      thread:archive()
    end
    assert.equal("interrupted", turn:run().status)
    client:close()
  end)

  it("or deleted is no more", function()
    local client = open()
    local thread, other = client:thread_start(), client:thread_start()
    thread:run "one"
    other:run "two"
    thread:delete()
    assert.same({ other.id }, ids_of(client:thread_list().data))
    assert.equal("thread_not_found", raised("invalid_request", thread.run, thread, "three").reason)
    assert.equal("no_rollout", raised("invalid_request", client.thread_resume, client, thread.id).reason)
    client:thread_delete(other.id)
    assert.same({}, client:thread_list().data)
    client:close()
  end)

  it("or couldn't be deleted still works", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "one"
    thread:fork()
    raised("invalid_request", thread.delete, thread)
    assert.equal("answer 2", thread:run("two").final_response)
    client:close()
  end)
end)

describe("a thread that nothing shall be heard of", function()
  after_each(kit.cleanup)

  it("is heard of again for its next turn, from whichever object", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "one"
    local other = client:thread_resume(thread.id)
    assert.equal("unsubscribed", thread:unsubscribe())
    assert.equal("notSubscribed", thread:unsubscribe())
    assert.equal("answer 2", other:run("two").final_response)
    assert.equal("answer 3", thread:run("three").final_response)
    client:close()
  end)

  it("is busy while a turn runs", function()
    local client = open()
    local thread = client:thread_start()
    local turn = thread:turn "wait"
    raised("busy", thread.unsubscribe, thread)
    turn:interrupt()
    turn:run()
    assert.equal("unsubscribed", thread:unsubscribe())
    client:close()
  end)

  it("is asked for again in the way that an old server knows", function()
    local options, received = kit.fake [[
      server:handshake "0.150.0"
      server:thread "t"
      server:reply(server:expect "thread/unsubscribe", { status = "unsubscribed" })
      server:thread("t", server:expect "thread/resume")
      server:turn "a" server:turn_started("t", "a") server:turn_completed("t", "a")
    ]]
    local client = codex.new(options)
    local thread = client:thread_start()
    thread:unsubscribe()
    assert.equal("a", thread:run("one").id)
    for _, line in ipairs(received()) do
      local message = cjson.decode(line)
      if message.method == "thread/resume" then assert.same({ threadId = "t" }, message.params) end
    end
    client:close()
  end)

  it("is lost if it isn't on disk", function()
    local client = open()
    local thread = client:thread_start { ephemeral = true }
    thread:run "one"
    thread:unsubscribe()
    assert.equal("no_rollout", raised("invalid_request", thread.run, thread, "two").reason)
    client:close()
  end)
end)

describe("threads", function()
  after_each(kit.cleanup)

  it("resumed elsewhere go on, and an old turn's usage is not the new one's", function()
    local client, home = kit.client { script = turns.answers }
    local first = client:thread_start()
    assert.equal(427, first:run("use the tool").turn_usage.total_tokens)
    local other = codex.new { codex_bin = kit.codex_bin, env = home.env }
    local err = raised("invalid_request", other.thread_resume, other, first.id)
    assert.equal("active_writer", err.reason)
    client:close()
    local resumed = other:thread_resume(first.id, { sandbox = "workspace_write", include_turns = true })
    assert.equal(first.id, resumed.id)
    assert.equal("workspaceWrite", resumed.sandbox.type)
    assert.equal(1, #resumed.initial_turns)
    local turn = resumed:turn "say it"
    local usages = {}
    for event in turn:stream() do
      assert.equal(turn.id, event.params.turn_id or event.params.turn.id)
      if event.method == "thread/tokenUsage/updated" then usages[#usages + 1] = event end
    end
    assert.equal(1, #usages)
    local result = turn:run()
    assert.equal(442, result.usage.total.total_tokens)
    assert.equal(15, result.turn_usage.total_tokens)
    other:close()
  end)

  it("that can't be resumed say why", function()
    local client = kit.client()
    local thread = client:thread_start()
    local err = raised("invalid_request", client.thread_resume, client, thread.id)
    assert.equal("no_rollout", err.reason)
    assert.equal(-32600, err.code)
    assert.equal("thread/resume", err.method)
    assert.truthy(tostring(err):find("thread/resume: no rollout found", 1, true), tostring(err))
    raised("invalid_request", client.thread_resume, client, "not-an-id")
  end)

  it("are listed in pages", function()
    local client = kit.client()
    local ids = {}
    for i = 1, 3 do
      local thread = client:thread_start()
      thread:run("number " .. i)
      ids[thread.id] = true
    end
    local seen, cursor, pages = 0, nil, 0
    repeat
      local page = client:thread_list { limit = 2, cursor = cursor }
      pages = pages + 1
      for _, thread in ipairs(page.data) do
        assert.is_true(ids[thread.id])
        assert.is_true(luas.is_integer(thread.created_at))
        seen = seen + 1
      end
      cursor = page.next_cursor
    until not cursor
    assert.equal(3, seen)
    assert.equal(2, pages)
    local err = raised("invalid_request", client.thread_list, client, { cursor = "zzz" })
    assert.truthy(err.message:find("invalid cursor", 1, true))
  end)

  it("models are listed", function()
    local client = kit.client()
    local models = client:models()
    assert.is_true(#models.data > 0)
    assert.equal("string", type(models.data[1].id))
    assert.equal("table", type(models.data[1].supported_reasoning_efforts))
    assert.is_true(#client:models({ include_hidden = true }).data >= #models.data)
    assert.equal(1, #client:models({ limit = 1 }).data)
  end)

  it("keep nothing of a run", function()
    local client = kit.client()
    local thread = client:thread_start()
    local held
    local original = thread._client._follow
    thread._client._follow = function(self, turn)
      held = turn
      return original(self, turn)
    end
    thread:run "x"
    thread._client._follow = nil
    assert.same({ "turn/completed" }, turns.methods_of(turns.drain(held:stream())))
  end)
end)

describe("threads on disk", function()
  after_each(kit.cleanup)

  it("are listed over all pages", function()
    local client = open()
    local ids = {}
    for index = 1, 5 do
      local thread = client:thread_start()
      thread:run "hello"
      ids[6 - index] = thread.id
    end
    assert.same(ids, ids_of(all(client:threads())))
    assert.same(ids, ids_of(all(client:threads { limit = 2 })))
    local page = client:thread_list { limit = 2 }
    assert.equal(2, #page.data)
    assert.same({ ids[3], ids[4], ids[5] }, ids_of(all(client:threads { cursor = page.next_cursor, limit = 1 })))
    assert.same({}, all(client:threads { archived = true }))
    client:close()
  end)

  it("have names", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "hello"
    thread:set_name "A good name"
    assert.equal("A good name", thread.name)
    assert.equal("A good name", thread:read().thread.name)
    assert.equal("A good name", client:thread_resume(thread.id).name)
    assert.equal("thread name must not be empty", raised("invalid_request", thread.set_name, thread, " ").message)
    assert.equal("A good name", thread.name)
    client:close()
  end)
end)

describe("a list by pages", function()
  after_each(kit.cleanup)

  local function page(ids, cursor)
    local threads = {}
    for index, id in ipairs(ids) do
      threads[index] = { id = id }
    end
    return ("server:reply(server:expect 'thread/list', %q)"):format(
      cjson.encode { data = #threads > 0 and threads or cjson.decode "[]", nextCursor = cursor or cjson.null }
    )
  end

  local function count(received, method)
    local n = 0
    for _, line in ipairs(received()) do
      if cjson.decode(line).method == method then n = n + 1 end
    end
    return n
  end

  it("asks for a page when it is needed", function()
    local options, received =
      kit.fake("server:handshake() " .. page({ "a", "b" }, "1") .. page({}, "2") .. page { "c" })
    local client = codex.new(options)
    local next_thread = client:threads()
    assert.equal("a", next_thread().id)
    assert.equal("b", next_thread().id)
    assert.equal(1, count(received, "thread/list"))
    assert.equal("c", next_thread().id)
    assert.equal(3, count(received, "thread/list"))
    assert.is_nil(next_thread())
    assert.is_nil(next_thread())
    local cursors = {}
    for _, line in ipairs(received()) do
      local message = cjson.decode(line)
      if message.method == "thread/list" then cursors[#cursors + 1] = message.params.cursor or "none" end
    end
    assert.same({ "none", "1", "2" }, cursors)
    client:close()
  end)

  it("ends in an error when the server goes round in circles", function()
    local client = codex.new(
      (kit.fake("server:handshake() " .. page({ "a" }, "1") .. page({ "b" }, "2") .. page({ "c" }, "1")))
    )
    local next_thread = client:threads()
    assert.equal("a", next_thread().id)
    assert.equal("b", next_thread().id)
    raised("protocol", next_thread)
    assert.is_nil(next_thread())
    client:close()
  end)

  it("raises what the server answers, and may be asked again", function()
    local client = codex.new((kit.fake("server:handshake() " .. page({ "a" }, "1") .. [[
      server:error(server:expect "thread/list", -32001, "Server overloaded; retry later.")
    ]] .. page { "b" })))
    local next_thread = client:threads()
    assert.equal("a", next_thread().id)
    assert.is_true(codex.is_retryable_error(raised("server_busy", next_thread)))
    assert.equal("b", next_thread().id)
    assert.is_nil(next_thread())
    client:close()
  end)

  it("takes no answer that isn't a page", function()
    local client = codex.new((kit.fake [[server:handshake() server:reply(server:expect "thread/list", "5")]]))
    raised("protocol", client:threads())
    client:close()
  end)

  it("of models takes what the method takes", function()
    local client = open()
    local shown, hidden = client:models(), client:models { include_hidden = true }
    assert.is_true(#hidden.data >= #shown.data)
    local first = client:models { limit = 1 }
    assert.equal(1, #first.data)
    assert.equal(shown.data[2].id, client:models({ limit = 1, cursor = first.next_cursor }).data[1].id)
    client:close()
  end)
end)

describe("a thread object", function()
  after_each(kit.cleanup)

  local function check_kept(thread, answer)
    local checked = 0
    for _, source in ipairs { answer, answer.thread } do
      for name, value in pairs(source) do
        -- what the answer says beside the thread counts, where both tell
        if source == answer or answer[name] == nil then
          local kept = name == "turns" and "initial_turns" or name
          if name ~= "thread" then assert.same(value, thread[kept], name) end
          checked = checked + 1
        end
      end
    end
    assert.is_true(checked > 25, checked)
  end

  it("keeps all that the server answered", function()
    local client = open()
    local answers = {}
    local call = client._call
    function client:_call(...)
      answers[#answers + 1] = call(self, ...)
      return answers[#answers]
    end
    local thread = client:thread_start()
    check_kept(thread, answers[1])
    thread:run "one"
    check_kept(client:thread_resume(thread.id, { include_turns = true }), answers[2])
    check_kept(thread:fork(), answers[3])
    for _, name in ipairs { "model", "model_provider", "cwd", "sandbox", "approval_policy", "approvals_reviewer",
      "path", "session_id", "status", "created_at", "cli_version", "source", "preview" } do
      assert.not_nil(thread[name], name)
    end
    client:close()
  end)

  it("keeps what goes by the name of a method, or by one of its own", function()
    local client = codex.new((kit.fake [[
      server:handshake()
      server:reply(server:expect "thread/start", { model = "m", thread = { id = "t", turns = { { id = "x" } },
        run = "told", fork = { 1 }, _client = "told", _lane = "told" }, read = true })
    ]]))
    local thread = client:thread_start()
    assert.equal("x", thread.initial_turns[1].id)
    assert.equal("told", thread.initial_run)
    assert.same({ 1 }, thread.initial_fork)
    assert.is_true(thread.initial_read)
    assert.is_function(thread.run)
    assert.equal("t", thread.id)
    assert.equal(client, thread._client)
    client:close()
  end)

  it("and its turns leave nothing behind", function()
    local client = open()
    do
      local thread = client:thread_start()
      thread:run "one"
      client:thread_resume(thread.id):run "two"
      thread:unsubscribe()
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(client._lanes))
    assert.is_nil(next(client._turns))
    client:close()
  end)

  it("may go before its turn has ended, and the turn keeps the thread busy", function()
    local client = open()
    local thread = client:thread_start()
    thread:run "one"
    local id, turn = thread.id, thread:turn "wait"
    thread = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    local again = client:thread_resume(id)
    raised("busy", again.run, again, "two", { when_busy = "error" })
    turn:interrupt()
    assert.truthy(again:run("three").final_response:find "^answer ")
    client:close()
  end)
end)

describe("a host's defaults for threads", function()
  after_each(function()
    clients.defaults = {}
    kit.cleanup()
  end)

  it("hold for those that are resumed, forked and brought back, too", function()
    local client, home = open()
    local one, two = client:thread_start { sandbox = "full_access" }, client:thread_start { sandbox = "full_access" }
    one:run "one"
    two:run "two"
    client:close()
    clients.defaults = { thread = { sandbox = "read_only", approval_mode = "deny_all", model = "model-of-the-host" } }
    client = kit.client { home = home }
    local resumed = client:thread_resume(one.id)
    assert.equal("readOnly", resumed.sandbox.type)
    assert.equal("model-of-the-host", resumed.model)
    assert.equal("readOnly", client:thread_fork(two.id).sandbox.type)
    client:thread_archive(two.id)
    local back = client:thread_unarchive(two.id)
    back:run "three"
    assert.equal("readOnly", back.sandbox.type)
    assert.equal("workspaceWrite", client:thread_fork(one.id, { sandbox = "workspace_write" }).sandbox.type)
    client:close()
  end)
end)

describe("a call", function()
  local client
  setup(function()
    client = codex.new((kit.fake [[server:handshake() server:thread "t" server:turn "a"]]))
  end)
  teardown(function()
    client:close()
    kit.cleanup()
  end)

  it("with a dot says that it needs a colon", function()
    local thread = client:thread_start()
    local turn = thread:turn "x"
    for expected, call in pairs {
      ["thread_start: call it with a colon, as client:thread_start(…)"] = function()
        client.thread_start()
      end,
      ["thread_list: call it with a colon, as client:thread_list(…)"] = function()
        client.thread_list { limit = 1 }
      end,
      ["run: call it with a colon, as thread:run(…)"] = function()
        thread.run "x"
      end,
      ["turns: call it with a colon, as thread:turns(…)"] = function()
        thread.turns()
      end,
      ["interrupt: call it with a colon, as turn:interrupt(…)"] = function()
        turn.interrupt()
      end,
      ["on: call it with a colon, as client:on(…)"] = function()
        client.on("error", print)
      end,
    } do
      local err = raised("invalid_argument", call)
      assert.truthy(err.message:find(expected, 1, true), err.message)
      assert.truthy(err.message:find "^spec/thread_spec.lua:%d+: ", err.message)
    end
  end)

  for expected, call in pairs {
    ["thread_fork: expected a thread's id, got nil"] = function()
      client:thread_fork()
    end,
    ["thread_archive: expected a thread's id, got table"] = function()
      client:thread_archive {}
    end,
    ["thread_unarchive: expected a thread's id, got number"] = function()
      client:thread_unarchive(5)
    end,
    ["thread_delete: expected a thread's id, got nil"] = function()
      client:thread_delete()
    end,
    ["thread_fork: unknown option 'sandbx' (did you mean 'sandbox'?)"] = function()
      client:thread_fork("t", { sandbx = "read_only" })
    end,
    ["thread_resume: unknown option 'thread_id'"] = function()
      client:thread_resume("t", { thread_id = "x" })
    end,
    ["thread_resume.include_turns: expected a boolean, got string"] = function()
      client:thread_resume("t", { include_turns = "all" })
    end,
    ["thread_fork: 'include_turns' and 'exclude_turns' can't be given together"] = function()
      client:thread_fork("t", { include_turns = true, excludeTurns = false })
    end,
    ["thread_start: unknown option 'include_turns'"] = function()
      client:thread_start { include_turns = true }
    end,
    ["threads: unknown option 'limits' (did you mean 'limit'?)"] = function()
      client:threads { limits = 1 }
    end,
    ["threads.limit: "] = function()
      client:threads { limit = "many" }
    end,
    ["threads: expected a table of options, got string"] = function()
      client:threads "all"
    end,
    ["models: unknown option 'hidden'"] = function()
      client:models { hidden = true }
    end,
  } do
    it("raises " .. expected, function()
      local err = raised("invalid_argument", call)
      assert.truthy(err.message:find(expected, 1, true), err.message)
    end)
  end
end)
