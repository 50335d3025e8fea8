--- Every example runs through the real server, offline.

local kit = require "spec.support.kit"
local terminals = require "spec.support.terminal"

local program = os.getenv "CODEX_LUA" or kit.root .. "/build/codex-lua"

-- What an example prints; more: its arguments, as in a shell; variables: for its environment; answers: the model's.
local function run(example, more, variables, answers)
  local command = ("env -u LD_PRELOAD CODEX_BIN=%s XDG_CACHE_HOME=%s %s %s --offline%s %s %s 2>&1 </dev/null"):format(
    kit.quoted(kit.codex_bin),
    kit.quoted(kit.folder()),
    variables or "",
    kit.quoted(program),
    answers and "=" .. kit.quoted(answers) or "",
    "examples/" .. example,
    more or ""
  )
  local pipe = io.popen(command)
  local text = pipe:read "*a"
  pipe:close()
  return text
end

describe("the example", function()
  after_each(kit.cleanup)

  it("hello.lua says hello", function()
    local text = run "hello.lua"
    assert.truthy(text:find "^Hello! This is the scripted model speaking; [^\n]*\n%d+ items, %d+ tokens\n$", text)
  end)

  it("stream.lua prints the text and what it came to", function()
    assert.truthy(run("stream.lua"):find "^Hello! [^\n]*\n%[completed, %d+ tokens%]\n$")
    assert.truthy(run("stream.lua", "Why? Why not?"):find('You said "Why? Why not?"', 1, true))
  end)

  it("goal.lua tells how the goal comes along", function()
    local text = run("goal.lua", "make tea")
    assert.truthy(text:find("^goal: make tea\n", 1))
    assert.truthy(text:find("has made a start", 1, true))
    assert.truthy(text:find("%[active, %d+ tokens%]\n"))
    assert.truthy(text:find("The goal is reached", 1, true))
    assert.truthy(text:find "\ncomplete: 2 messages, %d+ tokens, %d+%.%d s\n$", text)
  end)

  it("timeout.lua puts an end to waiting in three ways", function()
    assert.equal([[
timeout: the turn took too long; the turn was interrupted
idle_timeout: nothing came of the turn for too long; the turn was interrupted
codex.timeout: not done after 0.5 seconds; the turn was interrupted
completed
]], run "timeout.lua")
  end)

  it("cancel.lua stops those that lose a race", function()
    local text = run "cancel.lua"
    local pattern = "^number 2 was first: Hello![^\n]*\nnumber 1: cancelled\nnumber 2: done\nnumber 3: cancelled\n$"
    assert.truthy(text:find(pattern), text)
  end)

  it("pipeline.lua puts the results in order, however many workers there are", function()
    local text = run "pipeline.lua"
    local pattern = '^a%.lua: You said "[^\n]*a%.lua[^\n]*\nb%.lua: [^\n]*\nc%.lua: [^\n]*\nd%.lua: [^\n]*\n$'
    assert.truthy(text:find(pattern), text)
  end)

  it("many.lua answers in order", function()
    local text = run "many.lua"
    assert.truthy(text:find '^1%. Name a prime.-\n   You said "Name a prime.-\n2%. .-river.-\n   .-river.-\n3%. ', text)
    assert.equal(6, select(2, text:gsub("\n", "")))
  end)

  it("review.lua prints what structured output holds, the worst first", function()
    local dir = kit.folder()
    kit.write_file(dir .. "/git", "#!/bin/sh\necho 'diff of '\"$4\"\n") -- there need not be one
    os.execute("chmod +x " .. kit.quoted(dir .. "/git"))
    kit.write_file(dir .. "/answers.lua", [==[return function(request)
      assert(request.text.format.strict and request.text.format.schema.additionalProperties == false)
      return '{"summary":"Two things.","findings":[' ..
        '{"file":"a","line":null,"severity":"note","message":"why?"},' ..
        '{"file":"b","line":3,"severity":"error","message":"wrong"}]}'
    end]==])
    local answers = dir .. "/answers.lua"
    local text = run("review.lua", ". HEAD~1", "PATH=" .. kit.quoted(dir) .. ':"$PATH"', answers)
    assert.equal("Two things.\nb:3: error: wrong\na:1: note: why?\n", text)
  end)

  it("tools.lua lets the model look tickets up and close them", function()
    local lines = {}
    for line in run("tools.lua", nil, nil, "examples/offline/tools.lua"):gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.truthy(lines[1]:find('^search {.*}: %[{.*"Printer on floor 2 jams".*"Printer in the lobby is off'), lines[1])
    assert.truthy(lines[2]:find('^read {"id":1}: {.*"Ordered a new roller%."'), lines[2])
    assert.truthy(lines[3]:find('^read {"id":2}: {.*"Works again%."'), lines[3])
    assert.equal('read {"id":9}: The tool failed: there is no ticket 9', lines[4])
    assert.truthy(lines[5]:find("missing property 'comment'", 1, true), lines[5])
    assert.truthy(lines[6]:find "^close {.*}: closed$", lines[6])
    assert.truthy(lines[7]:find "I have closed ticket 2%.$", lines[7])
    assert.equal("2  closed  Printer in the lobby is off", lines[9])
  end)

  it("plan.lua takes first options where nobody can be asked", function()
    local text = run("plan.lua", nil, nil, "examples/offline/plan.lua")
    assert.equal("Who is the README for?  -> Users (Recommended)\nThat is all I need.\n\n"
      .. "1. Write README.md for users.\n\nIs the plan to be carried out?  -> No\n", text)
  end)

  it("plan.lua asks at the terminal, and carries the plan out", function()
    local screen = terminals.start(("CODEX_BIN=%s XDG_CACHE_HOME=%s %s --offline=examples/offline/plan.lua %s"):format(
      kit.quoted(kit.codex_bin), kit.quoted(kit.folder()), kit.quoted(program), "examples/plan.lua"))
    screen:shows "Who is the README for?"
    screen:shows "Enter for none: "
    screen:type "2\n"
    screen:shows "1. Write README.md for developers."
    screen:shows "Is the plan to be carried out?"
    screen:shows "no answer: "
    screen:type "yes\n"
    screen:shows "README.md is there."
    assert.equal(0, screen:status())
  end)

  it("walkthrough.lua goes through all of it", function()
    local text = run "walkthrough.lua"
    local sections = {}
    for name in text:gmatch "%-%- (%l+)\n" do
      sections[#sections + 1] = name
    end
    assert.equal("client run stream text input structured tasks control limits errors threads review goals "
      .. "notifications api account", table.concat(sections, " "), text)
    for _, words in ipairs {
      "completed after ", "2 completed items, then: completed", "false\tinvalid_argument\n", "done meanwhile",
      "false\ttimeout\nfalse\ttimeout\n", "(did you mean 'sandbox'?)", "no_rollout", "the latest: A walk",
      "a fork of it: true", "review completed", "goal complete", "1 turn ended", "the model configured: mock-model",
      "there is no group 'tread' (did you mean 'thread'?)", "nobody is logged in",
    } do
      assert.truthy(text:find(words, 1, true), words .. "\n--\n" .. text)
    end
  end)

  it("login.lua says who is logged in, and gives a login up", function()
    assert.equal("nobody is logged in, and this model provider doesn't ask for it\n", run "login.lua")
    kit.alone_with_logins()
    local text = run("login.lua", "browser 0")
    assert.truthy(text:find "^open this address:\nhttps://%S+\ngiven up: nobody has logged in by now\nnobody", text)
    assert.truthy(run("login.lua", "nonsense"):find("unknown command 'nonsense'", 1, true))
  end)

  it("errors.lua meets each kind of failure, and gets over it", function()
    local text = run "errors.lua"
    local function has(words) assert.truthy(text:find(words, 1, true), words .. "\n--\n" .. text) end
    local kinds = {}
    for kind in text:gmatch "\n  kind    ([^\n]+)" do kinds[#kinds + 1] = kind end
    assert.same({ "invalid_argument", "spawn_failed", "transport_closed", "invalid_request", "turn_failed",
      "turn_failed", "timeout", "busy", "cancelled", "closed" }, kinds)
    has "thread_start: unknown option 'sandbx' (did you mean 'sandbox'?)"
    has "  status  3, its last words: out of paper\n"
    has "  reason  no_rollout\n"
    has "not too busy to list its models: table\n"
    has "  reason  context_window_exceeded\n"
    has "  reason  response_too_many_failed_attempts\n"
    has "  status  429\n"
    has "a turn that fails, as a result: failed, cyberPolicy\n"
    has "the turn took too long\n  result  interrupted, items: 1\n"
    has "a turn that was stopped: interrupted\n"
    assert.truthy(text:find "the client was closed\n$", text)
  end)

  it("resume.lua goes on with a thread in a second client", function()
    local text = run "resume.lua"
    local id = text:match "^Recent threads:\n  ([%x-]+)  Favourite numbers\n\n"
    assert.truthy(id, text)
    assert.truthy(text:find "\nSo far:\n  > My favourite number is 27. Just say that you have noted it.\n  %S", text)
    assert.truthy(text:find("\n  > What is my favourite number?\n", 1, true), text)
    assert.truthy(text:find("\n\n[%x-]+ was forked from " .. id:gsub("%-", "%%-") .. "\n$"), text)
  end)

  -- A model that calls its tools one after the other, each in an answer of its own.
  local function model_that_runs(folder, commands)
    local answers = {}
    for index, command in ipairs(commands) do
      answers[index] = ([[{ calls = { { name = "exec_command", arguments = {
        cmd = %q, login = false, sandbox_permissions = %q, justification = "it has to be" } } } }]]):format(
        command, command:find "^apply_patch" and "use_default" or "require_escalated")
    end
    return kit.write_file(folder .. "/model.lua", "return { " .. table.concat(answers, ", ") .. ", 'Done.' }")
  end

  local function add_file(name)
    return ("apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: %s\n+hello\n*** End Patch\nEOF"):format(name)
  end

  local function command_line(folder, commands, example)
    return ("env NO_COLOR=1 CODEX_BIN=%s XDG_CACHE_HOME=%s %s --offline=%s %s"):format(
      kit.quoted(kit.codex_bin), kit.quoted(kit.folder()), kit.quoted(program),
      kit.quoted(model_that_runs(folder, commands)), kit.quoted(kit.root .. "/examples/" .. example))
  end

  it("approve.lua asks at the terminal, and what is declined doesn't happen", function()
    local folder = kit.folder()
    local commands = { "touch accepted", "touch declined", add_file "accepted.txt", add_file "declined.txt" }
    local tty = terminals.start(command_line(folder, commands, "approve.lua"), folder)
    for _, asked in ipairs { { "| touch accepted", "y" }, { "| touch declined", "n" }, { "| +hello", "y" },
      { "| +hello", "n" } } do
      tty:shows(asked[1])
      tty:shows "[c]ancel the turn: "
      tty:type(asked[2] .. "\n")
    end
    tty:shows "Done."
    tty:shows "the turn is completed"
    assert.equal(0, tty:status())
    assert.truthy(kit.read_file(folder .. "/accepted"))
    assert.is_nil(kit.read_file(folder .. "/declined"))
    assert.equal("hello\n", kit.read_file(folder .. "/accepted.txt"))
    assert.is_nil(kit.read_file(folder .. "/declined.txt"))
    local log = kit.read_file(folder .. "/approvals.log")
    assert.equal(2, select(2, log:gsub('"answer":"accept"', "")), log)
    assert.equal(2, select(2, log:gsub('"answer":"decline"', "")), log)
  end)

  it("guarded.lua decides by its rules", function()
    local folder = kit.folder()
    local commands = {
      "ls -a", "ls -a | tee copy", "touch there", "rm -f model.lua", add_file "docs/a.txt", add_file "a.txt",
      add_file ".git/config",
    }
    local line = command_line(folder, commands, "guarded.lua")
    local shell = "cd %s && mkdir docs && env -u LD_PRELOAD %s 2>&1 </dev/null"
    local pipe = io.popen(shell:format(kit.quoted(folder), line))
    local text = pipe:read "*a"
    pipe:close()
    for _, shown in ipairs {
      "completed: /bin/bash -c 'ls -a'\n",
      "not covered by a rule: run: ls -a | tee copy ",
      "declined: /bin/bash -c 'ls -a | tee copy'\n",
      "not covered by a rule: run: touch there ",
      "declined: /bin/bash -c 'rm -f model.lua'\n",
      "completed: " .. folder .. "/docs/a.txt\n",
      "not covered by a rule: change " .. folder .. "/a.txt (add)\n",
      "declined: " .. folder .. "/.git/config\n",
      "Done.\n",
    } do
      assert.truthy(text:find(shown, 1, true), shown .. text)
    end
    assert.is_nil(text:find("not covered by a rule: run: rm", 1, true))
    assert.equal("hello\n", kit.read_file(folder .. "/docs/a.txt"))
    for _, name in ipairs { "copy", "there", "a.txt", ".git/config" } do
      assert.is_nil(kit.read_file(folder .. "/" .. name))
    end
    assert.truthy(kit.read_file(folder .. "/model.lua"))
  end)

  -- copas is packaged for 5.1 and 5.2 only
  local WITH_COPAS = "LUA_PATH=\"${LUA_PATH:-;};;/usr/share/lua/5.2/?.lua\""

  it("luv.lua streams a turn while libuv's clock goes on", function()
    local text = run("luv.lua", "'Why not?'")
    assert.truthy(text:find '^You said "Why not%?"[^\n]*\n%[completed, while the clock went on: true%]\n$', text)
  end)

  it("cqueues.lua and copas.lua wait for two turns at once as their loops wait", function()
    for _, example in ipairs { "cqueues.lua", "copas.lua" } do
      local text = run(example, "", WITH_COPAS)
      assert.truthy(text:find('You said "Name a prime number."', 1, true), text)
      assert.truthy(text:find('You said "Name a river in Asia."', 1, true), text)
      assert.truthy(not text:find "error" and not text:find "no answer", text)
      if example == "cqueues.lua" then assert.truthy(text:find "others went on meanwhile:%s+true\n", text) end
    end
  end)

  it("hello.lua and those of the loops run with plain lua as well", function()
    if not kit.lua:find "lua5%.4$" then return end -- the examples are written for 5.4
    local home = kit.home()
    local words = {}
    for name, value in pairs(home.env) do
      if name ~= "LD_PRELOAD" then -- which brings the sanitizers to this lua too
        words[#words + 1] = value and ("%s='%s'"):format(name, value) or "-u " .. name
      end
    end
    table.sort(words) -- "-u NAME" comes before "NAME=VALUE"
    for _, example in ipairs { "hello", "luv", "cqueues", "copas" } do
      local pipe = io.popen(("env %s %s CODEX_BIN='%s' '%s' examples/%s.lua 2>&1"):format(
        table.concat(words, " "), WITH_COPAS, kit.codex_bin, kit.lua, example))
      local text = pipe:read "*a"
      pipe:close()
      assert.truthy(text:find "^Hello!" or text:find '^You said "Name', text)
    end
  end)
end)
