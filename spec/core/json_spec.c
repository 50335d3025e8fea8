/* JSON: what is read, what is refused and where, numbers to the last bit, strings in both modes, and writing.
 */
#include "codex.h"
#include "core/json.h"
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

void json_spec(void);

#define COUNT(table) (sizeof(table) / sizeof *(table))
/* A table's text, which may hold NUL, with its length. */
#define TEXT(literal) literal, sizeof(literal) - 1

typedef struct sample {
  const char *text;
  size_t length;
} sample;

/* Reads to the end; the reader then holds the error, if any. */
static bool reads(cx_json_reader *reader, const char *text, size_t length, cx_json_mode mode) {
  cx_json_reader_init(reader, text, length, mode);
  for (;;) {
    cx_json_token token = cx_json_next(reader);
    if (token == CX_JSON_ERROR || token == CX_JSON_END) return token == CX_JSON_END;
  }
}

static bool skips(const char *text, size_t length) {
  const char *end = text + length, *after = cx_json_skip_value(text, end, 0);
  return after && cx_json_skip_space(after, end) == end;
}

static bool accepts(const char *text, size_t length, cx_json_mode mode) {
  cx_json_reader reader;
  /* A copy of exactly this size, so that the sanitizer sees a read past the end. */
  char *copy = malloc(length > 0 ? length : 1);
  memcpy(copy, text, length);
  bool read = reads(&reader, copy, length, mode);
  if (mode == CX_JSON_LENIENT && read != skips(copy, length)) {
    check(!"cx_json_next and cx_json_skip_value agree");
    printf("    %.*s\n", (int)length, text);
  }
  free(copy);
  return read;
}

/* One sample to a line would be pages. */
/* clang-format off */
static const sample good[] = {
    {TEXT("[]")}, {TEXT("{}")}, {TEXT(" [ ] ")}, {TEXT("{ }")}, {TEXT("\t\r\n [\t\r\n ]\t\r\n ")},
    {TEXT("null")}, {TEXT("true")}, {TEXT("false")}, {TEXT(" true ")}, {TEXT("\"\"")}, {TEXT("\"asd\"")},
    {TEXT("42")}, {TEXT("-0.1")}, {TEXT("[null,1,\"1\",{}]")}, {TEXT("[1,null,null,null,2]")},
    {TEXT("[[]   ]")}, {TEXT("[\"\"]")}, {TEXT("[2] ")}, {TEXT("[1\n]")}, {TEXT(" [1]")}, {TEXT("[123e65]")},
    {TEXT("[0e+1]")}, {TEXT("[0e1]")}, {TEXT("[ 4]")}, {TEXT("[-0]")}, {TEXT("[-123]")}, {TEXT("[-1]")},
    {TEXT("[1E22]")}, {TEXT("[1E-2]")}, {TEXT("[1E+2]")}, {TEXT("[123.456e78]")}, {TEXT("[123.456789]")},
    {TEXT("[20e1]")}, {TEXT("[123]")}, {TEXT("[0]")}, {TEXT("[0.0]")}, {TEXT("[1e-10000]")},
    {TEXT("[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]")},
    {TEXT("[100000000000000000000000000000000000000000000000000000000000000]")},
    {TEXT("[0e99999999999999999999]")}, {TEXT("[1e-99999999999999999999]")},
    {TEXT("[1e0000000000000000000000001]")}, {TEXT("{\"asd\":\"sdf\", \"dfg\":\"fgh\"}")},
    {TEXT("{\"a\":\"b\",\"a\":\"c\"}")}, {TEXT("{\"\":0}")}, {TEXT("{\"foo\\u0000bar\": 42}")},
    {TEXT("{\"x\":[{\"id\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}]}")},
    {TEXT("{\n\"a\": \"b\"\n}")}, {TEXT("{\"a\":[]}")}, {TEXT("{\"a\" : {} , \"b\" :[ {} , 0 ] }")},
    {TEXT("[\"\\u0060\\u012a\\u12AB\"]")}, {TEXT("[\"\\uD801\\udc37\"]")},
    {TEXT("[\"\\ud83d\\ude39\\ud83d\\udc8d\"]")}, {TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]")},
    {TEXT("[\"\\\\u0000\"]")}, {TEXT("[\"\\\"\"]")}, {TEXT("[\"a/*b*/c/*d//e\"]")}, {TEXT("[\"\\\\a\"]")},
    {TEXT("[\"\\\\n\"]")}, {TEXT("[\"\\u0012\"]")}, {TEXT("[\"\\uFFFF\"]")}, {TEXT("[\"\\uDBFF\\uDFFF\"]")},
    {TEXT("[\"asd\"]")}, {TEXT("[\"\xF4\x8F\xBF\xBF\"]")}, {TEXT("[\"\xEF\xBF\xBF\"]")},
    {TEXT("[\"\\u0000\"]")}, {TEXT("[\"\\u002c\"]")}, {TEXT("[\"\xCF\x80\"]")},
    {TEXT("[\"\xE2\x80\xA8\xE2\x80\xA9\"]")}, {TEXT("[\"\x7F\"]")}, {TEXT("[\"\\u0022\"]")},
    {TEXT("[\"\\uFDD0\\uFFFE\"]")}, {TEXT("[\"\xE2\x8D\x82\xE3\x88\xB4\"]")},
    {TEXT("[\"\xED\x9F\xBF\xEE\x80\x80\"]")},
};

static const sample bad[] = {
    {TEXT("")}, {TEXT(" ")}, {TEXT("[1 true]")}, {TEXT("[a\xE5]")}, {TEXT("[\"\": 1]")}, {TEXT("[\"\"],")},
    {TEXT("[,1]")}, {TEXT("[1,,2]")}, {TEXT("[\"x\",,]")}, {TEXT("[\"x\"]]")}, {TEXT("[\"\",]")},
    {TEXT("[\"x\"")}, {TEXT("[x")}, {TEXT("[3[4]]")}, {TEXT("[\xFF]")}, {TEXT("[1:2]")}, {TEXT("[,]")},
    {TEXT("[-]")}, {TEXT("[   , \"\"]")}, {TEXT("[\"a\",\n4\n,1,")}, {TEXT("[1,]")}, {TEXT("[1,,]")},
    {TEXT("[\"\va\"\\f]")}, {TEXT("[*]")}, {TEXT("[1,\n1\n,1")}, {TEXT("[{}")}, {TEXT("[fals]")},
    {TEXT("[nul]")}, {TEXT("[tru]")}, {TEXT("[True]")}, {TEXT("[truth]")}, {TEXT("nul")}, {TEXT("truee")},
    {TEXT("123\0")}, {TEXT("\0")}, {TEXT("[\0]")}, {TEXT("[++1234]")}, {TEXT("[+1]")}, {TEXT("[+Inf]")},
    {TEXT("[-01]")}, {TEXT("[-1.0.]")}, {TEXT("[-2.]")}, {TEXT("[-NaN]")}, {TEXT("[.-1]")}, {TEXT("[.2e-3]")},
    {TEXT("[0.1.2]")}, {TEXT("[0.3e+]")}, {TEXT("[0.3e]")}, {TEXT("[0.e1]")}, {TEXT("[0E+]")}, {TEXT("[0E]")},
    {TEXT("[0e]")}, {TEXT("[1.0e+]")}, {TEXT("[1.0e-]")}, {TEXT("[1.0e]")}, {TEXT("[1 000.0]")},
    {TEXT("[1eE2]")}, {TEXT("[2.e+3]")}, {TEXT("[2.e-3]")}, {TEXT("[2.e3]")}, {TEXT("[9.e+]")},
    {TEXT("[Inf]")}, {TEXT("[NaN]")}, {TEXT("[\xEF\xBC\x91]")}, {TEXT("[1+2]")}, {TEXT("[0x1]")},
    {TEXT("[0x42]")}, {TEXT("[Infinity]")}, {TEXT("[0e+-1]")}, {TEXT("[-123.123foo]")}, {TEXT("[012]")},
    {TEXT("[-Infinity]")}, {TEXT("[-foo]")}, {TEXT("[- 1]")}, {TEXT("[-012]")}, {TEXT("[-.123]")},
    {TEXT("[-1x]")}, {TEXT("[1ea]")}, {TEXT("[1.]")}, {TEXT("[.123]")}, {TEXT("[1.2a-3]")},
    {TEXT("[1.8011670033376514H-308]")}, {TEXT("[00]")}, {TEXT("-")}, {TEXT("1.")}, {TEXT("1e")},
    {TEXT("1e+")},
    {TEXT("[\"x\", truth]")}, {TEXT("{[: \"x\"}")}, {TEXT("{\"x\", null}")}, {TEXT("{\"x\"::\"b\"}")},
    {TEXT("{\"a\":\"a\" 123}")}, {TEXT("{key: 'value'}")}, {TEXT("{\"a\" b}")}, {TEXT("{:\"b\"}")},
    {TEXT("{\"a\"}")}, {TEXT("{\"a\":")}, {TEXT("{\"a\"")}, {TEXT("{1:1}")}, {TEXT("{null:null}")},
    {TEXT("{\"id\":0,,,,,}")}, {TEXT("{'a':0}")}, {TEXT("{\"id\":0,}")}, {TEXT("{\"a\":\"b\"}/**/")},
    {TEXT("{\"a\":\"b\"}#")}, {TEXT("{\"a\":\"b\",,\"c\":\"d\"}")}, {TEXT("{a:\"b\"}")}, {TEXT("{\"a\":\"a")},
    {TEXT("{\"a\":1]")}, {TEXT("[1}")}, {TEXT("{,}")}, {TEXT("{ \"foo\" : \"bar\", \"a\" }")},
    {TEXT("{\"a\":\"b\"}#{}")}, {TEXT("{\"a\":1,2}")}, {TEXT("{\"a\":1 \"b\":2}")}, {TEXT("{\"a\":,}")},
    {TEXT("[\"\\uD800\\u\"]")}, {TEXT("[\"\\uD800\\u1\"]")}, {TEXT("[\"\\uD800\\u1x\"]")},
    {TEXT("[\"\\uD800\\\"]")}, {TEXT("[\xC3\xA9]")}, {TEXT("[\"\\\0\"]")}, {TEXT("[\"\\x00\"]")},
    {TEXT("[\"\\\\\\\"]")}, {TEXT("[\"\\\t\"]")}, {TEXT("[\"\\a\"]")}, {TEXT("[\"\\\"]")},
    {TEXT("[\"\\u00A\"]")}, {TEXT("[\"\\uqqqq\"]")}, {TEXT("[\"\\u 123\"]")}, {TEXT("[\"\\u+123\"]")},
    {TEXT("[\"\\U0041\"]")}, {TEXT("[\\u0020\"asd\"]")}, {TEXT("[\\n]")}, {TEXT("\"")},
    {TEXT("['single quote']")}, {TEXT("abc")}, {TEXT("[\"\\")}, {TEXT("\"\\u12")}, {TEXT("[\"a\0a\"]")},
    {TEXT("[\"new\nline\"]")}, {TEXT("[\"\t\"]")}, {TEXT("[\"\x1F\"]")}, {TEXT("[\"\\u{41}\"]")},
    {TEXT("\"x")}, {TEXT("\"\"x")}, {TEXT("<.>")}, {TEXT("[<null>]")}, {TEXT("[1]x")}, {TEXT("[1]]")},
    {TEXT("]")}, {TEXT("}")}, {TEXT(",")}, {TEXT(":")}, {TEXT("[")}, {TEXT("{")}, {TEXT("[1")}, {TEXT("[1,")},
    {TEXT("{]")}, {TEXT("[}")}, {TEXT("{}}")}, {TEXT("1]")}, {TEXT("1 2")}, {TEXT("[][]")},
    {TEXT("\xEF\xBB\xBF{}")}, {TEXT("\xEF\xBB\xBF")}, {TEXT("[\f]")}, {TEXT("\v1")}, {TEXT("\xC2\xA0" "1")},
    {TEXT("[\xE2\x81\xA0]")}, {TEXT("/**/1")}, {TEXT("[1//\n]")}, {TEXT("*")}, {TEXT("{\"\":")},
    {TEXT("{\"\xB9\":\"0\",}")}, {TEXT("[1,\0]")},
};

/* What the two modes disagree about: lone surrogates, bytes that aren't UTF-8, and numbers beyond double. */
static const sample doubtful[] = {
    {TEXT("1e400")}, {TEXT("[-1e309]")}, {TEXT("[1e99999999999999999999]")},
    {TEXT("[\"\\uDADA\"]")}, {TEXT("[\"\\uD888\\u1234\"]")}, {TEXT("[\"\\uD800\\n\"]")},
    {TEXT("[\"\\uDd1ea\"]")}, {TEXT("[\"\\uD800\\uD800\\n\"]")}, {TEXT("[\"\\ud800\"]")},
    {TEXT("[\"\\ud800abc\"]")}, {TEXT("[\"\\uDd1e\\uD834\"]")}, {TEXT("[\"\\uDFAA\"]")},
    {TEXT("{\"\\uDFAA\":0}")}, {TEXT("[\"\\uD800\\\\uDC00\"]")}, {TEXT("[\"\xFF\"]")},
    {TEXT("{\"\xB9\":\"0\"}")}, {TEXT("[\"\xE6\x97\xA5\xD1\x88\xFA\"]")}, {TEXT("[\"\xED\xA0\x80\"]")},
    {TEXT("[\"\xED\xBF\xBF\"]")}, {TEXT("[\"\x81\"]")}, {TEXT("[\"\xF4\xBF\xBF\xBF\"]")},
    {TEXT("[\"\xF4\x90\x80\x80\"]")}, {TEXT("[\"\xC0\xAF\"]")}, {TEXT("[\"\xC1\xBF\"]")},
    {TEXT("[\"\xE0\xFF\"]")}, {TEXT("[\"\xE0\x9F\xBF\"]")}, {TEXT("[\"\xF0\x8F\xBF\xBF\"]")},
    {TEXT("[\"\xFC\x80\x80\x80\x80\x80\"]")}, {TEXT("[\"\xF5\x80\x80\x80\"]")}, {TEXT("[\"\xE2\x82\"]")},
    {TEXT("[\"\xC3\"]")}, {TEXT("[\"\xF0\x9F\x98\"]")},
    {TEXT("[\"a long run of plain text and then \xFE\"]")},
};

/* clang-format on */

static void check_samples(const sample *samples, size_t count, bool strict, bool lenient) {
  for (size_t i = 0; i < count; i++) {
    bool as_expected = accepts(samples[i].text, samples[i].length, CX_JSON_STRICT) == strict &&
                       accepts(samples[i].text, samples[i].length, CX_JSON_LENIENT) == lenient;
    check(as_expected);
    if (!as_expected) printf("    sample %u: %.*s\n", (unsigned)i, (int)samples[i].length, samples[i].text);
  }
}

static void reads_what_is_json(void) {
  check_samples(good, COUNT(good), true, true);
}
static void refuses_what_is_not(void) {
  check_samples(bad, COUNT(bad), false, false);
}
static void modes_differ(void) {
  check_samples(doubtful, COUNT(doubtful), false, true);
}

/* Every byte value after every kind of token, at every distance from the end of a block. */
static void refuses_each_control_character(void) {
  char text[48];
  for (int byte = 0; byte < 256; byte++)
    for (size_t at = 1; at < 40; at++) {
      memset(text, 'x', sizeof text);
      text[0] = text[40] = '"';
      text[at] = (char)byte;
      bool fine = byte >= 0x20 && byte != '"' && byte != '\\';
      check(accepts(text, 41, CX_JSON_LENIENT) == fine);
      check(accepts(text, 41, CX_JSON_STRICT) == (fine && byte < 0x80));
    }
}

static void tokens_come_in_order(void) {
  static const char text[] = " {\"a\" : [1, -2.5,\"x\\n\" ,true,false,null], \"b\":{ }} ";
  static const struct {
    cx_json_token token;
    size_t position;
  } expected[] = {
      {CX_JSON_OBJECT_BEGIN, 1}, {CX_JSON_KEY, 2},         {CX_JSON_ARRAY_BEGIN, 8},
      {CX_JSON_INTEGER, 9},      {CX_JSON_NUMBER, 12},     {CX_JSON_STRING, 17},
      {CX_JSON_TRUE, 24},        {CX_JSON_FALSE, 29},      {CX_JSON_NULL, 35},
      {CX_JSON_ARRAY_END, 39},   {CX_JSON_KEY, 42},        {CX_JSON_OBJECT_BEGIN, 46},
      {CX_JSON_OBJECT_END, 48},  {CX_JSON_OBJECT_END, 49}, {CX_JSON_END, 51},
      {CX_JSON_END, 51},
  };
  cx_json_reader reader;
  cx_json_reader_init(&reader, text, sizeof text - 1, CX_JSON_STRICT);
  for (size_t i = 0; i < COUNT(expected); i++) {
    check(cx_json_next(&reader) == expected[i].token);
    check(reader.position == expected[i].position);
    if (i == 1) check_bytes(reader.string, reader.length, "a");
    if (i == 1) check(!reader.escaped);
    if (i == 3) check(reader.integer == 1);
    if (i == 4) check(reader.number == -2.5);
    if (i == 5) check_bytes(reader.string, reader.length, "x\\n");
    if (i == 5) check(reader.escaped);
  }
}

static void names_the_error_and_its_place(void) {
  static const struct {
    sample sample;
    size_t position;
    const char *error;
  } cases[] = {
      {{TEXT("")}, 0, "unexpected end of text"},
      {{TEXT("  [1, ")}, 6, "unexpected end of text"},
      {{TEXT("\"abc")}, 4, "unexpected end of text"},
      {{TEXT("\"abc\\")}, 5, "unexpected end of text"},
      {{TEXT("\"abc\\u12")}, 8, "unexpected end of text"},
      {{TEXT("tru")}, 3, "unexpected end of text"},
      {{TEXT("-")}, 1, "unexpected end of text"},
      {{TEXT("{\"a\"")}, 4, "unexpected end of text"},
      {{TEXT("*")}, 0, "expected a value"},
      {{TEXT("[*")}, 1, "expected a value or ']'"},
      {{TEXT("[1,]")}, 3, "expected a value"},
      {{TEXT("{\"a\":}")}, 5, "expected a value"},
      {{TEXT("{1:2}")}, 1, "expected a member's name or '}'"},
      {{TEXT("{\"a\":1,}")}, 7, "expected a member's name"},
      {{TEXT("{\"a\" 1}")}, 5, "expected ':'"},
      {{TEXT("[1 2]")}, 3, "expected ',' or ']'"},
      {{TEXT("[1}")}, 2, "expected ',' or ']'"},
      {{TEXT("{\"a\":1]")}, 6, "expected ',' or '}'"},
      {{TEXT("1 1")}, 2, "text after the value"},
      {{TEXT("[truth]")}, 1, "expected true, false or null"},
      {{TEXT("[-x]")}, 2, "expected a digit"},
      {{TEXT("[1.x]")}, 3, "expected a digit"},
      {{TEXT("[1e+]")}, 4, "expected a digit"},
      {{TEXT("[1e309]")}, 1, "number out of range"},
      {{TEXT("[\"a\nb\"]")}, 3, "control character in string"},
      {{TEXT("\"\\u0041\\n\x01\"")}, 9, "control character in string"},
      {{TEXT("[\"a\\qb\"]")}, 3, "unknown escape in string"},
      {{TEXT("\"\\u12g4\"")}, 5, "expected four hex digits after \\u"},
      {{TEXT("\"ab\xFF\"")}, 3, "string isn't UTF-8"},
      {{TEXT("\"ab\\n\\ud800 \xFF\"")}, 5, "lone surrogate in string"},
      {{TEXT("\"ab\xFF \\udc00\"")}, 3, "string isn't UTF-8"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    cx_json_reader reader;
    check(!reads(&reader, cases[i].sample.text, cases[i].sample.length, CX_JSON_STRICT));
    check(reader.position == cases[i].position);
    check_bytes(reader.error, strlen(reader.error), cases[i].error);
    check(cx_json_next(&reader) == CX_JSON_ERROR);
    check(reader.position == cases[i].position);
  }
}

static void every_prefix_is_incomplete(void) {
  static const char text[] = "{\"name\":[1.5e3,\"\\u00e9\\\"\",{\"x\":null,\"y\":[true,false]},-0]}";
  check(accepts(text, sizeof text - 1, CX_JSON_STRICT));
  for (size_t length = 0; length < sizeof text - 1; length++) {
    cx_json_reader reader;
    check(!accepts(text, length, CX_JSON_LENIENT));
    check(!reads(&reader, text, length, CX_JSON_STRICT));
    check_bytes(reader.error, strlen(reader.error), "unexpected end of text");
    check(reader.position == length);
  }
}

/* depth brackets of one kind or alternating, closed again. */
static size_t nest(char *text, unsigned depth, int kind) {
  size_t length = 0;
  for (unsigned i = 0; i < depth; i++) {
    bool object = kind == 1 || (kind == 2 && i % 2);
    if (object)
      memcpy(text + length, "{\"\":", 4);
    else
      text[length] = '[';
    length += object ? 4 : 1;
  }
  text[length++] = '0';
  for (unsigned i = depth; i-- > 0;)
    text[length++] = kind == 1 || (kind == 2 && i % 2) ? '}' : ']';
  return length;
}

static void limits_depth(void) {
  static char text[8 * CX_JSON_MAX_DEPTH];
  cx_json_reader reader;
  for (int kind = 0; kind < 3; kind++) {
    check(accepts(text, nest(text, CX_JSON_MAX_DEPTH - 1, kind), CX_JSON_LENIENT));
    check(accepts(text, nest(text, CX_JSON_MAX_DEPTH, kind), CX_JSON_LENIENT));
    size_t length = nest(text, CX_JSON_MAX_DEPTH + 1, kind);
    check(!accepts(text, length, CX_JSON_LENIENT));
    check(!reads(&reader, text, length, CX_JSON_STRICT));
    check_bytes(reader.error, strlen(reader.error), "nested too deeply");
    check(reader.position == (kind == 0 ? 512 : kind == 1 ? 4 * 512 : 256 + 4 * 256));
    for (unsigned depth = 0; depth < 3; depth++) {
      length = nest(text, 10, kind);
      check(cx_json_skip_value(text, text + length, CX_JSON_MAX_DEPTH - 11 + depth) ==
            (depth < 2 ? text + length : NULL));
    }
  }
  check(cx_json_skip_value("[]", &"[]"[2], CX_JSON_MAX_DEPTH) == NULL);
  check(cx_json_skip_value("[]", &"[]"[2], CX_JSON_MAX_DEPTH + 1) == NULL);
  check(cx_json_skip_value("17", &"17"[2], CX_JSON_MAX_DEPTH + 1) != NULL);
}

static void skipping_stops_after_the_value(void) {
  static const struct {
    const char *text;
    int length;
  } cases[] = {{"1,2", 1},   {" [1,[2]] ]", 8}, {"\"a\\\"b\":1", 6}, {"{\"a\":{}},", 8},
               {"true}", 4}, {"01", 1},         {"1e5x", 3}};
  for (size_t i = 0; i < COUNT(cases); i++)
    check(cx_json_skip_value(cases[i].text, cases[i].text + strlen(cases[i].text), 0) ==
          cases[i].text + cases[i].length);
  const char *text = "plain\" and \\\"escaped\" and open";
  bool escaped = true;
  check(cx_json_skip_string(text, text + strlen(text), &escaped) == text + 5);
  check(!escaped);
  check(cx_json_skip_string(text + 6, text + strlen(text), &escaped) == text + 20);
  check(escaped);
  check(cx_json_skip_string(text + 6, text + strlen(text), NULL) == text + 20);
  check(cx_json_skip_string(text + 21, text + strlen(text), NULL) == NULL);
}

static cx_json_token read_one(cx_json_reader *reader, const char *text) {
  cx_json_reader_init(reader, text, strlen(text), CX_JSON_STRICT);
  return cx_json_next(reader);
}

static void integers_reach_int64(void) {
  static const struct {
    const char *text;
    int64_t integer;
  } cases[] = {{"0", 0},
               {"-1", -1},
               {"1763700000000", 1763700000000},
               {"9007199254740993", 9007199254740993},
               {"9223372036854775806", INT64_MAX - 1},
               {"9223372036854775807", INT64_MAX},
               {"-9223372036854775807", -INT64_MAX},
               {"-9223372036854775808", INT64_MIN}};
  static const struct {
    const char *text;
    double number;
  } others[] = {{"9223372036854775808", 0x1p63},
                {"-9223372036854775809", -0x1p63},
                {"18446744073709551616", 0x1p64},
                {"99999999999999999999999", 1e23},
                {"1.0", 1.0},
                {"1e0", 1.0},
                {"-0", 0.0},
                {"-0.0", 0.0},
                {"-0e9", 0.0}};
  cx_json_reader reader;
  for (size_t i = 0; i < COUNT(cases); i++) {
    check(read_one(&reader, cases[i].text) == CX_JSON_INTEGER);
    check(reader.integer == cases[i].integer);
  }
  for (size_t i = 0; i < COUNT(others); i++) {
    check(read_one(&reader, others[i].text) == CX_JSON_NUMBER);
    check(reader.number == others[i].number);
    check(!signbit(reader.number) == (others[i].text[0] != '-'));
  }
}

/* All digits but the last of the point halfway between the largest subnormal and DBL_MIN, times 10^308. */
#define BELOW_NORMAL                                                                                         \
  "2.22507385850720113605740979670913197593481954635164564802342610972482222202107694551652"                 \
  "9523908135087914149158913039621106870086438694594645527657207407820621743379988141063267"                 \
  "3292535522868813721490129811224514518898490572223072852551331557550159143974763979834118"                 \
  "0199932396254828901710708185069063066665599493827577257201576306269066333264756530000924"                 \
  "5888316433037779791869612049497390377829704905051080609940730262937128958950003583799967"                 \
  "2072543043602840788957717961509455167482434710307026091446215722898802581825451803257070"                 \
  "1886087211312807951223342628836862232150377566662250398253433597456888442390026549819838"                 \
  "5487948292206894721689831099698365846814022854243330660339850886445804001034933970427567"                 \
  "1864433837704860378616227717385456230658746790140867233276367187"

static const struct {
  const char *text;
  double number;
} numbers[] = {
    {"0.1", 0x1.999999999999ap-4},
    {"1e23", 0x1.52d02c7e14af6p+76},
    {"8.5e22", 0x1.1ffdbf6b2b2ebp+76},
    {"1.7976931348623157e308", DBL_MAX},
    {"1.7976931348623158e308", DBL_MAX},
    {"1.797693134862315807e308", DBL_MAX},
    {"-1.7976931348623157e+308", -DBL_MAX},
    {"17976931348623157000000000000000000000000000000000000000000e250", DBL_MAX},
    {"4.9406564584124654e-324", 0x1p-1074},
    {"5e-324", 0x1p-1074},
    {"2.4703282292062328e-324", 0x1p-1074},
    {"2.4703282292062327208e-324", 0}, /* just below half of the smallest */
    {"2e-324", 0},
    {"1e-400", 0},
    {"-1e-400", -0.0},
    {"7.4109846876186981e-324", 0x1p-1074}, /* around one and a half of it */
    {"7.4109846876186982e-324", 0x1p-1073},
    {"2.2250738585072014e-308", DBL_MIN},
    {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022},
    {"2.2250738585072012e-308", DBL_MIN}, /* the one that hung PHP and Java */
    {BELOW_NORMAL "4e-308", 0x0.fffffffffffffp-1022},
    {BELOW_NORMAL "5e-308", DBL_MIN},
    {BELOW_NORMAL "49999999999999999999999999999999999999999999999999999999999999999999e-308",
     0x0.fffffffffffffp-1022},
    /* halfway between 2^53 and its neighbours: even wins; anything more decides */
    {"9007199254740993.0", 0x1p53},
    {"9007199254740993.00000000000000000000000000000000000000000000000000001", 0x1.0000000000001p53},
    {"9007199254740992.99999999999999999999999999999999999999999999999999999", 0x1p53},
    {"9007199254740995.0", 0x1.0000000000002p53},
    {"1.00000000000000011102230246251565404236316680908203125", 1.0},
    {"1.00000000000000011102230246251565404236316680908203124", 1.0},
    {"1.00000000000000011102230246251565404236316680908203126", 0x1.0000000000001p0},
    {"1.00000000000000033306690738754696212708950042724609375", 0x1.0000000000002p0},
    {"0.99999999999999994448884876874217297881841659545898437", 0x1.fffffffffffffp-1},
    {"0.99999999999999994448884876874217297881841659545898438", 1.0},
    {"9214843084008499.0", 9214843084008500.0},
    {"6929495644600919.5", 6929495644600920.0},
    {"3.518437208883201171875e13", 0x1.0000000000002p45},
    {"6.631236846766476e-316", 0x0.0000008p-1022},
    {"0.000000000000000000000000000000000000000000000000000000000000000000000001e72", 1.0},
    {"100000000000000000000000000000000000000000000000000000000000e-59", 1.0},
};

static void numbers_round_correctly(void) {
  cx_json_reader reader;
  for (size_t i = 0; i < COUNT(numbers); i++) {
    bool right = read_one(&reader, numbers[i].text) == CX_JSON_NUMBER && reader.number == numbers[i].number &&
                 reader.number == strtod(numbers[i].text, NULL);
    check(right);
    if (!right) printf("    %s: %a\n", numbers[i].text, reader.number);
  }
}

static void numbers_out_of_range(void) {
  static const char *const cases[] = {
      "1.7976931348623159e308",          "1.797693134862315808e308", "-1.8e308", "1e309", "10e308", "1e400",
      "123456789e9999999999999999999999"};
  cx_json_reader reader;
  for (size_t i = 0; i < COUNT(cases); i++) {
    check(read_one(&reader, cases[i]) == CX_JSON_ERROR);
    check_bytes(reader.error, strlen(reader.error), "number out of range");
    check(skips(cases[i], strlen(cases[i])));
    cx_json_reader_init(&reader, cases[i], strlen(cases[i]), CX_JSON_LENIENT);
    check(cx_json_next(&reader) == CX_JSON_NUMBER);
    check(reader.number == (*cases[i] == '-' ? -HUGE_VAL : HUGE_VAL));
    check(cx_json_next(&reader) == CX_JSON_END);
  }
}

/* Halfway points have up to 767 digits; a tail beyond any fixed number of digits still decides. */
static void any_number_of_digits_counts(void) {
  static char text[4000];
  cx_json_reader reader;
  memset(text, '0', sizeof text);
  const char half[] = "9007199254740993.";
  memcpy(text, half, sizeof half - 1);
  text[sizeof text - 1] = '\0';
  check(read_one(&reader, text) == CX_JSON_NUMBER && reader.number == 0x1p53);
  text[sizeof text - 2] = '1';
  check(read_one(&reader, text) == CX_JSON_NUMBER && reader.number == 0x1.0000000000001p53);

  memset(text, '0', sizeof text - 1);
  text[1] = '.';
  memcpy(text + 3990, "1e3989", 7);
  check(read_one(&reader, text) == CX_JSON_NUMBER && reader.number == 1.0);

  memset(text, '9', sizeof text - 1);
  memcpy(text + 3990, "e-3990", 7);
  check(read_one(&reader, text) == CX_JSON_NUMBER && reader.number == 1.0);
  text[309] = '\0';
  check(read_one(&reader, text) == CX_JSON_ERROR);
  text[308] = '\0';
  check(read_one(&reader, text) == CX_JSON_NUMBER && reader.number == 1e308);
}

static uint64_t next_random(uint64_t *state) {
  uint64_t mixed = *state += 0x9E3779B97F4A7C15u;
  mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
  return mixed ^ mixed >> 31;
}

static double random_double(uint64_t *state, int kind) {
  uint64_t bits = next_random(state);
  double number;
  if (kind == 0) return (double)(int64_t)bits / 1000;
  if (kind == 1) return (double)(bits % 1000000) / 100;
  if (kind == 2) bits &= ~(uint64_t)0 >> 12 | (uint64_t)1 << 63;   /* subnormal */
  if (kind == 3) bits &= (uint64_t)0xFFF << 52 | (bits >> 40 & 3); /* about a power of two */
  memcpy(&number, &bits, sizeof number);
  return isfinite(number) ? number : 1.5;
}

static void written_numbers_read_back(void) {
  uint64_t state = 1;
  unsigned wrong = 0;
  cx_buffer out;
  cx_buffer_init(&out, 100);
  for (int i = 0; i < 240000; i++) {
    double number = random_double(&state, i % 6);
    cx_json_reader reader;
    cx_buffer_clear(&out);
    bool right = cx_json_write_number(&out, number) == CX_OK && cx_buffer_append_byte(&out, '\0') == CX_OK;
    right = right && read_one(&reader, cx_buffer_bytes(&out)) == CX_JSON_NUMBER &&
            memcmp(&reader.number, &number, sizeof number) == 0 && cx_json_next(&reader) == CX_JSON_END;
    right = right && strtod(cx_buffer_bytes(&out), NULL) == number;
    if (!right && wrong++ < 5) printf("    %a: %s\n", number, cx_buffer_bytes(&out));
  }
  check(wrong == 0);
  cx_buffer_free(&out);
}

/* The C library, which rounds correctly too, gives a second opinion on random digits. */
static void agrees_with_the_library(void) {
  uint64_t state = 2;
  unsigned wrong = 0;
  for (int i = 0; i < 100000; i++) {
    char text[80];
    cx_json_reader reader;
    uint64_t a = next_random(&state), b = next_random(&state);
    if (i % 3 == 0)
      snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)a, (unsigned long long)b,
               (int)(b % 640) - 340);
    else if (i % 3 == 1)
      snprintf(text, sizeof text, "%llue%d", (unsigned long long)(a % 100000), (int)(b % 60) - 30);
    else
      snprintf(text, sizeof text, "%.25e", random_double(&state, i % 6));
    double expected = strtod(text, NULL);
    cx_json_token token = read_one(&reader, text);
    bool right =
        isinf(expected) ? token == CX_JSON_ERROR : token == CX_JSON_NUMBER && reader.number == expected;
    if (!right && wrong++ < 5) printf("    %s\n", text);
  }
  check(wrong == 0);
}

static void check_written(cx_buffer *out, int status, const char *expected) {
  check(status == CX_OK);
  check_bytes(cx_buffer_bytes(out), cx_buffer_length(out), expected);
  cx_buffer_clear(out);
}

static void writes_numbers(void) {
  static const struct {
    double number;
    const char *text;
  } cases[] = {{0.0, "0.0"},
               {-0.0, "-0.0"},
               {1.0, "1.0"},
               {-1.0, "-1.0"},
               {0.1, "0.1"},
               {0.3, "0.3"},
               {1.5, "1.5"},
               {123456.0, "123456.0"},
               {0x1p53, "9007199254740992.0"},
               {1e15, "1000000000000000.0"},
               {1e16, "1e16"},
               {1e22, "1e22"},
               {1e23, "1e23"},
               {0.0001, "0.0001"},
               {0.00001, "1e-5"},
               {-1.25e-7, "-1.25e-7"},
               {1e300, "1e300"},
               {DBL_MAX, "1.7976931348623157e308"},
               {DBL_MIN, "2.2250738585072014e-308"},
               {0x1p-1074, "5e-324"},
               {0x1p63, "9.223372036854776e18"},
               {1.0 / 3, "0.3333333333333333"},
               {0.1 + 0.2, "0.30000000000000004"},
               {9007199254740993.0 * 2, "1.8014398509481984e16"},
               {5e-324 * 3, "1.5e-323"},
               {2e-308, "2e-308"}};
  cx_buffer out;
  cx_buffer_init(&out, 100);
  for (size_t i = 0; i < COUNT(cases); i++)
    check_written(&out, cx_json_write_number(&out, cases[i].number), cases[i].text);
  check(cx_json_write_number(&out, (double)INFINITY) == CX_EINVAL);
  check(cx_json_write_number(&out, -(double)INFINITY) == CX_EINVAL);
  check(cx_json_write_number(&out, (double)NAN) == CX_EINVAL);
  check(cx_buffer_length(&out) == 0);
  check_written(&out, cx_json_write_integer(&out, 0), "0");
  check_written(&out, cx_json_write_integer(&out, -7), "-7");
  check_written(&out, cx_json_write_integer(&out, 1763700000000), "1763700000000");
  check_written(&out, cx_json_write_integer(&out, INT64_MAX), "9223372036854775807");
  check_written(&out, cx_json_write_integer(&out, INT64_MIN), "-9223372036854775808");
  cx_buffer_free(&out);
}

static void writes_strings(void) {
  cx_buffer out;
  cx_buffer_init(&out, 100);
  check_written(&out, cx_json_write_string(&out, NULL, 0), "\"\"");
  check_written(&out, cx_json_write_string(&out, TEXT("plain / text \x7F")), "\"plain / text \x7F\"");
  check_written(&out, cx_json_write_string(&out, TEXT("\"\\\b\f\n\r\t\0\x1F")),
                "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\"");
  check_written(&out, cx_json_write_string(&out, TEXT("\xE2\x80\xA8\xC3\xA9\xF0\x9F\x98\x80")),
                "\"\xE2\x80\xA8\xC3\xA9\xF0\x9F\x98\x80\"");
  check(cx_json_write_string(&out, TEXT("fine until \xED\xA0\x80")) == CX_EINVAL);
  check(cx_json_write_string(&out, TEXT("\xC3")) == CX_EINVAL);
  check(cx_buffer_length(&out) == 0);
  cx_buffer_free(&out);
}

static void writers_append_all_or_nothing(void) {
  static const char text[] = "\"before\\u0001after\\n\"", number[] = "0.30000000000000004",
                    integer[] = "-9223372036854775808";
  const size_t lengths[] = {sizeof text - 1, sizeof number - 1, sizeof integer - 1};
  for (int which = 0; which < 3; which++)
    for (size_t max = 1; max <= lengths[which] + 2; max++) {
      cx_buffer out;
      cx_buffer_init(&out, max);
      check(cx_buffer_append_byte(&out, '-') == CX_OK);
      int status = which == 0   ? cx_json_write_string(&out, TEXT("before\001after\n"))
                   : which == 1 ? cx_json_write_number(&out, 0.1 + 0.2)
                                : cx_json_write_integer(&out, INT64_MIN);
      bool fits = max > lengths[which];
      check(status == (fits ? CX_OK : CX_ELIMIT));
      check(cx_buffer_length(&out) == (fits ? 1 + lengths[which] : 1));
      cx_buffer_free(&out);
    }
}

static void check_decoded(const char *string, size_t length, cx_json_mode mode, const char *expected) {
  cx_buffer out;
  cx_buffer_init(&out, 200);
  int status = cx_json_unescape(string, length, mode, &out);
  check(status == (expected ? CX_OK : CX_EINVAL));
  if (status == CX_OK && expected && *expected)
    check_bytes(cx_buffer_bytes(&out), cx_buffer_length(&out), expected);
  else
    check(cx_buffer_length(&out) == 0);
  cx_buffer_free(&out);
}

#define BAD "\xEF\xBF\xBD"

static void decodes_strings(void) {
  static const struct {
    sample sample;
    const char *strict, *lenient;
  } cases[] = {
      {{TEXT("")}, "", ""},
      {{TEXT("plain")}, "plain", "plain"},
      {{TEXT("\\\"\\\\\\/\\b\\f\\n\\r\\t")}, "\"\\/\b\f\n\r\t", "\"\\/\b\f\n\r\t"},
      {{TEXT("\\u0041\\u00e9\\u20AC\\uFFFF")},
       "A\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF",
       "A\xC3\xA9\xE2\x82\xAC\xEF\xBF\xBF"},
      {{TEXT("\\u007f\\u0080\\u07ff\\u0800")},
       "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80",
       "\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80"},
      {{TEXT("\\ud83d\\uDE00")}, "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
      {{TEXT("\\ud800\\udc00\\udbff\\udfff")},
       "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF",
       "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"},
      {{TEXT("\xC3\xA9\xE2\x80\xA8")}, "\xC3\xA9\xE2\x80\xA8", "\xC3\xA9\xE2\x80\xA8"},
      {{TEXT("a\\ud800z")}, NULL, "a" BAD "z"},
      {{TEXT("\\udc00")}, NULL, BAD},
      {{TEXT("\\ud800\\ud800\\udc00")}, NULL, BAD "\xF0\x90\x80\x80"},
      {{TEXT("\\ud800\\u0041")}, NULL, BAD "A"},
      {{TEXT("\\ud800\\n")}, NULL, BAD "\n"},
      {{TEXT("\\ud800")}, NULL, BAD},
      {{TEXT("\\ud800\\")}, NULL, NULL},
      {{TEXT("\\ud800\\u12")}, NULL, NULL},
      {{TEXT("\xFFz")}, NULL, BAD "z"},
      {{TEXT("\xC3")}, NULL, BAD},
      {{TEXT("\xC3\\n")}, NULL, BAD "\n"},
      /* maximal subparts, from the Unicode standard, tables 3-8 to 3-11 */
      {{TEXT("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41")}, NULL, BAD BAD BAD BAD BAD BAD BAD BAD "A"},
      {{TEXT("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41")}, NULL, BAD BAD BAD BAD BAD BAD BAD BAD "A"},
      {{TEXT("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42")}, NULL, BAD BAD BAD BAD BAD "A" BAD BAD "B"},
      {{TEXT("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41")}, NULL, BAD BAD BAD BAD "A"},
      {{TEXT("\\")}, NULL, NULL},
      {{TEXT("\\u00g0")}, NULL, NULL},
      {{TEXT("abc\\x")}, NULL, NULL},
      {{TEXT("abc\n")}, NULL, NULL},
      {{TEXT("abc\"")}, NULL, NULL},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    check_decoded(cases[i].sample.text, cases[i].sample.length, CX_JSON_STRICT, cases[i].strict);
    check_decoded(cases[i].sample.text, cases[i].sample.length, CX_JSON_LENIENT, cases[i].lenient);
  }
  cx_buffer out;
  cx_buffer_init(&out, 10);
  check(cx_json_unescape(TEXT("a\\u0000b"), CX_JSON_STRICT, &out) == CX_OK);
  check(cx_buffer_length(&out) == 3 && memcmp(cx_buffer_bytes(&out), "a\0b", 3) == 0);
  cx_buffer_free(&out);
}

static void decoding_appends_all_or_nothing(void) {
  for (size_t max = 1; max < 12; max++) {
    cx_buffer out;
    cx_buffer_init(&out, max);
    check(cx_buffer_append_byte(&out, '-') == CX_OK);
    int status = cx_json_unescape(TEXT("ab\\u20acc\xFF"), CX_JSON_LENIENT, &out);
    check(status == (max >= 10 ? CX_OK : CX_ELIMIT));
    check(cx_buffer_length(&out) == (max >= 10 ? 10 : 1));
    cx_buffer_free(&out);
  }
}

static void marks_strings_to_decode(void) {
  static const struct {
    sample sample;
    bool escaped;
  } cases[] = {{{TEXT("\"plain ascii, longer than a block\"")}, false},
               {{TEXT("\"caf\xC3\xA9\"")}, false},
               {{TEXT("\"a\\nb\"")}, true},
               {{TEXT("\"caf\xC3\"")}, true}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    cx_json_reader reader;
    cx_json_reader_init(&reader, cases[i].sample.text, cases[i].sample.length, CX_JSON_LENIENT);
    check(cx_json_next(&reader) == CX_JSON_STRING);
    check(reader.escaped == cases[i].escaped);
  }
}

static size_t random_string(uint64_t *state, char *bytes) {
  static const char *const pieces[] = {"a",
                                       "word ",
                                       "\"",
                                       "\\",
                                       "\n",
                                       "\x01",
                                       "/",
                                       "\xC3\xA9",
                                       "\xE2\x82\xAC",
                                       "\xF0\x9F\x98\x80",
                                       "sixteen bytes ok",
                                       "\x7F",
                                       "\t",
                                       "\\u0041"};
  size_t length = 0;
  for (uint64_t count = next_random(state) % 12; count > 0; count--) {
    const char *piece = pieces[next_random(state) % COUNT(pieces)];
    memcpy(bytes + length, piece, strlen(piece));
    length += strlen(piece);
  }
  return length;
}

static void written_strings_read_back(void) {
  uint64_t state = 3;
  bool right = true;
  cx_buffer out, back;
  cx_buffer_init(&out, 2000);
  cx_buffer_init(&back, 2000);
  for (int i = 0; i < 20000; i++) {
    char bytes[300];
    size_t length = random_string(&state, bytes);
    cx_json_reader reader;
    cx_buffer_clear(&out);
    cx_buffer_clear(&back);
    right = right && cx_json_write_string(&out, bytes, length) == CX_OK;
    cx_json_reader_init(&reader, cx_buffer_bytes(&out), cx_buffer_length(&out), CX_JSON_STRICT);
    right = right && cx_json_next(&reader) == CX_JSON_STRING;
    right = right && cx_json_unescape(reader.string, reader.length, CX_JSON_STRICT, &back) == CX_OK;
    right = right && cx_buffer_length(&back) == length;
    right = right && (length == 0 || memcmp(cx_buffer_bytes(&back), bytes, length) == 0);
    right = right && (reader.escaped || reader.length == length) && cx_json_next(&reader) == CX_JSON_END;
  }
  check(right);
  cx_buffer_free(&out);
  cx_buffer_free(&back);
}

static void writing_and_decoding(void) {
  cx_buffer out;
  cx_buffer_init(&out, 1000);
  int status = cx_json_write_integer(&out, 12);
  check(status == CX_OK || (status == CX_ENOMEM && cx_buffer_length(&out) == 0));
  size_t before = cx_buffer_length(&out);
  char text[100];
  memset(text, '\n', sizeof text);
  status = cx_json_write_string(&out, text, sizeof text);
  check(cx_buffer_length(&out) == before + (status == CX_OK ? 202 : 0));
  before = cx_buffer_length(&out);
  status = cx_json_unescape(
      TEXT("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
      CX_JSON_LENIENT, &out);
  check(cx_buffer_length(&out) == before + (status == CX_OK ? 69 : 0));
  before = cx_buffer_length(&out);
  status = cx_json_write_number(&out, 0.5);
  check(cx_buffer_length(&out) == before + (status == CX_OK ? 3 : 0));
  cx_buffer_free(&out);
}

static void appends_nothing_when_allocation_fails(void) {
  test_each_allocation_failing(writing_and_decoding);
}

static void reading_never_allocates(void) {
  static const char text[] = "{\"a\":[1,2.5e-300,123456789012345678901234567890,\"x\\n\"]}";
  cx_json_reader reader;
  test_fail_allocation(0);
  check(reads(&reader, text, sizeof text - 1, CX_JSON_STRICT));
  check(skips(text, sizeof text - 1));
  check(!test_allocation_failed());
  test_fail_allocation(-1);
}

static size_t mutate(uint64_t *state, char *text, size_t length) {
  static const char bytes[] = "{}[]\",:\\ \n\t0123456789-+.eEtrufalsn/bu\0\x1F\x7F\x80\xC3\xED\xFF";
  size_t at = (size_t)(next_random(state) % (length + 1));
  char byte = bytes[next_random(state) % (sizeof bytes - 1)];
  switch (next_random(state) % 4) {
  case 0: /* overwrite */
    if (at < length) text[at] = byte;
    return length;
  case 1: /* insert */
    memmove(text + at + 1, text + at, length - at);
    text[at] = byte;
    return length + 1;
  case 2: /* delete */
    if (at == length) return length;
    memmove(text + at, text + at + 1, length - at - 1);
    return length - 1;
  default: /* repeat a part */
  {
    size_t count = (size_t)(next_random(state) % 8);
    if (count > length - at) count = length - at;
    memmove(text + at + count, text + at, length - at);
    return length + count;
  }
  }
}

static void reading_and_skipping_agree(void) {
  static const char delta[] =
      "{\"method\":\"item/agentMessage/delta\",\"params\":{\"delta\":\"some text \\u00e9\"},\"at\":17637000}";
  static const char *const seeds[] = {
      delta,
      "[0,-1,2.5,3e10,-4.5E-6,1e308,true,false,null,\"\",{},[]]",
      "{\"a\":{\"b\":[{\"c\":[[]]}]},\"d\" : [ ] }",
      "\"\\ud83d\\ude00\\n\xC3\xA9\"",
      "123.456e78",
      "  [ 1 , 2 ]  ",
  };
  uint64_t state = 4;
  unsigned accepted = 0, refused = 0;
  for (int i = 0; i < 150000; i++) {
    char text[256];
    const char *seed = seeds[i % (int)COUNT(seeds)];
    size_t length = strlen(seed);
    memcpy(text, seed, length);
    for (uint64_t count = 1 + next_random(&state) % 4; count > 0; count--)
      length = mutate(&state, text, length);
    if (accepts(text, length, CX_JSON_LENIENT))
      accepted++;
    else
      refused++;
  }
  check(accepted > 10000);
  check(refused > 10000);
}

/* Against a decoder written the long way: by value ranges instead of byte ranges. */
static bool plainly_valid(const unsigned char *bytes, size_t length) {
  static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < length;) {
    size_t more = bytes[i] < 0x80       ? 0
                  : bytes[i] >> 5 == 6  ? 1
                  : bytes[i] >> 4 == 14 ? 2
                  : bytes[i] >> 3 == 30 ? 3
                                        : 4;
    if (more == 4 || i + more >= length) return false;
    uint32_t code = more == 0 ? bytes[i] : bytes[i] & (0x3Fu >> more);
    for (size_t j = 1; j <= more; j++) {
      if (bytes[i + j] >> 6 != 2) return false;
      code = code << 6 | (bytes[i + j] & 0x3Fu);
    }
    if (code < smallest[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    i += more + 1;
  }
  return true;
}

static void utf8_is_checked(void) {
  static const unsigned char edges[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF,
                                        0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
                                        0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFE, 0xFF};
  bool same = true;
  check(cx_utf8_valid(NULL, 0));
  for (size_t code = 0; code < COUNT(edges) * COUNT(edges) * COUNT(edges) * COUNT(edges); code++) {
    /* Four edge bytes, after ASCII of varying length. */
    unsigned char bytes[24];
    size_t before = code % 20, rest = code;
    memset(bytes, 'a', sizeof bytes);
    for (int i = 0; i < 4; i++, rest /= COUNT(edges))
      bytes[before + (size_t)i] = edges[rest % COUNT(edges)];
    for (size_t cut = 1; cut <= 4; cut++)
      same = same && cx_utf8_valid((char *)bytes, before + cut) == plainly_valid(bytes, before + cut);
  }
  check(same);
}

static void texts_for_users(void) {
  static const char json[] = "{\"a\":{\"b\":\"x\\n\\u00e4\"},\"n\":1}";
  codex_slice object = {json, sizeof json - 1};
  char *text = codex_json_unquote(codex_json_member(codex_json_member(object, "a"), "b"));
  check(!text || strcmp(text, "x\n\xC3\xA4") == 0);
  char *quoted = text ? codex_json_quote(text) : NULL;
  check(!quoted || strcmp(quoted, "\"x\\n\xC3\xA4\"") == 0);
  check(test_allocation_failed() || (text && quoted));
  check(codex_json_unquote(codex_json_member(object, "n")) == NULL);
  check(codex_json_unquote(codex_json_member(object, "none")) == NULL);
  check(codex_json_quote("\xFF") == NULL);
  free(text);
  free(quoted);
}

static void texts_for_users_without_memory(void) {
  test_each_allocation_failing(texts_for_users);
}

void json_spec(void) {
  it("decodes and encodes strings for users, or answers NULL", texts_for_users);
  it("and loses nothing when memory runs out", texts_for_users_without_memory);
  it("every form of RFC 8259 is read", reads_what_is_json);
  it("everything else is refused", refuses_what_is_not);
  it("bad UTF-8, lone surrogates and huge numbers are refused in strict mode only", modes_differ);
  it("control characters are refused wherever they are", refuses_each_control_character);
  it("tokens come in order with their positions", tokens_come_in_order);
  it("errors are named and placed, and stick", names_the_error_and_its_place);
  it("every prefix of a text is incomplete", every_prefix_is_incomplete);
  it("nesting is limited", limits_depth);
  it("skipping stops right after the value", skipping_stops_after_the_value);
  it("integers reach from end to end of int64", integers_reach_int64);
  it("numbers are rounded correctly", numbers_round_correctly);
  it("numbers out of range are errors, or infinite", numbers_out_of_range);
  it("any number of digits counts", any_number_of_digits_counts);
  it("written numbers read back to the last bit", written_numbers_read_back);
  it("numbers agree with the C library", agrees_with_the_library);
  it("numbers are written short and never look like integers", writes_numbers);
  it("strings are written with the shortest escapes", writes_strings);
  it("writers append all or nothing", writers_append_all_or_nothing);
  it("strings are decoded in both modes", decodes_strings);
  it("decoding appends all or nothing", decoding_appends_all_or_nothing);
  it("strings that need decoding are marked", marks_strings_to_decode);
  it("written strings read back", written_strings_read_back);
  it("nothing is appended when an allocation fails", appends_nothing_when_allocation_fails);
  it("reading never allocates", reading_never_allocates);
  it("reading and skipping agree", reading_and_skipping_agree);
  it("UTF-8 is checked", utf8_is_checked);
}
