/* A compiled engine and its plans from inside. Private to the engine room.
 *
 *   graph ── compile ──► engine ── trace ──► shapes of one request ── place ──► plan ── run ──► outputs */
#ifndef KD_ENGINE_ENGINE_DATA_H
#define KD_ENGINE_ENGINE_DATA_H

#include <stdatomic.h>

#include "base/lock.h"
#include "engine/engine.h"
#include "engine/graph_data.h"

/* ---- trace: inference over all live nodes with the sizes of one request ---- */

struct trace {
    struct arena *arena;
    struct value *values; /* by number */
    struct step *steps;   /* by node; op NULL steps of dead nodes are left zero */
    bool *done;           /* by node: its results are known, it need not run */
    int n_blocks, max_blocks;
    void **blocks; /* elements computed ahead */
};
/* What a plan is made for: the input shapes, then one measured size (a shape of rank 1) per measuring node.
 * Sentences name input or op. On failure there is nothing to free. */
int trace_make(const struct engine *engine, const struct shape *key, struct trace *ret, struct err *err);
void trace_done(struct trace *trace);

/* ---- plan ---- */

/* Where a value lies during a run. */
enum place_kind { PLACE_NONE, PLACE_KNOWN, PLACE_INPUT, PLACE_OUTPUT, PLACE_ARENA };
struct place {
    enum place_kind kind;
    size_t at;        /* INPUT, OUTPUT: which; ARENA: the offset */
    const void *data; /* KNOWN */
};

/* One step that runs. Its pointers are the slots [first, first + n_in + n_out). */
struct plan_step {
    const struct step *step;
    int first;
    size_t scratch; /* arena offset */
    double cost_us;
    _Atomic int64_t spent_ns, least_ns; /* of profiled runs: in all, and the quickest */
};

/* An output that could not be computed in the caller's memory. */
struct plan_copy {
    int output;
    struct place from;
    size_t bytes;
};

struct engine_plan {
    struct engine *engine;
    atomic_int references;
    atomic_bool profiling;
    _Atomic int64_t runs;
    struct shape *key; /* see trace_make */
    struct shape *output_shapes;
    /* Either a big batch in parts, n_parts times part and then rest (or NULL), and nothing of what
     * follows: */
    int64_t n_parts, part_rows;
    struct engine_plan *part, *rest;
    /* or steps: */
    struct trace trace;
    int n_steps, n_slots, n_copies;
    struct plan_step *steps;
    struct place *slots;
    struct plan_copy *copies;
    struct place *places; /* by value */
    size_t arena_bytes;
    double cost_us;
    uint64_t hash; /* of the key, for the cache */
    uint64_t used; /* the cache's clock at the last use */
};

int plan_make(struct engine *engine, const struct shape *key, struct engine_plan **ret, struct err *err);
void plan_free(struct engine_plan *plan);
/* From the cache or new; engine_plan_get without its checks. */
int cache_get(struct engine *engine, const struct shape *key, struct engine_plan **ret, struct err *err);

/* How many rows a part should have; 0: the batch is run as a whole. */
int parts_rows(struct engine *engine, const struct shape *key, int64_t *ret, struct err *err);
int parts_make(struct engine *engine, const struct shape *key, int64_t rows, struct engine_plan *plan,
               struct err *err);
/* ports: inputs, then outputs; changed on the way. */
int parts_run(struct engine_plan *plan, struct engine_worker *worker, struct tensor *ports, struct err *err);
size_t parts_default_bytes(void);
/* Decides where every value lies: fills places, slots, copies, scratch offsets, arena_bytes. */
int plan_place(struct engine_plan *plan, struct err *err);

/* ---- engine ---- */

struct packed_block {
    const struct op *op;
    const void *weights;
    uint64_t variant;
    size_t bytes;
    void *data;
};

/* Packed weights, by what they were packed from. */
struct pack {
    int n, max;
    struct packed_block *blocks;
    size_t bytes;
};

struct engine {
    struct engine_graph *graph;
    struct engine_options options;
    bool *live; /* by node: an output depends on it */
    bool batchable;
    struct shape
        *trial_shapes; /* by value, while compiling: sizes under a made-up request in which no two open sizes
                                 * are alike; NULL if none could be found */
    int n_measures;    /* nodes with op.measure */
    int *measures;
    struct pack pack;
    size_t constant_bytes; /* held besides the packed weights */
    struct lock lock;      /* guards the cache */
    size_t n_plans;
    struct engine_plan **plans;
    uint64_t clock;
};

/* Input shapes and measured sizes. */
size_t engine_key_length(const struct engine *engine);
/* The value that this one is a view of, itself if it is none. */
engine_value view_source(const struct engine_graph *graph, engine_value value);
/* Marks the nodes that outputs depend on. */
void engine_mark_live(struct engine *engine);
/* Decides engine->batchable from trial batches of the graph as lowered, and keeps trial_shapes. Fails if
 * no request can ever be planned. */
int engine_judge_rows(struct engine *engine, struct err *err);
/* Rewrites the graph; 0 or KD_ENOMEM. */
int engine_fuse(struct engine *engine, struct err *err);

#endif
