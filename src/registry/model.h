/* What the registry's files share: models, their versions' slots, and loaded versions.
 *
 * Only the loader's thread changes models and slots, and it holds the registry's lock while it does; others
 * read under the lock. A loaded version never changes; it is held by reference. */
#ifndef KD_REGISTRY_MODEL_H
#define KD_REGISTRY_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/lock.h"
#include "conf/conf.h"
#include "registry/registry.h"

struct image;
struct keras_model;
struct map;
struct metrics_cells;
struct sched_pool;
struct sched_queue;

/* Which file it was: if any of these differ, it is another one. */
struct registry_file {
    uint64_t device, inode, size;
    int64_t mtime_ns;
    uint64_t beside;   /* of the files beside it (beside.h), as one number */
    int64_t newest_ns; /* the latest time of change of all of them */
};

struct registry_version {
    int refs; /* atomic */
    struct registry *registry;
    char *model;
    int64_t number;
    struct image *image;
    struct keras_model *keras;
    struct sched_queue *queue;
    struct metrics_cells *cells; /* stats.c */
    int64_t last_ms;             /* atomic: wall clock of the last request */
    struct keras_signature_tensor *outputs; /* names as configured */
    char (*output_names)[16];                /* of a Keras 3 export, or NULL */
    size_t n_outputs;
    char **classes;
    size_t n_classes;
    size_t bytes;
    int64_t load_ns, loaded_at_ns; /* duration; wall clock */
    struct registry_version *next_dead;
};

/* One version of a model: what is known of it, loaded or not. */
struct registry_slot {
    int64_t number;
    enum registry_state state;
    int code; /* of the last load; its sentence is in error */
    char *error; /* NULL: none */
    struct registry_version *loaded; /* one reference */
    struct registry_file file; /* of the last load, also a failed one */
    bool known;    /* file is set */
    bool wanted;   /* in the last look at the sources */
    int attempts;  /* failed loads that may pass by themselves (memory, time) */
    int64_t retry_ns; /* next of them; 0: none */
    int64_t missing_since_ns; /* 0: it is there */
};

#define REGISTRY_MAX_SLOTS 64 /* versions of a model, ended ones included */
#define REGISTRY_KEEP_ENDED 8

struct registry_model {
    char *name;
    bool required; /* readiness waits for it */
    bool unloaded; /* by command; only a command loads it again */
    bool wanted;   /* in the last look at the sources */
    size_t n_slots;
    struct registry_slot *slots; /* highest version first */
    struct registry_version *current; /* of the highest slot that is available; no reference of its own */
    size_t n_labels;
    struct registry_label {
        char *name;
        int64_t version;
    } labels[CONF_MAX_VERSIONS];
};

struct registry {
    struct sched_pool *pool;
    struct registry_options options;
    struct conf *conf; /* the loader's thread alone looks into it */
    struct lock lock;
    struct map *models; /* name -> struct registry_model */
    bool loaded;   /* the first look at the sources is done */
    bool draining;
    bool metrics_compatibility;

    /* The loader's thread. */
    pthread_t thread;
    bool running;
    int wake_fd; /* eventfd: commands, dead versions, stopping */
    struct lock command_lock;
    struct registry_command *commands; /* waiting, oldest first */
    size_t n_commands;
    bool stopping; /* atomic */
    bool ended;    /* the thread is done */
    struct cond end;
    int n_versions; /* atomic: loaded or waiting to be freed */
    struct registry_version *dead; /* atomic stack of versions without references */
    struct registry_watch *watch; /* NULL: not watching */
    int64_t look_ns; /* when to look at the sources again; 0: never */
    bool changed;    /* the present command loaded or unloaded something */
};

/* registry.c: changes of what others see; on the loader's thread. */
struct registry_model *registry_model_get(struct registry *registry, const char *name); /* NULL if unknown */
int registry_model_add(struct registry *registry, const char *name, struct registry_model **ret,
                       struct err *err);
void registry_model_require(struct registry *registry, struct registry_model *model, bool required);
void registry_model_remove(struct registry *registry, struct registry_model *model);
struct registry_slot *registry_slot_find(const struct registry_model *model, int64_t number);
/* Finds or makes; the pointers of other slots become invalid. */
int registry_slot_add(struct registry *registry, struct registry_model *model, int64_t number,
                      struct registry_slot **ret, struct err *err);
void registry_slot_remove(struct registry *registry, struct registry_model *model,
                          struct registry_slot *slot);
/* The one pointer swap: `version` (NULL: none) serves from now on, the one before drains. */
void registry_publish(struct registry *registry, struct registry_model *model, struct registry_slot *slot,
                      struct registry_version *version, enum registry_state state);
/* What the status says. error NULL: none. */
void registry_slot_report(struct registry *registry, struct registry_slot *slot, enum registry_state state,
                          int code, const char *error);
/* Labels move to versions that are available; false if one cannot, with its sentence. */
bool registry_labels_set(struct registry *registry, struct registry_model *model,
                         const struct conf_labels *labels, struct err *err);
/* Frees versions without references; on the loader's thread. */
void registry_bury(struct registry *registry);
void registry_wake(struct registry *registry);

/* loader.c */
void *registry_loader_main(void *registry);
/* update.c: brings the models to what the sources hold. only: a model's name, or NULL for all. force: load
 * again what has not changed. automatic: leave files alone that are still being written. Returns the first
 * failure. */
int registry_update(struct registry *registry, const char *only, bool force, bool automatic, struct err *err);
void registry_unload(struct registry *registry, struct registry_model *model);

/* version.c: from a file to a version that can serve; blocks. conf is the model's configuration. */
int registry_version_build(struct registry *registry, const struct conf_model *conf, const char *model,
                           int64_t number, const char *path, struct registry_version **ret, struct err *err);
/* The last reference is gone. On the loader's thread. */
void registry_version_free(struct registry_version *version);

/* selftest.c: runs what the file at path says and compares; no file is no error. */
int registry_selftest(const struct registry_version *version, const char *path, struct err *err);

/* memory.c: is there room for this many bytes more? KD_ENOMEM with the numbers if not. */
int registry_memory_check(uint64_t bytes, struct err *err);

/* stats.c */
struct metrics_cells *registry_cells_new(void);
bool registry_metrics_compatibility(struct registry *registry);
void registry_stats_read(const struct registry_version *version, struct registry_stats *ret);

#endif
