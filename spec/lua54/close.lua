-- Variables that are closed at the end of their scope.
local codex = require "codex"
local kit = require "spec.support.kit"
local raised = require "spec.support.raised"
local waiting = require "spec.support.waiting"

local forever, never = waiting.forever, waiting.never

local function closing(fn)
  return setmetatable({}, { __close = fn })
end

describe("a task", function()
  it("that is cancelled closes its variables, which may wait", function()
    local log = {}
    local one = codex.spawn(function()
      local _ <close> = closing(function()
        codex.sleep(0.001)
        log[#log + 1] = "closed"
      end)
      forever()
    end)
    codex.run(function()
      codex.sleep(0)
      one:cancel()
      pcall(one.join, one)
      log[#log + 1] = "joined"
    end)
    assert.same({ "closed", "joined" }, log)
  end)

  it("that a deadlock ends closes its variables", function()
    local cleaned = false
    raised("deadlock", codex.run, function()
      local _ <close> = closing(function()
        cleaned = true
      end)
      never()
    end)
    assert.is_true(cleaned)
  end)
end)

describe("a client", function()
  after_each(kit.cleanup)

  it("is closed with its variable", function()
    local pid
    do
      local client <close> = codex.new((kit.fake "server:handshake()"))
      pid = client._core:pid()
    end
    assert.is_nil(kit.read_file("/proc/" .. pid .. "/stat"))
  end)

  it("in a task ends with the task, cancelled or not", function()
    local home = kit.home()
    local options = { codex_bin = kit.codex_bin, env = home.env }
    local text = codex.run(function()
      local client <close> = codex.new(options)
      return client:thread_start():run("x").final_response
    end)
    assert.truthy(text)
    assert.same({}, kit.processes_in(home))
    local seen
    local one = codex.spawn(function()
      local client <close> = codex.new(options)
      seen = client
      forever()
    end)
    codex.run(function()
      while not (seen and seen.metadata and one.status == "waiting") do
        codex.sleep(0.001)
      end
      one:cancel()
      raised("cancelled", one.join, one)
    end)
    assert.is_true(seen.closed)
    assert.same({}, kit.processes_in(home))
  end)
end)
