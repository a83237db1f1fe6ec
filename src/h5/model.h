/* The model inside an HDF5 file: described to the image writer, then read into the image. */
#ifndef KD_H5_MODEL_H
#define KD_H5_MODEL_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image_write.h"

struct arena;
struct err;
struct h5_source;

/* Initialises HDF5 for hostile files: no plug-ins, no external links, no output. Once per process; also makes
 * everything that HDF5 would otherwise look up later (environment, time zone). */
int h5_init(struct err *err);

/* One run over one file. */
struct h5_model {
    hid_t file;
    hid_t root;
    struct arena *arena;
    struct image_writer *writer;
    uint64_t file_bytes;
    uint64_t claimed_bytes; /* of all tensors with data */
    struct h5_pending *pending;
    size_t n_pending, room;
    bool in_archive; /* the model's configuration came from outside the HDF5 file */
};

/* Opens the file in source (borrowed until h5_model_done). */
int h5_model_init(struct h5_model *model, const struct h5_source *source, struct image_writer *writer,
                  struct err *err);
void h5_model_done(struct h5_model *model);
/* Tells the kind of the file and describes everything in it to the writer. */
int h5_model_describe(struct h5_model *model, struct err *err);
/* Fills the mapped image. */
int h5_model_read(struct h5_model *model, struct err *err);

/* For the two layouts: describes one dataset; its data follows in h5_model_read if with_data says so. */
enum h5_data { H5_DATA_NONE, H5_DATA_SCALARS, H5_DATA_ALL };
int h5_model_tensor(struct h5_model *model, enum image_section section, hid_t group, const char *where,
                    const char *path, enum h5_data with_data, struct err *err);

/* legacy.c: layer_names and weight_names; root may be the file's root or its model_weights group. */
int h5_legacy_describe(struct h5_model *model, hid_t root, const char *where, struct err *err);
int h5_legacy_optimizer(struct h5_model *model, struct err *err);
/* layout3.c: Keras 3 groups with "vars". */
bool h5_layout3_found(hid_t root);
int h5_layout3_describe(struct h5_model *model, struct err *err);

#endif
