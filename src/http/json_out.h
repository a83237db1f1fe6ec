/* JSON output: numbers and tensors as text, straight into a buffer. */
#ifndef KD_HTTP_JSON_OUT_H
#define KD_HTTP_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

struct buf;

/* Room that one number needs at most. */
#define JSON_OUT_NUMBER_MAX 24

enum json_out_digits {
    JSON_OUT_TFS,     /* as TensorFlow Serving: %.6g if that reads back, else %.9g; ".0" behind whole numbers */
    JSON_OUT_SHORTEST /* the fewest digits that read back to the same float32 */
};

/* Write at `at` and return the end; no NUL. Not finite: NaN, Infinity, -Infinity. */
char *json_out_f32(char *at, float value, enum json_out_digits digits);
char *json_out_i64(char *at, int64_t value);

/* A NUL-terminated text as a JSON string. */
void json_out_string(struct buf *buf, const char *text);

enum json_out_layout {
    JSON_OUT_COMPACT,  /* [1,2] */
    JSON_OUT_ONE_LINE, /* [1, 2] */
    JSON_OUT_INDENTED, /* every bracket and value on its own line */
    JSON_OUT_FLAT      /* no inner brackets: the elements alone, separated by commas */
};

struct json_out_style {
    enum json_out_digits digits;
    enum json_out_layout layout;
    int indent;  /* JSON_OUT_INDENTED: spaces before the tensor's closing bracket */
    bool base64; /* strings as {"b64": "..."} */
};

/* The tensor's rows [first, first + n) along dimension 0; with rank 0, its one value. `rows`: with the brackets of
 * dimension 0, else (n = 1) the row alone. Failures stay in the buffer. */
void json_out_rows(struct buf *buf, const struct tensor *tensor, int64_t first, int64_t n, bool rows,
                   const struct json_out_style *style);
/* The whole tensor. */
void json_out_tensor(struct buf *buf, const struct tensor *tensor, const struct json_out_style *style);

#endif
