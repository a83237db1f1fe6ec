/* Every op of the graph with numbers that can be checked by hand, sizes unknown while building wherever the op allows. */
#include "engine_case.h"
#include "kernels/cpu.h"

/* ---- element-wise ---- */

static void build_unary(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3);
    engine_output(graph, "relu", engine_unary(graph, (struct unary){.kind = UNARY_RELU}, x));
    engine_output(graph, "clip", engine_unary(graph, (struct unary){.kind = UNARY_CLIP, .a = -1, .b = 2}, x));
    engine_output(graph, "nan", engine_unary(graph, (struct unary){.kind = UNARY_IS_NAN}, x));
    engine_output(graph, "same", engine_unary(graph, (struct unary){.kind = UNARY_LINEAR}, x));
}

static void build_int_unary(struct engine_graph *graph)
{
    engine_value x = case_input_as(graph, "x", DTYPE_INT8, ANY);
    engine_output(graph, "square", engine_unary(graph, (struct unary){.kind = UNARY_SQUARE}, x));
    engine_output(graph, "not", engine_unary(graph, (struct unary){.kind = UNARY_BITWISE_NOT}, x));
}

static void build_binary(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 1, 3), y = case_input(graph, "y", ANY, 2, 1);
    engine_output(graph, "add", engine_binary(graph, BINARY_ADD, x, y));
    engine_output(graph, "less", engine_binary(graph, BINARY_LESS, x, y));
    engine_output(graph, "twice", engine_binary(graph, BINARY_ADD, x, x));
}

static void build_int_binary(struct engine_graph *graph)
{
    engine_value x = case_input_as(graph, "x", DTYPE_UINT8, ANY), y = case_input_as(graph, "y", DTYPE_UINT8, ANY);
    engine_output(graph, "add", engine_binary(graph, BINARY_ADD, x, y));
    engine_output(graph, "div", engine_binary(graph, BINARY_FLOOR_DIVIDE, x, y));
    engine_output(graph, "max", engine_binary(graph, BINARY_MAXIMUM, x, y));
}

static void build_select(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_value zero = engine_scalar_f32(graph, 0);
    engine_value positive = engine_binary(graph, BINARY_GREATER, x, zero);
    engine_output(graph, "y", engine_select(graph, positive, x, case_constant(graph, DIMS(2), 10, 20)));
}

static void build_cast(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY);
    engine_output(graph, "int", engine_cast(graph, x, DTYPE_INT32));
    engine_output(graph, "bool", engine_cast(graph, x, DTYPE_BOOL));
    engine_output(graph, "half", engine_cast(graph, x, DTYPE_FLOAT16));
    engine_output(graph, "same", engine_cast(graph, x, DTYPE_FLOAT32));
}

static void build_scale_shift(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 2);
    engine_value scale = case_constant(graph, DIMS(2), 2, 3), shift = case_constant(graph, DIMS(2), 10, 20);
    engine_output(graph, "both", engine_scale_shift(graph, x, scale, shift));
    engine_output(graph, "scale", engine_scale_shift(graph, x, scale, ENGINE_NONE));
    engine_output(graph, "shift", engine_scale_shift(graph, x, ENGINE_NONE, shift));
}

static void build_softmax(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3);
    engine_output(graph, "softmax", engine_softmax(graph, x, (const int[]){-1}, 1, false));
    engine_output(graph, "log", engine_softmax(graph, x, (const int[]){1}, 1, true));
    engine_output(graph, "sparsemax", engine_sparsemax(graph, case_constant(graph, DIMS(1, 3), 1, 0.9f, 0.1f)));
}

static const struct engine_case elementwise[] = {
    {"unary", build_unary, 1, 4, {F32(DIMS(2, 3), -2, 0.5f, 3, NAN, 1, -0.5f)},
     {F32(DIMS(2, 3), 0, 0.5f, 3, NAN, 1, 0), F32(DIMS(2, 3), -1, 0.5f, 2, NAN, 1, -0.5f),
      I64(DTYPE_BOOL, DIMS(2, 3), 0, 0, 0, 1, 0, 0), F32(DIMS(2, 3), -2, 0.5f, 3, NAN, 1, -0.5f)}, 1},
    {"int unary", build_int_unary, 1, 2, {I64(DTYPE_INT8, DIMS(3), 2, -3, 12)},
     {I64(DTYPE_INT8, DIMS(3), 4, 9, -112), I64(DTYPE_INT8, DIMS(3), -3, 2, -13)}, 1},
    {"binary", build_binary, 2, 3, {F32(DIMS(1, 1, 3), 1, 2, 3), F32(DIMS(1, 2, 1), 2, 10)},
     {F32(DIMS(1, 2, 3), 3, 4, 5, 11, 12, 13), I64(DTYPE_BOOL, DIMS(1, 2, 3), 1, 0, 0, 1, 1, 1),
      F32(DIMS(1, 1, 3), 2, 4, 6)}, 1},
    {"int binary", build_int_binary, 2, 3, {I64(DTYPE_UINT8, DIMS(3), 250, 7, 1), I64(DTYPE_UINT8, DIMS(3), 10, 2, 5)},
     {I64(DTYPE_UINT8, DIMS(3), 4, 9, 6), I64(DTYPE_UINT8, DIMS(3), 25, 3, 0), I64(DTYPE_UINT8, DIMS(3), 250, 7, 5)}, 1},
    {"select", build_select, 1, 1, {F32(DIMS(2, 2), 1, -1, -2, 2)}, {F32(DIMS(2, 2), 1, 20, 10, 2)}, 1},
    {"cast", build_cast, 1, 4, {F32(DIMS(4), 2.7f, -2.7f, 0, 2049)},
     {I64(DTYPE_INT32, DIMS(4), 2, -2, 0, 2049), I64(DTYPE_BOOL, DIMS(4), 1, 1, 0, 1),
      {DTYPE_FLOAT16, DIMS(4), (const float[]){2.69921875f, -2.69921875f, 0, 2048}}, F32(DIMS(4), 2.7f, -2.7f, 0, 2049)}, 1},
    {"scale_shift", build_scale_shift, 1, 3, {F32(DIMS(1, 2, 2), 1, 2, 3, 4)},
     {F32(DIMS(1, 2, 2), 12, 26, 16, 32), F32(DIMS(1, 2, 2), 2, 6, 6, 12), F32(DIMS(1, 2, 2), 11, 22, 13, 24)}, 1},
    {"softmax", build_softmax, 1, 3, {F32(DIMS(2, 3), 1, 2, 3, 0, 0, 0)},
     {F32(DIMS(2, 3), 0.09003057f, 0.24472847f, 0.66524096f, 1.f / 3, 1.f / 3, 1.f / 3),
      F32(DIMS(2, 3), -2.4076059f, -1.4076059f, -0.4076059f, -1.0986123f, -1.0986123f, -1.0986123f),
      F32(DIMS(1, 3), 0.05f, 0, 0)}, -1},
};

static void test_elementwise(void)
{
    case_run_all(elementwise, sizeof(elementwise) / sizeof(elementwise[0]));
}

/* ---- sources and sizes ---- */

static void build_sizes(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 2);
    engine_value sizes = engine_shape_of(graph, x);
    engine_value batch = engine_slice(graph, sizes, 0, 0, 1, 1), time = engine_slice(graph, sizes, 0, 1, 2, 1);
    engine_value merged = engine_binary(graph, BINARY_MULTIPLY, batch, time);
    engine_value two = case_ints(graph, DTYPE_INT64, DIMS(1), 2);
    engine_value flat = engine_reshape_to(graph, x, engine_concat(graph, (engine_value[]){merged, two}, 2, 0));
    engine_value back = engine_reshape_to(graph, flat, sizes);
    engine_output(graph, "flat", engine_reduce(graph, REDUCE_SUM, back, (const int[]){1, 2}, 2, false));
    engine_value fill = engine_fill(graph, sizes, engine_scalar_f32(graph, 0.5f));
    engine_output(graph, "fill", engine_binary(graph, BINARY_ADD, fill, back));
    CU_ASSERT_EQUAL(engine_rank(graph, flat), 2);
    CU_ASSERT_EQUAL(engine_dim(graph, flat, 1), 2);
    CU_ASSERT_EQUAL(engine_dim(graph, fill, 1), SHAPE_UNKNOWN);
    CU_ASSERT_EQUAL(engine_dim(graph, fill, 2), 2);
}

static void build_range(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY);
    engine_value time = engine_squeeze(graph, engine_slice(graph, engine_shape_of(graph, x), 0, 1, 2, 1), (const int[]){0}, 1);
    engine_value zero = engine_scalar_i64(graph, DTYPE_INT64, 0), one = engine_scalar_i64(graph, DTYPE_INT64, 1);
    engine_value positions = engine_range(graph, zero, time, one);
    engine_value table = case_constant(graph, DIMS(4, 1), 100, 200, 300, 400);
    engine_value rows = engine_gather(graph, table, positions, 0, 0, ENGINE_BOUNDS_ERROR);
    engine_output(graph, "y", engine_binary(graph, BINARY_ADD, engine_expand_dims(graph, x, -1), rows));
}

static void build_constants(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_value c = case_constant(graph, DIMS(2, 2), 1, 2, 3, 4);
    engine_value t = engine_transpose(graph, c, (const int[]){1, 0});
    engine_value sum = engine_binary(graph, BINARY_ADD, t, c);
    const struct tensor *folded = engine_constant_of(graph, sum);
    CU_ASSERT_PTR_NOT_NULL_FATAL(folded);
    CU_ASSERT_EQUAL(tensor_f32(folded)[1], 5);
    CU_ASSERT_PTR_NULL(engine_constant_of(graph, x));
    engine_output(graph, "y", engine_matmul(graph, x, sum, false, false));
}

static void build_dynamic_slice(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY);
    engine_value time = engine_squeeze(graph, engine_slice(graph, engine_shape_of(graph, x), 0, 1, 2, 1), (const int[]){0}, 1);
    engine_value half = engine_binary(graph, BINARY_FLOOR_DIVIDE, time, engine_scalar_i64(graph, DTYPE_INT64, 2));
    engine_output(graph, "y", engine_slice_dynamic(graph, x, 1, half, ENGINE_NONE, 1));
    engine_output(graph, "z", engine_broadcast_to(graph, engine_scalar_f32(graph, 7),
                                                  engine_slice(graph, engine_shape_of(graph, x), 0, 0, 1, 1)));
}

static const struct engine_case sources[] = {
    {"sizes", build_sizes, 1, 2, {F32(DIMS(1, 3, 2), 1, 2, 3, 4, 5, 6)},
     {F32(DIMS(1), 21), F32(DIMS(1, 3, 2), 1.5f, 2.5f, 3.5f, 4.5f, 5.5f, 6.5f)}, 1},
    {"range", build_range, 1, 1, {F32(DIMS(2, 3), 1, 2, 3, 4, 5, 6)},
     {F32(DIMS(2, 3, 1), 101, 202, 303, 104, 205, 306)}, 0},
    {"constants", build_constants, 1, 1, {F32(DIMS(1, 2), 1, 2)}, {F32(DIMS(1, 2), 12, 21)}, 1},
    {"dynamic slice", build_dynamic_slice, 1, 2, {F32(DIMS(2, 3), 1, 2, 3, 4, 5, 6)},
     {F32(DIMS(2, 2), 2, 3, 5, 6), F32(DIMS(2), 7, 7)}, 1},
};

static void test_sources(void)
{
    case_run_all(sources, sizeof(sources) / sizeof(sources[0]));
}

/* ---- products ---- */

static void build_dense(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 2);
    engine_value kernel = case_constant(graph, DIMS(2, 3), 1, 2, 3, 4, 5, 6);
    engine_value y = engine_dense(graph, x, kernel, case_constant(graph, DIMS(3), 0.5f, 0, -100));
    y = engine_unary(graph, (struct unary){.kind = UNARY_RELU}, y);
    engine_output(graph, "y", y);
    engine_output(graph, "z", engine_dense(graph, x, kernel, ENGINE_NONE));
}

static void build_matmul(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 2), y = case_input(graph, "y", ANY, ANY, 2);
    engine_output(graph, "xyt", engine_matmul(graph, x, y, false, true));
    engine_output(graph, "xty", engine_matmul(graph, x, y, true, false));
    engine_output(graph, "xc", engine_matmul(graph, x, case_constant(graph, DIMS(2), 1, 10), false, false));
}

static void build_einsum(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 2);
    engine_value kernel = case_constant(graph, DIMS(2, 2, 1), 1, 2, 3, 4);
    engine_output(graph, "abde", engine_einsum(graph, "abc,cde->abde", x, kernel));
    engine_output(graph, "xy", engine_einsum(graph, "...x,xy->...y", x, case_constant(graph, DIMS(2, 1), 1, 10)));
    engine_output(graph, "sum", engine_einsum(graph, "abc->ca", x, ENGINE_NONE));
    engine_output(graph, "outer", engine_einsum(graph, "abc,abd->acd", x, x));
}

/* Multi-head attention's two products: scores and their use. */
static void build_attention(struct engine_graph *graph)
{
    engine_value q = case_input(graph, "q", ANY, ANY, 2, 1), k = case_input(graph, "k", ANY, ANY, 2, 1);
    engine_value scores = engine_einsum(graph, "aecd,abcd->acbe", k, q);
    engine_output(graph, "scores", scores);
    engine_output(graph, "used", engine_einsum(graph, "acbe,aecd->abcd", scores, k));
}

static const struct engine_case products[] = {
    {"dense", build_dense, 1, 2, {F32(DIMS(1, 2, 2), 1, 1, 2, 0)},
     {F32(DIMS(1, 2, 3), 5.5f, 7, 0, 2.5f, 4, 0), F32(DIMS(1, 2, 3), 5, 7, 9, 2, 4, 6)}, 1},
    {"matmul", build_matmul, 2, 3, {F32(DIMS(1, 2, 2), 1, 2, 3, 4), F32(DIMS(1, 2, 2), 5, 6, 7, 8)},
     {F32(DIMS(1, 2, 2), 17, 23, 39, 53), F32(DIMS(1, 2, 2), 26, 30, 38, 44), F32(DIMS(1, 2), 21, 43)}, 1},
    {"einsum", build_einsum, 1, 4, {F32(DIMS(1, 2, 2), 1, 2, 3, 4)},
     {F32(DIMS(1, 2, 2, 1), 7, 10, 15, 22), F32(DIMS(1, 2, 1), 21, 43), F32(DIMS(2, 1), 4, 6),
      F32(DIMS(1, 2, 2), 10, 14, 14, 20)}, -1},
    {"attention", build_attention, 2, 2, {F32(DIMS(1, 2, 2, 1), 1, 2, 3, 4), F32(DIMS(1, 3, 2, 1), 1, 10, 2, 20, 3, 30)},
     {F32(DIMS(1, 2, 2, 3), 1, 2, 3, 3, 6, 9, 20, 40, 60, 40, 80, 120),
      F32(DIMS(1, 2, 2, 1), 14, 2800, 42, 5600)}, 1},
};

static void test_products(void)
{
    case_run_all(products, sizeof(products) / sizeof(products[0]));
}

/* ---- windows ---- */

static struct engine_window window1(int64_t size, int64_t stride, int64_t dilation, enum engine_padding padding)
{
    return (struct engine_window){1, {size}, {stride}, {dilation}, padding};
}

static void build_conv1(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 1);
    engine_value ones = case_constant(graph, DIMS(3, 1, 1), 1, 1, 1), tens = case_constant(graph, DIMS(3, 1, 1), 1, 10, 100);
    struct engine_window same = window1(0, 2, 1, ENGINE_SAME), causal = window1(0, 1, 2, ENGINE_CAUSAL);
    struct engine_window valid = window1(0, 1, 1, ENGINE_VALID);
    engine_output(graph, "same", engine_conv(graph, x, ones, ENGINE_NONE, &same, 1));
    engine_output(graph, "causal", engine_conv(graph, x, tens, ENGINE_NONE, &causal, 1));
    engine_output(graph, "valid", engine_conv(graph, x, tens, case_constant(graph, DIMS(1), 1000), &valid, 1));
}

static void build_conv2(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, ANY, 2);
    engine_value kernel = case_constant(graph, DIMS(1, 2, 1, 2), 1, 2, 10, 20); /* two groups, one filter each */
    struct engine_window valid = {2, {0}, {1, 1}, {1, 1}, ENGINE_VALID};
    engine_output(graph, "groups", engine_conv(graph, x, kernel, ENGINE_NONE, &valid, 2));
    engine_output(graph, "depthwise", engine_depthwise_conv(graph, x, case_constant(graph, DIMS(1, 1, 2, 2), 1, 10, 100, 1000),
                                                            case_constant(graph, DIMS(4), 0, 0, 0, 5), &valid));
}

static void build_conv_transpose(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 1);
    struct engine_window valid = window1(0, 3, 1, ENGINE_VALID), same = window1(0, 2, 1, ENGINE_SAME);
    engine_output(graph, "valid", engine_conv_transpose(graph, x, case_constant(graph, DIMS(2, 1, 1), 1, 10), ENGINE_NONE,
                                                        &valid, NULL));
    engine_output(graph, "same", engine_conv_transpose(graph, x, case_constant(graph, DIMS(3, 1, 1), 1, 10, 100), ENGINE_NONE,
                                                       &same, NULL));
    engine_output(graph, "even", engine_conv_transpose(graph, x, case_constant(graph, DIMS(4, 1, 1), 1, 10, 100, 1000),
                                                       ENGINE_NONE, &same, NULL));
    engine_output(graph, "padded", engine_conv_transpose(graph, x, case_constant(graph, DIMS(3, 1, 1), 1, 10, 100),
                                                         case_constant(graph, DIMS(1), 1), &same, (const int64_t[]){1}));
}

static void build_local(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3, 1);
    struct engine_window valid = window1(2, 1, 1, ENGINE_VALID);
    engine_output(graph, "y", engine_local_conv(graph, x, case_constant(graph, DIMS(2, 2, 1), 1, 2, 3, 4),
                                                case_constant(graph, DIMS(2, 1), 100, 200), &valid));
}

static void build_pool(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 1);
    struct engine_window same = window1(2, 2, 1, ENGINE_SAME), valid = window1(2, 1, 1, ENGINE_VALID);
    engine_output(graph, "average", engine_pool(graph, POOL_AVERAGE, x, &same));
    engine_output(graph, "max", engine_pool(graph, POOL_MAX, x, &valid));
    engine_output(graph, "adaptive", engine_adaptive_pool(graph, POOL_AVERAGE, x, (const int64_t[]){2}, 1));
    engine_output(graph, "lrn", engine_local_response_norm(graph, x, 1, 1, 1, 0.5f));
}

static const struct engine_case windows[] = {
    {"conv1 even", build_conv1, 1, 3, {F32(DIMS(1, 4, 1), 1, 2, 3, 4)},
     {F32(DIMS(1, 2, 1), 6, 7), F32(DIMS(1, 4, 1), 100, 200, 310, 420), F32(DIMS(1, 2, 1), 1321, 1432)}, 1},
    {"conv1 odd", build_conv1, 1, 3, {F32(DIMS(1, 5, 1), 1, 2, 3, 4, 5)},
     {F32(DIMS(1, 3, 1), 3, 9, 9), F32(DIMS(1, 5, 1), 100, 200, 310, 420, 531), F32(DIMS(1, 3, 1), 1321, 1432, 1543)}, 1},
    {"conv2", build_conv2, 1, 2, {F32(DIMS(1, 1, 2, 2), 1, 2, 3, 4)},
     {F32(DIMS(1, 1, 1, 2), 31, 84), F32(DIMS(1, 1, 2, 4), 1, 10, 200, 2005, 3, 30, 400, 4005)}, 1},
    {"conv_transpose", build_conv_transpose, 1, 4, {F32(DIMS(1, 2, 1), 1, 2)},
     {F32(DIMS(1, 6, 1), 1, 10, 0, 2, 20, 0), F32(DIMS(1, 4, 1), 1, 10, 102, 20), F32(DIMS(1, 4, 1), 10, 102, 1020, 200),
      F32(DIMS(1, 4, 1), 2, 11, 103, 21)}, 1},
    {"local", build_local, 1, 1, {F32(DIMS(1, 3, 1), 1, 2, 3)}, {F32(DIMS(1, 2, 1), 105, 218)}, 1},
    {"pool", build_pool, 1, 4, {F32(DIMS(1, 3, 1), 1, 2, 3)},
     {F32(DIMS(1, 2, 1), 1.5f, 3), F32(DIMS(1, 2, 1), 2, 3), F32(DIMS(1, 2, 1), 1.5f, 2.5f),
      F32(DIMS(1, 3, 1), 0.70710678f, 0.89442719f, 0.94868330f)}, 1},
};

static void test_windows(void)
{
    case_run_all(windows, sizeof(windows) / sizeof(windows[0]));
}

/* ---- reductions, normalisation, scans ---- */

static void build_reduce(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2, ANY);
    engine_output(graph, "sum", engine_reduce(graph, REDUCE_SUM, x, (const int[]){-1}, 1, true));
    engine_output(graph, "mean", engine_reduce(graph, REDUCE_MEAN, x, (const int[]){1, 2}, 2, false));
    engine_output(graph, "argmax", engine_reduce(graph, REDUCE_ARGMAX, x, (const int[]){2}, 1, false));
    engine_output(graph, "max", engine_reduce(graph, REDUCE_MAX, x, (const int[]){1}, 1, false));
}

static void build_reduce_all(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_output(graph, "all", engine_reduce(graph, REDUCE_PROD, x, NULL, 0, false));
    engine_output(graph, "logsumexp", engine_reduce(graph, REDUCE_LOGSUMEXP, x, (const int[]){1}, 1, false));
    engine_value positive = engine_binary(graph, BINARY_GREATER, x, engine_scalar_f32(graph, 2));
    engine_output(graph, "any", engine_reduce(graph, REDUCE_ANY, positive, (const int[]){1}, 1, false));
}

static void build_normalize(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    const int axes[] = {1};
    engine_output(graph, "layer", engine_normalize(graph, ENGINE_NORM_LAYER, x, axes, 1, 1e-3f));
    engine_output(graph, "rms", engine_normalize(graph, ENGINE_NORM_RMS, x, axes, 1, 1e-6f));
    engine_output(graph, "scaled", engine_normalize(graph, ENGINE_NORM_RMS_SCALED, x, axes, 1, 1e-3f));
    engine_value y = engine_normalize(graph, ENGINE_NORM_LAYER, x, axes, 1, 1e-3f);
    engine_output(graph, "affine", engine_scale_shift(graph, y, case_constant(graph, DIMS(2), 2, 3),
                                                      case_constant(graph, DIMS(2), 1, 0)));
}

static void build_scans(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 3);
    engine_output(graph, "sum", engine_cumsum(graph, x, 1, false, false, false));
    engine_output(graph, "back", engine_cumsum(graph, x, -1, true, true, false));
    engine_output(graph, "product", engine_cumsum(graph, x, 1, false, false, true));
    engine_output(graph, "descending", engine_sort(graph, x, 1, true, false));
}

static void build_sorts(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY), top[2];
    engine_top_k(graph, x, 2, top);
    engine_output(graph, "values", top[0]);
    engine_output(graph, "indices", top[1]);
    engine_output(graph, "argsort", engine_sort(graph, x, 1, false, true));
}

static const struct engine_case reductions[] = {
    {"reduce", build_reduce, 1, 4, {F32(DIMS(1, 2, 3), 1, 5, 3, 4, 2, 6)},
     {F32(DIMS(1, 2, 1), 9, 12), F32(DIMS(1), 3.5f), I64(DTYPE_INT64, DIMS(1, 2), 1, 2), F32(DIMS(1, 3), 4, 5, 6)}, 1},
    {"reduce all", build_reduce_all, 1, 3, {F32(DIMS(2, 2), 1, 2, 3, 4)},
     {F32({.rank = 0}, 24), F32(DIMS(2), 2.3132617f, 4.3132617f), I64(DTYPE_BOOL, DIMS(2), 0, 1)}, -1},
    {"normalize", build_normalize, 1, 4, {F32(DIMS(1, 2), 1, 3)},
     {F32(DIMS(1, 2), -0.9995004f, 0.9995004f), F32(DIMS(1, 2), 0.4472136f, 1.3416407f),
      F32(DIMS(1, 2), 0.9995004f, 2.9985012f), F32(DIMS(1, 2), -0.9990008f, 2.9985012f)}, 1},
    {"scans", build_scans, 1, 4, {F32(DIMS(2, 3), 1, 2, 3, 4, 6, 5)},
     {F32(DIMS(2, 3), 1, 3, 6, 4, 10, 15), F32(DIMS(2, 3), 5, 3, 0, 11, 5, 0), F32(DIMS(2, 3), 1, 2, 6, 4, 24, 120),
      F32(DIMS(2, 3), 3, 2, 1, 6, 5, 4)}, 1},
    {"sorts", build_sorts, 1, 3, {F32(DIMS(1, 4), 2, 9, 2, 5)},
     {F32(DIMS(1, 2), 9, 5), I64(DTYPE_INT32, DIMS(1, 2), 1, 3), I64(DTYPE_INT32, DIMS(1, 4), 0, 2, 3, 1)}, 1},
};

static void test_reductions(void)
{
    case_run_all(reductions, sizeof(reductions) / sizeof(reductions[0]));
}

/* ---- movement ---- */

static void build_reshapes(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2, 3);
    engine_output(graph, "flat", engine_reshape(graph, x, (const int64_t[]){ENGINE_SAME_DIM(0), 6}, 2));
    engine_value merged = engine_reshape(graph, x, (const int64_t[]){ENGINE_INFER, 3}, 2);
    engine_output(graph, "apart", engine_reshape(graph, merged, (const int64_t[]){ENGINE_INFER, 2, 3}, 3));
    engine_value wide = engine_expand_dims(graph, x, 1);
    CU_ASSERT_EQUAL(engine_rank(graph, wide), 4);
    engine_output(graph, "squeezed", engine_squeeze(graph, wide, (const int[]){1}, 1));
    engine_output(graph, "transposed", engine_transpose(graph, x, (const int[]){0, 2, 1}));
    CU_ASSERT_EQUAL(engine_dim(graph, engine_reshape(graph, x, (const int64_t[]){ENGINE_SAME_DIM(0), ENGINE_INFER}, 2), 1), 6);
}

static void build_joins(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2), y = case_input(graph, "y", ANY, 1);
    engine_output(graph, "concat", engine_concat(graph, (engine_value[]){x, y, x}, 3, -1));
    engine_output(graph, "stack", engine_stack(graph, (engine_value[]){x, x}, 2, 1));
    engine_output(graph, "rows", engine_concat(graph, (engine_value[]){x, x}, 2, 0));
}

static void build_slices(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY);
    engine_output(graph, "tail", engine_slice(graph, x, 1, -2, ENGINE_SLICE_NONE, 1));
    engine_output(graph, "back", engine_slice(graph, x, 1, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1));
    engine_output(graph, "step", engine_slice(graph, x, -1, 0, 100, 2));
    engine_output(graph, "none", engine_slice(graph, x, 1, 3, 1, 1));
}

static void build_pads(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY);
    const int64_t before[] = {0, 1}, after[] = {0, 2};
    engine_output(graph, "zero", engine_pad(graph, x, before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE));
    engine_output(graph, "nine", engine_pad(graph, x, before, after, ENGINE_PAD_CONSTANT, engine_scalar_f32(graph, 9)));
    engine_output(graph, "reflect", engine_pad(graph, x, before, after, ENGINE_PAD_REFLECT, ENGINE_NONE));
    engine_output(graph, "edge", engine_pad(graph, x, before, after, ENGINE_PAD_EDGE, ENGINE_NONE));
}

static void build_copies(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, 2);
    engine_output(graph, "repeat", engine_repeat(graph, x, 1, 2));
    engine_output(graph, "tile", engine_tile(graph, x, (const int64_t[]){1, 2}));
    engine_output(graph, "roll", engine_roll(graph, x, 1, 1));
    engine_value like = engine_repeat(graph, engine_expand_dims(graph, x, 1), 1, 2);
    engine_output(graph, "like", engine_broadcast_like(graph, case_constant(graph, DIMS(2), 7, 8), like));
}

static void build_indexed(struct engine_graph *graph)
{
    engine_value ids = case_input_as(graph, "ids", DTYPE_INT32, ANY, 2);
    engine_value table = case_constant(graph, DIMS(3, 2), 1, 2, 3, 4, 5, 6);
    engine_output(graph, "gather", engine_gather(graph, table, ids, 0, 0, ENGINE_BOUNDS_ERROR));
    engine_output(graph, "one_hot", engine_one_hot(graph, ids, 3, 1, 0, -1, DTYPE_FLOAT32));
    engine_value m = case_constant(graph, DIMS(2, 2), 1, 2, 3, 4);
    engine_output(graph, "nd", engine_gather_nd(graph, m, ids, 0));
    engine_output(graph, "band", engine_band_part(graph, engine_binary(graph, BINARY_ADD, engine_cast(graph, ids, DTYPE_FLOAT32), m), 0, -1));
}

static void build_batch_gather(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 1), ids = case_input_as(graph, "ids", DTYPE_INT64, ANY, 2);
    engine_output(graph, "y", engine_gather(graph, x, ids, 1, 1, ENGINE_BOUNDS_WRAP));
}

static const struct engine_case movements[] = {
    {"reshapes", build_reshapes, 1, 4, {F32(DIMS(1, 2, 3), 1, 2, 3, 4, 5, 6)},
     {F32(DIMS(1, 6), 1, 2, 3, 4, 5, 6), F32(DIMS(1, 2, 3), 1, 2, 3, 4, 5, 6), F32(DIMS(1, 2, 3), 1, 2, 3, 4, 5, 6),
      F32(DIMS(1, 3, 2), 1, 4, 2, 5, 3, 6)}, 1},
    {"joins", build_joins, 2, 3, {F32(DIMS(2, 2), 1, 2, 3, 4), F32(DIMS(2, 1), 8, 9)},
     {F32(DIMS(2, 5), 1, 2, 8, 1, 2, 3, 4, 9, 3, 4), F32(DIMS(2, 2, 2), 1, 2, 1, 2, 3, 4, 3, 4),
      F32(DIMS(4, 2), 1, 2, 3, 4, 1, 2, 3, 4)}, -1},
    {"slices", build_slices, 1, 4, {F32(DIMS(1, 4), 1, 2, 3, 4)},
     {F32(DIMS(1, 2), 3, 4), F32(DIMS(1, 4), 4, 3, 2, 1), F32(DIMS(1, 2), 1, 3), F32(DIMS(1, 0), 0)}, 1},
    {"pads", build_pads, 1, 4, {F32(DIMS(1, 3), 1, 2, 3)},
     {F32(DIMS(1, 6), 0, 1, 2, 3, 0, 0), F32(DIMS(1, 6), 9, 1, 2, 3, 9, 9), F32(DIMS(1, 6), 2, 1, 2, 3, 2, 1),
      F32(DIMS(1, 6), 1, 1, 2, 3, 3, 3)}, 1},
    {"copies", build_copies, 1, 4, {F32(DIMS(1, 2), 1, 2)},
     {F32(DIMS(1, 4), 1, 1, 2, 2), F32(DIMS(1, 4), 1, 2, 1, 2), F32(DIMS(1, 2), 2, 1), F32(DIMS(1, 2, 2), 7, 8, 7, 8)}, 1},
    {"indexed", build_indexed, 1, 4, {I64(DTYPE_INT32, DIMS(2, 2), 0, 1, 1, 0)},
     {F32(DIMS(2, 2, 2), 1, 2, 3, 4, 3, 4, 1, 2), F32(DIMS(2, 2, 3), 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0), F32(DIMS(2), 2, 3),
      F32(DIMS(2, 2), 1, 3, 0, 4)}, -1},
    {"batch gather", build_batch_gather, 2, 1, {F32(DIMS(2, 3, 1), 1, 2, 3, 4, 5, 6), I64(DTYPE_INT64, DIMS(2, 2), -1, 0, 1, -2)},
     {F32(DIMS(2, 2, 1), 3, 1, 5, 5)}, 1},
};

static void test_movements(void)
{
    case_run_all(movements, sizeof(movements) / sizeof(movements[0]));
}

/* ---- pictures ---- */

static void build_resize(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, ANY, 1);
    struct engine_resize bilinear = {.method = RESIZE_BILINEAR, .scale = {1, 2}}, nearest = {.scale = {1, 2}};
    engine_output(graph, "bilinear", engine_resize(graph, x, &bilinear));
    bilinear.grid = RESIZE_LEGACY;
    engine_output(graph, "legacy", engine_resize(graph, x, &bilinear));
    engine_output(graph, "bytes", engine_resize(graph, engine_cast(graph, x, DTYPE_UINT8), &nearest));
}

static void build_crop(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, ANY, 1);
    struct engine_resize pad = {.size = {3, 7}, .pad_to_aspect_ratio = true, .fill = 1.5f};
    struct engine_resize crop = {.size = {2, 2}, .crop_to_aspect_ratio = true};
    engine_output(graph, "crop", engine_center_crop(graph, x, 2, 2));
    engine_output(graph, "aspect", engine_resize(graph, x, &crop));
    engine_output(graph, "pad", engine_resize(graph, x, &pad));
}

static void build_blocks(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY, ANY, 4);
    engine_value space = engine_depth_to_space(graph, x, 2);
    engine_output(graph, "space", space);
    engine_output(graph, "depth", engine_space_to_depth(graph, space, 2));
    engine_output(graph, "contrast", engine_auto_contrast(graph, space, 0, 10));
}

static const struct engine_case pictures[] = {
    {"resize", build_resize, 1, 3, {F32(DIMS(1, 1, 2, 1), 0, 1)},
     {F32(DIMS(1, 1, 4, 1), 0, 0.25f, 0.75f, 1), F32(DIMS(1, 1, 4, 1), 0, 0.5f, 1, 1),
      I64(DTYPE_UINT8, DIMS(1, 1, 4, 1), 0, 0, 1, 1)}, 1},
    {"crop", build_crop, 1, 3, {F32(DIMS(1, 3, 3, 1), 0, 1, 2, 3, 4, 5, 6, 7, 8)},
     {F32(DIMS(1, 2, 2, 1), 0, 1, 3, 4), F32(DIMS(1, 2, 2, 1), 0, 2, 6, 8),
      F32(DIMS(1, 3, 7, 1), 1.5f, 1.5f, 0, 1, 2, 1.5f, 1.5f, 1.5f, 1.5f, 3, 4, 5, 1.5f, 1.5f, 1.5f, 1.5f, 6, 7, 8, 1.5f, 1.5f)}, 1},
    {"blocks", build_blocks, 1, 3, {F32(DIMS(1, 1, 1, 4), 1, 2, 3, 5)},
     {F32(DIMS(1, 2, 2, 1), 1, 2, 3, 5), F32(DIMS(1, 1, 1, 4), 1, 2, 3, 5), F32(DIMS(1, 2, 2, 1), 0, 2.5f, 5, 10)}, 1},
};

static void test_pictures(void)
{
    case_run_all(pictures, sizeof(pictures) / sizeof(pictures[0]));
}

/* ---- recurrence: numbers computed by Keras ---- */

static struct engine_rnn rnn_of(struct engine_graph *graph, enum engine_rnn_kind kind, bool mask)
{
    engine_value x = case_input(graph, "x", ANY, ANY, 1);
    return (struct engine_rnn){.kind = kind,
                               .units = 1,
                               .activation = {.kind = UNARY_TANH},
                               .recurrent_activation = {.kind = UNARY_SIGMOID},
                               .x = x,
                               .bias = ENGINE_NONE,
                               .initial = {ENGINE_NONE, ENGINE_NONE},
                               .mask = mask ? case_input_as(graph, "mask", DTYPE_BOOL, ANY, ANY) : ENGINE_NONE};
}

static void build_lstm(struct engine_graph *graph)
{
    struct engine_rnn rnn = rnn_of(graph, ENGINE_RNN_LSTM, false);
    engine_value ret[3];
    rnn.kernel = case_constant(graph, DIMS(1, 4), 0.1f, 0.2f, 0.3f, 0.4f);
    rnn.recurrent_kernel = case_constant(graph, DIMS(1, 4), 0.5f, 0.6f, 0.7f, 0.8f);
    rnn.bias = case_constant(graph, DIMS(4), 0.01f, 0.02f, 0.03f, 0.04f);
    engine_rnn(graph, &rnn, ret);
    engine_output(graph, "y", ret[0]);
    engine_output(graph, "h", ret[1]);
}

static void build_gru(struct engine_graph *graph)
{
    struct engine_rnn rnn = rnn_of(graph, ENGINE_RNN_GRU, false);
    engine_value ret[3];
    rnn.kernel = case_constant(graph, DIMS(1, 3), 0.1f, 0.2f, 0.3f);
    rnn.recurrent_kernel = case_constant(graph, DIMS(1, 3), 0.4f, 0.5f, 0.6f);
    rnn.bias = case_constant(graph, DIMS(2, 3), 0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f);
    rnn.reset_after = true;
    engine_rnn(graph, &rnn, ret);
    engine_output(graph, "after", ret[0]);
    rnn.bias = case_constant(graph, DIMS(3), 0.01f, 0.02f, 0.03f);
    rnn.reset_after = false;
    engine_rnn(graph, &rnn, ret);
    engine_output(graph, "before", ret[1]);
}

static void build_simple_rnn(struct engine_graph *graph)
{
    struct engine_rnn rnn = rnn_of(graph, ENGINE_RNN_SIMPLE, true);
    engine_value ret[3];
    rnn.kernel = case_constant(graph, DIMS(1, 1), 1);
    rnn.recurrent_kernel = case_constant(graph, DIMS(1, 1), 0.5f);
    rnn.return_sequences = true;
    engine_rnn(graph, &rnn, ret);
    engine_output(graph, "masked", ret[0]);
    rnn.mask = ENGINE_NONE;
    rnn.go_backwards = true;
    engine_rnn(graph, &rnn, ret);
    engine_output(graph, "backwards", ret[0]);
    rnn.initial[0] = ret[1];
    rnn.return_sequences = false;
    rnn.activation.kind = UNARY_LINEAR;
    engine_rnn(graph, &rnn, ret);
    engine_output(graph, "initial", ret[0]);
}

/* One step from zero states with kernels that only see the bias: c = 0.5 tanh(1), h = 0.5 tanh(c). */
static void build_conv_lstm(struct engine_graph *graph)
{
    struct engine_conv_lstm rnn = {.activation = {.kind = UNARY_TANH},
                                   .recurrent_activation = {.kind = UNARY_SIGMOID},
                                   .x = case_input(graph, "x", ANY, ANY, ANY, 1),
                                   .mask = ENGINE_NONE,
                                   .initial = {ENGINE_NONE, ENGINE_NONE},
                                   .window = window1(0, 1, 1, ENGINE_VALID)};
    engine_value ret[3];
    rnn.kernel = case_constant(graph, DIMS(2, 1, 4), 0, 0, 0, 0, 0, 0, 0, 0);
    rnn.recurrent_kernel = case_constant(graph, DIMS(2, 1, 4), 0, 0, 0, 0, 0, 0, 0, 0);
    rnn.bias = case_constant(graph, DIMS(4), 0, 1, 1, 0);
    engine_conv_lstm(graph, &rnn, ret);
    engine_output(graph, "h", ret[0]);
    engine_output(graph, "c", ret[2]);
}

static const struct engine_case recurrence[] = {
    {"lstm", build_lstm, 1, 2, {F32(DIMS(1, 2, 1), 1, 2)}, {F32(DIMS(1, 1), 0.299093f), F32(DIMS(1, 1), 0.299093f)}, 1},
    {"gru", build_gru, 1, 2, {F32(DIMS(1, 2, 1), 1, 2)}, {F32(DIMS(1, 1), 0.356042f), F32(DIMS(1, 1), 0.343117f)}, 1},
    {"simple rnn", build_simple_rnn, 2, 3, {F32(DIMS(1, 3, 1), 1, 2, 3), I64(DTYPE_BOOL, DIMS(1, 3), 1, 0, 1)},
     {F32(DIMS(1, 3, 1), 0.761594f, 0.761594f, 0.997688f), F32(DIMS(1, 3, 1), 0.995055f, 0.986548f, 0.903925f),
      F32(DIMS(1, 1), 2.86299f)}, 1},
    {"conv_lstm", build_conv_lstm, 1, 2, {F32(DIMS(1, 1, 3, 1), 1, 2, 3)},
     {F32(DIMS(1, 2, 1), 0.181700f, 0.181700f), F32(DIMS(1, 2, 1), 0.380797f, 0.380797f)}, 1},
};

static void test_recurrence(void)
{
    case_run_all(recurrence, sizeof(recurrence) / sizeof(recurrence[0]));
}

/* ---- preprocessing ---- */

#define WORD(text) {text, sizeof(text) - 1}

static engine_value words(struct engine_graph *graph, const struct str_view *list, int n)
{
    struct shape shape = shape_of(1, n);
    return engine_constant_copy(graph, DTYPE_STRING, &shape, list);
}

static void build_numbers(struct engine_graph *graph)
{
    engine_value x = case_input(graph, "x", ANY, ANY);
    engine_value bucket = engine_bucketize(graph, x, case_constant(graph, DIMS(3), 0, 1, 2));
    engine_output(graph, "bucket", bucket);
    engine_output(graph, "multi", engine_encode(graph, bucket, ENGINE_NONE, 4, ENGINE_ENCODE_MULTI_HOT));
    engine_output(graph, "count", engine_encode(graph, bucket, x, 4, ENGINE_ENCODE_COUNT));
}

static void build_strings(struct engine_graph *graph)
{
    static const struct str_view list[] = {WORD("a"), WORD("hello")};
    engine_value x = case_input_as(graph, "x", DTYPE_STRING, ANY, 1);
    engine_value ids = engine_lookup(graph, x, words(graph, list, 2), case_ints(graph, DTYPE_INT64, DIMS(2), 1, 2), 0, 1);
    engine_output(graph, "ids", ids);
    engine_output(graph, "hash", engine_hash(graph, x, 1000, NULL, ENGINE_NONE));
    engine_output(graph, "back", engine_gather(graph, words(graph, list, 2), engine_unary(graph, (struct unary){.kind = UNARY_CLIP, .a = 0, .b = 1}, ids), 0, 0, ENGINE_BOUNDS_ERROR));
    engine_value one = engine_slice(graph, x, 0, 0, 1, 1), b = words(graph, (const struct str_view[]){WORD("b")}, 1);
    engine_output(graph, "cross", engine_hash_cross(graph, (engine_value[]){one, b}, 2, 1000));
}

static void build_text(struct engine_graph *graph, int64_t length)
{
    static const struct str_view list[] = {WORD("hello"), WORD("world"), WORD("hello world")};
    static const int ngrams[] = {1, 2};
    struct engine_text text = {.lower = true, .strip_punctuation = true, .split = ENGINE_SPLIT_WHITESPACE, .oov = 1,
                               .output_length = length, .ngrams = ngrams, .n_ngrams = 2};
    engine_value x = case_input_as(graph, "x", DTYPE_STRING, ANY, 1);
    text.keys = words(graph, list, 3);
    text.values = case_ints(graph, DTYPE_INT64, DIMS(3), 2, 3, 4);
    engine_output(graph, "ids", engine_text_vectorize(graph, x, &text));
}

static void build_fixed_text(struct engine_graph *graph)
{
    build_text(graph, 4);
}

static void build_longest_text(struct engine_graph *graph)
{
    build_text(graph, 0);
}

#define STRINGS(of, ...) {DTYPE_STRING, of, (const struct str_view[]){__VA_ARGS__}}

static const struct engine_case preprocessing[] = {
    {"numbers", build_numbers, 1, 3, {F32(DIMS(1, 3), -1, 0.5f, 5)},
     {I64(DTYPE_INT32, DIMS(1, 3), 0, 1, 3), F32(DIMS(1, 4), 1, 1, 0, 1), F32(DIMS(1, 4), -1, 0.5f, 0, 5)}, 1},
    {"strings", build_strings, 1, 4, {STRINGS(DIMS(3, 1), WORD("a"), WORD("hello"), WORD(""))},
     {I64(DTYPE_INT64, DIMS(3, 1), 1, 2, 0), I64(DTYPE_INT64, DIMS(3, 1), 939, 296, 263),
      STRINGS(DIMS(3, 1), WORD("hello"), WORD("hello"), WORD("a")), I64(DTYPE_INT64, DIMS(1, 1), 986)}, -1},
    {"fixed text", build_fixed_text, 1, 1, {STRINGS(DIMS(2, 1), WORD("Hello, World!"), WORD("hello you and me"))},
     {I64(DTYPE_INT64, DIMS(2, 4), 2, 3, 4, 0, 2, 1, 1, 1)}, 1},
    {"longest text", build_longest_text, 1, 1, {STRINGS(DIMS(2, 1), WORD("Hello, World!"), WORD("me"))},
     {I64(DTYPE_INT64, DIMS(2, 3), 2, 3, 4, 1, 0, 0)}, -1},
};

static void test_preprocessing(void)
{
    case_run_all(preprocessing, sizeof(preprocessing) / sizeof(preprocessing[0]));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"element-wise", test_elementwise}, {"sources and sizes", test_sources},   {"products", test_products},
        {"windows", test_windows},          {"reductions", test_reductions},       {"movement", test_movements},
        {"pictures", test_pictures},        {"recurrence", test_recurrence},       {"preprocessing", test_preprocessing},
    };
    kernels_init();
    return unit_main("engine ops", tests, sizeof(tests) / sizeof(tests[0]));
}
