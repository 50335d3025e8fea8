#include "encode.h"

#include "../core/json.h"
#include "kinds.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct encoder {
  lua_State *L;
  cx_buffer *out;
  cx_buffer *path; /* filled while a failure travels outwards */
  bool path_cut;
  unsigned depth;
  char reason[512];
} encoder;

/* Bytes of a path, and of one step in it, that a message shows. */
#define MAX_PATH 240
#define MAX_STEP 80

static bool write_value(encoder *e, int index, cx_type_id type);

__attribute__((format(printf, 2, 3))) static bool fail(encoder *e, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(e->reason, sizeof e->reason, format, arguments);
  va_end(arguments);
  return false;
}

/* The longest start of text, at most limit bytes, that doesn't end within a character. */
static size_t cut(const char *text, size_t length, size_t limit) {
  if (length <= limit) return length;
  while (limit > 0 && ((unsigned char)text[limit] & 0xC0) == 0x80)
    limit--;
  return limit;
}

/* Puts a step in front of the path. What makes it too long is lost at its inner end. */
static void fail_inside(encoder *e, const char *separator, const char *step, size_t length,
                        const char *close) {
  char text[MAX_STEP + 4];
  int added =
      snprintf(text, sizeof text, "%s%.*s%s", separator, (int)cut(step, length, MAX_STEP), step, close);
  if (cx_buffer_append(e->path, text, (size_t)added) != CX_OK) return;
  char *bytes = cx_buffer_bytes(e->path);
  size_t before = cx_buffer_length(e->path) - (size_t)added;
  size_t kept = cut(bytes, before, MAX_PATH - (size_t)added);
  e->path_cut |= kept < before;
  memmove(bytes + added, bytes, kept);
  memcpy(bytes, text, (size_t)added);
  e->path->end = e->path->start + (size_t)added + kept;
}

static bool written(encoder *e, int status) {
  if (status == CX_OK) return true;
  if (status == CX_ENOMEM) luaL_error(e->L, "not enough memory");
  return status == CX_EINVAL ? fail(e, "not valid UTF-8") : fail(e, "too large");
}

static bool write_text(encoder *e, const char *text) {
  return written(e, cx_buffer_append_string(e->out, text));
}

static const char *described(encoder *e, int index) {
  if (lua_type(e->L, index) == LUA_TLIGHTUSERDATA && !lua_touserdata(e->L, index)) return "null";
  return lua_typename(e->L, lua_type(e->L, index));
}

static bool is_null(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, index);
}

/* Whether a number is whole and in range, and which integer it is. */
static bool whole(lua_State *L, int index, int64_t *integer) {
#if CX_LUA_INTEGERS
  if (lua_isinteger(L, index)) {
    *integer = (int64_t)lua_tointeger(L, index);
    return true;
  }
#endif
  double number = (double)lua_tonumber(L, index);
  if (!(number >= -9223372036854775808.0 && number < 9223372036854775808.0) || number != floor(number))
    return false;
  *integer = (int64_t)number;
  return true;
}

static bool write_number(encoder *e, int index, bool integral) {
  int64_t integer;
  bool is_whole = whole(e->L, index, &integer);
  if (integral && !is_whole) return fail(e, "expected a whole number");
#if CX_LUA_INTEGERS
  if (!integral && !lua_isinteger(e->L, index)) is_whole = false;
#else
  if (fabs((double)lua_tonumber(e->L, index)) > 9007199254740992.0) is_whole = integral && is_whole;
#endif
  if (is_whole) return written(e, cx_json_write_integer(e->out, integer));
  double number = (double)lua_tonumber(e->L, index);
  if (!isfinite(number)) return fail(e, "JSON has no number for %s", number != number ? "nan" : "infinity");
  return written(e, cx_json_write_number(e->out, number));
}

static bool write_string(encoder *e, int index) {
  size_t length;
  const char *bytes = lua_tolstring(e->L, index, &length);
  return written(e, cx_json_write_string(e->out, bytes, length));
}

/* ---- tables ---- */

static bool has_array_mark(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  bool marked = lua_rawequal(L, -1, CX_UPVALUE_ARRAY);
  lua_pop(L, 1);
  return marked;
}

/* What a table's keys make it: 1 an array of *length, 0 an object (or empty), -1 neither. */
static int table_shape(lua_State *L, int index, size_t *length) {
  size_t count = 0, largest = 0, strings = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    int64_t key;
    if (lua_type(L, -2) == LUA_TSTRING) {
      strings++;
    } else if (lua_type(L, -2) == LUA_TNUMBER && whole(L, -2, &key) && key >= 1) {
      count++;
      if ((size_t)key > largest) largest = (size_t)key;
    } else {
      lua_pop(L, 2);
      return -1;
    }
  }
  *length = count;
  if (count == 0) return 0;
  return strings == 0 && largest == count ? 1 : -1;
}

static bool write_elements(encoder *e, int index, size_t length, cx_type_id element) {
  char step[32];
  if (!write_text(e, "[")) return false;
  for (size_t n = 1; n <= length; n++) {
    if (n > 1 && !write_text(e, ",")) return false;
    lua_rawgeti(e->L, index, (int)n);
    bool good = write_value(e, lua_gettop(e->L), element);
    lua_pop(e->L, 1);
    if (good) continue;
    int digits = snprintf(step, sizeof step, "%zu", n);
    fail_inside(e, "[", step, (size_t)digits, "]");
    return false;
  }
  return write_text(e, "]");
}

static bool is_empty(lua_State *L, int index) {
  lua_pushnil(L);
  if (!lua_next(L, index)) return true;
  lua_pop(L, 2);
  return false;
}

static bool write_array(encoder *e, int index, cx_type_id element) {
  size_t length = 0;
  int shape = table_shape(e->L, index, &length);
  if (shape < 0) return fail(e, "expected a list without holes");
  if (shape == 0 && !is_empty(e->L, index)) return fail(e, "expected a list, got a table with named members");
  return write_elements(e, index, length, element);
}

/* Writes `,"key":value` for the pair on top of the stack (key, value), the name as given. */
static bool write_member(encoder *e, const char *name, size_t length, cx_type_id type, bool *first) {
  int value = lua_gettop(e->L);
  if (!*first && !write_text(e, ",")) return false;
  *first = false;
  if (!written(e, cx_json_write_string(e->out, name, length)) || !write_text(e, ":")) return false;
  if (write_value(e, value, type)) return true;
  size_t key_length;
  const char *key = lua_tolstring(e->L, value - 1, &key_length);
  fail_inside(e, ".", key, key_length, "");
  return false;
}

static bool write_map(encoder *e, int index, cx_type_id element) {
  bool first = true;
  if (!write_text(e, "{")) return false;
  for (lua_pushnil(e->L); lua_next(e->L, index); lua_pop(e->L, 1)) {
    size_t length;
    if (lua_type(e->L, -2) != LUA_TSTRING) {
      fail(e, "expected names as keys, got a %s", lua_typename(e->L, lua_type(e->L, -2)));
      lua_pop(e->L, 2);
      return false;
    }
    const char *name = lua_tolstring(e->L, -2, &length);
    if (!write_member(e, name, length, element, &first)) {
      lua_pop(e->L, 2);
      return false;
    }
  }
  return write_text(e, "}");
}

static const char *field_name(const void *type, unsigned n) {
  return cx_schema_string(cx_schema_field(type, n)->name, NULL);
}

static bool fail_unknown(encoder *e, const cx_type *type, const char *name) {
  const char *nearest = cx_nearest(name, field_name, type, type->count);
  if (nearest) return fail(e, "unknown option '%.100s' (did you mean '%s'?)", name, nearest);
  return fail(e, "unknown option '%.100s'", name);
}

/* Pushes the table's member of that name, or nil. It is searched for, since making the name a Lua string
 * might collect garbage: a finalizer of the user's that encodes would write into the same buffer. */
static void push_member(lua_State *L, int index, const char *name, size_t length) {
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    size_t key_length;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &key_length) : NULL;
    if (!key || key_length != length || memcmp(key, name, length) != 0) continue;
    lua_remove(L, -2);
    return;
  }
  lua_pushnil(L);
}

/* Whether the table at index has the same field under its Lua name too. */
static bool named_twice(encoder *e, int index, const cx_field *field) {
  size_t length;
  const char *name = cx_schema_string(field->name, &length);
  push_member(e->L, index, name, length);
  bool twice = !lua_isnil(e->L, -1);
  lua_pop(e->L, 1);
  return twice;
}

/* Writes the pair on top of the stack, a member of the table at index. */
static bool write_field(encoder *e, int index, const cx_type *type, bool *first) {
  size_t length, wire_length;
  unsigned hint = 0;
  if (lua_type(e->L, -2) != LUA_TSTRING)
    return fail(e, "expected names as keys, got a %s", lua_typename(e->L, lua_type(e->L, -2)));
  const char *name = lua_tolstring(e->L, -2, &length);
  int n = cx_schema_find_name(type, name, length);
  bool by_wire_name = n < 0 && (n = cx_schema_find_wire(type, name, length, &hint)) >= 0;
  if (n < 0) return type->open ? write_member(e, name, length, 0, first) : fail_unknown(e, type, name);
  const cx_field *field = cx_schema_field(type, (unsigned)n);
  if (by_wire_name && named_twice(e, index, field))
    return fail(e, "'%s' and '%s' can't be given together", cx_schema_string(field->name, NULL), name);
  const char *wire = cx_schema_string(field->wire, &wire_length);
  if (!is_null(e->L, -1)) return write_member(e, wire, wire_length, field->type, first);
  if (!field->nullable && cx_schema_type(field->type)->kind != CX_TYPE_ANY) {
    fail(e, "null is not allowed here");
    fail_inside(e, ".", name, length, "");
    return false;
  }
  return write_member(e, wire, wire_length, 0, first);
}

static bool write_struct(encoder *e, int index, const cx_type *type) {
  bool first = true;
  if (!write_text(e, "{")) return false;
  for (lua_pushnil(e->L); lua_next(e->L, index); lua_pop(e->L, 1)) {
    if (!write_field(e, index, type, &first)) {
      lua_pop(e->L, 2);
      return false;
    }
  }
  return write_text(e, "}");
}

static const char *variant_name(const void *type, unsigned n) {
  return cx_schema_string(cx_schema_variant_tag(type, n), NULL);
}

static const char *value_name(const void *type, unsigned n) {
  return cx_schema_string(cx_schema_enum_value(type, n), NULL);
}

/* `'x', expected one of a, b, c (did you mean 'b'?)` */
static bool fail_value(encoder *e, const char *value, const char *(*get)(const void *, unsigned),
                       const cx_type *type) {
  fail(e, "got '%.60s', expected one of ", value);
  size_t used = strlen(e->reason);
  for (unsigned n = 0; n < type->count && used < sizeof e->reason; n++)
    used += (size_t)snprintf(e->reason + used, sizeof e->reason - used, "%s%s", n ? ", " : "", get(type, n));
  const char *nearest = cx_nearest(value, get, type, type->count);
  if (nearest && used < sizeof e->reason)
    snprintf(e->reason + used, sizeof e->reason - used, " (did you mean '%s'?)", nearest);
  return false;
}

static bool write_tagged(encoder *e, int index, const cx_type *type) {
  size_t length;
  const char *tag = cx_schema_string(type->tag, &length);
  push_member(e->L, index, tag, length);
  if (lua_type(e->L, -1) != LUA_TSTRING) {
    lua_pop(e->L, 1);
    return fail(e, "expected a table with a string in '%s'", tag);
  }
  const char *value = lua_tolstring(e->L, -1, &length);
  int n = cx_schema_find_variant(type, value, length);
  bool good = n >= 0;
  if (!good) {
    fail_value(e, value, variant_name, type);
    fail_inside(e, ".", tag, strlen(tag), "");
  }
  lua_pop(e->L, 1);
  return good && write_struct(e, index, cx_schema_type(cx_schema_variant_type(type, (unsigned)n)));
}

static bool write_free_table(encoder *e, int index) {
  size_t length = 0;
  int shape = table_shape(e->L, index, &length);
  if (shape < 0) return fail(e, "a table is either a list without holes or has only strings as keys");
  if (shape > 0 || has_array_mark(e->L, index)) return write_array(e, index, 0);
  return write_map(e, index, 0);
}

static bool write_table(encoder *e, int index, cx_type_id id) {
  const cx_type *type = cx_schema_type(id);
  switch (type->kind) {
  case CX_TYPE_ANY: return write_free_table(e, index);
  case CX_TYPE_ARRAY: return write_array(e, index, type->element);
  case CX_TYPE_MAP: return write_map(e, index, type->element);
  case CX_TYPE_STRUCT: return write_struct(e, index, type);
  case CX_TYPE_TAGGED: return write_tagged(e, index, type);
  default: return fail(e, "expected %s, got a table", cx_kind_name(type->kind));
  }
}

/* ---- values ---- */

/* Which alternative of a CHOICE a Lua value can be; the first one when none fits, for its error. */
static cx_type_id choose(encoder *e, int index, const cx_type *choice) {
  size_t length;
  int shape = lua_type(e->L, index) == LUA_TTABLE ? table_shape(e->L, index, &length) : -1;
  bool list = shape == 1 || (shape == 0 && has_array_mark(e->L, index));
  for (unsigned n = 0; n < choice->count; n++) {
    cx_type_id id = cx_schema_alternative(choice, n);
    if (cx_kind_accepts(cx_schema_type(id)->kind, lua_type(e->L, index), list)) return id;
  }
  return cx_schema_alternative(choice, 0);
}

static bool write_enum(encoder *e, int index, const cx_type *type) {
  size_t length, value_length;
  const char *value = lua_tolstring(e->L, index, &length);
  for (unsigned n = 0; n < type->count; n++) {
    const char *known = cx_schema_string(cx_schema_enum_value(type, n), &value_length);
    if (length == value_length && memcmp(value, known, length) == 0) return write_string(e, index);
  }
  return fail_value(e, value, value_name, type);
}

static bool write_scalar(encoder *e, int index, const cx_type *type) {
  switch (lua_type(e->L, index)) {
  case LUA_TBOOLEAN: return write_text(e, lua_toboolean(e->L, index) ? "true" : "false");
  case LUA_TNUMBER: return write_number(e, index, type->kind == CX_TYPE_INTEGER);
  case LUA_TSTRING: return type->kind == CX_TYPE_ENUM ? write_enum(e, index, type) : write_string(e, index);
  case LUA_TLIGHTUSERDATA:
    if (is_null(e->L, index)) return write_text(e, "null");
    break;
  default: break;
  }
  return fail(e, "a %s can't be sent", lua_typename(e->L, lua_type(e->L, index)));
}

static bool write_value(encoder *e, int index, cx_type_id id) {
  const cx_type *type = cx_schema_type(id);
  if (type->kind == CX_TYPE_CHOICE) {
    id = choose(e, index, type);
    type = cx_schema_type(id);
  }
  if (!cx_kind_accepts(type->kind, lua_type(e->L, index), true))
    return fail(e, "expected %s, got %s", cx_kind_name(type->kind), described(e, index));
  if (lua_type(e->L, index) != LUA_TTABLE) return write_scalar(e, index, type);
  if (e->depth == CX_JSON_MAX_DEPTH)
    return fail(e, "nested more than %d deep, or in a circle", CX_JSON_MAX_DEPTH);
  luaL_checkstack(e->L, 8, "nested too deeply");
  e->depth++;
  bool good = write_table(e, index, id);
  e->depth--;
  return good;
}

bool cx_encode(lua_State *L, int index, cx_type_id type, const char *label) {
  cx_scratch *scratch = cx_get_scratch(L);
  encoder e = {.L = L, .out = &scratch->text, .path = &scratch->path};
  index = lua_absindex(L, index);
  cx_buffer_clear(e.out);
  cx_buffer_clear(e.path);
  if (write_value(&e, index, type)) return true;
  codex_slice path = {cx_buffer_bytes(e.path), cx_buffer_length(e.path)};
  lua_pushlstring(L, path.length ? path.bytes : "", path.length); /* first, while the buffer holds it */
  lua_pushstring(L, label ? label : "");
  lua_insert(L, -2);
  lua_pushstring(L, e.path_cut ? "…: " : label || path.length ? ": " : "");
  lua_pushstring(L, e.reason);
  lua_concat(L, 4);
  return false;
}
