/* CODEX_USE_KQUEUE picks kqueue on Linux too, as in poller.c. */
#include "alarm.h"

#include <errno.h>

/* Longer than anybody waits, and short enough for every clock. */
#define MOST_SECONDS 1e9

/* A timer of no time at all is one that isn't set. */
#define LEAST_SECONDS 2e-9

static double bounded(double seconds) {
  return seconds > MOST_SECONDS ? MOST_SECONDS : seconds < LEAST_SECONDS ? LEAST_SECONDS : seconds;
}

#if defined __linux__ && !defined CODEX_USE_KQUEUE

#include <sys/timerfd.h>
#include <time.h>

int cx_alarm_open(void) {
  return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

int cx_alarm_set(int fd, double seconds) {
  struct itimerspec timer = {.it_value = {0}};
  if (seconds >= 0) {
    double wait = bounded(seconds);
    timer.it_value.tv_sec = (time_t)wait;
    timer.it_value.tv_nsec = (long)((wait - (double)timer.it_value.tv_sec) * 1e9);
  }
  return timerfd_settime(fd, 0, &timer, NULL) == 0 ? 0 : errno;
}

#else

#include <fcntl.h>
#include <stdint.h>
#include <sys/types.h>

#include <sys/event.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int cx_alarm_open(void) {
  int fd = kqueue();
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

static int change(int fd, unsigned short action, intptr_t milliseconds) {
  struct kevent event;
  EV_SET(&event, 1, EVFILT_TIMER, action, 0, milliseconds, 0);
  return kevent(fd, &event, 1, NULL, 0, NULL) == 0 ? 0 : errno;
}

int cx_alarm_set(int fd, double seconds) {
  int status = change(fd, EV_DELETE, 0);
  if (status != 0 && status != ENOENT) return status;
  if (seconds < 0) return 0;
  return change(fd, EV_ADD | EV_ONESHOT, (intptr_t)(bounded(seconds) * 1e3 + 0.999));
}

#endif
