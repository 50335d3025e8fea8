/* A signal becomes a byte in a pipe, which the event loop watches: Lua handles it between two steps of its
 * own, like any other event.
 *
 * A script that computes and never waits doesn't get there. For it the handler also sets a hook, as lua.c
 * does; hooks belong to a coroutine, so coroutine.resume and coroutine.wrap are replaced by ones that note
 * which coroutine runs. (A count hook in all coroutines would need no such note, but makes every instruction
 * slower, signal or not.) Coroutines that C modules resume aren't noted: there the hook strikes when they
 * return.
 *
 * One Lua state only: a handler has nothing but global variables. */
#include "signals.h"

#include <lauxlib.h>
#include <lua.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A script that hasn't come to wait for so long after a signal is stopped where it is. */
#define STUCK_SECONDS 0.25

/* One that SIGTERM hasn't stopped by then is in a call that won't return soon: the process ends. After Ctrl-C
 * it doesn't: the call may be a program that the key was meant for. */
#define TERM_SECONDS 1.0

/* Signals closer together than this are one: timeout(1), for example, sends each to the process and its
 * group. */
#define SAME_SECONDS 0.1

#define HOOK_INSTRUCTIONS 1000

/* A call that began to wait just after the signal came would never hear of it, so it is told again, by a
 * signal that does nothing else, until Lua has taken the first. */
#define NUDGE SIGURG
#define NUDGE_NANOSECONDS 50000000

/* Key of the function that makes the error a stuck script is stopped with. */
static const char stuck_key[] = "codex.host.stuck";

static int pipe_ends[2] = {-1, -1};
static lua_State *volatile running;
static volatile sig_atomic_t pending; /* number of a signal that Lua hasn't taken yet, or 0 */
static volatile sig_atomic_t ending;  /* what is left to do must be done */
static volatile struct timespec pending_since;
static volatile sig_atomic_t terminated; /* SIGTERM has come: an alarm after it is about that */
static volatile sig_atomic_t told;       /* Lua has taken a signal, and says so itself */

static double seconds_pending(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)(now.tv_sec - pending_since.tv_sec) + (double)(now.tv_nsec - pending_since.tv_nsec) / 1e9;
}

/* ---- a script that doesn't wait ---- */

/* Our own code must not be stopped half-way: what it keeps would be torn. Its caller's turn comes soon. */
static int is_own_code(lua_State *L, lua_Debug *where) {
  lua_getinfo(L, "S", where);
  return strncmp(where->source, "@lua/codex/", 11) == 0 || strncmp(where->source, "@src/host/", 10) == 0;
}

static void on_hook(lua_State *L, lua_Debug *where) {
  if (!pending) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (seconds_pending() < STUCK_SECONDS || is_own_code(L, where)) return;
  lua_sethook(L, NULL, 0, 0);
  if (lua_getfield(L, LUA_REGISTRYINDEX, stuck_key) != LUA_TFUNCTION) luaL_error(L, "interrupted");
  lua_call(L, 0, 1);
  lua_error(L);
}

/* Setting a hook again would begin its count anew, for ever where coroutines are resumed often. */
static void hook_running(void) {
  lua_State *L = running;
  if (L && lua_gethook(L) != on_hook) lua_sethook(L, on_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

/* Calls what lies on the stack, which resumes co. Errors pass through here so that the note stays right. */
static int call_noting(lua_State *L, lua_State *co, int arguments) {
  lua_State *outer = running;
  running = co;
  if (pending) hook_running();
  int status = lua_pcall(L, arguments, LUA_MULTRET, 0);
  running = outer;
  if (pending) hook_running();
  return status;
}

/* Upvalue: the original coroutine.resume. */
static int noting_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  if (call_noting(L, co, lua_gettop(L) - 1) != LUA_OK) return lua_error(L);
  return lua_gettop(L);
}

/* Upvalues: a function that the original coroutine.wrap has made, and its coroutine. */
static int noting_wrapped(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  if (call_noting(L, lua_tothread(L, lua_upvalueindex(2)), lua_gettop(L) - 1) == LUA_OK) return lua_gettop(L);
  if (lua_type(L, -1) == LUA_TSTRING) { /* the original adds its caller's position, but sees only us */
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

/* Upvalue: the original coroutine.wrap. */
static int noting_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, 1, 1);
  if (!lua_getupvalue(L, 1, 1)) lua_pushnil(L);
  lua_pushcclosure(L, noting_wrapped, 2);
  return 1;
}

static void replace(lua_State *L, const char *name, lua_CFunction function) {
  lua_getfield(L, -1, name);
  lua_pushcclosure(L, function, 1);
  lua_setfield(L, -2, name);
}

static void note_coroutines(lua_State *L) {
  lua_getglobal(L, "coroutine");
  replace(L, "resume", noting_resume);
  replace(L, "wrap", noting_wrap);
  lua_pop(L, 1);
}

/* ---- signals ---- */

static int exit_status(int number) {
  return number == SIGALRM ? 124 : 128 + number;
}

/* Ends the process where Lua can't be asked any more. */
static void leave(int number) {
  if (terminated) number = SIGTERM;
  const char *words = number == SIGINT    ? "codex-lua: interrupted\n"
                      : number == SIGTERM ? "codex-lua: terminated\n"
                                          : "codex-lua: timed out\n";
  ssize_t written = write(STDERR_FILENO, words, strlen(words));
  (void)written;
  _exit(exit_status(number));
}

#if defined(__linux__)
static timer_t nudges;

static void set_nudges(long nanoseconds) {
  struct itimerspec often = {.it_value = {0, nanoseconds}, .it_interval = {0, nanoseconds}};
  timer_settime(nudges, 0, &often, NULL);
}

static bool make_nudges(void) {
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = NUDGE};
  return timer_create(CLOCK_MONOTONIC, &event, &nudges) == 0;
}
#else
static void set_nudges(long nanoseconds) {
  (void)nanoseconds;
}
static bool make_nudges(void) {
  return true;
}
#endif

/* A script that only ever waits in calls comes by few instructions, so the next one has to do. */
static void on_nudge(int number) {
  (void)number;
  lua_State *L = running;
  if (!pending)
    set_nudges(0);
  else if (pending == SIGTERM && !ending && seconds_pending() >= TERM_SECONDS)
    leave(SIGTERM);
  else if (L && seconds_pending() >= STUCK_SECONDS)
    lua_sethook(L, on_hook, LUA_MASKCOUNT, 1);
}

/* The second of two signals finds that Lua hasn't even seen the first: so Lua can't be asked any more. */
static void on_signal(int number) {
  int saved = errno;
  if (number == SIGTERM) terminated = 1;
  if (!pending) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pending_since.tv_sec = now.tv_sec;
    pending_since.tv_nsec = now.tv_nsec;
    pending = number;
    hook_running();
    set_nudges(NUDGE_NANOSECONDS);
  } else if (seconds_pending() >= SAME_SECONDS) {
    leave(number);
  }
  char byte = (char)number;
  ssize_t written = write(pipe_ends[1], &byte, 1); /* a full pipe holds enough signals */
  (void)written;
  errno = saved;
}

static void handle(int number, void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGINT);
  sigaddset(&action.sa_mask, SIGTERM);
  sigaddset(&action.sa_mask, SIGALRM);
  sigaction(number, &action, NULL); /* no SA_RESTART: waiting has to end */
}

/* A finalizer, or a program that a pipe is closed to, takes too long. */
static void on_late_alarm(int number) {
  if (!told) leave(number);
  _exit(exit_status(terminated ? SIGTERM : number));
}

void cx_signals_end(void) {
  running = NULL;
  set_nudges(0);
  handle(SIGINT, SIG_DFL);
  handle(SIGTERM, SIG_DFL);
  handle(SIGALRM, on_late_alarm);
}

/* ---- for Lua ---- */

/* start(stuck) -> descriptor that is readable when there is something to take. stuck makes the error that a
 * script which doesn't wait is stopped with. */
static int signals_start(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) return luaL_error(L, "pipe: %s", strerror(errno));
  if (!make_nudges()) return luaL_error(L, "timer_create: %s", strerror(errno));
  lua_settop(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, stuck_key);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  running = lua_tothread(L, -1);
  note_coroutines(L);
  handle(SIGINT, on_signal);
  handle(SIGTERM, on_signal);
  handle(SIGALRM, on_signal);
  handle(NUDGE, on_nudge);
  lua_pushinteger(L, pipe_ends[0]);
  return 1;
}

static const char *name_of(int number) {
  return number == SIGINT ? "interrupt" : number == SIGTERM ? "terminate" : "timeout";
}

/* take() -> "interrupt", "terminate", "timeout": the next signal that came, or nil */
static int signals_take(lua_State *L) {
  char byte;
  pending = 0;
  set_nudges(0); /* or one would interrupt, and thereby lose, what is written about the signal */
  if (read(pipe_ends[0], &byte, 1) != 1) return 0;
  told = 1;
  lua_pushstring(L, name_of(byte));
  return 1;
}

static struct timeval to_timeval(double seconds) {
  if (seconds > 1e9) seconds = 1e9;
  struct timeval time = {.tv_sec = (time_t)seconds};
  time.tv_usec = (suseconds_t)((seconds - (double)time.tv_sec) * 1e6);
  if (time.tv_sec == 0 && time.tv_usec == 0) time.tv_usec = 1;
  return time;
}

/* begin_end(): from now on it takes two signals to end the process */
static int signals_begin_end(lua_State *L) {
  (void)L;
  ending = 1;
  return 0;
}

/* alarm(seconds, interval): "timeout" comes then, and again after each interval */
static int signals_alarm(lua_State *L) {
  struct itimerval timer = {.it_value = to_timeval(luaL_checknumber(L, 1)),
                            .it_interval = to_timeval(luaL_checknumber(L, 2))};
  setitimer(ITIMER_REAL, &timer, NULL);
  return 0;
}

/* ignore_interrupts(): for the scripted model, which outlives a Ctrl-C */
static int signals_ignore_interrupts(lua_State *L) {
  (void)L;
  handle(SIGINT, SIG_IGN);
  return 0;
}

int cx_open_host_signals(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", signals_start},
                                       {"take", signals_take},
                                       {"begin_end", signals_begin_end},
                                       {"alarm", signals_alarm},
                                       {"ignore_interrupts", signals_ignore_interrupts},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushnumber(L, SAME_SECONDS);
  lua_setfield(L, -2, "same_seconds");
  return 1;
}
