/* mhd: the only user of libmicrohttpd. What is peculiar about version 0.9.7x is dealt with here and nowhere else:
 *
 *  - A response queued in the first call of the handler closes the connection. So nothing is answered there unless
 *    the body must not be read.
 *  - An epoll thread that finds exactly 128 events ready sleeps before it serves them. So a thread gets at most 125
 *    connections.
 *  - The memory of a connection is zeroed for each request: 64 to 128 KB is the best size.
 *  - Suspended connections do not time out and their end goes unseen; the scheduler owns deadlines.
 *  - MHD_quiesce_daemon() and the threads each take the listening socket out of a thread's epoll set; whoever comes
 *    second finds it gone and aborts the process. So that removal never fails here: see epoll_ctl().
 *  - The target is unescaped in place; the raw one is only seen by the log callback, which therefore makes the
 *    request. It is completed (freed) even if the handler was never called. */
#include <microhttpd.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/clock.h"
#include "http/mhd.h"
#include "http/observe.h"
#include "http/reaper.h"
#include "http/request.h"
#include "http/server.h"
#include "obs/log.h"
#include "obs/metrics.h"

#define CONNECTIONS_PER_THREAD 125

/* In place of the C library's, for libmicrohttpd: to take out what is out already is no error. */
__attribute__((visibility("default"))) int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    int result = (int)syscall(SYS_epoll_ctl, set, operation, fd, event);
    return result != 0 && operation == EPOLL_CTL_DEL && errno == ENOENT ? 0 : result;
}

struct mhd {
    struct MHD_Daemon *daemon;
    int quiet_fd; /* the socket after mhd_quiesce, -1 before: MHD's threads may know it until they end */
};

static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    const struct listener *listener = context;
    struct request *request = request_take(listener);
    if (!request)
        return NULL;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->connection = connection;
    request->peer = info ? info->socket_context : NULL;
    request_set_target(request, target);
    connection_enter(request->peer, CONNECTION_HEAD, request->start_ns);
    return request;
}

static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    return strlen(text);
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    request_add_header(context, name, value ? value : "");
    return MHD_YES;
}

static enum MHD_Result send_answer(struct request *request, struct MHD_Connection *connection)
{
    struct response *answer = &request->response;
    if (!connection_enter(request->peer, CONNECTION_BUSY, clock_now_ns()))
        return MHD_NO;
    answer_finish(request);
    observe_answer(request);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->body.length, answer->body.length ? answer->body.data : NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    if (answer->body.length)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    for (size_t i = 0; i < answer->n_headers; i++)
        MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value);
    if (answer->close)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    enum MHD_Result result = MHD_queue_response(connection, (unsigned int)answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result first_call(struct request *request, struct MHD_Connection *connection, const char *method,
                                  const char *version)
{
    request_set_method(request, method, version);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, request);
    if (!request_begin(request))
        return connection_enter(request->peer, CONNECTION_BODY, request->start_ns) ? MHD_YES : MHD_NO;
    request->response.close = true;
    return send_answer(request, connection);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data, size_t *size,
                                  void **connection_context)
{
    struct request *request = *connection_context;
    if (!request)
        return MHD_NO;
    if (request->state == REQUEST_HEAD)
        return first_call(request, connection, method, version);
    if (*size > 0) {
        bool go_on = request_body(request, data, *size);
        *size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    request_end(request);
    return request->response.status ? send_answer(request, connection) : MHD_YES;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **connection_context,
                         enum MHD_RequestTerminationCode code)
{
    struct request *request = *connection_context;
    if (!request)
        return;
    connection_enter(request->peer, CONNECTION_IDLE, clock_now_ns());
    request_finish(request, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    *connection_context = NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = ((struct listener *)context)->http;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    bool started = code == MHD_CONNECTION_NOTIFY_STARTED;
    atomic_fetch_add_explicit(&http->connections, started ? 1 : -1, memory_order_relaxed);
    if (started)
        *socket_context = info ? reaper_add(http->reaper, info->connect_fd) : NULL;
    else
        reaper_remove(http->reaper, *socket_context);
}

static void on_log(void *context, const char *format, va_list args)
{
    static struct log_limit limit = {.burst = 5, .period_ms = 60000};
    int dropped;
    if (!log_on(LOG_LEVEL_DEBUG) || !log_allow(&limit, &dropped))
        return;
    char text[256];
    vsnprintf(text, sizeof(text), format, args);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http library", LOG_STR("text", text), LOG_INT("dropped", dropped));
}

void request_wait(struct request *request, void (*resume)(struct request *request))
{
    request->resume = resume;
    request->state = REQUEST_WAITING;
    connection_enter(request->peer, CONNECTION_BUSY, clock_now_ns());
    reaper_set_waiting(request->http->reaper, request->peer, request);
    MHD_suspend_connection(request->connection);
}

void request_wake(struct request *request)
{
    MHD_resume_connection(request->connection);
}

void request_remote(const struct request *request, char *ret, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    char text[INET6_ADDRSTRLEN] = "unix";
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof(text));
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)address)->sin6_addr, text, sizeof(text));
    snprintf(ret, size, "%s", text);
}

int mhd_start(struct listener *listener, const struct mhd_options *options, struct mhd **ret, struct err *err)
{
    struct mhd *mhd = calloc(1, sizeof(*mhd));
    if (!mhd)
        return err_set(err, KD_ENOMEM, "out of memory for a listener");
    int needed = (options->max_connections + CONNECTIONS_PER_THREAD - 1) / CONNECTIONS_PER_THREAD;
    int threads = options->threads > needed ? options->threads : needed;
    int connections = threads * CONNECTIONS_PER_THREAD;
    if (connections > options->max_connections && options->max_connections >= threads)
        connections = options->max_connections;
    struct MHD_OptionItem items[] = {
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_target, listener},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, listener},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, listener},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, listener},
        {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, connections, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->per_address, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)options->memory, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (options->idle_timeout_ms + 999) / 1000, NULL},
        {MHD_OPTION_LISTEN_SOCKET, options->fd, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    mhd->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
                                   NULL, NULL, on_request, listener, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
                                   MHD_OPTION_ARRAY, items, MHD_OPTION_END);
    if (!mhd->daemon) {
        free(mhd);
        return err_set(err, KD_EIO, "cannot start the HTTP threads (%d threads, %d connections): see ulimit -n and -u",
                       threads, connections);
    }
    mhd->quiet_fd = -1;
    *ret = mhd;
    return 0;
}

/* Connections that the kernel has taken for us already would be reset: they are still served. */
static void take_waiting(struct mhd *mhd, int fd)
{
    struct sockaddr_storage address;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (poll(&ready, 1, 0) == 1) {
        socklen_t length = sizeof(address);
        int client = accept4(fd, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
            return;
        MHD_add_connection(mhd->daemon, client, (struct sockaddr *)&address, length); /* closes it if it fails */
    }
}

void mhd_quiesce(struct mhd *mhd, bool inherited)
{
    MHD_socket fd = MHD_quiesce_daemon(mhd->daemon);
    if (fd == MHD_INVALID_SOCKET)
        return;
    mhd->quiet_fd = fd;
    if (inherited) /* the next process that the service manager starts takes who comes now */
        return;
    take_waiting(mhd, fd);
    shutdown(fd, SHUT_RDWR);
}

void mhd_stop(struct mhd *mhd)
{
    if (!mhd)
        return;
    MHD_stop_daemon(mhd->daemon);
    if (mhd->quiet_fd >= 0)
        close(mhd->quiet_fd);
    free(mhd);
}
