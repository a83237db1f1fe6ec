/* Loader: the one thread that loads, publishes, unloads and frees.
 *
 * Commands (REST, SIGHUP), changes of directories, retries and dead versions all come here, so two loads
 * never race and a storm of reload requests is at most two loads: the one that runs, and one for all that
 * came meanwhile. The thread runs at a lower priority, with its child: loading must not take the cores from
 * those who serve. */
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "obs/log.h"
#include "registry/model.h"
#include "registry/watch.h"

#define MAX_COMMANDS 1000
#define LOADER_NICE 10
#define EVENT_DELAY_NS INT64_C(100000000) /* changes come in bursts */

static bool is_stopping(const struct registry *registry)
{
    return __atomic_load_n(&registry->stopping, __ATOMIC_RELAXED);
}

/* ---- commands ---- */

int registry_submit(struct registry *registry, struct registry_command *command, struct err *err)
{
    int code = 0;
    lock_take(&registry->command_lock);
    if (is_stopping(registry)) {
        code = err_set(err, KD_EUNAVAILABLE, "the server is stopping");
    } else if (registry->n_commands >= MAX_COMMANDS) {
        code = err_set(err, KD_EUNAVAILABLE, "too many control requests wait");
    } else {
        struct registry_command **end = &registry->commands;
        while (*end)
            end = &(*end)->next;
        command->next = NULL;
        *end = command;
        registry->n_commands++;
    }
    lock_give(&registry->command_lock);
    if (code == 0)
        registry_wake(registry);
    return code;
}

/* Takes the oldest and all that ask for the same. */
static struct registry_command *take_commands(struct registry *registry)
{
    lock_take(&registry->command_lock);
    struct registry_command *first = registry->commands, *equal = NULL, **end = &equal;
    for (struct registry_command **link = &registry->commands; *link;) {
        struct registry_command *command = *link;
        if (command->verb != first->verb || !str_equal(command->model, first->model)) {
            link = &command->next;
            continue;
        }
        *link = command->next;
        *end = command;
        end = &command->next;
        registry->n_commands--;
    }
    *end = NULL;
    lock_give(&registry->command_lock);
    return equal;
}

/* A new configuration takes effect only if it is right as a whole. */
static int reread(struct registry *registry, struct err *err)
{
    struct conf *conf = NULL;
    if (!registry->options.reread)
        return 0;
    int code = registry->options.reread(registry->options.context, &conf, err);
    if (code || !conf)
        return code;
    struct conf *before = registry->conf;
    registry->conf = conf;
    lock_take(&registry->lock);
    registry->metrics_compatibility = conf->metrics_compatibility;
    lock_give(&registry->lock);
    conf_free(before);
    return 0;
}

static int reload_all(struct registry *registry, struct err *err)
{
    int code = reread(registry, err);
    if (code)
        return code;
    code = registry_update(registry, NULL, false, false, err);
    lock_take(&registry->lock);
    registry->loaded = true;
    lock_give(&registry->lock);
    return code;
}

static int unload_model(struct registry *registry, const char *name, struct err *err)
{
    struct registry_model *model = registry_model_get(registry, name);
    if (!model)
        return err_set(err, KD_ENOTFOUND, "no model '%s' is known", name);
    lock_take(&registry->lock);
    model->unloaded = true;
    lock_give(&registry->lock);
    registry_unload(registry, model);
    registry_bury(registry);
    return 0;
}

static int load_model(struct registry *registry, const char *name, struct err *err)
{
    struct registry_model *model = registry_model_get(registry, name);
    if (model) {
        lock_take(&registry->lock);
        model->unloaded = false;
        lock_give(&registry->lock);
    }
    return registry_update(registry, name, true, false, err);
}

static int execute(struct registry *registry, const struct registry_command *command, struct err *err)
{
    registry->changed = false;
    switch (command->verb) {
    case REGISTRY_RELOAD_ALL:
        return reload_all(registry, err);
    case REGISTRY_LOAD:
        return load_model(registry, command->model, err);
    case REGISTRY_UNLOAD:
        return unload_model(registry, command->model, err);
    }
    return err_set(err, KD_EINTERNAL, "unknown command");
}

static void answer(struct registry_command *commands, int code, const struct err *err, bool changed)
{
    while (commands) {
        struct registry_command *command = commands;
        commands = command->next;
        command->code = code;
        command->err = *err;
        command->changed = changed;
        command->done(command); /* gone after this */
    }
}

static bool do_commands(struct registry *registry)
{
    struct registry_command *commands = take_commands(registry);
    struct err err = {0};
    if (!commands)
        return false;
    int code = execute(registry, commands, &err);
    answer(commands, code, &err, registry->changed);
    return true;
}

struct waiting {
    struct registry_command command; /* first */
    struct lock lock;
    struct cond cond;
    bool over;
};

static void wake_waiting(struct registry_command *command)
{
    struct waiting *waiting = (struct waiting *)command;
    lock_take(&waiting->lock);
    waiting->over = true;
    cond_signal(&waiting->cond);
    lock_give(&waiting->lock);
}

int registry_run(struct registry *registry, enum registry_verb verb, const char *model, struct err *err)
{
    struct waiting waiting = {.command = {.verb = verb, .model = model, .done = wake_waiting}};
    lock_init(&waiting.lock, LOCK_RANK_CONNECTION);
    cond_init(&waiting.cond);
    int code = registry_submit(registry, &waiting.command, err);
    if (code == 0) {
        lock_take(&waiting.lock);
        while (!waiting.over)
            cond_wait(&waiting.cond, &waiting.lock);
        lock_give(&waiting.lock);
        code = waiting.command.code;
        if (err)
            *err = waiting.command.err;
    }
    cond_done(&waiting.cond);
    lock_done(&waiting.lock);
    return code;
}

/* ---- the thread ---- */

static int wait_ms(const struct registry *registry)
{
    if (registry->look_ns == 0)
        return -1;
    int64_t left = registry->look_ns - clock_now_ns();
    return left <= 0 ? 0 : left > INT64_C(3600000000000) ? 3600000 : (int)(left / 1000000 + 1);
}

/* Until a wake-up, a change on disk, or the time for the next look. */
static void wait_for_something(struct registry *registry)
{
    struct pollfd fds[2] = {
        {.fd = registry->wake_fd, .events = POLLIN},
        {.fd = registry->watch ? registry_watch_fd(registry->watch) : -1, .events = POLLIN},
    };
    uint64_t count;
    if (poll(fds, 2, wait_ms(registry)) <= 0)
        return;
    if (fds[0].revents & POLLIN) {
        ssize_t got = read(registry->wake_fd, &count, sizeof(count));
        (void)got;
    }
    if ((fds[1].revents & POLLIN) && registry_watch_read(registry->watch)) {
        int64_t soon = clock_now_ns() + EVENT_DELAY_NS;
        if (registry->look_ns == 0 || soon < registry->look_ns)
            registry->look_ns = soon;
    }
}

static void look(struct registry *registry)
{
    struct err err;
    registry_update(registry, NULL, false, true, &err);
}

void *registry_loader_main(void *argument)
{
    struct registry *registry = argument;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOADER_NICE);
    while (!is_stopping(registry)) {
        registry_bury(registry);
        if (do_commands(registry))
            continue;
        if (registry->look_ns && clock_now_ns() >= registry->look_ns)
            look(registry);
        else
            wait_for_something(registry);
    }
    struct err err;
    struct registry_command *left;
    err_set(&err, KD_EUNAVAILABLE, "the server is stopping");
    while ((left = take_commands(registry)))
        answer(left, KD_EUNAVAILABLE, &err, false);
    lock_take(&registry->command_lock);
    registry->ended = true;
    cond_signal(&registry->end);
    lock_give(&registry->command_lock);
    return NULL;
}

bool registry_stop(struct registry *registry, int64_t deadline_ns)
{
    if (!registry->running)
        return true;
    lock_take(&registry->command_lock);
    __atomic_store_n(&registry->stopping, true, __ATOMIC_RELAXED);
    registry_wake(registry);
    while (!registry->ended && cond_wait_until(&registry->end, &registry->command_lock, deadline_ns))
        ;
    bool ended = registry->ended;
    lock_give(&registry->command_lock);
    if (!ended)
        return false;
    pthread_join(registry->thread, NULL);
    registry->running = false;
    return true;
}
