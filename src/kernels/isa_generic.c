/* The loops of isa.inc for any processor, compiled with flags of its own (local.mk). */
#define ISA_TABLE kernels_generic
#include "kernels/isa.inc"
