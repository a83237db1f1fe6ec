/* Running small graphs in tests: a case builds a graph, names its inputs and what must come out. Each case runs with
 * and without fusion; both must agree with the expected numbers. */
#ifndef KD_TESTS_ENGINE_CASE_H
#define KD_TESTS_ENGINE_CASE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "unit.h"

#define CASE_MAX_PORTS 4

/* An input or an expected output; data of the storage type. */
struct case_tensor {
    enum dtype dtype;
    struct shape shape;
    const void *data;
};

struct engine_case {
    const char *name;
    void (*build)(struct engine_graph *graph);
    int n_in, n_out;
    struct case_tensor in[CASE_MAX_PORTS], out[CASE_MAX_PORTS];
    int rows; /* 1: must be batchable, -1: must not, 0: either */
};

#define SHAPE(...) {.rank = sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), .dim = {__VA_ARGS__}}
#define F32(of, ...) {DTYPE_FLOAT32, of, (const float[]){__VA_ARGS__}}
#define I64(type, of, ...) {type, of, (const int64_t[]){__VA_ARGS__}}
#define DIMS(...) SHAPE(__VA_ARGS__)

static inline void *case_block(const struct case_tensor *tensor, bool fill)
{
    size_t bytes = 0;
    CU_ASSERT_FATAL(tensor_bytes(tensor->dtype, &tensor->shape, &bytes));
    void *block = aligned_alloc(64, bytes / 64 * 64 + 64);
    CU_ASSERT_PTR_NOT_NULL_FATAL(block);
    memset(block, 0xa5, bytes / 64 * 64 + 64); /* NaNs: nothing may be left unwritten */
    if (fill && bytes)
        memcpy(block, tensor->data, bytes);
    return block;
}

static inline bool case_close(float a, float b)
{
    return (isnan(a) && isnan(b)) || a == b || fabsf(a - b) <= 1e-5f * (1 + fabsf(b));
}

static inline void case_compare(const char *name, const struct case_tensor *expected, const struct tensor *found)
{
    char a[128], b[128];
    int64_t n = 0;
    bool same = found->dtype == expected->dtype && shape_equal(&found->shape, &expected->shape);
    if (!same)
        printf("\n%s: %s %s, expected %s %s\n", name, dtype_name(found->dtype),
               shape_text(&found->shape, a, sizeof(a)), dtype_name(expected->dtype),
               shape_text(&expected->shape, b, sizeof(b)));
    CU_ASSERT_TRUE(same);
    shape_elements(&expected->shape, &n);
    for (int64_t i = 0; i < n && same; i++) {
        double x, y;
        if (dtype_storage(expected->dtype) == STORAGE_F32) {
            x = (double)tensor_f32(found)[i];
            y = (double)((const float *)expected->data)[i];
            same = case_close((float)x, (float)y);
        } else if (dtype_storage(expected->dtype) == STORAGE_I64) {
            x = (double)tensor_i64(found)[i];
            y = (double)((const int64_t *)expected->data)[i];
            same = x == y;
        } else {
            struct str_view view = ((const struct str_view *)found->data)[i], wanted = ((const struct str_view *)expected->data)[i];
            same = view.length == wanted.length && memcmp(view.data, wanted.data, view.length) == 0;
            x = (double)view.length;
            y = (double)wanted.length;
        }
        if (!same)
            printf("\n%s: element %d is %.8g, expected %.8g\n", name, (int)i, x, y);
        CU_ASSERT_TRUE(same);
    }
}

/* Builds and compiles; NULL (and a failed test) if that fails. */
static inline struct engine *case_compile_with(const char *name, void (*build)(struct engine_graph *),
                                               struct engine_options options)
{
    struct engine_graph *graph = engine_graph_new();
    struct engine *engine = NULL;
    struct err err = {0};
    build(graph);
    if (engine_compile(graph, &options, &engine, &err)) {
        printf("\n%s: %s\n", name, err.text);
        CU_FAIL("compile");
        return NULL;
    }
    return engine;
}

static inline struct engine *case_compile(const char *name, void (*build)(struct engine_graph *), bool no_fusion)
{
    return case_compile_with(name, build, (struct engine_options){.no_fusion = no_fusion});
}

static inline void case_run_engine(const struct engine_case *test, struct engine *engine)
{
    struct tensor in[CASE_MAX_PORTS], out[CASE_MAX_PORTS];
    struct engine_plan *plan = NULL;
    struct err err = {0};
    for (int i = 0; i < test->n_in; i++)
        in[i] = (struct tensor){test->in[i].dtype, test->in[i].shape, case_block(&test->in[i], true)};
    for (int i = 0; i < test->n_out; i++)
        out[i] = (struct tensor){.data = case_block(&test->out[i], false)};
    struct engine_worker *worker = engine_worker_new();
    int status = engine_plan_get_for(engine, in, &plan, &err);
    bool same = !status;
    for (int i = 0; i < test->n_out && same; i++)
        same = shape_equal(engine_plan_output_shape(plan, (size_t)i), &test->out[i].shape);
    if (!status && !same)
        printf("\n%s: planned shape differs\n", test->name);
    if (same)
        status = engine_run(plan, worker, in, out, &err);
    if (status)
        printf("\n%s: %s\n", test->name, err.text);
    CU_ASSERT_TRUE(same && !status);
    for (int i = 0; i < test->n_out && same && !status; i++)
        case_compare(test->name, &test->out[i], &out[i]);
    engine_plan_put(plan);
    engine_worker_free(worker);
    for (int i = 0; i < test->n_in; i++)
        free(in[i].data);
    for (int i = 0; i < test->n_out; i++)
        free(out[i].data);
}

static inline void case_run(const struct engine_case *test)
{
    for (int no_fusion = 0; no_fusion < 2; no_fusion++) {
        struct engine *engine = case_compile(test->name, test->build, no_fusion);
        if (!engine)
            return;
        if (test->rows && engine_batchable(engine) != (test->rows > 0))
            printf("\n%s: batchable is %d\n", test->name, engine_batchable(engine));
        CU_ASSERT_TRUE(!test->rows || engine_batchable(engine) == (test->rows > 0));
        case_run_engine(test, engine);
        engine_free(engine);
    }
}

static inline void case_run_all(const struct engine_case *tests, size_t n)
{
    for (size_t i = 0; i < n; i++)
        case_run(&tests[i]);
}

/* ---- comparing two engines on made-up inputs ---- */

/* Numbers between -1 and 1, the same in every run. */
static inline float case_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed / 2147483648.0f;
}

/* A float input of this shape; free() its data. */
static inline struct tensor case_random_input(const struct shape *shape, uint32_t seed)
{
    struct case_tensor wanted = {.dtype = DTYPE_FLOAT32, .shape = *shape};
    struct tensor tensor = {.dtype = DTYPE_FLOAT32, .shape = *shape, .data = case_block(&wanted, false)};
    int64_t n = 0;
    shape_elements(shape, &n);
    for (int64_t i = 0; i < n; i++)
        tensor_f32(&tensor)[i] = case_random(&seed);
    return tensor;
}

/* Runs; outputs are allocated here, free() their data. False (and a sentence printed) on failure. */
static inline bool case_outputs(const char *name, struct engine *engine, const struct tensor *in, struct tensor *out)
{
    struct engine_plan *plan = NULL;
    struct err err = {0};
    if (engine_plan_get_for(engine, in, &plan, &err)) {
        printf("\n%s: %s\n", name, err.text);
        return false;
    }
    for (size_t i = 0; i < engine_n_outputs(engine); i++) {
        struct case_tensor wanted = {engine_output_dtype(engine, i), *engine_plan_output_shape(plan, i), NULL};
        out[i] = (struct tensor){.data = case_block(&wanted, false)};
    }
    struct engine_worker *worker = engine_worker_new();
    int status = engine_run(plan, worker, in, out, &err);
    if (status)
        printf("\n%s: %s\n", name, err.text);
    engine_worker_free(worker);
    engine_plan_put(plan);
    return status == 0;
}

/* The largest difference of two float tensors relative to their largest element; infinite if shapes differ. */
static inline float case_difference(const struct tensor *a, const struct tensor *b)
{
    int64_t n = 0;
    float largest = 1e-30f, difference = 0;
    if (!shape_equal(&a->shape, &b->shape) || !shape_elements(&a->shape, &n))
        return INFINITY;
    for (int64_t i = 0; i < n; i++) {
        float x = tensor_f32(a)[i], y = tensor_f32(b)[i], d = fabsf(x - y);
        if (isnan(x) != isnan(y))
            return INFINITY;
        largest = fabsf(y) > largest ? fabsf(y) : largest;
        difference = d > difference ? d : difference;
    }
    return difference / largest;
}

/* ---- for builders ---- */

#define ANY SHAPE_UNKNOWN

/* case_input(graph, "x", 2, ANY, 3) */
#define case_input(graph, name, ...)                                                                                   \
    engine_input(graph, name, DTYPE_FLOAT32, &(struct shape)SHAPE(__VA_ARGS__))
#define case_input_as(graph, name, dtype, ...) engine_input(graph, name, dtype, &(struct shape)SHAPE(__VA_ARGS__))
#define case_constant(graph, of, ...)                                                                                  \
    engine_constant_copy(graph, DTYPE_FLOAT32, &(struct shape)of, (const float[]){__VA_ARGS__})
#define case_ints(graph, type, of, ...)                                                                               \
    engine_constant_copy(graph, type, &(struct shape)of, (const int64_t[]){__VA_ARGS__})

#endif
