/* Which instruction set the kernels use.
 *
 * The processor says what it can do (CPUID), the operating system which registers it saves (XCR0); both
 * must agree. The compiler's __builtin_cpu_supports asks both. The choice is made once and is
 * process-wide: packed weights depend on it. */
#include "config.h"

#include "kernels/cpu.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "kernels/isa.h"

const struct kernels_table *kernels_table = &kernels_generic;

static enum kernels_isa current = KERNELS_GENERIC;
static bool initialised;

enum kernels_isa kernels_isa(void)
{
    return current;
}

const char *kernels_isa_name(enum kernels_isa isa)
{
    static const char *const names[KERNELS_ISA_COUNT] = {"generic", "avx2", "avx512"};
    KD_ASSERT((unsigned)isa < KERNELS_ISA_COUNT);
    return names[isa];
}

bool kernels_supported(enum kernels_isa isa)
{
#ifdef KD_X86_64
    if (isa == KERNELS_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi2");
    if (isa == KERNELS_AVX512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == KERNELS_GENERIC;
}

static const struct kernels_table *table_of(enum kernels_isa isa)
{
#ifdef KD_X86_64
    if (isa == KERNELS_AVX2)
        return &kernels_avx2;
    if (isa == KERNELS_AVX512)
        return &kernels_avx512;
#endif
    return &kernels_generic;
}

bool kernels_select(enum kernels_isa isa)
{
    if (!kernels_supported(isa))
        return false;
    current = isa;
    kernels_table = table_of(isa);
    return true;
}

/* The instruction set that KERASD_CPU asks for, else the best. */
static enum kernels_isa wanted(void)
{
    const char *name = getenv("KERASD_CPU");
    for (int isa = 0; name && isa < KERNELS_ISA_COUNT; isa++)
        if (strcmp(name, kernels_isa_name(isa)) == 0)
            return isa;
    return KERNELS_ISA_COUNT - 1;
}

void kernels_init(void)
{
    if (initialised)
        return;
    initialised = true;
    openblas_set_num_threads(1);
    for (int isa = wanted(); !kernels_select(isa); isa--)
        KD_ASSERT(isa > 0);
}
