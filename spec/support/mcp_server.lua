--- A small MCP server over stdio, for what the app-server asks on behalf of one.
---
---     lua spec/support/mcp_server.lua LOG
---
--- Its tools:
---
---     look {text}       read-only: answers "looked at TEXT"
---     note {file, text} says nothing about itself: writes the file, answers "noted TEXT"
---     wipe {file}       destructive: removes the file, answers "wiped"
---     ask {params}      asks the client: `elicitation/create` with these params; answers with what came, as JSON
---     wait {}           never answers
---
--- Every message that comes is appended to LOG, a line each. The program ends when its input does.

local cjson = require "cjson"

local log = assert(io.open(arg[1], "ab"))
local asked = {} -- by the id of our request: the id of the call that waits for the answer
local requests = 0

local function send(message)
  message.jsonrpc = "2.0"
  io.stdout:write(cjson.encode(message), "\n")
  io.stdout:flush()
end

local function answer(id, text) send { id = id, result = { content = { { type = "text", text = text } } } } end

-- Of the arguments of a tool: texts, and params.
local function schema(...)
  local properties = {}
  for _, name in ipairs { ... } do properties[name] = { type = name == "params" and "object" or "string" } end
  return { type = "object", properties = properties, required = { ... } }
end

local tools = {}

local function tool(name, description, annotations, input, run)
  tools[#tools + 1] = { name = name, description = description, annotations = annotations, inputSchema = input }
  tools[name] = run
end

tool("look", "Looks.", { readOnlyHint = true }, schema "text", function(id, arguments)
  answer(id, "looked at " .. arguments.text)
end)

tool("note", "Writes a file.", nil, schema("file", "text"), function(id, arguments)
  local file = assert(io.open(arguments.file, "wb"))
  file:write(arguments.text)
  file:close()
  answer(id, "noted " .. arguments.text)
end)

tool("wipe", "Removes a file.", { destructiveHint = true, title = "Wipe it" }, schema "file", function(id, arguments)
  os.remove(arguments.file)
  answer(id, "wiped")
end)

tool("ask", "Asks.", { readOnlyHint = true }, schema "params", function(id, arguments)
  requests = requests + 1
  asked[requests] = id
  send { id = requests, method = "elicitation/create", params = arguments.params }
end)

tool("wait", "Waits.", { readOnlyHint = true }, { type = "object" }, function() end)

local methods = {}

methods["initialize"] = function(message)
  send { id = message.id, result = { protocolVersion = message.params.protocolVersion,
    capabilities = { tools = { listChanged = false } }, serverInfo = { name = "spec", version = "1" } } }
end

methods["tools/list"] = function(message)
  local list = {}
  for index, one in ipairs(tools) do list[index] = one end
  send { id = message.id, result = { tools = list } }
end

methods["tools/call"] = function(message) tools[message.params.name](message.id, message.params.arguments) end

methods["ping"] = function(message) send { id = message.id, result = {} } end

-- What the client answers to an elicitation.
local function answered(message, line)
  local call = asked[message.id]
  asked[message.id] = nil
  if call then answer(call, cjson.encode(message.result or message.error) or line) end
end

for line in io.stdin:lines() do
  log:write(line, "\n")
  log:flush()
  local message = cjson.decode(line)
  if message.method == nil then
    answered(message, line)
  elseif methods[message.method] then
    methods[message.method](message)
  elseif message.id then
    send { id = message.id, error = { code = -32601, message = "no such method here" } }
  end
end
