#include "subscription.h"

#include "copy.h"
#include "stream.h"

static void add_stream(cx_session *session, codex_stream *stream) {
  stream->session = session;
  stream->outcome = CODEX_STREAM_EMPTY;
  stream->serial = stream->ready.serial = ++session->last_stream;
  cx_list_append(&session->streams, &stream->in_source);
}

int cx_subscriptions_open(cx_session *session) {
  session->kept = cx_stream_new(NULL, CODEX_KEPT_SIZE);
  if (!session->kept) return CX_ENOMEM;
  session->kept->outside_turns = true;
  session->kept->forgetful = true;
  add_stream(session, session->kept);
  return CX_OK;
}

static bool concerns(const codex_stream *stream, const cx_message *message) {
  if (stream->outside_turns && message->turn_id.bytes) return false;
  if (!stream->thread_id) return true;
  return message->thread_id.bytes &&
         cx_slice_is(message->thread_id, stream->thread_id, strlen(stream->thread_id));
}

static bool has_something(const codex_stream *stream) {
  return stream->overflowed || stream->outcome != CODEX_STREAM_EMPTY || cx_stream_unread(stream) > 0;
}

static void tell(cx_session *session, codex_stream *stream) {
  if (!stream->watched || !has_something(stream)) return;
  stream->watched = false;
  cx_ready_post(&session->ready, &stream->ready);
}

int cx_subscriptions_publish(cx_session *session, const cx_message *message) {
  for (cx_list *node = session->streams.next, *next; node != &session->streams; node = next) {
    codex_stream *stream = cx_list_entry(node, codex_stream, in_source);
    next = node->next; /* a stream that overflows leaves the list */
    if (!concerns(stream, message)) continue;
    int status = cx_stream_append(stream, message, CX_NO_REST);
    if (status != CX_OK) return status;
    tell(session, stream);
  }
  return CX_OK;
}

static codex_stream_result outcome_of(const cx_session *session) {
  return session->error.kind == CODEX_ERROR_CLOSED ? CODEX_STREAM_END : CODEX_STREAM_BROKEN;
}

void cx_subscriptions_end(cx_session *session) {
  while (!cx_list_empty(&session->streams)) {
    codex_stream *stream = cx_list_entry(session->streams.next, codex_stream, in_source);
    cx_list_remove(&stream->in_source);
    stream->outcome = outcome_of(session);
    tell(session, stream);
    stream->session = NULL;
  }
}

/* The stream that was kept for the first who asks for just this, or a new one; its filter is still to be set.
 */
static codex_stream *open_stream(cx_session *session, const codex_filter *filter) {
  codex_stream *stream = session->kept;
  if (stream && filter->outside_turns && !filter->thread_id) {
    stream->max_unread = session->max_unread;
    return stream;
  }
  stream = cx_stream_new(NULL, session->max_unread);
  if (stream && filter->thread_id && !(stream->thread_id = cx_copy_string(filter->thread_id))) {
    codex_stream_free(stream);
    return NULL;
  }
  if (stream) stream->outside_turns = filter->outside_turns;
  return stream;
}

codex_stream *cx_session_stream(cx_session *session, const codex_filter *filter) {
  static const codex_filter all = {NULL, NULL, false};
  if (!filter) filter = &all;
  codex_stream *stream = open_stream(session, filter);
  if (!stream) return NULL;
  if (cx_stream_filter(stream, filter->methods, false) != CX_OK) {
    if (stream != session->kept) codex_stream_free(stream);
    return NULL;
  }
  if (stream != session->kept) add_stream(session, stream);
  if (stream == session->kept) session->kept = NULL;
  stream->forgetful = false;
  if (session->error.kind == CODEX_ERROR_NONE) return stream;
  cx_list_remove(&stream->in_source);
  stream->outcome = outcome_of(session);
  stream->session = NULL;
  return stream;
}

void codex_stream_stop(codex_stream *stream) {
  if (!stream->session) return;
  cx_list_remove(&stream->in_source);
  stream->outcome = CODEX_STREAM_END;
  tell(stream->session, stream);
  stream->session = NULL;
}

uint64_t codex_stream_serial(const codex_stream *stream) {
  return stream->serial;
}

void codex_stream_watch(codex_stream *stream) {
  stream->watched = true;
  if (stream->session) tell(stream->session, stream);
}
