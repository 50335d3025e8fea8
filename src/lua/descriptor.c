/* Descriptors that belong to the Lua half. */
#include "binding.h"

#include "../io/alarm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTOR "codex.core.descriptor"

/* Pushes a descriptor that is still to be opened. */
static int *push_descriptor(lua_State *L) {
  int *fd = lua_newuserdata(L, sizeof *fd);
  *fd = -1;
  luaL_getmetatable(L, DESCRIPTOR);
  lua_setmetatable(L, -2);
  return fd;
}

static int opened(lua_State *L, const int *fd) {
  return *fd < 0 ? luaL_error(L, "can't open a descriptor: %s", strerror(errno)) : 1;
}

/* alarm() -> a descriptor that becomes readable when it was set to; raises when there can't be one */
static int descriptor_alarm(lua_State *L) {
  int *fd = push_descriptor(L);
  *fd = cx_alarm_open();
  return opened(L, fd);
}

int cx_client_descriptor(lua_State *L) {
  int watched = codex_client_fd(cx_check_handle(L, 1, CX_CLIENT));
  int *fd = push_descriptor(L);
  *fd = fcntl(watched, F_DUPFD_CLOEXEC, 0);
  return opened(L, fd);
}

static int *check_descriptor(lua_State *L) {
  return luaL_checkudata(L, 1, DESCRIPTOR);
}

/* fd() -> its number; -1 once it is closed */
static int descriptor_fd(lua_State *L) {
  lua_pushinteger(L, *check_descriptor(L));
  return 1;
}

/* set(seconds or nil): of an alarm */
static int descriptor_set(lua_State *L) {
  int status = cx_alarm_set(*check_descriptor(L), (double)luaL_optnumber(L, 2, -1));
  return status == 0 ? 0 : luaL_error(L, "can't set the alarm: %s", strerror(status));
}

static int descriptor_close(lua_State *L) {
  int *fd = check_descriptor(L);
  if (*fd >= 0) close(*fd);
  *fd = -1;
  return 0;
}

void cx_open_descriptor(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"fd", descriptor_fd}, {"set", descriptor_set}, {"close", descriptor_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"alarm", descriptor_alarm}, {NULL, NULL}};
  cx_new_handle_type(L, DESCRIPTOR, methods, descriptor_close);
  cx_register(L, functions);
}
