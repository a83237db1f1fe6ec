/* Inside of the kernels: cuts windows over channels-last pixels into strips (isa.h). */
#ifndef KD_KERNELS_STRIPS_H
#define KD_KERNELS_STRIPS_H

#include "kernels/conv.h"
#include "kernels/isa.h"

/* Runs the output positions [begin, end). strip brings channels, w (of all taps), bias and clamp. */
void strips_run(const struct conv *conv, struct strip strip, void (*run)(const struct strip *),
                const float *x, float *y, int64_t begin, int64_t end);

#endif
