/* The protocol's names: which members a method's params and result have, how each is called on the wire and
 * in Lua, what kind of value it holds, and where JSON is free-form. Read-only tables, generated from the
 * pinned server's own JSON schema by `make generate` into schema_tables.c; nothing here is derived by rule at
 * run time. */
#ifndef CODEX_CORE_SCHEMA_H
#define CODEX_CORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An index into the type table. Type 0 is CX_TYPE_ANY: free-form JSON, never renamed. */
typedef uint16_t cx_type_id;

typedef enum cx_type_kind {
  CX_TYPE_ANY,
  CX_TYPE_NULL,
  CX_TYPE_BOOLEAN,
  CX_TYPE_INTEGER,
  CX_TYPE_NUMBER,
  CX_TYPE_STRING,
  CX_TYPE_ENUM,   /* a string out of a list; values: cx_schema_enum_value */
  CX_TYPE_ARRAY,  /* of element */
  CX_TYPE_MAP,    /* any member names, untouched; each value of type element */
  CX_TYPE_STRUCT, /* the listed fields; other members: free-form if open, else unknown */
  CX_TYPE_TAGGED, /* a struct chosen by the string in the member `tag`; variants: cx_schema_variant */
  CX_TYPE_CHOICE, /* one of several types, told apart by what JSON kind the value is; at most one struct-like
                     member, into which all object alternatives have been merged; alternatives:
                     cx_schema_alternative */
} cx_type_kind;

typedef struct cx_type {
  uint8_t kind;
  bool open : 1;      /* STRUCT: members that aren't listed are allowed, and free-form */
  bool single : 1;    /* STRUCT: exactly one of the fields must be there, though none is required */
  uint16_t first;     /* private: first field, value, variant or alternative */
  uint16_t count;     /* how many of them */
  cx_type_id element; /* ARRAY, MAP */
  uint16_t tag;       /* TAGGED: the tag's wire name, a string number */
} cx_type;

typedef struct cx_field {
  uint16_t wire; /* a string number: the name on the wire */
  uint16_t name; /* a string number: the name in Lua; the same number when both are equal */
  cx_type_id type;
  bool required;
  bool nullable;
} cx_field;

typedef enum cx_method_kind {
  CX_METHOD_REQUEST,        /* client to server, answered */
  CX_METHOD_NOTIFY,         /* client to server */
  CX_METHOD_NOTIFICATION,   /* server to client */
  CX_METHOD_SERVER_REQUEST, /* server to client, answered */
} cx_method_kind;

typedef struct cx_method {
  uint16_t name;     /* a string number */
  uint16_t lua_name; /* a string number: of a request, `group.method` in snake_case (`thread.turns_list`), or
                        the group alone where the wire's name has one part; else the same as name */
  uint8_t kind;
  bool has_params;   /* false: the schema gives the method no params member */
  cx_type_id params; /* CX_TYPE_ANY where there are none */
  cx_type_id result; /* of requests and server requests */
} cx_method;

/* The server version the tables were made from, such as "0.169.0". */
extern const char cx_schema_version[];

/* A name or enumeration value by its number: NUL-terminated, static. *length may be NULL. */
const char *cx_schema_string(uint16_t number, size_t *length);

/* How many strings there are; numbers run from 0. */
unsigned cx_schema_string_count(void);

const cx_type *cx_schema_type(cx_type_id id);

/* The method of that name and kind, or NULL. */
const cx_method *cx_schema_method(cx_method_kind kind, const char *name, size_t length);

/* Methods in the order of their table, for listings and suggestions; NULL from the count on. */
const cx_method *cx_schema_method_at(unsigned index);

/* The n-th field of a STRUCT, n < type->count. */
const cx_field *cx_schema_field(const cx_type *type, unsigned n);

/* Finds a field of a STRUCT by its wire name, or by its Lua name: its number, or -1. *hint is where to look
 * first and is moved behind the field found (fields mostly come in the schema's order): start with 0. */
int cx_schema_find_wire(const cx_type *type, const char *name, size_t length, unsigned *hint);
int cx_schema_find_name(const cx_type *type, const char *name, size_t length);

/* The JSON text of the default that the schema gives a field of the tables, or NULL. It says what the server
 * takes where the field is missing, for whoever documents or inspects: nothing here sends it or fills it in.
 */
const char *cx_schema_default(const cx_field *field);

/* The n-th value of an ENUM (a string number), n < type->count. */
uint16_t cx_schema_enum_value(const cx_type *type, unsigned n);

/* The n-th variant of a TAGGED type: its tag value (a string number) and the STRUCT behind it. The variant
 * with a given tag value, or -1. */
uint16_t cx_schema_variant_tag(const cx_type *type, unsigned n);
cx_type_id cx_schema_variant_type(const cx_type *type, unsigned n);
int cx_schema_find_variant(const cx_type *type, const char *tag, size_t length);

/* The n-th alternative of a CHOICE. */
cx_type_id cx_schema_alternative(const cx_type *type, unsigned n);

#endif
