/* Whole params and results, by the types of their method. */
#ifndef CODEX_LUA_CODEC_H
#define CODEX_LUA_CODEC_H

#include "binding.h"

typedef enum cx_part { CX_PART_PARAMS, CX_PART_RESULT } cx_part;

/* Encodes the value at index (positive), nil for an empty table, as that part of a message: true, with *text
 * in the scratch buffer, and without bytes for the params of a method that takes none. Or false with a
 * message for the user pushed, as by cx_encode. method is NULL for one that the schema doesn't know: then the
 * value is free-form. */
bool cx_encode_part(lua_State *L, int index, const cx_method *method, cx_part part, const char *label,
                    codex_slice *text);

#endif
