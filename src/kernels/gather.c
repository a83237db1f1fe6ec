/* Indexed reads, one-hot rows and bands. Every index is checked: the first bad one is reported, and the
 * result is then unspecified. */
#include <string.h>

#include "kernels/movement.h"

/* Rewrites a negative index if it may wrap; false if out of range. */
static bool resolve(int64_t *index, int64_t n, bool wrap)
{
    if (wrap && *index < 0)
        *index += n;
    return *index >= 0 && *index < n;
}

int64_t gather_run(const struct gather *gather, size_t size, const void *x, const int64_t *indices, void *y)
{
    size_t line = (size_t)gather->inner * size;
    const char *from = x;
    char *to = y;
    for (int64_t b = 0; b < gather->batch; b++, indices += gather->m) {
        for (int64_t i = 0; i < gather->m; i++) {
            int64_t index = indices[i];
            if (!resolve(&index, gather->n, gather->wrap))
                return b * gather->m + i;
        }
        for (int64_t o = 0; o < gather->outer; o++, from += (size_t)gather->n * line)
            for (int64_t i = 0; i < gather->m; i++, to += line) {
                int64_t index = indices[i];
                resolve(&index, gather->n, gather->wrap);
                memcpy(to, from + (size_t)index * line, line);
            }
    }
    return -1;
}

int64_t gather_nd_run(const struct gather_nd *gather, size_t size, const void *x, const int64_t *indices,
                      void *y)
{
    size_t line = (size_t)gather->inner * size, sample = line;
    char *to = y;
    for (int i = 0; i < gather->depth; i++)
        sample *= (size_t)gather->dim[i];
    for (int64_t row = 0; row < gather->batch * gather->m; row++, indices += gather->depth, to += line) {
        int64_t at = 0;
        for (int i = 0; i < gather->depth; i++) {
            int64_t index = indices[i];
            if (!resolve(&index, gather->dim[i], false))
                return row;
            at = at * gather->dim[i] + index;
        }
        memcpy(to, (const char *)x + (size_t)(row / gather->m) * sample + (size_t)at * line, line);
    }
    return -1;
}

#define ONE_HOT(name, type)                                                                        \
    void name(int64_t outer, int64_t depth, int64_t inner, const int64_t *indices, type on, type off, \
              type *y)                                                                             \
    {                                                                                              \
        for (int64_t i = 0; i < outer * depth * inner; i++)                                        \
            y[i] = off;                                                                            \
        for (int64_t i = 0; i < outer * inner; i++)                                                \
            if (indices[i] >= 0 && indices[i] < depth)                                             \
                y[(i / inner * depth + indices[i]) * inner + i % inner] = on;                      \
    }
ONE_HOT(one_hot_f32, float)
ONE_HOT(one_hot_i64, int64_t)

void band_part(int64_t batch, int64_t rows, int64_t columns, int64_t lower, int64_t upper, size_t size,
               const void *x, void *y)
{
    char *to = y;
    if (x != y)
        memcpy(y, x, (size_t)(batch * rows * columns) * size);
    for (int64_t i = 0; i < batch * rows; i++, to += (size_t)columns * size) {
        int64_t row = i % rows;
        int64_t first = lower < 0 || row - lower < 0 ? 0 : row - lower;
        int64_t last = upper < 0 || row + upper + 1 > columns ? columns : row + upper + 1;
        first = first > columns ? columns : first;
        memset(to, 0, (size_t)first * size);
        memset(to + (size_t)last * size, 0, (size_t)(columns - last) * size);
    }
}
