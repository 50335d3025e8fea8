--- Questions of MCP servers: what a handler sees of them, and what it returns, checked and turned into the protocol's
--- answer. Protocol: `mcpServer/elicitation/request`, by which the app-server also asks before a tool runs.

local core = require "codex.core"
local hint = require "codex.hint"
local json_schema = require "codex.json_schema"
local values = require "codex.json_schema.values"

require "codex.interpreted"()

local M = {}

---@class codex.Elicitation what a request shows of an elicitation, besides its params
---@field message string for a person
---@field mode "form"|"url"|"openai/form"|"openaiForm"|"openai/userVerification"
---@field server_name string the MCP server that asks, or whose tool it is
---@field requested_schema? table of forms: JSON Schema of an object, free-form
---@field url? string of mode "url": what the person is to open
---@field tool_name? string of tool approvals
---@field tool_description? string of tool approvals
---@field tool_params? table of tool approvals: the arguments, free-form
---@field tool_annotations? table of tool approvals: the tool's own hints, such as `readOnlyHint`; free-form
---@field persist? string[] of tool approvals: how long an "accept" may hold, none, some or all of "session" (this
--- thread) and "always" (the server writes it to the user's config.toml)

---@alias codex.ElicitationAction "accept"|"decline"|"cancel"

local actions = { "accept", "decline", "cancel", accept = true, decline = true, cancel = true }
local forms = { form = true, ["openai/form"] = true, openaiForm = true }

local function as_table(value)
  return type(value) == "table" and value or {}
end

-- As hint, for a member's name: approvals are decided about under another one.
local function name_hint(name, known)
  local nearest = hint(name, known)
  return nearest == "" and name == "decision" and " (did you mean 'action'?)" or nearest
end

local function unknown_member(name, known)
  return ("unknown member '%s' of an answer%s"):format(name, name_hint(name, known))
end

-- ---- what is asked ----

--- Whether the app-server asks before a tool runs. An MCP server can put the same mark on a form of its own: with
--- fields to fill in, it is a form.
---@param params codex.protocol.McpServerElicitationRequestParams
---@return boolean
function M.is_tool_approval(params)
  return params.mode == "form"
    and as_table(params._meta).codex_approval_kind == "mcp_tool_call"
    and next(as_table(as_table(params.requested_schema).properties)) == nil
end

-- One word, a list of them, or nothing.
local function persist_of(meta)
  if type(meta.persist) == "string" then return { meta.persist } end
  local choices = {}
  for index, choice in ipairs(as_table(meta.persist)) do
    choices[index] = choice
  end
  return choices
end

local function present(value)
  if value ~= core.null then return value end
end

--- What a request shows besides its params. The arguments of a tool are `{}` where it has none.
---@param params codex.protocol.McpServerElicitationRequestParams
---@return codex.Elicitation
function M.fields(params)
  local fields = {
    message = params.message or params.title and ("%s: %s"):format(params.title, params.description) or "",
    mode = params.mode,
    server_name = params.server_name,
    requested_schema = params.requested_schema,
    url = params.url,
  }
  if not M.is_tool_approval(params) then return fields end
  local meta = params._meta
  fields.tool_name, fields.tool_description = present(meta.tool_name), present(meta.tool_description)
  fields.tool_params, fields.tool_annotations = as_table(meta.tool_params), present(meta.tool_annotations)
  fields.persist = persist_of(meta)
  return fields
end

--- What may be answered to a tool's approval.
---@param request codex.Elicitation
---@return (string|codex.protocol.McpServerElicitationRequestResponse)[]
function M.approval_decisions(request)
  local decisions = { "accept" }
  for _, choice in ipairs(request.persist or {}) do
    local answer = { action = "accept", _meta = { persist = choice } }
    decisions[#decisions + 1] = choice == "session" and "accept_for_session" or answer
  end
  decisions[#decisions + 1] = "decline"
  decisions[#decisions + 1] = "cancel"
  return decisions
end

-- ---- forms ----

-- The value of a field as it is sent: an empty table for a list is one.
local function field_value(schema, value)
  if type(value) == "table" and next(value) == nil and as_table(schema).type == "array" then return core.array {} end
  return value
end

-- A copy of the content, with the form's defaults for what was left out; what is null stays left out.
local function filled_in(content, properties)
  local filled = {}
  for name, value in pairs(content) do
    if value ~= core.null then filled[name] = field_value(properties[name], value) end
  end
  for name, schema in pairs(properties) do
    local default = as_table(schema).default
    if content[name] == nil and default ~= core.null then filled[name] = default end
  end
  return filled
end

local function check_names(content, properties)
  local known = values.sorted_keys(properties)
  for name in pairs(content) do
    if properties[name] == nil then
      return ("the form has no field '%s'%s"):format(tostring(name), name_hint(tostring(name), known))
    end
  end
end

-- A schema that can't be followed is left to the server that made it.
local function check_values(content, schema)
  if json_schema.problems(schema, "requested_schema") then return nil end
  local _, message = json_schema.check(schema, content)
  return message
end

-- The answer with a form's content; else nil and what is wrong with that. OpenAI's own forms may have any schema.
local function fill_form(request, content)
  local schema = as_table(request.requested_schema)
  local properties = as_table(schema.properties)
  if getmetatable(content) == core.array_mark or content[1] ~= nil then
    return nil, "expected the form's fields by name, got a list"
  end
  local message = request.mode == "form" and check_names(content, properties)
  if message then return nil, message end
  local filled = filled_in(content, properties)
  message = check_values(filled, schema)
  if message then return nil, message end
  return { action = "accept", content = filled }
end

-- ---- answers ----

local function accept(request, content)
  if forms[request.mode] then return fill_form(request, content or {}) end
  if request.mode == "url" then
    if content and content.decision ~= nil then return nil, unknown_member("decision", actions) end
    if content then return nil, "a URL takes no content: expected true, false, or an action" end
    return { action = "accept" }
  end
  if not content then return nil, ("mode '%s' can't be accepted without content"):format(tostring(request.mode)) end
  return { action = "accept", content = content }
end

local function act(request, action, content)
  if action == "accept" then return accept(request, content) end
  if actions[action] then return { action = action } end
  return nil, ("expected one of accept, decline, cancel, got '%s'%s"):format(tostring(action), hint(action, actions))
end

local response_names = { "_meta", "action", "content" }

-- Whether a table is the protocol's response rather than a form's content. A form may have a field `action` too: then
-- only a table with both `action` and `content` is a response.
local function is_response(request, returned)
  if type(returned.action) ~= "string" then return false end
  local properties = as_table(as_table(request.requested_schema).properties)
  if properties.action == nil then return true end
  return type(returned.content) == "table" and properties.content == nil
end

local function check_response(returned, names)
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
  end
  for name in pairs(returned) do
    if not known[name] then return unknown_member(tostring(name), names) end
  end
  if returned.content ~= nil and returned.content ~= core.null and type(returned.content) ~= "table" then
    return "content: expected a table, got " .. type(returned.content)
  end
end

local function respond(request, returned)
  local message = check_response(returned, response_names)
  if message then return nil, message end
  local answer
  answer, message = act(request, returned.action, present(returned.content))
  if answer then answer._meta = returned._meta end
  return answer, message
end

--- The protocol's answer for what a handler has returned: the content of a form by its fields' names; true or "accept"
--- for a form that its defaults fill, or for a URL; false or nothing to decline; "decline", "cancel"; or the protocol's
--- shape, `{ action =, content = }`.
---
--- Fields that are left out get their defaults, as in a form that a person leaves as it is; `codex.null` leaves a field
--- empty all the same. Content must fit the requested schema, and have no other fields: the app-server itself checks
--- nothing. Patterns and formats are left to the MCP server.
---@param request codex.Elicitation
---@param returned table|boolean|codex.ElicitationAction|nil
---@return codex.protocol.McpServerElicitationRequestResponse?
---@return string? message what is wrong with it
function M.to_answer(request, returned)
  if returned == nil or returned == false then return { action = "decline" } end
  if returned == true then return accept(request) end
  if type(returned) == "string" then return act(request, returned) end
  if type(returned) ~= "table" then return nil, "expected a table of the form's fields, got " .. type(returned) end
  if is_response(request, returned) then return respond(request, returned) end
  return accept(request, returned)
end

-- ---- tool approvals ----

local function offers(request, persist)
  for _, choice in ipairs(request.persist or {}) do
    if choice == persist then return true end
  end
  return false
end

-- The protocol's shape, and `persist` in it for what stands in `_meta` there.
local approval_names = { "_meta", "action", "content", "persist" }

local function approval_response(request, returned)
  local message = check_response(returned, approval_names)
  if message then return nil, message end
  local persist = returned.persist
  local answer = { action = returned.action, content = returned.content, _meta = returned._meta }
  if answer.action == nil then return nil, "action: missing, expected one of " .. table.concat(actions, ", ") end
  if not actions[answer.action] then return act(request, tostring(answer.action)) end
  if persist == nil then return answer end
  if answer.action ~= "accept" then return nil, "persist: only what is accepted can be kept" end
  if not offers(request, persist) then
    local offered = table.concat(request.persist or {}, ", ")
    return nil, ("persist: expected one of what is offered (%s), got '%s'"):format(offered, tostring(persist))
  end
  answer._meta = { persist = persist }
  return answer
end

-- The decisions as one writes them.
local function decision_names(request)
  local names = {}
  for index, decision in ipairs(M.approval_decisions(request)) do
    local persist = type(decision) == "table" and decision._meta.persist
    names[index] = persist and ('{ action = "accept", persist = "%s" }'):format(persist) or decision
  end
  return names
end

--- The protocol's answer for what an approval handler has decided about a tool of an MCP server: true or "accept" for
--- this call; "accept_for_session" for all calls of this tool in this thread, whatever their arguments (for this one
--- where the server doesn't offer more); false or "decline"; "cancel", after which the turn goes on too; the
--- protocol's shape, or `{ action = "accept", persist = "always" }`.
---@param request codex.Elicitation
---@param decision boolean|string|{ action: codex.ElicitationAction, persist?: string }
---@return codex.protocol.McpServerElicitationRequestResponse?
---@return string? message what is wrong with it
function M.approval_to_answer(request, decision)
  if decision == false then decision = "decline" end
  if decision == true then decision = "accept" end
  if decision == "accept_for_session" then
    return { action = "accept", _meta = offers(request, "session") and { persist = "session" } or nil }
  end
  if type(decision) == "table" then return approval_response(request, decision) end
  if actions[decision] then return { action = decision } end
  local names = decision_names(request)
  local got = type(decision) == "string" and "'" .. decision .. "'" .. hint(decision, names) or type(decision)
  return nil, ("expected one of %s, got %s"):format(table.concat(names, ", "), got)
end

return M
