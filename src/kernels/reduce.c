/* Reductions, softmax and normalisation over any set of axes.
 *
 * A plan splits the axes of a dense tensor into kept and reduced ones. A group is what goes into one
 * element of the result: runs of equally spaced elements, one run per step of the outer reduced axes.
 * Sums are accumulated in double. */
#include "kernels/reduce.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"

void reduce_plan_init(struct reduce_plan *plan, const struct shape *shape, const int *axes, int n_axes)
{
    bool reduced[SHAPE_MAX_RANK] = {false};
    for (int i = 0; i < n_axes; i++)
        reduced[axes[i]] = true;
    memset(plan, 0, sizeof(*plan));
    plan->kept = plan->count = 1;
    for (int axis = 0; axis < shape->rank; axis++) {
        int64_t dim = shape->dim[axis];
        *(reduced[axis] ? &plan->count : &plan->kept) *= dim;
        if (dim == 1)
            continue;
        if (plan->rank && plan->reduced[plan->rank - 1] == reduced[axis]) {
            plan->dim[plan->rank - 1] *= dim;
            continue;
        }
        plan->dim[plan->rank] = dim;
        plan->reduced[plan->rank++] = reduced[axis];
    }
}

/* Some of a plan's axes, walked in order. */
struct walk {
    int rank;
    int64_t dim[SHAPE_MAX_RANK], stride[SHAPE_MAX_RANK], at[SHAPE_MAX_RANK];
    int64_t offset;
};

static void walk_init(struct walk *walk, const struct reduce_plan *plan, bool reduced)
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
static bool walk_next(struct walk *walk)
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

/* The groups of a plan: kept positions outside, runs inside. */
struct groups {
    struct walk kept, runs;
    int64_t n, step; /* elements of a run and their distance */
};

static void groups_init(struct groups *groups, const struct reduce_plan *plan)
{
    walk_init(&groups->kept, plan, false);
    walk_init(&groups->runs, plan, true);
    groups->n = groups->step = 1;
    if (groups->runs.rank) {
        int last = --groups->runs.rank;
        groups->n = groups->runs.dim[last];
        groups->step = groups->runs.stride[last];
    }
}

/* for all elements of the group at `base`: offset `at` */
#define EACH(groups, base, at)                                                                     \
    for (int64_t more_ = 1, run_; run_ = (base) + (groups)->runs.offset, more_;                    \
         more_ = walk_next(&(groups)->runs))                                                       \
        for (int64_t at = run_; at < run_ + (groups)->n * (groups)->step; at += (groups)->step)

static float group_max(struct groups *groups, const float *x, int64_t base)
{
    float max = -INFINITY;
    EACH(groups, base, at)
        max = x[at] > max || x[at] != x[at] ? x[at] : max;
    return max;
}

static float group_min(struct groups *groups, const float *x, int64_t base)
{
    float min = INFINITY;
    EACH(groups, base, at)
        min = x[at] < min || x[at] != x[at] ? x[at] : min;
    return min;
}

static double group_sum(struct groups *groups, const float *x, int64_t base)
{
    double sum = 0;
    EACH(groups, base, at)
        sum += x[at];
    return sum;
}

static float group_prod(struct groups *groups, const float *x, int64_t base)
{
    double product = 1;
    EACH(groups, base, at)
        product *= x[at];
    return (float)product;
}

/* log(sum(exp(x))); -inf for nothing. */
static float group_logsumexp(struct groups *groups, const float *x, int64_t base)
{
    float max = group_max(groups, x, base);
    double sum = 0;
    if (isinf(max))
        return max;
    EACH(groups, base, at)
        sum += expf(x[at] - max);
    return max + (float)log(sum);
}

static float group_reduce(enum reduce_kind kind, struct groups *groups, const float *x, int64_t base,
                          int64_t count)
{
    switch (kind) {
    case REDUCE_SUM: return (float)group_sum(groups, x, base);
    case REDUCE_MEAN: return (float)(group_sum(groups, x, base) / (double)count);
    case REDUCE_MAX: return group_max(groups, x, base);
    case REDUCE_MIN: return group_min(groups, x, base);
    case REDUCE_PROD: return group_prod(groups, x, base);
    case REDUCE_LOGSUMEXP: return group_logsumexp(groups, x, base);
    default: KD_ASSERT(!"a reduction of floats");
    }
    return 0;
}

/* What the reduction of nothing gives. */
static float nothing(enum reduce_kind kind)
{
    switch (kind) {
    case REDUCE_SUM: return 0;
    case REDUCE_PROD: return 1;
    case REDUCE_MIN: return INFINITY;
    case REDUCE_MEAN: return NAN;
    default: return -INFINITY;
    }
}

void reduce_f32(enum reduce_kind kind, const struct reduce_plan *plan, const float *x, float *y)
{
    struct groups groups;
    groups_init(&groups, plan);
    for (int64_t i = 0; plan->count == 0 && i < plan->kept; i++)
        y[i] = nothing(kind);
    if (plan->count == 0 || plan->kept == 0)
        return;
    do
        *y++ = group_reduce(kind, &groups, x, groups.kept.offset, plan->count);
    while (walk_next(&groups.kept));
}

static int64_t group_reduce_i64(enum reduce_kind kind, struct groups *groups, const int64_t *x, int64_t base,
                                int64_t count)
{
    bool any = false, all = true;
    int64_t max = INT64_MIN, min = INT64_MAX;
    uint64_t sum = 0, product = 1;
    if (count > 0) {
        EACH(groups, base, at) {
            any |= x[at] != 0;
            all &= x[at] != 0;
            max = x[at] > max ? x[at] : max;
            min = x[at] < min ? x[at] : min;
            sum += (uint64_t)x[at];
            product *= (uint64_t)x[at];
        }
    }
    switch (kind) {
    case REDUCE_SUM: return (int64_t)sum;
    case REDUCE_MEAN: return count ? (int64_t)sum / count : 0;
    case REDUCE_MAX: return max;
    case REDUCE_MIN: return min;
    case REDUCE_PROD: return (int64_t)product;
    case REDUCE_ANY: return any;
    case REDUCE_ALL: return all;
    default: KD_ASSERT(!"a reduction of integers");
    }
    return 0;
}

void reduce_i64(enum reduce_kind kind, const struct reduce_plan *plan, const int64_t *x, int64_t *y)
{
    struct groups groups;
    groups_init(&groups, plan);
    if (plan->kept == 0)
        return;
    do
        *y++ = group_reduce_i64(kind, &groups, x, groups.kept.offset, plan->count);
    while (walk_next(&groups.kept));
}

/* Whether a beats b, which came first. */
static bool beats(enum reduce_kind kind, float a, float b)
{
    if (b != b)
        return false;
    return a != a || (kind == REDUCE_ARGMAX ? a > b : a < b);
}

void reduce_arg_f32(enum reduce_kind kind, int64_t outer, int64_t n, int64_t inner, const float *x,
                    int64_t *y)
{
    for (int64_t i = 0; i < outer * inner; i++) {
        const float *from = x + i / inner * n * inner + i % inner;
        int64_t best = 0;
        for (int64_t j = 1; j < n; j++)
            if (beats(kind, from[j * inner], from[best * inner]))
                best = j;
        y[i] = best;
    }
}

void reduce_arg_i64(enum reduce_kind kind, int64_t outer, int64_t n, int64_t inner, const int64_t *x,
                    int64_t *y)
{
    for (int64_t i = 0; i < outer * inner; i++) {
        const int64_t *from = x + i / inner * n * inner + i % inner;
        int64_t best = 0;
        for (int64_t j = 1; j < n; j++) {
            int64_t a = from[j * inner], b = from[best * inner];
            if (kind == REDUCE_ARGMAX ? a > b : a < b)
                best = j;
        }
        y[i] = best;
    }
}

static void softmax_group(struct groups *groups, bool log, int64_t base, const float *x, float *y)
{
    float max = group_max(groups, x, base);
    double sum = 0;
    EACH(groups, base, at)
        sum += expf(x[at] - max);
    float shift = max + (float)__builtin_log(sum), factor = (float)(1 / sum);
    EACH(groups, base, at)
        y[at] = log ? x[at] - shift : expf(x[at] - max) * factor;
}

void softmax_run(const struct reduce_plan *plan, bool log, const float *x, float *y)
{
    struct groups groups;
    groups_init(&groups, plan);
    if (plan->count == 0 || plan->kept == 0)
        return;
    do
        softmax_group(&groups, log, groups.kept.offset, x, y);
    while (walk_next(&groups.kept));
}

static void norm_group(enum norm_kind kind, struct groups *groups, float epsilon, int64_t count, int64_t base,
                       const float *x, float *y)
{
    double mean = kind == NORM_RMS ? 0 : group_sum(groups, x, base) / (double)count, sum = 0;
    EACH(groups, base, at) {
        double d = x[at] - mean;
        sum += d * d;
    }
    double factor = 1 / sqrt(sum / (double)count + epsilon), centre = kind == NORM_LAYER ? mean : 0;
    EACH(groups, base, at)
        y[at] = (float)((x[at] - centre) * factor);
}

void norm_run(enum norm_kind kind, const struct reduce_plan *plan, float epsilon, int64_t channels,
              const float *scale, const float *shift, const float *x, float *y)
{
    struct groups groups;
    groups_init(&groups, plan);
    if (plan->count == 0 || plan->kept == 0)
        return;
    do
        norm_group(kind, &groups, epsilon, plan->count, groups.kept.offset, x, y);
    while (walk_next(&groups.kept));
    for (int64_t i = 0; (scale || shift) && i < plan->kept * plan->count; i++)
        y[i] = y[i] * (scale ? scale[i % channels] : 1) + (shift ? shift[i % channels] : 0);
}
