#include "test.h"

#include "core/schema.h"

void schema_spec(void);

/* What a path of Lua names leads to: "turn.items[]=agentMessage.text" goes through fields, into the elements
 * of an array or map ([]), into the variant with a tag (=), and to the object alternative of a choice (|).
 * NULL where there is nothing. */

static bool is(uint16_t number, const char *text) {
  return strcmp(cx_schema_string(number, NULL), text) == 0;
}

static const cx_type *element_of(const cx_type *type) {
  bool has = type->kind == CX_TYPE_ARRAY || type->kind == CX_TYPE_MAP;
  return has ? cx_schema_type(type->element) : NULL;
}

static const cx_type *object_of(const cx_type *type) {
  for (unsigned n = 0; type->kind == CX_TYPE_CHOICE && n < type->count; n++) {
    const cx_type *alternative = cx_schema_type(cx_schema_alternative(type, n));
    if (alternative->kind == CX_TYPE_STRUCT || alternative->kind == CX_TYPE_TAGGED) return alternative;
  }
  return NULL;
}

static const cx_type *variant_of(const cx_type *type, const char *tag, size_t length) {
  int n = type->kind == CX_TYPE_TAGGED ? cx_schema_find_variant(type, tag, length) : -1;
  return n < 0 ? NULL : cx_schema_type(cx_schema_variant_type(type, (unsigned)n));
}

static const cx_field *field_of(const cx_type *type, const char *name, size_t length) {
  int n = type && type->kind == CX_TYPE_STRUCT ? cx_schema_find_name(type, name, length) : -1;
  return n < 0 ? NULL : cx_schema_field(type, (unsigned)n);
}

static const cx_type *at(const cx_type *type, const char *path) {
  while (type && *path) {
    char step = *path;
    if (strchr(".=[]|", step)) path++;
    size_t length = strcspn(path, ".=[]|");
    if (step == '[') {
      type = element_of(type);
      path++;
    } else if (step == '|') {
      type = object_of(type);
    } else if (step == '=') {
      type = variant_of(type, path, length);
    } else {
      const cx_field *field = field_of(type, path, length);
      type = field ? cx_schema_type(field->type) : NULL;
    }
    if (step != '[' && step != '|') path += length;
  }
  return type;
}

static const cx_method *method(cx_method_kind kind, const char *name) {
  return cx_schema_method(kind, name, strlen(name));
}

static const cx_type *params(cx_method_kind kind, const char *name, const char *path) {
  const cx_method *found = method(kind, name);
  return found ? at(cx_schema_type(found->params), path) : NULL;
}

static const cx_type *result(cx_method_kind kind, const char *name, const char *path) {
  const cx_method *found = method(kind, name);
  return found ? at(cx_schema_type(found->result), path) : NULL;
}

static bool is_kind(const cx_type *type, cx_type_kind kind) {
  return type && type->kind == kind;
}

/* The wire name of a field with a given Lua name, "" if there is none. */
static const char *wire(const cx_type *type, const char *name) {
  const cx_field *field = field_of(type, name, strlen(name));
  return field ? cx_schema_string(field->wire, NULL) : "";
}

static bool called(const cx_type *type, const char *wire_name, const char *name) {
  unsigned hint = 0;
  if (!is_kind(type, CX_TYPE_STRUCT) || strcmp(wire(type, name), wire_name) != 0) return false;
  int n = cx_schema_find_wire(type, wire_name, strlen(wire_name), &hint);
  return n >= 0 && is(cx_schema_field(type, (unsigned)n)->name, name);
}

/* Calls visit() once with every type that a method leads to. */

static void (*visit)(const cx_type *type);
static bool visited[UINT16_MAX + 1];

static void walk(cx_type_id id) {
  if (visited[id]) return;
  visited[id] = true;
  const cx_type *type = cx_schema_type(id);
  visit(type);
  if (element_of(type)) walk(type->element);
  for (unsigned n = 0; n < type->count; n++) {
    if (type->kind == CX_TYPE_STRUCT) walk(cx_schema_field(type, n)->type);
    if (type->kind == CX_TYPE_TAGGED) walk(cx_schema_variant_type(type, n));
    if (type->kind == CX_TYPE_CHOICE) walk(cx_schema_alternative(type, n));
  }
}

static void every_type(void (*function)(const cx_type *type)) {
  const cx_method *found;
  visit = function;
  memset(visited, 0, sizeof visited);
  for (unsigned n = 0; (found = cx_schema_method_at(n)) != NULL; n++) {
    walk(found->params);
    walk(found->result);
  }
}

/* Strings */

static void strings_are_terminated_and_distinct(void) {
  const char *last = "";
  for (unsigned n = 0; n < cx_schema_string_count(); n++) {
    size_t length;
    const char *text = cx_schema_string((uint16_t)n, &length);
    check(length > 0 && strlen(text) == length);
    check(text == cx_schema_string((uint16_t)n, NULL));
    check(strcmp(last, text) < 0);
    last = text;
  }
  check(cx_schema_string_count() > 2000);
  check(strcmp(cx_schema_version, "0.169.0") == 0);
}

/* Methods */

static void methods_are_counted(void) {
  unsigned counts[4] = {0}, n = 0;
  for (const cx_method *found; (found = cx_schema_method_at(n)) != NULL; n++)
    counts[found->kind]++;
  check(counts[CX_METHOD_REQUEST] == 184);
  check(counts[CX_METHOD_NOTIFY] == 1);
  check(counts[CX_METHOD_NOTIFICATION] == 86);
  check(counts[CX_METHOD_SERVER_REQUEST] == 11);
  check(cx_schema_method_at(n + 1) == NULL && cx_schema_method_at((unsigned)-1) == NULL);
}

static void methods_are_found(void) {
  const cx_method *found;
  for (unsigned n = 0; (found = cx_schema_method_at(n)) != NULL; n++) {
    size_t length;
    const char *name = cx_schema_string(found->name, &length);
    check(cx_schema_method((cx_method_kind)found->kind, name, length) == found);
    const cx_method *shorter = cx_schema_method((cx_method_kind)found->kind, name, length - 1);
    check(shorter != found);
    if (!found->has_params) check(found->params == 0);
    bool answered = found->kind == CX_METHOD_REQUEST || found->kind == CX_METHOD_SERVER_REQUEST;
    check(answered ? found->result != 0 : found->result == 0);
  }
}

static void unknown_methods_are_null(void) {
  char long_name[300];
  memset(long_name, 'x', sizeof long_name);
  check(method(CX_METHOD_REQUEST, "thread/begin") == NULL);
  check(method(CX_METHOD_REQUEST, "") == NULL);
  check(cx_schema_method(CX_METHOD_REQUEST, NULL, 0) == NULL);
  check(method(CX_METHOD_REQUEST, "x") == NULL);
  check(method(CX_METHOD_REQUEST, "\xff\xff\xff") == NULL);
  check(cx_schema_method(CX_METHOD_REQUEST, "turn/start\0", 11) == NULL);
  check(cx_schema_method(CX_METHOD_REQUEST, "turn\0start", 10) == NULL);
  check(cx_schema_method(CX_METHOD_REQUEST, long_name, sizeof long_name) == NULL);
  /* the length of a known name and 256 more */
  check(cx_schema_method(CX_METHOD_REQUEST, long_name, 256 + 10) == NULL);
  check(method(CX_METHOD_NOTIFICATION, "turn/start") == NULL);
  check(method(CX_METHOD_REQUEST, "turn/started") == NULL);
  check(method(CX_METHOD_NOTIFICATION, "item/tool/call") == NULL);
}

static void params_can_be_missing(void) {
  check(!method(CX_METHOD_NOTIFY, "initialized")->has_params);
  check(!method(CX_METHOD_REQUEST, "account/logout")->has_params);
  check(method(CX_METHOD_REQUEST, "account/rateLimits/read")->has_params);
  check(method(CX_METHOD_REQUEST, "collaborationMode/list")->has_params);
  /* no member is known, and none is allowed */
  const cx_type *empty = params(CX_METHOD_REQUEST, "collaborationMode/list", "");
  check(is_kind(empty, CX_TYPE_STRUCT) && empty->count == 0 && !empty->open);
  check(cx_schema_find_name(empty, "x", 1) == -1);
}

static void results_belong_to_their_methods(void) {
  check(called(result(CX_METHOD_REQUEST, "initialize", ""), "codexHome", "codex_home"));
  check(called(result(CX_METHOD_REQUEST, "thread/start", "thread"), "modelProvider", "model_provider"));
  check(called(result(CX_METHOD_REQUEST, "thread/list", ""), "nextCursor", "next_cursor"));
  check(called(result(CX_METHOD_REQUEST, "turn/steer", ""), "turnId", "turn_id"));
  /* named neither like the params nor like the method */
  check(called(result(CX_METHOD_REQUEST, "config/value/write", ""), "filePath", "file_path"));
  check(called(result(CX_METHOD_REQUEST, "config/batchWrite", ""), "filePath", "file_path"));
  check(called(result(CX_METHOD_REQUEST, "accountSession/list", ""), "activeSessionId", "active_session_id"));
  check(result(CX_METHOD_REQUEST, "externalAgentConfig/import/readHistories", "data") != NULL);
  check(called(result(CX_METHOD_SERVER_REQUEST, "item/tool/call", ""), "contentItems", "content_items"));
  check(
      is_kind(result(CX_METHOD_SERVER_REQUEST, "item/fileChange/requestApproval", "decision"), CX_TYPE_ENUM));
}

/* Fields */

static void find_each_field(const cx_type *type) {
  if (type->kind != CX_TYPE_STRUCT) return;
  unsigned in_order = 0;
  for (unsigned n = 0; n < type->count; n++) {
    const cx_field *field = cx_schema_field(type, n);
    size_t length;
    const char *name = cx_schema_string(field->wire, &length);
    unsigned zero = 0, behind = type->count, far = 60000;
    check(cx_schema_find_wire(type, name, length, &in_order) == (int)n && in_order == n + 1);
    check(cx_schema_find_wire(type, name, length, &zero) == (int)n && zero == n + 1);
    check(cx_schema_find_wire(type, name, length, &behind) == (int)n);
    check(cx_schema_find_wire(type, name, length, &far) == (int)n);
    name = cx_schema_string(field->name, &length);
    check(cx_schema_find_name(type, name, length) == (int)n);
    check(name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0');
  }
  for (unsigned n = type->count, hint = 1; n-- > 0;) {
    size_t length;
    const char *name = cx_schema_string(cx_schema_field(type, n)->wire, &length);
    check(cx_schema_find_wire(type, name, length, &hint) == (int)n);
  }
  unsigned hint = 0;
  check(cx_schema_find_wire(type, "", 0, &hint) == -1);
  check(cx_schema_find_wire(type, "no such name", 12, &hint) == -1 && hint == 0);
  check(cx_schema_find_name(type, "", 0) == -1);
}

static void every_field_is_found(void) {
  every_type(find_each_field);
}

static void names_go_both_ways(void) {
  const cx_type *start = params(CX_METHOD_REQUEST, "thread/start", "");
  check(called(start, "modelProvider", "model_provider"));
  check(called(start, "cwd", "cwd"));
  check(called(params(CX_METHOD_NOTIFICATION, "turn/completed", "turn"), "completedAt", "completed_at"));
  check(called(params(CX_METHOD_REQUEST, "command/exec/write", ""), "deltaBase64", "delta_base64"));
  check(called(params(CX_METHOD_NOTIFICATION, "thread/tokenUsage/updated", "token_usage.total"),
               "cachedInputTokens", "cached_input_tokens"));
  const cx_field *cwd = field_of(start, "cwd", 3), *provider = field_of(start, "model_provider", 14);
  check(cwd && cwd->wire == cwd->name);
  check(provider && provider->wire != provider->name);
}

static void exceptions_stay_as_they_are(void) {
  const cx_type *settings = params(CX_METHOD_REQUEST, "turn/start", "collaboration_mode.settings");
  check(called(settings, "reasoning_effort", "reasoning_effort"));
  check(called(settings, "developer_instructions", "developer_instructions"));
  check(called(params(CX_METHOD_REQUEST, "turn/start", "approval_policy|granular"), "sandbox_approval",
               "sandbox_approval"));
  const cx_type *decision =
      result(CX_METHOD_SERVER_REQUEST, "item/commandExecution/requestApproval", "decision");
  check(is_kind(decision, CX_TYPE_CHOICE));
  check(called(at(decision, "|"), "acceptWithExecpolicyAmendment", "accept_with_execpolicy_amendment"));
  check(called(at(decision, "|accept_with_execpolicy_amendment"), "execpolicy_amendment",
               "execpolicy_amendment"));
  check(called(params(CX_METHOD_REQUEST, "turn/start", "input[]=text"), "text_elements", "text_elements"));
  check(called(params(CX_METHOD_NOTIFICATION, "item/completed", "item=fileChange.changes[].kind=update"),
               "move_path", "move_path"));
  check(called(params(CX_METHOD_SERVER_REQUEST, "mcpServer/elicitation/request", "=form"), "_meta", "_meta"));
  const cx_type *otel = result(CX_METHOD_REQUEST, "configRequirements/read", "requirements.otel.exporter|");
  check(called(otel, "otlp-http", "otlp_http"));
  check(called(result(CX_METHOD_REQUEST, "configRequirements/read", "requirements.hooks"), "PreToolUse",
               "pre_tool_use"));
}

static void unknown_fields_are_not_found(void) {
  const cx_type *start = params(CX_METHOD_REQUEST, "thread/start", "");
  unsigned hint = 3;
  check(cx_schema_find_name(start, "sandbx", 6) == -1);
  check(cx_schema_find_name(start, "modelProvider", 13) == -1);
  check(cx_schema_find_wire(start, "model_provider", 14, &hint) == -1 && hint == 3);
  check(cx_schema_find_name(start, "cwd\0", 4) == -1);
  check(cx_schema_find_name(start, "cw", 2) == -1);
  check(cx_schema_find_wire(start, "cwd\0", 4, &hint) == -1);
  char bytes[] = {'c', 'w', 'd', 'x'}; /* not terminated */
  check(cx_schema_find_name(start, bytes, 3) >= 0);
  char long_name[256 + 3] = "cwd";
  check(cx_schema_find_name(start, long_name, sizeof long_name) == -1);
}

static void required_and_nullable(void) {
  const cx_field *id = field_of(params(CX_METHOD_REQUEST, "turn/start", ""), "thread_id", 9);
  const cx_field *model = field_of(params(CX_METHOD_REQUEST, "turn/start", ""), "model", 5);
  const cx_field *elements =
      field_of(params(CX_METHOD_REQUEST, "turn/start", "input[]=text"), "text_elements", 13);
  check(id && id->required && !id->nullable);
  check(model && !model->required && model->nullable);
  check(elements && !elements->required && !elements->nullable);
}

static const char *default_of(const cx_type *type, const char *name) {
  const cx_field *field = field_of(type, name, strlen(name));
  const char *text = field ? cx_schema_default(field) : NULL;
  return text ? text : "";
}

static unsigned defaults_seen;

static void count_defaults(const cx_type *type) {
  for (unsigned n = 0; type->kind == CX_TYPE_STRUCT && n < type->count; n++) {
    const cx_field *field = cx_schema_field(type, n);
    const char *text = cx_schema_default(field);
    check(!text || (*text && (!field->required || strcmp(text, "null") != 0)));
    if (text) defaults_seen++;
  }
}

static void some_fields_have_defaults(void) {
  const cx_type *model = result(CX_METHOD_REQUEST, "model/list", "data[]");
  check(strcmp(default_of(model, "input_modalities"), "[\"text\",\"image\"]") == 0);
  check(strcmp(default_of(model, "service_tiers"), "[]") == 0);
  check(strcmp(default_of(model, "default_service_tier"), "null") == 0);
  check(strcmp(default_of(model, "supports_personality"), "false") == 0);
  check(strcmp(default_of(model, "model"), "") == 0);
  const cx_type *started = result(CX_METHOD_REQUEST, "thread/start", "");
  check(strcmp(default_of(started, "multi_agent_mode"), "\"explicitRequestOnly\"") == 0);
  defaults_seen = 0;
  every_type(count_defaults);
  check(defaults_seen == 170);
}

/* Types */

static int json_kind(const cx_type *type) {
  switch (type->kind) {
  case CX_TYPE_NUMBER: return CX_TYPE_INTEGER;
  case CX_TYPE_ENUM: return CX_TYPE_STRING;
  case CX_TYPE_STRUCT:
  case CX_TYPE_TAGGED: return CX_TYPE_MAP;
  default: return type->kind;
  }
}

static void check_choice(const cx_type *type) {
  bool seen[CX_TYPE_CHOICE + 1] = {false};
  check(type->count >= 2);
  for (unsigned n = 0; n < type->count; n++) {
    int kind = json_kind(cx_schema_type(cx_schema_alternative(type, n)));
    check(kind != CX_TYPE_CHOICE && kind != CX_TYPE_ANY && !seen[kind]);
    seen[kind] = true;
  }
}

static void check_tagged(const cx_type *type) {
  check(type->count >= 2);
  for (unsigned n = 0; n < type->count; n++) {
    const cx_type *variant = cx_schema_type(cx_schema_variant_type(type, n));
    size_t length;
    const char *tag = cx_schema_string(cx_schema_variant_tag(type, n), &length), *name;
    check(cx_schema_find_variant(type, tag, length) == (int)n);
    check(is_kind(variant, CX_TYPE_STRUCT));
    unsigned hint = 0;
    name = cx_schema_string(type->tag, &length);
    int number = cx_schema_find_wire(variant, name, length, &hint);
    check(number >= 0);
    if (number < 0) continue;
    const cx_field *field = cx_schema_field(variant, (unsigned)number);
    const cx_type *values = cx_schema_type(field->type);
    check(field->required && is_kind(values, CX_TYPE_ENUM) && values->count == 1);
    check(cx_schema_enum_value(values, 0) == cx_schema_variant_tag(type, n));
  }
}

static void check_type(const cx_type *type) {
  check(type->kind <= CX_TYPE_CHOICE);
  if (type->kind == CX_TYPE_CHOICE) check_choice(type);
  if (type->kind == CX_TYPE_TAGGED) check_tagged(type);
  if (type->kind == CX_TYPE_ENUM) {
    check(type->count > 0);
    for (unsigned n = 0; n < type->count; n++)
      check(cx_schema_enum_value(type, n) < cx_schema_string_count());
  }
}

static void every_type_is_sound(void) {
  every_type(check_type);
}

static void simple_types_come_first(void) {
  for (unsigned n = CX_TYPE_ANY; n <= CX_TYPE_STRING; n++)
    check(cx_schema_type((cx_type_id)n)->kind == n);
}

static void tagged_unions_have_variants(void) {
  const cx_type *item = params(CX_METHOD_NOTIFICATION, "item/completed", "item");
  check(is_kind(item, CX_TYPE_TAGGED) && is(item->tag, "type") && item->count == 19);
  check(called(at(item, "=agentMessage"), "memoryCitation", "memory_citation"));
  check(called(at(item, "=commandExecution"), "aggregatedOutput", "aggregated_output"));
  /* what stands next to the union is in every variant */
  check(called(at(item, "=contextCompaction"), "completedAtMs", "completed_at_ms"));
  check(cx_schema_find_variant(item, "holiday", 7) == -1);
  check(cx_schema_find_variant(item, "", 0) == -1);
  check(cx_schema_find_variant(item, "plan\0", 5) == -1);

  const cx_type *input = params(CX_METHOD_REQUEST, "turn/start", "input[]");
  check(is_kind(input, CX_TYPE_TAGGED) && input->count == 7);
  /* a variant with a union of its own inside: by URL or by file */
  check(called(at(input, "=image"), "fileId", "file_id"));
  check(called(at(input, "=image"), "url", "url"));
  const cx_field *url = field_of(at(input, "=image"), "url", 3);
  check(url && !url->required);

  const cx_type *policy = params(CX_METHOD_REQUEST, "turn/start", "sandbox_policy");
  check(is_kind(policy, CX_TYPE_TAGGED) && policy->count == 4);
  check(called(at(policy, "=workspaceWrite"), "writableRoots", "writable_roots"));
  check(is_kind(at(policy, "=readOnly.network_access"), CX_TYPE_BOOLEAN));
  check(is_kind(at(policy, "=externalSandbox.network_access"), CX_TYPE_ENUM));

  const cx_type *elicitation = params(CX_METHOD_SERVER_REQUEST, "mcpServer/elicitation/request", "");
  check(is_kind(elicitation, CX_TYPE_TAGGED) && is(elicitation->tag, "mode"));
  check(called(at(elicitation, "=url"), "serverName", "server_name"));
}

static void choices_have_one_alternative_a_kind(void) {
  const cx_type *policy = params(CX_METHOD_REQUEST, "thread/start", "approval_policy");
  check(is_kind(policy, CX_TYPE_CHOICE) && policy->count == 2);
  if (policy) check(is_kind(cx_schema_type(cx_schema_alternative(policy, 0)), CX_TYPE_ENUM));
  const cx_type *output = params(CX_METHOD_REQUEST, "turn/start", "tool_output.output");
  check(is_kind(output, CX_TYPE_CHOICE) && output->count == 2);
  const cx_type *error = params(CX_METHOD_NOTIFICATION, "error", "error.codex_error_info");
  check(is_kind(error, CX_TYPE_CHOICE));
  check(called(at(error, "|http_connection_failed"), "httpStatusCode", "http_status_code"));
  check(called(at(error, "|"), "activeTurnNotSteerable", "active_turn_not_steerable"));
  check(at(error, "|")->open);
  /* untagged objects are one struct */
  check(called(result(CX_METHOD_REQUEST, "mcpServer/resource/read", "contents[]"), "mimeType", "mime_type"));
}

static void enumerations_have_values(void) {
  const cx_type *mode = params(CX_METHOD_REQUEST, "thread/start", "sandbox");
  check(is_kind(mode, CX_TYPE_ENUM) && mode->count == 3);
  check(is(cx_schema_enum_value(mode, 0), "read-only"));
  check(is(cx_schema_enum_value(mode, 1), "workspace-write"));
  check(is(cx_schema_enum_value(mode, 2), "danger-full-access"));
}

static void numbers_are_integers_where_they_are(void) {
  check(is_kind(params(CX_METHOD_NOTIFICATION, "thread/tokenUsage/updated", "token_usage.total.total_tokens"),
                CX_TYPE_INTEGER));
  check(is_kind(
      params(CX_METHOD_NOTIFICATION, "account/rateLimits/updated", "rate_limits.primary.used_percent"),
      CX_TYPE_INTEGER));
}

static void free_form_json_is_any(void) {
  static const struct {
    const char *method, *path;
  } free_form[] = {
      {"thread/start", "config[]"},
      {"thread/start", "dynamic_tools[]=function.input_schema"},
      {"thread/start", "dynamic_tools[]=namespace.tools[].input_schema"},
      {"turn/start", "output_schema"},
      {"thread/inject_items", "items[]"},
      {"mcpServer/tool/call", "arguments"},
      {"mcpServer/tool/call", "_meta"},
      {"config/value/write", "value"},
      {"config/batchWrite", "edits[].value"},
      {"initialize", "capabilities.extensions[]"},
  };
  for (size_t n = 0; n < sizeof free_form / sizeof *free_form; n++)
    check(params(CX_METHOD_REQUEST, free_form[n].method, free_form[n].path) == cx_schema_type(0));
  check(params(CX_METHOD_SERVER_REQUEST, "item/tool/call", "arguments") == cx_schema_type(0));
  check(params(CX_METHOD_SERVER_REQUEST, "mcpServer/elicitation/request", "=form.requested_schema") ==
        cx_schema_type(0));
  check(result(CX_METHOD_SERVER_REQUEST, "mcpServer/elicitation/request", "content") == cx_schema_type(0));
  check(result(CX_METHOD_REQUEST, "mcpServer/tool/call", "structured_content") == cx_schema_type(0));
  check(params(CX_METHOD_NOTIFICATION, "item/completed", "item=mcpToolCall.result.structured_content") ==
        cx_schema_type(0));
}

static void free_form_objects_are_maps(void) {
  check(is_kind(params(CX_METHOD_REQUEST, "thread/start", "config"), CX_TYPE_MAP));
  check(is_kind(params(CX_METHOD_REQUEST, "thread/resume", "config"), CX_TYPE_MAP));
  check(is_kind(params(CX_METHOD_REQUEST, "initialize", "capabilities.extensions"), CX_TYPE_MAP));
}

static void unions_by_their_one_member_are_single(void) {
  const cx_type *decision = result(CX_METHOD_SERVER_REQUEST, "execCommandApproval", "decision|");
  check(is_kind(decision, CX_TYPE_STRUCT) && decision->single && decision->count == 3);
  for (unsigned n = 0; is_kind(decision, CX_TYPE_STRUCT) && n < decision->count; n++)
    check(!cx_schema_field(decision, n)->required);
  const cx_type *granular = params(CX_METHOD_REQUEST, "thread/start", "approval_policy|");
  check(is_kind(granular, CX_TYPE_STRUCT) && !granular->single && cx_schema_field(granular, 0)->required);
  const cx_type *error = params(CX_METHOD_NOTIFICATION, "error", "error.codex_error_info|");
  check(is_kind(error, CX_TYPE_STRUCT) && !error->single);
}

static void configuration_is_open(void) {
  const cx_type *config = result(CX_METHOD_REQUEST, "config/read", "config");
  check(is_kind(config, CX_TYPE_STRUCT) && config->open);
  for (unsigned n = 0; is_kind(config, CX_TYPE_STRUCT) && n < config->count; n++)
    check(cx_schema_field(config, n)->wire == cx_schema_field(config, n)->name);
  const cx_type *start = params(CX_METHOD_REQUEST, "thread/start", "");
  check(is_kind(start, CX_TYPE_STRUCT) && !start->open);
}

static void maps_leave_names_alone(void) {
  const cx_type *env = params(CX_METHOD_REQUEST, "command/exec", "env");
  check(is_kind(env, CX_TYPE_MAP));
  const cx_type *states =
      params(CX_METHOD_NOTIFICATION, "item/completed", "item=collabAgentToolCall.agents_states");
  check(is_kind(states, CX_TYPE_MAP) && is_kind(at(states, "[]"), CX_TYPE_STRUCT));
  check(is_kind(result(CX_METHOD_REQUEST, "config/read", "origins"), CX_TYPE_MAP));
}

void schema_spec(void) {
  it("terminates strings and has each once", strings_are_terminated_and_distinct);
  it("has all methods", methods_are_counted);
  it("finds every method by its name", methods_are_found);
  it("answers NULL for unknown methods", unknown_methods_are_null);
  it("knows methods without params", params_can_be_missing);
  it("gives methods their results", results_belong_to_their_methods);
  it("finds every field of every struct", every_field_is_found);
  it("translates names both ways", names_go_both_ways);
  it("keeps names that aren't camelCase", exceptions_stay_as_they_are);
  it("doesn't find unknown names", unknown_fields_are_not_found);
  it("knows what is required and what may be null", required_and_nullable);
  it("knows what the schema has as defaults", some_fields_have_defaults);
  it("has sound types", every_type_is_sound);
  it("begins with the simple types", simple_types_come_first);
  it("knows the variants of tagged unions", tagged_unions_have_variants);
  it("tells alternatives apart by JSON kind", choices_have_one_alternative_a_kind);
  it("lists the values of enumerations", enumerations_have_values);
  it("tells integers from other numbers", numbers_are_integers_where_they_are);
  it("leaves free-form JSON free-form", free_form_json_is_any);
  it("has maps where any object will do", free_form_objects_are_maps);
  it("knows unions that their one member tells apart", unions_by_their_one_member_are_single);
  it("has an open configuration", configuration_is_open);
  it("leaves the names of maps alone", maps_leave_names_alone);
}
