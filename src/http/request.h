/* Request: one HTTP request from its first line to its last answered byte, with all memory that it needs.
 *
 * Requests are pooled per thread and keep their buffers, so that a predict allocates nothing once they have
 * grown. A request belongs to its connection's thread; while it waits (scheduler, loader) nobody touches it but
 * the one it waits for. */
#ifndef KD_HTTP_REQUEST_H
#define KD_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/gzip.h"
#include "http/predict.h"
#include "registry/registry.h"

struct http;
struct http_settings;
struct connection;
struct listener;
struct route;

#define REQUEST_TARGET_MAX 4096
#define REQUEST_NAME_MAX 256
#define REQUEST_ID_MAX 128
#define REQUEST_HEADERS_MAX 12

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
    METHOD_OTHER
};

/* Header fields that anything here looks at; NULL if absent. They live in the connection's memory as long as the
 * request does. */
struct request_head {
    const char *host, *origin, *authorization, *api_key;
    const char *accept, *accept_encoding, *content_encoding, *transfer_encoding, *content_length, *expect;
    const char *inference_length; /* Inference-Header-Content-Length */
    const char *request_id, *traceparent, *user_agent;
    const char *timeout_ms, *envoy_timeout_ms, *grpc_timeout, *priority;
    bool conflicting_length; /* Content-Length or Transfer-Encoding more than once */
    bool malformed;          /* a field that different readers may read differently */
    size_t bytes; /* of all fields */
};

struct response {
    int status; /* 0: not answered yet */
    const char *type;
    bool close;       /* the connection ends with this answer */
    bool compress;    /* pack it if the client takes it, however small it is */
    bool no_compress; /* never pack it */
    size_t n_headers;
    struct {
        const char *name, *value; /* static, or in the request's memory */
    } headers[REQUEST_HEADERS_MAX];
    struct buf body;
    char length_text[24];
};

struct request {
    struct http *http;
    const struct http_settings *settings;
    const struct listener *listener;
    void *connection;        /* mhd.c's */
    struct connection *peer; /* the reaper's, may be NULL */

    enum method method;
    const char *method_name; /* as sent */
    bool needs_host;         /* HTTP/1.1 */
    char target[REQUEST_TARGET_MAX + 1]; /* from the path on, otherwise as sent, NUL-terminated, cut */
    size_t target_length;                /* before it was cut */
    bool absolute;                       /* it was sent as http://HOST/PATH */
    struct request_head head;
    const struct route *route;
    char model[REQUEST_NAME_MAX + 1], label[REQUEST_NAME_MAX + 1]; /* decoded; "" if not in the path */
    int64_t version; /* REGISTRY_LATEST if not in the path */
    char id[REQUEST_ID_MAX + 1];
    char trace_id[33], span_id[17]; /* "" without a traceparent */
    char cors_origin[256];

    int64_t start_ns, deadline_ns; /* clock_now_ns; the deadline counts from the head */
    uint64_t content_length;       /* announced; UINT64_MAX: not */
    uint64_t body_bytes;           /* received, before decompression */
    uint64_t inflated_bytes;
    enum {
        REQUEST_HEAD,    /* line and fields have come */
        REQUEST_READING, /* the body comes */
        REQUEST_WAITING  /* suspended */
    } state;
    bool counted;  /* by observe_answer */
    bool overflow; /* the version in the path does not fit */

    struct gzip_in gzip;
    struct buf text;   /* body of small documents */
    struct buf binary; /* V2: raw outputs before they go behind the head */
    struct predict predict;
    struct registry_command command;
    void (*resume)(struct request *request); /* when it was woken */
    struct response response;
    struct request *next; /* free list */
};

/* From this thread's pool; NULL when out of memory. Give it back on the same thread. */
struct request *request_take(const struct listener *listener);
void request_give(struct request *request);
/* Frees the pool of the calling thread. */
void request_pool_free(void);

/* The line and the fields, in this order; then begin. name as sent. */
void request_set_target(struct request *request, const char *target);
void request_set_method(struct request *request, const char *method, const char *version);
void request_add_header(struct request *request, const char *name, const char *value);

/* True if the query has the name, and not with 0 or false. */
bool request_query(const struct request *request, const char *name);

/* All fields are there. True: the answer must go out without waiting for the body. */
bool request_begin(struct request *request);
/* False: this was refused long ago and does not end; the connection must. */
bool request_body(struct request *request, const char *data, size_t length);
/* The body is complete, or the request was woken: afterwards response.status is set, or it waits. */
void request_end(struct request *request);
/* The answer is out, or the connection broken: counts and logs. */
void request_finish(struct request *request, bool sent);

/* ---- for the protocols: response.c ---- */

/* Begins a JSON answer and returns its body to be filled. */
struct buf *answer(struct request *request, int status);
/* {"error": sentence} with the status of the code. */
void answer_error(struct request *request, const struct err *err);
void answer_text(struct request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* name and value are static or live in the request. */
void answer_header(struct request *request, const char *name, const char *value);
/* Bytes of another type. */
struct buf *answer_bytes(struct request *request, int status, const char *type);
/* Last touches before the answer goes out: common fields, compression. Never fails. */
void answer_finish(struct request *request);

/* mhd.c: suspends the connection until request_wake is called (from any thread, once), then calls resume. */
void request_wait(struct request *request, void (*resume)(struct request *request));
void request_wake(struct request *request);
/* Hands a command to the loader and waits; `over` answers (a refused command is answered here). model is lent. */
void request_command(struct request *request, enum registry_verb verb, const char *model,
                     void (*over)(struct request *request));
/* mhd.c: the client's address as text. */
void request_remote(const struct request *request, char *ret, size_t size);

#endif
