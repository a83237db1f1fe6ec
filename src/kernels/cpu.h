/* Which instruction set the kernels use, decided once before anything is packed. */
#ifndef KD_KERNELS_CPU_H
#define KD_KERNELS_CPU_H

#include <stdbool.h>

enum kernels_isa { KERNELS_GENERIC, KERNELS_AVX2, KERNELS_AVX512, KERNELS_ISA_COUNT };

/* Chooses the best instruction set that processor and operating system support, or the one that the
 * environment variable KERASD_CPU (generic, avx2, avx512) names if it is supported, and sets OpenBLAS to
 * one thread. Call once at start, before the first gemm_pack; until then everything runs generic.
 * Later calls do nothing. Not thread-safe. */
void kernels_init(void);
/* The one in use. */
enum kernels_isa kernels_isa(void);
/* "generic", "avx2", "avx512". */
const char *kernels_isa_name(enum kernels_isa isa);
bool kernels_supported(enum kernels_isa isa);
/* For tests and benchmarks: switches; false (nothing changed) if not supported. What was packed before
 * cannot be used after, since each instruction set packs in its own way. */
bool kernels_select(enum kernels_isa isa);

#endif
