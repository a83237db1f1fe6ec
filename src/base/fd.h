/* File descriptors: everything close-on-exec, reads and writes that finish or fail. */
#ifndef KD_BASE_FD_H
#define KD_BASE_FD_H

#include <stddef.h>
#include <sys/types.h>

struct err;
struct buf;

/* Reads until length bytes or end of file; returns the bytes read, or -1 with errno. */
ssize_t fd_read_full(int fd, void *data, size_t length);
/* Writes everything, or returns -1 with errno. */
int fd_write_full(int fd, const void *data, size_t length);
/* Closes if >= 0, sets to -1; keeps errno. */
void fd_close(int *fd);
/* The whole file, at most max bytes, into buf (initialised by the caller with its own ceiling). */
int fd_read_file(const char *path, struct buf *buf, struct err *err);

#endif
