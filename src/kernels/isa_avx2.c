/* The loops of isa.inc for processors with AVX2, compiled with flags of its own (local.mk). */
#define ISA_TABLE kernels_avx2
#include "kernels/isa.inc"
