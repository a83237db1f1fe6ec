/* image: maps what the loader child wrote and believes none of it.
 *
 * The child runs libhdf5 on a stranger's file, so it may have been taken over; everything it hands back is
 * hostile input. Checked here, before anyone sees a byte: the frame (magic, sizes, padding), the size and the
 * number of nodes of the JSON header (before cJSON allocates for them), and per tensor the type, the rank,
 * each dimension, the product and the place: aligned, inside, behind the one before it. After image_open the
 * content can be used without a check.
 *
 * cJSON holds the header only while it is being read; texts and tables move into an arena, tensors stay in
 * the map. */
#include "image/image.h"

#include <cjson/cJSON.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/size.h"

#define MAX_ATTRIBUTES   4096
#define MAX_JSON_DEPTH   8
#define MAX_EXACT_DOUBLE 9007199254740992.0 /* 2^53: larger integers are not exact in a double */

struct image {
    struct arena *arena;
    const unsigned char *map;
    size_t bytes;
    struct image_content content;
};

/* The state of one verification. */
struct check {
    struct image *image;
    struct err *err;
    size_t data_end;  /* no tensor may start before it: end of the header, then of the last tensor */
    size_t n_tensors; /* of all sections */
};

static int no_memory(struct err *err)
{
    return err_set(err, KD_ENOMEM, "out of memory while reading the model image");
}

static int damaged(struct check *check, const char *what)
{
    return err_set(check->err, KD_EFORMAT, "the model image is damaged: %s", what);
}

/* A non-negative integer that a double holds exactly. */
static bool get_size(const cJSON *item, size_t *ret)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || item->valuedouble > MAX_EXACT_DOUBLE)
        return false;
    *ret = (size_t)item->valuedouble;
    return (double)*ret == item->valuedouble;
}

static int copy_text(struct check *check, const cJSON *object, const char *key, const char **ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *ret = NULL;
    if (!item || cJSON_IsNull(item))
        return 0;
    if (!cJSON_IsString(item))
        return err_set(check->err, KD_EFORMAT, "the model image is damaged: '%s' is not a text", key);
    *ret = arena_strdup(check->image->arena, item->valuestring);
    return *ret ? 0 : no_memory(check->err);
}

static int copy_name(struct check *check, const cJSON *object, const char **ret)
{
    int code = copy_text(check, object, "name", ret);
    return code ? code : *ret ? 0 : damaged(check, "something has no name");
}

static int read_shape(struct check *check, const cJSON *tensor, struct shape *shape)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(tensor, "shape"), *item;
    if (!cJSON_IsArray(list))
        return damaged(check, "a tensor has no shape");
    shape->rank = 0;
    cJSON_ArrayForEach(item, list)
    {
        size_t dim;
        if (shape->rank == SHAPE_MAX_RANK || !get_size(item, &dim))
            return damaged(check, "a tensor's shape has too many sizes, or one that is no size");
        shape->dim[shape->rank++] = (int64_t)dim;
    }
    return 0;
}

static int read_place(struct check *check, const cJSON *item, struct image_tensor *tensor)
{
    size_t offset, end;
    if (!get_size(item, &offset) || offset % IMAGE_ALIGNMENT || offset < check->data_end ||
        !size_add(offset, tensor->bytes, &end) || end > check->image->bytes)
        return damaged(check, "a tensor is not where it can be");
    tensor->data = check->image->map + offset;
    check->data_end = end;
    return 0;
}

/* Of an empty tensor too: a shape like [0, 2^40, 2^40] must not overflow the products of those who look at a
 * part. */
static bool get_bytes(const struct shape *shape, size_t element_bytes, size_t *ret)
{
    size_t bytes = element_bytes;
    bool empty = false;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] == 0)
            empty = true;
        else if (!size_mul(bytes, (size_t)shape->dim[i], &bytes) || bytes > PTRDIFF_MAX)
            return false;
    }
    *ret = empty ? 0 : bytes;
    return true;
}

static int read_tensor(struct check *check, const cJSON *item, struct image_tensor *tensor)
{
    size_t claimed, size;
    int code = copy_name(check, item, &tensor->name);
    if (code || (code = read_shape(check, item, &tensor->shape)))
        return code;
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    tensor->dtype = cJSON_IsString(dtype) ? dtype_from_name(dtype->valuestring) : DTYPE_INVALID;
    size = dtype_size(tensor->dtype);
    if (!size)
        return damaged(check, "a tensor's type is unknown");
    if (!get_bytes(&tensor->shape, size, &tensor->bytes) ||
        !get_size(cJSON_GetObjectItemCaseSensitive(item, "bytes"), &claimed) || claimed != tensor->bytes)
        return damaged(check, "a tensor's shape and size do not agree");
    const cJSON *offset = cJSON_GetObjectItemCaseSensitive(item, "offset");
    return offset ? read_place(check, offset, tensor) : 0;
}

static int read_tensors(struct check *check, const cJSON *list, size_t *ret_n,
                        const struct image_tensor **ret)
{
    if (!cJSON_IsArray(list))
        return damaged(check, "a list of tensors is missing");
    size_t n = (size_t)cJSON_GetArraySize(list), i = 0;
    check->n_tensors += n;
    if (check->n_tensors > IMAGE_MAX_TENSORS)
        return err_set(check->err, KD_ETOOBIG, "the model has more than %u tensors", IMAGE_MAX_TENSORS);
    struct image_tensor *tensors = arena_calloc(check->image->arena, n, sizeof(*tensors));
    if (!tensors)
        return no_memory(check->err);
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        int code = read_tensor(check, item, &tensors[i++]);
        if (code)
            return code;
    }
    *ret_n = n;
    *ret = tensors;
    return 0;
}

static int read_weights(struct check *check, const cJSON *item, struct image_layer *layer)
{
    int code = copy_name(check, item, &layer->name);
    if (code || (code = copy_text(check, item, "saved_name", &layer->saved_name)))
        return code;
    code = read_tensors(check, cJSON_GetObjectItemCaseSensitive(item, "weights"), &layer->n_weights,
                        &layer->weights);
    for (size_t i = 0; !code && i < layer->n_weights; i++)
        if (!layer->weights[i].data)
            return damaged(check, "a layer's weight has no data");
    return code;
}

static int read_layers(struct check *check, const cJSON *root)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "layers"), *item;
    size_t n = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0, i = 0;
    if (!cJSON_IsArray(list) || n > IMAGE_MAX_LAYERS)
        return damaged(check, "it has no list of layers, or too many layers");
    struct image_layer *layers = arena_calloc(check->image->arena, n, sizeof(*layers));
    if (!layers)
        return no_memory(check->err);
    cJSON_ArrayForEach(item, list)
    {
        int code = read_weights(check, item, &layers[i++]);
        if (code)
            return code;
    }
    check->image->content.n_layers = n;
    check->image->content.layers = layers;
    return 0;
}

static int read_attributes(struct check *check, const cJSON *root)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "attributes"), *item;
    size_t n = cJSON_IsArray(list) ? (size_t)cJSON_GetArraySize(list) : 0, i = 0;
    if (!cJSON_IsArray(list) || n > MAX_ATTRIBUTES)
        return damaged(check, "it has no list of attributes, or too many");
    const char **names = arena_calloc(check->image->arena, n, sizeof(*names));
    if (!names)
        return no_memory(check->err);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            return damaged(check, "an attribute's name is not a text");
        names[i] = arena_strdup(check->image->arena, item->valuestring);
        if (!names[i++])
            return no_memory(check->err);
    }
    check->image->content.n_attributes = n;
    check->image->content.attributes = names;
    return 0;
}

static int read_kind(struct check *check, const cJSON *root)
{
    static const char *const names[] = {
        [IMAGE_MODEL] = "model", [IMAGE_WEIGHTS] = "weights", [IMAGE_ARCHIVE] = "archive"};
    const cJSON *kind = cJSON_GetObjectItemCaseSensitive(root, "kind");
    const cJSON *layout = cJSON_GetObjectItemCaseSensitive(root, "layout");
    if (layout && (!cJSON_IsString(layout) || strcmp(layout->valuestring, "v3") != 0))
        return damaged(check, "its layout is unknown");
    check->image->content.layout_v3 = layout != NULL;
    for (size_t i = 0; cJSON_IsString(kind) && i < KD_COUNT(names); i++) {
        if (strcmp(kind->valuestring, names[i]) == 0) {
            check->image->content.kind = (enum image_kind)i;
            return 0;
        }
    }
    return damaged(check, "its kind is unknown");
}

static int read_texts(struct check *check, const cJSON *root)
{
    struct image_content *content = &check->image->content;
    const struct {
        const char *key;
        const char **ret;
    } texts[] = {
        {"keras_version", &content->keras_version},     {"backend", &content->backend},
        {"weights_version", &content->weights_version}, {"weights_backend", &content->weights_backend},
        {"model_config", &content->model_config},       {"training_config", &content->training_config},
    };
    for (size_t i = 0; i < KD_COUNT(texts); i++) {
        int code = copy_text(check, root, texts[i].key, texts[i].ret);
        if (code)
            return code;
    }
    if (content->kind != IMAGE_WEIGHTS && !content->model_config)
        return damaged(check, "a whole model has no configuration");
    return 0;
}

/* The order of the sections is the order of the data. */
static int read_content(struct check *check, const cJSON *root)
{
    struct image_content *content = &check->image->content;
    const struct {
        const char *key;
        size_t *ret_n;
        const struct image_tensor **ret;
    } sections[] = {
        {"top_level", &content->n_top_level, &content->top_level},
        {"optimizer", &content->n_optimizer, &content->optimizer},
        {"assets", &content->n_assets, &content->assets},
    };
    int code = cJSON_IsObject(root) ? 0 : damaged(check, "its header is not a JSON object");
    if (code || (code = read_kind(check, root)) || (code = read_texts(check, root)) ||
        (code = read_layers(check, root)))
        return code;
    for (size_t i = 0; i < KD_COUNT(sections); i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, sections[i].key);
        code = read_tensors(check, list, sections[i].ret_n, sections[i].ret);
        if (code)
            return code;
    }
    return read_attributes(check, root);
}

/* cJSON spends about a hundred bytes per value and a stack frame per level: both are counted before it does.
 */
static int check_json(struct check *check, const char *json, size_t length)
{
    size_t n = 0, depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length && n <= IMAGE_MAX_JSON_NODES && depth <= MAX_JSON_DEPTH; i++) {
        char c = json[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (in_string)
            continue;
        else if (c == ',' || c == '[' || c == '{')
            n++, depth += c != ',';
        else if (depth && (c == ']' || c == '}'))
            depth--;
    }
    if (depth > MAX_JSON_DEPTH)
        return damaged(check, "its header is nested too deep");
    if (n > IMAGE_MAX_JSON_NODES)
        return err_set(check->err, KD_ETOOBIG, "the model's description has more than %u values",
                       IMAGE_MAX_JSON_NODES);
    return 0;
}

static uint64_t get_u64(const unsigned char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

static int verify(struct check *check)
{
    static const unsigned char zero[IMAGE_HEADER_BYTES - 24];
    const unsigned char *map = check->image->map;
    uint64_t json_bytes = get_u64(map + 8);
    if (memcmp(map, IMAGE_MAGIC, strlen(IMAGE_MAGIC)) != 0)
        return damaged(check, "it was not finished, or is something else");
    if (get_u64(map + 16) != check->image->bytes || memcmp(map + 24, zero, sizeof(zero)) != 0)
        return damaged(check, "its size is not the one that it names");
    if (json_bytes > IMAGE_MAX_JSON_BYTES)
        return err_set(check->err, KD_ETOOBIG, "the model's description is larger than %u bytes",
                       IMAGE_MAX_JSON_BYTES);
    if (json_bytes > check->image->bytes - IMAGE_HEADER_BYTES)
        return damaged(check, "its header does not fit into it");
    const char *json = (const char *)map + IMAGE_HEADER_BYTES;
    int code = check_json(check, json, json_bytes);
    if (code)
        return code;
    cJSON *root = cJSON_ParseWithLength(json, json_bytes);
    if (!root)
        return damaged(check, "its header is not JSON (or memory ran out)");
    check->data_end = IMAGE_HEADER_BYTES + json_bytes;
    code = read_content(check, root);
    cJSON_Delete(root);
    return code;
}

static int map_file(struct image *image, int fd, size_t max_bytes, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return err_errno(err, errno, "cannot look at the model image");
    if (!S_ISREG(st.st_mode) || st.st_size < IMAGE_HEADER_BYTES)
        return err_set(err, KD_EFORMAT, "the model image is damaged: it is too short to be one");
    if ((uint64_t)st.st_size > max_bytes)
        return err_set(err, KD_ETOOBIG, "the model image has %lld bytes, more than the limit of %zu",
                       (long long)st.st_size, max_bytes);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_errno(err, errno, "cannot map the model image (%lld bytes)", (long long)st.st_size);
    image->map = map;
    image->bytes = (size_t)st.st_size;
    return 0;
}

int image_open(int fd, size_t max_bytes, struct image **ret, struct err *err)
{
    struct image *image = calloc(1, sizeof(*image));
    if (!image)
        return no_memory(err);
    struct check check = {.image = image, .err = err};
    image->arena = arena_new();
    int code = image->arena ? map_file(image, fd, max_bytes, err) : no_memory(err);
    if (!code)
        code = verify(&check);
    if (code) {
        image_close(image);
        return code;
    }
    *ret = image;
    return 0;
}

void image_close(struct image *image)
{
    if (!image)
        return;
    if (image->map)
        munmap((void *)(uintptr_t)image->map, image->bytes);
    arena_free(image->arena);
    free(image);
}

const struct image_content *image_content(const struct image *image)
{
    return &image->content;
}

/* json.dump(model.to_json(), file) writes the text as one JSON string; many did. */
static const char *copy_config(struct arena *arena, const char *text, size_t length)
{
    if (text[strspn(text, " \t\r\n")] != '"')
        return arena_strndup(arena, text, length);
    cJSON *json = cJSON_Parse(text);
    const char *inner = cJSON_IsString(json) ? json->valuestring : "";
    const char *copy = arena_strndup(arena, inner, strlen(inner));
    cJSON_Delete(json);
    return copy;
}

int image_set_config(struct image *image, const char *text, size_t length, struct err *err)
{
    const char *copy = copy_config(image->arena, text, length);
    if (!copy)
        return no_memory(err);
    image->content.model_config = copy;
    return 0;
}

size_t image_bytes(const struct image *image)
{
    return image->bytes;
}
