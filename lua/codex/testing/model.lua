--- The scripted model: a Responses API server on loopback that answers from a script, so that whole turns of the real
--- `codex app-server` run without a network, an account or a key.
---
--- It is a process of its own (it has to answer while the script that drives the server blocks), started as
---
---     lua -e 'require("codex.testing.model").main{ "SCRIPT", "--log", "FILE" }'
---
--- (every argument may be left out; `--port N` picks the port), prints `ready PORT` once it listens on 127.0.0.1, and
--- ends when its standard input does: with its parent.
---
--- ## Scripts
---
--- A script is a Lua file that returns one of the following, or a JSON file that holds one of the first three.
---
---  1. A list of answers: the first request to the model gets the first, and so on. When the list is used up, and
---     wherever a script gives nothing, the model says something sensible of its own. Told so in these very words, it
---     fails or never ends: "Fail with context_length_exceeded." (or any other code), "Fail with status 503.", "Begin
---     and wait."
---  2. `{ match = { { pattern = "…", answer = A }, … }, default = A }`: the first entry whose Lua pattern (with
---     `plain = true`: whose text) is found in the last thing the user said answers; this way several threads at once
---     get each their own. A is used once a turn: when the model is asked again, after a tool ran, `answers = { A, B }`
---     in place of `answer` says what comes then. `default` is for everything that matches nothing.
---  3. One answer (a table without list or `match`): given to every request.
---  4. `function(request, context)` → answer or nil. `request` is the decoded body. `context` has `n` (number of the
---     request, from 1), `step` (number of the model call within the turn, from 1), `input_text` (the last thing the
---     user said), `outputs` (what the tools answered since then, a list of `{ call_id =, output = }`), `thread_id`,
---     `goal_turns` (how many turns it has been asked to work towards a goal, this one included; 0: it is no goal's).
---
--- An answer is a string, a function as in 4, or a table with any of
---
---     text = "…"             what the model says, sent word by word
---     deltas = { "…", … }    the same, in these pieces; with `text` too, that is what the completed message says
---     phase = "final_answer" or "commentary"
---     messages = { { text =, deltas =, phase =, no_deltas =, empty_completed =, repeat_deltas = }, … }   several
---     no_deltas = true       the completed message only
---     empty_completed = true deltas only: the completed message is empty
---     repeat_deltas = { count = 20000, text = "…" }   after the other deltas, so many more
---     reasoning = "…"        a summary of what it thought, before everything else
---     calls = { { name =, arguments = <table, or JSON text>, namespace =, call_id = }, … }   tools, after the text
---     custom_calls = { { name =, input = "…", call_id = }, … }                               free-form ones
---     usage = { input_tokens = 100, cached_tokens = 0, output_tokens = 20, reasoning_tokens = 0, total_tokens = 120 }
---     error = { code =, message = }    it fails, after what was said so far
---     status = 429, body = <string or table>, headers = { … }   an HTTP error instead of an answer
---     hold = true            never finishes: the last message stays open, and so does the connection
---     drop = true            hangs up where `hold` would wait; "at_once": before a single byte
---     delay = seconds        before it answers
---     delta_delay = seconds  before each delta but the first
---
--- A mistake in a script fails the turn with a sentence that says what is wrong.
---
--- In the log each request is one line of JSON, `{"path":…,"body":…}`.

local cjson = require "cjson"
local socket = require "socket"

local model = {}

local CHUNK = 65536 -- bytes gathered before they are handed to the connection

-- ## JSON by hand: cjson writes an empty table as {}, so whatever may be empty is put together here.

local quote = cjson.encode

local function whole(number) return string.format("%.0f", number) end

local function event(kind, members)
  return "event: " .. kind .. '\ndata: {"type":"' .. kind .. '",' .. members .. "}\n\n"
end

-- ## Scripts and answers

local ANSWER_MEMBERS = {
  text = "string", deltas = "table", phase = "string", messages = "table", no_deltas = "boolean",
  empty_completed = "boolean", repeat_deltas = "table", reasoning = "string", calls = "table", custom_calls = "table",
  usage = "table", error = "table", status = "number", body = "any", headers = "table", hold = "boolean", drop = "any",
  delay = "number", delta_delay = "number",
}
local MESSAGE_MEMBERS = {
  text = "string", deltas = "table", phase = "string", no_deltas = "boolean", empty_completed = "boolean",
  repeat_deltas = "table",
}
local CALL_MEMBERS = { name = "string", arguments = "any", namespace = "string", call_id = "string" }
local CUSTOM_CALL_MEMBERS = { name = "string", input = "string", call_id = "string" }
local SCRIPT_MEMBERS = { match = "table", default = "any" }
local ENTRY_MEMBERS = { pattern = "string", plain = "boolean", answer = "any", answers = "table" }

local function check_members(value, allowed, what)
  if type(value) ~= "table" then error(what .. " is a " .. type(value) .. ", not a table", 0) end
  for name, member in pairs(value) do
    local wanted = allowed[name]
    if not wanted then error(what .. " has an unknown member '" .. tostring(name) .. "'", 0) end
    if wanted ~= "any" and type(member) ~= wanted then
      error(what .. ": '" .. name .. "' must be a " .. wanted .. ", not a " .. type(member), 0)
    end
  end
end

local function check_list(list, allowed, what)
  for i, value in ipairs(list or {}) do check_members(value, allowed, what .. " " .. i) end
end

--- Brings an answer into its long form, a table, and raises a sentence about what is wrong in it.
local function normalize(answer)
  if type(answer) == "string" then answer = { text = answer } end
  check_members(answer, ANSWER_MEMBERS, "an answer of the script")
  check_list(answer.messages, MESSAGE_MEMBERS, "message")
  check_list(answer.calls, CALL_MEMBERS, "call")
  check_list(answer.custom_calls, CUSTOM_CALL_MEMBERS, "custom call")
  return answer
end

--- The tables of a JSON script, without its nulls.
local function without_nulls(value)
  if type(value) ~= "table" then return value end
  for key, member in pairs(value) do
    if member == cjson.null then value[key] = nil else without_nulls(member) end
  end
  return value
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function load_script(path)
  if path:find("%.json$") then
    local ok, value = pcall(cjson.decode, read_file(path))
    if not ok then error(path .. ": " .. tostring(value), 0) end
    return without_nulls(value)
  end
  local chunk, message = loadfile(path)
  if not chunk then error(message, 0) end
  return chunk()
end

local function found(entry, text) return text:find(entry.pattern, 1, entry.plain) ~= nil end

local function from_match(script, context)
  for _, entry in ipairs(script.match) do
    if found(entry, context.input_text) then return (entry.answers or { entry.answer })[context.step] end
  end
  return script.default
end

local function check_match(script)
  check_members(script, SCRIPT_MEMBERS, "the script")
  script.match = script.match or {}
  check_list(script.match, ENTRY_MEMBERS, "match")
  for i, entry in ipairs(script.match) do
    if not entry.pattern then error("match " .. i .. " has no pattern", 0) end
  end
end

--- Turns any form of script into one function(request, context) → answer or nil.
local function compile(script)
  if script == nil then return function() end end
  if type(script) == "string" then return compile(load_script(script)) end
  if type(script) == "function" then return script end
  if type(script) ~= "table" then error("the script is a " .. type(script) .. ", not a table or a function", 0) end
  if script.match or script.default then
    check_match(script)
    return function(_, context) return from_match(script, context) end
  end
  if script[1] == nil and next(script) ~= nil then
    normalize(script)
    return function() return script end
  end
  return function(_, context) return script[context.n] end
end

-- ## What a request says

local OUTPUTS = { function_call_output = true, custom_tool_call_output = true }

local function text_of(content)
  if type(content) == "string" then return content end
  local parts = {}
  for _, part in ipairs(type(content) == "table" and content or {}) do
    if type(part.text) == "string" then parts[#parts + 1] = part.text end
  end
  return table.concat(parts, "\n")
end

--- The scripted model's own call ids name the request that made them, so calls made together count as one step.
local function step_of(outputs)
  local seen, steps = {}, 1
  for _, output in ipairs(outputs) do
    local round = output.call_id:match("^call_(%d+)_%d+$") or output.call_id
    if not seen[round] then
      seen[round] = true
      steps = steps + 1
    end
  end
  return steps
end

-- What the server says in the user's place when it starts a turn for a goal.
local function is_goal_context(text) return text:find('^%s*<codex_internal_context source="goal">') ~= nil end

local function context_of(request, n)
  local input = type(request.input) == "table" and request.input or {}
  local outputs, said, goal_turns = {}, "", 0
  for _, item in ipairs(input) do
    if item.role == "user" then
      outputs, said = {}, text_of(item.content)
      if is_goal_context(said) then goal_turns = goal_turns + 1 end
    elseif OUTPUTS[item.type] then
      outputs[#outputs + 1] = { call_id = tostring(item.call_id), output = text_of(item.output) }
    end
  end
  return {
    n = n,
    step = step_of(outputs),
    input_text = said,
    outputs = outputs,
    goal_turns = is_goal_context(said) and goal_turns or 0,
    thread_id = type(request.prompt_cache_key) == "string" and request.prompt_cache_key or nil,
  }
end

local function shortened(text)
  local line = text:gsub("%s+", " ")
  if #line <= 60 then return line end
  return (line:sub(1, 60):gsub("[\128-\255]*$", "")) .. "…"
end

--- What it was told to do, so that failures can be tried without a script.
local function told(said)
  local what = said:match("^Fail with (.-)%.?$")
  local status = what and what:match("^status (%d%d%d)$")
  if status then return { status = tonumber(status), body = "as told" } end
  if what and what:find("^[%l_]+$") then return { error = { code = what, message = "as told" } } end
  if said:find("^Begin and wait%.?$") then return { text = "I begin, and wait", hold = true } end
end

--- A goal is reached with the second turn.
local function pursue_goal(context)
  if context.goal_turns == 1 then return "The scripted model has made a start; its next turn will reach the goal." end
  if #context.outputs > 0 then return "The goal is reached, as far as a scripted model can tell." end
  return { calls = { { name = "update_goal", arguments = { status = "complete" } } } }
end

--- What the model says when no script says it.
local function default_answer(context)
  if context.goal_turns > 0 then return pursue_goal(context) end
  if #context.outputs > 0 then return "Done: the tool has answered, and the scripted model is content." end
  local said = context.input_text
  local answer = told(said)
  if answer then return answer end
  if said:lower():find("hello", 1, true) then
    return "Hello! This is the scripted model speaking; no network and no key were needed."
  end
  if said == "" then return "This is the scripted model speaking." end
  return 'You said "' .. shortened(said) .. '". This is the scripted model speaking, and that is all it knows.'
end

--- Asks the script; whatever goes wrong in it becomes an answer that fails the turn.
local function choose(script, request, n)
  local context = context_of(request, n)
  local ok, answer = pcall(function()
    local answer = script(request, context)
    if type(answer) == "function" then answer = answer(request, context) end
    if answer == nil then answer = default_answer(context) end
    return normalize(answer)
  end)
  if ok then return answer end
  io.stderr:write("scripted model: ", tostring(answer), "\n")
  return { error = { code = "script_error", message = "scripted model: " .. tostring(answer) } }
end

-- ## Answers as bytes
-- An answer is played by a coroutine which yields strings, to be sent, and numbers, seconds to wait. So a long one
-- needs no more memory than a short one, and nobody waits for another's delay.

local Player = {}
Player.__index = Player

function Player:send(bytes)
  self.parts[#self.parts + 1] = bytes
  self.size = self.size + #bytes
  if self.size >= CHUNK then self:flush() end
end

function Player:flush()
  if self.size == 0 then return end
  local bytes = table.concat(self.parts)
  self.parts, self.size = {}, 0
  coroutine.yield(bytes)
end

function Player:wait(seconds)
  if not seconds or seconds <= 0 then return end
  self:flush()
  coroutine.yield(seconds)
end

function Player:item(state, item)
  self:send(event("response.output_item." .. state, '"output_index":' .. self.index .. ',"item":' .. item))
end

function Player:id(kind) return kind .. "_" .. self.n .. "_" .. (self.index + 1) end

local function message_item(id, phase, text, complete)
  local content = complete and '[{"type":"output_text","annotations":[],"text":' .. quote(text) .. "}]" or "[]"
  return '{"type":"message","role":"assistant","id":"' .. id .. '","status":"'
    .. (complete and "completed" or "in_progress") .. '","content":' .. content
    .. (phase and ',"phase":' .. quote(phase) or "") .. "}"
end

local function words(text)
  local pieces = {}
  for piece in text:gmatch("%s*%S+") do pieces[#pieces + 1] = piece end
  local rest = text:match("%s*$")
  if #pieces == 0 then return rest ~= "" and { rest } or {} end
  pieces[#pieces] = pieces[#pieces] .. rest
  return pieces
end

function Player:delta(id, text)
  self:send(event("response.output_text.delta", '"item_id":"' .. id .. '","output_index":' .. self.index
    .. ',"content_index":0,"delta":' .. quote(text)))
end

--- Sends count deltas of the same text; many events a piece, since this is what floods are made of.
function Player:flood(id, flood)
  local text, left = flood.text or "x", flood.count or 1
  local one = event("response.output_text.delta", '"item_id":"' .. id .. '","output_index":' .. self.index
    .. ',"content_index":0,"delta":' .. quote(text))
  if self.answer.delta_delay then
    for _ = 1, left do
      self:wait(self.answer.delta_delay)
      self:send(one)
    end
    return
  end
  local batch = math.max(1, math.floor(CHUNK / #one))
  while left > 0 do
    local now = math.min(left, batch)
    self:send(one:rep(now))
    left = left - now
  end
end

local function full_text(message, pieces)
  if message.empty_completed then return "" end
  if message.text then return message.text end
  local flood = message.repeat_deltas
  return table.concat(pieces) .. (flood and (flood.text or "x"):rep(flood.count or 1) or "")
end

function Player:message(message, unfinished)
  local id = self:id("msg")
  local pieces = message.deltas or words(message.text or "")
  self:item("added", message_item(id, message.phase, "", false))
  if not message.no_deltas then
    for i, piece in ipairs(pieces) do
      if i > 1 then self:wait(self.answer.delta_delay) end
      self:delta(id, piece)
    end
    if message.repeat_deltas then self:flood(id, message.repeat_deltas) end
  end
  if unfinished then return end
  self:item("done", message_item(id, message.phase, full_text(message, pieces), true))
  self.index = self.index + 1
end

function Player:reasoning(text)
  local id = self:id("rs")
  local place = '"item_id":"' .. id .. '","output_index":' .. self.index .. ',"summary_index":0,'
  self:item("added", '{"type":"reasoning","id":"' .. id .. '","summary":[]}')
  self:send(event("response.reasoning_summary_part.added", place .. '"part":{"type":"summary_text","text":""}'))
  for _, piece in ipairs(words(text)) do
    self:send(event("response.reasoning_summary_text.delta", place .. '"delta":' .. quote(piece)))
  end
  self:item("done", '{"type":"reasoning","id":"' .. id .. '","summary":[{"type":"summary_text","text":'
    .. quote(text) .. "}]}")
  self.index = self.index + 1
end

function Player:call(call)
  local arguments = call.arguments or "{}"
  if type(arguments) == "table" then arguments = cjson.encode(arguments) end
  self:item("done", '{"type":"function_call","id":"' .. self:id("fc") .. '","call_id":'
    .. quote(call.call_id or self:id("call")) .. ',"name":' .. quote(call.name)
    .. (call.namespace and ',"namespace":' .. quote(call.namespace) or "")
    .. ',"arguments":' .. quote(arguments) .. "}")
  self.index = self.index + 1
end

function Player:custom_call(call)
  self:item("done", '{"type":"custom_tool_call","id":"' .. self:id("ctc") .. '","call_id":'
    .. quote(call.call_id or self:id("call")) .. ',"name":' .. quote(call.name)
    .. ',"input":' .. quote(call.input or "") .. "}")
  self.index = self.index + 1
end

local function usage_json(usage)
  usage = usage or {}
  local input, output = usage.input_tokens or 100, usage.output_tokens or 20
  return '{"input_tokens":' .. whole(input)
    .. ',"input_tokens_details":{"cached_tokens":' .. whole(usage.cached_tokens or 0)
    .. '},"output_tokens":' .. whole(output)
    .. ',"output_tokens_details":{"reasoning_tokens":' .. whole(usage.reasoning_tokens or 0)
    .. '},"total_tokens":' .. whole(usage.total_tokens or input + output) .. "}"
end

--- The messages of an answer in order: `text` and its relatives are the first.
local function messages_of(answer)
  local messages = {}
  if answer.text or answer.deltas or answer.repeat_deltas then messages[1] = answer end
  for _, message in ipairs(answer.messages or {}) do messages[#messages + 1] = message end
  return messages
end

function Player:finish()
  local answer, response = self.answer, '"response":{"id":"resp_' .. self.n .. '"'
  if answer.error then
    self:send(event("response.failed", response .. ',"error":{"code":' .. quote(answer.error.code or "server_error")
      .. ',"message":' .. quote(answer.error.message or "the scripted model failed") .. "}}"))
  else
    self:send(event("response.completed", response .. ',"usage":' .. usage_json(answer.usage) .. "}"))
  end
end

function Player:play_stream()
  local answer = self.answer
  local messages, calls = messages_of(answer), answer.calls or {}
  local custom, cut = answer.custom_calls or {}, answer.hold or answer.drop
  local open = cut and #calls == 0 and #custom == 0 and #messages
  self:send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    .. "Connection: close\r\n\r\n" .. event("response.created", '"response":{"id":"resp_' .. self.n .. '"}'))
  if answer.reasoning then self:reasoning(answer.reasoning) end
  for i, message in ipairs(messages) do self:message(message, i == open) end
  for _, call in ipairs(calls) do self:call(call) end
  for _, call in ipairs(custom) do self:custom_call(call) end
  if not cut then self:finish() end
end

local REASONS = { [200] = "OK", [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden",
  [404] = "Not Found", [413] = "Payload Too Large", [429] = "Too Many Requests", [500] = "Internal Server Error",
  [501] = "Not Implemented", [503] = "Service Unavailable" }

--- A whole HTTP response that isn't a stream.
local function plain_response(status, body, headers)
  local lines = { "HTTP/1.1 " .. whole(status) .. " " .. (REASONS[status] or "Status"),
    "Content-Type: application/json", "Content-Length: " .. #body, "Connection: close" }
  for name, value in pairs(headers or {}) do lines[#lines + 1] = name .. ": " .. tostring(value) end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

local function failure_json(message)
  return '{"error":{"message":' .. quote(message) .. "}}"
end

local function status_response(answer)
  local body = answer.body or failure_json("the scripted model answers " .. whole(answer.status))
  if type(body) == "table" then body = cjson.encode(body) end
  return plain_response(answer.status, tostring(body), answer.headers)
end

--- A coroutine that plays an answer to request number n. When it ends, so does the connection.
local function play(answer, n)
  local player = setmetatable({ answer = answer, n = n, index = 0, parts = {}, size = 0 }, Player)
  return coroutine.create(function()
    if answer.drop == "at_once" then return end
    player:wait(answer.delay)
    if answer.status then player:send(status_response(answer)) else player:play_stream() end
    player:flush()
    while answer.hold do coroutine.yield(3600) end
  end)
end

-- ## HTTP requests

--- Decodes a chunked body from position on: the body, or nil while it is incomplete, or nil and a complaint.
local function chunked_body(text, position)
  local parts = {}
  while true do
    local from, to, size = text:find("^(%x+)[^\r\n]*\r\n", position)
    if not from then
      if #text - position > 1024 then return nil, "bad chunk" end
      return nil
    end
    size = tonumber(size, 16)
    if size == 0 then
      if not text:find("^\r\n", to + 1) and not text:find("\r\n\r\n", to + 1, true) then return nil end
      return table.concat(parts)
    end
    if #text < to + size + 2 then return nil end
    parts[#parts + 1] = text:sub(to + 1, to + size)
    position = to + size + 3
  end
end

local function parse_head(head)
  local method, path = head:match("^(%S+) (%S+)")
  local headers = {}
  for name, value in head:gmatch("\r\n([^:\r\n]+):[ \t]*([^\r\n]*)") do headers[name:lower()] = value end
  return { method = method or "", path = path or "", headers = headers }
end

local Connection = {}
Connection.__index = Connection

--- The request once it is there as a whole, with its body; nil before; nil and a complaint if it never will be.
function Connection:take_request()
  if not self.head then
    local text = table.concat(self.received)
    self.received = { text }
    local _, stop = text:find("\r\n\r\n", 1, true)
    if not stop then return nil end
    self.head = parse_head(text:sub(1, stop))
    self.body_at, self.size = stop + 1, #text
    local length = tonumber(self.head.headers["content-length"])
    self.wanted = length and stop + length
    if self.head.headers.expect then self.out = self.out .. "HTTP/1.1 100 Continue\r\n\r\n" end
  end
  local chunked = (self.head.headers["transfer-encoding"] or ""):lower():find("chunked", 1, true)
  if not chunked and self.size < (self.wanted or 0) then return nil end
  local text = table.concat(self.received)
  self.received = { text }
  local body, complaint
  if chunked then
    body, complaint = chunked_body(text, self.body_at)
  else
    body = text:sub(self.body_at, self.wanted or self.body_at - 1)
  end
  if not body then return nil, complaint end
  self.head.body = body
  return self.head
end

local function log_request(log, request)
  local body = request.body
  if not pcall(cjson.decode, body) then body = quote(body) end
  log:write('{"path":', quote(request.path), ',"body":', (body:gsub("[\r\n]", " ")), "}\n")
  log:flush()
end

local function fixed(status, body)
  return coroutine.create(function() coroutine.yield(plain_response(status, body)) end)
end

--- Decides what to do about a request: a coroutine that plays the response.
local function respond(server, request)
  if request.method == "GET" and request.path:find("/models[^/]*$") then
    return fixed(200, '{"data":[],"models":[]}')
  end
  if request.method ~= "POST" or not request.path:find("/responses$") then
    return fixed(404, failure_json("no such thing here: " .. request.method .. " " .. request.path))
  end
  if server.log then log_request(server.log, request) end
  local ok, body = pcall(cjson.decode, request.body)
  if not ok or type(body) ~= "table" then return fixed(400, failure_json("the body isn't a JSON object")) end
  server.requests = server.requests + 1
  return play(choose(server.script, body, server.requests), server.requests)
end

-- ## Connections

local function new_connection(sock)
  sock:settimeout(0)
  sock:setoption("tcp-nodelay", true)
  return setmetatable({ sock = sock, received = {}, size = 0, out = "", sent = 0 }, Connection)
end

--- Reads what is there. False when the other side has gone.
function Connection:read()
  while true do
    local data, problem, partial = self.sock:receive(CHUNK)
    data = data or partial
    if data and #data > 0 and not self.player then
      self.received[#self.received + 1] = data
      self.size = self.size + #data
    end
    if problem == "timeout" then return true end
    if problem then return false end
  end
end

--- Sends what there is to send. False when the other side has gone; true when it has all been taken or must wait.
function Connection:write()
  local last, problem, partial = self.sock:send(self.out, self.sent + 1)
  self.sent = last or partial or self.sent
  if self.sent >= #self.out then self.out, self.sent = "", 0 end
  return last ~= nil or problem == "timeout"
end

--- Plays on: sends and asks the player for more until it wants to wait or the socket is full. False when it is over.
function Connection:advance(now)
  while true do
    if self.out ~= "" then
      if not self:write() then return false end
      if self.out ~= "" then return true end
    end
    if not self.player then return true end
    if self.wake_at and self.wake_at > now then return true end
    self.wake_at = nil
    if coroutine.status(self.player) == "dead" then return false end
    local ok, step = coroutine.resume(self.player)
    if not ok then
      io.stderr:write("scripted model: ", tostring(step), "\n")
      return false
    end
    if type(step) == "string" then self.out = step elseif step then self.wake_at = now + step end
  end
end

-- ## The loop

local Server = {}
Server.__index = Server

function Server:accept()
  while true do
    local sock = self.listener:accept()
    if not sock then return end
    self.connections[sock] = new_connection(sock)
  end
end

function Server:close(connection)
  self.connections[connection.sock] = nil
  connection.sock:close()
end

function Server:readable(connection)
  local alive = connection:read()
  if not connection.player then
    local request, complaint = connection:take_request()
    if request then
      connection.player = respond(self, request)
    elseif complaint then
      connection.player = fixed(400, failure_json(complaint))
    end
  end
  if not alive then self:close(connection) end
end

--- What to wait for: sockets to read, sockets to write, and seconds until the first timer (nil: none).
function Server:interests(now)
  local reading, writing, first = { self.listener, self.parent }, {}, nil
  for sock, connection in pairs(self.connections) do
    reading[#reading + 1] = sock
    if connection.out ~= "" then
      writing[#writing + 1] = sock
    elseif connection.wake_at and (not first or connection.wake_at < first) then
      first = connection.wake_at
    end
  end
  return reading, writing, first and math.max(0, first - now)
end

--- Waits once and does what there is to do. False when the parent has gone.
function Server:step()
  local readable = socket.select(self:interests(socket.gettime()))
  for _, sock in ipairs(readable) do
    if sock == self.listener then
      self:accept()
    elseif sock == self.parent then
      if not io.stdin:read(1) then return false end
    elseif self.connections[sock] then
      self:readable(self.connections[sock])
    end
  end
  local now = socket.gettime()
  for _, connection in pairs(self.connections) do
    if not connection:advance(now) then self:close(connection) end
  end
  return true
end

local function print_ready(port)
  io.stdout:write("ready ", port, "\n")
  io.stdout:flush()
end

---@class codex.testing.ServeOptions
---@field script? table|function|string  a script as described above, or the path of one
---@field port? integer                  0 (default): any free one
---@field on_ready? fun(port: integer)   called once it listens; default: prints `ready PORT` to stdout
---@field log? string                    a file to which each request is appended
---@field parent_fd? 0|false             0 (default): serve until stdin ends; false: for ever

-- Standard input as something to select on.
local function stdin_handle()
  io.stdin:setvbuf("no") -- or bytes that stdio holds would be invisible to select
  return { getfd = function() return 0 end, dirty = function() return false end }
end

--- Serves until standard input ends.
---@param options? codex.testing.ServeOptions
function model.serve(options)
  options = options or {}
  local listener = assert(socket.bind("127.0.0.1", options.port or 0, 256))
  listener:settimeout(0)
  local server = setmetatable({
    script = compile(options.script),
    log = options.log and assert(io.open(options.log, "ab")),
    listener = listener,
    parent = options.parent_fd ~= false and stdin_handle() or nil,
    connections = {},
    requests = 0,
  }, Server)
  local _, port = listener:getsockname()
  ;(options.on_ready or print_ready)(math.floor(tonumber(port)))
  while server:step() do end
  for _, connection in pairs(server.connections) do connection.sock:close() end
  listener:close()
  if server.log then server.log:close() end
end

local function parse_arguments(arguments)
  local options, i = {}, 1
  while arguments[i] do
    local argument = arguments[i]
    if argument == "--log" or argument == "--port" then
      i = i + 1
      local value = arguments[i] or error(argument .. " needs a value", 0)
      options[argument:sub(3)] = argument == "--port" and tonumber(value) or value
    elseif argument:find("^%-") or options.script then
      error("unexpected argument '" .. argument .. "'; usage: [SCRIPT] [--log FILE] [--port N]", 0)
    else
      options.script = argument
    end
    i = i + 1
  end
  return options
end

--- The scripted model as a program: `[SCRIPT] [--log FILE] [--port N]`. Ends the process with status 1 when it can't
--- start, and returns when standard input has ended.
---@param arguments string[]
function model.main(arguments)
  local ok, message = pcall(function() model.serve(parse_arguments(arguments)) end)
  if ok then return end
  io.stderr:write("scripted model: ", tostring(message), "\n")
  os.exit(1)
end

return model
