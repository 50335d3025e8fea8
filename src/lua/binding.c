#include "binding.h"

#include <stdint.h>

void cx_push_scratch(lua_State *L) {
  cx_scratch *scratch = cx_get_scratch(L);
  cx_buffer outer = scratch->held; /* of a call that this one interrupts */
  scratch->held = scratch->text;
  cx_buffer_init(&scratch->text, SIZE_MAX);
  size_t length = cx_buffer_length(&scratch->held);
  lua_pushlstring(L, length ? cx_buffer_bytes(&scratch->held) : "", length);
  cx_buffer_free(&scratch->text);
  scratch->text = scratch->held;
  scratch->held = outer;
}

void cx_register(lua_State *L, const luaL_Reg *functions) {
  int table = lua_gettop(L);
  for (; functions->name; functions++) {
    for (int i = 3; i >= 1; i--)
      lua_pushvalue(L, table - i);
    lua_pushcclosure(L, functions->func, 3);
    lua_setfield(L, table, functions->name);
  }
}

void cx_new_handle_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc) {
  int module = lua_gettop(L);
  for (int i = 3; i >= 1; i--)
    lua_pushvalue(L, module - i);
  luaL_newmetatable(L, name);
  lua_newtable(L);
  /* the methods table goes where cx_register expects it: right above the upvalues */
  lua_insert(L, -2);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  cx_register(L, methods);
  lua_settop(L, module);
}

void **cx_new_handle(lua_State *L, const char *name) {
  void **handle = lua_newuserdata(L, sizeof *handle);
  *handle = NULL;
  luaL_getmetatable(L, name);
  lua_setmetatable(L, -2);
  return handle;
}

void *cx_check_handle(lua_State *L, int index, const char *name) {
  void **handle = luaL_checkudata(L, index, name);
  if (!*handle) luaL_argerror(L, index, "was released already");
  return *handle;
}

const char **cx_push_strings(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  index = lua_absindex(L, index);
  size_t count = lua_rawlen(L, index);
  const char **list = lua_newuserdata(L, (count + 1) * sizeof *list);
  for (size_t i = 0; i < count; i++) {
    lua_rawgeti(L, index, (int)i + 1);
    list[i] = luaL_checkstring(L, -1);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  return list;
}

void cx_push_slice(lua_State *L, codex_slice slice) {
  if (slice.bytes)
    lua_pushlstring(L, slice.bytes, slice.length);
  else
    lua_pushnil(L);
}

static const char *kind_name(codex_error_kind kind) {
  switch (kind) {
  case CODEX_ERROR_NONE: return NULL;
  case CODEX_ERROR_INVALID_ARGUMENT: return "invalid_argument";
  case CODEX_ERROR_SPAWN_FAILED: return "spawn_failed";
  case CODEX_ERROR_TRANSPORT_CLOSED: return "transport_closed";
  case CODEX_ERROR_PROTOCOL: return "protocol";
  case CODEX_ERROR_TIMEOUT: return "timeout";
  case CODEX_ERROR_CLOSED: return "closed";
  case CODEX_ERROR_OVERFLOW: return "overflow";
  case CODEX_ERROR_NO_MEMORY: return "no_memory";
  case CODEX_ERROR_RPC: return "rpc";
  }
  return "unknown";
}

int cx_push_error(lua_State *L, const codex_error *error) {
  lua_pushstring(L, kind_name(error->kind));
  lua_pushinteger(L, error->code);
  lua_pushstring(L, error->message);
  return 3;
}
