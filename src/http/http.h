/* HTTP: listeners, protocols, answers. The daemon opens it last and closes it first. */
#ifndef KD_HTTP_HTTP_H
#define KD_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct conf;
struct err;
struct http;
struct keras_model;
struct registry;

/* What a listener serves. */
enum http_role {
    HTTP_ROLE_DATA,   /* everything; control by the rules (loopback, token) */
    HTTP_ROLE_ADMIN,  /* everything, control included */
    HTTP_ROLE_METRICS /* metrics and health */
};

/* Reads its settings from conf and borrows it until http_configure gives it another; version is lent for ever. */
int http_new(const struct conf *conf, struct registry *registry, const char *version, struct http **ret,
             struct err *err);
/* Other settings from now on (keys marked RELOAD); the old conf may be freed when it returns. Thread-safe. KD_EINVAL,
 * KD_ENOTFOUND (token file): the old ones stay. */
int http_configure(struct http *http, const struct conf *conf, struct err *err);

/* Starts to serve at "HOST:PORT", "[IPV6]:PORT" or "unix:/path"; or on `fd`, a listening socket that it takes over, if
 * fd >= 0 (address is then only its name). Errors: KD_EINVAL, KD_EIO. */
int http_listen(struct http *http, enum http_role role, const char *address, int fd, struct err *err);
/* "http://127.0.0.1:8501" or "unix:/path", with the real port; NULL if there is no such listener. */
const char *http_address(const struct http *http, enum http_role role);

/* Stopping, in this order, each from the main thread: */
/* Readiness says no; answers close their connections. */
void http_drain(struct http *http);
/* No new connections; those that are open go on. */
void http_quiesce(struct http *http);
/* Requests that are being handled now. */
int64_t http_in_flight(const struct http *http);
/* Some are, or a client was heard a moment ago and may have sent another before it learnt that we stop. */
bool http_busy(const struct http *http);
/* Ends listeners and threads and frees everything. The scheduler must be stopped: nothing may be waiting. */
void http_free(struct http *http); /* accepts NULL */

/* The body of :predict in, the answer out, without a server (kerasd predict). 0, or the error of the request; pretty: as
 * TensorFlow Serving lays it out. */
int http_predict_text(const struct keras_model *model, const char *body, size_t length, bool pretty,
                      struct buf *ret, struct err *err);

#endif
