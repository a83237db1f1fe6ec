/* Spawn: the loader child as a process: its descriptors, its time limit, its last words. */
#ifndef KD_LOAD_SPAWN_H
#define KD_LOAD_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

struct spawn {
    char *const *arguments; /* [0] is the program's path; NULL-terminated */
    int file_fd;            /* becomes standard input; -1: nothing */
    int image_fd;           /* becomes descriptor 3; -1: nothing */
    bool take_output;       /* what it prints is taken instead of what it writes to descriptor 4 */
    int64_t timeout_ms;
};

struct spawn_end {
    int status; /* as waitpid gives it */
    bool timed_out;
};

/* Runs the child to its end. Its text goes to `text` up to that buffer's ceiling, the rest is dropped. A
 * child that passes the time limit is killed. Errors: KD_ENOTFOUND, KD_EDENIED, KD_ENOMEM, KD_EIO for what
 * kept it from starting. */
int spawn_run(const struct spawn *spawn, struct buf *text, struct spawn_end *ret, struct err *err);
/* The path of kerasd-load into path: beside our own executable, else where it is installed. */
void spawn_find_helper(char *path, size_t size);

#endif
