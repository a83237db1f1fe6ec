/* V1 body: the request body of :predict in TensorFlow Serving's REST API, row ("instances") or columnar
 * ("inputs"), or of :classify and :regress ("examples"), read as it arrives straight into the model's input tensors. */
#ifndef KD_HTTP_V1_BODY_H
#define KD_HTTP_V1_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/inputs.h"
#include "http/json_scan.h"

struct err;

#define V1_SIGNATURE_MAX 128

/* The order in which TensorFlow Serving looks at a body; the problem of the earliest check is reported. */
enum v1_check {
    V1_CHECK_TOP = 1,   /* not an object */
    V1_CHECK_SIGNATURE, /* signature_name is not a string */
    V1_CHECK_LOOKUP,    /* model and signature (the caller's) */
    V1_CHECK_FORMAT,    /* neither, both, not a list, empty */
    V1_CHECK_VALUES,    /* conversion to tensors */
    V1_CHECK_NONE
};

enum v1_problem {
    V1_OK,
    V1_TOP_TYPE,
    V1_SIGNATURE_TYPE,
    V1_NOT_LIST,
    V1_FILL,          /* the fill of `input` knows */
    V1_ROW_SIZE,      /* a row of another size than row 0 */
    V1_ROW_SHAPE,
    V1_ROW_NOT_OBJECT,
    V1_ROW_OBJECT,
    V1_NEEDS_OBJECTS, /* plain rows for several inputs */
    V1_NEEDS_OBJECT,  /* a plain "inputs" for several inputs */
    V1_UNKNOWN_INPUT, /* problem_key is none */
    V1_TWICE,         /* an input is named twice in a row */
    V1_MISSING_KEYS,  /* a row without some input */
    V1_MISSING_INPUT, /* a map without problem_input */
    V1_BASE64_OBJECT,
    V1_EXAMPLE_TYPE,  /* an example that is no object */
    V1_EXAMPLE_SIZE,  /* a feature with another number of values than the input has */
    V1_CONTEXT        /* features for all examples */
};

struct v1_body {
    struct json_scan scan;
    struct inputs *inputs;

    int state;           /* enum state in v1_body.c */
    int object_from;     /* the state in which an object of unknown kind began */
    int object_depth;
    int after_fill;      /* the state to go back to when the value is whole */
    int fill_depth;      /* where the value lives */
    int input;           /* being filled */
    bool has_instances, has_inputs, has_signature;
    bool examples; /* set after v1_body_start: the body of :classify and :regress */
    bool columnar;
    bool rows_are_objects;
    int64_t row;         /* the present one; after the list: their number */

    enum v1_check check; /* of the problem */
    enum v1_problem problem;
    int64_t problem_row;
    int problem_input;
    struct shape problem_shape;
    enum json_type problem_type;
    char problem_key[64];
    size_t signature_length;
    char signature[V1_SIGNATURE_MAX];
};

/* inputs: started and bound (per row), or with n = 0 if no model was found: then only grammar is checked. */
void v1_body_start(struct v1_body *body, struct inputs *inputs, int max_depth);
void v1_body_feed(struct v1_body *body, const char *data, size_t length);
/* The body is complete. lookup: NULL, or the error of finding the model, reported if nothing before it is wrong.
 * 0: the inputs' data and shapes are set (inputs_fit comes next); *ret_columnar says how to answer. */
int v1_body_end(struct v1_body *body, const struct err *lookup, bool *ret_columnar, struct err *err);

/* v1_problem.c: the sentence for body->problem; returns KD_EINVAL, or KD_EUNSUPPORTED, KD_ETOOBIG, KD_ENOMEM. */
int v1_problem_text(const struct v1_body *body, struct err *err);

#endif
