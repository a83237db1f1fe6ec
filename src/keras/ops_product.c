/* Products between layers: matmul, dot, tensordot, einsum.
 *
 * All but matmul are brought to an explicit einsum of two operands. An equation without an arrow gets NumPy's
 * implicit output (letters that occur once, in alphabetical order); one of three or more operands is taken
 * pair by pair, each intermediate result keeping the letters that are still needed. */
#include "keras/ops_math.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"

#define MAX_OPERANDS (OPS_MAX_PARAMS - 1)
#define MAX_EQUATION 128

/* Products are those of floats; integers are exact in them up to 2^24. */
static engine_value einsum(struct ops_call *op, const char *equation, engine_value x, engine_value y)
{
    enum dtype dtype = x == ENGINE_NONE ? DTYPE_INVALID : engine_dtype(op->graph, x);
    bool is_float = x == ENGINE_NONE || dtype_is_float(dtype);
    y = y == ENGINE_NONE ? y : ops_to_float(op->graph, y);
    engine_value z = engine_einsum(op->graph, equation, ops_to_float(op->graph, x), y);
    return is_float ? z : engine_cast(op->graph, z, dtype);
}

/* ---- matmul ---- */

engine_value ops_matmul(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    bool transpose_x = ops_bool(op, 2, false) || ops_bool(op, 4, false);
    bool transpose_y = ops_bool(op, 3, false) || ops_bool(op, 5, false);
    bool is_kernel = engine_rank(op->graph, y) == 2 && engine_constant_of(op->graph, y) && !transpose_x &&
                     !transpose_y && dtype_is_float(engine_dtype(op->graph, y)) &&
                     engine_rank(op->graph, x) >= 2;
    if (is_kernel)
        return engine_dense(op->graph, x, y, ENGINE_NONE);
    enum dtype dtype = engine_dtype(op->graph, x);
    x = ops_to_float(op->graph, x);
    y = ops_to_float(op->graph, y);
    return engine_cast(op->graph, engine_matmul(op->graph, x, y, transpose_x, transpose_y), dtype);
}

engine_value ops_matvec(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    y = engine_expand_dims(op->graph, y, engine_rank(op->graph, y));
    y = engine_matmul(op->graph, x, y, false, false);
    return engine_squeeze(op->graph, y, (int[]){engine_rank(op->graph, y) - 1}, 1);
}

/* ---- by axes ---- */

/* Contracts axes of x with axes of y; batch: axis 0 of both is one. Free axes keep their order. */
static engine_value contract(struct ops_call *op, engine_value x, engine_value y, const int *x_axes,
                             const int *y_axes, int n, bool batch)
{
    char left[SHAPE_MAX_RANK + 1] = "", right[SHAPE_MAX_RANK + 1] = "", out[2 * SHAPE_MAX_RANK + 1] = "";
    int x_rank = engine_rank(op->graph, x), y_rank = engine_rank(op->graph, y), n_out = 0;
    char letter = 'a';
    for (int i = 0; i < x_rank; i++)
        left[i] = letter++;
    for (int i = 0; i < y_rank; i++)
        right[i] = batch && i == 0 ? left[0] : letter++;
    for (int i = 0; i < n; i++)
        right[y_axes[i]] = left[x_axes[i]];
    for (int i = 0; i < x_rank; i++)
        if ((batch && i == 0) || !memchr(right, left[i], (size_t)y_rank))
            out[n_out++] = left[i];
    for (int i = 0; i < y_rank; i++)
        if (!memchr(left, right[i], (size_t)x_rank))
            out[n_out++] = right[i];
    if (n_out > SHAPE_MAX_RANK)
        return ops_fail(op, "the result has more than %d axes", SHAPE_MAX_RANK);
    char equation[MAX_EQUATION];
    snprintf(equation, sizeof(equation), "%s,%s->%s", left, right, out);
    return einsum(op, equation, x, y);
}

/* NumPy's dot: the last axis of x with the last but one of y. */
engine_value ops_dot(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    int x_rank = engine_rank(op->graph, x), y_rank = engine_rank(op->graph, y);
    if (x_rank == 0 || y_rank == 0)
        return engine_binary(op->graph, BINARY_MULTIPLY, x, y);
    int x_axis = x_rank - 1, y_axis = y_rank == 1 ? 0 : y_rank - 2;
    if (y_rank == 2 && x_rank >= 2 && engine_constant_of(op->graph, y) &&
        dtype_is_float(engine_dtype(op->graph, y)))
        return engine_dense(op->graph, x, y, ENGINE_NONE);
    return contract(op, x, y, &x_axis, &y_axis, 1, false);
}

engine_value ops_batch_dot(struct ops_call *op)
{
    engine_value x, y;
    int64_t axes[2];
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    int x_rank = engine_rank(op->graph, x), y_rank = engine_rank(op->graph, y);
    int n = ops_ints(op, 2, axes, 2);
    if (n < 0) {
        axes[0] = x_rank - 1;
        axes[1] = y_rank > 2 ? y_rank - 2 : y_rank - 1;
    } else if (n == 1) {
        axes[1] = axes[0];
    }
    int x_axis = (int)(axes[0] < 0 ? axes[0] + x_rank : axes[0]);
    int y_axis = (int)(axes[1] < 0 ? axes[1] + y_rank : axes[1]);
    if (x_axis < 1 || x_axis >= x_rank || y_axis < 1 || y_axis >= y_rank)
        return ops_fail(op, "axes outside of the operands, or the batch axis");
    engine_value z = contract(op, x, y, &x_axis, &y_axis, 1, true);
    return z != ENGINE_NONE && engine_rank(op->graph, z) == 1 ? engine_expand_dims(op->graph, z, 1) : z;
}

/* [[axes of x], [axes of y]], or the number of last axes of x and first axes of y. */
static int tensordot_axes(struct ops_call *op, int x_rank, int y_rank, int *x_axes, int *y_axes)
{
    const struct keras_arg *arg = op->arg[2];
    int64_t both[2 * SHAPE_MAX_RANK];
    int n = 0;
    if (!arg || arg->kind == KERAS_ARG_INT) {
        n = (int)ops_int(op, 2, 2);
        for (int i = 0; i < n && n <= x_rank && n <= y_rank; i++) {
            both[i] = x_rank - n + i;
            both[n + i] = i;
        }
    } else if (arg->kind == KERAS_ARG_LIST && arg->n_items == 2) {
        struct ops_call half = *op;
        half.arg[2] = &arg->items[0];
        n = ops_ints(&half, 2, both, SHAPE_MAX_RANK);
        half.arg[2] = &arg->items[1];
        if (n < 0 || ops_ints(&half, 2, both + n, SHAPE_MAX_RANK) != n)
            return -1;
    }
    if (n < 0 || n > x_rank || n > y_rank)
        return -1;
    for (int i = 0; i < n; i++) {
        x_axes[i] = (int)(both[i] < 0 ? both[i] + x_rank : both[i]);
        y_axes[i] = (int)(both[n + i] < 0 ? both[n + i] + y_rank : both[n + i]);
        if (x_axes[i] < 0 || x_axes[i] >= x_rank || y_axes[i] < 0 || y_axes[i] >= y_rank)
            return -1;
    }
    return n;
}

engine_value ops_tensordot(struct ops_call *op)
{
    engine_value x, y;
    int x_axes[SHAPE_MAX_RANK], y_axes[SHAPE_MAX_RANK];
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    int n = tensordot_axes(op, engine_rank(op->graph, x), engine_rank(op->graph, y), x_axes, y_axes);
    return n < 0 ? ops_fail(op, "axes do not fit the operands")
                 : contract(op, x, y, x_axes, y_axes, n, false);
}

/* ---- vectors ---- */

static engine_value flat(struct ops_call *op, engine_value x)
{
    return engine_reshape(op->graph, x, (const int64_t[]){ENGINE_INFER}, 1);
}

engine_value ops_outer(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    return einsum(op, "a,b->ab", flat(op, x), flat(op, y));
}

engine_value ops_inner(struct ops_call *op)
{
    engine_value x, y;
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    if (op->row->variant) {
        x = flat(op, x);
        y = flat(op, y);
    }
    int x_axis = engine_rank(op->graph, x) - 1, y_axis = engine_rank(op->graph, y) - 1;
    if (x_axis < 0 || y_axis < 0)
        return engine_binary(op->graph, BINARY_MULTIPLY, x, y);
    return contract(op, x, y, &x_axis, &y_axis, 1, false);
}

/* Of vectors of three numbers along the last axis. */
engine_value ops_cross(struct ops_call *op)
{
    engine_value x, y, part[2];
    if (!ops_pair(op, 0, 1, &x, &y))
        return ENGINE_NONE;
    for (int i = 2; i < 6; i++)
        if (op->arg[i] && ops_int(op, i, -1) != -1)
            return ops_fail(op, "only vectors along the last axis are served");
    if (engine_dim(op->graph, x, -1) != 3 || engine_dim(op->graph, y, -1) != 3)
        return ops_fail(op, "only vectors of three numbers along the last axis are served");
    for (int i = 0; i < 2; i++) {
        engine_value a = engine_roll(op->graph, x, engine_rank(op->graph, x) - 1, -1 - i);
        engine_value b = engine_roll(op->graph, y, engine_rank(op->graph, y) - 1, -2 + i);
        part[i] = engine_binary(op->graph, BINARY_MULTIPLY, a, b);
    }
    return engine_binary(op->graph, BINARY_SUBTRACT, part[0], part[1]);
}

/* ---- einsum ---- */

struct equation {
    int n;
    char terms[MAX_OPERANDS][MAX_EQUATION];
    char out[MAX_EQUATION];
    bool has_out;
};

/* Appends the letters (and "...") of a term, blanks left out. */
static bool read_equation(const char *text, struct equation *ret)
{
    memset(ret, 0, sizeof(*ret));
    char *to = ret->terms[0];
    ret->n = 1;
    if (strlen(text) >= MAX_EQUATION)
        return false;
    for (; *text; text++) {
        if (*text == ',' && !ret->has_out && ret->n < MAX_OPERANDS) {
            to = ret->terms[ret->n++];
        } else if (text[0] == '-' && text[1] == '>' && !ret->has_out) {
            ret->has_out = true;
            to = ret->out;
            text++;
        } else if (isalpha((unsigned char)*text) || *text == '.') {
            to[strlen(to)] = *text;
        } else if (*text != ' ') {
            return false;
        }
    }
    return true;
}

static int count_letter(const struct equation *equation, char letter)
{
    int n = 0;
    for (int i = 0; i < equation->n; i++)
        for (const char *at = equation->terms[i]; *at; at++)
            n += *at == letter;
    return n;
}

static void implicit_output(struct equation *equation)
{
    char *to = equation->out;
    for (int i = 0; i < equation->n; i++)
        if (strstr(equation->terms[i], "...")) {
            strcpy(to, "...");
            to += 3;
            break;
        }
    for (int letter = 'A'; letter <= 'z'; letter++)
        if (isalpha(letter) && count_letter(equation, (char)letter) == 1)
            *to++ = (char)letter;
}

/* The letters of terms 0 and 1 that the output or a later term still needs; "..." first. */
static void pair_output(const struct equation *equation, char out[MAX_EQUATION])
{
    bool dots = strstr(equation->terms[0], "...") || strstr(equation->terms[1], "...");
    size_t n = 0;
    memset(out, 0, MAX_EQUATION);
    if (dots)
        memcpy(out, "...", 3);
    n = dots ? 3 : 0;
    for (int i = 0; i < 2; i++)
        for (const char *at = equation->terms[i]; *at; at++) {
            bool needed = strchr(equation->out, *at) != NULL;
            for (int k = 2; k < equation->n; k++)
                needed = needed || strchr(equation->terms[k], *at);
            if (*at != '.' && needed && !strchr(out, *at) && n + 1 < MAX_EQUATION)
                out[n++] = *at;
        }
}

/* Replaces the first two terms by their product. */
static engine_value fold_pair(struct ops_call *op, struct equation *equation, engine_value x, engine_value y)
{
    char out[MAX_EQUATION], text[3 * MAX_EQUATION + 8];
    pair_output(equation, out);
    snprintf(text, sizeof(text), "%s,%s->%s", equation->terms[0], equation->terms[1], out);
    memcpy(equation->terms[0], out, MAX_EQUATION);
    memmove(equation->terms[1], equation->terms[2], (size_t)(equation->n - 2) * MAX_EQUATION);
    equation->n--;
    return einsum(op, text, x, y);
}

engine_value ops_einsum(struct ops_call *op)
{
    struct equation equation;
    engine_value x = ENGINE_NONE;
    char text[3 * MAX_EQUATION + 8];
    if (!read_equation(ops_text(op, 0, ""), &equation))
        return ops_fail(op, "the equation '%.60s' is not served", ops_text(op, 0, ""));
    if (!op->arg[1])
        return ops_lost_operands(op);
    if (!equation.has_out)
        implicit_output(&equation);
    x = ops_tensor_float(op, 1);
    int next = 2;
    while (equation.n > 2)
        x = fold_pair(op, &equation, x, ops_tensor_float(op, next++));
    if (equation.n == 2)
        snprintf(text, sizeof(text), "%s,%s->%s", equation.terms[0], equation.terms[1], equation.out);
    else
        snprintf(text, sizeof(text), "%s->%s", equation.terms[0], equation.out);
    return einsum(op, text, x, equation.n == 2 ? ops_tensor_float(op, next) : ENGINE_NONE);
}

engine_value ops_einsum_list(struct ops_call *op)
{
    const struct keras_arg *list = op->arg[0];
    if (!list || list->kind != KERAS_ARG_LIST || list->n_items > MAX_OPERANDS)
        return ops_fail(op, "its operands must be a list of at most %d", MAX_OPERANDS);
    op->arg[0] = op->arg[1];
    op->arg[1] = NULL;
    for (size_t i = 0; i < list->n_items; i++)
        op->arg[1 + i] = &list->items[i];
    return ops_einsum(op);
}

/* x == c is written without c: TensorFlow's operator keeps no argument by name. */
engine_value ops_equality(struct ops_call *op)
{
    return op->arg[1] ? ops_binary(op) : ops_lost_operands(op);
}

engine_value ops_lost_operands(struct ops_call *op)
{
    return ops_fail(
        op, "the Keras that wrote this file did not store all of its operands, so it cannot be rebuilt");
}
