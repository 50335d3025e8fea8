/* JSON text to Lua values. */
#ifndef CODEX_LUA_DECODE_H
#define CODEX_LUA_DECODE_H

#include "binding.h"

#include "../core/json.h"

/* Pushes the value of text, its members named by type (0: free-form). In typed places null is absent; in
 * free-form ones, and as an array's element, it is codex.null. True, or false with nothing pushed and *reader
 * telling the error. */
bool cx_decode(lua_State *L, codex_slice text, cx_type_id type, cx_json_mode mode, cx_json_reader *reader);

/* The same for a Lua function to return: pushes true and the value; or false, a message, and the byte
 * position from 1. Answers how many it pushed. */
int cx_push_decoded(lua_State *L, codex_slice text, cx_type_id type, cx_json_mode mode);

/* The same for text that the session has checked: raises on what can't happen. A slice without bytes pushes
 * nil. */
void cx_push_json(lua_State *L, codex_slice text, cx_type_id type);

/* The type of a member of a notification's params. */
cx_type_id cx_params_member(const char *notification, const char *member);

/* Pushes one of the schema's strings by its number, which is cheaper than by its text. */
void cx_push_name(lua_State *L, uint16_t number);

/* Pushes an id. Ids are the same again and again; kind is any number that tells one sort from another. */
void cx_push_id(lua_State *L, unsigned kind, codex_slice id);

#endif
