/* What codex-lua takes: the options of lua, and its own. */
#include "arguments.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char cx_usage[] =
    "usage: codex-lua [options] [script [args]]\n"
    "\n"
    "Runs a Lua script with `require \"codex\"` at hand, as a task: what waits lets other tasks go on.\n"
    "\n"
    "as in lua:\n"
    "  -e STAT            run the string STAT\n"
    "  -l NAME            require library NAME into global NAME; -l G=NAME into global G\n"
    "  -i                 talk to the user after running the script\n"
    "  -v                 show the version\n"
    "  -E                 ignore environment variables\n"
    "  -W                 turn warnings on\n"
    "  --                 stop handling options\n"
    "  -                  run stdin as the script, and stop handling options\n"
    "\n"
    "defaults of every codex.new and thread_start in the script:\n"
    "  --codex PATH       the codex program (else $CODEX_BIN, else the one on PATH)\n"
    "  -c KEY=VALUE       a setting over the user's config.toml; may be repeated\n"
    "  --cwd DIR          the directory the agent works in\n"
    "  --model MODEL\n"
    "  --sandbox MODE     read_only, workspace_write, full_access\n"
    "  --approval MODE    auto_review, ask (at the terminal, unless the script has a handler), deny_all,\n"
    "                     dangerously_bypass_approvals_and_sandbox\n"
    "\n"
    "running:\n"
    "  --offline [SCRIPT] a scripted model in place of a real one: no account, no network. SCRIPT, a Lua or "
    "JSON\n"
    "                     file, holds its answers; without it the model says something sensible. The word "
    "after\n"
    "                     --offline is SCRIPT if it ends in .lua or .json and an option or another script\n"
    "                     (*.lua, or -) follows it; --offline=SCRIPT says so in any case\n"
    "  --timeout SECONDS  stop the script after so long\n"
    "  --version          show the versions and leave\n"
    "  --help             show this and leave\n"
    "\n"
    "Ctrl-C interrupts the running turns, or stops the script where there is none; a second one stops the "
    "script.\n"
    "\n"
    "exit status: 0 all went well, 1 error in the script, 2 usage, 3 no connection to codex, 124 timeout,\n"
    "130 interrupted by Ctrl-C, 143 by SIGTERM\n";

typedef enum takes { NOTHING, VALUE, PERHAPS } takes;

typedef struct known_option {
  const char *name;
  takes takes;
} known_option;

static const known_option known[] = {
    {"-e", VALUE},
    {"-l", VALUE},
    {"-c", VALUE},
    {"-i", NOTHING},
    {"-v", NOTHING},
    {"-E", NOTHING},
    {"-W", NOTHING},
    {"--codex", VALUE},
    {"--cwd", VALUE},
    {"--model", VALUE},
    {"--sandbox", VALUE},
    {"--approval", VALUE},
    {"--timeout", VALUE},
    {"--offline", PERHAPS},
    {"--help", NOTHING},
    {"--version", NOTHING},
    {"--scripted-model", VALUE}, /* how --offline starts its model: see offline.lua */
};

static bool is_long(const char *text) {
  return text[0] == '-' && text[1] == '-';
}

/* Whether text is this option; *attached is its value in the same word, or NULL. */
static bool is_option(const known_option *option, const char *text, const char **attached) {
  size_t length = strlen(option->name);
  *attached = NULL;
  if (strncmp(text, option->name, length) != 0) return false;
  const char *rest = text + length;
  if (*rest == '\0') return true;
  if (option->takes == NOTHING || (is_long(text) && *rest != '=')) return false;
  *attached = is_long(text) ? rest + 1 : rest;
  return true;
}

static const known_option *find_option(const char *text, const char **attached) {
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (is_option(&known[i], text, attached)) return &known[i];
  return NULL;
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), n = strlen(end);
  return length > n && strcmp(text + length - n, end) == 0;
}

/* Whether next, the word after --offline, is the model's script rather than the one to run. */
static bool is_model_script(const char *next, const char *after) {
  const char *attached;
  if (!next || !after || (!ends_with(next, ".lua") && !ends_with(next, ".json"))) return false;
  return ends_with(after, ".lua") || strcmp(after, "-") == 0 || strcmp(after, "--") == 0 ||
         find_option(after, &attached);
}

/* The value in the next word, or NULL: as in lua, one that looks like an option is none. */
static const char *next_value(const cx_arguments *arguments, const known_option *option, int index) {
  char **argv = arguments->argv;
  const char *next = argv[index + 1];
  if (option->takes == NOTHING || !next) return NULL;
  if (option->takes == PERHAPS) return is_model_script(next, argv[index + 2]) ? next : NULL;
  return next[0] == '-' ? NULL : next;
}

static bool is_seconds(const char *text) {
  char *end;
  double seconds = strtod(text, &end);
  return end != text && *end == '\0' && isfinite(seconds) && seconds > 0;
}

static bool fail(cx_arguments *arguments, const char *before, const char *word, const char *after) {
  snprintf(arguments->problem, sizeof arguments->problem, "%s'%s'%s", before, word, after);
  return false;
}

static bool check_value(cx_arguments *arguments, const known_option *option, const char *value) {
  if (!value) return option->takes != VALUE || fail(arguments, "", option->name, " needs a value");
  if (strcmp(option->name, "--timeout") == 0 && !is_seconds(value))
    return fail(arguments, "--timeout: ", value, " isn't a number of seconds");
  if (strcmp(option->name, "-c") == 0 && (*value == '=' || !strchr(value, '=')))
    return fail(arguments, "-c: ", value, " isn't of the form key=value");
  return true;
}

/* Takes the option at *index and its value. */
static bool take_option(cx_arguments *arguments, int *index) {
  const char *text = arguments->argv[*index], *value;
  const known_option *option = find_option(text, &value);
  if (!option) return fail(arguments, "unrecognized option ", text, "");
  if (!value) {
    value = next_value(arguments, option, *index);
    if (value) ++*index;
  }
  arguments->options[arguments->option_count++] = (cx_option_use){option->name, value};
  return check_value(arguments, option, value);
}

bool cx_arguments_parse(cx_arguments *arguments, int argc, char **argv) {
  *arguments = (cx_arguments){.argc = argc, .argv = argv, .script = argc};
  arguments->options = calloc((size_t)argc + 1, sizeof *arguments->options);
  if (!arguments->options) return fail(arguments, "", "codex-lua", ": out of memory");
  int i;
  for (i = 1; i < argc && argv[i][0] == '-'; i++) {
    if (strcmp(argv[i], "--") == 0) {
      i++;
      break;
    }
    arguments->from_stdin = argv[i][1] == '\0';
    if (arguments->from_stdin) break;
    if (!take_option(arguments, &i)) return false;
  }
  if (i < argc) arguments->script = i;
  return true;
}

bool cx_arguments_have(const cx_arguments *arguments, const char *name) {
  for (int i = 0; i < arguments->option_count; i++)
    if (strcmp(arguments->options[i].name, name) == 0) return true;
  return false;
}
