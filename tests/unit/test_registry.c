/* Registry on the real example model, through the real loader child: publishing, failing, versions, labels,
 * watching, draining, and predictions that go on while all of that happens. */
#include "registry/registry.h"

#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/size.h"
#include "conf/conf.h"
#include "kernels/cpu.h"
#include "obs/log.h"
#include "sched/job.h"
#include "sched/pool.h"
#include "unit.h"

static char dir[] = "/tmp/kerasd-test-registry-XXXXXX";
static struct buf model_file; /* digits.h5 */
static float digit[784] __attribute__((aligned(64))); /* a three */
static struct sched_pool *pool;
static struct registry *registry;
static _Thread_local struct err err;

/* ---- files ---- */

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

/* Written beside and renamed, as deployments should. */
static void put_file(const char *name, const void *data, size_t length)
{
    char temporary[512];
    snprintf(temporary, sizeof(temporary), "%s/.tmp", dir);
    FILE *file = fopen(temporary, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(data, 1, length, file), length);
    fclose(file);
    CU_ASSERT_EQUAL(rename(temporary, path_of(name)), 0);
}

static void put_model(const char *name)
{
    put_file(name, model_file.data, model_file.length);
}

static void make_dir(const char *name)
{
    mkdir(path_of(name), 0755);
}

static int clear_dir(void)
{
    char command[600];
    snprintf(command, sizeof(command), "rm -rf '%s' && mkdir '%s'", dir, dir);
    return system(command);
}

static void clear(void)
{
    CU_ASSERT_EQUAL_FATAL(clear_dir(), 0);
}

/* ---- registry ---- */

static struct conf *next_conf; /* what a reload reads */

static int reread(void *context, struct conf **ret, struct err *ret_err)
{
    *ret = next_conf;
    next_conf = NULL;
    return 0;
}

/* Configuration lines, @ standing for the test's directory. */
static struct conf *conf_of(const char *lines)
{
    char text[2048];
    size_t n = 0;
    for (; *lines && n < sizeof(text) - sizeof(dir); lines++) {
        if (*lines == '@')
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", dir);
        else
            text[n++] = *lines;
    }
    put_file(".conf", text, n);
    struct conf *conf = conf_new();
    CU_ASSERT_EQUAL_FATAL(conf_set(conf, "loader", getenv("KERASD_LOAD"), &err), 0);
    CU_ASSERT_EQUAL_FATAL(conf_read(conf, path_of(".conf"), &err), 0);
    CU_ASSERT_EQUAL_FATAL(conf_finish(conf, &err), 0);
    return conf;
}

static void start(const char *lines)
{
    struct registry_options options = {.conf = conf_of(lines), .pool = pool, .reread = reread};
    CU_ASSERT_EQUAL_FATAL(registry_new(&options, &registry, &err), 0);
}

static int reload(void)
{
    return registry_run(registry, REGISTRY_RELOAD_ALL, NULL, &err);
}

static void stop(void)
{
    CU_ASSERT_TRUE(registry_stop(registry, clock_now_ns() + INT64_C(100000000000)));
    registry_free(registry);
}

static _Thread_local enum registry_miss missed;

static struct registry_version *get(const char *model, int64_t number, const char *label)
{
    struct registry_version *version = NULL;
    missed = 0;
    return registry_acquire(registry, model, number, label, &version, &missed, &err) ? NULL : version;
}

static int64_t number_of(const char *model, int64_t number, const char *label)
{
    struct registry_version *version = get(model, number, label);
    int64_t found = version ? registry_version_number(version) : -1;
    registry_release(version);
    return found;
}

/* The digit that the version sees in the picture, -1 if it cannot run. */
static int predict(struct registry_version *version)
{
    struct tensor input = {DTYPE_FLOAT32, shape_of(2, 1, 784), digit};
    struct sched_job job = {.inputs = &input, .rows = 1};
    int best = -1;
    if (sched_try_inline(registry_version_queue(version), &job) && job.code == 0) {
        best = 0;
        for (int i = 1; i < 10; i++)
            if (tensor_f32(job.outputs)[i] > tensor_f32(job.outputs)[best])
                best = i;
    }
    sched_job_done(&job);
    return best;
}

static bool serves(const char *model)
{
    struct registry_version *version = get(model, REGISTRY_LATEST, NULL);
    bool ok = version && predict(version) == 3;
    registry_release(version);
    return ok;
}

/* State of a version; UNKNOWN if it is not there. The error's text goes to status_error. */
static char status_error[1024];
static enum registry_state state_of(const char *model, int64_t number)
{
    struct registry_snapshot *snapshot;
    enum registry_state state = REGISTRY_UNKNOWN;
    status_error[0] = '\0';
    if (registry_snapshot(registry, model, &snapshot, NULL))
        return state;
    for (size_t i = 0; i < snapshot->n; i++) {
        if (snapshot->items[i].version != number)
            continue;
        state = snapshot->items[i].state;
        snprintf(status_error, sizeof(status_error), "%s", snapshot->items[i].error);
    }
    registry_snapshot_free(snapshot);
    return state;
}

/* What the loader's thread does by itself needs a moment; gives up after a minute. */
#define EVENTUALLY(condition)                                                                                \
    do {                                                                                                     \
        for (int tries = 0; tries < 6000 && !(condition); tries++)                                           \
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);                                        \
        CU_ASSERT(condition);                                                                                \
    } while (0)

/* ---- tests ---- */

static void test_file(void)
{
    clear();
    put_model("digits.h5");
    start("[model digits]\npath = @/digits.h5\n");
    CU_ASSERT_FALSE(registry_ready(registry, &err)); /* nothing is loaded by itself */
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(registry_ready(registry, &err));
    CU_ASSERT_TRUE(serves("digits"));
    CU_ASSERT_EQUAL(state_of("digits", 1), REGISTRY_AVAILABLE);
    CU_ASSERT_EQUAL(number_of("digits", 1, NULL), 1);
    CU_ASSERT_PTR_NULL(get("nobody", REGISTRY_LATEST, NULL));
    CU_ASSERT_EQUAL(missed, REGISTRY_MISS_MODEL);
    CU_ASSERT_PTR_NULL(get("digits", 2, NULL));
    CU_ASSERT_EQUAL(missed, REGISTRY_MISS_VERSION);
    CU_ASSERT_PTR_NULL(get("digits", REGISTRY_LATEST, "stable"));
    CU_ASSERT_EQUAL(missed, REGISTRY_MISS_LABEL);
    registry_drain(registry);
    CU_ASSERT_FALSE(registry_ready(registry, &err));
    stop();
}

/* Whatever is put in its place, the model that serves goes on serving and the status says why. */
static void test_bad_files(void)
{
    static char bad[1 << 20];
    clear();
    put_model("digits.h5");
    start("watch = off\n[model digits]\npath = @/digits.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    put_file("digits.h5", model_file.data, model_file.length / 2);
    CU_ASSERT_NOT_EQUAL(reload(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "digits"));
    CU_ASSERT_TRUE(serves("digits"));
    CU_ASSERT_EQUAL(state_of("digits", 1), REGISTRY_AVAILABLE);
    CU_ASSERT_NOT_EQUAL(status_error[0], '\0');
    put_file("digits.h5", bad, sizeof(bad));
    CU_ASSERT_NOT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(serves("digits"));
    srand(1);
    for (size_t i = 0; i < sizeof(bad); i++)
        bad[i] = (char)rand();
    put_file("digits.h5", bad, sizeof(bad));
    CU_ASSERT_NOT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(serves("digits"));
    CU_ASSERT_EQUAL(unlink(path_of("digits.h5")), 0);
    CU_ASSERT_EQUAL(reload(), KD_ENOTFOUND);
    CU_ASSERT_TRUE(serves("digits"));
    CU_ASSERT_TRUE(registry_ready(registry, &err));
    put_model("digits.h5");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_EQUAL(state_of("digits", 1), REGISTRY_AVAILABLE);
    CU_ASSERT_EQUAL(status_error[0], '\0');
    stop();
}

static void test_never_good(void)
{
    clear();
    put_file("a.h5", "no model", 8);
    put_model("b.h5");
    start("[model a]\npath = @/a.h5\n[model b]\npath = @/b.h5\n");
    CU_ASSERT_NOT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(serves("b"));
    CU_ASSERT_EQUAL(state_of("a", 1), REGISTRY_END);
    CU_ASSERT_NOT_EQUAL(status_error[0], '\0');
    CU_ASSERT_PTR_NULL(strstr(status_error, dir)); /* paths are not for clients */
    CU_ASSERT_PTR_NULL(get("a", REGISTRY_LATEST, NULL));
    CU_ASSERT_EQUAL(missed, REGISTRY_MISS_FAILED);
    CU_ASSERT_FALSE(registry_ready(registry, &err));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "'a'"));
    stop();
}

static void put_versions(void)
{
    make_dir("m");
    make_dir("m/1");
    make_dir("m/2");
    make_dir("m/010");
    make_dir("m/notes");
    put_model("m/1/model.h5");
    put_model("m/2/other.h5");
    put_model("m/010/model.h5");
}

static void test_versions(void)
{
    clear();
    put_versions();
    start("watch = off\n[model m]\npath = @/m\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, NULL), 10);
    CU_ASSERT_EQUAL(number_of("m", 2, NULL), -1);
    next_conf = conf_of("watch = off\n[model m]\npath = @/m\nversions = specific 1 2\n"
                        "labels = stable:1 canary:2\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, NULL), 2);
    CU_ASSERT_EQUAL(number_of("m", 10, NULL), -1);
    CU_ASSERT_EQUAL(missed == REGISTRY_MISS_VERSION || missed == REGISTRY_MISS_NOT_READY, true);
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, "stable"), 1);
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, "canary"), 2);
    EVENTUALLY(state_of("m", 10) == REGISTRY_END);
    /* The label moves; one for a version that is not there is refused and stays where it was. */
    next_conf = conf_of("watch = off\n[model m]\npath = @/m\nversions = all\nlabels = stable:10 canary:7\n");
    CU_ASSERT_EQUAL(reload(), KD_EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "Request to assign label"));
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, "stable"), 10);
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, "canary"), 2);
    /* A new version that does not load takes nothing away. */
    next_conf = conf_of("watch = off\n[model m]\npath = @/m\n");
    CU_ASSERT_EQUAL(reload(), 0);
    make_dir("m/11");
    put_file("m/11/model.h5", "no model", 8);
    CU_ASSERT_NOT_EQUAL(reload(), 0);
    CU_ASSERT_EQUAL(number_of("m", REGISTRY_LATEST, NULL), 10);
    CU_ASSERT_EQUAL(state_of("m", 11), REGISTRY_END);
    stop();
}

static void test_commands(void)
{
    clear();
    put_model("a.h5");
    put_model("b.h5");
    start("watch = off\n[model a]\npath = @/a.h5\n[model b]\npath = @/b.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_EQUAL(registry_run(registry, REGISTRY_UNLOAD, "a", &err), 0);
    CU_ASSERT_PTR_NULL(get("a", REGISTRY_LATEST, NULL));
    EVENTUALLY(state_of("a", 1) == REGISTRY_END);
    CU_ASSERT_EQUAL(reload(), 0); /* stays unloaded */
    CU_ASSERT_FALSE(serves("a"));
    CU_ASSERT_TRUE(serves("b"));
    CU_ASSERT_EQUAL(registry_run(registry, REGISTRY_LOAD, "a", &err), 0);
    CU_ASSERT_TRUE(serves("a"));
    CU_ASSERT_EQUAL(registry_run(registry, REGISTRY_LOAD, "../a", &err), KD_ENOTFOUND);
    CU_ASSERT_EQUAL(registry_run(registry, REGISTRY_UNLOAD, "c", &err), KD_ENOTFOUND);
    /* A model that the configuration no longer names goes. */
    next_conf = conf_of("watch = off\n[model b]\npath = @/b.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_PTR_NULL(get("a", REGISTRY_LATEST, NULL));
    CU_ASSERT_EQUAL(missed, REGISTRY_MISS_MODEL);
    stop();
}

/* A reference outlives what is published; the last one frees. */
static void test_drain(void)
{
    clear();
    put_model("a.h5");
    start("watch = off\n[model a]\npath = @/a.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    struct registry_version *held = get("a", REGISTRY_LATEST, NULL);
    CU_ASSERT_EQUAL(registry_run(registry, REGISTRY_LOAD, "a", &err), 0);
    struct registry_version *fresh = get("a", REGISTRY_LATEST, NULL);
    CU_ASSERT_PTR_NOT_EQUAL(held, fresh);
    CU_ASSERT_EQUAL(predict(held), 3);
    CU_ASSERT_EQUAL(registry_run(registry, REGISTRY_UNLOAD, "a", &err), 0);
    CU_ASSERT_EQUAL(state_of("a", 1), REGISTRY_UNLOADING);
    CU_ASSERT_EQUAL(predict(fresh), 3);
    registry_release(held);
    registry_release(fresh);
    EVENTUALLY(state_of("a", 1) == REGISTRY_END);
    stop();
}

/* A directory of models: what appears is served, what changes is loaded again, what goes is unloaded. */
static void test_watch(void)
{
    clear();
    put_model("a.h5");
    start("settle_time = 0\npoll_interval = 100ms\nmodel_directory = @\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(serves("a"));
    put_model("b.h5");
    EVENTUALLY(serves("b"));
    make_dir("c");
    make_dir("c/5");
    put_model("c/5/model.h5");
    EVENTUALLY(number_of("c", REGISTRY_LATEST, NULL) == 5);
    make_dir("c/6");
    put_model("c/6/model.h5");
    EVENTUALLY(number_of("c", REGISTRY_LATEST, NULL) == 6);
    EVENTUALLY(number_of("c", 5, NULL) == -1);
    struct registry_version *before = get("a", REGISTRY_LATEST, NULL);
    put_model("a.h5");
    struct registry_version *now = NULL;
    EVENTUALLY((registry_release(now), (now = get("a", REGISTRY_LATEST, NULL)) != before));
    registry_release(now);
    registry_release(before);
    unlink(path_of("b.h5"));
    EVENTUALLY(!serves("b"));
    CU_ASSERT_TRUE(registry_ready(registry, &err));
    stop();
}

/* Files beside a model are part of it: what they say counts as soon as they change. */
static void test_beside(void)
{
    clear();
    put_model("a.h5");
    start("settle_time = 0\npoll_interval = 100ms\nmodel_directory = @\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(serves("a"));
    put_file("a.labels.txt", "0 zero\n1 one\n", 13);
    struct registry_version *now = NULL;
    EVENTUALLY((registry_release(now), (now = get("a", REGISTRY_LATEST, NULL))) &&
               registry_version_class(now, 1) != NULL);
    CU_ASSERT_STRING_EQUAL(registry_version_class(now, 1), "one");
    registry_release(now);
    put_file("a.h5.kerasd.json", "{", 1);
    EVENTUALLY(state_of("a", 1) == REGISTRY_AVAILABLE && strstr(status_error, "sidecar"));
    CU_ASSERT_TRUE(serves("a"));
    unlink(path_of("a.h5.kerasd.json"));
    EVENTUALLY(state_of("a", 1) == REGISTRY_AVAILABLE && !*status_error);
    struct registry_version *same = get("a", REGISTRY_LATEST, NULL);
    CU_ASSERT_EQUAL(reload(), 0); /* nothing changed: nothing is loaded */
    now = get("a", REGISTRY_LATEST, NULL);
    CU_ASSERT_PTR_EQUAL(now, same);
    registry_release(now);
    registry_release(same);
    stop();
}

/* Kubernetes swaps a link to a directory and leaves the paths as they are. */
static void test_link(void)
{
    clear();
    make_dir("..1");
    make_dir("..2");
    put_model("..1/model.h5");
    put_file("..2/model.h5", "no model", 8);
    CU_ASSERT_EQUAL(symlink("..1", path_of("..data")), 0);
    CU_ASSERT_EQUAL(symlink("..data/model.h5", path_of("m.h5")), 0);
    start("settle_time = 0\n[model m]\npath = @/m.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    CU_ASSERT_TRUE(serves("m"));
    CU_ASSERT_EQUAL(symlink("..2", path_of("..new")), 0);
    CU_ASSERT_EQUAL(rename(path_of("..new"), path_of("..data")), 0);
    EVENTUALLY(state_of("m", 1) == REGISTRY_AVAILABLE && strstr(status_error, "not a model"));
    CU_ASSERT_TRUE(serves("m"));
    stop();
}

static void test_selftest(void)
{
    char right[16384], wrong[16384];
    int n = snprintf(right, sizeof(right), "{\"inputs\": [[");
    clear();
    for (int i = 0; i < 784; i++)
        n += snprintf(right + n, sizeof(right) - (size_t)n, "%s%.4f", i ? "," : "", digit[i]);
    n += snprintf(right + n, sizeof(right) - (size_t)n,
                  "]], \"tolerance\": 0.4, \"outputs\": [[0,0,0,1,0,0,0,0,0,0]]}");
    memcpy(wrong, right, (size_t)n);
    memcpy(strstr(wrong, "[[0,0,0,1"), "[[0,0,1,0", 9);
    put_model("a.h5");
    put_file("a.selftest.json", right, (size_t)n);
    start("watch = off\n[model a]\npath = @/a.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    put_file("a.selftest.json", wrong, (size_t)n);
    CU_ASSERT_NOT_EQUAL(registry_run(registry, REGISTRY_LOAD, "a", &err), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "self-test: output"));
    put_file("a.selftest.json", "{\"inputs\": [[1, 2]], \"outputs\": [[1]]}", 38);
    CU_ASSERT_NOT_EQUAL(registry_run(registry, REGISTRY_LOAD, "a", &err), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the shape is (1, 2), the model has (None, 784)"));
    put_file("a.selftest.json", "{\"inputs\": [[1, [2]]]}", 22);
    CU_ASSERT_NOT_EQUAL(registry_run(registry, REGISTRY_LOAD, "a", &err), 0);
    CU_ASSERT_TRUE(serves("a"));
    stop();
}

static void test_classes(void)
{
    clear();
    put_model("a.h5");
    put_file("a.labels.txt", "0 zero\r\n1 one\n2 \n", 17);
    put_model("b.h5");
    put_file("labels.txt", "zero\n1 one", 10);
    start("watch = off\n[model a]\npath = @/a.h5\n[model b]\npath = @/b.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    struct registry_version *a = get("a", REGISTRY_LATEST, NULL), *b = get("b", REGISTRY_LATEST, NULL);
    CU_ASSERT_STRING_EQUAL(registry_version_class(a, 0), "zero");
    CU_ASSERT_STRING_EQUAL(registry_version_class(a, 1), "one");
    CU_ASSERT_STRING_EQUAL(registry_version_class(a, 2), "");
    CU_ASSERT_PTR_NULL(registry_version_class(a, 3));
    CU_ASSERT_PTR_NULL(registry_version_class(a, -1));
    CU_ASSERT_STRING_EQUAL(registry_version_class(b, 1), "1 one");
    registry_release(a);
    registry_release(b);
    stop();
}

static void test_statistics(void)
{
    clear();
    put_model("a.h5");
    start("[model a]\npath = @/a.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    struct registry_version *version = get("a", REGISTRY_LATEST, NULL);
    struct registry_sample sample = {.outcome = REGISTRY_OK, .protocol = "v1", .rows = 8, .batch_rows = 8,
                                     .decode_ns = 1000, .queue_ns = 2000, .compute_ns = 3000,
                                         .encode_ns = 4000,
                                     .total_ns = 12000, .bytes_in = 100, .bytes_out = 50};
    CU_ASSERT_EQUAL(predict(version), 3);
    registry_record(version, &sample);
    sample.outcome = REGISTRY_REJECTED;
    registry_record(version, &sample);
    sample.outcome = REGISTRY_CLIENT_ERROR;
    registry_record(version, &sample);
    struct registry_snapshot *snapshot;
    CU_ASSERT_EQUAL_FATAL(registry_snapshot(registry, "a", &snapshot, &err), 0);
    const struct registry_stats *stats = &snapshot->items[0].stats;
    CU_ASSERT_EQUAL(stats->inference_count, 8);
    CU_ASSERT_EQUAL(stats->execution_count, 1); /* the warm-up is not counted */
    CU_ASSERT_EQUAL(stats->success.count, 1);
    CU_ASSERT_EQUAL(stats->success.ns, 12000);
    CU_ASSERT_EQUAL(stats->fail.count, 1);
    CU_ASSERT_EQUAL(stats->queue.ns, 2000);
    CU_ASSERT_EQUAL(stats->compute_output.ns, 4000);
    CU_ASSERT_EQUAL(stats->n_batch, 1);
    CU_ASSERT_EQUAL(stats->batch[0].batch_size, 1);
    CU_ASSERT_TRUE(stats->last_inference_ms > 0);
    CU_ASSERT_TRUE(stats->bytes > 784 * 128 * 4);
    registry_snapshot_free(snapshot);
    registry_release(version);
    struct buf text;
    buf_init(&text, 1 << 20);
    registry_metrics(registry, false, &text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\nkerasd_inference_requests_total{model=\"a\",version=\"1\","
                                             "protocol=\"v1\",outcome=\"ok\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\nkerasd_model_state{model=\"a\",version=\"1\","
                                             "state=\"AVAILABLE\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text.data, "\n:tensorflow:serving:request_example_counts_sum{model=\"a\"} 8\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "\nnv_inference_count{model=\"a\",version=\"1\"} 8\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text.data, "\n:tensorflow:serving:request_count{model_name=\"a\","
                          "status=\"UNAVAILABLE\"} 1\n"));
    buf_done(&text);
    stop();
}

/* Threads predict without pause while the model is loaded again and again: every answer is right. */
static bool over;
static void *predict_always(void *argument)
{
    int *n = argument;
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        struct registry_version *version = get("a", REGISTRY_LATEST, NULL);
        if (!version || predict(version) != 3)
            *n = -1000000;
        registry_release(version);
        (*n)++;
    }
    return NULL;
}

static void test_reload_under_load(void)
{
    pthread_t threads[2];
    int counts[2] = {0};
    clear();
    put_model("a.h5");
    start("[model a]\npath = @/a.h5\n");
    CU_ASSERT_EQUAL(reload(), 0);
    over = false;
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, predict_always, &counts[i]);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(registry_run(registry, i % 4 ? REGISTRY_LOAD : REGISTRY_RELOAD_ALL,
                                     i % 4 ? "a" : NULL, &err), 0);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_TRUE(counts[i] > 0);
    }
    stop();
}

static int set_up_all(void)
{
    char path[512];
    struct sched_pool_options options = {.n_workers = 1, .max_bytes = 1 << 26,
                                         .inline_max_ns = INT64_C(1000000000)};
    struct buf text;
    snprintf(path, sizeof(path), "%s/examples/digits.h5", getenv("KERASD_SRCDIR"));
    buf_init(&model_file, 1 << 24);
    if (fd_read_file(path, &model_file, &err))
        return -1;
    snprintf(path, sizeof(path), "%s/examples/digits-3.json", getenv("KERASD_SRCDIR"));
    buf_init(&text, 1 << 20);
    if (fd_read_file(path, &text, &err))
        return -1;
    cJSON *json = cJSON_Parse(text.data), *item;
    size_t i = 0;
    cJSON_ArrayForEach(item, cJSON_GetArrayItem(cJSON_GetObjectItem(json, "instances"), 0))
        if (i < 784)
            digit[i++] = (float)item->valuedouble;
    cJSON_Delete(json);
    buf_done(&text);
    return sched_pool_new(&options, &pool, &err);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"file", test_file},           {"bad files", test_bad_files}, {"never good", test_never_good},
        {"versions", test_versions},   {"commands", test_commands},   {"drain", test_drain},
        {"watch", test_watch},         {"beside", test_beside},       {"link", test_link},
        {"self-test", test_selftest},  {"classes", test_classes},
        {"statistics", test_statistics}, {"reload under load", test_reload_under_load},
    };
    kernels_init();
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    if (!mkdtemp(dir) || set_up_all()) {
        fprintf(stderr, "%s\n", err.text);
        return 99;
    }
    int failed = unit_main("registry", tests, KD_COUNT(tests));
    sched_pool_free(pool);
    buf_done(&model_file);
    return clear_dir() || rmdir(dir) ? 99 : failed;
}
