/* Buckets, counts, vocabularies and hashing.
 *
 * A vocabulary is an open-addressing table of positions into the keys: twice the keys, rounded up to a
 * power of two, at most half full, so a probe run is short. */
#include "kernels/lookup.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/size.h"
#include "kernels/hash.h"

/* Boundaries <= x: a binary search. */
static int64_t bucket(const float *boundaries, int64_t n, double x)
{
    int64_t low = 0, high = n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if ((double)boundaries[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void bucketize_f32(const float *boundaries, int64_t n_boundaries, const float *x, int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = bucket(boundaries, n_boundaries, x[i]);
}

void bucketize_i64(const float *boundaries, int64_t n_boundaries, const int64_t *x, int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = bucket(boundaries, n_boundaries, (double)x[i]);
}

int64_t encode_run(int64_t rows, int64_t length, int64_t depth, bool count, const int64_t *ids,
                   const float *weights, float *y)
{
    memset(y, 0, (size_t)(rows * depth) * sizeof(*y));
    for (int64_t i = 0; i < rows * length; i++) {
        if (ids[i] >= depth)
            return i;
        if (ids[i] < 0)
            continue;
        float *to = y + i / length * depth + ids[i];
        *to = count ? *to + (weights ? weights[i] : 1) : 1;
    }
    return -1;
}

/* Followed by int64_t slot[size]: position + 1, or 0. */
struct table {
    uint64_t mask; /* size - 1 */
    int64_t slot[];
};

static bool table_size(int64_t n, size_t *ret)
{
    size_t size = 2;
    while (size / 2 < (size_t)n)
        if (!size_mul(size, 2, &size))
            return false;
    *ret = size;
    return true;
}

bool lookup_table_bytes(int64_t n, size_t *ret)
{
    size_t size, bytes;
    return table_size(n, &size) && size_mul(size, sizeof(int64_t), &bytes) &&
           size_add(bytes, sizeof(struct table), ret);
}

static uint64_t hash_i64(int64_t key)
{
    uint64_t h = (uint64_t)key * UINT64_C(0x9e3779b97f4a7c15);
    return h ^ h >> 32;
}

static bool same_str(const struct str_view *a, const struct str_view *b)
{
    return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

/* The slot that holds the key, or the free one where it belongs. */
static uint64_t find_str(const struct lookup *lookup, const struct table *table, const struct str_view *key)
{
    uint64_t at = hash_fingerprint64(key->data, key->length) & table->mask;
    while (table->slot[at] && !same_str(&lookup->strings[table->slot[at] - 1], key))
        at = (at + 1) & table->mask;
    return at;
}

static uint64_t find_i64(const struct lookup *lookup, const struct table *table, int64_t key)
{
    uint64_t at = hash_i64(key) & table->mask;
    while (table->slot[at] && lookup->integers[table->slot[at] - 1] != key)
        at = (at + 1) & table->mask;
    return at;
}

void lookup_table_build(const struct lookup *lookup, void *memory)
{
    struct table *table = memory;
    size_t size;
    bool fits = table_size(lookup->n, &size);
    KD_ASSERT(fits && !lookup->strings != !lookup->integers);
    table->mask = size - 1;
    memset(table->slot, 0, size * sizeof(table->slot[0]));
    for (int64_t i = 0; i < lookup->n; i++) {
        uint64_t at = lookup->strings ? find_str(lookup, table, &lookup->strings[i])
                                      : find_i64(lookup, table, lookup->integers[i]);
        if (table->slot[at] == 0)
            table->slot[at] = i + 1;
    }
}

static int64_t oov_bucket(int64_t n, const struct str_view *key)
{
    return n == 1 ? 0 : (int64_t)(hash_fingerprint64(key->data, key->length) % (uint64_t)n);
}

int64_t lookup_run_str(const struct lookup *lookup, const void *table, const struct lookup_oov *oov,
                       const struct str_view *x, int64_t *y, int64_t n)
{
    const struct table *t = table;
    for (int64_t i = 0; i < n; i++) {
        int64_t found = t->slot[find_str(lookup, t, &x[i])];
        if (found)
            y[i] = lookup->values[found - 1];
        else if (oov->n == 0)
            return i;
        else
            y[i] = oov->start + oov_bucket(oov->n, &x[i]);
    }
    return -1;
}

int64_t lookup_run_i64(const struct lookup *lookup, const void *table, const struct lookup_oov *oov,
                       const int64_t *x, int64_t *y, int64_t n)
{
    const struct table *t = table;
    for (int64_t i = 0; i < n; i++) {
        int64_t found = t->slot[find_i64(lookup, t, x[i])];
        if (found)
            y[i] = lookup->values[found - 1];
        else if (oov->n == 0)
            return i;
        else
            y[i] = oov->start + (x[i] % oov->n + oov->n) % oov->n;
    }
    return -1;
}

static int64_t bin_of(int64_t bins, const uint64_t *salt, bool masked, const char *data, size_t length)
{
    uint64_t h = salt ? hash_siphash24(salt[0], salt[1], data, length) : hash_fingerprint64(data, length);
    return masked ? (int64_t)(h % (uint64_t)(bins - 1)) + 1 : (int64_t)(h % (uint64_t)bins);
}

void hash_run_str(int64_t bins, const uint64_t *salt, const struct str_view *mask, const struct str_view *x,
                  int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = mask && same_str(&x[i], mask) ? 0 : bin_of(bins, salt, mask != NULL, x[i].data, x[i].length);
}

void hash_run_i64(int64_t bins, const uint64_t *salt, const int64_t *mask, const int64_t *x, int64_t *y,
                  int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        char text[24];
        int length = snprintf(text, sizeof(text), "%lld", (long long)x[i]);
        y[i] = mask && x[i] == *mask ? 0 : bin_of(bins, salt, mask != NULL, text, (size_t)length);
    }
}

void hash_cross_start(uint64_t *h, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        h[i] = HASH_CROSS_START;
}

void hash_cross_str(uint64_t *h, const struct str_view *x, int64_t x_step, int64_t n)
{
    for (int64_t i = 0; i < n; i++, x += x_step)
        h[i] = hash_fingerprint_cat64(h[i], hash_fingerprint64(x->data, x->length));
}

void hash_cross_i64(uint64_t *h, const int64_t *x, int64_t x_step, int64_t n)
{
    for (int64_t i = 0; i < n; i++, x += x_step)
        h[i] = hash_fingerprint_cat64(h[i], (uint64_t)*x);
}

void hash_cross_finish(const uint64_t *h, int64_t bins, int64_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (int64_t)(h[i] % (uint64_t)bins);
}
