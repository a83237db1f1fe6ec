/* Inside of the kernels: 3x3 convolutions with stride 1 by Winograd's algorithm F(4x4, 3x3). */
#ifndef KD_KERNELS_WINOGRAD_H
#define KD_KERNELS_WINOGRAD_H

#include "kernels/conv.h"

/* Whether the algorithm can do it at all. */
bool winograd_possible(const struct conv *conv);
/* Whether it is faster: needs the sizes of the picture. */
bool winograd_pays(const struct conv *conv);
bool winograd_pack_bytes(const struct conv *conv, size_t *ret);
void winograd_pack(const struct conv *conv, const float *kernel, void *packed);
bool winograd_scratch(const struct conv *conv, size_t *ret);
void winograd_run(const struct conv *conv, const float *x, const void *packed,
                  const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end, void *scratch);

#endif
