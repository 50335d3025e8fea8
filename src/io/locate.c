/* PATH lookup, and the way from npm's launcher to the native program. */
#include "locate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What execvp searches where PATH isn't set. */
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

#define LAUNCHER "/@openai/codex/bin/codex.js"

/* malloc'ed; NULL without memory */
__attribute__((format(printf, 1, 2))) static char *formatted(const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  return length < 0 ? NULL : text;
}

/* 0 if it can be executed, else an errno value */
static int program_status(const char *path) {
  struct stat entry;
  if (stat(path, &entry) != 0) return errno;
  if (S_ISDIR(entry.st_mode)) return EISDIR;
  if (!S_ISREG(entry.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* ---- PATH ---- */

/* The child may start in another directory, so what is found must not depend on ours. Takes path over. */
static char *absolute(char *path, int *status) {
  char *folder = NULL, *whole = NULL;
  if (path && path[0] == '/') return path;
  if (path && !(folder = getcwd(NULL, 0)))
    *status = errno;
  else if (!path || !(whole = formatted("%s/%s", folder, path)))
    *status = ENOMEM;
  free(folder);
  free(path);
  return whole;
}

/* An empty element of PATH is the current directory. */
static char *path_entry(const char *folder, size_t length, const char *name) {
  return length == 0 ? strdup(name) : formatted("%.*s/%s", (int)length, folder, name);
}

static char *find_on_path(const char *name, int *status) {
  const char *folder = getenv("PATH"), *end;
  *status = ENOENT;
  if (!folder) folder = DEFAULT_PATH;
  if (!*name) return NULL;
  for (;; folder = end + 1) {
    end = folder + strcspn(folder, ":");
    char *path = path_entry(folder, (size_t)(end - folder), name);
    int found = path ? program_status(path) : ENOMEM;
    if (found == 0) return absolute(path, status);
    /* EACCES from a folder that may not be looked into tells nothing about a program */
    if (found == ENOMEM || (found == EACCES && access(path, F_OK) == 0)) *status = found;
    free(path);
    if (found == ENOMEM || !*end) return NULL;
  }
}

char *cx_find_program(const char *name, int *status) {
  if (!strchr(name, '/')) return find_on_path(name, status);
  *status = program_status(name);
  return *status == 0 ? absolute(strdup(name), status) : NULL;
}

/* ---- npm ---- */

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), n = strlen(end);
  return length >= n && strcmp(text + length - n, end) == 0;
}

/* The launcher that a package manager's shim starts: a short script with a line such as
 *   exec node "$basedir/../@openai/codex/bin/codex.js" "$@"
 * where basedir is the script's own folder. Its real path, malloc'ed, or NULL. */
static char *launcher_of_shim(const char *script) {
  static const char basedir[] = "$basedir/";
  char text[8192];
  FILE *file = fopen(script, "rbe");
  if (!file) return NULL;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0'; /* a native program's text ends at its first NUL, and doesn't begin so: */
  char *found = strncmp(text, "#!", 2) == 0 ? strstr(text, LAUNCHER "\"") : NULL;
  if (!found) return NULL;
  found[strlen(LAUNCHER)] = '\0';
  char *start = found;
  while (start > text && start[-1] != '"' && start[-1] != '\n')
    start--;
  bool relative = strncmp(start, basedir, strlen(basedir)) == 0;
  const char *slash = strrchr(script, '/');
  char *path =
      relative ? formatted("%.*s/%s", (int)(slash - script), script, start + strlen(basedir)) : strdup(start);
  char *real = path ? realpath(path, NULL) : NULL;
  free(path);
  return real;
}

/* The real path of npm's launcher if path leads to it, malloc'ed, else NULL. */
static char *launcher_behind(const char *path) {
  char *real = realpath(path, NULL);
  if (!real || ends_with(real, LAUNCHER)) return real;
  char *launcher = launcher_of_shim(real);
  free(real);
  if (launcher && ends_with(launcher, LAUNCHER)) return launcher;
  free(launcher);
  return NULL;
}

typedef struct platform {
  const char *system, *machine; /* as uname has them */
  const char *package, *target;
} platform;

/* Asked at run time, not at compile time: a 32-bit program of ours may run on a 64-bit system. */
static const platform *this_platform(void) {
  static const platform platforms[] = {
      {"Linux", "x86_64", "codex-linux-x64", "x86_64-unknown-linux-musl"},
      {"Linux", "aarch64", "codex-linux-arm64", "aarch64-unknown-linux-musl"},
      {"Darwin", "x86_64", "codex-darwin-x64", "x86_64-apple-darwin"},
      {"Darwin", "arm64", "codex-darwin-arm64", "aarch64-apple-darwin"},
  };
  struct utsname system;
  if (uname(&system) < 0) return NULL;
  for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
    if (strcmp(platforms[i].system, system.sysname) == 0 && strcmp(platforms[i].machine, system.machine) == 0)
      return &platforms[i];
  return NULL;
}

/* path if it is a program, else NULL; takes path over */
static char *if_program(char *path) {
  if (path && program_status(path) == 0) return path;
  free(path);
  return NULL;
}

/* Looks where Node's require, and then the launcher itself, would: inside the package, beside it (the scope's
 * folder; with pnpm also, as path is real), in the package's own files. */
static char *native_program(const char *launcher) {
  const platform *here = this_platform();
  int package = (int)(strlen(launcher) - strlen("/bin/codex.js")), scope = package - (int)strlen("/codex");
  if (!here) return NULL;
  char *path = if_program(formatted("%.*s/node_modules/@openai/%s/vendor/%s/bin/codex", package, launcher,
                                    here->package, here->target));
  if (!path)
    path = if_program(formatted("%.*s/%s/vendor/%s/bin/codex", scope, launcher, here->package, here->target));
  if (!path) path = if_program(formatted("%.*s/vendor/%s/bin/codex", package, launcher, here->target));
  return path;
}

/* ---- which codex ---- */

static const char *not_empty(const char *text) {
  return text && *text ? text : NULL;
}

static void explain(const char *given, bool from_environment, int status, char *error, size_t size) {
  if (status == ENOMEM)
    snprintf(error, size, "out of memory");
  else if (!given && status == ENOENT)
    snprintf(error, size,
             "no `codex` program on PATH: install it with `npm install -g @openai/codex`, "
             "or name it with codex_bin or $CODEX_BIN");
  else if (!given)
    snprintf(error, size, "the `codex` on PATH can't be run: %s", strerror(status));
  else
    snprintf(error, size, "codex program not found: %s: %s%s", given,
             status == ENOENT && !strchr(given, '/') ? "not on PATH" : strerror(status),
             from_environment ? " (named by $CODEX_BIN)" : "");
}

char *cx_locate_codex(const char *wanted, char *error, size_t size) {
  const char *named = not_empty(wanted), *given = named ? named : not_empty(getenv("CODEX_BIN"));
  int status = 0;
  char *path = cx_find_program(given ? given : "codex", &status);
  if (!path) {
    explain(given, !named, status, error, size);
    return NULL;
  }
  char *launcher = launcher_behind(path);
  char *native = launcher ? native_program(launcher) : NULL;
  free(launcher);
  if (!native) return path;
  free(path);
  return native;
}
