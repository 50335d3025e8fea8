/* What the files of the binding share.
 *
 * Every function of codex.core carries three upvalues: the cx_scratch of its Lua state, a cache of the
 * protocol's names as Lua strings, and the metatable that marks arrays. Nothing here calls a Lua function or
 * keeps a lua_State. Handles are userdata that hold one reference to a C object each; their finalizers touch
 * nothing else.
 *
 * Functions that can fail for reasons of the user's raise; failures of the server come back as values, which
 * the Lua half turns into error objects. */
#ifndef CODEX_LUA_BINDING_H
#define CODEX_LUA_BINDING_H

#include "compat.h"

#include "../core/buffer.h"
#include "../core/schema.h"
#include "codex.h"

#define CX_UPVALUE_SCRATCH lua_upvalueindex(1)
#define CX_UPVALUE_NAMES lua_upvalueindex(2)
#define CX_UPVALUE_ARRAY lua_upvalueindex(3)

/* The last id of some kind, such as the turn's: mostly the next one is the same. */
typedef struct cx_id {
  const char *bytes; /* a Lua string's, which the cache of names keeps alive */
  size_t length;
} cx_id;

#define CX_IDS 16u

/* What belongs to a Lua state. Buffers that would leak if a Lua error passed over them live here. */
typedef struct cx_scratch {
  cx_buffer text; /* a decoded string, or JSON under construction */
  cx_buffer held; /* the same while cx_push_scratch makes a Lua string of it */
  cx_id ids[CX_IDS];
  const void *stream_type; /* the metatable of streams, to know them by */
  const void *vim_nil;     /* Neovim's null, where there is one */
} cx_scratch;

static inline cx_scratch *cx_get_scratch(lua_State *L) {
  return lua_touserdata(L, CX_UPVALUE_SCRATCH);
}

/* Pushes scratch->text as a string. Before Lua 5.3 making a string may collect garbage while it is still to
 * be copied, and run a finalizer of the user's that encodes or decodes: that gets other memory meanwhile. */
void cx_push_scratch(lua_State *L);

/* Registers functions into the table on top of the stack; the three upvalues are just below it and stay
 * there. */
void cx_register(lua_State *L, const luaL_Reg *functions);

/* Makes the metatable of a kind of handle, with methods and __gc, from the upvalues on top of the stack. */
void cx_new_handle_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc);

/* Pushes a handle of that type with a NULL pointer, to be filled in; freed by its __gc from then on. Made
 * before what it shall hold, which would leak if there were no memory for the handle. */
void **cx_new_handle(lua_State *L, const char *name);

/* The pointer in the handle at index; raises when it isn't such a handle or was released. */
void *cx_check_handle(lua_State *L, int index, const char *name);

/* The strings of the list at index, NULL-terminated, in memory of Lua's that is pushed. They stay valid as
 * long as the list keeps them. Raises when it isn't a list of strings. */
const char **cx_push_strings(lua_State *L, int index);

/* Pushes a slice as a string, or nil. */
void cx_push_slice(lua_State *L, codex_slice slice);

/* Pushes kind, code and message of an error, as the Lua half names kinds. Answers 3. */
int cx_push_error(lua_State *L, const codex_error *error);

#define CX_CLIENT "codex.core.client"
#define CX_REQUEST "codex.core.request"
#define CX_TURN "codex.core.turn"
#define CX_STREAM "codex.core.stream"
#define CX_SERVER_REQUEST "codex.core.server_request"

/* The client's method that opens a stream of its notifications; beside the other streams, in turn.c. */
int cx_client_stream(lua_State *L);

/* The client's methods for the server's requests; beside their handle, in server_request.c.
 *
 * next_server_request() -> the oldest one that wasn't taken, or nil
 * answer(request, result, label) -> true; nil, message for a result that the schema refuses; or false, kind
 * answer_safely(request) -> true; or false, kind */
int cx_client_next_server_request(lua_State *L);
int cx_client_answer(lua_State *L);
int cx_client_answer_safely(lua_State *L);

/* The client's method that copies its descriptor; beside other descriptors, in descriptor.c.
 *
 * descriptor() -> a copy of fd(), closed by its owner, which may watch it when the client has gone; raises
 * when there can't be one */
int cx_client_descriptor(lua_State *L);

/* Each makes its handle type and adds its functions to the module table; stack as for cx_register. */
void cx_open_client(lua_State *L);
void cx_open_descriptor(lua_State *L);
void cx_open_request(lua_State *L);
void cx_open_turn(lua_State *L);
void cx_open_server_request(lua_State *L);
void cx_open_json(lua_State *L);
void cx_open_codec(lua_State *L);
void cx_open_system(lua_State *L);
void cx_open_terminal(lua_State *L);

#endif
