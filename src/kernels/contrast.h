/* Contrast of pictures, as Keras's preprocessing layers change it. */
#ifndef KD_KERNELS_CONTRAST_H
#define KD_KERNELS_CONTRAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Per picture and channel: a + (b - a) (x - min) / (max - min); unchanged where max = min. y may be x.
 * x [pictures, pixels, channels]. */
void auto_contrast(int64_t pictures, int64_t pixels, int64_t channels, float a, float b, const float *x,
                   float *y);

/* Contrast limited adaptive histogram equalisation (Keras 3's ContrastLimitedAdaptiveHistogramEqualization):
 * the picture is cut into a grid of tiles, each value becomes its rank in the histograms of the four tiles around
 * it, interpolated. Values are whole numbers from 0 to 255, what is between is cut off. */
struct clahe {
    int64_t height, width, channels;
    int64_t grid[2];      /* tiles down and across; a tile may reach over the edge, by reflection */
    double clip;          /* counts above clip times the mean are shared out; 0 or less: all stay */
    bool scales;          /* values lie in [low, high] instead of [0, 255], results too */
    float low, high;
};
/* Whether reflection covers what the tiles reach over the picture's edges. */
bool clahe_fits(const struct clahe *clahe);
/* Scratch of a run; false on overflow. */
bool clahe_scratch(const struct clahe *clahe, size_t *ret);
/* x, y [pictures, height, width, channels]. y may be x. */
void clahe_run(const struct clahe *clahe, int64_t pictures, const float *x, float *y, void *scratch);

#endif
