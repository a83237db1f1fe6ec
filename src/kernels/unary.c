/* Element-wise functions of one operand. */
#include "kernels/elementwise.h"

#include <math.h>

#include "base/assert.h"

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float softplus(float x)
{
    return (x > 0 ? x : 0) + log1pf(expf(-fabsf(x)));
}

static float clip(float x, float low, float high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

static float relu_general(float x, const struct unary *f)
{
    float positive = f->c != 0 ? (x > f->c ? x : x != x ? x : 0) : x < 0 ? 0 : x;
    positive = positive > f->a ? f->a : positive;
    return f->b == 0 ? positive : positive - f->b * (f->c - x > 0 ? f->c - x : 0);
}

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

static float activation(const struct unary *f, float x)
{
    const float scale = 1.0507009873554805f, alpha = 1.6732632423543772f;
    switch (f->kind) {
    case UNARY_LINEAR: return x;
    case UNARY_RELU: return x < 0 ? 0 : x;
    case UNARY_RELU6: return clip(x, 0, 6);
    case UNARY_RELU_GENERAL: return relu_general(x, f);
    case UNARY_LEAKY_RELU: return x >= 0 ? x : f->a * x;
    case UNARY_ELU: return x > 0 ? x : f->a * expm1f(x);
    case UNARY_SELU: return scale * (x > 0 ? x : alpha * expm1f(x));
    case UNARY_CELU: return (x < 0 ? 0 : x) + f->a * expm1f((x > 0 ? 0 : x) / f->a);
    case UNARY_SIGMOID: return sigmoid(x);
    case UNARY_HARD_SIGMOID_2: return clip(0.2f * x + 0.5f, 0, 1);
    case UNARY_HARD_SIGMOID_3: return clip(x + 3, 0, 6) / 6;
    case UNARY_HARD_SILU: return x * clip(x + 3, 0, 6) / 6;
    case UNARY_HARD_TANH: return clip(x, -1, 1);
    case UNARY_TANH: return tanhf(x);
    case UNARY_SILU: return x * sigmoid(x);
    case UNARY_GELU: return 0.5f * x * erfcf(-x * (float)M_SQRT1_2);
    case UNARY_GELU_TANH:
        return 0.5f * x * (1 + tanhf(0.7978845608028654f * (x + 0.044715f * x * x * x)));
    case UNARY_MISH: return x * tanhf(softplus(x));
    case UNARY_SOFTPLUS: return softplus(x);
    case UNARY_SOFTSIGN: return x / (1 + fabsf(x));
    case UNARY_LOG_SIGMOID: return -softplus(-x);
    case UNARY_HARD_SHRINK: return fabsf(x) <= f->a ? 0 : x;
    case UNARY_SOFT_SHRINK: return x > f->a ? x - f->a : x < -f->a ? x + f->a : x != x ? x : 0;
    case UNARY_TANH_SHRINK: return x - tanhf(x);
    case UNARY_THRESHOLD: return x > f->a ? x : f->b;
    case UNARY_SPARSE_PLUS: return x <= -1 ? 0 : x < 1 ? (x + 1) * (x + 1) / 4 : x;
    case UNARY_SPARSE_SIGMOID: return clip((x + 1) / 2, 0, 1);
    case UNARY_SQUAREPLUS: return (x + sqrtf(x * x + f->a)) / 2;
    case UNARY_CLIP: return clip(x, f->a, f->b);
    default: KD_ASSERT(!"a function on floats");
    }
    return x;
}

static float elementary(enum unary_kind kind, float x)
{
    switch (kind) {
    case UNARY_NEGATIVE: return -x;
    case UNARY_ABS: return fabsf(x);
    case UNARY_SIGN: return x > 0 ? 1 : x < 0 ? -1 : x;
    case UNARY_SQUARE: return x * x;
    case UNARY_SQRT: return sqrtf(x);
    case UNARY_RSQRT: return 1 / sqrtf(x);
    case UNARY_RECIPROCAL: return 1 / x;
    case UNARY_EXP: return expf(x);
    case UNARY_EXP2: return exp2f(x);
    case UNARY_EXPM1: return expm1f(x);
    case UNARY_LOG: return logf(x);
    case UNARY_LOG2: return log2f(x);
    case UNARY_LOG10: return log10f(x);
    case UNARY_LOG1P: return log1pf(x);
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
    case UNARY_ERF: return erff(x);
    case UNARY_ERFINV: return (float)erfinv(x);
    case UNARY_FLOOR: return floorf(x);
    case UNARY_CEIL: return ceilf(x);
    case UNARY_ROUND: return rintf(x);
    case UNARY_TRUNC: return truncf(x);
    default: KD_ASSERT(!"a function on floats");
    }
    return x;
}

void unary_apply(const struct unary *function, const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (function->kind < UNARY_NEGATIVE)
            y[i] = activation(function, x[i]);
        else
            y[i] = elementary(function->kind, x[i]);
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
