/* Op: the one interface between the engine and its primitive operations. Each op is a const struct of
 * hooks, kept with its builder function in the file of its kind (op_window.c, op_movement.c, ...).
 *
 *   infer     dtypes and shapes of the results. Called when the graph is built (sizes may be
 *             SHAPE_UNKNOWN) and again for each plan (all sizes known). Says what does not fit.
 *   pack      once, after fusion: the weights in the form that the kernel reads.
 *   prepare   once per plan: kernel parameters, scratch bytes, cost. All sizes known.
 *   run       the work. Allocates nothing; fails only for what the data says.
 *
 * A value's elements are known before any run if it derives from constants (folded while building) or from
 * sizes (computed when the plan is made): an op that needs such numbers to know its shape reads them with
 * step_sizes() in infer. */
#ifndef KD_ENGINE_OP_H
#define KD_ENGINE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/graph.h"
#include "tensor/tensor.h"

struct arena;
struct node;
struct pack;

#define OP_MAX_OUTPUTS 3

/* What is known of a value. */
struct value {
    enum dtype dtype;
    struct shape shape;
    const void *data;       /* the elements, or NULL if only a run yields them */
    bool constant;          /* the same for all requests; data may be gone once it was packed */
    const int64_t *partial; /* while building: the elements of a size vector, SIZE_FREE where not known yet */
};
#define SIZE_FREE INT64_MIN

/* One node with its operands bound: what the hooks work on. */
struct step {
    const struct node *node;
    const void *attrs; /* of the node */
    int n_in, n_out;
    const struct value **in; /* NULL where an optional operand was left out */
    struct value *out[OP_MAX_OUTPUTS];
    bool exact;          /* all sizes are known: a plan, not the graph being built */
    int64_t measured;    /* what measure said of the request's data; -1: nothing */
    struct arena *arena; /* lives as long as the plan */
    /* For prepare: */
    void *params;       /* for run, from the arena */
    size_t scratch;     /* bytes that run wants, 64-byte aligned */
    double cost_us;     /* estimated; 0: the planner estimates by bytes moved */
    const char *kernel; /* the choice made, for the printed plan; may be NULL */
};

/* The memory of one run of one step; in[i] is NULL for a missing operand, out[i] for i >= 1 may be NULL:
 * nobody reads that result. */
struct io {
    void *const *in;
    void *const *out;
    void *scratch;
    struct spare *spare;
};

/* Room that a worker keeps for the few ops whose need only the data tells. */
struct spare {
    void *data;
    size_t bytes;
};
/* At least so many bytes, 64-byte aligned, until the next call. NULL and err set when out of memory. */
void *io_spare(const struct io *io, size_t bytes, struct err *err);

/* How results depend on the rows of a batch; see rows.c. */
enum rows {
    ROWS_FREE, /* the same for every batch */
    ROWS_EACH, /* axis 0 is a multiple of the batch; its i-th part depends on sample i alone */
    ROWS_MIXED /* anything else */
};

enum op_flags {
    OP_VIEW = 1,  /* the result is operand 0 under another shape: no run, no memory */
    OP_OPAQUE = 2 /* never computed ahead (inputs, ops with packed weights) */
};

struct op {
    const char *name;
    unsigned flags;
    int n_required;      /* that many operands must be there; -1: all */
    unsigned shape_only; /* bit i: operand i matters by its shape only, not by its elements */
    unsigned in_place;   /* bit i: result 0 may overwrite operand i of its own storage type and shape */
    unsigned packs;      /* bit i: pack copies operand i, a run does not read it */
    int (*infer)(struct step *step, struct err *err);
    int (*pack)(struct node *node, const struct step *step, struct pack *pack,
                struct err *err); /* may be NULL */
    /* NULL, or: the size of the result that depends on operand 0's elements, which must be a model input
     * (or a view of one); the shapes of the operands other than 0 are the graph's. */
    int (*measure)(const struct step *step, const struct io *io, int64_t *ret, struct err *err);
    int (*prepare)(struct step *step, struct err *err);                        /* NULL: nothing to choose */
    int (*run)(const struct step *step, const struct io *io, struct err *err); /* NULL for views, inputs */
    /* NULL: free if all operands are, else mixed. step has the sizes of a trial batch. */
    enum rows (*rows)(const struct step *step, const enum rows *in);
};

struct node {
    const struct op *op;
    void *attrs;
    size_t attrs_size;
    const char *scope;
    int n_inputs, n_outputs;
    engine_value *inputs;
    engine_value outputs[OP_MAX_OUTPUTS];
    const void *packed; /* by pack */
};

/* ---- for builder functions ---- */

/* Appends a node, infers, folds; attrs are copied. Returns the first result, or ENGINE_NONE. */
engine_value graph_add(struct engine_graph *graph, const struct op *op, const void *attrs, size_t attrs_size,
                       const engine_value *inputs, int n_inputs, int n_outputs);
/* Results after the first one: first + i. */
struct arena *graph_arena(struct engine_graph *graph);
bool graph_failed(const struct engine_graph *graph);

/* ---- for infer ---- */

/* The elements of an integer operand that holds sizes: a vector or a single number. */
struct sizes {
    int n;                      /* -1: not even the length is known yet */
    int rank;                   /* 0 or 1 */
    int64_t at[SHAPE_MAX_RANK]; /* SIZE_FREE where not known yet */
};
/* Elements that only a run yields are an error once all sizes are known. */
int step_sizes(const struct step *step, int i, struct sizes *ret, struct err *err);
/* Operand i as a shape (vector of sizes >= 0). */
int step_shape_operand(const struct step *step, int i, struct shape *ret, struct err *err);
/* Result i takes dtype and shape of operand j. */
void step_like(struct step *step, int i, int j);
/* Sentences about what operand i should have been. */
int step_need_float(const struct step *step, int i, struct err *err);
int step_need_int(const struct step *step, int i, struct err *err);
int step_need_rank(const struct step *step, int i, int min, int max, struct err *err);
/* An axis in range (negative counts from the end). */
int step_axis(const struct step *step, int i, int64_t axis, int *ret, struct err *err);
/* Several, distinct; marks[axis] is set for each. */
int step_axes(const struct step *step, int i, const int *axes, int n_axes, bool marks[SHAPE_MAX_RANK],
              struct err *err);
/* Both sizes known and different. */
bool size_differs(int64_t a, int64_t b);

/* ---- for prepare and run: all sizes known ---- */

/* From the plan's arena, zero-filled; becomes step->params. NULL and err set when out of memory. */
void *step_params(struct step *step, size_t size, struct err *err);
int64_t step_in_count(const struct step *step, int i);
int64_t step_out_count(const struct step *step, int i);
/* Bytes of an element of operand i. */
size_t step_in_size(const struct step *step, int i);
/* Product of the sizes of axes [from, to). */
int64_t shape_outer(const struct shape *shape, int axis); /* before the axis */
int64_t shape_inner(const struct shape *shape, int axis); /* behind it */

/* ---- for pack ---- */

/* Memory for packed weights, 64-byte aligned, owned by the engine. If the same weights were packed by the
 * same op before (shared layers), that memory, and *ret_fresh is false. variant: what else the packing
 * depends on. */
void *pack_memory(struct pack *pack, const struct op *op, const void *weights, uint64_t variant, size_t bytes,
                  bool *ret_fresh);
int pack_failed(struct err *err); /* KD_ENOMEM with its sentence */

/* ---- row rules shared by many ops ---- */

/* Element-wise with broadcasting; rank of result 0 decides the alignment. */
enum rows rows_elementwise(const struct step *step, const enum rows *in);
/* As operand 0 goes, if all others are free. */
enum rows rows_first(const struct step *step, const enum rows *in);

#endif
