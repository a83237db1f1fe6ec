/* v1: the :predict verb, on the wire and without a server. */
#include "http/v1.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "engine/engine.h"
#include "http/http.h"
#include "http/predict.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"

/* TensorFlow Serving's words for what the registry did not find. */
void v1_lookup_error(const struct request *request, struct err *err)
{
    const struct predict *predict = &request->predict;
    switch (predict->miss) {
    case REGISTRY_MISS_MODEL:
    case REGISTRY_MISS_VERSION:
        if (request->version == REGISTRY_LATEST)
            err_set(err, KD_ENOTFOUND, "Servable not found for request: Latest(%s)", request->model);
        else
            err_set(err, KD_ENOTFOUND, "Servable not found for request: Specific(%s, %lld)", request->model,
                    (long long)request->version);
        break;
    case REGISTRY_MISS_LABEL:
        err_set(err, KD_EINVAL, "Unrecognized servable version label: %s", request->label);
        break;
    default:
        *err = predict->lookup;
    }
}

void v1_predict_begin(struct request *request)
{
    struct err err;
    predict_begin(request, "v1");
    if (predict_bind(request, &err) != 0) {
        predict_fail(request, &err);
        return;
    }
    v1_body_start(&request->predict.v1, &request->predict.inputs, request->settings->max_depth);
}

void v1_predict_body(struct request *request, const char *data, size_t length)
{
    int64_t start = clock_now_ns();
    v1_body_feed(&request->predict.v1, data, length);
    predict_add_decode(request, start);
}

static void encode(struct request *request)
{
    struct err err;
    struct buf *body = answer(request, 200);
    bool pretty = request_query(request, "pretty");
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(request->predict.version, &n);
    if (v1_encode(outputs, n, request->predict.job.outputs, request->predict.columnar, pretty, body, &err) != 0)
        predict_fail(request, &err);
}

void v1_run(struct request *request, void (*encode_answer)(struct request *request))
{
    struct predict *predict = &request->predict;
    struct err lookup, err;
    int64_t start = clock_now_ns();
    if (!predict->version)
        v1_lookup_error(request, &lookup);
    int code = v1_body_end(&predict->v1, predict->version ? NULL : &lookup, &predict->columnar, &err);
    if (code == 0)
        code = inputs_fit(&predict->inputs, &predict->rows, &err);
    predict_add_decode(request, start);
    if (code)
        predict_fail(request, &err);
    else
        predict_run(request, encode_answer);
}

void v1_predict_end(struct request *request)
{
    v1_run(request, encode);
}

/* ---- without a server ---- */

static int run_model(const struct keras_model *model, const struct inputs *inputs, bool columnar, bool pretty,
                     struct buf *ret, struct err *err)
{
    struct engine *engine = keras_model_engine(model);
    size_t n = engine_n_outputs(engine);
    struct tensor *outputs = calloc(n, sizeof(*outputs));
    struct keras_signature_tensor *signature = calloc(n, sizeof(*signature));
    struct engine_worker *worker = engine_worker_new();
    struct engine_plan *plan = NULL;
    int code = KD_ENOMEM;
    if (!outputs || !signature || !worker) {
        err_set(err, code, "out of memory");
        goto out;
    }
    code = engine_plan_get_for(engine, inputs->tensors, &plan, err);
    for (size_t i = 0; code == 0 && i < n; i++) {
        size_t bytes;
        signature[i] = *keras_model_output(model, i);
        bool ok = tensor_bytes(engine_output_dtype(engine, i), engine_plan_output_shape(plan, i), &bytes);
        outputs[i].data = ok ? aligned_alloc(64, size_align(bytes + 1, 64)) : NULL;
        if (!outputs[i].data)
            code = err_set(err, KD_ENOMEM, "out of memory for output %zu", i);
    }
    if (code == 0)
        code = engine_run(plan, worker, inputs->tensors, outputs, err);
    if (code == 0)
        code = v1_encode(signature, n, outputs, columnar, pretty, ret, err);
out:
    for (size_t i = 0; outputs && i < n; i++)
        free(outputs[i].data);
    engine_plan_put(plan);
    engine_worker_free(worker);
    free(signature);
    free(outputs);
    return code;
}

int http_predict_text(const struct keras_model *model, const char *body, size_t length, bool pretty, struct buf *ret,
                      struct err *err)
{
    struct inputs inputs = {0};
    struct inputs_limits limits = {SIZE_MAX, SIZE_MAX};
    struct v1_body *v1 = calloc(1, sizeof(*v1));
    bool columnar;
    int64_t rows;
    int code = v1 ? inputs_start(&inputs, keras_model_n_inputs(model), err) : err_set(err, KD_ENOMEM, "out of memory");
    if (code == 0) {
        for (size_t i = 0; i < inputs.n; i++)
            inputs_bind(&inputs, i, keras_model_input(model, i), &limits);
        v1_body_start(v1, &inputs, JSON_DEFAULT_DEPTH);
        v1_body_feed(v1, body, length);
        code = v1_body_end(v1, NULL, &columnar, err);
    }
    if (code == 0)
        code = inputs_fit(&inputs, &rows, err);
    if (code == 0)
        code = run_model(model, &inputs, columnar, pretty, ret, err);
    inputs_done(&inputs);
    free(v1);
    return code;
}
