/* A child process on three pipes.
 *
 * Nothing here blocks except cx_process_kill_and_wait, changes a signal disposition of this process, or waits
 * for any pid but its own. All descriptors are close-on-exec; stdin, stdout and stderr of the child are real
 * pipes, non-blocking on our side. */
#ifndef CODEX_IO_PROCESS_H
#define CODEX_IO_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* env lists NAME=VALUE to add or replace, and NAME to remove; the last entry for a name counts. */
typedef struct cx_process_options {
  const char *const *argv; /* NULL-terminated; argv[0] is a path (from our cwd) or looked up on PATH (ours) */
  const char *cwd;         /* NULL: ours */
  const char *const *env;  /* NULL-terminated; NULL: no changes */
  bool own_group;          /* the child leads a process group of its own */
} cx_process_options;

typedef struct cx_process {
  pid_t pid; /* -1 once reaped or never started */
  int in;    /* write end of the child's stdin; -1 when closed */
  int out;   /* read end of its stdout; -1 when closed */
  int err;   /* read end of its stderr; -1 when closed */
  bool own_group;
  bool reaped;
  bool status_known; /* false after reaping: somebody else waited for our child (ECHILD) */
  int exit_code;     /* >= 0 when it exited by itself, else -1 */
  int signal;        /* > 0 when a signal ended it, else 0 */
} cx_process;

/* Sets every member to "no process". */
void cx_process_init(cx_process *process);

/* Starts the child. 0, or an errno value with *what saying in a few static words which step failed ("exec",
 * "chdir", "pipe", "fork"); then nothing is left behind: no descriptor, no child. A failure to exec is
 * reported here too. */
int cx_process_spawn(cx_process *process, const cx_process_options *options, const char **what);

/* Closes one of ours (in, out, err) if open and sets it to -1. The caller has stopped polling it. */
void cx_process_close_fd(int *fd);

/* Looks whether the child has ended (waitpid, WNOHANG) and notes how: true once it has, or if there's none.
 */
bool cx_process_reap(cx_process *process);

/* A new descriptor that becomes readable when the child exits, for a poller; the caller's to close. -1 where
 * the system has none. */
int cx_process_exit_fd(const cx_process *process);

/* Sends a signal to the child (to its group when it has one of its own). No-op once reaped; it looks first,
 * as reap does. */
void cx_process_signal(cx_process *process, int signal);

/* Closes all descriptors and, if the child still runs, gives it grace seconds to leave, then SIGTERM and as
 * long again, then SIGKILL; reaps it. For destructors: blocks for at most about 2 * grace seconds (and one
 * more for a killed child that the kernel keeps, which then stays unreaped). */
void cx_process_kill_and_wait(cx_process *process, double grace);

/* write() that cannot raise SIGPIPE, whatever the program did with that signal: as write, EPIPE in errno. */
ssize_t cx_write_no_sigpipe(int fd, const void *bytes, size_t length);

#endif
