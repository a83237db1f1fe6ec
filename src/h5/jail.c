/* jail: libhdf5 reads hostile files, so the process that runs it gives up everything but arithmetic on what
 * it holds.
 *
 *   limits     memory, CPU time, file size, descriptors, core dumps; every descriptor beyond the known ones
 * closed privilege  no new privileges, no capabilities, not traceable; dies with the daemon landlock   no
 * file can be opened at all, no socket bound or connected, no signal sent outside seccomp    a short list of
 * system calls; the rest ends the process with a message that names the call
 *
 * The two last are closed before the first byte of the file is read. Landlock and seccomp overlap: either is
 * enough to keep the file from reaching other files, and old kernels or containers may lack one. Sanitizers
 * and valgrind need many more system calls and all of the address space: such runs are not jailed, and say
 * so. */
#include "config.h"

#include "h5/jail.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "image/protocol.h"

#define HEAP_BYTES ((rlim_t)1 << 30) /* HDF5 needs a few MB; what a hostile file can make it take */
#define MAX_FD     8

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Tools that run inside our process and need what the jail takes. */
static const char *find_tool(void)
{
    const char *preload = getenv("LD_PRELOAD");
    if (SANITIZED)
        return "built with sanitizers";
    return preload && strstr(preload, "vgpreload") ? "running under valgrind" : NULL;
}

const char *h5_jail_obstacle(void)
{
    const char *tool = find_tool();
    if (tool)
        return tool;
#ifndef KD_JAIL
    return "built with --disable-jail";
#else
    return NULL;
#endif
}

/* Limits and privileges. */

static void close_from(int first_fd)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first_fd, ~0u, 0) == 0)
        return;
#endif
    for (int fd = first_fd; fd < 4096; fd++)
        close(fd);
}

static int drop_privileges(struct err *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || syscall(SYS_capset, &header, none))
        return err_errno(err, errno, "the loader cannot drop its privileges");
    return 0;
}

int h5_jail_limit(const struct h5_limits *limits, int first_fd, struct err *err)
{
    const struct {
        int resource;
        rlim_t limit;
    } rows[] = {
        {RLIMIT_CORE, 0},        {RLIMIT_CPU, limits->cpu_seconds}, {RLIMIT_FSIZE, limits->image_bytes},
        {RLIMIT_NOFILE, MAX_FD}, {RLIMIT_AS, limits->memory_bytes}, {RLIMIT_DATA, HEAP_BYTES},
    };
    if (find_tool())
        return 0;
    close_from(first_fd);
    for (size_t i = 0; i < KD_COUNT(rows); i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)rows[i].resource, &limit))
            return err_errno(err, errno, "the loader cannot read its limits");
        limit.rlim_cur = rows[i].limit < limit.rlim_max ? rows[i].limit : limit.rlim_max;
        /* At the hard limit of processor time the kernel kills without a reason: SIGXCPU comes before. */
        if (rows[i].resource != RLIMIT_CPU)
            limit.rlim_max = limit.rlim_cur;
        if (setrlimit((__rlimit_resource_t)rows[i].resource, &limit))
            return err_errno(err, errno, "the loader cannot limit itself");
    }
    return drop_privileges(err);
}

/* Landlock: all rights are handled and none is granted. The numbers are the kernel's interface. */

#define LANDLOCK_CREATE       444
#define LANDLOCK_RESTRICT     446
#define LANDLOCK_VERSION_FLAG 1u

struct landlock_rights {
    uint64_t files, network, scopes;
};

static int landlock_close(struct buf *ret_parts, struct err *err)
{
    /* Files: 13 rights in version 1, one more each in versions 2, 3 and 5; network in 4, scopes in 6. */
    long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (version < 1)
        return 0;
    int n_files = 13 + (version >= 2) + (version >= 3) + (version >= 5);
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    struct landlock_rights rights = {.files = (1u << n_files) - 1, .network = 3, .scopes = 3};
    long ruleset = syscall(LANDLOCK_CREATE, &rights, size, 0);
    if (ruleset < 0 || syscall(LANDLOCK_RESTRICT, (int)ruleset, 0))
        return err_errno(err, errno, "the loader's jail (landlock) cannot be closed");
    close((int)ruleset);
    buf_printf(ret_parts, "%slandlock %ld", ret_parts->length ? ", " : "", version);
    return 0;
}

/* Seccomp. */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

static int refusal_fd = -1;
static void (*refusal_hook)(void);

void h5_jail_on_refusal(void (*hook)(void))
{
    refusal_hook = hook;
}

#ifdef ARCH

static void on_refusal(int signal_number, siginfo_t *info, void *context)
{
    char text[96];
    if (refusal_hook)
        refusal_hook();
    int length =
        snprintf(text, sizeof(text), "the file made the loader try system call %d, which its jail refuses\n",
                 info->si_syscall);
    if (length > 0 && write(refusal_fd, text, (size_t)length) < 0)
        _exit(CHILD_STATUS_JAIL);
    _exit(CHILD_STATUS_JAIL);
}

static const int allowed[] = {
    SYS_read,      SYS_pread64,     SYS_write,           SYS_writev,       SYS_close,
    SYS_ftruncate, SYS_lseek,       SYS_munmap,          SYS_mremap,       SYS_madvise,
    SYS_brk,       SYS_exit,        SYS_exit_group,      SYS_rt_sigreturn, SYS_rt_sigprocmask,
    SYS_futex,     SYS_sched_yield, SYS_clock_gettime,   SYS_gettimeofday, SYS_getpid,
    SYS_gettid,    SYS_getrandom,   SYS_restart_syscall,
#ifdef SYS_time
    SYS_time,
#endif
};

/* Libraries may ask and live with a no. */
static const int denied[] = {
    SYS_openat, SYS_newfstatat, SYS_faccessat, SYS_readlinkat, SYS_getcwd, SYS_fcntl, SYS_ioctl, SYS_sysinfo,
#ifdef SYS_open
    SYS_open,   SYS_stat,       SYS_access,    SYS_readlink,
#endif
};

/* Allowed unless they ask for executable memory. */
static const int no_exec[] = {SYS_mmap, SYS_mprotect};

#define MAX_STEPS 160

struct program {
    struct sock_filter steps[MAX_STEPS];
    unsigned short n;
};

static void put(struct program *program, uint16_t code, unsigned char yes, unsigned char no, uint32_t value)
{
    program->steps[program->n++] = (struct sock_filter){code, yes, no, value};
}

/* "If the call is this one, this is the answer." */
static void put_rule(struct program *program, int call, uint32_t answer)
{
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)call);
    put(program, BPF_RET | BPF_K, 0, 0, answer);
}

/* "If the call is this one, it depends on the low half of an argument." */
static void put_condition(struct program *program, int call, int argument, uint16_t test, uint32_t value,
                          uint32_t yes, uint32_t no)
{
    uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + 8 * (uint32_t)argument;
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (uint32_t)call);
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, at);
    put(program, (uint16_t)(BPF_JMP | test | BPF_K), 0, 1, value);
    put(program, BPF_RET | BPF_K, 0, 0, yes);
    put(program, BPF_RET | BPF_K, 0, 0, no);
}

static void build(struct program *program)
{
    const uint32_t refuse = SECCOMP_RET_ERRNO | EACCES;
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    put(program, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCH);
    put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
    put(program, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < KD_COUNT(allowed); i++)
        put_rule(program, allowed[i], SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < KD_COUNT(denied); i++)
        put_rule(program, denied[i], refuse);
    for (size_t i = 0; i < KD_COUNT(no_exec); i++)
        put_condition(program, no_exec[i], 2, BPF_JSET, PROT_EXEC, refuse, SECCOMP_RET_ALLOW);
    /* abort() signals itself. */
    put_condition(program, SYS_tgkill, 0, BPF_JEQ, (uint32_t)getpid(), SECCOMP_RET_ALLOW, refuse);
    put(program, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP);
}

static int seccomp_close(struct buf *ret_parts, struct err *err)
{
    static struct program program;
    struct sigaction action = {.sa_sigaction = on_refusal, .sa_flags = SA_SIGINFO};
    build(&program);
    struct sock_fprog filter = {.len = program.n, .filter = program.steps};
    if (sigaction(SIGSYS, &action, NULL))
        return err_errno(err, errno, "the loader's jail cannot be prepared");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
        return buf_printf(ret_parts, "%sseccomp", ret_parts->length ? ", " : "");
    if (errno == EINVAL || errno == ENOSYS)
        return 0;
    return err_errno(err, errno, "the loader's jail (seccomp) cannot be closed");
}

#else

static int seccomp_close(struct buf *ret_parts, struct err *err)
{
    return 0;
}

#endif

int h5_jail_close(int message_fd, struct buf *ret_parts, struct err *err)
{
    refusal_fd = message_fd;
    int code = landlock_close(ret_parts, err);
    return code ? code : seccomp_close(ret_parts, err);
}
