/* Element-wise functions of two operands, with NumPy broadcasting; select.
 *
 * After merging what can run as one axis, the innermost axis of nearly every model is one of: same shape
 * (strides 1, 1), an operand repeated (stride 0), or a row against a repeated row. The outer axes are
 * walked by an odometer; one inner loop per function runs a line with a stride per operand. */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "kernels/elementwise.h"
#include "kernels/isa.h"

/* Operand strides of a result axis: 0 where the operand repeats. */
static void operand_strides(const struct shape *result, const struct shape *operand, int64_t *stride)
{
    int64_t step = 1;
    for (int axis = result->rank - 1; axis >= 0; axis--) {
        int own = axis - (result->rank - operand->rank);
        int64_t dim = own >= 0 ? operand->dim[own] : 1;
        KD_ASSERT(dim == 1 || dim == result->dim[axis]);
        stride[axis] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

/* Whether axis `outer` continues axis `inner` in every operand. */
static bool mergeable(const struct broadcast *b, int64_t (*stride)[SHAPE_MAX_RANK], int inner, int outer,
                      int n_operands)
{
    for (int i = 0; i < n_operands; i++)
        if (stride[i][outer] != b->stride[i][inner] * b->dim[inner])
            return false;
    return true;
}

void broadcast_init(struct broadcast *broadcast, const struct shape *result,
                    const struct shape *const *operands, int n_operands)
{
    int64_t stride[BROADCAST_OPERANDS][SHAPE_MAX_RANK] = {{0}};
    for (int i = 0; i < n_operands; i++)
        operand_strides(result, operands[i], stride[i]);
    /* Merge from the inside; collected in reverse, then turned. */
    struct broadcast merged = {0};
    for (int axis = result->rank - 1; axis >= 0; axis--) {
        int top = merged.rank - 1;
        if (result->dim[axis] == 1)
            continue;
        if (top >= 0 && mergeable(&merged, stride, top, axis, n_operands)) {
            merged.dim[top] *= result->dim[axis];
            continue;
        }
        merged.dim[merged.rank] = result->dim[axis];
        for (int i = 0; i < n_operands; i++)
            merged.stride[i][merged.rank] = stride[i][axis];
        merged.rank++;
    }
    memset(broadcast, 0, sizeof(*broadcast));
    broadcast->rank = merged.rank;
    for (int axis = 0; axis < merged.rank; axis++) {
        broadcast->dim[axis] = merged.dim[merged.rank - 1 - axis];
        for (int i = 0; i < n_operands; i++)
            broadcast->stride[i][axis] = merged.stride[i][merged.rank - 1 - axis];
    }
}

/* Walks the lines of a broadcast: where each operand's next line begins. */
struct lines {
    const struct broadcast *broadcast;
    int64_t length; /* of a line */
    int64_t step[BROADCAST_OPERANDS], offset[BROADCAST_OPERANDS];
    int64_t at[SHAPE_MAX_RANK];
    int64_t left;
};

static void lines_start(struct lines *lines, const struct broadcast *broadcast)
{
    memset(lines, 0, sizeof(*lines));
    lines->broadcast = broadcast;
    lines->left = 1;
    int inner = broadcast->rank - 1;
    lines->length = inner >= 0 ? broadcast->dim[inner] : 1;
    for (int i = 0; inner >= 0 && i < BROADCAST_OPERANDS; i++)
        lines->step[i] = broadcast->stride[i][inner];
    for (int axis = 0; axis < inner; axis++)
        lines->left *= broadcast->dim[axis];
    if (lines->length == 0)
        lines->left = 0;
}

static void lines_next(struct lines *lines)
{
    const struct broadcast *b = lines->broadcast;
    lines->left--;
    for (int axis = b->rank - 2; axis >= 0; axis--) {
        for (int i = 0; i < BROADCAST_OPERANDS; i++)
            lines->offset[i] += b->stride[i][axis];
        if (++lines->at[axis] < b->dim[axis])
            return;
        lines->at[axis] = 0;
        for (int i = 0; i < BROADCAST_OPERANDS; i++)
            lines->offset[i] -= b->stride[i][axis] * b->dim[axis];
    }
}

static float floor_mod(float x, float y)
{
    float r = fmodf(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static float logaddexp(float x, float y)
{
    float high = x > y ? x : y, low = x > y ? y : x;
    if (x != x || y != y)
        return x + y;
    return isinf(high) ? high : high + log1pf(expf(low - high));
}

/* The kinds that have no vector loop. */
static float arithmetic(enum binary_kind kind, float x, float y)
{
    switch (kind) {
    case BINARY_FLOOR_DIVIDE: return floorf(x / y);
    case BINARY_FLOOR_MOD: return floor_mod(x, y);
    case BINARY_TRUNCATE_MOD: return fmodf(x, y);
    case BINARY_POWER: return y == 2 ? x * x : powf(x, y);
    case BINARY_ATAN2: return atan2f(x, y);
    case BINARY_LOGADDEXP: return logaddexp(x, y);
    default: KD_ASSERT(!"arithmetic on floats");
    }
    return 0;
}

/* Floats of a short row that is repeated to make a long line. */
#define REPEATED 256

/* Many rows of a few floats against one such row (the channels of a picture): as long lines. False: it is not
 * of that form. */
static bool rows_against_one(enum binary_kind kind, const struct broadcast *b, const float *x, const float *y,
                             float *z)
{
    int64_t n = b->rank == 2 ? b->dim[1] : 0;
    int one = n && b->stride[0][0] == 0 ? 0 : 1; /* the operand that is one row */
    if (n < 1 || n > REPEATED / 8 || !kernels_table->binary[kind] || b->stride[one][0] != 0 ||
        b->stride[one][1] != 1 || b->stride[!one][0] != n || b->stride[!one][1] != 1)
        return false;
    float line[REPEATED];
    int64_t width = REPEATED / n * n, total = b->dim[0] * n;
    const float *row = one ? y : x, *from = one ? x : y;
    for (int64_t i = 0; i < width; i++)
        line[i] = row[i % n];
    for (int64_t i = 0; i < total; i += width) {
        const float *in[2] = {from + i, line};
        kernels_table->binary[kind](in[!one], 1, in[one], 1, z + i, total - i < width ? total - i : width);
    }
    return true;
}

void binary_f32(enum binary_kind kind, const struct broadcast *broadcast, const float *x, const float *y,
                float *z)
{
    struct lines lines;
    if (rows_against_one(kind, broadcast, x, y, z))
        return;
    for (lines_start(&lines, broadcast); lines.left; lines_next(&lines), z += lines.length) {
        const float *from_x = x + lines.offset[0], *from_y = y + lines.offset[1];
        if (kernels_table->binary[kind]) {
            kernels_table->binary[kind](from_x, lines.step[0], from_y, lines.step[1], z, lines.length);
            continue;
        }
        for (int64_t i = 0; i < lines.length; i++)
            z[i] = arithmetic(kind, from_x[i * lines.step[0]], from_y[i * lines.step[1]]);
    }
}

#define COMPARE(type)                                                                              \
    static bool compare_##type(enum binary_kind kind, type x, type y)                              \
    {                                                                                              \
        switch (kind) {                                                                            \
        case BINARY_EQUAL: return x == y;                                                          \
        case BINARY_NOT_EQUAL: return x != y;                                                      \
        case BINARY_LESS: return x < y;                                                            \
        case BINARY_LESS_EQUAL: return x <= y;                                                     \
        case BINARY_GREATER: return x > y;                                                         \
        case BINARY_GREATER_EQUAL: return x >= y;                                                  \
        default: KD_ASSERT(!"a comparison");                                                       \
        }                                                                                          \
        return false;                                                                              \
    }
COMPARE(float)
COMPARE(int64_t)

void compare_f32(enum binary_kind kind, const struct broadcast *broadcast, const float *x, const float *y,
                 int64_t *z)
{
    struct lines lines;
    for (lines_start(&lines, broadcast); lines.left; lines_next(&lines), z += lines.length)
        for (int64_t i = 0; i < lines.length; i++)
            z[i] = compare_float(kind, x[lines.offset[0] + i * lines.step[0]],
                                 y[lines.offset[1] + i * lines.step[1]]);
}

static int64_t order_str(const struct str_view *x, const struct str_view *y)
{
    size_t common = x->length < y->length ? x->length : y->length;
    int order = common ? memcmp(x->data, y->data, common) : 0;
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

void compare_str(enum binary_kind kind, const struct broadcast *broadcast, const struct str_view *x,
                 const struct str_view *y, int64_t *z)
{
    struct lines lines;
    for (lines_start(&lines, broadcast); lines.left; lines_next(&lines), z += lines.length)
        for (int64_t i = 0; i < lines.length; i++)
            z[i] = compare_int64_t(kind,
                                   order_str(x + lines.offset[0] + i * lines.step[0],
                                             y + lines.offset[1] + i * lines.step[1]),
                                   0);
}

/* Modulo 2^64; 0 or +-1 for negative exponents. */
static int64_t power_i64(int64_t base, int64_t exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return (int64_t)result;
}

/* y != 0 */
static int64_t divide_i64(enum binary_kind kind, int64_t x, int64_t y)
{
    int64_t quotient = y == -1 ? (int64_t)-(uint64_t)x : x / y, rest = y == -1 ? 0 : x % y;
    bool apart = rest && (rest < 0) != (y < 0);
    switch (kind) {
    case BINARY_FLOOR_DIVIDE: return quotient - apart;
    case BINARY_FLOOR_MOD: return apart ? rest + y : rest;
    case BINARY_TRUNCATE_MOD: return rest;
    default: return quotient;
    }
}

static int64_t arithmetic_i64(enum binary_kind kind, int64_t x, int64_t y, bool *ok)
{
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    switch (kind) {
    case BINARY_ADD: return (int64_t)(a + b);
    case BINARY_SUBTRACT: return (int64_t)(a - b);
    case BINARY_MULTIPLY: return (int64_t)(a * b);
    case BINARY_DIVIDE:
    case BINARY_FLOOR_DIVIDE:
    case BINARY_FLOOR_MOD:
    case BINARY_TRUNCATE_MOD:
        *ok = *ok && y != 0;
        return y ? divide_i64(kind, x, y) : 0;
    case BINARY_DIVIDE_NO_NAN: return y ? divide_i64(kind, x, y) : 0;
    case BINARY_POWER: return power_i64(x, y);
    case BINARY_MAXIMUM: return x > y ? x : y;
    case BINARY_MINIMUM: return x < y ? x : y;
    case BINARY_SQUARED_DIFFERENCE: return (int64_t)((a - b) * (a - b));
    case BINARY_PRELU: return x > 0 ? x : (int64_t)(a * b);
    case BINARY_LOGICAL_AND: return x && y;
    case BINARY_LOGICAL_OR: return x || y;
    case BINARY_LOGICAL_XOR: return !x != !y;
    case BINARY_BITWISE_AND: return x & y;
    case BINARY_BITWISE_OR: return x | y;
    case BINARY_BITWISE_XOR: return x ^ y;
    default: return compare_int64_t(kind, x, y);
    }
}

bool binary_i64(enum binary_kind kind, const struct broadcast *broadcast, const int64_t *x, const int64_t *y,
                int64_t *z)
{
    struct lines lines;
    bool ok = true;
    for (lines_start(&lines, broadcast); lines.left; lines_next(&lines), z += lines.length)
        for (int64_t i = 0; i < lines.length; i++)
            z[i] = arithmetic_i64(kind, x[lines.offset[0] + i * lines.step[0]],
                                  y[lines.offset[1] + i * lines.step[1]], &ok);
    return ok;
}

void select_run(const struct broadcast *broadcast, enum storage storage, const int64_t *condition,
                const void *x, const void *y, void *z)
{
    size_t size = storage_size(storage);
    struct lines lines;
    char *to = z;
    for (lines_start(&lines, broadcast); lines.left; lines_next(&lines), to += (size_t)lines.length * size)
        for (int64_t i = 0; i < lines.length; i++) {
            bool first = condition[lines.offset[0] + i * lines.step[0]] != 0;
            int operand = first ? 1 : 2;
            int64_t at = lines.offset[operand] + i * lines.step[operand];
            memcpy(to + (size_t)i * size, (const char *)(first ? x : y) + (size_t)at * size, size);
        }
}
