/* A level-triggered multiplexer behind one descriptor: epoll on Linux, kqueue elsewhere.
 *
 * The descriptor can be given to an outer loop, which watches it for reading: it is readable exactly while
 * something watched here is ready. It is close-on-exec. The poller keeps no list of what it watches and owns
 * none of it, so a descriptor's current interest is the caller's to remember.
 *
 * A descriptor is unwatched before it is closed. One that has a copy somewhere (dup, or a fork without exec)
 * would otherwise go on being reported after its number was closed, with nothing left to unwatch it by. */
#ifndef CODEX_IO_POLLER_H
#define CODEX_IO_POLLER_H

enum { CX_POLL_READ = 1, CX_POLL_WRITE = 2 };

typedef struct cx_poller {
  int fd; /* for outer loops; -1 when closed */
} cx_poller;

typedef struct cx_poll_event {
  int fd;
  unsigned ready; /* never 0 */
} cx_poll_event;

/* 0, or an errno value; then the poller is as closed. */
int cx_poller_open(cx_poller *poller);

/* Idempotent. What was watched stays open. */
void cx_poller_close(cx_poller *poller);

/* Changes what fd is watched for: bits of CX_POLL_READ and CX_POLL_WRITE, 0 for not watched. old_interest is
 * what the last successful call for it gave, 0 if there was none. 0, or an errno value with nothing changed
 * (EPERM: a regular file, which epoll can't watch and which is always ready). */
int cx_poller_set(cx_poller *poller, int fd, unsigned old_interest, unsigned new_interest);

/* Waits until something is ready, for at most timeout_ms milliseconds (0: not at all, -1: as long as it
 * takes), and writes at most capacity events, one for a descriptor. Answers how many; 0 after the time or
 * when a signal interrupted; -1 with errno set otherwise.
 *
 * Hangup and errors are readiness for what was asked for: whoever then reads or writes learns what has
 * happened. A pipe whose other end is closed is thus readable without data (read answers 0), or writable
 * (write fails with EPIPE). What isn't handled is reported again. */
int cx_poller_wait(cx_poller *poller, int timeout_ms, cx_poll_event *events, int capacity);

#endif
