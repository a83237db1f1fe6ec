/* The jail of the loader child: limits of the process, then no file, no network, no other process. */
#ifndef KD_H5_JAIL_H
#define KD_H5_JAIL_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

struct h5_limits {
    uint64_t image_bytes;  /* largest file that can be written */
    uint64_t memory_bytes; /* address space */
    uint64_t cpu_seconds;
};

/* NULL if this build and this run can be jailed, else why not ("built with sanitizers", ...). */
const char *h5_jail_obstacle(void);
/* Applies resource limits, drops privileges, closes every descriptor from first_fd on. Also without a
 * jail, but not for tools that need what it takes (sanitizers, valgrind). */
int h5_jail_limit(const struct h5_limits *limits, int first_fd, struct err *err);
/* Closes the jail for good. What the kernel does not have is left out; ret_parts gets what holds: "seccomp",
 * "landlock 7". message_fd: where a refused system call is reported before the process ends. */
int h5_jail_close(int message_fd, struct buf *ret_parts, struct err *err);
/* Called in the signal handler instead of ending the process with CHILD_STATUS_JAIL (NULL: end it). */
void h5_jail_on_refusal(void (*hook)(void));

/* Tries to break out of the closed jail and says how each try ended; returns the number of tries that
 * succeeded. */
int h5_jail_check(struct buf *ret);

#endif
