/* fuzz_keras_json: a hostile model_config, through parsing, binding, lowering, compiling and planning. The
 * image holds no weights; models without any go all the way. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/engine.h"
#include "fuzz/fuzz.h"
#include "image/image.h"
#include "image/image_write.h"
#include "keras/keras.h"

static struct image *image_of(const uint8_t *data, size_t size, const char *version)
{
    struct image *image = NULL;
    struct err err;
    struct image_writer *writer = image_writer_new(1 << 24);
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    image_writer_kind(writer, IMAGE_MODEL, false);
    int rc = image_writer_text(writer, IMAGE_MODEL_CONFIG, (const char *)data, size, &err);
    if (rc == 0 && version)
        rc = image_writer_text(writer, IMAGE_KERAS_VERSION, version, strlen(version), &err);
    if (rc == 0)
        rc = image_writer_map(writer, fd, &err);
    if (rc == 0)
        rc = image_writer_finish(writer, &err);
    image_writer_free(writer);
    if (rc == 0 && image_open(fd, 1 << 24, &image, &err) != 0)
        image = NULL;
    close(fd);
    return image;
}

static void plan(const struct keras_model *model)
{
    struct engine *engine = keras_model_engine(model);
    struct engine_plan *made = NULL;
    struct shape shapes[256];
    struct err err;
    for (size_t i = 0; i < engine_n_inputs(engine); i++) {
        shapes[i] = *engine_input_shape(engine, i);
        for (int axis = 0; axis < shapes[i].rank; axis++)
            if (shapes[i].dim[axis] == SHAPE_UNKNOWN)
                shapes[i].dim[axis] = 2;
    }
    if (engine_plan_get(engine, shapes, &made, &err) == 0)
        engine_plan_put(made);
}

static void build(const struct image *image, const struct keras_options *options)
{
    struct keras_model *model = NULL;
    struct buf text;
    struct err err;
    buf_init(&text, 1 << 22);
    if (keras_build(image, options, &model, &err) == 0) {
        plan(model);
        keras_model_print(model, &text);
        keras_model_json(model, &text);
    } else {
        keras_obstacles(image, options, &text);
    }
    keras_model_free(model);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* NULL: the generation is guessed from the text. */
    static const char *const versions[] = {NULL, "1.2.2", "2.2.4", "3.5.0"};
    struct keras_options options = {.ignore_training_true = size % 2};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        struct image *image = image_of(data, size, versions[i]);
        if (image)
            build(image, &options);
        image_close(image);
    }
    return 0;
}
