/* Between schema.c and the tables that generate.lua makes: nobody else includes this. */
#ifndef CODEX_CORE_SCHEMA_TABLES_H
#define CODEX_CORE_SCHEMA_TABLES_H

#include "schema.h"

/* Both numbers also stand in generate/c_tables.lua. */
#define CX_SCHEMA_SLOTS 1024
#define CX_SCHEMA_CHUNK 4096

extern const uint16_t cx_schema_strings_total;
extern const uint16_t cx_schema_types_total;
extern const uint16_t cx_schema_methods_total;
extern const uint16_t cx_schema_defaults_total;

/* The strings, NUL-terminated, in sorted order; by number, where one starts (counted through all chunks) and
 * how long it is. */
extern const char cx_schema_text[][CX_SCHEMA_CHUNK];
extern const uint16_t cx_schema_offsets[];
extern const uint8_t cx_schema_lengths[];

extern const cx_type cx_schema_types[];

/* A struct's fields are in the order of their wire names. */
extern const cx_field cx_schema_fields[];

typedef struct cx_default {
  uint16_t field; /* which of cx_schema_fields */
  uint16_t value; /* a string number: the default as JSON */
} cx_default;

/* The few fields that have a default, in the order of the fields. Apart from them, so that the fields, which
 * every value is read by, stay small. */
extern const cx_default cx_schema_defaults[];

/* What types have lists of: an ENUM's values (string numbers), a TAGGED's pairs of tag value and type, a
 * CHOICE's types. */
extern const uint16_t cx_schema_lists[];

/* By kind, then by name. */
extern const cx_method cx_schema_methods[];

/* A hash table of methods with linear probing: number + 1, or 0. */
extern const uint16_t cx_schema_slots[CX_SCHEMA_SLOTS];

#endif
