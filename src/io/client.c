/* Joins a session to a server process. */
#include "codex.h"

#include "../core/error.h"
#include "../core/request.h"
#include "../core/server_request.h"
#include "../core/session.h"
#include "clock.h"
#include "locate.h"
#include "poller.h"
#include "process.h"
#include "tail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Bytes handled in one dispatch, so that a flood can't keep others from their turn. */
#define DISPATCH_BUDGET ((size_t)256 << 10)

/* The server writes its events line by line, and waking up for each costs more than handling it. After
 * reading, the next read waits this long, unless an answer is due. */
#define GATHER_SECONDS 0.001

/* With so much in one go there is no need to wait for more; half of what a pipe holds. */
#define PLENTY ((size_t)32 << 10)

/* How often a server that has closed its end is looked after until it has exited, and for how long. */
#define REAP_SECONDS 0.002
#define LINGER_SECONDS 1.0

typedef enum phase { OPEN, DRAINING, CLOSING, TERMINATING, KILLING, GONE } client_phase;

struct codex_client {
  cx_session *session;
  cx_process process; /* pid -1 throughout when attached */
  cx_poller poller;
  cx_tail tail;
  int exit_fd; /* tells that the server has exited, even if what it started holds its pipes; -1: nothing does
                */
  unsigned in_interest, out_interest, err_interest, exit_interest;
  client_phase phase;
  double phase_ends;
  double look_again; /* when to look whether the server has exited */
  double grace;
  double gather_until; /* 0: not gathering */
  bool attached;
  bool more;         /* complete lines are waiting */
  bool input_broken; /* the server doesn't read any more */
  pid_t owner;
};

void codex_options_init(codex_options *options) {
  *options = (codex_options){
      .max_line = CODEX_DEFAULT_MAX_LINE,
      .max_unread = CODEX_DEFAULT_MAX_UNREAD,
      .max_in_flight = CODEX_DEFAULT_MAX_IN_FLIGHT,
  };
}

/* ---- starting ---- */

static void watch(codex_client *client, int fd, unsigned *interest, unsigned wanted) {
  if (fd < 0 || *interest == wanted) return;
  if (cx_poller_set(&client->poller, fd, *interest, wanted) == 0) *interest = wanted;
}

static codex_client *client_new(const codex_options *options, codex_error *error) {
  codex_client *client = calloc(1, sizeof *client);
  if (client) client->session = cx_session_new(options);
  if (!client || !client->session) {
    free(client);
    cx_error_set(error, CODEX_ERROR_NO_MEMORY, 0, "out of memory");
    return NULL;
  }
  cx_process_init(&client->process);
  cx_tail_init(&client->tail);
  client->session->client = client;
  client->exit_fd = -1;
  client->owner = getpid();
  int status = cx_poller_open(&client->poller);
  if (status == 0) return client;
  cx_error_set(error, CODEX_ERROR_SPAWN_FAILED, status, "can't make a poller: %s", strerror(status));
  cx_session_free(client->session);
  free(client);
  return NULL;
}

static bool watch_all(codex_client *client, codex_error *error) {
  watch(client, client->process.out, &client->out_interest, CX_POLL_READ);
  watch(client, client->process.err, &client->err_interest, CX_POLL_READ);
  client->exit_fd = cx_process_exit_fd(&client->process);
  watch(client, client->exit_fd, &client->exit_interest, CX_POLL_READ);
  if (client->out_interest == CX_POLL_READ) return true;
  cx_error_set(error, CODEX_ERROR_SPAWN_FAILED, errno, "can't watch the server's output: %s",
               strerror(errno));
  return false;
}

/* argv: program [-c key=value]… app-server --listen stdio:// */
static const char **default_arguments(const char *program, const char *const *config) {
  size_t count = 0;
  while (config && config[count])
    count++;
  const char **argv = calloc(2 * count + 5, sizeof *argv);
  if (!argv) return NULL;
  size_t n = 0;
  argv[n++] = program;
  for (size_t i = 0; i < count; i++) {
    argv[n++] = "-c";
    argv[n++] = config[i];
  }
  argv[n++] = "app-server";
  argv[n++] = "--listen";
  argv[n++] = "stdio://";
  return argv;
}

static bool spawn(codex_client *client, const codex_options *options, const char *const *argv,
                  codex_error *error) {
  cx_process_options process = {
      .argv = argv, .cwd = options->cwd, .env = options->env, .own_group = !options->shared_group};
  const char *what = "";
  int status = cx_process_spawn(&client->process, &process, &what);
  if (status == 0) return true;
  const char *object = strcmp(what, "chdir") == 0 ? options->cwd : argv[0];
  cx_error_set(error, CODEX_ERROR_SPAWN_FAILED, status, "can't start %s: %s: %s", object, what,
               strerror(status));
  return false;
}

static bool start(codex_client *client, const codex_options *options, codex_error *error) {
  if (options->arguments) return spawn(client, options, options->arguments, error);
  char sentence[CODEX_ERROR_MESSAGE_SIZE];
  char *program = cx_locate_codex(options->codex_bin, sentence, sizeof sentence);
  if (!program) {
    cx_error_set(error, CODEX_ERROR_SPAWN_FAILED, ENOENT, "%s", sentence);
    return false;
  }
  const char **argv = default_arguments(program, options->config);
  bool started = argv && spawn(client, options, argv, error);
  if (!argv) cx_error_set(error, CODEX_ERROR_NO_MEMORY, 0, "out of memory");
  free(argv);
  free(program);
  return started;
}

codex_client *codex_client_start(const codex_options *options, codex_error *error) {
  codex_client *client = client_new(options, error);
  if (!client) return NULL;
  if (start(client, options, error) && watch_all(client, error)) return client;
  codex_client_free(client);
  return NULL;
}

static int prepare_attached(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy >= 0) fcntl(copy, F_SETFL, fcntl(copy, F_GETFL) | O_NONBLOCK);
  return copy;
}

codex_client *codex_client_attach(int in, int out, const codex_options *options, codex_error *error) {
  codex_client *client = client_new(options, error);
  if (!client) return NULL;
  client->attached = true;
  /* copies, so that one descriptor for both directions can be watched as two */
  client->process.in = prepare_attached(in);
  client->process.out = prepare_attached(out);
  if (client->process.in >= 0 && client->process.out >= 0 && watch_all(client, error)) {
    close(in);
    if (out != in) close(out);
    return client;
  }
  cx_error_set(error, CODEX_ERROR_SPAWN_FAILED, errno, "can't use the descriptors: %s", strerror(errno));
  codex_client_free(client);
  return NULL;
}

/* ---- closing ---- */

static void close_fd(codex_client *client, int *fd, unsigned *interest) {
  watch(client, *fd, interest, 0);
  cx_process_close_fd(fd);
}

static bool exited(codex_client *client) {
  return client->attached || cx_process_reap(&client->process);
}

static void enter(codex_client *client, client_phase phase, double seconds) {
  client->phase = phase;
  client->phase_ends = cx_now() + seconds;
}

static void leave(codex_client *client) {
  close_fd(client, &client->process.in, &client->in_interest);
  close_fd(client, &client->process.out, &client->out_interest);
  close_fd(client, &client->process.err, &client->err_interest);
  close_fd(client, &client->exit_fd, &client->exit_interest);
  client->gather_until = 0;
  client->phase = GONE;
}

static void describe_end(const codex_client *client, bool is_exited, char *text, size_t size) {
  const cx_process *process = &client->process;
  if (!is_exited || client->attached)
    snprintf(text, size, "closed its %s", process->out < 0 ? "output" : "input");
  else if (process->signal > 0)
    snprintf(text, size, "was killed by signal %d (%s)", process->signal, strsignal(process->signal));
  else if (process->exit_code >= 0)
    snprintf(text, size, "exited with status %d", process->exit_code);
  else
    snprintf(text, size, "has gone");
}

static void fail_transport(codex_client *client, bool is_exited) {
  codex_error error;
  char end[128];
  codex_slice sentence = cx_tail_sentence(cx_tail_text(&client->tail));
  describe_end(client, is_exited, end, sizeof end);
  cx_error_set(&error, CODEX_ERROR_TRANSPORT_CLOSED, 0, "the codex app-server %s%s%.*s", end,
               sentence.length ? ": " : "", (int)sentence.length, sentence.bytes);
  cx_session_fail(client->session, &error);
}

static void read_stderr(codex_client *client) {
  char bytes[4096];
  /* bounded, as the server might never stop writing */
  for (int i = 0; i < 16 && client->process.err >= 0; i++) {
    ssize_t length = read(client->process.err, bytes, sizeof bytes);
    if (length > 0)
      cx_tail_append(&client->tail, bytes, (size_t)length);
    else if (length == 0 || (errno != EAGAIN && errno != EINTR))
      close_fd(client, &client->process.err, &client->err_interest);
    else
      return;
  }
}

static void flush(codex_client *client);
static size_t read_output(codex_client *client);

/* Goes on with whatever end has begun. A server that left by itself is told apart from one that was asked to.
 */
static void advance(codex_client *client) {
  if (client->phase == OPEN && client->session->error.kind != CODEX_ERROR_NONE)
    codex_client_shutdown(client, LINGER_SECONDS); /* what it sent can't be gone on from */
  if (client->phase == OPEN || client->phase == GONE) return;
  client->look_again = cx_now() + REAP_SECONDS;
  bool is_exited = exited(client);
  /* its last words first; not for ever, as what it has started may hold the pipe and go on writing */
  if (is_exited && client->phase == DRAINING && cx_now() < client->phase_ends && read_output(client) > 0)
    return;
  if (is_exited || (client->phase == DRAINING && cx_now() >= client->phase_ends)) {
    read_stderr(client);
    fail_transport(client, is_exited); /* no-op when the owner closed */
    if (is_exited)
      leave(client);
    else
      codex_client_shutdown(client, LINGER_SECONDS);
    return;
  }
  if (cx_now() < client->phase_ends || client->phase == DRAINING) return;
  if (client->phase == CLOSING) {
    cx_process_signal(&client->process, SIGTERM);
    enter(client, TERMINATING, client->grace);
  } else {
    cx_process_signal(&client->process, SIGKILL);
    enter(client, KILLING, client->grace);
  }
}

/* What the server has asked by now gets its answer, also when the owner has had enough. */
static void answer_what_came(codex_client *client) {
  if (client->session->error.kind != CODEX_ERROR_NONE) return;
  client->more = cx_session_step(client->session, SIZE_MAX);
  read_output(client);
  cx_server_requests_close(client->session);
  flush(client);
}

void codex_client_shutdown(codex_client *client, double grace) {
  if (client->phase >= CLOSING) return;
  codex_error error;
  answer_what_came(client);
  cx_error_set(&error, CODEX_ERROR_CLOSED, 0, "the client was closed");
  cx_session_fail(client->session, &error);
  close_fd(client, &client->process.in, &client->in_interest);
  client->grace = grace;
  enter(client, CLOSING, grace);
  advance(client);
}

/* ---- reading and writing ---- */

static void flush(codex_client *client) {
  cx_buffer *output = cx_session_output(client->session);
  while (cx_buffer_length(output) > 0 && client->process.in >= 0 && !client->input_broken) {
    ssize_t length =
        cx_write_no_sigpipe(client->process.in, cx_buffer_bytes(output), cx_buffer_length(output));
    if (length >= 0) {
      cx_buffer_consume(output, (size_t)length);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      client->input_broken = true; /* what it said before is still to be read */
      if (client->phase == OPEN) enter(client, DRAINING, LINGER_SECONDS);
    }
  }
  if (client->input_broken) cx_buffer_clear(output);
  watch(client, client->process.in, &client->in_interest, cx_buffer_length(output) > 0 ? CX_POLL_WRITE : 0);
}

static void end_of_output(codex_client *client) {
  static const char newline[] = "\n";
  size_t space;
  /* a last line without its end counts */
  char *room = cx_session_reserve(client->session, &space);
  if (room) {
    *room = newline[0];
    cx_session_commit(client->session, 1);
    client->more = cx_session_step(client->session, DISPATCH_BUDGET);
  }
  close_fd(client, &client->process.out, &client->out_interest);
  if (client->phase == OPEN) enter(client, DRAINING, LINGER_SECONDS);
}

/* Reads what is there, within the budget: how many bytes. */
static size_t read_output(codex_client *client) {
  size_t total = 0, space;
  while (client->process.out >= 0 && total < DISPATCH_BUDGET && !client->more) {
    char *room = cx_session_reserve(client->session, &space);
    if (!room) return total;
    ssize_t length = read(client->process.out, room, space);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR)) {
      end_of_output(client);
      return total;
    }
    if (length < 0) return total;
    cx_session_commit(client->session, (size_t)length);
    client->more = cx_session_step(client->session, DISPATCH_BUDGET);
    total += (size_t)length;
    if ((size_t)length < space) return total;
  }
  return total;
}

static void gather(codex_client *client, size_t length, double now) {
  bool waiting = client->session->in_flight > 0 || client->phase != OPEN;
  bool begin = length > 0 && length < PLENTY && !waiting;
  client->gather_until = begin ? now + GATHER_SECONDS : 0;
  watch(client, client->process.out, &client->out_interest, begin ? 0 : CX_POLL_READ);
}

static void note_exit(codex_client *client) {
  close_fd(client, &client->exit_fd, &client->exit_interest);
  if (client->phase == OPEN) enter(client, DRAINING, LINGER_SECONDS);
}

void codex_client_dispatch(codex_client *client) {
  double now = cx_now();
  cx_poll_event events[4];
  client->session->now = now;
  if (client->more) {
    client->more = cx_session_step(client->session, DISPATCH_BUDGET);
  } else {
    int count = cx_poller_wait(&client->poller, 0, events, 4);
    /* not only when the poller says so: while gathering it doesn't look */
    bool readable = client->gather_until > 0 && now >= client->gather_until;
    for (int i = 0; i < count; i++) {
      if (events[i].fd == client->process.err) read_stderr(client);
      if (events[i].fd == client->exit_fd) note_exit(client);
      if (events[i].fd == client->process.out) readable = true;
    }
    if (readable) {
      size_t length = read_output(client);
      client->session->statistics.wakeups += length > 0;
      gather(client, length, now);
    }
  }
  cx_session_expire(client->session, now); /* what has come by now is no late answer */
  flush(client);
  if (!client->more) advance(client);
}

/* ---- what users ask ---- */

int codex_client_fd(const codex_client *client) {
  return client->poller.fd;
}

static double sooner(double a, double b) {
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

static double until(double moment, double now) {
  return moment > now ? moment - now : 0;
}

double codex_client_deadline(const codex_client *client) {
  double now = cx_now(), request = cx_session_deadline(client->session), deadline = -1;
  if (client->more || !cx_list_empty(&client->session->ready)) return 0;
  if (request >= 0) deadline = until(request, now);
  if (client->gather_until > 0) deadline = sooner(deadline, until(client->gather_until, now));
  if (client->phase == OPEN || client->phase == GONE) return deadline;
  if (client->process.out < 0 || client->phase == DRAINING)
    return sooner(deadline, until(client->look_again, now));
  return sooner(deadline, until(client->phase_ends, now));
}

void codex_client_wait(codex_client *client, double seconds) {
  double wait = sooner(codex_client_deadline(client), seconds);
  struct pollfd fd = {codex_client_fd(client), POLLIN, 0};
  if (wait != 0) poll(&fd, 1, wait < 0 ? -1 : wait > 1e6 ? 1000000000 : (int)(wait * 1e3 + 0.999));
  codex_client_dispatch(client);
}

static double deadline_after(double timeout) {
  return timeout < 0 ? -1 : cx_now() + timeout;
}

/* Writes at once what was just queued: a request that waited for the loop would be late by a turn of it. */
static codex_request *flushed(codex_client *client, codex_request *request) {
  flush(client);
  /* its answer is due, so reading doesn't wait any longer */
  if (client->gather_until > 0 && client->session->in_flight > 0) gather(client, 0, 0);
  return request;
}

codex_request *codex_client_request(codex_client *client, const char *method, const char *params,
                                    size_t length, double timeout) {
  return flushed(client,
                 cx_session_request(client->session, method, params, length, deadline_after(timeout)));
}

codex_request *codex_client_start_turn(codex_client *client, const char *method, const char *params,
                                       size_t length, double timeout, bool keep_events) {
  return flushed(client, cx_session_start_turn(client->session, method, params, length,
                                               deadline_after(timeout), keep_events));
}

codex_request *codex_client_initialize(codex_client *client, const char *params, size_t length,
                                       double timeout) {
  return flushed(client, cx_session_initialize(client->session, params, length, deadline_after(timeout)));
}

codex_error_kind codex_client_notify(codex_client *client, const char *method, const char *params,
                                     size_t length) {
  codex_error_kind kind = cx_session_notify(client->session, method, params, length);
  flush(client);
  return kind;
}

codex_server_request *codex_client_next_server_request(codex_client *client) {
  return cx_session_next_server_request(client->session);
}

codex_error_kind codex_client_answer(codex_client *client, codex_server_request *request, const char *result,
                                     size_t length) {
  client->session->now = cx_now();
  codex_error_kind kind = cx_session_answer(client->session, request, result, length);
  flush(client);
  return kind;
}

codex_error_kind codex_client_refuse(codex_client *client, codex_server_request *request, int code,
                                     const char *message) {
  client->session->now = cx_now();
  codex_error_kind kind = cx_session_refuse(client->session, request, code, message);
  flush(client);
  return kind;
}

codex_error_kind codex_client_answer_safely(codex_client *client, codex_server_request *request) {
  client->session->now = cx_now();
  codex_error_kind kind = cx_session_answer_safely(client->session, request);
  flush(client);
  return kind;
}

void codex_server_request_release(codex_server_request *request) {
  if (!request) return;
  codex_client *client = request->session ? request->session->client : NULL;
  cx_server_request_release(request);
  /* nobody may come to move the client along; a fork of the owner shares the descriptors only */
  if (client && client->owner == getpid()) flush(client);
}

double codex_client_idle(const codex_client *client, const codex_turn *turn) {
  return cx_session_idle(client->session, turn, cx_now());
}

void codex_client_tell(codex_client *client, const char *line, size_t length) {
  client->session->now = cx_now();
  cx_session_tell(client->session, line, length);
  flush(client);
}

codex_turn *codex_client_turn(codex_client *client, const char *turn_id, size_t length, bool keep_events) {
  return cx_session_turn(client->session, turn_id, length, keep_events);
}

codex_turn *codex_client_child_turn(codex_client *client, const char *root_id, size_t length) {
  return cx_session_child_turn(client->session, root_id, length);
}

codex_stream *codex_client_stream(codex_client *client, const codex_filter *filter) {
  return cx_session_stream(client->session, filter);
}

bool codex_client_next_ready(codex_client *client, codex_ready *ready) {
  return cx_session_next_ready(client->session, ready);
}

bool codex_client_gone(const codex_client *client) {
  return client->phase == GONE;
}
const codex_error *codex_client_error(const codex_client *client) {
  return &client->session->error;
}
codex_slice codex_client_stderr(codex_client *client) {
  return cx_tail_text(&client->tail);
}
int codex_client_pid(const codex_client *client) {
  return client->process.pid > 0 ? (int)client->process.pid : -1;
}

bool codex_client_exit_status(const codex_client *client, int *exit_status, int *signal) {
  *exit_status = client->process.exit_code;
  *signal = client->process.signal;
  return client->process.reaped && client->process.status_known;
}

const codex_statistics *codex_client_statistics(const codex_client *client) {
  return &client->session->statistics;
}

void codex_client_free(codex_client *client) {
  if (!client) return;
  cx_session_free(client->session);
  /* a fork of the owner has copies of the descriptors and shares the poller, but the server isn't its child
   */
  bool owner = client->owner == getpid();
  if (!owner) client->in_interest = client->out_interest = client->err_interest = client->exit_interest = 0;
  leave(client);
  cx_poller_close(&client->poller);
  if (owner) cx_process_kill_and_wait(&client->process, 1.0);
  cx_tail_free(&client->tail);
  free(client);
}
