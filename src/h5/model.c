/* model: what kind of Keras file this HDF5 file is, and its way into the image.
 *
 * Two passes. The first describes: texts, layers, tensors with type and shape, everything checked, nothing
 * read; it keeps the datasets open. Then the image has its final layout and is mapped, and the second pass
 * lets HDF5 read each dataset straight into its place: one copy from the file's pages to the image's. */
#include "h5/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "h5/attribute.h"
#include "h5/dataset.h"
#include "h5/error.h"
#include "h5/object.h"
#include "h5/source.h"
#include "h5/vfd.h"

#define MAX_ATTRIBUTES 1024 /* of the root, that are not Keras's */

static hid_t driver = H5I_INVALID_HID;

int h5_init(struct err *err)
{
    tzset();
    if (H5open() < 0 || H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 || H5PLset_loading_state(0) < 0 ||
        H5Lunregister(H5L_TYPE_EXTERNAL) < 0)
        return h5_fail(err, KD_EINTERNAL, "the HDF5 library cannot be initialised");
    driver = h5_vfd_register();
    if (driver < 0)
        return h5_fail(err, KD_EINTERNAL, "the HDF5 library does not take our file driver");
    return 0;
}

struct h5_pending {
    struct h5_dataset dataset;
    const char *name;
    size_t index; /* in the writer */
};

/* HDF5 says "truncated file: eof = 96, sblock->base_addr = 0, stored_eof = 2144". */
static int fail_open(struct h5_model *model, struct err *err)
{
    char text[H5_ERROR_TEXT_MAX];
    unsigned long long should;
    h5_error_text(text, sizeof(text));
    const char *stored = strstr(text, "stored_eof = ");
    if (strstr(text, "truncated file") && stored && sscanf(stored, "stored_eof = %llu", &should) == 1)
        return err_set(
            err, KD_EFORMAT,
            "this HDF5 file is cut short: it has %llu bytes and should have %llu; the copy, download or "
            "upload did not finish, so fetch it again",
            (unsigned long long)model->file_bytes, should);
    if (strstr(text, "driver read request failed"))
        return err_set(err, KD_EFORMAT,
                       "this HDF5 file is cut short: it has %llu bytes and refers to what lies beyond; "
                       "the copy, download or upload did not finish, so fetch it again",
                       (unsigned long long)model->file_bytes);
    return err_set(err, KD_EFORMAT, "this file begins like HDF5 but is damaged (HDF5: %s)",
                   *text ? text : "no reason");
}

int h5_model_init(struct h5_model *model, const struct h5_source *source, struct image_writer *writer,
                  struct err *err)
{
    memset(model, 0, sizeof(*model));
    model->file = model->root = H5I_INVALID_HID;
    model->writer = writer;
    model->file_bytes = source->size;
    model->arena = arena_new();
    if (!model->arena)
        return err_set(err, KD_ENOMEM, "out of memory");
    hid_t access = h5_vfd_access(driver, source);
    if (access < 0)
        return h5_fail(err, KD_EINTERNAL, "the file driver cannot be used");
    /* An absolute name, so that HDF5 does not ask for the working directory. */
    model->file = H5Fopen("/model", H5F_ACC_RDONLY, access);
    if (model->file >= 0)
        model->root = H5Gopen2(model->file, "/", H5P_DEFAULT);
    int code = model->root < 0 ? fail_open(model, err) : 0;
    H5Pclose(access);
    return code;
}

void h5_model_done(struct h5_model *model)
{
    for (size_t i = 0; i < model->n_pending; i++)
        h5_dataset_close(&model->pending[i].dataset);
    free(model->pending);
    if (model->root >= 0)
        H5Gclose(model->root);
    if (model->file >= 0)
        H5Fclose(model->file);
    H5Eclear2(H5E_DEFAULT);
    arena_free(model->arena);
}

/* Tensors. */

static int keep_pending(struct h5_model *model, const struct h5_dataset *dataset, const char *name,
                        size_t index)
{
    if (model->n_pending == model->room) {
        size_t room = model->room ? model->room * 2 : 64;
        struct h5_pending *grown = realloc(model->pending, room * sizeof(*grown));
        if (!grown)
            return KD_ENOMEM;
        model->pending = grown;
        model->room = room;
    }
    char *copy = arena_strdup(model->arena, name);
    if (!copy)
        return KD_ENOMEM;
    model->pending[model->n_pending++] = (struct h5_pending){*dataset, copy, index};
    return 0;
}

/* The same dataset under many names, or many small bombs, must not fill the memory either. */
static int check_claim(struct h5_model *model, size_t bytes, struct err *err)
{
    model->claimed_bytes += bytes;
    if (model->claimed_bytes < bytes || h5_is_bomb(model->claimed_bytes, model->file_bytes))
        return err_set(
            err, KD_ETOOBIG,
            "the file's tensors claim %llu bytes together, but the file has only %llu: such a shape bomb "
            "is not unpacked",
            (unsigned long long)model->claimed_bytes, (unsigned long long)model->file_bytes);
    return 0;
}

int h5_model_tensor(struct h5_model *model, enum image_section section, hid_t group, const char *where,
                    const char *path, enum h5_data with_data, struct err *err)
{
    struct h5_dataset dataset;
    size_t index;
    int code = h5_dataset_open(group, path, where, &dataset, err);
    if (code)
        return code;
    bool data = with_data == H5_DATA_ALL || (with_data == H5_DATA_SCALARS && dataset.shape.rank == 0);
    code = data ? check_claim(model, dataset.bytes, err) : 0;
    if (!code)
        code = image_writer_tensor(model->writer, section, path, dataset.dtype, &dataset.shape, data, &index,
                                   err);
    if (!code && data && keep_pending(model, &dataset, path, index))
        code = err_set(err, KD_ENOMEM, "out of memory while describing '%s'", path);
    if (code || !data)
        h5_dataset_close(&dataset);
    return code;
}

int h5_model_read(struct h5_model *model, struct err *err)
{
    for (size_t i = 0; i < model->n_pending; i++) {
        struct h5_pending *pending = &model->pending[i];
        size_t bytes;
        void *data = image_writer_data(model->writer, pending->index, &bytes);
        if (bytes != pending->dataset.bytes)
            return err_set(err, KD_EINTERNAL, "'%s' changed its size", pending->name);
        int code = h5_dataset_read(&pending->dataset, pending->name, data, err);
        if (code)
            return code;
        h5_dataset_close(&pending->dataset);
    }
    return 0;
}

/* Texts of the root. */

static int describe_texts(struct h5_model *model, bool *ret_has_config, struct err *err)
{
    static const struct {
        const char *name;
        enum image_text text;
    } texts[] = {
        {"keras_version", IMAGE_KERAS_VERSION},
        {"backend", IMAGE_BACKEND},
        {"model_config", IMAGE_MODEL_CONFIG},
        {"training_config", IMAGE_TRAINING_CONFIG},
    };
    *ret_has_config = false;
    for (size_t i = 0; i < KD_COUNT(texts); i++) {
        const char *text;
        int code = h5_get_text(model->root, texts[i].name, "/", model->arena, &text, err);
        if (!code && text)
            code = image_writer_text(model->writer, texts[i].text, text, strlen(text), err);
        if (code)
            return code;
        if (text && texts[i].text == IMAGE_MODEL_CONFIG)
            *ret_has_config = true;
    }
    return 0;
}

struct attributes {
    struct image_writer *writer;
    struct err *err;
    int n, code;
};

static bool is_keras_attribute(const char *name)
{
    static const char *const names[] = {"keras_version", "backend", "model_config", "training_config"};
    for (size_t i = 0; i < KD_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    size_t length = strcspn(name, "0123456789");
    return length == strlen("layer_names") && strncmp(name, "layer_names", length) == 0;
}

static herr_t add_attribute(hid_t root, const char *name, const H5A_info_t *info, void *data)
{
    struct attributes *attributes = data;
    if (is_keras_attribute(name))
        return 0;
    if (attributes->n++ == MAX_ATTRIBUTES)
        attributes->code = err_set(attributes->err, KD_ETOOBIG,
                                   "the file has more than %d attributes of its own", MAX_ATTRIBUTES);
    else
        attributes->code = image_writer_attribute(attributes->writer, name, attributes->err);
    return attributes->code ? -1 : 0;
}

static int describe_attributes(struct h5_model *model, struct err *err)
{
    struct attributes attributes = {.writer = model->writer, .err = err};
    if (H5Aiterate2(model->root, H5_INDEX_NAME, H5_ITER_INC, NULL, add_attribute, &attributes) >= 0)
        return 0;
    return attributes.code ? attributes.code
                           : h5_fail(err, KD_EFORMAT, "the file's attributes cannot be listed");
}

/* Kinds. */

static herr_t add_member(hid_t group, const char *name, const H5L_info_t *info, void *data)
{
    struct buf *list = data;
    buf_printf(list, "%s'%.40s'", list->length ? ", " : "", name);
    return list->length > 160;
}

static int refuse_stranger(struct h5_model *model, struct err *err)
{
    struct buf list;
    buf_init(&list, 512);
    H5Literate(model->root, H5_INDEX_NAME, H5_ITER_INC, NULL, add_member, &list);
    int code =
        err_set(err, KD_EUNSUPPORTED,
                "this is an HDF5 file, but not one that Keras wrote: its root has neither 'model_config' nor "
                "'layer_names' (it holds %s); save the model with model.save(\"model.h5\")",
                list.data ? list.data : "nothing");
    buf_done(&list);
    return code;
}

static int describe_group(struct h5_model *model, struct err *err)
{
    hid_t weights;
    int code = h5_open(model->root, "model_weights", H5I_GROUP, "/", &weights, err);
    if (code)
        return code;
    code = h5_legacy_describe(model, weights, "model_weights", err);
    H5Gclose(weights);
    return code;
}

static int describe_layers(struct h5_model *model, bool has_config, struct err *err)
{
    image_writer_kind(model->writer, has_config ? IMAGE_MODEL : IMAGE_WEIGHTS, false);
    if (has_config ||
        (!h5_has_names(model->root, "layer_names") && h5_has_group(model->root, "model_weights")))
        return describe_group(model, err);
    if (h5_has_names(model->root, "layer_names"))
        return h5_legacy_describe(model, model->root, "/", err);
    if (!h5_layout3_found(model->root))
        return refuse_stranger(model, err);
    image_writer_kind(model->writer, IMAGE_WEIGHTS, true);
    return h5_layout3_describe(model, err);
}

int h5_model_describe(struct h5_model *model, struct err *err)
{
    bool has_config;
    if (model->in_archive) {
        image_writer_kind(model->writer, IMAGE_ARCHIVE, true);
        return h5_layout3_describe(model, err);
    }
    int code = describe_texts(model, &has_config, err);
    if (!code)
        code = describe_layers(model, has_config, err);
    if (!code)
        code = h5_legacy_optimizer(model, err);
    return code ? code : describe_attributes(model, err);
}
