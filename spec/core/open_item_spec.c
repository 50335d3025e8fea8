/* Items that have begun and not completed: what a request of the server's is about, and what they count. */
#include "core/server_request.h"
#include "core/turn.h"
#include "support.h"

void open_item_spec(void);

/* What the server is about to ask of item i. */
static void check_item(cx_session *session, const char *expected) {
  codex_server_request *request = asked(session, "1", "T");
  check_slice(codex_server_request_item(request), expected);
  codex_server_request_release(request);
  taken_output(session);
}

static void the_item_is_as_last_told_of(void) {
  cx_session *session = open_asked();
  codex_turn *turn = open_turn(session, "T", false);
  taken_ready(session);
  check_item(session, NULL);
  item_event(session, "started", "{\"id\":\"other\"}");
  check_item(session, NULL);
  item_event(session, "started", "{\"id\":\"i\",\"changes\":[{\"a\":1}],\"z\":[]}");
  check_item(session, "{\"id\":\"i\",\"changes\":[{\"a\":1}],\"z\":[]}");
  patch_updated(session, "i", ",\"changes\":[{\"a\":1},{\"longer\":2}]");
  check_item(session, "{\"id\":\"i\",\"changes\":[{\"a\":1},{\"longer\":2}],\"z\":[]}");
  patch_updated(session, "i", ",\"changes\":[]");
  check_item(session, "{\"id\":\"i\",\"changes\":[],\"z\":[]}");
  patch_updated(session, "i", "");
  patch_updated(session, "other", ",\"changes\":[9]");
  patch_updated(session, "unheard of", ",\"changes\":[9]");
  check_item(session, "{\"id\":\"i\",\"changes\":[],\"z\":[]}");
  item_event(session, "started", "{\"id\":\"i\",\"again\":true}");
  patch_updated(session, "i", ",\"changes\":[9]"); /* it has none to be replaced */
  check_item(session, "{\"id\":\"i\",\"again\":true}");
  item_event(session, "completed", "{\"id\":\"i\"}");
  check_item(session, NULL);
  check(turn->open_count == 1);
  item_event(session, "completed", "{\"id\":\"other\"}");
  check(turn->open_count == 0);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* It is the request's own, whatever becomes of the turn. */
static void the_item_is_kept(void) {
  cx_session *session = open_asked();
  item_event(session, "started", "{\"id\":\"i\",\"changes\":[1]}");
  codex_server_request *request = asked(session, "1", "T");
  patch_updated(session, "i", ",\"changes\":[2]");
  turn_completed(session, "T");
  check_slice(codex_server_request_item(request), "{\"id\":\"i\",\"changes\":[1]}");
  cx_session_free(session);
  check_slice(codex_server_request_item(request), "{\"id\":\"i\",\"changes\":[1]}");
  codex_server_request_release(request);
}

static void a_tools_call_names_its_item(void) {
  cx_session *session = open_asked();
  item_event(session, "started", "{\"id\":\"c\",\"type\":\"dynamicToolCall\"}");
  feed(session, "{\"id\":1,\"method\":\"item/tool/call\",\"params\":{\"turnId\":\"T\",\"callId\":\"c\"}}");
  feed(session, "{\"id\":2,\"method\":\"item/tool/call\",\"params\":{\"turnId\":\"T\",\"callId\":7}}");
  feed(session, "{\"id\":3,\"method\":\"item/tool/call\",\"params\":{\"turnId\":\"U\",\"callId\":\"c\"}}");
  codex_server_request *first = take(session), *second = take(session), *third = take(session);
  check_slice(codex_server_request_item(first), "{\"id\":\"c\",\"type\":\"dynamicToolCall\"}");
  check_slice(codex_server_request_item(second), NULL);
  check_slice(codex_server_request_item(third), NULL);
  codex_server_request_release(first);
  codex_server_request_release(second);
  codex_server_request_release(third);
  cx_session_free(session);
}

#define PATCH(rest) "{\"id\":\"i\",\"type\":\"fileChange\",\"changes\":" rest "}"

/* Which of them the server asks about can't be known. */
static void patches_with_one_id_are_unknown(void) {
  cx_session *session = open_asked();
  codex_turn *turn = open_turn(session, "T", false);
  item_event(session, "started", PATCH("[1]"));
  item_event(session, "started", PATCH("[1],\"z\":2"));
  check_item(session, PATCH("[1],\"z\":2"));
  item_event(session, "started", PATCH("[2]"));
  check_item(session, NULL);
  patch_updated(session, "i", ",\"changes\":[1]");
  item_event(session, "started", PATCH("[1]"));
  check_item(session, NULL);
  item_event(session, "completed", PATCH("[1]"));
  check_item(session, NULL);
  item_event(session, "started", PATCH("[3]"));
  check_item(session, PATCH("[3]"));
  item_event(session, "started", "{\"id\":\"i\",\"type\":\"commandExecution\"}");
  item_event(session, "started", PATCH("[4]"));
  check_item(session, NULL);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* What is counted for open items is what they hold, and nothing once they are over. */
static void open_items_are_accounted_for(void) {
  cx_session *session = open_asked();
  codex_turn *turn = open_turn(session, "T", false);
  item_event(session, "started", "{\"id\":\"i\",\"changes\":[1]}");
  check(turn->collected == strlen("{\"id\":\"i\",\"changes\":[1]}"));
  patch_updated(session, "i", ",\"changes\":[1,2,3]");
  check(turn->collected == strlen("{\"id\":\"i\",\"changes\":[1,2,3]}"));
  patch_updated(session, "i", ",\"changes\":0");
  check(turn->collected == strlen("{\"id\":\"i\",\"changes\":0}"));
  item_event(session, "started", "{\"id\":\"i\"}");
  item_event(session, "started", "{\"id\":\"j\"}");
  item_event(session, "started", "{\"type\":\"without an id\"}");
  check(turn->collected == 2 * strlen("{\"id\":\"i\"}") && turn->open_count == 2);
  item_event(session, "completed", "{\"id\":\"i\",\"done\":true}");
  check(turn->collected == strlen("{\"id\":\"i\",\"done\":true}{\"id\":\"j\"}"));
  turn_completed(session, "T");
  check(turn->collected == strlen("{\"id\":\"i\",\"done\":true}") && turn->open_count == 0);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* Of a turn that nobody has claimed they count for what is kept of such turns. */
static void open_items_of_unclaimed_turns_are_accounted_for(void) {
  cx_session *session = open_asked();
  item_event(session, "started", "{\"id\":\"i\",\"changes\":[1]}");
  patch_updated(session, "i", ",\"changes\":[1,2,3]");
  patch_updated(session, "i", ",\"changes\":0");
  codex_turn *turn = cx_list_entry(session->unclaimed.next, codex_turn, in_unclaimed);
  check(session->unclaimed_bytes == cx_turn_held(turn) && turn->collected > 0);
  turn_completed(session, "T");
  check(session->unclaimed_bytes == cx_turn_held(turn) && turn->collected == 0);
  turn = cx_session_turn(session, "T", 1, false);
  check(session->unclaimed_bytes == 0);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* The limit of what a turn may collect holds for open items; one that doesn't fit is unknown. */
static void open_items_have_the_turns_limit(void) {
  static const char item[] = "{\"id\":\"i\",\"changes\":[]}", longer[] = "{\"id\":\"i\",\"changes\":[1]}";
  for (int over = -1; over <= 1; over++) {
    cx_session *session = open_asked();
    codex_turn *turn = open_turn(session, "T", false);
    taken_ready(session);
    size_t before = turn->collected = CX_MAX_COLLECTED - (sizeof item - 1) + (size_t)over;
    item_event(session, "started", item);
    check_item(session, over <= 0 ? item : NULL);
    check(codex_turn_error(turn)->kind == (over <= 0 ? CODEX_ERROR_NONE : CODEX_ERROR_OVERFLOW));
    patch_updated(session, "i", ",\"changes\":[1]");
    check_item(session, over < 0 ? longer : over == 0 ? item : NULL);
    check(codex_turn_error(turn)->kind == (over < 0 ? CODEX_ERROR_NONE : CODEX_ERROR_OVERFLOW));
    turn_completed(session, "T");
    check(turn->collected == before);
    codex_turn_release(turn);
    cx_session_free(session);
  }
}

void open_item_spec(void) {
  it("knows the item that is asked about as last told of", the_item_is_as_last_told_of);
  it("keeps that item as it was", the_item_is_kept);
  it("knows the item of a tool's call", a_tools_call_names_its_item);
  it("knows no item where patches share an id", patches_with_one_id_are_unknown);
  it("counts the bytes of open items", open_items_are_accounted_for);
  it("counts the bytes of open items in turns that nobody has claimed",
     open_items_of_unclaimed_turns_are_accounted_for);
  it("limits open items with what a turn collects", open_items_have_the_turns_limit);
}
