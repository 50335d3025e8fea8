/* Unread events, of one turn or of the connection, for one reader. */
#ifndef CODEX_CORE_STREAM_H
#define CODEX_CORE_STREAM_H

#include "buffer.h"
#include "codex.h"
#include "list.h"
#include "message.h"
#include "ready.h"

#define CX_NO_REST ((size_t)-1)

struct codex_stream {
  codex_turn *turn;     /* NULL: it is the connection's */
  bool references_turn; /* false while the turn keeps it for its first reader */
  cx_list in_source;    /* the streams of the turn, or of the session */

  struct cx_session *session;  /* of a stream of the connection, while that lasts */
  codex_stream_result outcome; /* of one that is over: what comes behind its events */
  uint64_t serial;
  cx_ready ready;
  bool watched;
  bool outside_turns;
  bool forgetful; /* nobody reads it yet: over the limit, the oldest events go */
  char *thread_id;

  cx_buffer queue; /* entries: a header, then the line */
  size_t taken;    /* bytes of the entry last given out, let go at the next call */
  cx_buffer given; /* where that entry is once the queue couldn't grow or end without moving it */
  size_t max_unread;
  cx_buffer text; /* decoded pieces given out */
  char **methods; /* NULL-terminated; NULL: all */
  bool text_only;
  bool overflowed;
  bool ended; /* the completion has been read */
};

/* Bytes of the entries that haven't been given out. */
static inline size_t cx_stream_unread(const codex_stream *stream) {
  return cx_buffer_length(&stream->queue) - stream->taken;
}

/* Makes a stream that is in no list, for at most max_unread bytes. turn: NULL for one of the connection. NULL
 * when out of memory. */
codex_stream *cx_stream_new(codex_turn *turn, size_t max_unread);

/* Sets what a stream delivers: CX_OK or CX_ENOMEM. */
int cx_stream_filter(codex_stream *stream, const char *const *methods, bool text);

/* Adds an event. rest: for a completed agent message, where in its decoded text the part starts that no delta
 * has brought, or CX_NO_REST. A stream over its limit overflows, which is no failure. CX_OK or CX_ENOMEM. */
int cx_stream_append(codex_stream *stream, const cx_message *message, size_t rest);

/* Forgets all that is unread. */
void cx_stream_clear(codex_stream *stream);

#endif
