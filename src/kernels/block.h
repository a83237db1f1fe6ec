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

/* Whether an activation is a clamp, which runs inside of the loops: y < low -> low, y > high -> high. */
bool block_clamp(const struct unary *activation, float *ret_low, float *ret_high);

/* Packs the rows [first, first + count) of a matrix [k, n]; w's element [i, j] is at i * row + j * column. */
void block_pack(int64_t k, int64_t n, int64_t first, int64_t count, const float *w, int64_t row,
                int64_t column, void *packed);
/* Where element [row, column] of a packed matrix [k, n] lies; up to the end of its panel, neighbours follow.
 */
float *block_weight(int64_t k, int64_t n, int64_t row, int64_t column, void *packed);

#endif
