/* Version: from a model file to something that can serve, and back to nothing.
 *
 *   memory check ─► jailed child reads the file ─► image ─► Keras ─► engine ─► queue ─► warm-up ─► self-test
 *
 * All of it happens beside what serves now. Whatever fails, fails here, before anybody can ask for the
 * version, and takes everything down again; the error says which step, and the registry decides what goes
 * on serving. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/size.h"
#include "base/str.h"
#include "engine/engine.h"
#include "image/image.h"
#include "keras/keras.h"
#include "load/load.h"
#include "obs/metrics.h"
#include "registry/beside.h"
#include "registry/model.h"
#include "registry/source.h"
#include "sched/batch.h"
#include "sched/job.h"
#include "sched/pool.h"

#define MAX_CLASSES_BYTES (4u << 20)
#define MAX_BATCH_BYTES (64u << 20)
#define MAX_WARMUP_BYTES ((size_t)1 << 30)

/* ---- files beside the model ---- */

/* Teachable Machine writes "0 cat", "1 dog": the number is the index if every line has it. */
static void strip_indices(char **classes, size_t n)
{
    char index[24];
    for (size_t i = 0; i < n; i++) {
        snprintf(index, sizeof(index), "%zu ", i);
        if (!str_starts(classes[i], index))
            return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = strchr(classes[i], ' ') + 1;
        memmove(classes[i], name, strlen(name) + 1);
    }
}

static int split_lines(struct registry_version *version, char *text, struct err *err)
{
    size_t n = 0;
    for (const char *c = text; *c; c++)
        n += *c == '\n';
    version->classes = calloc(n + 1, sizeof(*version->classes));
    if (!version->classes)
        return err_set(err, KD_ENOMEM, "out of memory for class names");
    for (char *line = text; line && *line;) {
        char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) : strlen(line);
        if (length && line[length - 1] == '\r')
            length--;
        char *name = strndup(line, length);
        if (!name)
            return err_set(err, KD_ENOMEM, "out of memory for class names");
        version->classes[version->n_classes++] = name;
        line = end ? end + 1 : NULL;
    }
    strip_indices(version->classes, version->n_classes);
    return 0;
}

static int read_classes(struct registry_version *version, const struct conf_model *conf, const char *path,
                        struct err *err)
{
    char found[4096];
    struct buf text;
    if (*conf->classes)
        snprintf(found, sizeof(found), "%s", conf->classes);
    else if (!registry_beside_find(path, "labels.txt", found, sizeof(found)))
        return 0;
    buf_init(&text, MAX_CLASSES_BYTES);
    int code = fd_read_file(found, &text, err);
    if (code == 0 && text.length) {
        if (strlen(text.data) != text.length || str_utf8_valid(text.data, text.length) != text.length)
            code = err_set(err, KD_EFORMAT, "the class names are not UTF-8 text");
        else
            code = split_lines(version, text.data, err);
    }
    buf_done(&text);
    return code;
}

/* ---- the model ---- */

/* The status is for clients, who have no business with paths: what stands before it ("'PATH': ") goes, and
 * so do directories in the rest. The log has the path. */
static void hide_path(struct err *err, const char *path)
{
    char prefix[4096], *place;
    const char *slash = strrchr(path, '/');
    size_t directory = slash ? (size_t)(slash - path) + 1 : 0;
    snprintf(prefix, sizeof(prefix), "'%s': ", path);
    if (str_starts(err->text, prefix))
        memmove(err->text, err->text + strlen(prefix), strlen(err->text + strlen(prefix)) + 1);
    snprintf(prefix, sizeof(prefix), "%.*s", (int)directory, path);
    while (directory && (place = strstr(err->text, prefix)))
        memmove(place, place + directory, strlen(place + directory) + 1);
}

static int load_image(struct registry_version *version, const struct conf *conf, const char *path,
                      struct err *err)
{
    struct registry_file file;
    struct load_options options = {
        .helper = *conf->loader ? conf->loader : NULL,
        .max_file_bytes = conf->max_file_bytes,
        .max_image_bytes = conf->max_image_bytes,
        .max_memory_bytes = conf->loader_memory,
        .timeout_ms = conf->load_timeout,
        .jail = conf->jail,
    };
    /* The image takes the file's size at least, packed weights as much again. */
    int code = 0;
    if (conf->memory_check && registry_file_identify(path, &file))
        code = registry_memory_check(2 * file.size, err);
    if (code == 0)
        code = load_file(path, NULL, &options, &version->image, err);
    if (code == 0 && conf->memory_check)
        code = registry_memory_check(image_bytes(version->image), err);
    return code;
}

static int build_keras(struct registry_version *version, const struct conf_model *conf, const char *path,
                       struct err *err)
{
    struct buf sidecar;
    struct keras_options options = {
        .no_lambda_recovery = !conf->lambda_recovery,
        .ignore_training_true = conf->ignore_training_true,
        .legacy_bilinear = conf->legacy_bilinear,
        .flip_theano_kernels = conf->flip_theano_kernels,
        .max_plans = (size_t)conf->plan_cache,
        .max_arena_bytes = conf->max_arena_bytes,
    };
    buf_init(&sidecar, REGISTRY_SIDECAR_MAX_BYTES);
    int code = registry_sidecar_read(path, conf->sidecar, &sidecar, err);
    options.sidecar = sidecar.data;
    if (code == 0)
        code = keras_build(version->image, &options, &version->keras, err);
    buf_done(&sidecar);
    return code;
}

static int make_queue(struct registry_version *version, struct sched_pool *pool,
                      const struct conf_model *conf, struct err *err)
{
    struct sched_limits limits = {
        .max_rows = conf->max_batch,
        .delay_ns = conf->batch_delay_us * 1000,
        .max_bytes = MAX_BATCH_BYTES,
        .max_jobs = (size_t)conf->max_queue_jobs,
    };
    return sched_queue_new(pool, keras_model_engine(version->keras), &limits, &version->queue, err);
}

/* ---- warm-up ---- */

/* Zeros (empty strings) for every input. *ret_inputs is NULL if a size besides the batch is not known. */
static int zero_inputs(const struct engine *engine, struct arena *arena, struct tensor **ret_inputs,
                       struct err *err)
{
    size_t n = engine_n_inputs(engine), total = 0;
    struct tensor *inputs = arena_calloc(arena, n + 1, sizeof(*inputs));
    *ret_inputs = NULL;
    for (size_t i = 0; inputs && i < n; i++) {
        size_t bytes;
        inputs[i].dtype = engine_input_dtype(engine, i);
        inputs[i].shape = *engine_input_shape(engine, i);
        if (inputs[i].shape.rank > 0 && inputs[i].shape.dim[0] == SHAPE_UNKNOWN)
            inputs[i].shape.dim[0] = 1;
        if (!shape_known(&inputs[i].shape))
            return 0;
        if (!tensor_bytes(inputs[i].dtype, &inputs[i].shape, &bytes) || !size_add(total, bytes, &total) ||
            total > MAX_WARMUP_BYTES)
            return 0;
        char *data = arena_alloc(arena, bytes + 64); /* the arena aligns to 16 */
        if (!data)
            return err_set(err, KD_ENOMEM, "out of memory for the warm-up");
        inputs[i].data = (void *)size_align((uintptr_t)data, 64);
    }
    *ret_inputs = inputs;
    return inputs ? 0 : err_set(err, KD_ENOMEM, "out of memory for the warm-up");
}

/* One run with zeros: touches every weight, makes the plan, and shows whether the model runs at all. */
static int warm_up(const struct registry_version *version, struct err *err)
{
    struct engine *engine = keras_model_engine(version->keras);
    struct arena *arena = arena_new();
    struct sched_memory *memory = sched_memory_new();
    struct sched_job job = {.rows = 1};
    struct sched_times times;
    struct tensor *inputs = NULL;
    int code = arena && memory ? zero_inputs(engine, arena, &inputs, err) : KD_ENOMEM;
    if (code == 0 && inputs) {
        job.inputs = inputs;
        sched_batch_run(engine, memory, &job, 1, &times);
        code = job.code ? err_set(err, job.code, "warm-up with zeros: %s", job.err.text) : 0;
    }
    sched_job_done(&job);
    sched_memory_free(memory);
    arena_free(arena);
    return code;
}

/* ---- all together ---- */

static int test_version(const struct registry_version *version, const struct conf_model *conf,
                        const char *path, struct err *err)
{
    char found[4096];
    int code = conf->warmup ? warm_up(version, err) : 0;
    if (code == 0 && conf->selftest && registry_beside_find(path, "selftest.json", found, sizeof(found))) {
        code = registry_selftest(version, found, err);
        if (code)
            err_wrap(err, "self-test");
    }
    return code;
}

/* The signature's outputs, by the layers' names or as Keras 3 exports number them. */
static int name_outputs(struct registry_version *version, const struct conf_model *conf, struct err *err)
{
    size_t n = keras_model_n_outputs(version->keras);
    bool keras3 = str_equal(conf->output_names, "keras3");
    version->outputs = calloc(n, sizeof(*version->outputs));
    version->output_names = keras3 ? calloc(n, sizeof(*version->output_names)) : NULL;
    if (!version->outputs || (keras3 && !version->output_names))
        return err_set(err, KD_ENOMEM, "out of memory");
    version->n_outputs = n;
    for (size_t i = 0; i < n; i++) {
        version->outputs[i] = *keras_model_output(version->keras, i);
        if (!keras3)
            continue;
        snprintf(version->output_names[i], sizeof(version->output_names[i]), "output_%u",
                 (unsigned)i % 1000000);
        version->outputs[i].name = version->output_names[i];
    }
    return 0;
}

int registry_version_build(struct registry *registry, const struct conf_model *conf, const char *model,
                           int64_t number, const char *path, struct registry_version **ret, struct err *err)
{
    int64_t start = clock_now_ns();
    struct registry_version *version = calloc(1, sizeof(*version));
    if (!version || !(version->model = strdup(model)) || !(version->cells = registry_cells_new())) {
        registry_version_free(version);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    version->refs = 1;
    version->registry = registry;
    version->number = number;
    int code = load_image(version, registry->conf, path, err);
    if (code == 0)
        code = build_keras(version, conf, path, err);
    if (code == 0)
        code = name_outputs(version, conf, err);
    if (code == 0)
        code = make_queue(version, registry->pool, conf, err);
    if (code == 0)
        code = read_classes(version, conf, path, err);
    if (code == 0)
        code = test_version(version, conf, path, err);
    if (code) {
        hide_path(err, path);
        registry_version_free(version);
        return code;
    }
    version->bytes = image_bytes(version->image) + engine_bytes(keras_model_engine(version->keras));
    version->load_ns = clock_now_ns() - start;
    version->loaded_at_ns = clock_wall_ns();
    *ret = version;
    return 0;
}

void registry_version_free(struct registry_version *version)
{
    if (!version)
        return;
    sched_queue_free(version->queue);
    keras_model_free(version->keras);
    image_close(version->image);
    metrics_cells_free(version->cells);
    for (size_t i = 0; i < version->n_classes; i++)
        free(version->classes[i]);
    free(version->classes);
    free(version->outputs);
    free(version->output_names);
    free(version->model);
    free(version);
}

/* ---- what others may know of it ---- */

const char *registry_version_model(const struct registry_version *version)
{
    return version->model;
}

int64_t registry_version_number(const struct registry_version *version)
{
    return version->number;
}

const struct keras_model *registry_version_keras(const struct registry_version *version)
{
    return version->keras;
}

struct sched_queue *registry_version_queue(struct registry_version *version)
{
    return version->queue;
}

int64_t registry_version_max_batch(const struct registry_version *version)
{
    return sched_queue_max_rows(version->queue);
}

const struct keras_signature_tensor *registry_version_outputs(const struct registry_version *version,
                                                              size_t *ret_n)
{
    *ret_n = version->n_outputs;
    return version->outputs;
}

const char *registry_version_class(const struct registry_version *version, int64_t index)
{
    return index >= 0 && (size_t)index < version->n_classes ? version->classes[index] : NULL;
}
