/* Compare: a manifest's tensors in storage form, and whether two tensors agree. */
#ifndef KD_TESTS_GOLDEN_COMPARE_H
#define KD_TESTS_GOLDEN_COMPARE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tensor/tensor.h"

struct buf;

/* The tensor of an entry {name, dtype, shape, offset | strings}; row < 0: all of it, else only that row of
 * the first axis (as a batch of one). free(data). False if the entry is malformed. */
bool golden_tensor(const cJSON *entry, const struct buf *data, int64_t row, struct tensor *ret);
/* max(1e-3, largest finite absolute value) of the whole tensor. */
double golden_scale(const cJSON *entry, const struct buf *data);
/* Floats: |got - expected| <= tolerance * scale, NaN and infinities in the same places; all else equal.
 * *ret_error: the largest difference / scale. text: what is wrong. */
bool golden_compare(const struct tensor *got, const struct tensor *expected, double scale, double tolerance,
                    double *ret_error, char *text, size_t size);

#endif
