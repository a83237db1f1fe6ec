/* Sniff: what a file is that is neither HDF5 nor a .keras archive, and what its owner can do. */
#ifndef KD_H5_SNIFF_H
#define KD_H5_SNIFF_H

#include <stdbool.h>

struct err;
struct h5_source;
struct h5_zip;

/* The HDF5 signature at 0, 512, 1024, 2048, ... */
bool h5_is_hdf5(const struct h5_source *source);
bool h5_is_zip(const struct h5_source *source);
/* Both always fail with a sentence; KD_EFORMAT for damaged or foreign files, KD_EUNSUPPORTED for models of
 * others. */
int h5_refuse_file(const struct h5_source *source, struct err *err);
int h5_refuse_zip(const struct h5_zip *zip, struct err *err);

#endif
