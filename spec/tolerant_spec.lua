-- Servers of other versions: whatever they send reaches who listens, and nothing raises that isn't asked to.
local codex = require "codex"
local kit = require "spec.support.kit"
local values = require "spec.support.values"

local SEED = tonumber(os.getenv "CODEX_SPEC_SEED") or 7
local TURNS = 40
local LINES = 40 -- in a turn

-- Sends the lines of a file for each turn that is started.
local scenario = [[
  server:handshake()
  server:thread("th")
  for n = 1, %d do
    server:turn("t" .. n)
    local file = assert(io.open(%q .. "/t" .. n, "rb"))
    server:raw(file:read("*a"))
    file:close()
  end
]]

local function line_of(message, text)
  return ('{"method":"%s","params":%s}\n'):format(message.method, text)
end

-- How such a turn goes: what is sent, and the events that come of it.
local function make_turn(source, notifications, id)
  source.fixed = { threadId = "th", turnId = id }
  local lines, events = {}, {}
  for _ = 1, LINES do
    local message = notifications[math.random(#notifications)]
    local value = source:value(message)
    lines[#lines + 1] = line_of(message, value.text)
    events[#events + 1] = { method = message.method, params = value.read }
  end
  return lines, events
end

-- A completion that is still one: it names the turn.
local function make_completion(source, message, id)
  source.fixed = { threadId = "th", id = id }
  while true do
    local value = source:value(message)
    local turn = value.read.turn
    if type(turn) == "table" and turn.id == id and type(value.read.thread_id) == "string" then
      return line_of(message, value.text), { method = message.method, params = value.read }
    end
  end
end

-- Values of everything were made, so that those to come are small.
local function open_source()
  local source = values.open(kit.schema() .. "/codex_app_server_protocol.schemas.json", SEED)
  while #source:missing() > 0 do
    for _, message in ipairs(source.messages) do
      source:value(message)
    end
  end
  return source
end

-- Params that every request may have, and answers to it; by method.
local function requests_of(source)
  local requests = {}
  for _, message in ipairs(source.messages) do
    if message.kind == "request" and message.method ~= "initialize" then
      local request = requests[message.method] or {}
      request[message.part] = message
      requests[message.method] = request
    end
  end
  return requests
end

local function sorted_names(set)
  local names = {}
  for name in pairs(set) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function notifications_of(source)
  local notifications, completion = {}, nil
  for _, message in ipairs(source.messages) do
    if message.method == "turn/completed" then
      completion = message
    elseif message.kind == "notification" then
      notifications[#notifications + 1] = message
    end
  end
  return notifications, completion
end

-- Answers requests with the lines of a file, in order.
local answering = [[
  server:handshake()
  for line in io.lines(%q) do
    server:reply(server:read(), line)
  end
]]

describe("a server of another version", function()
  after_each(kit.cleanup)

  it("may answer any request with more, less and other things", function()
    local source, lines, expected = open_source(), {}, {}
    local requests = requests_of(source)
    for round = 1, 2 do
      for _, method in ipairs(sorted_names(requests)) do
        source.future = false
        local params = requests[method].params and source:value(requests[method].params).sent
        source.future = true
        local value = source:value(requests[method].result)
        lines[#lines + 1] = value.text
        expected[#expected + 1] = { method = method, params = params, result = value.read, round = round }
      end
    end
    local path = kit.write_file(kit.folder() .. "/answers", table.concat(lines, "\n") .. "\n")
    local client = kit.open((kit.fake(answering:format(path))))
    for _, case in ipairs(expected) do
      local result = client:request(case.method, case.params)
      local problem = values.difference({ case.result }, { result })
      assert.is_nil(problem, ("%s: %s"):format(case.method, tostring(problem)))
    end
  end)

  it("gives threads, or an error that says why not", function()
    local source, lines = open_source(), {}
    local start = requests_of(source)["thread/start"].result
    source.future = true
    for n = 1, 200 do
      lines[n] = source:value(start).text
    end
    local path = kit.write_file(kit.folder() .. "/answers", table.concat(lines, "\n") .. "\n")
    local client = kit.open((kit.fake(answering:format(path))))
    local threads = 0
    for _ = 1, #lines do
      local ok, got = pcall(client.thread_start, client)
      assert.is_true(ok or codex.is_error(got, "protocol"), tostring(got))
      threads = threads + (ok and 1 or 0)
      assert.is_string(tostring(got))
    end
    assert.is_true(threads > 100)
  end)

  it("is heard out, and turns come to their ends", function()
    local source = open_source()
    local notifications, completion = notifications_of(source)
    source.future = true
    local folder, all = kit.folder(), {}
    for n = 1, TURNS do
      local id = "t" .. n
      local lines, events = make_turn(source, notifications, id)
      lines[#lines + 1], events[#events + 1] = make_completion(source, completion, id)
      kit.write_file(folder .. "/" .. id, table.concat(lines))
      all[n] = events
    end

    local client = kit.open((kit.fake(scenario:format(TURNS, folder))))
    local heard = {}
    client:on("*", function(event)
      heard[#heard + 1] = event
    end)
    client:on("handler_error", error)
    local thread = client:thread_start()
    for n = 1, TURNS do
      local turn = thread:turn "go"
      local count = 0
      for event in turn:stream() do
        assert.is_string(event.method)
        count = count + 1
        assert.is_true(turn.retrying == nil or turn.retrying ~= nil)
      end
      assert.is_true(count > 0 and count <= LINES + 1)
      local sent = all[n][#all[n]].params.turn
      local result = turn:run { raise = false }
      assert.equal("t" .. n, result.id)
      assert.is_nil(values.difference({ sent.status or "inProgress" }, { result.status }))
      assert.is_nil(values.difference({ sent.error }, { result.error }))
      local ok, err = pcall(turn.run, turn)
      assert.equal(result.status ~= "failed", ok)
      assert.is_true(ok or codex.is_error(err, "turn_failed"), tostring(err))
      assert.is_string(ok and "" or tostring(err))
    end

    assert.equal(0, client:statistics().invalid_lines)
    while #heard < TURNS * (LINES + 1) do
      assert.is_true(codex.step(5))
    end
    local number = 0
    for n = 1, TURNS do
      for _, event in ipairs(all[n]) do
        number = number + 1
        assert.equal(event.method, heard[number].method)
        local problem = values.difference({ event.params }, { heard[number].params })
        assert.is_nil(problem, ("turn %d, %s: %s"):format(n, heard[number].raw, tostring(problem)))
      end
    end
  end)

  it("may complete logins without a word, and the right one after all", function()
    local client = kit.open((kit.fake [[
      server:handshake()
      server:reply(server:expect("account/login/start"), '{"type":"chatgpt","loginId":"l","authUrl":"u"}')
      for _, params in ipairs { "null", "[]", '"l"', "{}", '{"loginId":["l"]}', '{"loginId":"l","success":"maybe"}' } do
        server:notify("account/login/completed", params)
      end
    ]]))
    assert.equal("maybe", client:login_chatgpt():wait().success)
  end)
end)
