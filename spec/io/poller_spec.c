#include "../core/test.h"
#include "io/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* For events that must come; a wait for it to pass is a failure. */
#define LONG_MS 10000

static cx_poller poller;
static cx_poll_event events[8];
static int ends[2];

static void open_all(void) {
  check(cx_poller_open(&poller) == 0);
  check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
}

static void close_all(void) {
  cx_poller_close(&poller);
  close(ends[0]);
  close(ends[1]);
}

static void fill(int fd) {
  static const char block[4096];
  while (write(fd, block, sizeof block) > 0) {
  }
}

/* Exactly one event, and that one. */
static bool only(int count, int fd, unsigned ready) {
  return count == 1 && events[0].fd == fd && events[0].ready == ready;
}

static void is_closed_on_exec(void) {
  open_all();
  check(fcntl(poller.fd, F_GETFD) == FD_CLOEXEC);
  close_all();
  check(poller.fd == -1);
  cx_poller_close(&poller);
}

static void tells_data(void) {
  open_all();
  check(cx_poller_set(&poller, ends[0], 0, CX_POLL_READ) == 0);
  check(cx_poller_wait(&poller, 0, events, 8) == 0);
  check(write(ends[1], "xy", 2) == 2);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), ends[0], CX_POLL_READ));
  char byte;
  check(read(ends[0], &byte, 1) == 1);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), ends[0], CX_POLL_READ));
  check(read(ends[0], &byte, 1) == 1);
  check(cx_poller_wait(&poller, 0, events, 8) == 0);
  close_all();
}

static void tells_hangup(void) {
  open_all();
  cx_poller_set(&poller, ends[0], 0, CX_POLL_READ);
  close(ends[1]);
  ends[1] = -1;
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), ends[0], CX_POLL_READ));
  close_all();
}

static void tells_room(void) {
  open_all();
  fill(ends[1]);
  check(cx_poller_set(&poller, ends[1], 0, CX_POLL_WRITE) == 0);
  check(cx_poller_wait(&poller, 0, events, 8) == 0);
  char block[65536];
  while (read(ends[0], block, sizeof block) > 0) {
  }
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), ends[1], CX_POLL_WRITE));
  close_all();
}

static void tells_dead_reader(void) {
  open_all();
  fill(ends[1]);
  cx_poller_set(&poller, ends[1], 0, CX_POLL_WRITE);
  close(ends[0]);
  ends[0] = -1;
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), ends[1], CX_POLL_WRITE));
  close_all();
}

static void stays_silent(void) {
  open_all();
  cx_poller_set(&poller, ends[0], 0, CX_POLL_READ);
  check(write(ends[1], "x", 1) == 1);
  check(cx_poller_set(&poller, ends[0], CX_POLL_READ, 0) == 0);
  check(cx_poller_wait(&poller, 0, events, 8) == 0);
  close(ends[1]);
  ends[1] = -1;
  check(cx_poller_wait(&poller, 0, events, 8) == 0);
  check(cx_poller_set(&poller, ends[0], 0, CX_POLL_READ) == 0);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), ends[0], CX_POLL_READ));
  close_all();
}

/* A terminal or a socket is one descriptor for both directions. */
static void tells_both_directions_at_once(void) {
  int pair[2];
  open_all();
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  check(cx_poller_set(&poller, pair[0], 0, CX_POLL_READ | CX_POLL_WRITE) == 0);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), pair[0], CX_POLL_WRITE));
  check(write(pair[1], "x", 1) == 1);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), pair[0], CX_POLL_READ | CX_POLL_WRITE));
  check(cx_poller_set(&poller, pair[0], CX_POLL_READ | CX_POLL_WRITE, CX_POLL_READ) == 0);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), pair[0], CX_POLL_READ));
  check(cx_poller_set(&poller, pair[0], CX_POLL_READ, CX_POLL_WRITE) == 0);
  check(only(cx_poller_wait(&poller, LONG_MS, events, 8), pair[0], CX_POLL_WRITE));
  close(pair[0]);
  close(pair[1]);
  close_all();
}

static void keeps_to_capacity(void) {
  int more[2];
  open_all();
  check(pipe2(more, O_CLOEXEC) == 0);
  cx_poller_set(&poller, ends[1], 0, CX_POLL_WRITE);
  cx_poller_set(&poller, more[1], 0, CX_POLL_WRITE);
  check(cx_poller_wait(&poller, LONG_MS, events, 1) == 1);
  check(cx_poller_wait(&poller, LONG_MS, events, 8) == 2);
  check(events[0].fd != events[1].fd);
  close(more[0]);
  close(more[1]);
  close_all();
}

static bool outer_sees(int timeout_ms) {
  struct pollfd outer = {.fd = poller.fd, .events = POLLIN};
  return poll(&outer, 1, timeout_ms) == 1 && outer.revents == POLLIN;
}

static void shows_readiness_outside(void) {
  open_all();
  check(!outer_sees(0));
  cx_poller_set(&poller, ends[0], 0, CX_POLL_READ);
  check(!outer_sees(0));
  check(write(ends[1], "x", 1) == 1);
  check(outer_sees(LONG_MS));
  cx_poller_wait(&poller, 0, events, 8);
  check(outer_sees(0));
  char byte;
  check(read(ends[0], &byte, 1) == 1);
  check(!outer_sees(0));
  close(ends[1]);
  ends[1] = -1;
  check(outer_sees(LONG_MS));
  cx_poller_set(&poller, ends[0], CX_POLL_READ, 0);
  check(!outer_sees(0));
  close_all();
}

static void refuses_bad_descriptors(void) {
  open_all();
  check(cx_poller_set(&poller, -1, 0, CX_POLL_READ) == EBADF);
  check(cx_poller_set(&poller, ends[0], 0, 0) == 0);
  close_all();
  cx_poller closed = {-1};
  check(cx_poller_wait(&closed, 0, events, 8) == -1 && errno == EBADF);
}

static void on_alarm(int signal) {
  (void)signal;
}

/* An interval timer: if the first alarm should come before the wait has begun, the next one interrupts it. */
static void is_interrupted(void) {
  struct sigaction action = {.sa_handler = on_alarm}, before;
  struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
  open_all();
  sigaction(SIGALRM, &action, &before);
  setitimer(ITIMER_REAL, &often, NULL);
  check(cx_poller_wait(&poller, -1, events, 8) == 0);
  setitimer(ITIMER_REAL, &never, NULL);
  sigaction(SIGALRM, &before, NULL);
  close_all();
}

void poller_spec(void) {
  it("a poller's descriptor is close-on-exec, and closing it twice is fine", is_closed_on_exec);
  it("a poller tells data until it is read, and nothing when there is none", tells_data);
  it("a poller tells a hangup without data as readable", tells_hangup);
  it("a poller tells room in a pipe only when there is some", tells_room);
  it("a poller tells a pipe whose reader has gone as writable", tells_dead_reader);
  it("a poller says nothing about what is unwatched", stays_silent);
  it("a poller tells both directions of one descriptor in one event", tells_both_directions_at_once);
  it("a poller writes no more events than there is room for", keeps_to_capacity);
  it("a poller's descriptor is readable exactly while something is ready", shows_readiness_outside);
  it("a poller refuses what isn't a descriptor", refuses_bad_descriptors);
  it("a signal ends a poller's wait without events", is_interrupted);
}
