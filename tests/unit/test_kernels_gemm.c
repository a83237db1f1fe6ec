/* Products against sums in double, over sizes around every block edge; a row's bits must not depend on the
 * other rows, and column ranges must compose. */
#include "kernels/gemm.h"
#include "kernels_test.h"

struct product {
    int64_t rows, k, n;
    float *x, *w, *bias, *add, *y, *expected;
    void *packed;
};

static double relu(double x)
{
    return x < 0 ? 0 : x;
}

static struct product product_new(int64_t rows, int64_t k, int64_t n, bool epilogue)
{
    struct product p = {.rows = rows, .k = k, .n = n};
    size_t bytes;
    p.x = random_floats(rows * k);
    p.w = random_floats(k * n);
    p.bias = random_floats(n);
    p.add = random_floats(rows * n);
    p.y = random_floats(rows * n);
    p.expected = random_floats(rows * n);
    CU_ASSERT_TRUE_FATAL(gemm_pack_bytes(k, n, &bytes));
    p.packed = test_memory(bytes);
    gemm_pack(k, n, p.w, n, p.packed);
    for (int64_t i = 0; i < rows * n; i++) {
        double sum = epilogue ? (double)p.bias[i % n] + p.add[i] : 0;
        for (int64_t j = 0; j < k; j++)
            sum += (double)p.x[i / n * k + j] * p.w[j * n + i % n];
        p.expected[i] = (float)(epilogue ? relu(sum) : sum);
    }
    return p;
}

static void product_free(struct product *p)
{
    free(p->x);
    free(p->w);
    free(p->bias);
    free(p->add);
    free(p->y);
    free(p->expected);
    free(p->packed);
}

static const struct unary relu_function = {.kind = UNARY_RELU};

static void run(const struct product *p, int64_t from_row, int64_t rows, bool epilogue, float *y)
{
    struct gemm_packed run = {.rows = rows, .k = p->k, .n = p->n, .column_end = p->n, .x_stride = p->k,
                              .packed = p->packed, .y_stride = p->n};
    run.x = p->x + from_row * p->k;
    run.y = y;
    if (epilogue)
        run.epilogue = (struct gemm_epilogue){p->bias, p->add + from_row * p->n, p->n, &relu_function};
    gemm_packed_run(&run);
}

static void check(int64_t rows, int64_t k, int64_t n, bool epilogue)
{
    struct product p = product_new(rows, k, n, epilogue);
    run(&p, 0, rows, epilogue, p.y);
    double limit = 5e-7 * sqrt((double)k + 1) + 1e-6;
    if (worst_difference(p.y, p.expected, rows * n) > limit)
        printf("rows %lld k %lld n %lld: %g\n", (long long)rows, (long long)k, (long long)n,
               worst_difference(p.y, p.expected, rows * n));
    CU_ASSERT(worst_difference(p.y, p.expected, rows * n) <= limit);
    product_free(&p);
}

static void test_sizes(void)
{
    static const int64_t rows[] = {1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 25};
    static const int64_t ks[] = {0, 1, 3, 16, 67};
    static const int64_t ns[] = {1, 2, 10, 15, 16, 17, 31, 33, 48, 63, 64, 65, 96, 130, 200};
    for (size_t a = 0; a < KD_COUNT(rows); a++)
        for (size_t b = 0; b < KD_COUNT(ks); b++)
            for (size_t c = 0; c < KD_COUNT(ns); c++)
                check(rows[a], ks[b], ns[c], (a + b + c) % 2);
}

static void test_large(void)
{
    check(1, 3000, 130, true);
    check(1, 2048, 256, false);
    check(9, 1537, 70, true);
    check(70, 1024, 96, true);
    check(130, 513, 64, false);
}

/* Strided operands, the other packing, nothing written outside. */
static void test_strides(void)
{
    enum { rows = 7, k = 20, n = 37, pad = 5 };
    struct product p = product_new(rows, k, n, false);
    float *x = random_floats(rows * (k + pad)), *y = random_floats(rows * (n + pad)),
          *w = random_floats(k * n);
    for (int i = 0; i < rows * k; i++)
        x[i / k * (k + pad) + i % k] = p.x[i];
    for (int i = 0; i < k * n; i++)
        w[i % n * k + i / n] = p.w[i];
    for (int i = 0; i < rows * (n + pad); i++)
        y[i] = 77;
    memset(p.packed, 0, sizeof(float) * k * n);
    gemm_pack_transposed(k, n, w, k, p.packed);
    struct gemm_packed run = {.rows = rows, .k = k, .n = n, .column_end = n, .x = x, .x_stride = k + pad,
                              .packed = p.packed, .y = y, .y_stride = n + pad};
    gemm_packed_run(&run);
    for (int i = 0; i < rows * (n + pad); i++)
        if (i % (n + pad) < n)
            CU_ASSERT_DOUBLE_EQUAL(y[i], p.expected[i / (n + pad) * n + i % (n + pad)], 1e-5)
        else
            CU_ASSERT_EQUAL(y[i], 77)
    free(x);
    free(y);
    free(w);
    product_free(&p);
}

/* Rows alone (and two by two) have the bits that they have among others: few rows run several panels at once. */
static void test_rows_are_independent(void)
{
    static const int64_t ns[] = {10, 64, 300};
    for (size_t c = 0; c < KD_COUNT(ns); c++) {
        struct product p = product_new(29, 700, ns[c], true);
        float *alone = random_floats(2 * ns[c]);
        run(&p, 0, p.rows, true, p.y);
        for (int64_t row = 0; row < p.rows; row++)
            for (int64_t rows = 1; rows <= 2 && row + rows <= p.rows; rows++) {
                run(&p, row, rows, true, alone);
                CU_ASSERT_EQUAL(memcmp(alone, p.y + row * p.n, (size_t)(rows * p.n) * sizeof(float)), 0);
            }
        free(alone);
        product_free(&p);
    }
}

static void test_column_ranges(void)
{
    struct product p = product_new(5, 50, 300, false);
    struct gemm_packed run = {.rows = 5,
                              .k = 50,
                              .n = 300,
                              .x = p.x,
                              .x_stride = 50,
                              .packed = p.packed,
                              .y = p.y,
                              .y_stride = 300};
    static const int64_t edges[] = {0, 64, 256, 300};
    for (int i = 0; i + 1 < 4; i++) {
        run.column_begin = edges[i];
        run.column_end = edges[i + 1];
        gemm_packed_run(&run);
    }
    CU_ASSERT(worst_difference(p.y, p.expected, 5 * 300) < 3e-6);
    product_free(&p);
}

/* Not a number stays one through the rectifier, and infinities do not leak into other columns. */
static void test_not_finite(void)
{
    struct product p = product_new(3, 8, 20, false);
    struct gemm_packed run = {.rows = 3, .k = 8, .n = 20, .column_end = 20, .x = p.x, .x_stride = 8,
                              .packed = p.packed, .epilogue = {.activation = &relu_function}, .y = p.y,
                              .y_stride = 20};
    p.x[8] = NAN;
    gemm_packed_run(&run);
    for (int i = 0; i < 60; i++)
        CU_ASSERT_EQUAL(isnan(p.y[i]) != 0, i / 20 == 1);
    product_free(&p);
}

static void matmul_case(int64_t m, int64_t k, int64_t n, bool transpose_x, bool transpose_y)
{
    struct gemm_matmul mm = {.m = m, .k = k, .n = n, .transpose_x = transpose_x, .transpose_y = transpose_y,
                             .batch_rank = 2, .batch_dim = {2, 3}, .x_stride = {3 * m * k, m * k},
                             .y_stride = {0, k * n}};
    float *x = random_floats(6 * m * k), *y = random_floats(3 * k * n), *z = random_floats(6 * m * n);
    float *expected = random_floats(6 * m * n);
    size_t bytes;
    CU_ASSERT_TRUE_FATAL(gemm_matmul_scratch(&mm, &bytes));
    void *scratch = test_memory(bytes);
    for (int64_t i = 0; i < 6 * m * n; i++) {
        int64_t b = i / (m * n), row = i / n % m, column = i % n;
        double sum = 0;
        for (int64_t j = 0; j < k; j++)
            sum += (double)x[b * m * k + (transpose_x ? j * m + row : row * k + j)] *
                   y[b % 3 * k * n + (transpose_y ? column * k + j : j * n + column)];
        expected[i] = (float)sum;
    }
    gemm_matmul_run(&mm, x, y, z, 0, 2, scratch);
    gemm_matmul_run(&mm, x, y, z, 2, 6, scratch);
    CU_ASSERT(worst_difference(z, expected, 6 * m * n) <= 5e-7 * sqrt((double)k + 1) + 1e-6);
    free(x);
    free(y);
    free(z);
    free(expected);
    free(scratch);
}

static void test_matmul(void)
{
    static const int64_t sizes[][3] = {{1, 1, 1},    {1, 64, 50}, {7, 3, 5},     {64, 32, 64},
                                       {33, 65, 17}, {5, 0, 4},   {100, 130, 70}};
    for (size_t i = 0; i < KD_COUNT(sizes); i++)
        for (int t = 0; t < 4; t++)
            matmul_case(sizes[i][0], sizes[i][1], sizes[i][2], t & 1, t & 2);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"sizes", test_sizes},
        {"large", test_large},
        {"strides", test_strides},
        {"rows are independent", test_rows_are_independent},
        {"column ranges", test_column_ranges},
        {"not finite", test_not_finite},
        {"matmul", test_matmul},
    };
    return kernels_main("gemm", tests, KD_COUNT(tests));
}
