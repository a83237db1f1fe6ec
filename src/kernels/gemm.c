/* Matrix products: the only user of BLAS. */
#include "kernels/gemm.h"

#include <cblas.h>
#include <string.h>

#include "base/size.h"
#include "kernels/elementwise.h"

bool gemm_pack_bytes(int64_t k, int64_t n, size_t *ret)
{
    size_t bytes;
    if (!size_mul((size_t)k, (size_t)n, &bytes) || !size_mul(bytes, sizeof(float), &bytes))
        return false;
    *ret = bytes;
    return true;
}

void gemm_pack(int64_t k, int64_t n, const float *w, int64_t w_stride, void *packed)
{
    float *to = packed;
    for (int64_t i = 0; i < k; i++)
        memcpy(to + i * n, w + i * w_stride, (size_t)n * sizeof(float));
}

void gemm_pack_transposed(int64_t k, int64_t n, const float *w, int64_t w_stride, void *packed)
{
    float *to = packed;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++)
            to[i * n + j] = w[j * w_stride + i];
}

/* The row of y before the product: bias + add, or zero. */
static void start_row(const struct gemm_packed *run, int64_t row)
{
    const struct gemm_epilogue *epilogue = &run->epilogue;
    float *y = run->y + row * run->y_stride;
    const float *add = epilogue->add ? epilogue->add + row * epilogue->add_stride : NULL;
    for (int64_t i = run->column_begin; i < run->column_end; i++)
        y[i] = (epilogue->bias ? epilogue->bias[i] : 0) + (add ? add[i] : 0);
}

void gemm_packed_run(const struct gemm_packed *run)
{
    int64_t columns = run->column_end - run->column_begin;
    if (run->rows == 0 || columns == 0)
        return;
    for (int64_t row = 0; row < run->rows; row++)
        start_row(run, row);
    const float *w = (const float *)run->packed + run->column_begin;
    if (run->k > 0)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)run->rows, (int)columns, (int)run->k, 1,
                    run->x, (int)run->x_stride, w, (int)run->n, 1, run->y + run->column_begin,
                    (int)run->y_stride);
    for (int64_t row = 0; run->epilogue.activation && row < run->rows; row++) {
        float *y = run->y + row * run->y_stride + run->column_begin;
        unary_apply(run->epilogue.activation, y, y, columns);
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
