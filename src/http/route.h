/* Route: the table of everything that can be asked for. */
#ifndef KD_HTTP_ROUTE_H
#define KD_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

struct request;

/* Who may ask. */
enum access { ACCESS_HEALTH, ACCESS_METRICS, ACCESS_METADATA, ACCESS_INFERENCE, ACCESS_CONTROL };

/* Patterns are literals (in any case under /v1) with
 *   {model}     one segment without '/' (under /v1 also without ':'), percent-decoded into request->model
 *   {any}       one segment of no interest
 *   {version}   nothing, or /versions/DIGITS
 *   {selector}  nothing, /versions/DIGITS or /labels/LABEL
 * One slash at the end is allowed for GET. */
struct route {
    const char *pattern;
    const char *method; /* "GET" serves HEAD, too */
    enum access access;
    bool quiet; /* not in the access log */
    /* The head has come. NULL: nothing to do. May answer; then the body is thrown away. */
    void (*begin)(struct request *request);
    /* A piece of the body, unpacked. NULL: it is gathered in request->text (1 MiB at most). */
    void (*body)(struct request *request, const char *data, size_t length);
    /* The body is complete: answer or wait. */
    void (*end)(struct request *request);
    const char *operation; /* operationId of the OpenAPI document; NULL: not in it */
};

const struct route *route_table(size_t *ret_n);
/* The index of the request's route, for metrics; the table's size for none. */
size_t route_index(const struct route *route);
/* Sets request->route, model, label and version; or answers 400, 404, 405 or OPTIONS. */
void route_find(struct request *request);

#endif
