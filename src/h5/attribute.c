/* attribute: strings were written as fixed or variable length, scalar or list, ASCII or UTF-8, padded with
 * NUL or spaces, by age of Keras and h5py; all become NUL-terminated bytes here.
 *
 * Two traps. An empty list reaches the file as a list of float64 with no elements: a list without elements is
 * empty whatever its type. And a list over 64 KiB does not fit into an object's header: Keras splits it into
 * NAME0, NAME1,
 * ... of nearly equal length.
 *
 * The memory type is always a copy of the file's: HDF5 has no conversion between character sets. */
#include "h5/attribute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "h5/error.h"

/* An attribute while it is read. */
struct reading {
    hid_t attribute, type, space;
    const char *name, *where;
    struct arena *arena;
    struct err *err;
    size_t n, size, total; /* elements; bytes of one; bytes copied so far */
    bool variable;
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while reading the model's attributes");
}

static int too_big(const struct reading *reading)
{
    return err_set(reading->err, KD_ETOOBIG,
                   "attribute '%s' of '%s' is larger than any model's (limit %u bytes)", reading->name,
                   reading->where, H5_MAX_TEXT_BYTES);
}

static int open_reading(struct reading *reading, hid_t object)
{
    reading->attribute = H5Aopen(object, reading->name, H5P_DEFAULT);
    reading->type = reading->attribute < 0 ? H5I_INVALID_HID : H5Aget_type(reading->attribute);
    reading->space = reading->type < 0 ? H5I_INVALID_HID : H5Aget_space(reading->attribute);
    hssize_t n = reading->space < 0 ? -1 : H5Sget_simple_extent_npoints(reading->space);
    if (n < 0)
        return h5_fail(reading->err, KD_EFORMAT, "attribute '%s' of '%s' cannot be read", reading->name,
                       reading->where);
    reading->n = (size_t)n;
    if (n == 0)
        return 0;
    if (H5Tget_class(reading->type) != H5T_STRING)
        return err_set(reading->err, KD_EFORMAT, "attribute '%s' of '%s' holds no text", reading->name,
                       reading->where);
    htri_t variable = H5Tis_variable_str(reading->type);
    reading->variable = variable > 0;
    reading->size = H5Tget_size(reading->type);
    if (variable < 0 || reading->size == 0)
        return h5_fail(reading->err, KD_EFORMAT, "attribute '%s' of '%s' has a damaged type", reading->name,
                       reading->where);
    if (reading->n > H5_MAX_NAMES || reading->size > H5_MAX_TEXT_BYTES ||
        reading->n * reading->size > H5_MAX_TEXT_BYTES)
        return too_big(reading);
    return 0;
}

static void close_reading(struct reading *reading)
{
    if (reading->space >= 0)
        H5Sclose(reading->space);
    if (reading->type >= 0)
        H5Tclose(reading->type);
    if (reading->attribute >= 0)
        H5Aclose(reading->attribute);
}

static int keep(struct reading *reading, const char *text, size_t length, const char **ret)
{
    reading->total += length + 1;
    if (reading->total > H5_MAX_TEXT_BYTES)
        return too_big(reading);
    *ret = arena_strndup(reading->arena, text, length);
    return *ret ? 0 : no_memory(reading->err);
}

static int keep_fixed(struct reading *reading, const char *data, const char **items)
{
    bool spaces = H5Tget_strpad(reading->type) == H5T_STR_SPACEPAD;
    int code = 0;
    for (size_t i = 0; i < reading->n && !code; i++) {
        const char *text = data + i * reading->size;
        size_t length = strnlen(text, reading->size);
        while (spaces && length > 0 && text[length - 1] == ' ')
            length--;
        code = keep(reading, text, length, &items[i]);
    }
    return code;
}

static int keep_variable(struct reading *reading, char *const *data, const char **items)
{
    int code = 0;
    for (size_t i = 0; i < reading->n && !code; i++) {
        const char *text = data[i] ? data[i] : "";
        code = keep(reading, text, strlen(text), &items[i]);
    }
    return code;
}

static void reclaim(const struct reading *reading, void *data)
{
#if H5_VERSION_GE(1, 12, 0)
    H5Treclaim(reading->type, reading->space, H5P_DEFAULT, data);
#else
    H5Dvlen_reclaim(reading->type, reading->space, H5P_DEFAULT, data);
#endif
}

static int read_items(struct reading *reading, const char **items)
{
    int code;
    void *data = calloc(reading->n, reading->variable ? sizeof(char *) : reading->size);
    if (!data)
        return no_memory(reading->err);
    if (H5Aread(reading->attribute, reading->type, data) < 0)
        code = h5_fail(reading->err, KD_EFORMAT, "attribute '%s' of '%s' cannot be read", reading->name,
                       reading->where);
    else if (reading->variable)
        code = keep_variable(reading, data, items);
    else
        code = keep_fixed(reading, data, items);
    if (reading->variable)
        reclaim(reading, data);
    free(data);
    return code;
}

static int read_list(hid_t object, const char *name, const char *where, struct arena *arena,
                     struct h5_names *ret, struct err *err)
{
    struct reading reading = {.space = H5I_INVALID_HID,
                              .type = H5I_INVALID_HID,
                              .name = name,
                              .where = where,
                              .arena = arena,
                              .err = err};
    struct h5_names names = {0};
    int code = open_reading(&reading, object);
    if (!code) {
        names.n = reading.n;
        names.items = arena_calloc(arena, reading.n, sizeof(*names.items));
        code = !names.items ? no_memory(err) : reading.n ? read_items(&reading, names.items) : 0;
    }
    close_reading(&reading);
    if (!code)
        *ret = names;
    return code;
}

int h5_get_text(hid_t object, const char *name, const char *where, struct arena *arena, const char **ret,
                struct err *err)
{
    struct h5_names names;
    if (H5Aexists(object, name) <= 0) {
        H5Eclear2(H5E_DEFAULT);
        *ret = NULL;
        return 0;
    }
    int code = read_list(object, name, where, arena, &names, err);
    if (code)
        return code;
    if (names.n != 1)
        return err_set(err, KD_EFORMAT, "attribute '%s' of '%s' holds %zu texts instead of one", name, where,
                       names.n);
    *ret = names.items[0];
    return 0;
}

static int append(struct h5_names *all, const struct h5_names *part, struct arena *arena, struct err *err)
{
    size_t n = all->n + part->n;
    if (n > H5_MAX_NAMES)
        return err_set(err, KD_ETOOBIG, "a list of names has more than %u entries", H5_MAX_NAMES);
    const char **items = arena_calloc(arena, n, sizeof(*items));
    if (!items)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        items[i] = i < all->n ? all->items[i] : part->items[i - all->n];
    *all = (struct h5_names){n, items};
    return 0;
}

/* Parts hold 64 KiB each but may be empty in a hostile file: their number is bounded, for the copies above.
 */
#define MAX_PARTS 512

static int read_parts(hid_t object, const char *name, const char *where, struct arena *arena,
                      struct h5_names *ret, bool *ret_found, struct err *err)
{
    char part_name[64];
    struct h5_names all = {0}, part;
    for (int i = 0; i <= MAX_PARTS; i++) {
        snprintf(part_name, sizeof(part_name), "%s%d", name, i);
        if (i == MAX_PARTS)
            return err_set(err, KD_ETOOBIG, "'%s' of '%s' has more than %d parts", name, where, MAX_PARTS);
        if (H5Aexists(object, part_name) <= 0)
            break;
        int code = read_list(object, part_name, where, arena, &part, err);
        if (code || (code = append(&all, &part, arena, err)))
            return code;
        *ret_found = true;
    }
    *ret = all;
    return 0;
}

int h5_get_names(hid_t object, const char *name, const char *where, struct arena *arena, struct h5_names *ret,
                 bool *ret_found, struct err *err)
{
    *ret_found = H5Aexists(object, name) > 0;
    if (*ret_found)
        return read_list(object, name, where, arena, ret, err);
    return read_parts(object, name, where, arena, ret, ret_found, err);
}

bool h5_has_names(hid_t object, const char *name)
{
    char first_part[64];
    snprintf(first_part, sizeof(first_part), "%s0", name);
    return H5Aexists(object, name) > 0 || H5Aexists(object, first_part) > 0;
}
