/* The engine around the ops: errors that stick and name their place, plans and their cache, memory limits, outputs that
 * share memory, many threads on one plan. */
#include <pthread.h>

#include "base/buf.h"
#include "engine_case.h"
#include "kernels/cpu.h"

/* x [N, 3] -> relu(x w + b) [N, 2] */
static void build_dense(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3);
    x = engine_dense(graph, x, case_constant(graph, DIMS(3, 2), 1, 2, 3, 4, 5, 6), case_constant(graph, DIMS(2), -1, 1));
    engine_output(graph, "y", engine_unary(graph, (struct unary){.kind = UNARY_RELU}, x));
}

static void build_two_convs(struct engine_graph *graph)
{
    static const struct engine_window window = {1, {0}, {1}, {1}, ENGINE_VALID};
    engine_value x = case_input(graph, "x", ANY, ANY, 1);
    for (int i = 0; i < 2; i++)
        x = engine_conv(graph, x, case_constant(graph, DIMS(3, 1, 1), 1, 2, 3), ENGINE_NONE, &window, 1);
    engine_output(graph, "y", x);
}

static struct engine *compile(void (*build)(struct engine_graph *), struct engine_options options)
{
    struct engine_graph *graph = engine_graph_new();
    struct engine *engine = NULL;
    struct err err = {0};
    build(graph);
    CU_ASSERT_EQUAL_FATAL(engine_compile(graph, &options, &engine, &err), 0);
    return engine;
}

/* ---- errors while building ---- */

static void test_sticky_error(void)
{
    struct engine_graph *graph = engine_graph_new();
    struct engine *engine = NULL;
    struct err err = {0};
    engine_value x = case_input(graph, "x", ANY, 3);
    engine_graph_scope(graph, "block1/dense");
    CU_ASSERT_PTR_NULL(engine_graph_error(graph));
    engine_value y = engine_dense(graph, x, case_constant(graph, DIMS(4, 1), 1, 2, 3, 4), ENGINE_NONE);
    CU_ASSERT_EQUAL(y, ENGINE_NONE);
    CU_ASSERT_PTR_NOT_NULL_FATAL(engine_graph_error(graph));
    CU_ASSERT_STRING_EQUAL(engine_graph_error(graph)->text,
                           "block1/dense: dense: the kernel takes 4 features, the input has shape (None, 3)");
    CU_ASSERT_EQUAL(engine_unary(graph, (struct unary){.kind = UNARY_RELU}, x), ENGINE_NONE);
    CU_ASSERT_EQUAL(engine_graph_fail(graph, KD_EFORMAT, "later"), ENGINE_NONE);
    engine_output(graph, "y", y);
    CU_ASSERT_EQUAL(engine_compile(graph, NULL, &engine, &err), KD_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "block1/dense"));
    engine_free(NULL);
}

/* Each builds something that cannot be; the sentence must say what. */
static void bad_concat(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3, 2), y = case_input(graph, "y", ANY, 4, 2);
    engine_concat(graph, (engine_value[]){x, y}, 2, 2);
}

static void bad_reshape(struct engine_graph *graph)
{
    engine_reshape(graph, case_input(graph, "x", ANY, 6), (const int64_t[]){ENGINE_SAME_DIM(0), 4, ENGINE_INFER}, 3);
}

static void bad_types(struct engine_graph *graph)
{
    engine_binary(graph, BINARY_ADD, case_input(graph, "x", ANY), case_input_as(graph, "y", DTYPE_INT32, ANY));
}

static void bad_groups(struct engine_graph *graph)
{
    static const struct engine_window window = {1, {0}, {1}, {1}, ENGINE_VALID};
    engine_value kernel = case_constant(graph, DIMS(1, 1, 3), 1, 2, 3);
    engine_conv(graph, case_input(graph, "x", ANY, ANY, 2), kernel, ENGINE_NONE, &window, 2);
}

static void bad_axis(struct engine_graph *graph)
{
    engine_reduce(graph, REDUCE_SUM, case_input(graph, "x", ANY, 2), (const int[]){2}, 1, false);
}

static void bad_permutation(struct engine_graph *graph)
{
    engine_transpose(graph, case_input(graph, "x", ANY, 2, 3), (const int[]){0, 1, 1});
}

static void bad_broadcast(struct engine_graph *graph)
{
    engine_binary(graph, BINARY_ADD, case_input(graph, "x", ANY, 2), case_input(graph, "y", ANY, 3));
}

static void bad_window(struct engine_graph *graph)
{
    static const struct engine_window window = {1, {3}, {1}, {1}, ENGINE_VALID};
    engine_pool(graph, POOL_MAX, case_input(graph, "x", ANY, 2, 1), &window);
}

static void bad_einsum(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_einsum(graph, "ab,bc->ad", x, x);
}

static void bad_kernel(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_dense(graph, x, x, ENGINE_NONE);
}

static void test_build_errors(void)
{
    static const struct {
        void (*build)(struct engine_graph *graph);
        const char *text;
    } cases[] = {
        {bad_concat, "concat: shapes (None, 3, 2) and (None, 4, 2) cannot be joined along axis 2"},
        {bad_reshape, "reshape: shape (None, 6) cannot be reshaped to (None, 4, None)"},
        {bad_types, "binary: add of float32 and int32"},
        {bad_groups, "conv: 3 filters do not divide into 2 groups"},
        {bad_axis, "reduce: axis 2 is out of range for shape (None, 2)"},
        {bad_permutation, "transpose: axis 1 is given twice"},
        {bad_broadcast, "binary: shapes (None, 2) and (None, 3) do not go together"},
        {bad_window, "pool: spatial axis 0 has size 2, too small for a window of 3 (dilation 1)"},
        {bad_einsum, "einsum 'ab,bc->ad': not of the supported form, or it does not fit the operands' axes"},
        {bad_kernel, "dense: the kernel must be a constant"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct engine_graph *graph = engine_graph_new();
        cases[i].build(graph);
        const struct err *err = engine_graph_error(graph);
        CU_ASSERT_PTR_NOT_NULL_FATAL(err);
        if (strcmp(err->text, cases[i].text) != 0)
            printf("\n%s\n", err->text);
        CU_ASSERT_STRING_EQUAL(err->text, cases[i].text);
        engine_graph_free(graph);
    }
}

/* A shape taken from the values of a request is found out when the model is loaded. */
static void build_data_shape(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3), n = case_input_as(graph, "n", DTYPE_INT64, 2);
    engine_output(graph, "y", engine_reshape_to(graph, x, n));
}

static void test_compile_errors(void)
{
    struct engine_graph *graph = engine_graph_new();
    struct engine *engine = NULL;
    struct err err = {0};
    build_data_shape(graph);
    CU_ASSERT_EQUAL(engine_compile(graph, NULL, &engine, &err), KD_EUNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "depends on the values of a request"));
    graph = engine_graph_new();
    case_input(graph, "x", ANY);
    CU_ASSERT_EQUAL(engine_compile(graph, NULL, &engine, &err), KD_EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "the model has no output");
}

/* ---- plans ---- */

static void test_plan_errors(void)
{
    struct engine *engine = compile(build_two_convs, (struct engine_options){0});
    struct engine_plan *plan = NULL;
    struct err err = {0};
    struct shape wrong = DIMS(1, 8, 2), small = DIMS(1, 3, 1), open = DIMS(1, ANY, 1);
    CU_ASSERT_EQUAL(engine_plan_get(engine, &wrong, &plan, &err), KD_EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "input 'x' has shape (1, 8, 2), the model takes (None, None, 1)");
    CU_ASSERT_EQUAL(engine_plan_get(engine, &open, &plan, &err), KD_EINVAL);
    CU_ASSERT_EQUAL(engine_plan_get(engine, &small, &plan, &err), KD_EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "conv: spatial axis 0 has size 1, too small for a window of 3 (dilation 1)");
    CU_ASSERT_PTR_NULL(plan);
    engine_free(engine);
}

static void test_memory_limit(void)
{
    struct engine *engine = compile(build_two_convs, (struct engine_options){.max_arena_bytes = 1 << 20});
    struct engine_plan *plan = NULL;
    struct err err = {0};
    struct shape fits = DIMS(1, 1000, 1), big = DIMS(2, 1 << 20, 1), huge = DIMS(1, INT64_MAX / 2, 1);
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &fits, &plan, &err), 0);
    CU_ASSERT_TRUE(engine_plan_arena_bytes(plan) >= 4 * 998);
    CU_ASSERT_TRUE(engine_plan_cost_us(plan) > 0);
    engine_plan_put(plan);
    CU_ASSERT_EQUAL(engine_plan_get(engine, &big, &plan, &err), KD_ETOOBIG);
    CU_ASSERT_EQUAL(engine_plan_get(engine, &huge, &plan, &err), KD_ETOOBIG);
    engine_free(engine);
}

static void test_cache(void)
{
    struct engine *engine = compile(build_dense, (struct engine_options){.max_plans = 2});
    struct engine_plan *one, *again, *plans[3];
    struct err err = {0};
    struct shape shape = DIMS(1, 3);
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &shape, &one, &err), 0);
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &shape, &again, &err), 0);
    CU_ASSERT_PTR_EQUAL(one, again);
    engine_plan_put(again);
    for (int i = 0; i < 3; i++) { /* pushes out the first, which stays usable while it is held */
        shape.dim[0] = 2 + i;
        CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &shape, &plans[i], &err), 0);
        CU_ASSERT_EQUAL(engine_plan_output_shape(plans[i], 0)->dim[0], 2 + i);
    }
    CU_ASSERT_EQUAL(engine_plan_output_shape(one, 0)->dim[0], 1);
    shape.dim[0] = 4;
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &shape, &again, &err), 0);
    CU_ASSERT_PTR_EQUAL(again, plans[2]);
    engine_plan_put(again);
    engine_plan_put(one);
    for (int i = 0; i < 3; i++)
        engine_plan_put(plans[i]);
    engine_plan_put(NULL);
    engine_free(engine);
}

static bool print_says(const struct engine_plan *plan, const char *text)
{
    struct buf buf;
    buf_init(&buf, 1 << 16);
    engine_plan_print(plan, &buf);
    bool found = buf.data && strstr(buf.data, text);
    buf_done(&buf);
    return found;
}

/* A batch in parts: the arena of a part, the numbers of the whole. */
static void test_parts(void)
{
    struct engine *whole = compile(build_two_convs, (struct engine_options){.part_bytes = SIZE_MAX});
    struct engine *parts = compile(build_two_convs, (struct engine_options){.part_bytes = 200 * 1024});
    struct engine_plan *big, *small;
    struct err err = {0};
    struct shape shape = DIMS(7, 16 * 1024, 1);
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(whole, &shape, &big, &err), 0);
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(parts, &shape, &small, &err), 0);
    CU_ASSERT_FALSE(print_says(big, "parts"));
    CU_ASSERT_TRUE(print_says(small, "parts of") && print_says(small, "and a rest"));
    CU_ASSERT_TRUE(2 * engine_plan_arena_bytes(small) < engine_plan_arena_bytes(big));
    CU_ASSERT_TRUE(shape_equal(engine_plan_output_shape(small, 0), engine_plan_output_shape(big, 0)));
    struct tensor in = case_random_input(&shape, 3), a = {0}, b = {0};
    CU_ASSERT_FATAL(case_outputs("whole", whole, &in, &a) && case_outputs("parts", parts, &in, &b));
    CU_ASSERT_EQUAL(case_difference(&a, &b), 0);
    free(in.data);
    free(a.data);
    free(b.data);
    engine_plan_put(big);
    engine_plan_put(small);
    engine_free(whole);
    engine_free(parts);
}

static void test_print(void)
{
    struct engine *engine = compile(build_dense, (struct engine_options){0});
    struct engine_plan *plan;
    struct err err = {0};
    struct shape shape = DIMS(5, 3);
    struct buf text;
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &shape, &plan, &err), 0);
    engine_plan_profile(plan, true);
    struct tensor in = case_random_input(&shape, 1);
    _Alignas(64) float data[10];
    struct tensor out = {.data = data};
    struct engine_worker *worker = engine_worker_new();
    CU_ASSERT_EQUAL(engine_run(plan, worker, &in, &out, &err), 0);
    buf_init(&text, 4096);
    engine_plan_print(plan, &text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "dense"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "(5, 3) -> (5, 2)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "1 steps, arena"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "1 runs measured"));
    buf_done(&text);
    free(in.data);
    engine_worker_free(worker);
    engine_plan_put(plan);
    engine_free(engine);
}

static void test_ports(void)
{
    struct engine *engine = compile(build_dense, (struct engine_options){0});
    CU_ASSERT_EQUAL(engine_n_inputs(engine), 1);
    CU_ASSERT_EQUAL(engine_n_outputs(engine), 1);
    CU_ASSERT_STRING_EQUAL(engine_input_name(engine, 0), "x");
    CU_ASSERT_STRING_EQUAL(engine_output_name(engine, 0), "y");
    CU_ASSERT_EQUAL(engine_input_dtype(engine, 0), DTYPE_FLOAT32);
    CU_ASSERT_EQUAL(engine_output_dtype(engine, 0), DTYPE_FLOAT32);
    CU_ASSERT_EQUAL(engine_input_shape(engine, 0)->dim[1], 3);
    CU_ASSERT_EQUAL(engine_output_shape(engine, 0)->dim[0], SHAPE_UNKNOWN);
    CU_ASSERT_EQUAL(engine_output_shape(engine, 0)->dim[1], 2);
    CU_ASSERT_TRUE(engine_bytes(engine) > 0);
    engine_free(engine);
}

/* ---- outputs that cannot be computed in place ---- */

static void build_outputs(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_value y = engine_binary(graph, BINARY_ADD, x, x);
    engine_output(graph, "input", x);
    engine_output(graph, "constant", case_constant(graph, DIMS(2), 7, 8));
    engine_output(graph, "y", y);
    engine_output(graph, "again", engine_expand_dims(graph, y, 1));
}

static void build_after_output(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_value y = engine_binary(graph, BINARY_ADD, x, x);
    engine_output(graph, "y", y);
    y = engine_unary(graph, (struct unary){.kind = UNARY_NEGATIVE}, y); /* must not overwrite the output */
    y = engine_binary(graph, BINARY_ADD, y, engine_transpose(graph, y, (const int[]){1, 0}));
    engine_output(graph, "z", y);
}

static const struct engine_case outputs[] = {
    {"outputs", build_outputs, 1, 4, {F32(DIMS(2, 2), 1, 2, 3, 4)},
     {F32(DIMS(2, 2), 1, 2, 3, 4), F32(DIMS(2), 7, 8), F32(DIMS(2, 2), 2, 4, 6, 8), F32(DIMS(2, 1, 2), 2, 4, 6, 8)}, -1},
    {"after output", build_after_output, 1, 2, {F32(DIMS(2, 2), 1, 2, 3, 4)},
     {F32(DIMS(2, 2), 2, 4, 6, 8), F32(DIMS(2, 2), -4, -10, -10, -16)}, -1},
    {"no rows", build_dense, 1, 1, {F32(DIMS(0, 3), 0)}, {F32(DIMS(0, 2), 0)}, 1},
};

static void test_outputs(void)
{
    case_run_all(outputs, sizeof(outputs) / sizeof(outputs[0]));
}

/* ---- data errors ---- */

static void build_embedding(struct engine_graph *graph)
{
    engine_value ids = case_input_as(graph, "ids", DTYPE_INT32, ANY, 2);
    engine_graph_scope(graph, "embedding");
    engine_output(graph, "y", engine_gather(graph, case_constant(graph, DIMS(3, 1), 1, 2, 3), ids, 0, 0, ENGINE_BOUNDS_ERROR));
}

static void test_data_error(void)
{
    struct engine *engine = compile(build_embedding, (struct engine_options){0});
    struct engine_plan *plan;
    struct err err = {0};
    struct shape shape = DIMS(1, 2);
    _Alignas(64) int64_t ids[2] = {1, 3};
    _Alignas(64) float data[2];
    struct tensor in = {DTYPE_INT32, shape, ids}, out = {.data = data};
    struct engine_worker *worker = engine_worker_new();
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, &shape, &plan, &err), 0);
    CU_ASSERT_EQUAL(engine_run(plan, worker, &in, &out, &err), KD_EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "embedding: gather: index 3 is outside of [0, 3)");
    ids[1] = 0;
    CU_ASSERT_EQUAL(engine_run(plan, worker, &in, &out, &err), 0);
    CU_ASSERT_EQUAL(data[0], 2);
    engine_worker_free(worker);
    engine_plan_put(plan);
    engine_free(engine);
}

/* ---- threads ---- */

#define THREADS 4

static void *thread_main(void *argument)
{
    struct engine *engine = argument;
    struct engine_worker *worker = engine_worker_new();
    intptr_t failed = 0;
    for (uint32_t i = 0; i < 200; i++) {
        struct shape shape = DIMS(1 + i % 7, 3);
        struct engine_plan *plan;
        struct err err;
        _Alignas(64) float data[14];
        struct tensor in = case_random_input(&shape, i), out = {.data = data};
        if (engine_plan_get(engine, &shape, &plan, &err) || engine_run(plan, worker, &in, &out, &err)) {
            failed++;
        } else {
            const float *x = tensor_f32(&in);
            float y = x[0] + 3 * x[1] + 5 * x[2] - 1;
            failed += !case_close(data[0], y > 0 ? y : 0);
            engine_plan_put(plan);
        }
        free(in.data);
    }
    engine_worker_free(worker);
    return (void *)failed;
}

/* Fewer plans than shapes: they come and go under the threads. */
static void test_threads(void)
{
    struct engine *engine = compile(build_dense, (struct engine_options){.max_plans = 3});
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, thread_main, engine), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
    engine_free(engine);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"sticky error", test_sticky_error}, {"build errors", test_build_errors}, {"compile errors", test_compile_errors},
        {"plan errors", test_plan_errors},   {"memory limit", test_memory_limit}, {"cache", test_cache}, {"parts", test_parts},
        {"print", test_print},               {"ports", test_ports},               {"outputs", test_outputs},
        {"data error", test_data_error},     {"threads", test_threads},
    };
    kernels_init();
    return unit_main("engine", tests, sizeof(tests) / sizeof(tests[0]));
}
