/* Statistics of a version: counted once, printed under every name that dashboards know.
 *
 * A finished request adds to one block of cells; the batch sizes are the scheduler's cells. From these two
 * come the statistics answer and all Prometheus families of a model, also those with TensorFlow Serving's
 * and Triton's names. Numbers start at zero when a version is loaded, as both of them have it; the loads
 * are counted per name for the life of the process (loader.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/size.h"
#include "base/str.h"
#include "obs/metrics.h"
#include "registry/model.h"
#include "sched/pool.h"

#define N_OUTCOMES (REGISTRY_FAILED + 1)
static const char *const protocols[] = {"v1", "v2", "other"};
static const char *const outcomes[N_OUTCOMES] = {"ok", "client_error", "rejected", "deadline", "error"};
static const char *const stages[] = {"decode", "queue", "compute", "encode"};
#define N_STAGES KD_COUNT(stages)

enum {
    CELL_REQUESTS, /* by protocol and outcome */
    CELL_BYTES_IN = CELL_REQUESTS + 3 * N_OUTCOMES,
    CELL_BYTES_OUT,
    CELL_FAIL_NS,
    CELL_ROWS, /* histograms of successful requests from here on */
    CELL_TOTAL = CELL_ROWS + METRICS_HISTOGRAM_CELLS,
    CELL_STAGES = CELL_TOTAL + METRICS_HISTOGRAM_CELLS,
    CELL_TFS_TOTAL = CELL_STAGES + 4 * METRICS_HISTOGRAM_CELLS,
    CELL_TFS_RUN = CELL_TFS_TOTAL + METRICS_HISTOGRAM_CELLS,
    N_CELLS = CELL_TFS_RUN + METRICS_HISTOGRAM_CELLS
};

struct metrics_cells *registry_cells_new(void)
{
    return metrics_cells_new(N_CELLS);
}

static size_t protocol_index(const char *protocol)
{
    size_t i = 0;
    while (i < 2 && !str_equal(protocols[i], protocol))
        i++;
    return i;
}

void registry_record(struct registry_version *version, const struct registry_sample *sample)
{
    struct metrics_cells *cells = version->cells;
    const int64_t times[N_STAGES] = {sample->decode_ns, sample->queue_ns, sample->compute_ns,
                                     sample->encode_ns};
    metrics_add(cells, CELL_REQUESTS + protocol_index(sample->protocol) * N_OUTCOMES + sample->outcome, 1);
    metrics_add(cells, CELL_BYTES_IN, sample->bytes_in);
    metrics_add(cells, CELL_BYTES_OUT, sample->bytes_out);
    bool failed = sample->outcome != REGISTRY_OK && sample->outcome != REGISTRY_CLIENT_ERROR;
    if (failed)
        metrics_add(cells, CELL_FAIL_NS, (uint64_t)sample->total_ns);
    if (sample->outcome != REGISTRY_OK)
        return;
    metrics_observe(cells, CELL_ROWS, METRICS_BUCKETS_ROWS, (uint64_t)sample->rows);
    metrics_observe(cells, CELL_TOTAL, METRICS_BUCKETS_LATENCY, (uint64_t)sample->total_ns);
    for (size_t i = 0; i < N_STAGES; i++)
        metrics_observe(cells, CELL_STAGES + i * METRICS_HISTOGRAM_CELLS, METRICS_BUCKETS_LATENCY,
                        (uint64_t)times[i]);
    metrics_observe(cells, CELL_TFS_TOTAL, METRICS_BUCKETS_TFS, (uint64_t)sample->total_ns);
    metrics_observe(cells, CELL_TFS_RUN, METRICS_BUCKETS_TFS, (uint64_t)sample->compute_ns);
    __atomic_store_n(&version->last_ms, clock_wall_ns() / 1000000, __ATOMIC_RELAXED);
}

/* ---- reading ---- */

static uint64_t outcome_count(const struct registry_version *version, enum registry_outcome outcome)
{
    uint64_t n = 0;
    for (size_t i = 0; i < KD_COUNT(protocols); i++)
        n += metrics_sum(version->cells, CELL_REQUESTS + i * N_OUTCOMES + outcome);
    return n;
}

static uint64_t failures(const struct registry_version *version)
{
    return outcome_count(version, REGISTRY_REJECTED) + outcome_count(version, REGISTRY_DEADLINE) +
           outcome_count(version, REGISTRY_FAILED);
}

static uint64_t histogram_sum(const struct registry_version *version, enum metrics_buckets buckets,
                              size_t first)
{
    return metrics_sum(version->cells, first + metrics_bucket_count(buckets) + 1);
}

static struct registry_duration stage_duration(const struct registry_version *version, size_t stage)
{
    return (struct registry_duration){
        .count = outcome_count(version, REGISTRY_OK),
        .ns = histogram_sum(version, METRICS_BUCKETS_LATENCY, CELL_STAGES + stage * METRICS_HISTOGRAM_CELLS),
    };
}

static void read_batches(const struct registry_version *version, struct registry_stats *ret)
{
    const struct metrics_cells *cells = sched_queue_cells(version->queue);
    for (size_t i = 0; i < SCHED_BATCH_SIZES && ret->n_batch < REGISTRY_BATCH_STATS; i++) {
        size_t cell = SCHED_CELL_SIZES + 4 * i;
        uint64_t count = metrics_sum(cells, cell);
        if (count == 0)
            continue;
        uint64_t input_ns = metrics_sum(cells, cell + 1), infer_ns = metrics_sum(cells, cell + 2);
        uint64_t output_ns = metrics_sum(cells, cell + 3);
        ret->batch[ret->n_batch].batch_size = INT64_C(1) << i;
        ret->batch[ret->n_batch].compute_input = (struct registry_duration){count, input_ns};
        ret->batch[ret->n_batch].compute_infer = (struct registry_duration){count, infer_ns};
        ret->batch[ret->n_batch].compute_output = (struct registry_duration){count, output_ns};
        ret->n_batch++;
    }
}

void registry_stats_read(const struct registry_version *version, struct registry_stats *ret)
{
    *ret = (struct registry_stats){
        .inference_count = histogram_sum(version, METRICS_BUCKETS_ROWS, CELL_ROWS),
        .execution_count = metrics_sum(sched_queue_cells(version->queue), SCHED_CELL_EXECUTIONS),
        .last_inference_ms = __atomic_load_n(&version->last_ms, __ATOMIC_RELAXED),
        .success = {outcome_count(version, REGISTRY_OK),
                    histogram_sum(version, METRICS_BUCKETS_LATENCY, CELL_TOTAL)},
        .fail = {failures(version), metrics_sum(version->cells, CELL_FAIL_NS)},
        .compute_input = stage_duration(version, 0),
        .queue = stage_duration(version, 1),
        .compute_infer = stage_duration(version, 2),
        .compute_output = stage_duration(version, 3),
        .bytes = version->bytes,
    };
    read_batches(version, ret);
}

/* ---- Prometheus ---- */

/* One family at a time over all versions; `labels` are the version's own two. */
typedef void (*print_fn)(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                         const char *const labels[2]);

static void print_requests(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                           const char *const labels[2])
{
    for (size_t protocol = 0; protocol < KD_COUNT(protocols); protocol++) {
        for (size_t outcome = 0; outcome < N_OUTCOMES; outcome++) {
            const char *all[] = {labels[0], labels[1], protocols[protocol], outcomes[outcome]};
            uint64_t n = metrics_sum(status->loaded->cells, CELL_REQUESTS + protocol * N_OUTCOMES + outcome);
            if (n || (protocol < 2 && outcome == REGISTRY_OK))
                metrics_print_value(ret, id, all, n);
        }
    }
}

static void print_stages(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                         const char *const labels[2])
{
    for (size_t stage = 0; stage < N_STAGES; stage++) {
        const char *all[] = {labels[0], labels[1], stages[stage]};
        metrics_print_histogram(ret, id, all, status->loaded->cells,
                                CELL_STAGES + stage * METRICS_HISTOGRAM_CELLS);
    }
}

static void print_total(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                        const char *const labels[2])
{
    metrics_print_histogram(ret, id, labels, status->loaded->cells, CELL_TOTAL);
}

static void print_batch_rows(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                             const char *const labels[2])
{
    metrics_print_histogram(ret, id, labels, sched_queue_cells(status->loaded->queue), SCHED_CELL_ROWS);
}

static void print_value(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                        const char *const labels[2])
{
    const struct registry_version *version = status->loaded;
    const struct registry_stats *stats = &status->stats;
    uint64_t value = 0;
    switch ((int)id) {
    case METRIC_ROWS:
    case METRIC_NV_COUNT:
        value = stats->inference_count;
        break;
    case METRIC_BYTES_IN:
        value = metrics_sum(version->cells, CELL_BYTES_IN);
        break;
    case METRIC_BYTES_OUT:
        value = metrics_sum(version->cells, CELL_BYTES_OUT);
        break;
    case METRIC_QUEUE_DEPTH:
    case METRIC_NV_PENDING:
        value = sched_queue_depth(version->queue);
        break;
    case METRIC_QUEUE_LIMIT:
        value = sched_queue_limit(version->queue);
        break;
    case METRIC_MODEL_LOAD_TIME:
        value = (uint64_t)version->load_ns;
        break;
    case METRIC_MODEL_MEMORY:
        value = version->bytes;
        break;
    case METRIC_MODEL_LOADED_AT:
        value = (uint64_t)version->loaded_at_ns;
        break;
    case METRIC_NV_SUCCESS:
        value = stats->success.count;
        break;
    case METRIC_NV_EXEC_COUNT:
        value = stats->execution_count;
        break;
    case METRIC_NV_REQUEST_DURATION:
        value = stats->success.ns;
        break;
    case METRIC_NV_QUEUE_DURATION:
        value = stats->queue.ns;
        break;
    case METRIC_NV_INPUT_DURATION:
        value = stats->compute_input.ns;
        break;
    case METRIC_NV_INFER_DURATION:
        value = stats->compute_infer.ns;
        break;
    case METRIC_NV_OUTPUT_DURATION:
        value = stats->compute_output.ns;
        break;
    }
    metrics_print_value(ret, id, labels, value);
}

static void print_nv_failure(struct buf *ret, enum metrics_id id, const struct registry_status *status,
                             const char *const labels[2])
{
    static const char *const reasons[] = {"BACKEND", "CANCELED", "OTHER", "REJECTED"};
    const struct registry_version *version = status->loaded;
    uint64_t late = outcome_count(version, REGISTRY_REJECTED) + outcome_count(version, REGISTRY_DEADLINE);
    const uint64_t values[] = {outcome_count(version, REGISTRY_FAILED), 0, 0, late};
    for (size_t i = 0; i < KD_COUNT(reasons); i++) {
        const char *all[] = {labels[0], reasons[i], labels[1]};
        metrics_print_value(ret, id, all, values[i]);
    }
}

static const struct {
    enum metrics_id id;
    print_fn print;
    bool compatibility;
} version_families[] = {
    {METRIC_REQUESTS, print_requests, false},
    {METRIC_ROWS, print_value, false},
    {METRIC_BYTES_IN, print_value, false},
    {METRIC_BYTES_OUT, print_value, false},
    {METRIC_TOTAL_TIME, print_total, false},
    {METRIC_STAGE_TIME, print_stages, false},
    {METRIC_BATCH_ROWS, print_batch_rows, false},
    {METRIC_QUEUE_DEPTH, print_value, false},
    {METRIC_QUEUE_LIMIT, print_value, false},
    {METRIC_MODEL_LOAD_TIME, print_value, false},
    {METRIC_MODEL_MEMORY, print_value, false},
    {METRIC_MODEL_LOADED_AT, print_value, false},
    {METRIC_NV_SUCCESS, print_value, true},
    {METRIC_NV_FAILURE, print_nv_failure, true},
    {METRIC_NV_COUNT, print_value, true},
    {METRIC_NV_EXEC_COUNT, print_value, true},
    {METRIC_NV_REQUEST_DURATION, print_value, true},
    {METRIC_NV_QUEUE_DURATION, print_value, true},
    {METRIC_NV_INPUT_DURATION, print_value, true},
    {METRIC_NV_INFER_DURATION, print_value, true},
    {METRIC_NV_OUTPUT_DURATION, print_value, true},
    {METRIC_NV_PENDING, print_value, true},
};

static void print_states(struct buf *ret, const struct registry_snapshot *snapshot)
{
    metrics_print_family(ret, METRIC_MODEL_STATE);
    for (size_t i = 0; i < snapshot->n; i++) {
        const struct registry_status *status = &snapshot->items[i];
        char number[24];
        snprintf(number, sizeof(number), "%lld", (long long)status->version);
        for (int state = REGISTRY_START; state <= REGISTRY_END; state++) {
            const char *labels[] = {status->model, number, registry_state_name((enum registry_state)state)};
            metrics_print_value(ret, METRIC_MODEL_STATE, labels, state == (int)status->state);
        }
    }
}

/* TensorFlow Serving's families have no version: those of a name are added up. */
static void print_tfs_counts(struct buf *ret, const struct registry_snapshot *snapshot, enum metrics_id id,
                             bool rows)
{
    static const char *const codes[N_OUTCOMES] = {"OK", "INVALID_ARGUMENT", "UNAVAILABLE",
                                                  "DEADLINE_EXCEEDED",
                                                  "INTERNAL"};
    metrics_print_family(ret, id);
    for (size_t i = 0; i < snapshot->n;) {
        uint64_t sums[N_OUTCOMES] = {0}, sum_rows = 0;
        const char *model = snapshot->items[i].model;
        for (; i < snapshot->n && str_equal(snapshot->items[i].model, model); i++) {
            const struct registry_version *version = snapshot->items[i].loaded;
            for (size_t k = 0; version && k < N_OUTCOMES; k++)
                sums[k] += outcome_count(version, (enum registry_outcome)k);
            sum_rows += version ? snapshot->items[i].stats.inference_count : 0;
        }
        for (size_t k = 0; k < (rows ? 1 : N_OUTCOMES); k++) {
            const char *labels[] = {model, codes[k]};
            metrics_print_value(ret, id, labels, rows ? sum_rows : sums[k]);
        }
    }
}

/* Of the version that serves: histograms cannot be added up without copying them. */
static void print_tfs_histogram(struct buf *ret, const struct registry_snapshot *snapshot, enum metrics_id id,
                                size_t first)
{
    metrics_print_family(ret, id);
    for (size_t i = 0; i < snapshot->n; i++) {
        const struct registry_status *status = &snapshot->items[i];
        const char *labels[] = {status->model, "Predict",
                                id == METRIC_TFS_REQUEST_LATENCY ? "REST" : "kerasd"};
        if (status->current && status->loaded)
            metrics_print_histogram(ret, id, labels, status->loaded->cells, first);
    }
}

void registry_metrics(struct registry *registry, bool own, struct buf *ret)
{
    struct registry_snapshot *snapshot;
    if (registry_snapshot(registry, NULL, &snapshot, NULL))
        return;
    bool compatibility = !own && registry_metrics_compatibility(registry);
    print_states(ret, snapshot);
    for (size_t f = 0; f < KD_COUNT(version_families); f++) {
        if (version_families[f].compatibility && !compatibility)
            continue;
        metrics_print_family(ret, version_families[f].id);
        for (size_t i = 0; i < snapshot->n; i++) {
            const struct registry_status *status = &snapshot->items[i];
            char number[24];
            snprintf(number, sizeof(number), "%lld", (long long)status->version);
            const char *const labels[2] = {status->model, number};
            if (status->loaded)
                version_families[f].print(ret, version_families[f].id, status, labels);
        }
    }
    if (compatibility) {
        print_tfs_counts(ret, snapshot, METRIC_TFS_REQUEST_COUNT, false);
        print_tfs_counts(ret, snapshot, METRIC_TFS_EXAMPLE_COUNTS, true);
        print_tfs_histogram(ret, snapshot, METRIC_TFS_EXAMPLES, CELL_ROWS);
        print_tfs_histogram(ret, snapshot, METRIC_TFS_REQUEST_LATENCY, CELL_TFS_TOTAL);
        print_tfs_histogram(ret, snapshot, METRIC_TFS_RUNTIME_LATENCY, CELL_TFS_RUN);
    }
    registry_snapshot_free(snapshot);
}
