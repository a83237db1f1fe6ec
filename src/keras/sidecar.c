/* sidecar: finds entries; what they mean is lambda.c's business. The whole text is checked when it is read, so that a
 * mistake is reported by its key and not as a layer that mysteriously stays refused. */
#include "keras/sidecar.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/json.h"
#include "keras/lambda.h"

static int check_class(const cJSON *entry, struct err *err)
{
    if (cJSON_IsString(entry))
        return 0;
    bool alias = keras_json_string(entry, "alias"), expression = keras_json_string(entry, "expression");
    if (cJSON_IsObject(entry) && alias != expression)
        return 0;
    return err_set(err, KD_EINVAL,
                   "sidecar file: classes.%.60s must be an expression, {\"expression\", [\"weights\"]} or {\"alias\"}",
                   entry->string);
}

static int check(const cJSON *root, struct err *err)
{
    if (!cJSON_IsObject(root))
        return err_set(err, KD_EINVAL, "sidecar file: it must be a JSON object");
    const cJSON *entry;
    cJSON_ArrayForEach(entry, root)
    {
        if (!cJSON_IsObject(entry) || (!str_equal(entry->string, "layers") && !str_equal(entry->string, "classes")))
            return err_set(err, KD_EINVAL, "sidecar file: '%.60s' is not \"layers\" or \"classes\" with an object",
                           entry->string);
    }
    cJSON_ArrayForEach(entry, keras_json_get(root, "layers"))
    {
        if (!cJSON_IsString(entry))
            return err_set(err, KD_EINVAL, "sidecar file: layers.%.60s must be an expression in a string",
                           entry->string);
    }
    cJSON_ArrayForEach(entry, keras_json_get(root, "classes"))
    {
        if (check_class(entry, err))
            return err->code;
    }
    return 0;
}

int keras_sidecar_read(struct keras_build *build, struct err *err)
{
    cJSON *root = NULL;
    if (!build->options->sidecar)
        return 0;
    int rc = keras_json_parse(build->options->sidecar, "sidecar file", &root, err);
    if (rc == 0)
        rc = check(root, err);
    if (rc == 0 && !keras_build_own(build, root))
        return err_set(err, KD_ENOMEM, "out of memory");
    if (rc == 0)
        build->sidecar = root;
    else
        cJSON_Delete(root);
    return rc;
}

const cJSON *keras_sidecar_entry(const struct keras_layer *layer)
{
    const cJSON *root = layer->build->sidecar;
    if (str_equal(layer->class_name, "Lambda"))
        return keras_json_get(keras_json_get(root, "layers"), layer->name);
    return keras_json_get(keras_json_get(root, "classes"), layer->class_name);
}

const char *keras_sidecar_alias(const struct keras_build *build, const char *name)
{
    return keras_json_string(keras_json_get(keras_json_get(build->sidecar, "classes"), name), "alias");
}

const struct keras_class *keras_sidecar_class(const struct keras_build *build, const char *class_name)
{
    const cJSON *entry = keras_json_get(keras_json_get(build->sidecar, "classes"), class_name);
    if (!entry)
        return NULL;
    const char *alias = keras_sidecar_alias(build, class_name);
    return alias ? keras_class_find(alias) : &keras_class_sidecar;
}
