/* v1_examples: :classify and :regress. A Keras model has no signature of its own for them; it classifies if it has one
 * output with a row of scores per example, and regresses if that row is one number. */
#include <string.h>

#include "base/clock.h"
#include "http/json_out.h"
#include "http/request.h"
#include "http/server.h"
#include "http/v1.h"
#include "keras/keras.h"

void v1_examples_begin(struct request *request)
{
    v1_predict_begin(request);
    request->predict.v1.examples = true;
}

/* The one output, if it has this many values per row (0: any number). */
static const struct tensor *only_output(struct request *request, int64_t values, const char *verb)
{
    const struct tensor *output = &request->predict.job.outputs[0];
    size_t n;
    registry_version_outputs(request->predict.version, &n);
    int64_t row = output->shape.rank ? shape_product(&output->shape, 1, output->shape.rank) : 0;
    bool ok = n == 1 && output->shape.rank > 0 && output->shape.rank <= 2 && dtype_is_float(output->dtype) &&
              (values == 0 || row == values);
    if (ok)
        return output;
    struct err err;
    err_set(&err, KD_EINVAL, "the model cannot %s: that takes one output of %s", verb,
            values ? "one float per row" : "float scores per row");
    predict_fail(request, &err);
    return NULL;
}

static void encode_classes(struct request *request)
{
    const struct tensor *output = only_output(request, 0, "classify");
    if (!output)
        return;
    struct buf *buf = answer(request, 200);
    int64_t rows = output->shape.dim[0], classes = shape_product(&output->shape, 1, output->shape.rank);
    buf_puts(buf, "{\"results\":[");
    for (int64_t row = 0; row < rows; row++) {
        buf_puts(buf, row ? ",[" : "[");
        for (int64_t i = 0; i < classes && !buf->failed; i++) {
            const char *label = registry_version_class(request->predict.version, i);
            char number[JSON_OUT_NUMBER_MAX + 2], *end = json_out_f32(number, tensor_f32(output)[row * classes + i],
                                                                      JSON_OUT_TFS);
            *end++ = ']';
            buf_puts(buf, i ? ",[" : "[");
            json_out_string(buf, label ? label : "");
            buf_putc(buf, ',');
            buf_append(buf, number, (size_t)(end - number));
        }
        buf_putc(buf, ']');
    }
    buf_puts(buf, "]}");
}

static void encode_values(struct request *request)
{
    static const struct json_out_style style = {.digits = JSON_OUT_TFS, .layout = JSON_OUT_FLAT};
    const struct tensor *output = only_output(request, 1, "regress");
    if (!output)
        return;
    struct buf *buf = answer(request, 200);
    buf_puts(buf, "{\"results\":[");
    json_out_tensor(buf, output, &style);
    buf_puts(buf, "]}");
}

void v1_classify_end(struct request *request)
{
    v1_run(request, encode_classes);
}

void v1_regress_end(struct request *request)
{
    v1_run(request, encode_values);
}
