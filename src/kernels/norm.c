/* Softmax and normalisation over any set of axes.
 *
 * Groups are lines, or columns side by side (groups.h). Group normalisation of channels-last pictures is a
 * third kind: pixels are reduced, and so are the few channels of a group; there the channels run side by side
 * and are folded, `fold` neighbours into one group. */
#include <math.h>

#include "kernels/elementwise.h"
#include "kernels/groups.h"

/* Folds of more channels than this run as lines. */
#define MAX_FOLD 32

static void softmax_line(struct groups *groups, bool log, int64_t base, const float *x, float *y)
{
    float max = groups_line_best(groups, true, x, base);
    double sum = 0;
    if (log) {
        float all = max + (float)__builtin_log(groups_line_exps(groups, x, base, max));
        EACH_RUN(groups, base, at)
            LINES->scale(x + at, groups->n, all, 1, y + at);
        return;
    }
    EACH_RUN(groups, base, at)
        sum += LINES->exp(x + at, groups->n, max, y + at);
    EACH_RUN(groups, base, at)
        LINES->scale(y + at, groups->n, 0, (float)(1 / sum), y + at);
}

static void softmax_columns(struct groups *groups, bool log, int64_t base, int64_t n, const float *x,
                            float *y)
{
    float centre[COLUMNS], factor[COLUMNS], zero[COLUMNS] = {0};
    double sum[COLUMNS] = {0};
    groups_columns_best(groups, true, x, base, n, centre);
    if (log) {
        groups_columns_exps(groups, x, base, n, centre, sum);
    } else {
        EACH_RUN(groups, base, at)
            LINES->columns_exp(x + at, groups->n, groups->step, n, centre, y + at, sum);
    }
    for (int64_t i = 0; i < n; i++) {
        factor[i] = log ? 1 : (float)(1 / sum[i]);
        centre[i] = log ? centre[i] + (float)__builtin_log(sum[i]) : 0;
    }
    EACH_RUN(groups, base, at)
        LINES->columns_affine((log ? x : y) + at, groups->n, groups->step, n, centre, factor, zero, y + at);
}

void softmax_run(const struct reduce_plan *plan, bool log, const float *x, float *y)
{
    struct groups groups;
    groups_init(&groups, plan);
    if (plan->count == 0 || plan->kept == 0)
        return;
    do {
        int64_t base = groups.kept.offset;
        if (groups.columns == 0)
            softmax_line(&groups, log, base, x, y);
        for (int64_t i = 0; i < groups.columns; i += COLUMNS)
            softmax_columns(&groups, log, base + i, columns_left(&groups, i), x, y);
    } while (walk_next(&groups.kept));
}

/* What all groups of a run share. */
struct norm {
    enum norm_kind kind;
    float epsilon;
    int64_t count, channels, fold;
    const float *scale, *shift; /* both or none */
};

static void norm_line(const struct norm *norm, struct groups *groups, int64_t base, const float *x, float *y)
{
    float mean = 0;
    double squares = 0;
    if (norm->kind != NORM_RMS)
        mean = (float)(groups_line_sum(groups, x, base) / (double)norm->count);
    EACH_RUN(groups, base, at)
        squares += LINES->squares(x + at, groups->n, mean);
    float factor = (float)(1 / sqrt(squares / (double)norm->count + (double)norm->epsilon));
    float centre = norm->kind == NORM_LAYER ? mean : 0;
    bool whole = norm->scale && groups->n == norm->channels;
    EACH_RUN(groups, base, at) {
        if (whole)
            LINES->affine(x + at, groups->n, centre, factor, norm->scale, norm->shift, y + at);
        else
            LINES->scale(x + at, groups->n, centre, factor, y + at);
    }
}

/* Sums of `fold` neighbours, in the place of each. */
static void fold_sums(int64_t n, int64_t fold, double *sum)
{
    for (int64_t i = 0; fold > 1 && i < n; i += fold) {
        double all = 0;
        for (int64_t j = 0; j < fold; j++)
            all += sum[i + j];
        for (int64_t j = 0; j < fold; j++)
            sum[i + j] = all;
    }
}

/* channel: of the first column. */
static void norm_columns(const struct norm *norm, struct groups *groups, int64_t base, int64_t channel,
                         int64_t n, const float *x, float *y)
{
    float mean[COLUMNS] = {0}, factor[COLUMNS], shift[COLUMNS];
    double sum[COLUMNS];
    if (norm->kind != NORM_RMS) {
        groups_columns_sum(groups, x, base, n, sum);
        fold_sums(n, norm->fold, sum);
        for (int64_t i = 0; i < n; i++)
            mean[i] = (float)(sum[i] / (double)norm->count);
    }
    memset(sum, 0, sizeof(sum));
    EACH_RUN(groups, base, at)
        LINES->columns_squares(x + at, groups->n, groups->step, n, mean, sum);
    fold_sums(n, norm->fold, sum);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = (channel + i) % norm->channels;
        factor[i] = (float)(1 / sqrt(sum[i] / (double)norm->count + (double)norm->epsilon));
        factor[i] *= norm->scale ? norm->scale[c] : 1;
        shift[i] = norm->scale ? norm->shift[c] : 0;
        mean[i] = norm->kind == NORM_LAYER ? mean[i] : 0;
    }
    EACH_RUN(groups, base, at)
        LINES->columns_affine(x + at, groups->n, groups->step, n, mean, factor, shift, y + at);
}

/* Turns ... R K r into ... R (K r) with r folded, if r is small. */
static int64_t unfold(const struct reduce_plan *plan, struct reduce_plan *ret)
{
    int rank = plan->rank;
    *ret = *plan;
    if (rank < 3 || !plan->reduced[rank - 1] || !plan->reduced[rank - 3] || plan->dim[rank - 1] > MAX_FOLD)
        return 1;
    ret->rank--;
    ret->dim[rank - 2] *= plan->dim[rank - 1];
    return plan->dim[rank - 1];
}

static void run_groups(const struct norm *norm, struct groups *groups, const float *x, float *y)
{
    int64_t most = COLUMNS / norm->fold * norm->fold;
    do {
        int64_t base = groups->kept.offset;
        if (groups->columns == 0)
            norm_line(norm, groups, base, x, y);
        for (int64_t i = 0; i < groups->columns; i += most) {
            int64_t n = groups->columns - i < most ? groups->columns - i : most;
            norm_columns(norm, groups, base + i, i, n, x, y);
        }
    } while (walk_next(&groups->kept));
}

void norm_run(enum norm_kind kind, const struct reduce_plan *plan, float epsilon, int64_t channels,
              const float *scale, const float *shift, const float *x, float *y)
{
    struct norm norm = {kind, epsilon, plan->count, channels, 1, scale, shift};
    struct reduce_plan unfolded;
    struct groups groups;
    if (plan->count == 0 || plan->kept == 0)
        return;
    norm.fold = unfold(plan, &unfolded);
    groups_init(&groups, &unfolded);
    bool both = scale && shift,
         whole = groups.columns ? groups.columns % channels == 0 : groups.n == channels;
    if (!both || !whole)
        norm.scale = norm.shift = NULL;
    run_groups(&norm, &groups, x, y);
    if ((scale || shift) && !norm.scale)
        scale_shift(plan->kept * plan->count / channels, channels, y, scale, shift, NULL, y);
}
