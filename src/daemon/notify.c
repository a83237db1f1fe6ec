/* Service manager.
 *
 * sd_notify is one datagram to a Unix socket, socket activation three environment variables and descriptors
 * from 3 on. Sixty lines of it are easier to audit than a library in a daemon that reads other people's
 * files. */
#include "daemon/notify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define FIRST_FD 3
#define MAX_FDS 8

/* A manager that does not read is waited for this long, for messages that are sent once. */
#define SEND_TIMEOUT_S 5

static void send_text(int flags, const char *format, va_list args)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    const struct timeval timeout = {.tv_sec = SEND_TIMEOUT_S};
    char text[1024];
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
        return;
    int length = vsnprintf(text, sizeof(text), format, args);
    if (length < 0 || (size_t)length >= sizeof(text))
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (path[0] == '@') /* the abstract name space */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    sendto(fd, text, (size_t)length, MSG_NOSIGNAL | flags, (const struct sockaddr *)&address, size);
    close(fd);
}

void notify_send(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_text(0, format, args);
    va_end(args);
}

void notify_try(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send_text(MSG_DONTWAIT, format, args);
    va_end(args);
}

void notify_reloading(void)
{
    notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_now_ns() / 1000);
}

int64_t notify_watchdog_ns(void)
{
    const char *period = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    int64_t us, who;
    if (!period || !str_to_i64(period, &us) || us <= 0)
        return 0;
    if (pid && (!str_to_i64(pid, &who) || who != getpid()))
        return 0;
    return us * 1000 / 2;
}

static struct {
    int n;
    int fd[MAX_FDS];
    char name[MAX_FDS][32];
} passed = {.n = -1};

static void read_environment(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    int64_t who, n;
    passed.n = 0;
    if (!pid || !count || !str_to_i64(pid, &who) || who != getpid() || !str_to_i64(count, &n) || n < 1)
        return;
    passed.n = n < MAX_FDS ? (int)n : MAX_FDS;
    for (int i = 0; i < passed.n; i++) {
        size_t length = names ? strcspn(names, ":") : 0;
        passed.fd[i] = FIRST_FD + i;
        fcntl(passed.fd[i], F_SETFD, FD_CLOEXEC);
        snprintf(passed.name[i], sizeof(passed.name[i]), "%.*s", (int)length, names ? names : "");
        if (names)
            names += length + (names[length] == ':');
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
}

int notify_take_socket(const char *name)
{
    if (passed.n < 0)
        read_environment();
    for (int i = 0; i < passed.n; i++) {
        bool only = passed.n == 1 && str_equal(name, "http") && !str_equal(passed.name[i], "admin") &&
                    !str_equal(passed.name[i], "metrics");
        if (passed.fd[i] >= 0 && (only || str_equal(passed.name[i], name))) {
            int fd = passed.fd[i];
            passed.fd[i] = -1;
            return fd;
        }
    }
    return -1;
}
