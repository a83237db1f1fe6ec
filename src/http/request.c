/* request: the life of one HTTP request, apart from libmicrohttpd. The order of checks at the head: framing, sizes,
 * route, access, encoding; whoever fails first answers. If the client waits for "100 Continue", or the rest is too
 * long to be worth reading, the answer goes out at once and the connection ends; otherwise the body is read and
 * thrown away, so that clients which write before they read get their answer, and the connection lives on. */
#include "http/request.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/str.h"
#include "http/observe.h"
#include "http/reaper.h"
#include "http/route.h"
#include "http/server.h"

#define HEAD_MAX (24 * 1024)
#define TEXT_MAX (1024 * 1024)
#define ANSWER_MAX ((size_t)1 << 30)
/* A body that nobody wants is read up to this size. */
#define DISCARD_MAX ((uint64_t)1 << 29)
/* Memory that a thread's idle requests may keep. */
#define POOL_KEEP (64 * 1024 * 1024)

/* ---- pool ---- */

struct pool {
    struct request *first;
    size_t bytes;
};

static pthread_key_t pool_key;
static pthread_once_t pool_once = PTHREAD_ONCE_INIT;

static size_t request_memory(const struct request *request)
{
    return inputs_memory(&request->predict.inputs) + request->predict.job.room_bytes +
           v2_body_memory(&request->predict.v2) +
           request->response.body.capacity + request->text.capacity + request->binary.capacity;
}

static void free_buffers(struct request *request)
{
    inputs_done(&request->predict.inputs);
    v2_body_done(&request->predict.v2);
    sched_job_done(&request->predict.job);
    memset(&request->predict.job, 0, sizeof(request->predict.job));
    buf_done(&request->response.body);
    buf_done(&request->text);
    buf_done(&request->binary);
}

static void pool_free(void *argument)
{
    struct pool *pool = argument;
    while (pool->first) {
        struct request *request = pool->first;
        pool->first = request->next;
        free_buffers(request);
        gzip_in_done(&request->gzip);
        free(request);
    }
    free(pool);
    gzip_pack_free();
}

static void pool_make_key(void)
{
    pthread_key_create(&pool_key, pool_free);
}

static struct pool *pool_get(void)
{
    pthread_once(&pool_once, pool_make_key);
    struct pool *pool = pthread_getspecific(pool_key);
    if (!pool) {
        pool = calloc(1, sizeof(*pool));
        if (pool && pthread_setspecific(pool_key, pool) != 0) {
            free(pool);
            pool = NULL;
        }
    }
    return pool;
}

void request_pool_free(void)
{
    struct pool *pool = pool_get();
    if (!pool)
        return;
    pthread_setspecific(pool_key, NULL);
    pool_free(pool);
}

static struct request *request_new(void)
{
    struct request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    buf_init(&request->text, ANSWER_MAX);
    buf_init(&request->response.body, ANSWER_MAX);
    buf_init(&request->binary, ANSWER_MAX);
    return request;
}

static void reset(struct request *request, const struct listener *listener)
{
    struct response *response = &request->response;
    request->listener = listener;
    request->http = listener->http;
    request->settings = &listener->http->settings;
    memset(&request->head, 0, sizeof(request->head));
    request->route = NULL;
    request->model[0] = request->label[0] = request->id[0] = request->trace_id[0] = '\0';
    request->version = REGISTRY_LATEST;
    request->overflow = request->counted = false;
    request->start_ns = clock_now_ns();
    request->deadline_ns = 0;
    request->content_length = UINT64_MAX;
    request->body_bytes = 0;
    request->state = REQUEST_HEAD;
    request->gzip.active = false;
    request->peer = NULL;
    request->resume = NULL;
    buf_reset(&request->text);
    response->status = 0;
    response->close = response->compress = response->no_compress = false;
    response->n_headers = 0;
    buf_reset(&response->body);
    request->predict.version = NULL;
    request->predict.protocol = NULL;
    request->predict.decode_ns = request->predict.encode_ns = 0;
}

struct request *request_take(const struct listener *listener)
{
    struct pool *pool = pool_get();
    struct request *request = pool ? pool->first : NULL;
    if (request) {
        pool->first = request->next;
        pool->bytes -= request_memory(request);
    } else {
        request = request_new();
    }
    if (request)
        reset(request, listener);
    return request;
}

void request_give(struct request *request)
{
    struct pool *pool = pool_get();
    if (!pool) {
        free_buffers(request);
        gzip_in_done(&request->gzip);
        free(request);
        return;
    }
    if (pool->bytes + request_memory(request) > POOL_KEEP)
        free_buffers(request);
    pool->bytes += request_memory(request);
    request->next = pool->first;
    pool->first = request;
}

/* ---- head ---- */

/* A target as proxies get it, http://HOST/PATH, is taken too: from its path on. */
static const char *skip_authority(const char *target)
{
    size_t scheme = strncasecmp(target, "http://", 7) == 0 ? 7 : strncasecmp(target, "https://", 8) == 0 ? 8 : 0;
    return scheme ? target + scheme + strcspn(target + scheme, "/?#") : target;
}

void request_set_target(struct request *request, const char *target)
{
    const char *path = skip_authority(target);
    request->absolute = path != target;
    size_t root = request->absolute && *path != '/', length = strlen(path);
    request->target_length = root + length;
    if (request->target_length > REQUEST_TARGET_MAX)
        length = REQUEST_TARGET_MAX - root;
    request->target[0] = '/';
    memcpy(request->target + root, path, length);
    request->target[root + length] = '\0';
}

bool request_query(const struct request *request, const char *name)
{
    const char *at = strchr(request->target, '?');
    size_t length = strlen(name);
    while (at) {
        at++;
        const char *value = at + length;
        if (strncmp(at, name, length) == 0 && (*value == '=' || *value == '&' || *value == '\0'))
            return strcmp(value, "=0") != 0 && strncmp(value, "=0&", 3) != 0 && strncmp(value, "=false", 6) != 0;
        at = strchr(at, '&');
    }
    return false;
}

void request_set_method(struct request *request, const char *method, const char *version)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};
    request->method_name = method;
    request->needs_host = strcmp(version, "HTTP/1.0") != 0;
    request->method = METHOD_OTHER;
    for (size_t i = 0; i < KD_COUNT(names); i++)
        if (strcmp(method, names[i]) == 0)
            request->method = (enum method)i;
}

#define FIELD(name, member) {name, sizeof(name) - 1, offsetof(struct request_head, member)}
static const struct {
    const char *name;
    size_t length, offset;
} fields[] = {
    FIELD("Host", host),
    FIELD("Origin", origin),
    FIELD("Authorization", authorization),
    FIELD("X-API-Key", api_key),
    FIELD("Accept", accept),
    FIELD("Accept-Encoding", accept_encoding),
    FIELD("Content-Encoding", content_encoding),
    FIELD("Transfer-Encoding", transfer_encoding),
    FIELD("Content-Length", content_length),
    FIELD("Expect", expect),
    FIELD("Inference-Header-Content-Length", inference_length),
    FIELD("X-Request-Id", request_id),
    FIELD("traceparent", traceparent),
    FIELD("User-Agent", user_agent),
    FIELD("X-Request-Timeout-Ms", timeout_ms),
    FIELD("X-Envoy-Expected-Rq-Timeout-Ms", envoy_timeout_ms),
    FIELD("grpc-timeout", grpc_timeout),
    FIELD("Priority", priority),
};

/* libmicrohttpd lets names with blanks pass, and puts the text of a folded line behind the name; a proxy before us may
 * have understood such a field. */
static bool field_ok(const char *name, size_t length, const char *value)
{
    static const char *const framing[] = {"Content-Length", "Transfer-Encoding"};
    if (length == 0 || strpbrk(name, " \t:") || strchr(value, '\r'))
        return false;
    for (size_t i = 0; i < KD_COUNT(framing); i++)
        if (length > strlen(framing[i]) && strncasecmp(name, framing[i], strlen(framing[i])) == 0)
            return false;
    return true;
}

void request_add_header(struct request *request, const char *name, const char *value)
{
    struct request_head *head = &request->head;
    size_t length = strlen(name);
    head->bytes += length + strlen(value) + 4;
    if (!field_ok(name, length, value))
        head->malformed = true;
    for (size_t i = 0; i < KD_COUNT(fields); i++) {
        if (fields[i].length != length || strcasecmp(fields[i].name, name) != 0)
            continue;
        const char **place = (const char **)((char *)head + fields[i].offset);
        if (place == &head->content_length && *place && strcmp(*place, value) != 0)
            head->conflicting_length = true;
        if (place == &head->transfer_encoding && *place)
            head->conflicting_length = true;
        if (place == &head->host && *place)
            head->malformed = true;
        *place = value;
    }
}

/* What the length of the body is must be beyond doubt, or a proxy before us might see other requests than we do. */
static bool framing_ok(struct request *request)
{
    const struct request_head *head = &request->head;
    const char *text = head->content_length;
    if (head->malformed) {
        answer_text(request, 400, "a header field is malformed: a blank in its name, a folded line, or Host twice");
        return false;
    }
    if (request->needs_host && !head->host) {
        answer_text(request, 400, "HTTP/1.1 requires a Host field");
        return false;
    }
    if (head->conflicting_length || (text && head->transfer_encoding)) {
        answer_text(request, 400, "conflicting Content-Length or Transfer-Encoding fields");
        return false;
    }
    if (text && !str_to_u64(text, &request->content_length)) {
        answer_text(request, 400, "Content-Length is not a number");
        return false;
    }
    if (text && request->content_length == UINT64_MAX) /* which means unknown */
        request->content_length--;
    if (head->transfer_encoding && strcasecmp(head->transfer_encoding, "chunked") != 0) {
        answer_text(request, 501, "Transfer-Encoding other than chunked is not supported");
        return false;
    }
    return true;
}

static void check_sizes(struct request *request)
{
    uint64_t max = request->settings->max_body;
    if (request->target_length > REQUEST_TARGET_MAX)
        answer_text(request, 414, "the request target is longer than %d bytes", REQUEST_TARGET_MAX);
    else if (request->head.bytes > HEAD_MAX)
        answer_text(request, 431, "the request's header is larger than %d bytes", HEAD_MAX);
    else if (request->content_length != UINT64_MAX && request->content_length > max)
        answer_text(request, 413, "the body of %llu bytes is larger than the limit of %llu bytes (max_body)",
                    (unsigned long long)request->content_length, (unsigned long long)max);
}

static void check_access(struct request *request)
{
    enum access access = request->route->access;
    bool metrics_only = request->listener->role == HTTP_ROLE_METRICS;
    if (metrics_only && access != ACCESS_HEALTH && access != ACCESS_METRICS)
        answer_text(request, 404, "this listener serves metrics and health only");
    else if (access == ACCESS_CONTROL)
        control_allowed(request);
}

static void check_encoding(struct request *request)
{
    const char *encoding = request->head.content_encoding;
    struct err err;
    if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0)
        return;
    if (!gzip_knows(encoding)) {
        answer_text(request, 501, "Unsupported compression type");
        answer_header(request, "Accept-Encoding", "gzip, deflate");
    } else if (gzip_in_start(&request->gzip, &err) != 0) {
        answer_error(request, &err);
    }
}

/* "100m" (gRPC: number and unit) in nanoseconds; 0 if it is none. */
static int64_t grpc_timeout_ns(const char *text)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000}, {'m', 1000000}, {'u', 1000}, {'n', 1}};
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || value <= 0 || value > 99999999)
        return 0;
    for (size_t i = 0; i < KD_COUNT(units); i++)
        if (*end == units[i].unit && end[1] == '\0')
            return value * units[i].ns;
    return 0;
}

static void set_deadline(struct request *request)
{
    const struct request_head *head = &request->head;
    int64_t timeout = request->settings->request_timeout_ns, value;
    const char *const texts[] = {head->timeout_ms, head->envoy_timeout_ms};
    for (size_t i = 0; i < KD_COUNT(texts); i++)
        if (texts[i] && str_to_i64(texts[i], &value) && value > 0 && value < timeout / 1000000)
            timeout = value * 1000000;
    value = head->grpc_timeout ? grpc_timeout_ns(head->grpc_timeout) : 0;
    if (value > 0 && value < timeout)
        timeout = value;
    request->deadline_ns = request->start_ns + timeout;
}

bool request_begin(struct request *request)
{
    bool expects = request->head.expect && strcasecmp(request->head.expect, "100-continue") == 0;
    observe_begin(request);
    request->state = REQUEST_READING;
    if (!framing_ok(request)) {
        request->response.close = true;
        return true;
    }
    set_deadline(request);
    check_sizes(request);
    if (!request->response.status)
        route_find(request);
    if (!request->response.status)
        check_access(request);
    if (!request->response.status)
        check_encoding(request);
    if (!request->response.status && request->route->begin)
        request->route->begin(request);
    bool body = request->head.transfer_encoding || (request->head.content_length && request->content_length > 0);
    bool endless = request->content_length != UINT64_MAX && request->content_length > DISCARD_MAX;
    return request->response.status && body && (expects || endless);
}

/* ---- body ---- */

static void gather(struct request *request, const char *data, size_t length)
{
    if (length > TEXT_MAX - request->text.length || buf_append(&request->text, data, length) != 0)
        answer_text(request, 413, "the body is larger than the limit of %d bytes for this kind of request", TEXT_MAX);
}

static void take_body(void *context, const char *data, size_t length)
{
    struct request *request = context;
    if (request->response.status)
        return;
    if (request->route->body)
        request->route->body(request, data, length);
    else
        gather(request, data, length);
}

bool request_body(struct request *request, const char *data, size_t length)
{
    struct err err;
    uint64_t max = request->settings->max_body;
    request->body_bytes += length;
    if (request->response.status)
        return request->body_bytes <= DISCARD_MAX;
    if (request->body_bytes > max)
        answer_text(request, 413, "the body is larger than the limit of %llu bytes (max_body)",
                    (unsigned long long)max);
    else if (!request->gzip.active)
        take_body(request, data, length);
    else if (gzip_in_feed(&request->gzip, data, length, max, take_body, request, &err) != 0)
        answer_error(request, &err);
    return true;
}

void request_end(struct request *request)
{
    struct err err;
    if (request->resume) {
        void (*resume)(struct request *) = request->resume;
        request->resume = NULL;
        request->state = REQUEST_READING;
        reaper_set_waiting(request->http->reaper, request->peer, NULL);
        resume(request);
        return;
    }
    if (!request->response.status && request->gzip.active && gzip_in_end(&request->gzip, &err) != 0)
        answer_error(request, &err);
    if (!request->response.status)
        request->route->end(request);
}

void request_finish(struct request *request, bool sent)
{
    if (request->state != REQUEST_HEAD)
        observe_finish(request, sent);
    registry_release(request->predict.version);
    request->predict.version = NULL;
    request_give(request);
}
