/* Call: what happens around lower().
 *
 * Before it, by the rules of all layers alike: float inputs are cast to the layer's compute dtype, an
 * explicit `mask` argument replaces the masks that travel with the tensors, and training=true is refused
 * where it would change the numbers. After it: the graph's error is given the layer's name, and masks follow
 * the class's rule. */
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "base/str.h"
#include "keras/build.h"
#include "keras/lambda.h"

/* The first parameter's name in the call() of Keras's layers. */
static const char *const first_names[] = {"inputs", "query", "sequence", "sequences",
                                          "x",      "input", "images",   "data"};

const struct keras_arg *keras_call_arg(const struct keras_call *call, const char *name, size_t position)
{
    for (size_t i = 0; i < call->n_kwargs; i++)
        if (strcmp(call->kwarg_names[i], name) == 0)
            return &call->kwargs[i];
    return position < call->n_args ? &call->args[position] : NULL;
}

struct keras_tensor keras_call_tensor(const struct keras_call *call, const char *name, size_t position)
{
    const struct keras_arg *arg = keras_call_arg(call, name, position);
    struct keras_tensor none = {ENGINE_NONE, ENGINE_NONE};
    if (!arg || arg->kind == KERAS_ARG_NONE)
        return none;
    if (arg->kind == KERAS_ARG_TENSOR)
        return arg->tensor;
    engine_graph_fail(call->graph, KD_EUNSUPPORTED, "argument '%s': expected a tensor", name);
    return none;
}

static const struct keras_arg *first_argument(const struct keras_call *call)
{
    if (call->n_args)
        return &call->args[0];
    for (size_t i = 0; i < sizeof(first_names) / sizeof(first_names[0]); i++) {
        const struct keras_arg *arg = keras_call_arg(call, first_names[i], SIZE_MAX);
        if (arg)
            return arg;
    }
    return NULL;
}

static size_t count_tensors(const struct keras_arg *arg)
{
    size_t n = arg->kind == KERAS_ARG_TENSOR;
    for (size_t i = 0; i < arg->n_items; i++)
        n += count_tensors(&arg->items[i]);
    return n;
}

static void gather_tensors(const struct keras_arg *arg, struct keras_tensor *ret, size_t *n)
{
    if (arg->kind == KERAS_ARG_TENSOR)
        ret[(*n)++] = arg->tensor;
    for (size_t i = 0; i < arg->n_items; i++)
        gather_tensors(&arg->items[i], ret, n);
}

int keras_call_flatten(struct keras_call *call, struct err *err)
{
    const struct keras_arg *first = first_argument(call);
    if (!first)
        return 0;
    struct keras_tensor *inputs =
        arena_calloc(call->build->scratch, count_tensors(first) + 1, sizeof(*inputs));
    if (!inputs)
        return err_set(err, KD_ENOMEM, "out of memory");
    gather_tensors(first, inputs, &call->n_inputs);
    call->inputs = inputs;
    call->input_is_list = first->kind == KERAS_ARG_LIST;
    return 0;
}

static bool is_float_value(const struct keras_call *call, engine_value x)
{
    return x != ENGINE_NONE && dtype_is_float(engine_dtype(call->graph, x));
}

engine_value keras_autocast(const struct keras_layer *layer, struct keras_call *call, engine_value x)
{
    bool cast = keras_has_policies(layer->writer) && is_float_value(call, x);
    return cast && dtype_is_float(layer->compute_dtype) ? engine_cast(call->graph, x, layer->compute_dtype) : x;
}

static bool casts_inputs(const struct keras_layer *layer)
{
    return !layer->class->operation && !layer->class->keeps_inputs && !layer->state->is_model;
}

/* The same for the first argument, where a layer may compute in floats whatever comes. */
static engine_value cast_input(const struct keras_layer *layer, struct keras_call *call, engine_value x)
{
    bool other = x != ENGINE_NONE && engine_dtype(call->graph, x) != DTYPE_STRING && !is_float_value(call, x);
    if (other && layer->class->needs_floats && dtype_is_float(layer->compute_dtype))
        return engine_cast(call->graph, x, layer->compute_dtype);
    return keras_autocast(layer, call, x);
}

/* Copies argument trees with their float tensors cast. Depth is that of the JSON they were read from. */
static const struct keras_arg *cast_args(const struct keras_layer *layer, struct keras_call *call,
                                         const struct keras_arg *from, size_t n)
{
    struct keras_arg *to = arena_memdup(call->build->scratch, from, n * sizeof(*to));
    for (size_t i = 0; to && i < n; i++) {
        if (to[i].kind == KERAS_ARG_TENSOR)
            to[i].tensor.value = keras_autocast(layer, call, to[i].tensor.value);
        else if (to[i].n_items)
            to[i].items = cast_args(layer, call, to[i].items, to[i].n_items);
        if (to[i].n_items && !to[i].items)
            return NULL;
    }
    return to;
}

/* Keras 2 casts the first argument, Keras 3 all of them. Inputs and arguments are copied before they change:
 * they may be another layer's outputs. */
static int cast_inputs(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct keras_tensor *inputs =
        arena_memdup(call->build->scratch, call->inputs, call->n_inputs * sizeof(*inputs));
    bool all = layer->writer->family == KERAS_3;
    for (size_t i = 0; inputs && i < call->n_inputs; i++)
        inputs[i].value = cast_input(layer, call, inputs[i].value);
    call->inputs = inputs;
    if (all) {
        call->args = cast_args(layer, call, call->args, call->n_args);
        call->kwargs = cast_args(layer, call, call->kwargs, call->n_kwargs);
    }
    return inputs && (!all || (call->args && call->kwargs)) ? 0 : err_set(err, KD_ENOMEM, "out of memory");
}

/* ---- names of the arguments ---- */

/* The word at this place of the list, or "" behind its end. */
static struct str_view parameter(const struct keras_layer *layer, size_t place)
{
    const char *list = layer->class->call ? layer->class->call : "mask training";
    for (; place > 0 && *list; place--) {
        list += strcspn(list, " ");
        list += strspn(list, " ");
    }
    return (struct str_view){list, strcspn(list, " ")};
}

static bool has_parameter(const struct keras_layer *layer, const char *name)
{
    for (size_t i = 0; parameter(layer, i).length; i++)
        if (str_view_equal(parameter(layer, i), name))
            return true;
    for (size_t i = 0; i < KD_COUNT(first_names); i++)
        if (strcmp(name, first_names[i]) == 0)
            return true;
    return strcmp(name, "mask") == 0 || strcmp(name, "training") == 0;
}

/* What a call says beyond the parameters of the layer is a subclass's own, and would be lost. */
static int check_names(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    for (size_t i = 0; i < call->n_kwargs; i++)
        if (call->kwargs[i].kind != KERAS_ARG_NONE && !has_parameter(layer, call->kwarg_names[i]))
            return err_set(err, KD_EUNSUPPORTED, "called with the argument '%.60s', which is not known",
                           call->kwarg_names[i]);
    return 0;
}

/* Positional arguments get their names, so that lower() and the masks find them by name alone. */
static int name_arguments(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    size_t n_named = call->n_args > 1 ? call->n_args - 1 : 0, n = n_named + call->n_kwargs;
    if (layer->class == &keras_class_sidecar) /* its expression names them */
        return 0;
    if (n_named == 0)
        return check_names(layer, call, err);
    struct keras_arg *values = arena_calloc(call->build->scratch, n, sizeof(*values));
    const char **names = arena_calloc(call->build->scratch, n, sizeof(*names));
    if (!values || !names)
        return err_set(err, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct str_view name = parameter(layer, i);
        if (i < n_named && name.length == 0)
            return err_set(err, KD_EUNSUPPORTED, "called with %zu arguments, expected at most %zu",
                           call->n_args, i + 1);
        values[i] = i < n_named ? call->args[i + 1] : call->kwargs[i - n_named];
        names[i] = i < n_named ? arena_strndup(call->build->scratch, name.data, name.length)
                               : call->kwarg_names[i - n_named];
        if (!names[i])
            return err_set(err, KD_ENOMEM, "out of memory");
    }
    call->n_args = 1;
    call->n_kwargs = n;
    call->kwargs = values;
    call->kwarg_names = names;
    return check_names(layer, call, err);
}

/* ---- masks ---- */

static engine_value mask_of(const struct keras_arg *arg)
{
    return arg->kind == KERAS_ARG_TENSOR ? arg->tensor.value : ENGINE_NONE;
}

static bool has_tensor(const struct keras_arg *arg)
{
    if (arg->kind == KERAS_ARG_TENSOR)
        return true;
    for (size_t i = 0; i < arg->n_items; i++)
        if (has_tensor(&arg->items[i]))
            return true;
    return false;
}

/* Keras 3 hands travelling masks only to a call with one tensor argument (or to a parameter named after the
 * argument, which the attention layers have): an LSTM with initial states sees none. */
static bool gets_no_masks(const struct keras_layer *layer, const struct keras_call *call)
{
    size_t n = 0;
    for (size_t i = 0; i < call->n_args; i++)
        n += has_tensor(&call->args[i]);
    for (size_t i = 0; i < call->n_kwargs; i++)
        n += has_tensor(&call->kwargs[i]);
    return n > 1 && layer->writer->family == KERAS_3 && strcmp(layer->class->family, "Attention") != 0;
}

/* The `mask` argument if it says something. Keras 3 writes null for "none arrived here", and fills it in
 * again. */
static const struct keras_arg *mask_argument(const struct keras_layer *layer, const struct keras_call *call)
{
    const struct keras_arg *mask = keras_call_arg(call, "mask", SIZE_MAX);
    return mask && layer->writer->family == KERAS_3 && !has_tensor(mask) ? NULL : mask;
}

/* mask=KT, mask=null, or a list with one entry per input. */
static void explicit_masks(const struct keras_layer *layer, struct keras_call *call)
{
    const struct keras_arg *mask = mask_argument(layer, call);
    struct keras_tensor *inputs = arena_memdup(call->build->scratch, call->inputs,
                                               call->n_inputs * sizeof(*inputs));
    if (!inputs)
        return;
    for (size_t i = 0; i < call->n_inputs; i++) {
        if (mask && mask->kind == KERAS_ARG_LIST && i < mask->n_items)
            inputs[i].mask = mask_of(&mask->items[i]);
        else if (mask && mask->kind != KERAS_ARG_LIST && i == 0)
            inputs[i].mask = mask_of(mask);
        else if ((mask && mask->kind == KERAS_ARG_NONE) || (!mask && gets_no_masks(layer, call)))
            inputs[i].mask = ENGINE_NONE;
    }
    call->inputs = inputs;
}

static int set_training(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct keras_build *build = call->build;
    const struct keras_arg *training = keras_call_arg(call, "training", SIZE_MAX);
    call->training = build->training;
    if (training && (training->kind == KERAS_ARG_BOOL || training->kind == KERAS_ARG_INT))
        call->training = training->integer != 0;
    /* Keras 3's predict() puts its own training=False over what a node says (and its Random layers always say
     * True). */
    if (layer->writer->family == KERAS_3)
        call->training = false;
    if (!call->training || !layer->training_matters)
        return 0;
    if (!build->options->ignore_training_true)
        return err_set(err, KD_EUNSUPPORTED,
                       "called with training=True, so its output is random or depends on the "
                       "whole batch; set ignore_training_true to serve it as in inference");
    keras_warn(build, layer, "called with training=True, served as in inference");
    call->training = false;
    return 0;
}

static void pass_through(struct keras_call *call)
{
    for (size_t i = 0; i < call->n_inputs && i < KERAS_MAX_OUTPUTS; i++)
        keras_call_return(call, i, call->inputs[i].value);
}

static int lower(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    struct keras_build *build = call->build;
    bool outer_training = build->training;
    int rc = 0;
    engine_graph_scope(call->graph, layer->path);
    if (layer->state->is_model)
        build->training = call->training;
    if (layer->class->lower)
        rc = layer->class->lower(layer, call, err);
    else
        pass_through(call);
    build->training = outer_training;
    const struct err *graph_error = engine_graph_error(call->graph);
    if (rc == 0 && graph_error)
        rc = err_set(err, graph_error->code, "%s", graph_error->text);
    return rc;
}

static int check_outputs(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    for (size_t i = 0; i < call->n_outputs; i++) {
        if (call->outputs[i].value == ENGINE_NONE)
            return err_set(err, KD_EINTERNAL, "gave no output %zu", i);
        if (layer->class->mask == KERAS_MASK_DROP)
            call->outputs[i].mask = ENGINE_NONE;
    }
    if (layer->state->n_calls++ == 0)
        layer->state->output_shape = *engine_shape(call->graph, call->outputs[0].value);
    return 0;
}

int keras_layer_call(const struct keras_layer *layer, struct keras_call *call, struct err *err)
{
    call->n_outputs = 1;
    for (size_t i = 0; i < KERAS_MAX_OUTPUTS; i++)
        call->outputs[i] = (struct keras_tensor){ENGINE_NONE, ENGINE_NONE};
    call->layer = layer;
    int rc = 0;
    if (++call->build->n_calls > KERAS_MAX_CALLS)
        rc = err_set(err, KD_ETOOBIG, "more than %d calls of layers", KERAS_MAX_CALLS);
    else if (call->n_inputs == 0 && !layer->class->operation)
        rc = err_set(err, KD_EUNSUPPORTED, "called without a tensor");
    if (rc == 0 && !layer->class->operation)
        rc = name_arguments(layer, call, err);
    if (rc == 0)
        rc = set_training(layer, call, err);
    if (rc == 0)
        rc = casts_inputs(layer) ? cast_inputs(layer, call, err) : 0;
    if (rc == 0) {
        explicit_masks(layer, call);
        rc = lower(layer, call, err);
    }
    if (rc == 0)
        rc = check_outputs(layer, call, err);
    return rc == 0 ? 0 : keras_layer_wrap(layer, err);
}

int keras_call_child(const struct keras_layer *child, struct keras_call *call,
                     const struct keras_tensor *inputs, size_t n_inputs, struct keras_tensor *outputs,
                     size_t *ret_n_outputs, struct err *err)
{
    struct keras_call inner = {.build = call->build,
                               .graph = call->graph,
                               .n_inputs = n_inputs,
                               .inputs = inputs,
                               .input_is_list = n_inputs > 1,
                               .outputs = outputs};
    struct keras_arg *args = arena_calloc(call->build->scratch, n_inputs + 1, sizeof(*args));
    bool outer_training = call->build->training;
    if (!args)
        return err_set(err, KD_ENOMEM, "out of memory");
    for (size_t i = 0; i < n_inputs; i++)
        args[i + 1] = (struct keras_arg){.kind = KERAS_ARG_TENSOR, .tensor = inputs[i]};
    args[0] = (struct keras_arg){.kind = KERAS_ARG_LIST, .n_items = n_inputs, .items = args + 1};
    inner.args = n_inputs == 1 ? args + 1 : args;
    inner.n_args = 1;
    call->build->training = call->training;
    int rc = keras_layer_call(child, &inner, err);
    call->build->training = outer_training;
    engine_graph_scope(call->graph, call->layer->path);
    if (rc == 0)
        *ret_n_outputs = inner.n_outputs;
    return rc;
}

void keras_call_return_masked(struct keras_call *call, size_t i, engine_value value, engine_value mask)
{
    if (i >= KERAS_MAX_OUTPUTS)
        return;
    call->outputs[i] = (struct keras_tensor){value, mask};
    if (i + 1 > call->n_outputs)
        call->n_outputs = i + 1;
}

void keras_call_return(struct keras_call *call, size_t i, engine_value value)
{
    bool pass = call->layer->class->mask == KERAS_MASK_PASS && call->n_inputs > 0;
    keras_call_return_masked(call, i, value, pass ? call->inputs[0].mask : ENGINE_NONE);
}

bool keras_expect_rank(struct keras_call *call, engine_value x, int rank)
{
    char text[SHAPE_TEXT_MAX];
    if (x == ENGINE_NONE)
        return false;
    if (engine_rank(call->graph, x) == rank)
        return true;
    engine_graph_fail(call->graph, KD_EFORMAT, "the input has the shape %s, expected %d axes",
                      shape_text(engine_shape(call->graph, x), text, sizeof(text)), rank);
    return false;
}

engine_value keras_move_axis(struct keras_call *call, engine_value x, int from, int to)
{
    int permutation[SHAPE_MAX_RANK], n = 0;
    if (x == ENGINE_NONE || from == to)
        return x;
    int rank = engine_rank(call->graph, x);
    for (int i = 0; i < rank; i++)
        if (i != from)
            permutation[n++] = i;
    memmove(permutation + to + 1, permutation + to, (size_t)(rank - 1 - to) * sizeof(permutation[0]));
    permutation[to] = from;
    return engine_transpose(call->graph, x, permutation);
}

engine_value keras_to_channels_last(struct keras_call *call, engine_value x)
{
    int rank = x == ENGINE_NONE ? 0 : engine_rank(call->graph, x);
    return rank < 3 ? x : keras_move_axis(call, x, 1, rank - 1);
}

engine_value keras_to_channels_first(struct keras_call *call, engine_value x)
{
    int rank = x == ENGINE_NONE ? 0 : engine_rank(call->graph, x);
    return rank < 3 ? x : keras_move_axis(call, x, rank - 1, 1);
}
