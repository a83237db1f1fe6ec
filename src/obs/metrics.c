/* Metrics: cells, process-wide series, and the Prometheus text.
 *
 * Threads are dealt a shard at their first count, round robin, and keep it. With as many shards as serving
 * threads no cache line is written by two of them, so a count is one uncontended add of a few nanoseconds; a
 * scrape sums the copies without stopping anybody. A scrape may therefore see a request in one family and not
 * yet in another; within a histogram the count is the sum of the buckets it printed, so it is always one.
 *
 * Series are made when a label value first turns up and live as long as the process; their number is bounded,
 * because a label that somebody feeds from request data would otherwise fill the memory. */
#include "obs/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/size.h"
#include "base/str.h"

#define MAX_SERIES 4096
#define CACHE_LINE 64

enum kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };
enum unit { UNIT_ONE, UNIT_BYTES, UNIT_SECONDS, UNIT_MICROSECONDS };

static const struct family {
    const char *name;
    enum kind kind;
    enum unit unit;
    enum metrics_buckets buckets;
    const char *labels;
    const char *help;
} families[METRIC_COUNT] = {
#define METRIC(id, name, kind, unit, buckets, labels, help)                                                  \
    {name, KIND_##kind, UNIT_##unit, METRICS_BUCKETS_##buckets, labels, help},
#include "obs/metrics.def"
#undef METRIC
};

#define US UINT64_C(1000)
#define MS (1000 * US)
static const uint64_t latency_bounds[] = {
    50 * US, 100 * US, 250 * US, 500 * US,  1 * MS,    5 * MS / 2, 5 * MS,    10 * MS,
    25 * MS, 50 * MS,  100 * MS, 250 * MS,  500 * MS,  1000 * MS,  2500 * MS, 5000 * MS,
    10000 * MS,
};
static const uint64_t row_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
static uint64_t tfs_bounds[METRICS_MAX_BUCKETS];

static void tfs_bounds_fill(void)
{
    double bound = 10e3;
    for (size_t i = 0; i < KD_COUNT(tfs_bounds); i++, bound *= 1.8)
        tfs_bounds[i] = (uint64_t)(bound + 0.5);
}

static size_t bucket_bounds(enum metrics_buckets buckets, const uint64_t **ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    switch (buckets) {
    case METRICS_BUCKETS_LATENCY:
        *ret = latency_bounds;
        return KD_COUNT(latency_bounds);
    case METRICS_BUCKETS_ROWS:
        *ret = row_bounds;
        return KD_COUNT(row_bounds);
    case METRICS_BUCKETS_TFS:
        pthread_once(&once, tfs_bounds_fill);
        *ret = tfs_bounds;
        return KD_COUNT(tfs_bounds);
    case METRICS_BUCKETS_NONE:
        break;
    }
    *ret = NULL;
    return 0;
}

size_t metrics_bucket_count(enum metrics_buckets buckets)
{
    const uint64_t *bounds;
    return bucket_bounds(buckets, &bounds);
}

/* ---- cells ---- */

struct metrics_cells {
    size_t stride; /* cells per shard, a multiple of a cache line's */
    uint64_t *data;
};

static unsigned thread_shard(void)
{
    static unsigned next; /* atomic */
    static _Thread_local unsigned shard = METRICS_SHARDS;
    if (shard == METRICS_SHARDS)
        shard = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED) % METRICS_SHARDS;
    return shard;
}

struct metrics_cells *metrics_cells_new(size_t n)
{
    struct metrics_cells *cells = calloc(1, sizeof(*cells));
    if (!cells)
        return NULL;
    cells->stride = size_align(n, CACHE_LINE / sizeof(uint64_t));
    size_t bytes = METRICS_SHARDS * cells->stride * sizeof(uint64_t);
    cells->data = aligned_alloc(CACHE_LINE, bytes);
    if (!cells->data) {
        free(cells);
        return NULL;
    }
    memset(cells->data, 0, bytes);
    return cells;
}

void metrics_cells_free(struct metrics_cells *cells)
{
    if (cells)
        free(cells->data);
    free(cells);
}

void metrics_add(struct metrics_cells *cells, size_t i, uint64_t value)
{
    __atomic_fetch_add(&cells->data[thread_shard() * cells->stride + i], value, __ATOMIC_RELAXED);
}

void metrics_set(struct metrics_cells *cells, size_t i, uint64_t value)
{
    __atomic_store_n(&cells->data[i], value, __ATOMIC_RELAXED);
}

uint64_t metrics_sum(const struct metrics_cells *cells, size_t i)
{
    uint64_t sum = 0;
    for (size_t shard = 0; shard < METRICS_SHARDS; shard++)
        sum += __atomic_load_n(&cells->data[shard * cells->stride + i], __ATOMIC_RELAXED);
    return sum;
}

void metrics_observe(struct metrics_cells *cells, size_t first, enum metrics_buckets buckets, uint64_t value)
{
    const uint64_t *bounds;
    size_t n = bucket_bounds(buckets, &bounds);
    size_t low = 0, high = n; /* the first bound >= value, n: +Inf */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bounds[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t *shard = cells->data + thread_shard() * cells->stride + first;
    __atomic_fetch_add(&shard[low], 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&shard[n + 1], value, __ATOMIC_RELAXED);
}

/* ---- process-wide series ---- */

struct series {
    struct metrics_cells *cells;
    char *labels[METRICS_MAX_LABELS];
    struct series *next;
};

static struct lock series_lock;
static pthread_once_t series_once = PTHREAD_ONCE_INIT;
static struct series *series_of[METRIC_COUNT];
static size_t n_series;
static struct metrics_cells *unprinted;

static void series_setup(void)
{
    lock_init(&series_lock, LOCK_RANK_METRICS);
    unprinted = metrics_cells_new(METRICS_HISTOGRAM_CELLS);
    KD_ASSERT(unprinted);
}

static bool series_is(const struct series *series, const char *const *labels)
{
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++)
        if (!str_equal(series->labels[i], labels[i]))
            return false;
    return true;
}

static void series_free(struct series *series)
{
    for (size_t i = 0; i < METRICS_MAX_LABELS; i++)
        free(series->labels[i]);
    metrics_cells_free(series->cells);
    free(series);
}

static struct series *series_new(enum metrics_id id, const char *const *labels)
{
    struct series *series = calloc(1, sizeof(*series));
    if (!series)
        return NULL;
    bool ok = true;
    for (size_t i = 0; i < METRICS_MAX_LABELS && labels[i]; i++)
        ok = (series->labels[i] = strdup(labels[i])) && ok;
    series->cells = metrics_cells_new(families[id].kind == KIND_HISTOGRAM ? METRICS_HISTOGRAM_CELLS : 1);
    if (ok && series->cells)
        return series;
    series_free(series);
    return NULL;
}

static struct series *series_find_or_add(enum metrics_id id, const char *const *labels)
{
    struct series **link = &series_of[id];
    while (*link && !series_is(*link, labels))
        link = &(*link)->next;
    if (!*link && n_series < MAX_SERIES && (*link = series_new(id, labels)))
        n_series++;
    return *link;
}

struct metrics_cells *metrics_series(enum metrics_id id, const char *label_0, const char *label_1,
                                     const char *label_2)
{
    const char *labels[METRICS_MAX_LABELS] = {label_0, label_1, label_2};
    pthread_once(&series_once, series_setup);
    lock_take(&series_lock);
    struct series *series = series_find_or_add(id, labels);
    lock_give(&series_lock);
    return series ? series->cells : unprinted;
}

void metrics_series_observe(enum metrics_id id, struct metrics_cells *series, uint64_t value)
{
    metrics_observe(series, 0, families[id].buckets, value);
}

void metrics_gauge_add(struct metrics_cells *series, int64_t value)
{
    metrics_add(series, 0, (uint64_t)value);
}

/* ---- Prometheus text ---- */

void metrics_print_family(struct buf *ret, enum metrics_id id)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    buf_printf(ret, "# HELP %s %s\n# TYPE %s %s\n", families[id].name, families[id].help, families[id].name,
               kinds[families[id].kind]);
}

static void print_escaped(struct buf *ret, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n') {
            buf_puts(ret, "\\n");
            continue;
        }
        if (*text == '"' || *text == '\\')
            buf_putc(ret, '\\');
        buf_putc(ret, *text);
    }
}

/* name_suffix{label="value",...,le="bound"} and a space. */
static void print_name(struct buf *ret, enum metrics_id id, const char *suffix, const char *const *labels,
                       const char *bound)
{
    const char *name = families[id].labels;
    const char *separator = "{";
    buf_puts(ret, families[id].name);
    buf_puts(ret, suffix);
    for (size_t i = 0; *name; i++) {
        size_t length = strcspn(name, ",");
        buf_puts(ret, separator);
        buf_append(ret, name, length);
        buf_puts(ret, "=\"");
        print_escaped(ret, labels[i]);
        buf_putc(ret, '"');
        separator = ",";
        name += length + (name[length] == ',');
    }
    if (bound)
        buf_printf(ret, "%sle=\"%s\"", separator, bound);
    buf_puts(ret, bound || *families[id].labels ? "} " : " ");
}

static const char *scaled(enum unit unit, uint64_t raw, char *text, size_t size)
{
    if (unit == UNIT_SECONDS)
        snprintf(text, size, "%.12g", (double)raw / 1e9);
    else if (unit == UNIT_MICROSECONDS)
        snprintf(text, size, "%.12g", (double)raw / 1e3);
    else
        snprintf(text, size, "%llu", (unsigned long long)raw);
    return text;
}

static void print_sample(struct buf *ret, enum metrics_id id, const char *suffix, const char *const *labels,
                         const char *value)
{
    print_name(ret, id, suffix, labels, NULL);
    buf_puts(ret, value);
    buf_putc(ret, '\n');
}

void metrics_print_value(struct buf *ret, enum metrics_id id, const char *const *labels, uint64_t raw)
{
    char text[40];
    enum unit unit = families[id].unit;
    if (unit == UNIT_MICROSECONDS) /* cumulative microseconds are whole numbers in Triton's families */
        snprintf(text, sizeof(text), "%llu", (unsigned long long)(raw / 1000));
    else
        scaled(unit, raw, text, sizeof(text));
    print_sample(ret, id, "", labels, text);
}

void metrics_print_histogram(struct buf *ret, enum metrics_id id, const char *const *labels,
                             const struct metrics_cells *cells, size_t first)
{
    const uint64_t *bounds;
    size_t n = bucket_bounds(families[id].buckets, &bounds);
    enum unit unit = families[id].unit;
    uint64_t count = 0;
    char text[40];
    for (size_t i = 0; i <= n; i++) {
        count += metrics_sum(cells, first + i);
        print_name(ret, id, "_bucket", labels, i == n ? "+Inf" : scaled(unit, bounds[i], text, sizeof(text)));
        buf_printf(ret, "%llu\n", (unsigned long long)count);
    }
    print_sample(ret, id, "_sum", labels, scaled(unit, metrics_sum(cells, first + n + 1), text,
                                                 sizeof(text)));
    print_sample(ret, id, "_count", labels, scaled(UNIT_ONE, count, text, sizeof(text)));
}

static void print_series(struct buf *ret, enum metrics_id id)
{
    metrics_print_family(ret, id);
    for (const struct series *series = series_of[id]; series; series = series->next) {
        const char *const *labels = (const char *const *)series->labels;
        if (families[id].kind == KIND_HISTOGRAM)
            metrics_print_histogram(ret, id, labels, series->cells, 0);
        else
            metrics_print_value(ret, id, labels, metrics_sum(series->cells, 0));
    }
}

/* ---- the process ---- */

static const char *build_labels[] = {"unknown", "unknown", "unknown"};

void metrics_setup(const char *version, const char *blas, const char *cpu)
{
    build_labels[0] = version;
    build_labels[1] = blas;
    build_labels[2] = cpu;
}

static uint64_t open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t n = 0;
    if (!dir)
        return 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n >= 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

/* Virtual and resident size in pages, start time in ticks after boot; zeros where /proc is hidden. */
static void read_proc_stat(unsigned long long *ret_virtual, unsigned long long *ret_resident,
                           unsigned long long *ret_start)
{
    char text[1024];
    FILE *file = fopen("/proc/self/stat", "re");
    *ret_virtual = *ret_resident = *ret_start = 0;
    if (!file)
        return;
    size_t length = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *after_name = strrchr(text, ')'); /* field 2; 22 is the start, 23 and 24 the sizes */
    if (after_name)
        sscanf(after_name + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s"
               " %llu %llu %llu", ret_start, ret_virtual, ret_resident);
}

static uint64_t start_time_ns(unsigned long long start_ticks)
{
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t since_boot_ns = boot.tv_sec * INT64_C(1000000000) + boot.tv_nsec;
    int64_t start_ns = (int64_t)(start_ticks * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK)));
    return (uint64_t)(clock_wall_ns() - since_boot_ns + start_ns);
}

static void print_one(struct buf *ret, enum metrics_id id, const char *const *labels, uint64_t raw)
{
    metrics_print_family(ret, id);
    metrics_print_value(ret, id, labels, raw);
}

static uint64_t timeval_ns(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static void print_process(struct buf *ret)
{
    unsigned long long virtual_bytes, resident_pages, start;
    struct rusage usage;
    struct rlimit limit;
    read_proc_stat(&virtual_bytes, &resident_pages, &start);
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    print_one(ret, METRIC_BUILD_INFO, build_labels, 1);
    print_one(ret, METRIC_PROCESS_CPU, NULL, timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime));
    print_one(ret, METRIC_PROCESS_RSS, NULL, resident_pages * (uint64_t)sysconf(_SC_PAGESIZE));
    print_one(ret, METRIC_PROCESS_VIRTUAL, NULL, virtual_bytes);
    print_one(ret, METRIC_PROCESS_OPEN_FDS, NULL, open_fds());
    print_one(ret, METRIC_PROCESS_MAX_FDS, NULL, limit.rlim_cur);
    print_one(ret, METRIC_PROCESS_START, NULL, start_time_ns(start));
}

void metrics_print(struct buf *ret)
{
    pthread_once(&series_once, series_setup);
    lock_take(&series_lock);
    for (size_t id = 0; id < METRIC_COUNT; id++)
        if (series_of[id])
            print_series(ret, (enum metrics_id)id);
    lock_give(&series_lock);
    print_process(ret);
}
