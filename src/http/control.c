/* control: who may load, unload and reload. Three ways: the admin listener, a token, or (for trying things out) a
 * loopback listener with a Host that is a loopback name and no Origin: a web page in a browser on this machine can reach
 * the port, but it always sends an Origin with a POST, and a name that was rebound to 127.0.0.1 shows in Host. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/size.h"
#include "base/str.h"
#include "http/request.h"
#include "http/server.h"

/* Compares without telling by its time how much was right. */
static bool equal(const char *a, const char *b)
{
    size_t length_a = strlen(a), length_b = strlen(b);
    unsigned char difference = length_a != length_b;
    for (size_t i = 0; i < length_a; i++)
        difference |= (unsigned char)(a[i] ^ b[length_b ? i % length_b : 0]);
    return difference == 0;
}

static bool token_ok(struct request *request, bool *ret_any)
{
    struct http_settings *settings = &request->http->settings;
    const char *token = request->head.api_key, *authorization = request->head.authorization;
    if (authorization && strncasecmp(authorization, "Bearer ", 7) == 0)
        token = authorization + 7;
    bool ok = false;
    lock_take(&settings->lock);
    *ret_any = settings->n_tokens > 0;
    for (size_t i = 0; token && i < settings->n_tokens; i++)
        ok |= equal(token, settings->tokens[i]);
    lock_give(&settings->lock);
    return ok;
}

/* "localhost", "127.x.y.z" or "[::1]", with or without a port. */
static bool is_loopback_name(const char *host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; host && i < KD_COUNT(names); i++) {
        size_t length = strlen(names[i]);
        if (strncasecmp(host, names[i], length) == 0 && (host[length] == '\0' || host[length] == ':'))
            return true;
    }
    return false;
}

bool control_allowed(struct request *request)
{
    bool any_token;
    if (request->listener->role == HTTP_ROLE_ADMIN || token_ok(request, &any_token))
        return true;
    if (request->settings->loopback_control && request->listener->loopback && !request->head.origin &&
        !request->absolute && is_loopback_name(request->head.host))
        return true;
    if (any_token) {
        answer_text(request, 401, "control requests need a token: Authorization: Bearer TOKEN");
        answer_header(request, "WWW-Authenticate", "Bearer");
    } else {
        answer_text(request, 403,
                    "control requests are taken on admin_listen, with a token (control_token_file), or from this "
                    "machine on a loopback listener without an Origin header");
    }
    return false;
}
