/* The handle of a request. */
#include "decode.h"

#include <string.h>

static codex_request *check_request(lua_State *L) {
  return cx_check_handle(L, 1, CX_REQUEST);
}

static int request_gc(lua_State *L) {
  void **handle = luaL_checkudata(L, 1, CX_REQUEST);
  codex_request_release(*handle);
  *handle = NULL;
  return 0;
}

static int request_serial(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)codex_request_serial(check_request(L)));
  return 1;
}

static int request_done(lua_State *L) {
  lua_pushboolean(L, codex_request_done(check_request(L)));
  return 1;
}

static int request_method(lua_State *L) {
  lua_pushstring(L, codex_request_method(check_request(L)));
  return 1;
}

/* result() -> the decoded result of a request that succeeded */
static int request_result(lua_State *L) {
  codex_request *request = check_request(L);
  const char *name = codex_request_method(request);
  const cx_method *method = cx_schema_method(CX_METHOD_REQUEST, name, strlen(name));
  cx_push_json(L, codex_request_result(request), method ? method->result : 0);
  return 1;
}

/* error() -> kind, code, message, data of a request that failed; nil for one that didn't */
static int request_error(lua_State *L) {
  codex_request *request = check_request(L);
  const codex_error *error = codex_request_error(request);
  codex_slice object = codex_request_error_object(request);
  if (!object.bytes || error->kind != CODEX_ERROR_RPC) return cx_push_error(L, error);
  lua_settop(L, 1);
  cx_push_json(L, object, 0);
  cx_push_error(L, error);
  if (!lua_istable(L, 2)) return 3;
  lua_getfield(L, 2, "message"); /* whole, where the C message is cut */
  if (lua_type(L, -1) == LUA_TSTRING && lua_rawlen(L, -1) > 0) lua_replace(L, -2);
  lua_settop(L, 5);
  lua_getfield(L, 2, "data");
  return 4;
}

/* turn() -> the turn it started, or nil; whether it joined one that was running */
static int request_turn(lua_State *L) {
  codex_request *request = check_request(L);
  void **handle = cx_new_handle(L, CX_TURN);
  *handle = codex_request_turn(request);
  if (!*handle) lua_pushnil(L);
  lua_pushboolean(L, codex_request_joined(request));
  return 2;
}

void cx_open_request(lua_State *L) {
  static const luaL_Reg methods[] = {{"serial", request_serial}, {"method", request_method},
                                     {"done", request_done},     {"result", request_result},
                                     {"error", request_error},   {"turn", request_turn},
                                     {"release", request_gc},    {NULL, NULL}};
  cx_new_handle_type(L, CX_REQUEST, methods, request_gc);
}
