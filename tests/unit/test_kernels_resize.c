/* Resizing: the numbers that TensorFlow computes for small lines, and whole pictures by the separate axes. */
#include "kernels/contrast.h"
#include "kernels/resize.h"
#include "kernels_test.h"

/* Resizes x [h, w, channels]. */
static void run(struct resize_axis h, struct resize_axis w, int64_t channels, int64_t pictures,
                const float *x, float *y)
{
    struct resize resize = {.h = h, .w = w, .channels = channels};
    size_t h_bytes = 0, w_bytes = 0, bytes = 0;
    CU_ASSERT_TRUE_FATAL(resize_taps_bytes(&h, &h_bytes) && resize_taps_bytes(&w, &w_bytes));
    CU_ASSERT_TRUE_FATAL(resize_scratch(&resize, &bytes));
    void *h_taps = test_memory(h_bytes), *w_taps = test_memory(w_bytes), *scratch = test_memory(bytes);
    resize_taps_build(&h, h_taps);
    resize_taps_build(&w, w_taps);
    resize.h_taps = h_taps;
    resize.w_taps = w_taps;
    resize_run(&resize, x, y, 0, pictures, scratch);
    free(h_taps);
    free(w_taps);
    free(scratch);
}

static const struct line {
    enum resize_method method;
    enum resize_grid grid;
    bool antialias;
    int out;
    float expected[6];
} lines[] = {
    {RESIZE_NEAREST, RESIZE_HALF_PIXEL, false, 6, {0, 1, 1, 4, 9, 9}},
    {RESIZE_BILINEAR, RESIZE_HALF_PIXEL, false, 6, {0, 0.5f, 1.5f, 3.5f, 6.5f, 9}},
    {RESIZE_BICUBIC,
     RESIZE_HALF_PIXEL,
     false,
     6,
     {-0.065889f, 0.294118f, 1.361871f, 3.359918f, 6.823530f, 9.329443f}},
    {RESIZE_AREA, RESIZE_HALF_PIXEL, false, 6, {0, 0.5f, 1, 4, 6.5f, 9}},
    {RESIZE_LANCZOS3,
     RESIZE_HALF_PIXEL,
     false,
     6,
     {-0.006579f, 0.259169f, 1.276150f, 3.116149f, 7.029339f, 9.374990f}},
    {RESIZE_LANCZOS5,
     RESIZE_HALF_PIXEL,
     false,
     6,
     {-0.141078f, 0.544676f, 1.128297f, 3.050754f, 6.912570f, 9.475421f}},
    {RESIZE_GAUSSIAN, RESIZE_HALF_PIXEL, false, 6, {0.064969f, 0.5f, 1.541084f, 3.667407f, 6.5f, 8.675154f}},
    {RESIZE_MITCHELLCUBIC,
     RESIZE_HALF_PIXEL,
     false,
     6,
     {-0.007725f, 0.382551f, 1.472224f, 3.472224f, 6.684563f, 9.038629f}},
    {RESIZE_BILINEAR, RESIZE_HALF_PIXEL, false, 3, {0.166667f, 2.5f, 8.166667f}},
    {RESIZE_BILINEAR, RESIZE_HALF_PIXEL, true, 3, {0.3f, 2.5f, 7.5f}},
    {RESIZE_BICUBIC, RESIZE_HALF_PIXEL, false, 3, {0.081124f, 2.25f, 8.462634f}},
    {RESIZE_BICUBIC, RESIZE_HALF_PIXEL, true, 3, {0.075515f, 2.359195f, 7.935926f}},
    {RESIZE_LANCZOS3, RESIZE_HALF_PIXEL, false, 3, {0.025290f, 1.928571f, 8.510523f}},
    {RESIZE_LANCZOS3, RESIZE_HALF_PIXEL, true, 3, {0.025353f, 2.25f, 8.068996f}},
    {RESIZE_AREA, RESIZE_HALF_PIXEL, true, 3, {0.25f, 2.5f, 7.75f}},
    {RESIZE_BILINEAR, RESIZE_LEGACY, false, 6, {0, 2 / 3.0f, 2, 4, 7 + 1 / 3.0f, 9}},
    {RESIZE_BILINEAR, RESIZE_ALIGN_CORNERS, false, 6, {0, 0.6f, 1.6f, 3.4f, 6, 9}},
    {RESIZE_NEAREST, RESIZE_LEGACY, false, 6, {0, 0, 1, 4, 4, 9}},
};

static const float squares[] = {0, 1, 4, 9};
static const struct resize_axis one = {.method = RESIZE_NEAREST, .in = 1, .out = 1};

/* Along the width, along the height, and with several channels. */
static void test_lines(void)
{
    for (size_t i = 0; i < KD_COUNT(lines); i++) {
        struct resize_axis axis = {lines[i].method, lines[i].grid, lines[i].antialias, 4, lines[i].out};
        float y[6], three[12], y3[18];
        for (int j = 0; j < 12; j++)
            three[j] = squares[j / 3] * (float)(j % 3 + 1);
        run(one, axis, 1, 1, squares, y);
        for (int j = 0; j < lines[i].out; j++)
            CU_ASSERT_DOUBLE_EQUAL(y[j], lines[i].expected[j], 2e-6);
        run(axis, one, 1, 1, squares, y);
        for (int j = 0; j < lines[i].out; j++)
            CU_ASSERT_DOUBLE_EQUAL(y[j], lines[i].expected[j], 2e-6);
        run(one, axis, 3, 1, three, y3);
        for (int j = 0; j < 3 * lines[i].out; j++)
            CU_ASSERT_DOUBLE_EQUAL(y3[j], lines[i].expected[j / 3] * (float)(j % 3 + 1), 6e-6);
    }
}

/* A picture equals its axes one after the other; a constant stays one; a single pixel spreads. */
static void test_pictures(void)
{
    enum { H = 7, W = 9, C = 5, OUT_H = 11, OUT_W = 4 };
    for (int method = RESIZE_NEAREST; method <= RESIZE_MITCHELLCUBIC; method++) {
        struct resize_axis h = {method, RESIZE_HALF_PIXEL, true, H, OUT_H},
                           w = {method, RESIZE_HALF_PIXEL, true, W, OUT_W};
        struct resize_axis same_w = {RESIZE_NEAREST, RESIZE_HALF_PIXEL, false, W, W};
        struct resize_axis same_h = {RESIZE_NEAREST, RESIZE_HALF_PIXEL, false, OUT_H, OUT_H};
        float *x = random_floats(2 * H * W * C), *half = random_floats(2 * OUT_H * W * C);
        float *y = random_floats(2 * OUT_H * OUT_W * C), *expected = random_floats(2 * OUT_H * OUT_W * C);
        run(h, w, C, 2, x, y);
        run(h, same_w, C, 2, x, half);
        run(same_h, w, C, 2, half, expected);
        CU_ASSERT(worst_difference(y, expected, 2 * OUT_H * OUT_W * C) < 1e-6);
        for (int i = 0; i < 2 * H * W * C; i++)
            x[i] = 3;
        run(h, w, C, 2, x, y);
        for (int i = 0; i < 2 * OUT_H * OUT_W * C; i++)
            CU_ASSERT_DOUBLE_EQUAL(y[i], 3, 5e-6);
        h.in = w.in = 1;
        run(h, w, C, 1, x, y);
        CU_ASSERT_DOUBLE_EQUAL(y[OUT_H * OUT_W * C - 1], 3, 2e-6);
        free(x);
        free(half);
        free(y);
        free(expected);
    }
}

static void test_auto_contrast(void)
{
    static const float x[] = {1, 5, 3, 5, 2, 5}; /* 3 pixels, 2 channels */
    float y[6];
    auto_contrast(1, 3, 2, 0, 255, x, y);
    CU_ASSERT(y[0] == 0 && y[2] == 255 && y[4] == 127.5f);
    CU_ASSERT(y[1] == 5 && y[3] == 5 && y[5] == 5);
}

/* One tile: each value becomes its rank, by hand. */
static void test_clahe(void)
{
    static const float x[] = {0, 0.5f, 10, 200.9f};
    struct clahe clahe = {.height = 2, .width = 2, .channels = 1, .grid = {1, 1}};
    float y[4], ranks[] = {0, 0, 127.5f, 255};
    size_t bytes = 0;
    CU_ASSERT_FATAL(clahe_scratch(&clahe, &bytes) && clahe_fits(&clahe));
    void *scratch = test_memory(bytes);
    clahe_run(&clahe, 1, x, y, scratch);
    CU_ASSERT_EQUAL(memcmp(y, ranks, sizeof(y)), 0);
    free(scratch);
    clahe.grid[0] = 5; /* five lines of one pixel where there are two */
    CU_ASSERT_FALSE(clahe_fits(&clahe));
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"lines", test_lines},
        {"pictures", test_pictures},
        {"auto contrast", test_auto_contrast},
        {"clahe", test_clahe},
    };
    return kernels_main("resize", tests, KD_COUNT(tests));
}
