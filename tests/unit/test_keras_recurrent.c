/* Recurrent, attention and preprocessing layers: hand-checkable numbers that Keras computed, and what is
 * refused. The options of every layer are compared with Keras's own numbers in the golden cases. */
#include "keras_case.h"

#define SEQUENTIAL(shape, layers)                                                                            \
    "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"class_name\": "          \
    "\"InputLayer\", "                                                                                       \
    "\"config\": {\"batch_input_shape\": " shape ", \"dtype\": \"float32\", \"name\": \"x\"}}, " layers      \
    "]}}"
#define RNN(class_name, config)                                                                              \
    "{\"class_name\": \"" class_name "\", \"config\": {\"name\": \"rnn\", \"units\": 1" config "}}"

struct weights {
    const float *kernel, *recurrent, *bias;
    int64_t columns;
    struct shape bias_shape;
};

static void add_weights(const struct weights *weights)
{
    case_layer("rnn");
    case_weight("rnn/kernel:0", shape_of(2, (int64_t)1, weights->columns), weights->kernel);
    case_weight("rnn/recurrent_kernel:0", shape_of(2, (int64_t)1, weights->columns), weights->recurrent);
    if (weights->bias)
        case_weight("rnn/bias:0", weights->bias_shape, weights->bias);
}

static void expect(const char *config, const char *version, const struct weights *weights, struct shape shape,
                   const float *x, const float *expected, size_t n)
{
    struct err err;
    case_begin(config, version);
    if (weights)
        add_weights(weights);
    struct keras_model *model = case_build(NULL, &err);
    if (!model)
        printf("\n    %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL(model);
    if (model)
        case_expect(model, shape, x, expected, n);
    case_end(model);
}

static const float k3[] = {.1f, .2f, .3f}, r3[] = {.4f, .5f, .6f}, k4[] = {.1f, .2f, .3f, .4f},
                   r4[] = {.5f, .6f, .7f, .8f};
static const float x12[] = {1, 2};

/* A file without the key was written before reset_after existed. */
static void test_gru_forms(void)
{
    static const float rows[] = {.01f, .02f, .03f, .04f, .05f, .06f};
    struct weights before = {k3, r3, rows, 3, shape_of(1, (int64_t)3)};
    struct weights after = {k3, r3, rows, 3, shape_of(2, (int64_t)2, (int64_t)3)};
    struct weights cudnn = {k3, r3, rows, 3, shape_of(1, (int64_t)6)};
    struct shape shape = shape_of(3, (int64_t)1, (int64_t)2, (int64_t)1);
    expect(SEQUENTIAL("[null, 2, 1]", RNN("GRU", ", \"recurrent_activation\": \"sigmoid\"")), "2.2.4",
           &before, shape, x12, (const float[]){0.343117f}, 1);
    expect(SEQUENTIAL("[null, 2, 1]",
                      RNN("GRU", ", \"reset_after\": true, \"recurrent_activation\": \"sigmoid\"")),
           "2.15.0", &after, shape, x12, (const float[]){0.356042f}, 1);
    /* One unit: a cuDNN kernel and its transpose are the same, so only the bias differs in form. */
    expect(SEQUENTIAL("[null, 2, 1]", RNN("CuDNNGRU", "")), "2.2.4", &cudnn, shape, x12,
           (const float[]){0.356042f}, 1);
}

static void test_lstm(void)
{
    static const float bias[] = {.01f, .02f, .03f, .04f}, halves[] = {1, 1, 1, 1, -.99f, -.98f, -.97f, -.96f};
    struct weights plain = {k4, r4, bias, 4, shape_of(1, (int64_t)4)};
    struct weights cudnn = {k4, r4, halves, 4, shape_of(1, (int64_t)8)};
    struct shape shape = shape_of(3, (int64_t)1, (int64_t)2, (int64_t)1);
    const float expected[] = {0.299093f};
    expect(SEQUENTIAL("[null, 2, 1]", RNN("LSTM", ", \"recurrent_activation\": \"sigmoid\"")), "2.15.0",
           &plain, shape, x12, expected, 1);
    expect(SEQUENTIAL("[null, 2, 1]", RNN("CuDNNLSTM", "")), "2.2.4", &cudnn, shape, x12, expected, 1);
    expect(SEQUENTIAL("[null, 2, 1]", RNN("LSTM", ", \"recurrent_activation\": \"sigmoid\"")), "2.2.4-tf",
           &cudnn, shape, x12, expected, 1);
}

#define MASKING "{\"class_name\": \"Masking\", \"config\": {\"name\": \"m\", \"mask_value\": 0.0}}, "

static void test_masks_and_direction(void)
{
    static const float kernel[] = {1}, recurrent[] = {.5f}, x[] = {1, 2, 3}, masked[] = {1, 0, 3};
    struct weights weights = {kernel, recurrent, NULL, 1, {0}};
    struct shape shape = shape_of(3, (int64_t)1, (int64_t)3, (int64_t)1);
    expect(SEQUENTIAL("[null, 3, 1]",
                      MASKING RNN("SimpleRNN", ", \"use_bias\": false, \"return_sequences\": true")),
           "2.15.0", &weights, shape, masked, (const float[]){0.761594f, 0.761594f, 0.997688f}, 3);
    expect(SEQUENTIAL("[null, 3, 1]", RNN("SimpleRNN", ", \"use_bias\": false, \"return_sequences\": true, "
                                                       "\"go_backwards\": true")),
           "2.15.0", &weights, shape, x, (const float[]){0.995055f, 0.986548f, 0.903925f}, 3);
}

#define BIDIRECTIONAL                                                                                        \
    SEQUENTIAL("[null, 3, 1]",                                                                               \
               MASKING "{\"class_name\": \"Bidirectional\", \"config\": {\"name\": \"b\", \"layer\": " RNN(  \
                   "SimpleRNN", ", \"use_bias\": false, \"return_sequences\": true") "}}")

/* Masked steps of sequences: zeros from tf.keras on, the last output before. */
static void test_bidirectional(void)
{
    static const float kernel[] = {1}, recurrent[] = {.5f}, x[] = {1, 0, 3};
    static const char *const versions[] = {"2.15.0", "3.15.1", "2.2.4"};
    static const float expected[][6] = {{0.761594f, 0.904700f, 0, 0, 0.997688f, 0.995055f},
                                        {0.761594f, 0.904700f, 0, 0, 0.997688f, 0.995055f},
                                        {0.761594f, 0.904700f, 0.761594f, 0.995055f, 0.997688f, 0.995055f}};
    struct err err;
    for (int i = 0; i < 3; i++) {
        case_begin(BIDIRECTIONAL, versions[i]);
        case_layer("b");
        for (int k = 0; k < 2; k++) {
            case_weight("b/rnn/kernel:0", shape_of(2, (int64_t)1, (int64_t)1), kernel);
            case_weight("b/rnn/recurrent_kernel:0", shape_of(2, (int64_t)1, (int64_t)1), recurrent);
        }
        struct keras_model *model = case_build(NULL, &err);
        CU_ASSERT_PTR_NOT_NULL_FATAL(model);
        case_expect(model, shape_of(3, (int64_t)1, (int64_t)3, (int64_t)1), x, expected[i], 6);
        case_end(model);
    }
}

#define ATTENTION(class_name, config)                                                                        \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": [{\"class_name\": "          \
    "\"InputLayer\", "                                                                                       \
    "\"name\": \"q\", \"inbound_nodes\": [], \"config\": {\"batch_input_shape\": [null, 2, 2], \"name\": "   \
    "\"q\"}}, "                                                                                              \
    "{\"class_name\": \"" class_name "\", \"name\": \"a\", \"config\": {\"name\": \"a\"" config "}, "        \
    "\"inbound_nodes\": [[[\"q\", 0, 0, {}], [\"q\", 0, 0, {}]]]}], \"input_layers\": [[\"q\", 0, 0]], "     \
    "\"output_layers\": [[\"a\", 0, 0]]}}"

/* Query and value are (1, 0), (0, 2): the first row is Keras's number of the reference. */
static void test_attention(void)
{
    static const float x[] = {1, 0, 0, 2};
    struct shape shape = shape_of(3, (int64_t)1, (int64_t)2, (int64_t)2);
    expect(ATTENTION("Attention", ", \"use_scale\": false"), "2.15.0", NULL, shape, x,
           (const float[]){0.731059f, 0.537883f, 0.017986f, 1.964028f}, 4);
    /* With causal order the first query sees the first value alone. */
    expect(ATTENTION("Attention", ", \"use_scale\": false, \"causal\": true"), "2.4.0", NULL, shape, x,
           (const float[]){1, 0, 0.017986f, 1.964028f}, 4);
}

static void test_refusals(void)
{
    static const struct {
        const char *config, *version;
        const char *words[4];
    } rows[] = {
        {SEQUENTIAL("[null, 2, 1]", "{\"class_name\": \"LSTM\", \"config\": {\"name\": \"rnn\"}}"),
         "2.15.0",
         {"'rnn'", "'units'", NULL}},
        {SEQUENTIAL("[null, 2, 1]", RNN("LSTM", ", \"activation\": \"cube\"")), "2.15.0", {"cube", NULL}},
        {SEQUENTIAL("[null, 2, 1]",
                    "{\"class_name\": \"RNN\", \"config\": {\"name\": \"r\", \"cell\": {\"class_name\": "
                    "\"Dense\", \"config\": {\"name\": \"d\", \"units\": 2}}}}"),
         "2.15.0",
         {"cell of class Dense", NULL}},
        {SEQUENTIAL("[null, 2, 1]",
                    "{\"class_name\": \"Bidirectional\", \"config\": {\"name\": \"b\", \"layer\": "
                    "{\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": 2}}}}"),
         "2.15.0",
         {"Dense", "not a recurrent layer", NULL}},
        {SEQUENTIAL("[null, 2, 1]",
                    "{\"class_name\": \"Bidirectional\", \"config\": {\"name\": \"b\", \"merge_mode\": "
                    "\"zip\", \"layer\": " RNN("LSTM", "") "}}"),
         "2.15.0",
         {"merge_mode", "zip", NULL}},
        {SEQUENTIAL("[null, 2, 2]",
                    "{\"class_name\": \"ConvLSTM1D\", \"config\": {\"name\": \"c\", \"filters\": 2, "
                    "\"kernel_size\": 2, \"activation\": \"softmax\"}}"),
         "2.15.0",
         {"mixes channels", NULL}},
        {SEQUENTIAL("[null, 4]", "{\"class_name\": \"LayerScale\", \"config\": {\"name\": \"l\"}}"),
         "2.15.0",
         {"custom", NULL}},
        {ATTENTION("Attention", ", \"units\": 3"), "2.15.0", {"custom class", "use_scale", NULL}},
        {ATTENTION("MultiHeadAttention", ", \"num_heads\": 3, \"d_model\": 9"),
         "2.15.0",
         {"custom class", NULL}},
        {SEQUENTIAL("[null, 4]", "{\"class_name\": \"JaxLayer\", \"config\": {\"name\": \"l\"}}"),
         "3.15.1",
         {"another framework", NULL}},
        {SEQUENTIAL("[null, 4]", "{\"class_name\": \"KerasLayer\", \"config\": {\"name\": \"l\"}}"),
         "2.15.0",
         {"TensorFlow Hub", NULL}},
        {SEQUENTIAL(
             "[null, 1]",
             "{\"class_name\": \"IntegerLookup\", \"config\": {\"name\": \"l\", \"vocabulary\": null}}"),
         "3.15.1",
         {"no vocabulary", NULL}},
        {SEQUENTIAL("[null, 1]",
                    "{\"class_name\": \"StringLookup\", \"config\": {\"name\": \"l\", \"vocabulary\": "
                    "\"/etc/words\"}}"),
         "3.15.1",
         {"file of its own", NULL}},
        {SEQUENTIAL("[null, 4]",
                    "{\"class_name\": \"Discretization\", \"config\": {\"name\": \"l\", \"bin_boundaries\": "
                    "null, \"num_bins\": 3, \"dtype\": \"int64\"}}"),
         "3.15.1",
         {"before adapt", NULL}},
        {SEQUENTIAL("[null, 4, 4, 3]",
                    "{\"class_name\": \"Resizing\", \"config\": {\"name\": \"l\", \"height\": 2, "
                    "\"width\": 2, \"interpolation\": \"magic\"}}"),
         "2.15.0",
         {"interpolation", "magic", NULL}},
    };
    for (size_t i = 0; i < KD_COUNT(rows); i++)
        case_refused(rows[i].config, rows[i].version, rows[i].words);
}

#define TRAINING(dropout)                                                                                    \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": [{\"class_name\": "          \
    "\"InputLayer\", \"name\": \"x\", \"inbound_nodes\": [], \"config\": {\"batch_input_shape\": [null, 2, " \
    "1], "                                                                                                   \
    "\"name\": \"x\"}}, {\"class_name\": \"SimpleRNN\", \"name\": \"rnn\", \"config\": {\"name\": \"rnn\", " \
    "\"units\": 1, \"use_bias\": false, \"dropout\": " dropout "}, \"inbound_nodes\": [[[\"x\", 0, 0, "      \
    "{\"training\": true}]]]}], \"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"rnn\", 0, 0]]}}"

/* A call with training=True matters where there is dropout; Keras 3's predict() overrules it. */
static void test_dropout_in_training(void)
{
    static const float kernel[] = {1}, recurrent[] = {0};
    struct weights weights = {kernel, recurrent, NULL, 1, {0}};
    struct shape shape = shape_of(3, (int64_t)1, (int64_t)2, (int64_t)1);
    const float expected[] = {0.964028f};
    struct err err;
    case_begin(TRAINING("0.5"), "2.15.0");
    add_weights(&weights);
    CU_ASSERT_PTR_NULL(case_build(NULL, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "training=True"));
    case_end(NULL);
    expect(TRAINING("0.0"), "2.15.0", &weights, shape, x12, expected, 1);
    expect(TRAINING("0.5"), "3.15.1", &weights, shape, x12, expected, 1);
}

/* A loop that must be unrolled needs to know how often. */
static void test_unknown_unroll(void)
{
    static const float zeros[4] = {0};
    struct weights weights = {zeros, zeros, zeros, 4, shape_of(1, (int64_t)4)};
    struct err err;
    case_begin(SEQUENTIAL("[null, null, 1]", RNN("LSTM", ", \"activation\": \"log_softmax\"")), "2.15.0");
    add_weights(&weights);
    CU_ASSERT_PTR_NULL(case_build(NULL, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "known number of time steps"));
    case_end(NULL);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"gru_forms", test_gru_forms},
        {"lstm", test_lstm},
        {"masks_and_direction", test_masks_and_direction},
        {"bidirectional", test_bidirectional},
        {"attention", test_attention},
        {"refusals", test_refusals},
        {"dropout_in_training", test_dropout_in_training},
        {"unknown_unroll", test_unknown_unroll},
    };
    return unit_main("keras_recurrent", tests, KD_COUNT(tests));
}
