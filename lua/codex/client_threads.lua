--- What a client does with threads and models.

local errors = require "codex.error"
local handlers = require "codex.handlers"
local lazy = require "codex.lazy"
local options_of = require "codex.options"
local pages = require "codex.pages"
local threads = require "codex.thread"
local versions = require "codex.version"

local tools = lazy "codex.tool"

require "codex.interpreted"()

local M = {}

---@class codex.ThreadOptions
---@field approval_mode? "auto_review"|"ask"|"deny_all"|"dangerously_bypass_approvals_and_sandbox" who decides about
--- what the sandbox would refuse: the server's own reviewer, the client, nobody (it is refused), or there is no sandbox
--- and no question. Default: "ask" where an approval handler is in reach, else the user's configuration holds
---@field approval_policy? string|table instead, in the protocol's shape
---@field approvals_reviewer? string instead, in the protocol's shape
---@field sandbox? "read_only"|"workspace_write"|"full_access" what the agent's commands may do
---@field base_instructions? string in place of the agent's own instructions
---@field developer_instructions? string in addition to them
---@field config? table<string, any> settings over the user's config.toml, by their names there; never renamed
---@field cwd? string the folder that the agent works in; default the server's
---@field ephemeral? boolean nothing of it is stored, so it can't be resumed
---@field model? string
---@field model_provider? string by its name in config.toml
---@field personality? string
---@field service_name? string
---@field service_tier? string
---@field session_start_source? "startup"|"clear"
---@field thread_source? string
---@field runtime_workspace_roots? string[] absolute paths that count as the workspace
---@field tools? (codex.Tool|codex.ToolNamespace)[] functions of yours that the model may call
---@field approval_handler? fun(request: codex.ServerRequest): any for this thread; see `ClientOptions` for all four
---@field user_input_handler? fun(request: codex.ServerRequest): any
---@field elicitation_handler? fun(request: codex.ServerRequest): any
---@field request_handler? fun(request: codex.ServerRequest): any

---@class codex.ResumeOptions: codex.ThreadOptions
---@field include_turns? boolean whether its turns come with it, as `thread.initial_turns`. Default false: a long thread
--- is a long answer, and `thread:turns` lists them a page at a time
---@field path? string of a rollout file, in place of the id's
---@field initial_turns_page? { limit?: integer, items_view?: string, sort_direction?: string } a page of
--- `thread/turns/list` to come with it, as `thread.initial_turns_page`

---@class codex.ForkOptions: codex.ThreadOptions
---@field include_turns? boolean as for `thread_resume`
---@field last_turn_id? string the last turn to take over; those after it are left out
---@field before_turn_id? string instead: the first turn to leave out

---@class codex.ThreadListOptions
---@field archived? boolean only archived ones; default only others
---@field cursor? string of the page to begin with: `next_cursor` of the one before
---@field limit? integer threads a page
---@field cwd? string|string[] only those that work in one of these folders
---@field model_providers? string[] only those of these providers
---@field search_term? string only those with this in their title
---@field section_id? string
---@field project_id? string
---@field sort_key? "created_at"|"updated_at"|"recency_at"|"section_position"
---@field sort_direction? "asc"|"desc" default "desc"
---@field source_kinds? string[] only those of these sources; default the interactive ones
---@field parent_thread_id? string only those that sub-agents of this thread run
---@field use_state_db_only? boolean don't look through the files themselves

---@class codex.ModelsOptions
---@field include_hidden? boolean also those that aren't offered by default
---@field model_provider? string
---@field cursor? string
---@field limit? integer

---@class codex.Page
---@field data table[]
---@field next_cursor? string of the page after this one; nil: there is none
---@field backwards_cursor? string to go back from here, where the method can

-- Options that say the same as, or can't stand beside, one that a host has a default for.
local overruled_by = {
  approval_policy = "approval_mode",
  approvals_reviewer = "approval_mode",
  permissions = "sandbox",
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

-- An old server can't leave the turns out: it is only told to where the user says so.
local function spare_old_server(client, method, options, params)
  local asked = options and (options.include_turns == false or options.exclude_turns or options.excludeTurns)
  if asked or versions.has_field(client:_server_version(), method, "exclude_turns") then return end
  params.exclude_turns = nil
end

-- The parameters of a request that makes a thread object, and the handlers that go with it. known: those that the
-- thread has already.
local function prepare(client, method, label, options, known)
  options_of.check_table(label, options)
  options = with_defaults(client, options)
  local own = handlers.of(label, options, options_of.thread_handlers)
  local asks = handlers.asks(own) or handlers.asks(known) or handlers.asks(client._handlers)
  local params = options_of.thread(label, method, options, asks)
  if options.tools ~= nil then
    if params.dynamic_tools ~= nil then
      errors.argument(label .. ": 'tools' and 'dynamic_tools' can't be given together")
    end
    local registry, list = tools.prepare(label, options.tools)
    own = own or {}
    own.tools = registry
    if method == "thread/start" then params.dynamic_tools = list end
  end
  return params, own
end

-- Those that are given, and those that the thread has already.
local function merge_handlers(known, own)
  return known and own and options_of.merged(known, own) or own or known
end

-- Loads or copies a thread that there is.
local function open(client, method, label, id, options)
  check_thread_id(label, id)
  local lane = client._lanes[id]
  local known = lane and lane.thread_handlers
  local params, own = prepare(client, method, label, options, known)
  params.thread_id = id
  spare_old_server(client, method, options, params)
  return threads.new(client, client:_call(method, params, { label = label }), merge_handlers(known, own))
end

--- Adds the methods to the class of clients.
---@param Client codex.Client
function M.install(Client)
  --- Starts a thread. Protocol: `thread/start`.
  ---@param options? codex.ThreadOptions
  ---@return codex.Thread
  function Client:thread_start(options)
    local params, own = prepare(self, "thread/start", "thread_start", options)
    return threads.new(self, self:_call("thread/start", params, { label = "thread_start" }), own)
  end

  --- Loads a thread that has run a turn before. Of its settings the server keeps the model, the approval policy, the
  --- folder and full access; another sandbox has to be given again, or it is the configured one. (What is given for a
  --- thread that is loaded already the server ignores: where its approval policy is "never", a handler given now is
  --- asked from a turn with `approval_mode = "ask"` on.) Raises `invalid_request` with the reason `no_rollout` when
  --- there is none, `active_writer` while another server has it. Protocol: `thread/resume`.
  ---@param id string
  ---@param options? codex.ResumeOptions
  ---@return codex.Thread
  function Client:thread_resume(id, options)
    return open(self, "thread/resume", "thread_resume", id, options)
  end

  --- Makes a new thread that goes on where another one stands. What isn't given is as for `thread_resume`, but for the
  --- model, which is the configured one. Protocol: `thread/fork`.
  ---@param id string
  ---@param options? codex.ForkOptions
  ---@return codex.Thread
  function Client:thread_fork(id, options)
    return open(self, "thread/fork", "thread_fork", id, options)
  end

  -- What loads a thread again that was let go, as it was.
  function Client:_resume_params(id)
    local lane = self._lanes[id]
    local params = prepare(self, "thread/resume", "thread_resume", nil, lane and lane.thread_handlers)
    params.thread_id = id
    if lane and lane.settled then -- whoever decides about approvals, the server remembers it
      params.approval_policy, params.approvals_reviewer = nil, nil
    end
    spare_old_server(self, "thread/resume", nil, params)
    return params
  end

  --- Puts a thread away: it isn't listed any more, and can't be resumed until it is brought back. A turn that it runs
  --- is interrupted. Protocol: `thread/archive`.
  ---@param id string
  function Client:thread_archive(id)
    check_thread_id("thread_archive", id)
    self:_call("thread/archive", { thread_id = id }, { label = "thread_archive" })
  end

  --- Brings an archived thread back. The server doesn't load it by that; its first turn does, and then its settings,
  --- such as `thread.sandbox`, are known. Protocol: `thread/unarchive`.
  ---@param id string
  ---@return codex.Thread
  function Client:thread_unarchive(id)
    check_thread_id("thread_unarchive", id)
    return threads.new(self, self:_call("thread/unarchive", { thread_id = id }, { label = "thread_unarchive" }))
  end

  --- Deletes a thread for good. A turn that it runs is interrupted. Raises `invalid_request` for one that others were
  --- forked from. Protocol: `thread/delete`.
  ---@param id string
  function Client:thread_delete(id)
    check_thread_id("thread_delete", id)
    self:_call("thread/delete", { thread_id = id }, { label = "thread_delete" })
  end

  --- One page of the threads on disk. Protocol: `thread/list`.
  ---@param options? codex.ThreadListOptions
  ---@return codex.Page
  function Client:thread_list(options)
    return self:_call("thread/list", options_of.list("thread_list", "thread/list", options), { label = "thread_list" })
  end

  --- Iterates over the threads on disk, all pages of them, as the server's tables. Pages are asked for as they are
  --- needed. Protocol: `thread/list`.
  ---@param options? codex.ThreadListOptions
  ---@return fun(): table?
  function Client:threads(options)
    return self:_items("thread/list", "threads", options_of.list("threads", "thread/list", options))
  end

  -- Iterates over what a method lists, beginning with the page that the params name.
  function Client:_items(method, label, params)
    self:_check(method, params, label)
    return pages.items(function(cursor)
      return self:_call(method, options_of.merged(params, { cursor = cursor }), { label = label })
    end, params.cursor)
  end

  --- The models on offer: one page. Protocol: `model/list`.
  ---@param options? codex.ModelsOptions
  ---@return codex.Page
  function Client:models(options)
    return self:_call("model/list", options_of.list("models", "model/list", options), { label = "models" })
  end
end

return M
