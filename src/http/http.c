/* http: the object that the daemon holds: settings, listeners, stopping. */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/thread.h"
#include "conf/conf.h"
#include "http/mhd.h"
#include "http/reaper.h"
#include "http/request.h"
#include "http/server.h"

#define TOKEN_FILE_MAX 65536
/* Between two requests of a client that is at work. */
#define LINGER_NS 200000000

/* One token per line; empty lines and lines that begin with # do not count. */
static int parse_tokens(const char *path, char *text, struct http_settings *ret, struct err *err)
{
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        line += strspn(line, " \t");
        line[strcspn(line, " \t\r")] = '\0';
        if (!*line || *line == '#')
            continue;
        if (strlen(line) >= sizeof(ret->tokens[0]) || ret->n_tokens == HTTP_MAX_TOKENS)
            return err_set(err, KD_EINVAL, "%s: at most %d tokens of at most %zu characters", path, HTTP_MAX_TOKENS,
                           sizeof(ret->tokens[0]) - 1);
        strcpy(ret->tokens[ret->n_tokens++], line);
    }
    return 0;
}

static int read_tokens(const char *path, struct http_settings *ret, struct err *err)
{
    struct buf buf;
    ret->n_tokens = 0;
    if (!*path)
        return 0;
    buf_init(&buf, TOKEN_FILE_MAX);
    int code = fd_read_file(path, &buf, err);
    if (code == 0 && buf.length)
        code = parse_tokens(path, buf.data, ret, err);
    buf_done(&buf);
    return code;
}

int http_configure(struct http *http, const struct conf *conf, struct err *err)
{
    struct http_settings *settings = &http->settings, *fresh = calloc(1, sizeof(*fresh));
    if (!fresh)
        return err_set(err, KD_ENOMEM, "out of memory for settings");
    int code = read_tokens(conf->control_token_file, fresh, err);
    if (code == 0) {
        lock_take(&settings->lock);
        memcpy(settings->tokens, fresh->tokens, sizeof(settings->tokens));
        settings->n_tokens = fresh->n_tokens;
        snprintf(settings->cors_origin, sizeof(settings->cors_origin), "%s", conf->cors_origin);
        lock_give(&settings->lock);
        settings->cors = conf->cors_origin[0] != '\0';
        settings->max_body = conf->max_body;
        settings->request_timeout_ns = conf->request_timeout * 1000000;
        settings->header_timeout_ns = conf->header_timeout * 1000000;
        settings->body_timeout_ns = conf->body_timeout * 1000000;
        settings->max_depth = (int)conf->max_json_depth;
        settings->loopback_control = conf->loopback_control;
        settings->compress = conf->compress_responses;
        settings->status_always_200 = conf->status_always_200;
        settings->access_log = conf->access_log;
        settings->strict_datatype = conf->strict_datatype;
    }
    free(fresh);
    return code;
}

int http_new(const struct conf *conf, struct registry *registry, const char *version, struct http **ret,
             struct err *err)
{
    struct http *http = calloc(1, sizeof(*http));
    if (!http)
        return err_set(err, KD_ENOMEM, "out of memory for the HTTP server");
    lock_init(&http->settings.lock, LOCK_RANK_CONNECTION);
    http->registry = registry;
    http->version = version;
    http->started_ns = clock_wall_ns();
    http->threads = conf->http_threads ? (int)conf->http_threads : thread_cpu_count();
    http->max_connections = (int)conf->max_connections;
    http->per_address = (int)conf->max_connections_per_address;
    http->connection_memory = (size_t)conf->connection_memory;
    http->idle_timeout_ms = conf->idle_timeout;
    int code = http_configure(http, conf, err);
    if (code == 0)
        code = reaper_new(http, &http->reaper, err);
    if (code) {
        http_free(http);
        return code;
    }
    *ret = http;
    return 0;
}

int http_listen(struct http *http, enum http_role role, const char *address, int fd, struct err *err)
{
    if (http->n_listeners == HTTP_MAX_LISTENERS)
        return err_set(err, KD_EINVAL, "more than %d listeners", HTTP_MAX_LISTENERS);
    struct listener *listener = &http->listeners[http->n_listeners];
    *listener = (struct listener){.http = http, .role = role, .inherited = fd >= 0};
    if (fd < 0) {
        int code = listen_open(address, &fd, listener->unix_path, err);
        if (code)
            return code;
    }
    listen_describe(fd, listener->address, &listener->loopback);
    bool data = role == HTTP_ROLE_DATA;
    struct mhd_options options = {
        .fd = fd,
        .threads = data ? http->threads : 1,
        .max_connections = data ? http->max_connections : 100,
        .per_address = http->per_address,
        .memory = http->connection_memory,
        .idle_timeout_ms = http->idle_timeout_ms,
    };
    int code = mhd_start(listener, &options, &listener->mhd, err);
    if (code) {
        close(fd);
        return err_wrap(err, "%s", listener->address);
    }
    http->n_listeners++;
    return 0;
}

const char *http_address(const struct http *http, enum http_role role)
{
    for (size_t i = 0; i < http->n_listeners; i++)
        if (http->listeners[i].role == role)
            return http->listeners[i].address;
    return NULL;
}

void http_drain(struct http *http)
{
    http->draining = true;
}

void http_quiesce(struct http *http)
{
    for (size_t i = 0; i < http->n_listeners; i++) {
        mhd_quiesce(http->listeners[i].mhd, http->listeners[i].inherited);
        if (http->listeners[i].unix_path[0])
            unlink(http->listeners[i].unix_path);
    }
}

int64_t http_in_flight(const struct http *http)
{
    return http->in_flight;
}

bool http_busy(const struct http *http)
{
    return http->in_flight > 0 || reaper_saw_life(http->reaper, LINGER_NS);
}

void http_free(struct http *http)
{
    if (!http)
        return;
    for (size_t i = 0; i < http->n_listeners; i++) {
        mhd_stop(http->listeners[i].mhd);
        if (http->listeners[i].unix_path[0])
            unlink(http->listeners[i].unix_path);
    }
    reaper_free(http->reaper);
    request_pool_free();
    lock_done(&http->settings.lock);
    free(http);
}
