-- What is sent for turns, threads and other requests, as a fake server receives it.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local turns = require "spec.support.turns"

describe("what a turn sends", function()
  local client, thread, received

  setup(function()
    client, thread, received = turns.fake(turns.AT_ONCE)
  end)

  teardown(function()
    client:close()
    kit.cleanup()
  end)

  local function last_params()
    local lines = received()
    return cjson.decode(lines[#lines]).params, lines[#lines]
  end

  local read_only = { type = "readOnly", networkAccess = false }
  local workspace = {
    type = "workspaceWrite",
    writableRoots = {},
    networkAccess = false,
    excludeSlashTmp = false,
    excludeTmpdirEnvVar = false,
  }
  local full = { type = "dangerFullAccess" }

  it("is nothing more than what was asked for", function()
    client:thread_start()
    assert.same({}, (last_params()))
    thread:run "x"
    local params = last_params()
    assert.same({ threadId = thread.id, input = { { type = "text", text = "x" } } }, params)
  end)

  it("are the sandbox presets in the protocol's shape", function()
    for preset, shapes in pairs {
      read_only = { "read-only", read_only },
      ["read-only"] = { "read-only", read_only },
      workspace_write = { "workspace-write", workspace },
      ["workspace-write"] = { "workspace-write", workspace },
      full_access = { "danger-full-access", full },
      ["danger-full-access"] = { "danger-full-access", full },
    } do
      client:thread_start { sandbox = preset }
      assert.same({ sandbox = shapes[1] }, (last_params()))
      thread:run("x", { sandbox = preset })
      local params, line = last_params()
      assert.same(shapes[2], params.sandboxPolicy)
      assert.is_nil(params.sandbox)
      if shapes[2] == workspace then assert.truthy(line:find('"writableRoots":[]', 1, true), line) end
    end
    thread:run("x", { sandbox_policy = { type = "workspaceWrite", writable_roots = { "/a" }, network_access = true } })
    assert.same(
      { type = "workspaceWrite", writableRoots = { "/a" }, networkAccess = true },
      last_params().sandboxPolicy
    )
  end)

  it("are the approval modes in the protocol's words", function()
    for mode, shape in pairs {
      auto_review = { approvalPolicy = "on-request", approvalsReviewer = "auto_review" },
      ask = { approvalPolicy = "on-request", approvalsReviewer = "user" },
      deny_all = { approvalPolicy = "never" },
    } do
      client:thread_start { approval_mode = mode }
      assert.same(shape, (last_params()))
      thread:run("x", { approval_mode = mode })
      local params = last_params()
      params.threadId, params.input = nil, nil
      assert.same(shape, params)
    end
    client:thread_start { approval_mode = "dangerously_bypass_approvals_and_sandbox" }
    assert.same({ approvalPolicy = "never", sandbox = "danger-full-access" }, (last_params()))
    thread:run("x", { approval_mode = "dangerously_bypass_approvals_and_sandbox" })
    local params = last_params()
    params.threadId, params.input = nil, nil
    assert.same({ approvalPolicy = "never", sandboxPolicy = full }, params)
  end)

  it("are the other options under the wire's names, ours left out", function()
    thread:run("x", {
      cwd = "/tmp",
      effort = "high",
      model = "m",
      personality = "friendly",
      service_tier = "fast",
      summary = "concise",
      when_busy = "error",
      timeout = 60,
      raise = false,
      output_schema = { type = "object", required = codex.array {} },
    })
    local params, line = last_params()
    params.threadId, params.input = nil, nil
    assert.same({
      cwd = "/tmp",
      effort = "high",
      model = "m",
      personality = "friendly",
      serviceTier = "fast",
      summary = "concise",
      outputSchema = { type = "object", required = {} },
    }, params)
    assert.truthy(line:find('"required":[]', 1, true))
  end)

  it("is its input, whatever its form", function()
    local skill = { type = "skill", name = "s", path = "/s/SKILL.md" }
    local mention = { type = "mention", name = "m", path = "app://m" }
    for _, case in ipairs {
      { "one", { { type = "text", text = "one" } } },
      { "", { { type = "text", text = "" } } },
      { codex.text "one", { { type = "text", text = "one" } } },
      { { "one" }, { { type = "text", text = "one" } } },
      { codex.image "https://x/y.png", { { type = "image", url = "https://x/y.png" } } },
      { codex.local_image "/a.png", { { type = "localImage", path = "/a.png" } } },
      { codex.skill("s", "/s/SKILL.md"), { skill } },
      { codex.mention("m", "app://m"), { mention } },
      {
        { "a\0b", codex.mention("m", "app://m"), codex.text "c", codex.skill("s", "/s/SKILL.md") },
        { { type = "text", text = "a\0b" }, mention, { type = "text", text = "c" }, skill },
      },
      {
        {
          type = "text",
          text = "@x",
          text_elements = { { byte_range = { start = 0, ["end"] = 2 }, placeholder = "x" } },
        },
        {
          {
            type = "text",
            text = "@x",
            text_elements = { { byteRange = { start = 0, ["end"] = 2 }, placeholder = "x" } },
          },
        },
      },
    } do
      thread:run(case[1])
      assert.same(case[2], last_params().input)
    end
  end)

  it("names methods and their params by the schema, or leaves them alone", function()
    client:request("thread/read", { thread_id = "th", include_turns = true })
    assert.same({ threadId = "th", includeTurns = true }, (last_params()))
    client:request("thread/read", { threadId = "th", includeTurns = false })
    assert.same({ threadId = "th", includeTurns = false }, (last_params()))
    client:request("some/newThing", { snake_case = 1, camelCase = { a_b = codex.array {}, nothing = codex.null } })
    local params, line = last_params()
    assert.same({ snake_case = 1, camelCase = { a_b = {}, nothing = cjson.null } }, params)
    assert.truthy(line:find('"a_b":[]', 1, true))
    client:request "some/newThing"
    assert.truthy(select(2, last_params()):find('"params":{}', 1, true))
    client:request "model/list"
    assert.truthy(select(2, last_params()):find('"params":{}', 1, true))
    client:notify("some/news", { a_b = 1 })
    client:request "spec/sync"
    local lines = received()
    assert.same({ method = "some/news", params = { a_b = 1 } }, cjson.decode(lines[#lines - 1]))
  end)
end)
