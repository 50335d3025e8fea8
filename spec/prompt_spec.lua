--- Asking a person: approvals and questions at a terminal, which is a real one here.

local codex = require "codex"
local kit = require "spec.support.kit"
local show = require "codex.show"
local terminals = require "spec.support.terminal"

-- What every program here begins with: requests like the server's, which can be withdrawn.
local PRELUDE = [[
local codex = require "codex"
local prompt, ask = codex.approve.prompt, codex.ask.prompt
local function request(kind, fields)
  fields.kind, fields.params, fields.cancelled = kind, fields.params or {}, false
  fields.reason = fields.params.reason
  fields.decisions = require("codex.answer").decisions(fields)
  function fields.when_cancelled(self, fn)
    self.on_cancelled = fn
    if self.cancelled then codex.spawn(fn) end
  end
  function fields.withdraw(self)
    self.cancelled = true
    if self.on_cancelled then codex.spawn(self.on_cancelled) end
  end
  return fields
end
local function command(text, params)
  return request("command", { command = text, cwd = "/srv", params = params })
end
local function changes(...)
  return request("file_change", { item = { type = "fileChange", changes = { ... } } })
end
local function questions(...)
  return request("user_input", { questions = { ... } })
end
local function say(...)
  print(...)
  io.stdout:flush()
end
local function answers(name, handler, asked)
  return codex.spawn(function()
    local answer = handler(asked)
    say(name .. "=" .. (type(answer) == "table" and codex.json.encode(answer) or tostring(answer)) .. ";")
  end)
end
]]

local function lua_line(source, env)
  local path = kit.write_file(kit.folder() .. "/program.lua", PRELUDE .. "codex.run(function()\n" .. source .. "\nend)")
  local words = { "env", "LD_PRELOAD=" .. kit.quoted(os.getenv "LD_PRELOAD" or "") }
  for name, value in pairs(env or {}) do
    words[#words + 1] = name .. "=" .. kit.quoted(value)
  end
  words[#words + 1] = kit.quoted(kit.lua)
  words[#words + 1] = kit.quoted(path)
  return table.concat(words, " ")
end

local function run(source, env)
  return terminals.start(lua_line(source, env), kit.folder())
end

local function plain(text)
  return (text:gsub("\27%[[%d;]*m", ""):gsub("\r\n", "\n"))
end

local ASKED = "[c]ancel the turn: "

local function ends(tty)
  assert.equal(0, tty:status(), tty:output())
end

describe("approve.prompt", function()
  after_each(kit.cleanup)

  it("shows a command and takes an answer", function()
    local tty = run [[
      local handler = prompt()
      for index, asked in ipairs {
        command("git push", { reason = "because" }), command "one", command "two", command "three", command "four",
        command("five", { kind = "humanCommand" }),
        request("permissions", { cwd = "/srv", params = { permissions = { network = { enabled = true } } } }),
        request("mcp_tool", { server_name = "s", tool_name = "t", tool_params = { list = { 1, "a\nb" } } }),
        request("mcp_tool", { server_name = "s", persist = { "session" } }),
        command("six", { network_approval_context = { host = "example.org", protocol = "https" },
          additional_permissions = { file_system = { write = { "/etc" } } } }),
        request("command", {}), request("file_change", {}), request("elicitation", { summary = "something else" }),
        request("user_input", { questions = {} }), request("new", { summary = "something new" }),
        command("seven", { kind = "writeStdin", available_decisions = { "accept", "cancel" } }),
      } do
        answers(index, handler, asked):join()
      end
    ]]
    local shown = plain(tty:shows(ASKED))
    assert.equal("\nThe agent wants to run a command:\n  | git push\n  in       /srv\n  reason   because\n"
      .. "Allow it? [y]es, [n]o, [a]lways in this session, ", shown)
    tty:type "y\n"
    tty:shows "1=accept;"
    for index, typed in ipairs { "N", " always ", "c", "cancel" } do
      tty:shows(ASKED)
      tty:type(typed .. "\n")
      tty:shows((index + 1) .. "=" .. ({ "decline", "accept_for_session", "cancel", "cancel" })[index] .. ";")
    end
    -- no other word is an answer, and not every answer is for everything
    assert.is_nil(tty:shows(ASKED):find("lways", 1, true))
    for _, typed in ipairs { "", "yess", "ok", "1", "m", "a" } do
      tty:type(typed .. "\n")
      tty:shows(ASKED)
    end
    tty:type "yes\n"
    tty:shows "6=accept;"
    assert.truthy(plain(tty:shows(ASKED)):find("  | permissions.network.enabled = true\n  in       /srv\n", 1, true))
    tty:type "a\n"
    tty:shows "7=accept_for_session;"
    shown = plain(tty:shows(ASKED))
    local tool = '  server   s\n  tool     t\n  | params.list[1] = 1\n  | params.list[2] = a\\nb\n'
    assert.truthy(shown:find(tool, 1, true))
    assert.is_nil(shown:find("lways", 1, true))
    tty:type "n\n"
    tty:shows "8=decline;"
    shown = tty:shows(ASKED)
    assert.truthy(shown:find("lways", 1, true), shown)
    tty:type "n\n"
    shown = plain(tty:shows(ASKED))
    assert.truthy(shown:find("A command wants to use the network:\n  host     example.org (https)\n  | six\n", 1, true))
    assert.truthy(shown:find("as well:\n  | permissions.file_system.write[1] = /etc\n", 1, true))
    tty:type "n\n"
    assert.truthy(tty:shows(ASKED):find("the server didn't say which", 1, true))
    tty:type "n\n"
    assert.truthy(tty:shows(ASKED):find("the server didn't say which", 1, true))
    tty:type "n\n"
    shown = tty:shows(ASKED)
    assert.truthy(shown:find("something else", 1, true))
    assert.is_nil(shown:find("lways", 1, true))
    tty:type "n\n"
    -- what can't be answered here isn't asked
    shown = tty:shows(ASKED)
    assert.truthy(shown:find "14=nil;%s+15=nil;")
    assert.is_nil(shown:find("something new", 1, true))
    assert.truthy(plain(shown):find "Allow it%? %[y%]es, %[n%]o, $")
    tty:type "a\n"
    tty:shows(ASKED)
    tty:type "y\n"
    tty:shows "16=accept;"
    ends(tty)
  end)

  local three_changes = [[
    local handler = prompt { max_lines = LIMIT }
    local asked = changes(
      { path = "/srv/new.lua", kind = { type = "add" }, diff = "one\n\ttwo\n" },
      { path = "/srv/old.lua", kind = { type = "delete" }, diff = "three" },
      { path = "/srv/a", kind = { type = "update", move_path = "/srv/b" }, diff = "@@ -1 +1 @@\n-x\n+y\n z" })
    answers(1, handler, asked):join()
  ]]

  it("shows the diff of a change, in colour", function()
    local tty = run(three_changes:gsub("LIMIT", "nil"), { NO_COLOR = "" })
    local shown = tty:shows(ASKED):gsub("\r\n", "\n")
    assert.equal([[

The agent wants to change files:
  new      /srv/new.lua
  | +one
  | +    two
  deleted  /srv/old.lua
  | -three
  changed  /srv/a
  moved to /srv/b
  | @@ -1 +1 @@
  | -x
  | +y
  |  z
Allow it? [y]es, [n]o, [a]lways in this session, ]], plain(shown))
    assert.truthy(shown:find("  | \27[32m+one\27[0m\n", 1, true))
    assert.truthy(shown:find("  | \27[31m-three\27[0m\n", 1, true))
    tty:type "y\n"
    tty:shows "1=accept;"
    ends(tty)
  end)

  it("shows no colour where none is wanted, and so many lines", function()
    -- eleven rows aren't our own
    for limit, left_out in pairs { [10] = 1, [11] = 0, [12] = 0 } do
      local tty = run(three_changes:gsub("LIMIT", limit), { NO_COLOR = "1" })
      local more = left_out > 0 and ", [m]ore (1 lines): " or ": "
      local shown = tty:shows("[c]ancel the turn" .. more)
      assert.is_nil(shown:find("\27", 1, true))
      assert.equal(left_out == 0, shown:find("  |  z", 1, true) ~= nil)
      if left_out > 0 then
        tty:type "m\n"
        assert.truthy(tty:shows(ASKED):find("  |  z", 1, true))
      end
      tty:type "y\n"
      tty:shows "1=accept;"
      ends(tty)
    end
  end)

  it("shows nothing that could deceive", function()
    local tty = run [[
      local evil = "ls\27[2J\27[31m\r\n\nAllow it? y\194\155A\226\128\174\226\129\166\226\128\139\194\160\255"
        .. (" "):rep(5000) .. ";rm\n\n\n\n\n\n\n\nx" .. ("w"):rep(200)
      local handler = prompt()
      answers(1, handler, command(evil, { reason = evil })):join()
      answers(2, handler, changes { path = evil, kind = { type = "update" }, diff = evil }):join()
    ]]
    local shown = plain(tty:shows(ASKED))
    for line in shown:gmatch "([^\n]*)\n" do
      assert.truthy(line == "" or line:find "^  [|:] " or line:find "^  %w+ " or line:find "^   +" or
        line:find "^The agent wants", line)
    end
    local rows = "  | ls\\x1b[2J\\x1b[31m\\r\n  | \n  | Allow it? y\\u{9b}A\\u{202e}\\u{2066}\\u{200b}\\u{a0}\\xff"
    assert.truthy(shown:find(rows, 1, true), shown)
    assert.truthy(shown:find("[5000 blanks];rm\n  | [7 empty lines]\n  | xw", 1, true), shown)
    assert.truthy(shown:find("\n  : www", 1, true), shown)
    assert.truthy(shown:find("  note     it has letters that may look like others\n", 1, true))
    assert.truthy(shown:find("reason   ls\\x1b[2J\\x1b[31m\\r\\n\\nAllow it?", 1, true))
    tty:type "n\n"
    shown = tty:shows(ASKED)
    assert.is_nil(shown:find "[%z\1-\9\11\12\14-\26\28-\31]")
    assert.is_nil(shown:find "\27[^%[]")
    assert.is_nil(shown:find "\27%[2J")
    tty:type "n\n"
    ends(tty)
  end)

  it("asks one at a time, and other tasks go on", function()
    local tty = run [[
      local one, two = prompt(), prompt { color = false }
      answers(1, one, command "one")
      answers(2, two, command "two")
      answers(3, ask(), questions { id = "q", header = "", question = "what?" })
      answers(4, one, command "four")
      for index = 1, 3 do codex.sleep(0.001) end
      say "ticked;"
    ]]
    tty:shows "| one"
    tty:shows "[c]ancel the turn"
    tty:shows "ticked;"
    tty:type "y\n"
    tty:shows "| two"
    tty:shows "[c]ancel the turn (2 more to ask): "
    tty:type "n\n"
    tty:shows "what?"
    tty:type "that\n"
    tty:shows "| four"
    tty:shows(ASKED)
    tty:type "c\n"
    tty:shows "4=cancel;"
    ends(tty)
    for _, answer in ipairs { "1=accept;", "2=decline;", '3={"q":"that"};' } do
      assert.truthy(tty:output():find(answer, 1, true))
    end
  end)

  it("isn't kept from others by who can't wait for it where he is", function()
    local tty = run [[
      local uv = codex.use_loop "uv"
      local one = answers("one", prompt(), command "first")
      codex.sleep(0)
      uv.new_timer():start(0, 0, function()
        local ok, err = pcall(prompt(), command "second")
        say("two=" .. tostring(ok) .. " " .. err.kind .. ";")
      end)
      one:join()
      answers("three", prompt(), command "third"):join()
    ]]
    tty:shows(ASKED)
    tty:shows "two=false invalid_argument;"
    tty:type "y\n"
    tty:shows "one=accept;"
    tty:shows(ASKED)
    tty:type "y\n"
    tty:shows "three=accept;"
    ends(tty)
  end)

  it("leaves what is withdrawn", function()
    local tty = run [[
      local screen = io.open("/dev/tty", "w")
      local one, two, three = command "one", command "two", command "three"
      local output = {
        write = function(_, text)
          screen:write(text)
          screen:flush()
          if text:find("| one", 1, true) then
            one:withdraw()
            two:withdraw()
          end
        end,
      }
      local handler = prompt { output = output }
      local first = answers(1, handler, one)
      answers(2, handler, two)
      answers(3, handler, three)
      first:join()
      first = answers(4, prompt(), command "four")
      codex.sleep(0)
      first:cancel()
    ]]
    tty:shows "| one"
    tty:shows "(withdrawn: it doesn't matter any more)"
    assert.is_nil(tty:shows("| three"):find("two", 1, true))
    tty:shows(ASKED)
    tty:type "y\n"
    tty:shows "3=accept;"
    ends(tty)
    for _, answer in ipairs { "1=nil;", "2=nil;" } do
      assert.truthy(tty:output():find(answer, 1, true))
    end
    assert.is_nil(tty:output():find("4=", 1, true))
  end)

  it("takes nothing that was typed before it asks", function()
    local tty = run [[
      local core = require "codex.core"
      local fd = core.terminal_open "/dev/tty"
      say "ready;"
      assert(core.poll({ fd }, 10, { false }) == 1)
      core.terminal_close(fd)
      answers(1, prompt(), command "one"):join()
    ]]
    tty:shows "ready;"
    tty:type "y\n"
    tty:shows(ASKED)
    tty:type "n\n"
    tty:shows "1=decline;"
    ends(tty)
  end)

  it("declines from Ctrl-D on", function()
    local tty = run [[
      local handler = prompt()
      answers(1, handler, command "one"):join()
      answers(2, handler, command "two"):join()
      answers(3, prompt(), command "three"):join()
    ]]
    tty:shows(ASKED)
    tty:type "y\4\4"
    tty:shows "codex: the terminal's input has ended: what the agent asks for is declined"
    tty:shows "1=decline;"
    assert.is_nil(tty:shows("2=decline;"):find("codex:", 1, true))
    tty:shows "3=decline;"
    ends(tty)
    assert.is_nil(tty:output():find("| two", 1, true))
  end)

  it("lets go of the terminal, and of whoever reads standard input besides", function()
    local tty = run [[
      local loop = require "codex.loop"
      local reads = 0
      local function reader() reads = reads + 1 end
      loop.watch(0, reader)
      answers(1, prompt(), command "one"):join()
      assert(loop.watcher(0) == reader and reads == 0)
      loop.watch(0, nil)
      local failing = { write = function() error "no paper" end }
      local ok, err = require("codex.task").attempt(prompt { output = failing }, command "two")
      assert(not ok and err:find "no paper")
      answers(3, prompt(), command "three"):join()
    ]]
    tty:shows "| one"
    tty:type "y\n"
    tty:shows "1=accept;"
    tty:shows "| three"
    tty:type "n\n"
    tty:shows "3=decline;"
    ends(tty)
  end)

  it("declines in the background of a terminal", function()
    local asking = lua_line 'answers(1, prompt(), command "one"):join() answers(2, prompt(), command "two"):join()'
    local tty = terminals.start("set -m; " .. asking .. " & wait; echo waited")
    tty:shows "codex: the program is in the background of its terminal: what the agent asks for is declined"
    tty:shows "1=decline;"
    tty:shows "2=decline;"
    tty:shows "waited"
    ends(tty)
  end)

  it("declines when it is put into the background", function()
    local asking = lua_line 'answers(1, prompt(), command "one"):join()'
    local tty = terminals.start("set -m; " .. asking .. "; bg; echo 'put there'; wait; echo waited")
    tty:shows(ASKED)
    tty:type "\26"
    tty:shows "put there"
    tty:type "y\n"
    tty:shows "1=decline;"
    tty:shows "waited"
    ends(tty)
  end)

  it("declines without a terminal, and says so once", function()
    local log = kit.folder() .. "/log"
    local source = [[
      answers(1, prompt(), command "one"):join()
      answers(2, prompt(), command "two"):join()
      answers(3, prompt { input = "/dev/null" }, command "three"):join()
      answers(4, ask(), questions { id = "q", header = "", question = "what?" }):join()
    ]]
    os.execute("setsid -w " .. lua_line(source) .. " </dev/null >" .. kit.quoted(log) .. " 2>&1")
    assert.equal([[
codex: there is no terminal to ask at: what the agent asks for is declined
1=decline;
2=decline;
codex: there is no terminal to ask at: what the agent asks for is declined
3=decline;
4={};
]], kit.read_file(log))
  end)

  it("leaves the terminal to an editor that runs in it", function()
    local tty = run "vim = {} answers(1, prompt(), command 'one'):join()"
    tty:shows "there is no terminal to ask at"
    tty:shows "1=decline;"
    ends(tty)
  end)

  it("is checked when it is made", function()
    local function given(options, message)
      local ok, err = pcall(codex.approve.prompt, options)
      assert.is_false(ok)
      assert.is_true(codex.is_error(err, "invalid_argument"))
      assert.truthy(tostring(err):find(message, 1, true), tostring(err))
    end
    given({ colour = true }, "approve.prompt: unknown option 'colour' (did you mean 'color'?)")
    given({ color = 1 }, "approve.prompt.color: expected a boolean, got number")
    given({ input = 0 }, "approve.prompt.input: expected the path of a terminal, got number")
    given({ output = {} }, "approve.prompt.output: expected something to write to, got table")
    given({ max_lines = "1" }, "approve.prompt.max_lines: expected a number, got string")
    given({ max_lines = 0 }, "approve.prompt.max_lines: must be at least 1")
    given({ max_lines = 0 / 0 }, "approve.prompt.max_lines: must be at least 1")
    given(1, "approve.prompt: expected a table of options, got number")
    assert.is_function(codex.approve.prompt { max_lines = 1 })
  end)
end)

describe("ask.prompt", function()
  after_each(kit.cleanup)

  local options = [[options = { { label = "Red", description = "like roses" }, { label = "Blue", description = "" } }]]

  it("asks for an option, or for words", function()
    local tty = run(([[
      local handler = ask()
      local closed = { id = "c", header = "Colour", question = "Which?", OPTIONS }
      local open = { id = "o", header = "", question = "Which\27?", is_other = true, OPTIONS }
      local free = { id = "f", header = "", question = "Why?" }
      answers(1, handler, questions(closed, open, free)):join()
      answers(2, handler, questions(closed, open, free)):join()
      answers(3, handler, questions(closed, free)):join()
      answers(4, handler, questions()):join()
    ]]):gsub("OPTIONS", options), nil)
    local CLOSED, OPEN, FREE = "or Enter for no answer: ", "or Enter for none: ", "or Enter for none: "
    assert.equal("\nThe agent asks (1 of 3):\n  Colour\n  Which?\n    1. Red: like roses\n    2. Blue\nA number, ",
      plain(tty:shows(CLOSED)))
    for _, typed in ipairs { "3", "0", "Green", "1.0" } do
      tty:type(typed .. "\n")
      tty:shows(CLOSED)
    end
    tty:type "2\n"
    assert.truthy(plain(tty:shows(OPEN)):find("  Which\\x1b?\n", 1, true))
    tty:type "3\n" -- there are two
    tty:shows(OPEN)
    tty:type " Green \n"
    tty:shows(FREE)
    tty:type "3\n"
    tty:shows '1={'
    tty:shows(CLOSED)
    tty:type "rED\n"
    tty:shows(OPEN)
    tty:type "1\n"
    tty:shows(FREE)
    tty:type "  \n"
    tty:shows "2={"
    tty:shows(CLOSED)
    tty:type "\n"
    tty:shows(FREE)
    tty:type "\4"
    tty:shows "codex: the terminal's input has ended: the agent's questions get no answers"
    tty:shows "3={};"
    tty:shows "4={};"
    ends(tty)
    local function answered(number)
      return codex.json.decode(tty:output():match(number .. "=({.-});"))
    end
    assert.same({ c = "Blue", o = "Green", f = "3" }, answered(1))
    assert.same({ c = "Red", o = "Red" }, answered(2))
  end)

  -- A shell that tells after a program whether the terminal shows what is typed.
  local function then_echo(line)
    return line .. "; n=0; until stty -a | grep -q ' echo ' || [ $n = 500 ]; do n=$((n + 1)); sleep 0.01; done; "
      .. "stty -a | grep -q ' echo ' && echo 'echo is on'"
  end

  it("doesn't show a secret", function()
    local tty = terminals.start(then_echo(lua_line [[
      local handler = ask()
      local secret = { id = "s", header = "", question = "Password?", is_secret = true }
      local asked = questions(secret, { id = "f", header = "", question = "Name?" })
      asked.questions[1].options = { { label = "None", description = "" } }
      answers(1, function(what) return { #handler(what).s } end, asked):join()
    ]]))
    tty:shows "(what you type isn't shown) A number, or Enter for no answer: "
    tty:type "hunter2\n"
    tty:shows "(what you type isn't shown) A number, or Enter for no answer: "
    tty:type "none\n"
    tty:shows "Your answer, or Enter for none: "
    tty:type "visible\n"
    tty:shows "1=[4];"
    tty:shows "echo is on"
    ends(tty)
    assert.is_nil(tty:output():find("hunter2", 1, true))
    assert.truthy(tty:output():find("visible", 1, true))
  end)

  it("keeps the blanks of a secret", function()
    local tty = run [[
      local secret = { id = "s", header = "", question = "Password?", is_secret = true }
      answers(1, function(asked) return { #ask()(asked).s } end, questions(secret)):join()
    ]]
    tty:shows "(what you type isn't shown) Your answer, or Enter for none: "
    tty:type " x \n"
    tty:shows "1=[3];"
    ends(tty)
  end)

  it("shows again what is typed when a secret isn't wanted any more", function()
    local tty = terminals.start(then_echo(lua_line [[
      local asked = questions { id = "s", header = "", question = "Password?", is_secret = true }
      local screen = io.open("/dev/tty", "w")
      local output = {
        write = function(_, text)
          screen:write(text)
          screen:flush()
          if text:find("or Enter", 1, true) then asked:withdraw() end
        end,
      }
      answers(1, ask { output = output }, asked):join()
    ]]))
    tty:shows "(withdrawn: it doesn't matter any more)"
    tty:shows "1=nil;"
    tty:shows "echo is on"
    ends(tty)
  end)

  it("shows again what is typed when the program is killed over a secret", function()
    local tty = terminals.start(then_echo("sh -c 'echo pid=$$; exec \"$@\"' sh " .. lua_line [[
      ask()(questions { id = "s", header = "", question = "Password?", is_secret = true })
    ]]))
    tty:shows "pid="
    local pid = tty:shows "\r\n"
    tty:shows "or Enter for none: "
    os.execute("kill -KILL " .. pid)
    tty:shows "echo is on"
    ends(tty)
  end)

  it("gives no secret away where it can't be hidden", function()
    local tty = run([[
      local secret = { id = "s", header = "", question = "Password?", is_secret = true }
      answers(1, ask(), questions(secret, { id = "f", header = "", question = "Name?" })):join()
    ]], { PATH = "/nowhere" })
    tty:shows "This is a secret, and the terminal can't hide it: no answer."
    tty:shows "Your answer, or Enter for none: "
    tty:type "me\n"
    tty:shows '1={"f":"me"};'
    ends(tty)
  end)

  it("is checked when it is made", function()
    local ok, err = pcall(codex.ask.prompt, { color = true })
    assert.is_false(ok)
    assert.truthy(tostring(err):find("ask.prompt: unknown option 'color'", 1, true), tostring(err))
  end)
end)

describe("what is shown", function()
  it("is one line, escaped", function()
    for given, shown in pairs {
      ["a b"] = "a b",
      ["a\nb\tc\rd"] = "a\\nb\\tc\\rd",
      ["\0\1\27\127"] = "\\x00\\x01\\x1b\\x7f",
      ["h\195\164\226\130\172\240\159\152\128"] = "h\195\164\226\130\172\240\159\152\128",
      ["\194\128\194\159\194\160\194\173"] = "\\u{80}\\u{9f}\\u{a0}\\u{ad}",
      ["\216\156\226\128\142\226\128\174\226\129\169\226\128\168"] = "\\u{61c}\\u{200e}\\u{202e}\\u{2069}\\u{2028}",
      ["\239\187\191\243\160\129\129\227\128\128"] = "\\u{feff}\\u{e0041}\\u{3000}",
      ["\239\184\143\240\155\178\160\240\147\144\176"] = "\\u{fe0f}\\u{1bca0}\\u{13430}",
      ["\255\195\226\130"] = "\\xff\\xc3\\xe2\\x82",
      ["\192\128\237\160\128\244\144\128\128"] = "\\xc0\\x80\\xed\\xa0\\x80\\xf4\\x90\\x80\\x80",
      [(" "):rep(40)] = (" "):rep(40),
      ["a" .. (" "):rep(41) .. "b"] = "a[41 blanks]b",
      [7] = "7",
    } do
      assert.equal(shown, show.line(given))
    end
  end)

  it("is rows of no more than so many columns", function()
    local rows, continued = show.rows("0123456789\nab\n", 8)
    assert.same({ "01234567", "89", "ab" }, rows)
    assert.same({ [2] = true }, continued)
    assert.same({ "01234567" }, (show.rows("01234567", 8)))
    -- a character that isn't ASCII may take two columns, an escape takes what it is long
    assert.same({ "aaa\195\164\195\164", "\195\164" }, (show.rows("aaa\195\164\195\164\195\164", 8)))
    assert.same({ "aaaaa", "\\x1b" }, (show.rows("aaaaa\27", 8)))
    assert.same({ "\\u{202e}", "a" }, (show.rows("\226\128\174a", 8)))
    assert.same({ "a", "", "", "", "b" }, (show.rows("a\n\n \n\t\nb", 80)))
    assert.same({ "a", "[4 empty lines]", "b" }, (show.rows("a\n\n\n\n\nb", 80)))
    assert.same({ "    x\\r" }, (show.rows("\tx\r\n", 80)))
    assert.same({ "" }, (show.rows("", 80)))
  end)
end)
