/* listen: from "HOST:PORT", "[IPV6]:PORT" or "unix:/path" to a listening socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "http/server.h"

#define BACKLOG 1024

static int open_unix(const char *path, int *ret_fd, char *ret_path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    if (strlen(path) >= sizeof(address.sun_path) || !*path)
        return err_set(err, KD_EINVAL, "unix:%s: the path of a socket must have 1 to %zu characters", path,
                       sizeof(address.sun_path) - 1);
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(err, errno, "cannot make a socket");
    /* A socket that nobody listens on any more is in the way; a living one or another file is not ours. */
    if (stat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0117);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, BACKLOG) == 0;
    int errnum = errno;
    umask(mask);
    if (!ok) {
        fd_close(&fd);
        return err_errno(err, errnum, "cannot listen on unix:%s", path);
    }
    *ret_fd = fd;
    snprintf(ret_path, HTTP_ADDRESS_MAX, "%s", path);
    return 0;
}

/* Splits at the last colon; brackets around an IPv6 address go. */
static int split(const char *address, char *host, size_t size, const char **ret_port, struct err *err)
{
    const char *colon = strrchr(address, ':'), *from = address, *to = colon;
    if (colon && *address == '[' && colon > address && colon[-1] == ']') {
        from++;
        to--;
    } else if (colon && memchr(address, ':', (size_t)(colon - address))) {
        colon = NULL;
    }
    if (!colon || (size_t)(to - from) >= size)
        return err_set(err, KD_EINVAL, "'%s' is no address: HOST:PORT, [IPV6]:PORT or unix:/path is expected", address);
    memcpy(host, from, (size_t)(to - from));
    host[to - from] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int bind_one(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

int listen_open(const char *address, int *ret_fd, char *ret_unix_path, struct err *err)
{
    char host[HTTP_ADDRESS_MAX];
    const char *port = "";
    ret_unix_path[0] = '\0';
    if (str_starts(address, "unix:"))
        return open_unix(address + 5, ret_fd, ret_unix_path, err);
    int code = split(address, host, sizeof(host), &port, err);
    if (code)
        return code;
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *list;
    bool any = !*host || strcmp(host, "*") == 0;
    int result = getaddrinfo(any ? NULL : host, port, &hints, &list);
    if (result != 0)
        return err_set(err, KD_EINVAL, "cannot listen on %s: %s", address, gai_strerror(result));
    int fd = -1;
    for (const struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = bind_one(info);
    int errnum = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return err_errno(err, errnum, "cannot listen on %s", address);
    *ret_fd = fd;
    return 0;
}

void listen_describe(int fd, char *ret_address, bool *ret_loopback)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    } address = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof(address);
    char text[INET6_ADDRSTRLEN] = "";
    getsockname(fd, &address.any, &length);
    *ret_loopback = false;
    if (address.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof(text));
        snprintf(ret_address, HTTP_ADDRESS_MAX, "http://%s:%d", text, ntohs(address.v4.sin_port));
        *ret_loopback = ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
    } else if (address.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof(text));
        snprintf(ret_address, HTTP_ADDRESS_MAX, "http://[%s]:%d", text, ntohs(address.v6.sin6_port));
        *ret_loopback = IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
    } else {
        snprintf(ret_address, HTTP_ADDRESS_MAX, "unix:%.100s", address.local.sun_path);
        *ret_loopback = address.any.sa_family == AF_UNIX;
    }
}
