/* Self-test: known inputs and outputs beside a model, compared before it may serve.
 *
 *   { "inputs":  [[0.1, 0.2], ...]  or  {"name": [...], ...},      batch dimension included
 *     "outputs": ...                the same for the outputs
 *     "tolerance": 1e-4 }           of the largest absolute expected value; 1e-4 if absent
 *
 * Written by whoever trained the model from what Keras computed. A difference means that this build,
 * machine or file does not compute what the author saw, and the version does not come up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/keras.h"
#include "registry/model.h"
#include "sched/batch.h"
#include "sched/job.h"

#define MAX_BYTES (64u << 20)

/* The nested array `json` as a tensor: first its shape along the first elements, then every element against
 * it. */
static int read_shape(const cJSON *json, struct shape *ret, struct err *err)
{
    ret->rank = 0;
    for (; cJSON_IsArray(json); json = json->child) {
        if (ret->rank == SHAPE_MAX_RANK)
            return err_set(err, KD_EFORMAT, "an array is nested more than %d deep", SHAPE_MAX_RANK);
        ret->dim[ret->rank++] = cJSON_GetArraySize(json);
        if (!json->child)
            return err_set(err, KD_EFORMAT, "an array is empty");
    }
    return 0;
}

static bool store(const cJSON *value, struct tensor *tensor, int64_t i)
{
    if (cJSON_IsBool(value) && dtype_storage(tensor->dtype) == STORAGE_I64) {
        tensor_i64(tensor)[i] = cJSON_IsTrue(value);
        return true;
    }
    if (dtype_storage(tensor->dtype) == STORAGE_STR) {
        if (!cJSON_IsString(value))
            return false;
        struct str_view *strings = tensor->data;
        strings[i] = (struct str_view){value->valuestring, strlen(value->valuestring)};
        return true;
    }
    if (!cJSON_IsNumber(value))
        return false;
    if (dtype_storage(tensor->dtype) == STORAGE_F32)
        tensor_f32(tensor)[i] = (float)value->valuedouble;
    else
        tensor_i64(tensor)[i] = (int64_t)value->valuedouble;
    return true;
}

/* Depth first with a stack of as many places as the rank. */
static int read_elements(const cJSON *json, struct tensor *tensor, struct err *err)
{
    const cJSON *place[SHAPE_MAX_RANK + 1] = {json};
    int depth = 0, rank = tensor->shape.rank;
    int64_t i = 0;
    while (depth >= 0) {
        const cJSON *at = place[depth];
        if (!at) {
            if (--depth >= 0)
                place[depth] = depth ? place[depth]->next : NULL;
            continue;
        }
        if (depth < rank) {
            if (!cJSON_IsArray(at) || cJSON_GetArraySize(at) != tensor->shape.dim[depth])
                return err_set(err, KD_EFORMAT, "the array is ragged");
            place[++depth] = at->child;
        } else {
            if (!store(at, tensor, i++))
                return err_set(err, KD_EFORMAT, "element %lld is not a value of type %s", (long long)i - 1,
                               dtype_name(tensor->dtype));
            place[depth] = depth ? at->next : NULL;
        }
    }
    return 0;
}

static int read_tensor(const cJSON *json, const struct keras_signature_tensor *signature, struct arena *arena,
                       struct tensor *ret, struct err *err)
{
    size_t bytes;
    ret->dtype = signature->dtype;
    int code = read_shape(json, &ret->shape, err);
    if (code)
        return code;
    if (!shape_compatible(&ret->shape, &signature->shape) || !tensor_bytes(ret->dtype, &ret->shape, &bytes)) {
        char have[SHAPE_TEXT_MAX], want[SHAPE_TEXT_MAX];
        return err_set(err, KD_EFORMAT, "the shape is %s, the model has %s",
                       shape_text(&ret->shape, have, sizeof(have)),
                       shape_text(&signature->shape, want, sizeof(want)));
    }
    char *data = arena_alloc(arena, bytes + 64);
    if (!data)
        return err_set(err, KD_ENOMEM, "out of memory");
    ret->data = (void *)size_align((uintptr_t)data, 64);
    return read_elements(json, ret, err);
}

typedef const struct keras_signature_tensor *(*signature_fn)(const struct keras_model *model, size_t i);

/* A bare array stands for the only tensor. */
static int read_tensors(const cJSON *json, const struct keras_model *model, size_t n, signature_fn signature,
                        struct arena *arena, struct tensor *tensors, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *name = signature(model, i)->name;
        const cJSON *item = cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, name) : json;
        if (!item || (cJSON_IsArray(json) && n > 1))
            return err_set(err, KD_EFORMAT, "'%s' is not there", name);
        int code = read_tensor(item, signature(model, i), arena, &tensors[i], err);
        if (code) {
            err_wrap(err, "'%s'", name);
            return code;
        }
    }
    return 0;
}

static double value_of(const struct tensor *tensor, int64_t i)
{
    bool real = dtype_storage(tensor->dtype) == STORAGE_F32;
    return real ? (double)tensor_f32(tensor)[i] : (double)tensor_i64(tensor)[i];
}

static bool same_strings(const struct tensor *a, const struct tensor *b, int64_t n)
{
    const struct str_view *x = a->data, *y = b->data;
    for (int64_t i = 0; i < n; i++)
        if (x[i].length != y[i].length || memcmp(x[i].data, y[i].data, x[i].length) != 0)
            return false;
    return true;
}

static int compare(const char *name, const struct tensor *want, const struct tensor *have, double tolerance,
                   struct err *err)
{
    int64_t n = 0;
    double largest = 0;
    if (!shape_equal(&want->shape, &have->shape) || !shape_elements(&want->shape, &n))
        return err_set(err, KD_EFORMAT, "output '%s' has another shape than expected", name);
    if (dtype_storage(want->dtype) == STORAGE_STR)
        return same_strings(want, have, n) ? 0 : err_set(err, KD_EFORMAT, "output '%s' differs", name);
    for (int64_t i = 0; i < n; i++)
        if (fabs(value_of(want, i)) > largest)
            largest = fabs(value_of(want, i));
    for (int64_t i = 0; i < n; i++) {
        double w = value_of(want, i), h = value_of(have, i);
        if (!(fabs(w - h) <= tolerance * largest) && !(isnan(w) && isnan(h)) && w != h)
            return err_set(err, KD_EFORMAT, "output '%s', element %lld: expected %.7g, computed %.7g", name,
                           (long long)i, w, h);
    }
    return 0;
}

static int run(const struct registry_version *version, const cJSON *json, struct arena *arena,
               struct err *err)
{
    const struct keras_model *model = version->keras;
    size_t n_inputs = keras_model_n_inputs(model), n_outputs = keras_model_n_outputs(model);
    struct tensor inputs[SCHED_MAX_TENSORS], want[SCHED_MAX_TENSORS];
    const cJSON *tolerance = cJSON_GetObjectItemCaseSensitive(json, "tolerance");
    int code = read_tensors(cJSON_GetObjectItemCaseSensitive(json, "inputs"), model, n_inputs,
                            keras_model_input, arena, inputs, err);
    if (code == 0)
        code = read_tensors(cJSON_GetObjectItemCaseSensitive(json, "outputs"), model, n_outputs,
                            keras_model_output, arena, want, err);
    if (code)
        return code;
    struct sched_memory *memory = sched_memory_new();
    if (!memory)
        return err_set(err, KD_ENOMEM, "out of memory");
    struct sched_job job = {.inputs = inputs, .rows = 1};
    if (n_inputs && inputs[0].shape.rank)
        job.rows = inputs[0].shape.dim[0];
    struct sched_times times;
    sched_batch_run(keras_model_engine(model), memory, &job, 1, &times);
    code = job.code ? err_set(err, job.code, "%s", job.err.text) : 0;
    for (size_t i = 0; i < n_outputs && code == 0; i++)
        code = compare(keras_model_output(model, i)->name, &want[i], &job.outputs[i],
                       cJSON_IsNumber(tolerance) ? tolerance->valuedouble : 1e-4, err);
    sched_job_done(&job);
    sched_memory_free(memory);
    return code;
}

int registry_selftest(const struct registry_version *version, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, MAX_BYTES);
    struct arena *arena = arena_new();
    int code = arena ? fd_read_file(path, &text, err) : err_set(err, KD_ENOMEM, "out of memory");
    cJSON *json = code == 0 && text.length ? cJSON_ParseWithLength(text.data, text.length) : NULL;
    if (code == 0)
        code = cJSON_IsObject(json) ? run(version, json, arena, err)
                                    : err_set(err, KD_EFORMAT, "the file is not a JSON object");
    cJSON_Delete(json);
    arena_free(arena);
    buf_done(&text);
    return code;
}
