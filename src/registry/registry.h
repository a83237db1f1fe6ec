/* Registry: named models and their versions; who asks for a name gets a reference to one loaded version
 * and keeps it to the end of the request. Everything here is thread-safe. */
#ifndef KD_REGISTRY_REGISTRY_H
#define KD_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf;
struct conf;
struct keras_model;
struct keras_signature_tensor;
struct registry;
struct registry_version; /* a loaded version, held by reference */
struct sched_pool;
struct sched_queue;

/* ---- life ---- */

struct registry_options {
    struct conf *conf; /* given over; model keys and those of loading count */
    struct sched_pool *pool; /* borrowed */
    /* Reads the configuration anew for RELOAD_ALL; called on the loader's thread. *ret is given over, NULL:
     * as before. May be NULL. */
    int (*reread)(void *context, struct conf **ret, struct err *err);
    void *context;
};
/* Starts the loader's thread; nothing is loaded before the first RELOAD_ALL. The conf is given over also on
 * failure. */
int registry_new(const struct registry_options *options, struct registry **ret, struct err *err);
/* registry_ready says no from here on. */
void registry_drain(struct registry *registry);
/* Refuses new commands, answers those that wait, ends the thread; false if it is still loading at
 * deadline_ns (then nothing can be freed). */
bool registry_stop(struct registry *registry, int64_t deadline_ns);
/* Unloads everything. Stopped before; all references have been given back. Accepts NULL. */
void registry_free(struct registry *registry);

/* ---- predictions ---- */

#define REGISTRY_LATEST (-1)

/* Why nothing was found: the protocols have a sentence of their own for each. */
enum registry_miss {
    REGISTRY_MISS_MODEL = 1, /* no such name */
    REGISTRY_MISS_VERSION,   /* no such version of it */
    REGISTRY_MISS_LABEL,     /* no such label */
    REGISTRY_MISS_NOT_READY, /* it is there, but not available now: loading, stopping */
    REGISTRY_MISS_FAILED     /* it could not be loaded, or was unloaded; err says why */
};

/* label: NULL, or it decides instead of version. REGISTRY_LATEST: the largest version that is available.
 * No allocation.
 * KD_ENOTFOUND or KD_EUNAVAILABLE with *ret_miss set. */
int registry_acquire(struct registry *registry, const char *model, int64_t version, const char *label,
                     struct registry_version **ret, enum registry_miss *ret_miss, struct err *err);
/* The last one frees the version (on the loader's thread). Accepts NULL. */
void registry_release(struct registry_version *version);

const char *registry_version_model(const struct registry_version *version);
int64_t registry_version_number(const struct registry_version *version);
const struct keras_model *registry_version_keras(const struct registry_version *version);
struct sched_queue *registry_version_queue(struct registry_version *version);
/* Largest number of rows in one batch; 0: the model does not batch. */
int64_t registry_version_max_batch(const struct registry_version *version);
/* The outputs with the names that clients use (output_names of the configuration). */
const struct keras_signature_tensor *registry_version_outputs(const struct registry_version *version,
                                                              size_t *ret_n);
/* Text of a class (labels file beside the model), or NULL. */
const char *registry_version_class(const struct registry_version *version, int64_t index);

/* ---- statistics ---- */

enum registry_outcome {
    REGISTRY_OK,
    REGISTRY_CLIENT_ERROR, /* wrong input */
    REGISTRY_REJECTED,     /* queue full */
    REGISTRY_DEADLINE,
    REGISTRY_FAILED
};

/* One finished request; the protocol names a static string: "v1", "v2". */
struct registry_sample {
    enum registry_outcome outcome;
    const char *protocol;
    int64_t rows, batch_rows;
    int64_t decode_ns, queue_ns, compute_ns, encode_ns, total_ns;
    uint64_t bytes_in, bytes_out;
};
/* Lock-free. */
void registry_record(struct registry_version *version, const struct registry_sample *sample);

struct registry_duration {
    uint64_t count, ns;
};
#define REGISTRY_BATCH_STATS 16
/* What the statistics answers print; accumulated since the version was loaded. */
struct registry_stats {
    uint64_t inference_count, execution_count;
    int64_t last_inference_ms; /* wall clock, 0: never */
    struct registry_duration success, fail, queue, compute_input, compute_infer, compute_output;
    struct {
        int64_t batch_size; /* powers of two: rows of batches in (size/2, size] */
        struct registry_duration compute_input, compute_infer, compute_output;
    } batch[REGISTRY_BATCH_STATS];
    size_t n_batch;
    uint64_t bytes; /* memory of the model */
};

/* ---- status ---- */

enum registry_state {
    REGISTRY_UNKNOWN,
    REGISTRY_START,
    REGISTRY_LOADING,
    REGISTRY_AVAILABLE,
    REGISTRY_UNLOADING,
    REGISTRY_END
};
/* "START", ... as TensorFlow Serving spells them. */
const char *registry_state_name(enum registry_state state);

struct registry_status {
    const char *model;
    int64_t version;
    enum registry_state state;
    int code;          /* KD_OK or why it ended */
    const char *error; /* never NULL; without paths */
    const char *labels; /* "stable,canary" or "" */
    bool current;      /* what REGISTRY_LATEST gives */
    struct registry_stats stats;
    struct registry_version *loaded; /* a reference while AVAILABLE or UNLOADING, else NULL */
};
/* One allocation tree, sorted by name, then newest version first. A model without versions has one entry with
 * version 0 and REGISTRY_UNKNOWN. */
struct registry_snapshot {
    size_t n;
    struct registry_status *items;
};
/* model NULL: all. KD_ENOTFOUND if the name is unknown. Free it (it holds references). */
int registry_snapshot(struct registry *registry, const char *model, struct registry_snapshot **ret,
                      struct err *err);
void registry_snapshot_free(struct registry_snapshot *snapshot); /* accepts NULL */

/* True if everything that must serve does: required models available, not draining. The sentence says what is
 * missing. */
bool registry_ready(struct registry *registry, struct err *why);

/* ---- control ---- */

enum registry_verb {
    REGISTRY_RELOAD_ALL, /* read configuration and directories again, reload changed files */
    REGISTRY_LOAD,       /* load, or load again, one configured or found name */
    REGISTRY_UNLOAD
};

/* Commands are done one after the other on the loader's thread; equal ones that wait are merged. */
struct registry_command {
    enum registry_verb verb;
    const char *model; /* a name, never a path; lent until done; NULL for RELOAD_ALL */
    void (*done)(struct registry_command *command); /* called once on the loader's thread */

    int code; /* set before done: 0, KD_ENOTFOUND, KD_EFORMAT, ... */
    struct err err;
    bool changed; /* something was loaded or unloaded */
    struct registry_command *next; /* the registry's */
};
/* KD_EUNAVAILABLE while stopping or when too many wait; then done is not called. */
int registry_submit(struct registry *registry, struct registry_command *command, struct err *err);

/* registry_submit and waiting for it. Returns the command's code. Not on the loader's thread. */
int registry_run(struct registry *registry, enum registry_verb verb, const char *model, struct err *err);

/* Model, queue and load families in Prometheus text; own: without the names of TensorFlow Serving and Triton. */
void registry_metrics(struct registry *registry, bool own, struct buf *ret);

#endif
