/* Random graphs: whatever is put together, the fused engine gives what the ops as lowered give, and a sample of a
 * batchable model gets the same answer alone and in company. The graphs are the same in every run. */
#include "engine_case.h"
#include "kernels/cpu.h"

#define MAX_POOL 64
#define N_GRAPHS 300

/* A value and the sizes that the request of this test gives it, without the batch. */
struct item {
    engine_value value;
    int rank;
    int64_t dim[3];
};

static struct {
    struct engine_graph *graph;
    uint32_t seed;
    int n;
    struct item items[MAX_POOL];
} gen;

static uint32_t start_seed;
static bool known_sizes;

static int pick(int n)
{
    gen.seed = gen.seed * 1664525u + 1013904223u;
    return (int)((gen.seed >> 8) % (uint32_t)n);
}

static engine_value numbers(struct shape shape, float mean)
{
    static float data[8192];
    int64_t n = 0;
    CU_ASSERT_FATAL(shape_elements(&shape, &n) && n <= 8192);
    for (int64_t i = 0; i < n; i++)
        data[i] = mean + 0.4f * case_random(&gen.seed);
    return engine_constant_copy(gen.graph, DTYPE_FLOAT32, &shape, data);
}

#define NUMBERS(mean, ...) numbers((struct shape)SHAPE(__VA_ARGS__), mean)

static void put(engine_value value, int rank, int64_t a, int64_t b, int64_t c)
{
    if (gen.n < MAX_POOL)
        gen.items[gen.n++] = (struct item){value, rank, {a, b, c}};
}

static engine_value apply(enum unary_kind kind, engine_value x)
{
    return engine_unary(gen.graph, (struct unary){.kind = kind, .a = 0.3f}, x);
}

/* ---- steps on any value ---- */

static void function(const struct item *x)
{
    static const enum unary_kind kinds[] = {UNARY_RELU, UNARY_RELU6, UNARY_TANH, UNARY_SIGMOID, UNARY_LEAKY_RELU, UNARY_NEGATIVE};
    put(apply(kinds[pick(6)], x->value), x->rank, x->dim[0], x->dim[1], x->dim[2]);
}

static void channel_factors(const struct item *x)
{
    int64_t c = x->dim[x->rank - 1];
    engine_value y = x->value, row = NUMBERS(1, c), one = engine_scalar_f32(gen.graph, 1.5f);
    switch (pick(5)) {
    case 0:
        y = engine_scale_shift(gen.graph, y, row, NUMBERS(0, c));
        break;
    case 1:
        y = engine_binary(gen.graph, BINARY_MULTIPLY, row, y);
        break;
    case 2:
        y = engine_binary(gen.graph, BINARY_ADD, y, one);
        break;
    case 3:
        y = engine_binary(gen.graph, BINARY_SUBTRACT, y, row);
        break;
    default:
        y = engine_binary(gen.graph, BINARY_SUBTRACT, one, y);
    }
    put(y, x->rank, x->dim[0], x->dim[1], x->dim[2]);
}

static void combine(const struct item *x)
{
    static const enum binary_kind kinds[] = {BINARY_ADD, BINARY_ADD, BINARY_MULTIPLY, BINARY_MAXIMUM, BINARY_SUBTRACT};
    for (int tries = 0; tries < 8; tries++) {
        const struct item *y = &gen.items[pick(gen.n)];
        if (y->rank != x->rank || memcmp(y->dim, x->dim, sizeof(x->dim)) != 0)
            continue;
        put(engine_binary(gen.graph, kinds[pick(5)], x->value, y->value), x->rank, x->dim[0], x->dim[1], x->dim[2]);
        return;
    }
}

static void dense(const struct item *x)
{
    int64_t k = x->dim[x->rank - 1], n = 1 + pick(9);
    struct item y = *x;
    y.dim[x->rank - 1] = n;
    engine_value bias = pick(2) ? NUMBERS(0, n) : ENGINE_NONE;
    put(engine_dense(gen.graph, x->value, NUMBERS(0, k, n), bias), x->rank, y.dim[0], y.dim[1], y.dim[2]);
}

static void normalize(const struct item *x)
{
    int axis = pick(2) ? x->rank : 1;
    put(engine_normalize(gen.graph, ENGINE_NORM_LAYER, x->value, &axis, 1, 0.1f), x->rank, x->dim[0], x->dim[1], x->dim[2]);
}

static void softmax(const struct item *x)
{
    int axis = 1 + pick(x->rank);
    put(engine_softmax(gen.graph, x->value, &axis, 1, false), x->rank, x->dim[0], x->dim[1], x->dim[2]);
}

static void join(const struct item *x)
{
    engine_value both[] = {x->value, x->value};
    int axis = pick(x->rank);
    struct item y = *x;
    y.dim[axis] *= 2;
    if (y.dim[axis] < 24)
        put(engine_concat(gen.graph, both, 2, axis + 1), x->rank, y.dim[0], y.dim[1], y.dim[2]);
}

static void slice(const struct item *x)
{
    int axis = pick(x->rank);
    struct item y = *x;
    if (x->dim[axis] < 2)
        return;
    y.dim[axis]--;
    put(engine_slice(gen.graph, x->value, axis + 1, pick(2) ? 1 : -(int64_t)y.dim[axis], ENGINE_SLICE_NONE, 1), x->rank, y.dim[0],
        y.dim[1], y.dim[2]);
}

static void swap_axes(const struct item *x)
{
    if (x->rank == 2)
        put(engine_transpose(gen.graph, x->value, (const int[]){0, 2, 1}), 2, x->dim[1], x->dim[0], 0);
    else if (x->rank == 3)
        put(engine_transpose(gen.graph, x->value, (const int[]){0, 3, 1, 2}), 3, x->dim[2], x->dim[0], x->dim[1]);
}

static void flatten(const struct item *x)
{
    int64_t all = 1;
    for (int i = 0; i < x->rank; i++)
        all *= x->dim[i];
    if (all > 64 || x->rank == 1)
        return;
    put(engine_reshape(gen.graph, x->value, (const int64_t[]){ENGINE_SAME_DIM(0), all}, 2), 1, all, 0, 0);
}

/* TimeDistributed: the first axis into the batch and back. */
static void through_batch(const struct item *x)
{
    if (x->rank != 2)
        return;
    engine_value y = engine_reshape(gen.graph, x->value, (const int64_t[]){ENGINE_INFER, x->dim[1]}, 2);
    y = engine_dense(gen.graph, y, NUMBERS(0, x->dim[1], 3), NUMBERS(0, 3));
    put(engine_reshape(gen.graph, y, (const int64_t[]){ENGINE_INFER, x->dim[0], 3}, 3), 2, x->dim[0], 3, 0);
}

/* ---- steps on pictures ---- */

static void conv(const struct item *x)
{
    int64_t h = x->dim[0], w = x->dim[1], c = x->dim[2], f = 1 + pick(8), k = 1 + pick(3), s = 1 + pick(2);
    bool same = pick(2);
    struct engine_window window = {2, {0}, {s, s}, {1, 1}, same ? ENGINE_SAME : ENGINE_VALID};
    if (!same && (h < k || w < k))
        return;
    engine_value bias = pick(2) ? NUMBERS(0, f) : ENGINE_NONE;
    engine_value y = engine_conv(gen.graph, x->value, NUMBERS(0, k, k, c, f), bias, &window, 1);
    put(y, 3, same ? (h + s - 1) / s : (h - k) / s + 1, same ? (w + s - 1) / s : (w - k) / s + 1, f);
}

static void depthwise(const struct item *x)
{
    struct engine_window window = {2, {0}, {1, 1}, {1, 1}, ENGINE_SAME};
    put(engine_depthwise_conv(gen.graph, x->value, NUMBERS(0, 3, 3, x->dim[2], 1), ENGINE_NONE, &window), 3, x->dim[0], x->dim[1],
        x->dim[2]);
}

static void conv_transpose(const struct item *x)
{
    struct engine_window window = {2, {0}, {2, 2}, {1, 1}, ENGINE_SAME};
    if (x->dim[0] < 8 && x->dim[1] < 8)
        put(engine_conv_transpose(gen.graph, x->value, NUMBERS(0, 3, 3, 4, x->dim[2]), ENGINE_NONE, &window, NULL), 3, 2 * x->dim[0],
            2 * x->dim[1], 4);
}

static void pool(const struct item *x)
{
    struct engine_window window = {2, {2, 2}, {2, 2}, {1, 1}, ENGINE_SAME};
    put(engine_pool(gen.graph, pick(2) ? POOL_MAX : POOL_AVERAGE, x->value, &window), 3, (x->dim[0] + 1) / 2, (x->dim[1] + 1) / 2,
        x->dim[2]);
}

static void pad(const struct item *x)
{
    const int64_t before[] = {0, 1, 0, 0}, after[] = {0, 1, 1, 0};
    if (x->dim[0] < 16 && x->dim[1] < 16)
        put(engine_pad(gen.graph, x->value, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE), 3, x->dim[0] + 2, x->dim[1] + 1,
            x->dim[2]);
}

static void squeeze_excite(const struct item *x)
{
    int64_t c = x->dim[2];
    engine_value gate = engine_reduce(gen.graph, REDUCE_MEAN, x->value, (const int[]){1, 2}, 2, true);
    gate = apply(UNARY_SIGMOID, engine_dense(gen.graph, gate, NUMBERS(0, c, c), NUMBERS(0, c)));
    put(engine_binary(gen.graph, BINARY_MULTIPLY, x->value, gate), 3, x->dim[0], x->dim[1], c);
}

static void as_sequence(const struct item *x)
{
    if (x->dim[0] * x->dim[1] <= 24)
        put(engine_reshape(gen.graph, x->value, (const int64_t[]){ENGINE_SAME_DIM(0), ENGINE_INFER, x->dim[2]}, 3), 2,
            x->dim[0] * x->dim[1], x->dim[2], 0);
}

/* ---- steps on sequences ---- */

static void attend(const struct item *x)
{
    engine_value scores = engine_softmax(gen.graph, engine_matmul(gen.graph, x->value, x->value, false, true), (const int[]){2}, 1, false);
    put(engine_matmul(gen.graph, scores, x->value, false, false), 2, x->dim[0], x->dim[1], 0);
}

static void gru(const struct item *x)
{
    int64_t f = x->dim[1];
    struct engine_rnn rnn = {.kind = ENGINE_RNN_GRU, .units = 4, .x = x->value, .mask = ENGINE_NONE, .reset_after = true,
                             .activation = {.kind = UNARY_TANH}, .recurrent_activation = {.kind = UNARY_SIGMOID},
                             .initial = {ENGINE_NONE, ENGINE_NONE}, .return_sequences = pick(2), .go_backwards = pick(2)};
    engine_value ret[3];
    rnn.kernel = NUMBERS(0, f, 12);
    rnn.recurrent_kernel = NUMBERS(0, 4, 12);
    rnn.bias = NUMBERS(0, 2, 12);
    engine_rnn(gen.graph, &rnn, ret);
    put(ret[0], rnn.return_sequences ? 2 : 1, rnn.return_sequences ? x->dim[0] : 4, rnn.return_sequences ? 4 : 0, 0);
    put(ret[1], 1, 4, 0, 0);
}

static void mean_over_time(const struct item *x)
{
    put(engine_reduce(gen.graph, REDUCE_MEAN, x->value, (const int[]){1}, 1, false), 1, x->dim[1], 0, 0);
}

static void positions(const struct item *x)
{
    engine_value time = engine_squeeze(gen.graph, engine_slice(gen.graph, engine_shape_of(gen.graph, x->value), 0, 1, 2, 1), (const int[]){0}, 1);
    engine_value range = engine_range(gen.graph, engine_scalar_i64(gen.graph, DTYPE_INT64, 0), time, engine_scalar_i64(gen.graph, DTYPE_INT64, 1));
    engine_value rows = engine_gather(gen.graph, NUMBERS(0, 32, x->dim[1]), range, 0, 0, ENGINE_BOUNDS_ERROR);
    put(engine_binary(gen.graph, BINARY_ADD, x->value, rows), 2, x->dim[0], x->dim[1], 0);
}

typedef void step_function(const struct item *x);

static step_function *const any_steps[] = {function, function, channel_factors, channel_factors, combine, combine, dense,
                                           normalize, softmax, join, slice, swap_axes, flatten, through_batch};
static step_function *const picture_steps[] = {conv, conv, conv, depthwise, conv_transpose, pool, pad, squeeze_excite, as_sequence};
static step_function *const sequence_steps[] = {attend, gru, mean_over_time, positions};

/* Mostly on the newest value, so that chains come about. */
static void random_step(void)
{
    struct item x = gen.items[pick(3) ? gen.n - 1 : pick(gen.n)];
    if (x.rank == 3 && pick(2))
        picture_steps[pick(sizeof(picture_steps) / sizeof(picture_steps[0]))](&x);
    else if (x.rank == 2 && x.dim[0] <= 24 && pick(2))
        sequence_steps[pick(sizeof(sequence_steps) / sizeof(sequence_steps[0]))](&x);
    else
        any_steps[pick(sizeof(any_steps) / sizeof(any_steps[0]))](&x);
}

static void build_random(struct engine_graph *graph)
{
    gen.graph = graph;
    gen.seed = start_seed;
    gen.n = 0;
    if (known_sizes)
        put(case_input(graph, "x", ANY, 9, 7, 3), 3, 9, 7, 3);
    else
        put(case_input(graph, "x", ANY, ANY, ANY, 3), 3, 9, 7, 3);
    int n_steps = 4 + pick(24);
    for (int i = 0; i < n_steps; i++)
        random_step();
    for (int i = 0; i < 3; i++)
        engine_output(graph, "y", gen.items[gen.n - 1 - (i && gen.n > i ? pick(gen.n - i) : 0)].value);
}

static void free_all(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(tensors[i].data);
}

static void report(const char *what, size_t i, float difference, float limit)
{
    if (!(difference <= limit))
        printf("\nseed %u, output %d: %s differs by %g\n", (unsigned)start_seed, (int)i, what, (double)difference);
    CU_ASSERT_TRUE(difference <= limit);
}

/* Row r of the batch against the sample alone. */
static void check_rows(struct engine *engine, const struct tensor *in, const struct tensor *all)
{
    int64_t rows = in->shape.dim[0], n = 0;
    shape_elements(&in->shape, &n);
    for (int64_t r = 0; r < rows; r++) {
        struct tensor one = {DTYPE_FLOAT32, in->shape, NULL}, out[3] = {{0}};
        one.shape.dim[0] = 1;
        struct case_tensor part = {DTYPE_FLOAT32, one.shape, tensor_f32(in) + r * n / rows};
        one.data = case_block(&part, true);
        CU_ASSERT_FATAL(case_outputs("row", engine, &one, out));
        for (size_t i = 0; i < 3; i++) {
            struct tensor row = all[i];
            int64_t elements = 0;
            shape_elements(&row.shape, &elements);
            row.shape.dim[0] = 1;
            row.data = tensor_f32(&all[i]) + r * elements / rows;
            report("row", i, case_difference(&out[i], &row), 2e-6f);
        }
        free(one.data);
        free_all(out, 3);
    }
}

/* The batch a row or two at a time. */
static void check_parts(const struct tensor *in, const struct tensor *all)
{
    struct engine *engine = case_compile_with("parts", build_random, (struct engine_options){.part_bytes = 1});
    struct tensor out[3] = {{0}};
    CU_ASSERT_FATAL(engine && case_outputs("parts", engine, in, out));
    for (size_t i = 0; i < 3; i++)
        report("in parts", i, case_difference(&out[i], &all[i]), 2e-6f);
    free_all(out, 3);
    engine_free(engine);
}

/* A batch of nothing is no reason to fall over. */
static void check_empty(struct engine *engine)
{
    struct shape shape = DIMS(0, 9, 7, 3);
    struct tensor in = case_random_input(&shape, 1), out[3] = {{0}};
    CU_ASSERT_FATAL(case_outputs("no rows", engine, &in, out));
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(out[i].shape.dim[0], 0);
    free(in.data);
    free_all(out, 3);
}

static int run_graph(void)
{
    static const struct shape shape = DIMS(3, 9, 7, 3);
    struct engine *fused = case_compile("random", build_random, false), *plain = case_compile("random", build_random, true);
    if (!fused || !plain) {
        printf("seed %u\n", (unsigned)start_seed);
        CU_FAIL_FATAL("compile");
    }
    struct tensor in = case_random_input(&shape, start_seed), a[3] = {{0}}, b[3] = {{0}};
    CU_ASSERT_FATAL(case_outputs("fused", fused, &in, a) && case_outputs("plain", plain, &in, b));
    for (size_t i = 0; i < 3; i++)
        report("fused", i, case_difference(&a[i], &b[i]), 1e-4f);
    bool batchable = engine_batchable(fused);
    CU_ASSERT_EQUAL(batchable, engine_batchable(plain));
    if (batchable) {
        check_rows(fused, &in, a);
        check_parts(&in, a);
        check_empty(fused);
    }
    free(in.data);
    free_all(a, 3);
    free_all(b, 3);
    engine_free(fused);
    engine_free(plain);
    return batchable;
}

static void test_random(void)
{
    for (int known = 0; known < 2; known++) {
        int batchable = 0;
        known_sizes = known;
        for (uint32_t i = 0; i < N_GRAPHS; i++) {
            start_seed = 1000 + i * 7919;
            batchable += run_graph();
        }
        /* Every step above keeps samples apart. With open sizes a kernel over a swapped axis fits no trial size. */
        CU_ASSERT_TRUE(batchable >= (known ? N_GRAPHS : N_GRAPHS * 8 / 10));
    }
}

int main(void)
{
    static const struct unit_test tests[] = {{"random graphs", test_random}};
    kernels_init();
    return unit_main("engine random", tests, sizeof(tests) / sizeof(tests[0]));
}
