-- Private in the official SDK; public on a branch of it.
return {
  title = "Goals",
  {
    "`start_goal(objective)` → a handle (private)",
    "`thread:goal(objective, options)` → a turn",
    "spec/goal_spec.lua: a goal is one turn: one id, all items, what all of it used",
    differs = "public, with `client.api.thread` beside it for the bare requests",
  },
  {
    "`run_goal(objective)` → `TurnResult` (private)",
    "`thread:goal(objective):run()`",
    "spec/goal_spec.lua: a goal is one turn: one id, all items, what all of it used",
  },
  {
    "one logical turn: the first id for all, only the first `turn/started` and the last `turn/completed`",
    "the same",
    "spec/goal_spec.lua: a goal is streamed without the seams",
  },
  {
    "events of the goal itself are hidden",
    "they are in the stream, and `goal.goal` is the last state",
    "spec/goal_spec.lua: a goal is streamed without the seams",
    differs = "one wants to see how far it has come",
  },
  {
    "it ends when the goal is complete, …",
    "the same; `result.goal.status` says why",
    "spec/goal_spec.lua: a goal is one turn: one id, all items, what all of it used",
  },
  { "… blocked, …", "the same; `thread:goal()` goes on with it", "spec/goal_spec.lua: a goal ends blocked, and goes on when told to" },
  {
    "… at a limit, …",
    "the same",
    "spec/goal_spec.lua: a goal ends with its token budget, and goes on with a larger one",
  },
  { "… or cleared", "the same: `goal:clear()`", "spec/goal_spec.lua: a goal ends when it is cleared" },
  {
    "a goal that is paused has ended",
    "`goal:pause()` holds it after the turn that runs, `goal:resume()` goes on",
    "spec/goal_spec.lua: a goal is paused after the turn that runs, and goes on when resumed",
    differs = "who pauses means to go on",
  },
  {
    "`steer` goes to whichever turn runs",
    "the same",
    "spec/goal_spec.lua: a goal is steered in whichever turn runs",
  },
  {
    "`interrupt`: the goal is paused, its turn interrupted",
    "the same, from its first moment on",
    "spec/goal_spec.lua: a goal is paused by an interrupt, from its first moment on",
  },
  {
    "a finished goal can't be steered: \"no active turn to steer\"",
    "the same, `err.reason == \"no_active_turn\"`",
    "spec/parity/behaviour_spec.lua: a goal that is over takes no input, and is interrupted without an error",
  },
  {
    "a finished goal can't be interrupted: \"no active turn to interrupt\"",
    "that is no error",
    "spec/parity/behaviour_spec.lua: a goal that is over takes no input, and is interrupted without an error",
    differs = "as for any other turn (W-27)",
  },
  {
    "a task that is cancelled pauses and interrupts it",
    "the same",
    "spec/goal_spec.lua: a goal is paused when the task that runs it is cancelled",
  },
  {
    "a stream that is closed leaves it running",
    "the same",
    "spec/goal_spec.lua: a goal isn't stopped by a stream that is left early",
  },
  {
    "an empty objective, or one over 4,000 characters, is refused",
    "the same, `err.reason` is `goal_empty`, `goal_too_long`",
    "spec/goal_spec.lua: a goal is refused with the server's reason, and the thread stays usable",
  },
  {
    "an objective that isn't a string: `TypeError`",
    "`invalid_argument`",
    "spec/goal_spec.lua: a goal takes no wrong arguments",
  },
  {
    "white space around an objective is cut off",
    "the same",
    "spec/parity/behaviour_spec.lua: a goal has white space cut off from its objective",
  },
  {
    "the thread must be idle",
    '`when_busy = "queue"` waits until it is, `"error"` raises `busy`',
    "spec/goal_edges_spec.lua: a goal among other turns waits for a turn that runs",
    differs = "as for any other turn",
  },
  {
    "the thread must be persisted: an ephemeral one is refused",
    "the same, `err.reason == \"ephemeral_thread\"`",
    "spec/goal_spec.lua: a goal is refused with the server's reason, and the thread stays usable",
  },
  {
    "a turn on a thread whose goal runs: `InvalidRequestError`",
    "waits until the goal is over, or joins it",
    "spec/goal_edges_spec.lua: a goal among other turns keeps its place until it is over",
    differs = "as for any other turn",
  },
  {
    "where goals aren't enabled the server's error is raised",
    "the same, and it says how to enable them",
    "spec/goal_spec.lua: a goal says how to enable goals where they aren't",
  },
  {
    "no token budget",
    "`token_budget`",
    "spec/goal_spec.lua: a goal ends with its token budget, and goes on with a larger one",
    differs = "the protocol has it",
  },
  {
    "W-25: after a turn that failed and leaves the goal active, it may wait for ever",
    "it ends when the server leaves the thread at rest",
    "spec/goal_edges_spec.lua: a goal under a fake server ends when the server leaves the thread at rest after a failure",
    differs = "a wait has to end",
  },
}
