/* Inside of the kernels: the loops that exist once per instruction set, as a table of functions.
 *
 * isa.inc defines them all; isa_generic.c, isa_avx2.c and isa_avx512.c compile it with their own flags. The
 * drivers (gemm.c, conv.c ...) split the work and call through kernels_table. */
#ifndef KD_KERNELS_ISA_H
#define KD_KERNELS_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/math.h"

#define UNARY_BLOCK 16
#define TILE_MAX_ROWS 8
#define TILE_MAX_PANEL 64

/* A few rows of a product times one panel of packed weights:
 * y[r][c] = sum over taps t, i < k of x[t * x_step + r][x_offset + i] w[(t k + i) * pitch + c], and then
 * + (continues ? y[r][c] : bias[c] + add[r][c]), clamped if so wished. Each element is summed in the same
 * order whatever the number of rows. */
struct tile {
    int rows;    /* 1 .. what tile_rows() says for the columns */
    int columns; /* 1 .. panel; pitch is this rounded up to whole vectors. Or wide_panels[rows - 1] panels */
    int64_t taps, k;
    const float *const *x;
    int64_t x_step;   /* pointers between taps */
    int64_t x_offset; /* added to every pointer */
    const float *w;          /* 64-byte aligned */
    int64_t panel_step;      /* floats from one panel to the next */
    const float *bias;       /* or NULL */
    const float *const *add; /* a pointer per row, or NULL */
    int64_t column;          /* added to the pointers of add and y */
    float *const *y;
    bool continues; /* adds to y instead of bias and add */
    bool clamps;    /* y < low -> low, y > high -> high; NaN stays */
    float low, high;
};

/* Windows over whole pixels, channel by channel: a run of outputs of one line, all with the same taps.
 * Output i sees the taps (a, b, c) < n at x + i * x_stride + a * x_step[0] + b * x_step[1] + c * x_step[2].
 */
struct strip {
    int64_t count, channels;
    int64_t x_channels; /* differs from channels only for depthwise_expand */
    int64_t n[3], x_step[3], w_step[3];
    const float *x;
    int64_t x_stride;
    const float *w;    /* depthwise: [taps..., channels] */
    const float *bias; /* depthwise: [channels] or NULL */
    float *y;          /* outputs lie `channels` apart */
    bool clamps;       /* depthwise, as in struct tile */
    float low, high;
};

/* The way back of a Winograd tile: 36 rows `slice` apart at m to 4x4 pixels. */
struct wino_output {
    const float *m;
    int64_t slice, channels;
    const float *bias; /* [channels] or NULL */
    bool adds, clamps; /* clamps as in struct tile */
    float low, high;
    const float *add[16];
    float *y[16]; /* NULL: not wanted */
};

/* Reductions of contiguous lines, and of lines a stride apart to one line; see lines.inc. */
struct kernels_lines {
    float (*max)(const float *x, int64_t n);
    float (*min)(const float *x, int64_t n);
    double (*sum)(const float *x, int64_t n);
    double (*squares)(const float *x, int64_t n, float centre);
    double (*exp)(const float *x, int64_t n, float max, float *y);
    void (*scale)(const float *x, int64_t n, float centre, float factor, float *y);
    void (*affine)(const float *x, int64_t n, float centre, float factor, const float *scale,
                   const float *shift, float *y);
    void (*columns_max)(const float *x, int64_t rows, int64_t stride, int64_t n, float *best);
    void (*columns_min)(const float *x, int64_t rows, int64_t stride, int64_t n, float *best);
    void (*columns_sum)(const float *x, int64_t rows, int64_t stride, int64_t n, double *sum);
    void (*columns_squares)(const float *x, int64_t rows, int64_t stride, int64_t n, const float *centre,
                            double *sum);
    void (*columns_exp)(const float *x, int64_t rows, int64_t stride, int64_t n, const float *max, float *y,
                        double *sum);
    void (*columns_affine)(const float *x, int64_t rows, int64_t stride, int64_t n, const float *centre,
                           const float *factor, const float *shift, float *y);
};

/* deep_rows x 4 outputs of a depthwise convolution. */
#define DEEP_MAX_INPUTS 77
struct deep_tile {
    const float *x[DEEP_MAX_INPUTS]; /* the inputs, line by line: ((rows - 1) stride + k) x (3 stride + k) */
    const float *w;                  /* [k, k, channels] */
    const float *bias;               /* or NULL */
    int64_t channels;
    float *y[8]; /* NULL: not wanted */
    bool clamps; /* as in struct tile */
    float low, high;
};

struct kernels_table {
    int vector;         /* floats of a vector */
    int panel;          /* columns of a panel of packed weights */
    int wide_panels[2]; /* full panels that one row, two rows take side by side; 1: no more than one */
    void (*tile)(const struct tile *tile);
    int deep_rows;
    /* Kernels of 3x3 and 5x5 (or NULL), by stride - 1. */
    void (*deep[2][2])(const struct deep_tile *tile);
    void (*depthwise)(const struct strip *strip); /* y = bias + sum of x w */
    /* The same with channels = x_channels * multiplier; output c * multiplier + m sees input c. */
    void (*depthwise_expand)(const struct strip *strip);
    void (*pool_max)(const struct strip *strip);  /* NaN loses; nothing: the lowest float */
    void (*pool_mean)(const struct strip *strip); /* nothing: NaN */
    /* By enum unary_kind, NULL where there is none; n is a multiple of UNARY_BLOCK. */
    void (*const *unary)(const struct unary *function, const float *x, float *y, int64_t n);
    /* Winograd's transforms (winograd.inc); channels are multiples of 16. */
    void (*wino_input)(const float *const *x, int64_t channels, float *v, int64_t slice);
    void (*wino_output)(const struct wino_output *output);
    void (*wino_weights)(const float *w, int64_t tap, int64_t n, float *const *u);
    /* Gates with sigmoid and tanh; layouts: gates.inc. */
    void (*lstm)(int64_t units, const float *z, float *h, float *c);
    const struct kernels_lines *lines;
    /* By enum binary_kind, NULL where there is none; steps 0 or 1. */
    void (*const *binary)(const float *x, int64_t x_step, const float *y, int64_t y_step, float *z,
                          int64_t n);
    void (*i64_to_f32)(const int64_t *x, float *y, int64_t n);
    void (*gru)(int64_t units, const float *share, const float *q, float *h);
};

extern const struct kernels_table kernels_generic, kernels_avx2, kernels_avx512;
/* The one in use. */
extern const struct kernels_table *kernels_table;

/* Most rows of a tile with so many vectors: what the registers hold beside the weights. */
static inline int tile_rows(int vectors)
{
    return vectors * kernels_table->vector == kernels_table->panel ? 6 : 8;
}

#endif
