/* object: a path in the file is walked link by link, since a link may be a trap: an external link makes HDF5
 * open another file, a soft link may lead anywhere. Keras writes hard links only, so nothing else is
 * followed. Each step consumes a part of the path: links that form a circle cannot make the walk endless. */
#include "h5/object.h"

#include <string.h>

#include "base/err.h"
#include "h5/error.h"

#define NAME_MAX_BYTES 4096

static int refuse_link(struct err *err, H5L_type_t type, const char *name, const char *where)
{
    const char *what = type == H5L_TYPE_SOFT       ? "a soft link (a pointer to another place)"
                       : type == H5L_TYPE_EXTERNAL ? "an external link (a pointer into another file)"
                                                   : "a user-defined link";
    return err_set(err, KD_EUNSUPPORTED,
                   "'%s' in '%s' is %s, which is not followed: save the model again, so that the file holds "
                   "all its data",
                   name, where, what);
}

static const char *type_word(H5I_type_t type)
{
    return type == H5I_GROUP ? "a group" : type == H5I_DATASET ? "a dataset" : "a type";
}

static int step(hid_t at, const char *name, H5I_type_t type, const char *where, hid_t *ret, struct err *err)
{
    H5L_info_t info;
    if (H5Lexists(at, name, H5P_DEFAULT) <= 0)
        return h5_fail(err, KD_EFORMAT, "the file lists '%s' in '%s' but does not hold it", name, where);
    if (H5Lget_info(at, name, &info, H5P_DEFAULT) < 0)
        return h5_fail(err, KD_EFORMAT, "the link '%s' in '%s' cannot be read", name, where);
    if (info.type != H5L_TYPE_HARD)
        return refuse_link(err, info.type, name, where);
    hid_t next = H5Oopen(at, name, H5P_DEFAULT);
    if (next < 0)
        return h5_fail(err, KD_EFORMAT, "'%s' in '%s' cannot be opened", name, where);
    if (H5Iget_type(next) != type) {
        err_set(err, KD_EFORMAT, "'%s' in '%s' is %s where %s is needed", name, where,
                type_word(H5Iget_type(next)), type_word(type));
        H5Oclose(next);
        return KD_EFORMAT;
    }
    *ret = next;
    return 0;
}

int h5_open(hid_t group, const char *path, H5I_type_t type, const char *where, hid_t *ret, struct err *err)
{
    char name[NAME_MAX_BYTES];
    hid_t at = group;
    int code = err_set(err, KD_EFORMAT, "'%s' names nothing in '%s'", path, where);
    for (const char *from = path + strspn(path, "/"); *from;) {
        size_t length = strcspn(from, "/");
        const char *rest = from + length + strspn(from + length, "/");
        if (length >= sizeof(name) || (length == 1 && *from == '.')) {
            code =
                err_set(err, KD_EFORMAT, "'%.64s...' in '%s' is not a name that Keras writes", from, where);
        } else {
            hid_t next = H5I_INVALID_HID;
            memcpy(name, from, length);
            name[length] = '\0';
            code = step(at, name, *rest ? H5I_GROUP : type, where, &next, err);
            if (at != group)
                H5Oclose(at);
            at = code ? group : next;
        }
        if (code)
            break;
        from = rest;
    }
    if (code && at != group)
        H5Oclose(at);
    if (!code)
        *ret = at;
    return code;
}

bool h5_has_group(hid_t group, const char *name)
{
    hid_t child;
    if (H5Lexists(group, name, H5P_DEFAULT) <= 0 || h5_open(group, name, H5I_GROUP, "/", &child, NULL))
        return false;
    H5Oclose(child);
    return true;
}
