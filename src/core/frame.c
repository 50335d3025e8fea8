#include "frame.h"

#include <stdint.h>
#include <string.h>

/* A pipe holds 64 KiB by default, so that is what one read can bring. */
#define READ_SIZE ((size_t)64 << 10)

/* What an empty buffer may keep: a rare long line must not hold its storage for ever. */
#define KEPT_SIZE ((size_t)1 << 20)

void cx_frame_init(cx_frame *frame, size_t max_line) {
  /* room for a line of the greatest length, its CR LF, and what a read brought beyond it */
  size_t slack = 2 * READ_SIZE + 2;
  cx_buffer_init(&frame->input, max_line > SIZE_MAX - slack ? SIZE_MAX : max_line + slack);
  frame->searched = 0;
  frame->max_line = max_line;
}

void cx_frame_free(cx_frame *frame) {
  cx_buffer_free(&frame->input);
}

char *cx_frame_reserve(cx_frame *frame, size_t *space) {
  if (cx_buffer_length(&frame->input) == 0 && frame->input.capacity > KEPT_SIZE)
    cx_buffer_free(&frame->input);
  if (cx_buffer_reserve(&frame->input, READ_SIZE) != CX_OK) return NULL;
  *space = READ_SIZE;
  return frame->input.data + frame->input.end;
}

void cx_frame_commit(cx_frame *frame, size_t length) {
  frame->input.end += length;
}

int cx_frame_peek(cx_frame *frame, codex_slice *line) {
  char *bytes = cx_buffer_bytes(&frame->input);
  size_t length = cx_buffer_length(&frame->input);
  char *newline =
      length > frame->searched ? memchr(bytes + frame->searched, '\n', length - frame->searched) : NULL;
  if (!newline) {
    frame->searched = length;
    /* one byte over may be the CR of a line that just fits */
    return length > frame->max_line && length - frame->max_line > 1 ? CX_ELIMIT : CX_EINVAL;
  }
  frame->searched = (size_t)(newline - bytes);
  *line = (codex_slice){bytes, frame->searched};
  if (line->length > 0 && bytes[line->length - 1] == '\r') line->length--;
  return line->length > frame->max_line ? CX_ELIMIT : CX_OK;
}

void cx_frame_take(cx_frame *frame) {
  frame->input.start += frame->searched + 1;
  frame->searched = 0;
}

void cx_frame_clear(cx_frame *frame) {
  cx_buffer_clear(&frame->input);
  frame->searched = 0;
}
