/* Configuration: from a file and the command line to one checked struct.
 *
 * Reading is a small machine over lines: a section header decides which struct the following keys go to.
 * Model keys outside a section set the defaults for all models; because the command line may set defaults
 * after the file was read, each model remembers which keys it was given, and conf_finish hands the others
 * down. Includes are read in place, bounded in depth and number. */
#include "conf/conf.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "conf/conf_type.h"

#define MAX_FILE_BYTES (1u << 20)
#define MAX_INCLUDE_DEPTH 8
#define MAX_CONF_MODELS 100000

struct conf *conf_new(void)
{
    struct conf *conf = calloc(1, sizeof(*conf));
    if (!conf)
        return NULL;
    conf->arena = arena_new();
    if (!conf->arena) {
        free(conf);
        return NULL;
    }
    conf->defaults.name = "";
    int code = 0;
    for (const struct conf_key *key = conf_server_keys; key->name && code == 0; key++)
        code = conf_parse_value(key, key->text, conf, conf->arena, NULL);
    for (const struct conf_key *key = conf_model_keys; key->name && code == 0; key++)
        code = conf_parse_value(key, key->text, &conf->defaults, conf->arena, NULL);
    if (code == 0)
        return conf;
    conf_free(conf);
    return NULL;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    free(conf->models);
    arena_free(conf->arena);
    free(conf);
}

bool conf_model_name_ok(const char *name)
{
    size_t length = strlen(name);
    if (length < 1 || length > 128 || !isalnum((unsigned char)name[0]))
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && !strchr("_.-", *name))
            return false;
    return true;
}

static struct conf_model *find_model(const struct conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->n_models; i++)
        if (str_equal(conf->models[i]->name, name))
            return conf->models[i];
    return NULL;
}

static struct conf_model *append_model(struct conf *conf, const char *name)
{
    struct conf_model *model = arena_alloc(conf->arena, sizeof(*model));
    if ((conf->n_models & (conf->n_models - 1)) == 0) { /* full at each power of two */
        size_t room = conf->n_models ? 2 * conf->n_models : 1;
        struct conf_model **models = realloc(conf->models, room * sizeof(*models));
        if (!models)
            return NULL;
        conf->models = models;
    }
    if (!model || !(model->name = arena_strdup(conf->arena, name)))
        return NULL;
    for (const struct conf_key *key = conf_model_keys; key->name; key++)
        conf_copy_value(key, model, &conf->defaults);
    conf->models[conf->n_models++] = model;
    return model;
}

int conf_add_model(struct conf *conf, const char *name, struct conf_model **ret, struct err *err)
{
    if (!conf_model_name_ok(name))
        return err_set(err, KD_EINVAL, "'%s' cannot be a model's name: use 1 to 128 letters, digits, _ . -, "
                       "beginning with a letter or digit", name);
    struct conf_model *model = find_model(conf, name);
    if (!model && conf->n_models >= MAX_CONF_MODELS)
        return err_set(err, KD_ETOOBIG, "more than %d models", MAX_CONF_MODELS);
    if (!model && !(model = append_model(conf, name)))
        return err_set(err, KD_ENOMEM, "out of memory");
    *ret = model;
    return 0;
}

/* ---- keys ---- */

/* Letters to change, add or drop to get from one word to the other; for short words. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= sizeof(row) / sizeof(row[0]))
        return n;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0]++;
        for (size_t j = 0; j < n; j++) {
            size_t above = row[j + 1];
            size_t best = diagonal + (a[i] != b[j]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j] + 1 < best ? row[j] + 1 : best;
            diagonal = above;
            row[j + 1] = best;
        }
    }
    return row[n];
}

static int unknown_key(const char *name, bool in_model, struct err *err)
{
    const struct conf_key *tables[2] = {conf_model_keys, in_model ? NULL : conf_server_keys};
    const char *close = NULL;
    size_t best = 4;
    for (size_t t = 0; t < 2 && tables[t]; t++)
        for (const struct conf_key *key = tables[t]; key->name; key++) {
            size_t distance = edit_distance(name, key->name);
            if (distance < best) {
                best = distance;
                close = key->name;
            }
        }
    if (in_model && conf_find_key(conf_server_keys, name))
        return err_set(err, KD_EINVAL, "'%s' is a key of the daemon, not of a model: put it above the first "
                       "[model], or under [server]", name);
    if (close)
        return err_set(err, KD_EINVAL, "unknown key '%s'; did you mean '%s'?", name, close);
    return err_set(err, KD_EINVAL, "unknown key '%s'", name);
}

int conf_set_model(struct conf *conf, struct conf_model *model, const char *name, const char *value,
                   struct err *err)
{
    const struct conf_key *key = conf_find_key(conf_model_keys, name);
    if (!key)
        return unknown_key(name, true, err);
    int code = conf_parse_value(key, value, model, conf->arena, err);
    if (code == 0)
        model->given[key - conf_model_keys] = true;
    return code;
}

static int set_key(struct conf *conf, const char *name, const char *value, struct err *err)
{
    const struct conf_key *key = conf_find_key(conf_server_keys, name);
    if (key)
        return conf_parse_value(key, value, conf, conf->arena, err);
    key = conf_find_key(conf_model_keys, name);
    if (!key)
        return unknown_key(name, false, err);
    if (key->offset == offsetof(struct conf_model, path))
        return err_set(err, KD_EINVAL, "'path' belongs under [model NAME]");
    return conf_parse_value(key, value, &conf->defaults, conf->arena, err);
}

/* Keys are written with '-' on the command line. */
static const char *plain_key(const char *key, char *text, size_t size)
{
    snprintf(text, size, "%s", key);
    for (char *c = text; *c; c++)
        if (*c == '-')
            *c = '_';
    return text;
}

int conf_set(struct conf *conf, const char *key, const char *value, struct err *err)
{
    char name[64];
    return set_key(conf, plain_key(key, name, sizeof(name)), value, err);
}

bool conf_is_bool(const char *text)
{
    char name[64];
    plain_key(text, name, sizeof(name));
    const struct conf_key *key = conf_find_key(conf_server_keys, name);
    if (!key)
        key = conf_find_key(conf_model_keys, name);
    return key && key->type == CONF_BOOL;
}

/* ---- files ---- */

struct reader {
    struct conf *conf;
    struct conf_model *model; /* the section's, or NULL */
    const char *path;
    struct reader *parent; /* of the file that includes this one */
    int depth;
    bool located; /* the error already names its file and line */
};

static int read_file(struct conf *conf, const char *path, struct reader *parent, struct err *err);

static char *trim(char *text)
{
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text + strspn(text, " \t");
}

static int read_section(struct reader *reader, char *line, struct err *err)
{
    char *end = strchr(line, ']');
    if (!end || end[1])
        return err_set(err, KD_EINVAL, "'%s': a section is [model NAME] or [server]", line);
    *end = '\0';
    char *section = trim(line + 1);
    if (str_equal(section, "server")) {
        reader->model = NULL;
        return 0;
    }
    if (strncmp(section, "model", 5) != 0 || !isspace((unsigned char)section[5]))
        return err_set(err, KD_EINVAL, "'[%s]': a section is [model NAME] or [server]", section);
    const char *name = trim(section + 6);
    if (find_model(reader->conf, name))
        return err_set(err, KD_EINVAL, "model '%s' is there twice", name);
    return conf_add_model(reader->conf, name, &reader->model, err);
}

static int read_include(struct reader *reader, const char *pattern, struct err *err)
{
    const char *slash = strrchr(reader->path, '/');
    const char *full = pattern;
    if (pattern[0] != '/' && slash)
        full = arena_printf(reader->conf->arena, "%.*s/%s", (int)(slash - reader->path), reader->path,
                            pattern);
    if (!full)
        return err_set(err, KD_ENOMEM, "out of memory");
    if (reader->depth >= MAX_INCLUDE_DEPTH)
        return err_set(err, KD_EINVAL, "include '%s': more than %d levels", pattern, MAX_INCLUDE_DEPTH);
    if (!strpbrk(full, "*?["))
        return read_file(reader->conf, full, reader, err);
    glob_t found;
    int code = glob(full, 0, NULL, &found);
    if (code == GLOB_NOMATCH)
        return 0;
    if (code)
        return err_set(err, KD_EIO, "include '%s': cannot be read", pattern);
    for (size_t i = 0; i < found.gl_pathc && code == 0; i++)
        code = read_file(reader->conf, found.gl_pathv[i], reader, err);
    globfree(&found);
    return code;
}

static int read_line(struct reader *reader, char *line, struct err *err)
{
    line = trim(line);
    if (!*line || *line == '#')
        return 0;
    if (*line == '[')
        return read_section(reader, line, err);
    if (strncmp(line, "include", 7) == 0 && isspace((unsigned char)line[7]) && !strchr(line, '='))
        return read_include(reader, trim(line + 8), err);
    char *equals = strchr(line, '=');
    if (!equals)
        return err_set(err, KD_EINVAL, "'%s': expected KEY = VALUE, [model NAME], [server] or include FILE",
                       line);
    *equals = '\0';
    const char *key = trim(line), *value = trim(equals + 1);
    if (reader->model)
        return conf_set_model(reader->conf, reader->model, key, value, err);
    return set_key(reader->conf, key, value, err);
}

static int locate(struct reader *reader, int number, int code, struct err *err)
{
    if (!reader->located)
        err_wrap(err, "%s:%d", reader->path, number);
    if (reader->parent)
        reader->parent->located = true;
    return code;
}

static int read_text(struct reader *reader, char *text, size_t length, struct err *err)
{
    if (strlen(text) != length || str_utf8_valid(text, length) != length)
        return err_set(err, KD_EINVAL, "%s is not a text file", reader->path);
    int number = 1;
    for (char *line = text; line; number++) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        int code = read_line(reader, line, err);
        if (code)
            return locate(reader, number, code, err);
        line = end;
    }
    return 0;
}

static int read_file(struct conf *conf, const char *path, struct reader *parent, struct err *err)
{
    struct reader reader = {.conf = conf, .path = path, .parent = parent,
                            .depth = parent ? parent->depth + 1 : 0};
    struct buf text;
    buf_init(&text, MAX_FILE_BYTES);
    int code = fd_read_file(path, &text, err);
    if (code == 0 && text.length)
        code = read_text(&reader, text.data, text.length, err);
    buf_done(&text);
    return code;
}

int conf_read(struct conf *conf, const char *path, struct err *err)
{
    return read_file(conf, path, NULL, err);
}

int conf_finish(struct conf *conf, struct err *err)
{
    for (size_t i = 0; i < conf->n_models; i++) {
        struct conf_model *model = conf->models[i];
        for (const struct conf_key *key = conf_model_keys; key->name; key++)
            if (!model->given[key - conf_model_keys])
                conf_copy_value(key, model, &conf->defaults);
        if (!*model->path)
            return err_set(err, KD_EINVAL, "[model %s] has no path", model->name);
    }
    return 0;
}
