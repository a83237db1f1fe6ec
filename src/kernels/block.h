/* Inside of the kernels: a block of rows against packed weights, the common core of products and
 * convolutions.
 *
 * A row of the left operand is given by pointers, one per tap: a dense row is one tap, the window of a
 * convolution one tap per run of contiguous input. So a convolution needs no copy of its windows. */
#ifndef KD_KERNELS_BLOCK_H
#define KD_KERNELS_BLOCK_H

#include "kernels/gemm.h"

/* Rows of a block at most: what the drivers keep pointers for. */
#define BLOCK_ROWS 240

struct block {
    int64_t rows; /* <= BLOCK_ROWS */
    int64_t taps, k; /* the packed weights have taps * k rows */
    const float *const
        *x; /* [taps][x_step]: elements of row r under tap t begin at x[t * x_step + r] + x_offset */
    int64_t x_step, x_offset;
    const void *packed;
    int64_t n, column_begin, column_end; /* as in struct gemm_packed */
    const float *bias;       /* [n] or NULL */
    const float *const *add; /* rows, or NULL */
    float *const *y;         /* rows, ascending, at least n apart */
    int64_t y_offset;        /* added to the pointers of add and y */
    const struct unary *activation;
};
void block_run(const struct block *block);

#endif
