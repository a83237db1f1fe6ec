/* str: the small string functions that settings, names and messages need. Numbers are taken only if they fill the
 * whole text: "10x" is not 10. */
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool str_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && memcmp(text + n - m, suffix, m) == 0;
}

bool str_view_equal(struct str_view view, const char *text)
{
    return view.length == strlen(text) && memcmp(view.data, text, view.length) == 0;
}

static bool starts_number(const char *text)
{
    return *text >= '0' && *text <= '9';
}

bool str_to_i64(const char *text, int64_t *ret)
{
    char *end;
    if (!starts_number(*text == '-' ? text + 1 : text))
        return false;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end)
        return false;
    *ret = value;
    return true;
}

static bool leading_u64(const char *text, uint64_t *ret, const char **ret_rest)
{
    char *end;
    if (!starts_number(text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno)
        return false;
    *ret = value;
    *ret_rest = end;
    return true;
}

bool str_to_u64(const char *text, uint64_t *ret)
{
    uint64_t value;
    const char *rest;
    if (!leading_u64(text, &value, &rest) || *rest)
        return false;
    *ret = value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static bool with_unit(const char *text, const struct unit *units, uint64_t max, uint64_t *ret)
{
    uint64_t value, product;
    const char *rest;
    if (!leading_u64(text, &value, &rest))
        return false;
    for (; units->name; units++) {
        if (strcasecmp(rest, units->name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units->factor, &product) || product > max)
            return false;
        *ret = product;
        return true;
    }
    return false;
}

bool str_to_bytes(const char *text, uint64_t *ret)
{
    static const struct unit units[] = {
        {"", 1},          {"b", 1},           {"k", 1024},       {"kb", 1024},       {"kib", 1024},
        {"m", 1u << 20},  {"mb", 1u << 20},   {"mib", 1u << 20}, {"g", 1u << 30},    {"gb", 1u << 30},
        {"gib", 1u << 30}, {"t", 1ull << 40}, {"tb", 1ull << 40}, {"tib", 1ull << 40}, {NULL, 0},
    };
    return with_unit(text, units, UINT64_MAX, ret);
}

bool str_to_ms(const char *text, int64_t *ret)
{
    static const struct unit units[] = {
        {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}, {NULL, 0},
    };
    uint64_t value;
    if (!with_unit(text, units, INT64_MAX / 1000000, &value))
        return false;
    *ret = (int64_t)value;
    return true;
}

/* Length of the UTF-8 sequence at data, 0 if it is not valid (overlong, surrogate, beyond U+10FFFF, cut). */
static size_t sequence_length(const unsigned char *data, size_t length)
{
    unsigned char c = data[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n == 0 || n > length)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((data[i] & 0xc0) != 0x80)
            return 0;
    unsigned char second = data[1];
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) ||
        (c == 0xf4 && second > 0x8f))
        return 0;
    return n;
}

size_t str_utf8_valid(const char *data, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t n = sequence_length((const unsigned char *)data + at, length - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

void str_tidy(char *text)
{
    size_t length = strlen(text), at = 0;
    while (at < length) {
        size_t n = sequence_length((const unsigned char *)text + at, length - at);
        if (n == 0 || (unsigned char)text[at] < 0x20 || text[at] == 0x7f)
            text[at] = '?';
        at += n ? n : 1;
    }
}

uint64_t str_hash(const char *data, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
    return hash;
}
