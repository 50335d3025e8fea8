--- A thread: one conversation.

local classes = require "codex.class"
local core = require "codex.core"
local errors = require "codex.error"
local handlers_of = require "codex.handlers"
local inputs = require "codex.input"
local lanes = require "codex.lane"
local lazy = require "codex.lazy"
local options_of = require "codex.options"
local starts = require "codex.start"

local goals = lazy "codex.goal"

require "codex.interpreted"()

local M = {}

--- Any further field of `turn/start` may be given as well. Settings such as the model stay in force for the thread's
--- later turns; a turn that is joined takes none of them.
---@class codex.TurnOptions
---@field approval_mode? "auto_review"|"ask"|"deny_all"|"dangerously_bypass_approvals_and_sandbox" see `ThreadOptions`
---@field sandbox? "read_only"|"workspace_write"|"full_access" what the agent's commands may do
---@field cwd? string the folder that the agent works in
---@field effort? string how hard the model shall think: "low", "medium", "high", …
---@field model? string
---@field output_schema? table a JSON Schema that the final response must fit; see `parsed` of the result
---@field strict? boolean make the output schema strict, as the model API of OpenAI demands: every object takes its own
--- properties only and requires them all; those that were optional may be null (`codex.null` in `parsed`) instead
---@field personality? string
---@field service_tier? string
---@field summary? string of the model's reasoning: "auto", "concise", "detailed", "none"
---@field when_busy? "queue"|"steer"|"error" when the thread runs a turn already: wait for its end (the default), add to
--- what it was asked, or raise `busy`. With "steer" there can be no handlers: a turn that is joined keeps its own
---@field timeout? number seconds for the whole turn, waiting in the queue included
---@field idle_timeout? number seconds without anything new of the turn. A command or a tool that runs may take as long
--- as it likes, and so may a question to you; that the server is trying to reach its model counts for nothing. Then
--- the server is asked whether the turn is over, and otherwise it is interrupted, and `timeout` raised
---@field on_cancel? "interrupt"|"detach" what becomes of the turn when the task that waits for it is cancelled: it is
--- interrupted (the default), or goes on
---@field raise? boolean false: `run` returns the result of a failed turn instead of raising
---@field approval_handler? fun(request: codex.ServerRequest): any for this turn; see `ClientOptions` for all four
---@field user_input_handler? fun(request: codex.ServerRequest): any
---@field elicitation_handler? fun(request: codex.ServerRequest): any
---@field request_handler? fun(request: codex.ServerRequest): any

---@class codex.ReviewTarget
---@field type "uncommittedChanges"|"baseBranch"|"commit"|"custom"
---@field branch? string of `baseBranch`: what has changed since it
---@field sha? string of `commit`
---@field title? string of `commit`
---@field instructions? string of `custom`: what to look at, and for

---@class codex.ReviewOptions
---@field target? codex.ReviewTarget default `{ type = "uncommittedChanges" }`
---@field when_busy? "queue"|"error" what to do when the thread runs a turn already; default "queue"
---@field timeout? number seconds for the whole review, waiting in the queue included
---@field idle_timeout? number as for a turn
---@field on_cancel? "interrupt"|"detach" as for a turn

---@class codex.CompactOptions
---@field when_busy? "queue"|"error"
---@field timeout? number
---@field idle_timeout? number as for a turn
---@field on_cancel? "interrupt"|"detach" as for a turn

---@class codex.TurnsOptions
---@field items_view? "notLoaded"|"summary"|"full" how much of each turn's items to list; default "summary"
---@field sort_direction? "asc"|"desc" default "desc": the newest first
---@field limit? integer turns a page, which is what the server is asked for at once
---@field cursor? string of the page to begin with

---@class codex.ItemsOptions
---@field turn_id? string only those of this turn
---@field sort_direction? "asc"|"desc" default "asc": the oldest first
---@field limit? integer items a page
---@field cursor? string|table of the page to begin with, or `{ turn_id, item_id }` style anchors of the protocol
---@field defer_output? table which outputs to leave out: `command_execution`, `mcp_tool_call`

--- One conversation. Beside its id it has what the server answered when it was started, resumed or forked: as things
--- were then. A member that goes by the name of a method is kept with `initial_` before it.
---@class codex.Thread
---@field id string
---@field session_id string shared by the threads of one tree
---@field model string
---@field model_provider string
---@field reasoning_effort? string
---@field service_tier? string
---@field cwd string absolute
---@field sandbox table the policy in the protocol's shape: `type`, `network_access`, …
---@field approval_policy string|table
---@field approvals_reviewer string
---@field active_permission_profile? table
---@field runtime_workspace_roots string[]
---@field instruction_sources string[] paths of the AGENTS.md files and such that are in force
---@field path? string of its rollout file
---@field ephemeral boolean
---@field name? string
---@field preview string usually its first message
---@field status { type: "notLoaded"|"idle"|"systemError"|"active", active_flags?: string[] }
---@field created_at integer unix seconds
---@field updated_at integer unix seconds
---@field recency_at? integer unix seconds
---@field forked_from_id? string
---@field parent_thread_id? string of a sub-agent's thread
---@field git_info? { branch?: string, sha?: string, origin_url?: string }
---@field cli_version string of the server that made it
---@field source string|table
---@field thread_source? string
---@field history_mode string "legacy" or "paginated"
---@field turns_backwards_cursor? string of a resumed thread: for `turns { cursor =, sort_direction = "desc" }`
---@field items_backwards_cursor? string of a resumed thread: for `items { cursor =, sort_direction = "desc" }`
---@field initial_turns table[] the turns it came with: none but with `include_turns`
local Thread = {}
Thread.__index = Thread

function Thread:__tostring()
  return "codex thread " .. self.id
end

-- Takes what the server says of the thread, and beside it.
function Thread:_take(answer)
  local told = type(answer) == "table" and answer.thread
  if type(told) ~= "table" then return end
  local client, lane, id = self._client, self._lane, self.id
  for _, source in ipairs { told, answer } do
    for name, value in pairs(source) do
      if Thread[name] ~= nil then name = "initial_" .. name end
      if name ~= "thread" and (name:sub(1, 8) ~= "initial_" or rawget(self, name) == nil) then self[name] = value end
    end
  end
  self._client, self._lane, self.id = client, lane, id
  lane.cwd = self.cwd
end

--- Makes the object for an answer that holds a thread.
---@param client codex.Client
---@param answer table
---@param handlers? codex.Handlers those that it has from now on
---@return codex.Thread
function M.new(client, answer, handlers)
  local told = type(answer) == "table" and answer.thread
  if type(told) ~= "table" or type(told.id) ~= "string" then
    errors.raise("protocol", "the server's answer names no thread")
  end
  local lane = lanes.of(client, told.id)
  lane.unloaded = type(told.status) == "table" and told.status.type == "notLoaded"
  lane.settled = lane.settled or not lane.unloaded
  if handlers then lane.thread_handlers = handlers end
  local thread = setmetatable({ id = told.id, _client = client, _lane = lane }, Thread)
  thread:_take(answer)
  lane.thread = thread
  return thread
end

-- Asks for something of this thread.
function Thread:_call(method, params, label)
  params.thread_id = self.id
  return self._client:_call(method, params, { label = label })
end

-- ---- turns ----

local function deadline_of(options)
  return options.timeout and core.now() + options.timeout or nil
end

-- Answers the turn, and until when whoever has joined it may wait, if it is one that ran already.
local function start(thread, input, options, keep_events)
  options = options or {}
  options_of.check_table("turn_start", options)
  local own = handlers_of.of("turn_start", options, options_of.turn_handlers)
  local params = options_of.turn("turn_start", options, handlers_of.asks(own))
  params.thread_id = thread.id
  local tool_output
  params.input, tool_output = inputs.to_params("turn_start", input, thread._client)
  if tool_output then params.tool_output = tool_output end
  local deadline = deadline_of(options)
  local turn, joined = starts.turn(thread, {
    method = "turn/start",
    label = "turn_start",
    params = params,
    when_busy = options.when_busy,
    keep_events = keep_events,
    deadline = deadline,
    idle_timeout = options.idle_timeout,
    on_cancel = options.on_cancel,
    handlers = own,
    output_schema = params.output_schema,
  })
  return turn, joined, deadline
end

--- Starts a turn and returns it once the server has taken it. Its events are kept for a first `turn:stream()`. With
--- `when_busy = "steer"` it may be the turn that runs already. Protocol: `turn/start`.
---@param input codex.Input
---@param options? codex.TurnOptions
---@return codex.Turn
function Thread:turn(input, options)
  return (start(self, input, options, true))
end

--- Runs a turn to its end and returns what it came to. Keeps no events. Raises `turn_failed` for a turn that ended so,
--- unless `raise` is false. Given up before, by `timeout`, `idle_timeout` or as its task is cancelled, the turn is
--- interrupted, unless it is one of others that was joined. Protocol: `turn/start`, and the turn's events.
---@param input codex.Input
---@param options? codex.TurnOptions
---@return codex.TurnResult
function Thread:run(input, options)
  local turn, joined, deadline = start(self, input, options, false)
  local how = { raise = not options or options.raise ~= false }
  if joined then return turn:_run_as_guest(how, deadline) end
  return turn:run(how)
end

-- Starts a turn that isn't asked for with an input.
local function start_other(thread, kind, method, label, params, options)
  params.thread_id = thread.id
  return (starts.turn(thread, {
    kind = kind,
    method = method,
    label = label,
    params = params,
    when_busy = options.when_busy,
    keep_events = true,
    deadline = deadline_of(options),
    idle_timeout = options.idle_timeout,
    on_cancel = options.on_cancel,
  }))
end

--- Starts a review of the code in the thread's folder: a turn like any other, whose final response is the report. It
--- can't be steered. Its items, usage aside, are those of the reviewer. Protocol: `review/start`.
---@param options? codex.ReviewOptions
---@return codex.Turn
function Thread:review(options)
  options_of.check_table("review_start", options)
  local params = options_of.other_turn("review_start", "review/start", options or {})
  params.target = params.target or { type = "uncommittedChanges" }
  return start_other(self, "review", "review/start", "review_start", params, options or {})
end

--- Has the server pursue an objective over as many turns as it takes, and returns their whole as one turn once the
--- first has started. It runs under the thread's settings, and takes the place of a goal that the thread had. Without
--- an objective, it goes on with the goal that the thread has, were it paused, blocked or limited. A configuration may
--- have switched goals off: `config_overrides = { ["features.goals"] = true }` overrules it.
--- Protocol: `thread/goal/set`, and the events of all its turns.
---@param objective? string
---@param options? codex.GoalOptions
---@return codex.Goal
function Thread:goal(objective, options)
  return goals.start(self, objective, options)
end

--- Has the thread's history summed up, so that it takes less room: a turn with one item of type `contextCompaction`. It
--- can't be steered. Protocol: `thread/compact/start`.
---@param options? codex.CompactOptions
---@return codex.Turn
function Thread:compact(options)
  options_of.check_table("thread_compact", options)
  local params = options_of.other_turn("thread_compact", "thread/compact/start", options or {})
  return start_other(self, "compaction", "thread/compact/start", "thread_compact", params, options or {})
end

-- ---- what there is ----

--- Reads what is stored of the thread; it need not be loaded. Protocol: `thread/read`.
---@param options? { include_turns?: boolean } with its turns and all their items: see `turns` for long threads
---@return { thread: table, read_state?: table }
function Thread:read(options)
  return self:_call("thread/read", options_of.list("thread_read", "thread/read", options), "thread_read")
end

-- Iterates over what a method lists of a thread.
local function list(thread, method, label, options)
  local params = options_of.list(label, method, options)
  params.thread_id = thread.id
  return thread._client:_items(method, label, params)
end

--- Iterates over the thread's turns, all pages of them, as the server's tables. It need not be loaded.
--- Protocol: `thread/turns/list`.
---@param options? codex.TurnsOptions
---@return fun(): table?
function Thread:turns(options)
  return list(self, "thread/turns/list", "thread_turns_list", options)
end

--- Iterates over the items of the thread's turns, all pages of them: `{ item =, turn_id =, started_at_ms =, … }`.
--- Protocol: `thread/items/list`.
---@param options? codex.ItemsOptions
---@return fun(): table?
function Thread:items(options)
  return list(self, "thread/items/list", "thread_items_list", options)
end

-- ---- what becomes of it ----

--- Names the thread. Protocol: `thread/name/set`.
---@param name string not blank
function Thread:set_name(name)
  self:_call("thread/name/set", { name = name }, "thread_set_name")
  self.name = name
end

--- Makes a new thread that goes on where this one stands. See `client:thread_fork`. Protocol: `thread/fork`.
---@param options? codex.ForkOptions
---@return codex.Thread
function Thread:fork(options)
  return self._client:thread_fork(self.id, options)
end

--- Puts the thread away: it isn't listed any more, and runs no turns until `unarchive`. A turn that runs is
--- interrupted. Protocol: `thread/archive`.
function Thread:archive()
  self._client:thread_archive(self.id)
end

--- Brings an archived thread back. Its next turn has the server load it. Protocol: `thread/unarchive`.
function Thread:unarchive()
  self._client:thread_unarchive(self.id)
end

--- Deletes the thread for good. A turn that runs is interrupted. Raises `invalid_request` for one that others were
--- forked from. Protocol: `thread/delete`.
function Thread:delete()
  self._client:thread_delete(self.id)
end

--- Tells the server to send nothing more of this thread, so that it may let go of it. The next turn has it loaded again
--- and heard of, if it is on disk: an ephemeral thread, or one that has run no turn yet, is lost. Raises `busy` while
--- a turn runs, whose end would never be heard of. Protocol: `thread/unsubscribe`.
---@return "unsubscribed"|"notSubscribed"|"notLoaded"
function Thread:unsubscribe()
  local lane = self._lane
  if lanes.is_busy(lane) then errors.raise("busy", "thread_unsubscribe: the thread is busy with a turn") end
  lane.unloaded = true -- at once: a turn that is started meanwhile has it loaded again
  return self:_call("thread/unsubscribe", {}, "thread_unsubscribe").status
end

classes.guard(Thread, "thread")

return M
