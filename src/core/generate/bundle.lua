-- The schema as the server writes it: one file with all definitions, those of protocol version 2 under `v2`.

local cjson = require "cjson"
local report = require "generate.report"

local fail = report.fail

local M = {}

M.FILE = "codex_app_server_protocol.schemas.json"

local Bundle = {}
Bundle.__index = Bundle

--- Reads the schema in a folder.
---@param directory string
function M.read(directory)
  local file, message = io.open(directory .. "/" .. M.FILE, "rb")
  if not file then fail("%s", message) end
  local text = file:read("a")
  file:close()
  local ok, schema = pcall(cjson.decode, text)
  if not ok then fail("%s/%s: %s", directory, M.FILE, schema) end
  return setmetatable({ definitions = schema.definitions }, Bundle)
end

--- The definition behind a reference: schema, its name.
---@param ref string
function Bundle:resolve(ref)
  local definitions = self.definitions
  local name = ref:match("^#/definitions/([^/]+)$")
  if name then return definitions[name] or fail("no definition '%s'", ref), name end
  name = ref:match("^#/definitions/v2/([^/]+)$")
  if not name then fail("a reference to elsewhere: '%s'", ref) end
  return definitions.v2[name] or fail("no definition '%s'", ref), name
end

--- The reference to the definition of that name, or nil.
---@param name string
function Bundle:reference(name)
  local old, new = self.definitions[name], self.definitions.v2[name]
  if old and new then fail("two definitions of '%s'", name) end
  return old and "#/definitions/" .. name or new and "#/definitions/v2/" .. name
end

--- The names of all definitions that match a pattern, sorted by version of the protocol and name.
---@param pattern string
function Bundle:names(pattern)
  local found = {}
  for _, list in ipairs { self.definitions, self.definitions.v2 } do
    local names = {}
    for name in pairs(list) do
      if name:find(pattern) then names[#names + 1] = name end
    end
    table.sort(names)
    table.move(names, 1, #names, #found + 1, found)
  end
  return found
end

return M
