/* jail_check: a jail that was never tried is a hope. kerasd-load --check-jail closes it and then tries the
 * ways out that a hostile file would try. A try counts as refused if it fails or if the call is trapped. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/size.h"
#include "h5/jail.h"

/* Each returns whether it got out. */

static int try_open(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static int try_create(void)
{
    return open("/tmp/kerasd-load-escaped", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0;
}

static int try_exec(void)
{
    char *const arguments[] = {NULL};
    execve("/bin/false", arguments, arguments);
    return 0;
}

static int try_signal(void)
{
    return kill(getppid(), 0) == 0;
}

static int try_trace(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static int try_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED;
}

static sigjmp_buf refused;

static void go_on(void)
{
    siglongjmp(refused, 1);
}

static int attempt(int (*run)(void))
{
    return sigsetjmp(refused, 1) ? 0 : run();
}

int h5_jail_check(struct buf *ret)
{
    static const struct {
        const char *what;
        int (*run)(void);
    } tries[] = {
        {"open a file", try_open},       {"create a file", try_create},
        {"open a socket", try_socket},   {"start a process", try_fork},
        {"run a program", try_exec},     {"signal the parent", try_signal},
        {"trace the parent", try_trace}, {"map executable memory", try_code},
    };
    int n_escaped = 0;
    h5_jail_on_refusal(go_on);
    for (size_t i = 0; i < KD_COUNT(tries); i++) {
        int escaped = attempt(tries[i].run);
        buf_printf(ret, "%s: %s\n", escaped ? "POSSIBLE" : "refused", tries[i].what);
        n_escaped += escaped;
    }
    return n_escaped;
}
