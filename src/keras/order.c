/* Order: which nodes the outputs need, each behind those it reads.
 *
 * A depth-first walk from the outputs along the references, with its own stack: the file decides how deep it
 * goes. A node that is met again while it is open closes a cycle. */
#include <stdlib.h>

#include "base/arena.h"
#include "keras/topology.h"

enum { UNSEEN, OPEN, DONE };

struct frame {
    size_t node;
    size_t next_ref;
};

struct walk {
    struct keras_topology *topology;
    unsigned char *state;
    struct frame *stack;
    size_t depth;
};

static int enter(struct walk *walk, size_t node, struct err *err)
{
    if (walk->state[node] == DONE)
        return 0;
    if (walk->state[node] == OPEN)
        return err_set(err, KD_EFORMAT, "the layers refer to each other in a circle");
    walk->state[node] = OPEN;
    walk->stack[walk->depth++] = (struct frame){node, walk->topology->nodes[node].first_ref};
    return 0;
}

static int walk_from(struct walk *walk, size_t node, struct err *err)
{
    struct keras_topology *topology = walk->topology;
    int rc = enter(walk, node, err);
    while (rc == 0 && walk->depth > 0) {
        struct frame *frame = &walk->stack[walk->depth - 1];
        if (frame->next_ref < topology->nodes[frame->node].end_ref) {
            rc = enter(walk, topology->refs.items[frame->next_ref++].node, err);
            continue;
        }
        walk->state[frame->node] = DONE;
        topology->order[topology->n_order++] = frame->node;
        walk->depth--;
    }
    return rc;
}

int keras_order(struct keras_build *build, struct keras_topology *topology, struct err *err)
{
    size_t n = topology->n_nodes;
    struct walk walk = {.topology = topology};
    topology->order = arena_calloc(build->arena, n + 1, sizeof(*topology->order));
    walk.state = calloc(n + 1, 1);
    walk.stack = calloc(n + 1, sizeof(*walk.stack));
    int rc = 0;
    if (!topology->order || !walk.state || !walk.stack)
        rc = err_set(err, KD_ENOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < topology->n_outputs; i++)
        rc = walk_from(&walk, topology->refs.items[topology->outputs[i].ref].node, err);
    free(walk.state);
    free(walk.stack);
    return rc;
}
