/* thread: start a named thread that no signal interrupts, and count the cores that are ours. Containers limit CPU by
 * affinity (cpusets) or by quota; a pool as wide as the machine would only be throttled. */
#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *argument, struct err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int errnum = pthread_create(ret, NULL, fn, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (errnum)
        return err_errno(err, errnum, "cannot start the thread '%s'", name);
    char short_name[16];
    snprintf(short_name, sizeof(short_name), "%s", name);
    pthread_setname_np(*ret, short_name);
    return 0;
}

static int read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int got = fgets(line, size, file) != NULL;
    fclose(file);
    return got;
}

/* CPUs by the quota of the process's own cgroup as a container sees it; 0 for no limit. */
static int quota_cpus(void)
{
    char line[64];
    long quota = -1, period = 0;
    if (read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line))) {
        if (sscanf(line, "%ld %ld", &quota, &period) != 2)
            return 0;
    } else if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof(line))) {
        quota = atol(line);
        if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof(line)))
            period = atol(line);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return (int)((quota + period - 1) / period);
}

int thread_cpu_count(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = quota_cpus();
    if (quota > 0 && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}
