#include "tail.h"

#include <stdlib.h>
#include <string.h>

#define SIZE CODEX_STDERR_SIZE

void cx_tail_init(cx_tail *tail) {
  *tail = (cx_tail){0};
}

void cx_tail_free(cx_tail *tail) {
  free(tail->ring);
  free(tail->text);
  cx_tail_init(tail);
}

void cx_tail_append(cx_tail *tail, const char *bytes, size_t length) {
  if (!tail->ring && !(tail->ring = malloc(SIZE))) return;
  if (length > SIZE) {
    bytes += length - SIZE;
    tail->end += length - SIZE;
    length = SIZE;
  }
  size_t at = tail->end % SIZE, first = length < SIZE - at ? length : SIZE - at;
  memcpy(tail->ring + at, bytes, first);
  memcpy(tail->ring, bytes + first, length - first);
  tail->end += length;
}

static size_t unroll(const cx_tail *tail, char *to) {
  if (tail->end <= SIZE) {
    memcpy(to, tail->ring, tail->end);
    return tail->end;
  }
  size_t at = tail->end % SIZE;
  memcpy(to, tail->ring + at, SIZE - at);
  memcpy(to + SIZE - at, tail->ring, at);
  char *newline = memchr(to, '\n', SIZE);
  if (!newline) return SIZE;
  size_t cut = (size_t)(newline + 1 - to);
  memmove(to, newline + 1, SIZE - cut);
  return SIZE - cut;
}

/* The bytes of an escape sequence that starts at text: CSI … letter, or two bytes. */
static size_t escape_length(const char *text, size_t length) {
  if (length < 2 || text[1] != '[') return length < 2 ? length : 2;
  size_t i = 2;
  while (i < length && !(text[i] >= '@' && text[i] <= '~'))
    i++;
  return i < length ? i + 1 : length;
}

codex_slice cx_tail_text(cx_tail *tail) {
  if (!tail->ring || (!tail->text && !(tail->text = malloc(SIZE)))) return (codex_slice){"", 0};
  size_t length = unroll(tail, tail->text), to = 0;
  for (size_t from = 0; from < length;) {
    if (tail->text[from] == '\033')
      from += escape_length(tail->text + from, length - from);
    else
      tail->text[to++] = tail->text[from++];
  }
  return (codex_slice){tail->text, to};
}

static codex_slice line_at(codex_slice text, size_t start) {
  const char *newline = memchr(text.bytes + start, '\n', text.length - start);
  return (codex_slice){text.bytes + start,
                       newline ? (size_t)(newline - text.bytes) - start : text.length - start};
}

static bool starts_with(codex_slice line, const char *start) {
  size_t length = strlen(start);
  return line.length >= length && memcmp(line.bytes, start, length) == 0;
}

/* A paragraph ends at an empty line, or where a backtrace begins. */
static codex_slice paragraph_at(codex_slice text, size_t start) {
  size_t end = start;
  while (end < text.length) {
    codex_slice line = line_at(text, end);
    if (line.length == 0 || starts_with(line, "Stack backtrace")) break;
    end += line.length + 1;
  }
  end = end > start ? end - 1 : start;
  return (codex_slice){text.bytes + start, end - start};
}

codex_slice cx_tail_sentence(codex_slice text) {
  codex_slice found = {"", 0};
  bool error = false;
  for (size_t start = 0; start < text.length;) {
    codex_slice line = line_at(text, start);
    if (starts_with(line, "Error:")) {
      found = paragraph_at(text, start);
      error = true;
    } else if (!error && line.length > 0) {
      found = line;
    }
    start += line.length + 1;
  }
  return found;
}
