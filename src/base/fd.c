/* fd: reads and writes that finish, across interruptions and short counts. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define READ_STEP 65536

ssize_t fd_read_full(int fd, void *data, size_t length)
{
    size_t done = 0;
    while (done < length) {
        ssize_t got = read(fd, (char *)data + done, length - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int fd_write_full(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t put = write(fd, at, length);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        at += put;
        length -= (size_t)put;
    }
    return 0;
}

void fd_close(int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

static int read_all(int fd, const char *path, struct buf *buf, struct err *err)
{
    for (;;) {
        size_t room = buf->max - buf->length;
        size_t step = room < READ_STEP ? room + 1 : READ_STEP;
        char extra;
        char *place = room ? buf_reserve(buf, step > room ? room : step) : &extra;
        if (!place)
            return err_set(err, buf->failed, "'%s': out of memory", path);
        ssize_t got = fd_read_full(fd, place, room ? (step > room ? room : step) : 1);
        if (got < 0)
            return err_errno(err, errno, "cannot read '%s'", path);
        if (got == 0)
            return 0;
        if (!room)
            return err_set(err, KD_ETOOBIG, "'%s' is larger than %zu bytes", path, buf->max);
        buf_commit(buf, (size_t)got);
    }
}

int fd_read_file(const char *path, struct buf *buf, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_errno(err, errno, "cannot open '%s'", path);
    int code = read_all(fd, path, buf, err);
    fd_close(&fd);
    return code;
}
