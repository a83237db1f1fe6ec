/* Speed of the kernels by instruction set, beside plain OpenBLAS calls where there is one.
 *
 * usage: bench/kernels [group ...]     groups: gemm (see the table at the end); default all
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
    clock_gettime(CLOCK_MONOTONIC, &t);
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

int main(int argc, char **argv)
{
    static const struct group {
        const char *name;
        void (*run)(void);
    } groups[] = {{"gemm", gemm_group}};
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
