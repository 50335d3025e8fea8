local function answered(what)
  return "spec/rpc_spec.lua: an error answer " .. what
end

return {
  title = "Errors, retry",
  {
    "`CodexError`, the base of all",
    "`codex.is_error(err)`, `codex.is_error(err, kind)`",
    "spec/parity/behaviour_spec.lua: errors of the server's have code, message and data, and say which method it was",
  },
  {
    '`JsonRpcError.code`, `message`, `data`; `str()` is "JSON-RPC error {code}: {message}"',
    '`err.code`, `err.message`, `err.data`; `tostring` is "{method}: {message}"',
    "spec/parity/behaviour_spec.lua: errors of the server's have code, message and data, and say which method it was",
    differs = "what failed says more than its number",
  },
  { "`ParseError` (-32700)", "kind `parse_error`", answered '-32700 "what?" is parse_error' },
  { "`InvalidRequestError` (-32600)", "kind `invalid_request`", answered '-32600 "no good" is invalid_request' },
  {
    "`MethodNotFoundError` (-32601)",
    "kind `method_not_found`",
    answered '-32601 "list_turns is not supported yet" is method_not_found',
  },
  { "`InvalidParamsError` (-32602)", "kind `invalid_params`", answered '-32602 "bad" is invalid_params' },
  { "`InternalRpcError` (-32603)", "kind `internal_error`", answered '-32603 "oops" is internal_error' },
  {
    "`ServerBusyError`: -32099…-32000 whose data say overloaded",
    "kind `server_busy`",
    answered '-32050 "later" is server_overloaded',
  },
  {
    "`RetryLimitExceededError`: the message says so (-32099…-32000)",
    "kind `retry_limit_exceeded`",
    answered '-32000 "too many failed attempts" is retry_limit_exceeded',
  },
  { "`CodexRpcError`: any other of -32099…-32000", "kind `rpc`", answered '-32000 "other" is rpc' },
  { "`JsonRpcError`: any other code", "kind `rpc`", answered '7 "mine" is rpc' },
  {
    "`TransportClosedError`: the server has gone; the end of its stderr is in the message",
    "kind `transport_closed` with `stderr_tail`, `exit_status` or `exit_signal`",
    "spec/transport_spec.lua: a server that dies ends every wait at once: requests, runs, streams and texts, with what was collected",
  },
  {
    "an error that isn't an object: `CodexError`; missing members are filled in",
    "an error of kind `rpc` all the same",
    "spec/rpc_spec.lua: an error answer may be malformed, and is an error all the same",
  },
  {
    'a result that isn\'t an object: `CodexError` "… must be a JSON object"',
    "it is given as it is; where a thread is expected, an error of kind `protocol`",
    "spec/rpc_spec.lua: answers may be anything",
    differs = "newer servers may answer otherwise",
  },
  {
    "what is wrong is told in words only",
    "`err.reason`: `no_active_turn`, `no_rollout`, `thread_not_found`, `active_writer`, …",
    "spec/rpc_spec.lua: an error answer in the real server's words has its reason",
    differs = "words change",
  },
  {
    "`is_retryable_error(err)`: `ServerBusyError`, or any JSON-RPC error whose data say overloaded",
    "`codex.is_retryable_error(err)`",
    "spec/retry_spec.lua: is_retryable_error finds overload in the data: codex_error_info",
  },
  {
    '"server_overloaded" as a string, or under `codex_error_info`, `codexErrorInfo`, `errorInfo`, at any depth',
    "the same, in any spelling",
    "spec/retry_spec.lua: is_retryable_error finds overload in the data: a nested error",
  },
  {
    "`retry_on_overload(op, …)`: only what is retryable; the last failure is raised",
    "`codex.retry_on_overload(fn, options)`",
    "spec/retry_spec.lua: retry_on_overload calls again while the server is busy, three times by default, and raises the last refusal",
  },
  {
    "`retry_on_overload(max_attempts=3)`",
    "`max_attempts = 3`",
    "spec/parity/behaviour_spec.lua: retry_on_overload has the defaults of theirs",
  },
  {
    "`retry_on_overload(initial_delay_s=0.25)`, doubled each time",
    "`initial_delay = 0.25`",
    "spec/parity/behaviour_spec.lua: retry_on_overload has the defaults of theirs",
  },
  {
    "`retry_on_overload(max_delay_s=2.0)`",
    "`max_delay = 2`",
    "spec/retry_spec.lua: retry_on_overload waits longer each time, up to the most",
  },
  {
    "`retry_on_overload(jitter_ratio=0.2)`",
    "`jitter = 0.2`",
    "spec/parity/behaviour_spec.lua: retry_on_overload has the defaults of theirs",
  },
  {
    "fewer than one attempt, or a negative number: `ValueError`",
    "`invalid_argument`",
    "spec/retry_spec.lua: retry_on_overload refuses what it can't use, before the first call",
  },
  {
    "for `Codex` only: it sleeps",
    "in tasks too: others go on meanwhile",
    "spec/retry_spec.lua: retry_on_overload lets other tasks go on while it waits",
    differs = "whatever waits yields",
  },
  {
    "low level: `request_with_retry_on_overload`",
    "`codex.retry_on_overload(function() return client:request(…) end)`",
    "spec/retry_spec.lua: retry_on_overload helps with a server that is too busy for a while",
  },
}
