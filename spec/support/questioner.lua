--- A scenario for the fake server: it asks what the spec tells it to, and keeps a journal of that among the lines that
--- it receives.
---
--- The client runs it by notifications `spec/do` with a list of actions, whose lines are written in one go: `ask`
--- (`{ do = "ask", id =, method =, params = JSON text, turn =, silent = }`; `silent`: its answer isn't confirmed),
--- `resolve`, `complete` (`{ thread =, turn =, status =, text = }`) and `die`. A turn goes by what its input says: "T1"
--- has the id T1 and runs until it is told to end; "A1" is over at once. `spec/echo` is answered.

local cjson = require "cjson"

local Questioner = {}
Questioner.__index = Questioner

function Questioner:note(what, id)
  self.server.received:write(cjson.encode { journal = what, id = id }, "\n")
  self.server.received:flush()
end

-- That an answer isn't wanted, or has come.
function Questioner:confirm(id)
  local asked = self.open[id]
  self.open[id] = nil
  self:note("resolved", id)
  self.server:notify("serverRequest/resolved", { threadId = asked.thread or "th", requestId = id })
end

function Questioner:ask(action)
  self.open[action.id] = action
  self:note("asked", action.id)
  self.server:request(action.id, action.method, action.params)
end

function Questioner:resolve(action)
  if self.open[action.id] then self:confirm(action.id) end
end

-- As the real one does, what was asked in a turn is called off after its end.
function Questioner:complete(action)
  if self.over[action.turn] then return end
  self.over[action.turn] = true
  if action.text then self.server:message(action.thread, action.turn, "m", action.text) end
  self.server:turn_completed(action.thread, action.turn, action.status, action.failure)
  for id, asked in pairs(self.open) do
    if asked.turn == action.turn and not asked.silent then self:confirm(id) end
  end
end

function Questioner:die()
  self.server:exit(1)
end

Questioner["spec/do"] = function(self, message)
  for _, action in ipairs(message.params.actions) do
    self[action["do"]](self, action)
  end
end

Questioner["thread/start"] = function(self, message)
  self.threads = self.threads + 1
  self.server:thread("thread-" .. self.threads, message)
end

Questioner["turn/start"] = function(self, message)
  local thread, id = message.params.threadId, message.params.input[1].text
  self.server:turn(id, message)
  self.server:turn_started(thread, id)
  if id:find "^A" then self:complete { thread = thread, turn = id, text = "at once " .. id } end
end

Questioner["turn/interrupt"] = function(self, message)
  self.server:reply(message, "{}")
  self:complete { thread = message.params.threadId, turn = message.params.turnId, status = "interrupted" }
end

function Questioner:answered(message)
  local asked = self.open[message.id]
  if not asked then return end
  if asked.silent then
    self.open[message.id] = nil
  else
    self:confirm(message.id)
  end
end

function Questioner:take(message)
  local act = message.method and self[message.method]
  if act then
    act(self, message)
  elseif message.method and message.id then
    self.server:reply(message, "{}")
  elseif message.id then
    self:answered(message)
  end
end

--- Runs until the client closes its end.
return function(server)
  server:handshake()
  local questioner = setmetatable({ server = server, open = {}, over = {}, threads = 0 }, Questioner)
  local lines = {}
  function server:raw(bytes)
    lines[#lines + 1] = bytes
  end
  for message in function() return server:read() end do
    questioner:take(message)
    io.stdout:write(table.concat(lines))
    io.stdout:flush()
    lines = {}
  end
end
