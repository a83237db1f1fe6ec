/* Pool: workers take what the policy gives them, run it, and answer.
 *
 * One lock guards all queues, the list of queues that have jobs (served in turn, so that a busy model cannot
 * starve another) and the list of jobs that are computed in parts. A worker holds it only to choose its next
 * work; running and answering happen outside.
 *
 *   submit ─► line of its queue ─► ready list ─► a worker takes a batch ─► run ─► done, done, done
 *                     │                              └─ one job, many rows: parts list ─► several workers
 *                     └─ deadline passed: the timer thread takes it out ─► done with KD_ETIMEOUT
 *
 * Every accepted job is answered exactly once: by the worker that ran it (the one that ended its last
 * part), by the timer, or by the stop. After the answer neither job nor queue is touched: the submitter may
 * free both. Cheap jobs never get here: sched_try_inline runs them in the submitter's thread, with memory
 * of that thread. */
#include "sched/pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/size.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "sched/batch.h"
#include "sched/job.h"

#define MAX_WORKERS 1024
/* A job that takes less than this in all is not worth waking others for. */
#define MIN_PARTED_NS 200000
/* Joining pays if 8 rows together cost less than this share of 8 rows alone. */
#define JOIN_GAIN 0.8

struct sched_queue {
    struct sched_line line;
    struct sched_pool *pool;
    struct engine *engine;
    double row_ns; /* estimated time of a row; 0: shapes vary, ask the plan */
    bool batchable;
    bool parts;    /* rows can be computed in parts */
    bool ready;    /* on the ready list */
    struct metrics_cells *cells;
    struct sched_queue *next_ready;
    struct sched_queue *next, **link; /* all queues */
};

struct worker {
    struct sched_pool *pool;
    struct sched_memory *memory;
    pthread_t thread;
};

struct sched_pool {
    struct sched_pool_options options;
    struct lock lock;
    struct cond work;  /* something to take, or stopping */
    struct cond timer; /* an earlier deadline, or stopping */
    struct cond quiet; /* nothing waits or runs */
    struct sched_queue *queues;
    struct sched_queue *ready, **ready_end;
    struct sched_job *parted, **parted_end; /* jobs with rows that nobody has taken */
    size_t n_jobs; /* accepted and not answered; atomic: also read by the watchdog */
    size_t bytes;  /* of their inputs; atomic */
    uint64_t n_answered; /* atomic */
    uint64_t answered_before;
    int64_t next_deadline_ns; /* the timer wakes then; never later than the earliest deadline */
    int n_idle;
    bool stopping;
    int n_workers;
    struct worker *workers;
    pthread_t timer_thread;
    bool timer_running;
};

/* What a worker does next. */
struct work {
    struct sched_queue *queue;
    struct sched_job *jobs; /* a batch, */
    struct sched_job *part; /* or rows [from, to) of a job, */
    int64_t from, to;
    struct sched_job *dead; /* and jobs to be answered with a time-out */
    int others; /* idle workers at that time */
};

/* ---- answers ---- */

static void answer(struct sched_pool *pool, struct sched_job *job)
{
    __atomic_sub_fetch(&pool->bytes, job->bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&pool->n_answered, 1, __ATOMIC_RELAXED);
    job->done(job);
    if (__atomic_sub_fetch(&pool->n_jobs, 1, __ATOMIC_RELAXED) > 0)
        return;
    lock_take(&pool->lock);
    cond_broadcast(&pool->quiet);
    lock_give(&pool->lock);
}

static void answer_all(struct sched_pool *pool, struct sched_job *jobs)
{
    while (jobs) {
        struct sched_job *job = jobs;
        jobs = job->next;
        answer(pool, job);
    }
}

static void refuse_all(struct sched_pool *pool, struct sched_job *jobs, int code, const char *sentence)
{
    int64_t now = clock_now_ns();
    for (struct sched_job *job = jobs; job; job = job->next) {
        job->code = err_set(&job->err, code, "%s", sentence);
        job->queue_ns = now - job->submitted_ns;
        job->compute_ns = 0;
        job->batch_rows = 0;
    }
    answer_all(pool, jobs);
}

static void time_out(struct sched_pool *pool, struct sched_job *jobs)
{
    refuse_all(pool, jobs, KD_ETIMEOUT, "the deadline passed before the request could be computed");
}

/* ---- statistics ---- */

static void count_batch(struct sched_queue *queue, int64_t rows, const struct sched_times *times)
{
    size_t size = rows <= 1 ? 0 : 64 - (size_t)__builtin_clzll((unsigned long long)rows - 1);
    size_t cell = SCHED_CELL_SIZES + 4 * (size < SCHED_BATCH_SIZES ? size : SCHED_BATCH_SIZES - 1);
    metrics_add(queue->cells, SCHED_CELL_EXECUTIONS, 1);
    metrics_observe(queue->cells, SCHED_CELL_ROWS, METRICS_BUCKETS_ROWS, (uint64_t)rows);
    metrics_add(queue->cells, cell, 1);
    metrics_add(queue->cells, cell + 1, (uint64_t)times->input_ns);
    metrics_add(queue->cells, cell + 2, (uint64_t)times->run_ns);
    metrics_add(queue->cells, cell + 3, (uint64_t)times->output_ns);
}

/* ---- in the submitter's thread ---- */

static pthread_key_t inline_key;
static pthread_once_t inline_once = PTHREAD_ONCE_INIT;

static void inline_memory_free(void *memory)
{
    sched_memory_free(memory);
}

static void inline_setup(void)
{
    KD_ASSERT(pthread_key_create(&inline_key, inline_memory_free) == 0);
}

static struct sched_memory *inline_memory(void)
{
    pthread_once(&inline_once, inline_setup);
    struct sched_memory *memory = pthread_getspecific(inline_key);
    if (!memory && (memory = sched_memory_new()))
        pthread_setspecific(inline_key, memory);
    return memory;
}

bool sched_try_inline(struct sched_queue *queue, struct sched_job *job)
{
    int64_t max_ns = queue->pool->options.inline_max_ns;
    struct sched_times times = {0};
    struct engine_plan *plan;
    if (max_ns == 0 || __atomic_load_n(&queue->line.n_jobs, __ATOMIC_RELAXED) > 0 ||
        queue->row_ns * (double)job->rows > (double)max_ns)
        return false;
    job->queue_ns = job->compute_ns = 0;
    job->batch_rows = 0;
    job->code = sched_batch_plan(queue->engine, job, 0, &plan, &job->err);
    if (job->code)
        return true;
    struct sched_memory *memory = NULL;
    if (engine_plan_cost_us(plan) * 1000 <= (double)max_ns && (memory = inline_memory())) {
        sched_batch_run_one(queue->engine, plan, memory, job, &times);
        count_batch(queue, job->rows, &times);
    }
    engine_plan_put(plan);
    return memory != NULL;
}

/* ---- submitting ---- */

static void make_ready(struct sched_pool *pool, struct sched_queue *queue)
{
    if (queue->ready)
        return;
    queue->ready = true;
    queue->next_ready = NULL;
    *pool->ready_end = queue;
    pool->ready_end = &queue->next_ready;
}

static int accept_job(struct sched_pool *pool, struct sched_queue *queue, struct sched_job *job,
                      struct err *err)
{
    if (pool->stopping)
        return err_set(err, KD_EUNAVAILABLE, "the server is stopping");
    size_t bytes = __atomic_load_n(&pool->bytes, __ATOMIC_RELAXED);
    if (bytes > pool->options.max_bytes - job->bytes)
        return err_set(err, KD_EUNAVAILABLE, "too many bytes wait in queues: %zu of %zu", bytes,
                       pool->options.max_bytes);
    int code = sched_line_push(&queue->line, job, clock_now_ns(), err);
    if (code)
        return code;
    __atomic_add_fetch(&pool->bytes, job->bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&pool->n_jobs, 1, __ATOMIC_RELAXED);
    make_ready(pool, queue);
    if (job->deadline_ns && job->deadline_ns < pool->next_deadline_ns) {
        pool->next_deadline_ns = job->deadline_ns;
        cond_signal(&pool->timer);
    }
    if (pool->n_idle)
        cond_signal(&pool->work);
    return 0;
}

int sched_submit(struct sched_queue *queue, struct sched_job *job, struct err *err)
{
    struct sched_pool *pool = queue->pool;
    size_t total = 0, bytes;
    for (size_t i = 0; i < queue->line.n_inputs; i++)
        if (!tensor_bytes(job->inputs[i].dtype, &job->inputs[i].shape, &bytes) ||
            !size_add(total, bytes, &total))
            return err_set(err, KD_EINVAL, "the inputs' shapes are not known");
    if (total > pool->options.max_bytes)
        return err_set(err, KD_ETOOBIG,
                       "the inputs take %zu bytes, more than the %zu that may wait in queues",
                       total, pool->options.max_bytes);
    job->bytes = total;
    job->queue = queue;
    lock_take(&pool->lock);
    int code = accept_job(pool, queue, job, err);
    lock_give(&pool->lock);
    return code;
}

/* ---- choosing work; the lock is held ---- */

static bool take_part(struct sched_pool *pool, struct work *work)
{
    struct sched_job *job = pool->parted;
    if (!job)
        return false;
    work->queue = job->queue;
    work->part = job;
    work->from = job->next_row;
    work->to = job->rows - job->next_row <= job->part_rows ? job->rows : job->next_row + job->part_rows;
    job->next_row = work->to;
    job->running_parts++;
    if (job->next_row < job->rows)
        return true;
    pool->parted = job->next;
    if (!pool->parted)
        pool->parted_end = &pool->parted;
    return true;
}

/* The first ready queue moves to the end if jobs remain in it. */
static struct sched_queue *rotate_ready(struct sched_pool *pool)
{
    struct sched_queue *queue = pool->ready;
    pool->ready = queue->next_ready;
    if (!pool->ready)
        pool->ready_end = &pool->ready;
    queue->ready = false;
    return queue;
}

static void join_lists(struct sched_job **list, struct sched_job *more)
{
    while (*list)
        list = &(*list)->next;
    *list = more;
}

/* Looks at each ready queue once. *wait_ns: lowered to the time when a batch that waits for more is due. */
static bool take_batch(struct sched_pool *pool, struct work *work, int64_t *wait_ns)
{
    struct sched_queue *last = NULL, *queue = NULL;
    int64_t now = clock_now_ns(), wait;
    for (struct sched_queue *q = pool->ready; q; q = q->next_ready)
        last = q;
    while (last && queue != last && !work->jobs) {
        struct sched_job *dead;
        queue = rotate_ready(pool);
        work->queue = queue;
        work->jobs = sched_line_take(&queue->line, now, (size_t)pool->n_idle, &dead, &wait);
        join_lists(&work->dead, dead);
        if (queue->line.n_jobs)
            make_ready(pool, queue);
        if (wait && wait < *wait_ns)
            *wait_ns = wait;
    }
    work->others = pool->n_idle;
    if (work->jobs && pool->ready && pool->n_idle)
        cond_signal(&pool->work);
    return work->jobs || work->dead;
}

/* Blocks until there is work; false when the pool stops. */
static bool next_work(struct sched_pool *pool, struct work *work)
{
    for (;;) {
        int64_t wait_ns = INT64_MAX;
        *work = (struct work){0};
        if (take_part(pool, work) || take_batch(pool, work, &wait_ns))
            return true;
        if (pool->stopping)
            return false;
        pool->n_idle++;
        if (wait_ns == INT64_MAX)
            cond_wait(&pool->work, &pool->lock);
        else
            cond_wait_until(&pool->work, &pool->lock, wait_ns);
        pool->n_idle--;
    }
}

/* ---- doing it; the lock is not held ---- */

/* Rows of each part, or 0: the job is better run whole. */
static int64_t part_rows(const struct sched_queue *queue, const struct sched_job *job, int others)
{
    int64_t max_rows = queue->line.limits.max_rows;
    int64_t most = (int64_t)size_align(max_rows > 1 ? (size_t)max_rows : 64, SCHED_PART_ROWS);
    int64_t shares = others + 1, rows = job->rows;
    if (!queue->parts || rows < 2 * SCHED_PART_ROWS)
        return 0;
    if (queue->row_ns > 0 && queue->row_ns * (double)rows < MIN_PARTED_NS)
        shares = 1;
    rows = (int64_t)size_align((size_t)((rows + shares - 1) / shares), SCHED_PART_ROWS);
    if (rows > most)
        rows = most;
    return rows < job->rows ? rows : 0;
}

/* Makes room and puts the job where all workers take parts of it. */
static void begin_parts(struct sched_pool *pool, struct sched_queue *queue, struct sched_job *job,
                        int64_t rows)
{
    job->part_rows = rows;
    job->next_row = 0;
    job->running_parts = 0;
    job->next = NULL;
    job->compute_ns = 0;
    job->batch_rows = job->rows;
    job->code = sched_batch_prepare_parts(queue->engine, job, &job->err);
    if (job->code) {
        answer(pool, job);
        return;
    }
    lock_take(&pool->lock);
    *pool->parted_end = job;
    pool->parted_end = &job->next;
    if (pool->n_idle)
        cond_broadcast(&pool->work);
    lock_give(&pool->lock);
}

/* Takes a failed job's remaining rows away from the others. */
static void forget_rows(struct sched_pool *pool, struct sched_job *job)
{
    struct sched_job **link = &pool->parted;
    while (*link && *link != job)
        link = &(*link)->next;
    if (!*link)
        return;
    *link = job->next;
    if (!job->next)
        pool->parted_end = link;
    job->next_row = job->rows;
}

static void run_part(struct sched_pool *pool, struct sched_memory *memory, const struct work *work)
{
    struct sched_times times;
    struct sched_job *job = work->part;
    struct err err;
    int code = sched_batch_run_part(work->queue->engine, memory, job, work->from, work->to, &times, &err);
    count_batch(work->queue, work->to - work->from, &times);
    lock_take(&pool->lock);
    job->compute_ns += times.run_ns;
    if (code && job->code == 0) {
        job->code = code;
        job->err = err;
        forget_rows(pool, job);
    }
    job->running_parts--;
    bool last = job->running_parts == 0 && job->next_row == job->rows;
    lock_give(&pool->lock);
    if (last)
        answer(pool, job);
}

static void run_batch(struct sched_pool *pool, struct sched_memory *memory, const struct work *work)
{
    struct sched_times times;
    int64_t now = clock_now_ns(), rows = 0;
    size_t n = 0;
    for (struct sched_job *job = work->jobs; job; job = job->next) {
        job->queue_ns = now - job->submitted_ns;
        rows += job->rows;
        n++;
    }
    int64_t per_part = n == 1 ? part_rows(work->queue, work->jobs, work->others) : 0;
    if (per_part) {
        begin_parts(pool, work->queue, work->jobs, per_part);
        return;
    }
    sched_batch_run(work->queue->engine, memory, work->jobs, n, &times);
    count_batch(work->queue, rows, &times);
    answer_all(pool, work->jobs);
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    struct sched_pool *pool = worker->pool;
    struct work work;
    lock_take(&pool->lock);
    while (next_work(pool, &work)) {
        lock_give(&pool->lock);
        time_out(pool, work.dead);
        if (work.part)
            run_part(pool, worker->memory, &work);
        else if (work.jobs)
            run_batch(pool, worker->memory, &work);
        lock_take(&pool->lock);
    }
    lock_give(&pool->lock);
    return NULL;
}

/* ---- deadlines ---- */

/* Workers may all be busy for long; this thread is not. */
static void *timer_main(void *argument)
{
    struct sched_pool *pool = argument;
    lock_take(&pool->lock);
    while (!pool->stopping) {
        int64_t now = clock_now_ns();
        if (now < pool->next_deadline_ns) {
            if (pool->next_deadline_ns == INT64_MAX)
                cond_wait(&pool->timer, &pool->lock);
            else
                cond_wait_until(&pool->timer, &pool->lock, pool->next_deadline_ns);
            continue;
        }
        struct sched_job *dead = NULL;
        pool->next_deadline_ns = INT64_MAX;
        for (struct sched_queue *queue = pool->queues; queue; queue = queue->next) {
            join_lists(&dead, sched_line_expire(&queue->line, now));
            int64_t deadline = sched_line_deadline(&queue->line);
            if (deadline < pool->next_deadline_ns)
                pool->next_deadline_ns = deadline;
        }
        lock_give(&pool->lock);
        time_out(pool, dead);
        lock_take(&pool->lock);
    }
    lock_give(&pool->lock);
    return NULL;
}

/* ---- life of a pool ---- */

static int start_threads(struct sched_pool *pool, struct err *err)
{
    int n = pool->options.n_workers ? pool->options.n_workers : thread_cpu_count();
    n = n < MAX_WORKERS ? n : MAX_WORKERS;
    int code = thread_start(&pool->timer_thread, "sched-timer", timer_main, pool, err);
    if (code)
        return code;
    pool->timer_running = true;
    pool->workers = calloc((size_t)n, sizeof(*pool->workers));
    if (!pool->workers)
        return err_set(err, KD_ENOMEM, "out of memory for %d workers", n);
    while (pool->n_workers < n) {
        struct worker *worker = &pool->workers[pool->n_workers];
        char name[16];
        snprintf(name, sizeof(name), "worker-%u", (unsigned)pool->n_workers % 10000);
        worker->pool = pool;
        worker->memory = sched_memory_new();
        if (!worker->memory)
            return err_set(err, KD_ENOMEM, "out of memory for %d workers", n);
        code = thread_start(&worker->thread, name, worker_main, worker, err);
        if (code) {
            sched_memory_free(worker->memory);
            return code;
        }
        pool->n_workers++;
    }
    return 0;
}

int sched_pool_new(const struct sched_pool_options *options, struct sched_pool **ret, struct err *err)
{
    struct sched_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return err_set(err, KD_ENOMEM, "out of memory for the worker pool");
    pool->options = *options;
    pool->ready_end = &pool->ready;
    pool->parted_end = &pool->parted;
    pool->next_deadline_ns = INT64_MAX;
    lock_init(&pool->lock, LOCK_RANK_QUEUE);
    cond_init(&pool->work);
    cond_init(&pool->timer);
    cond_init(&pool->quiet);
    int code = start_threads(pool, err);
    if (code) {
        sched_pool_free(pool);
        return code;
    }
    *ret = pool;
    return 0;
}

bool sched_pool_drain(struct sched_pool *pool, int64_t deadline_ns)
{
    bool in_time = true;
    lock_take(&pool->lock);
    while (__atomic_load_n(&pool->n_jobs, __ATOMIC_RELAXED) > 0 && in_time)
        in_time = cond_wait_until(&pool->quiet, &pool->lock, deadline_ns);
    bool quiet = __atomic_load_n(&pool->n_jobs, __ATOMIC_RELAXED) == 0;
    lock_give(&pool->lock);
    return quiet;
}

void sched_pool_stop(struct sched_pool *pool)
{
    struct sched_job *left = NULL;
    lock_take(&pool->lock);
    pool->stopping = true;
    for (struct sched_queue *queue = pool->queues; queue; queue = queue->next)
        join_lists(&left, sched_line_take_all(&queue->line));
    cond_broadcast(&pool->work);
    cond_broadcast(&pool->timer);
    lock_give(&pool->lock);
    refuse_all(pool, left, KD_EUNAVAILABLE, "the server is stopping");
    if (pool->timer_running)
        pthread_join(pool->timer_thread, NULL);
    pool->timer_running = false;
    for (int i = 0; i < pool->n_workers; i++) {
        pthread_join(pool->workers[i].thread, NULL);
        sched_memory_free(pool->workers[i].memory);
    }
    pool->n_workers = 0;
}

void sched_pool_free(struct sched_pool *pool)
{
    if (!pool)
        return;
    sched_pool_stop(pool);
    KD_ASSERT(!pool->queues);
    free(pool->workers);
    cond_done(&pool->work);
    cond_done(&pool->timer);
    cond_done(&pool->quiet);
    lock_done(&pool->lock);
    free(pool);
}

bool sched_pool_alive(struct sched_pool *pool)
{
    uint64_t answered = __atomic_load_n(&pool->n_answered, __ATOMIC_RELAXED);
    bool moved = answered != pool->answered_before;
    pool->answered_before = answered;
    return moved || __atomic_load_n(&pool->n_jobs, __ATOMIC_RELAXED) == 0;
}

/* ---- life of a queue ---- */

/* Estimated time of `rows` rows, or 0 if the model's other dimensions vary. */
static double estimate_ns(struct engine *engine, int64_t rows)
{
    struct shape shapes[SCHED_MAX_TENSORS];
    struct engine_plan *plan;
    for (size_t i = 0; i < engine_n_inputs(engine); i++) {
        shapes[i] = *engine_input_shape(engine, i);
        if (shapes[i].rank > 0 && shapes[i].dim[0] == SHAPE_UNKNOWN)
            shapes[i].dim[0] = rows;
        if (!shape_known(&shapes[i]))
            return 0;
    }
    if (engine_plan_get(engine, shapes, &plan, NULL))
        return 0;
    double cost_ns = engine_plan_cost_us(plan) * 1000;
    engine_plan_put(plan);
    return cost_ns;
}

static void estimate(struct sched_queue *queue)
{
    double one = estimate_ns(queue->engine, 1);
    double eight = queue->batchable ? estimate_ns(queue->engine, 8) : 0;
    queue->row_ns = eight > 0 ? eight / 8 : one;
    bool pays = one <= 0 || eight <= 8 * one * JOIN_GAIN;
    if (!queue->batchable || (!pays && queue->line.limits.delay_ns == 0)) /* who sets a delay wants batches */
        queue->line.limits.max_rows = 1;
}

int sched_queue_new(struct sched_pool *pool, struct engine *engine, const struct sched_limits *limits,
                    struct sched_queue **ret, struct err *err)
{
    if (engine_n_inputs(engine) > SCHED_MAX_TENSORS || engine_n_outputs(engine) > SCHED_MAX_TENSORS)
        return err_set(err, KD_EUNSUPPORTED,
                       "the model has %zu inputs and %zu outputs; at most %d of each are served",
                       engine_n_inputs(engine), engine_n_outputs(engine), SCHED_MAX_TENSORS);
    struct sched_queue *queue = calloc(1, sizeof(*queue));
    if (!queue || !(queue->cells = metrics_cells_new(SCHED_N_CELLS))) {
        free(queue);
        return err_set(err, KD_ENOMEM, "out of memory for a queue");
    }
    sched_line_init(&queue->line, limits, engine_n_inputs(engine));
    queue->pool = pool;
    queue->engine = engine;
    queue->batchable = engine_batchable(engine);
    queue->parts = queue->batchable && !sched_batch_has_strings(engine);
    estimate(queue);
    lock_take(&pool->lock);
    queue->next = pool->queues;
    queue->link = &pool->queues;
    if (queue->next)
        queue->next->link = &queue->next;
    pool->queues = queue;
    lock_give(&pool->lock);
    *ret = queue;
    return 0;
}

void sched_queue_free(struct sched_queue *queue)
{
    if (!queue)
        return;
    struct sched_pool *pool = queue->pool;
    lock_take(&pool->lock);
    KD_ASSERT(queue->line.n_jobs == 0);
    *queue->link = queue->next;
    if (queue->next)
        queue->next->link = queue->link;
    struct sched_queue **ready = &pool->ready;
    while (*ready && *ready != queue)
        ready = &(*ready)->next_ready;
    if (*ready) {
        *ready = queue->next_ready;
        if (!*ready)
            pool->ready_end = ready;
    }
    lock_give(&pool->lock);
    metrics_cells_free(queue->cells);
    free(queue);
}

int64_t sched_queue_max_rows(const struct sched_queue *queue)
{
    return queue->batchable ? queue->line.limits.max_rows : 0;
}

size_t sched_queue_depth(const struct sched_queue *queue)
{
    return __atomic_load_n(&queue->line.n_jobs, __ATOMIC_RELAXED);
}

size_t sched_queue_limit(const struct sched_queue *queue)
{
    return queue->line.limits.max_jobs;
}

const struct metrics_cells *sched_queue_cells(const struct sched_queue *queue)
{
    return queue->cells;
}
