--- Questions of every kind that the real server asks and nobody answers in time: the handler is too slow, the turn is
--- interrupted, or the client is closed meanwhile.

local asking = require "spec.support.asking"
local codex = require "codex"
local kit = require "spec.support.kit"

local function of_mcp(tool, arguments)
  return { name = tool, namespace = "mcp__spec", arguments = arguments }
end

local question = { id = "q", header = "Q", question = "q?", options = {
  { label = "a", description = "" },
  { label = "b", description = "" },
} }
local form = { type = "object", properties = { name = { type = "string" } } }

-- By kind: what the model calls, what a handler would grant it with, and what the model is told when nobody does.
local kinds = {
  command = { asking.touch "command", "accept", "rejected by user" },
  file_change = { asking.patch "file_change", "accept", "patch rejected by user" },
  permissions = {
    asking.permissions { network = { enabled = true } }, "accept",
    '{"permissions":{"network":null,"file_system":null},"scope":"turn"}',
  },
  tool = {
    { name = "answer", arguments = {} }, "granted", "This tool call failed: the client gave no answer to it.",
  },
  user_input = {
    { name = "request_user_input", arguments = { questions = { question } } }, { q = "a" }, '{"answers":{}}',
  },
  mcp_tool = { of_mcp("note", { file = "mcp_tool", text = "noted" }), "accept", "user rejected MCP tool call" },
  elicitation = {
    of_mcp("ask", { params = { message = "Who?", requestedSchema = form } }), { name = "Bo" }, '{"action":"decline"}',
  },
}

local function each_kind(fn)
  local functions = {}
  for kind in pairs(kinds) do
    functions[#functions + 1] = function()
      fn(kind)
    end
  end
  codex.gather(functions)
  return #functions
end

-- The last text that the model was told of the call that a kind makes.
local function told(home, kind)
  local text
  for _, request in ipairs(home:log()) do
    for _, item in ipairs(request.body.input) do
      if item.output and item.call_id == kind then text = item.output end
    end
  end
  return type(text) == "table" and text[#text].text or text
end

describe("a question of any kind", function()
  local home, folder, client, gate, asked, failures

  -- What every handler does: waits for the gate, and grants.
  local function answer(kind, request)
    asked[kind]:send(request)
    gate:wait()
    return kinds[kind][2]
  end

  local function handler(request)
    return answer(request.kind, request)
  end

  local tool = codex.tool {
    name = "answer",
    description = "for specs",
    run = function(_, call)
      return answer("tool", call.request)
    end,
  }

  local function open(options)
    for _, name in ipairs { "approval_handler", "user_input_handler", "elicitation_handler" } do
      options[name] = handler
    end
    options.home, options.codex_bin = home, kit.codex_bin
    client = kit.client(options)
    client:on("handler_error", function(err, request)
      failures[request.kind] = (failures[request.kind] or "") .. err.kind
    end)
  end

  local function start(kind)
    return client:thread_start({ cwd = folder, sandbox = "read_only", tools = { tool } }):turn("asks: " .. kind .. ".")
  end

  setup(function()
    folder = kit.folder()
    kinds.mcp_tool[1].arguments.file = folder .. "/mcp_tool"
    local calls = {}
    for kind, one in pairs(kinds) do
      one[1].call_id = kind
      calls["asks: " .. kind .. "."] = { one[1] }
    end
    home = kit.home {
      approval_policy = "on-request",
      extra_toml = kit.mcp_server(),
      features = { default_mode_request_user_input = true, request_permissions_tool = true },
      script = asking.script(calls),
    }
  end)

  before_each(function()
    gate, asked, failures = codex.event(), {}, {}
    for kind in pairs(kinds) do
      asked[kind] = codex.channel(1)
    end
  end)

  after_each(function()
    for _, name in ipairs { "command", "file_change", "mcp_tool" } do
      assert.is_false(asking.exists(folder .. "/" .. name), name)
    end
    client:close()
  end)

  teardown(kit.cleanup)

  it("is answered safely when its handler takes too long, and the turn goes on", function()
    open { handler_timeout = 0.2 }
    local count = each_kind(function(kind)
      local turn = start(kind)
      assert.same({ "completed", "Done." }, { turn:run().status, turn:run().final_response }, kind)
      assert.is_true(asked[kind]:receive().cancelled)
      assert.equal("timeout", failures[kind], kind)
      assert.truthy(told(home, kind):find(kinds[kind][3], 1, true), told(home, kind))
    end)
    gate:set()
    client:models()
    local statistics = client:statistics()
    assert.same({ count, count }, { statistics.server_requests, statistics.answers })
  end)

  it("is off when its turn is interrupted, and what its handler says then does nothing", function()
    open {}
    each_kind(function(kind)
      local turn = start(kind)
      local request = asked[kind]:receive()
      turn:interrupt()
      assert.equal("interrupted", turn:run().status, kind)
      assert.is_true(request.cancelled, kind)
    end)
    gate:set()
    client:models()
    for kind in pairs(kinds) do
      -- a tool learns by `call:cancelled()`
      assert.equal(kind ~= "tool" and "cancelled" or nil, failures[kind], kind)
    end
    local statistics = client:statistics()
    assert.is_true(statistics.answers <= statistics.server_requests) -- most are withdrawn before they had any
  end)

  it("is answered safely when the client is closed", function()
    open {}
    local requests, turns = {}, {}
    local count = each_kind(function(kind)
      turns[kind] = start(kind)
      requests[kind] = asked[kind]:receive()
    end)
    client:close()
    gate:set()
    codex.step(0)
    for kind, request in pairs(requests) do
      assert.is_true(request.cancelled, kind)
      local returned, err = pcall(turns[kind].run, turns[kind])
      assert.same({ false, "closed" }, { returned, codex.is_error(err) and err.kind }, kind)
    end
    local statistics = client:statistics()
    assert.same({ count, count }, { statistics.server_requests, statistics.answers })
    assert.same({}, failures)
  end)
end)
