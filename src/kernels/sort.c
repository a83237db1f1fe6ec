/* Sorting, top-k, running sums and sparsemax along one axis. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kernels/reduce.h"

/* A key and where it stood; order is by key, then by place, so the result is stable. */
struct entry {
    int64_t key, place;
};

/* Floats as integers of the same order; NaN of either sign after everything. */
static int64_t float_key(float x, bool descending)
{
    int32_t bits;
    if (x != x)
        return INT64_MAX;
    x += 0.0f; /* -0 and 0 are equal */
    memcpy(&bits, &x, sizeof(bits));
    int64_t key = bits >= 0 ? bits : -(int64_t)(bits & INT32_MAX);
    return descending ? -key : key;
}

static bool before(const struct entry *a, const struct entry *b)
{
    return a->key != b->key ? a->key < b->key : a->place < b->place;
}

/* Moves entry i down until the heap order (largest on top) holds below it. */
static void sift_down(struct entry *heap, int64_t n, int64_t i)
{
    struct entry moved = heap[i];
    for (int64_t child = 2 * i + 1; child < n; i = child, child = 2 * i + 1) {
        if (child + 1 < n && before(&heap[child], &heap[child + 1]))
            child++;
        if (!before(&moved, &heap[child]))
            break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
}

/* The first k of n entries in order, the others lost: a heap of the k best so far. O(n log k). */
static void select_first(struct entry *entries, int64_t n, int64_t k)
{
    for (int64_t i = k / 2 - 1; i >= 0; i--)
        sift_down(entries, k, i);
    for (int64_t i = k; i < n; i++)
        if (before(&entries[i], &entries[0])) {
            entries[0] = entries[i];
            sift_down(entries, k, 0);
        }
    for (int64_t i = k - 1; i > 0; i--) {
        struct entry last = entries[i];
        entries[i] = entries[0];
        entries[0] = last;
        sift_down(entries, i, 0);
    }
}

bool sort_scratch(const struct sort *sort, size_t *ret)
{
    return size_mul((size_t)sort->n, sizeof(struct entry), ret);
}

void sort_f32(const struct sort *sort, const float *x, float *values, int64_t *indices, void *scratch)
{
    struct entry *entries = scratch;
    for (int64_t i = 0; i < sort->outer * sort->inner && sort->k > 0; i++) {
        const float *from = x + i / sort->inner * sort->n * sort->inner + i % sort->inner;
        int64_t to = i / sort->inner * sort->k * sort->inner + i % sort->inner;
        for (int64_t j = 0; j < sort->n; j++)
            entries[j] = (struct entry){float_key(from[j * sort->inner], sort->descending), j};
        select_first(entries, sort->n, sort->k);
        for (int64_t j = 0; j < sort->k; j++) {
            if (values)
                values[to + j * sort->inner] = from[entries[j].place * sort->inner];
            if (indices)
                indices[to + j * sort->inner] = entries[j].place;
        }
    }
}

void sort_i64(const struct sort *sort, const int64_t *x, int64_t *values, int64_t *indices, void *scratch)
{
    struct entry *entries = scratch;
    for (int64_t i = 0; i < sort->outer * sort->inner && sort->k > 0; i++) {
        const int64_t *from = x + i / sort->inner * sort->n * sort->inner + i % sort->inner;
        int64_t to = i / sort->inner * sort->k * sort->inner + i % sort->inner;
        for (int64_t j = 0; j < sort->n; j++) {
            int64_t key = from[j * sort->inner];
            entries[j] = (struct entry){sort->descending ? ~key : key, j};
        }
        select_first(entries, sort->n, sort->k);
        for (int64_t j = 0; j < sort->k; j++) {
            if (values)
                values[to + j * sort->inner] = from[entries[j].place * sort->inner];
            if (indices)
                indices[to + j * sort->inner] = entries[j].place;
        }
    }
}

#define SCAN(name, type, wide, zero, one)                                                          \
    void name(const struct scan *scan, const type *x, type *y)                                     \
    {                                                                                              \
        for (int64_t i = 0; i < scan->outer * scan->inner; i++) {                                  \
            int64_t base = i / scan->inner * scan->n * scan->inner + i % scan->inner;              \
            wide total = scan->product ? (one) : (zero);                                           \
            for (int64_t j = 0; j < scan->n; j++) {                                                \
                int64_t at = base + (scan->reverse ? scan->n - 1 - j : j) * scan->inner;           \
                wide before = total, element = (wide)x[at];                                        \
                total = scan->product ? total * element : total + element;                         \
                y[at] = (type)(scan->exclusive ? before : total);                                  \
            }                                                                                      \
        }                                                                                          \
    }
SCAN(scan_f32, float, double, 0.0, 1.0)
SCAN(scan_i64, int64_t, uint64_t, 0u, 1u)

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void sparsemax_run(int64_t rows, int64_t n, const float *x, float *y, float *scratch)
{
    for (int64_t row = 0; row < rows; row++, x += n, y += n) {
        double cumsum = 0, sum = 0;
        int64_t size = 0;
        memcpy(scratch, x, (size_t)n * sizeof(*x));
        qsort(scratch, (size_t)n, sizeof(*x), ascending);
        for (int64_t j = 1; j <= n; j++) {
            float z = scratch[n - j];
            cumsum += z;
            if (z - (cumsum - 1) / (double)j > 0) {
                size++;
                sum += cumsum;
            }
        }
        float tau = (float)((sum - 1) / (double)size);
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] - tau < 0 ? 0 : x[i] - tau;
    }
}
