/* Depthwise convolution: every channel has its own small kernel, so channels are vectors.
 *
 * The 3x3 and 5x5 kernels of the mobile networks run in tiles of neighbouring outputs, whose inputs are read once
 * (depthwise.inc); a pixel outside of the picture is a pointer to zeros. All others are cut into strips
 * (strips.c); multipliers other than 1 are rare and run a plain loop. */
#include "kernels/block.h"
#include "kernels/elementwise.h"
#include "kernels/strips.h"

#define TILE_COLUMNS 4
/* Channels at most for tiles: the zeros that stand for a pixel outside. */
#define MAX_CHANNELS 4096

static const float zeros[MAX_CHANNELS];

static bool has_tiles(const struct conv *c)
{
    bool square = c->kernel[0] == 1 && c->kernel[1] == c->kernel[2] && c->stride[0] == 1 && c->pad[0] == 0 &&
                  c->stride[1] == c->stride[2] && c->dilation[1] == 1 && c->dilation[2] == 1;
    return square && (c->kernel[1] == 3 || c->kernel[1] == 5) && c->stride[1] <= 2 && c->c_in == c->c_out &&
           c->c_in <= MAX_CHANNELS && kernels_table->deep[c->kernel[1] == 5][c->stride[1] - 1];
}

/* Where a tile begins in the output. */
struct corner {
    int64_t picture, h, w;
};

static void set_inputs(const struct conv *c, const float *x, const struct corner *at, struct deep_tile *tile)
{
    int64_t s = c->stride[1], k = c->kernel[1], lines = (kernels_table->deep_rows - 1) * s + k,
            columns = (TILE_COLUMNS - 1) * s + k;
    int64_t first = at->w * s - c->pad[2];
    bool whole = first >= 0 && first + columns <= c->in[2];
    const float **to = tile->x;
    for (int64_t i = 0; i < lines; i++, to += columns) {
        int64_t h = at->h * s - c->pad[1] + i;
        bool exists = h >= 0 && h < c->in[1];
        const float *from = x + ((at->picture * c->in[1] + h) * c->in[2] + first) * c->c_in;
        for (int64_t j = 0; exists && whole && j < columns; j++)
            to[j] = from + j * c->c_in;
        for (int64_t j = 0; !(exists && whole) && j < columns; j++)
            to[j] = exists && first + j >= 0 && first + j < c->in[2] ? from + j * c->c_in : zeros;
    }
}

/* The outputs of the tile that exist and are wanted: positions [begin, end). */
static void set_outputs(const struct conv *c, float *y, int64_t begin, int64_t end, const struct corner *at,
                        struct deep_tile *tile)
{
    for (int64_t i = 0; i < kernels_table->deep_rows; i++)
        for (int64_t j = 0; j < TILE_COLUMNS; j++) {
            int64_t position = ((at->picture * c->out[1] + at->h + i) * c->out[2]) + at->w + j;
            bool wanted =
                at->h + i < c->out[1] && at->w + j < c->out[2] && position >= begin && position < end;
            tile->y[i * TILE_COLUMNS + j] = wanted ? y + position * c->c_out : NULL;
        }
}

static void run_tiles(const struct conv *c, struct deep_tile *tile, const float *x, float *y, int64_t begin,
                      int64_t end)
{
    int64_t rows = kernels_table->deep_rows, line = begin / c->out[2]; /* lines of all pictures */
    while (line * c->out[2] < end) {
        struct corner at = {.picture = line / c->out[1]};
        /* Tiles start at multiples of their rows and never reach into the next picture. */
        at.h = line % c->out[1] / rows * rows;
        for (at.w = 0; at.w < c->out[2]; at.w += TILE_COLUMNS) {
            set_inputs(c, x, &at, tile);
            set_outputs(c, y, begin, end, &at, tile);
            kernels_table->deep[c->kernel[1] == 5][c->stride[1] - 1](tile);
        }
        line = at.picture * c->out[1] + (at.h + rows < c->out[1] ? at.h + rows : c->out[1]);
    }
}

void depthwise_run(const struct conv *conv, const float *x, const float *kernel, const float *bias,
                   const struct unary *activation, float *y, int64_t begin, int64_t end)
{
    float low = 0, high = 0;
    bool clamps = block_clamp(activation, &low, &high);
    if (begin >= end)
        return;
    if (has_tiles(conv)) {
        struct deep_tile tile = {.w = kernel, .bias = bias, .channels = conv->c_out, .clamps = clamps,
                                 .low = low, .high = high};
        run_tiles(conv, &tile, x, y, begin, end);
    } else {
        struct strip strip = {.channels = conv->c_out, .x_channels = conv->c_in, .w = kernel, .bias = bias,
                              .clamps = clamps, .low = low, .high = high};
        bool plain = conv->c_in == conv->c_out;
        strips_run(conv, strip, plain ? kernels_table->depthwise : kernels_table->depthwise_expand, x, y,
                   begin, end);
    }
    if (activation && !clamps)
        unary_apply(activation, y + begin * conv->c_out, y + begin * conv->c_out,
                    (end - begin) * conv->c_out);
}
