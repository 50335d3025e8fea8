/* The client handle. */
#include "codec.h"

#include <string.h>

static codex_client *check_client(lua_State *L) {
  return cx_check_handle(L, 1, CX_CLIENT);
}

/* ---- starting ---- */

/* As cx_push_strings; NULL when the field is nil. */
static const char **list_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  return lua_isnil(L, -1) ? NULL : cx_push_strings(L, -1);
}

static const char *string_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  return lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
}

static void read_options(lua_State *L, int index, codex_options *options) {
  codex_options_init(options);
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 16, NULL);
  options->codex_bin = string_field(L, index, "codex_bin");
  options->cwd = string_field(L, index, "cwd");
  options->arguments = (const char *const *)list_field(L, index, "arguments");
  options->config = (const char *const *)list_field(L, index, "config");
  options->env = (const char *const *)list_field(L, index, "env");
  lua_getfield(L, index, "shared_group");
  options->shared_group = lua_toboolean(L, -1);
  options->server_requests = true;
  lua_getfield(L, index, "max_in_flight");
  if (!lua_isnil(L, -1)) options->max_in_flight = (unsigned)luaL_checkinteger(L, -1);
  lua_getfield(L, index, "max_line");
  if (!lua_isnil(L, -1)) options->max_line = (size_t)luaL_checkinteger(L, -1);
  lua_getfield(L, index, "max_unread");
  if (!lua_isnil(L, -1)) options->max_unread = (size_t)luaL_checkinteger(L, -1);
}

/* start(options) -> client; or nil, kind, code, message */
static int client_start(lua_State *L) {
  codex_options options;
  codex_error error;
  void **handle = cx_new_handle(L, CX_CLIENT);
  read_options(L, 1, &options);
  *handle = codex_client_start(&options, &error);
  if (!*handle) {
    lua_pushnil(L);
    return 1 + cx_push_error(L, &error);
  }
  lua_pushvalue(L, 2);
  return 1;
}

static int client_gc(lua_State *L) {
  void **handle = luaL_checkudata(L, 1, CX_CLIENT);
  codex_client_free(*handle);
  *handle = NULL;
  return 0;
}

/* ---- moving along ---- */

static int client_fd(lua_State *L) {
  lua_pushinteger(L, codex_client_fd(check_client(L)));
  return 1;
}

static int client_deadline(lua_State *L) {
  double deadline = codex_client_deadline(check_client(L));
  if (deadline < 0) return 0;
  lua_pushnumber(L, (lua_Number)deadline);
  return 1;
}

static int client_dispatch(lua_State *L) {
  codex_client_dispatch(check_client(L));
  return 0;
}

/* next_ready() -> "request", "turn", "stream", "closed" or "server_request", serial; or nothing */
static int client_next_ready(lua_State *L) {
  codex_ready ready;
  if (!codex_client_next_ready(check_client(L), &ready)) return 0;
  static const char *const names[] = {"none", "request", "turn", "stream", "closed", "server_request"};
  lua_pushstring(L, names[ready.kind]);
  lua_pushinteger(L, (lua_Integer)ready.serial);
  return 2;
}

static int client_shutdown(lua_State *L) {
  codex_client_shutdown(check_client(L), (double)luaL_checknumber(L, 2));
  return 0;
}

static int client_gone(lua_State *L) {
  lua_pushboolean(L, codex_client_gone(check_client(L)));
  return 1;
}

/* error() -> kind, code, message; or nil while the connection is open */
static int client_error(lua_State *L) {
  return cx_push_error(L, codex_client_error(check_client(L)));
}

static int client_stderr(lua_State *L) {
  cx_push_slice(L, codex_client_stderr(check_client(L)));
  return 1;
}

static int client_pid(lua_State *L) {
  lua_pushinteger(L, codex_client_pid(check_client(L)));
  return 1;
}

/* exit_status() -> status or nil, signal or nil */
static int client_exit_status(lua_State *L) {
  int status, signal;
  if (!codex_client_exit_status(check_client(L), &status, &signal)) return 0;
  if (status >= 0)
    lua_pushinteger(L, status);
  else
    lua_pushnil(L);
  if (signal <= 0) return 1;
  lua_pushinteger(L, signal);
  return 2;
}

static int client_statistics(lua_State *L) {
  const codex_statistics *s = codex_client_statistics(check_client(L));
  const struct {
    const char *name;
    uint64_t value;
  } counters[] = {{"lines", s->lines},
                  {"blank_lines", s->blank_lines},
                  {"invalid_lines", s->invalid_lines},
                  {"unknown_ids", s->unknown_ids},
                  {"notifications", s->notifications},
                  {"dropped_turns", s->dropped_turns},
                  {"server_requests", s->server_requests},
                  {"refused_requests", s->refused_requests},
                  {"answers", s->answers},
                  {"wakeups", s->wakeups}};
  lua_createtable(L, 0, sizeof counters / sizeof *counters);
  for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
    lua_pushinteger(L, (lua_Integer)counters[i].value);
    lua_setfield(L, -2, counters[i].name);
  }
  return 1;
}

/* ---- sending ---- */

/* As cx_encode_part, for the params at index of the method that argument 2 names. */
static bool encode_params(lua_State *L, int index, cx_method_kind kind, const char *label,
                          codex_slice *params) {
  size_t length;
  const char *name = lua_tolstring(L, 2, &length);
  return cx_encode_part(L, index, cx_schema_method(kind, name, length), CX_PART_PARAMS, label, params);
}

static int push_refusal(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* check(method, params, label) -> nil, or a message for params that the schema refuses */
static int client_check(lua_State *L) {
  codex_slice params;
  const char *method = luaL_checkstring(L, 2), *label = luaL_optstring(L, 4, method);
  lua_settop(L, 4);
  return encode_params(L, 3, CX_METHOD_REQUEST, label, &params) ? 0 : 1;
}

typedef enum send_kind { SEND_REQUEST, SEND_TURN, SEND_INITIALIZE } send_kind;

static int send(lua_State *L, send_kind kind) {
  codex_client *client = check_client(L);
  const char *method = luaL_checkstring(L, 2);
  double timeout = (double)luaL_optnumber(L, 4, -1);
  const char *label = luaL_optstring(L, 5, method);
  bool keep_events = lua_toboolean(L, 6);
  codex_slice params;
  lua_settop(L, 6);
  void **request = cx_new_handle(L, CX_REQUEST);
  if (!encode_params(L, 3, CX_METHOD_REQUEST, label, &params)) return push_refusal(L);
  if (kind == SEND_TURN)
    *request = codex_client_start_turn(client, method, params.bytes, params.length, timeout, keep_events);
  else if (kind == SEND_INITIALIZE)
    *request = codex_client_initialize(client, params.bytes, params.length, timeout);
  else
    *request = codex_client_request(client, method, params.bytes, params.length, timeout);
  return *request ? 1 : luaL_error(L, "not enough memory");
}

/* request(method, params, timeout, label) -> request; or nil, message for params the schema refuses */
static int client_request(lua_State *L) {
  return send(L, SEND_REQUEST);
}

/* start_turn(method, params, timeout, label, keep_events) -> the same */
static int client_start_turn(lua_State *L) {
  return send(L, SEND_TURN);
}

/* initialize("initialize", params, timeout, label) -> the same */
static int client_initialize(lua_State *L) {
  return send(L, SEND_INITIALIZE);
}

/* notify(method, params, label) -> true; or nil, message */
static int client_notify(lua_State *L) {
  codex_client *client = check_client(L);
  const char *method = luaL_checkstring(L, 2);
  const char *label = luaL_optstring(L, 4, method);
  codex_slice params;
  lua_settop(L, 4);
  if (!encode_params(L, 3, CX_METHOD_NOTIFY, label, &params)) return push_refusal(L);
  codex_error_kind kind = codex_client_notify(client, method, params.bytes, params.length);
  lua_pushboolean(L, kind == CODEX_ERROR_NONE);
  return 1;
}

/* turn(id, keep_events) -> the turn of that id, heard of or not */
static int client_turn(lua_State *L) {
  size_t length;
  codex_client *client = check_client(L);
  const char *id = luaL_checklstring(L, 2, &length);
  void **turn = cx_new_handle(L, CX_TURN);
  *turn = codex_client_turn(client, id, length, lua_toboolean(L, 3));
  return *turn ? 1 : luaL_error(L, "not enough memory");
}

/* idle(turn) -> how many seconds nothing has come of it; nil while it has a reason not to */
static int client_idle(lua_State *L) {
  codex_client *client = check_client(L);
  double idle = codex_client_idle(client, cx_check_handle(L, 2, CX_TURN));
  if (idle < 0) return 0;
  lua_pushnumber(L, (lua_Number)idle);
  return 1;
}

/* tell(line): as if the server had written it */
static int client_tell(lua_State *L) {
  size_t length;
  codex_client *client = check_client(L);
  const char *line = luaL_checklstring(L, 2, &length);
  codex_client_tell(client, line, length);
  return 0;
}

/* child_turn(root id) -> a turn that the agent started on behalf of that one and nobody has claimed, or nil
 */
static int client_child_turn(lua_State *L) {
  size_t length;
  codex_client *client = check_client(L);
  const char *root_id = luaL_checklstring(L, 2, &length);
  void **turn = cx_new_handle(L, CX_TURN);
  *turn = codex_client_child_turn(client, root_id, length);
  return *turn ? 1 : 0;
}

void cx_open_client(lua_State *L) {
  static const luaL_Reg functions[] = {{"start", client_start}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"fd", client_fd},
                                     {"deadline", client_deadline},
                                     {"dispatch", client_dispatch},
                                     {"next_ready", client_next_ready},
                                     {"shutdown", client_shutdown},
                                     {"gone", client_gone},
                                     {"error", client_error},
                                     {"stderr", client_stderr},
                                     {"pid", client_pid},
                                     {"exit_status", client_exit_status},
                                     {"statistics", client_statistics},
                                     {"check", client_check},
                                     {"request", client_request},
                                     {"start_turn", client_start_turn},
                                     {"initialize", client_initialize},
                                     {"notify", client_notify},
                                     {"turn", client_turn},
                                     {"child_turn", client_child_turn},
                                     {"descriptor", cx_client_descriptor},
                                     {"idle", client_idle},
                                     {"tell", client_tell},
                                     {"stream", cx_client_stream},
                                     {"next_server_request", cx_client_next_server_request},
                                     {"answer", cx_client_answer},
                                     {"answer_safely", cx_client_answer_safely},
                                     {"release", client_gc},
                                     {NULL, NULL}};
  cx_new_handle_type(L, CX_CLIENT, methods, client_gc);
  cx_register(L, functions);
}
