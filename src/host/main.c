/* codex-lua: runs Lua scripts that have the codex module at hand. From here it goes on in init.lua. */
#include "arguments.h"
#include "modules.h"
#include "signals.h"
#include "system.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define USAGE_ERROR 2

/* As in lua: the script at 0, its arguments from 1 on, what came before it below. */
static void set_arg(lua_State *L, const cx_arguments *arguments) {
  int zero = arguments->script < arguments->argc ? arguments->script : 0;
  lua_createtable(L, arguments->argc - zero, zero + 1);
  for (int i = 0; i < arguments->argc; i++) {
    lua_pushstring(L, arguments->argv[i]);
    lua_rawseti(L, -2, i - zero);
  }
  lua_setglobal(L, "arg");
}

/* A list of { name = , value = }. */
static void push_options(lua_State *L, const cx_arguments *arguments) {
  lua_createtable(L, arguments->option_count, 0);
  for (int i = 0; i < arguments->option_count; i++) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, arguments->options[i].name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, arguments->options[i].value);
    lua_setfield(L, -2, "value");
    lua_rawseti(L, -2, i + 1);
  }
}

/* { options = , script = , from_stdin = , program = } */
static void push_arguments(lua_State *L, const cx_arguments *arguments) {
  lua_createtable(L, 0, 4);
  push_options(L, arguments);
  lua_setfield(L, -2, "options");
  lua_pushstring(L, arguments->script < arguments->argc ? arguments->argv[arguments->script] : NULL);
  lua_setfield(L, -2, "script");
  lua_pushboolean(L, arguments->from_stdin);
  lua_setfield(L, -2, "from_stdin");
  lua_pushstring(L, arguments->argc > 0 ? arguments->argv[0] : "codex-lua");
  lua_setfield(L, -2, "program");
}

static int protected_main(lua_State *L) {
  const cx_arguments *arguments = lua_touserdata(L, 1);
  luaL_checkversion(L);
  if (cx_arguments_have(arguments, "-E")) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV"); /* for the libraries */
  }
  luaL_openlibs(L);
  cx_preload_modules(L);
  set_arg(L, arguments);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "codex.host");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  push_arguments(L, arguments);
  lua_call(L, 1, 1);
  return 1;
}

static int run(lua_State *L, cx_arguments *arguments) {
  lua_pushcfunction(L, protected_main);
  lua_pushlightuserdata(L, arguments);
  int failed = lua_pcall(L, 1, 1, 0) != LUA_OK;
  if (failed) fprintf(stderr, "codex-lua: %s\n", luaL_tolstring(L, -1, NULL));
  return cx_flush_stdout(L, failed ? 1 : (int)lua_tointeger(L, -1));
}

static int run_in_new_state(cx_arguments *arguments) {
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("codex-lua: out of memory\n", stderr);
    return 1;
  }
  int status = run(L, arguments);
  cx_signals_end();
  lua_close(L);
  return status;
}

static int show_usage(void) {
  return fputs(cx_usage, stdout) < 0 || fflush(stdout) != 0;
}

static int usage_error(const cx_arguments *arguments) {
  fprintf(stderr, "codex-lua: %s\nTry 'codex-lua --help' for more information.\n", arguments->problem);
  return USAGE_ERROR;
}

/* Or else a pipe of ours could get the number of a closed stdout, and what scripts print would go there. */
static void open_standard_descriptors(void) {
  int fd;
  do
    fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

int main(int argc, char **argv) {
  cx_arguments arguments;
  int status;
  open_standard_descriptors();
  signal(SIGPIPE, SIG_IGN); /* a write that fails is reported where it is made */
  if (!cx_arguments_parse(&arguments, argc, argv))
    status = usage_error(&arguments);
  else if (cx_arguments_have(&arguments, "--help"))
    status = show_usage();
  else
    status = run_in_new_state(&arguments);
  free(arguments.options);
  return status;
}
