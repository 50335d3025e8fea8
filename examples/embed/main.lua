-- What examples/embed/embed.c runs, with the prompt: it has made the global `loop`, and goes on until `quit(ok)`.
local codex = require "codex"

codex.use_loop(loop)

local prompt = ...

-- Whatever waits has to be in a task: the loop is the program's, and can't be driven from here.
local talking = codex.spawn(function()
  local client <close> = codex.new()
  local turn = client:thread_start({ sandbox = "read_only" }):turn(prompt)
  for text in turn:text() do
    io.write(text)
    io.flush()
  end
end)

codex.spawn(function()
  local ok, err = pcall(talking.join, talking)
  if not ok then io.stderr:write("embed: ", tostring(err), "\n") end
  quit(ok)
end)
