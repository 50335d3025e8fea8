/* Free-form JSON for users: the wire's own reader and writer. */
#include "decode.h"
#include "encode.h"

/* decode(text) -> true, value; or false, message, byte position from 1 */
static int json_decode(lua_State *L) {
  codex_slice text;
  text.bytes = luaL_checklstring(L, 1, &text.length);
  return cx_push_decoded(L, text, 0, CX_JSON_STRICT);
}

/* encode(value) -> text; or nil, message */
static int json_encode(lua_State *L) {
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  if (!cx_encode(L, 1, 0, NULL, CX_JSON_MAX_DEPTH)) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  cx_push_scratch(L);
  return 1;
}

/* array(table) -> the same table, marked as an array */
static int json_array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushvalue(L, CX_UPVALUE_ARRAY);
  lua_setmetatable(L, 1);
  return 1;
}

void cx_open_json(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"json_decode", json_decode}, {"json_encode", json_encode}, {"array", json_array}, {NULL, NULL}};
  cx_register(L, functions);
}
