/* Fuzz target: any bytes as an infer request with the binary tensor extension. The first byte says how many inputs the
 * model has and how the body is cut, the next two the length of the JSON part (65535: where the bytes say "}]}" last). */
#include "fuzz/body.h"
#include "http/v2_body.h"

static void feed(void *body, const char *data, size_t length)
{
    v2_body_feed(body, data, length);
}

/* Where the JSON part ends if it is the usual one. */
static uint64_t json_length(const uint8_t *data, size_t size)
{
    for (size_t i = size; i >= 3; i--)
        if (memcmp(data + i - 3, "}]}", 3) == 0)
            return i;
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct v2_body body;
    static struct inputs inputs;
    struct v2_options options = {.found = true, .outputs = body_outputs, .n_outputs = 2, .model_name = "m",
                                 .inputs = &inputs, .max_depth = JSON_DEFAULT_DEPTH};
    struct err err[2];
    if (size < 3)
        return 0;
    size_t n = data[0] % 4 + 1, piece = data[0] / 4 + 1;
    int codes[2];
    options.header_length = (uint64_t)data[1] << 8 | data[2];
    if (options.header_length == 65535)
        options.header_length = json_length(data + 3, size - 3);
    for (int i = 0; i < 2; i++) {
        memset(&err[i], 0, sizeof(err[i]));
        body_bind(&inputs, n);
        if (v2_body_start(&body, &options, NULL) != 0)
            abort();
        body_feed(&body, feed, data + 3, size - 3, i ? piece : size);
        codes[i] = v2_body_end(&body, NULL, &err[i]);
        if (codes[i] == 0)
            body_touch(&inputs);
    }
    if (codes[0] != codes[1] || strcmp(err[0].text, err[1].text) != 0)
        abort();
    return 0;
}
