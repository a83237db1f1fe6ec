/* Convolutions of all kinds, pooling, against the defining sums in double over a grid of odd sizes. */
#include "kernels/conv.h"
#include "kernels/pool.h"
#include "kernels_test.h"

static int64_t product3(const int64_t *d)
{
    return d[0] * d[1] * d[2];
}

/* Index of the input pixel, or -1 outside. */
static int64_t input_pixel(const struct conv *c, int64_t sample, const int64_t *at)
{
    int64_t index = sample;
    for (int axis = 0; axis < 3; axis++) {
        if (at[axis] < 0 || at[axis] >= c->in[axis])
            return -1;
        index = index * c->in[axis] + at[axis];
    }
    return index;
}

static void unflatten(int64_t index, const int64_t *dim, int64_t *at, int64_t *ret_rest)
{
    for (int axis = 2; axis >= 0; axis--) {
        at[axis] = index % dim[axis];
        index /= dim[axis];
    }
    *ret_rest = index;
}

/* The input pixel of an output position and tap, forward or transposed; -1 if none. */
static int64_t source(const struct conv *c, int64_t position, int64_t tap, bool transposed)
{
    int64_t out[3], k[3], at[3], sample, rest;
    unflatten(position, c->out, out, &sample);
    unflatten(tap, c->kernel, k, &rest);
    for (int axis = 0; axis < 3; axis++) {
        if (!transposed) {
            at[axis] = out[axis] * c->stride[axis] + k[axis] * c->dilation[axis] - c->pad[axis];
            continue;
        }
        int64_t i = out[axis] + c->pad[axis] - k[axis] * c->dilation[axis];
        at[axis] = i >= 0 && i % c->stride[axis] == 0 ? i / c->stride[axis] : -1;
    }
    return input_pixel(c, sample, at);
}

static double clip6(double x)
{
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

/* A clamp, which runs inside of the tiles, and one that is not. */
static const struct unary relu6 = {.kind = UNARY_RELU6}, softsign = {.kind = UNARY_SOFTSIGN};

enum kind { FORWARD, TRANSPOSED, DEPTHWISE };

/* kernel element that joins input channel c (within its group) and output channel f under a tap */
static double weight(const struct conv *c, enum kind kind, const float *w, int64_t tap, int64_t channel,
                     int64_t f)
{
    if (kind == FORWARD)
        return w[(tap * (c->c_in / c->groups) + channel) * c->c_out + f];
    if (kind == TRANSPOSED)
        return w[(tap * c->c_out + f) * c->c_in + channel];
    return w[tap * c->c_out + f];
}

static void expect(const struct conv *c, enum kind kind, bool curved, const float *x, const float *w,
                   const float *bias, const float *add, float *y)
{
    int64_t groups = kind == DEPTHWISE ? c->c_in : kind == FORWARD ? c->groups : 1;
    int64_t c_in = c->c_in / groups, per_group = c->c_out / groups;
    for (int64_t i = 0; i < conv_positions(c) * c->c_out; i++) {
        int64_t position = i / c->c_out, f = i % c->c_out;
        double sum = bias[f] + (add ? add[i] : 0);
        for (int64_t tap = 0; tap < product3(c->kernel); tap++) {
            int64_t pixel = source(c, position, tap, kind == TRANSPOSED);
            for (int64_t j = 0; pixel >= 0 && j < c_in; j++)
                sum += x[pixel * c->c_in + f / per_group * c_in + j] * weight(c, kind, w, tap, j, f);
        }
        y[i] = (float)(curved ? sum / (1 + fabs(sum)) : clip6(sum));
    }
}

static void run_forward(const struct conv *c, const float *x, const float *w,
                        const struct gemm_epilogue *epilogue, float *y)
{
    size_t packed_bytes = 0, scratch_bytes = 0;
    CU_ASSERT_TRUE_FATAL(conv_pack_bytes(c, &packed_bytes) && conv_scratch(c, &scratch_bytes));
    void *packed = test_memory(packed_bytes), *scratch = test_memory(scratch_bytes);
    int64_t n = conv_positions(c), middle = n / 3;
    conv_pack(c, w, packed);
    conv_run(c, x, packed, epilogue, y, 0, middle, scratch);
    memset(scratch, 0xff, scratch_bytes);
    conv_run(c, x, packed, epilogue, y, middle, n, scratch);
    free(packed);
    free(scratch);
}

static void run_transposed(const struct conv *c, const float *x, const float *w,
                           const struct gemm_epilogue *epilogue, float *y)
{
    size_t packed_bytes = 0, scratch_bytes = 0;
    CU_ASSERT_TRUE_FATAL(conv_transpose_pack_bytes(c, &packed_bytes) &&
                         conv_transpose_scratch(c, &scratch_bytes));
    void *packed = test_memory(packed_bytes), *scratch = test_memory(scratch_bytes);
    conv_transpose_pack(c, w, packed);
    conv_transpose_run(c, x, packed, epilogue, y, 0, 1, scratch);
    conv_transpose_run(c, x, packed, epilogue, y, 1, c->batch, scratch);
    free(packed);
    free(scratch);
}

static void run_depthwise(const struct conv *c, const float *x, const float *w,
                          const struct gemm_epilogue *epilogue, float *y)
{
    int64_t n = conv_positions(c), middle = n / 3;
    depthwise_run(c, x, w, epilogue->bias, epilogue->activation, y, 0, middle);
    depthwise_run(c, x, w, epilogue->bias, epilogue->activation, y, middle, n);
}

static void check(const struct conv *c, enum kind kind)
{
    static void (*const run_of[])(const struct conv *, const float *, const float *,
                                  const struct gemm_epilogue *,
                                  float *) = {run_forward, run_transposed, run_depthwise};
    int64_t n_x = c->batch * product3(c->in) * c->c_in, n_y = conv_positions(c) * c->c_out;
    int64_t c_in = kind == FORWARD ? c->c_in / c->groups : kind == TRANSPOSED ? c->c_in : 1;
    float *x = random_floats(n_x), *w = random_floats(product3(c->kernel) * c_in * c->c_out);
    float *bias = random_floats(c->c_out), *add = random_floats(n_y), *y = random_floats(n_y + 16);
    float *expected = random_floats(n_y);
    static int count;
    double spread = sqrt((double)(product3(c->kernel) * c_in)); /* results are of the size of the inputs */
    for (int64_t i = 0; i < product3(c->kernel) * c_in * c->c_out; i++)
        w[i] *= (float)(2 / spread);
    bool adds = kind != DEPTHWISE && count & 1, curved = count++ & 2;
    struct gemm_epilogue epilogue = {.bias = bias, .add = adds ? add : NULL, .add_stride = c->c_out,
                                     .activation = curved ? &softsign : &relu6};
    expect(c, kind, curved, x, w, bias, adds ? add : NULL, expected);
    for (int i = 0; i < 16; i++)
        y[n_y + i] = 77;
    run_of[kind](c, x, w, &epilogue, y);
    double worst = worst_difference(y, expected, n_y);
    if (!(worst < 1e-5))
        printf("kind %d in %lldx%lldx%lldx%lld k %lld %lld %lld s %lld d %lld c_out %lld: %g\n", kind,
               (long long)c->in[0], (long long)c->in[1], (long long)c->in[2], (long long)c->c_in,
               (long long)c->kernel[0], (long long)c->kernel[1], (long long)c->kernel[2],
               (long long)c->stride[2], (long long)c->dilation[2], (long long)c->c_out, worst);
    CU_ASSERT(worst < 1e-5);
    for (int i = 0; i < 16; i++)
        CU_ASSERT_EQUAL(y[n_y + i], 77);
    free(x);
    free(w);
    free(bias);
    free(add);
    free(y);
    free(expected);
}

/* Output sizes by TensorFlow's rules; false if the window does not fit. */
static bool set_sizes(struct conv *c, bool same)
{
    for (int axis = 0; axis < 3; axis++) {
        int64_t extent = (c->kernel[axis] - 1) * c->dilation[axis] + 1, n = c->in[axis], s = c->stride[axis];
        c->out[axis] = same ? (n + s - 1) / s : (n - extent + s) / s;
        int64_t pad = (c->out[axis] - 1) * s + extent - n;
        c->pad[axis] = same && pad > 0 ? pad / 2 : 0;
        if (n - extent < 0 && !same)
            return false;
    }
    return true;
}

static const struct conv base = {.batch = 2,
                                 .in = {1, 1, 1},
                                 .out = {1, 1, 1},
                                 .kernel = {1, 1, 1},
                                 .stride = {1, 1, 1},
                                 .dilation = {1, 1, 1},
                                 .c_in = 1,
                                 .c_out = 1,
                                 .groups = 1};

static void test_pictures(void)
{
    static const int64_t channels[][2] = {{1, 32}, {3, 32}, {3, 5}, {7, 70}, {16, 16}, {17, 129}, {40, 12}};
    static const int64_t windows[][4] = {{1, 1, 1, 1}, {3, 3, 1, 1}, {3, 3, 2, 1}, {3, 2, 1, 2}, {7, 7, 2, 1},
                                         {1, 5, 3, 1}, {2, 2, 3, 3}};
    for (size_t a = 0; a < KD_COUNT(channels); a++)
        for (size_t b = 0; b < KD_COUNT(windows); b++)
            for (int same = 0; same < 2; same++) {
                struct conv c = base;
                c.in[1] = 9;
                c.in[2] = 11;
                c.c_in = channels[a][0];
                c.c_out = channels[a][1];
                for (int axis = 1; axis < 3; axis++) {
                    c.kernel[axis] = windows[b][axis - 1];
                    c.stride[axis] = windows[b][2];
                    c.dilation[axis] = windows[b][3];
                }
                if (set_sizes(&c, same))
                    check(&c, FORWARD);
            }
}

static void test_groups(void)
{
    static const int64_t groups[][3] = {{2, 4, 6}, {3, 9, 3}, {4, 4, 4}, {2, 40, 140}, {8, 64, 64}};
    for (size_t i = 0; i < KD_COUNT(groups); i++) {
        struct conv c = base;
        c.in[1] = 6;
        c.in[2] = 5;
        c.kernel[1] = c.kernel[2] = 3;
        c.groups = groups[i][0];
        c.c_in = groups[i][1];
        c.c_out = groups[i][2];
        set_sizes(&c, true);
        check(&c, FORWARD);
    }
}

static void test_volumes_and_sequences(void)
{
    struct conv c = base;
    c.in[0] = 4;
    c.in[1] = 5;
    c.in[2] = 6;
    c.kernel[0] = 3;
    c.kernel[1] = 2;
    c.kernel[2] = 3;
    c.c_in = 2;
    c.c_out = 9;
    set_sizes(&c, true);
    check(&c, FORWARD);
    c.stride[0] = c.stride[2] = 2;
    set_sizes(&c, false);
    check(&c, FORWARD);
    struct conv s = base; /* causal: all padding in front */
    s.in[2] = s.out[2] = 13;
    s.kernel[2] = 3;
    s.dilation[2] = 4;
    s.pad[2] = 8;
    s.c_in = 20;
    s.c_out = 33;
    check(&s, FORWARD);
    s.c_in = 1;
    check(&s, FORWARD);
}

/* More input than output, many channels: several blocks of everything. */
static void test_big(void)
{
    struct conv c = base;
    c.in[1] = 20;
    c.in[2] = 21;
    c.kernel[1] = c.kernel[2] = 3;
    c.c_in = 130;
    c.c_out = 200;
    c.batch = 1;
    set_sizes(&c, true);
    check(&c, FORWARD);
    c.batch = 5;
    c.in[1] = c.in[2] = 4;
    c.c_in = 300;
    set_sizes(&c, true);
    check(&c, FORWARD);
}

/* Big pictures with many channels, which go Winograd's way, and the same kernels over too small ones. */
static void test_winograd(void)
{
    static const int64_t channels[][2] = {{32, 32}, {32, 48}, {64, 112}, {80, 64}};
    static const int64_t sizes[][2] = {{12, 12}, {13, 18}, {30, 15}, {4, 40}, {3, 3}};
    for (size_t a = 0; a < KD_COUNT(channels); a++)
        for (size_t b = 0; b < KD_COUNT(sizes); b++)
            for (int same = 0; same < 2; same++) {
                struct conv c = base;
                c.batch = 3;
                c.in[1] = sizes[b][0];
                c.in[2] = sizes[b][1];
                c.c_in = channels[a][0];
                c.c_out = channels[a][1];
                c.kernel[1] = c.kernel[2] = 3;
                set_sizes(&c, same);
                check(&c, FORWARD);
            }
}

/* Weights serve any size, whatever was known when they were packed. */
static void test_packed_for_another_size(void)
{
    struct conv small = base, big;
    small.kernel[1] = small.kernel[2] = 3;
    small.c_in = small.c_out = 32;
    small.batch = 1;
    big = small;
    big.in[1] = big.in[2] = 20;
    set_sizes(&big, true);
    small.in[1] = small.in[2] = 2;
    set_sizes(&small, true);
    float *x = random_floats(400 * 32), *w = random_floats(9 * 32 * 32), *y[4];
    size_t bytes = 0, scratch_bytes = 0, small_scratch = 0;
    CU_ASSERT_TRUE_FATAL(conv_scratch(&big, &scratch_bytes) && conv_scratch(&small, &small_scratch));
    void *scratch = test_memory(scratch_bytes + small_scratch);
    struct gemm_epilogue none = {0};
    for (int i = 0; i < 4; i++) {
        const struct conv *packed_for = i & 1 ? &big : &small, *run_for = i & 2 ? &big : &small;
        CU_ASSERT_TRUE_FATAL(conv_pack_bytes(packed_for, &bytes));
        void *packed = test_memory(bytes);
        y[i] = random_floats(400 * 32);
        conv_pack(packed_for, w, packed);
        conv_run(run_for, x, packed, &none, y[i], 0, conv_positions(run_for), scratch);
        free(packed);
    }
    CU_ASSERT(worst_difference(y[0], y[1], 4 * 32) < 1e-4);
    CU_ASSERT(worst_difference(y[2], y[3], 400 * 32) < 1e-4);
    for (int i = 0; i < 4; i++)
        free(y[i]);
    free(x);
    free(w);
    free(scratch);
}

/* Out sizes of a transposed convolution for VALID (op none) and SAME. */
static void set_transposed(struct conv *c, bool same)
{
    for (int axis = 0; axis < 3; axis++) {
        int64_t extent = (c->kernel[axis] - 1) * c->dilation[axis] + 1, s = c->stride[axis];
        c->out[axis] = c->in[axis] * s + (same || extent < s ? 0 : extent - s);
        int64_t pad = (c->in[axis] - 1) * s + extent - c->out[axis];
        c->pad[axis] = same && pad > 0 ? pad / 2 : 0;
    }
}

static void test_transposed(void)
{
    static const int64_t windows[][4] = {{1, 1, 1, 1}, {3, 3, 1, 1}, {3, 3, 2, 1}, {2, 2, 2, 1}, {4, 4, 2, 1},
                                         {2, 3, 3, 1}, {5, 4, 3, 1}, {3, 3, 1, 2}, {2, 2, 5, 1}};
    static const int64_t channels[][2] = {{1, 1}, {5, 3}, {16, 70}, {33, 17}, {40, 1}};
    for (size_t i = 0; i < KD_COUNT(windows); i++)
        for (size_t j = 0; j < KD_COUNT(channels); j++)
            for (int same = 0; same < 2; same++) {
                struct conv c = base;
                c.batch = 3;
                c.in[1] = 5;
                c.in[2] = 7;
                c.c_in = channels[j][0];
                c.c_out = channels[j][1];
                for (int axis = 1; axis < 3; axis++) {
                    c.kernel[axis] = windows[i][axis - 1];
                    c.stride[axis] = windows[i][2];
                    c.dilation[axis] = windows[i][3];
                }
                set_transposed(&c, same);
                check(&c, TRANSPOSED);
            }
}

static void test_transposed_volume(void)
{
    struct conv c = base;
    for (int axis = 0; axis < 3; axis++) {
        c.in[axis] = 3 + axis;
        c.kernel[axis] = 3;
        c.stride[axis] = 2;
    }
    c.c_in = 4;
    c.c_out = 6;
    set_transposed(&c, true);
    check(&c, TRANSPOSED);
}

/* Known numbers: 1-D, kernel 1 10 100 1000, x = 1 2. */
static void test_transposed_numbers(void)
{
    static const float w[] = {1, 10, 100, 1000}, x[] = {1, 2};
    static const float valid[] = {1, 10, 0, 2, 20, 0}, same[] = {10, 102, 1020, 200};
    float y[8];
    struct gemm_epilogue none = {0};
    struct conv c = base;
    c.batch = 1;
    c.in[2] = 2;
    c.kernel[2] = 2;
    c.stride[2] = 3;
    c.out[2] = 6;
    size_t bytes;
    conv_transpose_pack_bytes(&c, &bytes);
    void *packed = test_memory(bytes + 4096), *scratch = test_memory(65536);
    conv_transpose_pack(&c, w, packed);
    conv_transpose_run(&c, x, packed, &none, y, 0, 1, scratch);
    CU_ASSERT_EQUAL(memcmp(y, valid, sizeof(valid)), 0);
    c.kernel[2] = 4;
    c.stride[2] = 2;
    c.out[2] = 4;
    c.pad[2] = 1;
    conv_transpose_pack(&c, w, packed);
    conv_transpose_run(&c, x, packed, &none, y, 0, 1, scratch);
    CU_ASSERT_EQUAL(memcmp(y, same, sizeof(same)), 0);
    free(packed);
    free(scratch);
}

static void test_depthwise(void)
{
    static const int64_t channels[][2] = {{1, 1},  {3, 1},  {5, 2},   {16, 1},
                                          {35, 1}, {64, 1}, {100, 1}, {8, 3}};
    static const int64_t windows[][4] = {{3, 3, 1, 1}, {3, 3, 2, 1}, {5, 5, 1, 1}, {3, 3, 1, 2}, {1, 7, 1, 1},
                                         {2, 2, 2, 1}, {5, 5, 2, 1}, {7, 7, 1, 1}};
    for (size_t a = 0; a < KD_COUNT(channels); a++)
        for (size_t b = 0; b < KD_COUNT(windows); b++)
            for (int same = 0; same < 2; same++) {
                struct conv c = base;
                c.in[1] = 8;
                c.in[2] = 13;
                c.c_in = channels[a][0];
                c.c_out = c.c_in * channels[a][1];
                for (int axis = 1; axis < 3; axis++) {
                    c.kernel[axis] = windows[b][axis - 1];
                    c.stride[axis] = windows[b][2];
                    c.dilation[axis] = windows[b][3];
                }
                if (set_sizes(&c, same))
                    check(&c, DEPTHWISE);
            }
}

/* Cut anywhere, the parts together give what the whole gives. */
static void check_cuts(const struct conv *c)
{
    int64_t n = conv_positions(c), n_y = n * c->c_out;
    float *x = random_floats(c->batch * product3(c->in) * c->c_in);
    float *w = random_floats(c->kernel[1] * c->kernel[2] * c->c_out);
    float *whole = random_floats(n_y), *parts = random_floats(n_y);
    depthwise_run(c, x, w, NULL, NULL, whole, 0, n);
    for (int64_t cut = 0; cut <= n; cut++) {
        memset(parts, 0xff, (size_t)n_y * sizeof(float));
        depthwise_run(c, x, w, NULL, NULL, parts, cut, n);
        depthwise_run(c, x, w, NULL, NULL, parts, 0, cut);
        CU_ASSERT_EQUAL(memcmp(parts, whole, (size_t)n_y * sizeof(float)), 0);
    }
    free(x);
    free(w);
    free(whole);
    free(parts);
}

/* Pictures of an odd height, or of a single line, between others. */
static void test_depthwise_edges(void)
{
    for (int i = 0; i < 5 * 6 * 4; i++) {
        struct conv c = base;
        c.batch = 3;
        c.in[1] = 1 + i % 5;
        c.in[2] = 1 + i / 5 % 6;
        c.c_in = c.c_out = 19;
        c.kernel[1] = c.kernel[2] = i < 60 ? 3 : 5;
        c.stride[1] = c.stride[2] = 1 + i / 30 % 2;
        set_sizes(&c, true);
        check(&c, DEPTHWISE);
        check_cuts(&c);
    }
}

static void test_local(void)
{
    struct conv c = base;
    c.in[1] = 4;
    c.in[2] = 5;
    c.kernel[1] = 2;
    c.kernel[2] = 3;
    c.stride[2] = 2;
    c.c_in = 3;
    c.c_out = 19;
    set_sizes(&c, false);
    int64_t area = product3(c.out), k = 6 * 3, n_y = 2 * area * c.c_out;
    float *x = random_floats(2 * 4 * 5 * 3), *w = random_floats(area * k * c.c_out);
    float *bias = random_floats(area * c.c_out), *y = random_floats(n_y), *expected = random_floats(n_y);
    for (int64_t i = 0; i < n_y; i++) {
        int64_t position = i / c.c_out, f = i % c.c_out, at = position % area;
        double sum = bias[at * c.c_out + f];
        for (int64_t j = 0; j < k; j++)
            sum += (double)x[source(&c, position, j / 3, false) * 3 + j % 3] * w[(at * k + j) * c.c_out + f];
        expected[i] = (float)sum;
    }
    size_t bytes;
    CU_ASSERT_TRUE_FATAL(local_conv_scratch(&c, &bytes));
    void *scratch = test_memory(bytes);
    local_conv_run(&c, x, w, bias, y, 0, 2, scratch);
    CU_ASSERT(worst_difference(y, expected, n_y) < 3e-6);
    free(x);
    free(w);
    free(bias);
    free(y);
    free(expected);
    free(scratch);
}

static void pool_case(const struct conv *c, enum pool_kind kind)
{
    int64_t n_x = c->batch * product3(c->in) * c->c_in, n_y = conv_positions(c) * c->c_in;
    float *x = random_floats(n_x), *y = random_floats(n_y), *expected = random_floats(n_y);
    x[n_x / 2] = kind == POOL_MAX ? NAN : x[n_x / 2];
    for (int64_t i = 0; i < n_y; i++) {
        double sum = 0, count = 0;
        float max = -3.402823466e38f;
        for (int64_t tap = 0; tap < product3(c->kernel); tap++) {
            int64_t pixel = source(c, i / c->c_in, tap, false);
            if (pixel < 0)
                continue;
            float v = x[pixel * c->c_in + i % c->c_in];
            sum += v;
            count++;
            max = v > max ? v : max;
        }
        expected[i] = kind == POOL_MAX ? max : (float)(sum / count);
    }
    pool_run(kind, c, x, y, 0, conv_positions(c) / 2);
    pool_run(kind, c, x, y, conv_positions(c) / 2, conv_positions(c));
    CU_ASSERT(worst_difference(y, expected, n_y) < 1e-6);
    free(x);
    free(y);
    free(expected);
}

static void test_pool(void)
{
    static const int64_t channels[] = {1, 3, 16, 35, 100};
    static const int64_t windows[][3] = {{2, 2, 2}, {3, 3, 2}, {3, 2, 1}, {1, 5, 3}, {7, 7, 7}};
    for (size_t a = 0; a < KD_COUNT(channels); a++)
        for (size_t b = 0; b < KD_COUNT(windows); b++)
            for (int same = 0; same < 2; same++) {
                struct conv c = base;
                c.in[1] = 7;
                c.in[2] = 9;
                c.c_in = c.c_out = channels[a];
                c.kernel[1] = windows[b][0];
                c.kernel[2] = windows[b][1];
                c.stride[1] = c.stride[2] = windows[b][2];
                if (!set_sizes(&c, same))
                    continue;
                pool_case(&c, POOL_MAX);
                pool_case(&c, POOL_AVERAGE);
            }
}

static void test_adaptive_pool(void)
{
    struct conv c = base;
    c.batch = 1;
    c.in[2] = 5;
    c.out[2] = 3; /* windows [0,2) [1,4) [3,5) */
    static const float x[] = {1, 2, 6, 4, 8};
    float y[3];
    adaptive_pool_run(POOL_AVERAGE, &c, x, y, 0, 1);
    CU_ASSERT(y[0] == 1.5f && y[1] == 4 && y[2] == 6);
    adaptive_pool_run(POOL_MAX, &c, x, y, 0, 1);
    CU_ASSERT(y[0] == 2 && y[1] == 6 && y[2] == 8);
}

static void test_local_response_norm(void)
{
    static const float x[] = {1, 2, 3, 4};
    float y[4];
    local_response_norm(1, 4, 1, 1, 0.5f, 0.5f, x, y);
    CU_ASSERT_DOUBLE_EQUAL(y[0], 1 / sqrt(1 + 0.5 * 5), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(y[1], 2 / sqrt(1 + 0.5 * 14), 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(y[3], 4 / sqrt(1 + 0.5 * 25), 1e-6);
}

/* A sample's result has the same bits alone and in a batch. */
static void check_samples(int64_t size, int64_t c_in, int64_t c_out)
{
    struct conv c = base;
    c.batch = 3;
    c.in[1] = c.in[2] = size;
    c.kernel[1] = c.kernel[2] = 3;
    c.c_in = c_in;
    c.c_out = c_out;
    set_sizes(&c, true);
    int64_t x_sample = size * size * c_in, y_sample = size * size * c_out;
    float *x = random_floats(3 * x_sample), *w = random_floats(9 * c_in * c_out),
          *y = random_floats(3 * y_sample);
    float *alone = random_floats(y_sample);
    struct gemm_epilogue none = {0};
    run_forward(&c, x, w, &none, y);
    c.batch = 1;
    for (int i = 0; i < 3; i++) {
        run_forward(&c, x + i * x_sample, w, &none, alone);
        CU_ASSERT_EQUAL(memcmp(alone, y + i * y_sample, (size_t)y_sample * sizeof(float)), 0);
    }
    free(x);
    free(w);
    free(y);
    free(alone);
}

static void test_samples_are_independent(void)
{
    check_samples(7, 70, 50);
    check_samples(14, 64, 48);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"pictures", test_pictures},
        {"groups", test_groups},
        {"volumes and sequences", test_volumes_and_sequences},
        {"big", test_big},
        {"winograd", test_winograd},
        {"packed for another size", test_packed_for_another_size},
        {"transposed", test_transposed},
        {"transposed volume", test_transposed_volume},
        {"transposed numbers", test_transposed_numbers},
        {"depthwise", test_depthwise},
        {"depthwise edges", test_depthwise_edges},
        {"local", test_local},
        {"pool", test_pool},
        {"adaptive pool", test_adaptive_pool},
        {"local response norm", test_local_response_norm},
        {"samples are independent", test_samples_are_independent},
    };
    return kernels_main("conv", tests, KD_COUNT(tests));
}
