#include "error.h"

#include <stdarg.h>
#include <stdio.h>

/* Takes off a last character of UTF-8 that was cut in two. */
static void trim(char *text, size_t length) {
  size_t start = length - 1;
  while (start > 0 && length - start < 4 && ((unsigned char)text[start] & 0xC0) == 0x80)
    start--;
  unsigned char lead = (unsigned char)text[start];
  size_t whole = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  if (length - start < whole) text[start] = 0;
}

void cx_error_set(codex_error *error, codex_error_kind kind, int code, const char *format, ...) {
  if (!error) return;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(error->message, sizeof error->message, format, arguments);
  va_end(arguments);
  if (length >= (int)sizeof error->message) trim(error->message, sizeof error->message - 1);
  error->kind = kind;
  error->code = code;
}
