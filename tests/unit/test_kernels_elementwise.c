/* Broadcasting arithmetic, comparisons, select, casts and the affine map. */
#include "kernels/elementwise.h"
#include "kernels_test.h"

/* Pairs of shapes: same, scalar, last axis, channel of [N, 1, 1, C], outer product, repeats in the middle. */
static const struct pair {
    struct shape x, y, z;
} pairs[] = {
    {{1, {100}}, {1, {100}}, {1, {100}}},
    {{0, {0}}, {0, {0}}, {0, {0}}},
    {{2, {7, 33}}, {0, {0}}, {2, {7, 33}}},
    {{0, {0}}, {2, {7, 33}}, {2, {7, 33}}},
    {{3, {2, 5, 19}}, {1, {19}}, {3, {2, 5, 19}}},
    {{4, {3, 4, 5, 17}}, {4, {3, 1, 1, 17}}, {4, {3, 4, 5, 17}}},
    {{4, {3, 4, 5, 17}}, {4, {3, 4, 5, 1}}, {4, {3, 4, 5, 17}}},
    {{2, {9, 1}}, {2, {1, 21}}, {2, {9, 21}}},
    {{3, {1, 6, 1}}, {3, {4, 1, 5}}, {3, {4, 6, 5}}},
    {{2, {0, 3}}, {1, {3}}, {2, {0, 3}}},
    {{3, {13, 29, 3}}, {1, {3}}, {3, {13, 29, 3}}},
    {{1, {7}}, {2, {90, 7}}, {2, {90, 7}}},
    {{4, {2, 1, 3, 1}}, {3, {4, 1, 5}}, {4, {2, 4, 3, 5}}},
};

/* Where element i of the result comes from. */
static int64_t operand_index(const struct shape *operand, const struct shape *result, int64_t i)
{
    int64_t index = 0, step = 1;
    for (int axis = result->rank - 1; axis >= 0; axis--) {
        int own = axis - (result->rank - operand->rank);
        int64_t at = i % result->dim[axis];
        i /= result->dim[axis];
        if (own < 0)
            continue;
        index += operand->dim[own] == 1 ? 0 : at * step;
        step *= operand->dim[own];
    }
    return index;
}

static double exact(enum binary_kind kind, double x, double y)
{
    switch (kind) {
    case BINARY_ADD: return x + y;
    case BINARY_SUBTRACT: return x - y;
    case BINARY_MULTIPLY: return x * y;
    case BINARY_DIVIDE: return x / y;
    case BINARY_DIVIDE_NO_NAN: return y == 0 ? 0 : x / y;
    case BINARY_FLOOR_DIVIDE: return floor((double)(float)(x / y));
    case BINARY_FLOOR_MOD: return x - y * floor(x / y);
    case BINARY_TRUNCATE_MOD: return fmod(x, y);
    case BINARY_POWER: return pow(x, y);
    case BINARY_MAXIMUM: return fmax(x, y);
    case BINARY_MINIMUM: return fmin(x, y);
    case BINARY_SQUARED_DIFFERENCE: return (x - y) * (x - y);
    case BINARY_ATAN2: return atan2(x, y);
    case BINARY_LOGADDEXP: return log(exp(x) + exp(y));
    default: return x > 0 ? x : x * y;
    }
}

static void check_pair(const struct pair *p, enum binary_kind kind)
{
    int64_t n_x = shape_product(&p->x, 0, p->x.rank), n_y = shape_product(&p->y, 0, p->y.rank);
    int64_t n = shape_product(&p->z, 0, p->z.rank);
    const struct shape *operands[] = {&p->x, &p->y};
    struct broadcast b;
    float *x = random_floats(n_x), *y = random_floats(n_y), *z = random_floats(n);
    if (kind == BINARY_POWER)
        for (int64_t i = 0; i < n_x; i++)
            x[i] = fabsf(x[i]);
    broadcast_init(&b, &p->z, operands, 2);
    binary_f32(kind, &b, x, y, z);
    for (int64_t i = 0; i < n; i++) {
        double e = exact(kind, x[operand_index(&p->x, &p->z, i)], y[operand_index(&p->y, &p->z, i)]);
        CU_ASSERT_DOUBLE_EQUAL(z[i], e, 1e-6 * (1 + fabs(e)));
    }
    free(x);
    free(y);
    free(z);
}

static void test_arithmetic(void)
{
    for (int kind = BINARY_ADD; kind <= BINARY_PRELU; kind++)
        for (size_t i = 0; i < KD_COUNT(pairs); i++)
            check_pair(&pairs[i], kind);
}

static float apply(enum binary_kind kind, float x, float y)
{
    static const struct shape scalar = {0};
    const struct shape *operands[] = {&scalar, &scalar};
    struct broadcast b;
    float z;
    broadcast_init(&b, &scalar, operands, 2);
    binary_f32(kind, &b, &x, &y, &z);
    return z;
}

static void test_special(void)
{
    CU_ASSERT(isnan(apply(BINARY_MAXIMUM, NAN, 1)) && isnan(apply(BINARY_MAXIMUM, 1, NAN)));
    CU_ASSERT(isnan(apply(BINARY_MINIMUM, NAN, 1)) && isnan(apply(BINARY_MINIMUM, 1, NAN)));
    CU_ASSERT_EQUAL(apply(BINARY_DIVIDE, 1, 0), INFINITY);
    CU_ASSERT_EQUAL(apply(BINARY_DIVIDE_NO_NAN, 1, 0), 0);
    CU_ASSERT_EQUAL(apply(BINARY_FLOOR_MOD, -7, 3), 2);
    CU_ASSERT_EQUAL(apply(BINARY_FLOOR_MOD, 7, -3), -2);
    CU_ASSERT_EQUAL(apply(BINARY_TRUNCATE_MOD, -7, 3), -1);
    CU_ASSERT_EQUAL(apply(BINARY_FLOOR_DIVIDE, -7, 2), -4);
    CU_ASSERT_EQUAL(apply(BINARY_POWER, -2, 3), -8);
    CU_ASSERT_EQUAL(apply(BINARY_POWER, -2, 2), 4);
    CU_ASSERT_EQUAL(apply(BINARY_POWER, 4, 0.5f), 2);
    CU_ASSERT_EQUAL(apply(BINARY_LOGADDEXP, -INFINITY, 3), 3);
    CU_ASSERT_EQUAL(apply(BINARY_LOGADDEXP, 200, 100), 200);
    CU_ASSERT(isnan(apply(BINARY_LOGADDEXP, NAN, 100)));
}

static void check_in_place(int64_t rows, int64_t columns)
{
    const struct shape full = {2, {rows, columns}}, row = {1, {columns}};
    const struct shape *first[] = {&full, &row}, *second[] = {&row, &full};
    int64_t n = rows * columns;
    float *x = random_floats(n), *y = random_floats(columns), *z = random_floats(n);
    struct broadcast b;
    broadcast_init(&b, &full, first, 2);
    memcpy(z, x, (size_t)n * sizeof(*z));
    binary_f32(BINARY_SUBTRACT, &b, z, y, z);
    for (int64_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(z[i], x[i] - y[i % columns]);
    broadcast_init(&b, &full, second, 2);
    memcpy(z, x, (size_t)n * sizeof(*z));
    binary_f32(BINARY_SUBTRACT, &b, y, z, z);
    for (int64_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(z[i], y[i % columns] - x[i]);
    free(x);
    free(y);
    free(z);
}

/* Result over the first operand, and over the second. */
static void test_in_place(void)
{
    check_in_place(5, 37);
    check_in_place(101, 3);
}

static int64_t apply_i64(enum binary_kind kind, int64_t x, int64_t y, bool *ret_ok)
{
    static const struct shape scalar = {0};
    const struct shape *operands[] = {&scalar, &scalar};
    struct broadcast b;
    int64_t z;
    broadcast_init(&b, &scalar, operands, 2);
    *ret_ok = binary_i64(kind, &b, &x, &y, &z);
    return z;
}

static void test_integers(void)
{
    static const struct {
        enum binary_kind kind;
        int64_t x, y, z;
    } table[] = {
        {BINARY_ADD, INT64_MAX, 1, INT64_MIN},
        {BINARY_SUBTRACT, 3, 5, -2},
        {BINARY_MULTIPLY, -4, 5, -20},
        {BINARY_DIVIDE, -7, 2, -3},
        {BINARY_FLOOR_DIVIDE, -7, 2, -4},
        {BINARY_FLOOR_MOD, -7, 2, 1},
        {BINARY_TRUNCATE_MOD, -7, 2, -1},
        {BINARY_FLOOR_DIVIDE, INT64_MIN, -1, INT64_MIN},
        {BINARY_DIVIDE_NO_NAN, 5, 0, 0},
        {BINARY_POWER, 3, 4, 81},
        {BINARY_POWER, -1, -3, -1},
        {BINARY_POWER, 2, -1, 0},
        {BINARY_MAXIMUM, 2, 3, 3},
        {BINARY_MINIMUM, 2, 3, 2},
        {BINARY_SQUARED_DIFFERENCE, 2, 5, 9},
        {BINARY_LESS, 2, 3, 1},
        {BINARY_GREATER_EQUAL, 2, 3, 0},
        {BINARY_EQUAL, 2, 2, 1},
        {BINARY_NOT_EQUAL, 2, 2, 0},
        {BINARY_LOGICAL_AND, 2, 0, 0},
        {BINARY_LOGICAL_OR, 2, 0, 1},
        {BINARY_LOGICAL_XOR, 2, 1, 0},
        {BINARY_BITWISE_AND, 6, 3, 2},
        {BINARY_BITWISE_OR, 6, 3, 7},
        {BINARY_BITWISE_XOR, 6, 3, 5},
        {BINARY_PRELU, -2, 3, -6},
    };
    bool ok;
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        CU_ASSERT_EQUAL(apply_i64(table[i].kind, table[i].x, table[i].y, &ok), table[i].z);
        CU_ASSERT_TRUE(ok);
    }
    CU_ASSERT_EQUAL(apply_i64(BINARY_FLOOR_MOD, 5, 0, &ok), 0);
    CU_ASSERT_FALSE(ok);
}

static void test_compare(void)
{
    static const struct shape three = {1, {3}}, one = {0};
    const struct shape *operands[] = {&three, &one};
    static const float x[] = {1, NAN, 3}, y = 3;
    static const struct str_view words[] = {{"ab", 2}, {"abc", 3}, {"b", 1}}, word = {"abc", 3};
    struct broadcast b;
    int64_t z[3];
    broadcast_init(&b, &three, operands, 2);
    compare_f32(BINARY_LESS, &b, x, &y, z);
    CU_ASSERT(z[0] == 1 && z[1] == 0 && z[2] == 0);
    compare_f32(BINARY_NOT_EQUAL, &b, x, &y, z);
    CU_ASSERT(z[0] == 1 && z[1] == 1 && z[2] == 0);
    compare_f32(BINARY_LESS_EQUAL, &b, x, &y, z);
    CU_ASSERT(z[0] == 1 && z[1] == 0 && z[2] == 1);
    compare_str(BINARY_EQUAL, &b, words, &word, z);
    CU_ASSERT(z[0] == 0 && z[1] == 1 && z[2] == 0);
    compare_str(BINARY_GREATER, &b, words, &word, z);
    CU_ASSERT(z[0] == 0 && z[1] == 0 && z[2] == 1);
}

static void test_select(void)
{
    static const struct shape condition = {2, {2, 1}}, row = {1, {3}}, scalar = {0}, result = {2, {2, 3}};
    const struct shape *operands[] = {&condition, &row, &scalar};
    static const int64_t c[] = {0, 7};
    static const float x[] = {1, 2, 3}, y = 9, expected[] = {9, 9, 9, 1, 2, 3};
    static const int64_t xi[] = {1, 2, 3}, yi = 9;
    struct broadcast b;
    float z[6];
    int64_t zi[6];
    broadcast_init(&b, &result, operands, 3);
    select_run(&b, STORAGE_F32, c, x, &y, z);
    select_run(&b, STORAGE_I64, c, xi, &yi, zi);
    for (int i = 0; i < 6; i++)
        CU_ASSERT(z[i] == expected[i] && zi[i] == (int64_t)expected[i]);
}

static void test_cast(void)
{
    static const float x[] = {1.9f, -1.9f, 300, -1e20f, 1e20f, NAN};
    static const int64_t i32[] = {1, -1, 300, INT32_MIN, INT32_MAX, 0}, u8[] = {1, 0, 255, 0, 255, 0};
    static const int64_t boolean[] = {1, 1, 1, 1, 1, 1}, wide[] = {255, 256, -1, 128, 1 << 24, (1 << 24) + 1};
    int64_t y[6];
    float f[6];
    cast_run(DTYPE_FLOAT32, DTYPE_INT32, x, y, 6);
    CU_ASSERT_EQUAL(memcmp(y, i32, sizeof(y)), 0);
    cast_run(DTYPE_FLOAT32, DTYPE_UINT8, x, y, 6);
    CU_ASSERT_EQUAL(memcmp(y, u8, sizeof(y)), 0);
    cast_run(DTYPE_FLOAT32, DTYPE_INT64, x, y, 6);
    CU_ASSERT(y[3] == INT64_MIN && y[4] == INT64_MAX && y[5] == 0);
    cast_run(DTYPE_FLOAT32, DTYPE_BOOL, x, y, 6);
    CU_ASSERT_EQUAL(memcmp(y, boolean, sizeof(y)), 0);
    cast_run(DTYPE_INT64, DTYPE_INT8, wide, y, 6);
    CU_ASSERT(y[0] == -1 && y[1] == 0 && y[2] == -1 && y[3] == -128);
    cast_run(DTYPE_INT64, DTYPE_FLOAT32, wide, f, 6);
    CU_ASSERT(f[0] == 255 && f[2] == -1 && f[5] == 16777216);
    cast_run(DTYPE_INT64, DTYPE_BOOL, wide, y, 6);
    CU_ASSERT(y[0] == 1 && y[1] == 1);
    cast_run(DTYPE_FLOAT32, DTYPE_FLOAT16, (const float[]){1.0001f, 70000}, f, 2);
    CU_ASSERT(f[0] == 1 && f[1] == INFINITY);
    cast_run(DTYPE_FLOAT32, DTYPE_BFLOAT16, (const float[]){1.001f}, f, 1);
    CU_ASSERT_EQUAL(f[0], 1);
    memcpy(y, wide, sizeof(y));
    cast_wrap(DTYPE_UINT8, y, 6);
    CU_ASSERT(y[0] == 255 && y[1] == 0 && y[2] == 255);
}

static void test_scale_shift(void)
{
    static const struct unary relu = {.kind = UNARY_RELU};
    float *x = random_floats(5 * 37), *scale = random_floats(37), *shift = random_floats(37), y[5 * 37];
    scale_shift(5, 37, x, scale, shift, &relu, y);
    for (int i = 0; i < 5 * 37; i++) {
        double exact_y = (double)x[i] * scale[i % 37] + shift[i % 37];
        CU_ASSERT_DOUBLE_EQUAL(y[i], exact_y < 0 ? 0 : exact_y, 2e-7);
    }
    scale_shift(5, 37, x, NULL, shift, NULL, y);
    CU_ASSERT_EQUAL(y[40], x[40] + shift[3]);
    scale_shift(5, 37, x, scale, NULL, NULL, x);
    free(x);
    free(scale);
    free(shift);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"arithmetic", test_arithmetic}, {"special", test_special}, {"in place", test_in_place},
        {"integers", test_integers},     {"compare", test_compare}, {"select", test_select},
        {"cast", test_cast},             {"scale and shift", test_scale_shift},
    };
    return kernels_main("elementwise", tests, KD_COUNT(tests));
}
