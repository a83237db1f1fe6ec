/* Engine: a compiled graph, its cached plans, and running them.
 *
 * compile: constant folding, fusion (scale_shift into the product before it, bias, activation), dead ops
 * out, weights packed once. plan: shapes, kernel choice, buffer offsets and cost for one set of input
 * shapes (batch size aside where the model allows), cached and bounded. run: no allocation, lock or log;
 * fails only for what the data does (an id outside an Embedding). */
#ifndef KD_ENGINE_ENGINE_H
#define KD_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

struct buf;
struct err;
struct engine;
struct engine_graph;
struct engine_plan;
struct engine_worker;

struct engine_options {
    bool no_fusion;         /* tests: run the ops as lowered */
    size_t max_plans;       /* cached plans, 0: 64 */
    size_t max_arena_bytes; /* one run's buffers; 0: 4 GiB; a request over it is refused by KD_ETOOBIG */
    /* A batch whose buffers would be larger is run a few rows at a time, where samples are independent; 0:
     * twice the L2 cache, SIZE_MAX: never. */
    size_t part_bytes;
};

/* Takes the graph over in every case (also on failure). Constants lent to the graph stay lent. */
int engine_compile(struct engine_graph *graph, const struct engine_options *options, struct engine **ret,
                   struct err *err);
/* All plans must have been given back. Accepts NULL. */
void engine_free(struct engine *engine);

size_t engine_n_inputs(const struct engine *engine);
size_t engine_n_outputs(const struct engine *engine);
const char *engine_input_name(const struct engine *engine, size_t i);
const char *engine_output_name(const struct engine *engine, size_t i);
enum dtype engine_input_dtype(const struct engine *engine, size_t i);
enum dtype engine_output_dtype(const struct engine *engine, size_t i);
const struct shape *engine_input_shape(const struct engine *engine, size_t i);
const struct shape *engine_output_shape(const struct engine *engine, size_t i);
/* Row i of every output depends on row i of every input alone: requests may share a batch. */
bool engine_batchable(const struct engine *engine);
/* Bytes held: packed weights and folded constants, plans not included. */
size_t engine_bytes(const struct engine *engine);

/* A plan for these input shapes (all known), from the cache or new; give it back with engine_plan_put.
 * Thread-safe. KD_EINVAL: a sentence naming the input or op whose sizes do not fit. */
int engine_plan_get(struct engine *engine, const struct shape *input_shapes, struct engine_plan **ret,
                    struct err *err);
/* The same for models whose shapes also depend on what the strings of a request say (TextVectorization
 * without an output length), which engine_plan_get refuses: looks at the inputs' data as far as needed.
 * Works for all. */
int engine_plan_get_for(struct engine *engine, const struct tensor *inputs, struct engine_plan **ret,
                        struct err *err);
void engine_plan_put(struct engine_plan *plan); /* accepts NULL */
const struct shape *engine_plan_output_shape(const struct engine_plan *plan, size_t i);
/* Estimated time of one run on one core. */
double engine_plan_cost_us(const struct engine_plan *plan);
size_t engine_plan_arena_bytes(const struct engine_plan *plan);

/* One thread's memory for running plans of any engine; grows to the largest plan it has run. */
struct engine_worker *engine_worker_new(void);
void engine_worker_free(struct engine_worker *worker);

/* Runs the plan. inputs: data in storage form with the plan's shapes. outputs[i].data must point to room
 * for the plan's output shape (storage form, 64-byte aligned); dtype and shape are filled in. Strings
 * point into inputs, constants or worker memory valid until its next run. Errors: KD_EINVAL (data),
 * KD_ENOMEM. Any number of threads may run one plan, each with its own worker. */
int engine_run(struct engine_plan *plan, struct engine_worker *worker, const struct tensor *inputs,
               struct tensor *outputs, struct err *err);

/* The plan as text: one line per op with shapes, kernel, buffer offset, estimated cost. */
void engine_plan_print(const struct engine_plan *plan, struct buf *ret);
/* Wall time per op of runs since the last call, if profiling is on (kerasd predict --profile). */
void engine_plan_profile(struct engine_plan *plan, bool on);

#endif
