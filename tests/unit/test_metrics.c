/* Metrics: sums over threads, bucket borders, and text that a Prometheus parser accepts. */
#include "obs/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "unit.h"

#define ADDS 20000

static void *add_many(void *argument)
{
    for (int i = 0; i < ADDS; i++)
        metrics_add(argument, 1, 2);
    return NULL;
}

static void test_threads(void)
{
    struct metrics_cells *cells = metrics_cells_new(3);
    pthread_t threads[12];
    for (size_t i = 0; i < 12; i++)
        pthread_create(&threads[i], NULL, add_many, cells);
    for (size_t i = 0; i < 12; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(metrics_sum(cells, 1), 12u * 2 * ADDS);
    CU_ASSERT_EQUAL(metrics_sum(cells, 0), 0);
    CU_ASSERT_EQUAL(metrics_sum(cells, 2), 0);
    metrics_cells_free(cells);
}

/* The value of the first sample that starts with `name` and a space; -1 if there is none. */
static double value_of(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line ? 1 : 0)
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            return atof(line + length);
    return -1;
}

static void test_buckets(void)
{
    struct metrics_cells *cells = metrics_cells_new(METRICS_HISTOGRAM_CELLS);
    static const char *const labels[] = {"m", "1"};
    static const uint64_t rows[] = {1, 2, 3, 4, 1024, 1025, 5000};
    for (size_t i = 0; i < 7; i++)
        metrics_observe(cells, 0, METRICS_BUCKETS_ROWS, rows[i]);
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print_family(&text, METRIC_BATCH_ROWS);
    metrics_print_histogram(&text, METRIC_BATCH_ROWS, labels, cells, 0);
#define ROWS_LE(bound)                                                                                       \
    value_of(text.data, "kerasd_batch_rows_bucket{model=\"m\",version=\"1\",le=\"" bound "\"}")
    CU_ASSERT_EQUAL(ROWS_LE("1"), 1);
    CU_ASSERT_EQUAL(ROWS_LE("2"), 2);
    CU_ASSERT_EQUAL(ROWS_LE("4"), 4);
    CU_ASSERT_EQUAL(ROWS_LE("512"), 4);
    CU_ASSERT_EQUAL(ROWS_LE("1024"), 5);
    CU_ASSERT_EQUAL(ROWS_LE("+Inf"), 7);
    CU_ASSERT_EQUAL(value_of(text.data, "kerasd_batch_rows_sum{model=\"m\",version=\"1\"}"), 7059);
    CU_ASSERT_EQUAL(value_of(text.data, "kerasd_batch_rows_count{model=\"m\",version=\"1\"}"), 7);
    buf_done(&text);
    metrics_cells_free(cells);
}

static void test_series(void)
{
    struct metrics_cells *one = metrics_series(METRIC_HTTP_REQUESTS, "GET", "/v1", "200");
    CU_ASSERT_PTR_EQUAL(metrics_series(METRIC_HTTP_REQUESTS, "GET", "/v1", "200"), one);
    CU_ASSERT_PTR_NOT_EQUAL(metrics_series(METRIC_HTTP_REQUESTS, "GET", "/v1", "404"), one);
    metrics_add(one, 0, 5);
    struct metrics_cells *time = metrics_series(METRIC_HTTP_DURATION, "say \"\\\n", NULL, NULL);
    metrics_series_observe(METRIC_HTTP_DURATION, time, 3000000);
    struct metrics_cells *flight = metrics_series(METRIC_HTTP_IN_FLIGHT, NULL, NULL, NULL);
    metrics_gauge_add(flight, 3);
    metrics_gauge_add(flight, -1);
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_setup("1.0", "openblas", "zen4");
    metrics_print(&text);
#define REQUESTS(code)                                                                                       \
    value_of(text.data, "kerasd_http_requests_total{method=\"GET\",route=\"/v1\",code=\"" code "\"}")
    CU_ASSERT_EQUAL(REQUESTS("200"), 5);
    CU_ASSERT_EQUAL(REQUESTS("404"), 0);
    CU_ASSERT_EQUAL(value_of(text.data, "kerasd_http_requests_in_flight"), 2);
    CU_ASSERT_EQUAL(
        value_of(text.data, "kerasd_http_request_duration_seconds_sum{route=\"say \\\"\\\\\\n\"}"), 0.003);
    CU_ASSERT_EQUAL(value_of(text.data, "kerasd_build_info{version=\"1.0\",blas=\"openblas\",cpu=\"zen4\"}"),
                    1);
    CU_ASSERT_TRUE(value_of(text.data, "process_resident_memory_bytes") > 100000);
    CU_ASSERT_TRUE(value_of(text.data, "process_open_fds") >= 3);
    CU_ASSERT_TRUE(value_of(text.data, "process_cpu_seconds_total") > 0);
    CU_ASSERT_TRUE(value_of(text.data, "process_start_time_seconds") > 1.6e9);
    buf_done(&text);
}

/* Every sample follows its family's HELP and TYPE, and no family comes twice. */
static void test_families(void)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    metrics_print(&text);
    char family[200] = "", seen[8192] = " ";
    for (char *save = NULL, *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n",
                                                                                            &save)) {
        char name[200];
        if (sscanf(line, "# HELP %199s", name) == 1) {
            char spaced[220];
            snprintf(spaced, sizeof(spaced), " %s ", name);
            CU_ASSERT_PTR_NULL(strstr(seen, spaced));
            strncat(seen, spaced, sizeof(seen) - strlen(seen) - 1);
            strcpy(family, name);
        } else if (sscanf(line, "# TYPE %199s", name) == 1) {
            CU_ASSERT_STRING_EQUAL(name, family);
        } else {
            CU_ASSERT_EQUAL(strncmp(line, family, strlen(family)), 0);
            CU_ASSERT_PTR_NOT_NULL(strrchr(line, ' '));
        }
    }
    buf_done(&text);
}

/* Label values that somebody lets clients choose cannot fill the memory. */
static void test_bound(void)
{
    char label[32];
    struct metrics_cells *last = NULL;
    for (int i = 0; i < 6000; i++) {
        snprintf(label, sizeof(label), "reason-%d", i);
        last = metrics_series(METRIC_HTTP_REJECTED, label, NULL, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(last);
    }
    CU_ASSERT_PTR_EQUAL(metrics_series(METRIC_HTTP_REJECTED, "one more", NULL, NULL), last);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"threads", test_threads},   {"buckets", test_buckets}, {"series", test_series},
        {"families", test_families}, {"bound", test_bound},
    };
    return unit_main("metrics", tests, sizeof(tests) / sizeof(tests[0]));
}
