/* Layer: the one interface between the Keras topology (graph.c, sequential, functional, nested models) and
 * the layer families (one file each). A layer class parses its config, declares its weights, and lowers each
 * call to engine ops. It never runs anything itself.
 *
 *   entry of config.layers ─► class found in the table ─► parse(): params, weights declared, children made
 *   saved weights          ─► bound by the core to the declared slots (order T ++ N, names and shapes
 * checked) each call (node)       ─► lower(): inputs and arguments in, engine ops, outputs and masks out
 *
 * Adding a layer: one file or one function set, one row in layers.def, one golden (docs/ADDING-A-LAYER.md).
 */
#ifndef KD_KERAS_LAYER_H
#define KD_KERAS_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "engine/graph.h"

struct arena;
struct err;
struct image_tensor;
struct keras_call;
struct keras_layer;
struct keras_build;

/* Who wrote the file: decides where generations differ. */
enum keras_family {
    KERAS_1,  /* standalone 1.x */
    KERAS_2,  /* standalone 2.0 - 2.3 */
    KERAS_TF, /* tf.keras 1.13 - 2.15, tf-keras */
    KERAS_3   /* 3.x */
};

struct keras_writer {
    enum keras_family family;
    int major, minor, patch;
    bool tf_suffix;      /* "2.2.4-tf" */
    const char *version; /* as written, never NULL */
    const char *backend; /* of the weights group; "" if missing */
};

/* Written by this family at this version or later. */
bool keras_since(const struct keras_writer *writer, enum keras_family family, int major, int minor);
/* Does a layer cast what it is given to the dtype of its config? Before tf.keras that named the type of new
 * variables, and results had the type of the inputs. */
bool keras_has_policies(const struct keras_writer *writer);

/* ---- values that travel between layers ---- */

struct keras_tensor {
    engine_value value;
    engine_value mask; /* bool, or ENGINE_NONE */
};

/* An argument of a call: constants and tensors in one tree (both node generations resolve into it). */
enum keras_arg_kind {
    KERAS_ARG_NONE, /* Python None, or absent */
    KERAS_ARG_BOOL,
    KERAS_ARG_INT,
    KERAS_ARG_FLOAT,
    KERAS_ARG_STRING,
    KERAS_ARG_LIST,   /* lists and tuples */
    KERAS_ARG_DICT,
    KERAS_ARG_SLICE,  /* items: start, stop, step */
    KERAS_ARG_ELLIPSIS,
    KERAS_ARG_TENSOR,
    KERAS_ARG_OBJECT  /* an object with class_name that is none of the above: see json */
};

struct keras_arg {
    enum keras_arg_kind kind;
    bool boolean;
    int64_t integer;           /* INT, and BOOL as 0/1 */
    double number;             /* FLOAT, and INT too */
    const char *text;          /* STRING */
    struct keras_tensor tensor; /* TENSOR */
    size_t n_items;            /* LIST, DICT, SLICE (3) */
    bool array;                /* LIST in a Lambda: from np.array, tf.constant: arithmetic goes by element */
    const struct keras_arg *items;
    const char *const *keys;   /* DICT: n_items names */
    const cJSON *json;         /* the source, where there is one */
};

/* ---- classes ---- */

/* What happens to the mask when lower() does not say otherwise. */
enum keras_mask_rule {
    KERAS_MASK_PASS,   /* outputs take the first input's mask */
    KERAS_MASK_DROP,   /* outputs have none */
    KERAS_MASK_CUSTOM  /* lower() sets outputs[i].mask itself */
};

/* How docs/LAYERS.md and `kerasd layers` list a class. */
enum keras_support { KERAS_SERVED, KERAS_IDENTITY, KERAS_REFUSED };

struct keras_class {
    const char *const *names;   /* Keras class names it answers to, aliases included; NULL-terminated */
    const char *family;         /* heading in docs/LAYERS.md: "Core", "Convolution", ... */
    const char *doc;            /* one line: what is supported, limits; for REFUSED the reason */
    enum keras_support support;
    enum keras_mask_rule mask;
    bool operation;        /* a TensorFlow or Keras function as a node; implies keeps_inputs */
    bool keeps_inputs;     /* float inputs are not cast to the layer's compute dtype before lower() */
    bool needs_floats;     /* integer inputs are cast to it too */
    const char *call;      /* parameters of call() after the first, in Keras 3's order; NULL: "mask training" */
    /* Reads the config (through keras_config_*), sets layer->params, declares weights, makes children.
     * NULL: nothing to read. Errors need not name the layer, the core adds that. */
    int (*parse)(struct keras_layer *layer, struct err *err);
    /* Called once per node. May be NULL with KERAS_IDENTITY (outputs = inputs). */
    int (*lower)(const struct keras_layer *layer, struct keras_call *call, struct err *err);
    /* Converts the saved list of weights of old eras to the declared slots (keras-h5 reference, section 3)
     * before they are bound. NULL: none. See keras_weights.h. */
    int (*convert)(struct keras_layer *layer, struct keras_build *build, const struct image_tensor **list,
                   size_t *n_list, struct err *err);
    /* How many arrays a file of this writer holds for the layer alone, where that is not the number declared
     * (Keras 1: 12 for an LSTM). convert() then makes the declared number of them. NULL: the declared number.
     */
    size_t (*stored_count)(const struct keras_layer *layer);
};

/* A weight slot of a layer, in creation order. */
struct keras_weight {
    const char *kind;                 /* "kernel", "bias", "gamma", ... */
    bool trainable;                   /* its own flag at creation (moving_mean: false) */
    const struct image_tensor *saved; /* bound by the core; NULL before binding */
    engine_value constant;            /* the core's: made of it by keras_weight */
};

/* By the dtype policy of Keras 3: see keras/quantized.h. */
enum keras_quantization { KERAS_NOT_QUANTIZED, KERAS_INT8, KERAS_INT4, KERAS_INT4_GROUPS };

struct keras_layer {
    const char *name;        /* unique in its model */
    const char *path;        /* "model/block1/conv", for messages */
    const char *class_name;  /* as written */
    const struct keras_class *class;
    const cJSON *config; /* the config object (keys by their Keras 2 names: Keras 1 is translated before) */
    const struct keras_writer *writer;
    struct keras_build *build;
    struct arena *arena;     /* lives as long as the model */
    bool trainable;
    enum dtype compute_dtype; /* by the dtype policy: float32, float64, float16, bfloat16 (or an int type) */
    enum dtype variable_dtype;
    enum keras_quantization quantized;
    size_t n_children;       /* wrapped layers, cells; layers of a nested model */
    struct keras_layer **children;
    size_t n_weights;
    struct keras_weight *weights;
    const void *params;      /* the class's own: see keras_params */
    bool training_matters;   /* set by parse(): training=true in a call would change the numbers */
    const struct unary *unary; /* set by parse() of layers that are one plain unary function */
    struct keras_layer_state *state; /* the core's own */
};

/* One call of a layer. */
struct keras_call {
    struct keras_build *build;
    const struct keras_layer *layer;
    struct engine_graph *graph;
    size_t n_inputs;              /* the first argument, flattened */
    const struct keras_tensor *inputs;
    bool input_is_list;
    size_t n_args;                /* all positional arguments, the first included */
    const struct keras_arg *args;
    size_t n_kwargs;
    const struct keras_arg *kwargs;
    const char *const *kwarg_names;
    bool training;                /* training=true stored in the node */
    size_t n_outputs;             /* set by lower(); 1 by default */
    struct keras_tensor *outputs; /* room for KERAS_MAX_OUTPUTS */
};
#define KERAS_MAX_OUTPUTS 256

/* ---- for parse(): reading the config ---- */
/* Each getter records that its key is known; keys nobody asked for and that are not on the list of keys
 * without effect at inference become warnings. A wrong type or value sets the layer's sticky error (checked
 * by the core after parse; the getters then return the default), naming key, expected and found. */

bool keras_config_has(struct keras_layer *layer, const char *key); /* present and not null */
const cJSON *keras_config_json(struct keras_layer *layer, const char *key); /* NULL if absent or null */
int64_t keras_config_int(struct keras_layer *layer, const char *key, int64_t absent, int64_t min);
double keras_config_float(struct keras_layer *layer, const char *key, double absent);
bool keras_config_bool(struct keras_layer *layer, const char *key, bool absent);
const char *keras_config_string(struct keras_layer *layer, const char *key, const char *absent);
/* Index into the NULL-terminated list; unknown words are an error that lists the choices. */
int keras_config_choice(struct keras_layer *layer, const char *key, const char *const *choices, int absent);
/* An int or a list of n ints (an int is repeated). */
void keras_config_ints(struct keras_layer *layer, const char *key, int64_t *values, int n, int64_t absent,
                       int64_t min);
/* An int or a list of any length up to max; returns the count (0 if absent or null). */
int keras_config_axes(struct keras_layer *layer, const char *key, int64_t *values, int max);
/* "channels_first" -> true; null and absent: channels_last. */
bool keras_config_channels_first(struct keras_layer *layer);
/* Keys that exist but do not matter here (training-only of this class). */
void keras_config_ignore(struct keras_layer *layer, const char *const *keys);
/* Memory for layer->params, zero-filled: sets params and returns it, or NULL with the sticky error set. */
void *keras_params(struct keras_layer *layer, size_t size);
/* Sets the sticky error (KD_EUNSUPPORTED); returns it. */
int keras_config_fail(struct keras_layer *layer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- for parse(): weights and children ---- */

void keras_declare_weight(struct keras_layer *layer, const char *kind, bool trainable);
/* Makes a child layer from {"class_name", "config"} and appends it; NULL with the sticky error set. */
struct keras_layer *keras_declare_child(struct keras_layer *layer, const cJSON *entry);

/* Keeps a tree that parse() made until the model is freed; false if out of memory (then it is deleted). */
bool keras_own_json(struct keras_layer *layer, cJSON *tree);

/* ---- for lower() ---- */

/* The bound weight as a constant (float weights: declared as the layer's compute dtype, not rounded). rank
 * and sizes are checked (each an int64_t; SHAPE_UNKNOWN: any); rank -1 takes any shape. ENGINE_NONE, with the
 * graph's sticky error set, naming weight, expected and found. ENGINE_NONE without error if the kind was not
 * declared. */
engine_value keras_weight(const struct keras_layer *layer, struct keras_call *call, const char *kind,
                          int rank, ...);
/* The shape of the bound weight, or NULL if not declared. */
const struct shape *keras_weight_shape(const struct keras_layer *layer, const char *kind);

/* Argument by name, or by position (0 = first) if not given by name; NULL if absent. */
const struct keras_arg *keras_call_arg(const struct keras_call *call, const char *name, size_t position);
/* Same, as a tensor; ENGINE_NONE in .value if absent or None. A number becomes a constant of dtype_like. */
struct keras_tensor keras_call_tensor(const struct keras_call *call, const char *name, size_t position);

/* Sets output i; the mask by the class's rule unless CUSTOM. */
void keras_call_return(struct keras_call *call, size_t i, engine_value value);
void keras_call_return_masked(struct keras_call *call, size_t i, engine_value value, engine_value mask);

/* Calls a child on tensors, as a wrapper does; outputs has room for KERAS_MAX_OUTPUTS. */
int keras_call_child(const struct keras_layer *child, struct keras_call *call,
                     const struct keras_tensor *inputs, size_t n_inputs, struct keras_tensor *outputs,
                     size_t *ret_n_outputs, struct err *err);

/* A rank-0 constant of the dtype of `like`. */
engine_value keras_scalar(struct keras_call *call, engine_value like, double number);
/* Several constants at once: a nested JSON list (or number) as a constant of this dtype; sticky error if
 * ragged or not numbers. */
engine_value keras_constant_json(struct keras_call *call, const cJSON *json, enum dtype dtype);

/* True if x has this rank; else the graph's sticky error says what was expected. */
bool keras_expect_rank(struct keras_call *call, engine_value x, int rank);
/* Axis `from` becomes axis `to`, the others keep their order; nothing happens if they are equal. */
engine_value keras_move_axis(struct keras_call *call, engine_value x, int from, int to);
/* channels_first helpers: [N, C, spatial...] <-> [N, spatial..., C]. */
engine_value keras_to_channels_last(struct keras_call *call, engine_value x);
engine_value keras_to_channels_first(struct keras_call *call, engine_value x);

/* An activation as written in a config: null, string, function object, layer object, "Addons>mish", ...
 * The result is applied to the last step of a layer. Softmax, glu and the like are not unary: hence a type of
 * its own. */
struct keras_activation; /* opaque; NULL means linear */
/* From config[key]; sticky error if unknown ("layer 'x': activation 'foo' is not ..."). */
const struct keras_activation *keras_config_activation(struct keras_layer *layer, const char *key,
                                                       const char *absent);
/* From a bare name, NULL if unknown. */
const struct keras_activation *keras_activation_by_name(const struct keras_layer *layer, const char *name);
engine_value keras_activate(struct keras_call *call, const struct keras_activation *activation,
                            engine_value x);
/* A function of integers too: computed in float32, and an integer again where it is a form of relu. */
engine_value keras_unary(struct keras_call *call, struct unary function, engine_value x);
/* For recurrent cells: true and *ret if it is a plain unary function. */
bool keras_activation_unary(const struct keras_activation *activation, struct unary *ret);
bool keras_activation_is_softmax(const struct keras_activation *activation);

/* Casts a float or int value to the layer's compute dtype if it is a float (Keras's autocast). */
engine_value keras_autocast(const struct keras_layer *layer, struct keras_call *call, engine_value x);

/* Notes which of several rules was taken ("hard_sigmoid: 0.2 x + 0.5, as Keras 2 has it"); each text once. */
void keras_rule(struct keras_build *build, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Did the writer compute with Theano? Keras 1 does not note its backend, but only TensorFlow ends the names of arrays
 * with ":0". */
bool keras_on_theano(const struct keras_build *build);
/* The option legacy_bilinear: files of "2.2.4-tf" that TensorFlow 1.13 wrote. */
bool keras_legacy_bilinear(const struct keras_build *build);
/* Adds a warning to the model ("stateful is served stateless"). */
void keras_warn(struct keras_build *build, const struct keras_layer *layer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the table ---- */

/* All classes in the order of layers.def. */
extern const struct keras_class *const keras_classes[];
extern const size_t keras_n_classes;
/* Looks through names and aliases, and "package>Name" of packages that are Keras's; NULL if unknown.
 * Rows with `operation` are looked at last: a name that is both (Add) gives the layer. */
const struct keras_class *keras_class_find(const char *class_name);
/* The same among the rows with `operation` alone: Keras 3 operation nodes ("GetItem", and "Add" the
 * function). */
const struct keras_class *keras_operation_find(const char *class_name);

#endif
