/* Tests of the readers behind Lambda: marshalled code of every Python generation to source text, the sidecar's
 * language, and damage of every byte and length, which must never do more than fail. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "keras/bytecode.h"
#include "keras/marshal.h"
#include "unit.h"

#define LINE_MAX_BYTES 8192

static size_t decode(const char *text, unsigned char *data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    unsigned bits = 0;
    int count = 0;
    for (; *text && *text != '='; text++) {
        bits = bits << 6 | (unsigned)(strchr(digits, *text) - digits);
        count += 6;
        if (count >= 8)
            data[n++] = (unsigned char)(bits >> (count -= 8));
    }
    return n;
}

/* The source text that is read from the code; "refused" if it is none. */
static void read_source(const unsigned char *data, size_t length, struct buf *text)
{
    struct arena *arena = arena_new();
    struct err err = {0};
    struct marshal_code *code;
    struct expr_function function = {0};
    struct expr_maker maker = {.arena = arena, .err = &err};
    struct expr *closure[1] = {expr_int(&maker, 7)};
    buf_reset(text);
    if (marshal_read_code(data, length, arena, &code, &err) || bytecode_read(code, closure, 1, &maker, &function)) {
        CU_ASSERT_TRUE(err.code < 0 && err.text[0]);
        buf_puts(text, "refused");
    } else {
        expr_print(&function, text);
    }
    arena_free(arena);
}

static FILE *open_samples(void)
{
    char path[4096];
    const char *top = getenv("KERASD_SRCDIR");
    snprintf(path, sizeof(path), "%s/tests/data/lambda/samples.txt", top ? top : ".");
    FILE *file = fopen(path, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    return file;
}

static void test_samples(void)
{
    static char line[LINE_MAX_BYTES];
    static unsigned char data[LINE_MAX_BYTES];
    FILE *file = open_samples();
    size_t n = 0;
    struct buf text;
    buf_init(&text, 100000);
    while (fgets(line, sizeof(line), file)) {
        char *version = strtok(line, "\t"), *code = strtok(NULL, "\t"), *expected = strtok(NULL, "\n");
        CU_ASSERT_PTR_NOT_NULL_FATAL(expected);
        read_source(data, decode(code, data), &text);
        if (strcmp(text.data, expected) != 0) {
            fprintf(stderr, "Python %s: expected %s\n   found %s\n", version, expected, text.data);
            CU_FAIL("wrong source");
        }
        n++;
    }
    CU_ASSERT_TRUE(n >= 300);
    buf_done(&text);
    fclose(file);
}

static void test_damage(void)
{
    static char line[LINE_MAX_BYTES];
    static unsigned char data[LINE_MAX_BYTES], copy[LINE_MAX_BYTES];
    FILE *file = open_samples();
    struct buf text;
    buf_init(&text, 100000);
    for (size_t n = 0; fgets(line, sizeof(line), file); n++) {
        if (n % 37 != 5)
            continue;
        strtok(line, "\t");
        size_t length = decode(strtok(NULL, "\t"), data);
        for (size_t cut = 0; cut < length; cut++)
            read_source(data, cut, &text);
        for (size_t i = 0; i < length; i++) {
            memcpy(copy, data, length);
            copy[i] ^= (unsigned char)(1u << (i * 7 % 8));
            read_source(copy, length, &text);
            copy[i] = 0xff;
            read_source(copy, length, &text);
        }
    }
    buf_done(&text);
    fclose(file);
}

static void check_parse(const char *source, const char *expected)
{
    struct arena *arena = arena_new();
    struct err err = {0};
    struct expr_function function;
    struct buf text;
    buf_init(&text, 100000);
    if (expr_parse(source, arena, &function, &err))
        buf_puts(&text, err.text);
    else
        expr_print(&function, &text);
    CU_ASSERT_STRING_EQUAL(text.data, expected);
    if (strcmp(text.data, expected) != 0)
        fprintf(stderr, "expected %s\n   found %s\n", expected, text.data);
    buf_done(&text);
    arena_free(arena);
}

static void test_parse(void)
{
    check_parse("x / 127.5 - 1", "lambda x: x / 127.5 - 1");
    check_parse("lambda a, b: abs(a-b)", "lambda a, b: abs(a - b)");
    check_parse("lambda x: x[:, -1, ::2]", "lambda x: x[:, -1, ::2]");
    check_parse("-x**2 + (x*3)%2", "lambda x: -x**2 + x * 3 % 2");
    check_parse("lambda x, k=(1, 2): tf.image.resize(x, k, method='area')",
                "lambda x, k=(1, 2): tf.image.resize(x, k, method=\"area\")");
    check_parse("where(x > 0, x, 0.1*x)", "lambda x: where(x > 0, x, 0.1 * x)");
    check_parse("[x, (x,), 1e-3, True, None]", "lambda x: [x, (x,), 0.001, True, None]");
    check_parse("x[", "an expression expected at column 3 of \"x[\"");
    check_parse("x y", "the end expected at column 3 of \"x y\"");
    check_parse("f(a=1, 2)", "an argument with a name expected at column 8 of \"f(a=1, 2)\"");
    check_parse("import os", "the end expected at column 8 of \"import os\"");
    check_parse("", "an expression expected at column 1 of \"\"");
}

static void test_parse_depth(void)
{
    static char text[100001];
    struct arena *arena = arena_new();
    struct err err = {0};
    struct expr_function function;
    memset(text, '(', sizeof(text) - 1);
    CU_ASSERT_TRUE(expr_parse(text, arena, &function, &err) < 0);
    for (size_t i = 0; i + 1 < sizeof(text); i++)
        text[i] = i % 2 ? '+' : 'x';
    text[sizeof(text) - 2] = '\0';
    CU_ASSERT_TRUE(expr_parse(text, arena, &function, &err) < 0);
    arena_free(arena);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"samples of every Python", test_samples},
        {"damaged code", test_damage},
        {"sidecar language", test_parse},
        {"nesting", test_parse_depth},
    };
    return unit_main("lambda", tests, KD_COUNT(tests));
}
