/* Fusion: every rule leaves as many steps as it should, and the numbers that the graph as lowered gives. */
#include "base/buf.h"
#include "engine_case.h"
#include "kernels/cpu.h"

/* A constant of made-up numbers around `mean`. */
static engine_value weights(struct engine_graph *graph, struct shape shape, float mean)
{
    static float numbers[4096];
    uint32_t seed = 7;
    int64_t n = 0;
    CU_ASSERT_FATAL(shape_elements(&shape, &n) && n <= 4096);
    for (int64_t i = 0; i < n; i++)
        numbers[i] = mean + case_random(&seed);
    return engine_constant_copy(graph, DTYPE_FLOAT32, &shape, numbers);
}

#define WEIGHTS(mean, ...) weights(graph, (struct shape)SHAPE(__VA_ARGS__), mean)

static const struct engine_window same3 = {2, {0}, {1, 1}, {1, 1}, ENGINE_SAME};
static const struct engine_window valid3 = {2, {3, 3}, {2, 2}, {1, 1}, ENGINE_VALID};

static engine_value unary(struct engine_graph *graph, enum unary_kind kind, engine_value x)
{
    return engine_unary(graph, (struct unary){.kind = kind, .a = 0.3f}, x);
}

static engine_value norm(struct engine_graph *graph, engine_value x, int64_t channels)
{
    return engine_scale_shift(graph, x, WEIGHTS(1, channels), WEIGHTS(0, channels));
}

static engine_value conv(struct engine_graph *graph, engine_value x, int64_t c_in, int64_t c_out)
{
    return engine_conv(graph, x, WEIGHTS(0, 3, 3, c_in, c_out), ENGINE_NONE, &same3, 1);
}

static engine_value picture(struct engine_graph *graph)
{
    return case_input(graph, "x", ANY, ANY, ANY, 4);
}

static void conv_norm_relu(struct engine_graph *graph)
{
    engine_output(graph, "y", unary(graph, UNARY_RELU, norm(graph, conv(graph, picture(graph), 4, 8), 8)));
}

static void groups(struct engine_graph *graph)
{
    engine_value x = engine_scale_shift(graph, picture(graph), WEIGHTS(1, 4), ENGINE_NONE);
    x = engine_conv(graph, x, WEIGHTS(0, 3, 3, 2, 6), WEIGHTS(0, 6), &same3, 2);
    engine_output(graph, "y", unary(graph, UNARY_TANH, norm(graph, x, 6)));
}

static void depthwise(struct engine_graph *graph)
{
    engine_value x = engine_depthwise_conv(graph, picture(graph), WEIGHTS(0, 3, 3, 4, 2), WEIGHTS(0, 8), &same3);
    engine_output(graph, "y", unary(graph, UNARY_RELU6, norm(graph, x, 8)));
}

static void transposed(struct engine_graph *graph)
{
    struct engine_window window = same3;
    window.stride[0] = window.stride[1] = 2;
    engine_value x = engine_conv_transpose(graph, picture(graph), WEIGHTS(0, 3, 3, 5, 4), ENGINE_NONE, &window, NULL);
    engine_output(graph, "y", unary(graph, UNARY_LEAKY_RELU, norm(graph, x, 5)));
}

static void residual(struct engine_graph *graph)
{
    engine_value x = picture(graph);
    engine_value left = norm(graph, conv(graph, x, 4, 6), 6);
    engine_value right = norm(graph, conv(graph, unary(graph, UNARY_RELU, norm(graph, conv(graph, x, 4, 6), 6)), 6, 6), 6);
    engine_output(graph, "y", unary(graph, UNARY_RELU, engine_binary(graph, BINARY_ADD, left, right)));
}

/* The shortcut is read again later: it must survive. */
static void residual_chain(struct engine_graph *graph)
{
    engine_value x = conv(graph, picture(graph), 4, 4);
    for (int i = 0; i < 3; i++)
        x = engine_binary(graph, BINARY_ADD, conv(graph, unary(graph, UNARY_RELU, x), 4, 4), x);
    engine_output(graph, "y", x);
}

static void before_valid(struct engine_graph *graph)
{
    engine_value x = norm(graph, picture(graph), 4);
    x = engine_conv(graph, x, WEIGHTS(0, 3, 3, 4, 5), WEIGHTS(0, 5), &valid3, 1);
    x = norm(graph, unary(graph, UNARY_RELU, x), 5);
    x = engine_depthwise_conv(graph, x, WEIGHTS(0, 3, 3, 5, 2), ENGINE_NONE, &valid3);
    x = norm(graph, unary(graph, UNARY_TANH, x), 10);
    engine_output(graph, "y", engine_dense(graph, x, WEIGHTS(0, 10, 3), ENGINE_NONE));
}

/* A shift before padding is not a shift at the border. */
static void before_same(struct engine_graph *graph)
{
    engine_output(graph, "y", conv(graph, norm(graph, picture(graph), 4), 4, 5));
}

static void padding(struct engine_graph *graph)
{
    const int64_t before[] = {0, 1, 0, 0}, after[] = {0, 1, 2, 0};
    engine_value x = engine_pad(graph, picture(graph), before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
    x = unary(graph, UNARY_RELU, engine_conv(graph, x, WEIGHTS(0, 3, 3, 4, 5), ENGINE_NONE, &valid3, 1));
    x = engine_pad(graph, x, before, after, ENGINE_PAD_CONSTANT, engine_scalar_f32(graph, 0));
    engine_output(graph, "y", engine_pool(graph, POOL_MAX, x, &valid3));
}

/* Negative numbers beside padded zeros: the zeros count. */
static void padding_negative(struct engine_graph *graph)
{
    const int64_t one[] = {0, 1, 1, 0};
    engine_value x = engine_pad(graph, picture(graph), one, one, ENGINE_PAD_CONSTANT, ENGINE_NONE);
    engine_output(graph, "y", engine_pool(graph, POOL_MAX, x, &valid3));
}

/* The bias and scale of a multi-head projection, behind the reshape that splits the heads. */
static void heads(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 4);
    x = engine_einsum(graph, "abc,cde->abde", x, WEIGHTS(0, 4, 2, 3));
    x = engine_binary(graph, BINARY_ADD, x, WEIGHTS(0, 2, 3));
    x = engine_binary(graph, BINARY_MULTIPLY, x, engine_scalar_f32(graph, 0.25f));
    engine_output(graph, "y", unary(graph, UNARY_SIGMOID, x));
}

static void normalization(struct engine_graph *graph)
{
    engine_value x = engine_normalize(graph, ENGINE_NORM_LAYER, picture(graph), (const int[]){-1}, 1, 1e-3f);
    x = engine_binary(graph, BINARY_MULTIPLY, x, WEIGHTS(1, 4));
    engine_output(graph, "y", engine_binary(graph, BINARY_ADD, x, WEIGHTS(0, 4)));
}

static void arithmetic(struct engine_graph *graph)
{
    engine_value x = engine_binary(graph, BINARY_MULTIPLY, engine_scalar_f32(graph, 2), picture(graph));
    x = engine_binary(graph, BINARY_SUBTRACT, x, engine_scalar_f32(graph, 1));
    engine_output(graph, "y", unary(graph, UNARY_RELU, x));
    engine_output(graph, "minus", engine_binary(graph, BINARY_SUBTRACT, engine_scalar_f32(graph, 1), x));
}

static void channels_first(struct engine_graph *graph)
{
    const int last[] = {0, 2, 3, 1}, first[] = {0, 3, 1, 2};
    engine_value x = case_input(graph, "x", ANY, 4, ANY, ANY);
    for (int i = 0; i < 2; i++) {
        x = engine_transpose(graph, conv(graph, engine_transpose(graph, x, last), 4, 4), first);
        x = engine_transpose(graph, norm(graph, engine_transpose(graph, x, last), 4), first);
        x = unary(graph, UNARY_RELU, x);
    }
    engine_output(graph, "y", x);
}

/* x * relu6(x + 3) / 6 and x * sigmoid(x), spelled out, on a convolution each. */
static void gates(struct engine_graph *graph)
{
    engine_value x = norm(graph, conv(graph, picture(graph), 4, 4), 4);
    engine_value gate = engine_binary(graph, BINARY_ADD, x, engine_scalar_f32(graph, 3));
    gate = unary(graph, UNARY_RELU6, gate);
    gate = engine_binary(graph, BINARY_MULTIPLY, gate, engine_scalar_f32(graph, 1.0f / 6));
    x = norm(graph, conv(graph, engine_binary(graph, BINARY_MULTIPLY, x, gate), 4, 4), 4);
    engine_output(graph, "y", engine_binary(graph, BINARY_MULTIPLY, unary(graph, UNARY_SIGMOID, x), x));
}

/* Another factor, another shift, another tensor: not a hard swish. */
static void no_gates(struct engine_graph *graph)
{
    engine_value in = picture(graph), x = conv(graph, in, 4, 4), y = conv(graph, in, 4, 4);
    engine_value gate = engine_binary(graph, BINARY_ADD, x, engine_scalar_f32(graph, 3));
    gate = unary(graph, UNARY_RELU6, gate);
    gate = engine_binary(graph, BINARY_MULTIPLY, gate, engine_scalar_f32(graph, 1.0f / 5));
    engine_output(graph, "factor", engine_binary(graph, BINARY_MULTIPLY, x, gate));
    engine_output(graph, "tensor", engine_binary(graph, BINARY_MULTIPLY, unary(graph, UNARY_SIGMOID, y), x));
}

/* The same activation on two branches is computed once; different ones are not. */
static void twice(struct engine_graph *graph)
{
    engine_value x = picture(graph);
    engine_value left = conv(graph, unary(graph, UNARY_RELU, x), 4, 4);
    engine_value right = conv(graph, unary(graph, UNARY_RELU, x), 4, 4);
    engine_value other = engine_unary(graph, (struct unary){.kind = UNARY_LEAKY_RELU, .a = 0.1f}, x);
    engine_value steeper = engine_unary(graph, (struct unary){.kind = UNARY_LEAKY_RELU, .a = 0.2f}, x);
    other = engine_binary(graph, BINARY_MULTIPLY, other, steeper);
    engine_output(graph, "y", engine_concat(graph, (engine_value[]){left, right, other}, 3, -1));
}

static void depthwise_by_groups(struct engine_graph *graph)
{
    engine_value x = engine_conv(graph, picture(graph), WEIGHTS(0, 3, 3, 1, 8), WEIGHTS(0, 8), &same3, 4);
    engine_output(graph, "y", unary(graph, UNARY_RELU, norm(graph, x, 8)));
}

/* Nobody may touch what somebody else reads, or what is an output. */
static void shared(struct engine_graph *graph)
{
    engine_value x = conv(graph, picture(graph), 4, 4);
    engine_output(graph, "x", x);
    engine_output(graph, "y", unary(graph, UNARY_RELU, x));
    engine_value z = conv(graph, x, 4, 4);
    engine_output(graph, "z", engine_binary(graph, BINARY_ADD, unary(graph, UNARY_TANH, z), norm(graph, z, 4)));
}

static const struct {
    const char *name;
    void (*build)(struct engine_graph *graph);
    int steps;
    struct shape in;
} cases[] = {
    {"conv, norm, relu", conv_norm_relu, 1, DIMS(2, 6, 5, 4)},
    {"groups", groups, 1, DIMS(2, 6, 5, 4)},
    {"depthwise", depthwise, 1, DIMS(2, 6, 5, 4)},
    {"transposed", transposed, 1, DIMS(2, 6, 5, 4)},
    {"residual", residual, 3, DIMS(2, 6, 5, 4)},
    {"residual chain", residual_chain, 7, DIMS(2, 6, 5, 4)},
    {"before valid", before_valid, 3, DIMS(2, 9, 11, 4)},
    {"before same", before_same, 2, DIMS(2, 6, 5, 4)},
    {"padding", padding, 2, DIMS(2, 9, 7, 4)},
    {"padding negative", padding_negative, 2, DIMS(2, 6, 5, 4)},
    {"heads", heads, 1, DIMS(2, 3, 4)},
    {"normalization", normalization, 1, DIMS(2, 3, 3, 4)},
    {"arithmetic", arithmetic, 3, DIMS(2, 3, 3, 4)},
    {"channels first", channels_first, 4, DIMS(2, 4, 6, 5)},
    {"gates", gates, 2, DIMS(2, 6, 5, 4)},
    {"no gates", no_gates, 6, DIMS(2, 6, 5, 4)},
    {"twice", twice, 7, DIMS(2, 6, 5, 4)},
    {"depthwise by groups", depthwise_by_groups, 1, DIMS(2, 6, 5, 4)},
    {"shared", shared, 6, DIMS(2, 6, 5, 4)},
};

static int count_steps(struct engine *engine, const struct shape *in)
{
    struct engine_plan *plan = NULL;
    struct buf text;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(engine_plan_get(engine, in, &plan, &err), 0);
    buf_init(&text, 1 << 20);
    engine_plan_print(plan, &text);
    int lines = 0;
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    buf_done(&text);
    engine_plan_put(plan);
    return lines - 1;
}

static void run_case(size_t k)
{
    struct engine *fused = case_compile(cases[k].name, cases[k].build, false);
    struct engine *plain = case_compile(cases[k].name, cases[k].build, true);
    if (!fused || !plain)
        return;
    int steps = count_steps(fused, &cases[k].in);
    if (steps != cases[k].steps)
        printf("\n%s: %d steps\n", cases[k].name, steps);
    CU_ASSERT_EQUAL(steps, cases[k].steps);
    CU_ASSERT_TRUE(count_steps(plain, &cases[k].in) >= steps);
    CU_ASSERT_TRUE(engine_batchable(fused) && engine_batchable(plain));
    struct tensor in = case_random_input(&cases[k].in, 1), a[CASE_MAX_PORTS], b[CASE_MAX_PORTS];
    if (case_outputs(cases[k].name, fused, &in, a) && case_outputs(cases[k].name, plain, &in, b)) {
        for (size_t i = 0; i < engine_n_outputs(fused); i++) {
            float difference = case_difference(&a[i], &b[i]);
            if (!(difference < 3e-6f))
                printf("\n%s: output %d differs by %g\n", cases[k].name, (int)i, (double)difference);
            CU_ASSERT_TRUE(difference < 3e-6f);
            free(a[i].data);
            free(b[i].data);
        }
    } else {
        CU_FAIL("run");
    }
    free(in.data);
    engine_free(fused);
    engine_free(plain);
}

static void test_rules(void)
{
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++)
        run_case(k);
}

int main(void)
{
    static const struct unit_test tests[] = {{"rules", test_rules}};
    kernels_init();
    return unit_main("engine fusion", tests, sizeof(tests) / sizeof(tests[0]));
}
