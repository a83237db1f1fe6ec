/* Memory: what may still be used, by the machine and by the cgroup, whichever is less. Refusing a load with
 * a sentence beats being killed by the kernel in the middle of it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "registry/model.h"

#define CGROUP "/sys/fs/cgroup/"

/* The number in a file that holds nothing else; false for "max" and absent files. */
static bool read_number(const char *path, uint64_t *ret)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool ok = fscanf(file, "%" SCNu64, ret) == 1;
    fclose(file);
    return ok;
}

/* The value of a line "NAME value ..." of a file. */
static bool read_line_number(const char *path, const char *name, uint64_t *ret)
{
    char line[256];
    FILE *file = fopen(path, "re");
    bool ok = false;
    if (!file)
        return false;
    while (!ok && fgets(line, sizeof(line), file))
        ok = strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), "%" SCNu64, ret) == 1;
    fclose(file);
    return ok;
}

static uint64_t machine_available(void)
{
    uint64_t kilobytes;
    return read_line_number("/proc/meminfo", "MemAvailable:", &kilobytes) ? kilobytes * 1024 : UINT64_MAX;
}

/* The page cache that a cgroup holds gives way; only inactive pages are counted as free. */
static uint64_t cgroup_available(void)
{
    uint64_t limit, used, cache = 0;
    if (read_number(CGROUP "memory.max", &limit) && read_number(CGROUP "memory.current", &used)) {
        read_line_number(CGROUP "memory.stat", "inactive_file ", &cache);
    } else if (read_number(CGROUP "memory/memory.limit_in_bytes", &limit) &&
               read_number(CGROUP "memory/memory.usage_in_bytes", &used)) {
        read_line_number(CGROUP "memory/memory.stat", "total_inactive_file ", &cache);
    } else {
        return UINT64_MAX;
    }
    used = used > cache ? used - cache : 0;
    return limit > used ? limit - used : 0;
}

int registry_memory_check(uint64_t bytes, struct err *err)
{
    uint64_t machine = machine_available(), cgroup = cgroup_available();
    uint64_t available = machine < cgroup ? machine : cgroup;
    if (bytes <= available)
        return 0;
    return err_set(err, KD_ENOMEM,
                   "the model needs about %" PRIu64 " MiB more memory and %" PRIu64 " MiB are free%s",
                   bytes >> 20, available >> 20, cgroup < machine ? " in the cgroup" : "");
}
