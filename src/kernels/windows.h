/* Inside of the kernels: runs a convolution as blocks of rows against packed weights. */
#ifndef KD_KERNELS_WINDOWS_H
#define KD_KERNELS_WINDOWS_H

#include "kernels/conv.h"

/* One group of a convolution, forward or one phase of a transposed one.
 * Output o of `out` sees the input at o * stride + tap * dilation + begin, and lies at o * y_step + y_start.
 */
struct windows {
    int64_t in[CONV_AXES], out[CONV_AXES];
    int64_t kernel[CONV_AXES], stride[CONV_AXES], dilation[CONV_AXES], begin[CONV_AXES];
    int64_t y_dim[CONV_AXES], y_start[CONV_AXES], y_step[CONV_AXES];
    int64_t c_in;    /* channels of the group */
    int64_t x_pixel; /* channels of the input */
    int64_t c_out;   /* filters of the group */
    int64_t y_pixel; /* filters of all groups */
    int64_t groups;
};

bool windows_scratch(const struct windows *windows, size_t *ret);
/* Positions [first, last) of batch * out. packed: groups * bytes of one group's matrix, one after the other.
 */
void windows_run(const struct windows *windows, const float *x, const void *packed, size_t group_bytes,
                 const struct gemm_epilogue *epilogue, float *y, int64_t first, int64_t last, void *scratch);

#endif
