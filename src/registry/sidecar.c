/* sidecar: finds the file; keras/sidecar.c reads what is in it. A file beside the model belongs to the
 * model, so it is read without being asked for; a file that is there but can't be read fails the load
 * instead of changing what the model computes. */
#include "registry/sidecar.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"

int registry_sidecar_read(const char *model_path, const char *configured, struct buf *ret, struct err *err)
{
    struct buf path;
    if (*configured)
        return fd_read_file(configured, ret, err);
    buf_init(&path, 65536);
    int code = buf_printf(&path, "%s%s", model_path, REGISTRY_SIDECAR_SUFFIX);
    if (code)
        return err_set(err, code, "the path of the model is too long");
    if (access(path.data, F_OK) == 0)
        code = fd_read_file(path.data, ret, err);
    buf_done(&path);
    return code;
}
