#include "codex.h"

#include "json.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

codex_slice codex_json_member(codex_slice object, const char *name) {
  return cx_json_member(object, name);
}

/* The buffer's text, NUL-terminated, for the caller to free. */
static char *take_text(cx_buffer *buffer, int status) {
  if (status == CX_OK) status = cx_buffer_append_byte(buffer, '\0');
  char *text = status == CX_OK ? malloc(cx_buffer_length(buffer)) : NULL;
  if (text) memcpy(text, cx_buffer_bytes(buffer), cx_buffer_length(buffer));
  cx_buffer_free(buffer);
  return text;
}

char *codex_json_unquote(codex_slice value) {
  codex_slice contents;
  cx_buffer text;
  if (!value.bytes || !cx_json_string_contents(value, &contents)) return NULL;
  cx_buffer_init(&text, SIZE_MAX);
  return take_text(&text, cx_json_unescape(contents.bytes, contents.length, CX_JSON_LENIENT, &text));
}

char *codex_json_quote(const char *string) {
  cx_buffer text;
  cx_buffer_init(&text, SIZE_MAX);
  return take_text(&text, cx_json_write_string(&text, string, strlen(string)));
}
