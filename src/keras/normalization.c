/* Normalisation layers.
 *
 * At inference BatchNormalization is a scale and a shift per channel, computed here once from its four
 * arrays, in the form that the engine folds into the product before it. The others normalise by the input's
 * own statistics (engine_normalize) and then scale and shift. An axis other than the last is moved to the end
 * and back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "keras/json.h"
#include "keras/layer.h"

struct norm {
    int n_axes;
    int64_t axes[SHAPE_MAX_RANK];
    float epsilon;
    int64_t groups;
    bool rms_scaling;
    enum { BATCH_MOVING, BATCH_SAMPLE, BATCH_BATCH } mode; /* Keras 1's key of BatchNormalization */
};

static struct norm *parse_common(struct keras_layer *layer, double epsilon)
{
    struct norm *norm = keras_params(layer, sizeof(*norm));
    if (!norm)
        return NULL;
    norm->n_axes = keras_config_axes(layer, "axis", norm->axes, SHAPE_MAX_RANK);
    if (norm->n_axes == 0)
        norm->axes[norm->n_axes++] = -1;
    norm->epsilon = (float)keras_config_float(layer, "epsilon", epsilon);
    return norm;
}

static void declare_affine(struct keras_layer *layer)
{
    if (keras_config_bool(layer, "scale", true))
        keras_declare_weight(layer, "gamma", true);
    if (keras_config_bool(layer, "center", true))
        keras_declare_weight(layer, "beta", true);
}

/* The axes of this input, ascending; false with the graph's error set if one is out of range or given twice.
 */
static bool axes_of(const struct norm *norm, struct keras_call *call, engine_value x, int *ret)
{
    if (x == ENGINE_NONE)
        return false;
    for (int i = 0; i < norm->n_axes; i++) {
        int axis = shape_axis(engine_shape(call->graph, x), norm->axes[i]), at = i;
        for (; at > 0 && ret[at - 1] > axis; at--)
            ret[at] = ret[at - 1];
        ret[at] = axis;
        if (axis < 0 || (at > 0 && ret[at - 1] == axis)) {
            engine_graph_fail(call->graph, KD_EFORMAT, "axis %lld of an input with %d axes",
                              (long long)norm->axes[i], engine_rank(call->graph, x));
            return false;
        }
    }
    return true;
}

/* ---- BatchNormalization ---- */

static int batch_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const ignored[] = {"momentum", "fused", "renorm_clipping", "renorm_momentum",
                                          "virtual_batch_size", "adjustment", NULL};
    struct norm *norm = parse_common(layer, 1e-3);
    if (!norm)
        return 0;
    int64_t mode = keras_config_int(layer, "mode", 0, 0);
    if (mode > BATCH_BATCH)
        return keras_config_fail(layer, "config key 'mode': Keras 1 had 0, 1 and 2, found %lld", (long long)mode);
    norm->mode = (int)mode;
    keras_config_ignore(layer, ignored);
    declare_affine(layer);
    keras_declare_weight(layer, "moving_mean", false);
    keras_declare_weight(layer, "moving_variance", false);
    if (keras_config_bool(layer, "renorm", false)) {
        keras_declare_weight(layer, "moving_stddev", false);
        keras_declare_weight(layer, "renorm_mean", false);
        keras_declare_weight(layer, "renorm_stddev", false);
    }
    /* A frozen layer uses its moving statistics even in training, since TensorFlow 2. */
    layer->training_matters = layer->trainable || layer->writer->family == KERAS_2;
    return 0;
}

struct batch_arrays {
    const struct tensor *mean, *variance, *gamma, *beta; /* the last two may be NULL */
};

static const struct tensor *array_of(const struct keras_layer *layer, struct keras_call *call,
                                     const char *kind, const struct shape *shape)
{
    engine_value value = keras_weight(layer, call, kind, -1);
    const struct tensor *tensor = value == ENGINE_NONE ? NULL : engine_constant_of(call->graph, value);
    if (tensor && (!shape_equal(&tensor->shape, shape) || dtype_storage(tensor->dtype) != STORAGE_F32)) {
        engine_graph_fail(call->graph, KD_EFORMAT, "weight '%s' has another shape than moving_variance",
                          kind);
        return NULL;
    }
    return tensor;
}

/* scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale, in float32 as TensorFlow does it. */
static void batch_fold(const struct batch_arrays *arrays, float epsilon, int64_t n, float *scale,
                       float *shift)
{
    const float *mean = tensor_f32(arrays->mean), *variance = tensor_f32(arrays->variance);
    for (int64_t i = 0; i < n; i++) {
        scale[i] = 1.0f / sqrtf(variance[i] + epsilon);
        if (arrays->gamma)
            scale[i] *= tensor_f32(arrays->gamma)[i];
        shift[i] = (arrays->beta ? tensor_f32(arrays->beta)[i] : 0.0f) - mean[i] * scale[i];
    }
}

/* The two constants, of the arrays' shape. */
static bool batch_constants(const struct keras_layer *layer, struct keras_call *call, engine_value ret[2])
{
    const struct norm *norm = layer->params;
    const struct shape *saved = keras_weight_shape(layer, "moving_variance");
    int64_t n;
    if (!saved || !shape_elements(saved, &n)) {
        engine_graph_fail(call->graph, KD_EFORMAT, "weight 'moving_variance' is not in the file");
        return false;
    }
    struct shape shape = *saved;
    struct batch_arrays arrays = {
        .mean = array_of(layer, call, "moving_mean", &shape),
        .variance = array_of(layer, call, "moving_variance", &shape),
        .gamma = array_of(layer, call, "gamma", &shape),
        .beta = array_of(layer, call, "beta", &shape),
    };
    float *scale = calloc((size_t)n + 1, sizeof(*scale)), *shift = calloc((size_t)n + 1, sizeof(*shift));
    bool good = scale && shift && arrays.mean && arrays.variance && !engine_graph_error(call->graph);
    if (good) {
        batch_fold(&arrays, norm->epsilon, n, scale, shift);
        ret[0] = engine_constant_copy(call->graph, DTYPE_FLOAT32, &shape, scale);
        ret[1] = engine_constant_copy(call->graph, DTYPE_FLOAT32, &shape, shift);
    } else {
        engine_graph_fail(call->graph, KD_ENOMEM, "out of memory");
    }
    free(scale);
    free(shift);
    return good;
}

/* Keras 1's other modes, by the input's own statistics: those of each vector along the last axis (mode 1, where
 * epsilon counts twice) or those of the batch (mode 2, so that a row's result depends on its batch). */
static engine_value own_statistics(const struct keras_layer *layer, struct keras_call *call, engine_value x, int axis)
{
    const struct norm *norm = layer->params;
    struct engine_graph *graph = call->graph;
    int axes[SHAPE_MAX_RANK], n = 0, rank = engine_rank(graph, x);
    int64_t spec[SHAPE_MAX_RANK];
    bool sample = norm->mode == BATCH_SAMPLE;
    for (int i = 0; i < rank; i++) {
        bool kept = i == (sample ? rank - 1 : axis);
        spec[i] = kept ? ENGINE_INFER : 1;
        if (kept == sample)
            axes[n++] = i;
    }
    engine_value epsilon = keras_scalar(call, x, norm->epsilon);
    engine_value d = engine_binary(graph, BINARY_SUBTRACT, x, engine_reduce(graph, REDUCE_MEAN, x, axes, n, true));
    engine_value std = engine_reduce(graph, REDUCE_MEAN, engine_binary(graph, BINARY_MULTIPLY, d, d), axes, n, true);
    std = engine_unary(graph, (struct unary){.kind = UNARY_SQRT}, engine_binary(graph, BINARY_ADD, std, epsilon));
    std = sample ? engine_binary(graph, BINARY_ADD, std, epsilon) : std;
    engine_value gamma = keras_weight(layer, call, "gamma", 1, (int64_t)SHAPE_UNKNOWN);
    engine_value beta = keras_weight(layer, call, "beta", 1, (int64_t)SHAPE_UNKNOWN);
    gamma = engine_reshape(graph, gamma, spec, rank);
    beta = engine_reshape(graph, beta, spec, rank);
    engine_value y = engine_binary(graph, BINARY_MULTIPLY, engine_binary(graph, BINARY_DIVIDE, d, std), gamma);
    return engine_binary(graph, BINARY_ADD, y, beta);
}

static int batch_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct norm *norm = layer->params;
    engine_value x = call->inputs[0].value, constants[2];
    int axes[SHAPE_MAX_RANK];
    if (!axes_of(norm, call, x, axes))
        return 0;
    if (norm->mode != BATCH_MOVING) {
        keras_call_return(call, 0, own_statistics(layer, call, x, axes[0]));
        return 0;
    }
    if (!batch_constants(layer, call, constants))
        return 0;
    if (norm->n_axes > 1) {
        /* Parameters of several axes have the input's rank, 1 where the axis is not theirs. */
        enum dtype dtype = engine_dtype(call->graph, x);
        engine_value scale = engine_cast(call->graph, constants[0], dtype);
        engine_value shift = engine_cast(call->graph, constants[1], dtype);
        engine_value y = engine_binary(call->graph, BINARY_MULTIPLY, x, scale);
        keras_call_return(call, 0, engine_binary(call->graph, BINARY_ADD, y, shift));
        return 0;
    }
    int last = engine_rank(call->graph, x) - 1;
    engine_value y = keras_move_axis(call, x, axes[0], last);
    y = engine_scale_shift(call->graph, y, constants[0], constants[1]);
    keras_call_return(call, 0, keras_move_axis(call, y, last, axes[0]));
    return 0;
}

const struct keras_class keras_class_batch_normalization = {
    .names = (const char *const[]){"BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2",
                                   "SyncBatchNormalization", NULL},
    .family = "Normalisation",
    .doc = "one axis or several; renorm; modes 1 and 2 of Keras 1; folded into the layer before it where possible",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .needs_floats = true,
    .call = "training mask",
    .parse = batch_parse,
    .lower = batch_lower,
};

/* ---- scale and shift by weights ---- */

/* Does the weight have the sizes of x's last axes? */
static bool fits_last(struct keras_call *call, engine_value weight, engine_value x, const int *axes, int n_axes)
{
    int rank = engine_rank(call->graph, x);
    for (int i = 0; i < n_axes; i++)
        if (axes[i] != rank - n_axes + i ||
            engine_dim(call->graph, weight, i) != engine_dim(call->graph, x, axes[i]))
            return false;
    return true;
}

/* A weight with one size per axis, reshaped so that it broadcasts against x. Its sizes stand in the order of
 * the axes in the config; Keras too lets its numbers fall where that puts them. */
static engine_value along_axes(const struct keras_layer *layer, struct keras_call *call, const char *kind,
                               engine_value x, const int *axes, int n_axes)
{
    engine_value weight = keras_weight(layer, call, kind, n_axes == 1 ? 1 : -1, (int64_t)SHAPE_UNKNOWN);
    if (weight == ENGINE_NONE || engine_rank(call->graph, weight) < n_axes)
        return weight;
    int rank = engine_rank(call->graph, x);
    if (fits_last(call, weight, x, axes, n_axes))
        return weight;
    int64_t spec[SHAPE_MAX_RANK];
    if (engine_rank(call->graph, weight) != n_axes)
        return engine_graph_fail(call->graph, KD_EFORMAT,
                                 "weight '%s' does not have one axis per normalised axis", kind);
    for (int i = 0; i < rank; i++)
        spec[i] = 1;
    for (int i = 0; i < n_axes; i++) {
        int64_t size = engine_dim(call->graph, x, axes[i]);
        spec[axes[i]] = size == SHAPE_UNKNOWN ? engine_dim(call->graph, weight, i) : size;
    }
    return engine_reshape(call->graph, weight, spec, rank);
}

static engine_value affine(const struct keras_layer *layer, struct keras_call *call, engine_value y,
                           const int *axes, int n_axes)
{
    if (y == ENGINE_NONE)
        return y;
    engine_value gamma = along_axes(layer, call, "gamma", y, axes, n_axes);
    engine_value beta = along_axes(layer, call, "beta", y, axes, n_axes);
    if (n_axes == 1 && axes[0] == engine_rank(call->graph, y) - 1 &&
        (gamma != ENGINE_NONE || beta != ENGINE_NONE))
        return engine_scale_shift(call->graph, y, gamma, beta);
    if (gamma != ENGINE_NONE)
        y = engine_binary(call->graph, BINARY_MULTIPLY, y, gamma);
    if (beta != ENGINE_NONE)
        y = engine_binary(call->graph, BINARY_ADD, y, beta);
    return y;
}

/* ---- integers ---- */

/* Integers are computed upon in floats; *ret is their type, DTYPE_INVALID for floats. */
static engine_value as_floats(const struct keras_layer *layer, struct keras_call *call, engine_value x,
                              enum dtype *ret)
{
    *ret = DTYPE_INVALID;
    if (x == ENGINE_NONE || dtype_is_float(engine_dtype(call->graph, x)))
        return x;
    *ret = engine_dtype(call->graph, x);
    return engine_cast(call->graph, x, layer->compute_dtype);
}

/* Where Keras brings a result back to the type of the input, integers lose what is behind the point. */
static engine_value truncate(const struct keras_layer *layer, struct keras_call *call, engine_value y,
                             enum dtype integers)
{
    if (integers == DTYPE_INVALID)
        return y;
    keras_rule(call->build, "normalised integers are cut to integers, as the newer Keras 3 does");
    return engine_cast(call->graph, engine_cast(call->graph, y, integers), layer->compute_dtype);
}

/* ---- LayerNormalization, RMSNormalization ---- */

static int layer_parse(struct keras_layer *layer, struct err *err)
{
    struct norm *norm = parse_common(layer, 1e-3);
    if (!norm)
        return 0;
    norm->rms_scaling = keras_config_bool(layer, "rms_scaling", false);
    if (norm->rms_scaling) {
        /* Then there is a gamma and no beta, whatever the keys say. */
        keras_config_ignore(layer, (const char *const[]){"scale", "center", NULL});
        keras_declare_weight(layer, "gamma", true);
    } else {
        declare_affine(layer);
    }
    return 0;
}

static int layer_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct norm *norm = layer->params;
    enum dtype integers;
    engine_value x = as_floats(layer, call, call->inputs[0].value, &integers);
    int axes[SHAPE_MAX_RANK];
    if (!axes_of(norm, call, x, axes))
        return 0;
    enum engine_norm_kind kind = norm->rms_scaling ? ENGINE_NORM_RMS_SCALED : ENGINE_NORM_LAYER;
    engine_value y = engine_normalize(call->graph, kind, x, axes, norm->n_axes, norm->epsilon);
    y = affine(layer, call, y, axes, norm->n_axes);
    keras_call_return(call, 0, keras_since(layer->writer, KERAS_3, 3, 11) ? truncate(layer, call, y, integers) : y);
    return 0;
}

const struct keras_class keras_class_layer_normalization = {
    .names = (const char *const[]){"LayerNormalization", NULL},
    .family = "Normalisation",
    .doc = "one axis or several, rms_scaling",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = layer_parse,
    .lower = layer_lower,
};

static int rms_parse(struct keras_layer *layer, struct err *err)
{
    if (parse_common(layer, 1e-6))
        keras_declare_weight(layer, "scale", true);
    return 0;
}

static int rms_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct norm *norm = layer->params;
    enum dtype integers = DTYPE_INVALID;
    engine_value x = call->inputs[0].value;
    int axes[SHAPE_MAX_RANK];
    if (keras_since(layer->writer, KERAS_3, 3, 11))
        x = as_floats(layer, call, x, &integers);
    if (!axes_of(norm, call, x, axes))
        return 0;
    engine_value y = engine_normalize(call->graph, ENGINE_NORM_RMS, x, axes, norm->n_axes, norm->epsilon);
    engine_value scale = along_axes(layer, call, "scale", x, axes, norm->n_axes);
    y = engine_binary(call->graph, BINARY_MULTIPLY, y, scale);
    keras_call_return(call, 0, integers == DTYPE_INVALID ? y : engine_cast(call->graph, y, integers));
    return 0;
}

const struct keras_class keras_class_rms_normalization = {
    .names = (const char *const[]){"RMSNormalization", NULL},
    .family = "Normalisation",
    .doc = "one axis or several",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = rms_parse,
    .lower = rms_lower,
};

/* ---- GroupNormalization ---- */

static int group_parse(struct keras_layer *layer, struct err *err)
{
    struct norm *norm = parse_common(layer, 1e-3);
    if (!norm)
        return 0;
    norm->groups = keras_config_int(layer, "groups", 32, -1);
    if (norm->n_axes != 1)
        return keras_config_fail(layer, "config key 'axis': expected one axis");
    declare_affine(layer);
    return 0;
}

/* [N, ..., C] -> [N, ..., groups, C / groups], mean and variance over all axes but batch and groups, and
 * back. */
static engine_value normalize_groups(const struct norm *norm, struct keras_call *call, engine_value x)
{
    struct engine_graph *graph = call->graph;
    int rank = engine_rank(graph, x), axes[SHAPE_MAX_RANK], n_axes = 0;
    int64_t channels = engine_dim(graph, x, -1);
    int64_t groups = norm->groups == -1 ? channels : norm->groups;
    int64_t split[SHAPE_MAX_RANK + 1], joined[SHAPE_MAX_RANK];
    if (channels == SHAPE_UNKNOWN || groups < 1 || channels % groups || rank == SHAPE_MAX_RANK)
        return engine_graph_fail(graph, KD_EFORMAT, "%lld channels can't be split in %lld groups",
                                 (long long)channels, (long long)groups);
    for (int i = 0; i < rank - 1; i++) {
        split[i] = joined[i] = ENGINE_SAME_DIM(i);
        if (i > 0)
            axes[n_axes++] = i;
    }
    split[rank - 1] = groups;
    split[rank] = channels / groups;
    axes[n_axes++] = rank;
    joined[rank - 1] = channels;
    engine_value y = engine_reshape(graph, x, split, rank + 1);
    y = engine_normalize(graph, ENGINE_NORM_LAYER, y, axes, n_axes, norm->epsilon);
    return engine_reshape(graph, y, joined, rank);
}

/* tf.keras's own layer leaves masked numbers out of its sums; a mask [N, T] rarely broadcasts to them. */
static bool masks_moments(const struct keras_layer *layer)
{
    return layer->writer->family == KERAS_TF && !strchr(layer->class_name, '>');
}

static int group_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct norm *norm = layer->params;
    enum dtype integers;
    engine_value x = as_floats(layer, call, call->inputs[0].value, &integers);
    int axes[SHAPE_MAX_RANK];
    bool keras_3 = layer->writer->family == KERAS_3;
    if (integers != DTYPE_INVALID && keras_3 && !keras_since(layer->writer, KERAS_3, 3, 9))
        return err_set(err, KD_EUNSUPPORTED, "of integers, in a file of Keras before 3.9");
    if (call->inputs[0].mask != ENGINE_NONE && masks_moments(layer))
        return err_set(err, KD_EUNSUPPORTED, "with a mask, which tf.keras broadcasts to the whole input");
    if (!axes_of(norm, call, x, axes))
        return 0;
    int last = engine_rank(call->graph, x) - 1;
    engine_value y = normalize_groups(norm, call, keras_move_axis(call, x, axes[0], last));
    y = affine(layer, call, y, &last, 1);
    if (keras_3)
        y = truncate(layer, call, y, integers);
    keras_call_return(call, 0, keras_move_axis(call, y, last, axes[0]));
    return 0;
}

const struct keras_class keras_class_group_normalization = {
    .names = (const char *const[]){"GroupNormalization", NULL},
    .family = "Normalisation",
    .doc = "any axis; Keras's own and that of tensorflow_addons",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .parse = group_parse,
    .lower = group_lower,
};

/* ---- InstanceNormalization ----
 * Never Keras's own. That of tensorflow_addons is a GroupNormalization with one channel per group (and says
 * "groups": -1); that of keras_contrib divides by sqrt(variance) + epsilon, over all axes but the batch's if
 * its axis is null. Any other is somebody's own class. */

static int instance_parse(struct keras_layer *layer, struct err *err)
{
    static const char *const keys[] = {"epsilon", "center", "scale", "gamma_initializer", "beta_initializer"};
    if (keras_config_has(layer, "groups"))
        return group_parse(layer, err);
    for (size_t i = 0; i < KD_COUNT(keys); i++)
        if (!keras_config_has(layer, keys[i]))
            return keras_config_fail(layer,
                                     "not the InstanceNormalization of keras_contrib (no '%s') or of "
                                     "tensorflow_addons (no 'groups'), so a custom class",
                                     keys[i]);
    bool all = !keras_config_has(layer, "axis");
    struct norm *norm = parse_common(layer, 1e-3);
    if (!norm)
        return 0;
    if (all)
        norm->n_axes = 0;
    declare_affine(layer);
    return 0;
}

static engine_value normalize_instances(const struct norm *norm, struct keras_call *call, engine_value x,
                                        int kept)
{
    struct engine_graph *graph = call->graph;
    const struct unary square = {.kind = UNARY_SQUARE}, root = {.kind = UNARY_SQRT};
    int axes[SHAPE_MAX_RANK], n_axes = 0;
    for (int i = 1; i < engine_rank(graph, x); i++)
        if (i != kept)
            axes[n_axes++] = i;
    engine_value mean = engine_reduce(graph, REDUCE_MEAN, x, axes, n_axes, true);
    engine_value centered = engine_binary(graph, BINARY_SUBTRACT, x, mean);
    engine_value variance =
        engine_reduce(graph, REDUCE_MEAN, engine_unary(graph, square, centered), axes, n_axes, true);
    engine_value deviation = engine_binary(graph, BINARY_ADD, engine_unary(graph, root, variance),
                                           keras_scalar(call, x, norm->epsilon));
    return engine_binary(graph, BINARY_DIVIDE, centered, deviation);
}

static int instance_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct norm *norm = layer->params;
    engine_value x = call->inputs[0].value;
    int axes[SHAPE_MAX_RANK] = {-1};
    if (norm->groups)
        return group_lower(layer, call, err);
    if (!axes_of(norm, call, x, axes))
        return 0;
    engine_value y = normalize_instances(norm, call, x, axes[0]);
    if (norm->n_axes) {
        keras_call_return(call, 0, affine(layer, call, y, axes, 1));
        return 0;
    }
    engine_value gamma = keras_weight(layer, call, "gamma", 1, (int64_t)1);
    engine_value beta = keras_weight(layer, call, "beta", 1, (int64_t)1);
    if (gamma != ENGINE_NONE)
        y = engine_binary(call->graph, BINARY_MULTIPLY, y, gamma);
    if (beta != ENGINE_NONE)
        y = engine_binary(call->graph, BINARY_ADD, y, beta);
    keras_call_return(call, 0, y);
    return 0;
}

const struct keras_class keras_class_instance_normalization = {
    .names = (const char *const[]){"InstanceNormalization", NULL},
    .family = "Normalisation",
    .doc = "those of tensorflow_addons and of keras_contrib",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .needs_floats = true,
    .parse = instance_parse,
    .lower = instance_lower,
};

/* ---- UnitNormalization ---- */

static int unit_parse(struct keras_layer *layer, struct err *err)
{
    parse_common(layer, 0);
    return 0;
}

/* x / |x|. Below 1e-12 the generations bound different things: the sum of squares, or the inverse of its
 * root. */
static int unit_lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    const struct norm *norm = layer->params;
    struct engine_graph *graph = call->graph;
    engine_value x = call->inputs[0].value;
    const struct unary square = {.kind = UNARY_SQUARE}, rsqrt = {.kind = UNARY_RSQRT};
    bool keras_3 = layer->writer->family == KERAS_3 && layer->writer->minor >= 6;
    int axes[SHAPE_MAX_RANK];
    if (!axes_of(norm, call, x, axes))
        return 0;
    engine_value sum =
        engine_reduce(graph, REDUCE_SUM, engine_unary(graph, square, x), axes, norm->n_axes, true);
    if (!keras_3)
        sum = engine_binary(graph, BINARY_MAXIMUM, sum, keras_scalar(call, x, 1e-12));
    engine_value factor = engine_unary(graph, rsqrt, sum);
    if (keras_3)
        factor = engine_binary(graph, BINARY_MINIMUM, factor, keras_scalar(call, x, 1e12));
    keras_rule(call->build, "UnitNormalization of tiny vectors: %s",
               keras_3 ? "1 / |x| is at most 1e12, as Keras 3.6 has it"
                       : "|x|^2 is at least 1e-12, as it was before Keras 3.6");
    keras_call_return(call, 0, engine_binary(graph, BINARY_MULTIPLY, x, factor));
    return 0;
}

const struct keras_class keras_class_unit_normalization = {
    .names = (const char *const[]){"UnitNormalization", NULL},
    .family = "Normalisation",
    .doc = "one axis or several",
    .support = KERAS_SERVED,
    .mask = KERAS_MASK_PASS,
    .needs_floats = true,
    .parse = unit_parse,
    .lower = unit_lower,
};
