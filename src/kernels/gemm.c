/* Products with packed weights, and the products of two unknowns: the only user of BLAS.
 *
 * Packed weights are panels of a few vectors of columns, [n / panel][k][panel]; the last panel is as many
 * vectors wide as it needs. A panel's part of some 512 rows stays in the cache while all row tiles of the
 * block pass over it. Plain BLAS repacks the weights in every call, which for the few rows of a request
 * costs more than the product.
 *
 * Every element is the sum of one chain per 512 rows of weights, in ascending order, whatever the tile: so
 * the bits of a row do not depend on what else is in the block. */
#include "kernels/gemm.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/size.h"
#include "kernels/block.h"
#include "kernels/elementwise.h"
#include "kernels/isa.h"

/* Rows of weights that are summed in one go. */
#define CHAIN 512

/* Columns of the panel that begins at `column`, and the floats between its rows. */
static int64_t panel_columns(int64_t n, int64_t column)
{
    int64_t left = n - column;
    return left < kernels_table->panel ? left : kernels_table->panel;
}

static int64_t panel_pitch(int64_t n, int64_t column)
{
    int64_t vector = kernels_table->vector;
    return (panel_columns(n, column) + vector - 1) / vector * vector;
}

bool gemm_pack_bytes(int64_t k, int64_t n, size_t *ret)
{
    size_t bytes;
    /* Rounded up for the widest vectors, so that the size does not depend on the processor. */
    if (!size_mul((size_t)k, size_align((size_t)n, 16), &bytes) || !size_mul(bytes, sizeof(float), &bytes))
        return false;
    *ret = bytes;
    return true;
}

void block_pack(int64_t k, int64_t n, int64_t first, int64_t count, const float *w, int64_t row,
                int64_t column, void *packed)
{
    float *panel = packed;
    for (int64_t begin = 0; begin < n; begin += kernels_table->panel) {
        int64_t columns = panel_columns(n, begin), pitch = panel_pitch(n, begin);
        float *to = panel + first * pitch;
        for (int64_t i = 0; i < count; i++, to += pitch) {
            const float *from = w + i * row + begin * column;
            if (column == 1)
                memcpy(to, from, (size_t)columns * sizeof(float));
            for (int64_t j = 0; column != 1 && j < columns; j++)
                to[j] = from[j * column];
            memset(to + columns, 0, (size_t)(pitch - columns) * sizeof(float));
        }
        panel += k * pitch;
    }
}

float *block_weight(int64_t k, int64_t n, int64_t row, int64_t column, void *packed)
{
    int64_t first = column / kernels_table->panel * kernels_table->panel;
    return (float *)packed + first * k + row * panel_pitch(n, first) + column - first;
}

void gemm_pack(int64_t k, int64_t n, const float *w, int64_t w_stride, void *packed)
{
    block_pack(k, n, 0, k, w, w_stride, 1, packed);
}

void gemm_pack_transposed(int64_t k, int64_t n, const float *w, int64_t w_stride, void *packed)
{
    block_pack(k, n, 0, k, w, 1, w_stride, packed);
}

/* Columns of the panel at `column`, or of several full ones if few rows can take them together. */
static int columns_together(const struct block *block, int64_t column)
{
    int64_t one = panel_columns(block->n, column);
    int64_t wide = block->rows <= 2 ? kernels_table->wide_panels[block->rows - 1] * one : one;
    return (int)(one == kernels_table->panel && column + wide <= block->column_end ? wide : one);
}

bool block_clamp(const struct unary *activation, float *ret_low, float *ret_high)
{
    if (!activation)
        return false;
    *ret_low = 0;
    *ret_high = INFINITY;
    switch (activation->kind) {
    case UNARY_RELU: return true;
    case UNARY_RELU6: *ret_high = 6; return true;
    case UNARY_HARD_TANH: *ret_low = -1; *ret_high = 1; return true;
    case UNARY_CLIP: *ret_low = activation->a; *ret_high = activation->b; return true;
    case UNARY_LINEAR: *ret_low = -INFINITY; return true;
    default: return false;
    }
}

/* All rows of the block through one part of a panel: tiles as even as possible. */
static void run_tiles(const struct block *block, struct tile *tile)
{
    int vector = kernels_table->vector;
    int most = tile->columns > kernels_table->panel ? 2 : tile_rows((tile->columns + vector - 1) / vector);
    int64_t tiles = (block->rows + most - 1) / most, row = 0;
    const float *const *x = tile->x;
    for (int64_t i = 0; i < tiles; i++, row += tile->rows) {
        tile->rows = (int)((block->rows - row + tiles - i - 1) / (tiles - i));
        tile->x = x + row;
        tile->y = block->y + row;
        tile->add = block->add ? block->add + row : NULL;
        kernels_table->tile(tile);
    }
    tile->x = x;
}

/* One panel: parts of up to CHAIN rows of weights, either several whole taps or pieces of one. */
static void run_panel(const struct block *block, struct tile *tile, const float *w, bool clamps)
{
    int64_t pitch = panel_pitch(block->n, tile->column - block->y_offset);
    int64_t together = block->k < CHAIN ? CHAIN / (block->k ? block->k : 1) : 1, tap = 0;
    tile->continues = false;
    do {
        int64_t left = block->taps - tap, i = 0;
        tile->taps = left < together ? left : together;
        tile->x = block->x + tap * block->x_step;
        do {
            tile->k = block->k - i < CHAIN ? block->k - i : CHAIN;
            tile->x_offset = block->x_offset + i;
            tile->w = w + (tap * block->k + i) * pitch;
            i += tile->k;
            tile->clamps = clamps && i == block->k && tap + tile->taps >= block->taps;
            run_tiles(block, tile);
            tile->continues = true;
        } while (i < block->k);
        tap += tile->taps;
    } while (tap < block->taps);
}

/* The activation of whole rows, or of the whole block if its rows touch. */
static void activate(const struct block *block)
{
    int64_t columns = block->column_end - block->column_begin, offset = block->y_offset + block->column_begin;
    int64_t last = block->rows - 1;
    if (block->y[last] - block->y[0] == last * columns) {
        unary_apply(block->activation, block->y[0] + offset, block->y[0] + offset, block->rows * columns);
        return;
    }
    for (int64_t row = 0; row < block->rows; row++)
        unary_apply(block->activation, block->y[row] + offset, block->y[row] + offset, columns);
}

void block_run(const struct block *block)
{
    struct tile tile = {.x_step = block->x_step};
    KD_ASSERT(block->rows > 0 && block->rows <= BLOCK_ROWS && block->column_begin % GEMM_COLUMNS == 0);
    bool clamps = block_clamp(block->activation, &tile.low, &tile.high);
    tile.panel_step = block->taps * block->k * kernels_table->panel;
    for (int64_t column = block->column_begin; column < block->column_end; column += tile.columns) {
        tile.columns = columns_together(block, column);
        tile.column = block->y_offset + column;
        tile.bias = block->bias ? block->bias + column : NULL;
        run_panel(block, &tile, (const float *)block->packed + block->taps * block->k * column, clamps);
    }
    if (block->activation && !clamps)
        activate(block);
}

void gemm_packed_run(const struct gemm_packed *run)
{
    const float *x[BLOCK_ROWS], *add[BLOCK_ROWS];
    float *y[BLOCK_ROWS];
    const struct gemm_epilogue *epilogue = &run->epilogue;
    struct block block = {.taps = 1, .k = run->k, .x = x, .packed = run->packed, .n = run->n,
                          .column_begin = run->column_begin, .column_end = run->column_end,
                          .bias = epilogue->bias, .add = epilogue->add ? add : NULL, .y = y,
                          .activation = epilogue->activation};
    for (int64_t row = 0; row < run->rows; row += block.rows) {
        int64_t left = run->rows - row;
        block.rows = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        for (int64_t i = 0; i < block.rows; i++) {
            x[i] = run->x + (row + i) * run->x_stride;
            y[i] = run->y + (row + i) * run->y_stride;
            add[i] = epilogue->add ? epilogue->add + (row + i) * epilogue->add_stride : NULL;
        }
        block_run(&block);
    }
}

bool gemm_matmul_scratch(const struct gemm_matmul *matmul, size_t *ret)
{
    *ret = 0;
    return true;
}

/* Where matrix `index` of the flattened batch begins in both operands. */
static void matrix_offsets(const struct gemm_matmul *matmul, int64_t index, int64_t *ret_x, int64_t *ret_y)
{
    *ret_x = *ret_y = 0;
    for (int axis = matmul->batch_rank - 1; axis >= 0; axis--) {
        int64_t i = index % matmul->batch_dim[axis];
        index /= matmul->batch_dim[axis];
        *ret_x += i * matmul->x_stride[axis];
        *ret_y += i * matmul->y_stride[axis];
    }
}

static void one_product(const struct gemm_matmul *matmul, const float *x, const float *y, float *z)
{
    int64_t m = matmul->m, k = matmul->k, n = matmul->n;
    if (k == 0)
        memset(z, 0, (size_t)(m * n) * sizeof(*z));
    else
        cblas_sgemm(CblasRowMajor, matmul->transpose_x ? CblasTrans : CblasNoTrans,
                    matmul->transpose_y ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, 1, x,
                    (int)(matmul->transpose_x ? m : k), y, (int)(matmul->transpose_y ? k : n), 0, z, (int)n);
}

void gemm_matmul_run(const struct gemm_matmul *matmul, const float *x, const float *y, float *z,
                     int64_t begin, int64_t end, void *scratch)
{
    for (int64_t i = begin; i < end && matmul->m > 0 && matmul->n > 0; i++) {
        int64_t x_offset, y_offset;
        matrix_offsets(matmul, i, &x_offset, &y_offset);
        one_product(matmul, x + x_offset, y + y_offset, z + i * matmul->m * matmul->n);
    }
}
