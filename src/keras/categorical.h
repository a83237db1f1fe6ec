/* Categorical: what the layers share that turn categories into numbers. */
#ifndef KD_KERAS_CATEGORICAL_H
#define KD_KERAS_CATEGORICAL_H

#include "base/str.h"
#include "keras/layer.h"

enum categorical_mode {
    CATEGORICAL_INT,
    CATEGORICAL_ONE_HOT,
    CATEGORICAL_MULTI_HOT,
    CATEGORICAL_COUNT,
    CATEGORICAL_TF_IDF
};

/* `salt` of the config, an integer or two; false if there is none. */
bool categorical_read_salt(struct keras_layer *layer, uint64_t ret[2]);
/* config.output_mode, old names included; warns about sparse outputs, which are served dense. */
enum categorical_mode categorical_read_mode(struct keras_layer *layer, enum categorical_mode absent);
/* The type of the result by the layer's dtype: for INT int64 unless the config names another integer type. */
enum dtype categorical_dtype(const struct keras_layer *layer, enum categorical_mode mode);
/* ids [..., L] by mode: INT as they are; ONE_HOT [..., L, depth] ([..., depth] if L is 1); the others [...,
 * depth] over the last axis. weights: like ids or ENGINE_NONE. The result has the given dtype. */
engine_value categorical_encode(const struct keras_layer *layer, struct keras_call *call, engine_value ids,
                                engine_value weights, enum categorical_mode mode, int64_t depth,
                                enum dtype dtype);

/* A vocabulary: special tokens first, then those of config.vocabulary or of the archive's file. */
struct categorical_vocabulary {
    bool is_string;
    int64_t n_tokens;      /* without special tokens */
    const void *tokens;    /* struct str_view or int64_t [n_tokens] */
    int64_t n_oov;
    bool has_mask;
    struct str_view mask_text, oov_text; /* strings */
    int64_t mask_number, oov_number;     /* integers */
};
/* Reads vocabulary, num_oov_indices, mask_token and oov_token; sticky error if there is no vocabulary. A caller
 * whose layer always has a mask token sets has_mask before. */
void categorical_read_vocabulary(struct keras_layer *layer, bool is_string, enum categorical_mode mode,
                                 struct categorical_vocabulary *ret);
/* The keys and values of engine_lookup: tokens from `start` on, the mask token (if it counts) to 0. */
void categorical_table(const struct categorical_vocabulary *vocabulary, const struct keras_layer *layer,
                       struct keras_call *call, int64_t start, bool with_mask, engine_value *ret_keys,
                       engine_value *ret_values);
/* Reads idf_weights for the mode TF_IDF: tf.keras and archives store what was made of them as a weight of the
 * layer, declared here; an .h5 file of Keras 3 does not. Returns the config's value. */
const cJSON *categorical_read_idf(struct keras_layer *layer, enum categorical_mode mode);
/* The factors of the columns, float32 constant [depth]: the stored weight, or the config's list laid over
 * special tokens and vocabulary. */
engine_value categorical_idf(const struct keras_layer *layer, struct keras_call *call, const cJSON *list,
                             int64_t n_special, int64_t depth);

#endif
