--- Measures and prints; decides nothing. Called by `make bench`, which sets CODEX_BUILD, CODEX_BIN and the paths.
---
--- Every figure comes from a process of its own that reads the same stream from a feeder, and counts that process
--- alone. The kinds take turns, round after round, so that a noisy machine is noisy for all of them; shown is the
--- median.

local BUILD = os.getenv "CODEX_BUILD" or "build"
local LUA = arg[-1] or "lua5.4"
local FEEDER, SPLIT = BUILD .. "/bench/feeder", BUILD .. "/bench/split"
local ROUNDS = 7
local EVENTS = 200000
local TURNS = 1000
local MILLION = 1000000

local function capture(...)
  local words = {}
  for index, word in ipairs { ... } do
    words[index] = word:find "^[%w/._=|-]+$" and word or "'" .. word:gsub("'", "'\\''") .. "'"
  end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>/dev/null"))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

-- The numbers that a process prints; none if it failed.
local function numbers(...)
  local list = {}
  for number in capture(...):gmatch "%S+" do
    list[#list + 1] = tonumber(number)
  end
  return list
end

local function read_by(kind, count, ...)
  return numbers(LUA, "spec/bench/reader.lua", kind, tostring(count), ...)
end

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

local function say(format, ...)
  print(select("#", ...) > 0 and format:format(...) or format)
end

-- ---- CPU an event ----

-- The feeder on stdin, with --lines or nothing.
local function fed(mode, ...)
  if mode then return numbers(FEEDER, "--stdout", mode, tostring(EVENTS), "|", ...) end
  return numbers(FEEDER, "--stdout", tostring(EVENTS), "|", ...)
end

local function through_client(kind)
  return function(mode)
    return read_by(kind, EVENTS, "--turns", "1", mode)
  end
end

local readers = {
  { "a", "read and split lines in C", function(mode)
    return fed(mode, SPLIT)
  end },
  { "b", "turn:run()", through_client "run" },
  { "c", "turn:text()", through_client "text" },
  { "d", "turn:stream()", through_client "stream" },
  { "e", "io.lines and cjson.decode", function(mode)
    return fed(mode, LUA, "spec/bench/reader.lua", "cjson", tostring(EVENTS))
  end },
  { "f", "Node: readline, JSON.parse", function(mode)
    return fed(mode, "node", "spec/bench/node.js")
  end },
}

local modes = { { "batched" }, { "line by line", "--lines" } }

local function has_node()
  return numbers("node", "-p", "1")[1] == 1
end

local function measure_readers()
  local samples = { {}, {} }
  for _ = 1, ROUNDS do
    for _, reader in ipairs(readers) do
      for index, mode in ipairs(modes) do
        local name = reader[1]
        samples[index][name] = samples[index][name] or {}
        local seconds = reader[3](mode[2])[1]
        if seconds then table.insert(samples[index][name], seconds / EVENTS * 1e9) end
      end
    end
  end
  for _, mode in ipairs(samples) do
    for name, list in pairs(mode) do
      mode[name] = median(list)
    end
  end
  return samples
end

local function show_readers(samples)
  say("CPU of the reader, ns an event of 250 bytes (median of %d runs of %d events)\n", ROUNDS, EVENTS)
  say("%-34s %12s %14s", "", modes[1][1], modes[2][1])
  for _, reader in ipairs(readers) do
    local batched, by_line = samples[1][reader[1]], samples[2][reader[1]]
    if batched and by_line then say("(%s) %-30s %12.0f %14.0f", reader[1], reader[2], batched, by_line) end
  end
  say ""
  for _, aim in ipairs { { "b", "a", "at most 1.5" }, { "c", "e", "at most 0.25" }, { "d", "e", "at most 0.6" },
    { "f", "b", "at least 4" } } do
    local over, under = aim[1], aim[2]
    if samples[1][over] and samples[1][under] then
      say("%s / %-30s %12.2f %14.2f   aim: %s", over, under, samples[1][over] / samples[1][under],
        samples[2][over] / samples[2][under], aim[3])
    end
  end
end

-- ---- the rest ----

-- The same turns, of as many events each.
local function show_turns()
  local at_once, in_turn = {}, {}
  for _ = 1, 5 do
    at_once[#at_once + 1] = read_by("turns", MILLION, "--turns", tostring(TURNS))[1]
    in_turn[#in_turn + 1] = read_by("sequence", MILLION, tostring(TURNS))[1]
  end
  if #at_once == 0 or #in_turn == 0 then return end
  local ratio = median(at_once) / median(in_turn)
  say("%-34s %12.0f ns an event, %.2f times that of one after the other (aim: at most 2)",
    ("%d turns at once, run()"):format(TURNS), median(at_once) / MILLION * 1e9, ratio)
end

local function show_memory()
  local kib = read_by("memory", MILLION)
  if #kib == 0 then return end
  say("%-34s %12.1f MiB at the start; %.1f after 200,000 events, %.1f after 1,000,000", "resident, ten turns of run()",
    kib[1] / 1024, kib[3] / 1024, kib[#kib] / 1024)
end

local function show_latency()
  local took = read_by("latency", 500, "--lines", "--stamp", "--pace", "2000")
  if #took > 0 then
    say("%-34s %12.0f µs, at most %.0f: single deltas, 2 ms apart", "from writing to turn:text()", took[1] * 1e6,
      took[2] * 1e6)
  end
  took = read_by("latency", 20000, "--lines", "--stamp", "--pace", "20")
  if #took > 0 then
    say("%-34s %12.0f µs, at most %.0f: as fast as 10,000 a second", "", took[1] * 1e6, took[2] * 1e6)
  end
end

local function show_start(name, what)
  local initialized, answered = {}, {}
  for _ = 1, 5 do
    local took = read_by("start", what)
    initialized[#initialized + 1], answered[#answered + 1] = took[1], took[2]
  end
  if #answered == 0 then return end
  say("%-34s %12.1f ms until initialized, %.1f until a request was answered", name, median(initialized) * 1e3,
    median(answered) * 1e3)
end

local function encoding(kind)
  return numbers(LUA, "spec/bench/encoding.lua", kind)
end

local function show_encoding()
  local params, call = encoding "params", encoding "call"
  if #params == 0 or #call == 0 then return end
  say("%-34s %12.1f µs, by lua-cjson %.1f; the whole request with its answer %.1f", "thread/start with ten options",
    params[1] * 1e6, params[2] * 1e6, call[1] * 1e6)
  for _, kind in ipairs { { "text", "an input text, a byte", "64 KiB, 256 KiB, 1 MiB, 4 MiB" },
    { "list", "a list of inputs, an item", "1,000, 4,000, 16,000, 64,000" },
    { "map", "a map, a member", "1,000, 4,000, 16,000, 64,000" } } do
    local each = encoding(kind[1])
    if #each == 0 then return end
    for index, seconds in ipairs(each) do
      each[index] = ("%.1f"):format(seconds * 1e9)
    end
    say("%-34s %12s ns, in %s", kind[2], table.concat(each, ", "), kind[3])
  end
end

local function show_load()
  local seconds, kib = {}, {}
  for _ = 1, 9 do
    local load = read_by("load", 1)
    seconds[#seconds + 1], kib[#kib + 1] = load[1], load[3] and load[3] - load[2]
  end
  if #seconds == 0 then return end
  say('%-34s %12.1f ms, %d KiB', 'require "codex"', median(seconds) * 1e3, median(kib))
end

if not has_node() then table.remove(readers) end
show_readers(measure_readers())
say ""
show_turns()
show_memory()
show_latency()
show_encoding()
show_load()
show_start("start, a server in C", "feeder")
if (os.getenv "CODEX_BIN" or "") ~= "" then show_start("start, the real server", "server") end
