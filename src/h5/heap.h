/* Heap: HDF5 keeps the texts of variable length in collections, the "global heap". */
#ifndef KD_H5_HEAP_H
#define KD_H5_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* False if the bytes are the beginning of a collection (or all of it) whose objects do not follow one another to
 * its end. True for everything else. */
bool h5_heap_sound(const unsigned char *data, size_t size);

#endif
