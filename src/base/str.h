/* Strings: slices, exact number parsing for settings, small helpers. */
#ifndef KD_BASE_STR_H
#define KD_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A borrowed run of bytes; not NUL-terminated. */
struct str_view {
    const char *data;
    size_t length;
};

bool str_equal(const char *a, const char *b); /* NULL equals only NULL */
bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);
bool str_view_equal(struct str_view view, const char *text);
/* Decimal integer that fills the whole text; false if not. */
bool str_to_i64(const char *text, int64_t *ret);
bool str_to_u64(const char *text, uint64_t *ret);
/* "10", "64k", "8M", "1G" -> bytes. */
bool str_to_bytes(const char *text, uint64_t *ret);
/* "250", "250ms", "10s", "5m" -> milliseconds. */
bool str_to_ms(const char *text, int64_t *ret);
/* Length of the valid UTF-8 prefix. */
size_t str_utf8_valid(const char *data, size_t length);
/* Makes a text one line of valid UTF-8, in place: what is not, and each control character, becomes '?'. */
void str_tidy(char *text);
/* FNV-1a. */
uint64_t str_hash(const char *data, size_t length);

#endif
