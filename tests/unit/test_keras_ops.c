/* Operations: the tables, how names are found, how types combine, and what is refused by name. The arithmetic
 * of every function is compared with Keras's in the golden cases. */
#include "base/arena.h"
#include "base/str.h"
#include "keras/json.h"
#include "keras/ops.h"
#include "keras_case.h"

/* ---- tables ---- */

static size_t count_words(const char *text)
{
    size_t n = *text != '\0';
    for (; *text; text++)
        n += *text == ' ';
    return n;
}

/* Every name of a table finds its own row, so none stands twice. */
static void check_table(enum ops_dialect dialect, const struct ops_table *table)
{
    char name[96];
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct ops_row *row = &table->rows[i];
        CU_ASSERT(count_words(row->params) >= 1 && count_words(row->params) <= OPS_MAX_PARAMS);
        for (const char *at = row->names; *at;) {
            size_t length = strcspn(at, " ");
            snprintf(name, sizeof(name), "%.*s", (int)length, at);
            if (ops_find(dialect, name) != row)
                printf("\n    '%s' stands twice\n", name);
            CU_ASSERT_PTR_EQUAL(ops_find(dialect, name), row);
            at += length + (at[length] == ' ');
        }
    }
}

static void test_tables(void)
{
    check_table(OPS_TENSORFLOW, &ops_tensorflow_table);
    check_table(OPS_KERAS3, &ops_keras3_table);
    check_table(OPS_NODEDEF, &ops_nodedef_table);
}

static void test_names(void)
{
    const struct ops_row *add = ops_find(OPS_TENSORFLOW, "math.add");
    CU_ASSERT_PTR_NOT_NULL(add);
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_TENSORFLOW, "tf.math.add"), add);
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_TENSORFLOW, "__operators__.add"), add);
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_TENSORFLOW, "compat.v1.floor_div"),
                        ops_find(OPS_TENSORFLOW, "math.floordiv"));
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_TENSORFLOW, "keras.backend.mean"),
                        ops_find(OPS_TENSORFLOW, "math.reduce_mean"));
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_TENSORFLOW, "tf.keras.activations.relu"),
                        ops_find(OPS_TENSORFLOW, "nn.relu"));
    CU_ASSERT_PTR_NULL(ops_find(OPS_TENSORFLOW, "math.ad"));
    CU_ASSERT_PTR_NULL(ops_find(OPS_TENSORFLOW, "py_function"));
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_KERAS3, "keras.ops.log_softmax"), ops_find(OPS_KERAS3, "LogSoftmax"));
    CU_ASSERT_PTR_EQUAL(ops_find(OPS_KERAS3, "expand_dims"), ops_find(OPS_KERAS3, "ExpandDims"));
    CU_ASSERT_PTR_NULL(ops_find(OPS_KERAS3, "Conv2D"));
    /* The old function has another grid and other arguments. */
    CU_ASSERT_PTR_NOT_EQUAL(ops_find(OPS_TENSORFLOW, "compat.v1.image.resize"),
                            ops_find(OPS_TENSORFLOW, "image.resize"));
}

static void test_params(void)
{
    const struct ops_row *mean = ops_find(OPS_TENSORFLOW, "math.reduce_mean");
    CU_ASSERT_EQUAL(ops_param(mean, "input_tensor"), 0);
    CU_ASSERT_EQUAL(ops_param(mean, "axis"), 1);
    CU_ASSERT_EQUAL(ops_param(mean, "reduction_indices"), 1);
    CU_ASSERT_EQUAL(ops_param(mean, "keepdims"), 2);
    CU_ASSERT_EQUAL(ops_param(mean, "axi"), -1);
}

/* Every class that a file may name is in the table once, with a family and a line of text. */
static void test_classes(void)
{
    for (size_t i = 0; i < keras_n_classes; i++) {
        const struct keras_class *class = keras_classes[i];
        CU_ASSERT(class->family[0] != '\0' && class->doc[0] != '\0');
        CU_ASSERT(class->lower || class->support != KERAS_SERVED);
        for (size_t k = 0; class->names[k]; k++) {
            const struct keras_class *found =
                class->operation ? keras_operation_find(class->names[k]) : keras_class_find(class->names[k]);
            if (found != class)
                printf("\n    class %s stands twice\n", class->names[k]);
            CU_ASSERT_PTR_EQUAL(found, class);
        }
    }
}

/* ---- types ---- */

static void test_promotion(void)
{
    static const struct {
        enum dtype x;
        bool weak_x;
        enum dtype y;
        bool weak_y;
        enum dtype expected;
    } rows[] = {
        {DTYPE_FLOAT32, false, DTYPE_INT32, true, DTYPE_FLOAT32},
        {DTYPE_FLOAT16, false, DTYPE_FLOAT32, true, DTYPE_FLOAT16},
        {DTYPE_FLOAT16, false, DTYPE_FLOAT32, false, DTYPE_FLOAT32},
        {DTYPE_FLOAT16, false, DTYPE_BFLOAT16, false, DTYPE_FLOAT32},
        {DTYPE_FLOAT64, false, DTYPE_BFLOAT16, false, DTYPE_FLOAT64},
        {DTYPE_INT32, false, DTYPE_FLOAT32, true, DTYPE_FLOAT32},
        {DTYPE_INT64, false, DTYPE_FLOAT16, false, DTYPE_FLOAT16},
        {DTYPE_UINT8, false, DTYPE_INT32, true, DTYPE_UINT8},
        {DTYPE_UINT8, false, DTYPE_INT8, false, DTYPE_INT16},
        {DTYPE_UINT32, false, DTYPE_INT32, false, DTYPE_INT64},
        {DTYPE_UINT64, false, DTYPE_INT64, false, DTYPE_FLOAT32},
        {DTYPE_BOOL, false, DTYPE_INT32, true, DTYPE_INT32},
        {DTYPE_BOOL, false, DTYPE_UINT8, false, DTYPE_UINT8},
        {DTYPE_BOOL, false, DTYPE_BOOL, false, DTYPE_BOOL},
    };
    for (size_t i = 0; i < KD_COUNT(rows); i++) {
        CU_ASSERT_EQUAL(ops_promote(rows[i].x, rows[i].weak_x, rows[i].y, rows[i].weak_y), rows[i].expected);
        CU_ASSERT_EQUAL(ops_promote(rows[i].y, rows[i].weak_y, rows[i].x, rows[i].weak_x), rows[i].expected);
    }
}

/* ---- JSON as arguments ---- */

static int read_argument(struct arena *arena, const char *text, struct keras_arg *ret)
{
    cJSON *json = NULL;
    struct err err;
    CU_ASSERT_EQUAL_FATAL(keras_json_parse(text, "test", &json, &err), 0);
    int rc = ops_arg_of_json(arena, json, ret, &err);
    cJSON_Delete(json);
    return rc;
}

static void test_json(void)
{
    struct arena *arena = arena_new();
    struct keras_arg arg;
    CU_ASSERT_EQUAL(read_argument(arena, "[1, 2.0, [true, null], {\"class_name\": \"__slice__\", \"config\": "
                                         "{\"start\": null, \"stop\": -1, \"step\": 2}}, {\"class_name\": "
                                         "\"__ellipsis__\", \"config\": {}}]", &arg), 0);
    CU_ASSERT_EQUAL_FATAL(arg.kind, KERAS_ARG_LIST);
    CU_ASSERT_EQUAL_FATAL(arg.n_items, 5);
    CU_ASSERT(arg.items[0].kind == KERAS_ARG_INT && arg.items[0].integer == 1);
    CU_ASSERT(arg.items[1].kind == KERAS_ARG_FLOAT && arg.items[1].number == 2);
    CU_ASSERT(arg.items[2].kind == KERAS_ARG_LIST && arg.items[2].n_items == 2);
    CU_ASSERT(arg.items[2].items[0].kind == KERAS_ARG_BOOL && arg.items[2].items[0].boolean);
    CU_ASSERT_EQUAL(arg.items[2].items[1].kind, KERAS_ARG_NONE);
    CU_ASSERT_EQUAL_FATAL(arg.items[3].kind, KERAS_ARG_SLICE);
    CU_ASSERT_EQUAL(arg.items[3].items[0].kind, KERAS_ARG_NONE);
    CU_ASSERT_EQUAL(arg.items[3].items[1].integer, -1);
    CU_ASSERT_EQUAL(arg.items[4].kind, KERAS_ARG_ELLIPSIS);
    CU_ASSERT_EQUAL(ops_natural_dtype(&arg.items[0]), DTYPE_INT32);
    CU_ASSERT_EQUAL(ops_natural_dtype(&arg.items[1]), DTYPE_FLOAT32);
    CU_ASSERT_EQUAL(read_argument(arena, "[]", &arg), 0);
    CU_ASSERT(arg.kind == KERAS_ARG_LIST && arg.n_items == 0);
    arena_free(arena);
}

static void test_json_depth(void)
{
    struct arena *arena = arena_new();
    struct keras_arg arg;
    char text[128] = "";
    for (int i = 0; i < 40; i++)
        text[i] = '[', text[40 + i] = ']';
    CU_ASSERT_EQUAL(read_argument(arena, text, &arg), KD_ETOOBIG);
    arena_free(arena);
}

/* ---- models of one function ---- */

#define INPUT                                                                                                \
    "{\"class_name\": \"InputLayer\", \"name\": \"x\", \"inbound_nodes\": [], \"config\": "                  \
    "{\"batch_input_shape\": [null, 2, 2], \"dtype\": \"float32\", \"name\": \"x\"}}"
#define OP_MODEL(class_name, config, node)                                                                   \
    "{\"class_name\": \"Functional\", \"config\": {\"name\": \"m\", \"layers\": [" INPUT                     \
    ", {\"class_name\": \"" class_name "\", \"name\": \"f\", \"config\": {" config                           \
    "}, \"inbound_nodes\": [" node                                                                           \
    "]}], \"input_layers\": [[\"x\", 0, 0]], \"output_layers\": [[\"f\", 0, 0]]}}"
#define TF(function, kwargs)                                                                                 \
    OP_MODEL("TFOpLambda", "\"name\": \"f\", \"function\": \"" function "\"", "[\"x\", 0, 0, {" kwargs "}]")
#define KT                                                                                                   \
    "{\"class_name\": \"__keras_tensor__\", \"config\": {\"shape\": [null, 2, 2], \"dtype\": \"float32\", "  \
    "\"keras_history\": [\"x\", 0, 0]}}"
#define K3(class_name, config, args)                                                                         \
    OP_MODEL(class_name, "\"name\": \"f\"" config, "{\"args\": [" args "], \"kwargs\": {}}")

static const float numbers[] = {1, -2, 3, 4};

static void expect(const char *config, const char *version, const float *expected, size_t n)
{
    struct err err;
    case_begin(config, version);
    struct keras_model *model = case_build(NULL, &err);
    if (!model)
        printf("\n    %s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL(model);
    if (model)
        case_expect(model, shape_of(3, (int64_t)1, (int64_t)2, (int64_t)2), numbers, expected, n);
    case_end(model);
}

static void test_constants_on_either_side(void)
{
    expect(TF("math.subtract", "\"y\": 1, \"name\": null"), "2.15.0", (const float[]){0, -3, 2, 3}, 4);
    expect(OP_MODEL("TFOpLambda", "\"function\": \"math.subtract\"",
                    "[\"_CONSTANT_VALUE\", -1, 1.0, {\"y\": [\"x\", 0, 0], \"name\": null}]"),
           "2.15.0", (const float[]){0, 3, -2, -3}, 4);
    expect(K3("Subtract", "", "[[10.0, 0.0], [0.0, 20.0]], " KT), "3.15.1", (const float[]){9, 2, -3, 16}, 4);
    expect(TF("math.multiply", "\"y\": [2.0, 0.5]"), "2.15.0", (const float[]){2, -1, 6, 2}, 4);
}

/* Config parameters are bound first, arguments fill what is left. */
static void test_parameters_of_nodes(void)
{
    expect(K3("Sum", ", \"axis\": 1, \"keepdims\": false", KT), "3.15.1", (const float[]){4, 2}, 2);
    expect(K3("Einsum", ", \"subscripts\": \"bij,bjk,bkl->bil\"", KT ", " KT ", " KT), "3.15.1",
           (const float[]){-35, -30, 45, 10}, 4);
    expect(K3("Einsum", ", \"subscripts\": \"bij\"", KT), "3.15.1", numbers, 4);
}

static void test_slices(void)
{
    expect(
        OP_MODEL(
            "SlicingOpLambda", "\"function\": \"__operators__.getitem\"",
            "[\"x\", 0, 0, {\"slice_spec\": [{\"class_name\": \"__ellipsis__\"}, {\"start\": null, \"stop\": "
            "null, \"step\": -1}], \"var\": null}]"),
        "2.15.0", (const float[]){-2, 1, 4, 3}, 4);
    expect(K3("GetItem", "",
              KT ", [{\"class_name\": \"__slice__\", \"config\": {\"start\": null, \"stop\": null, "
                 "\"step\": null}}, -1]"),
           "3.15.1", (const float[]){3, 4}, 2);
    static const char *const words[] = {"index 2", "size 2", NULL};
    case_refused(K3("GetItem", "",
                    KT ", [{\"class_name\": \"__slice__\", \"config\": {\"start\": null, \"stop\": null, "
                       "\"step\": null}}, 2]"),
                 "3.15.1", words);
}

static void test_nodedef(void)
{
    expect(OP_MODEL("TensorFlowOpLayer",
                    "\"name\": \"Sub\", \"constants\": {\"0\": 1.0}, \"node_def\": {\"name\": \"s\", \"op\": "
                    "\"Sub\", "
                    "\"input\": [\"s/x\", \"x\"], \"attr\": {\"T\": {\"type\": \"DT_FLOAT\"}}}",
                    "[[\"x\", 0, 0, {}]]"),
           "2.4.0", (const float[]){0, 3, -2, -3}, 4);
    /* The same as a text of JSON; base64 in an attribute. */
    expect(OP_MODEL("TensorFlowOpLayer",
                    "\"name\": \"p\", \"constants\": {\"1\": [[0, 0], [1, 0], [0, 0]]}, \"node_def\": "
                    "\"{\\\"op\\\": \\\"MirrorPad\\\", \\\"attr\\\": {\\\"mode\\\": {\\\"s\\\": "
                    "\\\"UkVGTEVDVA==\\\"}}}\"",
                    "[[\"x\", 0, 0, {}]]"),
           "2.4.0", (const float[]){3, 4, 1, -2, 3, 4}, 6);
}

/* ---- refusals ---- */

static void test_refusals(void)
{
    static const struct {
        const char *config, *version;
        const char *words[4];
    } rows[] = {
        {TF("__operators__.eq", ""), "2.15.0", {"'f'", "did not store", NULL}},
        {TF("py_function", ""), "2.15.0", {"py_function", "not served", NULL}},
        {TF("math.reduce_mean", "\"axes\": 1"), "2.15.0", {"math.reduce_mean", "'axes'", NULL}},
        {TF("math.reduce_mean", "\"axis\": 3"), "2.15.0", {"axis 3", "rank 3", NULL}},
        {TF("random.normal", ""), "2.15.0", {"random numbers", NULL}},
        {TF("where", ""), "2.15.0", {"depends on the data", NULL}},
        {TF("image.resize", "\"size\": [4, 4], \"method\": \"cubist\""),
         "2.15.0",
         {"cubist", "bicubic", NULL}},
        {OP_MODEL("ClassMethod", "\"cls_symbol\": \"RaggedTensor\"", "[\"x\", 0, 0, {}]"),
         "2.15.0",
         {"ragged", NULL}},
        {K3("Split", ", \"indices_or_sections\": 3, \"axis\": 1", KT), "3.15.1", {"3 equal parts", NULL}},
        {K3("Trapezoid", ", \"x\": 2.0, \"dx\": 1.0, \"axis\": 1", KT),
         "3.15.1",
         {"'x'", NULL}},
        {K3("Add", "", KT), "3.15.1", {"'x2' is missing", NULL}},
        {K3("Add", "", KT ", 1, 2"), "3.15.1", {"more arguments than the 2", NULL}},
        {OP_MODEL("TensorFlowOpLayer", "\"node_def\": {\"op\": \"Bessel\"}", "[[\"x\", 0, 0, {}]]"),
         "2.4.0",
         {"Bessel", NULL}},
        {OP_MODEL("TensorFlowOpLayer",
                  "\"node_def\": {\"op\": \"Abs\", \"attr\": {\"fancy\": {\"b\": true}}}",
                  "[[\"x\", 0, 0, {}]]"),
         "2.4.0",
         {"fancy", NULL}},
    };
    for (size_t i = 0; i < KD_COUNT(rows); i++)
        case_refused(rows[i].config, rows[i].version, rows[i].words);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"tables", test_tables},
        {"names", test_names},
        {"params", test_params},
        {"classes", test_classes},
        {"promotion", test_promotion},
        {"json", test_json},
        {"json_depth", test_json_depth},
        {"constants_on_either_side", test_constants_on_either_side},
        {"parameters_of_nodes", test_parameters_of_nodes},
        {"slices", test_slices},
        {"nodedef", test_nodedef},
        {"refusals", test_refusals},
    };
    return unit_main("keras_ops", tests, KD_COUNT(tests));
}
