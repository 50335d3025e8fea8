/* What the Lua half needs of the system and of the core's tables. */
#include "encode.h"

#include "../core/request.h"
#include "../io/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* now() -> seconds since some fixed moment */
static int system_now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)cx_now());
  return 1;
}

static struct timespec to_timespec(double seconds) {
  if (seconds > 1e9) seconds = 1e9;
  struct timespec time = {.tv_sec = (time_t)seconds};
  time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
  return time;
}

static int wait_for(struct pollfd *fds, nfds_t count, double seconds) {
  struct timespec time = to_timespec(seconds < 0 ? 0 : seconds);
#if defined(__linux__)
  return ppoll(fds, count, seconds < 0 ? NULL : &time, NULL);
#else
  return poll(fds, count, seconds < 0 ? -1 : (int)(time.tv_sec * 1000 + (time.tv_nsec + 999999) / 1000000));
#endif
}

/* As many descriptors are watched without asking for memory. */
#define FEW 64

static void read_descriptors(lua_State *L, struct pollfd *fds, size_t count) {
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, 1, (int)i + 1);
    fds[i] = (struct pollfd){(int)lua_tointeger(L, -1), POLLIN, 0};
    lua_pop(L, 1);
  }
}

/* poll(list of descriptors, seconds or nil, list of as many booleans) -> how many are readable; the third
 * says which. nil when a signal came instead. Nothing is asked of Lua's memory: a finalizer that ran then
 * might do what is to be waited for. */
static int system_poll(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  double seconds = (double)luaL_optnumber(L, 2, -1);
  luaL_checktype(L, 3, LUA_TTABLE);
  size_t count = lua_rawlen(L, 1);
  luaL_argcheck(L, lua_rawlen(L, 3) == count, 3, "the lists differ in length");
  struct pollfd few[FEW], *fds = count > FEW ? malloc(count * sizeof *fds) : few;
  if (!fds) return luaL_error(L, "not enough memory");
  read_descriptors(L, fds, count);
  int ready = wait_for(fds, (nfds_t)count, seconds), problem = errno;
  for (size_t i = 0; i < count && ready >= 0; i++) {
    lua_pushboolean(L, fds[i].revents != 0);
    lua_rawseti(L, 3, (int)i + 1); /* there is one already, so this can't fail */
  }
  if (fds != few) free(fds);
  if (ready < 0) return problem == EINTR ? 0 : luaL_error(L, "poll: %s", strerror(problem));
  lua_pushinteger(L, ready);
  return 1;
}

/* cwd() -> the process's folder, or nil when it is gone */
static int system_cwd(lua_State *L) {
  char path[4096];
  lua_pushstring(L, getcwd(path, sizeof path));
  return 1;
}

/* unreadable(path) -> nil, or why the file can't be read */
static int system_unreadable(lua_State *L) {
  struct stat status;
  int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  int problem = fd < 0 || fstat(fd, &status) < 0 ? errno : S_ISDIR(status.st_mode) ? EISDIR : 0;
  if (fd >= 0) close(fd);
  if (problem == 0) return 0;
  lua_pushstring(L, strerror(problem));
  return 1;
}

typedef struct words {
  lua_State *L;
  int table;
} words;

static const char *word(const void *list, unsigned n) {
  const words *w = list;
  lua_rawgeti(w->L, w->table, (int)n + 1);
  const char *text = lua_tostring(w->L, -1);
  lua_pop(w->L, 1); /* the table keeps it */
  return text ? text : "";
}

/* nearest(name, list of names) -> the one most likely meant, or nil */
static int system_nearest(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  words list = {L, 2};
  lua_pushstring(L, cx_nearest(name, word, &list, (unsigned)lua_rawlen(L, 2)));
  return 1;
}

/* takes_long(method) -> whether its answer may take as long as what it runs */
static int system_takes_long(lua_State *L) {
  lua_pushboolean(L, cx_method_takes_long(luaL_checkstring(L, 1)));
  return 1;
}

/* fields(request method) -> { name = Lua name, … }, for the Lua names and the wire's, of its params, or nil
 * for a method the schema doesn't know
 */
static int system_fields(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 1, &length);
  const cx_method *method = cx_schema_method(CX_METHOD_REQUEST, name, length);
  if (!method) return 0;
  const cx_type *type = cx_schema_type(method->params);
  lua_newtable(L);
  for (unsigned n = 0; type->kind == CX_TYPE_STRUCT && n < type->count; n++) {
    const cx_field *field = cx_schema_field(type, n);
    const char *name_in_lua = cx_schema_string(field->name, NULL);
    lua_pushstring(L, name_in_lua);
    lua_setfield(L, -2, name_in_lua);
    lua_pushstring(L, name_in_lua);
    lua_setfield(L, -2, cx_schema_string(field->wire, NULL));
  }
  return 1;
}

static bool has_member(const cx_type *type, const char *wire) {
  unsigned hint = 0;
  return type->kind == CX_TYPE_STRUCT && cx_schema_find_wire(type, wire, strlen(wire), &hint) >= 0;
}

/* The one field of a struct that is an array; NULL where there is none or several. */
static const cx_field *only_array(const cx_type *type) {
  const cx_field *found = NULL;
  for (unsigned n = 0; n < type->count; n++) {
    const cx_field *field = cx_schema_field(type, n);
    if (cx_schema_type(field->type)->kind != CX_TYPE_ARRAY) continue;
    if (found) return NULL;
    found = field;
  }
  return found;
}

/* list_member(request method) -> for one whose answer comes in pages (a `cursor` goes in, a `nextCursor`
 * comes out), the Lua name of the result's list; nil for others */
static int system_list_member(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 1, &length);
  const cx_method *method = cx_schema_method(CX_METHOD_REQUEST, name, length);
  if (!method || !has_member(cx_schema_type(method->params), "cursor")) return 0;
  const cx_type *result = cx_schema_type(method->result);
  const cx_field *list = has_member(result, "nextCursor") ? only_array(result) : NULL;
  if (!list) return 0;
  lua_pushstring(L, cx_schema_string(list->name, NULL));
  return 1;
}

/* notifications() -> the methods of all notifications of the server's that the schema knows */
static int system_notifications(lua_State *L) {
  const cx_method *method;
  int count = 0;
  lua_newtable(L);
  for (unsigned i = 0; (method = cx_schema_method_at(i)) != NULL; i++) {
    if (method->kind != CX_METHOD_NOTIFICATION) continue;
    lua_pushstring(L, cx_schema_string(method->name, NULL));
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* methods() -> { [name in Lua] = method, … } of all requests that a client makes, `initialize` aside:
 * ["thread.turns_list"] = "thread/turns/list" */
static int system_methods(lua_State *L) {
  const cx_method *method;
  lua_newtable(L);
  for (unsigned i = 0; (method = cx_schema_method_at(i)) != NULL; i++) {
    const char *name = cx_schema_string(method->name, NULL);
    if (method->kind != CX_METHOD_REQUEST || strcmp(name, "initialize") == 0) continue;
    lua_pushstring(L, name);
    lua_setfield(L, -2, cx_schema_string(method->lua_name, NULL));
  }
  return 1;
}

void cx_open_system(lua_State *L) {
  static const luaL_Reg functions[] = {{"now", system_now},
                                       {"poll", system_poll},
                                       {"nearest", system_nearest},
                                       {"fields", system_fields},
                                       {"list_member", system_list_member},
                                       {"methods", system_methods},
                                       {"notifications", system_notifications},
                                       {"takes_long", system_takes_long},
                                       {"cwd", system_cwd},
                                       {"unreadable", system_unreadable},
                                       {NULL, NULL}};
  cx_register(L, functions);
}
