/* route: one table says what exists; finding a route, and the answers for what does not exist and for wrong methods,
 * come from the same loop. Under /v1 TensorFlow Serving's habits hold: any case, and "Malformed request" for
 * everything that its grammar does not have: 400, but 405 for methods that no path there takes. */
#include "http/route.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/size.h"
#include "base/str.h"
#include "http/admin.h"
#include "http/docs.h"
#include "http/request.h"
#include "http/server.h"
#include "http/v1.h"
#include "http/v2.h"

#define V1_MODEL "/v1/models/{model}{selector}"
#define V2_MODEL "/v2/models/{model}{version}"

/* The first that matches is taken: the hot ones come first, fixed names before {model}. */
static const struct route routes[] = {
    {V1_MODEL ":predict", "POST", ACCESS_INFERENCE, false, v1_predict_begin, v1_predict_body, v1_predict_end, "v1Predict"},
    {V2_MODEL "/infer", "POST", ACCESS_INFERENCE, false, v2_infer_begin, v2_infer_body, v2_infer_end, "v2Infer"},
    {V1_MODEL ":classify", "POST", ACCESS_INFERENCE, false, v1_examples_begin, v1_predict_body, v1_classify_end, "v1Classify"},
    {V1_MODEL ":regress", "POST", ACCESS_INFERENCE, false, v1_examples_begin, v1_predict_body, v1_regress_end, "v1Regress"},
    {V1_MODEL ":explain", "POST", ACCESS_INFERENCE, false, NULL, NULL, v1_explain, NULL},
    {V1_MODEL "/metadata", "GET", ACCESS_METADATA, false, NULL, NULL, v1_metadata, "v1Metadata"},
    {V1_MODEL, "GET", ACCESS_METADATA, false, NULL, NULL, v1_status, "v1Status"},
    {"/v1/models", "GET", ACCESS_METADATA, false, NULL, NULL, v1_list, "v1List"},
    {"/v1/config/reload", "POST", ACCESS_CONTROL, false, NULL, NULL, v1_reload, "v1Reload"},
    {"/v1/config", "GET", ACCESS_METADATA, false, NULL, NULL, v1_config, "v1Config"},
    {"/v2/health/live", "GET", ACCESS_HEALTH, true, NULL, NULL, v2_live, "v2Live"},
    {"/v2/health/ready", "GET", ACCESS_HEALTH, true, NULL, NULL, v2_ready, "v2Ready"},
    {"/v2/models/stats", "GET", ACCESS_METADATA, false, NULL, NULL, v2_stats, "v2Statistics"},
    {"/v2/models", "GET", ACCESS_METADATA, false, NULL, NULL, v2_models, "v2Models"},
    {V2_MODEL "/ready", "GET", ACCESS_HEALTH, true, NULL, NULL, v2_model_ready, "v2ModelReady"},
    {V2_MODEL "/config", "GET", ACCESS_METADATA, false, NULL, NULL, v2_config, "v2ModelConfig"},
    {V2_MODEL "/stats", "GET", ACCESS_METADATA, false, NULL, NULL, v2_stats, "v2ModelStatistics"},
    {V2_MODEL "/generate", "POST", ACCESS_INFERENCE, false, NULL, NULL, v2_refuse, NULL},
    {V2_MODEL "/generate_stream", "POST", ACCESS_INFERENCE, false, NULL, NULL, v2_refuse, NULL},
    {V2_MODEL "/trace/setting", "GET POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {V2_MODEL, "GET", ACCESS_METADATA, false, NULL, NULL, v2_metadata, "v2ModelMetadata"},
    {"/v2/repository/index", "POST", ACCESS_METADATA, false, NULL, NULL, v2_index, "v2RepositoryIndex"},
    {"/v2/repository/{any}/index", "POST", ACCESS_METADATA, false, NULL, NULL, v2_index, NULL},
    {"/v2/repository/models/{model}/load", "POST", ACCESS_CONTROL, false, NULL, NULL, v2_load, "v2RepositoryLoad"},
    {"/v2/repository/models/{model}/unload", "POST", ACCESS_CONTROL, false, NULL, NULL, v2_unload, "v2RepositoryUnload"},
    {"/v2/repository/{any}/models/{any}/load", "POST", ACCESS_CONTROL, false, NULL, NULL, v2_named_repository, NULL},
    {"/v2/repository/{any}/models/{any}/unload", "POST", ACCESS_CONTROL, false, NULL, NULL, v2_named_repository, NULL},
    {"/v2/trace/setting", "GET POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/logging", "GET POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/{any}/status", "GET", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/{any}/region/{any}/status", "GET", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/{any}/register", "POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/{any}/region/{any}/register", "POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/{any}/unregister", "POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2/{any}/region/{any}/unregister", "POST", ACCESS_METADATA, false, NULL, NULL, v2_refuse, NULL},
    {"/v2", "GET", ACCESS_METADATA, false, NULL, NULL, v2_server, "v2Server"},
    {"/metrics", "GET", ACCESS_METRICS, true, NULL, NULL, admin_metrics, "metrics"},
    {"/monitoring/prometheus/metrics", "GET", ACCESS_METRICS, true, NULL, NULL, admin_metrics, "metricsTfs"},
    {"/livez", "GET", ACCESS_HEALTH, true, NULL, NULL, admin_livez, "livez"},
    {"/readyz", "GET", ACCESS_HEALTH, true, NULL, NULL, admin_readyz, "readyz"},
    {"/healthz", "GET", ACCESS_HEALTH, true, NULL, NULL, admin_livez, "healthz"},
    {"/ping", "GET", ACCESS_HEALTH, true, NULL, NULL, admin_ping, "ping"},
    {"/openapi.json", "GET", ACCESS_METADATA, false, NULL, NULL, docs_openapi, "openapi"},
    {"/docs", "GET", ACCESS_METADATA, false, NULL, NULL, docs_page, "docs"},
    {"/", "GET", ACCESS_HEALTH, true, NULL, NULL, admin_root, "root"},
};
#define N_ROUTES KD_COUNT(routes)

const struct route *route_table(size_t *ret_n)
{
    *ret_n = N_ROUTES;
    return routes;
}

size_t route_index(const struct route *route)
{
    return route ? (size_t)(route - routes) : N_ROUTES;
}

/* ---- matching ---- */

/* What a path was taken apart into; pieces of the target, still encoded. */
struct match {
    struct str_view model, label, version;
};

static const char *skip_segment(const char *at, const char *end, bool v1)
{
    while (at < end && *at != '/' && !(v1 && *at == ':'))
        at++;
    return at;
}

static bool starts_with(const char *at, const char *end, const char *word, bool any_case)
{
    size_t length = strlen(word);
    return (size_t)(end - at) >= length &&
           (any_case ? strncasecmp(at, word, length) == 0 : memcmp(at, word, length) == 0);
}

/* "/versions/12" or "/labels/x", or nothing. NULL if it begins so but does not go on so. */
static const char *take_selector(const char *at, const char *end, bool v1, struct match *ret)
{
    bool version = starts_with(at, end, "/versions/", v1), label = v1 && starts_with(at, end, "/labels/", true);
    if (!version && !label)
        return at;
    const char *from = at + (version ? strlen("/versions/") : strlen("/labels/")), *to = skip_segment(from, end, v1);
    if (to == from)
        return NULL;
    for (const char *digit = from; version && digit < to; digit++)
        if (*digit < '0' || *digit > '9')
            return NULL;
    *(version ? &ret->version : &ret->label) = (struct str_view){from, (size_t)(to - from)};
    return to;
}

/* One {placeholder}; *pattern goes behind it. */
static const char *take_placeholder(const char **pattern, const char *at, const char *end, bool v1, struct match *ret)
{
    const char *name = *pattern + 1, *from = at;
    *pattern = strchr(*pattern, '}') + 1;
    if (*name == 's' || *name == 'v')
        return take_selector(at, end, v1, ret);
    at = skip_segment(at, end, v1);
    if (at == from)
        return NULL;
    if (*name == 'm')
        ret->model = (struct str_view){from, (size_t)(at - from)};
    return at;
}

/* Under /v1 letters match in any case up to the selector; the verb behind it must be exact. */
static bool match_path(const char *pattern, const char *at, const char *end, struct match *ret)
{
    bool v1 = strncmp(pattern, "/v1", 3) == 0, any_case = v1;
    *ret = (struct match){.model = {NULL, 0}};
    while (*pattern) {
        if (*pattern == '{') {
            any_case = any_case && pattern[1] != 's';
            at = take_placeholder(&pattern, at, end, v1, ret);
            if (!at)
                return false;
            continue;
        }
        if (at == end || (*at != *pattern && !(any_case && (*at | 0x20) == *pattern)))
            return false;
        at++;
        pattern++;
    }
    return at == end;
}

/* True if the route takes the method; its methods are words. */
static bool takes(const struct route *route, enum method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
        return strstr(route->method, "GET") != NULL;
    case METHOD_POST:
        return strstr(route->method, "POST") != NULL;
    default:
        return false;
    }
}

/* ---- what was found ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding. No name is longer than the room or has a NUL: such ones become a name that does not exist. */
static void decode(struct str_view text, char *ret, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.length && n + 1 < size; i++) {
        int high = -1, low = -1;
        if (text.data[i] == '%' && i + 2 < text.length) {
            high = hex_digit(text.data[i + 1]);
            low = hex_digit(text.data[i + 2]);
        }
        bool escape = high >= 0 && low >= 0;
        char c = escape ? (char)(high * 16 + low) : text.data[i];
        i += escape ? 2 : 0;
        ret[n++] = c ? c : '?';
    }
    ret[n] = '\0';
}

static void take_version(struct request *request, struct str_view text)
{
    if (text.length == 0)
        return;
    request->version = 0;
    for (size_t i = 0; i < text.length && !request->overflow; i++)
        request->overflow = __builtin_mul_overflow(request->version, 10, &request->version) ||
                            __builtin_add_overflow(request->version, text.data[i] - '0', &request->version);
    if (!request->overflow)
        return;
    int length = text.length < 100 ? (int)text.length : 100;
    if ((request->target[2] | 0x20) == '1')
        answer_text(request, 400, "Failed to convert version: %.*s to numeric value", length, text.data);
    else
        answer_text(request, 400, "failed to get model version from specified version string '%.*s'", length, text.data);
}

static void take_route(struct request *request, const struct route *route, const struct match *match)
{
    request->route = route;
    decode(match->model, request->model, sizeof(request->model));
    decode(match->label, request->label, sizeof(request->label));
    take_version(request, match->version);
}

/* ---- what was not ---- */

static void answer_allow(struct request *request, bool get, bool post)
{
    answer_header(request, "Allow", get && post ? "GET, HEAD, POST, OPTIONS" : get ? "GET, HEAD, OPTIONS" : "POST, OPTIONS");
}

/* TensorFlow Serving answers a preflight before it looks at the path. */
static void answer_v1_options(struct request *request)
{
    const char *origin = request->head.origin;
    if (origin && (strstr(origin, "http://") || strstr(origin, "https://")))
        answer(request, 200);
    else
        answer_text(request, 400, "OPTIONS without an Origin header");
}

static void answer_malformed(struct request *request, int status)
{
    answer_text(request, status, "Malformed request: %.40s %.700s", request->method_name, request->target);
}

void route_find(struct request *request)
{
    const char *path = request->target, *end = path + strcspn(path, "?#");
    bool v1 = starts_with(path, end, "/v1/", true), get = false, post = false;
    struct match match;
    if (v1 && request->method == METHOD_OPTIONS) {
        answer_v1_options(request);
        return;
    }
    if (request->method == METHOD_OPTIONS && end == path + 1 && *path == '*') { /* the server as a whole */
        answer(request, 204);
        answer_allow(request, true, true);
        return;
    }
    bool reads = request->method == METHOD_GET || request->method == METHOD_HEAD;
    if (reads && end > path + 1 && end[-1] == '/')
        end--;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!match_path(routes[i].pattern, path, end, &match))
            continue;
        if (takes(&routes[i], request->method)) {
            take_route(request, &routes[i], &match);
            return;
        }
        get |= takes(&routes[i], METHOD_GET);
        post |= takes(&routes[i], METHOD_POST);
    }
    bool tfs = starts_with(path, end, "/v1/models/", true);
    bool known_method = tfs && (request->method == METHOD_GET || request->method == METHOD_POST);
    if (v1 && (known_method || (!get && !post))) {
        answer_malformed(request, 400);
    } else if (!get && !post) {
        answer_text(request, 404, "Not Found");
    } else if (v1) {
        answer_malformed(request, 405);
        answer_allow(request, get, post);
    } else if (request->method == METHOD_OPTIONS) {
        answer(request, 204);
        answer_allow(request, get, post);
    } else {
        answer_text(request, 405, "Method Not Allowed");
        answer_allow(request, get, post);
    }
}
