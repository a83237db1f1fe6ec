/* Pictures [N, H, W, C]: resizing with the crops and paddings that Keras does before it, centre crops,
 * contrast, and blocks moved between depth and space. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"
#include "engine/op.h"
#include "kernels/movement.h"
#include "kernels/contrast.h"
#include "kernels/resize.h"

/* ---- resize ---- */

struct resize_attrs {
    struct engine_resize resize;
    bool center_crop; /* crop to the size if the picture is big enough, else as crop_to_aspect_ratio */
};

/* What is done to one picture: a window of it (or a frame around it), then the resize. */
struct picture {
    int64_t from[2]; /* where the window begins; negative: a frame of that width on both sides */
    int64_t size[2]; /* of the window or framed picture */
    int64_t out[2];
};

struct resize_params {
    struct picture picture;
    struct resize resize;
    bool copy;                  /* a window or frame has to be made first */
    struct shape window;        /* of that copy */
    size_t resize_at;           /* scratch: the copy comes first */
    int64_t *h_index, *w_index; /* nearest of integers: which row and column to take */
};

/* size * numerator / denominator as Keras computes it: in float32, truncated. */
static int64_t aspect_size(int64_t size, int64_t numerator, int64_t denominator)
{
    return (int64_t)((float)(size * numerator) / (float)denominator);
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The largest centred window with the target's ratio. */
static void crop_window(struct picture *picture, int64_t h, int64_t w)
{
    picture->size[0] = max64(min64(h, aspect_size(w, picture->out[0], picture->out[1])), 1);
    picture->size[1] = max64(min64(w, aspect_size(h, picture->out[1], picture->out[0])), 1);
    picture->from[0] = (h - picture->size[0]) / 2;
    picture->from[1] = (w - picture->size[1]) / 2;
}

/* A frame that gives the target's ratio; the same width on both sides, so one pixel may be missing. */
static void pad_frame(struct picture *picture, int64_t h, int64_t w)
{
    int64_t rows = max64(h, aspect_size(w, picture->out[0], picture->out[1]));
    int64_t columns = max64(w, aspect_size(h, picture->out[1], picture->out[0]));
    picture->from[0] = -((rows - h) / 2);
    picture->from[1] = -((columns - w) / 2);
    picture->size[0] = h - 2 * picture->from[0];
    picture->size[1] = w - 2 * picture->from[1];
}

static void keep_aspect(struct picture *picture, int64_t h, int64_t w)
{
    float by_height = (float)picture->out[0] / (float)h, by_width = (float)picture->out[1] / (float)w;
    float scale = by_height < by_width ? by_height : by_width;
    picture->out[0] = max64((int64_t)rintf(scale * (float)h), 1);
    picture->out[1] = max64((int64_t)rintf(scale * (float)w), 1);
}

/* All sizes known and >= 1. */
static void picture_plan(const struct resize_attrs *attrs, int64_t h, int64_t w, struct picture *ret)
{
    const struct engine_resize *resize = &attrs->resize;
    *ret = (struct picture){.size = {h, w}};
    ret->out[0] = resize->size[0] ? resize->size[0] : h * resize->scale[0];
    ret->out[1] = resize->size[1] ? resize->size[1] : w * resize->scale[1];
    if (attrs->center_crop && h >= ret->out[0] && w >= ret->out[1]) {
        memcpy(ret->size, ret->out, sizeof(ret->size));
        ret->from[0] = (h - ret->out[0]) / 2;
        ret->from[1] = (w - ret->out[1]) / 2;
    } else if (attrs->center_crop || resize->crop_to_aspect_ratio) {
        crop_window(ret, h, w);
    } else if (resize->pad_to_aspect_ratio) {
        pad_frame(ret, h, w);
    } else if (resize->preserve_aspect_ratio) {
        keep_aspect(ret, h, w);
    }
}

#define PICTURE_MAX ((int64_t)1 << 20)

static int resize_infer(struct step *step, struct err *err)
{
    const struct resize_attrs *attrs = step->attrs;
    const struct engine_resize *resize = &attrs->resize;
    const struct shape *x = &step->in[0]->shape;
    bool nearest = resize->method == RESIZE_NEAREST && !attrs->center_crop;
    int status = step_need_rank(step, 0, 4, 4, err);
    if (!status && !(nearest && dtype_is_int(step->in[0]->dtype)))
        status = step_need_float(step, 0, err);
    if (status)
        return status;
    step_like(step, 0, 0);
    if (!nearest)
        step->out[0]->dtype = dtype_is_float(step->in[0]->dtype) ? step->in[0]->dtype : DTYPE_FLOAT32;
    for (int i = 0; i < 2; i++) {
        int64_t size = resize->size[i] ? resize->size[i] : resize->scale[i];
        if (size < 1 || size > PICTURE_MAX || x->dim[i + 1] == 0 || x->dim[i + 1] > PICTURE_MAX)
            return err_set(err, KD_EINVAL, "a picture side of %" PRId64 " resized to or by %" PRId64,
                           x->dim[i + 1], size);
        step->out[0]->shape.dim[i + 1] = resize->size[i] ? resize->size[i] : SHAPE_UNKNOWN;
        if (resize->preserve_aspect_ratio)
            step->out[0]->shape.dim[i + 1] = SHAPE_UNKNOWN;
        else if (!resize->size[i] && x->dim[i + 1] != SHAPE_UNKNOWN)
            step->out[0]->shape.dim[i + 1] = x->dim[i + 1] * resize->scale[i];
    }
    if (x->dim[1] == SHAPE_UNKNOWN || x->dim[2] == SHAPE_UNKNOWN)
        return 0;
    struct picture picture;
    picture_plan(attrs, x->dim[1], x->dim[2], &picture);
    step->out[0]->shape.dim[1] = picture.out[0];
    step->out[0]->shape.dim[2] = picture.out[1];
    return 0;
}

static int resize_too_big(struct err *err)
{
    return err_set(err, KD_ETOOBIG, "a picture too big to resize");
}

static const void *build_taps(struct step *step, const struct resize_axis *axis, struct err *err)
{
    size_t bytes, padded;
    if (!resize_taps_bytes(axis, &bytes) || !size_add(bytes, 64, &padded)) {
        resize_too_big(err);
        return NULL;
    }
    char *memory = arena_alloc(step->arena, padded);
    if (!memory) {
        err_set(err, KD_ENOMEM, "out of memory while planning a request");
        return NULL;
    }
    void *taps = (void *)size_align((size_t)memory, 64);
    resize_taps_build(axis, taps);
    return taps;
}

/* Which input each output takes: what the taps say of the numbers 0, 1, 2, ... Exact, sides being below
 * 2^24. */
static int64_t *build_index(struct step *step, const struct resize_axis *axis, struct err *err)
{
    struct resize_axis one = {.method = RESIZE_NEAREST, .in = 1, .out = 1};
    struct resize ramp = {.h = *axis, .w = one, .channels = 1};
    size_t scratch;
    float *x = arena_calloc(step->arena, (size_t)axis->in, sizeof(*x));
    float *y = arena_calloc(step->arena, (size_t)axis->out, sizeof(*y));
    int64_t *index = arena_calloc(step->arena, (size_t)axis->out, sizeof(*index));
    ramp.h_taps = build_taps(step, &ramp.h, err);
    ramp.w_taps = build_taps(step, &ramp.w, err);
    char *room = resize_scratch(&ramp, &scratch) ? arena_alloc(step->arena, scratch + 64) : NULL;
    if (!x || !y || !index || !ramp.h_taps || !ramp.w_taps || !room) {
        err_set(err, KD_ENOMEM, "out of memory while planning a request");
        return NULL;
    }
    range_f32(0, 1, x, axis->in);
    resize_run(&ramp, x, y, 0, 1, (void *)size_align((size_t)room, 64));
    for (int64_t i = 0; i < axis->out; i++)
        index[i] = (int64_t)y[i];
    return index;
}

/* Scratch: the window or frame, then what the resize wants, or the rows picked so far. */
static int resize_scratch_bytes(struct step *step, struct resize_params *params, struct err *err)
{
    size_t bytes, after;
    const struct shape *x = &step->in[0]->shape;
    params->window = (struct shape){
        .rank = 4, .dim = {x->dim[0], params->picture.size[0], params->picture.size[1], x->dim[3]}};
    params->copy = params->picture.size[0] != x->dim[1] || params->picture.size[1] != x->dim[2];
    if (params->copy) {
        if (!tensor_bytes(step->in[0]->dtype, &params->window, &bytes))
            return resize_too_big(err);
        params->resize_at = size_align(bytes, 64);
    }
    if (params->h_index) {
        struct shape rows = params->window;
        rows.dim[1] = params->picture.out[0];
        if (!tensor_bytes(step->in[0]->dtype, &rows, &after))
            return resize_too_big(err);
    } else if (!resize_scratch(&params->resize, &after)) {
        return resize_too_big(err);
    }
    return size_add(params->resize_at, after, &step->scratch) ? 0 : resize_too_big(err);
}

static int resize_prepare(struct step *step, struct err *err)
{
    const struct resize_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    struct resize_params *params = step_params(step, sizeof(*params), err);
    if (!params)
        return KD_ENOMEM;
    picture_plan(attrs, x->dim[1], x->dim[2], &params->picture);
    struct resize_axis axis = {.method = attrs->center_crop ? RESIZE_BILINEAR : attrs->resize.method,
                               .grid = attrs->resize.grid,
                               .antialias = attrs->resize.antialias};
    params->resize = (struct resize){.h = axis, .w = axis, .channels = x->dim[3]};
    params->resize.h.in = params->picture.size[0];
    params->resize.h.out = params->picture.out[0];
    params->resize.w.in = params->picture.size[1];
    params->resize.w.out = params->picture.out[1];
    if (dtype_storage(step->in[0]->dtype) == STORAGE_I64) {
        params->h_index = build_index(step, &params->resize.h, err);
        params->w_index = build_index(step, &params->resize.w, err);
        if (!params->h_index || !params->w_index)
            return KD_ENOMEM;
    } else {
        params->resize.h_taps = build_taps(step, &params->resize.h, err);
        params->resize.w_taps = build_taps(step, &params->resize.w, err);
        if (!params->resize.h_taps || !params->resize.w_taps)
            return KD_ENOMEM;
    }
    step->cost_us = (double)step_out_count(step, 0) * 2e-3;
    return resize_scratch_bytes(step, params, err);
}

static void copy_window(const struct step *step, const struct resize_params *params, const void *x,
                        void *window)
{
    const struct resize_attrs *attrs = step->attrs;
    const int64_t *from = params->picture.from;
    const struct shape *shape = &step->in[0]->shape;
    size_t size = step_in_size(step, 0);
    if (from[0] < 0 || from[1] < 0) {
        int64_t frame[SHAPE_MAX_RANK] = {0, -from[0], -from[1], 0}, whole = (int64_t)attrs->resize.fill;
        const void *fill = dtype_storage(step->in[0]->dtype) == STORAGE_I64
                               ? (const void *)&whole
                               : (const void *)&attrs->resize.fill;
        pad_run(shape, frame, frame, PAD_CONSTANT, fill, size, x, window);
        return;
    }
    int64_t start[SHAPE_MAX_RANK] = {0, from[0], from[1], 0}, stride[SHAPE_MAX_RANK] = {1, 1, 1, 1};
    struct move move;
    move_slice(&move, shape, start, stride, params->window.dim);
    move_run(&move, size, x, window);
}

static void pick_nearest(const struct step *step, const struct resize_params *params, const void *x,
                         void *rows, void *y)
{
    const int64_t *size = params->picture.size, *out = params->picture.out;
    struct gather by_row = {.batch = 1,
                            .outer = params->window.dim[0],
                            .n = size[0],
                            .m = out[0],
                            .inner = size[1] * params->window.dim[3]};
    struct gather by_column = {.batch = 1,
                               .outer = params->window.dim[0] * out[0],
                               .n = size[1],
                               .m = out[1],
                               .inner = params->window.dim[3]};
    gather_run(&by_row, step_in_size(step, 0), x, params->h_index, rows);
    gather_run(&by_column, step_in_size(step, 0), rows, params->w_index, y);
}

static int op_resize_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct resize_params *params = step->params;
    char *scratch = io->scratch;
    const void *x = io->in[0];
    if (params->copy) {
        copy_window(step, params, x, scratch);
        x = scratch;
    }
    if (params->h_index)
        pick_nearest(step, params, x, scratch + params->resize_at, io->out[0]);
    else
        resize_run(&params->resize, x, io->out[0], 0, params->window.dim[0], scratch + params->resize_at);
    return 0;
}

static const struct op op_resize = {.name = "resize",
                                    .n_required = 1,
                                    .infer = resize_infer,
                                    .prepare = resize_prepare,
                                    .run = op_resize_run,
                                    .rows = rows_first};

engine_value engine_resize(struct engine_graph *graph, engine_value x, const struct engine_resize *resize)
{
    struct resize_attrs attrs = {.resize = *resize};
    return graph_add(graph, &op_resize, &attrs, sizeof(attrs), &x, 1, 1);
}

engine_value engine_center_crop(struct engine_graph *graph, engine_value x, int64_t height, int64_t width)
{
    struct resize_attrs attrs = {.resize = {.size = {height, width}}, .center_crop = true};
    return graph_add(graph, &op_resize, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- auto_contrast ---- */

struct contrast_attrs {
    float a, b;
};

static int contrast_infer(struct step *step, struct err *err)
{
    int status = step_need_rank(step, 0, 4, 4, err);
    if (!status)
        status = step_need_float(step, 0, err);
    if (!status)
        step_like(step, 0, 0);
    return status;
}

static int contrast_run(const struct step *step, const struct io *io, struct err *err)
{
    const struct contrast_attrs *attrs = step->attrs;
    const int64_t *dim = step->in[0]->shape.dim;
    auto_contrast(dim[0], dim[1] * dim[2], dim[3], attrs->a, attrs->b, io->in[0], io->out[0]);
    return 0;
}

static const struct op op_auto_contrast = {.name = "auto_contrast",
                                           .in_place = 1,
                                           .n_required = 1,
                                           .infer = contrast_infer,
                                           .run = contrast_run,
                                           .rows = rows_first};

engine_value engine_auto_contrast(struct engine_graph *graph, engine_value x, float a, float b)
{
    struct contrast_attrs attrs = {a, b};
    return graph_add(graph, &op_auto_contrast, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- clahe ---- */

/* Counting, and four lookups: measured. */
#define CLAHE_ELEMENT_US 0.01

struct clahe_attrs {
    struct engine_clahe clahe;
};

static int clahe_infer(struct step *step, struct err *err)
{
    const struct clahe_attrs *attrs = step->attrs;
    int status = contrast_infer(step, err);
    if (status)
        return status;
    const int64_t *dim = step->in[0]->shape.dim;
    struct clahe clahe = {.height = dim[1], .width = dim[2], .grid = {attrs->clahe.grid[0], attrs->clahe.grid[1]}};
    if (dim[1] >= 0 && dim[2] >= 0 && !clahe_fits(&clahe))
        return err_set(err, KD_EINVAL, "a picture of %lld x %lld is too small for a grid of %lld x %lld tiles",
                       (long long)dim[1], (long long)dim[2], (long long)clahe.grid[0], (long long)clahe.grid[1]);
    return 0;
}

static int clahe_prepare(struct step *step, struct err *err)
{
    const struct engine_clahe *from = &((const struct clahe_attrs *)step->attrs)->clahe;
    const int64_t *dim = step->in[0]->shape.dim;
    struct clahe *clahe = arena_alloc(step->arena, sizeof(*clahe));
    if (!clahe)
        return err_set(err, KD_ENOMEM, "out of memory");
    *clahe = (struct clahe){.height = dim[1],
                            .width = dim[2],
                            .channels = dim[3],
                            .grid = {from->grid[0], from->grid[1]},
                            .clip = from->clip,
                            .scales = from->low != 0 || from->high != 255,
                            .low = from->low,
                            .high = from->high};
    step->params = clahe;
    step->cost_us = (double)step_in_count(step, 0) * CLAHE_ELEMENT_US;
    if (!clahe_scratch(clahe, &step->scratch))
        return err_set(err, KD_ETOOBIG, "the tables of %lld x %lld tiles are too big", (long long)from->grid[0],
                       (long long)from->grid[1]);
    return 0;
}

static int op_clahe_run(const struct step *step, const struct io *io, struct err *err)
{
    clahe_run(step->params, step->in[0]->shape.dim[0], io->in[0], io->out[0], io->scratch);
    return 0;
}

static const struct op op_clahe = {.name = "clahe",
                                   .in_place = 1,
                                   .n_required = 1,
                                   .infer = clahe_infer,
                                   .prepare = clahe_prepare,
                                   .run = op_clahe_run,
                                   .rows = rows_first};

engine_value engine_clahe(struct engine_graph *graph, engine_value x, const struct engine_clahe *clahe)
{
    struct clahe_attrs attrs = {*clahe};
    return graph_add(graph, &op_clahe, &attrs, sizeof(attrs), &x, 1, 1);
}

/* ---- depth and space ---- */

struct block_attrs {
    int64_t block;
    bool to_space;
};

static int block_infer(struct step *step, struct err *err)
{
    const struct block_attrs *attrs = step->attrs;
    const struct shape *x = &step->in[0]->shape;
    int64_t block = attrs->block;
    char text[128];
    int status = step_need_rank(step, 0, 4, 4, err);
    if (status)
        return status;
    if (block < 1 || block > PICTURE_MAX)
        return err_set(err, KD_EINVAL, "a block of %" PRId64, block);
    step_like(step, 0, 0);
    for (int i = 1; i <= 3; i++) {
        bool grows = attrs->to_space == (i < 3);
        int64_t factor = i == 3 ? block * block : block;
        if (x->dim[i] == SHAPE_UNKNOWN)
            continue;
        if (!grows && x->dim[i] % factor)
            return err_set(err, KD_EINVAL, "shape %s does not divide into blocks of %" PRId64,
                           shape_text(x, text, sizeof(text)), block);
        if (!grows)
            step->out[0]->shape.dim[i] = x->dim[i] / factor;
        else if (__builtin_mul_overflow(x->dim[i], factor, &step->out[0]->shape.dim[i]))
            return resize_too_big(err);
    }
    return 0;
}

static int block_prepare(struct step *step, struct err *err)
{
    const struct block_attrs *attrs = step->attrs;
    struct move *move = step_params(step, sizeof(*move), err);
    if (!move)
        return KD_ENOMEM;
    if (attrs->to_space)
        move_depth_to_space(move, &step->in[0]->shape, attrs->block);
    else
        move_space_to_depth(move, &step->in[0]->shape, attrs->block);
    return 0;
}

static int block_run(const struct step *step, const struct io *io, struct err *err)
{
    move_run(step->params, step_in_size(step, 0), io->in[0], io->out[0]);
    return 0;
}

static const struct op op_block = {.name = "depth_space",
                                   .n_required = 1,
                                   .infer = block_infer,
                                   .prepare = block_prepare,
                                   .run = block_run,
                                   .rows = rows_first};

engine_value engine_depth_to_space(struct engine_graph *graph, engine_value x, int64_t block)
{
    struct block_attrs attrs = {block, true};
    return graph_add(graph, &op_block, &attrs, sizeof(attrs), &x, 1, 1);
}

engine_value engine_space_to_depth(struct engine_graph *graph, engine_value x, int64_t block)
{
    struct block_attrs attrs = {block, false};
    return graph_add(graph, &op_block, &attrs, sizeof(attrs), &x, 1, 1);
}
