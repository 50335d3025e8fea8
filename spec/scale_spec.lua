-- Many turns, threads and clients in one Lua state. `make test SPECS=spec/scale_spec.lua SCALE=10` does ten times as
-- much as is done by default.

local codex = require "codex"
local kit = require "spec.support.kit"
local luas = require "spec.support.luas"

local scale = tonumber(os.getenv "SCALE") or 1
local CLIENTS, THREADS, TURNS, REOPENED = 4, 5 * scale, 100 * scale, 10 * scale

-- Every turn says its own name, in two pieces.
local ECHO = [[return function(_, context)
  return { deltas = { "answer to ", context.input_text } }
end]]

-- Not by io.popen, whose own descriptors may or may not be among them yet.
local function open_descriptors()
  local file = kit.folder() .. "/count"
  os.execute("ls /proc/" .. kit.pid() .. "/fd | wc -l >" .. kit.quoted(file))
  return tonumber(kit.read_file(file))
end

describe("in one Lua state", function()
  teardown(kit.cleanup)

  it("many turns over many threads and four clients each see their own events only", function()
    local homes, clients, threads, turns = {}, {}, {}, {}
    for index = 1, CLIENTS do
      clients[index], homes[index] = kit.client { script = ECHO, client_name = "client_" .. index }
    end
    for index = 1, THREADS do
      threads[index] = function()
        return clients[index % CLIENTS + 1]:thread_start()
      end
    end
    threads = codex.gather(threads)
    for index = 1, TURNS do
      turns[index] = function()
        local thread = threads[index % THREADS + 1]
        local name, text, strange = "turn " .. index, {}, 0
        local turn = thread:turn(name)
        luas.each(turn:stream(), function(event)
          local params = event.params
          local turn_id = params.turn_id or params.turn and params.turn.id
          if turn_id ~= turn.id or params.thread_id ~= thread.id then strange = strange + 1 end
          text[#text + 1] = params.delta
        end)
        local result = turn:run()
        return strange == 0
          and result.id == turn.id
          and result.final_response == "answer to " .. name
          and table.concat(text) == result.final_response
      end
    end
    local right = 0
    for _, is_right in ipairs(codex.gather(turns)) do
      right = right + (is_right and 1 or 0)
    end
    assert.equal(TURNS, right)
    for index, client in ipairs(clients) do
      local statistics = client:statistics()
      assert.same({ 0, 0, 0 }, { statistics.dropped_turns, statistics.invalid_lines, statistics.unknown_ids })
      client:close()
      homes[index]:stop()
    end
  end)

  it("clients opened and closed in turn leave no descriptor, process or memory", function()
    local home = kit.home()
    local function once()
      local client = codex.new { codex_bin = kit.codex_bin, env = home.env }
      local status = client:thread_start():run("go").status
      client:close()
      return status == "completed"
    end
    local jit = rawget(_G, "jit")
    local function memory()
      if jit then jit.flush() end -- machine code counts as memory
      for _ = 1, 4 do collectgarbage() end
      return collectgarbage "count"
    end
    once()
    local before = memory()
    local descriptors, right = open_descriptors(), 0
    for _ = 1, REOPENED do right = right + (once() and 1 or 0) end
    local more = memory() - before
    assert.same({ REOPENED, descriptors }, { right, open_descriptors() })
    assert.same({}, kit.processes_in(home))
    assert.is_true(more < 16, ("%.1f KiB more"):format(more))
  end)
end)
