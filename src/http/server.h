/* Server: what the files of the HTTP room share: the http object, its settings and listeners. */
#ifndef KD_HTTP_SERVER_H
#define KD_HTTP_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lock.h"
#include "http/http.h"

struct err;
struct mhd;
struct reaper;
struct request;

#define HTTP_MAX_LISTENERS 3
#define HTTP_MAX_TOKENS 64
#define HTTP_ADDRESS_MAX 256

/* Written by http_configure while requests read them: scalars are atomic, texts are copied under the lock. */
struct http_settings {
    _Atomic uint64_t max_body;
    _Atomic int64_t request_timeout_ns, header_timeout_ns, body_timeout_ns;
    _Atomic int max_depth;
    _Atomic bool loopback_control, compress, status_always_200, access_log, cors, strict_datatype;

    struct lock lock;
    char cors_origin[256];
    size_t n_tokens;
    char tokens[HTTP_MAX_TOKENS][128];
};

struct listener {
    struct http *http;
    enum http_role role;
    bool loopback;  /* only this machine can reach it */
    bool inherited; /* the socket: somebody else has it, too */
    struct mhd *mhd;
    char address[HTTP_ADDRESS_MAX];   /* for people */
    char unix_path[HTTP_ADDRESS_MAX]; /* to unlink, or "" */
};

struct http {
    struct registry *registry;
    const char *version;
    int64_t started_ns; /* wall clock */
    struct http_settings settings;
    int threads, max_connections, per_address; /* as configured; restart only */
    size_t connection_memory;
    int64_t idle_timeout_ms;
    _Atomic bool draining;
    _Atomic int64_t in_flight, connections;
    struct reaper *reaper;
    size_t n_listeners;
    struct listener listeners[HTTP_MAX_LISTENERS];
};

/* listen.c: a listening socket for the address; its printable form, and whether only this machine reaches it. */
int listen_open(const char *address, int *ret_fd, char *ret_unix_path, struct err *err);
void listen_describe(int fd, char *ret_address, bool *ret_loopback);

/* control.c: true if this request may load, unload and reload; else it is answered with 401 or 403. */
bool control_allowed(struct request *request);

#endif
