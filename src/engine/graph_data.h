/* The graph's own data: nodes in topological order by construction, values numbered. Private to the engine
 * room. */
#ifndef KD_ENGINE_GRAPH_DATA_H
#define KD_ENGINE_GRAPH_DATA_H

#include "base/arena.h"
#include "engine/op.h"

/* While building, size arithmetic is done for several made-up settings of the unknown sizes at once:
 * elements on which all agree are known. See fold.c. */
#define GRAPH_LANES 3

struct graph_value {
    struct value value;
    struct value *lanes; /* GRAPH_LANES, or NULL if it does not derive from sizes and constants */
    int node;            /* the producer; -1: a constant made by fusion */
};

struct graph_port {
    const char *name;
    engine_value value;
};

struct graph_block {
    void *data;
    size_t bytes;
};

struct engine_graph {
    struct arena *arena;
    struct err error; /* code 0: none */
    const char *scope;
    int n_nodes, max_nodes;
    struct node *nodes;
    int n_values, max_values;
    struct graph_value *values;
    int n_inputs, max_inputs;
    struct graph_port *inputs;
    int n_outputs, max_outputs;
    struct graph_port *outputs;
    int n_blocks, max_blocks;
    struct graph_block *blocks; /* elements of folded constants, freed with the graph */
};

/* 64-byte aligned, at least 64 bytes; free() it. */
void *block_alloc(size_t bytes);
/* Hands a block over to the graph; false (and the block freed) when out of memory. */
bool graph_own(struct engine_graph *graph, void *block, size_t bytes);
/* A constant without a node, for passes over a finished graph. */
engine_value graph_new_constant(struct engine_graph *graph, enum dtype dtype, const struct shape *shape,
                                const void *data);

/* Binds node's operands to values; step arrays come from arena. */
int step_bind(struct step *step, const struct node *node, struct arena *arena);
/* Runs one op ahead of any request, its operands' elements being known: infers, then computes the results
 * into new blocks that the caller owns (NULL where a result is a view of operand 0). max_bytes bounds
 * each. */
int step_evaluate(struct step *step, size_t max_bytes, void *ret_blocks[OP_MAX_OUTPUTS], struct err *err);
/* The op can be evaluated: it has something to run, and every operand whose elements matter has them. */
bool step_evaluable(const struct step *step);

/* Folds the node just added: its results become constants, or size lanes, where the operands are. */
void graph_fold(struct engine_graph *graph, const struct node *node);

#endif
