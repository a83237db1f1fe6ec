/* Source: the bytes of the file, or of a file inside an archive; every read is bounded by its size. */
#ifndef KD_H5_SOURCE_H
#define KD_H5_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct h5_source {
    int fd;                      /* read by position; -1: in memory */
    const unsigned char *memory; /* borrowed */
    uint64_t base;               /* where in fd the first byte is */
    uint64_t size;
};

struct h5_source h5_source_fd(int fd, uint64_t size);
struct h5_source h5_source_memory(const void *memory, size_t size);
/* A part of another one; the caller checked that it lies inside. */
struct h5_source h5_source_part(const struct h5_source *whole, uint64_t at, uint64_t size);
/* Exactly length bytes from `at`, or -1. */
int h5_source_read(const struct h5_source *source, uint64_t at, void *data, size_t length);

#endif
