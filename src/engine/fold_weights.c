/* fold_weights: factors per channel made part of a product's weights. With w the kernel, b the bias:
 *
 *   behind   (x w + b) s + t  =  x (w s) + (b s + t)            per result channel
 *   before   (x s + t) w + b  =  x (s w) + (b + sum over t w)   per input channel
 *
 * The second holds at the border only if nothing is padded there: a padded zero is a zero of x s + t. Sums
 * are made in double, so that the folded model differs from the plain one by a rounding of each weight
 * only. */
#include <stdlib.h>
#include <string.h>

#include "engine/fuse.h"

engine_value new_floats(struct engine_graph *graph, const struct shape *shape, float **ret_data)
{
    size_t bytes;
    void *block = tensor_bytes(DTYPE_FLOAT32, shape, &bytes) ? block_alloc(bytes) : NULL;
    if (!block || !graph_own(graph, block, bytes))
        return ENGINE_NONE;
    *ret_data = block;
    return graph_new_constant(graph, DTYPE_FLOAT32, shape, block);
}

static const float *operand(const struct engine_graph *graph, const struct node *product, int i)
{
    engine_value value = product->inputs[i];
    return value == ENGINE_NONE ? NULL : graph->values[value].value.data;
}

static const struct shape *kernel_shape(const struct engine_graph *graph, const struct node *product)
{
    return &graph->values[product->inputs[PRODUCT_KERNEL]].value.shape;
}

/* How a kernel's elements lie: [rows][in][out], where an element belongs to input and result channels. */
struct layout {
    int64_t window, in, out;
    int64_t channels_in, channels_out;
    enum { LAYOUT_PLAIN, LAYOUT_DEPTHWISE, LAYOUT_TRANSPOSED } kind;
    int64_t groups;
};

static void kernel_layout(const struct engine_graph *graph, const struct node *product, struct layout *ret)
{
    const struct shape *shape = kernel_shape(graph, product);
    int rank = shape->rank;
    *ret = (struct layout){.window = shape_product(shape, 0, rank - 2),
                           .in = shape->dim[rank - 2],
                           .out = shape->dim[rank - 1],
                           .groups = 1};
    ret->channels_in = ret->in;
    ret->channels_out = ret->out;
    if (product->op == &op_depthwise) {
        ret->kind = LAYOUT_DEPTHWISE;
        ret->channels_out = ret->in * ret->out;
    } else if (product->op == &op_conv_transpose) {
        ret->kind = LAYOUT_TRANSPOSED;
        ret->channels_in = ret->out;
        ret->channels_out = ret->in;
    } else if (product->op == &op_conv) {
        ret->groups = ((const struct window_attrs *)product->attrs)->groups;
        ret->channels_in = ret->in * ret->groups;
    }
}

/* The result channel and the input channel of the kernel's element [., i, o]. */
static int64_t result_channel(const struct layout *layout, int64_t i, int64_t o)
{
    if (layout->kind == LAYOUT_DEPTHWISE)
        return i * layout->out + o;
    return layout->kind == LAYOUT_TRANSPOSED ? i : o;
}

static int64_t input_channel(const struct layout *layout, int64_t i, int64_t o)
{
    return layout->kind == LAYOUT_PLAIN ? o / (layout->out / layout->groups) * layout->in + i : i;
}

/* The new kernel: each element times the factor of its channel. */
static engine_value scale_kernel(struct engine_graph *graph, const struct node *product,
                                 const struct layout *layout, const float *scale, bool behind)
{
    float *to;
    struct shape shape = *kernel_shape(graph, product);
    engine_value value = new_floats(graph, &shape, &to);
    if (value == ENGINE_NONE)
        return ENGINE_NONE;
    const float *from = operand(graph, product, PRODUCT_KERNEL);
    for (int64_t w = 0; w < layout->window; w++)
        for (int64_t i = 0; i < layout->in; i++)
            for (int64_t o = 0; o < layout->out; o++) {
                int64_t at = (w * layout->in + i) * layout->out + o;
                int64_t channel = behind ? result_channel(layout, i, o) : input_channel(layout, i, o);
                to[at] = from[at] * scale[channel];
            }
    return value;
}

int fold_behind(struct engine_graph *graph, struct node *product, const struct factors *factors)
{
    struct layout layout;
    struct shape shape = {.rank = 1, .dim = {factors->channels}};
    float *bias;
    kernel_layout(graph, product, &layout);
    engine_value kernel = product->inputs[PRODUCT_KERNEL], new_bias = new_floats(graph, &shape, &bias);
    if (factors->scale)
        kernel = scale_kernel(graph, product, &layout, factors->scale, true);
    if (kernel == ENGINE_NONE || new_bias == ENGINE_NONE)
        return KD_ENOMEM;
    const float *old = operand(graph, product, PRODUCT_BIAS);
    for (int64_t c = 0; c < factors->channels; c++) {
        double sum = old ? (double)old[c] : 0;
        if (factors->scale)
            sum *= (double)factors->scale[c];
        bias[c] = (float)(sum + (factors->shift ? (double)factors->shift[c] : 0));
    }
    product->inputs[PRODUCT_KERNEL] = kernel;
    product->inputs[PRODUCT_BIAS] = new_bias;
    return 0;
}

/* Per result channel the sum of shift times the kernel. */
static engine_value shifted_bias(struct engine_graph *graph, const struct node *product,
                                 const struct layout *layout, const float *shift)
{
    float *bias;
    struct shape shape = {.rank = 1, .dim = {layout->channels_out}};
    engine_value value = new_floats(graph, &shape, &bias);
    double *sums = calloc((size_t)layout->channels_out + 1, sizeof(*sums));
    const float *old = operand(graph, product, PRODUCT_BIAS),
                *kernel = operand(graph, product, PRODUCT_KERNEL);
    if (value == ENGINE_NONE || !sums) {
        free(sums);
        return ENGINE_NONE;
    }
    for (int64_t w = 0; w < layout->window; w++)
        for (int64_t i = 0; i < layout->in; i++)
            for (int64_t o = 0; o < layout->out; o++)
                sums[result_channel(layout, i, o)] += (double)kernel[(w * layout->in + i) * layout->out + o] *
                                                      (double)shift[input_channel(layout, i, o)];
    for (int64_t c = 0; c < layout->channels_out; c++)
        bias[c] = (float)(sums[c] + (old ? (double)old[c] : 0));
    free(sums);
    return value;
}

int fold_before(struct engine_graph *graph, struct node *product, const struct factors *factors)
{
    struct layout layout;
    kernel_layout(graph, product, &layout);
    engine_value kernel = product->inputs[PRODUCT_KERNEL], bias = product->inputs[PRODUCT_BIAS];
    if (factors->shift && (bias = shifted_bias(graph, product, &layout, factors->shift)) == ENGINE_NONE)
        return KD_ENOMEM;
    if (factors->scale &&
        (kernel = scale_kernel(graph, product, &layout, factors->scale, false)) == ENGINE_NONE)
        return KD_ENOMEM;
    product->inputs[PRODUCT_KERNEL] = kernel;
    product->inputs[PRODUCT_BIAS] = bias;
    return 0;
}
