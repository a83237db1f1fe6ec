/* Datasets: opened with suspicion, described, read into a given place. */
#ifndef KD_H5_DATASET_H
#define KD_H5_DATASET_H

#include <hdf5.h>
#include <stddef.h>

#include "tensor/dtype.h"
#include "tensor/shape.h"

struct err;

struct h5_dataset {
    hid_t id;
    hid_t memory_type; /* the file's own type, little-endian */
    enum dtype dtype;
    struct shape shape;
    size_t bytes; /* of the elements */
};

/* Opens the dataset at path, seen from group (whose path is `where`), and checks type, shape, layout, filters
 * and that the declared size is plausible beside the stored one. Errors: KD_EFORMAT, KD_EUNSUPPORTED,
 * KD_ETOOBIG. */
int h5_dataset_open(hid_t group, const char *path, const char *where, struct h5_dataset *ret,
                    struct err *err);
/* All elements in C order, little-endian; room for dataset->bytes. */
int h5_dataset_read(const struct h5_dataset *dataset, const char *name, void *data, struct err *err);
void h5_dataset_close(struct h5_dataset *dataset);

/* True if `declared` bytes cannot come from `stored` bytes, compressed or not. */
int h5_is_bomb(uint64_t declared, uint64_t stored);

#endif
