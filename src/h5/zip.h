/* Zip archives: the table of contents, and one entry as a source. */
#ifndef KD_H5_ZIP_H
#define KD_H5_ZIP_H

#include <stddef.h>
#include <stdint.h>

#include "h5/source.h"

struct arena;
struct err;

struct h5_zip_entry {
    const char *name;
    unsigned method; /* 0: stored, 8: deflated */
    unsigned flags;
    uint32_t crc;
    uint64_t packed_bytes, bytes, header_at;
};

struct h5_zip {
    const struct h5_source *source; /* borrowed */
    struct h5_zip_entry *entries;
    size_t n_entries;
};

/* Reads the table of contents into the arena. KD_EFORMAT, KD_ETOOBIG, KD_ENOMEM. */
int h5_zip_open(const struct h5_source *source, struct arena *arena, struct h5_zip *ret, struct err *err);
/* NULL if there is none of this name. */
const struct h5_zip_entry *h5_zip_find(const struct h5_zip *zip, const char *name);
/* The entry's bytes: a window on the archive if stored, else unpacked into *ret_memory, *ret_mapped bytes,
 * which the caller munmaps (NULL if there is nothing to unmap). At most max_bytes. */
int h5_zip_source(const struct h5_zip *zip, const struct h5_zip_entry *entry, uint64_t max_bytes,
                  struct h5_source *ret, void **ret_memory, size_t *ret_mapped, struct err *err);

#endif
