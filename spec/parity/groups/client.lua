return {
  title = "Client, start, configuration",
  {
    "`Codex(config=None)` starts the server, initializes, and closes itself when that fails",
    "`codex.new(options)`",
    "spec/starting_spec.lua: a server that never gets going has its own sentence in the error",
  },
  {
    "`AsyncCodex`, `AsyncThread`, `AsyncTurnHandle`, `AsyncChatgptLoginHandle`, `AsyncDeviceCodeLoginHandle`: a second "
      .. "set of classes, which offloads to threads",
    "the same objects in tasks: `codex.spawn`, `codex.gather`, `codex.run`",
    "spec/turn_spec.lua: many turns at once see only what is theirs: 60 over 20 threads",
    differs = "whatever waits yields, so there is one set and no thread",
  },
  {
    "`AsyncCodex` starts at its first use; `metadata` before that raises",
    "`codex.new` returns a client that is ready",
    "spec/parity/behaviour_spec.lua: a client needs no options, no server at hand and no second step to be ready",
    differs = "in a task the start doesn't hold anybody up, so there is nothing to put off",
  },
  {
    "`with Codex() as codex:`",
    "`local client <close> = codex.new()`; `codex.with(client, fn)` where Lua has no such variables",
    "spec/luas_spec.lua: codex.with closes the client and returns what the function returns",
  },
  {
    "`close()`: closes stdin, terminates, kills after 2 s; may be called again",
    "`client:close()`: closes stdin and waits, then SIGTERM, then SIGKILL, 2 s each",
    "spec/transport_spec.lua: closing uses SIGTERM, then SIGKILL, on a server that doesn't leave",
    differs = "a server that is asked leaves by itself in 30 ms",
  },
  {
    "using a closed client raises `TransportClosedError`",
    "an error of kind `closed`",
    "spec/parity/behaviour_spec.lua: a client is of no use once it is closed",
  },
  {
    "`CodexConfig(codex_bin)`: must exist, else `FileNotFoundError`",
    "`codex_bin`, else an error of kind `spawn_failed`",
    "spec/starting_spec.lua: a server that can't be started is told with its path and the system's words",
  },
  {
    "without `codex_bin`: the program in a pinned wheel, nothing else",
    "`$CODEX_BIN`, else `codex` on `PATH`; npm's launcher is followed to the native program",
    "spec/starting_spec.lua: starting prefers $CODEX_BIN to PATH, and codex_bin to both",
    differs = "the user's own installation is used; the module brings no program of 400 MB",
  },
  {
    "the tools in the package (`rg`) are on the agent's `PATH`",
    "the same",
    "spec/parity/behaviour_spec.lua: a client brings the tools that come with the program",
  },
  {
    "`CodexConfig(launch_args_override)` replaces the whole command line",
    "`launch_args_override`",
    "spec/starting_spec.lua: starting runs launch_args_override as it is",
  },
  {
    '`CodexConfig(config_overrides)`: `("key=value", …)`, each a `--config`',
    "`config_overrides`, such a list",
    "spec/starting_spec.lua: starting hands a list of overrides on as it is",
  },
  {
    "`config_overrides` has to be written as TOML",
    "or a table, which is written as TOML",
    "spec/starting_spec.lua: starting has overrides that the real server understands",
    differs = "nothing has to be quoted by hand",
  },
  {
    "`CodexConfig(cwd)`",
    "`cwd`",
    "spec/starting_spec.lua: starting gives the server its directory",
  },
  {
    "`CodexConfig(env)` is laid over the whole environment",
    "`env`; `false` removes a variable",
    "spec/starting_spec.lua: starting adds to the environment and removes from it",
    differs = "a variable of the environment can be kept from the server (W-29)",
  },
  {
    '`CodexConfig(client_name="codex_python_sdk")`',
    "`client_name`, default `codex_lua`",
    "spec/parity/behaviour_spec.lua: a client says who it is, and asks for experimental methods, unless told otherwise",
    differs = "it is another client",
  },
  {
    '`CodexConfig(client_title="Codex Python SDK")`',
    "`client_title`, default `codex-lua`",
    "spec/rpc_spec.lua: the client's capabilities name the client",
    differs = "it is another client",
  },
  {
    "`CodexConfig(client_version)`, default the SDK's own",
    "`client_version`, default `codex.version`",
    "spec/rpc_spec.lua: the client's capabilities name the client",
  },
  {
    "`CodexConfig(experimental_api=True)`",
    "`experimental_api`, default true",
    "spec/rpc_spec.lua: the client's capabilities leave experimental things out when told so",
  },
  {
    "no `optOutNotificationMethods`",
    "`opt_out_notifications`; what a result is made from is refused",
    "spec/rpc_spec.lua: the client's capabilities silence the notifications that aren't wanted",
    differs = "deltas that nobody reads need not be sent",
  },
  {
    "`__version__`",
    "`codex.version`, and `codex.schema_version`",
    "spec/schema_spec.lua: the protocol's tables say which version they were made from, and the Makefile pins that one",
  },
  {
    "`metadata`: `InitializeResponse{serverInfo, userAgent, platformFamily, platformOs}`",
    "`client.metadata`: `server_info`, `user_agent`, `platform_family`, `platform_os`, `codex_home`",
    "spec/rpc_spec.lua: the client's capabilities name the client",
  },
  {
    "`serverInfo` that is absent is read from the user agent",
    "the same, without the operating system behind it",
    "spec/version_spec.lua: metadata.server_info is read from the user agent, without the tail",
    differs = "the version is one that can be compared (W-37)",
  },
  {
    "an answer without a name or version closes the client: `RuntimeError`",
    "`server_info` lacks it, and everything works",
    "spec/version_spec.lua: metadata.server_info may be missing, and everything works",
    differs = "nothing but the message of a refusal needs it",
  },
  {
    "low level: `request(method, params, response_model)`",
    "`client:request(method, params)`, `client.api.<group>.<method>(params)`",
    "spec/api_spec.lua: client.api calls methods by their names in Lua, with names by the schema",
  },
  {
    "about 20 of the protocol's methods have a function",
    "all have one, in `client.api`",
    "spec/api_spec.lua: client.api has every method of the schema, and only those",
    differs = "they are made from the schema",
  },
  {
    "low level: `notify(method, params)`",
    "`client:notify(method, params)`",
    "spec/rpc_spec.lua: notify sends what it is given, at once and without an id",
  },
  {
    "low level: `next_notification()`",
    "`client:notifications()`, `client:on(method, fn)`",
    "spec/subscription_spec.lua: client:notifications iterates over what belongs to no turn, from the client's start",
  },
  {
    "a keyword that isn't there: `TypeError`",
    "an error of kind `invalid_argument` that knows what was meant; nothing is sent",
    "spec/thread_spec.lua: a call raises thread_fork: unknown option 'sandbx' (did you mean 'sandbox'?)",
  },
  {
    "names are snake_case in Python, camelCase on the wire",
    "snake_case by the schema; the wire's are taken, too",
    "spec/names_spec.lua: names on the way out may be given as the wire's, at every depth",
  },
  {
    "answers find their requests in any order; those to ids nobody knows are dropped",
    "the same; `client:statistics()` counts them",
    "spec/rpc_spec.lua: answers with ids nobody knows, or knows no more, are counted and else ignored",
  },
  {
    "`config`, `output_schema` and other free-form JSON go as they are",
    "the same, at any depth",
    "spec/names_spec.lua: names on the way out leave free-form JSON alone",
  },
  {
    "a handle that is dropped is released by its finalizer",
    "the same, for turns, streams, threads and clients",
    "spec/task_spec.lua: what is over is collected: turns, streams, threads and clients",
  },
  {
    "fields that need a newer server are refused before anything is sent, with its version and what to do",
    "the same, `err.reason == \"needs_newer_server\"`",
    "spec/version_spec.lua: a field that needs a newer server is refused at once, and nothing is sent",
  },
  {
    "these are `turn/start` `toolOutput`, `turnTrigger`, `serviceTierForTurn`, and `excludeTurns`: 0.151.0",
    "the same; but an old server is only told to leave turns out where you say so",
    "spec/version_spec.lua: a field that needs a newer server isn't missed by those who don't use it",
  },
  {
    "a pre-release of the version that is needed is too old; hotfixes and `.postN` are not",
    "the same",
    "spec/version_spec.lua: versions are ordered, pre-releases before their release",
  },
  {
    'version "0.0.0" (a checkout): the program is asked to write its schema, once',
    "nothing is refused",
    "spec/version_spec.lua: a field that needs a newer server is sent to those that know it, and to those that nothing is known of",
    differs = "who runs a checkout knows what is in it, and a probe takes up to 30 s",
  },
  {
    "`openai_codex.types`: 37 names",
    "`lua/codex/types.lua`: those, and the whole protocol's, as `codex.protocol.<name>`",
    "spec/parity/behaviour_spec.lua: types of theirs are all here, for editors",
  },
}
