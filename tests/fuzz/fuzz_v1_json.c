/* Fuzz target: any bytes as the body of :predict. The first byte says how many inputs the model has and how the body is
 * cut; all pieces must give the same outcome as the whole. */
#include "fuzz/body.h"
#include "http/v1_body.h"

static void feed(void *body, const char *data, size_t length)
{
    v1_body_feed(body, data, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct v1_body body;
    static struct inputs inputs;
    struct err err[2];
    bool columnar;
    if (size == 0)
        return 0;
    size_t n = data[0] % 4 + 1, piece = data[0] / 4 + 1;
    int codes[2];
    for (int i = 0; i < 2; i++) {
        memset(&err[i], 0, sizeof(err[i]));
        body_bind(&inputs, n);
        v1_body_start(&body, &inputs, JSON_DEFAULT_DEPTH);
        body_feed(&body, feed, data + 1, size - 1, i ? piece : size);
        codes[i] = v1_body_end(&body, NULL, &columnar, &err[i]);
        if (codes[i] == 0)
            body_touch(&inputs);
    }
    if (codes[0] != codes[1] || strcmp(err[0].text, err[1].text) != 0)
        abort();
    return 0;
}
