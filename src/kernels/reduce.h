/* Reductions over any set of axes, softmax, normalisation, scans, sorting. */
#ifndef KD_KERNELS_REDUCE_H
#define KD_KERNELS_REDUCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/math.h"
#include "tensor/shape.h"

/* A dense tensor seen as alternating runs of kept and reduced axes; neighbours of one kind are merged,
 * axes of size 1 dropped. */
struct reduce_plan {
    int rank;
    int64_t dim[SHAPE_MAX_RANK];
    bool reduced[SHAPE_MAX_RANK];
    int64_t kept;  /* elements of the result */
    int64_t count; /* elements that go into each */
};
/* axes: distinct, in range, any order; n_axes 0 reduces nothing. */
void reduce_plan_init(struct reduce_plan *plan, const struct shape *shape, const int *axes, int n_axes);

/* SUM, MEAN, MAX, MIN, PROD, LOGSUMEXP. Sums are accumulated in double.
 * Nothing to reduce (count 0): SUM 0, PROD 1, MEAN NaN, MAX -inf, MIN +inf, LOGSUMEXP -inf. NaN wins. */
void reduce_f32(enum reduce_kind kind, const struct reduce_plan *plan, const float *x, float *y);
/* SUM, MEAN (truncated), MAX, MIN, PROD, ANY, ALL. */
void reduce_i64(enum reduce_kind kind, const struct reduce_plan *plan, const int64_t *x, int64_t *y);
/* ARGMAX, ARGMIN along one axis of x [outer, n, inner] (n >= 1): the first of equals; the first NaN wins. */
void reduce_arg_f32(enum reduce_kind kind, int64_t outer, int64_t n, int64_t inner, const float *x,
                    int64_t *y);
void reduce_arg_i64(enum reduce_kind kind, int64_t outer, int64_t n, int64_t inner, const int64_t *x,
                    int64_t *y);

/* exp(x - logsumexp(x)) over the reduced axes, or x - logsumexp(x); y may be x. */
void softmax_run(const struct reduce_plan *plan, bool log, const float *x, float *y);
/* Keras 3's sparsemax over the last axis: descending z; support = { j : z_j > (cumsum_j - 1) / j }, k its
 * size; tau = (sum over the support of cumsum_j - 1) / k (the cumulated sums, as Keras computes it);
 * y = max(x - tau, 0). scratch: n floats. */
void sparsemax_run(int64_t rows, int64_t n, const float *x, float *y, float *scratch);

enum norm_kind {
    NORM_LAYER,     /* (x - mean) / sqrt(variance + epsilon) */
    NORM_RMS,       /* x / sqrt(mean(x^2) + epsilon) */
    NORM_RMS_SCALED /* x / sqrt(variance + epsilon) */
};
/* Over the reduced axes; then times scale[c] plus shift[c] over the last axis of the tensor (channels
 * entries, each may be NULL). y may be x. */
void norm_run(enum norm_kind kind, const struct reduce_plan *plan, float epsilon, int64_t channels,
              const float *scale, const float *shift, const float *x, float *y);

/* x [outer, n, inner], running sum or product along n; exclusive: without the element itself; reverse:
 * from the end. y may be x. */
struct scan {
    int64_t outer, n, inner;
    bool exclusive, reverse, product;
};
void scan_f32(const struct scan *scan, const float *x, float *y);
void scan_i64(const struct scan *scan, const int64_t *x, int64_t *y);

/* Along n of x [outer, n, inner]; stable; NaN after everything. values or indices may be NULL.
 * k: how many of the first are written ([outer, k, inner]); n for a whole sort. Equal elements keep their
 * order, so of equals the one with the lower index comes first. */
struct sort {
    int64_t outer, n, inner, k;
    bool descending;
};
/* Scratch of a run, 8-byte aligned. */
bool sort_scratch(const struct sort *sort, size_t *ret);
void sort_f32(const struct sort *sort, const float *x, float *values, int64_t *indices, void *scratch);
void sort_i64(const struct sort *sort, const int64_t *x, int64_t *values, int64_t *indices, void *scratch);

#endif
