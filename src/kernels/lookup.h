/* Preprocessing of integers and strings: buckets, counts, vocabularies, hashing, text. */
#ifndef KD_KERNELS_LOOKUP_H
#define KD_KERNELS_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* y = number of boundaries (ascending) <= x; NaN: all of them. */
void bucketize_f32(const float *boundaries, int64_t n_boundaries, const float *x, int64_t *y, int64_t n);
void bucketize_i64(const float *boundaries, int64_t n_boundaries, const int64_t *x, int64_t *y, int64_t n);

/* ids [rows, length] -> y [rows, depth]: 1 where an id occurs, or (count) how often, or with weights [rows,
 * length] the sum of them. Negative ids are skipped. Returns -1, or the position of the first id >= depth. */
int64_t encode_run(int64_t rows, int64_t length, int64_t depth, bool count, const int64_t *ids,
                   const float *weights, float *y);

/* A vocabulary: an open-addressing table over keys that someone else owns. Exactly one of strings and
 * integers is set; of equal keys the first counts. */
struct lookup {
    int64_t n;
    const struct str_view *strings;
    const int64_t *integers;
    const int64_t *values;
};
/* Table memory, 8-byte aligned; false on overflow. */
bool lookup_table_bytes(int64_t n, size_t *ret);
void lookup_table_build(const struct lookup *lookup, void *table);
/* Where unknown keys go: n buckets from start on. Several: strings by Fingerprint64 mod n, integers by
 * value mod n (never negative). n 0: unknown keys are an error. */
struct lookup_oov {
    int64_t start, n;
};
/* Returns -1, or the position of the first unknown key if that is an error. */
int64_t lookup_run_str(const struct lookup *lookup, const void *table, const struct lookup_oov *oov,
                       const struct str_view *x, int64_t *y, int64_t n);
int64_t lookup_run_i64(const struct lookup *lookup, const void *table, const struct lookup_oov *oov,
                       const int64_t *x, int64_t *y, int64_t n);

/* Keras's Hashing: Fingerprint64 (salt: SipHash-2-4 with that key) of the string, or of the integer's
 * decimal text, mod bins. With a mask value: that value gives 0, others hash mod (bins - 1) + 1. salt and
 * mask may be NULL. */
void hash_run_str(int64_t bins, const uint64_t *salt, const struct str_view *mask, const struct str_view *x,
                  int64_t *y, int64_t n);
void hash_run_i64(int64_t bins, const uint64_t *salt, const int64_t *mask, const int64_t *x, int64_t *y,
                  int64_t n);

/* HashedCrossing: for each input in turn h[i] = cat(h[i], fingerprint of x[i * x_step]) (x_step 0: one
 * value for all), h starting as HASH_CROSS_START; then modulo. Integers are their own fingerprint. */
void hash_cross_start(uint64_t *h, int64_t n);
void hash_cross_str(uint64_t *h, const struct str_view *x, int64_t x_step, int64_t n);
void hash_cross_i64(uint64_t *h, const int64_t *x, int64_t x_step, int64_t n);
void hash_cross_finish(const uint64_t *h, int64_t bins, int64_t *y, int64_t n);

enum text_split { TEXT_SPLIT_NONE, TEXT_SPLIT_WHITESPACE, TEXT_SPLIT_CHARACTER };

/* TextVectorization up to token ids. */
struct text {
    bool lower;             /* ASCII letters only */
    bool strip_punctuation; /* !"#$%&()*+,-./:;<=>?@[\]^_`{|}~' are deleted, not replaced */
    enum text_split split;
    const int *ngrams; /* sizes, in order of output; NULL: the tokens themselves */
    int n_ngrams;
    struct lookup lookup;
    const void *table;
    int64_t oov; /* id of unknown tokens */
};
/* Scratch for strings up to this length, 8-byte aligned; false on overflow. */
bool text_scratch(const struct text *text, size_t longest, size_t *ret);
/* Writes the first `room` ids of the string, returns how many there are in all (room 0, ids NULL: counts). */
int64_t text_ids(const struct text *text, struct str_view string, int64_t *ids, int64_t room, void *scratch);

#endif
