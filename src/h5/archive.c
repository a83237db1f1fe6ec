/* archive: what Keras 3 saves by default, a zip with three files and a folder.
 *
 *   config.json        the model's configuration, the model_config of an .h5 file
 *   metadata.json      {"keras_version": "3.5.0", "date_saved": ...}
 *   model.weights.h5   layout 3
 *   assets/...         vocabularies of lookup layers
 */
#include "h5/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "h5/attribute.h"
#include "h5/sniff.h"
#include "h5/zip.h"
#include "image/image_write.h"

#define MAX_ASSET_BYTES    ((uint64_t)1 << 30)
#define MAX_METADATA_BYTES 65536

struct asset {
    struct asset *next;
    size_t index; /* in the writer */
    const struct h5_zip_entry *entry;
};

struct h5_archive {
    struct arena *arena;
    struct h5_zip zip;
    struct h5_source weights;
    void *memory; /* of unpacked weights */
    size_t mapped;
    struct asset *assets, **last_asset;
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while reading the archive");
}

/* Copies a small entry to `to`, which has room for entry->bytes. */
static int copy_entry(struct h5_archive *archive, const struct h5_zip_entry *entry, void *to, struct err *err)
{
    struct h5_source source;
    void *memory;
    size_t mapped;
    int code = h5_zip_source(&archive->zip, entry, entry->bytes, &source, &memory, &mapped, err);
    if (code)
        return code;
    if (h5_source_read(&source, 0, to, entry->bytes))
        code = err_set(err, KD_EFORMAT, "'%s' in the archive cannot be read", entry->name);
    if (memory)
        munmap(memory, mapped);
    return code;
}

/* A small text entry, NUL-terminated; *ret is NULL if there is none of this name. */
static int read_text(struct h5_archive *archive, const char *name, size_t max_bytes, char **ret,
                     size_t *ret_length, struct err *err)
{
    const struct h5_zip_entry *entry = h5_zip_find(&archive->zip, name);
    *ret = NULL;
    if (!entry)
        return 0;
    if (entry->bytes > max_bytes)
        return err_set(err, KD_ETOOBIG, "'%s' in the archive has %llu bytes, more than any model's", name,
                       (unsigned long long)entry->bytes);
    char *text = arena_alloc(archive->arena, entry->bytes + 1);
    if (!text)
        return no_memory(err);
    int code = copy_entry(archive, entry, text, err);
    if (code)
        return code;
    text[entry->bytes] = '\0';
    *ret_length = strlen(text);
    *ret = text;
    return 0;
}

static int describe_config(struct h5_archive *archive, struct image_writer *writer, struct err *err)
{
    char *text;
    size_t length = 0;
    int code = read_text(archive, "config.json", H5_MAX_TEXT_BYTES, &text, &length, err);
    if (code)
        return code;
    return text ? image_writer_text(writer, IMAGE_MODEL_CONFIG, text, length, err)
                : h5_refuse_zip(&archive->zip, err);
}

/* One flat string is wanted from the metadata: a JSON parser would be too much for this side of the jail. */
static int describe_version(struct h5_archive *archive, struct image_writer *writer, struct err *err)
{
    static const char key[] = "\"keras_version\"";
    char *text, version[64];
    size_t length = 0;
    int code = read_text(archive, "metadata.json", MAX_METADATA_BYTES, &text, &length, err);
    const char *at = code || !text ? NULL : strstr(text, key);
    if (!at || sscanf(at + strlen(key), " : \"%63[0-9a-zA-Z.+-]\"", version) != 1)
        return code;
    code = image_writer_text(writer, IMAGE_KERAS_VERSION, version, strlen(version), err);
    return code ? code : image_writer_text(writer, IMAGE_WEIGHTS_VERSION, version, strlen(version), err);
}

static int describe_asset(struct h5_archive *archive, const struct h5_zip_entry *entry,
                          struct image_writer *writer, struct err *err)
{
    struct asset *asset = arena_alloc(archive->arena, sizeof(*asset));
    if (!asset)
        return no_memory(err);
    if (entry->bytes > MAX_ASSET_BYTES)
        return err_set(err, KD_ETOOBIG, "'%.200s' in the archive is larger than any asset", entry->name);
    struct shape shape = {.rank = 1, .dim = {(int64_t)entry->bytes}};
    asset->entry = entry;
    *archive->last_asset = asset;
    archive->last_asset = &asset->next;
    return image_writer_tensor(writer, IMAGE_SECTION_ASSETS, entry->name, DTYPE_UINT8, &shape, true,
                               &asset->index, err);
}

static int describe(struct h5_archive *archive, struct image_writer *writer, struct err *err)
{
    int code = describe_config(archive, writer, err);
    if (!code)
        code = describe_version(archive, writer, err);
    for (size_t i = 0; i < archive->zip.n_entries && !code; i++) {
        const struct h5_zip_entry *entry = &archive->zip.entries[i];
        if (str_starts(entry->name, "assets/") && !str_ends(entry->name, "/"))
            code = describe_asset(archive, entry, writer, err);
    }
    return code;
}

static int find_weights(struct h5_archive *archive, struct err *err)
{
    const struct h5_zip_entry *entry = h5_zip_find(&archive->zip, "model.weights.h5");
    if (!entry && h5_zip_find(&archive->zip, "model.weights.json"))
        return err_set(err, KD_EUNSUPPORTED,
                       "this .keras archive has its weights in several parts (sharded): save "
                       "the model without max_shard_size");
    if (!entry)
        return err_set(err, KD_EFORMAT,
                       "this .keras archive has a config.json but no model.weights.h5: save the "
                       "model again with model.save(\"model.keras\")");
    return h5_zip_source(&archive->zip, entry, UINT64_MAX, &archive->weights, &archive->memory,
                         &archive->mapped, err);
}

int h5_archive_open(const struct h5_source *source, struct image_writer *writer, struct h5_archive **ret,
                    struct err *err)
{
    struct h5_archive *archive = calloc(1, sizeof(*archive));
    if (!archive)
        return no_memory(err);
    archive->last_asset = &archive->assets;
    archive->arena = arena_new();
    int code = archive->arena ? h5_zip_open(source, archive->arena, &archive->zip, err) : no_memory(err);
    if (!code)
        code = describe(archive, writer, err);
    if (!code)
        code = find_weights(archive, err);
    if (code) {
        h5_archive_free(archive);
        return code;
    }
    *ret = archive;
    return 0;
}

void h5_archive_free(struct h5_archive *archive)
{
    if (!archive)
        return;
    if (archive->memory)
        munmap(archive->memory, archive->mapped);
    arena_free(archive->arena);
    free(archive);
}

const struct h5_source *h5_archive_weights(const struct h5_archive *archive)
{
    return &archive->weights;
}

int h5_archive_read(struct h5_archive *archive, struct image_writer *writer, struct err *err)
{
    int code = 0;
    for (const struct asset *asset = archive->assets; asset && !code; asset = asset->next) {
        size_t bytes;
        void *data = image_writer_data(writer, asset->index, &bytes);
        code = copy_entry(archive, asset->entry, data, err);
    }
    return code;
}
