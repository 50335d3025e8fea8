/* Finds programs: any on PATH, and the native codex program. */
#ifndef CODEX_IO_LOCATE_H
#define CODEX_IO_LOCATE_H

#include <stddef.h>

/* Answers the path of the program to start, malloc'ed, or NULL with a sentence for the user in error (size
 * bytes at most, NUL-terminated). In order: wanted if not NULL or empty, else $CODEX_BIN, else `codex` on
 * PATH. A wanted value or $CODEX_BIN without a slash is looked up on PATH. Where what was found is npm's
 * launcher script of @openai/codex (a link or shim ending in …/@openai/codex/bin/codex.js), the native
 * program of this machine's platform package behind it is answered instead, when there is one. */
char *cx_locate_codex(const char *wanted, char *error, size_t size);

/* Answers the absolute path, malloc'ed, of the program that a shell here would run for name: a path if it has
 * a slash (relative to the current directory), else looked up on PATH. NULL with *status an errno value:
 * ENOENT, EACCES (found, but not executable; elsewhere on PATH there was none either), EISDIR, ENOMEM, or
 * what stat says. */
char *cx_find_program(const char *name, int *status);

#endif
