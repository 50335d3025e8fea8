/* What the Lua versions name differently. */
#ifndef CODEX_LUA_COMPAT_H
#define CODEX_LUA_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502
#define lua_pushglobaltable(L) lua_pushvalue(L, LUA_GLOBALSINDEX)
#define lua_rawlen lua_objlen
#define lua_absindex(L, index)                                                                               \
  ((index) > 0 || (index) <= LUA_REGISTRYINDEX ? (index) : lua_gettop(L) + (index) + 1)
#endif

#if LUA_VERSION_NUM >= 503
#define CX_LUA_INTEGERS 1
#else
#define CX_LUA_INTEGERS 0
#endif

#endif
