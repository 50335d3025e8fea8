--- Every argument of the official SDK's calls, given to ours: what the server is sent for it, and whether it is taken.
local calls = require "spec.parity.calls"
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"

-- A server that answers everything, and runs turns.
local SERVER = [[
  server:handshake()
  local threads = { start = true, resume = true, fork = true, unarchive = true, read = true }
  local turns = 0
  for message in function() return server:read() end do
    if threads[message.method:match "^thread/(.*)$"] then
      server:thread("th", message)
    elseif message.method == "turn/start" then
      turns = turns + 1
      server:turn("t" .. turns, message)
      server:turn_completed("th", "t" .. turns)
    elseif message.id then
      server:reply(message, '{"data":[]}')
    end
  end
]]

local function options_for(call, real)
  local options = {}
  for _, argument in ipairs(call.arguments) do
    if not (real and argument.only_sent) then options[argument.ours or argument[1]] = argument[2] end
  end
  return options
end

local function expected_of(call, with_arguments)
  local params = {}
  -- what acts on a thread names it
  if call.method:find "^thread/" and call.method ~= "thread/start" and call.method ~= "thread/list" then
    params.threadId = "th"
  end
  if call.method == "turn/start" then params.threadId = "th" end
  for name, value in pairs(call.always or {}) do
    params[name] = value
  end
  for _, argument in ipairs(with_arguments and call.arguments or {}) do
    for name, value in pairs(argument.sent) do
      params[name] = value
    end
  end
  return params
end

-- The params of all requests of a method after that line; and how many lines there are.
local function sent(received, method, after)
  local lines, list = received(), {}
  for index = after + 1, #lines do
    local message = cjson.decode(lines[index])
    if message.method == method then list[#list + 1] = message.params end
  end
  return list, #lines
end

describe("every argument of", function()
  local client, thread, received

  setup(function()
    local options
    options, received = kit.fake(SERVER)
    client = codex.new(options)
    thread = client:thread_start()
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  local function check(call, options, with_arguments)
    local _, before = sent(received, call.method, 0)
    call.call(client, thread, options)
    local requests = sent(received, call.method, before)
    assert.is_true(#requests > 0)
    for _, params in ipairs(requests) do
      assert.same(expected_of(call, with_arguments), params)
    end
  end

  for _, call in ipairs(calls) do
    it(call.theirs .. " is sent as the table says", function()
      check(call, options_for(call), true)
    end)

    it(call.theirs .. " is left out unless it is given", function()
      check(call, {}, false)
    end)
  end
end)

describe("the real server takes every argument of", function()
  local client

  setup(function()
    client = kit.client { script = { default = "{}" } }
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  for _, call in ipairs(calls) do
    it(call.theirs, function()
      local thread = client:thread_start()
      thread:run "x" -- before that it isn't on disk
      if call.method == "thread/unarchive" then thread:archive() end
      call.call(client, thread, options_for(call, true))
    end)
  end
end)
