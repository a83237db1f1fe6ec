/* lock: mutexes with ranks. Release builds pay nothing beyond the mutex; debug builds (--enable-debug) keep the
 * ranks that the thread holds and abort when one is taken out of order, so that a possible deadlock is found by
 * any run that takes the two locks, not only by the unlucky one. */
#include "config.h"

#include "base/lock.h"

#include <time.h>

#include "base/assert.h"

#ifdef KD_DEBUG
#define HELD_MAX 16
static _Thread_local int held[HELD_MAX];
static _Thread_local int n_held;

static void note_take(const struct lock *lock)
{
    KD_ASSERT(n_held < HELD_MAX);
    KD_ASSERT(n_held == 0 || held[n_held - 1] < (int)lock->rank);
    held[n_held++] = (int)lock->rank;
}

static void note_give(const struct lock *lock)
{
    int i = n_held - 1;
    while (i >= 0 && held[i] != (int)lock->rank)
        i--;
    KD_ASSERT(i >= 0);
    for (; i + 1 < n_held; i++)
        held[i] = held[i + 1];
    n_held--;
}
#else
static void note_take(const struct lock *lock)
{
    (void)lock;
}

static void note_give(const struct lock *lock)
{
    (void)lock;
}
#endif

void lock_init(struct lock *lock, enum lock_rank rank)
{
    KD_ASSERT(pthread_mutex_init(&lock->mutex, NULL) == 0);
    lock->rank = rank;
}

void lock_done(struct lock *lock)
{
    KD_ASSERT(pthread_mutex_destroy(&lock->mutex) == 0);
}

void lock_take(struct lock *lock)
{
    note_take(lock);
    KD_ASSERT(pthread_mutex_lock(&lock->mutex) == 0);
}

void lock_give(struct lock *lock)
{
    note_give(lock);
    KD_ASSERT(pthread_mutex_unlock(&lock->mutex) == 0);
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attributes;
    KD_ASSERT(pthread_condattr_init(&attributes) == 0);
    KD_ASSERT(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    KD_ASSERT(pthread_cond_init(&cond->cond, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

void cond_done(struct cond *cond)
{
    KD_ASSERT(pthread_cond_destroy(&cond->cond) == 0);
}

void cond_wait(struct cond *cond, struct lock *lock)
{
    KD_ASSERT(pthread_cond_wait(&cond->cond, &lock->mutex) == 0);
}

bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_ns)
{
    struct timespec deadline = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000};
    return pthread_cond_timedwait(&cond->cond, &lock->mutex, &deadline) == 0;
}

void cond_signal(struct cond *cond)
{
    pthread_cond_signal(&cond->cond);
}

void cond_broadcast(struct cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}
