#include "codec.h"

#include "decode.h"
#include "encode.h"

/* Refuses anything but an empty table or nil, for a method that takes no params. */
static bool check_nothing(lua_State *L, int index, const char *label) {
  if (lua_isnil(L, index)) return true;
  if (!lua_istable(L, index)) {
    lua_pushfstring(L, "%s: expected a table, got %s", label, luaL_typename(L, index));
    return false;
  }
  lua_pushnil(L);
  if (!lua_next(L, index)) return true;
  lua_pop(L, 1);
  const char *name = lua_type(L, -1) == LUA_TBOOLEAN ? "boolean" : lua_tostring(L, -1);
  lua_pushfstring(L, "%s: unknown option '%s' (it takes none)", label, name ? name : luaL_typename(L, -1));
  return false;
}

bool cx_encode_part(lua_State *L, int index, const cx_method *method, cx_part part, const char *label,
                    codex_slice *text) {
  *text = (codex_slice){NULL, 0};
  if (method && part == CX_PART_PARAMS && !method->has_params) return check_nothing(L, index, label);
  if (lua_isnil(L, index)) {
    lua_newtable(L);
    lua_replace(L, index);
  }
  cx_type_id type = !method ? 0 : part == CX_PART_PARAMS ? method->params : method->result;
  if (!cx_encode(L, index, type, label, CX_JSON_MAX_SENT_DEPTH)) return false;
  cx_buffer *scratch = &cx_get_scratch(L)->text;
  *text = (codex_slice){cx_buffer_bytes(scratch), cx_buffer_length(scratch)};
  return true;
}

/* ---- for Lua ---- */

/* The method of the kind and name that are arguments 1 and 2, NULL if the schema doesn't know it, and the
 * part that argument 3 names. */
static const cx_method *check_method(lua_State *L, cx_part *part) {
  static const char *const kinds[] = {"request", "notify", "notification", "server_request", NULL};
  static const char *const parts[] = {"params", "result", NULL};
  size_t length;
  cx_method_kind kind = (cx_method_kind)luaL_checkoption(L, 1, NULL, kinds);
  const char *name = luaL_checklstring(L, 2, &length);
  *part = (cx_part)luaL_checkoption(L, 3, NULL, parts);
  return cx_schema_method(kind, name, length);
}

/* encode(kind, method, "params" or "result", value, label) -> JSON text, or nothing where nothing is to be
 * sent; or nil, message for what the schema refuses */
static int codec_encode(lua_State *L) {
  cx_part part;
  codex_slice text;
  const cx_method *method = check_method(L, &part);
  const char *label = luaL_optstring(L, 5, lua_tostring(L, 2));
  lua_settop(L, 5);
  if (cx_encode_part(L, 4, method, part, label, &text)) {
    if (!text.bytes) return 0;
    cx_push_scratch(L);
    return 1;
  }
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* decode(kind, method, "params" or "result", text) -> true, value; or false, message, byte position from 1 */
static int codec_decode(lua_State *L) {
  cx_part part;
  codex_slice text;
  const cx_method *method = check_method(L, &part);
  text.bytes = luaL_checklstring(L, 4, &text.length);
  cx_type_id type = !method ? 0 : part == CX_PART_PARAMS ? method->params : method->result;
  return cx_push_decoded(L, text, type, CX_JSON_LENIENT);
}

void cx_open_codec(lua_State *L) {
  static const luaL_Reg functions[] = {{"encode", codec_encode}, {"decode", codec_decode}, {NULL, NULL}};
  cx_register(L, functions);
}
