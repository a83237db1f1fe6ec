/* spawn: one child process, from start to reaped, without a trace in the daemon.
 *
 * posix_spawn, not fork: the daemon has threads and gigabytes mapped. The child gets five descriptors and
 * nothing else (ours are all close-on-exec), an environment of a few known names, no blocked signals, a
 * process group of its own (the terminal's Ctrl-C is for the daemon). Its end is noticed by the pipe: the
 * child alone holds the other side, so end-of-file means that it ended or is about to. The time limit covers
 * both. */
#include "config.h"

#include "load/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/size.h"
#include "image/protocol.h"

#define HELPER_NAME   "kerasd-load"
#define FIRST_FREE_FD 10 /* ours move out of the way of the child's 0 to 4 before they are put there */

void spawn_find_helper(char *path, size_t size)
{
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    own[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(own, '/');
    if (slash) {
        snprintf(path, size, "%.*s/" HELPER_NAME, (int)(slash - own), own);
        if (access(path, X_OK) == 0)
            return;
    }
    snprintf(path, size, "%s/" HELPER_NAME, KD_LIBEXECDIR);
}

/* Of the environment only what the dynamic linker and the sanitizers need. */
static void pick_environment(char **ret, size_t room)
{
    static const char *const names[] = {
        "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS="};
    size_t n = 0;
    for (char **entry = environ; *entry; entry++)
        for (size_t i = 0; i < KD_COUNT(names) && n + 1 < room; i++)
            if (strncmp(*entry, names[i], strlen(names[i])) == 0)
                ret[n++] = *entry;
    ret[n] = NULL;
}

/* The child's descriptors in the daemon's numbers, all at least FIRST_FREE_FD. */
struct fds {
    int file, image, null, text;
};

static int move_up(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD);
}

static void close_fds(struct fds *fds)
{
    fd_close(&fds->file);
    fd_close(&fds->image);
    fd_close(&fds->null);
    fd_close(&fds->text);
}

static int open_fds(const struct spawn *spawn, int text_fd, struct fds *fds, struct err *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    *fds = (struct fds){.null = null < 0 ? -1 : move_up(null), .text = move_up(text_fd)};
    fd_close(&null);
    fds->file = move_up(spawn->file_fd >= 0 ? spawn->file_fd : fds->null);
    fds->image = move_up(spawn->image_fd >= 0 ? spawn->image_fd : fds->null);
    if (fds->null >= 0 && fds->text >= 0 && fds->file >= 0 && fds->image >= 0)
        return 0;
    int code = err_errno(err, errno, "cannot prepare the loader's descriptors");
    close_fds(fds);
    return code;
}

static int set_actions(posix_spawn_file_actions_t *actions, const struct spawn *spawn, const struct fds *fds)
{
    const struct {
        int from, to;
    } moves[] = {
        {fds->file, CHILD_FILE_FD},   {spawn->take_output ? fds->text : fds->null, STDOUT_FILENO},
#ifndef KD_SANITIZED
        {fds->null, STDERR_FILENO}, /* a sanitizer's report would be lost there */
#endif
        {fds->image, CHILD_IMAGE_FD}, {spawn->take_output ? fds->null : fds->text, CHILD_MESSAGE_FD},
    };
    for (size_t i = 0; i < KD_COUNT(moves); i++) {
        int code = posix_spawn_file_actions_adddup2(actions, moves[i].from, moves[i].to);
        if (code)
            return code;
    }
#ifdef HAVE_POSIX_SPAWN_FILE_ACTIONS_ADDCLOSEFROM_NP
    /* Ours are close-on-exec, but some may have been inherited. (The child also closes them itself.) */
    return posix_spawn_file_actions_addclosefrom_np(actions, CHILD_MESSAGE_FD + 1);
#else
    return 0;
#endif
}

static void set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setflags(attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
}

static int start(const struct spawn *spawn, const struct fds *fds, pid_t *ret_pid, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    char *environment[16];
    int errnum = posix_spawn_file_actions_init(&actions);
    if (errnum)
        return err_errno(err, errnum, "cannot start the loader");
    errnum = posix_spawnattr_init(&attributes);
    if (!errnum) {
        pick_environment(environment, KD_COUNT(environment));
        set_attributes(&attributes);
        errnum = set_actions(&actions, spawn, fds);
        if (!errnum)
            errnum = posix_spawn(ret_pid, spawn->arguments[0], &actions, &attributes, spawn->arguments,
                                 environment);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return errnum ? err_errno(err, errnum, "cannot start the loader '%s'", spawn->arguments[0]) : 0;
}

/* Waiting. */

static int ms_until(int64_t deadline_ns)
{
    int64_t left = (deadline_ns - clock_now_ns() + 999999) / 1000000;
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* True at the end of the text, false when the time is up. */
static bool read_text(int fd, struct buf *text, int64_t deadline_ns)
{
    char chunk[512];
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int left = ms_until(deadline_ns);
        int ready = poll(&poll_fd, 1, left);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        ssize_t got = read(fd, chunk, sizeof(chunk));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        size_t room = text->max - text->length;
        buf_append(text, chunk, (size_t)got < room ? (size_t)got : room);
        if (left == 0)
            return false;
    }
}

/* True when the child is reaped, false when the time is up. */
static bool reap_until(pid_t pid, int *ret_status, int64_t deadline_ns)
{
    for (long pause_ns = 100000;; pause_ns = pause_ns < 10000000 ? pause_ns * 2 : pause_ns) {
        pid_t done = waitpid(pid, ret_status, WNOHANG);
        if (done == pid || (done < 0 && errno != EINTR))
            return true;
        if (ms_until(deadline_ns) == 0)
            return false;
        struct timespec pause = {.tv_nsec = pause_ns};
        nanosleep(&pause, NULL);
    }
}

static void finish(pid_t pid, int text_fd, const struct spawn *spawn, struct buf *text, struct spawn_end *ret)
{
    int64_t deadline_ns = clock_now_ns() + spawn->timeout_ms * 1000000;
    *ret = (struct spawn_end){.status = -1};
    if (read_text(text_fd, text, deadline_ns) && reap_until(pid, &ret->status, deadline_ns))
        return;
    ret->timed_out = true;
    kill(pid, SIGKILL);
    while (waitpid(pid, &ret->status, 0) < 0 && errno == EINTR)
        continue;
}

int spawn_run(const struct spawn *spawn, struct buf *text, struct spawn_end *ret, struct err *err)
{
    struct fds fds;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC))
        return err_errno(err, errno, "cannot make a pipe for the loader");
    int code = open_fds(spawn, ends[1], &fds, err);
    fd_close(&ends[1]);
    if (!code) {
        code = start(spawn, &fds, &pid, err);
        close_fds(&fds);
        if (!code)
            finish(pid, ends[0], spawn, text, ret);
    }
    fd_close(&ends[0]);
    return code;
}
