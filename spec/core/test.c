#include "test.h"

#include <stdlib.h>

static int passed, failed;
static bool example_failed;
static const char *example_name;

static void fail_at(const char *file, int line) {
  if (!example_failed) printf("not ok: %s\n", example_name);
  example_failed = true;
  printf("  %s:%d: ", file, line);
}

void test_check(bool ok, const char *text, const char *file, int line) {
  if (ok) return;
  fail_at(file, line);
  printf("%s\n", text);
}

void test_check_bytes(const char *bytes, size_t length, const char *expected, const char *file, int line) {
  if (bytes && length == strlen(expected) && memcmp(bytes, expected, length) == 0) return;
  fail_at(file, line);
  printf("expected \"%s\", got \"%.*s\"\n", expected, bytes ? (int)length : 6, bytes ? bytes : "(null)");
}

void it(const char *sentence, void (*example)(void)) {
  example_name = sentence;
  example_failed = false;
  example();
  if (example_failed)
    failed++;
  else
    passed++;
}

int test_report(const char *what) {
  printf("%s: %d passed, %d failed\n", what, passed, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
