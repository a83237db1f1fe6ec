/* source: the loader reads its input by position, never by name, so that after the jail is closed nothing
 * needs to be opened: a descriptor that it was given, memory (tests, unpacked archive entries), or a window
 * on either. */
#include "h5/source.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct h5_source h5_source_fd(int fd, uint64_t size)
{
    return (struct h5_source){.fd = fd, .size = size};
}

struct h5_source h5_source_memory(const void *memory, size_t size)
{
    return (struct h5_source){.fd = -1, .memory = memory, .size = size};
}

struct h5_source h5_source_part(const struct h5_source *whole, uint64_t at, uint64_t size)
{
    struct h5_source part = *whole;
    part.size = size;
    if (part.fd >= 0)
        part.base += at;
    else
        part.memory += at;
    return part;
}

int h5_source_read(const struct h5_source *source, uint64_t at, void *data, size_t length)
{
    if (at > source->size || length > source->size - at)
        return -1;
    if (source->fd < 0) {
        if (length)
            memcpy(data, source->memory + at, length);
        return 0;
    }
    unsigned char *to = data;
    while (length > 0) {
        ssize_t got = pread(source->fd, to, length, (off_t)(source->base + at));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        to += got;
        at += (uint64_t)got;
        length -= (size_t)got;
    }
    return 0;
}
