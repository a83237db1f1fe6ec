/* v2_encode: outputs as the Open Inference Protocol answers them: a JSON head, tensors inside it as flat lists or behind
 * it as raw bytes, or (classification) the best classes as strings. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/v2.h"
#include "keras/keras.h"

#define MAX_CLASSIFIED 1000000

/* ---- bytes ---- */

static void put_le(char *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(value >> (8 * i));
}

static uint64_t float_bits(enum dtype dtype, float value)
{
    double wide = (double)value;
    uint64_t bits64;
    uint32_t bits32;
    switch (dtype) {
    case DTYPE_FLOAT64:
        memcpy(&bits64, &wide, sizeof(bits64));
        return bits64;
    case DTYPE_FLOAT16:
        return dtype_float_to_half(value);
    case DTYPE_BFLOAT16:
        return dtype_float_to_bfloat16(value);
    default:
        memcpy(&bits32, &value, sizeof(bits32));
        return bits32;
    }
}

static void put_strings(struct buf *buf, const struct str_view *strings, int64_t n)
{
    char length[4];
    for (int64_t i = 0; i < n; i++) {
        put_le(length, strings[i].length, 4);
        buf_append(buf, length, 4);
        buf_append(buf, strings[i].data, strings[i].length);
    }
}

static int64_t elements_of(const struct tensor *tensor)
{
    return shape_product(&tensor->shape, 0, tensor->shape.rank);
}

/* The tensor little-endian, row-major. */
static void put_binary(struct buf *buf, const struct tensor *tensor)
{
    int64_t n = elements_of(tensor);
    size_t size = dtype_size(tensor->dtype), bytes;
    if (tensor->dtype == DTYPE_STRING) {
        put_strings(buf, tensor->data, n);
        return;
    }
    char *place = size_mul((size_t)n, size, &bytes) ? buf_reserve(buf, bytes) : NULL;
    if (!place)
        return;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    bool as_is = tensor->dtype == DTYPE_FLOAT32 || tensor->dtype == DTYPE_INT64 || tensor->dtype == DTYPE_UINT64;
#else
    bool as_is = false;
#endif
    if (as_is && bytes)
        memcpy(place, tensor->data, bytes);
    for (int64_t i = 0; i < n && !as_is; i++)
        put_le(place + (size_t)i * size,
               dtype_is_float(tensor->dtype) ? float_bits(tensor->dtype, tensor_f32(tensor)[i])
                                             : (uint64_t)tensor_i64(tensor)[i],
               size);
    buf_commit(buf, bytes);
}

static uint64_t binary_bytes(const struct tensor *tensor)
{
    int64_t n = elements_of(tensor);
    uint64_t bytes = (uint64_t)n * dtype_size(tensor->dtype);
    const struct str_view *strings = tensor->data;
    for (int64_t i = 0; tensor->dtype == DTYPE_STRING && i < n; i++)
        bytes += 4 + strings[i].length;
    return bytes;
}

/* ---- classification ---- */

struct ranked {
    double value;
    int64_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    if (x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void put_class(struct buf *text, const struct registry_version *version, const struct tensor *tensor,
                      const struct ranked *ranked)
{
    const char *label = registry_version_class(version, ranked->index);
    if (dtype_is_float(tensor->dtype))
        buf_printf(text, "%f:%" PRId64, ranked->value, ranked->index);
    else
        buf_printf(text, "%" PRId64 ":%" PRId64, (int64_t)ranked->value, ranked->index);
    if (label)
        buf_printf(text, ":%s", label);
}

/* The k best of each row as strings; `text` gets their bytes, *ret_strings (free it) points into it. */
static int classify(const struct registry_version *version, const struct tensor *tensor, int64_t k, struct buf *text,
                    struct tensor *ret, struct err *err)
{
    int64_t n = elements_of(tensor), rows = tensor->shape.rank ? tensor->shape.dim[0] : 1;
    int64_t classes = rows ? n / rows : 0, best = k < classes ? k : classes;
    if (dtype_storage(tensor->dtype) == STORAGE_STR || n > MAX_CLASSIFIED)
        return err_set(err, KD_EINVAL, "classification is not possible for an output of %s",
                       n > MAX_CLASSIFIED ? "more than a million elements" : "datatype BYTES");
    struct ranked *ranked = calloc((size_t)classes + 1, sizeof(*ranked));
    struct str_view *strings = calloc((size_t)(rows * best) + 1, sizeof(*strings));
    if (!ranked || !strings) {
        free(ranked);
        free(strings);
        return err_set(err, KD_ENOMEM, "out of memory for classification");
    }
    for (int64_t row = 0; row < rows; row++) {
        for (int64_t i = 0; i < classes; i++)
            ranked[i] = (struct ranked){dtype_storage(tensor->dtype) == STORAGE_F32
                                            ? (double)tensor_f32(tensor)[row * classes + i]
                                            : (double)tensor_i64(tensor)[row * classes + i],
                                        i};
        qsort(ranked, (size_t)classes, sizeof(*ranked), compare_ranked);
        for (int64_t i = 0; i < best; i++) {
            size_t start = text->length;
            put_class(text, version, tensor, &ranked[i]);
            strings[row * best + i] = (struct str_view){(const char *)(uintptr_t)start, text->length - start};
        }
    }
    for (int64_t i = 0; i < rows * best; i++)
        strings[i].data = text->data + (uintptr_t)strings[i].data;
    free(ranked);
    *ret = (struct tensor){DTYPE_STRING, shape_of(2, (int)rows, (int)best), strings};
    return text->failed ? err_set(err, KD_ENOMEM, "out of memory for classification") : 0;
}

/* ---- head ---- */

static int check_json(const struct tensor *tensor, const char *name, struct err *err)
{
    if (tensor->dtype == DTYPE_FLOAT16 || tensor->dtype == DTYPE_BFLOAT16)
        return err_set(err, KD_EINVAL,
                       "sending %s data via JSON is not supported. Please use the binary data format for output '%s'",
                       dtype_v2_name(tensor->dtype), name);
    const struct str_view *strings = tensor->data;
    for (int64_t i = 0; tensor->dtype == DTYPE_STRING && i < elements_of(tensor); i++)
        if (str_utf8_valid(strings[i].data, strings[i].length) != strings[i].length)
            return err_set(err, KD_EINVAL,
                           "output '%s' has bytes that are no UTF-8. Please use the binary data format for it", name);
    return 0;
}

static int put_output(struct buf *buf, const char *name, const struct tensor *tensor, bool binary, struct err *err)
{
    static const struct json_out_style style = {.digits = JSON_OUT_SHORTEST, .layout = JSON_OUT_FLAT};
    char shape[SHAPE_TEXT_MAX];
    int code = binary ? 0 : check_json(tensor, name, err);
    buf_puts(buf, "{\"name\":");
    buf_json_string(buf, name, strlen(name));
    buf_printf(buf, ",\"datatype\":\"%s\",\"shape\":%s", dtype_v2_name(tensor->dtype),
               v2_shape_text(&tensor->shape, shape, sizeof(shape)));
    if (binary) {
        buf_printf(buf, ",\"parameters\":{\"binary_data_size\":%" PRIu64 "}}", binary_bytes(tensor));
        return 0;
    }
    buf_puts(buf, ",\"data\":[");
    json_out_tensor(buf, tensor, &style);
    buf_puts(buf, "]}");
    return code;
}

static void put_head(struct buf *buf, const struct request *request)
{
    const struct v2_body *body = &request->predict.v2;
    const struct registry_version *version = request->predict.version;
    const char *model = registry_version_model(version);
    buf_putc(buf, '{');
    if (body->has_id) {
        buf_puts(buf, "\"id\":");
        buf_json_string(buf, body->id, strlen(body->id));
        buf_putc(buf, ',');
    }
    buf_puts(buf, "\"model_name\":");
    buf_json_string(buf, model, strlen(model));
    buf_printf(buf, ",\"model_version\":\"%" PRId64 "\",\"outputs\":[", registry_version_number(version));
}

struct answer_output {
    bool wanted, binary;
    struct tensor tensor;
    void *classes; /* owned: strings of a classification */
};

static struct answer_output choose(const struct request *request, size_t i)
{
    const struct v2_body *body = &request->predict.v2;
    const struct v2_output *asked = &body->outputs[i];
    return (struct answer_output){
        .wanted = body->lists_outputs ? asked->wanted : true,
        .binary = body->lists_outputs ? asked->binary : body->binary_data_output,
        .tensor = request->predict.job.outputs[i],
    };
}

/* Writes the head, then the bytes of the binary outputs. Classified outputs are made first, in request->text. */
static int encode(struct request *request, struct buf *buf, bool *ret_binary, size_t *ret_head, struct err *err)
{
    const struct v2_body *body = &request->predict.v2;
    int code = 0;
    size_t n = 0;
    *ret_binary = false;
    put_head(buf, request);
    for (size_t i = 0; i < body->options.n_outputs && code == 0; i++) {
        struct answer_output output = choose(request, i);
        if (!output.wanted)
            continue;
        buf_puts(buf, n++ ? "," : "");
        if (body->outputs[i].classes) {
            buf_reset(&request->text);
            code = classify(request->predict.version, &output.tensor, body->outputs[i].classes, &request->text,
                            &output.tensor, err);
            output.classes = code == 0 ? output.tensor.data : NULL;
        }
        if (code == 0)
            code = put_output(buf, body->options.outputs[i].name, &output.tensor, output.binary, err);
        if (output.binary && code == 0) {
            put_binary(&request->binary, &output.tensor);
            *ret_binary = true;
        }
        free(output.classes);
    }
    buf_puts(buf, "]}");
    *ret_head = buf->length;
    return code;
}

void v2_encode(struct request *request)
{
    struct buf *buf = answer(request, 200);
    struct err err;
    bool binary;
    size_t head;
    buf_reset(&request->binary);
    int code = encode(request, buf, &binary, &head, &err);
    if (code) {
        predict_fail(request, &err);
        return;
    }
    request->response.compress = true;
    if (request->binary.failed)
        buf->failed = request->binary.failed;
    if (!binary || request->binary.length == 0)
        return;
    buf_append(buf, request->binary.data, request->binary.length);
    request->response.type = "application/octet-stream";
    snprintf(request->response.length_text, sizeof(request->response.length_text), "%zu", head);
    answer_header(request, "Inference-Header-Content-Length", request->response.length_text);
}
