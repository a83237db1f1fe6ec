/* Queue policy: who waits, who rides together, who has waited too long. Pure: no threads, no locks, no clock;
 * the caller holds its own lock and passes the time in (nanoseconds). */
#ifndef KD_SCHED_QUEUE_H
#define KD_SCHED_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct sched_job;

struct sched_limits {
    int64_t max_rows;  /* of a joined batch; 1: jobs are never joined */
    int64_t delay_ns;  /* how long a batch that is not full may wait for more */
    size_t max_bytes;  /* of a joined batch's inputs */
    size_t max_jobs;   /* waiting at once */
};

enum { SCHED_PRIORITIES = 3 }; /* sooner, ordinary, later */

/* Jobs in order of arrival per priority. */
struct sched_line {
    struct sched_limits limits;
    size_t n_inputs; /* of each job */
    struct sched_job *head[SCHED_PRIORITIES], **tail[SCHED_PRIORITIES];
    size_t n_jobs; /* written under the lock, read by anybody (atomically) */
};

void sched_line_init(struct sched_line *line, const struct sched_limits *limits, size_t n_inputs);

/* Puts the job at the end of its priority. KD_EUNAVAILABLE when max_jobs wait. */
int sched_line_push(struct sched_line *line, struct sched_job *job, int64_t now, struct err *err);

/* Takes what to run next: the first job, and behind it those that may ride with it (equal shapes but for
 * dimension 0) up to the limits. Jobs are shared with `idle` other workers that wait for work: of n jobs no
 * more than n / (idle + 1), rounded up, are taken. Jobs that nobody waits for any more are skipped into
 * *ret_dead. Returns the list (linked by next), or NULL: nothing waits, or it may wait until *ret_wait_ns
 * (0 otherwise). */
struct sched_job *sched_line_take(struct sched_line *line, int64_t now, size_t idle,
                                  struct sched_job **ret_dead, int64_t *ret_wait_ns);

/* Removes the jobs whose deadline has come and those that were dropped. Returns the list. */
struct sched_job *sched_line_expire(struct sched_line *line, int64_t now);

/* Everything that waits. */
struct sched_job *sched_line_take_all(struct sched_line *line);

/* The earliest deadline, INT64_MAX if there is none. */
int64_t sched_line_deadline(const struct sched_line *line);

/* May the two run in one batch? */
bool sched_job_joins(const struct sched_job *a, const struct sched_job *b, size_t n_inputs);

#endif
