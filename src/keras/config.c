/* Config: reading a layer's config object.
 *
 * Getters never fail by return value: a wrong type or value sets the layer's sticky error and the default is
 * returned, so that parse functions read as a list of keys. Each getter marks its key as seen; what is left
 * over at the end and is not known to be without effect becomes a warning, because an unknown key of a known
 * layer may change what it computes. Values may be wrapped: NumPy scalars and arrays appear as objects. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"

/* Keys that any layer may have and that do not act at inference. */
static const char *const ignored_keys[] = {
    "name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_dtype", "input_shape",
    "input_dim", "input_length", "implementation", "unroll", "seed", "noise_shape", "synchronized",
    "quantization_config", "lora_rank", "lora_alpha", "enable_caching_device", "use_cudnn", "jit_compile",
    "autocast", "build_config", "compile_config", "__passive_serialization__", "shared_object_id",
    "module", "registered_name", "optional", "build_input_shape", "gptq_unpacked_column_size",
    "custom_objects"};
static const char *const ignored_suffixes[] = {"_initializer", "_regularizer", "_constraint"};

static void fail_with(struct keras_layer *layer, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail_with(struct keras_layer *layer, int code, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    if (layer->state->err.code)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_set(&layer->state->err, code, "%s", text);
}

int keras_config_fail(struct keras_layer *layer, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fail_with(layer, KD_EUNSUPPORTED, "%s", text);
    return layer->state->err.code;
}

void *keras_params(struct keras_layer *layer, size_t size)
{
    void *params = arena_alloc(layer->arena, size);
    if (!params)
        fail_with(layer, KD_ENOMEM, "out of memory");
    layer->params = params;
    return params;
}

static void wrong(struct keras_layer *layer, const char *key, const char *expected, const cJSON *found)
{
    char text[KERAS_JSON_BRIEF];
    fail_with(layer, KD_EFORMAT, "config key '%s': expected %s, found %s", key, expected,
              keras_json_brief(found, text, sizeof(text)));
}

static bool is_seen(const struct keras_layer_state *state, const cJSON *item)
{
    for (size_t i = 0; i < state->n_seen; i++)
        if (state->seen[i] == item)
            return true;
    return false;
}

static void mark_seen(struct keras_layer *layer, const cJSON *item)
{
    struct keras_layer_state *state = layer->state;
    if (state->seen && !is_seen(state, item))
        state->seen[state->n_seen++] = item;
}

const cJSON *keras_config_json(struct keras_layer *layer, const char *key)
{
    const cJSON *item = keras_json_get(layer->config, key);
    if (!item)
        return NULL;
    mark_seen(layer, item);
    return cJSON_IsNull(item) ? NULL : item;
}

bool keras_config_has(struct keras_layer *layer, const char *key)
{
    return keras_config_json(layer, key) != NULL;
}

/* A one-element list stands for its element ("strides": [2] of a 1-D layer). */
static const cJSON *scalar_of(const cJSON *item)
{
    item = keras_json_unwrap(item);
    return cJSON_IsArray(item) && cJSON_GetArraySize(item) == 1 ? item->child : item;
}

int64_t keras_config_int(struct keras_layer *layer, const char *key, int64_t absent, int64_t min)
{
    const cJSON *item = keras_config_json(layer, key);
    int64_t value;
    if (!item)
        return absent;
    if (!keras_json_int(scalar_of(item), &value)) {
        wrong(layer, key, "an integer", item);
        return absent;
    }
    if (value < min) {
        fail_with(layer, KD_EFORMAT, "config key '%s': expected at least %lld, found %lld", key,
                  (long long)min, (long long)value);
        return absent;
    }
    return value;
}

double keras_config_float(struct keras_layer *layer, const char *key, double absent)
{
    const cJSON *item = keras_config_json(layer, key);
    double value;
    if (!item)
        return absent;
    if (keras_json_number(scalar_of(item), &value))
        return value;
    wrong(layer, key, "a number", item);
    return absent;
}

bool keras_config_bool(struct keras_layer *layer, const char *key, bool absent)
{
    const cJSON *item = keras_config_json(layer, key);
    double value;
    if (!item)
        return absent;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item);
    if (keras_json_number(item, &value))
        return value != 0;
    wrong(layer, key, "true or false", item);
    return absent;
}

const char *keras_config_string(struct keras_layer *layer, const char *key, const char *absent)
{
    const cJSON *item = keras_config_json(layer, key);
    if (!item)
        return absent;
    if (cJSON_IsString(item))
        return item->valuestring;
    wrong(layer, key, "a string", item);
    return absent;
}

static void list_choices(const char *const *choices, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; choices[i] && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", choices[i]);
}

int keras_config_choice(struct keras_layer *layer, const char *key, const char *const *choices, int absent)
{
    const char *word = keras_config_string(layer, key, NULL);
    char text[256];
    if (!word)
        return absent;
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], word) == 0)
            return i;
    list_choices(choices, text, sizeof(text));
    keras_config_fail(layer, "config key '%s': expected one of %s, found \"%.60s\"", key, text, word);
    return absent;
}

void keras_config_ints(struct keras_layer *layer, const char *key, int64_t *values, int n, int64_t absent,
                       int64_t min)
{
    const cJSON *item = keras_config_json(layer, key);
    for (int i = 0; i < n; i++)
        values[i] = absent;
    if (!item)
        return;
    const cJSON *list = keras_json_unwrap(item);
    const cJSON *one = cJSON_IsArray(list) ? list->child : list;
    bool repeat = !cJSON_IsArray(list);
    bool good = repeat || cJSON_GetArraySize(list) == n;
    for (int i = 0; good && i < n; i++) {
        good = keras_json_int(one, &values[i]) && values[i] >= min;
        one = repeat ? one : one->next;
    }
    if (good)
        return;
    char expected[96];
    snprintf(expected, sizeof(expected), "an integer or a list of %d, each at least %lld", n, (long long)min);
    wrong(layer, key, expected, item);
    for (int i = 0; i < n; i++)
        values[i] = absent;
}

int keras_config_axes(struct keras_layer *layer, const char *key, int64_t *values, int max)
{
    const cJSON *item = keras_config_json(layer, key);
    if (!item)
        return 0;
    const cJSON *list = keras_json_unwrap(item);
    if (keras_json_int(list, &values[0]))
        return 1;
    int n = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
    const cJSON *one = n > 0 ? list->child : NULL;
    bool good = n >= 0 && n <= max;
    for (int i = 0; good && i < n; i++, one = one->next)
        good = keras_json_int(one, &values[i]);
    if (good)
        return n;
    char expected[64];
    snprintf(expected, sizeof(expected), "an integer or a list of at most %d", max);
    wrong(layer, key, expected, item);
    return 0;
}

bool keras_config_channels_first(struct keras_layer *layer)
{
    static const char *const choices[] = {"channels_last", "channels_first", NULL};
    return keras_config_choice(layer, "data_format", choices, 0) == 1;
}

void keras_config_ignore(struct keras_layer *layer, const char *const *keys)
{
    for (size_t i = 0; keys[i]; i++)
        keras_config_json(layer, keys[i]);
}

static bool is_ignored(const char *key)
{
    for (size_t i = 0; i < KD_COUNT(ignored_keys); i++)
        if (strcmp(key, ignored_keys[i]) == 0)
            return true;
    for (size_t i = 0; i < KD_COUNT(ignored_suffixes); i++)
        if (str_ends(key, ignored_suffixes[i]))
            return true;
    return strcmp(key, "activity_regularizer") == 0;
}

void keras_config_leftovers(struct keras_layer *layer)
{
    const cJSON *item;
    char text[KERAS_JSON_BRIEF];
    if (!cJSON_IsObject(layer->config)) /* the list of layers of an old Sequential */
        return;
    cJSON_ArrayForEach(item, layer->config)
    {
        if (is_seen(layer->state, item) || cJSON_IsNull(item) || is_ignored(item->string))
            continue;
        keras_warn(layer->build, layer, "config key '%s' (%s) is not known and was ignored", item->string,
                   keras_json_brief(item, text, sizeof(text)));
    }
}
