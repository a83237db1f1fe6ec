/* Configuration: one table of keys (conf.def), a file of `key = value` lines, the command line over it.
 *
 *   # comment
 *   listen = 0.0.0.0:8501
 *   include models.d/?*.conf            relative to this file; a pattern may match nothing
 *   [model digits]                      keys of one model until the next section
 *   path = /srv/models/digits.h5
 *   [server]                            back to the daemon's keys
 *
 * Unknown keys, wrong values and values out of range are errors with file and line. A reload parses into a
 * new struct; the old one stays valid until conf_free. Not thread-safe while being filled, read-only
 * afterwards. */
#ifndef KD_CONF_CONF_H
#define KD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;

#define CONF_MAX_LIST 32
struct conf_list {
    size_t n;
    const char *item[CONF_MAX_LIST];
};

#define CONF_MAX_VERSIONS 16
enum conf_policy { CONF_VERSIONS_LATEST, CONF_VERSIONS_ALL, CONF_VERSIONS_SPECIFIC };
struct conf_versions {
    enum conf_policy policy;
    int64_t n; /* LATEST: how many; SPECIFIC: entries of version */
    int64_t version[CONF_MAX_VERSIONS];
};

struct conf_labels {
    size_t n;
    struct {
        const char *name;
        int64_t version;
    } item[CONF_MAX_VERSIONS];
};

#define CONF_TYPE_TEXT const char *
#define CONF_TYPE_CHOICE const char *
#define CONF_TYPE_INT int64_t
#define CONF_TYPE_MS int64_t
#define CONF_TYPE_BYTES uint64_t
#define CONF_TYPE_BOOL bool
#define CONF_TYPE_LIST struct conf_list
#define CONF_TYPE_VERSIONS struct conf_versions
#define CONF_TYPE_LABELS struct conf_labels

enum {
#define SERVER(type, name, text, min, max, choices, when, doc)
#define MODEL(type, name, text, min, max, choices, when, doc) CONF_MODEL_KEY_##name,
#include "conf/conf.def"
#undef SERVER
#undef MODEL
    CONF_N_MODEL_KEYS
};

/* Texts are never NULL: "" is "not given". */
struct conf_model {
    const char *name;
#define SERVER(type, name, text, min, max, choices, when, doc)
#define MODEL(type, name, text, min, max, choices, when, doc) CONF_TYPE_##type name;
#include "conf/conf.def"
#undef SERVER
#undef MODEL
    bool given[CONF_N_MODEL_KEYS]; /* not inherited from the defaults */
    bool from_command_line;        /* whoever made it says so */
};

struct conf {
#define SERVER(type, name, text, min, max, choices, when, doc) CONF_TYPE_##type name;
#define MODEL(type, name, text, min, max, choices, when, doc)
#include "conf/conf.def"
#undef SERVER
#undef MODEL
    struct conf_model defaults; /* what models that have no section of their own get; name "" */
    size_t n_models;
    struct conf_model **models; /* in the order of the file */
    struct arena *arena;        /* owns every text */
};

/* All defaults. NULL when out of memory. */
struct conf *conf_new(void);
void conf_free(struct conf *conf); /* accepts NULL */
/* Reads a file and what it includes over the present values. Errors: KD_EINVAL "FILE:LINE: ...",
 * KD_ENOTFOUND, KD_EIO. */
int conf_read(struct conf *conf, const char *path, struct err *err);
/* One key of the daemon, or a default for all models; '-' in the key stands for '_'. For the command line. */
int conf_set(struct conf *conf, const char *key, const char *value, struct err *err);
/* True if the key exists and takes on or off, so that `--watch` alone means on. */
bool conf_is_bool(const char *key);
/* The model's entry; made if there is none. The name is checked. */
int conf_add_model(struct conf *conf, const char *name, struct conf_model **ret, struct err *err);
/* One key of a model. */
int conf_set_model(struct conf *conf, struct conf_model *model, const char *key, const char *value,
                   struct err *err);
/* Gives each model the defaults for the keys that it does not set, and checks what one line cannot show
 * (a [model] without a path). Call once after the last change. */
int conf_finish(struct conf *conf, struct err *err);
/* Names are 1 to 128 characters of A-Z a-z 0-9 _ . - and begin with a letter or digit. */
bool conf_model_name_ok(const char *name);

/* The configuration as a file that conf_read takes. */
void conf_print(const struct conf *conf, struct buf *ret);
/* The sample file: every key with its default and why. */
void conf_print_sample(struct buf *ret);
/* One line per key for --help. */
void conf_print_options(struct buf *ret);
/* Keys that differ between two configurations but only take effect at a restart, separated by ", ". */
void conf_print_restart_changes(const struct conf *old, const struct conf *now, struct buf *ret);

#endif
