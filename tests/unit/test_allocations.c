/* A predict allocates nothing once its buffers have grown: what is no part of a predict (a thread that looks after
 * connections) may, so one of some rounds must be without. The linker puts counting functions before the calls of the
 * allocator in all of our objects (-Wl,--wrap); what libmicrohttpd and libc do inside is not ours and not counted. The
 * requests come over a real socket, 64 rows of 784 numbers, by all formats, inline and through the queue. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size.h"
#include "conf/conf.h"
#include "http/http.h"
#include "kernels/cpu.h"
#include "obs/log.h"
#include "registry/registry.h"
#include "sched/pool.h"
#include "unit.h"

#define ROWS 64
#define COLUMNS 784
#define REQUESTS 50
#define ROUNDS 10

/* ---- counting ---- */

static long n_allocations; /* atomic; frees are not interesting */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

static void count(void)
{
    __atomic_add_fetch(&n_allocations, 1, __ATOMIC_RELAXED);
}

void *__wrap_malloc(size_t size)
{
    count();
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    count();
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    count();
    return __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    count();
    return __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    count();
    return __real_strdup(text);
}

/* ---- a server in this process ---- */

static struct conf *conf;
static struct sched_pool *pool;
static struct registry *registry;
static struct http *http;
static struct err err;

static void set(const char *key, const char *value)
{
    CU_ASSERT_EQUAL_FATAL(conf_set(conf, key, value, &err), 0);
}

static void start(int64_t inline_max_ns)
{
    const char *source = getenv("KERASD_SRCDIR");
    char path[512];
    FILE *file = fopen("test_allocations.conf", "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    snprintf(path, sizeof(path), "%s/examples/digits.h5", source ? source : ".");
    char *absolute = realpath(path, NULL);
    fprintf(file, "watch = off\n[model digits]\npath = %s\n", absolute);
    free(absolute);
    fclose(file);
    conf = conf_new();
    set("loader", getenv("KERASD_LOAD"));
    CU_ASSERT_EQUAL_FATAL(conf_read(conf, "test_allocations.conf", &err), 0);
    unlink("test_allocations.conf");
    CU_ASSERT_EQUAL_FATAL(conf_finish(conf, &err), 0);
    struct sched_pool_options options = {.n_workers = 1, .max_bytes = 1 << 30, .inline_max_ns = inline_max_ns};
    CU_ASSERT_EQUAL_FATAL(sched_pool_new(&options, &pool, &err), 0);
    struct registry_options of_registry = {.conf = conf, .pool = pool};
    CU_ASSERT_EQUAL_FATAL(registry_new(&of_registry, &registry, &err), 0);
    CU_ASSERT_EQUAL_FATAL(registry_run(registry, REGISTRY_RELOAD_ALL, NULL, &err), 0);
    CU_ASSERT_EQUAL_FATAL(http_new(conf, registry, "test", &http, &err), 0);
    CU_ASSERT_EQUAL_FATAL(http_listen(http, HTTP_ROLE_DATA, "127.0.0.1:0", -1, &err), 0);
}

static void stop(void)
{
    http_quiesce(http);
    sched_pool_stop(pool);
    CU_ASSERT_TRUE(registry_stop(registry, clock_now_ns() + INT64_C(100000000000)));
    http_free(http);
    registry_free(registry);
    sched_pool_free(pool);
}

/* ---- requests, in memory of this file ---- */

static char request[4 << 20], body[4 << 20], answer[1 << 20];
static size_t request_length, body_length;

static void put(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    body_length += (size_t)vsnprintf(body + body_length, sizeof(body) - body_length, format, args);
    va_end(args);
}

static void put_numbers(const char *open, const char *close)
{
    for (int i = 0; i < ROWS * COLUMNS; i++)
        put("%s%.4f%s%s", i % COLUMNS == 0 ? open : "", (i % 97) / 97.0, i % COLUMNS == COLUMNS - 1 ? close : "",
            i == ROWS * COLUMNS - 1 ? "" : ",");
}

static void finish_request(const char *path, const char *fields)
{
    request_length = (size_t)snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: "
                                                                "%zu\r\n\r\n", path, fields, body_length);
    memcpy(request + request_length, body, body_length);
    request_length += body_length;
    body_length = 0;
}

#define V2_INPUT "{\"inputs\":[{\"name\":\"dense_input\",\"shape\":[64,784],\"datatype\":\"FP32\","

static void make_rows(void)
{
    put("{\"instances\":[");
    put_numbers("[", "]");
    put("]}");
    finish_request("/v1/models/digits:predict", "");
}

static void make_columns(void)
{
    put("{\"inputs\":[");
    put_numbers("[", "]");
    put("]}");
    finish_request("/v1/models/digits:predict", "X-Request-Id: a\r\n");
}

static void make_v2(void)
{
    put(V2_INPUT "\"data\":[");
    put_numbers("", "");
    put("]}]}");
    finish_request("/v2/models/digits/infer", "");
}

static void make_binary(void)
{
    char fields[100];
    put(V2_INPUT "\"parameters\":{\"binary_data_size\":%d}}],\"parameters\":{\"binary_data_output\":true}}", ROWS * COLUMNS * 4);
    snprintf(fields, sizeof(fields), "Inference-Header-Content-Length: %zu\r\n", body_length);
    memset(body + body_length, 0, ROWS * COLUMNS * 4);
    body_length += ROWS * COLUMNS * 4;
    finish_request("/v2/models/digits/infer", fields);
}

/* Sends the request and reads the answer; true if that is 200. */
static bool ask(int fd)
{
    for (size_t sent = 0; sent < request_length;) {
        ssize_t n = send(fd, request + sent, request_length - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        sent += (size_t)n;
    }
    size_t length = 0, wanted = sizeof(answer) - 1;
    while (length < wanted) {
        ssize_t n = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);
        if (n <= 0)
            return false;
        length += (size_t)n;
        answer[length] = '\0';
        const char *end = strstr(answer, "\r\n\r\n"), *field = strstr(answer, "Content-Length: ");
        if (end && field)
            wanted = (size_t)(end + 4 - answer) + strtoul(field + strlen("Content-Length: "), NULL, 10);
    }
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}

static int connect_to(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void check_formats(void)
{
    static const struct {
        const char *name;
        void (*make)(void);
    } formats[] = {{"rows", make_rows}, {"columns", make_columns}, {"V2", make_v2}, {"V2 binary", make_binary}};
    int fd = connect_to(http_address(http, HTTP_ROLE_DATA));
    for (size_t i = 0; i < KD_COUNT(formats); i++) {
        bool ok = true;
        long n = 1;
        formats[i].make();
        for (int round = 0; round < ROUNDS && n > 0; round++) {
            long before = __atomic_load_n(&n_allocations, __ATOMIC_RELAXED);
            for (int k = 0; k < REQUESTS; k++)
                ok = ok && ask(fd);
            n = __atomic_load_n(&n_allocations, __ATOMIC_RELAXED) - before;
        }
        CU_ASSERT_TRUE(ok);
        CU_ASSERT_EQUAL(n, 0);
        if (!ok || n)
            printf("%s: %ld allocations in %d requests; the last answer: %.300s\n", formats[i].name, n, REQUESTS, answer);
    }
    close(fd);
}

/* ---- tests ---- */

static void test_counts(void)
{
    long before = n_allocations;
    struct conf *one = conf_new();
    CU_ASSERT_TRUE(n_allocations > before); /* or the linker did not do its part */
    conf_free(one);
}

static void test_inline(void)
{
    start(INT64_C(1000000000));
    check_formats();
    stop();
}

static void test_queued(void)
{
    start(0);
    check_formats();
    stop();
}

int main(void)
{
    static const struct unit_test tests[] = {{"counts", test_counts}, {"inline", test_inline}, {"queued", test_queued}};
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    kernels_init();
    return unit_main("allocations", tests, KD_COUNT(tests));
}
