/* json_scan, json_number, json_fill and v1_body: numbers bit for bit as the C library reads them, both request formats,
 * every refusal with its text, and the same outcome however the body is cut. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "http/base64.h"
#include "http/inputs.h"
#include "http/v1_body.h"
#include "unit.h"

/* ---- a model to fill ---- */

#define NONE SHAPE_UNKNOWN
static const struct keras_signature_tensor HPT[] = {{"x", DTYPE_FLOAT32, {1, {NONE}}}};
static const struct keras_signature_tensor ROW3[] = {{"x", DTYPE_FLOAT32, {2, {NONE, 3}}}};
static const struct keras_signature_tensor AB[] = {{"a", DTYPE_FLOAT32, {2, {NONE, 2}}},
                                                   {"b", DTYPE_INT64, {1, {NONE}}}};
static const struct keras_signature_tensor TEXT[] = {{"s", DTYPE_STRING, {1, {NONE}}}};
static const struct keras_signature_tensor BYTE[] = {{"u", DTYPE_UINT8, {1, {NONE}}}};
static const struct keras_signature_tensor FLAG[] = {{"f", DTYPE_BOOL, {1, {NONE}}}};

struct fixture {
    struct v1_body body;
    struct inputs inputs;
    struct err err;
    int code;
    int64_t rows;
    bool columnar;
};

static const struct inputs_limits limits = {1 << 20, 1 << 20};

static void read_body(struct fixture *f, const struct keras_signature_tensor *model, size_t n, const char *text,
                      size_t length, size_t piece)
{
    f->err.text[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(inputs_start(&f->inputs, n, &f->err), 0);
    for (size_t i = 0; i < n; i++)
        inputs_bind(&f->inputs, i, &model[i], &limits);
    v1_body_start(&f->body, &f->inputs, 100);
    for (size_t at = 0; at < length; at += piece) {
        size_t size = length - at < piece ? length - at : piece;
        /* A copy of its own, so that the address sanitizer sees reads beyond the piece. */
        char *copy = malloc(size);
        memcpy(copy, text + at, size);
        v1_body_feed(&f->body, copy, size);
        free(copy);
    }
    f->code = v1_body_end(&f->body, NULL, &f->columnar, &f->err);
    if (f->code == 0)
        f->code = inputs_fit(&f->inputs, &f->rows, &f->err);
}

#define READ(f, model, text) read_body(f, model, KD_COUNT(model), text, strlen(text), 1 << 20)

static const size_t pieces[] = {1, 2, 3, 7, 64, 1 << 20};

/* Reads with all piece sizes; all must agree with the text (a fragment of the error, or NULL for success). */
static void expect(struct fixture *f, const struct keras_signature_tensor *model, size_t n, const char *text,
                   const char *error)
{
    for (size_t i = 0; i < KD_COUNT(pieces); i++) {
        read_body(f, model, n, text, strlen(text), pieces[i]);
        bool ok = error ? f->code != 0 && strstr(f->err.text, error) : f->code == 0;
        if (!ok)
            printf("\n  %s (pieces of %zu)\n  gave %d '%s', expected '%s'\n", text, pieces[i], f->code, f->err.text,
                   error ? error : "success");
        CU_ASSERT(ok);
    }
}
#define EXPECT(f, model, text, error) expect(f, model, KD_COUNT(model), text, error)

static void done(struct fixture *f)
{
    inputs_done(&f->inputs);
}

/* ---- numbers ---- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

/* The number by row, in the middle of a list, must be what strtof reads, however the text is cut. */
static void check_number(struct fixture *f, const char *number)
{
    char text[8192];
    uint32_t want = bits_of(strtof(number, NULL));
    int length = snprintf(text, sizeof(text), "{\"instances\": [[1, %s, 2],[%s,%s , %s\n]]}", number, number, number,
                          number);
    for (size_t i = 0; i < KD_COUNT(pieces); i++) {
        read_body(f, ROW3, 1, text, (size_t)length, pieces[i]);
        CU_ASSERT_EQUAL(f->code, 0);
        const float *data = f->inputs.tensors[0].data;
        bool same = f->code == 0;
        for (size_t k = 1; k < 6 && same; k += k == 1 ? 2 : 1)
            same = bits_of(data[k]) == want;
        if (!same)
            printf("\n  %s: expected %08x, got %08x %08x (%s)\n", number, want, f->code ? 0 : bits_of(data[1]),
                   f->code ? 0 : bits_of(data[5]), f->err.text);
        CU_ASSERT(same);
    }
}

static const char *const hard_numbers[] = {
    "0", "-0", "0.0", "-0.0", "0e0", "-0e-10", "0.000000000000000000000000000000000000000000000000000000000001e60",
    "1", "-1", "1.0", "10", "1e0", "1E+0", "1e-0", "12345678", "123456789", "1234567890123456",
    "123456789012345678", "1234567890123456789", "12345678901234567890", "0.1", "0.2", "0.3", "1.1", "3.14159265",
    "2.718281828459045", "16777215", "16777216", "16777217", "16777218", "16777219", "33554431", "33554433",
    "33554434", "33554435", "16777217.0", "16777217.000000001", "16777216.999999999", "1.00000005960464477539",
    "1.000000059604644775390625", "1.00000005960464477539062500000000000000000000001",
    "1.00000005960464477539062499999999999999999999999", "1.00000017881393432617187499",
    "1.000000178813934326171875", "1.00000017881393432617187501", "3.4028234663852886e38",
    "3.40282346638528859811704183484516925440e38", "3.4028235677973366e38", "3.4028235677973365e38",
    "3.4028235677973367e38", "340282346638528859811704183484516925440", "340282356779733661637539395458142568447",
    "340282356779733661637539395458142568448", "3.5e38", "1e39", "1e40", "1e308", "1e309", "1e400", "-1e400",
    "1e99999", "1e-99999", "0e99999", "1.17549435e-38", "1.17549435082228750797e-38", "1.1754943508222875e-38",
    "1.1754942e-38", "1.1754942807573643e-38", "1.17549431578e-38", "1.4e-45", "1.401298464324817e-45",
    "0.7e-45", "0.70064923216240854e-45", "7.0064923216240853e-46", "7.0064923216240854e-46",
    "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015624e-46",
    "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015625e-46",
    "7.00649232162408535461864791644958065640130970938257885878534141944895541342930300743319094181060791015626e-46",
    "2.1019476964872256e-45", "2.8e-45", "4.2e-45", "5e-324", "2.5e-324", "1e-400", "9.99999999e-46",
    "8.589973e9", "8.5899725e9", "1.2345678901234567e-20", "9007199254740991", "9007199254740992",
    "9007199254740993", "9007199254740994.5", "9223372036854775807", "9223372036854775808", "18446744073709551615",
    "18446744073709551616", "184467440737095516150000000000", "0.000001", "0.0000012345678901234567",
    "0.00000000123456789012345678", "0.12345678901234567", "0.123456789012345678", "0.1234567890123456789",
    "0.00000000000000000000000000000000000000000000012345", "123456789.123456789e-20", "1e22", "1e23", "1e-22",
    "1e-23", "1e64", "1e-64", "1e65", "1e-65", "123e36", "1.5e-7", "4503599627370496.5", "4503599627370497.5",
    "8388608.5", "8388609.5", "8388607.5", "4194304.25", "4194304.75", "0.5", "0.25", "0.125", "0.0625",
    "1.9999999403953552", "1.99999997019767761230468750", "1.9999999701976776123046874999", "0.99999997019767761",
    "5.877471754111437539843682686111228389093327783860437607543758531392086297273635864257812e-39",
    "5.8774717541114375398436826861112283890933277838604376075437585313920862972736358642578125e-39",
    "5.87747175411143753984368268611122838909332778386043760754375853139208629727363586425782e-39",
};

static void test_hard_numbers(void)
{
    struct fixture f = {0};
    for (size_t i = 0; i < KD_COUNT(hard_numbers); i++)
        check_number(&f, hard_numbers[i]);
    done(&f);
}

/* Decimal expansions of the points halfway between two floats, and their nearest neighbours. */
static void test_halfway(void)
{
    struct fixture f = {0};
    char text[400];
    for (uint32_t seed = 12345, i = 0; i < 200; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t bits = seed & 0x7fffffff;
        if ((bits >> 23) == 0xff)
            continue;
        float low;
        memcpy(&low, &bits, sizeof(low));
        double half = ((double)low + (double)nextafterf(low, INFINITY)) / 2;
        if (isinf(half))
            continue;
        int length = snprintf(text, sizeof(text), "%.160e", half);
        check_number(&f, text);
        char *exponent = memchr(text, 'e', (size_t)length);
        exponent[-1] = '1';
        check_number(&f, text);
        snprintf(text, sizeof(text), "%.17g", half);
        check_number(&f, text);
        snprintf(text, sizeof(text), "%.9g", (double)low);
        check_number(&f, text);
    }
    done(&f);
}

static void test_many_digits(void)
{
    struct fixture f = {0};
    char text[900];
    memset(text, '0', sizeof(text));
    memcpy(text, "0.", 2);
    text[800] = '\0';
    memcpy(text + 600, "123456789", 9);
    check_number(&f, text);
    memset(text, '9', 800);
    check_number(&f, text);
    memcpy(text, "1.", 2);
    check_number(&f, text);
    memcpy(text + 795, "e-40", 5);
    check_number(&f, text);
    memset(text, '7', 800);
    text[800] = '\0';
    text[30] = '.';
    check_number(&f, text);
    done(&f);
}

static int print_number(char *text, size_t style, double value)
{
    switch (style) {
    case 0:
        return sprintf(text, "%.3f", value);
    case 1:
        return sprintf(text, "%.17g", value);
    case 2:
        return sprintf(text, "%.8e", value);
    case 3:
        return sprintf(text, "%.0f", value);
    case 4:
        return sprintf(text, "%g", value);
    default:
        return sprintf(text, "%.12g", value);
    }
}

static void test_random_numbers(void)
{
    struct fixture f = {0};
    static char text[200000];
    float want[3000];
    uint64_t seed = 88172645463325252u;
    for (size_t style = 0; style < 6; style++) {
        size_t length = (size_t)sprintf(text, "{\"inputs\":[");
        for (size_t i = 0; i < 3000; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            double value = (double)(int64_t)seed / 9.3e18 * pow(10, (double)(seed % 12) - 6);
            length += (size_t)sprintf(text + length, i % 3 ? ",%c" : "%c", i % 3 ? ' ' : i ? ',' : '[');
            if (i % 3 == 0)
                length += (size_t)sprintf(text + length, "%s", i ? "[" : "");
            const char *number = text + length;
            length += (size_t)print_number(text + length, style, value);
            want[i] = strtof(number, NULL);
            if (i % 3 == 2)
                length += (size_t)sprintf(text + length, "]");
        }
        length += (size_t)sprintf(text + length, "]}");
        read_body(&f, ROW3, 1, text, length, 777);
        CU_ASSERT_EQUAL_FATAL(f.code, 0);
        CU_ASSERT_EQUAL(f.rows, 1000);
        CU_ASSERT_EQUAL(memcmp(f.inputs.tensors[0].data, want, sizeof(want)), 0);
    }
    done(&f);
}

static void test_number_grammar(void)
{
    struct fixture f = {0};
    static const char *const wrong[] = {"01", "-01", "1.", ".5", "-.5", "1.e5", "1e", "1e+", "+1", "--1", "1..2", "1e5.5",
                                        "0x10", "1_000", "-", "nan", "inf", "INF", "1f", "tru", "nul", "None", "1 2"};
    for (size_t i = 0; i < KD_COUNT(wrong); i++) {
        char text[100];
        snprintf(text, sizeof(text), "{\"instances\": [[0, %s, 5, 6]]}", wrong[i]);
        EXPECT(&f, ROW3, text, "JSON Parse error: ");
    }
    done(&f);
}

static void test_literals(void)
{
    struct fixture f = {0};
    EXPECT(&f, HPT, "{\"instances\":[NaN,-Infinity,Infinity,Inf,-Inf,-NaN]}", NULL);
    const float *x = f.inputs.tensors[0].data;
    CU_ASSERT(isnan(x[0]) && isinf(x[1]) && x[1] < 0 && isinf(x[2]) && x[2] > 0);
    CU_ASSERT(isinf(x[3]) && x[3] > 0 && isinf(x[4]) && x[4] < 0 && isnan(x[5]));
    done(&f);
}

static void test_integers(void)
{
    struct fixture f = {0};
    EXPECT(&f, AB,
           "{\"inputs\":{\"a\":[[1,2],[1,2],[1,2]],"
           "\"b\":[9007199254740993,-9223372036854775808,9223372036854775807]}}",
           NULL);
    const int64_t *b = f.inputs.tensors[1].data;
    CU_ASSERT(b[0] == 9007199254740993 && b[1] == INT64_MIN && b[2] == INT64_MAX);
    EXPECT(&f, AB, "{\"inputs\":{\"a\":[[1,2]],\"b\":[9223372036854775808]}}", "out of range for type: int64");
    EXPECT(&f, AB, "{\"inputs\":{\"a\":[[1,2]],\"b\":[3.0]}}", "Type: Number is not of expected type: int64");
    EXPECT(&f, AB, "{\"inputs\":{\"a\":[[1,2]],\"b\":[1e0]}}", "JSON Value: 1e0 Type: Number");
    EXPECT(&f, BYTE, "{\"instances\":[0,255]}", NULL);
    EXPECT(&f, BYTE, "{\"instances\":[0,256]}", "JSON Value: 256 is out of range for type: uint8 (at instances[1])");
    EXPECT(&f, BYTE, "{\"inputs\":[0,-1]}", "out of range for type: uint8 (at inputs[1])");
    EXPECT(&f, FLAG, "{\"instances\":[true,false]}", NULL);
    CU_ASSERT(((int64_t *)f.inputs.tensors[0].data)[0] == 1 && ((int64_t *)f.inputs.tensors[0].data)[1] == 0);
    EXPECT(&f, FLAG, "{\"instances\":[true,0]}", "JSON Value: 0 Type: Number is not of expected type: bool");
    done(&f);
}

/* ---- formats ---- */

static void test_formats(void)
{
    struct fixture f = {0};
    EXPECT(&f, HPT, "{\"instances\":[1.0,2.0,5.0]}", NULL);
    CU_ASSERT(f.rows == 3 && !f.columnar && ((float *)f.inputs.tensors[0].data)[2] == 5);
    EXPECT(&f, HPT, "{\"inputs\":[1.0,2.0,5.0]}", NULL);
    CU_ASSERT(f.rows == 3 && f.columnar);
    EXPECT(&f, HPT, "{\"instances\":[{\"x\":1.0}]}", NULL);
    EXPECT(&f, HPT, "{\"inputs\":{\"x\":[1]}}", NULL);
    EXPECT(&f, HPT, " {\"signature_name\":\"serving_default\",\"instances\":[1],\"extra\":{\"a\":[{}]}} ", NULL);
    EXPECT(&f, HPT, "{\"signature_name\":\"\",\"instances\":[1]}", NULL);
    EXPECT(&f, HPT, "{\"instances\":[1]} trailing", NULL);
    EXPECT(&f, HPT, "{\"instances\":[1],\"instances\":[2,3]}", NULL);
    CU_ASSERT(f.rows == 1);
    EXPECT(&f, AB, "{\"instances\":[{\"a\":[1,2],\"b\":3},{\"b\":4,\"a\":[5,6]}]}", NULL);
    CU_ASSERT(f.rows == 2 && ((float *)f.inputs.tensors[0].data)[3] == 6);
    CU_ASSERT(((int64_t *)f.inputs.tensors[1].data)[1] == 4);
    EXPECT(&f, AB, "{\"inputs\":{\"a\":[[1,2]],\"b\":[3],\"zzz\":1}}", NULL);
    done(&f);
}

static void test_adapted_ranks(void)
{
    struct fixture f = {0};
    static const struct keras_signature_tensor column[] = {{"x", DTYPE_FLOAT32, {2, {NONE, 1}}}};
    EXPECT(&f, column, "{\"instances\":[1,2]}", NULL);
    CU_ASSERT(f.inputs.tensors[0].shape.rank == 2 && f.inputs.tensors[0].shape.dim[1] == 1);
    EXPECT(&f, HPT, "{\"instances\":[[1],[2]]}", NULL);
    CU_ASSERT(f.inputs.tensors[0].shape.rank == 1 && f.inputs.tensors[0].shape.dim[0] == 2);
    EXPECT(&f, ROW3, "{\"instances\":[[[1],[2],[3]]]}", NULL);
    EXPECT(&f, ROW3, "{\"instances\":[1,2]}", "shape (2,), the model expects (None, 3)");
    EXPECT(&f, ROW3, "{\"instances\":[[1,2,3,4],[1,2,3,4]]}",
           "input 'x': got a tensor of shape (2, 4), the model expects (None, 3)");
    done(&f);
}

static void test_strings(void)
{
    struct fixture f = {0};
    EXPECT(&f, TEXT, "{\"instances\":[\"a\\u00e9\\n\",\"\",{\"b64\":\"AAEC\"},{\"b64\":\"\"},\"\\ud83d\\ude00\\\"\"]}",
           NULL);
    const struct str_view *s = f.inputs.tensors[0].data;
    CU_ASSERT(s[0].length == 4 && memcmp(s[0].data, "a\xc3\xa9\n", 4) == 0);
    CU_ASSERT(s[1].length == 0 && s[3].length == 0);
    CU_ASSERT(s[2].length == 3 && memcmp(s[2].data, "\0\1\2", 3) == 0);
    CU_ASSERT(s[4].length == 5 && memcmp(s[4].data, "\xf0\x9f\x98\x80\"", 5) == 0);
    EXPECT(&f, TEXT, "{\"inputs\":{\"s\":[{\"b64\":\"YQ\"},\"b\"]}}", NULL);
    EXPECT(&f, TEXT, "{\"instances\":[{\"s\":{\"b64\":\"YQ==\"}},{\"s\":\"x\"}]}", NULL);
    EXPECT(&f, TEXT, "{\"instances\":[{\"b64\":\"*\"}]}", "Unable to base64 decode");
    EXPECT(&f, TEXT, "{\"instances\":[\"a\",{\"b64\":\"AA==\",\"c\":1}]}", "not formatted correctly for base64 data");
    EXPECT(&f, TEXT, "{\"instances\":[1]}", "JSON Value: 1 Type: Number is not of expected type: string");
    EXPECT(&f, TEXT, "{\"instances\":[\"\\ud83d\"]}", "surrogate");
    EXPECT(&f, TEXT, "{\"instances\":[\"\\x\"]}", "escape");
    EXPECT(&f, TEXT, "{\"instances\":[\"\\u12g4\"]}", "hex digit");
    EXPECT(&f, TEXT, "{\"instances\":[\"a\nb\"]}", "JSON Parse error");
    done(&f);
}

/* ---- refusals ---- */

static void test_refusals_of_format(void)
{
    struct fixture f = {0};
    EXPECT(&f, HPT, "", "JSON Parse error: The document is empty");
    EXPECT(&f, HPT, "  \n", "JSON Parse error: The document is empty");
    EXPECT(&f, HPT, "[1]", "JSON Value: [1] Is not object");
    EXPECT(&f, HPT, "\"abc\"", "\"abc\" Is not object");
    EXPECT(&f, HPT, "17", "17 Is not object");
    EXPECT(&f, HPT, "{", "JSON Parse error");
    EXPECT(&f, HPT, "{\"instances\":[1}", "at offset: 15");
    EXPECT(&f, HPT, "{\"instances\":[1,]}", "JSON Parse error: Invalid value. at offset: 16");
    EXPECT(&f, HPT, "{'instances':[1]}", "at offset: 1");
    EXPECT(&f, HPT, "{\"instances\":1}", "Expecting 'instances' to be an list/array");
    EXPECT(&f, HPT, "{\"instances\":[]}", "No values in 'instances' array");
    EXPECT(&f, HPT, "{}", "Missing 'inputs' or 'instances' key");
    EXPECT(&f, HPT, "{\"instances\":[1],\"inputs\":[1]}", "expecting only one of 'inputs' or 'instances'");
    EXPECT(&f, HPT, "{\"instances\":[\"a\"],\"inputs\":[1]}", "expecting only one of");
    EXPECT(&f, HPT, "{\"signature_name\":7,\"instances\":[1]}", "'signature_name' key must be a string value.");
    EXPECT(&f, HPT, "{\"instances\":[\"a\"],\"signature_name\":[7]}", "'signature_name' key must be");
    EXPECT(&f, HPT, "{\"signature_name\":\"nope\",\"instances\":[1]}",
           "Serving signature name: \"nope\" not found in signature def");
    EXPECT(&f, HPT, "{\"instances\":[\"a\"], 5}", "JSON Parse error: Missing a name");
    done(&f);
}

static void test_refusals_of_values(void)
{
    struct fixture f = {0};
    EXPECT(&f, HPT, "{\"instances\":[\"a\"]}", "JSON Value: \"a\" Type: String is not of expected type: float");
    EXPECT(&f, HPT, "{\"instances\":[true]}", "Type: True");
    EXPECT(&f, HPT, "{\"instances\":[null]}", "Type: Null");
    EXPECT(&f, HPT, "{\"instances\":[{\"b64\":\"AA==\"}]}", "JSON Value: {\"b64\":\"AA==\"} Type: Object");
    EXPECT(&f, HPT, "{\"instances\":[[1],[2,3]]}",
           "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: "
           "Expecting tensor size: 1 but got: 2");
    EXPECT(&f, ROW3, "{\"instances\":[[1,2,3],[[1],[2],[3]]]}", "Expecting shape (3,) but got: (3, 1)");
    EXPECT(&f, HPT, "{\"inputs\":[[1,2],[3]]}",
           "Encountered list at unexpected size: 1 at level: 1 expected size: 2 (at inputs[1])");
    EXPECT(&f, HPT, "{\"inputs\":[[1],[3,4,5]]}", "unexpected size: 3 at level: 1 expected size: 1");
    EXPECT(&f, HPT, "{\"inputs\":[[1,2],[\"a\"]]}", "unexpected size: 1 at level: 1 expected size: 2");
    EXPECT(&f, HPT, "{\"inputs\":[1,[2]]}", "Encountered list at unexpected level: 1 expected < 1");
    EXPECT(&f, HPT, "{\"inputs\":[[1],2]}",
           "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2");
    EXPECT(&f, HPT, "{\"inputs\":[[[[[[[[[1]]]]]]]]]}", "more than 8 levels deep");
    EXPECT(&f, ROW3, "{\"instances\":[[1,2,3],[4,5,6],[7,8,9],[1,\"x\",3]]}", "(at instances[3][1])");
    EXPECT(&f, AB, "{\"instances\":[{\"a\":[1,2]}]}", "keys must be equal to: a,b");
    EXPECT(&f, AB, "{\"instances\":[{}]}", "keys must be equal to: a,b");
    EXPECT(&f, AB, "{\"instances\":[{\"a\":[1,2],\"b\":3,\"c\":0}]}", "does not have named input: c");
    EXPECT(&f, AB, "{\"instances\":[{\"a\":[1,2],\"a\":[1,2],\"b\":3}]}", "names input a twice");
    EXPECT(&f, AB, "{\"instances\":[{\"a\":[1,2],\"b\":3.0}]}",
           "Failed to process element: 0 key: b of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 3.0 Type: "
           "Number is not of expected type: int64 (at instances[0].b)");
    EXPECT(&f, AB, "{\"inputs\":{\"a\":[[1,2]]}}", "Missing named input: b in 'inputs' object.");
    EXPECT(&f, AB, "{\"inputs\":{}}", "Missing named input: a");
    EXPECT(&f, AB, "{\"instances\":[[1,2]]}", "list of objects as multiple input tensors required");
    EXPECT(&f, AB, "{\"inputs\":[[1,2]]}", "expecting an object as multiple input tensors required");
    EXPECT(&f, AB, "{\"inputs\":{\"a\":[[1,2]],\"b\":[1,2]}}", "input 'b' has 2 rows, but input 'a' has 1");
    EXPECT(&f, HPT, "{\"instances\":[{\"x\":1},2]}", "Expecting object but got list at item 1 of input list");
    EXPECT(&f, HPT, "{\"instances\":[1,{\"x\":1}]}", "Expecting value/list but got object at item 1 of input list");
    EXPECT(&f, HPT, "{\"inputs\":[{\"x\":1}]}", "JSON Value: {\"x\":1} Type: Object");
    done(&f);
}

static void test_depth(void)
{
    struct fixture f = {0};
    static char text[100100];
    memset(text, '[', 100000);
    text[100000] = '\0';
    READ(&f, HPT, text);
    CU_ASSERT(f.code != 0 && strstr(f.err.text, "nesting depth") != NULL);
    memcpy(text, "{\"instances\":[1],\"x\":", 21);
    READ(&f, HPT, text);
    CU_ASSERT(f.code != 0 && strstr(f.err.text, "nesting depth") != NULL);
    done(&f);
}

static void test_bounds(void)
{
    struct fixture f = {0};
    static char text[4000000];
    size_t length = (size_t)sprintf(text, "{\"instances\":[[");
    memset(text + length, '1', sizeof(text) - length);
    for (size_t i = length + 1; i < sizeof(text); i += 2)
        text[i] = ',';
    memcpy(text + sizeof(text) - 8, ",1,1]]}", 8);
    read_body(&f, ROW3, 1, text, sizeof(text) - 1, 65536);
    CU_ASSERT(f.code != 0 && strstr(f.err.text, "the model expects (None, 3)") != NULL);
    CU_ASSERT(f.inputs.items[0].fill.capacity < 8192);
    memcpy(text, "{\"inputs\"   :[[", length);
    read_body(&f, ROW3, 1, text, sizeof(text) - 1, 65536);
    CU_ASSERT_EQUAL(f.code, KD_ETOOBIG);
    CU_ASSERT(f.inputs.items[0].fill.capacity <= limits.max_elements * sizeof(float));
    memset(text, 'a', sizeof(text));
    memcpy(text, "{\"instances\":[\"", 15);
    memcpy(text + sizeof(text) - 4, "\"]}", 4);
    read_body(&f, TEXT, 1, text, sizeof(text) - 1, 65536);
    CU_ASSERT_EQUAL(f.code, KD_ETOOBIG);
    read_body(&f, HPT, 1, text, sizeof(text) - 1, 65536);
    CU_ASSERT_EQUAL(f.code, KD_EINVAL);
    CU_ASSERT(strlen(f.err.text) < 700);
    done(&f);
}

static void test_lookup_order(void)
{
    struct fixture f = {0};
    struct err lookup = {KD_ENOTFOUND, "Servable not found"};
    static const struct {
        const char *body, *error;
    } cases[] = {{"{\"instances\":[[\"a\"", "JSON Parse error"},
                 {"[]", "Is not object"},
                 {"{\"signature_name\":1}", "signature_name"},
                 {"{\"instances\":7}", "Servable not found"},
                 {"{\"instances\":[1,{}]}", "Servable not found"}};
    for (size_t i = 0; i < KD_COUNT(cases); i++) {
        CU_ASSERT_EQUAL(inputs_start(&f.inputs, 0, &f.err), 0);
        v1_body_start(&f.body, &f.inputs, 100);
        v1_body_feed(&f.body, cases[i].body, strlen(cases[i].body));
        CU_ASSERT(v1_body_end(&f.body, &lookup, &f.columnar, &f.err) != 0);
        CU_ASSERT(strstr(f.err.text, cases[i].error) != NULL);
    }
    done(&f);
}

static void test_base64(void)
{
    static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
    char out[16];
    size_t length;
    for (size_t i = 0; i < KD_COUNT(pairs); i++) {
        struct buf buf;
        buf_init(&buf, 100);
        base64_encode(&buf, pairs[i][0], strlen(pairs[i][0]));
        CU_ASSERT(buf.length == strlen(pairs[i][1]) && (!buf.length || strcmp(buf.data, pairs[i][1]) == 0));
        CU_ASSERT(base64_decode(pairs[i][1], strlen(pairs[i][1]), out, &length));
        CU_ASSERT(length == strlen(pairs[i][0]) && memcmp(out, pairs[i][0], length) == 0);
        buf_done(&buf);
    }
    CU_ASSERT(base64_decode("Zg", 2, out, &length) && length == 1);
    CU_ASSERT(!base64_decode("Z", 1, out, &length));
    CU_ASSERT(!base64_decode("Zg=a", 4, out, &length));
    CU_ASSERT(!base64_decode("Z===", 4, out, &length));
    CU_ASSERT(!base64_decode("Z-_g", 4, out, &length));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"hard numbers", test_hard_numbers},
        {"halfway cases", test_halfway},
        {"hundreds of digits", test_many_digits},
        {"random numbers", test_random_numbers},
        {"number grammar", test_number_grammar},
        {"literals", test_literals},
        {"integers", test_integers},
        {"formats", test_formats},
        {"adapted ranks", test_adapted_ranks},
        {"strings", test_strings},
        {"refusals of format", test_refusals_of_format},
        {"refusals of values", test_refusals_of_values},
        {"depth", test_depth},
        {"bounds", test_bounds},
        {"lookup order", test_lookup_order},
        {"base64", test_base64},
    };
    return unit_main("json_in", tests, KD_COUNT(tests));
}
