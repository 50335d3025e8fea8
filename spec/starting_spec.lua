--- How the server's process is found and started, and what is heard of one that doesn't get going.

local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local processes = require "spec.support.processes"
local raised = require "spec.support.raised"

local pcall = codex.pcall -- tasks of PUC Lua 5.1 can't wait inside its own

local read_file, write_file, quoted = kit.read_file, kit.write_file, kit.quoted
local check_fds, open_fds, output_of = processes.check_fds, processes.open_fds, processes.output_of
local fake, run, subprocess, timed = processes.fake, processes.run, processes.subprocess, processes.timed

local function real_path(path) return output_of("readlink -f " .. quoted(path)) end

-- The error object, of whatever kind, that a call raises.
local function failure(fn, ...) return raised(nil, fn, ...) end

-- Lines 5 and on of a scenario that tells what it was started with.
local TELL = [[
  server:handshake()
  local function line_of(command)
    local pipe = io.popen(command)
    local line = pipe:read("*l")
    pipe:close()
    return line
  end
  while true do
    local message = server:expect("spec/tell")
    local arguments = {}
    for i = 2, #arg do arguments[i - 1] = arg[i] end
    local set = {}
    for _, name in ipairs(message.params.names or {}) do set[name] = os.getenv(name) or "(unset)" end
    server:reply(message, { arguments = arguments, cwd = line_of("pwd -P"), env = set })
  end]]

-- An executable that runs a fake server and hands its arguments on.
local function program(path, scenario)
  local options = kit.fake(scenario or TELL)
  local argv = options.launch_args_override
  run("mkdir -p " .. quoted(path:match "^(.*)/"))
  write_file(path, ("#!/bin/sh\nexec %s %s %s \"$@\"\n"):format(quoted(argv[1]), quoted(argv[2]), quoted(argv[3])))
  run("chmod +x " .. quoted(path))
  return path
end

local function tell(client, names) return client:request("spec/tell", { names = names }) end

local function stat_field(pid, n)
  local fields = {}
  for field in read_file("/proc/" .. pid .. "/stat"):match ".*%) (.*)":gmatch "%S+" do fields[#fields + 1] = field end
  return fields[n - 2]
end

after_each(kit.cleanup)

describe("starting", function()
  it("starts the program that codex_bin names, with the server's arguments", function()
    local client = codex.new { codex_bin = program(kit.folder() .. "/my codex") }
    assert.same({ "app-server", "--listen", "stdio://" }, tell(client).arguments)
    client:close()
  end)

  it("takes a path from the current directory, whatever the server's own", function()
    local folder = kit.folder()
    local path = program(folder .. "/codex")
    local relative = path:sub(#kit.root + 2)
    local client = codex.new { codex_bin = relative, cwd = "/" }
    assert.equal("/", tell(client).cwd)
    client:close()
  end)

  it("looks names up on PATH, and there alone", function()
    local folder = kit.folder()
    program(folder .. "/a folder/codex")
    program(folder .. "/a folder/codex-beta")
    local script = [[
      local client = codex.new{ codex_bin = NAME, env = { LD_PRELOAD = false } }
      print(#client:request("spec/tell", {}).arguments)
      client:close()]]
    local path = "env -u CODEX_BIN PATH=" .. quoted("/nowhere:" .. folder .. "/a folder:/usr/bin:/bin")
    for _, name in ipairs { "nil", "'codex-beta'" } do
      local text, status = subprocess(script:gsub("NAME", name), path)
      assert.same({ "3", "0" }, { text, status })
    end
  end)

  it("prefers $CODEX_BIN to PATH, and codex_bin to both", function()
    local folder = kit.folder()
    local named = program(folder .. "/named/one")
    local other = program(folder .. "/other/codex", [[ server:handshake() server:exit(9) ]])
    local script = [[
      local client = codex.new{ codex_bin = NAME }
      local ok, answer = pcall(client.request, client, "spec/tell", {})
      print(ok and "told" or answer.exit_status)]]
    local environment = "env CODEX_BIN=" .. quoted(named) .. " PATH=" .. quoted(folder .. "/other:/usr/bin:/bin")
    assert.equal("told", (subprocess(script:gsub("NAME", "nil"), environment)))
    assert.equal("9", (subprocess(script:gsub("NAME", ("%q"):format(other)), environment)))
  end)

  it("follows npm's launcher to the native program", function()
    local folder = kit.folder() .. "/lib of node"
    local machine = output_of "uname -m" == "aarch64" and { "arm64", "aarch64" } or { "x64", "x86_64" }
    local launcher = folder .. "/@openai/codex/bin/codex.js"
    program(launcher, [[ server:exit(8) ]])
    local native = program(("%s/@openai/codex-linux-%s/vendor/%s-unknown-linux-musl/bin/codex"):format(folder,
      machine[1], machine[2]))
    local link = folder .. "/bin/codex"
    run(("mkdir -p %s && ln -s %s %s"):format(quoted(folder .. "/bin"), quoted(launcher), quoted(link)))
    local client = codex.new { codex_bin = link }
    assert.equal(3, #tell(client).arguments)
    client:close()
    run("rm " .. quoted(native))
    assert.equal(8, failure(codex.new, { codex_bin = link }).exit_status)
  end)

  it("follows the launcher of the real package", function()
    local bin = kit.codex_bin:match "^(.*/node_modules)/" and kit.codex_bin:match "^(.*/node_modules)/" .. "/.bin/codex"
    if not bin or not read_file(bin) then return pending "not installed by npm" end
    local client = kit.client { codex_bin = bin }
    local pid = client._core:pid()
    assert.equal(real_path(kit.codex_bin), real_path("/proc/" .. pid .. "/exe"))
    client:close()
  end)

  it("runs launch_args_override as it is", function()
    local client, _, options = fake(TELL)
    assert.equal(0, #tell(client).arguments)
    client:close()
    local argv = { luas.unpack(options.launch_args_override) }
    for _, argument in ipairs { "with space", "", "$HOME `id` \"'\\ ;|&", "\195\164" } do argv[#argv + 1] = argument end
    local other = codex.new { launch_args_override = argv }
    assert.same({ "with space", "", "$HOME `id` \"'\\ ;|&", "\195\164" }, tell(other).arguments)
    other:close()
  end)

  it("gives the server its directory", function()
    local folder = kit.folder() .. "/with space"
    run("mkdir " .. quoted(folder))
    local client = codex.new { codex_bin = program(kit.folder() .. "/codex"), cwd = folder }
    assert.equal(real_path(folder), tell(client).cwd)
    client:close()
  end)

  it("adds to the environment and removes from it", function()
    local names = { "SPEC_ADDED", "SPEC_EMPTY", "HOME", "PATH", "USER_THAT_IS_NOT_SET" }
    local client = codex.new {
      codex_bin = program(kit.folder() .. "/codex"),
      env = { SPEC_ADDED = "a b=c", SPEC_EMPTY = "", HOME = false, USER_THAT_IS_NOT_SET = false },
    }
    assert.same({
      SPEC_ADDED = "a b=c",
      SPEC_EMPTY = "",
      HOME = "(unset)",
      PATH = os.getenv "PATH",
      USER_THAT_IS_NOT_SET = "(unset)",
    }, tell(client, names).env)
    client:close()
  end)

  it("writes config overrides as TOML", function()
    local client = codex.new {
      codex_bin = program(kit.folder() .. "/codex"),
      config_overrides = {
        model = 'a "b" \\ c',
        ["features.goals"] = true,
        tools = { web_search = false, deep = { n = 3, x = 0.5 } },
        list = { "a,b", 'c"d' },
        empty = codex.array {},
        tables = { { a = 1 }, { ["b c"] = { "x" } } },
        shell = { set = { ["A.B"] = "x=y" } },
      },
    }
    local arguments = tell(client).arguments
    assert.same({
      "-c", "empty=[]",
      "-c", "features.goals=true",
      "-c", 'list=["a,b", "c\\"d"]',
      "-c", 'model="a \\"b\\" \\\\ c"',
      "-c", 'shell.set={"A.B" = "x=y"}',
      "-c", 'tables=[{a = 1}, {"b c" = ["x"]}]',
      "-c", "tools.deep.n=3",
      "-c", "tools.deep.x=0.5",
      "-c", "tools.web_search=false",
      "app-server", "--listen", "stdio://",
    }, arguments)
    client:close()
  end)

  it("hands a list of overrides on as it is", function()
    local client = codex.new {
      codex_bin = program(kit.folder() .. "/codex"),
      config_overrides = { "model=x", 'a.b="c = d"' },
    }
    assert.same({ "-c", "model=x", "-c", 'a.b="c = d"', "app-server", "--listen", "stdio://" }, tell(client).arguments)
    client:close()
  end)

  it("has overrides that the real server understands", function()
    local client = kit.client {
      config_overrides = {
        model = 'a "quoted"\n\\ model \195\164',
        ["sandbox_workspace_write.writable_roots"] = { "/a b", '/c"d' },
        model_providers = { mock = { name = "Another, with = and [x]" } },
      },
    }
    assert.equal('a "quoted"\n\\ model \195\164', client:thread_start().model)
    local config = client:request("config/read", {}).config
    assert.same({ "/a b", '/c"d' }, config.sandbox_workspace_write.writable_roots)
    assert.equal("Another, with = and [x]", config.model_providers.mock.name)
    assert.matches("^http://127", config.model_providers.mock.base_url)
    client:close()
  end)

  for what, options in pairs {
    ["an override without a key"] = { config_overrides = { "=x" } },
    ["an override without a value"] = { config_overrides = { "model" } },
    ["overrides that are both a list and named"] = { config_overrides = { "a=b", model = "x" } },
    ["a function among the overrides"] = { config_overrides = { model = print } },
    ["an infinite override"] = { config_overrides = { a = 1 / 0 } },
    ["a variable's name with ="] = { env = { ["A=B"] = "x" } },
    ["a variable that is a number"] = { env = { A = 1 } },
    ["an empty command line"] = { launch_args_override = {} },
    ["a command line with a number"] = { launch_args_override = { "sh", 1 } },
    ["a command line that is no list"] = { launch_args_override = { program = "sh" } },
    ["methods that are no list"] = { opt_out_notifications = { ["turn/started"] = true } },
    ["nothing in flight"] = { max_in_flight = 0 },
    ["a timeout that is negative"] = { startup_timeout = -1 },
    ["an unknown option"] = { codex_bim = "x" },
  } do
    it("refuses " .. what, function()
      local children = #kit.children()
      local err = failure(function() codex.new(options) end)
      assert.equal("invalid_argument", err.kind)
      assert.matches("^%S*spec/starting_spec.lua:%d+: codex%.new", (err.message:gsub("^%.%.%.", "")))
      assert.equal(children, #kit.children())
    end)
  end
end)

describe("a server that can't be started", function()
  local function refused(options, ...)
    local fds = open_fds()
    local err = failure(codex.new, options)
    assert.equal("spawn_failed", err.kind)
    for _, text in ipairs { ... } do assert.is_truthy(err.message:find(text, 1, true), err.message) end
    for _ = 1, 5 do pcall(codex.new, options) end
    check_fds(fds)
    assert.same({}, kit.children "fake_server")
    return err
  end

  it("is told with its path and the system's words", function()
    local err = refused({ codex_bin = "/nowhere/to be/codex" }, "/nowhere/to be/codex", "No such file or directory")
    assert.equal(2, err.code)
    assert.equal(err.message, tostring(err))
    local text = write_file(kit.folder() .. "/text", "no program\n")
    refused({ codex_bin = text }, text, "Permission denied")
    refused({ codex_bin = kit.root }, kit.root, "Is a directory")
    refused({ codex_bin = "no-such-codex-anywhere" }, "no-such-codex-anywhere", "PATH")
  end)

  it("tells of a program that the system refuses to run", function()
    local path = write_file(kit.folder() .. "/codex", "#!/nowhere/interpreter\n")
    run("chmod +x " .. quoted(path))
    refused({ codex_bin = path }, path, "exec", "No such file or directory")
    write_file(path, "\1\2\3 no format at all")
    assert.equal(8, refused({ codex_bin = path }, path, "Exec format error").code)
  end)

  it("tells of a directory that isn't there", function()
    refused({ codex_bin = "/bin/true", cwd = "/nowhere/at/all" }, "/nowhere/at/all", "chdir",
      "No such file or directory")
  end)

  it("tells of a command line whose program isn't there", function()
    refused({ launch_args_override = { "/nowhere/ssh", "host" } }, "/nowhere/ssh", "No such file or directory")
  end)

  it("says in one sentence where to get the program", function()
    local text = subprocess([[
      local ok, err = pcall(codex.new)
      print(err.kind, err)]], "env -u CODEX_BIN PATH=/nowhere")
    assert.matches("^spawn_failed\t", text)
    assert.is_truthy(text:find("npm install -g @openai/codex", 1, true))
    assert.is_truthy(text:find("codex_bin", 1, true))
    assert.is_nil(text:find "\n")
  end)
end)

describe("a server that never gets going", function()
  it("has its own sentence in the error", function()
    local err = failure(kit.client, { approval_policy = "untrusted" })
    assert.equal("transport_closed", err.kind)
    assert.equal(1, err.exit_status)
    assert.is_nil(err.exit_signal)
    local sentence = 'Error: approval_policy = "untrusted" is no longer supported'
    assert.is_truthy(err.message:find(sentence, 1, true), err.message)
    assert.is_nil(err.message:find "\27")
    assert.is_nil(err.message:lower():find "backtrace")
    assert.is_nil(err.message:find "%d+: 0x")
    assert.is_truthy(err.stderr_tail:find("no longer supported", 1, true))
    assert.is_nil(err.stderr_tail:find "\27")
    assert.same({}, kit.children "app%-server")
  end)

  it("has its sentence without colours and backtrace, whatever stands around it", function()
    local err = failure(fake, [[
      server:stderr("\27[33mWARNING\27[0m: nothing of interest\n\n")
      server:stderr("\27[1;31mError:\27[0m the \27[4mreason\27[24m is this\nStack\nof it\n\n")
      server:stderr("Stack backtrace:\n   0: main\n   1: _start\n")
      server:exit(1)]])
    assert.is_truthy(err.message:find("Error: the reason is this\nStack\nof it", 1, true), err.message)
    assert.is_nil(err.message:find "backtrace")
    assert.is_nil(err.message:find "_start")
  end)

  it("times out when it stays silent", function()
    local took = timed(function()
      local err = failure(fake, [[ while server:read_line() do end ]], { startup_timeout = 0.2 })
      assert.equal("timeout", err.kind)
      assert.equal("initialize", err.method)
    end)
    assert.is_true(took < 2, took)
    assert.same({}, kit.children "fake_server")
  end)

  for what, scenario in pairs {
    ["before it is asked"] = [[ server:exit(4) ]],
    ["while it is asked"] = [[ server:read() server:exit(4) ]],
    ["in the middle of its answer"] = [[ server:read() server:raw('{"id":1,"resu') server:exit(4) ]],
  } do
    it("tells how it died " .. what, function()
      local err = failure(fake, scenario)
      assert.equal("transport_closed", err.kind)
      assert.equal(4, err.exit_status)
      assert.is_truthy(err.message:find("exited with status 4", 1, true), err.message)
      assert.equal("", err.stderr_tail)
    end)
  end

  it("raises what the server answers to initialize", function()
    local err = failure(fake, [[ server:error(server:read(), -32600, "too old") ]])
    assert.same({ "invalid_request", -32600, "too old", "initialize" }, { err.kind, err.code, err.message, err.method })
    assert.same({}, kit.children "fake_server")
  end)

  it("is ended when its answer to initialize is no object", function()
    assert.equal("protocol", failure(fake, [[ server:reply(server:read(), "5") ]]).kind)
    assert.same({}, kit.children "fake_server")
  end)

  it("has not started a thread that its answer doesn't name", function()
    local client = fake [[
      server:handshake()
      for _, answer in ipairs { "null", "{}", '{"thread":{}}' } do
        server:reply(server:expect("thread/start"), answer)
      end]]
    for _ = 1, 3 do
      assert.equal("protocol", failure(client.thread_start, client).kind)
    end
    client:close()
  end)
end)

describe("the process group", function()
  it("is the server's own", function()
    local client = fake [[ server:handshake() ]]
    local pid = client._core:pid()
    assert.equal(tostring(math.floor(pid)), stat_field(pid, 5))
    client:close()
  end)

  it("is ours when told so", function()
    local client = fake([[ server:handshake() ]], { process_group = false })
    assert.equal(stat_field("self", 5), stat_field(client._core:pid(), 5))
    client:close()
  end)

  it("has default signals and nothing blocked", function()
    -- not the fake server: its socket library ignores SIGPIPE
    local answer = '{"id":1,"result":{"userAgent":"sh/1 "}}'
    local client = codex.new {
      launch_args_override = { "/bin/sh", "-c", "read line; echo '" .. answer .. "'; exec cat >/dev/null" },
    }
    local status = read_file("/proc/" .. client._core:pid() .. "/status")
    assert.matches("SigBlk:\t0+\n", status)
    -- of the first 31: glibc keeps 32 and 33 for itself, and nobody can reset what a parent did to them
    local ignored = tonumber(status:match("SigIgn:\t%x+(%x%x%x%x%x%x%x%x)\n"), 16) % 0x80000000
    assert.equal(0, ignored)
    client:close()
  end)
end)
