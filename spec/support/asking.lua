--- What makes the real server ask: calls of the scripted model, and clients that answer.

local kit = require "spec.support.kit"

local asking = {}

--- A call that runs `touch NAME` outside of the sandbox, which has to be asked for.
---@param name string
---@return table
function asking.touch(name)
  return {
    name = "exec_command",
    arguments = {
      cmd = "touch " .. name,
      login = false,
      sandbox_permissions = "require_escalated",
      justification = "may I?",
    },
  }
end

--- A call that adds a file, which has to be asked for where nothing may be written. (Of models that the server doesn't
--- know, it takes patches as commands.)
---@param name string
---@return table
function asking.patch(name)
  local command = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: %s\n+new\n*** End Patch\nEOF\n"
  return { name = "exec_command", arguments = { cmd = command:format(name), login = false } }
end

--- A call that asks for more permissions: features.request_permissions_tool.
---@param permissions table
---@return table
function asking.permissions(permissions)
  return { name = "request_permissions", arguments = { reason = "to go on", permissions = permissions } }
end

--- A script by which the model makes calls, and is content with what they answer, in any turn whose input holds the
--- key: `{ [key] = list of calls }`. No key may be part of another.
---@param by_key table<string, table[]>
---@return table script
function asking.script(by_key)
  local match = {}
  for key, calls in pairs(by_key) do
    match[#match + 1] = { pattern = key, plain = true, answers = { { calls = calls }, "Done." } }
  end
  return { match = match }
end

---@param path string
---@return boolean
function asking.exists(path)
  local file = io.open(path)
  return file ~= nil and file:close() ~= nil
end

--- The item of a call, among those of a result.
---@param result codex.TurnResult
---@param id string
---@return table?
function asking.item(result, id)
  for _, item in ipairs(result.items) do
    if item.id == id then return item end
  end
end

--- What the model was told by tools last: call id → text.
---@param home spec.Home
---@return table<string, string>
function asking.told(home)
  local said = {}
  for _, request in ipairs(home:log()) do
    for _, item in ipairs(request.body.input) do
      local output = item.output
      if output then said[item.call_id] = type(output) == "table" and output[1].text or output end
    end
  end
  return said
end

--- A client, its home, and a folder to work in.
---@param options table as of kit.client
---@return codex.Client
---@return string folder
---@return spec.Home
function asking.open(options)
  local client, home = kit.client(options)
  return client, kit.folder(), home
end

return asking
