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

/* Keras 3 wants weights named x.weights.h5; their model may be x.json. Before, people wrote x_weights.h5. */
static int short_stem_length(const char *path)
{
    static const char *const endings[] = {".weights", "_weights", "-weights"};
    int length = stem_length(path), least = directory_length(path);
    for (size_t i = 0; i < KD_COUNT(endings); i++) {
        int n = (int)strlen(endings[i]);
        if (length - n > least && memcmp(path + length - n, endings[i], (size_t)n) == 0)
            return length - n;
    }
    return length;
}

bool load_architecture_beside(const char *weights_path, char *path, size_t size)
{
    const int directory = directory_length(weights_path);
    const struct {
        int length;
        const char *name;
    } candidates[] = {
        {stem_length(weights_path), ".json"},
        {short_stem_length(weights_path), ".json"},
        {directory, "model.json"},
        {directory, "architecture.json"},
    };
    for (size_t i = 0; i < KD_COUNT(candidates); i++) {
        snprintf(path, size, "%.*s%s", candidates[i].length, weights_path, candidates[i].name);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}

static int check_text(const char *path, const struct buf *text, struct err *err)
{
    const char *data = text->data ? text->data : "", *start = data + strspn(data, " \t\r\n");
    if ((*start == '{' || strncmp(start, "\"{", 2) == 0) && strstr(start, "class_name") &&
        !strstr(start, "\"modelTopology\""))
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
            short_stem_length(weights_path), weights_path);
    if (!given_path)
        given_path = path;
    int code = fd_read_file(given_path, text, err);
    return code ? code : check_text(given_path, text, err);
}
