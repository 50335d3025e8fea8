#include "error.h"

#include <stdarg.h>
#include <stdio.h>

void cx_error_set(codex_error *error, codex_error_kind kind, int code, const char *format, ...) {
  if (!error) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  error->kind = kind;
  error->code = code;
}
