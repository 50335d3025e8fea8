--- codex-lua as its users meet it: a program with arguments, output and an exit status. For Ctrl-C, see
--- interrupt_spec.lua.

local host = require "spec.support.host"
local kit = require "spec.support.kit"

local program, held_turn = host.program, host.held_turn
local offline, script, terminal = host.offline, host.script, host.terminal
local homes, nothing_is_left, processes = host.homes, host.nothing_is_left, host.processes
local quote, read, write = kit.quoted, kit.read_file, kit.write_file

local dir -- of this test

local function exists(path)
  return os.rename(path, path) ~= nil
end

local function in_folder(options)
  return "cd " .. quote(options.cwd or dir) .. " && "
end

--- Runs the host with the arguments in the list: { status =, out =, err = }.
local function run(options)
  if type(options) == "string" then options = { options } end
  local files = kit.folder()
  local input = options.stdin and quote(write(files .. "/in", options.stdin)) or "/dev/null"
  os.execute(
    in_folder(options)
      .. ("%s <%s >%s/out 2>%s/err; echo $? >%s/status"):format(
        host.command_line(options),
        input,
        quote(files),
        quote(files),
        quote(files)
      )
  )
  return {
    status = tonumber(read(files .. "/status")),
    out = read(files .. "/out"),
    err = read(files .. "/err"),
  }
end

local function runs(options)
  local result = run(options)
  assert.equal("", result.err)
  assert.equal(0, result.status)
  return result.out
end

local function fails(options, status, message)
  local result = run(options)
  assert.equal(status, result.status)
  assert.truthy(result.err:find(message, 1, true), result.err)
  return result.err, result.out
end

describe("codex-lua", function()
  before_each(function()
    dir = host.begin()
  end)
  after_each(host.finish)

  describe("runs Lua as lua does:", function()
    it("a script with arguments", function()
      local path = script "print(select('#', ...), ...) print(#arg, arg[0], arg[1], arg[-1], arg[-2], arg[-3])"
      assert.equal(
        ("2\ta\tb c\n2\t%s\ta\t-W\t%s\tnil\n"):format(path, program),
        runs { "-W", path, "a", "b c" }
      )
    end)

    it("options after the script belong to it", function()
      assert.equal("--help\t-e\n", runs { script "print(...)", "--help", "-e" })
    end)

    it("-e, several times and attached, and arg without a script", function()
      assert.equal(
        ("1\n2\n%s\t-e\n"):format(program),
        runs { "-e", "x = 1 print(x)", "-eprint(x + 1)", "-e", "print(arg[0], arg[1])" }
      )
    end)

    it("-l, plain and into a global of another name", function()
      script("return { name = ... }", "some.lua")
      local env = { LUA_PATH = dir .. "/?.lua" }
      local print_names = "print(some.name, other.name)"
      assert.equal("some\tsome\n", runs { "-l", "some", "-lother=some", "-e", print_names, env = env })
    end)

    it("-W turns warnings on", function()
      assert.equal("", run({ "-e", "warn 'quiet'" }).err)
      assert.equal("Lua warning: loud\n", run({ "-W", "-e", "warn 'loud'" }).err)
    end)

    it("-E ignores the environment", function()
      local env = { LUA_PATH = "/nowhere/?.lua", LUA_INIT = "print 'init'" }
      assert.equal("init\n/nowhere/?.lua\n", runs { "-e", "print(package.path)", env = env })
      assert.is_nil(runs({ "-E", "-e", "print(package.path)", env = env }):find("nowhere", 1, true))
    end)

    it("LUA_INIT with a file, and with a version's own name first", function()
      local env = { LUA_INIT = "print 'no'", LUA_INIT_5_4 = "@" .. script("print 'init'", "init.lua") }
      assert.equal("init\nrun\n", runs { "-e", "print 'run'", env = env })
    end)

    it("- and no script at all run stdin", function()
      local from_stdin = "print(arg[0], ...)"
      assert.equal("-\ta\n", runs { "-", "a", stdin = from_stdin })
      assert.equal(program .. "\n", runs { stdin = from_stdin })
    end)

    it("-- ends the options, and a script may then begin with a dash", function()
      script("print('dash', ...)", "-x.lua")
      assert.equal("dash\t-e\n", runs { "--", "-x.lua", "-e" })
    end)

    it("-v and --version show the versions; --help the options", function()
      assert.truthy(runs("-v"):find "^codex%-lua %d+%.%d+%.%d+ %(Lua 5%.4, codex app%-server %d+%.%d+%.%d+%)\n$")
      assert.equal(runs "-v", runs "--version")
      local help = runs "--help"
      for name in ("-e -l -c --codex --cwd --model --sandbox --approval --offline --timeout"):gmatch "%S+" do
        assert.truthy(help:find("\n  " .. name .. " ", 1, true), name)
      end
    end)

    it("-i talks to the user", function()
      local out = runs { "-i", script "x = 20", stdin = "x + 1\nfor i = 1, 2 do\nprint('line', i)\nend\nnil, 2\n" }
      assert.truthy(out:find("> 21\n> >> >> line\t1\nline\t2\n> nil\t2\n> \n", 1, true), out)
    end)

    it("-i survives errors", function()
      local result = run { "-i", stdin = "error 'boom'\n)\nprint('still here')\n" }
      assert.equal(0, result.status)
      assert.truthy(result.err:find("stdin:1: boom\nstack traceback:", 1, true), result.err)
      assert.truthy(result.err:find("unexpected symbol near ')'", 1, true), result.err)
      assert.truthy(result.out:find("still here", 1, true))
    end)

    it("-i lets a task go on after the statement that started it, and fails with it in the end", function()
      local result = run { "-i", "-l", "codex", stdin = [[
        done = codex.event()
        task = codex.spawn(function() codex.sleep(0) done:set() codex.sleep(0) error("boom", 0) end)
        done:wait() print(task.status)
      ]] }
      assert.truthy(result.out:find("waiting\n", 1, true), result.out)
      assert.truthy(result.err:find("codex-lua: boom\n", 1, true), result.err)
      assert.equal(1, result.status)
    end)

    it("coroutine.wrap and resume keep their manners", function()
      assert.equal(
        "1\t2\nfalse\tbad\nfalse\tx:2: x:1: oops\nfalse\tcannot resume dead coroutine\nfalse\ttable\n",
        runs { "-e", [[
          local function show(...) print(...) end
          local make = load("return function() error 'oops' end", "=x")
          local call = load("\nlocal f = ... f() return 1", "=x")
          show(coroutine.wrap(function(...) return ... end)(1, 2))
          show(coroutine.resume(coroutine.create(function() error("bad", 0) end)))
          show(pcall(call, coroutine.wrap(make())))
          local co = coroutine.create(function() end) coroutine.resume(co)
          show(coroutine.resume(co))
          local ok, value = pcall(coroutine.wrap(function() error {} end)) show(ok, type(value))
        ]] }
      )
      fails({ "-e", "coroutine.resume(1)" }, 1, "bad argument #1 to 'resume' (coroutine expected")
    end)
  end)

  describe("runs scripts as a task:", function()
    it("waiting lets others go on, and the end waits for them", function()
      assert.equal(
        "task\nmain\nlate\n",
        runs { "-e", [[
          local codex = require "codex"
          codex.spawn(function() print "task" codex.sleep(0.05) print "late" end)
          codex.sleep(0.01)
          print "main"
        ]] }
      )
    end)

    it("os.exit ends it from anywhere", function()
      assert.equal(7, run({ "-e", "os.exit(7)" }).status)
      assert.equal(0, run({ "-e", "os.exit()" }).status)
      assert.equal(0, run({ "-e", "os.exit(true, false)" }).status)
      assert.equal(1, run({ "-e", "io.write 'kept' os.exit(false)" }).status)
      assert.equal("kept", run({ "-e", "io.write 'kept' os.exit(false)" }).out)
      assert.equal(5, run({ "-e", "coroutine.wrap(function() os.exit(5, true) end)()" }).status)
      fails({ "-e", "os.exit {}" }, 1, "bad argument #1 to 'exit'")
    end)
  end)

  describe("ends with a status and words:", function()
    it("1, message and traceback for an error", function()
      local path = script "local function f() error 'boom' end\nlocal function g() f() end\ng()"
      local err = fails({ path }, 1, "codex-lua: " .. path .. ":1: boom\nstack traceback:\n")
      assert.truthy(err:find("upvalue 'f'", 1, true) or err:find("function 'f'", 1, true), err)
      assert.truthy(err:find ":3: in [^\n]*\n\t%[C%]: in %?\n$", err)
      assert.is_nil(err:find("src/host", 1, true))
    end)

    it("1 for error values of every kind", function()
      fails({ "-e", "error(nil)" }, 1, "(error object is a nil value)\nstack traceback")
      fails({ "-e", "error {}" }, 1, "(error object is a table value)")
      fails({ "-e", "error(12)" }, 1, "codex-lua: 12")
      local text = "error(setmetatable({}, { __tostring = function() return 'mine' end }))"
      local err = fails({ "-e", text }, 1, "mine\n")
      assert.equal("codex-lua: mine\n", err)
    end)

    it("1 for an error object, with its own traceback", function()
      local path = script "local codex = require 'codex'\n\ncodex.sleep('x')"
      local err = fails({ path }, 1, path .. ":3: sleep: expected seconds, got string\nstack traceback")
      assert.truthy(err:find(path .. ":3: in", 1, true), err)
    end)

    it("1 for an error in a task, with the traceback of that one and of who joined it", function()
      local path = script([[
        local codex = require "codex"
        local function fails() error "boom" end
        local task = codex.spawn(fails)
        if ... then task:join() end]])
      local err = fails({ path, "join" }, 1, "codex-lua: " .. path .. ":2: boom\nstack traceback:\n")
      local where, joined = err:find(path .. ":2: in", 1, true), err:find("joined at:", 1, true)
      assert.is_true(where and joined and where < joined, err)
      assert.truthy(err:find(path .. ":4: in main chunk\n\t[C]: in ?\n", joined, true), err)
      err = fails({ path }, 1, "codex-lua: " .. path .. ":2: boom\nstack traceback:\n")
      assert.truthy(err:find(path .. ":2: in", 1, true), err)
      assert.is_nil(err:find("src/host", 1, true))
    end)

    it("1 for an error in a task that nobody joined", function()
      fails({ "-e", "require('codex').spawn(function() error('lost', 0) end)" }, 1, "codex-lua: lost\n")
    end)

    it("1 for a script that isn't there, or isn't Lua", function()
      assert.equal("codex-lua: cannot open nowhere.lua: No such file or directory\n", (fails({ "nowhere.lua" }, 1, "")))
      fails({ script "x = = 1" }, 1, "script.lua:1: unexpected symbol near '='")
      fails({ "-e", "x =" }, 1, "(command line):1: unexpected symbol near <eof>")
      fails({ "-l", "nowhere" }, 1, "module 'nowhere' not found")
    end)

    it("1 when what it prints can't be written", function()
      fails({ program = "sh", "-c", quote(program) .. " -e 'print(1)' >/dev/full" }, 1, "can't write to stdout")
    end)

    it("2 for a wrong command line, before anything runs", function()
      local function refuses(message, ...)
        local err, out = fails({ "-e", "print 'ran'", ... }, 2, "codex-lua: " .. message)
        assert.equal("", out)
        assert.truthy(err:find("codex-lua --help", 1, true) or err:find "expected one of" or err:find "cwd")
      end
      refuses("unrecognized option '-x'", "-x")
      refuses("unrecognized option '--modell'", "--modell", "x")
      refuses("unrecognized option '--version=1'", "--version=1")
      refuses("unrecognized option '-ix'", "-ix")
      refuses("'-e' needs a value", "-e")
      refuses("'-e' needs a value", "-e", "-v")
      refuses("'--model' needs a value", "--model")
      refuses("'--model' needs a value", "--model", "--sandbox")
      refuses("-c: 'x' isn't of the form key=value", "-c", "x")
      refuses("-c: '=x' isn't of the form key=value", "-c=x")
      refuses("--timeout: 'soon' isn't a number of seconds", "--timeout", "soon")
      refuses("--timeout: '0' isn't a number of seconds", "--timeout=0")
      refuses("--sandbox: got 'none', expected one of read_only, workspace_write, full_access", "--sandbox", "none")
      refuses("--approval: got 'maybe', expected one of auto_review, ask", "--approval=maybe")
      refuses("--cwd: /nowhere: No such file or directory", "--cwd", "/nowhere")
      refuses("--cwd: /dev/null: Not a directory", "--cwd", "/dev/null")
    end)

    it("3 and how to get it when there is no codex", function()
      local new = "require('codex').new()"
      local env = { CODEX_BIN = false, PATH = "/nowhere" }
      local err = fails({ "-e", new, env = env }, 3, "npm install -g @openai/codex")
      assert.equal(1, select(2, err:gsub("\n", "")))
      fails({ "--codex", "/nowhere/codex", "-e", new }, 3, "/nowhere/codex")
    end)

    it("3 when the server goes", function()
      local argv = kit.fake [[
        server:handshake() server:expect "model/list" server:stderr "Error: enough" server:exit(4)
      ]]
      local words = {}
      for index, word in ipairs(argv.launch_args_override) do
        words[index] = ("%q"):format(word)
      end
      local path = script(([[
        local client = require("codex").new { launch_args_override = { %s } }
        client:models()
      ]]):format(table.concat(words, ", ")))
      fails({ path }, 3, "codex-lua: the codex app-server exited with status 4: Error: enough\nstack traceback")
    end)

    it("3 when the server never says hello", function()
      local silent = "{ 'sh', '-c', 'exec cat >&2' }"
      local text = ("require('codex').new { launch_args_override = %s, startup_timeout = 0.05 }"):format(silent)
      fails({ "-e", text }, 3, "codex-lua: initialize: the server did not answer in time")
    end)

    it("124 when the time is over, after cleaning up", function()
      local err, out = fails({ "--timeout", "0.3", "-e", [[
        local codex = require "codex"
        local ok, err = pcall(codex.sleep, 100)
        print(err.kind)
        codex.sleep(0.01)
        print "clean"
      ]] }, 124, "codex-lua: timed out\n")
      assert.equal("cancelled\nclean\n", out)
      assert.equal("codex-lua: timed out\n", err)
    end)

    it("124 too for a script that only computes, even one that won't stop", function()
      fails({ "--timeout", "0.2", "-e", "while true do end" }, 124, "timed out")
      fails({ "--timeout=0.2", "-e", "coroutine.wrap(function() while true do end end)()" }, 124, "timed out")
      fails({ "--timeout=0.2", "-e", "while true do pcall(function() while true do end end) end" }, 124, "timed out")
    end)

    it("124 too for a script that the closing of its state keeps", function()
      fails({ "--timeout=0.2", "-e", "x = setmetatable({}, { __gc = function() while true do end end })" }, 124, "")
    end)

    it("1 for a timeout of the script's own", function()
      fails({ "--timeout", "50", "-e", [[local c = require "codex" c.timeout(0.01, c.sleep, 9)]] }, 1, "not done after")
    end)
  end)

  describe("finds its module", function()
    local show = "local codex = require 'codex' print(codex.version, type(require 'codex.core'.now))"

    it("in an empty environment, from another folder", function()
      assert.equal("0.1.0\tfunction\n", runs {
        "-i", program, "-e", show, program = "env", cwd = "/",
      })
    end)

    it("when it was copied elsewhere, spaces in its path", function()
      local folder = dir .. "/with two spaces"
      os.execute("mkdir " .. quote(folder) .. " && cp " .. quote(program) .. " " .. quote(folder .. "/codex lua"))
      assert.equal("0.1.0\tfunction\n", runs { "-e", show, program = folder .. "/codex lua", cwd = "/" })
      local hello = script "print(require('codex').new():thread_start():run('hello').final_response)"
      local out = runs { "--offline", hello, program = folder .. "/codex lua", cwd = "/" }
      assert.truthy(out:find("Hello!", 1, true))
    end)

    it("and loads C modules of others beside it", function()
      assert.equal("[1]\n", runs { "-e", "print(require('cjson').encode { 1 })" })
    end)
  end)

  describe("flags are defaults:", function()
    local show = [[
      local codex = require "codex"
      local client <close> = codex.new(%s)
      local t = client:thread_start(%s)
      print(t.model, t.cwd, t.sandbox.type, t.approval_policy, t.approvals_reviewer, t.reasoning_effort)
    ]]

    it("of every client and thread in the script", function()
      local work = kit.folder()
      local out = runs {
        "--offline", "--model", "m1", "--sandbox", "workspace_write", "--approval", "ask", "--cwd", work,
        "-c", "model_reasoning_effort=low", "-c", "service_tier=flex", "-e", show:format("", ""),
      }
      assert.equal(("m1\t%s\tworkspaceWrite\ton-request\tuser\tlow\n"):format(work), out)
    end)

    it("a relative --cwd is looked for where the host was started", function()
      os.execute("mkdir " .. quote(dir .. "/sub"))
      local out = runs { "--offline", "--cwd", "sub", "-e", show:format("", "") }
      assert.truthy(out:find("\t" .. dir .. "/sub\t", 1, true), out)
    end)

    it("what the script says itself wins", function()
      local out = runs {
        "--offline", "--model=m1", "--sandbox=full_access", "--approval=ask",
        "-e", show:format("", "{ model = 'm2', sandbox = 'read_only', approval_mode = 'deny_all' }"),
      }
      assert.truthy(out:find("^m2\t.*\treadOnly\tnever\t"), out)
    end)

    it("settings and variables are added up", function()
      local out = runs {
        "--offline", "-c", "model=m1", "-c", "model_reasoning_effort=low",
        "-e", show:format("{ config_overrides = { model_reasoning_effort = 'high' }, env = { X = 'y' } }", ""),
      }
      assert.truthy(out:find "^m1\t.*\thigh\n", out)
    end)

    it("a default gives way where it can't stand beside the script's words", function()
      local bypass = "dangerously_bypass_approvals_and_sandbox"
      assert.truthy(runs {
        "--offline", "--sandbox=read_only", "-e", show:format("", "{ approval_mode = '" .. bypass .. "' }"),
      }:find("dangerFullAccess\tnever", 1, true))
      assert.truthy(runs {
        "--offline", "--approval=" .. bypass, "-e", show:format("", "{ sandbox = 'read_only' }"),
      }:find("readOnly\tnever", 1, true))
      assert.truthy(runs {
        "--offline", "--approval=ask", "-e", show:format("", "{ approval_policy = 'never' }"),
      }:find("\tnever\t", 1, true))
    end)

    it("--approval=ask asks at the terminal, unless the script has a handler of its own", function()
      local model = script([[
        local touch = { name = "exec_command", arguments = { cmd = "touch asked", login = false,
          sandbox_permissions = "require_escalated", justification = "may I?" } }
        return { { calls = { touch } }, "one", { calls = { touch } }, "two", { calls = { touch } }, "three" }
      ]], "model.lua")
      local tty = terminal { "--offline=" .. model, "--approval=ask", script [[
        local codex = require "codex"
        local function run(options)
          local client <close> = codex.new(options)
          print(client:thread_start { cwd = arg[1] }:run("go").final_response)
          io.stdout:flush()
        end
        run()
        local function own(request) print("own: " .. request.kind) return "decline" end
        run { approval_handler = own }
        run { request_handler = own }
      ]], dir }
      tty.shows "  | touch asked"
      tty.shows "[c]ancel the turn: "
      tty.type "y\n"
      tty.shows "three"
      tty.ends_with(0)
      local _, asked = tty.output():gsub("Allow it", "")
      local _, own = tty.output():gsub("own: command", "")
      assert.same({ 1, 2 }, { asked, own })
      assert.is_true(exists(dir .. "/asked"))
    end)
  end)

  describe("--offline", function()
    local ask = "local c = require('codex').new() print(c:thread_start():run(arg and arg[1] or 'x').final_response)"

    it("answers sensibly without a script of its own", function()
      assert.truthy(runs({ "--offline", script(ask), "Hello" }):find("Hello! This is the scripted model", 1, true))
      nothing_is_left()
    end)

    it("takes a model's script before the script to run", function()
      local lua = script("return { 'from lua' }", "model.lua")
      local json = script('["from json"]', "model.json")
      assert.equal("from lua\n", runs { "--offline", lua, script(ask), "a" })
      assert.equal("from json\n", runs { "--offline", json, script(ask) })
      assert.equal("from lua\n", runs { "--offline=" .. lua, "-e", ask })
      assert.equal("from json\n", runs { "--offline", json, "-e", ask })
      assert.equal("from lua\n", runs { "--offline", lua, "-", stdin = ask })
      nothing_is_left()
    end)

    it("takes what a model's script prints for stderr", function()
      local model = script(
        [[
          print("loaded")
          return function(_, context)
            print("asked", context.n, nil)
            io.write("and ")
            io.stdout:write("more\n")
            return "answered"
          end
        ]],
        "model.lua"
      )
      local result = run { "--offline=" .. model, "-e", ask }
      assert.equal("answered\n", result.out)
      assert.equal("loaded\nasked\t1\tnil\nand more\n", result.err)
      assert.equal(0, result.status)
      nothing_is_left()
    end)

    it("does not wait for ever for a model's script", function()
      local model = script("while true do end", "model.lua")
      fails({ "--offline=" .. model, "--timeout=1", "-e", ask }, 124, "timed out")
      nothing_is_left()
    end)

    it("uses nothing of the user's own settings", function()
      local home = dir .. "/.codex"
      os.execute("mkdir " .. quote(home))
      write(home .. "/config.toml", "this is not TOML")
      assert.equal(0, run({ "--offline", "-e", ask }).status)
    end)

    it("says what is missing", function()
      local env = { LUA_PATH = "/nowhere/?.lua", LUA_CPATH = "/nowhere/?.so" }
      local result = run { "--offline", "-e", "print 'ran'", env = env }
      assert.equal(1, result.status)
      assert.truthy(result.err:find("apt-get install lua-socket lua-cjson", 1, true), result.err)
      assert.equal("", result.out)
      nothing_is_left()
    end)

    it("says what is wrong with the model's script", function()
      fails({ "--offline=" .. script("return = 1", "model.lua"), "-e", ask }, 1, "model.lua:1: unexpected symbol")
      fails({ "--offline=/nowhere.json", "-e", ask }, 1, "/nowhere.json")
      nothing_is_left()
    end)

    it("removes what was left behind long ago, and nothing else", function()
      local cache = dir .. "/cache/codex-lua"
      local old, new = "offline-999999999-old", "offline-999999999-new"
      os.execute("mkdir -p " .. quote(cache))
      os.execute(("cd %s && mkdir %s %s offline-1-alive other"):format(quote(cache), old, new))
      os.execute(("cd %s && touch -d '3 days ago' %s offline-1-alive other"):format(quote(cache), old))
      assert.equal(0, run({ "--offline", "-e", "" }).status)
      assert.equal("offline-1-alive\noffline-999999999-new\nother\n", homes())
    end)
  end)

  describe("leaves nothing behind", function()
    it("after os.exit in the middle of a turn", function()
      local model, path = offline(held_turn:gsub("print%(\"got.-end", "os.exit(7) end"))
      assert.equal(7, run({ model, path }).status)
      nothing_is_left()
    end)

    it("after an error in the middle of a turn", function()
      local model, path = offline [[
        local client = require("codex").new()
        keep = client:thread_start():turn "hold on"
        for _ in keep:text() do error "enough" end
      ]]
      fails({ model, path }, 1, "enough")
      nothing_is_left()
    end)

    it("after a script that forgot to close", function()
      local model, path = offline "client = require('codex').new() turn = client:thread_start():turn 'hold on'"
      runs { model, path }
      nothing_is_left()
    end)

    it("after SIGTERM in the middle of a turn", function()
      local model, path = offline(held_turn)
      local tty = terminal { model, path }
      tty.shows "got part"
      os.execute("kill -TERM " .. processes("codex%-lua .*script%.lua")[1])
      tty.ends_with(143)
      nothing_is_left()
    end)

    it("after SIGTERM while it is stuck in C", function()
      local tty = terminal { "-e", [[
        print "busy" io.stdout:flush()
        while true do pcall(string.find, ("a"):rep(100000), ("a*"):rep(30) .. "b") end
      ]] }
      tty.shows "busy"
      os.execute("kill -TERM " .. processes("codex%-lua %-e")[1])
      tty.shows "codex-lua: terminated"
      tty.ends_with(143)
      nothing_is_left()
    end)

    it("after SIGTERM, whatever it goes on with", function()
      local scripts = {
        swallows = "while true do pcall(function() while true do end end) end",
        closes = "input = io.popen 'exec sleep 60' input:read()", -- which waits for the program
      }
      local ttys = {}
      for name, text in pairs(scripts) do
        ttys[name] = terminal { "-e", "print 'busy' io.stdout:flush() " .. text }
        ttys[name].shows "busy"
      end
      for _, pid in ipairs(processes "codex%-lua %-e") do
        os.execute("kill -TERM " .. pid)
      end
      for _, tty in pairs(ttys) do
        tty.ends_with(143)
        assert.equal(1, select(2, tty.output():gsub("codex%-lua: terminated", "")))
      end
    end)

    it("after kill -9 in the middle of a turn", function()
      local model, path = offline(held_turn)
      local tty = terminal { model, path }
      tty.shows "got part"
      assert.equal(1, #processes "app%-server")
      os.execute("kill -KILL " .. processes("codex%-lua .*script%.lua")[1])
      tty.ends_with(137)
      kit.eventually(function()
        return #processes() == 0 and homes() == ""
      end, 20)
      nothing_is_left()
    end)
  end)

  it("is a prompt at a terminal when there is no script", function()
    local tty = terminal {}
    tty.shows "> "
    tty.type "1 + 1\n"
    tty.shows "2\r\n"
    tty.type "\4"
    tty.ends_with(0)
    assert.truthy(exists(dir))
  end)
end)
