/* Keras 1: layer configs under the argument names of Keras 2.
 *
 * Tables say which key becomes which, which are dropped because they act in training only, and which several
 * keys become one list (nb_row, nb_col). The translated object is a copy; keys without a rule stay. Weight
 * layouts of that era are the convert() hooks' matter. */
#include <string.h>

#include "base/size.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"

struct rename {
    const char *from, *to;
};

static const struct rename renames[] = {
    {"output_dim", "units"},
    {"bias", "use_bias"},
    {"nb_filter", "filters"},
    {"filter_length", "kernel_size"},
    {"subsample", "strides"},
    {"subsample_length", "strides"},
    {"atrous_rate", "dilation_rate"},
    {"border_mode", "padding"},
    {"dim_ordering", "data_format"},
    {"pool_length", "pool_size"},
    {"stride", "strides"},
    {"length", "size"},
    {"inner_activation", "recurrent_activation"},
    {"p", "rate"},
    {"sigma", "stddev"},
};

static const char *const dropped[] = {"init",           "inner_init",     "forget_bias_init",    "dropout_W",
                                      "dropout_U",      "weights",        "beta_init",           "gamma_init",
                                      "depthwise_init", "pointwise_init", "sparsity_coefficient"};

/* Keys that together are one list. */
static const char *const kernel_2d[] = {"nb_row", "nb_col"};
static const char *const kernel_3d[] = {"kernel_dim1", "kernel_dim2", "kernel_dim3"};

/* Classes whose configs do not say the ordering of their axes. */
static const char *const without_ordering[] = {"UpSampling2D", "UpSampling3D", "ZeroPadding2D",
                                               "ZeroPadding3D", "Cropping2D", "Cropping3D"};

static bool keeps_name(const char *class_name, const char *key)
{
    return strcmp(class_name, "Embedding") == 0 && strcmp(key, "output_dim") == 0;
}

static bool rename_key(cJSON *config, const struct rename *rule)
{
    if (!keras_json_get(config, rule->from) || keras_json_get(config, rule->to))
        return true;
    cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(config, rule->from);
    return cJSON_AddItemToObject(config, rule->to, item);
}

static bool join_keys(cJSON *config, const char *const *keys, size_t n, const char *to)
{
    if (!keras_json_get(config, keys[0]))
        return true;
    cJSON *list = cJSON_AddArrayToObject(config, to);
    for (size_t i = 0; list && i < n; i++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(config, keys[i]);
        if (!item || !cJSON_AddItemToArray(list, item))
            return item == NULL; /* a missing key is found by whoever reads the list */
    }
    return list != NULL;
}

/* "th" and "tf"; "default" meant whatever the user's settings said, which is TensorFlow's order today. */
static bool translate_data_format(cJSON *config)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(config, "data_format");
    if (!cJSON_IsString(item))
        return true;
    const char *format = strcmp(item->valuestring, "th") == 0 ? "channels_first" : "channels_last";
    return cJSON_ReplaceItemInObjectCaseSensitive(config, "data_format", cJSON_CreateString(format));
}

static bool add_data_format(const char *class_name, cJSON *config)
{
    for (size_t i = 0; i < KD_COUNT(without_ordering); i++)
        if (str_starts(class_name, without_ordering[i]) && !keras_json_get(config, "data_format"))
            return cJSON_AddStringToObject(config, "data_format", "th") != NULL;
    return true;
}

static bool translate(const struct keras_build *build, const char *class_name, cJSON *config)
{
    bool good = !build->channels_first || add_data_format(class_name, config);
    for (size_t i = 0; good && i < KD_COUNT(renames); i++)
        good = keeps_name(class_name, renames[i].from) || rename_key(config, &renames[i]);
    for (size_t i = 0; i < KD_COUNT(dropped); i++)
        cJSON_DeleteItemFromObjectCaseSensitive(config, dropped[i]);
    return good && join_keys(config, kernel_2d, KD_COUNT(kernel_2d), "kernel_size") &&
           join_keys(config, kernel_3d, KD_COUNT(kernel_3d), "kernel_size") && translate_data_format(config);
}

const cJSON *keras_1_translate(struct keras_build *build, const char *class_name, const cJSON *config)
{
    if (keras_json_get(config, "layers"))
        return config; /* a model: its layers are translated one by one */
    cJSON *copy = cJSON_Duplicate(config, 1);
    if (!copy)
        return NULL;
    if (translate(build, class_name, copy))
        return keras_build_own(build, copy) ? copy : NULL;
    cJSON_Delete(copy);
    return NULL;
}
