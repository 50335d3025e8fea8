--- The README: its links lead somewhere, its examples are Lua, and those about approvals do what they say.

local asking = require "spec.support.asking"
local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local text = kit.read_file(kit.root .. "/README.md")

-- The Lua of a chapter, block by block; of all chapters without a title.
local function blocks_of(title)
  local from = title and text:find("\n## " .. title .. "\n", 1, true) or 1
  local to = title and text:find("\n## ", from + 1, true) or #text
  local blocks = {}
  for block in text:sub(from, to):gmatch "\n```lua\n(.-)\n```" do
    blocks[#blocks + 1] = block
  end
  return blocks
end

local function compile(block, env)
  local set_environment = rawget(_G, "setfenv")
  if not set_environment then return load(block, "=README", "t", env) end
  local chunk, message = rawget(_G, "loadstring")(block, "=README")
  return chunk and set_environment(chunk, env), message
end

describe("the README", function()
  it("has links to what is there", function()
    local count = 0
    for path in text:gmatch "%]%(([^)#]+)[^)]*%)" do
      if not path:find "^https?:" then
        count = count + 1
        assert.is_true(asking.exists(kit.root .. "/" .. path), path)
      end
    end
    assert.is_true(count > 100, count .. " links")
  end)

  it("has examples in Lua", function()
    for _, block in ipairs(blocks_of()) do
      if luas.close or not block:find("<close>", 1, true) then assert.truthy(compile(block, {})) end
    end
  end)
end)

describe("the README's example of", function()
  local client, folder, home, env, printed
  local blocks = blocks_of "What may the agent do?"

  local function run(number, returning)
    return assert(compile(blocks[number] .. "\nreturn " .. returning, env))()
  end

  local function escalated(command, id)
    local call = asking.touch ""
    call.arguments.cmd, call.call_id = command, id
    return call
  end

  setup(function()
    local script = asking.script {
      ["go on"] = { escalated("touch elsewhere", "call_0_1") },
      ["Tidy up"] = { asking.patch "tidy" },
      ["by rules"] = { escalated("git status", "call_0_2"), escalated("git push", "call_0_3") },
      ["the date"] = { { name = "today", arguments = "{}", call_id = "call_0_4" } },
    }
    folder = kit.folder()
    client, home = kit.client { script = script, cwd = folder }
    printed = {}
    local function print_here(...)
      printed[#printed + 1] = table.concat({ ... }, "\t")
    end
    env = setmetatable({ client = client, codex = codex, print = print_here }, { __index = _G })
  end)

  teardown(kit.cleanup)

  it("a handler decides", function()
    local thread = run(1, "thread")
    assert.equal("workspaceWrite", thread.sandbox.type)
    local result = thread:run "go on"
    assert.equal("declined", asking.item(result, "call_0_1").status)
    assert.same({ ("run: touch elsewhere (in %s): may I?"):format(folder) }, printed)
  end)

  local where_it_yields = luas.yield_anywhere and it or pending

  where_it_yields("a loop decides", function()
    local result = run(2, "result")
    assert.equal("completed", result.status)
    assert.is_true(asking.exists(folder .. "/tidy"))
  end)

  it("rules decides", function()
    local thread = client:thread_start { approval_handler = run(3, "handler") }
    local result = thread:run "by rules"
    assert.not_equal("declined", asking.item(result, "call_0_2").status)
    assert.equal("declined", asking.item(result, "call_0_3").status)
  end)

  it("a tool answers", function()
    local thread = run(4, "helpful")
    thread:run "the date"
    assert.truthy(asking.told(home).call_0_4:find "^%d+%-%d+%-%d+$")
  end)
end)
