/* Watch: inotify on the directories where models lie.
 *
 * Events only say "look again"; what is there is found by looking (source.c), so a lost or merged event
 * costs nothing but time. The one thing that only an event can tell is that a file came by rename: then it
 * is complete and need not be waited for. Those paths are remembered, in a bounded list, until the next
 * look has used them. */
#include "registry/watch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/str.h"
#include "registry/source.h"

#define MAX_WATCHES 8192
#define MAX_MOVED 256
#define EVENTS                                                                                               \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF |     \
     IN_MOVE_SELF | IN_ONLYDIR)

struct watched {
    int id;
    char *path;
    bool wanted;
};

struct registry_watch {
    int fd;
    size_t n;
    struct watched items[MAX_WATCHES];
    size_t n_moved;
    char *moved[MAX_MOVED];
};

struct registry_watch *registry_watch_new(void)
{
    struct registry_watch *watch = calloc(1, sizeof(*watch));
    if (!watch)
        return NULL;
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd < 0) {
        free(watch);
        return NULL;
    }
    return watch;
}

void registry_watch_forget(struct registry_watch *watch)
{
    if (!watch)
        return;
    while (watch->n_moved)
        free(watch->moved[--watch->n_moved]);
}

void registry_watch_free(struct registry_watch *watch)
{
    if (!watch)
        return;
    registry_watch_forget(watch);
    for (size_t i = 0; i < watch->n; i++)
        free(watch->items[i].path);
    close(watch->fd);
    free(watch);
}

int registry_watch_fd(const struct registry_watch *watch)
{
    return watch->fd;
}

static struct watched *find_id(struct registry_watch *watch, int id)
{
    for (size_t i = 0; i < watch->n; i++)
        if (watch->items[i].id == id)
            return &watch->items[i];
    return NULL;
}

static void forget_item(struct registry_watch *watch, struct watched *item)
{
    free(item->path);
    *item = watch->items[--watch->n];
}

/* True if the directory was not watched before. A directory has one id whatever path leads to it. */
static bool want(struct registry_watch *watch, const char *path, bool *complete)
{
    int id = inotify_add_watch(watch->fd, path, EVENTS);
    struct watched *item = id < 0 ? NULL : find_id(watch, id);
    if (item && str_equal(item->path, path)) {
        item->wanted = true;
        return false;
    }
    char *copy = id < 0 || (!item && watch->n == MAX_WATCHES) ? NULL : strdup(path);
    if (!copy) {
        *complete = false;
        return false;
    }
    if (item)
        free(item->path);
    else
        item = &watch->items[watch->n++];
    *item = (struct watched){.id = id, .path = copy, .wanted = true};
    return true;
}

bool registry_watch_update(struct registry_watch *watch, const struct registry_sources *sources,
                           bool *ret_complete)
{
    bool fresh = false;
    *ret_complete = true;
    for (size_t i = 0; i < watch->n; i++)
        watch->items[i].wanted = false;
    for (const struct registry_directory *d = sources->directories; d; d = d->next)
        fresh = want(watch, d->path, ret_complete) || fresh;
    for (size_t i = watch->n; i-- > 0;) {
        if (watch->items[i].wanted)
            continue;
        inotify_rm_watch(watch->fd, watch->items[i].id);
        forget_item(watch, &watch->items[i]);
    }
    return fresh;
}

static void remember_move(struct registry_watch *watch, const struct inotify_event *event)
{
    char path[PATH_MAX + NAME_MAX + 2];
    const struct watched *item = find_id(watch, event->wd);
    if (!item || watch->n_moved == MAX_MOVED)
        return;
    snprintf(path, sizeof(path), "%s/%s", item->path, event->name);
    char *copy = strdup(path);
    if (copy)
        watch->moved[watch->n_moved++] = copy;
}

static void read_event(struct registry_watch *watch, const struct inotify_event *event)
{
    struct watched *item = find_id(watch, event->wd);
    if ((event->mask & IN_MOVED_TO) && event->len)
        remember_move(watch, event);
    if ((event->mask & IN_IGNORED) && item)
        forget_item(watch, item);
}

bool registry_watch_read(struct registry_watch *watch)
{
    char data[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    bool changed = false;
    for (;;) {
        ssize_t length = read(watch->fd, data, sizeof(data));
        if (length <= 0)
            return changed;
        changed = true;
        for (const char *at = data; at < data + length;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
            read_event(watch, event);
            at += sizeof(*event) + event->len;
        }
    }
}

bool registry_watch_moved(const struct registry_watch *watch, const char *path)
{
    for (size_t i = 0; watch && i < watch->n_moved; i++) {
        size_t length = strlen(watch->moved[i]);
        if (strncmp(path, watch->moved[i], length) == 0 && (path[length] == '\0' || path[length] == '/'))
            return true;
    }
    return false;
}
