/* Lookups in the generated tables. */
#include "schema_tables.h"

#include <string.h>

static const char *text(uint16_t number) {
  return &cx_schema_text[0][0] + cx_schema_offsets[number];
}

/* Lengths are all in one small table, so that most names that differ are told apart without touching the
 * text. */
static bool is(uint16_t number, const char *name, size_t length) {
  return cx_schema_lengths[number] == length && memcmp(text(number), name, length) == 0;
}

const char *cx_schema_string(uint16_t number, size_t *length) {
  if (length) *length = cx_schema_lengths[number];
  return text(number);
}

unsigned cx_schema_string_count(void) {
  return cx_schema_strings_total;
}

const cx_type *cx_schema_type(cx_type_id id) {
  return &cx_schema_types[id];
}

/* Methods */

/* The same as in generate/c_tables.lua. Three characters and the length tell nearly all methods apart. */
static unsigned slot_of(cx_method_kind kind, const char *name, size_t length) {
  const unsigned char *byte = (const unsigned char *)name;
  unsigned hash = (unsigned)kind + (unsigned)length * 7 + byte[length - 1] * 31u + byte[length / 2] * 131u +
                  byte[length * 3 / 4] * 521u;
  return hash % CX_SCHEMA_SLOTS;
}

const cx_method *cx_schema_method(cx_method_kind kind, const char *name, size_t length) {
  if (length == 0) return NULL;
  for (unsigned slot = slot_of(kind, name, length); cx_schema_slots[slot] != 0;
       slot = (slot + 1) % CX_SCHEMA_SLOTS) {
    const cx_method *method = &cx_schema_methods[cx_schema_slots[slot] - 1];
    if (method->kind == kind && is(method->name, name, length)) return method;
  }
  return NULL;
}

const cx_method *cx_schema_method_at(unsigned index) {
  return index < cx_schema_methods_total ? &cx_schema_methods[index] : NULL;
}

/* Fields */

const cx_field *cx_schema_field(const cx_type *type, unsigned n) {
  return &cx_schema_fields[type->first + n];
}

int cx_schema_find_wire(const cx_type *type, const char *name, size_t length, unsigned *hint) {
  const cx_field *fields = &cx_schema_fields[type->first];
  unsigned n = *hint < type->count ? *hint : 0;
  for (unsigned left = type->count; left > 0; left--) {
    if (is(fields[n].wire, name, length)) {
      *hint = n + 1;
      return (int)n;
    }
    if (++n == type->count) n = 0;
  }
  return -1;
}

int cx_schema_find_name(const cx_type *type, const char *name, size_t length) {
  const cx_field *fields = &cx_schema_fields[type->first];
  for (unsigned n = 0; n < type->count; n++)
    if (is(fields[n].name, name, length)) return (int)n;
  return -1;
}

const char *cx_schema_default(const cx_field *field) {
  unsigned index = (unsigned)(field - cx_schema_fields);
  unsigned low = 0, high = cx_schema_defaults_total;
  while (low < high) {
    unsigned middle = (low + high) / 2;
    if (cx_schema_defaults[middle].field == index) return text(cx_schema_defaults[middle].value);
    if (cx_schema_defaults[middle].field < index)
      low = middle + 1;
    else
      high = middle;
  }
  return NULL;
}

/* Lists */

uint16_t cx_schema_enum_value(const cx_type *type, unsigned n) {
  return cx_schema_lists[type->first + n];
}

uint16_t cx_schema_variant_tag(const cx_type *type, unsigned n) {
  return cx_schema_lists[type->first + 2 * n];
}

cx_type_id cx_schema_variant_type(const cx_type *type, unsigned n) {
  return cx_schema_lists[type->first + 2 * n + 1];
}

int cx_schema_find_variant(const cx_type *type, const char *tag, size_t length) {
  for (unsigned n = 0; n < type->count; n++)
    if (is(cx_schema_variant_tag(type, n), tag, length)) return (int)n;
  return -1;
}

cx_type_id cx_schema_alternative(const cx_type *type, unsigned n) {
  return cx_schema_lists[type->first + n];
}
