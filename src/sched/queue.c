/* Queue policy: a job at the head is always the next to run, and others ride along where they fit.
 *
 * Batches form by themselves: while all workers are busy jobs pile up, and the worker that becomes free
 * takes what is there. A delay (off by default) only matters for models that gain much from full batches.
 * Because the head is always taken, a job that fits nobody cannot starve; because jobs behind it are passed
 * over and not moved, their order stays. A higher priority goes first and may starve the lower one until
 * its deadlines: that is what the client asked for.
 *
 * With other workers idle the jobs are shared out instead of joined: two workers with half a batch each are
 * done sooner than one with a whole one. */
#include "sched/queue.h"

#include "base/assert.h"
#include "base/err.h"
#include "sched/job.h"

void sched_line_init(struct sched_line *line, const struct sched_limits *limits, size_t n_inputs)
{
    *line = (struct sched_line){.limits = *limits, .n_inputs = n_inputs};
    for (size_t i = 0; i < SCHED_PRIORITIES; i++)
        line->tail[i] = &line->head[i];
}

static void count(struct sched_line *line, size_t n_jobs)
{
    __atomic_store_n(&line->n_jobs, n_jobs, __ATOMIC_RELAXED);
}

int sched_line_push(struct sched_line *line, struct sched_job *job, int64_t now, struct err *err)
{
    if (line->n_jobs >= line->limits.max_jobs)
        return err_set(err, KD_EUNAVAILABLE, "the queue of this model is full: %zu requests wait",
                       line->n_jobs);
    size_t priority = job->priority > 0 ? 0 : job->priority == 0 ? 1 : 2;
    job->submitted_ns = now;
    job->next = NULL;
    *line->tail[priority] = job;
    line->tail[priority] = &job->next;
    count(line, line->n_jobs + 1);
    return 0;
}

/* Unlinks the job that *link points to. */
static struct sched_job *unlink_job(struct sched_line *line, size_t priority, struct sched_job **link)
{
    struct sched_job *job = *link;
    *link = job->next;
    if (line->tail[priority] == &job->next)
        line->tail[priority] = link;
    job->next = NULL;
    count(line, line->n_jobs - 1);
    return job;
}

static bool is_dead(const struct sched_job *job, int64_t now)
{
    return (job->deadline_ns && job->deadline_ns <= now) || __atomic_load_n(&job->dropped, __ATOMIC_RELAXED);
}

struct sched_job *sched_line_expire(struct sched_line *line, int64_t now)
{
    struct sched_job *dead = NULL, **end = &dead;
    for (size_t i = 0; i < SCHED_PRIORITIES; i++) {
        for (struct sched_job **link = &line->head[i]; *link;) {
            if (!is_dead(*link, now)) {
                link = &(*link)->next;
                continue;
            }
            *end = unlink_job(line, i, link);
            end = &(*end)->next;
        }
    }
    return dead;
}

struct sched_job *sched_line_take_all(struct sched_line *line)
{
    struct sched_job *all = NULL, **end = &all;
    for (size_t i = 0; i < SCHED_PRIORITIES; i++) {
        while (line->head[i]) {
            *end = unlink_job(line, i, &line->head[i]);
            end = &(*end)->next;
        }
    }
    return all;
}

int64_t sched_line_deadline(const struct sched_line *line)
{
    int64_t earliest = INT64_MAX;
    for (size_t i = 0; i < SCHED_PRIORITIES; i++)
        for (const struct sched_job *job = line->head[i]; job; job = job->next)
            if (job->deadline_ns && job->deadline_ns < earliest)
                earliest = job->deadline_ns;
    return earliest;
}

bool sched_job_joins(const struct sched_job *a, const struct sched_job *b, size_t n_inputs)
{
    for (size_t i = 0; i < n_inputs; i++) {
        const struct shape *x = &a->inputs[i].shape, *y = &b->inputs[i].shape;
        if (x->rank != y->rank || x->rank == 0)
            return false;
        for (int axis = 1; axis < x->rank; axis++)
            if (x->dim[axis] != y->dim[axis])
                return false;
    }
    return true;
}

/* The batch that is being put together. */
struct taking {
    struct sched_job *batch, **end;
    struct sched_job **dead_end;
    size_t n_jobs, max_jobs;
    int64_t rows;
    size_t bytes;
};

static bool fits(const struct sched_line *line, const struct taking *taking, const struct sched_job *job)
{
    const struct sched_limits *limits = &line->limits;
    if (!taking->batch)
        return true;
    return taking->n_jobs < taking->max_jobs && job->rows <= limits->max_rows - taking->rows &&
           taking->bytes <= limits->max_bytes && job->bytes <= limits->max_bytes - taking->bytes &&
           sched_job_joins(taking->batch, job, line->n_inputs);
}

static bool is_full(const struct sched_line *line, const struct taking *taking)
{
    return taking->batch && (taking->rows >= line->limits.max_rows || taking->n_jobs >= taking->max_jobs);
}

static void take_job(struct sched_line *line, struct taking *taking, size_t priority, struct sched_job **link)
{
    struct sched_job *job = unlink_job(line, priority, link);
    *taking->end = job;
    taking->end = &job->next;
    taking->n_jobs++;
    taking->rows += job->rows;
    taking->bytes += job->bytes;
}

static void take_dead(struct sched_line *line, struct taking *taking, size_t priority,
                      struct sched_job **link)
{
    struct sched_job *job = unlink_job(line, priority, link);
    *taking->dead_end = job;
    taking->dead_end = &job->next;
}

/* Walks the line in order and moves to the batch what fits. Stops looking behind many that do not. */
static void collect(struct sched_line *line, struct taking *taking, int64_t now)
{
    int64_t passed = 0;
    for (size_t i = 0; i < SCHED_PRIORITIES; i++) {
        for (struct sched_job **link = &line->head[i]; *link && !is_full(line, taking);) {
            if (is_dead(*link, now)) {
                take_dead(line, taking, i, link);
            } else if (fits(line, taking, *link)) {
                take_job(line, taking, i, link);
            } else {
                if (++passed > line->limits.max_rows)
                    return;
                link = &(*link)->next;
            }
        }
    }
}

/* The first job that somebody still waits for; those before it go. */
static const struct sched_job *first_alive(struct sched_line *line, struct taking *taking, int64_t now)
{
    for (size_t i = 0; i < SCHED_PRIORITIES; i++) {
        while (line->head[i] && is_dead(line->head[i], now))
            take_dead(line, taking, i, &line->head[i]);
        if (line->head[i])
            return line->head[i];
    }
    return NULL;
}

/* Rows that wait, counted up to a full batch. */
static int64_t waiting_rows(const struct sched_line *line)
{
    int64_t rows = 0, most = line->limits.max_rows;
    for (size_t i = 0; i < SCHED_PRIORITIES; i++)
        for (const struct sched_job *job = line->head[i]; job && rows < most; job = job->next)
            rows += job->rows;
    return rows;
}

struct sched_job *sched_line_take(struct sched_line *line, int64_t now, size_t idle,
                                  struct sched_job **ret_dead, int64_t *ret_wait_ns)
{
    struct taking taking = {.dead_end = ret_dead};
    taking.end = &taking.batch;
    *ret_dead = NULL;
    *ret_wait_ns = 0;
    const struct sched_job *head = first_alive(line, &taking, now);
    if (!head)
        return NULL;
    int64_t ripe_ns = head->submitted_ns + line->limits.delay_ns;
    if (line->limits.delay_ns && now < ripe_ns && waiting_rows(line) < line->limits.max_rows) {
        *ret_wait_ns = ripe_ns;
        return NULL;
    }
    taking.max_jobs = (line->n_jobs + idle) / (idle + 1);
    collect(line, &taking, now);
    KD_ASSERT(taking.batch);
    return taking.batch;
}
