/* Whole networks through the engine, with made-up weights: processor time per run, and where it goes.
 *
 *   bench/networks [--plan] [NAME [BATCH]]
 *
 * Without a name all networks run at a few batch sizes; --plan prints the plan with measured times per
 * step. The shapes are those of the Keras models of the same name, the numbers are not. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "kernels/cpu.h"

#define ANY SHAPE_UNKNOWN

struct net {
    struct engine_graph *graph;
    uint32_t seed;
};

static float random_number(struct net *net)
{
    net->seed = net->seed * 1664525u + 1013904223u;
    return (float)(int32_t)net->seed / 2147483648.0f;
}

/* Uniform numbers of the size that keeps activations near 1. */
static engine_value weights(struct net *net, int64_t fan_in, int rank, const int64_t *dim)
{
    struct shape shape = {.rank = rank};
    memcpy(shape.dim, dim, (size_t)rank * sizeof(*dim));
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dim[i];
    float *data = malloc((size_t)n * sizeof(*data)), size = sqrtf(6.0f / (float)fan_in);
    for (int64_t i = 0; i < n; i++)
        data[i] = size * random_number(net);
    engine_value value = engine_constant_copy(net->graph, DTYPE_FLOAT32, &shape, data);
    free(data);
    return value;
}

static engine_value unary(struct net *net, enum unary_kind kind, engine_value x)
{
    return engine_unary(net->graph, (struct unary){.kind = kind}, x);
}

static engine_value picture(struct net *net, int64_t size)
{
    struct shape shape = {.rank = 4, .dim = {ANY, size, size, 3}};
    return engine_input(net->graph, "picture", DTYPE_FLOAT32, &shape);
}

static struct engine_window square(int64_t size, int64_t stride, enum engine_padding padding)
{
    return (struct engine_window){2, {size, size}, {stride, stride}, {1, 1}, padding};
}

static engine_value norm(struct net *net, engine_value x)
{
    int64_t c = engine_dim(net->graph, x, -1);
    engine_value shift = weights(net, 100, 1, &c);
    return engine_scale_shift(net->graph, x,
                              engine_unary(net->graph, (struct unary){.kind = UNARY_EXP}, shift), shift);
}

static engine_value conv(struct net *net, engine_value x, int64_t filters, int64_t size, int64_t stride)
{
    int64_t c = engine_dim(net->graph, x, -1);
    struct engine_window window = square(size, stride, ENGINE_SAME);
    engine_value kernel = weights(net, size * size * c, 4, (int64_t[]){size, size, c, filters});
    return engine_conv(net->graph, x, kernel, ENGINE_NONE, &window, 1);
}

static engine_value dense(struct net *net, engine_value x, int64_t units)
{
    int64_t k = engine_dim(net->graph, x, -1);
    engine_value kernel = weights(net, k, 2, (int64_t[]){k, units});
    return engine_dense(net->graph, x, kernel, weights(net, 100, 1, &units));
}

static void softmax(struct net *net, engine_value x)
{
    engine_output(net->graph, "y", engine_softmax(net->graph, x, (const int[]){-1}, 1, false));
}

static engine_value global_average(struct net *net, engine_value x)
{
    return engine_reduce(net->graph, REDUCE_MEAN, x, (const int[]){1, 2}, 2, false);
}

/* ---- the networks ---- */

static void mlp(struct net *net)
{
    struct shape shape = {.rank = 2, .dim = {ANY, 784}};
    engine_value x = engine_input(net->graph, "x", DTYPE_FLOAT32, &shape);
    softmax(net, dense(net, unary(net, UNARY_RELU, dense(net, x, 128)), 10));
}

static engine_value inverted(struct net *net, engine_value x, int64_t filters, int64_t stride, int64_t expand)
{
    int64_t c = engine_dim(net->graph, x, -1);
    struct engine_window window = square(3, stride, ENGINE_SAME);
    engine_value y = x;
    if (expand > 1)
        y = unary(net, UNARY_RELU6, norm(net, conv(net, y, c * expand, 1, 1)));
    engine_value kernel = weights(net, 9, 4, (int64_t[]){3, 3, c * expand, 1});
    y = engine_depthwise_conv(net->graph, y, kernel, ENGINE_NONE, &window);
    y = norm(net, conv(net, unary(net, UNARY_RELU6, norm(net, y)), filters, 1, 1));
    return stride == 1 && c == filters ? engine_binary(net->graph, BINARY_ADD, x, y) : y;
}

static void mobilenet(struct net *net, int64_t size, double alpha)
{
    static const int64_t rows[][4] = {{16, 1, 1, 1}, {24, 2, 2, 6},  {32, 3, 2, 6}, {64, 4, 2, 6},
                                      {96, 3, 1, 6}, {160, 3, 2, 6}, {320, 1, 1, 6}};
    engine_value x =
        unary(net, UNARY_RELU6, norm(net, conv(net, picture(net, size), alpha < 1 ? 16 : 32, 3, 2)));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (int64_t k = 0; k < rows[i][1]; k++) {
            int64_t filters = (int64_t)((double)rows[i][0] * alpha + 4) / 8 * 8;
            x = inverted(net, x, filters < 8 ? 8 : filters, k ? 1 : rows[i][2], rows[i][3]);
        }
    x = unary(net, UNARY_RELU6, norm(net, conv(net, x, 1280, 1, 1)));
    softmax(net, dense(net, global_average(net, x), alpha < 1 ? 3 : 1000));
}

static void mobilenet_v2(struct net *net)
{
    mobilenet(net, 224, 1);
}

/* What Teachable Machine exports. */
static void mobilenet_035(struct net *net)
{
    mobilenet(net, 224, 0.35);
}

static engine_value bottleneck(struct net *net, engine_value x, int64_t filters, int64_t stride,
                               bool shortcut)
{
    engine_value y = unary(net, UNARY_RELU, norm(net, conv(net, x, filters, 1, stride)));
    y = unary(net, UNARY_RELU, norm(net, conv(net, y, filters, 3, 1)));
    y = norm(net, conv(net, y, 4 * filters, 1, 1));
    engine_value skip = shortcut ? norm(net, conv(net, x, 4 * filters, 1, stride)) : x;
    return unary(net, UNARY_RELU, engine_binary(net->graph, BINARY_ADD, skip, y));
}

static void resnet50(struct net *net)
{
    static const int64_t stages[][3] = {{64, 3, 1}, {128, 4, 2}, {256, 6, 2}, {512, 3, 2}};
    struct engine_window pool = square(3, 2, ENGINE_SAME);
    engine_value x = unary(net, UNARY_RELU, norm(net, conv(net, picture(net, 224), 64, 7, 2)));
    x = engine_pool(net->graph, POOL_MAX, x, &pool);
    for (int i = 0; i < 4; i++)
        for (int64_t k = 0; k < stages[i][1]; k++)
            x = bottleneck(net, x, stages[i][0], k ? 1 : stages[i][2], k == 0);
    softmax(net, dense(net, global_average(net, x), 1000));
}

static void vgg16(struct net *net)
{
    static const int64_t blocks[][2] = {{64, 2}, {128, 2}, {256, 3}, {512, 3}, {512, 3}};
    struct engine_window pool = square(2, 2, ENGINE_VALID);
    engine_value x = picture(net, 224);
    for (int i = 0; i < 5; i++) {
        for (int64_t k = 0; k < blocks[i][1]; k++)
            x = unary(net, UNARY_RELU, conv(net, x, blocks[i][0], 3, 1));
        x = engine_pool(net->graph, POOL_MAX, x, &pool);
    }
    x = engine_reshape(net->graph, x, (const int64_t[]){ENGINE_SAME_DIM(0), ENGINE_INFER}, 2);
    x = unary(net, UNARY_RELU, dense(net, unary(net, UNARY_RELU, dense(net, x, 4096)), 4096));
    softmax(net, dense(net, x, 1000));
}

static void mnist_cnn(struct net *net)
{
    struct engine_window pool = square(2, 2, ENGINE_VALID), valid = square(3, 1, ENGINE_VALID);
    struct shape shape = {.rank = 4, .dim = {ANY, 28, 28, 1}};
    engine_value x = engine_input(net->graph, "x", DTYPE_FLOAT32, &shape);
    engine_value kernel = weights(net, 9, 4, (int64_t[]){3, 3, 1, 32});
    x = unary(net, UNARY_RELU, engine_conv(net->graph, x, kernel, ENGINE_NONE, &valid, 1));
    x = engine_pool(net->graph, POOL_MAX, x, &pool);
    kernel = weights(net, 288, 4, (int64_t[]){3, 3, 32, 64});
    x = unary(net, UNARY_RELU, engine_conv(net->graph, x, kernel, ENGINE_NONE, &valid, 1));
    x = engine_pool(net->graph, POOL_MAX, x, &pool);
    x = engine_reshape(net->graph, x, (const int64_t[]){ENGINE_SAME_DIM(0), ENGINE_INFER}, 2);
    softmax(net, dense(net, x, 10));
}

static engine_value lstm_layer(struct net *net, engine_value x, int64_t units, bool sequences)
{
    int64_t f = engine_dim(net->graph, x, -1), columns = 4 * units;
    struct engine_rnn rnn = {.kind = ENGINE_RNN_LSTM,
                             .units = units,
                             .x = x,
                             .mask = ENGINE_NONE,
                             .activation = {.kind = UNARY_TANH},
                             .recurrent_activation = {.kind = UNARY_SIGMOID},
                             .initial = {ENGINE_NONE, ENGINE_NONE},
                             .return_sequences = sequences};
    engine_value ret[3];
    rnn.kernel = weights(net, f, 2, (int64_t[]){f, columns});
    rnn.recurrent_kernel = weights(net, units, 2, (int64_t[]){units, columns});
    rnn.bias = weights(net, 100, 1, &columns);
    engine_rnn(net->graph, &rnn, ret);
    return ret[0];
}

static void lstm(struct net *net)
{
    struct shape shape = {.rank = 3, .dim = {ANY, 60, 1}};
    engine_value x = engine_input(net->graph, "x", DTYPE_FLOAT32, &shape);
    x = lstm_layer(net, lstm_layer(net, x, 50, true), 50, false);
    engine_output(net->graph, "y", dense(net, x, 1));
}

static engine_value attention(struct net *net, engine_value x, int64_t width, int64_t heads)
{
    int64_t k = width / heads;
    struct engine_graph *graph = net->graph;
    engine_value project[3];
    for (int i = 0; i < 3; i++) {
        engine_value kernel = weights(net, width, 3, (int64_t[]){width, heads, k});
        project[i] = engine_einsum(graph, "abc,cde->abde", x, kernel);
        project[i] =
            engine_binary(graph, BINARY_ADD, project[i], weights(net, 100, 2, (int64_t[]){heads, k}));
    }
    engine_value query =
        engine_binary(graph, BINARY_MULTIPLY, project[0], engine_scalar_f32(graph, 1 / sqrtf((float)k)));
    engine_value scores = engine_einsum(graph, "aecd,abcd->acbe", project[1], query);
    scores = engine_softmax(graph, scores, (const int[]){-1}, 1, false);
    engine_value mixed = engine_einsum(graph, "acbe,aecd->abcd", scores, project[2]);
    return engine_einsum(graph, "abcd,cde->abe", mixed, weights(net, width, 3, (int64_t[]){heads, k, width}));
}

static engine_value layer_norm(struct net *net, engine_value x)
{
    return norm(net, engine_normalize(net->graph, ENGINE_NORM_LAYER, x, (const int[]){-1}, 1, 1e-6f));
}

static void transformer(struct net *net)
{
    struct shape shape = {.rank = 2, .dim = {ANY, ANY}};
    engine_value ids = engine_input(net->graph, "ids", DTYPE_INT32, &shape);
    engine_value table = weights(net, 3, 2, (int64_t[]){20000, 128});
    engine_value x = engine_gather(net->graph, table, ids, 0, 0, ENGINE_BOUNDS_ERROR);
    for (int i = 0; i < 4; i++) {
        x = layer_norm(net, engine_binary(net->graph, BINARY_ADD, x, attention(net, x, 128, 4)));
        engine_value y = dense(net, unary(net, UNARY_GELU, dense(net, x, 512)), 128);
        x = layer_norm(net, engine_binary(net->graph, BINARY_ADD, x, y));
    }
    x = engine_reduce(net->graph, REDUCE_MEAN, x, (const int[]){1}, 1, false);
    softmax(net, dense(net, x, 2));
}

static const struct {
    const char *name;
    void (*build)(struct net *net);
    int64_t open; /* for sizes left open */
} networks[] = {
    {"mlp", mlp, 0},
    {"mnist_cnn", mnist_cnn, 0},
    {"mobilenet_035", mobilenet_035, 0},
    {"mobilenet_v2", mobilenet_v2, 0},
    {"resnet50", resnet50, 0},
    {"vgg16", vgg16, 0},
    {"lstm", lstm, 0},
    {"transformer", transformer, 128},
};

/* ---- measuring ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void *block(size_t bytes)
{
    void *data = aligned_alloc(64, bytes / 64 * 64 + 64);
    memset(data, 0, bytes / 64 * 64 + 64);
    return data;
}

/* This thread's own time: the machine may have other things to do. */
static int64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double run_once(struct engine_plan *plan, struct engine_worker *worker, const struct tensor *in,
                       struct tensor *out)
{
    struct err err;
    int64_t start = cpu_now_ns();
    if (engine_run(plan, worker, in, out, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return (double)(cpu_now_ns() - start) * 1e-3;
}

/* The median of as many runs as fit in about half a second, and the quickest of them. */
static double median_us(struct engine_plan *plan, struct engine_worker *worker, const struct tensor *in,
                        struct tensor *out, double *ret_best)
{
    static double times[2000];
    int n = 0;
    double sum = 0, first = run_once(plan, worker, in, out);
    while (n < 2000 && (n < 3 || sum < 5e5)) {
        times[n] = run_once(plan, worker, in, out);
        sum += times[n++];
    }
    (void)first;
    qsort(times, (size_t)n, sizeof(*times), compare_doubles);
    *ret_best = times[0];
    return times[n / 2];
}

static void measure(const char *name, struct engine *engine, int64_t batch, int64_t open, bool print)
{
    struct engine_plan *plan;
    struct shape shape = *engine_input_shape(engine, 0);
    struct err err;
    size_t bytes;
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] == ANY)
            shape.dim[i] = i ? open : batch;
    int64_t start = clock_now_ns();
    if (engine_plan_get(engine, &shape, &plan, &err)) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        exit(1);
    }
    double plan_us = (double)(clock_now_ns() - start) * 1e-3;
    struct tensor in = {engine_input_dtype(engine, 0), shape, NULL}, out = {.dtype = DTYPE_FLOAT32};
    tensor_bytes(in.dtype, &shape, &bytes);
    in.data = block(bytes);
    struct net net = {.seed = 1};
    for (size_t i = 0; i < bytes / sizeof(float) && in.dtype == DTYPE_FLOAT32; i++)
        ((float *)in.data)[i] = random_number(&net);
    tensor_bytes(DTYPE_FLOAT32, engine_plan_output_shape(plan, 0), &bytes);
    out.data = block(bytes);
    struct engine_worker *worker = engine_worker_new();
    double best, us = median_us(plan, worker, &in, &out, &best);
    printf("%-14s batch %3d  %9.1f us, best %9.1f, per row %8.1f  estimate %8.1f us  plan %5.1f us  arena %5.1f MB\n",
           name, (int)batch, us, best, best / (double)batch, engine_plan_cost_us(plan), plan_us,
           (double)engine_plan_arena_bytes(plan) / 1e6);
    if (print) {
        struct buf text;
        engine_plan_profile(plan, true);
        for (int i = 0; i < 10; i++)
            run_once(plan, worker, &in, &out);
        buf_init(&text, 1 << 20);
        engine_plan_print(plan, &text);
        fputs(text.data, stdout);
        buf_done(&text);
    }
    engine_worker_free(worker);
    engine_plan_put(plan);
    free(in.data);
    free(out.data);
}

static void bench(size_t i, int64_t batch, bool print)
{
    struct net net = {.graph = engine_graph_new(), .seed = 1};
    struct engine *engine;
    struct err err;
    networks[i].build(&net);
    int64_t start = clock_now_ns();
    if (engine_compile(net.graph, NULL, &engine, &err)) {
        fprintf(stderr, "%s: %s\n", networks[i].name, err.text);
        exit(1);
    }
    printf("%-14s compiled in %.1f ms, %.1f MB\n", networks[i].name, (double)(clock_now_ns() - start) * 1e-6,
           (double)engine_bytes(engine) / 1e6);
    static const int64_t batches[] = {1, 8, 32};
    for (size_t k = 0; k < 3; k++)
        if (batch ? k == 0 : k < 2 || i < 2 || i > 5)
            measure(networks[i].name, engine, batch ? batch : batches[k], networks[i].open, print);
    engine_free(engine);
}

int main(int argc, char **argv)
{
    bool print = argc > 1 && strcmp(argv[1], "--plan") == 0;
    const char *name = argc > 1 + print ? argv[1 + print] : NULL;
    int64_t batch = argc > 2 + print ? atoll(argv[2 + print]) : 0;
    kernels_init();
    printf("instruction set: %s\n", kernels_isa_name(kernels_isa()));
    for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
        if (!name || strcmp(name, networks[i].name) == 0)
            bench(i, batch, print);
    return 0;
}
