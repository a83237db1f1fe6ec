/* Sidecar: the small JSON file that a user may put beside a model ("model.h5" + ".kerasd.json") to say what the model
 * file cannot: the expression of a Lambda or of a simple custom class, or which built-in class a custom one is.
 *
 *   { "layers":  { "lambda_1": "lambda x: x / 127.5 - 1" },
 *     "classes": { "L1Dist": "lambda a, b: abs(a - b)",
 *                  "Scale": { "expression": "lambda x, gamma: x * gamma", "weights": ["gamma"] },
 *                  "FixedDropout": { "alias": "Dropout" } } }
 *
 * The language is one Python expression over tensors (expr.h): no statements, no code. A parameter takes, by its
 * name, the declared weight or the config value of that name; the others are the inputs, in order. */
#ifndef KD_KERAS_SIDECAR_H
#define KD_KERAS_SIDECAR_H

#include <cjson/cJSON.h>

struct err;
struct keras_build;
struct keras_class;
struct keras_layer;

/* Reads options->sidecar; NULL text gives no entries. KD_EINVAL for what is not of the form above. */
int keras_sidecar_read(struct keras_build *build, struct err *err);
/* The entry for a layer's name (of class Lambda) or for a class; NULL if there is none. */
const cJSON *keras_sidecar_entry(const struct keras_layer *layer);
/* What a class (or an activation) of that name is by another name; NULL if the sidecar does not say. */
const char *keras_sidecar_alias(const struct keras_build *build, const char *name);
/* The class for a class name that is not built in: the alias's, or the class of expressions; NULL if the sidecar has
 * no entry for it. */
const struct keras_class *keras_sidecar_class(const struct keras_build *build, const char *class_name);

#endif
