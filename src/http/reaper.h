/* Reaper: watches the connections for what libmicrohttpd does not see: clients that take too long to send a request, and
 * clients that have left. */
#ifndef KD_HTTP_REAPER_H
#define KD_HTTP_REAPER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct http;
struct reaper;
struct request;

enum connection_phase {
    CONNECTION_IDLE, /* between requests; perhaps with half a request line */
    CONNECTION_HEAD, /* the request line has come */
    CONNECTION_BODY, /* the body comes */
    CONNECTION_BUSY, /* the answer is being made or sent */
    CONNECTION_CUT   /* ended by the reaper: nothing must be sent any more */
};

struct connection {
    int fd;
    _Atomic int phase;
    _Atomic int64_t since_ns;
    struct request *waiting; /* under the reaper's lock: its job may be dropped */
    struct connection *previous, *next;
};

/* Starts the thread. */
int reaper_new(struct http *http, struct reaper **ret, struct err *err);
void reaper_free(struct reaper *reaper); /* accepts NULL */

/* A connection opened; NULL when out of memory. */
struct connection *reaper_add(struct reaper *reaper, int fd);
/* It is about to be closed; frees it. Accepts NULL. */
void reaper_remove(struct reaper *reaper, struct connection *connection);
/* Did any connection open, or begin or end a request, within this time? */
bool reaper_saw_life(struct reaper *reaper, int64_t within_ns);
/* False if the reaper has cut it. Lock-free. Accepts NULL. */
bool connection_enter(struct connection *connection, enum connection_phase phase, int64_t now_ns);
/* Its request (NULL: no more) waits for the scheduler. */
void reaper_set_waiting(struct reaper *reaper, struct connection *connection, struct request *request);

#endif
