/* Quantised layers of Keras 3 (model.quantize("int8") or "int4"): integer kernels with their scales. */
#ifndef KD_KERAS_QUANTIZED_H
#define KD_KERAS_QUANTIZED_H

#include "keras/layer.h"

/* What the config says; all zero if the layer is not quantised. Part of the layer's params. */
struct keras_quantized {
    bool groups;    /* int4 in blocks: a scale and a zero point for each */
    bool inputs;    /* inputs are rounded to integers too */
    double low, high, epsilon;
};

/* Reads `quantization_config`; layer->quantized says which kind it is. Sticky error if it can't be served. */
void keras_quantized_read(struct keras_layer *layer, struct keras_quantized *ret);
/* Names of a layer's arrays beside its kernel. */
struct keras_quantized_names {
    const char *kernel, *scale, *zero;
};
extern const struct keras_quantized_names keras_quantized_kernel, keras_quantized_embeddings;
/* Declares the kernel, `trainable` if the layer is not quantised. */
void keras_quantized_declare(struct keras_layer *layer, const struct keras_quantized_names *names, bool trainable);
/* Declares the arrays that belong to it, behind the layer's other weights. */
void keras_quantized_declare_scales(struct keras_layer *layer, const struct keras_quantized *quantized,
                                    const struct keras_quantized_names *names);
/* The kernel [rows, columns] as float constant: the saved one, or what its integers stand for. Scales lie along
 * the columns, or along the rows if by_row (embeddings). */
engine_value keras_quantized_matrix(const struct keras_layer *layer, struct keras_call *call,
                                    const struct keras_quantized *quantized,
                                    const struct keras_quantized_names *names, int64_t rows, int64_t columns,
                                    bool by_row);
/* x rounded as Keras does it before the product, by the largest number along the axes; x itself if not asked
 * for. */
engine_value keras_quantized_input(const struct keras_layer *layer, struct keras_call *call,
                                   const struct keras_quantized *quantized, engine_value x, const int *axes,
                                   int n_axes);

#endif
