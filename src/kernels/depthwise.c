/* Depthwise convolution: every channel has its own small kernel. With multiplier 1 channels run as vectors;
 * other multipliers are rare and run a plain loop. Windows are cut into strips (strips.c). */
#include "kernels/block.h"
#include "kernels/elementwise.h"
#include "kernels/strips.h"

void depthwise_run(const struct conv *conv, const float *x, const float *kernel, const float *bias,
                   const struct unary *activation, float *y, int64_t begin, int64_t end)
{
    struct strip strip = {.channels = conv->c_out, .x_channels = conv->c_in, .w = kernel, .bias = bias};
    strip.clamps = block_clamp(activation, &strip.low, &strip.high);
    strips_run(conv, strip,
               conv->c_in == conv->c_out ? kernels_table->depthwise : kernels_table->depthwise_expand, x, y,
               begin, end);
    if (activation && !strip.clamps)
        unary_apply(activation, y + begin * conv->c_out, y + begin * conv->c_out,
                    (end - begin) * conv->c_out);
}
