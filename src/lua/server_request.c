/* The handle of a request of the server's. */
#include "codec.h"
#include "decode.h"

#include <string.h>

static codex_server_request *check_request(lua_State *L) {
  return cx_check_handle(L, 1, CX_SERVER_REQUEST);
}

static const cx_method *method_of(const codex_server_request *request) {
  codex_slice name = codex_server_request_method(request);
  return cx_schema_method(CX_METHOD_SERVER_REQUEST, name.bytes, name.length);
}

/* As codex_server_request_release: one that is open is answered safely. */
static int request_gc(lua_State *L) {
  void **handle = luaL_checkudata(L, 1, CX_SERVER_REQUEST);
  codex_server_request_release(*handle);
  *handle = NULL;
  return 0;
}

static int request_serial(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)codex_server_request_serial(check_request(L)));
  return 1;
}

static int request_method(lua_State *L) {
  cx_push_slice(L, codex_server_request_method(check_request(L)));
  return 1;
}

/* id() -> its id on the wire, a string or a number */
static int request_id(lua_State *L) {
  cx_push_json(L, codex_server_request_id(check_request(L)), 0);
  return 1;
}

static int request_params(lua_State *L) {
  const codex_server_request *request = check_request(L);
  const cx_method *method = method_of(request);
  cx_push_json(L, codex_server_request_params(request), method ? method->params : 0);
  return 1;
}

/* item() -> the item that it is about, as last told of; or nil */
static int request_item(lua_State *L) {
  codex_slice item = codex_server_request_item(check_request(L));
  cx_push_json(L, item, cx_params_member("item/started", "item"));
  return 1;
}

/* turn() -> the serial of the turn that it is asked for, or nil */
static int request_turn(lua_State *L) {
  uint64_t serial = codex_server_request_turn(check_request(L));
  if (serial == 0) return 0;
  lua_pushinteger(L, (lua_Integer)serial);
  return 1;
}

static int request_open(lua_State *L) {
  lua_pushboolean(L, codex_server_request_open(check_request(L)));
  return 1;
}

static int request_cancelled(lua_State *L) {
  lua_pushboolean(L, codex_server_request_cancelled(check_request(L)));
  return 1;
}

void cx_open_server_request(lua_State *L) {
  static const luaL_Reg methods[] = {{"serial", request_serial}, {"method", request_method},
                                     {"id", request_id},         {"params", request_params},
                                     {"item", request_item},     {"turn", request_turn},
                                     {"open", request_open},     {"cancelled", request_cancelled},
                                     {"release", request_gc},    {NULL, NULL}};
  cx_new_handle_type(L, CX_SERVER_REQUEST, methods, request_gc);
}

/* ---- methods of the client ---- */

int cx_client_next_server_request(lua_State *L) {
  codex_client *client = cx_check_handle(L, 1, CX_CLIENT);
  void **handle = cx_new_handle(L, CX_SERVER_REQUEST);
  *handle = codex_client_next_server_request(client);
  return *handle ? 1 : 0;
}

static int push_sent(lua_State *L, codex_error_kind kind) {
  if (kind == CODEX_ERROR_NO_MEMORY) return luaL_error(L, "not enough memory");
  lua_pushboolean(L, kind == CODEX_ERROR_NONE);
  if (kind == CODEX_ERROR_NONE) return 1;
  codex_error error = {.kind = kind};
  return 1 + cx_push_error(L, &error);
}

int cx_client_answer(lua_State *L) {
  codex_client *client = cx_check_handle(L, 1, CX_CLIENT);
  codex_server_request *request = cx_check_handle(L, 2, CX_SERVER_REQUEST);
  const char *label = luaL_optstring(L, 4, "answer");
  codex_slice result;
  lua_settop(L, 4);
  if (!cx_encode_part(L, 3, method_of(request), CX_PART_RESULT, label, &result)) {
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
  }
  return push_sent(L, codex_client_answer(client, request, result.bytes, result.length));
}

int cx_client_answer_safely(lua_State *L) {
  codex_client *client = cx_check_handle(L, 1, CX_CLIENT);
  codex_server_request *request = cx_check_handle(L, 2, CX_SERVER_REQUEST);
  return push_sent(L, codex_client_answer_safely(client, request));
}
