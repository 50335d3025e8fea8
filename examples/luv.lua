-- Codex in a program that runs libuv's loop with luv: its own timer ticks while a turn streams.
--
--     codex-lua --offline examples/luv.lua
--     lua5.4 examples/luv.lua "Why is the sky blue?"
local uv = require "luv"
local codex = require "codex"

codex.use_loop "uv"

local question = arg[1] or "Say hello."
local ticks = 0
local clock = uv.new_timer()
clock:start(0, 5, function()
  ticks = ticks + 1
end)
clock:unref()

-- Callbacks of libuv's can't wait; tasks can, and callbacks may start them.
local asking = codex.spawn(function()
  local client <close> = codex.new()
  local turn = client:thread_start({ sandbox = "read_only" }):turn(question)
  for text in turn:text() do
    io.write(text)
    io.flush()
  end
  print(("\n[%s, while the clock went on: %s]"):format(turn:run().status, ticks > 1))
end)

uv.run() -- until the client is closed: it keeps the loop running, as any open handle does
asking:join() -- raises what went wrong
