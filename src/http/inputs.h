/* Inputs: the tensors of one request on their way in, for every protocol. The object lives in a pooled request
 * and keeps its memory. */
#ifndef KD_HTTP_INPUTS_H
#define KD_HTTP_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/json_fill.h"
#include "keras/keras.h"

struct err;

struct input {
    const struct keras_signature_tensor *want; /* borrowed from the model */
    struct json_fill fill;
    struct shape shape; /* as sent */
    bool given;
    int64_t row; /* the last row that named it (row format) */
    /* V2 binary: announced size, what has come of it, the datatype on the wire, the next one in the body. */
    uint64_t binary_bytes, binary_done;
    enum dtype wire;
    int next_binary;
    size_t n_carry;
    unsigned char carry[8]; /* the beginning of a cut element */
    uint32_t text_left;     /* bytes that the present string still needs */
};

struct inputs_limits {
    size_t max_elements; /* of one tensor */
    size_t max_text;     /* bytes of one tensor's strings */
};

struct inputs {
    size_t n, capacity;
    struct input *items;
    struct tensor *tensors; /* n, filled by inputs_fit */
};

/* A zero-filled object is empty. Frees all memory. */
void inputs_done(struct inputs *inputs);
/* Bytes of memory kept. */
size_t inputs_memory(const struct inputs *inputs);
/* n inputs, to be bound one by one. KD_ENOMEM. */
int inputs_start(struct inputs *inputs, size_t n, struct err *err);
/* Binds input i; its fill takes values of the model's own dtype, and stores at most one row's worth per value. */
void inputs_bind(struct inputs *inputs, size_t i, const struct keras_signature_tensor *want,
                 const struct inputs_limits *limits);
/* -1 if there is none of this name. */
int inputs_find(const struct inputs *inputs, const char *name, size_t length);
/* The shape that the model takes for `shape` as sent, by the rules by which Keras adapts ranks: a last axis of 1 may
 * be missing or be one too many. False if it does not fit. */
bool inputs_adapt(const struct shape *shape, const struct shape *want, struct shape *ret);
/* Checks every shape against the signature and makes the tensors. *ret_rows: dimension 0 of all that have one.
 * KD_EINVAL names input, received and expected shape. */
int inputs_fit(struct inputs *inputs, int64_t *ret_rows, struct err *err);

#endif
