/* The element-wise functions that the engine knows, by kind. One table of kinds, shared by the graph
 * builder (engine), the loops (kernels/unary.c, kernels/binary.c) and the printed plan. */
#ifndef KD_KERNELS_MATH_H
#define KD_KERNELS_MATH_H

/* UNARY(kind, text): y = f(x; a, b, c). float32 storage unless noted; see unary_apply for formulas. */
#define UNARY_KINDS(UNARY)                                                                         \
    UNARY(LINEAR, "linear")                                                                        \
    UNARY(RELU, "relu")                         /* max(x, 0) */                                    \
    UNARY(RELU6, "relu6")                       /* min(max(x, 0), 6) */                            \
    UNARY(RELU_GENERAL, "relu_general")         /* a = max_value (+inf: none), b = slope, c = threshold */ \
    UNARY(LEAKY_RELU, "leaky_relu")             /* x >= 0 ? x : a x */                             \
    UNARY(ELU, "elu")                           /* x > 0 ? x : a expm1(x) */                       \
    UNARY(SELU, "selu")                                                                            \
    UNARY(CELU, "celu")                         /* max(x,0) + a expm1(min(x,0)/a) */               \
    UNARY(SIGMOID, "sigmoid")                                                                      \
    UNARY(HARD_SIGMOID_2, "hard_sigmoid_2")     /* Keras 1 and 2: clip(0.2 x + 0.5, 0, 1) */       \
    UNARY(HARD_SIGMOID_3, "hard_sigmoid_3")     /* Keras 3: relu6(x + 3) / 6 */                    \
    UNARY(HARD_SILU, "hard_silu")               /* x relu6(x + 3) / 6 */                           \
    UNARY(HARD_TANH, "hard_tanh")               /* clip(x, -1, 1) */                               \
    UNARY(TANH, "tanh")                                                                            \
    UNARY(SILU, "silu")                                                                            \
    UNARY(GELU, "gelu")                         /* 0.5 x (1 + erf(x / sqrt 2)) */                  \
    UNARY(GELU_TANH, "gelu_tanh")                                                                  \
    UNARY(MISH, "mish")                                                                            \
    UNARY(SOFTPLUS, "softplus")                                                                    \
    UNARY(SOFTSIGN, "softsign")                                                                    \
    UNARY(LOG_SIGMOID, "log_sigmoid")                                                              \
    UNARY(HARD_SHRINK, "hard_shrink")           /* |x| > a ? x : 0 */                              \
    UNARY(SOFT_SHRINK, "soft_shrink")           /* shrink towards 0 by a */                        \
    UNARY(TANH_SHRINK, "tanh_shrink")                                                              \
    UNARY(THRESHOLD, "threshold")               /* x > a ? x : b */                                \
    UNARY(SPARSE_PLUS, "sparse_plus")                                                              \
    UNARY(SPARSE_SIGMOID, "sparse_sigmoid")                                                        \
    UNARY(SQUAREPLUS, "squareplus")             /* (x + sqrt(x^2 + a)) / 2 */                      \
    UNARY(CLIP, "clip")                         /* min(max(x, a), b); also int */                  \
    UNARY(NEGATIVE, "negative")                 /* also int */                                     \
    UNARY(ABS, "abs")                           /* also int */                                     \
    UNARY(SIGN, "sign")                         /* also int */                                     \
    UNARY(SQUARE, "square")                     /* also int */                                     \
    UNARY(SQRT, "sqrt")                                                                            \
    UNARY(RSQRT, "rsqrt")                                                                          \
    UNARY(RECIPROCAL, "reciprocal")                                                                \
    UNARY(EXP, "exp")                                                                              \
    UNARY(EXP2, "exp2")                                                                            \
    UNARY(EXPM1, "expm1")                                                                          \
    UNARY(LOG, "log")                                                                              \
    UNARY(LOG2, "log2")                                                                            \
    UNARY(LOG10, "log10")                                                                          \
    UNARY(LOG1P, "log1p")                                                                          \
    UNARY(SIN, "sin")                                                                              \
    UNARY(COS, "cos")                                                                              \
    UNARY(TAN, "tan")                                                                              \
    UNARY(ASIN, "asin")                                                                            \
    UNARY(ACOS, "acos")                                                                            \
    UNARY(ATAN, "atan")                                                                            \
    UNARY(SINH, "sinh")                                                                            \
    UNARY(COSH, "cosh")                                                                            \
    UNARY(ASINH, "asinh")                                                                          \
    UNARY(ACOSH, "acosh")                                                                          \
    UNARY(ATANH, "atanh")                                                                          \
    UNARY(ERF, "erf")                                                                              \
    UNARY(ERFINV, "erfinv")                                                                        \
    UNARY(FLOOR, "floor")                                                                          \
    UNARY(CEIL, "ceil")                                                                            \
    UNARY(ROUND, "round")                       /* half to even */                                 \
    UNARY(TRUNC, "trunc")                                                                          \
    UNARY(IS_NAN, "is_nan")                     /* -> bool */                                      \
    UNARY(IS_INF, "is_inf")                     /* -> bool */                                      \
    UNARY(IS_FINITE, "is_finite")               /* -> bool */                                      \
    UNARY(LOGICAL_NOT, "logical_not")           /* bool -> bool */                                 \
    UNARY(BITWISE_NOT, "bitwise_not")           /* int only */

#define UNARY(kind, text) UNARY_##kind,
enum unary_kind { UNARY_KINDS(UNARY) UNARY_COUNT };
#undef UNARY

/* A function with its parameters. */
struct unary {
    enum unary_kind kind;
    float a, b, c;
};

/* BINARY(kind, text): z = f(x, y), both operands of one dtype. */
#define BINARY_KINDS(BINARY)                                                                       \
    BINARY(ADD, "add")                                                                             \
    BINARY(SUBTRACT, "subtract")                                                                   \
    BINARY(MULTIPLY, "multiply")                                                                   \
    BINARY(DIVIDE, "divide")                    /* float only */                                   \
    BINARY(DIVIDE_NO_NAN, "divide_no_nan")      /* y == 0 ? 0 : x / y */                           \
    BINARY(FLOOR_DIVIDE, "floor_divide")                                                           \
    BINARY(FLOOR_MOD, "floor_mod")              /* sign of y */                                    \
    BINARY(TRUNCATE_MOD, "truncate_mod")        /* sign of x */                                    \
    BINARY(POWER, "power")                                                                         \
    BINARY(MAXIMUM, "maximum")                  /* NaN wins */                                     \
    BINARY(MINIMUM, "minimum")                                                                     \
    BINARY(SQUARED_DIFFERENCE, "squared_difference")                                               \
    BINARY(ATAN2, "atan2")                                                                         \
    BINARY(LOGADDEXP, "logaddexp")                                                                 \
    BINARY(PRELU, "prelu")                      /* x > 0 ? x : x y (y is alpha) */                 \
    BINARY(EQUAL, "equal")                      /* comparisons -> bool; also strings */            \
    BINARY(NOT_EQUAL, "not_equal")                                                                 \
    BINARY(LESS, "less")                                                                           \
    BINARY(LESS_EQUAL, "less_equal")                                                               \
    BINARY(GREATER, "greater")                                                                     \
    BINARY(GREATER_EQUAL, "greater_equal")                                                         \
    BINARY(LOGICAL_AND, "logical_and")          /* bool */                                         \
    BINARY(LOGICAL_OR, "logical_or")                                                               \
    BINARY(LOGICAL_XOR, "logical_xor")                                                             \
    BINARY(BITWISE_AND, "bitwise_and")          /* int only */                                     \
    BINARY(BITWISE_OR, "bitwise_or")                                                               \
    BINARY(BITWISE_XOR, "bitwise_xor")

#define BINARY(kind, text) BINARY_##kind,
enum binary_kind { BINARY_KINDS(BINARY) BINARY_COUNT };
#undef BINARY

enum reduce_kind {
    REDUCE_SUM,
    REDUCE_MEAN,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_ANY,       /* bool */
    REDUCE_ALL,       /* bool */
    REDUCE_LOGSUMEXP,
    REDUCE_ARGMAX,    /* first of equals; result int64; one axis */
    REDUCE_ARGMIN,
    REDUCE_COUNT
};

enum pool_kind { POOL_MAX, POOL_AVERAGE };

enum resize_method {
    RESIZE_NEAREST,
    RESIZE_BILINEAR,
    RESIZE_BICUBIC,
    RESIZE_AREA,
    RESIZE_LANCZOS3,
    RESIZE_LANCZOS5,
    RESIZE_GAUSSIAN,
    RESIZE_MITCHELLCUBIC
};

/* Where the centre of output pixel i lies: TF2 half-pixel centres; TF1 legacy src = i * scale;
 * TF1 align_corners src = i * (n - 1) / (m - 1). */
enum resize_grid { RESIZE_HALF_PIXEL, RESIZE_LEGACY, RESIZE_ALIGN_CORNERS };

const char *unary_name(enum unary_kind kind);
const char *binary_name(enum binary_kind kind);

#endif
