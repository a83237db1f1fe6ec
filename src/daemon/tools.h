/* Commands that do their work and end: look at a model, run it once, check a configuration. */
#ifndef KD_DAEMON_TOOLS_H
#define KD_DAEMON_TOOLS_H

struct args;

/* Each returns the exit code. */
int tools_inspect(const struct args *args);
int tools_predict(const struct args *args);
int tools_layers(const struct args *args);
int tools_check_config(const struct args *args);
int tools_help(void);
int tools_version(void);

#endif
