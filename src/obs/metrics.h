/* Metrics: counters, gauges and histograms in Prometheus text, lock-free where they are counted.
 *
 * The one primitive is a block of cells: n 64-bit numbers in METRICS_SHARDS copies, a copy per group of
 * threads on cache lines of its own; adding touches one copy, reading sums all. A counter is one cell, a
 * histogram its buckets and the sum. metrics.def names the families; what lives as long as the process is a
 * series kept here, what belongs to a model is printed by its owner with the metrics_print_* functions. */
#ifndef KD_OBS_METRICS_H
#define KD_OBS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define METRICS_SHARDS 8
#define METRICS_MAX_LABELS 4

enum metrics_id {
#define METRIC(id, name, kind, unit, buckets, labels, help) METRIC_##id,
#include "obs/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Upper bounds of histogram buckets, in raw units; LATENCY and TFS in nanoseconds. */
enum metrics_buckets {
    METRICS_BUCKETS_NONE,
    METRICS_BUCKETS_LATENCY, /* 50 us to 10 s in steps of 1, 2.5, 5 */
    METRICS_BUCKETS_TFS,     /* 10 us x 1.8^i, 33 of them */
    METRICS_BUCKETS_ROWS     /* 1, 2, 4 ... 1024 */
};
#define METRICS_MAX_BUCKETS 33
/* Without +Inf. The sum lies in cell `first` + count + 1. */
size_t metrics_bucket_count(enum metrics_buckets buckets);
/* Cells that a histogram takes: its buckets, one for +Inf, one for the sum. */
#define METRICS_HISTOGRAM_CELLS (METRICS_MAX_BUCKETS + 2)

struct metrics_cells;

/* Zero-filled; NULL when out of memory. */
struct metrics_cells *metrics_cells_new(size_t n);
void metrics_cells_free(struct metrics_cells *cells); /* accepts NULL */
void metrics_add(struct metrics_cells *cells, size_t i, uint64_t value);
/* For gauges: one copy holds the value (do not mix with metrics_add). */
void metrics_set(struct metrics_cells *cells, size_t i, uint64_t value);
uint64_t metrics_sum(const struct metrics_cells *cells, size_t i);
/* Counts value in the histogram that starts at cell `first`. */
void metrics_observe(struct metrics_cells *cells, size_t first, enum metrics_buckets buckets, uint64_t value);

/* The process-wide series of a family with these label values (as many as it has labels, the rest NULL);
 * made at the first call, then the same one for ever. Not for the hot path: keep the result. Never NULL:
 * when memory or the bound on series is exhausted it is one that nobody prints. Cell 0 is the value, or the
 * histogram's start. */
struct metrics_cells *metrics_series(enum metrics_id id, const char *label_0, const char *label_1,
                                     const char *label_2);
/* One observation into a process-wide histogram series. */
void metrics_series_observe(enum metrics_id id, struct metrics_cells *series, uint64_t value);
/* Adds to a process-wide gauge; negative takes away. */
void metrics_gauge_add(struct metrics_cells *series, int64_t value);

/* What build_info says; before the first scrape. Texts are lent for ever. */
void metrics_setup(const char *version, const char *blas, const char *cpu);

/* All process-wide families and the process's own, in Prometheus text format 0.0.4. */
void metrics_print(struct buf *ret);

/* For owners of their own cells: family header once, then its samples. labels: one value per label. */
void metrics_print_family(struct buf *ret, enum metrics_id id);
void metrics_print_value(struct buf *ret, enum metrics_id id, const char *const *labels, uint64_t raw);
void metrics_print_histogram(struct buf *ret, enum metrics_id id, const char *const *labels,
                             const struct metrics_cells *cells, size_t first);

#endif
