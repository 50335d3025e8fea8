--- The loops that the module can wait in, for specs, and copies of the module and servers to try them with.

local socket = require "socket"

local loops = {}

-- copas is packaged for 5.1 and 5.2 only, and runs everywhere
if not package.path:find("/usr/share/lua/5.1/?.lua;", 1, true) then
  package.path = package.path .. ";/usr/share/lua/5.2/?.lua"
end

local function remove(list, value)
  for index = #list, 1, -1 do
    if list[index] == value then table.remove(list, index) end
  end
end

local function copy(list)
  local new = {}
  for index, value in ipairs(list) do
    new[index] = value
  end
  return new
end

--- A loop that somebody might have written himself, as the table of functions that codex.use_loop takes.
function loops.plain()
  local watches, timers, woken = {}, {}, {}
  local loop = {}

  function loop.watch(fd, fn)
    local watch = { fn = fn }
    function watch.getfd()
      return fd
    end
    watches[#watches + 1] = watch
    return watch
  end

  function loop.unwatch(watch)
    watch.fn = nil
    remove(watches, watch)
  end

  function loop.timer(seconds, fn)
    local timer = { at = socket.gettime() + seconds, fn = fn }
    timers[#timers + 1] = timer
    return timer
  end

  function loop.cancel(timer)
    timer.fn = nil
    remove(timers, timer)
  end

  function loop.wake(fn)
    woken[#woken + 1] = fn
  end

  function loop.run(seconds)
    local wait = woken[1] and 0 or seconds
    for _, timer in ipairs(timers) do
      wait = math.max(0, math.min(wait or math.huge, timer.at - socket.gettime()))
    end
    for _, watch in ipairs((socket.select(watches, {}, wait))) do
      if watch.fn then watch.fn() end
    end
    for _, timer in ipairs(copy(timers)) do
      if timer.fn and timer.at <= socket.gettime() then
        remove(timers, timer)
        timer.fn()
      end
    end
    local now = woken
    woken = {}
    for _, fn in ipairs(now) do
      fn()
    end
  end

  return loop
end

--- Their names, as codex.use_loop takes them; "plain" is the one above.
loops.names = { "poll", "uv", "cqueues", "copas", "plain" }

--- A new loop of that kind, and its own object: the module, or the controller.
---@param name string
function loops.make(name)
  if name == "plain" then return loops.plain() end
  return require("codex.loop." .. name)()
end

--- Two ends of a connection: what is written to the second can be read from the first.
function loops.pair()
  local listening = assert(socket.bind("127.0.0.1", 0))
  local _, port = listening:getsockname()
  local writer = assert(socket.connect("127.0.0.1", port))
  local reader = assert(listening:accept())
  listening:close()
  return reader, writer
end

--- Waits in a thread of copas until that has gone round: what threads do before they wait isn't done by the loop.
function loops.pause_in_copas(copas)
  local reader, writer = loops.pair()
  local waited = false
  writer:send "x"
  copas.receive {
    getfd = function()
      return reader:getfd()
    end,
    dirty = function()
      return false
    end,
    receive = function()
      if waited then return "x" end
      waited = true
      return nil, "timeout"
    end,
    close = function() end,
  }
  reader:close()
  writer:close()
end

local function ours()
  local names = {}
  for name in pairs(package.loaded) do
    if name == "codex" or name:find "^codex%." and name ~= "codex.core" then names[#names + 1] = name end
  end
  return names
end

local function unload()
  for _, name in ipairs(ours()) do
    package.loaded[name] = nil
  end
end

--- A copy of the module that has chosen no loop yet.
function loops.fresh()
  unload()
  return require "codex"
end

--- Notes the module as it is loaded, and answers the function that puts it back in the place of all copies.
function loops.keep_module()
  local before = {}
  for _, name in ipairs(ours()) do
    before[name] = package.loaded[name]
  end
  return function()
    unload()
    for name, module in pairs(before) do
      package.loaded[name] = module
    end
  end
end

--- The script of a fake server that answers whatever it is asked with what it was given; `leave` makes it go.
loops.ECHO = [[
  server:handshake()
  while true do
    local message = server:read()
    if not message or message.method == "leave" then server:exit(0) end
    if message.id then server:reply(message, message.params or "{}") end
  end
]]

--- The script of a fake server of one turn, with so many deltas at once: a format of their number.
loops.FLOOD = [[
  server:handshake()
  server:thread "t"
  server:turn "u"
  server:turn_started("t", "u")
  local delta = '{"method":"item/agentMessage/delta","params":{"threadId":"t","turnId":"u","itemId":"i","delta":"x"}}'
  server:raw((delta .. "\n"):rep(%d))
  server:turn_completed("t", "u")
]]

return loops
