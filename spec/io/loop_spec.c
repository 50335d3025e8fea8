/* Clients in a loop that isn't theirs: all it knows of them is a descriptor and a deadline. */
#include "../core/test.h"
#include "codex.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#if defined __linux__
#include <sys/epoll.h>
#endif

#define CLIENTS 3

/* Lines of a flood, and about as many as one dispatch may handle of them: 256 KiB. */
#define FLOOD 20000
#define TEXT_OF(number) #number
#define AS_TEXT(number) TEXT_OF(number)
#define LINE "{\"method\":\"x\",\"params\":{\"text\":\"0123456789012345678901234567890123456789\"}}"
#define MOST_LINES (2 * (256 << 10) / sizeof LINE)

static codex_client *clients[CLIENTS];

/* Waits at most so many milliseconds and notes whose descriptors are readable: how many. */
static int (*wait_for_any)(int timeout_ms, bool ready[CLIENTS]);

/* Reads the id of each request and answers it. */
#define ECHO                                                                                                 \
  "while read -r line; do id=${line#*'\"id\":'}; id=${id%%[,\\}]*};"                                         \
  "case $line in *hold*) ;; *leave*) exit 3;;"                                                               \
  "*flood*) yes '" LINE "' | head -n " AS_TEXT(                                                              \
      FLOOD) ";; esac;"                                                                                      \
             "case $line in *hold*) ;; *) printf '{\"id\":%s,\"result\":{}}\\n' \"$id\";; esac; done"

static codex_client *start(void) {
  codex_options options;
  codex_error error;
  const char *arguments[] = {"/bin/sh", "-c", ECHO, NULL};
  codex_options_init(&options);
  options.arguments = arguments;
  codex_client *client = codex_client_start(&options, &error);
  check(client != NULL);
  return client;
}

static void start_all(void) {
  for (int i = 0; i < CLIENTS; i++)
    clients[i] = start();
}

static void free_all(void) {
  for (int i = 0; i < CLIENTS; i++)
    codex_client_free(clients[i]);
}

/* The soonest deadline, at most so many milliseconds. */
static int waiting_time(int most_ms) {
  double soonest = most_ms * 1e-3;
  for (int i = 0; i < CLIENTS; i++) {
    double deadline = codex_client_deadline(clients[i]);
    if (deadline >= 0 && deadline < soonest) soonest = deadline;
  }
  return (int)(soonest * 1e3 + 0.999);
}

/* How many were dispatched, because their descriptors were readable or it was time. */
static int go_round(int most_ms) {
  bool ready[CLIENTS] = {false};
  int count = 0;
  wait_for_any(waiting_time(most_ms), ready);
  for (int i = 0; i < CLIENTS; i++) {
    if (!ready[i] && codex_client_deadline(clients[i]) != 0) continue;
    codex_client_dispatch(clients[i]);
    count++;
  }
  return count;
}

static void go_on(const codex_request *request) {
  while (!codex_request_done(request))
    go_round(10000);
}

static void settle(void) {
  for (int i = 0; i < CLIENTS; i++)
    while (codex_client_deadline(clients[i]) >= 0)
      go_round(10000);
}

static void several_at_once(void) {
  codex_request *requests[CLIENTS][2];
  start_all();
  for (int i = 0; i < CLIENTS; i++)
    for (int j = 0; j < 2; j++)
      requests[i][j] = codex_client_request(clients[i], "x", "{}", 2, 10);
  for (int i = 0; i < CLIENTS; i++) {
    for (int j = 0; j < 2; j++) {
      go_on(requests[i][j]);
      check(codex_request_error(requests[i][j])->kind == CODEX_ERROR_NONE);
      codex_request_release(requests[i][j]);
    }
  }
  free_all();
}

static void out_of_time(void) {
  start_all();
  codex_request *request = codex_client_request(clients[1], "hold", "{}", 2, 0.01);
  go_on(request);
  check(codex_request_error(request)->kind == CODEX_ERROR_TIMEOUT);
  codex_request_release(request);
  free_all();
}

static void nothing_to_do(void) {
  start_all();
  codex_request *request = codex_client_request(clients[0], "x", "{}", 2, 10);
  go_on(request);
  codex_request_release(request);
  settle();
  check(go_round(50) == 0);
  free_all();
}

static void one_leaves(void) {
  start_all();
  codex_request *request = codex_client_request(clients[2], "leave", "{}", 2, 10);
  go_on(request);
  check(codex_request_error(request)->kind == CODEX_ERROR_TRANSPORT_CLOSED);
  codex_request_release(request);
  codex_ready ready;
  while (codex_client_next_ready(clients[2], &ready)) {
  }
  while (!codex_client_gone(clients[2]))
    go_round(10000);
  settle();
  check(go_round(50) == 0);
  free_all();
}

static void shut_down(void) {
  start_all();
  for (int i = 0; i < CLIENTS; i++)
    codex_client_shutdown(clients[i], 5);
  for (int i = 0; i < CLIENTS; i++)
    while (!codex_client_gone(clients[i]))
      go_round(10000);
  free_all();
}

static void flood(void) {
  uint64_t lines = 0, most = 0;
  start_all();
  codex_request *request = codex_client_request(clients[0], "flood", "{}", 2, 60);
  while (!codex_request_done(request)) {
    go_round(10000);
    uint64_t now = codex_client_statistics(clients[0])->lines;
    if (now - lines > most) most = now - lines;
    lines = now;
  }
  check(lines == FLOOD + 1);
  check(most <= MOST_LINES);
  codex_request_release(request);
  free_all();
}

/* ---- poll ---- */

static int wait_with_poll(int timeout_ms, bool ready[CLIENTS]) {
  struct pollfd fds[CLIENTS];
  for (int i = 0; i < CLIENTS; i++)
    fds[i] = (struct pollfd){codex_client_fd(clients[i]), POLLIN, 0};
  int count = poll(fds, CLIENTS, timeout_ms);
  for (int i = 0; i < CLIENTS; i++)
    ready[i] = fds[i].revents != 0;
  return count;
}

/* ---- epoll ---- */

#if defined __linux__

static int outer = -1;

static void watch(int operation) {
  for (int i = 0; i < CLIENTS; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    check(epoll_ctl(outer, operation, codex_client_fd(clients[i]), &event) == 0);
  }
}

/* Watches for this wait only, so that nothing is freed while it is watched. */
static int wait_with_epoll(int timeout_ms, bool ready[CLIENTS]) {
  struct epoll_event events[CLIENTS];
  outer = epoll_create1(EPOLL_CLOEXEC);
  watch(EPOLL_CTL_ADD);
  int count = epoll_wait(outer, events, CLIENTS, timeout_ms);
  for (int i = 0; i < count; i++)
    ready[events[i].data.u32] = true;
  watch(EPOLL_CTL_DEL);
  close(outer);
  return count;
}

#endif

/* ---- all of them ---- */

static void run_all(int (*wait)(int, bool *)) {
  wait_for_any = wait;
  it("several clients have requests answered at once", several_at_once);
  it("a request runs out of time by the deadline alone", out_of_time);
  it("nothing is readable while there is nothing to do", nothing_to_do);
  it("nothing is readable of a server that has gone", one_leaves);
  it("servers are ended", shut_down);
  it("a flood is dispatched in portions", flood);
}

void loop_spec(void) {
  run_all(wait_with_poll);
#if defined __linux__
  run_all(wait_with_epoll);
#endif
}
