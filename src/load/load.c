/* load: from a path to a verified image, in five steps, each of which may say no:
 *
 *   open        what is no regular file, or too large, is refused here
 *   child       kerasd-load reads it in its jail into a memfd (spawn.c)
 *   unchanged   size and times of the file are those of the start, else the snapshot may be half old, half
 * new seal        the memfd can no longer be written, grown or shrunk by anyone verify      image_open
 * believes nothing
 *
 * A weights-only file then gets its architecture from a JSON file beside it. However the child ends, the
 * caller gets a sentence; what the child wrote as its own is made printable first, for it may have been taken
 * over. */
#include "load/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/size.h"
#include "base/str.h"
#include "image/image.h"
#include "image/protocol.h"
#include "load/architecture.h"
#include "load/spawn.h"

#define DEFAULT_BYTES      ((uint64_t)16 << 30)
#define SPARE_MEMORY_BYTES ((uint64_t)1 << 30)
#define DEFAULT_TIMEOUT_MS 120000
#define PROBE_TIMEOUT_MS   10000
/* Processor time beside the time limit: a file that makes libhdf5 loop is given up early. Unpacking is far
 * faster. */
#define BASE_CPU_SECONDS       10
#define CPU_BYTES_PER_SECOND   (4u << 20)
#define MAX_MESSAGE_BYTES      800 /* leaves room in an err for what goes in front */
#define MAX_ARCHITECTURE_BYTES (16u << 20)

/* The options with the defaults filled in, and as the child's command line. */
struct plan {
    struct load_options options;
    char helper[PATH_MAX];
    char numbers[3][24];
    char *arguments[10];
};

static void plan_options(struct plan *plan, const struct load_options *options)
{
    static const struct load_options defaults = {.jail = 1};
    struct load_options *o = &plan->options;
    *o = options ? *options : defaults;
    o->max_file_bytes = o->max_file_bytes ? o->max_file_bytes : DEFAULT_BYTES;
    o->max_image_bytes = o->max_image_bytes ? o->max_image_bytes : DEFAULT_BYTES;
    o->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    if (!o->max_memory_bytes)
        o->max_memory_bytes = o->max_image_bytes + SPARE_MEMORY_BYTES;
    if (o->helper)
        snprintf(plan->helper, sizeof(plan->helper), "%s", o->helper);
    else
        spawn_find_helper(plan->helper, sizeof(plan->helper));
}

static void add_number(struct plan *plan, int *n, const char *name, char *text, uint64_t value)
{
    snprintf(text, sizeof(plan->numbers[0]), "%llu", (unsigned long long)value);
    plan->arguments[(*n)++] = (char *)(uintptr_t)name;
    plan->arguments[(*n)++] = text;
}

static void plan_arguments(struct plan *plan, const char *mode, uint64_t file_bytes)
{
    int n = 0;
    uint64_t cpu_seconds = BASE_CPU_SECONDS + file_bytes / CPU_BYTES_PER_SECOND;
    plan->arguments[n++] = plan->helper;
    add_number(plan, &n, "--max-image", plan->numbers[0], plan->options.max_image_bytes);
    add_number(plan, &n, "--max-memory", plan->numbers[1], plan->options.max_memory_bytes);
    add_number(plan, &n, "--max-cpu", plan->numbers[2], cpu_seconds);
    if (!plan->options.jail)
        plan->arguments[n++] = (char *)(uintptr_t) "--no-jail";
    if (mode)
        plan->arguments[n++] = (char *)(uintptr_t)mode;
    plan->arguments[n] = NULL;
}

/* The file. */

static int refuse_directory(int fd, struct err *err)
{
    if (faccessat(fd, "saved_model.pb", F_OK, 0) == 0)
        return err_set(err, KD_EUNSUPPORTED,
                       "this is a TensorFlow SavedModel (a directory with saved_model.pb): load "
                       "it in TensorFlow and save it with model.save(\"model.h5\")");
    if (faccessat(fd, "model.weights.h5", F_OK, 0) == 0)
        return err_set(err, KD_EUNSUPPORTED,
                       "this is an unpacked .keras archive: zip its files again, or save the "
                       "model with model.save(\"model.keras\")");
    return err_set(err, KD_EFORMAT, "this is a directory: name the .h5 file in it");
}

static int check_file(int fd, const struct load_options *options, struct stat *st, struct err *err)
{
    if (fstat(fd, st))
        return err_errno(err, errno, "it cannot be looked at");
    if (S_ISDIR(st->st_mode))
        return refuse_directory(fd, err);
    if (!S_ISREG(st->st_mode))
        return err_set(err, KD_EFORMAT, "this is a device, a pipe or a socket, not a file");
    if ((uint64_t)st->st_size > options->max_file_bytes)
        return err_set(err, KD_ETOOBIG, "it has %lld bytes, more than the limit of %llu for model files",
                       (long long)st->st_size, (unsigned long long)options->max_file_bytes);
    return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool unchanged(int fd, const struct stat *before)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_size == before->st_size &&
           same_time(&now.st_mtim, &before->st_mtim);
}

/* The child's end. */

/* The first line, as valid UTF-8 without control characters. */
static void make_printable(struct buf *text)
{
    if (text->failed || !text->data)
        return;
    text->length = strcspn(text->data, "\n");
    text->data[text->length] = '\0';
    str_tidy(text->data);
}

static int explain_signal(int number, struct err *err)
{
    switch (number) {
    case SIGXCPU:
        return err_set(err, KD_ETIMEOUT,
                       "reading it took more processor time than any file of its size, and was stopped: the "
                       "file is damaged or hostile");
    case SIGXFSZ:
        return err_set(err, KD_ETOOBIG, "it unpacks to more than the limit for models");
    case SIGKILL:
    case SIGBUS:
        return err_set(err, KD_ENOMEM, "reading it was stopped by the system, probably for lack of memory");
    default:
        return err_set(err, KD_EFORMAT,
                       "reading it crashed the loader (signal %d, %s), which is kept apart for that: the "
                       "file is damaged "
                       "or hostile",
                       number, strsignal(number));
    }
}

static int explain(const struct spawn_end *end, const struct plan *plan, struct buf *text, struct err *err)
{
    const char *says = text->data && *text->data ? text->data : "it was refused without a reason";
    if (end->timed_out)
        return err_set(err, KD_ETIMEOUT, "reading it took longer than %lld ms, and was stopped",
                       (long long)plan->options.timeout_ms);
    if (WIFSIGNALED(end->status))
        return explain_signal(WTERMSIG(end->status), err);
    int status = WEXITSTATUS(end->status), code = CHILD_STATUS_BASE - status;
    if (status == 0)
        return 0;
    if (status == CHILD_STATUS_JAIL)
        return err_set(err, KD_EFORMAT,
                       "%s: it is hostile, or this system needs a call that the jail does not know", says);
    if (code <= KD_EINVAL && code >= KD_EINTERNAL)
        return err_set(err, code, "%s", says);
    return err_set(err, KD_EINTERNAL, "the loader '%s' ended with status %d before it could say why",
                   plan->helper, status);
}

static int run_child(struct plan *plan, int file_fd, uint64_t file_bytes, int image_fd, struct err *err)
{
    struct buf text;
    struct spawn_end end;
    struct spawn spawn = {.file_fd = file_fd, .image_fd = image_fd, .timeout_ms = plan->options.timeout_ms};
    plan_arguments(plan, NULL, file_bytes);
    spawn.arguments = plan->arguments;
    buf_init(&text, MAX_MESSAGE_BYTES);
    int code = spawn_run(&spawn, &text, &end, err);
    if (!code) {
        make_printable(&text);
        code = explain(&end, plan, &text, err);
    }
    buf_done(&text);
    return code;
}

/* The image. */

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static int make_memfd(void)
{
    int fd = memfd_create("kerasd-model", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    return fd >= 0 || errno != EINVAL ? fd : memfd_create("kerasd-model", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/* A reaped child's mapping may live a moment longer (someone reads its /proc), and then the memfd is busy. */
static int seal(int fd, struct err *err)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int i = 0; i < 200; i++) {
        if (fcntl(fd, F_ADD_SEALS, seals) == 0)
            return 0;
        if (errno != EBUSY)
            break;
        nanosleep(&pause, NULL);
    }
    return err_errno(err, errno, "the model image cannot be sealed");
}

static int take_image(struct plan *plan, int file_fd, struct image **ret, struct err *err)
{
    struct stat st;
    int code = check_file(file_fd, &plan->options, &st, err);
    if (code)
        return code;
    int image_fd = make_memfd();
    if (image_fd < 0)
        return err_errno(err, errno, "no memory file can be made for the model");
    code = run_child(plan, file_fd, (uint64_t)st.st_size, image_fd, err);
    if (!unchanged(file_fd, &st))
        code = err_set(err, KD_EUNAVAILABLE,
                       "the file changed while it was read: load it again when it is complete");
    if (!code)
        code = seal(image_fd, err);
    if (!code)
        code = image_open(image_fd, plan->options.max_image_bytes, ret, err);
    fd_close(&image_fd);
    return code;
}

static int add_architecture(struct image *image, const char *path, const char *architecture_path,
                            struct err *err)
{
    struct buf text;
    const struct image_content *content = image_content(image);
    if (content->kind != IMAGE_WEIGHTS)
        return 0;
    buf_init(&text, MAX_ARCHITECTURE_BYTES);
    int code = architecture_read(path, architecture_path, &text, err);
    if (!code)
        code = image_set_config(image, text.data, text.length, err);
    buf_done(&text);
    if (code == KD_ENOTFOUND && !architecture_path)
        err->code = code = KD_EUNSUPPORTED;
    if (code)
        err_wrap(err, "this file holds only weights (of %zu layers, as save_weights writes them)",
                 content->n_layers);
    return code;
}

int load_file(const char *path, const char *architecture_path, const struct load_options *options,
              struct image **ret, struct err *err)
{
    struct plan plan;
    struct image *image = NULL;
    struct err own;
    plan_options(&plan, options);
    err = err ? err : &own;
    /* Non-blocking, so that a pipe of this name cannot hold us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return err_errno(err, errno, "cannot open '%s'", path);
    int code = take_image(&plan, fd, &image, err);
    fd_close(&fd);
    if (!code)
        code = add_architecture(image, path, architecture_path, err);
    if (code) {
        image_close(image);
        err_wrap(err, "'%s'", path);
        return code;
    }
    *ret = image;
    return 0;
}

int load_probe(const struct load_options *options, struct buf *ret, bool *ret_jailed, struct err *err)
{
    struct plan plan;
    struct buf text;
    struct spawn_end end;
    struct spawn spawn = {.file_fd = -1, .image_fd = -1, .take_output = true, .timeout_ms = PROBE_TIMEOUT_MS};
    plan_options(&plan, options);
    plan_arguments(&plan, "--probe", 0);
    spawn.arguments = plan.arguments;
    buf_init(&text, MAX_MESSAGE_BYTES);
    int code = spawn_run(&spawn, &text, &end, err);
    make_printable(&text);
    if (!code && (end.timed_out || end.status != 0 || !text.data))
        code = err_set(err, KD_EINTERNAL, "the loader '%s' does not work here", plan.helper);
    if (!code) {
        buf_puts(ret, text.data);
        *ret_jailed = strstr(text.data, "jail: none") == NULL;
    }
    buf_done(&text);
    return code;
}
