/* keras: topologies of all generations, references, unknown shapes, outputs, masks, what is refused. */
#include "keras_case.h"

#define KT(name, node, tensor) \
    "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 2], \"dtype\": \"float32\", " \
    "\"keras_history\": [\"" name "\", " #node ", " #tensor "]}}"
#define INPUT(name, shape)                                                                                   \
    "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": " shape                            \
    ", \"dtype\": \"float32\", "                                                                             \
    "\"name\": \"" name "\"}, \"name\": \"" name "\", \"inbound_nodes\": []}"
#define NODE(class_name, name, config, nodes) \
    "{\"class_name\": \"" class_name "\", \"config\": {\"name\": \"" name "\", \"trainable\": true, " \
    "\"dtype\": \"float32\"" config "}, \"name\": \"" name "\", \"inbound_nodes\": [" nodes "]}"
#define MODEL(layers, inputs, outputs) \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": [" layers "], " \
    "\"input_layers\": " inputs ", \"output_layers\": " outputs "}}"

static struct keras_model *built(const char *config, const char *version)
{
    struct err err = {0};
    case_begin(config, version);
    struct keras_model *model = case_build(NULL, &err);
    if (!model)
        printf("\n    refused: %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    return model;
}

/* A list of layers, as Keras wrote Sequentials before 2.2.3. */
static void test_sequential_list(void)
{
    static const float k1[] = {1, -1, 0, 2, 1, 0, 0, 0, 1, 1, 1, 1}, b1[] = {0, 1, -1}, k2[] = {1, 1, 1},
                       b2[] = {-9};
    static const float x[] = {1, 2, 3, 4}, y[] = {0.9999938558f};
    struct err err;
    case_begin(
        "{\"class_name\": \"Sequential\", \"config\": ["
        "{\"class_name\": \"Dense\", \"config\": {\"name\": \"dense_1\", \"trainable\": true, "
        "\"batch_input_shape\": "
        "[null, 4], \"dtype\": \"float32\", \"units\": 3, \"activation\": \"relu\", \"use_bias\": true}},"
        "{\"class_name\": \"Dropout\", \"config\": {\"name\": \"dropout_1\", \"rate\": 0.5}},"
        "{\"class_name\": \"Dense\", \"config\": {\"name\": \"dense_2\", \"units\": 1, \"activation\": "
        "\"sigmoid\"}}]}",
        "2.1.6");
    case_layer("dense_1");
    case_weight("dense_1_3/kernel:0", shape_of(2, (int64_t)4, (int64_t)3), k1);
    case_weight("dense_1_3/bias:0", shape_of(1, (int64_t)3), b1);
    case_layer("dropout_1");
    case_layer("dense_2");
    case_weight("dense_2/kernel:0", shape_of(2, (int64_t)3, (int64_t)1), k2);
    case_weight("dense_2/bias:0", shape_of(1, (int64_t)1), b2);
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_STRING_EQUAL(keras_model_output(model, 0)->name, "dense_2");
    CU_ASSERT(shape_compatible(&keras_model_input(model, 0)->shape, &(struct shape){2, {7, 4}}));
    case_expect(model, shape_of(2, (int64_t)1, (int64_t)4), x, y, 1);
    case_end(model);
}

/* A sub-model called twice (nodes 1 and 2), operations, a constant as first argument. */
static void test_shared_model(void)
{
    static const float kernel[] = {1, 0, 0, 1}, bias[] = {0, 0.5f};
    static const float a[] = {2, 4}, b[] = {1, 1};
    static const float *const data[] = {a, b};
    const struct shape shapes[] = {shape_of(2, (int64_t)1, (int64_t)2), shape_of(2, (int64_t)1, (int64_t)2)};
    float got[2];
    struct err err;
    case_begin(
        MODEL(
            INPUT("a", "[null, 2]") ", " INPUT(
                "b",
                "[null, 2]") ", "
                             "{\"class_name\": \"Functional\", \"config\": {\"name\": \"enc\", \"layers\": "
                             "[" INPUT("x", "[null, 2]") ", " NODE(
                                 "Dense", "d", ", \"units\": 2",
                                 "[[\"x\", 0, 0, {}]]") "], \"input_layers\": [[\"x\", 0, 0]], "
                                                        "\"output_layers\": [[\"d\", 0, 0]]}, \"name\": "
                                                        "\"enc\", "
                                                        "\"inbound_nodes\": [[[\"a\", 0, 0, {}]], [[\"b\", "
                                                        "0, 0, {}]]]}, " NODE(
                                                            "TFOpLambda", "sub",
                                                            ", \"function\": \"math.subtract\"",
                                                            "[\"enc\", 1, 0, {\"y\": [\"enc\", 2, 0], "
                                                            "\"name\": null}]") ", " NODE("TFOpLambda", "mul",
                                                                                          ", \"function\": "
                                                                                          "\"math.multiply\"",
                                                                                          "[\"_CONSTANT_"
                                                                                          "VALUE\", -1, 0.5, "
                                                                                          "{\"y\": [\"sub\", "
                                                                                          "0, 0], \"name\": "
                                                                                          "null}]"),
            "[[\"a\", 0, 0], [\"b\", 0, 0]]", "[[\"mul\", 0, 0]]"),
        "2.15.0");
    case_layer("enc");
    case_weight("d/kernel:0", shape_of(2, (int64_t)2, (int64_t)2), kernel);
    case_weight("d/bias:0", shape_of(1, (int64_t)2), bias);
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_EQUAL(case_run(model, shapes, data, 0, got, 2), 2);
    CU_ASSERT_DOUBLE_EQUAL(got[0], 0.5, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(got[1], 1.5, 1e-6);
    case_end(model);
}

/* Keras 3: an operation and the layer of the same kind, a bare input reference, several outputs with one
 * name. */
static void test_keras_3_nodes(void)
{
    static const float x[] = {1, 2};
    static const float y[] = {3, 4, 1, 2};
    struct keras_model *model =
        built(MODEL("{\"class_name\": \"InputLayer\", \"config\": {\"batch_shape\": [null, 2], \"dtype\": "
                    "\"float32\", \"name\": "
                    "\"x\"}, \"name\": \"x\", \"inbound_nodes\": []}, "
                    "{\"class_name\": \"Add\", \"config\": {\"name\": \"add\"}, \"name\": \"add\", "
                    "\"inbound_nodes\": [{\"args\": [" KT("x", 0, 0) ", 2.0], \"kwargs\": {}}]}, " NODE(
                        "Concatenate", "cat", ", \"axis\": -1",
                        "{\"args\": [[" KT("add", 0, 0) ", " KT("x", 0, 0) "]], \"kwargs\": {}}"),
                    "[\"x\", 0, 0]", "[[\"cat\", 0, 0], [\"cat\", 0, 0], [\"add\", 0, 0]]"),
              "3.10.0");
    case_expect(model, shape_of(2, (int64_t)1, (int64_t)2), x, y, 4);
    CU_ASSERT_EQUAL(keras_model_n_outputs(model), 3);
    CU_ASSERT_STRING_EQUAL(keras_model_output(model, 0)->name, "cat");
    CU_ASSERT_STRING_EQUAL(keras_model_output(model, 1)->name, "cat_1");
    CU_ASSERT_STRING_EQUAL(keras_model_output(model, 2)->name, "add");
    case_end(model);
}

/* Dicts are flattened by key; the keys are the names. */
static void test_dicts(void)
{
    struct keras_model *model =
        built(MODEL(INPUT("in_z", "[null, 2]") ", " INPUT("in_a", "[null, 3]") ", " NODE(
                        "Flatten", "f", "", "[[\"in_z\", 0, 0, {}]]") ", " NODE("Flatten", "g", "",
                                                                                "[[\"in_a\", 0, 0, {}]]"),
                    "{\"z\": [\"in_z\", 0, 0], \"a\": [\"in_a\", 0, 0]}",
                    "{\"q\": [\"f\", 0, 0], \"p\": [\"g\", 0, 0]}"),
              "2.15.0");
    CU_ASSERT_STRING_EQUAL(keras_model_input(model, 0)->name, "a");
    CU_ASSERT_EQUAL(keras_model_input(model, 0)->shape.dim[1], 3);
    CU_ASSERT_STRING_EQUAL(keras_model_input(model, 1)->name, "z");
    CU_ASSERT_STRING_EQUAL(keras_model_output(model, 0)->name, "p");
    CU_ASSERT_EQUAL(keras_model_output(model, 1)->shape.dim[1], 2);
    case_end(model);
}

/* What no output needs may be anything. */
static void test_loose_ends(void)
{
    static const float x[] = {1, -2}, y[] = {1, 0};
    struct keras_model *model =
        built(MODEL(INPUT("x", "[null, 2]") ", " INPUT("unused", "[null, 5]") ", " NODE(
                        "ReLU", "r", "", "[[\"x\", 0, 0, {}]]") ", " NODE("MyLoss", "loss", "",
                                                                          "[[\"r\", 0, 0, {}]]"),
                    "[[\"x\", 0, 0]]", "[[\"r\", 0, 0]]"),
              "2.15.0");
    case_expect(model, shape_of(2, (int64_t)1, (int64_t)2), x, y, 2);
    case_end(model);
}

static void test_refused_graphs(void)
{
    case_refused(MODEL(INPUT("x", "[null, 2]") ", " NODE("ReLU", "a", "", "[[\"b\", 0, 0, {}]]") ", "
                       NODE("ReLU", "b", "", "[[\"a\", 0, 0, {}]]"), "[[\"x\", 0, 0]]", "[[\"b\", 0, 0]]"),
                 "2.15.0", (const char *const[]){"circle", NULL});
    case_refused(MODEL(INPUT("x", "[null, 2]") ", " NODE("ReLU", "a", "", "[[\"nobody\", 0, 0, {}]]"),
                       "[[\"x\", 0, 0]]", "[[\"a\", 0, 0]]"),
                 "2.15.0", (const char *const[]){"'a'", "'nobody'", NULL});
    case_refused(
        MODEL(INPUT("x", "[null, 2]") ", " NODE("ReLU", "a", "", "[[\"x\", 0, 0, {}]], [[\"x\", 0, 0, {}]]"),
              "[[\"x\", 0, 0]]", "[[\"a\", 2, 0]]"),
        "2.15.0", (const char *const[]){"node 2", "'a'", NULL});
    case_refused(MODEL(INPUT("x", "[null, 2]") ", " NODE("ReLU", "a", "", "[[\"x\", 0, 3, {}]]"),
                       "[[\"x\", 0, 0]]", "[[\"a\", 0, 0]]"),
                 "2.15.0", (const char *const[]){"output 3", "'x'", NULL});
    case_refused(
        MODEL(INPUT("x", "[null, 2]") ", " INPUT("x", "[null, 2]"), "[[\"x\", 0, 0]]", "[[\"x\", 0, 0]]"),
        "2.15.0", (const char *const[]){"two layers", "'x'", NULL});
    case_refused(MODEL(INPUT("x", "[null, 2]"), "[]", "[[\"x\", 0, 0]]"), "2.15.0",
                 (const char *const[]){"no inputs", NULL});
    case_refused("{\"class_name\": \"ResNet\", \"config\": {}}", "2.15.0",
                 (const char *const[]){"ResNet", "custom class", NULL});
    case_refused("{\"class_name\": \"Dense\", \"config\": {\"units\": 2}}", "2.15.0",
                 (const char *const[]){"Dense", "not a model", NULL});
    case_refused("[1, 2]", "2.15.0", (const char *const[]){"expected a layer", NULL});
    case_refused("{\"class_name\": \"Sequential\", \"config\": []}", "2.15.0",
                 (const char *const[]){"without layers", NULL});
}

#define ONE_NODE(class, config, node) \
    MODEL(INPUT("x", "[null, 2]") ", " NODE(class, "a", config, node), "[[\"x\", 0, 0]]", "[[\"a\", 0, 0]]")

/* Values of the wrong type in places where a reader might look past them. */
static void test_wrong_types(void)
{
    static const struct {
        const char *config, *word;
    } rows[] = {
        {ONE_NODE("Add", "", "[[\"x\", 0, 0, {}], 7]"), "found 7"},
        {ONE_NODE("Add", "", "[[\"x\", 0, 0, {}], [null]]"), "found null"},
        {ONE_NODE("ReLU", "", "[[\"x\", {}, 0, {}]]"), "expected references"},
        {ONE_NODE("ReLU", "", "[[\"x\", 0, 0, 5]]"), "expected references"},
        {ONE_NODE("ReLU", "", "[[\"x\", -1, 0, {}]]"), "node -1"},
        {ONE_NODE("ReLU", "", "{\"args\": 5, \"kwargs\": {}}"), "expected a list of arguments"},
        {ONE_NODE("ReLU", "", "{\"args\": [], \"kwargs\": 5}"), "keyword arguments"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"ReLU\", \"config\": "
         "{\"dtype\": {\"class_name\": \"DTypePolicy\", \"config\": 5}}}]}", "dtype policy"},
        {ONE_NODE("Cropping1D", ", \"cropping\": [4611686018427387904, 4611686018427387904]",
                  "[[\"x\", 0, 0, {}]]"), "'cropping': expected at most"},
        {ONE_NODE("CategoryEncoding", ", \"num_tokens\": 9223372036854775807", "[[\"x\", 0, 0, {}]]"),
         "'num_tokens': expected at most"},
        {ONE_NODE("TFOpLambda", ", \"function\": \"one_hot\"", "[[\"x\", 0, 0, {}]]"), "'depth' (or"},
        {MODEL(INPUT("x", "5"), "[[\"x\", 0, 0]]", "[[\"x\", 0, 0]]"), "expected a list of sizes, found 5"},
        {MODEL(INPUT("x", "[null, -1]"), "[[\"x\", 0, 0]]", "[[\"x\", 0, 0]]"), "[null,-1]"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"ReLU\", \"config\": 5}]}",
         "as the config of a ReLU, found 5"},
        {"{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"ReLU\", \"config\": {\"name\": 5}}]}",
         "as the name of a ReLU, found 5"},
    };
    for (size_t i = 0; i < KD_COUNT(rows); i++)
        case_refused(rows[i].config, "2.15.0", (const char *const[]){rows[i].word, NULL});
}

static void test_training(void)
{
    static const char config[] =
        MODEL(INPUT("x", "[null, 2]") ", " NODE("Dropout", "d", ", \"rate\": 0.5",
                                                "[[\"x\", 0, 0, {\"training\": true}]]"),
              "[[\"x\", 0, 0]]", "[[\"d\", 0, 0]]");
    struct keras_options options = {.ignore_training_true = true};
    struct err err;
    case_refused(config, "2.15.0", (const char *const[]){"'d'", "Dropout", "training=True", NULL});
    case_begin(config, "2.15.0");
    struct keras_model *model = case_build(&options, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT(case_warns(model, "training=True"));
    case_end(model);
}

/* The reverse of what the names say: each obstacle one line, all of them. */
static void test_obstacles(void)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    case_begin(MODEL(INPUT("x", "[null, 2]") ", " NODE("One", "a", "", "[[\"x\", 0, 0, {}]]") ", " NODE(
                         "Dense", "b", ", \"units\": -3",
                         "[[\"a\", 0, 0, {}]]") ", " NODE("Two", "c", "", "[[\"b\", 0, 0, {}]]"),
                     "[[\"x\", 0, 0]]", "[[\"c\", 0, 0]]"),
               "2.15.0");
    CU_ASSERT_EQUAL(keras_obstacles(case_finish(), NULL, &text), 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "'a' (One)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "'b' (Dense)"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "'c' (Two)"));
    buf_done(&text);
    case_end(NULL);
    buf_init(&text, 1 << 16);
    case_begin(MODEL(INPUT("x", "[null, 2]"), "[[\"x\", 0, 0]]", "[[\"x\", 0, 0]]"), "2.15.0");
    CU_ASSERT_EQUAL(keras_obstacles(case_finish(), NULL, &text), 0);
    buf_done(&text);
    case_end(NULL);
}

#define WRAPPED(class, config) "{\"class_name\": \"" class "\", \"config\": {\"name\": \"inner\"" config "}}"

/* What a wrapper wraps is the obstacle, once; the wrapper does not look at what was read of it. */
static void test_obstacle_in_wrapper(void)
{
    static const struct {
        const char *wrapper, *key, *inner, *named;
    } cases[] = {
        {"Bidirectional", "layer", WRAPPED("Mine", ""), "'w/inner' (Mine)"},
        {"Bidirectional", "layer", WRAPPED("LSTM", ", \"units\": -1"), "'w/inner' (LSTM)"},
        {"RNN", "cell", WRAPPED("Mine", ""), "'w/inner' (Mine)"},
        {"RNN", "cell", WRAPPED("LSTMCell", ", \"units\": \"x\""), "'w/inner' (LSTMCell)"},
        {"RNN", "cell", WRAPPED("StackedRNNCells", ", \"cells\": [" WRAPPED("Mine", "") "]"), "inner/inner' (Mine)"},
        {"TimeDistributed", "layer", WRAPPED("Dense", ", \"units\": 0"), "'w/inner' (Dense)"},
    };
    for (size_t i = 0; i < KD_COUNT(cases); i++) {
        char config[2048];
        struct buf text;
        buf_init(&text, 1 << 16);
        snprintf(config, sizeof(config),
                 "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"class_name\": "
                 "\"%s\", \"config\": {\"name\": \"w\", \"batch_input_shape\": [null, 4, 3], \"%s\": %s}}]}}",
                 cases[i].wrapper, cases[i].key, cases[i].inner);
        case_begin(config, "2.15.0");
        CU_ASSERT_EQUAL(keras_obstacles(case_finish(), NULL, &text), 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(text.data, cases[i].named));
        buf_done(&text);
        case_end(NULL);
    }
}

/* Conv1D + Flatten + Dense without any shape: channels from the kernel, steps from the Dense. */
static void test_guessed_input(void)
{
    static const float kernel[] = {1, 1, 1, 1}, dense[12] = {1};
    struct err err;
    case_begin(
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": ["
        "{\"class_name\": \"Conv1D\", \"config\": {\"name\": \"c\", \"filters\": 2, \"kernel_size\": [1], "
        "\"strides\": [1], \"padding\": \"valid\", \"use_bias\": false}}, "
        "{\"class_name\": \"Flatten\", \"config\": {\"name\": \"f\"}}, "
        "{\"class_name\": \"Dense\", \"config\": {\"name\": \"d\", \"units\": 1, \"use_bias\": false}}]}}",
        "2.2.4-tf");
    case_layer("c");
    case_weight("c/kernel:0", shape_of(3, (int64_t)1, (int64_t)2, (int64_t)2), kernel);
    case_layer("f");
    case_layer("d");
    case_weight("d/kernel:0", shape_of(2, (int64_t)12, (int64_t)1), dense);
    struct keras_model *model = case_build(NULL, &err);
    if (!model)
        printf("\n    refused: %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    const struct shape *shape = &keras_model_input(model, 0)->shape;
    CU_ASSERT(shape->rank == 3 && shape->dim[0] == SHAPE_UNKNOWN && shape->dim[1] == 6 && shape->dim[2] == 2);
    CU_ASSERT(case_warns(model, "found from the weights"));
    case_end(model);
}

/* Masking and a global mean: the masked step does not count. Then an explicit mask=null of Keras 2: it counts
 * again. */
static void test_masks(void)
{
    static const float x[] = {2, 0, 4}, masked[] = {3}, plain[] = {2};
    struct keras_model *model = built(
        MODEL(INPUT("x", "[null, 3, 1]") ", " NODE(
                  "Masking", "m", ", \"mask_value\": 0.0",
                  "[[\"x\", 0, 0, {}]]") ", " NODE("GlobalAveragePooling1D", "g", "", "[[\"m\", 0, 0, {}]]"),
              "[[\"x\", 0, 0]]", "[[\"g\", 0, 0]]"),
        "2.15.0");
    case_expect(model, shape_of(3, (int64_t)1, (int64_t)3, (int64_t)1), x, masked, 1);
    case_end(model);
    model = built(MODEL(INPUT("x", "[null, 3, 1]") ", " NODE(
                            "Masking", "m", ", \"mask_value\": 0.0",
                            "[[\"x\", 0, 0, {}]]") ", " NODE("GlobalAveragePooling1D", "g", "",
                                                             "[[\"m\", 0, 0, {\"mask\": null}]]"),
                        "[[\"x\", 0, 0]]", "[[\"g\", 0, 0]]"),
                  "2.15.0");
    case_expect(model, shape_of(3, (int64_t)1, (int64_t)3, (int64_t)1), x, plain, 1);
    case_end(model);
}

/* Unknown time: one model, two lengths. */
static void test_unknown_sizes(void)
{
    static const float x[] = {1, 5, 3, 7}, short_y[] = {5}, long_y[] = {7};
    struct keras_model *model = built(
        MODEL(INPUT("x", "[null, null, 1]") ", " NODE("GlobalMaxPooling1D", "g", "", "[[\"x\", 0, 0, {}]]"),
              "[[\"x\", 0, 0]]", "[[\"g\", 0, 0]]"), "2.15.0");
    case_expect(model, shape_of(3, (int64_t)1, (int64_t)2, (int64_t)1), x, short_y, 1);
    case_expect(model, shape_of(3, (int64_t)1, (int64_t)4, (int64_t)1), x, long_y, 1);
    case_end(model);
}

/* Calls that double at each level of nesting are stopped by number, not by patience. */
static void test_explosion(void)
{
    struct buf text;
    struct err err;
    buf_init(&text, 1 << 20);
    for (int level = 0; level < 20; level++)
        buf_printf(&text,
                   "{\"class_name\": \"%s\", \"config\": {\"name\": \"m%d\", \"layers\": [" INPUT(
                       "x", "[null, 1]") ", ",
                   "Functional", level);
    buf_puts(&text, NODE("ReLU", "m20", "", "[[\"x\", 0, 0, {}]], [[\"m20\", 0, 0, {}]]"));
    for (int level = 20; level > 0; level--)
        buf_printf(&text,
                   "], \"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"m%d\", %d, 0]]}, \"name\": "
                   "\"m%d\", "
                   "\"inbound_nodes\": [[[\"x\", 0, 0, {}]], [[\"m%d\", 1, 0, {}]]]}",
                   level, level == 20 ? 1 : 2, level - 1, level - 1);
    text.length -=
        strlen(", \"name\": \"m0\", \"inbound_nodes\": [[[\"x\", 0, 0, {}]], [[\"m0\", 1, 0, {}]]]}");
    buf_puts(&text, "}");
    case_begin(text.data, "2.15.0");
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NULL(model);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "calls of layers"));
    case_end(model);
    buf_done(&text);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"Sequential as a list", test_sequential_list},
        {"a model called twice, node numbers from 1", test_shared_model},
        {"Keras 3 nodes, operation and layer of one name", test_keras_3_nodes},
        {"dict inputs and outputs", test_dicts},
        {"unknown layers that nothing needs", test_loose_ends},
        {"broken graphs are refused by name", test_refused_graphs},
        {"wrong types are refused", test_wrong_types},
        {"training=True", test_training},
        {"all obstacles at once", test_obstacles},
        {"obstacles in wrappers", test_obstacle_in_wrapper},
        {"the input's shape from the weights", test_guessed_input},
        {"masks", test_masks},
        {"unknown sizes", test_unknown_sizes},
        {"exploding graphs", test_explosion},
    };
    return unit_main("keras graph", tests, KD_COUNT(tests));
}
