/* Matrix products, float32, row-major.
 *
 * Constant weights are packed once at load and opaque from then on: their layout belongs to the
 * instruction set in use. A packed product's rows are computed independently of each other, so a sample's
 * result has the same bits whatever else is in its batch. Nothing here allocates or starts threads. */
#ifndef KD_KERNELS_GEMM_H
#define KD_KERNELS_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/math.h"

/* Column ranges begin at multiples of this. */
#define GEMM_COLUMNS 64

/* What follows the product: y = activation(product + bias + add). */
struct gemm_epilogue {
    const float *bias; /* [n] or NULL */
    const float *add;  /* one row per row of y, or NULL; may be y itself */
    int64_t add_stride;
    const struct unary *activation; /* or NULL */
};

/* Bytes of a packed matrix [k, n]; false on overflow. The memory must be 64-byte aligned. */
bool gemm_pack_bytes(int64_t k, int64_t n, size_t *ret);
/* w [k, n], its rows w_stride apart (>= n). */
void gemm_pack(int64_t k, int64_t n, const float *w, int64_t w_stride, void *packed);
/* The same from the transposed matrix w [n, k]. */
void gemm_pack_transposed(int64_t k, int64_t n, const float *w, int64_t w_stride, void *packed);

/* y[r, c] for all rows and the columns [column_begin, column_end). Strides in elements, >= k and >= n.
 * y must not overlap x. Several threads may run disjoint rows or column ranges of one product. */
struct gemm_packed {
    int64_t rows, k, n;
    int64_t column_begin; /* multiple of GEMM_COLUMNS */
    int64_t column_end;   /* n, or a multiple of GEMM_COLUMNS */
    const float *x;
    int64_t x_stride;
    const void *packed;
    struct gemm_epilogue epilogue;
    float *y;
    int64_t y_stride;
};
void gemm_packed_run(const struct gemm_packed *run);

#define GEMM_MAX_BATCH_RANK 6

/* Both operands only known per request: z[b] = op(x[b]) op(y[b]), z [batch..., m, n] dense.
 * x[b] is [m, k] (transposed: [k, m]), y[b] is [k, n] (transposed: [n, k]), each dense inside one matrix;
 * the batch strides (in elements; 0 broadcasts) say where matrix b begins. */
struct gemm_matmul {
    int64_t m, k, n;
    bool transpose_x, transpose_y;
    int batch_rank;
    int64_t batch_dim[GEMM_MAX_BATCH_RANK];
    int64_t x_stride[GEMM_MAX_BATCH_RANK];
    int64_t y_stride[GEMM_MAX_BATCH_RANK];
};
/* Scratch that gemm_matmul_run needs, 64-byte aligned; false on overflow. May be 0. */
bool gemm_matmul_scratch(const struct gemm_matmul *matmul, size_t *ret);
/* Computes matrices [begin, end) of the flattened batch. Threads need a scratch each. */
void gemm_matmul_run(const struct gemm_matmul *matmul, const float *x, const float *y, float *z,
                     int64_t begin, int64_t end, void *scratch);

#endif
