--- A request of the server's, as handlers get it: what it asks, and what a person needs to decide.

local classes = require "codex.class"
local errors = require "codex.error"
local failures = require "codex.handler_error"
local lanes = require "codex.lane"
local lazy = require "codex.lazy"
local task = require "codex.task"

local answers = lazy "codex.answer"
local elicitations = lazy "codex.elicitation"
local shell = lazy "codex.approve.shell"
local show = lazy "codex.show"

require "codex.interpreted"()

local M = {}

---@alias codex.ServerRequestKind
---| "command" may a command run outside of the sandbox
---| "file_change" may files be changed
---| "permissions" may the agent have more permissions
---| "mcp_tool" may a tool of an MCP server run
---| "tool" run one of the thread's own tools
---| "user_input" what does the user say
---| "elicitation" what does the user say to an MCP server
---| "token_refresh" fresh ChatGPT tokens, where the client holds them
---| "attestation" a proof of what the client is
---| "unknown" a method that the schema doesn't know

--- What the server asks. Beside these members it has what belongs to its kind: see `codex.Elicitation` for those of MCP
--- servers.
---@class codex.ServerRequest
---@field kind codex.ServerRequestKind
---@field method string
---@field params table as the protocol has them, by their names in Lua
---@field id integer|string its id on the wire
---@field thread_id? string
---@field turn_id? string
---@field item_id? string
---@field item? table the item that it is about, as last told of: of a file change, with the diffs in `changes`; nil
--- for one of several with the same id, as hostile models may give them
---@field turn? codex.Turn the one that it is asked for, if it is one of ours; of a sub-agent's the user's
---@field thread? codex.Thread likewise
---@field summary string one line for a person, in which nothing can hide
---@field decisions? (string|table)[] what an approval may be answered with
---@field command? string kind "command": what the model wrote, as the shell gets it; the shell's whole line,
--- `params.command`, where that isn't one of the usual ones with a script
---@field cwd? string where
---@field thread_cwd? string the folder of its thread, or of the user's thread that a sub-agent works for
---@field reason? string the model's, for what it asks
---@field questions? table[] kind "user_input": `id`, `header`, `question`, `options`, `is_other`, `is_secret`
---@field package told? boolean stderr has heard of a failure
---@field cancelled boolean nobody wants the answer any more: the server has withdrawn the question, its turn is over,
--- the time is up, or the client was closed
local ServerRequest = {}

local kinds = {
  ["item/commandExecution/requestApproval"] = "command",
  execCommandApproval = "command",
  ["item/fileChange/requestApproval"] = "file_change",
  applyPatchApproval = "file_change",
  ["item/permissions/requestApproval"] = "permissions",
  ["item/tool/call"] = "tool",
  ["item/tool/requestUserInput"] = "user_input",
  ["mcpServer/elicitation/request"] = "elicitation",
  ["account/chatgptAuthTokens/refresh"] = "token_refresh",
  ["attestation/generate"] = "attestation",
}

-- ---- what a person sees ----

local function text_or(value, default)
  return type(value) == "string" and value or default
end

local function list_of(value)
  return type(value) == "table" and value or {}
end

-- The words of a command, to be read back by a shell.
local function quoted(words)
  local list = {}
  for index, word in ipairs(list_of(words)) do
    word = tostring(word)
    list[index] = word:find "^[%w_@%%+=:,./-]+$" and word or "'" .. word:gsub("'", "'\\''") .. "'"
  end
  return table.concat(list, " ")
end

-- What the model wrote is what the shell is given. The server's `command_actions` aren't: of `ls | xargs rm` they say
-- `ls`.
local function command_of(params)
  if type(params.command) == "table" then return quoted(params.command) end
  return type(params.command) == "string" and (shell.script(params.command) or params.command) or nil
end

local function change_of(path, kind)
  local target = text_or(list_of(kind).move_path)
  local where = text_or(path, "?") .. (target and " to " .. target or "")
  return ("%s (%s)"):format(where, text_or(list_of(kind).type or kind, "update"))
end

local function changes_of(request)
  local names = {}
  for _, change in ipairs(list_of(list_of(request.item).changes)) do
    names[#names + 1] = change_of(change.path, change.kind)
  end
  for path, change in pairs(list_of(request.params.file_changes)) do
    names[#names + 1] = change_of(path, change)
  end
  table.sort(names)
  return names[1] and table.concat(names, ", ") or "files"
end

-- What an entry of a sandbox's is about: a path, a pattern, or a folder that goes by a name.
local function place_of(entry)
  local path = list_of(entry.path)
  local special = list_of(path.value)
  local named = special.kind and (special.path or special.kind)
  if named and special.subpath then named = ("%s/%s"):format(tostring(named), tostring(special.subpath)) end
  return tostring(path.path or path.pattern or named or "?")
end

local function permissions_of(asked)
  local names, files, said = {}, list_of(list_of(asked).file_system), {}
  local function add(access, place)
    local name = ("%s %s"):format(tostring(access), tostring(place))
    if not said[name] then names[#names + 1] = name end -- the server names most of them twice
    said[name] = true
  end
  if list_of(list_of(asked).network).enabled then names[1] = "network access" end
  for _, access in ipairs { "read", "write" } do
    for _, path in ipairs(list_of(files[access])) do
      add(access, path)
    end
  end
  for _, entry in ipairs(list_of(files.entries)) do
    add(list_of(entry).access, place_of(list_of(entry)))
  end
  return names[1] and table.concat(names, ", ") or "nothing"
end

local function describe_command(request)
  local params = request.params
  local network = list_of(params.network_approval_context)
  local what = request.command and "run: " .. request.command or "run a command"
  if network.host then what = ("connect to %s (%s)"):format(tostring(network.host), tostring(network.protocol)) end
  if params.kind == "writeStdin" then what = "write to the command: " .. (request.command or "?") end
  local more = params.additional_permissions
  if more then what = ("%s, with %s"):format(what, permissions_of(more)) end
  return request.cwd and ("%s (in %s)"):format(what, request.cwd) or what
end

local describe = {
  command = describe_command,
  file_change = function(request)
    local root = request.params.grant_root
    return "change " .. changes_of(request) .. (root and ", and all under " .. tostring(root) or "")
  end,
  permissions = function(request)
    return "grant " .. permissions_of(request.params.permissions)
  end,
  mcp_tool = function(request)
    local names = { text_or(request.server_name, "?"), text_or(request.tool_name, "?") }
    return ("call the tool %s of the MCP server %s"):format(names[2], names[1])
  end,
  tool = function(request)
    local namespace = request.params.namespace
    return "call the tool " .. (namespace and namespace .. "." or "") .. text_or(request.params.tool, "?")
  end,
  user_input = function(request)
    local first = list_of(list_of(request.questions)[1])
    return "answer: " .. text_or(first.question, "nothing")
  end,
  elicitation = function(request)
    return ("answer the MCP server %s: %s"):format(text_or(request.server_name, "?"), text_or(request.message, ""))
  end,
  token_refresh = function()
    return "give fresh ChatGPT tokens"
  end,
}

local function summary_of(request)
  local describe_it = describe[request.kind]
  local text = describe_it and describe_it(request) or "answer " .. request.method
  if request.reason then text = text .. ": " .. request.reason end
  return show.line(text)
end

-- ---- making ----

local function fill_in(request)
  local params, kind = request.params, request.kind
  request.thread_id = params.thread_id or params.conversation_id
  request.turn_id = params.turn_id
  request.item_id = params.item_id or params.call_id
  request.reason, request.cwd = text_or(params.reason), text_or(params.cwd)
  if kind == "command" then request.command = command_of(params) end
  if kind == "user_input" then request.questions = list_of(params.questions) end
  if request.method == "mcpServer/elicitation/request" then
    for name, value in pairs(elicitations.fields(params)) do
      request[name] = value
    end
    if elicitations.is_tool_approval(params) then request.kind = "mcp_tool" end
  end
  request.decisions = answers.decisions(request)
  request.summary = summary_of(request)
end

--- Wraps the core's handle.
---@param client codex.Client
---@param handle userdata
---@return codex.ServerRequest
function M.new(client, handle)
  local method, params = handle:method(), handle:params()
  local request = setmetatable({
    cancelled = false,
    id = handle:id(),
    item = handle:item(),
    kind = kinds[method] or "unknown",
    method = method,
    params = type(params) == "table" and params or {},
    _client = client,
    _handle = handle,
    _on_cancelled = {},
    _turn = handle:turn(),
  }, ServerRequest)
  fill_in(request)
  request.turn = request.turn -- not to be looked up when it is over
  request.thread_cwd = list_of(request:_lane()).cwd
  return request
end

-- The turn that runs on a thread of ours, if the server's id is one of its: a goal has many.
local function running_turn(request)
  local lane = request.thread_id and request._client._lanes[request.thread_id]
  local turn = lane and lanes.running(lane)
  for _, id in ipairs(turn and turn:_ids() or {}) do
    if id == request.turn_id then return turn end
  end
end

function ServerRequest:__index(name)
  if name == "turn" then
    local turn = self._client._turns[self._turn] or running_turn(self)
    if turn then rawset(self, "turn", turn) end -- it is forgotten when it ends, and the handler may ask later
    return turn
  end
  if name == "thread" then
    local lane = self:_lane()
    return lane and lane.thread
  end
  return ServerRequest[name]
end

-- The lane of the thread that has the handlers: of a sub-agent's, the user's.
function ServerRequest:_lane()
  local known, turn = self._client._lanes, self._client._turns[self._turn]
  self._of_lane = self._of_lane or self.thread_id and known[self.thread_id] or turn and known[turn.thread_id]
  return self._of_lane
end

function ServerRequest:__tostring()
  return ("codex request %s (%s)"):format(tostring(self.id), self.method)
end

-- ---- while it is open ----

local function start(request, fn)
  local calling = task.background(fn)
  calling:when_over(function()
    if calling.status == "failed" then failures.report(request._client, request, calling:failure(), request) end
  end)
end

--- Calls `fn()`, in a task of its own, once nobody wants the answer any more; at once if that is so already.
---@param fn fun()
function ServerRequest:when_cancelled(fn)
  task.check_function("when_cancelled", fn)
  if self.cancelled then return start(self, fn) end
  table.insert(self._on_cancelled, fn)
end

-- Nobody wants the answer any more.
function ServerRequest:_cancel()
  if self.cancelled then return end
  self.cancelled = true
  self:_over()
  for _, fn in ipairs(self._on_cancelled) do
    start(self, fn)
  end
  self._on_cancelled = {}
end

-- There is nothing to wait for any more.
function ServerRequest:_over()
  if self._on_over then self._on_over() end
  self._on_over = nil
end

-- Whether an answer still counts.
function ServerRequest:_is_open()
  return not self.cancelled and not self._released and self._handle:open()
end

-- Lets the core's handle go, which answers unless somebody has. The object stays as it is, for whoever keeps it.
function ServerRequest:_release()
  self:_over()
  self._released = true
  self._handle:release()
end

-- Gives the safe answer unless there was one. An answer that the server is about to call off is left to the core, which
-- gives it when the object is let go.
function ServerRequest:_answer_safely()
  self:_over()
  self._client._core:answer_safely(self._handle)
end

-- The server ends the turn by itself where the answer of the protocol says so; of these kinds it has no such answer.
local goes_on_when_cancelled = { mcp_tool = true, permissions = true }

-- Comes before the answer, after which the turn could be over.
local function interrupt(request)
  if not request.thread_id or not request.turn_id then return end
  local params = { thread_id = request.thread_id, turn_id = request.turn_id }
  request._client:_send("turn/interrupt", params, { label = "turn_interrupt", unawaited = true })
end

-- Sends the protocol's answer to what a handler has said: true; or nil and a message for what the schema refuses, or
-- false and why.
function ServerRequest:_send(result, said)
  if said == "cancel" and goes_on_when_cancelled[self.kind] then interrupt(self) end
  local sent, why = self._client._core:answer(self._handle, result, self.method)
  if sent then self:_over() end
  return sent, why
end

--- Answers with what a handler would return: of a request that `client:requests()` gave. Raises `invalid_argument` for
--- what its kind doesn't take; it is still open then.
---@param answer any
---@return boolean sent false: it was answered already, or nobody wants the answer any more
function ServerRequest:answer(answer)
  if not self:_is_open() then return false end
  local result, message = answers.result(self, answer)
  if result == nil then
    if message then errors.argument(message) end
    self:_answer_safely()
    return true
  end
  local sent, why = self:_send(result, answer)
  if sent then return true end
  if sent == nil then errors.argument(why) end
  if why == "overflow" then errors.raise("overflow", self.method .. ": the answer is too large to be sent") end
  return false
end

classes.guard(ServerRequest, "request")

return M
