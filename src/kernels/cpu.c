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
    return isa == KERNELS_GENERIC;
}

bool kernels_select(enum kernels_isa isa)
{
    if (!kernels_supported(isa))
        return false;
    current = isa;
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
