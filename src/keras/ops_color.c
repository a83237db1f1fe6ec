/* Colours and edges of pictures [..., H, W, C]: colour spaces, hue, saturation and gamma, turns, gradients.
 *
 * All of them are compositions. The channels are taken apart as slices with one channel, computed upon, and
 * joined again. */
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/ops_compose.h"
#include "keras/ops_places.h"

/* A colour as red, green and blue, or as hue, saturation and value. */
struct color {
    engine_value part[3];
};

/* The picture as floats with the channels last; ENGINE_NONE after a failure. */
static engine_value picture(struct ops_call *op, bool first)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    if (!dtype_is_float(engine_dtype(op->graph, x)))
        return ops_fail(op, "pictures of integers are not served");
    x = first ? keras_to_channels_last(op->call, x) : x;
    if (engine_rank(op->graph, x) < 3)
        return ops_fail(op, "pictures have rank 3 or 4, found %d", engine_rank(op->graph, x));
    return x;
}

static bool color_picture(struct ops_call *op, bool first, engine_value *ret, struct color *color)
{
    engine_value x = *ret = picture(op, first);
    if (x == ENGINE_NONE)
        return false;
    int last = engine_rank(op->graph, x) - 1;
    if (engine_dim(op->graph, x, last) != 3) {
        ops_fail(op, "three channels are needed");
        return false;
    }
    for (int i = 0; i < 3; i++)
        color->part[i] = engine_slice(op->graph, x, last, i, i + 1, 1);
    return true;
}

static engine_value join(struct ops_call *op, const struct color *color, bool first)
{
    engine_value x = engine_concat(op->graph, color->part, 3, -1);
    return first ? keras_to_channels_first(op->call, x) : x;
}

/* ---- hue, saturation, value ---- */

struct range {
    engine_value largest, smallest, spread;
};

static struct range range_of(struct ops_call *op, const struct color *rgb)
{
    struct range range;
    const engine_value *c = rgb->part;
    range.largest = binary(op, BINARY_MAXIMUM, binary(op, BINARY_MAXIMUM, c[0], c[1]), c[2]);
    range.smallest = binary(op, BINARY_MINIMUM, binary(op, BINARY_MINIMUM, c[0], c[1]), c[2]);
    range.spread = binary(op, BINARY_SUBTRACT, range.largest, range.smallest);
    return range;
}

/* In [0, 1): a sixth of the difference of the two smaller channels, from where the largest one stands. */
static engine_value hue_of(struct ops_call *op, const struct color *rgb, const struct range *range)
{
    engine_value hue = ENGINE_NONE, zero = keras_scalar(op->call, range->spread, 0);
    for (int i = 2; i >= 0; i--) {
        engine_value difference =
            binary(op, BINARY_SUBTRACT, rgb->part[(i + 1) % 3], rgb->part[(i + 2) % 3]);
        engine_value six = binary_with(op, BINARY_MULTIPLY, range->spread, 6);
        engine_value sixths = binary(op, BINARY_DIVIDE, difference, six);
        engine_value here = binary_with(op, BINARY_ADD, sixths, i / 3.0);
        engine_value largest = binary(op, BINARY_EQUAL, rgb->part[i], range->largest);
        hue = hue == ENGINE_NONE ? here : engine_select(op->graph, largest, here, hue);
    }
    hue = engine_select(op->graph, binary(op, BINARY_GREATER, range->spread, zero), hue, zero);
    engine_value below = binary(op, BINARY_LESS, hue, zero);
    return engine_select(op->graph, below, binary_with(op, BINARY_ADD, hue, 1), hue);
}

static struct color to_hsv(struct ops_call *op, const struct color *rgb)
{
    struct range range = range_of(op, rgb);
    engine_value zero = keras_scalar(op->call, range.spread, 0);
    engine_value positive = binary(op, BINARY_GREATER, range.largest, zero);
    engine_value quotient = binary(op, BINARY_DIVIDE, range.spread, range.largest);
    engine_value saturation = engine_select(op->graph, positive, quotient, zero);
    return (struct color){{hue_of(op, rgb, &range), saturation, range.largest}};
}

/* How much of the spread a channel has at this hue: red |6 hue - 3| - 1, the others 2 - |6 hue - centre|,
 * clipped to [0, 1]. */
static engine_value share(struct ops_call *op, engine_value hue, int channel)
{
    static const double centre[] = {3, 2, 4};
    engine_value away = binary_with(op, BINARY_MULTIPLY, hue, 6);
    away = unary(op, UNARY_ABS, binary_with(op, BINARY_SUBTRACT, away, centre[channel]));
    away = channel == 0 ? binary_with(op, BINARY_SUBTRACT, away, 1)
                        : binary_with(op, BINARY_ADD, unary(op, UNARY_NEGATIVE, away), 2);
    return binary_with(op, BINARY_MINIMUM, binary_with(op, BINARY_MAXIMUM, away, 0), 1);
}

static struct color to_rgb(struct ops_call *op, const struct color *hsv)
{
    engine_value saturation = hsv->part[1];
    engine_value rest = binary_with(op, BINARY_ADD, unary(op, UNARY_NEGATIVE, saturation), 1);
    struct color rgb;
    for (int i = 0; i < 3; i++) {
        engine_value part = binary(op, BINARY_MULTIPLY, saturation, share(op, hsv->part[0], i));
        rgb.part[i] = binary(op, BINARY_MULTIPLY, binary(op, BINARY_ADD, rest, part), hsv->part[2]);
    }
    return rgb;
}

engine_value ops_hsv(struct ops_call *op)
{
    bool first = str_equal(ops_text(op, 1, "channels_last"), "channels_first");
    struct color from, to;
    engine_value x;
    if (!color_picture(op, first, &x, &from))
        return ENGINE_NONE;
    to = op->row->variant ? to_rgb(op, &from) : to_hsv(op, &from);
    return join(op, &to, first);
}

/* The hue turns, the largest and the smallest channel stay. */
engine_value ops_adjust_hue(struct ops_call *op)
{
    struct color rgb;
    engine_value x;
    if (!color_picture(op, false, &x, &rgb))
        return ENGINE_NONE;
    struct range range = range_of(op, &rgb);
    engine_value hue = binary_with(op, BINARY_ADD, hue_of(op, &rgb, &range), ops_number(op, 1, 0));
    hue = binary(op, BINARY_SUBTRACT, hue, unary(op, UNARY_FLOOR, hue));
    for (int i = 0; i < 3; i++)
        rgb.part[i] = binary(op, BINARY_ADD, range.smallest,
                             binary(op, BINARY_MULTIPLY, range.spread, share(op, hue, i)));
    return join(op, &rgb, false);
}

engine_value ops_adjust_saturation(struct ops_call *op)
{
    struct color rgb;
    engine_value x;
    if (!color_picture(op, false, &x, &rgb))
        return ENGINE_NONE;
    struct color hsv = to_hsv(op, &rgb);
    engine_value more = binary_with(op, BINARY_MULTIPLY, hsv.part[1], ops_number(op, 1, 1));
    hsv.part[1] = binary_with(op, BINARY_MINIMUM, binary_with(op, BINARY_MAXIMUM, more, 0), 1);
    rgb = to_rgb(op, &hsv);
    return join(op, &rgb, false);
}

engine_value ops_adjust_gamma(struct ops_call *op)
{
    engine_value x = picture(op, false);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    x = binary_with(op, BINARY_POWER, x, ops_number(op, 1, 1));
    return binary_with(op, BINARY_MULTIPLY, x, ops_number(op, 2, 1));
}

/* The constants of TensorFlow's functions, one row per channel that goes in. */
engine_value ops_color_matrix(struct ops_call *op)
{
    static const float matrices[][9] = {
        {0.299f, -0.14714119f, 0.61497538f, 0.587f, -0.28886916f, -0.51496512f, 0.114f, 0.43601035f,
         -0.10001026f},
        {1, 1, 1, 0, -0.394642334f, 2.03206185f, 1.13988303f, -0.58062185f, 0},
        {0.299f, 0.59590059f, 0.2115f, 0.587f, -0.27455667f, -0.52273617f, 0.114f, -0.32134392f,
         0.31119955f},
        {1, 1, 1, 0.95598634f, -0.27201283f, -1.10674021f, 0.6208248f, -0.64720424f, 1.70423049f}};
    struct color rgb;
    engine_value x;
    if (!color_picture(op, false, &x, &rgb))
        return ENGINE_NONE;
    struct shape shape = shape_of(2, (int64_t)3, (int64_t)3);
    engine_value matrix = engine_constant(op->graph, DTYPE_FLOAT32, &shape, matrices[op->row->variant]);
    matrix = engine_cast(op->graph, matrix, engine_dtype(op->graph, x));
    return engine_dense(op->graph, x, matrix, ENGINE_NONE);
}

/* ---- turns ---- */

static engine_value swap_sides(struct ops_call *op, engine_value x)
{
    int permutation[SHAPE_MAX_RANK], rank = engine_rank(op->graph, x);
    for (int i = 0; i < rank; i++)
        permutation[i] = i == rank - 3 ? rank - 2 : i == rank - 2 ? rank - 3 : i;
    return engine_transpose(op->graph, x, permutation);
}

/* Quarter turns against the clock; variant 1: the transposed picture instead. */
engine_value ops_turn_image(struct ops_call *op)
{
    engine_value x = ops_tensor(op, 0, DTYPE_INVALID);
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    if (rank < 3)
        return ops_fail(op, "pictures have rank 3 or 4, found %d", rank);
    if (op->row->variant)
        return swap_sides(op, x);
    int64_t turns = ops_int(op, 1, 1) % 4;
    for (turns = turns < 0 ? turns + 4 : turns; turns > 0; turns--)
        x = engine_slice(op->graph, swap_sides(op, x), rank - 3, ENGINE_SLICE_NONE, ENGINE_SLICE_NONE, -1);
    return x;
}

/* ---- gradients ---- */

/* Each pixel's difference to the next one along an axis, one shorter than x. */
static engine_value steps(struct ops_call *op, engine_value x, int axis)
{
    engine_value next = engine_slice(op->graph, x, axis, 1, ENGINE_SLICE_NONE, 1);
    return binary(op, BINARY_SUBTRACT, next, engine_slice(op->graph, x, axis, 0, -1, 1));
}

engine_value ops_image_gradients(struct ops_call *op)
{
    engine_value x = picture(op, false), result[2];
    if (x == ENGINE_NONE || engine_rank(op->graph, x) != 4)
        return ops_fail(op, "pictures must have rank 4");
    for (int i = 0; i < 2; i++) {
        int64_t before[4] = {0}, after[4] = {0};
        after[i + 1] = 1;
        result[i] = steps(op, x, i + 1);
        result[i] = engine_pad(op->graph, result[i], before, after, ENGINE_PAD_CONSTANT, ENGINE_NONE);
    }
    return ops_outputs(op, result, 2);
}

engine_value ops_total_variation(struct ops_call *op)
{
    engine_value x = picture(op, false), sum[2];
    if (x == ENGINE_NONE)
        return ENGINE_NONE;
    int rank = engine_rank(op->graph, x);
    for (int i = 0; i < 2; i++)
        sum[i] = engine_reduce(op->graph, REDUCE_SUM, unary(op, UNARY_ABS, steps(op, x, rank - 3 + i)),
                               (int[]){rank - 3, rank - 2, rank - 1}, 3, false);
    return binary(op, BINARY_ADD, sum[0], sum[1]);
}

/* [N, H, W, C] -> [N, H, W, C, 2]: Sobel's two filters over the picture with its border mirrored. */
engine_value ops_sobel(struct ops_call *op)
{
    static const float down[] = {-1, -2, -1, 0, 0, 0, 1, 2, 1}, right[] = {-1, 0, 1, -2, 0, 2, -1, 0, 1};
    static const int64_t one[4] = {0, 1, 1, 0};
    engine_value x = picture(op, false), result[2];
    struct shape shape = shape_of(4, (int64_t)3, (int64_t)3, (int64_t)1, (int64_t)1);
    const struct engine_window window = {
        .n_spatial = 2, .size = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .padding = ENGINE_VALID};
    if (x == ENGINE_NONE || engine_rank(op->graph, x) != 4 || engine_dim(op->graph, x, 3) < 1)
        return ops_fail(op, "pictures must have rank 4 and a known number of channels");
    x = engine_pad(op->graph, x, one, one, ENGINE_PAD_REFLECT, ENGINE_NONE);
    for (int i = 0; i < 2; i++) {
        engine_value kernel = engine_constant(op->graph, DTYPE_FLOAT32, &shape, i ? right : down);
        kernel = engine_repeat(op->graph, engine_cast(op->graph, kernel, engine_dtype(op->graph, x)), 2,
                               engine_dim(op->graph, x, 3));
        result[i] = engine_depthwise_conv(op->graph, x, kernel, ENGINE_NONE, &window);
    }
    return engine_stack(op->graph, result, 2, 4);
}
