#include "decode.h"

#include "../core/message.h"

#include <string.h>

typedef struct decoder {
  lua_State *L;
  cx_json_reader *reader;
  cx_json_mode mode;
} decoder;

static bool push_value(decoder *d, cx_json_token token, cx_type_id type);

/* Names come again and again: an interned string by number is cheaper than interning it each time. */
void cx_push_name(lua_State *L, uint16_t number) {
  lua_rawgeti(L, CX_UPVALUE_NAMES, number + 1);
  if (!lua_isnil(L, -1)) return;
  lua_pop(L, 1);
  size_t length;
  const char *name = cx_schema_string(number, &length);
  lua_pushlstring(L, name, length);
  lua_pushvalue(L, -1);
  lua_rawseti(L, CX_UPVALUE_NAMES, number + 1);
}

void cx_push_id(lua_State *L, unsigned kind, codex_slice text) {
  cx_id *id = &cx_get_scratch(L)->ids[kind % CX_IDS];
  int place = (int)(cx_schema_string_count() + 1 + kind % CX_IDS); /* behind the names */
  if (id->bytes && id->length == text.length && memcmp(id->bytes, text.bytes, text.length) == 0) {
    lua_rawgeti(L, CX_UPVALUE_NAMES, place);
    return;
  }
  lua_pushlstring(L, text.bytes, text.length);
  lua_pushvalue(L, -1);
  lua_rawseti(L, CX_UPVALUE_NAMES, place);
  *id = (cx_id){lua_tostring(L, -1), text.length};
}

/* Whether a member of that name on the wire holds an id. */
static bool names_id(uint16_t wire) {
  size_t length;
  const char *name = cx_schema_string(wire, &length);
  return length > 2 && name[length - 2] == 'I' && name[length - 1] == 'd';
}

static bool push_string(decoder *d) {
  cx_json_reader *reader = d->reader;
  if (!reader->escaped) {
    lua_pushlstring(d->L, reader->string, reader->length);
    return true;
  }
  cx_buffer *text = &cx_get_scratch(d->L)->text;
  cx_buffer_clear(text);
  int status = cx_json_unescape(reader->string, reader->length, d->mode, text);
  if (status == CX_ENOMEM) luaL_error(d->L, "not enough memory");
  if (status != CX_OK) {
    reader->error = "invalid string";
    return false;
  }
  cx_push_scratch(d->L);
  return true;
}

static void push_integer(lua_State *L, int64_t integer) {
#if CX_LUA_INTEGERS
  lua_pushinteger(L, (lua_Integer)integer);
#else
  lua_pushnumber(L, (lua_Number)integer);
#endif
}

/* The alternative of a CHOICE that a value of this token's kind can be; free-form if there is none. */
static cx_type_id choose(const cx_type *choice, cx_json_token token) {
  for (unsigned i = 0; i < choice->count; i++) {
    cx_type_id id = cx_schema_alternative(choice, i);
    unsigned kind = cx_schema_type(id)->kind;
    bool object = kind == CX_TYPE_STRUCT || kind == CX_TYPE_TAGGED || kind == CX_TYPE_MAP;
    if (token == CX_JSON_OBJECT_BEGIN && object) return id;
    if (token == CX_JSON_ARRAY_BEGIN && kind == CX_TYPE_ARRAY) return id;
  }
  return 0;
}

/* The variant of the object that begins at the reader's token. The server writes the tag first, but need not.
 */
static cx_type_id variant_of(decoder *d, const cx_type *type) {
  codex_slice tag, object = {d->reader->text + d->reader->position, 0};
  object.length = (size_t)(d->reader->end - object.bytes);
  if (!cx_json_string_contents(cx_json_member(object, cx_schema_string(type->tag, NULL)), &tag)) return 0;
  int n = cx_schema_find_variant(type, tag.bytes, tag.length);
  return n < 0 ? 0 : cx_schema_variant_type(type, (unsigned)n);
}

static cx_type_id resolve(decoder *d, cx_json_token token, cx_type_id type) {
  const cx_type *t = cx_schema_type(type);
  if (t->kind == CX_TYPE_CHOICE) {
    type = choose(t, token);
    t = cx_schema_type(type);
  }
  return t->kind == CX_TYPE_TAGGED && token == CX_JSON_OBJECT_BEGIN ? variant_of(d, t) : type;
}

/* What the schema says of a member. */
typedef struct member_type {
  cx_type_id type;
  bool drop_null; /* null there means absent */
  bool yields;    /* it is unknown, and called as a field is in Lua: the field goes first */
  uint16_t id;    /* not 0: it holds an id, of the sort with this number */
} member_type;

/* Pushes the member's name. */
static bool push_key(decoder *d, const cx_type *type, unsigned *hint, member_type *member) {
  cx_json_reader *reader = d->reader;
  int n = -1;
  if (type->kind == CX_TYPE_STRUCT) n = cx_schema_find_wire(type, reader->string, reader->length, hint);
  if (n >= 0) {
    const cx_field *field = cx_schema_field(type, (unsigned)n);
    cx_push_name(d->L, field->name);
    member->type = field->type;
    member->drop_null = true;
    member->yields = false;
    member->id = names_id(field->wire) ? field->wire : 0;
    return true;
  }
  member->type = type->kind == CX_TYPE_MAP ? type->element : 0;
  member->drop_null = type->kind == CX_TYPE_STRUCT && !type->open;
  member->yields =
      type->kind == CX_TYPE_STRUCT && cx_schema_find_name(type, reader->string, reader->length) >= 0;
  member->id = 0;
  return push_string(d);
}

/* Pushes the value that begins with the token. */
static bool push_member(decoder *d, cx_json_token token, const member_type *member) {
  if (token != CX_JSON_STRING || member->id == 0 || d->reader->escaped)
    return push_value(d, token, member->type);
  cx_push_id(d->L, member->id, (codex_slice){d->reader->string, d->reader->length});
  return true;
}

/* Sets the member whose name and value are on top of the stack, in the table below them. */
static void set_member(lua_State *L, bool yields) {
  if (yields) {
    lua_pushvalue(L, -2);
    lua_rawget(L, -4);
    bool taken = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (taken) {
      lua_pop(L, 2);
      return;
    }
  }
  lua_rawset(L, -3);
}

static int expected_fields(const cx_type *type) {
  return type->kind != CX_TYPE_STRUCT ? 0 : type->count < 8 ? type->count : 8;
}

static bool push_object(decoder *d, cx_type_id id) {
  const cx_type *type = cx_schema_type(id);
  unsigned hint = 0;
  lua_createtable(d->L, 0, expected_fields(type));
  for (;;) {
    member_type member;
    cx_json_token token = cx_json_next(d->reader);
    if (token == CX_JSON_OBJECT_END) return true;
    if (token != CX_JSON_KEY || !push_key(d, type, &hint, &member)) break;
    token = cx_json_next(d->reader);
    if (token == CX_JSON_NULL && member.drop_null) {
      lua_pop(d->L, 1);
      continue;
    }
    if (!push_member(d, token, &member)) {
      lua_pop(d->L, 1);
      break;
    }
    set_member(d->L, member.yields);
  }
  lua_pop(d->L, 1);
  return false;
}

static bool push_array(decoder *d, cx_type_id id) {
  const cx_type *type = cx_schema_type(id);
  cx_type_id element = type->kind == CX_TYPE_ARRAY ? type->element : 0;
  lua_newtable(d->L);
  for (int n = 1;; n++) {
    cx_json_token token = cx_json_next(d->reader);
    if (token == CX_JSON_ARRAY_END) {
      if (n > 1) return true;
      lua_pushvalue(d->L, CX_UPVALUE_ARRAY);
      lua_setmetatable(d->L, -2);
      return true;
    }
    if (!push_value(d, token, element)) break;
    lua_rawseti(d->L, -2, n);
  }
  lua_pop(d->L, 1);
  return false;
}

static bool push_value(decoder *d, cx_json_token token, cx_type_id type) {
  switch (token) {
  case CX_JSON_OBJECT_BEGIN:
    luaL_checkstack(d->L, 4, "JSON nested too deeply");
    return push_object(d, resolve(d, token, type));
  case CX_JSON_ARRAY_BEGIN:
    luaL_checkstack(d->L, 4, "JSON nested too deeply");
    return push_array(d, resolve(d, token, type));
  case CX_JSON_STRING: return push_string(d);
  case CX_JSON_INTEGER: push_integer(d->L, d->reader->integer); return true;
  case CX_JSON_NUMBER: lua_pushnumber(d->L, (lua_Number)d->reader->number); return true;
  case CX_JSON_TRUE: lua_pushboolean(d->L, 1); return true;
  case CX_JSON_FALSE: lua_pushboolean(d->L, 0); return true;
  case CX_JSON_NULL: lua_pushlightuserdata(d->L, NULL); return true;
  default: return false;
  }
}

bool cx_decode(lua_State *L, codex_slice text, cx_type_id type, cx_json_mode mode, cx_json_reader *reader) {
  decoder d = {L, reader, mode};
  cx_json_reader_init(reader, text.bytes, text.length, mode);
  luaL_checkstack(L, 8, "JSON nested too deeply");
  if (!push_value(&d, cx_json_next(reader), type)) return false;
  if (cx_json_next(reader) == CX_JSON_END) return true;
  lua_pop(L, 1);
  return false;
}

int cx_push_decoded(lua_State *L, codex_slice text, cx_type_id type, cx_json_mode mode) {
  cx_json_reader reader;
  lua_pushboolean(L, 1);
  if (cx_decode(L, text, type, mode, &reader)) return 2;
  lua_pushboolean(L, 0);
  lua_pushstring(L, reader.error ? reader.error : "unexpected text after the value");
  lua_pushinteger(L, (lua_Integer)reader.position + 1);
  return 3;
}

void cx_push_json(lua_State *L, codex_slice text, cx_type_id type) {
  cx_json_reader reader;
  if (!text.bytes)
    lua_pushnil(L);
  else if (!cx_decode(L, text, type, CX_JSON_LENIENT, &reader))
    luaL_error(L, "the server sent JSON that can't be read: %s at byte %d", reader.error,
               (int)reader.position);
}

cx_type_id cx_params_member(const char *notification, const char *member) {
  const cx_method *method = cx_schema_method(CX_METHOD_NOTIFICATION, notification, strlen(notification));
  unsigned hint = 0;
  const cx_type *type = cx_schema_type(method ? method->params : 0);
  int n = type->kind == CX_TYPE_STRUCT ? cx_schema_find_wire(type, member, strlen(member), &hint) : -1;
  return n < 0 ? 0 : cx_schema_field(type, (unsigned)n)->type;
}
