/* Load: run the jailed child on a file and take its image. The only way from a path to a model image.
 *
 * The file is opened here, the child gets it as standard input, writes the image into a memfd (fd 3)
 * and one error sentence to a pipe (fd 4). The child may crash, hang or lie; the caller gets a
 * sentence and lives on. */
#ifndef KD_LOAD_LOAD_H
#define KD_LOAD_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct image;

struct load_options {
    const char *helper;      /* path of kerasd-load; NULL: found beside our own executable, else libexecdir */
    uint64_t max_file_bytes; /* refuse larger model files; 0: 16 GiB */
    uint64_t max_image_bytes;  /* 0: 16 GiB */
    uint64_t max_memory_bytes; /* address-space limit of the child; 0: image limit + 1 GiB */
    int64_t timeout_ms;        /* 0: 120,000 */
    int jail;                  /* 0: run the child without seccomp and landlock (tests, old kernels) */
};

/* Takes a stable snapshot of the file (size and mtime unchanged around the copy), loads and verifies it.
 * options may be NULL: all defaults, jailed. architecture_path: a JSON file beside a weights-only file, or
 * NULL to look for "<stem>.json" ("x.json" for x.weights.h5 too), "model.json" and "architecture.json" beside
 * it when the file turns out to be weights-only; the text then appears as image_content()->model_config. A file that has its own
 * configuration keeps it. Errors are sentences that say what the file is and what to do: KD_ENOTFOUND,
 * KD_EFORMAT, KD_EUNSUPPORTED, KD_ETOOBIG, KD_ETIMEOUT, KD_ENOMEM, KD_EIO. Thread-safe; blocks until the
 * child ended. */
int load_file(const char *path, const char *architecture_path, const struct load_options *options,
              struct image **ret, struct err *err);

/* Finds the architecture file that load_file would look for beside a weights-only file. False if there is none
 * (path is then undefined). */
bool load_architecture_beside(const char *weights_path, char *path, size_t size);

/* What the helper says of itself and its jail, one line ("kerasd-load 0.1.0, HDF5 1.10.8, jail: landlock 7,
 * seccomp"), appended to ret. *ret_jailed: whether it has a jail at all. Errors: KD_ENOTFOUND, KD_EIO,
 * KD_EINTERNAL. */
int load_probe(const struct load_options *options, struct buf *ret, bool *ret_jailed, struct err *err);

#endif
