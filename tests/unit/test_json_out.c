/* json_out: TensorFlow Serving's number texts, the shortest texts, and both read back bit for bit; layouts. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/size.h"
#include "base/str.h"
#include "http/json_out.h"
#include "unit.h"

static const char *text_of(float value, enum json_out_digits digits)
{
    static char text[JSON_OUT_NUMBER_MAX + 1];
    char *end = json_out_f32(text, value, digits);
    CU_ASSERT_FATAL(end <= text + JSON_OUT_NUMBER_MAX);
    *end = '\0';
    return text;
}

static void test_vectors(void)
{
    static const struct {
        float value;
        const char *text;
    } vectors[] = {
        {0.0f, "0.0"},
        {-0.0f, "-0.0"},
        {1.0f, "1.0"},
        {0.1f, "0.1"},
        {1.0f / 3, "0.333333343"},
        {2.0f / 3, "0.666666687"},
        {0.0001f, "0.0001"},
        {0.00003f, "3e-05"},
        {123456.0f, "123456.0"},
        {999999.0f, "999999.0"},
        {1000000.0f, "1e+06"},
        {9000000.0f, "9e+06"},
        {1234567.0f, "1234567.0"},
        {16777216.0f, "16777216.0"},
        {1e10f, "1e+10"},
        {123456.7f, "123456.703"},
        {555557.5f, "555557.5"},
        {FLT_MAX, "3.40282347e+38"},
        {1.401298e-45f, "1.4013e-45"},
        {3.14159274f, "3.14159274"},
        {6e-7f, "6e-07"},
        {-2.5f, "-2.5"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };
    for (size_t i = 0; i < KD_COUNT(vectors); i++)
        CU_ASSERT_STRING_EQUAL(text_of(vectors[i].value, JSON_OUT_TFS), vectors[i].text);
}

/* What TensorFlow Serving does, by the C library. */
static const char *tfs_by_printf(float value)
{
    static char text[64];
    snprintf(text, sizeof(text), "%.6g", (double)value);
    if (strtof(text, NULL) != value)
        snprintf(text, sizeof(text), "%.9g", (double)value);
    if (!strpbrk(text, ".e"))
        strcat(text, ".0");
    return text;
}

static size_t count_digits(const char *text)
{
    size_t n = 0, zeros = 0;
    bool leading = true;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        leading = leading && *text == '0';
        zeros = *text == '0' ? zeros + 1 : 0;
        n += !leading;
    }
    return n > zeros ? n - zeros : 1;
}

static size_t fewest_digits(float value)
{
    char text[64];
    for (int n = 1; n < 9; n++) {
        snprintf(text, sizeof(text), "%.*e", n - 1, (double)value);
        if (strtof(text, NULL) == value)
            return (size_t)n;
    }
    return 9;
}

static void check_value(float value)
{
    const char *want = tfs_by_printf(value), *got = text_of(value, JSON_OUT_TFS);
    if (strcmp(got, want) != 0)
        printf("\n  %a: %s, expected %s\n", (double)value, got, want);
    CU_ASSERT_STRING_EQUAL(got, want);
    got = text_of(value, JSON_OUT_SHORTEST);
    CU_ASSERT(strtof(got, NULL) == value);
    if (value >= FLT_MIN && count_digits(got) > fewest_digits(value))
        printf("\n  %a: %s could be shorter\n", (double)value, got);
    CU_ASSERT(value < FLT_MIN || count_digits(got) <= fewest_digits(value));
}

static void test_against_printf(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < 100000; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t bits = seed >> 1;
        float value;
        memcpy(&value, &bits, sizeof(value));
        if (isfinite(value))
            check_value(value);
        check_value((float)(seed >> 8) / 16777216.0f);
        check_value((float)(seed >> 16));
        check_value((float)(seed >> 20) / 1000.0f);
    }
}

static void test_borders(void)
{
    for (int e = -149; e < 128; e++)
        for (int k = -3; k <= 3; k++) {
            float value = ldexpf(1.0f, e);
            for (int i = 0; i < abs(k); i++)
                value = nextafterf(value, k < 0 ? 0 : INFINITY);
            if (isfinite(value) && value > 0)
                check_value(value);
        }
    for (int e = -45; e < 39; e++)
        for (int digit = 1; digit < 10; digit++) {
            char text[16];
            snprintf(text, sizeof(text), "%de%d", digit, e);
            float value = strtof(text, NULL);
            for (int i = 0; i < 3 && isfinite(value) && value > 0; i++) {
                check_value(value);
                value = nextafterf(value, 0);
            }
        }
    for (uint32_t k = 1; k < 100000; k += 7)
        check_value((float)k / 8192.0f);
}

static void test_integers(void)
{
    static const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, -100, 12345, INT32_MAX, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < KD_COUNT(values); i++) {
        char text[32], want[32];
        *json_out_i64(text, values[i]) = '\0';
        snprintf(want, sizeof(want), "%lld", (long long)values[i]);
        CU_ASSERT_STRING_EQUAL(text, want);
    }
}

static const char *layout_of(const struct tensor *tensor, enum json_out_layout layout, bool base64)
{
    static char text[1000];
    struct buf buf;
    struct json_out_style style = {JSON_OUT_TFS, layout, 4, base64};
    buf_init(&buf, sizeof(text) - 1);
    json_out_tensor(&buf, tensor, &style);
    CU_ASSERT_EQUAL_FATAL(buf.failed, 0);
    strcpy(text, buf.data ? buf.data : "");
    buf_done(&buf);
    return text;
}

static void test_layouts(void)
{
    float f[] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct tensor t = {DTYPE_FLOAT32, {3, {2, 2, 2}}, f};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "[[[1.0,2.0],[3.0,4.0]],[[5.0,6.0],[7.0,8.0]]]");
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_FLAT, false), "1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0");
    t.shape = (struct shape){2, {2, 2}};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_ONE_LINE, false), "[[1.0, 2.0], [3.0, 4.0]]");
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_INDENTED, false),
                           "[\n        [\n            1.0,\n            2.0\n        ],\n        [\n"
                           "            3.0,\n            4.0\n        ]\n    ]");
    t.shape = (struct shape){0, {0}};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "1.0");
    t.shape = (struct shape){2, {0, 3}};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "[]");
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_FLAT, false), "");
    t.shape = (struct shape){3, {2, 0, 3}};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "[[],[]]");
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_INDENTED, false), "[\n        [],\n        []\n    ]");
}

static void test_types(void)
{
    int64_t i[] = {0, 1, -5};
    struct tensor t = {DTYPE_INT64, {1, {3}}, i};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "[0,1,-5]");
    t.dtype = DTYPE_BOOL;
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "[false,true,true]");
    struct str_view s[] = {{"a\"\n", 3}, {"\xff", 1}, {"", 0}};
    t = (struct tensor){DTYPE_STRING, {1, {3}}, s};
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, false), "[\"a\\\"\\n\",\"\xef\xbf\xbd\",\"\"]");
    CU_ASSERT_STRING_EQUAL(layout_of(&t, JSON_OUT_COMPACT, true),
                           "[{\"b64\":\"YSIK\"},{\"b64\":\"/w==\"},{\"b64\":\"\"}]");
}

static void test_rows(void)
{
    float f[] = {1, 2, 3, 4, 5, 6};
    struct tensor t = {DTYPE_FLOAT32, {2, {3, 2}}, f};
    struct json_out_style style = {.layout = JSON_OUT_COMPACT};
    struct buf buf;
    buf_init(&buf, 1000);
    json_out_rows(&buf, &t, 1, 1, false, &style);
    CU_ASSERT_STRING_EQUAL(buf.data, "[3.0,4.0]");
    buf_reset(&buf);
    json_out_rows(&buf, &t, 1, 2, true, &style);
    CU_ASSERT_STRING_EQUAL(buf.data, "[[3.0,4.0],[5.0,6.0]]");
    buf_reset(&buf);
    t.shape = (struct shape){1, {6}};
    json_out_rows(&buf, &t, 5, 1, false, &style);
    CU_ASSERT_STRING_EQUAL(buf.data, "6.0");
    buf_done(&buf);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"vectors", test_vectors},   {"against printf", test_against_printf}, {"borders", test_borders},
        {"integers", test_integers}, {"layouts", test_layouts},               {"types", test_types},
        {"rows", test_rows},
    };
    return unit_main("json_out", tests, KD_COUNT(tests));
}
