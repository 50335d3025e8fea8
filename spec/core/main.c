/* Runs every spec of the core. */
#include "test.h"

#include <stdint.h>
#include <stdlib.h>

void buffer_spec(void);
void json_spec(void);
void schema_spec(void);
void frame_spec(void);
void rpc_spec(void);
void turn_spec(void);
void session_spec(void);

static int passed, failed;
static bool example_failed;
static const char *example_name;

static long countdown = -1;
static bool allocation_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static bool fail_this_one(void) {
  if (countdown < 0 || countdown-- > 0) return false;
  allocation_failed = true;
  return true;
}

void *__wrap_malloc(size_t size) {
  return fail_this_one() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
  return fail_this_one() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *block, size_t size) {
  return fail_this_one() ? NULL : __real_realloc(block, size);
}

void test_fail_allocation(long n) {
  countdown = n;
  allocation_failed = false;
}

bool test_allocation_failed(void) {
  return allocation_failed;
}

void test_each_allocation_failing(void (*example)(void)) {
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    example();
    bool reached = test_allocation_failed();
    test_fail_allocation(-1);
    if (!reached) return;
  }
}

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

int main(void) {
  buffer_spec();
  json_spec();
  schema_spec();
  frame_spec();
  rpc_spec();
  turn_spec();
  session_spec();
  printf("core: %d passed, %d failed\n", passed, failed);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
