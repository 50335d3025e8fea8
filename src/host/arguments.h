/* The command line, taken apart and checked before any Lua runs. */
#ifndef CODEX_HOST_ARGUMENTS_H
#define CODEX_HOST_ARGUMENTS_H

#include <stdbool.h>

typedef struct cx_option_use {
  const char *name;  /* "-e", "--model" */
  const char *value; /* NULL where there is none */
} cx_option_use;

typedef struct cx_arguments {
  int argc;
  char **argv;
  cx_option_use *options; /* in the order given */
  int option_count;
  int script;        /* its index in argv; argc when there is none */
  bool from_stdin;   /* the script is a lone `-` */
  char problem[256]; /* what is wrong, when parsing failed */
} cx_arguments;

/* False: see problem. argv must outlive the result, whose options are to be freed. */
bool cx_arguments_parse(cx_arguments *arguments, int argc, char **argv);

bool cx_arguments_have(const cx_arguments *arguments, const char *name);

extern const char cx_usage[];

#endif
