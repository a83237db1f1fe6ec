/* v1_model: TensorFlow Serving's status and metadata, KServe's list of models, and the configuration endpoints of
 * OpenVINO Model Server, whose reload is the one that exists in this family of URLs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"
#include "http/v1.h"
#include "keras/keras.h"

/* ---- status ---- */

static void put_status(struct buf *buf, const struct registry_status *status, bool first)
{
    buf_printf(buf, "%s{\"version\":\"%" PRId64 "\",\"state\":\"%s\",\"status\":{\"error_code\":\"%s\",\"error_message\":",
               first ? "" : ",", status->version, registry_state_name(status->state), err_code_name(status->code));
    json_out_string(buf, status->error);
    buf_puts(buf, "}}");
}

/* "a,b" has the label b. */
static bool has_label(const char *labels, const char *label)
{
    size_t length = strlen(label);
    while (*labels) {
        size_t n = strcspn(labels, ",");
        if (n == length && memcmp(labels, label, n) == 0)
            return true;
        labels += n + (labels[n] == ',');
    }
    return false;
}

static bool asked_for(const struct request *request, const struct registry_status *status)
{
    if (status->state == REGISTRY_UNKNOWN)
        return false;
    if (request->label[0])
        return has_label(status->labels, request->label);
    return request->version == REGISTRY_LATEST || request->version == status->version;
}

static void status_missing(struct request *request)
{
    if (request->label[0])
        answer_text(request, 400, "Unrecognized servable version label: %s", request->label);
    else if (request->version != REGISTRY_LATEST)
        answer_text(request, 404, "Could not find version %" PRId64 " of model %s", request->version, request->model);
    else
        answer_text(request, 404, "Could not find any versions of model %s", request->model);
}

void v1_status(struct request *request)
{
    struct registry_snapshot *snapshot;
    struct err err;
    bool ready = false, whole = !request->label[0] && request->version == REGISTRY_LATEST;
    size_t n = 0;
    if (registry_snapshot(request->http->registry, request->model, &snapshot, &err) != 0) {
        answer_text(request, 404, "Could not find any versions of model %s", request->model);
        return;
    }
    for (size_t i = 0; i < snapshot->n; i++) {
        n += asked_for(request, &snapshot->items[i]);
        ready |= asked_for(request, &snapshot->items[i]) && snapshot->items[i].state == REGISTRY_AVAILABLE;
    }
    if (n == 0 && !whole) {
        status_missing(request);
        registry_snapshot_free(snapshot);
        return;
    }
    int status = ready || !whole || request->settings->status_always_200 ? 200 : 503;
    struct buf *buf = answer(request, status);
    if (status == 503)
        answer_header(request, "Retry-After", "1");
    buf_puts(buf, "{\"name\":");
    json_out_string(buf, request->model);
    buf_printf(buf, ",\"ready\":%s,\"model_version_status\":[", ready ? "true" : "false");
    n = 0;
    for (size_t i = 0; i < snapshot->n; i++)
        if (asked_for(request, &snapshot->items[i]))
            put_status(buf, &snapshot->items[i], n++ == 0);
    buf_puts(buf, "]}");
    registry_snapshot_free(snapshot);
}

/* ---- lists ---- */

void v1_list(struct request *request)
{
    struct registry_snapshot *snapshot;
    struct err err;
    if (registry_snapshot(request->http->registry, NULL, &snapshot, &err) != 0) {
        answer_error(request, &err);
        return;
    }
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"models\":[");
    for (size_t i = 0; i < snapshot->n; i++) {
        if (i > 0 && str_equal(snapshot->items[i].model, snapshot->items[i - 1].model))
            continue;
        buf_puts(buf, i ? "," : "");
        json_out_string(buf, snapshot->items[i].model);
    }
    buf_puts(buf, "]}");
    registry_snapshot_free(snapshot);
}

static void put_config(struct request *request, int status)
{
    struct registry_snapshot *snapshot;
    struct err err;
    if (registry_snapshot(request->http->registry, NULL, &snapshot, &err) != 0) {
        answer_error(request, &err);
        return;
    }
    struct buf *buf = answer(request, status);
    buf_putc(buf, '{');
    for (size_t i = 0; i < snapshot->n; i++) {
        bool first = i == 0 || !str_equal(snapshot->items[i].model, snapshot->items[i - 1].model);
        bool known = snapshot->items[i].state != REGISTRY_UNKNOWN;
        if (first) {
            buf_puts(buf, i ? "]}," : "");
            json_out_string(buf, snapshot->items[i].model);
            buf_puts(buf, ":{\"model_version_status\":[");
        }
        if (known)
            put_status(buf, &snapshot->items[i], first);
    }
    buf_puts(buf, snapshot->n ? "]}}" : "}");
    registry_snapshot_free(snapshot);
}

void v1_config(struct request *request)
{
    put_config(request, 200);
}

static void reload_over(struct request *request)
{
    if (request->command.code)
        answer_error(request, &request->command.err);
    else
        put_config(request, request->command.changed ? 201 : 200);
}

void v1_reload(struct request *request)
{
    request_command(request, REGISTRY_RELOAD_ALL, NULL, reload_over);
}

/* ---- metadata ---- */

static void put_tensor(struct buf *buf, const struct keras_signature_tensor *tensor, const char *graph_name)
{
    json_out_string(buf, tensor->name);
    buf_printf(buf, ":{\"dtype\":\"%s\",\"tensor_shape\":{\"dim\":[", dtype_tensorflow_name(tensor->dtype));
    for (int k = 0; k < tensor->shape.rank; k++)
        buf_printf(buf, "%s{\"size\":\"%" PRId64 "\",\"name\":\"\"}", k ? "," : "", tensor->shape.dim[k]);
    buf_puts(buf, "],\"unknown_rank\":false},\"name\":");
    json_out_string(buf, graph_name);
    buf_putc(buf, '}');
}

static void put_inputs(struct buf *buf, const struct keras_model *model)
{
    char name[300];
    for (size_t i = 0; i < keras_model_n_inputs(model); i++) {
        const struct keras_signature_tensor *tensor = keras_model_input(model, i);
        snprintf(name, sizeof(name), "serving_default_%.250s:0", tensor->name);
        buf_puts(buf, i ? "," : "");
        put_tensor(buf, tensor, name);
    }
}

static void put_outputs(struct buf *buf, const struct registry_version *version)
{
    char name[64];
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(version, &n);
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "StatefulPartitionedCall:%zu", i);
        buf_puts(buf, i ? "," : "");
        put_tensor(buf, &outputs[i], name);
    }
}

static void put_warnings(struct buf *buf, const struct keras_model *model)
{
    size_t n = keras_model_n_warnings(model);
    for (size_t i = 0; i < n; i++) {
        buf_puts(buf, i ? "," : ",\"warnings\":[");
        json_out_string(buf, keras_model_warning(model, i));
    }
    buf_puts(buf, n ? "]" : "");
}

void v1_metadata(struct request *request)
{
    struct err err;
    predict_begin(request, NULL);
    if (!request->predict.version) {
        v1_lookup_error(request, &err);
        answer_error(request, &err);
        return;
    }
    const struct keras_model *model = predict_model(request);
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"model_spec\":{\"name\":");
    json_out_string(buf, registry_version_model(request->predict.version));
    buf_printf(buf,
               ",\"signature_name\":\"\",\"version\":\"%" PRId64 "\"},\"metadata\":{\"signature_def\":{"
               "\"signature_def\":{\"serving_default\":{\"inputs\":{",
               registry_version_number(request->predict.version));
    put_inputs(buf, model);
    buf_puts(buf, "},\"outputs\":{");
    put_outputs(buf, request->predict.version);
    buf_puts(buf, "},\"method_name\":\"tensorflow/serving/predict\",\"defaults\":{}}}}}");
    put_warnings(buf, model);
    buf_putc(buf, '}');
}

void v1_explain(struct request *request)
{
    answer_text(request, 501, "explanations are not supported");
}
