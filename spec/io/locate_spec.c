#include "../core/test.h"
#include "folder.h"
#include "io/locate.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SCRIPT "#!/bin/sh\n"
#define MODULES "lib/node_modules/@openai"

static char error[256], package[64], target[64];
static char saved_path[8192], saved_folder[4096];

static void set_up(void) {
  folder_new();
  snprintf(saved_path, sizeof saved_path, "%s", getenv("PATH"));
  if (!getcwd(saved_folder, sizeof saved_folder)) abort();
  unsetenv("CODEX_BIN");
  setenv("PATH", in_folder("bin"), 1);
  mkdir(in_folder("bin"), 0755);
}

static void tear_down(void) {
  setenv("PATH", saved_path, 1);
  unsetenv("CODEX_BIN");
  if (chdir(saved_folder) != 0) abort();
  folder_remove();
}

/* What this machine's platform package is called; false where there is none. */
static bool name_package(void) {
  struct utsname system;
  if (uname(&system) < 0) return false;
  bool x64 = strcmp(system.machine, "x86_64") == 0, mac = strcmp(system.sysname, "Darwin") == 0;
  snprintf(package, sizeof package, "codex-%s-%s", mac ? "darwin" : "linux", x64 ? "x64" : "arm64");
  snprintf(target, sizeof target, "%s-%s", x64 ? "x86_64" : "aarch64",
           mac ? "apple-darwin" : "unknown-linux-musl");
  return true;
}

static void check_found(const char *wanted, const char *expected) {
  error[0] = '\0';
  char *path = cx_locate_codex(wanted, error, sizeof error);
  check_bytes(path, path ? strlen(path) : 0, expected);
  check_bytes(error, strlen(error), "");
  free(path);
}

static void check_refused(const char *wanted, const char *expected) {
  char *path = cx_locate_codex(wanted, error, sizeof error);
  check(path == NULL);
  check_bytes(error, strlen(error), expected);
  free(path);
}

static const char *sentence(const char *format, const char *path) {
  static char text[4096];
  snprintf(text, sizeof text, format, path);
  return text;
}

/* npm's launcher, with the link that PATH leads to. */
static void install_launcher(void) {
  write_file(MODULES "/codex/bin/codex.js", "#!/usr/bin/env node\n", 0755);
  check(symlink("../" MODULES "/codex/bin/codex.js", in_folder("bin/codex")) == 0);
}

/* The native program below a folder of the installation. */
static const char *install_native(const char *below) {
  char name[512];
  snprintf(name, sizeof name, MODULES "/%s/vendor/%s/bin/codex", below, target);
  return write_file(name, SCRIPT, 0755);
}

static const char *package_in(const char *folder) {
  static char name[256];
  snprintf(name, sizeof name, "%s%s", folder, package);
  return name;
}

/* ---- npm ---- */

static void finds_sibling(void) {
  set_up();
  install_launcher();
  check_found(NULL, install_native(package));
  tear_down();
}

static void finds_nested(void) {
  set_up();
  install_launcher();
  install_native(package);
  check_found(NULL, install_native(package_in("codex/node_modules/@openai/")));
  tear_down();
}

static void finds_own(void) {
  set_up();
  install_launcher();
  check_found(NULL, install_native("codex"));
  tear_down();
}

static void finds_behind_file(void) {
  set_up();
  install_launcher();
  const char *native = install_native(package);
  check_found(in_folder(MODULES "/codex/bin/codex.js"), native);
  setenv("CODEX_BIN", in_folder("bin/codex"), 1);
  check_found(NULL, native);
  tear_down();
}

static void keeps_launcher(void) {
  set_up();
  install_launcher();
  check_found(NULL, in_folder("bin/codex"));
  chmod(install_native(package), 0644);
  check_found(NULL, in_folder("bin/codex"));
  tear_down();
}

static const char shim[] = "#!/bin/sh\n"
                           "basedir=$(dirname \"$(echo \"$0\" | sed -e 's,\\\\,/,g')\")\n"
                           "if [ -x \"$basedir/node\" ]; then\n"
                           "  exec \"$basedir/node\"  \"%s/codex/bin/codex.js\" \"$@\"\n"
                           "else\n"
                           "  exec node  \"%s/codex/bin/codex.js\" \"$@\"\n"
                           "fi\n";

static void check_shim(const char *folder) {
  char text[8192];
  set_up();
  snprintf(text, sizeof text, shim, folder ? folder : in_folder(MODULES),
           folder ? folder : in_folder(MODULES));
  write_file("bin/codex", text, 0755);
  check_found(NULL, in_folder("bin/codex"));
  write_file(MODULES "/codex/bin/codex.js", "#!/usr/bin/env node\n", 0755);
  check_found(NULL, in_folder("bin/codex"));
  check_found(NULL, install_native(package));
  tear_down();
}

static void finds_behind_relative_shim(void) {
  check_shim("$basedir/../" MODULES);
}
static void finds_behind_absolute_shim(void) {
  check_shim(NULL);
}

static void leaves_other_scripts(void) {
  set_up();
  write_file("bin/codex", "#!/bin/sh\nexec node /@openai/codex/bin/codex.js\n", 0755);
  check_found(NULL, in_folder("bin/codex"));
  write_file("bin/codex", "", 0755);
  check_found(NULL, in_folder("bin/codex"));
  write_file("bin/codex", "#!/@openai/codex/bin/codex.js\"", 0755);
  check_found(NULL, in_folder("bin/codex"));
  tear_down();
}

/* ---- which codex ---- */

static void prefers(void) {
  set_up();
  const char *on_path = write_file("bin/codex", SCRIPT, 0755);
  const char *other = write_file("bin/other codex", SCRIPT, 0755);
  const char *third = write_file("third", SCRIPT, 0755);
  check_found(NULL, on_path);
  check_found("", on_path);
  setenv("CODEX_BIN", "", 1);
  check_found(NULL, on_path);
  setenv("CODEX_BIN", third, 1);
  check_found(NULL, third);
  check_found("", third);
  check_found("other codex", other);
  check_found(other, other);
  setenv("CODEX_BIN", "other codex", 1);
  check_found(NULL, other);
  tear_down();
}

static void answers_absolute(void) {
  set_up();
  const char *program = write_file("bin/codex", SCRIPT, 0755);
  if (chdir(in_folder("")) != 0) abort();
  check_found("bin/codex", program);
  setenv("PATH", "nowhere:bin", 1);
  check_found(NULL, program);
  if (chdir("bin") != 0) abort();
  check_found("./codex", in_folder("bin/./codex"));
  setenv("PATH", "nowhere:", 1);
  check_found(NULL, program);
  tear_down();
}

static void searches_path(void) {
  set_up();
  char list[4096];
  write_file("a/codex", SCRIPT, 0644);
  write_file("b/codex/file", SCRIPT, 0755);
  snprintf(list, sizeof list, "/nonexistent:%s:%s:%s", in_folder("a"), in_folder("b"), in_folder("bin"));
  setenv("PATH", list, 1);
  check_refused(NULL, "the `codex` on PATH can't be run: Permission denied");
  check_found(write_file("bin/codex", SCRIPT, 0755), in_folder("bin/codex"));
  check_found(NULL, in_folder("bin/codex"));
  tear_down();
}

static void knows_default_path(void) {
  int status = 0;
  set_up();
  unsetenv("PATH");
  char *path = cx_find_program("sh", &status);
  check(path && access(path, X_OK) == 0);
  free(path);
  check(cx_find_program("", &status) == NULL && status == ENOENT);
  tear_down();
}

static void says_what_is_missing(void) {
  static const char advice[] = "no `codex` program on PATH: install it with `npm install -g @openai/codex`, "
                               "or name it with codex_bin or $CODEX_BIN";
  set_up();
  check_refused(NULL, advice);
  setenv("PATH", "", 1);
  check_refused(NULL, advice);
  check_refused("codex-x", "codex program not found: codex-x: not on PATH");
  check_refused("./no such/x", "codex program not found: ./no such/x: No such file or directory");
  check_refused("/", "codex program not found: /: Is a directory");
  check_refused("/dev/null", "codex program not found: /dev/null: Permission denied");
  const char *plain = write_file("plain", SCRIPT, 0644);
  check_refused(plain, sentence("codex program not found: %s: Permission denied", plain));
  setenv("CODEX_BIN", "/nowhere", 1);
  check_refused(NULL, "codex program not found: /nowhere: No such file or directory (named by $CODEX_BIN)");
  tear_down();
}

static void fits_the_sentence(void) {
  char few[9] = "12345678";
  set_up();
  check(cx_locate_codex(NULL, few, 4) == NULL);
  check(memcmp(few,
               "no \0"
               "5678",
               9) == 0);
  tear_down();
}

void locate_spec(void) {
  if (name_package()) {
    it("locate finds the native program beside npm's launcher", finds_sibling);
    it("locate finds the native program inside npm's package first", finds_nested);
    it("locate finds the native program among the launcher's own files", finds_own);
    it("locate looks behind a launcher that was named", finds_behind_file);
    it("locate answers the launcher where there is no native program", keeps_launcher);
    it("locate looks behind a shim with a relative path", finds_behind_relative_shim);
    it("locate looks behind a shim with an absolute path", finds_behind_absolute_shim);
  }
  it("locate leaves other scripts alone", leaves_other_scripts);
  it("locate takes the wanted one, then $CODEX_BIN, then PATH", prefers);
  it("locate answers absolute paths", answers_absolute);
  it("locate goes on along PATH past what can't be run", searches_path);
  it("locate searches the usual places without PATH", knows_default_path);
  it("locate says what is missing", says_what_is_missing);
  it("locate writes no more of its sentence than fits", fits_the_sentence);
}
