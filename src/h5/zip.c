/* zip: as much of the format as Python's zipfile writes: stored and deflated entries, 64-bit sizes.
 *
 *   [local header, data] [local header, data] ... [central directory] [end64, locator64] [end, comment]
 *
 * The end record is searched backwards from the end of the file; the central directory says where everything
 * is and how large; of a local header only its own length is believed. A stored entry is not copied: HDF5
 * reads it through a window on the archive. A deflated one is unpacked into pages that are shared with
 * nobody, but mapped as shared, so that they count against the limit of the address space, not of the heap.
 */
#include "h5/zip.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"
#include "h5/dataset.h"

#define END_BYTES           22
#define END_SEARCH          (END_BYTES + 65535)
#define LOCATOR64_BYTES     20
#define END64_BYTES         56
#define CENTRAL_BYTES       46
#define LOCAL_BYTES         30
#define MAX_DIRECTORY_BYTES (16u << 20)
#define MAX_ENTRIES         65536u
#define INFLATE_STEP        (256 * 1024)

static uint64_t get(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static int damaged(struct err *err, const char *what)
{
    return err_set(err, KD_EFORMAT, "this zip archive is damaged: %s; fetch it again", what);
}

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while reading the zip archive");
}

struct directory {
    uint64_t at, bytes, n;
};

static int read_end64(const struct h5_source *source, uint64_t end_at, struct directory *directory,
                      struct err *err)
{
    unsigned char record[END64_BYTES];
    if (end_at < LOCATOR64_BYTES ||
        h5_source_read(source, end_at - LOCATOR64_BYTES, record, LOCATOR64_BYTES) ||
        get(record, 4) != 0x07064b50)
        return damaged(err, "its 64-bit end record is missing");
    uint64_t at = get(record + 8, 8);
    if (h5_source_read(source, at, record, END64_BYTES) || get(record, 4) != 0x06064b50)
        return damaged(err, "its 64-bit end record is not where it should be");
    *directory =
        (struct directory){.n = get(record + 32, 8), .bytes = get(record + 40, 8), .at = get(record + 48, 8)};
    return 0;
}

static int find_directory(const struct h5_source *source, struct arena *arena, struct directory *ret,
                          struct err *err)
{
    size_t length = source->size < END_SEARCH ? (size_t)source->size : END_SEARCH;
    uint64_t start = source->size - length;
    unsigned char *tail = arena_alloc(arena, length);
    if (!tail)
        return no_memory(err);
    if (h5_source_read(source, start, tail, length))
        return damaged(err, "it cannot be read");
    for (size_t i = length < END_BYTES ? 0 : length - END_BYTES + 1; i-- > 0;) {
        const unsigned char *end = tail + i;
        if (get(end, 4) != 0x06054b50)
            continue;
        *ret = (struct directory){.n = get(end + 10, 2), .bytes = get(end + 12, 4), .at = get(end + 16, 4)};
        if (ret->n == 0xffff || ret->bytes == 0xffffffff || ret->at == 0xffffffff)
            return read_end64(source, start + i, ret, err);
        return 0;
    }
    return damaged(err, "its end is missing, so the copy or download did not finish");
}

/* The 64-bit sizes stand in an extra field, in this order, each only if its 32-bit field is full. */
static void read_extra64(struct h5_zip_entry *entry, const unsigned char *extra, size_t length)
{
    uint64_t *const fields[] = {&entry->bytes, &entry->packed_bytes, &entry->header_at};
    while (length >= 4) {
        size_t tag = get(extra, 2), size = get(extra + 2, 2);
        extra += 4, length -= 4;
        if (size > length)
            return;
        for (size_t i = 0, at = 0; tag == 1 && i < KD_COUNT(fields); i++) {
            if (*fields[i] != 0xffffffff || at + 8 > size)
                continue;
            *fields[i] = get(extra + at, 8);
            at += 8;
        }
        extra += size, length -= size;
    }
}

static size_t read_entry(const unsigned char *at, size_t left, struct arena *arena,
                         struct h5_zip_entry *entry)
{
    if (left < CENTRAL_BYTES || get(at, 4) != 0x02014b50)
        return 0;
    size_t name = get(at + 28, 2), extra = get(at + 30, 2),
           total = CENTRAL_BYTES + name + extra + get(at + 32, 2);
    if (total > left)
        return 0;
    entry->flags = (unsigned)get(at + 8, 2);
    entry->method = (unsigned)get(at + 10, 2);
    entry->crc = (uint32_t)get(at + 16, 4);
    entry->packed_bytes = get(at + 20, 4);
    entry->bytes = get(at + 24, 4);
    entry->header_at = get(at + 42, 4);
    read_extra64(entry, at + CENTRAL_BYTES + name, extra);
    entry->name = arena_strndup(arena, (const char *)at + CENTRAL_BYTES, name);
    return entry->name ? total : 0;
}

int h5_zip_open(const struct h5_source *source, struct arena *arena, struct h5_zip *ret, struct err *err)
{
    struct directory directory = {0};
    int code = find_directory(source, arena, &directory, err);
    if (code)
        return code;
    if (directory.n > MAX_ENTRIES || directory.bytes > MAX_DIRECTORY_BYTES)
        return err_set(err, KD_ETOOBIG, "this zip archive has %llu entries, more than any model's",
                       (unsigned long long)directory.n);
    unsigned char *table = arena_alloc(arena, directory.bytes);
    struct h5_zip zip = {.source = source, .entries = arena_calloc(arena, directory.n, sizeof(*zip.entries))};
    if (!table || !zip.entries)
        return no_memory(err);
    if (h5_source_read(source, directory.at, table, directory.bytes))
        return damaged(err, "its directory is not where it should be");
    for (size_t at = 0; zip.n_entries < directory.n; zip.n_entries++) {
        size_t used = read_entry(table + at, directory.bytes - at, arena, &zip.entries[zip.n_entries]);
        if (!used)
            return damaged(err, "its directory is cut short");
        at += used;
    }
    *ret = zip;
    return 0;
}

const struct h5_zip_entry *h5_zip_find(const struct h5_zip *zip, const char *name)
{
    for (size_t i = 0; i < zip->n_entries; i++)
        if (strcmp(zip->entries[i].name, name) == 0)
            return &zip->entries[i];
    return NULL;
}

/* Unpacking. */

static int inflate_into(const struct h5_source *packed, unsigned char *memory, size_t bytes)
{
    static unsigned char input[INFLATE_STEP]; /* one thread, one archive at a time */
    z_stream stream = {0};
    uint64_t at = 0;
    int status = Z_OK;
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return -1;
    size_t done = 0;
    while (status == Z_OK) {
        if (stream.avail_in == 0) {
            size_t n = packed->size - at < sizeof(input) ? (size_t)(packed->size - at) : sizeof(input);
            if (n == 0 || h5_source_read(packed, at, input, n))
                break;
            at += n;
            stream.next_in = input;
            stream.avail_in = (uInt)n;
        }
        size_t room = bytes - done < INT32_MAX ? bytes - done : INT32_MAX;
        stream.next_out = memory + done;
        stream.avail_out = (uInt)room;
        status = inflate(&stream, Z_NO_FLUSH);
        done += room - stream.avail_out;
    }
    inflateEnd(&stream);
    return status == Z_STREAM_END && done == bytes ? 0 : -1;
}

static uint32_t crc_of(const unsigned char *memory, size_t bytes)
{
    uLong crc = crc32(0, NULL, 0);
    while (bytes > 0) {
        uInt n = bytes < INT32_MAX ? (uInt)bytes : INT32_MAX;
        crc = crc32(crc, memory, n);
        memory += n;
        bytes -= n;
    }
    return (uint32_t)crc;
}

static int unpack(const struct h5_source *packed, const struct h5_zip_entry *entry, struct h5_source *ret,
                  void **ret_memory, size_t *ret_mapped, struct err *err)
{
    size_t bytes = entry->bytes, mapped = bytes ? bytes : 1;
    void *memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return err_errno(err, errno, "cannot unpack '%s' (%zu bytes)", entry->name, bytes);
    if (inflate_into(packed, memory, bytes) || crc_of(memory, bytes) != entry->crc) {
        munmap(memory, mapped);
        return damaged(err, "an entry's packed data is broken");
    }
    *ret = h5_source_memory(memory, bytes);
    *ret_memory = memory;
    *ret_mapped = mapped;
    return 0;
}

int h5_zip_source(const struct h5_zip *zip, const struct h5_zip_entry *entry, uint64_t max_bytes,
                  struct h5_source *ret, void **ret_memory, size_t *ret_mapped, struct err *err)
{
    unsigned char local[LOCAL_BYTES];
    *ret_memory = NULL;
    if (entry->flags & 1)
        return err_set(err, KD_EUNSUPPORTED,
                       "'%s' in this zip archive is encrypted: store it without a password", entry->name);
    if (entry->method != 0 && entry->method != 8)
        return err_set(err, KD_EUNSUPPORTED,
                       "'%s' in this zip archive is packed by method %u; store or deflate it", entry->name,
                       entry->method);
    if (entry->bytes > max_bytes || h5_is_bomb(entry->bytes, entry->packed_bytes))
        return err_set(err, KD_ETOOBIG, "'%s' in this zip archive claims %llu bytes", entry->name,
                       (unsigned long long)entry->bytes);
    if (h5_source_read(zip->source, entry->header_at, local, sizeof(local)) || get(local, 4) != 0x04034b50)
        return damaged(err, "an entry is not where it should be");
    uint64_t at = entry->header_at + LOCAL_BYTES + get(local + 26, 2) + get(local + 28, 2);
    if (at > zip->source->size || entry->packed_bytes > zip->source->size - at)
        return damaged(err, "an entry reaches beyond the end");
    struct h5_source packed = h5_source_part(zip->source, at, entry->packed_bytes);
    if (entry->method == 8)
        return unpack(&packed, entry, ret, ret_memory, ret_mapped, err);
    if (entry->bytes != entry->packed_bytes)
        return damaged(err, "a stored entry has two sizes");
    *ret = packed;
    return 0;
}
