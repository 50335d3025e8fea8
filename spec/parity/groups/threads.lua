return {
  title = "Threads, models",
  {
    "`thread_start(…)` → `Thread`",
    "`client:thread_start { … }` → a thread",
    "spec/parity/arguments_spec.lua: the real server takes every argument of Codex.thread_start",
  },
  {
    "`thread_start` sends `approval_mode=auto_review` unless told otherwise",
    "nothing that wasn't said is sent",
    "spec/parity/behaviour_spec.lua: a thread that is started without a mode has the user's own policy, sandbox and model",
    differs = "a default would overrule the policy in the user's own config.toml",
  },
  {
    "the answer to `thread/start` is thrown away but for the id",
    "the thread keeps it: `thread.model`, `cwd`, `sandbox`, `approval_policy`, `path`, …",
    "spec/thread_spec.lua: a thread object keeps all that the server answered",
    differs = "so that it is known what is in force (W-26)",
  },
  {
    "`thread_resume(thread_id, …)` → `Thread`; what is `None` stays as stored",
    "`client:thread_resume(id, options)`",
    "spec/parity/behaviour_spec.lua: a thread that is resumed keeps what it was started with",
  },
  {
    "`thread_resume`, `thread_fork`: the server sends the turns along unless `include_turns=False`",
    "they come with `include_turns = true` only, and are then `thread.initial_turns`",
    "spec/thread_spec.lua: a thread's turns come with it only if asked for",
    differs = "a long thread is a long answer, and the server calls it outdated; `thread:turns()` goes by pages",
  },
  {
    "`thread_fork(thread_id, …)` → `Thread`",
    "`client:thread_fork(id, options)`, `thread:fork(options)`",
    "spec/thread_spec.lua: a thread that is forked goes on from where the other stood, and leaves that alone",
  },
  {
    "`thread_fork` copies all turns",
    "`last_turn_id`, `before_turn_id`: up to one of them",
    "spec/thread_spec.lua: a thread that is forked may leave turns out, and take other settings",
    differs = "the protocol can",
  },
  {
    "`thread_list(…)` → one page `{data, next_cursor, backwards_cursor}`",
    "`client:thread_list { … }`, the same",
    "spec/thread_spec.lua: threads are listed in pages",
  },
  {
    "what is listed and read has the server's shape",
    "the same",
    "spec/parity/behaviour_spec.lua: a thread is listed and read in the server's shapes",
  },
  {
    "`thread_archive(thread_id)`",
    "`client:thread_archive(id)`, `thread:archive()`",
    "spec/thread_spec.lua: a thread that was put away isn't listed, says why it runs nothing, and goes on once it is back",
  },
  {
    "`thread_unarchive(thread_id)` → `Thread`, which the server hasn't loaded",
    "`client:thread_unarchive(id)` → a thread, whose first turn has the server load it",
    "spec/thread_spec.lua: a thread that was put away is loaded by its first turn, which tells its settings",
    differs = "a thread is there to run turns",
  },
  {
    "`models(include_hidden=False)` → one page",
    "`client:models { include_hidden = }`, and the protocol's `cursor`, `limit`",
    "spec/thread_spec.lua: threads models are listed",
  },
  {
    "`Thread.id`",
    "`thread.id`",
    "spec/thread_spec.lua: threads resumed elsewhere go on, and an old turn's usage is not the new one's",
  },
  {
    "`Thread.read(include_turns=False)` → `ThreadReadResponse{thread}`",
    "`thread:read { include_turns = }`",
    "spec/thread_spec.lua: a thread's turns are read with the thread",
  },
  {
    "`Thread.set_name` names it, for lists too",
    "`thread:set_name(name)`",
    "spec/thread_spec.lua: threads on disk have names",
  },
  {
    "`Thread.compact()` returns at once; there is no way to wait for the compaction",
    "`thread:compact()` → a turn to run or stream",
    "spec/review_spec.lua: a compaction is a turn like any other, with one item",
    differs = "the server makes a turn of it",
  },
  {
    "resuming a thread without a turn, or an unknown one: `InvalidRequestError`",
    "`invalid_request`, `err.reason == \"no_rollout\"`",
    "spec/thread_spec.lua: threads that can't be resumed say why",
  },
  {
    "`Sandbox.read_only`, `workspace_write`, `full_access` on a thread",
    '`sandbox = "read_only"`, `"workspace_write"`, `"full_access"`; their values ("read-only", …) too',
    "spec/turn_params_spec.lua: what a turn sends are the sandbox presets in the protocol's shape",
  },
  {
    "a sandbox that isn't one: `ValueError` which lists them",
    "`invalid_argument` which lists them",
    "spec/options_spec.lua: options refuse a sandbox that isn't one",
  },
  {
    "a sandbox as a raw string: `ValueError`",
    "strings are the way to say it",
    "spec/turn_spec.lua: a turn has the presets and modes of its options sent to the model's server",
    differs = "there are no enumerations in Lua, and a slip is refused all the same",
  },
  {
    "`ApprovalMode.deny_all` → `approvalPolicy: never`",
    '`approval_mode = "deny_all"`',
    "spec/turn_params_spec.lua: what a turn sends are the approval modes in the protocol's words",
  },
  {
    "`ApprovalMode.auto_review` → `on-request`, reviewer `auto_review`",
    '`approval_mode = "auto_review"`',
    "spec/turn_params_spec.lua: what a turn sends are the approval modes in the protocol's words",
  },
  {
    "no mode for a person to decide, nor for no sandbox at all",
    '`"ask"`, `"dangerously_bypass_approvals_and_sandbox"`, and `approval_policy` in the protocol\'s shape',
    "spec/turn_params_spec.lua: what a turn sends are the approval modes in the protocol's words",
    differs = "the protocol has these policies",
  },
  {
    "another mode: `ValueError` which lists them",
    "`invalid_argument` which lists them",
    "spec/options_spec.lua: options refuse an approval mode that isn't one",
  },
  {
    "`SandboxMode`, `AskForApproval`, `ApprovalsReviewer`, `Personality`, `ReasoningSummary`, `ReasoningEffort`, "
      .. "`ThreadStartSource`, `ThreadSource`, `ThreadSourceKind`, `ThreadSortKey`, `SortDirection`, "
      .. "`ThreadListCwdFilter`: enumerations",
    "the same words as strings; others are refused with the list",
    "spec/parity/behaviour_spec.lua: enumerations have every word of theirs, and no other",
  },
}
