/* Objects of the file: opened by path, one hard link at a time. */
#ifndef KD_H5_OBJECT_H
#define KD_H5_OBJECT_H

#include <hdf5.h>
#include <stdbool.h>

struct err;

/* Opens the group or dataset at path ("a/b//c": empty components are skipped), seen from group. Every step
 * must be a hard link: soft, external and user-defined links are refused (KD_EFORMAT for what is missing or
 * of another type, KD_EUNSUPPORTED for links). where: the group's own path, for the sentence. The caller
 * closes with H5Oclose. */
int h5_open(hid_t group, const char *path, H5I_type_t type, const char *where, hid_t *ret, struct err *err);
/* True if group has a link of this name (one component) that is a hard link to a group. */
bool h5_has_group(hid_t group, const char *name);

#endif
