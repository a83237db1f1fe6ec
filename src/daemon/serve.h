/* Serving: start, run until told to stop, stop. */
#ifndef KD_DAEMON_SERVE_H
#define KD_DAEMON_SERVE_H

struct args;

/* Returns the exit code. */
int serve_run(const struct args *args);

#endif
