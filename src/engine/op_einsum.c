/* einsum: no op of its own, but a lowering to transposes, reshapes and one product.
 *
 * Letters fall into four groups: batch (in both operands and the result), contracted (in both operands
 * only), and those of one operand alone. x becomes [batch..., own, contracted], y [batch..., contracted,
 * own] (or transposed, as is cheaper), their matmul [batch..., own x, own y]; each group is split into its
 * letters again and the axes put in order. If one operand is a constant and no letter is batch, it is a
 * dense with the constant packed. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "engine/op.h"

#define MAX_LETTERS SHAPE_MAX_RANK
#define ELLIPSIS    256 /* axis k from the end of an ellipsis is letter ELLIPSIS + k */

struct letters {
    int n;
    int at[MAX_LETTERS];
};

struct einsum {
    struct engine_graph *graph;
    const char *equation;
    struct letters x, y, out;
};

static int find_letter(const struct letters *letters, int letter)
{
    for (int i = 0; i < letters->n; i++)
        if (letters->at[i] == letter)
            return i;
    return -1;
}

static void append(struct letters *letters, int letter)
{
    if (letters->n < MAX_LETTERS)
        letters->at[letters->n++] = letter;
}

/* ---- the equation ---- */

static engine_value bad_equation(const struct einsum *einsum, const char *what)
{
    return engine_graph_fail(einsum->graph, KD_EINVAL, "einsum '%s': %s", einsum->equation, what);
}

/* One term, up to ',' or '-' or the end. n_ellipsis: axes that "..." stands for. False if malformed. */
static bool parse_term(const char **text, int n_ellipsis, struct letters *ret)
{
    ret->n = 0;
    for (; **text && **text != ',' && **text != '-'; ++*text) {
        if (**text == ' ')
            continue;
        if (strncmp(*text, "...", 3) == 0) {
            for (int k = n_ellipsis - 1; k >= 0; k--)
                append(ret, ELLIPSIS + k);
            *text += 2;
            n_ellipsis = 0;
            continue;
        }
        if (!isalpha((unsigned char)**text) || find_letter(ret, **text) >= 0 || ret->n == MAX_LETTERS)
            return false;
        append(ret, **text);
    }
    return true;
}

/* The axes behind an operand's "...": its rank less the letters written out. -1 if there are more letters
 * than axes. */
static int ellipsis_axes(const char *term, int rank)
{
    int letters = 0;
    bool ellipsis = false;
    for (; *term && *term != ',' && *term != '-'; term++) {
        letters += isalpha((unsigned char)*term) != 0;
        ellipsis |= *term == '.';
    }
    return ellipsis ? rank - letters : letters == rank ? 0 : -1;
}

static bool parse_equation(struct einsum *einsum, engine_value x, engine_value y)
{
    const char *text = einsum->equation;
    int x_axes = ellipsis_axes(text, engine_rank(einsum->graph, x)), y_axes = 0;
    if (x_axes < 0 || !parse_term(&text, x_axes, &einsum->x))
        return false;
    if ((*text == ',') != (y != ENGINE_NONE))
        return false;
    if (*text == ',') {
        text++;
        y_axes = ellipsis_axes(text, engine_rank(einsum->graph, y));
        if (y_axes < 0 || !parse_term(&text, y_axes, &einsum->y))
            return false;
    }
    if (strncmp(text, "->", 2) != 0)
        return false;
    text += 2;
    if (!parse_term(&text, x_axes > y_axes ? x_axes : y_axes, &einsum->out) || *text)
        return false;
    for (int i = 0; i < einsum->out.n; i++)
        if (find_letter(&einsum->x, einsum->out.at[i]) < 0 && find_letter(&einsum->y, einsum->out.at[i]) < 0)
            return false;
    return true;
}

/* ---- helpers on values ---- */

/* Axes in the order of `wanted`, which has the same letters. */
static engine_value arrange(const struct einsum *einsum, engine_value x, const struct letters *have,
                            const struct letters *wanted)
{
    int permutation[MAX_LETTERS];
    for (int i = 0; i < wanted->n; i++)
        permutation[i] = find_letter(have, wanted->at[i]);
    return engine_transpose(einsum->graph, x, permutation);
}

/* Sums away the letters that nobody else has. */
static engine_value sum_private(const struct einsum *einsum, engine_value x, struct letters *letters,
                                const struct letters *other)
{
    int axes[MAX_LETTERS], n = 0;
    struct letters kept = {0};
    for (int i = 0; i < letters->n; i++)
        if (find_letter(&einsum->out, letters->at[i]) < 0 &&
            (!other || find_letter(other, letters->at[i]) < 0))
            axes[n++] = i;
        else
            append(&kept, letters->at[i]);
    *letters = kept;
    return n ? engine_reduce(einsum->graph, REDUCE_SUM, x, axes, n, false) : x;
}

/* A size as a vector of one element, for shapes that are put together per request. */
static engine_value size_vector(struct engine_graph *graph, engine_value x, int axis)
{
    return engine_slice(graph, engine_shape_of(graph, x), 0, axis, axis + 1, 1);
}

/* An axis list to reshape to: each entry is a product of axes of values. */
struct target {
    int n;
    int64_t spec[SHAPE_MAX_RANK];         /* the size, or SHAPE_UNKNOWN */
    engine_value dynamic[SHAPE_MAX_RANK]; /* int64 [1], where unknown */
};

static void target_add(struct engine_graph *graph, struct target *target, engine_value x, int from, int to)
{
    struct shape part = {0};
    engine_value dynamic = ENGINE_NONE;
    for (int i = from; i < to; i++)
        part.dim[part.rank++] = engine_dim(graph, x, i);
    int64_t size;
    if (!shape_elements(&part, &size)) {
        size = SHAPE_UNKNOWN;
        for (int i = from; i < to; i++) {
            engine_value one = size_vector(graph, x, i);
            dynamic = dynamic == ENGINE_NONE ? one : engine_binary(graph, BINARY_MULTIPLY, dynamic, one);
        }
    }
    if (target->n == SHAPE_MAX_RANK) {
        engine_graph_fail(graph, KD_EUNSUPPORTED, "einsum: more than %d axes", SHAPE_MAX_RANK);
        return;
    }
    target->spec[target->n] = size;
    target->dynamic[target->n++] = dynamic;
}

/* With at most one size open a plain reshape does; else the sizes are put together per request. */
static engine_value reshape_target(struct engine_graph *graph, engine_value x, const struct target *target)
{
    int n_open = 0;
    int64_t spec[SHAPE_MAX_RANK];
    engine_value sizes[SHAPE_MAX_RANK];
    struct shape one = shape_of(1, 1);
    for (int i = 0; i < target->n; i++) {
        bool open = target->spec[i] == SHAPE_UNKNOWN;
        n_open += open;
        spec[i] = open ? ENGINE_INFER : target->spec[i];
    }
    if (n_open <= 1)
        return engine_reshape(graph, x, spec, target->n);
    for (int i = 0; i < target->n; i++)
        sizes[i] = target->spec[i] == SHAPE_UNKNOWN
                       ? target->dynamic[i]
                       : engine_constant_copy(graph, DTYPE_INT64, &one, &target->spec[i]);
    return engine_reshape_to(graph, x, engine_concat(graph, sizes, target->n, 0));
}

/* ---- the product ---- */

struct groups {
    struct letters batch, contracted, x_own, y_own;
};

static void find_groups(const struct einsum *einsum, struct groups *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < einsum->out.n; i++) {
        int letter = einsum->out.at[i];
        bool in_x = find_letter(&einsum->x, letter) >= 0, in_y = find_letter(&einsum->y, letter) >= 0;
        append(in_x && in_y ? &ret->batch : in_x ? &ret->x_own : &ret->y_own, letter);
    }
    for (int i = 0; i < einsum->x.n; i++)
        if (find_letter(&einsum->out, einsum->x.at[i]) < 0)
            append(&ret->contracted, einsum->x.at[i]);
}

static void append_all(struct letters *to, const struct letters *from)
{
    for (int i = 0; i < from->n; i++)
        append(to, from->at[i]);
}

/* The operand as [batch..., first, second], each group one axis. */
static engine_value matrix(const struct einsum *einsum, engine_value x, const struct letters *have,
                           const struct groups *groups, const struct letters *first,
                           const struct letters *second)
{
    struct letters order = groups->batch;
    append_all(&order, first);
    append_all(&order, second);
    x = arrange(einsum, x, have, &order);
    struct target target = {0};
    int batch = groups->batch.n, middle = batch + first->n;
    for (int i = 0; i < batch; i++)
        target_add(einsum->graph, &target, x, i, i + 1);
    target_add(einsum->graph, &target, x, batch, middle);
    target_add(einsum->graph, &target, x, middle, order.n);
    return first->n == 1 && second->n == 1 ? x : reshape_target(einsum->graph, x, &target);
}

static bool ends_in(const struct letters *letters, const struct letters *group)
{
    return letters->n && find_letter(group, letters->at[letters->n - 1]) >= 0;
}

/* [batch..., own x, own y] split into letters. The sizes come from the operands. */
static engine_value split(const struct einsum *einsum, engine_value product, const struct groups *groups,
                          engine_value x, engine_value y)
{
    struct letters order = groups->batch;
    struct target target = {0};
    append_all(&order, &groups->x_own);
    append_all(&order, &groups->y_own);
    for (int i = 0; i < order.n; i++) {
        int axis = find_letter(&einsum->x, order.at[i]);
        bool one = axis >= 0 && engine_dim(einsum->graph, x, axis) == 1 && i < groups->batch.n;
        if (axis < 0 || one)
            target_add(einsum->graph, &target, y, find_letter(&einsum->y, order.at[i]),
                       find_letter(&einsum->y, order.at[i]) + 1);
        else
            target_add(einsum->graph, &target, x, axis, axis + 1);
    }
    if (groups->x_own.n != 1 || groups->y_own.n != 1)
        product = reshape_target(einsum->graph, product, &target);
    return arrange(einsum, product, &order, &einsum->out);
}

static engine_value by_matmul(const struct einsum *einsum, engine_value x, engine_value y,
                              const struct groups *groups)
{
    bool transpose_x = !ends_in(&einsum->x, &groups->contracted) && groups->contracted.n && groups->x_own.n;
    bool transpose_y = ends_in(&einsum->y, &groups->contracted);
    const struct letters *k = &groups->contracted, *m = &groups->x_own, *n = &groups->y_own;
    engine_value a = matrix(einsum, x, &einsum->x, groups, transpose_x ? k : m, transpose_x ? m : k);
    engine_value b = matrix(einsum, y, &einsum->y, groups, transpose_y ? n : k, transpose_y ? k : n);
    return split(einsum, engine_matmul(einsum->graph, a, b, transpose_x, transpose_y), groups, x, y);
}

/* y is a constant and there are no batch letters: x [own..., contracted] through a dense. */
static engine_value by_dense(const struct einsum *einsum, engine_value x, engine_value y,
                             const struct groups *groups)
{
    struct engine_graph *graph = einsum->graph;
    struct letters x_order = groups->x_own, out_order = groups->x_own, none = {0};
    struct groups plain = *groups;
    append_all(&x_order, &groups->contracted);
    append_all(&out_order, &groups->y_own);
    plain.batch = none;
    engine_value kernel = matrix(einsum, y, &einsum->y, &plain, &groups->contracted, &groups->y_own);
    x = arrange(einsum, x, &einsum->x, &x_order);
    int own = groups->x_own.n;
    int64_t spec[SHAPE_MAX_RANK];
    for (int i = 0; i < own; i++)
        spec[i] = ENGINE_SAME_DIM(i);
    if (groups->contracted.n != 1) {
        spec[own] = engine_dim(graph, kernel, 0);
        x = engine_reshape(graph, x, spec, own + 1);
    }
    x = engine_dense(graph, x, kernel, ENGINE_NONE);
    for (int i = 0; i < groups->y_own.n && own + i < SHAPE_MAX_RANK; i++)
        spec[own + i] = engine_dim(graph, y, find_letter(&einsum->y, groups->y_own.at[i]));
    if (groups->y_own.n != 1)
        x = engine_reshape(graph, x, spec, own + groups->y_own.n);
    return arrange(einsum, x, &out_order, &einsum->out);
}

static engine_value multiply(struct einsum *einsum, engine_value x, engine_value y)
{
    struct groups groups;
    struct engine_graph *graph = einsum->graph;
    x = sum_private(einsum, x, &einsum->x, &einsum->y);
    y = sum_private(einsum, y, &einsum->y, &einsum->x);
    bool constant_x = engine_constant_of(graph, x) != NULL, constant_y = engine_constant_of(graph, y) != NULL;
    find_groups(einsum, &groups);
    bool dense = !groups.batch.n && groups.contracted.n && constant_x != constant_y;
    bool out_ends_in_x = ends_in(&einsum->out, &groups.x_own);
    if (dense ? constant_x : out_ends_in_x) { /* the product is symmetric: swap */
        struct letters letters = einsum->x;
        engine_value value = x;
        einsum->x = einsum->y;
        einsum->y = letters;
        x = y;
        y = value;
        find_groups(einsum, &groups);
    }
    return dense ? by_dense(einsum, x, y, &groups) : by_matmul(einsum, x, y, &groups);
}

engine_value engine_einsum(struct engine_graph *graph, const char *equation, engine_value x, engine_value y)
{
    struct einsum einsum = {.graph = graph, .equation = equation};
    if (graph_failed(graph) || x == ENGINE_NONE)
        return engine_graph_fail(graph, KD_EINTERNAL, "einsum: an operand is missing");
    if (!parse_equation(&einsum, x, y))
        return bad_equation(&einsum, "not of the supported form, or it does not fit the operands' axes");
    if (!dtype_is_float(engine_dtype(graph, x)) ||
        (y != ENGINE_NONE && !dtype_is_float(engine_dtype(graph, y))))
        return bad_equation(&einsum, "operands must be floats");
    if (y != ENGINE_NONE)
        return multiply(&einsum, x, y);
    x = sum_private(&einsum, x, &einsum.x, NULL);
    return arrange(&einsum, x, &einsum.x, &einsum.out);
}
