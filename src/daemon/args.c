/* Command line.
 *
 * Every configuration key is an option: `max_body = 16M` in the file is --max-body 16M (or =16M) here; keys
 * that are on or off stand alone, and --no-KEY switches off. The command line is read again at a reload,
 * over a file that may have changed, so it is kept and not digested. A few options of TensorFlow Serving
 * are understood as what they mean here, because images and manifests pass them. */
#include "daemon/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "conf/conf.h"
#include "registry/source.h"

#define KEY_MAX 64

/* One option: `--key=value`, `--key value`, or a switch. */
struct option {
    char key[KEY_MAX];
    const char *value; /* NULL for our own switches */
    int used;          /* elements of argv */
};

static const char *const switches[N_SWITCHES] = {
    [SWITCH_HELP] = "help", [SWITCH_VERSION] = "version", [SWITCH_JSON] = "json",
    [SWITCH_PLAN] = "plan", [SWITCH_PROFILE] = "profile", [SWITCH_SAMPLE] = "sample",
    [SWITCH_MARKDOWN] = "markdown",
};

/* N_SWITCHES if it is none. */
static size_t find_switch(const char *name)
{
    size_t i = 0;
    while (i < N_SWITCHES && !str_equal(switches[i], name))
        i++;
    return i;
}

static const char *long_name(const char *argument)
{
    if (str_equal(argument, "-h"))
        return "help";
    if (str_equal(argument, "-V"))
        return "version";
    if (str_equal(argument, "-c"))
        return "config";
    return str_starts(argument, "--") ? argument + 2 : NULL;
}

static int read_option(const struct args *args, int at, struct option *ret, struct err *err)
{
    const char *name = long_name(args->argv[at]);
    if (!name)
        return err_set(err, KD_EINVAL, "unknown option %s; see kerasd --help", args->argv[at]);
    size_t length = strcspn(name, "=");
    snprintf(ret->key, sizeof(ret->key), "%.*s", (int)length, name);
    ret->used = 1;
    ret->value = NULL;
    if (find_switch(ret->key) < N_SWITCHES)
        return name[length] ? err_set(err, KD_EINVAL, "--%s takes no value", ret->key) : 0;
    if (name[length]) {
        ret->value = name + length + 1;
    } else if (conf_is_bool(ret->key)) {
        ret->value = "on";
    } else if (str_starts(ret->key, "no-") && conf_is_bool(ret->key + 3)) {
        memmove(ret->key, ret->key + 3, strlen(ret->key + 3) + 1);
        ret->value = "off";
    } else {
        if (at + 1 >= args->argc)
            return err_set(err, KD_EINVAL, "--%s needs a value; see kerasd --help", ret->key);
        ret->value = args->argv[at + 1];
        ret->used = 2;
    }
    return 0;
}

int args_parse(int argc, char **argv, struct args *ret, struct err *err)
{
    *ret = (struct args){.argc = argc, .argv = argv};
    ret->operands = calloc((size_t)argc + 1, sizeof(*ret->operands));
    if (!ret->operands)
        return err_set(err, KD_ENOMEM, "out of memory");
    bool options = true;
    for (int i = 0; i < argc;) {
        struct option option;
        if (options && str_equal(argv[i], "--")) {
            options = false;
            i++;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            int code = read_option(ret, i, &option, err);
            if (code)
                return code;
            if (!option.value)
                ret->on[find_switch(option.key)] = true;
            else if (str_equal(option.key, "config"))
                ret->file = option.value;
            i += option.used;
        } else {
            ret->operands[ret->n_operands++] = argv[i++];
        }
    }
    return 0;
}

void args_done(struct args *args)
{
    free(args->operands);
    args->operands = NULL;
}

/* ---- options ---- */

/* TensorFlow Serving's names for what we have. */
static int set_foreign(struct conf *conf, const struct option *option, bool *ret_known, struct err *err)
{
    char address[32];
    *ret_known = true;
    if (str_equal(option->key, "config") || str_equal(option->key, "model_name") ||
        str_equal(option->key, "model_base_path"))
        return 0;
    if (str_equal(option->key, "rest_api_port")) {
        snprintf(address, sizeof(address), "0.0.0.0:%.10s", option->value);
        return conf_set(conf, "listen", address, err);
    }
    *ret_known = false;
    return 0;
}

int args_conf(const struct args *args, struct conf **ret, struct err *err)
{
    struct conf *conf = conf_new();
    int code = conf ? 0 : err_set(err, KD_ENOMEM, "out of memory");
    if (code == 0 && args->file)
        code = conf_read(conf, args->file, err);
    for (int i = 0; i < args->argc && code == 0;) {
        struct option option = {.used = 1};
        bool known = false;
        if (str_equal(args->argv[i], "--"))
            break;
        if (args->argv[i][0] == '-' && args->argv[i][1])
            code = read_option(args, i, &option, err);
        if (code == 0 && option.value)
            code = set_foreign(conf, &option, &known, err);
        if (code == 0 && option.value && !known) {
            code = conf_set(conf, option.key, option.value, err);
            if (code)
                err_wrap(err, "--%s", option.key);
        }
        i += option.used;
    }
    if (code) {
        conf_free(conf);
        return code;
    }
    *ret = conf;
    return 0;
}

/* ---- models ---- */

static int add_model(struct conf *conf, const char *name, const char *path, struct err *err)
{
    struct conf_model *model;
    for (size_t i = 0; i < conf->n_models; i++)
        if (str_equal(conf->models[i]->name, name))
            return err_set(err, KD_EINVAL, "two models are called '%s': give one another name, NAME=%s", name,
                           path);
    int code = conf_add_model(conf, name, &model, err);
    if (code)
        return code;
    model->from_command_line = true;
    return conf_set_model(conf, model, "path", path, err);
}

/* "a/b/" -> "b" */
static void last_part(const char *path, char *name, size_t size)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    snprintf(name, size, "%.*s", (int)(end - start), path + start);
}

static int add_operand(struct conf *conf, const char *operand, struct err *err)
{
    char name[256];
    const char *equals = strchr(operand, '=');
    if (equals && (size_t)(equals - operand) < sizeof(name)) {
        snprintf(name, sizeof(name), "%.*s", (int)(equals - operand), operand);
        if (conf_model_name_ok(name))
            return add_model(conf, name, equals + 1, err);
    }
    enum registry_path_kind kind = registry_path_kind(operand);
    if (kind == REGISTRY_PATH_MODELS)
        return conf_set(conf, "model_directory", operand, err);
    if (kind == REGISTRY_PATH_MODEL_DIRECTORY)
        last_part(operand, name, sizeof(name));
    else if (!registry_model_stem(operand, name, sizeof(name)))
        last_part(operand, name, sizeof(name));
    if (!conf_model_name_ok(name))
        return err_set(err, KD_EINVAL,
                       "'%s' cannot be a model's name (letters, digits, _ . -): give it one, NAME=%s",
                       name, operand);
    return add_model(conf, name, operand, err);
}

static const char *option_or_env(const struct args *args, const char *key, const char *variable)
{
    const char *value = getenv(variable);
    struct option option;
    for (int i = 0; i < args->argc && !str_equal(args->argv[i], "--"); i += option.used) {
        option.used = 1;
        if (args->argv[i][0] == '-' && args->argv[i][1] && read_option(args, i, &option, NULL) == 0 &&
            str_equal(option.key, key))
            value = option.value;
    }
    return value && *value ? value : NULL;
}

/* TensorFlow Serving's image: $MODEL_BASE_PATH/$MODEL_NAME; its program: --model_name, --model_base_path
 * (whole). */
static int add_foreign_model(const struct args *args, struct conf *conf, struct err *err)
{
    char path[4096];
    const char *name = option_or_env(args, "model_name", "MODEL_NAME");
    const char *base = option_or_env(args, "model_base_path", "MODEL_BASE_PATH");
    bool whole = base && base != getenv("MODEL_BASE_PATH");
    if (!name && !base)
        return 0;
    name = name ? name : "model";
    if (whole)
        snprintf(path, sizeof(path), "%s", base);
    else
        snprintf(path, sizeof(path), "%s/%s", base ? base : "/models", name);
    return add_model(conf, name, path, err);
}

int args_serve_conf(const struct args *args, struct conf **ret, struct err *err)
{
    struct conf *conf;
    int code = args_conf(args, &conf, err);
    if (code)
        return code;
    for (size_t i = 0; i < args->n_operands && code == 0; i++)
        code = add_operand(conf, args->operands[i], err);
    if (code == 0 && conf->n_models == 0 && conf->model_directory.n == 0)
        code = add_foreign_model(args, conf, err);
    if (code == 0)
        code = conf_finish(conf, err);
    if (code == 0 && conf->n_models == 0 && conf->model_directory.n == 0)
        code = err_set(err, KD_EINVAL,
                       "nothing to serve: give a model (kerasd MODEL.h5), a directory of models, or a "
                       "configuration that names some; see kerasd --help");
    if (code) {
        conf_free(conf);
        return code;
    }
    *ret = conf;
    return 0;
}
