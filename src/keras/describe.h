/* Describe: the facts about a model as one JSON object, and the optimizer's part of it. */
#ifndef KD_KERAS_DESCRIBE_H
#define KD_KERAS_DESCRIBE_H

#include "keras/model.h"

/* Free with cJSON_Delete. Out of memory: an object with holes, or NULL. */
cJSON *keras_describe(const struct keras_model *model);
/* Sets the sums that the description shows; once, when the arrays are bound. */
void keras_count_parameters(struct keras_model *model);

/* ---- training.c ---- */
/* {"optimizer": {class, config, iterations, slots}, "loss", "metrics"} or null if the model was not compiled.
 */
cJSON *keras_describe_training(const struct keras_model *model);

#endif
