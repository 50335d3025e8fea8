/* A small harness for the C specs. Those of the core link libcodex.a and nothing else: no Lua, no process.
 *
 * A spec file defines `void NAME_spec(void)`, which calls it("sentence", function) for each example;
 * functions use check(). main.c runs all spec files and prints one line for each failure and a count at the
 * end. */
#ifndef SPEC_TEST_H
#define SPEC_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Runs one example; its name appears when it fails. */
void it(const char *sentence, void (*example)(void));

/* Notes a failure with file and line, and goes on. */
#define check(condition) test_check((condition), #condition, __FILE__, __LINE__)
/* Compares length bytes with a NUL-terminated string. */
#define check_bytes(bytes, length, expected)                                                                 \
  test_check_bytes((bytes), (length), (expected), __FILE__, __LINE__)

void test_check(bool passed, const char *text, const char *file, int line);
void test_check_bytes(const char *bytes, size_t length, const char *expected, const char *file, int line);

/* Prints the totals, and answers the exit status that goes with them. */
int test_report(const char *what);

/* Only in the core's program: the wrapped malloc, calloc and realloc (linker option --wrap) fail the n-th
 * call from now on (n = 0: the next), once; -1 switches that off. test_allocation_failed tells whether it
 * came to that. */
void test_fail_allocation(long n);
bool test_allocation_failed(void);

/* Calls example(), with first the 0th allocation failing, then the 1st, … until a run in which none failed.
 * The example must cope with the failure, free everything (the sanitizer build looks for leaks), and check
 * what must hold. */
void test_each_allocation_failing(void (*example)(void));

#endif
