-- The protocol's tables in src/core, and its types for editors, are those of the server we test with, and the generator
-- makes the same ones again.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1; echo status=$?"))
  local output = pipe:read "*a"
  pipe:close()
  return output, tonumber(output:match "status=(%d+)%s*$")
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

describe("the protocol's tables", function()
  after_each(kit.cleanup)

  it("are, like types.lua, what the generator makes of the pinned server's own schema", function()
    local folder = kit.folder()
    local generate = ("env -u LD_PRELOAD lua5.4 '%s/src/core/generate.lua'"):format(kit.root)
    local output, status = run(("%s '%s' %s '%s/tables.c' '%s/types.lua'"):format(generate, kit.schema(),
      codex.schema_version, folder, folder))
    assert.equal(0, status, output)
    for made, committed in pairs { ["tables.c"] = "src/core/schema_tables.c", ["types.lua"] = "lua/codex/types.lua" } do
      local same = read(folder .. "/" .. made) == read(kit.root .. "/" .. committed)
      assert.is_true(same, committed .. " is stale: run make generate")
    end
  end)

  it("say which version they were made from, and the Makefile pins that one", function()
    assert.truthy(read(kit.root .. "/Makefile"):find("CODEX_VERSION = " .. codex.schema_version, 1, true))
  end)

  it("are those of the server that runs", function()
    local client = kit.client()
    assert.equal(codex.schema_version, client.metadata.server_info.version)
    client:close()
  end)

  it("give every request a name in Lua, of a group and a method", function()
    local methods = core.methods()
    for name, method in pairs {
      ["thread.turns_list"] = "thread/turns/list",
      ["fs.read_file"] = "fs/readFile",
      ["fuzzy_file_search"] = "fuzzyFileSearch",
      ["fuzzy_file_search.session_start"] = "fuzzyFileSearch/sessionStart",
      ["account.login_start"] = "account/login/start",
      ["account.gateway_oauth_read"] = "account/gatewayOAuth/read",
      ["config.mcp_server_reload"] = "config/mcpServer/reload",
      ["mcp_server.event_stream_start"] = "mcpServer/event/stream/start",
    } do
      assert.equal(method, methods[name])
    end
    assert.is_nil(methods.initialize)
    for name, method in pairs(methods) do
      assert.truthy(name:find "^[%l%d_]+$" or name:find "^[%l%d_]+%.[%l%d_]+$", name)
      assert.is_table(core.fields(method), method)
    end
  end)

  it("know which answers come in pages, and what their list is called", function()
    for _, method in ipairs { "thread/list", "thread/turns/list", "model/list", "plugin/search" } do
      assert.equal("data", core.list_member(method), method)
    end
    for _, method in ipairs { "thread/read", "skills/list", "turn/start", "no/method", "" } do
      assert.is_nil(core.list_member(method), method)
    end
    for _, method in pairs(core.methods()) do
      assert.equal(core.fields(method).cursor ~= nil, core.list_member(method) ~= nil, method)
    end
  end)
end)
