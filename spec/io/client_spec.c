/* The C library as a C program uses it: codex.h, a server that is a few lines of shell, and no Lua. */
#include "../core/test.h"
#include "codex.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Reads the id of the request on standard input, so that `answer RESULT` can answer it. */
#define PRELUDE                                                                                              \
  "next() { read -r line || exit 0; id=${line#*'\"id\":'}; id=${id%%[,\\}]*}; };"                            \
  "answer() { printf '{\"id\":%s,\"result\":%s}\\n' \"$id\" \"$1\"; };"                                      \
  "note() { printf '{\"method\":\"%s\",\"params\":%s}\\n' \"$1\" \"$2\"; };"

static codex_client *start(const char *script) {
  codex_options options;
  codex_error error;
  const char *arguments[] = {"/bin/sh", "-c", script, NULL};
  codex_options_init(&options);
  options.arguments = arguments;
  codex_client *client = codex_client_start(&options, &error);
  check(client != NULL);
  return client;
}

static void wait_for(codex_client *client, codex_request *request) {
  while (!codex_request_done(request))
    codex_client_wait(client, 10);
}

static codex_request *ask(codex_client *client, const char *method) {
  codex_request *request = codex_client_request(client, method, "{}", 2, 10);
  wait_for(client, request);
  return request;
}

static void example_initialize(void) {
  codex_client *client =
      start(PRELUDE "next; answer '{}'; read -r first; next; answer \"$first\"; cat >/dev/null");
  codex_request *hello = codex_client_initialize(client, "{\"clientInfo\":{}}", 17, 10);
  wait_for(client, hello);
  check(codex_request_error(hello)->kind == CODEX_ERROR_NONE);
  codex_request_release(hello);
  codex_request *request = ask(client, "echo");
  codex_slice result = codex_request_result(request);
  check_bytes(result.bytes, result.length, "{\"method\":\"initialized\"}");
  codex_request_release(request);
  codex_client_free(client);
}

static void example_turn(void) {
  codex_client *client = start(
      PRELUDE "next; note item/completed '{\"turnId\":\"t\",\"item\":{\"id\":\"m\","
              "\"type\":\"agentMessage\",\"text\":\"early\"}}';"
              "answer '{\"turn\":{\"id\":\"t\"}}';"
              "note turn/completed '{\"turn\":{\"id\":\"t\",\"status\":\"completed\"}}'; cat >/dev/null");
  codex_request *request = codex_client_start_turn(client, "turn/start", "{}", 2, 10, true);
  wait_for(client, request);
  codex_turn *turn = codex_request_turn(request);
  codex_request_release(request);
  check(turn != NULL);
  while (turn && codex_turn_state_of(turn) == CODEX_TURN_RUNNING)
    codex_client_wait(client, 10);
  codex_slice response = codex_turn_final_response(turn);
  check_bytes(response.bytes, response.length, "early");
  codex_event event;
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  check_bytes(event.method.bytes, event.method.length, "item/completed");
  check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  check(codex_stream_next(stream, &event) == CODEX_STREAM_END);
  codex_stream_free(stream);
  codex_turn_release(turn);
  codex_client_free(client);
}

static void example_death(void) {
  codex_client *client = start(PRELUDE "next; echo 'noise' >&2; echo 'Error: it broke' >&2; exit 3");
  codex_request *request = ask(client, "x");
  const codex_error *error = codex_request_error(request);
  check(error->kind == CODEX_ERROR_TRANSPORT_CLOSED);
  check(strcmp(error->message, "the codex app-server exited with status 3: Error: it broke") == 0);
  codex_request_release(request);
  int status, killed;
  check(codex_client_exit_status(client, &status, &killed) && status == 3 && killed == 0);
  request = ask(client, "y");
  check(codex_request_error(request)->kind == CODEX_ERROR_TRANSPORT_CLOSED);
  codex_request_release(request);
  check(codex_client_gone(client));
  codex_client_free(client);
}

static void example_pipes_outlive(void) {
  codex_client *client = start(PRELUDE "next; sleep 3 & exit 4");
  codex_request *request = codex_client_request(client, "x", "{}", 2, 2);
  wait_for(client, request);
  check(codex_request_error(request)->kind == CODEX_ERROR_TRANSPORT_CLOSED);
  codex_request_release(request);
  codex_client_free(client);
}

static void example_shutdown(void) {
  codex_client *client = start("trap '' TERM; cat >/dev/null; while :; do read -r x <&- ; done");
  codex_request *request = codex_client_request(client, "x", NULL, 0, -1);
  int pid = codex_client_pid(client);
  codex_client_shutdown(client, 0.05);
  check(codex_request_error(request)->kind == CODEX_ERROR_CLOSED);
  while (!codex_client_gone(client))
    codex_client_wait(client, 10);
  check(kill(pid, 0) == -1 && errno == ESRCH);
  codex_client_free(client);
  codex_request_release(request);
}

static void example_idle(void) {
  codex_client *client = start("cat >/dev/null");
  check(codex_client_deadline(client) < 0);
  codex_client_dispatch(client);
  check(codex_client_deadline(client) < 0);
  check(codex_client_statistics(client)->wakeups == 0);
  codex_client_free(client);
}

static void example_timeout(void) {
  codex_client *client = start("cat >/dev/null");
  codex_request *request = codex_client_request(client, "x", NULL, 0, 0.01);
  wait_for(client, request);
  check(codex_request_error(request)->kind == CODEX_ERROR_TIMEOUT);
  codex_request_release(request);
  codex_client_free(client);
}

static void example_looked_at_late(void) {
  static const char answer[] = "{\"id\":1,\"result\":[]}\n";
  codex_options options;
  codex_error error;
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  codex_options_init(&options);
  codex_client *client = codex_client_attach(ends[0], ends[0], &options, &error);
  codex_request *request = codex_client_request(client, "x", NULL, 0, 0.001);
  check(write(ends[1], answer, sizeof answer - 1) == (ssize_t)sizeof answer - 1);
  while (codex_client_deadline(client) > 0) {
  }
  codex_client_dispatch(client);
  check(codex_request_done(request));
  check(codex_request_error(request)->kind == CODEX_ERROR_NONE);
  codex_request_release(request);
  codex_client_free(client);
  close(ends[1]);
}

static void example_attach(void) {
  static const char answer[] = "{\"id\":1,\"result\":[]}\n";
  codex_options options;
  codex_error error;
  int ends[2];
  char line[64];
  codex_options_init(&options);
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  codex_client *client = codex_client_attach(ends[0], ends[0], &options, &error);
  check(client != NULL);
  codex_request *request = codex_client_request(client, "x", NULL, 0, 10);
  ssize_t length = read(ends[1], line, sizeof line);
  check_bytes(line, length > 0 ? (size_t)length : 0, "{\"method\":\"x\",\"id\":1}\n");
  check(write(ends[1], answer, sizeof answer - 1) == sizeof answer - 1);
  wait_for(client, request);
  check(codex_request_error(request)->kind == CODEX_ERROR_NONE);
  codex_request_release(request);
  close(ends[1]);
  request = ask(client, "y");
  check(codex_request_error(request)->kind == CODEX_ERROR_TRANSPORT_CLOSED);
  codex_request_release(request);
  codex_client_free(client);
}

/* ---- what the server asks ---- */

#define ASKS "{\"id\":7,\"method\":\"item/fileChange/requestApproval\",\"params\":{}}\n"
#define DECLINED "{\"id\":7,\"result\":{\"decision\":\"decline\"}}\n"

/* A client, and in *server the other end of its connection. */
static codex_client *attach(int *server) {
  codex_options options;
  codex_error error;
  int ends[2];
  codex_options_init(&options);
  options.server_requests = true;
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  *server = ends[1];
  return codex_client_attach(ends[0], ends[0], &options, &error);
}

/* A request that has been taken; the client has nothing to do. */
static codex_server_request *asked(codex_client *client, int server) {
  codex_ready ready = {CODEX_READY_NONE, 0};
  check(write(server, ASKS, sizeof ASKS - 1) == sizeof ASKS - 1);
  while (!codex_client_next_ready(client, &ready))
    codex_client_wait(client, 10);
  check(ready.kind == CODEX_READY_SERVER_REQUEST);
  codex_server_request *request = codex_client_next_server_request(client);
  check(request != NULL && codex_server_request_serial(request) == ready.serial);
  while (codex_client_deadline(client) >= 0)
    codex_client_wait(client, 10);
  return request;
}

/* That just this has been written by now. */
static void check_written(int server, const char *expected) {
  char bytes[256];
  ssize_t length = recv(server, bytes, sizeof bytes, MSG_DONTWAIT);
  check_bytes(bytes, length > 0 ? (size_t)length : 0, expected);
}

static void example_answers_at_once(void) {
  int server;
  codex_client *client = attach(&server);
  codex_server_request *request = asked(client, server);
  check(codex_client_answer(client, request, "{}", 2) == CODEX_ERROR_NONE);
  check_written(server, "{\"id\":7,\"result\":{}}\n");
  check(codex_client_answer(client, request, "{}", 2) == CODEX_ERROR_CLOSED);
  codex_server_request_release(request);
  request = asked(client, server);
  check(codex_client_refuse(client, request, 5, "no") == CODEX_ERROR_NONE);
  check_written(server, "{\"id\":7,\"error\":{\"code\":5,\"message\":\"no\"}}\n");
  codex_server_request_release(request);
  request = asked(client, server);
  check(codex_client_answer_safely(client, request) == CODEX_ERROR_NONE);
  check_written(server, DECLINED);
  codex_server_request_release(request);
  check_written(server, "");
  check(codex_client_deadline(client) < 0);
  codex_client_free(client);
  close(server);
}

static void example_let_go(void) {
  int server;
  codex_client *client = attach(&server);
  codex_server_request *request = asked(client, server);
  check(codex_client_deadline(client) < 0);
  codex_server_request_release(request);
  check_written(server, DECLINED);
  check(codex_client_deadline(client) < 0);
  codex_client_free(client);
  close(server);
}

/* A fork that lets go of everything as it exits must not speak for its parent. */
static void example_let_go_in_a_fork(void) {
  int server, status;
  codex_client *client = attach(&server);
  codex_server_request *request = asked(client, server);
  pid_t fork_of_ours = fork();
  if (fork_of_ours == 0) {
    codex_server_request_release(request);
    codex_client_free(client);
    _exit(0);
  }
  check(waitpid(fork_of_ours, &status, 0) == fork_of_ours && status == 0);
  check_written(server, "");
  check(codex_client_answer(client, request, "{}", 2) == CODEX_ERROR_NONE);
  check_written(server, "{\"id\":7,\"result\":{}}\n");
  codex_server_request_release(request);
  codex_client_free(client);
  close(server);
}

/* Reads on until a line has come that tells how the bytes before it end. */
static bool ends_with(codex_client *client, int server, const char *line) {
  static char bytes[1 << 16];
  size_t kept = 0, length = strlen(line);
  for (;;) {
    codex_client_dispatch(client);
    ssize_t count = recv(server, bytes + kept, sizeof bytes - kept, MSG_DONTWAIT);
    if (count <= 0) return kept >= length && memcmp(bytes + kept - length, line, length) == 0;
    kept += (size_t)count;
    if (kept > length) memmove(bytes, bytes + kept - length, length);
    if (kept > length) kept = length;
  }
}

/* More than a pipe or a socket holds. */
static void notify_at_length(codex_client *client) {
  static char params[1 << 22];
  memset(params, ' ', sizeof params);
  params[0] = '[', params[sizeof params - 1] = ']';
  check(codex_client_notify(client, "m", params, sizeof params) == CODEX_ERROR_NONE);
}

/* While nothing can be written there is nothing to be done at once, or the caller would spin. */
static void example_stuck(void) {
  int server;
  codex_client *client = attach(&server);
  codex_server_request *request = asked(client, server);
  notify_at_length(client);
  check(codex_client_deadline(client) < 0);
  codex_server_request_release(request);
  check(codex_client_deadline(client) < 0);
  check(ends_with(client, server, "\n" DECLINED));
  codex_client_free(client);
  close(server);
}

static void example_stuck_at_the_end(void) {
  codex_client *client = start("exec sleep 9");
  notify_at_length(client);
  codex_client_shutdown(client, 0.05);
  codex_ready ready;
  while (codex_client_next_ready(client, &ready)) {
  }
  check(codex_client_deadline(client) > 0);
  while (!codex_client_gone(client))
    codex_client_wait(client, 10);
  check(codex_client_deadline(client) < 0);
  codex_client_free(client);
}

static void example_asked_at_the_end(void) {
  int server;
  codex_client *client = attach(&server);
  codex_server_request *request = asked(client, server);
  check(write(server, ASKS, sizeof ASKS - 1) == sizeof ASKS - 1); /* and one that hasn't been read yet */
  codex_client_shutdown(client, 1);
  check_written(server, DECLINED DECLINED);
  check(codex_server_request_cancelled(request) && !codex_server_request_open(request));
  codex_ready ready;
  check(codex_client_next_ready(client, &ready) && ready.kind == CODEX_READY_SERVER_REQUEST);
  check(codex_client_next_ready(client, &ready) && ready.kind == CODEX_READY_CLOSED);
  check(codex_client_next_server_request(client) == NULL);
  check(codex_client_answer(client, request, "{}", 2) == CODEX_ERROR_CLOSED);
  codex_client_free(client);
  codex_server_request_release(request);
  check_written(server, "");
  close(server);
}

static void example_asker_gone(void) {
  int server;
  codex_client *client = attach(&server);
  codex_server_request *request = asked(client, server);
  close(server);
  while (!codex_client_gone(client))
    codex_client_wait(client, 10);
  check(codex_server_request_cancelled(request));
  check(codex_client_answer(client, request, "{}", 2) == CODEX_ERROR_CLOSED);
  check(codex_client_statistics(client)->answers == 0);
  codex_server_request_release(request);
  codex_client_free(client);
}

static void example_nobody_asks(void) {
  codex_client *client =
      start("printf '"
            "{\"id\":7,\"method\":\"item/fileChange/requestApproval\"}\\n"
            "';"
            "read -r line; printf '{\"id\":1,\"result\":%s}\\n' \"$line\"; cat >/dev/null");
  codex_client_wait(client, 10);
  while (codex_client_statistics(client)->answers == 0)
    codex_client_wait(client, 10);
  codex_request *request = ask(client, "x");
  codex_slice result = codex_request_result(request);
  check_bytes(result.bytes, result.length, "{\"id\":7,\"result\":{\"decision\":\"decline\"}}");
  codex_request_release(request);
  codex_client_free(client);
}

static void example_missing(void) {
  codex_options options;
  codex_error error;
  codex_options_init(&options);
  options.codex_bin = "/nonexistent/codex";
  check(codex_client_start(&options, &error) == NULL);
  check(error.kind == CODEX_ERROR_SPAWN_FAILED && strstr(error.message, "/nonexistent/codex") != NULL);
}

static void example_outlived(void) {
  codex_client *client = start("cat >/dev/null");
  codex_request *request = codex_client_request(client, "x", NULL, 0, -1);
  codex_turn *turn = codex_client_turn(client, "t", 1, true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  codex_client_free(client);
  codex_event event;
  check(codex_request_error(request)->kind == CODEX_ERROR_CLOSED);
  check(codex_turn_state_of(turn) == CODEX_TURN_BROKEN);
  codex_turn_release(turn);
  check(codex_stream_next(stream, &event) == CODEX_STREAM_BROKEN);
  codex_stream_free(stream);
  codex_request_release(request);
}

void client_spec(void) {
  it("initialize is followed by initialized", example_initialize);
  it("a turn is collected, with what came before the answer", example_turn);
  it("the end of the server is told in its own words, and stays told", example_death);
  it("the end of the server is noticed though a child of its own holds its pipes", example_pipes_outlive);
  it("a server that won't leave is made to", example_shutdown);
  it("an idle client wants nothing", example_idle);
  it("a request that isn't answered ends in time", example_timeout);
  it("an answer that has come counts, however late it is looked at", example_looked_at_late);
  it("one socket for both directions can be attached", example_attach);
  it("answers to the server are written at once", example_answers_at_once);
  it("the answer to a request that is let go is written at once", example_let_go);
  it("a fork that lets go of a request answers nothing", example_let_go_in_a_fork);
  it("an answer that can't be written yet doesn't make the caller spin", example_stuck);
  it("what is never written doesn't either, at the end", example_stuck_at_the_end);
  it("what the server has asked by the time of a shutdown is answered", example_asked_at_the_end);
  it("a server that is gone is answered nothing", example_asker_gone);
  it("unless requests are wanted they are answered safely", example_nobody_asks);
  it("a program that isn't there is named", example_missing);
  it("requests, turns and streams outlive the client", example_outlived);
}
