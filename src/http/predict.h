/* Predict: what every inference protocol does between its decoder and its encoder: find the model, bind the inputs,
 * run or queue the job, record. */
#ifndef KD_HTTP_PREDICT_H
#define KD_HTTP_PREDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "http/inputs.h"
#include "http/v1_body.h"
#include "http/v2_body.h"
#include "registry/registry.h"
#include "sched/job.h"

struct request;

/* Part of a request, because its memory stays. */
struct predict {
    const char *protocol;             /* "v1", "v2"; NULL: this request is no predict */
    struct registry_version *version; /* a reference, or NULL */
    struct err lookup;                /* why there is none, in the registry's words */
    enum registry_miss miss;
    enum registry_outcome outcome;
    struct inputs inputs;
    struct sched_job job;
    void (*encode)(struct request *request);
    int64_t rows;
    bool columnar;
    int64_t decode_ns, encode_ns;
    struct v1_body v1;
    struct v2_body v2;
};

/* Looks for the model of the path; sets version, or lookup and miss. */
void predict_begin(struct request *request, const char *protocol);
/* Starts and binds the inputs of the model that was found; with none, leaves them empty. KD_ENOMEM. */
int predict_bind(struct request *request, struct err *err);
const struct keras_model *predict_model(const struct request *request);
/* Decoding took from start_ns until now. */
void predict_add_decode(struct request *request, int64_t start_ns);
/* Answers with the error, and records what kind it is. */
void predict_fail(struct request *request, const struct err *err);
/* The inputs are there: runs them now or queues them, and calls encode when the outputs are there (answering is its
 * task); on failure answers by predict_fail. */
void predict_run(struct request *request, void (*encode)(struct request *request));

#endif
