/* Speed of the kernels by instruction set, beside plain OpenBLAS calls where there is one.
 *
 * usage: bench/kernels [group ...]     groups: gemm, conv, unary; default all
 * Every line is the median of a few short runs on one thread; GFLOP/s count two operations per
 * multiply-add of the direct algorithm. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/size.h"
#include "kernels/conv.h"
#include "kernels/cpu.h"
#include "kernels/elementwise.h"

#define RUNS 5
#define RUN_SECONDS 0.02

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* not the time of the neighbours */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of one call. */
static double measure(void (*call)(void *), void *context)
{
    double seconds[RUNS], start = now();
    int calls = 1;
    call(context);
    start = now();
    call(context);
    double once = now() - start;
    calls = once < RUN_SECONDS ? (int)(RUN_SECONDS / (once + 1e-8)) + 1 : 1;
    for (int i = 0; i < RUNS; i++) {
        start = now();
        for (int j = 0; j < calls; j++)
            call(context);
        seconds[i] = (now() - start) / calls;
    }
    qsort(seconds, RUNS, sizeof(*seconds), by_value);
    return seconds[RUNS / 2];
}

static float *numbers(int64_t n)
{
    float *x = aligned_alloc(64, size_align((size_t)n * sizeof(float), 64) + 64);
    if (!x)
        abort();
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((i * 7919) % 1024) / 512 - 1;
    return x;
}

static void plain_sgemm(void *context)
{
    struct gemm_packed *run = context;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)run->rows, (int)run->n, (int)run->k, 1,
                run->x, (int)run->k, run->packed, (int)run->n, 0, run->y, (int)run->n);
}

static void packed_run(void *context)
{
    gemm_packed_run(context);
}

static void gemm_line(int64_t k, int64_t n, int64_t rows)
{
    float *x = numbers(rows * k), *w = numbers(k * n), *y = numbers(rows * n);
    size_t bytes;
    if (!gemm_pack_bytes(k, n, &bytes))
        abort();
    float *packed = numbers((int64_t)(bytes / sizeof(float)));
    struct gemm_packed run = {.rows = rows,
                              .k = k,
                              .n = n,
                              .column_end = n,
                              .x = x,
                              .x_stride = k,
                              .packed = w,
                              .y = y,
                              .y_stride = n};
    double work = 2e-9 * (double)rows * (double)k * (double)n, plain = work / measure(plain_sgemm, &run);
    printf("%5lldx%-5lld M=%-4lld %8.1f", (long long)k, (long long)n, (long long)rows, plain);
    run.packed = packed;
    for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++)
        if (kernels_select(isa)) {
            gemm_pack(k, n, w, n, packed);
            double own = work / measure(packed_run, &run);
            printf(" %8.1f (%4.1fx)", own, own / plain);
        }
    printf("\n");
    free(x);
    free(w);
    free(y);
    free(packed);
}

static void gemm_group(void)
{
    static const int64_t shapes[][2] = {{784, 128}, {128, 10}, {512, 512}, {1024, 1024}, {4096, 4096}};
    static const int64_t rows[] = {1, 2, 4, 8, 16, 32, 64, 256};
    printf("GFLOP/s          plain BLAS");
    for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++)
        if (kernels_supported(isa))
            printf(" %16s", kernels_isa_name(isa));
    printf("\n");
    for (size_t i = 0; i < KD_COUNT(shapes); i++)
        for (size_t j = 0; j < KD_COUNT(rows); j++)
            gemm_line(shapes[i][0], shapes[i][1], rows[j]);
}

struct conv_case {
    const char *name;
    int64_t batch, size, kernel, stride, c_in, c_out;
};

struct conv_run {
    struct conv conv;
    const float *x, *w;
    void *packed, *scratch;
    float *y;
};

static void forward(void *context)
{
    struct conv_run *run = context;
    struct gemm_epilogue none = {0};
    conv_run(&run->conv, run->x, run->packed, &none, run->y, 0, conv_positions(&run->conv), run->scratch);
}

static void depthwise(void *context)
{
    struct conv_run *run = context;
    depthwise_run(&run->conv, run->x, run->w, NULL, NULL, run->y, 0, conv_positions(&run->conv));
}

static struct conv conv_of(const struct conv_case *c)
{
    int64_t out = (c->size + c->stride - 1) / c->stride, pad = (out - 1) * c->stride + c->kernel - c->size;
    pad = pad > 0 ? pad / 2 : 0;
    return (struct conv){.batch = c->batch, .in = {1, c->size, c->size}, .out = {1, out, out},
                         .kernel = {1, c->kernel, c->kernel}, .stride = {1, c->stride, c->stride},
                         .dilation = {1, 1, 1}, .pad = {0, pad, pad}, .c_in = c->c_in, .c_out = c->c_out,
                         .groups = 1};
}

/* c_out 0: depthwise */
static void conv_line(const struct conv_case *c)
{
    struct conv_run run = {.conv = conv_of(c)};
    bool deep = c->c_out == 0;
    if (deep)
        run.conv.c_out = c->c_in;
    int64_t area = c->kernel * c->kernel, positions = conv_positions(&run.conv);
    int64_t n_w = area * (deep ? 1 : c->c_in) * run.conv.c_out;
    size_t packed, scratch;
    if (!conv_pack_bytes(&run.conv, &packed) || !conv_scratch(&run.conv, &scratch))
        abort();
    float *x = numbers(c->batch * c->size * c->size * c->c_in), *w = numbers(n_w);
    run.x = x;
    run.w = w;
    run.packed = numbers((int64_t)(packed / 4));
    run.scratch = numbers((int64_t)(scratch / 4));
    run.y = numbers(positions * run.conv.c_out);
    double work = 2e-9 * (double)positions * (double)n_w;
    printf("%-18s B=%lld", c->name, (long long)c->batch);
    for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++)
        if (kernels_select(isa)) {
            if (!deep)
                conv_pack(&run.conv, run.w, run.packed);
            printf(" %10.1f", work / measure(deep ? depthwise : forward, &run));
        }
    printf("\n");
    free(x);
    free(w);
    free(run.packed);
    free(run.scratch);
    free(run.y);
}

static void conv_group(void)
{
    static const struct conv_case cases[] = {
        {"mnist conv1", 1, 28, 3, 1, 1, 32},      {"mnist conv2", 1, 26, 3, 1, 32, 64},
        {"rn50 stem", 1, 224, 7, 2, 3, 64},       {"rn50 56", 1, 56, 3, 1, 64, 64},
        {"rn50 28", 1, 28, 3, 1, 128, 128},       {"rn50 14", 1, 14, 3, 1, 256, 256},
        {"rn50 7", 1, 7, 3, 1, 512, 512},         {"unet 128", 1, 128, 3, 1, 16, 16},         {"vgg 224", 1, 224, 3, 1, 64, 64},
        {"vgg 112", 1, 112, 3, 1, 128, 128},      {"vgg 28", 1, 28, 3, 1, 512, 512},
        {"vgg 14", 1, 14, 3, 1, 512, 512},        {"1x1 56 64>256", 1, 56, 1, 1, 64, 256},
        {"1x1 14 1024>256", 1, 14, 1, 1, 1024, 256}, {"mbv2 1x1 56 24>144", 1, 56, 1, 1, 24, 144},
        {"mbv2 1x1 14 96>576", 1, 14, 1, 1, 96, 576}, {"mbv2 stem", 1, 224, 3, 2, 3, 32},
        {"dw 112x32", 1, 112, 3, 1, 32, 0},       {"dw 112x96 s2", 1, 112, 3, 2, 96, 0},
        {"dw 56x144", 1, 56, 3, 1, 144, 0},       {"dw 28x192", 1, 28, 3, 1, 192, 0},
        {"dw 14x576", 1, 14, 3, 1, 576, 0},       {"dw 7x960", 1, 7, 3, 1, 960, 0},
        {"dw 28x240 5x5", 1, 28, 5, 1, 240, 0},   {"dw 14x672 5x5", 1, 14, 5, 1, 672, 0},
        {"dw 7x1152 5x5", 1, 7, 5, 1, 1152, 0},   {"dw 56x144 5x5 s2", 1, 56, 5, 2, 144, 0},
        {"dw 14x672 5x5 s2", 1, 14, 5, 2, 672, 0},
    };
    printf("GFLOP/s");
    for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++)
        if (kernels_supported(isa))
            printf(" %10s", kernels_isa_name(isa));
    printf("\n");
    for (size_t i = 0; i < KD_COUNT(cases); i++)
        conv_line(&cases[i]);
}

#define UNARY_N 4096

struct unary_run {
    struct unary function;
    float *x, *y;
};

static void apply(void *context)
{
    struct unary_run *run = context;
    unary_apply(&run->function, run->x, run->y, UNARY_N);
}

static void unary_group(void)
{
    static const enum unary_kind kinds[] = {UNARY_RELU, UNARY_SIGMOID, UNARY_TANH, UNARY_EXP, UNARY_SILU,
                                            UNARY_GELU, UNARY_MISH, UNARY_SOFTPLUS, UNARY_ELU, UNARY_LOG};
    printf("ns per element (4096)");
    for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++)
        if (kernels_supported(isa))
            printf(" %10s", kernels_isa_name(isa));
    printf("\n");
    for (size_t i = 0; i < KD_COUNT(kinds); i++) {
        struct unary_run run = {
            .function = {.kind = kinds[i], .a = 1}, .x = numbers(UNARY_N), .y = numbers(UNARY_N)};
        for (int j = 0; j < UNARY_N; j++)
            run.x[j] *= 8;
        printf("%-21s", unary_name(kinds[i]));
        for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++)
            if (kernels_select(isa))
                printf(" %10.2f", 1e9 * measure(apply, &run) / UNARY_N);
        printf("\n");
        free(run.x);
        free(run.y);
    }
}

int main(int argc, char **argv)
{
    static const struct group {
        const char *name;
        void (*run)(void);
    } groups[] = {{"gemm", gemm_group}, {"conv", conv_group}, {"unary", unary_group}};
    kernels_init();
    for (size_t i = 0; i < KD_COUNT(groups); i++) {
        int wanted = argc < 2;
        for (int j = 1; j < argc; j++)
            wanted |= strcmp(argv[j], groups[i].name) == 0;
        if (wanted)
            groups[i].run();
    }
    return 0;
}
