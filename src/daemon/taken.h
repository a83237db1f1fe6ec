/* What the commands share: a model taken the way the daemon takes it, and printing. */
#ifndef KD_DAEMON_TAKEN_H
#define KD_DAEMON_TAKEN_H

#include <stdio.h>

#include "base/buf.h"
#include "keras/keras.h"

struct args;
struct conf;
struct err;
struct image;

#define MAX_OUTPUT ((size_t)4 << 30)

struct taken {
    struct conf *conf;
    struct buf sidecar;
    struct keras_options options;
    struct image *image;       /* NULL if the file could not be read */
    struct keras_model *keras; /* NULL if it cannot be served */
};

/* Options that are configuration keys count (--sidecar, --no-jail ...). taken_done in every case. */
int taken_open(const struct args *args, const char *path, struct taken *ret, struct err *err);
void taken_done(struct taken *taken);

/* "kerasd: what: sentence" on standard error; both return the exit code. what may be NULL. */
int tools_complain(const char *what, const struct err *err);
int tools_usage(const char *sentence);
/* Prints and frees; returns the exit code. */
int tools_put(struct buf *text, FILE *to);

#endif
