/* dataset: a dataset of a stranger's file may claim anything. Refused here: a rank or a size that overflows;
 * elements without stored data; a claim far beyond what is stored (a "shape bomb"); data in other files
 * (external storage, virtual datasets); filters other than HDF5's own lossless ones, since others are
 * plug-ins; element types that no Keras writes.
 *
 * Values keep the file's type and width; only the byte order is made little-endian. h5py has no bfloat16:
 * Keras saves it as an opaque type of two bytes. */
#include "h5/dataset.h"

#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "h5/error.h"
#include "h5/object.h"

#define BOMB_FLOOR  ((uint64_t)64 << 20) /* smaller claims are harmless */
#define BOMB_FACTOR 1024                 /* deflate's own limit is about 1030 */

int h5_is_bomb(uint64_t declared, uint64_t stored)
{
    return declared > BOMB_FLOOR && declared / BOMB_FACTOR > stored;
}

/* Types. */

static enum dtype integer_type(hid_t type)
{
    static const enum dtype types[2][4] = {{DTYPE_UINT8, DTYPE_UINT16, DTYPE_UINT32, DTYPE_UINT64},
                                           {DTYPE_INT8, DTYPE_INT16, DTYPE_INT32, DTYPE_INT64}};
    size_t size = H5Tget_size(type);
    int is_signed = H5Tget_sign(type) == H5T_SGN_2;
    int column = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;
    if (column < 0 || H5Tget_precision(type) != size * 8)
        return DTYPE_INVALID;
    return types[is_signed][column];
}

struct float_layout {
    enum dtype dtype;
    size_t size, exponent_at, exponent_bits, mantissa_bits, bias;
};

static enum dtype float_type(hid_t type)
{
    static const struct float_layout layouts[] = {
        {DTYPE_FLOAT32, 4, 23, 8, 23, 127},
        {DTYPE_FLOAT64, 8, 52, 11, 52, 1023},
        {DTYPE_FLOAT16, 2, 10, 5, 10, 15},
        {DTYPE_BFLOAT16, 2, 7, 8, 7, 127},
    };
    size_t sign_at, exponent_at, exponent_bits, mantissa_at, mantissa_bits;
    if (H5Tget_fields(type, &sign_at, &exponent_at, &exponent_bits, &mantissa_at, &mantissa_bits) < 0)
        return DTYPE_INVALID;
    for (size_t i = 0; i < KD_COUNT(layouts); i++) {
        const struct float_layout *layout = &layouts[i];
        if (H5Tget_size(type) == layout->size && sign_at == layout->size * 8 - 1 && mantissa_at == 0 &&
            exponent_at == layout->exponent_at && exponent_bits == layout->exponent_bits &&
            mantissa_bits == layout->mantissa_bits && H5Tget_ebias(type) == layout->bias &&
            H5Tget_norm(type) == H5T_NORM_IMPLIED)
            return layout->dtype;
    }
    return DTYPE_INVALID;
}

/* h5py's form of a boolean: an enumeration over int8 with FALSE = 0 and TRUE = 1. */
static enum dtype enum_type(hid_t type)
{
    signed char no = -1, yes = -1;
    if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2 || H5Tenum_valueof(type, "FALSE", &no) < 0 ||
        H5Tenum_valueof(type, "TRUE", &yes) < 0 || no != 0 || yes != 1)
        return DTYPE_INVALID;
    return DTYPE_BOOL;
}

static enum dtype type_of(hid_t type)
{
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        return integer_type(type);
    case H5T_FLOAT:
        return float_type(type);
    case H5T_ENUM:
        return enum_type(type);
    case H5T_OPAQUE:
        return H5Tget_size(type) == 2 ? DTYPE_BFLOAT16 : DTYPE_INVALID;
    default:
        return DTYPE_INVALID;
    }
}

static const char *class_word(hid_t type)
{
    static const char *const words[] = {
        [H5T_INTEGER] = "an odd integer type",
        [H5T_FLOAT] = "an odd float type",
        [H5T_TIME] = "times",
        [H5T_STRING] = "strings",
        [H5T_BITFIELD] = "bit fields",
        [H5T_OPAQUE] = "opaque bytes",
        [H5T_COMPOUND] = "compound values",
        [H5T_REFERENCE] = "references",
        [H5T_ENUM] = "an enumeration",
        [H5T_VLEN] = "lists of varying length",
        [H5T_ARRAY] = "arrays",
    };
    int n = H5Tget_class(type);
    return n >= 0 && (size_t)n < KD_COUNT(words) ? words[n] : "an unknown type";
}

static int read_type(struct h5_dataset *dataset, const char *name, struct err *err)
{
    hid_t type = H5Dget_type(dataset->id);
    if (type < 0)
        return h5_fail(err, KD_EFORMAT, "the type of '%s' cannot be read", name);
    dataset->dtype = type_of(type);
    if (dataset->dtype == DTYPE_INVALID) {
        err_set(err, KD_EUNSUPPORTED,
                "'%s' holds %s (%zu bytes each), which is no type of weights that Keras writes", name,
                class_word(type), H5Tget_size(type));
        H5Eclear2(H5E_DEFAULT);
        H5Tclose(type);
        return KD_EUNSUPPORTED;
    }
    dataset->memory_type = H5Tcopy(type);
    int failed = dataset->memory_type < 0 ||
                 (H5Tget_order(type) == H5T_ORDER_BE && H5Tset_order(dataset->memory_type, H5T_ORDER_LE) < 0);
    H5Tclose(type);
    return failed ? h5_fail(err, KD_EFORMAT, "the type of '%s' cannot be used", name) : 0;
}

/* Sizes. */

static int take_shape(struct h5_dataset *dataset, hid_t space, const char *name, struct err *err)
{
    hsize_t dims[H5S_MAX_RANK];
    int rank = H5Sget_simple_extent_ndims(space);
    if (H5Sget_simple_extent_type(space) == H5S_NULL)
        return err_set(err, KD_EUNSUPPORTED, "'%s' is an empty dataset without a shape", name);
    if (rank < 0 || rank > SHAPE_MAX_RANK)
        return err_set(err, KD_EUNSUPPORTED, "'%s' has %d dimensions; weights have at most %d", name, rank,
                       SHAPE_MAX_RANK);
    if (H5Sget_simple_extent_dims(space, dims, NULL) != rank)
        return h5_fail(err, KD_EFORMAT, "the shape of '%s' cannot be read", name);
    size_t bytes = dtype_size(dataset->dtype);
    int empty = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] > INT64_MAX || (dims[i] && !size_mul(bytes, dims[i], &bytes)) || bytes > PTRDIFF_MAX)
            return err_set(err, KD_EFORMAT, "'%s' has a shape whose size overflows", name);
        empty |= dims[i] == 0;
        dataset->shape.dim[i] = (int64_t)dims[i];
    }
    dataset->shape.rank = rank;
    dataset->bytes = empty ? 0 : bytes;
    return 0;
}

static int read_shape(struct h5_dataset *dataset, const char *name, struct err *err)
{
    hid_t space = H5Dget_space(dataset->id);
    if (space < 0)
        return h5_fail(err, KD_EFORMAT, "the shape of '%s' cannot be read", name);
    int code = take_shape(dataset, space, name, err);
    H5Sclose(space);
    return code;
}

static int check_stored(const struct h5_dataset *dataset, H5D_layout_t layout, const char *name,
                        struct err *err)
{
    char shape[SHAPE_TEXT_MAX];
    hsize_t stored = H5Dget_storage_size(dataset->id);
    if (dataset->bytes == 0)
        return 0;
    shape_text(&dataset->shape, shape, sizeof(shape));
    if (stored == 0)
        return err_set(err, KD_EFORMAT,
                       "'%s' %s has no stored data: the program that wrote the file did not finish", name,
                       shape);
    if (layout != H5D_CHUNKED && stored < dataset->bytes)
        return err_set(err, KD_EFORMAT, "'%s' %s needs %zu bytes but stores %llu", name, shape,
                       dataset->bytes, (unsigned long long)stored);
    if (h5_is_bomb(dataset->bytes, stored))
        return err_set(err, KD_ETOOBIG,
                       "'%s' %s claims %zu bytes but stores %llu: such a shape bomb is not unpacked", name,
                       shape, dataset->bytes, (unsigned long long)stored);
    return 0;
}

/* Storage. */

static int check_filters(hid_t plist, const char *name, struct err *err)
{
    int n = H5Pget_nfilters(plist);
    if (n < 0)
        return h5_fail(err, KD_EFORMAT, "the filters of '%s' cannot be read", name);
    for (int i = 0; i < n; i++) {
        unsigned flags;
        size_t n_values = 0;
        char filter_name[64] = "";
        H5Z_filter_t filter = H5Pget_filter2(plist, (unsigned)i, &flags, &n_values, NULL, sizeof(filter_name),
                                             filter_name, NULL);
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32)
            return err_set(err, KD_EUNSUPPORTED,
                           "'%s' is packed with the HDF5 filter %d (%.63s), and plug-ins are not loaded: "
                           "run 'h5repack -f NONE' on the file",
                           name, (int)filter, filter_name);
    }
    return 0;
}

static int check_layout(const struct h5_dataset *dataset, hid_t plist, const char *name, struct err *err)
{
    H5D_layout_t layout = H5Pget_layout(plist);
    if (layout == H5D_VIRTUAL)
        return err_set(err, KD_EUNSUPPORTED,
                       "'%s' is a virtual dataset (its data is in other files): save the model "
                       "again, so that the file holds all its data",
                       name);
    if (layout != H5D_COMPACT && layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED)
        return h5_fail(err, KD_EFORMAT, "the storage of '%s' is of an unknown kind", name);
    if (layout == H5D_CONTIGUOUS && H5Pget_external_count(plist) != 0)
        return err_set(err, KD_EUNSUPPORTED,
                       "'%s' has external storage (its data is in other files): save the model "
                       "again, so that the file holds all its data",
                       name);
    int code = check_filters(plist, name, err);
    return code ? code : check_stored(dataset, layout, name, err);
}

static int check_storage(const struct h5_dataset *dataset, const char *name, struct err *err)
{
    hid_t plist = H5Dget_create_plist(dataset->id);
    if (plist < 0)
        return h5_fail(err, KD_EFORMAT, "the storage of '%s' cannot be read", name);
    int code = check_layout(dataset, plist, name, err);
    H5Pclose(plist);
    return code;
}

int h5_dataset_open(hid_t group, const char *path, const char *where, struct h5_dataset *ret, struct err *err)
{
    struct h5_dataset dataset = {.id = H5I_INVALID_HID, .memory_type = H5I_INVALID_HID};
    int code = h5_open(group, path, H5I_DATASET, where, &dataset.id, err);
    if (code || (code = read_type(&dataset, path, err)) || (code = read_shape(&dataset, path, err)) ||
        (code = check_storage(&dataset, path, err)))
        h5_dataset_close(&dataset);
    else
        *ret = dataset;
    return code;
}

int h5_dataset_read(const struct h5_dataset *dataset, const char *name, void *data, struct err *err)
{
    if (dataset->bytes == 0)
        return 0;
    if (H5Dread(dataset->id, dataset->memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0)
        return h5_fail(err, KD_EFORMAT, "the data of '%s' cannot be read: the file is damaged", name);
    return 0;
}

void h5_dataset_close(struct h5_dataset *dataset)
{
    if (dataset->memory_type >= 0)
        H5Tclose(dataset->memory_type);
    if (dataset->id >= 0)
        H5Oclose(dataset->id);
    dataset->id = dataset->memory_type = H5I_INVALID_HID;
}
