/* Command line: what was asked for, and the configuration that results from file and options. */
#ifndef KD_DAEMON_ARGS_H
#define KD_DAEMON_ARGS_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct err;

/* Exit codes, as sysexits.h has them where it has one. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE_ERROR = 64, EXIT_CONFIG_ERROR = 78 };

/* Options that are not configuration keys. */
enum { SWITCH_HELP, SWITCH_VERSION, SWITCH_JSON, SWITCH_PLAN, SWITCH_PROFILE, SWITCH_SAMPLE, SWITCH_MARKDOWN, N_SWITCHES };

/* Points into argv. */
struct args {
    int argc;
    char **argv;       /* after the program's name and the command */
    const char *file;  /* --config FILE, or NULL */
    bool on[N_SWITCHES];
    size_t n_operands; /* MODEL.h5, NAME=MODEL.h5 or DIRECTORY */
    const char **operands;
};

/* Sorts argv; does not look at values yet. Free with args_done. KD_EINVAL, KD_ENOMEM. */
int args_parse(int argc, char **argv, struct args *ret, struct err *err);
void args_done(struct args *args);
/* The file, then the options over it; conf_finish is left to the caller. */
int args_conf(const struct args *args, struct conf **ret, struct err *err);
/* The same with the operands as models, then MODEL_NAME and MODEL_BASE_PATH if there is nothing else;
 * finished. */
int args_serve_conf(const struct args *args, struct conf **ret, struct err *err);

#endif
