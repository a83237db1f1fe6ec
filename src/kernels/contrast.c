/* Contrast: stretched over the whole picture, or equalised tile by tile (CLAHE).
 *
 * CLAHE follows Keras step by step in float32: count the 256 values of a tile, cap the counts and share what was
 * cut off among all values, sum up, and scale to 0..255; that is the tile's table. A pixel is looked up in the
 * tables of the four tiles whose centres surround it. Tables of the tiles outside of the grid are those at its
 * edge. */
#include "kernels/contrast.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

#define VALUES 256

void auto_contrast(int64_t pictures, int64_t pixels, int64_t channels, float a, float b, const float *x,
                   float *y)
{
    for (int64_t i = 0; i < pictures * channels && pixels > 0; i++) {
        int64_t base = i / channels * pixels * channels + i % channels;
        float low = x[base], high = x[base];
        for (int64_t j = 1; j < pixels; j++) {
            float v = x[base + j * channels];
            low = v < low ? v : low;
            high = v > high ? v : high;
        }
        float scale = (b - a) / (high - low);
        for (int64_t j = 0; j < pixels; j++) {
            float v = x[base + j * channels];
            y[base + j * channels] = high > low ? a + (v - low) * scale : v;
        }
    }
}

static int64_t tile_size(const struct clahe *c, int axis)
{
    return ((axis ? c->width : c->height) + c->grid[axis] - 1) / c->grid[axis];
}

bool clahe_fits(const struct clahe *c)
{
    return c->grid[0] * tile_size(c, 0) <= 2 * c->height && c->grid[1] * tile_size(c, 1) <= 2 * c->width;
}

bool clahe_scratch(const struct clahe *c, size_t *ret)
{
    size_t tiles;
    return size_mul((size_t)c->grid[0], (size_t)c->grid[1], &tiles) &&
           size_mul(tiles, (size_t)c->channels, &tiles) && size_mul(tiles, VALUES * sizeof(float), ret);
}

/* The value as a number from 0 to 255, and as one of the whole ones. */
static int value_of(const struct clahe *c, float x)
{
    if (c->scales)
        x = (x - c->low) / (c->high - c->low) * 255.0f;
    return x > 0 ? x < 255 ? (int)x : 255 : 0;
}

/* What lies over the edge is the picture reflected, the last pixel twice. */
static int64_t reflect(int64_t i, int64_t n)
{
    return i < n ? i : 2 * n - 1 - i;
}

static void count(const struct clahe *c, const float *x, int64_t tile_h, int64_t tile_w, int64_t channel, float *table)
{
    int64_t h = tile_size(c, 0), w = tile_size(c, 1);
    memset(table, 0, VALUES * sizeof(float));
    for (int64_t i = tile_h * h; i < (tile_h + 1) * h; i++) {
        const float *line = x + reflect(i, c->height) * c->width * c->channels + channel;
        for (int64_t j = tile_w * w; j < (tile_w + 1) * w; j++)
            table[value_of(c, line[reflect(j, c->width) * c->channels])]++;
    }
}

static void cap(const struct clahe *c, float pixels, float *table)
{
    float limit = (float)(c->clip * (double)pixels / VALUES), excess = 0;
    for (int i = 0; i < VALUES; i++) {
        float kept = table[i] < limit ? table[i] : limit;
        excess += table[i] - kept;
        table[i] = kept;
    }
    for (int i = 0; i < VALUES; i++)
        table[i] += excess / VALUES;
}

/* From counts to the values that replace them. */
static void sum_up(float pixels, float *table)
{
    for (int i = 1; i < VALUES; i++)
        table[i] += table[i - 1];
    float first = table[0], rest = pixels - first;
    for (int i = 0; i < VALUES; i++) {
        float value = (table[i] - first) * 255.0f / (rest == 0 ? 1 : rest);
        table[i] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
}

/* Along one axis: the two tiles around a pixel, and how near the second one is. */
struct between {
    int64_t tile[2];
    float weight;
};

static struct between place(const struct clahe *c, int axis, int64_t i)
{
    float size = (float)tile_size(c, axis), at = ((float)i - size / 2) / size + 1, below = floorf(at);
    struct between between = {.weight = at - below};
    for (int k = 0; k < 2; k++) {
        int64_t tile = (int64_t)below + k - 1;
        between.tile[k] = tile < 0 ? 0 : tile >= c->grid[axis] ? c->grid[axis] - 1 : tile;
    }
    return between;
}

/* One pixel from the tables at `tables` (those of the channel). */
static float look_up(const struct clahe *c, const float *tables, const struct between *h, const struct between *w, int value)
{
    float line[2];
    for (int k = 0; k < 2; k++) {
        const float *row = tables + h->tile[k] * c->grid[1] * c->channels * VALUES + value;
        line[k] = row[w->tile[0] * c->channels * VALUES] * (1 - w->weight) +
                  row[w->tile[1] * c->channels * VALUES] * w->weight;
    }
    float result = line[0] * (1 - h->weight) + line[1] * h->weight;
    return c->scales ? result / 255.0f * (c->high - c->low) + c->low : result;
}

static void build_tables(const struct clahe *c, const float *x, float *tables)
{
    float pixels = (float)(tile_size(c, 0) * tile_size(c, 1));
    for (int64_t i = 0; i < c->grid[0] * c->grid[1] * c->channels; i++) {
        float *table = tables + i * VALUES;
        int64_t tile = i / c->channels;
        count(c, x, tile / c->grid[1], tile % c->grid[1], i % c->channels, table);
        if (c->clip > 0)
            cap(c, pixels, table);
        sum_up(pixels, table);
    }
}

void clahe_run(const struct clahe *c, int64_t pictures, const float *x, float *y, void *scratch)
{
    float *tables = scratch;
    for (int64_t picture = 0; picture < pictures; picture++) {
        build_tables(c, x, tables);
        for (int64_t i = 0; i < c->height; i++) {
            struct between h = place(c, 0, i);
            for (int64_t j = 0; j < c->width; j++, x += c->channels, y += c->channels) {
                struct between w = place(c, 1, j);
                for (int64_t channel = 0; channel < c->channels; channel++)
                    y[channel] = look_up(c, tables + channel * VALUES, &h, &w, value_of(c, x[channel]));
            }
        }
    }
}
