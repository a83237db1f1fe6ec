/* golden: every committed case against the numbers of the Keras that wrote it, without Python.
 *
 *   cases/<environment>/<family>.json ─► model file ─► load_file ─► keras_build ─► engine ─► compare
 *
 * Each case is built with and without fusion, run with the batch as it is, and row by row where rows do not
 * depend on each other. Several cases run at once in child processes, so that a crash costs one case, not the
 * report.
 *
 * usage: golden [--report] [--verbose] [TEXT ...]   only cases whose environment/family/name contains one of
 * the texts */
#include <cjson/cJSON.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/size.h"
#include "base/str.h"
#include "base/thread.h"
#include "engine/engine.h"
#include "golden/compare.h"
#include "golden/report.h"
#include "image/image.h"
#include "keras/keras.h"
#include "load/load.h"

#define MAX_TENSORS 64
#define MAX_FILE (64u << 20)

struct manifest {
    const char *label; /* "tf215/core" */
    const char *folder;
    cJSON *json;
    struct buf data;
};

/* What one case has to say; sent from the child through a pipe. */
struct verdict {
    int failed;
    double worst; /* error relative to the largest expected value */
    char text[2048];
};

static bool report_wanted, verbose;

static void fail(struct verdict *verdict, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fail(struct verdict *verdict, const char *format, ...)
{
    va_list args;
    if (verdict->failed)
        return;
    verdict->failed = 1;
    va_start(args, format);
    vsnprintf(verdict->text, sizeof(verdict->text), format, args);
    va_end(args);
}

static const char *string_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* ---- one run ---- */

struct run {
    struct engine *engine;
    struct engine_worker *worker;
    size_t n_inputs, n_outputs;
    struct tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
};

static void free_data(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(tensors[i].data);
}

static bool allocate_outputs(struct run *run, const struct engine_plan *plan)
{
    for (size_t i = 0; i < run->n_outputs; i++) {
        struct tensor *output = &run->outputs[i];
        size_t bytes;
        output->shape = *engine_plan_output_shape(plan, i);
        output->dtype = engine_output_dtype(run->engine, i);
        output->data = NULL;
        if (!tensor_bytes(output->dtype, &output->shape, &bytes))
            return false;
        output->data = aligned_alloc(64, size_align(bytes + 1, 64));
    }
    return true;
}

/* outputs are allocated here; free them with free_data. */
static int execute(struct run *run, struct err *err)
{
    struct engine_plan *plan;
    memset(run->outputs, 0, sizeof(run->outputs));
    int rc = engine_plan_get_for(run->engine, run->inputs, &plan, err);
    if (rc != 0)
        return rc;
    if (allocate_outputs(run, plan))
        rc = engine_run(plan, run->worker, run->inputs, run->outputs, err);
    else
        rc = err_set(err, KD_EINTERNAL, "the plan's output shapes are not known");
    engine_plan_put(plan);
    return rc;
}

/* ---- comparing ---- */

static void check_outputs(const struct manifest *manifest, const cJSON *set, const struct run *run,
                          double tolerance, int64_t row, const char *what, struct verdict *verdict)
{
    const cJSON *entry;
    size_t i = 0;
    cJSON_ArrayForEach(entry, member(set, "outputs"))
    {
        struct tensor expected;
        char text[512];
        double error = 0;
        if (i >= run->n_outputs) {
            fail(verdict, "%s: %zu outputs, more expected", what, run->n_outputs);
            return;
        }
        if (!golden_tensor(entry, &manifest->data, row, &expected)) {
            fail(verdict, "the manifest's output %zu is malformed", i);
            return;
        }
        if (!golden_compare(&run->outputs[i], &expected, golden_scale(entry, &manifest->data), tolerance,
                            &error, text, sizeof(text)))
            fail(verdict, "%s: output '%s': %s", what, string_of(entry, "name"), text);
        if (error > verdict->worst || isnan(error))
            verdict->worst = error;
        free(expected.data);
        i++;
    }
}

static int read_inputs(const struct manifest *manifest, const cJSON *set, int64_t row, struct run *run)
{
    const cJSON *entry;
    run->n_inputs = 0;
    cJSON_ArrayForEach(entry, member(set, "inputs"))
    {
        if (run->n_inputs == MAX_TENSORS ||
            !golden_tensor(entry, &manifest->data, row, &run->inputs[run->n_inputs]))
            return -1;
        run->n_inputs++;
    }
    return 0;
}

/* Inputs are of the model's type already, or of one that the door would cast. */
static void check_inputs(const struct run *run, struct verdict *verdict)
{
    if (run->n_inputs != engine_n_inputs(run->engine)) {
        fail(verdict, "the model has %zu inputs, %zu expected", engine_n_inputs(run->engine), run->n_inputs);
        return;
    }
    for (size_t i = 0; i < run->n_inputs; i++)
        if (dtype_storage(run->inputs[i].dtype) != dtype_storage(engine_input_dtype(run->engine, i)))
            fail(verdict, "input '%s' is %s, expected %s", engine_input_name(run->engine, i),
                 dtype_name(engine_input_dtype(run->engine, i)), dtype_name(run->inputs[i].dtype));
}

static void run_set(const struct manifest *manifest, const cJSON *set, struct run *run, double tolerance,
                    int64_t row, const char *what, struct verdict *verdict)
{
    struct err err = {0};
    if (read_inputs(manifest, set, row, run) != 0) {
        fail(verdict, "the manifest's inputs are malformed");
    } else {
        check_inputs(run, verdict);
        if (!verdict->failed && execute(run, &err) != 0)
            fail(verdict, "%s: run: %s", what, err.text);
        if (!verdict->failed)
            check_outputs(manifest, set, run, tolerance, row, what, verdict);
        free_data(run->outputs, verdict->failed ? 0 : run->n_outputs);
    }
    free_data(run->inputs, run->n_inputs);
}

static int64_t batch_of(const cJSON *set)
{
    const cJSON *shape = member(member(set, "inputs")->child, "shape");
    return cJSON_GetArraySize(shape) > 0 ? (int64_t)shape->child->valuedouble : 1;
}

static void run_model(const struct manifest *manifest, const cJSON *item, struct keras_model *model,
                      const char *what, struct verdict *verdict)
{
    struct run run = {.engine = keras_model_engine(model), .worker = engine_worker_new()};
    double tolerance = member(item, "tolerance")->valuedouble;
    const cJSON *set;
    char text[96];
    run.n_outputs = engine_n_outputs(run.engine);
    if (run.n_outputs > MAX_TENSORS)
        fail(verdict, "too many outputs for this program");
    cJSON_ArrayForEach(set, member(item, "sets"))
    {
        int64_t batch = batch_of(set);
        snprintf(text, sizeof(text), "%s, batch of %lld", what, (long long)batch);
        run_set(manifest, set, &run, tolerance, -1, text, verdict);
        for (int64_t row = 0; row < batch && batch > 1 && !cJSON_IsTrue(member(item, "mixes_rows")); row++) {
            snprintf(text, sizeof(text), "%s, row %lld of %lld alone", what, (long long)row,
                     (long long)batch);
            run_set(manifest, set, &run, tolerance, row, text, verdict);
        }
    }
    engine_worker_free(run.worker);
}

/* ---- one case ---- */

static void read_options(const cJSON *item, struct keras_options *ret)
{
    const cJSON *options = member(item, "options");
    const cJSON *sidecar = member(options, "sidecar");
    ret->sidecar = cJSON_IsString(sidecar) ? sidecar->valuestring : NULL;
    ret->no_lambda_recovery = cJSON_IsTrue(member(options, "no_lambda_recovery"));
    ret->ignore_training_true = cJSON_IsTrue(member(options, "ignore_training_true"));
    ret->legacy_bilinear = cJSON_IsTrue(member(options, "legacy_bilinear"));
    ret->flip_theano_kernels = cJSON_IsTrue(member(options, "flip_theano_kernels"));
}

static void check_refusal(const cJSON *item, int rc, const struct err *err, struct verdict *verdict)
{
    const cJSON *word;
    if (rc == 0) {
        fail(verdict, "served, but it must be refused");
        return;
    }
    cJSON_ArrayForEach(word, member(item, "refused"))
    {
        if (!strstr(err->text, word->valuestring))
            fail(verdict, "refused without naming '%s': %s", word->valuestring, err->text);
    }
    if (verbose)
        printf("    refused: %s\n", err->text);
}

static void check_warnings(const cJSON *item, const struct keras_model *model, struct verdict *verdict)
{
    const cJSON *word;
    cJSON_ArrayForEach(word, member(item, "warns"))
    {
        bool found = false;
        for (size_t i = 0; i < keras_model_n_warnings(model); i++)
            found = found || strstr(keras_model_warning(model, i), word->valuestring);
        if (!found)
            fail(verdict, "no warning says '%s'", word->valuestring);
    }
    for (size_t i = 0; verbose && i < keras_model_n_warnings(model); i++)
        printf("    warning: %s\n", keras_model_warning(model, i));
}

/* The model as a plain file: the committed ones are compressed. Returns false if it can't be unpacked. */
static bool unpack(const char *path, char *plain, size_t size)
{
    char packed[PATH_MAX + 4], bytes[65536];
    snprintf(packed, sizeof(packed), "%s.gz", path);
    gzFile in = access(path, R_OK) == 0 ? NULL : gzopen(packed, "rb");
    if (!in) {
        snprintf(plain, size, "%s", path);
        return access(path, R_OK) == 0;
    }
    snprintf(plain, size, "%s/kerasd-golden-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    int out = mkstemp(plain), n = 0;
    bool good = out >= 0;
    while (good && (n = gzread(in, bytes, sizeof(bytes))) > 0)
        good = fd_write_full(out, bytes, (size_t)n) == 0;
    fd_close(&out);
    return gzclose(in) == Z_OK && good && n == 0;
}

/* The path of a plain copy of what the case calls `key`; false if there is none or it cannot be made. */
static bool unpack_part(const struct manifest *manifest, const cJSON *item, const char *key, char *plain)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", manifest->folder, string_of(item, key));
    return member(item, key) && unpack(path, plain, PATH_MAX);
}

static int load_case(const struct manifest *manifest, const cJSON *item, struct image **ret, struct err *err)
{
    struct load_options load = {.helper = getenv("KERASD_LOAD")};
    char file[PATH_MAX] = "", architecture[PATH_MAX] = "";
    bool has = unpack_part(manifest, item, "architecture", architecture);
    int rc = unpack_part(manifest, item, "file", file)
                 ? load_file(file, has ? architecture : NULL, &load, ret, err)
                 : err_set(err, KD_EIO, "cannot unpack '%s.gz'", string_of(item, "file"));
    if (!str_starts(file, manifest->folder))
        unlink(file);
    if (has && !str_starts(architecture, manifest->folder))
        unlink(architecture);
    return rc;
}

static void run_case(const struct manifest *manifest, const cJSON *item, struct verdict *verdict)
{
    static const char *const what[] = {"fused", "unfused"};
    struct keras_options options = {0};
    struct image *image = NULL;
    struct err err = {0};
    int rc = load_case(manifest, item, &image, &err);
    read_options(item, &options);
    for (int unfused = 0; unfused < 2 && !verdict->failed; unfused++) {
        struct keras_model *model = NULL;
        options.no_fusion = unfused;
        if (rc == 0)
            rc = keras_build(image, &options, &model, &err);
        if (member(item, "refused")) {
            check_refusal(item, rc, &err, verdict);
            break;
        }
        if (rc != 0) {
            fail(verdict, "%s", err.text);
            break;
        }
        if (!unfused)
            check_warnings(item, model, verdict);
        run_model(manifest, item, model, what[unfused], verdict);
        keras_model_free(model);
    }
    image_close(image);
}

/* ---- cases in child processes ---- */

struct child {
    pid_t pid;
    int fd;
    const struct manifest *manifest;
    const cJSON *item;
};

static struct child start_case(const struct manifest *manifest, const cJSON *item)
{
    struct child child = {.manifest = manifest, .item = item, .fd = -1};
    int fds[2];
    fflush(stdout);
    if (pipe(fds) != 0 || (child.pid = fork()) < 0)
        exit(99);
    if (child.pid == 0) {
        struct verdict verdict = {0};
        close(fds[0]);
        alarm(120);
        run_case(manifest, item, &verdict);
        fflush(stdout);
        _exit(write(fds[1], &verdict, sizeof(verdict)) == (ssize_t)sizeof(verdict) ? 0 : 1);
    }
    close(fds[1]);
    child.fd = fds[0];
    return child;
}

static size_t n_cases, n_failed;
static double worst_of_family;

/* Above this tolerance a case is about a type of few bits. */
#define LOW_PRECISION 1e-3

static void report_case(const struct child *child, const struct verdict *verdict)
{
    const cJSON *name, *tolerance = member(child->item, "tolerance");
    printf("%-24s %-56s %.2g\n", child->manifest->label, string_of(child->item, "name"), verdict->worst);
    cJSON_ArrayForEach(name, member(child->item, "classes"))
    {
        if (tolerance)
            golden_report_add(name->valuestring, string_of(child->manifest->json, "environment"), verdict->worst,
                              tolerance->valuedouble >= LOW_PRECISION);
    }
}

static void finish_case(struct child *child)
{
    struct verdict verdict = {0};
    int status;
    bool told = read(child->fd, &verdict, sizeof(verdict)) == (ssize_t)sizeof(verdict);
    close(child->fd);
    waitpid(child->pid, &status, 0);
    if (!told)
        fail(&verdict, "the process ended by %s %d", WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    n_cases++;
    n_failed += verdict.failed != 0;
    if (verdict.worst > worst_of_family)
        worst_of_family = verdict.worst;
    if (verdict.failed)
        printf("FAIL %s/%s: %s\n", child->manifest->label, string_of(child->item, "name"), verdict.text);
    else if (report_wanted)
        report_case(child, &verdict);
    child->fd = -1;
}

static bool wanted(const struct manifest *manifest, const cJSON *item, char *const *texts, int n_texts)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", manifest->label, string_of(item, "name"));
    for (int i = 0; i < n_texts; i++)
        if (strstr(full, texts[i]))
            return true;
    return n_texts == 0;
}

static void run_manifest(const struct manifest *manifest, char *const *texts, int n_texts)
{
    enum { SLOTS = 4 };
    struct child slots[SLOTS];
    size_t at = 0, before = n_cases, before_failed = n_failed;
    const cJSON *item;
    for (size_t i = 0; i < SLOTS; i++)
        slots[i].fd = -1;
    worst_of_family = 0;
    cJSON_ArrayForEach(item, member(manifest->json, "cases"))
    {
        if (!wanted(manifest, item, texts, n_texts))
            continue;
        if (slots[at].fd >= 0)
            finish_case(&slots[at]);
        slots[at] = start_case(manifest, item);
        at = (at + 1) % SLOTS;
    }
    for (size_t i = 0; i < SLOTS; i++, at = (at + 1) % SLOTS)
        if (slots[at].fd >= 0)
            finish_case(&slots[at]);
    if (n_cases > before)
        printf("%-24s %4zu cases, %zu failed, worst error %.2g\n", manifest->label, n_cases - before,
               n_failed - before_failed, worst_of_family);
}

/* ---- manifests ---- */

static bool read_manifest(const char *path, struct manifest *ret)
{
    struct err err = {0};
    struct buf text;
    char full[2 * PATH_MAX];
    static char folder[PATH_MAX], label[256];
    buf_init(&text, MAX_FILE);
    snprintf(folder, sizeof(folder), "%s", path);
    dirname(folder);
    if (fd_read_file(path, &text, &err) != 0 ||
        !(ret->json = cJSON_ParseWithLength(text.data, text.length))) {
        fprintf(stderr, "%s: %s\n", path, err.text[0] ? err.text : "not JSON");
        return false;
    }
    buf_done(&text);
    snprintf(label, sizeof(label), "%.100s/%.100s", string_of(ret->json, "environment"),
             string_of(ret->json, "family"));
    ret->folder = folder;
    ret->label = label;
    buf_init(&ret->data, MAX_FILE);
    snprintf(full, sizeof(full), "%s/%s", folder, string_of(ret->json, "data"));
    if (fd_read_file(full, &ret->data, &err) == 0)
        return true;
    fprintf(stderr, "%s\n", err.text);
    return false;
}

int main(int argc, char **argv)
{
    const char *source = getenv("KERASD_SRCDIR");
    char pattern[PATH_MAX];
    glob_t found;
    int first = 1;
    for (; first < argc && argv[first][0] == '-'; first++) {
        report_wanted |= strcmp(argv[first], "--report") == 0;
        verbose |= strcmp(argv[first], "--verbose") == 0;
    }
    snprintf(pattern, sizeof(pattern), "%s/tests/golden/cases/*/*.json", source ? source : ".");
    if (glob(pattern, 0, NULL, &found) != 0) {
        fprintf(stderr, "no golden cases at %s\n", pattern);
        return 1;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct manifest manifest = {0};
        if (!read_manifest(found.gl_pathv[i], &manifest)) {
            n_failed++;
            continue;
        }
        run_manifest(&manifest, argv + first, argc - first);
        cJSON_Delete(manifest.json);
        buf_done(&manifest.data);
    }
    globfree(&found);
    if (report_wanted)
        golden_report_print();
    printf("golden: %zu cases, %zu failed\n", n_cases, n_failed);
    return n_failed > 0 || n_cases == 0;
}
