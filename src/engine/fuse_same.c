/* fuse_same: what is computed twice is computed once. Models written by hand apply the same activation to one
 * tensor on several branches, and lowering asks for the same shape again and again. Two nodes are the same if
 * op, attributes and operands are; all ops are functions of their operands. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "engine/fuse.h"

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

static uint64_t hash_node(const struct node *node)
{
    uint64_t hash = mix((uint64_t)(uintptr_t)node->op, node->attrs_size);
    const unsigned char *attrs = node->attrs;
    for (size_t i = 0; i < node->attrs_size; i++)
        hash = mix(hash, attrs[i]);
    for (int k = 0; k < node->n_inputs; k++)
        hash = mix(hash, (uint64_t)node->inputs[k]);
    return hash;
}

static bool same(const struct node *a, const struct node *b)
{
    return a->op == b->op && a->n_inputs == b->n_inputs && a->n_outputs == b->n_outputs &&
           a->attrs_size == b->attrs_size && memcmp(a->attrs, b->attrs, a->attrs_size) == 0 &&
           memcmp(a->inputs, b->inputs, (size_t)a->n_inputs * sizeof(*a->inputs)) == 0;
}

int fuse_same(struct fuse *fuse)
{
    struct engine_graph *graph = fuse->graph;
    size_t size = 16;
    while (size < 2 * (size_t)graph->n_nodes)
        size *= 2;
    int *table = calloc(size, sizeof(*table)); /* node number + 1, 0: free */
    if (!table)
        return KD_ENOMEM;
    for (int i = 0; i < graph->n_nodes; i++) {
        struct node *node = &graph->nodes[i];
        if (!fuse->engine->live[i] || !node->n_inputs)
            continue;
        for (int k = 0; k < node->n_inputs; k++)
            if (node->inputs[k] != ENGINE_NONE)
                node->inputs[k] = fuse->alias[node->inputs[k]];
        size_t at = hash_node(node) & (size - 1);
        while (table[at] && !same(&graph->nodes[table[at] - 1], node))
            at = (at + 1) & (size - 1);
        if (!table[at]) {
            table[at] = i + 1;
            continue;
        }
        for (int k = 0; k < node->n_outputs; k++)
            fuse->alias[node->outputs[k]] = graph->nodes[table[at] - 1].outputs[k];
        fuse->engine->live[i] = false;
    }
    free(table);
    return 0;
}
