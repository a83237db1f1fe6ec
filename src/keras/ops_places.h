/* More of what functions lower to: colours, edges, and selections by position. Each comment gives the order of
 * the parameters, as in ops_math.h. */
#ifndef KD_KERAS_OPS_PLACES_H
#define KD_KERAS_OPS_PLACES_H

#include "keras/ops_math.h"

/* ---- colours and edges (ops_color.c) ---- */
ops_lower_fn ops_hsv;          /* images, data_format; variant: 1 back to red, green, blue */
ops_lower_fn ops_adjust_hue;   /* image, delta */
ops_lower_fn ops_adjust_saturation; /* image, factor */
ops_lower_fn ops_adjust_gamma; /* image, gamma, gain */
ops_lower_fn ops_color_matrix; /* images; variant: 0 to YUV, 1 from it, 2 to YIQ, 3 from it */
ops_lower_fn ops_turn_image;   /* image, k; variant: 1 transposes */
ops_lower_fn ops_image_gradients; /* image */
ops_lower_fn ops_total_variation; /* images */
ops_lower_fn ops_sobel;        /* image */

/* ---- placing by numbers (ops_matrix.c) ---- */
ops_lower_fn ops_diag;         /* diagonal, k (0) */
ops_lower_fn ops_set_diag;     /* x, diagonal, k (0) */
ops_lower_fn ops_reverse_sequence; /* x, lengths, sequence axis, batch axis */
ops_lower_fn ops_segments;     /* x, ids, number; variant: reduce kind */
ops_lower_fn ops_choose;       /* conditions, choices, default */
ops_lower_fn ops_softmax_crossentropy; /* labels, logits, axis */

#endif
