#include "refusal.h"

#include "encode.h"
#include "kinds.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes that a message shows of a step in a path, of a name or value of the user's, and of a list of what is
 * known. The reason has room for one of each of the last two, with a hint. */
#define MAX_STEP 80
#define MAX_SHOWN 80
#define MAX_LIST 360

/* The longest start of text, at most limit bytes, that doesn't end within a character. */
static size_t cut(const char *text, size_t length, size_t limit) {
  if (length <= limit) return length;
  while (limit > 0 && ((unsigned char)text[limit] & 0xC0) == 0x80)
    limit--;
  return limit;
}

/* ---- the reason ---- */

static void add_arguments(cx_refusal *refusal, const char *format, va_list arguments) {
  size_t room = sizeof refusal->reason - refusal->length;
  int length = vsnprintf(refusal->reason + refusal->length, room, format, arguments);
  if (length > 0) refusal->length += (size_t)length < room ? (size_t)length : room - 1;
}

__attribute__((format(printf, 2, 3))) static void add(cx_refusal *refusal, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  add_arguments(refusal, format, arguments);
  va_end(arguments);
}

bool cx_refuse(cx_refusal *refusal, const char *format, ...) {
  va_list arguments;
  refusal->length = 0;
  va_start(arguments, format);
  add_arguments(refusal, format, arguments);
  va_end(arguments);
  return false;
}

/* `'name'`, shortened. */
static void add_quoted(cx_refusal *refusal, const char *text, size_t length) {
  size_t shown = cut(text, length, MAX_SHOWN);
  add(refusal, "'%.*s%s'", (int)shown, text, shown < length ? "…" : "");
}

/* What a type has a list of, by number. */
typedef const char *list_item(const void *type, unsigned n);

static const char *field_name(const void *type, unsigned n) {
  return cx_schema_string(cx_schema_field(type, n)->name, NULL);
}

static const char *variant_name(const void *type, unsigned n) {
  return cx_schema_string(cx_schema_variant_tag(type, n), NULL);
}

static const char *value_name(const void *type, unsigned n) {
  return cx_schema_string(cx_schema_enum_value(type, n), NULL);
}

static list_item *items_of(const cx_type *type) {
  if (type->kind == CX_TYPE_STRUCT) return field_name;
  return type->kind == CX_TYPE_TAGGED ? variant_name : value_name;
}

/* `one of a, b, c` */
static void add_list(cx_refusal *refusal, const cx_type *type) {
  list_item *item = items_of(type);
  size_t most = refusal->length + MAX_LIST;
  if (type->count > 1) add(refusal, "one of ");
  for (unsigned n = 0; n < type->count; n++) {
    const char *text = item(type, n);
    if (refusal->length + strlen(text) > most) {
      add(refusal, ", …");
      return;
    }
    add(refusal, "%s%s", n ? ", " : "", text);
  }
}

static void add_hint(cx_refusal *refusal, const char *name, list_item *item, const cx_type *type) {
  const char *nearest = cx_nearest(name, item, type, type->count);
  if (nearest) add(refusal, " (did you mean '%s'?)", nearest);
}

static void add_kind(cx_refusal *refusal, const cx_type *type) {
  if (type->kind == CX_TYPE_ENUM)
    add_list(refusal, type);
  else
    add(refusal, "%s", cx_kind_name(type->kind));
}

/* `a string or a table`, `one of a, b, or a table` */
static void add_expected(cx_refusal *refusal, const cx_type *type) {
  bool list = false;
  if (type->kind != CX_TYPE_CHOICE) {
    add_kind(refusal, type);
    return;
  }
  for (unsigned n = 0; n < type->count; n++) {
    const cx_type *alternative = cx_schema_type(cx_schema_alternative(type, n));
    bool last = n + 1 == type->count;
    if (n > 0) add(refusal, last && list ? ", or " : last ? " or " : ", ");
    add_kind(refusal, alternative);
    list |= alternative->kind == CX_TYPE_ENUM || n > 0;
  }
}

bool cx_refuse_type(cx_refusal *refusal, const cx_type *type, const char *got) {
  cx_refuse(refusal, "expected ");
  add_expected(refusal, type);
  add(refusal, ", got %s", got);
  return false;
}

bool cx_refuse_value(cx_refusal *refusal, const cx_type *type, const cx_type *expected, const char *value,
                     size_t length) {
  cx_refuse(refusal, "got ");
  add_quoted(refusal, value, length);
  add(refusal, ", expected ");
  if (type->kind == CX_TYPE_TAGGED)
    add_list(refusal, type);
  else
    add_expected(refusal, expected);
  add_hint(refusal, value, items_of(type), type);
  return false;
}

bool cx_refuse_tag(cx_refusal *refusal, const cx_type *type, const char *got) {
  cx_refuse(refusal, "%s%s, expected ", got ? "got " : "missing", got ? got : "");
  add_list(refusal, type);
  return false;
}

bool cx_refuse_missing(cx_refusal *refusal, const cx_field *field) {
  cx_refuse(refusal, "missing, expected ");
  add_expected(refusal, cx_schema_type(field->type));
  if (field->nullable) add(refusal, ", codex.null for null");
  return false;
}

bool cx_refuse_count(cx_refusal *refusal, const cx_type *type, unsigned count) {
  cx_refuse(refusal, "got %u members, expected exactly ", count);
  add_list(refusal, type);
  return false;
}

bool cx_refuse_unknown(cx_refusal *refusal, const cx_type *type, const char *name, size_t length) {
  cx_refuse(refusal, "unknown option ");
  add_quoted(refusal, name, length);
  if (type->count == 0) add(refusal, " (it takes none)");
  add_hint(refusal, name, field_name, type);
  return false;
}

/* ---- the path ---- */

void cx_refuse_inside(cx_refusal *refusal, const char *separator, const char *step, size_t length,
                      const char *close) {
  char text[MAX_STEP + 4];
  int written =
      snprintf(text, sizeof text, "%s%.*s%s", separator, (int)cut(step, length, MAX_STEP), step, close);
  size_t added = (size_t)written;
  size_t kept = cut(refusal->path, refusal->path_length, CX_MAX_PATH - added);
  refusal->path_cut |= kept < refusal->path_length;
  memmove(refusal->path + added, refusal->path, kept);
  memcpy(refusal->path, text, added);
  refusal->path_length = added + kept;
}

void cx_push_refusal(lua_State *L, const cx_refusal *refusal, const char *label) {
  lua_pushstring(L, label ? label : "");
  lua_pushlstring(L, refusal->path, refusal->path_length);
  lua_pushstring(L, refusal->path_cut ? "…: " : label || refusal->path_length ? ": " : "");
  lua_pushlstring(L, refusal->reason, refusal->length);
  lua_concat(L, 4);
}
