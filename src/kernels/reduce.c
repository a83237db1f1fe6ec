/* Reductions over any set of axes. Sums are accumulated in double (lines.inc). */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "kernels/groups.h"

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

float groups_line_best(struct groups *groups, bool max, const float *x, int64_t base)
{
    float best[64];
    int64_t n = 0;
    EACH_RUN(groups, base, at) {
        best[n++] = max ? LINES->max(x + at, groups->n) : LINES->min(x + at, groups->n);
        if (n == 64) {
            best[0] = max ? LINES->max(best, n) : LINES->min(best, n);
            n = 1;
        }
    }
    return max ? LINES->max(best, n) : LINES->min(best, n);
}

double groups_line_sum(struct groups *groups, const float *x, int64_t base)
{
    double sum = 0;
    EACH_RUN(groups, base, at)
        sum += LINES->sum(x + at, groups->n);
    return sum;
}

/* sum of exp(x - max), without keeping the exponentials */
double groups_line_exps(struct groups *groups, const float *x, int64_t base, float max)
{
    float lost[COLUMNS];
    double sum = 0;
    EACH_RUN(groups, base, at)
        for (int64_t i = 0; i < groups->n; i += COLUMNS)
            sum += LINES->exp(x + at + i, groups->n - i < COLUMNS ? groups->n - i : COLUMNS, max, lost);
    return sum;
}

static float product(struct groups *groups, const float *x, int64_t base)
{
    double product = 1;
    EACH(groups, base, at)
        product *= (double)x[at];
    return (float)product;
}

/* log(sum(exp)); where the largest is infinite, that is it. */
static float log_sum(float max, double sum)
{
    return isinf(max) ? max : max + (float)log(sum);
}

static float reduce_line(enum reduce_kind kind, struct groups *groups, const float *x, int64_t base,
                         int64_t count)
{
    float max;
    switch (kind) {
    case REDUCE_SUM: return (float)groups_line_sum(groups, x, base);
    case REDUCE_MEAN: return (float)(groups_line_sum(groups, x, base) / (double)count);
    case REDUCE_MAX: return groups_line_best(groups, true, x, base);
    case REDUCE_MIN: return groups_line_best(groups, false, x, base);
    case REDUCE_PROD: return product(groups, x, base);
    case REDUCE_LOGSUMEXP:
        max = groups_line_best(groups, true, x, base);
        return log_sum(max, groups_line_exps(groups, x, base, max));
    default: KD_ASSERT(!"a reduction of floats");
    }
    return 0;
}

void groups_columns_best(struct groups *groups, bool max, const float *x, int64_t base, int64_t n,
                         float *best)
{
    for (int64_t i = 0; i < n; i++)
        best[i] = max ? -INFINITY : INFINITY;
    EACH_RUN(groups, base, at)
        (max ? LINES->columns_max : LINES->columns_min)(x + at, groups->n, groups->step, n, best);
}

void groups_columns_sum(struct groups *groups, const float *x, int64_t base, int64_t n, double *sum)
{
    memset(sum, 0, (size_t)n * sizeof(*sum));
    EACH_RUN(groups, base, at)
        LINES->columns_sum(x + at, groups->n, groups->step, n, sum);
}

void groups_columns_exps(struct groups *groups, const float *x, int64_t base, int64_t n, const float *max,
                         double *sum)
{
    float lost[COLUMNS];
    memset(sum, 0, (size_t)n * sizeof(*sum));
    EACH(groups, base, at)
        LINES->columns_exp(x + at, 1, 0, n, max, lost, sum);
}

/* n <= COLUMNS neighbouring groups. */
static void reduce_columns(enum reduce_kind kind, struct groups *groups, const float *x, int64_t base,
                           int64_t n, int64_t count, float *y)
{
    double sum[COLUMNS];
    switch (kind) {
    case REDUCE_SUM:
    case REDUCE_MEAN:
        groups_columns_sum(groups, x, base, n, sum);
        for (int64_t i = 0; i < n; i++)
            y[i] = (float)(kind == REDUCE_SUM ? sum[i] : sum[i] / (double)count);
        break;
    case REDUCE_MAX: groups_columns_best(groups, true, x, base, n, y); break;
    case REDUCE_MIN: groups_columns_best(groups, false, x, base, n, y); break;
    case REDUCE_LOGSUMEXP:
        groups_columns_best(groups, true, x, base, n, y);
        groups_columns_exps(groups, x, base, n, y, sum);
        for (int64_t i = 0; i < n; i++)
            y[i] = log_sum(y[i], sum[i]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            y[i] = reduce_line(kind, groups, x, base + i, count);
    }
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
    do {
        int64_t base = groups.kept.offset;
        if (groups.columns == 0)
            *y++ = reduce_line(kind, &groups, x, base, plan->count);
        for (int64_t i = 0; i < groups.columns; i += COLUMNS)
            reduce_columns(kind, &groups, x, base + i, columns_left(&groups, i), plan->count, y + i);
        y += groups.columns;
    } while (walk_next(&groups.kept));
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
    int64_t side_by_side = groups.columns ? groups.columns : 1;
    do
        for (int64_t i = 0; i < side_by_side; i++)
            *y++ = group_reduce_i64(kind, &groups, x, groups.kept.offset + i, plan->count);
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
