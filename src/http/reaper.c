/* reaper: one thread that looks at all connections once a second.
 *
 * libmicrohttpd ends connections that are silent, but not those that drip; it does not see that a client has gone when
 * the news came together with the last data, nor while a connection is suspended. The reaper answers 408 by itself and
 * shuts the socket down, which wakes libmicrohttpd. The phase decides by compare-and-swap who may write to a
 * socket: the connection's thread once it has entered CONNECTION_BUSY, the reaper once it has entered CONNECTION_CUT.
 * A socket is only closed after reaper_remove, so a descriptor in the list is never another connection's. */
#include "http/reaper.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/thread.h"
#include "http/request.h"
#include "http/server.h"
#include "obs/metrics.h"

#define PERIOD_NS 1000000000

struct reaper {
    struct http *http;
    struct lock lock; /* the list, waiting, stop */
    struct cond wake;
    bool stop;
    pthread_t thread;
    struct connection *first;
    size_t n, capacity;
    struct pollfd *fds;
};

/* ---- the connection's thread ---- */

bool connection_enter(struct connection *connection, enum connection_phase phase, int64_t now_ns)
{
    if (!connection)
        return true;
    int old = atomic_load_explicit(&connection->phase, memory_order_relaxed);
    if (old == CONNECTION_CUT)
        return false;
    atomic_store_explicit(&connection->since_ns, now_ns, memory_order_relaxed);
    return atomic_compare_exchange_strong(&connection->phase, &old, (int)phase);
}

struct connection *reaper_add(struct reaper *reaper, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    connection->fd = fd;
    connection->since_ns = clock_now_ns();
    lock_take(&reaper->lock);
    connection->next = reaper->first;
    if (reaper->first)
        reaper->first->previous = connection;
    reaper->first = connection;
    reaper->n++;
    lock_give(&reaper->lock);
    return connection;
}

void reaper_remove(struct reaper *reaper, struct connection *connection)
{
    if (!connection)
        return;
    lock_take(&reaper->lock);
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        reaper->first = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    reaper->n--;
    lock_give(&reaper->lock);
    free(connection);
}

void reaper_set_waiting(struct reaper *reaper, struct connection *connection, struct request *request)
{
    if (!connection)
        return;
    lock_take(&reaper->lock);
    connection->waiting = request;
    lock_give(&reaper->lock);
}

bool reaper_saw_life(struct reaper *reaper, int64_t within_ns)
{
    int64_t now = clock_now_ns();
    bool life = false;
    lock_take(&reaper->lock);
    for (const struct connection *connection = reaper->first; connection && !life; connection = connection->next)
        life = now - connection->since_ns < within_ns;
    lock_give(&reaper->lock);
    return life;
}

/* ---- the reaper's thread ---- */

static bool cut(struct connection *connection, int phase)
{
    return atomic_compare_exchange_strong(&connection->phase, &phase, CONNECTION_CUT);
}

static void refuse_slow(struct connection *connection, int phase)
{
    static const char answer[] = "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 47\r\nConnection: close\r\n\r\n"
                                 "{\"error\":\"the request took too long to arrive\"}";
    if (!cut(connection, phase))
        return;
    if (phase != CONNECTION_IDLE)
        send(connection->fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(connection->fd, SHUT_RDWR);
    metrics_add(metrics_series(METRIC_HTTP_REJECTED, "slow", NULL, NULL), 0, 1);
}

static int64_t limit_ns(const struct reaper *reaper, int phase)
{
    switch (phase) {
    case CONNECTION_HEAD:
        return reaper->http->settings.header_timeout_ns;
    case CONNECTION_BODY:
        return reaper->http->settings.body_timeout_ns;
    case CONNECTION_IDLE: /* silent ones end by themselves before that */
        return reaper->http->idle_timeout_ms * 1000000 + reaper->http->settings.header_timeout_ns;
    default:
        return INT64_MAX;
    }
}

static void look_at(struct reaper *reaper, struct connection *connection, short events, int64_t now)
{
    int phase = connection->phase;
    bool left = events & (POLLHUP | POLLERR), finished = events & POLLRDHUP;
    if (phase == CONNECTION_BUSY && left && connection->waiting)
        __atomic_store_n(&connection->waiting->predict.job.dropped, true, __ATOMIC_RELAXED);
    else if (phase != CONNECTION_BUSY && (left || finished) && cut(connection, phase))
        shutdown(connection->fd, SHUT_RDWR);
    else if (now - connection->since_ns > limit_ns(reaper, phase))
        refuse_slow(connection, phase);
}

static void look_at_all(struct reaper *reaper)
{
    int64_t now = clock_now_ns();
    if (reaper->n > reaper->capacity) {
        struct pollfd *fds = realloc(reaper->fds, reaper->n * 2 * sizeof(*fds));
        if (!fds)
            return;
        reaper->fds = fds;
        reaper->capacity = reaper->n * 2;
    }
    nfds_t n = 0;
    for (struct connection *connection = reaper->first; connection; connection = connection->next)
        if (now - connection->since_ns > PERIOD_NS)
            reaper->fds[n++] = (struct pollfd){.fd = connection->fd, .events = POLLRDHUP};
    if (n == 0 || poll(reaper->fds, n, 0) < 0)
        return;
    nfds_t i = 0;
    for (struct connection *connection = reaper->first; connection && i < n; connection = connection->next)
        if (connection->fd == reaper->fds[i].fd)
            look_at(reaper, connection, reaper->fds[i++].revents, now);
}

static void *reaper_main(void *argument)
{
    struct reaper *reaper = argument;
    lock_take(&reaper->lock);
    while (!reaper->stop) {
        cond_wait_until(&reaper->wake, &reaper->lock, clock_now_ns() + PERIOD_NS);
        if (!reaper->stop)
            look_at_all(reaper);
    }
    lock_give(&reaper->lock);
    return NULL;
}

int reaper_new(struct http *http, struct reaper **ret, struct err *err)
{
    struct reaper *reaper = calloc(1, sizeof(*reaper));
    if (!reaper)
        return err_set(err, KD_ENOMEM, "out of memory for the HTTP server");
    reaper->http = http;
    lock_init(&reaper->lock, LOCK_RANK_CONNECTION);
    cond_init(&reaper->wake);
    int code = thread_start(&reaper->thread, "http-reaper", reaper_main, reaper, err);
    if (code) {
        cond_done(&reaper->wake);
        lock_done(&reaper->lock);
        free(reaper);
        return code;
    }
    *ret = reaper;
    return 0;
}

void reaper_free(struct reaper *reaper)
{
    if (!reaper)
        return;
    lock_take(&reaper->lock);
    reaper->stop = true;
    cond_signal(&reaper->wake);
    lock_give(&reaper->lock);
    pthread_join(reaper->thread, NULL);
    cond_done(&reaper->wake);
    lock_done(&reaper->lock);
    free(reaper->fds);
    free(reaper);
}
