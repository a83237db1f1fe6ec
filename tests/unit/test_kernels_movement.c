/* Movements of elements of every size against an index computed element by element; gather and its kin. */
#include "kernels/movement.h"

#include "base/str.h"
#include "kernels_test.h"

static const size_t sizes[] = {4, 8, sizeof(struct str_view)};

/* Elements that say where they stood: the index in every 4 bytes. */
static void *numbered(int64_t n, size_t size)
{
    uint32_t *x = test_memory((size_t)n * size + 1);
    for (int64_t i = 0; i < n * (int64_t)size / 4; i++)
        x[i] = (uint32_t)(i / (int64_t)(size / 4));
    return x;
}

static int64_t element(const void *x, size_t size, int64_t i)
{
    const uint32_t *words = (const uint32_t *)x + (size_t)i * (size / 4);
    for (size_t j = 1; j < size / 4; j++)
        if (words[j] != words[0])
            return -1;
    return words[0];
}

static void transpose_case(const struct shape *x_shape, const int *permutation, size_t size)
{
    int64_t n = shape_product(x_shape, 0, x_shape->rank), stride[SHAPE_MAX_RANK];
    void *x = numbered(n, size), *y = test_memory((size_t)n * size + 1);
    struct move move;
    shape_strides(x_shape, stride);
    move_transpose(&move, x_shape, permutation);
    move_run(&move, size, x, y);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, from = 0;
        for (int axis = x_shape->rank - 1; axis >= 0; axis--) {
            from += rest % x_shape->dim[permutation[axis]] * stride[permutation[axis]];
            rest /= x_shape->dim[permutation[axis]];
        }
        CU_ASSERT_EQUAL_FATAL(element(y, size, i), from);
    }
    free(x);
    free(y);
}

static void test_transpose(void)
{
    static const struct {
        struct shape shape;
        int permutation[5];
    } table[] = {
        {{2, {5, 7}}, {1, 0}},
        {{2, {70, 130}}, {1, 0}},
        {{3, {3, 33, 41}}, {0, 2, 1}},
        {{3, {3, 4, 5}}, {2, 0, 1}},
        {{4, {2, 3, 17, 19}}, {0, 2, 3, 1}},
        {{4, {2, 17, 19, 3}}, {0, 3, 1, 2}},
        {{4, {2, 9, 4, 32}}, {0, 2, 1, 3}},
        {{5, {2, 3, 4, 5, 6}}, {4, 2, 0, 3, 1}},
        {{4, {2, 9, 4, 32}}, {0, 2, 3, 1}},
        {{3, {4, 0, 3}}, {2, 1, 0}},
        {{1, {6}}, {0}},
        {{4, {1, 8, 1, 9}}, {3, 2, 1, 0}},
    };
    for (size_t i = 0; i < KD_COUNT(table); i++)
        for (size_t s = 0; s < KD_COUNT(sizes); s++)
            transpose_case(&table[i].shape, table[i].permutation, sizes[s]);
}

static void test_slice(void)
{
    static const struct shape shape = {3, {4, 6, 5}};
    static const int64_t start[] = {1, 5, 0}, step[] = {2, -2, 1}, count[] = {2, 3, 4};
    for (size_t s = 0; s < KD_COUNT(sizes); s++) {
        struct move move;
        void *x = numbered(120, sizes[s]), *y = test_memory(24 * sizes[s]);
        move_slice(&move, &shape, start, step, count);
        move_run(&move, sizes[s], x, y);
        for (int64_t i = 0; i < 24; i++)
            CU_ASSERT_EQUAL(element(y, sizes[s], i), (1 + i / 12 * 2) * 30 + (5 - i / 4 % 3 * 2) * 5 + i % 4);
        free(x);
        free(y);
    }
}

static void test_repeat_and_tile(void)
{
    static const struct shape shape = {3, {2, 3, 4}}, one = {3, {2, 1, 4}}, wide = {4, {5, 2, 3, 4}};
    for (size_t s = 0; s < KD_COUNT(sizes); s++) {
        struct move move;
        void *x = numbered(24, sizes[s]), *y = test_memory(240 * sizes[s]);
        for (int axis = 0; axis < 3; axis++) {
            int64_t inner = shape_product(&shape, axis + 1, 3);
            move_repeat(&move, &shape, axis, 3);
            move_run(&move, sizes[s], x, y);
            for (int64_t i = 0; i < 72; i++)
                CU_ASSERT_EQUAL(element(y, sizes[s], i), i / inner / 3 * inner + i % inner);
        }
        move_tile(&move, &shape, (const int64_t[]){1, 2, 3});
        move_run(&move, sizes[s], x, y);
        for (int64_t i = 0; i < 144; i++)
            CU_ASSERT_EQUAL(element(y, sizes[s], i), i / 72 * 12 + i / 12 % 3 * 4 + i % 12 % 4);
        move_broadcast(&move, &one, &wide);
        move_run(&move, sizes[s], x, y);
        for (int64_t i = 0; i < 120; i++)
            CU_ASSERT_EQUAL(element(y, sizes[s], i), i / 12 % 2 * 4 + i % 4);
        free(x);
        free(y);
    }
}

static void test_blocks(void)
{
    static const struct shape deep = {4, {1, 2, 3, 8}};
    static const struct shape wide = {4, {1, 4, 6, 2}};
    struct move move;
    void *x = numbered(48, 4), *y = test_memory(192), *back = test_memory(192);
    move_depth_to_space(&move, &deep, 2);
    move_run(&move, 4, x, y);
    for (int64_t i = 0; i < 48; i++) {
        int64_t h = i / 12, w = i / 2 % 6, c = i % 2;
        CU_ASSERT_EQUAL(element(y, 4, i), (h / 2 * 3 + w / 2) * 8 + (h % 2 * 2 + w % 2) * 2 + c);
    }
    move_space_to_depth(&move, &wide, 2);
    move_run(&move, 4, y, back);
    CU_ASSERT_EQUAL(memcmp(x, back, 192), 0);
    free(x);
    free(y);
    free(back);
}

static void test_concat_and_roll(void)
{
    static const int32_t a[] = {1, 2, 3, 4}, b[] = {5, 6}, joined[] = {1, 2, 5, 3, 4, 6};
    static const int32_t rolled[] = {2, 5, 1, 4, 6, 3}, forth[] = {5, 1, 2, 6, 3, 4};
    static const int64_t inner[] = {2, 1, 0};
    const void *x[] = {a, b, NULL};
    int32_t y[6], z[6];
    concat_run(2, 3, inner, x, 4, y);
    CU_ASSERT_EQUAL(memcmp(y, joined, sizeof(y)), 0);
    roll_run(2, 3, 1, -1, 4, y, z);
    CU_ASSERT_EQUAL(memcmp(z, rolled, sizeof(z)), 0);
    roll_run(2, 3, 1, 7, 4, y, z);
    CU_ASSERT_EQUAL(memcmp(z, forth, sizeof(z)), 0);
}

static void test_pad(void)
{
    static const struct shape shape = {2, {2, 3}};
    static const int32_t x[] = {1, 2, 3, 4, 5, 6}, nine = 9;
    static const struct {
        enum pad_mode mode;
        int32_t expected[15];
    } table[] = {
        {PAD_CONSTANT, {9, 9, 9, 9, 9, 9, 1, 2, 3, 9, 9, 4, 5, 6, 9}},
        {PAD_REFLECT, {5, 4, 5, 6, 5, 2, 1, 2, 3, 2, 5, 4, 5, 6, 5}},
        {PAD_SYMMETRIC, {1, 1, 2, 3, 3, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6}},
        {PAD_EDGE, {1, 1, 2, 3, 3, 1, 1, 2, 3, 3, 4, 4, 5, 6, 6}},
    };
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        int32_t y[15];
        pad_run(&shape, (const int64_t[]){1, 1}, (const int64_t[]){0, 1}, table[i].mode, &nine, 4, x, y);
        CU_ASSERT_EQUAL(memcmp(y, table[i].expected, sizeof(y)), 0);
    }
}

static void test_fill_and_range(void)
{
    float f[20];
    int64_t n[4];
    fill_run(&(float){2.5f}, 4, f, 20);
    CU_ASSERT(f[0] == 2.5f && f[19] == 2.5f);
    fill_run(&(int64_t){-3}, 8, n, 4);
    CU_ASSERT(n[0] == -3 && n[3] == -3);
    range_f32(1, 0.1f, f, 20);
    CU_ASSERT(f[0] == 1 && f[19] == (float)(1 + 19 * (double)0.1f));
    range_i64(5, -2, n, 4);
    CU_ASSERT(n[0] == 5 && n[3] == -1);
}

static void test_gather(void)
{
    int32_t x[24], y[24];
    for (int i = 0; i < 24; i++)
        x[i] = i;
    struct gather g = {.batch = 2, .outer = 1, .n = 3, .inner = 4, .m = 2};
    CU_ASSERT_EQUAL(gather_run(&g, 4, x, (const int64_t[]){2, 0, 1, 1}, y), -1);
    static const int first[] = {8, 0, 16, 16};
    for (int i = 0; i < 16; i++)
        CU_ASSERT_EQUAL(y[i], first[i / 4] + i % 4);
    CU_ASSERT_EQUAL(gather_run(&g, 4, x, (const int64_t[]){2, 0, 1, 3}, y), 3);
    CU_ASSERT_EQUAL(gather_run(&g, 4, x, (const int64_t[]){-1, 0, 1, 2}, y), 0);
    g.wrap = true;
    CU_ASSERT_EQUAL(gather_run(&g, 4, x, (const int64_t[]){-1, 0, 1, -3}, y), -1);
    CU_ASSERT(y[0] == 8 && y[12] == 12);
    CU_ASSERT_EQUAL(gather_run(&g, 4, x, (const int64_t[]){-4, 0, 1, -3}, y), 0);
    struct gather axis = {.batch = 1, .outer = 2, .n = 3, .inner = 4, .m = 1};
    CU_ASSERT_EQUAL(gather_run(&axis, 4, x, (const int64_t[]){1}, y), -1);
    CU_ASSERT(y[0] == 4 && y[4] == 16);
    struct gather_nd nd = {.batch = 1, .m = 2, .inner = 4, .depth = 2, .dim = {2, 3}};
    CU_ASSERT_EQUAL(gather_nd_run(&nd, 4, x, (const int64_t[]){1, 2, 0, 1}, y), -1);
    CU_ASSERT(y[0] == 20 && y[4] == 4);
    CU_ASSERT_EQUAL(gather_nd_run(&nd, 4, x, (const int64_t[]){1, 2, 0, 3}, y), 1);
    struct gather_nd batched = {.batch = 2, .m = 1, .inner = 4, .depth = 1, .dim = {3}};
    CU_ASSERT_EQUAL(gather_nd_run(&batched, 4, x, (const int64_t[]){1, 2}, y), -1);
    CU_ASSERT(y[0] == 4 && y[4] == 20);
}

static void test_one_hot(void)
{
    float y[12];
    int64_t z[6];
    static const float expected[] = {0, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5};
    one_hot_f32(1, 3, 2, (const int64_t[]){0, 2}, 1, 0, y);
    CU_ASSERT(y[0] == 1 && y[1] == 0 && y[2] == 0 && y[3] == 0 && y[4] == 0 && y[5] == 1);
    one_hot_f32(4, 3, 1, (const int64_t[]){1, -1, 3, 99}, 1, 5, y);
    CU_ASSERT(y[0] == 5 && y[1] == 1 && memcmp(y + 2, expected + 2, 40) == 0);
    one_hot_i64(2, 3, 1, (const int64_t[]){1, 0}, 7, 0, z);
    CU_ASSERT(z[0] == 0 && z[1] == 7 && z[3] == 7 && z[4] == 0);
}

static void test_band_part(void)
{
    static const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}; /* [4, 3] */
    static const float lower[] = {1, 0, 0, 4, 5, 0, 7, 8, 9, 10, 11, 12},
                       upper[] = {1, 2, 3, 0, 5, 6, 0, 0, 9, 0, 0, 0};
    static const float band[] = {1, 0, 0, 4, 5, 0, 0, 8, 9, 0, 0, 12};
    float y[12];
    band_part(1, 4, 3, -1, 0, 4, x, y);
    CU_ASSERT_EQUAL(memcmp(y, lower, sizeof(y)), 0);
    band_part(1, 4, 3, 0, -1, 4, x, y);
    CU_ASSERT_EQUAL(memcmp(y, upper, sizeof(y)), 0);
    memcpy(y, x, sizeof(y));
    band_part(1, 4, 3, 1, 0, 4, y, y);
    CU_ASSERT_EQUAL(memcmp(y, band, sizeof(y)), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"transpose", test_transpose}, {"slice", test_slice}, {"repeat and tile", test_repeat_and_tile},
        {"blocks", test_blocks},       {"concat and roll", test_concat_and_roll}, {"pad", test_pad},
        {"fill and range", test_fill_and_range}, {"gather", test_gather}, {"one hot", test_one_hot},
        {"band part", test_band_part},
    };
    return kernels_main("movement", tests, KD_COUNT(tests));
}
