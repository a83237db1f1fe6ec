/* architecture: model.save_weights() keeps no layers, only their arrays; people keep model.to_json() in a
 * file beside. The text is not understood here, only told from the JSON files of other programs that have the
 * same names. */
#include "load/architecture.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/size.h"
#include "load/load.h"

/* "dir/" of the path, or "". */
static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

static int stem_length(const char *path)
{
    const char *name = path + directory_length(path), *dot = strrchr(name, '.');
    return (int)(dot && dot > name ? dot - path : (long)strlen(path));
}

bool load_architecture_beside(const char *weights_path, char *path, size_t size)
{
    static const char *const names[] = {"model.json", "architecture.json"};
    snprintf(path, size, "%.*s.json", stem_length(weights_path), weights_path);
    for (size_t i = 0; access(path, R_OK) != 0; i++) {
        if (i == KD_COUNT(names))
            return false;
        snprintf(path, size, "%.*s%s", directory_length(weights_path), weights_path, names[i]);
    }
    return true;
}

static int check_text(const char *path, const struct buf *text, struct err *err)
{
    const char *data = text->data ? text->data : "";
    if (data[strspn(data, " \t\r\n")] == '{' && strstr(data, "\"class_name\"") &&
        !strstr(data, "\"modelTopology\""))
        return 0;
    return err_set(err, KD_EFORMAT, "its architecture file '%s' is not the text of model.to_json()", path);
}

int architecture_read(const char *weights_path, const char *given_path, struct buf *text, struct err *err)
{
    char path[PATH_MAX];
    if (!given_path && !load_architecture_beside(weights_path, path, sizeof(path)))
        return err_set(
            err, KD_ENOTFOUND,
            "it has no architecture: save the whole model with model.save(\"model.h5\"), or put the text of "
            "model.to_json() beside it as '%.*s.json'",
            stem_length(weights_path), weights_path);
    if (!given_path)
        given_path = path;
    int code = fd_read_file(given_path, text, err);
    return code ? code : check_text(given_path, text, err);
}
