-- What turns are asked, beyond text: files, sound, and messages of tools.
local cjson = require "cjson"
local codex = require "codex"
local kit = require "spec.support.kit"
local raised = require "spec.support.raised"

local function refused(expected, fn, ...)
  local err = raised("invalid_argument", fn, ...)
  assert.truthy(err.message:find(expected, 1, true), err.message)
end

-- A PNG of one pixel.
local png = ("89504E470D0A1A0A0000000D49484452000000010000000108060000001F15C4890000000D494441"
  .. "5478DA6364F8CF500F00038601805A347D6B0000000049454E44AE426082"):gsub("%x%x", function(byte)
  return string.char(tonumber(byte, 16))
end)
local png_url = "data:image/png;base64,"
  .. "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

-- What the server was sent as inputs of turns, by a fake one that starts none.
local function sent(...)
  local fake, received = kit.fake [[
    server:handshake()
    server:thread "t"
    while true do server:error(server:expect "turn/start", -32600, "no") end
]]
  local client = codex.new(fake)
  local thread = client:thread_start()
  for _, input in ipairs { ... } do
    raised("invalid_request", thread.run, thread, input)
  end
  client:close()
  local params = {}
  for _, line in ipairs(received()) do
    local message = cjson.decode(line)
    if message.method == "turn/start" then params[#params + 1] = message.params end
  end
  return params
end

-- The parts of what the user said last to the model.
local function last_parts(home)
  local log = home:log()
  local input = log[#log].body.input
  return input[#input].content
end

describe("inputs", function()
  after_each(kit.cleanup)

  it("of sound go to the server as they are", function()
    local turns = sent(codex.audio "data:audio/wav;base64,AAAA", { "listen", codex.local_audio "x.wav" })
    assert.same({ { type = "audio", url = "data:audio/wav;base64,AAAA" } }, turns[1].input)
    -- a server that was started by a command of the user's own may be on another machine, with files of its own
    assert.same({ { type = "text", text = "listen" }, { type = "localAudio", path = "x.wav" } }, turns[2].input)
    refused("audio: expected a URL as a string, got nil", codex.audio)
    refused("local_audio: expected a path as a string, got table", codex.local_audio, {})
  end)
end)

describe("a local file", function()
  after_each(kit.cleanup)

  it("is found from the client's folder, wherever the thread works", function()
    local folder = kit.folder()
    kit.write_file(folder .. "/pixel.png", png)
    local client, home = kit.client { cwd = folder, script = { "seen" } }
    local thread = client:thread_start { cwd = kit.folder() }
    local item = codex.local_image "pixel.png"
    assert.equal("seen", thread:run({ item, "what is it?" }).final_response)
    assert.equal("pixel.png", item.path)
    local parts = last_parts(home)
    assert.truthy(parts[1].text:find(folder .. "/pixel.png", 1, true), parts[1].text)
    assert.truthy(parts[2].image_url:find "^data:image/png;base64,")
    client:close()
  end)

  it("is found from a client's folder that is relative itself, or ours", function()
    local folder = kit.folder()
    kit.write_file(folder .. "/pixel.png", png)
    local relative = folder:sub(#kit.root + 2)
    local client = kit.client { cwd = relative, script = { "seen" } }
    assert.equal("seen", client:thread_start():run(codex.local_image "pixel.png").final_response)
    client:close()
    local home = kit.home { script = { "seen" } }
    client = kit.open { codex_bin = kit.codex_bin, env = home.env }
    client:thread_start():run { type = "localImage", path = relative .. "/pixel.png", detail = "high" }
    local part = last_parts(home)[2]
    assert.truthy(part.image_url)
    assert.equal("high", part.detail)
    client:close()
  end)

  it("that can't be read is refused before anything is sent", function()
    local folder = kit.folder()
    local client, home = kit.client { cwd = folder }
    local thread = client:thread_start()
    refused(
      ("turn_start.input[1].path: can't read '%s/gone.png': No such file or directory"):format(folder),
      thread.run,
      thread,
      codex.local_image "gone.png"
    )
    refused(
      "turn_start.input[2].path: can't read '/nowhere/gone.wav': No such file or directory",
      thread.turn,
      thread,
      { "listen", codex.local_audio "/nowhere/gone.wav" }
    )
    refused(
      ("can't read '%s/.': Is a directory"):format(folder),
      thread.run,
      thread,
      { { type = "localImage", path = "." } }
    )
    refused("can't read '/x': the path holds a zero byte", thread.run, thread, codex.local_image "/x\0.png")
    refused("turn_start.input[1].path: ", thread.run, thread, { type = "localImage", path = 5 })
    local turn = thread:turn "hello"
    refused("turn_steer.input[1].path: can't read '/gone'", turn.steer, turn, codex.local_image "/gone")
    turn:run()
    assert.equal(1, #home:log())
    client:close()
  end)

  it("that is a pipe without a writer is no reason to wait", function()
    local core = require "codex.core"
    local path = kit.folder() .. "/pipe"
    os.execute("mkfifo " .. kit.quoted(path))
    assert.is_nil(core.unreadable(path))
  end)
end)

describe("an external message", function()
  after_each(kit.cleanup)

  local script = [[return function(request, context)
    if context.input_text:find "wait" and #context.outputs == 0 then return { deltas = { "a" }, hold = true } end
    return "noted"
  end]]

  -- What the model got as put out by tools.
  local function outputs(home)
    local log, list = home:log(), {}
    for _, item in ipairs(log[#log].body.input) do
      if item.type == "function_call_output" then
        list[#list + 1] = { name = item.name, namespace = item.namespace, output = item.output }
      end
    end
    return list
  end

  it("is a turn of its own, with an item that holds it", function()
    local client, home = kit.client { script = { "noted", "seen" } }
    local thread = client:thread_start()
    local result =
      thread:run(codex.external_message { tool_name = "slack", namespace = "chat", content = "The build is red." })
    assert.equal("noted", result.final_response)
    assert.equal("functionCallOutput", result.items[1].type)
    assert.equal("slack", result.items[1].name)
    assert.equal("The build is red.", result.items[1].output)
    assert.same({ { name = "slack", namespace = "chat", output = "The build is red." } }, outputs(home))
    thread:run(codex.external_message {
      tool_name = "camera",
      content = {
        "Look.",
        codex.text "Here.",
        codex.image(png_url),
        { type = "input_text", text = "!" },
      },
    })
    local parts = outputs(home)[2].output
    assert.same({ "Look.", "Here.", "!" }, { parts[1].text, parts[2].text, parts[4].text })
    assert.equal(png_url, parts[3].image_url)
    client:close()
  end)

  it("waits for the running turn, or joins it if told so", function()
    local client, home = kit.client { script = script }
    local thread = client:thread_start()
    local turn = thread:turn "wait"
    local next_delta = turn:text()
    next_delta()
    local message = codex.external_message { tool_name = "ci", content = "green" }
    raised("busy", thread.run, thread, message, { when_busy = "error" })
    raised("timeout", thread.run, thread, message, { timeout = 0.1 })
    assert.equal("inProgress", turn.status)
    local joined = thread:turn(message, { when_busy = "steer" })
    assert.equal(turn, joined)
    turn:interrupt()
    turn:run()
    local result = thread:run(message)
    assert.not_equal(turn.id, result.id)
    assert.equal("green", outputs(home)[1].output)
    client:close()
  end)

  it("makes a turn of its own if the one to be joined has just ended", function()
    local client = codex.new((kit.fake [[
      server:handshake() server:thread "t"
      server:turn "a" server:turn_started("t", "a")
      local message = server:expect "turn/start"
      server:turn_completed("t", "a")
      server:turn("b", message) server:turn_started("t", "b")
      message = server:expect "turn/interrupt"
      server:reply(message, "{}")
      server:turn_completed("t", "b", "interrupted")
      server:turn "c" server:turn_started("t", "c") server:turn_completed("t", "c")
    ]]))
    local thread = client:thread_start()
    local first = thread:turn "one"
    local message = codex.external_message { tool_name = "ci", content = "green" }
    local second
    local results = codex.gather {
      function()
        second = thread:turn(message, { when_busy = "steer" })
        second:interrupt()
        return second:run()
      end,
      function()
        return thread:run "three"
      end,
    }
    assert.equal("completed", first.status)
    assert.equal("b", second.id)
    assert.equal("interrupted", results[1].status)
    assert.equal("c", results[2].id)
    client:close()
  end)

  it("is the whole input, and doesn't steer", function()
    local client = codex.new((kit.fake [[server:handshake() server:thread "t" server:turn "a"]]))
    local thread = client:thread_start()
    local message = codex.external_message { tool_name = "ci", content = "green" }
    local turn = thread:turn "one"
    refused("turn_start: input[1]: an external message must be the whole input", thread.run, thread, { message })
    refused("turn_start: input[2]: an external message must be the whole input", thread.run, thread, { "a", message })
    refused("turn_steer: the input: an external message must be the whole input of a turn", turn.steer, turn, message)
    client:close()
  end)

  it("needs a name and a content", function()
    local message = codex.external_message
    refused("external_message: expected a table of options, got nil", message)
    refused("external_message.tool_name: is missing", message, { content = "x" })
    refused("external_message.tool_name: must not be blank", message, { tool_name = " \t", content = "x" })
    refused("external_message.tool_name: expected a string, got number", message, { tool_name = 5, content = "x" })
    refused("namespace: must not be blank", message, { tool_name = "a", namespace = "", content = "x" })
    refused("external_message.content: expected a string or a list, got nil", message, { tool_name = "a" })
    refused("external_message.content: must be a string, or a list that", message, { tool_name = "a", content = {} })
    for length = 1, 8 do
      local backwards = {} -- a list all the same, wherever Lua keeps its entries
      for index = length, 1, -1 do
        backwards[index] = "part " .. index
      end
      assert.equal(length, #message({ tool_name = "a", content = backwards }).tool_output.output)
    end
    refused("content: must be a string, or a list", message, { tool_name = "a", content = { "x", y = 1 } })
    refused("content[2]: expected a string or an item", message, { tool_name = "a", content = { "x", 5 } })
    refused("unknown option 'name'", message, { name = "a", content = "x" })
    local client = codex.new((kit.fake [[server:handshake() server:thread "t"]]))
    local thread = client:thread_start()
    refused(
      "turn_start.tool_output.output[1].type: got 'localImage', expected one of ",
      thread.run,
      thread,
      message { tool_name = "a", content = { codex.local_image "/x.png" } }
    )
    client:close()
  end)
end)
