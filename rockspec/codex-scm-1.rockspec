rockspec_format = "3.0"
package = "codex"
version = "scm-1"
source = { url = "git+https://github.com/codex-lua/codex-lua.git" }
description = {
  summary = "Drives OpenAI's Codex agent from Lua",
  detailed = [[
The SDK for `codex app-server`: threads and turns as coroutines, events as iterators, on a small C core.
The codex program itself comes from npm: `npm install -g @openai/codex`.
codex.testing.model, a scripted model for tests without an account, also needs lua-cjson and luasocket.]],
  license = "MIT",
}
dependencies = { "lua >= 5.1, < 5.5" }
supported_platforms = { "unix" }
build = {
  type = "builtin",
  modules = {
    ["codex.core"] = {
      sources = {
        "src/core/answers.c",
        "src/core/buffer.c",
        "src/core/error.c",
        "src/core/frame.c",
        "src/core/json.c",
        "src/core/json_number.c",
        "src/core/json_string.c",
        "src/core/json_write.c",
        "src/core/map.c",
        "src/core/message.c",
        "src/core/request.c",
        "src/core/schema.c",
        "src/core/schema_tables.c",
        "src/core/session.c",
        "src/core/stream.c",
        "src/core/subscription.c",
        "src/core/turn.c",
        "src/core/usage.c",
        "src/core/utf8.c",
        "src/io/client.c",
        "src/io/locate.c",
        "src/io/poller.c",
        "src/io/process.c",
        "src/io/tail.c",
        "src/lua/client.c",
        "src/lua/codec.c",
        "src/lua/decode.c",
        "src/lua/encode.c",
        "src/lua/json.c",
        "src/lua/module.c",
        "src/lua/nearest.c",
        "src/lua/refusal.c",
        "src/lua/request.c",
        "src/lua/system.c",
        "src/lua/turn.c",
      },
      incdirs = { "include", "src" },
      defines = { "_GNU_SOURCE" },
      libraries = { "m" },
    },
    ["codex"] = "lua/codex/init.lua",
    ["codex.account"] = "lua/codex/account.lua",
    ["codex.api"] = "lua/codex/api.lua",
    ["codex.class"] = "lua/codex/class.lua",
    ["codex.client"] = "lua/codex/client.lua",
    ["codex.client_threads"] = "lua/codex/client_threads.lua",
    ["codex.config"] = "lua/codex/config.lua",
    ["codex.error"] = "lua/codex/error.lua",
    ["codex.input"] = "lua/codex/input.lua",
    ["codex.json"] = "lua/codex/json.lua",
    ["codex.lane"] = "lua/codex/lane.lua",
    ["codex.loop"] = "lua/codex/loop.lua",
    ["codex.options"] = "lua/codex/options.lua",
    ["codex.pages"] = "lua/codex/pages.lua",
    ["codex.result"] = "lua/codex/result.lua",
    ["codex.start"] = "lua/codex/start.lua",
    ["codex.subscription"] = "lua/codex/subscription.lua",
    ["codex.task"] = "lua/codex/task.lua",
    ["codex.testing.home"] = "lua/codex/testing/home.lua",
    ["codex.testing.model"] = "lua/codex/testing/model.lua",
    ["codex.thread"] = "lua/codex/thread.lua",
    ["codex.timers"] = "lua/codex/timers.lua",
    ["codex.turn"] = "lua/codex/turn.lua",
  },
}
