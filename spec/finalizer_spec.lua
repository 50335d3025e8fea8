-- Finalizers of the user's may run wherever a string or a table is made, and encode, decode and run the loop
-- themselves. For every Lua: which of them collects garbage before it copies a string's bytes, and which after, is
-- their own affair.
local codex = require "codex"
local core = require "codex.core"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"
local turns = require "spec.support.turns"

describe("a finalizer that encodes and decodes", function()
  local runs, undo

  setup(function()
    undo = luas.collect_often()
  end)

  teardown(function()
    undo()
  end)

  -- Calls check until that has been interrupted often.
  local function interrupted(check)
    local made, sizes = 0, 0
    runs = 0
    local function finalizer()
      runs, sizes = runs + 1, (sizes * 7 + 13) % 500
      codex.json.decode(codex.json.encode { ("another's \n"):rep(sizes) })
      core.encode("request", "thread/list", "params", { cwd = { 5 } })
    end
    repeat
      if made - runs < 50 then -- nothing is collected while they run, and what they make stays until then
        luas.finalized(finalizer)
        made = made + 1
      end
      check()
    until runs >= 500
  end

  local text = ("line\n"):rep(300)
  local json = '["' .. ("line\\n"):rep(300) .. '"]'

  it("leaves what is being encoded alone", function()
    interrupted(function()
      if codex.json.encode { text } ~= json then error "something else was encoded" end
    end)
  end)

  it("leaves what is being decoded alone", function()
    interrupted(function()
      if codex.json.decode(json)[1] ~= text then error "something else was decoded" end
    end)
  end)

  it("leaves refusals alone", function()
    local params = { thread_id = "t", input = { { type = "texd" } } }
    interrupted(function()
      local _, message = core.encode("request", "turn/start", "params", params, "turn_start")
      if message:sub(1, 41) ~= "turn_start.input[1].type: got 'texd', exp" then error(message) end
    end)
  end)
end)

describe("a finalizer that has the loop go round", function()
  after_each(kit.cleanup)

  -- Where LuaJIT compiles loops over tables, one of the first of these never ends: that functions are made here keeps
  -- it from compiling the ways out of them.
  it("comes back from it, however often the same was done before", function()
    local clients, done = {}, 0
    for index = 1, 3 do
      clients[index] = turns.fake(turns.AT_ONCE)
    end
    local function go_round()
      codex.step()
      done = done + 1
    end
    for _ = 1, 100 do
      go_round()
      luas.finalized(function()
        go_round()
      end)
      collectgarbage()
    end
    assert.equal(200, done)
    for _, client in ipairs(clients) do
      client:close()
    end
  end)
end)

describe("a module that loops over tables", function()
  it("is interpreted by LuaJIT", function()
    local without = {}
    for path in io.popen("find lua/codex -name '*.lua' ! -path '*/testing/*' ! -name interpreted.lua"):lines() do
      local code = io.open(path):read("*a"):gsub("%-%-[^\n]*", "")
      if (code:find "%f[%w_.:]pairs%(" or code:find "%f[%w]in next%f[^%w]")
        and not code:find('require "codex.interpreted"()', 1, true) then
        without[#without + 1] = path
      end
    end
    assert.same({}, without)
  end)
end)
