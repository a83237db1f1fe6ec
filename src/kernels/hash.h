/* Hashes that Keras's preprocessing layers are defined by. */
#ifndef KD_KERNELS_HASH_H
#define KD_KERNELS_HASH_H

#include <stddef.h>
#include <stdint.h>

/* FarmHash Fingerprint64 (farmhashna). */
uint64_t hash_fingerprint64(const char *data, size_t length);
/* SipHash-2-4 with the key (k0, k1), little-endian message. */
uint64_t hash_siphash24(uint64_t k0, uint64_t k1, const char *data, size_t length);
/* TensorFlow's FingerprintCat64, which crosses two fingerprints. */
uint64_t hash_fingerprint_cat64(uint64_t a, uint64_t b);
/* The start value of Keras's HashedCrossing. */
#define HASH_CROSS_START UINT64_C(0xDECAFCAFFE)

#endif
