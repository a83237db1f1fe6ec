/* Convolutions, channels-last, up to three spatial axes; fewer: put ones in front (a picture is
 * in = {1, H, W}, a sequence in = {1, 1, T}).
 *
 * One description serves all kinds. The sizes of the output are the caller's: he computed them from the
 * padding rules; the kernels only need to know where the first window begins (pad[i] before the input).
 * Positions outside of the input count as zero. A position's result does not depend on the batch. */
#ifndef KD_KERNELS_CONV_H
#define KD_KERNELS_CONV_H

#include "kernels/gemm.h"

#define CONV_AXES 3

struct conv {
    int64_t batch;
    int64_t in[CONV_AXES], out[CONV_AXES];
    int64_t kernel[CONV_AXES], stride[CONV_AXES], dilation[CONV_AXES];
    int64_t pad[CONV_AXES]; /* before the input; >= 0 */
    int64_t c_in, c_out;
    int64_t groups; /* divides both; transposed, depthwise and local convolutions: ignored */
};

/* batch * out[0] * out[1] * out[2]: what a range [begin, end) of the run functions counts. */
int64_t conv_positions(const struct conv *conv);

/* y[o, f] = sum over j, c of x[o * stride + j * dilation - pad, c] w[j, c, f], then the epilogue.
 * kernel [k..., c_in / groups, c_out]. Packing looks at everything but the batch: the fastest way also
 * depends on the size of the picture. If that is not known yet, in and out are small numbers, say 1; what was
 * packed serves any size. */
bool conv_pack_bytes(const struct conv *conv, size_t *ret);
void conv_pack(const struct conv *conv, const float *kernel, void *packed);
/* Scratch of one run (per thread), 64-byte aligned; false on overflow. Does not grow with the batch. */
bool conv_scratch(const struct conv *conv, size_t *ret);
/* Output positions [begin, end). epilogue->add is laid out like y: add_stride c_out means dense. */
void conv_run(const struct conv *conv, const float *x, const void *packed,
              const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end, void *scratch);

/* Transposed: y[o, f] = sum over i, j, c with o = i * stride + j * dilation - pad of x[i, c] w[j, f, c].
 * kernel [k..., c_out, c_in]. Packing looks at kernel, stride, dilation, c_in and c_out. No groups. */
bool conv_transpose_pack_bytes(const struct conv *conv, size_t *ret);
void conv_transpose_pack(const struct conv *conv, const float *kernel, void *packed);
bool conv_transpose_scratch(const struct conv *conv, size_t *ret);
/* Samples [begin, end) of the batch. */
void conv_transpose_run(const struct conv *conv, const float *x, const void *packed,
                        const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end,
                        void *scratch);

/* Depthwise: channel c, multiplier m -> output channel c * multiplier + m; c_out = c_in * multiplier.
 * kernel [k..., c_in, multiplier], used as it is. Output positions [begin, end); bias, activation or NULL. */
void depthwise_run(const struct conv *conv, const float *x, const float *kernel, const float *bias,
                   const struct unary *activation, float *y, int64_t begin, int64_t end);

/* Own weights at each position: kernel [out positions, k... * c_in, c_out], bias [out positions, c_out] or
 * NULL. Samples [begin, end) of the batch. */
bool local_conv_scratch(const struct conv *conv, size_t *ret);
void local_conv_run(const struct conv *conv, const float *x, const float *kernel, const float *bias, float *y,
                    int64_t begin, int64_t end, void *scratch);

#endif
