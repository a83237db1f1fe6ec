/* Test of what mhd.c puts in the place of a C library's function, without which stopping may abort: libmicrohttpd must
 * find it there. */
#include <dlfcn.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/size.h"
#include "http/mhd.h"
#include "unit.h"

static void test_found_first(void)
{
    /* Keeps mhd.o in the program. */
    mhd_stop(NULL);
    CU_ASSERT_PTR_EQUAL(dlsym(RTLD_DEFAULT, "epoll_ctl"), (void *)epoll_ctl);
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    CU_ASSERT_PTR_NOT_NULL_FATAL(libc);
    CU_ASSERT_PTR_NOT_EQUAL(dlsym(libc, "epoll_ctl"), (void *)epoll_ctl);
    dlclose(libc);
}

static void test_removed_twice(void)
{
    int set = epoll_create1(EPOLL_CLOEXEC), fd = eventfd(1, EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    CU_ASSERT_EQUAL(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    CU_ASSERT_EQUAL(epoll_wait(set, &event, 1, 0), 1);
    CU_ASSERT_EQUAL(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
    CU_ASSERT_EQUAL(epoll_wait(set, &event, 1, 0), 0);
    CU_ASSERT_EQUAL(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
    close(fd);
    CU_ASSERT_EQUAL(epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), -1);
    CU_ASSERT_EQUAL(errno, EBADF);
    close(set);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"found before the C library's", test_found_first},
        {"removed twice", test_removed_twice},
    };
    return unit_main("mhd", tests, KD_COUNT(tests));
}
