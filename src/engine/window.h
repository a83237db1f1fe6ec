/* Window arithmetic shared by convolutions and pooling: sizes from padding rules, and the description that
 * the kernels take. */
#ifndef KD_ENGINE_WINDOW_H
#define KD_ENGINE_WINDOW_H

#include "engine/attrs.h"

/* One axis: input size n (maybe unknown), window k, stride, dilation. Sets output size and the padding
 * before. */
struct window_axis {
    int64_t n, k, stride, dilation;
    int64_t out, before;
};
/* Sentence when the input is smaller than the window. axis_number names it. */
int window_axis_infer(const struct window_attrs *attrs, int i, struct window_axis *axis, struct err *err);
/* Transposed convolution. */
int window_axis_transpose(const struct window_attrs *attrs, int i, struct window_axis *axis, struct err *err);
/* Checks strides, dilations and axes of a builder's window. */
int window_check(const struct step *step, const struct window_attrs *attrs, struct err *err);
/* The kernel's description; sizes[] are the window sizes. All sizes known. */
void window_conv(const struct window_attrs *attrs, const struct shape *x, const struct shape *y,
                 const int64_t *sizes, bool transpose, struct conv *ret);

double product_cost_us(double macs, double weight_bytes);
int product_check_bias(const struct step *step, int64_t channels, struct err *err);
int product_check_add(const struct step *step, struct err *err);
int product_check_kernel(const struct step *step, int rank, struct err *err);
void product_epilogue(const struct step *step, const struct io *io, int64_t channels,
                      struct gemm_epilogue *ret);

#endif
