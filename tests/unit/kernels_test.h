/* What the tests of the kernels share: reproducible numbers, and every test run once per instruction set
 * that this processor has. */
#ifndef KD_TESTS_KERNELS_TEST_H
#define KD_TESTS_KERNELS_TEST_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kernels/cpu.h"
#include "unit.h"

static uint64_t random_state = 88172645463325252u;

/* xorshift; in [-1, 1). */
static inline float random_float(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (float)((double)(random_state >> 11) / (double)(1ull << 52) - 1);
}

static inline void *test_memory(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (!memory)
        abort();
    return memory;
}

static inline float *random_floats(int64_t n)
{
    float *x = test_memory((size_t)n * sizeof(float));
    for (int64_t i = 0; i < n; i++)
        x[i] = random_float();
    return x;
}

/* The largest |a - b| / (1 + |b|); infinity if one is NaN and the other is not. */
static inline double worst_difference(const float *a, const float *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]) / (1 + fabs((double)b[i]));
        if (isnan(a[i]) || isnan(b[i]) || isinf(b[i]))
            d = (isnan(a[i]) && isnan(b[i])) || a[i] == b[i] ? 0 : INFINITY;
        worst = d > worst ? d : worst;
    }
    return worst;
}

/* Runs the table of tests once per supported instruction set. */
static inline int kernels_main(const char *suite, const struct unit_test *tests, size_t n_tests)
{
    int failed = 0;
    kernels_init();
    for (int isa = 0; isa < KERNELS_ISA_COUNT; isa++) {
        char name[64];
        if (!kernels_select(isa))
            continue;
        snprintf(name, sizeof(name), "%s %s", suite, kernels_isa_name(isa));
        failed |= unit_main(name, tests, n_tests);
    }
    return failed;
}

#endif
