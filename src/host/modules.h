/* The project's own modules, without any file. */
#ifndef CODEX_HOST_MODULES_H
#define CODEX_HOST_MODULES_H

struct lua_State;

/* Fills package.preload. What isn't required costs nothing but its entry. */
void cx_preload_modules(struct lua_State *L);

#endif
