--- What codex-lua does at Ctrl-C: to turns and goals that run, to scripts that wait or compute, and at its prompt.

local host = require "spec.support.host"
local kit = require "spec.support.kit"

local CTRL_C, held_turn = host.CTRL_C, host.held_turn
local offline, script, terminal = host.offline, host.script, host.terminal
local nothing_is_left, processes = host.nothing_is_left, host.processes

describe("codex-lua", function()
  before_each(host.begin)
  after_each(host.finish)

  describe("Ctrl-C at the terminal", function()
    it("interrupts the running turn, and the script goes on", function()
      local model, path = offline(held_turn .. [[
        print("then: " .. thread:run("again").status)
      ]])
      local tty = terminal { model, path }
      tty.shows "got part"
      tty.type(CTRL_C)
      tty.ends_with(0)
      tty.shows "the turn is interrupted"
      tty.shows "then: completed"
      nothing_is_left()
    end)

    it("interrupts a goal, which is paused, and the script goes on", function()
      local model = "--offline=" .. script("return { text = 'part', hold = true }", "model.lua")
      local tty = terminal { model, script [[
        local codex = require "codex"
        local client <close> = codex.new()
        local goal = client:thread_start():goal "go on for ever"
        print "it runs" io.stdout:flush()
        local result = goal:run()
        print("the goal is " .. result.goal.status .. ", its turn " .. result.status)
      ]] }
      tty.shows "it runs"
      tty.type(CTRL_C)
      tty.ends_with(0)
      tty.shows "the goal is paused, its turn interrupted"
      nothing_is_left()
    end)

    it("interrupts all that run, in all clients", function()
      local model, path = offline [[
        local codex = require "codex"
        local running = 0
        local function one()
          local client <close> = codex.new()
          local turn = client:thread_start():turn "hold on"
          for _ in turn:text() do
            running = running + 1
            if running == 3 then print "all run" io.stdout:flush() end
          end
          return turn:run().status
        end
        print(table.concat(codex.gather { one, one, one }, " "))
      ]]
      local tty = terminal { model, path }
      tty.shows "all run"
      tty.type(CTRL_C)
      tty.ends_with(0)
      tty.shows "interrupted interrupted interrupted"
    end)

    it("reaches a script that runs a loop itself, which ends with its clients", function()
      for _, loop in ipairs { "uv", "cqueues" } do
        local model, path = offline(([[
          local codex = require "codex"
          local own = codex.use_loop "%s"
          codex.spawn(function() %s end)
          if own.run then own.run() else own:loop() end
          print "the loop has ended"
        ]]):format(loop, held_turn))
        local tty = terminal { model, path }
        tty.shows "got part"
        tty.type(CTRL_C)
        tty.shows "the turn is interrupted"
        tty.ends_with(0)
        tty.shows "the loop has ended"
      end
    end)

    it("ends the script the second time", function()
      local model, path = offline(held_turn .. [[
        local ok, err = pcall(codex.sleep, 1000)
        print("cleaning up: " .. err.kind)
      ]])
      local tty = terminal { model, path }
      tty.shows "got part"
      tty.type(CTRL_C)
      tty.shows "the turn is interrupted"
      tty.type(CTRL_C)
      tty.ends_with(130)
      tty.shows "cleaning up: cancelled"
      nothing_is_left()
    end)

    it("ends the script the second time when the server doesn't stop the turn", function()
      local options = kit.fake [[
        server:handshake() server:thread "t" server:turn "u" server:turn_started("t", "u")
        server:delta("t", "u", "i", "part")
        server:expect "turn/interrupt"
        server:stderr "asked\n"
        server:delta("t", "u", "i", "asked")
        server:hang()
      ]]
      local words = {}
      for index, word in ipairs(options.launch_args_override) do
        words[index] = ("%q"):format(word)
      end
      local path = script(([[
        local client <close> = require("codex").new { launch_args_override = { %s } }
        local turn = client:thread_start():turn "x"
        for text in turn:text() do print("got " .. text) io.stdout:flush() end
      ]]):format(table.concat(words, ", ")))
      local tty = terminal { path }
      tty.shows "got part"
      tty.type(CTRL_C)
      tty.shows "got asked"
      tty.type(CTRL_C)
      tty.ends_with(130)
      nothing_is_left()
    end)

    it("ends a script that waits outside of a turn", function()
      local tty = terminal { "-e", [[
        local codex = require "codex"
        local guard <close> = setmetatable({}, { __close = function() codex.sleep(0.01) print "cleaned up" end })
        print "waiting" io.stdout:flush()
        codex.sleep(1000)
      ]] }
      tty.shows "waiting"
      tty.type(CTRL_C)
      tty.ends_with(130)
      tty.shows "cleaned up"
    end)

    it("ends a script that reads from the terminal", function()
      local tty = terminal { "-e", "print 'waiting' io.stdout:flush() io.read()" }
      tty.shows "waiting"
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)

    it("ends a script that reads again and again", function()
      local tty = terminal { "-e", "print 'waiting' io.stdout:flush() repeat until io.read()" }
      tty.shows "waiting"
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)

    it("ends a script that computes", function()
      local tty = terminal { "-e", "print 'busy' io.stdout:flush() while true do end" }
      tty.shows "busy"
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)

    it("ends one that computes in coroutines", function()
      local tty = terminal { "-e", [[
        print "busy" io.stdout:flush()
        while true do
          for _ in coroutine.wrap(function() for i = 1, 1000 do coroutine.yield(i) end end) do end
        end
      ]] }
      tty.shows "busy"
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)

    it("ends one that computes and won't stop, the second time", function()
      local tty = terminal { "-e", [[
        print "busy" io.stdout:flush()
        while true do pcall(function() while true do end end) end
      ]] }
      tty.shows "busy"
      tty.type(CTRL_C)
      tty.shows "interrupted"
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)

    it("ends one that is stuck in C, the second time", function()
      local tty = terminal { "-e", [[
        print "busy" io.stdout:flush()
        local text = ("a"):rep(100000)
        while true do pcall(string.find, text, ("a*"):rep(30) .. "b") end
      ]] }
      tty.shows "busy"
      tty.type(CTRL_C)
      tty.shows "^C"
      os.execute "sleep 0.2" -- two at once would count as one
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)

    it("stops a statement at the prompt, and leaves at an empty one", function()
      local tty = terminal { "-i" }
      tty.shows "> "
      tty.type "print 'busy' while true do end\n"
      tty.shows "busy\r\n"
      tty.type(CTRL_C)
      tty.shows "interrupted"
      tty.type "print(6 * 7)\n"
      tty.shows "42\r\n"
      tty.type(CTRL_C)
      tty.ends_with(130)
    end)
  end)

  describe("a prompt whose statement was stopped", function()
    it("stays, also when the statement took two to stop", function()
      local tty = terminal { "-i" }
      tty.shows "> "
      tty.type "codex = require 'codex'\n"
      tty.type "print 'busy' task = codex.spawn(codex.sleep, 60) pcall(task.join, task) "
      tty.type "print 'cleaning' codex.sleep(1)\n"
      tty.shows "busy\r\n"
      tty.type(CTRL_C)
      tty.shows "cleaning"
      os.execute "sleep 0.2" -- two at once would count as one
      tty.type(CTRL_C)
      tty.type "print(task.status)\n" -- what it had started ends with it
      tty.shows "cancelled\r\n"
      tty.type "codex.sleep(3.5) print(6 * 7)\n" -- longer than a script may take to clean up
      tty.shows "42\r\n"
      tty.type "\4"
      tty.ends_with(0)
    end)

    it("leaves after SIGTERM", function()
      local tty = terminal { "-i" }
      tty.shows "> "
      tty.type "print 'busy' require('codex').sleep(60)\n"
      tty.shows "busy\r\n"
      os.execute("kill -TERM " .. processes("codex%-lua %-i")[1])
      tty.ends_with(143)
    end)
  end)
end)
