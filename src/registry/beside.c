/* beside: finds the files that belong to a model. They are read without being asked for; a sidecar that is there
 * but can't be read fails the load instead of changing what the model computes.
 *
 * For the watch they are part of the model: whoever adds the sidecar that a refused Lambda needs, or mends the
 * class names, expects the model to be loaded again. */
#include "registry/beside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "conf/conf.h"
#include "load/load.h"
#include "registry/model.h"
#include "registry/source.h"

#define SIDECAR_SUFFIX ".kerasd.json"
#define MAX_PATH 4096

/* FNV-1a, 64 bits. */
#define HASH_PRIME UINT64_C(0x100000001b3)

int registry_sidecar_read(const char *model_path, const char *configured, struct buf *ret, struct err *err)
{
    struct buf path;
    if (*configured)
        return fd_read_file(configured, ret, err);
    buf_init(&path, 65536);
    int code = buf_printf(&path, "%s" SIDECAR_SUFFIX, model_path);
    if (code)
        return err_set(err, code, "the path of the model is too long");
    if (access(path.data, F_OK) == 0)
        code = fd_read_file(path.data, ret, err);
    buf_done(&path);
    return code;
}

bool registry_beside_find(const char *model_path, const char *suffix, char *found, size_t size)
{
    char stem[256];
    const char *slash = strrchr(model_path, '/');
    int directory = slash ? (int)(slash - model_path) + 1 : 0;
    if (registry_model_stem(model_path, stem, sizeof(stem))) {
        snprintf(found, size, "%.*s%s.%s", directory, model_path, stem, suffix);
        if (access(found, F_OK) == 0)
            return true;
    }
    snprintf(found, size, "%.*s%s", directory, model_path, suffix);
    return access(found, F_OK) == 0;
}

/* Which file, not only its state: one that goes and another that comes are a change. */
static void add_file(struct registry_file *file, uint64_t role, const char *path)
{
    struct registry_file one;
    if (!registry_file_identify(path, &one))
        return;
    const uint64_t parts[] = {role, one.device, one.inode, one.size, (uint64_t)one.mtime_ns};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        file->beside = (file->beside ^ parts[i]) * HASH_PRIME;
    if (one.mtime_ns > file->newest_ns)
        file->newest_ns = one.mtime_ns;
}

void registry_beside_identify(const char *model_path, const struct conf_model *conf, struct registry_file *file)
{
    char path[MAX_PATH];
    snprintf(path, sizeof(path), "%s" SIDECAR_SUFFIX, model_path);
    add_file(file, 1, *conf->sidecar ? conf->sidecar : path);
    if (*conf->classes)
        add_file(file, 2, conf->classes);
    else if (registry_beside_find(model_path, "labels.txt", path, sizeof(path)))
        add_file(file, 2, path);
    if (conf->selftest && registry_beside_find(model_path, "selftest.json", path, sizeof(path)))
        add_file(file, 3, path);
    if (load_architecture_beside(model_path, path, sizeof(path)))
        add_file(file, 4, path);
}
