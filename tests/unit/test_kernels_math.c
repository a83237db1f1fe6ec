/* Element-wise functions against libm in double: over bit patterns of the whole float range and densely
 * around zero, in units of the last place. */
#include "kernels/elementwise.h"
#include "kernels_test.h"

#define SAMPLES 400000

typedef double (*reference)(double x, const struct unary *f);

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

#define REFERENCE(name, expression)                                                                \
    static double ref_##name(double x, const struct unary *f)                                      \
    {                                                                                              \
        (void)f;                                                                                   \
        return (expression);                                                                       \
    }

REFERENCE(linear, x)
REFERENCE(relu, x < 0 ? 0 : x)
REFERENCE(relu6, clamp(x, 0, 6))
REFERENCE(relu_general, clamp(x > f->c ? x : 0, -INFINITY, f->a) - f->b * fmax(f->c - x, 0))
REFERENCE(leaky_relu, x >= 0 ? x : f->a * x)
REFERENCE(elu, x > 0 ? x : f->a * expm1(x))
REFERENCE(selu, 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * expm1(x)))
REFERENCE(celu, fmax(x, 0) + f->a * expm1(fmin(x, 0) / f->a))
REFERENCE(sigmoid, sigmoid(x))
REFERENCE(hard_sigmoid_2, clamp(0.2 * x + 0.5, 0, 1))
REFERENCE(hard_sigmoid_3, clamp(x + 3, 0, 6) / 6)
REFERENCE(hard_silu, x * (clamp(x + 3, 0, 6) / 6))
REFERENCE(hard_tanh, clamp(x, -1, 1))
REFERENCE(tanh, tanh(x))
REFERENCE(silu, x * (sigmoid(x)))
REFERENCE(gelu, 0.5 * x * (1 + erf(x * M_SQRT1_2)))
REFERENCE(gelu_tanh, 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))))
REFERENCE(mish, x * tanh(softplus(x)))
REFERENCE(softplus, softplus(x))
REFERENCE(softsign, x / (1 + fabs(x)))
REFERENCE(log_sigmoid, -softplus(-x))
REFERENCE(hard_shrink, fabs(x) > f->a ? x : 0)
REFERENCE(soft_shrink, x > f->a ? x - f->a : x < -f->a ? x + f->a : 0)
REFERENCE(tanh_shrink, x - tanh(x))
REFERENCE(threshold, x > f->a ? x : f->b)
REFERENCE(sparse_plus, x <= -1 ? 0 : x < 1 ? (x + 1) * (x + 1) / 4 : x)
REFERENCE(sparse_sigmoid, clamp((x + 1) / 2, 0, 1))
REFERENCE(squareplus, fabs(x) > 1.8446743e19 ? x + INFINITY : (x + sqrt(x * x + f->a)) / 2)
REFERENCE(clip, clamp(x, f->a, f->b))
REFERENCE(negative, -x)
REFERENCE(abs, fabs(x))
REFERENCE(sign, (x > 0) - (x < 0))
REFERENCE(square, (x * x))
REFERENCE(sqrt, sqrt(x))
REFERENCE(rsqrt, 1 / sqrt(x))
REFERENCE(reciprocal, 1 / x)
REFERENCE(exp, exp(x))
REFERENCE(exp2, exp2(x))
REFERENCE(expm1, expm1(x))
REFERENCE(log, log(x))
REFERENCE(log2, log2(x))
REFERENCE(log10, log10(x))
REFERENCE(log1p, log1p(x))
REFERENCE(sin, sin(x))
REFERENCE(cos, cos(x))
REFERENCE(tan, tan(x))
REFERENCE(asin, asin(x))
REFERENCE(acos, acos(x))
REFERENCE(atan, atan(x))
REFERENCE(sinh, sinh(x))
REFERENCE(cosh, cosh(x))
REFERENCE(asinh, asinh(x))
REFERENCE(acosh, acosh(x))
REFERENCE(atanh, atanh(x))
REFERENCE(erf, erf(x))
REFERENCE(floor, floor(x))
REFERENCE(ceil, ceil(x))
REFERENCE(round, nearbyint(x))
REFERENCE(trunc, trunc(x))

/* ulp: allowed error in units of the last place of the result; slack: or absolute, where a formula cancels.
 */
static const struct math_case {
    struct unary f;
    reference exact;
    double ulp, slack, relative_slack; /* relative to |x| */
} cases[] = {
    {{UNARY_LINEAR}, ref_linear, 0},
    {{UNARY_RELU}, ref_relu, 0},
    {{UNARY_RELU6}, ref_relu6, 0},
    {{UNARY_RELU_GENERAL, 2, 0.25f, 0.5f}, ref_relu_general, 1},
    {{UNARY_RELU_GENERAL, INFINITY, 0, 0}, ref_relu, 0},
    {{UNARY_LEAKY_RELU, 0.3f}, ref_leaky_relu, 1},
    {{UNARY_ELU, 0.7f}, ref_elu, 3},
    {{UNARY_SELU}, ref_selu, 3, 1e-44},
    {{UNARY_CELU, 1.5f}, ref_celu, 3, 1e-44},
    {{UNARY_SIGMOID}, ref_sigmoid, 3, 1e-38},
    {{UNARY_HARD_SIGMOID_2}, ref_hard_sigmoid_2, 1, 1e-7},
    {{UNARY_HARD_SIGMOID_3}, ref_hard_sigmoid_3, 1, 1e-7},
    {{UNARY_HARD_SILU}, ref_hard_silu, 2, 3e-7},
    {{UNARY_HARD_TANH}, ref_hard_tanh, 0},
    {{UNARY_TANH}, ref_tanh, 4},
    {{UNARY_SILU}, ref_silu, 4, 1e-36},
    {{UNARY_GELU}, ref_gelu, 4, 3e-7},
    {{UNARY_GELU_TANH}, ref_gelu_tanh, 4, 1e-6},
    {{UNARY_MISH}, ref_mish, 5, 1e-42},
    {{UNARY_SOFTPLUS}, ref_softplus, 3},
    {{UNARY_SOFTSIGN}, ref_softsign, 2},
    {{UNARY_LOG_SIGMOID}, ref_log_sigmoid, 3},
    {{UNARY_HARD_SHRINK, 0.5f}, ref_hard_shrink, 0},
    {{UNARY_SOFT_SHRINK, 0.5f}, ref_soft_shrink, 1},
    {{UNARY_TANH_SHRINK}, ref_tanh_shrink, 1, 0, 4e-7},
    {{UNARY_THRESHOLD, 0.5f, 0.25f}, ref_threshold, 0},
    {{UNARY_SPARSE_PLUS}, ref_sparse_plus, 2, 1e-7},
    {{UNARY_SPARSE_SIGMOID}, ref_sparse_sigmoid, 1, 1e-7},
    {{UNARY_SQUAREPLUS, 4}, ref_squareplus, 2, 1e-7, 2e-7},
    {{UNARY_CLIP, -0.3f, 0.8f}, ref_clip, 0},
    {{UNARY_NEGATIVE}, ref_negative, 0},
    {{UNARY_ABS}, ref_abs, 0},
    {{UNARY_SIGN}, ref_sign, 0},
    {{UNARY_SQUARE}, ref_square, 1},
    {{UNARY_SQRT}, ref_sqrt, 0.6},
    {{UNARY_RSQRT}, ref_rsqrt, 1.6},
    {{UNARY_RECIPROCAL}, ref_reciprocal, 1},
    {{UNARY_EXP}, ref_exp, 2},
    {{UNARY_EXP2}, ref_exp2, 2},
    {{UNARY_EXPM1}, ref_expm1, 2.5},
    {{UNARY_LOG}, ref_log, 2},
    {{UNARY_LOG2}, ref_log2, 2},
    {{UNARY_LOG10}, ref_log10, 3},
    {{UNARY_LOG1P}, ref_log1p, 3},
    {{UNARY_SIN}, ref_sin, 2},
    {{UNARY_COS}, ref_cos, 2},
    {{UNARY_TAN}, ref_tan, 4},
    {{UNARY_ASIN}, ref_asin, 3},
    {{UNARY_ACOS}, ref_acos, 3},
    {{UNARY_ATAN}, ref_atan, 3},
    {{UNARY_SINH}, ref_sinh, 4},
    {{UNARY_COSH}, ref_cosh, 4},
    {{UNARY_ASINH}, ref_asinh, 4},
    {{UNARY_ACOSH}, ref_acosh, 4},
    {{UNARY_ATANH}, ref_atanh, 4},
    {{UNARY_ERF}, ref_erf, 3},
    {{UNARY_FLOOR}, ref_floor, 0},
    {{UNARY_CEIL}, ref_ceil, 0},
    {{UNARY_ROUND}, ref_round, 0},
    {{UNARY_TRUNC}, ref_trunc, 0},
};

/* |got - exact| in units of the last place of a float near exact. */
static double ulps(float got, double exact)
{
    if (isnan(exact) || isnan(got))
        return isnan(exact) && isnan(got) ? 0 : INFINITY;
    if (fabs(exact) >= 3.4028235677973366e38 || isinf(got)) /* rounds to infinity, or nearly does */
        return (float)exact == got || (double)3.402823e38f < fabs(exact) ? 0 : INFINITY;
    double unit = ldexp(1, ilogb(fmax(fabs(exact), 1.17549435e-38)) - 23);
    return fabs(got - exact) / unit;
}

/* Half over all bit patterns, half in [-20, 20]; then the special ones. */
static void fill(float *x)
{
    static const float special[] = {0,          -0.0f,    INFINITY,      -INFINITY,      NAN, 1,    -1,
                                    1e-45f,     -1e-45f,  3.4028235e38f, -3.4028235e38f, 100, -100, 88.72284f,
                                    88.722839f, -103.97f, 0.5f,          -0.5f,          0.3f};
    for (int i = 0; i < SAMPLES; i++) {
        uint32_t bits = (uint32_t)i * 10737u;
        memcpy(&x[i], &bits, sizeof(bits));
        if (i % 2)
            x[i] = (float)(i - SAMPLES / 2) / (SAMPLES / 40.0f);
    }
    memcpy(x, special, sizeof(special));
}

static void check(const struct math_case *c, const float *x, float *y)
{
    double worst = 0;
    float at = 0;
    unary_apply(&c->f, x, y, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        bool keeps_nan = c->f.kind != UNARY_THRESHOLD;
        double exact = isnan(x[i]) && keeps_nan ? NAN : c->exact(x[i], &c->f), error = ulps(y[i], exact);
        if (fabs(y[i] - exact) <= fmax(c->slack, c->relative_slack * fabs(x[i])))
            continue;
        if (error > worst) {
            worst = error;
            at = x[i];
        }
    }
    if (!(worst <= c->ulp))
        printf("%s(%.9g): %.2f ulp\n", unary_name(c->f.kind), at, worst);
    CU_ASSERT(worst <= c->ulp);
    if (getenv("KERASD_TEST_VERBOSE"))
        printf("%-16s %.2f ulp at %.9g\n", unary_name(c->f.kind), worst, at);
}

static void test_accuracy(void)
{
    float *x = test_memory(SAMPLES * sizeof(float)), *y = test_memory(SAMPLES * sizeof(float));
    fill(x);
    for (size_t i = 0; i < KD_COUNT(cases); i++)
        check(&cases[i], x, y);
    free(x);
    free(y);
}

/* The bits of f(x[i]) do not depend on where x[i] stands, nor on working in place. */
static void test_position(void)
{
    float x[100], whole[100], part[100];
    for (int i = 0; i < 100; i++)
        x[i] = 8 * random_float();
    for (size_t c = 0; c < KD_COUNT(cases); c++) {
        unary_apply(&cases[c].f, x, whole, 100);
        for (int begin = 0; begin < 20; begin++) {
            memcpy(part, x, sizeof(x));
            unary_apply(&cases[c].f, part + begin, part + begin, 100 - begin - begin % 3);
            CU_ASSERT_EQUAL(memcmp(part + begin, whole + begin, (size_t)(100 - begin - begin % 3) * 4), 0);
        }
    }
}

static float apply(enum unary_kind kind, float x)
{
    struct unary f = {.kind = kind};
    float y;
    unary_apply(&f, &x, &y, 1);
    return y;
}

static void test_exact_values(void)
{
    CU_ASSERT_EQUAL(apply(UNARY_SIGMOID, 100), 1);
    CU_ASSERT_EQUAL(apply(UNARY_SIGMOID, -100), 0);
    CU_ASSERT_EQUAL(apply(UNARY_TANH, 20), 1);
    CU_ASSERT_EQUAL(apply(UNARY_TANH, -INFINITY), -1);
    CU_ASSERT_EQUAL(apply(UNARY_EXP, 0), 1);
    CU_ASSERT_EQUAL(apply(UNARY_EXP, -INFINITY), 0);
    CU_ASSERT_EQUAL(apply(UNARY_ROUND, 2.5f), 2);
    CU_ASSERT_TRUE(signbit(apply(UNARY_RELU, -0.0f)) != 0);
    for (int kind = UNARY_LINEAR; kind <= UNARY_TRUNC; kind++)
        if (kind != UNARY_THRESHOLD) /* x > a ? x : b */
            CU_ASSERT(isnan(apply(kind, NAN)));
}

static void test_erfinv(void)
{
    for (double x = -3.5; x < 3.5; x += 0.01)
        CU_ASSERT_DOUBLE_EQUAL(erf(apply(UNARY_ERFINV, (float)erf(x))), (float)erf(x), 1e-7);
    CU_ASSERT_EQUAL(apply(UNARY_ERFINV, 1), INFINITY);
    CU_ASSERT(isnan(apply(UNARY_ERFINV, 1.5f)));
}

static void test_integers(void)
{
    static const int64_t x[] = {INT64_MIN, -7, 0, 3, INT64_MAX};
    static const struct {
        struct unary f;
        int64_t expected[5];
    } table[] = {
        {{UNARY_NEGATIVE}, {INT64_MIN, 7, 0, -3, -INT64_MAX}},
        {{UNARY_ABS}, {INT64_MIN, 7, 0, 3, INT64_MAX}},
        {{UNARY_SIGN}, {-1, -1, 0, 1, 1}},
        {{UNARY_SQUARE}, {0, 49, 0, 9, 1}},
        {{UNARY_CLIP, -5, 2.5f}, {-5, -5, 0, 2, 2}},
        {{UNARY_LOGICAL_NOT}, {0, 0, 1, 0, 0}},
        {{UNARY_BITWISE_NOT}, {INT64_MAX, 6, -1, -4, INT64_MIN}},
    };
    for (size_t i = 0; i < KD_COUNT(table); i++) {
        int64_t y[5];
        CU_ASSERT_TRUE(unary_has_i64(table[i].f.kind));
        unary_apply_i64(&table[i].f, x, y, 5);
        CU_ASSERT_EQUAL(memcmp(y, table[i].expected, sizeof(y)), 0);
    }
}

static void test_tests(void)
{
    static const float x[] = {1, INFINITY, -INFINITY, NAN};
    static const int64_t nan[] = {0, 0, 0, 1}, inf[] = {0, 1, 1, 0}, finite[] = {1, 0, 0, 0};
    int64_t y[4];
    unary_test(UNARY_IS_NAN, x, y, 4);
    CU_ASSERT_EQUAL(memcmp(y, nan, sizeof(y)), 0);
    unary_test(UNARY_IS_INF, x, y, 4);
    CU_ASSERT_EQUAL(memcmp(y, inf, sizeof(y)), 0);
    unary_test(UNARY_IS_FINITE, x, y, 4);
    CU_ASSERT_EQUAL(memcmp(y, finite, sizeof(y)), 0);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"accuracy", test_accuracy},   {"position", test_position}, {"exact values", test_exact_values},
        {"erfinv", test_erfinv},       {"integers", test_integers}, {"tests", test_tests},
    };
    return kernels_main("math", tests, KD_COUNT(tests));
}
