--- What a client does with threads and models.

local errors = require "codex.error"
local options_of = require "codex.options"
local threads = require "codex.thread"

local M = {}

---@class codex.ThreadOptions
---@field approval_mode? "auto_review"|"ask"|"deny_all"|"dangerously_bypass_approvals_and_sandbox"
---@field sandbox? "read_only"|"workspace_write"|"full_access"
---@field base_instructions? string
---@field developer_instructions? string
---@field config? table free-form overrides of the user's configuration
---@field cwd? string
---@field ephemeral? boolean
---@field model? string
---@field model_provider? string
---@field personality? string
---@field service_name? string
---@field service_tier? string
---@field session_start_source? string
---@field thread_source? string

-- Options that say the same as, or can't stand beside, one that a host has a default for.
local overruled_by = {
  approval_policy = "approval_mode",
  approvals_reviewer = "approval_mode",
}

local function with_defaults(client, options)
  options = options or {}
  local all = options_of.merged(client._thread_defaults, options)
  for name, overruled in pairs(overruled_by) do
    if options[name] ~= nil and options[overruled] == nil then all[overruled] = nil end
  end
  local bypass = "dangerously_bypass_approvals_and_sandbox"
  if options.approval_mode == bypass and options.sandbox == nil then all.sandbox = nil end
  if options.sandbox ~= nil and options.approval_mode == nil and all.approval_mode == bypass then
    all.approval_mode = nil
  end
  return all
end

local function check_thread_id(label, id)
  if type(id) ~= "string" then errors.argument(("%s: expected a thread's id, got %s"):format(label, type(id))) end
end

--- Adds the methods to the class of clients.
---@param Client codex.Client
function M.install(Client)
  --- Starts a thread. Protocol: `thread/start`.
  ---@param options? codex.ThreadOptions
  ---@return codex.Thread
  function Client:thread_start(options)
    options_of.check_table("thread_start", options)
    local params = options_of.thread("thread_start", "thread/start", with_defaults(self, options))
    return threads.new(self, self:_call("thread/start", params, { label = "thread_start" }))
  end

  --- Loads a thread that has run a turn before. Protocol: `thread/resume`.
  ---@param id string
  ---@param options? codex.ThreadOptions
  ---@return codex.Thread
  function Client:thread_resume(id, options)
    check_thread_id("thread_resume", id)
    options_of.check_table("thread_resume", options)
    local params = options_of.thread("thread_resume", "thread/resume", options or {})
    params.thread_id = id
    return threads.new(self, self:_call("thread/resume", params, { label = "thread_resume" }))
  end

  --- One page of the threads on disk. Protocol: `thread/list`.
  ---@param options? table
  ---@return { data: table[], next_cursor?: string }
  function Client:thread_list(options)
    options_of.check_table("thread_list", options)
    return self:_call("thread/list", options or {}, { label = "thread_list" })
  end

  --- The models on offer: one page. Protocol: `model/list`.
  ---@param options? { include_hidden?: boolean, cursor?: string, limit?: integer }
  ---@return { data: table[], next_cursor?: string }
  function Client:models(options)
    options_of.check_table("models", options)
    return self:_call("model/list", options or {}, { label = "models" })
  end
end

return M
