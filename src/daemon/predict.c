/* predict: one prediction without a server. The body of :predict on standard input, the answer that the
 * server would give on standard output; for trying a model out, and for scripts. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/conf.h"
#include "daemon/args.h"
#include "daemon/taken.h"
#include "daemon/tools.h"
#include "http/http.h"
#include "kernels/cpu.h"

static int read_standard_input(size_t max, struct buf *ret, struct err *err)
{
    ssize_t length;
    buf_init(ret, max);
    do {
        char *room = buf_reserve(ret, 65536);
        if (!room)
            return err_set(err, KD_ETOOBIG, "the request is larger than %zu bytes (--max-body)", max);
        length = read(STDIN_FILENO, room, 65536);
        if (length < 0)
            return err_errno(err, errno, "cannot read standard input");
        buf_commit(ret, (size_t)length);
    } while (length > 0);
    return 0;
}

int tools_predict(const struct args *args)
{
    struct taken taken;
    struct err err;
    struct buf request, answer;
    if (args->n_operands != 1)
        return tools_usage("usage: kerasd predict MODEL.h5 < request.json");
    kernels_init();
    buf_init(&request, 0);
    buf_init(&answer, MAX_OUTPUT);
    const char *what = args->operands[0];
    int code = taken_open(args, what, &taken, &err);
    if (code == 0) {
        what = "the request";
        code = read_standard_input(taken.conf->max_body, &request, &err);
    }
    if (code == 0)
        code = http_predict_text(taken.keras, request.data ? request.data : "", request.length, true, &answer,
                                 &err);
    int status = code ? tools_complain(taken.image ? what : NULL, &err) : EXIT_OK;
    if (code == 0) {
        buf_putc(&answer, '\n');
        status = tools_put(&answer, stdout);
    } else {
        buf_done(&answer);
    }
    buf_done(&request);
    taken_done(&taken);
    return status;
}
