/* Tests of src/image: what the writer writes the verifier reads back, and no damaged header gets past it. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "image/image.h"
#include "image/image_write.h"
#include "unit.h"

#define LIMIT ((size_t)1 << 20)

static const char config[] = "{\"class_name\": \"Sequential\", \"config\": \"\xc3\xa9 \\\\ \"}";

static size_t add(struct image_writer *writer, enum image_section section, const char *name, enum dtype dtype,
                  struct shape shape, bool with_data)
{
    size_t index = 99;
    CU_ASSERT_EQUAL(image_writer_tensor(writer, section, name, dtype, &shape, with_data, &index, NULL), 0);
    return index;
}

static void fill(struct image_writer *writer, size_t index, unsigned char value, size_t expected)
{
    size_t bytes = 0;
    unsigned char *data = image_writer_data(writer, index, &bytes);
    CU_ASSERT_EQUAL(bytes, expected);
    CU_ASSERT_EQUAL((uintptr_t)data % IMAGE_ALIGNMENT, 0);
    memset(data, value, bytes);
}

/* A memfd with a small model. */
static int write_model(bool finish)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    struct image_writer *writer = image_writer_new(LIMIT);
    CU_ASSERT_PTR_NOT_NULL_FATAL(writer);
    image_writer_kind(writer, IMAGE_MODEL, false);
    image_writer_text(writer, IMAGE_MODEL_CONFIG, config, strlen(config), NULL);
    image_writer_text(writer, IMAGE_KERAS_VERSION, "2.15.0", 6, NULL);
    image_writer_attribute(writer, "author", NULL);
    size_t slot = add(writer, IMAGE_SECTION_OPTIMIZER, "iter", DTYPE_INT64, shape_of(0), true);
    image_writer_layer(writer, "a/b", NULL);
    image_writer_saved_name(writer, "own", NULL);
    size_t kernel = add(writer, IMAGE_SECTION_LAYERS, "kernel:0", DTYPE_FLOAT32, shape_of(2, 3, 5), true);
    image_writer_layer(writer, "flatten", NULL);
    add(writer, IMAGE_SECTION_OPTIMIZER, "m", DTYPE_FLOAT32, shape_of(2, 1000, 1000), false);
    image_writer_layer(writer, "half", NULL);
    size_t half = add(writer, IMAGE_SECTION_LAYERS, "bias:0", DTYPE_FLOAT16, shape_of(1, 3), true);
    size_t empty = add(writer, IMAGE_SECTION_LAYERS, "none:0", DTYPE_BOOL, shape_of(2, 0, 4), true);
    CU_ASSERT_EQUAL_FATAL(image_writer_map(writer, fd, NULL), 0);
    fill(writer, kernel, 1, 60);
    fill(writer, half, 2, 6);
    fill(writer, empty, 3, 0);
    fill(writer, slot, 4, 8);
    if (finish)
        CU_ASSERT_EQUAL(image_writer_finish(writer, NULL), 0);
    image_writer_free(writer);
    return fd;
}

static void check_model(const struct image_content *content)
{
    CU_ASSERT_EQUAL(content->kind, IMAGE_MODEL);
    CU_ASSERT_FALSE(content->layout_v3);
    CU_ASSERT_STRING_EQUAL(content->model_config, config);
    CU_ASSERT_STRING_EQUAL(content->keras_version, "2.15.0");
    CU_ASSERT_PTR_NULL(content->backend);
    CU_ASSERT_EQUAL_FATAL(content->n_layers, 3);
    CU_ASSERT_STRING_EQUAL(content->layers[0].name, "a/b");
    CU_ASSERT_STRING_EQUAL(content->layers[0].saved_name, "own");
    CU_ASSERT_PTR_NULL(content->layers[1].saved_name);
    CU_ASSERT_EQUAL(content->layers[1].n_weights, 0);
    CU_ASSERT_EQUAL_FATAL(content->layers[2].n_weights, 2);
    const struct image_tensor *kernel = &content->layers[0].weights[0],
                              *half = &content->layers[2].weights[0];
    struct shape expected = shape_of(2, 3, 5);
    CU_ASSERT_TRUE(shape_equal(&kernel->shape, &expected));
    CU_ASSERT_EQUAL(kernel->bytes, 60);
    CU_ASSERT_EQUAL(((const unsigned char *)kernel->data)[59], 1);
    CU_ASSERT_EQUAL((uintptr_t)kernel->data % IMAGE_ALIGNMENT, 0);
    CU_ASSERT_EQUAL(half->dtype, DTYPE_FLOAT16);
    CU_ASSERT_EQUAL(((const unsigned char *)half->data)[5], 2);
    CU_ASSERT_PTR_NOT_NULL(content->layers[2].weights[1].data);
    CU_ASSERT_EQUAL_FATAL(content->n_optimizer, 2);
    CU_ASSERT_EQUAL(((const unsigned char *)content->optimizer[0].data)[7], 4);
    CU_ASSERT_PTR_NULL(content->optimizer[1].data);
    CU_ASSERT_EQUAL(content->optimizer[1].bytes, 4000000);
    CU_ASSERT_EQUAL_FATAL(content->n_attributes, 1);
    CU_ASSERT_STRING_EQUAL(content->attributes[0], "author");
}

static void test_round_trip(void)
{
    struct image *image = NULL;
    struct err err = {0};
    int fd = write_model(true);
    CU_ASSERT_EQUAL(image_open(fd, LIMIT, &image, &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    close(fd);
    CU_ASSERT_PTR_NOT_NULL_FATAL(image);
    check_model(image_content(image));
    CU_ASSERT_EQUAL(image_bytes(image) % IMAGE_ALIGNMENT, 0);
    image_close(image);
    image_close(NULL);
}

static void test_unfinished(void)
{
    struct image *image = NULL;
    struct err err;
    int fd = write_model(false);
    CU_ASSERT_EQUAL(image_open(fd, LIMIT, &image, &err), KD_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not finished"));
    CU_ASSERT_PTR_NULL(image);
    close(fd);
}

static void test_limit(void)
{
    struct image *image = NULL;
    struct err err;
    int fd = write_model(true);
    CU_ASSERT_EQUAL(image_open(fd, 100, &image, &err), KD_ETOOBIG);
    close(fd);
    struct image_writer *writer = image_writer_new(1000);
    image_writer_layer(writer, "a", NULL);
    add(writer, IMAGE_SECTION_LAYERS, "k", DTYPE_FLOAT32, shape_of(1, 1000), true);
    fd = memfd_create("image", MFD_CLOEXEC);
    CU_ASSERT_EQUAL(image_writer_map(writer, fd, &err), KD_ETOOBIG);
    image_writer_free(writer);
    close(fd);
}

static void test_writer_overflow(void)
{
    struct err err;
    size_t index;
    struct image_writer *writer = image_writer_new(SIZE_MAX);
    image_writer_layer(writer, "a", NULL);
    struct shape shape = shape_of(3, 0x7fffffff, 0x7fffffff, 0x7fffffff),
                 large = shape_of(2, 0x7fffffff, 0x7fffffff);
    CU_ASSERT_EQUAL(
        image_writer_tensor(writer, IMAGE_SECTION_LAYERS, "k", DTYPE_INT8, &shape, true, &index, &err),
        KD_EFORMAT);
    for (int i = 0; i < 8; i++)
        add(writer, IMAGE_SECTION_LAYERS, "k", DTYPE_INT8, large, true);
    CU_ASSERT_EQUAL(image_writer_map(writer, -1, &err), KD_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "overflow"));
    image_writer_free(writer);
}

/* A memfd with any header and `data_bytes` of data behind it. */
static int craft(const char *json, size_t data_bytes, uint64_t claimed_json, uint64_t claimed_total)
{
    unsigned char header[IMAGE_HEADER_BYTES] = IMAGE_MAGIC;
    size_t length = strlen(json), total = size_align(sizeof(header) + length, IMAGE_ALIGNMENT) + data_bytes;
    uint64_t sizes[2] = {claimed_json ? claimed_json : length, claimed_total ? claimed_total : total};
    memcpy(header + 8, sizes, sizeof(sizes));
    int fd = memfd_create("image", MFD_CLOEXEC);
    CU_ASSERT_EQUAL(write(fd, header, sizeof(header)), (ssize_t)sizeof(header));
    CU_ASSERT_EQUAL(write(fd, json, length), (ssize_t)length);
    CU_ASSERT_EQUAL(ftruncate(fd, (off_t)total), 0);
    return fd;
}

static int open_crafted(const char *json, struct err *err)
{
    struct image *image = NULL;
    int fd = craft(json, 256, 0, 0), code = image_open(fd, LIMIT, &image, err);
    close(fd);
    image_close(image);
    return code;
}

/* The text is one header with a place for the layers. */
#define HEADER(kind, layers, optimizer)                                                                      \
    "{\"kind\":\"" kind "\",\"model_config\":\"{}\",\"layers\":[" layers "],\"top_level\":[],"               \
    "\"optimizer\":[" optimizer "],\"assets\":[],\"attributes\":[]}"
#define TENSOR(dtype, shape, offset, bytes)                                                                  \
    "{\"name\":\"k\",\"dtype\":\"" dtype "\",\"shape\":" shape ",\"offset\":" offset ",\"bytes\":" bytes "}"
#define LAYER(tensors)                   "{\"name\":\"d\",\"weights\":[" tensors "]}"
#define ONE(dtype, shape, offset, bytes) HEADER("model", LAYER(TENSOR(dtype, shape, offset, bytes)), "")

static void test_hostile_headers(void)
{
    static const struct {
        const char *json, *says; /* NULL: accepted */
    } cases[] = {
        {HEADER("model", "", ""), NULL},
        {ONE("float32", "[2,3]", "320", "24"), NULL},
        {ONE("float32", "[]", "320", "4"), NULL},
        {ONE("float32", "[0,3]", "320", "0"), NULL},
        {HEADER("model", LAYER(TENSOR("int8", "[1]", "384", "1") "," TENSOR("int8", "[1]", "448", "1")), ""),
         NULL},
        {HEADER("theory", "", ""), "kind"},
        {"[]", "not a JSON object"},
        {"{", "not JSON"},
        {"{}", "kind"},
        {"{\"kind\":\"model\"}", "no configuration"},
        {"{\"kind\":\"weights\",\"layout\":\"v4\"}", "layout"},
        {"{\"kind\":\"weights\",\"backend\":1}", "'backend' is not a text"},
        {"{\"kind\":\"weights\"}", "list of layers"},
        {"{\"kind\":\"weights\",\"layers\":[]}", "list of tensors is missing"},
        {"{\"kind\":\"weights\",\"layers\":[[[[[[[[[]]]]]]]]}", "too deep"},
        {HEADER("model", "1", ""), "no name"},
        {HEADER("model", "{\"name\":7}", ""), "not a text"},
        {HEADER("model", "{\"name\":\"d\"}", ""), "list of tensors is missing"},
        {ONE("float33", "[2,3]", "320", "24"), "type is unknown"},
        {ONE("string", "[2,3]", "320", "24"), "type is unknown"},
        {ONE("float32", "2", "320", "24"), "no shape"},
        {ONE("float32", "[2,-3]", "320", "24"), "no size"},
        {ONE("float32", "[2,3.5]", "320", "24"), "no size"},
        {ONE("float32", "[2,1e300]", "320", "24"), "no size"},
        {ONE("float32", "[2,\"3\"]", "320", "24"), "no size"},
        {ONE("float32", "[1,1,1,1,1,1,1,1,1]", "320", "4"), "too many sizes"},
        {ONE("float32", "[2,3]", "320", "20"), "do not agree"},
        {ONE("float32", "[4294967296,4294967296]", "320", "0"), "do not agree"},
        {ONE("float32", "[0,4294967296,4294967296]", "320", "0"), "do not agree"},
        {ONE("float32", "[2,3]", "321", "24"), "where it can be"},
        {ONE("float32", "[2,3]", "64", "24"), "where it can be"},
        {ONE("float32", "[2,3]", "-64", "24"), "where it can be"},
        {ONE("float32", "[2,3]", "\"320\"", "24"), "where it can be"},
        {ONE("float32", "[2,3]", "1048576", "24"), "where it can be"},
        {ONE("float32", "[2,3]", "9007199254740992", "24"), "where it can be"},
        {ONE("float32", "[100,3]", "320", "1200"), "where it can be"},
        {HEADER("model", LAYER(TENSOR("int8", "[1]", "384", "1") "," TENSOR("int8", "[1]", "384", "1")), ""),
         "where it can be"},
        {HEADER("model", LAYER("{\"name\":\"k\",\"dtype\":\"int8\",\"shape\":[1],\"bytes\":1}"), ""),
         "has no data"},
        {HEADER("model", "", "{\"name\":\"k\",\"dtype\":\"int8\",\"shape\":[1],\"bytes\":1}"), NULL},
        {HEADER("model", "", "7"), "no name"},
    };
    for (size_t i = 0; i < KD_COUNT(cases); i++) {
        struct err err = {0};
        int code = open_crafted(cases[i].json, &err);
        CU_ASSERT_EQUAL(code, cases[i].says ? KD_EFORMAT : 0);
        if (cases[i].says && !strstr(err.text, cases[i].says))
            printf("\ncase %zu: '%s' lacks '%s'\n", i, err.text, cases[i].says);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].says ? cases[i].says : ""));
    }
}

static void test_hostile_frames(void)
{
    static const uint64_t claims[][2] = {
        {4096, 0}, {UINT64_MAX, 0}, {0, 4096}, {0, UINT64_MAX}, {1u << 26, 0}};
    for (size_t i = 0; i < KD_COUNT(claims); i++) {
        struct image *image = NULL;
        int fd = craft("{}", 0, claims[i][0], claims[i][1]);
        CU_ASSERT_NOT_EQUAL(image_open(fd, LIMIT, &image, NULL), 0);
        CU_ASSERT_PTR_NULL(image);
        close(fd);
    }
}

static void test_too_many_values(void)
{
    struct buf json;
    struct err err;
    struct image *image = NULL;
    buf_init(&json, 1 << 23);
    buf_puts(&json, "{\"kind\":\"weights\",\"layers\":[");
    for (unsigned i = 0; i < IMAGE_MAX_JSON_NODES; i++)
        buf_puts(&json, "0,");
    buf_puts(&json, "0]}");
    int fd = craft(json.data, 0, 0, 0);
    CU_ASSERT_EQUAL(image_open(fd, 1 << 24, &image, &err), KD_ETOOBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "values"));
    close(fd);
    buf_done(&json);
}

/* Any one byte of the frame or the header may be wrong: accepted or refused, never a crash. */
static void test_every_byte(void)
{
    int fd = write_model(true);
    unsigned char byte, wrong;
    for (off_t at = 0; at < 900; at++) {
        if (pread(fd, &byte, 1, at) != 1)
            break;
        for (int bit = 0; bit < 8; bit++) {
            struct image *image = NULL;
            wrong = (unsigned char)(byte ^ (1 << bit));
            CU_ASSERT_EQUAL(pwrite(fd, &wrong, 1, at), 1);
            int code = image_open(fd, LIMIT, &image, NULL);
            /* A header that is a byte shorter only loses its last newline. */
            CU_ASSERT_TRUE(code != 0 || at >= IMAGE_HEADER_BYTES || (at >= 8 && at < 16));
            image_close(image);
        }
        CU_ASSERT_EQUAL(pwrite(fd, &byte, 1, at), 1);
    }
    close(fd);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"round trip", test_round_trip},
        {"unfinished image", test_unfinished},
        {"limit", test_limit},
        {"writer overflow", test_writer_overflow},
        {"hostile headers", test_hostile_headers},
        {"hostile frames", test_hostile_frames},
        {"too many values", test_too_many_values},
        {"every byte wrong", test_every_byte},
    };
    return unit_main("image", tests, KD_COUNT(tests));
}
