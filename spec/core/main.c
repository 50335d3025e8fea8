/* Runs every spec of the core. */
#include "test.h"

#include <stdlib.h>

void buffer_spec(void);
void json_spec(void);
void schema_spec(void);
void frame_spec(void);
void rpc_spec(void);
void thread_spec(void);
void turn_spec(void);
void recorded_turn_spec(void);
void stream_spec(void);
void session_spec(void);
void claims_spec(void);
void subscription_spec(void);
void server_request_spec(void);
void open_item_spec(void);

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

int main(void) {
  buffer_spec();
  json_spec();
  schema_spec();
  frame_spec();
  rpc_spec();
  thread_spec();
  turn_spec();
  recorded_turn_spec();
  stream_spec();
  session_spec();
  claims_spec();
  subscription_spec();
  server_request_spec();
  open_item_spec();
  return test_report("core");
}
