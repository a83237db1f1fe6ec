/* Ops: the functions that stand between layers (tf.add, keras.ops.mean, x[:, 0], K.abs), however the file
 * writes them: TFOpLambda and SlicingOpLambda, TensorFlowOpLayer with its NodeDef, Keras 3 operation nodes, a
 * recovered Lambda, a sidecar expression.
 *
 * One row per function: its names, its parameters in order, and how it lowers. A row is found by name within
 * a dialect; named arguments (and the config of an operation node) are bound first, positional ones fill the
 * parameters that are left, in order; then lower() runs. An argument that the row does not know is an error
 * that names it. */
#ifndef KD_KERAS_OPS_H
#define KD_KERAS_OPS_H

#include "keras/layer.h"

/* Decides the names and the rules for operands of different types. */
enum ops_dialect {
    OPS_TENSORFLOW, /* "math.add": a constant takes the type of the tensor beside it */
    OPS_KERAS3,     /* "Add", "add": NumPy-like promotion, Python numbers are weak */
    OPS_NODEDEF     /* "AddV2": TensorFlow's graph ops */
};

#define OPS_MAX_PARAMS 12

struct ops_call;

struct ops_row {
    const char *names;  /* separated by blanks */
    const char *params; /* names in order, separated by blanks; "a|b": either name; "-": none */
    /* The result; or ENGINE_NONE after ops_fail, or after setting outputs itself. */
    engine_value (*lower)(struct ops_call *op);
    int variant; /* unary_kind, binary_kind, reduce_kind, or what lower() likes */
};

struct ops_table {
    const struct ops_row *rows;
    size_t n_rows;
};
extern const struct ops_table ops_tensorflow_table, ops_keras3_table, ops_nodedef_table;

/* One application of a function. */
struct ops_call {
    const struct keras_layer *layer;
    struct keras_call *call;
    struct engine_graph *graph;
    enum ops_dialect dialect;
    const char *function; /* as written, for messages */
    const struct ops_row *row;
    const struct keras_arg *arg[OPS_MAX_PARAMS]; /* by the row's parameters; NULL if absent or None */
    bool is_list;                                /* the result is a list (split, unstack, moments) */
    size_t n_outputs;
    engine_value *outputs; /* room for KERAS_MAX_OUTPUTS */
};

/* Positional arguments and named ones. */
struct ops_args {
    size_t n_args;
    const struct keras_arg *args;
    size_t n_kwargs;
    const struct keras_arg *kwargs;
    const char *const *names;
};

/* NULL if unknown. "tf.", "compat.v1." and the like may stand before the name. */
const struct ops_row *ops_find(enum ops_dialect dialect, const char *function);
/* The index of the row's parameter of that name, or -1. */
int ops_param(const struct ops_row *row, const char *name);
/* Binds the arguments and lowers. *ret is a TENSOR, or a LIST of them, allocated in the layer's arena.
 * KD_EUNSUPPORTED for an unknown function or argument. Errors name the function. */
int ops_apply(const struct keras_layer *layer, struct keras_call *call, enum ops_dialect dialect,
              const char *function, const struct ops_args *args, struct keras_arg *ret, struct err *err);
/* Returns the result of ops_apply as the outputs of a layer. */
void ops_return(struct keras_call *call, const struct keras_arg *result);

/* ---- arguments as values ---- */

/* A tensor as it is; a number or nested list of numbers, strings, tensors becomes a constant of `dtype`,
 * DTYPE_INVALID meaning what Python's value gives (int32, float32, bool, string). Tensors are not converted.
 * ENGINE_NONE with the graph's error set if it is nothing of that kind. */
engine_value ops_constant(const struct keras_layer *layer, struct keras_call *call,
                          const struct keras_arg *arg, enum dtype dtype);
/* The dtype of the constant that DTYPE_INVALID would give. */
enum dtype ops_natural_dtype(const struct keras_arg *arg);
/* The dtype that an OBJECT holding an array was written with, DTYPE_INVALID if it is none. */
enum dtype ops_wrapped_dtype(const struct keras_arg *arg);
/* A JSON value as an argument, allocated in the arena; bounded depth. */
int ops_arg_of_json(struct arena *arena, const cJSON *json, struct keras_arg *ret, struct err *err);

/* ---- for lower() ---- */

engine_value ops_fail(struct ops_call *op, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fails if the argument is given: "argument 'x' is not served". */
bool ops_absent(struct ops_call *op, int i);

engine_value ops_tensor(struct ops_call *op, int i, enum dtype dtype); /* argument must be there */
engine_value ops_tensor_float(struct ops_call *op, int i);             /* ints become float32 */
int64_t ops_int(struct ops_call *op, int i, int64_t absent);
double ops_number(struct ops_call *op, int i, double absent);
bool ops_bool(struct ops_call *op, int i, bool absent);
const char *ops_text(struct ops_call *op, int i, const char *absent);
enum dtype ops_dtype(struct ops_call *op, int i, enum dtype absent);
/* An int or a list of ints of constants; returns the count, -1 if absent, and fails if it is anything else.
 */
int ops_ints(struct ops_call *op, int i, int64_t *values, int max);
/* One axis of a tensor of that rank, not negative. */
int ops_axis(struct ops_call *op, int i, int rank, int64_t absent);
/* An int, a list or None (all axes); not negative. Returns the count, 0 for all. */
int ops_axes(struct ops_call *op, int i, int rank, int *axes);
/* A shape, list of sizes or tensor: int64 value [rank]; `known` (room for SHAPE_MAX_RANK) takes the sizes
 * that follow from constants and known sizes, ENGINE_NOT_KNOWN for the others. Returns the rank, -1 after a
 * failure. */
int ops_sizes(struct ops_call *op, int i, engine_value *ret, int64_t *known);
/* Two operands brought to one dtype by the dialect's rule. */
bool ops_pair(struct ops_call *op, int i, int j, engine_value *ret_x, engine_value *ret_y);
/* A list of tensors of one dtype; returns the count, 0 after a failure. */
size_t ops_list(struct ops_call *op, int i, engine_value *values, size_t max);
/* To be returned by lower() when there are several results. */
engine_value ops_outputs(struct ops_call *op, const engine_value *values, size_t n);

/* Keras 3's promotion of two types; weak: a Python number. */
enum dtype ops_promote(enum dtype x, bool weak_x, enum dtype y, bool weak_y);
engine_value ops_to_float(struct engine_graph *graph, engine_value x);

#endif
