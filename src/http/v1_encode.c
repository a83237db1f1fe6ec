/* v1_encode: outputs as TensorFlow Serving prints them: rows ("predictions") or whole tensors ("outputs"), bare for one
 * output, objects for several. Compact, or laid out as it does if somebody wants to compare texts. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "http/json_out.h"
#include "http/v1.h"
#include "keras/keras.h"

struct encoder {
    const struct keras_signature_tensor *signature;
    const struct tensor *outputs;
    size_t n;
    bool pretty;
    struct buf *buf;
};

static struct json_out_style style_of(const struct encoder *encoder, size_t i, enum json_out_layout pretty, int indent)
{
    const char *name = encoder->signature[i].name;
    return (struct json_out_style){.digits = JSON_OUT_TFS,
                                   .layout = encoder->pretty ? pretty : JSON_OUT_COMPACT,
                                   .indent = indent,
                                   .base64 = str_ends(name, "_bytes")};
}

static void put_name(const struct encoder *encoder, size_t i, const char *indent)
{
    const char *name = encoder->signature[i].name;
    if (i > 0)
        buf_putc(encoder->buf, ',');
    if (encoder->pretty)
        buf_printf(encoder->buf, "\n%s", indent);
    buf_json_string(encoder->buf, name, strlen(name));
    buf_puts(encoder->buf, encoder->pretty ? ": " : ":");
}

static int check_rows(const struct encoder *encoder, struct err *err)
{
    int64_t rows = encoder->outputs[0].shape.dim[0];
    for (size_t i = 0; i < encoder->n; i++) {
        const struct shape *shape = &encoder->outputs[i].shape;
        const char *name = encoder->signature[i].name;
        if (shape->rank == 0)
            return err_set(err, KD_EINVAL, "Tensor name: %s has no shape information ", name);
        if (shape->dim[0] != rows)
            return err_set(err, KD_EINVAL,
                           "Tensor name: %s has inconsistent batch size: %lld expecting: %lld; use \"inputs\" instead "
                           "of \"instances\"",
                           name, (long long)shape->dim[0], (long long)rows);
    }
    return 0;
}

/* One output: a list of its rows. */
static void put_bare_rows(const struct encoder *encoder)
{
    struct json_out_style style = style_of(encoder, 0, JSON_OUT_ONE_LINE, 0);
    const struct tensor *output = &encoder->outputs[0];
    if (!encoder->pretty) {
        json_out_tensor(encoder->buf, output, &style);
        return;
    }
    buf_putc(encoder->buf, '[');
    for (int64_t row = 0; row < output->shape.dim[0]; row++) {
        buf_puts(encoder->buf, row ? ", " : "");
        json_out_rows(encoder->buf, output, row, 1, false, &style);
    }
    buf_puts(encoder->buf, "\n    ]");
}

/* Several outputs: a list of objects. */
static void put_object_rows(const struct encoder *encoder)
{
    int64_t rows = encoder->outputs[0].shape.dim[0];
    buf_putc(encoder->buf, '[');
    for (int64_t row = 0; row < rows && !encoder->buf->failed; row++) {
        buf_puts(encoder->buf, row ? "," : "");
        buf_puts(encoder->buf, encoder->pretty ? "\n        {" : "{");
        for (size_t i = 0; i < encoder->n; i++) {
            struct json_out_style style = style_of(encoder, i, JSON_OUT_ONE_LINE, 0);
            put_name(encoder, i, "            ");
            json_out_rows(encoder->buf, &encoder->outputs[i], row, 1, false, &style);
        }
        buf_puts(encoder->buf, encoder->pretty ? "\n        }" : "}");
    }
    buf_puts(encoder->buf, encoder->pretty ? "\n    ]" : "]");
}

static void put_columns(const struct encoder *encoder)
{
    if (encoder->n == 1) {
        struct json_out_style style = style_of(encoder, 0, JSON_OUT_INDENTED, 4);
        json_out_tensor(encoder->buf, &encoder->outputs[0], &style);
        return;
    }
    buf_putc(encoder->buf, '{');
    for (size_t i = 0; i < encoder->n; i++) {
        struct json_out_style style = style_of(encoder, i, JSON_OUT_INDENTED, 8);
        put_name(encoder, i, "        ");
        json_out_tensor(encoder->buf, &encoder->outputs[i], &style);
    }
    buf_puts(encoder->buf, encoder->pretty ? "\n    }" : "}");
}

int v1_encode(const struct keras_signature_tensor *signature, size_t n, const struct tensor *outputs, bool columnar,
              bool pretty, struct buf *ret, struct err *err)
{
    struct encoder encoder = {signature, outputs, n, pretty, ret};
    int code = columnar ? 0 : check_rows(&encoder, err);
    if (code)
        return code;
    buf_puts(ret, pretty ? "{\n    \"" : "{\"");
    buf_puts(ret, columnar ? "outputs\":" : "predictions\":");
    buf_puts(ret, pretty ? " " : "");
    if (columnar)
        put_columns(&encoder);
    else if (encoder.n == 1)
        put_bare_rows(&encoder);
    else
        put_object_rows(&encoder);
    buf_puts(ret, pretty ? "\n}" : "}");
    return 0;
}
