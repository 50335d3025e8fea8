/* The two kinds of multiplexer. CODEX_USE_KQUEUE picks kqueue on Linux too, for trying it there with
 * libkqueue. */
#include "poller.h"

#include <errno.h>
#include <unistd.h>

/* Events taken in one wait; further ones come with the next, as readiness stays. */
#define BATCH 16

static int batch(int capacity) {
  return capacity < BATCH ? capacity : BATCH;
}

void cx_poller_close(cx_poller *poller) {
  if (poller->fd >= 0) close(poller->fd);
  poller->fd = -1;
}

#if defined __linux__ && !defined CODEX_USE_KQUEUE

#include <stdint.h>
#include <sys/epoll.h>

int cx_poller_open(cx_poller *poller) {
  poller->fd = epoll_create1(EPOLL_CLOEXEC);
  return poller->fd < 0 ? errno : 0;
}

/* The interest travels with the descriptor, since a hangup is told without it. */
static uint64_t pack(int fd, unsigned interest) {
  return (uint64_t)interest << 32 | (uint32_t)fd;
}

int cx_poller_set(cx_poller *poller, int fd, unsigned old_interest, unsigned new_interest) {
  if (old_interest == new_interest) return 0;
  int operation = old_interest == 0 ? EPOLL_CTL_ADD : new_interest == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
  struct epoll_event event = {
      .events = (new_interest & CX_POLL_READ ? EPOLLIN : 0) | (new_interest & CX_POLL_WRITE ? EPOLLOUT : 0),
      .data.u64 = pack(fd, new_interest),
  };
  return epoll_ctl(poller->fd, operation, fd, &event) == 0 ? 0 : errno;
}

static cx_poll_event event_of(const struct epoll_event *event) {
  unsigned ready =
      (event->events & EPOLLIN ? CX_POLL_READ : 0) | (event->events & EPOLLOUT ? CX_POLL_WRITE : 0);
  if (event->events & (EPOLLHUP | EPOLLERR)) ready |= (unsigned)(event->data.u64 >> 32);
  return (cx_poll_event){.fd = (int)(uint32_t)event->data.u64, .ready = ready};
}

int cx_poller_wait(cx_poller *poller, int timeout_ms, cx_poll_event *events, int capacity) {
  struct epoll_event found[BATCH];
  int count = epoll_wait(poller->fd, found, batch(capacity), timeout_ms);
  if (count < 0) return errno == EINTR ? 0 : -1;
  for (int i = 0; i < count; i++)
    events[i] = event_of(&found[i]);
  return count;
}

#else

#include <fcntl.h>
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>
#include <time.h>

int cx_poller_open(cx_poller *poller) {
  poller->fd = kqueue();
  if (poller->fd < 0) return errno;
  fcntl(poller->fd, F_SETFD, FD_CLOEXEC);
  return 0;
}

/* Reading and writing are two filters, each added or deleted on its own; EV_SET's casts differ between
 * systems. */
static int change(cx_poller *poller, int fd, int filter, int action) {
  struct kevent event;
  EV_SET(&event, (uintptr_t)fd, (short)filter, (unsigned short)action, 0, 0, 0);
  return kevent(poller->fd, &event, 1, NULL, 0, NULL) == 0 ? 0 : errno;
}

static int add(cx_poller *poller, int fd, unsigned bits) {
  int status = bits & CX_POLL_READ ? change(poller, fd, EVFILT_READ, EV_ADD) : 0;
  if (status != 0 || !(bits & CX_POLL_WRITE)) return status;
  status = change(poller, fd, EVFILT_WRITE, EV_ADD);
  if (status != 0 && bits & CX_POLL_READ) change(poller, fd, EVFILT_READ, EV_DELETE);
  return status;
}

/* Adding comes first, since it alone can fail for a descriptor that is watched as the caller says. */
int cx_poller_set(cx_poller *poller, int fd, unsigned old_interest, unsigned new_interest) {
  int status = add(poller, fd, new_interest & ~old_interest);
  if (status != 0) return status;
  unsigned dropped = old_interest & ~new_interest;
  if (dropped & CX_POLL_READ) status = change(poller, fd, EVFILT_READ, EV_DELETE);
  if (status == 0 && dropped & CX_POLL_WRITE) status = change(poller, fd, EVFILT_WRITE, EV_DELETE);
  return status;
}

/* Adds to the descriptor's event if it has one already: how many there are now. */
static int collect(cx_poll_event *events, int count, int fd, unsigned ready) {
  for (int i = 0; i < count; i++) {
    if (events[i].fd != fd) continue;
    events[i].ready |= ready;
    return count;
  }
  events[count] = (cx_poll_event){.fd = fd, .ready = ready};
  return count + 1;
}

/* A hangup (EV_EOF) comes as an event of the filter that was asked for. */
int cx_poller_wait(cx_poller *poller, int timeout_ms, cx_poll_event *events, int capacity) {
  struct kevent found[BATCH];
  struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
  int n = kevent(poller->fd, NULL, 0, found, batch(capacity), timeout_ms < 0 ? NULL : &timeout), count = 0;
  if (n < 0) return errno == EINTR ? 0 : -1;
  for (int i = 0; i < n; i++)
    count = collect(events, count, (int)found[i].ident,
                    found[i].filter == EVFILT_READ ? CX_POLL_READ : CX_POLL_WRITE);
  return count;
}

#endif
