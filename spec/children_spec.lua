--- Sub-agents: turns that the agent starts itself never get into the user's turn, and can be followed.
local codex = require "codex"
local kit = require "spec.support.kit"

-- The user's thread spawns an agent, waits for it, and answers; the agent's says what it was asked to.
local AGENTS = [[
local step, agent = 0, nil
return function(request, context)
  if context.input_text:find "^CHILD" then return { deltas = { "child ", "says hello" } } end
  step = step + 1
  local function call(name, arguments)
    return { calls = { { name = name, namespace = "multi_agent_v1", arguments = arguments } } }
  end
  if step == 1 then return call("spawn_agent", { message = "CHILD do it" }) end
  agent = agent or context.outputs[1].output:match '"agent_id":"([^"]+)"'
  if step == 2 then
    return call("wait_agent", '{"targets":["' .. agent .. '"],"timeout_ms":20000}')
  end
  return "parent done"
end
]]

local function types_of(items)
  local types = {}
  for index, item in ipairs(items) do
    types[index] = item.type
  end
  return table.concat(types, " ")
end

describe("a sub-agent's turn", function()
  after_each(kit.cleanup)

  it("stays out of the user's", function()
    local client = kit.client { script = AGENTS }
    local turn = client:thread_start():turn "spawn one"
    local threads, completions, text = {}, 0, {}
    for event in turn:stream() do
      threads[event.params.thread_id or "none"] = true
      if event.method == "turn/completed" then completions = completions + 1 end
      if event.method == "item/agentMessage/delta" then text[#text + 1] = event.params.delta end
    end
    local result = turn:run()
    client:close()
    assert.same({ [turn.thread_id] = true }, threads)
    assert.equal(1, completions)
    assert.equal("parent done", table.concat(text))
    assert.equal("parent done", result.final_response)
    assert.equal("userMessage collabAgentToolCall collabAgentToolCall agentMessage", types_of(result.items))
    assert.equal(360, result.turn_usage.total_tokens)
  end)

  it("can be followed, from its start, while the user's runs", function()
    local client = kit.client { script = AGENTS }
    local turn = client:thread_start():turn "spawn one"
    local children, methods = {}, {}
    for child in turn:children() do
      children[#children + 1] = child
      for event in child:stream() do
        methods[#methods + 1] = event.method
      end
    end
    assert.equal(1, #children)
    local child = children[1]
    assert.not_equal(turn.id, child.id)
    assert.not_equal(turn.thread_id, child.thread_id)
    assert.equal("turn/started", methods[1])
    assert.equal("turn/completed", methods[#methods])
    assert.equal("child says hello", child:run().final_response)
    assert.equal("parent done", turn:run().final_response)
    client:close()
  end)

  it("can be had afterwards", function()
    local client = kit.client { script = AGENTS }
    local turn = client:thread_start():turn "spawn one"
    turn:run()
    local text = {}
    for child in turn:children() do
      for delta in child:text() do
        text[#text + 1] = delta
      end
    end
    assert.equal("child says hello", table.concat(text))
    for _ in turn:children() do
      error "has been given out already"
    end
    client:close()
  end)

  it("can be interrupted alone", function()
    local held = AGENTS:gsub("return call%(\"wait_agent\".-\n", "return { text = 'x', hold = true }\n")
    local client = kit.client { script = held:gsub("{ deltas = .- } }", "{ text = 'child', hold = true }") }
    local turn = client:thread_start():turn "spawn one"
    local next_child = turn:children()
    local child = next_child()
    child:interrupt()
    assert.equal("interrupted", child:run().status)
    assert.equal("inProgress", turn.status)
    turn:interrupt()
    assert.equal("interrupted", turn:run().status)
    assert.is_nil(next_child())
    client:close()
  end)

  it("is told from those of other turns", function()
    local client = codex.new((kit.fake [[
      server:handshake()
      server:thread "t" server:turn "a"
      local function started(thread, id, root)
        server:notify("turn/started", { threadId = thread,
          turn = { id = id, rootTurnId = root, status = "inProgress", items = {} } })
      end
      started("t", "a", "a") started("t", "b", "b") started("k", "of b", "b") started("k", "of a", "a")
      started("x", "nobody's", "z")
      server:turn_completed("t", "a") server:turn_completed("t", "b")
    ]]))
    local thread = client:thread_start()
    local a = thread:turn "1"
    local ids = {}
    for child in a:children() do
      ids[#ids + 1] = child.id
    end
    assert.same({ "of a" }, ids)
    client:close()
  end)

  it("raises when the server goes while it is waited for, or has gone", function()
    local client = codex.new((kit.fake [[
      server:handshake() server:thread "t" server:turn "a"
      server:expect "go" server:exit(1)
    ]]))
    local turn = client:thread_start():turn "1"
    client:notify "go"
    for _ = 1, 2 do
      local ok, err = pcall(turn:children())
      assert.is_false(ok)
      assert.truthy(codex.is_error(err, "transport_closed"), tostring(err))
    end
    client:close()
  end)
end)
