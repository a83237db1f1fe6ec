/* Mhd: libmicrohttpd behind four functions; mhd.c is the only file that knows it. */
#ifndef KD_HTTP_MHD_H
#define KD_HTTP_MHD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct listener;
struct mhd;

struct mhd_options {
    int fd; /* a listening socket; taken over if mhd_start succeeds */
    int threads;
    int max_connections;
    int per_address; /* 0: no limit of its own */
    size_t memory;   /* of a connection */
    int64_t idle_timeout_ms;
};

/* Starts threads that serve the socket's connections as requests of this listener. */
int mhd_start(struct listener *listener, const struct mhd_options *options, struct mhd **ret, struct err *err);
/* No new connections; those that wait to be taken are served, unless the socket is inherited. */
void mhd_quiesce(struct mhd *mhd, bool inherited);
/* Closes all connections and ends the threads. No request may be waiting. Accepts NULL. */
void mhd_stop(struct mhd *mhd);

#endif
