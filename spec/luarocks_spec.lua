-- `luarocks make` on a copy of the checkout: it writes object files beside the sources.
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

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

local configuration = 'rocks_servers = {}\nrocks_provided = { ["lua-cjson"] = "2.1.0-1" }\n'

-- A Lua 5.1 to LuaRocks, but with headers of its own.
if luas.program == "luajit" then
  local headers = run("pkg-config --variable=includedir luajit"):match "[^\n]+"
  configuration = configuration .. ('lua_interpreter = "luajit"\nvariables = { LUA_INCDIR = %q }\n'):format(headers)
end

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

  it("installs a module that runs a turn, for the Lua that runs this", function()
    local home = kit.home {}
    local folder = kit.folder() .. "/with a space"
    local quoted = "'" .. folder .. "'"
    run("mkdir -p " .. quoted .. " && cp -r src lua include rockspec " .. quoted)
    write(folder .. "/luarocks.lua", configuration)
    local make = ("luarocks --lua-version %s --tree tree make rockspec/codex-scm-1.rockspec"):format(luas.rocks_version)
    local output, status = run("cd " .. quoted .. " && env -u LD_PRELOAD LUAROCKS_CONFIG=luarocks.lua " .. make)
    assert.equal(0, status, output)
    write(folder .. "/script.lua", script)
    local places = { TREE = folder .. "/tree", VERSION = luas.rocks_version }
    local environment = ("LUA_PATH='TREE/share/lua/VERSION/?.lua;TREE/share/lua/VERSION/?/init.lua;' "
      .. "LUA_CPATH='TREE/lib/lua/VERSION/?.so'"):gsub("%u+", places)
    local command = ("cd / && env -u LD_PRELOAD %s %s '%s/script.lua' '%s' '%s'"):format(environment, luas.program,
      folder, kit.codex_bin, home.dir)
    output, status = run(command)
    assert.equal(0, status, output)
    assert.truthy(output:find("Hello", 1, true), output)
  end)
end)
