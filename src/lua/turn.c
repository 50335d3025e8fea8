/* The handles of turns and streams. */
#include "decode.h"

#include <string.h>

static codex_turn *check_turn(lua_State *L) {
  return cx_check_handle(L, 1, CX_TURN);
}

static int turn_gc(lua_State *L) {
  void **handle = luaL_checkudata(L, 1, CX_TURN);
  codex_turn_release(*handle);
  *handle = NULL;
  return 0;
}

static int turn_id(lua_State *L) {
  cx_push_slice(L, codex_turn_id(check_turn(L)));
  return 1;
}

static int turn_thread_id(lua_State *L) {
  cx_push_slice(L, codex_turn_thread_id(check_turn(L)));
  return 1;
}

static int turn_active_id(lua_State *L) {
  cx_push_slice(L, codex_turn_active_id(check_turn(L)));
  return 1;
}

static int turn_serial(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)codex_turn_serial(check_turn(L)));
  return 1;
}

/* state() -> "running", "completed" or "broken" */
static int turn_state(lua_State *L) {
  static const char *const names[] = {"running", "completed", "broken"};
  lua_pushstring(L, names[codex_turn_state_of(check_turn(L))]);
  return 1;
}

static int turn_started(lua_State *L) {
  lua_pushboolean(L, codex_turn_started(check_turn(L)));
  return 1;
}

/* watch("events", "started" or "end") */
static int turn_watch(lua_State *L) {
  static const char *const names[] = {"events", "started", "end", NULL};
  static const unsigned bits[] = {CODEX_WATCH_EVENTS, CODEX_WATCH_STARTED, CODEX_WATCH_END};
  codex_turn *turn = check_turn(L);
  codex_turn_watch(turn, bits[luaL_checkoption(L, 2, NULL, names)]);
  return 0;
}

static int turn_forget_events(lua_State *L) {
  codex_turn_forget_events(check_turn(L));
  return 0;
}

/* error() -> kind, code, message; or nil */
static int turn_error(lua_State *L) {
  return cx_push_error(L, codex_turn_error(check_turn(L)));
}

/* As cx_push_json, for what the turn may replace meanwhile: a finalizer of the user's can run the loop. */
static void push_copied_json(lua_State *L, codex_slice text, cx_type_id type) {
  cx_push_slice(L, text);
  if (!text.bytes) return;
  cx_push_json(L, (codex_slice){lua_tostring(L, -1), text.length}, type);
  lua_remove(L, -2);
}

/* collected() -> { items, final_response, prior_usage, first_usage, last_usage, completion } */
static int turn_collected(lua_State *L) {
  codex_turn *turn = check_turn(L);
  cx_type_id item = cx_params_member("item/completed", "item");
  cx_type_id usage = cx_params_member("thread/tokenUsage/updated", "tokenUsage");
  size_t count = codex_turn_item_count(turn);
  lua_createtable(L, 0, 6);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    cx_push_json(L, codex_turn_item(turn, i), item);
    lua_rawseti(L, -2, (int)i + 1);
  }
  lua_setfield(L, -2, "items");
  cx_push_slice(L, codex_turn_final_response(turn));
  lua_setfield(L, -2, "final_response");
  cx_push_json(L, codex_turn_prior_usage(turn), usage);
  lua_setfield(L, -2, "prior_usage");
  cx_push_json(L, codex_turn_first_usage(turn), usage);
  lua_setfield(L, -2, "first_usage");
  push_copied_json(L, codex_turn_last_usage(turn), usage);
  lua_setfield(L, -2, "last_usage");
  cx_push_json(L, codex_turn_completion(turn), cx_params_member("turn/completed", "turn"));
  lua_setfield(L, -2, "completion");
  return 1;
}

/* retrying() -> the error that the server told of last, if it is trying again since; or nil */
static int turn_retrying(lua_State *L) {
  push_copied_json(L, codex_turn_retrying(check_turn(L)), cx_params_member("error", "error"));
  return 1;
}

/* overtaken() -> whether, since this was last asked, a turn of its thread ended that should come after it */
static int turn_overtaken(lua_State *L) {
  lua_pushboolean(L, codex_turn_overtaken(check_turn(L)));
  return 1;
}

/* ---- streams ---- */

/* The method of the last event, since the next one mostly has the same. */
typedef struct stream_handle {
  codex_stream *stream;
  const cx_method *method;
  const char *name;
  size_t length;
} stream_handle;

/* Asked for each event, so without a search by name where it is the right type. */
static stream_handle *check_stream(lua_State *L) {
  stream_handle *handle = lua_touserdata(L, 1);
  bool known = handle && lua_getmetatable(L, 1) && lua_topointer(L, -1) == cx_get_scratch(L)->stream_type;
  if (!known) handle = luaL_checkudata(L, 1, CX_STREAM);
  lua_settop(L, 1);
  if (!handle->stream) luaL_argerror(L, 1, "was closed already");
  return handle;
}

static int stream_gc(lua_State *L) {
  stream_handle *handle = luaL_checkudata(L, 1, CX_STREAM);
  codex_stream_free(handle->stream);
  handle->stream = NULL;
  return 0;
}

static stream_handle *new_stream_handle(lua_State *L) {
  stream_handle *handle = lua_newuserdata(L, sizeof *handle);
  *handle = (stream_handle){0};
  luaL_getmetatable(L, CX_STREAM);
  lua_setmetatable(L, -2);
  return handle;
}

/* stream(list of methods or nil, whether for text) -> stream */
static int turn_stream(lua_State *L) {
  codex_turn *turn = check_turn(L);
  lua_settop(L, 3);
  const char **methods = lua_isnil(L, 2) ? NULL : cx_push_strings(L, 2);
  stream_handle *handle = new_stream_handle(L);
  handle->stream = codex_turn_stream(turn, (const char *const *)methods, lua_toboolean(L, 3));
  return handle->stream ? 1 : luaL_error(L, "not enough memory");
}

/* stream(list of methods or nil, thread id or nil, whether outside of turns only) -> stream */
int cx_client_stream(lua_State *L) {
  codex_client *client = cx_check_handle(L, 1, CX_CLIENT);
  lua_settop(L, 4);
  const char **methods = lua_isnil(L, 2) ? NULL : cx_push_strings(L, 2);
  codex_filter filter = {.methods = (const char *const *)methods,
                         .thread_id = luaL_optstring(L, 3, NULL),
                         .outside_turns = lua_toboolean(L, 4)};
  stream_handle *handle = new_stream_handle(L);
  handle->stream = codex_client_stream(client, &filter);
  return handle->stream ? 1 : luaL_error(L, "not enough memory");
}

/* serial(), watch(), stop(): of a stream of the connection */
static int stream_serial(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)codex_stream_serial(check_stream(L)->stream));
  return 1;
}

static int stream_watch(lua_State *L) {
  codex_stream_watch(check_stream(L)->stream);
  return 0;
}

static int stream_stop(lua_State *L) {
  codex_stream_stop(check_stream(L)->stream);
  return 0;
}

static const cx_method *method_of(stream_handle *handle, codex_slice name) {
  if (handle->name && handle->length == name.length && memcmp(handle->name, name.bytes, name.length) == 0)
    return handle->method;
  const cx_method *method = cx_schema_method(CX_METHOD_NOTIFICATION, name.bytes, name.length);
  if (method) {
    handle->method = method;
    handle->name = cx_schema_string(method->name, &handle->length);
  }
  return method;
}

/* nil, and why there is no event: "empty", "end", "broken" or "overflow" */
static int push_nothing(lua_State *L, codex_stream_result result) {
  static const char *const names[] = {"event", "empty", "end", "broken", "overflow"};
  if (result == CODEX_STREAM_NO_MEMORY) return luaL_error(L, "not enough memory");
  lua_pushnil(L);
  lua_pushstring(L, names[result]);
  return 2;
}

/* next() -> event; or nil, reason */
static int stream_next(lua_State *L) {
  stream_handle *handle = check_stream(L);
  codex_event event;
  codex_stream_result result = codex_stream_next(handle->stream, &event);
  if (result != CODEX_STREAM_EVENT) return push_nothing(L, result);
  const cx_method *method = method_of(handle, event.method);
  lua_createtable(L, 0, 3);
  if (method)
    cx_push_name(L, method->name);
  else
    lua_pushlstring(L, event.method.bytes, event.method.length);
  lua_setfield(L, -2, "method");
  cx_push_json(L, event.params, method ? method->params : 0);
  lua_setfield(L, -2, "params");
  lua_pushlstring(L, event.line.bytes, event.line.length);
  lua_setfield(L, -2, "raw");
  return 1;
}

/* next_text() -> text, item id; or nil, reason */
static int stream_next_text(lua_State *L) {
  codex_slice text, item_id;
  codex_stream_result result = codex_stream_next_text(check_stream(L)->stream, &text, &item_id);
  if (result != CODEX_STREAM_EVENT) return push_nothing(L, result);
  lua_pushlstring(L, text.length ? text.bytes : "", text.length);
  cx_push_id(L, 0, (codex_slice){item_id.length ? item_id.bytes : "", item_id.length});
  return 2;
}

void cx_open_turn(lua_State *L) {
  static const luaL_Reg turn_methods[] = {{"id", turn_id},
                                          {"thread_id", turn_thread_id},
                                          {"active_id", turn_active_id},
                                          {"serial", turn_serial},
                                          {"state", turn_state},
                                          {"started", turn_started},
                                          {"watch", turn_watch},
                                          {"forget_events", turn_forget_events},
                                          {"error", turn_error},
                                          {"collected", turn_collected},
                                          {"retrying", turn_retrying},
                                          {"overtaken", turn_overtaken},
                                          {"stream", turn_stream},
                                          {"release", turn_gc},
                                          {NULL, NULL}};
  static const luaL_Reg stream_methods[] = {{"next", stream_next},
                                            {"next_text", stream_next_text},
                                            {"serial", stream_serial},
                                            {"watch", stream_watch},
                                            {"stop", stream_stop},
                                            {"close", stream_gc},
                                            {NULL, NULL}};
  cx_new_handle_type(L, CX_TURN, turn_methods, turn_gc);
  cx_new_handle_type(L, CX_STREAM, stream_methods, stream_gc);
  luaL_getmetatable(L, CX_STREAM);
  cx_scratch *scratch = lua_touserdata(L, -5);
  scratch->stream_type = lua_topointer(L, -1);
  lua_pop(L, 1);
}
