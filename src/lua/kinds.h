/* How schema kinds relate to Lua types. */
#ifndef CODEX_LUA_KINDS_H
#define CODEX_LUA_KINDS_H

#include "compat.h"

#include "../core/schema.h"

#include <stdbool.h>

/* `a string`, `true or false`, …: what a value of that kind is called in a message. */
static inline const char *cx_kind_name(unsigned kind) {
  switch (kind) {
  case CX_TYPE_ANY: return "any value";
  case CX_TYPE_NULL: return "null";
  case CX_TYPE_BOOLEAN: return "a boolean";
  case CX_TYPE_INTEGER: return "a whole number";
  case CX_TYPE_NUMBER: return "a number";
  case CX_TYPE_STRING:
  case CX_TYPE_ENUM: return "a string";
  case CX_TYPE_ARRAY: return "a list";
  default: return "a table";
  }
}

/* Whether a Lua value of that type can be of that kind. list: whether a table may count as a list. */
static inline bool cx_kind_accepts(unsigned kind, int lua_type, bool list) {
  switch (kind) {
  case CX_TYPE_ANY: return true;
  case CX_TYPE_NULL: return lua_type == LUA_TLIGHTUSERDATA;
  case CX_TYPE_BOOLEAN: return lua_type == LUA_TBOOLEAN;
  case CX_TYPE_INTEGER:
  case CX_TYPE_NUMBER: return lua_type == LUA_TNUMBER;
  case CX_TYPE_STRING:
  case CX_TYPE_ENUM: return lua_type == LUA_TSTRING;
  case CX_TYPE_ARRAY: return lua_type == LUA_TTABLE && list;
  case CX_TYPE_CHOICE: return false; /* none of its alternatives fitted */
  default: return lua_type == LUA_TTABLE;
  }
}

#endif
