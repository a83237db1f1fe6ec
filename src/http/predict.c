/* predict: from decoded inputs to encoded outputs. Cheap models run here, in the thread that read the request; others
 * wait in the scheduler while the connection is suspended, and go on in the connection's thread. */
#include "http/predict.h"

#include <string.h>

#include "base/clock.h"
#include "http/request.h"
#include "http/server.h"

/* A number takes at least two bytes of text ("1,"), and one element of a binary tensor at least one. */
#define LARGEST_TENSOR ((size_t)1 << 31)

void predict_begin(struct request *request, const char *protocol)
{
    struct predict *predict = &request->predict;
    predict->protocol = protocol;
    predict->outcome = REGISTRY_CLIENT_ERROR;
    predict->rows = 0;
    predict->job.queue_ns = predict->job.compute_ns = predict->job.batch_rows = 0;
    predict->job.priority = 0;
    const char *label = request->label[0] ? request->label : NULL;
    int code = registry_acquire(request->http->registry, request->model, request->version, label, &predict->version,
                                &predict->miss, &predict->lookup);
    if (code)
        predict->version = NULL;
}

const struct keras_model *predict_model(const struct request *request)
{
    return registry_version_keras(request->predict.version);
}

int predict_bind(struct request *request, struct err *err)
{
    struct predict *predict = &request->predict;
    if (!predict->version)
        return inputs_start(&predict->inputs, 0, err);
    const struct keras_model *model = predict_model(request);
    uint64_t body = request->settings->max_body;
    if (request->content_length < body && !request->gzip.active)
        body = request->content_length;
    struct inputs_limits limits = {.max_elements = body < LARGEST_TENSOR ? (size_t)body : LARGEST_TENSOR,
                                   .max_text = body < SIZE_MAX ? (size_t)body : SIZE_MAX};
    int code = inputs_start(&predict->inputs, keras_model_n_inputs(model), err);
    for (size_t i = 0; code == 0 && i < predict->inputs.n; i++)
        inputs_bind(&predict->inputs, i, keras_model_input(model, i), &limits);
    return code;
}

void predict_add_decode(struct request *request, int64_t start_ns)
{
    request->predict.decode_ns += clock_now_ns() - start_ns;
}

static enum registry_outcome outcome_of(int code)
{
    switch (code) {
    case KD_EINVAL:
    case KD_EUNSUPPORTED:
    case KD_ETOOBIG:
        return REGISTRY_CLIENT_ERROR;
    case KD_EUNAVAILABLE:
    case KD_ENOMEM:
        return REGISTRY_REJECTED;
    case KD_ETIMEOUT:
        return REGISTRY_DEADLINE;
    default:
        return REGISTRY_FAILED;
    }
}

void predict_fail(struct request *request, const struct err *err)
{
    request->predict.outcome = outcome_of(err->code);
    answer_error(request, err);
}

/* The job is over, one way or the other. */
static void finish(struct request *request)
{
    struct predict *predict = &request->predict;
    if (predict->job.code) {
        predict_fail(request, &predict->job.err);
        return;
    }
    int64_t start = clock_now_ns();
    predict->outcome = REGISTRY_OK;
    predict->encode(request);
    predict->encode_ns = clock_now_ns() - start;
}

static void on_done(struct sched_job *job)
{
    request_wake((struct request *)((char *)job - offsetof(struct request, predict.job)));
}

void predict_run(struct request *request, void (*encode)(struct request *request))
{
    struct predict *predict = &request->predict;
    struct sched_job *job = &predict->job;
    struct sched_queue *queue = registry_version_queue(predict->version);
    predict->encode = encode;
    job->inputs = predict->inputs.tensors;
    job->rows = predict->rows;
    job->deadline_ns = request->deadline_ns;
    job->dropped = false;
    job->done = on_done;
    if (sched_try_inline(queue, job)) {
        finish(request);
        return;
    }
    request_wait(request, finish);
    struct err err;
    if (sched_submit(queue, job, &err) != 0) {
        job->code = err.code;
        job->err = err;
        request_wake(request);
    }
}
