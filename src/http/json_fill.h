/* Fill: JSON values into one typed tensor, without a document in between.
 *
 * A "value" is one row ([B] is added later) or a whole tensor. Its shape is that of the first element at each
 * level; whatever departs from it is a problem. The first problem (by position in the text) is kept, filling goes on
 * counting but stores no more. */
#ifndef KD_HTTP_JSON_FILL_H
#define KD_HTTP_JSON_FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/json_scan.h"
#include "tensor/tensor.h"

enum json_fill_kind {
    JSON_FILL_OK,
    JSON_FILL_TYPE,       /* wrong JSON type */
    JSON_FILL_RANGE,      /* an integer that the type cannot hold */
    JSON_FILL_LIST_LEVEL, /* a list where a value belongs */
    JSON_FILL_LEAF_LEVEL, /* a value where a list belongs */
    JSON_FILL_SIZE,       /* a list of another size than its sisters */
    JSON_FILL_RANK,       /* more than SHAPE_MAX_RANK levels */
    JSON_FILL_BASE64,     /* cannot be decoded */
    JSON_FILL_TOO_BIG,    /* more than max_elements or max_text */
    JSON_FILL_NO_MEMORY
};

enum json_type { JSON_TYPE_NULL, JSON_TYPE_FALSE, JSON_TYPE_TRUE, JSON_TYPE_OBJECT, JSON_TYPE_ARRAY, JSON_TYPE_STRING,
                 JSON_TYPE_NUMBER };
/* "Null", "False", ... */
const char *json_type_name(enum json_type type);
enum json_type json_literal_type(enum json_literal literal);

struct json_fill_problem {
    enum json_fill_kind kind;
    enum json_type type;
    uint64_t offset; /* of the value or list, in the document */
    int level;
    int64_t got, want;
    int n_place; /* indices that lead to it */
    int64_t place[SHAPE_MAX_RANK];
};

struct json_fill {
    /* Set by the owner before json_fill_start. */
    enum dtype dtype;     /* what the values claim to be; decides the JSON type and the range */
    enum dtype target;    /* what the tensor is; its storage decides how they are kept */
    bool flat;            /* lists mean nothing, values are counted */
    size_t value_max;     /* elements of one value that are stored; more are counted */
    size_t max_elements;  /* in all */
    size_t max_text;      /* bytes of all strings */

    /* Memory, kept between uses. */
    void *data;      /* storage form, 64-byte aligned */
    size_t capacity; /* bytes */
    struct buf text;

    /* Progress. */
    int64_t min, max;
    size_t n;           /* stored elements */
    size_t value_count; /* elements of the present value, stored or not */
    int rank;           /* of the present value, -1: not known yet */
    int level;          /* open lists */
    int64_t dim[SHAPE_MAX_RANK];
    int64_t count[SHAPE_MAX_RANK + 1]; /* elements so far in the open list of each level */
    uint64_t start[SHAPE_MAX_RANK + 1];
    size_t text_start;
    struct json_fill_problem problem;
};

/* A zero-filled fill is ready for json_fill_start; done frees its memory. */
void json_fill_done(struct json_fill *fill);
/* Forgets an earlier tensor. */
void json_fill_start(struct json_fill *fill);
/* A value begins. */
void json_fill_value(struct json_fill *fill);
/* Its shape, when it ended. */
struct shape json_fill_shape(const struct json_fill *fill);
/* All values ended: strings get their addresses, half floats their precision. */
void json_fill_finish(struct json_fill *fill);

/* Events of the present value. False from open: the scanner should skip the list's rest. */
bool json_fill_open(struct json_fill *fill, struct json_scan *scan);
void json_fill_close(struct json_fill *fill);
void json_fill_number(struct json_fill *fill, struct json_scan *scan, const char *text, size_t length,
                      enum json_number_kind kind);
void json_fill_literal(struct json_fill *fill, struct json_scan *scan, enum json_literal literal);
void json_fill_text(struct json_fill *fill, struct json_scan *scan, const char *text, size_t length, bool last);
/* An object that is no base64 string. The caller has called json_scan_echo at its bracket. */
void json_fill_object(struct json_fill *fill, struct json_scan *scan);
/* The string gathered by json_fill_text's parts is base64; instead of its last part. */
void json_fill_base64(struct json_fill *fill, struct json_scan *scan);
const char *json_fill_numbers(struct json_fill *fill, const char *at, const char *end, bool *ret_comma);

/* Room for `elements` in storage form; KD_ETOOBIG or KD_ENOMEM. Content up to n is kept. */
int json_fill_reserve(struct json_fill *fill, size_t elements);

#endif
