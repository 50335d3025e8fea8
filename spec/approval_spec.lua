-- Approvals through the real server: what handlers are told, what their answers do on disk, and that whatever goes
-- wrong with a handler, nothing runs.

local kit = require "spec.support.kit"

local function call(name, arguments, id)
  return { name = name, arguments = arguments, call_id = id }
end

local function touch(name, id)
  return call("exec_command", {
    cmd = "touch " .. name,
    login = false,
    sandbox_permissions = "require_escalated",
    justification = "may I?",
  }, id)
end

local function patch(name, id)
  local text = "*** Begin Patch\n*** Add File: %s\n+new\n*** End Patch"
  return { name = "apply_patch", input = text:format(name), call_id = id }
end

local function exists(path)
  local file = io.open(path)
  return file ~= nil and file:close()
end

-- A client, its home, and a folder to work in.
local function open(script, options)
  options = options or {}
  options.script = script
  local client, home = kit.client(options)
  return client, kit.folder(), home
end

describe("an approval handler", function()
  teardown(kit.cleanup)

  it("is told what a command is about, and lets it run", function()
    local asked
    local client, folder = open({ { calls = { touch "there" } }, "Done." }, {
      approval_handler = function(request)
        asked = request
        return "accept"
      end,
    })
    local thread = client:thread_start { cwd = folder }
    assert.same({ "on-request", "user" }, { thread.approval_policy, thread.approvals_reviewer })
    local result = thread:run "go"
    assert.equal("Done.", result.final_response)
    assert.is_truthy(exists(folder .. "/there"))
    assert.equal("command", asked.kind)
    assert.equal("touch there", asked.command)
    assert.is_truthy(asked.params.command:find "touch there")
    assert.same({ folder, "may I?", thread.id }, { asked.cwd, asked.reason, asked.thread_id })
    assert.same({ result.id, asked.params.item_id }, { asked.turn_id, asked.item_id })
    assert.equal("commandExecution", asked.item.type)
    assert.equal(asked.item_id, asked.item.id)
    assert.equal("run: touch there (in " .. folder .. "): may I?", asked.summary)
    assert.equal("accept", asked.decisions[1])
    assert.is_false(asked.cancelled)
    client:close()
  end)

  it("is told the diff of a file change", function()
    local asked
    local client, folder = open({ { custom_calls = { patch "new.txt" } }, "Done." }, { model = "gpt-5.5" })
    local thread = client:thread_start { cwd = folder, sandbox = "read_only",
      approval_handler = function(request)
        asked = request
        return true
      end }
    thread:run "go"
    assert.equal("new\n", kit.read_file(folder .. "/new.txt"))
    assert.equal("file_change", asked.kind)
    assert.equal("add", asked.item.changes[1].kind.type)
    assert.equal("new\n", asked.item.changes[1].diff)
    assert.is_truthy(asked.summary:find("new.txt (add)", 1, true), asked.summary)
    client:close()
  end)
end)
