/* Update: brings the models to what the sources hold.
 *
 * Look, compare, act: each version that is wanted and new or changed is loaded beside what serves,
 * published on success, reported on failure; what is no longer wanted goes when something wanted serves.
 * Nothing that serves is ever taken away because a load failed, a path could not be read, or a single file
 * vanished:
 *
 *   what happened                        what serves              what the status says
 *   file changed, loads                  the new one              AVAILABLE
 *   file changed, does not load          the old one              AVAILABLE with the error
 *   new version, does not load           the old version          END with the error, the old one AVAILABLE
 *   file that was configured is gone     the old one              AVAILABLE with the error
 *   version or model gone from a         nothing (after it was    UNLOADING, END
 *   directory                            missing for a while)
 *
 * A failed file is not tried again until it changes, except for failures that may pass by themselves
 * (memory, time): a few times, at growing intervals. In an automatic look a file that was written a moment
 * ago is left alone until it has settled; commands do not wait. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/str.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "registry/model.h"
#include "registry/source.h"
#include "registry/watch.h"

#define MAX_ATTEMPTS 5
#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)
#define LOOK_AGAIN_NS (100 * MS)
#define SLOW_LOOK_NS (30 * SECOND) /* where the kernel tells of changes, still look now and then */

/* One pass. */
struct update {
    struct registry *registry;
    bool force, automatic;
    int64_t now_ns, wall_ns;
    int code; /* the first failure */
    struct err *err;
};

static void look_by(struct registry *registry, int64_t when_ns)
{
    if (registry->look_ns == 0 || when_ns < registry->look_ns)
        registry->look_ns = when_ns;
}

static void count_load(const char *model, bool ok)
{
    metrics_add(metrics_series(METRIC_MODEL_LOADS, model, ok ? "ok" : "failed", NULL), 0, 1);
}

static void note_failure(struct update *update, const char *model, int code, const char *text)
{
    if (update->code == 0)
        update->code = err_set(update->err, code, "model '%s': %s", model, text);
}

/* ---- one version ---- */

/* The slot keeps what it serves. Said once: a file that stays broken is not news. */
static void fail(struct update *update, const struct registry_model *model, struct registry_slot *slot,
                 int code, const char *text)
{
    bool news = slot->code != code || !str_equal(slot->error, text);
    registry_slot_report(update->registry, slot, slot->loaded ? REGISTRY_AVAILABLE : REGISTRY_END, code,
                         text);
    note_failure(update, model->name, code, text);
    if (news)
        log_err(slot->loaded ? "model version could not be loaded, the one before serves on"
                             : "model version could not be loaded",
                LOG_STR("model", model->name), LOG_INT("version", slot->number), LOG_STR("error", text));
}

static void plan_retry(struct registry *registry, struct registry_slot *slot, int code)
{
    bool may_pass = code == KD_ENOMEM || code == KD_EIO || code == KD_ETIMEOUT;
    slot->retry_ns = 0;
    if (!may_pass || slot->attempts >= MAX_ATTEMPTS)
        return;
    int64_t wait = SECOND << (2 * slot->attempts++);
    slot->retry_ns = clock_now_ns() + (wait < 60 * SECOND ? wait : 60 * SECOND);
    look_by(registry, slot->retry_ns);
}

static void load(struct update *update, struct registry_model *model, struct registry_slot *slot,
                 const struct registry_source *source, const struct registry_source_version *from)
{
    struct registry *registry = update->registry;
    struct registry_version *version;
    struct err err;
    slot->file = from->file;
    slot->known = true;
    if (!slot->loaded)
        registry_slot_report(registry, slot, REGISTRY_LOADING, 0, NULL);
    log_info("loading model", LOG_STR("model", model->name), LOG_INT("version", slot->number),
             LOG_STR("path", from->path));
    int code = registry_version_build(registry, source->conf, model->name, slot->number, from->path, &version,
                                      &err);
    count_load(model->name, code == 0);
    if (code) {
        plan_retry(registry, slot, code);
        fail(update, model, slot, code, err.text);
        return;
    }
    __atomic_add_fetch(&registry->n_versions, 1, __ATOMIC_RELAXED);
    slot->attempts = 0;
    slot->retry_ns = 0;
    registry_slot_report(registry, slot, slot->state, 0, NULL);
    registry_publish(registry, model, slot, version, REGISTRY_AVAILABLE);
    registry->changed = true;
    log_notice("model available", LOG_STR("model", model->name), LOG_INT("version", slot->number),
               LOG_MS("load_ms", version->load_ns), LOG_INT("bytes", version->bytes));
    registry_bury(registry);
}

/* May still be written: changed a moment ago, and not by a rename. */
static bool is_settling(struct update *update, const struct registry_source_version *from)
{
    struct registry *registry = update->registry;
    int64_t settled_ns = from->file.newest_ns + registry->conf->settle_time * MS;
    if (!update->automatic || settled_ns <= update->wall_ns ||
        from->file.newest_ns > update->wall_ns + SECOND ||
        registry_watch_moved(registry->watch, from->path))
        return false;
    look_by(registry, update->now_ns + (settled_ns - update->wall_ns));
    return true;
}

static void update_version(struct update *update, struct registry_model *model,
                           const struct registry_source *source, const struct registry_source_version *from)
{
    struct registry_slot *slot;
    struct err err;
    int code = registry_slot_add(update->registry, model, from->number, &slot, &err);
    if (code) {
        note_failure(update, model->name, code, err.text);
        return;
    }
    slot->wanted = true;
    slot->missing_since_ns = 0;
    if (from->error) {
        slot->known = false; /* when it comes back, it is loaded whatever it is */
        fail(update, model, slot, KD_ENOTFOUND, from->error);
        return;
    }
    bool changed = !slot->known || !registry_file_same(&slot->file, &from->file);
    bool again = slot->code && (!update->automatic || (slot->retry_ns && slot->retry_ns <= update->now_ns));
    if (changed)
        slot->attempts = 0;
    if (update->force || again || (changed && !is_settling(update, from)))
        load(update, model, slot, source, from);
    else if (slot->retry_ns)
        look_by(update->registry, slot->retry_ns);
}

/* ---- what is no longer wanted ---- */

static void unload_slot(struct registry *registry, struct registry_model *model, struct registry_slot *slot)
{
    log_info("unloading model", LOG_STR("model", model->name), LOG_INT("version", slot->number));
    registry_slot_report(registry, slot, REGISTRY_UNLOADING, 0, NULL);
    registry_publish(registry, model, slot, NULL, REGISTRY_UNLOADING);
    slot->known = false;
    registry->changed = true;
}

void registry_unload(struct registry *registry, struct registry_model *model)
{
    for (size_t i = 0; i < model->n_slots; i++) {
        struct registry_slot *slot = &model->slots[i];
        if (slot->loaded)
            unload_slot(registry, model, slot);
        else if (slot->state != REGISTRY_UNLOADING)
            registry_slot_report(registry, slot, REGISTRY_END, 0, NULL);
        slot->known = false;
        slot->retry_ns = 0;
    }
}

/* A file that is replaced by removing and writing is missing only for a moment. */
static bool is_gone(struct update *update, struct registry_slot *slot)
{
    int64_t settle_ns = update->registry->conf->settle_time * MS;
    if (!update->automatic)
        return true;
    if (slot->missing_since_ns == 0)
        slot->missing_since_ns = update->now_ns;
    if (update->now_ns - slot->missing_since_ns >= settle_ns)
        return true;
    look_by(update->registry, slot->missing_since_ns + settle_ns);
    return false;
}

static void trim_ended(struct registry *registry, struct registry_model *model)
{
    size_t ended = 0;
    for (size_t i = 0; i < model->n_slots;) {
        struct registry_slot *slot = &model->slots[i];
        if (slot->wanted || slot->loaded || slot->state != REGISTRY_END || ++ended <= REGISTRY_KEEP_ENDED)
            i++;
        else
            registry_slot_remove(registry, model, slot);
    }
}

static void unload_unwanted(struct update *update, struct registry_model *model, bool none_wanted)
{
    bool served = none_wanted;
    for (size_t i = 0; i < model->n_slots; i++)
        served = served || (model->slots[i].wanted && model->slots[i].loaded);
    for (size_t i = 0; i < model->n_slots; i++) {
        struct registry_slot *slot = &model->slots[i];
        if (slot->wanted)
            continue;
        if (slot->loaded && served && is_gone(update, slot))
            unload_slot(update->registry, model, slot);
        else if (slot->state == REGISTRY_START)
            registry_slot_report(update->registry, slot, REGISTRY_END, 0, NULL);
    }
    trim_ended(update->registry, model);
}

/* ---- one model ---- */

static void update_model(struct update *update, const struct registry_source *source)
{
    struct registry *registry = update->registry;
    struct registry_model *model;
    struct err err;
    int code = registry_model_add(registry, source->name, &model, &err);
    if (code) {
        note_failure(update, source->name, code, err.text);
        return;
    }
    model->wanted = true;
    registry_model_require(registry, model, !source->found && source->conf->required);
    if (model->unloaded)
        return;
    if (source->error) {
        struct registry_slot *slot = model->n_slots ? &model->slots[0] : NULL;
        if (!slot && registry_slot_add(registry, model, 1, &slot, &err))
            return;
        slot->known = false;
        fail(update, model, slot, KD_ENOTFOUND, source->error);
        return;
    }
    for (size_t i = 0; i < model->n_slots; i++)
        model->slots[i].wanted = false;
    for (const struct registry_source_version *from = source->versions; from; from = from->next)
        update_version(update, model, source, from);
    unload_unwanted(update, model, !source->versions);
    if (!registry_labels_set(registry, model, &source->conf->labels, &err)) {
        note_failure(update, model->name, err.code, err.text);
        log_warn("label not assigned", LOG_STR("error", err.text));
    }
}

/* Of the models that no source names any more. */
static void remove_unwanted(struct update *update)
{
    struct registry *registry = update->registry;
    for (size_t i = map_count(registry->models); i-- > 0;) {
        struct registry_model *model = map_value(registry->models, i);
        bool busy = false;
        if (model->wanted)
            continue;
        registry_model_require(registry, model, false);
        for (size_t k = 0; k < model->n_slots; k++) {
            struct registry_slot *slot = &model->slots[k];
            slot->wanted = false;
            if (slot->loaded && is_gone(update, slot))
                unload_slot(registry, model, slot);
            busy = busy || slot->loaded;
        }
        registry_bury(registry);
        if (!busy)
            registry_model_remove(registry, model);
    }
}

static void set_next_look(struct registry *registry, const struct registry_sources *sources)
{
    bool complete = false;
    int64_t now = clock_now_ns();
    if (!registry->conf->watch)
        return;
    if (registry->watch && registry_watch_update(registry->watch, sources, &complete))
        look_by(registry, now + LOOK_AGAIN_NS);
    bool fast = !registry->watch || !complete || sources->remote;
    look_by(registry, now + (fast ? registry->conf->poll_interval * MS : SLOW_LOOK_NS));
    registry_watch_forget(registry->watch);
}

static void update_all(struct update *update, const struct registry_sources *sources, const char *only)
{
    struct registry *registry = update->registry;
    for (size_t i = 0; i < map_count(registry->models); i++)
        ((struct registry_model *)map_value(registry->models, i))->wanted = false;
    for (const struct registry_source *source = sources->models; source; source = source->next) {
        struct registry_model *model = registry_model_get(registry, source->name);
        if (!only || str_equal(source->name, only))
            update_model(update, source);
        else if (model)
            model->wanted = true;
    }
    if (sources->error) {
        log_err("a directory of models cannot be read, what it held serves on",
                LOG_STR("error", sources->error));
        if (update->code == 0)
            update->code = err_set(update->err, KD_EIO, "%s", sources->error);
    } else if (!only) {
        remove_unwanted(update);
    }
}

int registry_update(struct registry *registry, const char *only, bool force, bool automatic, struct err *err)
{
    struct update update = {
        .registry = registry,
        .force = force,
        .automatic = automatic,
        .now_ns = clock_now_ns(),
        .wall_ns = clock_wall_ns(),
        .err = err,
    };
    struct registry_sources *sources;
    registry->look_ns = 0;
    int code = registry_sources_find(registry->conf, &sources, err);
    if (code)
        return code;
    struct registry_source *named = sources->models;
    while (only && named && !str_equal(named->name, only))
        named = named->next;
    if (only && !named)
        update.code = err_set(err, KD_ENOTFOUND,
                              "no model '%s' is configured, and no model_directory holds one", only);
    else
        update_all(&update, sources, only);
    set_next_look(registry, sources);
    registry_sources_free(sources);
    return update.code;
}
