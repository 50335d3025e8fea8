/* package.preload, out of the table that embed.lua wrote. */
#include "modules.h"

#include "codex_lua.h"
#include "embed.h"
#include "signals.h"
#include "system.h"

#include <lauxlib.h>
#include <lua.h>

/* Called by require with the module's name and a second value, which the chunk gets too. */
static int load_embedded(lua_State *L) {
  const struct codex_embedded *module = &codex_embedded[lua_tointeger(L, lua_upvalueindex(1))];
  if (luaL_loadbufferx(L, module->source, module->length, module->chunk, "t") != LUA_OK) return lua_error(L);
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static void preload(lua_State *L, const char *name, lua_CFunction open) {
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, name);
}

void cx_preload_modules(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (int i = 0; codex_embedded[i].name; i++) {
    lua_pushinteger(L, i);
    lua_pushcclosure(L, load_embedded, 1);
    lua_setfield(L, -2, codex_embedded[i].name);
  }
  preload(L, "codex.core", luaopen_codex_core);
  preload(L, "codex.host.system", cx_open_host_system);
  preload(L, "codex.host.signals", cx_open_host_signals);
  lua_pop(L, 1);
}
