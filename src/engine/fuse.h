/* Fusion from inside: the state of the pass over the graph, and folding factors into weights. */
#ifndef KD_ENGINE_FUSE_H
#define KD_ENGINE_FUSE_H

#include "engine/attrs.h"
#include "engine/engine_data.h"

struct fuse {
    struct engine *engine;
    struct engine_graph *graph;
    int *uses;           /* by value: live nodes and outputs that read it */
    engine_value *alias; /* by value: what stands for it now */
};

/* The node that yields a value; NULL for constants. */
struct node *fuse_producer(const struct fuse *fuse, engine_value value);
/* Valid until the next new constant. */
const struct value *fuse_known(const struct fuse *fuse, engine_value value);

/* Gives equal nodes over equal operands one result, through alias. */
int fuse_same(struct fuse *fuse);
/* Spells x * sigmoid(x) and the like as one function. */
int fuse_gates(struct fuse *fuse, int index);

/* y = x * scale + shift per channel of a product's result; NULL: 1, 0. */
struct factors {
    int64_t channels;
    const float *scale, *shift;
};

/* The channel factors behind a product become part of its kernel and bias. */
int fold_behind(struct engine_graph *graph, struct node *product, const struct factors *factors);
/* Those before it too; only where nothing is padded, or shift is NULL. */
int fold_before(struct engine_graph *graph, struct node *product, const struct factors *factors);
/* A new float32 constant of the graph; its elements are to be filled in. ENGINE_NONE when out of memory. */
engine_value new_floats(struct engine_graph *graph, const struct shape *shape, float **ret_data);

#endif
