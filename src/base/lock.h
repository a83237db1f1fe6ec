/* Mutexes and conditions with ranks: a thread may only take a lock of a higher rank than those it
 * holds. Debug builds abort on a violation, so a deadlock cannot hide. */
#ifndef KD_BASE_LOCK_H
#define KD_BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* The one table of ranks, outermost first. */
enum lock_rank {
    LOCK_RANK_LOADER = 10,   /* registry: the serialised loader queue */
    LOCK_RANK_REGISTRY = 20, /* registry: names, versions, the published pointers */
    LOCK_RANK_MODEL = 30,    /* one model's statistics */
    LOCK_RANK_QUEUE = 40,    /* sched: one model's queue and the ready list */
    LOCK_RANK_CONNECTION = 50, /* http: one connection's hand-over */
    LOCK_RANK_PLAN = 60,     /* engine: the plan cache of one engine */
    LOCK_RANK_METRICS = 70,  /* obs */
    LOCK_RANK_LOG = 80       /* obs: the log's writer */
};

struct lock {
    pthread_mutex_t mutex;
    enum lock_rank rank;
};

struct cond {
    pthread_cond_t cond; /* on CLOCK_MONOTONIC */
};

void lock_init(struct lock *lock, enum lock_rank rank);
void lock_done(struct lock *lock);
void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

void cond_init(struct cond *cond);
void cond_done(struct cond *cond);
void cond_wait(struct cond *cond, struct lock *lock);
/* False when deadline_ns (clock_now_ns time) passed. */
bool cond_wait_until(struct cond *cond, struct lock *lock, int64_t deadline_ns);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

#endif
