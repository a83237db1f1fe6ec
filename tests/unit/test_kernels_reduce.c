/* Reductions, softmax, normalisation, scans and sorting against plain loops over every element. */
#include "kernels/reduce.h"
#include "kernels_test.h"

/* Shapes and axes that make every pattern of kept and reduced runs. */
static const struct shape_case {
    struct shape shape;
    int n_axes, axes[4];
} shapes[] = {
    {{1, {7}}, 1, {0}},
    {{1, {300}}, 1, {0}},
    {{2, {5, 33}}, 1, {1}},
    {{2, {5, 128}}, 1, {1}},
    {{2, {33, 5}}, 1, {0}},
    {{2, {150, 200}}, 1, {0}},
    {{3, {3, 17, 6}}, 1, {1}},
    {{3, {2, 49, 70}}, 1, {1}},
    {{3, {3, 17, 6}}, 2, {0, 2}},
    {{3, {4, 5, 6}}, 3, {0, 1, 2}},
    {{4, {2, 5, 3, 7}}, 2, {1, 2}},
    {{5, {2, 3, 4, 5, 6}}, 3, {1, 2, 4}},
    {{5, {2, 3, 1, 5, 6}}, 2, {2, 3}},
    {{3, {2, 3, 4}}, 0, {0}},
    {{4, {3, 1, 4, 1}}, 2, {1, 3}},
};

/* The element of the result that element i goes into. */
static int64_t group_of(const struct shape_case *c, int64_t i)
{
    int64_t index[SHAPE_MAX_RANK], group = 0;
    for (int axis = c->shape.rank - 1; axis >= 0; axis--) {
        index[axis] = i % c->shape.dim[axis];
        i /= c->shape.dim[axis];
    }
    for (int axis = 0; axis < c->shape.rank; axis++) {
        bool reduced = false;
        for (int j = 0; j < c->n_axes; j++)
            reduced |= c->axes[j] == axis;
        if (!reduced)
            group = group * c->shape.dim[axis] + index[axis];
    }
    return group;
}

#define MAX_GROUPS 1000

struct exact {
    double sum[MAX_GROUPS], max[MAX_GROUPS], min[MAX_GROUPS], product[MAX_GROUPS], exps[MAX_GROUPS];
    double squares[MAX_GROUPS], variance[MAX_GROUPS];
    int64_t count;
};

static void exact_groups(const struct shape_case *c, const float *x, int64_t n, struct exact *e)
{
    memset(e, 0, sizeof(*e));
    for (int i = 0; i < MAX_GROUPS; i++) {
        e->max[i] = -INFINITY;
        e->min[i] = INFINITY;
        e->product[i] = 1;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t g = group_of(c, i);
        e->count += g == 0;
        e->sum[g] += x[i];
        e->squares[g] += (double)x[i] * x[i];
        e->max[g] = fmax(e->max[g], x[i]);
        e->min[g] = fmin(e->min[g], x[i]);
        e->product[g] *= x[i];
        e->exps[g] += exp(x[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t g = group_of(c, i);
        e->variance[g] += pow(x[i] - e->sum[g] / (double)e->count, 2) / (double)e->count;
    }
}

static double exact_value(enum reduce_kind kind, const struct exact *e, int64_t g)
{
    switch (kind) {
    case REDUCE_SUM: return e->sum[g];
    case REDUCE_MEAN: return e->sum[g] / (double)e->count;
    case REDUCE_MAX: return e->max[g];
    case REDUCE_MIN: return e->min[g];
    case REDUCE_PROD: return e->product[g];
    default: return log(e->exps[g]);
    }
}

static void check_reduce(const struct shape_case *c, const struct reduce_plan *plan, const float *x,
                         const struct exact *e)
{
    static const enum reduce_kind kinds[] = {REDUCE_SUM, REDUCE_MEAN, REDUCE_MAX, REDUCE_MIN, REDUCE_PROD,
                                             REDUCE_LOGSUMEXP};
    float y[MAX_GROUPS];
    for (size_t k = 0; k < KD_COUNT(kinds); k++) {
        reduce_f32(kinds[k], plan, x, y);
        for (int64_t g = 0; g < plan->kept; g++)
            CU_ASSERT_DOUBLE_EQUAL(y[g], exact_value(kinds[k], e, g),
                                   1e-6 + 1e-6 * fabs(exact_value(kinds[k], e, g)));
    }
}

static void check_softmax(const struct shape_case *c, const struct reduce_plan *plan, const float *x,
                          int64_t n, const struct exact *e)
{
    float *y = random_floats(n), *logs = random_floats(n);
    memcpy(logs, x, (size_t)n * sizeof(float));
    softmax_run(plan, false, x, y);
    softmax_run(plan, true, logs, logs);
    for (int64_t i = 0; i < n; i++) {
        double p = exp(x[i]) / e->exps[group_of(c, i)];
        CU_ASSERT_DOUBLE_EQUAL(y[i], p, 1e-6 * p);
        CU_ASSERT_DOUBLE_EQUAL(logs[i], log(p), 2e-6);
    }
    free(y);
    free(logs);
}

static void check_norm(const struct shape_case *c, const struct reduce_plan *plan, const float *x, int64_t n,
                       const struct exact *e)
{
    int64_t channels = c->shape.dim[c->shape.rank - 1];
    float *y = random_floats(n), *scale = random_floats(channels), *shift = random_floats(channels);
    for (int kind = NORM_LAYER; kind <= NORM_RMS_SCALED; kind++) {
        memcpy(y, x, (size_t)n * sizeof(float));
        norm_run(kind, plan, 1e-3f, channels, kind == NORM_RMS ? NULL : scale,
                 kind == NORM_LAYER ? shift : NULL, y, y);
        for (int64_t i = 0; i < n; i++) {
            int64_t g = group_of(c, i);
            double spread = kind == NORM_RMS ? e->squares[g] / (double)e->count : e->variance[g];
            double centred = kind == NORM_LAYER ? x[i] - e->sum[g] / (double)e->count : x[i];
            double exact = centred / sqrt(spread + (double)1e-3f);
            exact = exact * (kind == NORM_RMS ? 1 : scale[i % channels]) +
                    (kind == NORM_LAYER ? shift[i % channels] : 0);
            CU_ASSERT_DOUBLE_EQUAL(y[i], exact, 3e-6);
        }
    }
    free(y);
    free(scale);
    free(shift);
}

static void test_floats(void)
{
    static struct exact e;
    for (size_t i = 0; i < KD_COUNT(shapes); i++) {
        struct reduce_plan plan;
        int64_t n = shape_product(&shapes[i].shape, 0, shapes[i].shape.rank);
        float *x = random_floats(n);
        reduce_plan_init(&plan, &shapes[i].shape, shapes[i].axes, shapes[i].n_axes);
        exact_groups(&shapes[i], x, n, &e);
        CU_ASSERT_EQUAL(plan.count, e.count);
        check_reduce(&shapes[i], &plan, x, &e);
        check_softmax(&shapes[i], &plan, x, n, &e);
        check_norm(&shapes[i], &plan, x, n, &e);
        free(x);
    }
}

static void test_integers(void)
{
    static const int64_t x[] = {3, -1, 0, 5, 2, -7}; /* [2, 3] */
    static const struct {
        enum reduce_kind kind;
        int64_t rows[2], columns[3];
    } table[] = {
        {REDUCE_SUM, {2, 0}, {8, 1, -7}},    {REDUCE_MAX, {3, 5}, {5, 2, 0}},
        {REDUCE_MIN, {-1, -7}, {3, -1, -7}}, {REDUCE_PROD, {0, -70}, {15, -2, 0}},
        {REDUCE_ANY, {1, 1}, {1, 1, 1}},     {REDUCE_ALL, {0, 1}, {1, 1, 0}},
        {REDUCE_MEAN, {0, 0}, {4, 0, -3}},
    };
    struct shape shape = shape_of(2, (int64_t)2, (int64_t)3);
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        struct reduce_plan plan;
        int64_t y[3];
        reduce_plan_init(&plan, &shape, (const int[]){1}, 1);
        reduce_i64(table[i].kind, &plan, x, y);
        CU_ASSERT_EQUAL(memcmp(y, table[i].rows, sizeof(table[i].rows)), 0);
        reduce_plan_init(&plan, &shape, (const int[]){0}, 1);
        reduce_i64(table[i].kind, &plan, x, y);
        CU_ASSERT_EQUAL(memcmp(y, table[i].columns, sizeof(table[i].columns)), 0);
    }
}

static void test_nothing(void)
{
    struct shape shape = shape_of(2, (int64_t)2, (int64_t)0);
    struct reduce_plan plan;
    float y[2];
    reduce_plan_init(&plan, &shape, (const int[]){1}, 1);
    reduce_f32(REDUCE_SUM, &plan, NULL, y);
    CU_ASSERT(y[0] == 0 && y[1] == 0);
    reduce_f32(REDUCE_MAX, &plan, NULL, y);
    CU_ASSERT(y[0] == -INFINITY && y[1] == -INFINITY);
    reduce_f32(REDUCE_MEAN, &plan, NULL, y);
    CU_ASSERT(isnan(y[0]));
}

/* A million equal numbers: a float accumulator would lose the last digits. */
static void test_long_sum(void)
{
    enum { n = 1000000 };
    float *x = test_memory(n * sizeof(float)), y;
    struct shape shape = shape_of(1, (int64_t)n);
    struct reduce_plan plan;
    for (int i = 0; i < n; i++)
        x[i] = 0.1f;
    reduce_plan_init(&plan, &shape, (const int[]){0}, 1);
    reduce_f32(REDUCE_MEAN, &plan, x, &y);
    CU_ASSERT_EQUAL(y, 0.1f);
    free(x);
}

static void test_not_finite(void)
{
    float x[40], y[40], max;
    struct shape shape = shape_of(1, (int64_t)40);
    struct reduce_plan plan;
    reduce_plan_init(&plan, &shape, (const int[]){0}, 1);
    for (int i = 0; i < 40; i++)
        x[i] = (float)i;
    x[3] = -INFINITY;
    softmax_run(&plan, false, x, y);
    CU_ASSERT_EQUAL(y[3], 0);
    CU_ASSERT_DOUBLE_EQUAL(y[39], 1 - exp(-1), 1e-6);
    x[20] = NAN;
    reduce_f32(REDUCE_MAX, &plan, x, &max);
    CU_ASSERT(isnan(max));
    softmax_run(&plan, false, x, y);
    CU_ASSERT(isnan(y[0]) && isnan(y[39]));
    for (int i = 0; i < 40; i++)
        x[i] = -1e9f;
    softmax_run(&plan, false, x, y);
    CU_ASSERT_DOUBLE_EQUAL(y[7], 1 / 40.0, 1e-8);
}

static void test_arg(void)
{
    static const float x[] = {1, 5, 5, -2, NAN, 7, 3, 3, 3}; /* [3, 3] */
    static const int64_t integers[] = {4, 9, 9, -1, -1, 0};
    int64_t y[3];
    reduce_arg_f32(REDUCE_ARGMAX, 3, 3, 1, x, y);
    CU_ASSERT(y[0] == 1 && y[1] == 1 && y[2] == 0);
    reduce_arg_f32(REDUCE_ARGMIN, 3, 3, 1, x, y);
    CU_ASSERT(y[0] == 0 && y[1] == 1 && y[2] == 0);
    reduce_arg_f32(REDUCE_ARGMAX, 1, 3, 3, x, y);
    CU_ASSERT(y[0] == 2 && y[1] == 1 && y[2] == 1);
    reduce_arg_i64(REDUCE_ARGMAX, 2, 3, 1, integers, y);
    CU_ASSERT(y[0] == 1 && y[1] == 2);
    reduce_arg_i64(REDUCE_ARGMIN, 2, 3, 1, integers, y);
    CU_ASSERT(y[0] == 0 && y[1] == 0);
}

static void test_sparsemax(void)
{
    static const float x[] = {1, 0.9f, 0.1f, 0.1f, 1, 0.9f};
    float y[6], scratch[3];
    sparsemax_run(2, 3, x, y, scratch);
    CU_ASSERT_DOUBLE_EQUAL(y[0], 0.05, 1e-6);
    CU_ASSERT(y[1] == 0 && y[2] == 0 && y[3] == 0 && y[5] == 0);
    CU_ASSERT_DOUBLE_EQUAL(y[4], 0.05, 1e-6);
}

static void test_scan(void)
{
    static const float x[] = {1, 2, 3, 4, 5, 6}; /* [1, 3, 2] */
    static const struct {
        struct scan scan;
        float expected[6];
    } table[] = {
        {{1, 3, 2, false, false, false}, {1, 2, 4, 6, 9, 12}},
        {{1, 3, 2, true, false, false}, {0, 0, 1, 2, 4, 6}},
        {{1, 3, 2, false, true, false}, {9, 12, 8, 10, 5, 6}},
        {{1, 3, 2, true, true, false}, {8, 10, 5, 6, 0, 0}},
        {{1, 3, 2, false, false, true}, {1, 2, 3, 8, 15, 48}},
        {{2, 3, 1, false, false, false}, {1, 3, 6, 4, 9, 15}},
    };
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        float y[6];
        int64_t integers[6];
        memcpy(y, x, sizeof(y));
        scan_f32(&table[i].scan, y, y);
        CU_ASSERT_EQUAL(memcmp(y, table[i].expected, sizeof(y)), 0);
        for (int j = 0; j < 6; j++)
            integers[j] = (int64_t)x[j];
        scan_i64(&table[i].scan, integers, integers);
        for (int j = 0; j < 6; j++)
            CU_ASSERT_EQUAL(integers[j], (int64_t)table[i].expected[j]);
    }
}

static void sort_case(int64_t outer, int64_t n, int64_t inner, int64_t k, bool descending)
{
    struct sort sort = {outer, n, inner, k, descending};
    size_t bytes;
    CU_ASSERT_TRUE_FATAL(sort_scratch(&sort, &bytes));
    float *x = random_floats(outer * n * inner), *values = random_floats(outer * k * inner);
    int64_t *indices = test_memory((size_t)(outer * k * inner) * 8);
    void *scratch = test_memory(bytes);
    for (int64_t i = 0; i < outer * n * inner; i++)
        x[i] = rintf(x[i] * 8); /* many equal ones */
    sort_f32(&sort, x, values, indices, scratch);
    for (int64_t i = 0; i < outer * inner; i++) {
        int64_t from = i / inner * n * inner + i % inner, to = i / inner * k * inner + i % inner;
        for (int64_t j = 0; j < k; j++) {
            float value = values[to + j * inner];
            int64_t rank = 0, index = indices[to + j * inner];
            CU_ASSERT_EQUAL(x[from + index * inner], value);
            for (int64_t m = 0; m < n; m++) {
                float other = x[from + m * inner];
                rank += descending ? other > value : other < value;
                rank += other == value && m < index;
            }
            CU_ASSERT_EQUAL(rank, j);
        }
    }
    free(x);
    free(values);
    free(indices);
    free(scratch);
}

static void test_sort(void)
{
    sort_case(3, 20, 1, 20, false);
    sort_case(2, 33, 3, 33, true);
    sort_case(4, 100, 1, 5, true);
    sort_case(1, 1, 1, 1, true);
    static const float x[] = {NAN, 2, -0.0f, 0, -INFINITY};
    static const int64_t up[] = {4, 2, 3, 1, 0}, down[] = {1, 2, 3, 4, 0};
    static const int64_t integers[] = {5, INT64_MIN, INT64_MAX, 5};
    static const int64_t integers_down[] = {INT64_MAX, 5, 5, INT64_MIN};
    int64_t y[5];
    char scratch[512];
    sort_f32(&(struct sort){1, 5, 1, 5, false}, x, NULL, y, scratch);
    CU_ASSERT_EQUAL(memcmp(y, up, sizeof(up)), 0);
    sort_f32(&(struct sort){1, 5, 1, 5, true}, x, NULL, y, scratch);
    CU_ASSERT_EQUAL(memcmp(y, down, sizeof(down)), 0);
    sort_i64(&(struct sort){1, 4, 1, 4, true}, integers, y, NULL, scratch);
    CU_ASSERT_EQUAL(memcmp(y, integers_down, sizeof(integers_down)), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"floats", test_floats},         {"integers", test_integers}, {"nothing", test_nothing},
        {"long sum", test_long_sum},     {"not finite", test_not_finite}, {"arg", test_arg},
        {"sparsemax", test_sparsemax},   {"scan", test_scan},         {"sort", test_sort},
    };
    return kernels_main("reduce", tests, KD_COUNT(tests));
}
