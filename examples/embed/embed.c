/* A program with a loop of its own and Lua inside, in which scripts drive Codex without ever holding the
 * program up.
 *
 *     make build/examples/embed
 *     export LUA_PATH="lua/?.lua;lua/?/init.lua;;"
 *     build/examples/embed examples/embed/main.lua "Why is the sky blue?"
 *
 * The loop is poll(2) over descriptors and timers. Lua gets it as the global table `loop`, which is what
 * `codex.use_loop` takes. The program's own work, here to count, goes on while a turn runs. */
#include "codex_lua.h"

#include <lauxlib.h>
#include <lualib.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define MOST 64
#define TICK_SECONDS 0.01

/* A descriptor that is watched, or a moment that is waited for; function is a reference in the registry. */
typedef struct entry {
  int function; /* LUA_NOREF: the entry is free */
  int fd;
  double at;
} entry;

typedef struct loop {
  entry watches[MOST], timers[MOST];
  int wake; /* what is to be called as soon as may be, or LUA_NOREF */
  bool quit, failed;
} loop;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* ---- what Lua calls ---- */

static loop *loop_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* Takes an entry for the function that is argument 2, and answers its number to Lua. */
static entry *take_entry(lua_State *L, entry *entries) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  for (int i = 0; i < MOST; i++) {
    if (entries[i].function != LUA_NOREF) continue;
    lua_pushvalue(L, 2);
    entries[i].function = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushinteger(L, i);
    return &entries[i];
  }
  luaL_error(L, "more than %d at once", MOST);
  return NULL;
}

static int free_entry(lua_State *L, entry *entries) {
  lua_Integer i = luaL_checkinteger(L, 1);
  luaL_argcheck(L, i >= 0 && i < MOST, 1, "no such number");
  luaL_unref(L, LUA_REGISTRYINDEX, entries[i].function);
  entries[i].function = LUA_NOREF;
  return 0;
}

static int loop_watch(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  take_entry(L, loop_of(L)->watches)->fd = fd;
  return 1;
}

static int loop_unwatch(lua_State *L) {
  return free_entry(L, loop_of(L)->watches);
}

static int loop_timer(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  take_entry(L, loop_of(L)->timers)->at = now() + seconds;
  return 1;
}

static int loop_cancel(lua_State *L) {
  return free_entry(L, loop_of(L)->timers);
}

static int loop_wake(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  loop_of(L)->wake = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* quit(ok): ok is false if something went wrong */
static int loop_quit(lua_State *L) {
  loop_of(L)->quit = true;
  loop_of(L)->failed = !lua_toboolean(L, 1);
  return 0;
}

/* ---- the loop ---- */

/* Calls a function that Lua has given; it takes no arguments and doesn't raise. */
static void call(lua_State *L, int function) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, function);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return;
  fprintf(stderr, "embed: %s\n", lua_tostring(L, -1));
  lua_pop(L, 1);
}

static void call_due(lua_State *L, loop *own) {
  int wake = own->wake;
  own->wake = LUA_NOREF;
  if (wake != LUA_NOREF) call(L, wake);
  luaL_unref(L, LUA_REGISTRYINDEX, wake);
  for (int i = 0; i < MOST; i++) {
    int function = own->timers[i].function;
    if (function == LUA_NOREF || own->timers[i].at > now()) continue;
    own->timers[i].function = LUA_NOREF; /* it is for one time */
    call(L, function);
    luaL_unref(L, LUA_REGISTRYINDEX, function);
  }
}

static double next_moment(const loop *own, double tick) {
  double at = own->wake == LUA_NOREF ? tick : 0;
  for (int i = 0; i < MOST; i++)
    if (own->timers[i].function != LUA_NOREF && own->timers[i].at < at) at = own->timers[i].at;
  return at;
}

static void wait_and_call(lua_State *L, loop *own, double until) {
  struct pollfd fds[MOST];
  int count = 0, watch_of[MOST];
  double seconds = until - now();
  for (int i = 0; i < MOST; i++) {
    if (own->watches[i].function == LUA_NOREF) continue;
    watch_of[count] = i;
    fds[count++] = (struct pollfd){.fd = own->watches[i].fd, .events = POLLIN};
  }
  if (poll(fds, (nfds_t)count, seconds > 0 ? (int)(seconds * 1e3 + 0.999) : 0) <= 0) return;
  for (int i = 0; i < count; i++) {
    const entry *watch = &own->watches[watch_of[i]];
    /* an earlier one may have ended this one's watch */
    if (fds[i].revents && watch->function != LUA_NOREF && watch->fd == fds[i].fd) call(L, watch->function);
  }
}

static long run(lua_State *L, loop *own) {
  long ticks = 0;
  double tick = now() + TICK_SECONDS;
  while (!own->quit) {
    wait_and_call(L, own, next_moment(own, tick));
    call_due(L, own);
    for (; tick <= now(); tick += TICK_SECONDS)
      ticks++; /* the program's own work */
  }
  return ticks;
}

static void open_loop(lua_State *L, loop *own) {
  static const luaL_Reg functions[] = {{"watch", loop_watch}, {"unwatch", loop_unwatch},
                                       {"timer", loop_timer}, {"cancel", loop_cancel},
                                       {"wake", loop_wake},   {NULL, NULL}};
  *own = (loop){.wake = LUA_NOREF};
  for (int i = 0; i < MOST; i++)
    own->watches[i].function = own->timers[i].function = LUA_NOREF;
  luaL_newlibtable(L, functions);
  lua_pushlightuserdata(L, own);
  luaL_setfuncs(L, functions, 1);
  lua_setglobal(L, "loop");
  lua_pushlightuserdata(L, own);
  lua_pushcclosure(L, loop_quit, 1);
  lua_setglobal(L, "quit");
}

int main(int argc, char **argv) {
  loop own;
  if (argc < 2) {
    fprintf(stderr, "usage: %s SCRIPT [PROMPT]\n", argv[0]);
    return 2;
  }
  lua_State *L = luaL_newstate();
  if (!L) return 1;
  luaL_openlibs(L);
  luaL_requiref(L, "codex.core", luaopen_codex_core, 0);
  lua_settop(L, 0);
  open_loop(L, &own);
  int status = luaL_loadfile(L, argv[1]);
  if (status == LUA_OK) {
    lua_pushstring(L, argc > 2 ? argv[2] : "Say hello in one sentence.");
    status = lua_pcall(L, 1, 0, 0);
  }
  if (status != LUA_OK) {
    fprintf(stderr, "embed: %s\n", lua_tostring(L, -1));
    lua_close(L);
    return 1;
  }
  printf("\nThe program has counted to %ld meanwhile.\n", run(L, &own));
  lua_close(L);
  return own.failed ? 1 : 0;
}
