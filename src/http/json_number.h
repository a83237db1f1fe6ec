/* Numbers of JSON texts: exact, and fast where they come in runs. */
#ifndef KD_HTTP_JSON_NUMBER_H
#define KD_HTTP_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest number that is taken, in bytes. */
#define JSON_NUMBER_MAX 4096
/* The run readers look at up to this many bytes behind a number's first: readable memory, but not
 * necessarily input, must follow. */
#define JSON_NUMBER_MARGIN 96

enum json_number_kind {
    JSON_NUMBER_BAD, /* not -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
    JSON_NUMBER_INTEGER,
    JSON_NUMBER_REAL
};
enum json_number_kind json_number_kind(const char *text, size_t length);

/* The float32 that is nearest to the number (ties to even), as strtof gives it: too large is infinite. The text
 * has passed json_number_kind and a byte that cannot continue it follows. */
float json_number_f32(const char *text);
/* False if the integer does not fit. The text is a JSON_NUMBER_INTEGER. */
bool json_number_i64(const char *text, size_t length, int64_t *ret);

/* mantissa * 10^exponent as float32; false if it is too close to the middle of two float32 (or too small or large) to
 * be told with double precision. mantissa < 10^18. */
bool json_number_scale(uint64_t mantissa, int exponent, float *ret);
/* 10^exponent, correctly rounded; -64 <= exponent <= 64. */
double json_number_power(int exponent);

/* Reads a run "1.5, 2, -3e4," of at most `room` numbers, the first at `at`, into out. Stops at the first thing that
 * is not plain: a number that is cut, misspelt or (i64) not an integer within [min, max], the end of the room,
 * less than JSON_NUMBER_MARGIN bytes before `end`, whatever follows the run.
 * Returns where it stopped: behind the comma of the last number if *ret_comma, else behind the last number.
 * *ret_n is the count of numbers read; if 0, the return value is `at`. */
const char *json_numbers_f32(const char *at, const char *end, float *out, size_t room, size_t *ret_n,
                             bool *ret_comma);
const char *json_numbers_i64(const char *at, const char *end, int64_t min, int64_t max, int64_t *out,
                             size_t room, size_t *ret_n, bool *ret_comma);

#endif
