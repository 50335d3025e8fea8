-- Makes schema_tables.c, the protocol's names and types as read-only C tables, and lua/codex/types.lua, the same for
-- editors, from the JSON schema that the pinned server writes about itself:
--
--     codex app-server generate-json-schema --experimental --out SCHEMA_DIR
--     lua5.4 src/core/generate.lua SCHEMA_DIR VERSION TABLES.c TYPES.lua
--
-- Or tells what differs between two such schemas:
--
--     lua5.4 src/core/generate.lua diff OLD_SCHEMA_DIR NEW_SCHEMA_DIR
--
-- The same schema gives the same bytes. Whatever it doesn't understand stops it: a form of schema that is new in the
-- next server version has to be looked at by a person, not guessed at.

package.path = (arg[0]:match "^.*/" or "./") .. "?.lua;" .. package.path

local bundles = require "generate.bundle"
local c_tables = require "generate.c_tables"
local compilers = require "generate.compile"
local diff = require "generate.diff"
local lua_types = require "generate.lua_types"
local method_lists = require "generate.methods"
local node = require "generate.nodes"
local outlines = require "generate.outline"
local report = require "generate.report"

local USAGE = [[
usage: generate.lua SCHEMA_DIR VERSION TABLES.c TYPES.lua
       generate.lua diff OLD_SCHEMA_DIR NEW_SCHEMA_DIR
]]

-- The methods with nodes for what they send and get.
local function compiled(bundle, methods)
  local compiler, list = compilers.new(bundle), {}
  for i, method in ipairs(methods) do
    list[i] = {
      name = method.name, lua_name = method.lua_name, kind = method.kind, has_params = method.params ~= nil,
      params = method.params and report.within(method.name, compiler.message, compiler, method.params) or node.ANY,
      result = method.result and report.within(method.name, compiler.message, compiler, method.result) or node.ANY,
    }
  end
  compiler:check_free_form()
  return list
end

local function write(path, writer, ...)
  local out = assert(io.open(path, "wb")) -- binary: the same bytes everywhere
  local a, b = writer(out, ...)
  assert(out:close())
  return a, b
end

local function generate(directory, version, tables, types_file)
  if not version:find("^[%w.+-]+$") then report.fail("a strange version: %s", version) end
  local bundle = bundles.read(directory)
  local methods = method_lists.read(bundle)
  method_lists.check(bundle, methods)
  local with_nodes = compiled(bundle, methods)
  method_lists.sort(with_nodes)
  local types, strings = write(tables, c_tables.write, version, with_nodes)
  local declared = write(types_file, lua_types.write, version, outlines.read(bundle, methods))
  print(("%s: %d methods, %d types, %d strings; %d classes and aliases"):format(version, #methods, types, strings,
    declared))
end

-- A schema that the tables can't be made of yet may be looked at all the same.
local function outline_of(directory)
  local bundle = bundles.read(directory)
  return outlines.read(bundle, method_lists.read(bundle, true))
end

local function tell_difference(_, old, new)
  local lines = diff.lines(outline_of(old), outline_of(new))
  print(("From %s to %s:\n"):format(old, new))
  print(#lines > 0 and table.concat(lines, "\n") or "Nothing differs.")
end

local function main(...)
  local count = select("#", ...)
  local command = count == 4 and generate or count == 3 and (...) == "diff" and tell_difference
  if not command then
    io.stderr:write(USAGE)
    os.exit(2)
  end
  local ok, failure = report.attempt(command, ...)
  if ok then return end
  io.stderr:write("generate.lua: ", tostring(failure), "\n")
  os.exit(1)
end

main(...)
