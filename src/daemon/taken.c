/* A model for the commands: configuration from the options, then child, image, Keras, engine, as the
 * registry does it. */
#include "daemon/taken.h"

#include <string.h>

#include "base/err.h"
#include "conf/conf.h"
#include "daemon/args.h"
#include "image/image.h"
#include "load/load.h"
#include "registry/beside.h"

int tools_complain(const char *what, const struct err *err)
{
    fprintf(stderr, "kerasd: %s%s%s\n", what ? what : "", what ? ": " : "", err->text);
    return EXIT_FAILED;
}

int tools_usage(const char *sentence)
{
    fprintf(stderr, "kerasd: %s\n", sentence);
    return EXIT_USAGE_ERROR;
}

/* Prints and frees. */
int tools_put(struct buf *text, FILE *to)
{
    int code = text->failed;
    if (code == 0 && text->length && fwrite(text->data, 1, text->length, to) != text->length)
        code = KD_EIO;
    if (code == 0 && fflush(to) != 0)
        code = KD_EIO;
    buf_done(text);
    return code ? EXIT_FAILED : EXIT_OK;
}

void taken_done(struct taken *taken)
{
    keras_model_free(taken->keras);
    image_close(taken->image);
    buf_done(&taken->sidecar);
    conf_free(taken->conf);
}

static int take_image(const struct args *args, const char *path, struct taken *ret, struct err *err)
{
    memset(ret, 0, sizeof(*ret));
    buf_init(&ret->sidecar, REGISTRY_SIDECAR_MAX_BYTES);
    int code = args_conf(args, &ret->conf, err);
    if (code)
        return code;
    const struct conf *conf = ret->conf;
    const struct conf_model *model = &conf->defaults;
    struct load_options options = {
        .helper = *conf->loader ? conf->loader : NULL,
        .max_file_bytes = conf->max_file_bytes,
        .max_image_bytes = conf->max_image_bytes,
        .max_memory_bytes = conf->loader_memory,
        .timeout_ms = conf->load_timeout,
        .jail = conf->jail,
    };
    code = registry_sidecar_read(path, model->sidecar, &ret->sidecar, err);
    ret->options = (struct keras_options){
        .sidecar = ret->sidecar.data,
        .no_lambda_recovery = !model->lambda_recovery,
        .ignore_training_true = model->ignore_training_true,
        .legacy_bilinear = model->legacy_bilinear,
        .flip_theano_kernels = model->flip_theano_kernels,
    };
    return code ? code : load_file(path, NULL, &options, &ret->image, err);
}

int taken_open(const struct args *args, const char *path, struct taken *ret, struct err *err)
{
    int code = take_image(args, path, ret, err);
    return code ? code : keras_build(ret->image, &ret->options, &ret->keras, err);
}
