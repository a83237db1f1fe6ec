/* Training: what the file says about how the model was trained. Serving needs none of it; people look for it:
 * optimizer and hyper-parameters, how far it came (iterations), loss and metrics, and which slots the file
 * still holds. */
#include <string.h>

#include "base/str.h"
#include "image/image.h"
#include "keras/describe.h"
#include "keras/json.h"

static const char *without_package(const char *class_name)
{
    const char *package = class_name ? strchr(class_name, '>') : NULL;
    return package ? package + 1 : class_name ? class_name : "unknown";
}

static bool is_scalar(const struct image_tensor *tensor)
{
    return tensor->data && tensor->shape.rank == 0;
}

static int64_t integer_of(const struct image_tensor *tensor)
{
    int32_t narrow;
    int64_t wide = 0;
    float number;
    if (tensor->dtype == DTYPE_INT64) {
        memcpy(&wide, tensor->data, sizeof(wide));
    } else if (tensor->dtype == DTYPE_INT32) {
        memcpy(&narrow, tensor->data, sizeof(narrow));
        wide = narrow;
    } else if (tensor->dtype == DTYPE_FLOAT32) {
        memcpy(&number, tensor->data, sizeof(number));
        wide = number > -9e15f && number < 9e15f ? (int64_t)number : 0;
    }
    return wide;
}

/* "Adam/iter:0", "iteration:0", "adam/iteration", "Adam/iterations:0". */
static bool counts_iterations(const struct image_tensor *tensor)
{
    const char *slash = strrchr(tensor->name, '/');
    return is_scalar(tensor) && str_starts(slash ? slash + 1 : tensor->name, "iter");
}

static void add_slots(cJSON *optimizer, const struct image_content *content)
{
    cJSON *slots = cJSON_AddArrayToObject(optimizer, "slots");
    char text[SHAPE_TEXT_MAX];
    for (size_t i = 0; i < content->n_optimizer; i++) {
        const struct image_tensor *tensor = &content->optimizer[i];
        if (counts_iterations(tensor))
            cJSON_AddNumberToObject(optimizer, "iterations", (double)integer_of(tensor));
        cJSON *slot = cJSON_CreateObject();
        cJSON_AddStringToObject(slot, "name", tensor->name);
        cJSON_AddStringToObject(slot, "dtype", dtype_name(tensor->dtype));
        cJSON_AddStringToObject(slot, "shape", shape_text(&tensor->shape, text, sizeof(text)));
        cJSON_AddItemToArray(slots, slot);
    }
}

static void add_copy(cJSON *object, const char *key, const cJSON *value)
{
    if (value)
        cJSON_AddItemToObject(object, key, cJSON_Duplicate(value, 1));
}

static cJSON *optimizer_json(const struct keras_model *model)
{
    cJSON *optimizer = cJSON_CreateObject();
    const cJSON *saved = keras_json_get(model->training, "optimizer_config");
    cJSON_AddStringToObject(optimizer, "class", without_package(keras_json_string(saved, "class_name")));
    add_copy(optimizer, "config", keras_json_get(saved, "config"));
    add_slots(optimizer, model->build.content);
    return optimizer;
}

cJSON *keras_describe_training(const struct keras_model *model)
{
    static const char *const keys[] = {"loss", "metrics", "weighted_metrics", "loss_weights", NULL};
    if (!model->training)
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToObject(object, "optimizer", optimizer_json(model));
    for (size_t i = 0; keys[i]; i++) {
        const cJSON *value = keras_json_get(model->training, keys[i]);
        if (value && !cJSON_IsNull(value))
            add_copy(object, keys[i], value);
    }
    return object;
}
