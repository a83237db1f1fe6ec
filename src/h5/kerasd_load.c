/* kerasd-load: the child that reads a model file for kerasd, in a jail.
 *
 *   descriptor 0   the file, opened by the daemon
 *              3   an empty memfd: the model image
 *              4   a pipe: one sentence if the file is refused
 *
 * It ends with 0 and a finished image, or with CHILD_STATUS_BASE plus the error's number and the sentence.
 * Whatever else happens to it (a crash, a hang) is the daemon's to explain. `kerasd-load --print FILE` does
 * the same for a person and shows what is in the file. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <hdf5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"
#include "h5/jail.h"
#include "h5/model.h"
#include "h5/read.h"
#include "h5/source.h"
#include "image/protocol.h"

#define FIRST_OTHER_FD  (CHILD_MESSAGE_FD + 1)
#define STATUS_USAGE    2
#define MAX_PRINT_BYTES (256u << 20)

struct options {
    struct h5_limits limits;
    const char *print; /* a path */
    bool no_jail, probe, check_jail;
};

static const char usage[] =
    "usage: kerasd-load --print FILE    show what a model file holds\n"
    "       kerasd-load --probe         show how this program is jailed\n"
    "       kerasd-load --check-jail    try to break out of the jail\n"
    "kerasd starts it with the file as standard input, an image as descriptor 3 and a pipe as descriptor 4;\n"
    "its options: --max-image BYTES --max-memory BYTES --max-cpu SECONDS --no-jail\n";

static int take_option(struct options *options, int option)
{
    switch (option) {
    case 'i':
        return !str_to_u64(optarg, &options->limits.image_bytes);
    case 'm':
        return !str_to_u64(optarg, &options->limits.memory_bytes);
    case 'c':
        return !str_to_u64(optarg, &options->limits.cpu_seconds);
    case 'n':
        options->no_jail = true;
        return 0;
    case 'p':
        options->print = optarg;
        return 0;
    case 'o':
        options->probe = true;
        return 0;
    case 'j':
        options->check_jail = options->probe = true;
        return 0;
    default:
        return 1;
    }
}

static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"max-image", required_argument, NULL, 'i'}, {"max-memory", required_argument, NULL, 'm'},
        {"max-cpu", required_argument, NULL, 'c'},   {"no-jail", no_argument, NULL, 'n'},
        {"print", required_argument, NULL, 'p'},     {"probe", no_argument, NULL, 'o'},
        {"check-jail", no_argument, NULL, 'j'},      {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
        if (take_option(options, option))
            return -1;
    return optind == argc ? 0 : -1;
}

/* A person's call gets the descriptors that the daemon would have given. */
static int open_for_person(const char *path, struct err *err)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file < 0)
        return err_errno(err, errno, "cannot open '%s'", path);
    /* Out of the way of the three numbers first. */
    file = fcntl(file, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
    int image = fcntl(memfd_create("model", MFD_CLOEXEC), F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
    if (dup2(file, CHILD_FILE_FD) < 0 || dup2(image, CHILD_IMAGE_FD) < 0 ||
        dup2(STDERR_FILENO, CHILD_MESSAGE_FD) < 0)
        return err_errno(err, errno, "cannot prepare the descriptors");
    return 0;
}

static int prepare(const struct options *options, struct buf *parts, struct err *err)
{
    const char *obstacle = options->no_jail ? "switched off" : h5_jail_obstacle();
    int code = h5_init(err);
    if (!code)
        code = h5_jail_limit(&options->limits, FIRST_OTHER_FD, err);
    if (code)
        return code;
    if (obstacle)
        return buf_printf(parts, "none (%s)", obstacle);
    code = h5_jail_close(CHILD_MESSAGE_FD, parts, err);
    if (!code && parts->length == 0)
        buf_puts(parts, "none (the kernel has neither seccomp nor landlock)");
    return code;
}

static int probe(const struct options *options, const struct buf *parts)
{
    struct buf text;
    unsigned major, minor, release;
    H5get_libversion(&major, &minor, &release);
    buf_init(&text, 4096);
    buf_printf(&text, "kerasd-load %s, HDF5 %u.%u.%u, jail: %s\n", PACKAGE_VERSION, major, minor, release,
               parts->data);
    int n_escaped = options->check_jail ? h5_jail_check(&text) : 0;
    int failed = fd_write_full(STDOUT_FILENO, text.data, text.length);
    buf_done(&text);
    return failed || n_escaped;
}

static int run(const struct options *options, struct buf *parts, struct err *err)
{
    struct stat st;
    struct buf text;
    if (fstat(CHILD_FILE_FD, &st) || fcntl(CHILD_IMAGE_FD, F_GETFD) < 0)
        return err_set(err, KD_EINVAL, "kerasd-load was started without its descriptors");
    if (!S_ISREG(st.st_mode))
        return err_set(err, KD_EFORMAT, "this is not a file, but a directory or a device");
    int code = prepare(options, parts, err);
    if (code)
        return code;
    struct h5_source source = h5_source_fd(CHILD_FILE_FD, (uint64_t)st.st_size);
    buf_init(&text, MAX_PRINT_BYTES);
    code = h5_read_file(&source, CHILD_IMAGE_FD, options->limits.image_bytes, options->print ? &text : NULL,
                        err);
    if (!code && text.data && fd_write_full(STDOUT_FILENO, text.data, text.length))
        code = err_set(err, KD_EIO, "cannot write");
    buf_done(&text);
    return code;
}

static int report(const struct err *err)
{
    char line[ERR_TEXT_MAX + 1];
    int length = snprintf(line, sizeof(line), "%s\n", err->text);
    if (length < 0 || fd_write_full(CHILD_MESSAGE_FD, line, (size_t)length))
        return CHILD_STATUS_BASE - KD_EIO;
    return CHILD_STATUS_BASE - err->code;
}

int main(int argc, char **argv)
{
    struct options options = {.limits = {(uint64_t)16 << 30, (uint64_t)17 << 30, 120}};
    struct err err = {0};
    struct buf parts;
    int status;
    if (parse_options(argc, argv, &options) ||
        (!options.print && !options.probe && fcntl(CHILD_MESSAGE_FD, F_GETFD) < 0))
        return fputs(usage, stderr), STATUS_USAGE;
    buf_init(&parts, 256);
    if (options.probe) {
        if (dup2(STDERR_FILENO, CHILD_MESSAGE_FD) < 0)
            return STATUS_USAGE;
        status = prepare(&options, &parts, &err) ? report(&err) : probe(&options, &parts);
    } else {
        int code = options.print ? open_for_person(options.print, &err) : 0;
        status = code || run(&options, &parts, &err) ? report(&err) : 0;
    }
    buf_done(&parts);
    return status;
}
