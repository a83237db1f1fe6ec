/* Models for tests: an image built in memory from a config and a few arrays, built and run without a file.
 *
 *   case_begin(config, "2.15.0"); case_layer("dense"); case_weight("dense/kernel:0", shape, numbers); ...
 *   struct keras_model *model = case_build(NULL, &err);   the image is closed by case_end()
 *   case_run(model, ...) fills *ret with the first output                                        */
#ifndef KD_TESTS_KERAS_CASE_H
#define KD_TESTS_KERAS_CASE_H

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "engine/engine.h"
#include "image/image.h"
#include "image/image_write.h"
#include "keras/keras.h"
#include "unit.h"

#define CASE_MAX_WEIGHTS 64

static struct image_writer *case_writer;
static struct image *case_image;
static size_t case_n_weights;
static struct {
    size_t index;
    const float *data;
} case_weights[CASE_MAX_WEIGHTS];

static inline void case_begin(const char *config, const char *version)
{
    struct err err;
    case_writer = image_writer_new(1 << 24);
    case_n_weights = 0;
    image_writer_kind(case_writer, IMAGE_MODEL, false);
    CU_ASSERT_EQUAL(image_writer_text(case_writer, IMAGE_MODEL_CONFIG, config, strlen(config), &err), 0);
    for (int i = 0; version && i < 2; i++)
        image_writer_text(case_writer, i ? IMAGE_WEIGHTS_VERSION : IMAGE_KERAS_VERSION, version,
                          strlen(version), &err);
}

static inline void case_backend(const char *backend)
{
    struct err err;
    image_writer_text(case_writer, IMAGE_WEIGHTS_BACKEND, backend, strlen(backend), &err);
}

static inline void case_layer(const char *name)
{
    struct err err;
    CU_ASSERT_EQUAL(image_writer_layer(case_writer, name, &err), 0);
}

/* data must live until case_build. */
static inline void case_weight(const char *name, struct shape shape, const float *data)
{
    struct err err;
    size_t index = 0;
    CU_ASSERT_EQUAL_FATAL(image_writer_tensor(case_writer, IMAGE_SECTION_LAYERS, name, DTYPE_FLOAT32, &shape,
                                              true, &index, &err),
                          0);
    case_weights[case_n_weights].index = index;
    case_weights[case_n_weights++].data = data;
}

static inline const struct image *case_finish(void)
{
    struct err err = {0};
    int fd = memfd_create("case", MFD_CLOEXEC);
    CU_ASSERT_EQUAL_FATAL(image_writer_map(case_writer, fd, &err), 0);
    for (size_t i = 0; i < case_n_weights; i++) {
        size_t bytes;
        void *to = image_writer_data(case_writer, case_weights[i].index, &bytes);
        if (case_weights[i].data)
            memcpy(to, case_weights[i].data, bytes);
    }
    CU_ASSERT_EQUAL_FATAL(image_writer_finish(case_writer, &err), 0);
    image_writer_free(case_writer);
    case_writer = NULL;
    CU_ASSERT_EQUAL_FATAL(image_open(fd, 1 << 24, &case_image, &err), 0);
    close(fd);
    return case_image;
}

/* NULL with err set if the model is refused. */
static inline struct keras_model *case_build(const struct keras_options *options, struct err *err)
{
    struct keras_model *model = NULL;
    err->text[0] = '\0';
    if (!case_image)
        case_finish();
    return keras_build(case_image, options, &model, err) == 0 ? model : NULL;
}

static inline void case_end(struct keras_model *model)
{
    keras_model_free(model);
    image_close(case_image);
    case_image = NULL;
}

/* The model must be refused, and the sentence must hold all words. */
static inline void case_refused(const char *config, const char *version, const char *const *words)
{
    struct err err = {0};
    case_begin(config, version);
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NULL(model);
    for (size_t i = 0; words[i]; i++)
        if (!strstr(err.text, words[i])) {
            printf("\n    '%s' is missing in: %s\n", words[i], err.text);
            CU_FAIL("refused for another reason");
        }
    case_end(model);
}

/* Runs float inputs of the given shapes; at most `room` values of output `which`. Returns the number of
 * values, 0 on failure. */
static inline size_t case_run(struct keras_model *model, const struct shape *shapes, const float *const *data,
                              size_t which, float *ret, size_t room)
{
    struct engine *engine = keras_model_engine(model);
    struct engine_worker *worker = engine_worker_new();
    struct engine_plan *plan = NULL;
    struct err err = {0};
    struct tensor inputs[8], outputs[8];
    size_t n_inputs = engine_n_inputs(engine), n_outputs = engine_n_outputs(engine), bytes, n = 0;
    int rc = engine_plan_get(engine, shapes, &plan, &err);
    for (size_t i = 0; i < n_inputs; i++) {
        inputs[i] = (struct tensor){engine_input_dtype(engine, i), shapes[i], NULL};
        tensor_bytes(DTYPE_FLOAT32, &shapes[i], &bytes);
        inputs[i].data = aligned_alloc(64, size_align(bytes + 1, 64));
        memcpy(inputs[i].data, data[i], bytes);
    }
    for (size_t i = 0; rc == 0 && i < n_outputs; i++) {
        tensor_bytes(engine_output_dtype(engine, i), engine_plan_output_shape(plan, i), &bytes);
        outputs[i].data = aligned_alloc(64, size_align(bytes + 1, 64));
    }
    bool allocated = rc == 0;
    if (rc == 0)
        rc = engine_run(plan, worker, inputs, outputs, &err);
    if (rc == 0) {
        tensor_bytes(outputs[which].dtype, &outputs[which].shape, &bytes);
        n = bytes / sizeof(float);
        memcpy(ret, outputs[which].data, (n < room ? n : room) * sizeof(float));
    } else {
        printf("\n    run: %s\n", err.text);
    }
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].data);
    for (size_t i = 0; allocated && i < n_outputs; i++)
        free(outputs[i].data);
    engine_plan_put(plan);
    engine_worker_free(worker);
    return n;
}

/* One input, first output. */
static inline void case_expect(struct keras_model *model, struct shape shape, const float *x,
                               const float *expected, size_t n)
{
    float got[64] = {0};
    const float *data[] = {x};
    CU_ASSERT_EQUAL(case_run(model, &shape, data, 0, got, KD_COUNT(got)), n);
    for (size_t i = 0; i < n; i++) {
        if (!(fabsf(got[i] - expected[i]) <= 1e-5f * fmaxf(1, fabsf(expected[i]))))
            printf("\n    value %zu is %g, expected %g\n", i, (double)got[i], (double)expected[i]);
        CU_ASSERT(fabsf(got[i] - expected[i]) <= 1e-5f * fmaxf(1, fabsf(expected[i])));
    }
}

static inline bool case_warns(const struct keras_model *model, const char *word)
{
    for (size_t i = 0; i < keras_model_n_warnings(model); i++)
        if (strstr(keras_model_warning(model, i), word))
            return true;
    return false;
}

#endif
