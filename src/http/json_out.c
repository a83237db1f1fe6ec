/* json_out: tensors to JSON text.
 *
 * A float32 is scaled to nine digits in double precision. The double is off by a few units of 1e-16, so the nine
 * digits are certain unless the tenth decides a tie; then, and for numbers below the normal range, printf
 * does the work. Six digits can read back only if the last three of the nine are within 64 of 000 (half a float32
 * step is less than 60 of their units), which settles most numbers without trying. */
#include "http/json_out.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/base64.h"
#include "http/json_number.h"

static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243"
                            "4445464748495051525354555657585960616263646566676869707172737475767778798081828384858687"
                            "888990919293949596979899";

/* ---- integers ---- */

char *json_out_i64(char *at, int64_t value)
{
    char text[20], *end = text + sizeof(text), *digit = end;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    while (rest >= 100) {
        digit -= 2;
        memcpy(digit, &pairs[rest % 100 * 2], 2);
        rest /= 100;
    }
    if (rest >= 10) {
        digit -= 2;
        memcpy(digit, &pairs[rest * 2], 2);
    } else {
        *--digit = (char)('0' + rest);
    }
    if (value < 0)
        *at++ = '-';
    memcpy(at, digit, (size_t)(end - digit));
    return at + (end - digit);
}

/* ---- floats ---- */

/* value = d.ddd * 10^exponent with `n` digits, which are a number of n decimal digits. */
struct digits {
    uint32_t number;
    int n;
    int exponent;
};

/* Copies with a fixed size are cheaper than with a variable one; what lies behind is overwritten or beyond the end. */
static char *put_run(char *at, const char *digits, int n)
{
    memcpy(at, digits, 12);
    return at + n;
}

static char *put_exponent(char *at, int exponent)
{
    *at++ = 'e';
    *at++ = exponent < 0 ? '-' : '+';
    memcpy(at, &pairs[abs(exponent) * 2], 2);
    return at + 2;
}

static const uint32_t power_u32[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Nine digits, with leading zeros. */
static void put_nine(char *at, uint32_t number)
{
    uint32_t high = number / 10000, low = number % 10000;
    at[0] = (char)('0' + high / 10000);
    high %= 10000;
    memcpy(at + 1, &pairs[high / 100 * 2], 2);
    memcpy(at + 3, &pairs[high % 100 * 2], 2);
    memcpy(at + 5, &pairs[low / 100 * 2], 2);
    memcpy(at + 7, &pairs[low % 100 * 2], 2);
}

/* %g: fixed notation for exponents from -4 up to precision - 1. */
static char *put_digits(char *at, struct digits digits, int precision)
{
    char text[24];
    memset(text, '0', sizeof(text));
    put_nine(text, digits.number * power_u32[9 - digits.n]);
    int n = digits.n, exponent = digits.exponent;
    while (n > 1 && text[n - 1] == '0')
        n--;
    if (exponent < -4 || exponent >= precision) {
        *at++ = text[0];
        if (n > 1) {
            *at++ = '.';
            at = put_run(at, text + 1, n - 1);
        }
        return put_exponent(at, exponent);
    }
    if (exponent < 0) {
        memcpy(at, "0.000000", 8);
        return put_run(at + 1 - exponent, text, n);
    }
    at = put_run(at, text, exponent + 1);
    *at++ = '.';
    return put_run(at, text + exponent + 1, n > exponent + 1 ? n - exponent - 1 : 1);
}

/* With printf: for the few numbers that double precision cannot settle. */
static char *put_slowly(char *at, float value)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "%.6g", (double)value);
    if (strtof(text, NULL) != value)
        n = snprintf(text, sizeof(text), "%.9g", (double)value);
    memcpy(at, text, (size_t)n);
    at += n;
    if (!strpbrk(text, ".e")) {
        memcpy(at, ".0", 2);
        at += 2;
    }
    return at;
}

/* The nine digits of a positive normal number; false if the tenth is too close to a tie to round for certain.
 * *ret_scaled: the number in their units. */
static bool nine_digits(float value, struct digits *ret, double *ret_scaled)
{
    double x = (double)value;
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    int exponent = (((int)(bits >> 23) - 127) * 1233) >> 12;
    double scaled = x * json_number_power(8 - exponent);
    if (scaled >= 1e9) {
        exponent++;
        scaled = x * json_number_power(8 - exponent);
    }
    uint32_t number = (uint32_t)scaled;
    double rest = scaled - (double)number;
    number += rest > 0.5;
    if (number == 1000000000) {
        number = 100000000;
        scaled /= 10;
        exponent++;
    }
    *ret = (struct digits){number, 9, exponent};
    *ret_scaled = scaled;
    return fabs(rest - 0.5) > 1e-5;
}

/* Six digits of nine, if they read back: 1 yes, 0 no, -1 too close to tell. */
static int six_digits(float value, const struct digits *nine, struct digits *ret)
{
    uint32_t rest = nine->number % 1000;
    if (rest > 64 && rest < 936)
        return 0;
    *ret = (struct digits){nine->number / 1000 + (rest > 500), 6, nine->exponent};
    if (ret->number == 1000000)
        *ret = (struct digits){100000, 6, nine->exponent + 1};
    float back;
    if (!json_number_scale(ret->number, ret->exponent - 5, &back))
        return -1;
    return back == value;
}

/* True if number * 10^exponent is read as the value. */
static bool reads_back(float value, uint32_t number, int exponent)
{
    char text[32];
    snprintf(text, sizeof(text), "%ue%d", (unsigned)number, exponent);
    return strtof(text, NULL) == value;
}

/* Drops digits as long as the number stays nearer to the value than half a step of float32. */
static struct digits shortest_digits(float value, struct digits nine, double scaled)
{
    uint32_t bits, low_bits;
    memcpy(&bits, &value, sizeof(bits));
    bool power_of_two = (bits & 0x7fffff) == 0;
    low_bits = bits - 1;
    float low;
    memcpy(&low, &low_bits, sizeof(low));
    double step = (double)value - (double)low, unit = scaled / (double)value;
    double below = step * unit / 2, above = power_of_two ? below * 2 : below;
    struct digits best = nine;
    for (uint32_t power = 10; power <= 100000000; power *= 10) {
        uint32_t number = (uint32_t)(scaled / power + 0.5);
        double distance = (double)number * power - scaled, room = distance > 0 ? above : below;
        bool fits = fabs(distance) < room;
        if (fabs(fabs(distance) - room) < 1e-5)
            fits = reads_back(value, number, nine.exponent - best.n + 2);
        if (!fits)
            break;
        best.number = number;
        best.n--;
    }
    if (best.number >= (uint32_t)json_number_power(best.n)) {
        best.number /= 10;
        best.exponent++;
    }
    return best;
}

static char *put_special(char *at, float value)
{
    if (isnan(value)) {
        memcpy(at, "NaN", 3);
        return at + 3;
    }
    if (value == 0) {
        memcpy(at, "0.0", 3);
        return at + 3;
    }
    memcpy(at, "Infinity", 8);
    return at + 8;
}

char *json_out_f32(char *at, float value, enum json_out_digits digits)
{
    struct digits nine, six;
    double scaled;
    if (signbit(value) && !isnan(value)) {
        *at++ = '-';
        value = -value;
    }
    if (!isfinite(value) || value == 0)
        return put_special(at, value);
    if (value < FLT_MIN)
        return put_slowly(at, value);
    bool certain = nine_digits(value, &nine, &scaled);
    if (digits == JSON_OUT_SHORTEST)
        return put_digits(at, shortest_digits(value, nine, scaled), 9);
    if (!certain)
        return put_slowly(at, value);
    int short_enough = six_digits(value, &nine, &six);
    if (short_enough < 0)
        return put_slowly(at, value);
    return short_enough ? put_digits(at, six, 6) : put_digits(at, nine, 9);
}

/* ---- texts and tensors ---- */

void json_out_string(struct buf *buf, const char *text)
{
    buf_json_string(buf, text, strlen(text));
}

static void put_string(struct buf *buf, const struct str_view *text, bool base64)
{
    if (!base64) {
        buf_json_string(buf, text->data, text->length);
        return;
    }
    buf_puts(buf, "{\"b64\":\"");
    base64_encode(buf, text->data, text->length);
    buf_puts(buf, "\"}");
}

static char *put_bool(char *at, bool value)
{
    memcpy(at, value ? "true" : "false", 5);
    return at + (value ? 4 : 5);
}

/* What stands before an element or bracket at `depth`: a comma if it is not the first, a space or a new line. */
static char *put_separator(char *at, bool comma, const struct json_out_style *style, int depth)
{
    if (comma)
        *at++ = ',';
    if (comma && style->layout == JSON_OUT_ONE_LINE)
        *at++ = ' ';
    if (style->layout != JSON_OUT_INDENTED)
        return at;
    int indent = style->indent + 4 * depth;
    *at++ = '\n';
    memset(at, ' ', (size_t)indent);
    return at + indent;
}

/* n elements that start at element `from`, the innermost dimension of one list. */
static void put_elements(struct buf *buf, const struct tensor *tensor, int64_t from, int64_t n,
                         const struct json_out_style *style, int depth)
{
    enum storage storage = dtype_storage(tensor->dtype);
    size_t room = JSON_OUT_NUMBER_MAX + 4 + (size_t)(style->indent + 4 * depth);
    for (int64_t i = from; i < from + n; i++) {
        char *start = buf_reserve(buf, room), *at = start;
        if (!at)
            return;
        if (depth > 0 || i > from)
            at = put_separator(at, i > from, style, depth);
        if (storage == STORAGE_F32)
            at = json_out_f32(at, tensor_f32(tensor)[i], style->digits);
        else if (tensor->dtype == DTYPE_BOOL)
            at = put_bool(at, tensor_i64(tensor)[i] != 0);
        else if (storage == STORAGE_I64)
            at = json_out_i64(at, tensor_i64(tensor)[i]);
        buf_commit(buf, (size_t)(at - start));
        if (storage == STORAGE_STR)
            put_string(buf, (const struct str_view *)tensor->data + i, style->base64);
    }
}

static void put_bracket(struct buf *buf, char bracket, bool comma, bool line, const struct json_out_style *style,
                        int depth)
{
    char text[256], *at = text;
    if (comma || line)
        at = put_separator(at, comma, style, depth);
    *at++ = bracket;
    buf_append(buf, text, (size_t)(at - text));
}

/* Lists nested `rank` deep over dims, row-major from element `from`. span[l]: innermost lists in a list of level l; a
 * list of level l opens where the count of innermost lists is a multiple of it. */
static void put_nested(struct buf *buf, const struct tensor *tensor, const int64_t *dims, int rank, int64_t from,
                       const struct json_out_style *style)
{
    for (int l = 0; l < rank; l++)
        if (dims[l] == 0)
            rank = l + 1;
    int64_t span[SHAPE_MAX_RANK], inner = dims[rank - 1];
    span[rank - 1] = 1;
    for (int l = rank - 2; l >= 0; l--)
        span[l] = span[l + 1] * dims[l];
    for (int64_t i = 0; i < span[0] && !buf->failed; i++) {
        int first = 0;
        while (i % span[first] != 0)
            first++;
        for (int l = first; l < rank; l++)
            put_bracket(buf, '[', l == first && i > 0, l > 0, style, l);
        put_elements(buf, tensor, from + i * inner, inner, style, rank);
        for (int l = rank - 1; l >= 0 && (i + 1) % span[l] == 0; l--)
            put_bracket(buf, ']', false, dims[l] > 0, style, l);
    }
}

void json_out_rows(struct buf *buf, const struct tensor *tensor, int64_t first, int64_t n, bool rows,
                   const struct json_out_style *style)
{
    int rank = tensor->shape.rank;
    int64_t dims[SHAPE_MAX_RANK] = {0}, row = shape_product(&tensor->shape, rank ? 1 : 0, rank);
    if (style->layout == JSON_OUT_FLAT || rank == 0 || (rank == 1 && !rows)) {
        put_elements(buf, tensor, first * row, n * row, style, 0);
        return;
    }
    memcpy(dims, tensor->shape.dim, sizeof(dims[0]) * (size_t)rank);
    dims[0] = n;
    int skip = rows ? 0 : 1;
    put_nested(buf, tensor, dims + skip, rank - skip, first * row, style);
}

void json_out_tensor(struct buf *buf, const struct tensor *tensor, const struct json_out_style *style)
{
    int64_t n = tensor->shape.rank ? tensor->shape.dim[0] : 1;
    json_out_rows(buf, tensor, 0, n, true, style);
}
