/* A .keras archive: configuration, metadata, the HDF5 file with the weights, assets. */
#ifndef KD_H5_ARCHIVE_H
#define KD_H5_ARCHIVE_H

#include <stddef.h>

struct err;
struct h5_source;
struct image_writer;
struct h5_archive;

/* Reads the table of contents and the texts, and finds the weights. source is borrowed until h5_archive_free.
 */
int h5_archive_open(const struct h5_source *source, struct image_writer *writer, struct h5_archive **ret,
                    struct err *err);
void h5_archive_free(struct h5_archive *archive); /* accepts NULL */
/* The bytes of model.weights.h5, borrowed. */
const struct h5_source *h5_archive_weights(const struct h5_archive *archive);
/* Fills the assets into the mapped image. */
int h5_archive_read(struct h5_archive *archive, struct image_writer *writer, struct err *err);

#endif
