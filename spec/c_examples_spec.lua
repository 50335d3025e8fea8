-- The examples in C, through the real server.

local kit = require "spec.support.kit"

local folder = (os.getenv "CODEX_BUILD" or kit.root .. "/build") .. "/examples/"

-- What the program prints, and its exit status; bin: in place of the real server.
local function run(program, home, arguments, bin)
  local assignments = {}
  for name, value in pairs(home.env) do
    if value then assignments[#assignments + 1] = name .. "=" .. kit.quoted(value) end
  end
  local command = ("env -u LD_PRELOAD %s CODEX_BIN=%s %s %s 2>&1; echo $?"):format(
    table.concat(assignments, " "),
    kit.quoted(bin or kit.codex_bin),
    kit.quoted(folder .. program),
    arguments
  )
  local pipe = io.popen(command)
  local text, status = pipe:read("*a"):match "^(.-)(%d+)\n$"
  pipe:close()
  return text, tonumber(status)
end

describe("examples/c/run.c", function()
  teardown(kit.cleanup)

  it("prints the answer and what the turn came to, and tells failures apart", function()
    local home = kit.home { script = { { text = 'One "two"\n\195\164.' }, { error = { code = "x", message = "no" } } } }
    local text, status = run("run", home, [['say "hi"']])
    assert.same({ 'One "two"\n\195\164.\n[completed, 2 items]\n', 0 }, { text, status })
    assert.equal('say "hi"', home:log()[1].body.input[#home:log()[1].body.input].content[1].text)
    text, status = run("run", home, "again")
    assert.same({ "\n[failed, 1 items]\n", 1 }, { text, status })
  end)

  it("says what is wrong", function()
    local home = kit.home()
    local text, status = run("run", home, "go", "/nowhere/codex")
    assert.equal(1, status)
    assert.truthy(text:find("^run: .*/nowhere/codex"), text)
    text, status = run("run", home, [["$(printf '\377')"]])
    assert.same({ "run: the text is not UTF-8, or there is no memory for it\n", 1 }, { text, status })
  end)
end)

describe("examples/embed", function()
  teardown(kit.cleanup)

  -- Finds the module as its first lines say.
  local function embed(home, arguments, bin)
    home.env.LUA_PATH = kit.read_file("examples/embed/embed.c"):match 'export LUA_PATH="(.-)"'
    return run("embed", home, "examples/embed/main.lua " .. arguments, bin)
  end

  it("goes on with its own work while a turn runs", function()
    local home = kit.home { script = { { deltas = { "One, ", "two, ", "three." }, delta_delay = 0.1 } } }
    local text, status = embed(home, "go")
    local counted = text:match "^One, two, three%.\nThe program has counted to (%d+) meanwhile%.\n$"
    assert.equal(0, status)
    assert.is_true(tonumber(counted) >= 20, text)
  end)

  it("says what is wrong, in the script as well", function()
    local text, status = embed(kit.home(), "go", "/nowhere/codex")
    assert.equal(1, status)
    assert.truthy(text:find "^embed: .*/nowhere/codex", text)
    text, status = run("embed", kit.home(), "nowhere.lua")
    assert.equal(1, status)
    assert.truthy(text:find "^embed: cannot open nowhere%.lua", text)
  end)
end)
