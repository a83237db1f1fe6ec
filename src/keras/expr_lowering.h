/* What the two files of the lowering share: expr_lower.c (values, operators, indexing, the walk) and expr_call.c
 * (names and calls). Values are arguments as calls of functions take them, allocated in the layer's arena; NULL
 * stands for a failure whose sentence is in lowering->err. */
#ifndef KD_KERAS_EXPR_LOWERING_H
#define KD_KERAS_EXPR_LOWERING_H

#include "keras/expr.h"
#include "keras/ops.h"

struct err;

struct lowering {
    const struct keras_layer *layer;
    struct keras_call *call;
    struct expr_function *function;
    const struct keras_arg *const *values; /* of the parameters */
    struct err *err;
};

extern const struct keras_arg expr_none;

const struct keras_arg *expr_lower_node(struct lowering *lowering, struct expr *expr);
/* The value of a name, dotted or not, that is not called. */
const struct keras_arg *expr_lower_name(struct lowering *lowering, const char *written);
const struct keras_arg *expr_lower_call(struct lowering *lowering, struct expr *expr);

/* KD_EUNSUPPORTED with a sentence that continues "its function ... can't be served: "; returns NULL. */
const struct keras_arg *expr_refuse(struct lowering *lowering, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct keras_arg *expr_value(struct lowering *lowering, enum keras_arg_kind kind);
const struct keras_arg *expr_int_value(struct lowering *lowering, int64_t integer);
const struct keras_arg *expr_float_value(struct lowering *lowering, double number);
const struct keras_arg *expr_bool_value(struct lowering *lowering, bool boolean);
const struct keras_arg *expr_text_value(struct lowering *lowering, const char *text);
/* The same; a list as one whose arithmetic goes by element. */
const struct keras_arg *expr_array_value(struct lowering *lowering, const struct keras_arg *from);
struct keras_arg *expr_list_value(struct lowering *lowering, enum keras_arg_kind kind, size_t n);
void expr_set_item(struct keras_arg *list, size_t i, const struct keras_arg *item);
bool expr_is_number(const struct keras_arg *arg);
/* The sizes of a tensor as Python sees them: a list of ints, None where unknown. */
const struct keras_arg *expr_shape_list(struct lowering *lowering, const struct keras_arg *tensor);
const struct keras_arg *expr_apply(struct lowering *lowering, enum ops_dialect dialect, const char *name,
                                   const struct ops_args *args);

#endif
