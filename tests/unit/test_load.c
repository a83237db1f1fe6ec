/* Tests of src/load and of kerasd-load, on real files: every form that a Keras file has, every wrong file
 * that people load, and children that crash, hang and lie. The files are made by tests/data/h5/make.py;
 * element i of each of their tensors is i. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/size.h"
#include "image/image.h"
#include "load/load.h"
#include "unit.h"

static char directory[64]; /* of what the tests write */

static const char *env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static struct load_options options_of(const char *helper)
{
    return (struct load_options){.helper = helper ? helper : env("KERASD_LOAD"), .jail = 1};
}

static char *data_path(const char *name, char *path)
{
    snprintf(path, PATH_MAX, "%s/%s%s", env("KERASD_SRCDIR"), strchr(name, '/') ? "" : "tests/data/h5/",
             name);
    return path;
}

static int try_load(const char *name, struct image **ret, struct err *err)
{
    char path[PATH_MAX];
    struct load_options options = options_of(NULL);
    *err = (struct err){0};
    *ret = NULL;
    return load_file(data_path(name, path), NULL, &options, ret, err);
}

static struct image *load(const char *name)
{
    struct image *image;
    struct err err;
    if (try_load(name, &image, &err))
        printf("\n%s: %s\n", name, err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(image);
    return image;
}

static const struct image_tensor *weight(const struct image *image, const char *layer, size_t i)
{
    const struct image_content *content = image_content(image);
    for (size_t k = 0; k < content->n_layers; k++) {
        if (strcmp(content->layers[k].name, layer) != 0)
            continue;
        CU_ASSERT_TRUE_FATAL(i < content->layers[k].n_weights);
        return &content->layers[k].weights[i];
    }
    CU_FAIL_FATAL("no such layer");
    return NULL;
}

static void check_counts(const struct image_tensor *tensor, int rank, size_t n)
{
    const float *data = tensor->data;
    CU_ASSERT_EQUAL(tensor->dtype, DTYPE_FLOAT32);
    CU_ASSERT_EQUAL(tensor->shape.rank, rank);
    CU_ASSERT_EQUAL_FATAL(tensor->bytes, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(data[i], (float)i);
}

/* Good files. */

static void test_full(void)
{
    struct image *image = load("full.h5");
    const struct image_content *content = image_content(image);
    static const char *const layers[] = {"input", "dense", "block/conv", "block", "gr\303\266\303\237e"};
    CU_ASSERT_EQUAL(content->kind, IMAGE_MODEL);
    CU_ASSERT_PTR_NOT_NULL(strstr(content->model_config, "\"Sequential\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(content->training_config, "\"Adam\""));
    CU_ASSERT_STRING_EQUAL(content->keras_version, "2.15.0");
    CU_ASSERT_STRING_EQUAL(content->weights_version, "2.14.0");
    CU_ASSERT_STRING_EQUAL(content->weights_backend, "theano");
    CU_ASSERT_EQUAL_FATAL(content->n_layers, KD_COUNT(layers));
    for (size_t i = 0; i < KD_COUNT(layers); i++)
        CU_ASSERT_STRING_EQUAL(content->layers[i].name, layers[i]);
    CU_ASSERT_EQUAL(content->layers[0].n_weights, 0);
    check_counts(weight(image, "dense", 0), 2, 6);
    check_counts(weight(image, "dense", 1), 1, 2);
    check_counts(weight(image, "block/conv", 0), 2, 4);
    check_counts(weight(image, "block/conv", 1), 1, 1);
    check_counts(weight(image, "block", 0), 1, 4);
    CU_ASSERT_STRING_EQUAL(weight(image, "block/conv", 1)->name, "block//conv/bias:0");
    CU_ASSERT_EQUAL_FATAL(content->n_top_level, 1);
    CU_ASSERT_EQUAL(*(const float *)content->top_level[0].data, 3);
    CU_ASSERT_EQUAL_FATAL(content->n_optimizer, 2);
    CU_ASSERT_EQUAL(*(const int64_t *)content->optimizer[0].data, 7);
    CU_ASSERT_PTR_NULL(content->optimizer[1].data);
    CU_ASSERT_EQUAL(content->optimizer[1].shape.dim[0], 3);
    CU_ASSERT_EQUAL_FATAL(content->n_attributes, 1);
    CU_ASSERT_STRING_EQUAL(content->attributes[0], "author");
    image_close(image);
}

static void test_forms(void)
{
    struct image *image = load("fixed.h5");
    check_counts(weight(image, "a", 0), 1, 2);
    check_counts(weight(image, "a", 1), 1, 3);
    CU_ASSERT_STRING_EQUAL(weight(image, "a", 0)->name, "a_W:0");
    CU_ASSERT_STRING_EQUAL(weight(image, "a", 1)->name, "a_bb:0");
    image_close(image);
    image = load("userblock.h5");
    check_counts(weight(image, "dense", 0), 2, 6);
    image_close(image);
    image = load("gzip.h5");
    check_counts(weight(image, "d", 0), 2, 3000);
    image_close(image);
    image = load("chunked_names.h5");
    check_counts(weight(image, "dense", 0), 2, 6);
    check_counts(weight(image, "dense", 1), 1, 2);
    image_close(image);
}

static double element(const struct image_tensor *tensor, int i)
{
    switch (tensor->dtype) {
    case DTYPE_FLOAT16:
        return (double)dtype_half_to_float(((const uint16_t *)tensor->data)[i]);
    case DTYPE_BFLOAT16:
        return (double)dtype_bfloat16_to_float(((const uint16_t *)tensor->data)[i]);
    case DTYPE_FLOAT32:
        return (double)((const float *)tensor->data)[i];
    case DTYPE_FLOAT64:
        return ((const double *)tensor->data)[i];
    case DTYPE_INT8:
        return ((const int8_t *)tensor->data)[i];
    case DTYPE_INT16:
        return ((const int16_t *)tensor->data)[i];
    case DTYPE_INT32:
        return ((const int32_t *)tensor->data)[i];
    case DTYPE_INT64:
        return (double)((const int64_t *)tensor->data)[i];
    case DTYPE_UINT16:
        return ((const uint16_t *)tensor->data)[i];
    case DTYPE_UINT32:
        return ((const uint32_t *)tensor->data)[i];
    case DTYPE_UINT64:
        return (double)((const uint64_t *)tensor->data)[i];
    default:
        return ((const uint8_t *)tensor->data)[i];
    }
}

static void test_dtypes(void)
{
    static const struct {
        const char *name;
        enum dtype dtype;
        int rank;
        double second; /* the element with index 1, or 0 where there is but one */
    } rows[] = {
        {"float16", DTYPE_FLOAT16, 1, 1},    {"float64", DTYPE_FLOAT64, 1, 1},
        {"big_endian", DTYPE_FLOAT32, 1, 1}, {"int8", DTYPE_INT8, 1, -1},
        {"int16", DTYPE_INT16, 1, 1},        {"int32", DTYPE_INT32, 1, 1},
        {"int64", DTYPE_INT64, 1, 1},        {"uint8", DTYPE_UINT8, 1, 1},
        {"uint16", DTYPE_UINT16, 1, 1},      {"uint32", DTYPE_UINT32, 1, 1},
        {"uint64", DTYPE_UINT64, 1, 1},      {"bool", DTYPE_BOOL, 1, 1},
        {"bfloat16", DTYPE_BFLOAT16, 1, 2},  {"scalar", DTYPE_FLOAT32, 0, 5},
        {"empty", DTYPE_FLOAT32, 2, 0},
    };
    struct image *image = load("dtypes.h5");
    for (size_t i = 0; i < KD_COUNT(rows); i++) {
        const struct image_tensor *tensor = weight(image, "d", i);
        CU_ASSERT_STRING_EQUAL(tensor->name, rows[i].name);
        CU_ASSERT_EQUAL(tensor->dtype, rows[i].dtype);
        CU_ASSERT_EQUAL(tensor->shape.rank, rows[i].rank);
        if (tensor->bytes)
            CU_ASSERT_EQUAL(element(tensor, rows[i].rank), rows[i].second);
    }
    CU_ASSERT_EQUAL(weight(image, "d", 14)->bytes, 0);
    image_close(image);
}

static void test_weights_only(void)
{
    char path[PATH_MAX], other[PATH_MAX];
    struct load_options options = options_of(NULL);
    struct image *image = load("weights.h5");
    struct err err;
    CU_ASSERT_EQUAL(image_content(image)->kind, IMAGE_WEIGHTS);
    CU_ASSERT_PTR_NOT_NULL(strstr(image_content(image)->model_config, "\"Sequential\""));
    check_counts(weight(image, "dense", 0), 2, 6);
    image_close(image);
    CU_ASSERT_EQUAL(try_load("weights_alone.h5", &image, &err), KD_EUNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "holds only weights (of 1 layers"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "weights_alone.json'"));
    CU_ASSERT_EQUAL(try_load("weights_in_group.h5", &image, &err), KD_EUNSUPPORTED);
    data_path("weights_alone.h5", path);
    CU_ASSERT_EQUAL(load_file(path, data_path("architecture.h5", other), &options, &image, &err), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(image_content(image)->model_config, "\"Sequential\""));
    image_close(image);
    CU_ASSERT_EQUAL(load_file(path, data_path("lfs.h5", other), &options, &image, &err), KD_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "model.to_json()"));
    CU_ASSERT_EQUAL(load_file(path, data_path("tensorflow_js.h5", other), &options, &image, &err),
                    KD_EFORMAT);
    CU_ASSERT_EQUAL(load_file(path, "/nonexistent/a.json", &options, &image, &err), KD_ENOTFOUND);
}

/* json.dump(model.to_json(), file): the text as one JSON string. */
static void test_architecture_string(void)
{
    static const char inner[] = "{\\\"class_name\\\": \\\"Sequential\\\", \\\"config\\\": []}";
    char weights[PATH_MAX], path[] = "/tmp/kerasd-test-XXXXXX";
    struct load_options options = options_of(NULL);
    struct image *image;
    struct err err;
    FILE *file = fdopen(mkstemp(path), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fprintf(file, " \"%s\"", inner);
    fclose(file);
    CU_ASSERT_EQUAL_FATAL(load_file(data_path("weights_alone.h5", weights), path, &options, &image, &err), 0);
    CU_ASSERT_STRING_EQUAL(image_content(image)->model_config,
                           "{\"class_name\": \"Sequential\", \"config\": []}");
    image_close(image);
    file = fopen(path, "w");
    fputs("\"a class_name", file);
    fclose(file);
    CU_ASSERT_EQUAL(load_file(weights, path, &options, &image, &err), KD_EFORMAT);
    unlink(path);
}

/* The first of the names that is there. */
static void test_architecture_names(void)
{
    static const char *const names[] = {"architecture.json", "model.json", "x.json", "x.weights.json"};
    char folder[] = "/tmp/kerasd-test-XXXXXX", weights[PATH_MAX], made[PATH_MAX], found[PATH_MAX];
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(weights, sizeof(weights), "%s/x.weights.h5", folder);
    CU_ASSERT_FALSE(load_architecture_beside(weights, found, sizeof(found)));
    for (size_t i = 0; i < KD_COUNT(names); i++) {
        snprintf(made, sizeof(made), "%s/%s", folder, names[i]);
        fclose(fopen(made, "w"));
        CU_ASSERT(load_architecture_beside(weights, found, sizeof(found)));
        CU_ASSERT_STRING_EQUAL(found, made);
    }
    snprintf(weights, sizeof(weights), "%s/x.h5", folder);
    CU_ASSERT(load_architecture_beside(weights, found, sizeof(found)));
    CU_ASSERT_STRING_EQUAL(strrchr(found, '/'), "/x.json");
    snprintf(weights, sizeof(weights), "%s/x_weights.hdf5", folder);
    CU_ASSERT(load_architecture_beside(weights, found, sizeof(found)));
    CU_ASSERT_STRING_EQUAL(strrchr(found, '/'), "/x.json");
    snprintf(weights, sizeof(weights), "%s/_weights.h5", folder);
    CU_ASSERT(load_architecture_beside(weights, found, sizeof(found)));
    CU_ASSERT_STRING_EQUAL(strrchr(found, '/'), "/model.json");
    for (size_t i = 0; i < KD_COUNT(names); i++) {
        snprintf(made, sizeof(made), "%s/%s", folder, names[i]);
        unlink(made);
    }
    rmdir(folder);
}

static void check_layout3(const struct image *image)
{
    const struct image_content *content = image_content(image);
    static const char *const layers[] = {"layers/dense", "layers/lstm/cell", "layers/many"};
    CU_ASSERT_TRUE(content->layout_v3);
    CU_ASSERT_EQUAL_FATAL(content->n_layers, KD_COUNT(layers));
    for (size_t i = 0; i < KD_COUNT(layers); i++)
        CU_ASSERT_STRING_EQUAL(content->layers[i].name, layers[i]);
    CU_ASSERT_STRING_EQUAL(content->layers[1].saved_name, "my cell");
    CU_ASSERT_PTR_NULL(content->layers[2].saved_name);
    check_counts(weight(image, "layers/dense", 1), 2, 4);
    check_counts(weight(image, "layers/lstm/cell", 2), 2, 6);
    for (int i = 0; i < 12; i++)
        CU_ASSERT_EQUAL(element(weight(image, "layers/many", (size_t)i), 0), i);
    CU_ASSERT_EQUAL(content->n_optimizer, 2);
}

static void test_archive(void)
{
    static const char *const names[] = {"archive.keras", "archive_deflated.h5"};
    struct image *image;
    struct err err;
    for (size_t i = 0; i < KD_COUNT(names); i++) {
        image = load(names[i]);
        const struct image_content *content = image_content(image);
        CU_ASSERT_EQUAL(content->kind, IMAGE_ARCHIVE);
        CU_ASSERT_STRING_EQUAL(content->keras_version, "3.5.0");
        CU_ASSERT_PTR_NOT_NULL(strstr(content->model_config, "\"Sequential\""));
        check_layout3(image);
        CU_ASSERT_EQUAL_FATAL(content->n_assets, 1);
        CU_ASSERT_STRING_EQUAL(content->assets[0].name, "assets/layers/lookup/vocabulary.txt");
        CU_ASSERT_NSTRING_EQUAL(content->assets[0].data, "a\nb\n", 4);
        image_close(image);
    }
    CU_ASSERT_EQUAL(try_load("layout3.weights.h5", &image, &err), KD_EUNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "holds only weights (of 3 layers"));
}

static void test_example(void)
{
    struct image *image = load("examples/digits.h5");
    const struct image_content *content = image_content(image);
    CU_ASSERT_EQUAL(content->n_layers, 2);
    CU_ASSERT_EQUAL(weight(image, "dense", 0)->shape.dim[0], 784);
    double sum = 0;
    for (int i = 0; i < 1280; i++)
        sum += fabs(element(weight(image, "dense_1", 0), i));
    CU_ASSERT_TRUE(sum > 1 && sum < 1e4);
    image_close(image);
}

/* Wrong files. */

static void test_refusals(void)
{
    static const struct {
        const char *name;
        int code;
        const char *says;
    } rows[] = {
        {"truncated.h5", KD_EFORMAT, "is cut short: it has 20400 bytes and should have 34000"},
        {"cut_in_header.h5", KD_EFORMAT, "is cut short: it has 40 bytes"},
        {"zeroed_behind_header.h5", KD_EFORMAT, "damaged (HDF5: "},
        {"heap_of_zeros.h5", KD_EFORMAT, "the objects of a global heap do not fill it"},
        {"zeros.h5", KD_EFORMAT, "nothing but zero bytes"},
        {"noise.h5", KD_EFORMAT, "not an HDF5 file (it begins b7 "},
        {"empty.h5", KD_EFORMAT, "empty (0 bytes)"},
        {"lfs.h5", KD_EFORMAT,
         "Git LFS pointer, not the model itself: run 'git lfs install' and 'git lfs pull'"},
        {"page.h5", KD_EFORMAT, "a web page"},
        {"text.h5", KD_EFORMAT, "a text file, not a model; it begins 'just some notes'"},
        {"architecture.h5", KD_EUNSUPPORTED, "architecture alone"},
        {"tensorflow_js.h5", KD_EUNSUPPORTED, "TensorFlow.js"},
        {"pickle.h5", KD_EUNSUPPORTED, "Python pickle"},
        {"saved_model.h5", KD_EUNSUPPORTED, "SavedModel"},
        {"onnx.h5", KD_EUNSUPPORTED, "ONNX"},
        {"safetensors.h5", KD_EUNSUPPORTED, "safetensors"},
        {"tflite.h5", KD_EUNSUPPORTED, "TensorFlow Lite"},
        {"zip_cut.keras", KD_EFORMAT, "its end is missing"},
        {"zip_broken.keras", KD_EFORMAT, "not where it should be"},
        {"zip_teachable.h5", KD_EUNSUPPORTED, "('keras_model.h5')"},
        {"zip_torch.h5", KD_EUNSUPPORTED, "PyTorch"},
        {"zip_numpy.h5", KD_EUNSUPPORTED, "NumPy"},
        {"zip_other.h5", KD_EUNSUPPORTED, "first 'readme.txt'"},
        {"archive_no_weights.keras", KD_EFORMAT, "no model.weights.h5"},
        {"archive_sharded.keras", KD_EUNSUPPORTED, "several parts"},
        {"archive_bad_weights.keras", KD_EFORMAT, "model.weights.h5 in the archive: this is a text file"},
        {"archive_bad_crc.keras", KD_EFORMAT, "packed data is broken"},
        {"stranger.h5", KD_EUNSUPPORTED, "(it holds 'station', 'temperature')"},
        {"no_weights_group.h5", KD_EFORMAT, "lists 'model_weights'"},
        {"missing_layer.h5", KD_EFORMAT, "lists 'dense' in 'model_weights'"},
        {"missing_weight.h5", KD_EFORMAT, "lists 'bias:0' in 'dense'"},
        {"no_weight_names.h5", KD_EFORMAT, "no list 'weight_names'"},
        {"names_are_numbers.h5", KD_EFORMAT, "'layer_names' of 'model_weights' holds no text"},
        {"soft_link.h5", KD_EUNSUPPORTED, "a soft link"},
        {"external_link.h5", KD_EUNSUPPORTED, "an external link"},
        {"external_link_group.h5", KD_EUNSUPPORTED, "an external link"},
        {"external_storage.h5", KD_EUNSUPPORTED, "external storage"},
        {"virtual.h5", KD_EUNSUPPORTED, "a virtual dataset"},
        {"shape_bomb.h5", KD_ETOOBIG, "shape bomb"},
        {"many_names.h5", KD_ETOOBIG, "shape bomb"},
        {"overflow.h5", KD_EFORMAT, "overflows"},
        {"unwritten.h5", KD_EFORMAT, "no stored data"},
        {"rank9.h5", KD_EUNSUPPORTED, "has 9 dimensions"},
        {"strings.h5", KD_EUNSUPPORTED, "holds strings"},
        {"compound.h5", KD_EUNSUPPORTED, "holds compound values"},
        {"null_space.h5", KD_EUNSUPPORTED, "without a shape"},
        {"group_as_weight.h5", KD_EFORMAT, "is a group where a dataset is needed"},
        {"lzf.h5", KD_EUNSUPPORTED, "filter 32000 (lzf)"},
        {"dot_name.h5", KD_EFORMAT, "not a name that Keras writes"},
        {"many_attributes.h5", KD_ETOOBIG, "1024 attributes"},
        {"circle.weights.h5", KD_EFORMAT, "circle"},
        {"two_circles.weights.h5", KD_EFORMAT, "circle"},
        {"no_such_file.h5", KD_ENOTFOUND, "No such file"},
        {"tests/data/h5", KD_EFORMAT, "this is a directory"},
    };
    for (size_t i = 0; i < KD_COUNT(rows); i++) {
        struct image *image;
        struct err err;
        int code = try_load(rows[i].name, &image, &err);
        CU_ASSERT_PTR_NULL(image);
        CU_ASSERT_EQUAL(code, rows[i].code);
        CU_ASSERT_EQUAL(err.code, code);
        if (code != rows[i].code || !strstr(err.text, rows[i].says))
            printf("\n%s: %d '%s' lacks '%s'\n", rows[i].name, code, err.text, rows[i].says);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].says));
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].name));
    }
}

static void test_limits(void)
{
    char path[PATH_MAX];
    struct image *image;
    struct err err;
    struct load_options options = options_of(NULL);
    data_path("full.h5", path);
    options.max_file_bytes = 1000;
    CU_ASSERT_EQUAL(load_file(path, NULL, &options, &image, &err), KD_ETOOBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "34000 bytes, more than the limit of 1000"));
    options.max_file_bytes = 0;
    options.max_image_bytes = 2000;
    CU_ASSERT_EQUAL(load_file(path, NULL, &options, &image, &err), KD_ETOOBIG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "more than the limit of 2000"));
}

static void test_other_kinds_of_file(void)
{
    char path[PATH_MAX];
    struct image *image;
    struct err err;
    struct load_options options = options_of(NULL);
    CU_ASSERT_EQUAL(load_file("/dev/zero", NULL, &options, &image, &err), KD_EFORMAT);
    snprintf(path, sizeof(path), "%s/fifo.h5", directory);
    CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
    CU_ASSERT_EQUAL(load_file(path, NULL, &options, &image, &err), KD_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a pipe"));
    snprintf(path, sizeof(path), "%s/saved_model.pb", directory);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CU_ASSERT_EQUAL(load_file(directory, NULL, &options, &image, &err), KD_EUNSUPPORTED);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "SavedModel"));
}

/* Children that do not behave: what a taken-over loader could do. */

static char *write_helper(const char *name, const char *commands, char *path)
{
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fprintf(file, "#!/bin/sh\n%s\n", commands);
    fclose(file);
    chmod(path, 0700);
    return path;
}

static int load_with(const char *commands, int64_t timeout_ms, struct err *err)
{
    char helper[PATH_MAX], path[PATH_MAX];
    struct image *image = NULL;
    struct load_options options = options_of(write_helper("helper", commands, helper));
    options.timeout_ms = timeout_ms;
    int code = load_file(data_path("full.h5", path), NULL, &options, &image, err);
    CU_ASSERT_PTR_NULL(image);
    return code;
}

static void test_bad_children(void)
{
    static const struct {
        const char *commands;
        int code;
        const char *says;
    } rows[] = {
        {"kill -SEGV $$", KD_EFORMAT, "crashed the loader (signal 11"},
        {"kill -ABRT $$", KD_EFORMAT, "crashed the loader (signal 6"},
        {"kill -KILL $$", KD_ENOMEM, "lack of memory"},
        {"kill -XCPU $$", KD_ETIMEOUT, "processor time"},
        {"kill -XFSZ $$", KD_ETOOBIG, "limit for models"},
        {"exit 0", KD_EFORMAT, "too short"},
        {"head -c 4096 /dev/zero >&3; exit 0", KD_EFORMAT, "not finished"},
        {"printf 'KDIMAGE1' >&3; head -c 4096 /dev/zero >&3; exit 0", KD_EFORMAT, "damaged"},
        {"exit 1", KD_EINTERNAL, "ended with status 1"},
        {"exit 36", KD_EFORMAT, "without a reason"},
        {"printf 'a sentence\\nsecond line\\n' >&4; exit 35", KD_EUNSUPPORTED, "': a sentence"},
        {"printf 'a\\033[31m\\377b\\n' >&4; exit 36", KD_EFORMAT, "': a?[31m"},
        {"echo call 59 >&4; exit 48", KD_EFORMAT, "call 59: it is hostile"},
        {"yes >&4", KD_ETIMEOUT, "longer than"},
        {"sleep 100", KD_ETIMEOUT, "longer than"},
        {"exec 4>&-; exec sleep 100", KD_ETIMEOUT, "longer than"},
    };
    for (size_t i = 0; i < KD_COUNT(rows); i++) {
        struct err err = {0};
        int code = load_with(rows[i].commands, rows[i].code == KD_ETIMEOUT ? 300 : 20000, &err);
        CU_ASSERT_EQUAL(code, rows[i].code);
        if (!strstr(err.text, rows[i].says))
            printf("\n%s: %d '%s'\n", rows[i].commands, code, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].says));
        CU_ASSERT_PTR_NULL(strstr(err.text, "second line"));
    }
}

/* Files on which libhdf5 itself crashes or hangs (in some versions): an error, and life goes on. */
static void test_bad_library(void)
{
    static const char *const names[] = {"tests/data/h5-libhdf5/crash.h5", "tests/data/h5-libhdf5/hang.h5"};
    struct load_options options = options_of(NULL);
    options.timeout_ms = 1000;
    for (size_t i = 0; i < KD_COUNT(names); i++) {
        char path[PATH_MAX];
        struct image *image = NULL;
        struct err err = {0};
        CU_ASSERT_NOT_EQUAL(load_file(data_path(names[i], path), NULL, &options, &image, &err), 0);
        CU_ASSERT_PTR_NULL(image);
        CU_ASSERT_TRUE(strlen(err.text) > strlen(path) + 20);
    }
    image_close(load("full.h5"));
}

static void test_no_helper(void)
{
    char path[PATH_MAX];
    struct image *image = NULL;
    struct err err;
    struct load_options options = options_of("/nonexistent/kerasd-load");
    CU_ASSERT_EQUAL(load_file(data_path("full.h5", path), NULL, &options, &image, &err), KD_ENOTFOUND);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "cannot start the loader '/nonexistent/kerasd-load'"));
}

static void test_file_changes(void)
{
    char helper[PATH_MAX], path[PATH_MAX];
    struct image *image = NULL;
    struct err err;
    snprintf(path, sizeof(path), "%s/changing.model", directory);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct load_options options =
        options_of(write_helper("changing", "echo x >> \"$0.model\"; exit 36", helper));
    CU_ASSERT_EQUAL(load_file(path, NULL, &options, &image, &err), KD_EUNAVAILABLE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "changed while it was read"));
}

static void test_environment_and_descriptors(void)
{
    struct err err = {0};
    int fd = fcntl(STDIN_FILENO, F_DUPFD, 20); /* one that a child would inherit */
    setenv("SECRET_TOKEN", "hunter2", 1);
    CU_ASSERT_EQUAL(load_with("env | grep -c SECRET >&4; exit 36", 20000, &err), KD_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "': 0"));
    /* 10 is the shell's own, for this script. */
    CU_ASSERT_EQUAL(load_with("n=0; for i in 5 6 7 8 9 20 21 22 23 24 25; do\n"
                              "[ -e /proc/$$/fd/$i ] && n=$i; done; echo $n >&4; exit 36",
                              20000, &err),
                    KD_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "': 0"));
    unsetenv("SECRET_TOKEN");
    close(fd);
}

/* The jail. */

static void test_probe(void)
{
    struct buf text;
    struct err err = {0};
    bool jailed = false;
    char command[PATH_MAX];
    struct load_options options = options_of(NULL);
    buf_init(&text, 1000);
    CU_ASSERT_EQUAL(load_probe(&options, &text, &jailed, &err), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "jail: "));
    printf("[%s] ", text.data);
    if (strstr(text.data, "seccomp")) {
        CU_ASSERT_TRUE(jailed);
        snprintf(command, sizeof(command), "'%s' --check-jail > '%s/check.txt'", env("KERASD_LOAD"),
                 directory);
        CU_ASSERT_EQUAL(system(command), 0);
    }
    buf_reset(&text);
    options.jail = 0;
    CU_ASSERT_EQUAL(load_probe(&options, &text, &jailed, &err), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.data, "jail: none (switched off)"));
    CU_ASSERT_FALSE(jailed);
    options.helper = "/bin/false";
    CU_ASSERT_EQUAL(load_probe(&options, &text, &jailed, &err), KD_EINTERNAL);
    buf_done(&text);
}

static void test_without_jail(void)
{
    char path[PATH_MAX];
    struct image *image = NULL;
    struct load_options options = options_of(NULL);
    options.jail = 0;
    CU_ASSERT_EQUAL(load_file(data_path("full.h5", path), NULL, &options, &image, NULL), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(image);
    check_counts(weight(image, "dense", 0), 2, 6);
    image_close(image);
}

static int count_fds(void)
{
    int n = 0;
    DIR *fds = opendir("/proc/self/fd");
    while (fds && readdir(fds))
        n++;
    if (fds)
        closedir(fds);
    return n;
}

static void test_nothing_left(void)
{
    struct err err;
    struct image *image;
    int before = count_fds();
    for (int i = 0; i < 5; i++) {
        image_close(load("full.h5"));
        CU_ASSERT_EQUAL(try_load("truncated.h5", &image, &err), KD_EFORMAT);
    }
    CU_ASSERT_EQUAL(count_fds(), before);
    CU_ASSERT_EQUAL(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"full model", test_full},
        {"forms of attributes and storage", test_forms},
        {"types", test_dtypes},
        {"weights only", test_weights_only},
        {"names of the architecture beside weights", test_architecture_names},
        {"an architecture written as one JSON string", test_architecture_string},
        {"archive", test_archive},
        {"example", test_example},
        {"refusals", test_refusals},
        {"limits", test_limits},
        {"directory, pipe, device", test_other_kinds_of_file},
        {"bad children", test_bad_children},
        {"crash and hang of libhdf5", test_bad_library},
        {"no helper", test_no_helper},
        {"file changes", test_file_changes},
        {"environment and descriptors", test_environment_and_descriptors},
        {"probe", test_probe},
        {"without jail", test_without_jail},
        {"nothing left", test_nothing_left},
    };
    char remove[128];
    snprintf(directory, sizeof(directory), "/tmp/kerasd-load-test-XXXXXX");
    if (!getenv("KERASD_LOAD") || !getenv("KERASD_SRCDIR") || !mkdtemp(directory))
        return fputs("run by 'make check', which sets KERASD_LOAD and KERASD_SRCDIR\n", stderr), 99;
    int failed = unit_main("load", tests, KD_COUNT(tests));
    snprintf(remove, sizeof(remove), "rm -rf '%s'", directory);
    return system(remove) != 0 || failed;
}
