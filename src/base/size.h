/* Checked size arithmetic: sizes are multiplied and added only through these. */
#ifndef KD_BASE_SIZE_H
#define KD_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True on success, false on overflow (then *ret is untouched). */
static inline bool size_mul(size_t a, size_t b, size_t *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

static inline bool size_add(size_t a, size_t b, size_t *ret)
{
    return !__builtin_add_overflow(a, b, ret);
}

static inline size_t size_align(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

#define KD_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
