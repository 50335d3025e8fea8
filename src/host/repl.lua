--- Talking to the user, as lua does. Tasks go on while the prompt waits.

local loop = require "codex.loop"
local report = require "codex.host.report"
local stop = require "codex.host.stop"
local task = require "codex.task"

local M = {}

-- Waits in the loop, so that tasks run and signals are seen.
local function wait_for_input()
  local source = {}
  loop.watch(0, function()
    loop.watch(0, nil)
    task.wake(source)
  end)
  local reason = task.park(source, nil, true)
  loop.watch(0, nil)
  if reason == "cancelled" then task.raise_cancelled() end
end

local function read_line(prompt)
  io.write(prompt)
  io.flush()
  wait_for_input()
  return io.read "l"
end

local function prompt(name, default)
  local value = rawget(_G, name)
  return value == nil and default or tostring(value)
end

local function is_incomplete(message)
  return message:sub(-5) == "<eof>"
end

-- A statement of as many lines as it takes; nil and a message if it isn't one; nothing at the end of input.
local function read_chunk()
  local line = read_line(prompt("_PROMPT", "> "))
  if not line then return false end
  local expression = load("return " .. line, "=stdin")
  if expression then return expression end
  local text = line
  local chunk, message = load(text, "=stdin")
  while not chunk and is_incomplete(message) do
    local more = read_line(prompt("_PROMPT2", ">> "))
    if not more then break end
    text = text .. "\n" .. more
    chunk, message = load(text, "=stdin")
  end
  return chunk, message
end

-- A task of its own, so that Ctrl-C stops it, with what it has started, and not the conversation.
local function evaluate(chunk)
  local main = task.running()
  local line = task.spawn(function()
    local results = table.pack(xpcall(chunk, report.handler))
    if results[1] and not stop.status then task.hand_over(task.running(), main) end
    return table.unpack(results, 1, results.n)
  end)
  stop.aim_at(line)
  local results = table.pack(pcall(line.join, line))
  stop.aim_at(main)
  if not results[1] or not results[2] then
    report.show(results[results.n])
  elseif results.n > 2 then
    local ok, message = pcall(print, table.unpack(results, 3, results.n))
    if not ok then io.stderr:write("codex-lua: error calling 'print' (", tostring(message), ")\n") end
  end
end

--- Reads and runs statements until the input ends.
function M.run()
  io.stdin:setvbuf "no" -- what stdio had read ahead couldn't be waited for
  while true do
    local chunk, message = read_chunk()
    if chunk then
      evaluate(chunk)
    elseif message then
      io.stderr:write("codex-lua: ", message, "\n")
    else
      break
    end
  end
  print()
end

return M
