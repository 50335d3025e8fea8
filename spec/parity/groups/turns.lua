return {
  title = "Turns, handles, streams",
  {
    "`Thread.run(input, …)` → `TurnResult`",
    "`thread:run(input, options)`",
    "spec/parity/arguments_spec.lua: the real server takes every argument of Thread.run, Thread.turn",
  },
  {
    "`Thread.turn(input, …)` → `TurnHandle`",
    "`thread:turn(input, options)` → a turn",
    "spec/turn_spec.lua: a turn gives the same result however it is run, streamed and read, in any order and often",
  },
  {
    "`run(…)` is `turn(…).run()`",
    "the same result; but `thread:run` keeps no events",
    "spec/thread_spec.lua: threads keep nothing of a run",
    differs = "nobody could read them",
  },
  {
    "what a turn was given holds for the thread's later turns",
    "the same",
    "spec/parity/behaviour_spec.lua: a thread goes on with what a turn was given",
  },
  {
    "`approval_mode=None`, `sandbox=None` and all others: left as they are",
    "the same: nothing is sent",
    "spec/turn_params_spec.lua: what a turn sends is nothing more than what was asked for",
  },
  {
    "`sandbox` of a turn is a `sandboxPolicy` with its defaults spelled out",
    "the same; `sandbox_policy` takes the protocol's shape, with writable roots and network",
    "spec/turn_params_spec.lua: what a turn sends are the sandbox presets in the protocol's shape",
  },
  {
    "`TurnHandle.id`, `TurnHandle.thread_id`",
    "`turn.id`, `turn.thread_id`, and `turn.status`",
    "spec/parity/behaviour_spec.lua: a turn has ids, and its interruption is answered at once",
  },
  {
    "`TurnHandle.run()` → `TurnResult`; once, instead of streaming",
    "`turn:run()`: before, during or after streaming, however often",
    "spec/turn_spec.lua: a turn may be streamed, read and run by several tasks at once",
    differs = "the result is collected whether anybody streams or not",
  },
  {
    "`TurnHandle.stream()` yields `Notification{method, payload}` from the turn's start, `turn/completed` last",
    "`turn:stream()`: `event.method`, `event.params`, `event.raw`",
    "spec/turn_spec.lua: a turn streams all events from its start, its completion last",
  },
  {
    "`stream()` of a failed turn ends without an exception",
    "the same",
    "spec/parity/behaviour_spec.lua: a turn that failed is a stream like any other, and a text that raises",
  },
  {
    "`UnknownNotification{params}` for what the SDK doesn't know",
    "an event like any other",
    "spec/odd_turn_spec.lua: a turn of an odd server may have events, items and values that nobody knows yet",
  },
  {
    "a stream that is left early lets the turn go on",
    "the same, and its result is whole",
    "spec/turn_spec.lua: a turn goes on when its stream is left early, and its result is whole",
  },
  {
    "low level: `stream_text` yields the deltas of all messages, and ends without a word when the turn failed",
    "`turn:text()`: delta and item's id; what came without deltas too; raises when the turn failed",
    "spec/turn_spec.lua: the final response tells which message each piece of text belongs to",
    differs = "half a text is not to be taken for a whole one",
  },
  {
    "low level: `wait_for_turn_completed`",
    "`turn:run()`",
    "spec/turn_spec.lua: a turn collects items in the order of their completion, and usage over its model calls",
  },
  {
    "`TurnHandle.steer(input)` → `TurnSteerResponse{turn_id}`",
    "`turn:steer(input)` → `{ turn_id }`",
    "spec/turn_spec.lua: a turn can be steered",
  },
  {
    "`steer` is sent at once, also before the server has announced the turn",
    "it waits for that",
    "spec/turn_spec.lua: a turn can be steered right after its start",
    differs = "whether it works should not depend on chance",
  },
  {
    "steering a turn that has ended: `InvalidRequestError`",
    "`invalid_request`, `err.reason == \"no_active_turn\"`",
    "spec/errors_spec.lua: the reason of a refusal is no_active_turn where no turn runs",
  },
  {
    "`TurnHandle.interrupt()` returns at once; the turn completes as `interrupted` later",
    "`turn:interrupt()`, the same",
    "spec/turn_spec.lua: a turn can be interrupted from another task while it is streamed",
  },
  {
    "several turns on several threads at once, each handle with its own events",
    "the same",
    "spec/turn_spec.lua: many turns at once see only what is theirs: 60 over 20 threads",
  },
  {
    "a handle sees all from its own request on, also what came before the answer",
    "the same",
    "spec/odd_turn_spec.lua: a turn of an odd server may be through before its start is answered",
  },
  {
    "a further consumer of a turn sees what comes after it was made",
    "the same for a further `turn:stream()`",
    "spec/turn_spec.lua: a turn gives a further stream what comes after that was made",
  },
  {
    "after the end of a stream: `TransportClosedError`",
    "the iterator stays at its end",
    "spec/turn_spec.lua: a turn has iterators that stay at their end once they were closed",
    differs = "that is how iterators end in Lua",
  },
  {
    "a second `turn/start` on a busy thread goes out, and the server folds it into the first",
    "waits for its turn; `when_busy = \"steer\"` joins, `\"error\"` raises `busy`",
    "spec/turn_spec.lua: a turn on a busy thread waits for those before it, in order",
    differs = "each caller gets the answer to what he asked (W-28)",
  },
  {
    "`output_schema` is sent as it is",
    "the same",
    "spec/structured_output_spec.lua: Structured output sends the schema as it was written, and reads what fits it",
  },
  {
    "the answer has to be parsed by hand",
    "`result.parsed`, checked against the schema; `result.parse_error` says what is wrong",
    "spec/structured_output_spec.lua: Structured output says what is wrong with an answer that doesn't fit, and gives it all the same",
    differs = "everybody would write it (W-24)",
  },
  {
    "a schema that the model's API refuses fails the turn",
    "`strict = true` makes it one that is taken; else the error says what is wrong with it",
    "spec/structured_output_spec.lua: Structured output made strict asks for every property, where null stands for what may be absent",
    differs = "the rules of strict mode are hard to guess",
  },
}
