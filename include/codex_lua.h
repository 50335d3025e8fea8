/* The Lua module's C half, for programs that link it statically.
 *
 *   luaL_requiref(L, "codex.core", luaopen_codex_core, 0);
 *
 * makes `require "codex"` work with the Lua files of the project on package.path. */
#ifndef CODEX_LUA_H
#define CODEX_LUA_H

struct lua_State;

#ifdef __cplusplus
extern "C" {
#endif

/* Pushes the module table of codex.core and answers 1. Keeps no global state: any number of Lua states may
 * open it. */
int luaopen_codex_core(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
