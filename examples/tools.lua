-- A ticket system that the model can look things up in and change: its tools are functions of this script.
--
--     codex-lua --offline=examples/offline/tools.lua examples/tools.lua
--     codex-lua examples/tools.lua "What is Grace working on?"
local codex = require "codex"

local question = #arg > 0 and table.concat(arg, " ")
  or "Which open tickets are about printers? Close those of them whose comments say that they are done."

-- A program would have these in a database; its functions may wait for that, and calls go on at the same time.
local tickets = {
  { id = 1, title = "Printer on floor 2 jams", status = "open", owner = "Ada", comments = { "Ordered a new roller." } },
  { id = 2, title = "Printer in the lobby is off", status = "open", owner = "Grace", comments = { "Works again." } },
  { id = 3, title = "Coffee machine leaks", status = "closed", owner = "Ada", comments = {} },
}

local function find(id)
  for _, ticket in ipairs(tickets) do
    if ticket.id == id then return ticket end
  end
  return nil, "there is no ticket " .. id -- what the model is told of the call, which has failed then
end

local function matches(ticket, wanted)
  local text = wanted.text and wanted.text:lower() or ""
  return (not wanted.status or ticket.status == wanted.status)
    and (not wanted.owner or ticket.owner == wanted.owner)
    and ticket.title:lower():find(text, 1, true) ~= nil
end

local id = { type = "integer", minimum = 1 }

local search = codex.tool {
  name = "search",
  description = "Lists tickets, without their comments. All conditions that are given must hold.",
  parameters = {
    type = "object",
    properties = {
      text = { type = "string", description = "in the title, in upper or lower case" },
      status = { enum = { "open", "closed" } },
      owner = { type = "string" },
    },
    additionalProperties = false,
  },
  run = function(arguments)
    local found = codex.array {} -- an empty one is [] for the model
    for _, ticket in ipairs(tickets) do
      if matches(ticket, arguments) then found[#found + 1] = { id = ticket.id, title = ticket.title } end
    end
    return found
  end,
}

local read = codex.tool {
  name = "read",
  description = "All that is known of a ticket, its comments included.",
  parameters = { type = "object", properties = { id = id }, required = { "id" } },
  run = function(arguments)
    return find(arguments.id)
  end,
}

local close = codex.tool {
  name = "close",
  description = "Closes a ticket for good, with a comment that says why.",
  parameters = {
    type = "object",
    properties = { id = id, comment = { type = "string", minLength = 1 } },
    required = { "id", "comment" },
  },
  run = function(arguments)
    local ticket, problem = find(arguments.id)
    if not ticket then return nil, problem end
    ticket.status = "closed"
    table.insert(ticket.comments, arguments.comment)
    return "closed"
  end,
}

local client <close> = codex.new()
local thread = client:thread_start {
  sandbox = "read_only",
  tools = {
    codex.tool_namespace { name = "tickets", description = "Our ticket system.", tools = { search, read, close } },
  },
}

-- Calls are items of the turn like any other.
local turn = thread:turn(question)
for event in turn:stream { "item/completed" } do
  local item = event.params.item
  if item.type == "dynamicToolCall" then
    print(("%s %s: %s"):format(item.tool, codex.json.encode(item.arguments), item.content_items[1].text))
  end
end

print(turn:run().final_response)
for _, ticket in ipairs(tickets) do
  print(("%d  %-6s  %s"):format(ticket.id, ticket.status, ticket.title))
end
