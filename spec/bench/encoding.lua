--- What checking and encoding params costs, in a process of its own: prints numbers on one line.
---
---     lua encoding.lua KIND
---
--- params: CPU seconds of encoding thread/start with ten options, and of lua-cjson for the same. call: CPU seconds of a
--- whole request with these, its answer included. text, list, map: CPU seconds a byte, an input item, or a member, in
--- input of four sizes, each four times the one before.

local core = require "codex.core"

local function seconds_each(count, fn)
  fn() -- what is only made once
  local start = os.clock()
  for _ = 1, count do
    fn()
  end
  return (os.clock() - start) / count
end

-- The least of a few: what disturbs only ever adds.
local function least(count, fn)
  local best = math.huge
  for _ = 1, 5 do
    best = math.min(best, seconds_each(count, fn))
  end
  return best
end

local function encode(method, params)
  return assert(core.encode("request", method, "params", params))
end

local function ten_options()
  return {
    model = "gpt-5.5",
    model_provider = "openai",
    cwd = "/home/somebody/project",
    approval_policy = "on-request",
    approvals_reviewer = "user",
    sandbox = "workspace-write",
    developer_instructions = "Answer in one sentence.",
    ephemeral = true,
    config = { model_reasoning_effort = "high", ["features.goals"] = false },
    dynamic_tools = { { type = "function", name = "f", description = "d", input_schema = { type = "object" } } },
  }
end

-- So many per unit, for a unit that takes four sizes.
local function growing(sizes, make)
  local figures = {}
  for index, size in ipairs(sizes) do
    local params = make(size)
    local each = least(math.max(1, math.floor(sizes[#sizes] / size)), function()
      encode("turn/start", params)
    end)
    figures[index] = ("%.12f"):format(each / size)
  end
  return table.concat(figures, " ")
end

local kinds = {}

function kinds.params()
  local params = ten_options()
  local ours = least(20000, function()
    encode("thread/start", params)
  end)
  local cjson = require "cjson"
  local theirs = least(20000, function()
    cjson.encode(params)
  end)
  return ("%.9f %.9f"):format(ours, theirs)
end

function kinds.call()
  local feeder = (os.getenv "CODEX_BUILD" or "build") .. "/bench/feeder"
  local client = require("codex").new { launch_args_override = { feeder, "1" } }
  local params = ten_options()
  local each = seconds_each(2000, function()
    client.api.thread.start(params)
  end)
  client:close()
  return ("%.9f"):format(each)
end

function kinds.text()
  return growing({ 2 ^ 16, 2 ^ 18, 2 ^ 20, 2 ^ 22 }, function(size)
    local line = "The quick brown fox \"jumps\" over caf\195\169s and what else there is.\n" -- 64 bytes
    return { thread_id = "t", input = { { type = "text", text = line:rep(math.floor(size / #line)) } } }
  end)
end

function kinds.list()
  return growing({ 1000, 4000, 16000, 64000 }, function(size)
    local input = {}
    for index = 1, size do
      input[index] = { type = "text", text = "number " .. index, text_elements = {} }
    end
    return { thread_id = "t", input = input }
  end)
end

function kinds.map()
  return growing({ 1000, 4000, 16000, 64000 }, function(size)
    local context = {}
    for index = 1, size do
      context["file " .. index] = { kind = "untrusted", value = "x" }
    end
    return { threadId = "t", input = {}, additionalContext = context }
  end)
end

print(kinds[arg[1]]())
