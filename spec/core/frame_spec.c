/* Lines out of bytes: where they end, where they may be cut, how long they may be. */
#include "core/frame.h"

#include "support.h"

#include <stdlib.h>

void frame_spec(void);

static bool give(cx_frame *frame, const char *bytes, size_t length) {
  while (length > 0) {
    size_t space;
    char *room = cx_frame_reserve(frame, &space);
    if (!room) return false;
    if (space > length) space = length;
    memcpy(room, bytes, space);
    cx_frame_commit(frame, space);
    bytes += space;
    length -= space;
  }
  return true;
}

/* Takes all complete lines, each in angle brackets; what stopped it is the answer. */
static int take_lines(cx_frame *frame, account *lines) {
  codex_slice line;
  int status;
  while ((status = cx_frame_peek(frame, &line)) == CX_OK) {
    note(lines, "<%.*s>", (int)line.length, line.bytes);
    cx_frame_take(frame);
  }
  return status;
}

static const char several[] = "one\n\r\ntwo\r\n\nth\ree\r\r\n{\"long\":\"line of its own\"}\nunfinished";
static const char several_lines[] = "<one><><two><><th\ree\r><{\"long\":\"line of its own\"}>";

static void lines_end_in_lf_or_cr_lf(void) {
  cx_frame frame;
  account lines = {.length = 0};
  cx_frame_init(&frame, 1000);
  give(&frame, several, sizeof several - 1);
  check(take_lines(&frame, &lines) == CX_EINVAL);
  check_account(&lines, several_lines);
  give(&frame, "\n", 1);
  take_lines(&frame, &lines);
  check_bytes(lines.text + sizeof several_lines - 1, lines.length - sizeof several_lines + 1, "<unfinished>");
  cx_frame_free(&frame);
}

/* Gives the lines in pieces of at most size bytes, of which the first has first. */
static void give_in_pieces(size_t first, size_t size) {
  cx_frame frame;
  account lines = {.length = 0};
  cx_frame_init(&frame, 1000);
  give(&frame, several, first);
  take_lines(&frame, &lines);
  for (size_t at = first, length; at < sizeof several - 1; at += length) {
    length = sizeof several - 1 - at < size ? sizeof several - 1 - at : size;
    give(&frame, several + at, length);
    take_lines(&frame, &lines);
  }
  check_account(&lines, several_lines);
  cx_frame_free(&frame);
}

static void bytes_come_one_at_a_time(void) {
  give_in_pieces(0, 1);
}

static void bytes_are_split_anywhere(void) {
  for (size_t first = 0; first < sizeof several; first++)
    for (size_t size = 2; size < 40; size += 5)
      give_in_pieces(first, size);
}

static void a_line_is_found_again_until_taken(void) {
  cx_frame frame;
  codex_slice line;
  cx_frame_init(&frame, 1000);
  give(&frame, "first\nsecond\n", 13);
  for (int i = 0; i < 3; i++) {
    check(cx_frame_peek(&frame, &line) == CX_OK);
    check_slice(line, "first");
  }
  cx_frame_take(&frame);
  codex_slice second;
  check(cx_frame_peek(&frame, &second) == CX_OK);
  check_slice(second, "second");
  check_slice(line, "first"); /* readable until the next reserve */
  cx_frame_free(&frame);
}

#define LIMIT 20

static const struct limit_sample {
  size_t length;
  const char *end;
  int status;
} limit_samples[] = {
    {LIMIT - 1, "\n", CX_OK},     {LIMIT, "\n", CX_OK},          {LIMIT + 1, "\n", CX_ELIMIT},
    {LIMIT - 1, "\r\n", CX_OK},   {LIMIT, "\r\n", CX_OK},        {LIMIT + 1, "\r\n", CX_ELIMIT},
    {LIMIT - 1, "", CX_EINVAL},   {LIMIT, "", CX_EINVAL},        {LIMIT + 2, "", CX_ELIMIT},
    {LIMIT - 1, "\r\r\n", CX_OK}, {LIMIT, "\r\r\n", CX_ELIMIT},  {LIMIT, "\r", CX_EINVAL},
    {LIMIT + 1, "\r", CX_ELIMIT}, {LIMIT + 1, "x\n", CX_ELIMIT},
};

static void check_limit(const struct limit_sample *sample, bool one_by_one) {
  char text[LIMIT + 8];
  cx_frame frame;
  codex_slice line;
  int status = CX_EINVAL;
  memset(text, 'x', sizeof text);
  strcpy(text + sample->length, sample->end);
  size_t length = strlen(text);
  cx_frame_init(&frame, LIMIT);
  for (size_t at = 0, step = one_by_one ? 1 : length; at < length && status == CX_EINVAL; at += step) {
    give(&frame, text + at, step);
    status = cx_frame_peek(&frame, &line);
  }
  check(status == sample->status);
  cx_frame_free(&frame);
}

static void lines_have_a_limit(void) {
  for (size_t i = 0; i < COUNT(limit_samples); i++) {
    check_limit(&limit_samples[i], false);
    check_limit(&limit_samples[i], true);
  }
}

static void a_short_line_before_a_long_one_still_counts(void) {
  cx_frame frame;
  account lines = {.length = 0};
  cx_frame_init(&frame, 5);
  give(&frame, "12345\n123456\n1\n", 15);
  check(take_lines(&frame, &lines) == CX_ELIMIT);
  check_account(&lines, "<12345>");
  cx_frame_clear(&frame);
  give(&frame, "ok\n", 3);
  check(take_lines(&frame, &lines) == CX_EINVAL);
  check_account(&lines, "<12345><ok>");
  cx_frame_free(&frame);
}

/* Reading must be linear in a line's length, and its storage must not stay. */
static void a_large_line_costs_its_length_once(void) {
  enum { PIECE = 4096, PIECES = 4096 };
  static char piece[PIECE];
  cx_frame frame;
  codex_slice line;
  size_t space;
  memset(piece, 'x', PIECE);
  cx_frame_init(&frame, CODEX_DEFAULT_MAX_LINE);
  for (int i = 0; i < PIECES; i++) {
    give(&frame, piece, PIECE);
    check(cx_frame_peek(&frame, &line) == CX_EINVAL);
  }
  give(&frame, "\n", 1);
  check(cx_frame_peek(&frame, &line) == CX_OK);
  check(line.length == (size_t)PIECE * PIECES);
  cx_frame_take(&frame);
  check(cx_frame_reserve(&frame, &space) != NULL);
  check(frame.input.capacity < (size_t)2 << 20);
  cx_frame_free(&frame);
}

static void out_of_memory_loses_nothing(void) {
  static char text[200000];
  cx_frame frame;
  codex_slice line;
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\n';
  cx_frame_init(&frame, sizeof text);
  size_t given = 0, space;
  while (given < sizeof text) {
    char *room = cx_frame_reserve(&frame, &space);
    if (!room) continue; /* it may be asked for again */
    size_t length = sizeof text - given < space ? sizeof text - given : space;
    memcpy(room, text + given, length);
    cx_frame_commit(&frame, length);
    given += length;
  }
  check(cx_frame_peek(&frame, &line) == CX_OK);
  check(line.length == sizeof text - 1 && memcmp(line.bytes, text, line.length) == 0);
  cx_frame_free(&frame);
}

static void allocations_fail(void) {
  test_each_allocation_failing(out_of_memory_loses_nothing);
}

void frame_spec(void) {
  it("cuts lines at LF and CR LF", lines_end_in_lf_or_cr_lf);
  it("takes bytes one at a time", bytes_come_one_at_a_time);
  it("takes lines split anywhere", bytes_are_split_anywhere);
  it("finds a line again until it is taken", a_line_is_found_again_until_taken);
  it("accepts lines up to the limit, their end not counted", lines_have_a_limit);
  it("gives out what came before a line that is too long", a_short_line_before_a_long_one_still_counts);
  it("reads a large line in linear time and gives its storage back", a_large_line_costs_its_length_once);
  it("loses nothing when memory runs out", allocations_fail);
}
