/* Keras 3's operations, as operation nodes name their classes and as keras.ops names its functions. */
#include "base/size.h"
#include "keras/ops_places.h"

static const struct ops_row rows[] = {
#define OP(name, params, lower, variant) {#name, params, lower, variant},
#include "keras/ops_keras3.def"
#undef OP
};

const struct ops_table ops_keras3_table = {rows, KD_COUNT(rows)};
