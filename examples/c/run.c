/* One turn of Codex from C, without Lua: prints the answer as it comes, and what it came to.
 *
 *     cc -o build/run -Iinclude examples/c/run.c build/libcodex.a
 *     build/run "Why is the sky blue?"
 *
 * Whatever the agent asks to be allowed is declined: options.server_requests says how to decide. */
#include "codex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const codex_error *error) {
  fprintf(stderr, "run: %s\n", error->message);
  exit(1);
}

static char *checked(char *text) {
  if (text) return text;
  fputs("run: the text is not UTF-8, or there is no memory for it\n", stderr);
  exit(1);
}

/* Waits for the answer. */
static codex_request *finished(codex_client *client, codex_request *request) {
  while (!codex_request_done(request))
    codex_client_wait(client, -1);
  if (codex_request_error(request)->kind != CODEX_ERROR_NONE) fail(codex_request_error(request));
  return request;
}

static codex_client *start(void) {
  static const char hello[] = "{\"clientInfo\":{\"name\":\"codex_c_example\",\"version\":\"1\"}}";
  codex_options options;
  codex_error error;
  codex_options_init(&options);
  codex_client *client = codex_client_start(&options, &error);
  if (!client) fail(&error);
  codex_request_release(finished(client, codex_client_initialize(client, hello, sizeof hello - 1, 30)));
  return client;
}

/* The id of a new thread, as JSON text; to be freed. */
static char *start_thread(codex_client *client) {
  static const char params[] = "{\"sandbox\":\"read-only\"}";
  codex_request *request =
      finished(client, codex_client_request(client, "thread/start", params, sizeof params - 1, 60));
  codex_slice thread = codex_json_member(codex_request_result(request), "thread");
  char *id = checked(codex_json_unquote(codex_json_member(thread, "id")));
  char *quoted = checked(codex_json_quote(id));
  codex_request_release(request);
  free(id);
  return quoted;
}

static codex_turn *start_turn(codex_client *client, const char *prompt) {
  static const char format[] = "{\"threadId\":%s,\"input\":[{\"type\":\"text\",\"text\":%s}]}";
  char *thread = start_thread(client), *text = checked(codex_json_quote(prompt));
  size_t size = sizeof format + strlen(thread) + strlen(text);
  char *params = checked(malloc(size));
  int length = snprintf(params, size, format, thread, text);
  codex_request *request =
      finished(client, codex_client_start_turn(client, "turn/start", params, (size_t)length, 60, true));
  codex_turn *turn = codex_request_turn(request);
  codex_request_release(request);
  free(params);
  free(text);
  free(thread);
  return turn;
}

/* Prints the text as it comes. */
static codex_stream_result print_text(codex_client *client, codex_turn *turn) {
  codex_slice text, item_id;
  codex_stream_result next;
  codex_stream *stream = codex_turn_stream(turn, NULL, true);
  while ((next = codex_stream_next_text(stream, &text, &item_id)) <= CODEX_STREAM_EMPTY) {
    if (next == CODEX_STREAM_EVENT)
      fwrite(text.bytes, 1, text.length, stdout);
    else
      codex_client_wait(client, -1);
    fflush(stdout);
  }
  codex_stream_free(stream);
  return next;
}

int main(int argc, char **argv) {
  codex_client *client = start();
  codex_turn *turn = start_turn(client, argc > 1 ? argv[1] : "Say hello in one sentence.");
  if (!turn || print_text(client, turn) != CODEX_STREAM_END) fail(codex_client_error(client));
  char *status = checked(codex_json_unquote(codex_json_member(codex_turn_completion(turn), "status")));
  printf("\n[%s, %zu items]\n", status, codex_turn_item_count(turn));
  int result = strcmp(status, "completed") == 0 ? 0 : 1;
  free(status);
  codex_turn_release(turn);
  codex_client_free(client);
  return result;
}
