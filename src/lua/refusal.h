/* Why a value can't be sent: `label.path: what is wrong, what would be right`.
 *
 * A refusal is filled in from the inside out, while the call stack of the encoder unwinds. It allocates
 * nothing. */
#ifndef CODEX_LUA_REFUSAL_H
#define CODEX_LUA_REFUSAL_H

#include "../core/schema.h"
#include "compat.h"

#include <stdbool.h>

/* Bytes of a path that a message shows. */
#define CX_MAX_PATH 240

typedef struct cx_refusal {
  size_t path_length;
  size_t length; /* of the reason */
  bool path_cut; /* it was too long to be shown whole */
  char path[CX_MAX_PATH];
  char reason[640]; /* NUL-terminated */
} cx_refusal;

/* Each says what is wrong, in place of what was said before, and answers false. */

__attribute__((format(printf, 2, 3))) bool cx_refuse(cx_refusal *refusal, const char *format, ...);

/* A value of a Lua type that this type doesn't take. got: what the value is called, such as "table". */
bool cx_refuse_type(cx_refusal *refusal, const cx_type *type, const char *got);

/* A string that is none of an ENUM's values, or no tag of a TAGGED type. expected: what would do, which may
 * be a CHOICE with that type in it. */
bool cx_refuse_value(cx_refusal *refusal, const cx_type *type, const cx_type *expected, const char *value,
                     size_t length);

/* The tag of a TAGGED type isn't there (got NULL), or is no string. */
bool cx_refuse_tag(cx_refusal *refusal, const cx_type *type, const char *got);

/* A required field isn't there. */
bool cx_refuse_missing(cx_refusal *refusal, const cx_field *field);

/* A STRUCT of which exactly one field must be there has count of them. */
bool cx_refuse_count(cx_refusal *refusal, const cx_type *type, unsigned count);

/* A STRUCT has no field of that name. */
bool cx_refuse_unknown(cx_refusal *refusal, const cx_type *type, const char *name, size_t length);

/* Puts a step in front of the path: separator, step, close. What makes it too long is lost at its inner end.
 */
void cx_refuse_inside(cx_refusal *refusal, const char *separator, const char *step, size_t length,
                      const char *close);

/* Pushes the message. label may be NULL. */
void cx_push_refusal(lua_State *L, const cx_refusal *refusal, const char *label);

#endif
