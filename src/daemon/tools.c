/* Commands: inspect, layers, check-config, --help, --version; predict is in predict.c.
 *
 * inspect and predict take a model the same way as the daemon does (jailed child, image, Keras, engine), so
 * what they show is what would be served, and a file that is refused is refused with the same sentence.
 * Results go to standard output, sentences for people to standard error. */
#include "config.h"

#include "daemon/tools.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "conf/conf.h"
#include "daemon/args.h"
#include "daemon/taken.h"
#include "engine/engine.h"
#include "keras/keras.h"
#include "kernels/cpu.h"
#include "load/load.h"

/* ---- inspect ---- */

/* Everything that stands in the way, not only the first. */
static int print_obstacles(const struct taken *taken, const char *path, const struct err *err)
{
    struct buf text;
    tools_complain(path, err);
    buf_init(&text, MAX_OUTPUT);
    if (keras_obstacles(taken->image, &taken->options, &text) > 1) {
        fputs("All that stands in the way:\n", stderr);
        tools_put(&text, stderr);
    } else {
        buf_done(&text);
    }
    return EXIT_FAILED;
}

/* The execution plan for one row, if the model's other sizes are known. */
static void print_plan(const struct keras_model *model, struct buf *text)
{
    struct engine *engine = keras_model_engine(model);
    struct shape shapes[64];
    struct engine_plan *plan;
    struct err err;
    for (size_t i = 0; i < engine_n_inputs(engine) && i < KD_COUNT(shapes); i++) {
        shapes[i] = *engine_input_shape(engine, i);
        if (shapes[i].rank && shapes[i].dim[0] == SHAPE_UNKNOWN)
            shapes[i].dim[0] = 1;
    }
    if (engine_n_inputs(engine) > KD_COUNT(shapes) || engine_plan_get(engine, shapes, &plan, &err)) {
        buf_puts(text, "\nno plan for one row: sizes besides the batch vary\n");
        return;
    }
    buf_puts(text, "\n");
    engine_plan_print(plan, text);
    engine_plan_put(plan);
}

int tools_inspect(const struct args *args)
{
    struct taken taken;
    struct err err;
    struct buf text;
    if (args->n_operands != 1)
        return tools_usage("usage: kerasd inspect [--json] [--plan] MODEL.h5");
    const char *path = args->operands[0];
    kernels_init();
    int code = taken_open(args, path, &taken, &err);
    int status = EXIT_OK;
    if (code) {
        status = taken.image ? print_obstacles(&taken, path, &err) : tools_complain(NULL, &err);
    } else {
        buf_init(&text, MAX_OUTPUT);
        if (args->on[SWITCH_JSON])
            keras_model_json(taken.keras, &text);
        else
            keras_model_print(taken.keras, &text);
        if (args->on[SWITCH_PLAN] && !args->on[SWITCH_JSON])
            print_plan(taken.keras, &text);
        if (text.length && text.data[text.length - 1] != '\n')
            buf_putc(&text, '\n');
        status = tools_put(&text, stdout);
    }
    taken_done(&taken);
    return status;
}

/* ---- the others ---- */

int tools_layers(const struct args *args)
{
    struct buf text;
    buf_init(&text, MAX_OUTPUT);
    if (args->on[SWITCH_MARKDOWN])
        keras_print_layers_markdown(&text);
    else
        keras_print_layers(&text);
    return tools_put(&text, stdout);
}

int tools_check_config(const struct args *args)
{
    struct args with = *args;
    struct conf *conf;
    struct buf text;
    struct err err;
    buf_init(&text, MAX_OUTPUT);
    if (args->on[SWITCH_SAMPLE]) {
        conf_print_sample(&text);
        return tools_put(&text, stdout);
    }
    if (args->n_operands > 1)
        return tools_usage("usage: kerasd check-config [--sample] [FILE]");
    if (args->n_operands)
        with.file = args->operands[0];
    int code = args_conf(&with, &conf, &err);
    if (code == 0 && (code = conf_finish(conf, &err)))
        conf_free(conf);
    if (code) {
        tools_complain(NULL, &err);
        return EXIT_CONFIG_ERROR;
    }
    conf_print(conf, &text);
    conf_free(conf);
    return tools_put(&text, stdout);
}

static const char help_head[] =
    "kerasd serves Keras models straight from the .h5 files that model.save() wrote.\n"
    "\n"
    "  kerasd [OPTIONS] [NAME=]MODEL.h5 ...      serve models (a directory: NAME.h5, NAME/VERSION/model.h5)\n"
    "  kerasd [OPTIONS] --config FILE            serve what the configuration names\n"
    "  kerasd inspect [--json] [--plan] MODEL.h5 what is in it: layers, signature, optimizer, warnings\n"
    "  kerasd predict MODEL.h5 < request.json    one prediction without a server\n"
    "  kerasd layers                             the Keras classes that are served\n"
    "  kerasd check-config [FILE]                is it right, and what does it mean (--sample: every key)\n"
    "  kerasd --version, --help\n"
    "\n"
    "Try it:\n"
    "\n"
    "  kerasd digits.h5 &\n"
    "  curl -d @digits-7.json http://127.0.0.1:8501/v1/models/digits:predict\n"
    "\n"
    "SIGHUP or POST /v1/config/reload loads changed files; SIGTERM finishes running requests and ends.\n"
    "A model on the command line that cannot be served ends the start with exit code 1 and a sentence.\n"
    "\n"
    "Options are the keys of the configuration file, with their defaults (on and off: --KEY, --no-KEY):\n"
    "\n"
    "  -c, --config FILE\n"
    "        Read this file first; options on the command line win.\n";

int tools_help(void)
{
    struct buf text;
    buf_init(&text, MAX_OUTPUT);
    buf_puts(&text, help_head);
    conf_print_options(&text);
    return tools_put(&text, stdout);
}

int tools_version(void)
{
    struct buf text;
    bool jailed;
    struct err err;
    buf_init(&text, 4096);
    kernels_init();
    buf_printf(&text, "kerasd %s\n%s\nkernels: %s\n", PACKAGE_VERSION, KD_CONFIGURE_SUMMARY,
               kernels_isa_name(kernels_isa()));
    if (load_probe(NULL, &text, &jailed, &err))
        buf_printf(&text, "kerasd-load: %s", err.text);
    buf_putc(&text, '\n');
    return tools_put(&text, stdout);
}
