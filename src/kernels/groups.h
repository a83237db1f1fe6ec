/* Inside of the kernels: walking a dense tensor by the axes that a reduction keeps and those that it reduces.
 *
 * A group is what goes into one element of the result. */
#ifndef KD_KERNELS_GROUPS_H
#define KD_KERNELS_GROUPS_H

#include <string.h>

#include "kernels/isa.h"
#include "kernels/reduce.h"

#define LINES (kernels_table->lines)

/* Some of a plan's axes, walked in order. */
struct walk {
    int rank;
    int64_t dim[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK], at[SHAPE_MAX_RANK];
    int64_t offset;
};

static inline void walk_init(struct walk *walk, const struct reduce_plan *plan, bool reduced)
{
    int64_t stride[SHAPE_MAX_RANK], step = 1;
    memset(walk, 0, sizeof(*walk));
    for (int axis = plan->rank - 1; axis >= 0; axis--) {
        stride[axis] = step;
        step *= plan->dim[axis];
    }
    for (int axis = 0; axis < plan->rank; axis++)
        if (plan->reduced[axis] == reduced) {
            walk->dim[walk->rank] = plan->dim[axis];
            walk->stride[walk->rank++] = stride[axis];
        }
}

/* False after the last; then the walk stands at its start again. */
static inline bool walk_next(struct walk *walk)
{
    for (int axis = walk->rank - 1; axis >= 0; axis--) {
        walk->offset += walk->stride[axis];
        if (++walk->at[axis] < walk->dim[axis])
            return true;
        walk->offset -= walk->stride[axis] * walk->dim[axis];
        walk->at[axis] = 0;
    }
    return false;
}

/* The groups of a plan. Each is runs of n elements, `step` apart. Where the last axis is kept, `columns`
 * groups lie side by side and run together; otherwise columns is 0 and a run is a contiguous line. */
struct groups {
    struct walk kept, runs;
    int64_t n, step, columns;
};

static inline void groups_init(struct groups *groups, const struct reduce_plan *plan)
{
    walk_init(&groups->kept, plan, false);
    walk_init(&groups->runs, plan, true);
    groups->n = groups->step = 1;
    groups->columns = 0;
    if (groups->runs.rank) {
        int last = --groups->runs.rank;
        groups->n = groups->runs.dim[last];
        groups->step = groups->runs.stride[last];
    }
    if (plan->rank && !plan->reduced[plan->rank - 1])
        groups->columns = groups->kept.dim[--groups->kept.rank];
}

/* for all runs of the group at `base`: x offset `at` */
#define EACH_RUN(groups, base, at)                                                                 \
    for (int64_t more_ = 1, at; at = (base) + (groups)->runs.offset, more_;                        \
         more_ = walk_next(&(groups)->runs))

/* for all elements of the group at `base`: x offset `at` */
#define EACH(groups, base, at)                                                                     \
    EACH_RUN(groups, base, run_)                                                                   \
        for (int64_t at = run_; at < run_ + (groups)->n * (groups)->step; at += (groups)->step)

/* Columns that run together. */
#define COLUMNS 128

static inline int64_t columns_left(const struct groups *groups, int64_t first)
{
    return groups->columns - first < COLUMNS ? groups->columns - first : COLUMNS;
}

/* The largest (or smallest) element of a line group; NaN wins. */
float groups_line_best(struct groups *groups, bool max, const float *x, int64_t base);
double groups_line_sum(struct groups *groups, const float *x, int64_t base);
/* sum of exp(x - max) */
double groups_line_exps(struct groups *groups, const float *x, int64_t base, float max);
/* The same of n <= COLUMNS groups side by side. */
void groups_columns_best(struct groups *groups, bool max, const float *x, int64_t base, int64_t n,
                         float *best);
void groups_columns_sum(struct groups *groups, const float *x, int64_t base, int64_t n, double *sum);
void groups_columns_exps(struct groups *groups, const float *x, int64_t base, int64_t n, const float *max,
                         double *sum);

#endif
