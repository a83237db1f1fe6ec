/* Recurrent layers against the cell formulas in double, over all combinations of the switches; known numbers
 * of Keras; ConvLSTM against the same cell with convolutions written out. */
#include "kernels/rnn.h"
#include "kernels_test.h"

/* All arrays of one case. */
struct layer {
    struct rnn rnn;
    int64_t gates;
    float *x, *kernel, *recurrent, *bias, *h0, *c0, *y, *last_h, *last_c;
    int64_t *mask;
    float *exact_y, *exact_h, *exact_c;
};

static int64_t gates_of(const struct rnn *rnn)
{
    return rnn->kind == RNN_LSTM ? 4 : rnn->kind == RNN_GRU ? 3 : 1;
}

static struct layer layer_new(struct rnn rnn)
{
    struct layer l = {.rnn = rnn, .gates = gates_of(&rnn)};
    int64_t n = l.gates * rnn.units, state = rnn.batch * rnn.units;
    l.x = random_floats(rnn.batch * rnn.steps * rnn.features);
    l.kernel = random_floats(rnn.features * n);
    l.recurrent = random_floats(rnn.units * n);
    for (int64_t i = 0; i < rnn.units * n; i++)
        l.recurrent[i] *= 0.25f; /* no chaos: it would magnify rounding */
    l.bias = random_floats(2 * n);
    l.h0 = random_floats(state);
    l.c0 = random_floats(state);
    l.y = random_floats(state * rnn.steps);
    l.exact_y = random_floats(state * rnn.steps);
    l.last_h = random_floats(state);
    l.last_c = random_floats(state);
    l.exact_h = random_floats(state);
    l.exact_c = random_floats(state);
    l.mask = test_memory((size_t)(rnn.batch * rnn.steps) * sizeof(int64_t));
    for (int64_t i = 0; i < rnn.batch * rnn.steps; i++)
        l.mask[i] = random_float() > -0.3f;
    return l;
}

static void layer_free(struct layer *l)
{
    free(l->x);
    free(l->kernel);
    free(l->recurrent);
    free(l->bias);
    free(l->h0);
    free(l->c0);
    free(l->y);
    free(l->exact_y);
    free(l->last_h);
    free(l->last_c);
    free(l->exact_h);
    free(l->exact_c);
    free(l->mask);
}

static double function(const struct unary *f, double x)
{
    if (f->kind == UNARY_TANH)
        return tanh(x);
    if (f->kind == UNARY_SIGMOID)
        return 1 / (1 + exp(-x));
    return fmin(fmax(0.2 * x + 0.5, 0), 1); /* hard_sigmoid_2 */
}

#define UNITS 40

/* sum over j of v[j] m[j][column] */
static double dot(const double *v, const float *m, int64_t n, int64_t stride, int64_t column)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        sum += v[j] * m[j * stride + column];
    return sum;
}

static void exact_step(const struct layer *l, const float *x, const double *h, const double *c, double *new_h,
                       double *new_c)
{
    const struct rnn *r = &l->rnn;
    int64_t u = r->units, n = l->gates * u;
    double in[64], s[4 * UNITS], q[4 * UNITS], reset_h[UNITS];
    for (int64_t j = 0; j < r->features; j++)
        in[j] = x[j];
    for (int64_t j = 0; j < n; j++) {
        s[j] = dot(in, l->kernel, r->features, n, j) + l->bias[j];
        q[j] = dot(h, l->recurrent, u, n, j) + (r->kind == RNN_GRU && r->reset_after ? l->bias[n + j] : 0);
    }
    for (int64_t i = 0; i < u; i++)
        reset_h[i] = r->kind == RNN_GRU ? function(&r->recurrent_activation, s[u + i] + q[u + i]) * h[i] : 0;
    for (int64_t i = 0; i < u; i++) {
        if (r->kind == RNN_SIMPLE) {
            new_h[i] = function(&r->activation, s[i] + q[i]);
        } else if (r->kind == RNN_LSTM) {
            double gate[4];
            for (int g = 0; g < 4; g++)
                gate[g] =
                    function(g == 2 ? &r->activation : &r->recurrent_activation, s[g * u + i] + q[g * u + i]);
            new_c[i] = gate[1] * c[i] + gate[0] * gate[2];
            new_h[i] = gate[3] * function(&r->activation, new_c[i]);
        } else {
            double z = function(&r->recurrent_activation, s[i] + q[i]);
            double reset = function(&r->recurrent_activation, s[u + i] + q[u + i]);
            double candidate = s[2 * u + i] + (r->reset_after ? reset * q[2 * u + i]
                                                              : dot(reset_h, l->recurrent, u, n, 2 * u + i));
            new_h[i] = z * h[i] + (1 - z) * function(&r->activation, candidate);
        }
    }
}

static void exact_sample(const struct layer *l, int64_t b, bool masked)
{
    const struct rnn *r = &l->rnn;
    int64_t u = r->units;
    double h[UNITS], c[UNITS], new_h[UNITS], new_c[UNITS] = {0}, out[UNITS] = {0};
    for (int64_t i = 0; i < u; i++) {
        h[i] = l->h0[b * u + i];
        c[i] = l->c0[b * u + i];
    }
    for (int64_t step = 0; step < r->steps; step++) {
        int64_t t = b * r->steps + (r->go_backwards ? r->steps - 1 - step : step);
        bool on = !masked || l->mask[t];
        exact_step(l, l->x + t * r->features, h, c, new_h, new_c);
        for (int64_t i = 0; i < u; i++) {
            h[i] = on ? new_h[i] : h[i];
            c[i] = on ? new_c[i] : c[i];
            out[i] = on ? new_h[i] : r->zero_output_for_mask ? 0 : out[i];
            l->exact_y[r->return_sequences ? (b * r->steps + step) * u + i : b * u + i] = (float)out[i];
        }
    }
    for (int64_t i = 0; i < u; i++) {
        l->exact_h[b * u + i] = (float)h[i];
        l->exact_c[b * u + i] = (float)c[i];
    }
}

static void run(const struct layer *l, bool masked)
{
    size_t packed_bytes = 0, scratch_bytes = 0;
    CU_ASSERT_TRUE_FATAL(rnn_pack_bytes(&l->rnn, &packed_bytes) && rnn_scratch(&l->rnn, &scratch_bytes));
    void *packed = test_memory(packed_bytes), *scratch = test_memory(scratch_bytes);
    memset(scratch, 0xff, scratch_bytes);
    struct rnn_io io = {.x = l->x, .mask = masked ? l->mask : NULL, .initial_h = l->h0, .initial_c = l->c0,
                        .y = l->y, .last_h = l->last_h, .last_c = l->last_c};
    rnn_pack(&l->rnn, l->kernel, l->recurrent, l->bias, packed);
    rnn_run(&l->rnn, packed, &io, scratch);
    free(packed);
    free(scratch);
}

static void check(struct rnn rnn, bool masked)
{
    struct layer l = layer_new(rnn);
    int64_t state = rnn.batch * rnn.units;
    run(&l, masked);
    for (int64_t b = 0; b < rnn.batch; b++)
        exact_sample(&l, b, masked);
    CU_ASSERT(worst_difference(l.y, l.exact_y, state * (rnn.return_sequences ? rnn.steps : 1)) < 2e-5);
    CU_ASSERT(worst_difference(l.last_h, l.exact_h, state) < 2e-5);
    if (rnn.kind == RNN_LSTM)
        CU_ASSERT(worst_difference(l.last_c, l.exact_c, state) < 2e-5);
    layer_free(&l);
}

static void test_switches(void)
{
    for (int i = 0; i < 3 * 64; i++) {
        int bits = i / 3;
        struct rnn rnn = {.kind = i % 3, .batch = 3, .steps = 7, .features = 5, .units = 1 + bits % 39,
                          .activation = {UNARY_TANH}, .recurrent_activation = {UNARY_SIGMOID},
                          .reset_after = bits & 1, .go_backwards = bits & 2, .return_sequences = bits & 4,
                          .zero_output_for_mask = bits & 8};
        if (bits & 16)
            rnn.recurrent_activation.kind = UNARY_HARD_SIGMOID_2;
        check(rnn, bits & 32);
    }
}

/* Long enough for several chunks of steps, which exist for big batches only. */
static void test_chunks(void)
{
    for (int i = 0; i < 6; i++) {
        struct rnn rnn = {.kind = i % 3, .batch = 130, .steps = 30, .features = 3, .units = 37,
                          .activation = {UNARY_TANH}, .recurrent_activation = {UNARY_SIGMOID},
                          .reset_after = true, .go_backwards = i / 3, .return_sequences = true};
        check(rnn, false);
    }
}

/* Keras's numbers for one unit and one feature. */
static void test_numbers(void)
{
    static const float k[] = {.1f, .2f, .3f, .4f}, gru_r[] = {.4f, .5f, .6f}, lstm_r[] = {.5f, .6f, .7f, .8f};
    static const float bias[] = {.01f, .02f, .03f, .04f, .05f, .06f}, x[] = {1, 2};
    static const struct {
        enum rnn_kind kind;
        bool reset_after;
        const float *recurrent;
        double expected;
    } table[] = {{RNN_GRU, true, gru_r, 0.356042},
                 {RNN_GRU, false, gru_r, 0.343117},
                 {RNN_LSTM, false, lstm_r, 0.299093}};
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        struct rnn rnn = {.kind = table[i].kind, .batch = 1, .steps = 2, .features = 1, .units = 1,
                          .activation = {UNARY_TANH}, .recurrent_activation = {UNARY_SIGMOID},
                          .reset_after = table[i].reset_after};
        size_t packed_bytes = 0, scratch_bytes = 0;
        CU_ASSERT_TRUE_FATAL(rnn_pack_bytes(&rnn, &packed_bytes) && rnn_scratch(&rnn, &scratch_bytes));
        void *packed = test_memory(packed_bytes), *scratch = test_memory(scratch_bytes);
        float y;
        struct rnn_io io = {.x = x, .y = &y};
        rnn_pack(&rnn, k, table[i].recurrent, bias, packed);
        rnn_run(&rnn, packed, &io, scratch);
        CU_ASSERT_DOUBLE_EQUAL(y, table[i].expected, 1e-6);
        free(packed);
        free(scratch);
    }
}

/* A sample's outputs have the same bits alone and in a batch. */
static void test_samples_are_independent(void)
{
    struct rnn rnn = {.kind = RNN_LSTM, .batch = 9, .steps = 6, .features = 10, .units = 33,
                      .activation = {UNARY_TANH}, .recurrent_activation = {UNARY_SIGMOID}};
    struct layer l = layer_new(rnn);
    float together[9 * 33];
    run(&l, true);
    memcpy(together, l.y, sizeof(together));
    struct layer one = l;
    one.rnn.batch = 1;
    for (int b = 0; b < 9; b++) {
        one.x = l.x + b * 60;
        one.mask = l.mask + b * 6;
        one.h0 = l.h0 + b * 33;
        one.c0 = l.c0 + b * 33;
        run(&one, true);
        CU_ASSERT_EQUAL(memcmp(one.y, together + b * 33, 33 * sizeof(float)), 0);
    }
    layer_free(&l);
}

/* y[h, w, f] += a 3x3 SAME convolution of x [H, W, c_in] in double. */
static void add_conv(const double *x, int64_t height, int64_t width, int64_t c_in, const float *w,
                     int64_t c_out, double *y)
{
    for (int64_t i = 0; i < height * width * 9; i++) {
        int64_t h = i / 9 / width, column = i / 9 % width, from_h = h + i % 9 / 3 - 1,
                from_w = column + i % 3 - 1;
        if (from_h < 0 || from_h >= height || from_w < 0 || from_w >= width)
            continue;
        for (int64_t j = 0; j < c_in * c_out; j++)
            y[(h * width + column) * c_out + j % c_out] += x[(from_h * width + from_w) * c_in + j / c_out] *
                                                           w[(i % 9 * c_in + j / c_out) * c_out + j % c_out];
    }
}

enum { HEIGHT = 4, WIDTH = 3, CHANNELS = 2, FILTERS = 5, STEPS = 3, SAMPLES = 2, PIXELS = HEIGHT * WIDTH };

static void exact_conv_lstm(const float *x, const int64_t *mask, const float *kernel, const float *recurrent,
                            const float *bias, double *h, double *c)
{
    for (int t = 0; t < STEPS; t++) {
        double z[PIXELS * 4 * FILTERS], in[PIXELS * CHANNELS];
        for (int i = 0; i < PIXELS * CHANNELS; i++)
            in[i] = x[t * PIXELS * CHANNELS + i];
        for (int i = 0; i < PIXELS * 4 * FILTERS; i++)
            z[i] = bias[i % (4 * FILTERS)];
        add_conv(in, HEIGHT, WIDTH, CHANNELS, kernel, 4 * FILTERS, z);
        add_conv(h, HEIGHT, WIDTH, FILTERS, recurrent, 4 * FILTERS, z);
        for (int i = 0; mask[t] && i < PIXELS * FILTERS; i++) {
            const double *gate = z + i / FILTERS * 4 * FILTERS + i % FILTERS;
            double in_gate = 1 / (1 + exp(-gate[0])), forget = 1 / (1 + exp(-gate[FILTERS]));
            c[i] = forget * c[i] + in_gate * tanh(gate[2 * FILTERS]);
            h[i] = tanh(c[i]) / (1 + exp(-gate[3 * FILTERS]));
        }
    }
}

static void test_conv_lstm(void)
{
    struct conv_lstm rnn = {.input = {.batch = SAMPLES,
                                      .in = {1, HEIGHT, WIDTH},
                                      .out = {1, HEIGHT, WIDTH},
                                      .kernel = {1, 3, 3},
                                      .stride = {1, 1, 1},
                                      .dilation = {1, 1, 1},
                                      .pad = {0, 1, 1},
                                      .c_in = CHANNELS,
                                      .c_out = 4 * FILTERS,
                                      .groups = 1},
                            .steps = STEPS,
                            .activation = {UNARY_TANH},
                            .recurrent_activation = {UNARY_SIGMOID}};
    static const int64_t mask[SAMPLES * STEPS] = {1, 0, 1, 1, 1, 1};
    float *x = random_floats(SAMPLES * STEPS * PIXELS * CHANNELS),
          *kernel = random_floats(9 * CHANNELS * 4 * FILTERS);
    float *recurrent = random_floats(9 * FILTERS * 4 * FILTERS), *bias = random_floats(4 * FILTERS);
    float y[SAMPLES * PIXELS * FILTERS];
    struct conv loop;
    size_t a = 0, b = 0, s = 0;
    conv_lstm_recurrent(&rnn, &loop);
    CU_ASSERT_TRUE_FATAL(conv_pack_bytes(&rnn.input, &a) && conv_pack_bytes(&loop, &b) &&
                         conv_lstm_scratch(&rnn, &s));
    void *packed = test_memory(a), *packed_loop = test_memory(b), *scratch = test_memory(s);
    memset(scratch, 0xff, s);
    conv_pack(&rnn.input, kernel, packed);
    conv_pack(&loop, recurrent, packed_loop);
    struct rnn_io io = {.x = x, .mask = mask, .y = y};
    conv_lstm_run(&rnn, packed, packed_loop, bias, &io, scratch);
    for (int i = 0; i < SAMPLES; i++) {
        double h[PIXELS * FILTERS] = {0}, c[PIXELS * FILTERS] = {0};
        exact_conv_lstm(x + i * STEPS * PIXELS * CHANNELS, mask + i * STEPS, kernel, recurrent, bias, h, c);
        for (int j = 0; j < PIXELS * FILTERS; j++)
            CU_ASSERT_DOUBLE_EQUAL(y[i * PIXELS * FILTERS + j], h[j], 1e-5);
    }
    free(x);
    free(kernel);
    free(recurrent);
    free(bias);
    free(packed);
    free(packed_loop);
    free(scratch);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"switches", test_switches},
        {"chunks", test_chunks},
        {"numbers", test_numbers},
        {"samples are independent", test_samples_are_independent},
        {"ConvLSTM", test_conv_lstm},
    };
    return kernels_main("rnn", tests, KD_COUNT(tests));
}
