/* main: which command it is. Everything else is in the rooms. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "base/str.h"
#include "daemon/args.h"
#include "daemon/serve.h"
#include "daemon/tools.h"

static const struct {
    const char *name;
    int (*run)(const struct args *args);
} commands[] = {
    {"inspect", tools_inspect},
    {"predict", tools_predict},
    {"layers", tools_layers},
    {"check-config", tools_check_config},
};

static int run(int (*command)(const struct args *args), const struct args *args)
{
    if (args->on[SWITCH_HELP])
        return tools_help();
    if (args->on[SWITCH_VERSION])
        return tools_version();
    return command(args);
}

int main(int argc, char **argv)
{
    int (*command)(const struct args *args) = serve_run;
    struct args args;
    struct err err;
    argc -= argc > 0;
    argv++;
    for (size_t i = 0; argc > 0 && i < KD_COUNT(commands); i++) {
        if (!str_equal(argv[0], commands[i].name))
            continue;
        command = commands[i].run;
        argc--;
        argv++;
        break;
    }
    int status = EXIT_USAGE_ERROR;
    if (args_parse(argc, argv, &args, &err))
        fprintf(stderr, "kerasd: %s\n", err.text);
    else
        status = run(command, &args);
    args_done(&args);
    return status;
}
