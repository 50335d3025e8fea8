/* Signals, brought to where Lua can handle them. */
#ifndef CODEX_HOST_SIGNALS_H
#define CODEX_HOST_SIGNALS_H

struct lua_State;

/* Opens "codex.host.signals". */
int cx_open_host_signals(struct lua_State *L);

/* Back to what signals do by default; before the state is closed. */
void cx_signals_end(void);

#endif
