/* What the host's Lua half needs of the system. */
#ifndef CODEX_HOST_SYSTEM_H
#define CODEX_HOST_SYSTEM_H

struct lua_State;

/* Opens "codex.host.system". */
int cx_open_host_system(struct lua_State *L);

/* Writes out what stdout still holds. Where that or an earlier write failed, says so, and makes a success a
 * failure. Answers the exit status. */
int cx_flush_stdout(struct lua_State *L, int status);

#endif
