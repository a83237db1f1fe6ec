/* LoRA: the low-rank update that Keras 3 may keep beside a frozen kernel: K + (alpha / rank) A B. */
#ifndef KD_KERAS_LORA_H
#define KD_KERAS_LORA_H

#include "keras/layer.h"

/* alpha / rank of the config, 0 if the layer has no update. */
double keras_lora_scale(struct keras_layer *layer);
/* The two factors, behind the layer's other weights. The kernel itself must be declared as not trainable. */
void keras_lora_declare(struct keras_layer *layer, const char *kind_a, const char *kind_b);
/* The effective kernel; `kernel` itself if scale is 0. */
engine_value keras_lora_apply(const struct keras_layer *layer, struct keras_call *call, engine_value kernel,
                              const char *kind_a, const char *kind_b, double scale);

#endif
