/* Serving: the order of starting and stopping, and what signals mean.
 *
 *   start                                         stop (SIGTERM, SIGINT)
 *   1 configuration, log                          1 readiness says no (registry, http), STOPPING=1
 *   2 worker pool                                 2 go on for drain_delay, so that balancers notice
 *   3 registry (loader thread, nothing loaded)    3 no new connections
 *   4 listeners: live, not ready                  4 wait for running requests, at most drain_timeout
 *   5 load everything                             5 stop the pool: what still waits is answered with 503
 *   6 "listening on", READY=1                     6 loader, listeners, registry, pool are freed; exit 0
 *
 * A second SIGTERM or SIGINT ends the process at once. SIGHUP reads the configuration again and looks at
 * all files, like POST /v1/config/reload: both are a command to the registry's loader thread. The main
 * thread only waits for signals, for the end of such commands, and for the watchdog's next time. */
#include "config.h"

#include "daemon/serve.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "conf/conf.h"
#include "daemon/args.h"
#include "daemon/notify.h"
#include "http/http.h"
#include "kernels/cpu.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "registry/registry.h"
#include "sched/pool.h"

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)
#define EXTEND_NS (5 * SECOND) /* how often the manager is asked for patience */
#define LOADER_GRACE_NS (2 * SECOND)

struct daemon {
    const struct args *args;
    struct sched_pool *pool;
    struct registry *registry;
    struct http *http;
    struct conf *conf; /* the one in force; the registry owns it. Main and loader's thread, never at once */
    int signal_fd;
    int done_fd; /* eventfd: the reload is over */
    struct registry_command reload;
    bool reloading;
    bool reload_again; /* asked for while one was running, which may have looked too early */
    bool ready; /* atomic: the first load is over */
    bool stopping;
    int64_t drain_delay_ns, drain_timeout_ns; /* atomic */
};

static bool is_ready(const struct daemon *daemon)
{
    return __atomic_load_n(&daemon->ready, __ATOMIC_ACQUIRE);
}

static void set_drain(struct daemon *daemon, const struct conf *conf)
{
    __atomic_store_n(&daemon->drain_delay_ns, conf->drain_delay * MS, __ATOMIC_RELAXED);
    __atomic_store_n(&daemon->drain_timeout_ns, conf->drain_timeout * MS, __ATOMIC_RELAXED);
}

/* ---- start ---- */

static void setup_log(const struct conf *conf)
{
    enum log_level level = LOG_LEVEL_INFO;
    log_level_from_name(conf->log_level, &level);
    log_setup(level, str_equal(conf->log_format, "json") ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

/* Clients and models each take descriptors; the soft limit is for programs that use select(). */
static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static pthread_t main_thread;

/* OpenBLAS may have started a thread before main, which has no signal blocked and would be killed by one. */
static void pass_on(int signal)
{
    pthread_kill(main_thread, signal);
}

static int open_signals(struct err *err)
{
    const struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    sigset_t set;
    main_thread = pthread_self();
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? err_errno(err, errno, "cannot wait for signals") : fd;
}

static int start_pool(struct daemon *daemon, const struct conf *conf, struct err *err)
{
    struct sched_pool_options options = {
        .n_workers = (int)conf->workers,
        .max_bytes = conf->max_queue_bytes,
        .inline_max_ns = conf->inline_max_us * 1000,
    };
    return sched_pool_new(&options, &daemon->pool, err);
}

/* On the loader's thread: the file may have changed, the command line has not. */
static int reread(void *context, struct conf **ret, struct err *err)
{
    struct daemon *daemon = context;
    struct conf *conf;
    struct buf changes;
    enum log_level level;
    if (!is_ready(daemon))
        return 0; /* the first load: it was read a moment ago */
    int code = args_serve_conf(daemon->args, &conf, err);
    if (code == 0 && (code = http_configure(daemon->http, conf, err)))
        conf_free(conf);
    if (code)
        return code;
    if (log_level_from_name(conf->log_level, &level))
        log_set_level(level);
    buf_init(&changes, 4096);
    conf_print_restart_changes(daemon->conf, conf, &changes);
    if (changes.length)
        log_warn("some changes take effect at the next start", LOG_STR("keys", changes.data));
    buf_done(&changes);
    daemon->conf = conf;
    set_drain(daemon, conf);
    *ret = conf;
    return 0;
}

static int start_registry(struct daemon *daemon, struct conf *conf, struct err *err)
{
    struct registry_options options = {.conf = conf, .pool = daemon->pool, .reread = reread,
                                       .context = daemon};
    return registry_new(&options, &daemon->registry, err);
}

static int start_listeners(struct daemon *daemon, const struct conf *conf, struct err *err)
{
    const struct {
        enum http_role role;
        const char *name, *address;
    } listeners[] = {
        {HTTP_ROLE_DATA, "http", conf->listen},
        {HTTP_ROLE_ADMIN, "admin", conf->admin_listen},
        {HTTP_ROLE_METRICS, "metrics", conf->metrics_listen},
    };
    int code = http_new(conf, daemon->registry, PACKAGE_VERSION, &daemon->http, err);
    for (size_t i = 0; i < KD_COUNT(listeners) && code == 0; i++) {
        int fd = notify_take_socket(listeners[i].name);
        if (fd >= 0 || *listeners[i].address)
            code = http_listen(daemon->http, listeners[i].role, listeners[i].address, fd, err);
    }
    return code;
}

/* ---- reload ---- */

static void on_reloaded(struct registry_command *command)
{
    struct daemon *daemon = (struct daemon *)(void *)((char *)command - offsetof(struct daemon, reload));
    uint64_t one = 1;
    ssize_t written = write(daemon->done_fd, &one, sizeof(one));
    (void)written;
}

static void begin_reload(struct daemon *daemon)
{
    struct err err;
    daemon->reload_again = daemon->reloading;
    if (daemon->reloading)
        return;
    daemon->reload = (struct registry_command){.verb = REGISTRY_RELOAD_ALL, .done = on_reloaded};
    daemon->reloading = registry_submit(daemon->registry, &daemon->reload, &err) == 0;
}

static size_t count_available(struct registry *registry, size_t *ret_failed)
{
    struct registry_snapshot *snapshot;
    size_t n = 0;
    *ret_failed = 0;
    if (registry_snapshot(registry, NULL, &snapshot, NULL))
        return 0;
    for (size_t i = 0; i < snapshot->n; i++) {
        n += snapshot->items[i].state == REGISTRY_AVAILABLE;
        *ret_failed += snapshot->items[i].code != 0;
    }
    registry_snapshot_free(snapshot);
    return n;
}

static void notify_ready(struct daemon *daemon, const char *trouble)
{
    size_t failed;
    size_t n = count_available(daemon->registry, &failed);
    if (trouble && *trouble)
        notify_send("READY=1\nSTATUS=%zu model versions available; last reload: %.400s", n, trouble);
    else
        notify_send("READY=1\nSTATUS=%zu model versions available, %zu failed", n, failed);
}

/* A model that the command line names must serve; others may fail and be listed as failed. */
static bool operands_serve(struct daemon *daemon)
{
    bool ok = true;
    struct registry_snapshot *snapshot;
    const struct conf *conf = daemon->conf;
    for (size_t i = 0; i < conf->n_models; i++) {
        const struct conf_model *model = conf->models[i];
        if (!model->from_command_line || registry_snapshot(daemon->registry, model->name, &snapshot, NULL))
            continue;
        bool serves = false;
        for (size_t k = 0; k < snapshot->n; k++)
            serves = serves || snapshot->items[k].state == REGISTRY_AVAILABLE;
        const char *error = snapshot->n ? snapshot->items[0].error : "";
        if (!serves)
            fprintf(stderr, "kerasd: %s: %s\n", model->path, *error ? error : "holds no model to serve");
        ok = ok && serves;
        registry_snapshot_free(snapshot);
    }
    return ok;
}

static int end_reload(struct daemon *daemon)
{
    uint64_t count;
    ssize_t got = read(daemon->done_fd, &count, sizeof(count));
    (void)got;
    daemon->reloading = false;
    if (is_ready(daemon)) {
        const struct registry_command *reload = &daemon->reload;
        if (reload->code)
            log_err("reload failed in part, what served before serves on",
                    LOG_STR("error", reload->err.text));
        else
            log_notice("reloaded", LOG_BOOL("changed", reload->changed));
        notify_ready(daemon, reload->code ? reload->err.text : "");
        return EXIT_OK;
    }
    if (!operands_serve(daemon))
        return EXIT_FAILED;
    if (daemon->reload.code && daemon->conf->exit_on_load_error) {
        fprintf(stderr, "kerasd: %s\n", daemon->reload.err.text);
        return EXIT_FAILED;
    }
    __atomic_store_n(&daemon->ready, true, __ATOMIC_RELEASE);
    fprintf(stderr, "listening on %s\n", http_address(daemon->http, HTTP_ROLE_DATA));
    notify_ready(daemon, "");
    return EXIT_OK;
}

/* ---- waiting ---- */

/* The next signal, or 0. */
static int take_signal(const struct daemon *daemon)
{
    struct signalfd_siginfo info;
    return read(daemon->signal_fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

static void on_signal(struct daemon *daemon, int signal)
{
    if (signal == SIGHUP) {
        log_notice("reloading", LOG_STR("by", "SIGHUP"));
        notify_reloading();
        begin_reload(daemon);
        return;
    }
    if (daemon->stopping) {
        log_warn("second signal, quitting without waiting");
        _exit(EXIT_FAILED);
    }
    daemon->stopping = true;
    log_notice("stopping", LOG_STR("by", signal == SIGINT ? "SIGINT" : "SIGTERM"));
}

static void wait_for_events(struct daemon *daemon, int64_t until_ns)
{
    struct pollfd fds[2] = {{.fd = daemon->signal_fd, .events = POLLIN},
                            {.fd = daemon->done_fd, .events = POLLIN}};
    int64_t left = until_ns - clock_now_ns();
    int timeout = until_ns == INT64_MAX ? -1 : left <= 0 ? 0 : (int)(left / MS + 1);
    poll(fds, daemon->stopping ? 1 : 2, timeout);
    for (int signal; (signal = take_signal(daemon));)
        on_signal(daemon, signal);
}

static bool reload_is_over(const struct daemon *daemon)
{
    struct pollfd fd = {.fd = daemon->done_fd, .events = POLLIN};
    return daemon->reloading && poll(&fd, 1, 0) == 1;
}

/* Until a signal to stop; returns the exit code. */
static int run(struct daemon *daemon)
{
    int64_t watchdog_ns = notify_watchdog_ns();
    int64_t beat_ns = watchdog_ns ? clock_now_ns() + watchdog_ns : INT64_MAX;
    int64_t extend_ns = clock_now_ns();
    begin_reload(daemon);
    while (!daemon->stopping) {
        wait_for_events(daemon, is_ready(daemon) || extend_ns > beat_ns ? beat_ns : extend_ns);
        int code = reload_is_over(daemon) ? end_reload(daemon) : EXIT_OK;
        if (code != EXIT_OK)
            return code;
        if (daemon->reload_again && !daemon->reloading)
            begin_reload(daemon);
        int64_t now = clock_now_ns();
        if (now >= beat_ns) {
            beat_ns = now + watchdog_ns;
            if (sched_pool_alive(daemon->pool))
                notify_try("WATCHDOG=1");
        }
        if (!is_ready(daemon) && now >= extend_ns) {
            extend_ns = now + EXTEND_NS;
            notify_try("EXTEND_TIMEOUT_USEC=%d\nSTATUS=loading models", 30 * 1000000);
        }
    }
    return EXIT_OK;
}

/* ---- stop ---- */

static void wait_ns(struct daemon *daemon, int64_t duration_ns)
{
    int64_t until = clock_now_ns() + duration_ns;
    while (clock_now_ns() < until)
        wait_for_events(daemon, until);
}

static void drain(struct daemon *daemon)
{
    int64_t delay_ns = __atomic_load_n(&daemon->drain_delay_ns, __ATOMIC_RELAXED);
    int64_t timeout_ns = __atomic_load_n(&daemon->drain_timeout_ns, __ATOMIC_RELAXED);
    registry_drain(daemon->registry);
    http_drain(daemon->http);
    notify_send("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%" PRId64,
                (delay_ns + timeout_ns) / 1000 + 5000000);
    wait_ns(daemon, delay_ns);
    http_quiesce(daemon->http);
    int64_t deadline = clock_now_ns() + timeout_ns;
    while (http_busy(daemon->http) && clock_now_ns() < deadline)
        wait_ns(daemon, 10 * MS);
    int64_t left = http_in_flight(daemon->http);
    if (left > 0)
        log_warn("drain_timeout passed, giving up on requests", LOG_INT("requests", left));
}

static void stop(struct daemon *daemon)
{
    if (daemon->http && daemon->stopping)
        drain(daemon);
    if (daemon->pool)
        sched_pool_stop(daemon->pool);
    if (daemon->registry && !registry_stop(daemon->registry, clock_now_ns() + LOADER_GRACE_NS)) {
        log_warn("a model is still being loaded, quitting without it");
        _exit(is_ready(daemon) ? EXIT_OK : EXIT_FAILED);
    }
    http_free(daemon->http);
    registry_free(daemon->registry);
    sched_pool_free(daemon->pool);
    if (daemon->signal_fd >= 0)
        close(daemon->signal_fd);
    if (daemon->done_fd >= 0)
        close(daemon->done_fd);
}

static int start(struct daemon *daemon, struct conf *conf, struct err *err)
{
    raise_limits();
    kernels_init();
    metrics_setup(PACKAGE_VERSION, "openblas", kernels_isa_name(kernels_isa()));
    daemon->signal_fd = open_signals(err);
    int code = daemon->signal_fd < 0 ? daemon->signal_fd : 0;
    if (code == 0 && (daemon->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        code = err_errno(err, errno, "cannot make an event descriptor");
    if (code == 0)
        code = start_pool(daemon, conf, err);
    if (code) {
        conf_free(conf);
        return code;
    }
    daemon->conf = conf;
    set_drain(daemon, conf);
    code = start_registry(daemon, conf, err);
    return code ? code : start_listeners(daemon, conf, err);
}

int serve_run(const struct args *args)
{
    struct daemon daemon = {.args = args, .signal_fd = -1, .done_fd = -1};
    struct conf *conf;
    struct err err;
    int code = args_serve_conf(args, &conf, &err);
    if (code) {
        fprintf(stderr, "kerasd: %s\n", err.text);
        return args->file ? EXIT_CONFIG_ERROR : EXIT_USAGE_ERROR;
    }
    setup_log(conf);
    int status = EXIT_FAILED;
    if (start(&daemon, conf, &err))
        fprintf(stderr, "kerasd: %s\n", err.text);
    else
        status = run(&daemon);
    stop(&daemon);
    return status;
}
