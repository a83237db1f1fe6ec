/* image writer: first the description, then the layout, then the data.
 *
 * The JSON header holds the offsets of the tensors, and the offsets depend on the header's length. The knot
 * is cut by printing offsets in a fixed width (JSON allows spaces before a number): the header has the same
 * length whatever the offsets are, so it is printed once to measure it and once for good.
 *
 * The tensors lie in the order in which the header lists them, which is the order of the sections; within a
 * section, the order in which they were added. The magic is written last: an image that was not finished is
 * not an image. */
#include "image/image_write.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"

struct entry {
    struct entry *next;
    const char *name;
    enum dtype dtype;
    struct shape shape;
    bool with_data;
    size_t bytes;
    size_t offset; /* from the start of the data */
};

struct list {
    struct entry *first;
    struct entry **last;
};

struct layer {
    struct layer *next;
    const char *name, *saved_name;
    struct list weights;
};

struct name {
    struct name *next;
    const char *text;
};

struct image_writer {
    struct arena *arena;
    size_t max_bytes;
    enum image_kind kind;
    bool layout_v3;
    struct {
        const char *data;
        size_t length;
    } texts[IMAGE_TEXT_COUNT];
    struct layer *layers, **last_layer, *layer; /* layer: the one that gets weights */
    struct list sections[IMAGE_SECTION_COUNT];  /* IMAGE_SECTION_LAYERS stays empty: see layers */
    struct name *attributes, **last_attribute;
    size_t n_layers, n_tensors, n_attributes;
    struct entry **index; /* by number, n_tensors of them */
    size_t index_room;
    size_t data_start, total_bytes;
    unsigned char *map;
};

static const char *const text_keys[IMAGE_TEXT_COUNT] = {"keras_version",   "backend",      "weights_version",
                                                        "weights_backend", "model_config", "training_config"};
static const char *const section_keys[IMAGE_SECTION_COUNT] = {"layers", "top_level", "optimizer", "assets"};
static const char *const kind_names[] = {"model", "weights", "archive"};

struct image_writer *image_writer_new(size_t max_bytes)
{
    struct image_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return NULL;
    writer->arena = arena_new();
    if (!writer->arena) {
        free(writer);
        return NULL;
    }
    writer->max_bytes = max_bytes;
    writer->last_layer = &writer->layers;
    writer->last_attribute = &writer->attributes;
    for (int i = 0; i < IMAGE_SECTION_COUNT; i++)
        writer->sections[i].last = &writer->sections[i].first;
    return writer;
}

void image_writer_free(struct image_writer *writer)
{
    if (!writer)
        return;
    if (writer->map)
        munmap(writer->map, writer->total_bytes);
    free(writer->index);
    arena_free(writer->arena);
    free(writer);
}

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while describing the model");
}

void image_writer_kind(struct image_writer *writer, enum image_kind kind, bool layout_v3)
{
    writer->kind = kind;
    writer->layout_v3 = layout_v3;
}

int image_writer_text(struct image_writer *writer, enum image_text which, const char *text, size_t length,
                      struct err *err)
{
    char *copy = arena_strndup(writer->arena, text, length);
    if (!copy)
        return no_memory(err);
    writer->texts[which].data = copy;
    writer->texts[which].length = length;
    return 0;
}

int image_writer_attribute(struct image_writer *writer, const char *name, struct err *err)
{
    struct name *attribute = arena_alloc(writer->arena, sizeof(*attribute));
    if (!attribute || !(attribute->text = arena_strdup(writer->arena, name)))
        return no_memory(err);
    *writer->last_attribute = attribute;
    writer->last_attribute = &attribute->next;
    writer->n_attributes++;
    return 0;
}

int image_writer_layer(struct image_writer *writer, const char *name, struct err *err)
{
    if (writer->n_layers == IMAGE_MAX_LAYERS)
        return err_set(err, KD_ETOOBIG, "the file lists more than %u layers", IMAGE_MAX_LAYERS);
    struct layer *layer = arena_alloc(writer->arena, sizeof(*layer));
    if (!layer || !(layer->name = arena_strdup(writer->arena, name)))
        return no_memory(err);
    layer->weights.last = &layer->weights.first;
    *writer->last_layer = layer;
    writer->last_layer = &layer->next;
    writer->layer = layer;
    writer->n_layers++;
    return 0;
}

int image_writer_saved_name(struct image_writer *writer, const char *saved_name, struct err *err)
{
    KD_ASSERT(writer->layer);
    writer->layer->saved_name = arena_strdup(writer->arena, saved_name);
    return writer->layer->saved_name ? 0 : no_memory(err);
}

static int index_add(struct image_writer *writer, struct entry *entry)
{
    if (writer->n_tensors == writer->index_room) {
        size_t room = writer->index_room ? writer->index_room * 2 : 64;
        struct entry **grown = realloc(writer->index, room * sizeof(*grown));
        if (!grown)
            return KD_ENOMEM;
        writer->index = grown;
        writer->index_room = room;
    }
    writer->index[writer->n_tensors++] = entry;
    return 0;
}

int image_writer_tensor(struct image_writer *writer, enum image_section section, const char *name,
                        enum dtype dtype, const struct shape *shape, bool with_data, size_t *ret_index,
                        struct err *err)
{
    int64_t elements;
    size_t bytes;
    KD_ASSERT(!writer->map && dtype_size(dtype) > 0);
    if (writer->n_tensors == IMAGE_MAX_TENSORS)
        return err_set(err, KD_ETOOBIG, "the file lists more than %u tensors", IMAGE_MAX_TENSORS);
    if (!shape_elements(shape, &elements) || !size_mul((size_t)elements, dtype_size(dtype), &bytes))
        return err_set(err, KD_EFORMAT, "'%s' has a shape whose size overflows", name);
    struct entry *entry = arena_alloc(writer->arena, sizeof(*entry));
    if (!entry || !(entry->name = arena_strdup(writer->arena, name)) || index_add(writer, entry))
        return no_memory(err);
    entry->dtype = dtype;
    entry->shape = *shape;
    entry->with_data = with_data;
    entry->bytes = bytes;
    KD_ASSERT(section != IMAGE_SECTION_LAYERS || writer->layer);
    struct list *list =
        section == IMAGE_SECTION_LAYERS ? &writer->layer->weights : &writer->sections[section];
    *list->last = entry;
    list->last = &entry->next;
    *ret_index = writer->n_tensors - 1;
    return 0;
}

/* The header. */

static void put_tensor(const struct image_writer *writer, const struct entry *entry, struct buf *json)
{
    buf_puts(json, "{\"name\":");
    buf_json_string(json, entry->name, strlen(entry->name));
    buf_printf(json, ",\"dtype\":\"%s\",\"shape\":[", dtype_name(entry->dtype));
    for (int i = 0; i < entry->shape.rank; i++)
        buf_printf(json, "%s%lld", i ? "," : "", (long long)entry->shape.dim[i]);
    buf_puts(json, "]");
    if (entry->with_data)
        buf_printf(json, ",\"offset\":%20zu", writer->data_start + entry->offset);
    buf_printf(json, ",\"bytes\":%zu}", entry->bytes);
}

static void put_list(const struct image_writer *writer, const struct list *list, struct buf *json)
{
    buf_putc(json, '[');
    for (const struct entry *entry = list->first; entry; entry = entry->next) {
        put_tensor(writer, entry, json);
        if (entry->next)
            buf_puts(json, ",\n");
    }
    buf_putc(json, ']');
}

static void put_layers(const struct image_writer *writer, struct buf *json)
{
    buf_puts(json, "\"layers\":[");
    for (const struct layer *layer = writer->layers; layer; layer = layer->next) {
        buf_puts(json, "{\"name\":");
        buf_json_string(json, layer->name, strlen(layer->name));
        if (layer->saved_name) {
            buf_puts(json, ",\"saved_name\":");
            buf_json_string(json, layer->saved_name, strlen(layer->saved_name));
        }
        buf_puts(json, ",\"weights\":");
        put_list(writer, &layer->weights, json);
        buf_puts(json, layer->next ? "},\n" : "}");
    }
    buf_puts(json, "],\n");
}

static void put_header(const struct image_writer *writer, struct buf *json)
{
    buf_printf(json, "{\"kind\":\"%s\",\n", kind_names[writer->kind]);
    if (writer->layout_v3)
        buf_puts(json, "\"layout\":\"v3\",\n");
    for (int i = 0; i < IMAGE_TEXT_COUNT; i++) {
        buf_printf(json, "\"%s\":", text_keys[i]);
        if (writer->texts[i].data)
            buf_json_string(json, writer->texts[i].data, writer->texts[i].length);
        else
            buf_puts(json, "null");
        buf_puts(json, ",\n");
    }
    put_layers(writer, json);
    for (int i = IMAGE_SECTION_LAYERS + 1; i < IMAGE_SECTION_COUNT; i++) {
        buf_printf(json, "\"%s\":", section_keys[i]);
        put_list(writer, &writer->sections[i], json);
        buf_puts(json, ",\n");
    }
    buf_puts(json, "\"attributes\":[");
    for (const struct name *name = writer->attributes; name; name = name->next) {
        buf_json_string(json, name->text, strlen(name->text));
        buf_puts(json, name->next ? "," : "");
    }
    buf_puts(json, "]}\n");
}

/* The layout. */

static bool place_list(const struct list *list, size_t *at)
{
    for (struct entry *entry = list->first; entry; entry = entry->next) {
        if (!entry->with_data)
            continue;
        entry->offset = *at;
        size_t end;
        if (!size_add(*at, entry->bytes, &end) || end > SIZE_MAX - IMAGE_ALIGNMENT)
            return false;
        *at = size_align(end, IMAGE_ALIGNMENT);
    }
    return true;
}

static bool place_all(struct image_writer *writer, size_t *ret_bytes)
{
    size_t at = 0;
    for (struct layer *layer = writer->layers; layer; layer = layer->next)
        if (!place_list(&layer->weights, &at))
            return false;
    for (int i = 0; i < IMAGE_SECTION_COUNT; i++)
        if (!place_list(&writer->sections[i], &at))
            return false;
    *ret_bytes = at;
    return true;
}

static int lay_out(struct image_writer *writer, struct buf *json, struct err *err)
{
    size_t data_bytes;
    put_header(writer, json);
    if (json->failed == KD_ETOOBIG)
        return err_set(err, KD_ETOOBIG, "the model's description is larger than %u bytes",
                       IMAGE_MAX_JSON_BYTES);
    if (json->failed)
        return no_memory(err);
    writer->data_start = size_align(IMAGE_HEADER_BYTES + json->length, IMAGE_ALIGNMENT);
    if (!place_all(writer, &data_bytes) || !size_add(writer->data_start, data_bytes, &writer->total_bytes))
        return err_set(err, KD_EFORMAT, "the sizes of the model's tensors overflow");
    if (writer->total_bytes > writer->max_bytes)
        return err_set(err, KD_ETOOBIG, "the model needs %zu bytes, more than the limit of %zu",
                       writer->total_bytes, writer->max_bytes);
    size_t length = json->length;
    buf_reset(json);
    put_header(writer, json);
    KD_ASSERT(!json->failed && json->length == length);
    return 0;
}

static void put_u64(unsigned char *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof(value));
}

int image_writer_map(struct image_writer *writer, int fd, struct err *err)
{
    struct buf json;
    buf_init(&json, IMAGE_MAX_JSON_BYTES);
    int code = lay_out(writer, &json, err);
    if (code)
        goto out;
    if (ftruncate(fd, (off_t)writer->total_bytes)) {
        code = err_errno(err, errno, "cannot make room for the model (%zu bytes)", writer->total_bytes);
        goto out;
    }
    void *map = mmap(NULL, writer->total_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        code = err_errno(err, errno, "cannot map the model (%zu bytes)", writer->total_bytes);
        goto out;
    }
    writer->map = map;
    put_u64(writer->map + 8, json.length);
    put_u64(writer->map + 16, writer->total_bytes);
    memcpy(writer->map + IMAGE_HEADER_BYTES, json.data, json.length);
out:
    buf_done(&json);
    return code;
}

void *image_writer_data(struct image_writer *writer, size_t index, size_t *ret_bytes)
{
    KD_ASSERT(writer->map && index < writer->n_tensors && writer->index[index]->with_data);
    *ret_bytes = writer->index[index]->bytes;
    return writer->map + writer->data_start + writer->index[index]->offset;
}

int image_writer_finish(struct image_writer *writer, struct err *err)
{
    KD_ASSERT(writer->map);
    memcpy(writer->map, IMAGE_MAGIC, strlen(IMAGE_MAGIC));
    if (munmap(writer->map, writer->total_bytes))
        return err_errno(err, errno, "cannot unmap the model");
    writer->map = NULL;
    return 0;
}

/* For people. */

static void print_list(const char *title, const struct list *list, struct buf *ret)
{
    char text[SHAPE_TEXT_MAX];
    if (title && list->first)
        buf_printf(ret, "%s\n", title);
    for (const struct entry *entry = list->first; entry; entry = entry->next)
        buf_printf(ret, "    %-48s %-9s %s%s\n", entry->name, dtype_name(entry->dtype),
                   shape_text(&entry->shape, text, sizeof(text)), entry->with_data ? "" : " (no data)");
}

void image_writer_print(const struct image_writer *writer, struct buf *ret)
{
    buf_printf(ret, "kind: %s%s\n", kind_names[writer->kind], writer->layout_v3 ? " (Keras 3 layout)" : "");
    for (int i = 0; i < IMAGE_TEXT_COUNT; i++)
        if (writer->texts[i].data)
            buf_printf(ret, "%s: %s\n", text_keys[i], writer->texts[i].data);
    for (const struct layer *layer = writer->layers; layer; layer = layer->next) {
        buf_printf(ret, "layer %s%s%s%s\n", layer->name, layer->saved_name ? " (" : "",
                   layer->saved_name ? layer->saved_name : "", layer->saved_name ? ")" : "");
        print_list(NULL, &layer->weights, ret);
    }
    for (int i = IMAGE_SECTION_LAYERS + 1; i < IMAGE_SECTION_COUNT; i++)
        print_list(section_keys[i], &writer->sections[i], ret);
    for (const struct name *name = writer->attributes; name; name = name->next)
        buf_printf(ret, "attribute %s\n", name->text);
}
