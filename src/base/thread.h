/* Threads with names, and the number of cores that we may use. */
#ifndef KD_BASE_THREAD_H
#define KD_BASE_THREAD_H

#include <pthread.h>

struct err;

/* Starts fn(argument) with all signals blocked and a name of at most 15 bytes. */
int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *), void *argument,
                 struct err *err);
/* CPUs by affinity mask and cgroup v2/v1 quota, rounded up; at least 1. */
int thread_cpu_count(void);

#endif
