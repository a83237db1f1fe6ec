/* A virtual file driver for HDF5 that reads from a source: the library itself opens nothing. */
#ifndef KD_H5_VFD_H
#define KD_H5_VFD_H

#include <hdf5.h>

struct h5_source;

/* Once per process, after H5open; negative on failure. */
hid_t h5_vfd_register(void);
/* File access properties that open this source (borrowed while the file is open), read-only; negative on
 * failure. The caller closes them. */
hid_t h5_vfd_access(hid_t driver, const struct h5_source *source);

#endif
