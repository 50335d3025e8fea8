/* The module in more than one Lua state, and in states that run out of memory.
 *
 *     states HOW MODE COUNT SCRIPT [ARGUMENT…]
 *
 * HOW is `static` (the C half linked in, as luaopen_codex_core) or `shared` (what LUA_CPATH has). Every state
 * runs SCRIPT with its own number, from 1 on, and the arguments. What is left open when it is over has to end
 * with the state: no child and no descriptor may be there afterwards. MODE:
 *
 * - `beside`: COUNT states in one thread. SCRIPT returns a function that does a little and answers whether
 * all is done; those of all states are called in turn.
 * - `threads`: COUNT states, each in a thread of its own, all at once.
 * - `starve`: one state after the other. SCRIPT returns a function. From an allocation on, each time a later
 * one, COUNT of them fail while it runs, until it comes to its end without. Prints how often it failed. */
#include "codex_lua.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct {
  bool shared;
  const char *script, *const *arguments;
  int argument_count;
} given;

static void die(const char *what, const char *message) {
  fprintf(stderr, "states: %s: %s\n", what, message ? message : "?");
  exit(1);
}

static int open_descriptors(void) {
  DIR *folder = opendir("/proc/self/fd");
  if (!folder) die("/proc/self/fd", "can't be read");
  int count = 0;
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static void check_nothing_is_left(int descriptors) {
  if (waitpid(-1, NULL, WNOHANG) != -1) die("a state is closed", "but a child of it is left");
  if (open_descriptors() != descriptors) die("a state is closed", "but a descriptor of it is left");
}

/* ---- memory that ends ---- */

typedef struct budget {
  bool counting;
  long used;          /* allocations while counting */
  long first, beyond; /* those that fail: from one on, before another */
  bool failed;
} budget;

static void *allocate(void *user, void *block, size_t old_size, size_t size) {
  budget *b = user;
  if (size == 0) {
    free(block);
    return NULL;
  }
  bool grows = !block || size > old_size;
  if (grows && b->counting && b->used++ >= b->first && b->used <= b->beyond) {
    b->failed = true;
    return NULL;
  }
  return realloc(block, size);
}

/* ---- a state ---- */

static const char *message_of(lua_State *L) {
  if (luaL_getmetafield(L, -1, "__tostring")) {
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 1, 0) != 0) return "an error that can't be told";
  }
  return lua_tostring(L, -1);
}

static void call(lua_State *L, int arguments, int results) {
  if (lua_pcall(L, arguments, results, 0) != 0) die("a script", message_of(L));
}

static void prepare(lua_State *L) {
  luaL_openlibs(L);
  if (given.shared) return;
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_codex_core);
  lua_setfield(L, -2, "codex.core");
  lua_pop(L, 2);
}

static void run_script(lua_State *L, int number, int results) {
  if (luaL_loadfile(L, given.script) != 0) die("a script", message_of(L));
  lua_pushinteger(L, number);
  for (int i = 0; i < given.argument_count; i++)
    lua_pushstring(L, given.arguments[i]);
  call(L, given.argument_count + 1, results);
}

static lua_State *open_state(void) {
  lua_State *L = luaL_newstate();
  if (!L) die("a state", "no memory");
  prepare(L);
  return L;
}

/* ---- the modes ---- */

static bool step(lua_State *L) {
  lua_pushvalue(L, 1);
  call(L, 0, 1);
  bool done = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return done;
}

static void beside(int count) {
  lua_State **states = calloc((size_t)count, sizeof *states);
  bool *done = calloc((size_t)count, sizeof *done);
  if (!states || !done) die("states", "no memory");
  for (int i = 0; i < count; i++) {
    states[i] = open_state();
    run_script(states[i], i + 1, 1);
  }
  for (int open = count; open > 0;) {
    for (int i = 0; i < count; i++) {
      if (done[i] || !step(states[i])) continue;
      done[i] = true;
      open--;
    }
  }
  for (int i = 0; i < count; i++)
    lua_close(states[i]);
  free(states);
  free(done);
}

static void *run_thread(void *number) {
  lua_State *L = open_state();
  run_script(L, *(int *)number, 0);
  lua_close(L);
  return NULL;
}

static void threads(int count) {
  pthread_t *ids = calloc((size_t)count, sizeof *ids);
  int *numbers = calloc((size_t)count, sizeof *numbers);
  if (!ids || !numbers) die("threads", "no memory");
  for (int i = 0; i < count; i++) {
    numbers[i] = i + 1;
    if (pthread_create(&ids[i], NULL, run_thread, &numbers[i]) != 0) die("threads", "one can't be started");
  }
  for (int i = 0; i < count; i++)
    pthread_join(ids[i], NULL);
  free(ids);
  free(numbers);
}

/* Answers whether the first function came to its end without any allocation that failed. */
static bool starve_once(long first, int count, long *raised) {
  int descriptors = open_descriptors();
  budget b = {.first = first, .beyond = first + count};
  lua_State *L = lua_newstate(allocate, &b);
  if (!L) die("a state", "this Lua takes no allocator");
  prepare(L);
  run_script(L, 1, 1);
  b.counting = true;
  int status = lua_pcall(L, 0, 0, 0);
  b.counting = false;
  if (status != 0 && !b.failed) die("a script", message_of(L));
  if (status != 0) ++*raised;
  lua_close(L);
  check_nothing_is_left(descriptors);
  return !b.failed;
}

/* The first allocations one by one, then ever fewer of them: there are thousands. */
static void starve(int count) {
  long first = 0, rounds = 0, raised = 0;
  while (!starve_once(first, count, &raised)) {
    first += 1 + first / 16;
    rounds++;
  }
  printf("%ld of %ld raised\n", raised, rounds);
}

int main(int argc, char **argv) {
  if (argc < 5) die("usage", "states static|shared beside|threads|starve COUNT SCRIPT [ARGUMENT...]");
  given.shared = strcmp(argv[1], "shared") == 0;
  given.script = argv[4];
  given.arguments = (const char *const *)argv + 5;
  given.argument_count = argc - 5;
  int count = atoi(argv[3]), descriptors = open_descriptors();
  if (strcmp(argv[2], "beside") == 0)
    beside(count);
  else if (strcmp(argv[2], "threads") == 0)
    threads(count);
  else if (strcmp(argv[2], "starve") == 0)
    starve(count);
  else
    die("no such mode", argv[2]);
  check_nothing_is_left(descriptors);
  return 0;
}
