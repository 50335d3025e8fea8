--- Ready-made answers to approvals: rules for anything but commands (see approve_commands_spec.lua), and the log.

local approvals = require "spec.support.approvals"
local codex = require "codex"
local kit = require "spec.support.kit"
local options_of = require "codex.options"

local approve = codex.approve
local command, file_change, mcp_tool = approvals.command, approvals.file_change, approvals.mcp_tool
local ids, refused, rules, FOLDER = approvals.ids, approvals.refused, approvals.rules, approvals.FOLDER
local merged = options_of.merged

describe("rules for paths", function()
  local function allows(patterns, path, fields)
    return rules { allow = { paths = patterns } }(file_change({ path }, {}, fields)) == "accept"
  end

  it("match relative to the thread's folder", function()
    for pattern, paths in pairs {
      ["*.md"] = { "README.md", ".md", "a b.md" },
      ["docs/*.txt"] = { "docs/a.txt", "docs//a.txt", "./docs/./a.txt" },
      ["src/**"] = { "src/a", "src/a/b/c.lua", "src/.hidden" },
      ["app/[id]/$types.ts"] = { "app/[id]/$types.ts" },
      ["src/"] = { "src/a", "src/a/b" },
      ["**/*.lua"] = { "a.lua", "a/b/c.lua" },
      ["a/**/z"] = { "a/z", "a/b/z", "a/b/c/z" },
      ["./x"] = { "x" },
      ["src/a*b*c"] = { "src/abc", "src/a1b2c", "src/abbcc" },
    } do
      for _, path in ipairs(paths) do
        assert.is_true(allows({ pattern }, FOLDER .. "/" .. path), pattern .. " " .. path)
        assert.is_true(allows({ pattern }, path), pattern .. " " .. path)
      end
    end
    assert.is_true(allows({ "/etc/*.conf" }, "/etc/x.conf"))
    assert.is_true(allows({ FOLDER .. "/a" }, FOLDER .. "/a"))
    assert.is_true(allows({ "**" }, FOLDER .. "/a/b"))
    assert.is_true(allows({ "a" }, "/home/a", { thread_cwd = "/home/" }))
    assert.is_true(allows({ "home/a" }, "/home/a", { thread_cwd = "/" }))
  end)

  it("match nothing else", function()
    for pattern, paths in pairs {
      ["*.md"] = { "docs/a.md", "README.mdx", "readme.MD", "", "/etc/a.md", "../a.md" },
      ["docs/*.txt"] = { "docs/a/b.txt", "docs/.txt/x", "xdocs/a.txt", "docs/" },
      ["src/**"] = { "src", "srcx/a", "SRC/a", "src/../x", "src/a/../../x", "../project/src/a", "src/..", "src/a/" },
      ["**"] = { "../x", "/etc/passwd", "~/x", "a\\..\\b", "a\0b", "a\nb", "/srv/projectx/a", "/srv/project", "." },
      ["a/**/z"] = { "a/b", "az", "a/bz" },
      ["**/*.lua"] = { "/a.lua", "/srv/a.lua" },
    } do
      for _, path in ipairs(paths) do
        assert.is_false(allows({ pattern }, path), pattern .. " " .. path)
        if path:sub(1, 1) ~= "/" and path ~= "" and path:sub(1, 1) ~= "~" then
          assert.is_false(allows({ pattern }, FOLDER .. "/" .. path), pattern .. " " .. path)
        end
      end
    end
    assert.is_false(allows({ "/etc/*.conf" }, "/etc/x/y.conf"))
    assert.is_false(allows({ "/etc/**" }, "/etc/../home/x"))
    assert.is_false(allows({ "**" }, "/srv/a", { thread_cwd = "/srv/../srv" }))
    assert.is_false(allows({ "**" }, "a", { thread_cwd = "work" }))
    assert.is_false(allows({ "**" }, "a", { thread_cwd = "" }))
    local unknown = file_change { FOLDER .. "/a" }
    unknown.thread_cwd = nil
    assert.equal("otherwise", rules { allow = { paths = { "**" } } }(unknown))
    assert.equal("accept", rules { allow = { paths = { "**" } }, cwd = FOLDER }(unknown))
  end)

  it("must match every path of a change, and all must be known", function()
    local handler = rules { allow = { paths = { "src/**", "*.md" } } }
    local function moved(from, to)
      return { path = from, kind = { type = "update", move_path = to }, diff = "" }
    end
    assert.equal("accept", handler(file_change { "src/a", "x.md" }))
    assert.equal("accept", handler(file_change { moved("src/a", "src/b") }))
    assert.equal("accept", handler(file_change { { path = "src/a", kind = { type = "delete" } } }))
    for _, changes in ipairs {
      {},
      { "src/a", "y" },
      { "y", "src/a" },
      { moved("src/a", "b") },
      { moved("b", "src/a") },
      { moved("src/a", "/etc/x") },
      { { path = "src/a", kind = { type = "chmod" } } },
      { { path = "src/a" } },
      { { kind = { type = "add" } } },
      { { path = 1, kind = { type = "add" } } },
    } do
      assert.equal("otherwise", handler(file_change(changes)))
    end
    assert.equal("otherwise", handler(file_change({ "src/a" }, { grant_root = FOLDER })))
    assert.equal("otherwise", handler(file_change({ "src/a" }, { something_new = 1 })))
    assert.equal("otherwise", handler(file_change({ "src/a" }, {}, { method = "applyPatchApproval" })))
    assert.equal("otherwise", handler(file_change({ "src/a" }, {}, { item = { type = "commandExecution" } })))
    local unknown = file_change { "src/a" }
    unknown.item = nil
    assert.equal("otherwise", handler(unknown))
  end)

  it("deny generously", function()
    local handler = rules {
      allow = { paths = { "**", "/tmp/**" } },
      deny = { paths = { "*.pem", ".git", "secrets/**", "/tmp/x" } },
    }
    for _, path in ipairs {
      "a.pem",
      "x/y/A.PEM",
      "a.pem/b",
      ".git/config",
      "sub/.git/hooks/pre-commit",
      "a/../.git/config",
      "secrets/a",
      "sub/Secrets/a/b",
      "/tmp/x",
      "/tmp/y/../x/z",
    } do
      assert.equal("decline", handler(file_change { path }), path)
    end
    assert.equal("decline", handler(file_change { "a", "b.pem" }))
    assert.equal("decline", handler(file_change { { path = "a", kind = { type = "update", move_path = ".git/x" } } }))
    assert.equal("decline", handler(file_change({ "a" }, { grant_root = "/srv/secrets/all" })))
    assert.equal("decline", handler(file_change({}, { file_changes = { ["b.pem"] = {} } }, { item = false })))
    for _, path in ipairs { "a", ".gitignore", "secrets", "/tmp/xx", "a.pemx" } do
      assert.equal("accept", handler(file_change { path }), path)
    end
  end)

  it("take a relative path for one in the thread's folder, whatever they are relative to", function()
    local handler = rules {
      allow = { paths = { "src/**" } },
      deny = { paths = { FOLDER .. "/src/secret", "/etc/**" } },
      cwd = "/tmp",
    }
    assert.equal("otherwise", handler(file_change { "src/a" }))
    assert.equal("accept", handler(file_change { "/tmp/src/a" }))
    assert.equal("accept", handler(file_change({ "src/a" }, {}, { thread_cwd = "/tmp" })))
    assert.equal("decline", handler(file_change { "src/secret" }))
    assert.equal("decline", handler(file_change { "../../etc/x" }))
  end)

  it("must make sense", function()
    for rule, message in pairs {
      ["../x"] = "approve.rules.allow.paths[1]: '..' is no part of a rule",
      ["~/.ssh/**"] = "approve.rules.allow.paths[1]: '~' isn't replaced by a folder: name the folder",
      ["~root/x"] = "approve.rules.allow.paths[1]: '~' isn't replaced by a folder: name the folder",
      ["$HOME/.ssh/**"] = "approve.rules.allow.paths[1]: '$HOME' isn't replaced by a folder: name the folder",
      ["**/*.{pem,key}"] = "approve.rules.allow.paths[1]: '{pem,key}' is no part of a rule",
      ["id_?sa"] = "approve.rules.allow.paths[1]: '?' is no part of a rule, in which only '*' stands for other ",
      ["src\\**"] = "approve.rules.allow.paths[1]: '\\' is no part of a rule",
      ["a/**b"] = "'**' stands alone between slashes",
      [""] = "there is no name in it",
      ["/"] = "there is no name in it",
      [1] = "expected a path as a string, got number",
    } do
      refused(function()
        approve.rules { allow = { paths = { rule } } }
      end, message)
    end
  end)

  it("that allow must be able to match something", function()
    refused(function()
      approve.rules { allow = { paths = { "a\nb" } } }
    end, "approve.rules.allow.paths[1]: nothing can match it: a path with control characters is none to allow")
    local denying = rules { allow = { paths = { "**" } }, deny = { paths = { "a\nb" } } }
    assert.equal("decline", denying(file_change { "a\nb" }))
  end)

  it("take no time to speak of, whatever they are given", function()
    local handler = rules { allow = { paths = { "**/a/**/a/**/a/**/b", "*a*a*a*a*a*b" } } }
    assert.equal("otherwise", handler(file_change { ("a/"):rep(2000) .. "a" }))
    assert.equal("otherwise", handler(file_change { ("a"):rep(20000) }))
  end)
end)

describe("rules for tools of MCP servers", function()
  it("match the server and the tool", function()
    local handler = rules {
      allow = { mcp_tools = { "docs/search", "tickets/*", "x*/get_*" } },
      deny = { mcp_tools = { "tickets/delete*" } },
    }
    local function verdict(...)
      return handler(mcp_tool(...))
    end
    assert.equal("accept", verdict("docs", "search"))
    assert.equal("accept", verdict("tickets", "list"))
    assert.equal("accept", verdict("xyz", "get_it"))
    assert.equal("decline", verdict("tickets", "delete_all"))
    assert.equal("decline", verdict("Tickets", "DELETE"))
    assert.equal("otherwise", verdict("docs", "searchx"))
    assert.equal("otherwise", verdict("Docs", "search"))
    assert.equal("otherwise", verdict("evil", "docs/search"))
    assert.equal("otherwise", verdict(nil, "search"))
    assert.equal("otherwise", verdict("docs", nil))
    local form = { requested_schema = { type = "object", properties = { password = { type = "string" } } } }
    assert.equal("otherwise", verdict("docs", "search", form))
    assert.equal("accept", verdict("docs", "search", { requested_schema = { type = "object", properties = {} } }))
    refused(function()
      approve.rules { allow = { mcp_tools = { "docs" } } }
    end, "approve.rules.allow.mcp_tools[1]: expected 'SERVER/TOOL'")
  end)
end)

describe("rules", function()
  it("decline what no rule is for, or leave it to a handler", function()
    local strict = approve.rules { allow = { commands = { "ls" } } }
    assert.equal("decline", strict(command "pwd"))
    assert.equal("accept", strict(command "ls"))
    assert.equal("decline", approve.rules { otherwise = "deny" }(command "ls"))
    local seen
    local asking = approve.rules {
      deny = { commands = { "rm" } },
      otherwise = function(request)
        seen = request
        return { decision = "cancel" }
      end,
    }
    local request = { kind = "permissions", method = "item/permissions/requestApproval", params = {} }
    assert.same({ decision = "cancel" }, asking(request))
    assert.equal(request, seen)
    assert.equal("decline", asking(command "rm x"))
    assert.same({ decision = "cancel" }, asking { kind = "unknown", method = "x/y", params = {} })
  end)

  it("are checked when they are made", function()
    local function given(options, message)
      refused(function()
        approve.rules(options)
      end, message)
    end
    given({ alow = {} }, "approve.rules: unknown option 'alow' (did you mean 'allow'?)")
    given({ allow = { command = {} } }, "approve.rules.allow: unknown option 'command' (did you mean 'commands'?)")
    given({ deny = { path = {} } }, "approve.rules.deny: unknown option 'path' (did you mean 'paths'?)")
    given({ allow = { commands = "ls" } }, "approve.rules.allow.commands: expected a list of rules, got string")
    given({ allow = { commands = { a = "ls" } } }, "expected a list of rules")
    given({ allow = "ls" }, "approve.rules.allow: expected a table")
    given({ allow = false }, "approve.rules.allow: expected a table")
    given({ otherwise = "allow" }, "approve.rules.otherwise: got 'allow', expected 'deny' or a handler")
    given({ otherwise = 1 }, "approve.rules.otherwise: expected a function, got number")
    given({ cwd = "src" }, "approve.rules.cwd: expected an absolute path")
    given({ cwd = 1 }, "approve.rules.cwd: expected a string, got number")
    given("ls", "approve.rules: expected a table of options, got string")
    given(nil, "approve.rules: expected a table of options, got nil")
    assert.equal("decline", approve.rules {}(command "ls"))
  end)
end)

describe("allow and deny", function()
  it("answer everything alike", function()
    for _, request in ipairs { command "rm", file_change { "a" }, mcp_tool("a", "b"), { kind = "permissions" } } do
      assert.equal("accept", approve.allow()(request))
      assert.equal("decline", approve.deny()(request))
    end
  end)
end)

describe("the log", function()
  after_each(kit.cleanup)

  local function lines_of(path)
    local lines = {}
    for line in kit.read_file(path):gmatch "([^\n]*)\n" do
      lines[#lines + 1] = codex.json.decode(line)
    end
    return lines
  end

  it("has a line for each decision", function()
    local path = kit.folder() .. "/log"
    local decide = rules { allow = { commands = { "ls" } }, otherwise = approve.deny() }
    local handler = approve.log(decide, path)
    assert.equal("accept", handler(command "ls"))
    local change = { path = "a", kind = { type = "add" }, diff = "the text" }
    assert.equal("decline", handler(file_change { change }))
    local granted = { permissions = { network = { enabled = true } }, scope = "turn" }
    local granting = approve.log(function()
      return granted
    end, path)
    local request = merged(ids, { kind = "permissions", params = { permissions = { network = { enabled = true } } } })
    assert.equal(granted, granting(request))
    local tool = mcp_tool("s", "t", { tool_params = { q = { 1, 2 } } })
    assert.equal("decline", handler(tool))
    local lines = lines_of(path)
    assert.equal(4, #lines)
    assert.truthy(lines[1].time:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
    lines[1].time = nil
    assert.same(merged(ids, {
      kind = "command",
      command = "/bin/bash -c ls",
      cwd = FOLDER,
      reason = "because",
      answer = "accept",
    }), lines[1])
    assert.same({ { path = "a", kind = { type = "add" } } }, lines[2].changes)
    assert.equal("decline", lines[2].answer)
    assert.same(granted, lines[3].answer)
    assert.same({ network = { enabled = true } }, lines[3].permissions)
    assert.same({ "s", "t", { q = { 1, 2 } } }, { lines[4].server, lines[4].tool, lines[4].tool_params })
  end)

  it("tells what is asked for besides a command or a change", function()
    local path = kit.folder() .. "/log"
    local handler = approve.log(approve.allow(), path)
    local more = { network = { enabled = true } }
    handler(command("ls", { network_approval_context = { host = "example.com", protocol = "https" } }))
    handler(command("cat", { kind = "writeStdin", additional_permissions = more }))
    handler(file_change({ "a" }, { grant_root = "/" }))
    handler(file_change({}, { file_changes = { b = { type = "delete" } } }, { item = false }))
    local lines = lines_of(path)
    assert.same({ host = "example.com", protocol = "https" }, lines[1].network)
    assert.same({ "writeStdin", more }, { lines[2].command_kind, lines[2].additional_permissions })
    assert.equal("/", lines[3].grant_root)
    assert.same({ { path = "b", kind = { type = "delete" } } }, lines[4].changes)
  end)

  it("tells of answers that are none, of errors and of withdrawn requests", function()
    local path = kit.folder() .. "/log"
    local answer
    local handler = approve.log(function()
      if answer == "raise" then error("no\nidea", 0) end
      return answer
    end, path)
    assert.is_nil(handler(command "ls"))
    answer = false
    assert.is_false(handler(command("ls", {}, { cancelled = true })))
    answer = "raise"
    local ok, err = pcall(handler, command "ls")
    assert.same({ false, "no\nidea" }, { ok, err })
    local lines = lines_of(path)
    assert.equal("nil", lines[1].answer)
    assert.same({ false, true }, { lines[2].answer, lines[2].withdrawn })
    assert.same({ "no\nidea" }, { lines[3].error, lines[3].answer })
  end)

  it("can't be faked by what the model writes", function()
    local path = kit.folder() .. "/log"
    approve.log(approve.deny(), path)(command 'x\n{"answer":"accept"}\n')
    approve.log(approve.deny(), path)(command "x \255")
    assert.equal(2, #lines_of(path))
  end)

  it("doesn't have what a user answers", function()
    local path = kit.folder() .. "/log"
    local questions = { { id = "password", is_secret = true }, { id = "name" } }
    local request = { kind = "user_input", questions = questions, params = { questions = questions } }
    local answers = { password = "hunter2", name = "me" }
    assert.equal(answers, approve.log(function()
      return answers
    end, path)(request))
    pcall(approve.log(function()
      error "hunter2"
    end, path), request)
    assert.is_nil(kit.read_file(path):find("hunter2", 1, true))
    assert.same({ "password", "name" }, lines_of(path)[1].questions)
  end)

  it("writes to an open file, or to anything like one", function()
    local path = kit.folder() .. "/log"
    local file = assert(io.open(path, "w"))
    approve.log(approve.deny(), file)(command "ls")
    assert.equal(1, #lines_of(path))
    file:close()
    local text
    approve.log(approve.allow(), {
      write = function(_, line)
        text = line
        return true
      end,
    })(command "ls")
    assert.equal("accept", codex.json.decode(text).answer)
  end)

  it("has to be written, or nothing is allowed", function()
    local ok, err = pcall(approve.log(approve.allow(), {
      write = function()
        return nil, "disk full"
      end,
    }), command "ls")
    assert.same({ false, "approve.log: disk full" }, { ok, err })
    local folder = kit.folder()
    local handler = approve.log(approve.allow(), folder .. "/log")
    os.remove(folder .. "/log")
    os.execute("mkdir " .. kit.quoted(folder .. "/log"))
    ok, err = pcall(handler, command "ls")
    assert.is_false(ok)
    assert.truthy(err:find "^approve.log: .*Is a directory")
  end)

  it("waits for a handler that waits", function()
    local path = kit.folder() .. "/log"
    local handler = approve.log(function()
      codex.sleep(0)
      return "cancel"
    end, path)
    assert.equal("cancel", codex.run(handler, command "ls"))
    assert.equal("cancel", lines_of(path)[1].answer)
  end)

  it("is checked when it is made", function()
    refused(function()
      approve.log(nil, "x")
    end, "approve.log: expected a function, got nil")
    refused(function()
      approve.log(approve.deny())
    end, "approve.log: expected a path or an open file, got nil")
    refused(function()
      approve.log(approve.deny(), "/nowhere/log")
    end, "approve.log: /nowhere/log: No such file")
  end)
end)

describe("rules and the real server", function()
  after_each(kit.cleanup)

  local function run(cmd, arguments)
    local all = merged({ cmd = cmd, login = false, justification = "x", sandbox_permissions = "require_escalated" },
      arguments or {})
    return { calls = { { name = "exec_command", arguments = all } } }
  end

  it("agree on what a command is, and on the thread's folder", function()
    local seen = {}
    local handler = approve.log(approve.rules { allow = { commands = { "touch *" } } }, {
      write = function()
        return true
      end,
    })
    local folder, other = kit.folder(), kit.folder()
    local client = kit.client {
      script = {
        run "touch one", run("touch two", { login = true }), run("touch three", { shell = "/bin/sh" }),
        run "ls -la | xargs touch four", run("touch five", { workdir = other }), run "touch 'six seven'", "done",
        run("touch eight", { workdir = folder }), run "touch nine", "done", run "touch ten", "done",
      },
      approval_handler = function(request)
        local answer = handler(request)
        seen[#seen + 1] = { request.command, answer, request.thread_cwd }
        return answer
      end,
    }
    local thread = client:thread_start { cwd = folder }
    thread:run "go"
    thread:run("go", { cwd = other })
    thread:run "go"
    assert.same({
      { "touch one", "accept", folder },
      { "touch two", "accept", folder },
      { "touch three", "accept", folder },
      { "ls -la | xargs touch four", "decline", folder },
      { "touch five", "decline", folder },
      { "touch 'six seven'", "accept", folder },
      { "touch eight", "decline", other },
      { "touch nine", "accept", other },
      { "touch ten", "accept", other },
    }, seen)
    assert.truthy(kit.read_file(folder .. "/six seven"))
    assert.truthy(kit.read_file(other .. "/nine"))
    assert.truthy(kit.read_file(other .. "/ten"))
    for _, name in ipairs { "/four", "/five", "/eight" } do
      assert.is_nil(kit.read_file(folder .. name))
      assert.is_nil(kit.read_file(other .. name))
    end
    client:close()
  end)

  it("agree on what a tool of an MCP server is", function()
    local folder = kit.folder()
    local function call(tool, name)
      local arguments = { file = folder .. "/" .. name, text = "hello" }
      return { calls = { { name = tool, namespace = "mcp__spec", arguments = arguments } } }
    end
    local log = folder .. "/log"
    local client = kit.client {
      extra_toml = (kit.mcp_server()),
      script = { call("note", "noted"), call("wipe", "noted"), "Done." },
      approval_handler = approve.log(approve.rules {
        allow = { mcp_tools = { "spec/*" } },
        deny = { mcp_tools = { "*/wipe" } },
      }, log),
    }
    client:thread_start():run "go"
    assert.equal("hello", kit.read_file(folder .. "/noted"))
    local first, second = kit.read_file(log):match "^([^\n]*)\n([^\n]*)\n$"
    first, second = codex.json.decode(first), codex.json.decode(second)
    assert.same({ "spec", "note", "accept" }, { first.server, first.tool, first.answer })
    assert.same({ "spec", "wipe", "decline" }, { second.server, second.tool, second.answer })
    assert.equal("hello", first.tool_params.text)
    client:close()
  end)
end)
