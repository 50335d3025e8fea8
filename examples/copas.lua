-- A small server on copas: whoever connects and sends a line gets Codex' answer to it. To have something to do, two
-- threads of the program itself connect, at the same time.
--
--     codex-lua --offline examples/copas.lua
--     lua5.4 examples/copas.lua
--
-- Debian has copas for 5.1 and 5.2 only; it does with 5.4 if LUA_PATH ends in ";;/usr/share/lua/5.2/?.lua".
local copas = require "copas"
local socket = require "socket"
local codex = require "codex"

codex.use_loop "copas" -- before its threads are made

local client <close> = codex.new()
local listening = assert(socket.bind("127.0.0.1", 0))
local _, port = listening:getsockname()

copas.addserver(listening, function(connection)
  local question = copas.receive(connection)
  local thread = client:thread_start { sandbox = "read_only", ephemeral = true }
  copas.send(connection, thread:run(question).final_response .. "\n")
end)

local questions = { "Name a prime number.", "Name a river in Asia." }
local left = #questions
for _, question in ipairs(questions) do
  copas.addthread(function()
    local connection = socket.tcp()
    assert(copas.connect(connection, "127.0.0.1", port))
    copas.send(connection, question .. "\n")
    print(copas.receive(connection) or "no answer")
    left = left - 1
  end)
end

while left > 0 do -- copas.loop() would serve for ever
  copas.step(1)
end
