#include "../core/test.h"
#include "folder.h"
#include "io/clock.h"
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* For what must come; to wait for it to pass is a failure. */
#define LONG_MS 10000
#define LONG 10.0
#define SHORT 0.05

static const char *what;

/* ---- helpers ---- */

static cx_process spawned(const cx_process_options *options) {
  cx_process process;
  what = "";
  check(cx_process_spawn(&process, options, &what) == 0);
  check_bytes(what, strlen(what), what);
  return process;
}

static cx_process spawned_shell(const char *script) {
  const char *argv[] = {"/bin/sh", "-c", script, NULL};
  return spawned(&(cx_process_options){.argv = argv});
}

static cx_process spawned_group(const char *script) {
  const char *argv[] = {"/bin/sh", "-c", script, NULL};
  return spawned(&(cx_process_options){.argv = argv, .own_group = true});
}

/* Reads until there are enough bytes or the other end is closed: how many. */
static size_t read_bytes(int fd, char *bytes, size_t enough) {
  size_t length = 0;
  while (length < enough) {
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    if (poll(&ready, 1, LONG_MS) != 1) break;
    ssize_t n = read(fd, bytes + length, enough - length);
    if (n <= 0) break;
    length += (size_t)n;
  }
  return length;
}

/* Everything up to the end of output. */
static const char *output_of(const cx_process *process) {
  static char text[65536];
  text[read_bytes(process->out, text, sizeof text - 1)] = '\0';
  return text;
}

static bool at_end(int fd) {
  char byte;
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  return poll(&ready, 1, LONG_MS) == 1 && read(fd, &byte, 1) == 0;
}

static void wait_until_ready(const cx_process *process) {
  char text[6];
  check_bytes(text, read_bytes(process->out, text, 6), "ready\n");
}

/* Waits until the child has exited, and leaves it to be reaped. */
static void wait_until_exited(const cx_process *process) {
  siginfo_t info;
  check(waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT) == 0);
}

static void finish(cx_process *process) {
  cx_process_kill_and_wait(process, LONG);
}

static int open_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 256; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void check_output(const cx_process_options *options, const char *expected) {
  cx_process process = spawned(options);
  const char *output = output_of(&process);
  check_bytes(output, strlen(output), expected);
  finish(&process);
  check(process.status_known && process.exit_code == 0);
}

/* ---- pipes ---- */

static void echoes(void) {
  const char *argv[] = {"/bin/cat", NULL};
  char text[5];
  cx_process process = spawned(&(cx_process_options){.argv = argv});
  check(process.pid > 0 && !process.reaped && !process.own_group);
  check(cx_write_no_sigpipe(process.in, "hello", 5) == 5);
  check_bytes(text, read_bytes(process.out, text, 5), "hello");
  cx_process_close_fd(&process.in);
  check(process.in == -1);
  cx_process_close_fd(&process.in);
  check(at_end(process.out) && at_end(process.err));
  finish(&process);
  check(process.out == -1 && process.err == -1 && process.pid == -1);
}

static void separates_stderr(void) {
  char text[16];
  cx_process process = spawned_shell("echo out; echo err >&2");
  check_bytes(text, read_bytes(process.out, text, sizeof text), "out\n");
  check_bytes(text, read_bytes(process.err, text, sizeof text), "err\n");
  finish(&process);
}

static void sets_flags(void) {
  const char *argv[] = {"/bin/cat", NULL};
  cx_process process = spawned(&(cx_process_options){.argv = argv});
  int fds[] = {process.in, process.out, process.err};
  for (int i = 0; i < 3; i++) {
    struct stat entry;
    check(fcntl(fds[i], F_GETFD) == FD_CLOEXEC);
    check(fcntl(fds[i], F_GETFL) & O_NONBLOCK);
    check(fstat(fds[i], &entry) == 0 && S_ISFIFO(entry.st_mode));
  }
  finish(&process);
}

#ifdef __linux__
/* Its ends block, as programs expect. */
static void gives_child_blocking_pipes(void) {
  cx_process process = spawned_shell("for fd in 0 1 2; do while read name value; do [ $name != flags: ] ||\n"
                                     "echo $((value & 04000)); done </proc/$$/fdinfo/$fd; done");
  const char *output = output_of(&process);
  check_bytes(output, strlen(output), "0\n0\n0\n");
  finish(&process);
}
#endif

#ifdef __linux__
static void keeps_to_itself(void) {
  int ends[2];
  check(pipe(ends) == 0); /* as a library would that doesn't care */
  cx_process process = spawned_shell("echo ready; cat");
  wait_until_ready(&process);
  close(ends[1]);
  check(at_end(ends[0]));
  close(ends[0]);
  finish(&process);
}
#endif

static void ends_apart(void) {
  const char *argv[] = {"/bin/cat", NULL};
  cx_process first = spawned(&(cx_process_options){.argv = argv});
  cx_process second = spawned(&(cx_process_options){.argv = argv});
  cx_process_close_fd(&first.in);
  check(at_end(first.out));
  check(!cx_process_reap(&second));
  finish(&first);
  finish(&second);
}

/* In a fork, since this program needs its own. Answers through the exit status. */
static void starts_without_stdio_in_fork(void) {
  const char *argv[] = {"/bin/sh", "-c", "read line; echo \"$line\"; echo \"$line\" >&2", NULL};
  char text[8];
  cx_process process;
  for (int fd = 0; fd < 3; fd++)
    close(fd);
  if (cx_process_spawn(&process, &(cx_process_options){.argv = argv}, &what) != 0) _exit(1);
  if (process.in < 3 || process.out < 3 || process.err < 3) _exit(2);
  if (cx_write_no_sigpipe(process.in, "hello\n", 6) != 6) _exit(3);
  if (read_bytes(process.out, text, 8) != 6 || memcmp(text, "hello\n", 6) != 0) _exit(4);
  if (read_bytes(process.err, text, 8) != 6 || memcmp(text, "hello\n", 6) != 0) _exit(5);
  finish(&process);
  _exit(process.exit_code == 0 && open_descriptors() == 0 ? 0 : 6);
}

static void starts_without_stdio(void) {
  int status;
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    for (int fd = 3; fd < 256; fd++)
      close(fd);
    starts_without_stdio_in_fork();
  }
  check(waitpid(pid, &status, 0) == pid);
  check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what the child is started with ---- */

static void starts_in_folder(void) {
  const char *argv[] = {"/bin/sh", "-c", "pwd -P", NULL};
  char expected[4096];
  const char *folder = folder_new();
  snprintf(expected, sizeof expected, "%s\n", folder);
  check_output(&(cx_process_options){.argv = argv, .cwd = folder}, expected);
  folder_remove();
}

static void changes_environment(void) {
  const char *argv[] = {"/bin/sh", "-c",
                        "echo \"$KEPT,$CHANGED,$ADDED,${REMOVED-none},${EMPTY-none},$KEPTS\"", NULL};
  const char *env[] = {"ADDED=never", "CHANGED=new=value", "REMOVED", "ADDED=a b", "EMPTY=", "ABSENT", NULL};
  setenv("KEPT", "kept", 1);
  setenv("KEPTS", "longer", 1);
  setenv("CHANGED", "old", 1);
  setenv("REMOVED", "old", 1);
  check_output(&(cx_process_options){.argv = argv, .env = env}, "kept,new=value,a b,none,,longer\n");
  check_output(&(cx_process_options){.argv = argv}, "kept,old,,old,none,longer\n");
  check_bytes(getenv("CHANGED"), 3, "old");
}

static void starts_from_empty_environment(void) {
  const char *argv[] = {"/bin/sh", "-c", "echo $A", NULL}, *env[] = {"A=b", NULL};
  char **before = environ;
  environ = NULL;
  check_output(&(cx_process_options){.argv = argv, .env = env}, "b\n");
  environ = before;
}

static void passes_arguments(void) {
  const char *argv[] = {"/bin/sh", "-c", "echo \"$0|$1|$2|$#\"", "a b", "", "*", NULL};
  check_output(&(cx_process_options){.argv = argv}, "a b||*|2\n");
}

static void looks_up_on_path(void) {
  const char *argv[] = {"a program", "argument", NULL}, *env[] = {"PATH=/nowhere", NULL};
  char saved[8192], list[8192];
  snprintf(saved, sizeof saved, "%s", getenv("PATH"));
  folder_new();
  write_file("not here/a program", "#!/bin/sh\necho wrong\n", 0644);
  write_file("here/a program", "#!/bin/sh\necho \"$1 $PATH\"\n", 0755);
  snprintf(list, sizeof list, "%s:%s", in_folder("not here"), in_folder("here"));
  setenv("PATH", list, 1);
  check_output(&(cx_process_options){.argv = argv, .env = env, .cwd = "/"}, "argument /nowhere\n");
  setenv("PATH", saved, 1);
  folder_remove();
}

/* A relative path means the file that the caller sees, wherever the child starts. */
static void runs_relative_path(void) {
  const char *argv[] = {"./a program", NULL};
  char before[4096];
  folder_new();
  write_file("a program", "#!/bin/sh\npwd\n", 0755);
  check(getcwd(before, sizeof before) && chdir(in_folder("")) == 0);
  check_output(&(cx_process_options){.argv = argv, .cwd = "/"}, "/\n");
  check(chdir(before) == 0);
  folder_remove();
}

static void leads_group(void) {
  cx_process own = spawned_group("cat"), shared = spawned_shell("cat");
  check(own.own_group && getpgid(own.pid) == own.pid);
  check(!shared.own_group && getpgid(shared.pid) == getpgrp());
  finish(&own);
  finish(&shared);
}

/* ---- failures ---- */

static void check_fails(const cx_process_options *options, int status, const char *step) {
  cx_process process;
  int before = open_descriptors();
  check(cx_process_spawn(&process, options, &what) == status);
  check_bytes(what, strlen(what), step);
  check(open_descriptors() == before);
  check(process.pid == -1 && process.in == -1 && process.out == -1 && process.err == -1);
  check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void check_exec_fails(const char *program, int status) {
  const char *argv[] = {program, NULL};
  check_fails(&(cx_process_options){.argv = argv}, status, "exec");
}

static void reports_exec_failure(void) {
  folder_new();
  check_exec_fails(in_folder("nothing"), ENOENT);
  check_exec_fails("no such program on PATH", ENOENT);
  check_exec_fails("", ENOENT);
  check_exec_fails("/", EISDIR);
  check_exec_fails(write_file("plain", "#!/bin/sh\n", 0644), EACCES);
  check_exec_fails(write_file("no program", "echo no program\n", 0755), ENOEXEC);
  check_exec_fails(write_file("orphan", "#!/nowhere/interpreter\n", 0755), ENOENT);
  folder_remove();
}

static void reports_chdir_failure(void) {
  const char *argv[] = {"/bin/cat", NULL};
  folder_new();
  check_fails(&(cx_process_options){.argv = argv, .cwd = in_folder("nothing")}, ENOENT, "chdir");
  check_fails(&(cx_process_options){.argv = argv, .cwd = write_file("file", "", 0644)}, ENOTDIR, "chdir");
  folder_remove();
}

static int limit_descriptors(rlim_t count, const struct rlimit *before) {
  struct rlimit few = {.rlim_cur = count, .rlim_max = before->rlim_max};
  return setrlimit(RLIMIT_NOFILE, &few);
}

/* With every number of descriptors that isn't enough, until one is. */
static void reports_pipe_failure(void) {
  const char *argv[] = {"/bin/cat", NULL};
  struct rlimit before;
  cx_process process;
  int lowest = dup(0), status = EMFILE, failures = 0, open = open_descriptors() - 1;
  close(lowest);
  getrlimit(RLIMIT_NOFILE, &before);
  for (rlim_t count = (rlim_t)lowest; status == EMFILE && limit_descriptors(count, &before) == 0; count++) {
    status = cx_process_spawn(&process, &(cx_process_options){.argv = argv}, &what);
    failures += status == EMFILE && strcmp(what, "pipe") == 0 && process.pid == -1;
    check(open_descriptors() == open + (status == 0 ? 3 : 0));
  }
  setrlimit(RLIMIT_NOFILE, &before);
  check(status == 0 && failures >= 8);
  finish(&process);
}

/* ---- signals ---- */

static void check_dies_of(const char *script, int signal) {
  cx_process process = spawned_shell(script);
  const char *output = output_of(&process);
  check_bytes(output, strlen(output), "");
  wait_until_exited(&process);
  check(cx_process_reap(&process));
  check(process.status_known && process.signal == signal && process.exit_code == -1);
  finish(&process);
}

static void resets_signals(void) {
  sigset_t mask, before, after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &mask, &before);
  void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN), (*usr_before)(int) = signal(SIGUSR1, SIG_IGN);
  check_dies_of("kill -TERM $$; echo survived", SIGTERM);
  check_dies_of("kill -USR2 $$; echo survived", SIGUSR2);
  check_dies_of("kill -PIPE $$; echo survived", SIGPIPE);
  check_dies_of("kill -USR1 $$; echo survived", SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &before, &after);
  check(sigismember(&after, SIGTERM) && sigismember(&after, SIGUSR2) && !sigismember(&after, SIGINT));
  check(signal(SIGPIPE, pipe_before) == SIG_IGN);
  check(signal(SIGUSR1, usr_before) == SIG_IGN);
}

static void signals_one(void) {
  cx_process process = spawned_shell("trap 'exit 7' USR1; echo ready; read line");
  wait_until_ready(&process);
  cx_process_signal(&process, SIGUSR1);
  wait_until_exited(&process);
  check(cx_process_reap(&process) && process.exit_code == 7);
  finish(&process);
}

/* The second child holds the output open until it is gone too. */
static void signals_group(void) {
  cx_process process = spawned_group("sleep 1000 & echo ready; wait");
  wait_until_ready(&process);
  cx_process_signal(&process, SIGKILL);
  check(at_end(process.out));
  finish(&process);
  check(process.signal == SIGKILL);
}

/* No such signal exists, so kill would say EINVAL. A real one must never be tried here: sent to pid -1 it
 * ends every process of the user. */
static void check_signals_nobody(cx_process *process) {
  errno = 0;
  cx_process_signal(process, 9999);
  check(errno != EINVAL);
}

static void signals_nobody(void) {
  cx_process process, other = spawned_shell("read line");
  cx_process_init(&process);
  check_signals_nobody(&process);
  check(cx_process_reap(&process) && !process.reaped);
  process.pid = 0; /* as in a struct of zeros: kill would mean our own group, and waitpid any child in it */
  check_signals_nobody(&process);
  finish(&other);
  cx_process_init(&process);
  cx_process_kill_and_wait(&process, LONG);
  process = spawned_group("exit 0");
  wait_until_exited(&process);
  check_signals_nobody(&process);
  check(process.reaped && process.exit_code == 0 && process.signal == 0);
  check_signals_nobody(&process);
  finish(&process);
}

/* ---- the end ---- */

static void tells_exit_status(void) {
  cx_process process = spawned_shell("echo ready; read line; exit 3");
  wait_until_ready(&process);
  check(!cx_process_reap(&process));
  check(!process.reaped && process.exit_code == -1 && process.pid > 0);
  cx_process_close_fd(&process.in);
  wait_until_exited(&process);
  check(cx_process_reap(&process));
  check(process.reaped && process.status_known && process.exit_code == 3 && process.signal == 0);
  check(process.pid == -1);
  check(cx_process_reap(&process) && process.exit_code == 3);
  finish(&process);
}

static void keeps_last_output(void) {
  cx_process process = spawned_shell("echo last words");
  wait_until_exited(&process);
  check(cx_process_reap(&process));
  const char *output = output_of(&process);
  check_bytes(output, strlen(output), "last words\n");
  finish(&process);
}

static void copes_with_stolen_status(void) {
  cx_process process = spawned_shell("exit 3");
  check(waitpid(process.pid, NULL, 0) == process.pid);
  check(cx_process_reap(&process));
  check(process.reaped && !process.status_known && process.exit_code == -1 && process.signal == 0);
  check(process.pid == -1);
  check_signals_nobody(&process);
  finish(&process);
}

static void copes_with_ignored_sigchld(void) {
  void (*before)(int) = signal(SIGCHLD, SIG_IGN);
  cx_process process = spawned_shell("read line; exit 3");
  check(!cx_process_reap(&process));
  finish(&process);
  check(process.reaped && !process.status_known);
  const char *argv[] = {"/bin/cat", NULL};
  check_fails(&(cx_process_options){.argv = argv, .cwd = "/nowhere"}, ENOENT, "chdir");
  signal(SIGCHLD, before);
}

static void check_ends(cx_process process, double grace, int exit_code, int signal, double at_least) {
  double start = cx_now();
  cx_process_kill_and_wait(&process, grace);
  double took = cx_now() - start;
  check(process.reaped && process.exit_code == exit_code && process.signal == signal);
  check(took >= at_least && took < LONG);
  check(process.in == -1 && process.out == -1 && process.err == -1);
}

static void ends_at_eof(void) {
  check_ends(spawned_shell("read line; exit 4"), LONG, 4, 0, 0);
}

static void ends_at_sigterm(void) {
  check_ends(spawned_shell("exec sleep 1000"), SHORT, -1, SIGTERM, SHORT);
}

static void ends_at_sigkill(void) {
  cx_process process = spawned_group("trap '' TERM; echo ready; exec sleep 1000");
  wait_until_ready(&process);
  check_ends(process, SHORT, -1, SIGKILL, 2 * SHORT);
}

static void ends_at_once(void) {
  cx_process process = spawned_shell("trap '' TERM; echo ready; exec sleep 1000");
  wait_until_ready(&process);
  check_ends(process, 0, -1, SIGKILL, 0);
}

static void ends_when_stopped(void) {
  cx_process process = spawned_shell("exec sleep 1000");
  cx_process_signal(&process, SIGSTOP);
  check_ends(process, SHORT, -1, SIGKILL, 2 * SHORT);
}

/* ---- writing ---- */

static bool sigpipe_pending(void) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, SIGPIPE);
}

static int broken_pipe(void) {
  int ends[2];
  check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  close(ends[0]);
  return ends[1];
}

static void check_epipe(int fd) {
  errno = 0;
  check(cx_write_no_sigpipe(fd, "x", 1) == -1 && errno == EPIPE);
}

static void survives_sigpipe(void) {
  sigset_t before, after;
  int fd = broken_pipe();
  void (*handler)(int) = signal(SIGPIPE, SIG_DFL);
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  check_epipe(fd);
  check_epipe(fd);
  check(!sigpipe_pending());
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  check(!sigismember(&before, SIGPIPE) && !sigismember(&after, SIGPIPE));
  signal(SIGPIPE, SIG_IGN);
  check_epipe(fd);
  check(signal(SIGPIPE, handler) == SIG_IGN);
  close(fd);
}

static void keeps_pending_sigpipe(void) {
  sigset_t mask, before;
  int fd = broken_pipe(), signal;
  sigemptyset(&mask);
  sigaddset(&mask, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &mask, &before);
  check_epipe(fd);
  check(!sigpipe_pending());
  raise(SIGPIPE);
  check_epipe(fd);
  check(sigpipe_pending());
  check(sigwait(&mask, &signal) == 0 && signal == SIGPIPE);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(fd);
}

static void writes_what_fits(void) {
  static const char block[1 << 20];
  const char *argv[] = {"/bin/sh", "-c", "exec sleep 1000", NULL};
  cx_process process = spawned(&(cx_process_options){.argv = argv});
  ssize_t length = cx_write_no_sigpipe(process.in, block, sizeof block);
  check(length > 0 && length < (ssize_t)sizeof block);
  check(cx_write_no_sigpipe(process.in, block, sizeof block) == -1 && errno == EAGAIN);
  cx_process_signal(&process, SIGKILL);
  wait_until_exited(&process);
  check(cx_write_no_sigpipe(process.in, block, sizeof block) == -1 && errno == EPIPE);
  finish(&process);
}

void process_spec(void) {
  int before = open_descriptors();
  it("a process echoes what it is sent", echoes);
  it("a process has stderr of its own", separates_stderr);
  it("our ends are pipes, non-blocking and close-on-exec", sets_flags);
#ifdef __linux__
  it("a child's ends of its pipes block", gives_child_blocking_pipes);
  it("a child gets none of our other descriptors", keeps_to_itself);
#endif
  it("a child doesn't hold the pipes of another", ends_apart);
  it("a program without stdin, stdout and stderr can start a child", starts_without_stdio);
  it("a child starts in the folder it is given", starts_in_folder);
  it("a child's environment is ours with additions, replacements and removals", changes_environment);
  it("a child's environment can be made from nothing", starts_from_empty_environment);
  it("a child's arguments arrive as they are", passes_arguments);
  it("a name is looked up on our PATH, not the child's", looks_up_on_path);
  it("a relative path is from our folder, not the child's", runs_relative_path);
  it("a child leads a group of its own only if it should", leads_group);
  it("a failed exec is told, and leaves nothing behind", reports_exec_failure);
  it("a failed chdir is told, and leaves nothing behind", reports_chdir_failure);
  it("a lack of descriptors is told, and leaves nothing behind", reports_pipe_failure);
  it("a child starts with default dispositions and no signal blocked", resets_signals);
  it("a signal reaches the child", signals_one);
  it("a signal reaches all of the child's group", signals_group);
  it("a signal to a child that has gone reaches nobody", signals_nobody);
  it("the exit status is told when the child has ended, not before", tells_exit_status);
  it("output outlives its process", keeps_last_output);
  it("a status that somebody else has waited for is unknown", copes_with_stolen_status);
  it("a program that ignores SIGCHLD can have a child", copes_with_ignored_sigchld);
  it("ending a child closes its stdin first", ends_at_eof);
  it("ending a child goes on to SIGTERM", ends_at_sigterm);
  it("ending a child goes on to SIGKILL", ends_at_sigkill);
  it("ending a child without grace kills it at once", ends_at_once);
  it("ending a stopped child works too", ends_when_stopped);
  it("a write to a dead reader is an error and no signal", survives_sigpipe);
  it("a write leaves a SIGPIPE that was pending before", keeps_pending_sigpipe);
  it("a write to a full pipe doesn't block", writes_what_fits);
  check(open_descriptors() == before);
}
