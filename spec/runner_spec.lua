--- What `make test` runs: spec/support/run.lua, with spec files that fail in every way.
local kit = require "spec.support.kit"

local function busted()
  local pipe = io.popen "command -v busted"
  local path = pipe:read "*l"
  pipe:close()
  return kit.quoted(kit.lua) .. " " .. kit.quoted(path) .. " -o spec/support/output.lua"
end

local BODIES = {
  good = [[ it("is well", function() end) it("is well again", function() end) ]],
  bad = [[ it("is well", function() end) it("is bad", function() assert.equal(1, 2) end) ]],
  raising = [[ error "outside of every test" ]],
  unreadable = [[ it( ]],
  dying = [[ it("is well", function() end) it("dies", function() os.execute "kill -SEGV $PPID" end) ]],
  leaving = [[ it("leaves", function() os.exit(0) end) ]],
}

-- Makes a folder of spec files, and answers the command that runs them. further: arguments before the specs.
local function command_for(folder, bodies, further)
  os.execute("mkdir -p " .. kit.quoted(folder .. "/spec"))
  for name, body in pairs(bodies) do kit.write_file(folder .. "/spec/" .. name .. "_spec.lua", body) end
  return ("%s spec/support/run.lua %s 2 %s %s %s 2>&1"):format(kit.quoted(kit.lua), kit.quoted(folder), further or "",
    kit.quoted("busted=" .. busted()), kit.quoted(folder .. "/spec"))
end

-- What it prints. A sanitizer that is preloaded has nothing to look for here.
local function output_of(command)
  local pipe = io.popen("env -u LD_PRELOAD " .. command)
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- The names of what is said to have failed, in order.
local function failed_in(text)
  local names = {}
  for name in ("\n" .. text):gmatch "\nFAILED %([^\n]+%): ([^\n]+)" do
    names[#names + 1] = name:match "(%w+)_spec.lua$" or name
  end
  table.sort(names)
  return names
end

describe("the runner of all tests", function()
  local folder

  before_each(function() folder = kit.folder() end)
  after_each(kit.cleanup)

  it("adds up what passes", function()
    local bodies = { one = BODIES.good, two = BODIES.good }
    local text = output_of(command_for(folder, bodies, "'counts=echo 3 passed, 0 failed' check=true"))
    assert.same({}, failed_in(text))
    assert.truthy(text:find "\n7 passed, 0 failed\n$", text)
    assert.equal("7 0\n", kit.read_file(folder .. "/totals"))
  end)

  it("counts and names every file that fails, whichever way it does", function()
    local text = output_of(command_for(folder, BODIES))
    assert.same({ "bad", "dying", "leaving", "raising", "unreadable" }, failed_in(text))
    assert.truthy(text:find "\n3 passed, 5 failed\n$", text)
    assert.equal("3 5\n", kit.read_file(folder .. "/totals"))
    for _, words in ipairs { "Expected objects to be equal", "outside of every test", "status 139" } do
      assert.truthy(text:find(words, 1, true), words .. "\n--\n" .. text)
    end
  end)

  it("counts other commands that fail", function()
    local command = command_for(folder, { one = BODIES.good },
      "'counts=echo 3 passed, 2 failed; exit 1' counts=true 'counts=echo 3 passed, 0 failed; exit 1' check=false")
    local text = output_of(command)
    assert.same({ "echo 3 passed, 0 failed; exit 1", "echo 3 passed, 2 failed; exit 1", "false", "true" },
      failed_in(text))
    assert.truthy(text:find "\n8 passed, 5 failed\n$", text)
  end)

  it("doesn't take a misspelt file for one that passes", function()
    local text = output_of(command_for(folder, { one = BODIES.good }) .. " " .. kit.quoted(folder .. "/oen_spec.lua"))
    assert.truthy(text:find("no spec file: " .. folder .. "/oen_spec.lua", 1, true), text)
    assert.falsy(text:find "%d passed, 0 failed")
  end)

  it("ends all that it runs when it is interrupted", function()
    local body = ("it('waits', function() os.execute %q end)"):format(
      "echo $$ >" .. kit.quoted(folder) .. "/$PPID.waits; exec sleep 600")
    local command = command_for(folder, { one = body, two = body, three = body })
    local pipe = io.popen("exec env -u LD_PRELOAD setsid sh -c " .. kit.quoted("echo $$; exec " .. command))
    local group = pipe:read "*l"
    local function waiting()
      local list = io.popen("cat " .. kit.quoted(folder) .. "/*.waits 2>/dev/null")
      local pids = {}
      for pid in list:lines() do pids[#pids + 1] = tonumber(pid) end
      list:close()
      return #pids == 2 and pids
    end
    local pids = kit.eventually(waiting, 20)
    local function gone() return not (kit.process_alive(pids[1]) or kit.process_alive(pids[2])) end
    os.execute("kill -INT -" .. group) -- as a terminal does
    local text = pipe:read "*a"
    pipe:close()
    assert.truthy(text:find("interrupted", 1, true), text)
    assert.truthy(text:find "\n0 passed, 1 failed\n$", text)
    assert.is_true(kit.eventually(gone))
  end)
end)
