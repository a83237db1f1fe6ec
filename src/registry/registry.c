/* Registry: names, versions, references.
 *
 * A model is a name with slots, one per version number; a slot may hold a loaded version. Requests come in
 * by registry_acquire, which finds the slot and counts a reference under one short mutex. Not RCU, not
 * lock-free: what follows takes microseconds to seconds, and a mutex held for a lookup is nothing to it.
 *
 * Publishing is one pointer swap under the same mutex. The version before keeps its readers' references;
 * whoever gives the last one back pushes it on the stack of the dead and wakes the loader's thread, which
 * frees it: a request never pays for freeing a model.
 *
 * Only the loader's thread calls what changes models and slots, so it may read them without the lock. */
#include "registry/registry.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "base/thread.h"
#include "obs/log.h"
#include "registry/model.h"
#include "registry/watch.h"

const char *registry_state_name(enum registry_state state)
{
    static const char *const names[] = {"UNKNOWN", "START", "LOADING", "AVAILABLE", "UNLOADING", "END"};
    return names[state];
}

/* ---- references ---- */

static struct registry_slot *find_number(const struct registry_model *model, int64_t number)
{
    for (size_t i = 0; i < model->n_slots; i++)
        if (model->slots[i].number == number)
            return &model->slots[i];
    return NULL;
}

static int miss(enum registry_miss why, enum registry_miss *ret, int code)
{
    *ret = why;
    return code;
}

static int miss_slot(const struct registry_model *model, const struct registry_slot *slot,
                     enum registry_miss *ret_miss, struct err *err)
{
    if (slot->state == REGISTRY_END)
        return miss(REGISTRY_MISS_FAILED, ret_miss,
                    err_set(err, KD_EUNAVAILABLE, "version %" PRId64
                            " of model '%s' is not available: %s", slot->number, model->name,
                            slot->error ? slot->error : "unloaded"));
    return miss(REGISTRY_MISS_NOT_READY, ret_miss,
                err_set(err, KD_EUNAVAILABLE, "version %" PRId64 " of model '%s' is not available: %s",
                        slot->number, model->name, slot->state == REGISTRY_UNLOADING ? "unloading" : "loading"));
}

static int find_version(const struct registry_model *model, int64_t number, const char *label,
                        struct registry_version **ret, enum registry_miss *ret_miss, struct err *err)
{
    if (label) {
        size_t i = 0;
        while (i < model->n_labels && !str_equal(model->labels[i].name, label))
            i++;
        if (i == model->n_labels)
            return miss(REGISTRY_MISS_LABEL, ret_miss,
                        err_set(err, KD_EINVAL, "Unrecognized servable version label: %s", label));
        number = model->labels[i].version;
    } else if (number == REGISTRY_LATEST) {
        if (model->current) {
            *ret = model->current;
            return 0;
        }
        if (model->n_slots)
            return miss_slot(model, &model->slots[0], ret_miss, err);
        return miss(REGISTRY_MISS_FAILED, ret_miss,
                    err_set(err, KD_EUNAVAILABLE, "model '%s' has no version", model->name));
    }
    const struct registry_slot *slot = find_number(model, number);
    bool dropped = slot && slot->state == REGISTRY_END && !slot->error && !model->unloaded; /* by policy, or removed */
    if (!slot || dropped)
        return miss(REGISTRY_MISS_VERSION, ret_miss,
                    err_set(err, KD_ENOTFOUND, "Servable not found for request: Specific(%s, %" PRId64 ")",
                            model->name, number));
    if (!slot->loaded)
        return miss_slot(model, slot, ret_miss, err);
    *ret = slot->loaded;
    return 0;
}

int registry_acquire(struct registry *registry, const char *model_name, int64_t number, const char *label,
                     struct registry_version **ret, enum registry_miss *ret_miss, struct err *err)
{
    struct registry_version *version = NULL;
    int code;
    lock_take(&registry->lock);
    const struct registry_model *model = map_get(registry->models, model_name);
    if (!model)
        code = miss(REGISTRY_MISS_MODEL, ret_miss,
                    err_set(err, KD_ENOTFOUND, "Servable not found for request: Latest(%s)", model_name));
    else
        code = find_version(model, number, label, &version, ret_miss, err);
    if (code == 0) {
        __atomic_add_fetch(&version->refs, 1, __ATOMIC_RELAXED);
        *ret = version;
    }
    lock_give(&registry->lock);
    return code;
}

void registry_wake(struct registry *registry)
{
    uint64_t one = 1;
    ssize_t written = write(registry->wake_fd, &one, sizeof(one));
    (void)written; /* full: it is awake */
}

void registry_release(struct registry_version *version)
{
    if (!version || __atomic_sub_fetch(&version->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    struct registry *registry = version->registry;
    version->next_dead = __atomic_load_n(&registry->dead, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&registry->dead, &version->next_dead, version, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    registry_wake(registry);
}

/* The version is gone: its slot, if nothing else came into it, has ended. */
static void end_slot(struct registry *registry, const struct registry_version *version)
{
    lock_take(&registry->lock);
    struct registry_model *model = map_get(registry->models, version->model);
    struct registry_slot *slot = model ? find_number(model, version->number) : NULL;
    if (slot && slot->state == REGISTRY_UNLOADING && !slot->loaded)
        slot->state = REGISTRY_END;
    lock_give(&registry->lock);
}

void registry_bury(struct registry *registry)
{
    struct registry_version *dead = __atomic_exchange_n(&registry->dead, NULL, __ATOMIC_ACQUIRE);
    if (!dead)
        return;
    while (dead) {
        struct registry_version *version = dead;
        dead = version->next_dead;
        end_slot(registry, version);
        log_info("model version freed", LOG_STR("model", version->model), LOG_INT("version", version->number),
                 LOG_INT("bytes", version->bytes));
        registry_version_free(version);
        __atomic_sub_fetch(&registry->n_versions, 1, __ATOMIC_RELAXED);
    }
    malloc_trim(0); /* freed means returned to the system */
}

/* ---- changes, on the loader's thread ---- */

struct registry_model *registry_model_get(struct registry *registry, const char *name)
{
    return map_get(registry->models, name);
}

int registry_model_add(struct registry *registry, const char *name, struct registry_model **ret,
                       struct err *err)
{
    struct registry_model *model = map_get(registry->models, name);
    if (!model) {
        model = calloc(1, sizeof(*model));
        if (!model || !(model->name = strdup(name))) {
            free(model);
            return err_set(err, KD_ENOMEM, "out of memory");
        }
        lock_take(&registry->lock);
        int code = map_set(registry->models, name, model);
        lock_give(&registry->lock);
        if (code) {
            free(model->name);
            free(model);
            return err_set(err, KD_ENOMEM, "out of memory");
        }
    }
    *ret = model;
    return 0;
}

static void model_free(struct registry_model *model)
{
    for (size_t i = 0; i < model->n_slots; i++)
        free(model->slots[i].error);
    for (size_t i = 0; i < model->n_labels; i++)
        free(model->labels[i].name);
    free(model->slots);
    free(model->name);
    free(model);
}

void registry_model_require(struct registry *registry, struct registry_model *model, bool required)
{
    lock_take(&registry->lock);
    model->required = required;
    lock_give(&registry->lock);
}

void registry_model_remove(struct registry *registry, struct registry_model *model)
{
    lock_take(&registry->lock);
    map_remove(registry->models, model->name);
    lock_give(&registry->lock);
    model_free(model);
}

struct registry_slot *registry_slot_find(const struct registry_model *model, int64_t number)
{
    return find_number(model, number);
}

int registry_slot_add(struct registry *registry, struct registry_model *model, int64_t number,
                      struct registry_slot **ret, struct err *err)
{
    struct registry_slot *slot = find_number(model, number);
    if (slot) {
        *ret = slot;
        return 0;
    }
    if (model->n_slots >= REGISTRY_MAX_SLOTS)
        return err_set(err, KD_ETOOBIG, "more than %d versions", REGISTRY_MAX_SLOTS);
    struct registry_slot *slots = calloc(model->n_slots + 1, sizeof(*slots));
    if (!slots)
        return err_set(err, KD_ENOMEM, "out of memory");
    size_t at = 0;
    while (at < model->n_slots && model->slots[at].number > number)
        at++;
    if (model->n_slots) {
        memcpy(slots, model->slots, at * sizeof(*slots));
        memcpy(slots + at + 1, model->slots + at, (model->n_slots - at) * sizeof(*slots));
    }
    slots[at] = (struct registry_slot){.number = number, .state = REGISTRY_START};
    lock_take(&registry->lock);
    free(model->slots);
    model->slots = slots;
    model->n_slots++;
    lock_give(&registry->lock);
    *ret = &slots[at];
    return 0;
}

void registry_slot_remove(struct registry *registry, struct registry_model *model, struct registry_slot *slot)
{
    KD_ASSERT(!slot->loaded);
    lock_take(&registry->lock);
    free(slot->error);
    size_t at = (size_t)(slot - model->slots);
    memmove(slot, slot + 1, (model->n_slots - at - 1) * sizeof(*slot));
    model->n_slots--;
    lock_give(&registry->lock);
}

void registry_publish(struct registry *registry, struct registry_model *model, struct registry_slot *slot,
                      struct registry_version *version, enum registry_state state)
{
    lock_take(&registry->lock);
    struct registry_version *before = slot->loaded;
    slot->loaded = version;
    slot->state = state;
    model->current = NULL;
    for (size_t i = 0; i < model->n_slots && !model->current; i++)
        model->current = model->slots[i].loaded;
    lock_give(&registry->lock);
    registry_release(before);
}

void registry_slot_report(struct registry *registry, struct registry_slot *slot, enum registry_state state,
                          int code, const char *error)
{
    char *text = error ? strdup(error) : NULL;
    lock_take(&registry->lock);
    char *before = slot->error;
    slot->state = state;
    slot->code = code;
    slot->error = text;
    lock_give(&registry->lock);
    free(before);
}

static void drop_label(struct registry_model *model, size_t i)
{
    free(model->labels[i].name);
    model->labels[i] = model->labels[--model->n_labels];
}

static bool wants_label(const struct conf_labels *labels, const char *name)
{
    for (size_t i = 0; i < labels->n; i++)
        if (str_equal(labels->item[i].name, name))
            return true;
    return false;
}

static void move_label(struct registry_model *model, const char *name, int64_t number)
{
    size_t i = 0;
    while (i < model->n_labels && !str_equal(model->labels[i].name, name))
        i++;
    if (i == model->n_labels) {
        if (i == CONF_MAX_VERSIONS || !(model->labels[i].name = strdup(name)))
            return;
        model->n_labels++;
    }
    model->labels[i].version = number;
}

bool registry_labels_set(struct registry *registry, struct registry_model *model,
                         const struct conf_labels *labels, struct err *err)
{
    bool ok = true;
    lock_take(&registry->lock);
    for (size_t i = model->n_labels; i-- > 0;)
        if (!wants_label(labels, model->labels[i].name))
            drop_label(model, i);
    for (size_t i = 0; i < labels->n; i++) {
        const struct registry_slot *slot = find_number(model, labels->item[i].version);
        if (slot && slot->loaded) {
            move_label(model, labels->item[i].name, slot->number);
            continue;
        }
        ok = false;
        err_set(err, KD_EINVAL, "Request to assign label '%s' to version %" PRId64
                " of model %s, which is not currently available",
                labels->item[i].name, labels->item[i].version, model->name);
    }
    lock_give(&registry->lock);
    return ok;
}

/* ---- status ---- */

struct snapshot {
    struct registry_snapshot public;
    struct arena *arena;
};

static int compare_status(const void *a, const void *b)
{
    const struct registry_status *x = a, *y = b;
    int order = strcmp(x->model, y->model);
    if (order)
        return order;
    return x->version > y->version ? -1 : x->version < y->version;
}

static const char *labels_of(struct arena *arena, const struct registry_model *model, int64_t number)
{
    const char *text = "";
    for (size_t i = 0; i < model->n_labels && text; i++)
        if (model->labels[i].version == number)
            text = arena_printf(arena, "%s%s%s", text, *text ? "," : "", model->labels[i].name);
    return text;
}

/* False when out of memory. */
static bool describe_slot(struct arena *arena, const struct registry_model *model,
                          const struct registry_slot *slot, struct registry_status *ret)
{
    *ret = (struct registry_status){
        .model = arena_strdup(arena, model->name),
        .version = slot->number,
        .state = slot->state,
        .code = slot->code,
        .error = arena_strdup(arena, slot->error ? slot->error : ""),
        .labels = labels_of(arena, model, slot->number),
        .current = slot->loaded && slot->loaded == model->current,
    };
    if (!ret->model || !ret->error || !ret->labels)
        return false;
    if (slot->loaded) {
        ret->loaded = slot->loaded;
        __atomic_add_fetch(&ret->loaded->refs, 1, __ATOMIC_RELAXED);
        registry_stats_read(ret->loaded, &ret->stats);
    }
    return true;
}

static bool describe_model(struct arena *arena, const struct registry_model *model,
                           struct registry_snapshot *snapshot)
{
    static const struct registry_slot none = {.state = REGISTRY_UNKNOWN};
    if (model->n_slots == 0)
        return describe_slot(arena, model, &none, &snapshot->items[snapshot->n++]);
    for (size_t i = 0; i < model->n_slots; i++)
        if (!describe_slot(arena, model, &model->slots[i], &snapshot->items[snapshot->n++]))
            return false;
    return true;
}

/* The registry's lock is held. */
static int describe(const struct registry *registry, const char *name, struct snapshot *snapshot,
                    struct err *err)
{
    size_t n = 0;
    bool found = !name;
    for (size_t i = 0; i < map_count(registry->models); i++) {
        const struct registry_model *model = map_value(registry->models, i);
        n += model->n_slots ? model->n_slots : 1;
        found = found || str_equal(model->name, name);
    }
    if (!found)
        return err_set(err, KD_ENOTFOUND, "Could not find any versions of model %s", name);
    struct registry_snapshot *public = &snapshot->public;
    public->items = arena_calloc(snapshot->arena, n + 1, sizeof(*public->items));
    bool ok = public->items != NULL;
    for (size_t i = 0; i < map_count(registry->models) && ok; i++) {
        const struct registry_model *model = map_value(registry->models, i);
        if (!name || str_equal(model->name, name))
            ok = describe_model(snapshot->arena, model, public);
    }
    return ok ? 0 : err_set(err, KD_ENOMEM, "out of memory");
}

int registry_snapshot(struct registry *registry, const char *name, struct registry_snapshot **ret,
                      struct err *err)
{
    struct arena *arena = arena_new();
    struct snapshot *snapshot = arena ? arena_alloc(arena, sizeof(*snapshot)) : NULL;
    if (!snapshot) {
        arena_free(arena);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    snapshot->arena = arena;
    lock_take(&registry->lock);
    int code = describe(registry, name, snapshot, err);
    lock_give(&registry->lock);
    if (code) {
        registry_snapshot_free(&snapshot->public);
        return code;
    }
    qsort(snapshot->public.items, snapshot->public.n, sizeof(*snapshot->public.items), compare_status);
    *ret = &snapshot->public;
    return 0;
}

void registry_snapshot_free(struct registry_snapshot *public)
{
    if (!public)
        return;
    for (size_t i = 0; i < public->n; i++)
        registry_release(public->items[i].loaded);
    arena_free(((struct snapshot *)public)->arena);
}

static bool is_missing(const struct registry_model *model)
{
    return model->required && !model->current && !model->unloaded;
}

bool registry_ready(struct registry *registry, struct err *why)
{
    bool ready = false;
    lock_take(&registry->lock);
    if (registry->draining) {
        err_set(why, KD_EUNAVAILABLE, "the server is stopping");
    } else if (!registry->loaded) {
        err_set(why, KD_EUNAVAILABLE, "models are being loaded");
    } else {
        ready = true;
        for (size_t i = 0; i < map_count(registry->models) && ready; i++) {
            const struct registry_model *model = map_value(registry->models, i);
            ready = !is_missing(model);
            if (!ready)
                err_set(why, KD_EUNAVAILABLE, "model '%s' is not available", model->name);
        }
    }
    lock_give(&registry->lock);
    return ready;
}

bool registry_metrics_compatibility(struct registry *registry)
{
    lock_take(&registry->lock);
    bool on = registry->metrics_compatibility;
    lock_give(&registry->lock);
    return on;
}

/* ---- life ---- */

void registry_drain(struct registry *registry)
{
    lock_take(&registry->lock);
    registry->draining = true;
    lock_give(&registry->lock);
}

int registry_new(const struct registry_options *options, struct registry **ret, struct err *err)
{
    struct registry *registry = calloc(1, sizeof(*registry));
    if (!registry) {
        conf_free(options->conf);
        return err_set(err, KD_ENOMEM, "out of memory");
    }
    registry->options = *options;
    registry->conf = options->conf;
    registry->pool = options->pool;
    registry->metrics_compatibility = options->conf->metrics_compatibility;
    registry->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lock_init(&registry->lock, LOCK_RANK_REGISTRY);
    lock_init(&registry->command_lock, LOCK_RANK_LOADER);
    cond_init(&registry->end);
    registry->models = map_new();
    int code = 0;
    if (!registry->models || registry->wake_fd < 0)
        code = err_set(err, KD_ENOMEM, "out of memory or descriptors");
    if (code == 0 && registry->conf->watch)
        registry->watch = registry_watch_new();
    if (code == 0)
        code = thread_start(&registry->thread, "loader", registry_loader_main, registry, err);
    registry->running = code == 0;
    if (code) {
        registry_free(registry);
        return code;
    }
    *ret = registry;
    return 0;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    KD_ASSERT(!registry->running);
    while (registry->models && map_count(registry->models)) {
        struct registry_model *model = map_value(registry->models, 0);
        registry_unload(registry, model);
        registry_bury(registry);
        registry_model_remove(registry, model);
    }
    KD_ASSERT(__atomic_load_n(&registry->n_versions, __ATOMIC_RELAXED) == 0);
    registry_watch_free(registry->watch);
    map_free(registry->models);
    conf_free(registry->conf);
    if (registry->wake_fd >= 0)
        close(registry->wake_fd);
    lock_done(&registry->lock);
    lock_done(&registry->command_lock);
    cond_done(&registry->end);
    free(registry);
}
