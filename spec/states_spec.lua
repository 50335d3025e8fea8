-- The module in several Lua states of one process, in several threads, in states that are closed while everything is
-- open, and in states that run out of memory; with the C half linked in, and as the shared library that it mostly is.

local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local program = os.getenv "CODEX_STATES" or ("%s/build/spec/states-%s"):format(kit.root, luas.version)

local ECHO = [[return function(_, context)
  return { deltas = { "answer to ", context.input_text } }
end]]

-- What the program prints. It fails, and with it this does, when anything is left after a state.
local function run(how, mode, count, script, ...)
  local words = { "env -u LD_PRELOAD", program, how, mode, count, "spec/states/" .. script .. ".lua" }
  for _, argument in ipairs { ... } do
    words[#words + 1] = kit.quoted(argument)
  end
  local pipe = io.popen(table.concat(words, " ") .. " 2>&1; echo $?")
  local text, status = pipe:read("*a"):match "^(.-)(%d+)\n$"
  pipe:close()
  assert.equal("0", status, text)
  return text
end

for _, how in ipairs { "static", "shared" } do
  describe("the module, " .. how .. ",", function()
    after_each(kit.cleanup)

    it("works in several Lua states side by side", function()
      local home = kit.home { script = ECHO }
      assert.equal("", run(how, "beside", 3, "turns", "beside", kit.codex_bin, home.dir))
    end)

    it("works in two threads, with a state each", function()
      local home = kit.home { script = ECHO }
      assert.equal("", run(how, "threads", 2, "turns", "threads", kit.codex_bin, home.dir))
    end)

    it("leaves nothing when a state is closed while everything is open", function()
      local home = kit.home {
        approval_policy = "on-request",
        script = { { calls = { { name = "exec_command", arguments = {
          cmd = "true",
          sandbox_permissions = "require_escalated",
          justification = "a spec",
        } } } } },
      }
      assert.equal("", run(how, "beside", 1, "left_open", kit.codex_bin, home.dir))
      assert.same({}, kit.processes_in(home))
    end)
  end)
end

local SCENARIO = [[
  server:handshake()
  server:thread "th"
  server:turn "t1"
  server:turn_started("th", "t1")
  server:delta("th", "t1", "m", "text")
  server:request(7, "item/commandExecution/requestApproval",
    '{"threadId":"th","turnId":"t1","itemId":"c","startedAtMs":1}')
  server:message("th", "t1", "m", server:expect_answer(7).result.decision)
  server:turn_completed("th", "t1")
]]

describe("a state that runs out of memory", function()
  after_each(kit.cleanup)

  -- LuaJIT has an allocator of its own, on most machines.
  local where_there_are_allocators = luas.program == "luajit" and pending or it

  where_there_are_allocators("raises, and leaves nothing", function()
    local options = kit.fake(SCENARIO)
    local argv = options.launch_args_override
    local text = run("static", "starve", 1000000000, "starved", argv[1], argv[2], argv[3])
    local raised, rounds = text:match "^(%d+) of (%d+) raised\n$"
    assert.truthy(raised, text)
    assert.is_true(tonumber(raised) > 50, text)
    assert.equal(rounds, raised)
  end)
end)
