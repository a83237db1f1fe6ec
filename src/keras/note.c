/* Notes: what a model's owner should know beside its numbers: warnings, and the rule taken where the
 * generations of Keras differ. Bounded; each text once, as many layers give the same one. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "keras/build.h"

#define NOTE_TEXT_MAX 512

void keras_note_add(struct keras_build *build, struct keras_notes *notes, const char *text)
{
    for (size_t i = 0; i < notes->n; i++)
        if (strcmp(notes->text[i], text) == 0)
            return;
    char *copy = notes->n < KERAS_MAX_NOTES ? arena_strdup(build->arena, text) : NULL;
    if (copy)
        notes->text[notes->n++] = copy;
}

void keras_rule(struct keras_build *build, const char *format, ...)
{
    char text[NOTE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    keras_note_add(build, &build->rules, text);
}

void keras_warn(struct keras_build *build, const struct keras_layer *layer, const char *format, ...)
{
    char text[NOTE_TEXT_MAX];
    int used = 0;
    va_list args;
    if (layer)
        used = snprintf(text, sizeof(text), "layer '%.200s' (%.60s): ", layer->path, layer->class_name);
    va_start(args, format);
    vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
    va_end(args);
    keras_note_add(build, &build->warnings, text);
}

bool keras_obstacle_add(struct keras_build *build, const struct err *err)
{
    if (!build->obstacles)
        return false;
    buf_printf(build->obstacles, "%s\n", err->text);
    build->n_obstacles++;
    build->named = false;
    return true;
}

bool keras_list_add(struct keras_build *build, struct keras_list *list, void *item)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 8;
        void **items = arena_calloc(build->arena, capacity, sizeof(*items));
        if (!items)
            return false;
        if (list->n)
            memcpy(items, list->items, list->n * sizeof(*items));
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->n++] = item;
    return true;
}

bool keras_legacy_bilinear(const struct keras_build *build)
{
    return build->options->legacy_bilinear;
}
