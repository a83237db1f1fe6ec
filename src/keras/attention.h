/* Attention: what the attention layers share. */
#ifndef KD_KERAS_ATTENTION_H
#define KD_KERAS_ATTENTION_H

#include "keras/layer.h"

/* bool [1, T, S] for axis 1 of query and value: key position s <= query position t. */
engine_value attention_causal_mask(struct keras_call *call, engine_value query, engine_value value);
/* bool [1, T, S]: |t - s| < window. */
engine_value attention_window_mask(struct keras_call *call, engine_value query, engine_value value,
                                   int64_t window);
/* Both masks, or the one that is there. */
engine_value attention_and(struct keras_call *call, engine_value a, engine_value b);
/* A boolean argument of the call. */
bool attention_flag(const struct keras_call *call, const char *name, bool absent);

#endif
