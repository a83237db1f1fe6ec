/* Policy: the dtype entry of a layer's config, which names the type of its variables and the type it computes
 * in. It is a string in old files, an object since; mixed policies keep variables in float32. Everything is
 * computed in float32 here; the compute type decides where results are rounded and what the outputs are
 * called. */
#include <string.h>

#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"

/* Keras quantises these layers. int4 changed its layout while it was new; this is that of Keras 3.15. */
static bool read_mode(struct keras_layer *layer, const char *mode)
{
    static const char *const names[] = {"Dense", "Embedding", "EinsumDense", NULL};
    const char *class_name = layer->class_name;
    bool known = false, int4 = str_starts(mode, "int4/") && keras_since(layer->writer, KERAS_3, 3, 15);
    for (int i = 0; names[i]; i++)
        known = known || (str_equal(class_name, names[i]) && (!int4 || i < 2));
    if (str_equal(mode, "int8"))
        layer->quantized = KERAS_INT8;
    else if (int4)
        layer->quantized = str_equal(mode, "int4/-1") ? KERAS_INT4 : KERAS_INT4_GROUPS;
    else
        return false;
    return known;
}

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
    const cJSON *config = keras_json_get(item, "config");
    const char *mode = keras_json_string(config, "mode"), *source = keras_json_string(config, "source_name");
    if (class_name && mode && source && str_ends(class_name, "DTypePolicy") && read_mode(layer, mode))
        return source;
    char text[KERAS_JSON_BRIEF];
    keras_config_fail(layer, "dtype policy %s%s%s: only int8 and int4 of Dense, EinsumDense and Embedding are "
                             "served of the quantised policies, and no custom ones",
                      class_name ? class_name : keras_json_brief(item, text, sizeof(text)), mode ? " " : "",
                      mode ? mode : "");
    return NULL;
}

/* "int8_from_float32", as Keras 3.3 wrote it: what follows after "_from_". */
static const char *source_of(struct keras_layer *layer, const char *name)
{
    static const char int8_from[] = "int8_from_";
    return str_starts(name, int8_from) && read_mode(layer, "int8") ? name + strlen(int8_from) : name;
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
    name = source_of(layer, name);
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
