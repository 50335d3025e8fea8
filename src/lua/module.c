/* codex.core: the C half of the Lua module. */
#include "codex_lua.h"

#include "binding.h"

#include <stdint.h>

/* It is there for as long as its Lua state. */
static const void *find_vim_nil(lua_State *L) {
  int top = lua_gettop(L);
  const void *nil = NULL;
  lua_pushglobaltable(L);
  lua_pushliteral(L, "vim");
  lua_rawget(L, -2);
  if (lua_istable(L, -1)) {
    lua_pushliteral(L, "NIL");
    lua_rawget(L, -2);
    nil = lua_touserdata(L, -1);
  }
  lua_settop(L, top);
  return nil;
}

static int free_scratch(lua_State *L) {
  cx_scratch *scratch = lua_touserdata(L, 1);
  cx_buffer_free(&scratch->text);
  cx_buffer_free(&scratch->held);
  return 0;
}

static void push_scratch(lua_State *L) {
  cx_scratch *scratch = lua_newuserdata(L, sizeof *scratch);
  *scratch = (cx_scratch){.vim_nil = find_vim_nil(L)};
  cx_buffer_init(&scratch->text, SIZE_MAX);
  cx_buffer_init(&scratch->held, SIZE_MAX);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, free_scratch);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
}

/* One metatable a Lua state, so that every copy of the module in it marks arrays alike. */
static void push_array_mark(lua_State *L) {
  static const char name[] = "codex.array";
  luaL_newmetatable(L, name);
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
}

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int luaopen_codex_core(lua_State *L) {
  lua_settop(L, 0);
  push_scratch(L);
  lua_newtable(L);
  push_array_mark(L);
  lua_newtable(L);
  cx_open_json(L);
  cx_open_codec(L);
  cx_open_system(L);
  cx_open_terminal(L);
  cx_open_client(L);
  cx_open_descriptor(L);
  cx_open_request(L);
  cx_open_turn(L);
  cx_open_server_request(L);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "array_mark");
  lua_pushstring(L, cx_schema_version);
  lua_setfield(L, -2, "schema_version");
  return 1;
}
