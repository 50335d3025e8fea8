/* A growable run of bytes with a maximum it was born with.
 *
 * Bytes are appended at the end and consumed from the start, so one buffer serves as text under construction
 * and as a queue. No function keeps a pointer given to it. A failed call leaves the contents as they were. */
#ifndef CODEX_CORE_BUFFER_H
#define CODEX_CORE_BUFFER_H

#include <stddef.h>

/* What core functions answer. Zero is success; every failure is negative. */
enum cx_status {
  CX_OK = 0,
  CX_ENOMEM = -1, /* an allocation failed; nothing changed */
  CX_ELIMIT = -2, /* a documented limit would be exceeded; nothing changed */
  CX_EINVAL = -3, /* malformed input */
};

typedef struct cx_buffer {
  char *data;      /* may be NULL while empty */
  size_t start;    /* first byte not consumed yet */
  size_t end;      /* one past the last byte */
  size_t capacity; /* bytes allocated */
  size_t max;      /* end - start never exceeds this */
} cx_buffer;

/* Makes an empty buffer that will hold at most max bytes. Allocates nothing. */
void cx_buffer_init(cx_buffer *buffer, size_t max);

/* Frees the storage and leaves the buffer empty and usable. */
void cx_buffer_free(cx_buffer *buffer);

/* Makes room for extra more bytes at the end: CX_OK, CX_ENOMEM or CX_ELIMIT. Unconsumed bytes may move. */
int cx_buffer_reserve(cx_buffer *buffer, size_t extra);

/* Appends a copy of length bytes. As cx_buffer_reserve. */
int cx_buffer_append(cx_buffer *buffer, const char *bytes, size_t length);

/* Appends a NUL-terminated string, or one byte. As cx_buffer_reserve. */
int cx_buffer_append_string(cx_buffer *buffer, const char *string);
int cx_buffer_append_byte(cx_buffer *buffer, char byte);

/* Drops length bytes from the start. length must not exceed cx_buffer_length. Gives back large storage once
 * empty. */
void cx_buffer_consume(cx_buffer *buffer, size_t length);

/* Drops everything, keeps the storage. */
void cx_buffer_clear(cx_buffer *buffer);

static inline size_t cx_buffer_length(const cx_buffer *buffer) {
  return buffer->end - buffer->start;
}
/* The first unconsumed byte; NULL when nothing was ever stored. Valid until the next call that may grow the
 * buffer. */
static inline char *cx_buffer_bytes(const cx_buffer *buffer) {
  return buffer->data ? buffer->data + buffer->start : NULL;
}

#endif
