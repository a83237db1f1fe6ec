/* Sources: what the configured paths and directories hold at this moment. Only looks, changes nothing. */
#ifndef KD_REGISTRY_SOURCE_H
#define KD_REGISTRY_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registry/model.h"

struct arena;

/* One version that the model's policy wants. */
struct registry_source_version {
    int64_t number;
    const char *path;  /* of the file; NULL if error */
    const char *error; /* why there is none: "holds no model file" */
    struct registry_file file;
    struct registry_source_version *next;
};

struct registry_source {
    const char *name;
    struct conf_model *conf; /* its own section, or the configuration's defaults */
    bool found; /* in a model_directory */
    const char *error; /* the path cannot be looked at: what is served stays */
    struct registry_source_version *versions; /* highest first */
    struct registry_source *next;
};

struct registry_directory {
    const char *path;
    struct registry_directory *next;
};

struct registry_sources {
    struct arena *arena;
    struct registry_source *models;
    struct registry_directory *directories; /* where changes show */
    bool remote; /* some lie where the kernel does not tell of changes */
    size_t n_models;
    const char *error; /* a model_directory cannot be read, or holds too many: nothing is removed then */
};

int registry_sources_find(struct conf *conf, struct registry_sources **ret, struct err *err);
void registry_sources_free(struct registry_sources *sources); /* accepts NULL */
/* False with errno if the file is not there. */
bool registry_file_identify(const char *path, struct registry_file *ret);
bool registry_file_same(const struct registry_file *a, const struct registry_file *b);
/* What a path on the command line is. */
enum registry_path_kind {
    REGISTRY_PATH_FILE,            /* or not there */
    REGISTRY_PATH_MODEL_DIRECTORY, /* of one model: has VERSION directories or a model.h5 */
    REGISTRY_PATH_MODELS           /* a directory of models */
};
enum registry_path_kind registry_path_kind(const char *path);
/* "/srv/digits.h5" -> "digits" for the three suffixes of model files; false if it has none of them. */
bool registry_model_stem(const char *path, char *stem, size_t size);

#endif
