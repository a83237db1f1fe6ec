/* Winograd's minimal filtering: 4x4 outputs of a 3x3 convolution from 6x6 inputs by 36 products where the
 * definition has 144.
 *
 * Tiles of the input and the weights are transformed; then element e of all tiles times element e of the
 * weights is an ordinary product over the channels, 36 of them; the results are transformed back. A block of
 * tiles (across lines and pictures) goes through all three steps while it is in the cache. Weights grow four
 * times, so this is for pictures, not for 7x7 maps whose time is the reading of weights.
 *
 * A tile's place follows from its pixels' place in the picture: results do not depend on the batch or on how
 * a run is split. */
#include "kernels/winograd.h"

#include <string.h>

#include "base/size.h"
#include "kernels/block.h"
#include "kernels/elementwise.h"
#include "kernels/isa.h"

#define PRODUCTS 36
#define TILE_OUT 4
#define TILE_IN 6

/* Floats of transformed tiles and products that a block has at most, if MIN_TILES do not need more. */
#define BLOCK_FLOATS ((int64_t)1 << 17)
#define MIN_TILES 24
/* Weights (of one tap) per tile of a picture from which on their fourfold size is not worth the speed. */
#define WEIGHTS_PER_TILE 16384

bool winograd_possible(const struct conv *c)
{
    static const int64_t kernel[CONV_AXES] = {1, 3, 3}, ones[CONV_AXES] = {1, 1, 1};
    return memcmp(c->kernel, kernel, sizeof(kernel)) == 0 && memcmp(c->stride, ones, sizeof(ones)) == 0 &&
           memcmp(c->dilation, ones, sizeof(ones)) == 0 && c->groups == 1 && c->pad[0] == 0 &&
           c->c_in % 16 == 0 && c->c_out % 16 == 0;
}

static int64_t tiles_of(int64_t size)
{
    return (size + TILE_OUT - 1) / TILE_OUT;
}

bool winograd_pays(const struct conv *c)
{
    int64_t tiles = tiles_of(c->out[1]) * tiles_of(c->out[2]) * c->out[0];
    return winograd_possible(c) && c->out[1] * c->out[2] >= 16 &&
           c->c_in * c->c_out <= tiles * WEIGHTS_PER_TILE;
}

static bool product_bytes(const struct conv *conv, size_t *ret)
{
    return gemm_pack_bytes(conv->c_in, conv->c_out, ret);
}

bool winograd_pack_bytes(const struct conv *conv, size_t *ret)
{
    size_t bytes;
    return product_bytes(conv, &bytes) && size_mul(bytes, PRODUCTS, ret);
}

void winograd_pack(const struct conv *conv, const float *kernel, void *packed)
{
    int64_t area = conv->c_in * conv->c_out;
    int64_t together = kernels_table->panel < 16 ? kernels_table->panel : 16; /* divides c_out */
    size_t bytes = 0;
    product_bytes(conv, &bytes);
    memset(packed, 0, bytes * PRODUCTS);
    for (int64_t c = 0; c < conv->c_in; c++)
        for (int64_t f = 0; f < conv->c_out; f += together) {
            float *to[PRODUCTS];
            for (int i = 0; i < PRODUCTS; i++)
                to[i] = block_weight(conv->c_in, conv->c_out, c, f, (char *)packed + (size_t)i * bytes);
            kernels_table->wino_weights(kernel + c * conv->c_out + f, area, together, to);
        }
}

/* Tiles of a block, and the floats between the 36 slices: not a power of two, which would make all slices
 * compete for the same places of the cache. */
struct layout {
    int64_t tiles, v_slice, m_slice;
};

static struct layout layout_of(const struct conv *conv)
{
    struct layout l = {.tiles = BLOCK_FLOATS / (PRODUCTS * (conv->c_in + conv->c_out))};
    l.tiles = l.tiles < MIN_TILES ? MIN_TILES : l.tiles > BLOCK_ROWS ? BLOCK_ROWS : l.tiles;
    l.v_slice = l.tiles * conv->c_in + 16;
    l.m_slice = l.tiles * conv->c_out + 16;
    return l;
}

bool winograd_scratch(const struct conv *conv, size_t *ret)
{
    struct layout l = layout_of(conv);
    size_t floats;
    return size_mul((size_t)(l.v_slice + l.m_slice), PRODUCTS, &floats) &&
           size_add(floats, size_align((size_t)conv->c_in, 16), &floats) &&
           size_mul(floats, sizeof(float), ret);
}

/* One run. */
struct run {
    const struct conv *conv;
    struct layout l;
    const float *x;
    const char *packed;
    const struct gemm_epilogue *epilogue;
    float *y, *zeros, *v, *m;
    int64_t begin, end; /* output positions */
};

/* A tile: picture and first output line and column. */
struct place {
    int64_t picture, h, w;
};

static struct place place_of(const struct conv *conv, int64_t tile)
{
    int64_t columns = tiles_of(conv->out[2]), lines = tiles_of(conv->out[1]);
    return (struct place){tile / columns / lines, tile / columns % lines * TILE_OUT,
                          tile % columns * TILE_OUT};
}

/* The tile that holds an output position: tiles are in the order of their first positions. */
static int64_t first_tile(const struct conv *conv, int64_t position)
{
    int64_t line = position / conv->out[2], picture = line / conv->out[1];
    return (picture * tiles_of(conv->out[1]) + line % conv->out[1] / TILE_OUT) * tiles_of(conv->out[2]);
}

static void load_tile(const struct run *run, const struct place *place, float *v)
{
    const struct conv *c = run->conv;
    const float *x[PRODUCTS];
    for (int64_t i = 0; i < TILE_IN; i++) {
        int64_t h = place->h - c->pad[1] + i;
        const float *line = run->x + (place->picture * c->in[1] + h) * c->in[2] * c->c_in;
        for (int64_t j = 0; j < TILE_IN; j++) {
            int64_t w = place->w - c->pad[2] + j;
            bool inside = h >= 0 && h < c->in[1] && w >= 0 && w < c->in[2];
            x[i * TILE_IN + j] = inside ? line + w * c->c_in : run->zeros;
        }
    }
    kernels_table->wino_input(x, c->c_in, v, run->l.v_slice);
}

static void store_tile(const struct run *run, const struct place *place, const float *m,
                       struct wino_output *o)
{
    const struct conv *c = run->conv;
    o->m = m;
    for (int64_t i = 0; i < TILE_OUT * TILE_OUT; i++) {
        int64_t h = place->h + i / TILE_OUT, w = place->w + i % TILE_OUT;
        int64_t position = (place->picture * c->out[1] + h) * c->out[2] + w;
        bool wanted = h < c->out[1] && w < c->out[2] && position >= run->begin && position < run->end;
        o->y[i] = wanted ? run->y + position * c->c_out : NULL;
        o->add[i] = wanted && o->adds ? run->epilogue->add + position * run->epilogue->add_stride : NULL;
    }
    kernels_table->wino_output(o);
}

/* The 36 products of a block of tiles. */
static void multiply(const struct run *run, int64_t tiles)
{
    const struct conv *c = run->conv;
    const float *x[BLOCK_ROWS];
    float *y[BLOCK_ROWS];
    size_t bytes = 0;
    product_bytes(c, &bytes);
    for (int64_t e = 0; e < PRODUCTS; e++) {
        for (int64_t i = 0; i < tiles; i++) {
            x[i] = run->v + e * run->l.v_slice + i * c->c_in;
            y[i] = run->m + e * run->l.m_slice + i * c->c_out;
        }
        struct block block = {.rows = tiles,
                              .taps = 1,
                              .k = c->c_in,
                              .x = x,
                              .x_step = tiles,
                              .packed = run->packed + (size_t)e * bytes,
                              .n = c->c_out,
                              .column_end = c->c_out,
                              .y = y};
        block_run(&block);
    }
}

static void run_tiles(struct run *run, int64_t first, int64_t count, struct wino_output *output)
{
    const struct conv *c = run->conv;
    for (int64_t i = 0; i < count; i++) {
        struct place place = place_of(c, first + i);
        load_tile(run, &place, run->v + i * c->c_in);
    }
    multiply(run, count);
    for (int64_t i = 0; i < count; i++) {
        struct place place = place_of(c, first + i);
        store_tile(run, &place, run->m + i * c->c_out, output);
    }
}

void winograd_run(const struct conv *conv, const float *x, const void *packed,
                  const struct gemm_epilogue *epilogue, float *y, int64_t begin, int64_t end, void *scratch)
{
    struct run run = {.conv = conv,
                      .l = layout_of(conv),
                      .x = x,
                      .packed = packed,
                      .epilogue = epilogue,
                      .y = y,
                      .zeros = scratch,
                      .begin = begin,
                      .end = end};
    struct wino_output output = {.slice = run.l.m_slice, .channels = conv->c_out, .bias = epilogue->bias,
                                 .adds = epilogue->add != NULL};
    if (begin >= end)
        return;
    output.clamps = block_clamp(epilogue->activation, &output.low, &output.high);
    run.v = run.zeros + size_align((size_t)conv->c_in, 16);
    run.m = run.v + PRODUCTS * run.l.v_slice;
    memset(run.zeros, 0, (size_t)conv->c_in * sizeof(float));
    int64_t last = first_tile(conv, end - 1) + tiles_of(conv->out[2]);
    for (int64_t tile = first_tile(conv, begin); tile < last; tile += run.l.tiles)
        run_tiles(&run, tile, last - tile < run.l.tiles ? last - tile : run.l.tiles, &output);
    if (epilogue->activation && !output.clamps)
        unary_apply(epilogue->activation, y + begin * conv->c_out, y + begin * conv->c_out,
                    (end - begin) * conv->c_out);
}
