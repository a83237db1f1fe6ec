/* Worker pool on real engines: every accepted job is answered exactly once, with its own rows' numbers,
 * whether it ran here, alone, joined or in parts; deadlines, refusals and the stop. */
#include "sched/pool.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/graph.h"
#include "sched/job.h"
#include "unit.h"

#define WIDTH 64
#define HOUR_NS INT64_C(3600000000000)

/* ---- engines ---- */

static struct engine *compile(struct engine_graph *graph)
{
    struct engine *engine = NULL;
    struct err err = {0};
    CU_ASSERT_PTR_NULL_FATAL(engine_graph_error(graph));
    if (engine_compile(graph, NULL, &engine, &err))
        printf("\n  %s", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(engine);
    return engine;
}

/* y[j] = sum of x + j: one dense layer, so that a row's answer shows which row it was. */
static float kernel[WIDTH * WIDTH], bias[WIDTH];
static struct engine *sum_engine(void)
{
    struct shape in = shape_of(2, -1, WIDTH), k = shape_of(2, WIDTH, WIDTH), b = shape_of(1, WIDTH);
    struct engine_graph *graph = engine_graph_new();
    for (size_t i = 0; i < KD_COUNT(kernel); i++)
        kernel[i] = 1;
    for (size_t i = 0; i < WIDTH; i++)
        bias[i] = (float)i;
    engine_value x = engine_input(graph, "x", DTYPE_FLOAT32, &in);
    engine_value y = engine_dense(graph, x, engine_constant(graph, DTYPE_FLOAT32, &k, kernel),
                                  engine_constant(graph, DTYPE_FLOAT32, &b, bias));
    engine_output(graph, "y", y);
    return compile(graph);
}

/* Looks rows up in a table of three: the id 3 is an error of the data. */
static float table[3] = {10, 20, 30};
static struct engine *lookup_engine(void)
{
    struct shape in = shape_of(2, -1, 1), t = shape_of(2, 3, 1);
    struct engine_graph *graph = engine_graph_new();
    engine_value ids = engine_input(graph, "ids", DTYPE_INT64, &in);
    engine_output(graph, "y", engine_gather(graph, engine_constant(graph, DTYPE_FLOAT32, &t, table), ids, 0,
                                            0,
                                              ENGINE_BOUNDS_ERROR));
    return compile(graph);
}

static struct engine *echo_engine(void)
{
    struct shape in = shape_of(2, -1, 1);
    struct engine_graph *graph = engine_graph_new();
    engine_output(graph, "y", engine_input(graph, "x", DTYPE_STRING, &in));
    return compile(graph);
}

/* ---- jobs ---- */

struct answers {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int n;
};
static struct answers answers = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

struct request {
    struct sched_job job; /* first */
    struct tensor input;
    void *data;
    int answered;
};

static void on_done(struct sched_job *job)
{
    struct request *request = (struct request *)job;
    pthread_mutex_lock(&answers.mutex);
    request->answered++;
    answers.n++;
    pthread_cond_broadcast(&answers.cond);
    pthread_mutex_unlock(&answers.mutex);
}

static void wait_for(int n)
{
    pthread_mutex_lock(&answers.mutex);
    while (answers.n < n)
        pthread_cond_wait(&answers.cond, &answers.mutex);
    pthread_mutex_unlock(&answers.mutex);
}

static void make(struct request *request, enum dtype dtype, int64_t rows, int64_t width)
{
    size_t bytes = (size_t)(rows * width) * storage_size(dtype_storage(dtype));
    memset(request, 0, sizeof(*request));
    request->data = aligned_alloc(64, size_align(bytes, 64));
    memset(request->data, 0, bytes);
    request->input = (struct tensor){dtype, shape_of(2, rows, width), request->data};
    request->job.inputs = &request->input;
    request->job.rows = rows;
    request->job.done = on_done;
}

static void unmake(struct request *request)
{
    sched_job_done(&request->job);
    free(request->data);
}

/* Rows whose sums are first, first + 1, ... */
static void make_sums(struct request *request, int64_t rows, float first)
{
    make(request, DTYPE_FLOAT32, rows, WIDTH);
    for (int64_t i = 0; i < rows; i++)
        ((float *)request->data)[i * WIDTH] = first + (float)i;
}

static void check_sums(const struct request *request, float first)
{
    const struct tensor *out = request->job.outputs;
    CU_ASSERT_EQUAL_FATAL(request->job.code, 0);
    CU_ASSERT_EQUAL_FATAL(out->shape.dim[0], request->job.rows);
    CU_ASSERT_EQUAL((uintptr_t)out->data % 64, 0);
    for (int64_t i = 0; i < request->job.rows; i++)
        for (int64_t j = 0; j < WIDTH; j++)
            if (fabsf(tensor_f32(out)[i * WIDTH + j] - (first + (float)(i + j))) > 1e-3f) {
                CU_FAIL("a row has another row's numbers");
                return;
            }
}

/* ---- set up ---- */

static struct sched_pool *pool;
static struct sched_queue *queue;
static struct engine *engine;

static void set_up(struct engine *new_engine, int n_workers, int64_t inline_ns, int64_t max_rows,
                   int64_t delay_ns)
{
    struct sched_pool_options options = {.n_workers = n_workers, .max_bytes = 1 << 26,
                                         .inline_max_ns = inline_ns};
    struct sched_limits limits = {.max_rows = max_rows, .delay_ns = delay_ns, .max_bytes = 1 << 20,
                                  .max_jobs = 4000};
    struct err err = {0};
    answers.n = 0;
    engine = new_engine;
    CU_ASSERT_EQUAL_FATAL(sched_pool_new(&options, &pool, &err), 0);
    CU_ASSERT_EQUAL_FATAL(sched_queue_new(pool, engine, &limits, &queue, &err), 0);
}

static void tear_down(void)
{
    sched_pool_stop(pool);
    sched_queue_free(queue);
    sched_pool_free(pool);
    engine_free(engine);
}

static uint64_t executions(void)
{
    return metrics_sum(sched_queue_cells(queue), SCHED_CELL_EXECUTIONS);
}

/* ---- tests ---- */

static void test_inline(void)
{
    struct request request;
    set_up(sum_engine(), 1, HOUR_NS, 64, 0);
    make_sums(&request, 5, 7);
    for (int i = 0; i < 3; i++) { /* the room is used again */
        void *room = request.job.room;
        CU_ASSERT_TRUE(sched_try_inline(queue, &request.job));
        CU_ASSERT_TRUE(room == NULL || room == request.job.room);
        check_sums(&request, 7);
    }
    CU_ASSERT_EQUAL(request.answered, 0);
    CU_ASSERT_EQUAL(request.job.batch_rows, 5);
    CU_ASSERT_EQUAL(executions(), 3);
    request.input.shape.dim[1] = WIDTH / 2; /* wrong data is answered here too */
    CU_ASSERT_TRUE(sched_try_inline(queue, &request.job));
    CU_ASSERT_EQUAL(request.job.code, KD_EINVAL);
    unmake(&request);
    tear_down();
    set_up(sum_engine(), 1, 0, 64, 0);
    make_sums(&request, 5, 7);
    CU_ASSERT_FALSE(sched_try_inline(queue, &request.job));
    unmake(&request);
    tear_down();
}

#define N_THREADS 4
#define N_EACH 200

static void *submit_many(void *argument)
{
    struct request *requests = argument;
    struct err err;
    for (int i = 0; i < N_EACH; i++)
        if (sched_submit(queue, &requests[i].job, &err))
            CU_FAIL("refused");
    return NULL;
}

static void test_many(void)
{
    static struct request requests[N_THREADS][N_EACH];
    pthread_t threads[N_THREADS];
    set_up(sum_engine(), 3, 0, 16, 0);
    for (int t = 0; t < N_THREADS; t++)
        for (int i = 0; i < N_EACH; i++)
            make_sums(&requests[t][i], 1 + (i % 4), (float)(100 * t + i));
    for (int t = 0; t < N_THREADS; t++)
        pthread_create(&threads[t], NULL, submit_many, requests[t]);
    for (int t = 0; t < N_THREADS; t++)
        pthread_join(threads[t], NULL);
    CU_ASSERT_TRUE(sched_pool_drain(pool, clock_now_ns() + HOUR_NS));
    CU_ASSERT_EQUAL(answers.n, N_THREADS * N_EACH);
    for (int t = 0; t < N_THREADS; t++)
        for (int i = 0; i < N_EACH; i++) {
            CU_ASSERT_EQUAL(requests[t][i].answered, 1);
            check_sums(&requests[t][i], (float)(100 * t + i));
            unmake(&requests[t][i]);
        }
    CU_ASSERT_TRUE(sched_pool_alive(pool));
    tear_down();
}

/* A batch that waits for more takes all that came meanwhile; its jobs say how many rows rode. */
static void test_joined(void)
{
    struct request requests[4];
    struct err err;
    set_up(sum_engine(), 1, 0, 8, HOUR_NS);
    for (int i = 0; i < 4; i++) {
        make_sums(&requests[i], 2, (float)(10 * i));
        CU_ASSERT_EQUAL(sched_submit(queue, &requests[i].job, &err), 0);
    }
    wait_for(4);
    for (int i = 0; i < 4; i++) {
        check_sums(&requests[i], (float)(10 * i));
        CU_ASSERT_EQUAL(requests[i].job.batch_rows, 8);
        unmake(&requests[i]);
    }
    CU_ASSERT_EQUAL(executions(), 1);
    tear_down();
}

static void test_parts(void)
{
    struct request request;
    struct err err;
    set_up(sum_engine(), 3, 0, 32, 0);
    make_sums(&request, 1003, 5);
    CU_ASSERT_EQUAL(sched_submit(queue, &request.job, &err), 0);
    wait_for(1);
    check_sums(&request, 5);
    CU_ASSERT_TRUE(executions() > 1);
    CU_ASSERT_EQUAL(request.job.batch_rows, 1003);
    unmake(&request);
    tear_down();
}

/* One request's bad id fails that request alone. */
static void test_bad_data(void)
{
    struct request requests[4];
    struct err err;
    set_up(lookup_engine(), 1, 0, 4, HOUR_NS);
    for (int i = 0; i < 4; i++) {
        make(&requests[i], DTYPE_INT64, 1, 1);
        ((int64_t *)requests[i].data)[0] = i;
        CU_ASSERT_EQUAL(sched_submit(queue, &requests[i].job, &err), 0);
    }
    wait_for(4);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(requests[i].answered, 1);
        if (i < 3) {
            CU_ASSERT_EQUAL_FATAL(requests[i].job.code, 0);
            CU_ASSERT_EQUAL(tensor_f32(requests[i].job.outputs)[0], table[i]);
        } else {
            CU_ASSERT_EQUAL(requests[i].job.code, KD_EINVAL);
        }
        unmake(&requests[i]);
    }
    tear_down();
}

static void test_strings(void)
{
    static const char *const words[] = {"one", "", "three thousand"};
    struct request requests[3];
    struct err err;
    set_up(echo_engine(), 1, 0, 3, HOUR_NS);
    for (int i = 0; i < 3; i++) {
        make(&requests[i], DTYPE_STRING, 1, 1);
        ((struct str_view *)requests[i].data)[0] = (struct str_view){words[i], strlen(words[i])};
        CU_ASSERT_EQUAL(sched_submit(queue, &requests[i].job, &err), 0);
    }
    wait_for(3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(requests[i].job.code, 0);
        const struct str_view *out = requests[i].job.outputs->data;
        CU_ASSERT_TRUE(str_view_equal(*out, words[i]));
        CU_ASSERT_TRUE(out->length == 0 || out->data != words[i]); /* a copy of our own */
        unmake(&requests[i]);
    }
    tear_down();
}

static void test_deadline(void)
{
    struct request requests[3];
    struct err err;
    set_up(sum_engine(), 1, 0, 1000, HOUR_NS);
    for (int i = 0; i < 3; i++)
        make_sums(&requests[i], 1, 0);
    requests[1].job.deadline_ns = clock_now_ns() + 1000000;
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(sched_submit(queue, &requests[i].job, &err), 0);
    wait_for(1);
    CU_ASSERT_EQUAL(requests[1].answered, 1);
    CU_ASSERT_EQUAL(requests[1].job.code, KD_ETIMEOUT);
    CU_ASSERT_EQUAL(requests[0].answered + requests[2].answered, 0);
    CU_ASSERT_EQUAL(sched_queue_depth(queue), 2);
    sched_pool_stop(pool); /* those that still wait are answered */
    for (int i = 0; i < 3; i += 2) {
        CU_ASSERT_EQUAL(requests[i].answered, 1);
        CU_ASSERT_EQUAL(requests[i].job.code, KD_EUNAVAILABLE);
    }
    CU_ASSERT_EQUAL(sched_submit(queue, &requests[0].job, &err), KD_EUNAVAILABLE);
    for (int i = 0; i < 3; i++)
        unmake(&requests[i]);
    tear_down();
}

static void test_refused(void)
{
    struct request big, small;
    struct err err;
    set_up(sum_engine(), 1, 0, 64, 0);
    make_sums(&big, (1 << 26) / (4 * WIDTH) + 1, 0);
    make_sums(&small, 1, 3);
    CU_ASSERT_EQUAL(sched_submit(queue, &big.job, &err), KD_ETOOBIG);
    CU_ASSERT_EQUAL(sched_submit(queue, &small.job, &err), 0);
    wait_for(1);
    check_sums(&small, 3);
    CU_ASSERT_EQUAL(big.answered, 0);
    unmake(&big);
    unmake(&small);
    tear_down();
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"inline", test_inline},     {"many", test_many},       {"joined", test_joined},
        {"parts", test_parts},       {"bad data", test_bad_data}, {"strings", test_strings},
        {"deadline", test_deadline}, {"refused", test_refused},
    };
    return unit_main("pool", tests, sizeof(tests) / sizeof(tests[0]));
}
