--- The table of the official SDK beside this module: each row says something, and its example exists.
local kit = require "spec.support.kit"
local render = require "spec.parity.render"
local rows = require "spec.parity.rows"

-- The full names of all examples, as busted knows them: whatever makes them up, and only those that are run.
local function examples()
  local command = "cd %s && %s $(command -v busted) --list spec 2>&1"
  local pipe = assert(io.popen(command:format(kit.quoted(kit.root), kit.quoted(kit.lua))))
  local known, count = {}, 0
  for line in pipe:lines() do
    local path, words = line:match "^(%S+):%d+: (.*)$"
    if path then
      known[path .. ": " .. words] = true
      count = count + 1
    end
  end
  pipe:close()
  assert(count > 500, "busted lists " .. count .. " examples")
  return known
end

-- What the package of theirs gives out, and the members of its objects.
local PUBLIC_NAMES = {
  "__version__", "CodexConfig", "Codex", "AsyncCodex", "ApprovalMode", "Sandbox", "ChatgptLoginHandle",
  "DeviceCodeLoginHandle", "AsyncChatgptLoginHandle", "AsyncDeviceCodeLoginHandle", "Thread", "AsyncThread",
  "TurnHandle", "AsyncTurnHandle", "TurnResult", "Input", "InputItem", "RunInput", "ExternalMessage", "TextInput",
  "ImageInput", "LocalImageInput", "SkillInput", "MentionInput", "retry_on_overload", "CodexError",
  "TransportClosedError", "JsonRpcError", "CodexRpcError", "ParseError", "InvalidRequestError",
  "MethodNotFoundError", "InvalidParamsError", "InternalRpcError", "ServerBusyError", "RetryLimitExceededError",
  "is_retryable_error",
  "thread_start", "thread_resume", "thread_fork", "thread_list", "thread_archive", "thread_unarchive", "models",
  "login_api_key", "login_chatgpt", "login_chatgpt_device_code", "account", "logout", "metadata", "close", "wait",
  "cancel", "run", "turn", "read", "set_name", "compact", "thread_id", "id", "steer", "interrupt", "stream",
  "codex_bin", "launch_args_override", "config_overrides", "cwd", "env", "client_name", "client_title",
  "client_version", "experimental_api",
}

local function each_row(check)
  for _, group in ipairs(rows) do
    for _, row in ipairs(group) do
      check(row, group)
    end
  end
end

describe("the table of the official SDK", function()
  it("is the one in the README", function()
    local readme = kit.read_file(kit.root .. "/README.md")
    assert.is_true(render.into(readme, rows) == readme, "`make parity` writes it anew")
  end)

  it("has rows that name an example there is", function()
    local known = examples()
    each_row(function(row)
      assert.is_true(known[row[3]] == true, row[1] .. ": no example '" .. tostring(row[3]) .. "'")
    end)
  end)

  it("has no row without words, nor one for what isn't there yet", function()
    for _, group in ipairs(rows) do
      assert.truthy(group.title:find "%S")
      assert.is_true(#group > 0, group.title)
    end
    each_row(function(row, group)
      for index = 1, 3 do
        assert.is_string(row[index], group.title .. ": " .. tostring(row[1]))
        assert.truthy(row[index]:find "%S", group.title .. ": " .. row[1])
      end
      assert.is_nil(row[4], row[1])
      local text = table.concat({ row[1], row[2], row.differs or "-" }, " "):lower()
      for _, word in ipairs { "planned", "todo", "later version", "not yet" } do
        assert.is_nil(text:find(word, 1, true), text)
      end
      assert.truthy(row.differs == nil or row.differs:find "%S", row[1])
      for name in pairs(row) do
        assert.truthy(name == "differs" or type(name) == "number", row[1] .. ": " .. tostring(name))
      end
    end)
  end)

  it("has every public name of theirs", function()
    local text = {}
    each_row(function(row)
      text[#text + 1] = row[1]
    end)
    text = table.concat(text, "\n")
    for _, name in ipairs(PUBLIC_NAMES) do
      assert.truthy(text:find("%f[%w_]" .. name .. "%f[^%w_]"), name)
    end
  end)

  it("says each thing once", function()
    local seen = {}
    each_row(function(row)
      assert.is_nil(seen[row[1]], row[1])
      seen[row[1]] = true
    end)
  end)
end)
