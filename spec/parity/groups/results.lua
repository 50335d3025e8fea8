local shape = "spec/parity/behaviour_spec.lua: a result has what theirs has"

return {
  title = "Results",
  { "`TurnResult.id`", "`result.id`", shape },
  { "`TurnResult.status`: `TurnStatus`", '`result.status`: `"completed"`, `"interrupted"`, `"failed"`', shape },
  {
    "`TurnResult.error`: `TurnError{message, codex_error_info, additional_details}`",
    "`result.error`, the same",
    "spec/turn_spec.lua: a turn that failed raises turn_failed with its result and the reason",
  },
  { "`TurnResult.started_at`, `completed_at`: unix seconds", "`result.started_at`, `result.completed_at`", shape },
  { "`TurnResult.duration_ms`", "`result.duration_ms`", shape },
  {
    "`TurnResult.final_response`: the last completed agent message of phase `final_answer`",
    "`result.final_response`",
    "spec/turn_spec.lua: the final response is the last one of phase final_answer",
  },
  {
    "`final_response`: a `final_answer` wins over what comes after it without a phase, …",
    "the same",
    "spec/turn_spec.lua: the final response is the one of phase final_answer, wherever it stands",
  },
  {
    "… also over several model calls",
    "the same",
    "spec/parity/behaviour_spec.lua: a result has the final answer of an earlier model call, too",
  },
  {
    "`final_response` without a `final_answer`: the last message with no phase, …",
    "the same",
    "spec/turn_spec.lua: the final response is the last unphased message",
  },
  {
    "… `commentary` never",
    "the same",
    "spec/turn_spec.lua: the final response is never commentary",
  },
  {
    "`final_response` is `None` where there is nothing else",
    "`nil`",
    "spec/turn_spec.lua: the final response is nothing where all is commentary",
  },
  {
    "`final_response` may be an empty string",
    "the same",
    "spec/parity/behaviour_spec.lua: a result keeps an answer that is empty",
  },
  {
    "a message that came in deltas only, completed empty, is empty",
    "it is the deltas",
    "spec/turn_spec.lua: the final response is the deltas where the completed text is empty",
    differs = "some providers complete messages like that",
  },
  {
    "`TurnResult.items`: every item of the turn that completed, in order, the user's message included",
    "`result.items`",
    "spec/turn_spec.lua: a turn collects items in the order of their completion, and usage over its model calls",
  },
  {
    "items are `ThreadItem`s",
    "tables: `item.type`, members in snake_case",
    "spec/names_spec.lua: names on the way in are snake_case in items, usage, errors and events, and free-form JSON is left alone",
  },
  {
    "`TurnResult.usage`: `{last, total, model_context_window}` of the turn's last update; `total` is the thread's",
    "`result.usage`, the same; `result.turn_usage` is this turn's",
    "spec/usage_spec.lua: usage is the thread's, the last call's and the turn's own, over several model calls",
  },
  {
    "`usage` is `None` where no update came",
    "`nil`",
    "spec/parity/behaviour_spec.lua: a result has no usage, and no response, where the server tells of none",
  },
  {
    "`interrupted` is an ordinary result, with what there was",
    "the same",
    "spec/turn_spec.lua: a turn that is interrupted is a result",
  },
  {
    "`failed`: `RuntimeError(message)`; all else is lost",
    "an error of kind `turn_failed` with `result`, `reason`, `http_status`; `raise = false` returns the result",
    "spec/turn_spec.lua: a turn that failed raises turn_failed with its result and the reason",
    differs = "what was done is not undone by the failure (W-10)",
  },
  {
    '`failed` without a message: "turn failed with status failed"',
    "words of its own too",
    "spec/parity/behaviour_spec.lua: a result of a turn that failed without a word is an error with words all the same",
  },
  {
    "a stream without an end: `RuntimeError`, or `TransportClosedError` when the server went",
    "`transport_closed` with `result`, `exit_status`, `stderr_tail`",
    "spec/parity/behaviour_spec.lua: a turn whose server goes before its end raises that, with what there was",
  },
}
