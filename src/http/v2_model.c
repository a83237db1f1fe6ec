/* v2_model: server and model metadata, readiness, configuration and statistics of the Open Inference Protocol and
 * Triton. Every member that load generators read without looking is always there. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "base/thread.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"
#include "http/v1.h"
#include "http/v2.h"
#include "keras/keras.h"

void v2_server(struct request *request)
{
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"name\":\"kerasd\",\"version\":");
    json_out_string(buf, request->http->version);
    buf_puts(buf, ",\"extensions\":[\"classification\",\"model_repository\",\"model_repository(unload_dependents)\","
                  "\"schedule_policy\",\"model_configuration\",\"binary_tensor_data\",\"parameters\",\"statistics\"]}");
}

void v2_live(struct request *request)
{
    buf_puts(answer(request, 200), "{\"live\":true}");
}

/* {"ready":true}, or 503 with the reason; `name` NULL: no member name. */
static void answer_ready(struct request *request, const char *name, const char *why)
{
    struct buf *buf = answer(request, why ? 503 : 200);
    buf_putc(buf, '{');
    if (name) {
        buf_puts(buf, "\"name\":");
        json_out_string(buf, name);
        buf_putc(buf, ',');
    }
    buf_printf(buf, "\"ready\":%s", why ? "false,\"error\":" : "true");
    if (why) {
        json_out_string(buf, why);
        answer_header(request, "Retry-After", "1");
    }
    buf_putc(buf, '}');
}

void v2_ready(struct request *request)
{
    struct err why;
    bool ready = registry_ready(request->http->registry, &why);
    answer_ready(request, NULL, ready ? NULL : why.text);
}

void v2_model_ready(struct request *request)
{
    struct err err;
    predict_begin(request, NULL);
    if (request->predict.version) {
        answer_ready(request, request->model, NULL);
        return;
    }
    v2_lookup_error(request, &err);
    if (request->predict.miss == REGISTRY_MISS_MODEL || request->predict.miss == REGISTRY_MISS_VERSION)
        answer_error(request, &err);
    else
        answer_ready(request, request->model, request->predict.lookup.text);
}

void v2_models(struct request *request)
{
    v1_list(request);
}

/* Finds the version of the path, or answers. */
static bool find_version(struct request *request)
{
    struct err err;
    predict_begin(request, NULL);
    if (request->predict.version)
        return true;
    v2_lookup_error(request, &err);
    answer_error(request, &err);
    return false;
}

/* ---- metadata ---- */

static void put_shape(struct buf *buf, const struct shape *shape, int from)
{
    buf_putc(buf, '[');
    for (int i = from; i < shape->rank; i++)
        buf_printf(buf, "%s%" PRId64, i > from ? "," : "", shape->dim[i]);
    buf_putc(buf, ']');
}

static void put_tensor(struct buf *buf, const struct keras_signature_tensor *tensor, bool first)
{
    buf_printf(buf, "%s{\"name\":", first ? "" : ",");
    json_out_string(buf, tensor->name);
    buf_printf(buf, ",\"datatype\":\"%s\",\"shape\":", dtype_v2_name(tensor->dtype));
    put_shape(buf, &tensor->shape, 0);
    buf_putc(buf, '}');
}

/* The available versions, ascending; the snapshot has them descending. */
static void put_versions(struct buf *buf, const struct request *request)
{
    struct registry_snapshot *snapshot;
    size_t n = 0;
    if (registry_snapshot(request->http->registry, request->model, &snapshot, NULL) != 0)
        return;
    for (size_t i = snapshot->n; i > 0; i--)
        if (snapshot->items[i - 1].state == REGISTRY_AVAILABLE)
            buf_printf(buf, "%s\"%" PRId64 "\"", n++ ? "," : "", snapshot->items[i - 1].version);
    registry_snapshot_free(snapshot);
}

void v2_metadata(struct request *request)
{
    if (!find_version(request))
        return;
    const struct keras_model *model = predict_model(request);
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(request->predict.version, &n);
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"name\":");
    json_out_string(buf, request->model);
    buf_puts(buf, ",\"versions\":[");
    if (request->version == REGISTRY_LATEST)
        put_versions(buf, request);
    else
        buf_printf(buf, "\"%" PRId64 "\"", request->version);
    buf_puts(buf, "],\"platform\":\"keras_h5\",\"inputs\":[");
    for (size_t i = 0; i < keras_model_n_inputs(model); i++)
        put_tensor(buf, keras_model_input(model, i), i == 0);
    buf_puts(buf, "],\"outputs\":[");
    for (size_t i = 0; i < n; i++)
        put_tensor(buf, &outputs[i], i == 0);
    buf_puts(buf, "]}");
}

/* ---- configuration ---- */

static void put_config_tensor(struct buf *buf, const struct keras_signature_tensor *tensor, bool input, bool batches,
                              bool first)
{
    const char *type = dtype_v2_name(tensor->dtype);
    buf_printf(buf, "%s{\"name\":", first ? "" : ",");
    json_out_string(buf, tensor->name);
    buf_printf(buf, ",\"data_type\":\"TYPE_%s\"", str_equal(type, "BYTES") ? "STRING" : type);
    buf_puts(buf, input ? ",\"format\":\"FORMAT_NONE\",\"dims\":" : ",\"dims\":");
    put_shape(buf, &tensor->shape, batches ? 1 : 0);
    buf_puts(buf, input ? ",\"is_shape_tensor\":false,\"allow_ragged_batch\":false,\"optional\":false}"
                        : ",\"label_filename\":\"\",\"is_shape_tensor\":false}");
}

static void put_name_suffix(struct buf *buf, const char *name, const char *suffix)
{
    char text[300];
    snprintf(text, sizeof(text), "%.256s%s", name, suffix);
    json_out_string(buf, text);
}

void v2_config(struct request *request)
{
    if (!find_version(request))
        return;
    const struct keras_model *model = predict_model(request);
    int64_t max_batch = registry_version_max_batch(request->predict.version);
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(request->predict.version, &n);
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"name\":");
    json_out_string(buf, request->model);
    buf_printf(buf, ",\"platform\":\"keras_h5\",\"backend\":\"kerasd\",\"runtime\":\"\",\"version_policy\":{\"latest\":{"
                    "\"num_versions\":1}},\"max_batch_size\":%" PRId64 ",\"input\":[",
               max_batch);
    for (size_t i = 0; i < keras_model_n_inputs(model); i++)
        put_config_tensor(buf, keras_model_input(model, i), true, max_batch > 0, i == 0);
    buf_puts(buf, "],\"output\":[");
    for (size_t i = 0; i < n; i++)
        put_config_tensor(buf, &outputs[i], false, max_batch > 0, i == 0);
    buf_puts(buf, "],\"batch_input\":[],\"batch_output\":[],\"optimization\":{\"priority\":\"PRIORITY_DEFAULT\"}");
    if (max_batch > 0)
        buf_puts(buf, ",\"dynamic_batching\":{\"preferred_batch_size\":[],\"max_queue_delay_microseconds\":0,"
                      "\"preserve_ordering\":false,\"priority_levels\":0,\"default_priority_level\":0,"
                      "\"priority_queue_policy\":{}}");
    buf_puts(buf, ",\"instance_group\":[{\"name\":");
    put_name_suffix(buf, request->model, "_0");
    buf_printf(buf, ",\"kind\":\"KIND_CPU\",\"count\":%d,\"gpus\":[],\"secondary_devices\":[],\"profile\":[],"
                    "\"passive\":false,\"host_policy\":\"\"}],\"default_model_filename\":\"model.h5\","
                    "\"cc_model_filenames\":{},\"metric_tags\":{},\"parameters\":{},\"model_warmup\":[]}",
               thread_cpu_count());
}

/* ---- statistics ---- */

static void put_duration(struct buf *buf, const char *name, struct registry_duration duration, const char *end)
{
    buf_printf(buf, "\"%s\":{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}%s", name, duration.count, duration.ns, end);
}

static void put_stats(struct buf *buf, const struct registry_status *status)
{
    const struct registry_stats *stats = &status->stats;
    const struct registry_duration none = {0, 0};
    buf_puts(buf, "{\"name\":");
    json_out_string(buf, status->model);
    buf_printf(buf,
               ",\"version\":\"%" PRId64 "\",\"last_inference\":%" PRId64 ",\"inference_count\":%" PRIu64
               ",\"execution_count\":%" PRIu64 ",\"inference_stats\":{",
               status->version, stats->last_inference_ms, stats->inference_count, stats->execution_count);
    put_duration(buf, "success", stats->success, ",");
    put_duration(buf, "fail", stats->fail, ",");
    put_duration(buf, "queue", stats->queue, ",");
    put_duration(buf, "compute_input", stats->compute_input, ",");
    put_duration(buf, "compute_infer", stats->compute_infer, ",");
    put_duration(buf, "compute_output", stats->compute_output, ",");
    put_duration(buf, "cache_hit", none, ",");
    put_duration(buf, "cache_miss", none, "},\"response_stats\":{},\"batch_stats\":[");
    for (size_t i = 0; i < stats->n_batch; i++) {
        buf_printf(buf, "%s{\"batch_size\":%" PRId64 ",", i ? "," : "", stats->batch[i].batch_size);
        put_duration(buf, "compute_input", stats->batch[i].compute_input, ",");
        put_duration(buf, "compute_infer", stats->batch[i].compute_infer, ",");
        put_duration(buf, "compute_output", stats->batch[i].compute_output, "}");
    }
    buf_printf(buf, "],\"memory_usage\":[{\"type\":\"CPU\",\"id\":0,\"byte_size\":%" PRIu64 "}]}", stats->bytes);
}

void v2_stats(struct request *request)
{
    struct registry_snapshot *snapshot;
    struct err err;
    const char *model = request->model[0] ? request->model : NULL;
    size_t n = 0;
    if (registry_snapshot(request->http->registry, model, &snapshot, &err) != 0) {
        answer_text(request, 404, "requested model '%s' is not available", request->model);
        return;
    }
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"model_stats\":[");
    for (size_t i = 0; i < snapshot->n; i++) {
        const struct registry_status *status = &snapshot->items[i];
        if (!status->loaded || (request->version != REGISTRY_LATEST && request->version != status->version))
            continue;
        buf_puts(buf, n++ ? "," : "");
        put_stats(buf, status);
    }
    buf_puts(buf, "]}");
    registry_snapshot_free(snapshot);
    if (n == 0 && model && request->version != REGISTRY_LATEST)
        answer_text(request, 404, "requested model version is not available for model '%s'", model);
    else if (n == 0 && model)
        answer_text(request, 404, "requested model '%s' is not available", model);
}

void v2_refuse(struct request *request)
{
    answer_text(request, 501, "this extension of the protocol is not supported");
}
