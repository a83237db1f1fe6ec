/* Queue policy with a clock of our own: order, joining, sharing, delay, deadlines, limits. */
#include "sched/queue.h"

#include <string.h>

#include "base/err.h"
#include "sched/job.h"
#include "unit.h"

#define N_JOBS 12
static struct sched_line line;
static struct sched_job jobs[N_JOBS];
static struct tensor inputs[N_JOBS];
static struct sched_job *dead;
static int64_t wait_ns;

/* A fresh line, and jobs of one row of three floats. */
static void set_up(int64_t max_rows)
{
    struct sched_limits limits = {.max_rows = max_rows, .max_bytes = 1000, .max_jobs = 10};
    sched_line_init(&line, &limits, 1);
    memset(jobs, 0, sizeof(jobs));
    for (size_t i = 0; i < N_JOBS; i++) {
        inputs[i] = (struct tensor){DTYPE_FLOAT32, shape_of(2, 1, 3), NULL};
        jobs[i].inputs = &inputs[i];
        jobs[i].rows = 1;
        jobs[i].bytes = 12;
    }
}

static void set_rows(size_t i, int64_t rows)
{
    jobs[i].rows = rows;
    inputs[i].shape.dim[0] = rows;
}

static void push(size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++)
        CU_ASSERT_EQUAL(sched_line_push(&line, &jobs[i], 100, NULL), 0);
}

/* The list as letters: a is job 0. */
static const char *letters(const struct sched_job *list)
{
    static char text[N_JOBS + 1];
    size_t n = 0;
    for (; list; list = list->next)
        text[n++] = (char)('a' + (list - jobs));
    text[n] = '\0';
    return text;
}

static const char *take(int64_t now, size_t idle)
{
    return letters(sched_line_take(&line, now, idle, &dead, &wait_ns));
}

static void test_order(void)
{
    set_up(4);
    push(0, 6);
    CU_ASSERT_EQUAL(line.n_jobs, 6);
    CU_ASSERT_STRING_EQUAL(take(100, 0), "abcd");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "ef");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "");
    CU_ASSERT_EQUAL(line.n_jobs, 0);
    push(0, 2); /* the line is usable after it was empty */
    CU_ASSERT_STRING_EQUAL(take(100, 0), "ab");
}

static void test_never_joined(void)
{
    set_up(1);
    set_rows(1, 7);
    push(0, 3);
    CU_ASSERT_STRING_EQUAL(take(100, 0), "a");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "b");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "c");
}

static void test_rows(void)
{
    set_up(8);
    set_rows(0, 3);
    set_rows(1, 6); /* does not fit behind a; those behind it do, and it keeps its place */
    set_rows(2, 5);
    set_rows(4, 100);
    push(0, 5);
    CU_ASSERT_STRING_EQUAL(take(100, 0), "ac");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "bd");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "e"); /* larger than a batch: runs alone */
}

static void test_shapes(void)
{
    set_up(8);
    inputs[1].shape.dim[1] = 4;
    inputs[3].shape = shape_of(1, 1);
    push(0, 5);
    CU_ASSERT_STRING_EQUAL(take(100, 0), "ace");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "b");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "d");
}

static void test_bytes(void)
{
    set_up(8);
    jobs[0].bytes = 600;
    jobs[1].bytes = 500;
    jobs[2].bytes = 400;
    jobs[3].bytes = 5000;
    push(0, 4);
    CU_ASSERT_STRING_EQUAL(take(100, 0), "ac");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "b");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "d");
}

/* Two more workers wait for work: seven jobs are dealt 3, 2, 2. */
static void test_sharing(void)
{
    set_up(8);
    push(0, 7);
    CU_ASSERT_STRING_EQUAL(take(100, 2), "abc");
    CU_ASSERT_STRING_EQUAL(take(100, 1), "de");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "fg");
}

static void test_priority(void)
{
    set_up(2);
    jobs[0].priority = -1;
    jobs[3].priority = 5;
    push(0, 5);
    CU_ASSERT_STRING_EQUAL(take(100, 0), "db");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "ce");
    CU_ASSERT_STRING_EQUAL(take(100, 0), "a");
}

static void test_delay(void)
{
    set_up(4);
    line.limits.delay_ns = 50;
    push(0, 3);
    CU_ASSERT_STRING_EQUAL(take(120, 0), "");
    CU_ASSERT_EQUAL(wait_ns, 150);
    push(3, 1); /* full: no reason to wait */
    CU_ASSERT_STRING_EQUAL(take(120, 0), "abcd");
    push(4, 1);
    CU_ASSERT_STRING_EQUAL(take(149, 0), "");
    CU_ASSERT_STRING_EQUAL(take(150, 0), "e");
    CU_ASSERT_EQUAL(wait_ns, 0);
}

static void test_deadline(void)
{
    set_up(4);
    jobs[0].deadline_ns = 200;
    jobs[2].deadline_ns = 300;
    jobs[3].deadline_ns = 200;
    jobs[4].dropped = true;
    push(0, 6);
    CU_ASSERT_EQUAL(sched_line_deadline(&line), 200);
    CU_ASSERT_STRING_EQUAL(letters(sched_line_expire(&line, 199)), "e");
    CU_ASSERT_STRING_EQUAL(take(200, 0), "bcf"); /* what is dead is not computed */
    CU_ASSERT_STRING_EQUAL(letters(dead), "ad");
    CU_ASSERT_EQUAL(line.n_jobs, 0);
    CU_ASSERT_EQUAL(sched_line_deadline(&line), INT64_MAX);
    jobs[0].deadline_ns = 200;
    push(0, 1);
    CU_ASSERT_STRING_EQUAL(take(250, 0), "");
    CU_ASSERT_STRING_EQUAL(letters(dead), "a");
    CU_ASSERT_EQUAL(wait_ns, 0);
}

static void test_expire(void)
{
    set_up(4);
    jobs[0].deadline_ns = 200;
    jobs[2].deadline_ns = 300;
    jobs[2].priority = 1;
    push(0, 4);
    CU_ASSERT_STRING_EQUAL(letters(sched_line_expire(&line, 300)), "ca");
    push(4, 1);
    CU_ASSERT_STRING_EQUAL(letters(sched_line_take_all(&line)), "bde");
    CU_ASSERT_EQUAL(line.n_jobs, 0);
}

static void test_full(void)
{
    struct err err;
    set_up(4);
    push(0, 10);
    CU_ASSERT_EQUAL(sched_line_push(&line, &jobs[10], 100, &err), KD_EUNAVAILABLE);
    CU_ASSERT_STRING_EQUAL(err.text, "the queue of this model is full: 10 requests wait");
    CU_ASSERT_EQUAL(line.n_jobs, 10);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"order", test_order},       {"never joined", test_never_joined}, {"rows", test_rows},
        {"shapes", test_shapes},     {"bytes", test_bytes},               {"sharing", test_sharing},
        {"priority", test_priority}, {"delay", test_delay},               {"deadline", test_deadline},
        {"expire", test_expire},     {"full", test_full},
    };
    return unit_main("queue", tests, sizeof(tests) / sizeof(tests[0]));
}
