-- `luarocks make` on a copy of the checkout: it writes object files beside the sources.
local kit = require "spec.support.kit"

local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1; echo status=$?"))
  local output = pipe:read "*a"
  pipe:close()
  return output, tonumber(output:match "status=(%d+)%s*$")
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local script = [[
local codex = require "codex"
local client = codex.new { codex_bin = arg[1], env = { CODEX_HOME = arg[2] } }
print(client:thread_start():run("Say hello in one sentence.").final_response)
client:close()
]]

describe("the rockspec", function()
  after_each(kit.cleanup)

  it("lists every source and every Lua file", function()
    local listed = {}
    local file = assert(io.open "rockspec/codex-scm-1.rockspec")
    for path in file:read("*a"):gmatch '"(%l+/[%w_/]+%.%l+)"' do
      listed[#listed + 1] = path
    end
    file:close()
    table.sort(listed)
    local there = {}
    for path in run("ls src/core/*.c src/io/*.c src/lua/*.c; find lua -name '*.lua'"):gmatch "[^\n]+" do
      if not path:find "^status=" then there[#there + 1] = path end
    end
    table.sort(there)
    assert.same(there, listed)
  end)

  it("installs a module that runs a turn", function()
    local home = kit.home {}
    local folder = kit.folder() .. "/with a space"
    local quoted = "'" .. folder .. "'"
    run("mkdir -p " .. quoted .. " && cp -r src lua include rockspec " .. quoted)
    write(folder .. "/luarocks.lua", 'rocks_servers = {}\nrocks_provided = { ["lua-cjson"] = "2.1.0-1" }\n')
    local make = "luarocks --lua-version 5.4 --tree tree make rockspec/codex-scm-1.rockspec"
    local output, status = run("cd " .. quoted .. " && env -u LD_PRELOAD LUAROCKS_CONFIG=luarocks.lua " .. make)
    assert.equal(0, status, output)
    write(folder .. "/script.lua", script)
    local environment = ("env -u LD_PRELOAD LUA_PATH='%s/share/lua/5.4/?.lua;%s/share/lua/5.4/?/init.lua;' "
      .. "LUA_CPATH='%s/lib/lua/5.4/?.so'"):gsub("%%s", (folder .. "/tree"))
    local script_path = "'" .. folder .. "/script.lua'"
    output, status = run(("cd / && %s lua5.4 %s '%s' '%s'"):format(environment, script_path, kit.codex_bin, home.dir))
    assert.equal(0, status, output)
    assert.truthy(output:find("Hello", 1, true), output)
  end)
end)
