-- The protocol's methods: what each sends, and what answers it.

local cjson = require "cjson"
local lists = require "generate.lists"
local names = require "generate.names"
local report = require "generate.report"

local fail, within = report.fail, report.within

local M = {}

-- Requests whose result type is named neither like their params type nor like the method.
local RESULT_EXCEPTIONS = {
  ["account/gatewayOAuth/cancel"] = "GatewayOAuthCancelResponse",
  ["account/logout"] = "LogoutAccountResponse",
  ["account/securitySetup/read"] = "GetAccountSecuritySetupResponse",
  ["account/workspaceMessages/read"] = "GetWorkspaceMessagesResponse",
  ["accountSession/list"] = "AccountSessionsResponse",
  ["config/batchWrite"] = "ConfigWriteResponse",
  ["config/mcpServer/reload"] = "McpServerRefreshResponse",
  ["config/value/write"] = "ConfigWriteResponse",
  ["externalAgentConfig/import/readHistories"] = "ExternalAgentConfigImportHistoriesReadResponse",
}

-- Responses that answer no method: the envelope.
local NO_RESULT = { JSONRPCResponse = true }

-- The lists of methods: definition, kind, whether there is an answer.
M.LISTS = {
  { "ClientRequest", "CX_METHOD_REQUEST", true },
  { "ClientNotification", "CX_METHOD_NOTIFY", false },
  { "ServerNotification", "CX_METHOD_NOTIFICATION", false },
  { "ServerRequest", "CX_METHOD_SERVER_REQUEST", true },
}

-- The reference in a params member: plain, or allowed to be null. nil where there is nothing to send.
local function params_reference(schema)
  if schema == nil or schema.type == "null" then return nil end
  if schema["$ref"] then return schema["$ref"] end
  local list = schema.anyOf
  if list and #list == 2 and list[1]["$ref"] and list[2].type == "null" then return list[1]["$ref"] end
  fail("unknown form of params: %s", cjson.encode(schema))
end

-- A response is named like the params (FooParams, FooResponse), or else like the method (foo/bar, FooBarResponse).
local function result_name(bundle, method, params)
  local exception = RESULT_EXCEPTIONS[method]
  if exception then return exception end
  if params then
    local _, name = bundle:resolve(params)
    local by_params = name:gsub("Params$", "") .. "Response"
    if bundle:reference(by_params) then return by_params end
  end
  local by_method = method:gsub("%f[%a]%l", string.upper):gsub("[/_]", "")
  return by_method .. "Response"
end

local function result_reference(bundle, method, params, lenient)
  local name = result_name(bundle, method, params)
  local reference = bundle:reference(name)
  if not reference and not lenient then
    fail("no result type for '%s' (not even '%s'): see RESULT_EXCEPTIONS", method, name)
  end
  return reference
end

local function read_method(bundle, entry, kind, answered, lenient)
  local properties = entry.properties
  for _, member in ipairs(lists.sorted_keys(properties)) do
    if not lists.contains({ "id", "method", "params" }, member) then fail("unknown member '%s' of a method", member) end
  end
  local method = properties.method.enum[1]
  local params = within(method, params_reference, properties.params)
  local result = answered and within(method, result_reference, bundle, method, params, lenient) or nil
  return {
    name = method, lua_name = kind == "CX_METHOD_REQUEST" and names.method(method) or method, kind = kind,
    description = entry.description, params = params, result = result,
  }
end

--- All methods, by kind, in the schema's order: `params` and `result` are references to definitions, nil where there is
--- none. If lenient, a result that can't be found is none.
function M.read(bundle, lenient)
  local methods = {}
  for _, list in ipairs(M.LISTS) do
    local definition = bundle.definitions[list[1]] or fail("no '%s'", list[1])
    for _, entry in ipairs(definition.oneOf) do
      methods[#methods + 1] = within(list[1], read_method, bundle, entry, list[2], list[3], lenient)
    end
  end
  return methods
end

--- Sorts methods by kind and name.
function M.sort(methods)
  local order = {}
  for i, list in ipairs(M.LISTS) do order[list[2]] = i end
  table.sort(methods, function(a, b)
    if a.kind ~= b.kind then return order[a.kind] < order[b.kind] end
    return a.name < b.name
  end)
end

-- No two methods may be called the same in Lua.
local function check_names(methods)
  local by_name = {}
  for _, method in ipairs(methods) do
    if method.kind == "CX_METHOD_REQUEST" then
      local other = by_name[method.lua_name]
      if other then fail("'%s' and '%s' are both called '%s'", other, method.name, method.lua_name) end
      by_name[method.lua_name] = method.name
    end
  end
end

-- Every response answers one method, unless we know better.
local function check_results(bundle, methods)
  local used = {}
  for _, method in ipairs(methods) do
    if method.result then
      local _, name = bundle:resolve(method.result)
      local other = used[name]
      if other and not (RESULT_EXCEPTIONS[method.name] and RESULT_EXCEPTIONS[other]) then
        fail("'%s' is the result of '%s' and '%s'", name, other, method.name)
      end
      used[name] = method.name
    end
  end
  for _, name in ipairs(bundle:names("Response$")) do
    if not used[name] and not NO_RESULT[name] then fail("'%s' is the result of no method", name) end
  end
end

--- Fails where the methods don't fit together, or where what we say of them by hand isn't true any more.
function M.check(bundle, methods)
  local known = {}
  for _, method in ipairs(methods) do known[method.name] = true end
  for _, method in ipairs(lists.sorted_keys(RESULT_EXCEPTIONS)) do
    if not known[method] then fail("RESULT_EXCEPTIONS has '%s', the schema has not", method) end
  end
  check_names(methods)
  check_results(bundle, methods)
end

return M
