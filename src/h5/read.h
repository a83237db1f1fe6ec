/* The whole way of a model file into an image, in one call: what kerasd-load does inside the jail. */
#ifndef KD_H5_READ_H
#define KD_H5_READ_H

#include <stddef.h>

struct buf;
struct err;
struct h5_source;

/* Reads the file behind source into image_fd (empty), at most max_image_bytes. h5_init was called. ret_text:
 * if not NULL, gets a description for people. On failure the sentence says what the file is and what to do:
 * KD_EFORMAT, KD_EUNSUPPORTED, KD_ETOOBIG, KD_ENOMEM, KD_EIO. */
int h5_read_file(const struct h5_source *source, int image_fd, size_t max_image_bytes, struct buf *ret_text,
                 struct err *err);

#endif
