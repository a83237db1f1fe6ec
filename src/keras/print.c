/* Print: the facts about a model for a person, in the order in which questions come: the layers as
 * model.summary() shows them, what goes in and out, how it was trained, which rules were taken, what to
 * beware of. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "keras/describe.h"
#include "keras/json.h"

#define NAME_WIDTH 40
#define SHAPE_WIDTH 26

static double number(const cJSON *object, const char *key)
{
    double value = 0;
    keras_json_number(keras_json_get(object, key), &value);
    return value;
}

/* 1234567 -> "1,234,567". */
static const char *grouped(double value, char *text, size_t size)
{
    char digits[32];
    int n = snprintf(digits, sizeof(digits), "%.0f", value);
    size_t used = 0;
    for (int i = 0; i < n && used + 2 < size; i++) {
        text[used++] = digits[i];
        if (i + 1 < n && (n - i - 1) % 3 == 0)
            text[used++] = ',';
    }
    text[used] = '\0';
    return text;
}

static const char *shape_words(const cJSON *list, char *text, size_t size)
{
    struct shape shape = {.rank = 0};
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return "not used";
    cJSON_ArrayForEach(item, list)
    {
        if (shape.rank < SHAPE_MAX_RANK)
            shape.dim[shape.rank++] = cJSON_IsNull(item) ? SHAPE_UNKNOWN : (int64_t)item->valuedouble;
    }
    return shape_text(&shape, text, size);
}

static void print_layer(const cJSON *layer, struct buf *ret)
{
    char name[256], shape[SHAPE_TEXT_MAX], count[40];
    const cJSON *reference;
    snprintf(name, sizeof(name), "%.160s (%.60s)", keras_json_string(layer, "name"),
             keras_json_string(layer, "class"));
    buf_printf(ret, " %-*s %-*s %14s", NAME_WIDTH, name, SHAPE_WIDTH,
               shape_words(keras_json_get(layer, "output_shape"), shape, sizeof(shape)),
               grouped(number(layer, "parameters"), count, sizeof(count)));
    const char *separator = "   ";
    cJSON_ArrayForEach(reference, keras_json_get(layer, "inputs"))
    {
        buf_printf(ret, "%s%s", separator, reference->valuestring);
        separator = ", ";
    }
    buf_putc(ret, '\n');
}

static void print_layers(const cJSON *facts, struct buf *ret)
{
    char total[40], trainable[40], rest[40];
    const cJSON *layer, *parameters = keras_json_get(facts, "parameters");
    buf_printf(ret, " %-*s %-*s %14s   %s\n", NAME_WIDTH, "layer (class)", SHAPE_WIDTH, "output shape",
               "parameters", "reads");
    cJSON_ArrayForEach(layer, keras_json_get(facts, "layers"))
    {
        print_layer(layer, ret);
    }
    buf_printf(ret, "parameters: %s (%.2f MiB), trainable %s, not trainable %s\n",
               grouped(number(parameters, "total"), total, sizeof(total)),
               number(parameters, "bytes") / 1048576,
               grouped(number(parameters, "trainable"), trainable, sizeof(trainable)),
               grouped(number(parameters, "not_trainable"), rest, sizeof(rest)));
}

static void print_signature(const cJSON *facts, const char *key, struct buf *ret)
{
    char shape[SHAPE_TEXT_MAX];
    const cJSON *tensor;
    buf_printf(ret, "%s:\n", key);
    cJSON_ArrayForEach(tensor, keras_json_get(facts, key))
    {
        buf_printf(ret, "  %-32s %-8s %s\n", keras_json_string(tensor, "name"),
                   keras_json_string(tensor, "dtype"),
                   shape_words(keras_json_get(tensor, "shape"), shape, sizeof(shape)));
    }
}

static void print_value(const char *key, const cJSON *value, struct buf *ret)
{
    char text[4 * KERAS_JSON_BRIEF];
    if (cJSON_IsString(value))
        buf_printf(ret, "  %-20s %s\n", key, value->valuestring);
    else if (cJSON_IsNumber(value))
        buf_printf(ret, "  %-20s %.8g\n", key, value->valuedouble); /* Keras writes float32 numbers in full */
    else if (value && !cJSON_IsNull(value))
        buf_printf(ret, "  %-20s %s\n", key, keras_json_brief(value, text, sizeof(text)));
}

static void print_slots(const cJSON *slots, struct buf *ret)
{
    const cJSON *slot;
    if (!slots || !slots->child)
        return;
    buf_printf(ret, "  slots (%d):\n", cJSON_GetArraySize(slots));
    cJSON_ArrayForEach(slot, slots)
    {
        buf_printf(ret, "    %-56s %-8s %s\n", keras_json_string(slot, "name"),
                   keras_json_string(slot, "dtype"), keras_json_string(slot, "shape"));
    }
}

static void print_training(const cJSON *training, struct buf *ret)
{
    static const char *const keys[] = {"loss", "metrics", "weighted_metrics", "loss_weights", NULL};
    const cJSON *optimizer = keras_json_get(training, "optimizer"), *item;
    if (!optimizer) {
        buf_puts(ret, "training: the model was not compiled, or saved without its optimizer\n");
        return;
    }
    buf_printf(ret, "training: optimizer %s\n", keras_json_string(optimizer, "class"));
    print_value("iterations", keras_json_get(optimizer, "iterations"), ret);
    cJSON_ArrayForEach(item, keras_json_get(optimizer, "config"))
    {
        if (item->string && strcmp(item->string, "name") != 0)
            print_value(item->string, item, ret);
    }
    for (size_t i = 0; keys[i]; i++)
        print_value(keys[i], keras_json_get(training, keys[i]), ret);
    print_slots(keras_json_get(optimizer, "slots"), ret);
}

static void print_notes(const cJSON *facts, const char *key, struct buf *ret)
{
    const cJSON *note, *list = keras_json_get(facts, key);
    if (!list || !list->child)
        return;
    buf_printf(ret, "%s:\n", key);
    cJSON_ArrayForEach(note, list)
    {
        buf_printf(ret, "  %s\n", note->valuestring);
    }
}

static void print_facts(const cJSON *facts, struct buf *ret)
{
    const cJSON *writer = keras_json_get(facts, "writer");
    const char *backend = keras_json_string(writer, "backend");
    buf_printf(ret, "model: %s (%s), written by %s %s%s%s\n", keras_json_string(facts, "name"),
               keras_json_string(facts, "class"), keras_json_string(writer, "family"),
               keras_json_string(writer, "version"), backend && backend[0] ? ", backend " : "", backend);
    print_layers(facts, ret);
    print_signature(facts, "inputs", ret);
    print_signature(facts, "outputs", ret);
    print_training(keras_json_get(facts, "training"), ret);
    print_notes(facts, "rules", ret);
    print_notes(facts, "warnings", ret);
}

void keras_model_print(const struct keras_model *model, struct buf *ret)
{
    cJSON *facts = keras_describe(model);
    print_facts(facts, ret);
    cJSON_Delete(facts);
}

void keras_model_json(const struct keras_model *model, struct buf *ret)
{
    cJSON *facts = keras_describe(model);
    char *text = cJSON_PrintUnformatted(facts);
    buf_puts(ret, text ? text : "{}");
    cJSON_free(text);
    cJSON_Delete(facts);
}
