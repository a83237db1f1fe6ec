/* V2 body: the request body of an Open Inference Protocol infer request, JSON with or without the binary tensor
 * extension, read as it arrives straight into the model's input tensors. */
#ifndef KD_HTTP_V2_BODY_H
#define KD_HTTP_V2_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/inputs.h"
#include "http/json_scan.h"

#define V2_NO_HEADER UINT64_MAX /* no Inference-Header-Content-Length */
#define V2_MAX_CLASSES 1000000

/* One entry of "inputs" while it is read. */
struct v2_entry {
    char name[JSON_KEY_MAX + 1];
    struct shape shape;
    enum dtype datatype;
    bool has_name, has_shape, has_datatype, has_data, has_binary, has_shared;
    bool late; /* data came before the rest and lies in v2_body.late */
    uint64_t binary_bytes;
};

/* What the client wants of one output of the model. */
struct v2_output {
    bool wanted, binary;
    int64_t classes; /* classification: the best K; 0: the tensor itself */
};

struct v2_options {
    bool found; /* the model; else only grammar is checked */
    const struct keras_signature_tensor *outputs;
    size_t n_outputs;
    const char *model_name;
    struct inputs *inputs; /* bound */
    int max_depth;
    bool strict_datatype;   /* refuse datatypes that could be converted */
    uint64_t header_length; /* of the JSON part; V2_NO_HEADER; 0: a raw binary request */
};

struct v2_body {
    struct v2_options options;
    struct json_scan scan, late_scan;
    struct json_scan *active; /* the one that tells now */

    int state, context, kind; /* enums of v2_body.c */
    int data_depth;
    struct v2_entry entry;
    int64_t n_entries;
    int input;                /* of the model, for the present entry; -1: none */
    struct v2_output pending; /* an entry of "outputs" while it is read */
    bool has_output_name;
    int pending_output; /* of the model; -1: it has none of this name */
    size_t word_length;
    char word[JSON_KEY_MAX + 1]; /* a short string value while it is read */
    char key[64];                /* the parameter or member whose value is read, for errors */
    struct buf late;
    struct buf names; /* of the inputs given, for an error */

    bool has_inputs, has_unknown;
    char unknown[JSON_KEY_MAX + 1]; /* an input that the model does not have */

    /* The request. */
    bool has_id, binary_data_output;
    char id[JSON_KEY_MAX + 1];
    uint64_t priority, timeout_us; /* 0: not given */
    bool lists_outputs;
    size_t outputs_capacity;
    struct v2_output *outputs; /* per output of the model */

    /* The binary part. */
    uint64_t received;
    int first_binary, last_binary, binary; /* chain of inputs (input.next_binary); the one that is being read */

    struct err problem; /* the first; code 0: none */
};

/* KD_ENOMEM. */
int v2_body_start(struct v2_body *body, const struct v2_options *options, struct err *err);
void v2_body_feed(struct v2_body *body, const char *data, size_t length);
/* The body is complete. lookup: NULL, or the error of finding the model. 0: the inputs' data and shapes are set. */
int v2_body_end(struct v2_body *body, const struct err *lookup, struct err *err);
/* Frees memory that is kept between uses. A zero-filled body is ready for v2_body_start. */
void v2_body_done(struct v2_body *body);
size_t v2_body_memory(const struct v2_body *body);
/* Keeps the first problem. */
void v2_body_problem(struct v2_body *body, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* "[-1,2]" */
char *v2_shape_text(const struct shape *shape, char *text, size_t size);

/* v2_entry.c: one entry of "inputs" against the model. */
/* Finds the input and checks datatype and shape; false: leave its data out. */
bool v2_entry_accept(struct v2_body *body);
/* Its data (JSON) is complete. */
void v2_entry_check_data(struct v2_body *body);
/* The entry is complete. */
void v2_entry_end(struct v2_body *body);

/* v2_binary.c: the bytes behind the JSON part, input by input. */
void v2_binary_begin(struct v2_body *body);
void v2_binary_feed(struct v2_body *body, const char *data, size_t length);
void v2_binary_end(struct v2_body *body);

#endif
