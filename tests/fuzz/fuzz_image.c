/* Fuzz target: any bytes as a model image. What the verifier accepts must be safe to use, so all of it is
 * touched. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "image/image.h"

static unsigned sum;

static void touch_tensors(const struct image_tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned char *data = tensors[i].data;
        sum += (unsigned)strlen(tensors[i].name);
        if (!data)
            continue;
        int64_t elements;
        if (!shape_elements(&tensors[i].shape, &elements) ||
            (size_t)elements * dtype_size(tensors[i].dtype) != tensors[i].bytes ||
            (uintptr_t)data % IMAGE_ALIGNMENT)
            abort();
        for (size_t k = 0; k < tensors[i].bytes; k++)
            sum += data[k];
    }
}

static void touch(const struct image_content *content)
{
    const char *const texts[] = {content->keras_version,   content->backend,      content->weights_version,
                                 content->weights_backend, content->model_config, content->training_config};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        sum += texts[i] ? (unsigned)strlen(texts[i]) : 0;
    for (size_t i = 0; i < content->n_layers; i++) {
        sum += (unsigned)strlen(content->layers[i].name);
        touch_tensors(content->layers[i].weights, content->layers[i].n_weights);
    }
    touch_tensors(content->top_level, content->n_top_level);
    touch_tensors(content->optimizer, content->n_optimizer);
    touch_tensors(content->assets, content->n_assets);
    for (size_t i = 0; i < content->n_attributes; i++)
        sum += (unsigned)strlen(content->attributes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image *image;
    int fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    if (image_open(fd, (size_t)1 << 30, &image, NULL) == 0) {
        touch(image_content(image));
        image_close(image);
    }
    close(fd);
    return 0;
}
