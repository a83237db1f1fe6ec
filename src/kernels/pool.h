/* Pooling and local response normalisation, channels-last. */
#ifndef KD_KERNELS_POOL_H
#define KD_KERNELS_POOL_H

#include "kernels/conv.h"

/* conv describes the windows (kernel = window size); c_out and groups are ignored.
 * MAX: padding is ignored, so are NaNs beside numbers (as TensorFlow's CPU kernel has it); a window with
 * nothing but NaN or without an element gives the lowest float. AVERAGE: divides by the number of real
 * elements in the window. Output positions [begin, end). */
void pool_run(enum pool_kind kind, const struct conv *conv, const float *x, float *y, int64_t begin,
              int64_t end);

/* Output i of `out` covers [floor(i in / out), ceil((i + 1) in / out)). Samples [begin, end) of the batch;
 * uses in, out and c_in of the description. */
void adaptive_pool_run(enum pool_kind kind, const struct conv *conv, const float *x, float *y, int64_t begin,
                       int64_t end);

/* y[c] = x[c] / (bias + alpha * sum of x[c - radius .. c + radius]^2)^beta over the last axis. */
void local_response_norm(int64_t rows, int64_t channels, int64_t radius, float bias, float alpha, float beta,
                         const float *x, float *y);

#endif
