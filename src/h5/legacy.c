/* legacy: the layout that Keras 1, Keras 2, tf.keras and Keras 3's model.save("x.h5") share.
 *
 *   ROOT             attribute layer_names: the layers in the model's order
 *   ROOT/<layer>     attribute weight_names: paths of datasets below this group, in the order of binding
 *
 * Names may contain slashes and then make groups of groups, so a layer's group may hold other layers: paths
 * are taken from the lists and never from what a group happens to contain. */
#include <string.h>

#include "base/err.h"
#include "h5/attribute.h"
#include "h5/model.h"
#include "h5/object.h"

static int describe_weights(struct h5_model *model, hid_t group, const char *where,
                            enum image_section section, enum h5_data data, struct err *err)
{
    struct h5_names names;
    bool found;
    int code = h5_get_names(group, "weight_names", where, model->arena, &names, &found, err);
    if (code)
        return code;
    if (!found)
        return err_set(err, KD_EFORMAT, "group '%s' has no list 'weight_names': the file is incomplete",
                       where);
    for (size_t i = 0; i < names.n && !code; i++)
        code = h5_model_tensor(model, section, group, where, names.items[i], data, err);
    return code;
}

static int describe_layer(struct h5_model *model, hid_t root, const char *where, const char *name,
                          struct err *err)
{
    hid_t group;
    int code = h5_open(root, name, H5I_GROUP, where, &group, err);
    if (code)
        return code;
    code = image_writer_layer(model->writer, name, err);
    if (!code)
        code = describe_weights(model, group, name, IMAGE_SECTION_LAYERS, H5_DATA_ALL, err);
    H5Oclose(group);
    return code;
}

static int describe_group(struct h5_model *model, hid_t root, const char *name, enum image_section section,
                          enum h5_data data, struct err *err)
{
    hid_t group;
    if (H5Lexists(root, name, H5P_DEFAULT) <= 0)
        return 0;
    int code = h5_open(root, name, H5I_GROUP, "/", &group, err);
    if (code)
        return code;
    if (h5_has_names(group, "weight_names"))
        code = describe_weights(model, group, name, section, data, err);
    H5Oclose(group);
    return code;
}

static int describe_version(struct h5_model *model, hid_t root, const char *where, struct err *err)
{
    const char *version, *backend;
    int code = h5_get_text(root, "keras_version", where, model->arena, &version, err);
    if (!code)
        code = h5_get_text(root, "backend", where, model->arena, &backend, err);
    if (!code && version)
        code = image_writer_text(model->writer, IMAGE_WEIGHTS_VERSION, version, strlen(version), err);
    if (!code && backend)
        code = image_writer_text(model->writer, IMAGE_WEIGHTS_BACKEND, backend, strlen(backend), err);
    return code;
}

int h5_legacy_describe(struct h5_model *model, hid_t root, const char *where, struct err *err)
{
    struct h5_names layers;
    bool found;
    int code = h5_get_names(root, "layer_names", where, model->arena, &layers, &found, err);
    if (code)
        return code;
    if (!found)
        return err_set(err, KD_EFORMAT, "group '%s' has no list 'layer_names': the file is incomplete",
                       where);
    code = describe_version(model, root, where, err);
    for (size_t i = 0; i < layers.n && !code; i++)
        code = describe_layer(model, root, where, layers.items[i], err);
    if (!code)
        code =
            describe_group(model, root, "top_level_model_weights", IMAGE_SECTION_TOP_LEVEL, H5_DATA_ALL, err);
    return code;
}

int h5_legacy_optimizer(struct h5_model *model, struct err *err)
{
    return describe_group(model, model->root, "optimizer_weights", IMAGE_SECTION_OPTIMIZER, H5_DATA_SCALARS,
                          err);
}
