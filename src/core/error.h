/* Filling in a codex_error. */
#ifndef CODEX_CORE_ERROR_H
#define CODEX_CORE_ERROR_H

#include "codex.h"

/* Sets kind, code and a printf-style message, cut where it is too long. error may be NULL. */
__attribute__((format(printf, 4, 5))) void cx_error_set(codex_error *error, codex_error_kind kind, int code,
                                                        const char *format, ...);

#endif
