/* Terminals, to ask a person at. Settings of the terminal are never changed here. */
#include "binding.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static int fail(lua_State *L, int status) {
  lua_pushnil(L);
  lua_pushstring(L, strerror(status));
  return 2;
}

/* terminal_open(path) -> a descriptor of its own, which never blocks, for reading; nil and why when the path
 * isn't that of a terminal */
static int terminal_open(lua_State *L) {
  int fd = open(luaL_checkstring(L, 1), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return fail(L, errno);
  if (!isatty(fd)) {
    close(fd);
    return fail(L, ENOTTY);
  }
  lua_pushinteger(L, fd);
  return 1;
}

static int terminal_close(lua_State *L) {
  close((int)luaL_checkinteger(L, 1));
  return 0;
}

/* terminal_read(descriptor) -> what was typed, in whole lines mostly; "" when there is nothing yet; nil at
 * the end, which a later read may find again or not */
static int terminal_read(lua_State *L) {
  char text[4096];
  ssize_t length = read((int)luaL_checkinteger(L, 1), text, sizeof text);
  if (length == 0) return 0;
  if (length < 0 && errno != EAGAIN && errno != EINTR) return 0;
  lua_pushlstring(L, text, length < 0 ? 0 : (size_t)length);
  return 1;
}

/* terminal_forget(descriptor): what was typed and not read yet */
static int terminal_forget(lua_State *L) {
  tcflush((int)luaL_checkinteger(L, 1), TCIFLUSH);
  return 0;
}

/* terminal_is_ours(descriptor) -> whether this process may read from it: in the background it would be
 * stopped. Without job control everybody may. */
static int terminal_is_ours(lua_State *L) {
  pid_t foreground = tcgetpgrp((int)luaL_checkinteger(L, 1));
  lua_pushboolean(L, foreground < 0 || foreground == getpgrp());
  return 1;
}

/* terminal_columns(descriptor) -> how many, or nil */
static int terminal_columns(lua_State *L) {
  struct winsize size;
  if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

void cx_open_terminal(lua_State *L) {
  static const luaL_Reg functions[] = {{"terminal_open", terminal_open},
                                       {"terminal_close", terminal_close},
                                       {"terminal_read", terminal_read},
                                       {"terminal_forget", terminal_forget},
                                       {"terminal_is_ours", terminal_is_ours},
                                       {"terminal_columns", terminal_columns},
                                       {NULL, NULL}};
  cx_register(L, functions);
}
