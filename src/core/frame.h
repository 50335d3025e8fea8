/* Cuts a stream of bytes into lines. */
#ifndef CODEX_CORE_FRAME_H
#define CODEX_CORE_FRAME_H

#include "buffer.h"
#include "codex.h"

typedef struct cx_frame {
  cx_buffer input;
  size_t searched; /* bytes from the start known to hold no newline */
  size_t max_line;
} cx_frame;

/* Lines may hold max_line bytes, their end (LF or CR LF) not counted. */
void cx_frame_init(cx_frame *frame, size_t max_line);
void cx_frame_free(cx_frame *frame);

/* Room for the next bytes: writes to at most *space bytes at the answer are announced with cx_frame_commit.
 * NULL when out of memory. Lines taken before become invalid. */
char *cx_frame_reserve(cx_frame *frame, size_t *space);
void cx_frame_commit(cx_frame *frame, size_t length);

/* Finds the next complete line, its end stripped, without taking it: CX_OK; CX_EINVAL when there is none yet;
 * CX_ELIMIT when it is too long, whether complete or not. */
int cx_frame_peek(cx_frame *frame, codex_slice *line);

/* Takes the line that cx_frame_peek found; its bytes stay readable until the next cx_frame_reserve. */
void cx_frame_take(cx_frame *frame);

/* Drops all bytes. */
void cx_frame_clear(cx_frame *frame);

#endif
