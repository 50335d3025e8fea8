/* Starting, watching and ending one child. */
#include "process.h"

#include "clock.h"
#include "locate.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
#endif

#ifdef __APPLE__
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#else
extern char **environ;
#endif

/* How long cx_process_kill_and_wait waits for a killed child, which only a kernel that is stuck can delay. */
#define KILLED_SECONDS 1.0

/* ---- descriptors ---- */

static int open_cloexec_pipe(int ends[2]) {
#ifdef __APPLE__
  if (pipe(ends) != 0) return -1;
  return fcntl(ends[0], F_SETFD, FD_CLOEXEC) | fcntl(ends[1], F_SETFD, FD_CLOEXEC);
#else
  return pipe2(ends, O_CLOEXEC);
#endif
}

/* Descriptors 0, 1 and 2 are where the child's pipes go, and in a program that has closed its own they'd be
 * handed out here. */
static int move_up(int *fd) {
  if (*fd > STDERR_FILENO) return 0;
  int moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (moved < 0) return -1;
  close(*fd);
  *fd = moved;
  return 0;
}

enum { STDIN_PIPE, STDOUT_PIPE, STDERR_PIPE, REPORT_PIPE, PIPES };

static void close_pipes(int pipes[PIPES][2]) {
  for (int i = 0; i < PIPES; i++) {
    cx_process_close_fd(&pipes[i][0]);
    cx_process_close_fd(&pipes[i][1]);
  }
}

/* 0 or an errno value; then none is left open. */
static int open_pipes(int pipes[PIPES][2]) {
  for (int i = 0; i < PIPES; i++)
    pipes[i][0] = pipes[i][1] = -1;
  for (int i = 0; i < PIPES; i++) {
    if (open_cloexec_pipe(pipes[i]) == 0 && move_up(&pipes[i][0]) == 0 && move_up(&pipes[i][1]) == 0)
      continue;
    int status = errno;
    close_pipes(pipes);
    return status;
  }
  return 0;
}

static int take(int *fd) {
  int taken = *fd;
  *fd = -1;
  fcntl(taken, F_SETFL, O_NONBLOCK);
  return taken;
}

void cx_process_close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* ---- environment ---- */

static size_t count_of(const char *const *list) {
  size_t count = 0;
  while (list && list[count])
    count++;
  return count;
}

static bool same_name(const char *a, const char *b) {
  size_t length = strcspn(a, "=");
  return length == strcspn(b, "=") && strncmp(a, b, length) == 0;
}

/* One entry of the changes: a later one for the same name replaces an earlier one. */
static size_t apply_change(const char **result, size_t count, const char *change) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (!same_name(result[i], change)) result[kept++] = result[i];
  if (strchr(change, '=')) result[kept++] = change;
  return kept;
}

/* Our environment with the changes, as a list to be freed whose strings are borrowed; NULL without memory. */
static const char **changed_environment(const char *const *changes) {
  const char *const *ours = (const char *const *)environ;
  size_t count = count_of(ours), room = count + count_of(changes) + 1;
  const char **result = calloc(room, sizeof *result);
  if (!result) return NULL;
  if (count > 0) memcpy(result, ours, count * sizeof *result);
  for (size_t i = 0; changes && changes[i]; i++)
    count = apply_change(result, count, changes[i]);
  result[count] = NULL;
  return result;
}

/* ---- in the child: async-signal-safe calls only, and no return ---- */

struct launch {
  char *program;
  const char **environment;
  const cx_process_options *options;
  int pipes[PIPES][2];
};

/* What the child tells through the report pipe, which closes without a word if exec succeeds. */
struct failure {
  enum { STEP_EXEC, STEP_CHDIR, STEP_PIPE } step;
  int status;
};

_Noreturn static void fail(const struct launch *launch, int step) {
  struct failure failure = {.step = step, .status = errno};
  ssize_t length = write(launch->pipes[REPORT_PIPE][1], &failure, sizeof failure);
  (void)length;
  _exit(127);
}

/* Ignored signals and the mask would be inherited through exec. Handlers must be gone before anything is
 * unblocked, or they'd run in this copy of the program. */
static void reset_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  sigemptyset(&action.sa_mask);
  for (int i = 1; i < NSIG; i++)
    sigaction(i, &action, NULL); /* fails for a few that can't be changed */
  sigprocmask(SIG_SETMASK, &action.sa_mask, NULL);
}

/* What the program opened without close-on-exec (Lua's io library does) is none of the server's business: it
 * would keep the other end of a pipe from ever seeing its end. Where the system can't do it at once, it stays
 * open. */
static void close_others_on_exec(void) {
#if defined(SYS_close_range)
  syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
#endif
}

_Noreturn static void run_child(const struct launch *launch) {
  const cx_process_options *options = launch->options;
  /* no race with our parent's first signal to the group: spawn answers after exec */
  if (options->own_group) setpgid(0, 0);
  reset_signals();
  /* dup2's copies stay open over exec; the sources lie above 2, so none is overwritten */
  if (dup2(launch->pipes[STDIN_PIPE][0], STDIN_FILENO) < 0 ||
      dup2(launch->pipes[STDOUT_PIPE][1], STDOUT_FILENO) < 0 ||
      dup2(launch->pipes[STDERR_PIPE][1], STDERR_FILENO) < 0)
    fail(launch, STEP_PIPE);
  close_others_on_exec();
  if (options->cwd && chdir(options->cwd) != 0) fail(launch, STEP_CHDIR);
  execve(launch->program, (char *const *)options->argv, (char *const *)launch->environment);
  fail(launch, STEP_EXEC);
}

/* ---- starting ---- */

/* Signals are blocked all the while, so that no handler of this program runs in the child. -1 with errno. */
static pid_t start(const struct launch *launch) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) run_child(launch);
  int status = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = status;
  return pid;
}

static void wait_for(pid_t pid) {
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
  }
}

/* Waits until the child has become its program or given up. A child killed meanwhile counts as started: how
 * it ended is told when it is reaped. */
static struct failure await_exec(struct launch *launch) {
  struct failure failure = {0};
  ssize_t length;
  cx_process_close_fd(&launch->pipes[REPORT_PIPE][1]);
  do {
    length = read(launch->pipes[REPORT_PIPE][0], &failure, sizeof failure);
  } while (length < 0 && errno == EINTR);
  if (length != (ssize_t)sizeof failure) failure.status = 0;
  return failure;
}

static int fork_and_exec(cx_process *process, struct launch *launch, const char **what) {
  static const char *const steps[] = {[STEP_EXEC] = "exec", [STEP_CHDIR] = "chdir", [STEP_PIPE] = "pipe"};
  pid_t pid = start(launch);
  if (pid < 0) {
    *what = "fork";
    return errno;
  }
  struct failure failure = await_exec(launch);
  if (failure.status != 0) {
    wait_for(pid);
    *what = steps[failure.step];
    return failure.status;
  }
  process->pid = pid;
  process->own_group = launch->options->own_group;
  process->in = take(&launch->pipes[STDIN_PIPE][1]);
  process->out = take(&launch->pipes[STDOUT_PIPE][0]);
  process->err = take(&launch->pipes[STDERR_PIPE][0]);
  return 0;
}

static int prepare_and_start(cx_process *process, struct launch *launch, const char **what) {
  int status = 0;
  *what = "exec";
  launch->program = cx_find_program(launch->options->argv[0], &status);
  if (!launch->program) return status;
  launch->environment = changed_environment(launch->options->env);
  if (!launch->environment) return ENOMEM;
  status = open_pipes(launch->pipes);
  if (status != 0) {
    *what = "pipe";
    return status;
  }
  status = fork_and_exec(process, launch, what);
  close_pipes(launch->pipes);
  return status;
}

void cx_process_init(cx_process *process) {
  *process = (cx_process){.pid = -1, .in = -1, .out = -1, .err = -1, .exit_code = -1};
}

int cx_process_spawn(cx_process *process, const cx_process_options *options, const char **what) {
  struct launch launch = {.options = options};
  cx_process_init(process);
  int status = prepare_and_start(process, &launch, what);
  free(launch.program);
  free(launch.environment);
  return status;
}

/* ---- ending ---- */

bool cx_process_reap(cx_process *process) {
  int status = 0;
  if (process->pid <= 0) return true; /* 0 and -1 mean many processes to waitpid and kill */
  pid_t pid = waitpid(process->pid, &status, WNOHANG);
  if (pid == 0 || (pid < 0 && errno == EINTR)) return false;
  process->pid = -1;
  process->reaped = true;
  process->status_known = pid > 0;
  if (pid > 0 && WIFEXITED(status)) process->exit_code = WEXITSTATUS(status);
  if (pid > 0 && WIFSIGNALED(status)) process->signal = WTERMSIG(status);
  return true;
}

/* Reaping first, since somebody else may have waited for the child, and then its pid could be anybody's. An
 * unreaped child's can't. */
int cx_process_exit_fd(const cx_process *process) {
#if defined(SYS_pidfd_open)
  return process->pid > 0 ? (int)syscall(SYS_pidfd_open, process->pid, 0) : -1; /* close-on-exec by itself */
#else
  (void)process;
  return -1;
#endif
}

void cx_process_signal(cx_process *process, int signal) {
  if (cx_process_reap(process)) return;
  kill(process->own_group ? -process->pid : process->pid, signal);
}

/* waitpid has no time limit, and SIGCHLD belongs to the program, so this looks every few milliseconds. */
static bool reaped_within(cx_process *process, double seconds) {
  double deadline = cx_now() + seconds;
  long pause = 500000;
  while (!cx_process_reap(process)) {
    if (cx_now() >= deadline) return false;
    nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
    if (pause < 8000000) pause *= 2;
  }
  return true;
}

void cx_process_kill_and_wait(cx_process *process, double grace) {
  cx_process_close_fd(&process->in);
  cx_process_close_fd(&process->out);
  cx_process_close_fd(&process->err);
  if (reaped_within(process, grace)) return;
  cx_process_signal(process, SIGTERM);
  if (reaped_within(process, grace)) return;
  cx_process_signal(process, SIGKILL);
  reaped_within(process, KILLED_SECONDS);
}

/* ---- writing ---- */

/* Takes SIGPIPE, which is blocked, from the pending signals if it is there (it isn't where the program
 * ignores it). */
static void consume_sigpipe(const sigset_t *sigpipe) {
#if defined __APPLE__ || defined __OpenBSD__
  int signal;
  sigset_t pending;
  sigpending(&pending);
  if (sigismember(&pending, SIGPIPE)) sigwait(sigpipe, &signal);
#else
  while (sigtimedwait(sigpipe, NULL, &(struct timespec){0}) < 0 && errno == EINTR) {
  }
#endif
}

/* A SIGPIPE that was pending before isn't ours, and swallows ours. */
ssize_t cx_write_no_sigpipe(int fd, const void *bytes, size_t length) {
  sigset_t sigpipe, before, pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
  sigpending(&pending);
  ssize_t written = write(fd, bytes, length);
  int status = errno;
  if (written < 0 && status == EPIPE && !sigismember(&pending, SIGPIPE)) consume_sigpipe(&sigpipe);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = status;
  return written;
}
