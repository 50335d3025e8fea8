--- Questions of MCP servers.

local M = {}

--- What a request shows beside its params.
function M.fields()
  return {}
end

--- Whether a question asks for a tool's approval.
function M.is_tool_approval()
  return false
end

return M
