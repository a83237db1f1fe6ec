/* observe: see the header. Series of metrics are looked up once per route and status and kept; an id is a random number
 * of 128 bits from a generator per thread, seeded by the kernel: it has to be unique, not secret. */
#include "http/observe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/size.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "http/request.h"
#include "http/route.h"
#include "http/server.h"

/* ---- ids ---- */

static uint64_t random_u64(void)
{
    static _Thread_local uint64_t state[2];
    if (state[0] == 0 && state[1] == 0) {
        if (getrandom(state, sizeof(state), 0) != sizeof(state))
            state[0] = (uint64_t)clock_wall_ns();
        state[1] |= 1;
    }
    uint64_t a = state[0], b = state[1];
    state[0] = b;
    a ^= a << 23;
    state[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
    return state[1] + b;
}

static char *put_hex(char *at, uint64_t value)
{
    static const char digits[] = "0123456789abcdef";
    for (int shift = 60; shift >= 0; shift -= 4)
        *at++ = digits[value >> shift & 15];
    return at;
}

/* Only plain characters are taken over, so that no header or log line can be forged. */
static bool id_ok(const char *id)
{
    size_t n = id ? strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") : 0;
    return n > 0 && n <= REQUEST_ID_MAX && id[n] == '\0';
}

static bool is_hex(const char *text, size_t n)
{
    bool zero = true;
    for (size_t i = 0; i < n; i++) {
        if (!strchr("0123456789abcdef", text[i]) || !text[i])
            return false;
        zero = zero && text[i] == '0';
    }
    return !zero;
}

/* 00-<32 hex>-<16 hex>-<2 hex>; higher versions may go on behind it. */
static void read_traceparent(struct request *request)
{
    const char *text = request->head.traceparent;
    if (!text || strlen(text) < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return;
    bool version_0 = memcmp(text, "00", 2) == 0;
    bool end_ok = text[55] == '\0' || (!version_0 && text[55] == '-');
    if (!end_ok || (!version_0 && !is_hex(text, 2)) || memcmp(text, "ff", 2) == 0 || !is_hex(text + 3, 32) ||
        !is_hex(text + 36, 16))
        return;
    memcpy(request->trace_id, text + 3, 32);
    request->trace_id[32] = '\0';
    *put_hex(request->span_id, random_u64()) = '\0';
}

void observe_begin(struct request *request)
{
    atomic_fetch_add_explicit(&request->http->in_flight, 1, memory_order_relaxed);
    read_traceparent(request);
    if (id_ok(request->head.request_id))
        strcpy(request->id, request->head.request_id);
    else if (request->trace_id[0])
        strcpy(request->id, request->trace_id);
    else
        *put_hex(put_hex(request->id, random_u64()), random_u64()) = '\0';
}

/* ---- metrics ---- */

static const int statuses[] = {200, 201, 204, 400, 401, 403, 404, 405, 408, 413, 414, 429, 431, 499, 500, 501, 503, 504};
#define N_STATUSES KD_COUNT(statuses)
#define N_METHODS (METHOD_OTHER + 1)
#define MAX_ROUTES 64

static struct metrics_cells *request_series[MAX_ROUTES][N_METHODS][N_STATUSES];
static struct metrics_cells *duration_series[MAX_ROUTES];

static size_t status_index(int status)
{
    for (size_t i = 0; i < N_STATUSES; i++)
        if (statuses[i] == status)
            return i;
    return N_STATUSES - 1;
}

static const char *pattern_of(const struct route *route)
{
    return route ? route->pattern : "";
}

static void count(const struct request *request, int status, int64_t duration_ns)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "OTHER"};
    size_t route = route_index(request->route), code = status_index(status);
    struct metrics_cells **series = &request_series[route][request->method][code];
    struct metrics_cells *cells = __atomic_load_n(series, __ATOMIC_ACQUIRE);
    if (!cells) {
        char text[8];
        snprintf(text, sizeof(text), "%d", statuses[code]);
        cells = metrics_series(METRIC_HTTP_REQUESTS, methods[request->method], pattern_of(request->route), text);
        __atomic_store_n(series, cells, __ATOMIC_RELEASE);
    }
    metrics_add(cells, 0, 1);
    cells = __atomic_load_n(&duration_series[route], __ATOMIC_ACQUIRE);
    if (!cells) {
        cells = metrics_series(METRIC_HTTP_DURATION, pattern_of(request->route), NULL, NULL);
        __atomic_store_n(&duration_series[route], cells, __ATOMIC_RELEASE);
    }
    metrics_series_observe(METRIC_HTTP_DURATION, cells, (uint64_t)duration_ns);
}

static void count_bytes(uint64_t in, uint64_t out)
{
    static struct metrics_cells *series[2];
    static const enum metrics_id ids[2] = {METRIC_HTTP_BYTES_IN, METRIC_HTTP_BYTES_OUT};
    const uint64_t bytes[2] = {in, out};
    for (int i = 0; i < 2; i++) {
        struct metrics_cells *cells = __atomic_load_n(&series[i], __ATOMIC_ACQUIRE);
        if (!cells) {
            cells = metrics_series(ids[i], NULL, NULL, NULL);
            __atomic_store_n(&series[i], cells, __ATOMIC_RELEASE);
        }
        metrics_add(cells, 0, bytes[i]);
    }
}

/* Refusals by a limit; the reason is one of ours. */
static void count_rejected(const struct request *request, int status)
{
    const char *reason = status == 413   ? "body"
                         : status == 414 ? "target"
                         : status == 431 ? "header"
                         : status == 503 ? "unavailable"
                         : status == 504 ? "deadline"
                         : status == 429 ? "memory"
                                         : NULL;
    if (reason)
        metrics_add(metrics_series(METRIC_HTTP_REJECTED, reason, NULL, NULL), 0, 1);
}

static void record_predict(struct request *request, int64_t now)
{
    struct predict *predict = &request->predict;
    if (!predict->version || !predict->protocol)
        return;
    struct registry_sample sample = {
        .outcome = predict->outcome,
        .protocol = predict->protocol,
        .rows = predict->rows,
        .batch_rows = predict->job.batch_rows,
        .decode_ns = predict->decode_ns,
        .queue_ns = predict->job.queue_ns,
        .compute_ns = predict->job.compute_ns,
        .encode_ns = predict->encode_ns,
        .total_ns = now - request->start_ns,
        .bytes_in = request->body_bytes,
        .bytes_out = request->response.body.length,
    };
    registry_record(predict->version, &sample);
}

/* ---- access log ---- */

static void log_access(const struct request *request, int status, int64_t duration_ns)
{
    const struct predict *predict = &request->predict;
    bool predicted = predict->protocol && predict->version && status == 200;
    char remote[64], error[160] = "";
    request_remote(request, remote, sizeof(remote));
    if (status >= 400 && request->response.body.data)
        snprintf(error, sizeof(error), "%s", request->response.body.data);
    if (!predicted) {
        log_info("request", LOG_STR("method", request->method_name), LOG_STR("path", request->target),
                 LOG_STR("route", pattern_of(request->route)), LOG_INT("status", status),
                 LOG_INT("bytes_in", request->body_bytes), LOG_INT("bytes_out", request->response.body.length),
                 LOG_MS("dur_ms", duration_ns), LOG_STR("request_id", request->id),
                 LOG_STR("trace_id", request->trace_id[0] ? request->trace_id : NULL),
                 LOG_STR("span_id", request->trace_id[0] ? request->span_id : NULL), LOG_STR("remote", remote),
                 LOG_STR("user_agent", request->head.user_agent), LOG_STR("error", error[0] ? error : NULL));
        return;
    }
    log_info("request", LOG_STR("method", request->method_name), LOG_STR("path", request->target),
             LOG_STR("route", pattern_of(request->route)), LOG_INT("status", status),
             LOG_INT("bytes_in", request->body_bytes), LOG_INT("bytes_out", request->response.body.length),
             LOG_MS("dur_ms", duration_ns), LOG_MS("parse_ms", predict->decode_ns),
             LOG_MS("queue_ms", predict->job.queue_ns), LOG_MS("compute_ms", predict->job.compute_ns),
             LOG_MS("encode_ms", predict->encode_ns), LOG_INT("rows", predict->rows),
             LOG_INT("batch_rows", predict->job.batch_rows),
             LOG_STR("model", registry_version_model(predict->version)),
             LOG_INT("version", registry_version_number(predict->version)), LOG_STR("request_id", request->id),
             LOG_STR("trace_id", request->trace_id[0] ? request->trace_id : NULL),
             LOG_STR("span_id", request->trace_id[0] ? request->span_id : NULL), LOG_STR("remote", remote),
             LOG_STR("user_agent", request->head.user_agent));
}

static void count_all(struct request *request, int status, int64_t now)
{
    record_predict(request, now);
    count(request, status, now - request->start_ns);
    count_rejected(request, status);
    count_bytes(request->body_bytes, request->response.body.length);
}

void observe_answer(struct request *request)
{
    count_all(request, request->response.status, clock_now_ns());
    request->counted = true;
}

void observe_finish(struct request *request, bool sent)
{
    int64_t now = clock_now_ns();
    int status = sent && request->response.status ? request->response.status : 499;
    bool quiet = request->route && request->route->quiet;
    if (!request->counted)
        count_all(request, 499, now);
    if (request->settings->access_log && !quiet)
        log_access(request, status, now - request->start_ns);
    atomic_fetch_sub_explicit(&request->http->in_flight, 1, memory_order_relaxed);
}
