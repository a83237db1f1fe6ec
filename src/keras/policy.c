/* Policy: the dtype entry of a layer's config, which names the type of its variables and the type it computes
 * in. It is a string in old files, an object since; mixed policies keep variables in float32. Everything is
 * computed in float32 here; the compute type decides where results are rounded and what the outputs are
 * called. */
#include <string.h>

#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"

static const char *policy_name(struct keras_layer *layer, const cJSON *item)
{
    static const char *const known[] = {"Policy", "PolicyV1", "DTypePolicy", "FloatDTypePolicy", NULL};
    const char *class_name = keras_json_string(item, "class_name");
    for (size_t i = 0; class_name && known[i]; i++)
        if (strcmp(known[i], class_name) == 0)
            item = keras_json_get(keras_json_get(item, "config"), "name");
    if (cJSON_IsNull(item))
        return "_infer";
    if (cJSON_IsString(item))
        return item->valuestring;
    char text[KERAS_JSON_BRIEF];
    keras_config_fail(layer, "dtype policy %s: quantised and custom policies are not served",
                      class_name ? class_name : keras_json_brief(item, text, sizeof(text)));
    return NULL;
}

void keras_policy_read(struct keras_layer *layer)
{
    const cJSON *item = keras_json_get(layer->config, "dtype");
    layer->compute_dtype = layer->variable_dtype = DTYPE_FLOAT32;
    if (!item || cJSON_IsNull(item))
        return;
    const char *name = policy_name(layer, item);
    if (!name)
        return;
    bool mixed = str_starts(name, "mixed_");
    const char *type = mixed ? name + strlen("mixed_") : name;
    enum dtype dtype = dtype_from_name(type);
    if (strcmp(name, "_infer") == 0 || strcmp(name, "infer") == 0)
        return;
    if (dtype == DTYPE_INVALID) {
        keras_config_fail(layer, "dtype policy \"%.60s\" is not served", name);
        return;
    }
    layer->compute_dtype = dtype;
    layer->variable_dtype = mixed ? DTYPE_FLOAT32 : dtype;
}
