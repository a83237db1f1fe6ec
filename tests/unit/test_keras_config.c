/* keras: the JSON of configs, the getters' errors, class names, dtype policies, generations of writers. */
#include "keras_case.h"

#include "keras/json.h"
#include "keras/layer.h"

#define SEQUENTIAL(layers)                                                                                   \
    "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [" layers "]}}"
#define INPUT                                                                                                \
    "{\"class_name\": \"InputLayer\", \"config\": {\"batch_input_shape\": [null, 3], \"dtype\": "            \
    "\"float32\", "                                                                                          \
    "\"name\": \"x\"}}, "
#define LAYER(name, config) "{\"class_name\": \"" name "\", \"config\": {\"name\": \"layer\", " config "}}"

static cJSON *parsed(const char *text)
{
    struct err err = {0};
    cJSON *json = NULL;
    CU_ASSERT_EQUAL_FATAL(keras_json_parse(text, "text", &json, &err), 0);
    return json;
}

static void test_json_numbers(void)
{
    cJSON *json = parsed("[1, 1.0, NaN, Infinity, -Infinity, 9007199254740993, 2e3, -7, 0.5, \"NaN\"]");
    int64_t integer;
    double number;
    const cJSON *at = json->child;
    CU_ASSERT(keras_json_int(at, &integer) && integer == 1 && !keras_json_is_float(at));
    at = at->next;
    CU_ASSERT(keras_json_int(at, &integer) && integer == 1 && keras_json_is_float(at));
    at = at->next;
    CU_ASSERT(keras_json_number(at, &number) && isnan(number) && !keras_json_int(at, &integer));
    at = at->next;
    CU_ASSERT(keras_json_number(at, &number) && isinf(number) && number > 0);
    at = at->next;
    CU_ASSERT(keras_json_number(at, &number) && isinf(number) && number < 0);
    at = at->next;
    CU_ASSERT(keras_json_int(at, &integer) && integer == 9007199254740993);
    at = at->next;
    CU_ASSERT(keras_json_int(at, &integer) && integer == 2000 && keras_json_is_float(at));
    at = at->next;
    CU_ASSERT(keras_json_int(at, &integer) && integer == -7);
    at = at->next;
    CU_ASSERT(!keras_json_int(at, &integer) && keras_json_number(at, &number) && number == 0.5);
    at = at->next;
    CU_ASSERT(cJSON_IsString(at) && strcmp(at->valuestring, "NaN") == 0);
    cJSON_Delete(json);
}

static void test_json_strings(void)
{
    cJSON *json = parsed("{\"a\": \"\\u0001x\", \"b\": \"\\u00e4 \\\" 1.5\", \"c\": \"\"}");
    CU_ASSERT_STRING_EQUAL(keras_json_string(json, "a"), "\001x");
    CU_ASSERT_STRING_EQUAL(keras_json_string(json, "b"), "\xc3\xa4 \" 1.5");
    CU_ASSERT_STRING_EQUAL(keras_json_string(json, "c"), "");
    CU_ASSERT_PTR_NULL(keras_json_string(json, "d"));
    cJSON_Delete(json);
}

static void test_json_refuses(void)
{
    static const char *const wrong[] = {"",    "{",       "[1,]", "[Nan]",        "[1 2]", "{\"a\": 1} x",
                                        "[-]", "[1.2.3]", "\"a",  "[\"\\ud800\"]"};
    char deep[2 * KERAS_JSON_MAX_DEPTH + 8];
    struct err err;
    cJSON *json = NULL;
    for (size_t i = 0; i < KD_COUNT(wrong); i++) {
        CU_ASSERT_EQUAL(keras_json_parse(wrong[i], "text", &json, &err), KD_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "text"));
    }
    memset(deep, '[', KERAS_JSON_MAX_DEPTH + 1);
    memset(deep + KERAS_JSON_MAX_DEPTH + 1, ']', KERAS_JSON_MAX_DEPTH + 1);
    deep[2 * KERAS_JSON_MAX_DEPTH + 2] = '\0';
    CU_ASSERT_EQUAL(keras_json_parse(deep, "text", &json, &err), KD_ETOOBIG);
    deep[2 * KERAS_JSON_MAX_DEPTH + 1] = '\0';
    json = parsed(deep + 1);
    cJSON_Delete(json);
}

static void test_json_wrappers(void)
{
    cJSON *json = parsed(
        "[{\"type\": \"ndarray\", \"value\": 0.3}, {\"class_name\": \"__tuple__\", \"items\": [1, 2]}, "
        "{\"class_name\": \"__numpy__\", \"config\": {\"value\": [4], \"dtype\": \"float32\"}}, 7]");
    double number;
    CU_ASSERT(keras_json_number(keras_json_unwrap(json->child), &number) && number == 0.3);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(keras_json_unwrap(json->child->next)), 2);
    CU_ASSERT_EQUAL(cJSON_GetArraySize(keras_json_unwrap(json->child->next->next)), 1);
    CU_ASSERT_PTR_EQUAL(keras_json_unwrap(json->child->prev), json->child->prev);
    cJSON_Delete(json);
}

static void test_table(void)
{
    CU_ASSERT_PTR_NOT_NULL(keras_class_find("Dense"));
    CU_ASSERT_PTR_EQUAL(keras_class_find("MaxPool2D"), keras_class_find("MaxPooling2D"));
    CU_ASSERT_PTR_EQUAL(keras_class_find("Convolution2D"), keras_class_find("Conv2D"));
    CU_ASSERT_PTR_EQUAL(keras_class_find("Addons>GroupNormalization"),
                        keras_class_find("GroupNormalization"));
    CU_ASSERT_PTR_NULL(keras_class_find("mine>Dense"));
    CU_ASSERT_PTR_NULL(keras_class_find("Custom>Dense"));
    CU_ASSERT_PTR_NULL(keras_class_find("dense"));
    CU_ASSERT_PTR_NOT_EQUAL(keras_class_find("Add"), keras_operation_find("Add"));
    for (size_t i = 0; i < keras_n_classes; i++) {
        const struct keras_class *class = keras_classes[i];
        CU_ASSERT(class->doc && class->doc[0] && class->family && class->names);
        CU_ASSERT(class->lower || class->support != KERAS_SERVED);
        for (size_t j = 0; class->names[j] && !class->operation; j++)
            CU_ASSERT_PTR_EQUAL(keras_class_find(class->names[j]), class);
    }
}

struct refusal {
    const char *config;
    const char *words[4];
};

static void test_getter_errors(void)
{
    static const struct refusal cases[] = {
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": \"many\"")),
         {"layer 'layer' (Dense): config key 'units': expected an integer, found \"many\""}},
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": 0")), {"'units'", "at least 1", "found 0"}},
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": 2.5")), {"'units'", "an integer", "2.5"}},
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": 2, \"use_bias\": []")), {"'use_bias'", "true or false"}},
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": 2, \"activation\": \"warp\"")),
         {"'activation'", "warp"}},
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": 2, \"activation\": 3")), {"'activation'"}},
        {SEQUENTIAL(INPUT LAYER("Conv2D", "\"kernel_size\": [3, 3, 3]")), {"'kernel_size'", "list of 2"}},
        {SEQUENTIAL(INPUT LAYER("Conv2D", "\"padding\": \"full\"")), {"'padding'", "valid, same", "full"}},
        {SEQUENTIAL(INPUT LAYER("Conv2D", "\"padding\": \"causal\"")), {"'padding'", "one dimension"}},
        {SEQUENTIAL(INPUT LAYER("Permute", "\"dims\": [1, 1]")), {"'dims'", "once"}},
        {SEQUENTIAL(INPUT LAYER("Reshape", "\"target_shape\": \"flat\"")), {"'target_shape'"}},
        {SEQUENTIAL(INPUT LAYER("ZeroPadding2D", "\"padding\": [[1, 2], [3]]")), {"'padding'", "pair"}},
        {SEQUENTIAL(INPUT LAYER("ReLU", "\"max_value\": \"six\"")), {"'max_value'", "a number", "six"}},
        {SEQUENTIAL(INPUT LAYER("BatchNormalization", "\"mode\": 3")), {"'mode'"}},
        {SEQUENTIAL(INPUT LAYER("Dense", "\"units\": 2, \"dtype\": \"int4_from_float32\"")),
         {"int4_from_float32"}},
        {SEQUENTIAL(
             INPUT LAYER("Dense", "\"units\": 2, \"dtype\": {\"class_name\": \"QuantizedDTypePolicy\"}")),
         {"QuantizedDTypePolicy"}},
        {SEQUENTIAL(INPUT LAYER("MyLayer", "\"a\": 1")), {"layer 'layer' (MyLayer)", "custom class"}},
        {SEQUENTIAL(INPUT LAYER("mine>Dense", "\"units\": 1")), {"mine>Dense", "custom class"}},
    };
    for (size_t i = 0; i < KD_COUNT(cases); i++) {
        const char *words[5] = {NULL};
        for (size_t j = 0; j < 4; j++)
            words[j] = cases[i].words[j];
        case_refused(cases[i].config, "2.15.0", words);
    }
}

/* Activation of a number by a layer whose config is given. */
static float activation_of(const char *activation, const char *version, float x)
{
    char config[1024];
    struct err err;
    const float in[] = {x};
    const float *data[] = {in};
    struct shape shape = shape_of(2, (int64_t)1, (int64_t)1);
    float got[2] = {NAN, NAN};
    snprintf(config, sizeof(config),
             SEQUENTIAL("{\"class_name\": \"Activation\", \"config\": {\"name\": \"a\", "
                        "\"batch_input_shape\": [null, 1], \"activation\": %s}}"),
             activation);
    case_begin(config, version);
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    case_run(model, &shape, data, 0, got, 1);
    case_end(model);
    return got[0];
}

static void test_activations(void)
{
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"hard_sigmoid\"", "2.15.0", 1), 0.7, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"hard_sigmoid\"", "1.2.2", 1), 0.7, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"hard_sigmoid\"", "3.1.0", 1), 4.0 / 6, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"leaky_relu\"", "2.15.0", -1), -0.2, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"LeakyReLU\"", "2.15.0", -1), -0.3, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(
        activation_of("{\"class_name\": \"LeakyReLU\", \"config\": {\"name\": \"l\", \"alpha\": 0.5}}",
                      "2.15.0", -1),
        -0.5, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(
        activation_of("{\"class_name\": \"LeakyReLU\", \"config\": {\"name\": \"l\", \"alpha\": "
                      "{\"type\": \"ndarray\", \"value\": 0.25}}}",
                      "2.0.5", -1),
        -0.25, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"Addons>mish\"", "2.15.0", 9), 9, 1e-5);
    CU_ASSERT_DOUBLE_EQUAL(
        activation_of("{\"module\": \"builtins\", \"class_name\": \"function\", \"config\": \"relu\", "
                      "\"registered_name\": \"function\"}",
                      "3.1.0", -2),
        0, 0);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"gelu\"", "2.15.0", 1), 0.841345, 1e-5);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("null", "2.15.0", -3), -3, 0);
    CU_ASSERT_DOUBLE_EQUAL(activation_of("\"softmax\"", "2.15.0", 5), 1, 1e-6);
}

static void test_leftovers_warn(void)
{
    struct err err;
    case_begin(SEQUENTIAL(INPUT LAYER(
                   "Flatten", "\"trainable\": true, \"new_thing\": 7, \"kernel_regularizer\": {\"a\": 1}")),
               "2.15.0");
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT(case_warns(model, "'new_thing' (7)"));
    CU_ASSERT_EQUAL(keras_model_n_warnings(model), 1);
    case_end(model);
}

/* Keras 1: names of arguments of that time, output of a Dense with known numbers. */
static void test_keras_1(void)
{
    static const float kernel[] = {1, 2, 3}, bias[] = {10}, x[] = {1, 1, 1}, y[] = {16};
    struct err err;
    case_begin(
        "{\"class_name\": \"Sequential\", \"config\": [{\"class_name\": \"Dense\", \"config\": {\"name\": "
        "\"d\", "
        "\"output_dim\": 1, \"init\": \"uniform\", \"bias\": true, \"activation\": \"linear\", "
        "\"input_dim\": 3, "
        "\"batch_input_shape\": [null, 3], \"input_dtype\": \"float32\"}}, {\"class_name\": \"Dropout\", "
        "\"config\": {\"name\": \"o\", \"p\": 0.5}}]}",
        "1.2.2");
    case_layer("d");
    case_weight("d_W:0", shape_of(2, (int64_t)3, (int64_t)1), kernel);
    case_weight("d_b:0", shape_of(1, (int64_t)1), bias);
    case_layer("o");
    struct keras_model *model = case_build(NULL, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(model);
    CU_ASSERT_EQUAL(keras_model_n_warnings(model), 0);
    case_expect(model, shape_of(2, (int64_t)1, (int64_t)3), x, y, 1);
    CU_ASSERT_STRING_EQUAL(keras_model_input(model, 0)->name, "d_input");
    case_end(model);
}

static void test_policies(void)
{
    static const struct {
        const char *policy;
        enum dtype dtype;
    } cases[] = {
        {"null", DTYPE_FLOAT32},
        {"\"float64\"", DTYPE_FLOAT64},
        {"\"mixed_float16\"", DTYPE_FLOAT16},
        {"{\"class_name\": \"Policy\", \"config\": {\"name\": \"mixed_bfloat16\"}}", DTYPE_BFLOAT16},
        {"{\"module\": \"keras\", \"class_name\": \"DTypePolicy\", \"config\": {\"name\": \"float16\"}, "
         "\"registered_name\": null}", DTYPE_FLOAT16},
    };
    for (size_t i = 0; i < KD_COUNT(cases); i++) {
        char config[1024];
        struct err err;
        snprintf(config, sizeof(config), SEQUENTIAL(INPUT LAYER("Flatten", "\"dtype\": %s")),
                 cases[i].policy);
        case_begin(config, "3.5.0");
        struct keras_model *model = case_build(NULL, &err);
        CU_ASSERT_PTR_NOT_NULL_FATAL(model);
        CU_ASSERT_EQUAL(keras_model_output(model, 0)->dtype, cases[i].dtype);
        CU_ASSERT_EQUAL(keras_model_input(model, 0)->dtype, DTYPE_FLOAT32);
        case_end(model);
    }
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"numbers as Python writes them", test_json_numbers},
        {"strings keep every byte", test_json_strings},
        {"broken and deep JSON is refused", test_json_refuses},
        {"wrapped values", test_json_wrappers},
        {"class names and aliases", test_table},
        {"wrong values name key, expected and found", test_getter_errors},
        {"activations in every notation", test_activations},
        {"unknown keys become warnings", test_leftovers_warn},
        {"Keras 1 arguments", test_keras_1},
        {"dtype policies", test_policies},
    };
    return unit_main("keras config", tests, KD_COUNT(tests));
}
