-- The plugin of examples/nvim, inside of Neovim and through the real server.
local cjson = require "cjson"
local kit = require "spec.support.kit"
local nvim = require "spec.support.nvim"

local UPDATE_PLAN = "[tools.update_plan]\nenabled = true"

-- A command of the model's that goes on until the scenario has made the file "go".
local HELD = "until test -e go; do sleep 0.01; done; echo gone"

local WRITES = [[echo "it's new" | tee watched >changed; exit 3]]

local function command(line, more)
  local arguments = { cmd = line, login = false }
  for name, value in pairs(more or {}) do
    arguments[name] = value
  end
  return { calls = { { name = "exec_command", arguments = arguments } } }
end

local function outside_of_the_sandbox(line)
  return command(line, { sandbox_permissions = "require_escalated", justification = "it has to be" })
end

local function patch(line)
  return command("apply_patch <<'EOF'\n*** Begin Patch\n" .. line .. "\n*** End Patch\nEOF")
end

describe("Neovim", function()
  after_each(kit.cleanup)

  it("loads nothing before the first command, and has help for all of them", function()
    local report = nvim.run(nil, [[
      local loaded = vim.tbl_filter(function(name)
        return name:find "^codex"
      end, vim.tbl_keys(package.loaded))
      local docs = vim.fn.tempname()
      vim.fn.mkdir(docs .. "/doc", "p")
      local help = vim.api.nvim_get_runtime_file("doc/codex.txt", false)[1]
      vim.fn.writefile(vim.fn.readfile(help), docs .. "/doc/codex.txt")
      vim.cmd("helptags " .. docs .. "/doc")
      return {
        loaded = #loaded,
        commands = vim.tbl_filter(function(name)
          return name:find "^Codex"
        end, vim.tbl_keys(vim.api.nvim_get_commands {})),
        tags = vim.fn.join(vim.fn.readfile(docs .. "/doc/tags"), "\n"),
      }
    ]])
    assert.equal(0, report.loaded)
    table.sort(report.commands)
    assert.same({ "Codex", "CodexSend", "CodexSteer", "CodexStop" }, report.commands)
    for _, name in ipairs(report.commands) do
      assert.truthy(report.tags:find(":" .. name .. "\t", 1, true), name)
    end
  end)

  it("streams answers into a buffer, one conversation after the other", function()
    local home = kit.home { script = { "One.\nTwo.", "Three.", "Four." } }
    local report = nvim.run(home, [[
      local t = ...
      local window = vim.api.nvim_get_current_win()
      vim.o.number = true
      vim.cmd "Codex Count"
      vim.cmd "Codex Go on"
      local waiting = t.virtual()
      t.shows "Three."
      t.idle()
      local first = t.text()
      local seen = vim.fn.win_findbuf(t.buffer())
      vim.cmd "Codex! Once more"
      t.shows("Four.", 2)
      local buffer = t.buffer(2)
      return {
        waiting = waiting,
        stayed = window == vim.api.nvim_get_current_win(),
        first = first,
        second = t.text(2),
        windows = #vim.api.nvim_list_wins(),
        in_one = vim.deep_equal(seen, vim.fn.win_findbuf(buffer)),
        cursor = vim.api.nvim_win_get_cursor(seen[1])[1] == vim.api.nvim_buf_line_count(buffer),
        modifiable = vim.bo[buffer].modifiable,
        syntax = vim.bo[buffer].syntax,
        number = { vim.o.number, vim.api.nvim_win_get_option(seen[1], "number") },
      }
    ]])
    assert.same({ "> Count", "> Go on" }, report.waiting)
    assert.is_true(report.stayed)
    assert.equal("> Count\n\nOne.\nTwo.\n\n> Go on\n\nThree.\n", report.first)
    assert.equal("> Once more\n\nFour.\n", report.second)
    assert.equal(2, report.windows)
    assert.is_true(report.in_one)
    assert.is_true(report.cursor)
    assert.is_false(report.modifiable)
    assert.equal("codex", report.syntax)
    assert.same({ true, false }, report.number)
    assert.equal(3, #home:log())
  end)

  it("shows the plan and the command that runs as virtual text", function()
    local steps = { { step = "Wait", status = "in_progress" }, { step = "Tell", status = "pending" } }
    local plan = { calls = { { name = "update_plan", arguments = { plan = steps } } } }
    local home = kit.home {
      script = { plan, command(HELD), command(WRITES), "Well." },
      extra_toml = UPDATE_PLAN,
      sandbox_mode = "danger-full-access",
    }
    local report = nvim.run(home, [[
      local t = ...
      local disputed = false
      vim.api.nvim_create_autocmd("FileChangedShell", { callback = function()
        disputed = true
      end })
      vim.fn.writefile({ "theirs" }, "changed")
      vim.cmd "edit changed"
      vim.api.nvim_buf_set_lines(0, 0, -1, false, { "mine" })
      vim.fn.writefile({ "old", "lines" }, "watched")
      vim.cmd "split watched"
      vim.cmd "Codex Wait for it"
      t.goes_on("▸ $ ]] .. HELD .. [[")
      local running = t.virtual()
      vim.fn.writefile({}, "go")
      t.shows "Well."
      t.idle()
      return {
        running = running,
        text = t.text(),
        watched = vim.api.nvim_buf_get_lines(0, 0, -1, false),
        changed = vim.api.nvim_buf_get_lines(vim.fn.bufnr "changed", 0, -1, false),
        disputed = disputed,
      }
    ]])
    assert.same({ "[-] Wait", "[ ] Tell", "▸ $ " .. HELD }, report.running)
    -- what has ended may have taken long enough to be told
    local text = report.text:gsub("(exit %d), [%d.]+ s", "%1")
    assert.equal(("> Wait for it\n\n    $ %s (exit 0)\n    $ %s (exit 3)\n\nWell.\n"):format(HELD, WRITES), text)
    assert.same({ "it's new" }, report.watched)
    assert.same({ "mine" }, report.changed)
    assert.is_false(report.disputed)
  end)

  it("sends lines of a buffer, with a question", function()
    local home = kit.home { script = { "Fine.", "Fine, too." } }
    local report = nvim.run(home, [[
      local t = ...
      vim.api.nvim_buf_set_lines(0, 0, -1, false, { "first", "second", "``` third", "fourth" })
      vim.bo.filetype = "text"
      vim.cmd "file notes.txt"
      vim.cmd "2,3CodexSend What is this?"
      t.shows "Fine."
      vim.cmd "CodexSend"
      t.shows "Fine, too."
      return { text = t.text() }
    ]])
    assert.truthy(report.text:find("> What is this?\n> \n> notes.txt:2-3\n\nFine.", 1, true), report.text)
    assert.truthy(report.text:find("> notes.txt:1-4\n", 1, true), report.text)
    local function said(request)
      local input = request.body.input
      return input[#input].content[1].text
    end
    local log = home:log()
    assert.equal("What is this?\n\nnotes.txt:2-3\n````text\nsecond\n``` third\n````", said(log[1]))
    assert.truthy(said(log[2]):find("notes.txt:1-4\n````text\nfirst\nsecond\n", 1, true))
  end)

  it("steers and stops, and says so where there is nothing of the kind", function()
    local report = nvim.run(kit.home(), [[
      local t = ...
      vim.cmd "CodexStop"
      vim.cmd "CodexSteer Say hello."
      vim.cmd "Codex Begin and wait."
      t.shows "I begin, and wait"
      vim.cmd "CodexSteer Say hello."
      t.shows "Hello!"
      t.idle()
      vim.cmd "Codex Begin and wait."
      vim.cmd "Codex And then this."
      t.wait("the second turn", function()
        return select(2, t.text():gsub("I begin", "")) == 2
      end)
      vim.cmd "CodexStop"
      t.shows "stopped"
      t.idle()
      vim.cmd "Codex Say hello again."
      vim.cmd "CodexStop"
      vim.cmd "Codex Say it at last."
      t.shows "at last"
      t.idle()
      return { text = t.text(), notified = t.notified }
    ]])
    assert.same({ "Codex: there is nothing to stop", "Codex: there is nothing to steer" }, report.notified)
    assert.truthy(report.text:find("I begin, and wait\n\n> Say hello.\n\nHello!", 1, true), report.text)
    assert.is_nil(report.text:find("And then this", 1, true), report.text)
    assert.is_nil(report.text:find("hello again", 1, true), report.text)
    assert.truthy(report.text:find("> Say it at last.\n\nYou said", 1, true), report.text)
  end)

  it("asks before anything leaves the sandbox, with the command or the diff in a split", function()
    local home = kit.home {
      script = {
        outside_of_the_sandbox "touch there\necho",
        patch "*** Add File: a.txt\n+hello\n+you",
        patch "*** Add File: b.txt\n+hello",
        outside_of_the_sandbox "touch dismissed",
        "Enough.",
        outside_of_the_sandbox "touch late",
      },
    }
    local report = nvim.run(home, [[
      local t = ...
      local next_question = t.select()
      local asked = {}
      local function answer(index)
        local question = next_question()
        question.preview = t.preview()
        question.answer(index)
        question.answer = nil
        t.wait("the end of the preview", function()
          return not t.preview()
        end)
        table.insert(asked, question)
      end
      vim.cmd "Codex Do things"
      answer(1)
      answer(1)
      answer(3)
      answer(nil)
      t.shows "Enough."
      t.idle()
      vim.cmd "Codex Do more"
      local late = next_question()
      local windows = #vim.api.nvim_list_wins()
      local note = t.virtual()
      vim.cmd "CodexStop"
      t.shows "stopped"
      t.wait("the end of the preview", function()
        return not t.preview()
      end)
      late.answer(1)
      vim.cmd "Codex Say hello"
      t.shows "Hello!"
      return {
        asked = asked,
        windows = { windows, #vim.api.nvim_list_wins() },
        note = note,
        notified = t.notified,
        there = vim.fn.filereadable "there",
        a = vim.fn.readfile "a.txt",
        b = vim.fn.filereadable "b.txt",
        dismissed = vim.fn.filereadable "dismissed",
        late = vim.fn.filereadable "late",
        text = t.text(),
      }
    ]])
    local asked = report.asked
    assert.truthy(asked[1].prompt:find "^Codex wants to run this command in .* %(it has to be%):$", asked[1].prompt)
    local session = "Yes, and don't ask again for the like in this conversation"
    assert.same({ "Yes", session, "No, go on without it", "No, and stop" }, asked[1].labels)
    assert.same({ "touch there", "echo" }, asked[1].preview)
    assert.equal("Codex wants to change these files:", asked[2].prompt)
    assert.equal(4, #asked[2].labels)
    assert.truthy(asked[2].preview[1]:find "^%-%-%- .*/a%.txt %(add%)$", asked[2].preview[1])
    assert.same({ "+hello", "+you" }, { asked[2].preview[2], asked[2].preview[3] })
    assert.same({ 1, 0, 0, 0 }, { report.there, report.b, report.dismissed, report.late })
    assert.same({ "hello", "you" }, report.a)
    assert.truthy(report.text:find("\n    edit b.txt (declined)\n", 1, true), report.text)
    assert.same({ 3, 2 }, report.windows)
    assert.same({ "▸ $ touch late", "▸ waiting for your answer" }, report.note)
    assert.same({}, report.notified)
  end)

  it("lets read what a split has no room for, and asks again", function()
    local lines = ("\n+line"):rep(40)
    local home = kit.home {
      script = { patch("*** Add File: long.txt" .. lines), "Fine.", patch("*** Add File: late.txt" .. lines) },
    }
    local report = nvim.run(home, [[
      local t = ...
      local next_question = t.select()
      local window = vim.api.nvim_get_current_win()
      vim.cmd "Codex Write much"
      local first = next_question()
      first.answer(5)
      local reading = vim.fn.bufname() == "codex://question"
      vim.cmd "close"
      local second = next_question()
      local back = vim.api.nvim_get_current_win() == window
      second.answer(1)
      t.shows "Fine."
      t.idle()
      vim.cmd "Codex Write more"
      next_question().answer(5)
      vim.cmd "CodexStop"
      t.shows "stopped"
      t.wait("the end of the preview", function()
        return not t.preview()
      end)
      vim.cmd "Codex Say hello"
      t.shows "Hello!"
      return {
        labels = { first.labels, second.labels },
        reading = reading,
        back = back,
        long = #vim.fn.readfile "long.txt",
        late = vim.fn.filereadable "late.txt",
        unasked = #t.asked,
      }
    ]])
    assert.equal("Let me read it all: ask again when I close it", report.labels[1][5])
    assert.same(report.labels[1], report.labels[2])
    assert.is_true(report.reading)
    assert.is_true(report.back)
    assert.same({ 40, 0, 0 }, { report.long, report.late, report.unasked })
  end)

  it("asks with what Neovim brings itself, and waits until nobody types", function()
    local home = kit.home {
      script = { outside_of_the_sandbox "touch there", "Enough." },
    }
    local report = nvim.run(home, [[
      local t = ...
      local real_mode, mode = vim.api.nvim_get_mode, "i"
      function vim.api.nvim_get_mode()
        return { mode = mode }
      end
      -- it doesn't return before it is answered, and nothing that is scheduled runs meanwhile
      local keys = vim.loop.new_timer()
      local select = vim.ui.select
      function vim.ui.select(...)
        keys:start(50, 0, function()
          vim.api.nvim_input "1<CR>"
        end)
        return select(...)
      end
      vim.cmd "Codex Do things"
      t.wait("the announcement", function()
        return t.notified[1]
      end)
      local asked_while_typing = t.preview() ~= nil
      mode = "n"
      t.shows "Enough."
      vim.api.nvim_get_mode = real_mode
      return { asked = asked_while_typing, notified = t.notified, there = vim.fn.filereadable "there" }
    ]])
    assert.is_false(report.asked)
    assert.same({ "Codex has a question, for when you are back in normal mode" }, report.notified)
    assert.equal(1, report.there)
  end)

  it("puts the agent's questions to the user", function()
    local questions = {
      { id = "colour", header = "Colour", question = "Which colour?",
        options = { { label = "Red", description = "warm" }, { label = "Blue", description = "cold" } } },
      { id = "other", header = "Other", question = "And which besides?",
        options = { { label = "None", description = "" }, { label = "Any", description = "" } } },
    }
    local home = kit.home {
      script = { { calls = { { name = "request_user_input", arguments = { questions = questions } } } }, "Thanks." },
      features = { default_mode_request_user_input = true },
    }
    local report = nvim.run(home, [[
      local t = ...
      local next_question = t.select()
      local input
      function vim.ui.input(options, on_confirm)
        input = options.prompt
        vim.schedule(function()
          on_confirm "Green"
        end)
      end
      vim.cmd "Codex Ask me"
      local first = next_question()
      first.answer(2)
      local second = next_question()
      second.answer(3)
      t.shows "Thanks."
      return {
        first = { first.prompt, first.labels },
        second = { second.prompt, second.labels },
        input = input,
      }
    ]])
    assert.same({ "Which colour?", { "Red: warm", "Blue: cold", "Something else…" } }, report.first)
    assert.same({ "And which besides?", { "None", "Any", "Something else…" } }, report.second)
    assert.equal("And which besides? ", report.input)
    local input = home:log()[2].body.input
    assert.truthy(input[#input].output:find("Blue", 1, true))
    assert.truthy(input[#input].output:find("Green", 1, true))
  end)

  it("lets the agent see the editor", function()
    local function call(name, arguments) return { namespace = "editor", name = name, arguments = arguments or {} } end
    local home = kit.home {
      script = {
        { calls = { call "buffers", call("read_buffer", { first = 2, last = 3 }), call("read_buffer", { buffer = 99 }),
          call "diagnostics", call "quickfix" } },
        { calls = { call("set_quickfix", { title = "Seen",
          places = { { file = "notes.txt", line = 2, text = "look" } } }) } },
        "I have seen it.",
      },
    }
    local report = nvim.run(home, [[
      local t = ...
      vim.cmd "file notes.txt"
      vim.api.nvim_buf_set_lines(0, 0, -1, false, { "first", "second", "third", "fourth" })
      vim.api.nvim_win_set_cursor(0, { 3, 0 })
      vim.diagnostic.set(vim.api.nvim_create_namespace "spec", 0, {
        { lnum = 1, col = 4, message = "odd", severity = vim.diagnostic.severity.WARN, source = "spec" },
      })
      vim.fn.setqflist { { filename = "other.txt", lnum = 7, text = "here" } }
      vim.cmd "Codex Look around"
      t.shows "I have seen it."
      local list = vim.fn.getqflist { title = true, items = true, winid = true }
      return { title = list.title, line = list.items[1].lnum, text = list.items[1].text, open = list.winid ~= 0 }
    ]])
    assert.same({ title = "Seen", line = 2, text = "look", open = true }, report)
    local outputs = {}
    for _, item in ipairs(home:log()[2].body.input) do
      if item.type == "function_call_output" then outputs[#outputs + 1] = item.output end
    end
    assert.same({ { buffer = 1, name = "notes.txt", filetype = "", lines = 4, modified = true, cursor_line = 3 } },
      cjson.decode(outputs[1]))
    assert.equal("second\nthird", outputs[2])
    assert.truthy(outputs[3]:find("there is no buffer 99", 1, true), outputs[3])
    local odd = { file = "notes.txt", line = 2, column = 5, severity = "warning", message = "odd", source = "spec" }
    assert.same({ odd }, cjson.decode(outputs[4]))
    assert.same({ { file = "other.txt", line = 7, column = 0, text = "here" } }, cjson.decode(outputs[5]))
  end)

  it("finds the module of its checkout through a link, and says what is missing where there is none", function()
    local report = nvim.run(nil, [[
      local t = ...
      local plugin = vim.fn.fnamemodify(vim.api.nvim_get_runtime_file("plugin/codex.lua", false)[1], ":h:h")
      vim.loop.fs_symlink(plugin, "linked")
      local codex = dofile(vim.fn.getcwd() .. "/linked/lua/codex_nvim/module.lua")
      package.preload["codex_nvim.module"] = function()
        error "it isn't there"
      end
      vim.cmd "Codex Hello"
      vim.cmd "Codex Hello"
      vim.cmd "checkhealth codex"
      return {
        version = codex.version,
        notified = t.notified,
        health = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n"),
      }
    ]])
    assert.equal("string", type(report.version))
    local missing = "Codex: the Lua module doesn't load; `:checkhealth codex` says why"
    assert.same({ missing, missing }, report.notified)
    assert.truthy(report.health:find("it isn't there", 1, true), report.health)
  end)

  it("checks its health", function()
    local report = nvim.run(kit.home(), [[
      local function check()
        vim.cmd "checkhealth codex"
        local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
        vim.cmd "bwipe!"
        return text
      end
      local good = check()
      vim.env.CODEX_BIN = "/nowhere/codex"
      return { good = good, bad = check() }
    ]])
    assert.is_nil(report.good:find "ERROR", report.good)
    assert.truthy(report.good:find "The program codex\n.*OK.*%d+%.%d+%.%d+, /", report.good)
    assert.truthy(report.bad:find("/nowhere/codex isn't found", 1, true), report.bad)
  end)

  it("says what went wrong, and begins anew when the server has gone", function()
    local home = kit.home { script = { { error = { code = "odd", message = "Too much." } } } }
    local report = nvim.run(home, [[
      local t = ...
      vim.cmd "Codex Hello"
      t.shows "Too much."
      t.idle()
      vim.cmd "Codex Begin and wait."
      t.shows "I begin, and wait"
      for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
        vim.loop.kill(pid, "sigkill")
      end
      t.idle()
      local first = t.text()
      vim.cmd "Codex Hello"
      t.shows("Hello!", 2)
      require("codex_nvim").setup { client = { codex_bin = "/nowhere/codex" } }
      vim.cmd "Codex! Hello"
      t.shows("/nowhere/codex", 3)
      local failed = t.text(3)
      require("codex_nvim").setup()
      vim.cmd "Codex Hello"
      t.shows("Hello!", 4)
      local servers = #vim.api.nvim_get_proc_children(vim.fn.getpid())
      local function ends()
        t.wait("the end of the server", function()
          return #vim.api.nvim_get_proc_children(vim.fn.getpid()) == 0
        end)
      end
      vim.cmd("bdelete " .. t.buffer(4))
      ends()
      vim.cmd "Codex Begin and wait."
      t.shows("I begin", 5)
      vim.cmd "Codex And what waits is taken away a little later"
      vim.api.nvim_set_current_win(vim.fn.win_findbuf(t.buffer(5))[1])
      vim.cmd "edit"
      local later
      vim.defer_fn(function()
        later = true
      end, 100)
      ends()
      t.wait("what is done later", function()
        return later
      end)
      vim.cmd "Codex Hello"
      t.shows("Hello!", 6)
      return { first = first, failed = failed, servers = servers }
    ]])
    assert.equal(1, report.servers)
    assert.truthy(report.failed:find "^> Hello\n\n", report.failed)
    assert.truthy(report.first:find("I begin, and wait\n\n.*server", 1), report.first)
  end)

  it("keeps the end of a paragraph in sight that is higher than the window", function()
    local home = kit.home { script = { { deltas = { ("word "):rep(2000), "the end" } }, "Short." } }
    local report = nvim.run(home, [[
      local t = ...
      vim.cmd "Codex Tell me"
      t.shows "the end"
      t.idle()
      vim.cmd "redraw"
      local function screen()
        local rows = {}
        for row = 1, vim.o.lines do
          local cells = {}
          for column = 1, vim.o.columns do
            cells[column] = vim.fn.screenstring(row, column)
          end
          rows[row] = table.concat(cells)
        end
        return table.concat(rows, "\n")
      end
      local long = screen()
      vim.cmd "Codex Go on"
      t.shows "Short."
      t.idle()
      vim.cmd "redraw"
      return { long = long, short = screen() }
    ]])
    assert.truthy(report.long:find("the end", 1, true), report.long)
    assert.truthy(report.short:find("Short.", 1, true), report.short)
  end)

  it("never waits while 20,000 pieces stream in", function()
    local home = kit.home { script = { { repeat_deltas = { count = 20000, text = "word " } } } }
    local report = nvim.run(home, [[
      local t = ...
      local rounds, said, most = 0, 0, 0
      local in_round, pieces = 0, 0
      local schedule = vim.schedule
      function vim.schedule(fn)
        schedule(function()
          rounds, in_round = rounds + 1, 0
          fn()
        end)
      end
      local views = require "codex_nvim.view"
      local new = views.new
      function views.new()
        local view = new()
        local say = view.say
        function view:say(...)
          pieces, in_round = pieces + 1, in_round + 1
          most = math.max(most, in_round)
          return say(self, ...)
        end
        return view
      end
      local worst, worst_cpu, last, last_cpu = 0, 0, nil, nil
      vim.cmd "Codex Flood"
      vim.loop.new_timer():start(5, 5, function()
        local now, cpu = vim.loop.hrtime() / 1e6, os.clock() * 1000
        if last then worst, worst_cpu = math.max(worst, now - last - 5), math.max(worst_cpu, cpu - last_cpu) end
        last, last_cpu = now, cpu
      end)
      t.shows "word"
      t.idle()
      return { length = #t.text(), pieces = pieces, rounds = rounds, most = most, worst = worst, cpu = worst_cpu }
    ]])
    assert.equal(#"> Flood\n\n\n" + 20000 * #"word ", report.length)
    assert.truthy(report.pieces >= 20000)
    assert.truthy(report.most < 5000, report.most)
    print(("Neovim: 20,000 pieces in %d rounds, %d at most in one; a timer of 5 ms was late by %.1f ms at most, "
      .. "and between two of its ticks the editor computed for %.1f ms at most"):format(
      report.rounds, report.most, report.worst, report.cpu))
  end)

  it("takes the server along when it is left", function()
    local home = kit.home()
    nvim.run(home, [[
      local t = ...
      vim.cmd "Codex Begin and wait."
      t.shows "I begin, and wait"
      t.report {}
    ]])
    assert.same({}, kit.processes_in(home))
  end)

  it("takes the server along when it is killed", function()
    local home = kit.home { script = { command "sleep 600" }, sandbox_mode = "danger-full-access" }
    local command_line, report = nvim.command(home, [[
      local t = ...
      vim.cmd "Codex Sleep"
      t.goes_on "▸ $ sleep 600"
      t.report { pid = vim.fn.getpid() }
      vim.wait(60000)
    ]])
    local pipe = io.popen(("(%s) >/dev/null 2>&1 </dev/null &"):format(command_line))
    pipe:close()
    assert.truthy(kit.eventually(function()
      return kit.read_file(report)
    end, 20))
    assert.truthy(#kit.processes_in(home) >= 3)
    os.execute(("kill -KILL %d"):format(nvim.read(report).pid))
    assert.truthy(kit.eventually(function()
      return #kit.processes_in(home) == 0
    end))
  end)

  it("has a null of its own, which is sent as one", function()
    local report = nvim.run(kit.home(), [[
      local codex = require "codex_nvim.module"
      local core = require "codex.core"
      return {
        free_form = codex.json.encode { a = vim.NIL },
        by_schema = core.encode("request", "thread/start", "params", { model = vim.NIL }),
      }
    ]])
    assert.same({ free_form = '{"a":null}', by_schema = '{"model":null}' }, report)
  end)

  it("isn't blocked by who waits outside of tasks, nor written over by notices", function()
    local report = nvim.run(kit.home(), [[
      local t = ...
      local codex = require "codex_nvim.module"
      local waited, err = pcall(codex.new)
      local task = codex.spawn(function()
        local client = codex.new()
        local result = client:thread_start():run "Hello"
        client:close()
        return result.final_response
      end)
      local in_time = pcall(codex.wait, task, 0.001)
      local answer = codex.wait(task, 20)
      local fast
      local timer = vim.loop.new_timer()
      timer:start(0, 0, function()
        fast = { pcall(codex.wait, codex.spawn(codex.sleep, 1), 1) }
      end)
      t.wait("the timer", function()
        return fast
      end)
      codex.wait(codex.spawn(function()
        local client = codex.new()
        client:on("turn/completed", function()
          error "oops"
        end)
        client:thread_start():run "Hello"
        client:close()
      end))
      t.wait("the notice", function()
        return t.notified[1]
      end)
      return {
        waited = waited,
        err = tostring(err),
        in_time = in_time,
        answer = answer,
        fast = tostring(fast[2]),
        notice = t.notified[1],
      }
    ]])
    assert.is_false(report.waited)
    assert.truthy(report.err:find("codex.spawn", 1, true), report.err)
    assert.is_false(report.in_time)
    assert.truthy(report.answer:find "^Hello!")
    assert.truthy(report.fast:find("fast event", 1, true), report.fast)
    assert.truthy(report.notice:find "^codex: a handler of 'turn/completed' failed: .*oops", report.notice)
  end)
end)
