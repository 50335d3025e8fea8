--- The server's process, once it goes: how it is talked to and ended, and what is heard of it when it dies. How it is
--- started is in starting_spec.lua.

local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local processes = require "spec.support.processes"
local raised = require "spec.support.raised"
local socket = require "socket"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local read_file, write_file = kit.read_file, kit.write_file
local check_fds, open_fds, subprocess = processes.check_fds, processes.open_fds, processes.subprocess
local fake, timed = processes.fake, processes.timed

-- The error object, of whatever kind, that a call raises.
local function failure(fn, ...) return raised(nil, fn, ...) end

-- No process id that stands for many ever gets here.
local function kill(pid)
  assert(type(pid) == "number" and pid > 1, "not a process: " .. tostring(pid))
  os.execute(("kill -9 %d"):format(pid))
end

local function await_notification(client)
  while client._core:statistics().notifications == 0 do codex.step(1) end
end

-- An answer by which a turn never ends.
local HELD = { { text = "I am", hold = true } }

after_each(kit.cleanup)

describe("stderr", function()
  it("is drained while the server works, and its end is kept", function()
    local client = fake [[
      server:handshake()
      local line = ("x"):rep(99) .. "\n"
      local block = line:rep(100)
      for i = 1, 1000 do
        server:stderr(block)
        if i % 100 == 0 then server:reply(server:expect("spec/step"), { n = i }) end
      end
      server:stderr("the very last words")
      server:expect("spec/die")
      server:exit(5)]]
    for i = 1, 10 do assert.equal(i * 100, client:request("spec/step", {}).n) end
    local err = failure(client.request, client, "spec/die", {})
    assert.equal(5, err.exit_status)
    assert.is_true(#err.stderr_tail <= 65536)
    assert.is_true(#err.stderr_tail > 60000)
    assert.matches("xxx\nthe very last words$", err.stderr_tail)
    assert.matches("^x+\n", err.stderr_tail)
    client:close()
  end)

  it("holds nobody up when nobody reads it", function()
    -- 10 MB go through a pipe of 64 KiB while the only thing awaited is an answer that comes after them
    local client = fake [[
      server:handshake()
      local message = server:expect("spec/x")
      for _ = 1, 100 do server:stderr(("y"):rep(100000)) end
      server:reply(message, {})]]
    assert.same({}, client:request("spec/x", {}))
    client:close()
  end)
end)

describe("a server that dies", function()
  local function all_fail(functions, check)
    local failures = {}
    codex.run(function()
      local tasks = {}
      for i, fn in ipairs(functions) do tasks[i] = codex.spawn(function() failures[i] = { pcall(fn) } end) end
      for _, task in ipairs(tasks) do task:join() end
    end)
    for i = 1, #functions do
      assert.is_false(failures[i][1])
      check(failures[i][2], i)
    end
  end

  it("ends every wait at once: requests, runs, streams and texts, with what was collected", function()
    local client = fake([[
      server:handshake()
      for i = 1, 4 do server:thread("T" .. i) end
      for i = 1, 6 do
        local start = server:read()
        local thread = start.params.threadId
        if thread and thread ~= "T4" then
          local turn = thread .. "-turn"
          server:turn(turn, start)
          server:turn_started(thread, turn)
          server:message(thread, turn, "m", "done so far")
          server:delta(thread, turn, "n", "more")
        end
      end
      server:raw('{"method":"half a li')
      server:stderr("something broke\n")
      server:exit(3)]])
    local threads = {}
    for i = 1, 4 do threads[i] = client:thread_start() end
    local seen = {}
    local started = socket.gettime()
    all_fail({
      function() client:request("spec/never", {}) end,
      function() threads[1]:run "a" end,
      function()
        luas.each(threads[2]:turn("b"):stream(), function(event) seen[#seen + 1] = event.method end)
      end,
      function()
        luas.each(threads[3]:turn("c"):text(), function(delta) seen[#seen + 1] = delta end)
      end,
      function() threads[4]:run "d" end,
      function() client:request("spec/never", {}) end,
    }, function(err, i)
      assert.equal("transport_closed", err.kind)
      assert.equal(3, err.exit_status)
      assert.is_nil(err.exit_signal)
      assert.matches("exited with status 3: something broke", err.message)
      assert.equal("something broke\n", err.stderr_tail)
      if i >= 2 and i <= 4 then
        assert.equal("inProgress", err.result.status)
        assert.equal("done so far", err.result.items[1].text)
      end
    end)
    assert.is_true(socket.gettime() - started < 2)
    table.sort(seen)
    assert.same({ "done so far", "item/agentMessage/delta", "item/completed", "more", "turn/started" }, seen)
    for _, call in ipairs {
      function() client:request("spec/later", {}) end,
      function() client:notify("spec/later", {}) end,
      function() client:thread_start() end,
      function() threads[1]:run "again" end,
    } do
      local err = failure(call)
      assert.equal("transport_closed", err.kind)
      assert.equal(3, err.exit_status)
      assert.equal("something broke\n", err.stderr_tail)
    end
    client:close()
    assert.same({}, kit.children "fake_server")
  end)

  it("also by a signal, in the middle of turns of the real one", function()
    local client, home = kit.client { script = { match = {}, default = HELD[1] } }
    local turns = {}
    for i = 1, 3 do turns[i] = client:thread_start():turn "go" end
    local pid = client._core:pid()
    local started = 0
    all_fail({
      function() turns[1]:run() end,
      function()
        luas.each(turns[2]:stream(), function(event)
          if event.method == "item/agentMessage/delta" then started = started + 1 end
        end)
      end,
      function()
        luas.each(turns[3]:text(), function(delta)
          if delta:find "am" then kill(pid) end
        end)
      end,
      function()
        turns[2]:_wait "started"
        while true do client:request("thread/loaded/list", {}) end
      end,
    }, function(err, i)
      assert.equal("transport_closed", err.kind)
      assert.equal(9, err.exit_signal)
      assert.is_nil(err.exit_status)
      assert.matches("killed by signal 9", err.message)
      if i < 4 then
        assert.equal("inProgress", err.result.status)
        assert.equal("userMessage", err.result.items[1].type)
      end
    end)
    assert.same({}, kit.processes_in(home))
    assert.equal("transport_closed", failure(client.thread_list, client).kind)
    client:close()
    assert.same({}, kit.children "app%-server")
  end)

  it("between requests, which the next one tells", function()
    local client = fake [[
      server:handshake()
      server:reply(server:expect("spec/last"), {})
      server:exit(0)]]
    client:request("spec/last", {})
    assert.is_true(kit.eventually(function() return not kit.process_alive(client._core:pid()) end))
    local err = failure(client.request, client, "spec/next", {})
    assert.same({ "transport_closed", 0 }, { err.kind, err.exit_status })
    client:close()
  end)

  it("is noticed when its last line has no end, which counts", function()
    local client = fake [[
      server:handshake()
      local message = server:expect("spec/x")
      server:raw(('{"id":%d,"result":{"last":"words"}}'):format(message.id))
      server:exit(0)]]
    assert.same({ last = "words" }, client:request("spec/x", {}))
    client:close()
  end)

  it("has said what it had written", function()
    -- several pipes full, so that most of it is read after the writing of our next request has failed
    local client = fake [[
      server:handshake()
      server:thread("T")
      local start = server:turn("U")
      server:turn_started("T", "U")
      for i = 1, 2000 do server:message("T", "U", "m" .. i, ("%d "):format(i):rep(100)) end
      server:turn_completed("T", "U")
      server:exit(0)]]
    local thread = client:thread_start()
    local turn = thread:turn "go"
    assert.equal("transport_closed", failure(client.request, client, "spec/x", {}).kind)
    local result = turn:run()
    assert.equal("completed", result.status)
    assert.equal(2000, #result.items)
    assert.equal(("2000 "):rep(100), result.final_response)
    client:close()
  end)

  it("has said what it wrote after it had stopped listening", function()
    local client, _, options = fake [[
      server:handshake()
      server:thread("T")
      server:turn("U")
      server:close_stdin()
      server:notify("spec/deaf", {})
      server:await_file(arg[1] .. ".go")
      for i = 1, 300 do server:message("T", "U", "m" .. i, ("%d "):format(i):rep(100)) end
      server:turn_completed("T", "U")
      server:exit(6)]]
    local turn = client:thread_start():turn "go"
    await_notification(client)
    client:notify("spec/into the void", {})
    write_file(options.launch_args_override[3] .. ".go", "")
    local result = turn:run()
    assert.equal("completed", result.status)
    assert.equal(300, #result.items)
    assert.equal(6, failure(client.request, client, "spec/x", {}).exit_status)
    client:close()
  end)

  it("has said what was in the pipe still while a long line was handled", function()
    local client, _, options = fake [[
      server:handshake()
      server:close_stdin()
      server:notify("spec/deaf", {})
      server:await_file(arg[1] .. ".go")
      server:raw('{"method":"spec/long","params":{"text":"' .. ("x"):rep(300000) .. '"}}\n')
      server:raw(('{"method":"spec/short","params":{"text":"' .. ("x"):rep(960) .. '"}}\n'):rep(60)) -- a pipe holds it
      server:exit(6)]]
    local pid = client._core:pid()
    await_notification(client)
    client:notify("spec/into the void", {})
    write_file(options.launch_args_override[3] .. ".go", "")
    while client._core:statistics().notifications == 1 do codex.step(1) end
    assert.is_true(kit.eventually(function() return not kit.process_alive(pid) end))
    assert.equal(6, failure(client.request, client, "spec/x", {}).exit_status)
    assert.equal(62, client._core:statistics().notifications)
    client:close()
  end)

  it("is noticed though none of its pipes tells of its exit", function()
    local client = fake [[
      server:handshake()
      server:close_stderr()
      server:close_stdout()
      server:sleep(0.1)
      server:exit(7)]]
    local deadline = socket.gettime() + 5
    while not client._core:gone() and socket.gettime() < deadline do
      codex.step(client:deadline() or 1)
    end
    assert.is_true(client._core:gone())
    assert.equal(7, failure(client.request, client, "spec/x", {}).exit_status)
    client:close()
  end)

  it("counts as dead when it closes its output and lives on", function()
    local client = fake [[
      server:handshake()
      server:close_stdout()
      server:hang()]]
    local took = timed(function()
      local err = failure(client.request, client, "spec/x", {}, { timeout = 10 })
      assert.equal("transport_closed", err.kind)
      assert.matches("closed its output", err.message)
      assert.is_nil(err.exit_status)
    end)
    assert.is_true(took < 3, took)
    client:close()
    assert.same({}, kit.children "fake_server")
  end)

  it("counts as dead when it closes its input and lives on", function()
    local client = fake [[
      server:handshake()
      server:close_stdin()
      server:notify("spec/deaf", {})
      server:hang()]]
    await_notification(client)
    local took = timed(function()
      local err = failure(client.request, client, "spec/x", {}, { timeout = 10 })
      assert.equal("transport_closed", err.kind)
      assert.matches("closed its input", err.message)
    end)
    assert.is_true(took < 3, took)
    client:close()
    assert.same({}, kit.children "fake_server")
  end)

  it("is noticed though a child of its holds its pipes", function()
    local client = fake [[
      server:handshake()
      os.execute("sleep 3 </dev/null &")
      server:notify("spec/last words", {})
      server:exit(6)]]
    assert.is_true(kit.eventually(function() return not kit.process_alive(client._core:pid()) end))
    local took = timed(function()
      local err = failure(client.request, client, "spec/x", {}, { timeout = 10 })
      assert.equal("transport_closed", err.kind)
      assert.equal(6, err.exit_status)
    end)
    assert.is_true(took < 2, took)
    client:close()
  end)
end)

describe("lines", function()
  it("are found among blank ones, garbage and CR LF, however they are split", function()
    local client = fake [[
      server:handshake()
      local message = server:expect("spec/x")
      server:raw("\n \r\n\t\nnot JSON\n[1,2]\n{\"id\":\n{}\n\"text\"\nnull\n\255\254\0\n{\"method\":7}\n")
      server:raw(('{"jsonrpc":"2.0","id":%d'):format(message.id))
      server:sleep(0.02)
      for c in (',"result":{"a":"\195\164\\ud83d\\ude00"}}\r\n'):gmatch(".") do server:raw(c) end
      server:raw("garbage at the end\n")
      server:reply(server:expect("spec/y"), {})]]
    assert.same({ a = "\195\164\240\159\152\128" }, client:request("spec/x", {}))
    client:request("spec/y", {})
    local statistics = client._core:statistics()
    assert.equal(3, statistics.blank_lines)
    assert.equal(9, statistics.invalid_lines)
    assert.equal(0, statistics.unknown_ids)
    client:close()
  end)

  it("may be 20 MB long", function()
    local client = fake [[
      server:handshake()
      local message = server:expect("spec/x")
      local piece = ("0123456789abcde\\n"):rep(62500)
      server:raw(('{"id":%d,"result":{"text":"'):format(message.id))
      for _ = 1, 20 do server:raw(piece) end
      server:raw('"}}\n')
      server:reply(server:expect("spec/y"), {})]]
    local text = client:request("spec/x", {}).text
    assert.equal(20000000, #text)
    assert.is_true(text == ("0123456789abcde\n"):rep(20 * 62500))
    assert.same({}, client:request("spec/y", {}))
    client:close()
  end)

  it("may not be longer than 64 MiB", function()
    local client = fake [[
      server:handshake()
      server:expect("spec/x")
      local piece = ("x"):rep(1048576)
      for _ = 1, 65 do server:raw(piece) end
      server:hang()]]
    local err = failure(client.request, client, "spec/x", {})
    assert.equal("protocol", err.kind)
    assert.is_truthy(err.message:find("67108864", 1, true), err.message)
    assert.equal("protocol", failure(client.request, client, "spec/y", {}).kind)
    client:close()
    assert.same({}, kit.children "fake_server")
  end)

  it("go both ways while both pipes are full", function()
    local client = fake [[
      server:handshake()
      server:thread("T")
      local start = server:turn("U")
      server:turn_started("T", "U")
      server:reply(server:expect("spec/ready"), {})
      for i = 1, 4000 do server:message("T", "U", "m" .. i, ("x"):rep(1000)) end
      local steer = server:expect("turn/steer")
      server:reply(steer, { turnId = "U" })
      server:message("T", "U", "last", tostring(#steer.params.input[1].text))
      server:turn_completed("T", "U")]]
    local turn = client:thread_start():turn "go"
    client:request("spec/ready", {})
    assert.equal("U", turn:steer(("y"):rep(5000000)).turn_id)
    local result = turn:run()
    assert.equal(4001, #result.items)
    assert.equal("5000000", result.final_response)
    client:close()
  end)

  it("wait for a server that doesn't read, without holding anybody up", function()
    local client = fake [[
      server:handshake()
      local busy = server:expect("spec/busy")
      for i = 1, 200 do server:notify("spec/tick", { n = i, filler = ("x"):rep(20000) }) end
      server:reply(busy, {})
      server:reply(server:expect("spec/big"), { size = 1 })]]
    local order = {}
    codex.run(function()
      codex.spawn(function()
        client:request("spec/busy", {})
        order[#order + 1] = "busy"
      end)
      codex.spawn(function()
        client:request("spec/big", { text = ("z"):rep(8000000) })
        order[#order + 1] = "big"
      end)
    end)
    assert.same({ "busy", "big" }, order)
    assert.equal(200, client._core:statistics().notifications)
    client:close()
  end)
end)

describe("closing", function()
  it("ends the real server by closing its input, and may be done again", function()
    local client, home = kit.client()
    local pid = client._core:pid()
    assert.is_false(client.closed)
    local took = timed(client.close, client)
    assert.is_true(took < 1.5, took)
    assert.is_true(client.closed)
    assert.is_nil(read_file("/proc/" .. pid .. "/stat"))
    client:close()
    assert.same({ 0 }, { client._core:exit_status() })
    assert.same({}, kit.processes_in(home))
    local err = failure(client.thread_list, client)
    assert.equal("closed", err.kind)
    assert.equal("closed", failure(client.notify, client, "initialized").kind)
    assert.equal("closed", failure(client.thread_start, client).kind)
  end)

  it("ends open requests and turns with an error of kind closed", function()
    local client = kit.client { script = HELD }
    local thread = client:thread_start()
    local turn = thread:turn "go"
    local kinds = {}
    codex.run(function()
      local functions = {
        function() turn:run() end,
        function() luas.each(turn:text(), function() end) end,
        function() luas.each(turn:stream(), function() end) end,
        function()
          local policy = { type = "dangerFullAccess" } -- the sandbox can't be had in a chroot, say
          client:request("command/exec", { command = { "/bin/sleep", "60" }, sandbox_policy = policy })
        end,
      }
      for i, fn in ipairs(functions) do
        codex.spawn(function()
          local err = failure(fn)
          kinds[i] = err.kind .. (err.result and " " .. err.result.status or "")
        end)
      end
      turn:_wait "started"
      client:close()
    end)
    assert.same({ "closed inProgress", "closed inProgress", "closed inProgress", "closed" }, kinds)
    assert.equal("closed", failure(thread.run, thread, "again").kind)
  end)

  it("is waited for by whoever calls it", function()
    local client = fake [[ server:handshake() while server:read_line() do end server:sleep(0.2) ]]
    local gone = {}
    codex.gather {
      function() client:close() gone[1] = client._core:gone() end,
      function() client:close() gone[2] = client._core:gone() end,
    }
    assert.same({ true, true }, gone)
  end)

  it("uses SIGTERM, then SIGKILL, on a server that doesn't leave", function()
    local stubborn = fake([[ server:handshake() server:hang() ]], { ignore_term = true })
    local deaf = fake [[ server:handshake() server:hang() ]]
    local took = {}
    codex.gather {
      function() took[1] = timed(stubborn.close, stubborn) end,
      function() took[2] = timed(deaf.close, deaf) end,
    }
    assert.same({ 9 }, { select(2, stubborn._core:exit_status()) })
    assert.same({ 15 }, { select(2, deaf._core:exit_status()) })
    assert.is_true(took[1] > 3.5 and took[1] < 6, took[1])
    assert.is_true(took[2] > 1.5 and took[2] < 4, took[2])
    assert.same({}, kit.children "fake_server")
  end)

  it("isn't held up by a server that writes without end", function()
    local client = fake [[
      server:handshake()
      while true do server:notify("spec/flood", { text = ("x"):rep(1000) }) end]]
    client:close()
    assert.same({}, kit.children "fake_server")
  end)

  it("comes with garbage collection", function()
    local client, home = kit.client()
    client:thread_start()
    local pid = client._core:pid()
    assert.is_true(kit.process_alive(pid))
    client = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(read_file("/proc/" .. pid .. "/stat"))
    assert.same({}, kit.processes_in(home))
  end)

  it("leaves no descriptor and no zombie behind, thirty times", function()
    local options = kit.fake [[ server:handshake() server:thread("T") ]]
    codex.new(options):close()
    local before = open_fds()
    for i = 1, 30 do
      local client = codex.new(options)
      client:thread_start()
      if i % 3 == 0 then kill(client._core:pid()) end
      client:close()
      assert.is_true(client._core:gone())
    end
    check_fds(before)
    assert.same({}, kit.children "fake_server")
  end)
end)

describe("a script that ends", function()
  local function left_by(how, environment)
    local home = kit.home { script = HELD }
    local env = {}
    for name, value in pairs(home.env) do
      env[#env + 1] = ("[%q] = %s"):format(name, value and ("%q"):format(value) or "false")
    end
    local text, status = subprocess(([[
      local client = codex.new{ codex_bin = %q, env = { %s } }
      local turn = client:thread_start():turn "go"
      io.write("pid ", client._core:pid(), "\n")
      io.stdout:flush()
      %s]]):format(kit.codex_bin, table.concat(env, ", "), how), environment)
    local pid = text:match "pid (%d+)"
    assert.is_truthy(pid, text)
    assert.is_true(kit.eventually(function() return not kit.process_alive(pid) end), "the server is left")
    assert.is_true(kit.eventually(function() return #kit.processes_in(home) == 0 end))
    return status, text
  end

  it("at its last line", function() assert.equal("0", (left_by "return")) end)
  it("by os.exit", function() assert.equal("3", (left_by "os.exit(3)")) end)
  it("by os.exit that closes the state", function() assert.equal("4", (left_by "os.exit(4, true)")) end)

  it("in an error", function()
    local status, text = left_by "error 'mine'"
    assert.equal("1", status)
    assert.matches("mine", text)
  end)

  it("in an error of a task", function()
    assert.equal("1", (left_by "codex.gather{ function() error 'mine' end, function() turn:run() end }"))
  end)

  it("by SIGKILL", function()
    assert.equal("137", (left_by [[
      local stat = io.open "/proc/self/stat"
      os.execute(("kill -9 %d"):format(math.max(2, stat:read "*n")))
      turn:run()]]))
  end)

  it("by SIGINT", function()
    local status, text = left_by [[
      local stat = io.open "/proc/self/stat"
      io.popen(("kill -INT %d"):format(math.max(2, stat:read "*n"))):close() -- os.execute would ignore it
      turn:run()]]
    assert.equal("1", status)
    assert.matches("interrupted!", text)
  end)
end)

it("never raises SIGPIPE and leaves its disposition alone", function()
  local function signals()
    local status = read_file("/proc/" .. kit.pid() .. "/status")
    return status:match "SigBlk:.-SigCgt:[^\n]+"
  end
  local before = signals()
  local client = fake [[ server:handshake() server:close_stdin() server:notify("spec/deaf", {}) server:exit(0) ]]
  assert.is_true(kit.eventually(function() return not kit.process_alive(client._core:pid()) end))
  pcall(client.notify, client, "spec/x", {}) -- SIGPIPE's default would end this program
  assert.equal("transport_closed", failure(client.request, client, "spec/y", {}).kind)
  client:close()
  assert.equal(before, signals())
end)

it("speaks with many servers at once", function()
  local options = kit.fake [[ server:handshake() while true do server:reply(server:expect("spec/x"), { pid = 1 }) end ]]
  local clients = {}
  for i = 1, 10 do clients[i] = codex.new(options) end
  local functions = {}
  for i = 1, 200 do
    functions[i] = function() return clients[i % 10 + 1]:request("spec/x", { n = i }).pid end
  end
  assert.equal(200, #codex.gather(functions))
  kill(clients[1]._core:pid())
  assert.equal("transport_closed", failure(clients[1].request, clients[1], "spec/x", {}).kind)
  for i = 2, 10 do assert.equal(1, clients[i]:request("spec/x", {}).pid) end
  for i = 1, 10 do clients[i]:close() end
  assert.equal(cjson.encode {}, cjson.encode(kit.children "fake_server"))
end)
