/* keras: which saved array goes to which weight, in every order that Keras writes. */
#include "keras_case.h"

#define INPUT                                                                                                \
    "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 1], \"dtype\": "            \
    "\"float32\", "                                                                                          \
    "\"name\": \"x\"}, \"name\": \"x\", \"inbound_nodes\": []}"
#define DENSE(name, trainable, from)                                                                         \
    "{\"class_name\": \"Dense\", \"config\": {\"name\": \"" name "\", \"trainable\": " trainable             \
    ", \"units\": 1}, "                                                                                      \
    "\"name\": \"" name "\", \"inbound_nodes\": [[[\"" from "\", 0, 0, {}]]]}"
#define NORM(name, trainable, from)                                                                          \
    "{\"class_name\": \"BatchNormalization\", \"config\": {\"name\": \"" name                                \
    "\", \"trainable\": " trainable ", "                                                                     \
    "\"axis\": [1], \"epsilon\": 0.0}, \"name\": \"" name "\", \"inbound_nodes\": [[[\"" from                \
    "\", 0, 0, {}]]]}"
/* x -> Dense a -> BatchNormalization n -> Dense b, as a model inside a model. */
#define NESTED(model_keys, a, n, b)                                                                          \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"outer\", \"layers\": [" INPUT ", "            \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"inner\"" model_keys ", \"layers\": [" INPUT   \
    ", " DENSE("a", a, "x") ", " NORM("n", n, "a") ", " DENSE(                                               \
        "b", b, "n") "], \"input_layers\": [[\"x\", 0, 0]], "                                                \
                     "\"output_layers\": [[\"b\", 0, 0]]}, \"name\": \"inner\", \"inbound_nodes\": "         \
                     "[[[\"x\", 0, 0, {}]]]}], "                                                             \
                     "\"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"inner\", 1, 0]]}}"

static const float a_kernel[] = {2}, a_bias[] = {1}, gamma_[] = {3}, beta[] = {-1}, mean[] = {1},
                   variance[] = {4};
static const float b_kernel[] = {10}, b_bias[] = {5};
/* ((2 x + 1 - 1) / 2 * 3 - 1) * 10 + 5 at x = 1 is 25. */
static const float x[] = {1}, y[] = {25};

struct array {
    const char *name;
    const float *data;
    int rank;
};

static const struct array A_K = {"a/kernel:0", a_kernel, 2}, A_B = {"a/bias:0", a_bias, 1},
                          N_G = {"n/gamma:0", gamma_, 1}, N_B = {"n/beta:0", beta, 1},
                          N_M = {"n/moving_mean:0", mean, 1}, N_V = {"n/moving_variance:0", variance, 1},
                          B_K = {"b/kernel:0", b_kernel, 2}, B_B = {"b/bias:0", b_bias, 1};

static struct keras_model *built(const char *config, const char *version, const struct array *const *arrays,
                                 size_t n, bool named, struct err *err)
{
    case_begin(config, version);
    case_layer("x");
    case_layer("inner");
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof(name), "param_%zu", i);
        case_weight(named ? arrays[i]->name : name, shape_of(arrays[i]->rank, (int64_t)1, (int64_t)1),
                    arrays[i]->data);
    }
    return case_build(NULL, err);
}

/* Names that say nothing: position alone must do. */
static void check_order(const char *config, const char *version, const struct array *const *arrays)
{
    struct err err = {0};
    for (int named = 0; named < 2; named++) {
        struct keras_model *model = built(config, version, arrays, 8, named, &err);
        if (!model)
            printf("\n    refused: %s\n", err.text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(model);
        case_expect(model, shape_of(2, (int64_t)1, (int64_t)1), x, y, 1);
        case_end(model);
    }
}

static void test_nested_trainable(void)
{
    static const struct array *const order[] = {&A_K, &A_B, &N_G, &N_B, &B_K, &B_B, &N_M, &N_V};
    check_order(NESTED("", "true", "true", "true"), "2.15.0", order);
    check_order(NESTED("", "true", "true", "true"), "2.2.4", order);
    check_order(NESTED("", "true", "true", "true"), "3.5.0", order);
}

/* Every layer frozen one by one, the model itself not: each frozen layer lists all its arrays together. */
static void test_nested_frozen(void)
{
    static const struct array *const order[] = {&A_K, &A_B, &N_G, &N_B, &N_M, &N_V, &B_K, &B_B};
    check_order(NESTED("", "false", "false", "false"), "2.15.0", order);
    check_order(NESTED(", \"trainable\": false", "false", "false", "false"), "2.15.0", order);
    check_order(NESTED(", \"trainable\": false", "false", "false", "false"), "3.5.0", order);
}

static void test_nested_partly_frozen(void)
{
    static const struct array *const order[] = {&B_K, &B_B, &A_K, &A_B, &N_G, &N_B, &N_M, &N_V};
    check_order(NESTED("", "false", "false", "true"), "2.15.0", order);
    static const struct array *const norm_open[] = {&N_G, &N_B, &B_K, &B_B, &A_K, &A_B, &N_M, &N_V};
    check_order(NESTED("", "false", "true", "true"), "2.15.0", norm_open);
    check_order(NESTED("", "false", "true", "true"), "3.5.0", norm_open);
}

/* Names contradict the positions: the names decide if they are clear, else the file is refused. */
static void test_names(void)
{
    static const struct array *const mixed[] = {&B_B, &A_B, &N_V, &N_B, &A_K, &B_K, &N_M, &N_G};
    static const struct array unclear = {"q/gamma:0", gamma_, 1};
    static const struct array *const wrong[] = {&B_B, &A_B, &N_V, &N_B, &A_K, &B_K, &N_M, &unclear};
    struct err err = {0};
    struct keras_model *model = built(NESTED("", "true", "true", "true"), "2.15.0", mixed, 8, true, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    case_expect(model, shape_of(2, (int64_t)1, (int64_t)1), x, y, 1);
    case_end(model);
    model = built(NESTED("", "true", "true", "true"), "2.15.0", wrong, 8, true, &err);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "layer 'inner'"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'b/bias:0'"));
    case_end(model);
}

static void test_counts_and_shapes(void)
{
    static const struct array *const order[] = {&A_K, &A_B, &N_G, &N_B, &B_K, &B_B, &N_M, &N_V};
    static const float wide[] = {1, 2, 3};
    struct err err = {0};
    struct keras_model *model = built(NESTED("", "true", "true", "true"), "2.15.0", order, 7, true, &err);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "holds 7 arrays, expected 8 (kernel, bias, gamma"));
    case_end(model);
    case_begin("{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": "
               "{\"name\": \"a\", "
               "\"batch_input_shape\": [null, 1], \"units\": 1}}]}",
               "2.15.0");
    case_layer("a");
    case_weight("a/kernel:0", shape_of(2, (int64_t)1, (int64_t)1), a_kernel);
    case_weight("a/bias:0", shape_of(1, (int64_t)3), wide);
    model = case_build(NULL, &err);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(err.text, "layer 'a' (Dense): weight 'bias': expected shape (1,), found (3,)"));
    case_end(model);
}

/* Weights of a model with other layer names: in order, leaving out what has no arrays. */
static void test_in_order(void)
{
    static const char config[] = "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", "
                                 "\"config\": {\"name\": \"a\", "
                                 "\"batch_input_shape\": [null, 1], \"units\": 1}}, {\"class_name\": "
                                 "\"ReLU\", \"config\": {\"name\": \"r\"}}, "
                                 "{\"class_name\": \"Dense\", \"config\": {\"name\": \"b\", \"units\": 1}}]}";
    static const float expected[] = {35};
    struct err err;
    case_begin(config, "2.15.0");
    case_layer("dense_7");
    case_weight("dense_7/kernel:0", shape_of(2, (int64_t)1, (int64_t)1), a_kernel);
    case_weight("dense_7/bias:0", shape_of(1, (int64_t)1), a_bias);
    case_layer("dropout_1");
    case_layer("dense_8");
    case_weight("dense_8/kernel:0", shape_of(2, (int64_t)1, (int64_t)1), b_kernel);
    case_weight("dense_8/bias:0", shape_of(1, (int64_t)1), b_bias);
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT(case_warns(model, "bound in order"));
    case_expect(model, shape_of(2, (int64_t)1, (int64_t)1), x, expected, 1);
    case_end(model);
    case_begin(config, "2.15.0");
    case_layer("dense_7");
    case_weight("dense_7/kernel:0", shape_of(2, (int64_t)1, (int64_t)1), a_kernel);
    CU_ASSERT_PTR_NULL(case_build(NULL, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "2 layers with weights, the file holds weights of 1"));
    case_end(NULL);
}

#define CONV(class_name, keys)                                                                               \
    "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"" class_name                           \
    "\", \"config\": {\"name\": \"c\", " keys "}}]}"

static void check_kernel(const char *config, const char *version, const char *backend, struct shape kernel,
                         const float *numbers, struct shape in, const float *input, const float *expected,
                         size_t n)
{
    struct err err = {0};
    case_begin(config, version);
    if (backend)
        case_backend(backend);
    case_layer("c");
    case_weight("c_W:0", kernel, numbers);
    struct keras_model *model = case_build(NULL, &err);
    if (!model)
        printf("\n    refused: %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    case_expect(model, in, input, expected, n);
    case_end(model);
}

/* A kernel of 2 steps over 1 channel: 1, 10. Theano flips it; Keras 1 stores it as (2, 1, 1, 1) or (1, 1, 2,
 * 1). */
static void test_old_kernels(void)
{
    static const float kernel[] = {1, 10}, input[] = {1, 2, 3}, plain[] = {21, 32}, flipped[] = {12, 23};
    static const char k2[] =
        CONV("Conv1D", "\"batch_input_shape\": [null, 3, 1], \"filters\": 1, \"kernel_size\": [2], "
                       "\"use_bias\": false");
    static const char k1[] = CONV("Convolution1D", "\"batch_input_shape\": [null, 3, 1], \"nb_filter\": 1, "
                                                   "\"filter_length\": 2, \"bias\": false");
    const struct shape in = shape_of(3, (int64_t)1, (int64_t)3, (int64_t)1);
    const struct shape three = shape_of(3, (int64_t)2, (int64_t)1, (int64_t)1);
    check_kernel(k2, "2.2.4", "tensorflow", three, kernel, in, input, plain, 2);
    check_kernel(k2, "2.2.4", "theano", three, kernel, in, input, flipped, 2);
    check_kernel(k2, "3.1.0", "theano", three, kernel, in, input, plain, 2);
    check_kernel(k1, "1.2.2", NULL, shape_of(4, (int64_t)2, (int64_t)1, (int64_t)1, (int64_t)1), kernel, in,
                 input, plain, 2);
    check_kernel(k1, "1.0.8", NULL, shape_of(4, (int64_t)1, (int64_t)1, (int64_t)2, (int64_t)1), kernel, in,
                 input, plain, 2);
}

/* Keras 1, channels first: stored (filters, in, rows, columns). Picture 2 x 2 of 2 channels, kernel 1 x 2. */
static void test_channels_first_kernel(void)
{
    static const float kernel[] = {1, 10, 100, 1000}, input[] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const float expected[] = {1 + 20 + 500 + 6000, 3 + 40 + 700 + 8000};
    check_kernel(CONV("Convolution2D",
                      "\"batch_input_shape\": [null, 2, 2, 2], \"nb_filter\": 1, \"nb_row\": 1, "
                      "\"nb_col\": 2, \"dim_ordering\": \"th\", \"bias\": false"),
                 "1.1.0", NULL, shape_of(4, (int64_t)1, (int64_t)2, (int64_t)1, (int64_t)2), kernel,
                 shape_of(4, (int64_t)1, (int64_t)2, (int64_t)2, (int64_t)2), input, expected, 2);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"a nested model, trainable", test_nested_trainable},
        {"a nested model, frozen", test_nested_frozen},
        {"a nested model, partly frozen", test_nested_partly_frozen},
        {"names that contradict positions", test_names},
        {"wrong counts and shapes", test_counts_and_shapes},
        {"other layer names: in order", test_in_order},
        {"kernels of Keras 1 and Theano", test_old_kernels},
        {"channels-first kernels of Keras 1", test_channels_first_kernel},
    };
    return unit_main("keras bind", tests, KD_COUNT(tests));
}
