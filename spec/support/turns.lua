--- Turns, for specs: what came of them, in short, and turns of a fake server.

local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local turns = {}

--- All that an iterator gives.
---@param stream fun(): any
---@return any[]
function turns.drain(stream)
  local list = {}
  luas.each(stream, function(event)
    list[#list + 1] = event
  end)
  return list
end

-- What each of a list has under that name.
local function each(list, name)
  local values = {}
  for index, one in ipairs(list) do
    values[index] = one[name]
  end
  return values
end

---@param events codex.Event[]
---@return string[]
function turns.methods_of(events)
  return each(events, "method")
end

--- All the text of a turn, as it comes in pieces.
---@param turn codex.Turn
---@return string
function turns.text_of(turn)
  return table.concat(turns.drain(turn:text()))
end

---@param items table[]
---@return string[]
function turns.types_of(items)
  return each(items, "type")
end

--- A script for the model, which answers what has "slowly", "hold", "fail" or "tool" in it in that way.
turns.answers = {
  match = {
    { pattern = "slowly", answer = { text = "a b c d e", delta_delay = 0.02 } },
    { pattern = "hold", answer = { text = "begun", hold = true } },
    { pattern = "fail", answer = { error = { code = "context_length_exceeded", message = "it is too long" } } },
    {
      pattern = "tool",
      answers = {
        {
          text = "let me see",
          phase = "commentary",
          calls = { { name = "exec_command", arguments = { cmd = "echo found", login = false } } },
          usage = { input_tokens = 100, output_tokens = 20 },
        },
        { text = "it is found", phase = "final_answer", usage = { input_tokens = 300, output_tokens = 7 } },
      },
    },
  },
  default = { text = "Hello there, you", usage = { input_tokens = 10, output_tokens = 5 } },
}

--- What a fake server does that answers whatever it is asked: each turn of any thread ends at once.
turns.AT_ONCE = [[
  local n = 0
  for message in function() return server:read() end do
    if message.method == "thread/start" then
      server:thread("th" .. message.id, message)
    elseif message.method == "turn/start" then
      n = n + 1
      server:turn("t" .. n, message)
      server:turn_completed(message.params.threadId, "t" .. n)
    elseif message.id then
      server:reply(message, "{}")
    end
  end
]]

--- A client of a fake server, and a thread of it, whose id is "th".
---@param body string what the server does once the thread is started
---@return codex.Client
---@return codex.Thread
---@return fun(): string[] received
function turns.fake(body)
  local options, received = kit.fake([[
    server:handshake()
    server:thread("th")
  ]] .. body)
  local client = codex.new(options)
  return client, client:thread_start(), received
end

return turns
