/* Tests of src/base: errors, arena, bounded buffers, strings, maps. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/size.h"
#include "base/str.h"
#include "base/thread.h"
#include "unit.h"

static void test_err(void)
{
    struct err err;
    CU_ASSERT_EQUAL(err_set(&err, KD_EINVAL, "units=%d must be positive", -3), KD_EINVAL);
    CU_ASSERT_EQUAL(err_wrap(&err, "layer '%s'", "d"), KD_EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "layer 'd': units=-3 must be positive");
    char longer[3000];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    err_set(&err, KD_EIO, "%s", longer);
    CU_ASSERT_EQUAL(strlen(err.text), ERR_TEXT_MAX - 1);
    CU_ASSERT_TRUE(str_ends(err.text, "..."));
    err_wrap(&err, "model 'm'");
    CU_ASSERT_TRUE(str_starts(err.text, "model 'm': xxx"));
    CU_ASSERT_TRUE(str_ends(err.text, "..."));
    CU_ASSERT_EQUAL(err_errno(&err, 2, "cannot open '%s'", "f"), KD_ENOTFOUND);
    CU_ASSERT_STRING_EQUAL(err.text, "cannot open 'f': No such file or directory");
}

static void test_arena(void)
{
    struct arena *arena = arena_new();
    size_t total = 0;
    for (size_t size = 0; size < 5000; size += 37) {
        unsigned char *data = arena_alloc(arena, size);
        CU_ASSERT_PTR_NOT_NULL_FATAL(data);
        CU_ASSERT_EQUAL((size_t)data % 16, 0);
        for (size_t i = 0; i < size; i++)
            total += data[i];
        memset(data, 0xff, size);
    }
    CU_ASSERT_EQUAL(total, 0);
    CU_ASSERT_PTR_NULL(arena_calloc(arena, SIZE_MAX / 2, 3));
    CU_ASSERT_STRING_EQUAL(arena_printf(arena, "%d-%s", 7, "x"), "7-x");
    CU_ASSERT_STRING_EQUAL(arena_strndup(arena, "abcdef", 3), "abc");
    arena_free(arena);
}

static void test_buf(void)
{
    struct buf buf;
    buf_init(&buf, 10);
    CU_ASSERT_EQUAL(buf_puts(&buf, "0123456789"), 0);
    CU_ASSERT_STRING_EQUAL(buf.data, "0123456789");
    CU_ASSERT_EQUAL(buf_putc(&buf, 'x'), KD_ETOOBIG);
    CU_ASSERT_EQUAL(buf_puts(&buf, "a"), KD_ETOOBIG);
    CU_ASSERT_PTR_NULL(buf.data);
    buf_done(&buf);
    buf_init(&buf, 1000);
    buf_json_string(&buf, "a\"\\\n\x01\xff\xc3\xa4", 8);
    CU_ASSERT_STRING_EQUAL(buf.data, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa4\"");
    buf_reset(&buf);
    buf_printf(&buf, "%d", 42);
    char *text = buf_take(&buf);
    CU_ASSERT_STRING_EQUAL(text, "42");
    free(text);
    buf_done(&buf);
}

static void test_str(void)
{
    int64_t i;
    uint64_t u;
    CU_ASSERT_TRUE(str_to_i64("-9223372036854775808", &i) && i == INT64_MIN);
    CU_ASSERT_FALSE(str_to_i64("9223372036854775808", &i));
    CU_ASSERT_FALSE(str_to_i64("1x", &i));
    CU_ASSERT_FALSE(str_to_i64(" 1", &i));
    CU_ASSERT_TRUE(str_to_bytes("64k", &u) && u == 65536);
    CU_ASSERT_TRUE(str_to_bytes("2GiB", &u) && u == UINT64_C(2147483648));
    CU_ASSERT_FALSE(str_to_bytes("-1", &u));
    CU_ASSERT_FALSE(str_to_bytes("99999999999T", &u));
    CU_ASSERT_TRUE(str_to_ms("10s", &i) && i == 10000);
    CU_ASSERT_TRUE(str_to_ms("250", &i) && i == 250);
    CU_ASSERT_FALSE(str_to_ms("10 s", &i));
    CU_ASSERT_EQUAL(str_utf8_valid("a\xc3\xa4\xf0\x9f\x98\x80", 7), 7);
    CU_ASSERT_EQUAL(str_utf8_valid("a\xed\xa0\x80", 4), 1); /* surrogate */
    CU_ASSERT_EQUAL(str_utf8_valid("\xc0\x80", 2), 0);      /* overlong */
    CU_ASSERT_EQUAL(str_utf8_valid("ab\xe2\x82", 4), 2);    /* cut */
    char text[] = "\xff" "a\n\xc3\xa4\x7f\xe2\x82";
    str_tidy(text);
    CU_ASSERT_STRING_EQUAL(text, "?a?\xc3\xa4???");
}

static void test_map(void)
{
    struct map *map = map_new();
    char key[16];
    static int values[500];
    CU_ASSERT_PTR_NULL(map_get(map, "absent"));
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        CU_ASSERT_EQUAL(map_set(map, key, &values[i]), 0);
    }
    CU_ASSERT_EQUAL(map_count(map), 500);
    CU_ASSERT_PTR_EQUAL(map_remove(map, "k100"), &values[100]);
    CU_ASSERT_PTR_NULL(map_remove(map, "k100"));
    CU_ASSERT_PTR_EQUAL(map_get(map, "k499"), &values[499]);
    CU_ASSERT_STRING_EQUAL(map_key(map, 100), "k101");
    map_set(map, "k0", &values[1]);
    CU_ASSERT_PTR_EQUAL(map_value(map, 0), &values[1]);
    map_free(map);
}

static void test_cpu_count(void)
{
    CU_ASSERT_TRUE(thread_cpu_count() >= 1);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"err", test_err}, {"arena", test_arena}, {"buf", test_buf},
        {"str", test_str}, {"map", test_map},     {"cpu count", test_cpu_count},
    };
    return unit_main("base", tests, KD_COUNT(tests));
}
