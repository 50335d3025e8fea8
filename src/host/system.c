/* Processes, paths and the end. */
#include "system.h"

#include "signals.h"

#include "../io/clock.h"
#include "../io/locate.h"

#include <lauxlib.h>
#include <lua.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char stdout_key[] = "codex.host.stdout";

/* ---- a copy of this program ---- */

typedef struct child_pipes {
  int in[2], out[2]; /* the child's input and output: read end, write end */
} child_pipes;

static int open_pipes(child_pipes *pipes) {
  if (pipe2(pipes->in, O_CLOEXEC) != 0) return errno;
  if (pipe2(pipes->out, O_CLOEXEC) == 0) return 0;
  int status = errno;
  close(pipes->in[0]);
  close(pipes->in[1]);
  return status;
}

/* A process group of its own, so that Ctrl-C at the terminal doesn't reach it; signals as they are by
 * default. */
static int spawn(const char *program, char **argv, const child_pipes *pipes, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipes->in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes->out[1], STDOUT_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  int status = posix_spawn(pid, program, &actions, &attributes, argv, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return status;
}

/* This program's path, malloc'ed. The link in /proc leads there even when the file has been replaced since.
 */
static char *own_program(const char *argv0) {
  static const char link[] = "/proc/self/exe";
  int status;
  return access(link, X_OK) == 0 ? strdup(link) : cx_find_program(argv0, &status);
}

/* The strings of the list at index 1, NULL-terminated, in memory of Lua's. */
static char **list_of_strings(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t count = lua_rawlen(L, 1);
  char **list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (lua_Integer)i + 1);
    /* posix_spawn wants char *, but doesn't write there; the table keeps the string */
    list[i] = (char *)luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  return list;
}

static int start(char **argv, child_pipes *pipes, pid_t *pid) {
  int status = open_pipes(pipes);
  if (status != 0) return status;
  char *program = own_program(argv[0]);
  status = program ? spawn(program, argv, pipes, pid) : ENOENT;
  free(program);
  close(pipes->in[0]);
  close(pipes->out[1]);
  if (status == 0) return 0;
  close(pipes->in[1]);
  close(pipes->out[0]);
  return status;
}

/* start(argv) -> pid, descriptor of its input, descriptor of its output; or nil and what went wrong */
static int system_start(lua_State *L) {
  child_pipes pipes;
  pid_t pid = -1;
  int status = start(list_of_strings(L), &pipes, &pid);
  if (status != 0) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(status));
    return 2;
  }
  lua_pushinteger(L, pid);
  lua_pushinteger(L, pipes.in[1]);
  lua_pushinteger(L, pipes.out[0]);
  return 3;
}

/* read_line(descriptor, seconds) -> the next line, cut short if it is a long one; or nil, when there is none,
 * and what went wrong: "late" if it didn't come in time, "signal" if a signal came first */
static int system_read_line(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  double deadline = cx_now() + luaL_checknumber(L, 2);
  char line[1024];
  size_t length = 0;
  while (length < sizeof line) {
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    double left = deadline - cx_now();
    int ready = poll(&waiting, 1, left > 0 ? (int)(left * 1000) + 1 : 0);
    if (ready <= 0) {
      lua_pushnil(L);
      lua_pushstring(L, ready == 0 ? "late" : "signal");
      return 2;
    }
    if (read(fd, line + length, 1) != 1) return 0;
    if (line[length] == '\n') break;
    length++;
  }
  lua_pushlstring(L, line, length);
  return 1;
}

static int system_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

/* wait(pid, seconds): until the process has ended, which it is made to after so long */
static int system_wait(lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  double deadline = cx_now() + luaL_checknumber(L, 2);
  while (cx_now() < deadline) {
    if (waitpid(pid, NULL, WNOHANG) != 0) return 0;
    poll(NULL, 0, 2);
  }
  kill(pid, SIGKILL);
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
    continue;
  return 0;
}

/* ---- paths and descriptors ---- */

/* folder(path) -> its absolute path, or nil and why it can't be used as a folder */
static int system_folder(lua_State *L) {
  struct stat entry;
  char *path = realpath(luaL_checkstring(L, 1), NULL);
  int status = !path || stat(path, &entry) != 0 ? errno : S_ISDIR(entry.st_mode) ? 0 : ENOTDIR;
  lua_pushstring(L, status == 0 ? path : NULL);
  free(path);
  if (status == 0) return 1;
  lua_pushstring(L, strerror(status));
  return 2;
}

/* is_terminal() -> whether stdin is one */
static int system_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(STDIN_FILENO));
  return 1;
}

/* ---- the end ---- */

static void keep_stdout(lua_State *L) {
  lua_getglobal(L, "io");
  lua_getfield(L, -1, "stdout");
  lua_setfield(L, LUA_REGISTRYINDEX, stdout_key);
  lua_pop(L, 1);
}

static bool stdout_is_open(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, stdout_key);
  const luaL_Stream *stream = luaL_testudata(L, -1, LUA_FILEHANDLE);
  lua_pop(L, 1);
  return !stream || stream->closef; /* a script may have closed it */
}

int cx_flush_stdout(lua_State *L, int status) {
  if (!stdout_is_open(L)) return status;
  bool failed_before = ferror(stdout) != 0;
  if (fflush(stdout) == 0 && !failed_before) return status;
  fprintf(stderr, "codex-lua: can't write to stdout%s%s\n", failed_before ? "" : ": ",
          failed_before ? "" : strerror(errno));
  return status ? status : 1;
}

/* exit(status): closes the state, so that nothing it holds is left behind; never returns */
static int system_exit(lua_State *L) {
  int status = cx_flush_stdout(L, (int)luaL_checkinteger(L, 1));
  cx_signals_end();
  lua_close(L);
  exit(status);
}

int cx_open_host_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", system_start},   {"read_line", system_read_line},
                                       {"close", system_close},   {"wait", system_wait},
                                       {"folder", system_folder}, {"is_terminal", system_is_terminal},
                                       {"exit", system_exit},     {NULL, NULL}};
  keep_stdout(L);
  luaL_newlib(L, functions);
  return 1;
}
