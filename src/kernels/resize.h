/* Resizing of pictures [N, H, W, C], as TensorFlow 2's tf.image.resize (and the two older grids).
 *
 * The methods are separable: per axis a table of taps says which inputs make an output and with what
 * weight. The table depends on the sizes only: build it once per plan. */
#ifndef KD_KERNELS_RESIZE_H
#define KD_KERNELS_RESIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/math.h"

struct resize_axis {
    enum resize_method method;
    enum resize_grid grid; /* not of the kernel sums (Lanczos and the like): HALF_PIXEL there */
    bool antialias;
    int64_t in, out; /* >= 1 */
};
/* Memory for the taps of one axis, 64-byte aligned; false on overflow. */
bool resize_taps_bytes(const struct resize_axis *axis, size_t *ret);
void resize_taps_build(const struct resize_axis *axis, void *taps);

/* Pictures [begin, end) of x [., H.in, W.in, channels] -> y [., H.out, W.out, channels]. */
struct resize {
    struct resize_axis h, w;
    int64_t channels;
    const void *h_taps, *w_taps;
};
/* Scratch of a run, 64-byte aligned. */
bool resize_scratch(const struct resize *resize, size_t *ret);
void resize_run(const struct resize *resize, const float *x, float *y, int64_t begin, int64_t end,
                void *scratch);

#endif
