#include "encode.h"

#include "../core/json.h"
#include "kinds.h"
#include "refusal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct encoder {
  lua_State *L;
  cx_buffer *out;
  unsigned depth, max_depth;
  cx_refusal refusal; /* filled in when something fails */
} encoder;

static bool write_value(encoder *e, int index, cx_type_id type);

#define fail(e, ...) cx_refuse(&(e)->refusal, __VA_ARGS__)

static bool written(encoder *e, int status) {
  if (status == CX_OK) return true;
  if (status == CX_ENOMEM) luaL_error(e->L, "not enough memory");
  return status == CX_EINVAL ? fail(e, "not valid UTF-8") : fail(e, "too large");
}

static bool write_text(encoder *e, const char *text) {
  return written(e, cx_buffer_append_string(e->out, text));
}

static bool is_null(lua_State *L, int index) {
  switch (lua_type(L, index)) {
  case LUA_TLIGHTUSERDATA: return !lua_touserdata(L, index);
  case LUA_TUSERDATA: return lua_touserdata(L, index) == cx_get_scratch(L)->vim_nil;
  default: return false;
  }
}

/* The Lua type of a value, which is the same for each null. */
static int type_of(lua_State *L, int index) {
  return is_null(L, index) ? LUA_TLIGHTUSERDATA : lua_type(L, index);
}

static const char *type_name(lua_State *L, int index) {
  return is_null(L, index) ? "null" : luaL_typename(L, index);
}

static bool fail_type(encoder *e, int index, const cx_type *expected) {
  return cx_refuse_type(&e->refusal, expected, type_name(e->L, index));
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

static bool fail_number(encoder *e, double number) {
  if (number != number) return fail(e, "expected a whole number, got nan");
  return fail(e, "expected a whole number, got %.14g", number);
}

static bool write_number(encoder *e, int index, bool integral) {
  int64_t integer;
  bool is_whole = whole(e->L, index, &integer);
  if (integral && !is_whole) return fail_number(e, (double)lua_tonumber(e->L, index));
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
    cx_refuse_inside(&e->refusal, "[", step, (size_t)digits, "]");
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

static void fail_inside(encoder *e, const char *member, size_t length) {
  cx_refuse_inside(&e->refusal, ".", member, length, "");
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
  fail_inside(e, key, key_length);
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

/* Whether the table at index has a member of a name of the schema's. */
static bool has_member(encoder *e, int index, uint16_t name) {
  size_t length;
  const char *text = cx_schema_string(name, &length);
  push_member(e->L, index, text, length);
  bool has = !lua_isnil(e->L, -1);
  lua_pop(e->L, 1);
  return has;
}

/* How far the writing of a struct has come. */
typedef struct progress {
  bool first;        /* no member is written yet */
  unsigned fields;   /* so many fields are written, */
  unsigned required; /* so many of them that must be there */
} progress;

static bool write_null(encoder *e, const cx_field *field, const char *name, size_t length, progress *done) {
  size_t wire_length;
  const char *wire = cx_schema_string(field->wire, &wire_length);
  if (field->nullable || cx_schema_type(field->type)->kind == CX_TYPE_ANY)
    return write_member(e, wire, wire_length, 0, &done->first);
  fail(e, "null is not allowed here");
  fail_inside(e, name, length);
  return false;
}

/* Writes the pair on top of the stack, a member of the table at index. */
static bool write_field(encoder *e, int index, const cx_type *type, progress *done) {
  size_t length, wire_length;
  unsigned hint = 0;
  if (lua_type(e->L, -2) != LUA_TSTRING)
    return fail(e, "expected names as keys, got a %s", luaL_typename(e->L, -2));
  const char *name = lua_tolstring(e->L, -2, &length);
  int n = cx_schema_find_name(type, name, length);
  bool by_wire_name = n < 0 && (n = cx_schema_find_wire(type, name, length, &hint)) >= 0;
  if (n < 0 && type->open) return write_member(e, name, length, 0, &done->first);
  if (n < 0) return cx_refuse_unknown(&e->refusal, type, name, length);
  const cx_field *field = cx_schema_field(type, (unsigned)n);
  if (by_wire_name && has_member(e, index, field->name))
    return fail(e, "'%s' and '%s' can't be given together", cx_schema_string(field->name, NULL), name);
  done->fields++;
  done->required += field->required;
  if (is_null(e->L, -1)) return write_null(e, field, name, length, done);
  const char *wire = cx_schema_string(field->wire, &wire_length);
  return write_member(e, wire, wire_length, field->type, &done->first);
}

/* Whether the table at index has a field, under either of its names. */
static bool has_field(encoder *e, int index, const cx_field *field) {
  return has_member(e, index, field->name) || has_member(e, index, field->wire);
}

static bool fail_missing(encoder *e, int index, const cx_type *type) {
  unsigned n = 0;
  while (!cx_schema_field(type, n)->required || has_field(e, index, cx_schema_field(type, n)))
    n++;
  size_t length;
  const cx_field *field = cx_schema_field(type, n);
  const char *name = cx_schema_string(field->name, &length);
  cx_refuse_missing(&e->refusal, field);
  fail_inside(e, name, length);
  return false;
}

/* Whether all fields are written that must be. No field is written twice, so counting is enough. */
static bool is_complete(encoder *e, int index, const cx_type *type, const progress *done) {
  unsigned required = 0;
  for (unsigned n = 0; n < type->count; n++)
    required += cx_schema_field(type, n)->required;
  if (done->required < required) return fail_missing(e, index, type);
  if (type->single && done->fields != 1) return cx_refuse_count(&e->refusal, type, done->fields);
  return true;
}

static bool write_struct(encoder *e, int index, const cx_type *type) {
  progress done = {.first = true};
  if (!write_text(e, "{")) return false;
  for (lua_pushnil(e->L); lua_next(e->L, index); lua_pop(e->L, 1)) {
    if (!write_field(e, index, type, &done)) {
      lua_pop(e->L, 2);
      return false;
    }
  }
  return is_complete(e, index, type, &done) && write_text(e, "}");
}

/* The field that is a TAGGED type's tag. All of its variants have it. */
static const cx_field *tag_field(const cx_type *type) {
  size_t length;
  unsigned hint = 0;
  const char *wire = cx_schema_string(type->tag, &length);
  const cx_type *variant = cx_schema_type(cx_schema_variant_type(type, 0));
  return cx_schema_field(variant, (unsigned)cx_schema_find_wire(variant, wire, length, &hint));
}

/* Pushes the tag of the table at index, which is called as in Lua or as on the wire. Answers its name. */
static uint16_t push_tag(encoder *e, int index, const cx_type *type) {
  const cx_field *field = tag_field(type);
  uint16_t names[] = {field->name, field->wire};
  for (int i = 0; i < 2; i++) {
    size_t length;
    const char *name = cx_schema_string(names[i], &length);
    push_member(e->L, index, name, length);
    if (!lua_isnil(e->L, -1)) return names[i];
    lua_pop(e->L, 1);
  }
  lua_pushnil(e->L);
  return field->name;
}

static bool fail_tag(encoder *e, const cx_type *type, uint16_t name) {
  size_t length;
  const char *value = lua_type(e->L, -1) == LUA_TSTRING ? lua_tolstring(e->L, -1, &length) : NULL;
  if (value)
    cx_refuse_value(&e->refusal, type, type, value, length);
  else
    cx_refuse_tag(&e->refusal, type, lua_isnil(e->L, -1) ? NULL : type_name(e->L, -1));
  const char *step = cx_schema_string(name, &length);
  fail_inside(e, step, length);
  return false;
}

static bool write_tagged(encoder *e, int index, const cx_type *type) {
  size_t length;
  uint16_t name = push_tag(e, index, type);
  const char *value = lua_type(e->L, -1) == LUA_TSTRING ? lua_tolstring(e->L, -1, &length) : NULL;
  int n = value ? cx_schema_find_variant(type, value, length) : -1;
  if (n < 0) fail_tag(e, type, name);
  lua_pop(e->L, 1);
  return n >= 0 && write_struct(e, index, cx_schema_type(cx_schema_variant_type(type, (unsigned)n)));
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
  default: return fail_type(e, index, type);
  }
}

/* ---- values ---- */

/* Which alternative of a CHOICE the Lua value at index can be; -1 if none. */
static int alternative_for(encoder *e, int index, const cx_type *choice, bool list) {
  for (unsigned n = 0; n < choice->count; n++) {
    unsigned kind = cx_schema_type(cx_schema_alternative(choice, n))->kind;
    if (cx_kind_accepts(kind, type_of(e->L, index), list)) return (int)n;
  }
  return -1;
}

/* The type of a CHOICE that a Lua value has, CHOICE itself if none. */
static cx_type_id choose(encoder *e, int index, cx_type_id id) {
  const cx_type *choice = cx_schema_type(id);
  size_t length = 0;
  int shape = lua_type(e->L, index) == LUA_TTABLE ? table_shape(e->L, index, &length) : -1;
  int n = alternative_for(e, index, choice, shape == 1 || (shape == 0 && has_array_mark(e->L, index)));
  if (n < 0 && shape == 0 && is_empty(e->L, index)) n = alternative_for(e, index, choice, true);
  return n < 0 ? id : cx_schema_alternative(choice, (unsigned)n);
}

/* expected: the type, or the CHOICE that it is an alternative of. */
static bool write_enum(encoder *e, int index, const cx_type *type, const cx_type *expected) {
  size_t length, value_length;
  const char *value = lua_tolstring(e->L, index, &length);
  for (unsigned n = 0; n < type->count; n++) {
    const char *known = cx_schema_string(cx_schema_enum_value(type, n), &value_length);
    if (length == value_length && memcmp(value, known, length) == 0) return write_string(e, index);
  }
  return cx_refuse_value(&e->refusal, type, expected, value, length);
}

static bool write_scalar(encoder *e, int index, const cx_type *type, const cx_type *expected) {
  switch (type_of(e->L, index)) {
  case LUA_TBOOLEAN: return write_text(e, lua_toboolean(e->L, index) ? "true" : "false");
  case LUA_TNUMBER: return write_number(e, index, type->kind == CX_TYPE_INTEGER);
  case LUA_TSTRING:
    return type->kind == CX_TYPE_ENUM ? write_enum(e, index, type, expected) : write_string(e, index);
  case LUA_TLIGHTUSERDATA:
    if (is_null(e->L, index)) return write_text(e, "null");
    break;
  default: break;
  }
  return fail(e, "a %s can't be sent", luaL_typename(e->L, index));
}

static bool write_value(encoder *e, int index, cx_type_id id) {
  const cx_type *expected = cx_schema_type(id);
  if (expected->kind == CX_TYPE_CHOICE) id = choose(e, index, id);
  const cx_type *type = cx_schema_type(id);
  if (!cx_kind_accepts(type->kind, type_of(e->L, index), true)) return fail_type(e, index, expected);
  if (lua_type(e->L, index) != LUA_TTABLE) return write_scalar(e, index, type, expected);
  if (e->depth == e->max_depth) return fail(e, "nested more than %u deep, or in a circle", e->max_depth);
  luaL_checkstack(e->L, 8, "nested too deeply");
  e->depth++;
  bool good = write_table(e, index, id);
  e->depth--;
  return good;
}

bool cx_encode(lua_State *L, int index, cx_type_id type, const char *label, unsigned max_depth) {
  cx_scratch *scratch = cx_get_scratch(L);
  encoder e;
  e.L = L;
  e.out = &scratch->text;
  e.depth = 0;
  e.max_depth = max_depth;
  e.refusal.path_length = 0;
  e.refusal.path_cut = false;
  index = lua_absindex(L, index);
  cx_buffer_clear(e.out);
  if (write_value(&e, index, type)) return true;
  cx_push_refusal(L, &e.refusal, label);
  return false;
}
