/* codex.h: drives OpenAI's Codex agent from C.
 *
 * A client owns one `codex app-server` process and speaks its protocol: newline-delimited JSON-RPC on the
 * child's stdin and stdout. The library calls nothing of yours. You watch one descriptor, call
 * codex_client_dispatch when it is readable or codex_client_deadline has passed, and pull what became ready:
 *
 *   static const char hello[] = "{\"clientInfo\":{\"name\":\"mine\",\"version\":\"1\"}}";
 *   codex_options_init(&options);
 *   codex_client *client = codex_client_start(&options, &error);
 *   codex_request_release(codex_client_initialize(client, hello, sizeof hello - 1, 30.0));
 *   codex_request *request = codex_client_request(client, "model/list", "{}", 2, 30.0);
 *   while (!codex_request_done(request)) codex_client_wait(client, -1);
 *   codex_slice result = codex_request_result(request);   // JSON text
 *   codex_request_release(request);
 *   codex_client_free(client);
 *
 * Conventions
 *   Text is UTF-8, JSON is text. A codex_slice borrows: each function says from whom and until when.
 *   Params and results may be nested 126 deep; more is refused, as the server wouldn't say a word to it.
 *   Times and timeouts are seconds, sizes are bytes. A negative timeout means none.
 *   Every object is used by one thread at a time; different clients may live in different threads.
 *   Functions that can run out of memory say so; then nothing has changed and the call may be made again.
 *   An error is sticky: once the connection has failed, every open request and turn carries that error, and
 * so does every later request. */
#ifndef CODEX_H
#define CODEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of bytes owned by something else; not NUL-terminated. bytes is NULL when there is no such text. */
typedef struct codex_slice {
  const char *bytes;
  size_t length;
} codex_slice;

typedef enum codex_error_kind {
  CODEX_ERROR_NONE,
  CODEX_ERROR_INVALID_ARGUMENT, /* the caller's mistake */
  CODEX_ERROR_SPAWN_FAILED,     /* the server could not be started; code: errno */
  CODEX_ERROR_TRANSPORT_CLOSED, /* the server has gone */
  CODEX_ERROR_PROTOCOL,         /* the server sent what the protocol doesn't allow */
  CODEX_ERROR_TIMEOUT,          /* no answer in time */
  CODEX_ERROR_CLOSED,           /* this client was closed by its owner */
  CODEX_ERROR_OVERFLOW,         /* a documented limit was passed */
  CODEX_ERROR_NO_MEMORY,
  CODEX_ERROR_RPC, /* the server's own answer; code: the JSON-RPC code */
} codex_error_kind;

#define CODEX_ERROR_MESSAGE_SIZE 2048

typedef struct codex_error {
  codex_error_kind kind;
  int code;
  char message[CODEX_ERROR_MESSAGE_SIZE]; /* a sentence for a person; NUL-terminated, cut if too long */
} codex_error;

/* ---- Client
 * ---------------------------------------------------------------------------------------------------- */

typedef struct codex_client codex_client;
typedef struct codex_request codex_request;
typedef struct codex_turn codex_turn;
typedef struct codex_stream codex_stream;
typedef struct codex_server_request codex_server_request;

#define CODEX_DEFAULT_MAX_LINE ((size_t)64 << 20)   /* 64 MiB */
#define CODEX_DEFAULT_MAX_UNREAD ((size_t)16 << 20) /* 16 MiB */
#define CODEX_DEFAULT_MAX_IN_FLIGHT 64
#define CODEX_STDERR_SIZE ((size_t)64 << 10) /* bytes of the server's stderr that are kept */
#define CODEX_KEPT_SIZE ((size_t)256 << 10)  /* of notifications outside of turns, for a first reader */

typedef struct codex_options {
  const char *codex_bin;        /* path or name; NULL: $CODEX_BIN, else `codex` on PATH */
  const char *const *arguments; /* the whole argv instead, NULL-terminated; NULL: app-server on stdio */
  const char *const *config;    /* "key=value" overrides (-c), NULL-terminated; NULL: none */
  const char *cwd;              /* the server's directory; NULL: ours */
  const char *const *env;       /* NAME=VALUE to add, NAME to remove, NULL-terminated; NULL: none */
  bool shared_group;      /* stay in our process group (default: one of its own, out of Ctrl-C's reach) */
  size_t max_line;        /* longest line accepted from the server; a longer one ends the connection */
  size_t max_unread;      /* unread events kept for one stream */
  unsigned max_in_flight; /* requests unanswered on the wire; the rest wait in order */
  bool server_requests;   /* give the server's requests out; default: each is answered safely as it comes */
} codex_options;

/* Fills in the defaults. Call it first, then set what differs. */
void codex_options_init(codex_options *options);

/* Starts a server. options and all it points to are copied where needed. NULL with *error filled in when it
 * can't be started. The next thing to do is codex_client_initialize. */
codex_client *codex_client_start(const codex_options *options, codex_error *error);

/* Speaks to a server that somebody else started: in is where it listens, out is what it says (may be equal).
 * Both become the client's, non-blocking and close-on-exec. Of options only the limits and server_requests
 * count. NULL as above; then the descriptors are still the caller's. */
codex_client *codex_client_attach(int in, int out, const codex_options *options, codex_error *error);

/* Sends `initialize` with params (JSON text: clientInfo, capabilities), and `initialized` once it is
 * answered. A request like any other. NULL when out of memory. */
codex_request *codex_client_initialize(codex_client *client, const char *params, size_t length,
                                       double timeout);

/* The one descriptor to watch: readable whenever dispatch has something to do. The client's; stop watching it
 * before codex_client_free. */
int codex_client_fd(const codex_client *client);

/* Seconds until dispatch wants to be called even if the descriptor stays silent; 0 for now, negative for
 * never. */
double codex_client_deadline(const codex_client *client);

/* Reads, writes, and moves everything along that can move without waiting. Bounded: a flood is handled in
 * portions, and the descriptor stays readable (or the deadline 0) while there is more. */
void codex_client_dispatch(codex_client *client);

/* Waits until there is something to do, at most so many seconds (negative: for ever), then dispatches. */
void codex_client_wait(codex_client *client, double seconds);

/* What became ready since it was last asked for. Each request that ends is reported once; a turn when what
 * codex_turn_watch asked for has happened; a stream of the connection after codex_stream_watch; a request of
 * the server's when it has come, and again when it was cancelled after it was taken; CODEX_READY_CLOSED once,
 * when the connection has failed or was closed. */
typedef enum codex_ready_kind {
  CODEX_READY_NONE,
  CODEX_READY_REQUEST,
  CODEX_READY_TURN,
  CODEX_READY_STREAM,
  CODEX_READY_CLOSED,
  CODEX_READY_SERVER_REQUEST,
} codex_ready_kind;

typedef struct codex_ready {
  codex_ready_kind kind;
  uint64_t serial; /* codex_request_serial and its like */
} codex_ready;

/* Takes the next one; false when there is none. */
bool codex_client_next_ready(codex_client *client, codex_ready *ready);

/* Takes a line as if the server had written it: for an event that got lost, and was asked for. */
void codex_client_tell(codex_client *client, const char *line, size_t length);

/* Begins an orderly end: what is queued is written if it can be at once, the server's stdin is closed, and
 * dispatch goes on to SIGTERM and SIGKILL as the grace seconds pass each. Open requests and turns end with
 * CODEX_ERROR_CLOSED at once. May be called again; does nothing then. */
void codex_client_shutdown(codex_client *client, double grace);

/* Whether the server has gone and was waited for, so that nothing of it is left. */
bool codex_client_gone(const codex_client *client);

/* Why the connection ended; kind is CODEX_ERROR_NONE while it is open. The client's, until it is freed. */
const codex_error *codex_client_error(const codex_client *client);

/* The end of what the server wrote to stderr, at most CODEX_STDERR_SIZE bytes, without colour codes. The
 * client's, valid until the next dispatch. */
codex_slice codex_client_stderr(codex_client *client);

/* The server's process id; -1 when there is none (any more, or attached). */
int codex_client_pid(const codex_client *client);

/* How the server ended: exit status >= 0 in *exit_status, or a signal > 0 in *signal; the other is -1 or 0.
 * False while it runs, or when somebody else waited for it. */
bool codex_client_exit_status(const codex_client *client, int *exit_status, int *signal);

/* Counters since the start. */
typedef struct codex_statistics {
  uint64_t lines;         /* read from the server, blank ones not counted */
  uint64_t blank_lines;   /* skipped */
  uint64_t invalid_lines; /* skipped: not a JSON-RPC message */
  uint64_t unknown_ids;   /* answers that nobody waits for (any more) */
  uint64_t notifications;
  uint64_t dropped_turns; /* with their events: turns nobody claimed, over the limit */
  uint64_t server_requests;
  uint64_t refused_requests; /* of those, answered safely at once: too many were open */
  uint64_t answers;          /* sent to server requests */
  uint64_t wakeups;          /* calls of dispatch that found something to read */
} codex_statistics;

const codex_statistics *codex_client_statistics(const codex_client *client);

/* Ends the server if it still runs (as shutdown, waiting at most about two seconds) and frees the client.
 * Requests, turns and streams still held stay valid, ended with CODEX_ERROR_CLOSED, until each is released.
 * NULL is fine. */
void codex_client_free(codex_client *client);

/* ---- Requests
 * --------------------------------------------------------------------------------------------------- */

/* Sends a request. params is JSON text, copied; NULL sends none. It may wait in the client's queue
 * (max_in_flight). NULL only when out of memory; on a connection that has failed, the answer is a request
 * that is done, with that error. */
codex_request *codex_client_request(codex_client *client, const char *method, const char *params,
                                    size_t length, double timeout);

/* The same for a method whose result holds `turn` (turn/start, review/start): the turn's events are kept from
 * the moment the request is written. keep_events: for a first codex_turn_stream; without it only the result
 * is collected. */
codex_request *codex_client_start_turn(codex_client *client, const char *method, const char *params,
                                       size_t length, double timeout, bool keep_events);

/* Sends a notification. CODEX_ERROR_NONE, or why not. */
codex_error_kind codex_client_notify(codex_client *client, const char *method, const char *params,
                                     size_t length);

uint64_t codex_request_serial(const codex_request *request);
bool codex_request_done(const codex_request *request);

/* The method, NUL-terminated; the request's. */
const char *codex_request_method(const codex_request *request);

/* Of a request that is done: the JSON text of its result (bytes NULL if it failed). The request's, until
 * released. */
codex_slice codex_request_result(const codex_request *request);

/* Of a request that is done: why it failed; kind CODEX_ERROR_NONE if it didn't. message is the server's (cut
 * at CODEX_ERROR_MESSAGE_SIZE; whole in the error object). */
const codex_error *codex_request_error(const codex_request *request);

/* The JSON text of the server's error object, or bytes NULL. The request's. */
codex_slice codex_request_error_object(const codex_request *request);

/* The turn that a codex_client_start_turn request started; a new reference (codex_turn_release). NULL if it
 * failed, or if the server answered with the id of a turn that was running and claimed already: then
 * codex_request_joined. */
codex_turn *codex_request_turn(codex_request *request);
bool codex_request_joined(const codex_request *request);

/* Lets go. An unanswered request stays on the wire (or is dropped if it was still waiting in the queue); its
 * answer is ignored. NULL is fine. */
void codex_request_release(codex_request *request);

/* ---- Requests of the server
 * ------------------------------------------------------------------------------------------------------
 *
 * While a turn runs the server asks: may a command run, may a file be changed, what does the user say. Each
 * request gets exactly one answer: what codex_client_answer or codex_client_refuse say first, and otherwise
 * the safe answer, which grants and runs nothing: when the object is released, when the client is shut down,
 * and at once where options.server_requests isn't set or too many are open (1,024, or 64 MiB of them). It
 * gets none once the server has withdrawn it or the connection has ended. currentTime/read is answered by the
 * client. */

/* Takes the oldest one that nobody has taken yet; NULL when there is none. The caller's until released. */
codex_server_request *codex_client_next_server_request(codex_client *client);

uint64_t codex_server_request_serial(const codex_server_request *request);

/* All slices are the request's, until released. id, params and item are JSON text; item is the one that it is
 * about, as last told of (bytes NULL: unknown). */
codex_slice codex_server_request_method(const codex_server_request *request);
codex_slice codex_server_request_id(const codex_server_request *request);
codex_slice codex_server_request_params(const codex_server_request *request);
codex_slice codex_server_request_item(const codex_server_request *request);

/* The serial of the turn that it is asked for; of a sub-agent's, the user's turn. 0: unknown, or for none. */
uint64_t codex_server_request_turn(const codex_server_request *request);

/* Whether an answer still can be given. */
bool codex_server_request_open(const codex_server_request *request);

/* Whether nobody wants the answer any more: the server has withdrawn the request, its turn or the connection
 * has ended. It may be open all the same. */
bool codex_server_request_cancelled(const codex_server_request *request);

/* Answers with a result (JSON text), with an error, or safely. CODEX_ERROR_NONE; CODEX_ERROR_CLOSED when it
 * isn't open; CODEX_ERROR_INVALID_ARGUMENT when result isn't JSON or something isn't UTF-8,
 * CODEX_ERROR_OVERFLOW when more than can be would wait to be sent, CODEX_ERROR_NO_MEMORY: then it still is
 * open, unless the connection has ended, as it does when the safe answer overflows. */
codex_error_kind codex_client_answer(codex_client *client, codex_server_request *request, const char *result,
                                     size_t length);
codex_error_kind codex_client_refuse(codex_client *client, codex_server_request *request, int code,
                                     const char *message);
codex_error_kind codex_client_answer_safely(codex_client *client, codex_server_request *request);

/* Lets go; one that is open is answered safely, and when that can't be, the connection ends. NULL is fine. */
void codex_server_request_release(codex_server_request *request);

/* ---- Turns
 * ------------------------------------------------------------------------------------------------------ */

typedef enum codex_turn_state {
  CODEX_TURN_RUNNING,
  CODEX_TURN_COMPLETED, /* its turn/completed has come */
  CODEX_TURN_BROKEN,    /* it never will: codex_turn_error */
} codex_turn_state;

/* Claims a turn by its id, which need not have been heard of yet. A new reference. NULL when out of memory.
 */
codex_turn *codex_client_turn(codex_client *client, const char *turn_id, size_t length, bool keep_events);

/* Claims the oldest turn nobody has claimed that the agent started on behalf of the turn root_id: one of a
 * sub-agent's, or of a sub-agent of that. A new reference, with all its events kept; NULL when there is none.
 */
codex_turn *codex_client_child_turn(codex_client *client, const char *root_id, size_t length);

uint64_t codex_turn_serial(const codex_turn *turn);
codex_turn_state codex_turn_state_of(const codex_turn *turn);

/* Whether anything has shown that the server runs it: only from then on can it be interrupted. */
bool codex_turn_started(const codex_turn *turn);

/* All slices below are the turn's, valid until it is released or the client dispatches next. */
codex_slice codex_turn_id(const codex_turn *turn);
codex_slice codex_turn_thread_id(const codex_turn *turn);

/* The id under which the server runs the turn now, by which it can be interrupted: its own, except for a
 * review, whose other id is known from its turn/started on (and reported as CODEX_WATCH_STARTED). */
codex_slice codex_turn_active_id(const codex_turn *turn);

/* The JSON text of the completed items, in the order of their completion; index < count. */
size_t codex_turn_item_count(const codex_turn *turn);
codex_slice codex_turn_item(const codex_turn *turn, size_t index);

/* The JSON text of the first and of the last tokenUsage that came; bytes NULL if none did. Their totals are
 * the whole thread's, and the first one may only repeat what was known before: so what the turn itself used
 * is the difference between the last and the one before the turn, which is prior (bytes NULL: unknown, or
 * none).
 */
codex_slice codex_turn_prior_usage(const codex_turn *turn);
codex_slice codex_turn_first_usage(const codex_turn *turn);
codex_slice codex_turn_last_usage(const codex_turn *turn);

/* The JSON text of the `turn` object in its turn/completed (status, error, times); bytes NULL before. */
codex_slice codex_turn_completion(const codex_turn *turn);

/* The final response, decoded: of the last completed agent message of phase final_answer, else of the last
 * one without a phase, the text, or its joined deltas where that is empty. bytes NULL: there is none, or no
 * memory for it. */
codex_slice codex_turn_final_response(codex_turn *turn);

/* Why a CODEX_TURN_BROKEN turn ended; also set on a completed one whose collection passed a limit. */
const codex_error *codex_turn_error(const codex_turn *turn);

/* The JSON text of the error (message, codexErrorInfo, additionalDetails) that the server told of last, if it
 * is trying again since and nothing else has come; bytes NULL otherwise. */
codex_slice codex_turn_retrying(const codex_turn *turn);

/* How long nothing has come of a running turn, in seconds; that the server is trying again is nothing.
 * Negative while a command or a tool of it runs, or a request of the server's for it is open, which may take
 * as long as they like, and once the turn has ended. */
double codex_client_idle(const codex_client *client, const codex_turn *turn);

/* Whether, since this was last asked, another turn of the thread has ended while this one hadn't started: an
 * old server may have named a turn that never will. */
bool codex_turn_overtaken(codex_turn *turn);

#define CODEX_WATCH_EVENTS 1u    /* an event for a stream */
#define CODEX_WATCH_STARTED 2u   /* codex_turn_started */
#define CODEX_WATCH_END 4u       /* the end; every watch includes this and the next */
#define CODEX_WATCH_OVERTAKEN 8u /* codex_turn_overtaken */

/* Drops what is kept for a first stream: from now on only the result is collected. Open streams are not
 * touched. */
void codex_turn_forget_events(codex_turn *turn);

/* Asks for one CODEX_READY_TURN when one of these happens next; adds to what was asked before. */
void codex_turn_watch(codex_turn *turn, unsigned what);

/* Lets go. A turn that still runs goes on on the server. NULL is fine. */
void codex_turn_release(codex_turn *turn);

/* ---- Streams
 * ---------------------------------------------------------------------------------------------------- */

typedef enum codex_stream_result {
  CODEX_STREAM_EVENT,
  CODEX_STREAM_EMPTY,    /* nothing yet */
  CODEX_STREAM_END,      /* turn/completed was the last event */
  CODEX_STREAM_BROKEN,   /* the turn broke: codex_turn_error; or the connection: codex_client_error */
  CODEX_STREAM_OVERFLOW, /* more than max_unread was left unread; the stream is dead, the turn goes on */
  CODEX_STREAM_NO_MEMORY,
} codex_stream_result;

typedef struct codex_event {
  codex_slice method;
  codex_slice params; /* JSON text */
  codex_slice line;   /* the line as it came */
} codex_event;

/* Opens a stream. The first one of a turn with keep_events sees all events from the start of the turn, any
 * other what comes from now on; of a turn that has ended, only its completion. methods: the only ones to
 * deliver, NULL-terminated, copied; NULL: all. text: a stream for codex_stream_next_text, which keeps nothing
 * else. Holds a reference to the turn. NULL when out of memory. */
codex_stream *codex_turn_stream(codex_turn *turn, const char *const *methods, bool text);

/* What a stream of the connection delivers; all members zero: every notification. */
typedef struct codex_filter {
  const char *const *methods; /* only these, NULL-terminated; NULL: all */
  const char *thread_id;      /* only those that name this thread; NULL: whichever */
  bool outside_turns;         /* only those that belong to no turn */
} codex_filter;

/* Opens a stream of the connection's notifications from now on; filter is copied, NULL: all. The first one
 * that is for those outside of turns, of whichever thread, also sees what came before, as far as it was kept
 * (CODEX_KEPT_SIZE, the oldest go first). At the end of the connection it delivers what is unread, then
 * CODEX_STREAM_END if the client was closed by its owner, else CODEX_STREAM_BROKEN. NULL when out of memory.
 */
codex_stream *codex_client_stream(codex_client *client, const codex_filter *filter);

/* Of a stream of the connection: its serial, and the wish for one CODEX_READY_STREAM when it has something to
 * say: at once if it has now. */
uint64_t codex_stream_serial(const codex_stream *stream);
void codex_stream_watch(codex_stream *stream);

/* Of a stream of the connection: takes in no more. It delivers what is unread, then CODEX_STREAM_END. */
void codex_stream_stop(codex_stream *stream);

/* Takes the next event. *event is the stream's, valid until the next call on it. */
codex_stream_result codex_stream_next(codex_stream *stream, codex_event *event);

/* Takes the next piece of the agent's text, decoded, and the id of the message it belongs to. What a message
 * held beyond its deltas comes as one more piece when it completes. The stream's, as above. */
codex_stream_result codex_stream_next_text(codex_stream *stream, codex_slice *text, codex_slice *item_id);

/* Closes the stream; its turn is not touched. NULL is fine. */
void codex_stream_free(codex_stream *stream);

/* ---- JSON
 * -------------------------------------------------------------------------------------------------------
 *
 * As much as small programs need to write params and to look into results. */

/* The JSON text of an object's member, part of the same text; bytes NULL when it isn't there or this is no
 * object. */
codex_slice codex_json_member(codex_slice object, const char *name);

/* The text of a JSON string, decoded, NUL-terminated, to be freed with free(). NULL when it isn't a string,
 * or out of memory. */
char *codex_json_unquote(codex_slice value);

/* A text as a JSON string, likewise. NULL when it isn't UTF-8, or out of memory. */
char *codex_json_quote(const char *text);

#ifdef __cplusplus
}
#endif

#endif
