/* v2: the infer request on the wire. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/request.h"
#include "http/server.h"
#include "http/v2.h"
#include "keras/keras.h"

/* Triton's words for what the registry did not find. */
void v2_lookup_error(const struct request *request, struct err *err)
{
    const struct predict *predict = &request->predict;
    switch (predict->miss) {
    case REGISTRY_MISS_MODEL:
        err_set(err, KD_ENOTFOUND, "Request for unknown model: '%s' is not found", request->model);
        break;
    case REGISTRY_MISS_VERSION:
        err_set(err, KD_ENOTFOUND, "Request for unknown model: '%s' version %" PRId64 " is not found", request->model,
                request->version);
        break;
    case REGISTRY_MISS_FAILED:
        err_set(err, KD_ENOTFOUND, "Request for unknown model: '%s' has no available versions", request->model);
        break;
    default:
        err_set(err, KD_EUNAVAILABLE, "Request for unknown model: '%s' is not at ready state", request->model);
    }
}

/* The value of Inference-Header-Content-Length; false if it was refused. */
static bool header_length(struct request *request, uint64_t *ret)
{
    const char *text = request->head.inference_length;
    int64_t number;
    *ret = V2_NO_HEADER;
    if (!text)
        return true;
    uint64_t body = request->gzip.active || request->content_length == UINT64_MAX ? INT64_MAX : request->content_length;
    if (!str_to_i64(text, &number))
        answer_text(request, 400, "Unable to parse Inference-Header-Content-Length, got: %.100s", text);
    else if (number < 0 || (uint64_t)number > body)
        answer_text(request, 400, "inference header size should be in range (0, %" PRIu64 "), got: %" PRId64, body, number);
    else
        *ret = (uint64_t)number;
    return request->response.status == 0;
}

void v2_infer_begin(struct request *request)
{
    struct predict *predict = &request->predict;
    struct v2_options options = {.max_depth = request->settings->max_depth,
                                 .strict_datatype = request->settings->strict_datatype};
    struct err err;
    predict_begin(request, "v2");
    if (predict_bind(request, &err) != 0) {
        predict_fail(request, &err);
        return;
    }
    if (!header_length(request, &options.header_length))
        return;
    options.found = predict->version != NULL;
    if (options.found)
        options.outputs = registry_version_outputs(predict->version, &options.n_outputs);
    options.model_name = predict->version ? registry_version_model(predict->version) : request->model;
    options.inputs = &predict->inputs;
    if (v2_body_start(&predict->v2, &options, &err) != 0)
        predict_fail(request, &err);
}

void v2_infer_body(struct request *request, const char *data, size_t length)
{
    int64_t start = clock_now_ns();
    v2_body_feed(&request->predict.v2, data, length);
    predict_add_decode(request, start);
}

/* Priority 1 is the highest; the timeout may only shorten the deadline. */
static void set_order(struct request *request)
{
    struct predict *predict = &request->predict;
    if (predict->v2.priority)
        predict->job.priority = predict->v2.priority == 1 ? 1 : -1;
    uint64_t timeout_us = predict->v2.timeout_us;
    if (timeout_us && timeout_us < INT64_MAX / 1000 &&
        request->start_ns + (int64_t)timeout_us * 1000 < request->deadline_ns)
        request->deadline_ns = request->start_ns + (int64_t)timeout_us * 1000;
}

void v2_infer_end(struct request *request)
{
    struct predict *predict = &request->predict;
    struct err lookup, err;
    int64_t start = clock_now_ns();
    if (!predict->version)
        v2_lookup_error(request, &lookup);
    int code = v2_body_end(&predict->v2, predict->version ? NULL : &lookup, &err);
    if (code == 0)
        code = inputs_fit(&predict->inputs, &predict->rows, &err);
    predict_add_decode(request, start);
    if (code) {
        predict_fail(request, &err);
        return;
    }
    set_order(request);
    predict_run(request, v2_encode);
}
