/* Element-wise functions of one operand: the frequent ones are vector loops (unary.inc), the rest goes
 * through libm one by one. */
#include "kernels/elementwise.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "kernels/isa.h"

static double erfinv(double y)
{
    if (!(fabs(y) < 1))
        return fabs(y) == 1 ? y * INFINITY : NAN;
    double w = log1p(-y * y), a = 2 / (M_PI * 0.147) + w / 2;
    double x = copysign(sqrt(sqrt(a * a - w / 0.147) - a), y);
    for (int i = 0; i < 3; i++)
        x -= (erf(x) - y) / (M_2_SQRTPI * exp(-x * x));
    return x;
}

/* The functions that have no vector loop. */
static float elementary(enum unary_kind kind, float x)
{
    switch (kind) {
    case UNARY_EXP2: return exp2f(x);
    case UNARY_LOG2: return log2f(x);
    case UNARY_LOG10: return log10f(x);
    case UNARY_SIN: return sinf(x);
    case UNARY_COS: return cosf(x);
    case UNARY_TAN: return tanf(x);
    case UNARY_ASIN: return asinf(x);
    case UNARY_ACOS: return acosf(x);
    case UNARY_ATAN: return atanf(x);
    case UNARY_SINH: return sinhf(x);
    case UNARY_COSH: return coshf(x);
    case UNARY_ASINH: return asinhf(x);
    case UNARY_ACOSH: return acoshf(x);
    case UNARY_ATANH: return atanhf(x);
    case UNARY_ERFINV: return (float)erfinv(x);
    default: KD_ASSERT(!"a function on floats");
    }
    return x;
}

void unary_apply(const struct unary *function, const float *x, float *y, int64_t n)
{
    KD_ASSERT((unsigned)function->kind < UNARY_COUNT);
    void (*map)(const struct unary *, const float *, float *, int64_t) = kernels_table->unary[function->kind];
    if (!map) {
        for (int64_t i = 0; i < n; i++)
            y[i] = elementary(function->kind, x[i]);
        return;
    }
    int64_t whole = n / UNARY_BLOCK * UNARY_BLOCK;
    size_t rest = (size_t)(n - whole) * sizeof(float);
    if (whole)
        map(function, x, y, whole);
    if (rest) {
        float padded[UNARY_BLOCK] = {0};
        memcpy(padded, x + whole, rest);
        map(function, padded, padded, UNARY_BLOCK);
        memcpy(y + whole, padded, rest);
    }
}

bool unary_has_i64(enum unary_kind kind)
{
    return kind == UNARY_LINEAR || kind == UNARY_CLIP || kind == UNARY_NEGATIVE || kind == UNARY_ABS ||
           kind == UNARY_SIGN || kind == UNARY_SQUARE || kind == UNARY_LOGICAL_NOT ||
           kind == UNARY_BITWISE_NOT;
}

static int64_t clip_i64(int64_t x, float low, float high)
{
    if ((double)x < (double)low)
        return (int64_t)ceilf(low);
    return (double)x > (double)high ? (int64_t)floorf(high) : x;
}

static int64_t integer(const struct unary *f, int64_t x)
{
    uint64_t bits = (uint64_t)x; /* wraps without undefined behaviour */
    switch (f->kind) {
    case UNARY_LINEAR: return x;
    case UNARY_CLIP: return clip_i64(x, f->a, f->b);
    case UNARY_NEGATIVE: return (int64_t)-bits;
    case UNARY_ABS: return x < 0 ? (int64_t)-bits : x;
    case UNARY_SIGN: return (x > 0) - (x < 0);
    case UNARY_SQUARE: return (int64_t)(bits * bits);
    case UNARY_LOGICAL_NOT: return x == 0;
    case UNARY_BITWISE_NOT: return ~x;
    default: KD_ASSERT(!"a function on integers");
    }
    return x;
}

void unary_apply_i64(const struct unary *function, const int64_t *x, int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = integer(function, x[i]);
}

void unary_test(enum unary_kind kind, const float *x, int64_t *y, int64_t n)
{
    KD_ASSERT(kind == UNARY_IS_NAN || kind == UNARY_IS_INF || kind == UNARY_IS_FINITE);
    for (int64_t i = 0; i < n; i++)
        y[i] = kind == UNARY_IS_NAN   ? x[i] != x[i]
               : kind == UNARY_IS_INF ? fabsf(x[i]) == INFINITY
                                      : fabsf(x[i]) < INFINITY;
}
