/* The loops of isa.inc for processors with AVX-512, compiled with flags of its own (local.mk). */
#define ISA_TABLE kernels_avx512
#include "kernels/isa.inc"
