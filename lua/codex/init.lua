--- codex: drives OpenAI's Codex agent from Lua.
---
---     local codex = require "codex"
---     local client <close> = codex.new()
---     local thread = client:thread_start{ sandbox = "workspace_write" }
---     print(thread:run("Say hello in one sentence.").final_response)

local channels = require "codex.channel"
local client = require "codex.client"
local core = require "codex.core"
local errors = require "codex.error"
local group = require "codex.group"
local inputs = require "codex.input"
local json = require "codex.json"
local lazy = require "codex.lazy"
local loop = require "codex.loop"
local retry = require "codex.retry"
local task = require "codex.task"

local tools = lazy "codex.tool"

local codex = {
  --- This module's version.
  version = client.version,
  --- The server version that the protocol's tables were made from.
  schema_version = core.schema_version,
  --- JSON's null where it has to be said; the same value as `cjson.null`.
  null = core.null,
  --- Marks a table as a JSON array, and returns it: `codex.array{}` is `[]` in free-form JSON.
  array = json.array,
  json = json,

  new = client.new,
  with = client.with,

  text = inputs.text,
  image = inputs.image,
  local_image = inputs.local_image,
  audio = inputs.audio,
  local_audio = inputs.local_audio,
  skill = inputs.skill,
  mention = inputs.mention,
  external_message = inputs.external_message,

  --- A tool that the model may call, for the option `tools` of a thread; see the module `codex.tool`.
  ---@type fun(definition: codex.Tool): codex.Tool
  tool = function(definition)
    return tools.tool(definition)
  end,
  --- Tools that belong together, for the same option.
  ---@type fun(definition: codex.ToolNamespace): codex.ToolNamespace
  tool_namespace = function(definition)
    return tools.namespace(definition)
  end,
  --- What a tool may answer besides text: `codex.content.text`, `.image`, `.audio`.
  ---@module "codex.content"
  content = lazy "codex.content",
  --- Ready-made answers to what the agent asks to be allowed; see codex/approve.lua.
  ---@module "codex.approve"
  approve = lazy "codex.approve",
  --- Ready-made answers to its questions; see codex/ask.lua.
  ---@module "codex.ask"
  ask = lazy "codex.ask",

  run = group.run,
  spawn = task.spawn,
  gather = group.gather,
  sleep = task.sleep,
  timeout = group.timeout,
  pcall = task.attempt,
  scope = group.scope,
  channel = channels.channel,
  event = channels.event,
  wait = task.wait,
  step = task.step,
  use_loop = loop.use,

  is_error = errors.is_error,
  is_retryable_error = errors.is_retryable_error,
  retry_on_overload = retry.on_overload,
}

return codex
