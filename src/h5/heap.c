/* heap: libhdf5 walks the objects of a global heap collection by their sizes and trusts them: an object 0 of size 0
 * (a collection of zeros behind its header) holds it forever, and a size near 2^64 sends it backwards. So each
 * collection is walked here first.
 *
 * Layout (HDF5 file format, III.E): "GCOL", version, 3 reserved, size of the collection in 8 bytes; then objects:
 * index and references (2 bytes each), 4 reserved, size in 8 bytes, data padded to 8. Object 0 is the free space; its
 * size counts its header. Less than a header's room at the end is free space too. Files with sizes of other than 8
 * bytes, which no Keras writes, are not looked at. */
#include "h5/heap.h"

#include <stdint.h>
#include <string.h>

#define HEADER_BYTES 16

static uint64_t decode(const unsigned char *data, int n)
{
    uint64_t value = 0;
    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | data[i];
    return value;
}

bool h5_heap_sound(const unsigned char *data, size_t size)
{
    if (size < HEADER_BYTES || memcmp(data, "GCOL\1\0\0\0", 8) != 0)
        return true;
    uint64_t end = decode(data + 8, 8), at = HEADER_BYTES;
    while (at < end && end - at >= HEADER_BYTES && at + HEADER_BYTES <= size) {
        uint64_t room = end - at, length = decode(data + at + 8, 8);
        if (length > room)
            return false;
        uint64_t step = decode(data + at, 2) ? HEADER_BYTES + ((length + 7) & ~(uint64_t)7) : length;
        if (step < HEADER_BYTES || step > room)
            return false;
        at += step;
    }
    return true;
}
