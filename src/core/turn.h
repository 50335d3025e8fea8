/* The collection of one turn: what its events add up to, whether or not anybody streams them. */
#ifndef CODEX_CORE_TURN_H
#define CODEX_CORE_TURN_H

#include "buffer.h"
#include "codex.h"
#include "list.h"
#include "message.h"
#include "ready.h"

/* What one turn may collect: items and the deltas of open messages together. */
#define CX_MAX_COLLECTED ((size_t)256 << 20)

typedef struct cx_text {
  char *bytes;
  size_t length;
} cx_text;

/* An item that has begun and not completed. */
typedef struct cx_open_item {
  cx_text id;
  cx_text item;  /* JSON text, as last told of */
  bool works;    /* it runs something, and may be silent for as long as that takes */
  bool doubtful; /* another patch has begun under the same id: which one is meant can't be known */
} cx_open_item;

/* An agent message that has begun: its deltas, still escaped. */
typedef struct cx_partial {
  cx_text id;
  cx_buffer deltas;
} cx_partial;

struct codex_turn {
  unsigned references; /* of the users; the session's own doesn't count */
  uint64_t serial;
  struct cx_session *session; /* NULL once the session has gone */
  cx_list in_session;         /* all turns of the session */
  cx_list in_unclaimed;       /* those nobody has asked for yet, oldest first */
  cx_list in_unstarted;       /* those that were asked for, and of which nothing has come yet */
  cx_ready ready;
  unsigned watched;
  double progress; /* when something last came of it; that the server tries again is nothing */
  uint64_t born;   /* how many requests the session had written when the turn was first heard of */

  cx_text id, thread_id;
  cx_text root_id;   /* the turn that all this is done for: its own id, or that of a sub-agent's user */
  cx_text active_id; /* of a review that runs: the other id, under which the server runs it */
  codex_turn_state state;
  bool claimed, started, overtaken;
  codex_error error;

  cx_text *items;
  size_t item_count, item_capacity;
  cx_open_item *open_items;
  size_t open_count, open_capacity;
  cx_partial *partials;
  size_t partial_count, partial_capacity;
  cx_buffer spare; /* storage of the message last completed, for the next one */
  cx_text prior_usage, first_usage, last_usage;
  cx_text retrying;         /* why the server tries again, while it does */
  cx_text completed_params; /* of turn/completed */
  codex_slice completion;   /* the turn in there */
  size_t collected;         /* bytes of items, open ones included, and deltas */

  enum { CX_FINAL_NONE, CX_FINAL_UNPHASED, CX_FINAL_ANSWER } final_rank;
  codex_slice final_text; /* escaped contents: a part of its item, or all of final_copy */
  cx_text final_copy;
  cx_buffer final_response;

  cx_list streams;
  codex_stream *first_stream; /* kept for the first who opens one; also in streams */
  size_t max_unread;
};

/* Makes a turn, unclaimed and in no list. thread_id may be empty. keep_events gives it its first stream. NULL
 * when out of memory. */
codex_turn *cx_turn_new(struct cx_session *session, uint64_t serial, codex_slice id, codex_slice thread_id,
                        size_t max_unread, bool keep_events);

/* Frees a turn that nobody refers to. */
void cx_turn_free(codex_turn *turn);

/* Takes in one notification of this turn. CX_OK, or CX_ENOMEM: then the turn may lack it. Answers what
 * happened, as CODEX_WATCH bits, in *happened. */
int cx_turn_collect(codex_turn *turn, const cx_message *message, unsigned *happened);

/* Notes under which id the server runs a turn whose own id is another; CX_OK or CX_ENOMEM. */
int cx_turn_set_active_id(codex_turn *turn, codex_slice id);

/* Notes what the thread had used before a turn that hasn't been told of any usage yet; CX_OK or CX_ENOMEM. */
int cx_turn_start_usage(codex_turn *turn, codex_slice usage);

/* Ends a running turn with an error. */
void cx_turn_break(codex_turn *turn, const codex_error *error);

/* The JSON text of an item that has begun and not completed, as last told of, by its id; bytes NULL if there
 * is none, or if it is one of several patches with that id. The turn's, until it collects the next. */
codex_slice cx_turn_open_item(const codex_turn *turn, codex_slice id);

/* Whether an item that runs something has begun and not completed. */
bool cx_turn_works(const codex_turn *turn);

/* Drops the events kept for a first stream. */
void cx_turn_drop_events(codex_turn *turn);

/* Bytes that the unread events of a first stream hold, and those and what is collected. */
size_t cx_turn_unread(const codex_turn *turn);
size_t cx_turn_held(const codex_turn *turn);

#endif
