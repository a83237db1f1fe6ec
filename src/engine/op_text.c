/* Text to token ids. The one op whose result may have a size that the shapes of a request do not tell:
 * without an output length, rows are as long as the longest string of the batch has tokens. That length is
 * measured before the plan is made (engine_plan_get_for), so that plans stay a matter of shapes. */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "engine/lookup.h"

enum { TEXT_X, TEXT_KEYS, TEXT_VALUES, TEXT_OPERANDS };

static int text_infer(struct step *step, struct err *err)
{
    const struct engine_text *attrs = step->attrs;
    const struct shape *x = &step->in[TEXT_X]->shape;
    int status = vocabulary_check(step, TEXT_KEYS, TEXT_VALUES, err);
    if (!status)
        status = step_need_rank(step, TEXT_X, 1, 2, err);
    if (status)
        return status;
    if (step->in[TEXT_X]->dtype != DTYPE_STRING || step->in[TEXT_KEYS]->dtype != DTYPE_STRING)
        return err_set(err, KD_EINVAL, "text must be strings, not %s", dtype_name(step->in[TEXT_X]->dtype));
    if (x->rank == 2 && size_differs(x->dim[1], 1))
        return err_set(err, KD_EINVAL, "text of several strings per sample");
    if (attrs->output_length < 0 || attrs->output_length > INT32_MAX)
        return err_set(err, KD_EINVAL, "an output length of %" PRId64, attrs->output_length);
    int64_t length = attrs->output_length ? attrs->output_length : SHAPE_UNKNOWN;
    if (!attrs->output_length && step->exact) {
        if (step->measured < 0)
            return err_set(err, KD_EUNSUPPORTED,
                           "the number of tokens of each string must be measured first");
        length = step->measured;
    }
    step->out[0]->dtype = DTYPE_INT64;
    step->out[0]->shape = (struct shape){.rank = 2, .dim = {x->dim[0], length}};
    return 0;
}

static int text_pack(struct node *node, const struct step *step, struct pack *pack, struct err *err)
{
    return vocabulary_pack(node, step, TEXT_KEYS, TEXT_VALUES, pack, err);
}

static void text_describe(const struct step *step, struct text *ret)
{
    static const enum text_split splits[] = {[ENGINE_SPLIT_NONE] = TEXT_SPLIT_NONE,
                                             [ENGINE_SPLIT_WHITESPACE] = TEXT_SPLIT_WHITESPACE,
                                             [ENGINE_SPLIT_CHARACTER] = TEXT_SPLIT_CHARACTER};
    const struct engine_text *attrs = step->attrs;
    *ret = (struct text){.lower = attrs->lower,
                         .strip_punctuation = attrs->strip_punctuation,
                         .split = splits[attrs->split],
                         .ngrams = attrs->ngrams,
                         .n_ngrams = attrs->n_ngrams,
                         .table = step->node->packed,
                         .oov = attrs->oov};
    vocabulary_describe(step, TEXT_KEYS, TEXT_VALUES, &ret->lookup);
}

static int text_prepare(struct step *step, struct err *err)
{
    struct text *text = step_params(step, sizeof(*text), err);
    if (!text)
        return KD_ENOMEM;
    text_describe(step, text);
    step->cost_us = (double)step_out_count(step, 0) * 0.1 + (double)step_in_count(step, TEXT_X) * 0.3;
    return 0;
}

/* Scratch for the longest of these strings: how long they are only a run tells. */
static void *text_room(const struct text *text, const struct io *io, const struct str_view *x, int64_t n,
                       struct err *err)
{
    size_t longest = 0, bytes;
    for (int64_t i = 0; i < n; i++)
        longest = x[i].length > longest ? x[i].length : longest;
    if (!text_scratch(text, longest, &bytes)) {
        err_set(err, KD_ETOOBIG, "a string of %zu bytes is too long", longest);
        return NULL;
    }
    return io_spare(io, bytes, err);
}

static int text_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct engine_text *attrs = step->attrs;
    const struct str_view *x = io->in[TEXT_X];
    int64_t n = step_in_count(step, TEXT_X), length = step->out[0]->shape.dim[1], *ids = io->out[0];
    void *room = text_room(step->params, io, x, n, err);
    if (!room)
        return err->code;
    for (int64_t i = 0; i < n; i++, ids += length) {
        int64_t found = text_ids(step->params, x[i], ids, length, room);
        for (int64_t k = found < length ? found : length; k < length; k++)
            ids[k] = attrs->pad;
    }
    return 0;
}

static int text_measure(const struct step *step, const struct io *io, int64_t *ret, struct err *err)
{
    const struct str_view *x = io->in[TEXT_X];
    struct text text;
    int64_t n = step_in_count(step, TEXT_X), longest = 0;
    text_describe(step, &text);
    void *room = text_room(&text, io, x, n, err);
    if (!room)
        return err->code;
    for (int64_t i = 0; i < n; i++) {
        int64_t found = text_ids(&text, x[i], NULL, 0, room);
        longest = found > longest ? found : longest;
    }
    *ret = longest;
    return 0;
}

/* Without an output length the rows' length depends on the others of the batch. */
static enum rows text_rows(const struct step *step, const enum rows *in)
{
    const struct engine_text *attrs = step->attrs;
    return attrs->output_length ? rows_first(step, in) : ROWS_MIXED;
}

static const struct op op_text = {.name = "text_vectorize",
                                  .flags = OP_OPAQUE,
                                  .n_required = -1,
                                  .infer = text_infer,
                                  .pack = text_pack,
                                  .prepare = text_prepare,
                                  .run = text_run,
                                  .rows = text_rows};
static const struct op op_text_longest = {.name = "text_vectorize",
                                          .flags = OP_OPAQUE,
                                          .n_required = -1,
                                          .infer = text_infer,
                                          .pack = text_pack,
                                          .measure = text_measure,
                                          .prepare = text_prepare,
                                          .run = text_run,
                                          .rows = text_rows};

engine_value engine_text_vectorize(struct engine_graph *graph, engine_value x, const struct engine_text *text)
{
    struct engine_text attrs = *text;
    engine_value in[TEXT_OPERANDS] = {x, text->keys, text->values};
    if (text->ngrams && text->n_ngrams > 0) {
        attrs.ngrams =
            arena_memdup(graph_arena(graph), text->ngrams, (size_t)text->n_ngrams * sizeof(*text->ngrams));
        if (!attrs.ngrams)
            return engine_graph_fail(graph, KD_ENOMEM, "out of memory while building the model's graph");
    }
    for (int i = 0; i < text->n_ngrams; i++)
        if (text->ngrams[i] < 1)
            return engine_graph_fail(graph, KD_EINVAL, "text_vectorize: n-grams of %d tokens",
                                     text->ngrams[i]);
    return graph_add(graph, text->output_length ? &op_text : &op_text_longest, &attrs, sizeof(attrs), in,
                     TEXT_OPERANDS, 1);
}
