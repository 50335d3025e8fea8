--- Runs every kind of test and adds up what they count; the last line is `N passed, N failed`.
---
---     lua spec/support/run.lua FOLDER KIND=COMMAND…
---
--- KIND is `check` (silent when all is well; counts only when it fails), `counts` (prints `N passed, N failed`) or
--- `busted` (with the output handler next to this file). Logs and totals go to FOLDER; its file `totals` holds both
--- numbers. Output never goes through a pipe of ours: a process left behind by a test could keep that open for ever.

local folder = arg[1]
local passed, failed = 0, 0

local function say(...)
  io.stdout:write(...)
  io.stdout:flush()
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return "" end
  local text = file:read("*a")
  file:close()
  return text
end

-- os.execute answers a status number in Lua 5.1, and three values from 5.2 on. The last is what to show.
local function execute(command)
  local ok, how, status = os.execute(command)
  if type(ok) == "number" then return ok == 0, "status " .. ok end
  return ok == true, (how or "exit") .. " " .. tostring(status)
end

local function count(more_passed, more_failed, ok, how, command)
  passed = passed + more_passed
  if not ok and more_failed == 0 then
    say("FAILED (", how, "): ", command, "\n")
    more_failed = 1
  end
  failed = failed + more_failed
end

local kinds = {}

function kinds.check(command)
  local log = folder .. "/check.log"
  local ok, how = execute(command .. " >" .. log .. " 2>&1")
  if not ok then say(read(log)) end
  count(0, 0, ok, how, command)
end

function kinds.counts(command)
  local log = folder .. "/counts.log"
  local ok, how = execute(command .. " >" .. log .. " 2>&1")
  local text = read(log)
  say(text)
  local p, f = text:match(".*%f[%d](%d+) passed, (%d+) failed")
  count(tonumber(p) or 0, tonumber(f) or 0, ok and p ~= nil, p and how or how .. ", no totals", command)
end

function kinds.busted(command)
  local totals = folder .. "/busted.totals"
  os.remove(totals)
  local ok, how = execute("CODEX_SPEC_TOTALS=" .. totals .. " " .. command)
  local p, f = read(totals):match("(%d+) (%d+)")
  count(tonumber(p) or 0, tonumber(f) or 0, ok and p ~= nil, p and how or how .. ", no totals", command)
end

for i = 2, #arg do
  local kind, command = arg[i]:match("^(%a+)=(.*)$")
  kinds[kind](command)
end

local file = assert(io.open(folder .. "/totals", "wb"))
file:write(passed, " ", failed, "\n")
file:close()
say(string.format("%d passed, %d failed\n", passed, failed))
os.exit(failed == 0 and 0 or 1)
