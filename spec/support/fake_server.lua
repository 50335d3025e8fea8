--- A fake app-server, for what the real one can't be made to do: early completions, garbage between lines, duplicate
--- ids, death at every point, silence.
---
---     lua spec/support/fake_server.lua SCENARIO_FILE [app-server …]
---
--- The scenario is a Lua file that returns function(server). It may use the methods below; values given as tables go
--- through cjson, and strings are taken as JSON text (so `'{"data":[]}'` has its empty array). When the function
--- returns, the program reads on without answering until its input ends, and leaves with status 0, as the real one
--- does. Every line received is appended to SCENARIO_FILE.received.

local cjson = require "cjson"
local socket = require "socket"

local Server = {}
Server.__index = Server

local function json(value)
  if type(value) == "string" then return value end
  return cjson.encode(value == nil and {} or value)
end

local function text_json(value) return cjson.encode(value) end

-- Fields 1 and 4 of /proc/self/stat; the name between them may hold anything but ends with the last parenthesis.
local function own_pids()
  local file = assert(io.open("/proc/self/stat", "r"))
  local text = file:read("*a")
  file:close()
  local pid = text:match("^(%d+)")
  local parent = text:match(".*%) %S (%d+)")
  return pid, parent
end

--- Writes bytes to stdout as they are, at once.
function Server:raw(bytes)
  io.stdout:write(bytes)
  io.stdout:flush()
end

--- Writes to stderr.
function Server:stderr(text) io.stderr:write(text) end

--- Reads one line as it came; nil when the input has ended.
function Server:read_line()
  local line = io.stdin:read("*l")
  if line and self.received then
    self.received:write(line, "\n")
    self.received:flush()
  end
  return line
end

--- Reads one message, decoded; nil when the input has ended.
function Server:read()
  local line = self:read_line()
  return line and cjson.decode(line)
end

--- Reads until a message of that method (nil: a response) comes, and returns it. Other requests are answered with {}.
--- Ends the program when the input ends.
function Server:expect(method)
  while true do
    local message = self:read()
    if not message then self:exit(0) end
    if message.method == method then return message end
    if message.method and message.id ~= nil then self:reply(message, "{}") end
  end
end

--- Reads until the answer to our own request of that id comes, and returns it.
function Server:expect_answer(id)
  while true do
    local message = self:expect(nil)
    if message.id == id then return message end
  end
end

--- Answers a request.
function Server:reply(message, result)
  self:raw('{"id":' .. text_json(message.id) .. ',"result":' .. json(result) .. "}\n")
end

--- Answers a request with an error.
function Server:error(message, code, text, data)
  self:raw(string.format('{"error":{"code":%d,"message":%s%s},"id":%s}\n', code, text_json(text),
    data ~= nil and ',"data":' .. json(data) or "", text_json(message.id)))
end

--- Sends a notification.
function Server:notify(method, params)
  self:raw('{"method":"' .. method .. '","params":' .. json(params) .. "}\n")
end

--- Asks the client something.
function Server:request(id, method, params)
  self:raw('{"id":' .. text_json(id) .. ',"method":"' .. method .. '","params":' .. json(params) .. "}\n")
end

--- Answers `initialize` as the real server does and waits for `initialized`. version: of a server other than the pinned
--- one.
function Server:handshake(version)
  local message = self:expect("initialize")
  local info = message.params.clientInfo
  local agent = ("%s/%s (fake; x86_64) fake_server (%s; %s)"):format(info.name, version or "0.169.0", info.name,
    tostring(info.version))
  self:reply(message, { userAgent = agent, codexHome = "/nowhere", platformFamily = "unix", platformOs = "linux" })
  self:expect("initialized")
  return message
end

--- Answers a thread/start, thread/resume or thread/fork (which it waits for, if not given) with a thread of that id.
function Server:thread(id, message)
  message = message or self:expect("thread/start")
  self:reply(message, '{"thread":{"id":"' .. id .. '","sessionId":"' .. id .. '","preview":"","ephemeral":false,'
    .. '"modelProvider":"mock","createdAt":1,"updatedAt":1,"status":{"type":"idle"},"path":null,"cwd":"/",'
    .. '"cliVersion":"0.169.0","source":"vscode","gitInfo":null,"name":null,"turns":[]},"model":"mock-model",'
    .. '"modelProvider":"mock","serviceTier":null,"cwd":"/","approvalPolicy":"never","approvalsReviewer":"user",'
    .. '"sandbox":{"type":"readOnly","networkAccess":false},"reasoningEffort":null}')
  return message
end

local function turn_json(id, status, items, failure)
  return '{"id":"' .. id .. '","items":' .. (items or "[]") .. ',"itemsView":"notLoaded","status":"' .. status
    .. '","error":' .. (failure and text_json(failure) or "null")
    .. ',"startedAt":1,"completedAt":' .. (status == "inProgress" and "null" or "2")
    .. ',"durationMs":' .. (status == "inProgress" and "null" or "1000") .. "}"
end

--- Answers a turn/start (which it waits for, if not given) with a turn of that id.
function Server:turn(id, message)
  message = message or self:expect("turn/start")
  self:reply(message, '{"turn":' .. turn_json(id, "inProgress") .. "}")
  return message
end

--- Sends turn/started.
function Server:turn_started(thread_id, turn_id)
  self:notify("turn/started", '{"threadId":"' .. thread_id .. '","turn":' .. turn_json(turn_id, "inProgress") .. "}")
end

--- Sends one delta of an agent message.
function Server:delta(thread_id, turn_id, item_id, delta)
  self:notify("item/agentMessage/delta", { threadId = thread_id, turnId = turn_id, itemId = item_id, delta = delta })
end

--- Sends the completion of an agent message.
function Server:message(thread_id, turn_id, item_id, text, phase)
  self:notify("item/completed", { threadId = thread_id, turnId = turn_id, completedAtMs = 2000,
    item = { type = "agentMessage", id = item_id, text = text, phase = phase } })
end

--- Sends turn/completed: status "completed" unless told otherwise; failure is a turn error's table.
function Server:turn_completed(thread_id, turn_id, status, failure)
  self:notify("turn/completed", '{"threadId":"' .. thread_id .. '","turn":'
    .. turn_json(turn_id, status or "completed", nil, failure) .. "}")
end

--- Does nothing for a while.
function Server:sleep(seconds) socket.sleep(seconds) end

--- Waits until a file is there, by which a spec says that it has come so far.
function Server:await_file(path)
  local file = io.open(path)
  while not file do
    socket.sleep(0.005)
    file = io.open(path)
  end
  file:close()
end

--- Leaves at once.
function Server:exit(code) os.exit(code or 0) end

--- Dies of a signal.
function Server:kill(signal)
  os.execute("kill -" .. (signal or "KILL") .. " " .. own_pids())
  self:hang()
end

-- Lua doesn't close its standard files, so a socket object, which takes any descriptor, does.
local function close_descriptor(fd)
  local closer = socket.tcp()
  closer:close()
  closer:setfd(fd)
  closer:close()
end

--- Closes stdout, or what else is told, and lives on.
function Server:close_stdout() close_descriptor(1) end
function Server:close_stdin() close_descriptor(0) end
function Server:close_stderr() close_descriptor(2) end

--- Neither reads, answers nor leaves, even when the input ends; but not beyond the life of the process that started it.
function Server:hang()
  local _, parent = own_pids()
  while true do
    socket.sleep(0.05)
    local _, now = own_pids()
    if now ~= parent then self:exit(1) end
  end
end

local function main(path)
  local scenario = assert(loadfile(path))()
  local server = setmetatable({ received = assert(io.open(path .. ".received", "wb")) }, Server)
  scenario(server)
  while server:read_line() do end
end

local ok, message = xpcall(function() main(arg[1]) end, debug.traceback)
if not ok then
  io.stderr:write("fake server: ", tostring(message), "\n")
  os.exit(70)
end
