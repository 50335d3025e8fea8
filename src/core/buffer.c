#include "buffer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation, and the size above which an emptied buffer gives its storage back. */
#define SMALLEST 64
#define LARGE (128 * 1024)

void cx_buffer_init(cx_buffer *buffer, size_t max) {
  *buffer = (cx_buffer){.max = max};
}

void cx_buffer_free(cx_buffer *buffer) {
  free(buffer->data);
  cx_buffer_init(buffer, buffer->max);
}

static void move_to_front(cx_buffer *buffer) {
  size_t length = cx_buffer_length(buffer);
  if (buffer->start == 0) return;
  memmove(buffer->data, buffer->data + buffer->start, length);
  buffer->start = 0;
  buffer->end = length;
}

/* At least double, so that appending byte by byte is linear, but never more than the maximum. */
static size_t grown_capacity(const cx_buffer *buffer, size_t needed) {
  size_t capacity = buffer->capacity <= buffer->max / 2 ? buffer->capacity * 2 : buffer->max;
  if (capacity < SMALLEST) capacity = SMALLEST < buffer->max ? SMALLEST : buffer->max;
  return capacity < needed ? needed : capacity;
}

int cx_buffer_reserve(cx_buffer *buffer, size_t extra) {
  size_t length = cx_buffer_length(buffer);
  if (extra > buffer->max - length) return CX_ELIMIT;
  if (extra <= buffer->capacity - buffer->end) return CX_OK;

  /* Moving fewer bytes than were consumed since the last move is paid for by those; otherwise growing is
   * cheaper in the long run, until there is nothing left to grow. */
  bool fits = length + extra <= buffer->capacity;
  if (fits && (buffer->start >= length || buffer->capacity == buffer->max)) {
    move_to_front(buffer);
    return CX_OK;
  }
  size_t capacity = grown_capacity(buffer, length + extra);
  move_to_front(buffer);
  char *data = realloc(buffer->data, capacity);
  if (!data) return fits ? CX_OK : CX_ENOMEM;
  buffer->data = data;
  buffer->capacity = capacity;
  return CX_OK;
}

int cx_buffer_append(cx_buffer *buffer, const char *bytes, size_t length) {
  int status = cx_buffer_reserve(buffer, length);
  if (status != CX_OK || length == 0) return status;
  memcpy(buffer->data + buffer->end, bytes, length);
  buffer->end += length;
  return CX_OK;
}

int cx_buffer_append_string(cx_buffer *buffer, const char *string) {
  return cx_buffer_append(buffer, string, strlen(string));
}

int cx_buffer_append_byte(cx_buffer *buffer, char byte) {
  return cx_buffer_append(buffer, &byte, 1);
}

void cx_buffer_consume(cx_buffer *buffer, size_t length) {
  assert(length <= cx_buffer_length(buffer));
  buffer->start += length;
  if (buffer->start < buffer->end) return;
  if (buffer->capacity > LARGE)
    cx_buffer_free(buffer);
  else
    cx_buffer_clear(buffer);
}

void cx_buffer_clear(cx_buffer *buffer) {
  buffer->start = buffer->end = 0;
}
