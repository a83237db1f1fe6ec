/* json_number: decimal text to float32 and int64.
 *
 * The fast path collects up to 18 significant digits in 64 bits, eight digits per step, and scales them with a
 * table of powers of ten in double precision. That double is off by two units in its last place at most, which
 * can matter to the float32 only if it lies next to the middle between two neighbours: then, for more
 * digits, for the smallest and largest magnitudes, the C library decides with the whole text. So every result is
 * the one that strtof gives, and one number in a million or so pays for it.
 *
 * Eight digits per step: XOR with "00000000" turns digits into 0..9 and everything else into something larger;
 * adding 0x76 to each byte then sets the top bit of each byte that is no digit. Shifting the digits to the top
 * of the word puts zeros in front of them, and three multiplications add up the eight. */
#include "http/json_number.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#define FAST_DIGITS 18
#define FAST_EXPONENT 64
/* Up to 18 digits with these exponents are normal numbers of float32, or zero. */
#define SAFE_EXPONENT_MIN (-37)
#define SAFE_EXPONENT_MAX 20

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* ---- whole tokens ---- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && is_digit(*at))
        at++;
    return at;
}

/* Behind ".ddd" and "e+dd"; NULL if one of them has no digits. */
static const char *skip_real_part(const char *at, const char *end)
{
    if (at < end && *at == '.') {
        const char *digits = at + 1;
        at = skip_digits(digits, end);
        if (at == digits)
            return NULL;
    }
    if (at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        const char *digits = at;
        at = skip_digits(digits, end);
        if (at == digits)
            return NULL;
    }
    return at;
}

enum json_number_kind json_number_kind(const char *text, size_t length)
{
    const char *end = text + length;
    const char *digits = text + (length > 0 && *text == '-');
    const char *at = skip_digits(digits, end);
    if (at == digits || (*digits == '0' && at > digits + 1))
        return JSON_NUMBER_BAD;
    if (at == end)
        return JSON_NUMBER_INTEGER;
    return skip_real_part(at, end) == end ? JSON_NUMBER_REAL : JSON_NUMBER_BAD;
}

float json_number_f32(const char *text)
{
    return strtof(text, NULL);
}

bool json_number_i64(const char *text, size_t length, int64_t *ret)
{
    bool negative = *text == '-';
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    for (size_t i = negative; i < length; i++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value) || value > limit)
            return false;
    *ret = (int64_t)(negative ? 0 - value : value);
    return true;
}

/* ---- runs ---- */

/* mantissa * 10^exponent */
struct decimal {
    uint64_t mantissa;
    int exponent;
    bool negative;
    bool integer;
};

static inline uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word ^ 0x3030303030303030u;
}

/* How many of the eight characters are digits before the first that is not. */
static inline unsigned count_digits(uint64_t word)
{
    uint64_t other = (word | (word + 0x7676767676767676u)) & 0x8080808080808080u;
    return other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
}

static inline uint64_t eight_digits(uint64_t word)
{
    word = word * 10 + (word >> 8);
    return (((word & 0x000000ff000000ffu) * 0x000f424000000064u) +
            (((word >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u)) >> 32;
}

static const uint64_t power_u64[9] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

/* Adds the digits at `at` to the mantissa; at most 24 characters, the caller sees by the count if there were more
 * than it can use (the mantissa is then worthless). */
static inline const char *take_digits(const char *at, uint64_t *mantissa)
{
    for (const char *stop = at + 24; at < stop; at += 8) {
        uint64_t word = load8(at);
        unsigned n = count_digits(word);
        if (n == 0)
            return at;
        if (n < 8) {
            *mantissa = *mantissa * power_u64[n] + eight_digits(word << (64 - 8 * n));
            return at + n;
        }
        *mantissa = *mantissa * power_u64[8] + eight_digits(word);
    }
    return at;
}

/* "e-12" with up to four digits; NULL if it is something else. */
static inline const char *take_exponent(const char *at, int *exponent)
{
    bool negative = at[1] == '-';
    at += 1 + (at[1] == '-' || at[1] == '+');
    const char *digits = at;
    int value = 0;
    for (int i = 0; i < 4 && is_digit(*at); i++)
        value = value * 10 + (*at++ - '0');
    if (at == digits || is_digit(*at))
        return NULL;
    *exponent += negative ? -value : value;
    return at;
}

/* ".ddd" after an integer part of n_digits digits (0 if it is zero); NULL: not for the fast path. */
static inline const char *take_fraction(const char *at, ptrdiff_t n_digits, struct decimal *ret)
{
    const char *fraction = ++at;
    uint64_t whole = ret->mantissa;
    at = take_digits(at, &ret->mantissa);
    if (at == fraction)
        return NULL;
    if (n_digits + (at - fraction) > FAST_DIGITS) {
        uint64_t word = load8(fraction);
        if (whole || word == 0)
            return NULL;
        const char *digits = fraction + __builtin_ctzll(word) / 8;
        ret->mantissa = 0;
        at = take_digits(digits, &ret->mantissa);
        if (at - digits > FAST_DIGITS)
            return NULL;
    }
    ret->exponent = (int)(fraction - at);
    ret->integer = false;
    return at;
}

/* Reads the number at `at`; returns the place behind it, or NULL if it is misspelt or not for the fast path. */
static inline __attribute__((always_inline)) const char *take_number(const char *at, struct decimal *ret)
{
    ret->negative = *at == '-';
    at += ret->negative;
    const char *digits = at;
    ret->exponent = 0;
    ret->integer = true;
    ret->mantissa = 0;
    if (at[1] == '.' && is_digit(*at)) {
        ret->mantissa = (uint64_t)(*at - '0');
        at = take_fraction(at + 1, ret->mantissa != 0, ret);
        if (!at)
            return NULL;
    } else {
        at = take_digits(at, &ret->mantissa);
        ptrdiff_t n_digits = at - digits;
        if (n_digits == 0 || n_digits > FAST_DIGITS || (n_digits > 1 && *digits == '0'))
            return NULL;
        if (*at == '.' && !(at = take_fraction(at, n_digits, ret)))
            return NULL;
    }
    if ((*at | 0x20) == 'e') {
        ret->integer = false;
        at = take_exponent(at, &ret->exponent);
    }
    return at;
}

/* 10^-64 to 10^64 */
static const double power_f64[2 * FAST_EXPONENT + 1] = {
    1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52, 1e-51, 1e-50,
    1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39, 1e-38, 1e-37, 1e-36, 1e-35,
    1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26, 1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20,
    1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9,  1e-8,  1e-7,  1e-6,  1e-5,
    1e-4,  1e-3,  1e-2,  1e-1,  1e0,   1e1,   1e2,   1e3,   1e4,   1e5,   1e6,   1e7,   1e8,   1e9,   1e10,
    1e11,  1e12,  1e13,  1e14,  1e15,  1e16,  1e17,  1e18,  1e19,  1e20,  1e21,  1e22,  1e23,  1e24,  1e25,
    1e26,  1e27,  1e28,  1e29,  1e30,  1e31,  1e32,  1e33,  1e34,  1e35,  1e36,  1e37,  1e38,  1e39,  1e40,
    1e41,  1e42,  1e43,  1e44,  1e45,  1e46,  1e47,  1e48,  1e49,  1e50,  1e51,  1e52,  1e53,  1e54,  1e55,
    1e56,  1e57,  1e58,  1e59,  1e60,  1e61,  1e62,  1e63,  1e64};

/* True if the float32 is certain. The double's low 29 bits are what float32 has no room for; near their middle
 * lies the border between two results. */
static inline bool to_f32(const struct decimal *decimal, float *ret)
{
    if ((unsigned)(decimal->exponent + FAST_EXPONENT) > 2 * FAST_EXPONENT)
        return false;
    double value = (double)(int64_t)decimal->mantissa * power_f64[decimal->exponent + FAST_EXPONENT];
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint32_t low = (uint32_t)bits & 0x1fffffffu;
    if (low - (0x10000000u - 8) <= 16)
        return false;
    bool maybe_extreme = decimal->exponent < SAFE_EXPONENT_MIN || decimal->exponent > SAFE_EXPONENT_MAX;
    if (maybe_extreme && (value > (double)FLT_MAX || (value < (double)FLT_MIN && decimal->mantissa)))
        return false;
    *ret = (float)(decimal->negative ? -value : value);
    return true;
}

bool json_number_scale(uint64_t mantissa, int exponent, float *ret)
{
    return to_f32(&(struct decimal){.mantissa = mantissa, .exponent = exponent}, ret);
}

double json_number_power(int exponent)
{
    return power_f64[exponent + FAST_EXPONENT];
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* After a number: takes a comma if there is one. False if something else than the end of the list follows. The
 * margin covers the number and a few bytes more. */
static inline bool take_separator(const char **at, const char *end, bool *ret_comma)
{
    const char *next = *at;
    if (*next != ',' && *next != ']') {
        next = skip_space(next, end);
        if (next >= end || (*next != ',' && *next != ']'))
            return false;
    }
    *ret_comma = *next == ',';
    if (*ret_comma) {
        next++;
        if (next < end && *next == ' ')
            next++;
        if (next < end && (unsigned char)*next <= ' ')
            next = skip_space(next, end);
    }
    *at = next;
    return true;
}

const char *json_numbers_f32(const char *at, const char *end, float *out, size_t room, size_t *ret_n,
                             bool *ret_comma)
{
    size_t n = 0;
    bool comma = true;
    *ret_comma = false;
    while (comma && n < room && end - at >= JSON_NUMBER_MARGIN) {
        struct decimal decimal;
        const char *next = take_number(at, &decimal), *number = at;
        if (!next || !take_separator(&next, end, &comma))
            break;
        if (!to_f32(&decimal, &out[n]))
            out[n] = json_number_f32(number);
        n++;
        *ret_comma = comma;
        at = next;
    }
    *ret_n = n;
    return at;
}

const char *json_numbers_i64(const char *at, const char *end, int64_t min, int64_t max, int64_t *out,
                             size_t room, size_t *ret_n, bool *ret_comma)
{
    size_t n = 0;
    bool comma = true;
    *ret_comma = false;
    while (comma && n < room && end - at >= JSON_NUMBER_MARGIN) {
        struct decimal decimal;
        const char *next = take_number(at, &decimal);
        if (!next || !decimal.integer || !take_separator(&next, end, &comma))
            break;
        int64_t value = decimal.negative ? -(int64_t)decimal.mantissa : (int64_t)decimal.mantissa;
        if (value < min || value > max)
            break;
        out[n++] = value;
        *ret_comma = comma;
        at = next;
    }
    *ret_n = n;
    return at;
}
