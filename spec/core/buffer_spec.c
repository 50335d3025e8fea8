/* The buffer: limits, order, storage, failure. */
#include "core/buffer.h"
#include "test.h"

#include <stdint.h>
#include <stdlib.h>

void buffer_spec(void);

static void starts_empty(void) {
  cx_buffer buffer;
  test_fail_allocation(0);
  cx_buffer_init(&buffer, 10);
  check(cx_buffer_length(&buffer) == 0);
  check(cx_buffer_bytes(&buffer) == NULL);
  check(cx_buffer_append(&buffer, NULL, 0) == CX_OK);
  check(cx_buffer_reserve(&buffer, 0) == CX_OK);
  cx_buffer_consume(&buffer, 0);
  cx_buffer_clear(&buffer);
  cx_buffer_free(&buffer);
  check(!test_allocation_failed());
  test_fail_allocation(-1);
}

static void appends_in_order(void) {
  cx_buffer buffer;
  cx_buffer_init(&buffer, 100);
  check(cx_buffer_append(&buffer, "one\0two", 4) == CX_OK);
  check(cx_buffer_append_string(&buffer, "three") == CX_OK);
  check(cx_buffer_append_string(&buffer, "") == CX_OK);
  check(cx_buffer_append_byte(&buffer, '!') == CX_OK);
  check(cx_buffer_length(&buffer) == 10);
  check(memcmp(cx_buffer_bytes(&buffer), "one\0three!", 10) == 0);
  cx_buffer_consume(&buffer, 4);
  check_bytes(cx_buffer_bytes(&buffer), cx_buffer_length(&buffer), "three!");
  cx_buffer_clear(&buffer);
  check(cx_buffer_length(&buffer) == 0);
  cx_buffer_free(&buffer);
}

static void holds_exactly_its_maximum(void) {
  char bytes[200] = {0};
  for (size_t max = 0; max < 150; max++) {
    cx_buffer buffer;
    cx_buffer_init(&buffer, max);
    check(cx_buffer_append(&buffer, bytes, max + 1) == CX_ELIMIT);
    check(cx_buffer_length(&buffer) == 0);
    if (max > 0) check(cx_buffer_append(&buffer, bytes, max - 1) == CX_OK);
    if (max > 0) check(cx_buffer_append_byte(&buffer, 'x') == CX_OK);
    check(cx_buffer_append_byte(&buffer, 'x') == CX_ELIMIT);
    check(cx_buffer_length(&buffer) == max);
    check(buffer.capacity <= max);
    if (max > 0) {
      cx_buffer_consume(&buffer, 1);
      check(cx_buffer_append(&buffer, bytes, 2) == CX_ELIMIT);
      check(cx_buffer_append_byte(&buffer, 'y') == CX_OK);
      check(cx_buffer_bytes(&buffer)[max - 1] == 'y');
    }
    cx_buffer_free(&buffer);
  }
}

static void survives_absurd_sizes(void) {
  cx_buffer buffer;
  cx_buffer_init(&buffer, 10);
  check(cx_buffer_append_string(&buffer, "abc") == CX_OK);
  check(cx_buffer_reserve(&buffer, SIZE_MAX) == CX_ELIMIT);
  check(cx_buffer_reserve(&buffer, SIZE_MAX - 2) == CX_ELIMIT);
  check_bytes(cx_buffer_bytes(&buffer), cx_buffer_length(&buffer), "abc");
  cx_buffer_free(&buffer);
  cx_buffer_init(&buffer, SIZE_MAX);
  check(cx_buffer_append_string(&buffer, "abc") == CX_OK);
  check(cx_buffer_reserve(&buffer, SIZE_MAX) == CX_ELIMIT);
  check(cx_buffer_append_string(&buffer, "def") == CX_OK);
  check_bytes(cx_buffer_bytes(&buffer), cx_buffer_length(&buffer), "abcdef");
  cx_buffer_free(&buffer);
}

static void reserve_makes_room(void) {
  cx_buffer buffer;
  cx_buffer_init(&buffer, 1000);
  check(cx_buffer_append_string(&buffer, "abc") == CX_OK);
  check(cx_buffer_reserve(&buffer, 997) == CX_OK);
  check(buffer.capacity - buffer.end >= 997);
  test_fail_allocation(0);
  for (int i = 0; i < 997; i++)
    check(cx_buffer_append_byte(&buffer, 'x') == CX_OK);
  check(!test_allocation_failed());
  test_fail_allocation(-1);
  cx_buffer_free(&buffer);
}

/* A queue fed and drained for ever stays small, and what comes out is what went in. */
static void is_a_queue(void) {
  cx_buffer buffer;
  unsigned seed = 7;
  unsigned char in = 0, out = 0;
  bool same = true;
  cx_buffer_init(&buffer, 300);
  for (int round = 0; round < 20000; round++) {
    seed = seed * 1103515245u + 12345u;
    size_t count = seed >> 16 & 31, drained = seed >> 24 & 31;
    for (; count > 0 && cx_buffer_append_byte(&buffer, (char)in) == CX_OK; count--)
      in++;
    if (drained > cx_buffer_length(&buffer)) drained = cx_buffer_length(&buffer);
    for (size_t i = 0; i < drained; i++)
      same = same && (unsigned char)cx_buffer_bytes(&buffer)[i] == out++;
    cx_buffer_consume(&buffer, drained);
    same = same && (unsigned char)(in - out) == (unsigned char)cx_buffer_length(&buffer);
  }
  check(same);
  check(buffer.capacity <= 300);
  cx_buffer_free(&buffer);
}

static void gives_large_storage_back(void) {
  cx_buffer buffer;
  cx_buffer_init(&buffer, 1 << 20);
  check(cx_buffer_reserve(&buffer, 1 << 20) == CX_OK);
  check(cx_buffer_append_string(&buffer, "abc") == CX_OK);
  cx_buffer_consume(&buffer, 2);
  check(buffer.capacity == 1 << 20);
  cx_buffer_consume(&buffer, 1);
  check(buffer.capacity == 0);
  check(cx_buffer_append_string(&buffer, "again") == CX_OK);
  size_t capacity = buffer.capacity;
  cx_buffer_consume(&buffer, 5);
  check(buffer.capacity == capacity);
  cx_buffer_free(&buffer);
  check(buffer.max == 1 << 20);
}

static void growing_with_failures(void) {
  cx_buffer buffer;
  char expected[1001] = {0};
  size_t length = 0;
  cx_buffer_init(&buffer, 1000);
  while (length < 1000) {
    char byte = (char)('a' + length % 26);
    int status = cx_buffer_append_byte(&buffer, byte);
    if (status == CX_OK) expected[length++] = byte;
    if (status != CX_OK) {
      check(status == CX_ENOMEM);
      if (length > 0) check_bytes(cx_buffer_bytes(&buffer), cx_buffer_length(&buffer), expected);
    }
  }
  check_bytes(cx_buffer_bytes(&buffer), cx_buffer_length(&buffer), expected);
  cx_buffer_free(&buffer);
}

static void keeps_contents_when_allocation_fails(void) {
  test_each_allocation_failing(growing_with_failures);
}

/* Growing is only the better choice when there is room to move to: a failure to grow is then no failure. */
static void moves_when_it_cannot_grow(void) {
  cx_buffer buffer;
  cx_buffer_init(&buffer, 1000);
  for (int i = 0; i < 64; i++)
    check(cx_buffer_append_byte(&buffer, (char)('0' + i)) == CX_OK);
  cx_buffer_consume(&buffer, 1);
  test_fail_allocation(0);
  check(cx_buffer_append_byte(&buffer, '!') == CX_OK);
  check(cx_buffer_length(&buffer) == 64);
  check(cx_buffer_bytes(&buffer)[0] == '1' && cx_buffer_bytes(&buffer)[63] == '!');
  test_fail_allocation(-1);
  cx_buffer_free(&buffer);
}

void buffer_spec(void) {
  it("a buffer starts empty and allocates nothing", starts_empty);
  it("a buffer appends in order and consumes from the start", appends_in_order);
  it("a buffer holds exactly its maximum", holds_exactly_its_maximum);
  it("a buffer refuses sizes whose sum would overflow", survives_absurd_sizes);
  it("reserving makes the following appends free", reserve_makes_room);
  it("a buffer is a queue that doesn't creep", is_a_queue);
  it("a buffer gives large storage back once empty", gives_large_storage_back);
  it("a buffer keeps its contents when an allocation fails", keeps_contents_when_allocation_fails);
  it("a buffer moves its contents when it cannot grow", moves_when_it_cannot_grow);
}
