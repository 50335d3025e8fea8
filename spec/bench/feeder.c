/* A recorded stream of an agent's text, pumped as fast as a pipe takes it: what all benchmarks read.
 *
 *   feeder [options] DELTAS
 *     --stdout    the stream at once on stdout, for readers that speak no protocol; else an app-server that
 *                 answers initialize, thread/start and turn/start, and pumps once the turns were started
 *     --lines     one write a line; else writes of 64 KiB
 *     --turns N   waits for that many turns, and gives their events in turn (default 1)
 *     --pace US   so many microseconds between two deltas
 *     --stamp     each delta's text is the moment it was written, in seconds on the monotonic clock
 *
 * DELTAS counts those of all turns together; every 500 of one turn are a message, which completes with its
 * whole text. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_DELTAS 500
#define BATCH_SIZE ((size_t)64 << 10)

/* What a model's pieces look like when they are long enough for a line of 250 bytes. */
static const char *const pieces[] = {
    "The parser reads one token at a ti",     "me, so nothing larger than a line is k",
    "ept. If that line is long\\n\\n",        "  - the buffer grows, up to a limit,",
    "  - and the rest of the file waits;\\n", " a caf\xC3\xA9 na\xC3\xAFve about bytes",
    " would have counted characters here",    " and called `read(\\\"all\\\")` instead",
    ". What remains is small: two tests",     " for the split at the last byte, an",
    "d one for the empty line. Then run ",    "make test again and look at the dif",
};
#define PIECES (sizeof pieces / sizeof *pieces)

typedef struct fed_turn {
  char thread_id[37], turn_id[37], item_id[40];
} fed_turn;

typedef struct feeder {
  bool to_stdout, by_line, stamp;
  unsigned turns, pace;
  unsigned long deltas, messages, threads, started;
  fed_turn *all;
  char *batch;
  size_t batched, capacity;
} feeder;

/* ---- writing ---- */

static void write_all(const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(STDOUT_FILENO, bytes, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) exit(0); /* the reader has gone */
    bytes += written;
    length -= (size_t)written;
  }
}

static void flush(feeder *f) {
  write_all(f->batch, f->batched);
  f->batched = 0;
}

static void put(feeder *f, const char *bytes, size_t length) {
  if (f->batched + length > f->capacity) {
    f->capacity = 2 * (f->batched + length);
    f->batch = realloc(f->batch, f->capacity);
    if (!f->batch) abort();
  }
  memcpy(f->batch + f->batched, bytes, length);
  f->batched += length;
}

static void put_string(feeder *f, const char *string) {
  put(f, string, strlen(string));
}

static void end_line(feeder *f) {
  put(f, "\n", 1);
  if (f->by_line) flush(f);
  size_t done = 0;
  for (; f->batched - done >= BATCH_SIZE; done += BATCH_SIZE)
    write_all(f->batch + done, BATCH_SIZE);
  memmove(f->batch, f->batch + done, f->batched - done);
  f->batched -= done;
}

/* ---- the stream ---- */

static void put_ids(feeder *f, const fed_turn *turn) {
  put_string(f, "\"threadId\":\"");
  put_string(f, turn->thread_id);
  put_string(f, "\",\"turnId\":\"");
  put_string(f, turn->turn_id);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void put_delta(feeder *f, const fed_turn *turn, unsigned long n) {
  char stamp[32];
  put_string(f, "{\"method\":\"item/agentMessage/delta\",\"params\":{");
  put_ids(f, turn);
  put_string(f, "\",\"itemId\":\"");
  put_string(f, turn->item_id);
  put_string(f, "\",\"delta\":\"");
  if (f->stamp) snprintf(stamp, sizeof stamp, "%.6f", now());
  put_string(f, f->stamp ? stamp : pieces[n % PIECES]);
  put_string(f, "\"},\"emittedAtMs\":17611360");
  const char digits[] = {(char)('0' + n / 10000 % 10), (char)('0' + n / 1000 % 10),
                         (char)('0' + n / 100 % 10), (char)('0' + n / 10 % 10), (char)('0' + n % 10)};
  put(f, digits, sizeof digits);
  put(f, "}", 1);
  end_line(f);
}

static void put_item(feeder *f, const fed_turn *turn, const char *event, unsigned long deltas) {
  put_string(f, "{\"method\":\"item/");
  put_string(f, event);
  put_string(f, "\",\"params\":{\"item\":{\"type\":\"agentMessage\",\"id\":\"");
  put_string(f, turn->item_id);
  put_string(f, "\",\"text\":\"");
  for (unsigned long n = 0; n < deltas && !f->stamp; n++)
    put_string(f, pieces[n % PIECES]);
  put_string(f, "\",\"phase\":null},");
  put_ids(f, turn);
  put_string(f, "\"},\"emittedAtMs\":1761136000000}");
  end_line(f);
}

static void put_turn(feeder *f, const fed_turn *turn, const char *event, const char *status) {
  put_string(f, "{\"method\":\"turn/");
  put_string(f, event);
  put_string(f, "\",\"params\":{\"threadId\":\"");
  put_string(f, turn->thread_id);
  put_string(f, "\",\"turn\":{\"id\":\"");
  put_string(f, turn->turn_id);
  put_string(f, "\",\"items\":[],\"status\":\"");
  put_string(f, status);
  put_string(f, "\",\"error\":null}}}");
  end_line(f);
}

static void pump_message(feeder *f, unsigned long deltas) {
  for (unsigned long t = 0; t < f->turns; t++) {
    fed_turn *turn = &f->all[t];
    snprintf(turn->item_id, sizeof turn->item_id, "msg_%06lx0a1f%06lx", t, f->messages);
    put_item(f, turn, "started", 0);
  }
  for (unsigned long n = 0; n < deltas; n++) {
    for (unsigned long t = 0; t < f->turns; t++) {
      if (f->pace) usleep(f->pace);
      put_delta(f, &f->all[t], n);
    }
  }
  for (unsigned long t = 0; t < f->turns; t++)
    put_item(f, &f->all[t], "completed", deltas);
  f->messages++;
}

static void pump(feeder *f) {
  for (unsigned t = 0; t < f->turns; t++)
    put_turn(f, &f->all[t], "started", "inProgress");
  unsigned long left = f->deltas / f->turns;
  while (left > 0) {
    unsigned long deltas = left < MESSAGE_DELTAS ? left : MESSAGE_DELTAS;
    pump_message(f, deltas);
    left -= deltas;
  }
  for (unsigned t = 0; t < f->turns; t++)
    put_turn(f, &f->all[t], "completed", "completed");
  flush(f);
}

/* ---- the app-server ---- */

static void make_id(char id[37], const char *kind, unsigned long n) {
  snprintf(id, 37, "019a0b5c-7e1f-7%.3s-8d42-%012lx", kind, n);
}

/* The string after that text, up to its quote. */
static bool find_string(const char *line, const char *before, char *string, size_t size) {
  const char *start = strstr(line, before);
  if (!start) return false;
  start += strlen(before);
  size_t length = strcspn(start, "\"");
  if (length >= size) return false;
  memcpy(string, start, length);
  string[length] = '\0';
  return true;
}

static void answer(feeder *f, unsigned long id, const char *result) {
  char line[512];
  snprintf(line, sizeof line, "{\"id\":%lu,\"result\":%s}\n", id, result);
  put_string(f, line);
  flush(f);
}

static void start_turn(feeder *f, unsigned long id, const char *line) {
  char result[256];
  fed_turn *turn = &f->all[f->started % f->turns];
  find_string(line, "\"threadId\":\"", turn->thread_id, sizeof turn->thread_id);
  make_id(turn->turn_id, "abc", ++f->started);
  snprintf(result, sizeof result, "{\"turn\":{\"id\":\"%s\",\"items\":[],\"status\":\"inProgress\"}}",
           turn->turn_id);
  answer(f, id, result);
  if (f->started % f->turns == 0) pump(f);
}

static void handle(feeder *f, const char *line) {
  char method[64], result[256], thread_id[37];
  const char *id_text = strstr(line, "\"id\":");
  if (!id_text || !find_string(line, "\"method\":\"", method, sizeof method)) return;
  unsigned long id = strtoul(id_text + 5, NULL, 10);
  if (strcmp(method, "initialize") == 0) {
    answer(f, id,
           "{\"userAgent\":\"feeder/0.1.0 (bench)\",\"codexHome\":\"/\",\"platformFamily\":\"unix\","
           "\"platformOs\":\"linux\"}");
  } else if (strcmp(method, "thread/start") == 0) {
    make_id(thread_id, "def", ++f->threads);
    snprintf(result, sizeof result, "{\"thread\":{\"id\":\"%s\"},\"model\":\"bench\",\"cwd\":\"/\"}",
             thread_id);
    answer(f, id, result);
  } else if (strcmp(method, "turn/start") == 0) {
    start_turn(f, id, line);
  } else {
    answer(f, id, "{}");
  }
}

static void serve(feeder *f) {
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, stdin) > 0)
    handle(f, line);
  free(line);
}

/* ---- the command line ---- */

static bool read_arguments(feeder *f, int argc, char **argv) {
  *f = (feeder){.turns = 1};
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : "0";
    if (strcmp(argv[i], "--stdout") == 0)
      f->to_stdout = true;
    else if (strcmp(argv[i], "--lines") == 0)
      f->by_line = true;
    else if (strcmp(argv[i], "--stamp") == 0)
      f->stamp = true;
    else if (strcmp(argv[i], "--turns") == 0 && ++i)
      f->turns = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--pace") == 0 && ++i)
      f->pace = (unsigned)strtoul(value, NULL, 10);
    else
      f->deltas = strtoul(argv[i], NULL, 10);
  }
  return f->deltas > 0 && f->turns > 0;
}

int main(int argc, char **argv) {
  feeder f;
  if (!read_arguments(&f, argc, argv)) {
    fputs("usage: feeder [--stdout] [--lines] [--turns N] [--pace US] [--stamp] DELTAS\n", stderr);
    return 2;
  }
  f.all = calloc(f.turns, sizeof *f.all);
  if (!f.all) return 1;
  for (unsigned t = 0; t < f.turns && f.to_stdout; t++) {
    make_id(f.all[t].thread_id, "def", t);
    make_id(f.all[t].turn_id, "abc", t);
  }
  if (f.to_stdout)
    pump(&f);
  else
    serve(&f);
  free(f.all);
  free(f.batch);
  return 0;
}
