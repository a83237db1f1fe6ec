/* Configuration: reading, inheritance, refusals with their place, and that what is printed reads back. */
#include "conf/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "unit.h"

static char dir[] = "/tmp/kerasd-test-conf-XXXXXX";

static const char *write_file(const char *name, const char *text)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    return path;
}

static struct err err;

/* The configuration of a text, or NULL with the sentence in err. */
static struct conf *parse(const char *text)
{
    struct conf *conf = conf_new();
    if (conf_read(conf, write_file("t.conf", text), &err) == 0 && conf_finish(conf, &err) == 0)
        return conf;
    conf_free(conf);
    return NULL;
}

static void test_defaults(void)
{
    struct conf *conf = parse("");
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    CU_ASSERT_STRING_EQUAL(conf->listen, "127.0.0.1:8501");
    CU_ASSERT_EQUAL(conf->max_body, 64u << 20);
    CU_ASSERT_EQUAL(conf->request_timeout, 30000);
    CU_ASSERT_TRUE(conf->watch && conf->jail && !conf->access_log);
    CU_ASSERT_EQUAL(conf->model_directory.n, 0);
    CU_ASSERT_EQUAL(conf->defaults.versions.policy, CONF_VERSIONS_LATEST);
    CU_ASSERT_EQUAL(conf->defaults.versions.n, 1);
    CU_ASSERT_EQUAL(conf->n_models, 0);
    conf_free(conf);
}

static void test_values(void)
{
    struct conf *conf = parse("# comment\n"
                              "  listen=0.0.0.0:80  \n"
                              "max_body = 2G\n\n"
                              "idle_timeout = 2m\n"
                              "watch = off\n"
                              "model_directory = /a b\n"
                              "model_directory = /c\n"
                              "max_batch = 8\n"
                              "[model one]\npath = /m/one.h5\nversions = specific 3 5\n"
                              "labels = stable:3 canary:5\n"
                              "[model t.wo]\npath = x\nmax_batch = 2\nversions = all\n"
                              "[server]\nworkers = 3\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    CU_ASSERT_STRING_EQUAL(conf->listen, "0.0.0.0:80");
    CU_ASSERT_EQUAL(conf->max_body, 2ull << 30);
    CU_ASSERT_EQUAL(conf->idle_timeout, 120000);
    CU_ASSERT_FALSE(conf->watch);
    CU_ASSERT_EQUAL(conf->workers, 3);
    CU_ASSERT_EQUAL(conf->model_directory.n, 2);
    CU_ASSERT_STRING_EQUAL(conf->model_directory.item[0], "/a b");
    CU_ASSERT_EQUAL_FATAL(conf->n_models, 2);
    const struct conf_model *one = conf->models[0], *two = conf->models[1];
    CU_ASSERT_STRING_EQUAL(one->name, "one");
    CU_ASSERT_EQUAL(one->max_batch, 8);
    CU_ASSERT_EQUAL(one->versions.policy, CONF_VERSIONS_SPECIFIC);
    CU_ASSERT_EQUAL(one->versions.version[1], 5);
    CU_ASSERT_STRING_EQUAL(one->labels.item[1].name, "canary");
    CU_ASSERT_EQUAL(two->max_batch, 2);
    CU_ASSERT_EQUAL(two->versions.policy, CONF_VERSIONS_ALL);
    conf_free(conf);
}

/* A default that the command line sets reaches the models of the file that do not say otherwise. */
static void test_command_line(void)
{
    struct conf *conf = conf_new();
    const char *path = write_file("t.conf", "[model a]\npath = a\n[model b]\npath = b\nmax_batch = 2\n");
    CU_ASSERT_EQUAL_FATAL(conf_read(conf, path, &err), 0);
    CU_ASSERT_EQUAL(conf_set(conf, "max-batch", "16", &err), 0);
    CU_ASSERT_EQUAL(conf_set(conf, "log-level", "debug", &err), 0);
    CU_ASSERT_EQUAL(conf_set(conf, "log-level", "loud", &err), KD_EINVAL);
    CU_ASSERT_EQUAL(conf_set(conf, "path", "x", &err), KD_EINVAL);
    CU_ASSERT_TRUE(conf_is_bool("access-log") && conf_is_bool("warmup") && !conf_is_bool("listen"));
    CU_ASSERT_EQUAL(conf_finish(conf, &err), 0);
    CU_ASSERT_EQUAL(conf->models[0]->max_batch, 16);
    CU_ASSERT_EQUAL(conf->models[1]->max_batch, 2);
    CU_ASSERT_STRING_EQUAL(conf->log_level, "debug");
    conf_free(conf);
}

static void test_refusals(void)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"lisen = x\n", "t.conf:1: unknown key 'lisen'; did you mean 'listen'?"},
        {"\n\nquite_unlike_any_key = 1\n", "t.conf:3: unknown key 'quite_unlike_any_key'"},
        {"workers = many\n", "t.conf:1: workers = 'many': expected a number, 0 to 1024"},
        {"workers = 1025\n", "expected a number, 0 to 1024"},
        {"workers = -1\n", "expected a number"},
        {"max_body = 1\n", "max_body = '1': expected a size such as 512k, 64M or 2G, 1k to 4G"},
        {"request_timeout = 3h\n", "expected a time such as 250ms, 10s or 5m, 1ms to 3600s"},
        {"watch = perhaps\n", "watch = 'perhaps': expected on or off"},
        {"log_level = loud\n", "expected one of error|warn|notice|info|debug"},
        {"log_level = err\n", "expected one of"},
        {"path = /x\n", "'path' belongs under [model NAME]"},
        {"just words\n", "'just words': expected KEY = VALUE"},
        {"[model a]\npath = a\nlisten = x\n", "t.conf:3: 'listen' is a key of the daemon"},
        {"[model a]\npath = a\n[model a]\n", "t.conf:3: model 'a' is there twice"},
        {"[model ../etc]\n", "cannot be a model's name"},
        {"[model a]\n", "[model a] has no path"},
        {"[models a]\n", "a section is [model NAME] or [server]"},
        {"[server\n", "a section is"},
        {"versions = latest 0\n", "expected latest N"},
        {"versions = specific\n", "expected latest N"},
        {"versions = specific 1 x\n", "expected latest N"},
        {"versions = all 3\n", "expected latest N"},
        {"labels = a:1 a:2\n", "expected LABEL:VERSION"},
        {"labels = stable\n", "expected LABEL:VERSION"},
        {"include nowhere.conf\n", "t.conf:1: "},
        {"listen = \xff\n", "is not a text file"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct conf *conf = parse(cases[i].text);
        CU_ASSERT_PTR_NULL(conf);
        if (conf || !strstr(err.text, cases[i].sentence)) {
            printf("\n  case %zu: got '%s'", i, conf ? "accepted" : err.text);
            CU_FAIL("sentence");
        }
        conf_free(conf);
    }
}

static void test_include(void)
{
    char name[32], text[64];
    write_file("b.part", "workers = 2\n");
    write_file("a.part", "workers = 1\nhttp_threads = 5\n");
    struct conf *conf = parse("include *.part\ninclude none-*.part\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    CU_ASSERT_EQUAL(conf->workers, 2);
    CU_ASSERT_EQUAL(conf->http_threads, 5);
    conf_free(conf);
    write_file("b.part", "\nworkers = x\n");
    CU_ASSERT_PTR_NULL(parse("include *.part\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/b.part:2: workers"));
    CU_ASSERT_PTR_NULL(strstr(err.text, "t.conf"));
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof(name), "level%d", i);
        snprintf(text, sizeof(text), "include level%d\n", i + 1);
        write_file(name, text);
    }
    CU_ASSERT_PTR_NULL(parse("include level0\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "more than 8 levels"));
}

static void test_print(void)
{
    struct buf first, second;
    struct conf *conf = parse("model_directory = /x\nmodel_directory = /y\n"
                              "max_body = 65537\nidle_timeout = 1500ms\n"
                              "[model a]\npath = /a.h5\nlabels = x:1\nversions = specific 1 2\n");
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    conf_print(conf, &first);
    conf_free(conf);
    conf = parse(first.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    conf_print(conf, &second);
    CU_ASSERT_STRING_EQUAL(first.data, second.data);
    CU_ASSERT_PTR_NOT_NULL(strstr(first.data, "max_body = 65537\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(first.data, "idle_timeout = 1500ms\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(first.data, "versions = specific 1 2\n"));
    conf_free(conf);
    buf_done(&first);
    buf_done(&second);
}

/* conf/kerasd.conf is what the table says, and with every key uncommented it is the defaults. */
static void test_sample(void)
{
    struct buf sample, file, defaults, parsed;
    char path[512];
    snprintf(path, sizeof(path), "%s/conf/kerasd.conf", getenv("KERASD_SRCDIR"));
    buf_init(&sample, 1 << 20);
    buf_init(&file, 1 << 20);
    buf_init(&defaults, 1 << 20);
    buf_init(&parsed, 1 << 20);
    conf_print_sample(&sample);
    CU_ASSERT_EQUAL_FATAL(fd_read_file(path, &file, &err), 0);
    /* If it is stale: kerasd check-config --sample > conf/kerasd.conf */
    CU_ASSERT_STRING_EQUAL(sample.data, file.data);

    struct conf *conf = parse("");
    conf_print(conf, &defaults);
    conf_free(conf);
    char *models = strstr(sample.data, "#[model digits]");
    CU_ASSERT_PTR_NOT_NULL_FATAL(models);
    *models = '\0';
    for (char *c = sample.data; *c; c++)
        if (c[0] == '#' && (c == sample.data || c[-1] == '\n') && c[1] >= 'a' && c[1] <= 'z')
            *c = ' ';
    conf = parse(sample.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(conf);
    conf_print(conf, &parsed);
    CU_ASSERT_STRING_EQUAL(defaults.data, parsed.data);
    conf_free(conf);
    buf_done(&sample);
    buf_done(&file);
    buf_done(&defaults);
    buf_done(&parsed);
}

static void test_restart_changes(void)
{
    struct conf *old = parse("listen = a:1\nmax_body = 1M\nmax_batch = 3\n");
    struct conf *now = parse("listen = b:1\nmax_body = 2M\nmax_batch = 4\nworkers = 7\n");
    struct buf text;
    buf_init(&text, 1000);
    conf_print_restart_changes(old, now, &text);
    CU_ASSERT_STRING_EQUAL(text.data, "listen, workers");
    buf_done(&text);
    conf_free(old);
    conf_free(now);
}

int main(void)
{
    static const struct unit_test tests[] = {
        {"defaults", test_defaults}, {"values", test_values},   {"command line", test_command_line},
        {"refusals", test_refusals}, {"include", test_include}, {"print", test_print},
        {"sample", test_sample},     {"restart changes", test_restart_changes},
    };
    if (!mkdtemp(dir))
        return 99;
    int failed = unit_main("conf", tests, sizeof(tests) / sizeof(tests[0]));
    char command[300];
    snprintf(command, sizeof(command), "rm -r '%s'", dir);
    return system(command) ? 99 : failed;
}
