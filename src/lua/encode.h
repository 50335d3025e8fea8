/* Lua values to JSON text. */
#ifndef CODEX_LUA_ENCODE_H
#define CODEX_LUA_ENCODE_H

#include "binding.h"

/* Writes the value at index as JSON of that type (0: free-form), nested at most so deep, into scratch->text,
 * which is cleared first. True; or false with a message for the user pushed on the stack: `label.path: what
 * is wrong`. label may be NULL. */
bool cx_encode(lua_State *L, int index, cx_type_id type, const char *label, unsigned max_depth);

/* Of the count strings that get(n) gives, the one that was most likely meant by name; NULL if none is near.
 */
const char *cx_nearest(const char *name, const char *(*get)(const void *list, unsigned n), const void *list,
                       unsigned count);

#endif
