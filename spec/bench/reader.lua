--- One reader of the feeder's stream, in a process of its own: prints what it measured as numbers on one line.
---
---     lua reader.lua KIND DELTAS [feeder's options]
---
--- run, text, stream: CPU seconds. cjson: the same for a stream on stdin. turns: CPU seconds of N turns at
--- once, with their starts (--turns N). sequence: the same of N turns one after the other (N in place of options).
--- memory: resident KiB at the start and after each of ten turns. latency: seconds from a delta's writing to its
--- reading, median and largest. load: CPU seconds of `require "codex"`, and KiB before and after. start: seconds until
--- a server is initialized, and until it has answered a request.

local kind, deltas = arg[1], tonumber(arg[2])
local FEEDER = (os.getenv "CODEX_BUILD" or "build") .. "/bench/feeder"

-- A client whose turns are such streams; the options of the command line go on to the feeder.
local function fed_client(count)
  local arguments = { FEEDER }
  for index = 3, #arg do
    arguments[#arguments + 1] = arg[index]
  end
  arguments[#arguments + 1] = tostring(count)
  return require("codex").new { launch_args_override = arguments }
end

local function resident()
  for line in io.lines "/proc/self/status" do
    local kib = line:match "^VmRSS:%s*(%d+)"
    if kib then return tonumber(kib) end
  end
  return 0
end

local function median_and_largest(list)
  table.sort(list)
  return ("%.9f %.9f"):format(list[math.ceil(#list / 2)], list[#list])
end

local function check_count(count, expected)
  assert(count == expected, ("%d came, %d were expected"):format(count, expected))
end

local kinds = {}

-- ---- CPU an event ----

local function cpu_of_turn(consume)
  local client = fed_client(deltas)
  local thread = client:thread_start()
  local start = os.clock()
  consume(thread:turn "go")
  local used = os.clock() - start
  client:close()
  return used
end

function kinds.run()
  return cpu_of_turn(function(turn)
    assert(turn:run().status == "completed")
  end)
end

function kinds.text()
  return cpu_of_turn(function(turn)
    local count, bytes = 0, 0
    for text in turn:text() do
      count, bytes = count + 1, bytes + #text
    end
    check_count(count, deltas)
  end)
end

function kinds.stream()
  return cpu_of_turn(function(turn)
    local count, bytes = 0, 0
    for event in turn:stream() do
      if event.method == "item/agentMessage/delta" then
        count, bytes = count + 1, bytes + #event.params.delta
      end
    end
    check_count(count, deltas)
  end)
end

-- The same as stream with nothing but lua-cjson.
function kinds.cjson()
  local decode = require("cjson").decode
  local count, bytes = 0, 0
  local start = os.clock()
  for line in io.lines() do
    local event = decode(line)
    if event.method == "item/agentMessage/delta" then
      count, bytes = count + 1, bytes + #event.params.delta
    end
  end
  local used = os.clock() - start
  check_count(count, deltas)
  return used
end

-- ---- many turns, memory ----

function kinds.turns()
  local codex = require "codex"
  local client = fed_client(deltas)
  local starts, turns, runs = {}, {}, {}
  for index = 1, tonumber(arg[4]) do
    starts[index] = function()
      turns[index] = client:thread_start():turn "go"
    end
    runs[index] = function()
      assert(turns[index]:run().status == "completed")
    end
  end
  local start = os.clock()
  codex.run(function()
    codex.gather(starts)
    codex.gather(runs)
  end)
  local used = os.clock() - start
  client:close()
  return used
end

function kinds.sequence()
  local count = tonumber(arg[3])
  local client = require("codex").new { launch_args_override = { FEEDER, tostring(math.floor(deltas / count)) } }
  local start = os.clock()
  for _ = 1, count do
    assert(client:thread_start():run("go").status == "completed")
  end
  local used = os.clock() - start
  client:close()
  return used
end

function kinds.memory()
  local client = fed_client(math.floor(deltas / 10))
  local thread = client:thread_start()
  local measured = { resident() }
  for _ = 1, 10 do
    assert(thread:run("go").status == "completed")
    collectgarbage()
    collectgarbage()
    measured[#measured + 1] = resident()
  end
  client:close()
  return table.concat(measured, " ")
end

-- ---- time ----

function kinds.latency()
  local now, took = require("codex.core").now, {}
  local client = fed_client(deltas)
  for text in client:thread_start():turn("go"):text() do
    took[#took + 1] = now() - tonumber(text)
  end
  client:close()
  check_count(#took, deltas)
  return median_and_largest(took)
end

function kinds.load()
  local before, start = resident(), os.clock()
  require "codex"
  local used = os.clock() - start
  return ("%.9f %d %d"):format(used, before, resident())
end

function kinds.start()
  local codex, now = require "codex", require("codex.core").now
  local start = now()
  local client = arg[2] == "server" and codex.new() or fed_client(1)
  local initialized = now() - start
  client:request("thread/loaded/list", {})
  local answered = now() - start
  client:close()
  return ("%.9f %.9f"):format(initialized, answered)
end

local measured = kinds[kind]()
print(type(measured) == "number" and ("%.9f"):format(measured) or measured)
