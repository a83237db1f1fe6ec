/* openapi: the OpenAPI document: what is the same everywhere comes from openapi.json; into its marks go the version, the
 * names of the models and the paths of predictions, with schemas made from the signatures of the models that are loaded.
 *
 * A schema can say less than the protocols take: V2 is described for one row (the element count of more rows would
 * have to be the product of the shape), several inputs by columns likewise. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "http/docs.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/server.h"
#include "keras/keras.h"

static const char document[] =
#include "http/openapi.inc"
    ;

/* ---- values ---- */

static void put_element(struct buf *buf, enum dtype dtype)
{
    int64_t min, max;
    if (dtype == DTYPE_BOOL) {
        buf_puts(buf, "{\"type\":\"boolean\"}");
    } else if (dtype == DTYPE_STRING) {
        buf_puts(buf, "{\"type\":\"string\"}");
    } else if (dtype_is_int(dtype)) {
        dtype_int_range(dtype, &min, &max);
        buf_printf(buf, "{\"type\":\"integer\",\"minimum\":%" PRId64 ",\"maximum\":%" PRId64 "}", min, max);
    } else {
        buf_puts(buf, "{\"type\":\"number\"}");
    }
}

/* Nested lists of the sizes from `from` on. */
static void put_value(struct buf *buf, const struct keras_signature_tensor *tensor, int from)
{
    for (int i = from; i < tensor->shape.rank; i++) {
        int64_t size = tensor->shape.dim[i];
        if (size >= 0)
            buf_printf(buf, "{\"type\":\"array\",\"minItems\":%" PRId64 ",\"maxItems\":%" PRId64 ",\"items\":", size, size);
        else
            buf_puts(buf, "{\"type\":\"array\",\"items\":");
    }
    put_element(buf, tensor->dtype);
    for (int i = from; i < tensor->shape.rank; i++)
        buf_putc(buf, '}');
}

/* ---- V1 ---- */

struct model {
    const char *name;
    struct registry_version *version;
    const struct keras_model *keras;
};

/* A whole tensor. No rows at all can only be told for scalars: [] has one dimension. */
static void put_tensor(struct buf *buf, const struct keras_signature_tensor *tensor)
{
    buf_printf(buf, "{\"type\":\"array\",\"minItems\":%d,\"items\":", tensor->shape.rank > 1);
    put_value(buf, tensor, 1);
    buf_putc(buf, '}');
}

/* {"x": value, ...}; rows: without dimension 0, else as lists of one row (of any number if it is the only input). */
static void put_inputs_object(struct buf *buf, const struct model *model, bool rows)
{
    size_t n = keras_model_n_inputs(model->keras);
    buf_puts(buf, rows ? "{\"type\":\"object\",\"additionalProperties\":false,\"required\":["
                       : "{\"type\":\"object\",\"required\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(buf, i ? "," : "");
        json_out_string(buf, keras_model_input(model->keras, i)->name);
    }
    buf_puts(buf, "],\"properties\":{");
    for (size_t i = 0; i < n; i++) {
        const struct keras_signature_tensor *tensor = keras_model_input(model->keras, i);
        buf_puts(buf, i ? "," : "");
        json_out_string(buf, tensor->name);
        buf_putc(buf, ':');
        if (!rows && n == 1) {
            put_tensor(buf, tensor);
            continue;
        }
        buf_puts(buf, rows ? "" : "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1,\"items\":");
        put_value(buf, tensor, 1);
        buf_puts(buf, rows ? "" : "}");
    }
    buf_puts(buf, "}}");
}

static void put_predict_body(struct buf *buf, const struct model *model)
{
    bool single = keras_model_n_inputs(model->keras) == 1;
    buf_puts(buf, "{\"type\":\"object\",\"properties\":{\"signature_name\":{\"enum\":[\"serving_default\",\"\"]},"
                  "\"instances\":{\"description\":\"One element per row.\",\"anyOf\":[");
    if (single) {
        buf_puts(buf, "{\"type\":\"array\",\"minItems\":1,\"items\":");
        put_value(buf, keras_model_input(model->keras, 0), 1);
        buf_puts(buf, "},");
    }
    buf_puts(buf, "{\"type\":\"array\",\"minItems\":1,\"items\":");
    put_inputs_object(buf, model, true);
    buf_puts(buf, "}]},\"inputs\":{\"description\":\"Whole tensors; all have the same number of rows.\",\"anyOf\":[");
    if (single) {
        put_tensor(buf, keras_model_input(model->keras, 0));
        buf_putc(buf, ',');
    }
    put_inputs_object(buf, model, false);
    buf_puts(buf, "]}},\"oneOf\":[{\"required\":[\"instances\"],\"not\":{\"required\":[\"inputs\"]}},"
                  "{\"required\":[\"inputs\"],\"not\":{\"required\":[\"instances\"]}}]}");
}

static void put_examples_body(struct buf *buf, const struct model *model)
{
    buf_puts(buf, "{\"type\":\"object\",\"required\":[\"examples\"],\"properties\":{\"signature_name\":{\"enum\":["
                  "\"serving_default\",\"\"]},\"examples\":{\"type\":\"array\",\"minItems\":1,\"items\":");
    put_inputs_object(buf, model, true);
    buf_puts(buf, "}}}");
}

/* ---- V2 ---- */

static void put_infer_input(struct buf *buf, const struct keras_signature_tensor *tensor)
{
    int64_t elements = 1;
    buf_puts(buf, "{\"type\":\"object\",\"required\":[\"name\",\"shape\",\"datatype\",\"data\"],\"properties\":{\"name\":{"
                  "\"const\":");
    json_out_string(buf, tensor->name);
    buf_printf(buf, "},\"datatype\":{\"const\":\"%s\"},\"shape\":{\"const\":[", dtype_v2_name(tensor->dtype));
    for (int i = 0; i < tensor->shape.rank; i++) {
        int64_t size = i == 0 || tensor->shape.dim[i] < 0 ? 1 : tensor->shape.dim[i];
        elements *= size;
        buf_printf(buf, "%s%" PRId64, i ? "," : "", size);
    }
    buf_puts(buf, "]},\"data\":");
    if (elements == 1) { /* then a value without a list is taken, too */
        buf_puts(buf, "{\"anyOf\":[");
        put_element(buf, tensor->dtype);
        buf_putc(buf, ',');
    }
    buf_printf(buf, "{\"type\":\"array\",\"minItems\":%" PRId64 ",\"maxItems\":%" PRId64 ",\"items\":", elements, elements);
    put_element(buf, tensor->dtype);
    buf_puts(buf, elements == 1 ? "}]}}}" : "}}}");
}

#define COUNT "{\"type\":\"integer\",\"minimum\":0,\"maximum\":9223372036854775807}"

static void put_infer_body(struct buf *buf, const struct model *model)
{
    size_t n_outputs, n = keras_model_n_inputs(model->keras);
    const struct keras_signature_tensor *outputs = registry_version_outputs(model->version, &n_outputs);
    bool numeric = true;
    buf_puts(buf, "{\"type\":\"object\",\"required\":[\"inputs\"],\"properties\":{\"id\":{\"type\":\"string\",\"description\":"
                  "\"At most 512 bytes.\"},\"parameters\":{\"type\":\"object\",\"properties\":{\"priority\":" COUNT ",\"binary_data_output\":{"
                  "\"type\":\"boolean\"}},\"propertyNames\":{\"not\":{\"pattern\":\"^triton_\"}},"
                  "\"additionalProperties\":{\"type\":[\"string\",\"number\",\"boolean\"]}},"
                  "\"inputs\":{\"type\":\"array\",\"description\":\"One row is described; more are taken.\",\"prefixItems\":[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(buf, i ? "," : "");
        put_infer_input(buf, keras_model_input(model->keras, i));
    }
    buf_printf(buf, "],\"items\":false,\"minItems\":%zu,\"maxItems\":%zu},\"outputs\":{\"type\":\"array\",\"items\":{"
                    "\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":{\"enum\":[",
               n, n);
    for (size_t i = 0; i < n_outputs; i++) {
        buf_puts(buf, i ? "," : "");
        json_out_string(buf, outputs[i].name);
        numeric = numeric && outputs[i].dtype != DTYPE_STRING;
    }
    buf_printf(buf, "]},\"parameters\":{\"type\":\"object\",\"properties\":{%s\"binary_data\":{\"type\":\"boolean\"}}}}}}}}",
               numeric ? "\"classification\":" COUNT "," : "");
}

/* ---- paths ---- */

static bool offers_classify(const struct model *model)
{
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(model->version, &n);
    for (size_t i = 0; i < keras_model_n_inputs(model->keras); i++)
        if (keras_model_input(model->keras, i)->shape.rank > 2)
            return false;
    return n == 1 && dtype_is_float(outputs[0].dtype) && outputs[0].shape.rank > 0 && outputs[0].shape.rank <= 2;
}

static bool offers_regress(const struct model *model)
{
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(model->version, &n);
    return offers_classify(model) && (outputs[0].shape.rank == 1 || outputs[0].shape.dim[1] == 1);
}

/* Half floats only come as binary data. */
static bool offers_infer(const struct model *model)
{
    size_t n;
    const struct keras_signature_tensor *outputs = registry_version_outputs(model->version, &n);
    bool ok = true;
    for (size_t i = 0; i < keras_model_n_inputs(model->keras); i++)
        ok = ok && dtype_size(keras_model_input(model->keras, i)->dtype) != 2;
    for (size_t i = 0; i < n; i++)
        ok = ok && (!dtype_is_float(outputs[i].dtype) || dtype_size(outputs[i].dtype) != 2);
    return ok;
}

#define PREDICT_ANSWER                                                                                       \
    "{\"type\":\"object\",\"anyOf\":[{\"required\":[\"predictions\"]},{\"required\":[\"outputs\"]}]}"

static const struct prediction {
    const char *verb, *tag, *summary, *path; /* %s: NAME or NAME/versions/V */
    void (*put_body)(struct buf *buf, const struct model *model);
    const char *answer;
    bool (*offered)(const struct model *model); /* NULL: always */
} predictions[] = {
    {"predict", "V1", "Predict, by rows or by columns", "/v1/models/%s:predict", put_predict_body, PREDICT_ANSWER, NULL},
    {"classify", "V1", "Scores of all classes", "/v1/models/%s:classify", put_examples_body,
     "{\"$ref\":\"#/components/schemas/Results\"}", offers_classify},
    {"regress", "V1", "One number per example", "/v1/models/%s:regress", put_examples_body,
     "{\"$ref\":\"#/components/schemas/Results\"}", offers_regress},
    {"infer", "V2", "Infer", "/v2/models/%s/infer", put_infer_body, "{\"$ref\":\"#/components/schemas/InferAnswer\"}",
     offers_infer},
};

static void put_prediction(struct buf *buf, const struct prediction *prediction, const struct model *model,
                           const char *place)
{
    char path[512];
    const char *mark = strstr(prediction->path, "%s");
    snprintf(path, sizeof(path), "%.*s%s%s", (int)(mark - prediction->path), prediction->path, place, mark + 2);
    json_out_string(buf, path);
    buf_printf(buf, ":{\"post\":{\"operationId\":\"%s %s\",\"tags\":[\"%s\"],\"summary\":\"%s\",\"requestBody\":{\"required\":"
                    "true,\"content\":{\"application/json\":{\"schema\":",
               prediction->verb, place, prediction->tag, prediction->summary);
    prediction->put_body(buf, model);
    buf_printf(buf, "}}},\"responses\":{\"200\":{\"description\":\"The outputs.\",\"content\":{\"application/json\":{"
                    "\"schema\":%s}%s}},\"default\":{\"$ref\":\"#/components/responses/Error\"}}}},",
               prediction->answer,
               str_equal(prediction->tag, "V2") ? ",\"application/octet-stream\":{\"schema\":{}}" : "");
}

static void put_model(struct buf *buf, const struct registry_status *status)
{
    struct model model = {status->model, status->loaded, registry_version_keras(status->loaded)};
    char place[400];
    for (size_t i = 0; i < KD_COUNT(predictions); i++) {
        if (predictions[i].offered && !predictions[i].offered(&model))
            continue;
        if (status->current)
            put_prediction(buf, &predictions[i], &model, status->model);
        snprintf(place, sizeof(place), "%s/versions/%" PRId64, status->model, status->version);
        put_prediction(buf, &predictions[i], &model, place);
    }
}

/* ---- the document ---- */

static void put_names(struct buf *buf, const struct registry_snapshot *snapshot)
{
    size_t n = 0;
    for (size_t i = 0; i < snapshot->n; i++) {
        if (i > 0 && str_equal(snapshot->items[i].model, snapshot->items[i - 1].model))
            continue;
        buf_puts(buf, n++ ? "," : "");
        json_out_string(buf, snapshot->items[i].model);
    }
    buf_puts(buf, n ? "" : "\"\"");
}

/* Copies up to the mark and goes behind it. */
static const char *copy_to(struct buf *buf, const char *from, const char *mark)
{
    const char *at = strstr(from, mark);
    buf_append(buf, from, (size_t)(at - from));
    return at + strlen(mark);
}

void docs_openapi(struct request *request)
{
    struct registry_snapshot *snapshot;
    struct err err;
    if (registry_snapshot(request->http->registry, NULL, &snapshot, &err) != 0) {
        answer_error(request, &err);
        return;
    }
    struct buf *buf = answer(request, 200);
    const char *rest = copy_to(buf, document, "@VERSION@");
    buf_puts(buf, request->http->version);
    rest = copy_to(buf, rest, "\"@MODEL_PATHS@\": {},");
    for (size_t i = 0; i < snapshot->n; i++)
        if (snapshot->items[i].loaded)
            put_model(buf, &snapshot->items[i]);
    rest = copy_to(buf, rest, "\"@MODEL_NAMES@\"");
    put_names(buf, snapshot);
    buf_puts(buf, rest);
    registry_snapshot_free(snapshot);
}
